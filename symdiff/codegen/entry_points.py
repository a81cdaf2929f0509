"""Entry points around a kernel's loop: NumPy batches that obey np.errstate, and a plain C function.

The kernel's own loop never warns. A batch goes through `batch`, one function for all kernels, which is driven by a
description of the operands. It runs the loop once; only where the processor saw an exception does it look at the
points, and computes those again whose result is suspect, to learn whether they are what raised it. Where an output is
the array of an input, points cannot be computed again, and are computed and judged one by one.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from symdiff.codegen import jit
from symdiff.codegen.layout import Layout
from symdiff.codegen.loops import LOOP
from symdiff.codegen.module import Module, assemble
from symdiff.codegen.status import Status, status

BATCH, CALL = "batch", "c"
KINDS = {"float64": 0, "float32": 1, "bool": 2}

# NaN (1) and infinities (2) among the elements of one operand; %record is [kind, size, rank, first stride, sizes…].
SCAN = """
define internal i32 @scan(ptr %base, ptr %steps, ptr %record) #1 {
entry:
  %kind = load i64, ptr %record
  %p1 = getelementptr i64, ptr %record, i64 1
  %size = load i64, ptr %p1
  %p2 = getelementptr i64, ptr %record, i64 2
  %rank = load i64, ptr %p2
  %p3 = getelementptr i64, ptr %record, i64 3
  %first = load i64, ptr %p3
  %number = icmp slt i64 %kind, 2
  %some = icmp sgt i64 %size, 0
  %go = and i1 %number, %some
  br i1 %go, label %element, label %end
element:
  %e = phi i64 [ 0, %entry ], [ %e1, %next ]
  %found = phi i32 [ 0, %entry ], [ %found1, %next ]
  br label %axis
axis:
  %left = phi i64 [ %rank, %element ], [ %a, %step ]
  %rest = phi i64 [ %e, %element ], [ %rest1, %step ]
  %offset = phi i64 [ 0, %element ], [ %offset1, %step ]
  %inner = icmp sgt i64 %left, 0
  br i1 %inner, label %step, label %read
step:
  %a = sub i64 %left, 1
  %at = add i64 %a, 4
  %ps = getelementptr i64, ptr %record, i64 %at
  %extent = load i64, ptr %ps
  %index = urem i64 %rest, %extent
  %rest1 = udiv i64 %rest, %extent
  %which = add i64 %first, %a
  %pt = getelementptr i64, ptr %steps, i64 %which
  %stride = load i64, ptr %pt
  %move = mul i64 %index, %stride
  %offset1 = add i64 %offset, %move
  br label %axis
read:
  %p = getelementptr i8, ptr %base, i64 %offset
  %single = icmp eq i64 %kind, 1
  br i1 %single, label %float, label %double
float:
  %f = load float, ptr %p
  %fd = fpext float %f to double
  br label %next
double:
  %d = load double, ptr %p
  br label %next
next:
  %x = phi double [ %fd, %float ], [ %d, %double ]
  %isnan = fcmp uno double %x, 0.0
  %size1 = call double @llvm.fabs.f64(double %x)
  %isinf = fcmp oeq double %size1, 0x7FF0000000000000
  %bit0 = zext i1 %isnan to i32
  %bit1 = select i1 %isinf, i32 2, i32 0
  %bits = or i32 %bit0, %bit1
  %found1 = or i32 %found, %bits
  %e1 = add i64 %e, 1
  %more = icmp slt i64 %e1, %size
  br i1 %more, label %element, label %end
end:
  %result = phi i32 [ 0, %entry ], [ %found1, %next ]
  ret i32 %result
}
define internal i32 @scan_all(ptr %args, ptr %steps, ptr %data, i64 %from, i64 %to) #1 {
entry:
  %some = icmp slt i64 %from, %to
  br i1 %some, label %operand, label %end
operand:
  %k = phi i64 [ %from, %entry ], [ %k1, %operand ]
  %found = phi i32 [ 0, %entry ], [ %found1, %operand ]
  %pa = getelementptr ptr, ptr %args, i64 %k
  %base = load ptr, ptr %pa
  %j = add i64 %k, 3
  %pj = getelementptr i64, ptr %data, i64 %j
  %place = load i64, ptr %pj
  %record = getelementptr i64, ptr %data, i64 %place
  %bits = call i32 @scan(ptr %base, ptr %steps, ptr %record)
  %found1 = or i32 %found, %bits
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %to
  br i1 %more, label %operand, label %end
