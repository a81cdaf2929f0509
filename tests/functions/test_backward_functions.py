"""Derivatives that are functions themselves: Python's, C's by ctypes, cffi and Numba, of numbers and of arrays."""

import ctypes
import math
import pickle
import threading

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import ArgumentError, DifferentiationError
from tests.functions.outside_functions import product_adjoints, times

POINTER = ctypes.POINTER(ctypes.c_double)
NUMBER = ctypes.c_double


@ctypes.CFUNCTYPE(NUMBER, NUMBER, NUMBER)
def product_in_c(x, y):
    return x * y


@ctypes.CFUNCTYPE(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)
def by_x_in_c(x, y, result, adjoint):
    return adjoint * y


@ctypes.CFUNCTYPE(NUMBER, NUMBER, NUMBER, NUMBER, NUMBER)
def by_y_in_c(x, y, result, adjoint):
    return adjoint * x


@ctypes.CFUNCTYPE(None, POINTER, POINTER, POINTER, ctypes.c_int64, ctypes.c_int64)
def apply_in_c(a, x, y, m, n):
    for i in range(m):
        y[i] = sum(a[i * n + j] * x[j] for j in range(n))


@ctypes.CFUNCTYPE(None, POINTER, POINTER, POINTER, POINTER, POINTER, ctypes.c_int64, ctypes.c_int64)
def matrix_adjoint_in_c(a, x, y, g, found, m, n):
    for i in range(m):
        for j in range(n):
            found[i * n + j] = g[i] * x[j]


@ctypes.CFUNCTYPE(None, POINTER, POINTER, POINTER, POINTER, POINTER, ctypes.c_int64, ctypes.c_int64)
def vector_adjoint_in_c(a, x, y, g, found, m, n):
    for j in range(n):
        found[j] = sum(a[i * n + j] * g[i] for i in range(m))


def flat(values):
    return np.hstack([flat(v) if isinstance(v, tuple) else np.ravel(v) for v in values])


@pytest.fixture
def space():
    return sd.Namespace()


def of_python(space):
    space.define("prd(x, y)", call=lambda x, y: x * y, backward=lambda x, y, result, g: (g * y, g * x))


def of_python_each(space):
    each = {"x": lambda x, y, result, g: g * y, "y": lambda x, y, result, g: g * x}
    space.define("prd(x, y)", call=lambda x, y: x * y, backward=each)


def of_c(space):
    space.define("prd(x, y)", call=product_in_c, backward={"x": by_x_in_c, "y": by_y_in_c})


def of_an_expression(space):
    space.define("prd(x, y) = x*y", backward={"x": by_x_in_c, "y": "g*x"})


def of_partials(space):
    by_x = space.define("by_x(x, y)", call=lambda x, y: y, partials={"x": "0", "y": "1"})
    space.define("prd(x, y)", call=product_in_c, partials={"x": by_x, "y": "x"})


def of_a_defined_backward(space):
    partials = {"a": "0", "b": "s", "r": "0", "s": "b"}
    back = space.define("back(a, b, r, s)", call=lambda a, b, r, s: s * b, partials=partials)
    space.define("prd(x, y)", call=product_in_c, backward={"x": back, "y": "g*x"})


WAYS = {
    "Python": of_python,
    "Python, each": of_python_each,
    "C": of_c,
    "an expression": of_an_expression,
    "partials": of_partials,
    "a defined backward": of_a_defined_backward,
}


@pytest.mark.parametrize("way", WAYS)
def test_numbers(way, space):
    """The textbook's product, with operands called y, too, at points, in batches and on arrays."""
    WAYS[way](space)
    text = "f(x, y) = prd(sin(x), prd(y, x)) + x"
    ours, theirs = sd.function(text, namespace=space), sd.function("f(x, y) = sin(x)*(y*x) + x")
    x, y = np.linspace(-1, 2, 33), np.linspace(0.5, 3, 33)
    for transform in (sd.grad, sd.value_and_grad, sd.jacobian):
        np.testing.assert_allclose(flat(transform(ours)(0.3, 0.7)), flat(transform(theirs)(0.3, 0.7)), rtol=1e-14)
    np.testing.assert_allclose(sd.grad(ours)(x, y), sd.grad(theirs)(x, y), rtol=1e-14)
    np.testing.assert_allclose(sd.jvp(ours, "x")(0.3, 2.0, 0.7), sd.jvp(theirs, "x")(0.3, 2.0, 0.7), rtol=1e-14)
    whole, plain = (
        sd.grad(sd.function(f"f(x[n], y[n]) = sum(exp({call}))", namespace=space), "x") for call in ("prd(x, y)", "x*y")
    )
    np.testing.assert_allclose(whole(x, y), plain(x, y), rtol=1e-14)


