"""Forms found before differentiation: values and derivatives of every order come from one stable and smooth form."""

import math
import re

import mpmath
import pytest

import symdiff as sd
from symdiff.differentiate.operators import repeated
from symdiff.optimize.patterns import STABLE
from symdiff.optimize.rules import RULES
from tests.optimize.test_rules import exactly

INNER = ["t", "-3*t", "t/0.01", "k*t"]
SIZES = [1e-8, 1.0, 20.0, 40.0, 400.0, 800.0]
POINTS = [0.0, *(sign * size for size in SIZES for sign in (1, -1))]
K = 2.5
ORDERS = range(4)
KINKED = {"larger of opposites", "smaller of opposites"}
EARLY = [r for r in RULES if r.early and r.holds == STABLE and r.name not in KINKED]
# The partials of these have rounded constants, or are no expressions of mpmath.
INEXACT = {"log of half erfc", "log of erfc", "log of ndtr", "log1p of a negative ndtr", "log of beta"}


def written(rule, inner):
    """The pattern and the replacement of a rule as a user writes them, with other expressions for its variables."""
    texts = {"x": inner, "y": "t/2 + 3"}
    return [re.sub(r"\b[xy]\b", lambda m: f"({texts[m.group()]})", t) for t in (rule.pattern, rule.replacement)]


def jets(text):
    """A function that gives the derivatives of a text by t exactly: of it as it is written, in many digits."""
    f = sd.function(text, ["t", "k"])
    graph, nodes = f.graph, f.name_table()
    roots = [repeated(graph, f.nodes[0], nodes["t"], n) for n in ORDERS]

    def at(point):
        given = {nodes["t"]: mpmath.mpf(point), nodes["k"]: mpmath.mpf(K)}
        try:
            found = [exactly(graph, root, given) for root in roots]
        except (TypeError, ZeroDivisionError, ValueError):
            return None
        return found if all(map(mpmath.isfinite, found)) else None

    return at


def by_differences(text):
    """As `jets`, from values in many digits, of a text that does not cancel."""
    f = sd.function(text, ["t", "k"])
    graph, (root,), nodes = f.graph, f.nodes, f.name_table()

    def value(t):
        return exactly(graph, root, {nodes["t"]: t, nodes["k"]: mpmath.mpf(K)})

    def at(point):
        with mpmath.workprec(300 if abs(point) < 21 else 1600):
            try:
                found = [mpmath.diff(value, mpmath.mpf(point), n) for n in ORDERS]
            except (TypeError, ZeroDivisionError, ValueError):
                return None
        return found if all(map(mpmath.isfinite, found)) else None

    return at


def agrees(got, exact, rtol=1e-9):
    if abs(exact) > 1.7e308:
        return math.isinf(got)
    return abs(got - exact) <= rtol * abs(exact) + 1e-250


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("rule", [r for r in EARLY if r.name not in INEXACT], ids=lambda r: r.name)
def test_derivatives_of_stable_forms(rule, inner):
    check(rule, inner, POINTS)


@pytest.mark.parametrize("rule", [r for r in EARLY if r.name in INEXACT], ids=lambda r: r.name)
def test_derivatives_of_forms_of_special_functions(rule):
    check(rule, "t", [1.0, 20.0, -3.0])


@pytest.mark.heavy
@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("rule", [r for r in EARLY if r.name in INEXACT], ids=lambda r: r.name)
def test_derivatives_of_forms_of_special_functions_everywhere(rule, inner):
    check(rule, inner, POINTS)


def check(rule, inner, points):
    text, replaced = written(rule, inner)
    f = sd.function(text, ["t", "k"])
    slope = sd.grad(f, "t")
    both = sd.function((*(sd.derivative(f, "t", n) for n in ORDERS), slope, sd.grad(slope, "t")))
    checked, exactly_at = 0, by_differences(replaced) if rule.name in INEXACT else jets(text)
    for point in points:
        if rule.name == "log of gamma" and point < 0:
            continue  # poles
        with mpmath.workprec(2600):
            exact = exactly_at(point)
            if exact is None:
                continue
            got = both(point, K)
            wanted = [*exact, exact[1], exact[2]]
            assert all(map(agrees, got, wanted)), (
                text, point, got, [float(e) for e in wanted])
        checked += 1
    assert checked > min(4, len(points) // 2)
