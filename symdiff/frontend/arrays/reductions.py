"""Functions that reduce arrays along axes, and running ones, with NumPy's names and arguments."""

from __future__ import annotations

import math

from symdiff.errors import ParseError, ShapeError
from symdiff.frontend.arguments import Array, Axis, Flag, Integer, Node, Order, axes_of, axis_of, language
from symdiff.frontend.arrays import softmax
from symdiff.frontend.arrays.shapes import along, diff
from symdiff.frontend.constants import number
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core, movement, scan, singular_values
from symdiff.ops.reduction import kept
from symdiff.types import BOOL, show


def reduce(graph: Graph, op: Op, x: int, axis: Axis, keepdims: bool = False, called: str = "") -> int:
    """The node that reduces `x` along some axes by an operation.

    Raises
    ------
    ShapeError
        Where there is no such axis.
    """
    shape = graph.shape(x)
    axes = axes_of(axis, len(shape), called or op.name)
    result = graph.add(op, (x,), axes) if axes else x
    return kept(graph, result, axes, shape) if keepdims else result


def count(graph: Graph, x: int, axis: Axis, name: str) -> int:
    """How many elements each result of a reduction is made of."""
    shape = graph.shape(x)
    return math.prod(shape[k] for k in axes_of(axis, len(shape), name))


def chosen(graph: Graph, x: int, where: int | None, neutral: float) -> int:
    """`x` with a number that changes nothing in the places where a condition does not hold."""
    return x if where is None else graph.apply(core.WHERE, (where, graph.as_number(x), number(graph, neutral)))


def _with(graph: Graph, name: str, initial: int | None, result: int) -> int:
    """What a reduction starts with, and its result."""
    return result if initial is None else graph.apply(name, (graph.as_number(initial), result))


@language()
def _sum(
    graph: Graph,
    x: Array,
    axis: Axis = None,
    keepdims: Flag = False,
    *,
    initial: Node | None = None,
    where: Node | None = None,
) -> int:
    """The sum of the elements, along some axes or all."""
    found = reduce(graph, core.SUM, graph.as_number(chosen(graph, x, where, 0.0)), axis, keepdims)
    return _with(graph, "add", initial, found)


@language()
def _prod(
    graph: Graph,
    x: Array,
    axis: Axis = None,
    keepdims: Flag = False,
    *,
    initial: Node | None = None,
    where: Node | None = None,
) -> int:
    """The product of the elements, along some axes or all."""
    found = reduce(graph, core.PROD, graph.as_number(chosen(graph, x, where, 1.0)), axis, keepdims)
    return _with(graph, "mul", initial, found)


def _held(graph: Graph, x: int, where: int, axis: Axis, keepdims: bool) -> int:
    """How many elements a condition chooses for each result."""
    everywhere = movement.broadcast(graph, graph.as_number(where), graph.shape(x))
    return reduce(graph, core.SUM, everywhere, axis, keepdims)


@language()
def _mean(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False, *, where: Node | None = None) -> int:
    """The arithmetic mean of the elements, along some axes or all."""
    if where is not None:
        total = _sum(graph, x, axis, keepdims, where=where)
        return graph.apply(core.DIV, (total, _held(graph, x, where, axis, keepdims)))
    return graph.apply(core.DIV, (_sum(graph, x, axis, keepdims), number(graph, count(graph, x, axis, "mean"))))


@language()
def _average(graph: Graph, x: Array, axis: Axis = None, weights: Array | None = None, keepdims: Flag = False) -> int:
    """The mean of the elements, weighted by `weights`."""
    if weights is None:
        return _mean(graph, x, axis, keepdims)
    shape, own = graph.shape(x), graph.shape(weights)
    if len(own) == 1 and len(shape) > 1:
        if axis is None or isinstance(axis, tuple):
            raise ShapeError(f"average: weights of shape {show(own)} need one axis", hint="write axis=0")
        at = axis_of(axis, len(shape), "average")
        weights = movement.reshape(graph, weights, tuple(own[0] if k == at else 1 for k in range(len(shape))))
    weights = movement.broadcast(graph, graph.as_number(weights), shape)
    total = _sum(graph, graph.apply(core.MUL, (x, weights)), axis, keepdims)
    return graph.apply(core.DIV, (total, _sum(graph, weights, axis, keepdims)))


