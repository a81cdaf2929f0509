"""NumPy's functions that do not go by the function of arrays of the same name: several results, other forms of call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NoReturn

import numpy as np

from symdiff.errors import CallError, UnknownNameError
from symdiff.frontend.calls import UNAVAILABLE
from symdiff.frontend.expr import BUILD, Expr, as_expr
from symdiff.frontend.functions import apply


def _where(condition: Any, x: Any = None, y: Any = None) -> Expr:
    if x is None or y is None:
        raise CallError("np.where of an Expr takes three arguments", hint="write np.where(c, a, b)")
    return apply("where", (condition, x, y))  # type: ignore[no-any-return]


def _clip(a: Any, a_min: Any = None, a_max: Any = None, out: None = None, *, min: Any = None, max: Any = None) -> Expr:
    if out is not None:
        raise CallError("np.clip of an Expr writes into no array", hint="write z = np.clip(x, low, high)")
    low, high = a_min if min is None else min, a_max if max is None else max
    return as_expr(a) if low is None and high is None else apply("clip", (a, low, high))


def _einsum(*operands: Any, out: None = None, optimize: Any = False, **options: Any) -> Expr:
    """Also by lists of axes: `einsum(x, [0, 1], y, [1], [0])`; the order of products is always optimized."""
    for key in (*(("out",) if out is not None else ()), *options):
        raise CallError(f"np.einsum of an Expr takes no {key}=", hint='write np.einsum("ij,j->i", A, x)')
    if isinstance(operands[0], str):
        return apply("einsum", operands)  # type: ignore[no-any-return]
    output = operands[-1] if len(operands) % 2 else None
    pairs = list(zip(operands[: len(operands) // 2 * 2 : 2], operands[1::2], strict=True))

    def term(axes: Sequence[Any]) -> str:
        try:
            return "".join("..." if k is Ellipsis else chr(ord("A") + k if k < 26 else ord("a") + k - 26) for k in axes)
        except TypeError:
            raise CallError(
                "np.einsum takes a text, or a list of axes after each operand", hint='write np.einsum("ij,j->i", A, x)'
            ) from None

    text = ",".join(term(axes) for _, axes in pairs) + ("" if output is None else f"->{term(output)}")
    return apply("einsum", (text, *(x for x, _ in pairs)))  # type: ignore[no-any-return]


def _gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """One array for each axis where there are several, as NumPy's."""
    count = as_expr(f).ndim
    axes = tuple(range(count)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    steps = varargs * len(axes) if len(varargs) == 1 else varargs or (None,) * len(axes)
    if len(steps) != len(axes):
        raise CallError(f"np.gradient takes one distance, or one for each of {len(axes)} axes, not {len(steps)}")
    found = [
        apply("gradient", (f, step), {"axis": k, "edge_order": edge_order}) for k, step in zip(axes, steps, strict=True)
    ]
    return found[0] if len(found) == 1 and not isinstance(axis, tuple) else tuple(found)


def _average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: Any = False) -> Any:
    options = {"axis": axis, "keepdims": keepdims is True}
    found = apply("average", (a,), {**options, "weights": weights})
    if not returned:
        return found
    if weights is None:
        return found, apply("sum", (apply("ones_like", (a,)),), options)
    shape, own = as_expr(a).shape, np.shape(weights) if not isinstance(weights, Expr) else weights.shape
    if len(own) < len(shape):
        weights = apply("reshape", (weights, [-1 if k == axis % len(shape) else 1 for k in range(len(shape))]))
    return found, apply("sum", (apply("add", (weights, apply("zeros_like", (a,)))),), options)


def _unstack(x: Any, /, *, axis: int = 0) -> tuple[Expr, ...]:
    moved = apply("moveaxis", (x, axis, 0))
    return tuple([moved[k] for k in range(len(moved))])


def _cuts(size: int, sections: Any) -> list[int]:
    """Where the parts of an axis end, of sizes that differ by at most one, or at the places given."""
    if isinstance(sections, list | tuple | np.ndarray):
        return [int(k) for k in sections]
    large, rest = divmod(size, int(sections))
    return [k * large + min(k, rest) for k in range(1, int(sections))]


def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Expr]:
    x = as_expr(ary)
    cuts = [None, *_cuts(x.shape[axis], indices_or_sections), None]  # type: ignore[arg-type]
    before = (slice(None),) * (axis % x.ndim)
    return [x[(*before, slice(start, stop))] for start, stop in pairwise(cuts)]


