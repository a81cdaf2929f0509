"""Functions in LLVM IR that serve all kernels, compiled once in a process: memory that kernels keep, operands, and
Python's lock, which long calls give away: NumPy keeps it wherever a call has few results, however long it takes.
"""

from __future__ import annotations

import functools

from symdiff.codegen import jit
from symdiff.codegen.module import LOCK_DECLARATIONS, Module, assemble_module
from symdiff.native.arrays import LOCK_FUNCTIONS, LOCK_NAMES, set_lock_functions
from symdiff.native.code import Code
from symdiff.sizes import is_open

LONG = 200_000
"""Operations from which a call gives the lock away; to get it back can cost other threads' turns."""

_LOCK = f"""@{LOCK_FUNCTIONS} = global [{len(LOCK_NAMES)} x ptr] zeroinitializer
; Give the lock away where this thread has it; what to take it back with, or null.
define ptr @step_aside() #2 {{
  %own_at = getelementptr ptr, ptr @{LOCK_FUNCTIONS}, i64 0
  %own = load ptr, ptr %own_at
  %absent = icmp eq ptr %own, null
  br i1 %absent, label %keep, label %ask
ask:
  %now_at = getelementptr ptr, ptr @{LOCK_FUNCTIONS}, i64 1
  %now = load ptr, ptr %now_at
  %this = call ptr %own()
  %holder = call ptr %now()
  %known = icmp ne ptr %this, null
  %holds = icmp eq ptr %this, %holder
  %has = and i1 %known, %holds
  br i1 %has, label %give, label %keep
give:
  %save_at = getelementptr ptr, ptr @{LOCK_FUNCTIONS}, i64 2
  %save = load ptr, ptr %save_at
  %state = call ptr %save()
  ret ptr %state
keep:
  ret ptr null
}}
define void @step_back(ptr %state) #2 {{
  %kept = icmp eq ptr %state, null
  br i1 %kept, label %done, label %take
take:
  %restore_at = getelementptr ptr, ptr @{LOCK_FUNCTIONS}, i64 3
  %restore = load ptr, ptr %restore_at
  call void %restore(ptr %state)
  br label %done
done:
  ret void
}}"""


