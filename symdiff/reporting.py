"""What is told of work that takes longer than a second: on a terminal, or to whoever asks."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from symdiff.errors import ArgumentError

LONG, EVERY = 1.0, 0.1
"""Seconds until the first report, and between two."""

DONE = "done"
WIDTH = 24
"""Characters of a bar."""


class Progress(NamedTuple):
    """How far reading, differentiating or compiling one function has come.

    Attributes
    ----------
    stage : "reading", "deriving", "optimizing", "writing", "machine code"; at the end "done", whether it worked or not.
    done : nodes of the graph that is being made, or functions that are written.
    total : how many there will be, where that is known: functions, not nodes. LLVM compiles all functions of a module
        in one call and does not tell how far it is.
    seconds : since the beginning.

    Examples
    --------
    >>> import symdiff as sd
    >>> str(sd.Progress("writing", 10, 40, 2.5))
    'writing 10 of 40 functions, 2.5 s'
    """

    stage: str
    done: int
    total: int | None
    seconds: float

    def __str__(self) -> str:
        if self.stage == "machine code":
            count = f" of {self.total:,} functions" if self.total else ""
        elif self.total is not None:
            count = f" {self.done:,} of {self.total:,} functions"
        else:
            count = f", {self.done:,} nodes" if self.done else ""
        return f"{self.stage}{count}, {self.seconds:.1f} s"


Reporter = Callable[[Progress], object]

_asked: ContextVar[Reporter | bool | None] = ContextVar("_asked", default=None)


@contextmanager
def progress(show: Reporter | bool = True) -> Iterator[None]:
    """A block in which work that takes over a second tells how far it is, for this thread (and its asynchronous tasks).

    Without such a block a line on a terminal tells it, in the main thread, where standard error is one; nothing is
    written elsewhere.

    Parameters
    ----------
    show : a function that is called with a `Progress` about ten times a second, in the thread that does the work; what
        it raises ends the work. True writes to standard error, whatever that is; False tells nothing.

    Raises
    ------
    ArgumentError
        For anything else.

    Examples
    --------
    >>> import symdiff as sd
    >>> with sd.progress(lambda p: print(p.stage)):  # a short formula, of which nothing is told
    ...     sd.grad("x**2*y", ["x", "y"])(3.0, 2.0)
    array([12.,  9.])
    """
    if not callable(show) and not isinstance(show, bool):
        raise ArgumentError(f"progress is {show!r}", hint="give a function of a Progress, True or False")
    token = _asked.set(show)
    try:
        yield
    finally:
        _asked.reset(token)


def reporter() -> Reporter | None:
    """What reports go to here; None where nobody is told."""
    asked = _asked.get()
    if asked is None or asked is True:
        stream = sys.stderr
        terminal = stream is not None and stream.isatty()
        if asked is None and not (terminal and threading.current_thread() is threading.main_thread()):
            return None
        return _Line(stream) if terminal else _Lines(stream)
    return asked or None


class _Line:
    """One line of a terminal, which is written over and is gone at the end."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __call__(self, now: Progress) -> None:
        if now.stage == DONE:
            self._write("\r\x1b[K")
            return
        bar = ""
        if now.total and now.stage == "writing":
            full = WIDTH * now.done // now.total
            bar = f"[{'#' * full}{' ' * (WIDTH - full)}] "
        self._write(f"\r\x1b[Ksymdiff: {bar}{now}")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


class _Lines(_Line):
    """A line for each stage, for files and pipes."""

    stage = ""

    def __call__(self, now: Progress) -> None:
        if now.stage != self.stage:
            self.stage = now.stage
            self._write(f"symdiff: {now}\n")
