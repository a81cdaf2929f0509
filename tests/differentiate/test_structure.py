"""What derivatives of arrays are made of: no identities, no arithmetic that is not needed, no node for an element."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate

LARGE = 10**6


def names(f):
    """The operations of a function's live nodes, sorted, without inputs and constants."""
    ops = sorted(f.graph.ops[n].name for n in f.graph.live(f.nodes))
    return [n for n in ops if n not in ("input", "constant")]


def made(text, **shapes):
    return sd.function(text, list(shapes), shapes=shapes)


@pytest.mark.parametrize("mode", ["forward", "reverse", "auto"])
def test_jacobian_of_a_product_is_the_matrix(mode):
    f = made("W @ x", W=(4, 3), x=(3,))
    assert sd.jacobian(f, "x", mode=mode).nodes == (f._name_table()["W"],)
    assert names(sd.jacobian(f, "W", mode=mode)) == ["equal", "iota", "iota", "reshape", "where"]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobian_of_a_layer(mode):
    f = made("tanh(W @ x + b)", W=(4, 3), x=(3,), b=(4,))
    slope = ["add", "einsum", "sech", "square"]
    assert names(sd.jacobian(f, "x", mode=mode)) == sorted([*slope, "reshape", "mul"])
    by_b = names(sd.jacobian(f, "b", mode=mode))
    assert [n for n in by_b if n != "reshape"] == sorted([*slope, "equal", "iota", "iota", "where"])


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_elementwise_jacobian_is_made_once(mode):
    f = made("exp(sin(x))*y + x", x=(5,), y=(5,))
    d = sd.jacobian(f, "x", mode=mode)
    wide = [n for n in d.graph.live(d.nodes) if len(d.graph.types[n].shape) > 1]
    assert sorted(d.graph.ops[n].name for n in wide if d.graph.shape(n) == (5, 5)) == ["equal", "iota", "iota", "where"]


def test_hessian_of_logistic_regression_is_one_contraction():
    f = made("sum(log(1 + exp(-y*(X @ w))))", X=(20, 4), y=(20,), w=(4,))
    h = sd.hessian(f, "w")
    graph, x = h.graph, h._name_table()["X"]
    (product,) = [n for n in graph.live(h.nodes) if graph.ops[n].name == "einsum" and graph.shape(n) == (4, 4)]
    first, d, last = graph.args[product]
    assert first == last == x
    assert graph.shape(d) == (20,)
    assert graph.payloads[product] == (((0, 1), (0,), (0, 2)), (1, 2))
    assert all(np.prod(graph.shape(n)) <= 80 for n in graph.live(h.nodes))


def test_hessian_of_an_elementwise_sum_is_diagonal():
    h = sd.hessian(made("sum(exp(x)*x)", x=(5,)))
    wide = [n for n in h.graph.live(h.nodes) if h.graph.shape(n) == (5, 5)]
    assert sorted(h.graph.ops[n].name for n in wide) == ["equal", "iota", "iota", "where"]


def test_adjoints_of_slices_stay_apart():
    g = sd.grad(made("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", x=(LARGE,)))
    assert [names(g).count(n) for n in ("scatter", "add")] == [2, 1]
    assert len(g.graph.live(g.nodes)) <= 20


# Text, sizes of the input, an input to differentiate by.
GROWING = [
    "sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", "norm(x)*prod(x) + logsumexp(x)", "sum(softmax(x)**2)",
    "sum(cumsum(x)**2)", "max(x) + min(x**2)", "sum(where(x > 0, sqrt(x), 0))", "x[0]**2", "x[0]*x[1] + x[2]",
    "sum(x[::-1]*x)", "x @ x", "sum(concatenate([x, x**2])**3)", "sum(reshape(x, (2, size(x)//2))[0])**2",
    "sum(roll(x, 1)*x)", "sum(log(1 + exp(-x*s)))", "sum(tile(x, 2)**2)", "sum(outer(x, x)*s)",
]  # fmt: skip


@pytest.mark.parametrize("text", GROWING)
def test_node_counts_do_not_depend_on_sizes(text):
    counts = []
    with sd.limits(bytes=2**80, elements=2**80):  # nothing is computed
        for size in (10, LARGE):
            f = made(text, x=(size,), s=())
            slope, second = sd.grad(f, "x"), sd.hessian(f, "x")
            transforms = [f, slope, second, sd.jacobian(second, "x"), sd.jacobian(slope, "x", mode="reverse")]
            transforms.append(sd.jacobian(slope, ["s"], mode="forward"))
            counts.append([len(d.graph.live(d.nodes)) for d in transforms])
    assert counts[0] == counts[1]


WRT = [  # wrt, shapes of a gradient
    (None, [(2, 3), (3,), ()]), ("W", [(2, 3)]), (["W"], [(6,)]), (["x", "s"], [(4,)]), (("x", "s"), [(3,), ()]),
    (["W", "x", "s"], [(10,)]), ("x[1:]", [(2,)]), ("x[1]", [()]), ("W[0]", [(3,)]), ("W[:, 1]", [(2,)]),
    (["x[1:]", "s"], [(3,)]), (("x[0]", "s"), [(), ()]), (["s"], [(1,)]), ("s", [()]),
]  # fmt: skip


