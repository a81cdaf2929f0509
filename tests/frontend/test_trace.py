"""Python functions become graphs."""

import functools
import math

import numpy as np
import pytest

import symdiff as sd
from symdiff.display.text import program
from symdiff.errors import ArgumentError, CallError, NeedsShape, Open, ShapeError
from symdiff.frontend.functions import function_named
from symdiff.frontend.symbols import named, symbol
from symdiff.frontend.trace import trace
from symdiff.signature import Argument, pack

sin = function_named("sin")


def shown(fun, arguments=None):
    graph, outputs, given = trace(fun, arguments)
    return program(graph, "f", given, outputs)


def loop(x, n=3):
    for k in range(n):
        x = x * x + k
    return x


CASES = [
    (lambda x, y: x * y + sin(x), None, "f(x, y) = x*y + sin(x)"),
    (lambda x: 2, None, "f(x) = 2"),
    (lambda x: [x, 1], None, "f(x) = [x, 1]"),
    (lambda x: [[x, 1], [2, x]], None, "f(x) = [[x, 1],\n        [2, x]]"),
    (lambda x: np.array([x, x + 1]), None, "f(x) = [x, x + 1]"),
    (lambda x: np.arange(3), None, "f(x) = [0, 1, 2]"),
    (lambda x: (x, [x, 2]), None, "# f(x) -> f_0, f_1\nf_0 = x\nf_1 = [x, 2]"),
    (lambda x: {"a": x, "b": x + 1}, None, "# f(x) -> a, b\na = x\nb = x + 1"),
    (lambda p, x: p[0] * x + p[1], [pack(("m", "c"), "p"), Argument("x")], "f([m, c], x) = m*x + c"),
    (lambda p: sum(a * p[1:][0] for a in p[:2]), [pack(("a", "b", "c"))], "f([a, b, c]) = a*b + b**2"),
    (lambda v: np.sum(v * v), [Argument("v", (3,))], "f(v[3]) = sum(v**2)"),
    (lambda *parts: parts[0] + parts[1], [Argument("x"), Argument("y")], "f(x, y) = x + y"),
    (lambda x, **options: x + len(options), None, "f(x) = x"),
    (functools.partial(lambda a, x: a * x, 2.0), None, "f(x) = 2*x"),
    (loop, None, "f(x) = (x**4 + 1)**2 + 2"),
    (lambda x: named("q", x + 1) * 2, None, "q = x + 1\nf(x) = 2*q"),
    (lambda lambda_: lambda_ + 1, None, "f(lambda_) = lambda_ + 1"),
    (lambda p: 1.0, [pack(())], "f([]) = 1"),
    (math.floor, [Argument("x")], "f(x) = floor(x)"),
]


@pytest.mark.parametrize(("fun", "arguments", "text"), CASES, ids=[t.splitlines()[-1] for _, _, t in CASES])
def test_traces(fun, arguments, text):
    assert shown(fun, arguments) == text


def test_it_is_called_once():
    calls = []
    trace(lambda x: calls.append(x) or x)
    assert len(calls) == 1


z = symbol("z")


@pytest.mark.parametrize(
    ("fun", "kind", "message"),
    [
        (lambda x: None, CallError, "returned None"),
        (lambda x: "text", CallError, "type str"),
        (lambda x: {x}, CallError, "type set"),
        (lambda x: 1j, CallError, "complex"),
        (lambda x: [x, "a"], CallError, "type str"),
        (lambda x: [x, [1, 2]], ShapeError, "differ"),
        (lambda *args: 1, CallError, r"\*args"),
        (lambda x, *, k: x, CallError, "keyword"),
        (lambda x: x * z, ArgumentError, "uses z"),
        (lambda x: math.exp(x), CallError, r"sd\.sin"),
        (lambda x: x if x > 0 else -x, CallError, r"sd\.where"),
        (lambda x: {(1, 2): x}, CallError, "texts or integers"),
        (lambda x: {}, CallError, "empty"),
        (dict, CallError, "."),
    ],
)
def test_refusals(fun, kind, message):
    with pytest.raises(kind, match=message):
        trace(fun)


@pytest.mark.parametrize(("fun", "names"), [
    (lambda x, y: x * y + 1, None), (lambda x, y: x.sum() * y, ("x",)), (lambda x, y: x * np.ones(2) + y, ("x",)),
    (lambda x, y: x + np.array([y, 1.0]), ("y",)), (lambda x, y: x.weights, ("x",)), (lambda x, y: x["w"], ("x",)),
    (lambda x, y: (x * y).shape, ("x", "y")), (lambda x, y: dict(**x), ("x",)),
    (lambda x, y: [[x, 1.0], np.ones(2)], None),
    (lambda x, y: x if hasattr(x, "weights") else y, None), (lambda x, y: [x, np.ones(2)], ("x",)),
])  # fmt: skip
def test_what_is_open_is_a_value(fun, names):
    found = trace(fun, numbers=())
    assert (found.names if isinstance(found, Open) else None) == names
    if names is not None:
        assert isinstance(found.error(), NeedsShape)


def test_long_loops():
    def fun(x):
        for _ in range(100_000):
            x = x * 0.5 + 1.0
        return x

    graph, output, _ = trace(fun)
    assert len(graph.live([output])) == 200_003


def test_a_traced_graph_is_the_functions_unless_much_of_it_is_not_needed():
    def lean(x):
        return x[0] * x[1] + x[2]

    def wasteful(x):
        for k in range(50):
            x[0] * float(k)
        return lean(x)

    one, other = sd.function(lean, {"x": 3}), sd.function(wasteful, {"x": 3})
    assert str(one).split("=")[1] == str(other).split("=")[1]
    assert len(other.graph) == len(one.graph) == len(one.graph.live(one.nodes))
    f = sd.function(lambda x: one(x) * one(x[::-1]), {"x": 3})
    assert f([1.0, 2.0, 3.0]) == 5.0 * 7.0
    assert len(f.graph.live(f.nodes)) <= len(f.graph) <= 1.25 * len(f.graph.live(f.nodes))
    assert len(one.graph) == len(one.graph.live(one.nodes))  # nobody wrote in that of another function
