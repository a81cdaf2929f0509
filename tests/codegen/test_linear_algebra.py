"""Calls of BLAS and LAPACK: each step on NumPy arrays against NumPy."""

import ctypes
import itertools
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import jit
from symdiff.codegen.module import ATTRIBUTES, Module
from symdiff.codegen.tensors.gemm import LinearAlgebra
from symdiff.errors import CompileError
from symdiff.native.lapack import blas_address
from symdiff.ops import OPS, core
from symdiff.optimize.planning.plan import Gemm, Lapack, Matrix, work_layout

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(5)


def native(add, buffers):
    """Run what `add(algebra)` makes, a function called `step`, on arrays; they must be kept by the caller."""
    algebra = LinearAlgebra()
    add(algebra)
    count = len(buffers)
    loads = [
        line
        for k in range(count)
        for line in (f"%q{k} = getelementptr ptr, ptr %p, i64 {k}", f"%x{k} = load ptr, ptr %q{k}")
    ]
    call = f"call void @step({', '.join(f'ptr %x{k}' for k in range(count))})"
    run = ["define void @run(ptr %p) {", *loads, call, "ret void", "}"]
    text = "\n".join([*algebra.declarations, *algebra.lines, *run, *ATTRIBUTES, ""])

    module = Module(text, tuple(algebra.imports), ("run",))
    code = jit.link(text, module.addresses(), module.exports, 2, cached=False)
    pointers = (ctypes.c_void_p * count)(*[b.ctypes.data for b in buffers])
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code["run"])(ctypes.cast(pointers, ctypes.c_void_p))
    return [name for name, _ in algebra.imports]


def place(shape, order, dtype, pad=0):
    """Numbers (batch, rows, columns) in a buffer: C order or transposed, lines `pad` longer; buffer, Matrix, view."""
    *batch, rows, columns = shape
    lines, length = (rows, columns) if order == "C" else (columns, rows)
    buffer = np.full((*batch, lines, length + pad), 1e300 if dtype == np.float64 else 1e30, dtype)
    view = buffer[..., :length]
    view[...] = RNG.normal(size=view.shape)
    step = length + pad
    strides = [s // buffer.itemsize for s in buffer.strides[:-2]]
    matrix = Matrix(0, 0, *((step, 1) if order == "C" else (1, step)), tuple(strides))
    return buffer, matrix, view if order == "C" else np.swapaxes(view, -1, -2)


SIZES = [(3, 4, 5), (1, 4, 5), (3, 1, 5), (1, 1, 5), (3, 4, 1), (1, 1, 1), (3, 4, 0), (0, 4, 5), (3, 0, 5), (1, 4, 0),
         (1, 1, 0), (0, 0, 0), (64, 100, 70), (40, 40, 40)]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("orders", ["".join(o) for o in itertools.product("CF", repeat=3)])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("pad", [0, 3])
def test_products(sizes, orders, pad, dtype):
    m, n, k = sizes
    (a, ma, va), (b, mb, vb) = place((m, k), orders[0], dtype, pad), place((k, n), orders[1], dtype, pad)
    c, mc, vc = place((m, n), orders[2], dtype, pad)
    vc[...] = np.nan  # what the result held must not matter
    edges = c.copy()
    step = Gemm(m, n, k, ma, replace(mb, buffer=1), replace(mc, buffer=2))
    names = native(lambda algebra: algebra.gemm("step", step, dtype.__name__), [a, b, c])
    np.testing.assert_allclose(vc, va @ vb, rtol=1e-12 if dtype == np.float64 else 2e-4, atol=1e-4)
    vc[...] = np.nan
    np.testing.assert_array_equal(c, edges)  # nothing was written between the lines
    if m > 1 and n > 1 and k:
        assert names == ["sgemm" if dtype == np.float32 else "dgemm"]


@pytest.mark.parametrize("batch", [(3,), (2, 3), (2, 1, 4), (0,), (2, 0)])
@pytest.mark.parametrize("sizes", [(3, 4, 5), (3, 1, 5), (1, 1, 5), (3, 4, 0)])
def test_batches(batch, sizes):
    m, n, k = sizes
    (a, ma, va), (b, mb, vb) = place((*batch, m, k), "F", np.float64), place((k, n), "C", np.float64)
    c, mc, vc = place((*batch, m, n), "C", np.float64)
    vc[...] = np.nan
    step = Gemm(m, n, k, ma, Matrix(0, 0, mb.row, mb.column, (0,) * len(batch)), mc, batch)
    native(lambda algebra: algebra.gemm("step", step, "float64"), [a, b, c])
    np.testing.assert_allclose(vc, va @ vb, rtol=1e-12)


def test_offsets():
    buffer, c = RNG.normal(size=(7, 9)), np.full((3, 4), np.nan)
    a, b = buffer[2:5, 1:6], buffer[1:6, 3:7]
    step = Gemm(3, 4, 5, Matrix(0, 19, 9, 1), Matrix(0, 12, 9, 1), Matrix(1, 0, 4, 1))
    native(lambda algebra: algebra.gemm("step", step, "float64"), [buffer, buffer, c])
    np.testing.assert_allclose(c, a @ b, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 5, 31, 32, 33, 64, 100])
