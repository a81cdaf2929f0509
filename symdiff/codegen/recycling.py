"""Memory of big results that were dropped, used again for new ones: a fresh page costs more than the numbers on it.

NumPy lets the memory of arrays come from a handler (NEP 49), which each array remembers until it is freed. While a big
batch is computed, the handler of this module is in place. An array whose memory it gave is like any other: it owns it,
can be resized, and shares it with nobody. What is freed is kept in a few places, up to `LIMIT` bytes in all, and given
out again where its size fits.

The functions of the handler take no lock: places are exchanged atomically, so any thread can call them, with or without
the interpreter's lock, and a child process finds nothing taken. Before the memory of an array lie 64 bytes: where what
malloc gave begins, and how many bytes the array can have.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff import numeric
from symdiff.codegen import jit
from symdiff.codegen.module import assemble_module

SMALLEST, LARGEST, LIMIT = 2**17, 2**24, 2**25
"""Bytes of the blocks that are kept, and of all together."""

PLACES = 8
NAME = b"symdiff"
SET_HANDLER = 304
"""The slot of PyDataMem_SetHandler in NumPy's table, since 1.22."""

FUNCTIONS = ("take", "take_zeros", "change", "give")

# `%pool`: PLACES places, how many bytes lie there, a counter that says whose turn it is to make room.
CODE = f"""
define internal void @drop(ptr %data) #1 {{
  %at = getelementptr i8, ptr %data, i64 -64
  %raw = load ptr, ptr %at
  call void @free(ptr %raw)
  ret void
}}
define internal i64 @capacity(ptr %data) #1 {{
  %at = getelementptr i8, ptr %data, i64 -56
  %bytes = load i64, ptr %at
  ret i64 %bytes
}}
; A block left the pool: its bytes are not counted any more.
define internal void @uncount(ptr %pool, i64 %bytes) #1 {{
  %at = getelementptr i64, ptr %pool, i64 {PLACES}
  %old = atomicrmw sub ptr %at, i64 %bytes seq_cst
  ret void
}}
; The place whose turn it is.
define internal ptr @turn(ptr %pool) #1 {{
  %at = getelementptr i64, ptr %pool, i64 {PLACES + 1}
  %count = atomicrmw add ptr %at, i64 1 seq_cst
  %k = urem i64 %count, {PLACES}
  %place = getelementptr ptr, ptr %pool, i64 %k
  ret ptr %place
}}
define internal void @drop_counted(ptr %pool, ptr %data) #1 {{
  %none = icmp eq ptr %data, null
  br i1 %none, label %done, label %some
some:
  %bytes = call i64 @capacity(ptr %data)
  call void @uncount(ptr %pool, i64 %bytes)
  call void @drop(ptr %data)
  br label %done
done:
  ret void
}}
define ptr @take(ptr %pool, i64 %size) #0 {{
entry:
  %large = icmp uge i64 %size, {SMALLEST}
  %small = icmp ule i64 %size, {LARGEST}
  %kept = and i1 %large, %small
  br i1 %kept, label %look, label %new
look:
  %k = phi i64 [ 0, %entry ], [ %k1, %next ]
  %place = getelementptr ptr, ptr %pool, i64 %k
  %there = load atomic ptr, ptr %place seq_cst, align 8
  %empty = icmp eq ptr %there, null
  br i1 %empty, label %next, label %try
try:
  %word = atomicrmw xchg ptr %place, i64 0 seq_cst
  %block = inttoptr i64 %word to ptr
  %gone = icmp eq i64 %word, 0
  br i1 %gone, label %next, label %measure
measure:
  %bytes = call i64 @capacity(ptr %block)
  %enough = icmp uge i64 %bytes, %size
  %quarter = lshr i64 %size, 2
  %most = add i64 %size, %quarter
  %near = icmp ule i64 %bytes, %most
  %fits = and i1 %enough, %near
  br i1 %fits, label %use, label %back
use:
  call void @uncount(ptr %pool, i64 %bytes)
  ret ptr %block
back:
  %pair = cmpxchg ptr %place, i64 0, i64 %word seq_cst seq_cst
  %returned = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %returned, label %next, label %full
full:
  call void @drop_counted(ptr %pool, ptr %block)
  br label %next
next:
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, {PLACES}
  br i1 %more, label %look, label %new
new:
  %over = icmp ugt i64 %size, 9223372036854775679
  br i1 %over, label %none, label %ask
ask:
  %all = add i64 %size, 128
  %raw = call ptr @malloc(i64 %all)
  %failed = icmp eq ptr %raw, null
  br i1 %failed, label %none, label %made
made:
  %number = ptrtoint ptr %raw to i64
  %beyond = add i64 %number, 127
  %aligned = and i64 %beyond, -64
  %data = inttoptr i64 %aligned to ptr
  %to_raw = getelementptr i8, ptr %data, i64 -64
  store ptr %raw, ptr %to_raw
  %to_size = getelementptr i8, ptr %data, i64 -56
  store i64 %size, ptr %to_size
  ret ptr %data
none:
  ret ptr null
}}
define ptr @take_zeros(ptr %pool, i64 %count, i64 %item) #0 {{
  %pair = call {{ i64, i1 }} @llvm.umul.with.overflow.i64(i64 %count, i64 %item)
  %over = extractvalue {{ i64, i1 }} %pair, 1
  %size = extractvalue {{ i64, i1 }} %pair, 0
  %asked = select i1 %over, i64 -1, i64 %size
  %data = call ptr @take(ptr %pool, i64 %asked)
  %failed = icmp eq ptr %data, null
  br i1 %failed, label %done, label %clear
clear:
  call void @llvm.memset.p0.i64(ptr %data, i8 0, i64 %size, i1 false)
  br label %done
done:
  ret ptr %data
}}
define void @give(ptr %pool, ptr %data, i64 %ignored) #0 {{
entry:
  %nothing = icmp eq ptr %data, null
  br i1 %nothing, label %done, label %weigh
weigh:
  %bytes = call i64 @capacity(ptr %data)
  %large = icmp uge i64 %bytes, {SMALLEST}
  %small = icmp ule i64 %bytes, {LARGEST}
  %kept = and i1 %large, %small
  br i1 %kept, label %count, label %drop
count:
  %tries = phi i64 [ 0, %weigh ], [ %tries1, %room ]
  %total = getelementptr i64, ptr %pool, i64 {PLACES}
  %before = atomicrmw add ptr %total, i64 %bytes seq_cst
  %after = add i64 %before, %bytes
  %within = icmp ule i64 %after, {LIMIT}
  br i1 %within, label %look, label %room
room:
  call void @uncount(ptr %pool, i64 %bytes)
  %its = call ptr @turn(ptr %pool)
  %old_word = atomicrmw xchg ptr %its, i64 0 seq_cst
  %old = inttoptr i64 %old_word to ptr
  call void @drop_counted(ptr %pool, ptr %old)
  %tries1 = add i64 %tries, 1
  %again = icmp ult i64 %tries1, {PLACES}
  br i1 %again, label %count, label %drop
look:
  %k = phi i64 [ 0, %count ], [ %k1, %next ]
  %place = getelementptr ptr, ptr %pool, i64 %k
  %word = ptrtoint ptr %data to i64
  %pair = cmpxchg ptr %place, i64 0, i64 %word seq_cst seq_cst
  %stored = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %stored, label %done, label %next
next:
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, {PLACES}
  br i1 %more, label %look, label %exchange
exchange:
  %turned = call ptr @turn(ptr %pool)
  %other_word = atomicrmw xchg ptr %turned, i64 %word seq_cst
  %other = inttoptr i64 %other_word to ptr
  call void @drop_counted(ptr %pool, ptr %other)
  br label %done
drop:
  call void @drop(ptr %data)
  br label %done
done:
  ret void
}}
define ptr @change(ptr %pool, ptr %data, i64 %size) #0 {{
  %new = call ptr @take(ptr %pool, i64 %size)
  %failed = icmp eq ptr %new, null
  %nothing = icmp eq ptr %data, null
  %done_already = or i1 %failed, %nothing
  br i1 %done_already, label %done, label %copy
copy:
  %bytes = call i64 @capacity(ptr %data)
  %less = icmp ult i64 %bytes, %size
  %moved = select i1 %less, i64 %bytes, i64 %size
  call void @llvm.memcpy.p0.p0.i64(ptr %new, ptr %data, i64 %moved, i1 false)
  call void @give(ptr %pool, ptr %data, i64 0)
  br label %done
done:
  ret ptr %new
}}
"""
DECLARATIONS = [
    "declare { i64, i1 } @llvm.umul.with.overflow.i64(i64, i64)",
    "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
    "declare ptr @malloc(i64) #0",
    "declare void @free(ptr) #0",
]


