"""Functions with sizes by name: they print and differentiate as formulas, and what no size makes right is refused."""

import numpy as np
import pytest

import symdiff as sd

PRINTED = [
    ("f(x[n]) = sum(x**2)", sd.grad, "grad_f(x[n]) = 2*x"),
    ("f(x[n]) = mean(x)/n", sd.grad, "grad_f(x[n]) = full(n, 1/n**2)"),
    ("f(x[n], y[n]) = sum(x*y)/n", sd.grad, "grad_f_0 = y/n"),
    ("f(W[m, n], x[n]) = sum((W @ x)**2)", lambda f: sd.grad(f, "x"), "grad_f(W[m, n], x[n]) = W.T @ (2*(W @ x))"),
    ("f(W[m, n], x[n]) = W @ x", lambda f: sd.jvp(f, "x"), "jvp_f(W[m, n], x[n], x_dot[n]) = W @ x_dot"),
    ("f(x[n]) = concatenate([x, 2*x])", sd.jvp, "jvp_f(x[n], x_dot[n]) = concatenate([x_dot, 2*x_dot])"),
    ("f(x[n]) = sum(x[1:]*x[:-1])", sd.jvp, "sum(x[:n - 1]*x_dot[1:] + x[1:]*x_dot[:n - 1])"),
    ("f(x[n]) = sum(x**2)", sd.vmap, "vmap_f(x[batch, n]) = sum(x**2, axis=1)"),
    ("f(x[n]) = sum(x**3)", lambda f: sd.vmap(sd.grad(f)), "3*x**2"),
]


@pytest.mark.parametrize(("text", "transform", "printed"), PRINTED)
def test_derivatives_print_with_the_names_of_sizes(text, transform, printed):
    made = transform(sd.function(text))
    assert printed in str(made)
    assert made._repr_latex_() is not None
    assert '%"' not in str(made) + made._repr_latex_()


@pytest.mark.parametrize(("text", "transform", "printed"), PRINTED)
def test_what_is_printed_is_the_function(text, transform, printed):
    made = transform(sd.function(text))
    again = sd.function(str(made)) if "#" not in str(made) else None
    rng, sizes = np.random.default_rng(0), {"n": 5, "m": 3, "batch": 4}
    args = [rng.standard_normal([sizes[str(n)] for n in a.shape]) for a in made.arguments]
    if again is not None:
        np.testing.assert_allclose(again(*args), made(*args), rtol=1e-12)


WRONG = [
    ("f(x[n]) = x @ x @ x", "a scalar is no matrix", "@"),
    ("f(x[n]) = x[0] + sum(x, axis=1)", "axis 1 is out of range", "sum"),
    ("f(A[m, n]) = sum(A) + A[0, 0, 0]", "3 indices", "["),
    ("f(x[n]) = transpose(x, (1, 0))", None, "transpose"),
    ("f(x[n]) = x + [[1, 2], [3]]", None, "["),
]


@pytest.mark.parametrize(("text", "message", "at"), WRONG)
def test_what_no_size_makes_right_is_refused_at_once(text, message, at):
    with pytest.raises(sd.ShapeError, match=message) as caught:
        sd.function(text)
    assert '%"' not in str(caught.value)
    if at is not None:
        assert at in text[slice(*caught.value.span)]


RIGHT_FOR_SOME = [
    ("f(x[n], y[m]) = x + y", (np.ones(2), np.ones(2)), np.full(2, 2.0)),
    ("f(x[n], y[m]) = x + y", (np.ones(2), np.ones(1)), np.full(2, 2.0)),
    ("f(W[m, n], x[m]) = W @ x", (np.eye(2), np.ones(2)), np.ones(2)),
    ("f(x[n]) = x + [1, 2, 3]", (np.zeros(3),), [1.0, 2.0, 3.0]),
    ("f(x[n]) = x[5]", (np.arange(6.0),), 5.0),
    ("f(x[n]) = reshape(x, ())", (np.array([4.0]),), 4.0),
    ("f(x[n]) = reshape(x, (2, 2))[0, 1]", (np.arange(4.0),), 1.0),
    ("f(x[n]) = squeeze(x, 0)", (np.array([4.0]),), 4.0),
    ("f(A[m, n]) = det(A)", (2 * np.eye(2),), 4.0),
]


@pytest.mark.parametrize(("text", "args", "value"), RIGHT_FOR_SOME)
def test_what_some_size_makes_right_waits_for_the_call(text, args, value):
    np.testing.assert_array_equal(sd.function(text)(*args), value)


def test_gradients_of_vectors_are_refused_with_the_names_of_sizes():
    f = sd.function("f(W[m, n], x[n]) = W @ x")
    with pytest.raises(sd.DifferentiationError, match=r"shape \(m,\)"):
        sd.grad(f)
