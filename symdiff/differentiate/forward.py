"""Forward mode: one walk over the ids upwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from symdiff.differentiate.guards import Guarded, Guards
from symdiff.differentiate.partials import Application, has_partial
from symdiff.differentiate.reverse import depending, mark
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import movement
from symdiff.ops.core import CHECKPOINT, INDEX
from symdiff.types import BOOL


def forward(
    graph: Graph, outputs: Sequence[int], seeds: Mapping[int, int], given: Mapping[int, int] | None = None
) -> list[int | None]:
    """Tangents of `outputs` for the tangents `seeds` (node → node): nodes appended to the graph; None is a zero.

    `given` has for seeds the conditions where they are given: elsewhere they are 0, and touch nothing.
    """
    with graph.lock, collector_paused():
        live = graph.live(outputs)
        varied = depending(graph, live, list(seeds))
        return _sweep(graph, [node for node in live if node in varied], outputs, seeds, given or {})


class ForwardSweeps:
    """Forward sweeps over the same outputs, of which each looks only at what varies with its seed.

    Where all derivatives by many elements are taken, and each output depends on few, a walk over the whole graph for
    every element would cost the square of their number.
    """

    def __init__(self, graph: Graph, outputs: Sequence[int]) -> None:
        self.graph = graph
        self.outputs = outputs
        self._users: dict[int, list[int]] = {}
        self._last = dict(zip(outputs, range(len(outputs)), strict=True))
        ops, args, users, last = graph.ops, graph.args, self._users, self._last
        live = graph.live(outputs)
        for node in live:
            for a in dict.fromkeys(a for k, a in enumerate(args[node]) if has_partial(ops[node], k)):
                users.setdefault(a, []).append(node)
        for node in reversed(live):
            for a in args[node]:
                last[a] = max(last.get(a, 0), last[node])

    def by_element(self, target: int, index: tuple[int, ...], start: int = 0) -> list[int | None]:
        """Tangents of the outputs from `start` on, by one element of a node; None is a zero."""
        return self.by_elements([(target, index)], start)

    def by_elements(self, places: Sequence[tuple[int, tuple[int, ...]]], start: int = 0) -> list[int | None]:
        """As `by_element`, by the sum of several elements, no two of which one output depends on."""
        graph = self.graph
        by_target: dict[int, set[tuple[int, ...]]] = {}
        for target, index in places:
            by_target.setdefault(target, set()).add(index)
        one, seeds = graph.constant(1.0), dict[int, int]()
        with graph.lock, collector_paused():
            for target, indices in by_target.items():
                shape, users = graph.shape(target), self._users.get(target, [])
                if not shape:
                    seeds[target] = one
                elif any(graph.ops[node] is not INDEX or graph.types[node].shape for node in users):
                    seeds[target] = units(graph, shape, indices)
                else:
                    seeds |= {node: one for node in users if graph.payloads[node] in indices}
            return self._by(seeds, start)

    def _by(self, seeds: Mapping[int, int], start: int) -> list[int | None]:
        last, found, stack = self._last, set(seeds), list(seeds)
        while stack:
            for node in self._users.get(stack.pop(), ()):
                if node not in found and last[node] >= start:
                    found.add(node)
                    stack.append(node)
        return _sweep(self.graph, sorted(found), self.outputs[start:], seeds)


def units(graph: Graph, shape: tuple[int, ...], indices: Iterable[tuple[int, ...]]) -> int:
    """The constant that is 1 at some places of a shape and 0 elsewhere."""
    seed = np.zeros(shape)
    for index in indices:
        seed[index] = 1.0
    return graph.constant(seed)


def _sweep(
    graph: Graph,
    varied: Sequence[int],
    outputs: Sequence[int],
    seeds: Mapping[int, int],
    given: Mapping[int, int] = MappingProxyType({}),
) -> list[int | None]:
    guards = Guards(graph)
    tangents: dict[int, Guarded] = {n: guards.seeded(seed, given.get(seed)) for n, seed in seeds.items()}
    places = graph.places
    for node in varied:
        if node in tangents:
            continue
        first_new = len(graph)
        tangent = tangent_of(guards, node, tangents)
        if tangent is None:
            continue
        if graph.ops[node] is CHECKPOINT and graph.types[node].shape:  # whose tangent is kept where it is
            value = graph.add(CHECKPOINT, (tangent[0], node))
            guards.note_clean(value, guards.clean(tangent[0]))
            tangent = value, tangent[1]
        tangents[node] = tangent
        mark(places, node, node, first_new, len(graph))
    return [guards.masked(*tangents[o]) if o in tangents else None for o in outputs]


def tangent_of(guards: Guards, node: int, tangents: Mapping[int, Guarded]) -> Guarded | None:
    """The tangent of a node, given those of its operands; None is a zero."""
    graph = guards.graph
    op, args, types = graph.ops[node], graph.args[node], graph.types
    if op.differential is not None:
        return _pushed(guards, node, [tangents.get(a) for a in args])
    application = Application(guards, node)
    contributions: list[Guarded] = []
    for k, a in enumerate(args):
        if a in tangents and has_partial(op, k) and types[a].dtype != BOOL:
            result = application.times(k, tangents[a])
            if result is not None:
                contributions.append(result)
    if not contributions:
        return None
    value, guard = guards.merge(contributions)
    shape = types[node].shape
    return (value if types[value].shape == shape else movement.broadcast(graph, value, shape)), guard


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
