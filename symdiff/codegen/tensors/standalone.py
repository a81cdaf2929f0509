"""Functions of arrays that run without Python: the steps of a plan, called one after the other.

The arrays are where the caller has them, constants are data of the library, all others lie in the workspace.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from symdiff.codegen.answers import written_bytes
from symdiff.codegen.interrupts import INTERRUPTED
from symdiff.codegen.layout import single_operands
from symdiff.codegen.standalone import (
    ATTRIBUTES,
    INTRINSICS,
    Standalone,
    name_in_module,
    need_work,
    outside_names,
    point_head,
    refuse_conditions,
    rounded_up,
    write_points,
)
from symdiff.codegen.target import Target
from symdiff.codegen.tensors.nest_body import OUT_OF_RANGE
from symdiff.codegen.tensors.segments import Tools
from symdiff.codegen.tensors.steps import PLACES, StepCode
from symdiff.errors import CompileError
from symdiff.ops.base import Outside
from symdiff.optimize.planning.plan import Plan
from symdiff.types import FLOAT32

if TYPE_CHECKING:
    from symdiff.optimize.program import TensorProgram

DEAF = f"define internal i32 @{INTERRUPTED}(i64 %work) alwaysinline {{\nret i32 0\n}}"
"""What loops ask for signals: nobody has any."""


def write_standalone_arrays(program: TensorProgram, name: str, target: Target, vectors: bool = True) -> Standalone:
    """The module of a program of arrays; `vectors` allows functions that are not bit for bit the scalar ones.

    Raises
    ------
    CompileError
        Where it calls something that has no public name.
    """
    plan, layout = program.plan, single_operands(program.inputs, program.types)
    refuse_conditions(layout)
    if plan.sizes is not None:
        raise CompileError("a library has functions of known sizes", hint="give numbers for all sizes")
    name = name_in_module(name)
    element = "float" if program.graph.dtype == FLOAT32 else "double"
    tools = Tools(element, max(2, target.lanes), vectors, target)
    steps = StepCode(plan, tools)
    for _, what in steps.algebra.imports:
        _refuse_outside(what)
    routines = (tools.scalar.routines, tools.vector.routines)
    work = plan.workspace + target.alignment - 1 if plan.workspace else 0
    lines = [
        DEAF,
        *_constants(plan),
        *steps.algebra.lines,
        *tools.vector.routines.definitions,
        *[line for function in tools.definitions.values() for line in function],
        *steps.lines,
        *_point(plan, steps, name, target),
        *write_points(layout, name, work, target),
    ]
    declarations = [
        *tools.scalar.routines.declarations,
        *tools.vector.routines.declarations,
        *tools.memory.declarations.values(),
        *steps.algebra.declarations,
        *INTRINSICS,
    ]
    outside = dict.fromkeys([*outside_names(routines), *(symbol for symbol, _ in steps.algebra.imports)])
    text = "\n".join([*dict.fromkeys(declarations), *lines, *ATTRIBUTES, ""])
    return Standalone(text, tuple(outside), work, work, 1)


def _constants(plan: Plan) -> list[str]:
    """The constant arrays, as data."""
    lines = []
    for k, constant in enumerate(plan.constants):
        data = np.ascontiguousarray(constant).tobytes()
        lines.append(f"@constant{k} = private unnamed_addr constant [{len(data)} x i8] {written_bytes(data)}, align 64")
    return lines


def _point(plan: Plan, steps: StepCode, name: str, target: Target) -> list[str]:
    """The function of one point: the table of addresses, then the steps."""
    table = steps.table
    lines = [point_head(name, target), "entry:"]
    lines.append(f"%table = alloca [{table.size} x ptr], align 8")
    if plan.workspace:
        lines += [*need_work(), *rounded_up("%start", "%work", target)]
    for entry, number in enumerate(table.buffers):
        buffer = plan.buffers[number]
        place = f"@constant{buffer.index}"
        if buffer.kind != "constant":
            place = f"%b{entry}"
            side = "in" if buffer.kind == "input" else "out"
            lines += [
                f"%p{entry} = getelementptr ptr, ptr %{side}, i64 {buffer.index}",
                f"{place} = load ptr, ptr %p{entry}",
            ]
        lines += _put(entry, place)
    lines += _put(table.work, "%start" if plan.workspace else "null")
    for k, ((function, first), fails) in enumerate(zip(steps.calls, steps.failing, strict=True)):
        lines += [
            f"%places{k} = getelementptr i64, ptr @{PLACES}, i64 {first}",
            f"%code{k} = call i32 @{function}(ptr %table, ptr %places{k})",
        ]
        if fails:
            lines += [
                f"%fine{k} = icmp eq i32 %code{k}, 0",
                f"br i1 %fine{k}, label %after{k}, label %bad",
                f"after{k}:",
            ]
    lines.append("ret i32 0")
    return [*lines, *(["bad:", f"ret i32 {OUT_OF_RANGE}"] if any(steps.failing) else []), "}"]


def _put(entry: int, place: str) -> list[str]:
    return [f"%t{entry} = getelementptr ptr, ptr %table, i64 {entry}", f"store ptr {place}, ptr %t{entry}"]


def _refuse_outside(what: object) -> None:
    if isinstance(what, Outside):
        raise CompileError(
            f"{what.symbol} is a function of this process: a library cannot call it",
            hint="write it as a formula, or make its value an input",
        )
