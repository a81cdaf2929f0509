"""What a definition calls: C functions by their addresses, and Python functions."""

from __future__ import annotations

import ctypes
import inspect
from collections.abc import Sequence
from typing import Any

from symdiff import numeric
from symdiff.errors import ArgumentError
from symdiff.functions.exchange import Exchange
from symdiff.ops.base import Outside
from symdiff.signature import Argument
from symdiff.types import Dim, Shape

_NEEDS_LOCK = 4
"""The flag of ctypes' functions that hold Python's lock."""


def outside(given: Any, name: str, parameters: Sequence[str]) -> Outside:
    """The routine that calls what a user gave, of numbers.

    Raises
    ------
    ArgumentError
        Where it is nothing that can be called so.
    """
    count = len(parameters)
    wanted = f"double {name}({', '.join(['double'] * count)})"
    found = _address(given, wanted, count)
    if found is not None:
        return Outside(f"C function {found}", count, found, None, given)
    if not callable(given):
        raise ArgumentError(
            f"call of {name} is {given!r}",
            hint="give a function of ctypes, of cffi or of Numba's cfunc, an address, or a Python function",
        )
    _check_count(given, name, count)
    address, owner = numeric.of_numbers(given, count)
    return Outside(f"Python function {id(given)}", count, address, given, owner)


def outside_of_arrays(given: Any, name: str, parameters: Sequence[Argument], result: Shape) -> Outside:
    """As `outside`, of whole arrays.

    Raises
    ------
    ArgumentError
        Where it is nothing that can be called so.
    """
    shapes = [p.shape for p in parameters]
    sizes = list(dict.fromkeys(n.name for shape in shapes for n in shape if isinstance(n, Dim)))
    unknown = [n.name for n in result if isinstance(n, Dim) and n.name not in sizes]
    if unknown:
        raise ArgumentError(f"{name}: no operand has the size {unknown[0]}", hint="its result has sizes of operands")
    pointers = [f"const double *{p.name}" for p in parameters]
    wanted = f"void {name}({', '.join([*pointers, 'double *result', *(f'int64_t {n}' for n in sizes)])})"
    count = len(shapes)
    found = _address(given, wanted, None)
    if found is not None:
        return Outside(f"C function {found}", count, found, None, given)
    if not callable(given):
        raise ArgumentError(f"call of {name} is {given!r}", hint=f"give a C function {wanted}, or a Python function")
    _check_count(given, name, count)
    address, owner = numeric.of_arrays(given, name, shapes, result, sizes)
    return Outside(f"Python function {id(given)}", count, address, given, owner)


def is_native(given: Any) -> bool:
    """Whether what a user gave is a C function, not one of Python."""
    kind = type(given).__module__ == "_cffi_backend" and not inspect.isbuiltin(given)
    return isinstance(given, int | ctypes._CFuncPtr) or kind or isinstance(getattr(given, "address", None), int)  # type: ignore[attr-defined]


def _address(given: Any, wanted: str, count: int | None) -> int | None:
    """The address of a C function; None for everything else."""
    if isinstance(given, bool | Exchange):  # those have an address of another kind
        return None
    if isinstance(given, int):
        return _checked(given, wanted)
    if isinstance(given, ctypes._CFuncPtr):  # type: ignore[attr-defined]
        return _of_ctypes(given, wanted, count)
    if type(given).__module__ == "_cffi_backend" and not inspect.isbuiltin(given):
        return _of_cffi(given, wanted, count)
    address = getattr(given, "address", None)  # Numba's cfunc
    if isinstance(address, int) and not isinstance(address, bool):
        types = getattr(getattr(given, "_sig", None), "args", None)
        if count is not None and types is not None and [str(t) for t in types] != ["float64"] * count:
            raise _other(wanted, f"({', '.join(map(str, types))})")
        return _checked(address, wanted)
    return None


def _checked(address: int, wanted: str) -> int:
    if not 0 < address < 2 ** (8 * ctypes.sizeof(ctypes.c_void_p)):
        raise ArgumentError(f"{address} is no address of a function {wanted}", hint="was the library loaded?")
    return address


def _other(wanted: str, found: str) -> ArgumentError:
    return ArgumentError(f"the function has the operands {found}", hint=f"it has to be {wanted}")


def _of_ctypes(given: Any, wanted: str, count: int | None) -> int:
    if given._flags_ & _NEEDS_LOCK:
        raise ArgumentError(
            "a function of ctypes that holds Python's lock is not called from native code",
            hint="take it from ctypes.CDLL, or give a Python function that calls it",
        )
    if count is None:  # of arrays: pointers have many types
        return _checked(ctypes.cast(given, ctypes.c_void_p).value or 0, wanted)
    types = getattr(given, "argtypes", None) or getattr(type(given), "_argtypes_", None)
    if types is not None and list(types) != [ctypes.c_double] * count:
        raise _other(wanted, f"({', '.join(t.__name__ for t in types)})")
    if types is not None and given.restype is not ctypes.c_double:
        raise ArgumentError("the function does not give a double", hint=f"it has to be {wanted}: set restype")
    return _checked(ctypes.cast(given, ctypes.c_void_p).value or 0, wanted)


def _of_cffi(given: Any, wanted: str, count: int | None) -> int:
    from cffi import FFI  # type: ignore[import-untyped, unused-ignore]

    ffi = FFI()
    kind = ffi.typeof(given)
    if kind.kind != "function" or (count is not None and [t.cname for t in kind.args] != ["double"] * count):
        raise _other(wanted, kind.cname)
    return _checked(int(ffi.cast("uintptr_t", given)), wanted)


def _check_count(given: Any, name: str, count: int) -> None:
    """Refuse a Python function that cannot be called with so many operands, where it says what it takes."""
    try:
        signature = inspect.signature(given)
    except (ValueError, TypeError):
        return
    try:
        signature.bind(*range(count))
    except TypeError as error:
        operands = f"{count} operand{'' if count == 1 else 's'}"
        raise ArgumentError(f"{name} is called with {operands}: {error}", hint=f"it takes {signature}") from None
