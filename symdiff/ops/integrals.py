"""Integrals and inverses that have names: exponential and elliptic integrals, Dawson's, Lambert's W, zeta."""

from __future__ import annotations

import math

from symdiff.errors import ArgumentError
from symdiff.ops.base import INFINITY, Expand, Op, Special, Unavailable, register

POSITIVE = (0.0, INFINITY)
LARGEST_ORDER = 6


def expn_text(n: int) -> str:
    """The integral of exp(-a*t)/t**n from 1 to infinity; for n ≤ 0 a sum of positive terms.

    Above 1 the power series up to a = 1.25, and beyond it the even part of the continued fraction: of its 60 levels the
    rest is below exp(-4*sqrt(60*a)). Source: Abramowitz and Stegun 5.1.12, 5.1.22 and 5.1.8.
    """
    if n > 1:
        coefficients = [(-1) ** m / ((m - n + 1) * math.factorial(m)) if m != n - 1 else 0.0 for m in range(32)]
        series = "0"
        for coefficient in reversed(coefficients):
            series = f"({coefficient!r} + a*{series})"
        digamma = sum(1 / k for k in range(1, n)) - 0.5772156649015329
        factor = (-1) ** (n - 1) / math.factorial(n - 1)
        below = f"(a + {n + 120})"
        for k in reversed(range(1, 61)):
            below = f"(a + {n + 2 * k - 2} - {k * (n + k - 1)}/{below})"
        return "\n".join(
            [
                f"power = where(a == 0, 0, {factor!r}*a**{n - 1}*({digamma!r} - log(a)))",
                f"where(a < 1.25, power - {series}, exp(-a)/{below})",
            ]
        )
    if n == 1:
        return "exp1(a)"
    terms = " + ".join(f"{math.perm(-n, k)!r}/a**{k}" for k in range(1 - n))
    return f"exp(-a)/a*({terms})"


def dawsn_text(n: int) -> str:
    """The n-th derivative of Dawson's integral, of which 1 - 2*x*y cancels where x is large.

    Up to 1 the power series; up to 7 Rybicki's sum of Gaussians (Computers in Physics 3, 1989), which is accurate to
    exp(-(pi/(2*h))**2) for the step h; beyond it the asymptotic expansion. All are differentiated term by term.
    """
    if n > LARGEST_ORDER:
        raise ArgumentError(f"dawsn: there are no derivatives beyond order {LARGEST_ORDER}")
    first = n // 2  # the first power of x that n derivatives leave: 2*first + 1 - n
    series = "0"
    for k in reversed(range(first, first + 22)):
        c = (-2.0) ** k / math.prod(range(1, 2 * k + 2, 2)) * math.perm(2 * k + 1, n)
        series = f"{c!r} + w*({series})"
    tail = "0"
    for k in reversed(range(26)):
        c = math.prod(range(1, 2 * k, 2)) / 2.0 ** (k + 1) * math.prod(range(2 * k + 1, 2 * k + 1 + n))
        tail = f"{(-1) ** n * c!r} + i*({tail})"
    hermite = [[1], [0, 2]]
    for k in range(1, n + 1):
        shifted = [0, *(2 * c for c in hermite[k])]
        hermite.append([c - 2 * k * b for c, b in zip(shifted, [*hermite[k - 1], 0, 0], strict=True)])
    polynomial = " + ".join(f"({(-1) ** n * c})*{{u}}**{j}" for j, c in enumerate(hermite[n]) if c)
    step = 0.25
    lines = ["w = square(a)", f"near = {'a*' if 2 * first + 1 - n else ''}({series})"]
    lines += ["i = 1/max(w, 1)", f"far = ({tail})*i**{n // 2}/" + ("a" if n % 2 == 0 else "w")]
    lines += ["x = min(abs(a), 8)", f"m = 2*round({0.5 / step!r}*x)", f"r = x - {step!r}*m"]
    terms = []
    for k in range(-27, 28, 2):
        lines.append(f"u{k + 28} = r - ({k * step!r})")
        terms.append(f"exp(-square(u{k + 28}))*({polynomial.format(u=f'u{k + 28}')})/(m + ({k}))")
    odd = "1" if n % 2 else "copysign(1, a)"
    lines.append(f"middle = {odd}*0.5641895835477563*({' + '.join(terms)})")
    return "\n".join([*lines, "where(w < 1, near, where(w < 49, middle, far))"])


