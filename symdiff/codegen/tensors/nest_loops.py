"""The loops around the blocks of a nest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from symdiff.codegen.interrupts import BETWEEN, poll
from symdiff.sizes import is_open

SHARE = BETWEEN >> 4
"""The work between two looks for signals, at least."""

OFTEN = 64
"""Iterations between two looks, where sizes are not known."""


@dataclass(slots=True)
class Loop:
    """A loop around the blocks: over an axis of the space, or (axis -1) over parts of the innermost one."""

    axis: int
    size: int
    step: int = 1


@dataclass(slots=True)
class LoopCode:
    """The lines of a nest.

    Attributes
    ----------
    loops : from the outermost on; the innermost axis is none of them.
    headers : what is computed in each loop before the next one starts: `headers[0]` before the first.
    tails : what is computed after the loop inside has ended.
    work : about what the blocks of one row take, in additions of vectors.
    """

    loops: list[Loop]
    work: int = 0
    headers: list[list[str]] = field(default_factory=list)
    tails: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.headers = [[] for _ in range(len(self.loops) + 1)]
        self.tails = [[] for _ in self.loops]

    def assemble(self, inner: Sequence[str]) -> list[str]:
        """The loops with `inner` in them; begins and ends in an open block."""
        lines = list(self.headers[0])
        for t, loop in enumerate(self.loops):
            i = index_name(loop.axis)
            lines += [
                f"br label %pre{t}",
                f"pre{t}:",
                f"br label %loop{t}",
                f"loop{t}:",
                f"{i} = phi i64 [ 0, %pre{t} ], [ {i}n, %end{t} ]",
                *self.headers[t + 1],
            ]
        lines += inner
        heard, every = self._interruptible()
        for t in reversed(range(len(self.loops))):
            loop = self.loops[t]
            i = index_name(loop.axis)
            lines += self._interruption(i, every) if t == heard else []
            lines += [
                f"br label %end{t}",
                f"end{t}:",
                f"{i}n = add i64 {i}, {loop.step}",
                f"{i}m = icmp slt i64 {i}n, {loop.size}",
                f"br i1 {i}m, label %loop{t}, label %exit{t}",
                f"exit{t}:",
                *self.tails[t],
            ]
        return lines

    def _interruptible(self) -> tuple[int, int]:
        """The loop that looks for signals, -1 for none, and the work that it does between two looks."""
        t = len(self.loops) - 1
        if any(is_open(n) for n in (self.work, *(loop.size for loop in self.loops))):
            return t, OFTEN * self.work
        counts = [-(-loop.size // loop.step) for loop in self.loops]
        work = self.work
        if work * math.prod(counts) <= BETWEEN:
            return -1, 0
        while t > 0 and work * counts[t] <= BETWEEN:
            work *= counts[t]
            t -= 1
        return t, work

    def _interruption(self, index: str, work: int) -> list[str]:
        """A look for signals, in each iteration or where they are short in every so many."""
        lines: list[str] = []
        if is_open(work):
            times, work = OFTEN, work // OFTEN
        elif work >= SHARE:
            poll(lines, "heard", work)
            return lines
        else:
            times = 1 << (SHARE // max(1, work)).bit_length()
        lines += [
            f"%turn = and i64 {index}, {times - 1}",
            "%ended = icmp eq i64 %turn, 0",
            "br i1 %ended, label %listen, label %unheard",
            "listen:",
        ]
        poll(lines, "heard", times * work)
        return [*lines, "br label %unheard", "unheard:"]


def index_name(axis: int) -> str:
    """The value that counts a loop."""
    return f"%i{axis}" if axis >= 0 else "%part"
