"""Bodies put in the place of their calls: the one way in which engines that know no call come by what it means."""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core


def inlined(graph: Graph, roots: Sequence[int]) -> dict[int, int]:
    """What `roots` depend on without calls, appended to the graph: {node: what stands for it}, where that is another.

    Raises
    ------
    LimitError
        Where that takes more nodes than the limits allow.
    """
    if core.CALL not in graph.ops:
        return {}
    moved: dict[int, int] = {}
    with graph.lock, collector_paused():
        while True:  # one round for bodies in bodies each, of which there are few
            step = _round(graph, [moved.get(root, root) for root in roots])
            if not step:
                return moved
            moved = {**step, **{node: step.get(made, made) for node, made in moved.items()}}


def _round(graph: Graph, roots: Sequence[int]) -> dict[int, int]:
    """The calls that there are, spliced; those in their bodies are left."""
    ops, args, payloads, places = graph.ops, graph.args, graph.payloads, graph.places
    moved: dict[int, int] = {}
    for node in graph.live(roots):
        own = tuple([moved.get(a, a) for a in args[node]])
        if ops[node] is core.CALL:
            body = payloads[node]
            moved[node] = body.fold(Nodes(graph), dict(zip(body.parameters, own, strict=True)))[body.root]
        elif own != args[node]:
            moved[node] = graph.add(ops[node], own, payloads[node])
        else:
            continue
        if node in places:
            places.setdefault(moved[node], places[node])
    return moved


def without_calls(graph: Graph, roots: Sequence[int]) -> tuple[Graph, list[int]]:
    """A graph without calls, and what `roots` are there: a copy, or where there are none the graph itself."""
    if core.CALL not in graph.ops:
        return graph, list(roots)
    copy = Graph(graph.dtype)
    there = Body.of(graph, roots).copy(copy)
    moved = inlined(copy, [there[root] for root in roots])
    return copy, [moved.get(there[root], there[root]) for root in roots]
