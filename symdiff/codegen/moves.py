"""Functions in LLVM IR that copy operands to buffers and back, for the driver of batches.

A buffer holds an operand element by element: of each element of its core the values for all points of a block, one
after the other, `unit` bytes from one element to the next.
"""

from __future__ import annotations

RECORD = ("kind", "size", "rank", "first", "item", "buffer", "scratch")
"""The first words of an operand's record; the sizes of its core's axes follow. `first` is the place of its first core
stride, `item` an element's bytes, `buffer` and `scratch` are the places of its memory."""

UNROLLED = 8


def record_fields(*names: str) -> str:
    """Lines that load these words of `%record`."""
    lines = []
    for name in names:
        lines.append(f"  %{name}_p = getelementptr i64, ptr %record, i64 {RECORD.index(name)}")
        lines.append(f"  %{name} = load i64, ptr %{name}_p")
    return "\n".join(lines)


def _copy(item: int) -> str:
    """A function that copies n numbers of some bytes in any strides."""
    type_ = f"i{item * 8}"
    far = [
        line
        for side in "sd"
        for line in (
            f"  %{side}x1 = add i64 %{side}x, 0",
            *(f"  %{side}x{j} = add i64 %{side}x{j - 1}, %{side}x" for j in range(2, UNROLLED + 1)),
        )
    ]
    loads, stores = [], []
    for j in range(UNROLLED):
        at = [f"  %{side}{j} = getelementptr i8, ptr %{side}, i64 {f'%{side}x{j}' if j else '0'}" for side in "sd"]
        loads += [at[0], f"  %v{j} = load {type_}, ptr %s{j}"]
        stores += [at[1], f"  store {type_} %v{j}, ptr %d{j}"]
    body = "\n".join([*loads, *stores])
    return f"""
define internal void @copy{item}(ptr %from, i64 %sx, ptr %to, i64 %dx, i64 %n) #1 {{
entry:
{chr(10).join(far)}
  %many = icmp sge i64 %n, {UNROLLED}
  br i1 %many, label %wide, label %rest
wide:
  %i = phi i64 [ {UNROLLED}, %entry ], [ %i1, %wide ]
  %s = phi ptr [ %from, %entry ], [ %snext, %wide ]
  %d = phi ptr [ %to, %entry ], [ %dnext, %wide ]
{body}
  %snext = getelementptr i8, ptr %s, i64 %sx{UNROLLED}
  %dnext = getelementptr i8, ptr %d, i64 %dx{UNROLLED}
  %i1 = add i64 %i, {UNROLLED}
  %more = icmp sle i64 %i1, %n
  br i1 %more, label %wide, label %rest
rest:
  %k = phi i64 [ 0, %entry ], [ %i, %wide ]
  %sr = phi ptr [ %from, %entry ], [ %snext, %wide ]
  %dr = phi ptr [ %to, %entry ], [ %dnext, %wide ]
  %some = icmp slt i64 %k, %n
  br i1 %some, label %one, label %done
one:
  %j = phi i64 [ %k, %rest ], [ %j1, %one ]
  %so = phi ptr [ %sr, %rest ], [ %so1, %one ]
  %do = phi ptr [ %dr, %rest ], [ %do1, %one ]
  %v = load {type_}, ptr %so
  store {type_} %v, ptr %do
  %so1 = getelementptr i8, ptr %so, i64 %sx
  %do1 = getelementptr i8, ptr %do, i64 %dx
  %j1 = add i64 %j, 1
  %left = icmp slt i64 %j1, %n
  br i1 %left, label %one, label %done
done:
  ret void
}}
"""


