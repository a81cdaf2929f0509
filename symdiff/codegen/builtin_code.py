"""The machine code behind fast calls: one CPython function for all kernels, driven by a record of what each takes.

It is compiled once in a process. Its `self` is a tuple: first the callable that answers every call but the plain ones,
then a bytes object with the record, words of 64 bits: those of FIELDS, then one after the other

    operands   for each the place of its memory among the values
    arrays     for each: its operand, its description (a NumPy dtype), its rank, the place of its sizes in the record
    scalars    for each: 1 for a condition, the place of its memory among the values
    tuples     for each: its size, then for each item the object, and 1 where the object is needed again
    strides    as NumPy passes them to a loop
    sizes      of all arrays

Objects are numbered: arrays, then scalars, then tuples; the last is the result. All places are in bytes.
"""

from __future__ import annotations

import functools

from symdiff.codegen import jit
from symdiff.codegen.module import ATTRIBUTES
from symdiff.native.calls import BUILTIN, FORWARD, numbered
from symdiff.native.code import Code
from symdiff.native.objects import Python, python

KNOWN = ("float", "float64", "int", "ndarray", "true", "false")
"""Objects that the code knows by their addresses. They come with the record, so that the code is the same in every
process."""

FIELDS = ("arity", "loop", "one", "strides", "no_work", "single", "operands", "arrays", "scalars", "tuples", *KNOWN)
"""How many arguments; the kernel's loop; 1, the size of the batch; the place of the strides; 0, the workspace that it
is offered; the place of the only result, a number, or -1; how many operands, arrays, scalars and tuples there are."""

LARGEST_VALUES, LARGEST_OPERANDS, LARGEST_OBJECTS = 2048, 64, 128
"""Bytes of numbers, and how many operands and objects there is room for in the frame of a call."""

LARGEST_FRAME_BYTES = LARGEST_VALUES + 8 * (LARGEST_OPERANDS + LARGEST_OBJECTS)
"""Within a page of memory, beyond which some platforms want the stack to be probed."""

