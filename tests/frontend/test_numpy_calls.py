"""Calls of NumPy's functions with its keywords and in all their forms: NumPy itself says what each means."""

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import symdiff as sd
from symdiff.errors import CallError, SymdiffError

RANDOM = np.random.default_rng(11)
VALUES = {
    "x": np.array([1.5, -0.5, 2.0, 4.0, 1.0]), "y": RANDOM.normal(size=5), "A": RANDOM.normal(size=(3, 4)),
    "B": RANDOM.normal(size=(3, 4)), "K": RANDOM.normal(size=(2, 3, 4)), "k": np.array([1.0, 0.0, 2.0]),
    "S": RANDOM.normal(size=(3, 3)) + 4 * np.eye(3),
}  # fmt: skip
M = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
m = np.array([True, False, True, True, False])
w = np.array([1.0, 2.0, 1.0, 3.0, 2.0])
counts = np.array([1, 2, 1, 3, 2])
MISSING = np.array([1.0, np.nan, 3.0, np.nan, 4.0])

CALLS = [
    # reductions with where=, initial=, dtype=
    lambda x: np.sum(x, where=m), lambda x: np.sum(x, initial=3.0), lambda A: np.sum(A, axis=0, where=M, initial=1.0),
    lambda A: np.sum(A, axis=1, where=[True, False, True, True], keepdims=True), lambda x: np.sum(x, dtype=float),
    lambda x: x.sum(where=m, dtype=np.float64), lambda x: np.prod(x, where=m, initial=2.0),
    lambda A: np.prod(A, 1, where=M), lambda x: np.mean(x, where=m), lambda A: np.mean(A, axis=0, where=M),
    lambda A: np.var(A, axis=1, where=M, ddof=1), lambda A: np.std(A, where=M), lambda x: np.std(x, correction=1),
    lambda A: np.std(A, axis=0, where=M, keepdims=True), lambda x: np.max(x, initial=9.0),
    lambda x: np.max(x, where=m, initial=-9.0), lambda A: np.min(A, axis=0, where=M, initial=0.0),
    lambda x: np.max(x[:0], initial=2.0), lambda A: np.any(A > 1, axis=0, where=M),
    lambda A: np.all(A > -1, axis=1, where=M), lambda x: x.max(initial=7.0), lambda x: np.sum(x, out=None),
    # statistics
    lambda x: np.cov(x, bias=True), lambda x: np.cov(x, ddof=0), lambda x, y: np.cov(x, y), lambda A: np.cov(A),
    lambda A, B: np.cov(A, B), lambda A, B: np.cov(A, B, rowvar=False, bias=True), lambda A: np.cov(A[:1]),
    lambda x, y: np.cov(x, y, aweights=w), lambda x, y: np.cov(x, y, fweights=counts),
    lambda x, y: np.cov(x, y, fweights=counts, aweights=w, ddof=2), lambda x: np.cov(x, aweights=w, bias=True),
    lambda x, y: np.corrcoef(x, y), lambda A, B: np.corrcoef(A, B, rowvar=True), lambda A: np.corrcoef(A, rowvar=False),
    lambda x: np.average(x, weights=w, returned=True), lambda A: np.average(A, axis=1, returned=True),
    lambda A: np.average(A, axis=1, weights=w[:4], returned=True),
    *(lambda x, method=method, q=q: np.quantile(x, q, method=method)
      for method in ("linear", "lower", "higher", "midpoint", "nearest", "inverted_cdf", "averaged_inverted_cdf",
                     "closest_observation", "interpolated_inverted_cdf", "hazen", "weibull", "median_unbiased",
                     "normal_unbiased") for q in (0.0, 0.3, 0.5, 1.0)),
    lambda A: np.percentile(A, [20, 70], axis=0, method="hazen"), lambda x: np.median(x, overwrite_input=False),
    # differences
    lambda x: np.diff(x, prepend=0.0), lambda x: np.diff(x, append=[1.0, 2.0]),
    lambda A: np.diff(A, prepend=1.0, axis=0),
    lambda A: np.diff(A, n=2, append=A[:, :1], axis=1), lambda x: np.diff(x, n=0, prepend=1.0),
    lambda x: np.ediff1d(x, to_end=1.0, to_begin=[2.0, 3.0]), lambda x: np.gradient(x, edge_order=2),
    lambda x: np.gradient(x, 0.5, edge_order=2), lambda x: np.gradient(x, np.cumsum(w), edge_order=2),
    lambda A: np.gradient(A), lambda A: np.gradient(A, 2.0), lambda A: np.gradient(A, 2.0, 3.0),
    lambda A: np.gradient(A, axis=1, edge_order=2), lambda A: np.gradient(A, axis=(0, 1)),
    lambda x: np.trapezoid(x, dx=0.5), lambda x: np.interp(0.7, np.arange(5.0), x),
    # products
    lambda x, y: np.einsum("i,i->", x, y, optimize=True), lambda A, B: np.einsum(A, [0, 1], B, [0, 1], [0]),
    lambda A, B: np.einsum(A, [0, 1], B, [2, 1]), lambda K: np.einsum(K, [Ellipsis, 1], [1, Ellipsis]),
    lambda A: np.einsum(A, [1, 0]), lambda A, x: np.einsum("ij,j->i", A, x[:4], optimize="greedy"),
    # norms and linear algebra
    lambda x: np.linalg.vector_norm(x), lambda A: np.linalg.vector_norm(A), lambda K: np.linalg.vector_norm(K, axis=1),
    lambda K: np.linalg.vector_norm(K, axis=(0, 2), keepdims=True), lambda x: np.linalg.vector_norm(x, ord=3),
    lambda A: np.linalg.vector_norm(A, ord=np.inf, keepdims=True), lambda A: np.linalg.matrix_norm(A),
    lambda K: np.linalg.matrix_norm(K, ord=1), lambda K: np.linalg.matrix_norm(K, keepdims=True),
    lambda S: np.linalg.slogdet(S).logabsdet, lambda S: np.linalg.slogdet(S).sign, lambda S: np.linalg.slogdet(S)[1],
    lambda S: np.linalg.cholesky(S @ S.T, upper=True),
    # methods of ufuncs
    lambda x, y: np.add.outer(x, y), lambda x, A: np.subtract.outer(x, A), lambda x: np.multiply.outer(x, [1.0, 2.0]),
    lambda x, y: np.arctan2.outer(x, y), lambda x, y: np.greater.outer(x, y), lambda A: np.add.reduce(A),
    lambda A: np.add.reduce(A, axis=(0, 1)), lambda A: np.add.reduce(A, axis=1, keepdims=True),
    lambda A: np.multiply.reduce(A, initial=2.0), lambda A: np.logaddexp.reduce(A), lambda x: np.subtract.reduce(x),
    lambda A: np.logaddexp.reduce(A, axis=1, keepdims=True), lambda A: np.hypot.reduce(A, axis=None),
    lambda x: np.maximum.accumulate(x), lambda A: np.minimum.accumulate(A, axis=1), lambda x: np.add.accumulate(x),
    lambda A: np.logaddexp.accumulate(A, axis=-1), lambda A: np.maximum.reduce(A, axis=1),
    lambda x: np.add.reduce(x, where=m), lambda A: np.subtract.accumulate(A),
    # parts and places
    lambda A: np.delete(A, [0, 2], axis=1), lambda x: np.delete(x, 1), lambda x: np.delete(x, slice(1, 4, 2)),
    lambda x: np.delete(x, m), lambda A: np.delete(A, -1, axis=0), lambda A: np.delete(A, [0, 5]),
    lambda x: np.insert(x, [1, 3], [8.0, 9.0]), lambda A: np.insert(A, [0, 2], 7.0, axis=1),
    lambda x: np.insert(x, 2, 5.0),
    lambda A: np.unstack(A), lambda A: np.unstack(A, axis=1), lambda x: np.array_split(x, 3),
    lambda A: np.array_split(A, [1, 3], axis=1), lambda A: np.split(A, [1, 2]), lambda A: np.hsplit(A, [1, 3]),
    lambda A: np.vsplit(A, [2]), lambda K: np.dsplit(K, [1]), lambda A: np.split(A, 2, axis=1)[1],
    lambda x: np.take(x, [7, -8, 2], mode="wrap"), lambda x, k: np.take(x, (5*k - 4).astype(int), mode="clip"),
    lambda x, k: np.take(x, (5*k - 4).astype(int), mode="wrap"),
    lambda A: np.take(A, [[0, 1], [2, 0]], axis=0, mode="raise"),
    lambda x: np.searchsorted([0.0, 1.0, 2.0], x), lambda x: np.searchsorted(np.arange(3.0), x, side="right"),
    lambda x: np.searchsorted(x[[1, 4, 0, 2, 3]], [1.0, 1.2], side="right"), lambda x: np.digitize(x, [0.0, 1.0, 2.0]),
    lambda x: np.digitize(x, [0.0, 1.0, 2.0], right=True), lambda x: np.bincount([0, 2, 2, 1, 0], x, minlength=5),
    lambda x, y: np.dstack([x, y]), lambda A, B: np.dstack([A, B]), lambda A, x: np.broadcast_arrays(A, x[:4]),
    lambda A: np.rollaxis(A, 1), lambda K: np.rollaxis(K, 0, 3), lambda K: np.rollaxis(K, 2, 1),
    lambda A: np.sort(A, axis=None), lambda A: np.argsort(A, axis=None), lambda A: A.argmax(axis=None),
    lambda A: np.cumsum(A, axis=None), lambda A: np.repeat(A, 2, axis=None),
    lambda x: np.sort(x, kind="stable"), lambda x: np.cumulative_sum(x, include_initial=True),
    lambda x: np.cumulative_prod(x, include_initial=True),
    lambda A, B: np.block([[A, B], [B, A]]), lambda x, y: np.block([x, y]), lambda A, x: np.block([[A], [x[:4]]]),
    lambda x, A: np.block([[1.0, x[:4]], [A[:, :1], A]]), lambda K: np.block([K, K]), lambda x: np.block(x),
    # comparisons and numbers
    lambda x, y: np.isclose(x, y, rtol=1.0), lambda x, y: np.isclose(x, y, atol=1.0),
    lambda x: np.allclose(x, x + 1e-12),
    lambda x: np.isclose([np.inf, -np.inf, 1.0, np.inf, np.nan], np.where(x > 9, x, np.inf)),
    lambda x: np.isclose(x * np.nan, MISSING, equal_nan=True), lambda x, y: np.array_equal(x, y),
    lambda x: np.array_equal(x, x), lambda x: np.nan_to_num(x + MISSING, nan=7.0), lambda x: np.around(x / 3, 2),
    lambda x: np.nan_to_num(x * [np.inf, 1, 1, -np.inf, 1], posinf=8.0), lambda x: np.real(x), lambda x: np.imag(x),
    lambda x: np.nanvar(x + MISSING), lambda x: np.nanstd(x + MISSING, ddof=1), lambda x: np.nancumsum(x + MISSING),
    lambda x: np.nancumprod(x + MISSING), lambda x: x.astype(float), lambda x: (x > 1).astype(float).sum(),
    lambda x: x.astype(bool), lambda x: x.astype(int), lambda x: x.conjugate() + x.real,
    lambda x: np.piecewise(x, [x < 1, x > 1.8], [lambda v: -v, lambda v: v**2]),
    lambda x: np.piecewise(x, [x < 1, x < 3], [1.0, 2.0, lambda v: v]),
    # arrays of expressions: element by element
    lambda x: np.arctan2(np.array([x[0], x[1]]), 1.0), lambda x: np.array([x[0], x[1]]) * 2.0,
    lambda x: np.hypot(np.array([x[0], x[1]]), np.array([x[2], x[3]])), lambda x: np.array([[x[0], x[1]]]).T @ [[1.0]],
    lambda x: np.exp(np.array([x[0], x[1]])), lambda x: np.dot(np.array([x[0], x[1]]), x[:2]),
]  # fmt: skip


