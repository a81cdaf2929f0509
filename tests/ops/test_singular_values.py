"""Pseudo-inverses, least squares, singular values and their norms: every rank, exact fractions, derivatives."""

from fractions import Fraction

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import ParseError, ShapeError
from symdiff.interpret import evaluate

SHAPES = [(1, 1), (1, 4), (4, 1), (3, 3), (5, 3), (3, 5), (7, 7), (20, 13)]
NORMS = [2, -2, "nuc"]


def made(text, shape, dtype="float64"):
    return sd.function(text, ["A"], shapes={"A": shape}, dtype=dtype)


def of_rank(shape, rank, rng):
    return rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))


def interpreted(f, a):
    return np.asarray(evaluate(f.graph, f.nodes, {f._name_table()["A"]: a})[0])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_rank(shape, dtype):
    rng = np.random.default_rng(shape)
    f, values, eps = made("pinv(A)", shape, dtype), made("svdvals(A)", shape, dtype), np.finfo(dtype).eps
    calls = [f.compile(), f.compile(fp="strict"), lambda a: interpreted(f, a)]
    for rank in range(min(shape) + 1):
        a = of_rank(shape, rank, rng).astype(dtype)
        want, s = np.linalg.pinv(a.astype(float), rcond=500 * eps), np.linalg.svd(a.astype(float), compute_uv=False)
        condition = s[0] / s[rank - 1] if rank else 1.0
        for call in calls:
            found = call(a)
            assert np.abs(found - want).max() <= 100 * eps * condition * np.abs(want).max()
            assert found.dtype == dtype
        np.testing.assert_allclose(values(a), s, rtol=0, atol=20 * eps * max(s[0], 1e-30))


@pytest.mark.parametrize("scale", [1e-250, 1e-200, 1e250])
@pytest.mark.parametrize("shape", [(1, 4), (5, 3), (7, 7)])
def test_scales(shape, scale):
    a = of_rank(shape, min(shape), np.random.default_rng(1))
    np.testing.assert_allclose(made("pinv(A)", shape)(a * scale) * scale, np.linalg.pinv(a), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(made("norm(A, 2)", shape)(a * scale) / scale, np.linalg.norm(a, 2), rtol=1e-14)


def exact_solution(a, b):
    """The least squares of a matrix of independent columns, by fractions."""
    a, b = [[Fraction(float(x)) for x in row] for row in a], [Fraction(float(x)) for x in b]
    n = len(a[0])
    rows = [[sum(r[i] * r[j] for r in a) for j in range(n)] + [sum(r[i] * x for r, x in zip(a, b, strict=True))]
            for i in range(n)]  # fmt: skip
    for k in range(n):
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return np.array([float(row[n]) for row in rows])


@pytest.mark.parametrize("text", ["pinv(A) @ b", "lstsq(A, b)"])
@pytest.mark.parametrize(("start", "count", "degree"), [(0, 8, 3), (10, 9, 2), (100, 7, 2), (1950, 9, 1), (2000, 6, 2)])
def test_fits_by_the_year(start, count, degree, text):
    rng = np.random.default_rng(count)
    a, b = np.vander(np.arange(start, start + count, dtype=float), degree + 1), rng.integers(0, 9, count).astype(float)
    found = sd.function(text, ["A", "b"], shapes={"A": a.shape, "b": b.shape})(a, b)
    want = exact_solution(a, b)
    bound = 20 * np.finfo(float).eps * np.linalg.cond(a) * np.linalg.norm(np.linalg.pinv(a)) * np.linalg.norm(b)
    assert np.linalg.norm(found - want) <= bound
    np.testing.assert_allclose(found, want, rtol=1e-3)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (3, 3), (5, 3), (3, 5)])
@pytest.mark.parametrize("columns", [None, 2])
def test_least_squares_are_numpys(shape, columns):
    rng = np.random.default_rng(3)
    b = rng.standard_normal(shape[:1] if columns is None else (shape[0], columns))
    f = sd.function("lstsq(A, b)", ["A", "b"], shapes={"A": shape, "b": b.shape})
    traced = sd.function(lambda A, b: np.linalg.lstsq(A, b), ["A", "b"], shapes={"A": shape, "b": b.shape})
    for rank in range(min(shape) + 1):
        a = of_rank(shape, rank, rng)
        want = np.linalg.lstsq(a, b, rcond=None)
        np.testing.assert_allclose(f(a, b), want[0], rtol=1e-9, atol=1e-12)
        x, left, found, values = traced(a, b)
        np.testing.assert_allclose(x, want[0], rtol=1e-9, atol=1e-12)
        assert found == want[2] == rank
        np.testing.assert_allclose(values, want[3], rtol=1e-10, atol=1e-13)
        if want[1].size:
            np.testing.assert_allclose(left, want[1], rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_derivatives_along_what_keeps_the_rank(shape):
    rng = np.random.default_rng(5)
    m, n = shape
    slope = sd.jacobian(made("pinv(A)", shape))
    second = sd.hessian(made("sum(pinv(A)**2)", shape))
    gradient = sd.grad(made("sum(pinv(A)**2)", shape))
    for rank in range(1, min(shape) + 1):
        a, left, right = of_rank(shape, rank, rng), rng.standard_normal((m, m)), rng.standard_normal((n, n))
        change, step = left @ a + a @ right, 1e-5

        def moved(t, a=a, left=left, right=right):
            return (np.eye(m) + t * left) @ a @ (np.eye(n) + t * right)

        def pinv(t, moved=moved):
            return np.linalg.pinv(moved(t), rcond=1e-10)

        want = (pinv(step) - pinv(-step)) / (2 * step)
        found = np.tensordot(slope(a), change, axes=2)
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-6 * np.abs(want).max())
        f = made("sum(pinv(A, rcond=1e-10)**2)", shape)
        want = (f(moved(step)) - f(moved(-step))) / (2 * step)
        assert np.sum(gradient(a) * change) == pytest.approx(want, rel=1e-4, abs=1e-6 * abs(gradient(a)).max())
        if rank == min(shape):
            want = (gradient(a + step * change) - gradient(a - step * change)) / (2 * step)
            np.testing.assert_allclose(np.tensordot(second(a), change, axes=2), want, rtol=1e-3,
                                       atol=1e-5 * np.abs(want).max())  # fmt: skip


