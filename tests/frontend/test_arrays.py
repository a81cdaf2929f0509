"""Functions of arrays, products and subscripts: NumPy says what each text means."""

import numpy as np
import pytest
import scipy.linalg
import scipy.special

from symdiff.errors import NeedsShape, Open, ParseError, ShapeError, SymdiffError, UnknownNameError
from symdiff.frontend.arguments import ArrayFunction
from symdiff.frontend.calls import UNAVAILABLE, functions, is_function, look_up
from symdiff.frontend.functions import function_named
from symdiff.frontend.parser import elaborate_open, free_names, parse, read_text
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.signature import Argument

ARRAYS = {name: look_up(name) for name in functions() if isinstance(look_up(name), ArrayFunction)}

RANDOM = np.random.default_rng(5)
VALUES = {
    "x": RANDOM.normal(size=4), "y": RANDOM.normal(size=4), "u": RANDOM.normal(size=3), "v": RANDOM.normal(size=3),
    "A": RANDOM.normal(size=(3, 4)), "B": RANDOM.normal(size=(4, 3)), "C": RANDOM.normal(size=(3, 4)),
    "S": RANDOM.normal(size=(3, 3)) + 3 * np.eye(3), "Q": RANDOM.normal(size=(4, 4)) + 4 * np.eye(4),
    "K": RANDOM.normal(size=(2, 3, 4)), "L": RANDOM.normal(size=(2, 4, 3)), "Z": np.zeros((0, 3)), "z": np.zeros(0),
    "labels": np.array([2.0, 0.0, 3.0]), "s": np.float64(1.5), "row": RANDOM.normal(size=(1, 4)),
    "D": RANDOM.normal(size=(3, 2, 2)),
}  # fmt: skip


def build(text, **options):
    """The parsed text with the inputs that it uses, and its value."""
    shapes = {k: v.shape for k, v in VALUES.items()}
    parsed = parse(text, shapes=shapes, **options)
    given = {node: VALUES[name] for name, node in parsed.names.items() if parsed.graph.ops[node].name == "input"}
    value = evaluate(parsed.graph, [parsed.output], given)[0]
    assert np.shape(value) == parsed.graph.types[parsed.output].shape
    return parsed, np.asarray(value)


def logsumexp(*args, **keywords):
    return scipy.special.logsumexp(*args, **keywords)