def _splitter(name: str, axis_of: Callable[[int], int]) -> Callable[..., Any]:
    """Equal parts are one array; parts that end at given places are a list of arrays."""

    def split(ary: Any, indices_or_sections: Any, *axis: Any, **options: Any) -> Any:
        if not isinstance(indices_or_sections, list | tuple | np.ndarray):
            return apply(name, (ary, indices_or_sections, *axis), options)
        own = axis[0] if axis else options.get("axis", axis_of(as_expr(ary).ndim))
        return _array_split(ary, indices_or_sections, own)

    return split


def _dsplit(ary: Any, indices_or_sections: Any) -> Any:
    return _splitter("split", lambda count: 2)(ary, indices_or_sections, axis=2)


def _slogdet(a: Any) -> Any:
    """NumPy's named tuple."""
    both = apply("slogdet", (a,))
    return type(np.linalg.slogdet(np.eye(1)))(both[0], both[1])


def _svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Expr:
    if compute_uv:
        raise UnknownNameError(f"np.linalg.svd {UNAVAILABLE['svd'][0]}", hint=UNAVAILABLE["svd"][1])
    return apply("svdvals", (a,))  # type: ignore[no-any-return]


def _lstsq(a: Any, b: Any, rcond: float | None = None) -> tuple[Expr, Expr, Expr, Expr]:
    """The solution, the sums of squares that are left (none unless there are more rows), the rank, the values."""
    a, b = as_expr(a), as_expr(b)
    x, values = apply("lstsq", (a, b), {} if rcond is None else {"rcond": rcond}), apply("svdvals", (a,))
    rows, columns = a.shape
    left = (b - a @ x) ** 2
    left = apply("sum", (left,), {"axis": 0, "keepdims": left.ndim == 1})
    limit = float(np.finfo(a.dtype).eps) * max(rows, columns) if rcond is None else rcond
    rank = apply("count_nonzero", (values > limit * values[0],)) if min(rows, columns) else as_expr(0.0)
    return x, left if rows > columns else left[:0], rank, values


def _delete(arr: Any, obj: Any, axis: Any = None) -> Expr:
    """The places may be a slice or a mask, too."""
    x = as_expr(arr)
    if isinstance(obj, slice) or np.asarray(obj).dtype.kind == "b":
        size = x.size if axis is None else x.shape[axis]
        obj = np.arange(size)[obj if isinstance(obj, slice) else np.asarray(obj)].tolist()
    return apply("delete", (x, obj), {"axis": axis})  # type: ignore[no-any-return]


def _isclose(a: Any, b: Any, rtol: Any = 1e-5, atol: Any = 1e-8, equal_nan: bool = False) -> Expr:
    return apply("isclose", (a, b), {"rtol": rtol, "atol": atol, "equal_nan": equal_nan})  # type: ignore[no-any-return]


def _allclose(*args: Any, **options: Any) -> Expr:
    return apply("all", (_isclose(*args, **options),))  # type: ignore[no-any-return]


def _array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    if as_expr(a1).shape != as_expr(a2).shape:
        return False
    return apply("all", (_isclose(a1, a2, 0.0, 0.0, equal_nan),))


def _broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Expr, ...]:
    found = [as_expr(a) for a in args]
    shape = np.broadcast_shapes(*(e.shape for e in found))  # type: ignore[arg-type]
    return tuple([apply("broadcast_to", (e, shape)) for e in found])


def _bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Expr:
    if isinstance(x, Expr):
        raise CallError(
            "np.bincount of an Expr would have a size that depends on values",
            hint="write sd.scatter_add(weights, x, size)",
        )
    places = np.asarray(x)
    size = max(int(places.max()) + 1 if places.size else 0, minlength)
    return apply("scatter_add", (weights, places, size))  # type: ignore[no-any-return]


def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Expr:
    largest = float(np.finfo(float).max)
    high, low = largest if posinf is None else posinf, -largest if neginf is None else neginf
    found = apply("where", (apply("equal", (x, np.inf)), high, x))
    found = apply("where", (apply("equal", (x, -np.inf)), low, found))
    return apply("where", (apply("isnan", (x,)), nan, found))  # type: ignore[no-any-return]


