"""What a graph makes of whole arrays: movement, contractions and reductions, simplified as they are made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symdiff.errors import ShapeError
from symdiff.ir.einsum import contract
from symdiff.ir.unshaped import Unshaped
from symdiff.ir.view import NetworkxView
from symdiff.ops import Op, core
from symdiff.ops.structure import Payload, checked_axis
from symdiff.sizes import is_open, slice_bounds, slice_length
from symdiff.types import BOOL, Shape, broadcast, fixed, product, show

LARGEST_COUNT = 2.0**53


class Building(NetworkxView):
    """The makers of nodes for arrays; `Graph` has them."""

    if TYPE_CHECKING:  # what `Graph` adds to this
        unshaped: Unshaped | None

        def add(self, op: str | Op, args: tuple[int, ...] = (), payload: Payload = None) -> int: ...  # noqa: D102
        def constant(self, value: Any) -> int: ...  # noqa: D102
        def as_number(self, node: int) -> int: ...  # noqa: D102
        def element(self, node: int, index: tuple[Any, ...]) -> int: ...  # noqa: D102

    def shape(self, node: int) -> tuple[int, ...]:
        """The shape of a node, whose sizes are known numbers.

        Raises
        ------
        NeedsShape
            Where it depends on inputs that nobody gave a shape.
        """
        if self.unshaped is not None:
            self.unshaped.check(self, (node,), "the shape of a name")
        return fixed(self.types[node].shape)

    def repeated_scalar(self, node: int) -> int | None:
        """The scalar that a node only repeats, or None."""
        if self.ops[node] is not core.BROADCAST:
            return None
        inner = self.args[node][0]
        return None if self.types[inner].shape else inner

    # Movement

    def full_like(self, value: float, node: int) -> int:
        """The constant `value` in the shape of `node`."""
        return self.broadcast(self.constant(value), self.types[node].shape)

    def broadcast(self, node: int, shape: Shape) -> int:
        """`node` repeated to `shape`."""
        if self.types[node].shape == shape:
            return node
        if self.ops[node] is core.BROADCAST and broadcast("broadcast", [self.types[node].shape, shape]) == shape:
            node = self.args[node][0]
            return self.broadcast(node, shape)
        return self.add(core.BROADCAST, (node,), shape)

    def reshape(self, node: int, shape: Shape) -> int:
        """The elements of `node` in C order, in another shape."""
        if self.types[node].shape == shape:
            return node
        if not self.types[node].shape:
            return self.broadcast(node, shape)
        if self.ops[node] is core.RESHAPE:
            return self.reshape(self.args[node][0], shape)
        scalar = self.repeated_scalar(node)
        if scalar is not None and product(shape) == product(self.types[node].shape):
            return self.broadcast(scalar, shape)
        return self.add(core.RESHAPE, (node,), shape)

    def transpose(self, node: int, perm: Sequence[int]) -> int:
        """The axes of `node` in the order `perm`."""
        perm = tuple(perm)
        if perm == tuple(range(len(self.types[node].shape))):
            return node
        if self.ops[node] is core.TRANSPOSE:
            inner = self.payloads[node]
            return self.transpose(self.args[node][0], [inner[k] for k in perm])
        scalar = self.repeated_scalar(node)
        if scalar is not None:
            return self.broadcast(scalar, tuple(self.shape(node)[k] for k in perm))
        return self.add(core.TRANSPOSE, (node,), perm)

    def swap_last(self, node: int) -> int:
        """The matrices in the last two axes, each transposed."""
        count = len(self.types[node].shape)
        return self.transpose(node, (*range(count - 2), count - 1, count - 2))

    def aligned(self, node: int, lead: int, rank: int) -> int:
        """`node` with axes of size 1 after its first `lead` axes, so that `rank` axes follow those."""
        shape = self.shape(node)
        return self.reshape(node, (*shape[:lead], *(1,) * (rank + lead - len(shape)), *shape[lead:]))

    def unbroadcast(self, node: int, shape: Shape) -> int:
        """The transpose of broadcasting from `shape`: sums over the axes along which it repeated."""
        own = self.types[node].shape
        if own == shape:
            return node
        lead = len(own) - len(shape)
        axes = tuple(range(lead)) + tuple(lead + k for k, n in enumerate(shape) if n == 1 and own[lead + k] != 1)
        return self.reshape(self.sum(node, axes), shape)

    def concatenate(self, nodes: Sequence[int], axis: int) -> int:
        """Arrays one after the other along an axis."""
        nodes = self._alike(nodes)
        if any(not self.types[n].shape for n in nodes):
            raise ShapeError("concatenate: a scalar has no axis", hint="write [a, b] for a list of scalars")
        axis = checked_axis("concatenate", axis, self.shape(nodes[0]))
        return nodes[0] if len(nodes) == 1 else self.add(core.CONCATENATE, tuple(nodes), axis)

    def stack(self, nodes: Sequence[int], axis: int = 0) -> int:
        """Arrays of one shape along a new axis."""
        nodes = self._alike(nodes)
        shape = self.shape(nodes[0])
        axis = checked_axis("stack", axis, (*shape, 1))
        if axis == 0:
            return self.add(core.STACK, tuple(nodes))
        for n in nodes:
            if self.shape(n) != shape:
                raise ShapeError(f"stack: shapes {show(shape)} and {show(self.shape(n))} differ")
        return self.concatenate([self.reshape(n, (*shape[:axis], 1, *shape[axis:])) for n in nodes], axis)

    def scatter(self, node: int, index: tuple[Any, ...], shape: Shape) -> int:
        """Zeros of `shape`, with `node` at an index of integers and slices: the transpose of `element`."""
        parts: list[Any] = []
        for part, size in zip(index, fixed(shape), strict=False):
            parts.append(as_triple(part, size) if isinstance(part, slice | tuple) else part % size if size else part)
        if all(p == (0, n, 1) for p, n in zip(parts, fixed(shape), strict=False)):
            return node
        return self.add(core.SCATTER, (node,), (tuple(parts), shape))

    def shifted(self, node: int, axis: int, steps: int) -> int:
        """The elements moved by `steps` along an axis; zeros come in."""
        shape = self.shape(node)
        size = shape[axis]
        steps = max(-size, min(size, steps))
        if not steps:
            return node
        before = (slice(None),) * axis
        part = self.element(node, (*before, slice(0, size - steps) if steps > 0 else slice(-steps, size)))
        return self.scatter(part, (*before, slice(steps, size) if steps > 0 else slice(0, size + steps)), shape)

    def diagonal(self, node: int, axis1: int = 0, axis2: int = 1) -> int:
        """The diagonal of two axes, as a new last axis."""
        shape = self.shape(node)
        if len(shape) < 2:
            raise ShapeError(f"diagonal: the shape {show(shape)} has fewer than two axes")
        axes = checked_axis("diagonal", axis1, shape), checked_axis("diagonal", axis2, shape)
        scalar = self.repeated_scalar(node)
        if scalar is not None:
            rest = tuple(n for k, n in enumerate(shape) if k not in axes)
            return self.broadcast(scalar, (*rest, min(shape[axes[0]], shape[axes[1]])))
        return self.add(core.DIAGONAL, (node,), axes)

    # Reductions

    def sum(self, node: int, axes: Sequence[int] | int | None = None) -> int:
        """The sum over some axes (None: all); conditions count as 0 and 1."""
        node = self.as_number(node)
        shape = self.shape(node)
        own = self._axes("sum", axes, shape)
        if all(shape[k] == 1 for k in own):
            return self.reshape(node, tuple(n for k, n in enumerate(shape) if k not in own))
        scalar = self.repeated_scalar(node)
        if scalar is not None and self.ops[scalar] is core.CONSTANT:
            count = math.prod(shape[k] for k in own)
            if is_open(count):
                total = self.add(core.MUL, (scalar, self.constant(count)))
                return self.broadcast(total, tuple(n for k, n in enumerate(shape) if k not in own))
            value = float(self.payloads[scalar]) * count
            if value.is_integer() and abs(value) < LARGEST_COUNT and float(self.payloads[scalar]).is_integer():
                return self.broadcast(self.constant(value), tuple(n for k, n in enumerate(shape) if k not in own))
        return self.add(core.SUM, (node,), own)

    def reduce(self, op: Op, node: int, axes: Sequence[int] | int | None = None) -> int:
        """`sum`, `prod`, `amax`, `amin`, `norm`, `any` or `all` over some axes (None: all).

        Raises
        ------
        ShapeError
            For an axis that there is not, and for the extremum of nothing.
        """
        if op is core.SUM:
            return self.sum(node, axes)
        if op.result == "c":
            if self.types[node].dtype != BOOL:
                node = self.add(core.NOT_EQUAL, (node, self.constant(0.0)))
        else:
            node = self.as_number(node)
        shape = self.shape(node)
        own = self._axes(op.word, axes, shape)
        if all(shape[k] == 1 for k in own):
            node = self.add(core.ABS, (node,)) if op is core.NORM else node
            return self.reshape(node, tuple(n for k, n in enumerate(shape) if k not in own))
        return self.add(op, (node,), own)

    # Contractions

    def einsum(self, operands: Sequence[int], labels: Sequence[Sequence[int]], output: Sequence[int]) -> int:
        """The sum of products over the labels that `output` has not, as `numpy.einsum` with integer labels.

        Raises
        ------
        ShapeError
            Where sizes of one label differ, or a label of `output` is in no operand.
        """
        return contract(self, [self.as_number(n) for n in operands], [tuple(own) for own in labels], tuple(output))

    def matmul(self, a: int, b: int) -> int:
        """`a @ b` by NumPy's rules: one axis is a vector, leading axes are batches that broadcast.

        Raises
        ------
        ShapeError
            Where the operands do not fit.
        """
        left, right = self.shape(a), self.shape(b)
        shapes = f"matmul: shapes {show(left)} and {show(right)}"
        if not left or not right:
            raise ShapeError(f"{shapes}: @ takes vectors and matrices", hint="write * for the product with a scalar")
        inner = right[-2] if len(right) > 1 else right[0]
        if left[-1] != inner:
            raise ShapeError(f"{shapes}: {left[-1]} and {inner} differ")
        try:
            broadcast("matmul", [left[:-2], right[:-2]])
        except ShapeError:
            raise ShapeError(f"{shapes}: the leading axes do not broadcast together") from None
        count = max(len(left), len(right), 2) - 2
        row, column, summed = count, count + 1, count + 2
        batch = range(count)
        first = (*batch[count - len(left) + 2 :], row, summed) if len(left) > 1 else (summed,)
        second = (*batch[count - len(right) + 2 :], summed, column) if len(right) > 1 else (summed,)
        output = (*batch, *(row,) * (len(left) > 1), *(column,) * (len(right) > 1))
        return self.einsum((a, b), (first, second), output)

    # Checks

    def _axes(self, name: str, axes: Sequence[int] | int | None, shape: tuple[int, ...]) -> tuple[int, ...]:
        if axes is None:
            return tuple(range(len(shape)))
        given = (axes,) if isinstance(axes, int) else tuple(axes)
        found = sorted(checked_axis(name, k, shape) for k in given)
        if len(set(found)) != len(found):
            raise ShapeError(f"{name}: an axis stands twice in {given}")
        return tuple(found)

    def _alike(self, nodes: Sequence[int]) -> list[int]:
        """Conditions among numbers count as numbers."""
        if not nodes:
            raise ShapeError("nothing to join", hint="give at least one array")
        if any(self.types[n].dtype != BOOL for n in nodes):
            return [self.as_number(n) for n in nodes]
        return list(nodes)


def as_triple(part: Any, size: int) -> tuple[int, int | None, int]:
    """A slice of an axis as (start, stop, step); a stop before the first is None, (0, 0, 1) is one of nothing."""
    if (part.step if isinstance(part, slice) else part[2]) == 0:
        raise ShapeError("the step of a slice must not be 0", hint="write x[start:stop]")
    start, stop, step = slice_bounds(part, size)
    if not slice_length(start, stop, step):
        return 0, 0, 1  # where there is nothing, a start or stop of -1 would be read as the last element
    return start, stop if stop >= 0 else None, step
