"""Operations that move elements: their transposes move adjoints back, and nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff import content
from symdiff.errors import ShapeError, out_of_range
from symdiff.ops.base import Differential, Make, Movement, Op, payload_kind, register
from symdiff.ops.structure import CONSTANT, check_count, checked_axis, numpy_index, only
from symdiff.sizes import slice_bounds, slice_length
from symdiff.types import BOOL, Shape, TensorType, broadcast_shapes, fixed, product, same, show, tensor

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
    if broadcast_shapes("broadcast", [types[0].shape, payload]) != payload:
        raise ShapeError(f"cannot broadcast {show(types[0].shape)} to {show(payload)}")
    return tensor(types[0].dtype, payload)


def _transpose_type(op: Op, types: Sequence[TensorType], payload: tuple[int, ...]) -> TensorType:
    check_count(op, types, 1)
    shape = types[0].shape
    if sorted(payload) != list(range(len(shape))):
        raise ShapeError(f"transpose: {payload} is no order of the axes of the shape {show(shape)}")
    return tensor(types[0].dtype, tuple(shape[k] for k in payload))


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


# Makers: nodes that move elements, simplified as they are made


def repeated_scalar(graph: Graph, node: int) -> int | None:
    """The scalar that a node only repeats, or None."""
    if graph.ops[node] is not BROADCAST:
        return None
    inner = graph.args[node][0]
    return None if graph.types[inner].shape else inner


def full_like(graph: Graph, value: float, node: int) -> int:
    """The constant `value` in the shape of `node`."""
    return broadcast(graph, graph.constant(value), graph.types[node].shape)


def broadcast(graph: Graph, node: int, shape: Shape) -> int:
    """`node` repeated to `shape`."""
    return graph.apply(BROADCAST, (node,), shape)


def reshape(graph: Graph, node: int, shape: Shape) -> int:
    """The elements of `node` in C order, in another shape."""
    return graph.apply(RESHAPE, (node,), shape)


def transpose(graph: Graph, node: int, perm: Sequence[int]) -> int:
    """The axes of `node` in the order `perm`."""
    return graph.apply(TRANSPOSE, (node,), tuple(perm))


def swap_last(graph: Graph, node: int) -> int:
    """The matrices in the last two axes, each transposed."""
    count = len(graph.types[node].shape)
    return transpose(graph, node, (*range(count - 2), count - 1, count - 2))


def with_rank(graph: Graph, node: int, lead: int, rank: int) -> int:
    """`node` with axes of size 1 after its first `lead` axes, so that `rank` axes follow those."""
    shape = graph.shape(node)
    return reshape(graph, node, (*shape[:lead], *(1,) * (rank + lead - len(shape)), *shape[lead:]))


def unbroadcast(graph: Graph, node: int, shape: Shape) -> int:
    """The transpose of broadcasting from `shape`: sums over the axes along which it repeated."""
    own = graph.types[node].shape
    if own == shape:
        return node
    lead = len(own) - len(shape)
    axes = tuple(range(lead)) + tuple(lead + k for k, n in enumerate(shape) if n == 1 and own[lead + k] != 1)
    return reshape(graph, graph.apply("sum", (graph.as_number(node),), axes), shape)


def concatenate(graph: Graph, nodes: Sequence[int], axis: int) -> int:
    """Arrays one after the other along an axis."""
    nodes = _alike(graph, nodes)
    if any(not graph.types[n].shape for n in nodes):
        raise ShapeError("concatenate: a scalar has no axis", hint="write [a, b] for a list of scalars")
    return graph.apply(CONCATENATE, nodes, checked_axis("concatenate", axis, graph.shape(nodes[0])))


def stack(graph: Graph, nodes: Sequence[int], axis: int = 0) -> int:
    """Arrays of one shape along a new axis."""
    nodes = _alike(graph, nodes)
    shape = graph.shape(nodes[0])
    axis = checked_axis("stack", axis, (*shape, 1))
    if axis == 0:
        return graph.add(STACK, nodes)
    for n in nodes:
        if graph.shape(n) != shape:
            raise ShapeError(f"stack: shapes {show(shape)} and {show(graph.shape(n))} differ")
    return concatenate(graph, [reshape(graph, n, (*shape[:axis], 1, *shape[axis:])) for n in nodes], axis)


def scatter(graph: Graph, node: int, index: tuple[Any, ...], shape: Shape) -> int:
    """Zeros of `shape`, with `node` at an index of integers and slices: the transpose of `element`."""
    parts: list[Any] = []
    for part, size in zip(index, fixed(shape), strict=False):
        parts.append(as_triple(part, size) if isinstance(part, slice | tuple) else part % size if size else part)
    if all(p == (0, n, 1) for p, n in zip(parts, fixed(shape), strict=False)):
        return node
    return graph.add(SCATTER, (node,), (tuple(parts), shape))


def shifted(graph: Graph, node: int, axis: int, steps: int) -> int:
    """The elements moved by `steps` along an axis; zeros come in."""
    shape = graph.shape(node)
    size = shape[axis]
    steps = max(-size, min(size, steps))
    if not steps:
        return node
    before = (WHOLE,) * axis
    part = element(graph, node, (*before, slice(0, size - steps) if steps > 0 else slice(-steps, size)))
    return scatter(graph, part, (*before, slice(steps, size) if steps > 0 else slice(0, size + steps)), shape)


def element(graph: Graph, node: int, index: tuple[Any, ...]) -> int:
    """`node[index]` for constant integers and slices; an entry of a list is that entry itself.

    Raises
    ------
    ShapeError
        Where the index is out of range or has too many parts.
    """
    shape = fixed(graph.types[node].shape)
    if len(index) > len(shape):
        raise ShapeError(f"{len(index)} indices for a value with {len(shape)} axes")
    parts: list[Any] = []
    for part, size in zip(index, shape, strict=False):
        if isinstance(part, slice | tuple):
            parts.append(as_triple(part, size))
        elif not -size <= part < size:
            raise out_of_range(part, size)
        else:
            parts.append(part % size)
    while parts and not isinstance(parts[0], tuple) and graph.ops[node] is STACK:
        node = graph.args[node][parts.pop(0)]
    if not parts:
        return node
    shape = fixed(graph.types[node].shape)
    while parts and parts[-1] == (0, shape[len(parts) - 1], 1):
        parts.pop()
    if parts and graph.ops[node] is CONSTANT:
        return graph.constant(np.asarray(graph.payloads[node][numpy_index(tuple(parts))]))
    return graph.apply(INDEX, (node,), tuple(parts))


def as_triple(part: Any, size: int) -> tuple[int, int | None, int]:
    """A slice of an axis as (start, stop, step); a stop before the first is None, (0, 0, 1) is one of nothing."""
    if (part.step if isinstance(part, slice) else part[2]) == 0:
        raise ShapeError("the step of a slice must not be 0", hint="write x[start:stop]")
    start, stop, step = slice_bounds(part, size)
    if not slice_length(start, stop, step):
        return 0, 0, 1  # where there is nothing, a start or stop of -1 would be read as the last element
    return start, stop if stop >= 0 else None, step


def _alike(graph: Graph, nodes: Sequence[int]) -> tuple[int, ...]:
    """Conditions among numbers count as numbers."""
    if not nodes:
        raise ShapeError("nothing to join", hint="give at least one array")
    if any(graph.types[n].dtype != BOOL for n in nodes):
        return tuple([graph.as_number(n) for n in nodes])
    return tuple(nodes)


# What of all that is the same for whoever makes such a node


def _simpler_broadcast(graph: Graph, make: Make, args: tuple[int, ...], shape: Shape) -> int | None:
    node = args[0]
    own = graph.types[node].shape
    if own == shape:
        return node
    if graph.ops[node] is BROADCAST and broadcast_shapes("broadcast", [own, shape]) == shape:
        return make(BROADCAST, graph.args[node], shape)
    return None


def _simpler_reshape(graph: Graph, make: Make, args: tuple[int, ...], shape: Shape) -> int | None:
    node = args[0]
    own = graph.types[node].shape
    if own == shape:
        return node
    if not own:
        return make(BROADCAST, args, shape)
    if graph.ops[node] is RESHAPE:
        return make(RESHAPE, graph.args[node], shape)
    scalar = repeated_scalar(graph, node)
    return make(BROADCAST, (scalar,), shape) if scalar is not None and product(shape) == product(own) else None


def _simpler_transpose(graph: Graph, make: Make, args: tuple[int, ...], perm: tuple[int, ...]) -> int | None:
    node = args[0]
    if perm == tuple(range(len(graph.types[node].shape))):
        return node
    if graph.ops[node] is TRANSPOSE:
        inner = graph.payloads[node]
        return make(TRANSPOSE, graph.args[node], tuple([inner[k] for k in perm]))
    scalar = repeated_scalar(graph, node)
    return None if scalar is None else make(BROADCAST, (scalar,), tuple([graph.shape(node)[k] for k in perm]))


def _simpler_index(graph: Graph, make: Make, args: tuple[int, ...], index: tuple[Any, ...]) -> int | None:
    node = args[0]
    shape = fixed(graph.types[node].shape)
    if all(isinstance(p, tuple) and slice_bounds(p, n) == (0, n, 1) for p, n in zip(index, shape, strict=False)):
        return node
    scalar = repeated_scalar(graph, node)
    return None if scalar is None else make(BROADCAST, (scalar,), sliced(shape, index))


def _simpler_concatenate(graph: Graph, make: Make, args: tuple[int, ...], axis: int) -> int | None:
    return args[0] if len(args) == 1 else None


def leading(graph: Graph, node: int, lead: int) -> tuple[int, ...]:
    """The sizes of the first `lead` axes of a node."""
    return graph.shape(node)[:lead]


def known(graph: Graph, tangents: Sequence[int | None], node: int, lead: int) -> list[int]:
    """The tangents of the operands of `node`, with zeros for those that are missing."""
    sizes = next(leading(graph, t, lead) for t in tangents if t is not None)
    zero = graph.constant(0.0)
    return [
        broadcast(graph, zero, (*sizes, *graph.shape(a))) if t is None else t
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
    return stack(graph, known(graph, tangents, node, lead), lead)


def _stack_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    return element(graph, g, (WHOLE,) * lead + (k,))


def _scatter_under(graph: Graph, node: int, index: tuple[Any, ...], shape: Shape, lead: int) -> int:
    own = leading(graph, node, lead)
    return scatter(graph, node, (WHOLE,) * lead + index, (*own, *shape))


def _broadcast_forward(graph: Graph, t: int, shape: Shape, lead: int) -> int:
    return broadcast(graph, with_rank(graph, t, lead, len(shape)), (*leading(graph, t, lead), *shape))


def _broadcast_back(graph: Graph, g: int, x: int, shape: Shape, lead: int) -> int:
    own, sizes = graph.shape(x), leading(graph, g, lead)
    padded = (*sizes, *(1,) * (len(shape) - len(own)), *own)
    return reshape(graph, unbroadcast(graph, g, padded), (*sizes, *own))


def _reshape_back(graph: Graph, g: int, x: int, shape: Shape, lead: int) -> int:
    return reshape(graph, g, (*leading(graph, g, lead), *graph.shape(x)))


def _permuted(perm: tuple[int, ...], lead: int) -> tuple[int, ...]:
    return (*range(lead), *(lead + k for k in perm))


def inverse(perm: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `perm`."""
    return tuple(sorted(range(len(perm)), key=lambda k: perm[k]))


