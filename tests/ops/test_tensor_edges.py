"""Tensor operations where something is special: zeros, ties, NaN, singular matrices, the order of sums, guards."""

import functools
import itertools
import math

import numpy as np
import pytest

import symdiff as sd
from symdiff.differentiate.reverse import reverse
from symdiff.errors import IndexRangeError, ShapeError
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, contraction, core, indexing, matrices, movement, reduction, scan
from symdiff.ops.structure import lane_sum
from symdiff.types import tensor

NAN, INF = math.nan, math.inf


def gradient(build, *arrays):
    """Value and gradients of a scalar that `build` makes of inputs."""
    graph = Graph()
    nodes = [graph.input("abc"[k], np.shape(a)) for k, a in enumerate(arrays)]
    value = build(graph, *nodes)
    found = reverse(graph, value, graph.constant(1.0), nodes)
    given = dict(zip(nodes, map(np.asarray, arrays), strict=True))
    return evaluate(graph, [value, *found], given)


def reducing(name):
    return lambda graph, x: reduction.reduce_over(graph, OPS[name], x)


@pytest.mark.parametrize(
    ("name", "x", "value", "slope"),
    [
        ("prod", [0.0, 2.0, 3.0], 0.0, [6.0, 0.0, 0.0]),
        ("prod", [0.0, 0.0, 3.0], 0.0, [0.0, 0.0, 0.0]),
        ("prod", [0.0, INF, 3.0], NAN, [INF, 0.0, NAN]),
        ("norm", [0.0, 0.0], 0.0, [0.0, 0.0]),
        ("norm", [3.0, -4.0], 5.0, [0.6, -0.8]),
        ("amax", [1.0, 2.0, 2.0, 2.0], 2.0, [0.0, 1 / 3, 1 / 3, 1 / 3]),
        ("amin", [1.0, 2.0, 1.0], 1.0, [0.5, 0.0, 0.5]),
        ("amax", [1.0, NAN, 2.0], NAN, [NAN, NAN, NAN]),
        ("amin", [NAN, 1.0], NAN, [NAN, NAN]),
        ("amax", [-INF, -INF], -INF, [0.5, 0.5]),
        ("amax", [0.0, -0.0], 0.0, [0.5, 0.5]),
        ("sum", [INF, 1.0], INF, [1.0, 1.0]),
    ],
)
def test_edges_of_reductions(name, x, value, slope):
    got = gradient(reducing(name), x)
    np.testing.assert_allclose(got[0], value, rtol=1e-15)
    np.testing.assert_allclose(got[1], slope, rtol=1e-15)


@pytest.mark.parametrize("name", ["amax", "amin"])
def test_the_extremum_of_nothing_is_refused(name):
    graph = Graph()
    with pytest.raises(ShapeError, match=rf"{name[1:]}: the shape \(2, 0\) has no elements along \(1,\)"):
        reduction.reduce_over(graph, OPS[name], graph.input("x", (2, 0)), 1)
    assert graph.types[reduction.reduce_over(graph, OPS[name], graph.input("x", (2, 0)), 0)].shape == (0,)


def test_a_sum_has_one_order():
    x = np.random.default_rng(0).normal(size=(3, 45)) * 10.0 ** np.arange(45)

    def by_hand(row):
        lanes = [float(v) for v in row[:8]]
        for k, v in enumerate(row[8:], 8):
            lanes[k % 8] += float(v)
        lanes = [lanes[k] + lanes[k + 4] for k in range(4)]
        return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])

    for count in (16, 17, 24, 45):
        want = [by_hand(row[:count]) for row in x]
        assert lane_sum(x[:, :count], (1,)).tolist() == want
        assert lane_sum(np.asfortranarray(x[:, :count]), (1,)).tolist() == want
        assert lane_sum(x[:, :count].T, (0,)).tolist() == want
        assert lane_sum(x[:, :count].astype(object), (1,)).tolist() == want
    assert lane_sum(x[:, :15], (1,)).tolist() == [functools.reduce(lambda a, b: a + b, row[:15]) for row in x]
    assert math.copysign(1, lane_sum(np.array([-0.0, -0.0]), (0,))) == -1
    spread = np.broadcast_to(np.float64(0.1), (45,))
    assert lane_sum(spread, (0,)) == by_hand(spread)
    both = np.arange(60.0).reshape(3, 4, 5) ** 0.5
    assert lane_sum(both, (0, 2))[1] == lane_sum(both[:, 1].ravel(), (0,))


