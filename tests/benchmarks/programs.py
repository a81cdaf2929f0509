"""Long straight-line programs: what an operation costs to compile and to run: `python tests/benchmarks/programs.py`.

(a) `arithmetic`: random sums, differences and products of 20 inputs. (b) `gradient`: the gradient by 20 inputs of a
circuit with 5 % sines. Both come from a generator with a fixed seed, whose text's digest is printed. "graph to
callable" is everything after the text was parsed and differentiated: optimizing, writing and compiling code. An
operation is one that is left after optimization; a fused multiply-add counts once.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import math
import random
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from timing import best, interleaved, one_processor, peak, reset_peak, resident, table

import symdiff as sd

INPUTS = [f"x{k}" for k in range(20)]
VALUES = [0.03 + 0.05 * k for k in range(20)]
Row = tuple[str, str, str]


def generate(count: int, sines: float, seed: int = 1) -> list[Row]:
    """`count` operations as (operation, operand, operand): every one is used, and all values stay below 1.

    Each takes one of 200 values that nothing has used yet, and any of the 400 before it.
    """
    choose = random.Random(seed)
    values = dict(zip(INPUTS, VALUES, strict=True))
    unused, known = INPUTS * 10, list(INPUTS)
    rows: list[Row] = []
    for k in range(count):
        at = choose.randrange(len(unused))
        a, b = unused[at], choose.choice(known[-400:])
        if choose.random() < sines:
            row, value = ("sin", a, ""), math.sin(values[a])
        else:
            op, value = _bounded(choose, values[a], values[b])
            if op is None:
                b = "x18"
                op, value = "*", values[a] * values[b]
            row = (op, a, b)
        name = f"t{k}"
        rows.append(row)
        values[name] = value
        unused[at] = name
        known.append(name)
    return rows


def _bounded(choose: random.Random, a: float, b: float) -> tuple[str | None, float]:
    """An operation on two values whose result is below 1 and not almost zero: so roundings do not grow either."""
    results = {"+": a + b, "-": a - b, "*": a * b}
    fitting = [op for op in "+-***" if 1e-3 < abs(results[op]) < 1]
    op = choose.choice(fitting) if fitting else None
    return op, results[op] if op else 0.0


def text_of(rows: list[Row], outputs: str) -> str:
    """The program in symdiff's language; its outputs are the values that nothing uses."""
    lines = [f"t{k} = sin({a})" if op == "sin" else f"t{k} = {a} {op} {b}" for k, (op, a, b) in enumerate(rows)]
    return "\n".join([*lines, outputs])


def last_values(rows: list[Row]) -> list[str]:
    """The names that no row uses."""
    used = {name for _, a, b in rows for name in (a, b)}
    return [name for name in (*INPUTS, *(f"t{k}" for k in range(len(rows)))) if name not in used]


def arithmetic(count: int) -> tuple[sd.Function, list[Row], str]:
    """Program (a), its rows and the digest of its text."""
    rows = generate(count, 0.0)
    text = text_of(rows, "[" + ", ".join(last_values(rows)) + "]")
    return sd.function(text, [INPUTS]), rows, hashlib.sha256(text.encode()).hexdigest()[:16]


def gradient(count: int) -> tuple[sd.Function, str]:
    """Program (b), of about `count` operations, and the digest of the text that is differentiated."""
    text = circuit(int(count / 2.35))
    return sd.grad(sd.function(text, [INPUTS]), INPUTS), hashlib.sha256(text.encode()).hexdigest()[:16]


def circuit(count: int) -> str:
    """A number that `count` operations compute, 5 % of them sines."""
    rows = generate(count, 0.05, seed=2)
    return text_of(rows, " + ".join(last_values(rows)))


def casadi_function(rows: list[Row]) -> Any:
    """Program (a) for CasADi's virtual machine."""
    import casadi as ca

    x = ca.SX.sym("x", len(INPUTS))
    known = {name: x[k] for k, name in enumerate(INPUTS)}
    apply: dict[str, Callable[[Any, Any], Any]] = {
        "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b,
    }  # fmt: skip
    for k, (op, a, b) in enumerate(rows):
        known[f"t{k}"] = apply[op](known[a], known[b])
    return ca.Function("program", [x], [ca.vertcat(*(known[name] for name in last_values(rows)))])


