"""Addresses, and the ufuncs made of them."""

import ctypes
import ctypes.util
import math
import sys

import numpy as np
import pytest
import scipy.special

from symdiff import numeric
from symdiff.errors import CompileError
from symdiff.native.kept import mathematics
from symdiff.ops import OPS
from symdiff.ops.base import Expand, Instruction, Intrinsic, Library, Special

ROUTINES = sorted({op.routine.symbol for op in OPS.values() if isinstance(op.routine, Library)})


@pytest.mark.parametrize("symbol", ROUTINES)
def test_ufuncs_call_the_address(symbol):
    routine = Library(symbol)
    apply = numeric.as_ufunc(routine)
    operands = 2 if symbol in ("pow", "fmod", "atan2", "hypot") else 1
    assert isinstance(apply, np.ufunc)
    assert apply.nin == operands
    call = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * operands)(numeric.address(routine))
    values = np.random.default_rng(0).uniform(*(1.1, 9.0) if symbol == "acosh" else (0.1, 0.9), (50, operands))
    assert apply(*values.T).tolist() == [call(*row) for row in values]
    with np.errstate(all="ignore"):
        slow = numeric._vectorized(numeric.address(routine), operands)
        assert slow(*values.T).tolist() == apply(*values.T).tolist()


@pytest.mark.skipif(sys.platform != "linux", reason="the library has another name")
def test_the_library_is_opened_by_its_name_without_running_programs_that_look_for_it(monkeypatch):
    looked = []
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: looked.append(name))
    numeric.library.__wrapped__()
    assert not looked
    opened = ctypes.CDLL

    def absent(name, *args):
        if name == "libm.so.6":
            raise OSError
        return opened(name, *args)

    monkeypatch.setattr(ctypes, "CDLL", absent)
    mathematics.cache_clear()
    assert hasattr(numeric.library.__wrapped__(), "sin")
    assert looked == ["m"]


def test_special_functions_are_scipys():
    x = np.linspace(0.1, 9, 50)
    assert numeric.as_ufunc(Special("psi"))(x).tolist() == scipy.special.psi(x).tolist()


def test_every_routine_is_there():
    for op in OPS.values():
        if isinstance(op.routine, Instruction | Intrinsic | Library | Special):
            assert callable(numeric.as_ufunc(op.routine))
            assert numeric.as_ufunc(op.routine) is numeric.as_ufunc(op.routine)


def test_fused_multiply_add_rounds_once():
    assert numeric.fused_multiply_add(0.1, 10.0, -1.0) == 5.551115123125783e-17
    single = numeric.fused_multiply_add(np.float32(0.1), np.float32(10), np.float32(-1))
    assert single == np.float32(1.4901161e-08)
    assert single.dtype == np.float32
    assert numeric.fused_multiply_add(np.arange(3.0), 2.0, 1.0).tolist() == [1, 3, 5]


def test_select_gives_scalars():
    assert type(numeric.select(np.True_, np.float64(1), np.float64(2))) is np.float64
    assert math.isnan(numeric.select(np.False_, 1.0, math.nan))


@pytest.mark.parametrize("routine", [Library("no_such_function"), Special("no_such"), Expand("a")])
def test_missing_routines(routine):
    with pytest.raises(CompileError):
        numeric.address(routine)
    with pytest.raises(CompileError):
        numeric.as_ufunc(routine)
