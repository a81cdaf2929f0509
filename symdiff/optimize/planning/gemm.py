"""How a product of two tensors maps to matrix products of BLAS: which axes are rows, columns, contracted, batch."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

from symdiff.dataclass import dataclass
from symdiff.optimize.planning.plan import Gemm, Matrix
from symdiff.types import c_strides

LARGEST_SIZE = 2**31 - 1
"""SciPy's BLAS takes 32-bit sizes."""

FEWEST_OPERATIONS = 4096
"""A matrix product with fewer multiplications is not worth a call."""

CALL = 200
"""What a call costs beside its arithmetic, in copied elements: about 150 ns. A copy saves calls where it is cheaper."""

Labels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Strided:
    """One operand: its axes' labels and their strides, in elements of its buffer."""

    labels: Labels
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A contraction as a batch of matrix products c = a @ b.

    Attributes
    ----------
    m, n, k, batch : sizes.
    a, b, c : (stride of rows, stride of columns, strides along the batch axes) of each matrix.
    copies : for a, b and c the order of labels in which it must be laid out in C order first (c: computed so, and moved
        afterwards), or None where it can stay as it is. The strides are those after these copies.
    """

    m: int
    n: int
    k: int
    batch: tuple[int, ...]
    a: tuple[int, int, tuple[int, ...]]
    b: tuple[int, int, tuple[int, ...]]
    c: tuple[int, int, tuple[int, ...]]
    copies: tuple[Labels | None, Labels | None, Labels | None] = (None, None, None)

    def gemm(self, a_buffer: int, a_offset: int, b_buffer: int, b_offset: int, c_buffer: int, c_offset: int) -> Gemm:
        """The step on buffers whose views start at these offsets."""

        def matrix(buffer: int, offset: int, strides: tuple[int, int, tuple[int, ...]]) -> Matrix:
            return Matrix(buffer, offset, *strides)

        return Gemm(
            self.m,
            self.n,
            self.k,
            matrix(a_buffer, a_offset, self.a),
            matrix(b_buffer, b_offset, self.b),
            matrix(c_buffer, c_offset, self.c),
            self.batch,
        )


@dataclass(frozen=True, slots=True)
class Roles:
    """What the labels of a product of two tensors do, each group in the order of the operand that has it.

    Attributes
    ----------
    batch : in both operands and in the result.
    left, right : in one operand and in the result.
    contracted : in both operands only.
    """

    batch: Labels
    left: Labels
    right: Labels
    contracted: Labels


def roles(a: Sequence[int], b: Sequence[int], c: Sequence[int]) -> Roles:
    """The groups of labels of the contraction of `a` and `b` to `c`."""
    in_a, in_b, in_c = set(a), set(b), set(c)
    return Roles(
        tuple(x for x in c if x in in_a and x in in_b),
        tuple(x for x in a if x in in_c and x not in in_b),
        tuple(x for x in b if x in in_c and x not in in_a),
        tuple(x for x in a if x in in_b and x not in in_c),
    )


def labelled_strides(labels: Sequence[int], sizes: Mapping[int, int]) -> tuple[int, ...]:
    """The strides of an array in C order, whose axes have labels."""
    return tuple(c_strides(tuple([max(1, sizes[label]) for label in labels])))


def count_elements(labels: Iterable[int], sizes: Mapping[int, int]) -> int:
    """How many elements an array with these axes has."""
    return math.prod([sizes[label] for label in labels])


def match_gemm(sizes: Mapping[int, int], a: Strided, b: Strided, c: Strided) -> Match | None:
    """The matrix products that contract `a` and `b` to `c`, with the cheapest copies where strides do not fit.

    Every label of an operand is in another operand or in the result. None where the sizes are more than BLAS takes.
    """
    views = (a, b, c)
    groups = roles(a.labels, b.labels, c.labels)
    if any(max(1, count_elements(g, sizes)) > LARGEST_SIZE for g in (groups.left, groups.right, groups.contracted)):
        return None
    elements = [count_elements(view.labels, sizes) for view in views]
    found: list[Match] = []
    for chosen in itertools.product((False, True), repeat=3):
        one = _try(sizes, views, groups, chosen)
        if one is not None:
            found.append(one)
            if one.copies == (None, None, None) and math.prod(one.batch) == 1:
                break  # nothing is cheaper

    def price(match: Match) -> tuple[int, int]:
        moved = [n for n, labels in zip(elements, match.copies, strict=True) if labels is not None]
        return sum(moved) + CALL * math.prod(match.batch), len(moved)

    return min(found, key=price) if found else None


def _try(
    sizes: Mapping[int, int], views: tuple[Strided, Strided, Strided], groups: Roles, chosen: tuple[bool, ...]
) -> Match | None:
    """The matrix products after some of the operands have been copied to the best layout, or None."""
    a, b, c = views
    batch = _by_stride(c, groups.batch)
    left, right = _by_stride(a if chosen[2] else c, groups.left), _by_stride(b if chosen[2] else c, groups.right)
    contracted = _by_stride(b if chosen[0] and not chosen[1] else a, groups.contracted)
    layouts = (batch + left + contracted, batch + contracted + right, batch + left + right)
    a, b, c = (
        Strided(labels, labelled_strides(labels, sizes)) if one else view
        for one, labels, view in zip(chosen, layouts, views, strict=True)
    )
    strides = [dict(zip(view.labels, view.strides, strict=True)) for view in (a, b, c)]
    of_a, of_b, of_c = strides
    inner = _one_stride(sizes, contracted, of_a, of_b)
    if inner is None:
        return None
    k = count_elements(contracted, sizes)
    best: tuple[int, Match] | None = None
    for rows, row_a, row_c in _runs(sizes, left, of_a, of_c):
        for columns, column_b, column_c in _runs(sizes, right, of_b, of_c):
            m, n = count_elements(rows, sizes), count_elements(columns, sizes)
            fits = _is_matrix(m, k, row_a, inner[0]) and _is_matrix(k, n, inner[1], column_b)
            if not (fits and _is_matrix(m, n, row_c, column_c)) or (best is not None and best[0] >= m * n):
                continue
            loops = tuple(x for x in (*batch, *left, *right) if x not in rows and x not in columns and sizes[x] != 1)
            steps = [tuple(own.get(x, 0) for x in loops) for own in strides]
            copies = tuple(labels if one else None for one, labels in zip(chosen, layouts, strict=True))
            best = (
                m * n,
                Match(
                    m,
                    n,
                    k,
                    tuple(sizes[x] for x in loops),
                    (row_a, inner[0], steps[0]),
                    (inner[1], column_b, steps[1]),
                    (row_c, column_c, steps[2]),
                    (copies[0], copies[1], copies[2]),
                ),
            )
    return best[1] if best else None


def _by_stride(view: Strided, labels: Labels) -> Labels:
    """`labels` from the outermost axis of the view's memory to the innermost one."""
    strides = dict(zip(view.labels, view.strides, strict=True))
    place = {x: k for k, x in enumerate(view.labels)}
    return tuple(sorted(labels, key=lambda x: (-strides[x], place[x])))


