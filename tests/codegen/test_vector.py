"""Batches by vectors: bits, accuracy, positions, strides, remainders, overlaps, exceptions."""

import warnings

import numpy as np
import pytest

import symdiff as sd
from docs.accuracy import BOUND, CASES, measure, points
from symdiff.codegen import Options, compile_program, vector_math
from symdiff.errors import ArgumentError
from symdiff.ops import OPS
from symdiff.ops.base import Instruction, Intrinsic, Library, Special
from tests.codegen.programs import program, random_program, reference, same_bits

RNG = np.random.default_rng(5)
LANES = vector_math.lanes()
SCALAR = Options(math="scalar")

FORMULAS = [
    "x*y + x", "sin(x*y) + exp(-x**2)*log(1 + y**2)/sqrt(1 + x**2 + y**2)", "where(x < y, tan(x), atan2(x, y))",
    "x**y", "max(x, y)*min(x, 0.5)", "floor(x) + ceil(y) - round(x*y)", "erf(x) + gamma(y) + lgamma(x)",
    "cbrt(x)/tanh(y)", "fmod(x, y)", "abs(x) + sign(y)", "x**-3 + sinh(y)", "digamma(x)", "1.5", "y", "hypot(x, y)",
    "where((x > 0) & ~(y > 0) | (x == y), log2(x), exp2(y))", "copysign(x, y)", "expm1(x)*log1p(y) + x**0.5",
]  # fmt: skip


def formula(text):
    f = sd.function(text, ["x", "y"])
    return f, sd.value_and_grad(f)


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("fp", ["contract", "strict"])
def test_scalar_math_has_the_bits_of_points(text, fp):
    x, y = RNG.normal(scale=3, size=(2, 61))
    x[:6], y[3:9] = [0, -0.0, np.inf, -np.inf, np.nan, 1e300], [0, -0.0, np.inf, -np.inf, np.nan, 5e-324]
    for f in formula(text):
        # Strict code has the bits of points whatever the option says.
        compiled = f.compile(fp=fp, math="scalar" if fp == "contract" else "vector")
        with np.errstate(all="ignore"):
            batch = compiled(x, y)
        points_ = [compiled(float(a), float(b)) for a, b in zip(x, y, strict=True)]
        if isinstance(batch, tuple):
            for k, part in enumerate(batch):
                assert same_bits(part, np.array([p[k] for p in points_]))
        else:
            assert same_bits(batch, np.array(points_))


NUMBERS = [op for op in OPS.values() if isinstance(op.routine, Instruction | Intrinsic | Library | Special)]


@pytest.mark.parametrize("op", NUMBERS, ids=lambda op: op.name)
def test_every_operation_on_vectors(op):
    prog = program(lambda g, *v: [g.add(op, v)], [((), "bool") if k == "c" else () for k in op.kinds])
    worst = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 1e308, -1e308, 1e-308, 5e-324, np.inf, -np.inf, np.nan, 710.0, -745.2]
    grids = np.meshgrid(*[[False, True] if k == "c" else worst for k in op.kinds], indexing="ij")
    values = [g.ravel() for g in grids]
    with np.errstate(all="ignore"):
        found = compile_program(prog, SCALAR).batch_ufunc(*values)
        assert same_bits(found, reference(prog, *values)[0])


@pytest.mark.parametrize("name", CASES)
def test_vector_functions_are_accurate(name):
    assert measure(name, *points(name, 2000)) <= BOUND


