"""sd.sin and its kin, and NumPy's functions on an Expr."""

import inspect
import warnings

import numpy as np
import pytest
import scipy.special

from symdiff.errors import CallError, SymdiffError, UnknownNameError
from symdiff.frontend.expr import Expr, as_expr
from symdiff.frontend.functions import function_named, names
from symdiff.frontend.symbols import symbol, symbols
from symdiff.interpret import evaluate
from symdiff.ops import CALLABLE, DEFINITIONS


def value(e, *at):
    inputs = sorted(n for n in e.graph.live([e.node]) if e.graph.ops[n].name == "input")
    return evaluate(e.graph, [e.node], dict(zip(inputs, at, strict=False)))[0]


@pytest.mark.parametrize("name", sorted({*CALLABLE, *(n for n, _ in DEFINITIONS)}))
def test_every_function(name):
    function = function_named(name)
    assert function.__name__ == name
    assert function.__doc__
    parameters = inspect.signature(function).parameters
    op = CALLABLE.get(name)
    count = len(op.parameters) if op else len(parameters)
    numbers = [0.6, 0.3, 0.9, 0.2][:count]
    if op is not None and op.kinds:
        numbers = [
            n > 0.5 if kind == "c" else n
            for n, kind in zip(numbers, ("f" * count if op.payload else op.kinds), strict=True)
        ]
    if op is not None and op.payload:
        numbers[0] = 2
    plain = function(*numbers)
    assert type(plain) in (float, bool)
    x = symbol("x")
    symbolic = function(*numbers[:-1], x if numbers[-1] not in (True, False) else x > 0)
    assert isinstance(symbolic, Expr)
    assert value(symbolic, numbers[-1]) == plain or np.isnan(plain)
    batch = function(*[np.full(2, n) if isinstance(n, float) else n for n in numbers])
    np.testing.assert_array_equal(batch, [plain, plain])


def test_calls():
    x, y = symbols("x y")
    sd = function_named
    assert str(sd("maximum")(x, y, 2)) == "max(x, y, 2)"
    assert sd("maximum")(1, 5, 2) == 5.0
    assert str(sd("where")(x > 0, x, [1, 2])) == "where(x > 0, x, [1, 2])"
    assert str(sd("where")(condition=x > 0, x=x, y=0)) == "where(x > 0, x, 0)"
    assert str(sd("heaviside")(x)) == "heaviside(x, 0.5)"
    assert str(sd("elu")(x, alpha=2)) == "elu(x, 2)"
    assert str(sd("log")(x, 10)) == "log(x)/log(10)"
    assert str(sd("And")(x > 0, y > 0)) == "x > 0 and y > 0"
    assert str(sd("sum")(symbol("v", 3))) == "sum(v)"
    assert sd("sum")([1, 2, 3.5]) == 6.5
    assert sd("sin")([[0.0]]).shape == (1, 1)
    assert sd("sin")(np.float64(0.0)) == 0.0
    assert "sin" in names() and "gelu" in names() and names() == sorted(names())  # noqa: PT018
    import sympy

    assert str(sd("sin")(sympy.Symbol("t"))) == "sin(t)"


@pytest.mark.parametrize(
    "use",
    [lambda: function_named("sin")(), lambda: function_named("sin")(1, 2), lambda: function_named("atan2")(1),
     lambda: function_named("sin")("x"), lambda: function_named("sin")(1j), lambda: function_named("sin")(y=1),
     lambda: function_named("polygamma")(symbol("n"), 1.0), lambda: function_named("maximum")(1)],
)  # fmt: skip
def test_wrong_calls_are_type_errors(use):
    with pytest.raises(CallError) as caught:
        use()
    assert isinstance(caught.value, TypeError)


def test_unknown_names():
    with pytest.raises(UnknownNameError, match="sin"):
        function_named("sinn")


UNARY = ["sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "arcsinh", "arctanh", "exp", "exp2",
         "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "square", "reciprocal", "negative", "positive",
         "absolute", "fabs", "sign", "floor", "ceil", "trunc", "rint", "deg2rad", "rad2deg", "radians", "degrees",
         "isnan"]  # fmt: skip
BINARY = ["add", "subtract", "multiply", "divide", "true_divide", "power", "float_power", "maximum", "minimum",
          "fmax", "fmin", "arctan2", "hypot", "fmod", "mod", "remainder", "floor_divide", "copysign", "heaviside",
          "logaddexp", "less",
          "less_equal", "greater", "greater_equal", "equal", "not_equal"]  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_unary_ufuncs(name):
    ufunc = getattr(np, name)
    e = ufunc(symbol("x"))
    assert isinstance(e, Expr)
    for at in (0.3, 0.7, -0.4):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.testing.assert_allclose(value(e, at), ufunc(at), rtol=1e-14)


