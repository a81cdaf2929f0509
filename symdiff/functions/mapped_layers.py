"""Calls of functions with derivatives of their own over one more axis: the derivatives are those of each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.ir.batching import batched
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement, reduction
from symdiff.types import fixed, product


@dataclass(frozen=True, slots=True)
class MappedLayer:
    """What a `custom` node with one more axis in front carries.

    Attributes
    ----------
    base : the function that is called for each element of the axis.
    varies : for each operand whether it has the axis.
    """

    base: Any
    varies: tuple[bool, ...]

    @property
    def name(self) -> str:
        """What it is called in listings."""
        return f"vmap_{self.base.name}"

    @property
    def parameters(self) -> Any:
        """The operands."""
        return self.base.parameters

    def mapped(self, varies: Sequence[bool]) -> MappedLayer:
        """The same over one more axis."""
        return MappedLayer(self, tuple(varies))

    def adjoint(self, graph: Graph, adjoint: int, node: int, k: int, lead: int) -> int:
        """The adjoint of operand k: of one without the axis, the sum over it."""

        def one(inner: Graph, call: int, given: Mapping[int, int]) -> int:
            return int(self.base.adjoint(inner, given[0], call, k, 0))

        return self._lifted(graph, node, {0: adjoint}, {0: True}, one, lead, not self.varies[k])

    def tangent(self, graph: Graph, tangents: Sequence[int | None], node: int, lead: int) -> int:
        """The tangent of the result."""
        given = {k: t for k, t in enumerate(tangents) if t is not None}

        def one(inner: Graph, call: int, own: Mapping[int, int]) -> int:
            return int(self.base.tangent(inner, [own.get(k) for k in range(len(tangents))], call, 0))

        return self._lifted(graph, node, given, dict(enumerate(self.varies)), one, lead, False)

    def _lifted(
        self,
        graph: Graph,
        node: int,
        given: Mapping[int, int],
        varies: Mapping[int, bool],
        one: Any,
        lead: int,
        total: bool,
    ) -> int:
        """A derivative of each call, in `graph`; `given`, which `one` takes, have `lead` more axes in front."""
        if not lead:
            return self._each(graph, node, graph.args[node][1:], given, varies, one, total)
        shapes = {k: graph.shape(n) for k, n in given.items()}
        before = next(iter(shapes.values()))[:lead]
        inner = Graph(graph.dtype)
        outer = (node, *graph.args[node][1:])
        shared = {inner.input(f"operand_{j}", graph.shape(n)): n for j, n in enumerate(outer)}
        call = inner.add(core.CUSTOM, tuple(shared), self)
        own = {k: inner.input(f"given_{k}", shape[lead:]) for k, shape in shapes.items()}
        found = self._each(inner, call, tuple(shared)[1:], own, varies, one, total)
        count = product(before)
        known = {own[k]: movement.reshape(graph, n, (count, *shapes[k][lead:])) for k, n in given.items()}
        leaves = {**shared, call: node}
        new, has = batched(Body(inner, (), [found], inner.live([found], leaves)), graph, known, count, leaves)[found]
        if not has:
            new = movement.broadcast(graph, new, (count, *inner.shape(found)))
        return movement.reshape(graph, new, (*before, *inner.shape(found)))

    def _each(
        self,
        graph: Graph,
        node: int,
        operands: Sequence[int],
        given: Mapping[int, int],
        varies: Mapping[int, bool],
        one: Any,
        total: bool,
    ) -> int:
        size, *result = fixed(graph.shape(node))
        inner = Graph(graph.dtype)
        value = inner.input("value", tuple(result))
        own = [
            inner.input(f"operand_{j}", graph.shape(n)[has:])
            for j, (n, has) in enumerate(zip(operands, self.varies, strict=True))
        ]
        call = inner.add(core.CUSTOM, (value, *own), self.base)
        parts = {k: inner.input(f"given_{k}", graph.shape(n)[varies[k] :]) for k, n in given.items()}
        found = one(inner, call, parts)
        pairs = [
            *((own[j], n, has) for j, (n, has) in enumerate(zip(operands, self.varies, strict=True))),
            *((parts[k], n, varies[k]) for k, n in given.items()),
            (call, node, True),
        ]
        known, shared = ({a: b for a, b, has in pairs if has is wanted} for wanted in (True, False))
        body = Body(inner, (), [found], inner.live([found], {a: b for a, b, _ in pairs}))
        new, has = batched(body, graph, known, size, shared)[found]
        if not has:
            new = movement.broadcast(graph, new, (size, *inner.shape(found)))
        return reduction.sum_over(graph, new, 0) if total else new


def innermost(layer: Any) -> Any:
    """What is called for each element of all axes."""
    while isinstance(layer, MappedLayer):
        layer = layer.base
    return layer
