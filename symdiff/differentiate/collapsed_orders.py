"""Linear operators with derivatives of any order by collapsed propagation.

For an operator L = sum of c_a D^a, where a says by which independent scalars, there is carried up the graph, of every
node: the derivatives of which those in the operator are derivatives, and one sum, L(u). Each D^a(y) of y = f(u, v, …)
is f_u*D^a(u) + f_v*D^a(v) + … and a rest of lower derivatives; so L(y) is f_u*L(u) + f_v*L(v) + … and the sum of the
rests, and what is linear sees the sum alone. (Dangel, Siebert, Zeinhofer and Walther, "Collapsing Taylor mode automatic
differentiation", 2025.)

The lower derivatives are nested ones by all indices that are needed (`collapsed_nested`), or Taylor coefficients along
each scalar, where no derivative is by several (`collapsed_series`): fewer operations where the order is high.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from symdiff.differentiate import chain
from symdiff.differentiate.cauchy import Coefficient, added, times
from symdiff.differentiate.collapsed import FOLDED
from symdiff.differentiate.forward import tangent_of
from symdiff.differentiate.guards import Guard, Guarded, Guards
from symdiff.differentiate.partials import has_partial
from symdiff.differentiate.reverse import depending, mark
from symdiff.differentiate.taylor import Series
from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import Op, movement
from symdiff.types import BOOL

Index = tuple[int, ...]
"""The independent scalars that a derivative is by, ascending nodes; () is the function itself."""

Conditional = tuple[int, int | None]
"""A value, and the condition where it counts, which is 0 elsewhere; None for everywhere."""


def collapsed_nested(graph: Graph, outputs: Sequence[int], terms: Mapping[Index, int]) -> list[Coefficient]:
    """The operator with coefficients `terms`, nodes, applied to each output: nodes of the graph; None is a zero."""
    with graph.lock, collector_paused():
        nested = _Nested(graph, terms)
        firsts = {i[0]: c for i, c in terms.items() if len(i) == 1 and i not in nested.lower}
        sums = _summed(graph, outputs, nested.free, firsts, nested.rests)
        found = []
        for output in outputs:
            own = {(): output, **{i: value for i, (value, _) in nested.derivatives.get(output, {}).items()}}
            found.append(added(graph, [sums[output], *(times(graph, c, own.get(i)) for i, c in terms.items())]))
        return found


def collapsed_series(graph: Graph, outputs: Sequence[int], terms: Mapping[tuple[int, int], int]) -> list[Coefficient]:
    """As `collapsed_nested`, of an operator with coefficients by (independent scalar, order ≥ 1)."""
    with graph.lock, collector_paused():
        lines = {x: Series(graph, outputs, {x: graph.constant(1.0)}) for x, _ in terms}
        weights = {
            (x, order): chain.multiply(graph, graph.constant(float(math.factorial(order))), c)
            for (x, order), c in terms.items()
        }
        highest = {x: max(order for other, order in terms if other == x) for x in lines}

        def rests(node: int) -> list[Conditional]:
            found = []
            for x, k in highest.items():
                value, condition = lines[x].curved(node, k)
                if value is not None:
                    found.append((chain.multiply(graph, weights[x, k], value), condition))
            return found

        firsts = {x: weights[x, 1] for x, order in highest.items() if order == 1}
        sums = _summed(graph, outputs, list(lines), firsts, rests)
        found = []
        for output in outputs:
            lower = [(x, k) for x, k in weights if k < highest[x]]
            parts = [times(graph, weights[x, k], lines[x].coefficient(output, k)) for x, k in lower]
            found.append(added(graph, [sums[output], *parts]))
        return found


def _summed(
    graph: Graph,
    outputs: Sequence[int],
    free: Sequence[int],
    firsts: Mapping[int, int],
    rests: Callable[[int], Sequence[Conditional]],
) -> dict[int, Coefficient]:
    """What an operator makes of each output: of the nodes `free` it is `firsts`, of others what `rests` add."""
    guards, live = Guards(graph), graph.live(outputs)
    conditions: dict[int | None, Guard | None] = {None: None}
    sums: dict[int, Guarded] = {x: (c, None) for x, c in firsts.items()}
    varied = depending(graph, live, free)
    for node in live:
        if node not in varied or node in free:
            continue
        first_new = len(graph)
        operands = {a: sums[a] for a in graph.args[node] if a in sums}
        linear = tangent_of(guards, node, operands) if operands else None
        parts = [] if linear is None else [linear]
        for value, condition in rests(node):
            if condition is not None and condition not in conditions:
                conditions[condition] = guards.of(condition)
            parts.append((value, conditions[condition]))
        if parts:
            value, guard = guards.merge(parts)
            sums[node] = movement.broadcast(graph, value, graph.types[node].shape), guard
        mark(graph.places, node, node, first_new, len(graph))
    return {o: guards.masked(*sums[o]) if o in sums else None for o in outputs}


class _Nested:
    """The lower derivatives of nodes, and what they add to those of the operator.

    Attributes
    ----------
    free : the independent scalars.
    lower : the indices below those of the operator's terms.
    derivatives : by node, then by index, the lower derivatives that are not zero.
    """

    def __init__(self, graph: Graph, terms: Mapping[Index, int]) -> None:
        self.graph = graph
        self.free = sorted({x for index in terms for x in index})
        below = {part for index in terms for n in range(1, len(index)) for part in itertools.combinations(index, n)}
        self.lower = dict.fromkeys(sorted(below, key=lambda index: (len(index), index)))
        self.highest = {index: c for index, c in terms.items() if index and index not in self.lower}
        one = graph.constant(1.0)
        self.derivatives: dict[int, dict[Index, Conditional]] = {
            x: {(x,): (one, None)} for x in self.free if (x,) in self.lower
        }
        self._rules: dict[Any, _Rule] = {}
        self._simplified = Nodes(graph, self._made)

    def rests(self, node: int) -> list[Conditional]:
        """What lower derivatives of the operands add to the operator applied to a node.

        Its own lower derivatives are noted.
        """
        graph = self.graph
        op, args, types = graph.ops[node], graph.args[node], graph.types
        active = [k for k, a in enumerate(args) if has_partial(op, k) and types[a].dtype != BOOL]
        known = {k: own for k in active if (own := self.derivatives.get(args[k]))}
        if not known:
            return []
        given = tuple(
            (k, index, condition is not None) for k, own in known.items() for index, (_, condition) in own.items()
        )
        key = op, graph.payloads[node], tuple(types[a] for a in args), given
        if key not in self._rules:
            self._rules[key] = _Rule(graph, node, given, self)
        rule = self._rules[key]
        values = dict(zip(rule.places, args, strict=True))
        for (k, index), (place, guard) in rule.given.items():
            value, condition = known[k][index]
            values[place] = value
            if guard is not None and condition is not None:
                values[guard] = condition
        made = rule.body.fold(self._simplified, values)

        def placed(found: Conditional) -> Conditional:
            value, condition = found
            value = movement.broadcast(graph, made[value], types[node].shape)
            return value, None if condition is None else made[condition]

        self.derivatives[node] = {index: placed(found) for index, found in rule.lower.items()}
        parts = []
        for index, found in rule.rests.items():
            value, condition = placed(found)
            parts.append((chain.multiply(graph, self.highest[index], value), condition))
        return parts

    def _made(self, op: Op, args: tuple[int, ...], payload: Any) -> int:
        if op in FOLDED:
            return FOLDED[op](self.graph, *args)
        return chain.apply_folded(self.graph, op, args, payload)


class _Rule:
    """The derivatives of one operation by those of its operands, in a graph of its own.

    Attributes
    ----------
    places : the inputs that stand for operands.
    given : those that stand for derivatives of operands, and for the conditions where they count, by operand and index.
    lower : by index the lower derivatives.
    rests : by index those of the operator's terms, without what is linear in the same derivatives of operands.
    """

    def __init__(self, graph: Graph, node: int, given: Iterable[tuple[int, Index, bool]], nested: _Nested) -> None:
        inner = Graph(graph.dtype)
        types = [graph.types[a] for a in graph.args[node]]
        self.places = [inner.input(f"operand {k}", t.shape, t.dtype) for k, t in enumerate(types)]
        self.given: dict[tuple[int, Index], tuple[int, int | None]] = {}
        for k, index, guarded in given:
            title = f"{k} by {' '.join(map(str, index))}"
            condition = inner.input(f"condition of {title}", types[k].shape, BOOL) if guarded else None
            self.given[k, index] = inner.input(f"derivative {title}", types[k].shape, types[k].dtype), condition
        self._inner, self._guards = inner, Guards(inner)
        made = inner.add(graph.ops[node], tuple(self.places), graph.payloads[node])
        self.lower: dict[Index, Conditional] = {}
        self.rests: dict[Index, Conditional] = {}
        for found, indices, is_rest in ((self.lower, nested.lower, False), (self.rests, nested.highest, True)):
            for index in indices:
                derived = self._derived(made, index, index if is_rest else None)
                if derived is not None:
                    value, guard = derived
                    condition = None if guard is None else self._guards.condition(guard)
                    found[index] = self._guards.masked(value, guard), condition
        results = [n for both in (*self.lower.values(), *self.rests.values()) for n in both if n is not None]
        inputs = [n for both in self.given.values() for n in both if n is not None]
        self.body = Body(inner, (*self.places, *inputs), tuple(results))

    def _derived(self, made: int, index: Index, without: Index | None) -> Guarded | None:
        """A derivative of what is made, from the one by all but the last scalar; one of operands may be left out."""
        before, x = index[:-1], index[-1]
        if before and before not in self.lower:
            return None
        start = self.lower[before][0] if before else made
        tangents: dict[int, Guarded] = {}
        for (k, after), (value, condition) in self.given.items():
            below = list(after)
            if x not in below or after == without:
                continue
            below.remove(x)
            if not below:
                own = self.places[k]
            elif (k, tuple(below)) in self.given:
                own, _ = self.given[k, tuple(below)]
            else:
                continue
            tangents[own] = value, None if condition is None else self._guards.of(condition)
        if not tangents:
            return None
        live = self._inner.live([start])
        varied = depending(self._inner, live, list(tangents))
        for node in live:
            if node in varied and node not in tangents:
                tangent = tangent_of(self._guards, node, tangents)
                if tangent is not None:
                    tangents[node] = tangent
        return tangents.get(start)