@pytest.mark.parametrize("name", BINARY)
def test_binary_ufuncs(name):
    ufunc = getattr(np, name)
    x = symbol("x")
    for a, b in ((0.3, 1.7), (2.5, 0.5), (1.5, 1.5)):
        np.testing.assert_allclose(value(ufunc(x, b), a), ufunc(a, b), rtol=1e-14)
        np.testing.assert_allclose(value(ufunc(np.float64(a), x), b), ufunc(a, b), rtol=1e-14)


@pytest.mark.parametrize("name", ["erf", "erfc", "gamma", "gammaln", "psi", "expit", "logit", "xlogy", "beta"])
def test_scipy_ufuncs(name):
    ufunc = getattr(scipy.special, name)
    rest = (0.75,) * (ufunc.nin - 1)
    np.testing.assert_allclose(value(ufunc(symbol("x"), *rest), 0.3), ufunc(0.3, *rest), rtol=1e-13)


def test_numpy_functions():
    x, y = symbols("x y")
    v = symbol("v", 3)
    assert str(np.where(x > 0, x, 1)) == "where(x > 0, x, 1)"
    assert str(np.clip(x, 0, 1)) == "clip(x, 0, 1)"
    assert str(np.clip(x, 0, None)) == "max(x, 0)"
    assert str(np.clip(x, None, y)) == "min(x, y)"
    assert np.stack([x, y, 1]).shape == (3,)
    assert np.concatenate([v, [x, y]]).shape == (5,)
    assert str(np.sum(v)) == "sum(v)"
    assert np.sum(symbol("W", (2, 3)), axis=0).shape == (3,)
    assert np.sum(symbol("W", (2, 3)), axis=(0, 1)).shape == ()
    assert str(np.max(v)) == "max(v)"
    assert np.dot(symbol("W", (2, 3)), v).shape == (2,)
    assert str(np.sinc(x)) == "sinc(x)"
    assert (np.shape(v), np.ndim(v), np.size(v)) == ((3,), 1, 3)
    assert str(np.round(x)) == "round(x)"
    assert str(np.logical_and(x > 0, y > 0)) == "x > 0 and y > 0"
    assert [str(e) for e in np.sin(np.array([x, y]))] == ["sin(x)", "sin(y)"]
    assert str(sum(np.array([x, y]) * 2)) == "2*x + 2*y"
    assert isinstance(np.float64(2) * x, Expr)
    assert isinstance(np.array([1.0, 2.0]) + x, Expr)
    assert as_expr(np.array([[x, 1], [2, y]])).shape == (2, 2)


@pytest.mark.parametrize(
    "use",
    [lambda x: np.add.reduceat(x, [0]), lambda x: np.sin(x, where=True), lambda x: np.sin(x, out=np.zeros(1)),
     lambda x: np.gcd(x, 2), lambda x: np.where(x > 0), lambda x: np.sum(x, dtype=int),
     lambda x: np.partition(x, 1), lambda x: np.mean(x, out=np.zeros(1)), lambda x: np.cov(x, fweights=x, dtype=int),
     lambda x: np.bitwise_xor(x, 1), lambda x: np.add.at(x, 0, 1), lambda x: np.ldexp(x, 2)],
)  # fmt: skip
def test_numpy_refusals(use):
    with pytest.raises(SymdiffError) as caught:
        use(symbol("x"))
    assert isinstance(caught.value, CallError)


