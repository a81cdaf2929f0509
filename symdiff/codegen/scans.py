"""Functions in LLVM IR that look at operands, for the driver of batches: for NaN and infinities, and for overlaps."""

from __future__ import annotations

from symdiff.codegen.moves import RECORD, record_fields

SCANS = f"""
; NaN (1) and infinities (2) among the elements of one operand.
define internal i32 @scan(ptr %base, ptr %steps, ptr %record) #1 {{
entry:
{record_fields("kind", "size")}
  %number = icmp slt i64 %kind, 2
  %some = icmp sgt i64 %size, 0
  %go = and i1 %number, %some
  br i1 %go, label %element, label %end
element:
  %e = phi i64 [ 0, %entry ], [ %e1, %next ]
  %found = phi i32 [ 0, %entry ], [ %found1, %next ]
  %offset = call i64 @offset(ptr %record, ptr %steps, i64 %e)
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
}}
define internal i32 @scan_all(ptr %args, ptr %steps, ptr %data, i64 %from, i64 %to) #1 {{
entry:
  %some = icmp slt i64 %from, %to
  br i1 %some, label %operand, label %end
operand:
  %k = phi i64 [ %from, %entry ], [ %k1, %operand ]
  %found = phi i32 [ 0, %entry ], [ %found1, %operand ]
  %pa = getelementptr ptr, ptr %args, i64 %k
  %base = load ptr, ptr %pa
  %record = call ptr @record(ptr %data, i64 %k)
  %bits = call i32 @scan(ptr %base, ptr %steps, ptr %record)
  %found1 = or i32 %found, %bits
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %to
  br i1 %more, label %operand, label %end
end:
  %result = phi i32 [ 0, %entry ], [ %found1, %operand ]
  ret i32 %result
}}
; The first byte of n points of an operand and the first after them.
define internal {{ i64, i64 }} @extent(ptr %base, i64 %step, i64 %n, ptr %steps, ptr %record) #1 {{
entry:
{record_fields("size", "rank", "first", "item")}
  %start = ptrtoint ptr %base to i64
  %stop = add i64 %start, %item
  %n1 = sub i64 %n, 1
  %axes = add i64 %rank, 1
  %empty = icmp eq i64 %size, 0
  br i1 %empty, label %none, label %axis
none:
  ret {{ i64, i64 }} zeroinitializer
axis:
  %a = phi i64 [ 0, %entry ], [ %a1, %add ]
  %low = phi i64 [ %start, %entry ], [ %low1, %add ]
  %high = phi i64 [ %stop, %entry ], [ %high1, %add ]
  %batch = icmp eq i64 %a, 0
  br i1 %batch, label %add, label %core
core:
  %at = add i64 %a, {len(RECORD) - 1}
  %ps = getelementptr i64, ptr %record, i64 %at
  %extent = load i64, ptr %ps
  %extent1 = sub i64 %extent, 1
  %before = sub i64 %a, 1
  %which = add i64 %first, %before
  %pt = getelementptr i64, ptr %steps, i64 %which
  %stride0 = load i64, ptr %pt
  br label %add
add:
  %stride = phi i64 [ %step, %axis ], [ %stride0, %core ]
  %count = phi i64 [ %n1, %axis ], [ %extent1, %core ]
  %far = mul i64 %stride, %count
  %negative = icmp slt i64 %far, 0
  %down = select i1 %negative, i64 %far, i64 0
  %up = select i1 %negative, i64 0, i64 %far
  %low1 = add i64 %low, %down
  %high1 = add i64 %high, %up
  %a1 = add i64 %a, 1
  %more = icmp slt i64 %a1, %axes
  br i1 %more, label %axis, label %done
done:
  %pair0 = insertvalue {{ i64, i64 }} poison, i64 %low1, 0
  %pair1 = insertvalue {{ i64, i64 }} %pair0, i64 %high1, 1
  ret {{ i64, i64 }} %pair1
}}
; Whether an output lies in the memory of an input: 0 no; 1 yes, but no point's outputs in what later points read, so
; that a block's inputs may be read first; 2 yes, or it seems so: one point after the other.
define internal i32 @overlap(ptr %args, ptr %steps, i64 %n, ptr %data, i64 %inputs, i64 %all) #1 {{
entry:
  br label %outer
outer:
  %k = phi i64 [ 0, %entry ], [ %k1, %outer_next ]
  %found = phi i32 [ 0, %entry ], [ %found1, %outer_next ]
  %go = icmp slt i64 %k, %inputs
  br i1 %go, label %start, label %done
start:
  %pak = getelementptr ptr, ptr %args, i64 %k
  %base_k = load ptr, ptr %pak
  %psk = getelementptr i64, ptr %steps, i64 %k
  %step_k = load i64, ptr %psk
  %record_k = call ptr @record(ptr %data, i64 %k)
  %pair_k = call {{ i64, i64 }} @extent(ptr %base_k, i64 %step_k, i64 %n, ptr %steps, ptr %record_k)
  %low_k = extractvalue {{ i64, i64 }} %pair_k, 0
  %high_k = extractvalue {{ i64, i64 }} %pair_k, 1
  br label %inner
inner:
  %j = phi i64 [ %inputs, %start ], [ %j1, %inner_next ]
  %found1 = phi i32 [ %found, %start ], [ %found2, %inner_next ]
  %going = icmp slt i64 %j, %all
  br i1 %going, label %compare, label %outer_next
compare:
  %paj = getelementptr ptr, ptr %args, i64 %j
  %base_j = load ptr, ptr %paj
  %psj = getelementptr i64, ptr %steps, i64 %j
  %step_j = load i64, ptr %psj
  %record_j = call ptr @record(ptr %data, i64 %j)
  %pair_j = call {{ i64, i64 }} @extent(ptr %base_j, i64 %step_j, i64 %n, ptr %steps, ptr %record_j)
  %low_j = extractvalue {{ i64, i64 }} %pair_j, 0
  %high_j = extractvalue {{ i64, i64 }} %pair_j, 1
  %below = icmp ult i64 %low_k, %high_j
  %above = icmp ult i64 %low_j, %high_k
  %touch = and i1 %below, %above
  br i1 %touch, label %look, label %inner_next
look:
  %equal = icmp eq i64 %step_k, %step_j
  %moves = icmp ne i64 %step_k, 0
  %together = and i1 %equal, %moves
  br i1 %together, label %point, label %no
point:
  ; Each point within a window of its own?
  %negative = icmp slt i64 %step_k, 0
  %back = sub i64 0, %step_k
  %window = select i1 %negative, i64 %back, i64 %step_k
  %one_k = call {{ i64, i64 }} @extent(ptr %base_k, i64 %step_k, i64 1, ptr %steps, ptr %record_k)
  %one_j = call {{ i64, i64 }} @extent(ptr %base_j, i64 %step_j, i64 1, ptr %steps, ptr %record_j)
  %l_k = extractvalue {{ i64, i64 }} %one_k, 0
  %h_k = extractvalue {{ i64, i64 }} %one_k, 1
  %l_j = extractvalue {{ i64, i64 }} %one_j, 0
  %h_j = extractvalue {{ i64, i64 }} %one_j, 1
  %l_less = icmp ult i64 %l_k, %l_j
  %l = select i1 %l_less, i64 %l_k, i64 %l_j
  %h_more = icmp ugt i64 %h_k, %h_j
  %h = select i1 %h_more, i64 %h_k, i64 %h_j
  %span = sub i64 %h, %l
  %apart = icmp ule i64 %span, %window
  br i1 %apart, label %inner_next, label %run
run:
  ; Or numbers that are read before the outputs get there?
  %psize_k = getelementptr i64, ptr %record_k, i64 {RECORD.index("size")}
  %size_k = load i64, ptr %psize_k
  %psize_j = getelementptr i64, ptr %record_j, i64 {RECORD.index("size")}
  %size_j = load i64, ptr %psize_j
  %sizes = mul i64 %size_k, %size_j
  %numbers = icmp eq i64 %sizes, 1
  %difference = sub i64 %l_k, %l_j
  %up = icmp sge i64 %difference, 0
  %ahead0 = xor i1 %up, %negative
  %ahead = and i1 %numbers, %ahead0
  br i1 %ahead, label %inner_next, label %no
inner_next:
  %found2 = phi i32 [ %found1, %compare ], [ 1, %point ], [ 1, %run ]
  %j1 = add i64 %j, 1
  br label %inner
outer_next:
  %k1 = add i64 %k, 1
  br label %outer
no:
  ret i32 2
done:
  ret i32 %found
}}
"""
