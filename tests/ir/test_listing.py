"""The listing shows every part of a node, renumbered from %0."""

import math

import numpy as np
import pytest

from symdiff.ir.graph import Graph
from symdiff.ir.listing import listing


def test_lines_types_and_names():
    graph = Graph()
    graph.constant(7.0)  # dead
    x, w = graph.input("x"), graph.input("W", (2, 3))
    half = graph.constant(0.5)
    product = graph.add("mul", (x, half))
    test = graph.add("less", (product, x))
    part = graph.add("index", (w,), (0, (0, None, 2)))
    placed = graph.add("scatter", (product,), ((1,), (2,)))
    line = graph.named("q", product)
    power = graph.add("integer_power", (line,), 3)
    total = graph.add("sum", (w,), (0,))
    assert listing(graph, {"y": power, "t": test, "p": part, "s": placed, "all": total}) == (
        "%0 = input x : float64\n"
        "%1 = input W : float64[2, 3]\n"
        "%2 = constant 0.5\n"
        "%3 = mul %0, %2\n"
        "%4 = less %3, %0 : bool\n"
        "%5 = index %1, [0, 0::2] : float64[2]\n"
        "%6 = scatter %3, [1] of (2,) : float64[2]\n"
        "%7 = named %3, q\n"
        "%8 = integer_power %7, 3\n"
        "%9 = sum %1, (0,) : float64[3]\n"
        "return y=%8, t=%4, p=%5, s=%6, all=%9\n"
    )
    assert listing(graph, [x, x]) == "%0 = input x : float64\nreturn %0, %0\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0, "-0.0"), (math.nan, "nan"), (math.inf, "inf"), (0.1, "0.1"), (True, "True : bool"),
     (np.array([1.5, -0.0]), "[1.5, -0.0] : float64[2]"),
     (np.arange(10.0), "[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, …] : float64[10]")],
)  # fmt: skip
def test_constants(value, text):
    graph = Graph()
    assert listing(graph, [graph.constant(value)]).splitlines()[0] == f"%0 = constant {text}"
