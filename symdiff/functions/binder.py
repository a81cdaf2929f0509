"""What a call means: Python's rules for arguments, the values that a kernel takes, the shape of the results."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError, ShapeError, nearest
from symdiff.functions.foreign import NUMBERS, answers_itself, culprit, describe_foreign, entry_of, has_labels
from symdiff.signature import Argument, parameters_of
from symdiff.types import FLOAT64, Shape, fixed, show

SHOWN_ARGUMENTS = 20
"""Up to how many arguments are repeated in a hint."""

SCALARS = (float, int, np.floating, np.integer, np.bool_)


def python_name(name: str) -> str:
    """The keyword for an input: a name that Python reserves takes an underscore."""
    return name + "_" if keyword.iskeyword(name) else name


def signature(arguments: Sequence[Argument]) -> inspect.Signature:
    """The arguments as Python shows them; packs that nobody named are positional only."""
    listed = parameters_of(arguments)
    last = max((k for k, p in enumerate(listed) if p.arguments[0].anonymous), default=-1)
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return inspect.Signature([inspect.Parameter(python_name(p.name), kinds[k > last]) for k, p in enumerate(listed)])


def written_signature(arguments: Sequence[Argument]) -> str:
    """The text of `signature`, made in a tenth of its time."""
    if any(a.place for a in arguments):
        return str(signature(arguments))
    names = [python_name(a.name) for a in arguments]
    last = max([k for k, a in enumerate(arguments) if a.anonymous], default=-1)
    if last >= 0:
        names.insert(last + 1, "/")
    return f"({', '.join(names)})"


class AnswersItself(Exception):
    """Among the values is one that NumPy asks what a ufunc of it is."""


class Binder:
    """Puts positions and keywords in order and turns values into what the kernel takes.

    `by_all` tells that this is a derivative by all arguments because nobody named any; `elementwise` that the kernel is
    a ufunc of numbers, which every kind of array takes part in by NumPy's protocol. `labels` are the names that the
    last axes of a derivative go through.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[Argument],
        ordered: bool,
        dtype: str,
        by_all: bool = False,
        labels: tuple[tuple[str, ...], ...] = (),
    ) -> None:
        self.labels = labels
        self.name, self.arguments, self.ordered, self.dtype = name, tuple(arguments), ordered, dtype
        self.by_all, self.elementwise = by_all, False
        # a size known by name only: another Binder, made when it has a number, looks at the shape
        self.shapes = [() if not a.shape or a.is_open else fixed(a.shape) for a in self.arguments]
        self._cores = any(self.shapes)
        named = [(k, a.name) for k, a in enumerate(self.arguments) if not a.anonymous]
        self.keywords = {python_name(name): k for k, name in named}
        self.keywords.update([(name, k) for k, name in named])

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
            raise CallError(f"{self.name} takes {self._listed()}, {len(args)} were given", hint=self._as_vectors(args))
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
            hint = "" if keywords else self._as_values_by_name(args) or self._as_one_vector(args)
            raise CallError(
                f"{self.name} takes {self._listed()}; missing: {', '.join(absent)}", hint=hint or self._derived_by()
            )
        return values

    def _as_vectors(self, args: tuple[Any, ...]) -> str:
        """What to pass where the entries of packed vectors were given one by one."""
        sizes = [
            len(a.members) if a.members is not None else a.shape[0] if len(a.shape) == 1 else None
            for a in self.arguments
        ]
        counts = [n if isinstance(n, int) else 1 for n in sizes]
        if not any(isinstance(n, int) for n in sizes) or sum(counts) != len(args) or len(args) > SHOWN_ARGUMENTS:
            return ""
        rest, parts = list(map(_brief, args)), []
        for size, count in zip(sizes, counts, strict=True):
            given, rest = rest[:count], rest[count:]
            parts.append(given[0] if size is None else f"[{', '.join(given)}]")
        told = f"pass {', '.join(parts)}: a vector is one argument"
        if any(a.shape and a.members is None for a in self.arguments):
            return told
        return f"{told}; or write {self.name}({', '.join(n for a in self.arguments for n in a.inputs)}) = …"

    def _as_values_by_name(self, args: tuple[Any, ...]) -> str:
        """What to pass where values by name were given in a dict."""
        if len(args) != 1 or not isinstance(args[0], dict) or not args[0].keys() <= self.keywords.keys():
            return ""
        return f"write {self.name}(**values): values by name are keywords"

    def _as_one_vector(self, args: tuple[Any, ...]) -> str:
        """The header to write where one vector was given for several numbers, as SciPy's solvers do."""
        if not args or isinstance(args[0], SCALARS) or any(a.shape or a.members is not None for a in self.arguments):
            return ""
        shape = np.shape(args[0]) if isinstance(args[0], np.ndarray | list | tuple) else ()
        names = [a.name for a in self.arguments]
        count = len(names) - len(args) + 1
        if not shape or len(names) > SHOWN_ARGUMENTS:
            return ""
        packed = f"[{', '.join(names[:count])}]"
        quoted = [f'"{n}"' for n in names]
        listed = ", ".join([f"[{', '.join(quoted[:count])}]", *quoted[count:]])
        header = f"{self.name}({', '.join([packed, *names[count:]])}) = …"
        spread = f"; for numbers write {self.name}(*v)" if len(args) == 1 else ""
        return (
            f"got one of shape {show(shape)}; for one vector write {header}, or list the inputs as [{listed}]{spread}"
        )

    def _derived_by(self) -> str:
        """Which names a derivative is by where nobody said so."""
        if not self.by_all or len(self.arguments) > SHOWN_ARGUMENTS:
            return ""
        names = [f"[{', '.join(a.members)}]" if a.members is not None else a.name for a in self.arguments]
        members = self.arguments[0].members
        one = "[" + ", ".join(f'"{m}"' for m in members) + "]" if members else f'"{self.arguments[0].name}"'
        return (
            f"it is the derivative by {', '.join(names)}, as none was named; the derivative by the first alone is "
            f"that of (f, {one})"
        )

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
            kind, scalar = type(value), not self.shapes[k]
            known = kind in NUMBERS or not answers_itself(kind)
            if scalar and known and kind is not np.ndarray and isinstance(value, SCALARS):
                converted.append(self._weak(value))
                continue
            point = False
            converted.append(self._array(k, value))
        return converted, point

    def convert_one(self, k: int, value: Any) -> Any:
        """The value for argument k as a number or an array."""
        return self._weak(value) if isinstance(value, SCALARS) and not self.shapes[k] else self._array(k, value)

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
            Where the rows of a list differ in length, or hold what is not to be taken by position.
        """
        entry = entry_of(value)
        if entry is not None:
            raise self.refusal(k, entry, "a list with ")
        try:
            return value if isinstance(value, np.ndarray) else np.asarray(value)
        except (ValueError, TypeError) as error:
            raise CallError(f"{self.name}: {self.arguments[k].written} is not an array of numbers: {error}") from None

    def _array(self, k: int, value: Any) -> Any:
        argument, shape = self.arguments[k], self.shapes[k]
        if type(value) is np.ndarray and value.dtype.char == "d" and value.shape == shape and self.dtype == FLOAT64:
            return value
        kind = type(value)
        if kind is not np.ndarray and answers_itself(kind):
            if self.elementwise or (not self._cores and has_labels(kind)):
                raise AnswersItself
            raise self.refusal(k, value)
        array = self.as_array(k, value)
        if not self.elementwise and isinstance(array, np.matrix | np.ma.MaskedArray):
            array = self._plain(k, array)
        if array.dtype.kind not in "fiub":
            if array.dtype.kind == "O" and all(isinstance(v, SCALARS) for v in array.ravel()):
                array = np.array([self._weak(v) for v in array.ravel()], self.dtype).reshape(array.shape)
            else:
                if array.dtype.kind == "O":
                    raise self.refusal(k, culprit(array.ravel().tolist()))
                if array.dtype.kind == "U":
                    raise self.refusal(k, str(array.ravel()[0]) if array.size else "")
                what = "complex numbers" if array.dtype.kind == "c" else f"values of type {array.dtype}"
                raise CallError(f"{self.name}: {argument.written} got {what}; inputs are real numbers")
        if shape and array.shape[-len(shape) :] != shape:
            raise ShapeError(
                f"{self.name}: {argument.written} has shape {show(shape)}, the value given has shape "
                f"{show(array.shape)}",
                hint=_columns(shape, array.shape)
                or self._derived_by()
                or "axes to the left of the declared ones are batch axes",
            )
        if array.dtype.itemsize > np.dtype(self.dtype).itemsize or self.dtype != FLOAT64:
            with np.errstate() if array.ndim > len(shape) else np.errstate(all="ignore"):
                array = array.astype(self.dtype, copy=False)
        return array

    def refusal(self, k: int, value: Any, before: str = "") -> CallError:
        """The error for a value that is no number, or is not to be taken by position."""
        what, hint = describe_foreign(value)
        return CallError(
            f"{self.name}: {self.arguments[k].written} got {before}{what}; inputs are real numbers", hint=hint
        )

    def shape_of(self, k: int, value: Any) -> Shape:
        """The shape of a value that answers itself."""
        if isinstance(value, np.ndarray) or hasattr(value, "shape"):
            return tuple([int(n) for n in value.shape])
        raise self.refusal(k, value)

    def _plain(self, k: int, array: Any) -> Any:
        """A matrix or a masked array as an ordinary array: results of other shapes cannot be of their class."""
        if np.ma.is_masked(array):
            raise CallError(
                f"{self.name}: {self.arguments[k].written} got masked values",
                hint="give numbers for them, such as x.filled(0.0)",
            )
        return np.asarray(array)


def _brief(value: Any) -> str:
    """A value as it is written, or what stands for it."""
    return "…" if not isinstance(value, SCALARS) else repr(value) if type(value) in (float, int) else f"{value:g}"


def _columns(shape: tuple[int, ...], given: tuple[int, ...]) -> str:
    """What to pass where points lie in columns, as SciPy passes them in places."""
    if not shape or len(given) <= len(shape) or given[: len(shape)] != shape:
        return ""
    if len(given) > 2 or len(shape) > 1:
        return "the points of a batch are along the first axes: pass np.moveaxis(y, -1, 0)"
    return (
        "columns? The points of a batch are rows: pass y.T and turn the result back, lambda x, y: f(x, y.T).T; "
        "to SciPy's solve_ivp do not say vectorized"
    )


class Parts(tuple[Any, ...]):
    """Derivatives by all arguments, since nobody named any: a tuple that says so where it is taken for one array."""

    __slots__ = ()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        try:
            return np.array(tuple(self), dtype)
        except ValueError:
            shapes = ", ".join(show(np.shape(part)) for part in self)
            raise CallError(
                f"these are {len(self)} arrays of the shapes {shapes}: derivatives by every argument",
                hint='name what to differentiate by: sd.jacobian(f, "x") or sd.jacobian(f, ["b1", "b2"])',
            ) from None
