"""The check of what the emitters rely on in a plan."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from symdiff.errors import VerifyError
from symdiff.ops import core
from symdiff.optimize.planning.memory import read, size_in_bytes, written
from symdiff.optimize.planning.plan import (
    Access,
    Apply,
    Choose,
    Gemm,
    Lapack,
    Load,
    LoadAt,
    Nest,
    Plan,
    Position,
    Range,
    Reduce,
    Scan,
    ScatterAdd,
    Sort,
)


def check_plan(plan: Plan, inputs: Sequence[int], outputs: Sequence[int]) -> None:
    """Check what the emitters rely on; `inputs` and `outputs` are the numbers of elements of the operands.

    Raises
    ------
    VerifyError
        Where a body uses what comes later, an access leaves its buffer, a buffer is read before it is written or an
        input is written, or two buffers that are in use share a place.
    """
    ready: set[int] = set()
    for k, buffer in enumerate(plan.buffers):
        if buffer.kind in ("input", "output"):
            size = (inputs if buffer.kind == "input" else outputs)[buffer.index]
            if math.prod(buffer.shape) != size:
                raise VerifyError(f"buffer {k} has another size than {buffer.kind} {buffer.index}")
        if buffer.kind == "work" and (buffer.offset % 64 or buffer.offset + size_in_bytes(buffer) > plan.workspace):
            raise VerifyError(f"buffer {k} is outside of the workspace")
        if buffer.kind in ("input", "constant"):
            ready.add(k)
    for number, step in enumerate(plan.steps):
        for k in read(step):
            if k not in ready and size_in_bytes(plan.buffers[k]):
                raise VerifyError(f"step {number} reads buffer {k} before it is written")
        for k in written(step):
            if plan.buffers[k].kind in ("input", "constant"):
                raise VerifyError(f"step {number} writes buffer {k}, of kind {plan.buffers[k].kind}")
            ready.add(k)
        if isinstance(step, Nest | Scan):
            _check_loops(plan, number, step)
        elif isinstance(step, Gemm):
            _check_product(plan, number, step)
        elif isinstance(step, Lapack):
            _check_matrices(plan, number, step)
        elif isinstance(step, Sort):
            if any(math.prod(plan.buffers[k].shape) != step.count * step.size for k in (step.value, step.result)):
                raise VerifyError(f"step {number}: lines of other sizes")
        elif isinstance(step, ScatterAdd):
            wanted = [step.outer * step.count * step.inner, step.count, step.outer * step.size * step.inner]
            for k, size in zip((step.value, step.index, step.result), wanted, strict=True):
                if math.prod(plan.buffers[k].shape) != size:
                    raise VerifyError(f"step {number}: buffer {k} has another size")
    _check_sharing(plan)


def _check_loops(plan: Plan, number: int, step: Nest | Scan) -> None:
    space = step.space
    last = 1 if isinstance(step, Scan) else 0
    if any(n < 2 for n in space[: len(space) - last]) or 0 in space:
        raise VerifyError(f"step {number} has the space {space}")
    for position, i in enumerate(step.body):
        if isinstance(i, Apply):
            used: tuple[int, ...] = i.operands
        elif isinstance(i, Choose):
            used = (i.inside, i.outside)
            _check_ranges(space, number, i.ranges)
        else:
            used = (i.index,) if isinstance(i, LoadAt) else ()
        if any(not 0 <= k < position for k in used):
            raise VerifyError(f"step {number}: instruction {position} uses a later one")
        if isinstance(i, Position) and not 0 <= i.axis < len(space):
            raise VerifyError(f"step {number}: instruction {position} has no axis {i.axis}")
        if isinstance(i, Load | LoadAt):
            _check_ranges(space, number, i.within)
            reach = [(0, i.stride * (i.size - 1))] if isinstance(i, LoadAt) else []
            _check_access(plan, number, i.access, space, i.within, reach)
    results = step.results if isinstance(step, Nest) else (step,)
    reduced = step.reduced if isinstance(step, Nest) else ()
    for result in results:
        if isinstance(result, Reduce) and (not reduced or any(result.access.strides[k] for k in reduced)):
            raise VerifyError(f"step {number}: a reduction moves along its axes")
        _check_access(plan, number, result.access, space, (), [])


def _check_ranges(space: tuple[int, ...], number: int, ranges: Iterable[Range]) -> None:
    axes = [one.axis for one in ranges]
    if axes != sorted(set(axes)) or any(not 0 <= r.start < r.stop <= space[r.axis] for r in ranges):
        raise VerifyError(f"step {number}: the ranges {ranges} do not fit the space {space}")


def _check_access(
    plan: Plan,
    number: int,
    access: Access,
    space: tuple[int, ...],
    ranges: Sequence[Range],
    more: Sequence[tuple[int, int]],
) -> None:
    if len(access.strides) != len(space):
        raise VerifyError(f"step {number}: an access has {len(access.strides)} strides in the space {space}")
    limits = {r.axis: (r.start, r.stop - 1) for r in ranges}
    low = high = access.offset
    spans = list(more)
    for axis, stride in enumerate(access.strides):
        start, stop = limits.get(axis, (0, space[axis] - 1))
        spans.append((stride * start, stride * stop))
    for first, last in spans:
        low += min(first, last)
        high += max(first, last)
    size = math.prod(plan.buffers[access.buffer].shape)
    if low < 0 or high >= size:
        raise VerifyError(f"step {number}: an access from {low} to {high} to a buffer of {size} elements")


def _check_product(plan: Plan, number: int, step: Gemm) -> None:
    shapes = ((step.a, step.m, step.k), (step.b, step.k, step.n), (step.c, step.m, step.n))
    for matrix, rows, columns in shapes:
        access = Access(matrix.buffer, matrix.offset, (*matrix.batch, matrix.row, matrix.column))
        _check_access(plan, number, access, (*step.batch, rows, columns), (), [])
        if not (matrix.row == 1 or matrix.column == 1 or rows <= 1 or columns <= 1):
            raise VerifyError(f"step {number}: a matrix with the strides {matrix.row} and {matrix.column}")
    if step.c.buffer in (step.a.buffer, step.b.buffer):
        raise VerifyError(f"step {number}: a product in the place of a factor")


def _check_matrices(plan: Plan, number: int, step: Lapack) -> None:
    size = math.prod(step.batch) * step.n
    wanted = [size * (step.columns if step.op is core.PACKED_SVD else step.n), size * step.columns][
        : len(step.operands)
    ]
    if [math.prod(plan.buffers[k].shape) for k in step.operands] != wanted:
        raise VerifyError(f"step {number}: the operands of {step.name} have other sizes")


def _check_sharing(plan: Plan) -> None:
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for number, step in enumerate(plan.steps):
        for k in (*read(step), *written(step)):
            if plan.buffers[k].kind == "work":
                first.setdefault(k, number)
                last[k] = number
    used = sorted(first, key=lambda k: first[k])
    active: list[int] = []
    for k in used:
        active = [other for other in active if last[other] >= first[k]]
        start, end = plan.buffers[k].offset, plan.buffers[k].offset + size_in_bytes(plan.buffers[k])
        for other in active:
            low, high = plan.buffers[other].offset, plan.buffers[other].offset + size_in_bytes(plan.buffers[other])
            if start < high and low < end:
                raise VerifyError(f"buffers {k} and {other} share a place")
        active.append(k)
