"""Python's cyclic collector, paused while many nodes are made."""

from __future__ import annotations

import gc

from symdiff import locks

_pauses = 0
_pause_lock = locks.lock(locks.COLLECTOR)
_collector_was_on = False


class _Paused:
    """A section without the collector. A class, because a generator takes three times as long to enter and leave."""

    __slots__ = ()

    def __enter__(self) -> None:
        global _pauses, _collector_was_on
        with _pause_lock:
            if _pauses == 0:
                _collector_was_on = gc.isenabled()
                gc.disable()
            _pauses += 1

    def __exit__(self, *_: object) -> None:
        global _pauses
        with _pause_lock:
            _pauses -= 1
            if _pauses == 0 and _collector_was_on:
                gc.enable()


_PAUSED = _Paused()


def collector_paused() -> _Paused:
    """Pause Python's cyclic collector while many nodes are made (it would walk them all, again and again).

    Sections may nest and run in several threads; the caller's setting comes back after the last.
    """
    return _PAUSED
