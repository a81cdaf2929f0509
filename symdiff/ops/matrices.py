"""Linear algebra on the last two axes, and its derivatives: every rule is again a few operations on matrices.

The rules of solutions, inverses and determinants are those of Giles, "Collected matrix derivative results for forward
and reverse mode algorithmic differentiation" (2008); those of the Cholesky factor are in Murray, "Differentiation of
the Cholesky decomposition" (2016), after Smith (1995): triangular solutions around a triangle with half its diagonal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff import content
from symdiff.errors import ShapeError
from symdiff.ops import contraction, indexing, movement, reduction, small_matrices
from symdiff.ops.base import Differential, Flops, MatrixRoutine, Op, payload_kind, register
from symdiff.ops.movement import leading
from symdiff.ops.structure import check_count, numeric_type, only
from symdiff.types import Shape, TensorType, broadcast_shapes, fixed, product, show, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

LARGEST_EXPANDED = 4
"""Determinants of up to so many rows are expanded for adjugates: the cofactors of singular matrices hold, too."""

BLOCK = 64
"""Columns that LAPACK's routines work on at once."""

PIVOT = 4
"""Bytes of one of its integers."""


def square_shape(name: str, shape: Shape) -> tuple[int, ...]:
    """`shape` where it is that of square matrices.

    Raises
    ------
    ShapeError
        Where it is not.
    """
    found = fixed(shape)
    if len(found) < 2 or found[-1] != found[-2]:
        raise ShapeError(f"{name} takes a square matrix, not the shape {show(shape)}")
    return found


def _matrix_type(op: Op, types: Sequence[TensorType], payload: object) -> TensorType:
    check_count(op, types, 1)
    shape = square_shape(op.name, types[0].shape)
    return tensor(numeric_type(op, types), shape[:-2] if op in (DET, DET_SIGN, LOGDET) else shape)


def _solve_type(op: Op, types: Sequence[TensorType], payload: object) -> TensorType:
    check_count(op, types, 2)
    shape, right = square_shape(op.name, types[0].shape), fixed(types[1].shape)
    if len(right) < 2 or right[-2] != shape[-1]:
        raise ShapeError(f"{op.name}: shapes {show(shape)} and {show(right)}: {shape[-1]} rows are needed")
    return tensor(numeric_type(op, types), (*broadcast_shapes(op.name, [shape[:-2], right[:-2]]), *right[-2:]))


# Values


def _each(routine: Callable[..., Any], failed: float, scalar: bool = False) -> Callable[..., Any]:
    """A routine of `numpy.linalg` on every matrix of a stack; where it fails, `failed` everywhere."""

    def evaluate(*parts: Any) -> Any:
        arrays = [np.asarray(p) for p in parts[:-1]]
        batch = np.broadcast_shapes(*[a.shape[:-2] for a in arrays])
        arrays = [np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in arrays]
        found = np.empty(batch if scalar else (*batch, *arrays[-1].shape[-2:]), arrays[0].dtype)
        for k in np.ndindex(batch):
            try:
                found[k] = routine(*[a[k] for a in arrays])
            except np.linalg.LinAlgError:
                found[k] = failed
        return found[()]

    return evaluate


def _triangular(t: Any, b: Any, payload: tuple[bool, bool]) -> Any:
    """Substitution; NaN everywhere where the diagonal has a zero."""
    lower, transposed = payload
    t, b = np.asarray(t), np.asarray(b)
    if transposed:
        t, lower = np.swapaxes(t, -1, -2), not lower
    batch = np.broadcast_shapes(t.shape[:-2], b.shape[:-2])
    found = np.array(np.broadcast_to(b, (*batch, *b.shape[-2:])))
    count = t.shape[-1]
    order = range(count) if lower else range(count)[::-1]
    for i in order:
        done = slice(0, i) if lower else slice(i + 1, count)
        row = t[..., i, None, done] @ found[..., done, :]
        found[..., i, :] = (found[..., i, :] - row[..., 0, :]) / t[..., i, i, None]
    singular = (np.diagonal(t, 0, -2, -1) == 0).any(axis=-1)
    return np.where(singular[..., None, None], np.full((), np.nan, found.dtype), found)


def _log_det(a: Any) -> Any:
    return np.linalg.slogdet(a)[1]


