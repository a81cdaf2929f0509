"""Indices in a branch that is not taken: they are 0 there, so that they cannot be out of range.

`where(k < n, x[k], 0)` asks for `x[k]` where `k < n` alone. Elements are read for every point of a batch, though, and
an index out of range is an error; so an index becomes `where(k < n, k, 0)`. The walk goes down from the results and
keeps for each node when it is needed: a set of cases, each a set of conditions. What is needed in too many cases is
always needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.ops.core import GATHER, WHERE
from symdiff.types import broadcast_shapes, fixed

LAZY = {core.LOGICAL_AND: True, core.LOGICAL_OR: False}
"""The operators whose second operand is needed where the first is this."""

MOST_CASES = 8


class Literal(NamedTuple):
    """A condition that holds, or does not; `anywhere`: at one of its elements at least."""

    condition: int
    holds: bool
    anywhere: bool = False


Cases = frozenset[frozenset[Literal]]
ALWAYS: Cases = frozenset((frozenset(),))


def clamp(graph: Graph, roots: Sequence[int]) -> Mapping[int, int]:
    """What takes the place of nodes so that indices which are not needed are 0; nothing where there are none."""
    if GATHER not in graph.ops:
        return {}
    live = graph.live(roots)
    below: set[int] = set()  # the nodes that depend on an element chosen by an index that is no constant
    for node in live:
        args = graph.args[node]
        chosen = graph.ops[node] is GATHER and graph.ops[args[1]] is core.AS_INDEX
        if chosen or any(a in below for a in args):
            below.add(node)
    if not any(graph.ops[node] is WHERE or graph.ops[node] in LAZY for node in below):
        return {}
    needed = _needed(graph, live, below, roots)
    guarded = {
        node: needed[node]
        for node in live
        if graph.ops[node] is GATHER
        and graph.ops[graph.args[node][1]] is core.AS_INDEX
        and node in needed
        and frozenset() not in needed[node]
    }
    return _rebuilt(graph, live, guarded) if guarded else {}


def _needed(graph: Graph, live: Sequence[int], below: set[int], roots: Sequence[int]) -> dict[int, Cases]:
    """When each node that depends on a chosen element is needed."""
    needed = dict.fromkeys([r for r in roots if r in below], ALWAYS)
    for node in reversed(live):
        cases = needed.get(node)
        if cases is None:
            continue
        op, args = graph.ops[node], graph.args[node]
        for k, arg in enumerate(args):
            if arg not in below:
                continue
            more = [Literal(args[0], k == 1)] if op is WHERE and k else []
            more += [Literal(args[0], LAZY[op])] if op in LAZY and k else []
            elementwise = bool(op.kinds) or op is core.NAMED
            own = frozenset(frozenset(_fit(graph, x, arg, elementwise) for x in (*case, *more)) for case in cases)
            needed[arg] = _either(needed.get(arg, frozenset()), own)
    return needed


def _fit(graph: Graph, literal: Literal, arg: int, elementwise: bool) -> Literal:
    """A condition of a result as one of an operand: element by element where that can be said."""
    own, shape = fixed(graph.types[literal.condition].shape), fixed(graph.types[arg].shape)
    if literal.anywhere or not own:
        return literal
    if elementwise and len(own) <= len(shape) and broadcast_shapes("where", [own, shape]) == shape:
        return literal
    return literal._replace(anywhere=True)


def _either(one: Cases, other: Cases) -> Cases:
    """The cases of both, without those that others contain."""
    both = one | other
    kept = frozenset(case for case in both if not any(less < case for less in both))
    return kept if len(kept) <= MOST_CASES else ALWAYS


def _rebuilt(graph: Graph, live: Sequence[int], guarded: dict[int, Cases]) -> dict[int, int]:
    order = _order(graph, live, guarded)
    made: dict[int, int] = {}
    for node in order:
        args = tuple(made.get(a, a) for a in graph.args[node])
        if node in guarded:
            x, index = args
            number = graph.args[index][0]
            needed = _condition(graph, guarded[node], node, made)
            zero = graph.constant(0.0)
            args = x, indexing.as_index(graph, graph.apply(core.WHERE, (needed, number, zero)))
        if args != graph.args[node]:
            new = made[node] = graph.add(graph.ops[node], args, graph.payloads[node])
            if node in graph.places:
                graph.places.setdefault(new, graph.places[node])
    return made


def _order(graph: Graph, live: Sequence[int], guarded: dict[int, Cases]) -> list[int]:
    """The nodes so that those come first which others are made of, the conditions of guarded ones among them.

    A node whose own condition depends on it is taken out of `guarded`.
    """
    after: dict[int, set[int]] = {node: set() for node in live}
    missing: dict[int, int] = {}
    for node in live:
        wanted = {*graph.args[node], *(x.condition for case in guarded.get(node, ()) for x in case)}
        missing[node] = len(wanted)
        for other in wanted:
            after[other].add(node)
    ready = [node for node in reversed(live) if not missing[node]]
    order: list[int] = []
    while ready:
        node = ready.pop()
        order.append(node)
        for user in sorted(after[node], reverse=True):
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    if len(order) == len(live):
        return order
    done = set(order)
    for node in [n for n in guarded if n not in done]:
        del guarded[node]
    return _order(graph, live, guarded)


def _condition(graph: Graph, cases: Cases, node: int, made: Mapping[int, int]) -> int:
    """When a chosen element is needed, for each index that chooses."""
    result: int | None = None
    for case in sorted(cases, key=sorted):
        both: int | None = None
        for literal in sorted(case):
            condition = made.get(literal.condition, literal.condition)
            condition = condition if literal.holds else graph.apply(core.LOGICAL_NOT, (condition,))
            condition = _for_index(graph, condition, node, literal.anywhere)
            both = condition if both is None else graph.apply(core.LOGICAL_AND, (both, condition))
        assert both is not None
        result = both if result is None else graph.apply(core.LOGICAL_OR, (result, both))
    assert result is not None
    return result


def _for_index(graph: Graph, condition: int, node: int, anywhere: bool) -> int:
    """A condition of the elements as one of the indices: whether it holds for one of the elements they choose."""
    shape = fixed(graph.types[condition].shape)
    if not shape:
        return condition
    if anywhere:
        return graph.add(core.ANY, (condition,), tuple(range(len(shape))))
    axis, whole = graph.payloads[node], fixed(graph.types[node].shape)
    stop = axis + len(fixed(graph.types[graph.args[node][1]].shape))
    others = tuple(k for k in range(len(whole)) if not axis <= k < stop)
    condition = movement.broadcast(graph, condition, whole)
    return graph.add(core.ANY, (condition,), others) if others else condition
