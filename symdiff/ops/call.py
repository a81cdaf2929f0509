"""The call of a body: a formula that stays one node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symdiff.errors import ShapeError
from symdiff.ops.base import Op, register
from symdiff.types import TensorType

if TYPE_CHECKING:
    from symdiff.ir.frozen import Frozen
    from symdiff.ir.graph import Graph


def _type(op: Op, types: Sequence[TensorType], body: Any) -> TensorType:
    wanted = body.operand_types
    if not wanted:
        raise ShapeError(f"{op.name}: a body without parameters", hint="splice it: it is a constant")
    if len(types) != len(wanted):
        raise ShapeError(f"{op.name}: a body of {len(wanted)} parameters is given {len(types)} operands")
    for k, (given, own) in enumerate(zip(types, wanted, strict=True)):
        if given != own:
            raise ShapeError(f"{op.name}: operand {k} has the type {given}, the parameter {own}")
    (result,) = body.result_types
    return result  # type: ignore[no-any-return]


(CALL,) = register(
    Op("call", None, hidden=True, payload="body", type_rule=_type,
       doc="the value of a closed formula, which the node carries, at its operands"),
)  # fmt: skip


def call_of(graph: Graph, body: Frozen, args: Sequence[int]) -> int:
    """The node that is the one result of a body at `args`, which have the types of its parameters.

    Raises
    ------
    ShapeError
        Where there are more or fewer of them, or one has another type.
    """
    return graph.add(CALL, tuple(args), body)
