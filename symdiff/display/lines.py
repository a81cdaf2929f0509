"""Which parts of a graph get a line of their own when it is written down."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from typing import Any

import numpy as np

from symdiff.ir.body import Body, NamedNodes
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core, indexing, movement
from symdiff.ops.base import OPERAND_NAMES, Expand
from symdiff.types import Shape, broadcast_shapes

LONGEST_TREE = 200
LARGEST_REPEATED = 8
SHORTEST_SHARED = 12
LENGTH_LIMIT = 10**9


PRODUCTS = frozenset((core.MUL, core.DIV))
CHANGED = frozenset((core.CUSTOM, core.BROADCAST, core.IOTA))
"""Operations that are written, but not as they stand."""


def opened(graph: Graph, roots: Sequence[int], written: Iterable[Op]) -> tuple[Graph, list[int]]:
    """The graph in terms of what can be written.

    Hidden operations, except those in `written`, become what they stand for; repetitions that the operation around
    them makes anyway are dropped.
    """
    written = frozenset(written)
    live = graph.live(roots)
    changed = {op for op in (graph.ops[n] for n in live) if op.hidden and op not in written} | CHANGED
    if not any(graph.ops[n] in changed for n in live):
        return graph, list(roots)
    result = Graph(graph.dtype)
    values = Body(graph, (), roots, live).fold(_Opened(result, graph, written))
    return result, [values[r] for r in roots]


class _Opened(NamedNodes):
    """Nodes of a fresh graph that can be written."""

    def __init__(self, result: Graph, source: Graph, written: Container[Op]) -> None:
        super().__init__(result)
        self.source, self.written = source, written
        self.special = range(len(source))

    def at(self, node: int, values: dict[int, int]) -> int:
        """What is written for an operation."""
        graph, result = self.source, self.graph
        op, payload, type_ = graph.ops[node], graph.payloads[node], graph.types[node]
        args = tuple([values[a] for a in graph.args[node]])
        if op is core.IOTA:
            return _spread_line(result, *payload)
        if op is core.CUSTOM:  # written as a call: its expression stays out
            value = result.input(f"value of {node}", type_.shape, type_.dtype)
            return result.add(op, (value, *args[1:]), payload)
        if op.kinds:
            args = _without_repetition(result, args, type_.shape)
            if not op.hidden or op in self.written:
                return result.add(op, args, payload)
            return meaning(op, payload, len(args)).splice(result, args)[0]
        return movement.element(result, args[0], payload) if op is core.INDEX else result.add(op, args, payload)


def meaning(op: Op, payload: Any, arity: int) -> Body:
    """What an operation stands for: its expression, or the exact form of a function that has one."""
    from symdiff.frontend.bodies import expansion, from_text

    if isinstance(op.routine, Expand):
        return expansion(op, payload)
    return from_text(op.exact or op.name, tuple(OPERAND_NAMES[:arity]))


def _spread_line(graph: Graph, shape: tuple[int, ...], axis: int) -> int:
    """The index along an axis, as a line of numbers repeated to the whole shape."""
    line = indexing.iota(graph, (shape[axis],), 0)
    return movement.broadcast(
        graph, movement.reshape(graph, line, (shape[axis], *(1,) * (len(shape) - axis - 1))), shape
    )


def _without_repetition(graph: Graph, args: tuple[int, ...], shape: Shape) -> tuple[int, ...]:
    """Operands of an elementwise operation without the broadcasts that it does itself."""
    kept = list(args)
    for k, a in enumerate(args):
        if graph.ops[a] is core.BROADCAST:
            kept[k] = graph.args[a][0]
            if broadcast_shapes("", [graph.types[b].shape for b in kept]) != shape:
                kept[k] = a
    return tuple(kept)


class Lines:
    """The live nodes of a graph and the names of those that are lines: its bindings, and what is shared and long.

    The first factors of longer products are no part that a person would see, unless there are many.

    `names` maps nodes to the names of their lines, in the order in which the lines are to be written.
    `taken` holds every name that occurs.
    """

    def __init__(self, graph: Graph, roots: Sequence[int], reserved: Iterable[str] = ()) -> None:
        self.graph = graph
        self.live = graph.live(roots)
        self.names: dict[int, str] = {}
        self._uses = dict.fromkeys(self.live, 0)
        inside = set(roots)
        for root in roots:
            self._uses[root] += 1
        for node in self.live:
            args = graph.args[node]
            for a in args:
                self._uses[a] += 1
            inside.update(args[1:] if graph.ops[node] in PRODUCTS else args)
        self._beginnings = {n for n in self.live if graph.ops[n] is core.MUL and n not in inside}
        bound = {graph.payloads[n] for n in self.live if graph.ops[n] is core.NAMED}
        inputs = {graph.payloads[n] for n in self.live if graph.ops[n] is core.INPUT}
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
                size = 3 if isinstance(payload, tuple) else int(np.size(payload))
                lengths[node] = 2 + (len(payload) if isinstance(payload, str) else 4 * size)
                counts[node] = 0
                continue
            length, count = 3 if op.infix else len(op.name) + 2, 1
            for a in args:
                length += lengths[a]
                count += counts[a]
            if op is core.NAMED:
                length, count = 4, 0
            elif (
                shared is not None
                and uses[node] > 1
                and (
                    length > SHORTEST_SHARED and count > 1
                    if long and node not in self._beginnings
                    else count > LARGEST_REPEATED
                )
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
            if graph.ops[node] is core.NAMED:
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
        return self.graph.args[node][0] if self.graph.ops[node] is core.NAMED else node
