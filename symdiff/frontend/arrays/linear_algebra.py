"""Products of arrays and linear algebra, with NumPy's names and arguments."""

from __future__ import annotations

import math
from typing import Any

from symdiff.errors import ParseError, ShapeError, quote
from symdiff.frontend.arrays.arguments import axis_of, language
from symdiff.frontend.arrays.creation import on_diagonal
from symdiff.frontend.arrays.reductions import number, reduce, shape_of
from symdiff.frontend.arrays.shapes import along
from symdiff.ir.graph import Graph
from symdiff.types import show

LARGEST_POWER = 1 << 20


def matmul(graph: Graph, a: int, b: int, name: str = "matmul") -> int:
    """The matrix product by NumPy's rules: vectors are rows or columns, leading axes broadcast.

    Raises
    ------
    ShapeError
        For a scalar, and where the columns of the first are not the rows of the second.
    """
    a, b = graph.as_number(a), graph.as_number(b)
    left, right = shape_of(graph, a), shape_of(graph, b)
    if not left or not right:
        raise ShapeError(f"{name}: shapes {show(left)} and {show(right)}: a scalar is no matrix",
                         hint="write * for a product with a number")  # fmt: skip
    rows = right[-2] if len(right) > 1 else right[0]
    if left[-1] != rows:
        raise ShapeError(f"{name}: shapes {show(left)} and {show(right)} do not fit: {left[-1]} is not {rows}",
                         hint=_turned(left, right))  # fmt: skip
    lead = max(len(left), len(right), 2) - 2
    batch = tuple(range(3, 3 + lead))
    own = [batch[lead - max(len(shape) - 2, 0) :] for shape in (left, right)]
    labels = (*own[0], *((0, 1) if len(left) > 1 else (1,))), (*own[1], *((1, 2) if len(right) > 1 else (1,)))
    longest = max(own, key=len)
    output = (*longest, *((0,) if len(left) > 1 else ()), *((2,) if len(right) > 1 else ()))
    return _contract(graph, (a, b), labels, output, name)


def _contract(graph: Graph, nodes: tuple[int, ...], labels: Any, output: tuple[int, ...], name: str) -> int:
    try:
        return graph.einsum(nodes, labels, output)
    except ShapeError as error:
        shapes = " and ".join(show(graph.types[n].shape) for n in nodes)
        raise ShapeError(f"{name}: shapes {shapes} do not fit", hint=error.hint) from None


def _turned(left: tuple[int, ...], right: tuple[int, ...]) -> str:
    """A transpose that would make a product possible."""
    if len(left) == 2 and left[0] == (right[-2] if len(right) > 1 else right[0]):
        return "write A.T @ B"
    if len(right) == 2 and left[-1] == right[1]:
        return "write A @ B.T"
    if len(left) == 1 and len(right) == 1:
        return "write outer(a, b) for all products"
    return "the last axis of the first must be as long as the last but one of the second"


@language("matmul")
def _matmul(graph: Graph, a: int, b: int) -> int:
    """The matrix product, a @ b."""
    return matmul(graph, a, b)


def _flat(graph: Graph, x: int) -> int:
    return graph.reshape(graph.as_number(x), (math.prod(shape_of(graph, x)),))


@language("dot")
def dot(graph: Graph, a: int, b: int) -> int:
    """NumPy's dot: the product of numbers, vectors or matrices."""
    left, right = len(shape_of(graph, a)), len(shape_of(graph, b))
    if not left or not right:
        return graph.apply("mul", (a, b))
    if right <= 2 and left <= 2:
        return matmul(graph, a, b, "dot")
    return _tensordot(graph, a, b, ((left - 1,), (max(right - 2, 0),)))


@language()
def _inner(graph: Graph, a: int, b: int) -> int:
    """The sums of products over the last axis of both."""
    left, right = len(shape_of(graph, a)), len(shape_of(graph, b))
    if not left or not right:
        return graph.apply("mul", (a, b))
    return _tensordot(graph, a, b, ((left - 1,), (right - 1,)), "inner")


@language("outer")
def _outer(graph: Graph, a: int, b: int) -> int:
    """All products of an element of the first with one of the second."""
    return graph.einsum((_flat(graph, a), _flat(graph, b)), ((0,), (1,)), (0, 1))


