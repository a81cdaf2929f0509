"""Forward mode: one walk over the ids upwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.differentiate.guards import Guarded, Guards
from symdiff.differentiate.partials import Application, has_partial
from symdiff.differentiate.reverse import depending, mark
from symdiff.ir.graph import Graph, collector_paused
from symdiff.types import BOOL


def forward(graph: Graph, outputs: Sequence[int], seeds: Mapping[int, int]) -> list[int | None]:
    """Tangents of `outputs` for the tangents `seeds` (node → node): nodes appended to the graph; None is a zero."""
    with graph.lock, collector_paused():
        return _sweep(graph, outputs, seeds)


def _sweep(graph: Graph, outputs: Sequence[int], seeds: Mapping[int, int]) -> list[int | None]:
    live = graph.live(outputs)
    varied = depending(graph, live, list(seeds))
    guards = Guards(graph)
    tangents: dict[int, Guarded] = {node: (seed, None) for node, seed in seeds.items()}
    types, places = graph.types, graph.places
    for node in live:
        if node not in varied or node in tangents:
            continue
        op, args = graph.ops[node], graph.args[node]
        first_new = len(graph)
        if op.linear is not None:
            tangent = _pushed(guards, node, [tangents.get(a) for a in args])
        else:
            application = Application(guards, node)
            contributions: list[Guarded] = []
            for k, a in enumerate(args):
                if a in tangents and has_partial(op, k) and types[a].dtype != BOOL:
                    result = application.times(k, tangents[a])
                    if result is not None:
                        contributions.append(result)
            if not contributions:
                continue
            tangent = guards.merge(contributions)
            shape = types[node].shape
            if types[tangent[0]].shape != shape:
                tangent = graph.broadcast(tangent[0], shape), tangent[1]
        tangents[node] = tangent
        mark(places, node, node, first_new, len(graph))
    return [guards.masked(*tangents[o]) if o in tangents else None for o in outputs]


def _pushed(guards: Guards, node: int, tangents: list[Guarded | None]) -> Guarded:
    """The tangent of a linear operation on tensors."""
    graph = guards.graph
    linear, args, payload = graph.ops[node].linear, graph.args[node], graph.payloads[node]
    assert linear is not None
    value = linear.pushforward(graph, [None if t is None else guards.masked(*t) for t in tangents], args, payload)
    if all(t is None or t[1] is None for t in tangents):
        return value, None
    holds = [None if t is None else guards.holds(*t) for t in tangents]
    node = graph.add("greater", (linear.pushforward(graph, holds, args, payload), graph.constant(0.0)))
    return value, guards.of(node)
