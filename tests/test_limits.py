"""Bounds on work: every limit is named where it refuses, holds for a thread, and stays with what was made under it."""

import threading
import time
import tracemalloc

import numpy as np
import pytest

import symdiff as sd
from symdiff.budget import UNTRUSTED, Limits, current

GIGA = 10**9

# the limit, a bound that is just enough, a text in x (and y) that needs it
NEEDED = [
    ("text", 6, "x + 10"),
    ("tokens", 3, "x + 10"),
    ("name", 3, "abc = x\nabc"),
    ("digits", 3, "x + 100"),
    ("nodes", 4, "x*2 + x"),
    ("elements", 5000, "sum(arange(5000)*x)"),
    ("elements", 70, "sum(kron(arange(7)*x, arange(10)))"),
    ("elements", 30, "sum(outer(arange(6), arange(5))*x)"),
    ("elements", 12, "sum([[x, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]])"),
    ("bytes", 8 * 10**6, "ones(1000000)*x"),
    ("bytes", 8 * 4 * 10**6, "eye(2000)*x"),
]


def refusal(make):
    with pytest.raises(sd.LimitError) as caught:
        make()
    return caught.value


@pytest.mark.parametrize(("limit", "bound", "text"), NEEDED)
def test_each_limit_is_exact_and_is_named(limit, bound, text):
    inputs = ["x", "y"] if "y" in text else ["x"]
    with sd.limits(**{limit: bound}):
        sd.function(text, inputs)
    with sd.limits(**{limit: bound - 1}):
        error = refusal(lambda: sd.function(text, inputs))
        assert f"the limit is {bound - 1:,}" in error.message
        assert f"symdiff.Limits.{limit}" in error.hint
        assert f"symdiff.limits({limit}=" in error.hint
        if limit not in ("text", "tokens"):
            assert error.line is not None
            assert "^" in str(error)
    sd.function(text, inputs)


def test_a_gradient_needs_nodes_elements_and_bytes_too():
    f = sd.function("f(x[1000]) = sum(exp(x))/sum(x**2)")
    for limit, bound in (("nodes", len(f.graph)), ("elements", 999_999), ("bytes", 7_999_999)):
        with sd.limits(**{limit: bound}):
            error = refusal(lambda: sd.hessian(f))
        assert f"symdiff.limits({limit}=" in error.hint
    sd.hessian(f)


def tower(first, line, last, depth=40):
    """A text whose lines, each with `{i}` for its number and `{b}` for the one before, are built on each other."""
    return "\n".join([first, *(line.format(i=i, b=i - 1) for i in range(1, depth)), last.format(i=depth - 1)])


