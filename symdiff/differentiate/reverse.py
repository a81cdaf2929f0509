"""Reverse mode: one walk over the ids downwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.differentiate.chain import LateFactors
from symdiff.differentiate.guards import Guard, Guarded, Guards
from symdiff.differentiate.partials import Application, has_partial
from symdiff.differentiate.structured.factors import product_of
from symdiff.errors import Place
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import contraction, core, movement
from symdiff.ops.core import EINSUM
from symdiff.types import BOOL

FAST = frozenset(("exp", "exp2", "exp10", "expm1", "sinh", "cosh", "gamma", "pow"))
"""Operations so large that the square of one over them soon is 0."""


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
    return reverse_all(graph, {output: [seed]}, targets)


def reverse_all(
    graph: Graph,
    seeds: Mapping[int, Sequence[int]],
    targets: Sequence[int],
    given: Mapping[int, int] | None = None,
) -> list[int | None]:
    """As `reverse`, for several outputs, each with its adjoints, in one walk.

    `given` has for adjoints the conditions where they are given: elsewhere they are 0, and touch nothing.
    """
    with graph.lock, collector_paused():
        return _sweep(graph, seeds, targets, given or {})


def _sweep(
    graph: Graph, seeds: Mapping[int, Sequence[int]], targets: Sequence[int], given: Mapping[int, int]
) -> list[int | None]:
    live, output = graph.live(seeds), next(iter(seeds))
    varied = depending(graph, live, targets)
    guards = Guards(graph)
    late = guards.late = LateFactors(graph)
    wanted = set(targets)
    waiting: dict[int, list[Guarded]] = {
        o: [guards.seeded(s, given.get(s)) for s in own] for o, own in seeds.items() if o in varied
    }
    adjoints: dict[int, int] = {}
    types, places, start = graph.types, graph.places, len(graph)
    for node in reversed(live):
        contributions = waiting.pop(node, None)
        if contributions is None:
            continue
        first_new = len(graph)
        adjoint = guards.merge(contributions)
        if node in wanted:
            adjoints[node] = guards.masked(*adjoint)
        op, args = graph.ops[node], graph.args[node]
        if op is core.NAMED:
            graph.adjoints.setdefault(adjoint[0], (graph.payloads[node], adjoint[0] >= start))
        elif op is core.CHECKPOINT and types[node].shape:  # of numbers nothing is kept
            value, known = graph.add(core.CHECKPOINT_ADJOINT, adjoint[:1]), guards.clean(adjoint[0])
            adjoint = value, adjoint[1]
            guards.note_clean(value, known)
        application = None
        if len(args) > 1 and late.holds(adjoint[0]):
            active = [a for k, a in enumerate(args) if a in varied and has_partial(op, k)]
            if len(active) > 1 and not any(graph.ops[a].name in FAST for a in active):
                late.forget(adjoint[0])
        for k, a in enumerate(args):
            if a not in varied or not has_partial(op, k) or types[a].dtype == BOOL:
                continue
            if op.differential is not None:
                result: Guarded | None = pulled(guards, node, k, adjoint)
            else:
                application = application or Application(guards, node)
                result = application.times(k, adjoint)
            if result is None:
                continue
            shape = types[a].shape
            if types[result[0]].shape != shape:
                result = guards.transform(result, lambda g, shape=shape: movement.unbroadcast(graph, g, shape))  # type: ignore[misc]
            waiting.setdefault(a, []).append(result)
        mark(places, node, output, first_new, len(graph))
    return [adjoints.get(t) for t in targets]


def pulled(guards: Guards, node: int, k: int, adjoint: Guarded) -> Guarded:
    """The adjoint of operand k of an operation on tensors."""
    graph = guards.graph
    differential = graph.ops[node].differential
    assert differential is not None
    pullback, reach = differential.pullback, differential.reach
    if adjoint[1] is None and not differential.selects:
        return pullback(graph, adjoint[0], node, k, 0), None

    def linear(g: int) -> int:
        if graph.ops[node] is EINSUM and adjoint[1] is not None:
            return _spared(guards, node, k, g, adjoint[1])
        return pullback(graph, g, node, k, 0)

    def reached(mask: int) -> int:
        return pullback(graph, mask, node, k, 0) if reach is None else reach(graph, mask, node, k, 0, False)

    # what an operation without data multiplies by is 0 and 1
    clean = reach is None or all(guards.finite(a) for a in (*graph.args[node], node))
    return guards.transform(adjoint, linear, reached, clean, differential.selects)


def _spared(guards: Guards, node: int, k: int, g: int, guard: Guard) -> int:
    """The pullback of a contraction where a factor that may be infinite or NaN never meets a zero of the guard."""
    graph = guards.graph
    labels, output = graph.payloads[node]
    sizes = dict(zip(output, graph.shape(node), strict=True))
    holds = -1
    factors: list[tuple[int, tuple[int, ...]]] = [(g, output)]
    for j, (a, own) in enumerate(zip(graph.args[node], labels, strict=True)):
        if j == k:
            continue
        if not guards.finite(a):
            if holds < 0:
                condition = graph.as_number(guards.condition(guard))
                holds = movement.broadcast(graph, condition, graph.types[node].shape)
            found = product_of(graph, [(holds, output)], own, sizes, set())
            if found is not None:
                reached = graph.add(core.GREATER, (found, graph.constant(0.0)))
                a = graph.add(core.WHERE, (reached, a, graph.constant(0.0)))
        factors.append((a, own))
    return contraction.einsum(graph, [a for a, _ in factors], [own for _, own in factors], labels[k])


def mark(places: dict[int, Place], node: int, output: int, start: int, stop: int) -> None:
    """Let new nodes point at the text of the node they are a derivative of; for an input's, at that of the output."""
    place = places.get(node) or places.get(output)
    if place is None or start == stop:
        return
    derived = place if place.derived else Place(place.source, place.start, place.end, derived=True)
    for new in range(start, stop):
        places.setdefault(new, derived)
