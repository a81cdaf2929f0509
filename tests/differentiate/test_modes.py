"""Forward mode, reverse mode, repeated differentiation and guards, against each other and against mpmath and SymPy."""

import math
import random

import mpmath
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.interpret import evaluate
from symdiff.ir.verify import verify

UNARY = ["sin", "cos", "tanh", "exp", "atan", "sigmoid", "softplus", "expm1", "asinh", "erf", "sinc", "abs", "-"]
BINARY = ["+", "-", "*", "/", "max", "min", "hypot", "atan2", "where"]


def formula(seed, size=12):
    """A random formula in x, y, z, with sharing through lines."""
    choose = random.Random(seed)
    known, lines = ["x", "y", "z"], []
    for k in range(size):
        a, b, c = (choose.choice(known) for _ in range(3))
        op = choose.choice(UNARY + BINARY)
        if op in ("+", "*") or (op == "-" and choose.random() < 0.7):
            body = f"{a} {op} {b}"
        elif op == "/":
            body = f"{a}/(2 + {b}**2)"
        elif op in ("max", "min", "hypot", "atan2"):
            body = f"{op}({a}, {b})"
        elif op == "where":
            body = f"where({a} < {b}, {b}*{c}, sin({a}))"
        elif op == "-":
            body = f"-{a}"
        else:
            body = f"{op}({a})"
        lines.append(f"t{k} = {body}")
        known.append(f"t{k}")
    lines.append(" + ".join(known[-3:]))
    return "\n".join(lines)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**9))
def test_forward_is_reverse(seed):
    f = sd.function(formula(seed), ["x", "y", "z"])
    wrt = ["x", "y", "z"]
    ahead, back = sd.jacobian(f, wrt, mode="forward"), sd.jacobian(f, wrt, mode="reverse")
    verify(f.graph)
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, (3, 20))
    with np.errstate(all="ignore"):
        a, b = ahead(*x), back(*x)
        twice, hessian = sd.jacobian(sd.grad(f), wrt, mode="reverse")(*x), sd.hessian(f)(*x)
    for one, two in ((a, b), (hessian, twice)):
        np.testing.assert_array_equal(np.isfinite(one), np.isfinite(two))
        one, two = (np.where(np.isfinite(m), m, 0) for m in (one, two))
        np.testing.assert_allclose(one, two, rtol=1e-8, atol=1e-8 * np.max(np.abs(two)) + 1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**9))
