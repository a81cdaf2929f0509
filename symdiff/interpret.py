"""The reference evaluator: NumPy values, node after node. It is the oracle for constant folding and for native code.

Routines are called through `as_ufunc`, so that they are the very functions that native code calls. In float32,
elementary operations are those of float32, and library functions are computed in double and rounded.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.budget import current, exceeded
from symdiff.frontend.bodies import expansion
from symdiff.frontend.constants import evaluator
from symdiff.ir.body import Body, Domain
from symdiff.ir.graph import Graph
from symdiff.numeric import as_ufunc
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Expand, Fold, Library, MatrixRoutine, Movement, Outside, Special
from symdiff.types import BOOL, FLOAT64, known_product

Value = Any
"""A NumPy scalar or array."""


@evaluator
def evaluate(graph: Graph, outputs: Sequence[int], values: Mapping[int, Value]) -> list[Value]:
    """The values of the nodes `outputs`, given those of the inputs (or of any nodes to cut the graph at).

    A scalar node may be given an array: then what depends on it is computed at all of its points.

    Raises
    ------
    ArgumentError
        Where an input that the outputs depend on has no value.
    """
    found = evaluate_all(graph, outputs, values)
    return [found[node] for node in outputs]


def evaluate_all(graph: Graph, outputs: Iterable[int], values: Mapping[int, Value]) -> dict[int, Value]:
    """As `evaluate`, the values of all the nodes that `outputs` depend on, by id."""
    given = {node: _value(value, graph.types[node].dtype) for node, value in values.items()}
    body = Body(graph, (), tuple(outputs))
    if graph.has_arrays:
        _check_bytes(body, given)
    with np.errstate(all="ignore"):
        return body.fold(of_type(graph.dtype), given)


def _check_bytes(body: Body, given: Mapping[int, Value]) -> None:
    """Refuse arrays that are larger than the memory that limits allow."""
    graph, limit = body.graph, current().bytes
    for node in graph.live(body.results, given):
        shape = graph.types[node].shape
        if shape and (size := 8 * known_product(shape)) > limit:
            raise exceeded("bytes", size, f"an array of {size:,} bytes", place=graph.places.get(node))


def compute(op: Op, payload: Any, operands: Sequence[Value], dtype: str = FLOAT64) -> Value:
    """The value of one operation; floating-point warnings are the caller's concern."""
    return of_type(dtype).make(op, operands, payload)


class Values(Domain[Value]):
    """The domain of numbers: every node becomes a NumPy value, in float64 or in float32."""

    def __init__(self, dtype: str = FLOAT64) -> None:
        self.dtype = dtype

    def constant(self, value: Any) -> Value:
        """The number or the array itself."""
        return _value(value, value.dtype.name if isinstance(value, np.ndarray) else self.dtype)

    def make(self, op: Op, args: Sequence[Value], payload: Any) -> Value:
        """The value of one operation; floating-point warnings are the caller's concern."""
        routine = op.routine
        if op is core.CALL:  # bodies stand in each other only so deep
            return payload.fold(self, dict(zip(payload.parameters, args, strict=True)))[payload.root]
        if isinstance(routine, Expand):
            body = expansion(op, payload)
            found = body.fold(self, dict(zip(body.parameters, args, strict=True)))[body.root]
            shape = np.broadcast_shapes(*map(np.shape, args))  # an operand may not be in the expression
            return found if np.shape(found) == shape else np.broadcast_to(found, shape)
        if isinstance(routine, Movement | MatrixRoutine):
            value = routine.evaluate(*args, payload)
            return value if args else np.asarray(value, self.dtype)[()]
        if isinstance(routine, Fold):
            step = OPS[routine.name]
            return functools.reduce(lambda x, y: self.make(step, (x, y), None), args)
        assert routine is not None
        result = as_ufunc(routine)(*args)
        if self.dtype != FLOAT64 and isinstance(routine, Library | Special | Outside):
            return np.asarray(result).astype(self.dtype)[()]
        return result


of_type = functools.cache(Values)
"""The domain of numbers of a type."""


def _value(value: Any, dtype: str) -> Value:
    if dtype == BOOL or isinstance(value, bool):
        return np.asarray(value, bool)[()]
    return np.asarray(value, dtype)[()]
