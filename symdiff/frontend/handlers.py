"""What modules do for an `Expr` that are built on it: they register themselves, so that it imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])

METHOD, UFUNC, FUNCTION = "a method of arrays", "a ufunc of NumPy's", "a function of NumPy's"
"""What an Expr is asked for."""

HANDLERS: dict[str, Callable[..., Any]] = {}
"""Who answers, by what is asked for."""


def handles(what: str) -> Callable[[Handler], Handler]:
    """Make a function the one that answers."""

    def register(function: Handler) -> Handler:
        HANDLERS[what] = function
        return function

    return register
