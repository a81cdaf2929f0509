"""Functions that arrange elements: reshape, transpose, repeat, shift and cut, with NumPy's names and arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symdiff.errors import ParseError, ShapeError, quote
from symdiff.frontend.arguments import (
    Array,
    Axis,
    Integer,
    Integers,
    Nested,
    Node,
    Sizes,
    Text,
    axes_of,
    axis_of,
    language,
)
from symdiff.frontend.attributes import transposed
from symdiff.frontend.constants import number
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.types import show


def along(graph: Graph, x: int, axis: int, part: Any) -> int:
    """`x` with an index or a slice along one axis."""
    return movement.element(graph, x, (*(slice(None),) * axis, part))


@language()
def _reshape(graph: Graph, x: Array, shape: Sizes, *sizes: Integer, order: Text = "C") -> int:
    """The elements in another shape, taken in C order or with order="F" by columns; a size may be -1, what is left."""
    own, wanted = graph.shape(x), [*shape, *sizes]
    known = math.prod(n for n in wanted if n != -1)
    if wanted.count(-1) == 1 and known and math.prod(own) % known == 0:
        wanted[wanted.index(-1)] = math.prod(own) // known
    if min(wanted, default=0) < 0 or math.prod(wanted) != math.prod(own):
        raise ShapeError(
            f"reshape: {math.prod(own)} elements of shape {show(own)} do not fit the shape {show((*shape, *sizes))}",
            hint="write one size as -1: reshape(x, (2, -1))",
        )
    if _by_columns(order):
        return transposed(graph, movement.reshape(graph, transposed(graph, x), tuple(wanted[::-1])))
    return movement.reshape(graph, x, tuple(wanted))


def _by_columns(order: str) -> bool:
    if order not in ("C", "F", "A", "K"):
        raise ParseError(f"order {quote(order)} is not known", hint='write order="C" or order="F"')
    return order == "F"


@language("ravel", "flatten")
def ravel(graph: Graph, x: Array, order: Text = "C") -> int:
    """The elements as a vector, in C order or with order="F" by columns."""
    x = transposed(graph, x) if _by_columns(order) else x
    return movement.reshape(graph, x, (math.prod(graph.shape(x)),))


@language()
def _squeeze(graph: Graph, x: Array, axis: Axis = None) -> int:
    """The array without its axes of size 1, or without those given."""
    shape = graph.shape(x)
    axes = [k for k, n in enumerate(shape) if n == 1] if axis is None else axes_of(axis, len(shape), "squeeze")
    for k in axes:
        if shape[k] != 1:
            raise ShapeError(f"squeeze: axis {k} of the shape {show(shape)} has size {shape[k]}, not 1")
    return movement.reshape(graph, x, tuple(n for k, n in enumerate(shape) if k not in axes))


@language()
def _expand_dims(graph: Graph, x: Array, axis: Axis) -> int:
    """The array with new axes of size 1."""
    shape, given = list(graph.shape(x)), axis if isinstance(axis, tuple) else (axis,)
    for k in axes_of(given, len(shape) + len(given), "expand_dims"):
        shape.insert(k, 1)
    return movement.reshape(graph, x, tuple(shape))


def _at_least(count: int, name: str) -> None:
    def build(graph: Graph, x: Array) -> int:
        shape = graph.shape(x)
        if count == 3 and len(shape) == 2:
            return movement.reshape(graph, x, (*shape, 1))
        if count == 3 and len(shape) == 1:
            return movement.reshape(graph, x, (1, *shape, 1))
        return movement.reshape(graph, x, (1,) * (count - len(shape)) + shape)

    build.__doc__ = f"The array with at least {count} {'axis' if count == 1 else 'axes'}."
    language(name)(build)


for _count in (1, 2, 3):
    _at_least(_count, f"atleast_{_count}d")


@language("transpose", "permute_dims")
def _transpose(graph: Graph, x: Array, axes: Nested = None, *sizes: Integer) -> int:
    """The axes in reverse order, or in the order given."""
    count = len(graph.shape(x))
    if axes is None:
        return transposed(graph, x)
    given = (*(axes if isinstance(axes, tuple) else (axes,)), *sizes)
    order = [axis_of(k, count, "transpose") for k in given]
    if sorted(order) != list(range(count)):
        raise ShapeError(
            f"transpose: {given} is no order of {count} axes",
            hint=f"write the numbers from 0 to {count - 1}, each once" if count else "",
        )
    return movement.transpose(graph, x, tuple(order))


@language()
def _matrix_transpose(graph: Graph, x: Array) -> int:
    """The last two axes swapped."""
    return _swapaxes(graph, x, -1, -2)


@language()
def _swapaxes(graph: Graph, x: Array, axis1: Integer, axis2: Integer) -> int:
    """Two axes swapped."""
    order = list(range(len(graph.shape(x))))
    first, second = (axis_of(k, len(order), "swapaxes") for k in (axis1, axis2))
    order[first], order[second] = second, first
    return movement.transpose(graph, x, tuple(order))


@language()
def _moveaxis(graph: Graph, x: Array, source: Axis, destination: Axis) -> int:
    """Some axes moved to other places, the others in their order."""
    count = len(graph.shape(x))
    pair = [axis if isinstance(axis, tuple) else (axis,) for axis in (source, destination)]
    sources, places = ([axis_of(k, count, "moveaxis") for k in axes] for axes in pair)
    if len(sources) != len(places) or len(set(sources)) < len(sources) or len(set(places)) < len(places):
        raise ShapeError("moveaxis: as many different places as axes are needed", hint="write moveaxis(x, 0, -1)")
    order = [k for k in range(count) if k not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return movement.transpose(graph, x, tuple(order))


@language()
def _broadcast_to(graph: Graph, x: Array, shape: Sizes) -> int:
    """The array repeated to a shape by NumPy's rule."""
    return movement.broadcast(graph, x, shape)


