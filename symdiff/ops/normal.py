"""Error functions and the normal distribution.

exp(x**2)*erfc(x) and its derivatives are multiples of the scaled repeated integrals E_n = exp(x**2)*i^n erfc(x), which
are positive, so that no derivative is a difference: E_n' = -2*(n + 1)*E_(n+1), which follows from E_(n-1) = 2*x*E_n +
2*(n + 1)*E_(n+1) (Abramowitz and Stegun 7.2.5, 7.2.8). Where x is large that recurrence is taken downwards, as a
continued fraction for E_n/E_(n-1) (Gautschi, SIAM Review 9, 1967), and where it is not, upwards.
"""

from __future__ import annotations

import math

from symdiff.errors import ArgumentError
from symdiff.ops.base import Expand, Library, Op, Special, register

LARGEST_ORDER = 8
ROOT_HALF = 0.7071067811865476


def check_order(name: str, n: int, largest: int) -> None:
    """Refuse a derivative whose order is so high that its expression would lose digits.

    Raises
    ------
    ArgumentError
        Where n is beyond the largest order.
    """
    if n > largest:
        raise ArgumentError(f"{name}: there are no derivatives beyond order {largest}")


def _ratios(n: int, z: str) -> list[str]:
    """Lines for r1 … rn, r_k = E_k/E_(k-1), for z ≥ 2.5: the continued fraction, closed with the root of its tail."""
    depth = 32 + 2 * n
    lines = [f"r{depth + 1} = 1/({z} + sqrt(square({z}) + {2 * (depth + 2)}))"]
    lines += [f"r{k} = 1/(2*{z} + {2 * (k + 1)}*r{k + 1})" for k in reversed(range(1, depth + 1))]
    return lines


def erfcx_text(n: int) -> str:
    """The n-th derivative of erfcx, (-2)**n * n! * E_n."""
    check_order("erfcx", n, LARGEST_ORDER)
    lines = ["z = max(a, 2.5)", *_ratios(n, "z"), "e0 = erfcx(a)", "f0 = 1.1283791670955126"]
    lines.append("large = e0*" + "*".join(f"r{k}" for k in range(1, n + 1)))
    before, last = "f0", "e0"
    for k in range(1, n + 1):
        lines.append(f"e{k} = ({before} - 2*a*{last})/{2 * k}")
        before, last = last, f"e{k}"
    scale = float((-2) ** n * math.factorial(n))
    return "\n".join([*lines, f"{scale!r}*where(a > 2.5, large, {last})"])


def log_ndtr_text(n: int) -> str:
    """The n-th derivative of log(ndtr(x)), n ≥ 1.

    With h = exp(-x**2/2)/(sqrt(2*pi)*ndtr(x)), h' = -h*(h + x): a polynomial in h and x, times h. Where x is far below
    0 that cancels; there log(ndtr(x)) = log(E_0(z)/2) - z**2 with z = -x/sqrt(2), and the derivatives of log(E_0) are
    cumulants, those of the density that has the moments k!*E_k/E_0.
    """
    check_order("log_ndtr", n, LARGEST_ORDER)
    polynomial: dict[tuple[int, int], int] = {(0, 0): 1}  # (power of h, power of x): coefficient
    for _ in range(n - 1):
        following: dict[tuple[int, int], int] = {}
        for (i, j), c in polynomial.items():
            for key, term in (((i + 1, j), -c * (i + 1)), ((i, j + 1), -c * (i + 1)), ((i, j - 1), c * j)):
                if term:
                    following[key] = following.get(key, 0) + term
        polynomial = following
    near = " + ".join(f"({c})*h**{i}*a**{j}" for (i, j), c in sorted(polynomial.items()))
    lines = [f"h = 0.7978845608028654/erfcx({-ROOT_HALF!r}*a)", f"near = where(h == 0, 0, h*({near}))"]
    lines += [f"z = max({-ROOT_HALF!r}*a, 2.5)", *_ratios(n, "z"), "m0 = 1"]
    lines += [f"m{k} = {k}*r{k}*m{k - 1}" for k in range(1, n + 1)]
    for k in range(1, n + 1):  # moments to cumulants
        rest = "".join(f" - {math.comb(k - 1, j - 1)}*c{j}*m{k - j}" for j in range(1, k))
        lines.append(f"c{k} = m{k}{rest}")
    rest = {1: " - a", 2: " - 1"}.get(n, "")
    lines.append(f"far = {2 ** (n / 2)!r}*c{n}{rest}")
    return "\n".join([*lines, f"where(a < {-2.5 * math.sqrt(2)!r}, far, near)"])