SAME = [  # texts that are Python with NumPy's names
    # reductions
    "sum(A)", "sum(A, 0)", "sum(A, axis=1)", "sum(A, axis=-1, keepdims=True)", "sum(K, axis=(0, 2))",
    "sum(K, axis=(-1, 0), keepdims=True)", "sum(A, axis=None)", "sum([1, 2, 3])", "sum((1, 2))", "sum(A > 0)",
    "sum(A > 0, axis=0)", "sum(Z, axis=0)", "sum(Z)", "sum(x[:0])", "sum(sum(A))", "sum(3)", "sum(a=A, axis=0)",
    "prod(A)", "prod(A, axis=0)", "prod(A, 1, keepdims=True)", "prod(Z, axis=0)", "mean(A)", "mean(A, axis=0)",
    "mean(A, axis=(0, 1), keepdims=True)", "mean(K, (0, 1))", "var(A)", "var(A, axis=0)", "var(A, axis=1, ddof=1)",
    "std(A, 0)", "std(x, ddof=1)", "std(A, axis=1, keepdims=True)", "max(A)", "max(A, axis=0)", "max(A, axis=(0, 1))",
    "amax(A, 1)", "min(A)", "min(A, axis=-1, keepdims=True)", "amin(A, 0)", "max(x)", "max([1, 3, 2])",
    "ptp(A, axis=0)",
    "norm(x)", "norm(A)", "norm(A, axis=0)", "norm(A, axis=1, keepdims=True)", "norm(x, 1)", "norm(x, 2)",
    "norm(x, inf)",
    "norm(x, -inf)", "norm(x, 0)", "norm(x, 3)", "norm(x, ord=1.5)", "norm(A, 'fro')", 'norm(A, ord="fro")',
    "norm(A, 1)",
    "norm(A, inf)", "norm(A, -1)", "norm(A, -inf)", "norm(A, 1, axis=0)", "norm(A, inf, axis=1)",
    "norm(K, axis=(0, 2))",
    "logsumexp(A)", "logsumexp(A, axis=1)", "logsumexp(1000*A, axis=0, keepdims=True)", "logsumexp(x, b=y*y)",
    "softmax(A)", "softmax(A, axis=1)", "log_softmax(A, axis=-1)", "log_softmax(x)", "any(A > 1)", "any(A > 1, axis=0)",
    "all(A > -9, axis=1)", "any(A)", "all(A, 0)", "cumsum(A)", "cumsum(A, axis=0)", "cumsum(A, 1)", "cumprod(x)",
    "cumprod(A, axis=1)", "cumsum(z)", "average(x)", "average(x, weights=y*y)", "average(A, axis=0, weights=u*u)",
    "average(A, axis=1)", "count_nonzero(A > 0)", "trapezoid(x)", "trapezoid(x, dx=0.5)", "trapezoid(A, axis=0)",
    "trapezoid(A, y)", "sum(exp(A), axis=1)/sum(A)", "max(A, axis=0) - min(A, axis=0)", "norm(A, axis=(0, 1))",
    "cov(A)", "cov(A, rowvar=False)", "cov(x)", "corrcoef(A)", "vander(x)", "vander(x, 3)",
    "vander(x, increasing=True)",
    "polyval([1, 2, 3], x)", "polyval(x, s)", "cov(A, ddof=0)",
    # products
    "A @ x", "A @ B", "x @ B", "x @ y", "K @ L", "K @ x", "x @ L", "K @ B", "A @ L", "-A @ B", "A @ B @ u", "2 * A @ x",
    "A @ x * 2", "A @ x + u", "matmul(A, B)", "matmul(K, L)", "dot(x, y)", "dot(A, x)", "dot(A, B)", "dot(2, x)",
    "dot(K, L)", "dot(K, x)", "dot(s, s)", "inner(x, y)", "inner(A, C)", "inner(A, x)", "outer(x, u)", "outer(A, u)",
    "vdot(A, C)", "kron(A, u)", "kron(A, S)", "kron(x, y)", "tensordot(A, B, 1)",
    "tensordot(A, B, axes=([1, 0], [0, 1]))",
    "tensordot(K, A, axes=((1, 2), (0, 1)))", "tensordot(x, u, 0)", "tensordot(K, A)", "einsum('ij,jk->ik', A, B)",
    'einsum("ij,jk", A, B)', 'einsum("ij->ji", A)', 'einsum("ij->j", A)', 'einsum("ii", S)', 'einsum("ii->i", S)',
    'einsum("bij,bjk->bik", K, L)', 'einsum("...ij,...jk->...ik", K, L)', 'einsum("...ij,jk", K, B)',
    'einsum("i,i,i->", x, y, x)', 'einsum("ij, ij -> i", A, C)', 'einsum("i,j", x, u)', 'einsum("ba", A)',
    'einsum("...,...", A, C)', 'einsum("ij,kj->", A, C)', 'einsum("i...->...", K)', "trace(S)", "trace(A)",
    "trace(S, 1)",
    "trace(K, axis1=1, axis2=2)", "trace(A @ B)", "cross(u, v)", "cross(S, u)", "cross(S, v, axis=0)" , "x.dot(y)",
    "A.dot(x).sum()", "matrix_power(S, 3)", "matrix_power(S, 0)", "matrix_power(S, -2)", "matrix_power(S, 7)",
    "multi_dot([A, B, u])", "inv(S)", "inv(S) @ u", "det(S)", "det(Q)", "solve(S, u)", "solve(S, A)", "solve(Q, B)",
    "cholesky(S @ S.T)", "inv(D)" , "det(D)", "inv(D)[0]",
    # diagonals and triangles
    "diag(x)", "diag(x, 1)", "diag(x, k=-2)", "diag(S)", "diag(A, 1)", "diag(A, -1)", "diagonal(K)",
    "diagonal(K, 1, 1, 2)", "diagonal(K, offset=-1, axis1=2, axis2=0)", "diagflat(S)", "tril(S)", "triu(S)",
    "tril(A, 1)",
    "triu(A, k=-1)", "tril(K)", "diag([1, 2, 3])",
    # shapes
    "A.T", "x.T", "K.T", "K.mT", "A.T @ u", "-A.T", "A.T**2", "(A + 1).T", "transpose(A)", "transpose(K, (1, 0, 2))",
    "transpose(K, axes=[2, 0, 1])", "swapaxes(K, 0, 2)", "moveaxis(K, 0, -1)", "moveaxis(K, (0, 1), (2, 0))",
    "reshape(A, (4, 3))", "reshape(A, -1)", "reshape(A, (2, -1))", "reshape(A, [6, 2])", "reshape(K, (2, 12))",
    "ravel(A)",
    "A.reshape(2, 6)", "A.reshape((2, -1))", "A.flatten()", "A.T.ravel()", "squeeze(row)", "squeeze(row, axis=0)",
    "expand_dims(x, 0)", "expand_dims(x, axis=(0, 2))", "broadcast_to(x, (3, 4))", "broadcast_to(s, (2, 2))",
    "atleast_1d(s)", "atleast_2d(x)", "atleast_2d(s)", "atleast_3d(x)", "atleast_3d(A)", "concatenate([x, u])",
    "concatenate((A, C))", "concatenate((A, C), axis=1)", "concatenate([A, row], 0)", "concatenate([A, B], axis=None)",
    "append(x, u)", "append(x, 3)", "append(A, row, axis=0)", "hstack([x, u])", "hstack((A, C))", "hstack([s, s])",
    "vstack([x, y])", "vstack((A, x))", "column_stack([x, y])", "column_stack((B, x))", "stack([x, y])",
    "stack((x, y), axis=1)", "stack([A, C], axis=-1)", "stack([A, C], 1)", "flip(A)", "flip(A, axis=1)",
    "flip(K, (0, 1))",
    "fliplr(A)", "flipud(A)", "rot90(A)", "rot90(A, 2)", "rot90(A, -1)", "roll(x, 1)", "roll(A, 1)",
    "roll(A, -1, axis=1)",
    "roll(A, (1, 2), axis=(0, 1))", "roll(x, 9)", "tile(x, 2)", "tile(A, (2, 1))", "tile(x, (2, 2))", "tile(K, 2)",
    "repeat(x, 2)", "repeat(A, 2, axis=0)", "repeat(A, 3, axis=-1)", "repeat(u, [1, 0, 2])", "repeat(A, 2)", "diff(x)",
    "diff(A, axis=0)", "diff(x, 2)", "diff(A, n=2)", "pad(x, 1)", "pad(A, (1, 2))", "pad(A, ((1, 0), (0, 2)))",
    "take(x, [0, 2])", "take(A, [0, 1], axis=1)", "take(A, [[0, 1], [2, -1]], axis=0)", "take(A, 5)", "take(A, [1, 2])",
    # new arrays
    "zeros(3)", "zeros((2, 3))", "ones([2, 2])", "full(3, 2.5)", "full((2, 2), s)", "zeros_like(A)", "ones_like(x) + x",
    "full_like(A, 7)", "eye(3)", "eye(2, 3)", "eye(3, k=1)", "eye(3, 4, -1)", "identity(2)", "tri(3)", "tri(3, 4, 1)",
    "arange(5)", "arange(1, 5)", "arange(0, 1, 0.1)", "arange(5, 0, -2)", "arange(1.0, size(x) + 1.0)", "arange(3, 1)",
    "arange(0.5, 4)", "linspace(0, 1)", "linspace(0, 1, 5)", "linspace(-1, 2, 7)", "linspace(0, 1, 4, endpoint=False)",
    "linspace(0.1, 0.7, num=11)", "linspace(2, 3, 1)", "linspace(0, 1, 0)", "logspace(0, 2, 3)",
    "array([[1, 2], [3, 4]])",
    # sizes
    "size(A)", "size(A, 0)", "size(A, axis=1)", "A.size", "A.ndim", "ndim(K)", "len(A)", "A.shape[0]", "K.shape[-1]",
    "K.shape", "shape(A)[1]", "zeros(A.shape)", "A.shape[0] * A.shape[1]", "sum(x)/x.size", "sum(x)/len(x)",
    "x.shape[0]*x", "reshape(A, (A.shape[1], A.shape[0]))", "ones((len(A), 2))",
    # subscripts
    "x[0]", "x[-1]", "x[1:]", "x[:-1]", "x[::-1]", "x[::2]", "x[-3:-1]", "x[3:0:-1]", "A[1]", "A[1, 2]", "A[:, 1]",
    "A[1:, ::2]", "A[..., 0]", "A[0, ...]", "A[...]", "K[..., 1:, 0]", "K[0, ..., 1]", "x[None]", "x[:, None]",
    "x[None, :]", "x[newaxis, :, newaxis]" , "A[:, None, :]", "A[..., None]", "A[None, 1]", "x[:, None] - x[None, :]",
    "x[[0, 2]]", "x[[-1, 0, 0]]", "A[[0, 2]]", "A[:, [0, 2]]", "A[[0, 1], [2, 3]]", "A[[[0], [1]], [0, 1]]",
    "A[[0, 1, 2], -1]", "K[0, :, [0, 1]]", "K[:, 0, [0, 1]]", "K[[0, 1], :, 0]", "K[[0, 1], 0]", "K[..., [0, 1]]",
    "K[:, [0, 1], [1, 2]]", "K[[1, 0], :, [1, 2]]", "A[arange(3), [0, 3, 1]]", "A[arange(3), -1]", "x[arange(4)[::-1]]",
    "A[[1], 0]", "A[[0, 1]][:, 1]", "K[None, 0, [1, 2]]", "A[0][1]", "x[1:][1:]",
    "(A + 1)[0]", "(A @ B)[0, 1]", "[x, y][1]", "[1, 2, 3][1:]", "A[1:2].T",
    # elementwise on arrays
    "where(A > 0, A, 0)", "where(A > C, A, x)", "where(x > 0, 1, -1)", "A + x", "A * u[:, None]", "maximum(A, 0)",
    "minimum(A, x)", "A > 0", "(A > 0) & (A < 1)", "~(A > 0)", "clip(A, -1, 1)", "clip(A, 0, None)",
    "clip(x, -0.5, 0.5)" , "round(A)", "round(A, 2)", "round(10*A, -1)", "round(A, decimals=1)", "exp(A)",
    "abs(A)**0.5",
    "A**2", "-A", "+A", "A/2", "A % 2", "A // 2", "heaviside(A, 0.5)", "[[1, 2], [3, 4]] @ [1, 1]",
    "isclose(A, A + 1e-9)",
    "x[1:] - x[:-1]**2", "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", "A.sum(axis=0)", "A.mean()",
    "A.max(axis=1)", "A.min()", "A.std(0)", "A.prod(1)", "A.cumsum(axis=0)", "A.clip(0, 1)", "A.round(1)", "S.trace()",
    "A.transpose()", "K.transpose(1, 2, 0)", "K.swapaxes(0, 1)", "A.take([0, 1])", "x.repeat(2)", "(A > 0).any()",
    "(A > 0).all(axis=0)", "x.copy()", "row.squeeze()", "S.diagonal()", "A.ravel()[3]", "x.T @ A.T" , "x.var()",
    "max(A[0], A[1])", "[[0.1, 0.5], [-0.3, 0.8]] @ [0.2, 0.4]",
    # order
    "sort(x)", "sort(A)", "sort(A, axis=0)", "sort(A, axis=None)", "sort(K, 1)", "sort([2, nan, 1, 2])", "sort(z)",
    "argsort(A, axis=0)", "argsort([2, 1, 2, 1])", "argmax(A)", "argmax(A, axis=0)", "argmin(K, axis=1)",
    "argmax(A, axis=1, keepdims=True)", "argmax([1, nan, 3])", "A.argmin(1)", "x[argmax(x)]", "median(x)", "median(A)",
    "median(A, axis=0)", "median(u, keepdims=True)", "median([1, nan])", "quantile(A, 0.3)", "quantile(A, 0, axis=1)",
    "quantile(A, [0.1, 1.0], axis=0)", "percentile(x, 75)", "quantile(A, 0.7, axis=0, keepdims=True)",
    "take_along_axis(A, argsort(A, axis=1), axis=1)", "searchsorted([1, 2, 2, 3], [0, 2, 3.5])",
    "searchsorted([1, 2, 2, 3], 2, side='right')", "interp(0.3, [0, 1, 2], u)", "interp(A, [-1, 0, 1], u)",
    "interp([-5, 0, 2, 5], [0, 1, 2], u, -1, right=9)",
    # neighbours
    "convolve(x, u)", "convolve(u, x, 'same')", "convolve(x, y, mode='valid')", "convolve(x, y, 'same')",
    "correlate(x, u)", "correlate(u, x)", "correlate(u, x, 'same')", "correlate(x, y, 'full')", "ediff1d(A)",
    "correlate(x, u, mode='same')", "gradient(x)", "gradient(x, 0.5)", "gradient(u, [0, 1, 3])", "gradient(A, axis=1)",
    "pad(x, 2, 'edge')", "pad(A, 1, mode='reflect')", "pad(x, (5, 1), 'wrap')", "pad(A, ((1, 0), (0, 2)), 'symmetric')",
    "pad(u, 1, constant_values=7)", "insert(x, 1, 5)", "insert(x, -1, [7, 8])", "insert(A, 1, 2.5, axis=0)",
    "insert(A, 0, u, axis=1)", "delete(x, 1)", "delete(A, -1, axis=0)",
    # without NaN
    "nansum([1, nan])", "nanmax([[1, nan], [nan, 3]], axis=1)", "nanmin([1, nan])", "nanmean([1, nan, 3])",
    "nanprod([nan, 2.0, 3.0])", "nan_to_num([nan, inf, 1.0])", "isfinite([nan, inf, 1.0])", "signbit(u)",
    # parts
    "split(x, 2)", "split(A, 2, axis=1)", "hsplit(A, 2)", "vsplit(Q, 2)[1]", "meshgrid(x, u)", "meshgrid(x, u)[1]",
    "meshgrid(x, u, indexing='ij')", "slogdet(S)", "slogdet(Q)[1]", "block_diag(A, u, S)", "toeplitz(x)",
    "toeplitz(x, u)", "circulant(x)", "select([x < 0, x < 1], [x, x*x], 7)", "select([x > 9], [x])",
    "pinv(A)", "pinv(B)", "pinv(S)", "geomspace(1, 8, 4)", "geomspace(-1, -16, 3, endpoint=False)",
    "ravel(A, 'F')", "A.flatten(order='F')", "reshape(A, (2, 6), order='F')",
    # products of vectors
    "vecdot(x, y)", "vecdot(A, C)", "vecdot(A, C, axis=0)", "vecdot(A, x)", "matvec(A, x)", "matvec(K, x)",
    "vecmat(u, A)", "vecmat(K, B)", "float_power(2, x)", "logaddexp2(x, y)",
]  # fmt: skip

