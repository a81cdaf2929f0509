"""The compressed way: one sweep along a leading axis of colours, from which each entry is read.

Columns of one colour share a tangent of the inputs, rows of one colour an adjoint of the outputs; the sweep is the
ordinary one, batched. It serves every operation that has a derivative, whether or not patches know its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate.finite import Finite
from symdiff.differentiate.forward import forward
from symdiff.differentiate.jacobians import operations
from symdiff.differentiate.partials import has_partial, is_finite
from symdiff.differentiate.reverse import depending, reverse_all
from symdiff.differentiate.sparse.coloring import Colors, acyclic_coloring, color_columns, star_coloring
from symdiff.differentiate.sparse.pattern import Indices, Pattern
from symdiff.differentiate.sparse.substitution import substitution
from symdiff.ir.batching import batched
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.types import BOOL, fixed, product

MOST_STAR_STEPS = 10**6
"""Of how many steps a star coloring may be looked for."""

MOST_ROUNDS = 8
"""In so many rounds at most entries are found by substitution: each is an operation of its own on arrays."""

STAR, ACYCLIC = "colours of a star coloring", "colours of an acyclic coloring, by substitution"

Read = Callable[[Graph, int, int], int]
"""What makes the node of the entries of what sweeps give, of shape (colours*width,), and the width."""


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

    With `symmetric` the outputs are the gradient by the targets, and a star coloring may need fewer colours, an acyclic
    one fewer still.
    """
    if not len(pattern):
        return Compressed(1, 0, "1 columns", lambda: graph.constant(np.zeros(0)))
    known = set(graph.live(outputs))
    shapes = [fixed(graph.types[t].shape) for t in targets]
    heights = [fixed(graph.types[o].shape) for o in outputs]
    ways = []
    colors = color_columns(np.diff(pattern.starts), pattern.columns, pattern.shape[1], shapes)
    other = pattern.rows.astype(np.int64)
    star = _star(pattern) if symmetric else None
    if star is not None and star.max(initial=0) < colors.max(initial=0):
        ways.append(_by(graph, targets, outputs, False, star, _places(*_star_places(pattern, star)), known, STAR))
    else:
        read = _places(colors[pattern.columns], other)
        ways.append(_by(graph, targets, outputs, False, colors, read, known, "columns"))
    if star is not None and ways[0].count > 2:
        acyclic = acyclic_coloring(*_neighbors(pattern))
        found = substitution(pattern, acyclic) if acyclic.max(initial=0) + 1 < ways[0].count else None
        if found is not None and len(found.rounds) <= MOST_ROUNDS:
            read, more = found.values, found.operations
            ways.append(_by(graph, targets, outputs, False, acyclic, read, known, ACYCLIC, more))
    if not symmetric:
        turned, _ = pattern.transposed()
        colors = color_columns(np.diff(turned.starts), turned.columns, turned.shape[1], heights)
        read = _places(colors[other], pattern.columns.astype(np.int64))
        ways.append(_by(graph, outputs, targets, True, colors, read, known, "rows"))
    return min(ways, key=lambda way: way.cost)


def _by(
    graph: Graph,
    ends: Sequence[int],
    others: Sequence[int],
    backward: bool,
    colors: Colors,
    read: Read,
    known: set[int],
    title: str,
    more: int = 0,
) -> Compressed:
    """The way by sweeps from `ends`, whose elements have the colours; `read`, which takes `more` operations, makes the
    entries of what they give.
    """
    count = int(colors.max(initial=0)) + 1
    title_of, shapes = "back" if backward else "ahead", [graph.types[n].shape for n in ends]
    seeds = [graph.input(f"<seed {title_of} {n}>", shape) for n, shape in zip(ends, shapes, strict=True)]
    chosen: list[int] = []
    if _is_rough(graph, *((ends, others) if backward else (others, ends))):
        chosen = [graph.input(f"<given {title_of} {n}>", shape, BOOL) for n, shape in zip(ends, shapes, strict=True)]
    given = dict(zip(seeds, chosen, strict=False))
    if backward:
        found = reverse_all(graph, {n: [seed] for n, seed in zip(ends, seeds, strict=True)}, others, given)
    else:
        found = forward(graph, others, dict(zip(ends, seeds, strict=True)), given)
    made = [movement.full_like(graph, 0.0, n) if d is None else d for n, d in zip(others, found, strict=True)]
    cost = count * operations(graph, made, known) + more

    def values() -> int:
        swept = _swept(graph, ends, seeds, chosen, made, colors, count)
        width = product(graph.types[swept].shape) // count
        return read(graph, movement.reshape(graph, swept, (count * width,)), width)

    return Compressed(count, cost, f"{count} {title}", values)


def _places(color: Colors, place: Colors) -> Read:
    """What reads each entry where it is alone."""

    def read(graph: Graph, flat: int, width: int) -> int:
        return indexing.gather(graph, flat, graph.constant(color * width + place))

    return read


def _is_rough(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> bool:
    """Whether some factor of a derivative may be infinite or NaN, so that zeros of other colours must not meet it."""
    live, finite = graph.live(outputs), Finite(graph)
    varied = depending(graph, live, targets)
    return any(
        not is_finite(finite, node, k)
        for node in live
        if node in varied
        for k, a in enumerate(graph.args[node])
        if a in varied and has_partial(graph.ops[node], k)
    )


def _swept(
    graph: Graph,
    ends: Sequence[int],
    seeds: Sequence[int],
    chosen: Sequence[int],
    made: Sequence[int],
    colors: Colors,
    count: int,
) -> int:
    """What the sweeps of all colours make, (colours, elements); `chosen` are the conditions where seeds are not 0."""
    given: dict[int, int] = {}
    start = 0
    zero, one = graph.constant(0.0), graph.constant(1.0)
    for k, (node, seed) in enumerate(zip(ends, seeds, strict=True)):
        shape = fixed(graph.types[node].shape)
        size = product(shape)
        own = graph.constant(colors[start : start + size].astype(float).reshape((1, *shape)))
        start += size
        each = indexing.iota(graph, (count, *(1,) * len(shape)), 0)
        condition = graph.add(core.EQUAL, (each, own))
        given[seed] = graph.add(core.WHERE, (condition, one, zero))
        if chosen:
            given[chosen[k]] = condition
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
    starts, neighbors = _neighbors(pattern)
    if float((np.diff(starts).astype(float) ** 3).sum()) > MOST_STAR_STEPS:
        return None
    return star_coloring(starts, neighbors)


def _neighbors(pattern: Pattern) -> tuple[Indices, Indices]:
    """The graph of a symmetric pattern: where the neighbours of each vertex begin, and they."""
    rows = pattern.rows
    apart = rows != pattern.columns
    degrees = np.bincount(rows[apart], minlength=pattern.shape[0])
    return np.concatenate([[0], np.cumsum(degrees)]), pattern.columns[apart]


def _star_places(pattern: Pattern, colors: Colors) -> tuple[Colors, Colors]:
    """For each entry of a symmetric matrix the colour and the row to read it at: it is alone there, or its image is."""
    rows, columns = pattern.rows.astype(np.int64), pattern.columns.astype(np.int64)
    count = int(colors.max(initial=0)) + 1
    keys = rows * count + colors[columns]
    _, inverse, often = np.unique(keys, return_inverse=True, return_counts=True)
    alone = often[inverse] == 1
    return np.where(alone, colors[columns], colors[rows]), np.where(alone, rows, columns)
