"""Python's cyclic collector, paused while many nodes are made."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from symdiff import locks

_pauses = 0
_pause_lock = locks.lock(locks.COLLECTOR)
_collector_was_on = False


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause Python's cyclic collector while many nodes are made (it would walk them all, again and again).

    Sections may nest and run in several threads; the caller's setting comes back after the last.
    """
    global _pauses, _collector_was_on
    with _pause_lock:
        if _pauses == 0:
            _collector_was_on = gc.isenabled()
            gc.disable()
        _pauses += 1
    try:
        yield
    finally:
        with _pause_lock:
            _pauses -= 1
            if _pauses == 0 and _collector_was_on:
                gc.enable()
