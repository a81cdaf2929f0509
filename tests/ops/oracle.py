"""The oracle of the operations' table: a record's `exact` text, evaluated and differentiated by mpmath."""

import functools
import itertools
import math
import sys
from pathlib import Path

import mpmath
import numpy as np
from mpmath import mp
from scipy import special

from symdiff.frontend.calls import call
from symdiff.functions.function import Function
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, bessel, gamma, incomplete, integrals, normal
from symdiff.ops.base import Op, Unavailable
from symdiff.signature import Argument

SMALLEST_NORMAL = sys.float_info.min
LARGEST = sys.float_info.max
PRECISION = 320  # bits; the steps of mpmath's differences are relative, so points next to an edge stay inside
POWERS = [s * 10.0**k for k in range(-8, 3) for s in (1, -1)]
TAILS = [s * t for t in (5.0, 19.0, 26.0, 40.0, 200.0, 300.0, 354.0, 700.0, 745.0) for s in (1, -1)]
OTHERS = [1.1e-8, 97.3, 0.317, 2.713]  # no ties with the grid, no whole quotients

# slow in mpmath at thousands of bits, which they do not need
GAMMAS = {
    "gamma",
    "lgamma",
    "digamma",
    "polygamma",
    "betaln",
    "beta",
    "factorial",
    "harmonic",
    "binomial",
    "poch",
    "falling_factorial",
}
# functions that take mpmath milliseconds: every few points of the grid, and both its ends
FAMILIES = [Path(m.__file__).read_text(encoding="utf-8") for m in (normal, gamma, incomplete, bessel, integrals)]
SLOW = {op.name for op in OPS.values() if any(f'Op("{op.name}"' in text for text in FAMILIES)} | {
    "factorial", "harmonic", "falling_factorial", "gelu", "rel_entr", "pseudo_huber", "pseudo_huber_slope", "versine",
    "real_root",
}  # fmt: skip
SLOW -= {"erf", "erfc", "gamma", "lgamma", "digamma", "polygamma"}
FEW = 10
# derivatives in the heavy suite only: they take mpmath seconds. test_special_functions.py has those by shapes
COSTLY = {"gammainc", "gammaincc", "betainc", "betaincc", "beta_density", "binomial", "poch", "yv", "kv", "kve", "ive"}
# y*(difference of digammas): next to the pole of digamma at 0, second derivatives are differences of large numbers
PRODUCTS = {"beta", "binomial", "poch", "gamma_density", "gammainc", "gammaincc", "beta_density", "betainc", "betaincc"}
SECOND = {"yv", "kv", "kve"}  # at integer orders mpmath takes a limit by itself, which takes seconds


def inverse_erfc(x):
    """The inverse of erfc by Newton's method, from SciPy's."""
    y, last = mp.mpf(special.erfcinv(float(x))), mp.inf
    if not mp.isfinite(y):
        raise ValueError("outside of the domain")
    while True:
        step = (mp.erfc(y) - x) * mp.exp(y * y) * mp.sqrt(mp.pi) / 2
        if abs(step) >= last or not step:
            return y
        y, last = y + step, abs(step)


def second_kind(order, x, sign):
    """K or (`sign` -1) Y of order 0 or 1: Abramowitz and Stegun 9.6.13, 9.1.13 and the Wronskians 9.6.15, 9.1.16."""
    with mp.workprec(mp.prec + int(3 * abs(x)) + 20):
        q, term, total, harmonic, k = sign * x * x / 4, mp.mpf(1), mp.mpf(0), mp.mpf(0), 0
        first = [mp.mpf(1), mp.mpf(0)]  # I_0 or J_0, and the derivative of its series by q times q
        while abs(term) > mp.eps * min(abs(first[0]), 1):
            k += 1
            term *= q / (k * k)
            harmonic += mp.mpf(1) / k
            total += term * harmonic
            first[0] += term
            first[1] += term * k
        zero = total - (mp.ln(x / 2) + mp.euler) * first[0]
        one = sign * 2 * first[1] / x  # I_1 or J_1, from d/dx
        if sign > 0:
            return zero if order == 0 else (1 / x - one * zero) / first[0]
        zero *= -2 / mp.pi
        return zero if order == 0 else (one * zero - 2 / (mp.pi * x)) / first[0]


