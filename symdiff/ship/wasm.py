"""WebAssembly: a module, what loads it in browsers and Node, and its types for TypeScript."""

from __future__ import annotations

import json
import re
from pathlib import Path

from symdiff.codegen.objects import MEMORY
from symdiff.errors import ArgumentError, CompileError
from symdiff.ops import OPS
from symdiff.ops.base import Library
from symdiff.ship.header import described
from symdiff.ship.interface import Array, Exported
from symdiff.ship.package import Package, add_kind
from symdiff.ship.reserved import C_FUNCTIONS
from symdiff.ship.wasm_linker import link_module
from symdiff.version import VERSION

_MISSING = frozenset(["erf", "erfc", "exp2", "fmod", "lgamma", "pow", "tgamma"])
"""Functions of C that JavaScript's `Math` has not, or not as C has them."""

MATH = {
    **{name: f"Math.{name}" for name in sorted(C_FUNCTIONS - _MISSING)},
    "exp2": "(x) => Math.pow(2, x)",
    "fmod": "(x, y) => x % y",
    "pow": "(x, y) => (x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y))",
}
"""Functions of the C library that JavaScript has: C gives 1 for the powers of 1, and for -1 to an infinite power."""

TRIPLE = "wasm32"


@add_kind("wasm", lambda package: f"{package.name}.wasm", "a WebAssembly module", ("mjs", "d.ts"), TRIPLE)
def _wasm(package: Package) -> bytes:
    return _linked(package)[0]


@add_kind("mjs", lambda package: f"{package.name}.mjs", "an ES module that loads the WebAssembly module", (), TRIPLE)
def _loader(package: Package) -> bytes:
    runtime = Path(__file__).with_name("wasm_runtime.mjs").read_text(encoding="utf-8")
    functions = [f"  {f.name}: {_array(f)}," for f in package.functions]
    given = [symbol.name for symbol in package.called_foreign]
    called = [f"  {name}: {MATH[name]}," for name in _linked(package)[1] if name not in given]
    lines = [
        f"// {package.name}.wasm: functions compiled by symdiff {VERSION}.",
        f'const FILE = "{package.name}.wasm";',
        *("const FUNCTIONS = {", *functions, "};"),
        *("const MATH = {", *called, "};"),
        f"const GIVEN = {json.dumps(given)};",
    ]
    return ("\n".join(lines) + "\n" + runtime).encode()


@add_kind("d.ts", lambda package: f"{package.name}.d.mts", "the types of the ES module", (), TRIPLE)
def _types(package: Package) -> bytes:
    lines = [f"// {package.name}.wasm: functions compiled by symdiff {VERSION}.", TYPES, "export interface Functions {"]
    for f in package.functions:
        taken = ", ".join([f"{_label(k, a)}: {'Numbers' if a.shape else 'number'}" for k, a in enumerate(f.inputs)])
        point = _tuple([_array(f) if a.shape else "number" for a in f.outputs])
        batch = _tuple([_array(f)] * len(f.outputs))
        comment = described(f, numbered=False).replace("/*", "/**", 1).splitlines()
        lines += [f"  {line}" for line in comment]
        lines.append(f"  readonly {f.name}: CompiledFunction<[{taken}], {point}, {batch}>;")
    given = "; ".join([symbol.typed for symbol in package.called_foreign])
    more = f", functions: {{ {given} }}" if given else ""
    source = SOURCE if given else SOURCE.replace(" | undefined", "").replace("source:", "source?:")
    return "\n".join([*lines, "}", LOAD.format(source + more), ""]).encode()


def _linked(package: Package) -> tuple[bytes, list[str]]:
    """The module, and the functions that it imports.

    Raises
    ------
    ArgumentError
        For targets that are not WebAssembly's, and the name `memory`.
    CompileError
        Where JavaScript has not what it calls.
    """
    if package.target.family != TRIPLE:
        raise ArgumentError(f"{package.target.triple} is no target of WebAssembly modules", hint='target="wasm32"')
    if any(f.name == "memory" for f in package.functions):
        raise ArgumentError("the memory of the module is called memory", hint="another name for the function")
    code, names = link_module(package.object_code, package.module.defined)
    given = {symbol.name for symbol in package.foreign}
    missing = [name for name in names if name not in MATH and name not in given]
    if missing:
        words = [op.word for op in OPS.values() if isinstance(op.routine, Library) and op.routine.symbol == missing[0]]
        hint = "blas=False has loops for products of matrices"
        if missing[0] in MEMORY:
            hint = "processors since 2020 have instructions for it: leave out cpu="
        elif words:
            hint = f'symbols={{"{words[0]}": "{missing[0]}"}} takes a function of JavaScript when the module is loaded'
        raise CompileError(
            f"JavaScript has no {', '.join(missing)}, which the code calls",
            hint=hint,
        )
    return code, names


def _array(function: Exported) -> str:
    return "Float32Array" if function.dtype == "float32" else "Float64Array"


def _tuple(types: list[str]) -> str:
    return types[0] if len(types) == 1 else f"[{', '.join(types)}]"


def _label(k: int, array: Array) -> str:
    return array.name if re.fullmatch(r"[A-Za-z]\w*", array.name, re.ASCII) else f"in{k}"


TYPES = """\

/** The numbers of an array row by row, or arrays in arrays. */
export type Numbers = ArrayLike<number> | ReadonlyArray<Numbers>;

export interface Operand {
  readonly name: string;
  readonly shape: readonly number[];
  readonly size: number;
}

export interface CompiledFunction<Inputs extends unknown[], Output, Batch> {
  /** The value at a point; arrays come with their elements row by row. */
  (...inputs: Inputs): Output;
  /**
   * The values at many points: inputs have the numbers of all points one after the other, or those of one point, which
   * are the same for all.
   */
  batch(...inputs: { [K in keyof Inputs]: Numbers | number }): Batch;
  readonly inputs: readonly Operand[];
  readonly outputs: readonly Operand[];
  /** Of a sparse matrix: its shape, the starts of its columns and the rows of its entries. */
  readonly sparsity: { shape: [number, number]; starts: number[]; rows: number[] } | null;
}
"""

LOAD = """
/** The functions of the module: at a URL as seen from this file (its default is beside it), in bytes, or compiled. */
export function load({}): Promise<Functions>;"""

SOURCE = "source: string | { readonly href: string } | ArrayBuffer | ArrayBufferView | object | undefined"
"""A URL, bytes, or a module: written so that programs need no types of browsers."""