NUMPY = {name: getattr(np, name) for name in ARRAYS if hasattr(np, name) and name not in ("len",)} | {
    "norm": np.linalg.norm, "inv": np.linalg.inv, "det": np.linalg.det, "solve": np.linalg.solve,
    "cholesky": np.linalg.cholesky, "matrix_power": np.linalg.matrix_power, "multi_dot": np.linalg.multi_dot,
    "logsumexp": logsumexp, "softmax": scipy.special.softmax, "log_softmax": scipy.special.log_softmax, "exp": np.exp,
    "maximum": np.maximum, "minimum": np.minimum, "abs": np.abs, "where": np.where, "newaxis": None, "inf": np.inf,
    "heaviside": np.heaviside, "len": len, "nan": np.nan, "pinv": np.linalg.pinv, "slogdet": np.linalg.slogdet,
    "toeplitz": scipy.linalg.toeplitz, "circulant": scipy.linalg.circulant, "block_diag": scipy.linalg.block_diag,
    **{name: getattr(np, name) for name in ("nan_to_num", "isfinite", "signbit", "float_power", "logaddexp2")},
    "max": np.max, "min": np.min,
}  # fmt: skip
WRITTEN_IN_NUMPY = {  # what NumPy writes otherwise
    "max(A[0], A[1])": "np.maximum(A[0], A[1])", "K.mT": "np.swapaxes(K, -1, -2)",
    "[[1, 2], [3, 4]] @ [1, 1]": "np.array([3, 7])", "[1, 2, 3][1:]": "np.array([2, 3])",
    "[[0.1, 0.5], [-0.3, 0.8]] @ [0.2, 0.4]": "np.array([[0.1, 0.5], [-0.3, 0.8]]) @ np.array([0.2, 0.4])",
    "trapezoid(A, y)": "np.trapezoid(A, y)", "K.shape": "np.array(K.shape)",
}  # fmt: skip


