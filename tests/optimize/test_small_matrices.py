"""Linear algebra of a few rows by elimination on single elements, beside NumPy's."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.ops.small_matrices import MOST_ROWS

SIZES = range(1, MOST_ROWS + 1)
FORMULAS = {
    "solve": ("solve(A, B)", lambda a, b: np.linalg.solve(a, b)),
    "inv": ("inv(A)", lambda a, b: np.linalg.inv(a)),
    "det": ("det(A)", lambda a, b: np.linalg.det(a)),
    "logdet": ("logdet(A)", lambda a, b: np.linalg.slogdet(a)[1]),
    "lower": ("solve_triangular(A, B, lower=True)", lambda a, b: np.linalg.solve(np.tril(a), b)),
    "upper": ("solve_triangular(A, B, lower=False)", lambda a, b: np.linalg.solve(np.triu(a), b)),
    "cholesky": ("cholesky(A @ A.T)", lambda a, b: np.linalg.cholesky(a @ np.swapaxes(a, -1, -2))),
}


def made(text, n, **options):
    return sd.function(text, ["A", "B"], shapes={"A": (n, n), "B": (n, 2)}).compile(**options)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", FORMULAS)
def test_points_and_batches_are_numpys(name, n):
    text, want = FORMULAS[name]
    rng = np.random.default_rng(n)
    a, b = rng.standard_normal((40, n, n)), rng.standard_normal((40, n, 2))
    a[::3] *= 10.0 ** rng.integers(-9, 9, (14, n, 1))  # rows of very different sizes: pivots matter
    if n > 1 and name not in ("lower", "upper"):
        a[1::3, 0, 0] = 0.0
    function = made(text, n)
    assert function.kernel.statistics.library_calls == 0
    found = function(a, b)
    for k in range(40):
        np.testing.assert_allclose(function(a[k], b[k]), found[k], rtol=1e-14 if name == "logdet" else 0)
        size = max(1.0, np.linalg.cond(a[k])) if name != "logdet" else 10.0
        close = want(a[k], b[k])
        np.testing.assert_allclose(found[k], close, rtol=0, atol=1e-14 * n * size**2 * max(np.abs(close).max(), 1e-300))


def test_backward_error_is_that_of_pivoting():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2000, 4, 4)), rng.standard_normal((2000, 4, 2))
    a[:, 0, 0] *= 1e-12
    x = made("solve(A, B)", 4)(a, b)
    error = np.abs(a @ x - b).max(axis=(1, 2)) / (np.abs(a).max(axis=(1, 2)) * np.abs(x).max(axis=(1, 2)))
    assert error.max() < 1e-15


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_singular_matrices(n):
    a, b = np.ones((n, n)) if n > 1 else np.zeros((1, 1)), np.ones((n, 2))
    assert np.isnan(made("solve(A, B)", n)(a, b)).all()
    assert np.isnan(made("inv(A)", n)(a, b)).all()
    assert made("det(A)", n)(a, b) == 0.0
    assert made("logdet(A)", n)(a, b) == -np.inf
    assert np.isnan(made("solve_triangular(A, B, lower=True)", n)(np.zeros((n, n)), b)).all()
    assert np.isnan(made("cholesky(A)", n)(-np.eye(n), b)).all()


@pytest.mark.parametrize("text", ["solve(A, B)", "inv(A)", "cholesky(-A)", "solve_triangular(A - 1, B)"])
def test_failures_are_invalid_operations_in_batches(text):
    function, bad, b = made(text, 2), np.ones((2, 2)), np.ones((2, 2))
    function(bad, b)  # points never warn
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="invalid"):
        function(np.stack([bad, bad]), b)


def test_nan_in_a_matrix():
    a = np.eye(3)
    a[2, 0] = np.nan
    for text in ("solve(A, B)", "inv(A)", "det(A)", "logdet(A)"):
        assert np.isnan(made(text, 3)(a, np.ones((3, 2)))).any()
    assert np.isnan(made("cholesky(A)", 3)(a, np.ones((3, 2)))).all()


def test_strict_is_the_librarys():
    assert made("inv(A)", 3, fp="strict").kernel.statistics.library_calls == 1
    assert made("inv(A)", MOST_ROWS + 1).kernel.statistics.library_calls == 1


def test_derivatives():
    rng = np.random.default_rng(3)
    a, b = rng.standard_normal((3, 3)) + 3 * np.eye(3), rng.standard_normal((3, 2))
    f = sd.function("sum(solve(A, B)**2) + logdet(A)", ["A", "B"], shapes={"A": (3, 3), "B": (3, 2)})
    slope = sd.grad(f, "A")(a, b)
    step = 1e-6
    for k in np.ndindex(3, 3):
        move = np.zeros((3, 3))
        move[k] = step
        assert slope[k] == pytest.approx((f(a + move, b) - f(a - move, b)) / (2 * step), rel=1e-6, abs=1e-7)
