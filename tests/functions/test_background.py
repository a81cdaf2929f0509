"""Compiling in the background: right at once, the same bits before and after, and nothing left behind."""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import symdiff as sd

TEXT = "sin(x*y) + exp(-x**2)*log(1 + y**2)/sqrt(1 + x**2 + y**2)"


def test_the_code_is_swapped_and_gives_the_same_bits():
    g = sd.hessian(TEXT, ["x", "y"])
    c = g.compile(background=True)
    X = np.linspace(-2, 2, 50)
    first, batch = [c(x, 0.3) for x in X], c(X, 0.3)
    assert c.wait(60)
    assert c.kernel.opt == 2
    for a, x in zip(first, X, strict=True):
        np.testing.assert_array_equal(a, c(x, 0.3))
    np.testing.assert_array_equal(batch, c(X, 0.3))
    np.testing.assert_array_equal(first, g.compile(opt=1, math="scalar")(X, 0.3))
    assert c.wait()


def test_calls_while_it_is_swapped():
    names = [f"x{k}" for k in range(12)]
    rosenbrock = "+".join(f"100*({names[k + 1]} - {names[k]}**2)**2 + cos({names[k]})" for k in range(11))
    f = sd.hessian(rosenbrock, names)
    x = np.linspace(0.1, 1.2, 12)
    want = f(*x)
    c = f.compile(background=True, opt=3)
    wrong = []

    def run():
        for _ in range(300):
            if not np.array_equal(c(*x), want):
                wrong.append(1)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert c.wait(60)
    assert not wrong
    assert c.kernel.opt == 3


def test_dropped_functions_are_freed():
    c = sd.function(TEXT, ["x", "y"]).compile(background=True)
    c.wait(60)
    seen = weakref.ref(c)
    del c
    gc.collect()
    assert seen() is None


def test_copies_and_pickles():
    c = sd.function(TEXT, ["x", "y"]).compile(background=True)
    assert copy.copy(c)(1.0, 2.0) == c(1.0, 2.0)
    again = pickle.loads(pickle.dumps(c))
    assert again(1.0, 2.0) == c(1.0, 2.0)
    assert again.wait(60)
    assert c.wait(60)


@pytest.mark.parametrize("fp", ["strict", "contract", "fast"])
def test_every_level_gives_the_same_bits(fp):
    names = ["x", "y"]
    both = sd.function((sd.function(TEXT, names), sd.grad(TEXT, names), sd.hessian(TEXT, names)))
    rng = np.random.default_rng(3)
    points = [*rng.uniform(-3, 3, (20, 2)), (0.0, -0.0), (np.nan, 1.0), (np.inf, 1.0), (1e-310, 1e300), (1e22, 3.0)]
    kinds = [both.compile(fp=fp, opt=opt) for opt in (None, 0, 1, 2, 3)]
    with np.errstate(all="ignore"):
        batch = both.compile(fp=fp, math="scalar")(*np.array(points).T)
    for k, x in enumerate(points):
        results = [c(*map(float, x)) for c in kinds] + [tuple(part[k] for part in batch)]
        for one in results[1:]:
            for a, b in zip(results[0], one, strict=True):
                np.testing.assert_array_equal(a, b)