def flat(value):
    return [np.asarray(v) for v in value] if isinstance(value, tuple | list) else [np.asarray(value)]


@pytest.mark.parametrize("call", CALLS)
def test_a_call_means_what_it_means_in_numpy(call):
    names = [n for n in call.__code__.co_varnames[: call.__code__.co_argcount] if n in VALUES]
    given = [VALUES[n] for n in names]
    with np.errstate(all="ignore"):
        expected = flat(call(*given))

    def traced(*values):
        found = call(*values)
        return tuple(found) if isinstance(found, tuple | list) else found

    found = flat(sd.function(traced, names, shapes={n: VALUES[n].shape for n in names})(*given))
    assert [f.shape for f in found] == [e.shape for e in expected]
    for own, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(own, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: np.add(x, 1.0, out=np.zeros(5)), r"instead of z \+= x write z = z \+ x"),
        (lambda x: np.sum(x, out=np.zeros(())), r"write z = np\.sum"),
        (lambda x: np.sum(x, dtype=int), "leave dtype out"),
        (lambda x: np.quantile(x, 0.5, weights=w), r"it takes quantile\(x, q, .*method"),
        (lambda x: np.quantile(x, 0.5, method="best"), "it is one of linear, lower"),
        (lambda x: np.max(x, where=m), r"initial=…, where=c"), (lambda x: np.add.reduceat(x, [0, 2]), "not supported"),
        (lambda x: np.add.at(x, [0], 1.0), "not supported"), (lambda x: np.fill_diagonal(x, 0), "np.eye"),
        (lambda x: np.copyto(x, 0), "np.where"), (lambda x: np.fft.fft(x), r"np\.fft|fft of an Expr"),
        (lambda x: np.apply_along_axis(np.sum, 0, x), "not supported"), (lambda x: np.where(x > 0), "three arguments"),
        (lambda x: np.cov(x, nonsense=1), "nonsense"), (lambda x: np.delete(x, 9), "out of range"),
        (lambda x: np.insert(x, [9], 1.0), "out of range"), (lambda x: np.take(x, [0], mode="other"), "mode of take"),
    ],
)  # fmt: skip
def test_a_refused_keyword_says_what_to_do(call, says):
    with pytest.raises(SymdiffError, match=says) as caught:
        sd.function(call, ["x"], shapes={"x": 5})
    assert not caught.value.hint.endswith(("write np.cov(x)", "write np.quantile(x)", "write np.sum(x)"))


