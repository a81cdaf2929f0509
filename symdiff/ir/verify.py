"""The check of a graph's invariants, run between passes by the tests."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import SymdiffError, VerifyError
from symdiff.ir.frozen import Frozen, nested
from symdiff.ir.graph import Graph
from symdiff.ir.listing import line
from symdiff.ops import OPS, core
from symdiff.types import BOOL, FLOATS, TensorType, fixed, tensor

CONTEXT = 3


def verify(graph: Graph, roots: Iterable[int] | None = None) -> None:
    """Check what every graph promises: all nodes, or those that `roots` depend on.

    Raises
    ------
    VerifyError
        Where a promise is broken; it shows the lines of the listing around the fault.
    """
    count = len(graph.ops)
    if not len(graph.args) == len(graph.payloads) == len(graph.types) == count:
        raise VerifyError("the lists of a graph differ in length")
    wanted: Sequence[int] = range(count)
    if roots is not None:
        roots = list(roots)
        for root in roots:
            if not 0 <= root < count:
                raise VerifyError(f"there is no node %{root}: the graph has {count}")
        _check_order(graph, range(count))
        wanted = graph.live(roots)
    else:
        _check_order(graph, wanted)
    _check_nodes(graph, wanted)
    for body in nested(graph, wanted):
        _check_body(body)


def _check_nodes(graph: Graph, wanted: Iterable[int]) -> None:
    known: dict[Any, int] = {}
    for node in wanted:
        _check_node(graph, node)
        key = _key(graph, node)
        first = known.setdefault(key, node)
        if first != node:
            raise _fault(graph, node, f"%{node} is equal to %{first}, but nodes are interned")


def _check_body(body: Frozen) -> None:
    """Check what a node carries: its graph, that it holds nothing else, and that it has not changed."""
    every = range(len(body.graph.ops))
    _check_order(body.graph, every)
    _check_nodes(body.graph, every)
    inputs = [n for n, op in enumerate(body.graph.ops) if op is core.INPUT]
    if inputs != list(body.parameters) or set(body.order).union(inputs) != set(range(len(body.graph))):
        raise VerifyError(f"{body!r} holds other nodes than its parameters and what its results are made of")
    if Frozen(body).digest != body.digest:
        raise VerifyError(f"{body!r} is not what its digest says")


def _check_order(graph: Graph, wanted: Iterable[int]) -> None:
    for node in wanted:
        for a in graph.args[node]:
            if not 0 <= a < node:
                raise _fault(graph, node, f"%{node} uses %{a}, which does not come before it")


def _check_node(graph: Graph, node: int) -> None:
    op, args, payload, type_ = graph.ops[node], graph.args[node], graph.payloads[node], graph.types[node]
    if OPS.get(op.key) is not op:
        raise _fault(graph, node, f"%{node}: {op.name} is not an operation of the table")
    if not isinstance(type_, TensorType):
        raise _fault(graph, node, f"%{node} has no type")
    if op.kinds is not None and len(args) != len(op.kinds):
        raise _fault(graph, node, f"%{node}: {op.name} takes {len(op.kinds)} operands, not {len(args)}")
    if payload is None and op.payload is not None:
        raise _fault(graph, node, f"%{node}: {op.name} lacks its payload")
    if payload is not None and op.payload is None:
        raise _fault(graph, node, f"%{node}: {op.name} carries a payload, {payload!r}")
    if op is core.CONSTANT:
        _check_constant(graph, node)
        return
    if op is core.INPUT:
        return
    try:
        expected = op.type_rule(op, [graph.types[a] for a in args] or [tensor(graph.dtype)], payload)
    except (SymdiffError, LookupError, TypeError, ValueError) as error:
        raise _fault(graph, node, f"%{node}: its operands do not fit: {error}") from error
    if expected != type_:
        raise _fault(graph, node, f"%{node} has the type {type_}, its operands give {expected}")


def _check_constant(graph: Graph, node: int) -> None:
    value, type_ = graph.payloads[node], graph.types[node]
    if isinstance(value, np.ndarray):
        good = str(value.dtype) == type_.dtype and value.shape == fixed(type_.shape)
        good = good and not value.flags.writeable and value.flags.c_contiguous
    elif isinstance(value, bool):
        good = type_.dtype == BOOL and not type_.shape
    else:
        good = isinstance(value, float) and type_.dtype in FLOATS and not type_.shape
    if not good:
        raise _fault(graph, node, f"%{node}: the constant {value!r} does not fit the type {type_}")


def _key(graph: Graph, node: int) -> Any:
    payload = graph.payloads[node]
    if isinstance(payload, np.ndarray):
        payload = (payload.shape, payload.tobytes())
    elif isinstance(payload, float):
        payload = struct.pack("<d", payload)
    return graph.ops[node].key, graph.args[node], graph.types[node].dtype, type(payload), payload


def _fault(graph: Graph, node: int, message: str) -> VerifyError:
    shown = []
    for k in range(max(0, node - CONTEXT), min(len(graph.ops), node + CONTEXT + 1)):
        mark = "→ " if k == node else "  "
        shown.append(mark + line(graph, k))
    return VerifyError(message + "\n" + "\n".join(shown))
