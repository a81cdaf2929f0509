"""A graph as flat arrays: what files and pickles hold. Nothing here recurses or evaluates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from symdiff.content import written_shape
from symdiff.ir.graph import Graph
from symdiff.ops.base import PAYLOADS

# Constants are told apart by what stands for their operation.
NUMBER, TRUE, FALSE, ARRAY = "constant", "constant true", "constant false", "constant array"
ELEMENTS = {"float64": "<f8", "float32": "<f4", "bool": "|u1", "int64": "<i8"}

Description = dict[str, Any]


def canonical_order(graph: Graph, roots: Iterable[int]) -> list[int]:
    """What `roots` depend on, operands first, in an order that is the same whatever else the graph holds."""
    order: list[int] = []
    done: set[int] = set()
    args = graph.args
    for root in roots:
        stack = [root]
        while stack:
            node = stack[-1]
            if node in done:
                stack.pop()
                continue
            waiting = [a for a in args[node] if a not in done]
            if waiting:
                stack += waiting[::-1]
            else:
                done.add(node)
                order.append(node)
                stack.pop()
    return order


def flatten_alone(
    graph: Graph, roots: Iterable[int], bodies: Mapping[Any, Any] = MappingProxyType({})
) -> tuple[Description, bytes, dict[int, int]]:
    """As `flatten`, without the bodies that nodes carry: `bodies` says what stands for them."""
    order = canonical_order(graph, roots)
    place = {node: k for k, node in enumerate(order)}
    tags: dict[str, int] = {}
    codes, counts, operands, numbers = list[int](), list[int](), list[int](), list[float]()
    arrays, payloads, elements = list[Any](), list[Any](), list[bytes]()
    for node in order:
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        tag = op.key
        if tag == "constant":
            if isinstance(payload, np.ndarray):
                tag = ARRAY
                arrays.append([str(payload.dtype), list(payload.shape)])
                elements.append(payload.astype(ELEMENTS[str(payload.dtype)], copy=False).tobytes())
            elif isinstance(payload, bool):
                tag = TRUE if payload else FALSE
            else:
                numbers.append(payload)
        elif tag == "input":
            type_ = graph.types[node]
            payloads.append([payload, type_.dtype, written_shape(type_.shape)])
        elif op.payload == "body":
            payloads.append(bodies[payload])
        elif payload is not None:
            kind = PAYLOADS.get(op.payload or "")
            payloads.append(payload if kind is None or kind.write is None else kind.write(payload))
        codes.append(tags.setdefault(tag, len(tags)))
        counts.append(len(args))
        operands += [place[a] for a in args]
    description = {
        "operations": list(tags),
        "nodes": len(order),
        "operands": len(operands),
        "numbers": len(numbers),
        "arrays": arrays,
        "payloads": payloads,
    }
    parts = [np.array(codes, "<u2"), np.array(counts, "<u4"), np.array(operands, "<u4"), np.array(numbers, "<f8")]
    return description, b"".join([*(p.tobytes() for p in parts), *elements]), place
