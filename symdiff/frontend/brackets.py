"""What can be open while an expression is read: brackets, calls, subscripts, and bodies of functions of the text."""

from __future__ import annotations

from dataclasses import dataclass, field

from symdiff.frontend.calls import Entry
from symdiff.frontend.names import Helper
from symdiff.frontend.subscripts import Subscript

TOP, GROUP, LIST, INDEX, CALL, PAIRS, PAIR, INLINED, TUPLE = range(9)
"""What is open: nothing; ( ); [ ]; a subscript; a call; Piecewise(; one of its pairs; the body of a helper; what may
become a tuple, as an argument."""


@dataclass(slots=True)
class Bracket:
    """Something that is open: where it starts (a token), and how many operators and values were there before it."""

    kind: int
    at: int
    base: int
    values: int
    subscript: Subscript | None = None


@dataclass(slots=True)
class Calling(Bracket):
    """A call whose arguments are read: those with names, the name that waits for its value, those before the names.

    `entry` is the function that is called, None for one of the text itself; `start` is its first character.
    """

    keywords: dict[str, int] = field(default_factory=dict)
    keyword: str | None = None
    positional: int = 0
    entry: Entry | None = None
    start: int = -1

    def takes_parts(self) -> bool:
        """Whether tuples and None may be arguments."""
        return self.entry is not None and self.entry.takes_parts

    def takes_texts(self) -> bool:
        """Whether texts in quotes may be arguments."""
        return self.entry is not None and self.entry.takes_texts


@dataclass(slots=True)
class Pairs(Bracket):
    """The pairs of a Piecewise so far."""

    pairs: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Inlined(Bracket):
    """A helper's body that is read at a call, and what comes back when it ends."""

    arguments: tuple[int, ...] = ()
    closing: int = 0
    helper: Helper | None = None
    scope: dict[str, int] | None = None
    varied: bool = False
