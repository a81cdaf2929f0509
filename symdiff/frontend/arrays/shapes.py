"""Functions that arrange elements: reshape, transpose, repeat, shift and cut, with NumPy's names and arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symdiff.errors import ParseError, ShapeError
from symdiff.frontend.arrays.arguments import axes_of, axis_of, language
from symdiff.frontend.arrays.reductions import number, shape_of
from symdiff.ir.graph import Graph
from symdiff.types import show

Axis = Any
"""None, an integer or a tuple of integers."""


def along(graph: Graph, x: int, axis: int, part: Any) -> int:
    """`x` with an index or a slice along one axis."""
    return graph.element(x, (*(slice(None),) * axis, part))


@language()
def _reshape(graph: Graph, x: int, shape: tuple[int, ...], *sizes: int) -> int:
    """The elements in C order in another shape; one size may be -1, the one that is left."""
    own, wanted = shape_of(graph, x), [*shape, *sizes]
    known = math.prod(n for n in wanted if n != -1)
    if wanted.count(-1) == 1 and known and math.prod(own) % known == 0:
        wanted[wanted.index(-1)] = math.prod(own) // known
    if min(wanted, default=0) < 0 or math.prod(wanted) != math.prod(own):
        raise ShapeError(f"reshape: {math.prod(own)} elements of shape {show(own)} do not fit the shape "
                         f"{show((*shape, *sizes))}", hint="write one size as -1: reshape(x, (2, -1))")  # fmt: skip
    return graph.reshape(x, tuple(wanted))


@language("ravel", "flatten")
def ravel(graph: Graph, x: int) -> int:
    """The elements in C order as a vector."""
    return graph.reshape(x, (math.prod(shape_of(graph, x)),))


@language()
def _squeeze(graph: Graph, x: int, axis: Axis = None) -> int:
    """The array without its axes of size 1, or without those given."""
    shape = shape_of(graph, x)
    axes = [k for k, n in enumerate(shape) if n == 1] if axis is None else axes_of(axis, len(shape), "squeeze")
    for k in axes:
        if shape[k] != 1:
            raise ShapeError(f"squeeze: axis {k} of the shape {show(shape)} has size {shape[k]}, not 1")
    return graph.reshape(x, tuple(n for k, n in enumerate(shape) if k not in axes))


@language()
def _expand_dims(graph: Graph, x: int, axis: Axis) -> int:
    """The array with new axes of size 1."""
    shape, given = list(shape_of(graph, x)), axis if isinstance(axis, tuple) else (axis,)
    for k in axes_of(given, len(shape) + len(given), "expand_dims"):
        shape.insert(k, 1)
    return graph.reshape(x, tuple(shape))


def _at_least(count: int, name: str) -> None:
    def build(graph: Graph, x: int) -> int:
        shape = shape_of(graph, x)
        if count == 3 and len(shape) == 2:
            return graph.reshape(x, (*shape, 1))
        if count == 3 and len(shape) == 1:
            return graph.reshape(x, (1, *shape, 1))
        return graph.reshape(x, (1,) * (count - len(shape)) + shape)

    build.__doc__ = f"The array with at least {count} {'axis' if count == 1 else 'axes'}."
    language(name)(build)


for _count in (1, 2, 3):
    _at_least(_count, f"atleast_{_count}d")


def transposed(graph: Graph, x: int, last: bool = False) -> int:
    """The axes in reverse order; `last`: the last two swapped."""
    return graph.swap_last(x) if last else graph.transpose(x, tuple(range(len(shape_of(graph, x))))[::-1])


@language("transpose", "permute_dims")
def _transpose(graph: Graph, x: int, axes: Any = None, *sizes: int) -> int:
    """The axes in reverse order, or in the order given."""
    count = len(shape_of(graph, x))
    if axes is None:
        return transposed(graph, x)
    given = (*(axes if isinstance(axes, tuple) else (axes,)), *sizes)
    order = [axis_of(k, count, "transpose") for k in given]
    if sorted(order) != list(range(count)):
        raise ShapeError(f"transpose: {given} is no order of {count} axes")
    return graph.transpose(x, tuple(order))


@language()
def _matrix_transpose(graph: Graph, x: int) -> int:
    """The last two axes swapped."""
    return _swapaxes(graph, x, -1, -2)


@language()
def _swapaxes(graph: Graph, x: int, axis1: int, axis2: int) -> int:
    """Two axes swapped."""
    order = list(range(len(shape_of(graph, x))))
    first, second = (axis_of(k, len(order), "swapaxes") for k in (axis1, axis2))
    order[first], order[second] = second, first
    return graph.transpose(x, tuple(order))


@language()
def _moveaxis(graph: Graph, x: int, source: Axis, destination: Axis) -> int:
    """Some axes moved to other places, the others in their order."""
    count = len(shape_of(graph, x))
    pair = [axis if isinstance(axis, tuple) else (axis,) for axis in (source, destination)]
    sources, places = ([axis_of(k, count, "moveaxis") for k in axes] for axes in pair)
    if len(sources) != len(places) or len(set(sources)) < len(sources) or len(set(places)) < len(places):
        raise ShapeError("moveaxis: as many different places as axes are needed")
    order = [k for k in range(count) if k not in sources]
    for place, axis in sorted(zip(places, sources, strict=True)):
        order.insert(place, axis)
    return graph.transpose(x, tuple(order))


@language()
def _broadcast_to(graph: Graph, x: int, shape: tuple[int, ...]) -> int:
    """The array repeated to a shape by NumPy's rule."""
    return graph.broadcast(x, shape)


# Repeating, shifting, cutting


