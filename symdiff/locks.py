"""Locks that a fork takes first, so that a child never finds one held by a thread that it does not have.

They have an order, in which nested sections take them and in which the fork takes them too: nothing can deadlock.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from typing import Any

SPECIALIZING, COMPILING, GRAPHS, COLLECTOR, CACHE, ENGINES, DEFINING = range(7)
"""What each lock is for, outermost first."""


def has_one_lock() -> bool:
    """Whether this is a CPython whose threads share one lock, on which what reads and writes its objects relies.

    A free-threaded build is none, even where its lock is on: its objects are laid out and counted otherwise.
    """
    return (
        sys.implementation.name == "cpython"
        and "t" not in getattr(sys, "abiflags", "")
        and "free-threading" not in sys.version
        and bool(getattr(sys, "_is_gil_enabled", lambda: True)())
    )


_guards: list[tuple[int, Callable[[], object], Callable[[], object]]] = []


def guard(level: int, take: Callable[[], object], release: Callable[[], object]) -> None:
    """Let every fork call `take` before and `release` after, in both processes."""
    _guards.append((level, take, release))
    _guards.sort(key=lambda g: g[0])


def lock(level: int) -> Any:
    """A re-entrant lock of the module that calls this, taken by every fork."""
    made = threading.RLock()
    guard(level, made.acquire, made.release)
    return made


def _before() -> None:
    for _, take, _ in _guards:
        take()


def _after() -> None:
    for _, _, release in reversed(_guards):
        release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
