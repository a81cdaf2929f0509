"""The entries of a symmetric matrix from its columns added up by colours of an acyclic coloring.

What row v of the matrix has in the column of a colour is the sum of its entries at the neighbours of that colour. The
edges between vertices of two colours are a forest: at a leaf there is one entry alone, which is known, and with it the
edge goes from the sum at its other end. So all entries are found in as many rounds as half of the longest path has
edges.
"""

from __future__ import annotations

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate.sparse.coloring import Colors
from symdiff.differentiate.sparse.pattern import Pattern
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement


@dataclass(frozen=True, slots=True)
class Round:
    """The edges that are found together.

    Attributes
    ----------
    places : where their sums are, as row and colour.
    known, ends : edges that were found before and are in one of these sums, and in which.
    """

    places: tuple[Colors, Colors]
    known: Colors
    ends: Colors


@dataclass(frozen=True, slots=True)
class Substitution:
    """How the entries are found.

    Attributes
    ----------
    rounds : the edges, in the order in which they are found.
    diagonal : places of entries of the diagonal, as row and colour.
    entries : for each entry of the pattern its number among the edges and, after these, the diagonal.
    """

    rounds: tuple[Round, ...]
    diagonal: tuple[Colors, Colors]
    entries: Colors

    @property
    def operations(self) -> int:
        """How many subtractions there are."""
        return sum(len(r.known) for r in self.rounds)

    def values(self, graph: Graph, flat: int, width: int) -> int:
        """The node of the entries; `flat` has for each colour a sum for each of `width` rows."""

        def read(places: tuple[Colors, Colors]) -> int:
            row, color = places
            return indexing.gather(graph, flat, graph.constant(color * width + row))

        found: list[int] = []
        for r in self.rounds:
            value = read(r.places)
            if len(r.known):
                known = indexing.gather(graph, movement.concatenate(graph, found, 0), graph.constant(r.known))
                less = indexing.scatter_add(graph, known, graph.constant(r.ends), 0, len(r.places[0]))
                value = graph.add(core.SUB, (value, less))
            found.append(value)
        if len(self.diagonal[0]):
            found.append(read(self.diagonal))
        return indexing.gather(graph, movement.concatenate(graph, found, 0), graph.constant(self.entries))


def substitution(pattern: Pattern, colors: Colors) -> Substitution:
    """How the entries of a symmetric pattern are found, given an acyclic coloring of its vertices."""
    rows, columns = pattern.rows.astype(np.int64), pattern.columns.astype(np.int64)
    count = int(colors.max(initial=0)) + 1
    below = np.flatnonzero(columns < rows)
    one, other = rows[below], columns[below]
    # a sum is known by its row and its colour
    sums = np.stack([one * count + colors[other], other * count + colors[one]])
    degrees = np.bincount(sums.ravel(), minlength=pattern.shape[0] * count)
    left = np.arange(len(below))
    number = np.full(len(below), -1)
    end = np.full(len(below), -1)
    rounds = []
    first = 0
    while len(left):
        leaf = degrees[sums[:, left]] == 1
        now = left[leaf.any(axis=0)]
        side = np.where(degrees[sums[0, now]] == 1, 0, 1)
        own, far = sums[side, now], sums[1 - side, now]
        earlier = np.flatnonzero(np.isin(end, own))
        order = np.argsort(own)
        ends = order[np.searchsorted(own, end[earlier], sorter=order)]
        rounds.append(Round((own // count, own % count), number[earlier], ends))
        number[now] = first + np.arange(len(now))
        end[now] = far
        first += len(now)
        np.subtract.at(degrees, own, 1)
        np.subtract.at(degrees, far, 1)
        left = left[~leaf.any(axis=0)]
    on = np.flatnonzero(rows == columns)
    entries = np.empty(len(pattern), np.int64)
    entries[below] = number
    entries[on] = first + np.arange(len(on))
    mirrored = np.flatnonzero(columns > rows)
    keys = one * pattern.shape[1] + other
    entries[mirrored] = number[np.searchsorted(keys, columns[mirrored] * pattern.shape[1] + rows[mirrored])]
    return Substitution(tuple(rounds), (rows[on], colors[rows[on]]), entries)
