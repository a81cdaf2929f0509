"""The calls of a function that its builtin does not answer."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from symdiff.frontend.expr import Expr

if TYPE_CHECKING:
    from symdiff.function.compiled import CompiledFunction
    from symdiff.function.function import Function


class Call:
    """Answers the first call, which compiles, and those with expressions, arrays and keywords.

    It holds the function's attributes, not the function, which is freed as soon as it is dropped.
    """

    __slots__ = ("_attributes", "_class", "_function")

    def __init__(self, function: Function) -> None:
        self._attributes = function.__dict__
        self._class = type(function)
        self._function = weakref.ref(function)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value, or the formula with expressions for its arguments."""
        compiled: CompiledFunction | None = self._attributes["_compiled"]
        given = (*args, *keywords.values()) if keywords else args
        if Expr in map(type, given) or any(isinstance(v, list | tuple) and Expr in map(type, v) for v in given):
            return self._whole()._inlined(args, keywords)
        if compiled is None:
            return self._whole()._default()(*args, **keywords)
        return compiled.general(*args, **keywords)

    def _whole(self) -> Function:
        """The function, or where it is gone another with its attributes."""
        function = self._function()
        if function is None:
            function = self._class.__new__(self._class)
            function.__dict__ = self._attributes
        return function