OF_OBJECTS = [
    lambda x: np.linalg.det(np.array([[x[0], x[1]], [x[2], x[3]]])), lambda x: np.mean([x[0], x[1]]),
    lambda x: np.std(np.array([x[0], x[1]])), lambda x: np.array([x[0], x[1]], dtype=float),
    lambda x: np.where(np.array([x[0], x[1]]) > 1, 1.0, 0.0), lambda x: np.linalg.inv([[x[0], x[1]], [x[2], x[3]]]),
    lambda x: np.sin([x[0], 1.0, "a"]), lambda x: np.median([x[0], x[1], x[2]]),
    lambda x: np.sin(np.array([x[0], 1.0])),
    lambda x: np.logaddexp(np.array([1.0, x[0]]), 2.0), lambda x: np.zeros(2).__setitem__(0, x[0]),
    lambda x: np.maximum(np.array([x[0], x[1]]), 1.0), lambda x: np.sort(np.array([x[0], x[1]])),
]  # fmt: skip


@pytest.mark.parametrize("call", OF_OBJECTS)
def test_what_numpy_cannot_do_with_arrays_of_expressions_says_how_to_make_one(call):
    with pytest.raises(CallError, match=r"np\.stack|sd\.array"):
        sd.function(call, ["x"], shapes={"x": 4})


