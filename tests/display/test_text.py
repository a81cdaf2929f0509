"""The text of a graph parses again to the same function; as it stands, it does so to the bit."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.display.text import expression, program
from symdiff.frontend.expr import Expr
from symdiff.frontend.functions import function_named
from symdiff.frontend.parser import parse
from symdiff.frontend.symbols import named, symbol, symbols
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, movement
from symdiff.signature import Argument, pack
from symdiff.types import BOOL, Dim

NORMAL = [
    "x + y - 2", "x - (y - 2)", "x - (y + 2)", "x*y/z", "x/(y*z)", "x*(y/z)", "-x**2", "(-x)**2", "x**(-2)", "x**y**z",
    "(x**y)**z", "x**2**y", "(x**2)**2", "-(-x)", "x*(-y)", "-x*y", "-(x*y)", "x - 1.5", "x*(-1.5)", "x**(-1.5)",
    "1/x", "2/x", "1/(1/x)", "x % y", "x // y % z", "x*(y % z)", "sin(x)**2", "hypot(x, y)", "max(x, y, z)",
    "where(x < y, x, -y)", "(x < y) == (y < z)", "x < y and y < z or x > 3", "x < y and (y < z or x > 3)",
    "not x < y", "x < y and not y < z", "logical_xor(x < y, y < z)", "[x, [y, z][0], 1]", "pi*x", "-pi", "inf", "-inf",
    "nan", "1e+300*x", "x + 5e-324", "0.1*x", "-0*x", "polygamma(2, x)", "xlogy(x, y)", "clip(x, 0, 1)",
    "where(x > 0, sqrt(x), 0) + heaviside(x, 0.5)", "True", "sinc_derivative(1, x)", "mod(x, y)" , "x**17", "2**x",
]  # fmt: skip
WRITTEN_OTHERWISE = {
    "-(x*y)": "-x*y",
    "mod(x, y)": "x % y",
    "[x, [y, z][0], 1]": "[x, y, 1]",
    "(x < y) == (y < z)": None,
}
POINTS = [(0.5, 2.0, -1.5), (-1.25, 0.75, 3.0), (0.0, -0.0, 1.0), (7.0, 2.0, 0.3)]


def same(graph, node, text, points=POINTS, names=("x", "y", "z")):
    """Whether a text means the function of a node, bit for bit."""
    parsed = parse(text, arguments=[Argument(n) for n in names])
    for point in points:
        values = []
        for g, root in ((graph, node), (parsed.graph, parsed.output)):
            inputs = {g.input(n): v for n, v in zip(names, point, strict=True)}
            values.append(np.asarray(evaluate(g, [root], inputs)[0]))
        np.testing.assert_array_equal(*values, err_msg=f"{text} at {point}")
        np.testing.assert_array_equal(*[np.signbit(v) & ~np.isnan(v) for v in values if v.dtype != bool] or (0, 0))
    return True


@pytest.mark.parametrize("text", NORMAL)
def test_normal_form(text):
    parsed = parse(text)
    shown = expression(parsed.graph, parsed.output, simplify=False)
    wanted = WRITTEN_OTHERWISE.get(text, text)
    if wanted is not None:
        assert shown == wanted
    assert same(parsed.graph, parsed.output, shown)


ELEMENTWISE = [op.name for op in OPS.values() if op.kinds and op.name not in ("fma", "polygamma", "integer_power")]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_graphs_parse_again(data):
    graph = Graph()
    numbers = [graph.input(n) for n in "xyz"]
    numbers += [graph.constant(v) for v in data.draw(st.lists(st.floats(width=64), max_size=4))]
    conditions = [graph.constant(True)]
    for _ in range(data.draw(st.integers(1, 25))):
        op = OPS[data.draw(st.sampled_from(ELEMENTWISE))]
        args = [data.draw(st.sampled_from(conditions if kind == "c" else numbers)) for kind in op.kinds]
        payload = data.draw(st.integers(1, 3)) if op.payload else None
        node = graph.apply(op, args, payload)
        if data.draw(st.integers(0, 9)) == 0:
            node = graph.named(f"line{node}", node)
        (conditions if graph.types[node].dtype == BOOL else numbers).append(node)
    assert same(graph, node, expression(graph, node, simplify=False))
    assert same(graph, node, program(graph, "f", [Argument(n) for n in "xyz"], node, full=True, simplify=False))


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.kinds], ids=lambda op: op.name)
def test_every_operation_parses_again(op):
    graph = Graph()
    x, y, z = (graph.input(n) for n in "xyz")
    payload = op.samples[0] if op.payload else None
    args = [graph.add("less", (x, y)) if k == "c" else (x, y, z)[i] for i, k in enumerate(op.kinds)]
    node = graph.add(op, tuple(args), payload)
    assert same(graph, node, expression(graph, node, simplify=False))


def test_shared_parts_get_lines_and_stay_small():
    e = x = symbol("x")
    for _ in range(60):
        e = e * e
    started = time.process_time()
    text = str(e)
    assert time.process_time() - started < 0.5
    assert len(text) < 2000
    assert same(e.graph, e.node, text, points=[(1.0, 0, 0), (0.5, 0, 0)])
    shared = function_named("sin")(x) + 1
    product = shared * shared
    assert expression(product.graph, product.node, simplify=False) == "(sin(x) + 1)*(sin(x) + 1)"
    assert str(product) == "(sin(x) + 1)**2"


@pytest.mark.parametrize("step", [lambda e, y: e + y, lambda e, y: y - e, lambda e, y: -e, lambda e, y: y**e])
def test_deep_chains_are_linear(step):
    graph = Graph()
    e, y = Expr(graph, graph.input("x")), Expr(graph, graph.input("y"))
    for _ in range(100_000):
        e = step(e, y)
    for simplify in (False, True):
        started = time.process_time()
        text = expression(graph, e.node, simplify=simplify)
        assert time.process_time() - started < 5
        assert simplify or "y" in text or "-(-" in text


def test_programs():
    x, y = symbols("x y")
    q = named("q", x + y)
    g = q.graph
    arguments = [Argument("x"), pack(("y", "b")), Argument("W", (2, Dim("n")))]
    assert program(g, "f", arguments, (q * q).node) == "q = x + y\nf(x, [y, b], W[2, n]) = q**2"
    assert program(g, "q", arguments[:2], q.node) == "q(x, [y, b]) = x + y"
    assert program(g, "f", arguments[:2], q.node) == "q = x + y\nf(x, [y, b]) = q"
    assert program(g, "f", None, q.node) == "q = x + y"
    assert program(g, "f", None, {"a": q.node, "c": (q * q).node}) == "q = x + y\na = q\nc = q**2"
    assert program(g, "f", [Argument("x"), Argument("y")], (x.node, (x + 1).node)).splitlines() == [
        "# f(x, y) -> f_0, f_1", "f_0 = x", "f_1 = x + 1",
    ]  # fmt: skip
    for text in ("q = x + y\nf(x, [y, b]) = q**2", "f(x, y) = x"):
        parsed = parse(text)
        assert program(parsed.graph, "f", parsed.arguments, parsed.output) == text


def test_long_programs_are_cut():
    e = symbol("x")
    for k in range(100):
        e = named(f"a{k}", function_named("sin")(e) * e)
    lines = program(e.graph, "f", [Argument("x")], e.node).splitlines()
    assert len(lines) == 41
    assert lines[-1] == "… 61 more lines"
    full = program(e.graph, "f", [Argument("x")], e.node, full=True)
    assert len(full.splitlines()) == 101
    assert same(e.graph, e.node, full, points=[(0.5,)], names="x")


@pytest.mark.parametrize(("name", "value"), [("pi", math.pi), ("inf", math.inf), ("nan", math.nan), ("inf", -math.inf)])
def test_names_that_are_constants_elsewhere(name, value):
    e = symbol(name) * 0 + value
    text = program(e.graph, "f", [Argument(name)], e.node)
    assert same(e.graph, e.node, text, points=[(2.0,)], names=(name,))


def test_two_lines_of_one_name():
    x = symbol("x")
    a, b = named("q", x + 1), named("q", x * 2)
    assert str(a * b) == "q = x + 1\nq_2 = 2*x\nq*q_2"
    assert str(named("x", x + 1) * x) == "x_2 = x + 1\nx*x_2"
    t = symbol("t1")
    for _ in range(12):
        t = t * t + 1
    assert "\nt1 = " not in "\n" + str(t)


def test_movements():
    graph = Graph()
    x, w = graph.input("x"), graph.input("w", (2, 2))
    three = movement.broadcast(graph, x, (3,))
    assert expression(graph, three) == "full(3, x)"
    assert expression(graph, movement.broadcast(graph, graph.constant(1.0), (2, 3))) == "ones((2, 3))"
    row = graph.constant(np.array([1.0, 2.0, 3.0]))
    assert expression(graph, graph.add("mul", (three, row))) == "x*[1, 2, 3]"
    assert expression(graph, graph.add("scatter", (x,), ((1,), (3,)))) == 'scatter(x, "1", 3)'
    assert expression(graph, movement.reshape(graph, w, (4,))) == "ravel(w)"
    assert expression(graph, movement.element(graph, w, (slice(None), 1))) == "w[:, 1]"
    assert expression(graph, movement.element(graph, w, (slice(None, None, -1),))) == "w[::-1]"
    ones = movement.broadcast(graph, movement.reshape(graph, x, (1, 1)), (2, 2))
    assert expression(graph, graph.add("mul", (ones, w))) == "x*w"
    assert expression(graph, movement.reshape(graph, row, (3, 1))) == "[1, 2, 3][:, None]"
    assert expression(graph, graph.add("sum", (w,), (0, 1))) == "sum(w)"
    assert expression(graph, graph.add("sum", (w,), (1,))) == "sum(w, axis=1)"
    assert expression(graph, graph.add("unit", (x, x))) == "where(hypot(x, x) == 0, 0, x/hypot(x, x))"


ARRAYS = [
    "W @ x", "W.T @ u", "x @ x", "W @ W.T", "-W @ x", "2*(W @ x)", "(W + 1) @ x", "W @ (x + 1)", "W @ x @ W",
    "K @ x", "K @ K.mT", "outer(x, u)", 'einsum("ijk,k->ji", K, x)', 'einsum("ijk,ljk->il", K, K)', "diagonal(W)",
    "diagonal(K, axis1=0, axis2=2)", "transpose(K, (1, 0, 2))", "K.T", "K.mT", "concatenate([x, u])",
    "concatenate([W, W], axis=1)", "take(x, [0, 2], axis=0)", "take(W, round(u), axis=1)", "arange(3)*x", "eye(3)",
    "sum(W)",
    "sum(K, axis=(0, 2))", "prod(W, axis=0)", "max(W)", "min(W, axis=1)", "norm(x)", "norm(W, axis=0)", "any(W > 0)",
    "all(W > 0, axis=0)", "cumsum(x)", "cumsum(W, axis=1)", "cumprod(x)", "recurrence(x, x)", "solve(W @ W.T, u)",
    "inv(W @ W.T)", "det(eye(5)*s)", "logdet(W @ W.T)", "cholesky(W @ W.T)", "solve_triangular(W @ W.T, u, lower=True)",
    "broadcast_to(x, (2, 3))", "full((2, 2), s)", "zeros((2, 3))", "reshape(W, (3, 2))", "x[:, None]", "x[None]",
    "ravel(W)",
    "x[:, None, None]", 'scatter(x, "1:4", 6)', 'scatter(u, "1, ::2", (2, 3))', "scatter_add(u, [2, 0], 4)",
    "softmax(W, axis=1)",
    "logsumexp(x)", "W[0, ::-1]", "where(x > 0, x, 0)", "x[:, None] - x", "tril(W @ W.T)", "linspace(0, s, 5)",
    "roll(x, 1)",
    "[[1, 2], [3, 4]] @ u", "[x, 2*x]", "[W[0, 0], s]", "x - mean(x)", "log(1 + exp(-x*(W.T @ u)))",
    "stop_gradient(x)", "checkpoint(sin(x))", "checkpoint(sin(x), x)", "std(x)",
    "flip(W)", "reshape(x[:1], ())", "u[round(s)]", "x[[0, 2]]", "tile(x, 2)", "zeros((0, 3))", "W[:, [0, 1]][0]",
    "max(s, x[0], 1)",
]  # fmt: skip
AS_WRITTEN = [t for t in ARRAYS[:33] if "eye" not in t] + [
    "max(W)",
    "min(W, axis=1)",
    "norm(x)",
    "zeros((2, 3))",
    "x[:, None]",
]


@pytest.mark.parametrize("text", ARRAYS)
def test_arrays_parse_again(text):
    rng = np.random.default_rng(1)
    values = {"x": rng.normal(size=3), "u": rng.normal(size=2), "W": rng.normal(size=(2, 3)), "s": np.float64(0.9),
              "K": rng.normal(size=(2, 3, 3))}  # fmt: skip
    shapes = {k: v.shape for k, v in values.items()}
    results = []
    shown = text
    for _ in range(2):
        parsed = parse(shown, shapes=shapes)
        given = {parsed.names[k]: v for k, v in values.items() if k in parsed.names}
        results.append(evaluate(parsed.graph, [parsed.output], given)[0])
        shown = expression(parsed.graph, parsed.output, simplify=False)
    np.testing.assert_array_equal(*results, err_msg=shown)
    if text in AS_WRITTEN:
        assert shown == text


@pytest.mark.parametrize(
    "array", [np.array([1.5, -2.0, np.inf]), np.array([[1.0], [-0.0]]), np.array([True, False]), np.zeros((0, 2))]
)
def test_arrays(array):
    graph = Graph()
    node = graph.constant(array)
    parsed = parse(expression(graph, node))
    value = evaluate(parsed.graph, [parsed.output], {})[0]
    np.testing.assert_array_equal(np.asarray(value), array)


def test_elements_of_what_is_hidden_are_printed():
    made = sd.hessian("f(x[3], W[2]) = sum(where(x > 0.5, x[0]*W[1], 0))")
    assert "[:, 0]" in str(made)
