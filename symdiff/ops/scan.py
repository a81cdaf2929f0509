"""Running sums and linear recurrences along an axis."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff import content
from symdiff.errors import ShapeError
from symdiff.ops import indexing, movement
from symdiff.ops.base import Differential, Make, Movement, Op, payload_kind, register
from symdiff.ops.movement import inverse, leading, unary
from symdiff.ops.structure import check_count, checked_axis, numeric_type
from symdiff.types import TensorType, fixed, product, show, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

Scan = tuple[int, bool]
"""The axis, and whether the scan goes from its end to its start."""


def _type(op: Op, types: Sequence[TensorType], payload: Scan) -> TensorType:
    check_count(op, types, 2 if op is RECURRENCE else 1)
    shape = fixed(types[0].shape)
    if any(t.shape != shape for t in types):
        raise ShapeError(f"{op.name}: shapes {show(shape)} and {show(types[1].shape)} differ")
    if not 0 <= payload[0] < len(shape):
        raise ShapeError(f"{op.name}: the shape {show(shape)} has no axis {payload[0]}")
    return tensor(numeric_type(op, types), shape)


def _running_sum(x: Any, payload: Scan) -> Any:
    axis, reverse = payload
    lines = np.moveaxis(x, axis, 0)
    lines = lines[::-1] if reverse else lines
    found = np.add.accumulate(lines, axis=0) if len(lines) else lines
    return np.moveaxis(found[::-1] if reverse else found, 0, axis)


def _recurrence(a: Any, b: Any, payload: Scan) -> Any:
    axis, reverse = payload
    factors, terms = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    found = np.array(terms)
    order = range(len(found))[::-1] if reverse else range(len(found))
    for before, k in itertools.pairwise(order):
        found[k] = factors[k] * found[before] + terms[k]
    return np.moveaxis(found, 0, axis)


# Makers


def running_sum(graph: Graph, node: int, axis: int, reverse: bool = False) -> int:
    """The running sum along an axis, or `reverse` from its end."""
    node = graph.as_number(node)
    return graph.apply(CUMSUM, (node,), (checked_axis("cumsum", axis, graph.shape(node)), bool(reverse)))


def recurrence(graph: Graph, factors: int, terms: int, axis: int, reverse: bool = False) -> int:
    """h[i] = factors[i]*h[i-1] + terms[i] along an axis, h[0] = terms[0]; `reverse`: from the end."""
    axis = checked_axis("recurrence", axis, graph.shape(terms))
    return graph.apply(RECURRENCE, (factors, terms), (axis, bool(reverse)))


def _of_one(graph: Graph, make: Make, args: tuple[int, ...], payload: tuple[int, bool]) -> int | None:
    """Of one element, the last operand is what there is to add."""
    return args[-1] if graph.shape(args[-1])[payload[0]] <= 1 else None


def running_product(graph: Graph, node: int, axis: int, reverse: bool = False) -> int:
    """The running product along an axis."""
    node = graph.as_number(node)
    shape = graph.shape(node)
    axis = checked_axis("cumprod", axis, shape)
    if shape[axis] <= 1:
        return node
    first = graph.add(
        "equal", (indexing.iota(graph, shape, axis), graph.constant(shape[axis] - 1.0 if reverse else 0.0))
    )
    start = graph.add("where", (first, node, graph.constant(0.0)))
    return recurrence(graph, node, start, axis, reverse)


def exclusive_cumprod(graph: Graph, node: int, axis: int, reverse: bool = False) -> int:
    """For each element the product of those before it (`reverse`: after it) along an axis."""
    shape = graph.shape(node)
    size = shape[axis]
    if size <= 1:
        return movement.full_like(graph, 1.0, node)
    end = slice(size - 1, None) if reverse else slice(0, 1)
    one = movement.broadcast(graph, graph.constant(1.0), (*shape[:axis], 1, *shape[axis + 1 :]))
    start = movement.scatter(graph, one, (*(slice(None),) * axis, end), shape)
    return recurrence(graph, movement.shifted(graph, node, axis, -1 if reverse else 1), start, axis, reverse)


def exclusive_products(graph: Graph, node: int, axes: Sequence[int]) -> int:
    """For each element the product of all others along `axes`."""
    shape, axes = graph.shape(node), tuple(axes)
    rest = tuple(k for k in range(len(shape)) if k not in axes)
    perm = (*rest, *axes)
    moved = movement.transpose(graph, node, perm)
    count = len(rest)
    flat = movement.reshape(graph, moved, (*graph.shape(moved)[:count], math.prod(shape[k] for k in axes)))
    found = graph.add("mul", (exclusive_cumprod(graph, flat, count), exclusive_cumprod(graph, flat, count, True)))
    return movement.transpose(graph, movement.reshape(graph, found, graph.shape(moved)), inverse(perm))


def _after(payload: Scan, lead: int, flip: bool = False) -> Scan:
    return payload[0] + lead, payload[1] != flip


def _running_sum_forward(graph: Graph, t: int, payload: Scan, lead: int) -> int:
    return running_sum(graph, t, *_after(payload, lead))


def _running_sum_back(graph: Graph, g: int, x: int, payload: Scan, lead: int) -> int:
    return running_sum(graph, g, *_after(payload, lead, flip=True))


def _before(graph: Graph, node: int) -> int:
    """For each element of a recurrence the one that it is made from."""
    axis, reverse = graph.payloads[node]
    return movement.shifted(graph, node, axis, -1 if reverse else 1)


def _forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    by_factor, by_term = tangents
    a = graph.args[node][0]
    term = by_term
    if by_factor is not None:
        own = graph.add("mul", (by_factor, _before(graph, node)))
        term = own if term is None else graph.add("add", (term, own))
    assert term is not None
    factors = movement.broadcast(graph, a, (*leading(graph, term, lead), *graph.shape(a)))
    return recurrence(graph, factors, term, *_after(graph.payloads[node], lead))


def _back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    axis, reverse = graph.payloads[node]
    factors = movement.shifted(graph, graph.args[node][0], axis, 1 if reverse else -1)
    factors = movement.broadcast(graph, factors, graph.shape(g))
    found = recurrence(graph, factors, g, *_after((axis, reverse), lead, flip=True))
    return found if k == 1 else graph.add("mul", (found, _before(graph, node)))


def _reach(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
    """An element depends on all those before it."""
    return running_sum(graph, mask, *_after(graph.payloads[node], lead, flip=not forward))


def _flops(types: Sequence[TensorType], result: TensorType, payload: Scan) -> dict[str, int]:
    count = product(result.shape)
    return {"add": count, "mul": count} if len(types) > 1 else {"add": count}


def _read_direction(value: Any) -> tuple[int, bool]:
    axis, reverse = content.items(value, "a scan", 2)
    return content.axis(axis), content.flag(reverse)


DIRECTION = payload_kind("axis and direction", _read_direction)

CUMSUM, RECURRENCE = register(
    Op("cumsum", None, hidden=True, finite=True, doc="the running sum along an axis",
       payload=DIRECTION, type_rule=_type, canonical=_of_one,
       routine=Movement(_running_sum), flops=_flops, differential=unary(_running_sum_forward, _running_sum_back)),
    Op("recurrence", None, hidden=True, payload=DIRECTION, type_rule=_type, canonical=_of_one,
       routine=Movement(_recurrence), flops=_flops, doc="h[i] = a[i]*h[i-1] + b[i] along an axis; h[0] = b[0]",
       differential=Differential(_forward, _back, _reach, text="recurrence(a, db + da*h before)")),
)  # fmt: skip
