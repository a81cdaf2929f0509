"""What Python formulas write between the brackets of `e[…]`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from symdiff.errors import CallError
from symdiff.frontend.expr import Expr, together
from symdiff.frontend.subscripts import Chosen, part_of
from symdiff.ir.graph import Graph


def as_subscript(e: Expr, index: Any) -> tuple[Graph, int, tuple[Any, ...]]:
    """What stands between the brackets of `e[…]`, with the graph and the node that it is about.

    Raises
    ------
    CallError
        For conditions, and for an index of another type.
    """
    given = index if isinstance(index, tuple) else (index,)
    graph, (node, *nodes) = together([e, *(part for part in given if isinstance(part, Expr))])
    found = iter(nodes)
    parts: list[Any] = []
    for part in given:
        if part is None or part is Ellipsis or isinstance(part, slice):
            parts.append(part)
        elif isinstance(part, Expr):
            parts.append(part_of(graph, next(found)))
        elif isinstance(part, list | np.ndarray) and np.asarray(part).ndim:
            parts.append(_places(graph, np.asarray(part)))
        elif isinstance(part, bool | np.bool_) or not hasattr(part, "__index__"):
            raise CallError(
                "an index must be an integer, a slice, None, ..., or an array of integers",
                hint="to choose by a condition write sd.where(c, a, b)",
            )
        else:
            parts.append(operator.index(part))
    return graph, node, tuple(parts)


def _places(graph: Graph, values: Any) -> Any:
    """An array of integers as a part of a subscript."""
    if values.dtype.kind not in "iu" and values.size:
        raise CallError("an array in a subscript must hold integers", hint="to choose by a condition write sd.where")
    places = values.astype(np.int64)
    return Chosen(graph.constant(places), places)
