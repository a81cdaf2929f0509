"""What an Expr has because it may be an array: NumPy's attributes and methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.frontend.attributes import transposed
from symdiff.frontend.handlers import METHOD, handler
from symdiff.sizes import numbers
from symdiff.types import Shape, product

if TYPE_CHECKING:
    from symdiff.frontend.expr import Expr
    from symdiff.ir.graph import Graph


def _method(name: str) -> Callable[..., Any]:
    """The method that is a function of the language; NumPy's options that change no number are left out."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return handler(METHOD)(name, name, (self, *args), options)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"As `symdiff.{name}` of this value."
    return method


class ArrayMethods:
    """The attributes and methods of an array, on the node of a graph."""

    __slots__ = ()
    if TYPE_CHECKING:
        graph: Graph
        node: int

    def _sizes(self) -> Shape:
        if self.graph.unshaped is not None:
            self.graph.unshaped.check(self.graph, (self.node,), "the shape of a name")
        return self.graph.types[self.node].shape

    @property
    def shape(self) -> Shape:
        """The shape; `()` for a scalar."""
        return numbers(self._sizes())

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self._sizes())

    @property
    def size(self) -> int:
        """The number of elements."""
        return product(self.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the elements."""
        return np.dtype(self.graph.types[self.node].dtype)

    @property
    def T(self) -> Expr:
        """The axes in reverse order; a scalar or a vector is its own transpose."""
        return self._turned(last=False)

    @property
    def mT(self) -> Expr:
        """The last two axes swapped."""
        return self._turned(last=True)

    def _turned(self, last: bool) -> Expr:
        if self.ndim < 2:
            return self  # type: ignore[return-value]
        with self.graph.lock:
            return type(self)(self.graph, transposed(self.graph, self.node, last))  # type: ignore[call-arg,return-value]

    all, any = _method("all"), _method("any")
    argmax, argmin = _method("argmax"), _method("argmin")
    clip, copy = _method("clip"), _method("copy")
    cumprod, cumsum = _method("cumprod"), _method("cumsum")
    diagonal, dot = _method("diagonal"), _method("dot")
    flatten, ravel = _method("flatten"), _method("ravel")
    max, min = _method("max"), _method("min")
    mean, std, var, ptp = _method("mean"), _method("std"), _method("var"), _method("ptp")
    prod, sum = _method("prod"), _method("sum")
    repeat, take = _method("repeat"), _method("take")
    reshape, squeeze = _method("reshape"), _method("squeeze")
    round, trace = _method("round"), _method("trace")
    swapaxes, transpose = _method("swapaxes"), _method("transpose")
