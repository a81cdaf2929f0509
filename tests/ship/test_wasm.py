"""WebAssembly modules in Node: the values are those of the same functions here."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen.target import Target
from symdiff.ship.wasm import MATH
from tests.ship.c_programs import ROSENBROCK, flat

RNG = np.random.default_rng(11)

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

AFFINE = sd.function("affine(W[3, 4], x[4], [a, b]) = (W @ x)*a + b")


def run(folder, name, body, **values):
    """What a program of JavaScript gives back, which has the functions of the module in `m` and values in `v`."""
    given = json.dumps(values, default=lambda array: array.tolist())
    source = f"""
        import {{ load }} from "./{name}.mjs";
        const v = {given}, m = await load();
        const flat = (x) => (ArrayBuffer.isView(x) ? Array.from(x) : Array.isArray(x) ? x.flatMap(flat) : [x]);
        const said = await (async () => {{ {body} }})();
        console.log(JSON.stringify(said));
    """
    (folder / "main.mjs").write_text(source)
    done = subprocess.run(["node", "main.mjs"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def numbers(result):
    return np.concatenate([np.ravel(y) for y in flat(result)])


@needs_node
def test_points_and_batches(tmp_path):
    library = {
        "f": ROSENBROCK,
        "f_grad": sd.grad(ROSENBROCK),
        "f_hess": sd.hessian(ROSENBROCK),
        "both": sd.value_and_grad(ROSENBROCK),
    }
    files = sd.emit(library, tmp_path, kinds="wasm")
    assert [path.name for path in files] == ["f.wasm", "f.mjs", "f.d.mts"]
    x, y = RNG.normal(size=(2, 9))
    body = "return v.names.map((n) => [v.x.flatMap((x, k) => flat(m[n](x, v.y[k]))), flat(m[n].batch(v.x, v.y))])"
    said = run(tmp_path, "f", body, names=list(library), x=x, y=y)
    for f, (points, batch) in zip(library.values(), said, strict=True):
        wanted = np.concatenate([numbers(f(*point)) for point in zip(x, y, strict=True)])
        np.testing.assert_allclose(points, wanted, rtol=1e-13, atol=1e-13)
        if isinstance(f(0.0, 0.0), tuple):  # a batch has all values first, then all gradients
            wanted = numbers(f(x, y))
        np.testing.assert_allclose(batch, wanted, rtol=1e-13, atol=1e-13)


@needs_node
def test_arrays_shapes_and_a_column_for_all_points(tmp_path):
    sd.emit(
        {"affine": AFFINE, "slope": sd.jacobian(sd.function("slope(W[3, 4], x[4]) = tanh(W @ x)"), "x")},
        tmp_path,
        kinds="wasm",
    )
    W, x, ab = RNG.normal(size=(3, 4)), RNG.normal(size=(5, 4)), [0.5, 2.0]
    body = """
        const made = [m.affine(v.W, v.x[0], v.ab), m.affine.batch(v.W, v.x, v.ab)];
        const slope = m.slope(v.W, new Float64Array(v.x[1]));
        return [...made.map(flat), flat(slope), m.affine.inputs, m.affine.outputs]"""
    point, batch, slope, inputs, outputs = run(tmp_path, "affine", body, W=W, x=x, ab=ab)
    np.testing.assert_allclose(point, numbers(AFFINE(W, x[0], ab)), rtol=1e-14)
    np.testing.assert_allclose(batch, numbers(AFFINE(W, x, ab)), rtol=1e-14)
    wanted = (1 - np.tanh(W @ x[1]) ** 2)[:, None] * W
    np.testing.assert_allclose(np.reshape(slope, (3, 4)), wanted, rtol=1e-13)
    assert [(a["name"], a["shape"]) for a in inputs] == [("W[3, 4]", [3, 4]), ("x[4]", [4]), ("[a, b]", [2])]
    assert [a["shape"] for a in outputs] == [[3]]


WORDS = {"tgamma": "gamma"}
TWO = ("atan2", "fmod", "hypot", "pow")
NARROW = ("acos", "asin", "atanh")
ABOVE_ONE = ("acosh", "log", "log10", "log2")


def points_of(name):
    if name in NARROW:
        return RNG.uniform(-1, 1, 200)
    if name in ABOVE_ONE:
        return RNG.uniform(1, 50, 200)
    return RNG.uniform(0 if name in ("pow", "log1p") else -5, 5, 200)


@needs_node
def test_every_function_is_within_2_units_in_the_last_place(tmp_path):
    functions, points = {}, {}
    for name in MATH:
        word = WORDS.get(name, name)
        functions[f"f_{name}"] = sd.function(f"f(x, y) = {word}(x, y)" if name in TWO else f"f(x, y) = {word}(x) + 0*y")
        points[f"f_{name}"] = points_of(name), RNG.uniform(-5, 5, 200)
    sd.emit(functions, tmp_path, name="all", kinds="wasm")
    said = run(
        tmp_path,
        "all",
        "return v.names.map((n) => flat(m[n].batch(...v.points[n])))",
        names=list(functions),
        points=points,
    )
    for (name, f), found in zip(functions.items(), said, strict=True):
        wanted = f.compile(math="scalar")(*points[name])
        worst = np.max(np.abs(np.array(found) - wanted) / np.spacing(np.abs(wanted)))
        assert worst <= 2, (name, worst)


@needs_node
def test_powers_and_rounding_are_those_of_c(tmp_path):
    texts = ("x**y", "round(x)", "floor(y)", "fmod(x, y)")
    functions = {f"f{k}": sd.function(f"f(x, y) = {text}") for k, text in enumerate(texts)}
    sd.emit(functions, tmp_path, kinds="wasm")
    cases = [(1.0, "NaN"), (-1.0, "Infinity"), (2.5, 0.0), (-2.5, 3.0), (-1.0, "-Infinity"), (3.5, "NaN")]
    said = run(
        tmp_path,
        "f0",
        "return v.cases.map((c) => v.names.map((n) => String(m[n](...c.map(Number)))))",
        names=list(functions),
        cases=cases,
    )
    for case, found in zip(cases, said, strict=True):
        wanted = [f(*map(float, case)) for f in functions.values()]
        np.testing.assert_array_equal([float(y.replace("Infinity", "inf")) for y in found], wanted, err_msg=str(case))


@needs_node
def test_float32_and_a_sparse_matrix(tmp_path):
    f = sd.function("f(x[3]) = exp(x)*x[0]", dtype="float32")
    sparse = sd.sparse_jacobian(sd.function("s(x[4]) = [x[0]*x[1], sin(x[1]), x[2]*x[3]]"))
    sd.emit({"f": f, "s": sparse}, tmp_path, kinds="wasm")
    x = np.float32([0.5, 1.25, -2])
    single, entries, pattern = run(
        tmp_path, "f", "return [flat(m.f(v.x)), flat(m.s([1, 2, 3, 4])), m.s.sparsity, m.f.sparsity]", x=x
    )[:3]
    np.testing.assert_allclose(np.float32(single), f(x), rtol=2e-7)
    from scipy.sparse import csc_array

    made = csc_array((entries, pattern["rows"], pattern["starts"]), shape=pattern["shape"])
    np.testing.assert_allclose(made.toarray(), [[2, 1, 0, 0], [0, np.cos(2), 0, 0], [0, 0, 4, 3]], rtol=1e-15)


@needs_node
def test_wrong_calls_are_errors(tmp_path):
    f = sd.function("f(x[3], y) = x*(1 + y**2)", shapes={"y": ()})
    f.emit(tmp_path, kinds="wasm")
    calls = [
        "m.f([1, 2, 3])",
        "m.f([1, 2], 3)",
        "m.f.batch([1, 2, 3, 4], 5)",
        "m.f.batch([1, 2, 3, 4, 5, 6], [1, 2, 3])",
        "m.f([1, 2, 3], undefined)",
        "m.f(null, 1)",
        "m.f([1, 2, 3], '4')",
        "m.f.batch([1, 2, 3], {})",
        "m.f([1, 2, 3], 4n)",
        "m.f.batch([1, 2, 3], new Float64Array(1.5e8))",
    ]
    body = "const said = [];" + "".join(
        f"try {{ {c}; said.push('no') }} catch (e) {{ said.push(e.message) }}" for c in calls
    )
    assert run(tmp_path, "f", body + "return said") == [
        "f takes 2 inputs (x[3], y)",
        "f: x[3] has 3 numbers, not 2",
        "f: x[3] has 3 numbers, not 4",
        "f: y has 1 number, not 3 for 2 points",
        "f: y is undefined, and takes numbers",
        "f: x[3] is null, and takes numbers",
        "f: y is string, and takes numbers",
        "f: y is object, and takes numbers",
        "f: y is bigint, and takes numbers",
        "there is no memory for 4799987712 bytes more: fewer points at a time",
    ]


@needs_node
def test_a_large_workspace_makes_the_memory_grow(tmp_path):
    f = sd.function("f(x[20000]) = sum(sin(x)*x)")
    g = sd.grad(f)
    sd.emit({"f": f, "g": g}, tmp_path, kinds="wasm")
    x = RNG.normal(size=(2, 20000))
    value, slope = run(tmp_path, "f", "return [flat(m.f.batch(v.x)), flat(m.g(v.x[0]))]", x=x)
    np.testing.assert_allclose(value, f(x), rtol=1e-12)
    np.testing.assert_allclose(slope, g(x[0]), rtol=1e-12, atol=1e-14)


@needs_node
def test_vectors_and_a_workspace(tmp_path):
    x, y = RNG.normal(size=(2, 7))
    sd.emit(ROSENBROCK, tmp_path, kinds="wasm", target=Target.of("wasm32", features="+simd128"))
    batch = run(tmp_path, "rosenbrock", "return flat(m.rosenbrock.batch(v.x, v.y))", x=x, y=y)
    np.testing.assert_allclose(batch, ROSENBROCK(x, y), rtol=1e-13)
    A, b = RNG.normal(size=(6, 6)) + 6 * np.eye(6), RNG.normal(size=6)
    sd.emit(sd.function("solved(A[6, 6], b[6]) = solve(A, b)"), tmp_path, kinds="wasm")
    np.testing.assert_allclose(
        run(tmp_path, "solved", "return flat(m.solved(v.A, v.b))", A=A, b=b), np.linalg.solve(A, b), rtol=1e-12
    )


def test_the_types(tmp_path):
    kept = sd.emit({"affine": AFFINE, "both": sd.value_and_grad(ROSENBROCK)}, tmp_path, kinds="d.ts")[0].read_text()
    call = "CompiledFunction<[W: Numbers, x: Numbers, a_b: Numbers], Float64Array, Float64Array>"
    assert f"readonly affine: {call};" in kept
    assert "CompiledFunction<[x: number, y: number], [number, Float64Array], [Float64Array, Float64Array]>" in kept
    assert "   * affine(W[3, 4], x[4], [a, b]) = " in kept


TYPED = """
import { load } from "./affine.mjs";

