"""Operators with derivatives of high order, collapsed, against repeated differentiation."""

import pickle
import re

import numpy as np
import pytest

import symdiff as sd
from symdiff.differentiate import chain
from symdiff.differentiate.collapsed_orders import collapsed_nested, collapsed_series
from symdiff.differentiate.operators import tangents
from symdiff.interpret import evaluate
from symdiff.ir.verify import verify
from tests.differentiate.test_modes import formula
from tests.differentiate.test_taylor import POINTWISE

OPERATORS = [
    {"xxx": 1.0},
    {"xxy": 2.0},
    {"xxx": 1.0, "xyy": -0.5, "y": 3.0},
    {"xxxx": 1.0, "xxyy": 2.0, "yyyy": 1.0, "": 0.5},
    {"xxxy": 1.5, "yyyy": -1.0, "xx": 2.0, "xy": -1.0},
    {"xxxxx": 1.0, "xxyyy": 0.25, "xxx": 1.0},
    {"xxxx": 1.0, "yyy": -2.0, "x": 0.5, "yy": 1.0},
    {"x": 1.0, "yy": 2.0},
]
"""By what derivatives are: their coefficients."""

FUNCTIONS = [
    "u(x, y) = x**4*y**2 + x**3*y**3",
    "u(x, y) = exp(sin(x*y))*tanh(x + y)",
    "u(x, y) = log(1 + x**2)/(2 + y**2) + (x + 2*y)**7",
    "u(x, y) = atan(x/y)*sqrt(x**2 + y**2) + erf(x - y)",
    "u(x, y) = where(x > y, x**3*y, sin(x)*y**2)*max(x, y)**2",
    "u(x, y) = hypot(x, y)**3 + x**y",
    "u(x, y) = sum(sin([x, y, x*y])*[x, 1, y])",
    "u(x, y) = tanh([[0.3, -0.8, 0.2], [1.1, 0.4, -0.5]] @ tanh([x*y, x, y] + 1))",
    "u(x, y) = inv([[2 + x, y], [x*y, 3]])[0, 1]",
    "u(x, y) = cumsum([x, x*y, y**2])**3",
]


def ways(f, operator):
    """The nodes of an operator applied to the outputs by the collapsed ways, and by repeated differentiation."""
    graph, table = f.graph, f._name_table()
    zero, one = graph.constant(0.0), graph.constant(1.0)
    nested = {tuple(sorted(table[v] for v in by)): graph.constant(c) for by, c in operator.items()}
    found = [collapsed_nested(graph, f.nodes, nested)]
    if all(len(set(by)) == 1 for by in operator):
        series = {(table[by[0]], len(by)): graph.constant(c) for by, c in operator.items()}
        found.append(collapsed_series(graph, f.nodes, series))
    want = []
    for node in f.nodes:
        parts = []
        for by, c in operator.items():
            slope = [node]
            for v in by:
                slope = tangents(graph, slope, {table[v]: one})
            parts.append(chain.multiply(graph, graph.constant(c), slope[0]))
        want.append(chain.total(graph, parts))
    return [[zero if n is None else n for n in nodes] for nodes in found], want


def compare(f, operator, points, rtol, atol):
    found, want = ways(f, operator)
    verify(f.graph)
    table = f._name_table()
    for point in points:
        known = {table[name]: x for name, x in point.items()}
        expected = evaluate(f.graph, want, known)
        for nodes in found:
            for a, b in zip(evaluate(f.graph, nodes, known), expected, strict=True):
                scale = np.max(np.abs(np.where(np.isfinite(b), b, 0)), initial=1)
                np.testing.assert_allclose(np.broadcast_to(a, np.shape(b)), b, rtol=rtol, atol=atol * scale)


@pytest.mark.parametrize("operator", OPERATORS, ids=str)
@pytest.mark.parametrize("text", FUNCTIONS)
def test_operators(text, operator):
    compare(sd.function(text), operator, [{"x": 0.7, "y": 0.4}, {"x": 0.3, "y": 1.2}], 1e-8, 1e-9)


@pytest.mark.parametrize(("text", "point"), POINTWISE)
def test_conventions_at_kinks_and_branches(text, point):
    f = sd.function(f"v = {text}\nv*y", ["x", "y"])
    for operator in ({"xxy": 1.0, "xxx": 1.0}, {"xxx": 1.0, "y": 2.0}, {"xxxx": 1.0}):
        compare(f, operator, [{"x": point, "y": 1.5}], 1e-10, 1e-12)