def casadi_call(function: Any, point: Any) -> Callable[[], Any]:
    """A call without CasADi's conversions, into memory that exists."""
    buffer, evaluate = function.buffer()
    result = np.zeros(function.nnz_out())
    buffer.set_arg(0, memoryview(point))
    buffer.set_res(0, memoryview(result))

    def call() -> Any:
        evaluate()
        return result

    call.owned = function, buffer, point  # type: ignore[attr-defined]
    return call


def compile_rows(name: str, f: sd.Function, digest: str, repetitions: int) -> list[list[str]]:
    """Compile a program at the default level and at 0, and time it."""
    operands, rows, point = operations(f), [], np.array(VALUES)
    compiled = {}
    for opt in (None, 0):
        f.compile(opt=opt) if operands < 10_000 else None
        seconds, (kernel, _) = best(lambda opt=opt: anew(f, opt), repetitions)
        compiled[opt] = seconds, kernel
    run = interleaved({str(opt): lambda k=k: k(point) for opt, (_, k) in compiled.items()})
    for opt, (seconds, _) in compiled.items():
        rows.append([
            name, "default" if opt is None else f"opt={opt}", f"{operands:,}", f"{seconds / operands * 1e6:.1f}",
            f"{run[str(opt)] / operands * 1e9:.3f}", digest,
        ])  # fmt: skip
    return rows


def anew(f: sd.Function, opt: int | None) -> tuple[Any, Any]:
    """Compile a function that has no program yet: the graph is kept, what was made of it is not."""
    fresh = sd.function(f)
    return fresh.compile(opt=opt), fresh


def operations(f: sd.Function) -> int:
    """How many operations are left after optimization."""
    return int(sd.function(f).compile(opt=0).kernel.statistics.instructions)


def large(count: int) -> None:
    """What compiling a very long program takes, in time and memory."""
    for name, make in (("arithmetic", lambda: arithmetic(count)[0]), ("gradient", lambda: gradient(count)[0])):
        base = resident()
        start = time.perf_counter()
        f = make()
        made, graph = time.perf_counter() - start, resident() - base
        for opt in (None, 0):
            reset_peak()
            before = resident()
            seconds, (kernel, _) = best(lambda opt=opt, f=f: anew(f, opt), 1)
            n = kernel.kernel.statistics.instructions
            level = "default" if opt is None else f"opt={opt}"
            print(f"{name}, {n:,} operations, {level}: {seconds / n * 1e6:.1f} µs an operation "
                  f"(text to graph {made / n * 1e6:.1f}), peak {(peak() - before) / 1e6:,.0f} MB "
                  f"above the graph's {graph / 1e6:,.0f} MB", flush=True)  # fmt: skip
            del kernel


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--count", type=int, default=50_000)
    options.add_argument("--large", type=int, default=500_000, help="0 leaves the very long programs out")
    options.add_argument("--repeat", type=int, default=3)
    chosen = options.parse_args()
    one_processor()
    sd.grad(sd.function(circuit(100), [INPUTS]), INPUTS)(np.array(VALUES))  # imports, templates, the engine
    f, rows, digest = arithmetic(chosen.count)
    cells = compile_rows("(a) arithmetic", f, digest, chosen.repeat)
    if importlib.util.find_spec("casadi"):
        seconds, other = best(lambda: casadi_function(rows), 1)
        point = np.array(VALUES)
        call = casadi_call(other, point)
        assert np.abs(call() - f(point)).max() < 1e-2, "CasADi computes something else"  # 50,000 roundings add up
        run = interleaved({"casadi": call, "symdiff": lambda: f(point)})
        cells.append(["(a) arithmetic", "CasADi VM", f"{len(rows):,}", f"{seconds / len(rows) * 1e6:.1f}",
                      f"{run['casadi'] / len(rows) * 1e9:.3f}", digest])  # fmt: skip
    cells += compile_rows("(b) gradient, 5 % sin", *gradient(chosen.count), chosen.repeat)
    print(table(("program", "compiled", "operations", "graph to callable, µs/op", "run, ns/op", "digest"), cells))
    if chosen.large:
        large(chosen.large)


if __name__ == "__main__":
    main()
