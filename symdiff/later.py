"""Methods that other modules provide, which are loaded when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from symdiff.loading import load_module

T = TypeVar("T")


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


class Postponed(Generic[T]):
    """An attribute that is worked out when somebody asks for it, unless it was set before."""

    def __init__(self, make: Callable[[Any], T], doc: str = "") -> None:
        self.make, self.__doc__ = make, doc

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    if TYPE_CHECKING:

        def __set__(self, thing: Any, value: T) -> None: ...

    def __get__(self, thing: Any, kind: type[Any] | None = None) -> T:
        if thing is None:
            return self  # type: ignore[return-value]  # as every descriptor of a class
        found = thing.__dict__[self.name] = self.make(thing)
        return found