def _concatenate_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    return concatenate(graph, known(graph, tangents, node, lead), graph.payloads[node] + lead)


def _concatenate_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    axis, args = graph.payloads[node], graph.args[node]
    sizes = [graph.shape(a)[axis] for a in args]
    start = sum(sizes[:k])
    return element(graph, g, (WHOLE,) * (lead + axis) + (slice(start, start + sizes[k]),))


def _read_index(value: Any) -> tuple[Any, ...]:
    return tuple(
        _read_slice(part) if type(part) is list else content.integer(part, 0, content.LARGEST_ARRAY, "an index")
        for part in content.items(value, "an index")
    )


def _read_slice(value: Any) -> tuple[int, int | None, int]:
    start, stop, step = content.items(value, "a slice", 3)
    bounds = (-content.LARGEST_ARRAY, content.LARGEST_ARRAY)
    if content.integer(step, *bounds, "a step") == 0:
        raise content.refuse("a step of 0")
    end = None if stop is None else content.integer(stop, *bounds, "the end of a slice")
    return content.integer(start, *bounds, "the start of a slice"), end, step


def _read_axes(value: Any) -> tuple[int, ...]:
    axes = tuple(content.axis(k) for k in content.items(value, "axes"))
    if len(set(axes)) != len(axes):
        raise content.refuse("an axis is given twice")
    return axes


