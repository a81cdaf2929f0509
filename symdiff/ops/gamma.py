"""The gamma function and its relatives."""

from __future__ import annotations

import math

from symdiff.errors import ArgumentError
from symdiff.ops.base import INFINITY, Expand, Library, Op, Special, register
from symdiff.ops.trigonometric import cosine_of_turns, sine_of_turns

SHIFT = 12
LARGEST_ORDER = 60
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330)
STIRLING = [b / (2 * k * (2 * k - 1)) for k, b in enumerate(BERNOULLI[:8], 1)]


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
        f"d = {sine_of_turns('a')}",
        f"c = {cosine_of_turns('a')}/d",
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


def polygamma_difference_text(n: int) -> str:
    """psi_n(a + b) - psi_n(a) without cancellation where b is small, psi_0 being digamma.

    For positive arguments x and x + h term by term: with p = 1/(x + h) and q = 1/x, p**m - q**m is -h*p*q times a sum
    of positive products. Source: Abramowitz and Stegun 6.3.16, 6.4.10 (series), 6.3.18, 6.4.11 (asymptotic expansions),
    and 6.3.7 (reflection), which serves the digamma function of negative arguments; for n ≥ 1 those are subtracted.
    """
    _check_order("polygamma_difference", n)
    if n == 0:
        lines = [
            "s = a + b",
            "x = where(a < 0, 1 - a, a)",
            "y = where(s < 0, 1 - s, s)",
            "h = where(a < 0, where(s < 0, -b, y - x), where(s < 0, y - x, b))",
        ]
    else:
        lines = ["x = where(a > 0, a, 1)", "h = where(a > 0 and a + b > 0, b, 0)"]
    shift = SHIFT + n
    lines += [f"q{k} = 1/(x + {k})" for k in range(shift)]
    lines += [f"p{k} = 1/(x + h + {k})" for k in range(shift)]
    head = " + ".join(f"p{k}*q{k}" + (f"*({_homogeneous(n, k)})" if n else "") for k in reversed(range(shift)))
    lines += [f"u = 1/(x + {shift})", f"v = 1/(x + h + {shift})", "h0 = 1"]
    last = 2 * len(BERNOULLI) + n - 1
    lines += [f"v{m} = v" + (f"*v{m - 1}" if m > 1 else "") for m in range(1, last + 1)]
    lines += [f"h{m} = u*h{m - 1} + v{m}" for m in range(1, last + 1)]  # (u**(m+1) - v**(m+1))/(u - v)
    tail = f"{math.factorial(n) / 2!r}*h{n}"
    for k, bernoulli in enumerate(BERNOULLI, 1):
        tail += f" + {bernoulli * math.factorial(2 * k + n - 1) / math.factorial(2 * k)!r}*h{2 * k + n - 1}"
    if n:
        tail = f"{float(math.factorial(n - 1))!r}*h{n - 1} + " + tail
    sign = "" if n % 2 == 0 else "-"
    total = f"h*({float(math.factorial(n))!r}*({head}) + u*v*({tail}))"
    if n:
        lines.append(f"d = {sign}{total}")
        lines.append(f"where(a > 0 and a + b > 0, d, polygamma({n}, a + b) - polygamma({n}, a))")
        return "\n".join(lines)
    lines.append(f"d = log1p(h*u) + {total}")
    lines += [f"sa = {sine_of_turns('a')}", f"ss = {sine_of_turns('s')}", f"sb = {sine_of_turns('b')}"]
    lines += [f"ca = {cosine_of_turns('a')}", f"cs = {cosine_of_turns('s')}"]
    lines.append("r = where(a < 0, where(s < 0, sb/(ss*sa), ca/sa), where(s < 0, -(cs/ss), 0))")
    lines.append("d + pi*r")
    return "\n".join(lines)


def _homogeneous(n: int, k: int) -> str:
    return " + ".join("*".join([f"p{k}"] * j + [f"q{k}"] * (n - j)) for j in range(n + 1))


