"""Signals are heard while native code runs: points, steps, batches, scans, sums along every axis, on threads too."""

import signal
import sys
import time

import numpy as np
import pytest

import symdiff as sd

SOON = 0.25


class Rang(Exception):
    """What the handler of the alarm raises."""


@pytest.fixture
def alarm():
    """Let the alarm ring soon; the time at which it rings.

    Where Python drops what it raises, because it rang in the callback of a weak reference, it rings again.
    """

    def ring(*_):
        raise Rang

    def dropped(unraisable):
        if unraisable.exc_type is Rang:
            signal.setitimer(signal.ITIMER_PROF, 0.01)
        else:
            hook(unraisable)

    before, hook = signal.signal(signal.SIGPROF, ring), sys.unraisablehook
    sys.unraisablehook = dropped
    try:
        yield lambda: (signal.setitimer(signal.ITIMER_PROF, SOON), time.process_time() + SOON)[1]
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        sys.unraisablehook = hook


LONG = {
    "one axis": ("f(x) = sum(sin(arange(2000000000)*x))", {"x": ()}, (1.0,)),
    "many rows": ("f(x) = max(sin(arange(200000)*x)[:, None]*arange(20000))", {"x": ()}, (1.0,)),
    "short rows": ("f(x) = max(sin(arange(400000000)*x)[:, None]*arange(3))", {"x": ()}, (1.0,)),
    "another axis": ("f(x) = sum(sum(exp(arange(2000000)*x)[:, None] + arange(800), axis=0)**2)", {"x": ()}, (-1.0,)),
    "a scan": ("f(x) = cumsum(sin(arange(300000000)*x))[-1]", {"x": ()}, (1.0,)),
    "a named size": ("f(x[n]) = sum(outer(x, x)**3)", None, (np.ones(100_000),)),
    "points": ("f(x[3], y) = sum(sin(x*y)[:, None]*arange(1000))", {"y": ()}, (np.ones((2_000_000, 3)), 1.0)),
}


@pytest.mark.parametrize("name", LONG)
def test_a_signal_is_heard_in_loops(name, alarm):
    text, shapes, point = LONG[name]
    f = sd.function(text, shapes=shapes)
    f.compile()
    rings = alarm()
    with pytest.raises(Rang):
        f(*point)
    assert time.process_time() - rings < 4  # 0.3 s on a machine that does nothing else
    g = sd.function("f(x) = sum(sin(arange(2000)*x))", shapes={"x": ()})
    assert np.isfinite(g(1.0))  # what was interrupted leaves nothing behind


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("strides", [1, 2])
def test_a_signal_is_heard_in_batches(threads, strides, alarm):
    f = sd.function("f(x, y) = " + " + ".join(f"sin(x*{k} + y)" for k in range(100))).compile(threads=threads)
    x, y, out = np.ones(20_000 * strides)[::strides], np.ones((1000, 1)), np.empty((1000, 20_000))
    f(x[:10], 1.0)
    rings = alarm()
    with pytest.raises(Rang):
        f(x, y, out=out)  # which takes some seconds
    assert time.process_time() - rings < 3
    assert np.allclose(f(x[:100], 0.0), f(1.0, 0.0), rtol=1e-12)


def test_handlers_that_do_not_raise_do_not_disturb():
    seen = []
    before = signal.signal(signal.SIGPROF, lambda *_: seen.append(1))
    f = sd.function("f(x) = sum(sin(arange(60000000)*x))", shapes={"x": ()})
    expected = f(0.5)
    signal.setitimer(signal.ITIMER_PROF, 0.02, 0.05)
    try:
        assert f(0.5) == expected
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    assert seen


def test_a_signal_is_heard_while_llvm_compiles(alarm):
    f = sd.function(" + ".join(f"sin(x*{k})*cos(x + {k})" for k in range(20_000)), ["x"])
    f._program()
    rings = alarm()
    with pytest.raises(Rang):
        f.compile()
    assert time.process_time() - rings < 3
