"""Products of arrays and linear algebra, with NumPy's names and arguments."""

from __future__ import annotations

import math
from typing import Any

from symdiff.errors import ParseError, ShapeError, quote
from symdiff.frontend.arguments import Array, Flag, Integer, Nested, Real, Text, axis_of, language
from symdiff.frontend.arrays.reductions import reduce
from symdiff.frontend.arrays.shapes import along
from symdiff.frontend.attributes import checked_product, unfit
from symdiff.frontend.constants import number
from symdiff.ir.graph import Graph
from symdiff.ops import contraction, core, indexing, matrices, movement, singular_values
from symdiff.types import show

LARGEST_POWER = 1 << 20


@language("matmul")
def _matmul(graph: Graph, a: Array, b: Array) -> int:
    """The matrix product, a @ b."""
    return checked_product(graph, a, b)


def _flat(graph: Graph, x: int) -> int:
    return movement.reshape(graph, graph.as_number(x), (math.prod(graph.shape(x)),))


@language("dot")
def dot(graph: Graph, a: Array, b: Array) -> int:
    """NumPy's dot: the product of numbers, vectors or matrices."""
    left, right = len(graph.shape(a)), len(graph.shape(b))
    if not left or not right:
        return graph.apply(core.MUL, (a, b))
    if right <= 2 and left <= 2:
        return checked_product(graph, a, b, "dot")
    return _tensordot(graph, a, b, ((left - 1,), (max(right - 2, 0),)))


@language()
def _inner(graph: Graph, a: Array, b: Array) -> int:
    """The sums of products over the last axis of both."""
    left, right = len(graph.shape(a)), len(graph.shape(b))
    if not left or not right:
        return graph.apply(core.MUL, (a, b))
    return _contracted(graph, a, b, ((left - 1,), (right - 1,)), "inner")


@language("outer")
def _outer(graph: Graph, a: Array, b: Array) -> int:
    """All products of an element of the first with one of the second."""
    return contraction.einsum(graph, (_flat(graph, a), _flat(graph, b)), ((0,), (1,)), (0, 1))


@language()
def _vdot(graph: Graph, a: Array, b: Array) -> int:
    """The sum of the products of all elements."""
    a, b = _flat(graph, a), _flat(graph, b)
    if graph.types[a].shape != graph.types[b].shape:
        raise ShapeError(f"vdot: shapes {show(graph.types[a].shape)} and {show(graph.types[b].shape)} differ")
    return contraction.einsum(graph, (a, b), ((0,), (0,)), ())


@language()
def _kron(graph: Graph, a: Array, b: Array) -> int:
    """The Kronecker product: every element of the first times the whole second."""
    a, b = graph.as_number(a), graph.as_number(b)
    left, right = graph.shape(a), graph.shape(b)
    count = max(len(left), len(right))
    left, right = (1,) * (count - len(left)) + left, (1,) * (count - len(right)) + right
    outer = movement.reshape(graph, a, tuple(n for size in left for n in (size, 1)))
    inner = movement.reshape(graph, b, tuple(n for size in right for n in (1, size)))
    product = graph.apply(core.MUL, (outer, inner))
    return movement.reshape(graph, product, tuple(m * n for m, n in zip(left, right, strict=True)))


@language("tensordot")
def _tensordot(graph: Graph, a: Array, b: Array, axes: Nested = 2) -> int:
    """The sums of products over some axes: a number of them, or the axes of both."""
    return _contracted(graph, a, b, axes, "tensordot")


def _contracted(graph: Graph, a: int, b: int, axes: Any, name: str) -> int:
    a, b = graph.as_number(a), graph.as_number(b)
    left, right = graph.shape(a), graph.shape(b)
    if isinstance(axes, int):
        pairs: Any = tuple(range(len(left) - axes, len(left))), tuple(range(axes))
    else:
        pairs = tuple([k if isinstance(k, tuple) else (k,) for k in axes])
    if len(pairs) != 2 or len(pairs[0]) != len(pairs[1]):
        raise ShapeError(f"{name}: axes are a number, or two lists of as many axes", hint="write axes=((0, 1), (1, 0))")
    first = [axis_of(k, len(left), name) for k in pairs[0]]
    second = [axis_of(k, len(right), name) for k in pairs[1]]
    if [left[k] for k in first] != [right[k] for k in second]:
        raise ShapeError(f"{name}: shapes {show(left)} and {show(right)} do not fit along axes {first} and {second}")
    labels = tuple(range(len(left)))
    own = [labels[first[second.index(k)]] if k in second else len(left) + k for k in range(len(right))]
    output = (*(k for k in labels if k not in first), *(own[k] for k in range(len(right)) if k not in second))
    return contraction.einsum(graph, (a, b), (labels, tuple(own)), output)


EINSUM_HINT = 'write einsum("ij,jk->ik", A, B)'