def spread(graph: Graph, x: int, axis: Axis, ddof: int, keepdims: bool, where: int, root: bool) -> int:
    """The variance of the elements that a condition chooses, or with `root` the standard deviation."""
    distance = graph.apply(core.SUB, (x, _mean(graph, x, axis, True, where=where)))
    found = reduce(graph, core.NORM, chosen(graph, distance, where, 0.0), axis, keepdims)
    held = graph.apply(core.SUB, (_held(graph, x, where, axis, keepdims), number(graph, ddof)))
    held = graph.apply(core.MAX, (held, number(graph, 0.0)))
    if root:
        return graph.apply(core.DIV, (found, graph.apply(core.SQRT, (held,))))
    return graph.apply(core.DIV, (graph.apply(core.SQUARE, (found,)), held))


@language()
def _var(
    graph: Graph, x: Array, axis: Axis = None, ddof: Integer = 0, keepdims: Flag = False, *, where: Node | None = None
) -> int:
    """The variance: the mean of the squared distances from the mean; `ddof` is taken off the number of elements."""
    if where is not None:
        return spread(graph, x, axis, ddof, keepdims, where, root=False)
    distance = graph.apply(core.SUB, (x, _mean(graph, x, axis, True)))
    total = _sum(graph, graph.apply(core.SQUARE, (distance,)), axis, keepdims)
    return graph.apply(core.DIV, (total, number(graph, max(count(graph, x, axis, "var") - ddof, 0))))


@language()
def _std(
    graph: Graph, x: Array, axis: Axis = None, ddof: Integer = 0, keepdims: Flag = False, *, where: Node | None = None
) -> int:
    """The standard deviation: the square root of the variance; its derivative where all elements are equal is 0."""
    if where is not None:
        return spread(graph, x, axis, ddof, keepdims, where, root=True)
    distance = graph.apply(core.SUB, (x, _mean(graph, x, axis, True)))
    size = _norm(graph, distance, None, axis, keepdims)
    left = number(graph, max(count(graph, x, axis, "std") - ddof, 0))
    root = graph.apply(core.SQRT, (left,)) if graph.has_sizes else number(graph, math.sqrt(graph.payloads[left]))
    return graph.apply(core.DIV, (size, root))


def extremum(graph: Graph, op: Op, x: int, axis: Axis, keepdims: bool, called: str) -> int:
    """The largest or smallest element along axes.

    Raises
    ------
    ShapeError
        Where there are no elements.
    """
    if not count(graph, x, axis, called):
        raise ShapeError(f"{called} of no elements")
    return reduce(graph, op, graph.as_number(x), axis, keepdims, called)


def _extreme(graph: Graph, op: Op, x: int, axis: Axis, keepdims: bool, initial: int | None, where: int | None) -> int:
    """The largest or smallest of the chosen elements and of what is given to start with."""
    short = op.word
    if initial is None:
        if where is not None:
            raise ParseError(
                f"{short} with where= needs a value for no elements", hint=f"write {short}(x, initial=…, where=c)"
            )
        return extremum(graph, op, x, axis, keepdims, short)
    beyond = -math.inf if op is core.AMAX else math.inf
    if not count(graph, x, axis, short):
        shape = tuple(n for k, n in enumerate(graph.shape(x)) if k not in axes_of(axis, len(graph.shape(x)), short))
        return movement.broadcast(graph, graph.as_number(initial), shape)
    return _with(graph, short, initial, extremum(graph, op, chosen(graph, x, where, beyond), axis, keepdims, short))


@language()
def _amax(
    graph: Graph,
    x: Array,
    axis: Axis = None,
    keepdims: Flag = False,
    *,
    initial: Node | None = None,
    where: Node | None = None,
) -> int:
    """The largest element, along some axes or all; ties share the derivative."""
    return _extreme(graph, core.AMAX, x, axis, keepdims, initial, where)


@language()
def _amin(
    graph: Graph,
    x: Array,
    axis: Axis = None,
    keepdims: Flag = False,
    *,
    initial: Node | None = None,
    where: Node | None = None,
) -> int:
    """The smallest element, along some axes or all; ties share the derivative."""
    return _extreme(graph, core.AMIN, x, axis, keepdims, initial, where)


