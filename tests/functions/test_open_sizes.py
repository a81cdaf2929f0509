"""Code that serves many sizes: the same results as code for one, for every size, and few kernels."""

import random

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import jit
from symdiff.functions.running import LEAST
from symdiff.interpret import evaluate
from symdiff.ops.base import MatrixRoutine
from tests.functions.open_formulas import FORMULAS, RANKS, arguments, names, random_formula

LENGTHS = [2, 9, *range(15, 71), 511, 512, 513, 1030, 2500, 9001]
FEW = [2, 5, 16, 17, 18, 23, 24, 33, 200]


def grid(f, case):
    """Sizes by name: many for one name, some of all pairs for several."""
    named = names(f, RANKS.get(case, 1))
    if len(named) == 1:
        return [{named[0]: n} for n in LENGTHS if n < 600 or ("second" not in case and "by all" not in case)]
    chance = random.Random(case)
    return [{name: chance.choice(FEW) for name in named} for _ in range(30)]


def flat(result):
    return result if isinstance(result, tuple) else (result,)


def of_one_size(f, args):
    """The result for these sizes alone: the interpreter's, or native code's where BLAS has an order of its own."""
    made = f.specialize(*args)
    if any(op.name == "einsum" or isinstance(op.routine, MatrixRoutine) for op in made.graph.ops):
        return made.compile(fp="strict")(*args)
    table = made._name_table()
    values = {table[a.name]: np.asarray(v, float) for a, v in zip(made.arguments, args, strict=True)}
    found = evaluate(made.graph, made.nodes, values)
    return found[0] if len(found) == 1 else tuple(found)


def same(got, want):
    for one, other in zip(flat(got), flat(want), strict=True):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("case", FORMULAS)
def test_the_bits_are_those_of_one_size(case):
    text, transform = FORMULAS[case]
    f = transform(sd.function(text))
    rng, compiled = np.random.default_rng(1), f.compile(fp="strict")
    for sizes in grid(f, case):
        args = arguments(f, sizes, rng)
        same(compiled(*args), of_one_size(f, args))
    made = [m for found in compiled.running._made.values() for m in found]
    assert any(m.kernel is not None for m in made), [m.why for m in made]
    if len(names(f)) == 1:
        assert sum(m.kernel is not None for m in made) <= 8


@pytest.mark.parametrize("number", range(12))
def test_random_formulas(number):
    text, by = random_formula(number)
    f = sd.value_and_grad(text, by)
    rng, compiled, chance = np.random.default_rng(number), f.compile(fp="strict"), random.Random(number)
    for _ in range(6):
        sizes = {"n": chance.choice(FEW), "m": chance.choice(FEW)}
        args = arguments(f, sizes, rng)
        same(compiled(*args), of_one_size(f, args))
    assert compiled.running.kernels, text


@pytest.fixture
def compilations(monkeypatch):
    """How often LLVM was asked for code."""
    made, link = [], jit.link
    monkeypatch.setattr(jit, "link", lambda *args, **keywords: made.append(1) or link(*args, **keywords))
    return made


@pytest.mark.parametrize("lengths", [range(5, 305), range(16, 316)])
def test_300_lengths_compile_a_few_kernels(compilations, lengths):
    f = sd.value_and_grad("f(a, x[n], y[n]) = sum((y - exp(-a*x))**2)/n", "a")
    for n in lengths:
        x = np.linspace(0, 1, n)
        found, slope = f(0.5, x, x)
        assert found == pytest.approx(np.mean((x - np.exp(-0.5 * x)) ** 2))
        assert slope == pytest.approx(np.mean(2 * (x - np.exp(-0.5 * x)) * x * np.exp(-0.5 * x)))
    below = sum(n < LEAST for n in lengths)
    assert len(compilations) <= 3 + below
    assert f._cases.running.kernels == 1
    assert f"so far for {len(lengths) - below}" in f.explain()


def test_results_do_not_depend_on_the_calls_before():
    text, transform = FORMULAS["Rosenbrock"]
    lengths, rng = [*range(14, 40), 600, 20_000], np.random.default_rng(0)
    points = {n: rng.standard_normal(n) for n in lengths}
    forward, backward = transform(sd.function(text)), transform(sd.function(text))
    first = {n: forward(points[n]) for n in lengths}
    for n in reversed(lengths):
        same(backward(points[n]), first[n])


def test_small_sizes_are_numbers():
    f = sd.function("f(x[n], y[m]) = sum(x)*sum(y)")
    for n in range(LEAST):
        assert f(np.ones(n), np.ones(1)) == n
    assert not f._cases.running.kernels
    assert f(np.ones(2), np.ones(100)) == 200
    assert f._cases.running.kernels == 1


NEED_NUMBERS = {
    "median": ("f(x[n]) = median(x)", lambda n: (np.arange(n, 0.0, -1),), lambda n: (n + 1) / 2),
    "pseudoinverse": ("f(A[n, n]) = pinv(A)", lambda n: (np.eye(n),), lambda n: np.eye(n)),
    "a shape that divides": ("f(x[n]) = sum(reshape(x, (2, n//2)), axis=0)", lambda n: (np.ones(n),), None),
    "a constant": (f"f(x[n]) = x - {list(range(18))}", lambda n: (np.ones(n),), None),
}  # fmt: skip