@language("einsum")
def _einsum(graph: Graph, subscripts: Text, *operands: Array) -> int:
    """Sums of products in Einstein's notation: `einsum("ij,jk->ik", A, B)`."""
    text = subscripts.replace(" ", "")
    inputs, arrow, wanted = text.partition("->")
    terms = inputs.split(",")
    letters = text.replace("->", "").replace(",", "").replace("...", "")
    if not all(c.isascii() and c.isalpha() for c in letters):
        raise ParseError(f"einsum: {quote(subscripts)} holds more than letters", hint=EINSUM_HINT)
    if len(terms) != len(operands):
        raise ParseError(f"einsum: {len(terms)} terms for {len(operands)} operands", hint=EINSUM_HINT)
    nodes = tuple([graph.as_number(n) for n in operands])
    extra, labels = 0, []
    for term, node in zip(terms, nodes, strict=True):
        shape = graph.shape(node)
        before, dots, after = term.partition("...")
        rest = len(shape) - len(before) - len(after)
        if rest < 0 or (rest and not dots) or "." in before + after:
            raise ShapeError(f"einsum: {quote(term)} for an operand of shape {show(shape)}", hint=EINSUM_HINT)
        extra = max(extra, rest)
        # Leading axes are counted from the right: -1 is the last of them.
        labels.append((*map(ord, before), *range(-rest, 0), *map(ord, after)))
    if arrow:
        before, dots, after = wanted.partition("...")
        output = (*map(ord, before), *(range(-extra, 0) if dots else ()), *map(ord, after))
    else:
        once = sorted(c for c in set(letters) if letters.count(c) == 1)
        output = (*range(-extra, 0), *map(ord, once))
    known = {label for own in labels for label in own}
    if len(set(output)) < len(output) or not set(output) <= known:
        raise ParseError(f"einsum: {quote(wanted)} has a letter twice, or one that no operand has", hint=EINSUM_HINT)
    shift = max(0, 1 - min(known, default=1))
    try:
        return contraction.einsum(
            graph, nodes, [[k + shift for k in own] for own in labels], [k + shift for k in output]
        )
    except ShapeError as error:
        raise unfit(graph, nodes, "einsum", error) from None


# Diagonals


@language("diagonal")
def diagonal(graph: Graph, x: Array, offset: Integer = 0, axis1: Integer = 0, axis2: Integer = 1) -> int:
    """The diagonal of two axes, as a new last axis."""
    shape = graph.shape(x)
    if len(shape) < 2:
        raise ShapeError(f"diagonal takes a matrix, not a value of shape {show(shape)}", hint="write diag(x)")
    first, second = (axis_of(k, len(shape), "diagonal") for k in (axis1, axis2))
    if first == second:
        raise ShapeError("diagonal needs two axes", hint="write axis1=0, axis2=1")
    if offset > 0:
        x = along(graph, x, second, slice(offset, None))
    elif offset < 0:
        x = along(graph, x, first, slice(-offset, None))
    return indexing.main_diagonal(graph, x, first, second)


@language("trace", "Trace")
def _trace(graph: Graph, x: Array, offset: Integer = 0, axis1: Integer = 0, axis2: Integer = 1) -> int:
    """The sum of the diagonal."""
    if len(graph.shape(x)) < 2:
        raise ShapeError(
            f"trace takes a matrix, not a value of shape {show(graph.types[x].shape)}", hint="write sum(x)"
        )
    return reduce(graph, core.SUM, diagonal(graph, graph.as_number(x), offset, axis1, axis2), -1)


@language("diag")
def diag(graph: Graph, x: Array, k: Integer = 0) -> int:
    """The matrix with a vector on its k-th diagonal; of a matrix its k-th diagonal."""
    shape = graph.shape(x)
    if len(shape) == 2:
        return diagonal(graph, x, k)
    if len(shape) != 1:
        raise ShapeError(
            f"diag takes a vector or a matrix, not a value of shape {show(shape)}", hint="write diagonal(x)"
        )
    x, size = graph.as_number(x), shape[0] + abs(k)
    if k:
        x = movement.scatter(graph, x, ((0, shape[0], 1),), (size,))
    x = movement.reshape(graph, x, (size, 1) if k >= 0 else (1, size))
    return graph.apply(core.WHERE, (indexing.same_index(graph, (size, size), 0, 1, k), x, number(graph, 0.0)))


@language()
def _diagflat(graph: Graph, x: Array, k: Integer = 0) -> int:
    """The matrix with all elements on its k-th diagonal."""
    return diag(graph, _flat(graph, x), k)


# Linear algebra


