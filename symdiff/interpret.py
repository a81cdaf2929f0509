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
from symdiff.errors import ArgumentError, IndexRangeError
from symdiff.frontend.template import expansion
from symdiff.ir.graph import Graph
from symdiff.numeric import as_ufunc
from symdiff.ops import OPS, Op
from symdiff.ops.base import OPERAND_NAMES, Expand, Fold, Library, MatrixRoutine, Movement, Special
from symdiff.types import BOOL, FLOAT64, known_product

Value = Any
"""A NumPy scalar or array."""


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
    with np.errstate(all="ignore"):
        return _walk(graph, outputs, given, graph.dtype)


def compute(op: Op, payload: Any, operands: Sequence[Value], dtype: str = FLOAT64) -> Value:
    """The value of one operation; floating-point warnings are the caller's concern."""
    routine = op.routine
    if isinstance(routine, Expand):
        body = expansion(op, payload)
        leaves = body.leaves
        given = {leaves[n]: v for n, v in zip(OPERAND_NAMES, operands, strict=False) if n in leaves}
        return _walk(body.graph, (body.root,), given, dtype, body.order)[body.root]
    if isinstance(routine, Movement | MatrixRoutine):
        value = routine.evaluate(*operands, payload)
        return value if operands else np.asarray(value, dtype)[()]
    if isinstance(routine, Fold):
        step = OPS[routine.name]
        return functools.reduce(lambda x, y: compute(step, None, (x, y), dtype), operands)
    assert routine is not None
    result = as_ufunc(routine)(*operands)
    if dtype != FLOAT64 and isinstance(routine, Library | Special):
        return np.asarray(result).astype(dtype)[()]
    return result


def _walk(
    graph: Graph, outputs: Iterable[int], values: dict[int, Value], dtype: str, order: Sequence[int] | None = None
) -> dict[int, Value]:
    ops, args, payloads, types = graph.ops, graph.args, graph.payloads, graph.types
    for node in graph.live(outputs, stop=values) if order is None else order:
        if node in values:
            continue
        op, shape = ops[node], types[node].shape
        if shape and 8 * known_product(shape) > current().bytes:
            size = 8 * known_product(shape)
            raise exceeded("bytes", size, f"an array of {size:,} bytes", place=graph.places.get(node))
        if op.name == "constant":
            values[node] = _value(payloads[node], graph.types[node].dtype if graph.dtype == dtype else dtype)
        elif op.name == "input":
            raise ArgumentError(f"no value is given for the input {payloads[node]}")
        else:
            try:
                values[node] = compute(op, payloads[node], [values[a] for a in args[node]], dtype)
            except IndexRangeError as error:
                raise _located(graph, node, error) from None
    return values


def _located(graph: Graph, node: int, error: IndexRangeError) -> IndexRangeError:
    """The error for an index with the array that it is of, its axis, and the place in the text."""
    array, payload = graph.args[node][0], graph.payloads[node]
    named = graph.ops[node].name == "gather" and graph.ops[array].name in ("input", "named")
    axis = f"axis {payload} of {graph.payloads[array]}, which is" if named else "an axis"
    return IndexRangeError(error.index, error.size, axis=axis, point=error.point, place=graph.places.get(node))


def _value(value: Any, dtype: str) -> Value:
    if dtype == BOOL or isinstance(value, bool):
        return np.asarray(value, bool)[()]
    return np.asarray(value, dtype)[()]
