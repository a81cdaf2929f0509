"""The compressed way: one sweep along a leading axis of colours, from which each entry is read.

Columns of one colour share a tangent of the inputs, rows of one colour an adjoint of the outputs; the sweep is the
ordinary one, batched. It serves every operation that has a derivative, whether or not patches know its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from symdiff.differentiate.forward import forward
from symdiff.differentiate.jacobians import operations
from symdiff.differentiate.reverse import reverse_all
from symdiff.differentiate.sparse.coloring import Colors, color_columns, star_coloring
from symdiff.differentiate.sparse.pattern import Pattern
from symdiff.ir.batching import batched
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.types import fixed, product

MOST_STAR_STEPS = 10**6
"""Of how many steps a star coloring may be looked for."""


@dataclass(frozen=True, slots=True)
class Compressed:
    """A derivative of which a sweep for each colour finds the entries.

    Attributes
    ----------
    count : how many colours there are.
    cost : operations of the sweeps for all of them.
    note : what they are colours of.
    values : makes the node of the values, of shape (entries,).
    """

    count: int
    cost: int
    note: str
    values: Callable[[], int]


def compressed(
    graph: Graph, outputs: Sequence[int], targets: Sequence[int], pattern: Pattern, symmetric: bool = False
) -> Compressed:
    """The cheaper of two ways to find the entries of a Jacobian, by the counts of operations: columns, or rows.

    With `symmetric` the outputs are the gradient by the targets, and a star coloring may need fewer colours.
    """
    known = set(graph.live(outputs))
    shapes = [fixed(graph.types[t].shape) for t in targets]
    heights = [fixed(graph.types[o].shape) for o in outputs]
    ways = []
    colors = color_columns(np.diff(pattern.starts), pattern.columns, pattern.shape[1], shapes)
    other = pattern.rows.astype(np.int64)
    star = _star(pattern) if symmetric else None
    if star is not None and star.max(initial=0) < colors.max(initial=0):
        ways.append(_by(graph, targets, outputs, False, star, *_star_places(pattern, star), known, "star coloring"))
    else:
        ways.append(_by(graph, targets, outputs, False, colors, colors[pattern.columns], other, known, "columns"))
    if not symmetric:
        turned, _ = pattern.transposed()
        colors = color_columns(np.diff(turned.starts), turned.columns, turned.shape[1], heights)
        ways.append(_by(graph, outputs, targets, True, colors, colors[other], pattern.columns, known, "rows"))
    return min(ways, key=lambda way: way.cost)


def _by(
    graph: Graph,
    ends: Sequence[int],
    others: Sequence[int],
    backward: bool,
    colors: Colors,
    color: Colors,
    place: Colors,
    known: set[int],
    title: str,
) -> Compressed:
    """The way by sweeps from `ends`, whose elements have the colours; an entry is at (`color`, `place`) of `others`."""
    count = int(colors.max(initial=0)) + 1
    seeds = [graph.input(f"<seed {'back' if backward else 'ahead'} {n}>", graph.types[n].shape) for n in ends]
    if backward:
        found = reverse_all(graph, {n: [seed] for n, seed in zip(ends, seeds, strict=True)}, others)
    else:
        found = forward(graph, others, dict(zip(ends, seeds, strict=True)))
    made = [movement.full_like(graph, 0.0, n) if d is None else d for n, d in zip(others, found, strict=True)]
    cost = count * operations(graph, made, known)

    def values() -> int:
        if not len(place):
            return graph.constant(np.zeros(0))
        swept = _swept(graph, ends, seeds, made, colors, count)
        width = product(graph.types[swept].shape) // count
        index = np.asarray(color, np.int64) * width + place
        flat = movement.reshape(graph, swept, (count * width,))
        return indexing.gather(graph, flat, graph.constant(index))

    return Compressed(count, cost, f"{count} colours of a {title}" if "star" in title else f"{count} {title}", values)


def _swept(
    graph: Graph, ends: Sequence[int], seeds: Sequence[int], made: Sequence[int], colors: Colors, count: int
) -> int:
    """What the sweeps of all colours make, (colours, elements)."""
    given: dict[int, int] = {}
    start = 0
    zero, one = graph.constant(0.0), graph.constant(1.0)
    for node, seed in zip(ends, seeds, strict=True):
        shape = fixed(graph.types[node].shape)
        size = product(shape)
        own = graph.constant(colors[start : start + size].astype(float).reshape((1, *shape)))
        start += size
        each = indexing.iota(graph, (count, *(1,) * len(shape)), 0)
        given[seed] = graph.add(core.WHERE, (graph.add(core.EQUAL, (each, own)), one, zero))
    table = batched(Body(graph, (), made), graph, given, count)
    lines = []
    for node in made:
        new, has = table[node]
        size = product(fixed(graph.types[node].shape))
        whole = new if has else movement.broadcast(graph, new, (count, *fixed(graph.types[node].shape)))
        lines.append(movement.reshape(graph, whole, (count, size)))
    return movement.concatenate(graph, lines, 1)


def _star(pattern: Pattern) -> Colors | None:
    """A star coloring of a symmetric pattern; None where it would take long to find one."""
    rows = pattern.rows
    apart = rows != pattern.columns
    degrees = np.bincount(rows[apart], minlength=pattern.shape[0])
    if float((degrees.astype(float) ** 3).sum()) > MOST_STAR_STEPS:
        return None
    starts = np.concatenate([[0], np.cumsum(degrees)])
    return star_coloring(starts, pattern.columns[apart])


def _star_places(pattern: Pattern, colors: Colors) -> tuple[Colors, Colors]:
    """For each entry of a symmetric matrix the colour and the row to read it at: it is alone there, or its image is."""
    rows, columns = pattern.rows.astype(np.int64), pattern.columns.astype(np.int64)
    count = int(colors.max(initial=0)) + 1
    keys = rows * count + colors[columns]
    _, inverse, often = np.unique(keys, return_inverse=True, return_counts=True)
    alone = often[inverse] == 1
    return np.where(alone, colors[columns], colors[rows]), np.where(alone, rows, columns)
