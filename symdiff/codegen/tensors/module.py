"""The module of a plan: a function for each step, and the loop that calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symdiff.codegen.layout import Layout
from symdiff.codegen.loops import LARGEST_FRAME, LOOP
from symdiff.codegen.module import ATTRIBUTES, FALLBACKS, Import, Module, Statistics
from symdiff.codegen.status import Status, status
from symdiff.codegen.tensors.linear_algebra import LinearAlgebra
from symdiff.codegen.tensors.loop import CHECKED, CONSTANTS, RELEASE, REPORT, PointLoop
from symdiff.codegen.tensors.nest_body import OUT_OF_RANGE
from symdiff.codegen.tensors.nests import Written, write_nest
from symdiff.codegen.tensors.recurrences import write_scan, write_scatter
from symdiff.codegen.tensors.segments import Tools
from symdiff.codegen.tensors.workspace import look_declarations
from symdiff.codegen.vector_math import lanes
from symdiff.optimize.planning.plan import Apply, Gemm, Lapack, Nest, Plan, Scan, ScatterAdd
from symdiff.types import FLOAT32

if TYPE_CHECKING:
    from symdiff.optimize.program import TensorProgram

MEMSET = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"


@dataclass(frozen=True, slots=True)
class TensorModule:
    """A plan's module. `may_fail`: a call can run out of memory or into an index out of range."""

    module: Module
    statistics: Statistics
    may_fail: bool


def write_tensor_module(
    program: TensorProgram, layout: Layout, vectors: bool = True, state: Status | None = None
) -> TensorModule:
    """The module of a program of tensors; `vectors` allows functions that are not bit for bit the scalar ones."""
    plan, state = program.plan, state or status()
    dtype = program.graph.dtype
    element = "float" if dtype == FLOAT32 else "double"
    tools = Tools(element, max(2, lanes()), vectors)
    algebra = LinearAlgebra()
    functions: list[str] = []
    failing = [_step(k, step, plan, tools, algebra, functions) for k, step in enumerate(plan.steps)]
    loop = PointLoop(layout, plan, failing, state, element)
    lines = [*loop.globals(), *algebra.lines, *tools.vector.routines.definitions, *functions, *loop.lines()]
    declarations = [
        *tools.scalar.routines.declarations,
        *tools.vector.routines.declarations,
        *tools.memory.declarations.values(),
        *algebra.declarations,
        *state.declarations,
        "declare ptr @malloc(i64) #0",
        "declare void @free(ptr) #0",
        MEMSET,
        *look_declarations(element),
    ]
    imports: dict[str, Import] = {"malloc": "malloc", "free": "free", "memset": "memset", "memcpy": "memcpy"}
    imports.update({name: name for name in state.functions})
    for routines in (tools.scalar.routines, tools.vector.routines):
        imports.update(routines.imports)
        for name, full in routines.intrinsics:
            if name in FALLBACKS:
                single = name + "f" if "f32" in full else name
                imports[single] = single
    imports.update(algebra.imports)
    # Intrinsics are asked for by several writers, and declared once.
    text = "\n".join([*dict.fromkeys(declarations), *lines, *ATTRIBUTES, ""])
    module = Module(text, tuple(imports.items()), (LOOP, CHECKED, CONSTANTS, REPORT, RELEASE))
    on_heap = plan.workspace > LARGEST_FRAME
    found = Statistics(_operations(plan), len(plan.steps), 0, plan.workspace, on_heap, plan.nests, plan.library_calls)
    return TensorModule(module, found, any(failing) or on_heap or any(o.shape for o in layout.operands))


def _operations(plan: Plan) -> int:
    """About how many operations one point takes."""
    total = 0
    for step in plan.steps:
        if isinstance(step, Nest | Scan):
            points = 1
            for size in step.space:
                points *= size
            total += points * max(1, sum(isinstance(part, Apply) for part in step.body))
        elif isinstance(step, ScatterAdd):
            total += step.outer * step.count * step.inner
        else:
            times = 1
            for size in step.batch:
                times *= size
            total += times * (2 * step.m * step.n * step.k if isinstance(step, Gemm) else step.n**3)
    return total


def _step(k: int, step: object, plan: Plan, tools: Tools, algebra: LinearAlgebra, functions: list[str]) -> bool:
    """Add the function of a step, `i32 s<k>(ptr table)`; whether it can fail."""
    if isinstance(step, Gemm | Lapack):
        used = (
            [step.a.buffer, step.b.buffer, step.c.buffer] if isinstance(step, Gemm) else [*step.operands, step.result]
        )
        dtype = plan.buffers[used[-1]].dtype
        if isinstance(step, Gemm):
            algebra.gemm(f"t{k}", step, dtype)
        else:
            used.append(step.work)
            algebra.lapack(f"t{k}", step, dtype)
        call = f"call void @t{k}({', '.join(f'ptr %b{n}' for n in used)})"
        functions += _function(k, Written([], [call], frozenset(used), False), plan)
        return False
    if isinstance(step, Nest):
        written = write_nest(step, plan.buffers, tools)
    elif isinstance(step, Scan):
        written = write_scan(step, plan.buffers, tools)
    else:
        assert isinstance(step, ScatterAdd)
        written = write_scatter(step, plan.buffers, tools)
    functions += _function(k, written, plan)
    return written.may_fail


def _function(k: int, written: Written, plan: Plan) -> list[str]:
    lines = [f"define internal i32 @s{k}(ptr %table) #1 {{", "entry:", *written.entry]
    if written.may_fail:
        for name in ("failed", "which", "extent"):
            lines += [f"%{name} = alloca i64", f"store i64 0, ptr %{name}"]
    for n in sorted(written.uses):
        lines += [f"%b{n}p = getelementptr ptr, ptr %table, i64 {n}", f"%b{n} = load ptr, ptr %b{n}p"]
    lines += written.lines
    if not written.may_fail:
        return [*lines, "ret i32 0", "}"]
    count = len(plan.buffers)
    return [
        *lines,
        "%failed_now = load i64, ptr %failed",
        "%failed_any = icmp ne i64 %failed_now, 0",
        "br i1 %failed_any, label %failure, label %success",
        "success:",
        "ret i32 0",
        "failure:",
        "%which_now = load i64, ptr %which",
        "%extent_now = load i64, ptr %extent",
        f"%which_place = getelementptr i64, ptr %table, i64 {count}",
        f"%extent_place = getelementptr i64, ptr %table, i64 {count + 1}",
        "store i64 %which_now, ptr %which_place",
        "store i64 %extent_now, ptr %extent_place",
        f"ret i32 {OUT_OF_RANGE}",
        "}",
    ]
