"""Edge pushing: the second derivatives of a formula in scalars, found in one reverse sweep.

Beside the adjoints the sweep carries the second derivatives of the output by pairs of nodes that it has reached, those
alone that are not 0. A node hands on its pairs to its operands by the chain rule, and adds its own second partials
times its adjoint. What is left are pairs of elements of the targets. (Gower and Mello, "A new framework for the
computation of Hessians", 2012.)
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.differentiate import chain
from symdiff.differentiate.chain import LateFactors
from symdiff.differentiate.collapsed import second_partial
from symdiff.differentiate.guards import Guarded
from symdiff.differentiate.partials import Application
from symdiff.differentiate.reverse import mark
from symdiff.differentiate.sparse.scalars import Row, Sparse
from symdiff.ir.graph import Graph

Parts = dict[int, list[Guarded]]


class Pushing(Sparse):
    """The second derivatives of a scalar node by the elements of inputs.

    Elements are known by their numbers, as -1, -2, …, so that one that is written in several ways is one. `pairs` holds
    the second derivatives by a node and others that come before it, and itself.
    """

    def __init__(self, graph: Graph, output: int, targets: Sequence[int]) -> None:
        super().__init__(graph, [output], targets)
        self.pairs: dict[int, Parts] = {}
        self.late = LateFactors(graph)

    def entries(self) -> list[dict[int, int]]:
        """The lower triangle: for each element the nodes of the derivatives by it and those before it."""
        graph, guards = self.graph, self.guards
        guards.late = self.late
        (root,) = self.roots
        waiting: Parts = {self._key(root): [(graph.constant(1.0), None)]}
        for node, operands in reversed(self.operands.items()):
            parts = waiting.pop(node, None)
            if parts is None:
                continue
            first_new = len(graph)
            application = Application(guards, node)
            own = [(k, self._key(a)) for k, a in operands]
            adjoint = guards.merge(parts)
            self._push(application, own, self.pairs.pop(node, {}))
            self._create(application, own, adjoint)
            if len(graph.args[node]) > 1:
                self._settle(self.late, node, {0: adjoint})
            for k, a in own:
                self._spread(application, k, {a: adjoint}, waiting)
            mark(graph.places, node, node, first_new, len(graph))
        rows = []
        for number in range(self.elements.count):
            found = self.pairs.get(-1 - number, {})
            rows.append({-1 - a: guards.masked(*guards.merge(p)) for a, p in found.items()})
        return _lower(rows)

    def _key(self, node: int) -> int:
        column = self.columns.get(node)
        return node if column is None else -1 - column

    def _add(self, a: int, b: int, part: Guarded, twice: bool) -> None:
        """Add to the second derivative by a and b, what there is of it in both orders, or twice where they are one."""
        if twice and a == b:
            part = chain.multiply(self.graph, self.graph.constant(2.0), part[0]), part[1]
        self.pairs.setdefault(max(a, b), {}).setdefault(min(a, b), []).append(part)

    def _push(self, application: Application, own: Sequence[tuple[int, int]], pairs: Parts) -> None:
        """Hand on the second derivatives by a node and others."""
        node, guards = application.node, self.guards
        merged: Row = {other: guards.merge(p) for other, p in pairs.items()}
        if len(self.graph.args[node]) > 1:
            self._settle(self.late, node, merged)
        both = merged.pop(node, None)
        for at, (k, a) in enumerate(own):
            found: Parts = {}
            self._spread(application, k, merged, found)
            for other, (part,) in found.items():
                self._add(a, other, part, True)
            if both is None:
                continue
            once = application.times(k, both)
            if once is None:
                continue
            for j, b in own[at:]:
                twice = application.times(j, once)
                if twice is not None:
                    self._add(a, b, twice, j != k)

    def _create(self, application: Application, own: Sequence[tuple[int, int]], adjoint: Guarded) -> None:
        """Add the second partials of a node."""
        graph = self.graph
        value, guard = adjoint
        args = graph.args[application.node]
        for at, (k, a) in enumerate(own):
            for j, b in own[at:]:
                body = second_partial(application.op, application.payload, len(args), k, j)
                if body is None:
                    continue
                given = dict(zip(body.parameters, (*args, value), strict=True))
                part = body.fold(self.guards.folded, given)[body.root]
                self._add(a, b, (part, guard), j != k)


def _lower(rows: Sequence[dict[int, int]]) -> list[dict[int, int]]:
    """The same by rows: pairs are kept where the number is smaller, as it stands for what comes later."""
    found: list[dict[int, int]] = [{} for _ in rows]
    for first, row in enumerate(rows):
        for second, node in row.items():
            found[max(first, second)][min(first, second)] = node
    return [dict(sorted(row.items())) for row in found]
