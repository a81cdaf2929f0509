"""Forms found before differentiation: values and derivatives of every order come from one stable and smooth form."""

import math
import re

import mpmath
import numpy as np
import pytest

import symdiff as sd
from symdiff.differentiate.operators import iterated
from symdiff.optimize.forms import forms
from symdiff.optimize.patterns import STABLE
from symdiff.optimize.rules import RULES
from tests.optimize.test_rules import exactly

INNER = [pytest.param("t", marks=pytest.mark.heavy), "-3*t", pytest.param("t/0.01", marks=pytest.mark.heavy), "k*t"]
SIZES = [1e-8, 1.0, 20.0, 40.0, 400.0, 800.0]
POINTS = [0.0, *(sign * size for size in SIZES for sign in (1, -1))]
K = 2.5
ORDERS = range(4)
KINKED = {"larger of opposites", "smaller of opposites"}
EARLY = [r for r in RULES if r.early and r.holds == STABLE and r.name not in KINKED]
# The partials of these have rounded constants, or are no expressions of mpmath.
INEXACT = {"log of half erfc", "log of erfc", "log of ndtr", "log1p of a negative ndtr", "log of beta",
           "log of gamma"}  # fmt: skip


def written(rule, inner):
    """The pattern and the replacement of a rule as a user writes them, with other expressions for its variables."""
    texts = {"x": inner, "y": "t/2 + 3"}
    return [re.sub(r"\b[xy]\b", lambda m: f"({texts[m.group()]})", t) for t in (rule.pattern, rule.replacement)]


