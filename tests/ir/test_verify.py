"""Planted faults are found, and the message shows where."""

import numpy as np
import pytest

from symdiff.errors import VerifyError
from symdiff.ir.graph import Graph
from symdiff.ir.verify import verify
from symdiff.ops import OPS
from symdiff.ops.base import Op
from symdiff.types import tensor


@pytest.fixture
def graph():
    made = Graph()
    x, y = made.input("x"), made.input("y")
    total = made.add("add", (x, y))  # %2
    half = made.constant(0.5)  # %3
    test = made.add("less", (total, half))  # %4
    made.add("where", (test, x, total))  # %5
    made.add("integer_power", (x,), 3)  # %6
    made.constant(np.arange(3.0))  # %7
    made.constant(True)  # %8
    return made


def test_good_graphs_pass(graph):
    verify(graph)
    verify(graph, [5, 7])


def args(graph, node, value):
    graph.args[node] = value


def writable(graph):
    graph.payloads[7] = graph.payloads[7].copy()


FAULTS = {
    "operand after its user": (lambda g: args(g, 2, (0, 4)), "%2 uses %4, which does not come before it"),
    "operand is the node": (lambda g: args(g, 2, (0, 2)), "%2 uses %2"),
    "negative operand": (lambda g: args(g, 2, (0, -1)), "%2 uses %-1"),
    "too few operands": (lambda g: args(g, 2, (0,)), "add takes 2 operands, not 1"),
    "number for a condition": (lambda g: args(g, 5, (0, 0, 2)), "a condition here, not a number"),
    "condition for a number": (lambda g: args(g, 5, (4, 4, 2)), "a number here, not a condition"),
    "wrong type": (lambda g: g.types.__setitem__(2, tensor("float32")), "has the type float32"),
    "wrong shape": (lambda g: g.types.__setitem__(2, tensor("float64", (3,))), r"has the type float64\[3\]"),
    "missing payload": (lambda g: g.payloads.__setitem__(6, None), "integer_power lacks its payload"),
    "extra payload": (lambda g: g.payloads.__setitem__(2, 7), "add carries a payload"),
    "not interned": (lambda g: (args(g, 6, (0, 1)), g.ops.__setitem__(6, OPS["add"]), g.payloads.__setitem__(6, None)),
                     "%6 is equal to %2"),
    "constant of another type": (lambda g: g.payloads.__setitem__(3, 1), "the constant 1 does not fit"),
    "truth value as number": (lambda g: g.payloads.__setitem__(8, 1.0), "does not fit the type bool"),
    "writable array": (writable, "does not fit the type float64"),
    "foreign operation": (lambda g: g.ops.__setitem__(2, Op("add", "ff")), "not an operation of the table"),
    "lists of different length": (lambda g: g.types.pop(), "differ in length"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_found(graph, name):
    plant, message = FAULTS[name]
    plant(graph)
    with pytest.raises(VerifyError, match=message):
        verify(graph)


def test_shows_the_lines_around(graph):
    args(graph, 5, (4, 0, 3, 2))
    with pytest.raises(VerifyError) as caught:
        verify(graph, [5])
    assert "→ %5 = where %4, %0, %3, %2" in str(caught.value)
    assert "  %2 = add %0, %1" in str(caught.value)


def test_unknown_root(graph):
    with pytest.raises(VerifyError, match="there is no node %99"):
        verify(graph, [99])
