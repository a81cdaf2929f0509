"""A plan as text."""

from __future__ import annotations

from symdiff.ops import core
from symdiff.optimize.planning.memory import read, written
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
)


def describe_plan(plan: Plan) -> list[str]:
    """The steps of a plan, a line each, and the size of the workspace."""
    lines = [_described(step) for step in plan.steps]
    lines.append(f"workspace {plan.workspace:,} bytes")
    if plan.spared:
        lines.append(
            f"computed again: {plan.again:,} of {plan.operations:,} operations, "
            f"in place of {plan.spared:,} more bytes of workspace"
        )
    return lines


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
        return f"call {step.name}"
    if isinstance(step, Sort):
        return f"sort {step.count}x{step.size}"
    return f"scatter {step.outer}x{step.count}x{step.inner} into {step.outer}x{step.size}x{step.inner}"


def _flag(matrix: Matrix) -> str:
    return "n" if matrix.column == 1 else "t"


def _operations(body: Body) -> int:
    return sum(isinstance(i, Apply | Choose) for i in body)
