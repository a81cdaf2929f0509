"""What Python formulas write between the brackets of `e[…]`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from symdiff.errors import CallError
from symdiff.frontend.expr import Expr, is_symbolic, together
from symdiff.frontend.subscripts import ChosenPart, Mask, part_of
from symdiff.ir.graph import Graph


def as_subscript(e: Expr, index: Any) -> tuple[Graph, int, tuple[Any, ...]]:
    """What stands between the brackets of `e[…]`, with the graph and the node that it is about.

    Raises
    ------
    CallError
        For an index of another type.
    """
    given = index if isinstance(index, tuple) else (index,)
    graph, (node, *nodes) = together([e, *(part for part in given if is_symbolic(part))])
    found = iter(nodes)
    parts: list[Any] = []
    for part in given:
        if is_symbolic(part):
            with graph.lock:
                parts.append(part_of(graph, next(found)))
        elif isinstance(part, slice):
            parts.append(_slice(part))
        elif part is None or part is Ellipsis:
            parts.append(part)
        elif isinstance(part, list | np.ndarray) and np.ndim(part):
            parts.append(_places(graph, np.asarray(part)))
        elif isinstance(part, bool | np.bool_) or not hasattr(part, "__index__"):
            raise CallError(
                f"an index must be an integer, a slice, None, ..., or an array of integers or conditions, not {part!r}",
                hint="to choose by a condition write sd.where(c, a, b)",
            )
        else:
            parts.append(operator.index(part))
    return graph, node, tuple(parts)


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
