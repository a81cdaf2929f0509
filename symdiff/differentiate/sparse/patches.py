"""Patches of a sparse derivative: boxes of entries whose rows and columns are affine in the place in the box.

The derivative of a value of shape S by some elements is a sum of patches. At the place p of its box a patch has the
entry `value[p]`, in the row whose coordinates in S are `rows` there, and in the column `column`. A coordinate is a sum
over the axes of the box: of a stride times the index, or of an entry of a vector where the places are not affine. So
the derivative of `x[1:] - x[:-1]` is two patches, of 1 and of -1, whatever the size; what an operation does to a value
is done to coordinates, and only products and sums become nodes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement, reduction
from symdiff.types import c_strides

Vector = np.ndarray[Any, np.dtype[np.int64]]
Line = int | Vector
"""How a coordinate grows along an axis of a box: a stride, or what is added at each index."""

Selection = tuple[int, int, int] | Vector
"""Places along an axis: (first, step, count), or all of them."""

Sizes = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Coordinate:
    """`start` plus what each of `lines`, (axis of the box, line), adds; axes ascend, and no line is a stride of 0."""

    start: int
    lines: tuple[tuple[int, Line], ...] = ()

    def line(self, axis: int) -> Line:
        """How it grows along an axis of the box."""
        return next((line for own, line in self.lines if own == axis), 0)

    def moved(self, scale: int, offset: int) -> Coordinate:
        """`offset + scale*self`."""
        return Coordinate(self.start * scale + offset, tuple((axis, line * scale) for axis, line in self.lines))

    def at_axes(self, axes: Sequence[int]) -> Coordinate:
        """The coordinate where axis k of the box has become axis `axes[k]`."""
        return Coordinate(self.start, tuple(sorted(((axes[a], line) for a, line in self.lines), key=lambda p: p[0])))

    def over(self, box: Sizes, axes: Sequence[int]) -> Vector:
        """Its values over some axes of the box, which have all its lines, in an array that broadcasts to these."""
        found: Vector = np.full((1,) * len(axes), self.start, np.int64)
        for k, axis in enumerate(axes):
            line = self.line(axis)
            if not isinstance(line, int) or line:
                found = found + entries(line, box[axis]).reshape([-1 if j == k else 1 for j in range(len(axes))])
        return found

    def bounds(self, box: Sizes) -> tuple[int, int]:
        """The least and the greatest value."""
        low = high = self.start
        for axis, line in self.lines:
            if isinstance(line, int):
                reach = line * (box[axis] - 1)
                low, high = low + min(reach, 0), high + max(reach, 0)
            else:
                low, high = low + int(line.min()), high + int(line.max())
        return low, high

    def key(self) -> tuple[object, ...]:
        """What tells it from others."""
        return self.start, *((axis, line if isinstance(line, int) else line.tobytes()) for axis, line in self.lines)


def entries(line: Line, size: int) -> Vector:
    """What a line adds at each index."""
    return np.arange(size, dtype=np.int64) * line if isinstance(line, int) else line


def made(start: int, lines: dict[int, Line]) -> Coordinate:
    """A coordinate of lines, vectors as strides where they are."""
    found: list[tuple[int, Line]] = []
    for axis, line in sorted(lines.items()):
        if not isinstance(line, int):
            first = int(line[0])
            step = int(line[1]) - first if len(line) > 1 else 0
            if np.array_equal(line, np.arange(len(line), dtype=np.int64) * step + first):
                start += first
                line = step
        if not isinstance(line, int) or line:
            found.append((axis, line))
    return Coordinate(start, tuple(found))


def combined(coordinates: Sequence[Coordinate], strides: Sequence[int]) -> Coordinate:
    """The coordinate `sum(strides[k]*coordinates[k])`."""
    start, lines = 0, dict[int, Line]()
    for coordinate, stride in zip(coordinates, strides, strict=True):
        start += coordinate.start * stride
        for axis, line in coordinate.lines:
            other = lines.get(axis)
            size = max(0 if isinstance(one, int | None) else len(one) for one in (line, other))
            grown = line * stride
            if other is not None:
                grown = grown + other if not size else entries(grown, size) + entries(other, size)
            lines[axis] = grown
    return made(start, lines)


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Entries of a derivative.

    Attributes
    ----------
    box : the sizes of its axes, none of which is 1.
    rows : for each axis of the value the coordinate of the row.
    column : the number of the column.
    value : a node that broadcasts to the box; None where nobody knows it.
    guard : a condition that broadcasts to the box: elsewhere the entries are 0, whatever `value` is there.
    """

    box: Sizes
    rows: tuple[Coordinate, ...]
    column: Coordinate
    value: int | None
    guard: int | None = None

    @property
    def size(self) -> int:
        """How many entries it has."""
        return math.prod(self.box)

    def key(self) -> tuple[object, ...]:
        """What patches that can be added have in common."""
        return self.box, *(c.key() for c in self.rows), self.column.key()


