"""Names, shapes and indices as users give them."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from typing import Any

from symdiff.budget import current, exceeded
from symdiff.errors import ArgumentError, CallError, Source, SymdiffError, quote
from symdiff.frontend import lexer
from symdiff.types import Dim, Shape

_RANGE = r"(?P<head>.*?)(?P<first>\d*):(?P<last>\d+)\Z"
_LETTERS = r"(?P<head>.*?)(?P<first>[A-Za-z]):(?P<last>[A-Za-z])\Z"


def as_float(value: float) -> float:
    """A number as the nearest float64.

    Raises
    ------
    ArgumentError
        Where an integer is too large.
    """
    try:
        return float(value)
    except OverflowError:
        raise ArgumentError("an integer is too large for float64", hint="write inf, or scale the formula") from None


def checked_name(name: str) -> str:
    """`name`, normalized as in a text.

    Raises
    ------
    ArgumentError
        Where the language has no such name.
    """
    if not isinstance(name, str):
        raise CallError(f"a name is a text, not {type(name).__name__}")
    if name.isascii() and name.isidentifier() and name not in lexer.RESERVED and len(name) <= current().name:
        return name
    try:
        tokens = lexer.tokenize(Source(name))
    except SymdiffError as error:
        raise ArgumentError(f"{quote(name)} cannot be a name: {error.message}", hint=error.hint) from None
    if tokens.kinds[:2] != [lexer.NAME, lexer.END] or tokens.texts[0] in lexer.RESERVED or name != name.strip():
        raise ArgumentError(f"{quote(name)} cannot be a name", hint="names are letters, digits and _, as in Python")
    return tokens.texts[0]


def as_shape(shape: Any) -> Shape:
    """A shape as users give it: an integer, the name of a size, or a tuple or list of these."""
    parts = list(shape) if isinstance(shape, tuple | list) else [shape]
    sizes: list[int | Dim] = []
    for part in parts:
        if isinstance(part, Dim):
            sizes.append(part)
        elif isinstance(part, str):
            sizes.append(Dim(checked_name(part)))
        else:
            try:
                size = operator.index(part)
            except TypeError:
                raise ArgumentError(f"a size is an integer or a name, not {type(part).__name__}") from None
            if size < 0:
                raise ArgumentError(f"a size cannot be negative: {size}")
            sizes.append(size)
    return tuple(sizes)


def listed_in(text: str) -> list[str]:
    """The names in a text, with commas or spaces between them."""
    return text.replace(",", " ").split()


def expanded(part: str) -> Sequence[str]:
    """The names that `x1:41` or `a:d` stands for."""
    found = re.match(_RANGE, part)
    if found:
        head, first, last = found["head"], int(found["first"] or 0), int(found["last"])
        if last - first > current().nodes:
            raise exceeded("nodes", last - first, f"{last - first:,} names")
        return [f"{head}{k}" for k in range(first, last)]
    found = re.match(_LETTERS, part)
    if found:
        return [found["head"] + chr(k) for k in range(ord(found["first"]), ord(found["last"]) + 1)]
    return [part]
