"""Memory of big results that were dropped, used again for new ones: a fresh page costs more than the numbers on it.

NumPy lets the memory of arrays come from a handler (NEP 49), which each array remembers until it is freed. While a big
batch is computed, the handler of this module is in place. An array whose memory it gave is like any other: it owns it,
can be resized, and shares it with nobody. What is freed is kept in a few places, up to `LIMIT` bytes in all, and given
out again where its size fits.

Blocks of more than `LARGEST` bytes have places of their own, up to a share of the machine's memory. While one lies
there the system may take its pages whenever it is short of memory (MADV_FREE): so nothing is held that somebody else
needs, and where nobody does the pages are there when the block is given out again. One that did not fit `PASSES` times
is freed.

The functions of the handler take no lock: places are exchanged atomically, so any thread can call them, with or without
the interpreter's lock, and a child process finds nothing taken. Before the memory of an array lie 64 bytes: where what
malloc gave begins, how many bytes the array can have, and how often it did not fit.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.codegen import jit
from symdiff.codegen.module import assemble_module
from symdiff.native.calls import array_slot

SMALLEST, LARGEST, LIMIT = 2**17, 2**24, 2**25
"""Bytes of the blocks that are kept, and of all together; of larger ones `share_of_memory()`."""

PLACES, PASSES = 8, 32
STATE = PLACES + 3
"""Words for blocks of one kind: their places, how many bytes lie there, whose turn it is to make room, the limit."""

HUGE = 2**22
"""Bytes from which on Linux is asked for huge pages, as NumPy asks."""

PAGE = 2**16
"""What pages of memory are a part of, on every system: the code is the same for all."""

SHARE = 8
"""Larger blocks may take one part in so many of the machine's memory."""

LINUX, DARWIN = sys.platform == "linux", sys.platform == "darwin"
FREE_LATER, HUGE_PAGES = 5 if DARWIN else 8, 14
"""What madvise is told: that pages may go, and to use huge ones."""

NAME = b"symdiff"
SET_HANDLER = 304
"""The slot of PyDataMem_SetHandler in NumPy's table, since 1.22."""

FUNCTIONS = ("take", "take_zeros", "change", "give")


def share_of_memory() -> int:
    """Bytes that all larger blocks together may have; none where the system cannot be told that it may take them."""
    if not (LINUX or DARWIN):
        return 0
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // SHARE
    except (ValueError, OSError):
        return 0


def _ask_for_huge_pages() -> str:
    if not LINUX:
        return "br label %done"
    return f"""%is_huge = icmp uge i64 %size, {HUGE}
  br i1 %is_huge, label %huge, label %done
huge:
  %ignored = call i32 @tell(ptr %data, i64 %size, i32 {HUGE_PAGES})
  br label %done"""


# `%pool`: the state for small blocks, then that for large ones.
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
; The state for blocks of a size, or null where none are kept.
define internal ptr @kind(ptr %pool, i64 %bytes) #1 {{
  %enough = icmp uge i64 %bytes, {SMALLEST}
  %small = icmp ule i64 %bytes, {LARGEST}
  %first = and i1 %enough, %small
  %other = getelementptr i64, ptr %pool, i64 {STATE}
  %limit_at = getelementptr i64, ptr %other, i64 {PLACES + 2}
  %limit = load i64, ptr %limit_at
  %within = icmp ule i64 %bytes, %limit
  %second = and i1 %enough, %within
  %large = select i1 %second, ptr %other, ptr null
  %found = select i1 %first, ptr %pool, ptr %large
  ret ptr %found
}}
; Tell the system what the pages of a block are for: 0 where it listens.
define internal i32 @tell(ptr %data, i64 %bytes, i32 %advice) #1 {{
  %begin = ptrtoint ptr %data to i64
  %end = add i64 %begin, %bytes
  %beyond = add i64 %begin, {PAGE - 1}
  %start = and i64 %beyond, {-PAGE}
  %stop = and i64 %end, {-PAGE}
  %length = sub i64 %stop, %start
  %page = inttoptr i64 %start to ptr
  %answer = call i32 @madvise(ptr %page, i64 %length, i32 %advice)
  ret i32 %answer
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
  %own = call ptr @kind(ptr %pool, i64 %size)
  %unkept = icmp eq ptr %own, null
  br i1 %unkept, label %new, label %look
look:
  %k = phi i64 [ 0, %entry ], [ %k1, %next ]
  %place = getelementptr ptr, ptr %own, i64 %k
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
  %passes_at = getelementptr i8, ptr %block, i64 -48
  br i1 %fits, label %use, label %pass
use:
  store i64 0, ptr %passes_at
  call void @uncount(ptr %own, i64 %bytes)
  ret ptr %block
