"""From text to tokens: one regular expression, and refusals that say what to type instead."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import field
from typing import Any, NoReturn

from symdiff.budget import current, exceeded
from symdiff.dataclass import dataclass
from symdiff.errors import ParseError, Place, Source, quote
from symdiff.frontend.spellings import choice, is_latex, latex_hint

NUMBER, NAME, OPERATOR, OPEN, CLOSE, NEWLINE, COMMENT, TEXT, OTHER, END = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10

WORDS = frozenset(("and", "or", "not", "if", "else"))
RESERVED = WORDS | {"True", "False"}

# What matches no group (spaces and tabs) is skipped by the search itself.
_TOKEN = re.compile(
    r"([0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"|([^\W\d][\w\u0300-\u036f]*)"
    r"|(\.\.\.|\*\*|//|<=|>=|==|!=|:=|[-+*/%^<>=&|~@,:.\u2212\u00d7])"
    r"|([(\[])"
    r"|([)\]])"
    r"|(\r\n?|\n)"
    r"|(\#[^\r\n]*)"
    r"|('[^'\r\n]*'|\"[^\"\r\n]*\")"
    r"|([^ \t])"
)
_SIGNS = {"\u2212": "-", "\u00d7": "*"}
_PARTNER = {")": "(", "]": "["}
_SUPERSCRIPTS = re.compile("[⁰¹²³⁴-⁹⁺⁻⁽⁾ⁿⁱ]+")
_HINTS = {
    "≤": "write <=",
    "≥": "write >=",
    "≠": "write !=",
    "·": "write *",
    "⋅": "write *",
    "∗": "write *",
    "÷": "write /",
    "∧": "write and",
    "∨": "write or",
    "¬": "write not",
    "⟨": "write dot(a, b)",
    "√": "write sqrt(x)",
    "∞": "write inf",
    "∑": "write sum(x)",
    "–": "write -",
    "—": "write -",
    ";": "write each statement on a line of its own",
    "!": "write factorial(x), or != for not equal",
    "\\": "put the formula in brackets to continue it on the next line",
    "{": "write ( and )",
    "}": "write ( and )",
    "\u00a0": "write an ordinary space",
    "$": "write the formula without $",
}
HOPELESS = 1000
"""Where so many more brackets are open than the text can close, the rest of it is not looked at."""

_QUOTES = "'\"`‘’“”«»′"


@dataclass(slots=True)
class Tokens:
    """The tokens of a text as parallel lists, closed by an END; spelling is normalized, `starts` and `ends` are places.

    `newlines` and `equals` are the tokens that end a line and the `=` that stand outside brackets. `definitions` are
    the functions of users that the text may call.
    """

    source: Source
    kinds: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    newlines: list[int] = field(default_factory=list)
    equals: list[int] = field(default_factory=list)
    definitions: Mapping[str, Any] = field(default_factory=dict)

    def place(self, first: int, last: int | None = None) -> Place:
        """The place of a token, or of the tokens from `first` to `last`."""
        return Place(self.source, self.starts[first], self.ends[first if last is None else last])

    def closing(self, opening: int) -> int:
        """The token that closes the bracket which token `opening` opens."""
        depth = 0
        for at in range(opening, len(self.kinds)):
            if self.kinds[at] == OPEN:
                depth += 1
            elif self.kinds[at] == CLOSE:
                depth -= 1
                if depth == 0:
                    return at
        return len(self.kinds) - 1

    def spelled(self, first: int, last: int) -> str:
        """The text from token `first` to token `last`, as it was written."""
        return self.source.text[self.starts[first] : self.ends[last]]


def tokenize(source: Source) -> Tokens:
    """The tokens of a text.

    Raises
    ------
    LimitError
        Where the text, its number of tokens or a name is too long.
    ParseError
        At a character that is not part of the language, or a bracket without its partner.
    """
    text = source.text
    limits = current()
    if len(text) > limits.text:
        raise exceeded("text", len(text), f"a text of {len(text):,} characters")
    result = Tokens(source)
    kinds, texts, starts, ends = result.kinds, result.texts, result.starts, result.ends
    newlines, equals = result.newlines, result.equals
    open_brackets: list[int] = []
    openings: list[int] = []  # their tokens
    plain = text.isascii()
    longest, most = limits.name, limits.tokens
    deepest = text.count(")") + text.count("]") + HOPELESS
    for match in _TOKEN.finditer(text):
        kind = match.lastindex
        start, end = match.span()
        token = text[start:end]
        if kind == NAME:
            if end - start > longest:  # before it is normalized, which takes the square of the time
                place = Place(source, start, end)
                raise exceeded("name", end - start, f"a name of {end - start:,} characters", place=place)
            if not plain:
                token = normalize(source, token, start)
            if token in WORDS:
                kind = OPERATOR
        elif kind == OPERATOR:
            if token == "=":
                if not open_brackets:
                    equals.append(len(kinds))
            elif not plain:
                token = _SIGNS.get(token, token)
        elif kind == OPEN:
            open_brackets.append(start)
            openings.append(len(kinds))
            if len(openings) > deepest:
                break
        elif kind == CLOSE:
            if not open_brackets or text[open_brackets[-1]] != _PARTNER[token]:
                refuse_bracket(source, token, start, open_brackets)
            open_brackets.pop()
            openings.pop()
        elif kind == NEWLINE:
            if open_brackets:
                continue
            newlines.append(len(kinds))
        elif kind == COMMENT:
            continue
        elif kind == OTHER or (kind == TEXT and not _may_be_text(result, openings)):
            refuse_character(source, start)
        kinds.append(kind)  # type: ignore[arg-type]
        texts.append(token)
        starts.append(start)
        ends.append(end)
    if len(kinds) > most:
        raise exceeded("tokens", len(kinds), f"a text of {len(kinds):,} tokens")
    if open_brackets:
        at = open_brackets[-1]
        raise ParseError(
            f"this {text[at]} is never closed",
            hint=f"write its {')' if text[at] == '(' else ']'}",
            place=Place(source, at, at + 1),
        )
    last = len(text.rstrip())
    kinds += (END, END)
    texts += ("", "")
    starts += (last, last)
    ends += (last, last)
    newlines.append(len(kinds) - 2)
    return result


def comments(source: Source) -> list[tuple[int, int]]:
    """Where the comments of a text begin and end."""
    return [match.span() for match in _TOKEN.finditer(source.text) if match.lastindex == COMMENT]


def _may_be_text(tokens: Tokens, openings: list[int]) -> bool:
    """Whether the next token may be in quotes: as the start of an argument of a call. The parser knows of which."""
    if not openings or openings[-1] == 0 or tokens.kinds[openings[-1] - 1] != NAME:
        return False
    return tokens.texts[-1] in ("(", ",", "=") and tokens.texts[openings[-1]] == "("


def refuse_bracket(source: Source, token: str, start: int, open_brackets: list[int]) -> NoReturn:
    """Raise for a closing bracket that closes nothing, or something else."""
    if not open_brackets:
        raise ParseError(
            f"this {token} closes nothing",
            hint=f"remove it, or write its {_PARTNER[token]}",
            place=Place(source, start, start + 1),
        )
    at = open_brackets[-1]
    opened = source.text[at]
    raise ParseError(
        f"this {opened} is closed by {token}",
        hint=f"write {')' if opened == '(' else ']'}",
        place=Place(source, at, start + 1 if start - at < 40 else at + 1),
    )


def refuse_character(source: Source, start: int) -> NoReturn:
    """Raise for a character that is not part of the language, with the one to type."""
    text = source.text
    character = text[start]
    place = Place(source, start, start + 1)
    if _SUPERSCRIPTS.match(character):
        _refuse_superscript(source, start)
    turned = start > 0 and (text[start - 1].isalnum() or text[start - 1] in ")]")
    if character == "'" and turned and "'" not in text[start + 1 : start + current().name]:
        raise ParseError(
            "a transpose is written with .T", hint="write A.T, and name derivatives otherwise: dx", place=place
        )
    if character in _QUOTES:
        raise ParseError("a formula holds no texts in quotes", hint="write names without quotes", place=place)
    named = describe_token(character)
    digit = unicodedata.decimal(character, None)
    hint = f"write {digit}" if digit is not None else _HINTS.get(character, "")
    before, after = text[:start].rstrip()[-1:], text[start + 1 : start + 2]
    operand_before = before.isalnum() or before in ("_", ")", "]")
    if character == "\\" and latex_hint(text, start) and (is_latex(text, start) or not operand_before):
        raise ParseError("LaTeX is not read", hint=latex_hint(text, start), place=place)
    if character == "\\" and after.isalnum():
        hint = "write solve(A, b) for A\\b"
    elif character == "!" and not operand_before:
        hint = "write not before a condition, as in not (x > 0)"
    elif character == "?":
        hint = choice(text, start)
    raise ParseError(f"{named} is not part of the language", hint=hint, place=place)


def describe_token(character: str) -> str:
    """A character as an error shows it: itself where it can be seen, and its code."""
    code = f"U+{ord(character):04X} {unicodedata.name(character, '')}".rstrip()
    if character.isascii() and character.isprintable():
        return quote(character)
    return f"{quote(character)} ({code})" if character.isprintable() else code


def _refuse_superscript(source: Source, start: int) -> NoReturn:
    text = source.text
    run = _SUPERSCRIPTS.match(text, start)
    assert run is not None
    exponent = unicodedata.normalize("NFKC", run.group()).replace("\u2212", "-")
    before = re.search(r"(?:[A-Za-z_]\w*|[0-9.]+)\Z", text[max(0, start - current().name) : start])
    base = before.group() if before else "x"
    raise ParseError(
        "powers are written with **", hint=f"write {base}**{exponent}", place=Place(source, start, run.end())
    )


def normalize(source: Source, token: str, start: int) -> str:
    """The NFKC form of a name, which must be in one script, Latin or Greek.

    Raises
    ------
    ParseError
        For other scripts, for mixed ones, and for superscripts, which NFKC would make digits of the name.
    """
    if token.isascii():
        return token
    for offset, character in enumerate(token):
        if character.isascii() or "\u0300" <= character <= "\u036f":
            continue
        place = Place(source, start + offset, start + offset + 1)
        if unicodedata.decomposition(character).startswith("<super>"):
            _refuse_superscript(source, start + offset) if _SUPERSCRIPTS.match(character) else None
            raise ParseError(f"{describe_token(character)} is not part of the language", place=place)
        if not unicodedata.category(character).startswith("L"):
            plain = unicodedata.normalize("NFKC", token)
            hint = f"write {plain}" if plain.isascii() else ""
            raise ParseError(f"{describe_token(character)} cannot be part of a name", hint=hint, place=place)
    name = unicodedata.normalize("NFKC", token)
    scripts = set()
    for character in name:
        if character.isascii():
            if character.isalpha():
                scripts.add("LATIN")
            elif not (character.isdigit() or character == "_"):
                raise ParseError(f"{quote(token)} cannot be a name", place=Place(source, start, start + len(token)))
            continue
        script = unicodedata.name(character, "").partition(" ")[0]
        if script not in ("LATIN", "GREEK") and not unicodedata.combining(character):
            at = token.find(character)
            at = max(at, 0)
            raise ParseError(
                f"{describe_token(character)} cannot be part of a name: names are in Latin or Greek letters",
                place=Place(source, start + at, start + at + 1),
            )
        scripts.add(script)
    if {"LATIN", "GREEK"} <= scripts:
        raise ParseError(
            f"the name {quote(token)} mixes Latin and Greek letters",
            hint=f"write {_transcribe(name)}",
            place=Place(source, start, start + len(token)),
        )
    return name


def _transcribe(name: str) -> str:
    """A name with its Greek letters spelled in ASCII."""
    parts = []
    for character in name:
        words = unicodedata.name(character, "").split()
        if words[:1] == ["GREEK"] and len(words) >= 4:
            letter = "lambda" if words[3] == "LAMDA" else words[3].lower()
            parts.append(f"_{letter.capitalize() if words[1] == 'CAPITAL' else letter}_")
        else:
            parts.append(character)
    return "".join(parts).replace("__", "_").strip("_")
