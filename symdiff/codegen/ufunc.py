"""NumPy ufuncs from machine code, through NumPy's C API as its capsule gives it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from symdiff.codegen.layout import Layout, operand_limit
from symdiff.codegen.many import Many
from symdiff.errors import CompileError
from symdiff.numeric import ufunc_slot

# Slots of NumPy's public table of ufunc functions.
FROM_DATA, FROM_DATA_AND_SIGNATURE = 1, 31
NO_IDENTITY = -1

_kept_for_ever: list[object] = []


class _Head(ctypes.Structure):
    """The beginning of NumPy's PyUFuncObject, up to the reference that it gives back when it is freed."""

    _fields_ = [
        ("head", ctypes.c_byte * object.__basicsize__),
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.c_void_p),
        ("data", ctypes.c_void_p),
        ("ntypes", ctypes.c_int),
        ("reserved", ctypes.c_int),
        ("name", ctypes.c_void_p),
        ("types", ctypes.c_void_p),
        ("doc", ctypes.c_void_p),
        ("ptr", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
    ]


class Owner:
    """What a ufunc needs as long as it lives: tables that NumPy points to, and the machine code."""

    def __init__(self, *parts: object) -> None:
        self.parts = parts


def make_ufunc(layout: Layout, loop: int, data: int, name: str, doc: str, owned: Sequence[object]) -> np.ufunc:
    """A ufunc, generalized where a core is not a scalar, of the loop at an address.

    It holds `owned` (and with it the machine code) until it is freed. Where there are more operands than a ufunc can
    have, something else that is called in the same way.

    Raises
    ------
    CompileError
        Where this NumPy does not give its C API.
    """
    if len(layout.operands) > operand_limit():
        return cast(np.ufunc, Many(layout, loop, data, name, owned))
    signature = None if layout.scalar and layout.inputs else layout.signature.encode("ascii")
    functions = (ctypes.c_void_p * 1)(loop)
    datas = (ctypes.c_void_p * 1)(data or None)
    types = ctypes.create_string_buffer(bytes(np.dtype(code).num for code in layout.types))
    label = ctypes.create_string_buffer(name.encode("utf-8", "replace"))
    text = ctypes.create_string_buffer(doc.encode("utf-8", "replace"))
    tables = (functions, datas, types, label, text)
    arguments: list[Any] = [
        *(ctypes.addressof(part) for part in tables[:3]),
        1,
        len(layout.inputs),
        len(layout.outputs),
        NO_IDENTITY,
        ctypes.addressof(label),
        ctypes.addressof(text),
        0,
    ]
    pointers, integer = ctypes.c_void_p, ctypes.c_int
    kinds: list[Any] = [pointers] * 3 + [integer] * 4 + [pointers] * 2 + [integer]
    slot = FROM_DATA
    if signature is not None:
        slot = FROM_DATA_AND_SIGNATURE
        kinds.append(ctypes.c_char_p)
        arguments.append(signature)
    make = ctypes.PYFUNCTYPE(ctypes.py_object, *kinds)(_slot(slot))
    made: np.ufunc = make(*arguments)
    _attach(made, Owner(*tables, *owned), (len(layout.inputs), len(layout.outputs)), tables)
    return made


def _attach(made: np.ufunc, owner: Owner, operands: tuple[int, int], tables: tuple[Any, ...]) -> None:
    """Let the ufunc own `owner`, where its fields are where this NumPy's header says; otherwise keep it for ever."""
    head = _Head.from_address(id(made))
    functions, datas, types, label, text = (ctypes.addressof(part) for part in tables)
    expected = (*operands, sum(operands), functions, datas, 1, label, types, text)
    found = (head.nin, head.nout, head.nargs, head.functions, head.data, head.ntypes, head.name, head.types, head.doc)
    if expected == found and head.obj is None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
        head.obj = id(owner)
    else:
        _kept_for_ever.append(owner)


def _slot(slot: int) -> int:
    found = ufunc_slot(slot)
    if found is None:
        raise CompileError("this NumPy does not give its C API for ufuncs")
    return found
