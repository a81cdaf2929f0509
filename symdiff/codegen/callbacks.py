"""Python functions that native code calls: their errors wait until it returns, and are raised then."""

from __future__ import annotations

import ctypes
import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.numeric import called_with
from symdiff.types import Dim, Shape


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
