"""What a call means: Python's rules for arguments, the values that a kernel takes, the shape of the results."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError, ShapeError, nearest
from symdiff.function.specialize import is_open
from symdiff.signature import Argument
from symdiff.types import FLOAT64, fixed, show

Structure = int | tuple["Structure", ...]
"""How flat outputs are handed back: an index, or a tuple of structures."""

SCALARS = (float, int, np.floating, np.integer, np.bool_)


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
        # a size known by name only: another Binder, made when it has a number, looks at the shape
        self.shapes = [() if is_open(a) else fixed(a.shape) for a in arguments]
        self._cores = any(self.shapes)
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
        if len(args) == count and not keywords and self.ordered:
            return list(args)
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
            if type(value) is not np.ndarray and isinstance(value, SCALARS) and not self.shapes[k]:
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

    def as_array(self, k: int, value: Any) -> Any:
        """The value for argument k as an array, of whatever it holds.

        Raises
        ------
        CallError
            Where the rows of a list differ in length.
        """
        try:
            return value if isinstance(value, np.ndarray) else np.asarray(value)
        except (ValueError, TypeError) as error:
            raise CallError(f"{self.name}: {self.arguments[k]} is not an array of numbers: {error}") from None

    def _array(self, k: int, value: Any) -> Any:
        argument, shape = self.arguments[k], self.shapes[k]
        if type(value) is np.ndarray and value.dtype.char == "d" and value.shape == shape and self.dtype == FLOAT64:
            return value
        array = self.as_array(k, value)
        if self._cores and isinstance(array, np.matrix | np.ma.MaskedArray):
            array = self._plain(k, array)
        if array.dtype.kind not in "fiub":
            if array.dtype.kind == "O" and all(isinstance(v, SCALARS) for v in array.ravel()):
                array = np.array([self._weak(v) for v in array.ravel()], self.dtype).reshape(array.shape)
            else:
                what = "complex numbers" if array.dtype.kind == "c" else f"values of type {array.dtype}"
                raise CallError(f"{self.name}: {argument} got {what}; inputs are real numbers")
        if shape and array.shape[-len(shape) :] != shape:
            raise ShapeError(
                f"{self.name}: {argument} has shape {show(shape)}, the value given has shape {show(array.shape)}",
                hint="axes to the left of the declared ones are batch axes",
            )
        if array.dtype.itemsize > np.dtype(self.dtype).itemsize or self.dtype != FLOAT64:
            with np.errstate() if array.ndim > len(shape) else np.errstate(all="ignore"):
                array = array.astype(self.dtype, copy=False)
        return array

    def _plain(self, k: int, array: Any) -> Any:
        """A matrix or a masked array as an ordinary array: results of other shapes cannot be of their class."""
        if np.ma.is_masked(array):
            raise CallError(
                f"{self.name}: {self.arguments[k]} got masked values",
                hint="give numbers for them, such as x.filled(0.0)",
            )
        return np.asarray(array)


def arrange(structure: Structure, flat: Sequence[Any]) -> Any:
    """Flat results in the shape of the outputs."""
    if isinstance(structure, int):
        return flat[structure]
    return tuple(arrange(s, flat) for s in structure)
