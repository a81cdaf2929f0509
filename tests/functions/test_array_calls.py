"""Calls with arrays: layouts, types, batches, `out=`, sizes of zero, and what is refused."""

import warnings

import numpy as np
import pytest

import symdiff as sd

RNG = np.random.default_rng(3)
W = RNG.standard_normal((3, 4))
X = RNG.standard_normal(4)

FORMULAS = {
    # name: (header and body, NumPy's)
    "matrix times vector": ("f(W[3, 4], x[4]) = W @ x", lambda W, x: np.einsum("...ij,...j->...i", W, x)),
    "a number": ("f(W[3, 4], x[4]) = sum((W @ x)**2)",
                 lambda W, x: np.sum(np.einsum("...ij,...j->...i", W, x) ** 2, -1)),
    "a matrix": ("f(W[3, 4], x[4]) = 2*W*x + 1", lambda W, x: 2 * W * x[..., None, :] + 1),
    "transposed": ("f(W[3, 4], x[4]) = W.T + 0*x[0]", lambda W, x: np.swapaxes(W, -1, -2) + 0 * x[..., :1, None]),
    "reversed": ("f(W[3, 4], x[4]) = W[::-1, ::2]*x[::2]", lambda W, x: W[..., ::-1, ::2] * x[..., None, ::2]),
    "named": ("f(W[m, n], x[n]) = W @ x", lambda W, x: np.einsum("...ij,...j->...i", W, x)),
}  # fmt: skip
LAYOUTS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "every other": lambda a: np.repeat(a, 2, -1)[..., ::2],
    "every other row": lambda a: np.repeat(a, 2, 0)[::2],
    "backwards": lambda a: np.flip(np.flip(a).copy()),
    "read only": lambda a: np.broadcast_to(a, a.shape),
    "a list": lambda a: a.tolist(),
    "big endian": lambda a: a.astype(">f8"),
    "unaligned": lambda a: _unaligned(a),
    "subclass": lambda a: a.view(_Sub),
}


class _Sub(np.ndarray):
    pass


def _unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:].view(np.float64).reshape(a.shape)
    raw[...] = a
    return raw


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize(("text", "reference"), FORMULAS.values(), ids=FORMULAS)
def test_layouts(text, reference, layout):
    f = sd.function(text)
    wanted = reference(W, X)
    found = f(layout(W), layout(X))
    assert np.shape(found) == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-14)


BATCHES = [((5,), ()), ((), (5,)), ((5,), (5,)), ((2, 1), (3,)), ((0,), ()), ((1,), (1,)), ((2, 3, 1), (4,))]


@pytest.mark.parametrize(("left", "right"), BATCHES, ids=str)
@pytest.mark.parametrize(("text", "reference"), FORMULAS.values(), ids=FORMULAS)
def test_batches(text, reference, left, right):
    w, x = RNG.standard_normal((*left, 3, 4)), RNG.standard_normal((*right, 4))
    f = sd.function(text)
    found, wanted = f(w, x), reference(w, x)
    assert np.shape(found) == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)
    gradient = sd.grad(sd.function(f"{text.partition('=')[0]}= sum(({text.partition('=')[2]})**2)"), "x")(w, x)
    assert np.shape(gradient) == (*np.broadcast_shapes(left, right), 4)


TYPES = ["float32", "float16", "int8", "uint8", "int64", "bool", "longdouble"]


@pytest.mark.parametrize("dtype", TYPES)
def test_types(dtype):
    f = sd.function("f(W[3, 4], x[4]) = W @ x")
    w, x = (np.abs(4 * a).astype(dtype) for a in (W, X))
    found = f(w, x)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, w.astype(float) @ x.astype(float), rtol=1e-13)


def test_scalars_among_arrays():
    f = sd.function("f(x[3], a, b) = a*x + b", shapes={"a": (), "b": ()})
    x = np.array([1.0, 2.0, 3.0])
    for a in (2.0, 2, np.float32(2), np.array(2.0), np.int64(2)):
        np.testing.assert_array_equal(f(x, a, 1.0), [3.0, 5.0, 7.0])
    np.testing.assert_array_equal(f(x, np.array([1.0, 2.0]), 0.0), [[1.0, 2.0, 3.0], [2.0, 4.0, 6.0]])


def test_results_are_fresh():
    f = sd.function("f(x[3]) = 2*x")
    x = np.ones(3)
    first, second = f(x), f(x)
    assert not np.may_share_memory(first, second)
    identity = sd.function("f(x[3]) = x")
    assert not np.may_share_memory(identity(x), x)


