"""A small part of `python -m tests.agreement`, and that it would see what it looks for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agreement import checks
from tests.agreement.ways import Arrays, Formula


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 10**9))
def test_all_ways_agree(seed):
    found, pairs = checks.check(seed)
    assert found == []
    assert pairs >= 20


@pytest.mark.heavy
@settings(max_examples=2000, deadline=None)
@given(st.integers(0, 10**9))
def test_all_ways_agree_on_many_functions(seed):
    assert checks.check(seed)[0] == []


@pytest.mark.parametrize("name", ["compressed mode", "sparse, direct", "series", "repetition", "cross-country mode"])
def test_a_wrong_way_is_seen(name, monkeypatch):
    ways = Formula.ways

    def spoiled(self, order):
        for title, way in ways(self, order):
            yield title, (lambda point, way=way: np.asarray(way(point)) * (1 + 1e-6)) if title == name else way

    monkeypatch.setattr(Formula, "ways", spoiled)
    case = Formula(["t0 = sin(x)*y"], ["t0", "x*t0"], "t0*exp(x)", "xy")
    found, _ = checks.disagreements(case, [0.3, 0.7], orders=(1,))
    (line,) = found
    assert line.startswith(f"order 1: {name}")


def test_wrong_differences_and_exact_values_are_seen(monkeypatch):
    case = Formula(["t0 = sin(x)*y"], ["t0", "x*t0"], "t0*exp(x)", "xy")
    right = case.exact(1, [0.3, 0.7])
    monkeypatch.setattr(Formula, "exact", lambda self, order, point: right + 1e-6)
    assert [line.partition(" exact")[0] for line in checks.disagreements(case, [0.3, 0.7], (1,))[0]] == [
        "order 1: forward mode and"
    ]
    arrays = Arrays(["t0 = x**2*s"], "t0", {"x": (3,), "s": ()}, "x")
    assert checks.disagreements(arrays, [np.array([0.3, 0.5, 0.7]), 0.9])[0] == []
    moved = [np.array([0.3, 0.5, 0.7]), 0.9]
    series = arrays.ways(1)
    whole = next(series)[1](moved)
    along = dict(arrays.ways(1))["differences"](moved)
    assert not checks.same(along.value, along.of(1.001 * whole), checks.LOOSE)


# a line of each kind of file that is read, and where the numbers that it gives stand
FORMULA = {"expr": "exp(a)*b**2", "vars": ["a", "b"], "points": [{"x": [0.5, 2.0]}]}
GIVEN = np.exp(0.5) * np.array([4.0, 4.0]), np.exp(0.5) * np.array([[4.0, 4.0], [4.0, 2.0]])
LINES = [
    {**FORMULA, "points": [{"x": [0.5, 2.0], "grad": GIVEN[0].tolist(), "hess": GIVEN[1].tolist()}]},
    {"vector_expr": "sum(x**2)/n", "n": 2, "points": [{"x": [0.5, 2.0], "grad": [0.5, 2.0], "hess": [[1, 0], [0, 1]]}]},
    {"expr": "A @ x", "wrt": "x", "inputs": {"A": [[2, 1]], "x": [[3], [4]]}, "derivative_value": [["2.0", "1.0"]]},
]


@pytest.mark.parametrize("line", LINES, ids=["formula", "vector", "matrix"])
def test_lines_of_files(line, monkeypatch):
    monkeypatch.setattr(checks, "LONG", 3)  # so that what the line gives is looked at
    found, pairs = checks.check_line(line)
    assert found == []
    assert pairs > 20
    if "inputs" in line:
        wrong = {**line, "derivative_value": [["2.0", "1.1"]]}
    else:
        wrong = {**line, "points": [{**line["points"][0], "grad": [0.5, 2.1]}]}
    (said,) = checks.check_line(wrong)[0]
    assert said.startswith("order 1: forward mode and exact")


def test_steep_functions_take_smaller_steps():
    steep = Arrays([], "x", {"x": (2,)}, "x", "sum(sin(3000*x))")
    assert checks.disagreements(steep, [np.array([0.3, 0.7])])[0] == []
