
/** What is needed to call the functions: their memory is shared, and one runs after the other. */
class Workplace {
  constructor(exports) {
    this.exports = exports;
    this.start = exports.__heap_base.value;
    this.size = 0;
    this.prepare(this.start);
  }

  /** Makes the memory so large that `end` is in it; arrays of it are of no use after it has grown. */
  prepare(end) {
    if (end <= this.size) return;
    const { memory } = this.exports;
    const missing = end - memory.buffer.byteLength;
    if (missing > 0) this.grow(Math.ceil(missing / 65536));
    const { buffer } = memory;
    this.size = buffer.byteLength;
    this.addresses = new Uint32Array(buffer);
    this.strides = new BigInt64Array(buffer);
    this.float64 = new Float64Array(buffer);
    this.float32 = new Float32Array(buffer);
  }

  grow(pages) {
    try {
      this.exports.memory.grow(pages);
    } catch (error) {
      throw new RangeError(`there is no memory for ${pages * 65536} bytes more: fewer points at a time`, { cause: error });
    }
  }

  text(at) {
    const bytes = new Uint8Array(this.exports.memory.buffer);
    return new TextDecoder().decode(bytes.slice(at, bytes.indexOf(0, at)));
  }

  integers(at, count) {
    return Array.from(new BigInt64Array(this.exports.memory.buffer, at, count), Number);
  }
}

/** The names and shapes of the inputs ("in") or outputs ("out") of a function. */
function described(workplace, name, side) {
  const told = (what, ...rest) => workplace.exports[`${name}_${what}`](...rest);
  return Array.from({ length: Number(told(`n_${side}`)) }, (_, k) => {
    const number = BigInt(k);
    const rank = Number(told(`${side}_rank`, number));
    const shape = rank ? workplace.integers(told(`${side}_shape`, number), rank) : [];
    return { name: workplace.text(told(`${side}_name`, number)), shape, size: shape.reduce((a, b) => a * b, 1) };
  });
}

/** Of a sparse matrix: its shape, the starts of its columns and the rows of its entries. */
function sparsity(workplace, name) {
  const told = workplace.exports[`${name}_sparsity`];
  if (!told) return null;
  const at = told();
  const [height, width] = workplace.integers(at, 2);
  const starts = workplace.integers(at + 16, width + 1);
  return { shape: [height, width], starts, rows: workplace.integers(at + 16 + 8 * (width + 1), starts[width]) };
}

/** Numbers one after the other, of arrays in arrays too. */
function flat(value) {
  if (typeof value === "number") return [value];
  if (ArrayBuffer.isView(value)) return value;
  return Array.isArray(value) || typeof value?.length === "number" ? Array.from(value).flat(Infinity) : null;
}

