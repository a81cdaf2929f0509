"""The module of a plan: a function for each step, and the loop that calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from symdiff.codegen import interrupts
from symdiff.codegen.layout import BYTES, Layout
from symdiff.codegen.loops import LARGEST_FRAME, LOOP
from symdiff.codegen.module import ATTRIBUTES, FALLBACKS, Import, Module, Statistics, Support
from symdiff.codegen.status import Status, status
from symdiff.codegen.tensors.loop import CHECKED, CONSTANTS, RELEASE, REPORT, PointLoop
from symdiff.codegen.tensors.segments import Tools
from symdiff.codegen.tensors.steps import StepCode
from symdiff.codegen.tensors.workspace import MASK, SUPPORT, support
from symdiff.codegen.vector_math import lanes
from symdiff.errors import CompileError
from symdiff.optimize.planning.plan import Nest, Plan, Scan
from symdiff.types import FLOAT32, product

if TYPE_CHECKING:
    from symdiff.optimize.program import TensorProgram

LARGEST = 2**62
"""Bytes of all arrays, and steps of a loop, that native code can count."""

MEMCPY = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
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
    """The module of a program of tensors; `vectors` allows functions that are not bit for bit the scalar ones.

    Raises
    ------
    CompileError
        For sizes that no machine counts to.
    """
    _check_sizes(program.plan, layout)
    plan, state = program.plan, state or status()
    dtype = program.graph.dtype
    element = "float" if dtype == FLOAT32 else "double"
    tools = Tools(element, max(2, lanes()), vectors)
    steps = StepCode(plan, tools)
    algebra, failing = steps.algebra, steps.failing
    operations = plan.operations
    loop = PointLoop(layout, plan, steps, state, element, operations)
    lines = [
        *loop.globals(),
        *algebra.lines,
        *tools.vector.routines.definitions,
        *[line for function in tools.definitions.values() for line in function],
        *steps.lines,
        *loop.lines(),
    ]
    declarations = [
        *tools.scalar.routines.declarations,
        *tools.vector.routines.declarations,
        *tools.memory.declarations.values(),
        *algebra.declarations,
        *state.declarations,
        MEMSET,
        MEMCPY,
        *(["declare i64 @llvm.smax.i64(i64, i64)"] if plan.sizes else []),
        MASK,
        *SUPPORT.values(),
        interrupts.DECLARATION,
    ]
    imports: dict[str, Import] = {"memset": "memset", "memcpy": "memcpy"}
    imports.update({name: Support(name, support) for name in SUPPORT})
    imports[interrupts.INTERRUPTED] = Support(interrupts.INTERRUPTED, interrupts.interrupts)
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
    found = Statistics(operations, len(plan.steps), 0, plan.workspace, on_heap, plan.nests, plan.library_calls)
    return TensorModule(module, found, any(failing) or on_heap or any(o.shape for o in layout.operands))


def _check_sizes(plan: Plan, layout: Layout) -> None:
    count = plan.workspace + sum(o.size * BYTES[o.dtype] for o in layout.operands)
    if count > LARGEST:
        raise CompileError(f"arrays of {count:,} bytes in all are more than memory can have")
    for step in plan.steps:
        if isinstance(step, Nest | Scan) and product(step.space) > LARGEST:
            raise CompileError(f"a loop over axes of {', '.join(map(str, step.space))} elements would never end")