@pytest.mark.parametrize("text", SAME)
def test_as_numpy(text):
    _, got = build(text)
    with np.errstate(all="ignore"):
        want = np.asarray(eval(WRITTEN_IN_NUMPY.get(text, text), {**NUMPY, "np": np}, dict(VALUES)))
    assert got.shape == want.shape
    assert (got.dtype == bool) == (want.dtype == bool)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-13)


EXACT = ["arange(0, 1, 0.1)", "linspace(0, 1, 50)", "linspace(0.1, 0.7, num=11)", "linspace(-1, 2, 7)", "eye(3)",
         "tri(4)",
         "arange(0.3, 4, 0.7)", "linspace(0, 1, 4, endpoint=False)"]  # fmt: skip


@pytest.mark.parametrize("text", EXACT)
def test_constants_have_numpys_bits(text):
    np.testing.assert_array_equal(build(text)[1], eval(text, dict(NUMPY)))


OTHERS = [
    ("cross(x[:2], y[:2])", lambda v: v["x"][0] * v["y"][1] - v["x"][1] * v["y"][0]),
    ("cross(u, x[:2])", lambda v: np.cross(v["u"], [v["x"][0], v["x"][1], 0.0])),
    ("cross(x[:2], u)", lambda v: np.cross([v["x"][0], v["x"][1], 0.0], v["u"])),
    ("logdet(S)", lambda v: np.linalg.slogdet(v["S"])[1]), ("matpow(S, 2)", lambda v: v["S"] @ v["S"]),
    ("solve_triangular(S, u, lower=True)", lambda v: scipy.linalg.solve_triangular(v["S"], v["u"], lower=True)),
    ("solve_triangular(S, A, trans=1)", lambda v: scipy.linalg.solve_triangular(v["S"], v["A"], trans=1)),
    ("scatter(u, \"1:4\", (5,))", lambda v: np.pad(v["u"], 1)),
    ("scatter(u, \"0, ::2\", (2, 5))", lambda v: np.array([[v["u"][0], 0, v["u"][1], 0, v["u"][2]], [0] * 5])),
    ("scatter(s, \"-1\", (3,))", lambda v: np.array([0, 0, v["s"]])),
    ("scatter_add(u, [1, 1, 0], 3)", lambda v: np.array([v["u"][2], v["u"][0] + v["u"][1], 0])),
    ("recurrence(x, y)", lambda v: recurrence(v["x"], v["y"])),
    ("recurrence(x, y, reverse=True)", lambda v: recurrence(v["x"][::-1], v["y"][::-1])[::-1]),
    ("A[arange(3), labels]", lambda v: v["A"][np.arange(3), v["labels"].astype(int)]),
    ("take(x, labels)", lambda v: v["x"][v["labels"].astype(int)]),
    ("x[labels]", lambda v: v["x"][v["labels"].astype(int)]), ("x[labels[0]]", lambda v: v["x"][2]),
    ("A[0, labels]", lambda v: v["A"][0, v["labels"].astype(int)]),
    ("A[labels[1], 0]", lambda v: v["A"][0, 0]), ("A[labels[1]]", lambda v: v["A"][0]),
    ("A[[0, 1, 2], labels - 3]", lambda v: v["A"][np.arange(3), v["labels"].astype(int) - 3]),
    ("sum(log_softmax(A, axis=1)[arange(3), labels])/3",
     lambda v: scipy.special.log_softmax(v["A"], axis=1)[np.arange(3), v["labels"].astype(int)].mean()),
    ("n = 3\narange(1, n + 1)", lambda v: np.arange(1, 4)), ("n = size(x)\nx[:n//2] + n", lambda v: v["x"][:2] + 4),
    ("n = x.shape[0]\nzeros((n, n))", lambda v: np.zeros((4, 4))), ("k = [0, 2]\nx[k]", lambda v: v["x"][[0, 2]]),
    ("W = [[1, 2], [3, 4]]\nW.T @ [1, 1]", lambda v: np.array([4, 6])),
    ("norm(s)", lambda v: 1.5), ("sum(s)", lambda v: 1.5), ("max(s)", lambda v: 1.5), ("s.T", lambda v: 1.5),
    ("g(M) = M @ x\ng(A) + g(C)", lambda v: (v["A"] + v["C"]) @ v["x"]),
    ("max(axis=0, x=A)", lambda v: v["A"].max(0)), ("min(a=A, axis=1)", lambda v: v["A"].min(1)),
]  # fmt: skip


