"""The Python source runs and gives the interpreter's values."""

import warnings

import numpy as np
import pytest

from symdiff.display.code import python_source
from symdiff.frontend.parser import parse
from symdiff.frontend.symbols import symbol
from symdiff.functions.define import Namespace
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, movement
from symdiff.signature import Argument, pack


def run(source, name, *values):
    scope = {}
    exec(source, scope)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return scope[name](*values)


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.kinds], ids=lambda op: op.name)
@pytest.mark.parametrize("point", [(0.5, 0.25, 0.75), (-1.5, 2.0, 0.0), (3.0, -2.0, 5.0), (0.0, 0.0, 0.0)])
def test_every_operation(op, point):
    graph = Graph()
    inputs = [graph.input(n) for n in "xyz"]
    args = [graph.add("less", (inputs[0], inputs[1])) if k == "c" else inputs[i] for i, k in enumerate(op.kinds)]
    node = graph.add(op, tuple(args), op.samples[0] if op.payload else None)
    expected = evaluate(graph, [node], dict(zip(inputs, point, strict=True)))[0]
    value = run(python_source(graph, "f", [Argument(n) for n in "xyz"], node), "f", *point)
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("f([a, b], x) = a*exp(b*x) + max(a, b, x)", ([1.0, 2.0], 0.5)),
        ("f(W[2, 2], x[2]) = sum(W[0, :]*x) + W[1, 1] + x[-1]", ([[1.0, 2.0], [3.0, 4.0]], [5.0, 6.0])),
        ("f(lambda, np, special) = lambda/np + erf(special)", (1.0, 2.0, 3.0)),
        ("q = f + 1\nf(f, v1) = [q*f, -v1, 2**3]", (1.0, 2.0)),
        ("f(x) = 1/0 + (-2)**3*x", (1.0,)),
    ],
)
def test_functions(text, values):
    parsed = parse(text)
    graph = parsed.graph
    given = {}
    for argument, value in zip(parsed.arguments, values, strict=True):
        if argument.members is None:
            given[graph.input(argument.name, argument.shape)] = np.asarray(value)
        else:
            given |= {graph.input(m): v for m, v in zip(argument.members, value, strict=True)}
    expected = evaluate(graph, [parsed.output], given)[0]
    source = python_source(graph, "f", parsed.arguments, parsed.output)
    np.testing.assert_allclose(run(source, source.split("def ")[-1].split("(")[0], *values), expected, rtol=1e-14)


def test_movements_and_several_outputs():
    graph = Graph()
    x = graph.input("x", (3,))
    moved = graph.add("scatter", (movement.element(graph, x, (slice(0, 2),)),), (((1, 3, 1),), (3,)))
    wide = movement.broadcast(graph, movement.reshape(graph, x, (3, 1)), (3, 2))
    source = python_source(graph, "f", [Argument("x", (3,))], {"moved": moved, "wide": wide})
    one, two = run(source, "f", [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(one, [0, 1, 2])
    np.testing.assert_array_equal(two, [[1, 1], [2, 2], [3, 3]])


ARRAYS = [
    "W @ x + u", "K @ x", "K.mT", "K.T", "diagonal(W)", "concatenate([x, u])", "take(W, [0, 2], axis=1)", "x[round(u)]",
    "arange(3)*x", "eye(3)", "prod(W, axis=0)", "max(W, axis=1) + min(W)", "norm(W, axis=1)", "any(W > 0, axis=0)",
    "all(W > -9)",
    "cumsum(W, axis=1)", "cumprod(x)", "cumprod(W, axis=1)", "recurrence(x, x, reverse=True)", "solve(W @ W.T, u)",
    "inv(W @ W.T)",
    "logdet(W @ W.T)", "cholesky(W @ W.T)", "solve_triangular(W @ W.T, u, lower=True)",
    "scatter_add(W, [1, 1, 0], 4, axis=1)",
    'scatter(x, "1:4", 6)', 'scatter(u, "1, ::2", (2, 3))', "softmax(W, axis=1)", "x[:, None] - x",
    "broadcast_to(x, (2, 3))",
    "sum(K, axis=(0, 2))", "det(eye(4)*s)",
]  # fmt: skip


@pytest.mark.parametrize("text", ARRAYS)
def test_arrays(text):
    rng = np.random.default_rng(1)
    values = {"x": rng.normal(size=3), "u": np.array([1.0, 0.0]), "W": rng.normal(size=(2, 3)), "s": np.float64(0.9),
              "K": rng.normal(size=(2, 3, 3))}  # fmt: skip
    arguments = [Argument(k, v.shape) for k, v in values.items()]
    parsed = parse(text, arguments=arguments)
    given = {parsed.names[k]: v for k, v in values.items()}
    expected = evaluate(parsed.graph, [parsed.output], given)[0]
    value = run(python_source(parsed.graph, "f", arguments, parsed.output), "f", *values.values())
    np.testing.assert_allclose(value, expected, rtol=1e-12, atol=1e-14)


def test_functions_with_derivatives_of_their_own():
    space = Namespace()
    space.define("straight_through(x) = x - sum(x)", backward="g", check=False)
    parsed = parse("straight_through(x)*2", arguments=[Argument("x", (3,))], definitions=space.known)
    value = run(python_source(parsed.graph, "f", [Argument("x", (3,))], parsed.output), "f", [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(value, [-10, -8, -6])


def test_deep_chains():
    e = symbol("x")
    for _ in range(20_000):
        e = e + 1
    assert run(python_source(e.graph, "f", None, e.node), "f", 0.5) == 20_000.5


def test_batches_of_scalars():
    parsed = parse("f([a, b], x) = a*x + b")
    source = python_source(parsed.graph, "f", parsed.arguments, parsed.output)
    assert parsed.arguments[0] == pack(("a", "b"))
    np.testing.assert_array_equal(run(source, "f", [[1, 2], [3, 4]], [5, 6]), [7, 22])
