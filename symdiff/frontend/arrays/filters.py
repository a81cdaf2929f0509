"""Functions of neighbouring elements: convolutions, differences; and those that leave NaN out; with NumPy's names."""

from __future__ import annotations

import math

from symdiff.errors import ParseError, ShapeError
from symdiff.frontend.arguments import Array, Axis, Flag, Integer, Node, Text, axis_of, language
from symdiff.frontend.arrays.joining import joined
from symdiff.frontend.arrays.reductions import cumprod, cumsum, extremum, reduce, spread
from symdiff.frontend.arrays.shapes import along, diff, ravel
from symdiff.frontend.constants import number
from symdiff.ir.graph import Graph
from symdiff.ops import Op, contraction, core, indexing, movement
from symdiff.types import show

MODES = ("full", "same", "valid")


def _vector(graph: Graph, x: int, name: str) -> int:
    shape = graph.shape(x)
    if len(shape) != 1 or not shape[0]:
        raise ShapeError(f"{name} takes vectors, not a value of shape {show(shape)}")
    return graph.as_number(x)


def _correlation(graph: Graph, a: int, v: int, mode: str, name: str) -> int:
    """The products of a vector with one that is not longer and moves along it, as windows times a vector."""
    if mode not in MODES:
        raise ParseError(f'mode of {name} must be "full", "same" or "valid"', hint=f'write {name}(a, b, "same")')
    long, short = graph.shape(a)[0], graph.shape(v)[0]
    before, after = {"full": (short - 1,) * 2, "same": (short // 2, short - 1 - short // 2), "valid": (0, 0)}[mode]
    wide = before + long + after
    padded = movement.scatter(graph, a, ((before, before + long, 1),), (wide,)) if wide > long else a
    shape = (wide - short + 1, short)
    places = indexing.as_index(
        graph, graph.apply(core.ADD, (indexing.iota(graph, shape, 0), indexing.iota(graph, shape, 1)))
    )
    return contraction.einsum(graph, (indexing.gather(graph, padded, places, 0), v), ((0, 1), (1,)), (0,))


def _backwards(graph: Graph, x: int) -> int:
    return movement.element(graph, x, (slice(None, None, -1),))


@language()
def _convolve(graph: Graph, a: Array, v: Array, mode: Text = "full") -> int:
    """The convolution of two vectors; mode is "full", "same" or "valid"."""
    a, v = _vector(graph, a, "convolve"), _vector(graph, v, "convolve")
    if graph.shape(a) < graph.shape(v):
        a, v = v, a
    return _correlation(graph, a, _backwards(graph, v), mode, "convolve")


@language()
def _correlate(graph: Graph, a: Array, v: Array, mode: Text = "valid") -> int:
    """The sums of products of one vector with the other moved along it; mode is "valid", "same" or "full"."""
    a, v = _vector(graph, a, "correlate"), _vector(graph, v, "correlate")
    if graph.shape(a) < graph.shape(v):
        return _backwards(graph, _correlation(graph, v, a, mode, "correlate"))
    return _correlation(graph, a, v, mode, "correlate")


@language()
def _ediff1d(graph: Graph, x: Array, to_end: Node | None = None, to_begin: Node | None = None) -> int:
    """The differences of neighbours among all elements in their order, with more before and behind."""
    parts = (to_begin, diff(graph, ravel(graph, x), 1, 0), to_end)
    return movement.concatenate(graph, [ravel(graph, graph.as_number(p)) for p in parts if p is not None], 0)


@language()
def _gradient(graph: Graph, x: Array, dx: Node | None = None, axis: Axis = None, edge_order: Integer = 1) -> int:
    """The slopes by differences of neighbours, one-sided at the ends; `dx` is their distance, or where they are."""
    x = graph.as_number(x)
    shape = graph.shape(x)
    if axis is None and len(shape) != 1:
        raise ShapeError(f"gradient of a value of shape {show(shape)} gives several values", hint="write axis=0")
    at = axis_of(0 if axis is None else axis, len(shape), "gradient")
    size = shape[at]
    if edge_order not in (1, 2):
        raise ParseError("edge_order of gradient must be 1 or 2", hint="write gradient(x, edge_order=2)")
    if size < edge_order + 1:
        raise ShapeError(f"gradient needs {edge_order + 1} elements along its axis")
    step = number(graph, 1.0) if dx is None else graph.as_number(dx)
    steps = diff(graph, x, 1, at)
    if graph.shape(step):
        if graph.shape(step) != (size,):
            raise ShapeError(f"gradient: {show(graph.shape(step))} places for an axis of size {size}")
        row = tuple(size - 1 if k == at else 1 for k in range(len(shape)))
        gaps = movement.reshape(graph, diff(graph, step, 1, 0), row)
        slopes = graph.apply(core.DIV, (steps, gaps))
        low, high = along(graph, gaps, at, slice(0, -1)), along(graph, gaps, at, slice(1, None))
        inner = graph.apply(
            core.ADD,
            (
                graph.apply(core.MUL, (along(graph, slopes, at, slice(0, -1)), high)),
                graph.apply(core.MUL, (along(graph, slopes, at, slice(1, None)), low)),
            ),
        )
        inner = graph.apply(core.DIV, (inner, graph.apply(core.ADD, (low, high))))
    else:
        slopes = graph.apply(core.DIV, (steps, step))
        wide = graph.apply(core.SUB, (along(graph, x, at, slice(2, None)), along(graph, x, at, slice(0, -2))))
        inner = graph.apply(core.DIV, (wide, graph.apply(core.MUL, (number(graph, 2.0), step))))
    ends = [along(graph, slopes, at, slice(0, 1)), along(graph, slopes, at, slice(size - 2, None))]
    if edge_order == 2:  # a parabola through three elements: the slope changes over one gap as over both
        for k, near, far in ((0, 0, 1), (1, size - 2, size - 3)):
            gap, other = (along(graph, gaps, at, slice(j, j + 1)) if graph.shape(step) else step for j in (near, far))
            turn = graph.apply(core.SUB, (ends[k], along(graph, slopes, at, slice(far, far + 1))))
            part = graph.apply(core.DIV, (gap, graph.apply(core.ADD, (gap, other))))
            ends[k] = graph.apply(core.ADD, (ends[k], graph.apply(core.MUL, (turn, part))))
    return joined(graph, (ends[0], inner, ends[1]), at, "gradient")


def _present(graph: Graph, x: int) -> int:
    return graph.apply(core.EQUAL, (x, x))


def _filled(graph: Graph, x: int, value: float) -> int:
    x = graph.as_number(x)
    return graph.apply(core.WHERE, (_present(graph, x), x, number(graph, value)))


@language()
def _nansum(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The sum of the elements that are not NaN."""
    return reduce(graph, core.SUM, _filled(graph, x, 0.0), axis, keepdims)


@language()
def _nanprod(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The product of the elements that are not NaN."""
    return reduce(graph, core.PROD, _filled(graph, x, 1.0), axis, keepdims)


@language()
def _nanmean(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The mean of the elements that are not NaN."""
    count = reduce(graph, core.SUM, graph.as_number(_present(graph, graph.as_number(x))), axis, keepdims)
    return graph.apply(core.DIV, (_nansum(graph, x, axis, keepdims), count))


@language()
def _nanvar(graph: Graph, x: Array, axis: Axis = None, ddof: Integer = 0, keepdims: Flag = False) -> int:
    """The variance of the elements that are not NaN."""
    x = graph.as_number(x)
    return spread(graph, x, axis, ddof, keepdims, _present(graph, x), root=False)


@language()
def _nanstd(graph: Graph, x: Array, axis: Axis = None, ddof: Integer = 0, keepdims: Flag = False) -> int:
    """The standard deviation of the elements that are not NaN."""
    x = graph.as_number(x)
    return spread(graph, x, axis, ddof, keepdims, _present(graph, x), root=True)


@language()
def _nancumsum(graph: Graph, x: Array, axis: Axis = None) -> int:
    """The running sum of the elements that are not NaN."""
    return cumsum(graph, _filled(graph, x, 0.0), axis)


@language()
def _nancumprod(graph: Graph, x: Array, axis: Axis = None) -> int:
    """The running product of the elements that are not NaN."""
    return cumprod(graph, _filled(graph, x, 1.0), axis)


def _nan_extremum(graph: Graph, op: Op, x: int, axis: Axis, keepdims: bool) -> int:
    """The extremum of the elements that are not NaN; NaN where all are."""
    x = graph.as_number(x)
    beyond = -math.inf if op is core.AMAX else math.inf
    found = extremum(graph, op, _filled(graph, x, beyond), axis, keepdims, f"nan{op.word}")
    some = reduce(graph, core.ANY, _present(graph, x), axis, keepdims)
    return graph.apply(core.WHERE, (some, found, number(graph, math.nan)))


@language()
def _nanmax(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The largest of the elements that are not NaN."""
    return _nan_extremum(graph, core.AMAX, x, axis, keepdims)


@language()
def _nanmin(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The smallest of the elements that are not NaN."""
    return _nan_extremum(graph, core.AMIN, x, axis, keepdims)
