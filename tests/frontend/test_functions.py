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
    numbers = [0.6, 0.3, 0.9][:count]
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
    assert str(np.max(v)) == "max(v[0], v[1], v[2])"
    assert np.dot(symbol("W", (2, 3)), v).shape == (2,)
    assert str(np.sinc(x)) == "sinc(x)"
    assert (np.shape(v), np.ndim(v), np.size(v)) == ((3,), 1, 3)
    assert str(np.round(x)) == "round(x)"
    assert str(np.logical_and(x > 0, y > 0)) == "x > 0 and y > 0"
    assert [str(e) for e in np.sin(np.array([x, y]))] == ["sin(x)", "sin(y)"]
    assert str(sum(np.array([x, y]) * 2)) == "0 + x*2 + y*2"
    assert isinstance(np.float64(2) * x, Expr)
    assert isinstance(np.array([1.0, 2.0]) + x, Expr)
    assert as_expr(np.array([[x, 1], [2, y]])).shape == (2, 2)


@pytest.mark.parametrize(
    "use",
    [lambda x: np.add.reduce(x), lambda x: np.sin(x, where=True), lambda x: np.sin(x, out=np.zeros(1)),
     lambda x: np.gcd(x, 2), lambda x: np.linalg.inv(x), lambda x: np.where(x > 0), lambda x: np.stack([x, x], axis=1),
     lambda x: np.round(x, 2),
     lambda x: np.bitwise_xor(x, 1), lambda x: np.cumsum(x), lambda x: np.isfinite(x)],
)  # fmt: skip
def test_numpy_refusals(use):
    with pytest.raises(SymdiffError) as caught:
        use(symbol("x"))
    assert isinstance(caught.value, CallError)
