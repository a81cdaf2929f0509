"""The incomplete gamma and beta functions, with derivatives by their shapes too.

By x the derivative is the density. By a shape it is the integral of the density times its score, which has one sign
change and the total 0: integrated from x to the end on whose side x is, nothing cancels. The integrals are taken by
Gauss and Legendre's rule, over t = x*exp(±s) or the logistic of a shifted logit, to where the density is exp(-40) of
that at x; what is left beside it is below 1e-10. A shape below 1 (of gammainc: up to 1.5, with x up to 1) is first
raised, or served by the power series, as the density then has two scales.
"""

from __future__ import annotations

import math

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.ops.base import INFINITY, Expand, Op, Special, Unavailable, register
from symdiff.ops.gamma import NEAR_ZERO, stirling_lines

POSITIVE = (0.0, INFINITY)
NODES = 40
LARGEST_ORDER = 4
ONCE = Unavailable("of second order by its shapes", "second derivatives are available by x, and by x and one shape")


def _rule() -> list[tuple[float, float]]:
    """Nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return [(0.5 * (x + 1.0), 0.5 * w) for x, w in zip(nodes.tolist(), weights.tolist(), strict=True)]


def _bell(n: int, rates: list[str]) -> str:
    """The complete Bell polynomial: what n derivatives make of exp(f), by those of f, over exp(f)."""
    rows = ["1"]
    for k in range(n):
        rows.append("(" + " + ".join(f"{math.comb(k, j)}*{rows[k - j]}*{rates[j]}" for j in range(k + 1)) + ")")
    return rows[n]


def _check_order(name: str, n: int) -> None:
    if n > LARGEST_ORDER:
        raise ArgumentError(f"{name}: there are no derivatives beyond order {LARGEST_ORDER} by a shape")


def density_text() -> str:
    """b**(a - 1)*exp(-b)/gamma(a): where a is large by Stirling's formula, about its peak."""
    return "\n".join(
        [
            "c = max(a, 8)",
            "u = (b - c)/c",
            *stirling_lines("d", "c"),
            "l = where(u < -0.5, log(b/c), log1p(u))",
            "large = exp(-c*(u - l) - d)*sqrt(c*0.15915494309189535)/b",
            "where(a > 8 and b > 0, large, exp(xlogy(a - 1, b) - b - lgamma(a)))",
        ]
    )


def density_derivative_text(n: int) -> str:
    """The n-th derivative by a of the density."""
    _check_order("gammainc", n)
    lines = ["r = log(b) - digamma(a)", *(f"p{k} = -polygamma({k}, a)" for k in range(1, n))]
    return "\n".join([*lines, f"gamma_density(a, b)*{_bell(n, ['r', *(f'p{k}' for k in range(1, n))])}"])


def gammainc_text(n: int) -> str:
    """The n-th derivative of gammainc by a.

    For a ≤ 1.5 and x ≤ 1 it is that of x**a/gamma(a + 1) times a power series (Abramowitz and Stegun 6.5.29).
    """
    _check_order("gammainc", n)
    lines = ["small = a <= 1.5 and b <= 1", "x = where(small, 1, b)", "c = where(small, 2, a)", "l = log(x)"]
    lines += ["r = l - digamma(c)", *(f"p{k} = -polygamma({k}, c)" for k in range(1, n))]
    # the exponent c*s - x*expm1(s) is concave in s; `g` is the direction
    lines += ["g = where(r < 0, -1, 1)", "m = max(g*(x - c), 0)", "s0 = 80/(m + sqrt(square(m) + 80*x))"]
    for k in range(5):
        lines.append(f"e{k} = x*expm1(g*s{k}) - c*g*s{k} - 40")
        lines.append(f"s{k + 1} = s{k} - e{k}/(g*(x*exp(g*s{k}) - c))")
    rates = ["(r + {t})", *(f"p{k}" for k in range(1, n))]
    terms = []
    for k, (node, weight) in enumerate(_rule()):
        lines.append(f"t{k} = g*s5*{node!r}")
        terms.append(f"{weight!r}*exp(c*t{k} - x*expm1(t{k}))*" + _bell(n, rates).format(t=f"t{k}"))
    lines.append(f"large = -g*s5*x*gamma_density(c, x)*({' + '.join(terms)})")
    lines += ["y = where(small, b, 1)", "d = where(small, a, 1)", f"z0 = {_series(0)}"]
    lines += [f"z{m} = {_series(m)}" for m in range(1, n + 1)]
    lines += ["h0 = log(y) - digamma(d + 1)", *(f"h{k} = -polygamma({k}, d + 1)" for k in range(1, n))]
    product = " + ".join(f"{math.comb(n, m)}*{_bell(n - m, [f'h{k}' for k in range(n)])}*z{m}" for m in range(n + 1))
    lines.append(f"near = y**d/gamma(d + 1)*({product})")
    return "\n".join([*lines, "where(small, near, large)"])


