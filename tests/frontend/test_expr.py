"""Expr: operators, constants, elements, mixing of graphs, refusals."""

import copy
import math
import operator
import pickle
import threading

import numpy as np
import pytest

from symdiff.errors import ArgumentError, CallError, ShapeError, SymdiffError
from symdiff.frontend.expr import Expr, as_expr
from symdiff.frontend.symbols import named, symbol, symbols
from symdiff.interpret import evaluate


def value(e, **inputs):
    given = {}
    for n in range(len(e.graph)):
        if e.graph.ops[n].name == "input" and e.graph.payloads[n] in inputs:
            given[n] = np.asarray(inputs[e.graph.payloads[n]])[()]
    return evaluate(e.graph, [e.node], given)[0]


BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod, operator.pow,
          operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]  # fmt: skip


@pytest.mark.parametrize("op", BINARY, ids=lambda op: op.__name__)
@pytest.mark.parametrize("other", [2, 2.5, np.float64(1.5), np.int64(3), np.float32(0.5), True], ids=repr)
def test_binary_operators_both_ways(op, other):
    x = symbol("x")
    number = float(other)
    assert value(op(x, other), x=1.75) == pytest.approx(float(op(1.75, number)), rel=1e-15)
    assert value(op(other, x), x=1.75) == pytest.approx(float(op(number, 1.75)), rel=1e-15)
    assert isinstance(op(other, x), Expr)


@pytest.mark.parametrize(
    "op", [operator.neg, operator.pos, abs, round, math.floor, math.ceil, math.trunc], ids=lambda op: op.__name__
)
def test_unary_operators(op):
    for at in (-1.75, 2.5, 0.25):
        assert value(op(symbol("x")), x=at) == op(at)


def test_conditions():
    x, y = symbols("x y")
    both = (x > 0) & (y > 0)
    assert (str(both), str((x > 0) | (y > 0)), str(~(x > 0))) == ("x > 0 and y > 0", "x > 0 or y > 0", "not x > 0")
    assert value(both, x=1.0, y=1.0)
    assert value(True & (x > 0), x=1.0)
    assert both.dtype == bool
    assert value((x > 0) + 1, x=3.0) == 2.0
    with pytest.raises(ShapeError, match="condition"):
        x > 0 & y  # noqa: B015
    assert divmod(x, y)[1].node == (x % y).node


@pytest.mark.parametrize(
    ("use", "named_in_message"),
    [
        (lambda x: bool(x), "sd.where"), (lambda x: 1 if x > 0 else 2, "sd.where"), (lambda x: max(x, 1), "sd.maximum"),
        (lambda x: 0 < x < 1, "&"), (lambda x: x > 0 and x < 1, "a & b"), (lambda x: float(x), "sd.sin"),
        (lambda x: math.sin(x), "sd.sin"), (lambda x: int(x), "sd.trunc"), (lambda x: range(x), "an integer is asked"),
        (lambda x: complex(x), "value"), (lambda x: x ^ 2, r"\*\*"), (lambda x: 2 ^ x, r"\*\*"),
        (lambda x: round(x, 2), "1e2"), (lambda x: len(x), "scalar"), (lambda x: list(x), "scalar"),
        (lambda x: x[0], "indices|scalar|axes"), (lambda x: x in symbol("v", 3), "known"),
        (lambda x: pow(x, 2, 3), "two"),
        (lambda x: symbol("v", 3)[x > 0], "where"), (lambda x: symbol("v", 3)[True], "sd.where"),
        (lambda x: symbol("v", 3)[1.5], "integer"), (lambda x: symbol("v", 3)[[1.5]], "integers"),
        (lambda x: symbol("v", 3)[np.array([True, False])], "mask of shape"),
        (lambda x: symbol("v", 3)["a"], "integer"),
        (lambda x: symbol("v", 3)[3], "out of range"), (lambda x: symbol("v", 3)[0, 0], "2 indices"),
        (lambda x: symbol("v", 3) + symbol("w", 2), "broadcast"), (lambda x: x + 10**400, "too large"),
        (lambda x: pickle.dumps(x), "function"), (lambda x: symbol("W", (2, 2)) @ symbol("v", 3), "@"),
    ],
)  # fmt: skip
def test_refusals_say_what_to_write(use, named_in_message):
    with pytest.raises(SymdiffError) as caught:
        use(symbol("x"))
    assert __import__("re").search(named_in_message, str(caught.value)), str(caught.value)


@pytest.mark.parametrize("use", [lambda x: bool(x), lambda x: float(x), lambda x: x ^ 2, lambda x: len(x)])
def test_refusals_are_type_errors(use):
    with pytest.raises(CallError) as caught:
        use(symbol("x"))
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize("other", ["text", 1j, None, object(), {1}, {"a": 1}])
def test_other_types_are_not_operands(other):
    x = symbol("x")
    with pytest.raises(TypeError):
        x + other
    with pytest.raises(TypeError):
        other * x
    assert (x == other) is False
    assert (x != other) is True


def test_constants_and_arrays():
    x = symbol("x")
    np.testing.assert_array_equal(value(x * np.arange(3), x=2.0), [0, 2, 4])
    np.testing.assert_array_equal(value([1, 2.5] * x, x=2.0), [2, 5])
    np.testing.assert_array_equal(value(np.array([[1], [2]]) - x, x=2.0), [[-1], [0]])
    assert (as_expr([[x, 1], [2, x * x]])).shape == (2, 2)
    assert as_expr([x, x > 0]).shape == (2,)
    assert as_expr((x, 1)).shape == (2,)
    assert as_expr([]).shape == (0,)
    assert (x * np.array([x, 2], dtype=object)).shape == (2,)
    assert value(x + 2**60 + 1, x=0.0) == float(2**60 + 1)
    with pytest.raises(ShapeError):
        as_expr([[1, 2], [3]])
    with pytest.raises(CallError, match="complex"):
        as_expr(np.array([1j]))
    with pytest.raises(CallError, match=r"sd\.expr"):
        as_expr("x + 1")