def _piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **options: Any) -> Expr:
    """Of several conditions that hold the last counts, as in NumPy."""
    conditions = condlist if isinstance(condlist, list | tuple) else [condlist]
    values = [f(x, *args, **options) if callable(f) else f for f in funclist]
    result = values.pop() if len(values) == len(conditions) + 1 else 0.0
    if len(values) != len(conditions):
        raise CallError(f"np.piecewise: {len(values)} functions for {len(conditions)} conditions")
    for condition, value in zip(conditions, values, strict=True):
        result = apply("where", (condition, value, result))
    return as_expr(result)


def _rollaxis(a: Any, axis: int, start: int = 0) -> Expr:
    count = as_expr(a).ndim
    axis, start = axis % count, start + count if start < 0 else start
    return apply("moveaxis", (a, axis, start - 1 if axis < start else start))  # type: ignore[no-any-return]


def _astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Expr:
    return as_expr(x).astype(dtype)


def _imag(val: Any) -> Expr:
    return apply("zeros_like", (val,))  # type: ignore[no-any-return]


def _block(arrays: Any) -> Expr:
    """Blocks in nested lists: the innermost are joined along the last axis, the next along the one before."""
    depth, item = 0, arrays
    while isinstance(item, list):
        if not item:
            raise CallError("np.block of an empty list")
        depth, item = depth + 1, item[0]
    blocks: list[Expr] = []
    stack = [arrays]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack += item
        else:
            blocks.append(as_expr(item))
    count = max(depth, *(e.ndim for e in blocks))

    def joined(part: Any, level: int) -> Expr:
        if not isinstance(part, list):
            if level != depth:
                raise CallError("np.block: the lists are nested to different depths")
            e = as_expr(part)
            return apply("reshape", (e, (1,) * (count - e.ndim) + e.shape))  # type: ignore[no-any-return]
        return apply("concatenate", ([joined(p, level + 1) for p in part], level - depth))  # type: ignore[no-any-return]

    return joined(arrays, 0)


def _changes(name: str, instead: str) -> Callable[..., NoReturn]:
    """A function that writes into its argument, which a formula cannot."""

    def refuse(*args: Any, **options: Any) -> NoReturn:
        raise CallError(f"np.{name} changes an array, and a formula does not change", hint=f"{instead}; {BUILD}")

    return refuse


ANSWERS: dict[Any, Callable[..., Any]] = {
    np.where: _where,
    np.clip: _clip,
    np.sinc: lambda x: apply("sinc", (x,)),
    np.shape: lambda a: as_expr(a).shape,
    np.ndim: lambda a: as_expr(a).ndim,
    np.size: lambda a, axis=None: as_expr(a).size if axis is None else as_expr(a).shape[axis],
    np.einsum: _einsum,
    np.gradient: _gradient,
    np.average: _average,
    np.array_split: _array_split,
    np.split: _splitter("split", lambda count: 0),
    np.vsplit: _splitter("vsplit", lambda count: 0),
    np.hsplit: _splitter("hsplit", lambda count: int(count > 1)),
    np.dsplit: _dsplit,
    np.linalg.slogdet: _slogdet,
    np.linalg.svd: _svd,
    np.linalg.lstsq: _lstsq,
    np.delete: _delete,
    np.isclose: _isclose,
    np.allclose: _allclose,
    np.array_equal: _array_equal,
    np.broadcast_arrays: _broadcast_arrays,
    np.bincount: _bincount,
    np.nan_to_num: _nan_to_num,
    np.block: _block,
    np.piecewise: _piecewise,
    np.rollaxis: _rollaxis,
    np.around: lambda a, decimals=0, out=None: apply("round", (a, decimals) if decimals else (a,)),
    np.real: as_expr,
    np.imag: _imag,
    np.real_if_close: lambda a, tol=100: as_expr(a),
    np.iscomplexobj: lambda x: False,
    np.isrealobj: lambda x: True,
    np.copyto: _changes("copyto", "write z = np.where(c, new, z)"),
    np.put: _changes("put", "write z = np.where(np.arange(n) == k, new, z)"),
    np.place: _changes("place", "write z = np.where(c, new, z)"),
    np.putmask: _changes("putmask", "write z = np.where(c, new, z)"),
    np.put_along_axis: _changes("put_along_axis", "write z = np.where(c, new, z)"),
    np.fill_diagonal: _changes("fill_diagonal", "write A*(1 - np.eye(n)) + value*np.eye(n)"),
}
"""NumPy's functions by what they do with an Expr."""

for _name, _function in (("unstack", _unstack), ("astype", _astype)):
    if hasattr(np, _name):  # NumPy 2.1
        ANSWERS[getattr(np, _name)] = _function
