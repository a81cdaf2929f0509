"""What a stored node carries, read from what a file says: nothing is taken for granted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from symdiff.errors import StorageError, escape
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core
from symdiff.ops.base import Expand
from symdiff.types import LARGEST_RANK, Dim, Shape, tensor

LARGEST_ARRAY = 2**31
"""More elements than this no node of a file may have."""

LARGEST_ORDER, LARGEST_NAME = 64, 1000
LARGEST_LABELS = 256


def refuse(what: str) -> StorageError:
    """The error for content that is not what symdiff writes."""
    return StorageError(f"the content is not a function of symdiff: {what}", hint="save it again where it was made")


def shown(value: Any) -> str:
    """What a file holds, for a message."""
    return escape(repr(value)[:80])


def integer(value: Any, low: int, high: int, what: str) -> int:
    """`value` where it is an integer from `low` to `high`.

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not int or not low <= value <= high:
        raise refuse(f"{what} is {shown(value)}")
    return value


def items(value: Any, what: str, length: int | None = None) -> list[Any]:
    """`value` where it is a list (of `length` items).

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not list or (length is not None and len(value) != length):
        raise refuse(f"{what} is not a list{'' if length is None else f' of {length}'}")
    return value


def word(value: Any, what: str) -> str:
    """`value` where it is an identifier.

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not str or len(value) > LARGEST_NAME or not value.isidentifier():
        raise refuse(f"{what} is called {shown(value)}")
    return value


def printable(value: Any, what: str) -> str:
    """`value` where it is a text that can be shown: it reaches terminals.

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not str:
        raise refuse(f"{what} without names")
    if not value.isprintable():
        raise refuse(f"{what} called {shown(value)}")
    return value


def read_shape(value: Any) -> Shape:
    """A shape of at most 64 axes and 2**31 elements.

    Raises
    ------
    StorageError
        Where it is not.
    """
    parts = items(value, "a shape")
    if len(parts) > LARGEST_RANK:
        raise refuse(f"a shape of {len(parts)} axes")
    shape = tuple(Dim(word(n, "a size")) if type(n) is str else integer(n, 0, LARGEST_ARRAY, "a size") for n in parts)
    if math.prod(n for n in shape if isinstance(n, int)) > LARGEST_ARRAY:
        raise refuse("an array is too large")
    return shape


def _index(value: Any) -> tuple[Any, ...]:
    return tuple(
        _slice(part) if type(part) is list else integer(part, 0, LARGEST_ARRAY, "an index")
        for part in items(value, "an index")
    )


def _slice(value: Any) -> tuple[int, int | None, int]:
    start, stop, step = items(value, "a slice", 3)
    bounds = (-LARGEST_ARRAY, LARGEST_ARRAY)
    if integer(step, *bounds, "a step") == 0:
        raise refuse("a step of 0")
    end = None if stop is None else integer(stop, *bounds, "the end of a slice")
    return integer(start, *bounds, "the start of a slice"), end, step


def _axes(value: Any) -> tuple[int, ...]:
    axes = tuple(integer(k, 0, LARGEST_RANK, "an axis") for k in items(value, "axes"))
    if len(set(axes)) != len(axes):
        raise refuse("an axis is given twice")
    return axes


def _scatter(value: Any) -> tuple[Any, Shape]:
    index, shape = items(value, "a scattering", 2)
    return _index(index), read_shape(shape)


def _axis(value: Any) -> int:
    return integer(value, 0, LARGEST_RANK, "an axis")


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise refuse(f"a choice is {shown(value)}")
    return value


def _labels(value: Any) -> tuple[int, ...]:
    return tuple(integer(k, 0, LARGEST_LABELS, "a label") for k in items(value, "labels"))


def _contraction(value: Any) -> tuple[Any, ...]:
    labels, output = items(value, "a contraction", 2)
    return tuple(_labels(own) for own in items(labels, "the labels of operands")), _labels(output)


def _scan(value: Any) -> tuple[int, bool]:
    axis, reverse = items(value, "a scan", 2)
    return _axis(axis), _flag(reverse)


def _triangle(value: Any) -> tuple[bool, bool]:
    lower, transposed = items(value, "a triangle", 2)
    return _flag(lower), _flag(transposed)


def _ratio(value: Any) -> float:
    if type(value) is not float or not 0 <= value <= 1:
        raise refuse(f"a ratio is {shown(value)}")
    return value


def _added(value: Any) -> tuple[int, int]:
    axis, size = items(value, "an axis and its size", 2)
    return _axis(axis), integer(size, 0, LARGEST_ARRAY, "a size")


def _places(value: Any) -> tuple[Shape, int]:
    shape, axis = items(value, "a shape and an axis", 2)
    return read_shape(shape), _axis(axis)


def _two_axes(value: Any) -> tuple[int, ...]:
    return tuple(_axis(k) for k in items(value, "two axes", 2))


PAYLOADS: Mapping[str, Callable[[Any], Any]] = {
    "name": lambda value: word(value, "a line"),
    "index": _index,
    "index and shape": _scatter,
    "axis": _axis,
    "axes": _axes,
    "two axes": _two_axes,
    "shape": read_shape,
    "labels": _contraction,
    "axis and direction": _scan,
    "axis and size": _added,
    "shape and axis": _places,
    "triangle": _triangle,
    "rcond": _ratio,
}
"""How each kind of payload is read, by what the records call it; any other payload is an integer."""


def read_payload(op: Op, value: Any, definitions: Mapping[str, Any]) -> Any:
    """What a node of `op` carries; `definitions` are the functions of users, by what the file calls them.

    Raises
    ------
    StorageError
        Where it is not what such a node carries.
    """
    if op is core.CUSTOM:
        title = printable(value, "a definition")
        if title not in definitions:
            raise refuse(f"{title} is not defined")
        return definitions[title]
    read = PAYLOADS.get(op.payload or "")
    if read is not None:
        return read(value)
    order = integer(value, -LARGEST_ORDER, LARGEST_ORDER, op.name)
    if isinstance(op.routine, Expand):
        op.routine.of(order)  # refuses what has no expression
    return order


def check_operands(graph: Graph, op: Op, args: tuple[int, ...], payload: Any) -> None:
    """What type rules take for granted.

    Raises
    ------
    StorageError
        Where it does not hold.
    """
    if op.kinds is None and not args:
        raise refuse(f"{op.name} of no operands")
    if op is core.SCATTER and len(args) == 1:
        target = tensor(graph.types[args[0]].dtype, payload[1])
        if core.INDEX.type_rule(core.INDEX, [target], payload[0]) != graph.types[args[0]]:
            raise refuse("a scattering to another shape")
