"""The machine code of a program of tensors: what it keeps, and the errors of its calls."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.codegen.image import Code
from symdiff.codegen.layout import FAILED, Layout
from symdiff.errors import CallError, IndexRangeError

CHECKED = "checked"
"""The loop that raises floating-point exceptions by what the results are, for np.errstate."""

CONSTANTS, REPORT, RELEASE = "constants", "report", "release"
"""Global data that is set after loading, the addresses of constant arrays and of a function (code, index, size) that is
told why a call fails; and the function that frees what the kernel keeps."""

_failures = threading.local()
_Report = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
_Release = ctypes.CFUNCTYPE(None)


def _note(code: int, index: int, size: int) -> None:
    """Called by native code, in the thread of the call that fails."""
    if getattr(_failures, "first", None) is None:
        _failures.first = code, index, size


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


class Guarded:
    """A ufunc whose calls raise where the code failed."""

    def __init__(self, ufunc: np.ufunc, layout: Layout) -> None:
        self._ufunc, self._layout = ufunc, layout
        self.__name__ = ufunc.__name__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ufunc, name)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The ufunc's result.

        Raises
        ------
        CallError
            Where an index is out of range, or there is no memory for the workspace.
        """
        _failures.first = None
        result = self._ufunc(*args, **keywords)
        if _failures.first is not None:
            self._raise(args)
        return result

    def _raise(self, args: Sequence[Any]) -> None:
        code, index, size = _failures.first
        if code == FAILED:
            raise CallError("there is no memory for the workspace of this call")
        inputs = [np.asarray(a) for a in args]
        ranks = [a.ndim - len(o.shape) for a, o in zip(inputs, self._layout.inputs, strict=True)]
        batch = np.broadcast_shapes(*(a.shape[:r] for a, r in zip(inputs, ranks, strict=True)))
        point: tuple[int, ...] = ()
        if batch:
            whole = [np.broadcast_to(a, batch + a.shape[r:]) for a, r in zip(inputs, ranks, strict=True)]
            point, index, size = self._first(whole, batch)
        raise IndexRangeError(index, size, point=point)

    def _first(self, inputs: Sequence[Any], batch: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
        """The first point that fails, found by halves along each axis."""
        point: list[int] = []
        _, index, size = _failures.first
        for axis in range(len(batch)):
            low, high = 0, batch[axis]
            while high - low > 1:
                middle = (low + high) // 2
                _failures.first = None
                self._ufunc(*(a[(*point, slice(low, middle))] for a in inputs))
                if _failures.first is None:
                    low = middle
                else:
                    high = middle
            point.append(low)
        _failures.first = None
        self._ufunc(*(a[tuple(point)] for a in inputs))
        if _failures.first is not None:
            _, index, size = _failures.first
        return tuple(point), index, size