def stirling_lines(name: str, at: str) -> list[str]:
    """Lines for log(gamma(x)) less Stirling's formula at a name that is 8 or more: Abramowitz and Stegun 6.1.41."""
    series = repr(STIRLING[-1])
    for c in reversed(STIRLING[:-1]):
        series = f"{c!r} + i{name}*({series})"
    return [f"i{name} = 1/square({at})", f"{name} = ({series})/{at}"]


def _log_beta_lines() -> list[str]:
    """Lines for `l`, log(beta(p, q)) of positive numbers p and q.

    Both are shifted to 10 and more by beta(p, q) = beta(p + 1, q)*(p + q)/p; there Stirling's formula is used with the
    large parts taken together. Source: Didonato and Morris, ACM TOMS 18 (1992), algorithm 708, BETALN.
    """
    shift = 10
    lines = [f"p1 = where(p < {shift}, p + {shift}, p)", f"q1 = where(q < {shift}, q + {shift}, q)", "t = p1 + q"]
    for name, other in (("p", "q"), ("q", "p1")):  # first p is raised, then q
        total = f"({name} + {other})"
        factors = "*".join(f"(({total} + {k})/(({total} + {shift})*({name} + {k})))" for k in range(shift))
        lines.append(f"f{name} = where({name} < {shift}, {shift}*log({total} + {shift}) + log({factors}), 0)")
    lines += ["low = min(p1, q1)", "high = max(p1, q1)", "w = low + high"]
    for name, at in (("dl", "low"), ("dh", "high"), ("dw", "w")):
        lines += stirling_lines(name, at)
    lines.append(
        "l = 0.9189385332046727 - 0.5*log(high) + (low - 0.5)*log(low/w) - high*log1p(low/high)"
        " + (dl + dh - dw) + (fp + fq)"
    )
    return lines


def betaln_text() -> str:
    """log(abs(beta(a, b))): by positive arguments, and by 6.1.17 of Abramowitz and Stegun where one is negative."""
    return "\n".join([*_reflected_beta(), "where(up, l, -l) + log(abs(f))"])


def beta_text() -> str:
    """beta(a, b), as betaln, with its sign."""
    return "\n".join([*_reflected_beta(), "f*exp(where(up, l, -l))"])


def _reflected_beta() -> list[str]:
    """Lines such that beta(a, b) is f*exp(l) or, not `up`, f*exp(-l)."""
    return [
        "s = a + b",
        "least = min(a, b)",
        "most = max(a, b)",
        "up = least >= 0 or (most >= 0 and s <= 0)",
        # beta(p, q): all positive; Gamma(most)*Gamma(1 - s)/Gamma(1 - least); the reciprocals of the two other cases
        "p = where(least >= 0, least, where(most < 0, 1 - least, where(s <= 0, 1 - s, s)))",
        "q = where(least >= 0, most, where(most < 0, 1 - most, where(s <= 0, most, 1 - least)))",
        *_log_beta_lines(),
        f"sl = {sine_of_turns('least')}",
        f"sm = {sine_of_turns('most')}",
        f"ss = {sine_of_turns('s')}",
        f"cm = {cosine_of_turns('most')}",
        "turned = where(most < 0, pi*ss/(sl*sm*(1 - s)), where(s <= 0, where(sl == 0 and ss == 0, cm, ss/sl), "
        "pi/(sl*most)))",
        "f = where(least >= 0, 1, turned)",
    ]


NEAR_ZERO = "derivatives of order 2 and more lose digits where an operand is below 0.01"