# Repeating, shifting, cutting


@language()
def _flip(graph: Graph, x: Array, axis: Axis = None) -> int:
    """The elements in reverse order along some axes or all."""
    count = len(graph.shape(x))
    axes = axes_of(axis, count, "flip")
    return (
        movement.element(graph, x, tuple(slice(None, None, -1 if k in axes else 1) for k in range(count)))
        if count
        else x
    )


@language()
def _fliplr(graph: Graph, x: Array) -> int:
    """The columns in reverse order."""
    return _flip(graph, x, 1)


@language()
def _flipud(graph: Graph, x: Array) -> int:
    """The rows in reverse order."""
    return _flip(graph, x, 0)


@language()
def _rot90(graph: Graph, x: Array, k: Integer = 1, axes: Nested = (0, 1)) -> int:
    """A matrix turned by 90 degrees, k times."""
    if not isinstance(axes, tuple) or len(axes) != 2:
        raise ParseError("axes of rot90 must be two integers", hint="write axes=(0, 1)")
    first, second = (axis_of(a, len(graph.shape(x)), "rot90") for a in axes)
    if k % 4 == 2:
        return _flip(graph, x, (first, second))
    if k % 4 == 1:
        return _swapaxes(graph, _flip(graph, x, second), first, second)
    return _flip(graph, _swapaxes(graph, x, first, second), second) if k % 4 else x