def _series(m: int) -> str:
    """The m-th derivative by d of the sum of d*(-y)**k/(k!*(d + k))."""
    terms = []
    for k in reversed(range(1, 20)):
        c = (-1) ** (k + m + 1) * k * math.factorial(m) / math.factorial(k)
        terms.append(f"({c!r})*y**{k}/(d + {k})**{m + 1}")
    return " + ".join([*terms, "exp(-y)"] if m == 0 else terms)


def beta_density_text() -> str:
    """c**(a - 1)*(1 - c)**(b - 1)/beta(a, b): where both shapes are large by Stirling's formula, about its peak."""
    return "\n".join(
        [
            "p = max(a, 10)",
            "q = max(b, 10)",
            "n = p + q",
            "v = p - n*c",
            *stirling_lines("dp", "p"),
            *stirling_lines("dq", "q"),
            *stirling_lines("dn", "n"),
            "lp = where(n*c < 0.5*p, log(n*c/p), log1p(-v/p))",
            "lq = where(n*(1 - c) < 0.5*q, log(n*(1 - c)/q), log1p(v/q))",
            "large = exp(p*lp + q*lq + (dn - dp - dq))*sqrt(0.15915494309189535*p/n*q)/(c*(1 - c))",
            "where(a > 10 and b > 10 and c > 0 and c < 1, large, "
            "exp(xlogy(a - 1, c) + xlog1py(b - 1, -c) - betaln(a, b)))",
        ]
    )


def betainc_text(by: int) -> str:
    """The derivative of betainc by its first or its second shape.

    Shapes below 1 are raised by 26.5.15 and 26.5.16 of Abramowitz and Stegun, differentiated.
    """
    lines = ["p = where(a < 1, a + 1, a)", "q = where(b < 1, b + 1, b)", "lx = log(c)", "ly = log1p(-c)"]
    own, other = ("p", "q") if by == 0 else ("q", "p")
    lines.append(f"r = {'lx' if by == 0 else 'ly'} + polygamma_difference(0, {own}, {other})")
    # with logit(t) = logit(x) + s the density is exp(p*s - n*log1p(x*expm1(s))) of that at x
    lines += [
        "n = p + q",
        f"g = where(r < 0, {'-1, 1' if by == 0 else '1, -1'})",
        "m = max(g*(n*c - p), 0)",
        "s0 = 80/(m + sqrt(square(m) + 80*n*c*(1 - c)))",
    ]
    for k in range(6):
        lines.append(f"e{k} = n*log1p(c*expm1(g*s{k})) - p*g*s{k} - 40")
        lines.append(f"f{k} = g*(n*c*exp(g*s{k})/(1 + c*expm1(g*s{k})) - p)")
        lines.append(f"s{k + 1} = s{k} - e{k}/f{k}")
    terms = []
    for k, (node, weight) in enumerate(_rule()):
        score = f"r + (t{k} - l{k})" if by == 0 else f"r - l{k}"
        lines += [f"t{k} = g*s6*{node!r}", f"l{k} = log1p(c*expm1(t{k}))"]
        terms.append(f"{weight!r}*exp(p*t{k} - n*l{k})*({score})")
    lines.append(f"raised = -g*s6*c*(1 - c)*beta_density(p, q, c)*({' + '.join(terms)})")
    # betainc(a, b) = betainc(a + 1, b) + t/a and betainc(p, b) = betainc(p, b + 1) - u/b
    lines.append("t = exp(a*lx + b*ly - betaln(a, b))/a")
    lines.append("u = exp(p*lx + b*ly - betaln(p, b))/b")
    if by == 0:
        rt, ru = "lx - 1/a + polygamma_difference(0, a, b)", "lx + polygamma_difference(0, p, b)"
    else:
        rt, ru = "ly + polygamma_difference(0, b, a)", "ly - 1/b + polygamma_difference(0, b, p)"
    lines.append(f"total = raised + where(a < 1, t*({rt}), 0) - where(b < 1, u*({ru}), 0)")
    lines.append("where(c <= 0 or c >= 1, where(c == 0 or c == 1, 0, nan), total)")
    return "\n".join(lines)


