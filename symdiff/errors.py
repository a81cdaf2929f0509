"""The family of exceptions, and the text with carets that points into a user's formula."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

from symdiff.dataclass import dataclass

QUOTED_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Source:
    """A text that a user wrote; nodes and errors point into it."""

    text: str

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1, of a character."""
        start = self.text.rfind("\n", 0, offset) + 1
        return self.text.count("\n", 0, offset) + 1, offset - start + 1

    def excerpt(self, span: tuple[int, int]) -> str:
        """The line that holds `span`, with carets under it; long lines are cut to the place."""
        line, column = self.position(span[0])
        begin = span[0] - (column - 1)
        end = self.text.find("\n", begin)
        whole = self.text[begin : len(self.text) if end < 0 else end]
        width = max(1, min(span[1], begin + len(whole)) - span[0])
        left = max(0, column - 1 - QUOTED_LENGTH)
        right = min(len(whole), column - 1 + min(width, QUOTED_LENGTH) + QUOTED_LENGTH // 2)
        shown = escape(whole[left:right])
        lead = len(escape(whole[left : column - 1]))
        marked = len(escape(whole[column - 1 : min(column - 1 + width, right)])) or 1
        head, tail = "…" if left else "", "…" if right < len(whole) else ""
        margin = f"line {line}: " if "\n" in self.text.strip("\n") else ""
        pad = " " * (len(margin) + len(head) + lead)
        return f"{margin}{head}{shown}{tail}\n{pad}{'^' * marked}"


class Place(NamedTuple):
    """A range of characters of a source; for a derivative's node, that of the node it came from."""

    source: Source
    start: int
    end: int
    derived: bool = False


def escape(text: str) -> str:
    """`text` with every character that could not be shown on a terminal written as its code."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii", "replace") for c in text)


def quote(text: str) -> str:
    """`text` in quotes, escaped, and at most 60 characters long."""
    return "'" + escape(text if len(text) <= QUOTED_LENGTH else text[: QUOTED_LENGTH - 1] + "…") + "'"


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """A sentence that proposes the known name most like `name`, or nothing; `cutoff`: how like it has to be."""
    if len(name) > 64:
        return ""
    import difflib  # it takes a while, and most processes make no mistake

    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=cutoff)
    return f"did you mean {found[0]}?" if found else ""


class SymdiffError(Exception):
    """The root of every exception that symdiff raises.

    Attributes
    ----------
    message : what was wrong, in one sentence.
    hint : what to type or to do instead; may be empty.
    line, column : the place in the formula, from 1; None where no text is concerned.
    span : the same place as a pair of offsets into the text, or None.
    """

    def __init__(self, message: str, *, hint: str = "", place: Place | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.place: Place | None = None
        self.span: tuple[int, int] | None = None
        self.line: int | None = None
        self.column: int | None = None
        if place is not None:
            self.locate(place)

    def locate(self, place: Place) -> None:
        """Say where in the user's text the fault is."""
        self.place = place
        self.span = (place.start, place.end)
        self.line, self.column = place.source.position(place.start)

    def __str__(self) -> str:
        text = self.message
        if self.place is not None:
            if self.place.derived:
                text += ", in the derivative of"
            text += "\n" + self.place.source.excerpt((self.place.start, self.place.end))
        return text + (f"\n{self.hint}" if self.hint else "")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.hint, self.place)


_E = TypeVar("_E", bound=SymdiffError)


def _rebuild(kind: type[_E], message: str, hint: str, place: Place | None) -> _E:
    return kind(message, hint=hint, place=place)


class ParseError(SymdiffError, ValueError):
    """A formula that is not in the language."""


class LimitError(ParseError):
    """A formula, or what was made of it, larger than a limit allows."""


class UnknownNameError(ParseError):
    """A name that was never declared, or a function that does not exist."""


class ShapeError(SymdiffError, ValueError):
    """Operands whose shapes do not fit together, or an argument of the wrong shape."""


