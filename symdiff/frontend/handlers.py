"""What modules do for an `Expr` that are built on it: they register themselves, so that it imports none of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from symdiff.loading import load_module

Handler = TypeVar("Handler", bound=Callable[..., Any])

METHOD, UFUNC, FUNCTION = "a method of arrays", "a ufunc of NumPy's", "a function of NumPy's"
"""What an Expr is asked for."""

_HANDLERS: dict[str, Callable[..., Any]] = {}
"""Who answers, by what is asked for."""

_ANSWERING = "symdiff.frontend.numpy_protocol"
"""Who registers itself for all of them, and is loaded when one is first asked for."""


def handles(what: str) -> Callable[[Handler], Handler]:
    """Make a function the one that answers."""

    def register(function: Handler) -> Handler:
        _HANDLERS[what] = function
        return function

    return register


def handler(what: str) -> Callable[..., Any]:
    """The function that answers."""
    if what not in _HANDLERS:
        load_module(_ANSWERING)
    return _HANDLERS[what]
