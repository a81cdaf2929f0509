"""A plan as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.display.tables import table_lines
from symdiff.ops import core
from symdiff.optimize.planning.memory import only_needed, read, renumbered, size_in_bytes, written
from symdiff.optimize.planning.plan import (
    Apply,
    Body,
    Choose,
    ForeignCall,
    Gemm,
    Lapack,
    Matrix,
    Nest,
    Plan,
    Scan,
    Sort,
    Step,
    operations_of,
)

MOST_ARRAYS = 8
"""So many arrays of a plan are told of one by one."""


def describe_plan(plan: Plan) -> list[str]:
    """The steps of a plan, a line each, the arrays that are kept or computed again, and the size of the workspace."""
    lines = [_described(step) for step in plan.steps]
    if plan.sizes is None:
        lines += _arrays_as_lines(arrays_of(plan))
    lines.append(f"workspace {plan.workspace:,} bytes")
    if plan.spared:
        lines.append(
            f"computed again: {plan.again:,} of {plan.operations:,} operations, "
            f"in place of {plan.spared:,} more bytes of workspace"
        )
    return lines


@dataclass(slots=True)
class Held:
    """An array of a plan that is in the workspace.

    Attributes
    ----------
    step : the number of the step that makes it first, from 1.
    made : what makes it.
    bytes, operations : its size, and what it takes to compute it once.
    kept : over how many steps it waits at most until it is used.
    times : how often it is computed.
    """

    step: int
    made: str
    bytes: int
    operations: int
    kept: int = 0
    times: int = 0


def arrays_of(plan: Plan) -> list[Held]:
    """The arrays that wait in the workspace until a later step than the next, or are computed several times.

    What is computed again has the same operations on the same operands, by which it is known.
    """
    work = {k for k, b in enumerate(plan.buffers) if b.kind == "work"}
    numbers: dict[Any, int] = {}
    now: dict[int, int] = {}  # buffer → the number of what it holds
    last: dict[int, int] = {}  # buffer → the step that wrote it or used it last
    held: dict[int, Held] = {}
    for k, step in enumerate(plan.steps):
        operands = {b: now.get(b, -1 - b) for b in read(step)}
        for b in operands:
            if b in work and b in now:
                held[now[b]].kept = max(held[now[b]].kept, k - last[b])
                last[b] = k
        results = written(step)
        for b in results:
            part = only_needed(step, {b}) or step
            number = numbers.setdefault((_of_numbers(part, operands), results.index(b)), len(numbers))
            now[b], last[b] = number, k
            if b in work:
                cost = operations_of(part)
                found = held.setdefault(number, Held(k + 1, _described(part), size_in_bytes(plan.buffers[b]), cost))
                found.times += 1
    return [a for a in held.values() if a.kept > 1 or a.times > 1]


def _of_numbers(step: Step, operands: Mapping[int, int]) -> Step:
    """The step on arrays with numbers, whatever buffers they are in; negative numbers are inputs and constants."""
    nowhere = 1 << 60
    if isinstance(step, Nest):
        results = tuple(replace(r, access=replace(r.access, buffer=nowhere)) for r in step.results)
        return renumbered(replace(step, results=results), operands)
    return renumbered(step, {**dict.fromkeys(written(step), nowhere), **operands})


def _arrays_as_lines(arrays: list[Held]) -> list[str]:
    """A table of arrays, the largest first; those beyond the first few in one line."""
    if not arrays:
        return []
    arrays = sorted(arrays, key=lambda a: (-a.bytes, -a.times, -a.kept, a.step))
    rows = [("array", "bytes", "kept for", "computed", "operations each time")]
    for a in arrays[:MOST_ARRAYS]:
        name = f"{a.step}: {a.made.partition(',')[0]}"
        rows.append((name, f"{a.bytes:,}", f"{a.kept} steps", _times(a.times), f"{a.operations:,}"))
    rest = arrays[MOST_ARRAYS:]
    if rest:
        again = sum(a.times - 1 for a in rest)
        more = (f"{sum(a.bytes for a in rest):,}", "", f"{again} again", f"{sum(a.operations for a in rest):,}")
        rows.append((f"{len(rest)} more", *more))
    return table_lines(rows)


def _times(count: int) -> str:
    return "once" if count == 1 else "twice" if count == 2 else f"{count} times"


def _described(step: Step) -> str:
    if isinstance(step, Nest | Scan):
        name = "nest" if isinstance(step, Nest) else "scan"
        space = "x".join(map(str, step.space)) or "of scalars"
        sums = f", reduces axes {', '.join(map(str, step.reduced))}" if isinstance(step, Nest) and step.reduced else ""
        count = _operations(step.body)
        return (
            f"{name} {space}: {count} operation{'s' * (count != 1)}, reads {len(read(step))}, "
            f"writes {len(written(step))}{sums}"
        )
    if isinstance(step, Gemm):
        batch = "x".join(map(str, step.batch))
        flags = "".join(_flag(m) for m in (step.a, step.b))
        return f"gemm {step.m}x{step.n}x{step.k} {flags}" + (f", {batch} times" if batch else "")
    if isinstance(step, Lapack):
        batch = "x".join(map(str, step.batch))
        columns = f"x{step.columns}" if step.columns else ""
        square = "" if step.op is core.PACKED_SVD else f"x{step.n}"
        return f"{step.name} {step.n}{square}{columns}" + (f", {batch} times" if batch else "")
    if isinstance(step, ForeignCall):
        return f"call {step.name}" + (f", {step.times} times" if step.times != 1 else "")
    if isinstance(step, Sort):
        return f"sort {step.count}x{step.size}"
    return f"scatter {step.outer}x{step.count}x{step.inner} into {step.outer}x{step.size}x{step.inner}"


def _flag(matrix: Matrix) -> str:
    return "n" if matrix.column == 1 else "t"


def _operations(body: Body) -> int:
    return sum(isinstance(i, Apply | Choose) for i in body)