HOSTILE = {
    "2e9 sines": "sum(sin(arange(2000000000)*x))",
    "a tower": tower("g0(a) = sin(a) + a", "g{i}(a) = g{b}(g{b}(a)) + a", "g{i}(x)", 23),
    "a tree": tower("g0(a) = a*x", "g{i}(a) = g{b}(a + {i}) + g{b}(a - {i})", "g{i}(x)"),
    "two parameters": tower("g0(a, b) = a*b", "g{i}(a, b) = g{b}(g{b}(b, a), a)", "g{i}(x, 2)"),
    "lists of numbers": tower("a0 = [1, 2]", "a{i} = [a{b}, a{b}]", "x*sum(a{i})"),
    "lists of x": tower("a0 = [x, 2]", "a{i} = [a{b}, a{b}]", "sum(a{i})"),
    "joined": tower("a0 = [x, 2]", "a{i} = concatenate((a{b}, a{b}))", "sum(a{i})", 60),
    "many axes": "sum(ones(zeros(10**6)))*x",
    "a large outer product": "sum(outer(arange(1000000), arange(1000000))*x)",
    "a large identity": "sum(eye(10**6)*x)",
    "a large convolution": "sum(convolve(arange(10**6)*x, arange(10**6)))",
    "a mesh": "sum(tile(arange(10**4)*x, (10**4, 10**4)))",
    "a small value of a large array": "x*ones(sum(arange(10**9)))[0]",
    "marks": "a" + "\u0300" * 80_000,
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_texts_of_strangers_are_refused_for_little(text):
    traced = "g0" not in text  # nodes are counted, and tracing them takes long
    if traced:
        tracemalloc.start()
    start = time.process_time()
    with sd.limits("untrusted"), pytest.raises((sd.LimitError, sd.ShapeError)):
        sd.grad(sd.function(text, ["x"]))(0.5)
    spent = time.process_time() - start
    if traced:
        assert tracemalloc.get_traced_memory()[1] < 200e6
        tracemalloc.stop()
    assert spent < 3


@pytest.mark.parametrize("text", [
    "f(b) = ones(10**9)*b", "f(x[n]) = ones(10**9)*x[0]", "f(b) = b*eye(40000)",
    "f(b) = outer(arange(40000), arange(40000)*b)",
])  # fmt: skip
def test_a_large_result_is_refused_where_it_is_written(text):
    tracemalloc.start()
    error = refusal(lambda: sd.function(text))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "symdiff.limits(bytes=" in error.hint
    assert error.line == 1
    assert peak < 10e6


def test_operations_are_counted_before_a_call():
    f = sd.function("f(x) = sum(sin(arange(3000000)*x))")
    with sd.limits(operations=2_000_000):
        error = refusal(lambda: f(1.0))
        assert "operations" in error.message
        assert "^" in str(error)
    value = f(1.0)
    with sd.limits(operations=2_000_000):
        refusal(lambda: f(1.0))  # compiled meanwhile
    with sd.limits(operations=10**8):
        assert f(1.0) == value
    g = sd.function("f(x, y) = sin(x)*y")
    points = np.ones(1000)
    with sd.limits(operations=1_500_000):
        g(points, 1.0)
        error = refusal(lambda: g(points, np.ones((2000, 1))))
        assert "2,000,000 points" in error.message
        refusal(lambda: g(points, np.ones((2000, 1)), out=np.ones((2000, 1000))))
        with pytest.raises(ValueError, match="broadcast"):
            g(np.ones(2000), np.ones(3000))
    assert g(points, np.ones((2000, 1))).shape == (2000, 1000)


def test_a_block_holds_for_its_thread_and_nests():
    seen = []
    with sd.limits("untrusted"):
        assert current().nodes == UNTRUSTED["nodes"]
        with sd.limits(nodes=7):
            assert current().nodes == 7
            assert current().elements == UNTRUSTED["elements"]
            thread = threading.Thread(target=lambda: seen.append(current().nodes))
            thread.start()
            thread.join()
        assert current().nodes == UNTRUSTED["nodes"]
        with pytest.raises(ZeroDivisionError), sd.limits(nodes=9):
            1 / 0  # noqa: B018
        assert current().nodes == UNTRUSTED["nodes"]
        with sd.limits("untrusted", nodes=10**6):
            assert current().nodes == 10**6
    assert current().nodes == Limits.nodes
    assert seen == [Limits.nodes]


def test_the_limits_of_the_process_can_be_assigned(monkeypatch):
    monkeypatch.setattr(sd.Limits, "nodes", 3)
    refusal(lambda: sd.function("x*y + x + 1", ["x", "y"]))
    with sd.limits(elements=10):  # which says nothing of nodes
        refusal(lambda: sd.function("x*y + x + 1", ["x", "y"]))
    with sd.limits(nodes=100):
        sd.function("x*y + x + 1", ["x", "y"])


def test_what_was_made_under_limits_keeps_them():
    with sd.limits("untrusted"):
        f = sd.function("f(x) = sum(sin(arange(1000000)*x))")
        g = sd.function("g(x) = sum(sin(arange(2000000)*x)**2)")
        h = sd.function("h(x[n]) = sum(outer(x, x))")
        e = sd.expr("x**2")
    with sd.limits(operations=10**12):
        assert np.isfinite(f(0.5))
        assert np.isfinite(sd.grad(f)(0.5))
        assert sd.function(lambda x: g(x) + x, {"x": ()}).graph.limits.operations == UNTRUSTED["operations"]
    refusal(lambda: h(np.ones(3000)))
    assert h(np.ones(100)) == 10_000
    refusal(lambda: sd.grad(h)(np.ones(3000)))
    assert (e + 1).graph.limits.nodes == UNTRUSTED["nodes"]
    with sd.limits(operations=1_500_000):
        s = sd.function("s(x) = sin(x)*x")
    with sd.limits(operations=10**12):
        refusal(lambda: s(np.ones(2 * 10**6)))


def test_a_bound_can_be_raised_for_what_was_made_without_limits():
    f = sd.function("f(x) = sin(x)*x")
    with sd.limits(nodes=len(f.graph)):
        refusal(lambda: sd.grad(f))
    sd.grad(f)


def test_compiling_takes_no_longer_than_it_may():
    f = sd.function(" + ".join(f"sin(x*{k})*cos(x + {k})" for k in range(800)), ["x"])
    with sd.limits(seconds=0.02):
        start = time.process_time()
        error = refusal(lambda: f(1.0))
        assert time.process_time() - start < 20
    assert "symdiff.limits(seconds=" in error.hint
    assert sd.function("x**2", ["x"])(3.0) == 9.0


@pytest.mark.parametrize(("given", "named"), [
    ((("mild",), {}), "untrusted"), (((), {"node": 3}), "nodes"), (((), {"nodes": 0}), "positive"),
    (((), {"nodes": "3"}), "positive"), (((), {"nodes": True}), "positive"),
    (((), {"seconds": float("nan")}), "positive"),
])  # fmt: skip
def test_wrong_limits_are_refused(given, named):
    args, keywords = given
    with pytest.raises(sd.ArgumentError) as caught, sd.limits(*args, **keywords):
        pass
    assert named in str(caught.value)