register(
    Op("gamma", routine=Library("tgamma"), partials=("y*digamma(a)",), aliases=("Gamma",), doc="gamma function",
       exact="gamma(a)", singular=(0.0, -1.0, -2.0, -10.0), parameters=("x",), latex=r"\Gamma\left({}\right)",
       edges="poles at 0, -1, -2, …: the value is infinite or NaN and the derivatives NaN", sympy="gamma(a)"),
    Op("lgamma", routine=Library("lgamma"), partials=("digamma(a)",), aliases=("gammaln", "loggamma"),
       doc="logarithm of |gamma(x)|", exact="ln(abs(gamma(a)))", singular=(0.0, -1.0, -2.0, -10.0), parameters=("x",),
       latex=r"\log\left|\Gamma\left({}\right)\right|", edges="inf at 0, -1, -2, …", sympy="loggamma(a)"),
    Op("digamma", routine=Special("psi"), partials=("polygamma(1, a)",), aliases=("psi",),
       doc="derivative of lgamma", exact="psi(0, a)", singular=(0.0, -1.0, -2.0, -10.0), parameters=("x",),
       latex=r"\psi\left({}\right)", edges="poles at 0, -1, -2, …: -inf at 0, otherwise NaN", sympy="digamma(a)"),
    Op("polygamma", payload="n", at_zero="digamma", routine=Expand(polygamma_text), partials=("polygamma(n + 1, a)",),
       doc="n-th derivative of digamma, for a constant integer n", exact="psi(n, a)", singular=(0.0, -1.0, -2.0, -10.0),
       parameters=("n", "x"), samples=(1, 2, 3, 4), latex=r"\psi^{{(n)}}\left({}\right)",
       edges="poles at 0, -1, -2, …: infinite", sympy="polygamma(n, a)"),
    Op("polygamma_difference", "ff", payload="n", routine=Expand(polygamma_difference_text),
       partials=("polygamma_difference(n + 1, a, b)", "polygamma(n + 1, a + b)"),
       doc="polygamma(n, x + h) - polygamma(n, x) without cancellation for small h, for a constant integer n ≥ 0; "
       "polygamma(0, x) is digamma(x)",
       domain=((0.0, INFINITY), (0.0, INFINITY)), parameters=("n", "x", "h"),
       samples=(0, 1, 2), sympy="polygamma(n, a + b) - polygamma(n, a)",
       latex=r"\Delta_{{{1}}} \psi^{{(n)}}\left({0}\right)"),
    Op("betaln", "ff", routine=Expand(betaln_text()),
       partials=("-polygamma_difference(0, a, b)", "-polygamma_difference(0, b, a)"), commutative=True,
       doc="logarithm of |beta(x, y)|", exact="ln(abs(gamma(a)*gamma(b)/gamma(a + b)))",
       domain=((0.0, INFINITY), (0.0, INFINITY)), parameters=("x", "y"),
       sympy="log(Abs(beta(a, b)))",
       latex=r"\log\left|\mathrm{{B}}\left({}, {}\right)\right|", edges="inf at 0, -1, -2, …"),
    Op("beta", "ff", routine=Expand(beta_text()),
       partials=("-y*polygamma_difference(0, a, b)", "-y*polygamma_difference(0, b, a)"), commutative=True,
       doc="beta function, gamma(x)*gamma(y)/gamma(x + y)", exact="gamma(a)*gamma(b)/gamma(a + b)",
       domain=((0.0, INFINITY), (0.0, INFINITY)), parameters=("x", "y"),
       sympy="beta(a, b)",
       latex=r"\mathrm{{B}}\left({}, {}\right)",
       edges="poles at 0, -1, -2, … of either operand: infinite or NaN, but finite where both x and x + y are such and "
       "y is a positive integer"),
    Op("binomial", "ff", routine=Special("binom"),
       partials=("y*polygamma_difference(0, a - b + 1, b)", "y*polygamma_difference(0, b + 1, a - 2*b)"),
       aliases=("binom", "comb"), doc="binomial coefficient, gamma(n + 1)/(gamma(k + 1)*gamma(n - k + 1))",
       exact="binomial(a, b)", domain=((0.0, INFINITY), (0.0, INFINITY)), parameters=("n", "k"),
       sympy="binomial(a, b)", latex=r"\binom{{{}}}{{{}}}",
       edges=f"0 at integers k > n ≥ 0, where the derivatives are NaN; {NEAR_ZERO}"),
    Op("poch", "ff", routine=Special("poch"), partials=("y*polygamma_difference(0, a, b)", "y*digamma(a + b)"),
       aliases=("rising_factorial", "RisingFactorial", "rf"),
       doc="rising factorial (Pochhammer's symbol), gamma(x + m)/gamma(x)",
       exact="rf(a, b)", domain=((0.0, INFINITY), (0.0, INFINITY)), parameters=("x", "m"),
       sympy="rf(a, b)", latex=r"\left({}\right)_{{{}}}", edges=NEAR_ZERO),
)  # fmt: skip
