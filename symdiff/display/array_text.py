"""How operations on arrays are written in the language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.ir.graph import Graph
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import MatrixRoutine, Movement
from symdiff.types import Shape, fixed

if TYPE_CHECKING:
    from symdiff.display.text import Part, Writer

ATOM, PRODUCT = 100, 60
LETTERS = "ijklmnopqrstuvwxyzabcdefghIJKLMNOPQRSTUVWXYZABCDEFGH"

TENSORS = [op for op in OPS.values() if op.hidden and isinstance(op.routine, Movement | MatrixRoutine)]

Labels = tuple[int, ...]
Written = tuple[int, Sequence["Part"]]

PRODUCTS: dict[Any, tuple[bool, bool]] = {
    (((0,), (0,)), ()): (False, False),
    (((0, 1), (1,)), (0,)): (False, False),
    (((0,), (0, 1)), (1,)): (False, False),
    (((0, 1), (1, 2)), (0, 2)): (False, False),
    (((0, 1), (0,)), (1,)): (True, False),
    (((0,), (1, 0)), (1,)): (False, True),
    (((0, 1), (0, 2)), (1, 2)): (True, False),
    (((0, 1), (2, 1)), (0, 2)): (False, True),
    (((0, 1), (2, 0)), (1, 2)): (True, True),
    (((0, 1, 2), (0, 2, 3)), (0, 1, 3)): (False, False),
    (((0, 1, 2), (2, 3)), (0, 1, 3)): (False, False),
    (((0, 1, 2), (2,)), (0, 1)): (False, False),
}
"""The contractions that are products of matrices and vectors, and which operands are transposed in them."""


def subscript(index: Iterable[Any], shape: Shape = ()) -> str:
    """The payload of an `index` node as Python writes it between brackets; `shape` is that of the operand."""
    shown = []
    for axis, part in enumerate(index):
        if isinstance(part, tuple):
            start, stop, step = part
            if axis < len(shape) and stop == shape[axis] and step > 0:
                stop = None
            if axis < len(shape) and step < 0 and start == shape[axis] - 1:  # type: ignore[operator]
                start = None
            ends = f"{start if start or (step < 0 and start is not None) else ''}:{'' if stop is None else stop}"
            shown.append(ends if step == 1 else f"{ends}:{step}")
        else:
            shown.append(str(part))
    return ", ".join(shown)


def shape_text(shape: Shape) -> str:
    """A shape as an argument."""
    return str(shape[0]) if len(shape) == 1 else "(" + ", ".join(map(str, shape)) + ")"


def subscripts(payload: tuple[tuple[Labels, ...], Labels]) -> str:
    """The labels of a contraction in Einstein's notation."""
    labels, output = payload
    return ",".join("".join(LETTERS[k] for k in own) for own in labels) + "->" + "".join(LETTERS[k] for k in output)


def _operand(writer: Writer, node: int, k: int = 0) -> int:
    return writer.graph.args[node][k]


def _rank(graph: Graph, node: int) -> int:
    return len(graph.types[node].shape)


def _call(name: str, *pieces: Part | int) -> Written:
    """A call: nodes and texts between commas."""
    parts: list[Part] = [f"{name}("]
    for k, piece in enumerate(pieces):
        if k:
            parts.append(", ")
        parts.append((piece, 0, False) if isinstance(piece, int) else piece)
    return ATOM, [*parts, ")"]


def _own(writer: Writer, node: int, *pieces: Part | int) -> Written:
    """A call of the node's operation."""
    return _call(writer.graph.ops[node].word, *pieces)


def _reduction(writer: Writer, node: int) -> Written:
    """A reduction: `sum(x)`, `sum(x, axis=1)`."""
    axes, x = writer.graph.payloads[node], _operand(writer, node)
    if len(axes) == _rank(writer.graph, x):
        return _own(writer, node, x)
    return _own(writer, node, x, f"axis={axes[0] if len(axes) == 1 else tuple(axes)}")


def _function(writer: Writer, node: int) -> Written:
    return _own(writer, node, *writer.graph.args[node])


def _transpose(writer: Writer, node: int) -> Written:
    perm, x = writer.graph.payloads[node], _operand(writer, node)
    count = len(perm)
    if perm == tuple(range(count))[::-1]:
        return ATOM, [(x, ATOM, False), ".T"]
    if perm == (*range(count - 2), count - 1, count - 2):
        return ATOM, [(x, ATOM, False), ".mT"]
    return _own(writer, node, x, str(tuple(perm)))


def _einsum(writer: Writer, node: int) -> Written:
    args, payload = writer.graph.args[node], writer.graph.payloads[node]
    turned = PRODUCTS.get(payload)
    if turned is not None:
        sides: list[Part] = []
        for k, (arg, turn) in enumerate(zip(args, turned, strict=True)):
            sides += [(arg, ATOM, False), ".T"] if turn else [(arg, PRODUCT + k, k == 1)]
            sides += [" @ "] if k == 0 else []
        return PRODUCT, sides
    if payload == (((0,), (1,)), (0, 1)):
        return _call("outer", *args)
    return _own(writer, node, f'"{subscripts(payload)}"', *args)


