"""What the textbook and the README promise of vectors and matrices, through the public functions alone."""

from __future__ import annotations

import numpy as np
import pytest

import symdiff as sd

W = np.array([[0.1, 0.5], [-0.3, 0.8]])
X = np.array([0.2, 0.4])


def test_textbook_squared_norm():
    f = sd.function("f(x[2], W[2, 2]) = sum((W @ x)**2)")
    assert f(X, W) == pytest.approx(0.116, rel=1e-14)
    dx, dw = sd.grad(f)(X, W)
    np.testing.assert_allclose(dw, [[0.088, 0.176], [0.104, 0.208]], rtol=1e-13)
    np.testing.assert_allclose(dx, [-0.112, 0.636], rtol=1e-13)


GROWING = {
    "rosenbrock": "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)",
    "norm": "norm(x)",
    "product": "prod(x)",
    "largest": "max(x) + min(abs(x))",
    "running": "sum(cumsum(x)**2)",
    "softmax": "softmax(x)[3] + logsumexp(x)",
    "weights": "sum(arange(1, size(x) + 1)*x**2)/size(x)",
    "reverse": "sum(flip(x)*roll(x, 2))",
}


@pytest.mark.parametrize("text", GROWING.values(), ids=GROWING)
@pytest.mark.parametrize("transform", [sd.function, sd.grad, sd.hessian], ids=["value", "gradient", "Hessian"])
def test_graph_size_does_not_depend_on_array_sizes(text, transform):
    counts = []
    with sd.limits(bytes=2**50):  # nothing is computed
        for n in (10, 10**6):
            f = sd.function(text, ["x"], shapes={"x": n})
            g = f if transform is sd.function else transform(f, "x")
            counts.append(len(g.graph.live(g.nodes)))
    assert counts[0] == counts[1]


B = np.array([[1.0, -2.0], [3.0, 0.5]])
GUARDED = {
    # name: (text, inputs, a point where the branch is not taken, where)
    "matrix": ("sum(where(c > 0, B @ sqrt(x), 0))", {"c": 2, "x": 2, "B": (2, 2)}, (-np.ones(2), -np.ones(2), B)),
    "sum": ("where(c > 0, sum(sqrt(x)), 0)", {"c": (), "x": 2}, (-1.0, -np.ones(2))),
    "norm": ("sum(where(x > 0, norm(sqrt(x)), 0))", {"x": 2}, (-np.ones(2),)),
    "product": ("where(c > 0, prod(log(x)), 0)", {"c": (), "x": 3}, (-1.0, -np.ones(3))),
    "solve": ("sum(where(c > 0, solve(B, log(x)), 0))", {"c": 2, "x": 2, "B": (2, 2)}, (-np.ones(2), -np.ones(2), B)),
    "running": ("sum(where(c > 0, cumsum(sqrt(x)), 0))", {"c": 2, "x": 2}, (-np.ones(2), -np.ones(2))),
}


@pytest.mark.parametrize(("text", "shapes", "point"), GUARDED.values(), ids=GUARDED)
def test_what_is_not_taken_does_not_poison(text, shapes, point):
    f = sd.function(text, list(shapes), shapes=shapes)
    for derivative in (sd.grad(f, "x"), sd.hessian(f, "x"), sd.jacobian(sd.grad(f, "x"), "x")):
        found = derivative(*point)
        assert np.array_equal(found, np.zeros(np.shape(found)))


def test_partly_taken_branches_keep_their_side():
    f = sd.function("sum(where(c > 0, B @ sqrt(x), 0))", ["c", "x", "B"], shapes={"c": 2, "x": 2, "B": (2, 2)})
    c, x, diagonal = np.array([1.0, -1.0]), np.array([4.0, -1.0]), np.diag([3.0, 5.0])
    # The first row is taken; its coefficient of sqrt(-1) is zero, and 0*sqrt(-1) is NaN in that row's value.
    assert np.isnan(f(c, x, diagonal))
    assert sd.grad(f, "x")(c, np.array([4.0, 1.0]), diagonal) == pytest.approx([0.75, 0.0])


def test_batches_broadcast_over_leading_axes():
    rng = np.random.default_rng(0)
    f = sd.function("f(A[40, 30], x[30]) = sum(tanh(A @ x))")
    a, x = rng.standard_normal((5, 1, 40, 30)), rng.standard_normal((3, 30))
    values, slopes = f(a, x), sd.grad(f, "x")(a, x)
    assert values.shape == (5, 3)
    assert slopes.shape == (5, 3, 30)
    for i in range(5):
        for j in range(3):
            t = np.tanh(a[i, 0] @ x[j])
            assert values[i, j] == pytest.approx(t.sum())
            np.testing.assert_allclose(slopes[i, j], a[i, 0].T @ (1 - t**2), atol=1e-12)


