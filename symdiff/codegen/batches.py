"""The driver of batches, one native function for all kernels, which NumPy calls: `int batch(args, dims, steps, data)`.

It brings operands into the form of a kernel's vector body, and lets np.errstate rule. `data` describes a kernel (see
`describe`). Points are computed in blocks. An operand whose elements are contiguous over the points is used where it
lies; one that stands still is repeated once; any other is copied to a buffer, block by block, and so is everything for
the last points, fewer than a vector has: they are filled up with the last of them. So every point is computed by the
same instructions, and its result does not depend on where it stands. Without a vector body the kernel's loop, which
takes any strides, gets the blocks.

Where outputs lie in the memory of inputs, all inputs of a block are copied before its outputs are written. After a
block in which the processor saw an exception, each point's result tells whether it is one: invalid is raised only where
a result is NaN and no operand was, overflow and division by zero only where a result is infinite and all operands are
finite. Such a point is computed once more, by itself, to learn whether it is what raised the exception.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from symdiff.codegen import jit
from symdiff.codegen.blocks import BLOCK, CHOOSE, HEAD, head_fields
from symdiff.codegen.interrupts import DECLARATION, INTERRUPTED, interrupts
from symdiff.codegen.layout import BYTES, Layout
from symdiff.codegen.module import Module, Support, assemble_module
from symdiff.codegen.moves import RECORD, moves
from symdiff.codegen.scans import SCANS
from symdiff.codegen.status import Status, status
from symdiff.native.code import Code

if TYPE_CHECKING:
    import numpy.typing as npt

BATCH = "batch"
KINDS = {"float64": 0, "float32": 1, "bool": 2}
BUFFER = 32_768
"""Bytes of a block's operands, unless one vector of points has more."""

DIRECT = 4096
"""Points in a block where no operand is copied."""

STACK = 65_536
"""Bytes of memory that are taken from the stack; more come from malloc."""