def test_vectors():
    v, w = symbol("v", 3), symbol("W", (2, 3))
    assert (v.shape, len(v), v.ndim, v.size, w.size) == ((3,), 3, 1, 3, 6)
    a, b, c = v
    assert str(a + b * c) == "v[0] + v[1]*v[2]"
    assert str(v[-1]) == "v[2]"
    assert (v[1:].shape, w[:, 0].shape, w[..., 0].shape, w[0].shape) == ((2,), (2,), (2,), (3,))
    assert w[np.int64(1), 2].shape == ()
    np.testing.assert_array_equal(value(w @ v, W=np.arange(6.0).reshape(2, 3), v=np.ones(3)), [3, 12])
    assert value(v @ v, v=np.array([1.0, 2, 3])) == 14
    assert v.T is v
    values = {"W": np.arange(6.0).reshape(2, 3), "v": np.array([1.0, 2, 3])}
    for take in (lambda w, v: w.T, lambda w, v: w[[1, 0, 1]], lambda w, v: w[:, np.array([0, 2])], lambda w,
                 v: w[None, 1],
                 lambda w, v: w[..., -1], lambda w, v: w[np.arange(2), [0, 2]], lambda w, v: v[::-1] @ w.T, lambda w,
                 v: w @ w.T,
                 lambda w, v: v[:, None] * v, lambda w, v: w.sum(axis=0), lambda w, v: w.mean(1), lambda w, v: w.max(),
                 lambda w, v: w.reshape(3, 2), lambda w, v: w.reshape((3, -1)), lambda w, v: w.transpose(), lambda w,
                 v: w.dot(v),
                 lambda w, v: w.ravel(), lambda w, v: w.trace(), lambda w, v: w.prod(axis=(0, 1)), lambda w,
                 v: w.min(axis=-1),
                 lambda w, v: w.std(axis=0, keepdims=True), lambda w, v: w.cumsum(axis=1), lambda w, v: w.mT,
                 lambda w, v: w[1][2],
                 lambda w, v: w.flatten()[2:], lambda w, v: w.swapaxes(0, 1), lambda w, v: np.ones((2, 2)) @ w,
                 lambda w, v: [1.0, 2.0] @ w, lambda w, v: w.clip(1, None), lambda w, v: w.round(1)):  # fmt: skip
        want = take(values["W"], values["v"])
        np.testing.assert_allclose(value(take(w, v), **values), want, rtol=1e-15)
    assert value(v[symbol("k")], v=values["v"], k=2.0) == 3.0
    assert as_expr([a, b])[0].node == a.node


def test_symbols():
    assert [str(s) for s in symbols("x, y z")] == ["x", "y", "z"]
    assert [str(s) for s in symbols("x1:4")] == ["x1", "x2", "x3"]
    assert [str(s) for s in symbols("x:2 a:c")] == ["x0", "x1", "a", "b", "c"]
    assert len(symbols("x1:41")) == 40
    assert isinstance(symbols("x"), Expr)
    assert len(symbols("x,")) == 1
    assert symbols("v w", shape=3)[1].shape == (3,)
    assert str(symbol("W", ("n", 2)).shape[0]) == "n"
    assert len({s.graph for s in symbols("x y")}) == 1
    assert str(symbol("λ") + symbol("lambda")) == "λ + lambda"


@pytest.mark.parametrize("name", ["", "1x", "a b", "x+y", "if", "True", "aα", "x" * 100, "x\n", 3, "x²"])
def test_names_are_checked(name):
    with pytest.raises(SymdiffError):
        symbol(name)


@pytest.mark.parametrize("shape", [-1, 1.5, "2n", (2, None)])
def test_shapes_are_checked(shape):
    with pytest.raises(ArgumentError):
        symbol("x", shape)


def test_mixing_graphs():
    x, y = symbol("x"), symbol("y")
    e = x * y
    assert e.graph in (x.graph, y.graph)
    assert str(e + symbol("z") * y) == "x*y + y*z"
    with pytest.raises(ShapeError, match="x is declared"):
        e + symbol("x", 3)
    total = symbol("a0")
    for k in range(1, 300):
        total = total + symbol(f"a{k}")
    assert len(total.graph) < 1000


def test_hash_and_copies():
    x, y = symbols("x y")
    assert hash(x) == hash(Expr(x.graph, x.node)) != hash(y)
    assert {x: 1, y: 2}[x] == 1
    assert copy.copy(x) is x
    assert copy.deepcopy([x])[0] is x


def test_text():
    x = symbol("x")
    assert repr(x + 1) == "Expr(x + 1)"
    assert len(repr(sum(symbols("a1:100")))) == 86
    assert str(named("q", x + 1) * 2) == "q = x + 1\n2*q"
    assert repr(named("q", x + 1)) == "Expr(q = x + 1)"
    assert str(named("n", 3)) == "n = 3"


def test_threads_append_safely():
    x = symbol("x")
    results = []

    def work(k):
        e = x
        for j in range(300):
            e = e * (k + 1) + j
        results.append((k, value(e, x=0.5)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, got in results:
        e = 0.5
        for j in range(300):
            e = e * (k + 1) + j
        assert got == e