@pytest.mark.parametrize("n", [0, 1, 3, 1000])
def test_every_size(n):
    f = sd.function("sum(x**2) + prod(1 + x)", ["x"], shapes={"x": n})
    x = np.linspace(-0.5, 0.25, n) / max(n, 1)
    assert f(x) == pytest.approx(np.sum(x**2) + np.prod(1 + x))
    slope = sd.grad(f, "x")(x)
    np.testing.assert_allclose(slope, 2 * x + np.prod(1 + x) / (1 + x), rtol=1e-12)
    if n < 100:
        assert sd.hessian(f, "x")(x).shape == (n, n)


def test_layouts_and_overlaps():
    rng = np.random.default_rng(0)
    f = sd.function("f(A[300, 200]) = 2*A.T + 1")
    whole = rng.standard_normal((600, 400))
    strided = whole[::2, ::-2]
    np.testing.assert_array_equal(f(strided), 2 * strided.T + 1)
    np.testing.assert_array_equal(f(np.asfortranarray(strided)), 2 * strided.T + 1)
    out = np.empty((400, 600))[::2, ::2]
    assert f(strided, out=out) is out
    np.testing.assert_array_equal(out, 2 * strided.T + 1)
    g = sd.function("g(A[200, 200]) = A @ A + A.T")
    a = rng.standard_normal((200, 200))
    wanted = a @ a + a.T
    np.testing.assert_allclose(g(a, out=a), wanted, atol=1e-10)
    h = sd.function("h(x[2000]) = cumsum(x)")
    x = rng.standard_normal(4000)
    wanted = np.cumsum(x[1000:3000])
    h(x[1000:3000], out=x[:2000])
    np.testing.assert_allclose(x[:2000], wanted, atol=1e-10)


def test_wrong_arguments_are_refused():
    f = sd.function("f(W[3, 2], x[2]) = W @ x")
    w, x = np.ones((3, 2)), np.ones(2)
    with pytest.raises(sd.SymdiffError, match=r"x"):
        f(w, np.ones(3))
    with pytest.raises(sd.SymdiffError, match=r"W"):
        f(np.ones((2, 3)), x)
    with pytest.raises(sd.SymdiffError):
        f(w, np.array([1j, 2]))
    with pytest.raises(sd.SymdiffError):
        f(w, np.array(["a", "b"]))
    with pytest.raises(ValueError, match=r"shape|dimension"):
        f(w, x, out=np.empty(4))
    np.testing.assert_array_equal(f(w.astype(np.float32), [1, 1]), [2, 2, 2])
    with pytest.raises(sd.SymdiffError, match=r"matmul|@") as caught:
        sd.function("f(W[3, 2], x[3]) = W @ x")
    assert "(3, 2)" in str(caught.value)
    assert "(3,)" in str(caught.value)
    assert "^" in str(caught.value)


@pytest.mark.parametrize("most", [1000, -1], ids=["unrolled", "loops"])
def test_more_axes_than_numpy_goes_along(monkeypatch, most):
    """25 blocks of a Hessian with four axes each are more axes than a ufunc has."""
    monkeypatch.setattr("symdiff.optimize.pipeline.MOST_UNROLLED", most)
    names = ["A", "B", "C", "D", "F"]
    f = sd.function("sum((A @ B @ C @ D @ F)**2)", names, shapes=dict.fromkeys(names, (2, 2)))
    hessian, pair = sd.hessian(f), sd.hessian(f, ("B", "F"))
    at = [np.random.default_rng(k).normal(size=(2, 2)) for k in range(5)]
    found, batch = hessian(*at), hessian(*[np.stack([a, 2 * a, a]) for a in at])
    np.testing.assert_allclose(found[1][4], pair(*at)[0][1], rtol=1e-13)
    for i, j in np.ndindex(5, 5):
        assert found[i][j].shape == (2, 2, 2, 2)
        assert batch[i][j].shape == (3, 2, 2, 2, 2)
        np.testing.assert_array_equal(found[i][j], np.moveaxis(found[j][i], (0, 1), (2, 3)))
        np.testing.assert_allclose(batch[i][j][2], found[i][j], rtol=1e-13)
    given = tuple(np.empty((2, 2, 2, 2)) for _ in range(25))
    hessian.compile()(*at, out=given)
    np.testing.assert_array_equal(given[9], found[1][4])
