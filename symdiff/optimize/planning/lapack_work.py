"""What the steps of linear algebra need beside their operands."""

from __future__ import annotations

from dataclasses import dataclass

from symdiff.ops import Op, core

INVERSE_BLOCK = 64
"""Columns that getri works on at once."""


@dataclass(frozen=True, slots=True)
class Work:
    """Where things are in the work area of one step, in bytes.

    The factors of a matrix, or a copy of it, are at its start.
    """

    pivots: int
    scratch: int
    total: int


FACTORED = frozenset((core.SOLVE, core.DET, core.DET_SIGN, core.LOGDET, core.ADJUGATE))
"""What works on the factors of a copy of the matrix."""

INVERTED = frozenset((core.INV, core.ADJUGATE))
"""What inverts factors."""


def work_layout(op: Op, dtype: str, n: int, columns: int = 0) -> Work:
    """The layout of the work area."""
    element = 4 if dtype == "float32" else 8
    if op is core.PACKED_SVD:
        few = min(n, columns)
        start = _aligned(n * columns * element)
        after = start + _aligned(8 * 4 * few)
        return Work(start, after, after + svd_scratch(n, columns) * element)
    factors = n * n * element if op in FACTORED else 0
    pivots = 4 * n if op in FACTORED | INVERTED else 0
    scratch = n * INVERSE_BLOCK * element if op in INVERTED else 0
    start = _aligned(factors)
    after = start + _aligned(pivots)
    return Work(start, after, after + scratch)


def svd_scratch(rows: int, columns: int) -> int:
    """How many numbers gesdd works with: what it asks for at least, in every version, and blocks of columns."""
    few, many = sorted((rows, columns))
    return few * (6 + 4 * few) + many + INVERSE_BLOCK * (rows + columns)


def lapack_work(op: Op, dtype: str, n: int, columns: int = 0) -> int:
    """How many bytes of work area a `Lapack` step needs; it is used for one matrix of a batch after the other."""
    return work_layout(op, dtype, n, columns).total


def _aligned(size: int) -> int:
    return -(-size // 64) * 64
