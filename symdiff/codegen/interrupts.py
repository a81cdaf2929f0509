"""Signals are heard while native code runs: long loops ask now and then whether Python has one to handle.

Loops count what they do. From time to time the main thread takes Python's lock and lets it run the handlers of signals
that have come. Where one raises (KeyboardInterrupt, as a rule), the loops end early, and the exception is raised as
soon as the interpreter goes on: before any instruction sees a result.
"""

from __future__ import annotations

import functools
import sys

from symdiff.codegen import jit
from symdiff.codegen.module import assemble_module
from symdiff.native.arrays import MAIN_THREAD, SIGNAL_FUNCTIONS, SIGNAL_NAMES, set_signal_functions
from symdiff.native.code import Code

INTERRUPTED = "interrupted"
DECLARATION = f"declare i32 @{INTERRUPTED}(i64) #0"

BETWEEN = 1 << 22
"""Additions of vectors, or what takes as long, between looks at the clock: one to some milliseconds."""

PATIENCE = 50_000_000
"""Nanoseconds between two times that the lock is taken, which may have to wait for other threads."""

CLOCK = SIGNAL_NAMES.index("clock_gettime")
FULL = 1 << 62

STOPPED = "stopped"
"""The block where a function goes that is to end early."""


def _function(name: str, k: int) -> str:
    return f"%{name}_p = getelementptr ptr, ptr @{SIGNAL_FUNCTIONS}, i64 {k}\n  %{name} = load ptr, ptr %{name}_p"


CODE = f"""@{SIGNAL_FUNCTIONS} = global [{CLOCK + 1} x ptr] zeroinitializer
@{MAIN_THREAD} = global i64 0
@spent = internal global i64 0
@last = internal global i64 0
@held = internal global [3 x ptr] zeroinitializer
; Count so much work; 1 where the loops are to end.
define i32 @{INTERRUPTED}(i64 %work) #1 {{
entry:
  %before = load atomic i64, ptr @spent monotonic, align 8
  %now = add i64 %before, %work
  store atomic i64 %now, ptr @spent monotonic, align 8
  %much = icmp ugt i64 %now, {BETWEEN}
  br i1 %much, label %look, label %no
look:
  %stop = call i32 @look()
  ret i32 %stop
no:
  ret i32 0
}}
define internal i32 @look() #2 {{
entry:
  %time = alloca [2 x i64], align 8
  {_function("ident", 0)}
  %absent = icmp eq ptr %ident, null
  br i1 %absent, label %go_on, label %who
who:
  %me = call i64 %ident()
  %main = load i64, ptr @{MAIN_THREAD}
  %mine = icmp eq i64 %me, %main
  %raised = load atomic ptr, ptr @held monotonic, align 8, align 8
  %stopping = icmp ne ptr %raised, null
  br i1 %stopping, label %stop, label %rested
stop:
  %answer = zext i1 %mine to i32
  ret i32 %answer
rested:
  br i1 %mine, label %clock, label %go_on
clock:
  {_function("gettime", CLOCK)}
  %timeless = icmp eq ptr %gettime, null
  br i1 %timeless, label %ask, label %read
read:
  %r = call i32 %gettime(i32 {6 if sys.platform == "darwin" else 1}, ptr %time)
  %seconds = load i64, ptr %time
  %rest_p = getelementptr i64, ptr %time, i64 1
  %rest = load i64, ptr %rest_p
  %whole = mul i64 %seconds, 1000000000
  %now = add i64 %whole, %rest
  %then = load i64, ptr @last
  %gone = sub i64 %now, %then
  %soon = icmp ult i64 %gone, {PATIENCE}
  br i1 %soon, label %go_on, label %late
late:
  store i64 %now, ptr @last
  br label %ask
ask:
  {_function("ensure", 1)}
  {_function("release", 2)}
  {_function("check", 3)}
  %state = call i32 %ensure()
  %found = call i32 %check()
  %none = icmp eq i32 %found, 0
  br i1 %none, label %back, label %caught
back:
  call void %release(i32 %state)
  br label %go_on
caught:
  {_function("fetch", 4)}
  {_function("later", 6)}
  %value_p = getelementptr ptr, ptr @held, i64 1
  %trace_p = getelementptr ptr, ptr @held, i64 2
  call void %fetch(ptr @held, ptr %value_p, ptr %trace_p)
  store atomic i64 {FULL}, ptr @spent monotonic, align 8
  %queued = call i32 %later(ptr @raise_held, ptr null)
  call void %release(i32 %state)
  ret i32 1
go_on:
  store atomic i64 0, ptr @spent monotonic, align 8
  ret i32 0
}}
; What the interpreter calls when it goes on.
define internal i32 @raise_held(ptr %nothing) #2 {{
entry:
  {_function("restore", 5)}
  %value_p = getelementptr ptr, ptr @held, i64 1
  %trace_p = getelementptr ptr, ptr @held, i64 2
  %kind = load ptr, ptr @held
  %value = load ptr, ptr %value_p
  %trace = load ptr, ptr %trace_p
  store ptr null, ptr @held
  store atomic i64 0, ptr @spent monotonic, align 8
  call void %restore(ptr %kind, ptr %value, ptr %trace)
  ret i32 -1
}}"""


@functools.cache
def interrupts() -> Code:
    """The code of `interrupted`, compiled once in a process and never dropped."""
    module = assemble_module((), [CODE], (), (INTERRUPTED, SIGNAL_FUNCTIONS, MAIN_THREAD))
    return jit.link_support("interrupts", module.text, {}, module.exports, prepare=set_signal_functions)


def poll(lines: list[str], label: str, work: int | str) -> None:
    """Count so much work, and go on in the new block `label`, or at `STOPPED` where the loops are to end."""
    lines += [
        f"%{label}s = call i32 @{INTERRUPTED}(i64 {work})",
        f"%{label}c = icmp ne i32 %{label}s, 0",
        f"br i1 %{label}c, label %{STOPPED}, label %{label}",
        f"{label}:",
    ]