end:
  %result = phi i32 [ 0, %entry ], [ %found1, %operand ]
  ret i32 %result
}
; Whether an output is the very array of an input, so that inputs cannot be read again.
define internal i1 @shared(ptr %args, i64 %inputs, i64 %all) #1 {
entry:
  br label %outer
outer:
  %k = phi i64 [ 0, %entry ], [ %k1, %outer_next ]
  %go = icmp slt i64 %k, %inputs
  br i1 %go, label %inner, label %no
inner:
  %j = phi i64 [ %inputs, %outer ], [ %j1, %inner_next ]
  %going = icmp slt i64 %j, %all
  br i1 %going, label %compare, label %outer_next
compare:
  %pk = getelementptr ptr, ptr %args, i64 %k
  %a = load ptr, ptr %pk
  %pj = getelementptr ptr, ptr %args, i64 %j
  %b = load ptr, ptr %pj
  %same = icmp eq ptr %a, %b
  br i1 %same, label %yes, label %inner_next
inner_next:
  %j1 = add i64 %j, 1
  br label %inner
outer_next:
  %k1 = add i64 %k, 1
  br label %outer
yes:
  ret i1 true
no:
  ret i1 false
}
"""


def write_batch(state: Status | None = None) -> Module:
    """The module of `batch`.

    Invalid is raised only where a result is NaN and no operand was, overflow and division by zero only where a result
    is infinite and all operands are finite.
    """
    state = state or status()
    infinite = state.divide | state.overflow
    lines = [
        SCAN.strip(),
        f"define i32 @{BATCH}(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {{",
        "entry:",
        *state.allocate,
        *state.get("%before"),
        f"%clear = and i32 %before, {~state.every}",
        *state.put("%clear"),
        "%loop = load ptr, ptr %data",
        *_field("inputs", 1),
        *_field("all", 2),
        "%n = load i64, ptr %dims",
        "%work = alloca ptr",
        "store ptr null, ptr %work",
        "%one = alloca i64",
        "store i64 1, ptr %one",
        "%current = alloca ptr, i64 %all",
        "%raised = alloca i32",
        "store i32 0, ptr %raised",
        "%in_place = call i1 @shared(ptr %args, i64 %inputs, i64 %all)",
        "br i1 %in_place, label %points, label %run",
        "run:",
        "%r0 = call i32 %loop(ptr %args, ptr %dims, ptr %steps, ptr %work)",
        *state.get("%after"),
        f"%exceptions = and i32 %after, {state.invalid | infinite}",
        "%none = icmp eq i32 %exceptions, 0",
        "br i1 %none, label %finish, label %points",
        "points:",
        f"%wanted = phi i32 [ {state.invalid | infinite}, %entry ], [ %exceptions, %run ]",
        "%in_place_now = phi i1 [ true, %entry ], [ false, %run ]",
        "br label %point",
        "point:",
        "%i = phi i64 [ 0, %points ], [ %i1, %point_next ]",
        "%going = icmp slt i64 %i, %n",
        "br i1 %going, label %operand, label %finish",
        "operand:",
        "%k = phi i64 [ 0, %point ], [ %k1, %operand ]",
        "%pa = getelementptr ptr, ptr %args, i64 %k",
        "%base = load ptr, ptr %pa",
        "%ps = getelementptr i64, ptr %steps, i64 %k",
        "%stride = load i64, ptr %ps",
        "%offset = mul i64 %i, %stride",
        "%here = getelementptr i8, ptr %base, i64 %offset",
        "%pc = getelementptr ptr, ptr %current, i64 %k",
        "store ptr %here, ptr %pc",
        "%k1 = add i64 %k, 1",
        "%more = icmp slt i64 %k1, %all",
        "br i1 %more, label %operand, label %before_it",
        "before_it:",
        "br i1 %in_place_now, label %first, label %after_it",
        "first:",
        "%given1 = call i32 @scan_all(ptr %current, ptr %steps, ptr %data, i64 0, i64 %inputs)",
        *state.put("%clear"),
        "%r1 = call i32 %loop(ptr %current, ptr %one, ptr %steps, ptr %work)",
        *state.get("%seen1"),
        "br label %after_it",
        "after_it:",
        "%seen = phi i32 [ 0, %before_it ], [ %seen1, %first ]",
        "%given0 = phi i32 [ 0, %before_it ], [ %given1, %first ]",
        "%got = call i32 @scan_all(ptr %current, ptr %steps, ptr %data, i64 %inputs, i64 %all)",
        "%clean = icmp eq i32 %got, 0",
        "br i1 %clean, label %point_next, label %doubt",
        "doubt:",
        "br i1 %in_place_now, label %weigh, label %look",
        "look:",
        "%given2 = call i32 @scan_all(ptr %current, ptr %steps, ptr %data, i64 0, i64 %inputs)",
        "br label %weigh",
        "weigh:",
        "%given = phi i32 [ %given0, %doubt ], [ %given2, %look ]",
        # Bit 0: NaN; bit 1: infinite. A NaN among the operands excuses everything, an infinity only infinities.
        "%given_nan = and i32 %given, 1",
        "%got_nan = and i32 %got, 1",
        "%new_nan = icmp ugt i32 %got_nan, %given_nan",
        "%all_finite = icmp eq i32 %given, 0",
        "%got_infinite = icmp uge i32 %got, 2",
        "%new_infinite = and i1 %all_finite, %got_infinite",
        f"%if_nan = select i1 %new_nan, i32 {state.invalid}, i32 0",
        f"%if_infinite = select i1 %new_infinite, i32 {infinite}, i32 0",
        "%allowed = or i32 %if_nan, %if_infinite",
        "%so_far = load i32, ptr %raised",
        "%open = xor i32 %so_far, -1",
        "%asked0 = and i32 %allowed, %wanted",
        "%asked = and i32 %asked0, %open",
        "%suspect = icmp ne i32 %asked, 0",
        "br i1 %suspect, label %judge, label %point_next",
        "judge:",
        "br i1 %in_place_now, label %collect, label %again",
        "again:",
        *state.put("%clear"),
        "%r2 = call i32 %loop(ptr %current, ptr %one, ptr %steps, ptr %work)",
        *state.get("%seen2"),
        "br label %collect",
        "collect:",
        "%shown = phi i32 [ %seen, %judge ], [ %seen2, %again ]",
        "%true = and i32 %shown, %asked",
        "%now = or i32 %so_far, %true",
        "store i32 %now, ptr %raised",
        "%complete0 = icmp eq i32 %now, %wanted",
        "%complete1 = xor i1 %in_place_now, true",
        "%complete = and i1 %complete0, %complete1",
        "br i1 %complete, label %finish, label %point_next",
        "point_next:",
        "%i1 = add i64 %i, 1",
        "br label %point",
        "finish:",
        "%result0 = load i32, ptr %raised",
        "%result = or i32 %before, %result0",
        *state.put("%result"),
        "ret i32 0",
        "}",
    ]
    text = "\n".join(lines)
    return assemble([*state.declarations, "declare double @llvm.fabs.f64(double)"], [text], state.functions, [BATCH])


def _field(name: str, place: int) -> list[str]:
    return [f"%{name}p = getelementptr i64, ptr %data, i64 {place}", f"%{name} = load i64, ptr %{name}p"]


@functools.cache
def batch_code() -> jit.Code:
    """The code of `batch`, compiled once in a process and never dropped."""
    module = write_batch()
    return jit.load(module.text, module.addresses(), module.exports, 1)


def describe(layout: Layout, loop: int) -> npt.NDArray[np.int64]:
    """The description of a kernel's operands that `batch` reads.

    [loop, inputs, operands, the place of each operand's record, the records].
    """
    operands = layout.operands
    head = [loop, len(layout.inputs), len(operands)]
    places, records = [], list[int]()
    for operand, first in zip(operands, layout.first_strides(), strict=True):
        places.append(len(head) + len(operands) + len(records))
        records += [KINDS[operand.dtype], operand.size, len(operand.shape), first, *operand.shape]
    return np.array(head + places + records, np.int64)


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
                offset += {"float64": 8, "float32": 4, "bool": 1}[operand.dtype]
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
    return assemble([f"declare i32 @{LOOP}(ptr, ptr, ptr, ptr) #0"], lines, (), [CALL])
