"""Operations that move elements: their transposes move adjoints back, and nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.errors import ShapeError, out_of_range
from symdiff.ops import indexing
from symdiff.ops.base import Differential, Movement, Op, register
from symdiff.ops.structure import check_count, numpy_index, only
from symdiff.sizes import slice_bounds, slice_length
from symdiff.types import Shape, TensorType, broadcast, fixed, product, same, show, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

Payload = Any
WHOLE = slice(None)
Pullback = Callable[["Graph", int, int, Payload, int], int]


def _stack_type(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    if len({t.dtype for t in types}) > 1:
        raise ShapeError("a list cannot mix numbers and conditions")
    return tensor(types[0].dtype, (len(types), *same("a list", [t.shape for t in types])))


def _index_type(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    check_count(op, types, 1)
    return tensor(types[0].dtype, sliced(fixed(types[0].shape), payload))


def sliced(shape: tuple[int, ...], index: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape of what an `index` with this payload takes from an array.

    Raises
    ------
    ShapeError
        Where the payload has more parts than the array axes, or an integer that is out of range.
    """
    if len(index) > len(shape):
        raise ShapeError(f"{len(index)} indices for a value with {len(shape)} axes")
    for part, n in zip(index, shape, strict=False):
        if not isinstance(part, tuple) and not -n <= part < n:
            raise out_of_range(part, n)
    parts = [
        slice_length(*slice_bounds(part, n)) if isinstance(part, tuple) else None
        for part, n in zip(index, shape, strict=False)
    ]
    return (*(n for n in parts if n is not None), *shape[len(index) :])


