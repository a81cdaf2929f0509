"""What files hold, read piece by piece: nothing is taken for granted."""

from __future__ import annotations

import math
from typing import Any

from symdiff.errors import StorageError, escape
from symdiff.types import LARGEST_RANK, Dim, Shape

LARGEST_ARRAY = 2**31
"""More elements than this no node of a file may have."""

LARGEST_NAME = 1000


def refuse(what: str) -> StorageError:
    """The error for content that is not what symdiff writes."""
    return StorageError(f"the content is not a function of symdiff: {what}", hint="save it again where it was made")


def shown(value: Any) -> str:
    """What a file holds, for a message."""
    return escape(repr(value)[:80])


def integer(value: Any, low: int, high: int, what: str) -> int:
    """`value` where it is an integer from `low` to `high`.

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not int or not low <= value <= high:
        raise refuse(f"{what} is {shown(value)}")
    return value


def items(value: Any, what: str, length: int | None = None) -> list[Any]:
    """`value` where it is a list (of `length` items).

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not list or (length is not None and len(value) != length):
        raise refuse(f"{what} is not a list{'' if length is None else f' of {length}'}")
    return value


def word(value: Any, what: str) -> str:
    """`value` where it is an identifier.

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not str or len(value) > LARGEST_NAME or not value.isidentifier():
        raise refuse(f"{what} is called {shown(value)}")
    return value


def printable(value: Any, what: str) -> str:
    """`value` where it is a text that can be shown: it reaches terminals.

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not str:
        raise refuse(f"{what} without names")
    if not value.isprintable():
        raise refuse(f"{what} called {shown(value)}")
    return value


def read_shape(value: Any) -> Shape:
    """A shape of at most 64 axes and 2**31 elements.

    Raises
    ------
    StorageError
        Where it is not.
    """
    parts = items(value, "a shape")
    if len(parts) > LARGEST_RANK:
        raise refuse(f"a shape of {len(parts)} axes")
    shape = tuple(Dim(word(n, "a size")) if type(n) is str else integer(n, 0, LARGEST_ARRAY, "a size") for n in parts)
    if math.prod(n for n in shape if isinstance(n, int)) > LARGEST_ARRAY:
        raise refuse("an array is too large")
    return shape


def written_shape(shape: Shape) -> list[int | str]:
    """A shape as JSON holds it; a size known by name only is its name."""
    return [n.name if isinstance(n, Dim) else int(n) for n in shape]


def axis(value: Any) -> int:
    """The number of an axis.

    Raises
    ------
    StorageError
        Where it is none.
    """
    return integer(value, 0, LARGEST_RANK, "an axis")


def flag(value: Any) -> bool:
    """`value` where it is True or False.

    Raises
    ------
    StorageError
        Where it is not.
    """
    if type(value) is not bool:
        raise refuse(f"a choice is {shown(value)}")
    return value
