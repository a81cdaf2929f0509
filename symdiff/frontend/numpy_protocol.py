"""NumPy's ufuncs and functions on an Expr."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError, UnknownNameError, nearest
from symdiff.frontend.arrays.arguments import ARRAYS
from symdiff.frontend.calls import REDUCE, UNAVAILABLE, is_function
from symdiff.frontend.expr import Expr, as_expr
from symdiff.frontend.functions import apply, names

RENAMED = {"float_power": "pow", "bitwise_and": "logical_and", "bitwise_or": "logical_or", "invert": "logical_not"}
"""Ufuncs that the language calls otherwise."""

REDUCED = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min", "logical_and": "all",
           "logical_or": "any"}  # fmt: skip
"""Ufuncs whose reduction the language has."""

RUNNING = {"add": "cumsum", "multiply": "cumprod"}
"""Ufuncs whose accumulation the language has."""


def apply_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What `ufunc(*inputs)` is when one of the inputs is an Expr.

    Raises
    ------
    CallError
        For ufuncs that the language does not have, and for `out=` and `where=`.
    """
    name = ufunc.__name__
    known = {"reduce": REDUCED, "accumulate": RUNNING}.get(method, {}).get(name)
    if known is not None:
        allowed = {"axis", "keepdims"} if method == "reduce" else {"axis"}
        given = {k: v for k, v in options.items() if v is not None or k == "axis"}
        _refuse(name, [k for k in given if k not in allowed])
        return apply(known, inputs, {"axis": 0, **given})
    if method == "outer" and name == "multiply" and not options:
        return apply("outer", inputs)
    if method != "__call__":
        raise CallError(f"np.{name}.{method} of an Expr is not supported", hint="write sum(x), or a loop over x")
    _refuse(name, list(options))
    if name == "matmul":
        return inputs[0] @ inputs[1] if isinstance(inputs[0], Expr) else as_expr(inputs[0]) @ inputs[1]
    if name in ("positive", "conjugate"):
        return as_expr(inputs[0])
    if name == "divmod":
        return apply("floor_divide", inputs), apply("mod", inputs)
    name = RENAMED.get(name, name)
    if not is_function(name):
        raise CallError(f"np.{name} of an Expr is not supported", hint=nearest(name, names()))
    return apply(name, inputs)


def _refuse(name: str, options: Sequence[str]) -> None:
    for key in options:
        raise CallError(f"np.{name} of an Expr takes no {key}=", hint=f"write np.{name}(x)")


def apply_function(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What NumPy's `function(*args, **options)` is when one of the arguments is an Expr.

    Raises
    ------
    CallError
        For functions that have no meaning here, and options that they do not have here.
    """
    name = function.__name__
    known = FUNCTIONS.get(function)
    if known is not None:
        return known(*args, **options)
    own = f"a{name}" if name in REDUCE else name
    if own not in ARRAYS:
        if name in UNAVAILABLE:
            raise UnknownNameError(f"np.{name} {UNAVAILABLE[name][0]}", hint=UNAVAILABLE[name][1])
        if is_function(name) and not options:
            return apply(name, args)
        hint = f"write sd.{name}(x)" if is_function(name) else "write it with operators and sd's functions"
        raise CallError(f"np.{name} of an Expr is not supported", hint=hint)
    positional, keywords = _arguments(function, args, options)
    target = ARRAYS[own]
    kept = {}
    for key, value in keywords.items():
        if target.parameter(key) in target.parameters:
            kept[key] = value
        elif value is not None:
            _refuse(name, [key])
    return apply(own, positional, kept)


def _arguments(
    function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments that differ from NumPy's defaults: the first by position, the others by their names."""
    try:
        bound = inspect.signature(function).bind(*args, **options)
    except ValueError:  # functions written in C
        return list(args), {k: v for k, v in options.items() if v is not None}
    except TypeError as error:
        raise CallError(f"np.{function.__name__}: {error}") from None
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for key, value in bound.arguments.items():
        parameter = bound.signature.parameters[key]
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += value
        elif parameter.kind is parameter.VAR_KEYWORD:
            keywords |= value
        elif not positional:
            positional.append(value)
        elif value is not parameter.default and type(value).__name__ != "_NoValueType":
            keywords[key] = value
    return positional, keywords


def _where(condition: Any, x: Any = None, y: Any = None) -> Expr:
    if x is None or y is None:
        raise CallError("np.where of an Expr takes three arguments", hint="write np.where(c, a, b)")
    return apply("where", (condition, x, y))  # type: ignore[no-any-return]


def _clip(a: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Expr:
    low, high = options.pop("min", a_min), options.pop("max", a_max)
    _refuse("clip", list(options))
    return as_expr(a) if low is None and high is None else apply("clip", (a, low, high))


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.clip: _clip,
    np.sinc: lambda x: apply("sinc", (x,)),
    np.shape: lambda a: as_expr(a).shape,
    np.ndim: lambda a: as_expr(a).ndim,
    np.size: lambda a, axis=None: as_expr(a).size if axis is None else as_expr(a).shape[axis],
}
"""NumPy's functions whose meaning is not that of a function of arrays in the language."""
