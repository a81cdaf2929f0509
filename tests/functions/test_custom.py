"""`define`: functions of a user's own, with derivatives that follow or that they give."""

import inspect
import pickle
import subprocess
import sys

import numpy as np
import pytest

import symdiff as sd
from symdiff.frontend.calls import PROCESS
from symdiff.functions.layers import with_used
from symdiff.interpret import evaluate

X = np.array([0.3, -0.7, 1.2])
B = np.array([0.5, 2.0, -0.4])


@pytest.fixture(scope="module", autouse=True)
def _definitions():
    """The functions of these tests, gone after them."""
    kept = PROCESS.known
    sd.define("c_square(x) = x**2")
    sd.define("c_mean_free(x) = x - mean(x)")
    sd.define("c_soft(x) = log(1 + exp(x))", backward="g*sigmoid(x)")
    sd.define("c_logistic(x) = 1/(1 + exp(-x))", backward={"x": "g*y*(1 - y)"})
    sd.define("c_hypot(a, b) = sqrt(a**2 + b**2)", partials={"a": "a/y", "b": "b/y"})
    sd.define("c_log_softmax(x) = x - logsumexp(x)", backward="g - exp(y)*sum(g)")
    sd.define("c_affine(W, x, b) = W @ x + b", backward={"W": "outer(g, x)", "x": "W.T @ g", "b": "g"})
    sd.define("c_scaled(x[n], W[m, n]) = W @ x/n", backward={"x": "g @ W/n", "W": "outer(g, x)/n"})
    sd.define("c_lines(x) = x", backward="q = 2*g\nq*1.5", check=False)  # wrong on purpose: its own derivative is used
    sd.define("c_clipped(x) = x", backward="max(min(g, 1), -1)", check=False)
    sd.define("c_twice(x) = c_soft(c_soft(x))")
    sd.define("c_four(a, b, c, d) = a*b + c*d", partials={"a": "b", "b": "a", "c": "d", "d": "c"})
    sd.define("c_multiply(x, y) = x*y", backward={"x": "g*y", "y": "g*x"})
    sd.define("c_gained(y, g) = y*g", partials={"y": "g", "g": "result/g"})
    sd.define("c_outer(y, g) = sum(y)*g", backward={"y": "sum(adjoint*g)*ones_like(y)", "g": "adjoint*result/g"})
    sd.define("c_named(y, g, result, adjoint) = y - g + result*adjoint")
    yield
    PROCESS.known = kept


SAME = {
    # a formula with a definition, the same in the language, the inputs' shapes
    "macro": ("sum(c_square(x)*b)", "sum(x**2*b)"),
    "macro of arrays": ("sum(c_mean_free(x)**2*b)", "sum((x - mean(x))**2*b)"),
    "adjoint": ("sum(c_soft(x*b))", "sum(log(1 + exp(x*b)))"),
    "adjoint with y": ("sum(b*c_logistic(x)**2)", "sum(b*sigmoid(x)**2)"),
    "partials": ("sum(c_hypot(x, b)**3)", "sum(sqrt(x**2 + b**2)**3)"),
    "partials, broadcast": ("sum(c_hypot(x, b[0])*b)", "sum(sqrt(x**2 + b[0]**2)*b)"),
    "whole array": ("sum(c_log_softmax(x*b)**2)", "sum((x*b - logsumexp(x*b))**2)"),
    "sizes": ("sum(c_scaled(x, outer(b, x))**2)", "sum((outer(b, x) @ x/3)**2)"),
    "several operands": ("sum(c_affine(outer(b, x), x, b)**2)", "sum((outer(b, x) @ x + b)**2)"),
    "definitions of definitions": ("sum(b*c_twice(x))", "sum(b*log(1 + exp(log(1 + exp(x)))))"),
    "four operands": ("sum(c_four(x, b, x**2, b) + x**3)", "sum(x*b + x**2*b + x**3)"),
    "an operand y": ("sum(c_multiply(x, b)**2)", "sum((x*b)**2)"),
    "operands y and g": ("sum(c_gained(x, b)**2)", "sum((x*b)**2)"),
    "operands y and g of a layer": ("sum(c_outer(x, b)**2)", "sum((sum(x)*b)**2)"),
    "any names without derivatives": ("sum(c_named(x, b, x, b))", "sum(x - b + x*b)"),
    "keywords": ("sum(c_hypot(b=x, a=b))", "sum(sqrt(x**2 + b**2))"),
}


def interpreted(f, *values):
    given = {f.graph.input(a.name, a.shape): v for a, v in zip(f.arguments, values, strict=True)}
    return [np.asarray(v) for v in evaluate(f.graph, f.nodes, given)]


TRANSFORMS = {
    "value": lambda f: f,
    "gradient": lambda f: sd.grad(f, ("x", "b")),
    "Hessian": lambda f: sd.hessian(f, ("x", "b")),
    "Jacobian, forward": lambda f: sd.jacobian(f, "x", "forward"),
    "Jacobian of the gradient": lambda f: sd.jacobian(sd.grad(f, "x"), "x", "forward"),
    "reverse over reverse": lambda f: sd.jacobian(sd.grad(f, "x"), "x", "reverse"),
}