class Patches:
    """What can be done with patches whose values are nodes of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def seed(self, shape: Sizes, first: int) -> Patch:
        """The derivative of a value by its own elements, whose columns begin at `first`."""
        axes = [k for k, n in enumerate(shape) if n != 1]
        rows = tuple(Coordinate(0, ((axes.index(k), 1),) if k in axes else ()) for k in range(len(shape)))
        column = combined(rows, c_strides(shape)).moved(1, first)
        return Patch(tuple(shape[k] for k in axes), rows, column, self.graph.constant(1.0))

    # The box

    def changed(
        self, patch: Patch, box: Sizes, change: Callable[[int], int], put: Callable[[Coordinate], Coordinate]
    ) -> Patch:
        """The patch in another box: `change` maps nodes with all axes of the box, `put` coordinates."""
        rank = len(patch.box)

        def node(one: int | None) -> int | None:
            return (
                one
                if one is None or not self.graph.shape(one)
                else change(movement.with_rank(self.graph, one, 0, rank))
            )

        return Patch(box, tuple(map(put, patch.rows)), put(patch.column), node(patch.value), node(patch.guard))

    def chosen(self, patch: Patch, axis: int, places: Selection) -> Patch:
        """The entries at some places along an axis of the box."""
        graph, size = self.graph, patch.box[axis]
        if isinstance(places, tuple):
            first, step, count = places
            if places == (0, 1, size):
                return patch
        else:
            count = len(places)
            first, step = int(places[0]), int(places[1] - places[0]) if count > 1 else 1
            if np.array_equal(places, np.arange(count) * step + first):
                return self.chosen(patch, axis, (first, step, count))

        def put(coordinate: Coordinate) -> Coordinate:
            line, lines = coordinate.line(axis), dict(coordinate.lines)
            if isinstance(line, int) and not line:
                return coordinate
            del lines[axis]
            if isinstance(places, tuple):
                if isinstance(line, int):
                    return made(coordinate.start + line * first, lines | ({axis: line * step} if count > 1 else {}))
                grown = line[np.arange(count) * step + first]
            else:
                grown = entries(line, size)[places]
            return made(coordinate.start, {**lines, axis: grown})

        def change(node: int) -> int:
            if graph.shape(node)[axis] == 1:
                return node
            if isinstance(places, tuple):
                stop = first + step * count
                return movement.element(
                    graph, node, ((slice(None),) * axis) + (slice(first, stop if stop >= 0 else None, step),)
                )
            return indexing.gather(graph, node, indexing.integer_array(graph, places), axis)

        box = (*patch.box[:axis], count, *patch.box[axis + 1 :])
        found = self.changed(patch, box, change, put)
        return self.without(found, [axis]) if count == 1 else found

    def without(self, patch: Patch, axes: Sequence[int]) -> Patch:
        """The patch without axes that no coordinate has, and along which its nodes have the size 1."""
        left = [k for k in range(len(patch.box)) if k not in axes]
        place = [left.index(k) if k in left else -1 for k in range(len(patch.box))]

        def change(node: int) -> int:
            return movement.reshape(self.graph, node, tuple(self.graph.shape(node)[k] for k in left))

        return self.changed(patch, tuple(patch.box[k] for k in left), change, lambda c: c.at_axes(place))

    def longer(self, patch: Patch, size: int) -> Patch:
        """The patch repeated along a new last axis of its box."""

        def change(node: int) -> int:
            return movement.reshape(self.graph, node, (*self.graph.shape(node), 1))

        return self.changed(patch, (*patch.box, size), change, lambda c: c)

    def split(self, patch: Patch, axis: int, inner: int) -> Patch:
        """An axis of the box as two, of which the second has the size `inner`; all lines along it are strides."""
        outer = patch.box[axis] // inner
        place = [k + (k > axis) for k in range(len(patch.box))]

        def put(coordinate: Coordinate) -> Coordinate:
            line = coordinate.line(axis)
            assert isinstance(line, int)
            found = dict(coordinate.at_axes(place).lines)
            return made(coordinate.start, {**found, axis: line * inner, axis + 1: line} if line else found)

        def change(node: int) -> int:
            shape = self.graph.shape(node)
            pair = (outer, inner) if shape[axis] != 1 else (1, 1)
            return movement.reshape(self.graph, node, (*shape[:axis], *pair, *shape[axis + 1 :]))

        return self.changed(patch, (*patch.box[:axis], outer, inner, *patch.box[axis + 1 :]), change, put)

    def listed(self, patch: Patch, axes: Sequence[int]) -> tuple[Patch, int]:
        """Some axes of the box as one, the last, along which all coordinates are vectors; and that axis."""
        axes = sorted(axes)
        rest = [k for k in range(len(patch.box)) if k not in axes]
        sizes = tuple(patch.box[k] for k in axes)
        last, count = len(rest), math.prod(sizes)
        place = [rest.index(k) if k in rest else -1 for k in range(len(patch.box))]

        def put(coordinate: Coordinate) -> Coordinate:
            own = Coordinate(0, tuple(p for p in coordinate.lines if p[0] in axes))
            found = {place[axis]: line for axis, line in coordinate.lines if axis in rest}
            if own.lines:
                found[last] = np.ascontiguousarray(np.broadcast_to(own.over(patch.box, axes), sizes)).reshape(-1)
            return made(coordinate.start, found)

        def change(node: int) -> int:
            moved = movement.transpose(self.graph, node, (*rest, *axes))
            shape = self.graph.shape(moved)
            if all(n == 1 for n in shape[last:]):
                return movement.reshape(self.graph, moved, (*shape[:last], 1))
            return movement.reshape(
                self.graph, movement.broadcast(self.graph, moved, (*shape[:last], *sizes)), (*shape[:last], count)
            )

        return self.changed(patch, (*(patch.box[k] for k in rest), count), change, put), last

    # Values

    def sampled(self, patch: Patch, node: int, rows: Sequence[Coordinate]) -> int:
        """The elements of a node at the places that coordinates, one an axis, say; it broadcasts to the box."""
        graph, rank = self.graph, len(patch.box)
        shape = graph.shape(node)
        long = [k for k, n in enumerate(shape) if n != 1]
        if not long:
            return movement.reshape(graph, node, ())
        node = movement.reshape(graph, node, tuple(shape[k] for k in long))
        rows = [rows[k] for k in long]
        used = [axis for c in rows for axis, _ in c.lines]
        if len(set(used)) < len(used) or any(len(c.lines) > 1 for c in rows):
            axes = sorted(set(used))
            flat = combined(rows, c_strides(graph.shape(node))).over(patch.box, axes)
            lined = movement.reshape(graph, node, (math.prod(graph.shape(node)),))
            found = indexing.gather(graph, lined, indexing.integer_array(graph, flat))
            return self._spread(found, axes, rank)
        index: list[int | slice] = []
        lists: list[tuple[int, Vector]] = []
        for c in rows:
            if not c.lines:
                index.append(c.start)
                continue
            ((axis, line),) = c.lines
            if isinstance(line, int):
                stop = c.start + line * patch.box[axis]
                index.append(slice(c.start, stop if stop >= 0 else None, line))
            else:
                lists.append((used.index(axis), line + c.start))
                index.append(slice(None))
        node = movement.element(graph, node, tuple(index))
        for k, line in lists:
            node = indexing.gather(graph, node, indexing.integer_array(graph, line), k)
        order = sorted(range(len(used)), key=lambda k: used[k])
        return self._spread(movement.transpose(graph, node, order), sorted(used), rank)

    def _spread(self, node: int, axes: Sequence[int], rank: int) -> int:
        """The node, whose axes are some of the box, with axes of size 1 for the others."""
        shape = dict(zip(axes, self.graph.shape(node), strict=True))
        return movement.reshape(self.graph, node, tuple(shape.get(k, 1) for k in range(rank)))

    def masked(self, patch: Patch) -> int:
        """The value, 0 where the guard does not hold."""
        assert patch.value is not None
        if patch.guard is None:
            return patch.value
        return self.graph.add(core.WHERE, (patch.guard, patch.value, self.graph.constant(0.0)))

    def released(self, patch: Patch) -> Patch:
        """The patch without the axes of its box that no coordinate has: entries along them are added up."""
        graph = self.graph
        used = {axis for c in (*patch.rows, patch.column) for axis, _ in c.lines}
        free = [k for k in range(len(patch.box)) if k not in used]
        if not free:
            return patch
        if patch.value is None:
            return self.without(patch, free)
        value, guard, rank = self.masked(patch), patch.guard, len(patch.box)
        if guard is not None:
            guard = movement.with_rank(graph, guard, 0, rank) if graph.shape(guard) else guard
            long = [k for k in free if graph.shape(guard) and graph.shape(guard)[k] != 1]
            guard = self._kept(reduction.reduce_over(graph, core.ANY, guard, long), long, rank) if long else guard
        full = movement.with_rank(graph, value, 0, rank) if graph.shape(value) else value
        long = [k for k in free if graph.shape(full) and graph.shape(full)[k] != 1]
        count = math.prod(patch.box[k] for k in free if k not in long)
        if long:
            full = self._kept(reduction.sum_over(graph, full, long), long, rank)
        if count != 1:
            full = graph.add(core.MUL, (graph.constant(float(count)), full))
        return self.without(replace(patch, value=full, guard=guard), free)

    def _kept(self, node: int, axes: Sequence[int], rank: int) -> int:
        """What was reduced over some axes of the box, with axes of size 1 in their place."""
        return self._spread(node, [k for k in range(rank) if k not in axes], rank)

    def merged(self, patches: Sequence[Patch]) -> list[Patch]:
        """The patches, those at equal places added up."""
        if len(patches) < 2:
            return list(patches)
        groups: dict[object, list[Patch]] = {}
        for patch in patches:
            groups.setdefault(patch.key(), []).append(patch)
        return [self._added(group) for group in groups.values()]

    def _added(self, group: Sequence[Patch]) -> Patch:
        total, graph = group[0], self.graph
        for other in group[1:]:
            one, two = total.guard, other.guard
            guard: int | None = None
            if total.value is None or other.value is None:
                value: int | None = None
            elif one == two:
                value, guard = graph.add(core.ADD, (total.value, other.value)), one
            elif one is not None and two is not None and self._opposite(one, two):
                value = graph.add(core.WHERE, (one, total.value, other.value))
            else:
                value = graph.add(core.ADD, (self.masked(total), self.masked(other)))
                if one is not None and two is not None:
                    guard = graph.add(core.LOGICAL_OR, (one, two))
            total = replace(total, value=value, guard=guard)
        return total

    def _opposite(self, one: int, other: int) -> bool:
        ops, args = self.graph.ops, self.graph.args
        return (ops[one] is core.LOGICAL_NOT and args[one] == (other,)) or (
            ops[other] is core.LOGICAL_NOT and args[other] == (one,)
        )
