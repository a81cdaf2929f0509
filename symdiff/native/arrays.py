"""Functions of Python that code for arrays calls: it hears signals, and gives Python's lock away."""

from __future__ import annotations

import ctypes
import os
import threading

from symdiff.locks import has_one_lock
from symdiff.native.code import Code, address_of

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
