"""Functions from outside of whole arrays: C functions with pointers and sizes, and Python functions of arrays."""

import ctypes
import pickle

import numpy as np
import pytest

import symdiff as sd
from symdiff.display.code import python_source
from symdiff.errors import ArgumentError, DifferentiationError, ParseError, ShapeError, StorageError
from symdiff.frontend.calls import PROCESS
from symdiff.interpret import evaluate
from tests.functions.outside_functions import times

POINTER = ctypes.POINTER(ctypes.c_double)


@ctypes.CFUNCTYPE(None, POINTER, POINTER, POINTER, ctypes.c_int64, ctypes.c_int64)
def in_c(a, x, y, m, n):
    """A @ x as C has it."""
    for i in range(m):
        y[i] = sum(a[i * n + j] * x[j] for j in range(n))


def checked(a, x):
    if x[0] < 0:
        raise ArithmeticError(f"x begins with {x[0]}")
    x *= 2.0  # a copy: nobody sees it
    return a @ x / 2


@pytest.fixture(scope="module", autouse=True)
def _definitions():
    """The functions of these tests, gone after them."""
    kept = PROCESS.known
    adjoints = {"A": "outer(g, x)", "x": "g @ A"}
    sd.define("v_c(A[m, n], x[n])[m]", call=in_c, backward=adjoints)
    sd.define("v_python(A[m, n], x[n])[m]", call=checked, backward=adjoints)
    sd.define("v_address(A[m, n], x[n])[m]", call=ctypes.cast(in_c, ctypes.c_void_p).value, backward=adjoints)
    sd.define("v_times(A[m, n], x[n])[m]", call=times, backward=adjoints)
    sd.define("v_bare(x[n], t)", call=lambda x, t: x.sum() * t)
    sd.define("v_fixed(x[3])[2, 3]", call=lambda x: np.stack([x, x**2]), backward="g[0] + 2*x*g[1]")
    yield
    PROCESS.known = kept


def operands(m, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(m, n)), rng.uniform(0.1, 1, n)


@pytest.mark.parametrize("name", ["v_c", "v_python", "v_address"])
@pytest.mark.parametrize("declared", [True, False])
def test_values_and_derivatives(name, declared):
    header = "f(A[3, 4], x[4])" if declared else "f(A[m, n], x[n])"
    ours = sd.function(f"{header} = sum(tanh({name}(A, 2*x))**2) + x[0]")
    theirs = sd.function(f"{header} = sum(tanh(A @ (2*x))**2) + x[0]")
    for sizes in [(3, 4)] if declared else [(3, 4), (1, 2), (20, 30)]:
        a, x = operands(*sizes)
        assert ours(a, x) == pytest.approx(theirs(a, x), rel=1e-13)
        for by in ("A", "x"):
            for transform in (sd.grad, sd.hessian) if sizes[0] < 20 else (sd.grad,):
                got, wanted = transform(ours, by)(a, x), transform(theirs, by)(a, x)
                np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(sd.hvp(ours, "x")(a, x, x), sd.hvp(theirs, "x")(a, x, x), rtol=1e-10)


def test_jacobians_and_directions():
    f = sd.function("f(A[3, 4], x[4]) = v_c(A, x)")
    a, x = operands(3, 4)
    np.testing.assert_allclose(sd.jacobian(f, "x")(a, x), a)
    np.testing.assert_allclose(sd.jvp(f, "x")(a, x, x), a @ x)
    np.testing.assert_allclose(sd.vjp(f, "x")(a, x, np.ones(3)), a.sum(0))


@pytest.mark.parametrize("name", ["v_c", "v_python"])
def test_batches_and_bits(name):
    f = sd.function(f"f(A[3, 4], x[4]) = {name}(A, x)")
    a, x = operands(3, 4)
    many = np.stack([x, 2 * x, x + 1])
    np.testing.assert_allclose(f(a, many), many @ a.T)
    np.testing.assert_allclose(f(a[:, ::-1], x[::-1]), a @ x)
    inputs = [f.graph.input("A", (3, 4)), f.graph.input("x", (4,))]
    np.testing.assert_array_equal(evaluate(f.graph, f.nodes, dict(zip(inputs, (a, x), strict=True)))[0], f(a, x))


