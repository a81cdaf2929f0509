"""What stands for a ufunc where a kernel has more operands than NumPy's ufuncs can have."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.codegen.layout import Layout
from symdiff.errors import CallError, ShapeError
from symdiff.types import show

_Loop = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_void_p] * 4)


class Many:
    """A kernel's loop, called with arrays as a ufunc is: batches on leading axes, `out=`.

    It converts its operands to C order and has no `where=`. `owned` is kept as long as it lives.
    """

    def __init__(self, layout: Layout, loop: int, data: int, name: str, owned: Sequence[object]) -> None:
        self.layout, self._loop, self._data, self.__name__ = layout, _Loop(loop), data or None, name
        self._owned = tuple(owned)
        self.nin, self.nout = len(layout.inputs), len(layout.outputs)
        self._core = layout.contiguous_strides()[len(layout.operands) :]

    def __call__(self, *args: Any, out: Any = None, **options: Any) -> Any:
        """The results.

        Raises
        ------
        CallError
            For `where=`, or where there is no memory for the workspace.
        ShapeError
            Where the batch axes do not broadcast.
        """
        if options:
            raise CallError(f"{self.__name__} has too many inputs and outputs for {', '.join(options)}=")
        layout = self.layout
        arrays = [np.asarray(a, o.dtype) for a, o in zip(args, layout.inputs, strict=True)]
        leads = [a.shape[: a.ndim - len(o.shape)] for a, o in zip(arrays, layout.inputs, strict=True)]
        try:
            batch = np.broadcast_shapes(*leads)
        except ValueError as error:
            raise ShapeError(f"{self.__name__}: {error}") from None
        steps, used = [], []
        for array, lead, operand in zip(arrays, leads, layout.inputs, strict=True):
            alone = all(n == 1 for n in lead)  # the same for all points: not repeated
            whole = array.reshape(operand.shape) if alone else np.broadcast_to(array, batch + operand.shape)
            used.append(np.ascontiguousarray(whole))
            steps.append(0 if alone else operand.size * array.itemsize)
        given = out if isinstance(out, tuple) else (out,) * self.nout
        results = []
        for operand, target in zip(layout.outputs, given, strict=True):
            shape = batch + operand.shape
            if target is not None and target.shape != shape:
                raise ShapeError(f"{self.__name__}: out= has shape {show(target.shape)}, not {show(shape)}")
            results.append(np.empty(shape, operand.dtype))
            steps.append(operand.size * results[-1].itemsize)
        if (points := int(np.prod(batch))) and self._run([*used, *results], steps, points):
            raise CallError(f"{self.__name__}: there is no memory for the workspace of this call")
        for k, target in enumerate(given):
            if target is None:
                results[k] = results[k][()]
            else:
                np.copyto(target, results[k], casting="same_kind")
                results[k] = target
        return results[0] if self.nout == 1 else tuple(results)

    def _run(self, arrays: list[Any], steps: list[int], points: int) -> int:
        pointers = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])
        sizes = ctypes.c_int64(points)
        strides = (ctypes.c_int64 * (len(steps) + len(self._core)))(*steps, *self._core)
        address = ctypes.addressof
        return int(self._loop(address(pointers), address(sizes), address(strides), self._data))