@language("vdot", "vecdot")
def _vdot(graph: Graph, a: int, b: int) -> int:
    """The sum of the products of all elements."""
    a, b = _flat(graph, a), _flat(graph, b)
    if graph.types[a].shape != graph.types[b].shape:
        raise ShapeError(f"vdot: shapes {show(graph.types[a].shape)} and {show(graph.types[b].shape)} differ")
    return graph.einsum((a, b), ((0,), (0,)), ())


@language()
def _kron(graph: Graph, a: int, b: int) -> int:
    """The Kronecker product: every element of the first times the whole second."""
    a, b = graph.as_number(a), graph.as_number(b)
    left, right = shape_of(graph, a), shape_of(graph, b)
    count = max(len(left), len(right))
    left, right = (1,) * (count - len(left)) + left, (1,) * (count - len(right)) + right
    outer = graph.reshape(a, tuple(n for size in left for n in (size, 1)))
    inner = graph.reshape(b, tuple(n for size in right for n in (1, size)))
    product = graph.apply("mul", (outer, inner))
    return graph.reshape(product, tuple(m * n for m, n in zip(left, right, strict=True)))


@language("tensordot")
def _tensordot(graph: Graph, a: int, b: int, axes: Any = 2, name: str = "tensordot") -> int:
    """The sums of products over some axes: a number of them, or the axes of both."""
    a, b = graph.as_number(a), graph.as_number(b)
    left, right = shape_of(graph, a), shape_of(graph, b)
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
    return graph.einsum((a, b), (labels, tuple(own)), output)


EINSUM_HINT = 'write einsum("ij,jk->ik", A, B)'


@language("einsum")
def _einsum(graph: Graph, subscripts: str, *operands: int) -> int:
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
        shape = shape_of(graph, node)
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
    shift = 1 + max((-k for k in known), default=0) if known else 0
    return _contract(graph, nodes, tuple(tuple(k + max(shift, 0) for k in own) for own in labels),
                     tuple(k + max(shift, 0) for k in output), "einsum")  # fmt: skip


@language()
def _cross(graph: Graph, a: int, b: int, axis: int = -1) -> int:
    """The cross product of vectors with three elements along the last axis, or a given one."""
    a, b = graph.as_number(a), graph.as_number(b)
    places = [axis_of(axis, len(shape_of(graph, x)), "cross") for x in (a, b)]
    for x, at in zip((a, b), places, strict=True):
        if shape_of(graph, x)[at] != 3:
            raise ShapeError(f"cross takes vectors of 3 elements, not the shape {show(graph.types[x].shape)}")
    (a0, a1, a2), (b0, b1, b2) = (
        [along(graph, x, at, k) for k in range(3)] for x, at in zip((a, b), places, strict=True)
    )
    parts = [graph.apply("sub", (graph.apply("mul", (p, q)), graph.apply("mul", (r, s))))
             for p, q, r, s in ((a1, b2, a2, b1), (a2, b0, a0, b2), (a0, b1, a1, b0))]  # fmt: skip
    return graph.stack(parts, axis_of(axis, len(shape_of(graph, parts[0])) + 1, "cross"))


# Diagonals


@language("diagonal")
def diagonal(graph: Graph, x: int, offset: int = 0, axis1: int = 0, axis2: int = 1) -> int:
    """The diagonal of two axes, as a new last axis."""
    shape = shape_of(graph, x)
    if len(shape) < 2:
        raise ShapeError(f"diagonal takes a matrix, not a value of shape {show(shape)}", hint="write diag(x)")
    first, second = (axis_of(k, len(shape), "diagonal") for k in (axis1, axis2))
    if first == second:
        raise ShapeError("diagonal needs two axes", hint="write axis1=0, axis2=1")
    if offset > 0:
        x = along(graph, x, second, slice(offset, None))
    elif offset < 0:
        x = along(graph, x, first, slice(-offset, None))
    return graph.diagonal(x, first, second)


@language()
def _trace(graph: Graph, x: int, offset: int = 0, axis1: int = 0, axis2: int = 1) -> int:
    """The sum of the diagonal."""
    if len(shape_of(graph, x)) < 2:
        raise ShapeError(f"trace takes a matrix, not a value of shape {show(graph.types[x].shape)}")
    return reduce(graph, "sum", diagonal(graph, graph.as_number(x), offset, axis1, axis2), -1)