def test_numbers_and_fixed_sizes():
    x = np.array([0.5, 1.0, -2.0])
    f = sd.function("f(x[n]) = v_bare(x, 2) + v_bare(2*x, x[0])")
    assert f(x) == 2 * x.sum() + 2 * x.sum() * x[0]
    packed = sd.function("v_bare([a, b], b)*a", ["a", "b"], shapes={"a": (), "b": ()})
    assert packed(2.0, 3.0) == 30.0
    np.testing.assert_array_equal(packed([1.0, 2.0], 3.0), [12.0, 30.0])
    g = sd.function("f(x[3]) = v_fixed(x)")
    np.testing.assert_array_equal(g(x), [x, x**2])
    np.testing.assert_array_equal(sd.grad("f(x[3]) = sum(v_fixed(x))")(x), 1 + 2 * x)


def test_errors_come_out():
    f = sd.function("f(A[3, 4], x[4]) = sum(v_python(A, x))")
    a, x = operands(3, 4)
    for wrong in (-x, np.stack([x, -x, x])):
        with pytest.raises(ArithmeticError, match="x begins with"):
            f(a, wrong)
    assert f(a, x) == pytest.approx((a @ x).sum())
    space = sd.Namespace()
    for name, call in {"shorter": lambda x: x[1:], "number": lambda x: 1.0}.items():
        space.define(f"v_{name}(x[n])[n]", call=call)
        with pytest.raises(ShapeError, match=f"v_{name} gave an array of shape"):
            sd.function(f"f(x[3]) = v_{name}(x)", namespace=space)(np.ones(3))


def test_without_backward_there_is_no_derivative():
    with pytest.raises(DifferentiationError, match="v_bare has no derivative by x here") as caught:
        sd.grad("f(x[3]) = v_bare(x, 1)")
    assert 'backward={"x": "…", "t": "…"}' in str(caught.value)


@pytest.mark.parametrize(
    ("action", "error", "message"),
    [
        (lambda: sd.function("f(x[3]) = v_bare(x, x)"), ShapeError, r"t is given .* shape \(3,\)|t is given a value"),
        (lambda: sd.function("f(A[2, 3], x[4]) = v_c(A, x)"), ShapeError, "n is 3 in one operand and 4 in x"),
        (lambda: sd.function("f(x[4]) = v_fixed(x)"), ShapeError, "v_fixed: 3 is 3 in one operand and 4"),
        (lambda: sd.define("v_x(x[n])[m]", call=in_c), ArgumentError, "no operand has the size m"),
        (lambda: sd.define("v_x(x[n])", call=in_c, partials="1"), ArgumentError, "give backward"),
        (lambda: sd.define("v_x(x[n])", call="f"), ArgumentError, "call of v_x is 'f'"),
        (lambda: sd.define("v_x(x[n])", call=lambda x, y: x), ArgumentError, "is called with 1 operand"),
        (lambda: sd.define("v_x(x[n])[n]", call=in_c, backward="q"), ParseError, "q is none of its operands"),
        (lambda: sd.function("v_c(A, x)", shapes={"A": (2, 3), "x": 3}, dtype="float32"), ShapeError, "float64"),
    ],
)
def test_refusals(action, error, message):
    with pytest.raises(error, match=message):
        action()


def test_printed_and_stored(tmp_path):
    f = sd.function("f(A[3, 4], x[4]) = 2*v_times(A, x)")
    a, x = operands(3, 4)
    assert str(f) == "f(A[3, 4], x[4]) = 2*v_times(A, x)"
    np.testing.assert_array_equal(sd.function(str(f))(a, x), f(a, x))
    assert r"\operatorname{v\_times}\left(A, x\right)" in f._repr_latex_()
    scope = {"v_times": times}
    exec(python_source(f.graph, "f", f.arguments, f.nodes[0]), scope)
    np.testing.assert_allclose(scope["f"](a, x), f(a, x), rtol=1e-14)
    assert "call v_times" in f.explain()
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(f))(a, x), f(a, x))
    with pytest.raises(StorageError, match="v_times"):
        f.save(tmp_path / "f")
    with pytest.raises(StorageError, match="address of this process"):
        pickle.dumps(sd.function("f(A[3, 4], x[4]) = v_c(A, x)"))