def lambertw_text(lower: bool) -> str:
    """A real branch of Lambert's W: from below -1 where `lower`, else from above.

    A start, then the iteration of Fritsch, Shafer and Crowley (Comm. ACM 16, 1973), of fourth order; next to the branch
    point -1/e the series in p = sqrt(2*(e*x + 1)) alone. Source of the series: Corless et al., Adv. Comput. Math. 5
    (1996), (4.22).
    """
    coefficients = (
        -1.0,
        1.0,
        -1 / 3,
        11 / 72,
        -43 / 540,
        769 / 17280,
        -221 / 8505,
        680863 / 43545600,
        -1963 / 204120,
        226287557 / 37623398400,
    )
    series = repr(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        series = f"{c!r} + p*({series})"
    # e*a + 1 with e as the sum of two numbers
    lines = [
        "g = fma(2.718281828459045, a, 1) + 1.4456468917292502e-16*a",
        f"p = {'-' if lower else ''}sqrt(2*where(g < 0 and g > -1e-16, 0, g))",
        f"branch = {series}",
    ]
    if lower:
        lines += ["l1 = log(-a)", "l2 = log(-l1)", "w0 = where(a < -0.25, branch, l1 - l2 + l2/l1)"]
    else:
        lines += ["l1 = log1p(a)", "w0 = where(a < -0.25, branch, l1*(1 - log1p(l1)/(2 + l1)))"]
    for k in range(1, 4):
        lines += [
            f"v{k} = 1 + w{k - 1}",
            f"z{k} = log(a/w{k - 1}) - w{k - 1}",
            f"q{k} = 2*v{k}*(v{k} + {2 / 3!r}*z{k})",
            f"w{k} = w{k - 1}*(1 + z{k}/v{k}*((q{k} - z{k})/(q{k} - 2*z{k})))",
        ]
    end = "where(a == 0, -inf, where(a < 0, w3, nan))" if lower else "where(a == 0, a, where(a == inf, a, w3))"
    return "\n".join([*lines, f"where(abs(p) < 0.02, branch, {end})"])


def elliptic_text(n: int, first: bool) -> str:
    """The n-th derivative of the complete elliptic integral of the first or of the second kind.

    Both are hypergeometric functions of m with c = 1 (Abramowitz and Stegun 17.3.9, 17.3.10): their power series up to
    1/2, beyond it what 17.3.11 and the differentiated equation 15.5.1 say, which would cancel near 0.
    """
    if n > LARGEST_ORDER:
        raise ArgumentError(f"elliptic integrals: there are no derivatives beyond order {LARGEST_ORDER}")
    upper = 0.5 if first else -0.5
    scale = math.pi / 2 * math.prod((upper + k) * (0.5 + k) / (k + 1) for k in range(n))
    series = "1"
    for k in reversed(range(56)):
        series = f"1 + {(upper + n + k) * (0.5 + n + k) / ((k + 1) * (n + k + 1))!r}*x*({series})"
    lines = ["x = where(abs(a) < 0.5, a, 0)", f"series = {scale!r}*({series})", "rest = 1 - a"]
    lines += ["d0 = ellipk(a)" if first else "d0 = ellipe(a)"]
    lines.append("d1 = 0.5*(ellipe(a) - rest*d0)/a/rest" if first else "d1 = 0.5*(d0 - ellipk(a))/a")
    for k in range(n - 1):
        slope = f"({k + 1} - {2 * k + 1 + (1 if first else 0)}*a)" if not first else f"{k + 1}*(1 - 2*a)"
        lines.append(f"d{k + 2} = ({(upper + k) * (0.5 + k)!r}*d{k} - {slope}*d{k + 1})/a/rest")
    return "\n".join([*lines, f"where(abs(a) < 0.5, series, d{n})"])


register(
    Op("expi", routine=Special("expi"), partials=("exp(a)/a",), aliases=("Ei",),
       doc="exponential integral Ei", exact="ei(a)",
       singular=(0.0,), parameters=("x",), sympy="Ei(a)", latex=r"\operatorname{{Ei}}\left({}\right)",
       edges="-inf at 0"),
    Op("exp1", routine=Special("exp1"), partials=("-(exp(-a)/a)",), doc="exponential integral E1, for x > 0",
       exact="e1(a)", domain=(POSITIVE,), parameters=("x",), sympy="expint(1, a)",
       latex=r"\operatorname{{E}}_1\left({}\right)", edges="inf at 0"),
    Op("expn", payload="n", routine=Expand(expn_text), partials=("-expn(n - 1, a)",), signed=True, aliases=("expint",),
       doc="exponential integral of order n, for a constant integer n and x > 0", exact="exponential_integral(n, a)",
       domain=(POSITIVE,), parameters=("n", "x"), samples=(0, 1, 2, 3, 7), sympy="expint(n, a)",
       latex=r"\operatorname{{E}}_{{(n)}}\left({}\right)", edges="at 0: inf for n ≤ 1, 1/(n - 1) above"),
    Op("dawsn", routine=Special("dawsn"), partials=("dawsn_derivative(1, a)",), finite=True,
       doc="Dawson's integral, exp(-x**2) times the integral of exp(t**2) from 0 to x",
       exact="sqrt(pi)/2*exp(-a*a)*erfi(a)", parameters=("x",), sympy="sqrt(pi)/2*exp(-a**2)*erfi(a)",
       latex=r"\operatorname{{D}}\left({}\right)"),
    Op("dawsn_derivative", payload="n", at_zero="dawsn", routine=Expand(dawsn_text),
       partials=("dawsn_derivative(n + 1, a)",), parameters=("n", "x"), samples=(1, 2, 3),
       doc=f"n-th derivative of dawsn, for a constant integer n up to {LARGEST_ORDER}",
       latex=r"\operatorname{{D}}^{{(n)}}\left({}\right)"),
    Op("lambertw", routine=Expand(lambertw_text(False)), partials=("exp(-y)/(1 + y)",), aliases=("LambertW",),
       doc="Lambert's W, the y ≥ -1 with y*exp(y) = x", exact="lambertw(a).real",
       domain=((-0.36787944117144233, INFINITY),), parameters=("x",), sympy="LambertW(a)",
       latex=r"W\left({}\right)", edges="-1 at -1/e with derivative inf; NaN below"),
    Op("lambertw_lower", routine=Expand(lambertw_text(True)), partials=("exp(-y)/(1 + y)",),
       doc="the lower branch of Lambert's W, the y ≤ -1 with y*exp(y) = x; lambertw(x, -1)",
       exact="lambertw(a, -1).real", domain=((-0.36787944117144233, 0.0),), parameters=("x",), sympy="LambertW(a, -1)",
       latex=r"W_{{-1}}\left({}\right)", edges="-1 at -1/e with derivative -inf, -inf at 0; NaN outside"),
    Op("ellipk", routine=Special("ellipk"), partials=("ellipk_derivative(1, a)",), aliases=("elliptic_k",),
       doc="complete elliptic integral of the first kind, of the parameter m", exact="ellipk(a)",
       domain=((-INFINITY, 1.0),), parameters=("m",), sympy="elliptic_k(a)", latex=r"K\left({}\right)",
       edges="inf at 1, NaN above"),
    Op("ellipk_derivative", payload="n", at_zero="ellipk", routine=Expand(lambda n: elliptic_text(n, True)),
       partials=("ellipk_derivative(n + 1, a)",), domain=((-INFINITY, 1.0),), parameters=("n", "m"),
       samples=(1, 2, 3), doc=f"n-th derivative of ellipk, for a constant integer n up to {LARGEST_ORDER}",
       latex=r"K^{{(n)}}\left({}\right)"),
    Op("ellipe", routine=Special("ellipe"), partials=("ellipe_derivative(1, a)",), aliases=("elliptic_e",),
       doc="complete elliptic integral of the second kind, of the parameter m", exact="ellipe(a)",
       domain=((-INFINITY, 1.0),), parameters=("m",), sympy="elliptic_e(a)", latex=r"E\left({}\right)",
       edges="1 at 1, NaN above"),
    Op("ellipe_derivative", payload="n", at_zero="ellipe", routine=Expand(lambda n: elliptic_text(n, False)),
       partials=("ellipe_derivative(n + 1, a)",), domain=((-INFINITY, 1.0),), parameters=("n", "m"),
       samples=(1, 2, 3), doc=f"n-th derivative of ellipe, for a constant integer n up to {LARGEST_ORDER}",
       latex=r"E^{{(n)}}\left({}\right)"),
    Op("zeta", routine=Expand("1 + zetac(a)"),
       partials=(Unavailable("by its operand", "write it with sd.define(..., partials=...)"),),
       doc="Riemann's zeta function", exact="zeta(a)", singular=(1.0,), parameters=("x",), sympy="zeta(a)",
       latex=r"\zeta\left({}\right)", edges="a pole at 1"),
    Op("zetac", routine=Special("zetac"),
       partials=(Unavailable("by its operand", "write it with sd.define(..., partials=...)"),),
       doc="zeta(x) - 1, accurate for large x", exact="zeta(a) - 1", singular=(1.0,), parameters=("x",),
       sympy="zeta(a) - 1", latex=r"\left(\zeta\left({}\right) - 1\right)", edges="a pole at 1"),
)  # fmt: skip
