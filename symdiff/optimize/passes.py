"""The passes that rebuild a graph: simplification, expansion, and the fusing and numbering of what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph
from symdiff.ops.core import ADD, FMA, MUL, NEG, SUB
from symdiff.optimize.patterns import CONSTANT, RuleSet
from symdiff.optimize.rewrite import Rewriter
from symdiff.types import FLOATS

MOST_ROUNDS = 4


def simplified(graph: Graph, outputs: Sequence[int], rules: RuleSet, expand: bool = False) -> tuple[Graph, list[int]]:
    """Rebuild with constants folded, equal nodes merged and `rules` applied until none applies.

    Nodes come out simplified with respect to simplified operands, so one round does; another is made only where a
    chain of rules was cut for its depth. With `expand`, functions that stand for an expression become it.
    """
    roots = list(outputs)
    for _ in range(MOST_ROUNDS):
        rewriter = Rewriter(graph.dtype, rules, expand)
        roots = rewriter.run(graph, roots)
        graph = rewriter.graph
        if rewriter.complete:
            break
    return graph, roots


def postorder(graph: Graph, outputs: Sequence[int]) -> list[int]:
    """The nodes that `outputs` depend on, in depth-first postorder: independent of how the graph came to be."""
    args = graph.args
    done = bytearray(len(graph))
    order: list[int] = []
    stack = list(reversed(outputs))
    while stack:
        node = stack.pop()
        if node < 0:  # its operands are in the order
            order.append(~node)
        elif not done[node]:
            done[node] = 1
            operands = args[node]
            if operands:
                stack.append(~node)
                stack += operands[::-1]
            else:
                order.append(node)
    return order


def finish(graph: Graph, outputs: Sequence[int], fuse: bool = False) -> tuple[Graph, list[int]]:
    """Rebuild in canonical order, with nodes numbered by postorder.

    With `fuse`, a sum or difference of a product that is used nowhere else becomes a fused multiply-add.
    """
    order = postorder(graph, outputs)
    factors = _fused(graph, order, outputs) if fuse else {}
    fresh = Graph(graph.dtype)
    domain = Nodes(fresh)
    if factors:
        absorbed = set(factors.values())
        order = [node for node in order if node not in absorbed]
        domain = _Fused(fresh, graph, factors)
    values = Body(graph, (), outputs, order).fold(domain)
    roots = [values[node] for node in outputs]
    if factors and _has_dead(fresh, roots):
        return finish(fresh, roots)
    return fresh, roots


class _Fused(Nodes):
    """Nodes of a fresh graph, with sums and differences that have taken a product in."""

    def __init__(self, fresh: Graph, graph: Graph, factors: Mapping[int, int]) -> None:
        super().__init__(fresh)
        self.source = graph
        self.special = self.factors = factors

    def at(self, node: int, values: dict[int, int]) -> int:
        """The fused multiply-add that a sum becomes."""
        return _fma(self.graph, self.source, node, self.factors[node], values)


def _has_dead(graph: Graph, outputs: Sequence[int]) -> bool:
    """Whether there are nodes that nothing uses: a sign, say, that went into a fused operation."""
    return len(set(chain.from_iterable(graph.args)).union(outputs)) < len(graph)


def _fused(graph: Graph, order: Sequence[int], outputs: Sequence[int]) -> dict[int, int]:
    """Which product each sum and difference takes in: an operand that has no other use.

    Of two, a sum takes the first and a difference the second, whose sign often goes into a constant factor.
    """
    ops, args = graph.ops, graph.args
    uses = Body(graph, (), outputs, order).users()
    found: dict[int, int] = {}
    for node in order:
        op = ops[node]
        if op is ADD or op is SUB:
            for a in args[node] if op is ADD else args[node][::-1]:
                if ops[a] is MUL and uses[a] == 1 and graph.types[a].shape == graph.types[node].shape:
                    found[node] = a
                    break
    return found


def _fma(fresh: Graph, graph: Graph, node: int, product: int, mapping: Mapping[int, int]) -> int:
    first, second = graph.args[node]
    a, b = (mapping[x] for x in graph.args[product])
    if graph.ops[node] is ADD:
        return fresh.add(FMA, (a, b, mapping[second if product == first else first]))
    if product == first:
        return fresh.add(FMA, (a, b, _negative(fresh, mapping[second])))
    if fresh.ops[b] is CONSTANT or fresh.ops[b] is NEG:
        return fresh.add(FMA, (a, _negative(fresh, b), mapping[first]))
    return fresh.add(FMA, (_negative(fresh, a), b, mapping[first]))


def _negative(graph: Graph, node: int) -> int:
    if graph.ops[node] is CONSTANT and graph.types[node].dtype in FLOATS and not graph.types[node].shape:
        return graph.constant(-graph.payloads[node])
    return graph.args[node][0] if graph.ops[node] is NEG else graph.add(NEG, (node,))