def _one_stride(
    sizes: Mapping[int, int], labels: Labels, first: Mapping[int, int], second: Mapping[int, int]
) -> tuple[int, int] | None:
    """The strides of a group of axes as one axis in two operands, or None where it is not one in both."""
    found = _runs(sizes, labels, first, second)
    return found[0][1:] if len(found) == 1 else None


def _runs(
    sizes: Mapping[int, int], labels: Labels, first: Mapping[int, int], second: Mapping[int, int]
) -> list[tuple[Labels, int, int]]:
    """The runs of neighbouring axes that are one axis in both operands: its labels and its stride in each.

    Axes of size 1 belong to the run at hand; there is always at least one run, an empty one has the strides 1.
    """
    runs: list[tuple[Labels, int, int]] = []
    for x in labels:
        if sizes[x] == 1:
            continue
        steps = first[x] * sizes[x], second[x] * sizes[x]
        if runs and runs[-1][1:] == steps:
            runs[-1] = (*runs[-1][0], x), first[x], second[x]
        else:
            runs.append(((x,), first[x], second[x]))
    return runs or [((), 1, 1)]


def _is_matrix(rows: int, columns: int, row: int, column: int) -> bool:
    """Whether BLAS can use the strides: one of them 1, and the lines along it do not overlap."""
    if rows <= 1 or columns <= 1:
        # A vector; also matrices of one line, whose other stride means nothing.
        return (rows <= 1 or 1 <= row <= LARGEST_SIZE) and (columns <= 1 or 1 <= column <= LARGEST_SIZE)
    return (column == 1 and columns <= row <= LARGEST_SIZE) or (row == 1 and rows <= column <= LARGEST_SIZE)
