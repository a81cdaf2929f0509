"""Functions in LLVM IR that bring the operands of a block of points into a form, for the driver of batches."""

from __future__ import annotations

from symdiff.codegen.moves import RECORD

HEAD = (
    "loop",
    "inputs",
    "all",
    "body",
    "lanes",
    "workspace",
    "block",
    "strides",
    "buffers",
    "scratch",
    "work",
    "places",
)
"""The words of a description: addresses, counts, bytes, operations of a point; from `places` on the place of each
operand's record, then that of the strides of one point in C order. The records and these strides follow."""


def _field(name: str) -> list[str]:
    return [f"%{name}_p = getelementptr i64, ptr %data, i64 {HEAD.index(name)}", f"%{name} = load i64, ptr %{name}_p"]


def head_fields(*names: str) -> str:
    """Lines that load these words of `%data`."""
    return "\n".join(line for name in names for line in _field(name))


# How each operand is used (0 where it lies, 1 copied, 2 repeated), and its steps then. With `last` everything that is
# used where it lies becomes copied.
CHOOSE = f"""
define internal i1 @choose(ptr %args, ptr %steps, ptr %cargs, ptr %csteps, ptr %modes, ptr %data, ptr %memory,
                           i1 %in_place, i1 %last) #1 {{
entry:
{head_fields("inputs", "all", "body", "lanes", "block")}
  %vector = icmp ne i64 %body, 0
  br label %operand
operand:
  %k = phi i64 [ 0, %entry ], [ %k1, %next ]
  %any = phi i1 [ false, %entry ], [ %any1, %next ]
  %record = call ptr @record(ptr %data, i64 %k)
  %pm = getelementptr i8, ptr %modes, i64 %k
  %ps = getelementptr i64, ptr %steps, i64 %k
  %step = load i64, ptr %ps
  %psize = getelementptr i64, ptr %record, i64 {RECORD.index("size")}
  %size = load i64, ptr %psize
  %pitem = getelementptr i64, ptr %record, i64 {RECORD.index("item")}
  %item = load i64, ptr %pitem
  %is_input = icmp slt i64 %k, %inputs
  %still0 = icmp eq i64 %step, 0
  %still1 = and i1 %still0, %is_input
  %fixed = xor i1 %in_place, true
  %still2 = and i1 %still1, %fixed
  %still = and i1 %still2, %vector
  %tight0 = icmp eq i64 %step, %item
  %loose = xor i1 %vector, true
  %tight1 = or i1 %tight0, %loose
  %danger = and i1 %in_place, %is_input
  %safe = xor i1 %danger, true
  %tight2 = and i1 %tight1, %safe
  %hollow = icmp eq i64 %size, 0
  %early = xor i1 %last, true
  %tight3 = and i1 %tight2, %early
  %tight = or i1 %tight3, %hollow
  %copied = select i1 %tight, i8 0, i8 1
  %mode = select i1 %still, i8 2, i8 %copied
  %old = load i8, ptr %pm
  store i8 %mode, ptr %pm
  %kept = icmp eq i8 %mode, 0
  br i1 %kept, label %next, label %buffer
buffer:
  %same = icmp eq i8 %mode, %old
  %again = and i1 %same, %last
  br i1 %again, label %next, label %set
set:
  %pb = getelementptr i64, ptr %record, i64 {RECORD.index("buffer")}
  %where = load i64, ptr %pb
  %here = getelementptr i8, ptr %memory, i64 %where
  %pa = getelementptr ptr, ptr %cargs, i64 %k
  store ptr %here, ptr %pa
  %repeated = icmp eq i8 %mode, 2
  %batch_step = select i1 %repeated, i64 0, i64 %item
  %pc = getelementptr i64, ptr %csteps, i64 %k
  store i64 %batch_step, ptr %pc
  %unit = mul i64 %item, %block
  call void @core_strides(ptr %csteps, ptr %record, i64 %unit)
  br i1 %repeated, label %repeat, label %next
repeat:
  %pbase = getelementptr ptr, ptr %args, i64 %k
  %base = load ptr, ptr %pbase
  call void @pack(ptr %base, i64 0, ptr %steps, ptr %record, ptr %here, i64 %unit, i64 1, i64 %lanes)
  br label %next
next:
  %copies = icmp eq i8 %mode, 1
  %any1 = or i1 %any, %copies
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %all
  br i1 %more, label %operand, label %done
done:
  ret i1 %any1
}}
"""

# The operands of the block of %m points from %at on: inputs are copied to buffers, or afterwards outputs from them.
BLOCK = f"""
define internal void @block(ptr %args, ptr %steps, ptr %cargs, ptr %modes, ptr %data, i64 %at, i64 %m, i1 %out) #1 {{
entry:
{head_fields("inputs", "all", "lanes", "block")}
  %from = select i1 %out, i64 %inputs, i64 0
  %some = icmp slt i64 %from, %all
  br i1 %some, label %operand, label %done
operand:
  %k = phi i64 [ %from, %entry ], [ %k1, %next ]
  %pm = getelementptr i8, ptr %modes, i64 %k
  %mode = load i8, ptr %pm
  %pbase = getelementptr ptr, ptr %args, i64 %k
  %base = load ptr, ptr %pbase
  %ps = getelementptr i64, ptr %steps, i64 %k
  %step = load i64, ptr %ps
  %far = mul i64 %at, %step
  %here = getelementptr i8, ptr %base, i64 %far
  %pa = getelementptr ptr, ptr %cargs, i64 %k
  switch i8 %mode, label %next [ i8 0, label %direct i8 1, label %copied ]
direct:
  store ptr %here, ptr %pa
  br label %next
copied:
  %record = call ptr @record(ptr %data, i64 %k)
  %pitem = getelementptr i64, ptr %record, i64 {RECORD.index("item")}
  %item = load i64, ptr %pitem
  %unit = mul i64 %item, %block
  %buffer = load ptr, ptr %pa
  br i1 %out, label %unpack, label %input
input:
  %is_input = icmp slt i64 %k, %inputs
  br i1 %is_input, label %pack, label %next
pack:
  %over = urem i64 %m, %lanes
  %exact = icmp eq i64 %over, 0
  %lack = sub i64 %lanes, %over
  %extra = select i1 %exact, i64 0, i64 %lack
  %padded = add i64 %m, %extra
  call void @pack(ptr %here, i64 %step, ptr %steps, ptr %record, ptr %buffer, i64 %unit, i64 %m, i64 %padded)
  br label %next
unpack:
  call void @unpack(ptr %here, i64 %step, ptr %steps, ptr %record, ptr %buffer, i64 %unit, i64 %m)
  br label %next
next:
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %all
  br i1 %more, label %operand, label %done
done:
  ret void
}}
"""