@pytest.mark.parametrize("seed", range(15))
def test_random_formulas_with_branches(seed):
    f = sd.function(formula(seed, 8), ["x", "y", "z"])
    points = [dict(zip("xyz", p, strict=True)) for p in ((0.3, -0.7, 1.1), (0.0, 0.0, 0.0), (-2.0, 0.5, 0.5))]
    for operator in (OPERATORS[2], OPERATORS[6]):
        compare(f, operator, points, 1e-8, 1e-9)


def test_other_derivatives_are_not_looked_at():
    """The third derivative by x is infinite at 0, the mixed ones are not."""
    f = sd.function("u(x, y) = x**2.5*y**2")
    compare(f, {"xyy": 1.0, "xxy": 2.0}, [{"x": 0.0, "y": 1.0}], 0, 0)
    assert sd.operator(f, "dxxy")(0.0, 1.0) == 0.0


NETWORK = "u(x, y, W[20, 2], V[20, 20], w[20]) = w @ tanh(V @ tanh(W @ [x, y]))"


@pytest.mark.parametrize(
    ("operator", "way", "products"),
    [
        ("dxxxx + 2*dxxyy + dyyyy", "nested derivatives, collapsed", 10),  # x xx xxx y yy yyy xy xxy xyy, and the sum
        ("dy + 2*dx + dxxx", "nested derivatives, collapsed", 3),  # x xx, and the sum
        ("dxxxxxx + dyyyyyy", "series, collapsed", 11),
    ],
)
def test_layers_are_multiplied_once_for_the_sum(operator, way, products):
    made = sd.operator(NETWORK, operator)
    counts = {n: int(c.replace(",", "")) for n, c in re.findall(r"  (\w.*\w) +(?:about )?([\d,]+)\n", made.explain())}
    assert next(iter(counts)) == way
    assert counts[way] < 0.95 * counts["one term after the other"]
    assert made.stats()["operations"] == counts[way]
    graph, matrix = made.graph, made._name_table()["V"]
    layers = sum(matrix in graph.args[n] for n in graph.live(made.nodes))
    assert layers == 1 + products


def test_results_of_networks():
    random = np.random.default_rng(0)
    point = [0.3, -0.4, *(random.normal(size=s) / 3 for s in ((20, 2), (20, 20), (20,)))]
    f = sd.function(NETWORK)

    def slope(by):
        g = f
        for name in by:
            g = sd.derivative(g, name)
        return g(*point)

    made = sd.operator(f, "dxxxx + 2*dxxyy + dyyyy - x*dxy + dy")
    want = slope("xxxx") + 2 * slope("xxyy") + slope("yyyy") - 0.3 * slope("xy") + slope("y")
    assert made(*point) == pytest.approx(want, rel=1e-11)
    assert made(np.linspace(-1, 1, 7), *point[1:]).shape == (7,)
    array = sd.operator("u(x, y) = sin([x*y, x**5, y])*[y, 1, x]", "dxxxx + dxxy")
    assert array(0.5, 0.7).shape == (3,)


def test_a_wave_solves_its_equation():
    """That of Korteweg and de Vries: u_t + 6*u*u_x + u_xxx = 0."""
    text = "u(x, t) = 2/cosh(x - 4*t)**2"
    linear, u, slope = sd.operator(text, "dt + dxxx"), sd.function(text), sd.derivative(text, "x")
    for x, t in ((0.3, 0.1), (-1.2, 0.5)):
        assert linear(x, t) == pytest.approx(-6 * u(x, t) * slope(x, t), rel=1e-12)


def test_saved_and_differentiated_again():
    f = sd.operator(NETWORK, "dxxx + dxyy")
    random = np.random.default_rng(0)
    point = [0.3, -0.4, *(random.normal(size=s) / 3 for s in ((20, 2), (20, 20), (20,)))]
    assert pickle.loads(pickle.dumps(f))(*point) == f(*point)
    step = 1e-5
    ahead, back = (f(0.3 + s, *point[1:]) for s in (step, -step))
    assert sd.derivative(f, "x")(*point) == pytest.approx((ahead - back) / (2 * step), rel=1e-6)
    assert sd.grad(f, "w")(*point).shape == (20,)