def test_native_strict_is_the_interpreter_bit_for_bit(seed):
    f = sd.function(formula(seed), ["x", "y", "z"])
    g = sd.function((f, sd.grad(f)))
    native = g.compile(fp="strict")
    names = g._name_table()
    for x in np.random.default_rng(seed).uniform(-3, 3, (5, 3)):
        want = evaluate(g.graph, g.nodes, dict(zip((names[n] for n in "xyz"), x, strict=True)))
        value, slope = native(*x)
        assert value == want[0] or (math.isnan(value) and math.isnan(want[0]))
        np.testing.assert_array_equal(slope, want[1])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_gradient_is_the_slope_of_differences(seed):
    f = sd.function(formula(seed).replace("abs", "cos").replace("where", "hypot(1, 1)*where"), ["x", "y", "z"])
    x = np.random.default_rng(seed).uniform(-1, 1, 3)
    g = sd.grad(f)(*x)
    h = 1e-6
    for k in range(3):
        e = np.eye(3)[k] * h
        ahead, back = (f(*(x + e)) - f(*x)) / h, (f(*x) - f(*(x - e))) / h
        if abs(ahead - back) < 1e-3 * (1 + abs(ahead)):  # no kink in between
            assert (ahead + back) / 2 == pytest.approx(g[k], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("text", ["sin(x*exp(x))*tanh(x)", "exp(-x**2)*log(1 + x**2)",
                                  "sqrt(1 + x**2)/(2 + cos(x))", "x**2.5*erf(x)", "gamma(x)*sigmoid(3*x)",
                                  "atan2(x, 2)**3", "(1 + x)**x"])  # fmt: skip
def test_orders_agree_with_mpmath(text):
    names = {"tanh": mpmath.tanh, "sin": mpmath.sin, "cos": mpmath.cos, "exp": mpmath.exp, "log": mpmath.log,
             "sqrt": mpmath.sqrt, "erf": mpmath.erf, "gamma": mpmath.gamma, "atan2": mpmath.atan2,
             "sigmoid": lambda t: 1 / (1 + mpmath.exp(-t))}  # fmt: skip
    with mpmath.workdps(60):
        for n in range(6):
            d = sd.derivative(text, "x", n)
            for point in (0.3, 0.7, 1.9):
                want = mpmath.diff(lambda t: eval(text, dict(names), {"x": t}), mpmath.mpf(point), n)
                assert d(point) == pytest.approx(float(want), rel=1e-11, abs=1e-11), (n, point)


@pytest.mark.parametrize("text", ["x**3*y + sin(x*y)", "exp(x/y)*log(x + y**2)", "tanh(x - y)/sqrt(x**2 + y**2)",
                                  "x**y", "asin(x/4)*acos(y/5)", "cosh(x)*sinh(y) - x/(1 + y**4)"])  # fmt: skip
def test_gradients_and_hessians_agree_with_sympy(text):
    x, y = sympy.symbols("x y", positive=True)
    e = sympy.sympify(text, locals={"x": x, "y": y})
    g, h = sd.grad(text, ["x", "y"]), sd.hessian(text, ["x", "y"])
    for at in ((0.3, 0.8), (1.7, 2.1), (2.5, 0.4)):
        put = dict(zip((x, y), at, strict=True))
        np.testing.assert_allclose(g(*at), [float(e.diff(s).subs(put)) for s in (x, y)], rtol=1e-11)
        want = [[float(e.diff(a, b).subs(put)) for b in (x, y)] for a in (x, y)]
        np.testing.assert_allclose(h(*at), want, rtol=1e-10, atol=1e-13)


# Formula, point, derivative: what other tools return NaN for, or lose.
GUARDED = [
    ("where(x > 0, sqrt(x), 0)", 0.0, 0.0),
    ("where(x > 0, where(x > 1, log(x - 1), 3*x), -x)", 0.5, 3.0),
    ("where(x > 0, where(x > 1, log(x - 1), 3*x), -x)", 1.0, 3.0),
    ("sqrt(where(x > 0, x, 0))", -1.0, 0.0),
    ("sqrt(max(x, 0))", -1.0, 0.0),
    ("where(x > 0, 1, 2)*sqrt(max(x, 0)) + 5*x", -2.0, 5.0),
    ("where(x < 0, x, exp(-1000*x))", -1.0, 1.0),
    ("1/(1 + exp(-x))", -1000.0, 0.0),
    ("log(1 + exp(x))", -5.0, 0.0066928509242848554),
    ("where(x != 0 and x < 1, 1/x, 7)", 0.0, 0.0),
    ("where(not (x > 0), x**2, log(x))", -3.0, -6.0),
    ("min(x, where(x > 0, log(x), x))*2", -1.0, 2.0),
    ("x if x > 0 else 0*log(x) if x > -1 else 4*x", -2.0, 4.0),
    ("where(x > 0, sqrt(x), 0) + where(x > 0, log(x), x)", -1.0, 1.0),
    ("sqrt(x)*where(x > 0, 1, 0)", 4.0, 0.25),
    ("clip(x, 0, 1)*3", 0.0, 1.5),
    ("abs(x)**3", 0.0, 0.0),
    ("relu(x) - relu(-x)", 2.0, 1.0),
    ("where(isnan(x), 0, x**2)", 3.0, 6.0),
]


@pytest.mark.parametrize(("text", "point", "slope"), GUARDED)
def test_guards(text, point, slope):
    assert sd.grad(text, "x")(point) == pytest.approx(slope, rel=1e-14)
    assert sd.derivative(text, "x", 1)(point) == pytest.approx(slope, rel=1e-14)
    kinks = ("max", "min", "clip", "where(x > 0, x, 0)")  # whose second derivatives are NaN at a tie
    assert not math.isnan(sd.derivative(text, "x", 2)(point)) or any(kink in text for kink in kinks)


def test_guards_reach_through_lists_and_sums():
    f = sd.function("f(x[3]) = where(x[0] > 0, sum(sqrt(x)), 0)")
    np.testing.assert_array_equal(sd.grad(f)([-1.0, 4.0, 0.0]), [0, 0, 0])
    np.testing.assert_array_equal(sd.grad(f)([1.0, 4.0, 16.0]), [0.5, 0.25, 0.125])
    g = sd.function("f(x[3]) = sum(where(x > 0, sqrt(x), 0))")
    np.testing.assert_array_equal(sd.grad(g)([-1.0, 4.0, 0.0]), [0, 0.25, 0])
    assert not np.isnan(sd.hessian(g)([-1.0, 4.0, 0.0])).any()
    assert not np.isnan(sd.hessian(f)([-1.0, 4.0, 0.0])).any()
    for mode in ("forward", "reverse"):
        h = sd.jacobian("f(x[2]) = [where(x[0] > 0, log(x[0]), x[1]), x[0]]", mode=mode)
        np.testing.assert_array_equal(h([-1.0, 2.0]), [[0, 1], [1, 0]])


def test_stop_gradient():
    assert sd.grad("x*stop_gradient(x)", "x")(3.0) == 3.0


def test_gradient_of_a_long_product_is_linear_in_size():
    n = 2000
    names = [f"x{k}" for k in range(n)]
    f = sd.function("*".join(names), names)
    before = len(f.graph.live(f.nodes))
    g = sd.grad(f)
    assert len(g.graph.live(g.nodes)) < 5 * before
    np.testing.assert_allclose(g(*np.full(n, 1.001)), 1.001 ** (n - 1), rtol=1e-10)


def test_repeated_squaring_stays_a_graph():
    x = sd.symbol("x")
    e = x + 0
    for _ in range(30):
        e = e * e * 0.5 + 0.3
    f = sd.function(e, [x])
    g = sd.grad(f)
    assert len(g.graph.live(g.nodes)) <= 5 * len(f.graph.live(f.nodes))
    assert g(0.0) == 0.0


def test_derivatives_of_conditions_are_refused():
    with pytest.raises(sd.DifferentiationError, match="condition"):
        sd.derivative("x > 0", "x")


def test_errors_in_derivatives_point_at_the_text():
    f = sd.function("f(x, y) = x + sin(x*y)")
    g = sd.grad(f, "x")
    place = g.graph.places[g.nodes[0]]
    assert place.derived
    assert place.source.text[place.start : place.end] in ("x*y", "sin(x*y)", "x + sin(x*y)")


def test_sweeps_from_one_element_of_a_matrix_see_nothing_of_others():
    """A second derivative that is NaN at a kink stays where it is."""
    f = sd.hessian("f(x, y, z) = min(z, max(z, y)) + exp(x)", ["x", "y", "z"])
    forward, reverse = (sd.jacobian(f, ["x", "y", "z"], mode=m)(0.5, -1.0, 1.3) for m in ("forward", "reverse"))
    assert np.isnan(forward).sum() == 1
    np.testing.assert_array_equal(reverse, forward)
