"""Elements chosen by numbers at run time: indices under a guard, errors that say which index, and tables."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.errors import IndexRangeError, SymdiffError

X = np.array([1.5, -2.0, 3.0])

GUARDED = [  # text and what Python gives, where an index that is not asked for may be any
    ("where(k < 3, x[k], 0)", lambda x, k, j: x[k] if k < 3 else 0.0),
    ("x[k]**2 if k >= 0 and k < 3 else -1", lambda x, k, j: x[k] ** 2 if 0 <= k < 3 else -1.0),
    ("where(k >= 3, j, sin(x[k])*x[k])", lambda x, k, j: j if k >= 3 else np.sin(x[k]) * x[k]),
    ("where(j < 3, where(k < 3, x[k]*x[j], x[j]), 7)",
     lambda x, k, j: (x[k] * x[j] if k < 3 else x[j]) if j < 3 else 7.0),
    ("Piecewise((x[k], k < 3), (x[k - 3], k < 6), (j, True))",
     lambda x, k, j: x[k] if k < 3 else x[k - 3] if k < 6 else j),
    ("where(k < 3 and x[k] > 0, 1, 2)", lambda x, k, j: 1.0 if k < 3 and x[k] > 0 else 2.0),
    ("where(k >= 3 or x[k] > 0, 1, 2)", lambda x, k, j: 1.0 if k >= 3 or x[k] > 0 else 2.0),
    ("where(k < 3, x[k], 0) + where(k < 3, x[k]*2, 0)", lambda x, k, j: 3 * x[k] if k < 3 else 0.0),
    ("where(k < 3, x[k], 0) + where(j < 3, x[j], 0)",
     lambda x, k, j: (x[k] if k < 3 else 0.0) + (x[j] if j < 3 else 0.0)),
    ("where(k < 3, sum(x[[k, k]]), 0)", lambda x, k, j: 2 * x[k] if k < 3 else 0.0),
    ("where(j < 3, where(x[j] > 0, where(k < 3, x[k], 1), 2), 3)",
     lambda x, k, j: (((x[k] if k < 3 else 1.0) if x[j] > 0 else 2.0) if j < 3 else 3.0)),
    ("where(isnan(j), 0, x[k]) if k < 3 else 4", lambda x, k, j: x[k] if k < 3 else 4.0),
]  # fmt: skip


@pytest.mark.parametrize(("text", "python"), GUARDED)
def test_an_index_that_is_not_asked_for_may_be_any(text, python):
    f = sd.function(f"f(x[3], k, j) = {text}", shapes={"k": (), "j": ()})
    gradient, hessian = sd.grad(f, "x"), sd.hessian(f, "x")
    cases = [(float(k), float(j)) for k in range(8) for j in range(5)]
    expected = [python(X, int(k), int(j)) for k, j in cases]
    np.testing.assert_allclose([f(X, k, j) for k, j in cases], expected, rtol=1e-15)
    k, j = np.array(cases).T
    np.testing.assert_allclose(f(X, k, j), expected, rtol=1e-15)
    step = 1e-6
    for at in ((5.0, 4.0), (1.0, 2.0), (7.0, 0.0)):
        k, j = map(int, at)
        slopes = [(python(X + step * e, k, j) - python(X - step * e, k, j)) / (2 * step) for e in np.eye(3)]
        np.testing.assert_allclose(gradient(X, *at), slopes, atol=1e-6)
        assert np.isfinite(hessian(X, *at)).all()
    again = sd.function(str(f))
    assert again(X, 7.0, 1.0) == f(X, 7.0, 1.0)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=4, max_size=4), st.integers(0, 2))
def test_guards_of_arrays_count_element_by_element(k, axis):
    k = np.array(k, float)
    inside = (k >= -3) & (k < 3)
    safe = np.where(inside, k, 0).astype(int)
    if axis == 0:
        f = sd.function("f(x[3], k[4]) = sum(where(k >= -3 and k < 3, x[k]**2, 0))")
        expected = np.sum(np.where(inside, X[safe] ** 2, 0.0))
    elif axis == 1:
        f = sd.function(lambda x, k: np.where(((k >= -3) & (k < 3))[:, None], np.stack([x, 2 * x], 1)[k], 1.0).sum(),
                        ["x", "k"], shapes={"x": 3, "k": 4})  # fmt: skip
        expected = np.sum(np.where(inside[:, None], np.stack([X, 2 * X], 1)[safe], 1.0))
    else:
        f = sd.function("f(x[3], k[4]) = sum(where(k >= -3 and k < 3, (x*[[1], [2], [3], [4]])[arange(4), k], 0))")
        expected = np.sum(np.where(inside, (X * np.arange(1.0, 5)[:, None])[np.arange(4), safe], 0.0))
    np.testing.assert_allclose(f(X, k), expected, rtol=1e-14)
    assert np.isfinite(sd.grad(f, "x")(X, k)).all()


@pytest.mark.parametrize(
    "text", ["x[k]", "where(k < 3, x[k], 0) + x[k]", "where(x[k] > 0, x[k], 0)", "where(k < 9, x[k], 0)"]
)
def test_an_index_that_is_asked_for_is_checked(text):
    f = sd.function(f"f(x[3], k) = {text}")
    with pytest.raises(IndexRangeError, match=r"index 5 is out of range for axis 0 of x, which is of size 3\nf\(x"):
        f(X, 5.0)


def test_an_error_names_the_index_the_array_its_axis_and_the_place():
    f = sd.function("s = 2*k\nf(A[2, 3], k) = sum(A[:, s])", shapes={"k": ()})
    for bad, shown in ((2.0, "4"), (np.nan, r"NaN \(or infinite\)"), (-np.inf, r"NaN \(or infinite\)"), (-2.0, "-4")):
        said = f"index {shown} is out of range for axis 1 of A, which is of size 3"
        with pytest.raises(IndexRangeError, match=said) as caught:
            f(np.zeros((2, 3)), bad)
        assert caught.value.line == 2
        assert str(caught.value).split("\n")[2].strip() == "^" * len("A[:, s]")
        assert isinstance(caught.value, TypeError | IndexError)
        with pytest.raises(IndexRangeError, match=f"{shown}.*of A"):
            f.steps(np.zeros((2, 3)), bad)
    with pytest.raises(IndexRangeError, match=r"index 6 .* axis 1 of A.*, at batch point 2") as caught:
        f(np.zeros((2, 3)), np.array([0.0, 1.0, 3.0]))
    for twin in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):
        assert str(twin) == str(caught.value)
    with pytest.raises(IndexRangeError, match="in the derivative of"):
        sd.grad(f, "A")(np.zeros((2, 3)), 2.0)


XP, FP = np.array([0.0, 1.0, 2.5, 4.0]), np.array([1.0, 3.0, 2.0, 5.0])
POINTS = np.array([-1.0, 0.0, 0.5, 1.0, 1.7, 2.5, 3.0, 4.0, 5.0, -np.inf, np.inf, np.nan])
SLOPES = [0.0, 1.0, 2.0, 2 / 3, -2 / 3, 2 / 3, 2.0, 1.0, 0.0, 0.0, 0.0, np.nan]
"""The mean of the slopes on both sides; beyond the ends it is 0."""


def test_a_table_between_at_and_beyond_its_points():
    f = sd.function("f(x, xp[4], fp[4]) = interp(x, xp, fp)", shapes={"x": ()})
    np.testing.assert_array_equal(f(POINTS, XP, FP), np.interp(POINTS, XP, FP))
    np.testing.assert_allclose(sd.grad(f, "x")(POINTS, XP, FP), SLOPES, rtol=1e-15)
    by_points, by_values = sd.grad(f, ("xp", "fp"))(POINTS, XP, FP)
    assert np.isnan(by_points[-1]).all()
    assert np.isnan(by_values[-1]).all()
    np.testing.assert_allclose(by_values[:9].sum(1), 1.0)  # a table moved up gives more by as much
    np.testing.assert_allclose(by_points[:9].sum(1), -np.array(SLOPES[:9]), atol=1e-15)  # and moved right less
    assert np.isnan(sd.hessian(f, "x")(np.nan, XP, FP))
    assert sd.hessian(f, "x")(1.7, XP, FP) == 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from(["plain", "ends", "period"]))
def test_tables_are_numpys(size, seed, kind):
    random = np.random.default_rng(seed)
    points = np.cumsum(random.integers(1, 4, size)) / 2.0
    values, x = random.normal(size=size), np.concatenate([random.normal(0, 4, 6), points[:2]])
    options = {"plain": {}, "ends": {"left": -1.0, "right": 9.0}, "period": {"period": 2.75}}[kind]
    if kind == "period":
        points = random.permutation(np.arange(size) * 0.4) + 2.75 * random.integers(-2, 3, size)
    f = sd.function(lambda x, xp, fp: np.interp(x, xp, fp, **options), ["x", "xp", "fp"],
                    shapes={"x": x.shape, "xp": size, "fp": size})  # fmt: skip
    np.testing.assert_allclose(f(x, points, values), np.interp(x, points, values, **options), rtol=1e-12, atol=1e-12)


def test_two_points_in_one_place_are_a_jump():
    f = sd.function("f(x, xp[4], fp[4]) = interp(x, xp, fp)", shapes={"x": ()})
    points = np.array([0.0, 1.0, 1.0, 2.0])
    x = np.array([0.5, 1.0, 1.5])
    np.testing.assert_array_equal(f(x, points, FP), np.interp(x, points, FP))
    assert np.isfinite(sd.grad(f, "x")(x, points, FP)).all()


def test_scatters_and_slices_refuse_what_is_no_index():
    for text in ("scatter(x, '::0', (5,))", "x[::0]"):
        with pytest.raises(SymdiffError, match="step of a slice"):
            sd.function(f"f(x[3]) = {text}")