def exponential_integral(order, x):
    """E_n for n ≥ 0, upwards from E_1 with digits to spare: Abramowitz and Stegun 5.1.14."""
    if order == 0:
        return mp.exp(-x) / x
    with mp.workprec(mp.prec + 300):
        value = mp.e1(x)
        for k in range(1, order):
            value = (mp.exp(-x) - x * value) / k
        return value


NAMESPACE = {name: getattr(mp, name) for name in dir(mp) if not name.startswith("_")}
NAMESPACE.update(
    abs=abs,
    min=min,
    max=max,
    mpf=mp.mpf,
    inverse_erfc=inverse_erfc,
    second_kind=second_kind,
    exponential_integral=exponential_integral,
)


def written(definition):
    """A definition as a record, for what reads records."""
    d = definition
    count = len(d.parameters)
    return Op(d.name, "f" * count, exact=d.exact, domain=d.domain, singular=d.singular, partials=("",) * count)


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
                near = 1e-7 if op.name in SLOW or op.routine is None else 1e-20 if op.name in GAMMAS else 1e-150
                points += [step if edge else math.copysign(near, side), edge + math.copysign(1e-3, side)]
    if op.name in PRODUCTS:
        points = [p for p in points if p > 0.01]
    if op.exact and "second_kind" in op.exact:
        points = [p for p in points if p < 60]  # the series would need thousands of terms
    if op.name == "betaincc":
        points = [p for p in points if p < 200]  # SciPy's has eight digits at 1e-56
    if op.name == "poch":
        points = [p for p in points if p < 150]
    if op.name in ("gammainc", "betainc"):
        points = [p for p in points if p < 50]  # beyond it 1 - f is below mpmath's precision
    if op.name == "expi":
        points = [p for p in points if p < 700]
    if op.name == "frac":
        points = [p for p in points if not p.is_integer()]
    if op.name in ("gamma", "factorial"):
        points = [p for p in points if -150 < p < 170]
    if op.name in GAMMAS:
        points = [p for p in points if p > 0 or not p.is_integer()] + [-0.5, -1.5, -10.1, -99.5]
    found = sorted({p for p in points if inside(op, k, p) and p not in op.singular})
    if op.name in SLOW or (op.routine is None and len(op.kinds) > 1):
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
    if op.name in SECOND:
        found = [x for x in found if not x[0].is_integer()]
    return sorted(x for x in set(found) if len(set(x)) == count)  # no ties: the table of edges has them


def function_of(op, payload=None):
    """The operation alone as a Function of a, b, c."""
    graph = Graph()
    names = "abc"[: len(op.kinds)]
    inputs = [graph.input(n) for n in names]
    zero = graph.constant(0.0)
    leaves = [i if k == "f" else graph.add("not_equal", (i, zero)) for i, k in zip(inputs, op.kinds, strict=True)]
    node = call(graph, op.name, leaves, {}) if op.routine is None else graph.add(op, tuple(leaves), payload)
    return Function(
        graph, [Argument(n) for n in names], [("f", node)], name="f", names=dict(zip(names, inputs, strict=True))
    )


@functools.cache
def derivative_of(f, orders, x):
    """A mixed partial derivative by mpmath, with digits to spare for tails and for operands next to 0.

    What is below the error of mpmath's differences is 0.
    """
    tiny = max((-math.log2(abs(v)) for v in x if v), default=0.0)
    huge = max(abs(v) for v in x)
    spare = int(4 * max(tiny - 30, 0.0))
    if 5 < huge < 1000 and f.name not in GAMMAS and f.name not in SLOW - {"ndtr", "log_ndtr", "gelu"}:
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


def orders_of(op, total):
    """Every way to spread `total` derivatives over the operands that have derivatives."""
    ways = itertools.product(range(total + 1), repeat=len(op.kinds))
    return [o for o in ways if sum(o) == total and not any(n and is_closed(op, k) for k, n in enumerate(o))]


def is_closed(op, k):
    """Whether differentiating by operand k is refused."""
    return isinstance(op.partials[min(k, len(op.partials) - 1)], Unavailable)


__all__ = ["close", "derivative_of", "exact", "function_of", "grid", "mpmath", "orders_of", "points", "scale_of"]
