"""The loops around the blocks of a nest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Loop:
    """A loop around the blocks: over an axis of the space, or (axis -1) over parts of the innermost one."""

    axis: int
    size: int
    step: int = 1


@dataclass(slots=True)
class Code:
    """The lines of a nest.

    Attributes
    ----------
    loops : from the outermost on; the innermost axis is none of them.
    headers : what is computed in each loop before the next one starts: `headers[0]` before the first.
    tails : what is computed after the loop inside has ended.
    """

    loops: list[Loop]
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
            lines += [f"br label %pre{t}", f"pre{t}:", f"br label %loop{t}", f"loop{t}:",
                      f"{i} = phi i64 [ 0, %pre{t} ], [ {i}n, %end{t} ]", *self.headers[t + 1]]  # fmt: skip
        lines += inner
        for t in reversed(range(len(self.loops))):
            loop = self.loops[t]
            i = index_name(loop.axis)
            lines += [f"br label %end{t}", f"end{t}:", f"{i}n = add i64 {i}, {loop.step}",
                      f"{i}m = icmp slt i64 {i}n, {loop.size}", f"br i1 {i}m, label %loop{t}, label %exit{t}",
                      f"exit{t}:", *self.tails[t]]  # fmt: skip
        return lines


def index_name(axis: int) -> str:
    """The value that counts a loop."""
    return f"%i{axis}" if axis >= 0 else "%part"