def _read_scatter(value: Any) -> tuple[Any, Shape]:
    index, shape = content.items(value, "a scattering", 2)
    return _read_index(index), content.read_shape(shape)


AXIS = payload_kind("axis", content.axis)
AXES = payload_kind("axes", _read_axes)
SHAPE = payload_kind("shape", content.read_shape, content.written_shape)
PLACE = payload_kind("index", _read_index)
PLACE_IN_SHAPE = payload_kind(
    "index and shape", _read_scatter, lambda value: [value[0], content.written_shape(value[1])]
)

STACK, CONCATENATE, INDEX, SCATTER, BROADCAST, RESHAPE, TRANSPOSE = register(
    Op("stack", None, hidden=True, finite=True, doc="a list: its entries along a new first axis", type_rule=_stack_type,
       routine=Movement(lambda *parts: np.stack(parts[:-1])),
       differential=Differential(_stack_forward, _stack_back)),
    Op("concatenate", None, hidden=True, finite=True, doc="arrays one after the other along an axis", payload=AXIS,
       type_rule=_concatenate_type, canonical=_simpler_concatenate,
       routine=Movement(lambda *parts: np.concatenate(parts[:-1], parts[-1])),
       differential=Differential(_concatenate_forward, _concatenate_back)),
    Op("index", None, hidden=True, finite=True, doc="an element or a slice", payload=PLACE,
       type_rule=_index_type, canonical=_simpler_index,
       routine=Movement(lambda x, index: x[numpy_index(index)]),
       differential=unary(lambda graph, t, index, lead: element(graph, t, (WHOLE,) * lead + index),
                          lambda graph, g, x, index, lead: _scatter_under(graph, g, index, graph.shape(x), lead))),
    Op("scatter", None, hidden=True, finite=True, doc="zeros, with the operand at an index", payload=PLACE_IN_SHAPE,
       type_rule=_scatter_type, routine=Movement(_scatter), empty=0.0,
       differential=unary(lambda graph, t, payload, lead: _scatter_under(graph, t, payload[0], payload[1], lead),
                          lambda graph, g, x, payload, lead: element(graph, g, (WHOLE,) * lead + payload[0]))),
    Op("broadcast", None, word="broadcast_to", hidden=True, finite=True, numpy="np.broadcast_to({0}, {shape})",
       doc="the operand repeated to a shape", payload=SHAPE,
       type_rule=_broadcast_type, canonical=_simpler_broadcast,
       routine=Movement(lambda x, shape: np.broadcast_to(x, shape)),
       differential=unary(_broadcast_forward, _broadcast_back)),
    Op("reshape", None, hidden=True, finite=True, numpy="np.reshape({0}, {shape})",
       doc="the same elements in another shape", payload=SHAPE,
       type_rule=_reshape_type, canonical=_simpler_reshape, routine=Movement(lambda x, shape: np.reshape(x, shape)),
       differential=unary(lambda graph, t, shape, lead: reshape(graph, t, (*leading(graph, t, lead), *shape)),
                          _reshape_back)),
    Op("transpose", None, hidden=True, finite=True, doc="the axes in another order", payload=AXES,
       type_rule=_transpose_type, canonical=_simpler_transpose, routine=Movement(lambda x, perm: np.transpose(x, perm)),
       differential=unary(lambda graph, t, perm, lead: transpose(graph, t, _permuted(perm, lead)),
                          lambda graph, g, x, perm, lead: transpose(graph, g, _permuted(inverse(perm), lead)))),
)  # fmt: skip