ARRAY_CALLS = [
    lambda m, x: np.sum(m, axis=0), lambda m, x: np.sum(m, 1, keepdims=True), lambda m, x: np.mean(m, axis=(0, 1)),
    lambda m, x: np.prod(m), lambda m, x: np.max(m, axis=1), lambda m, x: np.amin(m, axis=0), lambda m,
    x: np.std(m, ddof=1),
    lambda m, x: np.var(m, 0), lambda m, x: np.dot(m, x), lambda m, x: np.matmul(m, x), lambda m, x: np.inner(m, x),
    lambda m, x: np.outer(m, x), lambda m, x: np.einsum("ij,j->i", m, x), lambda m, x: np.tensordot(m, x, 1),
    lambda m, x: np.linalg.inv(m), lambda m, x: np.linalg.det(m), lambda m, x: np.linalg.solve(m, x),
    lambda m, x: np.linalg.norm(m), lambda m, x: np.linalg.norm(m, 1, axis=0), lambda m,
    x: np.linalg.norm(x, ord=np.inf),
    lambda m, x: np.linalg.cholesky(m @ m.T), lambda m, x: np.linalg.matrix_power(m, 3), lambda m,
    x: np.where(m > 0, m, x),
    lambda m, x: np.concatenate([m, [x]]), lambda m, x: np.concatenate((x, [1.0, 2.0])), lambda m,
    x: np.stack([x, x], axis=1),
    lambda m, x: np.vstack((m, x)), lambda m, x: np.hstack([x, x]), lambda m, x: np.column_stack([x, m]),
    lambda m, x: np.transpose(m), lambda m, x: np.reshape(m, -1), lambda m, x: np.reshape(m, (1, 9)), lambda m,
    x: np.ravel(m),
    lambda m, x: np.trace(m), lambda m, x: np.diag(m), lambda m, x: np.diag(x), lambda m, x: np.diagonal(m, 1),
    lambda m, x: np.cumsum(m, axis=0), lambda m, x: np.cumprod(x), lambda m, x: np.roll(m, 1, axis=0), lambda m,
    x: np.flip(m),
    lambda m, x: np.tile(x, 2), lambda m, x: np.repeat(m, 2, axis=1), lambda m, x: np.tril(m), lambda m,
    x: np.diff(m, axis=0),
    lambda m, x: np.clip(m, 0, None), lambda m, x: np.round(m, 2), lambda m, x: np.kron(m, x), lambda m,
    x: np.cross(m, x),
    lambda m, x: np.squeeze(m[None]), lambda m, x: np.expand_dims(x, 0), lambda m, x: np.atleast_2d(x),
    lambda m, x: np.broadcast_to(x, (2, 3)), lambda m, x: np.take(m, [0, 2], axis=1), lambda m, x: np.average(m, 0),
    lambda m, x: np.any(m > 0, axis=0), lambda m, x: np.all(m > -9), lambda m, x: np.add.reduce(m), lambda m,
    x: np.ptp(m),
    lambda m, x: np.maximum.reduce(m, axis=1), lambda m, x: np.add.accumulate(m), lambda m, x: np.multiply.outer(x, x),
    lambda m, x: np.zeros_like(m) + 1, lambda m, x: np.full_like(m, 2.0), lambda m, x: np.linspace(x[0], 3.0, 4),
    lambda m, x: np.vdot(m, m), lambda m, x: np.swapaxes(m, 0, 1), lambda m, x: np.moveaxis(m, 0, 1), lambda m,
    x: np.rot90(m),
    lambda m, x: np.linalg.multi_dot([m, m, x]), lambda m, x: np.append(x, 4.0), lambda m, x: np.count_nonzero(m > 0),
    lambda m, x: np.ones((3, 3)) @ m, lambda m, x: np.ones(3) * x, lambda m, x: x @ m, lambda m, x: sum(x), lambda m,
    x: np.pad(x, 1),
]  # fmt: skip


@pytest.mark.parametrize("call", ARRAY_CALLS, ids=range(len(ARRAY_CALLS)))
def test_numpy_functions_of_arrays(call):
    rng = np.random.default_rng(3)
    m, x = rng.normal(size=(3, 3)) + 2 * np.eye(3), rng.normal(size=3)
    graph = symbols("m x")[0].graph.__class__()
    e = call(Expr(graph, graph.input("m", (3, 3))), Expr(graph, graph.input("x", (3,))))
    assert isinstance(e, Expr)
    got = evaluate(e.graph, [e.node], {e.graph.input("m", (3, 3)): m, e.graph.input("x", (3,)): x})[0]
    want = call(m, x)
    assert np.shape(got) == np.shape(want)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


def test_functions_of_numbers():
    sd = function_named
    m = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(sd("sum")(m, axis=0), [3, 5, 7])
    assert sd("sum")([1, 2], 0) == 3
    np.testing.assert_array_equal(sd("reshape")(m, (3, 2)), m.reshape(3, 2))
    np.testing.assert_array_equal(sd("einsum")("ij->ji", m), m.T)
    np.testing.assert_array_equal(sd("concatenate")([m, m], axis=1), np.concatenate([m, m], 1))
    np.testing.assert_array_equal(sd("stack")((m[0], m[1]), axis=1), m.T)
    np.testing.assert_array_equal(sd("matmul")(m, m.T), m @ m.T)
    np.testing.assert_array_equal(sd("max")(m, axis=0), [3, 4, 5])
    np.testing.assert_array_equal(sd("take")(m, [0, 2], axis=1), m[:, [0, 2]])
    np.testing.assert_array_equal(sd("arange")(3), [0, 1, 2])
    np.testing.assert_array_equal(sd("eye")(2), np.eye(2))
    assert sd("norm")([3, 4]) == 5.0
    assert sd("norm")(np.eye(2), "fro") == np.sqrt(2)
    assert sd("max")(1, 2) == 2.0
    assert sd("all")(np.array([True, False])) == False  # noqa: E712
    assert sd("mean")(np.array(3.0)) == 3.0
    for wrong in (
        lambda: sd("sum")(),
        lambda: sd("sum")([1], axes=0),
        lambda: sd("einsum")(m, "ij"),
        lambda: sd("zeros")("a"),
    ):
        with pytest.raises(CallError):
            wrong()