CODE = """
define ptr @{builtin}(ptr %self, ptr %args, i64 %given, ptr %keywords) #0 {{
entry:
  %values = alloca [{values} x i8], align 16
  %pointers = alloca [{operands} x ptr]
  %objects = alloca [{objects} x ptr]
  %overflow = alloca i32
  %own = getelementptr i8, ptr %self, i64 {record}
  %bytes = load ptr, ptr %own
  %record = getelementptr i8, ptr %bytes, i64 {text}
{fields}
  %right = icmp eq i64 %given, %arity
  %alone = icmp eq ptr %keywords, null
  %fits = and i1 %right, %alone
  br i1 %fits, label %look, label %general
look:
  %to_operands = getelementptr i64, ptr %record, i64 {head}
  %any = icmp sgt i64 %arity, 0
  br i1 %any, label %argument, label %operand

; Numbers: the values of exact floats, of numpy.float64, and of exact integers of 64 bits.
argument:
  %k = phi i64 [ 0, %look ], [ %k1, %taken ]
  %pk = getelementptr ptr, ptr %args, i64 %k
  %object = load ptr, ptr %pk
  %pt = getelementptr i8, ptr %object, i64 {type}
  %kind = load ptr, ptr %pt
  %is_float = icmp eq ptr %kind, %known_float
  br i1 %is_float, label %read, label %other
other:
  %is_scalar = icmp eq ptr %kind, %known_float64
  br i1 %is_scalar, label %read, label %maybe
maybe:
  %is_integer = icmp eq ptr %kind, %known_int
  br i1 %is_integer, label %integer, label %general
integer:
  %whole = call i64 @PyLong_AsLongLongAndOverflow(ptr %object, ptr %overflow)
  %over = load i32, ptr %overflow
  %within = icmp eq i32 %over, 0
  %converted = sitofp i64 %whole to double
  br i1 %within, label %taken, label %general
read:
  %pn = getelementptr i8, ptr %object, i64 {number}
  %held = load double, ptr %pn
  br label %taken
taken:
  %x = phi double [ %held, %read ], [ %converted, %integer ]
  %px = getelementptr double, ptr %values, i64 %k
  store double %x, ptr %px
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k1, %arity
  br i1 %more, label %argument, label %operand

operand:
  %j = phi i64 [ 0, %look ], [ 0, %taken ], [ %j1, %operand ]
  %pj = phi ptr [ %to_operands, %look ], [ %to_operands, %taken ], [ %pj1, %operand ]
  %place = load i64, ptr %pj
  %memory = getelementptr i8, ptr %values, i64 %place
  %pp = getelementptr ptr, ptr %pointers, i64 %j
  store ptr %memory, ptr %pp
  %j1 = add i64 %j, 1
  %pj1 = getelementptr i64, ptr %pj, i64 1
  %more_j = icmp slt i64 %j1, %operands
  br i1 %more_j, label %operand, label %reserve

; New arrays, whose memory the kernel writes.
reserve:
  %some_arrays = icmp sgt i64 %arrays, 0
  br i1 %some_arrays, label %array, label %run
array:
  %a = phi i64 [ 0, %reserve ], [ %a1, %array_made ]
  %pa = phi ptr [ %pj1, %reserve ], [ %pa4, %array_made ]
  %which = load i64, ptr %pa
  %pa1 = getelementptr i64, ptr %pa, i64 1
  %description = load ptr, ptr %pa1
  %pa2 = getelementptr i64, ptr %pa, i64 2
  %rank = load i64, ptr %pa2
  %rank32 = trunc i64 %rank to i32
  %pa3 = getelementptr i64, ptr %pa, i64 3
  %sizes = load i64, ptr %pa3
  %p_sizes = getelementptr i8, ptr %record, i64 %sizes
  call void @Py_IncRef(ptr %description)
  %made = call ptr @PyArray_NewFromDescr(ptr %known_ndarray, ptr %description, i32 %rank32, ptr %p_sizes, {rest})
  %no_array = icmp eq ptr %made, null
  br i1 %no_array, label %failed, label %array_made
array_made:
  %po = getelementptr ptr, ptr %objects, i64 %a
  store ptr %made, ptr %po
  %pd = getelementptr i8, ptr %made, i64 {data}
  %elements = load ptr, ptr %pd
  %pw = getelementptr ptr, ptr %pointers, i64 %which
  store ptr %elements, ptr %pw
  %a1 = add i64 %a, 1
  %pa4 = getelementptr i64, ptr %pa, i64 4
  %more_a = icmp slt i64 %a1, %arrays
  br i1 %more_a, label %array, label %run

; With workspace, even none, the loop leaves the exceptions in the status word: to put it back costs 6 ns.
run:
  %to_scalars = phi ptr [ %pj1, %reserve ], [ %pa4, %array_made ]
  %to_strides = getelementptr i8, ptr %record, i64 %strides
  %outcome = call i32 %loop(ptr %pointers, ptr %p_one, ptr %to_strides, ptr %p_no_work)
  %success = icmp eq i32 %outcome, 0
  br i1 %success, label %box, label %no_memory
no_memory:
  %ignored = call ptr @PyErr_NoMemory()
  br label %failed

box:
  %is_single = icmp sge i64 %single, 0
  br i1 %is_single, label %alone_float, label %several
alone_float:
  %ps = getelementptr i8, ptr %values, i64 %single
  %result = load double, ptr %ps
  %boxed = tail call ptr @PyFloat_FromDouble(double %result)
  ret ptr %boxed
several:
  %first = add i64 %arrays, %scalars
  %end = add i64 %first, %tuples
  %some_scalars = icmp sgt i64 %scalars, 0
  br i1 %some_scalars, label %scalar, label %group
scalar:
  %at = phi i64 [ %arrays, %several ], [ %at1, %scalar_made ]
  %pk0 = phi ptr [ %to_scalars, %several ], [ %pk2, %scalar_made ]
  %condition = load i64, ptr %pk0
  %pk1 = getelementptr i64, ptr %pk0, i64 1
  %where = load i64, ptr %pk1
  %pv = getelementptr i8, ptr %values, i64 %where
  %is_condition = icmp ne i64 %condition, 0
  br i1 %is_condition, label %truth, label %real
truth:
  %byte = load i8, ptr %pv
  %holds = icmp ne i8 %byte, 0
  %truth_value = select i1 %holds, ptr %known_true, ptr %known_false
  call void @Py_IncRef(ptr %truth_value)
  br label %scalar_made
real:
  %number = load double, ptr %pv
  %number_made = call ptr @PyFloat_FromDouble(double %number)
  %no_number = icmp eq ptr %number_made, null
  br i1 %no_number, label %failed, label %scalar_made
scalar_made:
  %new = phi ptr [ %truth_value, %truth ], [ %number_made, %real ]
  %pn1 = getelementptr ptr, ptr %objects, i64 %at
  store ptr %new, ptr %pn1
  %pk2 = getelementptr i64, ptr %pk0, i64 2
  %at1 = add i64 %at, 1
  %more_s = icmp slt i64 %at1, %first
  br i1 %more_s, label %scalar, label %group

group:
  %to_tuples = phi ptr [ %to_scalars, %several ], [ %pk2, %scalar_made ]
  %some_tuples = icmp sgt i64 %tuples, 0
  br i1 %some_tuples, label %tuple, label %finish
tuple:
  %t = phi i64 [ %first, %group ], [ %t1, %tuple_made ]
  %pg = phi ptr [ %to_tuples, %group ], [ %pg2, %tuple_made ]
  %size = load i64, ptr %pg
  %pg1 = getelementptr i64, ptr %pg, i64 1
  %holder = call ptr @PyTuple_New(i64 %size)
  %no_tuple = icmp eq ptr %holder, null
  br i1 %no_tuple, label %failed, label %fill
fill:
  %items = getelementptr i8, ptr %holder, i64 {items}
  %filled = icmp sgt i64 %size, 0
  br i1 %filled, label %item, label %tuple_made
item:
  %i = phi i64 [ 0, %fill ], [ %i1, %placed ]
  %pi = phi ptr [ %pg1, %fill ], [ %pi2, %placed ]
  %taken_from = load i64, ptr %pi
  %pi1 = getelementptr i64, ptr %pi, i64 1
  %again = load i64, ptr %pi1
  %source = getelementptr ptr, ptr %objects, i64 %taken_from
  %moved = load ptr, ptr %source
  %target = getelementptr ptr, ptr %items, i64 %i
  store ptr %moved, ptr %target
  %needed = icmp ne i64 %again, 0
  br i1 %needed, label %share, label %give
share:
  call void @Py_IncRef(ptr %moved)
  br label %placed
give:
  store ptr null, ptr %source
  br label %placed
placed:
  %pi2 = getelementptr i64, ptr %pi, i64 2
  %i1 = add i64 %i, 1
  %more_i = icmp slt i64 %i1, %size
  br i1 %more_i, label %item, label %tuple_made
tuple_made:
  %pg2 = phi ptr [ %pg1, %fill ], [ %pi2, %placed ]
  %pt1 = getelementptr ptr, ptr %objects, i64 %t
  store ptr %holder, ptr %pt1
  %t1 = add i64 %t, 1
  %more_t = icmp slt i64 %t1, %end
  br i1 %more_t, label %tuple, label %finish
finish:
  %last = sub i64 %end, 1
  %pr = getelementptr ptr, ptr %objects, i64 %last
  %final = load ptr, ptr %pr
  ret ptr %final

; An exception is set: give back the objects made so far.
failed:
  %count = phi i64 [ %a, %array ], [ %arrays, %no_memory ], [ %at, %real ], [ %t, %tuple ]
  br label %drop
drop:
  %d = phi i64 [ 0, %failed ], [ %d1, %dropped ]
  %more_d = icmp slt i64 %d, %count
  br i1 %more_d, label %dropped, label %raise
dropped:
  %pd1 = getelementptr ptr, ptr %objects, i64 %d
  %lost = load ptr, ptr %pd1
  call void @Py_DecRef(ptr %lost)
  %d1 = add i64 %d, 1
  br label %drop
raise:
  ret ptr null

; A tail call: the frame is gone when Python runs on, maybe deep into itself.
general:
  %path = getelementptr i8, ptr %self, i64 {items}
  %callable = load ptr, ptr %path
  %answer = tail call ptr @PyObject_Vectorcall(ptr %callable, ptr %args, i64 %given, ptr %keywords)
  ret ptr %answer
}}
"""

