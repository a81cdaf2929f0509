"""Elements that are 0 whatever the inputs are: of triangles, of padded arrays, of what is multiplied by zeros."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.differentiate.chain import number_at
from symdiff.differentiate.finite import Finite
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.types import fixed

MOST_KNOWN = 10**7
"""Of larger arrays nobody looks which elements are 0."""

Mask = np.ndarray[Any, np.dtype[np.bool_]]

MOVED = frozenset(
    (
        core.INDEX,
        core.BROADCAST,
        core.TRANSPOSE,
        core.RESHAPE,
        core.CONCATENATE,
        core.STACK,
        core.SCATTER,
        core.DIAGONAL,
        core.SUM,
        core.EINSUM,
    )
)
"""What makes of numbers that are not negative some that are 0 where those are."""


class Zeros:
    """Which elements of nodes may be other than 0; `number` gives the value of a node that depends on no input."""

    def __init__(self, graph: Graph, number: Callable[[int, int], Any]) -> None:
        self.graph = graph
        self._number = number
        self._known: dict[int, Mask | None] = {}

    def other(self, node: int) -> Mask | None:
        """Where the elements of a node may be other than 0; None where all may."""
        known, stack = self._known, [node]
        while stack:
            at = stack[-1]
            if at in known:
                stack.pop()
                continue
            waiting = [a for a in self.graph.args[at] if a not in known]
            if waiting:
                stack += waiting
                continue
            found = self._of(at)
            known[at] = None if found is None or found.all() else found
        return known[node]

    def _of(self, node: int) -> Mask | None:
        graph = self.graph
        op, args, shape = graph.ops[node], graph.args[node], fixed(graph.types[node].shape)
        if not args or math.prod(shape) > MOST_KNOWN:
            values = self._number(node, math.prod(shape))
            return None if values is None else np.asarray(values != 0)
        masks = [self._known[a] for a in args]
        if op is core.NEG or op is core.NAMED or op is core.DIV:
            return None if masks[0] is None else np.broadcast_to(masks[0], shape)
        if op is core.MUL:
            some = [m for m in masks if m is not None]
            return np.broadcast_to(np.logical_and.reduce(np.broadcast_arrays(*some)), shape) if some else None
        if op is core.ADD or op is core.SUB:
            one, two = masks
            return None if one is None or two is None else one | two
        if op is core.WHERE:
            return self._chosen(node, masks)
        if op in MOVED and (op is core.SCATTER or any(m is not None for m in masks)):
            return self._moved(node, masks)
        return None

    def _chosen(self, node: int, masks: list[Mask | None]) -> Mask | None:
        """Of `where`: by the branches that are taken, where that is known."""
        graph = self.graph
        condition = graph.args[node][0]
        one, two = (np.True_ if m is None else m for m in masks[1:])
        if one is np.True_ and two is np.True_:
            return None
        holds = self._number(condition, math.prod(fixed(graph.types[condition].shape)))
        found = one | two if holds is None else np.where(holds, one, two)
        return np.broadcast_to(np.asarray(found, bool), fixed(graph.types[node].shape))

    def _moved(self, node: int, masks: list[Mask | None]) -> Mask | None:
        graph = self.graph
        operands = [
            np.ones(fixed(graph.types[a].shape)) if m is None else m.astype(float)
            for a, m in zip(graph.args[node], masks, strict=True)
        ]
        if graph.ops[node] is core.EINSUM:
            labels, _ = graph.payloads[node]
            sizes = {k: n for own, o in zip(labels, operands, strict=True) for k, n in zip(own, o.shape, strict=True)}
            if math.prod(sizes.values()) > MOST_KNOWN:
                return None
        small = Graph()
        made = small.add(graph.ops[node], tuple([small.constant(o) for o in operands]), graph.payloads[node])
        found: Mask = np.asarray(evaluate(small, [made], {})[0] != 0, bool)
        return found


def zero_scalars(graph: Graph, nodes: Sequence[int]) -> frozenset[int]:
    """Those of some scalar nodes, operands first, that are 0 whatever the inputs are.

    A product with 0 is where the other factor is finite; where that may be infinite or NaN, so may be the product.
    """
    ops, args, payloads = graph.ops, graph.args, graph.payloads
    found: set[int] = set()
    finite = Finite(graph)
    for node in nodes:
        op = ops[node]
        if op is core.CONSTANT:
            value = payloads[node]
            is_zero = isinstance(value, float) and value == 0.0
        elif not found:
            continue
        elif op is core.MUL:
            is_zero = not found.isdisjoint(args[node]) and all(a in found or finite(a) for a in args[node])
        elif op is core.DIV:
            is_zero = args[node][0] in found and bool(number_at(graph, args[node][1]))
        elif op is core.NEG or op is core.NAMED:
            is_zero = args[node][0] in found
        elif op is core.ADD or op is core.SUB:
            is_zero = found.issuperset(args[node])
        else:
            is_zero = op is core.WHERE and found.issuperset(args[node][1:])
        if is_zero:
            found.add(node)
    return frozenset(found)
