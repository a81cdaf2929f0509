"""Colours of columns: those of one colour have no row in common, so that one sweep finds the entries of all of them.

A lattice takes the colour of a column from its place alone, `(a @ place) % m`: bands and stencils of any size are
coloured in no time. Otherwise columns are coloured greedily, *smallest last* (Matula and Beck, 1983) while there are
few, and in rounds over whole arrays where there are many. Second derivatives need fewer colours, because they are
symmetric: in a star coloring every path of four vertices has three colours. (Gebremedhin, Manne and Pothen, "What color
is your Jacobian? Graph coloring for computing derivatives", 2005.)
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

Colors = np.ndarray[Any, np.dtype[np.int64]]
Indices = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]
MOST_STEPS = 200_000
"""So many neighbours are visited one by one; above, columns are coloured in rounds."""
MOST_PAIRS = 2e8
"""Of more pairs of columns in a row no graph is made."""
MOST_OF_DENSE = 500
"""Of more columns all get colours of their own where half of them meet in one row."""
MOST_TRIED = 20_000
"""How many lattices are tried."""


def color_columns(counts: Indices, columns: Indices, width: int, shapes: Sequence[tuple[int, ...]] = ()) -> Colors:
    """A colour for each column, so that no two columns of one colour have entries in one row.

    Parameters
    ----------
    counts, columns : how many entries each row has, and their columns, row after row.
    width : the number of columns.
    shapes : of the arrays whose elements the columns are, one after the other.
    """
    least = int(counts.max(initial=0))
    if least <= 1:
        return np.zeros(width, np.int64)
    best: Colors | None = None
    if len(shapes) == 1:
        best = _lattice(counts, columns, shapes[0])
    if best is None or best.max() >= least:
        dense = width > MOST_OF_DENSE and 2 * least >= width
        if dense or float(counts.astype(float) @ counts) > MOST_PAIRS:
            return np.arange(width) if best is None else best
        found = greedy(*shared_rows(counts, columns, width))
        best = found if best is None or found.max() < best.max() else best
    return best


def greedy(starts: Indices, neighbors: Indices) -> Colors:
    """Colours of the vertices of a graph, given where the neighbours of each begin, so that neighbours differ."""
    if len(neighbors) <= MOST_STEPS:
        return _in_order(starts, neighbors, smallest_last(starts, neighbors))
    return _in_rounds(starts, neighbors)


def is_proper(counts: Indices, columns: Indices, colors: Colors) -> bool:
    """Whether in every row the colours of the columns with entries differ."""
    starts = np.cumsum(counts) - counts
    for count in np.unique(counts):
        if count > 1:
            rows = starts[counts == count]
            table = np.sort(colors[columns[rows[:, None] + np.arange(count)]], axis=1)
            if np.any(table[:, 1:] == table[:, :-1]):
                return False
    return True


def _lattice(counts: Indices, columns: Indices, shape: tuple[int, ...]) -> Colors | None:
    """Colours from the places of the elements in an array; None where no small lattice is proper."""
    starts = np.cumsum(counts) - counts
    fullest = np.flatnonzero(counts == counts.max())
    row = fullest[len(fullest) // 2]
    axes = [k for k, n in enumerate(shape) if n != 1]
    sizes = tuple(shape[k] for k in axes)
    own = columns[starts[row] : starts[row] + counts[row]]
    places = np.stack(np.unravel_index(own, sizes), 1) if sizes else np.zeros((len(own), 0), np.int64)
    tried = 0
    for size in range(len(own), 4 * len(own) + 1):
        for factors in itertools.product(range(size), repeat=len(sizes)):
            tried += 1
            if tried > MOST_TRIED:
                return None
            if len(np.unique(places @ np.array(factors, np.int64) % size)) < len(own):
                continue
            colors: Colors = np.zeros(1, np.int64)
            for k, factor in enumerate(factors):
                line = np.arange(sizes[k], dtype=np.int64) * factor
                colors = (colors[..., None] + line) % size
            colors = np.ascontiguousarray(colors).reshape(-1)
            if is_proper(counts, columns, colors):
                return colors
    return None


def shared_rows(counts: Indices, columns: Indices, width: int) -> tuple[Indices, Indices]:
    """The graph of columns with a row in common: where the neighbours of each begin, and they."""
    from scipy import sparse

    starts = np.concatenate([[0], np.cumsum(counts)])
    matrix = sparse.csr_array((np.ones(len(columns), bool), columns, starts), shape=(len(counts), width))
    both = (matrix.T.tocsr() @ matrix).tocoo()
    apart = both.row != both.col
    one, other = both.row[apart], both.col[apart]
    return np.concatenate([[0], np.cumsum(np.bincount(one, minlength=width))]), other[np.argsort(one, kind="stable")]


def smallest_last(starts: Indices, neighbors: Indices) -> list[int]:
    """The vertices of a graph in an order in which each has the fewest neighbours among those up to it."""
    count = len(starts) - 1
    degrees = np.diff(starts).tolist()
    first, ends = starts.tolist(), neighbors.tolist()
    buckets: list[list[int]] = [[] for _ in range(max(degrees, default=0) + 1)]
    for vertex, degree in enumerate(degrees):
        buckets[degree].append(vertex)
    taken = [False] * count
    order: list[int] = []
    at = 0
    while len(order) < count:
        while not buckets[at]:
            at += 1
        vertex = buckets[at].pop()
        if taken[vertex] or degrees[vertex] != at:
            continue
        taken[vertex] = True
        order.append(vertex)
        for other in ends[first[vertex] : first[vertex + 1]]:
            if not taken[other]:
                degrees[other] -= 1
                buckets[degrees[other]].append(other)
        at = max(at - 1, 0)
    return order[::-1]


def _in_order(starts: Indices, neighbors: Indices, order: Sequence[int]) -> Colors:
    """Each vertex in turn gets the least colour that none of its neighbours has."""
    first, ends = starts.tolist(), neighbors.tolist()
    colors = [-1] * len(order)
    for vertex in order:
        taken = {colors[other] for other in ends[first[vertex] : first[vertex + 1]]}
        color = 0
        while color in taken:
            color += 1
        colors[vertex] = color
    return np.array(colors, np.int64)


def _in_rounds(starts: Indices, neighbors: Indices) -> Colors:
    """In each round those vertices are coloured whose uncoloured neighbours all come later in an order of degrees."""
    count = len(starts) - 1
    degrees = np.diff(starts)
    vertices = np.repeat(np.arange(count), degrees)
    random = np.random.default_rng(0)
    rank = np.empty(count, np.int64)
    rank[np.lexsort((random.random(count), -degrees))] = np.arange(count)
    colors = np.full(count, -1, np.int64)
    one, other = vertices, neighbors
    while len(one):
        later = np.ones(count, bool)
        waiting = colors[other] < 0
        later[one[waiting & (rank[other] < rank[one])]] = False
        chosen = later & (colors < 0)
        mine = chosen[one]
        colors[chosen] = _least_free(one[mine], colors[other[mine]], count)[chosen]
        left = colors[one] < 0
        one, other = one[left], other[left]
    colors[colors < 0] = 0
    return colors


def _least_free(vertices: Indices, taken: Colors, count: int) -> Colors:
    """For each of some vertices the least colour that it is not listed with."""
    known = taken >= 0
    pairs = np.unique(vertices[known] * np.int64(len(vertices) + 1) + taken[known])
    owner, color = np.divmod(pairs, np.int64(len(vertices) + 1))
    begin = np.searchsorted(owner, owner)
    place = np.arange(len(owner)) - begin
    found = np.zeros(count, np.int64)
    # the colours up to the first gap are 0, 1, 2, …
    np.maximum.at(found, owner[color == place], color[color == place] + 1)
    return found


# Second derivatives


def star_coloring(starts: Indices, neighbors: Indices, order: Sequence[int] | None = None) -> Colors:
    """Colours of the vertices of a graph: neighbours differ, and no path of four vertices has only two colours."""
    first, ends = starts.tolist(), neighbors.tolist()
    colors = [-1] * (len(first) - 1)
    near = [ends[first[v] : first[v + 1]] for v in range(len(colors))]
    for vertex in smallest_last(starts, neighbors) if order is None else order:
        taken: set[int] = set()
        for one in near[vertex]:
            own = colors[one]
            taken.add(own)
            for two in near[one]:
                color = colors[two]
                if two == vertex or color < 0 or color in taken:
                    continue
                if own >= 0 and any(colors[three] == own for three in near[two] if three != one):
                    taken.add(color)
        color = 0
        while color in taken or _closes(vertex, color, near, colors):
            color += 1
        colors[vertex] = color
    return np.array(colors, np.int64)


def _closes(vertex: int, color: int, near: Sequence[Sequence[int]], colors: Sequence[int]) -> bool:
    """Whether a colour makes a path of two colours in which the vertex is inside."""
    seen: dict[int, int] = {}
    for one in near[vertex]:
        own = colors[one]
        if own < 0:
            continue
        if own in seen:
            pair = (one, seen[own])
            if any(colors[two] == color for end in pair for two in near[end] if two != vertex):
                return True
        seen[own] = one
    return False


def acyclic_coloring(starts: Indices, neighbors: Indices, order: Sequence[int] | None = None) -> Colors:
    """Colours of the vertices of a graph: neighbours differ, and no cycle has only two colours.

    So the edges between vertices of two colours are a forest. (Gebremedhin, Tarafdar, Manne and Pothen, "New acyclic
    and star coloring algorithms with application to computing Hessians", 2007.)
    """
    first, ends = starts.tolist(), neighbors.tolist()
    colors = [-1] * (len(first) - 1)
    near = [ends[first[v] : first[v + 1]] for v in range(len(colors))]
    trees = _Trees()
    for vertex in smallest_last(starts, neighbors) if order is None else order:
        taken = set()
        reached: dict[int, int] = {}  # a tree, and the neighbour by which the vertex would be tied to it
        for one in near[vertex]:
            if colors[one] < 0:
                continue
            taken.add(colors[one])
            for two in near[one]:
                if two != vertex and colors[two] >= 0 and reached.setdefault(trees.of(one, two), one) != one:
                    taken.add(colors[two])
        color = 0
        while color in taken:
            color += 1
        colors[vertex] = color
        ties: dict[int, int] = {}
        for one in near[vertex]:
            own = colors[one]
            if own < 0:
                continue
            trees.join((vertex, one), (vertex, ties.setdefault(own, one)))
            for two in near[one]:
                if two != vertex and colors[two] == color:
                    trees.join((vertex, one), (one, two))
    return np.array(colors, np.int64)


class _Trees:
    """The edges of trees, of which those of two colours grow together."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[int, int], int] = {}
        self._parents: list[int] = []

    def of(self, one: int, other: int) -> int:
        """The tree that an edge is of; one that is new is a tree."""
        key = (one, other) if one < other else (other, one)
        at = self._numbers.get(key)
        if at is None:
            at = self._numbers[key] = len(self._parents)
            self._parents.append(at)
            return at
        parents = self._parents
        while parents[at] != at:
            parents[at] = at = parents[parents[at]]
        return at

    def join(self, one: tuple[int, int], other: tuple[int, int]) -> None:
        """Make the trees of two edges one."""
        self._parents[self.of(*one)] = self.of(*other)