class NeedsShape(ShapeError):
    """An operation of arrays on a scalar; `names` are the inputs without a shape that the scalar is made of."""

    def __init__(
        self, message: str, *, names: tuple[str, ...] = (), hint: str = "", place: Place | None = None
    ) -> None:
        super().__init__(message, hint=hint, place=place)
        self.names = names

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_needs_shape, (type(self), self.message, self.names, self.hint, self.place)


class NeedsStructure(NeedsShape, AttributeError):
    """An attribute of a scalar, which is none if the inputs it is made of are trees; `hasattr` is then False."""


class NotYet(ShapeError, AttributeError):
    """An attribute that a function has once its shapes are known; `hasattr` is False before."""


@dataclass(frozen=True)
class Open:
    """What reading a source comes to where shapes that nobody declared decide what it means: a value, not an error.

    It becomes an error where no call can say these shapes.

    Attributes
    ----------
    message, hint, place : what the error says, and where.
    names : the inputs that have no shape; none where the sizes in a header decide.
    """

    message: str
    names: tuple[str, ...] = ()
    hint: str = ""
    place: Place | None = None

    @classmethod
    def of(cls, error: NeedsShape) -> Open:
        """What an operation said that met an input without a shape."""
        return cls(error.message, error.names, error.hint, error.place)

    def error(self) -> NeedsShape:
        """The error, for where no call can say."""
        return NeedsShape(self.message, names=self.names, hint=self.hint, place=self.place)


def _rebuild_needs_shape(
    kind: type[NeedsShape], message: str, names: tuple[str, ...], hint: str, place: Place | None
) -> NeedsShape:
    return kind(message, names=names, hint=hint, place=place)


def out_of_range(index: int, size: int) -> ShapeError:
    """The error for an index that an axis of this size has not."""
    hint = f"indices go from {-size} to {size - 1}" if size else "the axis has no elements"
    return ShapeError(f"index {index} is out of range for an axis of size {size}", hint=hint)


class ArgumentError(SymdiffError, ValueError):
    """A wrong value given to one of symdiff's functions."""


class CallError(SymdiffError, TypeError):
    """A call with the wrong arguments: too many, too few, of a type that has no meaning here."""


LOST_INDEX = -(2**63)
"""What a number that is NaN or infinite becomes as an index."""


class IndexRangeError(CallError, IndexError):
    """An index given to a call that its axis has not.

    Attributes
    ----------
    index, size : the index and the size of the axis; the index of NaN and of infinite numbers is `LOST_INDEX`.
    point : the first point of a batch where this is so, or ().
    """

    def __init__(
        self, index: int, size: int, *, axis: str = "an axis", point: tuple[int, ...] = (), place: Place | None = None
    ) -> None:
        shown = "NaN (or infinite)" if index == LOST_INDEX else str(index)
        where = f", at batch point {point[0] if len(point) == 1 else point}" if point else ""
        hint = "where it is not meant to count, write where(c, x[k], 0): an index whose branch is not taken may be any"
        super().__init__(f"index {shown} is out of range for {axis} of size {size}{where}", hint=hint, place=place)
        self.index, self.size, self.axis, self.point = index, size, axis, point

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_index, (self.index, self.size, self.axis, self.point, self.place)


def _rebuild_index(index: int, size: int, axis: str, point: tuple[int, ...], place: Place | None) -> IndexRangeError:
    return IndexRangeError(index, size, axis=axis, point=point, place=place)


class MissingAttributeError(SymdiffError, AttributeError):
    """An attribute that something of symdiff's has not; the hint is what to type."""


class DifferentiationError(SymdiffError, ValueError):
    """A derivative that is not defined, such as that of a condition."""


class VerifyError(SymdiffError, RuntimeError):
    """A graph that breaks one of its invariants: a fault of symdiff, not of its user."""


class CompileError(SymdiffError, RuntimeError):
    """LLVM refused a module or the machine cannot run native code."""


class StorageError(SymdiffError, ValueError):
    """A saved function that is damaged, incomplete, or of a newer symdiff."""


class ClusterError(SymdiffError, RuntimeError):
    """A computation on several machines that ended without a result: workers, or data on them, were lost."""
