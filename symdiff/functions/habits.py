"""What users of NumPy and SymPy type without looking: constants, `lambdify`, `Symbol`; what to type for the rest."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

from symdiff.frontend.calls import UNAVAILABLE, unknown_function
from symdiff.frontend.expr import Expr
from symdiff.frontend.functions import names
from symdiff.frontend.spellings import MISSING, called
from symdiff.frontend.symbols import symbol
from symdiff.functions.build import function
from symdiff.functions.function import Function
from symdiff.guesses import MODULE, found_among, missing, typed_instead, with_options

CHIEF = "sd.function makes functions, sd.grad, sd.hessian, sd.jacobian, sd.taylor derive them; dir(sd) lists all"
"""The hint for names that are like none."""

_CALL = re.compile(r"\w+(?=\()")


def lambdify(args: Any, expr: Any, modules: Any = None) -> Function:
    """`function(expr, args)`, as SymPy has it; `modules` may be anything: a function is native code.

    Examples
    --------
    >>> import symdiff as sd
    >>> x, y = sd.symbols("x y")
    >>> sd.lambdify([x, y], x**2*y)(3.0, 2.0)
    18.0
    """
    return function(expr, list(args) if isinstance(args, tuple) else args)


@with_options
def Symbol(name: str, shape: Any = ()) -> Expr:
    """`symbol(name, shape)`, as SymPy has it.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.Symbol("x") + 1
    Expr(x + 1)
    """
    return symbol(name, shape)


HABITS: dict[str, Any] = {
    "E": math.e,
    "Symbol": Symbol,
    "e": math.e,
    "inf": math.inf,
    "lambdify": lambdify,
    "nan": math.nan,
    "oo": math.inf,
    "pi": math.pi,
}
"""Names of the module for those who know them from elsewhere."""


def guessed(name: str, public: Collection[str]) -> Any:
    """What a name of the module that is none of its functions' stands for, where people know it from elsewhere.

    Raises
    ------
    MissingAttributeError
        For all other names; the hint is what to type.
    """
    if name in HABITS:
        return HABITS[name]
    if name.startswith("__"):
        raise AttributeError(f"module 'symdiff' has no attribute {name!r}")
    hint = _typed_instead(name, [*public, *names()])
    raise missing("symdiff", name, hint or CHIEF)


def _typed_instead(name: str, known: Collection[str]) -> str:
    """What to type for a name of the module, or of a function in the language, that does not exist."""
    if name not in MODULE.typed and not name.startswith("_") and hasattr(Function, name):
        method = callable(getattr(Function, name)) and not isinstance(vars(Function).get(name), property)
        return f"write f.{name}{'(…)' if method else ''} of a function"
    if name not in MODULE.typed and not found_among(name, known):
        said = called(name, "x")
        if said:
            return _CALL.sub(lambda found: f"sd.{found[0]}" if found[0] in known else found[0], said)
        if name in MISSING or name in UNAVAILABLE:
            return unknown_function(name).hint
    return typed_instead(name, MODULE, known, "sd.")
