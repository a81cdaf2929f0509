"""Functions that order the elements of arrays or search among them, with NumPy's names and arguments.

Short lines are ordered by comparing every element with every other, in the same loops as what is around, long ones by
sorting. The derivative is that of the element which is taken.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symdiff.errors import LimitError, ParseError, ShapeError, quote
from symdiff.frontend.arguments import Array, Axis, Flag, Node, Text, axis_of, language
from symdiff.frontend.arrays.reductions import extremum, reduce
from symdiff.frontend.arrays.shapes import along
from symdiff.frontend.constants import constant_array, number
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core, indexing, movement
from symdiff.ops.indexing import LAST_SINGLE
from symdiff.ops.reduction import kept
from symdiff.types import FLOAT64, show

COMPARED = 128
"""Lines of more elements are sorted."""


def _lines(graph: Graph, x: int, axis: Axis, name: str) -> tuple[int, tuple[int, ...], int]:
    """The array with the axis last, the shape without it, and its axis; all elements in one line where it is None."""
    x = graph.as_number(x)
    shape = graph.shape(x)
    if axis is None:
        return movement.reshape(graph, x, (math.prod(shape),)), (), 0
    at = axis_of(axis, len(shape), name)
    order = [k for k in range(len(shape)) if k != at]
    return movement.transpose(graph, x, (*order, at)), tuple(shape[k] for k in order), at


def _back(graph: Graph, x: int, at: int) -> int:
    """The last axis in its old place."""
    count = len(graph.shape(x))
    order = list(range(count - 1))
    order.insert(at, count - 1)
    return movement.transpose(graph, x, tuple(order))


def _order(graph: Graph, lines: int) -> int:
    """Where the smallest element of each line is, the next, …: numbers; equal ones in their order, NaN last."""
    *batch, size = graph.shape(lines)
    if size > COMPARED:
        return graph.add(core.ARGSORT, (lines,))
    x = graph.apply(core.STOP_GRADIENT, (lines,))
    missing = graph.apply(core.NOT_EQUAL, (x, x))
    rows, columns = (*batch, size, 1), (*batch, 1, size)
    own, other = movement.reshape(graph, x, rows), movement.reshape(graph, x, columns)
    before = graph.apply(core.LESS, (indexing.iota(graph, (size, size), 1), indexing.iota(graph, (size, size), 0)))
    same = graph.apply(core.EQUAL, (own, other))
    lost, others = movement.reshape(graph, missing, rows), movement.reshape(graph, missing, columns)
    same = graph.apply(core.LOGICAL_OR, (same, graph.apply(core.LOGICAL_AND, (lost, others))))
    below = graph.apply(
        core.LOGICAL_OR,
        (
            graph.apply(core.LESS, (other, own)),
            graph.apply(core.LOGICAL_AND, (lost, graph.apply(core.LOGICAL_NOT, (others,)))),
        ),
    )
    counted = graph.apply(core.LOGICAL_OR, (below, graph.apply(core.LOGICAL_AND, (same, before))))
    rank = reduce(graph, core.SUM, graph.as_number(counted), -1)
    whole = (*batch, size, size)
    found = graph.apply(core.EQUAL, (movement.reshape(graph, rank, columns), indexing.iota(graph, whole, len(batch))))
    places = graph.apply(core.WHERE, (found, indexing.iota(graph, whole, len(batch) + 1), number(graph, 0.0)))
    return reduce(graph, core.SUM, places, -1)


def _taken(graph: Graph, lines: int, order: int) -> int:
    """The elements of each line at places, which are numbers."""
    *batch, size = graph.shape(lines)
    shape, count = graph.shape(order), math.prod(batch)
    if graph.dtype != FLOAT64 and count * size > LAST_SINGLE:
        raise LimitError(
            f"{count * size:,} elements have places that are no numbers of {graph.dtype}", hint='write dtype="float64"'
        )
    flat = movement.reshape(graph, order, (count, shape[-1]))
    start = graph.apply(core.MUL, (indexing.iota(graph, (count, 1), 0), number(graph, size)))
    places = movement.reshape(
        graph, indexing.as_index(graph, graph.apply(core.ADD, (flat, start))), (count * shape[-1],)
    )
    return movement.reshape(
        graph, indexing.gather(graph, movement.reshape(graph, lines, (count * size,)), places, 0), shape
    )


def _sorted(graph: Graph, x: int, axis: Axis, name: str) -> tuple[int, int]:
    """The array with ascending lines along its last axis, and the place that the axis had."""
    lines, _, at = _lines(graph, x, axis, name)
    if not math.prod(graph.shape(lines)):
        return lines, at
    return _taken(graph, lines, _order(graph, lines)), at


@language()
def _sort(graph: Graph, x: Array, axis: Axis = -1) -> int:
    """The elements in ascending order along an axis, NaN last; the derivative is that of the elements taken."""
    return _back(graph, *_sorted(graph, x, axis, "sort"))


@language()
def _argsort(graph: Graph, x: Array, axis: Axis = -1) -> int:
    """The places of the elements in ascending order; equal ones stay in their order."""
    lines, _, at = _lines(graph, x, axis, "argsort")
    return _back(graph, _order(graph, lines), at)


@language()
def _take_along_axis(graph: Graph, x: Array, indices: Array, axis: Axis = -1) -> int:
    """The elements of each line along an axis at places of its own."""
    lines, batch, at = _lines(graph, x, axis, "take_along_axis")
    places, others, _ = _lines(graph, indices, axis, "take_along_axis")
    if batch != others:
        raise ShapeError(
            f"take_along_axis: shapes {show(graph.shape(x))} and {show(graph.shape(indices))} differ in other axes, too"
        )
    size = number(graph, graph.shape(lines)[-1])
    negative = graph.apply(core.LESS, (places, number(graph, 0.0)))
    places = graph.apply(core.WHERE, (negative, graph.apply(core.ADD, (places, size)), places))
    return _back(graph, _taken(graph, lines, places), at)


METHODS = (
    "linear",
    "lower",
    "higher",
    "midpoint",
    "nearest",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
)
"""NumPy's definitions of a quantile."""


