"""The compressed way against the direct one, and which of them is taken."""

import random

import numpy as np
import pytest

import symdiff as sd
from tests.agreement.checks import disagreements
from tests.agreement.ways import METHODS, Formula
from tests.differentiate.test_random_tensors import program
from tests.differentiate.test_sparse_arrays import TABLE


def point(shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.uniform(0.3, 1.3, shape) for shape in shapes.values()]


def compare(make, source, shapes, seed=0):
    """The compressed way has the entries of the direct one."""
    at, names = point(shapes, seed), list(shapes)
    direct, compressed = (make(source, names, method=m) for m in ("direct", "compressed"))
    assert "compressed" in compressed.explain()
    np.testing.assert_allclose(compressed(*at).toarray(), direct(*at).toarray(), rtol=1e-9, atol=1e-10)
    return compressed


@pytest.mark.parametrize(("text", "shapes"), [row[:2] for row in TABLE[::3]], ids=[row[0] for row in TABLE[::3]])
def test_jacobians_by_colors(text, shapes):
    compare(sd.sparse_jacobian, sd.function(text, list(shapes), shapes=shapes), shapes)


HESSIANS = [
    ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", {"x": (8,)}, "2 colours of an acyclic"),
    ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", {"x": (40,)}, "3 columns"),  # it would take 20 rounds
    ("sum(x**3)", {"x": (5,)}, "1 columns"),
    ("x[0]*sum(x**2)", {"x": (9,)}, "2 colours of a star coloring"),
    ("sum(exp(x)*y[0]) + y[1]**3", {"x": (5,), "y": (2,)}, "2 colours of a star coloring"),
    (
        "x[0]*x[1] + x[0]*sum(x[2:6]**2) + x[1]*sum(x[6:]**2)",
        {"x": (10,)},
        "2 colours of an acyclic coloring, by subst",
    ),
    ("x[0]*sum(x[1:3]) + x[1]*sum(x[3:6]) + x[2]*sum(x[6:9]) + sum(x**3)", {"x": (9,)}, "2 colours of an acyclic"),
    ("sum(A[1:]*A[:-1]) + sum(A[:, 1:]**2*A[:, :-1])", {"A": (4, 5)}, "4 colours of an acyclic"),
    ("logdet(A)*x[0]", {"A": (3, 3), "x": (2,)}, "10 "),
    ("sum(solve(A, x)**2)", {"A": (2, 2), "x": (2,)}, "6 "),
    ("(A[0, 0]*A[1, 1] - A[0, 1])**2 + sin(A[1, 0])", {"A": (2, 2)}, "3 columns"),
]


@pytest.mark.parametrize(("text", "shapes", "note"), HESSIANS, ids=[row[0] for row in HESSIANS])
def test_hessians_by_colors(text, shapes, note):
    found = compare(sd.sparse_hessian, sd.function(text, list(shapes), shapes=shapes), shapes)
    assert f"compressed, {note}" in found.explain()
    matrix = found(*point(shapes)).toarray()
    np.testing.assert_array_equal(matrix, matrix.T)


@pytest.mark.parametrize("seed", range(0, 20, 2))
def test_random_programs(seed):
    shapes, lines, (last, _) = program(random.Random(seed))
    f = sd.function("\n".join([*lines, f"{last}*1"]), list(shapes), shapes=shapes)
    compare(sd.sparse_jacobian, f, shapes, seed)
    compare(sd.sparse_hessian, sd.function("\n".join([*lines, f"sum({last}**2)"]), list(shapes), shapes=shapes), shapes)


WAYS = [
    ("x[1:]*x[:-1]", {"x": (500,)}, "direct, patches"),
    ("W @ x", {"W": (20, 30), "x": (30,)}, "direct, patches"),
    ("cumprod(reshape(x, (100, 3)), axis=1)", {"x": (300,)}, "compressed, 3 rows"),
    ("reshape(logdet(reshape(x, (50, 3, 3))), 50)", {"x": (450,)}, "compressed, 1 rows"),
    ("inv(A)", {"A": (3, 3)}, "entries of the jacobian"),
    ("sum(tanh(W @ tanh(W @ tanh(W @ x))))", {"W": (30, 30), "x": (30,)}, "compressed, 1 rows"),
]