pass:
  %passed = load i64, ptr %passes_at
  %passes = add i64 %passed, 1
  store i64 %passes, ptr %passes_at
  %often = icmp ugt i64 %passes, {PASSES}
  %is_large = icmp ugt i64 %bytes, {LARGEST}
  %useless = and i1 %often, %is_large
  br i1 %useless, label %full, label %back
back:
  %pair = cmpxchg ptr %place, i64 0, i64 %word seq_cst seq_cst
  %returned = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %returned, label %next, label %full
full:
  call void @drop_counted(ptr %own, ptr %block)
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
  %to_passes = getelementptr i8, ptr %data, i64 -48
  store i64 0, ptr %to_passes
  {_ask_for_huge_pages()}
done:
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
  %own = call ptr @kind(ptr %pool, i64 %bytes)
  %unkept = icmp eq ptr %own, null
  br i1 %unkept, label %drop, label %kept
kept:
  %large = icmp ugt i64 %bytes, {LARGEST}
  br i1 %large, label %lend, label %count
lend:
  %refused = call i32 @tell(ptr %data, i64 %bytes, i32 {FREE_LATER})
  %heard = icmp eq i32 %refused, 0
  br i1 %heard, label %count, label %drop
count:
  %tries = phi i64 [ 0, %kept ], [ 0, %lend ], [ %tries1, %room ]
  %total = getelementptr i64, ptr %own, i64 {PLACES}
  %limit_at = getelementptr i64, ptr %own, i64 {PLACES + 2}
  %limit = load i64, ptr %limit_at
  %before = atomicrmw add ptr %total, i64 %bytes seq_cst
  %after = add i64 %before, %bytes
  %within = icmp ule i64 %after, %limit
  br i1 %within, label %look, label %room
room:
  call void @uncount(ptr %own, i64 %bytes)
  %its = call ptr @turn(ptr %own)
  %old_word = atomicrmw xchg ptr %its, i64 0 seq_cst
  %old = inttoptr i64 %old_word to ptr
  call void @drop_counted(ptr %own, ptr %old)
  %tries1 = add i64 %tries, 1
  %again = icmp ult i64 %tries1, {PLACES}
  br i1 %again, label %count, label %drop
look:
  %k = phi i64 [ 0, %count ], [ %k1, %next ]
  %place = getelementptr ptr, ptr %own, i64 %k
  %word = ptrtoint ptr %data to i64
  %pair = cmpxchg ptr %place, i64 0, i64 %word seq_cst seq_cst
  %stored = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %stored, label %done, label %next
next:
  %k1 = add i64 %k, 1
  %more = icmp ult i64 %k1, {PLACES}
  br i1 %more, label %look, label %exchange
exchange:
  %turned = call ptr @turn(ptr %own)
  %other_word = atomicrmw xchg ptr %turned, i64 %word seq_cst
  %other = inttoptr i64 %other_word to ptr
  call void @drop_counted(ptr %own, ptr %other)
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
    "declare i32 @madvise(ptr, i64, i32) #0",
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
        advice = ["madvise"] if LINUX or DARWIN else []
        code = CODE if advice else CODE + "define internal i32 @madvise(ptr %p, i64 %n, i32 %what) { ret i32 -1 }"
        names = DECLARATIONS if advice else DECLARATIONS[:-1]
        module = assemble_module(names, [code], ["malloc", "free", "memset", "memcpy", *advice], FUNCTIONS)
        self._code = jit.link_support("pool", module.text, module.addresses(), module.exports, level=0)
        self._state = (ctypes.c_size_t * (2 * STATE))()
        self._state[PLACES + 2], self._state[STATE + PLACES + 2] = LIMIT, share_of_memory()
        self.handler = _Handler(NAME, 1, ctypes.addressof(self._state), *(self._code[name] for name in FUNCTIONS))
        new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        self._name = ctypes.create_string_buffer(b"mem_handler")  # the capsule points to it
        self.capsule = new(("PyCapsule_New", ctypes.pythonapi))(
            ctypes.addressof(self.handler), ctypes.addressof(self._name), None
        )
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self))

    @property
    def held(self) -> int:
        """The bytes that lie in the pool, without those that the system may take."""
        return int(self._state[PLACES])

    @property
    def lent(self) -> int:
        """The bytes of larger blocks that lie in the pool, which the system may take."""
        return int(self._state[STATE + PLACES])

    @property
    def blocks(self) -> int:
        """How many blocks lie in the pool."""
        return sum(word != 0 for first in (0, STATE) for word in self._state[first : first + PLACES])


@functools.cache
def pool() -> tuple[Pool, Callable[[Any], Any]] | None:
    """The pool of this process and what puts a handler in place; None where this NumPy has no handlers."""
    try:
        from numpy._core.multiarray import get_handler_name
    except ImportError:
        return None
    address = array_slot(SET_HANDLER)
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
