"""Jacobians of scalars by elimination: neither forward nor reverse, but in an order that the graph itself suggests.

The linearized graph has an edge from each operand to its operation, which carries the local partial derivative. To
eliminate a vertex is to add to each pair of an edge into it and an edge out of it the product of the two, as an edge
past it. When all vertices between inputs and outputs are gone, the edges left are the Jacobian. Forward and reverse
mode are two of the orders; the best order is hard to find, and greedy ones are often much better than both (Griewank
and Walther, Evaluating Derivatives, chapters 9 and 10).

Orders are tried on numbers (`Tally`): every product and sum has a number, equal ones have the same, factors 1 and -1
cost nothing. Only the best order makes nodes (`Emission`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from symdiff.differentiate.chain import divide, elements, multiply, negate, number_at, scalars_of
from symdiff.differentiate.guards import Guard, Guarded, Guards
from symdiff.differentiate.partials import Application, has_partial
from symdiff.differentiate.reverse import depending, mark
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops.core import CONSTANT, DIV, INPUT, MUL, NEG
from symdiff.types import BOOL, fixed, product

V = TypeVar("V")
Nodes = np.ndarray[Any, Any]

FIRST_BETWEEN = 1 << 40
"""The numbers of vertices that are no nodes."""

LARGEST_SEARCH = 2000
"""Where more vertices are to be eliminated, one order is tried."""


class Linearized:
    """The linearized graph of some outputs by elements of some targets; its partials are appended to the graph.

    Attributes
    ----------
    independents : for each target the nodes of its elements, in C order.
    dependents : the nodes of all elements of all outputs. The vertex of the k-th is ~k; an edge with the partial 1
        leads there, so that an output which others need can be eliminated as the rest.
    vertices : what is to be eliminated, operands first.
    into : for each vertex its edges, by operand.
    waits : vertices that are eliminated after others. On the way from b to a quotient y = a/b there is such a vertex:
        the edge to it carries 1/b, that out of it -y, and these are not multiplied before the derivative of b came to
        1/b, because (b'/b)*y is a number where y/b, of a small b, is none.
    nodes : for such a vertex the operation that it leads to.
    """

    def __init__(self, graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> None:
        self.graph = graph
        self.guards = Guards(graph)
        self.independents = [[int(n) for n in elements(graph, t).ravel()] for t in targets]
        self.dependents = [n for o in outputs for n in scalars_of(graph, o, targets)]
        self.into: dict[int, dict[int, Guarded]] = {}
        self.applied: dict[tuple[int, int], tuple[Application, int]] = {}
        """For an edge (operand, operation) the partial that it is, where the operand stands in one place."""
        self.waits: dict[int, int] = {}
        self.nodes: dict[int, int] = {}
        sources = [n for nodes in self.independents for n in nodes]
        live = graph.live(self.dependents)
        varied = depending(graph, live, sources)
        ends = frozenset(sources)
        with graph.lock, collector_paused():
            for node in live:
                if node in varied and node not in ends:
                    self._add(node, varied, ends)
        self.vertices = list(self.into)
        one = graph.constant(1.0)
        for k, node in enumerate(self.dependents):
            if node in varied:
                self.into[~k] = {node: (one, None)}

    def _add(self, node: int, varied: set[int], ends: frozenset[int]) -> None:
        graph = self.graph
        op, args = graph.ops[node], graph.args[node]
        first_new = len(graph)
        one = (graph.constant(1.0), None)
        application = Application(self.guards, node)
        found: dict[int, list[Guarded]] = {}
        for k, a in enumerate(args):
            if a in varied and has_partial(op, k) and graph.types[a].dtype != BOOL:
                partial = application.times(k, one)
                if partial is not None:
                    found.setdefault(a, []).append(partial)
                    self.applied[a, node] = application, k
        edges: dict[int, Guarded] = {}
        for a, partials in found.items():
            edge = self.guards.merge(partials)
            if len(partials) > 1:
                del self.applied[a, node]
            elif a not in ends and application.is_quotient(self.applied[a, node][1]):
                a, edge = self._between(a, node, edge)
            edges[a] = edge
        self.into[node] = edges
        mark(graph.places, node, node, first_new, len(graph))

    def _between(self, a: int, node: int, edge: Guarded) -> tuple[int, Guarded]:
        """The vertex between an operand and a quotient, and the edge out of it; those as they were where none fits."""
        graph, (value, guard) = self.graph, edge
        negative = graph.ops[value] is NEG
        whole = graph.args[value][0] if negative else value
        if graph.ops[whole] is not MUL or graph.args[whole][1] != node:
            return a, edge
        vertex = FIRST_BETWEEN + len(self.waits)
        self.waits[vertex], self.nodes[vertex] = a, node
        self.into[vertex] = {a: (graph.args[whole][0], guard)}
        del self.applied[a, node]
        return vertex, (negate(graph, node) if negative else node, None)

    @property
    def edges(self) -> int:
        """How many edges there are between vertices."""
        return sum(len(self.into[node]) for node in self.vertices)


def can_eliminate(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> bool:
    """Whether the derivatives of scalars, and of lists of them, can be found so.

    Not where one target depends on another, whose paths would be cut there, or where elements of a named line are read.
    """
    above = [t for t in targets if graph.ops[t] is not INPUT]
    if above and not set(targets).isdisjoint(graph.live([a for t in above for a in graph.args[t]])):
        return False
    live = graph.live([n for o in outputs for n in scalars_of(graph, o, targets)])
    return not any(graph.types[n].shape and graph.ops[n] not in (INPUT, CONSTANT) and n not in targets for n in live)


class Elimination(Generic[V]):
    """Edges with values that can be multiplied and added, and the elimination of vertices between them."""

    def __init__(self, into: dict[int, dict[int, V]], sources: Iterable[int]) -> None:
        self.into = into
        self.out: dict[int, dict[int, V]] = {node: {} for node in (*sources, *into)}
        for node, edges in into.items():
            for a, value in edges.items():
                self.out[a][node] = value

    def eliminate(self, vertex: int) -> tuple[dict[int, V], dict[int, V]]:
        """Eliminate a vertex; the edges that it had are returned."""
        before, after = self.into.pop(vertex), self.out.pop(vertex)
        for a in before:
            del self.out[a][vertex]
        for b in after:
            del self.into[b][vertex]
        self.join(vertex, before, after)
        return before, after

    def join(self, vertex: int, before: dict[int, V], after: dict[int, V]) -> None:
        """Add the products of edges before and after a vertex to the edges past it."""
        raise NotImplementedError


class Tally(Elimination[int]):
    """Elimination of numbers that stand for values: negative ones for negatives, 1 for one.

    Attributes
    ----------
    terms : what the numbers stand for: ("leaf", node), ("mul", a, b), ("add", a, b).
    """

    def __init__(self, linearized: Linearized) -> None:
        self.terms: list[tuple[Any, ...]] = [(), ("leaf", -1)]
        self.numbers: dict[tuple[Any, ...], int] = {}
        leaf = {n: self._leaf(linearized.graph, n) for edges in linearized.into.values() for n, _ in edges.values()}
        into = {node: {a: leaf[n] for a, (n, _) in edges.items()} for node, edges in linearized.into.items()}
        super().__init__(into, dict.fromkeys(n for nodes in linearized.independents for n in nodes))

    def _number(self, term: tuple[Any, ...]) -> int:
        found = self.numbers.get(term)
        if found is None:
            found = self.numbers[term] = len(self.terms)
            self.terms.append(term)
        return found

    def _leaf(self, graph: Graph, node: int) -> int:
        value = number_at(graph, node)
        if value == 1.0 or value == -1.0:
            return int(value)
        if graph.ops[node] is NEG:
            return -self._number(("leaf", graph.args[node][0]))
        return self._number(("leaf", node))

    def multiply(self, a: int, b: int) -> int:
        """The number of a product."""
        sign = -1 if (a < 0) is not (b < 0) else 1
        a, b = abs(a), abs(b)
        if a == 1 or b == 1:
            return sign * a * b
        return sign * self._number(("mul", a, b) if a < b else ("mul", b, a))

    def add(self, a: int, b: int) -> int:
        """The number of a sum."""
        if abs(a) > abs(b):
            a, b = b, a
        return self._number(("add", a, b)) if a > 0 else -self._number(("add", -a, -b))

    def join(self, vertex: int, before: dict[int, int], after: dict[int, int]) -> None:
        """Add the products of edges before and after a vertex to the edges past it."""
        into, multiply = self.into, self.multiply
        for a, first in before.items():
            out = self.out[a]
            for b, second in after.items():
                value = multiply(first, second)
                if b in out:
                    value = self.add(out[b], value)
                out[b] = into[b][a] = value

    def operations(self) -> int:
        """Multiplications and additions that the edges now take; a product that only a sum needs is part of it."""
        terms, uses = self.terms, dict[int, int]()
        stack = [abs(value) for edges in self.into.values() for value in edges.values()]
        while stack:
            at = stack.pop()
            uses[at] = uses.get(at, 0) + 1
            if uses[at] == 1 and terms[at][0] != "leaf":
                stack += (abs(terms[at][1]), abs(terms[at][2]))
        count = 0
        for at in uses:
            kind, *args = terms[at]
            if kind != "leaf":
                fused = kind == "add" and any(terms[abs(a)][0] == "mul" and uses[abs(a)] == 1 for a in args)
                count += not fused
        return count


Key = Callable[[Tally, int], tuple[float, ...]]
"""How early a vertex is to be eliminated: the smallest first."""


def _pairs(tally: Tally, vertex: int) -> int:
    """The degree of Markowitz: how many products eliminating a vertex takes."""
    return len(tally.into[vertex]) * len(tally.out[vertex])


def _products(tally: Tally, vertex: int) -> int:
    """The same without factors 1 and -1."""
    before, after = tally.into[vertex].values(), tally.out[vertex].values()
    return sum([v * v != 1 for v in before]) * sum([v * v != 1 for v in after])


def _new_operations(tally: Tally, vertex: int) -> int:
    """Products and sums that eliminating a vertex takes and that were not made yet."""
    count, numbers = 0, tally.numbers
    after = [(b, abs(v)) for b, v in tally.out[vertex].items()]
    for a, value in tally.into[vertex].items():
        first, out = abs(value), tally.out[a]
        for b, second in after:
            made = first != 1 and second != 1 and ("mul", min(first, second), max(first, second)) not in numbers
            count += made or b in out
    return count


def _reached(linearized: Linearized) -> dict[int, int]:
    """For each vertex, how many entries of the Jacobian it lies on the way of."""
    vertices, into = linearized.vertices, linearized.into
    reaching: dict[int, int] = {}
    for k, node in enumerate(n for nodes in linearized.independents for n in nodes):
        reaching[node] = 1 << k
    for node in vertices:
        mask = 0
        for a in into[node]:
            mask |= reaching[a]
        reaching[node] = mask
    needed: dict[int, int] = {}
    for k in range(len(linearized.dependents)):
        for a in into.get(~k, ()):
            needed[a] = needed.get(a, 0) | 1 << k
    for node in reversed(vertices):
        for a in into[node]:
            needed[a] = needed.get(a, 0) | needed.get(node, 0)
    return {node: reaching[node].bit_count() * needed.get(node, 0).bit_count() for node in vertices}


def _greedy(linearized: Linearized, key: Key, most: float) -> tuple[int, list[int]] | None:
    """The operations of the order in which the vertex with the smallest key is next, and the order.

    None where more than `most` terms are made.
    """
    tally = Tally(linearized)
    given = len(tally.terms)
    waits = linearized.waits
    keys: dict[int, tuple[float, ...]] = {}
    heap: list[tuple[tuple[float, ...], int]] = []
    order: list[int] = []

    def look(vertices: Iterable[int]) -> None:
        for vertex in vertices:
            if vertex in waits and (waits[vertex] in tally.into or vertex not in tally.into):
                continue
            found = key(tally, vertex)
            if keys.get(vertex) != found:
                keys[vertex] = found
                heapq.heappush(heap, (found, vertex))

    look(linearized.vertices)
    while heap:
        found, vertex = heapq.heappop(heap)
        if keys.get(vertex) != found:
            continue
        del keys[vertex]
        order.append(vertex)
        before, after = tally.eliminate(vertex)
        if len(tally.terms) - given > most:
            return None
        look([n for n in (*before, *after) if n in keys or n in waits])
    return tally.operations(), order


def operations_in(linearized: Linearized, order: Sequence[int]) -> int:
    """The operations of an order of elimination: ascending, that of forward mode, descending that of reverse mode."""
    tally = Tally(linearized)
    for vertex in order:
        tally.eliminate(vertex)
    return tally.operations()


def best_order(linearized: Linearized, most: float = float("inf")) -> tuple[int, list[int]] | None:
    """The operations of the best of some greedy orders, and the order; None where all take more than `most`."""

    def markowitz(tally: Tally, vertex: int) -> tuple[float, ...]:
        return _pairs(tally, vertex), -vertex  # of equals that nearest to the outputs

    if len(linearized.vertices) > LARGEST_SEARCH:
        return _greedy(linearized, markowitz, most)
    reached = _reached(linearized)
    keys: list[Key] = [
        markowitz,
        # relative to what the entries that the vertex lies on the way of would take without it
        lambda tally, vertex: (_pairs(tally, vertex) - reached[vertex],),
        lambda tally, vertex: (_products(tally, vertex) / (reached[vertex] or 1), _pairs(tally, vertex)),
        # what was made already is free
        lambda tally, vertex: (_new_operations(tally, vertex), _pairs(tally, vertex), -vertex),
    ]
    found = [result for key in keys if (result := _greedy(linearized, key, most)) is not None]
    return min(found, key=lambda result: result[0], default=None)


class Emission(Elimination[list[Guarded]]):
    """Elimination of derivatives as nodes: a value is a list of contributions, which are added when it is used."""

    def __init__(self, linearized: Linearized) -> None:
        self.graph, self.guards = linearized.graph, linearized.guards
        self.applied, self.nodes = dict(linearized.applied), linearized.nodes
        into = {node: {a: [value] for a, value in edges.items()} for node, edges in linearized.into.items()}
        super().__init__(into, dict.fromkeys(n for nodes in linearized.independents for n in nodes))

    def join(self, vertex: int, before: dict[int, list[Guarded]], after: dict[int, list[Guarded]]) -> None:
        """Add the products of edges before and after a vertex to the edges past it."""
        graph, merge, places = self.graph, self.guards.merge, self.graph.places
        first_new = len(graph)
        later = {b: merge(values) for b, values in after.items()}
        for a, values in before.items():
            first = merge(values)
            out = self.out[a]
            for b, second in later.items():
                # a partial that meets one value is carried out on it, factor by factor, as in forward mode
                application = self.applied.get((vertex, b)) if len(before) == 1 else None
                if application is None:
                    made: Guarded | None = self._multiplied(first, second, len(before) == 1)
                else:
                    made = application[0].times(application[1], first)
                if made is None:
                    continue
                if b in out:
                    out[b].append(made)
                    self.applied.pop((a, b), None)
                else:
                    out[b] = self.into[b][a] = [made]
        node = self.nodes.get(vertex, vertex)
        mark(places, node, node, first_new, len(graph))

    def _multiplied(self, first: Guarded, second: Guarded, alone: bool) -> Guarded:
        """The product; by a reciprocal that no other edge is multiplied by, the quotient."""
        graph, guard, node = self.graph, self._both(first[1], second[1]), second[0]
        if alone and graph.ops[node] is DIV and number_at(graph, graph.args[node][0]) == 1.0:
            return divide(graph, first[0], graph.args[node][1]), guard
        return multiply(graph, first[0], node), guard

    def _both(self, first: Guard | None, second: Guard | None) -> Guard | None:
        """The guard that holds where both do."""
        if first is None or second is None:
            return second if first is None else first
        path: list[Guard] = []
        at: Guard | None = second
        while at is not None:
            path.append(at)
            at = at.parent
        result: Guard | None = first
        for step in reversed(path):
            result = self.guards.under(result, step.condition, step.holds)
        return result

    def derivatives(self, end: int) -> dict[int, int]:
        """What the edges to an end carry: the nodes of the derivatives, by inputs; those that are missing are zeros."""
        return {a: self.guards.masked(*self.guards.merge(values)) for a, values in self.into.get(end, {}).items()}


def eliminated(
    linearized: Linearized, order: Sequence[int], outputs: Sequence[int], targets: Sequence[int]
) -> list[list[Nodes]]:
    """The derivative of every output by every target, [i][j] an array of nodes of shape S_i + T_j."""
    graph = linearized.graph
    emission = Emission(linearized)
    blocks: list[list[Nodes]] = []
    with graph.lock, collector_paused():
        for vertex in order:
            emission.eliminate(vertex)
        zero = graph.constant(0.0)
        columns: dict[int, list[tuple[int, int]]] = {}
        for i, sources in enumerate(linearized.independents):
            for j, source in enumerate(sources):
                columns.setdefault(source, []).append((i, j))
        end = 0
        for output in outputs:
            shape = fixed(graph.types[output].shape)
            count = product(shape)
            row = [np.full((count, len(sources)), zero, object) for sources in linearized.independents]
            for k in range(count):
                for source, derivative in emission.derivatives(~(end + k)).items():
                    for i, j in columns[source]:
                        row[i][k, j] = derivative
            end += count
            parts = zip(row, targets, strict=True)
            blocks.append([block.reshape(shape + fixed(graph.types[t].shape)) for block, t in parts])
    return blocks