class _Handler(ctypes.Structure):
    """NumPy's PyDataMem_Handler."""

    _fields_ = [
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("pool", ctypes.c_void_p),
        *((name, ctypes.c_void_p) for name in FUNCTIONS),
    ]


class Pool:
    """Memory for big arrays, and NumPy's handler that takes from it.

    Arrays point to it as long as they live, so nothing of it is ever freed.
    """

    def __init__(self) -> None:
        module = assemble_module(DECLARATIONS, [CODE], ["malloc", "free", "memset", "memcpy"], FUNCTIONS)
        self._code = jit.link(module.text, module.addresses(), module.exports, 0)
        self._state = (ctypes.c_size_t * (PLACES + 2))()
        self.handler = _Handler(NAME, 1, ctypes.addressof(self._state), *(self._code[name] for name in FUNCTIONS))
        new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        self._name = ctypes.create_string_buffer(b"mem_handler")  # the capsule points to it
        self.capsule = new(("PyCapsule_New", ctypes.pythonapi))(
            ctypes.addressof(self.handler), ctypes.addressof(self._name), None
        )
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))

    @property
    def held(self) -> int:
        """The bytes that lie in the pool."""
        return int(self._state[PLACES])

    @property
    def blocks(self) -> int:
        """How many blocks lie in the pool."""
        return sum(word != 0 for word in self._state[:PLACES])


@functools.cache
def pool() -> tuple[Pool, Callable[[Any], Any]] | None:
    """The pool of this process and what puts a handler in place; None where this NumPy has no handlers."""
    try:
        from numpy._core.multiarray import get_handler_name
    except ImportError:
        return None
    address = numeric.array_slot(SET_HANDLER)
    if not address:
        return None
    put = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.py_object)(address)
    made = Pool()
    before = put(made.capsule)
    try:
        probe = np.empty(SMALLEST, np.uint8)
        works = get_handler_name(probe) == NAME.decode() and probe.ctypes.data % 64 == 0
    finally:
        put(before)
    return (made, put) if works else None


def is_big(values: Sequence[Any], bytes_a_point: int) -> bool:
    """Whether the result for these values may be big enough to be kept: never False where it is."""
    points, last = 1, None
    for value in values:
        shape = getattr(value, "shape", ())
        if shape != last and shape:
            points *= value.size
            last = shape
    return points * bytes_a_point >= SMALLEST


def call_recycling(call: Callable[..., Any], values: Sequence[Any]) -> Any:
    """`call(*values)`, whose new arrays may have memory of arrays that were dropped."""
    found = pool()
    if found is None:
        return call(*values)
    recycled, put = found
    before = put(recycled.capsule)
    try:
        return call(*values)
    finally:
        put(before)
