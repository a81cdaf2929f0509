"""The table of a circuit at a point."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import ArgumentError, UnknownNameError

F = sd.function("f(x1, x2) = log(x1) + x1*x2 - sin(x2)")

FORWARD = """\
name  expression  value      tangent
----  ----------  ---------  -------
x1                2          1
x2                5          0
t1    log(x1)     0.693147   0.5
t2    x1*x2       10         5
t3    t1 + t2     10.6931    5.5
t4    sin(x2)     -0.958924  0
f     t3 - t4     11.6521    5.5"""


def test_the_table_of_forward_mode_as_in_the_lectures():
    assert str(F.steps(2, 5, seed={"x1": 1})) == FORWARD


def test_the_table_of_reverse_mode():
    steps = F.steps(2, 5)
    assert [(row.name, row.gradient) for row in steps if row.name in ("x1", "x2", "t2", "f")] == [
        ("x1", 5.5),
        ("x2", pytest.approx(2 - np.cos(5), rel=1e-15)),
        ("t2", 1.0),
        ("f", 1.0),
    ]


def test_tangents_of_arrays_and_of_several_outputs():
    g = sd.function("q = W @ x\nf = q*2", {"W": (2, 2), "x": (2,)})
    steps = g.steps([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0], seed={"x": [1.0, 0.0]})
    assert steps["f"].tangent.tolist() == [2.0, 6.0]
    assert steps["q"].gradient is None
    assert g.steps([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0], seed={"x": 1.0})["q"].tangent.tolist() == [3.0, 7.0]


def test_a_named_line_as_seed_is_held_for_itself():
    f = sd.function("q = x + y\nf = q*z", ["x", "y", "z"])
    steps = f.steps(-2, 5, -4, seed={"q": 1.0})
    assert [(r.name, r.tangent) for r in steps] == [("x", 0.0), ("y", 0.0), ("z", 0.0), ("q", 1.0), ("f", -4.0)]


def test_a_table_of_lines_that_name_inputs_keeps_these():
    f = sd.function("a = x\nf = a*x", ["x"])
    assert [(r.name, r.expression, r.gradient) for r in f.steps(3.0)] == [
        ("x", "", 6.0),
        ("a", "x", 3.0),
        ("f", "a*x", 1.0),
    ]


def test_in_notebooks_it_is_a_table_of_html():
    text = F.steps(2, 5)._repr_html_()
    assert text.count("<tr>") == 8
    assert '<td class="expression">log(x1)</td><td class="value">0.693147</td>' in text
    less = sd.function("f(x, y) = where(x < y, x, y)").steps(1.0, 2.0)._repr_html_()
    assert "x &lt; y" in less


def test_arrays_are_on_one_line():
    f = sd.function("f(W[30, 40]) = sum(W*W)")
    assert all("\n" not in cell for row in f.steps(np.ones((30, 40))).cells() for cell in row)


def test_mistakes():
    with pytest.raises(ArgumentError, match="one scalar output"):
        sd.function("[x, x]", ["x"]).steps(1.0)
    with pytest.raises(UnknownNameError, match="no input or named line"):
        F.steps(2, 5, seed={"x3": 1})
    with pytest.raises(ArgumentError, match="has not the shape"):
        F.steps(2, 5, seed={"x1": [1, 2]})
    g = sd.function("f(seed, x) = seed*x")
    assert g.steps(2.0, 3.0)["f"].value == 6.0
    assert g.steps(seed=2.0, x=3.0)["f"].value == 6.0