@pytest.mark.parametrize("case", NEED_NUMBERS)
def test_what_needs_the_number_is_made_for_each_size(case):
    text, args, wanted = NEED_NUMBERS[case]
    f = sd.function(text)
    for n in 18, 16, 18, 20, 24:
        if case == "a constant" and n != 18:
            with pytest.raises(sd.ShapeError, match=rf"shapes \({n},\) and \(18,\)"):
                f(*args(n))
            continue
        got = f(*args(n))
        np.testing.assert_array_equal(got, f.specialize(*args(n))(*args(n)))
        assert f._cases.running.kernels == 0 or wanted is None
        if wanted is not None:
            np.testing.assert_allclose(got, wanted(n), rtol=1e-12)


def test_solvers_take_any_size():
    f = sd.function("f(A[n, n], b[n]) = solve(A + eye(n), b)")
    rng = np.random.default_rng(0)
    for n in 18, 16, 300, 20, 33:
        a, b = rng.standard_normal((n, n)), rng.standard_normal(n)
        np.testing.assert_allclose(f(a, b), np.linalg.solve(a + np.eye(n), b), rtol=1e-8)
        np.testing.assert_array_equal(f(a, b), f.specialize(a, b)(a, b))
    assert 0 < f._cases.running.kernels < 5


def test_python_functions_may_look_at_sizes():
    def f(x):
        found = {16: 0.0}.get(len(x), 1.0)  # a choice that no comparison tells of
        return found * sum(e * k for k, e in enumerate(x)) + x.shape[0] + (x.size if x.size > 17 else 0)

    made = sd.function(f, ["x"], shapes={"x": "n"})
    for n in 16, 17, 18, 19, 16:
        x = np.arange(float(n))
        assert made(x) == pytest.approx((n != 16) * (x @ x) + n + (n if n > 17 else 0))
    g = sd.grad(lambda x: (x**2).sum())
    for n in range(14, 30):
        np.testing.assert_array_equal(g(np.arange(float(n))), 2 * np.arange(float(n)))
    assert g._cases.running.kernels


def test_every_way_of_calling():
    f = sd.function("f(a, x[n]) = a*x + sum(x)/n", shapes={"a": ()})
    g = sd.function("g(a, x[n]) = sum(a*x)/n", shapes={"a": ()})
    for n in 6, 17, 40:
        x = np.linspace(1, 2, n)
        want = 2 * x + x.mean()
        np.testing.assert_allclose(f(2.0, x), want, rtol=1e-15)
        np.testing.assert_array_equal(f(2.0, x), f(a=2.0, x=list(x)))
        batch = np.stack([x, x + 1, x - 1])
        np.testing.assert_array_equal(f(2.0, batch)[0], f(2.0, x))
        np.testing.assert_array_equal(f(np.array([2.0, 3.0, 4.0]), batch)[2], f(4.0, x - 1))
        np.testing.assert_array_equal(g(2.0, np.asfortranarray(batch)), [g(2.0, b) for b in batch])
        np.testing.assert_array_equal(f(2.0, np.repeat(x, 2)[::2]), f(2.0, x))
        out = np.empty(n)
        assert f(2.0, x, out=out) is out
        np.testing.assert_array_equal(out, f(2.0, x))
        with pytest.raises(sd.ShapeError):
            f(2.0, x, out=np.empty(n + 1))
        e = f(sd.symbol("t"), x)
        assert sd.function(e, ["t"])(2.0).shape == (n,)
        assert g(2.0, x.astype(np.float32)) == pytest.approx(2 * x.mean(), rel=1e-6)
        assert isinstance(g(2.0, x), float)
    with pytest.raises(sd.ShapeError, match="n is 16 in x"):
        sd.function("h(x[n], y[n]) = x + y")(np.ones(16), np.ones(17))
    h = sd.function("h(x[n]) = log(x)")
    with np.errstate(all="raise"):
        h(np.zeros(16))
        with pytest.raises(FloatingPointError):
            h(np.zeros((2, 16)))
    gathered = sd.function("f(a[m], g[n]) = sum(a[g])")
    assert gathered(np.arange(16.0), [0, 15, -1] * 6) == 180
    with pytest.raises(sd.CallError, match="index 16 is out of range for an axis of size 16"):
        gathered(np.arange(16.0), np.full(19, 16))


def test_big_and_small_calls_in_turn_have_room():
    f = sd.value_and_grad("f(x[n]) = sum(exp(x)*roll(x, 1))/sum(exp(x))", "x")
    for n in (3000, 100, 200_000, 2500, 50, 400_000, 3001):
        x = np.cos(np.arange(n) * 0.1)
        got, slope = f(x)
        assert got == pytest.approx(np.sum(np.exp(x) * np.roll(x, 1)) / np.sum(np.exp(x)), rel=1e-12)
        assert slope.shape == (n,)
        loose = np.stack([x, x])[:, ::-1]  # copied: not in C order
        np.testing.assert_allclose(f(loose)[0], f(np.ascontiguousarray(x[::-1]))[0], rtol=1e-15)
