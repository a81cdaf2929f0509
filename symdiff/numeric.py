"""The numeric routines: machine addresses for native code, and NumPy functions that call the same addresses."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import math
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CompileError, ShapeError
from symdiff.native.calls import capsule_name, pointer_in, ufunc_slot
from symdiff.native.kept import mathematics
from symdiff.ops import OPS
from symdiff.ops.base import Instruction, Intrinsic, Library, Outside, Routine, Special
from symdiff.types import Dim, Shape, show

# Slots of NumPy's public ufunc C API.
FROM_FUNC_AND_DATA, LOOP_D_D, LOOP_DD_D = 1, 5, 15
_kept: list[object] = []


@functools.cache
def library() -> Any:
    """The platform's C mathematics library."""
    if sys.platform == "win32":
        return ctypes.CDLL("ucrtbase")
    if sys.platform == "darwin":
        return ctypes.CDLL(None)
    with contextlib.suppress(OSError):
        return mathematics()
    name = ctypes.util.find_library("m")  # which runs other programs
    with contextlib.suppress(OSError):
        return ctypes.CDLL(name)
    return ctypes.CDLL(None)


@functools.cache
def address(routine: Routine) -> int:
    """The machine address of a routine on doubles from a library or from outside; SciPy is loaded only for its own.

    Raises
    ------
    CompileError
        Where the platform has no such function.
    """
    if isinstance(routine, Library):
        try:
            found = ctypes.cast(getattr(library(), routine.symbol), ctypes.c_void_p).value
        except AttributeError:
            found = None
        if found:
            return found
        raise CompileError(f"the C mathematics library of this platform has no function {routine.symbol}")
    if isinstance(routine, Special):
        try:
            from scipy.special import cython_special
        except ImportError as error:
            raise CompileError(f"{routine.symbol} is SciPy's, which cannot be imported: {error}") from error
        capsules: Mapping[str, object] = dict(cython_special.__pyx_capi__)
        # a function of several types has a capsule for each; the name of a capsule is the C signature
        signature = f"double ({'double, ' * _operands(routine)}int __pyx_skip_dispatch)"
        for name in (routine.symbol, *(f"__pyx_fuse_{k}{routine.symbol}" for k in range(4))):
            if name in capsules and _label(capsules[name]) == signature:
                return pointer_in(capsules[name])
        raise CompileError(f"scipy.special.cython_special has no function {routine.symbol} of doubles")
    if isinstance(routine, Outside):
        return routine.address
    raise CompileError(f"{routine} has no address: it is an instruction or an expression")


def _label(capsule: object) -> str:
    return (capsule_name(capsule) or b"").decode()


def ufunc(function: int, operands: int, name: str) -> Callable[..., Any]:
    """A NumPy ufunc of the C function of doubles at an address; NumPy has loops for one operand and for two."""
    loop, create = ufunc_slot(LOOP_D_D if operands == 1 else LOOP_DD_D), ufunc_slot(FROM_FUNC_AND_DATA)
    if loop is None or create is None or operands > 2:
        return _vectorized(function, operands)
    loops = (ctypes.c_void_p * 1)(loop)
    data = (ctypes.c_void_p * 1)(function)
    types = ctypes.create_string_buffer(bytes([np.dtype(np.float64).num] * (operands + 1)))
    label = ctypes.create_string_buffer(name.encode())
    _kept.append((loops, data, types, label))  # NumPy keeps pointers to them
    make = ctypes.PYFUNCTYPE(
        ctypes.py_object,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_int,
    )(create)
    where = [ctypes.cast(part, ctypes.c_void_p) for part in (loops, data, types, label)]
    made: Callable[..., Any] = make(where[0], where[1], where[2], 1, operands, 1, -1, where[3], b"", 0)
    return made


def _vectorized(function: int, operands: int, kind: Any = ctypes.c_double) -> Callable[..., Any]:
    """The C function at an address, called for one element after the other."""
    call = ctypes.CFUNCTYPE(kind, *[kind] * operands)(function)
    return _of_python(call, operands, np.float64 if kind is ctypes.c_double else np.float32)


def _of_python(call: Callable[..., Any], operands: int, dtype: Any = np.float64) -> Callable[..., Any]:
    """A Python function of numbers, called for one element after the other."""
    loop = np.frompyfunc(call, operands, 1)

    def apply(*args: Any) -> Any:
        return np.asarray(loop(*(np.asarray(a, np.float64) for a in args)), dtype)[()]

    return apply


def called_with(function: Callable[..., Any], name: str, operands: Sequence[Any], shape: tuple[int, ...]) -> Any:
    """What a Python function gives for copies of arrays and for numbers.

    Raises
    ------
    ShapeError
        Where it has another shape than `shape`.
    """
    found = np.asarray(function(*(a.copy() if a.ndim else float(a) for a in operands)), np.float64)
    if found.shape != shape:
        raise ShapeError(f"{name} gave an array of shape {show(found.shape)}, its header says {show(shape)}")
    return found


