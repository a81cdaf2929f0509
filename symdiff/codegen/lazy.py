"""Attributes that are made when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from symdiff import locks

MAKING = locks.lock(locks.COMPILING)
"""Held while a kernel makes what it was not asked for before."""

T = TypeVar("T")


class lazy(Generic[T]):  # used as a decorator
    """As `functools.cached_property`, made once by many threads, and with no lock that a fork could leave taken."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, thing: Any, owner: type | None = None) -> T:
        if thing is None:
            return self  # type: ignore[return-value]  # as every descriptor of a class
        with MAKING:
            kept = thing.__dict__
            if self._name not in kept:
                kept[self._name] = self._make(thing)
            found: T = kept[self._name]
            return found
