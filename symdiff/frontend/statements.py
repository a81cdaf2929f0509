"""Lines of a text: which of them bind a name, define a function or give the result; headers and what they declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, ParseError, Place, ShapeError, nearest, quote
from symdiff.frontend.lexer import CLOSE, NAME, NUMBER, RESERVED, Tokens
from symdiff.signature import Argument, pack
from symdiff.types import Dim, Shape, show


@dataclass(frozen=True, slots=True)
class Statement:
    """One line: tokens `first` to `last` (its end excluded); the expression starts at `body`.

    `name` is what it binds, if anything; `parameters` those of a header.
    """

    first: int
    body: int
    last: int
    name: str | None = None
    parameters: tuple[Argument, ...] | None = None


def split(tokens: Tokens) -> list[Statement]:
    """The statements of a text.

    Raises
    ------
    ParseError
        For an empty text, a line that is neither an expression, a binding nor a header, and a bare expression that is
        not the last line.
    """
    statements: list[Statement] = []
    first = 0
    equals = iter([*tokens.equals, len(tokens.kinds)])
    equal = next(equals)
    for last in tokens.newlines:
        if last > first:
            while equal < first:
                equal = next(equals)
            statements.append(_statement(tokens, first, last, equal) if equal < last else Statement(first, first, last))
        first = last + 1
    if not statements:
        text = tokens.source.text
        raise ParseError(
            "the formula is empty",
            hint="write an expression, such as x**2 + 1",
            place=Place(tokens.source, len(text), len(text)) if text.strip() else None,
        )
    for statement in statements[:-1]:
        if statement.name is None:
            raise ParseError(
                "only the last line is a bare expression",
                hint="bind its value, q = …, or put a formula of several lines in brackets",
                place=tokens.place(statement.first, statement.last - 1),
            )
    return statements


def _statement(tokens: Tokens, first: int, last: int, equal: int) -> Statement:
    """A line that holds an `=` outside brackets."""
    kinds, texts = tokens.kinds, tokens.texts
    name = texts[first]
    if name in RESERVED and equal == first + 1:
        raise ParseError(f"{name} is a reserved word", hint=f"write {name}_", place=tokens.place(first))
    if kinds[first] == NAME:
        if equal == first + 1:
            if texts[equal + 1] in ("<", ">") and tokens.ends[equal] == tokens.starts[equal + 1]:
                raise ParseError(
                    f"={texts[equal + 1]} is not an operator",
                    hint=f"write {texts[equal + 1]}=",
                    place=tokens.place(equal, equal + 1),
                )
            return Statement(first, equal + 1, last, name)
        if texts[first + 1] == "(" and tokens.closing(first + 1) == equal - 1:
            return Statement(first, equal + 1, last, name, header(tokens, first + 1, equal - 1))
    raise equation(tokens, first, last, equal)


def equation(tokens: Tokens, first: int, last: int, equal: int) -> ParseError:
    """The error for an equation: what stands before its `=` is neither a name nor a header."""
    hint = "write a name before ="
    if equal > first and tokens.texts[equal - 1] in ("<", ">", "="):
        return ParseError(
            "a comparison is written without a space",
            hint=f"write {tokens.texts[equal - 1]}=",
            place=tokens.place(equal - 1, equal),
        )
    if equal > first and tokens.texts[equal - 1] == "==":
        return ParseError("=== is not an operator", hint="write ==", place=tokens.place(equal - 1, equal))
    if equal > first and tokens.texts[equal - 1] == "~":
        return ParseError("~= is not an operator", hint="write !=", place=tokens.place(equal - 1, equal))
    if first < equal < last - 1:
        left, right = tokens.spelled(first, equal - 1), tokens.spelled(equal + 1, last - 1)
        if len(left) + len(right) <= 60:
            right_part = right if equal + 2 == last else f"({right})"
            less = left if right == "0" else f"{left} - {right_part}"
            hint = f"write {less} for the difference of both sides, or {left} == {right} for a condition"
    return ParseError("a formula is not an equation", hint=hint, place=tokens.place(equal))


def header(tokens: Tokens, opening: int, closing: int) -> tuple[Argument, ...]:
    """The arguments that a header's parentheses declare.

    Raises
    ------
    ParseError
        Where they hold anything but names, shapes and packs, or one name twice.
    """
    kinds, texts = tokens.kinds, tokens.texts
    arguments: list[Argument] = []
    seen: set[str] = set()

    def name_at(at: int) -> str:
        name = texts[at]
        if kinds[at] != NAME or name in RESERVED:
            raise ParseError("a header lists names, f(x, y) = …", hint="write a name here", place=tokens.place(at))
        if name in seen:
            raise ParseError(f"{name} is declared twice", hint="remove one of them", place=tokens.place(at))
        seen.add(name)
        return name

    at = opening + 1
    while at < closing:
        if texts[at] == "[":
            members = []
            at += 1
            while texts[at] != "]":
                members.append(name_at(at))
                at = _separator(tokens, at + 1, "]")
            arguments.append(pack(tuple(members)))
            at += 1
        else:
            name = name_at(at)
            at += 1
            shape: list[int | Dim] = []
            if texts[at] == "[":
                at += 1
                while texts[at] != "]":
                    shape.append(_size(tokens, at))
                    at = _separator(tokens, at + 1, "]")
                at += 1
            arguments.append(Argument(name, tuple(shape)))
        at = _separator(tokens, at, ")")
    return tuple(arguments)


def _separator(tokens: Tokens, at: int, closing: str) -> int:
    """Past the comma at a token, or at the closing bracket."""
    if tokens.texts[at] == ",":
        return at + 1
    if tokens.kinds[at] == CLOSE and tokens.texts[at] == closing:
        return at
    raise ParseError("a header lists names, f(x, y) = …", hint=f"write , or {closing} here", place=tokens.place(at))


def _size(tokens: Tokens, at: int) -> int | Dim:
    text = tokens.texts[at]
    if tokens.kinds[at] == NUMBER and text.isdigit() and len(text) < 16:
        return int(text)
    if tokens.kinds[at] == NAME and text not in RESERVED:
        return Dim(text)
    raise ParseError("a size is an integer or a name", hint="write x[3] or x[n]", place=tokens.place(at))


def scalars(arguments: Sequence[Argument]) -> list[str]:
    """The names that a formula can use for the parts of `arguments`: inputs, and members of packs."""
    return [name for a in arguments for name in a.inputs]


def reconcile(
    own: tuple[Argument, ...] | None,
    given: Sequence[Argument] | None,
    shapes: Mapping[str, Shape] | None,
    place: Place | None,
) -> tuple[Argument, ...] | None:
    """The arguments of a formula: those of its header or those given, which must agree where there are both.

    Raises
    ------
    ParseError
        Where a header and the given arguments name different things; the message names the difference.
    ArgumentError
        Where one name is given twice, or a shape is given for something that is not among the given arguments.
    ShapeError
        Where a name has one shape in the header and is given another.
    """
    arguments = own
    if given is not None:
        _check_distinct(given)
        arguments = tuple(given) if own is None else _agree(own, given, place)
    if arguments is None or not shapes:
        return arguments
    known = {a.name: a for a in arguments}
    for name, shape in shapes.items():
        argument = known.get(name)
        if argument is None and given is None:
            continue  # one of several texts with the same shapes
        if argument is None or argument.members is not None:
            raise ArgumentError(
                f"a shape is given for {quote(name)}, which is not an argument", hint=nearest(name, known)
            )
        known[name] = _with_shape(argument, tuple(shape))
    return tuple(known[a.name] for a in arguments)


def _with_shape(argument: Argument, shape: Shape) -> Argument:
    if argument.shape not in ((), shape):
        raise ShapeError(f"{argument.name} is declared with the shapes {show(argument.shape)} and {show(shape)}")
    return replace(argument, shape=shape)


def _check_distinct(arguments: Sequence[Argument]) -> None:
    seen: set[str] = set()
    for argument in arguments:
        names = list(argument.members or ())
        if argument.members is None or not argument.anonymous:
            names.append(argument.name)
        for name in names:
            if name in RESERVED:
                raise ArgumentError(f"{name} is a reserved word of the language", hint=f"write {name}_")
            if name in seen:
                raise ArgumentError(f"{quote(name)} is declared twice")
            seen.add(name)


def _agree(own: tuple[Argument, ...], given: Sequence[Argument], place: Place | None) -> tuple[Argument, ...]:
    """The header's arguments in its order, with the names of packs and the shapes that `given` adds."""

    def key(argument: Argument) -> object:
        return argument.name if argument.members is None else argument.members

    offered = {key(a): a for a in given}
    declared = {key(a) for a in own}
    missing = [a for a in own if key(a) not in offered]
    surplus = [a for a in given if key(a) not in declared]
    if missing or surplus:
        parts = []
        if missing:
            parts.append(f"only the header has {', '.join(map(str, missing))}")
        if surplus:
            parts.append(f"only the inputs have {', '.join(map(str, surplus))}")
        raise ParseError(
            f"the header and the inputs differ: {'; '.join(parts)}", hint="leave one of the two out", place=place
        )
    result = []
    for argument in own:
        other = offered[key(argument)]
        if argument.members is not None:
            result.append(other)
        else:
            result.append(_with_shape(argument, other.shape) if other.shape else argument)
    return tuple(result)