def _scatter_type(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    check_count(op, types, 1)
    return tensor(types[0].dtype, payload[1])


def _reshape_type(op: Op, types: Sequence[TensorType], payload: Shape) -> TensorType:
    check_count(op, types, 1)
    if product(payload) != product(types[0].shape):
        raise ShapeError(f"cannot reshape {show(types[0].shape)} to {show(payload)}")
    return tensor(types[0].dtype, payload)


def _broadcast_type(op: Op, types: Sequence[TensorType], payload: Shape) -> TensorType:
    check_count(op, types, 1)
    if broadcast("broadcast", [types[0].shape, payload]) != payload:
        raise ShapeError(f"cannot broadcast {show(types[0].shape)} to {show(payload)}")
    return tensor(types[0].dtype, payload)


def _transpose_type(op: Op, types: Sequence[TensorType], payload: tuple[int, ...]) -> TensorType:
    check_count(op, types, 1)
    shape = types[0].shape
    if sorted(payload) != list(range(len(shape))):
        raise ShapeError(f"transpose: {payload} is no order of the axes of the shape {show(shape)}")
    return tensor(types[0].dtype, tuple(shape[k] for k in payload))


def _diagonal_type(op: Op, types: Sequence[TensorType], payload: tuple[int, int]) -> TensorType:
    check_count(op, types, 1)
    shape, (first, second) = fixed(types[0].shape), payload
    if first == second or not (0 <= first < len(shape) and 0 <= second < len(shape)):
        raise ShapeError(f"diagonal: {first} and {second} are not two axes of the shape {show(shape)}")
    rest = tuple(n for k, n in enumerate(shape) if k not in payload)
    return tensor(types[0].dtype, (*rest, min(shape[first], shape[second])))


def _concatenate_type(op: Op, types: Sequence[TensorType], axis: int) -> TensorType:
    if len({t.dtype for t in types}) > 1:
        raise ShapeError("concatenate: the parts mix numbers and conditions")
    first = fixed(types[0].shape)
    if not 0 <= axis < len(first):
        raise ShapeError(f"concatenate: the shape {show(first)} has no axis {axis}")
    for type_ in types:
        other = type_.shape
        if len(other) != len(first) or (*first[:axis], *first[axis + 1 :]) != (*other[:axis], *other[axis + 1 :]):
            raise ShapeError(f"concatenate: shapes {show(first)} and {show(other)} differ in more than axis {axis}")
    count = sum(fixed(t.shape)[axis] for t in types)
    return tensor(types[0].dtype, (*first[:axis], count, *first[axis + 1 :]))


def _scatter(x: Any, payload: tuple[tuple[Any, ...], Shape]) -> Any:
    index, shape = payload
    dtype = np.asarray(x).dtype
    out = np.full(fixed(shape), np.zeros((), dtype)[()] if dtype.kind != "O" else 0.0, dtype)
    out[numpy_index(index)] = x
    return out


def leading(graph: Graph, node: int, lead: int) -> tuple[int, ...]:
    """The sizes of the first `lead` axes of a node."""
    return graph.shape(node)[:lead]


def known(graph: Graph, tangents: Sequence[int | None], node: int, lead: int) -> list[int]:
    """The tangents of the operands of `node`, with zeros for those that are missing."""
    sizes = next(leading(graph, t, lead) for t in tangents if t is not None)
    zero = graph.constant(0.0)
    return [
        graph.broadcast(zero, (*sizes, *graph.shape(a))) if t is None else t
        for t, a in zip(tangents, graph.args[node], strict=True)
    ]


def unary(forward: Callable[[Graph, int, Payload, int], int], pullback: Pullback) -> Differential:
    """A linear operation on one operand with coefficients 0 and 1.

    `forward` takes (graph, tangent, payload, lead) and `pullback` (graph, adjoint, operand, payload, lead).
    """

    def push(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
        return forward(graph, only(tangents), graph.payloads[node], lead)

    def pull(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
        return pullback(graph, g, graph.args[node][0], graph.payloads[node], lead)

    return Differential(push, pull)


def _stack_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    return graph.stack(known(graph, tangents, node, lead), lead)


def _stack_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    return graph.element(g, (WHOLE,) * lead + (k,))


def _scatter_under(graph: Graph, node: int, index: tuple[Any, ...], shape: Shape, lead: int) -> int:
    own = leading(graph, node, lead)
    return graph.scatter(node, (WHOLE,) * lead + index, (*own, *shape))


def _broadcast_forward(graph: Graph, t: int, shape: Shape, lead: int) -> int:
    return graph.broadcast(graph.aligned(t, lead, len(shape)), (*leading(graph, t, lead), *shape))


def _broadcast_back(graph: Graph, g: int, x: int, shape: Shape, lead: int) -> int:
    own, sizes = graph.shape(x), leading(graph, g, lead)
    padded = (*sizes, *(1,) * (len(shape) - len(own)), *own)
    return graph.reshape(graph.unbroadcast(g, padded), (*sizes, *own))


def _reshape_back(graph: Graph, g: int, x: int, shape: Shape, lead: int) -> int:
    return graph.reshape(g, (*leading(graph, g, lead), *graph.shape(x)))


def _permuted(perm: tuple[int, ...], lead: int) -> tuple[int, ...]:
    return (*range(lead), *(lead + k for k in perm))


def inverse(perm: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `perm`."""
    return tuple(sorted(range(len(perm)), key=lambda k: perm[k]))


def _diagonal_back(graph: Graph, g: int, x: int, payload: tuple[int, int], lead: int) -> int:
    """The adjoint on the diagonal of zeros."""
    sizes, shape = leading(graph, g, lead), graph.shape(x)
    long, other = payload if shape[payload[0]] <= shape[payload[1]] else payload[::-1]
    count = len(shape)
    rest = [k for k in range(count) if k not in payload]
    at = sorted([*rest, long])
    perm = [len(rest) if k == long else rest.index(k) for k in at]
    placed = graph.transpose(g, _permuted(tuple(perm), lead))
    placed = graph.reshape(placed, (*sizes, *(1 if k == other else shape[k] for k in range(count))))
    square = tuple(n if k in payload else 1 for k, n in enumerate(shape))
    return graph.add("where", (indexing.same_index(graph, square, *payload), placed, graph.constant(0.0)))


def _concatenate_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    return graph.concatenate(known(graph, tangents, node, lead), graph.payloads[node] + lead)


def _concatenate_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    axis, args = graph.payloads[node], graph.args[node]
    sizes = [graph.shape(a)[axis] for a in args]
    start = sum(sizes[:k])
    return graph.element(g, (WHOLE,) * (lead + axis) + (slice(start, start + sizes[k]),))


STACK, CONCATENATE, INDEX, SCATTER, BROADCAST, RESHAPE, TRANSPOSE, DIAGONAL = register(
    Op("stack", None, hidden=True, finite=True, doc="a list: its entries along a new first axis", type_rule=_stack_type,
       routine=Movement(lambda *parts: np.stack(parts[:-1])),
       differential=Differential(_stack_forward, _stack_back)),
    Op("concatenate", None, hidden=True, finite=True, doc="arrays one after the other along an axis", payload="axis",
       type_rule=_concatenate_type, routine=Movement(lambda *parts: np.concatenate(parts[:-1], parts[-1])),
       differential=Differential(_concatenate_forward, _concatenate_back)),
    Op("index", None, hidden=True, finite=True, doc="an element or a slice", payload="index", type_rule=_index_type,
       routine=Movement(lambda x, index: x[numpy_index(index)]),
       differential=unary(lambda graph, t, index, lead: graph.element(t, (WHOLE,) * lead + index),
                          lambda graph, g, x, index, lead: _scatter_under(graph, g, index, graph.shape(x), lead))),
    Op("scatter", None, hidden=True, finite=True, doc="zeros, with the operand at an index", payload="index and shape",
       type_rule=_scatter_type, routine=Movement(_scatter),
       differential=unary(lambda graph, t, payload, lead: _scatter_under(graph, t, payload[0], payload[1], lead),
                          lambda graph, g, x, payload, lead: graph.element(g, (WHOLE,) * lead + payload[0]))),
    Op("broadcast", None, word="broadcast_to", hidden=True, finite=True, numpy="np.broadcast_to({0}, {shape})",
       doc="the operand repeated to a shape", payload="shape",
       type_rule=_broadcast_type, routine=Movement(lambda x, shape: np.broadcast_to(x, shape)),
       differential=unary(_broadcast_forward, _broadcast_back)),
    Op("reshape", None, hidden=True, finite=True, numpy="np.reshape({0}, {shape})",
       doc="the same elements in another shape", payload="shape",
       type_rule=_reshape_type, routine=Movement(lambda x, shape: np.reshape(x, shape)),
       differential=unary(lambda graph, t, shape, lead: graph.reshape(t, (*leading(graph, t, lead), *shape)),
                          _reshape_back)),
    Op("transpose", None, hidden=True, finite=True, doc="the axes in another order", payload="axes",
       type_rule=_transpose_type, routine=Movement(lambda x, perm: np.transpose(x, perm)),
       differential=unary(lambda graph, t, perm, lead: graph.transpose(t, _permuted(perm, lead)),
                          lambda graph, g, x, perm, lead: graph.transpose(g, _permuted(inverse(perm), lead)))),
    Op("diagonal", None, hidden=True, finite=True, payload="two axes",
       doc="the diagonal of two axes, as a new last axis", type_rule=_diagonal_type,
       routine=Movement(lambda x, axes: np.diagonal(x, 0, *axes)),
       differential=unary(lambda graph, t, axes, lead: graph.diagonal(t, axes[0] + lead, axes[1] + lead),
                          _diagonal_back)),
)  # fmt: skip