@pytest.mark.parametrize(("text", "shapes", "note"), WAYS, ids=[row[0] for row in WAYS])
def test_the_way_with_fewer_operations_is_taken(text, shapes, note):
    f = sd.function(text, list(shapes), shapes=shapes)
    auto = sd.sparse_jacobian(f, list(shapes))
    assert note in auto.explain()
    at = point(shapes)
    wanted = sd.sparse_jacobian(f, list(shapes), method="direct")(*at)
    np.testing.assert_allclose(auto(*at).toarray(), wanted.toarray(), rtol=1e-9, atol=1e-12)


def test_functions_of_users_are_swept_by_colors():
    sd.define("swept_log_softmax(x) = x - logsumexp(x)", backward="g - exp(y)*sum(g)")
    f = sd.function("f(x[6]) = swept_log_softmax(x)[1:] - x[:-1]")
    J = sd.sparse_jacobian(f, method="compressed")
    assert J.nnz == 30
    x = np.arange(1.0, 7.0)
    wanted = np.eye(6) - np.exp(x) / np.exp(x).sum()
    np.testing.assert_allclose(J(x).toarray(), wanted[1:] - np.eye(6)[:-1], atol=1e-12)


# (text, a point with poles)
POLES = [
    ("f(x, z) = [x + 1/z, x*z]", [1.0, 0.0]),
    ("f(x[4], z[4]) = x + 1/z", [np.ones(4), [0.0, 1.0, 2.0, 0.0]]),
    ("f(x[3], z[3]) = cumsum(x) + log(z)[::-1] + sqrt(x)", [[0.0, 1.0, 0.0], [1.0, 2.0, 0.0]]),
    ("f(x[4]) = log(x[1:] - x[:-1]) + x[1:]", [[0.0, 0.0, 1.0, 0.0]]),
    ("f(x[3], A[3, 3]) = sqrt(A @ x) + x", [[0.0, 0.0, 1.0], np.eye(3)]),
]


@pytest.mark.parametrize(("text", "at"), POLES, ids=[row[0] for row in POLES])
def test_what_is_not_finite_stays_in_its_entry(text, at):
    f = sd.function(text)
    direct, compressed = (sd.sparse_jacobian(f, [a.name for a in f.arguments], method=m) for m in METHODS)
    with np.errstate(all="ignore"):
        one, other = direct(*at).toarray(), compressed(*at).toarray()
    assert not np.isfinite(one).all()
    assert np.isfinite(one).any()
    np.testing.assert_allclose(other, one, rtol=1e-13)


def test_a_tie_of_some_elements_stays_in_their_entries():
    f = sd.function("f(x[3], y[3]) = sum(max(min(y, x), x)*y[::-1])")
    at = [[1.0, 2.0, 3.0], [3.0, 1.0, 4.0]]
    direct, compressed = (sd.sparse_hessian(f, ["x", "y"], method=m)(*at).toarray() for m in METHODS)
    np.testing.assert_array_equal(np.argwhere(np.isnan(direct)), [[0, 0], [2, 2]])
    np.testing.assert_allclose(compressed, direct, rtol=1e-13)


KINKS = [
    "atan2(y - y, y - y) + cos(z)",
    "abs(z - z) + exp(x)",
    "max(y, z - (z - y)) + x**3",
    "max(min(y, z), z)*z + x*y",
]


@pytest.mark.parametrize("text", KINKS)
def test_kinks_that_are_everywhere(text):
    """Where derivatives of every point are those of a tie, all ways to the second and third say so."""
    case = Formula([], [text], text, "xyz")
    assert disagreements(case, [-0.4, 0.3, -0.8], (2, 3))[0] == []