@pytest.mark.parametrize("transform", TRANSFORMS.values(), ids=TRANSFORMS)
@pytest.mark.parametrize(("text", "plain"), SAME.values(), ids=SAME)
def test_as_the_language_itself(text, plain, transform):
    f, g = (transform(sd.function(t, ["x", "b"], shapes={"x": 3, "b": 3})) for t in (text, plain))
    for found, wanted in zip(interpreted(f, X, B), interpreted(g, X, B), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)
    for found, wanted in zip(_flat(f(X, B)), interpreted(g, X, B), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


def _flat(results):
    return [leaf for r in results for leaf in _flat(r)] if isinstance(results, tuple) else [results]


def test_vector_valued_layers_have_jacobians():
    for mode in ("forward", "reverse"):
        f = sd.jacobian("f(x[3]) = c_log_softmax(x)", "x", mode)
        softmax = np.exp(X) / np.exp(X).sum()
        np.testing.assert_allclose(interpreted(f, X)[0], np.eye(3) - softmax, rtol=1e-13, atol=1e-15)


def test_its_own_derivative_is_used():
    np.testing.assert_allclose(sd.grad("f(x[3]) = sum(c_lines(x))")(X), [3.0, 3.0, 3.0])
    # an adjoint that is not linear in g, for reverse mode
    f = sd.grad("c_clipped(x)**2")
    assert [f(0.25), f(3.0), f(-3.0)] == [0.5, 1.0, -1.0]


def test_guards_reach_into_elementwise_layers():
    sd.define("c_root(x) = sqrt(x)", backward="g/(2*y)")
    f = sd.function("f(x[2]) = sum(where(x > 0, c_root(x), 0))")
    np.testing.assert_array_equal(sd.grad(f)(np.array([-1.0, 0.0])), [0.0, 0.0])
    np.testing.assert_array_equal(sd.hessian(f)(np.array([4.0, 0.0])), [[-1 / 32, 0.0], [0.0, 0.0]])


def test_as_a_python_function():
    cube = sd.define("c_cube(x, scale) = scale*x**3", partials={"x": "3*scale*x**2", "scale": "x**3"})
    assert cube.__name__ == "c_cube"
    assert "c_cube(x, scale)" in cube.__doc__
    assert str(inspect.signature(cube)) == "(x, scale)"
    assert cube(2.0, 1.0) == 8.0
    np.testing.assert_array_equal(cube(np.array([1.0, 2.0]), scale=2.0), [2.0, 16.0])
    x = sd.symbol("x")
    assert str(cube(x, 2.0)) == "c_cube(x, 2)"
    assert sd.function(lambda x: cube(x, 1.0) + 1)(2.0) == 9.0
    soft = sd.define("c_log_softmax(x) = x - logsumexp(x)", backward="g - exp(y)*sum(g)")  # the same again
    np.testing.assert_allclose(soft(X), X - np.log(np.exp(X).sum()))
    assert str(soft(sd.symbol("v", 3))) == "c_log_softmax(v)"


def test_it_is_shown_as_a_call_that_parses_again():
    for text in ("sum(c_log_softmax(2*x))", "sum(c_soft(x))", "sum(c_affine(W, x, x))"):
        f = sd.function(text, ["x", "W"], shapes={"x": 3, "W": (3, 3)})
        assert str(f) == f"f(x[3], W[3, 3]) = {text}"
        assert str(sd.function(str(f))) == str(f)


def test_it_is_simplified():
    assert sd.simplify("c_soft(x)*2*3") == "6*c_soft(x)"


def test_deferred_shapes():
    f = sd.function("sum(c_log_softmax(x))")
    np.testing.assert_allclose(sd.grad(f)(X), 1 - 3 * np.exp(X) / np.exp(X).sum(), rtol=1e-12)
    assert sd.grad(f)(np.ones(5)).shape == (5,)


def test_shipped_functions_may_be_repeated():
    assert sd.define("swish(x) = x*sigmoid(x)")(0.0) == 0.0
    assert sd.define("swish(z) = z*sigmoid(z)")(0.0) == 0.0


STORED = ["sum(c_log_softmax(x))", "sum(c_soft(x))", "sum(c_twice(x))", "sum(c_affine(outer(x, x), x, x))"]


@pytest.mark.parametrize("text", STORED)
@pytest.mark.parametrize("shapes", [{"x": 3}, {"x": "n"}, {}], ids=["known", "named", "deferred"])
def test_stored_here(text, shapes):
    f = sd.grad(sd.function(text, shapes=shapes))
    g = pickle.loads(pickle.dumps(f))
    np.testing.assert_array_equal(g(X), f(X))


LOADING = """
import sys
import numpy as np
import symdiff as sd
if len(sys.argv) > 2:
    sd.define(sys.argv[2])
f = sd.load(sys.argv[1])
print(repr(f(np.array([0.3, -0.7, 1.2])).tolist()))
"""


@pytest.mark.parametrize("shapes", [{"x": 3}, {}], ids=["known", "deferred"])
def test_files_carry_definitions(shapes, tmp_path):
    f = sd.grad(sd.function("sum(c_log_softmax(x)) + sum(c_twice(x))", shapes=shapes))
    f.save(tmp_path / "f")
    for meant in ([], ["c_soft(x) = x"], ["c_log_softmax(a, b) = a*b"]):  # whatever the words mean there
        done = subprocess.run(
            [sys.executable, "-c", LOADING, str(tmp_path / "f"), *meant], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"{f(X).tolist()!r}\n"


def test_a_file_holds_only_what_it_needs():
    twice = PROCESS.known["c_twice"]
    assert [x.text for x in with_used([twice])] == ["c_soft(x) = log(1 + exp(x))", "c_twice(x) = c_soft(c_soft(x))"]


REFUSED = {
    "no header": (lambda: sd.define("x**2"), sd.ArgumentError, "header"),
    "no text": (lambda: sd.define(3), sd.ArgumentError, "text"),
    "taken": (lambda: sd.define("sin(x) = x"), sd.ArgumentError, "sin is a function of the language"),
    "taken by another": (lambda: sd.define("swish(x) = x"), sd.ArgumentError, "swish is a function"),
    "defined otherwise": (lambda: sd.define("c_square(x) = x**3"), sd.ArgumentError, "defined already"),
    "other derivative": (lambda: sd.define("c_square(x) = x**2", backward="g*x"), sd.ArgumentError, "already"),
    "both": (lambda: sd.define("n_a(x) = x", backward="g", partials="1"), sd.ArgumentError, "not both"),
    "missing operand": (lambda: sd.define("n_b(a, b) = a*b", backward={"a": "g*b"}), sd.ArgumentError, "each operand"),
    "one text for two": (lambda: sd.define("n_c(a, b) = a*b", backward="g*b"), sd.ArgumentError, "each operand"),
    "operand g for the adjoint": (
        lambda: sd.define("n_d(x, g) = x*g", backward={"x": "g", "g": "adjoint*x"}),
        sd.ArgumentError,
        "the adjoint of x does not depend on adjoint",
    ),
    "no word is left": (
        lambda: sd.define("n_e(g, adjoint) = g", backward={"g": "g", "adjoint": "0"}),
        sd.ArgumentError,
        "operands are called g and adjoint",
    ),
    "no word is left for the result": (
        lambda: sd.define("n_s(y, result) = y*result", partials={"y": "result", "result": "y"}),
        sd.ArgumentError,
        "operands are called y and result",
    ),
    "unknown function in a layer": (lambda: sd.define("n_p(x) = sum(n_q(x))"), sd.UnknownNameError, "n_q"),
    "unknown function, backward": (
        lambda: sd.define("n_r(x) = sum(x)", backward="n_q(g)"),
        sd.UnknownNameError,
        "there is no function called n_q",
    ),
    "affine": (lambda: sd.define("n_f(x) = x", backward="g + 1"), sd.ArgumentError, "linear in g"),
    "partials of a layer": (lambda: sd.define("n_g(x) = sum(x)", partials="1"), sd.ArgumentError, "give backward"),
    "unknown name": (lambda: sd.define("n_h(x) = x + z"), sd.UnknownNameError, "z"),
    "unknown name in a layer": (lambda: sd.define("n_i(x) = sum(x) + z"), sd.UnknownNameError, "z"),
    "unknown name, backward": (lambda: sd.define("n_j(x) = x", backward="g*w"), sd.UnknownNameError, "w"),
    "unknown function": (lambda: sd.define("n_k(x) = n_l(x)"), sd.UnknownNameError, "n_l"),
    "itself": (lambda: sd.define("n_m(x) = n_m(x)"), sd.UnknownNameError, "n_m"),
    "a pack": (lambda: sd.define("n_n([a, b]) = a"), sd.ArgumentError, "operands"),
    "number of operands": (lambda: sd.function("c_hypot(x)"), sd.ParseError, "c_hypot"),
    "axes of an operand": (lambda: sd.function("c_scaled(x, x)", shapes={"x": 3}), sd.ShapeError, "1 axes|1 axis"),
    "sizes of operands": (lambda: sd.function("f(x[2], W[4, 3]) = c_scaled(x, W)"), sd.ShapeError, "n is"),
    "shape of an adjoint": (lambda: _wrong_adjoint(), sd.ShapeError, "adjoint of x"),
}


def _wrong_adjoint():
    sd.define("n_o(x) = sum(x)*1.0", backward="[g, g]")
    return sd.grad("n_o(x)", "x")(X)


@pytest.mark.parametrize(("act", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(act, error, message):
    before = PROCESS.known
    with pytest.raises(error, match=message):
        act()
    assert {n for n in PROCESS.known if n not in before} <= {"n_o"}