@pytest.mark.parametrize("order", ["C", "F"])
def test_products_with_the_own_transpose_are_symmetric(n, order):
    a, ma, va = place((n, 50), order, np.float64, 2)
    c = np.full((n, n), np.nan)
    step = Gemm(n, n, 50, ma, Matrix(0, 0, ma.column, ma.row), Matrix(1, 0, n, 1))
    names = native(lambda algebra: algebra.gemm("step", step, "float64"), [a, a, c])
    np.testing.assert_allclose(c, va @ va.T, rtol=1e-12, atol=1e-12)
    if n >= 32:
        assert names == ["dsyrk"]
        np.testing.assert_array_equal(c, c.T)


def test_a_stride_that_is_not_one_for_blas_is_refused():
    step = Gemm(3, 4, 5, Matrix(0, 0, 10, 2), Matrix(1, 0, 4, 1), Matrix(2, 0, 4, 1))
    with pytest.raises(CompileError, match="strides"):
        LinearAlgebra().gemm("step", step, "float64")


def test_sizes_past_32_bits_are_refused():
    step = Gemm(2**31, 4, 5, Matrix(0, 0, 5, 1), Matrix(1, 0, 4, 1), Matrix(2, 0, 4, 1))
    with pytest.raises(CompileError, match="more than"):
        LinearAlgebra().gemm("step", step, "float64")


def test_missing_routines_are_refused():
    with pytest.raises(CompileError, match="xgemm"):
        blas_address("xgemm")