def _diagonal(writer: Writer, node: int) -> Written:
    axes, x = writer.graph.payloads[node], _operand(writer, node)
    return _own(writer, node, x, *([] if axes == (0, 1) else [f"axis1={axes[0]}", f"axis2={axes[1]}"]))


def _concatenate(writer: Writer, node: int) -> Written:
    axis, args = writer.graph.payloads[node], writer.graph.args[node]
    inner: list[Part] = [f"{core.CONCATENATE.word}(["]
    for k, a in enumerate(args):
        inner += [", "] * (k > 0) + [(a, 0, False)]
    return ATOM, [*inner, f"], axis={axis})" if axis else "])"]


def _index_node(writer: Writer, node: int) -> Part | int:
    """The indices of a node as the language takes them."""
    graph = writer.graph
    if graph.ops[node] is core.CONSTANT:
        return str(np.asarray(graph.payloads[node]).tolist())
    return graph.args[node][0] if graph.ops[node] is core.AS_INDEX and node not in writer.names else node


def _gather(writer: Writer, node: int) -> Written:
    x, index = writer.graph.args[node]
    return _own(writer, node, x, _index_node(writer, index), f"axis={writer.graph.payloads[node]}")


def _scatter_add(writer: Writer, node: int) -> Written:
    x, index = writer.graph.args[node]
    axis, size = writer.graph.payloads[node]
    return _own(writer, node, x, _index_node(writer, index), str(size), *([f"axis={axis}"] if axis else []))


def _iota(writer: Writer, node: int) -> Written:
    shape, axis = writer.graph.payloads[node]
    if len(shape) == 1:
        return ATOM, [f"arange({shape[0]})"]
    line = f"reshape(arange({shape[axis]}), {tuple(n if k == axis else 1 for k, n in enumerate(shape))})"
    return ATOM, [f"broadcast_to({line}, {shape_text(shape)})"]


def _broadcast(writer: Writer, node: int) -> Written:
    graph, x, shape = writer.graph, _operand(writer, node), shape_text(writer.graph.payloads[node])
    if graph.types[x].shape:
        return _own(writer, node, x, shape)
    value = graph.payloads[x] if graph.ops[x] is core.CONSTANT and x not in writer.names else None
    if isinstance(value, float) and value in (0.0, 1.0) and str(value)[0] != "-":
        return _call("ones" if value else "zeros", shape)
    return _call("full", shape, x)


def _reshape(writer: Writer, node: int) -> Written:
    graph, x = writer.graph, _operand(writer, node)
    own, shape = fixed(graph.types[x].shape), fixed(graph.types[node].shape)
    if not own:
        return _call("full", shape_text(shape), x)
    if len(own) == 1 and sorted(shape)[:-1] == [1] * (len(shape) - 1) and own[0] in shape and 1 < len(shape) < 4:
        at = max(range(len(shape)), key=lambda k: shape[k])
        return ATOM, [(x, ATOM, False), "[" + ", ".join(":" if k == at else "None" for k in range(len(shape))) + "]"]
    if len(shape) == 1:
        return _call("ravel", x)
    return _own(writer, node, x, shape_text(shape) if shape else "()")


def _scatter(writer: Writer, node: int) -> Written:
    index, shape = writer.graph.payloads[node]
    return _own(writer, node, _operand(writer, node), f'"{subscript(index, shape)}"', shape_text(shape))


def _cumsum(writer: Writer, node: int) -> Written:
    (axis, reverse), x = writer.graph.payloads[node], _operand(writer, node)
    if not reverse:
        return _own(writer, node, x, *([f"axis={axis}"] if _rank(writer.graph, x) > 1 else []))
    return ATOM, ["flip(cumsum(flip(", (x, 0, False), f", axis={axis}), axis={axis}), axis={axis})"]


def _recurrence(writer: Writer, node: int) -> Written:
    axis, reverse = writer.graph.payloads[node]
    options = [f"axis={axis}"] * (axis > 0) + ["reverse=True"] * reverse
    return _own(writer, node, *writer.graph.args[node], *options)


def _solve_triangular(writer: Writer, node: int) -> Written:
    lower, transposed = writer.graph.payloads[node]
    options = ["trans=1"] * transposed + ["lower=True"] * lower
    return _own(writer, node, *writer.graph.args[node], *options)


def _pinv(writer: Writer, node: int) -> Written:
    return _own(writer, node, _operand(writer, node), f"rcond={writer.graph.payloads[node]!r}")


NOTATIONS: dict[Op, Callable[[Any, int], Written]] = {
    **{op: _reduction for op in TENSORS if op.payload == "axes"},
    **{op: _function for op in TENSORS if op.payload is None},
    core.TRANSPOSE: _transpose,
    core.EINSUM: _einsum,
    core.DIAGONAL: _diagonal,
    core.CONCATENATE: _concatenate,
    core.GATHER: _gather,
    core.SCATTER_ADD: _scatter_add,
    core.IOTA: _iota,
    core.BROADCAST: _broadcast,
    core.RESHAPE: _reshape,
    core.SCATTER: _scatter,
    core.CUMSUM: _cumsum,
    core.RECURRENCE: _recurrence,
    core.SOLVE_TRIANGULAR: _solve_triangular,
    core.PINV: _pinv,
}
"""The notation of the operations on arrays: a reduction, or a call, unless it is another one."""
