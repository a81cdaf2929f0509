"""Random graphs of arrays: their plans give what the interpreter gives, and keep the emitters' rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symdiff.errors import ShapeError
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, contraction, indexing, movement, reduction, scan
from symdiff.optimize import pipeline
from symdiff.optimize.planning import fusion
from symdiff.types import product
from tests.optimize.run_plan import run_plan

LARGEST = 2000
UNARY = ("sin", "neg", "square", "tanh", "exp", "abs", "sigmoid")
BINARY = ("add", "mul", "sub", "div", "max")
SIZES = st.sampled_from([0, 1, 2, 2, 3, 3, 4, 5, 17])


@pytest.fixture(autouse=True, scope="module")
def checked():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "VERIFY", True)
        patch.setattr(pipeline, "MOST_UNROLLED", -1)
        yield


def tamed(graph, node):
    """Numbers of moderate size, so that rounding errors stay small."""
    return graph.add("tanh", (node,))


def index_of(draw, size):
    step = draw(st.sampled_from([1, 1, 1, 2, -1, -2, 3]))
    if draw(st.booleans()) and size:
        return draw(st.integers(0, size - 1))
    ends = st.none() | st.integers(-size, size)
    return slice(draw(ends), draw(ends), step)


def grow(draw, graph, nodes):
    """One more node."""
    name = draw(st.sampled_from([
        "unary", "binary", "binary", "binary", "where", "index", "index", "scatter", "reshape", "transpose",
        "broadcast", "concatenate", "stack", "diagonal", "reduce", "reduce", "cumsum", "recurrence", "einsum",
        "einsum", "gather", "scatter_add", "iota",
    ]))  # fmt: skip
    x = nodes[draw(st.integers(0, len(nodes) - 1))]
    y = nodes[draw(st.integers(max(0, len(nodes) - 4), len(nodes) - 1))]
    shape = graph.shape(x)
    rank = len(shape)
    if name == "unary":
        return tamed(graph, graph.add(draw(st.sampled_from(UNARY)), (x,)))
    if name == "binary":
        return tamed(graph, graph.add(draw(st.sampled_from(BINARY)), (x, y)))
    if name == "where":
        return graph.add("where", (graph.add("less", (x, y)), x, y))
    if name == "iota":
        return tamed(graph, indexing.iota(graph, (*shape, 3), draw(st.integers(0, rank))))
    if name == "stack":
        return movement.stack(graph, [x, graph.add("neg", (x,))], draw(st.integers(0, rank)))
    if name == "broadcast":
        return movement.broadcast(graph, x, (draw(SIZES), *shape))
    if name == "reduce":
        op = draw(st.sampled_from(["sum", "sum", "prod", "amax", "amin", "norm"]))
        return tamed(graph, reduction.reduce_over(graph, OPS[op], x, [k for k in range(rank) if draw(st.booleans())]))
    if not rank:
        return x
    if name in ("index", "scatter"):
        index = tuple(index_of(draw, n) for n in shape[: draw(st.integers(1, rank))])
        part = movement.element(graph, x, index)
        return part if name == "index" else movement.scatter(graph, tamed(graph, part), index, shape)
    if name == "reshape":
        merged = draw(st.integers(0, rank - 1))
        if draw(st.booleans()) and shape[merged] % 2 == 0 and shape[merged]:
            return movement.reshape(graph, x, (*shape[:merged], 2, shape[merged] // 2, *shape[merged + 1 :]))
        pair = shape[merged : merged + 2]
        return movement.reshape(graph, x, (*shape[:merged], product(pair), *shape[merged + 2 :]))
    if name == "transpose":
        return movement.transpose(graph, x, draw(st.permutations(range(rank))))
    axis = draw(st.integers(0, rank - 1))
    if name == "concatenate":
        return movement.concatenate(graph, [x, y, x], axis)
    if name == "cumsum":
        return tamed(graph, scan.running_sum(graph, x, axis, draw(st.booleans())))
    if name == "recurrence":
        return tamed(graph, scan.recurrence(graph, x, graph.add("sin", (x,)), axis, draw(st.booleans())))
    if name == "diagonal":
        return indexing.main_diagonal(graph, x, 0, 1) if rank > 1 else x
    if name == "einsum":
        labels = list(range(rank)), [draw(st.integers(0, rank)) for _ in graph.shape(y)]
        there = sorted({*labels[0], *labels[1]})
        output = [k for k in draw(st.permutations(there)) if draw(st.booleans())]
        return tamed(graph, contraction.einsum(graph, (x, y), labels, output))
    count = shape[axis]
    if not count:
        return x
    index = indexing.integer_array(graph, draw(st.lists(st.integers(-count, count - 1), min_size=1, max_size=4)))
    found = indexing.gather(graph, x, index, axis)
    return found if name == "gather" else indexing.scatter_add(graph, found, index, axis, count)


@st.composite
def graphs(draw):
    graph = Graph()
    shapes = draw(st.lists(st.lists(SIZES, max_size=3).map(tuple), min_size=1, max_size=3))
    inputs = [graph.input(f"x{k}", shape) for k, shape in enumerate(shapes)]
    nodes = list(inputs)
    for _ in range(draw(st.integers(1, 14))):
        try:
            node = grow(draw, graph, nodes)
        except ShapeError:
            continue
        if product(graph.types[node].shape) <= LARGEST and len(graph.types[node].shape) <= 5:
            nodes.append(node)
    chosen = draw(st.lists(st.integers(0, len(nodes) - 1), min_size=0, max_size=3))
    return graph, inputs, [nodes[-1], *(nodes[k] for k in chosen)]


def check(graph, inputs, outputs, fp):
    operands = [(graph.types[n], (n,)) for n in inputs]
    program = pipeline.optimize(graph, operands, outputs, fp=fp)
    random = np.random.default_rng(len(graph))
    points = [random.uniform(-2, 2, graph.types[n].shape) for n in inputs]
    wanted = evaluate(graph, outputs, dict(zip(inputs, points, strict=True)))
    if not hasattr(program, "plan"):
        return
    for got, want in zip(run_plan(program, points), wanted, strict=True):
        assert got.shape == np.shape(want)
        np.testing.assert_allclose(got, want, rtol=1e-7, atol=1e-9)


@settings(max_examples=150)
@given(graphs(), st.sampled_from(["strict", "contract"]))
def test_plans_of_random_graphs(made, fp):
    check(*made, fp)


@settings(max_examples=50)
@given(graphs())
def test_small_groups(made):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fusion, "MOST_INSTRUCTIONS", 3)
        patch.setattr(fusion, "MOST_INSTRUCTIONS_OF_LOOPS", 3)
        patch.setattr(fusion, "MOST_RESULTS_OF_LOOPS", 1)
        patch.setattr(fusion, "MOST_CHOICES", 1)
        check(*made, "contract")