OUTS = {
    "plain": lambda shape: np.empty(shape),
    "Fortran": lambda shape: np.empty(shape, order="F"),
    "strided": lambda shape: np.empty((2 * shape[0], *shape[1:]))[::2],
    "backwards": lambda shape: np.empty(shape)[::-1],
}


@pytest.mark.parametrize("make", OUTS.values(), ids=OUTS)
@pytest.mark.parametrize(("text", "reference"), [f for k, f in FORMULAS.items() if k != "a number"])
def test_out(text, reference, make):
    f = sd.function(text)
    wanted = reference(W, X)
    out = make(wanted.shape)
    assert f(W, X, out=out) is out
    np.testing.assert_allclose(out, wanted, rtol=1e-14)
    batch = RNG.standard_normal((5, 4))
    out = make((5, *wanted.shape))
    assert f(W, batch, out=out) is out
    np.testing.assert_allclose(out, reference(W, batch), rtol=1e-13, atol=1e-14)


def test_several_outs():
    f = sd.function(("f(x[3]) = 2*x", "f(x[3]) = sum(x)"))
    x, a, b = np.arange(3.0), np.empty(3), np.empty(())
    found = f(x, out=(a, b))
    assert found[0] is a
    np.testing.assert_array_equal(a, [0.0, 2.0, 4.0])
    assert b == 3.0
    first, second = f(x, out=(a, None))
    assert first is a
    assert second == 3.0


OVERLAPS = {
    "itself": (lambda m: m[:4], lambda m: m[:4]),
    "shifted": (lambda m: m[:4], lambda m: m[1:5]),
    "shifted back": (lambda m: m[1:5], lambda m: m[:4]),
    "reversed": (lambda m: m[:4], lambda m: m[:4][::-1]),
    "interleaved": (lambda m: m[:8:2], lambda m: m[1:9:2]),
}


@pytest.mark.parametrize(("source", "target"), OVERLAPS.values(), ids=OVERLAPS)
@pytest.mark.parametrize("text", ["x[::-1] + 1", "cumsum(x)", "x*sum(x)", "A @ x"])
def test_overlapping_out(text, source, target):
    f = sd.function(f"f(x[4], A[4, 4]) = {text}")
    a = np.arange(16.0).reshape(4, 4)
    memory = np.arange(1.0, 10.0)
    wanted = f(source(memory).copy(), a)
    out = target(memory)
    f(source(memory), a, out=out)
    np.testing.assert_array_equal(out, wanted)


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("m", [0, 1, 2])
@pytest.mark.parametrize("shapes", [{"W": (0, 0), "x": 0}, {"W": ("m", "n"), "x": "n"}, None],
                         ids=["known", "named", "deferred"])  # fmt: skip
def test_sizes_of_zero(m, n, shapes):
    if shapes and shapes["W"] == (0, 0):
        shapes = {"W": (m, n), "x": n}
    w, x = np.ones((m, n)), np.ones(n)
    f = sd.function("f(W, x) = W @ x" if shapes is None else "W @ x", None if shapes is None else ["W", "x"],
                    shapes=shapes)  # fmt: skip
    found = f(w, x)
    assert found.shape == (m,)
    np.testing.assert_array_equal(found, np.full(m, float(n)))
    g = sd.grad("f(W, x) = sum((W @ x)**2)" if shapes is None else sd.function("sum((W @ x)**2)", ["W", "x"],
                                                                               shapes=shapes))  # fmt: skip
    by_w, by_x = g(w, x)
    assert by_w.shape == (m, n)
    assert by_x.shape == (n,)
    np.testing.assert_array_equal(by_x, np.full(n, 2.0 * m * n))


