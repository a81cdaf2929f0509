"""Dense Hessians that are bands: zeros and diagonals, each element written once.

Row q of the elements of a matrix of n columns, taken n + 1 at a time, has element (q, q) first: each diagonal is a
column of that table, and what lies between two is a block of zeros.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from symdiff.differentiate.sparse.layout import band_of
from symdiff.differentiate.sparse.patches import Patch, Patches
from symdiff.differentiate.sparse.sweep import sparse_patches
from symdiff.differentiate.sparse.symmetry import triangle_patches
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement
from symdiff.sizes import is_open

FEWEST_ROWS = 3
MOST_BANDS = 16
LOCAL = frozenset(
    (core.INPUT, core.CONSTANT, core.NAMED, core.INDEX, core.SCATTER, core.BROADCAST, core.SUM, core.CONCATENATE)
)
"""What moves elements of a line along it, beside operations on each element."""


def band_hessian(graph: Graph, slope: int, target: int) -> int | None:
    """The dense Hessian, given the gradient by an input of one axis, where it consists of diagonals; otherwise None."""
    shape = graph.shape(target)
    if len(shape) != 1 or is_open(shape[0]) or shape[0] < FEWEST_ROWS or graph.ops[target] is not core.INPUT:
        return None
    live, ops = graph.live([slope]), graph.ops
    if not any(ops[n] in (core.INDEX, core.SCATTER) and graph.types[n].shape for n in live):
        return None  # diagonals alone
    if any(ops[n] not in LOCAL and ops[n].differential is not None for n in live):
        return None
    found = sparse_patches(graph, [slope], [target])
    if len(found[0]) > MOST_BANDS or not all(_is_diagonal(patch) for patch in found[0]):
        return None
    mirrored, symmetric = triangle_patches(graph, found, [shape], "full")
    return _written(graph, mirrored[0], shape[0]) if symmetric else None


def _is_diagonal(patch: Patch) -> bool:
    """Whether the entries of a patch follow the diagonal."""
    if len(patch.box) != 1:
        return not patch.box
    lines = patch.rows[0].line(0), patch.column.line(0)
    return all(isinstance(line, int) and line == 1 for line in lines)


Column = tuple[int, int, int, int]
"""A column of the table, the row that it begins in, its length, and the node of its elements."""


def _written(graph: Graph, patches: Sequence[Patch], size: int) -> int | None:
    calculus = Patches(graph)
    columns: list[Column] = []
    last: list[int] = []
    for patch in patches:
        band = band_of(calculus, patch)
        if band is None or band.value is None:
            return None
        ((start,), (length,), (slope,)) = band.first, band.box, band.slopes
        above = band.offset + (slope - 1) * start
        value = band.value
        if above == 0 and start + length == size:
            last.append(movement.element(graph, value, (length - 1,)))
            length -= 1
            value = movement.element(graph, value, (slice(length),)) if length else value
        if length:
            columns.append(
                (above, start, length, value) if above >= 0 else (size + 1 + above, start - 1, length, value)
            )
    lines = [_line(graph, columns, begin, end, size) for begin, end in _cuts(columns, size - 1)]
    corner = _total(graph, last) if last else graph.constant(0.0)
    whole = movement.concatenate(graph, [*lines, movement.reshape(graph, corner, (1,))], 0)
    return movement.reshape(graph, whole, (size, size))


def _cuts(columns: Sequence[Column], rows: int) -> list[tuple[int, int]]:
    ends = {0, rows, *(start for _, start, _, _ in columns), *(start + n for _, start, n, _ in columns)}
    return list(itertools.pairwise(sorted(ends)))


def _line(graph: Graph, columns: Sequence[Column], begin: int, end: int, size: int) -> int:
    """Some rows of the table, one after the other."""
    here: dict[int, list[int]] = {}
    for at, start, length, value in columns:
        if start <= begin < start + length:
            here.setdefault(at, []).append(movement.element(graph, value, (slice(begin - start, end - start),)))
    parts, filled = [], 0
    for at in [*sorted(here), size + 1]:
        if at > filled:
            parts.append(movement.broadcast(graph, graph.constant(0.0), (end - begin, at - filled)))
        if at in here:
            parts.append(movement.reshape(graph, _total(graph, here[at]), (end - begin, 1)))
        filled = at + 1
    return movement.reshape(graph, movement.concatenate(graph, parts, 1), ((end - begin) * (size + 1),))


def _total(graph: Graph, nodes: Sequence[int]) -> int:
    total = nodes[0]
    for node in nodes[1:]:
        total = graph.add(core.ADD, (total, node))
    return total