@language()
def _flip(graph: Graph, x: int, axis: Axis = None) -> int:
    """The elements in reverse order along some axes or all."""
    count = len(shape_of(graph, x))
    axes = axes_of(axis, count, "flip")
    return graph.element(x, tuple(slice(None, None, -1 if k in axes else 1) for k in range(count))) if count else x


@language()
def _fliplr(graph: Graph, x: int) -> int:
    """The columns in reverse order."""
    return _flip(graph, x, 1)


@language()
def _flipud(graph: Graph, x: int) -> int:
    """The rows in reverse order."""
    return _flip(graph, x, 0)


@language()
def _rot90(graph: Graph, x: int, k: int = 1, axes: Any = (0, 1)) -> int:
    """A matrix turned by 90 degrees, k times."""
    first, second = (axis_of(a, len(shape_of(graph, x)), "rot90") for a in axes)
    if k % 4 == 2:
        return _flip(graph, x, (first, second))
    if k % 4 == 1:
        return _swapaxes(graph, _flip(graph, x, second), first, second)
    return _flip(graph, _swapaxes(graph, x, first, second), second) if k % 4 else x


@language()
def _roll(graph: Graph, x: int, shift: Any, axis: Axis = None) -> int:
    """The elements moved along an axis; those that leave at the end come back at the start."""
    shape = shape_of(graph, x)
    if axis is None:
        return graph.reshape(_roll(graph, ravel(graph, x), shift, 0), shape)
    axes = axis if isinstance(axis, tuple) else (axis,)
    shifts = shift if isinstance(shift, tuple) else (shift,) * len(axes)
    for by, at in zip(shifts, (axis_of(a, len(shape), "roll") for a in axes), strict=True):
        cut = by % shape[at] if shape[at] else 0
        if cut:
            parts = along(graph, x, at, slice(shape[at] - cut, None)), along(graph, x, at, slice(0, shape[at] - cut))
            x = graph.concatenate(list(parts), at)
    return x


@language()
def _tile(graph: Graph, x: int, reps: tuple[int, ...]) -> int:
    """The array repeated as a whole along its axes."""
    shape = shape_of(graph, x)
    count = max(len(shape), len(reps))
    shape, reps = (1,) * (count - len(shape)) + shape, (1,) * (count - len(reps)) + reps
    spread = [n for size in shape for n in (1, size)]
    repeated = [n for size, rep in zip(shape, reps, strict=True) for n in (rep, size)]
    node = graph.broadcast(graph.reshape(x, tuple(spread)), tuple(repeated))
    return graph.reshape(node, tuple(size * rep for size, rep in zip(shape, reps, strict=True)))


@language()
def _repeat(graph: Graph, x: int, repeats: tuple[int, ...], axis: Axis = None) -> int:
    """Each element repeated, along an axis or in one vector."""
    if axis is None:
        x, axis = ravel(graph, x), 0
    shape = shape_of(graph, x)
    at = axis_of(axis, len(shape), "repeat")
    if len(repeats) == 1:
        times = repeats[0]
        node = graph.reshape(x, (*shape[: at + 1], 1, *shape[at + 1 :]))
        node = graph.broadcast(node, (*shape[: at + 1], times, *shape[at + 1 :]))
        return graph.reshape(node, (*shape[:at], shape[at] * times, *shape[at + 1 :]))
    if len(repeats) != shape[at]:
        raise ShapeError(f"repeat: {len(repeats)} numbers of repetitions for an axis of size {shape[at]}")
    return graph.gather(x, graph.constant(np.repeat(np.arange(shape[at]), repeats).astype(np.int64)), at)


def diff(graph: Graph, x: int, n: int, axis: int) -> int:
    """The differences of neighbours along an axis, n times."""
    x = graph.as_number(x)
    shape = shape_of(graph, x)
    at = axis_of(axis, len(shape), "diff")
    for _ in range(min(n, shape[at])):
        x = graph.apply("sub", (along(graph, x, at, slice(1, None)), along(graph, x, at, slice(0, -1))))
    return x


@language()
def _diff(graph: Graph, x: int, n: int = 1, axis: int = -1) -> int:
    """The differences of neighbours along an axis, n times."""
    if n < 0:
        raise ParseError("diff: n must not be negative", hint="write diff(x)")
    return diff(graph, x, n, axis)


@language()
def _pad(graph: Graph, x: int, pad_width: Any) -> int:
    """The array with zeros around it: a number of them, or (before, after) for all axes or for each."""
    shape = shape_of(graph, x)
    widths = np.broadcast_to(np.array(pad_width, int), (len(shape), 2)).tolist()
    if min(w for pair in widths for w in pair) < 0:
        raise ShapeError("pad: the widths must not be negative")
    index = tuple((before, before + n, 1) for (before, _), n in zip(widths, shape, strict=True))
    sizes = tuple(before + n + after for (before, after), n in zip(widths, shape, strict=True))
    return graph.scatter(graph.as_number(x), index, sizes)


def _triangle(graph: Graph, x: int, k: int, lower: bool) -> int:
    shape = shape_of(graph, x)
    if len(shape) < 2:
        raise ShapeError(f"{'tril' if lower else 'triu'} takes a matrix, not a value of shape {show(shape)}")
    row, column = graph.iota(shape[-2:], 0), graph.iota(shape[-2:], 1)
    limit = graph.apply("add", (row, number(graph, k))) if k else row
    inside = graph.apply("less_equal" if lower else "greater_equal", (column, limit))
    return graph.apply("where", (inside, x, number(graph, 0.0)))


@language()
def _tril(graph: Graph, x: int, k: int = 0) -> int:
    """The matrix with zeros above its k-th diagonal."""
    return _triangle(graph, graph.as_number(x), k, True)


@language()
def _triu(graph: Graph, x: int, k: int = 0) -> int:
    """The matrix with zeros below its k-th diagonal."""
    return _triangle(graph, graph.as_number(x), k, False)