@pytest.mark.parametrize("first", ["", "import scipy.linalg\n", "import scipy\n"])
def test_routines_are_found_without_the_rest_of_scipy(first):
    """Also with scipy.linalg imported before or after; both are the same routines."""
    code = (
        first + "import sys\n"
        "from symdiff.native.lapack import blas_address\n"
        "found = [blas_address(name) for name in ('dgemm', 'dgetrf')]\n"
        "assert all(found)\n"
        f"assert ('scipy.linalg' in sys.modules) == {'linalg' in first}\n"
        "import scipy.linalg\n"
        "from scipy.linalg import cython_blas, cython_lapack\n"
        "assert 'dgemm' in cython_blas.__pyx_capi__ and 'dgetrf' in cython_lapack.__pyx_capi__\n"
        "import numpy as np\n"
        "assert abs(scipy.linalg.inv(np.eye(3) * 2) - np.eye(3) / 2).max() < 1e-15\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr


# LAPACK


def matrices(batch, n, dtype):
    return (RNG.normal(size=(*batch, n, n)) / max(1, n) ** 0.5 + 2 * np.eye(n)).astype(dtype)


TRIANGLES = {
    "solve_lower": (core.SOLVE_TRIANGULAR, (True, False)),
    "solve_upper": (core.SOLVE_TRIANGULAR, (False, False)),
    "solve_lower_t": (core.SOLVE_TRIANGULAR, (True, True)),
    "solve_upper_t": (core.SOLVE_TRIANGULAR, (False, True)),
}


def run_lapack(name, operands, result_shape, columns=0):
    """The result of a step, computed in memory that held NaN."""
    dtype = operands[0].dtype
    n, batch = operands[0].shape[-1], operands[0].shape[:-2]
    result = np.full(result_shape, np.nan, dtype)
    op, triangle = TRIANGLES[name] if name in TRIANGLES else (OPS[name], None)
    work = np.full(work_layout(op, str(dtype), n).total + 64, 255, np.uint8)
    step = Lapack(op, tuple(range(len(operands))), 8, 9, n, columns, batch, triangle)
    assert step.name == name
    kept = [o.copy() for o in operands]
    native(lambda algebra: algebra.lapack("step", step, str(dtype)), [*operands, result, work])
    assert (work[-64:] == 255).all()
    for operand, before in zip(operands, kept, strict=True):
        np.testing.assert_array_equal(operand, before)
    return result


BATCHES = [(), (3,), (2, 2), (0,)]
ORDERS = [0, 1, 2, 3, 7, 70]


def close(got, expected, dtype):
    rtol = 1e-9 if dtype == np.float64 else 2e-2
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", ORDERS)
@pytest.mark.parametrize("columns", [0, 1, 2, 5])
def test_solve(n, columns, batch, dtype):
    a, b = matrices(batch, n, dtype), RNG.normal(size=(*batch, n, columns)).astype(dtype)
    close(run_lapack("solve", [a, b], b.shape, columns), np.linalg.solve(a, b), dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", ORDERS)
def test_functions_of_a_matrix(n, batch, dtype):
    a = matrices(batch, n, dtype)
    if n:
        a[..., [0, n - 1], :] = a[..., [n - 1, 0], :]  # so that there is pivoting
    close(run_lapack("inv", [a], a.shape), np.linalg.inv(a), dtype)
    close(run_lapack("logdet", [a], batch), np.linalg.slogdet(a)[1], dtype)
    expected = np.linalg.det(a.astype(np.float64)) if n < 30 else np.linalg.det(a)
    np.testing.assert_allclose(run_lapack("det", [a], batch), expected, rtol=1e-9 if dtype == np.float64 else 1e-2)
    definite = (a @ np.swapaxes(a, -1, -2) + 1 * np.eye(n, dtype=dtype)).astype(dtype)
    close(run_lapack("cholesky", [definite], a.shape), np.linalg.cholesky(definite), dtype)


@pytest.mark.parametrize("name", TRIANGLES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("n", ORDERS)
@pytest.mark.parametrize("columns", [0, 1, 4])
def test_triangles(name, n, columns, batch):
    a = RNG.normal(size=(*batch, n, n)) / max(1, n) + 3 * np.eye(n)  # the other triangle is not looked at
    b = RNG.normal(size=(*batch, n, columns))
    triangle = np.tril(a) if "lower" in name else np.triu(a)
    matrix = np.swapaxes(triangle, -1, -2) if name.endswith("_t") else triangle
    close(run_lapack(name, [a, b], b.shape, columns), np.linalg.solve(matrix, b), np.float64)


SINGULAR = [np.zeros((1, 1)), np.zeros((3, 3)), np.array([[1.0, 2.0], [2.0, 4.0]]), np.diag([1.0, 0.0, 2.0])]


@pytest.mark.parametrize("a", SINGULAR)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_singular_matrices(a, dtype):
    """The bad one gives NaN, its neighbours in the batch are not touched."""
    n = len(a)
    good = 2 * np.eye(n)
    batch = np.stack([good, a, good]).astype(dtype)
    ones = np.ones((3, n, 2), dtype)
    for name, operands in (("solve", [batch, ones]), ("inv", [batch]), ("solve_lower", [batch * np.eye(n, dtype=dtype),
                           ones]), ("cholesky", [batch])):  # fmt: skip
        if name == "solve_lower" and (np.diag(a) != 0).all():
            continue
        result = run_lapack(name, operands, operands[-1].shape, 2)
        assert np.isnan(result[1]).all(), name
        assert np.isfinite(result[[0, 2]]).all(), name
    np.testing.assert_array_equal(run_lapack("det", [batch], (3,)), [2**n, 0, 2**n])
    logs = run_lapack("logdet", [batch], (3,))
    assert logs[1] == -np.inf
    np.testing.assert_allclose(logs[[0, 2]], n * np.log(2), rtol=1e-6)


def test_determinants_keep_their_range():
    wide = np.diag([1e200, -1e200, 1e-200, 1e-200, 3.0])
    np.testing.assert_allclose(run_lapack("det", [wide], ()), -3.0, rtol=1e-9)
    tiny = np.diag([1e-200, 1e-200, -1e200, 1e200])
    np.testing.assert_allclose(run_lapack("det", [tiny], ()), -1.0, rtol=1e-9)
    assert run_lapack("det", [np.diag([-1e300, 1e300])], ()) == -np.inf
    assert run_lapack("det", [np.diag([1e-300, 1e-300])], ()) == 0


def test_not_a_number_stays_one():
    a = np.eye(3)
    a[1, 2] = a[0, 0] = np.nan
    assert np.isnan(run_lapack("det", [a], ()))
    assert np.isnan(run_lapack("logdet", [a], ()))
    assert np.isnan(run_lapack("inv", [a], a.shape)).any()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("text", ["solve(A, x)", "inv(A)", "cholesky(A)", "solve_triangular(A, x)"])
def test_singular_matrices_are_invalid_operations(text, dtype):
    f = sd.function(f"f(A[6, 6], x[6]) = {text}", dtype=dtype)
    one, none, x = np.eye(6, dtype=dtype), np.zeros((6, 6), dtype), np.ones(6, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(f(none, x)).all()
        f(np.stack([one, one]), x)
        f(np.stack([one, one * np.nan]), x)
        with pytest.raises(RuntimeWarning, match="invalid value"):
            f(np.stack([one, none]), x)
    with np.errstate(invalid="ignore"):
        good, bad = f(np.stack([one, none]), x)
    assert not np.isnan(good).any()
    assert np.isnan(bad).all()
