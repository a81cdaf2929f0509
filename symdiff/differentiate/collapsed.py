"""Sums of second derivatives by collapsed Taylor series.

For an operator L = sum of c_ij d_i d_j + sum of b_i d_i there is carried up the graph, of every node u: its first
derivatives by the independent nodes, and L(u) alone. Of y = f(u, v, …), L(y) is the sum of f_u*L(u), …, and of the
second derivatives f_uv times the sum of c_ij*d_i(u)*d_j(v), which is one number for each element: the second
derivatives by single directions are never there. (Dangel, Siebert, Zeinhofer and Walther, "Collapsing Taylor mode
automatic differentiation", 2025; the Laplacian alone: Li et al., "Forward Laplacian", 2023.)

The derivatives by an independent array are structured terms, as those of a Jacobian are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.differentiate import chain
from symdiff.differentiate.forward import forward, tangent_of
from symdiff.differentiate.guards import Guard, Guarded, Guards
from symdiff.differentiate.partials import Application, has_partial
from symdiff.differentiate.reverse import depending, mark
from symdiff.differentiate.structured.factors import Factor
from symdiff.differentiate.structured.pairs import contracted_pair
from symdiff.differentiate.structured.selections import tied_slice
from symdiff.differentiate.structured.sweeps import pushed
from symdiff.differentiate.structured.terms import Calculus, Term, Terms
from symdiff.differentiate.taylor import taylor_coefficients
from symdiff.ir.batching import batched
from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import Op, contraction, core, movement, reduction
from symdiff.types import BOOL

MOST_PLACES = 16
"""So many terms the derivative of a node may have: a stencil has one for each of its places."""

LINEAR = frozenset(
    (
        core.STACK,
        core.CONCATENATE,
        core.INDEX,
        core.SCATTER,
        core.BROADCAST,
        core.RESHAPE,
        core.TRANSPOSE,
        core.DIAGONAL,
        core.SUM,
        core.CUMSUM,
        core.GATHER,
        core.SCATTER_ADD,
        core.NAMED,
        core.CHECKPOINT,
        core.CHECKPOINT_ADJOINT,
    )
)
"""Operations on arrays whose second derivatives are zero."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A linear operator of second order.

    Attributes
    ----------
    pairs : (i, j, c): the term c*d_i*d_j by two independent nodes; None for the factor 1. Of an array, i = j: the sum
        over its elements, times those of c.
    firsts : (i, b): the term b*d_i.
    """

    pairs: tuple[tuple[int, int, int | None], ...]
    firsts: tuple[tuple[int, int], ...] = ()


def collapsed(graph: Graph, outputs: Sequence[int], operator: Operator) -> list[int | None]:
    """A second-order operator applied to each output: nodes appended to the graph; None is a zero."""
    with graph.lock, collector_paused():
        return _Collapsed(graph, operator).run(outputs)


class _Collapsed:
    """One walk over a graph.

    Attributes
    ----------
    calculi : by independent array: what can be done with terms that are by it.
    terms : by node, then by independent array: the node's derivatives.
    tangents : by node, then by independent number: the node's derivatives.
    seconds : by node: the operator applied to it.
    """

    def __init__(self, graph: Graph, operator: Operator) -> None:
        self.graph, self.guards, self.operator = graph, Guards(graph), operator
        self._simplified = Nodes(graph, self._made)
        self.free = list(dict.fromkeys([*(n for i, j, _ in operator.pairs for n in (i, j)), *dict(operator.firsts)]))
        arrays = [n for n in self.free if graph.types[n].shape]
        self.calculi = {n: Calculus(self.guards, graph.shape(n), MOST_PLACES, True) for n in arrays}
        self.terms: dict[int, dict[int, Terms]] = {n: {n: self.calculi[n].seed()} for n in arrays}
        one = graph.constant(1.0)
        self.tangents: dict[int, dict[int, Guarded]] = {n: {n: (one, None)} for n in self.free if n not in self.calculi}
        self.seconds: dict[int, Guarded] = {n: (b, None) for n, b in operator.firsts}
        self._forms: dict[tuple[int, int], list[Guarded]] = {}

    def run(self, outputs: Sequence[int]) -> list[int | None]:
        graph, live = self.graph, self.graph.live(outputs)
        varied = depending(graph, live, self.free)
        known = set(self.free)
        for node in live:
            if node in varied and node not in known:
                first_new = len(graph)
                self._node(node)
                mark(graph.places, node, node, first_new, len(graph))
        return [self.guards.masked(*self.seconds[o]) if o in self.seconds else None for o in outputs]

    def _node(self, node: int) -> None:
        graph = self.graph
        op, args = graph.ops[node], graph.args[node]
        active = [k for k, a in enumerate(args) if has_partial(op, k) and graph.types[a].dtype != BOOL]
        operands = dict.fromkeys(args[k] for k in active)
        for free in dict.fromkeys(f for a in operands for f in self.tangents.get(a, ())):
            given = {a: self.tangents[a][free] for a in operands if free in self.tangents.get(a, ())}
            tangent = tangent_of(self.guards, node, given)
            if tangent is not None:
                self.tangents.setdefault(node, {})[free] = tangent
        for free in dict.fromkeys(f for a in operands for f in self.terms.get(a, ())):
            found = {a: self.terms[a][free] for a in operands if free in self.terms.get(a, ())}
            terms = self._pushed(self.calculi[free], node, found)
            if terms:
                self.terms.setdefault(node, {})[free] = terms
        parts = self._curved(node, active)
        seconds = {a: self.seconds[a] for a in operands if a in self.seconds}
        linear = tangent_of(self.guards, node, seconds) if seconds else None
        if linear is not None:
            parts.insert(0, linear)
        if parts:
            value, guard = self.guards.merge(parts)
            self.seconds[node] = movement.broadcast(graph, value, graph.types[node].shape), guard

    def _pushed(self, calculus: Calculus, node: int, tangents: dict[int, Terms]) -> Terms:
        """The terms of a node; those of a slice go through its indices."""
        graph = self.graph
        if graph.ops[node] is not core.INDEX:
            return pushed(calculus, node, tangents)
        (x,) = graph.args[node]
        found: list[Term] = []
        for term in tangents[x]:
            part = tied_slice(calculus, term, node)
            found += pushed(calculus, node, {x: (term,)}) if part is None else (part,)
        return calculus.merge(found, graph.shape(node)) if found else ()

    def _curved(self, node: int, active: Sequence[int]) -> list[Guarded]:
        """What the second derivatives of an operation by its operands contribute."""
        graph = self.graph
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        if op in LINEAR:
            return []
        if op is core.EINSUM:
            pairs = [(i, j) for i in active for j in active if i < j]
            return [self._twice(part) for i, j in pairs for part in self._contractions(node, i, j)]
        if op.differential is not None:
            return self._by_directions(node, active)
        parts: list[Guarded] = []
        for i in active:
            for j, v in enumerate(args):
                if graph.types[v].dtype == BOOL or (j in active and j < i):
                    continue
                forms = self._forms_of(args[i], v)
                number = payload if isinstance(payload, int) else None
                slope = second_partial(op, number, len(args), i, j) if forms else None
                if slope is None:
                    continue
                found = [(self._spliced(slope, (*args, form)), guard) for form, guard in forms]
                parts += map(self._twice, found) if i != j and j in active else found
        return parts

    def _spliced(self, body: Body, given: Sequence[int]) -> int:
        return body.fold(self._simplified, dict(zip(body.parameters, given, strict=True)))[body.root]

    def _made(self, op: Op, args: tuple[int, ...], payload: Any) -> int:
        if op in FOLDED:
            return FOLDED[op](self.graph, *args)
        return chain.apply_folded(self.graph, op, args, payload)

    def _twice(self, part: Guarded) -> Guarded:
        return chain.multiply(self.graph, self.graph.constant(2.0), part[0]), part[1]

    # The sum of c_ij*d_i(u)*d_j(v), in parts that have a guard each

    def _forms_of(self, u: int, v: int) -> list[Guarded]:
        """For each element of u and v, which broadcast together."""
        key = (min(u, v), max(u, v))
        if key not in self._forms:
            rank = max(len(self.graph.shape(u)), len(self.graph.shape(v)))
            first, second = (tuple(range(rank - len(self.graph.shape(n)), rank)) for n in (u, v))

            def multiplied(one: Guarded, two: Guarded) -> Guarded:
                return chain.multiply(self.graph, one[0], two[0]), self._both(one[1], two[1])

            parts = self._by_numbers(u, v, multiplied)
            for free, factor in self._arrays():
                guard = self._reached(free, u) or self._reached(free, v)
                found = self._by_array(free, factor, (u, v), (first, second), (), tuple(range(rank)))
                parts += [(value, guard) for value in found]
            self._forms[key] = parts
        return self._forms[key]

    def _contractions(self, node: int, i: int, j: int) -> list[Guarded]:
        """Contracted with the other operands of a contraction of u and v."""
        graph, guards = self.graph, self.guards
        args, (labels, output) = graph.args[node], graph.payloads[node]
        u, v = args[i], args[j]
        others = [(a, own) for k, (a, own) in enumerate(zip(args, labels, strict=True)) if k not in (i, j)]

        def contracted(one: Guarded, two: Guarded) -> Guarded:
            nodes = [guards.masked(*one), guards.masked(*two), *(n for n, _ in others)]
            return contraction.einsum(graph, nodes, [labels[i], labels[j], *(own for _, own in others)], output), None

        parts = self._by_numbers(u, v, contracted)
        for free, factor in self._arrays():
            found = self._by_array(free, factor, (u, v), (labels[i], labels[j]), others, output)
            parts += [(value, None) for value in found]
        return parts

    def _arrays(self) -> list[tuple[int, int | None]]:
        return [(i, factor) for i, _, factor in self.operator.pairs if i in self.calculi]

    def _by_numbers(self, u: int, v: int, times: Callable[[Guarded, Guarded], Guarded]) -> list[Guarded]:
        """That of all pairs of independent numbers."""
        graph, parts = self.graph, list[Guarded]()
        first, second = self.tangents.get(u, {}), self.tangents.get(v, {})
        for i, j, factor in self.operator.pairs:
            for a, b in ((i, j),) if i == j or u == v else ((i, j), (j, i)):
                if a not in first or b not in second:
                    continue
                value, guard = times(first[a], second[b])
                if i != j and u != v:
                    value = chain.multiply(graph, graph.constant(0.5), value)
                parts.append((value if factor is None else chain.multiply(graph, factor, value), guard))
        return parts

    def _by_array(
        self,
        free: int,
        factor: int | None,
        pair: tuple[int, int],
        labels: tuple[Sequence[int], Sequence[int]],
        others: Sequence[Factor],
        output: Sequence[int],
    ) -> list[int]:
        """That of an independent array: the sum over its elements, each times that of `factor`."""
        graph, calculus = self.graph, self.calculi[free]
        first, second = (self.terms.get(n, {}).get(free, ()) for n in pair)
        shapes = graph.shape(pair[0]), graph.shape(pair[1])
        if factor is not None:
            others = [*others, (factor, tuple(-1 - j for j in range(len(calculus.target))))]
        parts = []
        for at, one in enumerate(first):
            for two in second[at:] if pair[0] == pair[1] else second:
                value = contracted_pair(calculus, (one, two), shapes, labels, others, output)
                if value is None:
                    continue
                if pair[0] == pair[1] and two is not one:
                    value = chain.multiply(graph, graph.constant(2.0), value)
                parts.append(value)
        return parts

    def _both(self, one: Guard | None, two: Guard | None) -> Guard | None:
        if one is None or one is two:
            return two
        return one if two is None else self.guards.under(one, self.guards.condition(two), True)

    def _reached(self, free: int, node: int) -> Guard | None:
        """Where a node varies with some element of an independent array; None for everywhere."""
        graph, calculus, shape = self.graph, self.calculi[free], self.graph.shape(node)
        whole = calculus.whole_guard(self.terms.get(node, {}).get(free, ()), shape)
        if whole is None:
            return None
        rank = len(calculus.target)
        condition = calculus.full(self.guards.condition(whole), rank + len(shape))
        return self.guards.of(reduction.reduce_over(graph, core.ANY, condition, tuple(range(rank))))

    # Other operations on arrays: the second derivatives along each direction, added up

    def _by_directions(self, node: int, active: Sequence[int]) -> list[Guarded]:
        graph, args = self.graph, self.graph.args[node]
        curve = _Curve(graph, node, [k for k in active if args[k] in self.tangents or args[k] in self.terms])
        if curve.body is None:
            return []
        parts: list[int] = []
        for i, j, factor in self.operator.pairs:
            if i in self.calculi:
                found = self._along_array(curve, i, factor)
            else:
                found = self._along_pair(curve, i, j)
                found = found if found is None or factor is None else chain.multiply(graph, factor, found)
            if found is not None:
                parts.append(found)
        return [(chain.total(graph, parts), None)] if parts else []

    def _along_pair(self, curve: _Curve, i: int, j: int) -> int | None:
        """By two numbers: half of what the sum of the two directions has more than each of them."""
        graph = self.graph
        lines: list[list[int | None]] = []
        for free in dict.fromkeys((i, j)):
            own = [self.tangents.get(a, {}).get(free) for a in curve.operands]
            lines.append([None if t is None else self.guards.masked(*t) for t in own])
        if any(all(t is None for t in line) for line in lines):
            return None
        if i == j:
            return chain.multiply(graph, graph.constant(2.0), curve.at(lines[0]))
        both = [a if b is None else b if a is None else chain.add(graph, a, b) for a, b in zip(*lines, strict=True)]
        apart = chain.add(graph, curve.at(lines[0]), curve.at(lines[1]))
        return chain.add(graph, curve.at(both), chain.negate(graph, apart))

    def _along_array(self, curve: _Curve, free: int, factor: int | None) -> int | None:
        graph, calculus = self.graph, self.calculi[free]
        size = math.prod(calculus.target)
        lines: list[int | None] = []
        for a in curve.operands:
            terms = self.terms.get(a, {}).get(free, ())
            whole = calculus.total(terms, graph.shape(a), first=True) if terms else None
            lines.append(None if whole is None else movement.reshape(graph, whole, (size, *graph.shape(a))))
        if all(line is None for line in lines):
            return None
        found = curve.along(lines, size)
        if factor is not None:
            rank = len(graph.shape(found))
            found = chain.multiply(graph, found, movement.reshape(graph, factor, (size, *(1,) * (rank - 1))))
        return chain.multiply(graph, graph.constant(2.0), reduction.sum_over(graph, found, 0))


class _Curve:
    """The second-order Taylor coefficient of one operation along a direction of some of its operands."""

    def __init__(self, graph: Graph, node: int, active: Sequence[int]) -> None:
        self.graph, args = graph, graph.args[node]
        self.operands = [args[k] for k in active]
        inner = Graph(graph.dtype)

        def inputs(name: str, nodes: Sequence[int]) -> list[int]:
            types = [graph.types[n] for n in nodes]
            return [inner.input(f"{name}{k}", t.shape, t.dtype) for k, t in enumerate(types)]

        places, self._directions = inputs("operand", args), inputs("direction", self.operands)
        made = inner.add(graph.ops[node], tuple(places), graph.payloads[node])
        seeds = dict(zip((places[k] for k in active), self._directions, strict=True))
        ((*_, second),) = taylor_coefficients(inner, [made], seeds, 2)
        self._known = dict(zip(places, args, strict=True))
        self.body = None if second is None else Body(inner, (*places, *self._directions), (second,))

    def at(self, line: Sequence[int | None]) -> int:
        """Along one direction; None is a zero."""
        assert self.body is not None
        values = {**self._known, **self._shared(line)}
        values |= {d: t for d, t in zip(self._directions, line, strict=True) if t is not None}
        return self.body.splice(self.graph, [values[p] for p in self.body.parameters])[0]

    def along(self, lines: Sequence[int | None], size: int) -> int:
        """Along each direction of a first axis."""
        assert self.body is not None
        wide = {d: t for d, t in zip(self._directions, lines, strict=True) if t is not None}
        found, has = batched(self.body, self.graph, wide, size, {**self._known, **self._shared(lines)})[self.body.root]
        return found if has else movement.broadcast(self.graph, found, (size, *self.graph.shape(found)))

    def _shared(self, line: Sequence[int | None]) -> dict[int, int]:
        zipped = zip(self._directions, line, self.operands, strict=True)
        return {d: movement.full_like(self.graph, 0.0, a) for d, t, a in zipped if t is None}


FOLDED: dict[Op, Callable[..., int]] = {core.MUL: chain.multiply, core.DIV: chain.divide, core.NEG: chain.negate}
"""What ones and signs disappear in."""


@functools.lru_cache(maxsize=2048)
def second_partial(op: Op, payload: int | None, count: int, i: int, j: int) -> Body | None:
    """A number times the derivative by operand j of the partial by operand i; None where that is zero.

    Its parameters are the operands and the number, which no branch that was not taken touches.
    """
    graph = Graph()
    kinds = op.kinds or "f" * count
    inputs = [graph.input(f"x{k}", (), BOOL if kind == "c" else None) for k, kind in enumerate(kinds)]
    guards, factor = Guards(graph), graph.input("factor")
    slope = Application(guards, graph.add(op, tuple(inputs), payload)).times(i, (factor, None))
    by = {inputs[j]: graph.constant(1.0)}
    found = None if slope is None else forward(graph, [guards.masked(*slope)], by)[0]
    return None if found is None else Body(graph, (*inputs, factor), (found,))