# What CPython calls for an object that has this function's address: it calls what lies in the slot behind the address,
# and holds it meanwhile, because a call can put something else there.
FORWARDING = """
define ptr @{forward}(ptr %self, ptr %args, i64 %given, ptr %keywords) #0 {{
  %place = getelementptr i8, ptr %self, i64 {slot}
  %target = load ptr, ptr %place
  %empty = icmp eq ptr %target, null
  br i1 %empty, label %deleted, label %present
deleted:
  call void @PyErr_BadInternalCall()
  ret ptr null
present:
  call void @Py_IncRef(ptr %target)
  %answer = call ptr @PyObject_Vectorcall(ptr %target, ptr %args, i64 %given, ptr %keywords)
  call void @Py_DecRef(ptr %target)
  ret ptr %answer
}}
"""

DECLARATIONS = """
declare void @PyErr_BadInternalCall() #0
declare ptr @PyFloat_FromDouble(double) #0
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr) #0
declare ptr @PyTuple_New(i64) #0
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr) #0
declare ptr @PyErr_NoMemory() #0
declare void @Py_IncRef(ptr) #0
declare void @Py_DecRef(ptr) #0
declare ptr @PyArray_NewFromDescr(ptr, ptr, i32, ptr, ptr, ptr, i32, ptr) #0
"""


