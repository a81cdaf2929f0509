"""Functions that make arrays, and those that tell sizes, with NumPy's names and arguments."""

from __future__ import annotations

import math
from typing import Any

from symdiff.budget import current, exceeded
from symdiff.errors import ParseError, ShapeError
from symdiff.frontend.arguments import Array, Axis, Flag, Integer, Node, Sizes, axis_of, language
from symdiff.frontend.attributes import sizes
from symdiff.frontend.constants import as_integer, constant_number, number
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.sizes import example, is_open
from symdiff.types import Shape


def checked(shape: Shape) -> tuple[int, ...]:
    """The sizes of a new array.

    Raises
    ------
    ShapeError
        For a negative size.
    LimitError
        For more elements than can be counted.
    """
    sizes: list[Any] = [n if is_open(n) else int(n) for n in shape]  # type: ignore[arg-type]
    if min(sizes, default=0) < 0:
        raise ShapeError("a size cannot be negative", hint="write a size of 0 or more")
    count = math.prod(map(example, sizes))
    if count > current().elements:
        raise exceeded("elements", count, f"an array of {count:,} elements")
    return tuple(sizes)


def filled(graph: Graph, value: float, shape: Shape) -> int:
    """An array of one number."""
    return movement.broadcast(graph, number(graph, value), checked(shape))


@language("zeros", "empty")
def _zeros(graph: Graph, shape: Sizes) -> int:
    """An array of zeros."""
    return filled(graph, 0.0, shape)


@language()
def _ones(graph: Graph, shape: Sizes) -> int:
    """An array of ones."""
    return filled(graph, 1.0, shape)


@language()
def _full(graph: Graph, shape: Sizes, fill_value: Node) -> int:
    """An array of one value."""
    return movement.broadcast(graph, fill_value, checked(shape))


@language("zeros_like", "empty_like")
def _zeros_like(graph: Graph, x: Node) -> int:
    """Zeros in the shape of an array."""
    return filled(graph, 0.0, graph.shape(x))


@language()
def _ones_like(graph: Graph, x: Node) -> int:
    """Ones in the shape of an array."""
    return filled(graph, 1.0, graph.shape(x))


@language()
def _full_like(graph: Graph, x: Node, fill_value: Node) -> int:
    """One value in the shape of an array."""
    return movement.broadcast(graph, fill_value, graph.shape(x))


@language()
def _eye(graph: Graph, N: Integer, M: Integer | None = None, k: Integer = 0) -> int:
    """Ones on the k-th diagonal of a matrix, zeros elsewhere."""
    rows, columns = checked((N, N if M is None else M))
    return indexing.eye(graph, rows, columns, k)


@language()
def _identity(graph: Graph, n: Integer) -> int:
    """The identity matrix."""
    return _eye(graph, n)


@language()
def _tri(graph: Graph, N: Integer, M: Integer | None = None, k: Integer = 0) -> int:
    """Ones on and below the k-th diagonal of a matrix, zeros above."""
    shape = checked((N, N if M is None else M))
    limit = graph.apply(core.ADD, (indexing.iota(graph, shape, 0), number(graph, k)))
    inside = graph.apply(core.LESS_EQUAL, (indexing.iota(graph, shape, 1), limit))
    return graph.apply(core.WHERE, (inside, number(graph, 1.0), number(graph, 0.0)))


@language()
def _arange(graph: Graph, start: Node, stop: Node | None = None, step: Node | None = None) -> int:
    """The numbers from start (0) on, in steps (of 1), up to and without stop, which are constants."""
    first, last, by = (_known(graph, node, "arange") for node in (start, stop, step))
    if last is None:
        first, last = 0.0, first
    by = 1.0 if by is None else by
    assert first is not None
    assert last is not None
    if any(map(is_open, (first, last))) and by == 1.0:
        count: Any = last - as_integer(first, "start")
        line = indexing.iota(graph, checked((max(0, count),)), 0)
        return graph.apply(core.ADD, (line, number(graph, first))) if first else line
    if not by or not all(map(math.isfinite, (first, last, by))):
        raise ParseError("arange: start, stop and step must be finite, and the step not 0", hint="write arange(1, 10)")
    size = max(0, math.ceil((last - first) / by))
    line = indexing.iota(graph, checked((size,)), 0)
    delta = (first + by) - first
    if delta != 1:
        line = graph.apply(core.MUL, (line, number(graph, delta)))
    return graph.apply(core.ADD, (line, number(graph, first))) if first else line


def _known(graph: Graph, node: int | None, name: str) -> float | None:
    if node is None:
        return None
    value = constant_number(graph, node)
    if value is None:
        raise ParseError(
            f"{name} takes constants: the size of an array cannot depend on values",
            hint="write arange(n) with a size n, or a number",
        )
    return value


@language()
def _linspace(graph: Graph, start: Node, stop: Node, num: Integer = 50, endpoint: Flag = True) -> int:
    """`num` numbers at equal distances from start to stop, which is the last unless `endpoint` is False."""
    if num < 0:
        raise ShapeError("linspace: the number of points must not be negative", hint="write linspace(0, 1, 5)")
    steps = num - 1 if endpoint else num
    line = indexing.iota(graph, checked((num,)), 0)
    start, stop = graph.as_number(start), graph.as_number(stop)
    distance = graph.apply(core.SUB, (stop, start))
    if steps <= 0:
        return graph.apply(core.ADD, (graph.apply(core.MUL, (line, distance)), start))
    step = graph.apply(core.DIV, (distance, number(graph, steps)))
    points = graph.apply(core.ADD, (graph.apply(core.MUL, (line, step)), start))
    if not endpoint:
        return points
    last = graph.apply(core.EQUAL, (line, number(graph, num - 1)))
    return graph.apply(core.WHERE, (last, stop, points))


