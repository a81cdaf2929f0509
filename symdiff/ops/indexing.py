"""Elements chosen by numbers: gathering, adding back, and the numbers of the places themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff import content
from symdiff.errors import LOST_INDEX, IndexRangeError, ShapeError, out_of_range
from symdiff.ops import movement
from symdiff.ops.base import Differential, Make, MatrixRoutine, Movement, Op, payload_kind, register
from symdiff.ops.structure import CONSTANT, check_count, checked_axis, numeric_type, only
from symdiff.types import BOOL, FLOAT64, INT64, Shape, TensorType, fixed, product, show, tensor

if TYPE_CHECKING:
    import numpy.typing as npt

    from symdiff.ir.graph import Graph


LAST_SINGLE = 2**24
"""Up to here every integer is a number of single precision."""


# Makers


def integer_array(graph: Graph, values: npt.ArrayLike) -> int:
    """A constant of integers: indices.

    Raises
    ------
    ShapeError
        Where a value is no integer.
    """
    given = np.asarray(values)
    rounded = np.asarray(given, float) if given.dtype.kind == "f" else given
    if given.dtype.kind not in "iuf" or not np.array_equal(rounded, np.rint(rounded)):
        raise ShapeError("an index must be an integer")
    return graph.constant(given.astype(np.int64, order="C"))


def as_index(graph: Graph, node: int) -> int:
    """The nearest integers of numbers, as indices; indices as they are."""
    if graph.types[node].dtype == INT64:
        return node
    if graph.ops[node] is CONSTANT and graph.types[node].dtype != BOOL:
        return integer_array(graph, np.rint(graph.payloads[node]))
    return graph.add(AS_INDEX, (node,))


def gather(graph: Graph, node: int, index: int, axis: int = 0) -> int:
    """The elements of `node` at the indices in the node `index`, along an axis, as `numpy.take`.

    Raises
    ------
    ShapeError
        Where a constant index is out of range.
    """
    shape = graph.shape(node)
    axis = checked_axis("gather", axis, shape)
    _check_range(graph, index, shape[axis])
    scalar = movement.repeated_scalar(graph, node)
    if scalar is not None:
        return movement.broadcast(graph, scalar, (*shape[:axis], *graph.shape(index), *shape[axis + 1 :]))
    return graph.add(GATHER, (node, index), axis)


def scatter_add(graph: Graph, node: int, index: int, axis: int, size: int) -> int:
    """Zeros with `size` elements along an axis, to which `node` is added at some indices."""
    _check_range(graph, index, size)
    return graph.add(SCATTER_ADD, (graph.as_number(node), index), (axis, size))


def iota(graph: Graph, shape: tuple[int, ...], axis: int = 0) -> int:
    """The index along an axis, as a number, over a whole shape."""
    return graph.add(IOTA, (), (tuple(shape), checked_axis("iota", axis, tuple(shape))))


def same_index(graph: Graph, shape: tuple[int, ...], axis1: int, axis2: int, offset: int = 0) -> int:
    """The condition that the index along `axis2` is that along `axis1` plus `offset`."""
    first = iota(graph, shape, axis1)
    if offset:
        first = graph.add("add", (first, graph.constant(float(offset))))
    return graph.add("equal", (first, iota(graph, shape, axis2)))


def eye(graph: Graph, rows: int, columns: int, offset: int = 0, on: float = 1.0, off: float = 0.0) -> int:
    """The matrix with `on` on a diagonal and `off` elsewhere."""
    condition = same_index(graph, (rows, columns), 0, 1, offset)
    return graph.add("where", (condition, graph.constant(on), graph.constant(off)))


def main_diagonal(graph: Graph, node: int, axis1: int = 0, axis2: int = 1) -> int:
    """The diagonal of two axes, as a new last axis."""
    shape = graph.shape(node)
    if len(shape) < 2:
        raise ShapeError(f"diagonal: the shape {show(shape)} has fewer than two axes")
    axes = checked_axis("diagonal", axis1, shape), checked_axis("diagonal", axis2, shape)
    return graph.apply(DIAGONAL, (node,), axes)


def _simpler_diagonal(graph: Graph, make: Make, args: tuple[int, ...], axes: tuple[int, int]) -> int | None:
    """The diagonal of a repeated scalar repeats it."""
    scalar = movement.repeated_scalar(graph, args[0])
    if scalar is None:
        return None
    shape = graph.shape(args[0])
    rest = tuple([n for k, n in enumerate(shape) if k not in axes])
    return make(movement.BROADCAST, (scalar,), (*rest, min(shape[axes[0]], shape[axes[1]])))


def triangle(graph: Graph, node: int, lower: bool, offset: int = 0) -> int:
    """The lower (or upper) triangles of matrices up to the diagonal `offset`, zeros elsewhere."""
    node = graph.as_number(node)
    shape = graph.shape(node)[-2:]
    if len(shape) < 2:
        raise ShapeError(f"{'tril' if lower else 'triu'}: the shape {show(shape)} has fewer than two axes")
    row, column = iota(graph, shape, 0), iota(graph, shape, 1)
    if offset:
        row = graph.add("add", (row, graph.constant(float(offset))))
    inside = graph.add("less_equal", (column, row) if lower else (row, column))
    return graph.add("where", (inside, node, graph.constant(0.0)))


def _check_range(graph: Graph, index: int, size: int) -> None:
    values = graph.payloads[index] if graph.ops[index] is CONSTANT else None
    if isinstance(values, np.ndarray) and values.dtype == np.int64 and values.size:
        low, high = int(values.min()), int(values.max())
        if low < -size or high >= size:
            raise out_of_range(low if low < -size else high, size)


def _indices(op: Op, types: Sequence[TensorType], axis: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    check_count(op, types, 2)
    if types[1].dtype != INT64:
        raise ShapeError(f"{op.name} takes indices (int64), not {types[1].dtype}")
    shape, index = fixed(types[0].shape), fixed(types[1].shape)
    if not 0 <= axis < len(shape):
        raise ShapeError(f"{op.name}: the shape {show(shape)} has no axis {axis}")
    return shape, index


def _diagonal_type(op: Op, types: Sequence[TensorType], payload: tuple[int, int]) -> TensorType:
    check_count(op, types, 1)
    shape, (first, second) = fixed(types[0].shape), payload
    if first == second or not (0 <= first < len(shape) and 0 <= second < len(shape)):
        raise ShapeError(f"diagonal: {first} and {second} are not two axes of the shape {show(shape)}")
    rest = tuple(n for k, n in enumerate(shape) if k not in payload)
    return tensor(types[0].dtype, (*rest, min(shape[first], shape[second])))


def _gather_type(op: Op, types: Sequence[TensorType], axis: int) -> TensorType:
    shape, index = _indices(op, types, axis)
    if not shape[axis] and product(index):
        raise ShapeError(f"gather: the shape {show(shape)} has no elements along axis {axis}")
    return tensor(types[0].dtype, (*shape[:axis], *index, *shape[axis + 1 :]))


def _argsort_type(op: Op, types: Sequence[TensorType], payload: object) -> TensorType:
    check_count(op, types, 1)
    dtype, shape = numeric_type(op, types), fixed(types[0].shape)
    if not shape:
        raise ShapeError("argsort takes lines of elements, not a number")
    if dtype != FLOAT64 and shape[-1] > LAST_SINGLE:
        raise ShapeError(
            f"argsort: {shape[-1]:,} elements have places that are no numbers of {dtype}", hint='write dtype="float64"'
        )
    return types[0]


def _scatter_type(op: Op, types: Sequence[TensorType], payload: tuple[int, int]) -> TensorType:
    check_count(op, types, 2)
    axis, size = payload
    dtype, shape, index = numeric_type(op, types[:1]), fixed(types[0].shape), fixed(types[1].shape)
    if types[1].dtype != INT64:
        raise ShapeError(f"scatter_add takes indices (int64), not {types[1].dtype}")
    if shape[axis : axis + len(index)] != index:
        raise ShapeError(f"scatter_add: shapes {show(shape)} and {show(index)} differ from axis {axis} on")
    return tensor(dtype, (*shape[:axis], size, *shape[axis + len(index) :]))


def _as_index_type(op: Op, types: Sequence[TensorType], payload: object) -> TensorType:
    check_count(op, types, 1)
    numeric_type(op, types)
    return tensor(INT64, types[0].shape)


def _iota_type(op: Op, types: Sequence[TensorType], payload: tuple[Shape, int]) -> TensorType:
    shape, axis = payload
    if not 0 <= axis < len(shape):
        raise ShapeError(f"iota: the shape {show(shape)} has no axis {axis}")
    return tensor(types[0].dtype if types else FLOAT64, shape)


def _iota(payload: tuple[tuple[int, ...], int]) -> Any:
    shape, axis = payload
    line = np.arange(shape[axis], dtype=float)
    return np.broadcast_to(line.reshape([-1 if k == axis else 1 for k in range(len(shape))]), shape)


def _checked(index: Any, size: int) -> Any:
    """The indices, which must be in range; negative ones count from the end."""
    wrong = (index < -size) | (index >= size)
    if np.any(wrong):
        shown = np.extract(wrong, index)[0]
        raise IndexRangeError(int(shown), size)
    return index


def _gather(x: Any, index: Any, axis: int) -> Any:
    return np.take(x, _checked(np.asarray(index), np.shape(x)[axis]), axis)


def _scatter_add(g: Any, index: Any, payload: tuple[int, int]) -> Any:
    """Rows are added in the order of the index."""
    axis, size = payload
    g, index = np.asarray(g), np.asarray(index)
    count = int(index.size)
    outer, inner = g.shape[:axis], g.shape[axis + index.ndim :]
    lines = np.moveaxis(g.reshape((*outer, count, *inner)), axis, 0)
    found = np.full((size, *outer, *inner), 0.0, g.dtype)
    for k, place in enumerate(_checked(index, size).ravel().tolist()):
        found[place] = found[place] + lines[k]
    return np.moveaxis(found, 0, axis)


def _as_index(x: Any, payload: object) -> Any:
    known = np.abs(x) < 2.0**62
    return np.where(known, np.rint(np.where(known, x, 0.0)), LOST_INDEX).astype(np.int64)


def _gather_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    tangent = only(tangents)
    return gather(graph, tangent, graph.args[node][1], graph.payloads[node] + lead)


def _gather_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    x, index = graph.args[node]
    axis = graph.payloads[node]
    return scatter_add(graph, g, index, axis + lead, fixed(graph.types[x].shape)[axis])


def _scatter_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    tangent = only(tangents)
    axis, size = graph.payloads[node]
    return scatter_add(graph, tangent, graph.args[node][1], axis + lead, size)


def _scatter_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    return gather(graph, g, graph.args[node][1], graph.payloads[node][0] + lead)


def _diagonal_back(graph: Graph, g: int, x: int, payload: tuple[int, int], lead: int) -> int:
    """The adjoint on the diagonal of zeros."""
    sizes, shape = movement.leading(graph, g, lead), graph.shape(x)
    long, other = payload if shape[payload[0]] <= shape[payload[1]] else payload[::-1]
    count = len(shape)
    rest = [k for k in range(count) if k not in payload]
    at = sorted([*rest, long])
    perm = [len(rest) if k == long else rest.index(k) for k in at]
    placed = movement.transpose(graph, g, (*range(lead), *(lead + k for k in perm)))
    placed = movement.reshape(graph, placed, (*sizes, *(1 if k == other else shape[k] for k in range(count))))
    square = tuple(n if k in payload else 1 for k, n in enumerate(shape))
    return graph.add("where", (same_index(graph, square, *payload), placed, graph.constant(0.0)))


def _read_size(value: Any) -> tuple[int, int]:
    axis, size = content.items(value, "an axis and its size", 2)
    return content.axis(axis), content.integer(size, 0, content.LARGEST_ARRAY, "a size")


def _read_places(value: Any) -> tuple[Shape, int]:
    shape, axis = content.items(value, "a shape and an axis", 2)
    return content.read_shape(shape), content.axis(axis)


def _read_two_axes(value: Any) -> tuple[int, ...]:
    return tuple(content.axis(k) for k in content.items(value, "two axes", 2))


AXIS_AND_SIZE = payload_kind("axis and size", _read_size)
SHAPE_AND_AXIS = payload_kind("shape and axis", _read_places, lambda value: [content.written_shape(value[0]), value[1]])
TWO_AXES = payload_kind("two axes", _read_two_axes)

GATHER, SCATTER_ADD, AS_INDEX, ARGSORT, IOTA, DIAGONAL = register(
    Op("gather", None, word="take", hidden=True, finite=True, doc="the elements at some indices along an axis",
       payload=movement.AXIS, type_rule=_gather_type, routine=Movement(_gather),
       differential=Differential(_gather_forward, _gather_back, active=(True, False))),
    Op("scatter_add", None, hidden=True, finite=True,
       doc="zeros, to which the operand is added at some indices along an axis",
       payload=AXIS_AND_SIZE, type_rule=_scatter_type, routine=Movement(_scatter_add), empty=0.0,
       flops=lambda types, result, payload: {"add": product(types[0].shape)},
       differential=Differential(_scatter_forward, _scatter_back, active=(True, False))),
    Op("as_index", None, word="round", hidden=True, numpy="np.rint({0}).astype(np.int64)",
       doc="a number as an index: the nearest integer", type_rule=_as_index_type,
       routine=Movement(_as_index), partials=(None,)),
    Op("argsort", None, hidden=True, finite=True, numpy="np.argsort({0}, axis=-1, kind='stable').astype({0}.dtype)",
       doc="the places of the elements along the last axis in ascending order, equal ones in theirs, NaN last",
       type_rule=_argsort_type, routine=MatrixRoutine(lambda x, _: np.argsort(x, -1, "stable").astype(x.dtype))),
    Op("iota", "", hidden=True, finite=True,
       doc="the index along an axis, as a number", payload=SHAPE_AND_AXIS, type_rule=_iota_type,
       routine=Movement(_iota)),
    Op("diagonal", None, hidden=True, finite=True, payload=TWO_AXES,
       doc="the diagonal of two axes, as a new last axis", type_rule=_diagonal_type, canonical=_simpler_diagonal,
       routine=Movement(lambda x, axes: np.diagonal(x, 0, *axes)),
       differential=movement.unary(lambda graph, t, axes, lead: main_diagonal(graph, t, axes[0] + lead, axes[1] + lead),
                          _diagonal_back)),
)  # fmt: skip