def call_outside(routine: Outside, name: str, operands: Sequence[Any], shape: tuple[int, ...], sizes: list[int]) -> Any:
    """What a function of arrays gives, as native code would call it."""
    if routine.function is not None:
        return called_with(routine.function, name, operands, shape)[()]
    pointers, integers = [ctypes.c_void_p] * (len(operands) + 1), [ctypes.c_int64] * len(sizes)
    function = ctypes.CFUNCTYPE(None, *pointers, *integers)(routine.address)
    result = np.empty(shape)
    function(*(a.ctypes.data for a in (*operands, result)), *sizes)
    return result[()]


def select(condition: Any, x: Any, y: Any) -> Any:
    """`x` where the condition holds, otherwise `y`; a scalar for scalars."""
    return np.where(condition, x, y)[()]


@functools.cache
def _fused(single: bool) -> Callable[..., Any]:
    kind = ctypes.c_float if single else ctypes.c_double
    return _vectorized(address(Library("fmaf" if single else "fma")), 3, kind)


def fused_multiply_add(x: Any, y: Any, z: Any) -> Any:
    """`x*y + z` rounded once, in the type of the operands."""
    return _fused(all(np.asarray(v).dtype == np.float32 for v in (x, y, z)))(x, y, z)


@functools.cache
def as_ufunc(routine: Routine) -> Callable[..., Any]:
    """The routine as a function of NumPy values that gives the bits of native code: it calls the very same address.

    Raises
    ------
    CompileError
        Where the routine is an expression, or the platform has no such function.
    """
    if isinstance(routine, Instruction | Intrinsic):
        own: dict[str, Callable[..., Any]] = {"where": select, "fma": fused_multiply_add}
        return own[routine.numpy] if routine.numpy in own else getattr(np, routine.numpy)
    if isinstance(routine, Outside):
        if routine.function is not None:
            return _of_python(routine.function, routine.operands)
        return ufunc(routine.address, routine.operands, routine.symbol)
    if isinstance(routine, Library | Special):
        return ufunc(address(routine), _operands(routine), routine.symbol)
    raise CompileError(f"{routine} is an expression, not a routine")


def _operands(routine: Library | Special) -> int:
    """How many operands the records' operation with this routine has, 1 where there is none."""
    return next((len(op.kinds or "") for op in OPS.values() if op.routine == routine), 1)


class _Frames(threading.local):
    """For each call of native code that this thread is in: what a Python function raised in it."""

    def __init__(self) -> None:
        self.raised: list[BaseException | None] = []


_frames = _Frames()


def _raise(error: BaseException) -> None:
    raise error


_report = ctypes.CFUNCTYPE(None, ctypes.py_object)(_raise)
"""Calls Python's hook for errors that cannot be raised."""


def guarded(call: Callable[..., Any], failed: Any) -> Callable[..., Any]:
    """A function that gives `failed` where `call` raises, and from then on, until native code returns.

    Where C code called it, to whom nothing can be raised, Python reports what was (`sys.unraisablehook`).
    """

    def answer(*values: Any) -> Any:
        raised = _frames.raised
        if raised and raised[-1] is not None:
            return failed
        try:
            return call(*values)
        except BaseException as error:  # an interrupt, too
            if raised:
                raised[-1] = error
            else:
                _report(error)
            return failed

    return answer


def of_numbers(function: Callable[..., Any], operands: int) -> tuple[int, object]:
    """The address of C's `double f(double, …)` that calls a Python function, and what has to live as long."""
    kind = ctypes.CFUNCTYPE(ctypes.c_double, *[ctypes.c_double] * operands)
    made = kind(guarded(lambda *values: float(function(*values)), math.nan))
    return ctypes.cast(made, ctypes.c_void_p).value or 0, made


def of_arrays(
    function: Callable[..., Any], name: str, shapes: Sequence[Shape], result: Shape, sizes: Sequence[str]
) -> tuple[int, object]:
    """The address of C's `void f(const double *, …, double *, int64_t, …)` that calls a Python function of arrays."""
    count = len(shapes)

    def answer(*given: Any) -> None:
        known = dict(zip(sizes, given[count + 1 :], strict=True))
        own = [tuple(known[n.name] if isinstance(n, Dim) else n for n in shape) for shape in (*shapes, result)]
        *operands, target = [_array_at(place, shape) for place, shape in zip(given[: count + 1], own, strict=True)]
        target[...] = called_with(function, name, operands, own[-1])

    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (count + 1), *[ctypes.c_int64] * len(sizes))
    made = kind(guarded(answer, None))
    return ctypes.cast(made, ctypes.c_void_p).value or 0, made


def _array_at(place: int | None, shape: tuple[int, ...]) -> Any:
    size = math.prod(shape)
    if not place or not size:
        return np.empty(shape)
    return np.ctypeslib.as_array((ctypes.c_double * size).from_address(place)).reshape(shape)


class Watched:
    """A ufunc whose calls raise what Python functions raised in them."""

    def __init__(self, ufunc: Any) -> None:
        self._ufunc = ufunc
        self.__name__ = ufunc.__name__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ufunc, name)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The ufunc's result."""
        raised = _frames.raised
        raised.append(None)
        try:
            result = self._ufunc(*args, **keywords)
        finally:
            error = raised.pop()
            if error is not None:
                raise error
        return result
