"""The singular value decomposition, and the pseudo-inverse that is made of it.

The derivative of the factors is that of Townsend, "Differentiating the singular value decomposition" (2016), that of
the pseudo-inverse is in Golub & Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems
whose variables separate" (1973).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff import content
from symdiff.errors import ShapeError
from symdiff.ops import contraction, indexing, movement, reduction
from symdiff.ops.base import Differential, Flops, MatrixRoutine, Op, payload_kind, register
from symdiff.ops.matrices import BLOCK, PIVOT
from symdiff.ops.movement import INDEX, RESHAPE, TRANSPOSE, leading
from symdiff.ops.reduction import AMAX, SUM
from symdiff.ops.structure import check_count, numeric_type, only
from symdiff.types import TensorType, fixed, product, show, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

Make = Callable[..., int]


def packed_size(rows: int, columns: int) -> int:
    """How many numbers a decomposition has: U, the singular values, and the transpose of V."""
    return min(rows, columns) * (rows + 1 + columns)


def _rectangular(op: Op, types: Sequence[TensorType]) -> tuple[int, ...]:
    check_count(op, types, 1)
    shape = fixed(types[0].shape)
    if len(shape) < 2:
        raise ShapeError(f"{op.name} takes a matrix, not the shape {show(shape)}")
    return shape


def _packed_type(op: Op, types: Sequence[TensorType], payload: object) -> TensorType:
    *batch, rows, columns = _rectangular(op, types)
    return tensor(numeric_type(op, types), (*batch, packed_size(rows, columns)))


def _pinv_type(op: Op, types: Sequence[TensorType], payload: object) -> TensorType:
    *batch, rows, columns = _rectangular(op, types)
    return tensor(numeric_type(op, types), (*batch, columns, rows))


# Values


def _each(routine: Callable[[Any, Any], Any], a: Any, payload: Any, shape: tuple[int, ...]) -> Any:
    """A routine for every matrix of a stack; NaN where it fails."""
    a = np.asarray(a)
    found = np.full((*a.shape[:-2], *shape), np.nan, a.dtype)
    for k in np.ndindex(a.shape[:-2]):
        try:
            found[k] = routine(a[k], payload)
        except np.linalg.LinAlgError:
            continue
    return found


def _packed(a: Any, payload: None) -> Any:
    return np.concatenate([part.ravel() for part in np.linalg.svd(a, full_matrices=False)])


def _pseudo_inverse(a: Any, rcond: float) -> Any:
    return np.linalg.pinv(a, rcond=rcond)


# Derivatives of the decomposition


class _Factors:
    """U, the singular values and Vᵀ of a packed decomposition of matrices (rows, columns), as nodes."""

    def __init__(self, graph: Graph, packed: int, rows: int, columns: int) -> None:
        self.graph, self.rows, self.columns = graph, rows, columns
        self.count = min(rows, columns)
        batch = graph.shape(packed)[:-1]
        lead = (slice(None),) * len(batch)
        first, second = rows * self.count, rows * self.count + self.count
        whole = second + self.count * columns
        self.u = movement.reshape(
            graph, movement.element(graph, packed, (*lead, slice(0, first))), (*batch, rows, self.count)
        )
        self.s = movement.element(graph, packed, (*lead, slice(first, second)))
        self.vt = movement.reshape(
            graph, movement.element(graph, packed, (*lead, slice(second, whole))), (*batch, self.count, columns)
        )

    @property
    def row(self) -> int:
        """The singular values beside the columns of a matrix."""
        return movement.reshape(self.graph, self.s, (*self.graph.shape(self.s)[:-1], 1, self.count))

    @property
    def column(self) -> int:
        """The singular values beside the rows of a matrix."""
        return movement.reshape(self.graph, self.s, (*self.graph.shape(self.s), 1))

    def gaps(self) -> int:
        """The differences of the squares, that of the row from that of the column; 1 on the diagonal."""
        graph = self.graph
        difference = graph.add(
            "mul", (graph.add("sub", (self.row, self.column)), graph.add("add", (self.row, self.column)))
        )
        return graph.add(
            "where", (indexing.same_index(graph, (self.count, self.count), 0, 1), graph.constant(1.0), difference)
        )

    def smooth(self, node: int) -> int:
        """What belongs to singular values, 0 for those at their kink, 0, where the derivative of this is infinite."""
        graph = self.graph
        beyond = graph.add("greater", (self.s, graph.constant(0.0)))
        return graph.add("mul", (node, graph.add("where", (beyond, graph.constant(1.0), graph.add("sqrt", (self.s,))))))


def _ratio(graph: Graph, a: int, b: int) -> int:
    """a/b, and 0 where a is: what does not depend on vectors of equal singular values has a derivative there."""
    zero = graph.constant(0.0)
    return graph.add("where", (graph.add("equal", (a, zero)), zero, graph.add("div", (a, b))))


def _turned(graph: Graph, node: int) -> int:
    return movement.swap_last(graph, node)


def _of(graph: Graph, node: int) -> tuple[_Factors, int, int]:
    rows, columns = graph.shape(graph.args[node][0])[-2:]
    return _Factors(graph, node, rows, columns), rows, columns


def _product(graph: Graph, *factors: int) -> int:
    found = factors[0]
    for factor in factors[1:]:
        found = contraction.matmul(graph, found, factor)
    return found


def _packed_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    change = only(tangents)
    f, rows, columns = _of(graph, node)
    inner = _product(graph, _turned(graph, f.u), change, _turned(graph, f.vt))
    scaled, back = graph.add("mul", (inner, f.row)), graph.add("mul", (_turned(graph, inner), f.row))
    left = contraction.matmul(graph, f.u, _over_gaps(graph, graph.add("add", (scaled, _turned(graph, scaled))), f))
    other = graph.add("neg", (_over_gaps(graph, graph.add("add", (_turned(graph, back), back)), f),))
    right = contraction.matmul(graph, other, f.vt)
    if rows > f.count:
        outside = graph.add(
            "sub", (contraction.matmul(graph, change, _turned(graph, f.vt)), contraction.matmul(graph, f.u, inner))
        )
        left = graph.add("add", (left, graph.add("div", (outside, f.row))))
    if columns > f.count:
        outside = graph.add(
            "sub", (contraction.matmul(graph, _turned(graph, f.u), change), contraction.matmul(graph, inner, f.vt))
        )
        right = graph.add("add", (right, graph.add("div", (outside, f.column))))
    rank = len(graph.shape(inner))
    values = f.smooth(indexing.main_diagonal(graph, inner, rank - 2, rank - 1))
    return _joined(graph, left, values, right)


def _over_gaps(graph: Graph, node: int, f: _Factors, protected: bool = False) -> int:
    """Divided by the gaps, 0 on the diagonal."""
    gaps = f.gaps()
    found = _ratio(graph, node, gaps) if protected else graph.add("div", (node, gaps))
    return graph.add("where", (indexing.same_index(graph, (f.count, f.count), 0, 1), graph.constant(0.0), found))


def _joined(graph: Graph, u: int, s: int, vt: int) -> int:
    batch = graph.shape(s)[:-1]
    parts = [movement.reshape(graph, part, (*batch, product(graph.shape(part)[-2:]))) for part in (u, vt)]
    return movement.concatenate(graph, [parts[0], s, parts[1]], len(batch))


def _packed_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    f, rows, columns = _of(graph, node)
    by = _Factors(graph, g, rows, columns)
    ut, v = _turned(graph, f.u), _turned(graph, f.vt)

    def skew(first: int) -> int:
        return _over_gaps(graph, graph.add("sub", (first, _turned(graph, first))), f, True)

    middle = graph.add("mul", (skew(contraction.matmul(graph, ut, by.u)), f.row))
    other = graph.add("mul", (f.column, skew(_turned(graph, contraction.matmul(graph, by.vt, v)))))
    values = f.smooth(by.s)
    diagonal = graph.add(
        "where",
        (
            indexing.same_index(graph, (f.count, f.count), 0, 1),
            movement.reshape(graph, values, (*graph.shape(values), 1)),
            graph.constant(0.0),
        ),
    )
    found = _product(graph, f.u, graph.add("add", (graph.add("add", (middle, other)), diagonal)), f.vt)
    if rows > f.count:
        outside = _ratio(graph, by.u, f.row)
        outside = graph.add("sub", (outside, _product(graph, f.u, contraction.matmul(graph, ut, outside))))
        found = graph.add("add", (found, contraction.matmul(graph, outside, f.vt)))
    if columns > f.count:
        outside = _ratio(graph, by.vt, f.column)
        outside = graph.add("sub", (outside, _product(graph, contraction.matmul(graph, outside, v), f.vt)))
        found = graph.add("add", (found, contraction.matmul(graph, f.u, outside)))
    return found


# Makers


def packed_svd(graph: Graph, a: int) -> int:
    """U, the singular values and Vᵀ of a thin decomposition of matrices, one after the other."""
    return graph.add(PACKED_SVD, (graph.as_number(a),))


def singular_values(graph: Graph, a: int) -> int:
    """The singular values of matrices, the largest first."""
    *batch, rows, columns = graph.shape(a)
    few = min(rows, columns)
    whole = (slice(None),) * len(batch)
    return movement.element(graph, packed_svd(graph, a), (*whole, slice(rows * few, rows * few + few)))


def pinv(graph: Graph, a: int, rcond: float | None = None) -> int:
    """The pseudo-inverse of matrices; singular values up to `rcond` times the largest count as 0.

    It is 1e-15, as in NumPy, or the larger size times the precision where that is more, as in its `matrix_rank`.

    Raises
    ------
    ShapeError
        Where `rcond` is not from 0 to 1.
    """
    if rcond is None:
        rcond = max(1e-15, precision_of(graph, a))
    if not 0 <= rcond <= 1:
        raise ShapeError(f"rcond is from 0 to 1, not {rcond}", hint="write rcond=1e-12")
    return graph.add(PINV, (graph.as_number(a),), float(rcond))


def precision_of(graph: Graph, a: int) -> float:
    """The larger size of a matrix times the distance of 1 from the next number."""
    return max(graph.shape(a)[-2:]) * float(np.finfo(graph.dtype).eps)


# Derivatives of the pseudo-inverse


def _pinv_forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    a, p, change = graph.args[node][0], node, only(tangents)
    turned, back = _turned(graph, change), _turned(graph, p)
    first = _product(graph, p, change, p)
    second = _product(
        graph,
        p,
        contraction.matmul(
            graph, back, _less(graph, turned, contraction.matmul(graph, turned, contraction.matmul(graph, a, p)))
        ),
    )
    third = _product(
        graph, _less(graph, turned, contraction.matmul(graph, p, contraction.matmul(graph, a, turned))), back, p
    )
    return graph.add("sub", (graph.add("add", (second, third)), first))


def _less(graph: Graph, a: int, b: int) -> int:
    return graph.add("sub", (a, b))


def _pinv_back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    a, p, turned = graph.args[node][0], node, _turned(graph, g)
    back = _turned(graph, p)
    first = _product(graph, back, g, back)
    second = _product(
        graph, _less(graph, turned, contraction.matmul(graph, contraction.matmul(graph, a, p), turned)), p, back
    )
    third = contraction.matmul(
        graph,
        back,
        contraction.matmul(
            graph, p, _less(graph, turned, contraction.matmul(graph, turned, contraction.matmul(graph, p, a)))
        ),
    )
    return graph.add("sub", (graph.add("add", (second, third)), first))


def _pinv_lowered(make: Make, operands: tuple[int, ...], rcond: float, types: Sequence[TensorType]) -> int:
    """V @ diag(1/s) @ U.T, without the singular values that are nothing beside the largest."""
    *batch, rows, columns = fixed(types[0].shape)
    count, lead = min(rows, columns), tuple((0, n, 1) for n in batch)
    first, second = rows * count, rows * count + count
    packed = make(PACKED_SVD, operands)

    def part(start: int, stop: int, shape: tuple[int, ...]) -> int:
        return make(RESHAPE, (make(INDEX, (packed,), (*lead, (start, stop, 1))),), (*batch, *shape))

    u, s = part(0, first, (1, rows, count)), part(first, second, (count,))
    vt = part(second, packed_size(rows, columns), (count, columns))
    largest = make(RESHAPE, (make(AMAX, (s,), (len(batch),)),), (*batch, 1))
    counts = make("greater", (s, make("mul", (make("constant", (), rcond), largest))))
    scale = make("where", (counts, make("div", (make("constant", (), 1.0), s)), make("constant", (), 0.0)))
    scaled = make("mul", (vt, make(RESHAPE, (scale,), (*batch, count, 1))))
    last = len(batch)
    turned = make(TRANSPOSE, (scaled,), (*range(last), last + 1, last))
    products = make("mul", (make(RESHAPE, (turned,), (*batch, columns, 1, count)), u))
    return make(SUM, (products,), (last + 2,))


# What depends on what


def _all_of(axes: int) -> Callable[[Graph, int, int, int, int, bool], int]:
    """The whole result, of so many axes, depends on the whole matrix."""

    def reach(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
        shape, given = graph.shape(mask), 2 if forward else axes
        made = graph.shape(node if forward else graph.args[node][0])
        total = reduction.sum_over(graph, mask, tuple(range(len(shape) - given, len(shape))))
        batch, wanted = graph.shape(total), axes if forward else 2
        return movement.broadcast(
            graph, movement.reshape(graph, total, (*batch, *(1,) * wanted)), (*leading(graph, mask, lead), *made)
        )

    return reach


def _cost(multiplier: float) -> Flops:
    def flops(types: Sequence[TensorType], result: TensorType, payload: object) -> dict[str, int]:
        *batch, rows, columns = fixed(types[0].shape)
        few, many = sorted((rows, columns))
        count = product(tuple(batch)) * int(multiplier * few * few * many)
        return {"add": count, "mul": count}

    return flops


_PACKED = (
    "(lambda u, s, v: np.concatenate([u.reshape((*s.shape[:-1], -1)), s, v.reshape((*s.shape[:-1], -1))], -1))"
    "(*np.linalg.svd({0}, full_matrices=False))"
)


def _svd_work(rows: int, columns: int, element: int) -> tuple[int, int, int]:
    """Of gesdd: a copy, integers, and what it asks for at least in every version, with blocks of columns."""
    few, many = sorted((rows, columns))
    return rows * columns * element, 8 * PIVOT * few, (few * (6 + 4 * few) + many + BLOCK * (rows + columns)) * element


def _read_ratio(value: Any) -> float:
    if type(value) is not float or not 0 <= value <= 1:
        raise content.refuse(f"a ratio is {content.shown(value)}")
    return value


RCOND = payload_kind("rcond", _read_ratio)

PACKED_SVD, PINV = register(
    Op("packed_svd", None, hidden=True, numpy=_PACKED, type_rule=_packed_type, flops=_cost(11),
       doc="U, the singular values and Vᵀ of U @ diag(s) @ Vᵀ = A, thin, one after the other in a vector",
       routine=MatrixRoutine(lambda a, _: _each(_packed, a, None, (packed_size(*np.shape(a)[-2:]),)), work=_svd_work),
       differential=Differential(_packed_forward, _packed_back, _all_of(1), text="that of Townsend"),
       edges="the derivative of a singular value at 0 is 0, its second one is not finite; so is the derivative of the "
             "vectors of equal singular values"),
    Op("pinv", None, hidden=True, payload=RCOND, numpy="np.linalg.pinv({0}, rcond={payload})",
       type_rule=_pinv_type, flops=_cost(12),
       doc="the pseudo-inverse of a matrix, of any rank; singular values up to rcond times the largest count as 0",
       routine=MatrixRoutine(lambda a, rcond: _each(_pseudo_inverse, a, rcond, np.shape(a)[:-3:-1])),
       lower=_pinv_lowered,
       differential=Differential(_pinv_forward, _pinv_back, _all_of(2),
                                 text="-P @ dA @ P + P @ Pᵀ @ dAᵀ @ (1 - A @ P) + (1 - P @ A) @ dAᵀ @ Pᵀ @ P"),
       edges="the derivative is that by changes that keep the rank"),
)  # fmt: skip