@language()
def _logspace(
    graph: Graph, start: Node, stop: Node, num: Integer = 50, endpoint: Flag = True, base: Node | None = None
) -> int:
    """Powers of a base (10) whose exponents are at equal distances."""
    bottom = number(graph, 10.0) if base is None else base
    return graph.apply(core.POW, (bottom, _linspace(graph, start, stop, num, endpoint)))


@language()
def _geomspace(graph: Graph, start: Node, stop: Node, num: Integer = 50, endpoint: Flag = True) -> int:
    """`num` numbers with equal ratios from start to stop, which is the last unless `endpoint` is False."""
    steps = num - 1 if endpoint else num
    start, stop = graph.as_number(start), graph.as_number(stop)
    part = _linspace(graph, number(graph, 0.0), number(graph, 1.0), num, endpoint)
    points = graph.apply(core.MUL, (start, graph.apply(core.POW, (graph.apply(core.DIV, (stop, start)), part))))
    last = graph.apply(core.EQUAL, (indexing.iota(graph, checked((num,)), 0), number(graph, max(steps, 1))))
    return graph.apply(core.WHERE, (last, stop, points)) if endpoint else points


@language("array", "asarray", "copy", "asanyarray", "ascontiguousarray")
def _array(graph: Graph, x: Node) -> int:
    """The array that a list is."""
    return x


@language("Matrix")
def _matrix(graph: Graph, x: Array) -> int:
    """The matrix that a list of rows is; a list of numbers is a column, as SymPy's."""
    rank = len(graph.shape(x))
    if rank not in (1, 2):
        raise ShapeError(
            f"Matrix takes a list of rows, not a value with {rank} axes", hint="write Matrix([[a, b], [c, d]])"
        )
    return x if rank == 2 else movement.reshape(graph, x, (*graph.shape(x), 1))


# Sizes


@language("size")
def size(graph: Graph, x: Array, axis: Axis = None) -> int:
    """The number of elements, or the size of one axis: a constant."""
    shape = graph.shape(x)
    return number(graph, math.prod(shape) if axis is None else shape[axis_of(axis, len(shape), "size")])


@language("shape")
def _shape(graph: Graph, x: Array) -> int:
    """The sizes of the axes: constants."""
    return sizes(graph, x)


@language("ndim")
def _ndim(graph: Graph, x: Array) -> int:
    """The number of axes: a constant."""
    return number(graph, len(graph.shape(x)))


@language("len")
def _len(graph: Graph, x: Array) -> int:
    """The size of the first axis: a constant."""
    return size(graph, x, 0)


@language()
def _round(graph: Graph, x: Node, decimals: Integer = 0) -> int:
    """The nearest integer, halves to even; or rounded to a number of decimals."""
    return rounded(graph, x, decimals)


def rounded(graph: Graph, x: int, decimals: int) -> int:
    """`x` rounded to a number of decimals, as NumPy rounds."""
    x = graph.as_number(x)
    if not decimals:
        return graph.apply(core.ROUND, (x,))
    if abs(decimals) > 300:
        raise ParseError("round: that many decimals are not possible")
    scale = number(graph, 10.0 ** abs(decimals))
    there, back = ("mul", "div") if decimals > 0 else ("div", "mul")
    return graph.apply(back, (graph.apply(core.ROUND, (graph.apply(there, (x, scale)),)), scale))


@language()
def _clip(graph: Graph, x: Node, lo: Node | None = None, hi: Node | None = None) -> int:
    """The number limited to the interval from lo to hi; None is no limit."""
    x = graph.as_number(x)
    if lo is None or hi is None:
        if lo is None and hi is None:
            raise ParseError("clip takes a limit", hint="write clip(x, 0, 1)")
        limit = lo if hi is None else hi
        assert limit is not None
        return graph.apply("max" if hi is None else "min", (x, limit))
    return graph.apply(core.CLIP, (x, lo, hi))


@language()
def _isclose(
    graph: Graph, a: Node, b: Node, *, rtol: Node | None = None, atol: Node | None = None, equal_nan: Flag = False
) -> int:
    """Whether the numbers agree within atol + rtol*abs(b), which are 1e-8 and 1e-5."""
    a, b = graph.as_number(a), graph.as_number(b)
    relative, absolute = number(graph, 1e-5) if rtol is None else rtol, number(graph, 1e-8) if atol is None else atol
    size = graph.apply(core.ABS, (b,))
    allowed = graph.apply(core.ADD, (absolute, graph.apply(core.MUL, (relative, size))))
    near = graph.apply(core.LESS_EQUAL, (graph.apply(core.ABS, (graph.apply(core.SUB, (a, b)),)), allowed))
    near = graph.apply(core.LOGICAL_AND, (near, graph.apply(core.LESS, (size, number(graph, math.inf)))))
    near = graph.apply(core.LOGICAL_OR, (near, graph.apply(core.EQUAL, (a, b))))
    if equal_nan:
        missing = [graph.apply(core.NOT_EQUAL, (x, x)) for x in (a, b)]
        near = graph.apply(core.LOGICAL_OR, (near, graph.apply(core.LOGICAL_AND, tuple(missing))))
    return near
