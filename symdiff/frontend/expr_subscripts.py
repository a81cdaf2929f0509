"""What Python formulas write between the brackets of `e[…]`."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError
from symdiff.frontend.subscripts import ChosenPart, Mask
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement
from symdiff.sizes import is_open


def numeric_part(graph: Graph, part: Any) -> Any:
    """A part of what stands between the brackets of `e[…]` that holds no expression.

    Raises
    ------
    CallError
        For an index of another type.
    """
    if isinstance(part, slice):
        return _slice(part)
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, list | np.ndarray) and np.ndim(part):
        return _places(graph, np.asarray(part))
    if isinstance(part, bool | np.bool_) or not hasattr(part, "__index__"):
        raise CallError(
            f"an index must be an integer, a slice, None, ..., or an array of integers or conditions, not {part!r}",
            hint="to choose by a condition write sd.where(c, a, b)",
        )
    return operator.index(part)


def listed_part(graph: Graph, node: int, parts: Sequence[Any]) -> int | None:
    """The entries at `parts` of a list, or of the rows of a Hessian of scalars, without the others.

    None for other nodes, for parts that are no integers or slices, and for integers out of range.
    """
    if graph.ops[node] is core.STACK:
        if len(parts) != 1 or not isinstance(parts[0], slice):
            return None
        entries = graph.args[node][parts[0]]
        return graph.add(core.STACK, entries) if entries else None
    flat = graph.args[node][0] if graph.ops[node] is core.RESHAPE else node
    shape: Any = graph.types[node].shape
    if (
        graph.ops[flat] is not core.STACK
        or len(graph.types[flat].shape) > 1
        or any(map(is_open, shape))
        or len(parts) > len(shape)
        or not all(type(p) is slice or (type(p) is int and -n <= p < n) for p, n in zip(parts, shape, strict=False))
    ):
        return None
    if len(parts) == len(shape) and not any(type(p) is slice for p in parts):
        at = 0
        for part, size in zip(parts, shape, strict=True):
            at = at * size + part % size
        return graph.args[flat][at]
    places = np.arange(len(graph.args[flat])).reshape(shape)[tuple(parts)]
    entries = tuple([graph.args[flat][k] for k in places.ravel().tolist()])
    return movement.reshape(graph, graph.add(core.STACK, entries), places.shape) if entries else None


def _slice(part: slice) -> slice:
    """A slice of constant integers."""
    try:
        ends = [None if end is None else operator.index(end) for end in (part.start, part.stop, part.step)]
    except TypeError as error:
        if isinstance(error, CallError):
            raise
        raise CallError("the ends of a slice must be integers", hint="write x[1:3]") from None
    return slice(*ends)


def _places(graph: Graph, values: Any) -> Any:
    """An array of integers or of conditions as a part of a subscript."""
    if values.dtype.kind == "b":
        return Mask(values.copy())
    if values.dtype.kind not in "iu" and values.size:
        raise CallError(
            f"an array in a subscript holds integers or conditions, not {values.dtype}",
            hint="write a.astype(int) for integers",
        )
    places = values.astype(np.int64)
    return ChosenPart(graph.constant(places), places)
