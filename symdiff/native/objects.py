"""CPython's and NumPy's C functions by address, and where their objects hold what machine code reads and writes.

Everything is looked at in this process before it is used; where anything is not as expected there is no fast call.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping

import numpy as np

from symdiff.locks import has_one_lock
from symdiff.native import calls

POINTER = ctypes.sizeof(ctypes.c_void_p)


class Python:
    """What machine code knows of this Python.

    Attributes
    ----------
    functions : the addresses of what it calls, `native.calls.python_functions`.
    type : where every object holds its type.
    number : where a float, and a numpy.float64, holds its value.
    items : where a tuple's items begin.
    text : where the contents of a bytes object begin.
    data : where an array holds the address of its elements.
    slot : where an object with the address of a function for its calls holds its first slot.
    """

    __slots__ = ("data", "functions", "items", "number", "slot", "text", "type")

    def __init__(
        self, functions: Mapping[str, int], type: int, number: int, items: int, text: int, data: int, slot: int
    ) -> None:
        self.functions, self.type, self.number, self.items = functions, type, number, items
        self.text, self.data, self.slot = text, data, slot


def _word(thing: object, offset: int) -> int:
    """The machine word in an object; only within its own size."""
    if offset + POINTER > type(thing).__basicsize__ + type(thing).__itemsize__ * 2:
        return 0
    return ctypes.c_size_t.from_address(id(thing) + offset).value


def _double(thing: object, offset: int) -> float:
    return ctypes.c_double.from_address(id(thing) + offset).value


def is_supported_python() -> bool:
    """Whether this is a CPython with one lock for all threads, on a 64-bit machine."""
    return has_one_lock() and POINTER == 8 and np.dtype(np.float64).itemsize == 8


@functools.cache
def python() -> Python | None:
    """This Python's addresses and offsets, or None where one of them is not what it should be."""
    if not is_supported_python():
        return None
    head = object.__basicsize__
    found = Python(
        type=head - POINTER,
        number=head,
        items=tuple.__basicsize__,
        text=bytes.__basicsize__ - 1,
        data=head,
        slot=head + POINTER,
        functions=calls.python_functions(),
    )
    return found if _verify(found) and all(found.functions.values()) else None


def object_layout() -> list[int]:
    """Where objects hold what machine code reads and writes; empty where one of them is not what it should be."""
    found = python()
    if found is None:
        return []
    return [found.type, found.number, found.items, found.text, found.data, found.slot]


def _verify(found: Python) -> bool:
    """Look at objects whose contents are known."""
    numbers = [1.25, -3.5e300, np.float64(0.1), np.float64(-7.75)]
    if not all(type(x).__basicsize__ >= found.number + 8 for x in numbers):
        return False
    if any(_word(x, found.type) != id(type(x)) or _double(x, found.number) != x for x in numbers):
        return False
    first, second = object(), [1]
    pair = (first, second)
    if any(_word(pair, found.items + POINTER * k) != id(part) for k, part in enumerate(pair)):
        return False
    text = bytes(range(1, 41))
    if ctypes.string_at(id(text) + found.text, len(text)) != text or (id(text) + found.text) % 8:
        return False
    arrays = np.arange(3.0), np.zeros((2, 2))
    return all(_word(array, found.data) == array.__array_interface__["data"][0] for array in arrays)