register(
    Op("erf", routine=Library("erf", vector=True), partials=("1.1283791670955126*exp(-square(a))",), finite=True,
       doc="error function",
       exact="erf(a)", parameters=("x",), latex=r"\operatorname{{erf}}\left({}\right)",
       sympy="erf(a)", parity="odd"),
    Op("erfc", routine=Library("erfc", vector=True), partials=("-1.1283791670955126*exp(-square(a))",),
       finite=True, doc="1 - erf(x), accurate for large x", exact="erfc(a)", parameters=("x",),
       latex=r"\operatorname{{erfc}}\left({}\right)", sympy="erfc(a)"),
    Op("erfcx", routine=Special("erfcx"), partials=("erfcx_derivative(1, a)",),
       doc="exp(x**2)*erfc(x), accurate for large x", exact="exp(a*a)*erfc(a)", parameters=("x",),
       sympy="exp(a**2)*erfc(a)",
       latex=r"\operatorname{{erfcx}}\left({}\right)"),
    Op("erfcx_derivative", payload="n", at_zero="erfcx", routine=Expand(erfcx_text),
       partials=("erfcx_derivative(n + 1, a)",),
       doc=f"n-th derivative of erfcx, for a constant integer n up to {LARGEST_ORDER}",
       parameters=("n", "x"), samples=(1, 2, 3), latex=r"\operatorname{{erfcx}}^{{(n)}}\left({}\right)"),
    Op("ndtr", routine=Expand("0.5*erfc(-0.7071067811865476*a)"), partials=("0.3989422804014327*exp(-0.5*square(a))",),
       finite=True, doc="distribution function of the normal distribution", exact="ncdf(a)", parameters=("x",),
       sympy="erfc(-a/sqrt(2))/2",
       latex=r"\Phi\left({}\right)"),
    Op("log_ndtr", routine=Special("log_ndtr"), partials=("log_ndtr_derivative(1, a)",),
       doc="log(ndtr(x)), accurate in both tails", exact="log1p(-ncdf(-a)) if a > 0 else ln(ncdf(a))",
       parameters=("x",), sympy="log(erfc(-a/sqrt(2))/2)",
       latex=r"\log \Phi\left({}\right)"),
    Op("log_ndtr_derivative", payload="n", at_zero="log_ndtr", routine=Expand(log_ndtr_text),
       partials=("log_ndtr_derivative(n + 1, a)",),
       doc=f"n-th derivative of log_ndtr, for a constant integer n up to {LARGEST_ORDER}; the first one is the inverse "
       "of Mills' ratio", parameters=("n", "x"), samples=(1, 2, 3),
       latex=r"(\log \Phi)^{{(n)}}\left({}\right)"),
    Op("erfi", routine=Special("erfi"), partials=("1.1283791670955126*exp(square(a))",),
       doc="imaginary error function, -i*erf(i*x)", exact="erfi(a)", parameters=("x",), sympy="erfi(a)",
       latex=r"\operatorname{{erfi}}\left({}\right)"),
    Op("erfinv", routine=Special("erfinv"), partials=("0.886226925452758*exp(square(y))",), doc="inverse of erf",
       exact="erfinv(a)", domain=((-1.0, 1.0),), parameters=("x",), sympy="erfinv(a)",
       latex=r"\operatorname{{erf}}^{{-1}}\left({}\right)",
       edges="infinite at -1 and 1 with derivative inf; NaN outside"),
    Op("erfcinv", routine=Special("erfcinv"),
       partials=("where(a < 0.5, -0.886226925452758*erfcx(y)/a, -0.886226925452758*exp(square(y)))",),
       doc="inverse of erfc, accurate for small x", exact="inverse_erfc(a)", domain=((0.0, 2.0),), parameters=("x",),
       sympy="erfcinv(a)", latex=r"\operatorname{{erfc}}^{{-1}}\left({}\right)",
       edges="infinite at 0 and 2; NaN outside"),
    Op("ndtri", routine=Special("ndtri"),
       partials=("where(a < 0.25, 1.2533141373155003*erfcx(-0.7071067811865476*y)/a, "
                 "2.5066282746310007*exp(0.5*square(y)))",),
       doc="inverse of ndtr, the quantile of the normal distribution", exact="-sqrt(2)*inverse_erfc(2*a)",
       domain=((0.0, 1.0),), parameters=("p",), sympy="sqrt(2)*erfinv(2*a - 1)",
       latex=r"\Phi^{{-1}}\left({}\right)", aliases=("probit",),
       edges="infinite at 0 and 1 with derivative inf; NaN outside"),
)  # fmt: skip
