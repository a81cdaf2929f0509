"""A graph and the bodies in it, written as flat arrays and read again. Nothing that a file says is trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.budget import current
from symdiff.content import LARGEST_ARRAY, integer, items, printable, read_shape, refuse, shown, word, written_shape
from symdiff.errors import StorageError, SymdiffError
from symdiff.ir.body import Body
from symdiff.ir.flat import ARRAY, ELEMENTS, FALSE, NUMBER, TRUE, Description, flatten_alone
from symdiff.ir.frozen import Frozen, nested
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import PAYLOADS, Expand
from symdiff.types import BOOL, FLOATS, INT64, Shape, product, tensor

if TYPE_CHECKING:
    import numpy.typing as npt

LARGEST_ORDER = 64


def flatten(graph: Graph, roots: Sequence[int]) -> tuple[Description, bytes, dict[int, int]]:
    """What `roots` depend on: a description that JSON can hold, the arrays, and the place of each node in them.

    Bodies that nodes carry are listed in it, each after those in it, and nodes carry their places in this list.
    """
    inside = nested(graph, graph.live(roots))
    if not inside:
        return flatten_alone(graph, roots)
    listed = {body: k for k, body in enumerate(inside)}
    description, data, place = flatten_alone(graph, roots, listed)
    parts, entries = [data], []
    for body in inside:
        own, data, own_place = flatten_alone(body.graph, body.results, listed)
        types = [[t.dtype, written_shape(t.shape)] for t in body.operand_types]
        results = [own_place[r] for r in body.results]
        entries.append({"parameters": types, "results": results, "bytes": len(data), "graph": own})
        parts.append(data)
    return {**description, "bodies": entries}, b"".join(parts), place


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
    try:
        with collector_paused():
            return _together(description, data, dtype, definitions)
    except StorageError:
        raise
    except StopIteration:
        raise refuse("there is less than the nodes use") from None
    except (SymdiffError, LookupError, TypeError, ValueError, OverflowError, MemoryError) as error:
        raise refuse(str(error).partition("\n")[0]) from error


def _together(
    description: Description, data: memoryview, dtype: str, definitions: Mapping[str, Any]
) -> tuple[Graph, list[int]]:
    """The bodies in a description, each after those in it, and the graph that has them."""
    entries = items(description.get("bodies", []), "the list of bodies")
    lengths = [integer(_part(entry, "bytes"), 0, len(data), "the length of a body") for entry in entries]
    at, left = len(data) - sum(lengths), current().nodes
    if at < 0:
        raise refuse("the arrays have another length than is said")
    outer, bodies = data[:at], list[Frozen]()
    for entry, length in zip(entries, lengths, strict=True):
        body = _body(entry, data[at : at + length], dtype, definitions, left, bodies)
        at, left = at + length, left - len(body.graph)
        bodies.append(body)
    return _alone(description, outer, dtype, definitions, left, bodies)


def _part(entry: Any, key: str) -> Any:
    if type(entry) is not dict:
        raise refuse("there is no body")
    return entry.get(key)


def _body(
    entry: Any, data: memoryview, dtype: str, definitions: Mapping[str, Any], left: int, bodies: Sequence[Frozen]
) -> Frozen:
    """A body that nodes carry; `bodies` are those that may stand in it."""
    description = _part(entry, "graph")
    if type(description) is not dict:
        raise refuse("there is no graph")
    graph, ids = _alone(description, data, dtype, definitions, left, bodies)
    parameters = []
    for k, one in enumerate(items(entry.get("parameters"), "the parameters of a body")):
        kind, shape = items(one, "a parameter", 2)
        parameters.append(_input(graph, f"p{k}", kind, shape))
    results = [
        ids[integer(k, 0, len(ids) - 1, "a result")] for k in items(entry.get("results"), "the results of a body")
    ]
    return Frozen(Body(graph, parameters, results))


def _input(graph: Graph, title: str, kind: Any, shape: Any) -> int:
    if kind not in (*FLOATS, BOOL, INT64):
        raise refuse(f"an input of type {shown(kind)}")
    return graph.input(title, read_shape(shape), kind)


def _alone(
    description: Description,
    data: memoryview,
    dtype: str,
    definitions: Mapping[str, Any],
    most: int,
    bodies: Sequence[Frozen],
) -> tuple[Graph, list[int]]:
    """The graph of a description of at most so many nodes, which may carry some bodies."""
    count = integer(description.get("nodes"), 0, most, "the number of nodes")
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
    nodes = (codes, counts, operands)
    return _build(dtype, nodes, tags, numbers.tolist(), values, payloads, definitions, bodies)


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
    bodies: Sequence[Frozen],
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
            node = _input(graph, word(title, "an input"), kind, shape)
        else:
            payload = None
            if op.payload == "body":
                payload = bodies[integer(next(left_payloads), 0, len(bodies) - 1, "a body")]
            elif op.payload is not None:
                payload = _read_payload(op, next(left_payloads), definitions, len(args))
            _check_operands(graph, op, args, payload)
            node = graph.add(op, args, payload)
        own = graph.types[node].shape
        if own and math.prod(n for n in own if isinstance(n, int)) > LARGEST_ARRAY:
            raise refuse("an array is too large")
        ids.append(node)
    if any(next(left, None) is not None for left in (left_numbers, left_arrays, left_payloads)):
        raise refuse("there is more than the nodes use")
    return graph, ids


def _read_payload(op: Op, value: Any, definitions: Mapping[str, Any], count: int) -> Any:
    """What a node of `op` with `count` operands carries; `definitions` are the functions of users, by what the file
    calls them.
    """
    if op in (core.CUSTOM, core.FOREIGN):
        title, axes = items(value, "a call", 2) if op is core.CUSTOM and type(value) is list else (value, [])
        title = printable(title, "a definition")
        if title not in definitions:
            raise refuse(f"{title} is not defined")
        found = definitions[title]
        for varies in items(axes, "the axes of a call"):
            if any(type(has) is not bool for has in items(varies, "an axis of a call", count - 1)):
                raise refuse("an axis of a call is not said for each operand")
            found = found.mapped(varies)
        return found
    kind = PAYLOADS.get(op.payload or "")
    if kind is not None:
        return kind.read(value)
    order = integer(value, -LARGEST_ORDER, LARGEST_ORDER, op.name)
    if isinstance(op.routine, Expand):
        op.routine.of(order)  # refuses what has no expression
    return order


def _check_operands(graph: Graph, op: Op, args: tuple[int, ...], payload: Any) -> None:
    """What type rules take for granted."""
    if op.kinds is None and not args:
        raise refuse(f"{op.name} of no operands")
    if op is core.SCATTER and len(args) == 1:
        target = tensor(graph.types[args[0]].dtype, payload[1])
        if core.INDEX.type_rule(core.INDEX, [target], payload[0]) != graph.types[args[0]]:
            raise refuse("a scattering to another shape")
