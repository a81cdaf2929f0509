"""A graph as flat arrays, and back: what files and pickles hold. Nothing here recurses, evaluates or trusts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from symdiff.budget import current
from symdiff.errors import StorageError, SymdiffError
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ir.payloads import (
    LARGEST_ARRAY,
    check_operands,
    integer,
    items,
    read_payload,
    read_shape,
    refuse,
    shown,
    word,
)
from symdiff.ops import OPS, Op, core
from symdiff.types import BOOL, FLOATS, INT64, Dim, Shape, product

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


def flatten(graph: Graph, roots: Iterable[int]) -> tuple[Description, bytes, dict[int, int]]:
    """What `roots` depend on: a description that JSON can hold, the arrays, and the place of each node in them."""
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
        elif op.payload == "shape":
            payloads.append(written_shape(payload))
        elif op.payload == "index and shape":
            payloads.append([payload[0], written_shape(payload[1])])
        elif op.payload == "shape and axis":
            payloads.append([written_shape(payload[0]), payload[1]])
        elif payload is not None:
            payloads.append(payload)
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


def written_shape(shape: Shape) -> list[int | str]:
    """A shape as JSON holds it; a size known by name only is its name."""
    return [n.name if isinstance(n, Dim) else int(n) for n in shape]


def unflatten(
    description: Any, data: memoryview, dtype: str, definitions: Mapping[str, Any] = MappingProxyType({})
) -> tuple[Graph, list[int]]:
    """The graph of a description and its arrays, and the node at each place.

    `definitions` are the functions of users that the description speaks of, by what it calls them.

    Raises
    ------
    StorageError
        For anything that `flatten` does not write: unknown operations, operands that do not come first, wrong numbers
        of them, shapes that do not fit, sizes beyond the limits.
    """
    if type(description) is not dict:
        raise refuse("there is no graph")
    count = integer(description.get("nodes"), 0, current().nodes, "the number of nodes")
    total = integer(description.get("operands"), 0, 2**32 - 1, "the number of operands")
    known = integer(description.get("numbers"), 0, count, "the number of constants")
    arrays = [_array_type(entry) for entry in items(description.get("arrays"), "the list of arrays")]
    sizes = [product(shape) * np.dtype(ELEMENTS[kind]).itemsize for kind, shape in arrays]
    if 6 * count + 4 * total + 8 * known + sum(sizes) != len(data):
        raise refuse("the arrays have another length than is said")
    codes = np.frombuffer(data, "<u2", count)
    counts = np.frombuffer(data, "<u4", count, 2 * count)
    operands = np.frombuffer(data, "<u4", total, 6 * count)
    numbers = np.frombuffer(data, "<f8", known, 6 * count + 4 * total)
    tags = _operations(description.get("operations"), definitions)
    if int(counts.sum(dtype=np.uint64)) != total or (count and int(codes.max()) >= len(tags)):
        raise refuse("operands or operations are missing")
    if (operands >= np.repeat(np.arange(count), counts)).any():
        raise refuse("an operand does not come before its user")
    values = _arrays(data, 6 * count + 4 * total + 8 * known, arrays, sizes)
    payloads = items(description.get("payloads"), "the list of payloads")
    try:
        with collector_paused():
            return _build(dtype, (codes, counts, operands), tags, numbers.tolist(), values, payloads, definitions)
    except StorageError:
        raise
    except StopIteration:
        raise refuse("there is less than the nodes use") from None
    except (SymdiffError, LookupError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise refuse(str(error).partition("\n")[0]) from error


def _array_type(entry: Any) -> tuple[str, Shape]:
    kind, shape = items(entry, "an array", 2)
    if kind not in ELEMENTS:
        raise refuse(f"an array of {shown(kind)}")
    return kind, read_shape(shape)


def _arrays(data: memoryview, start: int, types: list[tuple[str, Shape]], sizes: list[int]) -> list[npt.NDArray[Any]]:
    found = []
    for (kind, shape), size in zip(types, sizes, strict=True):
        flat = np.frombuffer(data[start : start + size], ELEMENTS[kind])
        start += size
        if kind == BOOL and flat.size and flat.max() > 1:
            raise refuse("a truth value that is neither true nor false")
        found.append(flat.astype(kind).reshape(shape))  # type: ignore[arg-type]
    return found


def _operations(listed: Any, definitions: Mapping[str, Any]) -> list[tuple[str, Op]]:
    tags = []
    for tag in items(listed, "the list of operations"):
        if tag in (NUMBER, TRUE, FALSE, ARRAY):
            tags.append((tag, core.CONSTANT))
        elif type(tag) is str and tag in definitions and definitions[tag].op is not None:
            tags.append((tag, definitions[tag].op))
        elif type(tag) is str and tag in OPS:
            tags.append((tag, OPS[tag]))
        else:
            raise StorageError(f"there is no operation {shown(tag)}", hint="a newer symdiff may know it")
    return tags


def _build(
    dtype: str,
    nodes: tuple[Any, Any, Any],
    tags: list[tuple[str, Op]],
    numbers: list[float],
    arrays: list[npt.NDArray[Any]],
    payloads: list[Any],
    definitions: Mapping[str, Any],
) -> tuple[Graph, list[int]]:
    graph = Graph(dtype)
    codes, counts, operands = (part.tolist() for part in nodes)
    left_numbers, left_arrays, left_payloads = iter(numbers), iter(arrays), iter(payloads)
    plain = {tag for tag, op in tags if op.kinds is not None and op.payload is None}
    ids: list[int] = []
    start = 0
    for code, size in zip(codes, counts, strict=True):
        tag, op = tags[code]
        args = tuple([ids[a] for a in operands[start : start + size]])
        start += size
        if tag in plain:
            node = graph.add(op, args)
        elif op in (core.CONSTANT, core.INPUT) and args:
            raise refuse(f"{op.name} has operands")
        elif op is core.CONSTANT:
            value = next(left_numbers) if tag == NUMBER else next(left_arrays) if tag == ARRAY else tag == TRUE
            node = graph.constant(value)
        elif tag == "input":
            title, kind, shape = items(next(left_payloads), "an input", 3)
            if kind not in (*FLOATS, BOOL, INT64):
                raise refuse(f"an input of type {shown(kind)}")
            node = graph.input(word(title, "an input"), read_shape(shape), kind)
        else:
            payload = read_payload(op, next(left_payloads), definitions) if op.payload is not None else None
            check_operands(graph, op, args, payload)
            node = graph.add(op, args, payload)
        own = graph.types[node].shape
        if own and math.prod(n for n in own if isinstance(n, int)) > LARGEST_ARRAY:
            raise refuse("an array is too large")
        ids.append(node)
    if any(next(left, None) is not None for left in (left_numbers, left_arrays, left_payloads)):
        raise refuse("there is more than the nodes use")
    return graph, ids
