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
EARLY = [r for r in RULES if r.early and r.holds == STABLE]


def written(rule, inner):
    """The pattern of a rule as a user writes it, with other expressions for its variables."""
    texts = {"x": inner, "y": "t/2 + 3"}
    return re.sub(r"\b[xy]\b", lambda m: f"({texts[m.group()]})", rule.pattern)


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


def agrees(got, exact, rtol):
    if abs(exact) > 1.7e308:
        return math.isinf(got)
    return abs(got - exact) <= rtol * abs(exact) + 1e-305


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("rule", EARLY, ids=lambda r: r.name)
def test_derivatives_of_stable_forms(rule, inner):
    text = written(rule, inner)
    f = sd.function(text, ["t", "k"])
    slope = sd.grad(f, "t")
    both = sd.function((*(sd.derivative(f, "t", n) for n in ORDERS), slope, sd.grad(slope, "t")))
    checked, exactly_at = 0, jets(text)
    for point in POINTS:
        with mpmath.workprec(2600):
            exact = exactly_at(point)
            if exact is None:
                continue
            got = both(point, K)
            wanted = [*exact, exact[1], exact[2]]
            assert all(agrees(g, e, 1e-9) for g, e in zip(got, wanted, strict=True)), (
                text, point, got, [float(e) for e in wanted])
        checked += 1
    assert checked > 4