_MOVE = f"""
define internal void @copy(ptr %from, i64 %sx, ptr %to, i64 %dx, i64 %n, i64 %item) #1 {{
entry:
  switch i64 %item, label %bytes [ i64 8, label %doubles i64 4, label %floats ]
doubles:
  call void @copy8(ptr %from, i64 %sx, ptr %to, i64 %dx, i64 %n)
  ret void
floats:
  call void @copy4(ptr %from, i64 %sx, ptr %to, i64 %dx, i64 %n)
  ret void
bytes:
  call void @copy1(ptr %from, i64 %sx, ptr %to, i64 %dx, i64 %n)
  ret void
}}
define internal ptr @record(ptr %data, i64 %k) #1 {{
  %at = add i64 %k, <places>
  %pp = getelementptr i64, ptr %data, i64 %at
  %place = load i64, ptr %pp
  %record = getelementptr i64, ptr %data, i64 %place
  ret ptr %record
}}
; Where element e of a core lies.
define internal i64 @offset(ptr %record, ptr %steps, i64 %e) #1 {{
entry:
{record_fields("rank", "first")}
  br label %axis
axis:
  %left = phi i64 [ %rank, %entry ], [ %a, %step ]
  %rest = phi i64 [ %e, %entry ], [ %rest1, %step ]
  %offset = phi i64 [ 0, %entry ], [ %offset1, %step ]
  %inner = icmp sgt i64 %left, 0
  br i1 %inner, label %step, label %end
step:
  %a = sub i64 %left, 1
  %at = add i64 %a, {len(RECORD)}
  %ps = getelementptr i64, ptr %record, i64 %at
  %extent = load i64, ptr %ps
  %last = icmp eq i64 %a, 0
  %divisor = select i1 %last, i64 9223372036854775807, i64 %extent
  %index = urem i64 %rest, %divisor
  %rest1 = udiv i64 %rest, %divisor
  %which = add i64 %first, %a
  %pt = getelementptr i64, ptr %steps, i64 %which
  %stride = load i64, ptr %pt
  %move = mul i64 %index, %stride
  %offset1 = add i64 %offset, %move
  br label %axis
end:
  ret i64 %offset
}}
; The core strides of an operand whose elements are %unit bytes apart.
define internal void @core_strides(ptr %steps, ptr %record, i64 %unit) #1 {{
entry:
{record_fields("rank", "first")}
  br label %axis
axis:
  %left = phi i64 [ %rank, %entry ], [ %a, %step ]
  %stride = phi i64 [ %unit, %entry ], [ %stride1, %step ]
  %inner = icmp sgt i64 %left, 0
  br i1 %inner, label %step, label %end
step:
  %a = sub i64 %left, 1
  %at = add i64 %a, {len(RECORD)}
  %ps = getelementptr i64, ptr %record, i64 %at
  %extent = load i64, ptr %ps
  %which = add i64 %first, %a
  %pt = getelementptr i64, ptr %steps, i64 %which
  store i64 %stride, ptr %pt
  %stride1 = mul i64 %stride, %extent
  br label %axis
end:
  ret void
}}
; Copy m points to a buffer and repeat the last of them until there are %padded.
define internal void @pack(ptr %base, i64 %step, ptr %steps, ptr %record, ptr %buffer, i64 %unit, i64 %m,
                           i64 %padded) #1 {{
entry:
{record_fields("size", "item")}
  %extra = sub i64 %padded, %m
  %lacks = icmp sgt i64 %extra, 0
  %m1 = sub i64 %m, 1
  %back = mul i64 %m1, %step
  %used = mul i64 %m, %item
  %some = icmp sgt i64 %size, 0
  br i1 %some, label %element, label %done
element:
  %e = phi i64 [ 0, %entry ], [ %e1, %next ]
  %to = phi ptr [ %buffer, %entry ], [ %to1, %next ]
  %off = call i64 @offset(ptr %record, ptr %steps, i64 %e)
  %from = getelementptr i8, ptr %base, i64 %off
  call void @copy(ptr %from, i64 %step, ptr %to, i64 %item, i64 %m, i64 %item)
  br i1 %lacks, label %pad, label %next
pad:
  %last = getelementptr i8, ptr %from, i64 %back
  %end = getelementptr i8, ptr %to, i64 %used
  call void @copy(ptr %last, i64 0, ptr %end, i64 %item, i64 %extra, i64 %item)
  br label %next
next:
  %e1 = add i64 %e, 1
  %to1 = getelementptr i8, ptr %to, i64 %unit
  %more = icmp slt i64 %e1, %size
  br i1 %more, label %element, label %done
done:
  ret void
}}
define internal void @unpack(ptr %base, i64 %step, ptr %steps, ptr %record, ptr %buffer, i64 %unit, i64 %m) #1 {{
entry:
{record_fields("size", "item")}
  %some = icmp sgt i64 %size, 0
  br i1 %some, label %element, label %done
element:
  %e = phi i64 [ 0, %entry ], [ %e1, %element ]
  %from = phi ptr [ %buffer, %entry ], [ %from1, %element ]
  %off = call i64 @offset(ptr %record, ptr %steps, i64 %e)
  %to = getelementptr i8, ptr %base, i64 %off
  call void @copy(ptr %from, i64 %item, ptr %to, i64 %step, i64 %m, i64 %item)
  %e1 = add i64 %e, 1
  %from1 = getelementptr i8, ptr %from, i64 %unit
  %more = icmp slt i64 %e1, %size
  br i1 %more, label %element, label %done
done:
  ret void
}}
"""


def moves(places: int) -> str:
    """The text of the functions; `places` is where a description says where the records are."""
    return "".join([*map(_copy, (8, 4, 1)), _MOVE.replace("<places>", str(places))])
