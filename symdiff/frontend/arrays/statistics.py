"""Covariances and polynomials, with NumPy's names and arguments."""

from __future__ import annotations

from symdiff.errors import ShapeError
from symdiff.frontend.arrays.arguments import language
from symdiff.frontend.arrays.linear_algebra import matmul
from symdiff.frontend.arrays.reductions import number, reduce
from symdiff.ir.graph import Graph
from symdiff.ops.reduction import kept
from symdiff.types import show


@language()
def _cov(graph: Graph, x: int, rowvar: bool = True, ddof: int = 1) -> int:
    """The covariances of the rows of a matrix, or with rowvar=False of its columns."""
    shape = graph.shape(x)
    if len(shape) not in (1, 2):
        raise ShapeError(f"cov takes a vector or a matrix, not a value of shape {show(shape)}")
    flat = len(shape) < 2
    x = graph.reshape(graph.as_number(x), (1, *shape)) if flat else x
    x = x if rowvar or flat else graph.swap_last(x)
    rows, count = graph.shape(x)
    mean = graph.apply("div", (reduce(graph, "sum", x, 1), number(graph, count)))
    distance = graph.apply("sub", (x, kept(graph, mean, (1,), (rows, count))))
    products = matmul(graph, distance, graph.swap_last(distance), "cov")
    result = graph.apply("div", (products, number(graph, count - ddof)))
    return graph.reshape(result, ()) if flat else result


@language()
def _corrcoef(graph: Graph, x: int, rowvar: bool = True) -> int:
    """The correlations of the rows of a matrix, or with rowvar=False of its columns."""
    covariance = _cov(graph, x, rowvar)
    if not graph.shape(covariance):
        return graph.apply("div", (covariance, covariance))
    size = graph.shape(covariance)[0]
    scale = graph.apply("sqrt", (graph.diagonal(covariance, 0, 1),))
    rows = graph.apply("div", (covariance, graph.reshape(scale, (size, 1))))
    return graph.apply("div", (rows, scale))


def _powers(graph: Graph, x: int, count: int, increasing: bool) -> int:
    """The powers of each element along a new last axis."""
    exponents = graph.iota((count,), 0)
    if not increasing:
        exponents = graph.apply("sub", (number(graph, count - 1), exponents))
    return graph.apply("pow", (graph.reshape(x, (*graph.shape(x), 1)), exponents))


@language()
def _vander(graph: Graph, x: int, N: int | None = None, increasing: bool = False) -> int:
    """The powers of a vector as the columns of a matrix, the highest first unless `increasing`."""
    shape = graph.shape(x)
    if len(shape) != 1:
        raise ShapeError(f"vander takes a vector, not a value of shape {show(shape)}")
    return _powers(graph, graph.as_number(x), shape[0] if N is None else N, increasing)


@language(numbers="x")
def _polyval(graph: Graph, p: int, x: int) -> int:
    """The polynomial with coefficients p, the highest power first, at x."""
    shape = graph.shape(p)
    if len(shape) != 1:
        raise ShapeError(f"polyval takes a vector of coefficients, not a value of shape {show(shape)}")
    terms = graph.apply("mul", (p, _powers(graph, graph.as_number(x), shape[0], False)))
    return reduce(graph, "sum", terms, -1)
