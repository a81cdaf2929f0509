"""Subscripts by NumPy's rules: integers, slices, `...`, None for a new axis, lists or arrays of integers, masks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.errors import NeedsShape, ParseError, Place, ShapeError, Source, SymdiffError, out_of_range, quote
from symdiff.frontend.constants import (
    as_integer,
    constant_array,
    constant_integer,
    does_not_fit,
    needs_array,
    number,
    open_size,
    undeclared,
)
from symdiff.frontend.syntax import Pieces
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.types import BOOL, Shape, broadcast_shapes, fixed, show

SUGGESTED_SIZE = 3


@dataclass(frozen=True, slots=True)
class ChosenPart:
    """A part of a subscript that chooses elements by numbers: a node, with its values where they are constant."""

    node: int
    values: Any = None


@dataclass(frozen=True, slots=True)
class Mask:
    """A part of a subscript that chooses elements by constant conditions: where they hold, along as many axes."""

    values: Any

    def chosen(self, graph: Graph, sizes: tuple[int, ...]) -> list[ChosenPart]:
        """The places where it holds, as integers for each axis.

        Raises
        ------
        ShapeError
            Where it has not the sizes of the axes.
        """
        if self.values.shape != sizes:
            raise ShapeError(
                f"a mask of shape {show(self.values.shape)} chooses among axes of the sizes {show(sizes)}",
                hint="a condition is needed for each element",
            )
        return [ChosenPart(graph.constant(places.astype(np.int64)), places) for places in np.nonzero(self.values)]


def index_of(graph: Graph, pieces: Sequence[Pieces], values: Sequence[Any], source: Source) -> tuple[Any, ...]:
    """The parts of a subscript of which `values` are those that were written.

    Raises
    ------
    ParseError
        For an index that is no constant integer.
    """
    parts: list[Any] = []
    waiting = iter(values)
    for piece in pieces:
        found: list[Any] = []
        for place in piece.places:
            value = None if place is None else next(waiting)
            try:
                if not piece.is_slice:
                    found.append(part_of(graph, value))
                else:
                    found.append(None if value is None else constant_integer(graph, value, "the end of a slice"))
            except SymdiffError as error:
                if place is not None and error.place is None:
                    error.locate(Place(source, *place))
                raise
        if not piece.is_slice:
            parts += found
            continue
        if len(found) == 3 and found[2] == 0:
            span = piece.places[2]
            raise ParseError(
                "the step of a slice must not be 0", hint="write x[start:stop]", place=span and Place(source, *span)
            )
        parts.append(slice(*found))
    return tuple(parts)


def part_of(graph: Graph, value: Any) -> Any:
    """A value between the brackets as a part of a subscript: an integer, None, `...`, or what chooses elements.

    Raises
    ------
    ParseError
        For a number that is no integer.
    ShapeError
        For conditions.
    """
    if value is None or isinstance(value, EllipsisType):
        return value
    size = open_size(graph, value)
    if size is not None:
        return size
    found = constant_array(graph, value)
    if graph.types[value].dtype == BOOL:
        if found is None:
            raise ShapeError(
                "elements are not chosen by a condition: their number would depend on values",
                hint="write where(c, x, 0)",
            )
        if not found.ndim:
            raise ParseError("an index must be an integer, not True or False")
        return Mask(found)
    if found is None:
        return ChosenPart(value)
    if found.ndim == 0:
        return as_integer(float(found), "an index")
    with np.errstate(invalid="ignore"):
        if not (found == np.rint(found)).all():
            raise ParseError("an index must be made of integers", hint="write x[[0, 2]], or round(…) for the nearest")
    return ChosenPart(value, found.astype(np.int64))


def element_at_place(graph: Graph, node: int, index: tuple[Any, ...], place: Place) -> int:
    """`node[index]`, where `node` is what stands at `place`.

    Raises
    ------
    ShapeError
        For a scalar, whose hint is how to declare a shape, and for an index out of range.
    """
    if graph.types[node].shape:
        return subscripted(graph, node, index)
    name = place.source.text[place.start : place.end]
    missing = undeclared(graph, node)
    if graph.ops[node] is not core.INPUT or not missing:
        raise does_not_fit(graph, (node,), f"{quote(name)} is a scalar and has no elements", place=place)
    wanted = [part for part in index if part is not None and part is not Ellipsis] or [slice(None)]
    sizes = [max(SUGGESTED_SIZE, part + 1) if isinstance(part, int) else SUGGESTED_SIZE for part in wanted]
    shape = ", ".join(map(str, sizes))
    raise NeedsShape(
        f"{name} is a scalar; no shape is declared for it",
        names=missing,
        hint=f'write shapes={{"{name}": {shape if len(sizes) == 1 else f"({shape})"}}}, or f({name}[{shape}]) = …',
        place=place,
    )


def subscripted(graph: Graph, node: int, index: Sequence[Any]) -> int:
    """`node[index]` by NumPy's rules.

    Raises
    ------
    ShapeError
        For an index out of range, and more parts than axes.
    """
    needs_array(graph, node, "an element")
    parts = _without_masks(graph, _without_dots(list(index), len(graph.types[node].shape)), graph.types[node].shape)
    chosen = [k for k, part in enumerate(parts) if isinstance(part, ChosenPart)]
    if not chosen and None not in parts:
        return movement.element(graph, node, tuple(parts))
    placed = [k for k, part in enumerate(parts) if isinstance(part, ChosenPart | int)] if chosen else []
    basic = [slice(None) if isinstance(part, ChosenPart) else part for part in parts if part is not None]
    node = movement.element(graph, node, tuple(basic))
    # What is left of each part: integers took their axes away.
    kept = [part for part in parts if not isinstance(part, int)]
    shape = list(graph.shape(node))
    for k, part in enumerate(kept):
        if part is None:
            shape.insert(k, 1)
    node = movement.reshape(graph, node, tuple(shape))
    if not chosen:
        return node
    axes = [k for k, part in enumerate(kept) if isinstance(part, ChosenPart)]
    first = sum(not isinstance(part, int) for part in parts[: placed[0]])
    # NumPy puts the chosen axes where they stood together, otherwise in front.
    target = first if placed == list(range(placed[0], placed[-1] + 1)) else 0
    return gathered_part(graph, node, [part for part in kept if isinstance(part, ChosenPart)], axes, target)


def _without_dots(parts: list[Any], axes: int) -> list[Any]:
    dots = [k for k, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise ShapeError("an index can hold one ellipsis (...) only", hint="write : for each of the other axes")
    taken = sum(_axes_taken(part) for part in parts)
    if taken > axes:
        raise ShapeError(f"{taken} indices for a value with {axes} axes")
    if dots:
        parts[dots[0] : dots[0] + 1] = [slice(None)] * (axes - taken)
    return parts


def _axes_taken(part: Any) -> int:
    """How many axes of the array a part of a subscript is about."""
    return part.values.ndim if isinstance(part, Mask) else int(part is not None and part is not Ellipsis)


def _without_masks(graph: Graph, parts: list[Any], shape: Shape) -> list[Any]:
    """The parts with the places where each mask holds in its stead, as NumPy defines it."""
    if not any(isinstance(part, Mask) for part in parts):
        return parts
    found: list[Any] = []
    axis = 0
    for part in parts:
        count = _axes_taken(part)
        found += part.chosen(graph, fixed(shape[axis : axis + count])) if isinstance(part, Mask) else [part]
        axis += count
    return found


def gathered_part(graph: Graph, node: int, parts: Sequence[ChosenPart], axes: Sequence[int], target: int) -> int:
    """The elements at several indices along as many axes, which broadcast; the new axes stand at `target`."""
    shape = graph.shape(node)
    order = [*axes, *(k for k in range(len(shape)) if k not in axes)]
    if len(axes) == 1:
        (axis,) = axes
        result = indexing.gather(graph, node, checked_index(graph, parts[0], shape[axis]), axis)
        new = len(graph.shape(result)) - len(shape) + 1
        return _moved(graph, result, axis, new, target)
    sizes = [shape[k] for k in axes]
    rest = [shape[k] for k in order[len(axes) :]]
    flat = movement.reshape(graph, movement.transpose(graph, node, tuple(order)), (math.prod(sizes), *rest))
    if all(part.values is not None for part in parts):
        wrapped = [_wrapped(part.values, size) for part, size in zip(parts, sizes, strict=True)]
        broadcast_shapes("an index", [part.shape for part in wrapped])
        places = np.ravel_multi_index(np.broadcast_arrays(*wrapped), sizes)
        index = graph.constant(np.asarray(places, np.int64))
    else:
        index = indexing.as_index(graph, _place(graph, parts, sizes))
    result = indexing.gather(graph, flat, index, 0)
    return _moved(graph, result, 0, len(graph.types[index].shape), target)


def _moved(graph: Graph, node: int, start: int, count: int, target: int) -> int:
    """`count` axes from `start` on, moved to `target`."""
    rest = [k for k in range(len(graph.types[node].shape)) if not start <= k < start + count]
    order = (*rest[:target], *range(start, start + count), *rest[target:])
    return movement.transpose(graph, node, order)


def _wrapped(values: Any, size: int) -> Any:
    """Constant indices counted from the start."""
    wrong = values[(values < -size) | (values >= size)]
    if wrong.size:
        raise out_of_range(int(wrong[0]), size)
    return np.where(values < 0, values + size, values)


def checked_index(graph: Graph, part: ChosenPart, size: int) -> int:
    """The node of one index: constants are in range, others are checked where they are known."""
    if part.values is not None:
        return graph.constant(np.asarray(_wrapped(part.values, size), np.int64))
    return indexing.as_index(graph, part.node)


def _place(graph: Graph, parts: Sequence[ChosenPart], sizes: Sequence[int]) -> int:
    """The number of each chosen element in C order; one past the last where an index is out of range."""
    place: int | None = None
    inside: int | None = None
    zero = number(graph, 0.0)
    for part, size in zip(parts, sizes, strict=True):
        limit = number(graph, size)
        if part.values is None:
            at = graph.apply(core.ROUND, (part.node,))
            at = graph.apply(core.WHERE, (graph.apply(core.LESS, (at, zero)), graph.apply(core.ADD, (at, limit)), at))
            below = graph.apply(core.LESS, (at, limit))
            known = graph.apply(core.LOGICAL_AND, (graph.apply(core.LESS_EQUAL, (zero, at)), below))
            inside = known if inside is None else graph.apply(core.LOGICAL_AND, (inside, known))
        else:
            at = graph.constant(_wrapped(part.values, size).astype(float))
        place = at if place is None else graph.apply(core.ADD, (graph.apply(core.MUL, (place, limit)), at))
    assert place is not None
    return place if inside is None else graph.apply(core.WHERE, (inside, place, number(graph, math.prod(sizes))))