def _judge(state: Status) -> str:
    """A function that says which of the exceptions `%wanted` the results of a block show."""
    infinite = state.divide | state.overflow
    text = f"""
; Strides for one point: the inputs as they lie, the outputs in C order.
define internal void @judge_steps(ptr %jsteps, ptr %csteps, ptr %data, i64 %inputs, i64 %all, i64 %strides) #1 {{
entry:
  %inner = icmp sgt i64 %strides, %all
  br i1 %inner, label %split, label %done
split:
  %contiguous = call ptr @record(ptr %data, i64 %all)
  %output = call ptr @record(ptr %data, i64 %inputs)
  %pf = getelementptr i64, ptr %output, i64 {RECORD.index("first")}
  %first = load i64, ptr %pf
  br label %stride
stride:
  %a = phi i64 [ %all, %split ], [ %a1, %stride ]
  %of_input = icmp slt i64 %a, %first
  %table = select i1 %of_input, ptr %csteps, ptr %contiguous
  %pt = getelementptr i64, ptr %table, i64 %a
  %value = load i64, ptr %pt
  %pj = getelementptr i64, ptr %jsteps, i64 %a
  store i64 %value, ptr %pj
  %a1 = add i64 %a, 1
  %more = icmp slt i64 %a1, %strides
  br i1 %more, label %stride, label %done
done:
  ret void
}}
define internal i32 @judge(ptr %cargs, ptr %csteps, ptr %jargs, ptr %jsteps, i64 %m, ptr %data, ptr %memory,
                           i32 %wanted) #1 {{
entry:
<allocate>
{head_fields("inputs", "all", "loop")}
  %call = inttoptr i64 %loop to ptr
  %one = alloca i64
  store i64 1, ptr %one
  %work = alloca ptr
  store ptr null, ptr %work
  br label %point
point:
  %i = phi i64 [ 0, %entry ], [ %i1, %next ]
  %raised = phi i32 [ 0, %entry ], [ %raised1, %next ]
  br label %operand
operand:
  %k = phi i64 [ 0, %point ], [ %k1, %operand ]
  %pa = getelementptr ptr, ptr %cargs, i64 %k
  %base = load ptr, ptr %pa
  %ps = getelementptr i64, ptr %csteps, i64 %k
  %step = load i64, ptr %ps
  %far = mul i64 %i, %step
  %here = getelementptr i8, ptr %base, i64 %far
  %pj = getelementptr ptr, ptr %jargs, i64 %k
  store ptr %here, ptr %pj
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %all
  br i1 %more, label %operand, label %look
look:
  %got = call i32 @scan_all(ptr %jargs, ptr %csteps, ptr %data, i64 %inputs, i64 %all)
  %clean = icmp eq i32 %got, 0
  br i1 %clean, label %next, label %weigh
weigh:
  %given = call i32 @scan_all(ptr %jargs, ptr %csteps, ptr %data, i64 0, i64 %inputs)
  ; Bit 0: NaN; bit 1: infinite. A NaN among the operands excuses everything, an infinity only infinities.
  %given_nan = and i32 %given, 1
  %got_nan = and i32 %got, 1
  %new_nan = icmp ugt i32 %got_nan, %given_nan
  %all_finite = icmp eq i32 %given, 0
  %got_infinite = icmp uge i32 %got, 2
  %new_infinite = and i1 %all_finite, %got_infinite
  %if_nan = select i1 %new_nan, i32 {state.invalid}, i32 0
  %if_infinite = select i1 %new_infinite, i32 {infinite}, i32 0
  %allowed = or i32 %if_nan, %if_infinite
  %open = xor i32 %raised, -1
  %asked0 = and i32 %allowed, %wanted
  %asked = and i32 %asked0, %open
  %suspect = icmp ne i32 %asked, 0
  br i1 %suspect, label %output, label %next
output:
  %j = phi i64 [ %inputs, %weigh ], [ %j1, %output ]
  %record = call ptr @record(ptr %data, i64 %j)
  %pscratch = getelementptr i64, ptr %record, i64 {RECORD.index("scratch")}
  %scratch = load i64, ptr %pscratch
  %there = getelementptr i8, ptr %memory, i64 %scratch
  %pt = getelementptr ptr, ptr %jargs, i64 %j
  store ptr %there, ptr %pt
  %j1 = add i64 %j, 1
  %others = icmp slt i64 %j1, %all
  br i1 %others, label %output, label %again
again:
<clear>
  %r = call i32 %call(ptr %jargs, ptr %one, ptr %jsteps, ptr %work)
<get>
  %shown = and i32 %seen, %asked
  %now = or i32 %raised, %shown
  br label %next
next:
  %raised1 = phi i32 [ %raised, %look ], [ %raised, %weigh ], [ %now, %again ]
  %complete = icmp eq i32 %raised1, %wanted
  %i1 = add i64 %i, 1
  %left = icmp slt i64 %i1, %m
  %open_still = xor i1 %complete, true
  %going = and i1 %left, %open_still
  br i1 %going, label %point, label %done
done:
  ret i32 %raised1
}}
"""
    clear = [*state.get("%now_word"), f"%none = and i32 %now_word, {~state.every}", *state.put("%none")]
    for mark, lines in (("<allocate>", state.allocate), ("<clear>", clear), ("<get>", state.get("%seen"))):
        text = text.replace(mark, "\n".join(lines))
    return text


