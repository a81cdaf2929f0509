"""What Python calls, made of machine code: builtins of CPython and ufuncs of NumPy, through their C interfaces."""

from __future__ import annotations

import ctypes
import functools
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from symdiff.errors import CompileError
from symdiff.loading import load_module
from symdiff.locks import has_one_lock
from symdiff.native.code import Code, address_in, address_of, process_function

if TYPE_CHECKING:
    from symdiff.codegen.layout import Layout

POINTER = ctypes.sizeof(ctypes.c_void_p)

FASTCALL, KEYWORDS = 0x80, 0x02
BUILTIN, FORWARD = "builtin", "forward"
"""What the code of builtins exports: the function behind all of them, and what calls the slot of an object."""

OBJECTS: Mapping[str, object] = {
    "float": float,
    "float64": np.float64,
    "int": int,
    "ndarray": np.ndarray,
    "true": True,
    "false": False,
    "array of float64": np.dtype("float64"),
    "array of bool": np.dtype("bool"),
}
"""Objects that stand in records by their addresses: one each, for ever."""

LOOP_ADDRESS = "loop"
"""What stands in a record for the address of the kernel's loop."""

PYTHON_FUNCTIONS = (
    "PyFloat_FromDouble",
    "PyLong_AsLongLongAndOverflow",
    "PyTuple_New",
    "PyObject_Vectorcall",
    "PyErr_NoMemory",
    "PyErr_BadInternalCall",
    "Py_IncRef",
    "Py_DecRef",
)
"""What the code of builtins calls, beside NumPy's PyArray_NewFromDescr."""

# Slots of NumPy's public tables of array functions, and of ufunc functions.
ARRAY_TYPE, NEW_FROM_DESCRIPTION = 2, 94
FROM_DATA, FROM_DATA_AND_SIGNATURE = 1, 31
NO_IDENTITY = -1
AS_UTF_8 = "utf-8", "replace"

_kept_for_ever: list[object] = []


@functools.cache
def python_identity() -> list[Any]:
    """What machine code that reads and makes objects of Python and NumPy has to be for; empty where none can be."""
    if not has_one_lock():
        return []
    sizes = [kind.__basicsize__ for kind in (object, type, float, int, tuple, bytes, np.float64, np.ndarray)]
    return [sys.implementation.cache_tag, sys.hexversion, np.__version__, *sizes]


def python_functions() -> dict[str, int]:
    """The addresses of what the code of builtins calls; 0 for what there is not."""
    found = {name: address_of(name) for name in PYTHON_FUNCTIONS}
    known = array_slot(ARRAY_TYPE) == id(np.ndarray)
    found["PyArray_NewFromDescr"] = array_slot(NEW_FROM_DESCRIPTION) or 0 if known else 0
    return found


def numbered(functions: Mapping[str, int]) -> dict[str, int]:
    """The same by the names that they have in code."""
    return {f"python_{k}": address for k, address in enumerate(functions.values())}


class Entry(tuple[Any, ...]):
    """What a builtin is bound to: the general path, the record, then what has to live as long as the builtin.

    It does not hold the function that the builtin belongs to, so that nothing waits for the cyclic collector.
    """

    __slots__ = ()