function makeFunction(workplace, name, Numbers) {
  const { exports } = workplace;
  const inputs = described(workplace, name, "in");
  const outputs = described(workplace, name, "out");
  const operands = [...inputs, ...outputs];
  const width = Numbers.BYTES_PER_ELEMENT;
  const kind = Numbers === Float32Array ? "float32" : "float64";
  const call = exports[name];

  /** Where everything lies: strides, the numbers of each operand, workspace, and then the addresses of all operands. */
  function layout(sizes, work) {
    let end = Math.ceil(workplace.start / 16) * 16;
    const take = (bytes) => {
      const at = end;
      end += Math.ceil(bytes / 16) * 16;
      return at;
    };
    const strides = take(8 * operands.length);
    const places = sizes.map((size) => take(width * size));
    return { strides, places, work: take(work), lists: take(4 * operands.length), end };
  }

  const point = layout(operands.map(({ size }) => size), exports[`${name}_work_bytes`]());

  function checkCount(given) {
    if (given.length !== inputs.length) {
      throw new TypeError(`${name} takes ${inputs.length} inputs (${inputs.map((x) => x.name).join(", ")})`);
    }
  }

  /** The numbers that are given for an input. */
  function taken(value, k) {
    const found = typeof value === "string" ? null : flat(value);
    if (found) return found;
    throw new TypeError(`${name}: ${inputs[k].name} is ${value === null ? value : typeof value}, and takes numbers`);
  }

  function refuse({ name: input, size }, found) {
    throw new RangeError(`${name}: ${input} has ${size} number${size === 1 ? "" : "s"}, not ${found}`);
  }

  function check(code) {
    if (code === 2) throw new RangeError(`${name}: an index is out of range`);
    if (code) throw new Error(`${name} failed with the code ${code}`);
  }

  function results(plan, sizes, isBatch) {
    const numbers = workplace[kind];
    const made = outputs.map(({ shape }, k) => {
      const from = plan.places[inputs.length + k] / width;
      return shape.length || isBatch ? numbers.slice(from, from + sizes[k]) : numbers[from];
    });
    return made.length === 1 ? made[0] : made;
  }

  const single = outputs.map(({ size }) => size);

  function f(...given) {
    checkCount(given);
    workplace.prepare(point.end);
    const numbers = workplace[kind];
    for (let k = 0; k < inputs.length; k++) {
      const at = point.places[k] / width;
      if (inputs[k].shape.length === 0 && typeof given[k] === "number") {
        numbers[at] = given[k];
        continue;
      }
      const values = taken(given[k], k);
      if (values.length !== inputs[k].size) refuse(inputs[k], values.length);
      numbers.set(values, at);
    }
    for (let k = 0; k < operands.length; k++) workplace.addresses[point.lists / 4 + k] = point.places[k];
    check(call(point.lists, point.lists + 4 * inputs.length, point.work));
    return results(point, single, false);
  }

  f.batch = (...given) => {
    checkCount(given);
    const values = given.map(taken);
    const counts = values.map((own, k) => (inputs[k].size ? own.length / inputs[k].size : 1));
    const count = counts.find((n) => n !== 1) ?? 1;
    counts.forEach((n, k) => {
      if (n !== 1 && n !== count) refuse(inputs[k], `${values[k].length} for ${count} points`);
      if (!Number.isInteger(n)) refuse(inputs[k], values[k].length);
    });
    const sizes = outputs.map(({ size }) => count * size);
    const plan = layout([...values.map((own) => own.length), ...sizes], exports[`${name}_batch_work_bytes`]());
    workplace.prepare(plan.end);
    values.forEach((own, k) => workplace[kind].set(own, plan.places[k] / width));
    const steps = operands.map(({ size }, k) => BigInt(k < inputs.length && counts[k] === 1 ? 0 : size));
    workplace.strides.set(steps, plan.strides / 8);
    workplace.addresses.set(plan.places, plan.lists / 4);
    const ins = [plan.lists, plan.strides];
    const outs = [plan.lists + 4 * inputs.length, plan.strides + 8 * inputs.length];
    check(exports[`${name}_batch`](BigInt(count), ...ins, ...outs, plan.work));
    return results(plan, sizes, true);
  };

  f.inputs = inputs;
  f.outputs = outputs;
  f.sparsity = sparsity(workplace, name);
  return f;
}

async function instantiate(source, imports) {
  if (source instanceof WebAssembly.Module) return WebAssembly.instantiate(source, imports);
  if (typeof source === "string" || source instanceof URL) {
    const url = new URL(source, import.meta.url);
    if (url.protocol === "file:") {
      const { readFile } = await import("node:fs/promises");
      source = await readFile(url);
    } else {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url}: ${response.status} ${response.statusText}`);
      source = await response.arrayBuffer();
    }
  }
  return (await WebAssembly.instantiate(source, imports)).instance;
}

/**
 * The functions of the module, which is at a URL (as seen from this file), in bytes, or compiled. A function takes
 * numbers and arrays, and gives a number, a typed array with the elements row by row, or a list of several results.
 * `f.batch` takes arrays with the numbers of all points, one after the other; an array for a single point is the same
 * for all of them. `f.inputs` and `f.outputs` tell names and shapes. `functions` are those that the code calls and that
 * JavaScript has not, by their names.
 */
export async function load(source = new URL(FILE, import.meta.url), functions = {}) {
  const missing = GIVEN.filter((name) => typeof functions[name] !== "function");
  if (missing.length) throw new TypeError(`load(source, { ${missing.join(", ")} }) needs these functions`);
  const { exports } = await instantiate(source, { env: { ...MATH, ...functions } });
  const workplace = new Workplace(exports);
  return Object.fromEntries(
    Object.entries(FUNCTIONS).map(([name, Numbers]) => [name, makeFunction(workplace, name, Numbers)]),
  );
}
