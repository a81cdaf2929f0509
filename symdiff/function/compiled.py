"""CompiledFunction: native code behind Python's calling rules and NumPy's broadcasting."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError, ShapeError, nearest
from symdiff.signature import Argument
from symdiff.types import FLOAT64, TensorType, fixed, show

Structure = int | tuple["Structure", ...]
"""How flat outputs are handed back: an index, or a tuple of structures."""

_SCALARS = (float, int, np.floating, np.integer, np.bool_)
_OPTIONS = ("out", "where")


def python_name(name: str) -> str:
    """The keyword for an input: a name that Python reserves takes an underscore."""
    return name + "_" if keyword.iskeyword(name) else name


def signature(arguments: Sequence[Argument]) -> inspect.Signature:
    """The arguments as Python shows them; packs that nobody named are positional only."""
    last = max((k for k, a in enumerate(arguments) if a.anonymous), default=-1)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature(
        [inspect.Parameter(python_name(a.name), kinds[k > last]) for k, a in enumerate(arguments)]
    )


class Binder:
    """Puts positions and keywords in order and turns values into what the kernel takes."""

    def __init__(self, name: str, arguments: Sequence[Argument], ordered: bool, dtype: str) -> None:
        self.name, self.arguments, self.ordered, self.dtype = name, tuple(arguments), ordered, dtype
        self.shapes = [fixed(a.shape) for a in arguments]
        self.keywords = {python_name(a.name): k for k, a in enumerate(arguments) if not a.anonymous}
        self.keywords.update({a.name: k for k, a in enumerate(arguments) if not a.anonymous})

    def order(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the arguments.

        Raises
        ------
        CallError
            For too many or too few values, an unknown keyword, or positions where the names have no order.
        """
        count = len(self.arguments)
        if args and not self.ordered:
            names = ", ".join(f'"{a.name}"' for a in self.arguments)
            raise CallError(
                f"{self.name}: several names are free and nothing orders them",
                hint=f"call it with keywords, or list the inputs: sd.function(…, [{names}])",
            )
        if len(args) > count:
            raise CallError(f"{self.name} takes {self._listed()}, {len(args)} were given")
        missing = object()
        values = [*args, *[missing] * (count - len(args))]
        for key, value in keywords.items():
            k = self.keywords.get(key)
            if k is None:
                raise CallError(f"{self.name} has no input {key}", hint=nearest(key, self.keywords) or self._listed())
            if values[k] is not missing:
                raise CallError(f"{self.name} got two values for {key}")
            values[k] = value
        absent = [str(a) for a, v in zip(self.arguments, values, strict=True) if v is missing]
        if absent:
            raise CallError(f"{self.name} takes {self._listed()}; missing: {', '.join(absent)}")
        return values

    def _listed(self) -> str:
        listed = ", ".join(map(str, self.arguments))
        return f"{len(self.arguments)} argument{'s' * (len(self.arguments) != 1)} ({listed})"

    def convert(self, values: list[Any]) -> tuple[list[Any], bool]:
        """The values as numbers and arrays of the right shapes, and whether all are scalars.

        Raises
        ------
        CallError
            For complex numbers, objects, texts.
        ShapeError
            Where the last axes of an array are not those of the argument.
        """
        point = True
        converted = []
        for k, value in enumerate(values):
            if isinstance(value, _SCALARS) and not self.shapes[k]:
                converted.append(self._weak(value))
                continue
            point = False
            converted.append(self._array(k, value))
        return converted, point

    def _weak(self, value: Any) -> Any:
        """A scalar of the function's own type; integers of any size are taken as floats."""
        try:
            return np.float32(value) if self.dtype != FLOAT64 else float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")

    def _array(self, k: int, value: Any) -> Any:
        argument, shape = self.arguments[k], self.shapes[k]
        try:
            array = value if isinstance(value, np.ndarray) else np.asarray(value)
        except (ValueError, TypeError) as error:
            raise CallError(f"{self.name}: {argument} is not an array of numbers: {error}") from None
        if array.dtype.kind not in "fiub":
            if array.dtype.kind == "O" and all(isinstance(v, _SCALARS) for v in array.ravel()):
                array = array.astype(float)
            else:
                what = "complex numbers" if array.dtype.kind == "c" else f"values of type {array.dtype}"
                raise CallError(f"{self.name}: {argument} got {what}; inputs are real numbers")
        if shape and array.shape[-len(shape) :] != shape:
            raise ShapeError(
                f"{self.name}: {argument} has shape {show(shape)}, the value given has shape {show(array.shape)}",
                hint="axes to the left of the declared ones are batch axes",
            )
        if array.dtype.itemsize > np.dtype(self.dtype).itemsize or self.dtype != FLOAT64:
            array = array.astype(self.dtype, copy=False)
        return array


def arrange(structure: Structure, flat: Sequence[Any]) -> Any:
    """Flat results in the shape of the outputs."""
    if isinstance(structure, int):
        return flat[structure]
    return tuple(arrange(s, flat) for s in structure)