@pytest.mark.parametrize("order", NORMS)
@pytest.mark.parametrize("shape", [(3, 1), (3, 3), (2, 4)])
def test_norms_and_their_derivatives(shape, order):
    rng = np.random.default_rng(7)
    f = made(f"norm(A, {order!r})", shape)
    slope, second = sd.grad(f), sd.hessian(f)
    a = rng.standard_normal(shape)
    assert f(a) == pytest.approx(np.linalg.norm(a, order), rel=1e-13)
    step = 1e-6
    want, more = np.zeros(shape), np.zeros(shape * 2)
    for k in np.ndindex(shape):
        move = np.zeros(shape)
        move[k] = step
        want[k] = (np.linalg.norm(a + move, order) - np.linalg.norm(a - move, order)) / (2 * step)
        more[k] = (slope(a + move) - slope(a - move)) / (2 * step)
    np.testing.assert_allclose(slope(a), want, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(second(a), more, rtol=1e-5, atol=1e-6)
    assert not slope(np.zeros(shape)).any()  # the mean of the slopes
    assert not np.isfinite(second(np.zeros(shape))).any()


def test_equal_singular_values_share_the_derivative():
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((4, 4)))[0]
    f = sd.grad(made("norm(A, 2)", (4, 4)))
    for top in range(1, 5):
        values = np.array([3.0] * top + [1.0] * (4 - top))  # the others are equal, too
        want = np.diag([1 / top] * top + [0.0] * (4 - top))
        np.testing.assert_allclose(f(np.diag(values)), want, atol=1e-15)
    np.testing.assert_allclose(f(np.diag([3.0, 1, 1, 1]) @ turn), np.diag([1.0, 0, 0, 0]) @ turn, atol=1e-14)
    assert np.array_equal(sd.grad(made("norm(A, 'nuc')", (3, 3)))(np.eye(3)), np.eye(3))


@pytest.mark.parametrize("text", ["pinv(A)", "svdvals(A)", "norm(A, 2)", "norm(A, 'nuc')"])
def test_batches_axes_and_failures(text):
    rng = np.random.default_rng(4)
    a = rng.standard_normal((6, 4, 3))
    a[2], a[3, :, 1] = 0.0, a[3, :, 0]
    f = made(text, (4, 3))
    np.testing.assert_allclose(f(a), np.stack([f(one) for one in a]), rtol=1e-13, atol=1e-13)
    assert np.isnan(f(np.full((4, 3), np.nan))).all()
    if "norm" in text:
        order = 2 if "2" in text else "nuc"
        wide = sd.function(f"norm(A, {order!r}, axis=(2, 0), keepdims=True)", ["A"], shapes={"A": (4, 2, 3)})
        b = rng.standard_normal((4, 2, 3))
        np.testing.assert_allclose(wide(b), np.linalg.norm(b, order, axis=(2, 0), keepdims=True), rtol=1e-13)
    else:
        whole = made(text, (2, 3, 4, 3))
        np.testing.assert_allclose(whole(a.reshape(2, 3, 4, 3)), f(a).reshape(2, 3, *np.shape(f(a[0]))), rtol=1e-13)


def test_cutoffs():
    a = np.diag([1.0, 1e-3, 1e-14])
    np.testing.assert_allclose(made("pinv(A)", (3, 3))(a), np.diag([1, 1e3, 1e14]), rtol=1e-12)
    np.testing.assert_allclose(made("pinv(A, rcond=1e-6)", (3, 3))(a), np.diag([1, 1e3, 0]), rtol=1e-12)
    traced = sd.function(lambda A: np.linalg.pinv(A, rcond=1e-2), ["A"], shapes={"A": (3, 3)})
    np.testing.assert_allclose(traced(a), np.diag([1.0, 0, 0]), atol=1e-15)
    again = sd.function(str(traced.expr), ["A"], shapes={"A": (3, 3)})
    assert np.array_equal(again(a), traced(a))
    with pytest.raises((ParseError, ShapeError), match="rcond is from 0 to 1"):
        made("pinv(A, rcond=2)", (3, 3))
    with pytest.raises(ShapeError, match="4 rows are needed"):
        sd.function("lstsq(A, b)", ["A", "b"], shapes={"A": (4, 2), "b": (2,)})
