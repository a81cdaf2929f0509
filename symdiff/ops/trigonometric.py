"""Trigonometric functions and their inverses.

The partials are chosen so that they, and what re-applied differentiation makes of them, do not cancel: (1 - a)*(1 + a)
differentiated as a product has a relative error of 1e-8 at 1e-8.
"""

from __future__ import annotations

import math

from symdiff.errors import ArgumentError
from symdiff.ops.base import INFINITY, Expand, Library, Op, register

REAL = (-INFINITY, INFINITY)
LARGEST_ORDER = 60


def sine_of_turns(x: str) -> str:
    """sin(pi*x) for a name x: reduced to [-1/2, 1/2] without rounding, so the zeros are exact."""
    turn = f"({x} - 2*round(0.5*{x}))"
    return f"sin(pi*where(abs({turn}) > 0.5, copysign(1, {turn}) - {turn}, {turn}))"


def cosine_of_turns(x: str) -> str:
    """cos(pi*x) for a name x."""
    return f"sin(pi*(0.5 - abs({x} - 2*round(0.5*{x}))))"


def sinc_text(n: int, angle: str, sine: str, cosine: str) -> str:
    """The n-th derivative of sin(t)/t at t = `angle`.

    A Taylor series up to |t| = n + 2, beyond it the recurrence t*S_k = sin^(k)(t) - k*S_(k-1), stable for t > k.
    """
    if n > LARGEST_ORDER:
        raise ArgumentError(f"sinc: derivatives beyond order {LARGEST_ORDER} are out of the range of float64")
    limit = n + 2
    coefficients: list[float] = []
    start = (n + 1) // 2
    k = start
    while True:
        c = (-1) ** k / ((2 * k + 1) * math.factorial(2 * k - n))
        coefficients.append(c)
        if abs(c) * float(limit) ** (2 * k - n) < 1e-19:
            break
        k += 1
    series = repr(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        series = f"{c!r} + w*({series})"
    lines = [f"t = {angle}", "w = square(t)", f"series = {'t*' if 2 * start - n == 1 else ''}({series})"]
    lines += [f"sine = {sine}", f"cosine = {cosine}", "s0 = sine/t"]
    cycle = ("sine", "cosine", "(-sine)", "(-cosine)")
    for m in range(1, n + 1):
        lines.append(f"s{m} = ({cycle[m % 4]} - {m}*s{m - 1})/t")
    return "\n".join([*lines, f"where(abs(t) < {limit}, series, s{n})"])


def normalized_sinc_text(n: int) -> str:
    """The n-th derivative of sin(pi*x)/(pi*x)."""
    *lines, result = sinc_text(n, "pi*a", sine_of_turns("a"), cosine_of_turns("a")).split("\n")
    return "\n".join([*lines, f"{math.pi**n!r}*{result}"])


register(
    Op("sin", routine=Library("sin", vector=True), partials=("cos(a)",), finite=True,
       doc="sine of an angle in radians", exact="sin(a)",
       parameters=("x",), latex=r"\sin\left({}\right)", sympy="sin(a)", parity="odd", inverse="asin"),
    Op("cos", routine=Library("cos", vector=True), partials=("-sin(a)",), finite=True,
       doc="cosine of an angle in radians", exact="cos(a)",
       parameters=("x",), latex=r"\cos\left({}\right)", sympy="cos(a)", parity="even", inverse="acos"),
    Op("tan", routine=Library("tan", vector=True), partials=("1 + square(y)",), doc="tangent of an angle in radians",
       exact="tan(a)", parameters=("x",), latex=r"\tan\left({}\right)",
       sympy="tan(a)", parity="odd", inverse="atan", elsewhere=("tg",)),
    Op("asin", routine=Library("asin", vector=True), partials=("1/sqrt(one_minus_square(a))",), aliases=("arcsin",),
       doc="angle in [-π/2, π/2] whose sine is x", exact="asin(a)", domain=((-1.0, 1.0),), parameters=("x",),
       latex=r"\arcsin\left({}\right)", edges="vertical tangents at -1 and 1: derivative inf; NaN outside",
       sympy="asin(a)", parity="odd"),
    Op("acos", routine=Library("acos", vector=True), partials=("-(1/sqrt(one_minus_square(a)))",), aliases=("arccos",),
       doc="angle in [0, π] whose cosine is x", exact="acos(a)", domain=((-1.0, 1.0),), parameters=("x",),
       latex=r"\arccos\left({}\right)", edges="vertical tangents at -1 and 1: derivative -inf; NaN outside",
       sympy="acos(a)"),
    Op("atan", routine=Library("atan", vector=True), partials=("1/(1 + square(a))",), aliases=("arctan",),
       finite=True, doc="angle in (-π/2, π/2) whose tangent is x", exact="atan(a)", parameters=("x",),
       latex=r"\arctan\left({}\right)", sympy="atan(a)", parity="odd", elsewhere=("arctg",)),
    Op("atan2", "ff", routine=Library("atan2", vector=True),
       partials=("unit(b, a)/hypot(a, b)", "-(unit(a, b)/hypot(a, b))"),
       aliases=("arctan2",), doc="angle of the point (x, y), in radians; y is the first operand",
       exact="atan2(a, b)", domain=(REAL, REAL), singular=(0.0,), parameters=("y", "x"),
       latex=r"\operatorname{{atan2}}\left({}, {}\right)", edges="no limit at (0, 0): both derivatives NaN",
       sympy="atan2(a, b)"),
    Op("hypot", "ff", routine=Library("hypot", vector=True),
       partials=("unit(a, b)", "unit(b, a)"), commutative=True,
       doc="length of the vector (x1, x2), without overflow on the way", exact="hypot(a, b)",
       domain=(REAL, REAL), parameters=("x1", "x2"), latex=r"\operatorname{{hypot}}\left({}, {}\right)",
       edges="kink at (0, 0): both derivatives 0, the mean of the one-sided slopes; second derivatives NaN",
       sympy="sqrt(a**2 + b**2)"),
    Op("unit", "ff", routine=Expand("where(hypot(a, b) == 0, 0, a/hypot(a, b))"),
       partials=("square(unit(b, a))/hypot(a, b)", "-(unit(b, a)*y/hypot(a, b))"), hidden=True,
       doc="x1/hypot(x1, x2), the cosine of the angle of (x1, x2), 0 at (0, 0); its derivatives do not cancel",
       exact="a/hypot(a, b)", domain=(REAL, REAL), parameters=("x1", "x2"),
       latex=r"\operatorname{{unit}}\left({}, {}\right)", edges="no limit at (0, 0): derivatives NaN"),
    Op("one_minus_square", routine=Expand("(1 - a)*(1 + a)"), partials=("-2*a",), hidden=True,
       doc="1 - x**2, accurate near -1 and 1, with a derivative that is accurate near 0", exact="(1 - a)*(1 + a)",
       parameters=("x",), latex=r"\left(1 - {}^{{2}}\right)"),
    Op("sinc", routine=Expand(f"where(a == 0, 1, {sine_of_turns('a')}/(pi*a))"), partials=("sinc_derivative(1, a)",),
       finite=True, doc="sin(pi*x)/(pi*x), 1 at 0 (NumPy's)", exact="sincpi(a)", parameters=("x",),
       latex=r"\operatorname{{sinc}}\left({}\right)", edges="smooth: sinc'(0) = 0, sinc''(0) = -pi**2/3",
       sympy="sinc(pi*a)"),
    Op("sinc_derivative", payload="n", at_zero="sinc", routine=Expand(normalized_sinc_text),
       partials=("sinc_derivative(n + 1, a)",),
       doc="n-th derivative of sinc, for a constant integer n: a series near 0", exact=None, parameters=("n", "x"),
       samples=(1, 2, 3), latex=r"\operatorname{{sinc}}^{{(n)}}\left({}\right)", sympy="derivative_of_sinc(n, a)"),
    Op("sinc_unnormalized", routine=Expand("where(a == 0, 1, sin(a)/a)"),
       partials=("sinc_unnormalized_derivative(1, a)",), finite=True, doc="sin(x)/x, 1 at 0", exact="sinc(a)",
       parameters=("x",), sympy="sinc(a)",
       latex=r"\operatorname{{sinc}}\left({}\right)", edges="smooth: the slope at 0 is 0"),
    Op("sinc_unnormalized_derivative", payload="n", at_zero="sinc_unnormalized",
       routine=Expand(lambda n: sinc_text(n, "a", "sin(a)", "cos(a)")),
       partials=("sinc_unnormalized_derivative(n + 1, a)",), parameters=("n", "x"), samples=(1, 2, 3),
       doc="n-th derivative of sin(x)/x, for a constant integer n: a series near 0",
       latex=r"\operatorname{{sinc}}^{{(n)}}\left({}\right)"),
    Op("asec", routine=Expand("acos(1/a)"), partials=("1/abs(a)/sqrt(abs(a) - 1)/sqrt(abs(a) + 1)",),
       doc="inverse secant",
       exact="asec(a)", domain=((1.0, INFINITY),), parameters=("x",), sympy="asec(a)",
       latex=r"\operatorname{{arcsec}}\left({}\right)"),
    Op("acsc", routine=Expand("asin(1/a)"), partials=("-(1/abs(a)/sqrt(abs(a) - 1)/sqrt(abs(a) + 1))",),
       doc="inverse cosecant",
       exact="acsc(a)", domain=((1.0, INFINITY),), parameters=("x",), sympy="acsc(a)",
       latex=r"\operatorname{{arccsc}}\left({}\right)"),
    Op("acot", routine=Expand("atan(1/a)"), partials=("-(1/(1 + square(a)))",), doc="inverse cotangent, as SymPy's",
       exact="acot(a)", singular=(0.0,), parameters=("x",), sympy="acot(a)",
       latex=r"\operatorname{{arccot}}\left({}\right)", elsewhere=("arcctg",)),
)  # fmt: skip