def without_lock(operations: int, call: str) -> list[str]:
    """Lines for a call of the loop over `%dims` points of so many operations: without the lock where `%quiet` and long.

    NumPy may have given it away before; the plain C function (not `%quiet`) never touches it.
    """
    if is_open(operations):
        least, own = (
            "%least",
            [
                f"%least_1 = call i64 @llvm.smax.i64(i64 {operations}, i64 1)",
                f"%least_2 = sdiv i64 {LONG}, %least_1",
                "%least = add i64 %least_2, 1",
            ],
        )
    else:
        least, own = str(-(-LONG // max(1, operations))), []
    return [
        *own,
        "%count = load i64, ptr %dims",
        f"%long = icmp sge i64 %count, {least}",
        "%free = and i1 %long, %quiet",
        "br i1 %free, label %away, label %here",
        "away:",
        "%thread = call ptr @step_aside()",
        "br label %here",
        "here:",
        "%state = phi ptr [ null, %entry ], [ %thread, %away ]",
        call,
        "call void @step_back(ptr %state)",
    ]


BLOCKS = 8
"""How many blocks of each kind a kernel keeps; calls at the same time beyond that allocate and free their own."""

ALIGNMENT = 64


_SLOT = "%p = getelementptr ptr, ptr %blocks, i64 %k"
_EACH = f"entry:\nbr label %look\nlook:\n%k = phi i64 [ 0, %entry ], [ %n, %next ]\n{_SLOT}"
_NEXT = f"next:\n%n = add i64 %k, 1\n%m = icmp slt i64 %n, {BLOCKS}\nbr i1 %m, label %look, label %end"

KEEP = f"""; A kernel keeps blocks of memory from call to call. Take one, or a new one; null where there is no memory.
define ptr @take(ptr %blocks, i64 %size) #2 {{
{_EACH}
%b = atomicrmw xchg ptr %p, ptr null acquire, align 8
%z = icmp eq ptr %b, null
br i1 %z, label %next, label %found
{_NEXT}
end:
%f = call ptr @malloc(i64 %size)
ret ptr %f
found:
ret ptr %b
}}
; The same where calls need different sizes: a block begins with its size, and one that is too small makes way.
define ptr @take_sized(ptr %blocks, i64 %size) #2 {{
{_EACH}
%b = atomicrmw xchg ptr %p, ptr null acquire, align 8
%z = icmp eq ptr %b, null
br i1 %z, label %next, label %found
{_NEXT}
found:
%h = load i64, ptr %b
%s = icmp uge i64 %h, %size
br i1 %s, label %good, label %small
small:
call void @free(ptr %b)
br label %end
end:
%all = add i64 %size, 8
%f = call ptr @malloc(i64 %all)
%none = icmp eq ptr %f, null
br i1 %none, label %poor, label %fresh
fresh:
store i64 %size, ptr %f
ret ptr %f
good:
ret ptr %b
poor:
ret ptr null
}}
; Give one back.
define void @give(ptr %blocks, ptr %b) #2 {{
{_EACH}
%x = cmpxchg ptr %p, ptr null, ptr %b release monotonic, align 8
%z = extractvalue {{ ptr, i1 }} %x, 1
br i1 %z, label %done, label %next
{_NEXT}
end:
call void @free(ptr %b)
br label %done
done:
ret void
}}
; Free all.
define void @drop(ptr %blocks) #2 {{
{_EACH}
%b = atomicrmw xchg ptr %p, ptr null acquire, align 8
call void @free(ptr %b)
br label %next
{_NEXT}
end:
ret void
}}"""


def kept_blocks(name: str) -> str:
    """Room for the blocks that a kernel keeps."""
    return f"@{name} = internal global [{BLOCKS} x ptr] zeroinitializer, align 8"


def aligned(name: str, block: str) -> list[str]:
    """The first place in a block that a vector may start at."""
    return [
        f"{name}.0 = getelementptr i8, ptr {block}, i64 {ALIGNMENT - 1}",
        f"{name} = call ptr @llvm.ptrmask.p0.i64(ptr {name}.0, i64 {-ALIGNMENT})",
    ]


def _line(item: int) -> str:
    type_ = f"i{item * 8}"
    return f"""line{item}:
  %j{item} = phi i64 [ 0, %row ], [ %n{item}, %line{item} ]
  %o{item} = mul i64 %j{item}, %stride
  %s{item} = getelementptr i8, ptr %far, i64 %o{item}
  %d{item} = getelementptr {type_}, ptr %near, i64 %j{item}
  %from{item} = select i1 %out, ptr %d{item}, ptr %s{item}
  %to{item} = select i1 %out, ptr %s{item}, ptr %d{item}
  %v{item} = load {type_}, ptr %from{item}, align {item}
  store {type_} %v{item}, ptr %to{item}, align {item}
  %n{item} = add i64 %j{item}, 1
  %m{item} = icmp slt i64 %n{item}, %columns
  br i1 %m{item}, label %line{item}, label %row_end"""


MOVE = f"""; Copy an array of some strides to C order or (%out) back.
define void @move(ptr %packed, ptr %loose, ptr %strides, ptr %shape, i64 %rank, i64 %rows, i64 %item,
                  i1 %out) #1 {{
entry:
  %last = sub i64 %rank, 1
  %pc = getelementptr i64, ptr %shape, i64 %last
  %columns = load i64, ptr %pc
  %ps = getelementptr i64, ptr %strides, i64 %last
  %stride = load i64, ptr %ps
  %bytes = mul i64 %columns, %item
  br label %start
start:
  %r = phi i64 [ 0, %entry ], [ %r1, %row_end ]
  br label %axis
axis:
  %left = phi i64 [ %last, %start ], [ %a, %step ]
  %rest = phi i64 [ %r, %start ], [ %rest1, %step ]
  %offset = phi i64 [ 0, %start ], [ %offset1, %step ]
  %outer = icmp sgt i64 %left, 0
  br i1 %outer, label %step, label %row
step:
  %a = sub i64 %left, 1
  %pe = getelementptr i64, ptr %shape, i64 %a
  %extent = load i64, ptr %pe
  %index = urem i64 %rest, %extent
  %rest1 = udiv i64 %rest, %extent
  %pt = getelementptr i64, ptr %strides, i64 %a
  %far_step = load i64, ptr %pt
  %gone = mul i64 %index, %far_step
  %offset1 = add i64 %offset, %gone
  br label %axis
row:
  %far = getelementptr i8, ptr %loose, i64 %offset
  %nearby = mul i64 %r, %bytes
  %near = getelementptr i8, ptr %packed, i64 %nearby
  switch i64 %item, label %line1 [ i64 8, label %line8 i64 4, label %line4 ]
{_line(8)}
{_line(4)}
{_line(1)}
row_end:
  %r1 = add i64 %r, 1
  %more = icmp slt i64 %r1, %rows
  br i1 %more, label %start, label %done
done:
  ret void
}}"""


def _look(element: str) -> str:
    """`look_<element>(ptr, i64 n)`: 1 where there is a NaN among n numbers, 2 where there is an infinity, or both."""
    mask = "0x7FF0000000000000"
    vector, conditions = f"<8 x {element}>", "<8 x i1>"
    code = "f64" if element == "double" else "f32"
    infinite = f"splat ({element} {mask})"
    return f"""define i32 @look_{element}(ptr %p, i64 %n) #1 {{
entry:
  %whole = and i64 %n, -8
  %many = icmp sgt i64 %whole, 0
  br i1 %many, label %wide, label %rest
wide:
  %i = phi i64 [ 0, %entry ], [ %i1, %wide ]
  %nans = phi {conditions} [ zeroinitializer, %entry ], [ %nans1, %wide ]
  %infs = phi {conditions} [ zeroinitializer, %entry ], [ %infs1, %wide ]
  %q = getelementptr {element}, ptr %p, i64 %i
  %v = load {vector}, ptr %q, align 4
  %a = call {vector} @llvm.fabs.v8{code}({vector} %v)
  %u = fcmp uno {vector} %v, %v
  %e = fcmp oeq {vector} %a, {infinite}
  %nans1 = or {conditions} %nans, %u
  %infs1 = or {conditions} %infs, %e
  %i1 = add i64 %i, 8
  %more = icmp slt i64 %i1, %whole
  br i1 %more, label %wide, label %wide_end
wide_end:
  %bn = call i1 @llvm.vector.reduce.or.v8i1({conditions} %nans1)
  %bi = call i1 @llvm.vector.reduce.or.v8i1({conditions} %infs1)
  %sn = select i1 %bn, i32 1, i32 0
  %si = select i1 %bi, i32 2, i32 0
  %s = or i32 %sn, %si
  br label %rest
rest:
  %found = phi i32 [ 0, %entry ], [ %s, %wide_end ]
  %some = icmp slt i64 %whole, %n
  br i1 %some, label %one, label %done
one:
  %k = phi i64 [ %whole, %rest ], [ %k1, %one ]
  %f = phi i32 [ %found, %rest ], [ %f1, %one ]
  %t = getelementptr {element}, ptr %p, i64 %k
  %x = load {element}, ptr %t
  %y = call {element} @llvm.fabs.{code}({element} %x)
  %xu = fcmp uno {element} %x, %x
  %xe = fcmp oeq {element} %y, {mask}
  %xn = select i1 %xu, i32 1, i32 0
  %xi = select i1 %xe, i32 2, i32 0
  %xs = or i32 %xn, %xi
  %f1 = or i32 %f, %xs
  %k1 = add i64 %k, 1
  %left = icmp slt i64 %k1, %n
  br i1 %left, label %one, label %done
done:
  %result = phi i32 [ %found, %rest ], [ %f1, %one ]
  ret i32 %result
}}"""


_DECLARATIONS = (
    "declare ptr @malloc(i64) #0",
    "declare void @free(ptr) #0",
    "declare <8 x double> @llvm.fabs.v8f64(<8 x double>)",
    "declare <8 x float> @llvm.fabs.v8f32(<8 x float>)",
    "declare double @llvm.fabs.f64(double)",
    "declare float @llvm.fabs.f32(float)",
    "declare i1 @llvm.vector.reduce.or.v8i1(<8 x i1>)",
)

MASK = "declare ptr @llvm.ptrmask.p0.i64(ptr, i64)"

SUPPORT = {
    "take": "declare ptr @take(ptr, i64) #0",
    "take_sized": "declare ptr @take_sized(ptr, i64) #0",
    "give": "declare void @give(ptr, ptr) #0",
    "drop": "declare void @drop(ptr) #0",
    "move": "declare void @move(ptr, ptr, ptr, ptr, i64, i64, i64, i1) #0",
    "look_double": "declare i32 @look_double(ptr, i64) #0",
    "look_float": "declare i32 @look_float(ptr, i64) #0",
    **LOCK_DECLARATIONS,
}
"""The functions, and how the module of a kernel declares them."""


@functools.cache
def support() -> Code:
    """The functions, compiled once in a process and never dropped."""
    made = support_module()
    return jit.link_support("workspace", made.text, made.addresses(), made.exports, prepare=set_lock_functions)


def support_module() -> Module:
    """The module of these functions."""
    lines, exports = [KEEP, MOVE, _look("double"), _look("float"), _LOCK], tuple(SUPPORT)
    return assemble_module(_DECLARATIONS, lines, ["malloc", "free"], (*exports, LOCK_FUNCTIONS))