@language("diag")
def diag(graph: Graph, x: int, k: int = 0) -> int:
    """The matrix with a vector on its k-th diagonal; of a matrix its k-th diagonal."""
    shape = shape_of(graph, x)
    if len(shape) == 2:
        return diagonal(graph, x, k)
    if len(shape) != 1:
        raise ShapeError(f"diag takes a vector or a matrix, not a value of shape {show(shape)}")
    x, size = graph.as_number(x), shape[0] + abs(k)
    if k:
        x = graph.scatter(x, ((0, shape[0], 1),), (size,))
    x = graph.reshape(x, (size, 1) if k >= 0 else (1, size))
    return graph.apply("where", (on_diagonal(graph, (size, size), k), x, number(graph, 0.0)))


@language()
def _diagflat(graph: Graph, x: int, k: int = 0) -> int:
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
    shape = shape_of(graph, x)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        hint = f"write {name}(X.T @ X) for a matrix X with more rows than columns" if len(shape) > 1 else ""
        raise ShapeError(f"{name} takes a square matrix, not a value of shape {show(shape)}", hint=hint)
    return graph.as_number(x)


@language()
def _inv(graph: Graph, x: int) -> int:
    """The inverse of a matrix."""
    return graph.inv(square(graph, x, "inv"))


@language()
def _det(graph: Graph, x: int) -> int:
    """The determinant of a matrix."""
    return graph.det(square(graph, x, "det"))


@language()
def _logdet(graph: Graph, x: int) -> int:
    """The logarithm of the absolute value of the determinant."""
    return graph.logdet(square(graph, x, "logdet"))


@language()
def _cholesky(graph: Graph, x: int) -> int:
    """The lower triangle L of a positive definite matrix L @ L.T."""
    return graph.cholesky(square(graph, x, "cholesky"))


def _right_side(graph: Graph, a: int, b: int, name: str) -> tuple[int, tuple[int, ...] | None]:
    """The right side as a matrix, and the shape of the solution where it was a vector."""
    b, shape, own = graph.as_number(b), shape_of(graph, b), shape_of(graph, a)
    if not shape or shape[-2 if len(shape) > 1 else 0] != own[-1]:
        raise ShapeError(f"{name}: shapes {show(own)} and {show(shape)} do not fit: {own[-1]} rows are needed")
    if len(shape) == 1:
        return graph.reshape(b, (*shape, 1)), (*own[:-2], own[-1])
    return b, None


@language()
def _solve(graph: Graph, a: int, b: int) -> int:
    """The solution x of a @ x = b."""
    a = square(graph, a, "solve")
    b, shape = _right_side(graph, a, b, "solve")
    result = graph.solve(a, b)
    return result if shape is None else graph.reshape(result, shape)


@language()
def _solve_triangular(graph: Graph, a: int, b: int, trans: int = 0, lower: bool = False) -> int:
    """The solution x of a @ x = b for a triangle a, of a.T @ x = b for trans=1; with SciPy's arguments."""
    a = square(graph, a, "solve_triangular")
    b, shape = _right_side(graph, a, b, "solve_triangular")
    result = graph.solve_triangular(a, b, lower, bool(trans))
    return result if shape is None else graph.reshape(result, shape)


@language("matrix_power", "matpow")
def _matrix_power(graph: Graph, x: int, n: int) -> int:
    """The n-th power of a matrix by matrix products; of its inverse where n is negative."""
    x = square(graph, x, "matrix_power")
    if abs(n) > LARGEST_POWER:
        raise ParseError(f"matrix_power: the power is at most {LARGEST_POWER:,}")
    if not n:
        from symdiff.frontend.arrays.creation import _eye

        return graph.broadcast(_eye(graph, shape_of(graph, x)[-1]), shape_of(graph, x))
    if n < 0:
        x, n = graph.inv(x), -n
    result = None
    while n:
        if n & 1:
            result = x if result is None else matmul(graph, result, x)
        n >>= 1
        x = matmul(graph, x, x) if n else x
    assert result is not None
    return result


@language()
def _multi_dot(graph: Graph, arrays: tuple[int, ...]) -> int:
    """The matrix product of several arrays."""
    if not arrays:
        raise ShapeError("multi_dot of no arrays", hint="write multi_dot([A, B])")
    result = arrays[0]
    for other in arrays[1:]:
        result = matmul(graph, result, other, "multi_dot")
    return result
