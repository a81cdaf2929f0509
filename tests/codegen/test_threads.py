"""Batches on several threads give what one thread gives."""

import threading
import warnings

import numpy as np
import pytest

import symdiff as sd
from symdiff.codegen import Options, compile_program, threads
from tests.codegen.programs import program, same_bits

RNG = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch):
    monkeypatch.setattr(threads, "SMALLEST", 100)


@pytest.fixture
def pair(small_slices):
    f = sd.value_and_grad("sin(x*y) + exp(-x**2)*log(1 + y**2)", ["x", "y"])
    return [compile_program(f._program(), Options(threads=n)).batch for n in (1, 3)]


@pytest.fixture
def scalars(small_slices):
    f = sd.function("x/y + log(x)", ["x", "y"])
    return [compile_program(f._program(), Options(threads=n)).batch for n in (1, 3)]


@pytest.fixture
def used(monkeypatch):
    """The threads that computed something."""
    names = set()
    real = np.errstate

    def note(*args, **options):
        names.add(threading.current_thread().name)
        return real(*args, **options)

    monkeypatch.setattr(np, "errstate", note)
    return names


def test_the_same_as_one_thread(pair):
    one, many = pair
    base, other = RNG.normal(size=(2, 40, 300))
    cases = [(base, other), (base[0], other), (base[:, :1], other[0]), (base.T, other.T),
             (base[::-2, ::3], other[::2, :100]), (2.0, other), (base.tolist(), 1.0), (base[:1], other[0]),
             (1.0, 2.0), (base[:0], other[:0]), (np.asfortranarray(base), np.asfortranarray(other))]  # fmt: skip
    for x, y in cases:
        for a, b in zip(one(x, y), many(x, y), strict=True):
            assert same_bits(a, b)
            assert type(a) is type(b)


def test_scalar_outputs(scalars):
    one, many = scalars
    x, y = RNG.uniform(1, 2, (2, 50, 60))
    for a, b in [(x, y), (x.T, y.T), (x[:, :1], y[:1]), (np.asfortranarray(x), np.asfortranarray(y))]:
        assert same_bits(one(a, b), many(a, b))
        assert one(a, b).strides == many(a, b).strides
    out, mask = np.full((50, 60), 7.0), RNG.normal(size=60) > 0
    assert many(x, y, out=out, where=mask) is out
    assert same_bits(out, np.where(mask, one(x, y), 7.0))
    work = x.copy()
    assert many(work, y, out=work) is work
    assert same_bits(work, one(x, y))
    for move in (slice(1, None), slice(None, -1)):  # what overlaps otherwise is not cut
        work, other = x.ravel().copy(), (slice(None, -1) if move.start else slice(1, None))
        many(work[move], y.ravel()[1:], out=work[other])
        assert same_bits(work[other], one(x.ravel()[move], y.ravel()[1:]))
    bigger = np.empty((2, 50, 60))
    many(x, y, out=bigger)
    assert same_bits(bigger[1], one(x, y))


def test_it_is_spread(pair, used):
    x, y = RNG.normal(size=(2, 200_000))
    for _ in range(20):
        pair[1](x, y)
    assert len(used) > 1


def test_refusals_are_numpys(pair):
    for f in pair:
        with pytest.raises(ValueError, match="broadcast"):
            f(np.ones(5000), np.ones(4999))
        with pytest.raises(TypeError):
            f(np.ones(5000) * 1j, np.ones(5000))
        with pytest.raises(TypeError):
            f(np.ones(5000))
        with pytest.raises(ValueError, match=r"mismatch|shape|dimension"):
            f(np.ones(5000), 1.0, out=(np.ones(4000), np.ones((4000, 2))))


def outcome(f, *args, **options):
    seen = []
    with np.errstate(all="call", call=lambda kind, flag: seen.append((kind, flag))):
        f(*args, **options)
    return seen


def test_exceptions(scalars):
    one, many = scalars
    x, y = RNG.uniform(1, 2, (2, 9000))
    assert outcome(many, x, y) == []
    for spoil in ({5: -1.0}, {8000: 0.0}, {5: -1.0, 8999: 0.0}, {77: np.nan}):
        bad = x.copy()
        bad[list(spoil)] = list(spoil.values())
        assert outcome(many, bad, y) == outcome(one, bad, y)
        assert outcome(many, bad, y, out=bad.copy()) == outcome(one, bad, y)
    y[100] = 0.0
    with np.errstate(all="raise"), pytest.raises(FloatingPointError, match="divide by zero encountered in kernel"):
        many(x, y)
    with pytest.warns(RuntimeWarning, match="divide by zero") as caught:
        many(x, y)
    assert len(caught) == 1
    assert caught[0].filename == threads.__file__
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        many(x, y)


def test_a_function_takes_the_option():
    f = sd.function("x**y", ["x", "y"])
    x, y = RNG.uniform(1, 2, (2, 100_000))
    assert same_bits(f.compile(threads=2)(x, y), f.compile()(x, y))
    assert same_bits(f.compile(threads=0)(x, y), f.compile()(x, y))
    assert threads.processors() >= 1


def test_many_callers(pair):
    x, y = RNG.normal(size=(2, 20_000))
    true = pair[0](x, y)
    failures = []

    def call():
        for _ in range(5):
            if not all(map(same_bits, pair[1](x, y), true)):
                failures.append(1)

    callers = [threading.Thread(target=call) for _ in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not failures


def test_cores():
    def build(g, x, c):
        return [[g.add("mul", (x[k], c)) for k in range(3)], g.add("less", (x[0], c))]

    prog = program(build, [(3,), ()])
    one, many = (compile_program(prog, Options(threads=n)).batch for n in (1, 4))
    x, c = RNG.normal(size=(3, 700, 3)), RNG.normal(size=(3, 1))
    for a, b in [(x, c), (x[0], c), (x[:, :1], RNG.normal(size=700)), (x[..., ::-1], 2.0)]:
        assert all(map(same_bits, one(a, b), many(a, b)))
