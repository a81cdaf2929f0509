"""Compiling in the background: the optimized code takes the place of the first when it is ready."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from symdiff.errors import CompileError

if TYPE_CHECKING:
    from symdiff.codegen import Kernel
    from symdiff.functions.compiled import CompiledCase

_one_at_a_time = threading.Lock()


def improve(compiled: CompiledCase, make: Callable[[], Kernel]) -> threading.Thread:
    """Make another kernel in a thread and let `compiled` use it from then on; nothing where it was dropped before.

    LLVM works for one thread at a time, so a compilation that somebody waits for may have to wait for this one.
    """
    target = weakref.ref(compiled)

    def run() -> None:
        with _one_at_a_time:
            if target() is None:
                return
            try:
                kernel = make()
            except CompileError:
                return  # the first code stays, and it is right
            found = target()
            if found is not None:
                found.replace(kernel)

    thread = threading.Thread(target=run, name="symdiff compiles", daemon=False)
    thread.start()
    return thread