@pytest.mark.parametrize("way", ["partials", "a defined backward"])
def test_what_has_derivatives_is_differentiated_again(way, space):
    WAYS[way](space)
    ours = sd.function("f(x, y) = prd(sin(x), prd(y, x))", namespace=space)
    theirs = sd.function("f(x, y) = sin(x)*(y*x)")
    np.testing.assert_allclose(sd.hessian(ours)(0.3, 0.7), sd.hessian(theirs)(0.3, 0.7), rtol=1e-14)


@pytest.mark.parametrize(
    ("way", "wanted"),
    [
        ("Python", "give backward of prd for x as a text, or as a function that define made with partials"),
        ("C", "give backward of prd for x as a text, or as a function that define made with partials"),
    ],
)
def test_what_has_none_says_what_to_give(way, wanted, space):
    WAYS[way](space)
    with pytest.raises(DifferentiationError, match="has no derivative by") as caught:
        sd.hessian(sd.function("prd(x, y)", ["x", "y"], namespace=space))
    assert wanted in str(caught.value)


def test_operands_called_as_the_result_and_the_adjoint_are(space):
    """Then these are called otherwise; functions are called by position."""
    space.define(
        "Multiply(y, g)", call=lambda y, g: y * g, backward=lambda y, g, result, adjoint: (adjoint * g, adjoint * y)
    )
    space.define("Multiply2(y, g) = y*g", backward={"y": "adjoint*g", "g": lambda y, g, result, adjoint: adjoint * y})
    for name in ("Multiply", "Multiply2"):
        gradient = sd.grad(sd.function(f"{name}(y, g)", ["y", "g"], namespace=space))
        assert gradient(3.0, 5.0).tolist() == [5.0, 3.0]
    with pytest.raises(ArgumentError, match="is defined already"):
        space.define("Multiply(y, g)", call=lambda y, g: y * g)
    space.define("Multiply(y, g)", call=lambda y, g: 2 * y * g, replace=True)
    assert gradient(3.0, 5.0).tolist() == [5.0, 3.0]
    assert sd.function("Multiply(a, b)", ["a", "b"], namespace=space)(3.0, 5.0) == 30.0


def of_arrays_in_python(space):
    space.define("mv(A[m, n], x[n])[m]", call=times, backward=product_adjoints)


def of_arrays_in_c(space):
    back = {"A": matrix_adjoint_in_c, "x": vector_adjoint_in_c}
    space.define("mv(A[m, n], x[n])[m]", call=apply_in_c, backward=back)


def of_arrays_as_an_expression(space):
    space.define("mv(A[m, n], x[n]) = A @ x", backward={"A": matrix_adjoint_in_c, "x": "g @ A"})


ARRAYS = {"Python": of_arrays_in_python, "C": of_arrays_in_c, "an expression": of_arrays_as_an_expression}


@pytest.mark.parametrize("header", ["f(A[3, 4], x[4])", "f(A[m, n], x[n])"])
@pytest.mark.parametrize("way", ARRAYS)
def test_arrays(way, header, space):
    ARRAYS[way](space)
    rng = np.random.default_rng(2)
    A, x, t = rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)
    texts = ("sum(tanh(mv(A, 2*x)))", "sum(tanh(A @ (2*x)))"), ("sin(mv(A, x*x))", "sin(A @ (x*x))")
    pairs = [[sd.function(f"{header} = {text}", namespace=space) for text in both] for both in texts]
    for transform in (sd.grad, sd.value_and_grad):
        found = [flat(transform(f)(A, x)) for f in pairs[0]]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    for mode in ("forward", "reverse"):
        found = [sd.jacobian(f, "x", mode=mode)(A, x) for f in pairs[1]]
        np.testing.assert_allclose(found[0], found[1], rtol=1e-12)
    found = [sd.jvp(f, "x")(A, x, t) for f in pairs[1]]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12)