def write_batch(state: Status | None = None) -> Module:
    """The module of `batch`."""
    state = state or status()
    all_bits = state.invalid | state.divide | state.overflow
    text = f"""
define i32 @{BATCH}(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {{
entry:
<allocate>
{head_fields("inputs", "all", "loop", "body", "lanes", "workspace", "block", "strides", "buffers", "scratch", "work")}
  %n = load i64, ptr %dims
  %some = icmp sgt i64 %n, 0
  br i1 %some, label %begin, label %nothing
nothing:
  ret i32 0
begin:
<before>
  %clear = and i32 %before, {~state.every}
<clear>
  %scalar = inttoptr i64 %loop to ptr
  %vector = inttoptr i64 %body to ptr
  %has_body = icmp ne i64 %body, 0
  %cargs = alloca ptr, i64 %all
  %jargs = alloca ptr, i64 %all
  %csteps = alloca i64, i64 %strides
  %jsteps = alloca i64, i64 %strides
  %modes = alloca i8, i64 %all
  %count = alloca i64
  %none = alloca ptr
  store ptr null, ptr %none
  call void @llvm.memset.p0.i64(ptr %modes, i8 0, i64 %all, i1 false)
  %stride_bytes = shl i64 %strides, 3
  call void @llvm.memcpy.p0.p0.i64(ptr %csteps, ptr %steps, i64 %stride_bytes, i1 false)
  %overlap = call i32 @overlap(ptr %args, ptr %steps, i64 %n, ptr %data, i64 %inputs, i64 %all)
  %in_place = icmp ne i32 %overlap, 0
  %in_order = icmp eq i32 %overlap, 2
  %bytes0 = add i64 %buffers, %scratch
  %bytes1 = add i64 %bytes0, %workspace
  %bytes = add i64 %bytes1, 64
  %large = icmp ugt i64 %bytes, {STACK}
  br i1 %large, label %allocate, label %stack
allocate:
  %fresh = call ptr @malloc(i64 %bytes)
  %failed = icmp eq ptr %fresh, null
  br i1 %failed, label %plain, label %ready
plain:
  %r0 = call i32 %scalar(ptr %args, ptr %dims, ptr %steps, ptr %none)
  %r00 = icmp ne i32 %r0, 0
  %r000 = select i1 %r00, i32 {state.invalid}, i32 0
  br label %finish
stack:
  %local = alloca i8, i64 %bytes, align 64
  br label %ready
ready:
  %mine = phi ptr [ %fresh, %allocate ], [ null, %stack ]
  %raw = phi ptr [ %fresh, %allocate ], [ %local, %stack ]
  %number = ptrtoint ptr %raw to i64
  %higher = add i64 %number, 63
  %aligned = and i64 %higher, -64
  %memory = inttoptr i64 %aligned to ptr
  %room = getelementptr i8, ptr %memory, i64 %buffers
  %after_work = getelementptr i8, ptr %room, i64 %workspace
  %copies = call i1 @choose(ptr %args, ptr %steps, ptr %cargs, ptr %csteps, ptr %modes, ptr %data, ptr %memory,
                            i1 %in_place, i1 false)
  %limit0 = select i1 %copies, i64 %block, i64 {DIRECT}
  %limit = select i1 %in_order, i64 1, i64 %limit0
  br label %part
part:
  %at = phi i64 [ 0, %ready ], [ %at1, %part_end ]
  %raised = phi i32 [ 0, %ready ], [ %raised1, %part_end ]
  %rest = sub i64 %n, %at
  %short = icmp slt i64 %rest, %limit
  %m0 = select i1 %short, i64 %rest, i64 %limit
  br i1 %has_body, label %whole, label %go
whole:
  %over = urem i64 %m0, %lanes
  %m1 = sub i64 %m0, %over
  %tail = icmp eq i64 %m1, 0
  br i1 %tail, label %last, label %go
last:
  %all_copied = call i1 @choose(ptr %args, ptr %steps, ptr %cargs, ptr %csteps, ptr %modes, ptr %data, ptr %memory,
                                i1 %in_place, i1 true)
  br label %go
go:
  %m = phi i64 [ %m0, %part ], [ %m1, %whole ], [ %m0, %last ]
  call void @block(ptr %args, ptr %steps, ptr %cargs, ptr %modes, ptr %data, i64 %at, i64 %m, i1 false)
  br i1 %has_body, label %by_vectors, label %by_points
by_vectors:
  %m2 = add i64 %m, %lanes
  %m3 = sub i64 %m2, 1
  %vectors = udiv i64 %m3, %lanes
  call void %vector(ptr %cargs, i64 %vectors, ptr %csteps, ptr %room)
  br label %computed
by_points:
  store i64 %m, ptr %count
  %r1 = call i32 %scalar(ptr %cargs, ptr %count, ptr %csteps, ptr %none)
  br label %computed
computed:
<after>
  call void @block(ptr %args, ptr %steps, ptr %cargs, ptr %modes, ptr %data, i64 %at, i64 %m, i1 true)
  %open = xor i32 %raised, -1
  %seen0 = and i32 %after, {all_bits}
  %seen = and i32 %seen0, %open
  %quiet = icmp eq i32 %seen, 0
  br i1 %quiet, label %part_end, label %doubt
doubt:
  call void @judge_steps(ptr %jsteps, ptr %csteps, ptr %data, i64 %inputs, i64 %all, i64 %strides)
  %found = call i32 @judge(ptr %cargs, ptr %csteps, ptr %jargs, ptr %jsteps, i64 %m, ptr %data, ptr %after_work,
                           i32 %seen)
<clear>
  %raised0 = or i32 %raised, %found
  br label %part_end
part_end:
  %raised1 = phi i32 [ %raised, %computed ], [ %raised0, %doubt ]
  %at1 = add i64 %at, %m
  %left = icmp slt i64 %at1, %n
  %done_now = mul i64 %m, %work
  %heard = call i32 @{INTERRUPTED}(i64 %done_now)
  %unheard = icmp eq i32 %heard, 0
  %going = and i1 %left, %unheard
  br i1 %going, label %part, label %end
end:
  call void @free(ptr %mine)
  br label %finish
finish:
  %result0 = phi i32 [ %r000, %plain ], [ %raised1, %end ]
  %result = or i32 %before, %result0
<result>
  ret i32 0
}}
"""
    marks = {
        "<allocate>": state.allocate,
        "<before>": state.get("%before"),
        "<clear>": state.put("%clear"),
        "<after>": state.get("%after"),
        "<result>": state.put("%result"),
    }
    for mark, lines in marks.items():
        text = text.replace(mark, "\n".join(lines))
    declarations = [
        *state.declarations,
        "declare double @llvm.fabs.f64(double)",
        "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
        "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
        "declare ptr @malloc(i64) #0",
        "declare void @free(ptr) #0",
        DECLARATION,
    ]
    imports = [*state.functions, "malloc", "free", "memset", "memcpy"]
    parts = [moves(HEAD.index("places")), SCANS, CHOOSE, BLOCK, _judge(state), text]
    module = assemble_module(declarations, parts, imports, [BATCH])
    return replace(module, imports=(*module.imports, (INTERRUPTED, Support(INTERRUPTED, interrupts))))