@pytest.mark.parametrize("name", CASES)
def test_special_values_of_vector_functions(name):
    """NaN, infinities, zeros and their signs as libm has them, among ordinary neighbours."""
    arity = CASES[name]
    special = np.array([0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.0, 3.0, -3.0, np.inf, -np.inf, np.nan, 1e300, -1e300, 5e-324,
                        -5e-324])  # fmt: skip
    values = [v.ravel() for v in np.meshgrid(*[special] * arity)]
    order = RNG.permutation(values[0].size)
    values = [v[order] for v in values]
    prog = program(lambda g, *v: [g.add(name, v)], [()] * arity)
    with np.errstate(all="ignore"):
        found = compile_program(prog).batch_ufunc(*values)
        (true,) = reference(prog, *values)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(true))
    np.testing.assert_array_equal(np.isinf(found), np.isinf(true))
    np.testing.assert_array_equal(found == 0, true == 0)
    sure = ~np.isnan(true)
    np.testing.assert_array_equal(np.signbit(found[sure]), np.signbit(true[sure]))
    np.testing.assert_allclose(found, true, rtol=1e-15)


@pytest.fixture(scope="module")
def kernel():
    return formula(FORMULAS[1])[1].compile().kernel


def test_same_point_same_bits_wherever_it_stands(kernel):
    x, y = RNG.normal(scale=4, size=(2, 100))
    value, gradient = kernel.batch_ufunc(x, y)
    for start in range(20):
        for stop in (start, start + 1, start + 5, start + 8, 100):
            v, g = kernel.batch_ufunc(x[start:stop], y[start:stop])
            assert same_bits(v, value[start:stop])
            assert same_bits(g, gradient[start:stop])
    order = RNG.permutation(100)
    v, g = kernel.batch_ufunc(x[order], y[order])
    assert same_bits(v, value[order])
    assert same_bits(g, gradient[order])
    big = np.tile(x, 200), np.tile(y, 200)
    assert same_bits(kernel.batch_ufunc(*big)[1], np.tile(gradient, (200, 1)))


@pytest.mark.parametrize("n", [*range(18), 511, 512, 513, 4095, 4097, 9001])
def test_remainders(kernel, n):
    x, y = RNG.normal(size=(2, n + 2))
    guard = [np.full(n + 2, 7.0), np.full((n + 2, 2), 7.0)]
    one = [kernel.batch_ufunc(x[k : k + 1], y[k : k + 1]) for k in range(1, min(n, 20) + 1)]
    kernel.batch_ufunc(x[1:-1], y[1:-1], out=tuple(g[1:-1] for g in guard))
    for k, (value, gradient) in enumerate(one):
        assert guard[0][k + 1] == value[0]
        assert same_bits(guard[1][k + 1], gradient[0])
    assert [(g[0] == 7).all() and (g[-1] == 7).all() for g in guard] == [True, True]
    assert not n or not (guard[0][1:-1] == 7).any()


def test_strides_and_broadcasting(kernel):
    base = RNG.normal(size=(24, 36))
    other = np.asfortranarray(RNG.normal(size=(24, 36)))
    cases = [
        (base, other), (base[:, ::2], other[:, ::-2]), (base[::-3], other[::3]), (base.T, other.T),
        (base[:, :1], other), (base[0], other[:, :1]), (base, 2.0), (0.5, other), (base[:1, :1], other[:1, :1]),
        (np.broadcast_to(base[0], (4, 36)), np.broadcast_to(2.0, (4, 36))), (base[:0], other[:0]),
    ]  # fmt: skip
    for x, y in cases:
        whole = np.broadcast_arrays(x, y)
        flat = kernel.batch_ufunc(*(np.ascontiguousarray(v).ravel() for v in whole))
        found = kernel.batch_ufunc(x, y)
        shape = whole[0].shape
        assert same_bits(found[0], flat[0].reshape(shape))
        assert same_bits(found[1], flat[1].reshape(*shape, 2))
        value, gradient = np.empty((*shape, 3))[..., 1], np.empty((2, *shape[::-1])).T
        kernel.batch_ufunc(x, y, out=(value, gradient))
        assert same_bits(value, found[0])
        assert same_bits(gradient, found[1])


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_cores(piece):
    def build(g, w, x, c):
        rows = [g.add("add", (g.add("mul", (w[i, 0], x[0])), g.add("mul", (w[i, 1], x[1])))) for i in range(3)]
        waves = [[g.add("sin", (g.add("mul", (r, w[0, k])),)) for k in range(2)] for r in rows]
        return [rows, waves, [g.add("less", (r, x[0])) for r in rows], g.add("where", (c, x[0], rows[1]))]

    prog = program(build, [(3, 2), (2,), ((), "bool")])
    f = compile_program(prog, Options(math="scalar", piece=piece)).batch_ufunc
    w, x, c = RNG.normal(size=(37, 3, 2)), RNG.normal(size=(37, 2)), RNG.normal(size=37) > 0
    for args in [(w, x, c), (w[0], x, True), (w, x[0], c[::-1]), (np.asfortranarray(w), x[::-1], c), (w[:, ::-1], x, c),
                 (w[::2, :, ::-1], x[::2], c[::2]), (w[:5], x[:5], c[:5])]:  # fmt: skip
        for found, expected in zip(f(*args), reference(prog, *args), strict=True):
            assert same_bits(found, expected)


