"""NumPy's ufuncs and some of its functions on an Expr."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError, ShapeError, nearest
from symdiff.frontend.calls import is_function
from symdiff.frontend.expr import Expr, as_expr, together
from symdiff.frontend.functions import apply, names
from symdiff.types import show

RENAMED = {"float_power": "pow", "bitwise_and": "logical_and", "bitwise_or": "logical_or", "invert": "logical_not"}
"""Ufuncs that the language calls otherwise."""


def apply_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What `ufunc(*inputs)` is when one of the inputs is an Expr.

    Raises
    ------
    CallError
        For ufuncs that the language does not have, for `np.add.reduce` and its kin, and for `out=` and `where=`.
    """
    name = ufunc.__name__
    if method != "__call__":
        raise CallError(f"np.{name}.{method} of an Expr is not supported", hint="write sum(x), or a loop over x")
    if options:
        raise CallError(f"np.{name} of an Expr takes no {' or '.join(options)}=", hint=f"write np.{name}(x)")
    if name == "matmul":
        return matmul(*inputs)
    if name in ("positive", "conjugate"):
        return as_expr(inputs[0])
    if name == "divmod":
        return apply("floor_divide", inputs), apply("mod", inputs)
    name = RENAMED.get(name, name)
    if not is_function(name):
        raise CallError(f"np.{name} of an Expr is not supported", hint=nearest(name, names()))
    return apply(name, inputs)


def apply_function(function: Callable[..., Any], args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """What NumPy's `function(*args, **options)` is when one of the arguments is an Expr.

    Raises
    ------
    CallError
        For functions that have no meaning here.
    """
    name = function.__name__
    known = FUNCTIONS.get(function)
    if known is None:
        hint = f"write sd.{name}(x)" if is_function(name) else "write it with operators and sd's functions"
        raise CallError(f"np.{name} of an Expr is not supported", hint=hint)
    return known(*args, **options)


def _where(condition: Any, x: Any = None, y: Any = None) -> Expr:
    if x is None or y is None:
        raise CallError("np.where of an Expr takes three arguments", hint="write np.where(c, a, b)")
    return apply("where", (condition, x, y))  # type: ignore[no-any-return]


def _clip(a: Any, a_min: Any = None, a_max: Any = None, **options: Any) -> Expr:
    low, high = options.pop("min", a_min), options.pop("max", a_max)
    _refuse(np.clip, options)
    if low is None and high is None:
        return as_expr(a)
    if low is None or high is None:
        return apply("max" if high is None else "min", (a, low if high is None else high))  # type: ignore[no-any-return]
    return apply("clip", (a, low, high))  # type: ignore[no-any-return]


def _stack(arrays: Any, axis: int = 0, **options: Any) -> Expr:
    _refuse(np.stack, options)
    if axis != 0:
        raise CallError("np.stack of an Expr stacks along the first axis only", hint="write axis=0")
    return as_expr(list(arrays))


def _concatenate(arrays: Any, axis: int = 0, **options: Any) -> Expr:
    _refuse(np.concatenate, options)
    if axis != 0:
        raise CallError("np.concatenate of an Expr joins along the first axis only", hint="write axis=0")
    return as_expr([entry for part in arrays for entry in part])


def _sum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **options: Any) -> Expr:
    _refuse(np.sum, options | {k: v for k, v in (("dtype", dtype), ("out", out)) if v is not None})
    keywords = {"keepdims": True} if keepdims is True else {}
    if isinstance(axis, tuple):
        e = as_expr(a)
        axes = tuple(sorted(k % e.ndim for k in axis))
        if keywords or len(set(axes)) != len(axes):
            raise CallError("np.sum of an Expr takes one axis", hint="sum over one axis after the other")
        return Expr(e.graph, e.graph.add("sum", (e.node,), axes)) if axes else e
    return apply("sum", (a,), {**keywords, "axis": axis})  # type: ignore[no-any-return]


def _round(a: Any, decimals: int = 0, out: Any = None) -> Expr:
    if decimals or out is not None:
        raise CallError("an Expr is rounded to integers only", hint="write np.round(x)")
    return apply("round", (a,))  # type: ignore[no-any-return]


def _extremum(name: str) -> Callable[..., Any]:
    def extremum(a: Any, axis: Any = None, **options: Any) -> Any:
        _refuse(np.max, options | ({} if axis is None else {"axis": axis}))
        return apply(name, (a,))

    return extremum


def _dot(a: Any, b: Any, out: Any = None) -> Any:
    if out is not None:
        raise CallError("np.dot of an Expr takes no out=")
    graph, nodes = together((a, b))
    left, right = Expr(graph, nodes[0]), Expr(graph, nodes[1])
    return left * right if not (left.ndim and right.ndim) else matmul(left, right)


def _refuse(function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    for key in options:
        raise CallError(f"np.{function.__name__} of an Expr takes no {key}=")


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.clip: _clip,
    np.stack: _stack,
    np.concatenate: _concatenate,
    np.sum: _sum,
    np.round: _round,
    np.around: _round,
    np.max: _extremum("max"),
    np.min: _extremum("min"),
    np.dot: _dot,
    np.sinc: lambda x: apply("sinc", (x,)),
    np.shape: lambda a: as_expr(a).shape,
    np.ndim: lambda a: as_expr(a).ndim,
    np.size: lambda a: as_expr(a).size,
}
"""NumPy's functions (those that are not ufuncs) that take an Expr."""


def matmul(a: Any, b: Any) -> Expr:
    """The matrix product of two operands with one or two axes each."""
    graph, (left, right) = together((a, b))
    axes = len(graph.types[left].shape), len(graph.types[right].shape)
    with graph.lock:
        if axes in ((1, 1), (2, 1)):
            if graph.types[left].shape[-1] != graph.types[right].shape[0]:
                raise ShapeError(f"@: shapes {show(graph.types[left].shape)} and {show(graph.types[right].shape)}")
            product_ = graph.apply("mul", (left, right))
            return Expr(graph, graph.add("sum", (product_,), (axes[0] - 1,)))
    raise ShapeError(
        f"@ takes a matrix or a vector and a vector, not {show(graph.types[left].shape)} and "
        f"{show(graph.types[right].shape)}"
    )