def jets(text):
    """A function that gives the derivatives of a text by t exactly: of it as it is written, in many digits."""
    f = sd.function(text, ["t", "k"])
    graph, nodes = f.graph, f._name_table()
    roots = [iterated(graph, f.nodes[0], nodes["t"], n) for n in ORDERS]

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
    graph, (root,), nodes = f.graph, f.nodes, f._name_table()

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
    argument = sd.function(inner, ["t", "k"])
    f = sd.function(text, ["t", "k"])
    slope = sd.grad(f, "t")
    both = sd.function((*(sd.derivative(f, "t", n) for n in ORDERS), slope, sd.grad(slope, "t")))
    checked, exactly_at = 0, by_differences(replaced) if rule.name in INEXACT else jets(text)
    for point in points:
        if rule.name == "log of gamma" and argument(point, K) < 0:
            continue  # poles
        with mpmath.workprec(2600):
            exact = exactly_at(point)
            if exact is None:
                continue
            got = both(point, K)
            wanted = [*exact, exact[1], exact[2]]
            assert all(map(agrees, got, wanted)), (text, point, got, [float(e) for e in wanted])
        checked += 1
    assert checked > min(4, len(points) // 2)


# Sums of exponentials: of any length, along any axis, written out or not.

SCORES = [[0.0], [3.0, 720.0], [-800.0, -801.0], [0.0, 0.0, 720.0], [0.0, 1.0, 40.0], [5.0, 5.0, 5.0, 5.0],
          [1.0, -40.0, -41.5, 2e-8, 0.3]]  # fmt: skip
LOGSUMS = ["log(sum(exp(x)))", "log(mean(exp(x)))", "log(0.5*sum(exp(x)))", "logsumexp(x)",
           "log(sum(exp(x), keepdims=True))[0]",
           "sum(log(sum(exp(reshape(x, (size(x), 1))), axis=0)))", "s = exp(x)\nlog(sum(s))"]  # fmt: skip


def shares(scores):
    top = max(scores)
    terms = [mpmath.exp(mpmath.mpf(s) - top) for s in scores]
    total = mpmath.fsum(terms)
    return [t / total for t in terms], mpmath.log(total) + top


def close(got, exact, rtol=1e-12):
    got, exact = np.ravel(got), np.ravel(np.array(exact, object)).tolist()
    assert len(got) == len(exact)
    for g, e in zip(got, exact, strict=True):
        assert abs(mpmath.mpf(float(g)) - e) <= rtol * abs(e) + mpmath.mpf("1e-306"), (got, [float(e) for e in exact])


@pytest.mark.parametrize("scores", SCORES, ids=str)
def test_logarithms_of_sums_of_exponentials(scores):
    names = [f"x{k}" for k in range(len(scores))]
    texts = [(text, {"x": len(scores)}) for text in LOGSUMS]
    texts.append((f"log({' + '.join(f'exp({n})' for n in names)})", None))
    with mpmath.workprec(3000):
        p, value = shares(scores)
        second = [[pi * ((i == j) - pj) for j, pj in enumerate(p)] for i, pi in enumerate(p)]
        for text, shapes in texts:
            f = sd.function(text, ["x"] if shapes else names, shapes=shapes)
            f = sd.value_and_grad(f, None if shapes else names)
            point = (scores,) if shapes else scores
            found, slope = f(*point)
            shift = mpmath.log(len(scores)) if "mean" in text else mpmath.log(2) if "0.5" in text else 0
            close(found, value - shift, 1e-13 if abs(value - shift) > 1 else 1e-9)
            close(slope, p)
        for text in LOGSUMS[:4:3]:
            close(sd.hessian(sd.function(text, ["x"], shapes={"x": len(scores)}))(scores), second, 1e-9)


@pytest.mark.parametrize("scores", SCORES[1:], ids=str)
@pytest.mark.parametrize("text", ["softmax(x)", "exp(x)/sum(exp(x))", "exp(x - max(x))/sum(exp(x - max(x)))",
                                  "softmax(stack([x, -x]), axis=1)[0]"])  # fmt: skip
def test_shares_keep_their_digits(text, scores):
    f = sd.function(text, ["x"], shapes={"x": len(scores)})
    with mpmath.workprec(3000):
        p, _ = shares(scores)
        exact = [[pi * ((i == j) - pj) for j, pj in enumerate(p)] for i, pi in enumerate(p)]
        for mode in ("forward", "reverse"):
            close(sd.jacobian(f, mode=mode)(scores), exact, 1e-9)
        for logarithm in ("log_softmax(x)", "log(softmax(x))"):
            g = sd.function(f"({logarithm})[{len(scores) - 1}]", ["x"], shapes={"x": len(scores)})
            value, slope = sd.value_and_grad(g)(scores)
            close(slope, [(j == len(scores) - 1) - pj for j, pj in enumerate(p)], 1e-9)
            close(value, mpmath.log(p[-1]), 1e-9)


@pytest.mark.parametrize("scores", [s for s in SCORES if len(s) > 1], ids=str)
def test_a_share_written_out(scores):
    names = [f"x{k}" for k in range(len(scores))]
    f = sd.function(f"exp(x0)/({' + '.join(f'exp({n})' for n in names)})", names)
    with mpmath.workprec(3000):
        p, _ = shares(scores)
        close(f(*scores), p[0], 1e-11)
        close(sd.grad(f)(*scores), [p[0] * ((j == 0) - pj) for j, pj in enumerate(p)], 1e-9)


# Kinks

SMOOTH = [  # a text in t, its derivatives at 0
    ("abs(t)**2", [0, 0, 2, 0]), ("abs(t)**4 + t", [0, 1, 0, 0]), ("abs(t)*abs(t)", [0, 0, 2, 0]),
    ("1/(1 + abs(t)**2)", [1, 0, -2, 0]), ("cos(abs(t))", [1, 0, -1, 0]), ("log(cosh(abs(t)))", [0, 0, 1, 0]),
    ("abs(-t**2)", [0, 0, 2, 0]), ("max(t, -t)**2", [0, 0, 2, 0]), ("hypot(t**2, 0)", [0, 0, 2, 0]),
    ("hypot(t, 2*t)**2", [0, 0, 10, 0]), ("sqrt(t**2)**2", [0, 0, 2, 0]), ("sqrt(t**4)", [0, 0, 2, 0]),
    ("(2*abs(t)/3)**2", [0, 0, 8 / 9, 0]), ("norm([t, 2*t])**2", [0, 0, 10, 0]),
    ("exp(-norm([t, t])**2)", [1, 0, -4, 0]), ("std([t, -t])**2", [0, 0, 2, 0]), ("q = abs(t)\nq**2", [0, 0, 2, 0]),
    ("half(a) = norm([a, a])\nhalf(t)**2", [0, 0, 4, 0]), ("sqrt(sum([t, t]**2))**2", [0, 0, 4, 0]),
    ("abs(t)**3", [0, 0, 0, 0]), ("abs(t)*t", [0, 0, 0, math.nan]), ("sum(abs([t, 2*t])**2)", [0, 0, 10, 0]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "exact"), SMOOTH, ids=lambda v: v if type(v) is str else "")
def test_smooth_forms_at_the_kink(text, exact):
    f = sd.function(text, ["t"])
    found = [sd.derivative(f, "t", n)(0.0) for n in ORDERS[: len(exact)]]
    np.testing.assert_allclose(found, exact, atol=1e-14)
    assert sd.hessian(f)(0.0) == pytest.approx(exact[2])
    assert sd.grad(sd.grad(f))(0.0) == pytest.approx(exact[2])


@pytest.mark.parametrize("text", ["abs(t)", "hypot(t, 0*t)", "norm([t, t])", "norm([t, 2*t], 3)", "max(t, 0)",
                                  "min(t, -t)", "max([t, -t])", "clip(t, 0, 1)", "max(t, -t, 2*t)", "copysign(t, 1)",
                                  "std([t, -t])",
                                  "max(t**2, 0)", "max([t**2, t**4])", "abs(t) + t**2", "sqrt(t**2)"])  # fmt: skip
def test_a_direction_has_no_derivative_at_the_kink(text):
    f = sd.function(text, ["t"])
    for order in (2, 3):
        assert math.isnan(sd.derivative(f, "t", order)(0.0))
        assert math.isfinite(sd.derivative(f, "t", order)(1.5))
    assert math.isfinite(sd.grad(f)(0.0))


@pytest.mark.parametrize("scale", [1e-320, 3e-162, 1e-155, 1e-140, 1.0, 1e150, 1e155, 1e300])
@pytest.mark.parametrize("text", ["norm(x)", "std(concatenate([x, -x]))", "sqrt(sum(x**2))"])
def test_directions_are_right_or_nan(text, scale):
    slope = sd.grad(sd.function(text, ["x"], shapes={"x": 2}))
    exact = slope([3.0, 4.0])
    found = slope([3.0 * scale, 4.0 * scale])
    assert np.isnan(found).all() or np.allclose(found, exact, rtol=1e-12)
    assert np.isnan(found).any() <= (not 1e-145 < scale < 1e150)


# What is written stays where it must


def test_a_named_line_to_differentiate_by_is_a_variable():
    f = sd.function("q = exp(x)\nf = log(1 + q)", ["x"])
    assert sd.grad(f, "q")(0.0) == 0.5
    assert sd.grad(sd.grad(f, "q"), "q")(0.0) == -0.25
    g = sd.function("q = abs(x)\nf = q**2", ["x"])
    assert sd.grad(g, "q")(-3.0) == 6.0
    h = sd.function("q = 1/(1 + exp(-x))\nf = q**2*x", ["x"])  # the line itself takes another form
    assert sd.grad(sd.grad(h, "x"), "q")(0.0) == pytest.approx(2 * 0.5 + 0)
    q, slope = sd.grad(h, ["q", "x"])(-1000.0)
    assert (q, slope) == (0.0, 0.0)


def test_strict_values_are_what_is_written():
    f = sd.function("log(1 + exp(x))", ["x"])
    strict = f.compile(fp="strict")
    assert math.isinf(strict(800.0))
    assert f(800.0) == 800.0
    both = sd.value_and_grad(f).compile(fp="strict")
    assert math.isinf(both(800.0)[0])
    assert both(800.0)[1] == 1.0


def test_a_formula_without_forms_stays_as_it_is():
    f = sd.function("exp(x)*sin(x) + x/exp(x)", ["x"])
    before = len(f.graph)
    assert forms(f.graph, f.nodes) == {}
    assert len(f.graph) == before