class _Method(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("code", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


def bind_builtin(
    words: Sequence[int | str],
    loop: int,
    code: Code,
    name: str,
    doc: str,
    general: Callable[..., Any],
    owned: Sequence[object],
) -> Callable[..., Any]:
    """A builtin that is driven by a record.

    Parameters
    ----------
    words : the record (see `codegen.builtin_code`); names are those of `OBJECTS`, or `LOOP_ADDRESS`.
    loop : the address of the kernel's loop.
    code : that of all builtins.
    general : what answers the calls that are not plain numbers by position.
    owned : what has to live as long as the builtin.
    """
    known = {LOOP_ADDRESS: loop, **_addresses()}
    content = struct.pack(f"{len(words)}q", *[known[w] if type(w) is str else w for w in words])
    label, text = (part.replace("\0", "").encode(*AS_UTF_8) for part in (name, doc))
    method = _Method(label, code[BUILTIN], FASTCALL | KEYWORDS, text)
    # CPython gives `self` back last, so what lies in it may own the method's description.
    entry = Entry((general, content, method, label, text, *owned, code))
    made: Callable[..., Any] = _create()(ctypes.addressof(method), entry, None)
    return made


@functools.cache
def _addresses() -> dict[str, int]:
    return {name: id(thing) for name, thing in OBJECTS.items()}


@functools.cache
def _create() -> Callable[..., Any]:
    return cast(
        "Callable[..., Any]",
        process_function("PyCFunction_NewEx", ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p),
    )


class UfuncForm(NamedTuple):
    """The operands of a ufunc.

    Attributes
    ----------
    types : NumPy's type codes of all operands.
    inputs, outputs : how many there are.
    signature : that of a generalized ufunc; None for numbers.
    """

    types: str
    inputs: int
    outputs: int
    signature: str | None


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
    form = ufunc_form(layout)
    if form is None:
        many: np.ufunc = load_module("symdiff.codegen.many").Many(layout, loop, data, name, owned)
        return many
    made = bind_ufunc(form, loop, data, name, doc, owned)
    if made is None:
        raise CompileError("this NumPy does not give its C API for ufuncs")
    return made


def ufunc_form(layout: Layout) -> UfuncForm | None:
    """The operands of a ufunc; None where there are more than it can have."""
    if len(layout.operands) > operand_limit():
        return None
    signature = None if layout.scalar and layout.inputs else layout.signature
    return UfuncForm(layout.types, len(layout.inputs), len(layout.outputs), signature)


@functools.cache
def operand_limit() -> int:
    """How many operands a ufunc of this NumPy can have: 64 since NumPy 2.0."""
    low, high = 1, 1025
    while high - low > 1:
        middle = (low + high) // 2
        try:
            np.frompyfunc(lambda *_: None, middle - 1, 1)
            low = middle
        except ValueError:
            high = middle
    return low


def bind_ufunc(form: UfuncForm, loop: int, data: int, name: str, doc: str, owned: Sequence[object]) -> np.ufunc | None:
    """A ufunc of the loop at an address, which holds `owned` until it is freed; None where NumPy gives no C API."""
    slot = ufunc_slot(FROM_DATA if form.signature is None else FROM_DATA_AND_SIGNATURE)
    if slot is None:
        return None
    functions = (ctypes.c_void_p * 1)(loop)
    datas = (ctypes.c_void_p * 1)(data or None)
    texts = [bytes(np.dtype(code).num for code in form.types), name.encode(*AS_UTF_8), doc.encode(*AS_UTF_8)]
    held = [ctypes.c_char_p(text) for text in texts]
    types, label, about = map(address_in, held)
    places = (ctypes.addressof(functions), ctypes.addressof(datas), types, label, about)
    arguments: list[Any] = [*places[:3], 1, form.inputs, form.outputs, NO_IDENTITY, label, about, 0]
    if form.signature is not None:
        arguments.append(form.signature.encode("ascii"))
    made: np.ufunc = _ufunc_maker(form.signature is None)(slot)(*arguments)
    _attach(made, Owner(functions, datas, *held, *owned), (form.inputs, form.outputs), places)
    return made


@functools.cache
def _ufunc_maker(plain: bool) -> Any:
    """The type of the function that makes ufuncs of numbers, or generalized ones."""
    pointers, integer = ctypes.c_void_p, ctypes.c_int
    kinds: list[Any] = [pointers] * 3 + [integer] * 4 + [pointers] * 2 + [integer]
    return ctypes.PYFUNCTYPE(ctypes.py_object, *kinds, *([] if plain else [ctypes.c_char_p]))


def _attach(made: np.ufunc, owner: Owner, operands: tuple[int, int], places: tuple[int, ...]) -> None:
    """Let the ufunc own `owner`, where its fields are where this NumPy's header says; otherwise keep it for ever."""
    head = _Head.from_address(id(made))
    functions, datas, types, label, text = places
    expected = (*operands, sum(operands), functions, datas, 1, label, types, text)
    found = (head.nin, head.nout, head.nargs, head.functions, head.data, head.ntypes, head.name, head.types, head.doc)
    if expected == found and head.obj is None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(owner))
        head.obj = id(owner)
    else:
        _kept_for_ever.append(owner)


@functools.cache
def ufunc_slot(slot: int) -> int | None:
    """An entry of NumPy's table of ufunc C functions, or None where this NumPy does not show the table."""
    return _table_entry("_UFUNC_API", slot)


@functools.cache
def array_slot(slot: int) -> int | None:
    """An entry of NumPy's table of array C functions and types, or None where this NumPy does not show the table."""
    return _table_entry("_ARRAY_API", slot)


def _table_entry(table: str, slot: int) -> int | None:
    start = _table(table)
    return start if start is None else int(ctypes.c_size_t.from_address(start + slot * POINTER).value)


@functools.cache
def _table(name: str) -> int | None:
    """Where a table of NumPy's begins."""
    for module in ("numpy._core._multiarray_umath", "numpy.core._multiarray_umath"):
        capsule = getattr(sys.modules.get(module), name, None)
        if capsule is not None:
            return pointer_in(capsule)
    return None


def pointer_in(capsule: object) -> int:
    """What a capsule of any name holds."""
    get = process_function("PyCapsule_GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
    return int(get(capsule, capsule_name(capsule)))


def capsule_name(capsule: object) -> Any:
    """The name of a capsule."""
    return process_function("PyCapsule_GetName", ctypes.c_char_p, ctypes.py_object)(capsule)
