"""Where the nodes of a graph went: what makes source of a program calls values as the formula does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.optimize.planning.checkpoints import Checkpoints
from symdiff.optimize.scalarize import Element


class Trail:
    """The nodes that have the values of some nodes of a formula, followed through the optimizer's passes.

    Attributes
    ----------
    at : for a node of the formula the nodes of the program, one for each of its elements in C order; None for one that
        no node has any more.
    """

    def __init__(self, nodes: Iterable[int]) -> None:
        self.at: dict[int, tuple[int | None, ...]] = {node: (node,) for node in nodes}

    def move(self, values: Mapping[int, int]) -> None:
        """Follow a pass that made `values` of the nodes."""
        self.at = {
            node: tuple([None if n is None else values.get(n) for n in places]) for node, places in self.at.items()
        }

    def shift(self, moved: Mapping[int, int]) -> None:
        """Follow a pass within one graph: the nodes that are not in `moved` stay."""
        self.at = {
            node: tuple([None if n is None else moved.get(n, n) for n in places]) for node, places in self.at.items()
        }

    def take_apart(self, values: Mapping[int, Any], entries: Callable[[int], Sequence[int]]) -> None:
        """Follow the pass after which all nodes are scalars; `entries` gives those of a list that has no value."""
        for node, (at,) in self.at.items():
            assert at is not None
            value = values.get(at)
            if value is None:
                self.at[node] = tuple([values.get(entry) for entry in entries(at)])
            elif isinstance(value, int):
                self.at[node] = (value,)
            else:
                elements = [value] if isinstance(value, Element) else np.ravel(value).tolist()
                self.at[node] = tuple([e.node if isinstance(e, Element) else None for e in elements])


class CheckpointTrail(Trail):
    """Where the checkpoints of a formula are, and their adjoints.

    For a node that is gone stand those that are nearest: for an adjoint what is made of it, else what it was made of.

    Attributes
    ----------
    graph : of the nodes where they are now; it is set before each pass.
    """

    def __init__(self, graph: Graph, live: Iterable[int]) -> None:
        ops = graph.ops
        self._adjoints = [n for n in live if ops[n] is core.CHECKPOINT_ADJOINT]
        self._values = [n for n in live if ops[n] is core.CHECKPOINT]
        self._begins = {n: graph.args[n][1:] for n in self._values}
        self._starts = [a for own in self._begins.values() for a in own]
        super().__init__([*self._adjoints, *self._values, *self._starts])
        self.graph = graph

    def move(self, values: Mapping[int, int]) -> None:
        """Follow a pass that made `values` of the nodes."""
        adjoints = set(self._adjoints)
        users: dict[int, list[int]] = {}
        if any(n not in values for node in adjoints for n in self.at[node]):
            for node in values:
                for a in self.graph.args[node]:
                    users.setdefault(a, []).append(node)
        for node, places in self.at.items():
            self.at[node] = self._nearest(places, values, users if node in adjoints else None)

    def _nearest(
        self, places: Iterable[int | None], values: Mapping[int, int], users: Mapping[int, list[int]] | None
    ) -> tuple[int, ...]:
        found: dict[int, None] = {}
        seen = set[int]()
        stack = [n for n in places if n is not None]
        while stack:
            node = stack.pop()
            if node in values:
                found[values[node]] = None
            elif node not in seen:
                seen.add(node)
                stack += self.graph.args[node] if users is None else users.get(node, ())
        return tuple(found)

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints in the graph of the program."""
        pairs = [
            (value, start)
            for node in self._values
            for value in self._found([node])
            for start in self._found(self._begins[node])
        ]
        found = self._found
        return Checkpoints(found(self._values), found(self._starts), found(self._adjoints), tuple(pairs))

    def _found(self, nodes: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted({place for n in nodes for place in self.at[n] if place is not None}))
