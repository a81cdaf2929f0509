"""Elements that are 0 whatever the inputs are, and the entries of derivatives that they leave out, by each way."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.differentiate.sparse.sweep import Sweep
from symdiff.differentiate.sparse.zeros import Zeros, zero_scalars

# (text, wrt, the places of its entries as rows of a matrix of 0 and 1)
PATTERNS = [
    ("f(A[3, 3], x[3]) = tril(A) @ x", "x", "100 110 111"),
    ("f(A[3, 3], x[3]) = triu(A, 1) @ x", "x", "011 001 000"),
    ("f(A[3, 3], x[3]) = (tril(A) + diag(x)) @ x", "x", "100 110 111"),
    ("f(A[3, 3], x[3]) = (A*eye(3)).T @ x", "x", "100 010 001"),
    ("f(a[2], x[3]) = pad(a, (0, 1))*x", "x", "100 010 000"),
    ("f(a[2], x[3]) = concatenate((0*a[1:], a))*x", "x", "000 010 001"),
    ("f(a[3], x[3]) = a*x/(0*a + [0, 1, 1])", "x", "100 010 001"),
    ("f(a[3], x[3]) = where([0, 1, 0] == a, 0*a, 0)*x + x[::-1]", "x", "001 010 100"),
    ("f(a[2, 2], x[2]) = outer([0, 1], x) @ a[0]", "x", "00 11"),
    ("f(x[2]) = [0*x[0], x[1]*x[0]]", "x", "00 11"),
    ("f(x[2]) = 0*x", "x", "00 00"),
    ("f(x[2]) = [0*x[0]*x[1] + x[0], -(0*x[1])*x[0]]", "x", "10 00"),
    ("f(x[2]) = 0*x*x[::-1]", "x", "00 00"),
    ("f(x[2]) = [0*x[0]/2, x[0] - 0*x[1]]", "x", "00 10"),
    ("f(x[2]) = [0*x[0]/x[1], 0*sqrt(x[0]) + x[1]]", "x", "11 11"),  # which may be 0/0, and 0*inf
    ("f(x[2]) = [sqrt(0*x[0]), sin(0*x[1]) + x[0]]", "x", "10 10"),
    ("f(x[2]) = [0*(x[0] + abs(x[1])), 0*x[0]*sqrt(x[1])]", "x", "00 11"),
    ("f(x[2]) = 0*x/x[::-1]", "x", "00 00"),
    ("f(x[2], c) = [where(c > 0, 0*x[0], 0)*x[1], x[1]]", "x", "00 01"),
    ("f(x[12]) = 0*x*x[::-1] + x[0]", "x", " ".join(["100000000000"] * 12)),
]

HESSIANS = [
    ("f(x[2], y[2]) = sum(0*x*y + y**2)", ["x", "y"], "0000 0000 0010 0001"),
    ("f(x[2], y[2]) = 0*x[0]*y[0] + y[0]**2 + 0*x[1]*y[1] + y[1]**2", ["x", "y"], "0000 0000 0010 0001"),
    ("f(A[3, 3], x[3]) = x @ tril(A) @ x", "x", "111 111 111"),
    ("f(A[3, 3], x[3]) = x @ (A*eye(3)) @ x", "x", "100 010 001"),
]


def shown(matrix):
    return " ".join("".join(str(int(n)) for n in row) for row in matrix.toarray())


def point(f):
    rng = np.random.default_rng(0)
    return [rng.uniform(0.3, 1.3, a.shape) if a.shape else 0.7 for a in f.arguments]


@pytest.mark.parametrize(("text", "wrt", "wanted"), PATTERNS, ids=[row[0] for row in PATTERNS])
def test_jacobians_have_the_same_entries_by_each_way(text, wrt, wanted):
    f = sd.function(text)
    dense = sd.jacobian(f, wrt)
    at = point(f)
    value = np.asarray(dense(*at)).reshape(len(wanted.split()), -1)
    assert shown(dense.sparsity) == wanted
    for method in ("auto", "direct", "compressed"):
        made = sd.sparse_jacobian(f, wrt, method=method)
        assert shown(made.sparsity) == wanted
        np.testing.assert_allclose(made(*at).toarray(), value, rtol=1e-13)


@pytest.mark.parametrize(("text", "wrt", "wanted"), HESSIANS, ids=[row[0] for row in HESSIANS])
def test_hessians_have_the_same_entries_by_each_way(text, wrt, wanted):
    f = sd.function(text)
    dense = sd.hessian(f, wrt)
    at = point(f)
    assert shown(dense.sparsity) == wanted
    for method in ("auto", "direct", "compressed"):
        made = sd.sparse_hessian(f, wrt, method=method)
        assert shown(made.sparsity) == wanted
        np.testing.assert_allclose(made(*at).toarray(), dense(*at), rtol=1e-13)


# (text of a formula in A[3, 3], a[3] and numbers, where its elements may be other than 0; None: all)
ELEMENTS = [
    ("tril(A)", "100 110 111"),
    ("-tril(A).T", "111 011 001"),
    ("tril(A) + triu(A, 2)", "101 110 111"),
    ("tril(A) - triu(A)", None),
    ("tril(A)*triu(A)", "100 010 001"),
    ("tril(A)/a", "100 110 111"),
    ("a/tril(A)", None),
    ("tril(A)[1:, ::-1]", "011 111"),
    ("sum(tril(A, -1), axis=1)", "011"),
    ("where(A > 0, tril(A), eye(3))", "100 110 111"),
    ("where(A > 0, A, 0)", None),
    ("where(eye(3) > 0, A, 0)", "100 010 001"),
    ("stack((a, 0*a))", "111 000"),
    ("diagonal(tril(A, -1))", "000"),
    ("tril(A) @ pad(a[:1], (2, 0))", "001"),
    ("pad(a, (1, 0))", "0111"),
    ("exp(tril(A))", None),
    ("[1, 0, nan]", "101"),
    ("a", None),
]


@pytest.mark.parametrize(("text", "wanted"), ELEMENTS, ids=[row[0] for row in ELEMENTS])
def test_elements(text, wanted):
    f = sd.function(f"f(A[3, 3], a[3]) = {text}")
    found = Zeros(f.graph, Sweep(f.graph).number).other(f.nodes[0])
    if wanted is None:
        assert found is None
    else:
        assert " ".join("".join(str(int(n)) for n in row) for row in np.atleast_2d(found)) == wanted


def test_of_large_arrays_nobody_looks(monkeypatch):
    f = sd.function("f(A[3, 3]) = tril(A)")
    monkeypatch.setattr("symdiff.differentiate.sparse.zeros.MOST_KNOWN", 8)
    assert Zeros(f.graph, lambda node, size: None).other(f.nodes[0]) is None


def test_scalars():
    f = sd.function(
        "f(x, y) = [0*x, -(0*x), 0*x/2, x/(0*y), 0*x + 0*y, 0*x + y, where(x > y, 0*x, 0), where(x > y, x, 0), 0*x/y]"
    )
    zero = zero_scalars(f.graph, f.graph.live(f.nodes))
    assert [n in zero for n in f.graph.args[f.nodes[0]]] == [True, True, True, False, True, False, True, False, False]


def test_a_box_that_is_left_stays_a_box():
    f = sd.function("f(u[30, 40]) = u*pad(u[1:, 2:], ((0, 1), (0, 2)))")
    made = sd.sparse_jacobian(f)
    assert made.nnz == 2 * 29 * 38
    u = np.random.default_rng(0).normal(size=(30, 40))
    np.testing.assert_allclose(made(u) @ u.ravel(), 2 * np.ravel(f(u)), rtol=1e-13)
    assert "gather" not in made.values.ssa()