def test_second_derivatives_of_arrays(space):
    of_arrays_in_python(space)
    f = sd.function("f(A[2, 3], x[3]) = sum(mv(A, x)**2)", namespace=space)
    with pytest.raises(DifferentiationError) as caught:
        sd.hessian(f, "x")
    assert "give backward of mv for x as a text, or as a function that define made with backward" in str(caught.value)
    back = space.define(
        "back(A[m, n], x[n], y[m], g[m])[n]",
        call=lambda A, x, y, g: A.T @ g,
        backward={"A": "outer(g, adjoint)", "x": "0", "y": "0", "g": "A @ adjoint"},
    )
    space.define("mw(A[m, n], x[n])[m]", call=times, backward={"A": "outer(g, x)", "x": back})
    ours = sd.function("f(A[2, 3], x[3]) = sum(mw(A, x)**3)", namespace=space)
    theirs = sd.function("f(A[2, 3], x[3]) = sum((A @ x)**3)")
    A, x = np.arange(6.0).reshape(2, 3), np.array([0.5, -1.0, 2.0])
    np.testing.assert_allclose(sd.hessian(ours, "x")(A, x), sd.hessian(theirs, "x")(A, x), rtol=1e-12)
    np.testing.assert_allclose(sd.hvp(ours, "x")(A, x, x), sd.hvp(theirs, "x")(A, x, x), rtol=1e-12)


def test_they_are_compared_with_the_expression(space):
    with pytest.raises(ArgumentError, match="says"):
        space.define("wrong(x) = x**2", backward=lambda x, y, g: g * x)
    space.define("meant(x) = x**2", backward=lambda x, y, g: g * x, check=False)
    assert sd.grad(sd.function("meant(x)", namespace=space))(3.0) == 3.0
    with pytest.raises(ArgumentError, match="wrong"):
        space.define("wrong(x[n]) = sum(x**2)*x", backward=lambda x, y, g: g * x)

    def only_large(x, y, g):
        if x < 1:
            raise ValueError("too small")
        return 2 * x * g

    space.define("large(x) = x**2", backward=only_large)


def test_refused(space):
    with pytest.raises(ArgumentError, match="backward is a function, and its operands have no shapes"):
        space.define("s(x) = sum(x**2)", backward=lambda x, y, g: 2 * x * g)
    one = space.define("one(x) = x**2")
    with pytest.raises(ArgumentError, match="takes 1 operands"):
        space.define("s(x, y) = x*y", partials={"x": one, "y": "x"})
    space.define("pair(a, b)", call=math.hypot, backward=lambda a, b, y, g: g)
    with pytest.raises(ArgumentError, match="backward gives 2 adjoints"):
        sd.grad(sd.function("pair(a, b)", ["a", "b"], namespace=space))(3.0, 4.0)


def test_pickles(space):
    of_arrays_in_python(space)
    f = sd.grad(sd.function("f(A[2, 3], x[3]) = sum(mv(A, x)**2)", namespace=space), "x")
    A, x = np.arange(6.0).reshape(2, 3), np.array([0.5, -1.0, 2.0])
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))(A, x), f(A, x))


# cffi and Numba


