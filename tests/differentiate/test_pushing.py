"""Edge pushing against forward over reverse and dense Hessians, and what it takes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.functions import sparse as module
from tests.functions.test_sparse import effort, formulas, swing_up

# (text, wrt, entries of the lower triangle, the most operations)
TEXTS = [
    ("f(x[3]) = x[0]*x[1] + sin(x[2])", "x", 2, 2),
    ("f(x[3]) = x[0]*x[1]*x[2]", "x", 3, 0),
    ("f(x[2]) = 3*x[0] - x[1]", "x", 0, 0),
    ("f(x) = x", "x", 0, 0),
    ("f(x) = (x*x)*(x*x)", "x", 1, 6),
    ("f(x[2]) = (x[0] + x[1])**2", "x", 3, 0),
    ("f(x[2]) = x[0]/x[1]", "x", 2, 9),
    ("f(x[3]) = tanh(x[0]*0.3 + x[1]*0.2 + x[2]*0.1)*tanh(x[0]*0.1 + x[1]*0.2 - x[2]*0.5)", "x", 6, 49),
    ("f(x[5]) = log(exp(x[0]) + exp(x[1]) + exp(x[2]) + exp(x[3]) + exp(x[4]))", "x", 15, 153),
    ("f(x[4]) = x[0]/x[1]*x[2]/x[3]", "x", 8, 29),
    ("f(A[2, 2]) = A[0, 0]*A[1, 1] - A[0, 1]*reshape(A, (4,))[2]", "A", 2, 1),
    ("f(x[2], a) = exp(a*x[0])*reshape(x, (1, 2))[0, 0]*reshape(x, (2, 1))[0, 0]", "x", 1, 11),
    ("f([x, y], a) = (a - x)^2 + 100*(y - x^2)^2", ["x", "y"], 3, 7),
    ("f(x, y, a) = hypot(x, y)*a", ["y", "a"], 2, 7),
    ("f(x[4]) = max(x[0]*x[1], x[2]*x[3])**2", "x", 10, 33),
    ("f(x[2]) = where(x[0] > 1.5, sqrt(x[0] - 1.5)*x[1], x[1]**3)", "x", 3, 10),
    ("f(x[2]) = abs(x[0])*x[1] + 0*x[0]**2", "x", 2, 4),
]


def rosenbrock(x, n=100):
    return sum(100 * (x[k + 1] - x[k] ** 2) ** 2 + (1 - x[k]) ** 2 for k in range(n - 1))


@pytest.mark.parametrize(("text", "wrt", "entries", "most"), TEXTS, ids=[row[0] for row in TEXTS])
def test_values_and_operations(text, wrt, entries, most):
    f = sd.function(text)
    rng = np.random.default_rng(0)
    at = [rng.uniform(0.3, 1.3, a.shape) if a.shape else float(rng.uniform(0.3, 1.3)) for a in f.arguments]
    wanted = np.asarray(sd.hessian(f, wrt)(*at))
    wanted = wanted.reshape(2 * (round(wanted.size**0.5),))
    lower = sd.sparse_hessian(f, wrt, triangle="lower", method="edge-pushing")
    assert lower.nnz == entries
    assert lower.stats()["operations"] <= most
    assert lower.explain().startswith("sparse hessian: direct, edge pushing")
    np.testing.assert_allclose(lower(*at).toarray(), np.tril(wanted), rtol=1e-13, atol=1e-15)
    full = sd.sparse_hessian(f, wrt, method="edge-pushing", format="csc")
    np.testing.assert_allclose(full(*at).toarray(), wanted, rtol=1e-13, atol=1e-15)
    np.testing.assert_array_equal(full.sparsity.toarray(), sd.hessian(f, wrt).sparsity.toarray())


@settings(max_examples=40, deadline=None)
@given(formulas(), st.integers(0, 5))
def test_random_formulas(made, seed):
    size, lines, outputs = made
    f = sd.function("\n".join([*lines, " + ".join(outputs)]), shapes={"x": size})
    at = np.random.default_rng(seed).uniform(-1.5, 1.5, size)
    found = sd.sparse_hessian(f, "x", method="edge-pushing")
    np.testing.assert_allclose(found(at).toarray(), sd.hessian(f, "x")(at), rtol=1e-8, atol=1e-8)
    other = sd.sparse_hessian(f, "x", method="compressed")
    np.testing.assert_array_equal(found.sparsity.toarray(), other.sparsity.toarray())


def test_the_way_with_fewer_operations_is_taken(monkeypatch):
    f = sd.function(rosenbrock, {"x": 100})
    H = sd.sparse_hessian(f, triangle="lower")
    assert H.stats()["operations"] <= 692
    table = H.explain().splitlines()[1:5]
    assert table[0] == "direct: edge pushing"
    assert [line.split() for line in table[2:]] == [["edge", "pushing", "692"], ["forward", "over", "reverse", "791"]]
    at = np.random.default_rng(0).normal(size=100)
    np.testing.assert_allclose(H(at).toarray(), np.tril(sd.hessian(f)(at)), rtol=1e-12, atol=1e-12)
    g = sd.function("f(x[5]) = sqrt(x[0]**2 + x[1]**2 + x[2]**2 + x[3]**2 + x[4]**2)")
    G = sd.sparse_hessian(g)
    assert "direct: forward over reverse" in G.explain()
    assert G.stats()["operations"] < sd.sparse_hessian(g, method="edge-pushing").stats()["operations"]
    monkeypatch.setattr(module, "MOST_PUSHED", 10)  # of large formulas one way alone is made
    assert "edge" not in sd.sparse_hessian(f).explain()
    assert "edge" in sd.sparse_hessian(f, method="edge-pushing").explain()


@pytest.mark.parametrize("method", ["direct", "edge-pushing"])
def test_a_swing_up_in_scalars(method, monkeypatch):
    monkeypatch.setattr(module, "FEWEST_NODES", 10**9)
    n = 10
    shapes = {"z": 5 * n - 1, "lam": 4 * (n - 1), "s": ()}
    f = sd.function(
        lambda z, lam, s: s * effort(z, n) + sum(lam[k] * c for k, c in enumerate(swing_up(sd, z, n))), shapes
    )
    K = sd.sparse_hessian(f, "z", triangle="lower", method=method)
    at = [np.random.default_rng(0).normal(size=5 * n - 1), np.random.default_rng(1).normal(size=4 * (n - 1)), 2.0]
    np.testing.assert_allclose(K(*at).toarray(), np.tril(sd.hessian(f, "z")(*at)), rtol=1e-11, atol=1e-12)
    assert K.nnz == 59
    assert K.stats()["operations"] <= 12981 * (n - 1) / 49


def test_branches_that_are_not_taken_touch_nothing():
    f = sd.function("f(x[2]) = where(x[0] > 0, log(x[0])*x[1]**2, x[0]*x[1]) + where(x[1] > 5, sqrt(x[1] - 5), 0)*x[0]")
    H = sd.sparse_hessian(f, method="edge-pushing")
    np.testing.assert_allclose(H([-1.0, 2.0]).toarray(), [[0, 1], [1, 0]])
    np.testing.assert_allclose(H([2.0, 3.0]).toarray(), [[-2.25, 3], [3, 2 * np.log(2)]], rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "wrt"),
    [
        ("f(x[30]) = sum(sin(x[1:])*x[:-1])", "x"),
        ("q = x*y\nf = q**2*x", "q"),
        ("f(A[3, 3]) = logdet(A)", "A"),
    ],
)
def test_what_it_is_not_for(text, wrt):
    f = sd.function(text, ["x", "y"]) if text.startswith("q") else sd.function(text)
    with pytest.raises(sd.ArgumentError, match="edge pushing for"):
        sd.sparse_hessian(f, wrt, method="edge-pushing")
    with pytest.raises(sd.ArgumentError, match="method"):
        sd.sparse_jacobian(f, wrt, method="edge-pushing")
