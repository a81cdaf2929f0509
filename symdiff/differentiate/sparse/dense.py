"""Dense Jacobians of which only the entries are computed: each by itself, or all of a colour at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from symdiff.differentiate.chain import elements, scalars_of
from symdiff.differentiate.forward import ForwardSweeps
from symdiff.differentiate.jacobians import Blocks
from symdiff.differentiate.operators import Nodes
from symdiff.differentiate.reverse import reverse_all
from symdiff.differentiate.sparse.coloring import color_columns
from symdiff.differentiate.sparse.derivatives import Derivative, sparse_jacobian_of, sparse_jacobians_of
from symdiff.differentiate.sparse.pattern import Pattern
from symdiff.differentiate.sparse.scalars import Sparse, jacobian_entries
from symdiff.ir.graph import Graph
from symdiff.ops import indexing, movement
from symdiff.types import fixed, product


def blocks_by_entries(graph: Graph, outputs: Sequence[int], targets: Sequence[int], method: str) -> Blocks:
    """The derivative of every output by every target, of whole arrays; `method` is "direct" or "compressed"."""
    return _laid_out(graph, outputs, targets, method, [sparse_jacobian_of(graph, o, targets, method) for o in outputs])


def sparse_blocks(graph: Graph, outputs: Sequence[int], targets: Sequence[int], most: float) -> list[Blocks]:
    """As `blocks_by_entries` by either method; none where more than the part `most` may be entries for some output."""
    found = []
    for output in outputs:
        ways = sparse_jacobians_of(graph, output, targets, most)
        if not ways:
            return []
        found.append(ways)
    return [_laid_out(graph, outputs, targets, m, [ways[m] for ways in found]) for m in ("direct", "compressed")]


def _laid_out(
    graph: Graph, outputs: Sequence[int], targets: Sequence[int], method: str, found: Sequence[Derivative]
) -> Blocks:
    widths = [product(fixed(graph.types[t].shape)) for t in targets]
    rows = []
    for output, derivative in zip(outputs, found, strict=True):
        dense = _filled(graph, derivative)
        row, first = [], 0
        for target, width in zip(targets, widths, strict=True):
            part = movement.element(graph, dense, (slice(None), slice(first, first + width)))
            row.append(movement.reshape(graph, part, (*graph.shape(output), *graph.shape(target))))
            first += width
        rows.append(row)
    return Blocks(rows, method, f"entries: {'; '.join(dict.fromkeys(d.note for d in found))}")


def _filled(graph: Graph, found: Derivative) -> int:
    """The whole matrix."""
    height, width = found.pattern.shape
    places = found.pattern.rows.astype(np.int64) * width + found.pattern.columns
    flat = indexing.scatter_add(graph, found.values, graph.constant(places), 0, height * width)
    return movement.reshape(graph, flat, (height, width))


def scalars_by_entries(graph: Graph, outputs: Sequence[int], targets: Sequence[int], method: str) -> list[list[Nodes]]:
    """The derivative of every output by every target, all scalars or lists of them, as arrays of nodes.

    "direct" is one sweep in which each node carries a row of entries; "compressed" is one for each colour. What a sweep
    of several columns meets depends on one of them, so it multiplies as often as one sweep for each.
    """
    shapes = [[fixed(graph.types[n].shape) for n in ends] for ends in (outputs, targets)]
    roots = [n for o in outputs for n in scalars_of(graph, o, targets)]
    width = sum(map(product, shapes[1]))
    matrix = np.full((len(roots), width), graph.constant(0.0), object)
    if method == "direct":
        listed = jacobian_entries(graph, roots, targets)
        matrix[listed.pattern.rows, listed.pattern.columns] = listed.nodes
    else:
        sparse = Sparse(graph, roots, targets)
        counted = sparse.costs()
        fill = _by_columns if counted["forward"] <= counted["reverse"] else _by_rows
        fill(graph, roots, targets, sparse.pattern(), matrix)
    blocks, top = [], 0
    for shape in shapes[0]:
        lines, first = matrix[top : top + product(shape)], 0
        row = []
        for own in shapes[1]:
            row.append(lines[:, first : first + product(own)].reshape(shape + own))
            first += product(own)
        blocks.append(row)
        top += product(shape)
    return blocks


def _by_columns(graph: Graph, roots: Sequence[int], targets: Sequence[int], pattern: Pattern, matrix: Nodes) -> None:
    """Put the entries into a matrix, from a forward sweep for the columns of each colour."""
    shapes = [fixed(graph.types[t].shape) for t in targets]
    places = [(t, index) for t, shape in zip(targets, shapes, strict=True) for index in np.ndindex(*shape)]
    colors = color_columns(np.diff(pattern.starts), pattern.columns, pattern.shape[1], shapes)
    sweeps = ForwardSweeps(graph, roots)
    for color in range(int(colors.max(initial=0)) + 1):
        tangents = sweeps.by_elements([places[c] for c in np.flatnonzero(colors == color)])
        chosen = colors[pattern.columns] == color
        for row, column in zip(pattern.rows[chosen].tolist(), pattern.columns[chosen].tolist(), strict=True):
            tangent = tangents[row]
            if tangent is not None:
                matrix[row, column] = tangent


def _by_rows(graph: Graph, roots: Sequence[int], targets: Sequence[int], pattern: Pattern, matrix: Nodes) -> None:
    """Put the entries into a matrix, from a reverse sweep for the rows of each colour."""
    turned, _ = pattern.transposed()
    colors = color_columns(np.diff(turned.starts), turned.columns, turned.shape[1])
    one, zero = graph.constant(1.0), graph.constant(0.0)
    for color in range(int(colors.max(initial=0)) + 1):
        seeds: dict[int, list[int]] = {}
        for row in np.flatnonzero(colors == color).tolist():
            seeds.setdefault(roots[row], []).append(one)
        found = reverse_all(graph, seeds, targets)
        line: list[int] = []
        for target, adjoint in zip(targets, found, strict=True):
            count = product(fixed(graph.types[target].shape))
            line += [zero] * count if adjoint is None else elements(graph, adjoint).ravel().tolist()
        chosen = colors[pattern.rows] == color
        for row, column in zip(pattern.rows[chosen].tolist(), pattern.columns[chosen].tolist(), strict=True):
            matrix[row, column] = line[column]
