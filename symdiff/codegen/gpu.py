"""Kernels of graphics processors: `NAME_batch`, each thread of which computes a point.

    void NAME_batch(int64_t n, one pointer for each array, one stride for each array, int32_t *status)

The arrays are the inputs, then the outputs. Thread i, by its block and its place there, computes point i where that is
below n. Where it fails, it writes why to `status`, unless that is null.
"""

from __future__ import annotations

from symdiff.codegen.layout import Layout
from symdiff.codegen.loops import point_call, pointer_lists
from symdiff.errors import CompileError

LARGEST_WORK = 16384
"""Bytes of workspace that a thread may have: it lies in memory of the thread's own, which all that run at once have."""

MOST_ARRAYS = 250
"""Inputs and outputs that fit into the 4096 bytes for a kernel's parameters."""

DECLARATIONS = [
    f"declare i32 @llvm.nvvm.read.ptx.sreg.{name}.x() #2" for name in ("ctaid", "ntid", "tid")
]  # the number of the block, the threads in each, and the number of the thread there


def write_point_kernel(layout: Layout, name: str, work: int) -> list[str]:
    """The kernel of the function of a point, which takes lists of arrays and a workspace.

    Raises
    ------
    CompileError
        Where a thread would need too much.
    """
    title = name.rstrip(".")
    if work > LARGEST_WORK:
        raise CompileError(
            f"{title} needs {work} bytes of workspace at each point, and a thread has {LARGEST_WORK}",
            hint="ship parts of it, with fewer large arrays",
        )
    count = len(layout.operands)
    if count > MOST_ARRAYS:
        raise CompileError(
            f"{title} has {count} inputs and outputs, and a kernel {MOST_ARRAYS}", hint="pack numbers: f([a, b, c])"
        )
    arrays = [f"ptr %a{k}" for k in range(count)]
    strides = [f"i64 %s{k}" for k in range(count)]
    lines = [
        *DECLARATIONS,
        f"define ptx_kernel void @{name}_batch({', '.join(['i64 %n', *arrays, *strides, 'ptr %status'])}) #2 {{",
        "entry:",
        *pointer_lists(layout),
        f"%work = alloca [{max(8, work)} x i8], align 8",
        *[f"%{register} = call i32 @llvm.nvvm.read.ptx.sreg.{register}.x()" for register in ("ctaid", "ntid", "tid")],
        *[f"%{register}w = zext i32 %{register} to i64" for register in ("ctaid", "ntid", "tid")],
        "%start = mul i64 %ctaidw, %ntidw",
        "%i = add i64 %start, %tidw",
        "%is_point = icmp slt i64 %i, %n",
        "br i1 %is_point, label %point, label %done",
        "point:",
    ]
    return [
        *lines,
        *point_call(layout, name),
        "br i1 %fine, label %done, label %failed",
        "failed:",
        "%silent = icmp eq ptr %status, null",
        "br i1 %silent, label %done, label %told",
        "told:",
        "store i32 %code, ptr %status",
        "br label %done",
        "done:",
        "ret void",
        "}",
    ]
