"""Determinants, their signs, logarithms and derivatives beside exact fractions, for matrices of every kind."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate

SIZES = range(1, 9)


def exact(rows):
    """The determinant of a matrix of fractions, by elimination."""
    rows, found = [list(row) for row in rows], Fraction(1)
    for k in range(len(rows)):
        pivot = next((i for i in range(k, len(rows)) if rows[i][k]), None)
        if pivot is None:
            return Fraction(0)
        if pivot != k:
            rows[k], rows[pivot], found = rows[pivot], rows[k], -found
        found *= rows[k][k]
        for i in range(k + 1, len(rows)):
            factor = rows[i][k] / rows[k][k]
            rows[i] = [a - factor * b for a, b in zip(rows[i], rows[k], strict=True)]
    return found


def fractions(a):
    return [[Fraction(float(x)) for x in row] for row in a]


def exact_slopes(a):
    """The cofactors."""
    rows, n = fractions(a), len(a)

    def minor(i, j):
        return exact([row[:j] + row[j + 1 :] for k, row in enumerate(rows) if k != i])

    return np.array([[float((-1) ** (i + j) * minor(i, j)) for j in range(n)] for i in range(n)])


def of_rank(n, rank, rng):
    return (rng.integers(-2, 3, (n, rank)) @ rng.integers(-2, 3, (rank, n))).astype(float)


KINDS = {
    "normal": lambda n, rng: rng.standard_normal((n, n)),
    "integers": lambda n, rng: rng.integers(-4, 5, (n, n)).astype(float),
    "rank n - 1": lambda n, rng: of_rank(n, n - 1, rng),
    "rank n - 2": lambda n, rng: of_rank(n, max(n - 2, 0), rng),
    "nilpotent": lambda n, rng: np.eye(n, k=1),
    "zeros": lambda n, rng: np.zeros((n, n)),
    "a zero pivot on the way": lambda n, rng: np.roll(np.triu(rng.integers(1, 4, (n, n))), 1, axis=0).astype(float),
    "small first pivot": lambda n, rng: rng.standard_normal((n, n)) - np.diag([1e-12] + [0.0] * (n - 1)),
    "graded rows": lambda n, rng: rng.standard_normal((n, n)) * 8.0 ** -np.arange(n)[:, None],
}
OPTIONS = [{"fp": "contract"}, {"fp": "strict"}]


def made(text, n, dtype="float64"):
    return sd.function(text, ["A"], shapes={"A": (n, n)}, dtype=dtype)


def interpreted(f, a):
    return np.asarray(evaluate(f.graph, f.nodes, {f._name_table()["A"]: a})[0])


def product_of_rows(a, left_out):
    """Hadamard's bound of a determinant of all rows but the smallest few."""
    return np.prod(np.sort(np.linalg.norm(a, axis=1))[left_out:]) or 1.0


KINDS_OF = [*((n, "float64") for n in (1, 2, 3, 4, 5, 6, 8)), (3, "float32"), (5, "float32")]


@pytest.mark.parametrize(("n", "dtype"), KINDS_OF)
def test_values_and_slopes_of_every_kind(n, dtype):
    f, slopes, adjugate = made("det(A)", n, dtype), sd.grad(made("det(A)", n, dtype)), made("adjugate(A)", n, dtype)
    calls = [(f.compile(**o), slopes.compile(**o), adjugate.compile(**o)) for o in OPTIONS]
    calls.append(tuple(lambda a, g=g: interpreted(g, a) for g in (f, slopes, adjugate)))
    eps = np.finfo(dtype).eps
    for k, kind in enumerate(KINDS):
        a = KINDS[kind](n, np.random.default_rng(10 * n + k)).astype(dtype)
        right, cofactors = float(exact(fractions(a))), exact_slopes(a)
        for value, slope, turned in calls:
            assert abs(value(a) - right) <= 4 * n * eps * product_of_rows(a, 0), kind
            assert np.abs(slope(a) - cofactors).max() <= 4 * n * eps * product_of_rows(a, 1), kind
            assert np.abs(turned(a) - cofactors.T).max() <= 4 * n * eps * product_of_rows(a, 1), kind


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("n", SIZES)
def test_sign_and_logarithm_are_of_one_elimination(n, dtype):
    rng = np.random.default_rng(n)
    f = made("slogdet(A)", n, dtype)
    for options in OPTIONS:
        g = f.compile(**options)
        for _ in range(20):
            x = rng.standard_normal((n, 1))
            a = (x @ x.T * 1e3 + (1e-6 if dtype == "float64" else 1) * np.diag(rng.uniform(1, 2, n))).astype(dtype)
            sign, logarithm = g(a)  # positive definite, nearly of rank 1
            assert sign == 1
            assert logarithm == pytest.approx(math.log(exact(fractions(a))), rel=1e-3)
            if n > 1:
                assert g(a[[1, 0, *range(2, n)]])[0] == -1
        assert g(np.zeros((n, n))).tolist() == [0, -math.inf]
        assert np.isnan(g(np.full((n, n), math.nan))).all()
        assert g(-a)[0] == (-1.0) ** n
    assert np.array_equal(sd.jacobian(made("det_sign(A)", n))(np.eye(n)), np.zeros((n, n)))


