"""Long calls give Python's lock away: NumPy keeps it wherever a call has few results, however long it takes."""

from __future__ import annotations

import ctypes

from symdiff.codegen.python_api import is_supported_python
from symdiff.sizes import is_open

LONG = 200_000
"""Operations from which a call gives the lock away; to get it back can cost other threads' turns."""

FUNCTIONS = "python_functions"
"""The table of CPython's functions, which is set after loading; without them the lock is kept."""

NAMES = ("PyGILState_GetThisThreadState", "PyThreadState_GetUnchecked", "PyEval_SaveThread", "PyEval_RestoreThread")
OLD_NAMES = {"PyThreadState_GetUnchecked": "_PyThreadState_UncheckedGet"}

CODE = f"""@{FUNCTIONS} = global [{len(NAMES)} x ptr] zeroinitializer
; Give the lock away where this thread has it; what to take it back with, or null.
define ptr @step_aside() #1 {{
  %own_at = getelementptr ptr, ptr @{FUNCTIONS}, i64 0
  %own = load ptr, ptr %own_at
  %absent = icmp eq ptr %own, null
  br i1 %absent, label %keep, label %ask
ask:
  %now_at = getelementptr ptr, ptr @{FUNCTIONS}, i64 1
  %now = load ptr, ptr %now_at
  %this = call ptr %own()
  %holder = call ptr %now()
  %known = icmp ne ptr %this, null
  %holds = icmp eq ptr %this, %holder
  %has = and i1 %known, %holds
  br i1 %has, label %give, label %keep
give:
  %save_at = getelementptr ptr, ptr @{FUNCTIONS}, i64 2
  %save = load ptr, ptr %save_at
  %state = call ptr %save()
  ret ptr %state
keep:
  ret ptr null
}}
define void @step_back(ptr %state) #1 {{
  %kept = icmp eq ptr %state, null
  br i1 %kept, label %done, label %take
take:
  %restore_at = getelementptr ptr, ptr @{FUNCTIONS}, i64 3
  %restore = load ptr, ptr %restore_at
  call void %restore(ptr %state)
  br label %done
done:
  ret void
}}"""

DECLARATIONS = {"step_aside": "declare ptr @step_aside() #0", "step_back": "declare void @step_back(ptr) #0"}


def set_functions(table: int) -> None:
    """Write the addresses of CPython's functions into the table, where this is a Python that has them."""
    if not is_supported_python():
        return
    found = []
    for name in NAMES:
        function = getattr(ctypes.pythonapi, name, None) or getattr(ctypes.pythonapi, OLD_NAMES.get(name, name), None)
        if function is None:
            return
        found.append(ctypes.cast(function, ctypes.c_void_p).value or 0)
    words = (ctypes.c_size_t * len(NAMES)).from_address(table)
    for k, address in enumerate(found):
        words[k] = address


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
