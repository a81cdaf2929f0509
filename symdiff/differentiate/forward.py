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
        if op.differential is not None:
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
    """The tangent of an operation on tensors: one call for all tangents that have no guard, one for each other."""
    graph = guards.graph
    differential = graph.ops[node].differential
    assert differential is not None
    pushforward, reach = differential.pushforward, differential.reach
    active = [None if t is None or not differential.has(k) else t for k, t in enumerate(tangents)]
    free = [k for k, t in enumerate(active) if t is not None and t[1] is None]
    if differential.selects and len(free) == 1:
        free = []
    parts: list[Guarded] = []
    if free:
        values = [t[0] if t and k in free else None for k, t in enumerate(active)]
        parts.append((pushforward(graph, values, node, 0), None))
    for k, t in enumerate(active):
        if t is None or k in free:
            continue

        def alone(value: int, k: int = k) -> int:
            return pushforward(graph, [value if j == k else None for j in range(len(active))], node, 0)

        def reached(mask: int, k: int = k) -> int:
            return alone(mask, k) if reach is None else reach(graph, mask, node, k, 0, True)

        clean = reach is None or all(guards.finite(a) for a in (*graph.args[node], node))
        parts.append(guards.transform(t, alone, reached, clean, differential.selects))
    return guards.merge(parts)
