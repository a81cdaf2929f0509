"""Functions of a shared library as functions of Python: the one part of emitted modules that is the same in all.

It imports NumPy alone, and its text stands in each of them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

_Pointers = ctypes.POINTER(ctypes.c_void_p)
_Integers = ctypes.POINTER(ctypes.c_int64)


class LoadedFunction:
    """A function of a shared library, called with numbers and arrays; axes to the left of an input's own are a batch.

    A number comes back as a float, an array as an array; several results as a tuple.

    Attributes
    ----------
    inputs, outputs : the names of the arrays that it takes and gives, as the library tells them.
    input_shapes, output_shapes : their shapes at one point.
    """

    def __init__(self, library: ctypes.CDLL, name: str, dtype: str = "float64", doc: str = "") -> None:
        self.__name__, self.__doc__ = name, doc
        self._library, self._dtype = library, np.dtype(dtype)
        self.inputs, self.input_shapes = self._described("in")
        self.outputs, self.output_shapes = self._described("out")
        self._call, self._batch = library[name], library[f"{name}_batch"]
        for function in (self._call, self._batch):
            function.restype = ctypes.c_int
        self._call.argtypes = [_Pointers, _Pointers, ctypes.c_void_p]
        self._batch.argtypes = [ctypes.c_int64, _Pointers, _Integers, _Pointers, _Integers, ctypes.c_void_p]
        self._is_sparse = hasattr(library, f"{name}_sparsity")
        self._work, self._batch_work = (
            int(self._told(f"{kind}work_bytes", ctypes.c_size_t)) for kind in ("", "batch_")
        )

    def _told(self, what: str, result: Any, *arguments: int) -> Any:
        function = self._library[f"{self.__name__}_{what}"]
        function.restype, function.argtypes = result, [ctypes.c_int64] * len(arguments)
        return function(*arguments)

    def _described(self, side: str) -> tuple[tuple[str, ...], tuple[tuple[int, ...], ...]]:
        names, shapes = [], []
        for k in range(self._told(f"n_{side}", ctypes.c_int64)):
            names.append(self._told(f"{side}_name", ctypes.c_char_p, k).decode())
            rank = self._told(f"{side}_rank", ctypes.c_int64, k)
            shapes.append(tuple(self._told(f"{side}_shape", _Integers, k)[:rank]))
        return tuple(names), tuple(shapes)

    def __repr__(self) -> str:
        return f"<LoadedFunction {self.__name__}({', '.join(self.inputs)}) -> {', '.join(self.outputs)}>"

    @property
    def sparsity(self) -> tuple[tuple[int, int], Any, Any]:
        """Of a sparse matrix: its shape, the starts of its columns and the rows of its entries."""
        if not self._is_sparse:
            raise AttributeError(f"{self.__name__} gives no sparse matrix")
        told = self._told("sparsity", _Integers)
        height, width = told[:2]
        starts = np.array(told[2 : width + 3], np.int64)
        return (height, width), starts, np.array(told[width + 3 : width + 3 + starts[-1]], np.int64)

    def matrix(self, *args: Any) -> Any:
        """The sparse matrix at a point, as a `scipy.sparse.csc_array`."""
        from scipy.sparse import csc_array

        shape, starts, rows = self.sparsity
        entries = self(*args)
        if entries.ndim != 1:
            raise ValueError(f"{self.__name__}.matrix is of one point, and this is a batch of {entries.shape[:-1]}")
        return csc_array((entries, rows, starts), shape=shape)

    def __call__(self, *args: Any) -> Any:
        """The value at a point, or at all points of a batch."""
        if len(args) != len(self.inputs):
            listed = f"{len(self.inputs)} inputs ({', '.join(self.inputs)})"
            raise TypeError(f"{self.__name__} takes {listed}, not {len(args)}")
        given = [self._numbers(*each) for each in zip(self.inputs, args, strict=True)]
        if tuple([value.shape for value in given]) == self.input_shapes:
            return self._results(self._point(given), ())
        leads = [self._lead(*each) for each in zip(self.inputs, given, self.input_shapes, strict=True)]
        try:
            batch = np.broadcast_shapes(*leads)
        except ValueError:
            listed = ", ".join([f"{lead} of {name}" for name, lead in zip(self.inputs, leads, strict=True) if lead])
            raise ValueError(f"{self.__name__}: there is no batch of {listed}") from None
        count = int(np.prod(batch))
        strides, arrays = [], []
        for value, lead, shape in zip(given, leads, self.input_shapes, strict=True):
            varies = any(n != 1 for n in lead)
            whole = np.broadcast_to(value, batch + shape) if varies else value
            arrays.append(np.ascontiguousarray(whole))
            strides.append(int(np.prod(shape)) if varies else 0)
        return self._results(self._points(count, arrays, strides, batch), batch)

    def _numbers(self, name: str, value: Any) -> Any:
        found = np.asarray(value)
        if found.dtype == self._dtype:
            return found
        if found.dtype.kind not in "biuf" and not all(isinstance(x, Real) for x in found.flat):
            kind = type(value).__name__ if found.dtype.kind == "O" else found.dtype.name
            raise TypeError(f"{self.__name__}: {name} takes real numbers, not {kind}")
        return found.astype(self._dtype, copy=False)

    def _lead(self, name: str, value: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
        first = value.ndim - len(shape)
        if first < 0 or value.shape[first:] != shape:
            raise ValueError(f"{self.__name__}: {name} has the shape {shape}, not {value.shape}")
        return tuple(value.shape[:first])

    def _point(self, given: Sequence[Any]) -> list[Any]:
        arrays = [np.ascontiguousarray(value) for value in given]
        made = [np.empty(shape, self._dtype) for shape in self.output_shapes]
        work = np.empty(self._work // 8 + 1)
        self._check(self._call(_pointers(arrays), _pointers(made), work.ctypes.data))
        return made

    def _points(self, count: int, arrays: list[Any], strides: list[int], batch: tuple[int, ...]) -> list[Any]:
        made = [np.empty(batch + shape, self._dtype) for shape in self.output_shapes]
        steps = [int(np.prod(shape)) for shape in self.output_shapes]
        work = np.empty(self._batch_work // 8 + 1)
        given = _pointers(arrays), _integers(strides), _pointers(made), _integers(steps)
        self._check(self._batch(count, *given, work.ctypes.data))
        return made

    def _check(self, code: int) -> None:
        if code == 2:
            raise IndexError(f"{self.__name__}: an index is out of range")
        if code:
            raise RuntimeError(f"{self.__name__} failed with the code {code}")

    def _results(self, made: list[Any], batch: tuple[int, ...]) -> Any:
        found = tuple([float(y) if not batch and not y.shape else y for y in made])
        return found[0] if len(found) == 1 else found


def _pointers(arrays: Sequence[Any]) -> Any:
    return (ctypes.c_void_p * max(1, len(arrays)))(*(array.ctypes.data for array in arrays))


def _integers(values: Sequence[int]) -> Any:
    return (ctypes.c_int64 * max(1, len(values)))(*values)
