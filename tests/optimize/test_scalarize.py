"""Taken apart, a tensor operation gives the bits of the interpreter."""

import numpy as np
import pytest

from symdiff.errors import LimitError
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ir.verify import verify
from symdiff.ops import OPS, indexing, matrices, movement
from symdiff.ops.base import MatrixRoutine
from symdiff.ops.small_matrices import MOST_ROWS
from symdiff.optimize.rewrite import Rewriter
from symdiff.optimize.scalarize import Scalarizer, unrolls
from tests.ops.tensor_cases import CASES, identify, operands_of

CUT = [c for c in CASES if not isinstance(OPS[c[0]].routine, MatrixRoutine) and c[0] != "as_index"]


def taken_apart(graph, node, arrays, inputs):
    rewriter = Rewriter(graph.dtype)
    maker = Scalarizer(rewriter)
    operands = {n: maker.input(k, 0, graph.types[n]) for k, n in enumerate(inputs)}
    (roots,) = maker.run(graph, [node], operands)
    values = {}
    for n, op in enumerate(rewriter.graph.ops):
        assert not rewriter.graph.types[n].shape
        if op.name == "input":
            operand, element = rewriter.graph.payloads[n]
            values[n] = arrays[operand].ravel()[element]
    verify(rewriter.graph)
    return np.array(evaluate(rewriter.graph, roots, values))


@pytest.mark.parametrize("case", CUT, ids=identify)
def test_elements_are_the_interpreters(case):
    name, shapes, payload = case
    graph, inputs, arrays, args = Graph(), [], [], []
    for k, array in enumerate(operands_of(name, shapes)):
        if array.dtype.kind == "i":
            args.append(indexing.integer_array(graph, array))
            continue
        args.append(graph.input("abc"[k], array.shape, "bool" if array.dtype == bool else None))
        inputs.append(args[-1])
        arrays.append(array)
    node = graph.add(name, tuple(args), payload)
    assert unrolls(graph, graph.live([node]))
    if any(a.size > 1000 for a in arrays):
        return
    want = evaluate(graph, [node], dict(zip(inputs, arrays, strict=True)))[0]
    got = taken_apart(graph, node, arrays, inputs)
    assert got.tolist() == np.ravel(want).tolist()


def test_what_is_not_taken_apart():
    graph = Graph()
    a, x = graph.input("a", (MOST_ROWS + 1, MOST_ROWS + 1)), graph.input("x", (2,))
    for node in (matrices.inv(graph, a), indexing.gather(graph, a, indexing.as_index(graph, x), 0)):
        assert not unrolls(graph, graph.live([node]))
        with pytest.raises(LimitError):
            taken_apart(graph, node, [], [a, x])
    small = matrices.inv(graph, graph.input("b", (4, 4)))
    assert unrolls(graph, graph.live([indexing.gather(graph, a, indexing.integer_array(graph, [1]), 0), small]))
    assert not unrolls(graph, graph.live([small]), strict=True)


def test_zeros_that_only_fill_places_are_left_out():
    graph = Graph()
    x = graph.input("x", (3,))
    node = graph.add("add", (movement.shifted(graph, x, 0, 1), x))
    rewriter = Rewriter(graph.dtype)
    maker = Scalarizer(rewriter)
    maker.run(graph, [node], {x: maker.input(0, 0, graph.types[x])})
    assert [op.name for op in rewriter.graph.ops].count("add") == 2
