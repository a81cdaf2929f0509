"""The reference evaluator against mpmath, and its shapes and types."""

import math
import warnings

import mpmath
import numpy as np
import pytest

from symdiff.errors import ArgumentError
from symdiff.frontend.bodies import from_text
from symdiff.interpret import compute, evaluate, evaluate_all
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, movement
from symdiff.ops.base import Library
from tests.ops.oracle import SLOW

MPMATH = {n: getattr(mpmath, n) for n in dir(mpmath) if not n.startswith("_")}
# those that mpmath is slow with are in the table of operations only, on a grid
CASES = [(op.name, n) for op in OPS.values() if op.exact and op.name not in SLOW for n in (op.samples or (None,))]


def points(op, count=60):
    """Random points in the interior of the domain, small and large ones."""
    random = np.random.default_rng(len(op.name))
    axes = []
    for low, high in (op.domain * len(op.kinds))[: len(op.kinds)]:
        size = 10.0 ** random.uniform(-4, 1.2, count)
        if math.isinf(low) and math.isinf(high):
            axis = size * random.choice([-1, 1], count)
        elif math.isinf(high):
            axis = low + size
        elif math.isinf(low):
            axis = high - size
        else:
            axis = random.uniform(low, high, count)
        axes.append(axis)
    return axes


@pytest.mark.parametrize(("name", "payload"), CASES)
def test_records_mean_what_mpmath_says(name, payload):
    op = OPS[name]
    axes = points(op)
    if name == "clip":
        axes[1], axes[2] = -np.abs(axes[1]), np.abs(axes[2])
    if name == "fma" or name == "pow":
        axes = [a[:40] for a in axes]
    got = compute(op, payload, axes)
    with mpmath.workdps(60):
        for k, operands in enumerate(zip(*axes, strict=True)):
            given = {n: mpmath.mpf(float(v)) for n, v in zip("abc", operands, strict=False)} | {"n": payload}
            exact = eval(op.exact, MPMATH, given)
            if op.result == "c":
                assert bool(got[k]) == bool(exact)
                continue
            exact = mpmath.mpf(exact)
            assert abs(mpmath.mpf(float(got[k])) - exact) <= 2e-13 * abs(exact) + 1e-300, (operands, got[k], exact)


@pytest.mark.parametrize("name", [op.name for op in OPS.values() if isinstance(op.routine, Library)])
def test_scalars_and_arrays_give_the_same_bits(name):
    op = OPS[name]
    axes = points(op)
    whole = compute(op, None, axes)
    for k, operands in enumerate(zip(*axes, strict=True)):
        assert compute(op, None, operands) == whole[k]
        assert type(compute(op, None, operands)) is np.float64


@pytest.mark.parametrize(
    ("text", "x", "expected"),
    [("1/x", 0.0, math.inf), ("1/x", -0.0, -math.inf), ("sqrt(x)", -1.0, math.nan), ("log(x)", 0.0, -math.inf),
     ("x**0.5", -0.0, -0.0), ("max(x, 0)", math.nan, math.nan), ("min(x, 1)", math.nan, math.nan),
     ("sign(x)", math.nan, math.nan), ("x % 3", -1.0, 2.0), ("x // 3", -1.0, -1.0), ("where(x > 0, x, 1/x)", 2.0, 2.0),
     ("exp(x)", 1000.0, math.inf), ("sinc(x)", 0.0, 1.0), ("softplus(x)", 800.0, 800.0), ("x*0", math.inf, math.nan),
     ("round(x)", 2.5, 2.0), ("digamma(x)", 0.0, -math.inf), ("sigmoid(x)", -800.0, 0.0)],
)  # fmt: skip
def test_edges_without_warnings(text, x, expected):
    body = from_text(text, ("x",))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (got,) = evaluate(body.graph, [body.root], {body.leaves["x"]: x})
    assert np.array_equal(got, expected, equal_nan=True)
    assert math.copysign(1, got) == math.copysign(1, expected) or got != got


def test_tensors_and_all_values():
    graph = Graph()
    w, x = graph.input("W", (2, 2)), graph.input("x", (2,))
    product = graph.add("mul", (w, x))
    rows = graph.add("sum", (product,), (1,))
    smallest = graph.add(
        "min_of", (movement.element(graph, rows, (0,)), movement.element(graph, rows, (1,)), graph.constant(9.0))
    )
    found = evaluate_all(graph, [smallest], {w: [[1, 2], [3, 4]], x: [5, 6]})
    assert found[rows].tolist() == [17, 39]
    assert found[smallest] == 9
    assert evaluate(graph, [smallest], {rows: [3, 4]}) == [3.0]  # cut at a node


def test_expansions_have_the_shape_of_all_operands():
    graph = Graph()
    x = graph.input("x", (2, 3))
    node = graph.add("kinked", (graph.constant(0.5), x, graph.constant(2.0)))  # which means its first operand
    assert evaluate(graph, [node], {x: np.zeros((2, 3))})[0].tolist() == [[0.5] * 3] * 2
    assert evaluate(graph, [movement.reshape(graph, node, (6,))], {x: np.zeros((2, 3))})[0].tolist() == [0.5] * 6


def test_single_precision_rounds_library_functions_once():
    graph = Graph("float32")
    x = graph.input("x")
    third = graph.add("div", (x, graph.constant(3.0)))
    root = graph.add("sigmoid", (graph.add("sin", (third,)),))
    got = evaluate_all(graph, [root], {x: 1.0})
    assert got[third] == np.float32(1) / np.float32(3)
    assert got[third].dtype == got[root].dtype == np.float32
    assert got[graph.args[root][0]] == np.float32(math.sin(float(got[third])))


def test_missing_value():
    graph = Graph()
    with pytest.raises(ArgumentError, match="no value is given for the input x"):
        evaluate(graph, [graph.input("x")], {})