RANGES = {
    "float64": [1e200, 1e200, 1e-300, 1e-90, 1e-150, 1e150, 3e-8, 1e8],
    "float32": [1e30, 1e30, 2e-38, 1e-15, 1e-20, 1e20, 3e-8, 1e8],
}


@pytest.mark.parametrize("dtype", RANGES)
@pytest.mark.parametrize("n", SIZES)
def test_nothing_leaves_the_range_on_the_way(n, dtype):
    f, logs = made("det(A)", n, dtype), made("slogdet(A)", n, dtype)
    values = np.array(RANGES[dtype][-n:], dtype)
    calls = [(f.compile(**o), logs.compile(**o)) for o in OPTIONS] + [
        tuple(lambda a, g=g: interpreted(g, a) for g in (f, logs))
    ]
    for order in itertools.islice(itertools.permutations(range(n)), 0, None, max(1, math.factorial(n) // 40)):
        for shift in (0, 1):
            a = np.roll(np.diag(values[list(order)]), shift, axis=0)
            sign = (-1) ** (shift * (n - 1))
            right = math.prod(Fraction(float(v)) for v in values)
            for value, both in calls:
                assert value(a) == pytest.approx(sign * float(right), rel=1e-5 if dtype == "float32" else 1e-14)
                found, logarithm = both(a)
                assert found == sign
                assert logarithm == pytest.approx(sum(math.log(v) for v in values.tolist()), rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("n", SIZES)
def test_slopes_of_characteristic_polynomials(n):
    slope = sd.grad(sd.function(f"det(A - l*eye({n}))", ["l", "A"], shapes={"l": (), "A": (n, n)}), "l")
    roots = np.arange(1.0, n + 1)
    for options in OPTIONS:
        g = slope.compile(**options)
        turn = np.linalg.qr(np.random.default_rng(n).standard_normal((n, n)))[0]
        for root in roots:
            right = -math.prod(r - root for r in roots if r != root)
            assert g(root, np.diag(roots)) == pytest.approx(right, rel=1e-13)
            assert g(root, turn @ np.diag(roots) @ turn.T) == pytest.approx(right, rel=1e-9)


@pytest.mark.parametrize("n", SIZES)
def test_second_derivatives(n):
    """Right at every matrix of up to four rows; of more, right at regular ones and NaN at singular ones."""
    second = sd.hessian(made("det(A)", n))
    a = np.random.default_rng(n).integers(-3, 4, (n, n)) + 4.0 * np.eye(n)
    step = np.zeros((n, n))
    for matrix in (a, np.diag([*range(1, n), 0.0])):
        found = second(matrix)
        if n > 4 and matrix is not a:
            assert np.isnan(found).all()
            continue
        for i, j in [(0, 0), (n - 1, n - 1), (0, n - 1)]:
            step[:] = 0
            step[i, j] = 1  # cofactors are linear in each entry
            want = exact_slopes(matrix + step) - exact_slopes(matrix)
            np.testing.assert_allclose(found[i, j], want, rtol=1e-9, atol=1e-9 * np.abs(want).max())


@pytest.mark.parametrize("n", [3, 5, 7])
def test_batches_are_loops(n):
    rng = np.random.default_rng(n)
    a = rng.standard_normal((6, n, n))
    a[1] = np.diag([*range(1, n), 0.0])
    a[2, 0] = a[2, 1]
    for f in (made("det(A)", n), made("slogdet(A)", n), made("adjugate(A)", n), sd.grad(made("det(A)", n))):
        with np.errstate(divide="ignore"):  # the logarithm of a singular one
            np.testing.assert_allclose(f(a), np.stack([f(one) for one in a]), rtol=1e-12, atol=1e-12)
    whole = sd.function("det(A)", ["A"], shapes={"A": (2, 3, n, n)})
    np.testing.assert_allclose(whole(a.reshape(2, 3, n, n)).ravel(), made("det(A)", n)(a), rtol=1e-12)
