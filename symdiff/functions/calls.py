"""The calls of a function that its builtin does not answer."""

from __future__ import annotations

import weakref
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.frontend.expr import Expr

if TYPE_CHECKING:
    from symdiff.functions.compiled import CompiledFunction
    from symdiff.functions.function import Function


def _is_symbolic(value: Any) -> bool:
    """Whether a value is an expression, or a list that holds one."""
    return type(value) is Expr or (isinstance(value, list | tuple) and Expr in map(type, value))


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
        compiled: CompiledFunction | None = self._attributes["_case"].compiled
        given = (*args, *keywords.values()) if keywords else args
        for value in given:
            kind = type(value)
            if kind is not np.ndarray and kind is not float and _is_symbolic(value):
                return self._whole()._inlined(args, keywords)
        if compiled is None:
            function = self._whole()
            compiled = function._default()
            if isinstance(function.__call__, BuiltinFunctionType):  # it needs less than the general call
                return function.__call__(*args, **keywords)
        return compiled.general(*args, **keywords)

    def _whole(self) -> Function:
        """The function, or where it is gone another with its attributes."""
        function = self._function()
        if function is None:
            function = self._class.__new__(self._class)
            function.__dict__ = self._attributes
        return function