@pytest.mark.parametrize("n", [5, 8, 700, 5000])
def test_in_place_and_overlapping(n):
    prog = program(lambda g, x, y: [g.add("add", (g.add("sin", (x,)), y))], [(), ()])
    f = compile_program(prog).batch_ufunc
    x, y = RNG.normal(size=(2, n + 3))
    x[n // 2] = np.inf  # an exception: points are looked at again
    memory = {"x": x, "y": y}
    views = [lambda a: a[:n], lambda a: a[1 : n + 1], lambda a: a[3:], lambda a: a[:n][::-1], lambda a: a[n::-1][:n]]
    with np.errstate(all="ignore"):
        for source in views:
            expected = f(source(x).copy(), source(y).copy())
            for target in views:
                both = {k: v.copy() for k, v in memory.items()}
                f(source(both["x"]), source(both["y"]), out=target(both["x"]))
                assert same_bits(target(both["x"]), expected)
        pairs = np.stack([x, y], axis=1)
        for first, second in [(0, 1), (1, 0)]:
            work = pairs.copy()
            f(work[:, 0], work[:, 1], out=work[:, first])
            assert same_bits(work[:, first], f(pairs[:, 0], pairs[:, 1]))
            assert same_bits(work[:, second], pairs[:, second])


@pytest.mark.parametrize("piece", [1, 1000])
def test_inputs_are_read_before_outputs_are_written(piece):
    prog = program(lambda g, x, y: [y, x, g.add("mul", (x, y))], [(), ()])
    f = compile_program(prog, Options(piece=piece)).batch_ufunc
    for n in (3, 8, 1000):
        x, y = RNG.normal(size=(2, n))
        a, b, c = x.copy(), y.copy(), np.empty(n)
        f(a, b, out=(a, b, c))
        assert same_bits(a, y)
        assert same_bits(b, x)
        assert same_bits(c, x * y)


def test_reduce_and_accumulate():
    f = compile_program(program(lambda g, x, y: [g.add("add", (x, y))], [(), ()])).batch_ufunc
    x = np.arange(1.0, 41)
    assert f.reduce(x) == 820
    assert same_bits(f.accumulate(x), np.cumsum(x))
    assert same_bits(f.reduce(x.reshape(8, 5), axis=0), x.reshape(8, 5).sum(axis=0))


def test_conditions_and_float32():
    def build(g, x, c):
        return [g.add("logical_and", (c, g.add("less", (x, g.constant(0.0))))), x]

    prog = program(build, [(), ((), "bool")])
    f = compile_program(prog, Options(piece=1)).batch_ufunc
    x, c = RNG.normal(size=50), RNG.normal(size=50) > 0
    for a, b in [(x, c), (x[::2], c[1::2]), (x, True), (0.0, c)]:
        assert same_bits(f(a, b)[0], np.broadcast_to(b, np.broadcast(a, b).shape) & (a < 0))
    single = random_program(200, dtype="float32")
    kernel = compile_program(single)
    values = RNG.uniform(-1, 1, (8, 33)).astype(np.float32)
    assert kernel.lanes == 1
    assert all(map(same_bits, kernel.batch_ufunc(*values), reference(single, *values)))


@pytest.mark.parametrize("piece", [7, 100, 10_000])
@pytest.mark.parametrize("opt", [0, 2])
def test_pieces_and_levels_do_not_change_a_bit(piece, opt):
    prog = random_program(1500, seed=4)
    values = RNG.uniform(-1, 1, (8, 21))
    exact = compile_program(prog, Options(math="scalar", piece=piece, opt=opt)).batch_ufunc(*values)
    assert all(map(same_bits, exact, reference(prog, *values)))
    fast = compile_program(prog, Options(piece=piece, opt=opt)).batch_ufunc(*values)
    assert all(map(same_bits, fast, compile_program(prog).batch_ufunc(*values)))


def seen(f, *args, **options):
    found = []
    with np.errstate(all="call", call=lambda kind, flag: found.append(kind)):
        f(*args, **options)
    return found


def test_exceptions_of_vectors():
    f = sd.function("log(x) + 1/y", ["x", "y"]).compile()
    x, y = np.linspace(1, 9, 6001), np.linspace(1, 2, 6001)
    assert seen(f, x, y) == []
    for at in (0, 5, 8, 4100, 6000):
        a, b = x.copy(), y.copy()
        a[at] = -1.0
        assert seen(f, a, y) == ["invalid value"]
        b[at] = 0.0
        assert seen(f, x, b) == ["divide by zero"]
        assert seen(f, a[::-1], b) == ["divide by zero", "invalid value"]
        assert seen(f, a, y, out=a) == ["invalid value"]
    assert seen(f, np.where(x > 3, np.nan, x), y) == []


@pytest.mark.parametrize("name", [n for n, arity in CASES.items() if arity == 1])
def test_vector_functions_do_not_warn_without_reason(name):
    f = compile_program(program(lambda g, x: [g.add(name, (x,))], [()])).batch_ufunc
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        inside = np.linspace(1.25, 2, 9) if name == "acosh" else np.linspace(0.1, 0.9, 9)
        f(inside)
        f(np.full(9, np.nan))


def test_points_do_not_compile_vectors():
    kernel = sd.function("sin(x)").compile().kernel
    kernel.ufunc(1.0)
    assert "batch_ufunc" not in vars(kernel)


def test_lane_by_lane_where_there_is_no_library(monkeypatch):
    """Another platform's way: the same interface, the scalar function's bits."""
    monkeypatch.setattr(vector_math, "vector_address", lambda name: 0)
    vector_math.find.cache_clear()
    prog = program(lambda g, x, y: [g.add("pow", (g.add("sin", (x,)), y))], [(), ()])
    x, y = RNG.uniform(0.1, 2, (2, 19))
    try:
        found = compile_program(prog).batch_ufunc(x, y)
    finally:
        vector_math.find.cache_clear()
    assert same_bits(found, reference(prog, x, y)[0])


@pytest.mark.parametrize("width", [w for w in (1, 2, 4, 8) if w <= LANES])
def test_every_width(monkeypatch, width):
    from symdiff.codegen import kernel as module

    monkeypatch.setattr(module, "lanes", lambda: width)
    prog = random_program(300)
    values = RNG.uniform(-1, 1, (8, 21))
    assert all(map(same_bits, compile_program(prog, SCALAR).batch_ufunc(*values), reference(prog, *values)))
    for found, true in zip(compile_program(prog).batch_ufunc(*values), reference(prog, *values), strict=True):
        np.testing.assert_allclose(found, true, rtol=1e-12, atol=1e-14)


def test_options():
    for bad in ({"math": "fast"}, {"threads": -1}):
        with pytest.raises(ArgumentError):
            Options(**bad)
