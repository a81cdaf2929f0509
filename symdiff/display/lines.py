"""Which parts of a graph get a line of their own when it is written down."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from symdiff.ir.graph import Graph
from symdiff.ops.base import Expand

LONGEST_TREE = 200
LARGEST_REPEATED = 8
SHORTEST_SHARED = 12
LENGTH_LIMIT = 10**9


def opened(graph: Graph, roots: Sequence[int], written: Iterable[str]) -> tuple[Graph, list[int]]:
    """The graph with each hidden operation that nobody can write, except `written`, as what it stands for."""
    written = frozenset(written)
    live = graph.live(roots)
    if not any(_must_open(graph, n, written) for n in live):
        return graph, list(roots)
    from symdiff.frontend.template import expansion

    result = Graph(graph.dtype)
    mapping: dict[int, int] = {}
    for node in live:
        op, payload = graph.ops[node], graph.payloads[node]
        args = tuple([mapping[a] for a in graph.args[node]])
        if op.name == "constant":
            mapping[node] = result.constant(payload)
        elif op.name == "input":
            mapping[node] = result.input(payload, graph.types[node].shape, graph.types[node].dtype)
        elif _must_open(graph, node, written):
            mapping[node] = expansion(op, payload).splice(result, dict(zip("abc", args, strict=False)))
        else:
            mapping[node] = result.add(op, args, payload)
    return result, [mapping[r] for r in roots]


def _must_open(graph: Graph, node: int, written: frozenset[str]) -> bool:
    op = graph.ops[node]
    return op.hidden and isinstance(op.routine, Expand) and op.name not in written


class Lines:
    """The live nodes of a graph and the names of those that are lines: its bindings, and what is shared and long.

    `names` maps nodes to the names of their lines, in the order in which the lines are to be written.
    `taken` holds every name that occurs.
    """

    def __init__(
        self, graph: Graph, roots: Sequence[int], reserved: Iterable[str] = (), keep: Iterable[int] = ()
    ) -> None:
        self.graph = graph
        self.live = graph.live(roots)
        self.names: dict[int, str] = {}
        self._uses = dict.fromkeys(self.live, 0)
        for root in roots:
            self._uses[root] += 1
        for node in self.live:
            for a in graph.args[node]:
                self._uses[a] += 1
        self._keep = frozenset(keep)
        bound = {graph.payloads[n] for n in self.live if graph.ops[n].name == "named"}
        inputs = {graph.payloads[n] for n in self.live if graph.ops[n].name == "input"}
        self.taken = inputs | set(reserved)
        lengths = self._lengths(None, None)
        long = sum(lengths[r] for r in roots) > LONGEST_TREE
        shared: set[int] = set()
        self._lengths(shared, long)
        self._give_names(shared, bound)

    def _lengths(self, shared: set[int] | None, long: bool | None) -> dict[int, int]:
        """About how long the text of each node is; `shared`, if given, receives those that are to be lines."""
        graph, uses = self.graph, self._uses
        lengths: dict[int, int] = {}
        counts: dict[int, int] = {}
        for node in self.live:
            op, args = graph.ops[node], graph.args[node]
            if not args:
                payload = graph.payloads[node]
                lengths[node] = 2 + (len(payload) if isinstance(payload, str) else 4 * int(np.size(payload)))
                counts[node] = 0
                continue
            length, count = 3 if op.infix else len(op.name) + 2, 1
            for a in args:
                length += lengths[a]
                count += counts[a]
            if op.name == "named" or node in self._keep:
                length, count = 4, 0
            elif shared is not None and uses[node] > 1 and (
                length > SHORTEST_SHARED and count > 1 if long else count > LARGEST_REPEATED
            ):
                shared.add(node)
                length, count = 3, 0
            lengths[node] = length if length < LENGTH_LIMIT else LENGTH_LIMIT
            counts[node] = count if count < LENGTH_LIMIT else LENGTH_LIMIT
        return lengths

    def _give_names(self, shared: set[int], bound: set[str]) -> None:
        graph, taken = self.graph, self.taken
        fresh = 0
        for node in self.live:
            if graph.ops[node].name == "named":
                wanted = name = graph.payloads[node]
                k = 1
                while name in taken or (k > 1 and name in bound):
                    k += 1
                    name = f"{wanted}_{k}"
            elif node in shared:
                fresh += 1
                while f"t{fresh}" in taken or f"t{fresh}" in bound:
                    fresh += 1
                name = f"t{fresh}"
            else:
                continue
            taken.add(name)
            self.names[node] = name

    def value(self, node: int) -> int:
        """The node whose operation is written on the line of `node`: a binding's is what it binds."""
        return self.graph.args[node][0] if self.graph.ops[node].name == "named" else node
