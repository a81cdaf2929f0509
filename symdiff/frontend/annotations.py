"""What calls take and give, for type checkers: at run time all of it is `Any`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import Protocol, overload

    import numpy as np
    import numpy.typing as npt

    from symdiff.frontend.expr import Expr

    class Value(float, np.ndarray[Any, np.dtype[Any]]):  # type: ignore[misc]  # which of them, the formula says
        """A number, an array, or a tuple of such: what can be done with a float or with an array is right."""

    class Expressions(Expr, tuple[Expr, ...]):  # type: ignore[misc]  # which of them, the number of names says
        """An Expr, or a tuple of them."""

    class Called(Protocol):
        """A function of the language, or a Function: of numbers a number, of expressions an expression."""

        @overload
        def __call__(self, *args: npt.ArrayLike, **keywords: Any) -> Value: ...
        @overload
        def __call__(self, *args: Any, **keywords: Any) -> Expr: ...

else:
    Value = Expressions = Called = Any
