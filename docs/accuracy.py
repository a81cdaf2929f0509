"""Measure the functions of vectors against mpmath, and write docs/accuracy.md: `python docs/accuracy.py`."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import mpmath
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from symdiff.codegen import Options, compile_program, vector_math
from symdiff.ir.graph import Graph
from symdiff.ops import OPS
from symdiff.ops.base import Library
from symdiff.optimize.program import Program
from symdiff.types import tensor

BOUND = 4.0
"""Units in the last place, promised of every elementary function in a batch."""

CASES = {
    op.routine.symbol: len(op.kinds or "")
    for op in OPS.values()
    if isinstance(op.routine, Library) and op.routine.vector
}
"""The functions and their numbers of operands."""

EXACT = {"log2": lambda x: mpmath.log(x, 2), "log10": mpmath.log10, "exp2": lambda x: mpmath.mpf(2) ** x,
         "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)), "pow": mpmath.power}  # fmt: skip

HEAD = """# Accuracy

This page is written by `python docs/accuracy.py`; a test checks the bound.

With `math="vector"`, the default, the elementary functions of a batch are computed by vector functions where the
platform has some (glibc's libmvec on Linux for x86-64), otherwise, and at points, by the C mathematics library. Each
result is at most {bound:g} units in the last place (ULP) from the true value of the function at that operand, zeros,
infinities, NaN and their signs are those of the C library, and the same operands give the same bits wherever they stand
in a batch. With `math="scalar"` and with `fp="strict"` a batch has the bits of its points. Arrays without an axis of
points, such as one vector for a vector argument, are a point.

Largest errors found, in ULP, against mpmath: over all magnitudes, near the zeros, poles and turning points, near
multiples of pi/2, and at the edges of overflow and underflow ({count} operands each; {where}).

| function | vector | scalar |
| --- | --- | --- |
"""
TAIL = """
`lgamma`, `gamma` and `fmod` and the special functions are computed by the scalar functions, point
by point, in batches too.
"""


def kernel(name: str) -> object:
    """A compiled function of one operation."""
    graph, number = Graph("float64"), tensor("float64")
    inputs = tuple(graph.input((k, 0)) for k in range(CASES[name]))
    root = graph.add(name, inputs)
    return compile_program(Program(graph, (number,) * CASES[name], ((root,),), (number,)), Options())


def points(name: str, count: int) -> tuple[np.ndarray, ...]:
    """Operands in the function's domain: of every magnitude, and where it is difficult."""
    rng = np.random.default_rng(len(name))

    def spread(n: int) -> np.ndarray:
        return np.exp(rng.uniform(-745, 709, n)) * rng.choice([-1, 1], n)

    def near(centre: float, n: int) -> np.ndarray:
        return centre * (1 + np.exp(rng.uniform(-36, -1, n)) * rng.choice([-1, 1], n))

    part = max(count // 8, 4)
    if CASES[name] == 2:
        x = [spread(part), rng.uniform(-10, 10, part), near(1, part), np.exp(rng.uniform(-3, 3, part)), spread(part)]
        y = [spread(part), rng.uniform(-10, 10, part), rng.uniform(-7e5, 7e5, part), rng.uniform(-200, 200, part),
             rng.uniform(-1, 1, part)]  # fmt: skip
        first, second = np.concatenate(x), np.concatenate(y)
        return (np.abs(first), second) if name == "pow" else (first, second)
    parts = [spread(part), rng.uniform(-1, 1, part), rng.uniform(-10, 10, part), near(1, part), near(-1, part),
             rng.uniform(-750, 750, part), rng.uniform(-1080, 1080, part),
             rng.integers(1, 10**6, part) * (np.pi / 2)]  # fmt: skip
    x = np.concatenate(parts)
    if name in ("log", "log2", "log10"):
        return (np.abs(x),)
    if name == "acosh":
        return (np.abs(x[np.abs(x) >= 1]),)
    if name in ("erf", "erfc"):
        return (x[np.abs(x) < 1000],)
    if name in ("asin", "acos", "atanh"):
        return (x[np.abs(x) <= 1],)
    return (x[x > -1] if name == "log1p" else x,)


def measure(name: str, *operands: np.ndarray, scalar: bool = False) -> float:
    """The largest error at these operands, in units in the last place."""
    made = kernel(name)
    with np.errstate(all="ignore"):
        found = (made.ufunc if scalar else made.batch_ufunc)(*operands)  # type: ignore[attr-defined]
    exact = EXACT.get(name) or getattr(mpmath, name)
    worst = 0.0
    with mpmath.workprec(120):
        for value, *given in zip(found.tolist(), *(o.tolist() for o in operands), strict=True):
            with mpmath.workprec(1300 if name in ("sin", "cos", "tan") and abs(given[0]) > 1e15 else 170):
                true = exact(*map(mpmath.mpf, given))
                rounded = float(true)
                if np.isinf(value) or np.isinf(rounded):
                    worst = max(worst, 0.0 if value == rounded else abs(float((_capped(value) - true) / 2.0**971)))
                    continue
                worst = max(worst, abs(float((mpmath.mpf(value) - true) / float(np.spacing(abs(rounded))))))
    return worst


def _capped(value: float) -> mpmath.mpf:
    """Infinity as the number after the largest."""
    return mpmath.mpf(2) ** 1024 * (1 if value > 0 else -1) if np.isinf(value) else mpmath.mpf(value)


COUNT = 20_000


def head() -> str:
    """The text before the table, on this machine."""
    where = f"{vector_math.lanes()} lanes, {' '.join(platform.libc_ver())}"
    return HEAD.format(bound=BOUND, count=f"{COUNT:,}", where=where)


def row(name: str) -> str:
    """A line of the table."""
    operands = points(name, COUNT)
    return f"| `{name}` | {measure(name, *operands):.2f} | {measure(name, *operands, scalar=True):.2f} |\n"


def page() -> str:
    """docs/accuracy.md."""
    return head() + "".join(map(row, CASES)) + TAIL


if __name__ == "__main__":
    (Path(__file__).parent / "accuracy.md").write_text(page(), encoding="utf-8")