register(
    Op("gammainc", "ff", routine=Special("gammainc"), partials=("gammainc_derivative(1, a, b)", "gamma_density(a, b)"),
       doc="regularized lower incomplete gamma function, the distribution function of the gamma distribution",
       exact="gammainc(a, 0, b, regularized=True)", domain=(POSITIVE, POSITIVE), parameters=("a", "x"),
       sympy="lowergamma(a, b)/gamma(a)", latex=r"P\left({}, {}\right)", edges=NEAR_ZERO),
    Op("gammaincc", "ff", routine=Special("gammaincc"),
       partials=("-gammainc_derivative(1, a, b)", "-gamma_density(a, b)"),
       doc="regularized upper incomplete gamma function, 1 - gammainc(a, x) accurate for large x",
       exact="gammainc(a, b, inf, regularized=True)", domain=(POSITIVE, POSITIVE), parameters=("a", "x"),
       sympy="uppergamma(a, b)/gamma(a)", latex=r"Q\left({}, {}\right)", edges=NEAR_ZERO),
    Op("gammainc_derivative", "ff", payload="n", at_zero="gammainc", routine=Expand(gammainc_text),
       partials=("gammainc_derivative(n + 1, a, b)", "gamma_density_derivative(n, a, b)"),
       doc=f"n-th derivative of gammainc by a, for a constant integer n up to {LARGEST_ORDER}",
       domain=(POSITIVE, POSITIVE), parameters=("n", "a", "x"), samples=(1, 2),
       sympy=None, latex=r"\partial_a^{{(n)}} P\left({}, {}\right)"),
    Op("gamma_density", "ff", routine=Expand(density_text()),
       partials=("y*(log(b) - digamma(a))", "y*((a - 1 - b)/b)"), parameters=("a", "x"),
       doc="density of the gamma distribution of shape a and scale 1", exact="b**(a - 1)*exp(-b)/gamma(a)",
       domain=(POSITIVE, POSITIVE), sympy="b**(a - 1)*exp(-b)/gamma(a)",
       latex=r"\gamma\left({}, {}\right)"),
    Op("gamma_density_derivative", "ff", payload="n", at_zero="gamma_density", routine=Expand(density_derivative_text),
       partials=("gamma_density_derivative(n + 1, a, b)",
                 "((a - 1 - b)*y + n*gamma_density_derivative(n - 1, a, b))/b"),
       doc=f"n-th derivative of gamma_density by a, for a constant integer n up to {LARGEST_ORDER}",
       domain=(POSITIVE, POSITIVE), parameters=("n", "a", "x"), samples=(1, 2),
       sympy=None, latex=r"\partial_a^{{(n)}} \gamma\left({}, {}\right)"),
    Op("betainc", "fff", routine=Special("betainc"),
       partials=("betainc_by_a(a, b, c)", "betainc_by_b(a, b, c)", "beta_density(a, b, c)"),
       doc="regularized incomplete beta function, the distribution function of the beta distribution",
       exact="betainc(a, b, 0, c, regularized=True)", domain=(POSITIVE, POSITIVE, (0.0, 1.0)),
       parameters=("a", "b", "x"), sympy="betainc_regularized(a, b, 0, c)",
       latex=r"I_{{{2}}}\left({0}, {1}\right)"),
    Op("betaincc", "fff", routine=Special("betaincc"),
       partials=("-betainc_by_a(a, b, c)", "-betainc_by_b(a, b, c)", "-beta_density(a, b, c)"),
       doc="1 - betainc(a, b, x), accurate for x near 1", exact="betainc(a, b, c, 1, regularized=True)",
       domain=(POSITIVE, POSITIVE, (0.0, 1.0)), parameters=("a", "b", "x"),
       sympy="betainc_regularized(a, b, c, 1)", latex=r"I^{{c}}_{{{2}}}\left({0}, {1}\right)"),
    Op("betainc_by_a", "fff", routine=Expand(lambda _: betainc_text(0)), parameters=("a", "b", "x"),
       partials=(ONCE, ONCE, "beta_density(a, b, c)*(log(c) + polygamma_difference(0, a, b))"),
       doc="derivative of betainc by a", domain=(POSITIVE, POSITIVE, (0.0, 1.0)),
       sympy=None, latex=r"\partial_a I_{{{2}}}\left({0}, {1}\right)"),
    Op("betainc_by_b", "fff", routine=Expand(lambda _: betainc_text(1)), parameters=("a", "b", "x"),
       partials=(ONCE, ONCE, "beta_density(a, b, c)*(log1p(-c) + polygamma_difference(0, b, a))"),
       doc="derivative of betainc by b", domain=(POSITIVE, POSITIVE, (0.0, 1.0)),
       sympy=None, latex=r"\partial_b I_{{{2}}}\left({0}, {1}\right)"),
    Op("beta_density", "fff", routine=Expand(beta_density_text()),
       partials=("y*(log(c) + polygamma_difference(0, a, b))", "y*(log1p(-c) + polygamma_difference(0, b, a))",
                 "y*((a - 1)/c - (b - 1)/(1 - c))"),
       doc="density of the beta distribution", exact="c**(a - 1)*(1 - c)**(b - 1)*gamma(a + b)/gamma(a)/gamma(b)",
       domain=(POSITIVE, POSITIVE, (0.0, 1.0)), parameters=("a", "b", "x"),
       sympy="c**(a - 1)*(1 - c)**(b - 1)/beta(a, b)",
       latex=r"\beta\left({}, {}, {}\right)"),
)  # fmt: skip
