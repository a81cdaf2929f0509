"""Products of vectors and matrices that are made of others, with NumPy's names and arguments."""

from __future__ import annotations

from symdiff.errors import ShapeError
from symdiff.frontend.arguments import Array, Axis, Nodes, axis_of, language
from symdiff.frontend.arrays.reductions import reduce
from symdiff.frontend.arrays.shapes import along
from symdiff.frontend.attributes import checked_product
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement
from symdiff.types import show


@language()
def _vecdot(graph: Graph, a: Array, b: Array, axis: Axis = -1) -> int:
    """The sums of products along an axis; other axes broadcast."""
    a, b = graph.as_number(a), graph.as_number(b)
    places = [axis_of(axis, len(graph.shape(x)), "vecdot") for x in (a, b)]
    sizes = [graph.shape(x)[at] for x, at in zip((a, b), places, strict=True)]
    if sizes[0] != sizes[1]:
        raise ShapeError(
            f"vecdot: shapes {show(graph.shape(a))} and {show(graph.shape(b))} do not fit: {sizes[0]} is not {sizes[1]}"
        )
    product = graph.apply(core.MUL, (a, b))
    return reduce(graph, core.SUM, product, axis % len(graph.shape(product)) if axis >= 0 else axis)


@language()
def _matvec(graph: Graph, a: Array, b: Array) -> int:
    """The products of matrices with vectors, which are the last axis of the second."""
    column = movement.reshape(graph, b, (*graph.shape(b), 1))
    found = checked_product(graph, a, column, "matvec")
    return movement.reshape(graph, found, graph.shape(found)[:-1])


@language()
def _vecmat(graph: Graph, a: Array, b: Array) -> int:
    """The products of vectors, which are the last axis of the first, with matrices."""
    shape = graph.shape(a)
    row = movement.reshape(graph, a, (*shape[:-1], 1, *shape[-1:]))
    found = checked_product(graph, row, b, "vecmat")
    own = graph.shape(found)
    return movement.reshape(graph, found, (*own[:-2], own[-1]))


@language()
def _cross(graph: Graph, a: Array, b: Array, axis: Axis = -1) -> int:
    """The cross product of vectors with three elements along the last axis, or a given one; of plane ones a number."""
    a, b = graph.as_number(a), graph.as_number(b)
    places = [axis_of(axis, len(graph.shape(x)), "cross") for x in (a, b)]
    parts = []
    for x, at in zip((a, b), places, strict=True):
        size = graph.shape(x)[at]
        if size not in (2, 3):
            raise ShapeError(f"cross takes vectors of 3 elements, not the shape {show(graph.types[x].shape)}")
        parts.append([along(graph, x, at, k) for k in range(size)])

    def difference(j: int, k: int) -> int:
        """a[j]*b[k] - a[k]*b[j], without the elements that a plane vector does not have."""
        terms = [
            graph.apply(core.MUL, (parts[0][m], parts[1][n])) if m < len(parts[0]) and n < len(parts[1]) else None
            for m, n in ((j, k), (k, j))
        ]
        first, second = terms
        if first is None:
            assert second is not None
            return graph.apply(core.NEG, (second,))
        return first if second is None else graph.apply(core.SUB, (first, second))

    if len(parts[0]) == len(parts[1]) == 2:
        return difference(0, 1)
    found = [difference(1, 2), difference(2, 0), difference(0, 1)]
    return movement.stack(graph, found, axis_of(axis, len(graph.shape(found[0])) + 1, "cross"))


@language()
def _multi_dot(graph: Graph, arrays: Nodes) -> int:
    """The matrix product of several arrays."""
    if not arrays:
        raise ShapeError("multi_dot of no arrays", hint="write multi_dot([A, B])")
    result = arrays[0]
    for other in arrays[1:]:
        result = checked_product(graph, result, other, "multi_dot")
    return result
