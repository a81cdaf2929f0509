"""What formulas may cost: bounds that hold for the process, for a thread, and for what was made under them."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from symdiff import reporting
from symdiff.errors import ArgumentError, LimitError, Place, nearest


class Limits:
    """Bounds on what a formula may cost: of the process. Assign to change them; `limits` changes them for a block.

    Attributes
    ----------
    text, tokens : characters and tokens of a text.
    name, digits : characters of a name, digits of a number.
    nodes : nodes of a graph, derivatives included.
    elements : elements of one array of a formula, whether it is ever in memory or not.
    operations : operations on numbers that one call may take: counted before it runs, and over all points of a batch.
    bytes : memory of one point of a call: results, constants and workspace.
    seconds : time of reading, differentiating or compiling one function.
    """

    text: int = 16_000_000
    tokens: int = 4_000_000
    name: int = 64
    digits: int = 400
    nodes: int = 5_000_000
    elements: int = 2**53
    operations: int = 10**14
    bytes: int = 2**32
    seconds: float = 3600.0

    def __init__(self, bounds: dict[str, Any]) -> None:
        self.__dict__.update(bounds)  # what is not among them is as the class says when it is asked for


UNTRUSTED: dict[str, Any] = {
    "text": 100_000,
    "tokens": 50_000,
    "nodes": 20_000,
    "elements": 2_000_000,
    "operations": 10**9,
    "bytes": 2**28,
    "seconds": 10.0,
}
"""For texts of strangers: what is within these takes seconds and some hundred megabytes."""

PRESETS = {"untrusted": UNTRUSTED}

CHEAP = 1_000_000
"""Operations that no call is refused for: counting would cost more."""

_PROCESS = Limits({})
_current: ContextVar[Limits] = ContextVar("_current", default=_PROCESS)


class _Timed:
    """A block of work on one function: when it began and has to end, and how far it is."""

    __slots__ = ("done", "end", "look", "report", "stage", "start", "total")

    def __init__(self, seconds: float) -> None:
        self.start = time.monotonic()
        self.end, self.look = self.start + seconds, self.start + reporting.LONG
        self.report: reporting.Reporter | None = None
        self.stage, self.done, self.total = "reading", 0, 0

    def tell(self, now: float) -> None:
        """Report how far it is; where nobody listens, never again."""
        self.report = self.report or reporting.reporter()
        self.look = now + reporting.EVERY if self.report else math.inf
        if self.report:
            self.report(reporting.Progress(self.stage, self.done, self.total or None, now - self.start))


_block: ContextVar[_Timed | None] = ContextVar("_block", default=None)

_UNCHANGED = nullcontext()

current = _current.get
"""The limits that hold here."""


@contextmanager
def limits(preset: str | None = None, /, **bounds: float) -> Iterator[None]:
    """A block in which other limits hold, for this thread (and its asynchronous tasks) alone.

    Blocks nest; what an inner one does not name stays. What is made in a block keeps its limits: derivatives, compiling
    and calls later on are bounded by them and by those that hold then, the stricter of both.

    Parameters
    ----------
    preset : "untrusted", for texts of strangers; `bounds` change single limits of it.
    bounds : limits by name; see `Limits`.

    Raises
    ------
    ArgumentError
        For another preset, another name, or a bound that is no positive number.

    Examples
    --------
    >>> import symdiff as sd
    >>> with sd.limits("untrusted"):
    ...     f = sd.function("sum(sin(arange(2000000000)*x))", ["x"])
    Traceback (most recent call last):
    ...
    symdiff.errors.LimitError: an array of 2,000,000,000 elements; the limit is 2,000,000 elements
    sum(sin(arange(2000000000)*x))
            ^^^^^^
    raise symdiff.Limits.elements, or write with symdiff.limits(elements=2_000_000_000)
    """
    if preset is not None and preset not in PRESETS:
        raise ArgumentError(f"there are no limits called {preset!r}", hint=f"write limits({next(iter(PRESETS))!r})")
    for name, bound in bounds.items():
        if name not in Limits.__annotations__:
            raise ArgumentError(f"there is no limit called {name}", hint=nearest(name, Limits.__annotations__))
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not bound > 0:
            raise ArgumentError(f"the limit {name} is {bound!r}", hint="give a positive number")
    named = PRESETS[preset] if preset is not None else {}
    token = _current.set(Limits({**current().__dict__, **named, **bounds}))
    try:
        yield
    finally:
        _current.reset(token)


def kept_limits() -> Limits | None:
    """What is to be kept beside a thing that is made here: the limits of the block, None outside of all."""
    found = current()
    return found if found.__dict__ else None


def stricter(*found: Limits | None) -> Limits | None:
    """Of each limit that any of these names the least; None where there are no limits."""
    merged: dict[str, Any] = {}
    for one in dict.fromkeys(found):
        if one is not None:
            for name, bound in one.__dict__.items():
                merged[name] = min(bound, merged.get(name, bound))
    return Limits(merged) if merged else None


def under(made: Limits | None) -> AbstractContextManager[None]:
    """A block in which the limits hold that something was made under, beside those that hold here."""
    here = current()
    return _UNCHANGED if made is None or made is here else _under(made, here)


@contextmanager
def _under(made: Limits, here: Limits) -> Iterator[None]:
    bounds = {name: min(bound, getattr(here, name)) for name, bound in made.__dict__.items()}
    token = _current.set(Limits({**here.__dict__, **bounds}))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def resumed(made: Limits | None) -> Iterator[None]:
    """A block in which the limits hold that something was made under, instead of those that hold here."""
    token = _current.set(made or _PROCESS)
    try:
        yield
    finally:
        _current.reset(token)


def exceeded(limit: str, value: float, what: str, *, place: Place | None = None) -> LimitError:
    """The error for something that has, or takes, `value` of what a limit counts."""
    bound = getattr(current(), limit)
    enough = f"{value:_}" if isinstance(value, int) else "…"
    return LimitError(
        f"{what}; the limit is {bound:,} {_UNITS.get(limit, limit)}",
        hint=f"raise symdiff.Limits.{limit}, or write with symdiff.limits({limit}={enough})",
        place=place,
    )


_UNITS = {"text": "characters", "name": "characters"}


def timed() -> AbstractContextManager[None]:
    """A block that may take the seconds of the limits; within another one it shares that one's."""
    return _UNCHANGED if _block.get() is not None else _timed()


@contextmanager
def _timed() -> Iterator[None]:
    block = _Timed(current().seconds)
    token = _block.set(block)
    try:
        yield
    finally:
        _block.reset(token)
        if block.report is not None:
            block.report(reporting.Progress(reporting.DONE, 0, None, time.monotonic() - block.start))


def stage(name: str, total: int = 0) -> None:
    """Say what the `timed` block is at, and how many parts that has where they are known."""
    block = _block.get()
    if block is not None:
        block.stage, block.done, block.total = name, 0, total


def time_left(done: int | None = None) -> float | None:
    """The seconds that are left in a `timed` block; None outside of one. `done`: how far the stage is.

    Raises
    ------
    LimitError
        Where none are left.
    """
    block = _block.get()
    if block is None:
        return None
    now = time.monotonic()
    left = block.end - now
    if left <= 0:
        raise too_slow()
    if done is not None:
        block.done = done
    if now >= block.look:
        block.tell(now)
    return left


def too_slow() -> LimitError:
    """The error for work that takes too long."""
    return exceeded("seconds", current().seconds, "this takes too long")