@pytest.mark.parametrize(("wrt", "shapes"), WRT, ids=[str(w) for w, _ in WRT])
def test_wrt(wrt, shapes):
    """Every `wrt` gives parts of what the tuple of all inputs gives, in its own shape."""
    f = sd.function("f(W[2, 3], x[3], s) = s*sum((W @ x)**2)")
    rng = np.random.default_rng(1)
    table = f._name_table()
    at = {table["W"]: rng.normal(size=(2, 3)), table["x"]: rng.normal(size=3), table["s"]: 1.3}

    def numbers(d):
        return [np.asarray(v) for v in evaluate(d.graph, d.nodes, at)]

    def placed(given):
        """Which of the ten scalars a part of wrt is."""
        own = {"W": np.arange(6).reshape(2, 3), "x": np.arange(6, 9), "s": np.array(9)}
        if isinstance(given, list):
            return np.concatenate([np.ravel(placed(g)) for g in given])
        return eval(given, {}, own)

    whole = ["W", "x", "s"]
    slope, second = numbers(sd.grad(f, whole))[0], numbers(sd.hessian(f, whole))[0]
    np.testing.assert_array_equal(second, second.T)
    given = ("W", "x", "s") if wrt is None else wrt if isinstance(wrt, tuple) else (wrt,)
    parts = [np.asarray(placed(w)) for w in given]
    for d in (sd.grad(f, wrt), sd.jacobian(f, wrt), sd.jacobian(f, wrt, mode="forward")):
        found = numbers(d)
        assert [v.shape for v in found] == shapes
        for v, part in zip(found, parts, strict=True):
            np.testing.assert_allclose(v, slope[part], rtol=1e-13)
    found = numbers(sd.hessian(f, wrt))
    pairs = [(a, b) for a in parts for b in parts]
    for v, (a, b) in zip(found, pairs, strict=True):
        np.testing.assert_allclose(v, second[np.reshape(a, (*a.shape, *(1,) * b.ndim)), b], rtol=1e-12, atol=1e-13)


def test_scalars_by_tensors_and_back():
    f = sd.function("v(x[3], [s, t]) = s*x + t*sin(x)")
    table = f._name_table()
    x = np.array([0.2, 0.5, 1.0])
    at = {table["x"]: x, table["s"]: 2.0, table["t"]: 3.0}
    for mode in ("forward", "reverse", "auto"):
        d = sd.jacobian(f, mode=mode)
        by_x, by_pack = evaluate(d.graph, d.nodes, at)
        np.testing.assert_allclose(by_x, np.diag(2 + 3 * np.cos(x)))
        np.testing.assert_allclose(by_pack, np.stack([x, np.sin(x)], -1))


def test_third_derivative_of_an_array_by_a_scalar():
    f = sd.function("exp(t*x)", ["x", "t"], shapes={"x": 3, "t": ()})
    x = np.array([0.2, 0.5, 1.0])
    at = {f._name_table()["x"]: x, f._name_table()["t"]: 0.5}
    (third,) = evaluate(f.graph, sd.derivative(f, "t", 3).nodes, at)
    np.testing.assert_allclose(third, x**3 * np.exp(0.5 * x))


def test_named_lines():
    f = sd.function("q = A @ x\nf = sum(q**2)*x[0]", ["A", "x"], shapes={"A": (2, 3), "x": 3})
    a, x = np.arange(6.0).reshape(2, 3), np.array([0.5, 1.0, 2.0])
    at = {f._name_table()["A"]: a, f._name_table()["x"]: x}
    (slope,) = evaluate(f.graph, sd.grad(f, "q").nodes, at)
    np.testing.assert_allclose(slope, 2 * (a @ x) * x[0])
    h = sd.hessian(f, ("q", "x"))
    qq, qx, xq, xx = evaluate(f.graph, h.nodes, at)
    np.testing.assert_allclose(qq, 2 * x[0] * np.eye(2))
    assert [m.shape for m in (qx, xq, xx)] == [(2, 3), (3, 2), (3, 3)]


def test_hessians_are_symmetric_bit_for_bit():
    f = made("logsumexp(A @ x)*prod(x) + norm(A.T @ A @ x)", A=(6, 5), x=(5,))
    rng = np.random.default_rng(2)
    at = {f._name_table()["A"]: rng.normal(size=(6, 5)), f._name_table()["x"]: rng.normal(size=5)}
    a, ax, xa, x = evaluate(f.graph, sd.hessian(f, ("A", "x")).nodes, at)
    np.testing.assert_array_equal(a, np.transpose(a, (2, 3, 0, 1)))
    np.testing.assert_array_equal(ax, np.transpose(xa, (1, 2, 0)))
    np.testing.assert_array_equal(x, x.T)


def test_float32():
    f = sd.function("f(x[3]) = sum(x**3)", dtype="float32")
    (h,) = evaluate(f.graph, sd.hessian(f).nodes, {f._name_table()["x"]: np.array([1.0, 2.0, 3.0])})
    assert h.dtype == np.float32
    np.testing.assert_array_equal(h, np.diag([6.0, 12.0, 18.0]))
