"""Bessel functions: by x their derivatives are differences and sums of neighbouring orders, by the order there is none.

Source of the recurrences: Abramowitz and Stegun 9.1.27, 9.1.28, 9.6.26, 9.6.27. The functions that are scaled with
exp(±x) are nearly powers where x is large: there those cancel, and the asymptotic expansions 9.7.1 and 9.7.2 are
differentiated term by term.
"""

from __future__ import annotations

import math

from symdiff.errors import ArgumentError
from symdiff.ops.base import INFINITY, Expand, Op, Special, Unavailable, register

REAL = (-INFINITY, INFINITY)
POSITIVE = (0.0, INFINITY)
LARGEST_ORDER = 6
TERMS = 24
LARGE = 20

BY_ORDER = Unavailable("by its order", 'keep the order constant: differentiate by x alone, as in grad(f, "x")')


def scaled_text(n: int, function: str, sign: int) -> str:
    """The n-th derivative by x of exp(-|x|)*I_v(x) (`sign` -1) or of exp(x)*K_v(x) (`sign` 1), for x ≥ 0.

    In the text, v is `a` and x is `b`.
    """
    if n > LARGEST_ORDER:
        raise ArgumentError(f"{function}: there are no derivatives beyond order {LARGEST_ORDER}")
    weights: dict[int, float] = {}  # order less v: coefficient
    for k in range(n + 1):  # Leibniz: k derivatives of the Bessel function, the others of the exponential
        for j in range(k + 1):
            half = (-0.5 if sign > 0 else 0.5) ** k
            weight = math.comb(n, k) * sign ** (n - k) * half * math.comb(k, j)
            weights[2 * j - k] = weights.get(2 * j - k, 0.0) + weight
    near = " + ".join(f"({w!r})*{function}(a + {m}, x)" for m, w in sorted(weights.items()) if w)
    lines = ["x = abs(b)", "w = 4*square(a)", "i = 1/max(x, 1)"]
    series = f"{_pochhammer(TERMS + 0.5, n)!r}"
    for k in reversed(range(TERMS)):
        ratio = f"(w - {(2 * k + 1) ** 2})*{sign / (8 * (k + 1))!r}*i"
        series = f"{_pochhammer(k + 0.5, n)!r} + {ratio}*({series})"
    scale = (-1) ** n * (1 / math.sqrt(2 * math.pi) if sign < 0 else math.sqrt(math.pi / 2))
    lines.append(f"far = {scale!r}*sqrt(i)*i**{n}*({series})")
    lines.append(f"where(x > max({LARGE}, square(a)), far, {near})")
    return "\n".join(lines)


def _pochhammer(x: float, n: int) -> float:
    return math.prod(x + k for k in range(n))


def ive_text(n: int) -> str:
    """The n-th derivative of ive by x. It is even or odd by its order; a jump at 0 has the mean of its sides."""
    *lines, right = scaled_text(n, "ive", -1).split("\n")
    return "\n".join(
        [
            *lines,
            f"right = {right}",
            f"q = {(-1) ** n}*where(a == round(a), 1 - 2*mod(a, 2), nan)",
            "right*where(b > 0, 1, where(b < 0, q, where(b == 0, 0.5*(1 + q), b)))",
        ]
    )