def _det_sign(a: Any) -> Any:
    return np.linalg.slogdet(a)[0]


def _eliminated(a: Any) -> tuple[Any, Any, float]:
    """P A = L U by exchanges of rows: L and U in one matrix, the order of the rows, the sign of the exchanges."""
    factors, order, sign = np.array(a), np.arange(len(a)), 1.0
    for k in range(len(a)):
        best = k + int(np.argmax(np.abs(factors[k:, k])))
        if best != k:
            factors[[k, best]], order[[k, best]], sign = factors[[best, k]], order[[best, k]], -sign
        if factors[k, k] != 0:
            factors[k + 1 :, k] /= factors[k, k]
            factors[k + 1 :, k + 1 :] -= np.outer(factors[k + 1 :, k], factors[k, k + 1 :])
    return factors, order, sign


def _det(a: Any) -> Any:
    """The product of the pivots, with exponents of its own: finite on the way where it is in the end."""
    factors, _, sign = _eliminated(a)
    found, exponent = sign, 0
    for pivot in np.diagonal(factors).tolist():
        found, more = np.frexp(found * np.frexp(pivot)[0])
        exponent += int(more) + int(np.frexp(pivot)[1])
    return np.ldexp(found, max(-3000, min(exponent, 3000)))


def _adjugate(a: Any) -> Any:
    """From P A = L U, adj(A) = det(P) adj(U) inv(L) P, where nothing is divided by a pivot.

    Between two rows of an upper triangle the minors are those of Hessenberg matrices, which have a recurrence.
    """
    if not len(a):
        return np.array(a)
    factors, order, sign = _eliminated(a)
    n, upper = len(a), np.triu(factors).astype(float)
    scale = np.frexp(np.abs(upper).max(axis=1))[1]
    upper = np.ldexp(upper, -scale[:, None])
    pivots, between = np.diagonal(upper), np.eye(n)
    for i in reversed(range(n)):
        weights = upper[i, i + 1 :] * np.cumprod(np.concatenate([[1.0], pivots[i + 1 :]]))[: n - i - 1]
        for j in range(i + 1, n):
            between[i, j] = -(weights[: j - i] @ between[i + 1 : j + 1, j])
    before = np.cumprod(np.concatenate([[sign], pivots]))[:-1]
    after = np.cumprod(np.concatenate([[1.0], pivots[::-1]]))[:-1][::-1]
    found = np.ldexp(before[:, None] * between * after, scale.sum() - scale)
    for k in reversed(range(n)):  # times the inverse of L
        found[:, k] -= found[:, k + 1 :] @ factors[k + 1 :, k]
    result = np.empty_like(found)
    result[:, order] = found
    return result.astype(np.asarray(a).dtype)


# Makers


def solve(graph: Graph, a: int, b: int) -> int:
    """The solution of a @ x = b, as `numpy.linalg.solve`: a vector b, or matrices with leading axes that broadcast.

    Raises
    ------
    ShapeError
        Where the operands do not fit.
    """
    b, shape = _right_side(graph, "solve", a, b)
    found = graph.add(SOLVE, (graph.as_number(a), b))
    return found if shape is None else movement.reshape(graph, found, shape)


def solve_triangular(graph: Graph, a: int, b: int, lower: bool = True, transposed: bool = False) -> int:
    """The solution of a @ x = b (`transposed`: a.T @ x = b) for a triangle a; operands and errors as of `solve`."""
    b, shape = _right_side(graph, "solve_triangular", a, b)
    found = graph.add(SOLVE_TRIANGULAR, (graph.as_number(a), b), (bool(lower), bool(transposed)))
    return found if shape is None else movement.reshape(graph, found, shape)


def _right_side(graph: Graph, name: str, a: int, b: int) -> tuple[int, tuple[int, ...] | None]:
    """The right side as a matrix, and the shape of the solution where it was a vector."""
    own, right = square_shape(name, graph.types[a].shape), graph.shape(b)
    if not right or right[0 if len(right) == 1 else -2] != own[-1]:
        raise ShapeError(f"{name}: shapes {show(own)} and {show(right)} do not fit: {own[-1]} rows are needed")
    b = graph.as_number(b)
    return (b, None) if len(right) > 1 else (movement.reshape(graph, b, (own[-1], 1)), own[:-1])


