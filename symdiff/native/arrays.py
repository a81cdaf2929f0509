"""What machine code for arrays needs of a process: its constant arrays, where it reports failures, Python's functions.

Its calls are of C, which raises nothing: a call that fails reports, in its own thread, and who called looks there.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Sequence

import numpy as np

from symdiff.locks import has_one_lock
from symdiff.native.code import Code, address_of

CONSTANTS, REPORT, RELEASE = "constants", "report", "release"
"""The table of constant arrays; where the address of what takes reports stands; what frees the memory it keeps."""

SIGNAL_FUNCTIONS, MAIN_THREAD = "interrupt_functions", "main_thread"
SIGNAL_NAMES = (
    "PyThread_get_thread_ident",
    "PyGILState_Ensure",
    "PyGILState_Release",
    "PyErr_CheckSignals",
    "PyErr_Fetch",
    "PyErr_Restore",
    "Py_AddPendingCall",
    "clock_gettime",
)
"""What the code that hears signals calls, in the order of its table. Windows has no such clock; then Python's lock is
taken each time."""

LOCK_FUNCTIONS = "python_functions"
"""The table of CPython's functions of its lock, which is set after loading; without them the lock is kept."""

LOCK_NAMES = (
    "PyGILState_GetThisThreadState",
    "PyThreadState_GetUnchecked",
    "PyEval_SaveThread",
    "PyEval_RestoreThread",
)
_OLD_NAMES = {"PyThreadState_GetUnchecked": "_PyThreadState_UncheckedGet"}

failures = threading.local()
"""`failures.first` is what the first failure of a call in this thread reported, or None."""

_Report = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_Release = ctypes.CFUNCTYPE(None)


def _note(code: int, index: int, size: int) -> None:
    """Called by native code, in the thread of the call that fails."""
    if getattr(failures, "first", None) is None:
        failures.first = code, index, size


_report = _Report(_note)


class TensorCode(Code):
    """Machine code with constant arrays and memory of its own, which goes when this object goes."""

    __slots__ = ("_arrays", "_code", "_release")

    def __init__(self, code: Code, constants: Sequence[object]) -> None:
        self._code = code
        self._arrays = [np.ascontiguousarray(a) for a in constants]
        self.bytes = code.bytes + sum(a.nbytes for a in self._arrays)
        self._release = _Release(code[RELEASE])
        table = (ctypes.c_void_p * max(1, len(self._arrays))).from_address(code[CONSTANTS])
        for k, array in enumerate(self._arrays):
            table[k] = array.ctypes.data
        ctypes.c_void_p.from_address(code[REPORT]).value = ctypes.cast(_report, ctypes.c_void_p).value

    def __getitem__(self, symbol: str) -> int:
        """The address of an exported symbol."""
        return self._code[symbol]

    def __del__(self) -> None:
        release = getattr(self, "_release", None)
        if release is not None:
            release()


def set_signal_functions(code: Code) -> None:
    """Tell the code that hears signals which thread is the main one, and where the functions are that it calls."""
    main = ctypes.c_size_t.from_address(code[MAIN_THREAD])

    def tell() -> None:  # a thread that forks is the main thread of the child
        main.value = threading.main_thread().ident or 0

    tell()
    if has_one_lock():
        table = (ctypes.c_size_t * len(SIGNAL_NAMES)).from_address(code[SIGNAL_FUNCTIONS])
        for k, name in enumerate(SIGNAL_NAMES):
            table[k] = address_of(name)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=tell)


def set_lock_functions(code: Code) -> None:
    """Write the addresses of the functions of Python's lock into the table, where this is a Python that has them."""
    if not has_one_lock():
        return
    found = [address_of(name) or address_of(_OLD_NAMES.get(name, name)) for name in LOCK_NAMES]
    if all(found):
        words = (ctypes.c_size_t * len(LOCK_NAMES)).from_address(code[LOCK_FUNCTIONS])
        for k, address in enumerate(found):
            words[k] = address


PREPARATIONS = {"interrupts": set_signal_functions, "workspace": set_lock_functions}
"""What is done with code that all kernels for arrays share, by its name, before it is used."""