declare class URL { constructor(text: string); readonly href: string }

export async function all(): Promise<number> {
  const m = await load(new URL("https://example.org/affine.wasm"));
  const [value, gradient]: [number, Float64Array] = m.both(1, 2);
  const many: Float64Array = m.affine([[1, 2, 3, 4]], new Float64Array(4), [1, 2]);
  const [values]: [Float64Array, Float64Array] = m.both.batch([1, 2], 3);
  const names: string[] = m.affine.inputs.map((operand) => operand.name);
  const rows: readonly number[] | undefined = m.affine.sparsity?.rows;
  return value + gradient[0] + many[0] + values[0] + names.length + (rows?.length ?? 0);
}
"""

WRONG = {
    "m.both(1)": 2554,  # arguments are missing
    'm.both("1", 2)': 2345,  # not of the type
    "m.nothing(1)": 2339,  # there is no such function
    "m.affine.inputs.push(m.affine.inputs[0])": 2339,  # not to be changed
    "const n: number = m.affine([1], [1], [1])": 2322,
    "await load(5)": 2345,
}
"""Lines that the compiler refuses, and the number of the error."""


@pytest.mark.skipif(shutil.which("tsc") is None, reason="TypeScript's compiler is not installed")
def test_the_compiler_of_typescript_takes_the_types(tmp_path):
    sd.emit({"affine": AFFINE, "both": sd.value_and_grad(ROSENBROCK)}, tmp_path, kinds="wasm")
    (tmp_path / "right.mts").write_text(TYPED)
    for k, line in enumerate(WRONG):
        wrong = f'import {{ load }} from "./affine.mjs";\nconst m = await load();\n{line};\n'
        (tmp_path / f"wrong{k}.mts").write_text(wrong)
    options = {"strict": True, "noEmit": True, "target": "es2022", "module": "node16", "lib": ["es2022"]}
    settings = {"compilerOptions": {**options, "types": []}, "include": ["*.mts"]}
    (tmp_path / "tsconfig.json").write_text(json.dumps(settings))
    done = subprocess.run(["tsc", "--pretty", "false"], cwd=tmp_path, capture_output=True, text=True)
    said = re.findall(r"(?m)^(\w+)\.mts\(\d+,\d+\): error TS(\d+)", done.stdout)
    assert said == [(f"wrong{k}", str(number)) for k, number in enumerate(WRONG.values())], done.stdout


REFUSED = {
    "another machine": (
        ROSENBROCK,
        {"target": "aarch64-linux-gnu"},
        "is no target of WebAssembly",
    ),
    "what JavaScript has not": (sd.function("f(x) = lgamma(x)"), {}, "JavaScript has no lgamma"),
    "BLAS": (sd.function("f(A[50, 50], B[50, 50]) = A @ B"), {"blas": True}, "JavaScript has no dgemm_"),
    "a processor that cannot copy": (
        sd.function("f(A[30, 30], b[30]) = solve(A, b)"),
        {"cpu": "mvp"},
        "JavaScript has no memcpy.*\nprocessors since 2020",
    ),
    "the name of the memory": ({"memory": ROSENBROCK}, {}, "the memory of the module is called memory"),
}


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_refusals(tmp_path, case):
    functions, options, said = case
    with pytest.raises(sd.SymdiffError, match=said):
        sd.emit(functions, tmp_path, kinds="wasm", **options)


def test_a_library_for_this_system_beside_the_module(tmp_path):
    header, module = sd.emit(ROSENBROCK, tmp_path, kinds=("h", "wasm"))[:2]
    assert "wasm32" not in header.read_text()
    assert module.read_bytes().startswith(b"\0asm")
