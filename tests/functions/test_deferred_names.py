"""A name that nobody gave a shape is a number only where everything that it meets is one; otherwise a call says."""

import itertools
import random

import numpy as np
import pytest

import symdiff as sd
from symdiff.frontend.parser import free_names
from symdiff.interpret import evaluate
from tests.frontend.test_arrays import OTHERS, SAME, VALUES, build

TEXTS = [t for t in [*SAME, *(t for t, _ in OTHERS)] if any(n in VALUES for n in free_names(t))]


@pytest.mark.parametrize("text", TEXTS)
def test_every_function_of_arrays_is_the_same_without_shapes(text):
    names = [n for n in free_names(text) if n in VALUES]
    values = [VALUES[n] for n in names]
    f, want = sd.function(text, names), build(text)[1]
    if f._cases is not None:
        made = f.specialize(*values)
        nodes = made._name_table()
        found = evaluate(made.graph, made.nodes, {nodes[n]: v for n, v in zip(names, values, strict=True)})[0]
    else:
        found = f(*values)
    assert np.shape(found) == want.shape
    np.testing.assert_allclose(found, want, rtol=1e-13, atol=1e-13)


X, D = np.array([0.5, -1.5, 2.0]), np.array([1.0, 2.0, 4.0])
M = np.array([[1.0, 2.0, 0.5], [3.0, 4.0, -1.0], [0.0, 1.0, 2.0]])

MEETINGS = [  # texts in which x meets an array, or is asked what it is
    "sum((x - [1, 2, 4])**2)", "sum([1, 2, 4]*x)", "sum(x*ones(3))", "sum([1, 2, 4]**x)", "sum(arctan2(x, [1, 2, 4]))",
    "sum(maximum([1, 2, 4], x))", "sum(max(x, [1, 2, 4]))", "sum(where(x > 0, [1, 2, 4], x))",
    "sum(where([1, 0, 2] > 0, x, 1))", "sum(x if [1, 0, 2] > 0 else 1)", "sum(clip(x, [0, 0, 1], 9))",
    "sum(where(0 < x < [1, 2, 4], x, 2*x))", "d = [1, 2, 4]\nr = x - d\nsum(r*r)", "g(a) = a*[1, 2, 4]\nsum(g(x))",
    "[1, 2, 4] @ (x*ones(3))", "sum(exp(-x)*[1, 2, 4] + sin(x))", "sum(-x/[1, 2, 4])", "x.size + x[0]",
    "x.ndim*x[1]", "x.shape[0]*x[1]", "len(x)*sum(x)", "sum(x.T)", "sum(zeros_like(x) + x)", "sum(ones_like(x)*x**2)",
    "sum(full_like(x, 2)*x)", "sum(x + eye(3))", "sum(interp(x, [-2, 0, 3], [1, 5, 2]))",
    "sum([1, 2, 4][[0, 1]])*sum(x)", "sum(full(3, x))", "norm(x*[1, 2, 4])", "sum([[1, 2, 4], x])",
    "logdet(outer(x, x) + eye(3))", "sum([[1, 2, 4]] - x)",
]  # fmt: skip


@pytest.mark.parametrize("text", MEETINGS)
def test_a_meeting_waits_for_the_call(text):
    f, g = sd.function(text, ["x"]), sd.function(text, ["x"], shapes={"x": 3})
    assert f._cases is not None
    assert f(X) == g(X)
    for transform in (sd.grad, sd.hessian, sd.jacobian):
        np.testing.assert_array_equal(transform(text, ["x"])(X), transform(g, ["x"])(X))
    assert sd.value_and_grad(f)(X)[0] == f(X)
    try:
        number = sd.function(text, ["x"], shapes={"x": ()})
    except sd.SymdiffError:
        return  # it takes no number
    np.testing.assert_array_equal(f(0.5), number(0.5))
    assert number._cases is None


def loop(x):
    return sum(x[k] ** 2 for k in range(x.shape[0]))


def unpacked(x):
    a, b, c = x
    return a * b + c


def looped(x):
    total = 0.0
    for e in x:
        total = total + e * e
    return total


def branch(x):
    return 2 * x[0] if x.ndim == 1 else x