def describe_kernel(
    layout: Layout, loop: int, body: int = 0, lanes: int = 1, workspace: int = 0, work: int = 1
) -> npt.NDArray[np.int64]:
    """The description of a kernel that `batch` reads."""
    operands = layout.operands
    point = sum(o.size * BYTES[o.dtype] for o in operands)
    block = max(lanes, min(512, BUFFER // max(1, point)) // lanes * lanes)
    strides = layout.contiguous_strides()
    places, records = list[int](), list[int]()
    start = HEAD.index("places") + len(operands) + 1
    buffer = scratch = 0
    for operand, first in zip(operands, layout.first_strides(), strict=True):
        item = BYTES[operand.dtype]
        places.append(start + len(records))
        records += [KINDS[operand.dtype], operand.size, len(operand.shape), first, item, buffer, scratch]
        records += operand.shape
        buffer += -(-operand.size * item * block // 64) * 64
        scratch += -(-operand.size * item // 8) * 8
    places.append(start + len(records))
    head = [loop, len(layout.inputs), len(operands), body, lanes, workspace, block, len(strides), buffer, scratch, work]
    return np.array([*head, *places, *records, *strides], np.int64)


@functools.cache
def batch_code() -> Code:
    """The code of `batch`, compiled once in a process and never dropped."""
    module = write_batch()
    return jit.link(module.text, module.addresses(), module.exports, 2)