def test_an_error_of_a_traced_function_is_one_of_the_family():
    def wrong(x):
        return {"a": x}["b"]

    with pytest.raises(CallError, match="wrong cannot be traced: KeyError: 'b'") as caught:
        sd.function(wrong, ["x"])
    assert isinstance(caught.value.__cause__, KeyError)


def test_elements_are_not_assigned():
    def build(x):
        x[0] = 0.0
        return x

    with pytest.raises(CallError, match=r"sd\.where.*np\.concatenate"):
        sd.function(build, ["x"], shapes={"x": 3})


def test_a_dictionary_is_several_outputs_with_names():
    f = sd.function(lambda x: {"a": x, "b": {"c": 2 * x, "d": (x, -x)}}, ["x"])
    assert f(3.0) == {"a": 3.0, "b": {"c": 6.0, "d": (3.0, -3.0)}}
    assert f.outputs == ("a", "c", "d", "d_2")
    assert sd.function(lambda x: {"a": x, "b": x * x}, ["x"], outputs="b")(3.0) == 9.0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: scipy.special.logsumexp(x), r"write sd\.logsumexp\(x\)"),
        (lambda x: scipy.special.softmax(x), r"write sd\.softmax"),
        (lambda x: scipy.special.hyp2f1(1.0, 2.0, 3.0, x), r"scipy\.special\.hyp2f1 of an Expr"),
        (lambda x: scipy.linalg.solve(np.eye(4), x), r"write sd\.solve"), (lambda x: x.sort(), r"np\.sort\(x\)"),
        (lambda x: np.arange(4.0)[x[0]], r"sd\.array\(a\)\[k\]"),
        (lambda x: np.take(np.arange(4.0), x), r"sd\.array\(a\)\[k\]"),
        (lambda x: [1, 2, 3][x[0]], r"sd\.array\(a\)\[k\]"), (lambda x: f"{x[0]:.2f}", "cannot be traced"),
        (lambda x: 1j * x, "cannot be traced"), (lambda x: np.block([[x], x]), "different depths"),
    ],
)  # fmt: skip
def test_what_ends_a_trace_says_what_to_write(call, says):
    with pytest.raises(SymdiffError, match=says):
        sd.function(call, ["x"], shapes={"x": 4})