TRACED = {
    "data": (lambda x: np.sum((D - x) ** 2), lambda x: np.sum((D - x) ** 2)),
    "data to the right": (lambda x: np.sum((x - D) ** 2), lambda x: np.sum((x - D) ** 2)),
    "a list": (lambda x: np.sum([1.0, 2.0, 4.0] * x), lambda x: np.sum(D * x)),
    "a tuple": (lambda x: np.sum((1.0, 2.0, 4.0) * x), lambda x: np.sum(D * x)),
    "ufunc": (lambda x: np.sum(np.hypot(D, x)), lambda x: np.sum(np.hypot(D, x))),
    "condition": (lambda x: np.sum(np.where(x > D - 2, x, 0.0)), lambda x: np.sum(np.where(x > D - 2, x, 0.0))),
    "method of an array": (lambda x: np.sum(M.dot(x)), lambda x: np.sum(M @ x)),
    "np.dot": (lambda x: np.dot(D, x), lambda x: D @ x),
    "operator @": (lambda x: np.sum(M @ x), lambda x: np.sum(M @ x)),
    "multi_dot": (lambda x: np.linalg.multi_dot([D, M, x]), lambda x: D @ M @ x),
    "einsum": (lambda x: np.einsum("i,i", x, D), lambda x: x @ D),
    "np.r_": (lambda x: np.sum(np.r_[x, 1.0] ** 2), lambda x: np.sum(x**2) + 1),
    "np.append": (lambda x: np.sum(np.append(x, 1.0) ** 2), lambda x: np.sum(x**2) + 1),
    "np.asarray": (lambda x: np.asarray(x)[0] * 2, lambda x: x[0] * 2),
    "np.array": (lambda x: np.array(x)[1] * 2, lambda x: x[1] * 2),
    "np.array of it": (lambda x: np.array([x, 2 * x]).sum(), lambda x: 3 * x.sum()),
    "np.stack": (lambda x: np.sum(np.stack([x, x])[1] * D), lambda x: x @ D),
    "size": (lambda x: x[0] / x.size, lambda x: x[0] / 3),
    "np.size": (lambda x: x[0] / np.size(x), lambda x: x[0] / 3),
    "np.shape": (lambda x: x[0] / np.shape(x)[0], lambda x: x[0] / 3),
    "np.ndim": (lambda x: x[0] * (np.ndim(x) + 1), lambda x: x[0] * 2),
    "len": (lambda x: x[0] / len(x), lambda x: x[0] / 3),
    "len of the shape": (lambda x: x[0] * (1 + len(x.shape)), lambda x: x[0] * 2),
    "T": (lambda x: np.sum(x.T * D), lambda x: x @ D),
    "loop over places": (loop, lambda x: x @ x),
    "loop over elements": (looped, lambda x: x @ x),
    "unpacking": (unpacked, lambda x: x[0] * x[1] + x[2]),
    "a branch": (branch, lambda x: 2 * x[0]),
    "builtin sum": (lambda x: sum(x), sum),
    "zip": (lambda x: sum(a * b for a, b in zip(x, D, strict=True)), lambda x: x @ D),
    "enumerate": (lambda x: sum(k * e for k, e in enumerate(x)), lambda x: x[1] + 2 * x[2]),
    "comprehension": (lambda x: sum([e**2 for e in x]), lambda x: x @ x),
    "map": (lambda x: sum(map(np.square, x)), lambda x: x @ x),
    "star": (lambda x: (lambda a, b, c: a * b * c)(*x), np.prod),
    "reversed": (lambda x: next(iter(reversed(x))), lambda x: x[2]),
    "zeros of its shape": (lambda x: np.sum(np.zeros(x.shape) + x), np.sum),
    "zeros like it": (lambda x: np.sum(np.zeros_like(x) + x), np.sum),
    "another function": (lambda x: sd.function("sum((v - [1, 2, 4])**2)")(x), lambda x: np.sum((D - x) ** 2)),
    "a function of a shape": (lambda x: sd.function("f(v[3]) = sum(v**2)")(x + np.zeros(3)), lambda x: x @ x),
}


@pytest.mark.parametrize("case", TRACED)
def test_traced_functions_need_no_shapes(case):
    fun, want = TRACED[case]
    f = sd.function(fun, ["x"])
    assert f._cases is not None
    np.testing.assert_allclose(f(X), want(X), rtol=1e-14)
    g = sd.function(fun, ["x"], shapes={"x": 3})
    np.testing.assert_array_equal(sd.grad(f)(X), sd.grad(g)(X))
    np.testing.assert_array_equal(sd.hessian(fun)(X), sd.hessian(g)(X))