def test_cffi(space):
    ffi = pytest.importorskip("cffi").FFI()
    library = ffi.dlopen(None)
    ffi.cdef("double atan(double); double fmod(double, double);")
    space.define("at(x)", call=library.atan, partials="1/(1 + x**2)")
    assert sd.grad(sd.function("at(2*x)", namespace=space))(0.5) == 1.0

    @ffi.callback("double(double, double)")
    def product(x, y):
        return x * y

    @ffi.callback("double(double, double, double, double)")
    def by_x(x, y, result, adjoint):
        return adjoint * y

    @ffi.callback("double(double, double)")
    def slope_by_y(x, y):
        return x

    space.define("prd(x, y)", call=product, backward={"x": by_x, "y": "g*x"})
    space.define("prd2(x, y)", call=product, partials={"x": "y", "y": slope_by_y})

    @ffi.callback("void(double *, double *, int64_t)")
    def halves(x, result, n):
        for k in range(n):
            result[k] = x[k] / 2

    @ffi.callback("void(double *, double *, double *, double *, int64_t)")
    def back(x, y, adjoint, result, n):
        halves(adjoint, result, n)

    space.define("halves(x[n])[n]", call=halves, backward=back)
    x, y = np.linspace(0, 1, 50), np.linspace(1, 2, 50)
    for name in ("prd", "prd2"):
        gradient = sd.grad(sd.function(f"{name}(x, y)", ["x", "y"], namespace=space))
        np.testing.assert_array_equal(gradient(3.0, 5.0), [5.0, 3.0])
        np.testing.assert_array_equal(gradient(x, y), np.stack([y, x], 1))
    gradient = sd.grad(sd.function("f(x[n]) = sum(halves(x)**2)", namespace=space))
    np.testing.assert_array_equal(gradient(x), x / 2)
    np.testing.assert_array_equal(gradient(np.stack([x, y])), np.stack([x, y]) / 2)


@pytest.fixture(scope="module")
def compiled():
    """Functions of Numba, compiled once."""
    numba = pytest.importorskip("numba", reason="numba is not installed")
    number, place, size = "float64", numba.types.CPointer(numba.types.float64), numba.types.int64

    @numba.cfunc(f"{number}({number}, {number})")
    def product(x, y):
        return x * y

    @numba.cfunc(f"{number}({number}, {number}, {number}, {number})")
    def by_x(x, y, result, adjoint):
        return adjoint * y

    @numba.cfunc(numba.types.void(place, place, size))
    def cubes(x, result, n):
        for k in range(n):
            result[k] = x[k] ** 3

    @numba.cfunc(numba.types.void(place, place, place, place, size))
    def back(x, y, adjoint, result, n):
        for k in range(n):
            result[k] = 3 * x[k] ** 2 * adjoint[k]

    return product, by_x, cubes, back


def test_numba(compiled, space):
    product, by_x, cubes, back = compiled
    space.define("prd(x, y)", call=product, backward={"x": by_x, "y": "g*x"})
    space.define("cubes(x[n])[n]", call=cubes, backward=back)
    with pytest.raises(ArgumentError, match="float64"):
        space.define("one(x)", call=product)
    gradient = sd.grad(sd.function("prd(x, y)", ["x", "y"], namespace=space))
    assert gradient(3.0, 5.0).tolist() == [5.0, 3.0]
    x, y = np.linspace(0, 1, 500), np.linspace(1, 2, 500)
    np.testing.assert_array_equal(gradient(x, y), np.stack([y, x], 1))
    gradient = sd.grad(sd.function("f(x[n]) = sum(cubes(x))", namespace=space))
    np.testing.assert_allclose(gradient(x), 3 * x**2)
    np.testing.assert_allclose(gradient(np.stack([x, y])), 3 * np.stack([x, y]) ** 2)
    J = sd.jacobian(sd.function("f(x[n]) = cubes(x)", namespace=space))
    np.testing.assert_allclose(J(x[:5]), np.diag(3 * x[:5] ** 2))


def test_numba_is_called_without_the_lock(compiled, space):
    """Another thread runs Python code while native code calls it."""
    space.define("cubes(x[n])[n]", call=compiled[2], backward=compiled[3])
    gradient = sd.grad(sd.function("f(x[200000]) = sum(cubes(x))", namespace=space))
    many = np.ones((60, 200_000))
    gradient(many[:1])
    counted, done = [0], threading.Event()

    def count():
        while not done.is_set():
            counted[0] += 1

    thread = threading.Thread(target=count)
    thread.start()
    before = counted[0]
    gradient(many)
    after = counted[0]
    done.set()
    thread.join()
    assert after > before