def cascade(row):
    """A sum as native code makes it: elements one after the other, carries from level to level."""
    levels = [[None] * 8 for _ in range(6)]
    for k, v in enumerate(row):
        levels[0][k % 8] = v if levels[0][k % 8] is None else levels[0][k % 8] + v
        size = 512
        for lower, upper in itertools.pairwise(levels):
            if (k + 1) % size:
                break
            upper[:] = [b if a is None else a + b for a, b in zip(upper, lower, strict=True)]
            lower[:], size = [None] * 8, 16 * size
    lanes = [functools.reduce(lambda a, b: b + a, [own[k] for own in levels if own[k] is not None]) for k in range(8)]
    lanes = [lanes[k] + lanes[k + 4] for k in range(4)]
    return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])


@pytest.mark.parametrize("count", [16, 511, 512, 513, 1024, 8191, 8192, 8197, 9000, 131072 + 8192 + 515])
def test_long_sums_are_cascades(count):
    x = np.random.default_rng(count).normal(size=count)
    want = cascade(x)
    assert lane_sum(x, (0,)) == want
    assert lane_sum(np.stack([x, -x]), (1,)).tolist() == [want, -want]
    assert lane_sum(np.stack([x, -x], 1), (0,)).tolist() == [want, -want]
    if count < 10_000:
        assert lane_sum(x.astype(object), (0,)) == want


