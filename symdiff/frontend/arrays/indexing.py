"""Functions that choose elements by their places, and that put elements there, with NumPy's names and arguments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symdiff.errors import ParseError, ShapeError, quote
from symdiff.frontend.arguments import Array, Axis, Integer, Node, Sizes, Text, axis_of, language
from symdiff.frontend.constants import number
from symdiff.frontend.subscripts import ChosenPart, checked_index, part_of, subscripted
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.ops.movement import as_triple
from symdiff.types import show


@language("take")
def _take(graph: Graph, x: Array, indices: Array, axis: Axis = None, mode: Text = "raise") -> int:
    """The elements at some indices along an axis, or of all elements in their order; `mode` as NumPy's."""
    shape = graph.shape(x)
    if axis is None:
        x, axis = movement.reshape(graph, x, (math.prod(shape),)), 0
    at = axis_of(axis, len(graph.shape(x)), "take")
    if mode not in ("raise", "wrap", "clip"):
        raise ParseError('mode of take must be "raise", "wrap" or "clip"')
    if mode != "raise":
        size = number(graph, graph.shape(x)[at])
        rounded = graph.apply(core.ROUND, (graph.as_number(indices),))
        last = graph.apply(core.SUB, (size, number(graph, 1.0)))
        indices = (
            graph.apply(core.MOD, (rounded, size))
            if mode == "wrap"
            else graph.apply(core.CLIP, (rounded, number(graph, 0.0), last))
        )
    return subscripted(graph, x, (*(slice(None),) * at, part_of(graph, indices)))


@language("scatter_add")
def _scatter_add(graph: Graph, x: Array, indices: Array, size: Integer, axis: Axis = 0) -> int:
    """Zeros with `size` elements along an axis, to which `x` is added at some indices: the transpose of take."""
    at = axis_of(axis, len(graph.shape(x)), "scatter_add")
    part = part_of(graph, indices)
    part = ChosenPart(indices, np.array(part, np.int64)) if isinstance(part, int) else part
    return indexing.scatter_add(graph, graph.as_number(x), checked_index(graph, part, size), at, size)


@language("scatter")
def _scatter(graph: Graph, x: Node, index: Text, shape: Sizes) -> int:
    """Zeros of a shape with `x` at an index, written as text: `scatter(x, "1:, 0", (3, 2))` is that of x[1:, 0]."""
    parts: list[Any] = []
    for axis, piece in enumerate(index.split(",")):
        found = [p.strip() for p in piece.split(":")]
        if axis >= len(shape) or len(found) > 3 or not all(p.removeprefix("-").isdigit() or not p for p in found):
            raise ParseError(
                f"scatter: {quote(index)} is no index of an array of shape {show(shape)}",
                hint='write scatter(x, "1:3", (5,))',
            )
        ends = [int(p) if p else None for p in found]
        if len(ends) == 3 and ends[2] == 0:
            raise ParseError("scatter: the step of a slice must not be 0")
        if len(ends) > 1:
            parts.append(as_triple(slice(*ends), shape[axis]))
        elif ends[0] is None or not -shape[axis] <= ends[0] < shape[axis]:
            raise ShapeError(
                f"scatter: index {piece.strip()} is out of range for an axis of size {shape[axis]}",
                hint="the index is one of the new array's",
            )
        else:
            parts.append(ends[0] % shape[axis])
    region = np.broadcast_to(np.False_, shape)[tuple(slice(*p) if isinstance(p, tuple) else p for p in parts)]
    return movement.scatter(graph, movement.broadcast(graph, x, region.shape), tuple(parts), shape)
