"""Calls that go to what lies in a slot named `__call__` without a detour through Python's search for that method.

CPython asks an object of a type with a vectorcall offset (PEP 590) for the address of a C function, and calls it with
the arguments as they lie. A class that is written in Python cannot have one; its base `Direct` has the room for the
address, and `enable` tells CPython to look there. As long as no address is there CPython calls as it calls any object.
Where anything is not as the headers say, `Direct` is an ordinary class and nothing changes but the time of a call.
"""

from __future__ import annotations

import ctypes
from types import BuiltinFunctionType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, cast

from symdiff.locks import has_one_lock
from symdiff.native.calls import BUILTIN, FORWARD
from symdiff.native.code import SHARED

POINTER = ctypes.sizeof(ctypes.c_void_p)
ADDRESS = object.__basicsize__
"""Where an object keeps the address of its function, after CPython's own head."""

SLOT = ADDRESS + POINTER
"""Where it keeps what is called, the first of its slots."""

# The fields of a type in words, and the numbers of slots, members and flags, as CPython's headers have them.
BASIC_SIZE, OFFSET, FLAGS = 4, 7, 21
TP_CALL, TP_MEMBERS, T_PYSSIZET, READONLY = 50, 72, 19, 1
BASE_TYPE, HAVE_VECTORCALL = 1 << 10, 1 << 11


class _Member(ctypes.Structure):
    """CPython's PyMemberDef."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("type", ctypes.c_int),
        ("offset", ctypes.c_ssize_t),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Slot(ctypes.Structure):
    """CPython's PyType_Slot."""

    _fields_ = [("slot", ctypes.c_int), ("value", ctypes.c_void_p)]


class _Spec(ctypes.Structure):
    """CPython's PyType_Spec."""

    _fields_ = [
        ("name", ctypes.c_char_p),
        ("basic_size", ctypes.c_int),
        ("item_size", ctypes.c_int),
        ("flags", ctypes.c_uint),
        ("slots", ctypes.POINTER(_Slot)),
    ]


class Plain:
    """What takes the place of the base where there can be none."""

    __slots__ = ()


def supported() -> bool:
    """Whether this is a CPython with one lock for all threads, on a 64-bit machine."""
    return has_one_lock() and POINTER == 8 and ADDRESS == 2 * POINTER


def _make_base() -> type[Any]:
    """A class whose objects have room for an address, made by CPython's stable interface."""
    if not supported():
        return Plain
    try:
        call = ctypes.cast(ctypes.pythonapi.PyVectorcall_Call, ctypes.c_void_p)
        make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p)(("PyType_FromSpec", ctypes.pythonapi))
        members = (_Member * 2)(_Member(b"__vectorcalloffset__", T_PYSSIZET, ADDRESS, READONLY, None), _Member())
        place = ctypes.cast(members, ctypes.c_void_p)
        slots = (_Slot * 3)(_Slot(TP_MEMBERS, place), _Slot(TP_CALL, call), _Slot(0, None))
        spec = _Spec(b"symdiff.functions.direct.Direct", SLOT, 0, BASE_TYPE | HAVE_VECTORCALL, slots)
        made = make(ctypes.addressof(spec))
    except (AttributeError, TypeError, SystemError):
        return Plain
    _kept.extend((members, slots, spec))  # some versions of CPython point to them
    return cast(type[Any], made)


_kept: list[object] = []

if TYPE_CHECKING:

    class Direct:
        """The base of what is called directly."""

        __slots__ = ()

else:
    Direct = _make_base()

_enabled: set[type] = set()


class Sealed:
    """An object whose slot `__call__` only `put` writes: one called through itself, or an empty one, ends a process."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "__call__":
            raise _sealed(self)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name == "__call__":
            raise _sealed(self)
        object.__delattr__(self, name)


def _sealed(thing: object) -> AttributeError:
    kind = _owner(type(thing)).__name__
    return AttributeError(f"the __call__ of a {kind} cannot be changed; write a function that calls it")


def _owner(cls: type[Any]) -> type[Any]:
    """The class that the slot `__call__` of a class comes from."""
    return next(base for base in cls.__mro__ if isinstance(base.__dict__.get("__call__"), MemberDescriptorType))


def enable(cls: type[Any]) -> None:
    """Let CPython look for an address in objects of this class, which has a slot `__call__` and the base `Direct`."""
    if issubclass(Direct, Plain):
        return
    words = (ctypes.c_size_t * (FLAGS + 1)).from_address(id(cls))
    if (words[BASIC_SIZE], words[OFFSET], words[FLAGS]) != (cls.__basicsize__, ADDRESS, cls.__flags__):
        return
    probe, mark = object.__new__(cls), object()
    slot = _owner(cls).__dict__["__call__"]
    slot.__set__(probe, mark)
    found = [_word(probe, place) for place in (ADDRESS, SLOT)]
    slot.__delete__(probe)
    if found == [0, id(mark)] and _word(probe, SLOT) == 0:
        words[FLAGS] |= HAVE_VECTORCALL
        _enabled.add(cls)


def is_enabled(cls: type[Any]) -> bool:
    """Whether CPython looks for an address in objects of a class."""
    return cls in _enabled


def _word(thing: object, place: int) -> int:
    return ctypes.c_size_t.from_address(id(thing) + place).value


def put(thing: object, slot: Any, target: Any) -> None:
    """Write what is called into the slot `__call__`; a builtin is from then on called directly."""
    slot.__set__(thing, target)
    if type(target) is BuiltinFunctionType and type(thing) in _enabled:
        code = SHARED.get(BUILTIN)
        if code is not None:
            ctypes.c_size_t.from_address(id(thing) + ADDRESS).value = code[FORWARD]