def _place_of(part: float, size: int, method: Any) -> float:
    """Where a quantile is among the elements in order, by NumPy's definition: that of 0, 1, 2, … is its own place."""
    if method == "linear":
        return part * (size - 1)
    return float(np.quantile(np.arange(size, dtype=float), part, method=method))


def _quantile(
    graph: Graph, x: int, q: int, axis: Axis, keepdims: bool, name: str, scale: float, method: str = "linear"
) -> int:
    if method not in METHODS:
        raise ParseError(f"{name}: the method {quote(method)} is not known", hint=f"it is one of {', '.join(METHODS)}")
    parts = constant_array(graph, q)
    if parts is None or parts.ndim > 1 or not ((parts >= 0) & (parts <= scale)).all():
        raise ParseError(f"{name} takes constants from 0 to {scale:g}", hint=f"write {name}(x, {0.3 * scale:g})")
    shape = graph.shape(x)
    lines, at = _sorted(graph, x, axis, name)
    size = graph.shape(lines)[-1]
    if not size:
        raise ShapeError(f"{name} of no elements")
    last = len(graph.shape(lines)) - 1
    found = []
    for part in parts.ravel().tolist():
        place = _place_of(part / scale, size, method)
        low = min(int(place), max(size - 2, 0))
        value, rest = along(graph, lines, last, low), place - low
        if rest:
            step = graph.apply(core.SUB, (along(graph, lines, last, low + 1), value))
            value = graph.apply(core.ADD, (value, graph.apply(core.MUL, (number(graph, rest), step))))
        missing = graph.apply(core.NOT_EQUAL, (along(graph, lines, last, -1),) * 2)
        value = graph.apply(core.WHERE, (missing, number(graph, math.nan), value))
        found.append(
            kept(graph, value, tuple(range(len(shape))) if axis is None else (at,), shape) if keepdims else value
        )
    return movement.stack(graph, found, 0) if parts.ndim else found[0]


