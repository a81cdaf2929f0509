"""The constructor that simplifies, on whole arrays: what only moves, repeats or adds elements is simplified too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symdiff.ir.graph import Graph
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Expand, Fold, ScalarRoutine
from symdiff.ops.core import EINSUM, MUL, NEG, RESHAPE, SUM, TRANSPOSE
from symdiff.optimize.patterns import CONSTANT, RuleSet
from symdiff.optimize.planning.gemm import FEWEST_OPERATIONS
from symdiff.optimize.rewrite import BROADCAST, Rewriter
from symdiff.optimize.trail import Trail
from symdiff.sizes import is_open
from symdiff.types import BOOL, INT64, Shape, TensorType, broadcast_shapes, fixed, product

ELEMENTWISE = ScalarRoutine | Expand | Fold
LEADING = (core.SOLVE, core.SOLVE_TRIANGULAR)


class TensorRewriter(Rewriter):
    """As `Rewriter`, for graphs with arrays.

    Arrays without elements are computed from nothing, constants that are the same everywhere are scalars, and what is
    repeated is computed once. With `strict` sums keep their order and the number of their terms.
    """

    def __init__(self, dtype: str, rules: RuleSet | None = None, expand: bool = False, strict: bool = False) -> None:
        super().__init__(dtype, rules, expand)
        self.strict = strict

    def constant(self, value: Any) -> int:
        """A constant; an array of one number repeated becomes that."""
        if isinstance(value, np.ndarray) and value.size > 1 and value.dtype != np.int64:
            first = value.ravel()[:1]
            if (value == first).all() and first == first and (value.dtype == bool or _same_signs(value)):
                return self.make(BROADCAST, (super().constant(first[0]),), value.shape)
        return super().constant(value)

    def _new(self, op: Op, args: tuple[int, ...], payload: Any) -> int:
        types = self.graph.types
        if all(not types[a].shape for a in args) and op.canonical is None and op not in _HANDLERS:
            return super()._new(op, args, payload)
        result = op.type_rule(op, [types[a] for a in args] or [self._number], payload)
        found = self._without_elements(op, args, result)
        if found is not None:
            return found
        if op.lower is not None:
            return op.lower(self._made, args, payload, [types[a] for a in args])
        if isinstance(op.routine, ELEMENTWISE):
            if any(self.graph.ops[a] is BROADCAST for a in args):
                return self._narrow(op, args, payload, result.shape)
        else:
            if op.canonical is not None:
                found = op.canonical(self.graph, self._made, args, payload)
            if found is None and op in _HANDLERS:
                found = _HANDLERS[op](self, args, payload, result)
            if found is not None:
                return found
        return super()._new(op, args, payload)

    def _made(self, op: str | Op, args: tuple[int, ...], payload: Any = None) -> int:
        if op == "constant":
            return self.constant(payload)
        return self.make(OPS[op] if isinstance(op, str) else op, args, payload)

    def _without_elements(self, op: Op, args: tuple[int, ...], result: TensorType) -> int | None:
        """A node for an array without elements, or for what becomes of one."""
        types = self.graph.types
        if 0 in result.shape:
            if op is BROADCAST and self.graph.ops[args[0]] is CONSTANT and not types[args[0]].shape:
                return None
            if result.dtype == INT64:
                return super().constant(np.zeros(fixed(result.shape), np.int64))
            zero = super().constant(False if result.dtype == BOOL else 0.0)
            return self.make(BROADCAST, (zero,), result.shape)
        value = op.empty
        if value is None or not any(0 in types[a].shape for a in args):
            return None
        return self.broadcast(super().constant(bool(value) if result.dtype == BOOL else value), result.shape)

    def _narrow(self, op: Op, args: tuple[int, ...], payload: Any, shape: Shape) -> int:
        """An elementwise operation on what is repeated: NumPy's rule repeats it, or the result is repeated."""
        graph = self.graph
        inner = tuple([graph.args[a][0] if graph.ops[a] is BROADCAST else a for a in args])
        own = broadcast_shapes(op.name, [graph.types[a].shape for a in inner])
        if own == shape or product(own) < product(shape):
            return self.broadcast(self.make(op, inner, payload), shape)
        return super()._new(op, args, payload)

    # Movements, made where they move something

    def shape(self, node: int) -> tuple[int, ...]:
        """The sizes of a node's axes."""
        return fixed(self.graph.types[node].shape)

    def broadcast(self, node: int, shape: Shape) -> int:
        """`node` repeated to `shape`."""
        return node if self.graph.types[node].shape == shape else self.make(BROADCAST, (node,), shape)

    def reshape(self, node: int, shape: Shape) -> int:
        """`node` in another shape."""
        return node if self.graph.types[node].shape == shape else self.make(RESHAPE, (node,), shape)

    def transpose(self, node: int, perm: tuple[int, ...]) -> int:
        """`node` with its axes in another order."""
        return node if perm == tuple(range(len(perm))) else self.make(TRANSPOSE, (node,), perm)

    def _transpose(self, args: tuple[int, ...], perm: tuple[int, ...], result: TensorType) -> int | None:
        """An order in which no element moves is another shape."""
        shape = self.shape(args[0])
        long = [k for k in perm if shape[k] != 1]
        return self.reshape(args[0], result.shape) if long == sorted(long) else None

    def _concatenate(self, args: tuple[int, ...], axis: int, result: TensorType) -> int | None:
        parts = tuple([a for a in args if 0 not in self.graph.types[a].shape])
        if len(parts) == 1:
            return parts[0]
        return self.make(core.CONCATENATE, parts, axis) if len(parts) < len(args) else None

    # Sums and what is like them

    def _sum(self, args: tuple[int, ...], axes: tuple[int, ...], result: TensorType) -> int | None:
        if self.strict:
            return None
        graph, node = self.graph, args[0]
        op = graph.ops[node]
        if op is NEG:
            return self.make(NEG, (self.make(SUM, graph.args[node], axes),))
        if op is SUM and self._uses.get(node, 0) <= 1:
            inner = graph.args[node][0]
            left = [k for k in range(len(self.shape(inner))) if k not in graph.payloads[node]]
            return self.make(SUM, (inner,), tuple(sorted({*graph.payloads[node], *(left[k] for k in axes)})))
        if op is TRANSPOSE:
            perm = graph.payloads[node]
            kept = [perm[k] for k in range(len(perm)) if k not in axes]
            total = self.make(SUM, graph.args[node], tuple(sorted(perm[k] for k in axes)))
            return self.transpose(total, tuple(sorted(kept).index(k) for k in kept))
        if op is BROADCAST:
            return self._repeated_sum(graph.args[node][0], self.shape(node), axes, result)
        if op is MUL and self._uses.get(node, 0) <= 1:
            return self._matrix_product(node, axes)
        return None

    def _repeated_sum(self, node: int, shape: Shape, axes: tuple[int, ...], result: TensorType) -> int | None:
        """A sum of equal terms is one of them times their number."""
        own = self.shape(node)
        lead = len(shape) - len(own)
        times = 1
        for k in axes:
            if k < lead or own[k - lead] != shape[k]:
                times *= fixed(shape)[k]
        if times == 1:
            return None
        inner = tuple(k - lead for k in axes if k >= lead)
        total = self.make(SUM, (node,), inner) if inner else node
        count = super().constant(times if is_open(times) else float(times))
        return self.broadcast(self.make(MUL, (total, count)), result.shape)

    def _matrix_product(self, node: int, axes: tuple[int, ...]) -> int | None:
        """The sum of products as a contraction, where it is one of matrices."""
        shape = self.shape(node)
        labels: list[tuple[int, ...]] = []
        for a in self.graph.args[node]:
            own = self.shape(a)
            lead = len(shape) - len(own)
            labels.append(tuple(k for k in range(lead, len(shape)) if own[k - lead] != 1))
        first, second = map(set, labels)
        if not (first - second and second - first and axes) or product(shape) < FEWEST_OPERATIONS:
            return None
        if not all(k in first and k in second for k in axes if shape[k] != 1) or (first ^ second) & set(axes):
            return None
        operands = tuple(
            [
                self.reshape(a, tuple(shape[k] for k in own))
                for a, own in zip(self.graph.args[node], labels, strict=True)
            ]
        )
        number = {x: k for k, x in enumerate(dict.fromkeys(labels[0] + labels[1]))}
        output = tuple(number[k] for k in range(len(shape)) if k not in axes and k in number)
        payload = (tuple(tuple(number[x] for x in own) for own in labels), output)
        result = tuple(n for k, n in enumerate(shape) if k not in axes)
        return self.reshape(self.make(EINSUM, operands, payload), result)

    def _einsum(self, args: tuple[int, ...], payload: Any, result: TensorType) -> int | None:
        """Signs and scalar factors are taken out where an operand would have to be written down for them."""
        if self.strict:
            return None
        bare: list[int] = []
        factors: list[int | None] = []  # None for a sign
        for a in args:
            found = self._factor(a) if product(result.shape) <= product(self.graph.types[a].shape) else None
            while found is not None:  # a power of a scaled matrix has as many factors as operands
                factors.append(found[0])
                a = found[1]
                found = self._factor(a)
            bare.append(a)
        if not factors:
            return None
        node = self.make(EINSUM, tuple(bare), payload)
        for factor in reversed(factors):
            node = self.make(NEG, (node,)) if factor is None else self.make(MUL, (factor, node))
        return node

    def _factor(self, node: int) -> tuple[int | None, int] | None:
        """The sign (None) or the scalar that an array is multiplied by, and the array; None where it is by neither."""
        graph = self.graph
        if graph.ops[node] is NEG:
            return None, graph.args[node][0]
        if graph.ops[node] is MUL:
            for scalar, other in (graph.args[node], graph.args[node][::-1]):
                if not graph.types[scalar].shape and graph.types[other].shape:
                    return scalar, other
        return None

    def _solve(self, args: tuple[int, ...], payload: Any, result: TensorType) -> int | None:
        """Leading axes are those of the result for both operands."""
        lead = fixed(result.shape)[:-2]
        wide = tuple([self.broadcast(a, (*lead, *self.shape(a)[-2:])) for a in args])
        if wide == args:
            return None
        return self.make(core.SOLVE if payload is None else core.SOLVE_TRIANGULAR, wide, payload)


_Handler = Callable[[TensorRewriter, tuple[int, ...], Any, TensorType], int | None]
_HANDLERS: dict[Op, _Handler] = {
    core.TRANSPOSE: TensorRewriter._transpose,
    core.CONCATENATE: TensorRewriter._concatenate,
    core.SUM: TensorRewriter._sum,
    core.EINSUM: TensorRewriter._einsum,
    **dict.fromkeys(LEADING, TensorRewriter._solve),
}


def _same_signs(value: Any) -> bool:
    signs = np.signbit(value)
    return bool(signs.all() or not signs.any())


def simplify_tensors(
    graph: Graph,
    outputs: list[int],
    rules: RuleSet,
    expand: bool = False,
    strict: bool = False,
    trail: Trail | None = None,
) -> tuple[Graph, list[int]]:
    """As `passes.simplified`, for a graph with arrays."""
    for _ in range(4):
        rewriter = TensorRewriter(graph.dtype, rules, expand, strict)
        outputs = rewriter.run(graph, outputs)
        if trail is not None:
            trail.move(rewriter.values)
        graph = rewriter.graph
        if rewriter.complete:
            break
    return graph, outputs