def write_builtin(found: Python) -> tuple[str, dict[str, int]]:
    """The module of the function, and the addresses of what it calls, under names of its own."""
    fields = []
    for k, name in enumerate(FIELDS):
        fields.append(f"  %p_{name} = getelementptr i64, ptr %record, i64 {k}")
        if name == "loop":
            fields.append("  %loop = load ptr, ptr %p_loop")
        elif name in KNOWN:
            fields.append(f"  %known_{name} = load ptr, ptr %p_{name}")
        elif name not in ("one", "no_work"):
            fields.append(f"  %{name} = load i64, ptr %p_{name}")
    text = DECLARATIONS + CODE.format(
        builtin=BUILTIN,
        fields="\n".join(fields),
        values=LARGEST_VALUES,
        operands=LARGEST_OPERANDS,
        objects=LARGEST_OBJECTS,
        items=found.items,
        record=found.items + 8,
        text=found.text,
        type=found.type,
        number=found.number,
        data=found.data,
        head=len(FIELDS),
        rest="ptr null, ptr null, i32 0, ptr null",
    )
    text += FORWARDING.format(forward=FORWARD, slot=found.slot)
    for k, name in enumerate(found.functions):
        text = text.replace(f"@{name}(", f"@python_{k}(")
    return text + "\n".join([*ATTRIBUTES, ""]), numbered(found.functions)


@functools.cache
def builtin_code() -> Code | None:
    """The code, compiled once in a process and never dropped; None where this Python is not as expected."""
    found = python()
    if found is None:
        return None
    text, imports = write_builtin(found)
    return jit.link_support("builtin", text, imports, [BUILTIN, FORWARD])
