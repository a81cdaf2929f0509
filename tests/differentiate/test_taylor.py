"""Truncated series: against mpmath, against repeated differentiation for every record, and at kinks."""

import itertools
import math
import pickle

import mpmath
import numpy as np
import pytest

import symdiff as sd
from symdiff.differentiate.forward import forward
from symdiff.differentiate.partials import has_partial
from symdiff.differentiate.taylor import taylor_coefficients
from symdiff.errors import DifferentiationError
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, indexing
from symdiff.ops.base import Unavailable
from tests.ops.tensor_cases import CASES, identify, operands_of

ORDERS = (6, 5, 3, 2, 1)
"""Some records end before: the first of these that they have."""
NESTS = {
    "sin(x*exp(x))*tanh(x)": 0.5,
    "exp(sin(x))": 0.7,
    "log(1 + tanh(x))**2.5": 0.9,
    "sin(exp(tanh(x)))": 0.3,
    "(1 + x)**x": 0.5,
    "x**2.5": 2.0,
    "exp(log(x)*sin(x))": 1.2,
    "tanh(sin(exp(log(1 + x**2))))": 0.4,
    "sin(tanh(x)**1.5)": 0.8,
    "tanh(x)**20 + x**20": 1.5,
    "sqrt(1 + x**2)/(2 + cos(x))": 0.3,
    "exp(-x**2)*atan(x)": 0.6,
}
FUNCTIONS = {n: getattr(mpmath, n) for n in ("sin", "cos", "exp", "log", "tanh", "sqrt", "atan")}


@pytest.mark.parametrize("text", NESTS)
def test_order_30_agrees_with_mpmath(text):
    f = sd.taylor(text, "x", 30)
    with mpmath.workdps(120):
        want = mpmath.taylor(lambda t: eval(text, dict(FUNCTIONS), {"x": t}), mpmath.mpf(NESTS[text]), 30)
    np.testing.assert_allclose(f(NESTS[text]), [float(w) for w in want], rtol=1e-11)


@pytest.mark.parametrize("text", NESTS)
def test_nodes_are_quadratic_in_the_order(text):
    def nodes(order):
        f = sd.taylor(text, "x", order)
        return len(f.graph.live(f.nodes))

    assert nodes(32) < 4.6 * nodes(16)


# Every record

SCALARS = [
    pytest.param(op, n, id=f"{op.name}{'' if n is None else n}")
    for op in OPS.values()
    if op.kinds and op.result == "f" and op.routine is not None
    for n in (op.samples[:1] or (None,))
    if any(has_partial(op, k) for k in range(len(op.kinds)))
]
POINTS = [0.37, 0.71, 2.3, 0.12, -0.21, -0.41, -1.6]


def points_of(op):
    columns = [[p for p in POINTS if low < p < high][:3] for low, high in op.domain] or [POINTS[:3]]
    columns = [columns[min(k, len(columns) - 1)] for k in range(len(op.kinds))]
    found = [tuple(x + 0.01 * k for k, x in enumerate(point)) for point in itertools.product(*columns)]
    return found[:6]


def repeated(graph, node, target, order):
    """The derivatives of orders 0 to `order` over factorials, by forward mode; None where they end."""
    found, value = [node], node
    for n in range(1, order + 1):
        (slope,) = forward(graph, [value], {target: graph.constant(1.0)})
        value = graph.constant(0.0) if slope is None else slope
        found.append(graph.add("div", (value, graph.constant(float(math.factorial(n))))))
    return found


@pytest.mark.parametrize(("op", "payload"), SCALARS)
def test_series_of_every_record_agree_with_repeated_differentiation(op, payload):
    """Along lines of all operands that have derivatives, with a curve in the first of them."""
    graph = Graph()
    t = graph.input("t")
    starts = [graph.input(n) for n in "abc"[: len(op.kinds)]]
    taken = [k for k in range(len(op.kinds)) if op.kinds[k] == "f" and has_partial(op, k)]
    taken = [k for k in taken if not isinstance(op.partials[min(k, len(op.partials) - 1)], Unavailable)]
    if not taken:
        pytest.skip("there is no derivative")
    args = []
    for k, start in enumerate(starts):
        if op.kinds[k] == "c":
            start = graph.add("greater", (start, graph.constant(0.5)))
        elif k in taken[: 1 if "betainc" in op.name or "gammainc" in op.name else None]:
            rate = graph.constant(0.5 - 0.2 * k)
            start = graph.add("add", (start, graph.add("mul", (rate, t))))
            if k == taken[0]:  # a curve
                start = graph.add("add", (start, graph.add("mul", (graph.constant(0.1), graph.add("square", (t,))))))
        args.append(start)
    node = graph.add(op, tuple(args), payload)
    for order in ORDERS:
        try:
            compared = compare(op, graph, node, t, starts, order)
            break
        except (sd.ArgumentError, DifferentiationError):
            assert order > 1, "not even a first derivative"
    assert compared >= 1