def inv(graph: Graph, a: int) -> int:
    """The inverse of matrices."""
    square_shape("inv", graph.types[a].shape)
    return graph.add(INV, (graph.as_number(a),))


def det(graph: Graph, a: int) -> int:
    """The determinant of matrices."""
    a = graph.as_number(a)
    size = square_shape("det", graph.types[a].shape)[-1]
    return graph.add(DET, (a,)) if size > 2 else _minor(graph, a, tuple(range(size)), tuple(range(size)))


def _minor(graph: Graph, a: int, rows: tuple[int, ...], columns: tuple[int, ...]) -> int:
    """The determinants of some rows and columns, expanded by their first row."""
    batch = fixed(graph.types[a].shape)[:-2]
    if not rows:
        return movement.broadcast(graph, graph.constant(1.0), batch)
    total = -1
    for k, j in enumerate(columns):
        term = movement.element(graph, a, ((slice(None),) * len(batch)) + (rows[0], j))
        if len(rows) > 1:
            term = graph.add("mul", (term, _minor(graph, a, rows[1:], columns[:k] + columns[k + 1 :])))
        total = graph.add("sub" if k % 2 else "add", (total, term)) if k else term
    return total


def det_sign(graph: Graph, a: int) -> int:
    """The sign of the determinant of matrices."""
    square_shape("det_sign", graph.types[a].shape)
    return graph.add(DET_SIGN, (graph.as_number(a),))


def adjugate(graph: Graph, a: int) -> int:
    """The adjugates of matrices; of small ones their cofactors, whose derivatives hold at singular ones, too."""
    a = graph.as_number(a)
    *batch, size, _ = square_shape("adjugate", graph.types[a].shape)
    if size > LARGEST_EXPANDED or not size:
        return graph.add(ADJUGATE, (a,))
    every, rows = tuple(range(size)), []
    for j in every:
        row = []
        for i in every:
            found = _minor(graph, a, every[:i] + every[i + 1 :], every[:j] + every[j + 1 :])
            row.append(graph.add("neg", (found,)) if (i + j) % 2 else found)
        rows.append(movement.stack(graph, row, len(batch)))
    return movement.stack(graph, rows, len(batch))


def logdet(graph: Graph, a: int) -> int:
    """The logarithm of the absolute value of the determinant of matrices."""
    square_shape("logdet", graph.types[a].shape)
    return graph.add(LOGDET, (graph.as_number(a),))


def cholesky(graph: Graph, a: int) -> int:
    """The lower triangular factor L of positive definite matrices L @ L.T."""
    square_shape("cholesky", graph.types[a].shape)
    return graph.add(CHOLESKY, (graph.as_number(a),))


# Derivatives


def _turned(graph: Graph, node: int) -> int:
    return movement.swap_last(graph, node)


def _negative(graph: Graph, node: int) -> int:
    return graph.add("neg", (node,))


Solver = Callable[["Graph", int, int], int]


def _solved(graph: Graph, solver: Solver, a: int, b: int, lead: int) -> int:
    """`solver(a, b)`, where b has `lead` more axes in front; for one matrix they become more columns."""
    shape, right = graph.shape(a), graph.shape(b)
    rank = max(len(shape), len(right) - lead)
    if lead and len(shape) == 2 and rank == 2:
        rows, columns = right[-2:]
        last = (lead, *range(lead), lead + 1)
        wide = movement.reshape(graph, movement.transpose(graph, b, last), (rows, product(right[:lead]) * columns))
        found = movement.reshape(graph, solver(graph, a, wide), (rows, *right[:lead], columns))
        return movement.transpose(graph, found, (*range(1, lead + 1), 0, lead + 1))
    return solver(graph, a, movement.with_rank(graph, b, lead, rank))


def _matched(graph: Graph, node: int, shape: tuple[int, ...], lead: int) -> int:
    """The sum of an adjoint over the batch axes that an operand of `shape` was repeated along."""
    sizes, own = leading(graph, node, lead), graph.shape(node)
    rank = len(own) - lead
    padded = (*sizes, *(1,) * (rank - len(shape)), *shape)
    return movement.reshape(graph, movement.unbroadcast(graph, node, padded), (*sizes, *shape))