class CompiledFunction:
    """Native code for a function, called as the function is.

    Attributes
    ----------
    kernel : the code; it lives as long as this object.
    """

    def __init__(
        self, name: str, binder: Binder, kernel: Any, types: Sequence[TensorType], structure: Structure
    ) -> None:
        self.__name__ = name
        self.kernel = kernel
        self._binder = binder
        self._types = tuple(types)
        self._structure = structure
        self._point = kernel.ufunc
        self._batch = kernel.batch_ufunc
        self._count = len(binder.arguments)
        self._one_number = len(types) == 1 and not types[0].shape and not types[0].is_condition and structure == 0
        self._plain = binder.ordered and not kernel.packed and not any(binder.shapes) and binder.dtype == FLOAT64
        self._hollow = any(0 in t.shape for t in types)
        self._scalar_outputs = not any(t.shape for t in types)

    def __repr__(self) -> str:
        return f"<CompiledFunction {self.__name__}({', '.join(map(str, self._binder.arguments))})>"

    @property
    def __signature__(self) -> inspect.Signature:
        return signature(self._binder.arguments)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value at a point, or at every point of arrays that broadcast together."""
        if not keywords and self._plain and len(args) == self._count:
            for value in args:
                if type(value) is not float:
                    break
            else:
                result = self._point(*args)
                return float(result) if self._one_number else self._results(result, True)
        options = {k: keywords.pop(k) for k in _OPTIONS if k in keywords and k not in self._binder.keywords}
        values, point = self._binder.convert(self._binder.order(args, keywords))
        if options:
            return self._results(self._into(values, options), False)
        call = self._point if point else self._batch
        if self.kernel.packed or self._hollow:
            return self._results(self._unpacked(call(*self._packed(values))), point)
        return self._results(call(*values), point)

    def _into(self, values: list[Any], options: dict[str, Any]) -> Any:
        """A call with NumPy's `out` and `where`."""
        if "where" in options and not self._scalar_outputs:
            raise CallError("where= works only where every output is a scalar", hint="select from the result instead")
        options = {k: v for k, v in options.items() if v is not None}
        out = options.get("out")
        given: tuple[Any, ...] = out if isinstance(out, tuple) else (out,)
        if out is not None:
            if len(given) != len(self._types):
                raise CallError(f"out= takes {len(self._types)} arrays, {len(given)} were given")
            if any(o is not None and not isinstance(o, np.ndarray) for o in given):
                raise CallError("out= takes arrays")
            options["out"] = given if len(given) > 1 else given[0]
        if not self.kernel.packed and not self._hollow:
            if not self.kernel.layout.scalar:  # NumPy does not look for overlaps of whole arrays there
                values = [self._apart(v, given) for v in values]
            return self._batch(*values, **options)
        if "where" in options:
            raise CallError("where= is not possible with so many inputs and outputs")
        results = self._unpacked(self._batch(*self._packed(values)))
        for target, result in zip(given, results, strict=False):
            if target is not None:
                np.copyto(target, result)
        return tuple(r if t is None else t for r, t in zip(results, given, strict=True)) if out is not None else results

    @staticmethod
    def _apart(value: Any, outputs: tuple[Any, ...]) -> Any:
        """The value, copied where an output lies in its memory."""
        if isinstance(value, np.ndarray) and any(o is not None and np.may_share_memory(value, o) for o in outputs):
            return value.copy()
        return value

    def _packed(self, values: list[Any]) -> list[Any]:
        """The operands of a kernel with more scalars than a ufunc can take: they share an array's last axis."""
        operands = []
        for operand in self.kernel.layout.inputs:
            members = [values[k] for k in operand.members]
            if self._binder.shapes[operand.members[0]] == operand.shape:
                operands.append(members[0])
            elif all(isinstance(v, float) for v in members):
                operands.append(np.array(members))
            else:
                try:
                    stacked = np.stack(np.broadcast_arrays(*members), axis=-1)
                except ValueError as error:
                    raise ShapeError(f"{self.__name__}: {error}") from None
                operands.append(stacked.astype(self._binder.dtype, copy=False))
        return operands

    def _unpacked(self, result: Any) -> tuple[Any, ...]:
        """The outputs of a packed kernel, one by one."""
        results: list[Any] = [None] * len(self._types)
        parts = result if isinstance(result, tuple) else (result,)
        for operand, part in zip(self.kernel.layout.outputs, parts, strict=True):
            shape = self._types[operand.members[0]].shape
            if shape == operand.shape:
                # the kernel writes an empty axis as one of size 1 where no input has it
                results[operand.members[0]] = part[(..., *map(slice, fixed(shape)))] if 0 in shape else part
            else:
                for k, member in enumerate(operand.members):
                    results[member] = part[..., k]
        return tuple(results)

    def _results(self, result: Any, point: bool) -> Any:
        if point:
            flat = result if isinstance(result, tuple) else (result,)
            numbers = [self._number(r, t) for r, t in zip(flat, self._types, strict=True)]
            return arrange(self._structure, numbers)
        if self._structure == 0:
            return result[0] if isinstance(result, tuple) else result
        return arrange(self._structure, result if isinstance(result, tuple) else (result,))

    @staticmethod
    def _number(value: Any, type_: TensorType) -> Any:
        if type_.shape:
            return value
        return bool(value) if type_.is_condition else float(value)
