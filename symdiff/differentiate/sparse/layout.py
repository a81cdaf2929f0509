"""From patches of a derivative to its entries in the order of rows: the pattern, and the values as one node.

Where patches are boxes of rows with columns that are affine in the row, as of stencils and bands, the rows are cut into
cells in which the same patches have entries, in the same order: then the values are stacks of slices, one after the
other, and the indices are made cell by cell. Otherwise all entries are listed and sorted, and values are gathered or,
where entries coincide, added.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate.sparse.patches import Patch, Patches, Sizes, combined
from symdiff.differentiate.sparse.pattern import Indices, index_type
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.types import c_strides

if TYPE_CHECKING:
    import numpy.typing as npt

MOST_CELLS = 1000


@dataclass(frozen=True, slots=True)
class Entries:
    """The entries of a matrix in the order of rows, then columns: how many each row has, columns, and the values.

    `values` is a node of shape (entries,); None where nobody knows them.
    """

    counts: Indices
    columns: Indices
    values: int | None


def entries_of(graph: Graph, patches: Sequence[Patch], shape: Sizes, width: int) -> Entries:
    """The entries of patches of a value of this shape, in a matrix with `width` columns."""
    calculus = Patches(graph)
    bands = [band_of(calculus, patch) for patch in patches]
    if patches and all(b is not None for b in bands):
        found = _Cells(calculus, [b for b in bands if b is not None], shape, width).entries()
        if found is not None:
            return found
    return _listed(calculus, patches, shape, width)


# Cells


@dataclass(frozen=True, slots=True)
class Band:
    """A patch with one axis of its box for each axis of the value, of size 1 where all its rows have one index.

    `first` are the least indices, `slopes` how the column grows with them, `offset` the column of all indices 0.
    """

    first: tuple[int, ...]
    box: Sizes
    slopes: tuple[int, ...]
    offset: int
    value: int | None


def band_of(calculus: Patches, patch: Patch) -> Band | None:
    """The patch as a band; None where it is none."""
    graph = calculus.graph
    seen: list[int] = []
    for c in patch.rows:
        for axis, line in c.lines:
            if len(c.lines) > 1 or not isinstance(line, int) or abs(line) != 1 or axis in seen:
                return None
            seen.append(axis)
    if len(seen) < len(patch.box) or any(not isinstance(line, int) for _, line in patch.column.lines):
        return None
    for c in patch.rows:
        for axis, line in c.lines:
            if line == -1:
                size = patch.box[axis]
                patch = calculus.chosen(patch, axis, (size - 1, -1, size))
    first = tuple(c.start for c in patch.rows)
    axes: list[int | None] = [c.lines[0][0] if c.lines else None for c in patch.rows]
    slopes = []
    for own in axes:
        slope = 0 if own is None else patch.column.line(own)
        assert isinstance(slope, int)
        slopes.append(slope)
    box = tuple(1 if axis is None else patch.box[axis] for axis in axes)
    value = None
    if patch.value is not None:
        value = movement.broadcast(graph, calculus.masked(patch), patch.box)
        value = movement.transpose(graph, value, [axis for axis in axes if axis is not None])
        value = movement.reshape(graph, value, box)
    offset = patch.column.start - sum(s * f for s, f in zip(slopes, first, strict=True))
    return Band(first, box, tuple(slopes), offset, value)


class _Cells:
    """The rows of a value, cut where bands begin and end."""

    def __init__(self, calculus: Patches, bands: Sequence[Band], shape: Sizes, width: int) -> None:
        self.graph, self.bands, self.shape = calculus.graph, bands, shape
        self.type = index_type(max(width, 1))
        self.cuts: list[list[tuple[int, int]]] = []
        for axis, size in enumerate(shape):
            ends = {0, size}
            for band in bands:
                ends |= {band.first[axis], band.first[axis] + band.box[axis]}
            self.cuts.append(list(itertools.pairwise(sorted(ends))))
        self.known = all(band.value is not None for band in bands)

    def entries(self) -> Entries | None:
        """The entries; None where there are too many cells, or the order changes within one."""
        if math.prod(len(cuts) for cuts in self.cuts) > MOST_CELLS:
            return None
        cells: dict[tuple[int, ...], list[list[Band]]] = {}
        for place in np.ndindex(*(len(cuts) for cuts in self.cuts)):
            ordered = self._ordered(place)
            if ordered is None:
                return None
            cells[place] = ordered
        counts = np.zeros(self.shape, self.type)
        for place, ordered in cells.items():
            counts[self._slices(place)] = len(ordered)
        columns = self._joined(cells, self._columns)
        assert isinstance(columns, np.ndarray)
        value = self._values(cells) if self.known else None
        return Entries(counts.reshape(-1), columns, value)

    def _bounds(self, place: Sequence[int]) -> list[tuple[int, int]]:
        return [cuts[k] for cuts, k in zip(self.cuts, place, strict=True)]

    def _slices(self, place: Sequence[int]) -> tuple[slice, ...]:
        return tuple(slice(*bounds) for bounds in self._bounds(place))

    def _ordered(self, place: tuple[int, ...]) -> list[list[Band]] | None:
        """The bands with entries in a cell, in the order of their columns; those with the same column together."""
        bounds = self._bounds(place)
        groups: dict[tuple[int, tuple[int, ...]], list[Band]] = {}
        for band in self.bands:
            if all(f <= low < f + n for f, n, (low, _) in zip(band.first, band.box, bounds, strict=True)):
                # a slope along an axis of one index is an offset
                slopes = tuple(s if high - low > 1 else 0 for s, (low, high) in zip(band.slopes, bounds, strict=True))
                start = band.offset + sum(s * low for s, (low, _) in zip(band.slopes, bounds, strict=True))
                groups.setdefault((start, slopes), []).append(band)
        ordered = sorted(groups)
        for (one, first), (other, second) in itertools.pairwise(ordered):
            nearer = [min(0, b - a) * (high - low - 1) for a, b, (low, high) in zip(first, second, bounds, strict=True)]
            if other - one + sum(nearer) <= 0:
                return None
        return [groups[key] for key in ordered]

    def _columns(self, place: tuple[int, ...], ordered: list[list[Band]]) -> Indices:
        """The columns of a cell, (*cell, entries of a row)."""
        bounds = self._bounds(place)
        found = np.empty((*(high - low for low, high in bounds), len(ordered)), self.type)
        for k, (band, *_) in enumerate(ordered):
            at = np.full((1,) * len(bounds), band.offset, self.type)
            for axis, (low, high) in enumerate(bounds):
                line = np.arange(low, high, dtype=self.type) * self.type(band.slopes[axis])
                at = at + line.reshape([-1 if j == axis else 1 for j in range(len(bounds))])
            found[..., k] = at
        return found

    def _node(self, place: tuple[int, ...], ordered: list[list[Band]]) -> int:
        """The values of a cell, (*cell, entries of a row)."""
        graph, bounds = self.graph, self._bounds(place)
        parts = []
        for bands in ordered:
            total: int | None = None
            for band in bands:
                assert band.value is not None
                inside = zip(bounds, band.first, strict=True)
                own = movement.element(graph, band.value, tuple(slice(low - f, high - f) for (low, high), f in inside))
                total = own if total is None else graph.add(core.ADD, (total, own))
            assert total is not None
            parts.append(total)
        return movement.stack(graph, parts, len(bounds))

    def _values(self, cells: dict[tuple[int, ...], list[list[Band]]]) -> int:
        graph = self.graph

        def join(parts: list[int], axis: int) -> int:
            merged = []
            for node in parts:
                shape = graph.shape(node)
                merged.append(movement.reshape(graph, node, (*shape[:axis], shape[axis] * shape[axis + 1])))
            return movement.concatenate(graph, merged, axis)

        found = self._joined(cells, self._node, join)
        return graph.constant(np.zeros(0)) if found is None else int(found)

    def _joined(self, cells: dict[tuple[int, ...], list[list[Band]]], leaf: Any, join: Any = None) -> Any:
        """What `leaf` makes of cells, joined from the last axis to the first, in the order of the entries."""
        parts = {place: leaf(place, ordered) for place, ordered in cells.items() if ordered}
        for axis in reversed(range(len(self.shape))):
            lines: dict[tuple[int, ...], list[Any]] = {}
            for place, part in parts.items():
                lines.setdefault(place[:-1], []).append(part)
            parts = {place: (join or _merge)(line, axis) for place, line in lines.items()}
        return parts.get((), None if join else np.zeros(0, self.type))


def _merge(parts: list[Indices], axis: int) -> Indices:
    merged = [part.reshape((*part.shape[:axis], part.shape[axis] * part.shape[axis + 1])) for part in parts]
    return merged[0] if len(merged) == 1 else np.concatenate(merged, axis)


# Lists


def _listed(calculus: Patches, patches: Sequence[Patch], shape: Sizes, width: int) -> Entries:
    """All entries, sorted."""
    graph = calculus.graph
    count = math.prod(shape)
    places, nodes, known = [], [], True
    for patch in patches:
        axes = range(len(patch.box))
        row = combined(patch.rows, c_strides(shape)).moved(width, 0)
        at = combined([row, patch.column], [1, 1]).over(patch.box, axes)
        places.append(np.broadcast_to(at, patch.box).reshape(-1))
        known = known and patch.value is not None
        if known:
            nodes.append(
                movement.reshape(graph, movement.broadcast(graph, calculus.masked(patch), patch.box), (patch.size,))
            )
    flat = np.concatenate(places) if places else np.zeros(0, np.int64)
    found, order, inverse = _sorted(flat)
    dtype = index_type(max(width, 1))
    rows, columns = np.divmod(found, max(width, 1))
    counts = np.bincount(rows, minlength=count).astype(dtype)
    value: int | None = None
    if known:
        value = movement.concatenate(graph, nodes, 0) if nodes else graph.constant(np.zeros(0))
        if inverse is not None:
            value = indexing.scatter_add(graph, value, graph.constant(inverse), 0, len(found))
        elif order is not None:
            value = indexing.gather(graph, value, graph.constant(order))
    return Entries(counts, columns.astype(dtype), value)


def _sorted(places: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], Indices | None, Indices | None]:
    """The places in order, each once; the order that makes them so, or where each goes if some are the same."""
    if not len(places) or np.all(places[1:] > places[:-1]):
        return places, None, None
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    if new.all():
        return ordered, order, None
    inverse = np.empty(len(places), np.int64)
    inverse[order] = np.cumsum(new) - 1
    return ordered[new], None, inverse