def compare(op, graph, node, t, starts, order):
    """At how many points the series agrees; how many derivatives there are is known when they are evaluated."""
    (series,) = taylor_coefficients(graph, [node], {t: graph.constant(1.0)}, order)
    want = repeated(graph, node, t, order)
    zero, compared = graph.constant(0.0), 0
    nodes = [zero if c is None else c for c in series]
    for point in points_of(op):
        values = {t: 0.0, **dict(zip(starts, point, strict=True))}
        got, wanted = evaluate(graph, nodes, values), evaluate(graph, want, values)
        scale = max([abs(w) for w in wanted if math.isfinite(w)], default=0.0)
        np.testing.assert_allclose(got, wanted, rtol=1e-7, atol=1e-9 * scale, err_msg=f"{op.name} at {point}")
        compared += math.isfinite(wanted[0])
    return compared


TENSORS = [c for c in CASES if OPS[c[0]].differential is not None]


@pytest.mark.parametrize("case", TENSORS, ids=identify)
def test_series_of_operations_on_arrays_agree_with_repeated_differentiation(case):
    """All operands move along curves."""
    name, shapes, payload = case
    arrays = operands_of(name, shapes)
    op, graph, random = OPS[name], Graph(), np.random.default_rng(3)
    t = graph.input("t")
    values, args = {t: 0.0}, []
    for k, array in enumerate(arrays):
        if array.dtype.kind == "i":
            args.append(indexing.integer_array(graph, array))
            continue
        node = graph.input("abcdef"[k], array.shape, "bool" if array.dtype == bool else None)
        values[node] = array
        if array.dtype != bool:
            for power in (t, graph.add("square", (t,))):
                rate = graph.constant(0.2 * random.normal(size=array.shape))
                node = graph.add("add", (node, graph.add("mul", (rate, power))))
        args.append(node)
    node = graph.add(op, tuple(args), payload)
    order = 2 if name in ("packed_svd", "pinv") else 3
    (series,) = taylor_coefficients(graph, [node], {t: graph.constant(1.0)}, order)
    want = repeated(graph, node, t, order)
    zero = graph.constant(0.0)
    for k, (got, wanted) in enumerate(zip(evaluate(graph, [zero if c is None else c for c in series], values),
                                          evaluate(graph, want, values), strict=True)):  # fmt: skip
        assert got is zero or np.shape(wanted) in ((), np.shape(got)) or series[k] is None
        np.testing.assert_allclose(*np.broadcast_arrays(got, wanted), rtol=1e-8, atol=1e-9, err_msg=f"order {k}")


# Kinks, branches and singular points: the conventions of every other derivative

POINTWISE = [
    ("abs(x)", 0.0), ("abs(x)*x", 0.0), ("abs(sin(x))", -2.0), ("max(x, 1 - x)", 0.5), ("max(x, 1 - x)**2", 0.3),
    ("relu(x)*x", 0.0), ("clip(x, -1, 1)*x**2", 1.0), ("where(x > 0, sqrt(x), 0)*x", -1.0),
    ("log(where(x > 0, x, 0))", -1.0), ("where(x > 1, log(where(x > 1, x - 1, 1)), x**3)", 0.5),
    ("where(x == 0, 1, sin(x)/x)", 0.0), ("x**2.5", 0.0), ("x**7.5", 0.0), ("(2*x - 1)**3.5", 0.5), ("sqrt(x)", 0.0),
    ("hypot(x, 0.0)", 0.0), ("x**3*where(x > 0, 1/x, 0)", 0.0), ("exp(where(x < 0, x, -x))", 0.0),
    ("sign(x)*x**2", -0.5), ("(x**2)**1.5", 0.3), ("1/x", -2.0), ("x**-3", -0.5), ("cbrt(x)", -0.7),
]  # fmt: skip


@pytest.mark.parametrize(("text", "point"), POINTWISE)
def test_conventions_at_kinks_and_branches(text, point):
    f = sd.function(text)
    graph, x = f.graph, f._name_table()["x"]
    (series,) = taylor_coefficients(graph, f.nodes, {x: graph.constant(1.0)}, 3)
    zero = graph.constant(0.0)
    got = evaluate(graph, [zero if c is None else c for c in series], {x: point})
    want = evaluate(graph, repeated(graph, f.nodes[0], x, 3), {x: point})
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-15)


# The transform


def test_a_direction_is_an_argument():
    f = sd.taylor("f(x, y, a) = a*exp(x*y)", ["x", "y"], 4)
    assert [a.name for a in f.arguments] == ["x", "y", "x_y_dot", "a"]
    x, y, u, v = 0.3, 0.7, 0.5, -1.1
    line = sd.taylor("a*exp((x + t*u)*(y + t*v))", "t", 4)
    np.testing.assert_allclose(f(x, y, [u, v], 2.0), line(a=2.0, t=0.0, u=u, v=v, x=x, y=y), rtol=1e-13)
    apart = sd.taylor("f(x[2], y) = sum(x)*y", ("x", "y"), 2)
    assert [a.name for a in apart.arguments] == ["x", "y", "x_dot", "y_dot"]
    assert apart([1.0, 2.0], 3.0, [1.0, 0.0], 2.0).tolist() == [9.0, 9.0, 2.0]


