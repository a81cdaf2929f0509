"""Builds of Python whose objects machine code must not touch: everything works there, by slower ways."""

import subprocess
import sys

import pytest

from symdiff import locks

WITHOUT_A_LOCK = """
import sys
sys._is_gil_enabled = lambda: False
import numpy as np
import symdiff as sd
from symdiff.codegen.builtin_code import builtin_code
from symdiff.functions.direct import is_enabled
assert builtin_code() is None and not is_enabled(sd.Function)
f = sd.function("f(x, y) = x**2*y")
x = np.arange(4.0)
for _ in range(3):
    assert f(3.0, 2.0) == 18.0 and f(x=3, y=2) == 18.0 and f.grad()(3.0, 2.0).tolist() == [12.0, 9.0]
    assert f(x, 2.0).tolist() == [0.0, 2.0, 8.0, 18.0]
    assert f.compile(threads=2)(np.arange(100_000.0), 1.0)[-1] == 99_999.0**2
g = sd.function("g(W[n, n], x[n]) = sum(exp(W @ x))").grad("x")
assert np.allclose(g(np.eye(3), np.zeros(3)), 1.0)
assert sd.sparse_jacobian("f(x[3]) = x**2")([1.0, 2.0, 3.0]).toarray()[2, 2] == 6.0
from symdiff.cli import main
assert main(["doctor"]) == 0
"""


def test_everything_works_where_threads_share_no_lock():
    done = subprocess.run([sys.executable, "-c", WITHOUT_A_LOCK], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "vectorcall            no: no CPython with one lock" in done.stdout


@pytest.mark.parametrize(("attribute", "value"), [("abiflags", "t"), ("version", "3.13.0 free-threading build"),
                                                  ("_is_gil_enabled", lambda: False)])  # fmt: skip
def test_builds_without_a_lock_are_known(monkeypatch, attribute, value):
    assert locks.has_one_lock() == ("t" not in getattr(sys, "abiflags", "") and "free-threading" not in sys.version)
    monkeypatch.setattr(sys, attribute, value, raising=False)
    assert not locks.has_one_lock()


def test_other_implementations_are_known(monkeypatch):
    monkeypatch.setattr(sys.implementation, "name", "pypy")
    assert not locks.has_one_lock()
