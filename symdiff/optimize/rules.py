"""The rules of rewriting, as data: name, pattern, replacement, and for which constants.

`c` is any condition, `k` any scalar constant, other names are any numbers (see `Rule`). What is *not* here is as
important: x*0, x - x, x + 0.0, x/x and the regrouping of sums change bits for infinities, NaN, -0.0 or by rounding.
One form is kept of what can be written in two ways, so that equal values become equal nodes: x*x, not square(x);
1/x, not reciprocal(x); signs outside of products, quotients and odd functions; x - 2, not x + (-2); <, not >.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from fractions import Fraction

from symdiff.ops import OPS
from symdiff.ops.base import STABLE_FORMS
from symdiff.optimize.patterns import EXACT, REAL, STABLE, STRUCTURAL, Rule, RuleSet


def _is_invertible_power_of_two(k: float) -> bool:
    """Whether 1/k is exact and neither k nor 1/k is subnormal (or k is ±1)."""
    return math.isfinite(k) and abs(math.frexp(k)[0]) == 0.5 and 2.0**-126 <= abs(k) <= 2.0**126


def _is_negative(k: float) -> bool:
    return math.copysign(1.0, k) < 0 and not math.isnan(k)


def _is_plain(k: float) -> bool:
    """Whether arithmetic with k is that of the reals."""
    return math.isfinite(k) and k != 0


def _are_plain(k1: float, k2: float) -> bool:
    return _is_plain(k1) and _is_plain(k2)


def _is_short(value: Fraction) -> bool:
    """Whether a number is one of float32, far from the ends of its range: exact in every graph."""
    odd = value.numerator >> ((value.numerator & -value.numerator).bit_length() - 1)
    power = value.denominator & (value.denominator - 1) == 0
    return power and abs(odd) < 2**24 and 2.0**-126 <= abs(value) <= 2.0**126


def _is_exact_product(k1: float, k2: float) -> bool:
    """Whether k1*k2 is exact: rounding once in the place of twice is not less accurate."""
    if not _are_plain(k1, k2):
        return False
    if _is_invertible_power_of_two(k1) or _is_invertible_power_of_two(k2):
        return 2.0**-126 <= abs(k1 * k2) <= 2.0**126
    return _is_short(Fraction(k1) * Fraction(k2))


def _is_exact_quotient(k1: float, k2: float) -> bool:
    """Whether k1/k2 is exact."""
    if not _are_plain(k1, k2):
        return False
    if _is_invertible_power_of_two(k2):
        return 2.0**-126 <= abs(k1 / k2) <= 2.0**126
    return _is_short(Fraction(k1) / Fraction(k2))


_Row = tuple[str, str] | tuple[str, str, Callable[..., bool]]

_EXACT: dict[str, _Row] = {
    # One form of equal things
    "square as product": ("square(x)", "x*x"),
    "reciprocal as quotient": ("reciprocal(x)", "1/x"),
    "double as product": ("x + x", "x*2"),
    "greater as less": ("x > y", "y < x"),
    "greater_equal as less_equal": ("x >= y", "y <= x"),
    "value of a surrogate": ("surrogate(x, y)", "x"),
    "slope at a kink": ("kinked(x, y, z)", "x"),
    # Neutral elements
    "times one": ("x*1", "x"),
    "times minus one": ("x*(-1)", "-x"),
    "over one": ("x/1", "x"),
    "over minus one": ("x/(-1)", "-x"),
    "minus zero": ("x - 0", "x"),
    "minus zero from zero": ("-0.0 - x", "-x"),
    # Signs
    "minus minus": ("-(-x)", "x"),
    "minus a negative": ("x - (-y)", "x + y"),
    "plus a negative": ("x + (-y)", "x - y"),
    "plus a negative constant": ("x + k", "x - (-k)", _is_negative),
    "minus a negative constant": ("x - k", "x + (-k)", _is_negative),
    "product of negatives": ("(-x)*(-y)", "x*y"),
    "sign out of a product": ("(-x)*y", "-(x*y)"),
    "sign into a constant factor": ("-(x*k)", "x*(-k)"),
    "quotient of negatives": ("(-x)/(-y)", "x/y"),
    "sign out of a dividend": ("(-x)/y", "-(x/y)"),
    "sign out of a divisor": ("x/(-y)", "-(x/y)"),
    "sign into a constant dividend": ("-(k/x)", "(-k)/x"),
    "sign into a constant divisor": ("-(x/k)", "x/(-k)"),
    "over a power of two": ("x/k", "x*(1/k)", _is_invertible_power_of_two),
    # Symmetry
    **{f"even {op.name}": (f"{op.name}(-x)", f"{op.name}(x)") for op in OPS.values() if op.parity == "even"},
    **{f"odd {op.name}": (f"{op.name}(-x)", f"-{op.name}(x)") for op in OPS.values() if op.parity == "odd"},
    "cos of abs": ("cos(abs(x))", "cos(x)"),
    "cosh of abs": ("cosh(abs(x))", "cosh(x)"),
    "sech of abs": ("sech(abs(x))", "sech(x)"),
    "product of abs": ("abs(x)*abs(x)", "x*x"),
    "hypot of a negative": ("hypot(-x, y)", "hypot(x, y)"),
    "hypot of an abs": ("hypot(abs(x), y)", "hypot(x, y)"),
    "hypot of one": ("hypot(x, 0)", "abs(x)"),
    "copysign of a negative": ("copysign(-x, y)", "copysign(x, y)"),
    "copysign of an abs": ("copysign(abs(x), y)", "copysign(x, y)"),
    # Idempotence
    "abs of abs": ("abs(abs(x))", "abs(x)"),
    "abs of copysign": ("abs(copysign(x, y))", "abs(x)"),
    "abs of a product with itself": ("abs(x*x)", "x*x"),
    "abs of exp": ("abs(exp(x))", "exp(x)"),
    "abs of cosh": ("abs(cosh(x))", "cosh(x)"),
    "abs of hypot": ("abs(hypot(x, y))", "hypot(x, y)"),
    "floor of floor": ("floor(floor(x))", "floor(x)"),
    "ceil of ceil": ("ceil(ceil(x))", "ceil(x)"),
    "trunc of trunc": ("trunc(trunc(x))", "trunc(x)"),
    "round of round": ("round(round(x))", "round(x)"),
    "max of one": ("max(x, x)", "x"),
    "min of one": ("min(x, x)", "x"),
    # Conditions
    "not not": ("not (not c)", "c"),
    "not equal": ("not (x == y)", "x != y"),
    "not not_equal": ("not (x != y)", "x == y"),
    "and itself": ("c and c", "c"),
    "or itself": ("c or c", "c"),
    "and True": ("c and True", "c"),
    "and False": ("c and False", "False"),
    "or True": ("c or True", "True"),
    "or False": ("c or False", "c"),
    "and absorbs": ("c and (c or c1)", "c"),
    "or absorbs": ("c or (c and c1)", "c"),
    # Selections
    "where True": ("where(True, x, y)", "x"),
    "where False": ("where(False, x, y)", "y"),
    "where of one": ("where(c, x, x)", "x"),
    "where not": ("where(not c, x, y)", "where(c, y, x)"),
    "where in its own branch": ("where(c, where(c, x, y), z)", "where(c, x, z)"),
    "where in its own other branch": ("where(c, z, where(c, x, y))", "where(c, z, y)"),
    "where of wheres, first equal": ("where(c, x, where(c1, x, y))", "where(c or c1, x, y)"),
    "where of wheres, last equal": ("where(c, where(c1, x, y), y)", "where(c and c1, x, y)"),
    "where under a sum in its branch": ("where(c, where(c, x, y) + w, z)", "where(c, x + w, z)"),
    "where under a product in its branch": ("where(c, where(c, x, y)*w, z)", "where(c, x*w, z)"),
    "where under a sign in its branch": ("where(c, -where(c, x, y), z)", "where(c, -x, z)"),
    "where of signs": ("where(c, -x, -y)", "-where(c, x, y)"),
    "number of a condition, unequal zero": ("where(c, 1, 0) != 0", "c"),
    "number of a condition, equal zero": ("where(c, 1, 0) == 0", "not c"),
    "number of a condition, above zero": ("0 < where(c, 1, 0)", "c"),
    "guard of guards": ("where(c or c1, where(c, x, 0) + where(c1, y, 0), 0)", "where(c, x, 0) + where(c1, y, 0)"),
    "guard of a guard and another branch": (
        "where(c or not c1, where(c, x, 0) + where(c1, 0, y), 0)",
        "where(c, x, 0) + where(c1, 0, y)",
    ),
    "guard of other branches": (
        "where(not c or not c1, where(c, 0, x) + where(c1, 0, y), 0)",
        "where(c, 0, x) + where(c1, 0, y)",
    ),
    "sum in both branches": ("where(c, x, 0) + where(c, y, 0)", "where(c, x + y, 0)"),
    "sum in the other branches": ("where(c, 0, x) + where(c, 0, y)", "where(c, 0, x + y)"),
    "difference in both branches": ("where(c, x, 0) - where(c, y, 0)", "where(c, x - y, 0)"),
    "difference in the other branches": ("where(c, 0, x) - where(c, 0, y)", "where(c, 0, x - y)"),
}

# A guarded adjoint is 0 where its branch is not taken. These zeros are added to the adjoint of the other branch; they
# are not numbers of the formula, and leaving them out can change the sign of a zero only.
_STRUCTURAL: dict[str, _Row] = {
    "guards of both branches": ("where(c, x, 0) + where(c, 0, y)", "where(c, x, y)"),
    "guards of both branches, less": ("where(c, x, 0) - where(c, 0, y)", "where(c, x, -y)"),
    "guards of both branches, negated": ("where(c, 0, y) - where(c, x, 0)", "where(c, -x, y)"),
    "guard after a sum of guards": ("(z + where(c, x, 0)) + where(c, 0, y)", "z + where(c, x, y)"),
    "other guard after a sum of guards": ("(z + where(c, 0, y)) + where(c, x, 0)", "z + where(c, x, y)"),
}

_STABLE: dict[str, _Row] = {
    **STABLE_FORMS,
    "larger of opposites": ("max(x, -x)", "abs(x)"),
    "smaller of opposites": ("min(x, -x)", "-abs(x)"),
    "softplus": ("log(1 + exp(x))", "softplus(x)"),
    "softplus of log1p": ("log1p(exp(x))", "softplus(x)"),
    "logaddexp": ("log(exp(x) + exp(y))", "logaddexp(x, y)"),
    "log1p": ("log(1 + x)", "log1p(x)"),
    "log1p of a negative": ("log(1 - x)", "log1p(-x)"),
    "expm1": ("exp(x) - 1", "expm1(x)"),
    "expm1, negated": ("1 - exp(x)", "-expm1(x)"),
    "log1mexp": ("log(-expm1(x))", "log1mexp(x)"),
    "log1mexp of log1p": ("log1p(-exp(x))", "log1mexp(x)"),
    "exp over expm1": ("exp(x)/expm1(x)", "-bose_einstein(-x)"),
    "scaled exp over expm1": ("(y*exp(x))/expm1(x)", "-(y*bose_einstein(-x))"),
    "over expm1": ("1/expm1(x)", "bose_einstein(x)"),
    "scaled over expm1": ("y/expm1(x)", "y*bose_einstein(x)"),
    "density of the logistic": ("exp(x)/((1 + exp(x))*(1 + exp(x)))", "(sech(0.5*x)*sech(0.5*x))*0.25"),
    "sigmoid": ("1/(1 + exp(-x))", "sigmoid(x)"),
    "sigmoid of a negative": ("1/(1 + exp(x))", "sigmoid(-x)"),
    "sigmoid as a share": ("exp(x)/(1 + exp(x))", "sigmoid(x)"),
    "scaled sigmoid": ("y/(1 + exp(-x))", "y*sigmoid(x)"),
    "scaled sigmoid of a negative": ("y/(1 + exp(x))", "y*sigmoid(-x)"),
    "over a square of the same": ("y/((1 + exp(x))*(1 + exp(x)))", "y*(sigmoid(-x)*sigmoid(-x))"),
    "rest of sigmoid": ("1 - sigmoid(x)", "sigmoid(-x)"),
    "rest of sigmoid, negated": ("sigmoid(x) - 1", "-sigmoid(-x)"),
    "sigmoid and its rest": ("sigmoid(-x)*sigmoid(x)", "(sech(0.5*x)*sech(0.5*x))*0.25"),
    "scaled sigmoid and its rest": ("(y*sigmoid(x))*sigmoid(-x)", "y*((sech(0.5*x)*sech(0.5*x))*0.25)"),
    "log of sigmoid": ("log(sigmoid(x))", "-softplus(-x)"),
    "log1p of a negative sigmoid": ("log1p(-sigmoid(x))", "-softplus(x)"),
    "sigmoid times exp of the negative": ("sigmoid(x)*exp(-x)", "sigmoid(-x)"),
    "sigmoid of the negative times exp": ("sigmoid(-x)*exp(x)", "sigmoid(x)"),
    "scaled sigmoid times exp of the negative": ("(y*sigmoid(x))*exp(-x)", "y*sigmoid(-x)"),
    "scaled sigmoid of the negative times exp": ("(y*sigmoid(-x))*exp(x)", "y*sigmoid(x)"),
    "product of constants, exact": ("(x*k1)*k2", "x*(k1*k2)", _is_exact_product),
    "quotient and a product, exact": ("(k1/x)*k2", "(k1*k2)/x", _is_exact_product),
    "quotient of constants, exact": ("(x/k1)/k2", "x/(k1*k2)", _is_exact_product),
    "product over a constant, exact": ("(x*k1)/k2", "x*(k1/k2)", _is_exact_quotient),
    "product over a multiple of its constant": ("(x*k1)/k2", "x/(k2/k1)", lambda k1, k2: _is_exact_quotient(k2, k1)),
    "product of a quotient, exact": ("(x/k1)*k2", "x*(k2/k1)", lambda k1, k2: _is_exact_quotient(k2, k1)),
    "product of a quotient by a multiple": ("(x/k1)*k2", "x/(k1/k2)", _is_exact_quotient),
    "scaled and scaled back": ("(x*k1/y)*k2", "x/y", lambda k1, k2: _is_invertible_power_of_two(k1) and k1 * k2 == 1),
    "complement of erf": ("1 - erf(x)", "erfc(x)"),
    "complement of erf at the other end": ("1 + erf(x)", "erfc(-x)"),
    "complement of half erfc": ("1 - erfc(x)*0.5", "erfc(-x)*0.5"),
    "log of half erfc": ("log(erfc(x)*0.5)", "log_ndtr(-1.4142135623730951*x)"),
    "log of erfc": (
        "log(erfc(x))",
        "where(x < 0.5, log1p(-erf(x)), log_ndtr(-1.4142135623730951*x) + 0.6931471805599453)",
    ),
    "rest of ndtr": ("1 - ndtr(x)", "ndtr(-x)"),
    "log of ndtr": ("log(ndtr(x))", "log_ndtr(x)"),
    "log1p of a negative ndtr": ("log1p(-ndtr(x))", "log_ndtr(-x)"),
    "log of gamma": ("log(gamma(x))", "where(0 < x or 0 < gamma(x), lgamma(x), nan)"),
    "log of beta": ("log(beta(x, y))", "where(0 < x and 0 < y or 0 < beta(x, y), betaln(x, y), nan)"),
    "complement of erfc": ("1 - erfc(x)", "erf(x)"),
}

_REAL: dict[str, _Row] = {
    "difference with itself": ("x - x", "0"),
    "times zero": ("x*0", "0"),
    "times negative zero": ("x*(-0.0)", "0"),
    "zero over": ("0/x", "0"),
    "over itself": ("x/x", "1"),
    "plus zero": ("x + 0", "x"),
    "zero minus": ("0 - x", "-x"),
    "sign out of a difference": ("-(x - y)", "y - x"),
    "log of exp": ("log(exp(x))", "x"),
    "exp of log": ("exp(log(x))", "x"),
    "expm1 of log1p": ("expm1(log1p(x))", "x"),
    "log1p of expm1": ("log1p(expm1(x))", "x"),
    "root of a product with itself": ("sqrt(x*x)", "abs(x)"),
    "product of roots": ("sqrt(x)*sqrt(x)", "x"),
    "sine and cosine": ("sin(x)*sin(x) + cos(x)*cos(x)", "1"),
    "cosh and sinh": ("cosh(x)*cosh(x) - sinh(x)*sinh(x)", "1"),
    "product of exps": ("exp(x)*exp(y)", "exp(x + y)"),
    "quotient of exps": ("exp(x)/exp(y)", "exp(x - y)"),
    "over a constant": ("x/k", "x*(1/k)", lambda k: _is_plain(k) and math.isfinite(1 / k)),
    "sum of constants": ("(x + k1) + k2", "x + (k1 + k2)", _are_plain),
    "difference of constants": ("(x - k1) - k2", "x - (k1 + k2)", _are_plain),
    "sum and difference of constants": ("(x + k1) - k2", "x + (k1 - k2)", _are_plain),
    "difference and sum of constants": ("(x - k1) + k2", "x + (k2 - k1)", _are_plain),
    "sum of a constant difference": ("(k1 - x) + k2", "(k1 + k2) - x", _are_plain),
    "difference of a constant difference": ("(k1 - x) - k2", "(k1 - k2) - x", _are_plain),
    "constant less a difference": ("k1 - (k2 - x)", "x + (k1 - k2)", _are_plain),
    "product of constants": ("(x*k1)*k2", "x*(k1*k2)", _are_plain),
    "product of a constant quotient": ("(k1/x)*k2", "(k1*k2)/x", _are_plain),
    "quotient of a constant product": ("k1/(x*k2)", "(k1/k2)/x", _are_plain),
    "quotient of quotients": ("x/(y/z)", "x*z/y"),
    "quotient twice": ("(x/y)/z", "x/(y*z)"),
    "product of a quotient": ("x*(1/y)", "x/y"),
    "common factor of a sum": ("x*y + x*z", "x*(y + z)"),
    "common factor of a difference": ("x*y - x*z", "x*(y - z)"),
    "common divisor of a sum": ("x/z + y/z", "(x + y)/z"),
    "common divisor of a difference": ("x/z - y/z", "(x - y)/z"),
}


# These move an operation outwards: only worth it where the inner result is not wanted elsewhere.
_ONCE = frozenset(
    (
        "sign out of a product",
        "sign out of a dividend",
        "sign out of a divisor",
        "where of signs",
        "sum in both branches",
        "sum in the other branches",
        "difference in both branches",
        "difference in the other branches",
        "guards of both branches, less",
        "guards of both branches, negated",
        "common factor of a sum",
        "common factor of a difference",
        "common divisor of a sum",
        "common divisor of a difference",
        "quotient of quotients",
        "quotient twice",
    )
)


# Stable forms whose derivatives are those of what was written, and rules that only tidy.
_LATE = frozenset(
    (
        "log1p",
        "log1p of a negative",
        "product of constants, exact",
        "quotient and a product, exact",
        "quotient of constants, exact",
        "product over a constant, exact",
        "product over a multiple of its constant",
        "product of a quotient, exact",
        "product of a quotient by a multiple",
        "scaled and scaled back",
    )
)

# Exact forms without a kink of their own.
_SMOOTH = frozenset(
    (
        "cos of abs",
        "cosh of abs",
        "sech of abs",
        "product of abs",
        "hypot of an abs",
        "hypot of one",
        "abs of abs",
        "abs of copysign",
        "abs of a product with itself",
        "abs of exp",
        "abs of cosh",
        "abs of hypot",
        "max of one",
        "min of one",
    )
)


def _rules(rows: dict[str, _Row], holds: str) -> list[Rule]:
    return [
        Rule(
            name,
            row[0],
            row[1],
            holds,
            row[2] if len(row) > 2 else None,
            name in _ONCE,
            name in _SMOOTH or (holds == STABLE and name not in _LATE),
        )
        for name, row in rows.items()
    ]


RULES: tuple[Rule, ...] = (
    *_rules(_EXACT, EXACT),
    *_rules(_STRUCTURAL, STRUCTURAL),
    *_rules(_STABLE, STABLE),
    *_rules(_REAL, REAL),
)
"""All rules; of those that fit a node, the first is applied."""


@functools.cache
def rule_set(classes: tuple[str, ...]) -> RuleSet:
    """The rules of some classes, compiled."""
    return RuleSet(rule for rule in RULES if rule.holds in classes)