@language("quantile")
def _part(
    graph: Graph, x: Array, q: Node, axis: Axis = None, keepdims: Flag = False, *, method: Text = "linear"
) -> int:
    """The value below which a part q of the elements is, linear between elements unless another `method` is given."""
    return _quantile(graph, x, q, axis, keepdims, "quantile", 1.0, method)


@language()
def _percentile(
    graph: Graph, x: Array, q: Node, axis: Axis = None, keepdims: Flag = False, *, method: Text = "linear"
) -> int:
    """The value below which q percent of the elements are, linear between elements unless another `method` is given."""
    return _quantile(graph, x, q, axis, keepdims, "percentile", 100.0, method)


@language()
def _median(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The middle one of the elements in order, or the mean of the middle two."""
    return _quantile(graph, x, number(graph, 0.5), axis, keepdims, "median", 1.0)


def _place(graph: Graph, op: Op, x: int, axis: Axis, keepdims: bool, called: str) -> int:
    """The first place of an extreme element, or of a NaN."""
    shape = graph.shape(x)
    lines, _, at = _lines(graph, x, axis, called)
    lines = graph.apply(core.STOP_GRADIENT, (lines,))
    own = graph.shape(lines)
    best = extremum(graph, op, lines, -1, True, called)
    chosen = graph.apply(
        core.LOGICAL_OR, (graph.apply(core.EQUAL, (lines, best)), graph.apply(core.NOT_EQUAL, (lines, lines)))
    )
    places = graph.apply(core.WHERE, (chosen, indexing.iota(graph, own, len(own) - 1), number(graph, own[-1])))
    found = reduce(graph, core.AMIN, places, -1)
    return kept(graph, found, tuple(range(len(shape))) if axis is None else (at,), shape) if keepdims else found


@language()
def _argmax(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The place of the largest element, the first of several; its derivative is 0."""
    return _place(graph, core.AMAX, x, axis, keepdims, "argmax")


@language()
def _argmin(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The place of the smallest element, the first of several; its derivative is 0."""
    return _place(graph, core.AMIN, x, axis, keepdims, "argmin")


@language("searchsorted")
def searchsorted(graph: Graph, x: Array, values: Node, side: Text = "left") -> int:
    """How many elements of an ascending vector are less than each value, or with side="right" not greater."""
    if side not in ("left", "right"):
        raise ParseError('side of searchsorted must be "left" or "right"')
    if len(graph.shape(x)) != 1:
        raise ShapeError(f"searchsorted takes an ascending vector, not a value of shape {show(graph.shape(x))}")
    x, values = (graph.apply(core.STOP_GRADIENT, (graph.as_number(n),)) for n in (x, values))
    each = movement.reshape(graph, values, (*graph.shape(values), 1))
    before = graph.apply("less_equal" if side == "right" else "less", (x, each))
    return reduce(graph, core.SUM, graph.as_number(before), -1)


@language()
def _digitize(graph: Graph, x: Node, bins: Array, right: Flag = False) -> int:
    """The number of the bin that each value is in, between ascending limits; with `right` they belong to the bin."""
    return searchsorted(graph, bins, x, "left" if right else "right")


def _line(graph: Graph, xp: int, fp: int, place: int, size: int) -> tuple[int, int]:
    """Where the line to the right of a point starts, a number, and its slope."""
    following = graph.apply(core.ADD, (place, number(graph, 1.0)))
    low = indexing.as_index(graph, place)
    high = indexing.as_index(graph, graph.apply(core.MIN, (following, number(graph, size - 1))))
    (x0, x1), (y0, y1) = ((indexing.gather(graph, n, low, 0), indexing.gather(graph, n, high, 0)) for n in (xp, fp))
    gap = graph.apply(core.SUB, (x1, x0))
    return gap, graph.apply(core.DIV, (graph.apply(core.SUB, (y1, y0)), gap))


def _wrapped(graph: Graph, x: int, xp: int, fp: int, period: int) -> tuple[int, int, int]:
    """The values within a period, and the points of one period in order with their neighbours in the next."""
    period = graph.apply(core.ABS, (graph.as_number(period),))
    x, xp = (graph.apply(core.MOD, (n, period)) for n in (x, xp))
    order = _order(graph, xp)
    xp, fp = (_taken(graph, n, order) for n in (xp, fp))
    last, first = slice(-1, None), slice(0, 1)
    before = graph.apply(core.SUB, (along(graph, xp, 0, last), period))
    after = graph.apply(core.ADD, (along(graph, xp, 0, first), period))
    xp = movement.concatenate(graph, [before, xp, after], 0)
    return x, xp, movement.concatenate(graph, [along(graph, fp, 0, last), fp, along(graph, fp, 0, first)], 0)


@language()
def _interp(
    graph: Graph,
    x: Node,
    xp: Array,
    fp: Array,
    left: Node | None = None,
    right: Node | None = None,
    period: Node | None = None,
) -> int:
    """The straight lines between the points (xp, fp) at x, constant beyond the ends; xp is ascending.

    The derivative at a point is the mean of the slopes on both sides of it, 0 beyond the ends; that at NaN is NaN.
    """
    x, xp, fp = (graph.as_number(n) for n in (x, xp, fp))
    size = graph.shape(xp)[-1] if graph.shape(xp) else 0
    if graph.shape(xp) != graph.shape(fp) or len(graph.shape(xp)) != 1 or not size:
        raise ShapeError(
            f"interp takes vectors of one size, not the shapes {show(graph.shape(xp))} and {show(graph.shape(fp))}"
        )
    if period is not None:
        left = right = None
        x, xp, fp = _wrapped(graph, x, xp, fp, period)
        size += 2
    zero, one, half = number(graph, 0.0), number(graph, 1.0), number(graph, 0.5)
    first, last = (movement.element(graph, xp, (k,)) for k in (0, size - 1))
    place = graph.apply(core.SUB, (searchsorted(graph, xp, x, "right"), one))
    place = graph.apply(core.MAX, (place, zero))
    base = indexing.as_index(graph, place)
    x0, y0 = indexing.gather(graph, xp, base, 0), indexing.gather(graph, fp, base, 0)
    result = y0
    if size > 1:
        _, after = _line(graph, xp, fp, place, size)
        gap, before = _line(graph, xp, fp, graph.apply(core.MAX, (graph.apply(core.SUB, (place, one)), zero)), size)
        # beyond the ends it is constant; of two points in one place the line between them counts on neither side
        after = graph.apply(core.WHERE, (graph.apply(core.LESS, (x, last)), after, zero))
        before = graph.apply(core.WHERE, (graph.apply(core.GREATER, (gap, zero)), before, after))
        before = graph.apply(core.WHERE, (graph.apply(core.GREATER, (x, first)), before, zero))
        mean = graph.apply(core.MUL, (half, graph.apply(core.ADD, (before, after))))
        slope = graph.apply(core.WHERE, (graph.apply(core.EQUAL, (x, x0)), mean, after))
        result = graph.apply(core.ADD, (y0, graph.apply(core.MUL, (slope, graph.apply(core.SUB, (x, x0))))))
    beyond = (
        ("less", first, movement.element(graph, fp, (0,)) if left is None else left),
        ("greater", last, movement.element(graph, fp, (size - 1,)) if right is None else right),
    )
    for side, end, value in beyond:
        result = graph.apply(core.WHERE, (graph.apply(side, (x, end)), value, result))
    # NaN is not between any points: what it gives depends on all of them, and its derivatives are NaN
    total = graph.apply(core.ADD, (reduce(graph, core.SUM, xp, None), reduce(graph, core.SUM, fp, None)))
    lost = graph.apply(core.MUL, (graph.apply(core.EXP, (x,)), total))
    return graph.apply(core.WHERE, (graph.apply(core.EQUAL, (x, x)), result, lost))