def recurrence(a, b):
    found = [b[0]]
    for k in range(1, len(a)):
        found.append(a[k] * found[-1] + b[k])
    return np.array(found)


@pytest.mark.parametrize(("text", "want"), OTHERS, ids=[t for t, _ in OTHERS])
def test_others(text, want):
    np.testing.assert_allclose(build(text)[1], want(VALUES), rtol=1e-12, atol=1e-13)


REFUSED = [
    ("A @ C", "(3, 4) and (3, 4) do not fit: 4 is not 3", "write A.T @ C", "@"),
    ("A @ y.T @ x", "(3,) and (4,)", "outer", "@"),
    ("A @ u", "(3, 4) and (3,)", "write A.T @ u", "@"), ("A @ s", "a scalar is no matrix", "write *", "@"),
    ("x @ u", "(4,) and (3,) do not fit", "outer", "@"), ("dot(A, C)", "dot: shapes (3, 4) and (3, 4)", "", "dot"),
    ("einsum('ij,jk', A, C)", "einsum: shapes (3, 4) and (3, 4)", "", "einsum"),
    ("einsum('ij,jk', A)", "2 terms for 1 operands", 'einsum("ij,jk->ik", A, B)', "einsum"),
    ("einsum('i1', A)", "more than letters", "", "einsum"), ("einsum('i', A)", "'i' for an operand", "", "einsum"),
    ("einsum('ij->ik', A)", "no operand has", "", "einsum"), ("einsum(A, B)", "text in quotes", "", "einsum"),
    ("A + B", "add: shapes (3, 4) and (4, 3) do not broadcast together", "", "+"),
    ("x + u", "(4,) and (3,)", "x[:, None]", "+"), ("inv(A)", "inv takes a square matrix", "inv(X.T @ X)", "inv"),
    ("det(x)", "det takes a square matrix", "", "det"), ("solve(S, x)", "(3, 3) and (4,) do not fit", "", "solve"),
    ("trace(x)", "trace takes a matrix", "", "trace"), ("sum(A, axis=2)", "axis 2 is out of range", "axis=1", "sum"),
    ("sum(A, axis=(0, 0))", "twice", "", "sum"), ("sum(A, axis=0.5)", "integer", "", "sum"),
    ("sum(A, 0, 1, 2)", "4 arguments", "sum(x, axis=None, keepdims=False, initial=None, where=None)", "sum"),
    ("sum()", "0 arguments", "", "sum"),
    ("sum(A, axes=0)", "no parameter called axes", "did you mean axis?", "sum"),
    ("sum(A, keepdims=x)", "True or False", "keepdims=True", "sum"), ("mean(A, axis=s)", "constant", "", "mean"),
    ("reshape(A, (5, -1))", "12 elements of shape (3, 4)", "(2, -1)", "reshape"),
    ("reshape(A, (2, 2))", "do not fit", "", "reshape"), ("broadcast_to(x, (3,))", "broadcast", "", "broadcast_to"),
    ("concatenate([A, B])", "(3, 4) and (4, 3) differ in more than axis 0", "", "concatenate"),
    ("concatenate([s, s])", "scalar has no axis", "[a, b]", "concatenate"),
    ("concatenate(s)", "list", "", "concatenate"),
    ("stack([x, u])", "", "", "stack"), ("[x, u]", "(4,) and (3,)", "", "["),
    ("max(z)", "max of no elements", "", "max"),
    ("max(A, axis=5)", "axis 5", "", "max"), ("max(A, C, axis=0)", "no axis", "max(x, axis=0)", "max"),
    ("squeeze(A, axis=0)", "size 3, not 1", "", "squeeze"), ("x[4]", "index 4 is out of range", "", "["),
    ("A[0, 0, 0]", "3 indices for a value with 2 axes", "", "["), ("x[[0, 4]]", "index 4 is out of range", "", "["),
    ("A[[0, 3], [0, 0]]", "index 3 is out of range", "", "["), ("x[x > 0]", "condition", "where(c, x, 0)", "x > 0"),
    ("x[0.5]", "integer", "", "0.5"), ("x[[0.5]]", "integers", "", "[0.5]"), ("x[True]", "integer", "", "True"),
    ("x[labels[0]:]", "constant integer", "", "labels[0]"), ("A[..., ...]", "one ellipsis", "", "["),
    ("arange(s)", "constants", "a size n", "arange"), ("arange(0, 1, 0)", "step not 0", "", "arange"),
    ("zeros(-1)", "negative", "", "zeros"), ("zeros(0.5)", "integer", "", "zeros"), ("zeros(1e18)", "", "", "zeros"),
    ("norm(S, 3)", "ord=3", "fro", "norm"), ("norm(x, 'nuc')", "ord='nuc'", "fro", "norm"),
    ("lstsq(x, y)", "takes a matrix", "", "lstsq"), ("svd(A)", "several values", "svdvals(A)", "svd"),
    ("convolve(x, u, 'middle')", "mode of convolve", "same", "convolve"),
    ("split(x, 3)", "equal parts", "x[:2]", "split"),
    ("quantile(x, 2)", "from 0 to 1", "0.3", "quantile"),
    ("ravel(A, 'X')", "order 'X' is not known", "order=", "ravel"),
    ("pad(x, 1, 'mean')", "not available", "edge", "pad"),
    ("np.sum(A)", "without a module", "write sum", "np.sum"),
    ("np.linalg.norm(x)", "without a module", "write norm", "np.linalg.norm"),
    ("A.foo", "attributes", "without a point", ".foo"),
    ("A.sin()", "attributes", "write sin(A)", ".sin"), ("A.inv()", "attributes", "write inv(A)", ".inv"),
    ("reshape((A, 2)*2, 3)", "tuple", "[a, b]", "("), ("(A, B)", "comma", "[A, B]", ","),
    ("None", "no number", "", "None"),
    ("sin(None)", None, "", "None"), ("sum(None)", "not None", "", "sum"), ("sin((A, B))", "comma", "", ","),
    ("einsum('ij' + A)", "quotes", "", "'ij'"), ("sin('x')", "quotes", "without quotes", "'x'"),
    ("diag(K)", "diag takes a vector or a matrix", "", "diag"), ("matrix_power(S, s)", "constant", "", "matrix_power"),
    ("cross(x, y)", "3 elements", "", "cross"), ("clip(A)", "a limit", "", "clip"),
    ("repeat(x, [1, 2])", "2", "", "repeat"),
    ("scatter(x, 'a:b', (5,))", "no index", "", "scatter"), ("scatter(x, '9', (5,))", "out of range", "", "scatter"),
    ("linspace(0, 1, -1)", "negative", "", "linspace"), ("tensordot(A, A, 1)", "do not fit", "", "tensordot"),
    ("A.T.T.Q", "attributes", "", ".Q"), ("K.mT.foo()", "attributes", "", ".foo"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint", "span"), REFUSED)
def test_refused_with_shapes_and_place(text, message, hint, span):
    with pytest.raises(SymdiffError) as caught:
        parse(text, arguments=[Argument(k, v.shape) for k, v in VALUES.items()],
              shapes={k: v.shape for k, v in VALUES.items()})  # fmt: skip
    error = caught.value
    assert isinstance(error, ParseError | ShapeError)
    assert not isinstance(error, NeedsShape)
    if message is not None:
        assert message in error.message
    assert hint in error.hint
    assert text[slice(*error.span)] == span


NEED = ["sum(x)", "x[0]", "x[1:]", "x @ y", "x.T", "max(x)", "mean(x*y)", "norm(x)", "dot(x, y)", "softmax(x)",
        "x.shape",
        "size(x)", "inv(x)", "det(x)", "x[:, None]", "sum(x**2 + 1)", "diag(x)", "x.sum()", "concatenate([x, y])",
        "hstack((x, y))", "ravel(x)", "einsum('i,i', x, y)", "q = 2*x\nsum(q)", "g(a) = sum(a)\ng(x)", "len(x)",
        "W @ x if y > 0 else 0", "reshape(x, (2, 2))", "tile(x, 2)", "amax(x)", "cumsum(x)", "x[[0, 1]]"]  # fmt: skip


@pytest.mark.parametrize("text", NEED)
def test_scalars_that_should_be_arrays(text):
    for options in ({}, {"arguments": [Argument(n) for n in "Wxy"]}):
        with pytest.raises(NeedsShape) as caught:
            parse(text, **options)
        assert caught.value.names
        assert set(caught.value.names) <= {"x", "y", "W"}
        assert caught.value.place is not None
        found = elaborate_open(read_text(text, **options), Graph(), **options)
        assert isinstance(found, Open)
        assert set(found.names) <= {"x", "y", "W"}
        assert found.place is not None
        assert isinstance(found.error(), NeedsShape)


@pytest.mark.parametrize(("text", "names", "at"), [
    ("2*x + x**2", None, None), ("x + [1, 2]", ("x",), "x + [1, 2]"), ("sum(y) + x[0]", ("y",), "sum"),
    ("q = x @ x\nq*sum(z)", ("x",), "x @ x"), ("f(y[3], x) = y + x", ("x",), "y + x"),
    ("f(y[3], x) = sum(y)*3", None, None),
])  # fmt: skip
def test_what_is_open_is_a_value(text, names, at):
    found = elaborate_open(read_text(text), Graph())
    if names is None:
        assert not isinstance(found, Open)
        return
    assert found.names == names
    assert text[found.place.start : found.place.end] in at
    with pytest.raises(ShapeError) as caught:
        raise found.error()
    assert (caught.value.message, caught.value.hint, caught.value.place) == (found.message, found.hint, found.place)


def test_what_is_wrong_for_every_shape_is_an_error_beside_what_is_open():
    for text in ("sum(x) + [1, 2] @ [1, 2, 3]", "x[0] + [1, 2][5]"):
        with pytest.raises(ShapeError) as caught:
            elaborate_open(read_text(text), Graph())
        assert not isinstance(caught.value, NeedsShape)


def test_declared_scalars_are_arrays_of_one_element():
    assert evaluate(*_with_scalar("sum(x) + max(x) + mean(x) + norm(x)"))[0] == 8.0
    assert evaluate(*_with_scalar("x.T + sum(x.shape) + x.size"))[0] == 3.0
    with pytest.raises(ShapeError):
        _with_scalar("x[0]")


def _with_scalar(text):
    parsed = parse(text, shapes={"x": ()})
    return parsed.graph, [parsed.output], {parsed.names["x"]: 2.0}


def test_named_sizes():
    parsed = parse(
        "f(x[n], W[n, m]) = sum(x)/n + sum(arange(1, n + 1)) + sum(zeros((n//2, m)))", sizes={"n": 5, "m": 2}
    )
    graph = parsed.graph
    assert [a.shape for a in parsed.arguments] == [(5,), (5, 2)]
    given = {parsed.names["x"]: np.ones(5), parsed.names["W"]: np.ones((5, 2))}
    assert evaluate(graph, [parsed.output], given)[0] == 16.0
    with pytest.raises(ParseError, match="a size already"):
        parse("n = 3\nx*n", sizes={"n": 5})


def test_free_names():
    assert free_names("q = a*sin(b) + pi\nq*c[0] + sum(d, axis=e)") == ("a", "b", "c", "d", "e")
    assert free_names("g(p) = p*w\nf(y, x[n]) = g(x)*y/n") == ("y", "x", "w")
    assert free_names("f([a, b], t) = a") == ("a", "b", "t")
    assert free_names("x.T @ y.sum() + None + x") == ("x", "y")
    assert free_names("E*x") == ("x",)


@pytest.mark.parametrize(
    "text", [t for t in SAME if not any(c in t for c in ("repeat(u", "[[0.1", "take(", "[1, 2, 3]", "pad("))]
)
def test_nodes_do_not_count_elements(text):
    """The graph of a text is as large for long axes as for short ones."""
    if any(
        name in text
        for name in (
            "(6,",
            "(2, -1)",
            "(4, 3)",
            "(2, 12)",
            "2, 6",
            "[6, 2]",
            "cross",
            "(3, 4)",
            "det(",
            "inv(",
            "sort(",
            "median(",
            "quantile(",
            "percentile(",
        )
    ):
        return
    counts = []
    for scale in (5, 50):
        sizes = {3: 3 * scale, 4: 4 * scale, 2: 2 * scale}
        shapes = {k: tuple(sizes.get(n, n) for n in v.shape) for k, v in VALUES.items()}
        shapes |= {"labels": (3,), "D": (3, 2, 2)}
        try:
            counts.append(len(parse(text, shapes=shapes).graph))
        except ShapeError:
            return
    assert counts[0] == counts[1]


def test_long_lists_are_linear():
    numbers = "[" + ", ".join(str(k % 97) for k in range(100_000)) + "]"
    graph = parse(f"sum({numbers}) + max(concatenate([{numbers}, x]))", shapes={"x": (3,)}).graph
    assert len(graph) < 250


def test_functions_have_documentation():
    for name in ARRAYS:
        function = function_named(name)
        assert function.__doc__.split("\n")[0].endswith("."), name
        assert "*" in name or f"{name}(" in function.__doc__
    assert not any(is_function(name) for name in UNAVAILABLE)
    with pytest.raises(UnknownNameError, match="eig"):
        function_named("eig")