F = "f(W[3, 4], x[4]) = W @ x"
REFUSED = {
    "shape of x": (lambda f: f(W, np.ones(3)), sd.ShapeError, r"f: x\[4\] has shape \(4,\), the value .* \(3,\)"),
    "shape of W": (lambda f: f(W.T, X), sd.ShapeError, r"f: W\[3, 4\] has shape \(3, 4\), .* \(4, 3\)"),
    "a scalar": (lambda f: f(W, 1.0), sd.ShapeError, r"x\[4\] has shape \(4,\)"),
    "too few axes": (lambda f: f(X, X), sd.ShapeError, r"W\[3, 4\]"),
    "batches": (lambda f: f(np.ones((2, 3, 4)), np.ones((3, 4))), ValueError, "broadcast|match"),
    "complex": (lambda f: f(W, X * 1j), sd.CallError, r"x\[4\] got complex numbers"),
    "objects": (lambda f: f(W, np.array([None] * 4)), sd.CallError, r"x\[4\] got None"),
    "texts": (lambda f: f(W, np.array(["a"] * 4)), sd.CallError, r"x\[4\] got a text"),
    "dates": (lambda f: f(W, np.zeros(4, "M8[s]")), sd.CallError, r"x\[4\] got values of type datetime64"),
    "ragged": (lambda f: f(W, [[1.0], [2.0, 3.0]]), sd.CallError, r"x\[4\] is not an array of numbers"),
    "None": (lambda f: f(W, None), sd.CallError, r"x\[4\]"),
    "too many": (lambda f: f(W, X, X), sd.CallError, "takes 2 arguments"),
    "out of another shape": (lambda f: f(W, X, out=np.empty(4)), sd.ShapeError, r"out= has shape \(4,\), .* \(3,\)"),
    "out of another batch": (lambda f: f(W, np.ones((2, 4)), out=np.empty((5, 3))), ValueError, "out|broadcast"),
    "out of integers": (lambda f: f(W, X, out=np.empty(3, int)), TypeError, "cast"),
    "out that is read only": (lambda f: f(W, X, out=np.broadcast_to(0.0, 3)), ValueError, "read-only"),
    "out is a list": (lambda f: f(W, X, out=[0.0] * 3), sd.CallError, "out= takes arrays"),
    "two outs": (lambda f: f(W, X, out=(np.empty(3), np.empty(3))), sd.CallError, "out= takes 1 array"),
    "where": (lambda f: f(W, X, where=True), sd.CallError, "where="),
}


@pytest.mark.parametrize(("act", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(act, error, message):
    f = sd.function(F)
    with pytest.raises(error, match=message):
        act(f)
    np.testing.assert_allclose(f(W, X), W @ X)
    with pytest.raises(error, match=message):
        act(f)


def test_matrices_are_arrays():
    f = sd.function(F)
    with pytest.warns(PendingDeprecationWarning):
        w = np.matrix(W)
    found = f(w, X)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, f(W, X))
    assert f(w, np.zeros((0, 4))).shape == (0, 3)


def test_masked_values_are_refused():
    f, x = sd.function(F), np.ma.array(X, mask=[0, 1, 0, 0])
    with pytest.raises(sd.CallError, match=r"x\[4\] got masked values") as caught:
        f(W, x)
    assert "filled" in caught.value.hint
    np.testing.assert_array_equal(f(W, np.ma.array(X, mask=False)), f(W, X))
    assert isinstance(sd.function("2*x", ["x"])(x), np.ma.MaskedArray)  # NumPy's ufuncs of numbers know them


def test_numbers_out_of_range_are_infinite():
    f, huge = sd.function("f(x[2]) = x + 1"), 10**400
    np.testing.assert_array_equal(f([huge, -huge]), [np.inf, -np.inf])
    assert sd.function("x + 1", ["x"])(np.array([huge], object)) == np.inf
    with pytest.raises(sd.ShapeError):
        f(huge)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        single = sd.function("f(x[2]) = x + 1", dtype="float32")
        np.testing.assert_array_equal(single(np.array([1e300, 1.0])), [np.inf, 2.0])
        if np.finfo(np.longdouble).max > np.finfo(float).max:
            np.testing.assert_array_equal(f(np.array([1, 10], np.longdouble) ** 4000), [2.0, np.inf])


def test_outs_with_memory_in_common():
    f = sd.function(("f(x[3]) = 2*x", "f(x[3]) = x + 1"))
    x, memory = np.arange(3.0), np.empty(6)
    with pytest.raises(sd.CallError, match=r"memory in common"):
        f(x, out=(memory[:3], memory[2:5]))
    first, second = f(x, out=(memory[::2], memory[1::2]))
    np.testing.assert_array_equal(memory, [0, 1, 2, 2, 4, 3])
    assert first.base is memory
    assert second.base is memory


@pytest.mark.parametrize("make", [
    lambda: sd.function("x*y", ["x", "y"]), lambda: sd.function("[x*y, x + y]", ["x", "y"]),
    lambda: sd.function("f(x[2], y[2]) = x*y"), lambda: sd.function("f(x[2], y[2]) = sum(x)*y"),
    lambda: sd.function("x*y*zeros((3, 0))", ["x", "y"], shapes={"x": (), "y": ()}),
    lambda: sd.function("f(x[2000], y[2000]) = x @ y"), lambda: sd.hessian("f(x[2], y[2]) = sum(x*y)**2"),
    lambda: sd.function("x*y", ["x", "y"], dtype="float32"), lambda: sd.function("x*y", ["x", "y"]).compile(threads=2),
])  # fmt: skip
def test_batches_that_do_not_broadcast_are_named(make):
    f = make()
    x, y = (np.ones((k + 2, *argument.shape)) for k, argument in enumerate(f.arguments))
    with pytest.raises(sd.ShapeError, match=r"broadcast together: x \(2,\), y \(3,\)"):
        f(x, y)
