"""The plain C function of a kernel."""

from __future__ import annotations

from symdiff.codegen.layout import BYTES, Layout
from symdiff.codegen.loops import LOOP
from symdiff.codegen.module import Module, assemble_module

CALL = "c"


def write_call(layout: Layout) -> Module:
    """The module of the plain C function, `int c(const void *const *in, void *const *out, void *work)`.

    Consecutive scalars of one type are one packed array, among the inputs and among the outputs; every array is in
    C order. `work` is null or the kernel's workspace. 0 is success.
    """
    count = len(layout.operands)
    strides = layout.contiguous_strides()
    lines = [
        f"@strides = internal constant [{len(strides)} x i64] [{', '.join(f'i64 {s}' for s in strides)}]",
        f"define i32 @{CALL}(ptr %in, ptr %out, ptr %work) #0 {{",
        f"%args = alloca [{count} x ptr]",
        "%given = alloca ptr",
        "store ptr %work, ptr %given",
        "%one = alloca i64",
        "store i64 1, ptr %one",
    ]
    at = 0
    for side, operands in (("in", layout.inputs), ("out", layout.outputs)):
        group, offset, last = -1, 0, None
        for operand in operands:
            packs = not operand.shape
            if packs and last == operand.dtype:
                offset += BYTES[operand.dtype]
            else:
                group, offset = group + 1, 0
            last = operand.dtype if packs else None
            lines += [
                f"%p{at} = getelementptr ptr, ptr %{side}, i64 {group}",
                f"%a{at} = load ptr, ptr %p{at}",
                f"%e{at} = getelementptr i8, ptr %a{at}, i64 {offset}",
                f"%s{at} = getelementptr ptr, ptr %args, i64 {at}",
                f"store ptr %e{at}, ptr %s{at}",
            ]
            at += 1
    lines += [f"%r = call i32 @{LOOP}(ptr %args, ptr %one, ptr @strides, ptr %given)", "ret i32 %r", "}"]
    return assemble_module([f"declare i32 @{LOOP}(ptr, ptr, ptr, ptr) #0"], lines, (), [CALL])