WIDE = {  # in more digits
    "sum(x{})": np.sum,
    "sum(x**2{})": lambda x, axis: np.sum(x * x, axis),
    "sum(exp(-x){})": lambda x, axis: np.sum(np.exp(-x), axis),
    "var(x{})": np.var,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("text", WIDE)
def test_errors_of_sums_grow_with_the_logarithm(text, axis, dtype):
    rest = "" if axis is None else f", axis={axis}"
    f = sd.function(text.format(rest), ["x"], shapes={"x": ("m", "n")}, dtype=dtype)
    rng = np.random.default_rng(1)
    for count in (1_000, 100_000):
        shape = (3, count) if axis == 1 else (count, 3)
        for x in (np.full(shape, 0.1, dtype), rng.uniform(size=shape).astype(dtype)):
            if "var" in text and x[0, 0] == x[-1, -1]:
                continue  # a variance of equal numbers has no digits
            want = WIDE[text](x.astype(np.longdouble), axis)
            error = np.abs(np.asarray(f(x)) / want - 1).max() / np.finfo(dtype).eps
            assert error < 2 * math.log2(count)


def test_products_keep_the_order_of_sums():
    x = np.random.default_rng(1).normal(size=40)
    graph = Graph()
    node = graph.input("x", (40,))
    lanes = [functools.reduce(lambda a, b: a * b, x[k::8]) for k in range(8)]
    lanes = [lanes[k] * lanes[k + 4] for k in range(4)]
    want = (lanes[0] * lanes[2]) * (lanes[1] * lanes[3])
    assert evaluate(graph, [reduction.reduce_over(graph, core.PROD, node)], {node: x}) == [want]


SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


@pytest.mark.parametrize(
    ("name", "matrix", "value"),
    [
        ("inv", SINGULAR, np.full((2, 2), NAN)),
        ("logdet", SINGULAR, -INF),
        ("det", np.zeros((5, 5)), 0.0),
        ("cholesky", -np.eye(2), np.full((2, 2), NAN)),
        ("det", np.zeros((0, 0)), 1.0),
        ("logdet", np.zeros((0, 0)), 0.0),
    ],
)
def test_singular_matrices(name, matrix, value):
    graph = Graph()
    a = graph.input("a", matrix.shape)
    pair = graph.input("p", (2, *matrix.shape))
    good = np.eye(len(matrix)) * 2.0
    both = np.stack([matrix, good])
    make = getattr(matrices, name)
    alone, stacked = evaluate(graph, [make(graph, a), make(graph, pair)], {a: matrix, pair: both})
    np.testing.assert_array_equal(alone, value)
    np.testing.assert_array_equal(stacked[0], value)
    assert np.isfinite(stacked[1]).all()


def test_singular_systems():
    graph = Graph()
    a, b = graph.input("a", (2, 2)), graph.input("b", (2, 1))
    nodes = [
        matrices.solve(graph, a, b),
        matrices.solve_triangular(graph, a, b, lower=True),
        matrices.solve_triangular(graph, a, b, lower=False),
    ]
    found = evaluate(graph, nodes, {a: np.array([[0.0, 2.0], [0.0, 4.0]]), b: np.ones((2, 1))})
    assert all(np.isnan(f).all() for f in found)


def test_small_determinants_have_derivatives_at_singular_matrices():
    value, slope = gradient(lambda graph, a: matrices.det(graph, a), SINGULAR)
    assert value == 0
    assert slope.tolist() == [[4.0, -2.0], [-2.0, 1.0]]
    value, slope = gradient(lambda graph, a: matrices.det(graph, a), np.diag([0.0, 2.0, 3.0]))
    assert value == 0
    assert slope.tolist() == np.diag([6.0, 0.0, 0.0]).tolist()
    value, slope = gradient(lambda graph, a: matrices.det(graph, a), np.arange(16.0).reshape(4, 4))
    assert value == 0
    assert slope.tolist() == np.zeros((4, 4)).tolist()
    value, slope = gradient(lambda graph, a: matrices.det(graph, a), np.diag([2.0, 0.0, 3.0, 4.0]))
    assert value == 0
    assert slope.tolist() == np.diag([0.0, 24.0, 0.0, 0.0]).tolist()


@pytest.mark.parametrize("index", [[3], [-4], [0, 7]])
def test_indices_out_of_range(index):
    graph = Graph()
    x, i = graph.input("x", (3,)), graph.input("i", (len(index),))
    with pytest.raises(ShapeError, match=r"index -?\d is out of range for an axis of size 3"):
        indexing.gather(graph, x, indexing.integer_array(graph, index))
    for node in (
        indexing.gather(graph, x, indexing.as_index(graph, i)),
        indexing.scatter_add(graph, i, indexing.as_index(graph, i), 0, 3),
    ):
        with pytest.raises(IndexRangeError, match=r"index -?\d is out of range for (an axis|axis 0 of x)"):
            evaluate(graph, [node], {x: np.zeros(3), i: np.array(index, float)})


# What does not fit, and what the message says of it: the operation and both shapes.
MISFITS = [
    (
        lambda g: contraction.matmul(g, g.input("a", (3, 4)), g.input("b", (5,))),
        r"matmul: shapes \(3, 4\) and \(5,\): 4 and 5 differ",
    ),
    (
        lambda g: contraction.matmul(g, g.input("a", (2, 3, 4)), g.input("b", (3, 4, 2))),
        r"matmul: shapes .* do not broadcast",
    ),
    (
        lambda g: contraction.matmul(g, g.input("a"), g.input("b", (5,))),
        r"matmul: shapes \(\) and \(5,\): @ takes vectors",
    ),
    (
        lambda g: contraction.einsum(g, (g.input("a", (3,)), g.input("b", (4,))), ((0,), (0,)), ()),
        r"einsum: shapes \(3,\) and \(4,\): 3 and 4",
    ),
    (
        lambda g: contraction.einsum(g, (g.input("a", (3,)),), ((0, 1),), ()),
        r"einsum: 2 labels for an operand of shape \(3,\)",
    ),
    (lambda g: contraction.einsum(g, (g.input("a", (3,)),), ((0,),), (1,)), r"einsum: the labels \(1,\) of the result"),
    (lambda g: reduction.sum_over(g, g.input("a", (3, 4)), 2), r"sum: the shape \(3, 4\) has no axis 2"),
    (lambda g: reduction.sum_over(g, g.input("a", (3, 4)), (0, -2)), r"sum: an axis stands twice"),
    (lambda g: reduction.reduce_over(g, core.AMAX, g.input("a", (3,)), -2), r"max: the shape \(3,\) has no axis -2"),
    (
        lambda g: movement.concatenate(g, [g.input("a", (3, 4)), g.input("b", (2, 5))], 0),
        r"concatenate: shapes \(3, 4\) and \(2, 5\)",
    ),
    (lambda g: movement.concatenate(g, [], 0), "nothing to join"),
    (
        lambda g: movement.stack(g, [g.input("a", (3,)), g.input("b", (4,))], 1),
        r"stack: shapes \(3,\) and \(4,\) differ",
    ),
    (lambda g: movement.transpose(g, g.input("a", (3, 4)), (0, 0)), r"transpose: \(0, 0\) is no order of the axes"),
    (lambda g: movement.reshape(g, g.input("a", (3, 4)), (5, 2)), r"cannot reshape \(3, 4\) to \(5, 2\)"),
    (lambda g: scan.running_sum(g, g.input("a", (3,)), 1), r"cumsum: the shape \(3,\) has no axis 1"),
    (
        lambda g: scan.recurrence(g, g.input("a", (3,)), g.input("b", (4,)), 0),
        r"recurrence: shapes \(3,\) and \(4,\) differ",
    ),
    (
        lambda g: matrices.solve(g, g.input("a", (3, 4)), g.input("b", (3,))),
        r"solve takes a square matrix, not the shape \(3, 4\)",
    ),
    (
        lambda g: matrices.solve(g, g.input("a", (3, 3)), g.input("b", (4,))),
        r"shapes \(3, 3\) and \(4,\) do not fit: 3 rows",
    ),
    (
        lambda g: matrices.solve(g, g.input("a", (2, 3, 3)), g.input("b", (3, 3, 1))),
        r"solve: shapes .* do not broadcast",
    ),
    (lambda g: matrices.inv(g, g.input("a", (3,))), r"inv takes a square matrix, not the shape \(3,\)"),
    (lambda g: indexing.gather(g, g.input("a", (3,)), g.input("i", (2,)), 0), "gather takes indices"),
    (
        lambda g: g.add("add", (g.input("a", (3,)), indexing.integer_array(g, [1, 2, 3]))),
        "add takes numbers, not indices",
    ),
    (lambda g: indexing.integer_array(g, [0.5]), "an index must be an integer"),
    (lambda g: movement.element(g, g.input("a", (3,)), (3,)), "index 3 is out of range for an axis of size 3"),
    (lambda g: indexing.main_diagonal(g, g.input("a", (3,))), r"diagonal: the shape \(3,\) has fewer than two axes"),
    (lambda g: g.add("all", (g.input("a", (3,)),), (0,)), "all takes a condition, not a number"),
]


@pytest.mark.parametrize(("build", "message"), MISFITS)
def test_what_does_not_fit(build, message):
    with pytest.raises(ShapeError, match=message):
        build(Graph())


def test_costs():
    kinds = lambda *shapes: [tensor("float64", s) for s in shapes]  # noqa: E731
    product = OPS["einsum"].flops(kinds((2, 3), (3, 4)), tensor("float64", (2, 4)), (((0, 1), (1, 2)), (0, 2)))
    assert product == {"mul": 24, "add": 16}
    assert OPS["sum"].flops(kinds((5, 4)), tensor("float64", (4,)), (0,)) == {"add": 16}
    assert OPS["inv"].flops(kinds((2, 3, 3)), tensor("float64", (2, 3, 3)), None) == {"add": 54, "mul": 54}
