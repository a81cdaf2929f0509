"""What can be open while an expression is read: brackets, calls, subscripts, and bodies of functions of the text."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import field

from symdiff.dataclass import dataclass
from symdiff.errors import ParseError
from symdiff.frontend.calls import LanguageFunction
from symdiff.frontend.syntax import Code, Helper, Pieces, Span

TOP, GROUP, LISTED, INDEX, CALLED, PAIRS, PAIR, INLINED, TUPLE = range(9)
"""What is open: nothing; ( ); [ ]; a subscript; a call; Piecewise(; one of its pairs; the body of a helper; what may
become a tuple, as an argument."""


@dataclass(slots=True)
class Bracket:
    """Something that is open: where it starts (a token), and how many operators and values were there before it."""

    kind: int
    at: int
    base: int
    values: int


@dataclass(slots=True)
class Calling(Bracket):
    """A call whose arguments are read: those with names, the name that waits for its value, those before the names.

    `entry` is the function that is called, None for one of the text itself; `start` is its first character.
    """

    keywords: list[str] = field(default_factory=list)
    keyword: str | None = None
    positional: int = 0
    entry: LanguageFunction | None = None
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

    count: int = 0


@dataclass(slots=True)
class Indexing(Bracket):
    """A subscript whose parts are read, `given` of them values; `pieces` are those of a slice before its last colon."""

    parts: list[Pieces] = field(default_factory=list)
    pieces: list[Span | None] = field(default_factory=list)
    given: int = 0

    def piece(self, place: Span | None, closed_by: str) -> None:
        """Note the index that ends at a colon, a comma or the bracket; `place` where one is given.

        Raises
        ------
        ParseError
            For an empty subscript, or a slice with too many parts.
        """
        self.given += place is not None
        if closed_by == ":":
            if len(self.pieces) == 2:
                raise ParseError("a slice has at most three parts", hint="write x[start:stop:step]")
            self.pieces.append(place)
        elif self.pieces:
            self.parts.append(Pieces((*self.pieces, place), True))
            self.pieces.clear()
        elif place is not None:
            self.parts.append(Pieces((place,), False))
        elif closed_by == "," or not self.parts:
            raise ParseError("an empty subscript", hint="write x[0]")


@dataclass(slots=True)
class Inlined(Bracket):
    """A helper's body that is read at its first call, and what comes back when it ends."""

    call: Calling | None = None
    closing: int = 0
    helper: Helper | None = None
    scope: Container[str] | None = None
    varied: bool = False
    code: Code = field(default_factory=list)
