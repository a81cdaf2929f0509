"""Covariances and polynomials, with NumPy's names and arguments."""

from __future__ import annotations

from symdiff.errors import ShapeError
from symdiff.frontend.arguments import Array, Flag, Integer, Node, language
from symdiff.frontend.arrays.joining import joined
from symdiff.frontend.arrays.reductions import reduce
from symdiff.frontend.attributes import checked_product
from symdiff.frontend.constants import number
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.ops.reduction import kept
from symdiff.types import show


def _rows(graph: Graph, x: int, rowvar: bool) -> int:
    """A vector as one row; of a matrix the rows, or its columns."""
    shape = graph.shape(x)
    if len(shape) not in (1, 2):
        raise ShapeError(f"cov takes a vector or a matrix, not a value of shape {show(shape)}")
    x = graph.as_number(x)
    return movement.reshape(graph, x, (1, *shape)) if len(shape) < 2 else x if rowvar else movement.swap_last(graph, x)


@language()
def _cov(
    graph: Graph,
    x: Array,
    y: Array | None = None,
    rowvar: Flag = True,
    bias: Flag = False,
    ddof: Integer | None = None,
    fweights: Array | None = None,
    aweights: Array | None = None,
) -> int:
    """The covariances of the rows of a matrix, or with rowvar=False of its columns, and of those of `y`."""
    x = _rows(graph, x, rowvar)
    if y is not None:
        x = joined(graph, (x, _rows(graph, y, rowvar)), 0, "cov")
    ddof = (0 if bias else 1) if ddof is None else ddof
    rows, count = graph.shape(x)
    given = [graph.as_number(w) for w in (fweights, aweights) if w is not None]
    for weights in given:
        if graph.shape(weights) != (count,):
            raise ShapeError(f"cov: weights of shape {show(graph.shape(weights))} for {count} observations")
    if not given:
        total = number(graph, count)
        mean = graph.apply(core.DIV, (reduce(graph, core.SUM, x, 1), total))
        taken = number(graph, ddof)
    else:
        weights = given[0] if len(given) == 1 else graph.apply(core.MUL, tuple(given))
        total = reduce(graph, core.SUM, weights, None)
        mean = graph.apply(core.DIV, (reduce(graph, core.SUM, graph.apply(core.MUL, (x, weights)), 1), total))
        taken = number(graph, ddof)
        if aweights is not None and ddof:
            own = reduce(graph, core.SUM, graph.apply(core.MUL, (weights, graph.as_number(aweights))), None)
            taken = graph.apply(core.DIV, (graph.apply(core.MUL, (taken, own)), total))
    distance = graph.apply(core.SUB, (x, kept(graph, mean, (1,), (rows, count))))
    weighted = graph.apply(core.MUL, (distance, weights)) if given else distance
    products = checked_product(graph, distance, movement.swap_last(graph, weighted), "cov")
    left = graph.apply(core.SUB, (total, taken)) if given else number(graph, count - ddof)
    result = graph.apply(core.DIV, (products, left))
    return movement.reshape(graph, result, ()) if rows == 1 else result


@language()
def _corrcoef(graph: Graph, x: Array, y: Array | None = None, rowvar: Flag = True) -> int:
    """The correlations of the rows of a matrix, or with rowvar=False of its columns, and of those of `y`."""
    covariance = _cov(graph, x, y, rowvar)
    if not graph.shape(covariance):
        return graph.apply(core.DIV, (covariance, covariance))
    size = graph.shape(covariance)[0]
    scale = graph.apply(core.SQRT, (indexing.main_diagonal(graph, covariance, 0, 1),))
    rows = graph.apply(core.DIV, (covariance, movement.reshape(graph, scale, (size, 1))))
    return graph.apply(core.DIV, (rows, scale))


def _powers(graph: Graph, x: int, count: int, increasing: bool) -> int:
    """The powers of each element along a new last axis."""
    exponents = indexing.iota(graph, (count,), 0)
    if not increasing:
        exponents = graph.apply(core.SUB, (number(graph, count - 1), exponents))
    return graph.apply(core.POW, (movement.reshape(graph, x, (*graph.shape(x), 1)), exponents))


@language()
def _vander(graph: Graph, x: Array, N: Integer | None = None, increasing: Flag = False) -> int:
    """The powers of a vector as the columns of a matrix, the highest first unless `increasing`."""
    shape = graph.shape(x)
    if len(shape) != 1:
        raise ShapeError(f"vander takes a vector, not a value of shape {show(shape)}")
    return _powers(graph, graph.as_number(x), shape[0] if N is None else N, increasing)


@language()
def _polyval(graph: Graph, p: Array, x: Node) -> int:
    """The polynomial with coefficients p, the highest power first, at x."""
    shape = graph.shape(p)
    if len(shape) != 1:
        raise ShapeError(f"polyval takes a vector of coefficients, not a value of shape {show(shape)}")
    terms = graph.apply(core.MUL, (p, _powers(graph, graph.as_number(x), shape[0], False)))
    return reduce(graph, core.SUM, terms, -1)
