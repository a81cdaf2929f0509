"""The nodes that are not arithmetic: inputs, constants, names, and the moving of elements."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ops.base import Linear, Movement, Op, register
from symdiff.types import Shape, TensorType, broadcast, fixed, product, same, show, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

Payload = Any


def _leaf(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    raise AssertionError(f"{op.name} nodes are made with their type")


def _like_operand(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    return types[0]


def _stack_type(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    if len({t.dtype for t in types}) > 1:
        raise ShapeError("a list cannot mix numbers and conditions")
    return tensor(types[0].dtype, (len(types), *same("a list", [t.shape for t in types])))


def _index_type(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    probe = np.empty(fixed(types[0].shape), bool)
    return tensor(types[0].dtype, probe[as_index(payload)].shape)


def _reshape_type(op: Op, types: Sequence[TensorType], payload: Shape) -> TensorType:
    if product(payload) != product(types[0].shape):
        raise ShapeError(f"cannot reshape {show(types[0].shape)} to {show(payload)}")
    return tensor(types[0].dtype, payload)


def _broadcast_type(op: Op, types: Sequence[TensorType], payload: Shape) -> TensorType:
    if broadcast("broadcast", [types[0].shape, payload]) != payload:
        raise ShapeError(f"cannot broadcast {show(types[0].shape)} to {show(payload)}")
    return tensor(types[0].dtype, payload)


def _sum_type(op: Op, types: Sequence[TensorType], payload: tuple[int, ...]) -> TensorType:
    return tensor(types[0].dtype, tuple(n for k, n in enumerate(types[0].shape) if k not in payload))


def as_index(payload: tuple[Any, ...]) -> tuple[Any, ...]:
    """The NumPy index of an `index` payload: an integer, or (start, stop, step) for a slice."""
    return tuple(slice(*part) if isinstance(part, tuple) else part for part in payload)


def _sum(x: Any, axes: tuple[int, ...]) -> Any:
    """The sum over `axes`, from the first element to the last, in this order everywhere."""
    moved = np.moveaxis(x, axes, tuple(range(len(axes))))
    rows = moved.reshape((-1, *moved.shape[len(axes) :]))
    return functools.reduce(operator.add, rows) if len(rows) else np.zeros(rows.shape[1:])


def _scatter(x: Any, payload: tuple[tuple[Any, ...], Shape]) -> Any:
    index, shape = payload
    dtype = np.asarray(x).dtype
    out = np.full(fixed(shape), np.zeros((), dtype)[()] if dtype.kind != "O" else 0.0, dtype)
    out[as_index(index)] = x
    return out


def _reduced_shape(shape: Shape, axes: tuple[int, ...]) -> Shape:
    return tuple(1 if k in axes else n for k, n in enumerate(shape))


def _stack_forward(graph: Graph, tangents: list[int | None], args: tuple[int, ...], payload: Payload) -> int:
    return graph.add("stack", tuple(graph.full_like(0.0, a) if t is None else t
                                    for t, a in zip(tangents, args, strict=True)))  # fmt: skip


def _unary_forward(name: str) -> Callable[[Graph, list[int | None], tuple[int, ...], Payload], int]:
    def forward(graph: Graph, tangents: list[int | None], args: tuple[int, ...], payload: Payload) -> int:
        tangent = tangents[0]
        assert tangent is not None
        return graph.add(name, (tangent,), payload)

    return forward


def _shape(graph: Graph, node: int) -> Shape:
    return graph.types[node].shape


def _linear(name: str, pullback: Callable[[Graph, int, int, Payload], int]) -> Linear:
    """A linear operation on one operand; `pullback` takes (graph, adjoint, operand, payload)."""
    return Linear(_unary_forward(name), lambda graph, g, args, payload, k: pullback(graph, g, args[0], payload))


register(
    Op("input", "", hidden=True, doc="an argument of the function", type_rule=_leaf, payload="name"),
    Op("constant", "", hidden=True, doc="a number, a truth value or an array of them", type_rule=_leaf,
       payload="value"),
    Op("named", None, hidden=True, doc="a line of the text that binds a name: its value, kept apart", payload="name",
       routine=Movement(lambda x, name: x), partials=("1",), type_rule=_like_operand),
    Op("stop_gradient", None, routine=Movement(lambda x, _: x), partials=(None,),
       doc="its operand, as a constant for every derivative", parameters=("x",), type_rule=_like_operand,
       aliases=("detach",), latex=r"\operatorname{{stop}}\left({}\right)"),
    Op("stack", None, hidden=True, doc="a list: its entries along a new first axis", type_rule=_stack_type,
       routine=Movement(lambda *parts: np.stack(parts[:-1])),
       linear=Linear(_stack_forward, lambda graph, g, args, payload, k: graph.element(g, (k,)))),
    Op("index", None, hidden=True, doc="an element or a slice", payload="index", type_rule=_index_type,
       routine=Movement(lambda x, index: x[as_index(index)]),
       linear=_linear("index", lambda graph, g, x, index: graph.add("scatter", (g,), (index, _shape(graph, x))))),
    Op("scatter", None, hidden=True, doc="zeros, with the operand at an index", payload="index",
       type_rule=lambda op, types, payload: tensor(types[0].dtype, payload[1]),
       routine=Movement(_scatter),
       linear=_linear("scatter", lambda graph, g, x, payload: graph.element(g, payload[0]))),
    Op("sum", None, hidden=True, doc="the sum over some axes", payload="axes", type_rule=_sum_type,
       routine=Movement(_sum),
       linear=_linear("sum", lambda graph, g, x, axes: graph.broadcast(
           graph.reshape(g, _reduced_shape(_shape(graph, x), axes)), _shape(graph, x)))),
    Op("broadcast", None, hidden=True, doc="the operand repeated to a shape", payload="shape",
       type_rule=_broadcast_type,
       routine=Movement(lambda x, shape: np.broadcast_to(x, shape)),
       linear=_linear("broadcast", lambda graph, g, x, shape: graph.unbroadcast(g, _shape(graph, x)))),
    Op("reshape", None, hidden=True, doc="the same elements in another shape", payload="shape",
       type_rule=_reshape_type, routine=Movement(lambda x, shape: np.reshape(x, shape)),
       linear=_linear("reshape", lambda graph, g, x, shape: graph.reshape(g, _shape(graph, x)))),
)  # fmt: skip
