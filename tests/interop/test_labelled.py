"""pandas, xarray and Dask: results are what the arguments were, aligned as these libraries do it."""

import numpy as np
import pytest

import symdiff as sd
from symdiff import CallError

F = sd.function("f(x, y) = x**2*y")
PAIR = sd.function(("x*y", "x + y"), ["x", "y"])
X, Y = np.array([1.0, 2.0, 3.0]), np.array([30.0, 20.0, 10.0])


@pytest.fixture
def series():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.Series(X, list("abc"), name="u"), pandas.Series(Y[::-1], list("cba"), name="v")


def test_series_are_aligned_by_index(series):
    a, b = series
    for found in (F(a, b), F(x=a, y=b)):
        assert found.index.tolist() == ["a", "b", "c"]
        np.testing.assert_array_equal(found, F(X, Y))
    assert F(a, 2.0).name == "u"
    np.testing.assert_array_equal(F(a, Y), F(X, Y))
    np.testing.assert_array_equal(np.isnan(F(a, b[["a", "b"]])), [False, False, True])
    product, total = PAIR(a, b)
    np.testing.assert_array_equal(product, X * Y)
    assert total.index.equals(a.index)


def test_gradients_of_series_are_frames(series):
    a, b = series
    gradient = sd.grad(F)(a, b)
    assert (gradient.index.tolist(), gradient.columns.tolist()) == (["a", "b", "c"], ["x", "y"])
    np.testing.assert_array_equal(gradient, sd.grad(F)(X, Y))
    assert sd.grad(F, ["y", "x"])(a, 2.0).columns.tolist() == ["y", "x"]
    np.testing.assert_array_equal(sd.grad(F, "x")(a, b), sd.grad(F, "x")(X, Y))
    hessian = sd.hessian(F)(a, b)
    np.testing.assert_array_equal(hessian["x"]["y"], sd.hessian(F)(X, Y)[:, 0, 1])
    value, slope = sd.value_and_grad(F)(a, b[["a", "b"]])
    assert value.index.equals(slope.index)
    np.testing.assert_array_equal(slope.loc["c"], [np.nan, 9.0])
    assert slope.columns.tolist() == ["x", "y"]
    assert sd.function("f(x, y) = [x*y, x]")(a, b).columns.tolist() == [0, 1]


def test_frames(series):
    a, _ = series
    frame = a.to_frame("p").assign(q=2.0)
    found = F(frame, frame[["q", "p"]].iloc[::-1])
    assert found.columns.tolist() == ["p", "q"]
    np.testing.assert_array_equal(found, F(frame.to_numpy(), frame.to_numpy()))
    for refused in (lambda: sd.grad(F)(frame, 2.0), lambda: sd.function("f(x[2]) = sum(x)")(frame),
                    lambda: sd.grad(F)(a, 2.0, out=np.empty((3, 2)))):  # fmt: skip
        with pytest.raises(CallError, match=r"pass x\.to_numpy\(\)"):
            refused()


@pytest.fixture
def arrays():
    xarray = pytest.importorskip("xarray", reason="xarray is not installed")
    one = xarray.DataArray(X, dims="u", coords={"u": [10, 20, 30]}, attrs={"units": "m"})
    return one, xarray.DataArray(Y[:2], dims="v"), xarray.DataArray(Y, dims="u", coords={"u": [20, 30, 40]})


def test_arrays_go_by_names_of_dimensions(arrays):
    a, b, shifted = arrays
    found = F(a, b)
    assert (found.dims, found.attrs) == (("u", "v"), {"units": "m"})
    np.testing.assert_array_equal(found, F(X[:, None], Y[:2]))
    assert F(a, shifted).coords["u"].values.tolist() == [20, 30]
    assert [part.dims for part in PAIR(a, b)] == [("u", "v")] * 2
    both = F(type(a.to_dataset(name="m"))({"m": a, "n": 2 * a}), b)
    np.testing.assert_array_equal(both["n"], F(2 * X[:, None], Y[:2]))


def test_gradients_have_a_dimension_more(arrays):
    a, b, shifted = arrays
    gradient = sd.grad(F)(a, b)
    assert gradient.dims == ("u", "v", "grad_f_0")
    np.testing.assert_array_equal(gradient.sel(grad_f_0="y"), np.broadcast_to(X[:, None] ** 2, (3, 2)))
    assert sd.hessian(F)(a, b).sizes == {"u": 3, "v": 2, "hessian_f_0": 2, "hessian_f_1": 2}
    assert sd.grad(F)(a, shifted).coords["u"].values.tolist() == [20, 30]
    both = sd.grad(F)(a.to_dataset(name="m"), b)
    np.testing.assert_array_equal(both["m"], sd.grad(F)(X[:, None], Y[:2]))
    xarray = pytest.importorskip("xarray")
    rows = xarray.DataArray(np.arange(6.0).reshape(3, 2), dims=("k", "time"))
    squares = xarray.apply_ufunc(sd.function("f(x[k]) = sum(x**2)"), rows, input_core_dims=[["k"]])
    np.testing.assert_array_equal(squares, (rows.values**2).sum(0))


def test_arrays_of_dask_stay_lazy(arrays):
    dask = pytest.importorskip("dask.array", reason="Dask is not installed")
    x, a = dask.from_array(X, chunks=2), arrays[0].chunk({"u": 1})
    found = (F(x, 2.0), F(x[:, None], Y), sd.grad(F)(x, 2.0), *PAIR(x, 2.0), sd.grad(F)(x[:, None], Y))
    wanted = (F(X, 2.0), F(X[:, None], Y), sd.grad(F)(X, 2.0), *PAIR(X, 2.0), sd.grad(F)(X[:, None], Y))
    for lazy, want in zip(found, wanted, strict=True):
        assert lazy.chunks[0] == (2, 1)
        np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), want)
    lazy = sd.grad(F)(a, 2.0)
    assert lazy.chunks == ((1, 1, 1), (2,))
    np.testing.assert_array_equal(lazy.compute(scheduler="synchronous"), sd.grad(F)(X, 2.0))


def test_libraries_are_not_mixed(series):
    dask = pytest.importorskip("dask.array", reason="Dask is not installed")
    with pytest.raises(CallError, match="dask and pandas"):
        sd.grad(F)(series[0], dask.ones(3, chunks=1))
