"""What Python formulas write between the brackets of `e[…]`."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from symdiff.errors import CallError
from symdiff.frontend.subscripts import ChosenPart, Mask
from symdiff.ir.graph import Graph


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
