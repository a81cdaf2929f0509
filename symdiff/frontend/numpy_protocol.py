"""NumPy's ufuncs and functions on an Expr."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError, UnknownNameError
from symdiff.frontend.calls import UNAVAILABLE, is_function, look_up, unknown_function
from symdiff.frontend.expr import Expr, as_expr
from symdiff.frontend.functions import apply, result_of
from symdiff.frontend.handlers import FUNCTION, METHOD, UFUNC, handles
from symdiff.frontend.numpy_functions import ANSWERS

RENAMED = {"float_power": "pow", "bitwise_and": "logical_and", "bitwise_or": "logical_or", "invert": "logical_not"}
"""Ufuncs that the language calls otherwise."""

REDUCED = {
    "add": "sum",
    "multiply": "prod",
    "maximum": "max",
    "minimum": "min",
    "logical_and": "all",
    "logical_or": "any",
}
"""Ufuncs whose reduction the language has."""

RUNNING = {"add": "cumsum", "multiply": "cumprod"}
"""Ufuncs whose accumulation the language has."""


FIXED = {"optimize", "kind", "stable", "overwrite_input", "copy", "subok", "device", "casting", "hermitian"}
"""NumPy's options that change the way to a result, or the array it lies in, and not its numbers."""

LONGEST = 4096
"""The most elements that a ufunc is folded over."""


@handles(UFUNC)
def apply_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What `ufunc(*inputs)`, or a method of the ufunc, is when one of the inputs is an Expr.

    Raises
    ------
    CallError
        For ufuncs that the language does not have, and for `out=` and `where=`.
    """
    name, title = ufunc.__name__, _title(ufunc)
    if method == "__call__":
        return _of_ufunc(name, title, inputs, options)
    if ufunc.nin != 2 or ufunc.nout != 1 or method not in ("reduce", "accumulate", "outer"):
        raise CallError(f"{title}.{method} of an Expr is not supported", hint="write sum(x), or a loop over x")
    if method == "outer":
        first, second = (as_expr(x) for x in inputs)
        spread = apply("reshape", (first, (*first.shape, *(1,) * second.ndim)))
        return _of_ufunc(name, title, (spread, second), options)
    known = (REDUCED if method == "reduce" else RUNNING).get(name)
    if known is not None:
        return call_as_numpy(known, f"{title}.{method}", inputs, {"axis": 0, **options})
    x, axis, keepdims = as_expr(inputs[0]), options.get("axis", 0), options.get("keepdims", False)
    _refuse(f"{title}.{method}", [k for k, v in options.items() if k not in ("axis", "keepdims") and v is not None])
    lines = apply("ravel", (x,)) if axis is None else apply("moveaxis", (x, axis, 0))
    if not 0 < lines.shape[0] <= LONGEST:
        raise CallError(f"{title}.{method} of {lines.shape[0]} elements", hint=f"it takes from 1 to {LONGEST:,}")
    folded = [lines[0]]
    for k in range(1, lines.shape[0]):
        folded.append(_of_ufunc(name, title, (folded[-1], lines[k]), {}))
    if method == "accumulate":
        return apply("stack", (folded,), {"axis": axis})
    if keepdims:
        shape = (1,) * x.ndim if axis is None else tuple(1 if k == axis % x.ndim else n for k, n in enumerate(x.shape))
        return apply("reshape", (folded[-1], shape))
    return folded[-1]


def _of_ufunc(name: str, title: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
    out = options.get("out")
    if out is not None:
        entry = look_up(RENAMED.get(name, name))
        infix = entry.op.infix if entry is not None and entry.op is not None else None
        symbol = "@" if name == "matmul" else infix.symbol if infix is not None else ""
        given = f"instead of z {symbol}= x write z = z {symbol} x" if symbol else f"write z = {title}(x)"
        raise CallError(f"{title} of an Expr writes into no array", hint=f"{given}: a new value")
    _refuse(title, [k for k, v in options.items() if k != "out" and not _is_fixed(k, v)])
    if name == "matmul":
        return inputs[0] @ inputs[1] if isinstance(inputs[0], Expr) else as_expr(inputs[0]) @ inputs[1]
    if name in ("positive", "conjugate"):
        return as_expr(inputs[0])
    if name == "divmod":
        return apply("floor_divide", inputs), apply("mod", inputs)
    name = RENAMED.get(name, name)
    if not is_function(name):
        raise CallError(f"{title} of an Expr is not supported", hint=unknown_function(name).hint)
    return apply(name, inputs)


def _title(function: Any) -> str:
    """What users call a function of NumPy's or SciPy's."""
    name: str = function.__name__
    for module, short in (("numpy", "np"), ("numpy.linalg", "np.linalg"), ("scipy.special", "scipy.special")):
        if getattr(sys.modules.get(module), name, None) is function:
            return f"{short}.{name}"
    return name


def _is_fixed(key: str, value: Any) -> bool:
    """Whether an option of NumPy's changes no number: what belongs to memory, or asks for the type that there is."""
    if key == "dtype":
        return value is None or np.dtype(value) == np.float64
    return key in FIXED or value is None or (key == "order" and value in ("C", "K", "A"))


def _refuse(title: str, options: Sequence[str], usage: str = "") -> None:
    for key in options:
        hint = usage
        if key == "out":
            hint = f"write z = {title}(…): a formula changes no array"
        elif key == "dtype":
            hint = "a formula has one type of numbers: leave dtype out"
        elif key == "where":
            hint = f"write np.where(c, {title}(x), otherwise)"
        raise CallError(f"{title} of an Expr takes no {key}=", hint=hint)


@handles(METHOD)
def call_as_numpy(own: str, title: str, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """A function of arrays called with NumPy's options.

    Raises
    ------
    CallError
        For an option that would change the result and that the function does not have.
    """
    entry = look_up(own)
    target = None if entry is None else entry.by_numpy
    assert target is not None
    kept = {}
    for key, value in options.items():
        if target.parameter(key) in target.parameters:
            if value is not None or key == "axis" or target.optional.get(target.parameter(key), 0) is None:
                kept[key] = value
        elif not _is_fixed(key, value):
            _refuse(title, [key], f"it takes {target.usage}")
    return result_of(target, args, kept)


@handles(FUNCTION)
def apply_function(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What NumPy's `function(*args, **options)` is when one of the arguments is an Expr.

    Raises
    ------
    CallError
        For functions that have no meaning here, and options that they do not have here.
    """
    name, title = function.__name__, _title(function)
    known = ANSWERS.get(function)
    if known is not None:
        try:
            inspect.signature(known).bind(*args, **options)
        except TypeError as error:
            raise CallError(f"{title} of an Expr: {error}", hint="write it with operators and sd's functions") from None
        return known(*args, **options)
    entry = look_up(name)
    if entry is None or entry.by_numpy is None:
        if name in UNAVAILABLE:
            raise UnknownNameError(f"{title} {UNAVAILABLE[name][0]}", hint=UNAVAILABLE[name][1])
        if entry is not None and all(_is_fixed(k, v) for k, v in options.items()):
            return result_of(entry, args)
        hint = "write it with operators and sd's functions" if entry is None else f"write sd.{name}(x)"
        raise CallError(f"{title} of an Expr is not supported", hint=hint)
    positional, keywords = _arguments(function, args, options)
    return call_as_numpy(name, title, positional, keywords)


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