@language()
def _roll(graph: Graph, x: Array, shift: Axis, axis: Axis = None) -> int:
    """The elements moved along an axis; those that leave at the end come back at the start."""
    shape = graph.shape(x)
    if axis is None:
        return movement.reshape(graph, _roll(graph, ravel(graph, x), shift, 0), shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    if len(shifts) != len(axes) or not all(isinstance(by, int) for by in shifts):
        raise ParseError("shift of roll must be one integer, or one for each axis", hint="write roll(x, 1, axis=0)")
    for by, at in zip(shifts, (axis_of(a, len(shape), "roll") for a in axes), strict=True):
        cut = by % shape[at] if shape[at] else 0
        if cut:
            parts = along(graph, x, at, slice(shape[at] - cut, None)), along(graph, x, at, slice(0, shape[at] - cut))
            x = movement.concatenate(graph, list(parts), at)
    return x


@language()
def _tile(graph: Graph, x: Array, reps: Sizes) -> int:
    """The array repeated as a whole along its axes."""
    shape = graph.shape(x)
    count = max(len(shape), len(reps))
    shape, reps = (1,) * (count - len(shape)) + shape, (1,) * (count - len(reps)) + reps
    spread = [n for size in shape for n in (1, size)]
    repeated = [n for size, rep in zip(shape, reps, strict=True) for n in (rep, size)]
    node = movement.broadcast(graph, movement.reshape(graph, x, tuple(spread)), tuple(repeated))
    return movement.reshape(graph, node, tuple(size * rep for size, rep in zip(shape, reps, strict=True)))


@language()
def _repeat(graph: Graph, x: Array, repeats: Integers, axis: Axis = None) -> int:
    """Each element repeated, along an axis or in one vector."""
    if axis is None:
        x, axis = ravel(graph, x), 0
    shape = graph.shape(x)
    at = axis_of(axis, len(shape), "repeat")
    if len(repeats) == 1:
        times = repeats[0]
        node = movement.reshape(graph, x, (*shape[: at + 1], 1, *shape[at + 1 :]))
        node = movement.broadcast(graph, node, (*shape[: at + 1], times, *shape[at + 1 :]))
        return movement.reshape(graph, node, (*shape[:at], shape[at] * times, *shape[at + 1 :]))
    if len(repeats) != shape[at]:
        raise ShapeError(f"repeat: {len(repeats)} numbers of repetitions for an axis of size {shape[at]}")
    return indexing.gather(graph, x, graph.constant(np.repeat(np.arange(shape[at]), repeats).astype(np.int64)), at)


def diff(graph: Graph, x: int, n: int, axis: int) -> int:
    """The differences of neighbours along an axis, n times."""
    x = graph.as_number(x)
    shape = graph.shape(x)
    at = axis_of(axis, len(shape), "diff")
    for _ in range(min(n, shape[at])):
        x = graph.apply(core.SUB, (along(graph, x, at, slice(1, None)), along(graph, x, at, slice(0, -1))))
    return x


@language()
def _diff(
    graph: Graph, x: Array, n: Integer = 1, axis: Axis = -1, prepend: Node | None = None, append: Node | None = None
) -> int:
    """The differences of neighbours along an axis, n times; `prepend` and `append` are joined to it before."""
    if n < 0:
        raise ParseError("diff: n must not be negative", hint="write diff(x)")
    if n and (prepend is not None or append is not None):
        shape = graph.shape(x)
        at = axis_of(axis, len(shape), "diff")
        line = (*shape[:at], 1, *shape[at + 1 :])
        ends = [
            None if e is None else e if graph.shape(e) else movement.broadcast(graph, e, line)
            for e in (prepend, append)
        ]
        x = movement.concatenate(graph, [graph.as_number(e) for e in (ends[0], x, ends[1]) if e is not None], at)
    return diff(graph, x, n, axis)


@language()
def _pad(
    graph: Graph, x: Array, pad_width: Nested, mode: Text = "constant", constant_values: Node | None = None
) -> int:
    """The array with zeros around it: a number of them, or (before, after) for all axes or each; `mode` as NumPy's."""
    shape = graph.shape(x)
    try:
        widths = np.broadcast_to(np.array(pad_width, int), (len(shape), 2)).tolist()
    except (ValueError, TypeError):
        raise ParseError("pad_width of pad must be an integer, (before, after), or such a pair for each axis") from None
    if any(w < 0 for pair in widths for w in pair):
        raise ShapeError("pad: the widths must not be negative", hint="write x[1:-1] to cut elements off")
    if mode != "constant":
        return _pad_repeated(graph, graph.as_number(x), widths, mode)
    index = tuple((before, before + n, 1) for (before, _), n in zip(widths, shape, strict=True))
    sizes = tuple(before + n + after for (before, after), n in zip(widths, shape, strict=True))
    padded = movement.scatter(graph, graph.as_number(x), index, sizes)
    if constant_values is None:
        return padded
    inside = movement.scatter(graph, movement.broadcast(graph, number(graph, 1.0), shape), index, sizes)
    inside = graph.apply(core.EQUAL, (inside, number(graph, 1.0)))
    return graph.apply(core.WHERE, (inside, padded, graph.as_number(constant_values)))


PADDING = ("edge", "reflect", "symmetric", "wrap")


def _pad_repeated(graph: Graph, x: int, widths: Any, mode: str) -> int:
    """The array with some of its own elements around it."""
    if mode not in PADDING:
        raise ParseError(f"mode {quote(mode)} of pad is not available", hint='write "constant", "edge", "reflect", …')
    for at, ((before, after), size) in enumerate(zip(widths, graph.shape(x), strict=True)):
        if not size and before + after:
            raise ShapeError("pad: an axis of size 0 has no elements to repeat")
        if before + after:
            places = np.pad(np.arange(size), (before, after), mode=mode)  # type: ignore[call-overload]
            x = indexing.gather(graph, x, indexing.integer_array(graph, places), at)
    return x


def _triangle(graph: Graph, x: int, k: int, lower: bool) -> int:
    shape = graph.shape(x)
    if len(shape) < 2:
        raise ShapeError(f"{'tril' if lower else 'triu'} takes a matrix, not a value of shape {show(shape)}")
    row, column = indexing.iota(graph, shape[-2:], 0), indexing.iota(graph, shape[-2:], 1)
    limit = graph.apply(core.ADD, (row, number(graph, k))) if k else row
    inside = graph.apply("less_equal" if lower else "greater_equal", (column, limit))
    return graph.apply(core.WHERE, (inside, x, number(graph, 0.0)))


@language()
def _tril(graph: Graph, x: Array, k: Integer = 0) -> int:
    """The matrix with zeros above its k-th diagonal."""
    return _triangle(graph, graph.as_number(x), k, True)


@language()
def _triu(graph: Graph, x: Array, k: Integer = 0) -> int:
    """The matrix with zeros below its k-th diagonal."""
    return _triangle(graph, graph.as_number(x), k, False)
