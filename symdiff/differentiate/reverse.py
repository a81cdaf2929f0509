"""Reverse mode: one walk over the ids downwards."""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.differentiate.guards import Guarded, Guards
from symdiff.differentiate.partials import Application, has_partial
from symdiff.errors import Place
from symdiff.ir.graph import Graph, collector_paused
from symdiff.types import BOOL


def depending(graph: Graph, live: Sequence[int], targets: Sequence[int]) -> set[int]:
    """The nodes among `live` (ascending) whose value varies with a target, through operands that have derivatives."""
    varied = set(targets)
    ops, args = graph.ops, graph.args
    for node in live:
        if node in varied:
            continue
        operands = args[node]
        for k, a in enumerate(operands):
            if a in varied and has_partial(ops[node], k):
                varied.add(node)
                break
    return varied


def reverse(graph: Graph, output: int, seed: int, targets: Sequence[int]) -> list[int | None]:
    """Adjoints of `targets` for the adjoint `seed` of `output`: nodes appended to the graph; None is a zero.

    Each adjoint is the derivative by that target with the graph cut there, so a named line and the inputs below it
    get theirs from one walk.
    """
    with graph.lock, collector_paused():
        return _sweep(graph, output, seed, targets)


def _sweep(graph: Graph, output: int, seed: int, targets: Sequence[int]) -> list[int | None]:
    live = graph.live([output])
    varied = depending(graph, live, targets)
    guards = Guards(graph)
    wanted = set(targets)
    waiting: dict[int, list[Guarded]] = {output: [(seed, None)]} if output in varied else {}
    adjoints: dict[int, int] = {}
    types, places = graph.types, graph.places
    for node in reversed(live):
        contributions = waiting.pop(node, None)
        if contributions is None:
            continue
        first_new = len(graph)
        adjoint = guards.merge(contributions)
        if node in wanted:
            adjoints[node] = guards.masked(*adjoint)
        op, args = graph.ops[node], graph.args[node]
        application = None
        for k, a in enumerate(args):
            if a not in varied or not has_partial(op, k) or types[a].dtype == BOOL:
                continue
            if op.linear is not None:
                pullback, payload = op.linear.pullback, graph.payloads[node]
                result: Guarded | None = guards.transform(
                    adjoint, lambda g, k=k: pullback(graph, g, args, payload, k)  # type: ignore[misc]  # noqa: B023
                )
            else:
                application = application or Application(guards, node)
                result = application.times(k, adjoint)
            if result is None:
                continue
            shape = types[a].shape
            if types[result[0]].shape != shape:
                result = guards.transform(result, lambda g, shape=shape: graph.unbroadcast(g, shape))  # type: ignore[misc]
            waiting.setdefault(a, []).append(result)
        mark(places, node, output, first_new, len(graph))
    return [adjoints.get(t) for t in targets]


def mark(places: dict[int, Place], node: int, output: int, start: int, stop: int) -> None:
    """Let new nodes point at the text of the node they are a derivative of; for an input's, at that of the output."""
    place = places.get(node) or places.get(output)
    if place is None or start == stop:
        return
    derived = place if place.derived else Place(place.source, place.start, place.end, derived=True)
    for new in range(start, stop):
        places.setdefault(new, derived)