@language()
def _ptp(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """The distance between the largest and the smallest element."""
    return graph.apply(core.SUB, (_amax(graph, x, axis, keepdims), _amin(graph, x, axis, keepdims)))


def as_condition(graph: Graph, x: int) -> int:
    """A number as the condition that it is not 0."""
    return x if graph.types[x].dtype == BOOL else graph.apply(core.NOT_EQUAL, (x, number(graph, 0)))


@language()
def _any(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False, *, where: Node | None = None) -> int:
    """Whether one of the conditions holds; a number counts as the condition that it is not 0."""
    x = as_condition(graph, x)
    x = x if where is None else graph.apply(core.LOGICAL_AND, (where, x))
    return reduce(graph, core.ANY, x, axis, keepdims)


@language()
def _all(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False, *, where: Node | None = None) -> int:
    """Whether all conditions hold; a number counts as the condition that it is not 0."""
    x = as_condition(graph, x)
    x = x if where is None else graph.apply(core.LOGICAL_OR, (graph.apply(core.LOGICAL_NOT, (where,)), x))
    return reduce(graph, core.ALL, x, axis, keepdims)


@language()
def _count_nonzero(graph: Graph, x: Array, axis: Axis = None, keepdims: Flag = False) -> int:
    """How many elements are not 0, or hold."""
    return _sum(graph, as_condition(graph, x), axis, keepdims)


SPECTRAL = {2: core.AMAX, -2: core.AMIN, "nuc": core.SUM}
"""What norms of matrices are of the singular values."""


@language()
def _norm(graph: Graph, x: Array, ord: Order = None, axis: Axis = None, keepdims: Flag = False) -> int:
    """The norm of a vector or a matrix: `ord` is None, 1, 2, inf, another number, "fro" or "nuc"."""
    x, axes = graph.as_number(x), axes_of(axis, len(graph.shape(x)), "norm")
    if ord is None or (ord == "fro" and len(axes) == 2) or (ord == 2 and len(axes) == 1):
        return reduce(graph, core.NORM, x, axes, keepdims) if axes else graph.apply(core.ABS, (x,))
    size = graph.apply(core.ABS, (x,))
    if len(axes) == 2 and ord in (1, -1, math.inf, -math.inf):
        order = axis if isinstance(axis, tuple) else axes
        down = axis_of(order[0 if abs(ord) == 1 else 1], len(graph.shape(x)), "norm")
        sums = _sum(graph, size, down, True)
        op = core.AMAX if ord > 0 else core.AMIN
        return extremum(graph, op, sums, axes, keepdims, "norm")
    if len(axes) == 2 and ord in SPECTRAL:
        others = [k for k in range(len(graph.shape(x))) if k not in axes]
        values = singular_values.singular_values(graph, movement.transpose(graph, x, (*others, *axes)))
        found = reduce(graph, SPECTRAL[ord], values, -1) if graph.shape(values)[-1] else _sum(graph, values, -1)
        return kept(graph, found, axes, graph.shape(x)) if keepdims else found
    if len(axes) != 1 or isinstance(ord, str):
        raise ParseError(
            f"norm: ord={ord!r} is not available for {len(axes)} axes",
            hint='write norm(x), norm(x, 1), norm(A, 2), norm(A, "nuc") or norm(A, "fro")',
        )
    if ord == 1:
        return _sum(graph, size, axes, keepdims)
    if math.isinf(ord):
        return extremum(graph, core.AMAX if ord > 0 else core.AMIN, size, axes, keepdims, "norm")
    if ord == 0:
        return _count_nonzero(graph, x, axes, keepdims)
    total = _sum(graph, graph.apply(core.POW, (size, number(graph, ord))), axes, keepdims)
    return graph.apply(core.ROOT, (total, number(graph, 1 / ord)))


@language()
def _vector_norm(graph: Graph, x: Array, *, axis: Axis = None, keepdims: Flag = False, ord: Order = 2) -> int:
    """The norm of the vectors along some axes, or of all elements as one."""
    shape = graph.shape(x)
    axes = axes_of(axis, len(shape), "vector_norm")
    order = [*(k for k in range(len(shape)) if k not in axes), *axes]
    lines = movement.transpose(graph, graph.as_number(x), tuple(order))
    rest = tuple(shape[k] for k in order[: len(shape) - len(axes)])
    lines = movement.reshape(graph, lines, (*rest, math.prod(shape[k] for k in axes)))
    return _kept(graph, _norm(graph, lines, ord, -1), axes, shape, keepdims)


def _kept(graph: Graph, x: int, axes: tuple[int, ...], shape: tuple[int, ...], keepdims: bool) -> int:
    return kept(graph, x, axes, shape) if keepdims else x


@language()
def _matrix_norm(graph: Graph, x: Array, *, keepdims: Flag = False, ord: Order = "fro") -> int:
    """The norm of matrices, which are the last two axes."""
    if len(graph.shape(x)) < 2:
        raise ShapeError(f"matrix_norm takes a matrix, not a value of shape {show(graph.shape(x))}")
    return _norm(graph, x, ord, (-2, -1), keepdims)


@language()
def _logsumexp(graph: Graph, x: Array, axis: Axis = None, b: Array | None = None, keepdims: Flag = False) -> int:
    """log(sum(b*exp(x))), without overflow."""
    x, axes = _scores(graph, x, axis)
    if b is None:
        total = softmax.logsumexp(graph, x, axes)
    else:
        top = softmax.largest(graph, x, axes)
        terms = graph.apply(core.MUL, (b, graph.apply(core.EXP, (graph.apply(core.SUB, (x, top)),))))
        total = graph.apply(core.ADD, (graph.apply(core.LOG, (_sum(graph, terms, axis, True),)), top))
    shape = graph.shape(total)
    return total if keepdims else movement.reshape(graph, total, tuple(n for k, n in enumerate(shape) if k not in axes))


@language()
def _softmax(graph: Graph, x: Array, axis: Axis = None) -> int:
    """exp(x)/sum(exp(x)), without overflow; over all elements unless an axis is given, as SciPy's."""
    return softmax.softmax(graph, *_scores(graph, x, axis))


@language()
def _log_softmax(graph: Graph, x: Array, axis: Axis = None) -> int:
    """log(softmax(x)), without overflow; over all elements unless an axis is given, as SciPy's."""
    return softmax.log_softmax(graph, *_scores(graph, x, axis))


def _scores(graph: Graph, x: int, axis: Axis) -> tuple[int, tuple[int, ...]]:
    """The scores, and the axes that shares are taken along."""
    x = graph.as_number(x)
    if not count(graph, x, axis, "max"):
        raise ShapeError("max of no elements")
    return x, axes_of(axis, len(graph.shape(x)), "max")


def _running(graph: Graph, x: int, axis: Axis) -> tuple[int, int]:
    """The operand of a running function and its axis: the elements in one row where there is none."""
    x = graph.as_number(x)
    shape = graph.shape(x)
    if axis is None:
        return movement.reshape(graph, x, (math.prod(shape),)), 0
    return x, axis_of(axis, len(shape), "cumsum")


def _from(graph: Graph, x: int, at: int, first: float | None) -> int:
    """A running result with what it starts with before it."""
    if first is None:
        return x
    shape = graph.shape(x)
    return movement.concatenate(
        graph, [movement.broadcast(graph, number(graph, first), (*shape[:at], 1, *shape[at + 1 :])), x], at
    )


@language("cumsum", "cumulative_sum")
def cumsum(graph: Graph, x: Array, axis: Axis = None, *, include_initial: Flag = False) -> int:
    """The running sum along an axis, or over all elements in their order."""
    x, at = _running(graph, x, axis)
    return _from(graph, graph.add(core.CUMSUM, (x,), (at, False)), at, 0.0 if include_initial else None)


@language("cumprod", "cumulative_prod")
def cumprod(graph: Graph, x: Array, axis: Axis = None, *, include_initial: Flag = False) -> int:
    """The running product along an axis, or over all elements in their order."""
    x, at = _running(graph, x, axis)
    return _from(graph, scan.running_product(graph, x, at), at, 1.0 if include_initial else None)


@language()
def _recurrence(graph: Graph, a: Array, b: Array, axis: Axis = 0, reverse: Flag = False) -> int:
    """The array h with h[i] = a[i]*h[i - 1] + b[i] along an axis, where h before the first element is 0."""
    a, b = graph.as_number(a), graph.as_number(b)
    shape = graph.types[graph.apply(core.ADD, (a, b))].shape
    at = axis_of(axis, len(shape), "recurrence")
    return graph.add(
        core.RECURRENCE, (movement.broadcast(graph, a, shape), movement.broadcast(graph, b, shape)), (at, reverse)
    )


@language("trapezoid", "trapz")
def _trapezoid(graph: Graph, y: Array, x: Array | None = None, dx: Node | None = None, axis: Axis = -1) -> int:
    """The integral by the trapezoidal rule."""
    shape = graph.shape(y)
    at = axis_of(axis, len(shape), "trapezoid")
    upper, lower = along(graph, y, at, slice(1, None)), along(graph, y, at, slice(0, -1))
    step = number(graph, 1.0) if dx is None else dx
    if x is not None:
        step = diff(graph, x, 1, -1 if len(graph.shape(x)) == 1 else at)
        if len(graph.shape(x)) == 1:
            step = movement.reshape(graph, step, tuple(shape[at] - 1 if k == at else 1 for k in range(len(shape))))
    mean = graph.apply(core.DIV, (graph.apply(core.ADD, (upper, lower)), number(graph, 2.0)))
    return _sum(graph, graph.apply(core.MUL, (step, mean)), at)
