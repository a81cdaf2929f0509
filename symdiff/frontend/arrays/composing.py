"""Functions that put arrays together from parts, or give several parts as one array, with NumPy's names."""

from __future__ import annotations

import numpy as np

from symdiff.errors import ParseError, ShapeError
from symdiff.frontend.arguments import Array, Axis, Integer, Node, Nodes, Text, axis_of, language
from symdiff.frontend.arrays.joining import joined
from symdiff.frontend.arrays.linear_algebra import square
from symdiff.frontend.arrays.shapes import along, ravel
from symdiff.frontend.constants import number
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, matrices, movement
from symdiff.types import show

# Several parts as one array


def _parts(graph: Graph, x: int, sections: int, axis: int, name: str) -> int:
    """The parts of equal size along a new first axis."""
    shape = graph.shape(x)
    at = axis_of(axis, len(shape), name)
    if sections < 1 or shape[at] % sections:
        raise ShapeError(
            f"{name}: an axis of size {shape[at]} has no {sections} equal parts", hint="write x[:2] and x[2:]"
        )
    apart = movement.reshape(graph, x, (*shape[:at], sections, shape[at] // sections, *shape[at + 1 :]))
    return movement.transpose(graph, apart, (at, *(k for k in range(len(shape) + 1) if k != at)))


@language()
def _split(graph: Graph, x: Array, sections: Integer, axis: Axis = 0) -> int:
    """The parts of equal size along an axis, as one array: `split(x, 2)[0]`."""
    return _parts(graph, x, sections, axis, "split")


@language()
def _hsplit(graph: Graph, x: Array, sections: Integer) -> int:
    """The parts of equal size side by side, as one array."""
    return _parts(graph, x, sections, 1 if len(graph.shape(x)) > 1 else 0, "hsplit")


@language()
def _vsplit(graph: Graph, x: Array, sections: Integer) -> int:
    """The parts of equal size one below the other, as one array."""
    if len(graph.shape(x)) < 2:
        raise ShapeError(f"vsplit takes a matrix, not a value of shape {show(graph.shape(x))}")
    return _parts(graph, x, sections, 0, "vsplit")


@language()
def _meshgrid(graph: Graph, *operands: Array, indexing: Text = "xy") -> int:
    """The coordinates of all points of a grid along a new first axis: `meshgrid(x, y)[0]`."""
    if not operands:
        raise ShapeError("meshgrid of no vectors", hint="write meshgrid(x, y)")
    if indexing not in ("xy", "ij"):
        raise ParseError('indexing of meshgrid must be "xy" or "ij"')
    lines = [ravel(graph, graph.as_number(n)) for n in operands]
    order = list(range(len(lines)))
    if indexing == "xy" and len(lines) > 1:
        order[:2] = 1, 0
    shape = tuple([graph.shape(lines[k])[0] for k in order])
    grids = []
    for k, line in enumerate(lines):
        place = order.index(k)
        own = tuple([n if j == place else 1 for j, n in enumerate(shape)])
        grids.append(movement.broadcast(graph, movement.reshape(graph, line, own), shape))
    return movement.stack(graph, grids, 0)


@language()
def _slogdet(graph: Graph, x: Array) -> int:
    """The sign of the determinant and the logarithm of its absolute value, as a vector."""
    x = square(graph, x, "slogdet")
    return movement.stack(graph, [matrices.det_sign(graph, x), matrices.logdet(graph, x)], 0)


# Arrays of parts


def _ends(graph: Graph, x: int, axis: Axis, name: str) -> tuple[int, int, int]:
    if axis is None:
        x, axis = ravel(graph, x), 0
    shape = graph.shape(x)
    at = axis_of(axis, len(shape), name)
    return x, at, shape[at]


@language()
def _insert(graph: Graph, x: Array, obj: Axis, values: Node, axis: Axis = None) -> int:
    """The array with values before one or several places along an axis; of vectors unless an axis is given."""
    x, at, size = _ends(graph, x, axis, "insert")
    if isinstance(obj, tuple):
        return _inserted(graph, x, obj, values, at)
    if not -size <= obj <= size:
        raise ShapeError(f"insert: the place {obj} is out of range for an axis of size {size}")
    place = obj + size if obj < 0 else obj
    shape, own = graph.shape(x), graph.shape(values)
    if len(own) < len(shape):  # one value for every place of the other axes
        others = (*shape[:at], *shape[at + 1 :])
        whole = (*shape[:at], own[0] if len(shape) == 1 and own else 1, *shape[at + 1 :])
        values = movement.broadcast(graph, values, others) if len(shape) > 1 else values
        values = movement.reshape(graph, values, whole)
    parts = along(graph, x, at, slice(0, place)), graph.as_number(values), along(graph, x, at, slice(place, None))
    return joined(graph, parts, at, "insert")


def _inserted(graph: Graph, x: int, places: tuple[int, ...], values: int, at: int) -> int:
    """The array with a value before each of several places."""
    shape = graph.shape(x)
    size = shape[at]
    for place in places:
        if not isinstance(place, int) or not -size <= place <= size:
            raise ShapeError(f"insert: the place {place} is out of range for an axis of size {size}")
    new = movement.broadcast(graph, graph.as_number(values), (*shape[:at], len(places), *shape[at + 1 :]))
    order = np.insert(np.arange(size), places, size + np.arange(len(places)))
    joined = movement.concatenate(graph, [graph.as_number(x), new], at)
    return indexing.gather(graph, joined, graph.constant(order.astype(np.int64)), at)


@language()
def _delete(graph: Graph, x: Array, obj: Axis, axis: Axis = None) -> int:
    """The array without one or several places along an axis; of vectors unless an axis is given."""
    x, at, size = _ends(graph, x, axis, "delete")
    places = obj if isinstance(obj, tuple) else (obj,)
    for place in places:
        if not isinstance(place, int) or not -size <= place < size:
            raise ShapeError(f"delete: the place {place} is out of range for an axis of size {size}")
    gone = {place % size for place in places}
    left = np.array([k for k in range(size) if k not in gone], np.int64)
    return indexing.gather(graph, x, graph.constant(left), at) if gone else x


@language()
def _block_diag(graph: Graph, *operands: Array) -> int:
    """Matrices along the diagonal of a matrix of zeros."""
    blocks = []
    for node in operands:
        shape = graph.shape(node)
        if len(shape) > 2:
            raise ShapeError(f"block_diag takes matrices, not a value of shape {show(shape)}")
        blocks.append(movement.reshape(graph, graph.as_number(node), (1,) * (2 - len(shape)) + shape))
    width = sum(graph.shape(n)[1] for n in blocks)
    rows, at = [], 0
    for node in blocks:
        height, own = graph.shape(node)
        rows.append(movement.scatter(graph, node, ((0, height, 1), (at, at + own, 1)), (height, width)))
        at += own
    return joined(graph, tuple(rows), 0, "block_diag")


@language()
def _toeplitz(graph: Graph, c: Array, r: Array | None = None) -> int:
    """The matrix with a constant on each diagonal: the first column c, the first row r (c)."""
    c = graph.as_number(c)
    row = c if r is None else graph.as_number(r)
    (rows,), (columns,) = (_size(graph, n, "toeplitz") for n in (c, row))
    line = movement.concatenate(
        graph,
        [movement.element(graph, c, (slice(None, None, -1),)), movement.element(graph, row, (slice(1, None),))],
        0,
    )
    shape = rows, columns
    place = graph.apply(core.SUB, (indexing.iota(graph, shape, 1), indexing.iota(graph, shape, 0)))
    index = indexing.as_index(graph, graph.apply(core.ADD, (place, number(graph, rows - 1))))
    return indexing.gather(graph, line, index, 0)


@language()
def _circulant(graph: Graph, c: Array) -> int:
    """The matrix whose columns are a vector moved by one place after the other."""
    (size,) = _size(graph, c, "circulant")
    shape = size, size
    place = graph.apply(core.SUB, (indexing.iota(graph, shape, 0), indexing.iota(graph, shape, 1)))
    return indexing.gather(
        graph, graph.as_number(c), indexing.as_index(graph, graph.apply(core.MOD, (place, number(graph, size)))), 0
    )


def _size(graph: Graph, x: int, name: str) -> tuple[int]:
    shape = graph.shape(x)
    if len(shape) != 1 or not shape[0]:
        raise ShapeError(f"{name} takes a vector, not a value of shape {show(shape)}")
    return (shape[0],)


@language()
def _select(graph: Graph, conditions: Nodes, arrays: Nodes, default: Node | None = None) -> int:
    """Where the first of several conditions holds that of several arrays, elsewhere the default (0)."""
    if len(conditions) != len(arrays):
        raise ShapeError(f"select: {len(conditions)} conditions for {len(arrays)} arrays")
    result = number(graph, 0.0) if default is None else default
    for condition, value in zip(reversed(conditions), reversed(arrays), strict=True):
        result = graph.apply(core.WHERE, (condition, value, result))
    return result
