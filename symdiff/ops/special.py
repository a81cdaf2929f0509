"""Error functions, the gamma family and sinc."""

from __future__ import annotations

import math

from symdiff.errors import ArgumentError
from symdiff.ops.base import Expand, Library, Op, Special, register

SHIFT = 12
LARGEST_ORDER = 60
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
# x in [-1/2, 1/2] with sin(pi*a) = ± sin(pi*x): the reduction is exact, so the zeros are exact too.
TURN = "(a - 2*round(0.5*a))"
SIN_PI = f"sin(pi*where(abs({TURN}) > 0.5, copysign(1, {TURN}) - {TURN}, {TURN}))"
COS_PI = f"sin(pi*(0.5 - abs({TURN})))"


def polygamma_text(n: int) -> str:
    """The polygamma function of order n ≥ 1: its series, shifted, then asymptotic; reflected for x < 0.

    Source: Abramowitz and Stegun 6.4.6 (recurrence), 6.4.7 (reflection), 6.4.11 (asymptotic expansion).
    """
    _check_order("polygamma", n)
    shift = SHIFT + n
    sign = -1 if n % 2 == 0 else 1
    tail = "0"
    for k, bernoulli in reversed(list(enumerate(BERNOULLI, 1))):
        tail = f"{bernoulli * math.factorial(2 * k + n - 1) / math.factorial(2 * k)!r} + w*({tail})"
    terms = " + ".join(f"1/(x + {k})**{n + 1}" for k in reversed(range(shift)))
    lines = [
        "x = where(a < 0, 1 - a, a)",
        f"z = x + {shift}",
        "w = 1/square(z)",
        f"s = {float(math.factorial(n - 1))!r} + {math.factorial(n) / 2!r}/z + w*({tail})",
        f"p = {sign}*(s/z**{n} + {float(math.factorial(n))!r}*({terms}))",
    ]
    # d^n/dx^n cot(pi x) = pi^n P_n(cot(pi x)) with P_0 = c and P_(k+1) = -(1 + c^2) P_k'.
    poly = [0, 1]
    for _ in range(n):
        slope = [k * c for k, c in enumerate(poly)][1:]
        poly = [0] * (len(slope) + 2)
        for k, c in enumerate(slope):
            poly[k] -= c
            poly[k + 2] -= c
    # 1 + c^2 divides P_n: written as 1/sin^2 it does not cancel.
    quotient = _divide_by_one_plus_square(poly)
    body = " + ".join(f"{float(c)!r}*c**{k}" for k, c in enumerate(quotient) if c) or "0"
    lines += [
        f"d = {SIN_PI}",
        f"c = {COS_PI}/d",
        f"r = {math.pi ** (n + 1)!r}*({body})/square(d)",
        f"where(a < 0, {'p - r' if n % 2 == 0 else '-p - r'}, p)",
    ]
    return "\n".join(lines)


def _check_order(name: str, n: int) -> None:
    if n > LARGEST_ORDER:
        raise ArgumentError(f"{name}: derivatives beyond order {LARGEST_ORDER} are out of the range of float64")


def _divide_by_one_plus_square(poly: list[int]) -> list[int]:
    rest, quotient = list(poly), [0] * (len(poly) - 2)
    for k in reversed(range(len(quotient))):
        quotient[k] = rest[k + 2]
        rest[k] -= quotient[k]
    return quotient


def sinc_text(n: int) -> str:
    """The n-th derivative of sin(t)/t at t = pi*x, times pi**n.

    A Taylor series up to |t| = n + 2, beyond it the recurrence t*S_k = sin^(k)(t) - k*S_(k-1), stable for t > k.
    """
    _check_order("sinc", n)
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
    lines = ["t = pi*a", "w = square(t)", f"series = {'t*' if 2 * start - n == 1 else ''}({series})"]
    lines += [f"sine = {SIN_PI}", f"cosine = {COS_PI}", "s0 = sine/t"]
    cycle = ("sine", "cosine", "(-sine)", "(-cosine)")
    for m in range(1, n + 1):
        lines.append(f"s{m} = ({cycle[m % 4]} - {m}*s{m - 1})/t")
    lines.append(f"{math.pi**n!r}*where(abs(t) < {limit}, series, s{n})")
    return "\n".join(lines)


register(
    Op("erf", routine=Library("erf"), partials=("1.1283791670955126*exp(-square(a))",), finite=True,
       doc="error function",
       exact="erf(a)", parameters=("x",), latex=r"\operatorname{{erf}}\left({}\right)"),
    Op("erfc", routine=Library("erfc"), partials=("-1.1283791670955126*exp(-square(a))",),
       finite=True, doc="1 - erf(x), accurate for large x", exact="erfc(a)", parameters=("x",),
       latex=r"\operatorname{{erfc}}\left({}\right)"),
    Op("gamma", routine=Library("tgamma"), partials=("y*digamma(a)",), aliases=("Gamma",), doc="gamma function",
       exact="gamma(a)", singular=(0.0, -1.0, -2.0, -10.0), parameters=("x",), latex=r"\Gamma\left({}\right)",
       edges="poles at 0, -1, -2, …: the value is infinite or NaN and the derivatives NaN"),
    Op("lgamma", routine=Library("lgamma"), partials=("digamma(a)",), aliases=("gammaln", "loggamma"),
       doc="logarithm of |gamma(x)|", exact="ln(abs(gamma(a)))", singular=(0.0, -1.0, -2.0, -10.0), parameters=("x",),
       latex=r"\log\left|\Gamma\left({}\right)\right|", edges="inf at 0, -1, -2, …"),
    Op("digamma", routine=Special("psi"), partials=("polygamma(1, a)",), aliases=("psi",),
       doc="derivative of lgamma", exact="psi(0, a)", singular=(0.0, -1.0, -2.0, -10.0), parameters=("x",),
       latex=r"\psi\left({}\right)", edges="poles at 0, -1, -2, …: -inf at 0, otherwise NaN"),
    Op("polygamma", payload="n", routine=Expand(polygamma_text), partials=("polygamma(n + 1, a)",),
       doc="n-th derivative of digamma, for a constant integer n", exact="psi(n, a)", singular=(0.0, -1.0, -2.0, -10.0),
       parameters=("n", "x"), samples=(1, 2, 3, 4), latex=r"\psi^{{(n)}}\left({}\right)",
       edges="poles at 0, -1, -2, …: infinite"),
    Op("sinc", routine=Expand(f"where(a == 0, 1, {SIN_PI}/(pi*a))"), partials=("sinc_derivative(1, a)",),
       finite=True, doc="sin(pi*x)/(pi*x), 1 at 0 (NumPy's)", exact="sincpi(a)", parameters=("x",),
       latex=r"\operatorname{{sinc}}\left({}\right)", edges="smooth: sinc'(0) = 0, sinc''(0) = -pi**2/3"),
    Op("sinc_derivative", payload="n", routine=Expand(sinc_text), partials=("sinc_derivative(n + 1, a)",),
       doc="n-th derivative of sinc, for a constant integer n: a series near 0", exact=None, parameters=("n", "x"),
       samples=(1, 2, 3), latex=r"\operatorname{{sinc}}^{{(n)}}\left({}\right)"),
)  # fmt: skip