@pytest.mark.parametrize("order", [0, 1, 5])
def test_arrays_have_the_order_as_a_first_axis(order):
    f = sd.taylor(sd.function("sin(t*x)", {"x": 3, "t": ()}), "t", order)
    x = np.array([0.5, 1.0, 2.0])
    got = f(x, 0.4)
    assert got.shape == (order + 1, 3)
    for k in range(order + 1):
        np.testing.assert_allclose(got[k], x**k * np.sin(0.4 * x + k * np.pi / 2) / math.factorial(k), rtol=1e-13)
    assert f(x, np.linspace(0, 1, 5)).shape == (5, order + 1, 3)


def test_open_shapes_outputs_and_named_lines():
    f = sd.taylor("f(x[n], a) = a*sum(exp(x))", ("x",), 3)
    for n in (1, 2, 40):
        x, v = np.linspace(0, 1, n), np.linspace(1, 2, n)
        want = [2 * np.sum(np.exp(x) * v**k) / math.factorial(k) for k in range(4)]
        np.testing.assert_allclose(f(x, v, 2.0), want, rtol=1e-13)
    deferred = sd.taylor("a*sum(exp(x))", ("x",), 1)
    np.testing.assert_allclose(deferred(a=2.0, x=[0.0, 0.0], x_dot=[1.0, 3.0]), [4.0, 8.0])
    g = sd.taylor(sd.function(("x**2", "sin(x)")), "x", 2)
    first, second = g(0.5)
    assert first.tolist() == [0.25, 1.0, 1.0]
    assert second.shape == (3,)
    h = sd.taylor(sd.function("q = x*y\nf = q**2 + x", ["x", "y"]), "q", 3)
    assert h(2.0, 3.0).tolist() == [38.0, 12.0, 1.0, 0.0]
    assert sd.taylor("f(x[3]) = x[0]*x[1]**2", "x[1]", 2)([2.0, 3.0, 0.0]).tolist() == [18.0, 12.0, 2.0]


def test_series_are_functions_again():
    f = sd.taylor("f(x, a) = exp(a*x)", "x", 3)
    slope = sd.jacobian(f, "a")(0.5, 2.0)
    e = math.exp(1.0)
    np.testing.assert_allclose(slope, [0.5 * e, e * 2.0, e * 3.0, e * (4 / 2 + 2 / 3)], rtol=1e-13)
    again = sd.taylor(f, "a", 1)(0.5, 2.0)
    np.testing.assert_allclose(again[1], slope, rtol=1e-13)
    copy = pickle.loads(pickle.dumps(f))
    assert copy(0.5, 2.0).tolist() == f(0.5, 2.0).tolist()
    opened = pickle.loads(pickle.dumps(sd.taylor("f(x[n]) = sum(x**3)", ("x",), 3)))
    assert opened([1.0, 2.0], [1.0, 0.0]).tolist() == [9.0, 3.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: sd.taylor("x", "x", -1), sd.ArgumentError, "the order is -1"),
        (lambda: sd.taylor("x", "x", 65), sd.ArgumentError, "0 to 64"),
        (lambda: sd.taylor("f(x[3]) = sum(x)", "x", 2), sd.ArgumentError, "x_dot"),
        (lambda: sd.taylor("x > 0", "x", 2), DifferentiationError, "condition"),
        (lambda: sd.taylor("x", "y", 2), sd.UnknownNameError, "y is neither"),
    ],
)
def test_refusals(make, error, match):
    with pytest.raises(error, match=match):
        make()


# The n-th derivative: the cheaper way


def test_derivative_of_order_30():
    d = sd.derivative("sin(x*exp(x))*tanh(x)", "x", 30)
    assert "series" in d.explain()
    assert len(d.graph.live(d.nodes)) < 5000
    with mpmath.workdps(80):
        want = mpmath.diff(lambda t: mpmath.sin(t * mpmath.exp(t)) * mpmath.tanh(t), mpmath.mpf("0.5"), 30)
    assert d(0.5) == pytest.approx(float(want), rel=1e-11)


@pytest.mark.parametrize(("text", "n", "way"), [("x**3*y + sin(x*y)", 5, "repetition"), ("exp(2*x)", 6, "repetition"),
                                                ("tanh(x)**3", 8, "series")])  # fmt: skip
def test_derivative_takes_the_cheaper_way(text, n, way):
    d = sd.derivative(sd.function(text, ["x", "y"]), "x", n)
    assert f"derivative: {way}" in d.explain()
    with mpmath.workdps(60):
        want = mpmath.diff(lambda t: eval(text, dict(FUNCTIONS), {"x": t, "y": mpmath.mpf("0.7")}), 0.4, n)
    assert d(0.4, 0.7) == pytest.approx(float(want), rel=1e-11)


def test_derivative_by_an_element():
    assert sd.derivative("f(x[3]) = x[0]**4*x[1]", "x[0]", 2)([2.0, 3.0, 5.0]) == 144.0