LINES = {
    "meets": lambda x: np.sum((x - D) ** 2), "length": lambda x: len(x), "turned": lambda x: np.sum(np.exp(x.T)),
    "asked": lambda x: x.shape[0] + x.ndim, "reduced": lambda x: x.sum(), "element": lambda x: x[1] * x[2],
    "elements": lambda x: sum(e**3 for e in x), "array": lambda x: np.asarray(x)[0],
    "list": lambda x: (x * [1, 2, 3])[0],
    "method": lambda x: M.dot(x)[1], "elementwise": lambda x: np.sum(np.sin(x) * 2 + 1),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_the_order_of_lines_changes_nothing(seed):
    chosen = random.Random(seed).sample(sorted(LINES), 3)
    wanted = {}
    for order in itertools.permutations(chosen):
        f = sd.function(lambda x, order=order: tuple(LINES[n](x) for n in order), ["x"])
        assert f._cases is not None
        for n, value in zip(order, f(X), strict=True):
            assert wanted.setdefault(n, value) == value


ASSIGNED = ["a = x*y", "b = y - [1, 2, 4]", "c = 2*x", "d = [x, x]"]


@pytest.mark.parametrize("order", list(itertools.permutations(ASSIGNED)))
def test_the_order_of_lines_of_a_text_changes_nothing(order):
    f = sd.function("\n".join([*order, "sum(b**2) + sum(a) + sum(c) + sum(d)"]), ["x", "y"])
    assert f(X, D) == X @ D + 4 * np.sum(X)


NUMBERS = [
    "x*y + 1", "[x + y, x*y]", "[x + y, x*y]*2", "[[x, y], [1, x*y]]", "[x, y] @ [[1, 2], [3, 4]]", "norm([x, y])",
    "sum([x, y] - [1, 2])", "x if x > y else y", "max(x, y, 1)", "q = x*y\nq + x", "f(x, y) = [x, y, x + y]",
    "g(a) = [a, 2*a]\ng(x*y)", "f([x, y]) = [x, y]*[1, 2]", "f([x, y]) = x*[1, 2] + y",
]  # fmt: skip


@pytest.mark.parametrize("text", NUMBERS)
def test_names_that_meet_numbers_alone_broadcast(text):
    f = sd.function(text) if text.startswith("f(") else sd.function(text, ["x", "y"])
    assert f._cases is None
    points = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 3.0]])
    batch = f(points) if len(f.arguments) == 1 else f(*points.T)
    for point, value in zip(points, batch, strict=True):
        np.testing.assert_allclose(value, f(point) if len(f.arguments) == 1 else f(*point), rtol=1e-15)


@pytest.mark.parametrize("declared", [
    lambda source: sd.function(source, ["x"], shapes={"x": ()}), lambda source: sd.function(source, {"x": ()}),
])  # fmt: skip
@pytest.mark.parametrize("source", ["x*[1, 2, 4]", lambda x: x * D, lambda x: np.array([1.0, 2.0, 4.0]) * x])
def test_a_declared_number_has_batches(declared, source):
    f = declared(source)
    assert f._cases is None
    np.testing.assert_array_equal(f([2.0, 3.0]), [2 * D, 3 * D])
    assert f.graph.types[f.nodes[0]].shape == (3,)


def test_names_of_a_header_are_no_exception():
    f = sd.function("f(x[3], a) = sum((x - a)**2)")
    assert f(X, D) == np.sum((X - D) ** 2)
    assert f(X, 1.0) == np.sum((X - 1) ** 2)
    np.testing.assert_allclose(sd.grad(f, "a")(X, D), 2 * (D - X))
    assert sd.function("f(x[n], a) = n*sum(a*x)")(X, D) == 3 * (X @ D)
    assert sd.function("f(x[3], a) = a*sum(x)")(X, [1.0, 2.0]).shape == (2,)


BATCHES = [
    (lambda: sd.function("f(x[3], a, b) = a*x + b"), (X, [1.0, 2.0], 0.5)),
    (lambda: sd.grad("interp(x, [0, 1, 3], [1, 5, 2])"), ([0.5, 2.0],)),
    (lambda: sd.derivative("x**2*[1, 2] @ [1, 2]", "x", 2), ([0.5, 2.0, 3.0],)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "args"), BATCHES)
def test_a_batch_of_numbers_that_meet_arrays_is_refused_with_what_to_type(make, args):
    with pytest.raises(sd.SymdiffError, match=r"declare shapes=\{\"\w\": \(\)"):
        make()(*args)


def test_what_no_number_makes_right_has_no_such_hint():
    with pytest.raises(sd.ShapeError) as caught:
        sd.function("[[1, 2], [3, 4]] @ x")([1.0, 2.0, 3.0])
    assert "batch of numbers" not in str(caught.value)


def test_a_number_that_meets_arrays_inside_is_given_numbers():
    inner = sd.function("sum(([1, 2] - a)**2)", shapes={"a": ()})
    assert sd.function(lambda x: inner(x[0]), ["x"])([1.0, 5.0]) == 1.0
    with pytest.raises(sd.ShapeError, match="one element"):
        sd.function(lambda x: inner(x), ["x"], shapes={"x": 2})


def test_symbols_are_numbers():
    x = sd.symbols("x")
    assert (x.shape, x.size, x.T is x) == ((), 1, True)
    np.testing.assert_array_equal(sd.function(x * D, ["x"])([1.0, 2.0]), [D, 2 * D])