def _solution_tangent(
    graph: Graph, solver: Solver, tangents: list[int | None], node: int, lead: int, part: Callable[[int], int]
) -> int:
    """solve(A, dB - dA X); `part` gives the part of the tangent of A that the operation reads."""
    by_matrix, by_right = tangents
    a, rank = graph.args[node][0], len(graph.shape(node))
    right = None if by_right is None else movement.with_rank(graph, by_right, lead, rank)
    if by_matrix is not None:
        own = contraction.matmul(graph, movement.with_rank(graph, part(by_matrix), lead, rank), node)
        right = _negative(graph, own) if right is None else graph.add("sub", (right, own))
    assert right is not None
    shape = (*leading(graph, right, lead), *graph.shape(node))
    return _solved(graph, solver, a, movement.broadcast(graph, right, shape), lead)


def _solve_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    return _solution_tangent(graph, lambda graph, a, b: solve(graph, a, b), tangents, node, lead, lambda t: t)


def _solve_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    a = graph.args[node][0]
    right = _solved(graph, lambda graph, a, b: solve(graph, a, b), _turned(graph, a), g, lead)
    own = graph.shape(graph.args[node][k])
    if k == 1:
        return _matched(graph, right, own, lead)
    return _matched(graph, _negative(graph, contraction.matmul(graph, right, _turned(graph, node))), own, lead)


def _triangular_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    lower, transposed = graph.payloads[node]

    def part(t: int) -> int:
        kept = indexing.triangle(graph, t, lower)
        return _turned(graph, kept) if transposed else kept

    def solver(graph: Graph, a: int, b: int) -> int:
        return solve_triangular(graph, a, b, lower, transposed)

    return _solution_tangent(graph, solver, tangents, node, lead, part)


def _triangular_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    lower, transposed = graph.payloads[node]
    a = graph.args[node][0]
    right = _solved(graph, lambda graph, a, b: solve_triangular(graph, a, b, lower, not transposed), a, g, lead)
    own = graph.shape(graph.args[node][k])
    if k == 1:
        return _matched(graph, right, own, lead)
    full = contraction.matmul(graph, right, _turned(graph, node))
    full = _turned(graph, full) if transposed else full
    return _matched(graph, indexing.triangle(graph, _negative(graph, full), lower), own, lead)


