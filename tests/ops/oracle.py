"""The oracle of the operations' table: a record's `exact` text, evaluated and differentiated by mpmath."""

import functools
import itertools
import math
import sys

import mpmath
import numpy as np
from mpmath import mp

from symdiff.function.function import Function
from symdiff.ir.graph import Graph
from symdiff.signature import Argument
from symdiff.types import BOOL

SMALLEST_NORMAL = sys.float_info.min
LARGEST = sys.float_info.max
PRECISION = 320  # bits; the steps of mpmath's differences are relative, so points next to an edge stay inside
POWERS = [s * 10.0**k for k in range(-8, 3) for s in (1, -1)]
TAILS = [s * t for t in (5.0, 19.0, 26.0, 40.0, 200.0, 300.0, 354.0, 700.0, 745.0) for s in (1, -1)]
OTHERS = [1.1e-8, 97.3, 0.317, 2.713]  # no ties with the grid, no whole quotients

# slow in mpmath at thousands of bits, which they do not need
GAMMAS = {"gamma", "lgamma", "digamma", "polygamma", "betaln", "beta"}
# functions that take mpmath milliseconds: every few points of the grid, and both its ends
SLOW = {"betaln", "beta", "ndtr", "log_ndtr", "erfcx"}
FEW = 8

NAMESPACE = {name: getattr(mp, name) for name in dir(mp) if not name.startswith("_")}
NAMESPACE.update(abs=abs, min=min, max=max, mpf=mp.mpf)


@functools.cache
def exact(op, payload=None):
    """The mathematical function as a Python function of mpmath numbers."""
    code = compile(op.exact, op.name, "eval")
    names = "abc"[: len(op.kinds)]

    def f(*args):
        scope = dict(zip(names, args, strict=True))
        if payload is not None:
            scope["n"] = payload
        return mp.mpf(eval(code, NAMESPACE, scope))

    f.name = op.name
    return f


def inside(op, k, x):
    low, high = op.domain[min(k, len(op.domain) - 1)]
    return low < x < high


def grid(op, k=0):
    """±10^k, one step from every pole, kink and end, and the tails, as far as they are inside the domain."""
    points = POWERS + TAILS
    for edge in (*op.domain[min(k, len(op.domain) - 1)], *op.singular):
        if math.isfinite(edge):
            for side in (-math.inf, math.inf):
                step = float(np.nextafter(edge, side))
                # next to 0 the first number whose own square is still a number
                near = 1e-7 if op.name in SLOW else 1e-20 if op.name in GAMMAS else 1e-150
                points += [step if edge else math.copysign(near, side), edge + math.copysign(1e-3, side)]
    if op.name == "beta":  # as a product it has large parts that cancel in mixed derivatives next to 0
        points = [p for p in points if p > 0.01]
    if op.name == "gamma":
        points = [p for p in points if -150 < p < 170]
    if op.name in GAMMAS:
        points = [p for p in points if p > 0 or not p.is_integer()] + [-0.5, -1.5, -10.1, -99.5]
    found = sorted({p for p in points if inside(op, k, p) and p not in op.singular})
    if op.name in SLOW:
        step = max(len(found) // FEW, 1)
        found = [p for i, p in enumerate(found) if i % step == 0 or i == len(found) - 1]
    return found


def points(op, wide=False):
    """Tuples of operands: one operand runs over its grid, the others over a few values (`wide`: some more)."""
    count = len(op.kinds)
    if count == 1:
        return [(x,) for x in grid(op)]
    found = []
    for k in range(count):
        rest = [[x for s in (1, -1) for x in (s * o for o in OTHERS) if inside(op, j, x)] for j in range(count)]
        for x in grid(op, k):
            if x in TAILS and count > 1 and not wide and abs(x) not in (26.0, 354.0):
                continue
            few = len(OTHERS) * 2 if wide and count == 2 and x not in TAILS else 2
            columns = [[x] if j == k else rest[j][-few:] for j in range(count)]
            found += itertools.product(*columns)
    return sorted(x for x in set(found) if len(set(x)) == count)  # no ties: the table of edges has them


def function_of(op, payload=None):
    """The operation alone as a Function of a, b, c."""
    graph = Graph()
    names = "abc"[: len(op.kinds)]
    leaves = [
        graph.input(n, (), BOOL if kind == "c" else None) for n, kind in zip(names, op.kinds, strict=True)
    ]
    node = graph.add(op, tuple(leaves), payload)
    return Function(
        graph, [Argument(n) for n in names], [("f", node)], name="f", names=dict(zip(names, leaves, strict=True))
    )


@functools.cache
def derivative_of(f, orders, x):
    """A mixed partial derivative by mpmath, with digits to spare for tails and for operands next to 0.

    What is below the error of mpmath's differences is 0.
    """
    tiny = max((-math.log2(abs(v)) for v in x if v), default=0.0)
    huge = max(abs(v) for v in x)
    spare = int(4 * max(tiny - 30, 0.0))
    if 5 < huge < 1000 and f.name not in GAMMAS:
        spare += int(3 * huge) + (int(2 * huge * huge) if huge < 41 else 0)
    precision = 200 if f.name in SLOW else PRECISION
    with mp.workprec(precision + spare):
        args = tuple(mp.mpf(v) for v in x)
        if not any(orders):
            return f(*args)
        scaled = lambda *t: f(*[a * (1 + u) for a, u in zip(args, t, strict=True)])  # noqa: E731
        zeros = tuple(mp.mpf(0) for _ in args)
        value = mp.diff(scaled, zeros if len(args) > 1 else zeros[0], orders if len(args) > 1 else orders[0])
        size = max(abs(f(*args)), abs(f(*[a * (1 + mp.ldexp(1, -100)) for a in args])))
        if abs(value) < size * mp.ldexp(1, 80 - precision - spare):
            return mp.mpf(0)
        for a, n in zip(args, orders, strict=True):
            value /= a**n
        return value


def close(got, want, scale, tolerance=1e-12):
    """Whether `got` is within `tolerance` of `want`, relative to |want|·(1 + condition number) = `scale`."""
    if math.isnan(got):
        return False
    if abs(want) > LARGEST:
        return abs(got) >= LARGEST * (1 - tolerance) and (got > 0) == (want > 0)
    if math.isinf(got):
        return bool(abs(want) + tolerance * scale > LARGEST * (1 - tolerance))
    return bool(abs(mp.mpf(got) - want) <= tolerance * scale + SMALLEST_NORMAL)


def scale_of(f, orders, x):
    """|d f|·(1 + condition number): the derivative's size and how far relative changes of the operands move it."""
    total = abs(derivative_of(f, orders, x))
    for k, v in enumerate(x):
        up = tuple(n + (j == k) for j, n in enumerate(orders))
        total += abs(mp.mpf(v) * derivative_of(f, up, x))
    return total


def orders_of(count, total):
    """Every way to spread `total` derivatives over `count` operands."""
    return [o for o in itertools.product(range(total + 1), repeat=count) if sum(o) == total]


__all__ = ["close", "derivative_of", "exact", "function_of", "grid", "mpmath", "orders_of", "points", "scale_of"]
