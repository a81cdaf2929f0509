"""What a text says before any shape is known: its lines as instructions, read once, elaborated for given shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, NamedTuple

from symdiff.dataclass import dataclass
from symdiff.errors import Source
from symdiff.frontend.lexer import Tokens
from symdiff.frontend.statements import Statement
from symdiff.signature import Argument

(
    NAME,
    PARAMETER,
    CONSTANT,
    LITERAL,
    PART,
    BINARY,
    UNARY,
    PLUS,
    COMPARE,
    MATMUL,
    CHOOSE,
    CALL,
    INLINE,
    LIST,
    PARTS,
    SUBSCRIPT,
    ATTRIBUTE,
    PIECEWISE,
) = range(18)
"""What an instruction does with the values before it, of which it leaves one in their place.

NAME an input or a line; PARAMETER of a function of the text; CONSTANT a name with a value; LITERAL a number; PART no
value (None, `...`, a text); BINARY, UNARY an operation; PLUS nothing; COMPARE a chain of comparisons; MATMUL `@`;
CHOOSE `a if c else b`; CALL a function of the language; INLINE one of the text; LIST `[a, b]`; PARTS a tuple;
SUBSCRIPT `x[…]`; ATTRIBUTE `x.T`; PIECEWISE pairs.
"""

Instruction = tuple[int, Any, int, int, int]
"""What it does, with what, the token that errors are about, the first character of its value and the end."""

Code = list[Instruction]

Span = tuple[int, int]


@dataclass(slots=True)
class Helper:
    """A function that the text defines with a header, inlined where it is called.

    `code` is its expression, None as long as nothing calls it; `varied` tells whether that depends on an input of the
    text.
    """

    name: str
    parameters: tuple[Argument, ...]
    body: int
    code: Code | None = None
    varied: bool = False

    def names(self) -> frozenset[str]:
        """What its expression can use for the parts of its parameters."""
        return frozenset(name for parameter in self.parameters for name in parameter.inputs)


class Called(NamedTuple):
    """A call of a function or a Helper: so many arguments by position, the names of the others, how many all are."""

    function: Any
    positional: int
    keywords: tuple[str, ...]
    values: int


class Pieces(NamedTuple):
    """A part of a subscript: the places of its values, None where one is left out; `is_slice` with colons between."""

    places: tuple[Span | None, ...]
    is_slice: bool


class Line(NamedTuple):
    """A line of a text: its statement and its code; `varied` where its value depends on an input."""

    statement: Statement
    code: Code
    varied: bool


@dataclass(slots=True)
class Syntax:
    """A text that was read.

    Attributes
    ----------
    header : the arguments that its last line declares, if it has a header.
    arguments : these, or those that were listed; None where nothing orders the names.
    free : where there are no arguments, the names of inputs in the order in which they first appear.
    lines : all but the functions of the text.
    helpers : the functions of the text, by name.
    title : the name of the header, or what the last line binds.
    """

    tokens: Tokens
    statements: list[Statement]
    header: tuple[Argument, ...] | None
    arguments: tuple[Argument, ...] | None
    lines: list[Line] = field(default_factory=list)
    free: tuple[str, ...] = ()
    helpers: Mapping[str, Helper] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """The text."""
        return self.tokens.source

    @property
    def title(self) -> str | None:
        """What the formula is called, if the text says so."""
        return self.statements[-1].name

    @property
    def bound(self) -> list[str]:
        """The names that lines bind, in order."""
        return [s.name for s in self.statements if s.name is not None and s.parameters is None]