def _columns(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
    """A column of the solution depends on its own right side and on the whole matrix."""
    rank, result = len(graph.shape(node)), graph.shape(node)
    sizes = leading(graph, mask, lead)
    aligned = movement.with_rank(graph, mask, lead, rank)
    axes = (lead + rank - 2, lead + rank - 1) if k == 0 else (lead + rank - 2,)
    own = graph.shape(graph.args[node][k])
    found = reduction.sum_over(graph, aligned, axes)
    seen = graph.shape(aligned)
    found = movement.reshape(graph, found, tuple(1 if j in axes else n for j, n in enumerate(seen)))
    if forward:
        return movement.broadcast(graph, found, (*sizes, *result))
    if k == 1:
        return _matched(graph, movement.broadcast(graph, found, (*sizes, *result)), own, lead)
    return _matched(graph, movement.broadcast(graph, found, (*sizes, *result[:-2], *own[-2:])), own, lead)


def _inverse_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    return _negative(graph, contraction.matmul(graph, contraction.matmul(graph, node, only(tangents)), node))


def _inverse_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    y = _turned(graph, node)
    return _negative(graph, contraction.matmul(graph, contraction.matmul(graph, y, g), y))


def _gradient(graph: Graph, node: int) -> int:
    """The derivative of a determinant, or of its logarithm, by the matrix."""
    a = graph.args[node][0]
    return _turned(graph, inv(graph, a) if graph.ops[node] is LOGDET else adjugate(graph, a))


def _determinant_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    tangent = only(tangents)
    rank = len(graph.shape(tangent))
    return reduction.sum_over(graph, graph.add("mul", (tangent, _gradient(graph, node))), (rank - 2, rank - 1))


def _determinant_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    return graph.add("mul", (movement.reshape(graph, g, (*graph.shape(g), 1, 1)), _gradient(graph, node)))


def _outside(graph: Graph, node: int) -> int:
    """A number for each matrix, beside matrices."""
    return movement.reshape(graph, node, (*graph.shape(node), 1, 1))


def _adjugate_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    change = contraction.matmul(graph, inv(graph, graph.args[node][0]), only(tangents))
    rank = len(graph.shape(change))
    trace = reduction.sum_over(graph, indexing.main_diagonal(graph, change, rank - 2, rank - 1), (rank - 2,))
    whole = graph.add("mul", (_outside(graph, trace), node))
    return graph.add("sub", (whole, contraction.matmul(graph, change, node)))


def _adjugate_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    inverse = _turned(graph, inv(graph, graph.args[node][0]))
    rank = len(graph.shape(g))
    total = reduction.sum_over(graph, graph.add("mul", (g, node)), (rank - 2, rank - 1))
    whole = graph.add("mul", (_outside(graph, total), inverse))
    return graph.add(
        "sub", (whole, contraction.matmul(graph, contraction.matmul(graph, inverse, g), _turned(graph, node)))
    )


def _half(graph: Graph, node: int) -> int:
    """The lower triangle, with half of the diagonal."""
    count = graph.shape(node)[-1]
    halves = indexing.eye(graph, count, count, on=0.5, off=1.0)
    return indexing.triangle(graph, graph.add("mul", (node, halves)), True)


def _symmetric(graph: Graph, node: int) -> int:
    return graph.add("mul", (graph.constant(0.5), graph.add("add", (node, _turned(graph, node)))))


def _under(graph: Graph, factor: int, middle: int, transposed: bool, lead: int) -> int:
    """L⁻¹ M L⁻ᵀ, or `transposed` L⁻ᵀ M L⁻¹."""

    def solver(graph: Graph, a: int, b: int) -> int:
        return solve_triangular(graph, a, b, True, transposed)

    once = _solved(graph, solver, factor, middle, lead)
    return _turned(graph, _solved(graph, solver, factor, _turned(graph, once), lead))


def _cholesky_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    return contraction.matmul(
        graph, node, _half(graph, _under(graph, node, _symmetric(graph, only(tangents)), False, lead))
    )


def _cholesky_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    inner = _half(graph, contraction.matmul(graph, _turned(graph, node), indexing.triangle(graph, g, True)))
    return _symmetric(graph, _under(graph, node, inner, True, lead))


def _whole(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
    """The whole result depends on the whole matrix."""
    number = len(graph.shape(node)) < len(graph.shape(graph.args[node][0]))
    own = graph.shape(graph.args[node][0])
    result = (*leading(graph, mask, lead), *own)
    rank = len(result)
    if number and forward:
        return reduction.sum_over(graph, mask, (rank - 2, rank - 1))
    found = mask if number else reduction.sum_over(graph, mask, (rank - 2, rank - 1))
    return movement.broadcast(graph, movement.reshape(graph, found, (*result[:-2], 1, 1)), result)


# Records


def _cost(multiplier: float, right: float = 0.0) -> Flops:
    """`multiplier`*n**3 + `right`*n**2*columns products for each matrix, and as many sums."""

    def flops(types: Sequence[TensorType], result: TensorType, payload: object) -> dict[str, int]:
        shape, last = fixed(types[0].shape), fixed(types[-1].shape)
        n, columns = shape[-1], last[-1]
        made = fixed(result.shape)
        batch = product(made if len(made) == len(shape) - 2 else made[:-2])
        count = batch * int(multiplier * n**3 + right * n * n * columns)
        return {"add": count, "mul": count}

    return flops


def _factors(rows: int, columns: int, element: int) -> tuple[int, int, int]:
    """Of what works on the factors of a copy of the matrix."""
    return rows * rows * element, PIVOT * rows, 0


def _inversion(rows: int, columns: int, element: int) -> tuple[int, int, int]:
    """Of what inverts factors in the place of the result."""
    return 0, PIVOT * rows, rows * BLOCK * element


def _factors_inverted(rows: int, columns: int, element: int) -> tuple[int, int, int]:
    return rows * rows * element, PIVOT * rows, rows * BLOCK * element


def _read_triangle(value: Any) -> tuple[bool, bool]:
    lower, transposed = content.items(value, "a triangle", 2)
    return content.flag(lower), content.flag(transposed)


TRIANGLE = payload_kind("triangle", _read_triangle)

SOLVE, SOLVE_TRIANGULAR, INV, DET, DET_SIGN, ADJUGATE, LOGDET, CHOLESKY = register(
    Op("solve", None, hidden=True, numpy="np.linalg.solve({0}, {1})",
       doc="the solution X of A X = B; NaN for a singular A", type_rule=_solve_type,
       routine=MatrixRoutine(_each(np.linalg.solve, np.nan), small_matrices.solve, _factors), flops=_cost(1 / 3, 1.0),
       differential=Differential(_solve_forward, _solve_back, _columns, text="solve(A, dB - dA @ X)")),
    Op("solve_triangular", None, hidden=True, payload=TRIANGLE, type_rule=_solve_type,
       doc="the solution X of T X = B, or of T.T X = B, for a lower or upper triangle T",
       routine=MatrixRoutine(_triangular, small_matrices.triangular), flops=_cost(0.0, 0.5),
       differential=Differential(_triangular_forward, _triangular_back, _columns,
                                 text="solve(T, dB - triangle(dT) @ X)")),
    Op("inv", None, hidden=True, numpy="np.linalg.inv({0})",
       doc="the inverse of a matrix; NaN for a singular one", type_rule=_matrix_type,
       routine=MatrixRoutine(_each(np.linalg.inv, np.nan), small_matrices.inverse, _inversion), flops=_cost(1.0),
       differential=Differential(_inverse_forward, _inverse_back, _whole, text="-Y @ dA @ Y")),
    Op("det", None, hidden=True, numpy="np.linalg.det({0})", doc="the determinant of a matrix", type_rule=_matrix_type,
       routine=MatrixRoutine(_each(_det, 0.0, scalar=True), small_matrices.determinant, _factors), flops=_cost(1 / 3),
       empty=1.0,
       differential=Differential(_determinant_forward, _determinant_back, _whole, text="sum(adjugate(A).T*dA)"),
       edges="the second derivative at a singular matrix of more than 4 rows is NaN"),
    Op("det_sign", None, hidden=True, numpy="np.linalg.slogdet({0})[0]",
       doc="the sign of the determinant of a matrix", type_rule=_matrix_type, flops=_cost(1 / 3), empty=1.0,
       routine=MatrixRoutine(_each(_det_sign, 0.0, scalar=True), small_matrices.determinant_sign, _factors),
       edges="0 for a singular matrix; the derivative is 0"),
    Op("adjugate", None, hidden=True, numpy="np.linalg.det({0})[..., None, None]*np.linalg.inv({0})",
       doc="the adjugate of a matrix: its cofactors transposed, det(A)*inv(A)",
       type_rule=_matrix_type, flops=_cost(4 / 3),
       routine=MatrixRoutine(_each(_adjugate, np.nan), small_matrices.adjugate, _factors_inverted),
       differential=Differential(_adjugate_forward, _adjugate_back, _whole,
                                 text="trace(inv(A) @ dA)*Y - inv(A) @ dA @ Y"),
       edges="the derivative at a singular matrix is NaN"),
    Op("logdet", None, hidden=True, numpy="np.linalg.slogdet({0})[1]",
       doc="the logarithm of the absolute value of the determinant",
       type_rule=_matrix_type, flops=_cost(1 / 3), empty=0.0,
       routine=MatrixRoutine(_each(_log_det, -np.inf, scalar=True), small_matrices.log_determinant, _factors),
       differential=Differential(_determinant_forward, _determinant_back, _whole, text="sum(inv(A).T*dA)"),
       edges="-inf for a singular matrix"),
    Op("cholesky", None, hidden=True, numpy="np.linalg.cholesky({0})",
       doc="the lower triangle L with L @ L.T = A; NaN where A is not positive definite",
       type_rule=_matrix_type, flops=_cost(1 / 6),
       routine=MatrixRoutine(_each(np.linalg.cholesky, np.nan), small_matrices.cholesky),
       differential=Differential(_cholesky_forward, _cholesky_back, _whole, text="L @ half(L⁻¹ dA L⁻ᵀ)"),
       edges="the derivative is that by a symmetric matrix: tangents and adjoints are made symmetric"),
)  # fmt: skip
