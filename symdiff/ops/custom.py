"""The nodes of functions that a user defined: with a derivative of its own, or from outside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symdiff.errors import ShapeError
from symdiff.ops import movement
from symdiff.ops.base import Differential, MatrixRoutine, Movement, Op, register
from symdiff.ops.reduction import SUM
from symdiff.types import FLOAT64, TensorType, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

MOST_OPERANDS = 64


def _type(op: Op, types: Sequence[TensorType], layer: Any) -> TensorType:
    if len(types) != 1 + len(layer.parameters):
        raise ShapeError(f"{layer.name} takes {len(layer.parameters)} operands, not {len(types) - 1}")
    return types[0]


def _pushforward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    return int(graph.payloads[node].tangent(graph, tangents[1:], node, lead))


def _pullback(graph: Graph, adjoint: int, node: int, k: int, lead: int) -> int:
    return int(graph.payloads[node].adjoint(graph, adjoint, node, k - 1, lead))


def _reach(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
    """Every result depends on every element of the operand, as far as can be said."""
    own = len(graph.types[graph.args[node][k] if forward else node].shape)
    total = graph.add(SUM, (mask,), tuple(range(lead, lead + own))) if own else mask
    shape = graph.types[node if forward else graph.args[node][k]].shape
    return movement.broadcast(
        graph,
        movement.reshape(graph, total, (*graph.types[total].shape, *(1,) * len(shape))),
        (*graph.types[total].shape, *shape),
    )


def _outside_type(op: Op, types: Sequence[TensorType], layer: Any) -> TensorType:
    if len(types) != len(layer.parameters):
        raise ShapeError(f"{layer.name} takes {len(layer.parameters)} operands, not {len(types)}")
    if any(type_.dtype != FLOAT64 for type_ in types):
        raise ShapeError(f"{layer.name} takes numbers of float64")
    shapes = [type_.shape for type_ in types]
    lead = layer.leading_axes(shapes)
    own = [shape[len(shape) - len(p.shape) :] for shape, p in zip(shapes, layer.parameters, strict=True)]
    return tensor(FLOAT64, (*lead, *layer.result_shape(own)))


CUSTOM, FOREIGN = register(
    Op("custom", None, hidden=True, payload="layer", type_rule=_type, routine=Movement(lambda value, *rest: value),
       numpy="{0}",
       doc="the value of a function that a user defined, then its operands, by which it has derivatives of its own",
       differential=Differential(_pushforward, _pullback, _reach, active=(False, *(True,) * MOST_OPERANDS),
                                 text="what its author gave")),
    Op("foreign", None, hidden=True, payload="layer", type_rule=_outside_type,
       routine=MatrixRoutine(lambda *given: given[-1].evaluated(given[:-1])), flops=lambda types, result, layer: {},
       doc="what a function from outside gives of whole arrays, for each element of axes in front of theirs; `custom` "
           "around it has the derivative"),
)  # fmt: skip