register(
    Op("j0", routine=Special("j0"), partials=("-j1(a)",), doc="Bessel function of the first kind of order 0",
       exact="besselj(0, a)", parameters=("x",), sympy="besselj(0, a)",
       latex=r"J_0\left({}\right)", finite=True),
    Op("j1", routine=Special("j1"), partials=("0.5*(j0(a) - jv(2, a))",),
       doc="Bessel function of the first kind of order 1", exact="besselj(1, a)", parameters=("x",),
       sympy="besselj(1, a)",
       latex=r"J_1\left({}\right)", finite=True),
    Op("jv", "ff", routine=Special("jv"), partials=(BY_ORDER, "0.5*(jv(a - 1, b) - jv(a + 1, b))"),
       aliases=("jn", "besselj"),
       doc="Bessel function of the first kind of order v", exact="besselj(a, b)", domain=(REAL, POSITIVE),
       parameters=("v", "x"), sympy="besselj(a, b)", latex=r"J_{{{}}}\left({}\right)"),
    Op("y0", routine=Special("y0"), partials=("-y1(a)",), doc="Bessel function of the second kind of order 0",
       exact="second_kind(0, a, -1)", domain=(POSITIVE,), parameters=("x",), sympy="bessely(0, a)",
       latex=r"Y_0\left({}\right)",
       edges="-inf at 0"),
    Op("y1", routine=Special("y1"), partials=("0.5*(y0(a) - yv(2, a))",),
       doc="Bessel function of the second kind of order 1", exact="second_kind(1, a, -1)", domain=(POSITIVE,),
       parameters=("x",), sympy="bessely(1, a)",
       latex=r"Y_1\left({}\right)", edges="-inf at 0"),
    Op("yv", "ff", routine=Special("yv"), partials=(BY_ORDER, "0.5*(yv(a - 1, b) - yv(a + 1, b))"),
       aliases=("yn", "bessely"),
       doc="Bessel function of the second kind of order v", exact="bessely(a, b)", domain=(REAL, POSITIVE),
       parameters=("v", "x"), sympy="bessely(a, b)", latex=r"Y_{{{}}}\left({}\right)"),
    Op("i0", routine=Special("i0"), partials=("i1(a)",), doc="modified Bessel function of the first kind of order 0",
       exact="besseli(0, a)", parameters=("x",), sympy="besseli(0, a)",
       latex=r"I_0\left({}\right)"),
    Op("i1", routine=Special("i1"), partials=("0.5*(i0(a) + iv(2, a))",),
       doc="modified Bessel function of the first kind of order 1", exact="besseli(1, a)", parameters=("x",),
       sympy="besseli(1, a)",
       latex=r"I_1\left({}\right)"),
    Op("iv", "ff", routine=Special("iv"), partials=(BY_ORDER, "0.5*(iv(a - 1, b) + iv(a + 1, b))"),
       aliases=("besseli",),
       doc="modified Bessel function of the first kind of order v", exact="besseli(a, b)", domain=(REAL, POSITIVE),
       parameters=("v", "x"), sympy="besseli(a, b)", latex=r"I_{{{}}}\left({}\right)"),
    Op("k0", routine=Special("k0"), partials=("-k1(a)",), doc="modified Bessel function of the second kind of order 0",
       exact="second_kind(0, a, 1)", domain=(POSITIVE,), parameters=("x",), sympy="besselk(0, a)",
       latex=r"K_0\left({}\right)",
       edges="inf at 0"),
    Op("k1", routine=Special("k1"), partials=("-0.5*(k0(a) + kv(2, a))",),
       doc="modified Bessel function of the second kind of order 1", exact="second_kind(1, a, 1)", domain=(POSITIVE,),
       parameters=("x",), sympy="besselk(1, a)",
       latex=r"K_1\left({}\right)", edges="inf at 0"),
    Op("kv", "ff", routine=Special("kv"), partials=(BY_ORDER, "-0.5*(kv(a - 1, b) + kv(a + 1, b))"),
       aliases=("kn", "besselk"),
       doc="modified Bessel function of the second kind of order v", exact="besselk(a, b)", domain=(REAL, POSITIVE),
       parameters=("v", "x"), sympy="besselk(a, b)", latex=r"K_{{{}}}\left({}\right)"),
    Op("i0e", routine=Special("i0e"), partials=("ive_derivative(1, 0, a)",), doc="exp(-|x|)*i0(x)", finite=True,
       exact="exp(-abs(a))*besseli(0, a)", singular=(0.0,), parameters=("x",),
       sympy="exp(-Abs(a))*besseli(0, a)",
       latex=r"e^{{-|x|}} I_0\left({}\right)", edges="kink at 0: derivative 0, the mean of the slopes"),
    Op("i1e", routine=Special("i1e"), partials=("ive_derivative(1, 1, a)",), doc="exp(-|x|)*i1(x)", finite=True,
       exact="exp(-abs(a))*besseli(1, a)", singular=(0.0,), parameters=("x",),
       sympy="exp(-Abs(a))*besseli(1, a)",
       latex=r"e^{{-|x|}} I_1\left({}\right)"),
    Op("ive", "ff", routine=Special("ive"), partials=(BY_ORDER, "ive_derivative(1, a, b)"), doc="exp(-|x|)*iv(v, x)",
       exact="exp(-abs(b))*besseli(a, b)", domain=(REAL, POSITIVE), parameters=("v", "x"),
       sympy="exp(-Abs(b))*besseli(a, b)",
       latex=r"e^{{-|x|}} I_{{{}}}\left({}\right)"),
    Op("ive_derivative", "ff", payload="n", at_zero="ive", routine=Expand(ive_text),
       partials=(BY_ORDER, "ive_derivative(n + 1, a, b)"), parameters=("n", "v", "x"), samples=(1, 2, 3),
       doc=f"n-th derivative of ive by x, for a constant integer n up to {LARGEST_ORDER}", domain=(REAL, POSITIVE),
       latex=r"\partial_x^{{(n)}} e^{{-|x|}} I_{{{}}}\left({}\right)"),
    Op("k0e", routine=Special("k0e"), partials=("kve_derivative(1, 0, a)",), doc="exp(x)*k0(x)",
       exact="exp(a)*second_kind(0, a, 1)", domain=(POSITIVE,), parameters=("x",), sympy="exp(a)*besselk(0, a)",
       latex=r"e^x K_0\left({}\right)",
       edges="inf at 0"),
    Op("k1e", routine=Special("k1e"), partials=("kve_derivative(1, 1, a)",), doc="exp(x)*k1(x)",
       exact="exp(a)*second_kind(1, a, 1)", domain=(POSITIVE,), parameters=("x",), sympy="exp(a)*besselk(1, a)",
       latex=r"e^x K_1\left({}\right)",
       edges="inf at 0"),
    Op("kve", "ff", routine=Special("kve"), partials=(BY_ORDER, "kve_derivative(1, a, b)"), doc="exp(x)*kv(v, x)",
       exact="exp(b)*besselk(a, b)", domain=(REAL, POSITIVE), parameters=("v", "x"),
       sympy="exp(b)*besselk(a, b)",
       latex=r"e^x K_{{{}}}\left({}\right)"),
    Op("kve_derivative", "ff", payload="n", at_zero="kve",
       routine=Expand(lambda n: scaled_text(n, "kve", 1).replace("x = abs(b)", "x = b")),
       partials=(BY_ORDER, "kve_derivative(n + 1, a, b)"), parameters=("n", "v", "x"), samples=(1, 2, 3),
       doc=f"n-th derivative of kve by x, for a constant integer n up to {LARGEST_ORDER}", domain=(REAL, POSITIVE),
       latex=r"\partial_x^{{(n)}} e^x K_{{{}}}\left({}\right)"),
)  # fmt: skip
