"""What code generation gets for tensors: loop nests and library calls, in order, over buffers.

A nest is a scalar body in an iteration space. Its body is a list of instructions, each of which makes one number or
condition for every point of the space and names its operands by their positions in the list. What moves elements
(transposes, slices, broadcasts, padding) is in the affine accesses and ranges; it is never an instruction.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field, replace

from symdiff.dataclass import dataclass
from symdiff.ops import Op
from symdiff.ops.base import MatrixRoutine, Outside
from symdiff.sizes import Sizes
from symdiff.types import BOOL, FLOAT32

LINE = 64
"""Bytes of a line of the cache, at which parts of a work area begin."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array in memory, in C order and aligned to its elements.

    Attributes
    ----------
    kind : "input", "output" (the caller's), "constant" (part of the code), "work" (in the workspace).
    index : which input, output or constant; for "work" any number.
    dtype, shape : "float64", "float32", "bool", "int64"; a condition is a byte that is 0 or 1.
    offset : of "work": bytes from the start of the workspace, a multiple of 64.
    """

    kind: str
    index: int
    dtype: str
    shape: tuple[int, ...]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Access:
    """The element `offset + sum(strides[k]*i[k])` of a buffer at the point i of a space, counted in elements.

    `buffer` is a position in `Plan.buffers`; there is one stride for each axis of the space; strides may be 0 or
    negative.
    """

    buffer: int
    offset: int
    strides: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """Holds where `start <= i[axis] < stop`."""

    axis: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Load:
    """The element at an access. It must be read only where all of `within` hold; elsewhere the value is not used."""

    access: Access
    within: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class LoadAt:
    """An indirect read: the element at `access` moved by `stride` times the value of an int64 instruction.

    `size` is the length of the axis: indices from -size to size - 1 are legal, negative ones count from the end, and
    others make the kernel fail with INDEX_OUT_OF_RANGE. `within` as in `Load`.
    """

    access: Access
    stride: int
    index: int
    size: int
    within: tuple[Range, ...] = ()


@dataclass(frozen=True, slots=True)
class Number:
    """A constant number or condition."""

    value: float | bool


@dataclass(frozen=True, slots=True)
class Position:
    """The float `offset + scale*i[axis]`."""

    axis: int
    scale: int
    offset: int


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation on the values at `operands`.

    Its routine is a ScalarRoutine, or it is `as_index`, a number rounded to an int64.
    """

    op: Op
    operands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Choose:
    """`inside` where all of `ranges` hold, otherwise `outside` (positions of instructions)."""

    ranges: tuple[Range, ...]
    inside: int
    outside: int


Instruction = Load | LoadAt | Number | Position | Apply | Choose

Body = tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """Write the value of an instruction at every point of the space."""

    value: int
    access: Access


@dataclass(frozen=True, slots=True)
class Reduce:
    """Accumulate the value of an instruction over the reduced axes of the nest and write the result.

    The access has stride 0 along reduced axes. `op` is one of `forms.REDUCES`. An empty reduction gives what the record
    says (`empty`); an empty maximum or minimum is refused when the graph is built. A NaN makes both NaN.

    The order of additions is fixed, the same as in the interpreter (`ops.structure.lane_sum`): the elements of the
    reduced axes in C order, in one running sum where they are fewer than 16, otherwise in eight running sums (element k
    into sum k % 8), which are added pairwise at the end: k and k + 4, then k and k + 2, then the two that are left. The
    eight sums of 512 elements are a block, 16 blocks are added up, then 16 of their sums, and so on.
    """

    op: Op
    value: int
    access: Access


@dataclass(frozen=True, slots=True)
class Nest:
    """A fused loop nest.

    Attributes
    ----------
    space : sizes of the axes; the last one is the innermost. A scalar computation has the space ().
    reduced : the axes that the `Reduce` results accumulate over; empty where there are none.
    body, results : what is computed at each point, and where it goes. Stores may stand beside reductions.
    """

    space: tuple[int, ...]
    reduced: tuple[int, ...]
    body: Body
    results: tuple[Store | Reduce, ...]


@dataclass(frozen=True, slots=True)
class Scan:
    """The recurrence h[i] = a[i]*h[i-1] + b[i] along the last axis of the space (`reverse`: from its end).

    It starts with h = b, whatever a is there.
    `factor` is the position of a in the body, or None where a is 1 (a running sum); `term` that of b.
    """

    space: tuple[int, ...]
    reverse: bool
    body: Body
    factor: int | None
    term: int
    access: Access


@dataclass(frozen=True, slots=True)
class Matrix:
    """A matrix in a buffer: element (i, j) of batch point p is at `offset + sum(batch[k]*p[k]) + i*row + j*column`.

    Counted in elements; one of `row` and `column` is 1 (or its axis has at most one element).
    """

    buffer: int
    offset: int
    row: int
    column: int
    batch: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Gemm:
    """The matrix product c = a @ b by BLAS for every point of the batch: a is (m, k), b is (k, n), c is (m, n)."""

    m: int
    n: int
    k: int
    a: Matrix
    b: Matrix
    c: Matrix
    batch: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Work:
    """Where things are in the work area of a `Lapack` step, in bytes: a copy of a matrix or its factors at its start.

    It is used for one matrix of a batch after the other.
    """

    pivots: int
    scratch: int
    total: int


def work_layout(op: Op, dtype: str, n: int, columns: int = 0) -> Work:
    """The layout of the work area."""
    assert isinstance(op.routine, MatrixRoutine)
    sizes = (0, 0, 0) if op.routine.work is None else op.routine.work(n, columns, 4 if dtype == FLOAT32 else 8)
    start = -(-sizes[0] // LINE) * LINE
    after = start + -(-sizes[1] // LINE) * LINE
    return Work(start, after, after + sizes[2])


@dataclass(frozen=True, slots=True)
class Lapack:
    """A routine of linear algebra on matrices in C order, for every point of the batch.

    `op` is the operation, with a routine of matrices: a solution (a, b → x), an inverse, a determinant (a → number),
    a Cholesky factor (zeros above), …; `triangle`, of a triangular solution, says whether a is the lower triangle and
    whether it is transposed. Operands are whole buffers `(*batch, n, n)` and `(*batch, n, columns)` in C order, left
    as they are; `work` is one of `work_layout(…).total` bytes. A singular matrix, or for a Cholesky factor
    one that is not positive definite, gives NaN everywhere in that result (a determinant and its sign 0, its
    logarithm -inf); every matrix has an adjugate. A singular value decomposition takes matrices (n, columns) to U,
    the singular values and Vᵀ, NaN where the iteration does not converge.
    """

    op: Op
    operands: tuple[int, ...]
    result: int
    work: int
    n: int
    columns: int
    batch: tuple[int, ...] = ()
    triangle: tuple[bool, bool] | None = None

    @property
    def name(self) -> str:
        """What it is called in listings."""
        if self.triangle is None:
            return self.op.name
        lower, transposed = self.triangle
        return ("solve_lower" if lower else "solve_upper") + ("_t" if transposed else "")


@dataclass(frozen=True, slots=True)
class ScatterAdd:
    """Zero the result, then add rows into it: result[p, index[i], q] += value[p, i, q], in the order of i.

    Buffers in C order: value (outer, count, inner), index int64 (count,), result (outer, size, inner). Indices as in
    `LoadAt`.
    """

    value: int
    index: int
    result: int
    outer: int
    count: int
    inner: int
    size: int


@dataclass(frozen=True, slots=True)
class ForeignCall:
    """A function from outside on whole arrays.

    C's `void f(const double *, …, double *result, int64_t, …)`: the operands, buffers in C order and the place of the
    first element in each, the result, and the sizes that have names in its header. It is called `times` times; from one
    call to the next the places in the operands, and that in the result, move by `strides` elements.
    """

    operands: tuple[int, ...]
    starts: tuple[int, ...]
    result: int
    name: str
    routine: Outside
    sizes: tuple[int, ...]
    times: int
    strides: tuple[int, ...]


DIGITS = 256
"""The values of a digit by which lines are sorted."""


@dataclass(frozen=True, slots=True)
class Sort:
    """The places of the elements of lines in ascending order, as numbers; equal ones in their order, NaN last.

    Buffers in C order: value and result (count, size), and `work` of at least `sort_work(size)` bytes.
    """

    value: int
    result: int
    work: int
    count: int
    size: int


def sort_work(size: int) -> int:
    """How many bytes of work area sorting needs: keys and places, twice, and the counts of a digit."""
    return 8 * (4 * size + DIGITS)


Step = Nest | Scan | Gemm | Lapack | ForeignCall | ScatterAdd | Sort


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a kernel in order, the buffers that they use, and the size of the workspace in bytes."""

    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    workspace: int
    constants: tuple[object, ...] = field(default=())
    """The arrays of the "constant" buffers (NumPy, C order)."""
    sizes: Sizes | None = None
    """The sizes that a call gives numbers to, where some are open."""
    again: int = 0
    """How many of the operations compute again what was let go, to stay within a budget of memory."""
    spared: int = 0
    """By how many bytes the workspace is smaller for that."""

    @property
    def nests(self) -> int:
        """How many loops there are: nests, scans, scatters and sorts."""
        return sum(isinstance(s, Nest | Scan | ScatterAdd | Sort) for s in self.steps)

    @property
    def operations(self) -> int:
        """About how many operations one point takes."""
        return sum(map(operations_of, self.steps))

    @property
    def library_calls(self) -> int:
        """How many steps call BLAS, LAPACK or a function from outside."""
        return sum(isinstance(s, Gemm | Lapack | ForeignCall) for s in self.steps)


def element_bytes(dtype: str) -> int:
    """Bytes of one element."""
    return 1 if dtype == BOOL else 4 if dtype == "float32" else 8


def operations_of(step: Step) -> int:
    """About how many operations a step takes."""
    if isinstance(step, Nest | Scan):
        return math.prod(step.space) * max(1, sum(isinstance(part, Apply) for part in step.body))
    if isinstance(step, ScatterAdd):
        return step.outer * step.count * step.inner
    if isinstance(step, Sort):
        return 16 * step.count * step.size
    if isinstance(step, ForeignCall):  # nobody knows
        return 0
    times = math.prod(step.batch)
    return times * (2 * step.m * step.n * step.k if isinstance(step, Gemm) else step.n**3)


def operands_of(part: Instruction) -> tuple[int, ...]:
    """The positions that an instruction of a body uses."""
    if isinstance(part, Apply):
        return part.operands
    if isinstance(part, Choose):
        return (part.inside, part.outside)
    return (part.index,) if isinstance(part, LoadAt) else ()


def with_operands(part: Instruction, place: Mapping[int, int]) -> Instruction:
    """The instruction in a body where what it uses has other positions."""
    if isinstance(part, Apply):
        return replace(part, operands=tuple([place[k] for k in part.operands]))
    if isinstance(part, Choose):
        return replace(part, inside=place[part.inside], outside=place[part.outside])
    return replace(part, index=place[part.index]) if isinstance(part, LoadAt) else part