def square(graph: Graph, x: int, name: str) -> int:
    """A matrix with as many rows as columns, as numbers.

    Raises
    ------
    ShapeError
        For another shape.
    """
    shape = graph.shape(x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        hint = (
            f"write {name}(X.T @ X) for a matrix X with more rows than columns"
            if len(shape) > 1
            else ("write 1/x for a number" if name == "inv" and not shape else "")
        )
        raise ShapeError(f"{name} takes a square matrix, not a value of shape {show(shape)}", hint=hint)
    return graph.as_number(x)


@language()
def _inv(graph: Graph, x: Array) -> int:
    """The inverse of a matrix."""
    return matrices.inv(graph, square(graph, x, "inv"))


@language("det", "Determinant")
def _det(graph: Graph, x: Array) -> int:
    """The determinant of a matrix."""
    return matrices.det(graph, square(graph, x, "det"))


@language()
def _det_sign(graph: Graph, x: Array) -> int:
    """The sign of the determinant of a matrix, 0 for a singular one."""
    return matrices.det_sign(graph, square(graph, x, "det_sign"))


@language()
def _adjugate(graph: Graph, x: Array) -> int:
    """The adjugate of a matrix, its cofactors transposed: det(A)*inv(A), also where that is 0*inf."""
    return matrices.adjugate(graph, square(graph, x, "adjugate"))


@language()
def _logdet(graph: Graph, x: Array) -> int:
    """The logarithm of the absolute value of the determinant."""
    return matrices.logdet(graph, square(graph, x, "logdet"))


@language()
def _cholesky(graph: Graph, x: Array, upper: Flag = False) -> int:
    """The lower triangle L of a positive definite matrix L @ L.T, or with `upper` L.T."""
    found = matrices.cholesky(graph, square(graph, x, "cholesky"))
    return movement.swap_last(graph, found) if upper else found


@language()
def _solve(graph: Graph, a: Array, b: Array) -> int:
    """The solution x of a @ x = b."""
    return matrices.solve(graph, square(graph, a, "solve"), b)


@language()
def _solve_triangular(graph: Graph, a: Array, b: Array, trans: Integer = 0, lower: Flag = False) -> int:
    """The solution x of a @ x = b for a triangle a, of a.T @ x = b for trans=1; with SciPy's arguments."""
    return matrices.solve_triangular(graph, square(graph, a, "solve_triangular"), b, lower, bool(trans))


def _matrix(graph: Graph, x: int, name: str) -> int:
    """Matrices, as numbers.

    Raises
    ------
    ShapeError
        For a scalar or a vector.
    """
    shape = graph.shape(x)
    if len(shape) < 2:
        raise ShapeError(f"{name} takes a matrix, not a value of shape {show(shape)}")
    return graph.as_number(x)


@language()
def _pinv(graph: Graph, x: Array, rcond: Real | None = None) -> int:
    """The pseudo-inverse of a matrix of any rank; singular values up to rcond times the largest count as 0."""
    return singular_values.pinv(graph, _matrix(graph, x, "pinv"), rcond)


@language()
def _lstsq(graph: Graph, a: Array, b: Array, rcond: Real | None = None) -> int:
    """The x of smallest norm of those for which norm(a @ x - b) is smallest; rcond as of pinv."""
    a, shape = _matrix(graph, a, "lstsq"), graph.shape(b)
    rows = graph.shape(a)[-2]
    if not shape or shape[0 if len(shape) == 1 else -2] != rows:
        raise ShapeError(f"lstsq: shapes {show(graph.shape(a))} and {show(shape)} do not fit: {rows} rows are needed")
    rcond = singular_values.precision_of(graph, a) if rcond is None else rcond
    return checked_product(graph, singular_values.pinv(graph, a, rcond), b, "lstsq")


@language()
def _svdvals(graph: Graph, x: Array) -> int:
    """The singular values of a matrix, the largest first."""
    return singular_values.singular_values(graph, _matrix(graph, x, "svdvals"))


@language()
def _packed_svd(graph: Graph, x: Array) -> int:
    """U, the singular values and Vᵀ of a thin decomposition of a matrix, one after the other in a vector."""
    return singular_values.packed_svd(graph, _matrix(graph, x, "packed_svd"))


@language("matrix_power", "matpow")
def _matrix_power(graph: Graph, x: Array, n: Integer) -> int:
    """The n-th power of a matrix by matrix products; of its inverse where n is negative."""
    x = square(graph, x, "matrix_power")
    if abs(n) > LARGEST_POWER:
        raise ParseError(f"matrix_power: the power is at most {LARGEST_POWER:,}")
    if not n:
        size = graph.shape(x)[-1]
        return movement.broadcast(graph, indexing.eye(graph, size, size), graph.shape(x))
    if n < 0:
        x, n = matrices.inv(graph, x), -n
    result = None
    while n:
        if n & 1:
            result = x if result is None else checked_product(graph, result, x)
        n >>= 1
        x = checked_product(graph, x, x) if n else x
    assert result is not None
    return result
