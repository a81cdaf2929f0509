"""Methods that other modules provide, which are loaded when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symdiff.loading import load_module


class Later:
    """A method that becomes the function at `place` as soon as anybody asks for it."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.owner, self.name = owner, name

    def function(self) -> Callable[..., Any]:
        """The function, in whose place this stood."""
        module, _, name = self.place.partition(":")
        found: Callable[..., Any] = getattr(load_module(f"symdiff.{module}"), name)
        setattr(self.owner, self.name, found)
        return found

    def __get__(self, thing: Any, kind: type[Any]) -> Any:
        found = self.function()
        return found if thing is None else found.__get__(thing, kind)
