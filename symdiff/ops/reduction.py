"""Reductions over axes: sums, products, extrema, norms and whether conditions hold."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ops import movement, scan
from symdiff.ops.base import Differential, Expand, Flops, Make, Movement, Op, register
from symdiff.ops.movement import AXES, leading, repeated_scalar, unary
from symdiff.ops.structure import CONSTANT, check_count, checked_axis, lane_fold, lane_sum, numeric_type, only, rows
from symdiff.sizes import is_open
from symdiff.types import BOOL, TensorType, fixed, product, show, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

Axes = tuple[int, ...]
LARGEST_COUNT = 2.0**53
Call = Callable[..., Any]


def _type(op: Op, types: Sequence[TensorType], axes: Axes) -> TensorType:
    check_count(op, types, 1)
    shape = fixed(types[0].shape)
    if len(set(axes)) != len(axes) or any(not 0 <= k < len(shape) for k in axes):
        raise ShapeError(f"{op.name}: {axes} are not axes of the shape {show(shape)}")
    if op.result == "c":
        if types[0].dtype != BOOL:
            raise ShapeError(f"{op.name} takes a condition, not a number", hint="write x != 0")
        dtype = BOOL
    else:
        dtype = numeric_type(op, types)
    result = tuple(n for k, n in enumerate(shape) if k not in axes)
    if op in (AMAX, AMIN) and 0 in [shape[k] for k in axes] and 0 not in result:
        name = op.word
        raise ShapeError(f"{name}: the shape {show(shape)} has no elements along {show(axes)}, so there is no {name}")
    return tensor(dtype, result)


def _first(found: Callable[..., Any]) -> Callable[..., Any]:
    """The extremum that stands first, or the first NaN, as a fold from the left gives it."""

    def evaluate(x: Any, axes: Axes) -> Any:
        lines = rows(x, axes)
        if lines.size == 0:
            return np.zeros(lines.shape[1:], lines.dtype)[()]
        return np.take_along_axis(lines, found(lines, axis=0)[None], 0)[0]

    return evaluate


def _folded(name: str, empty: float | bool | None = None) -> Callable[..., Any]:
    """A fold by an elementwise operation over an array of elements."""

    def unrolled(call: Call, x: Any, axes: Axes) -> Any:
        lines = rows(x, axes)
        out = np.empty(lines.shape[1:], object)
        for k in np.ndindex(out.shape):
            column = [lines[(j, *k)] for j in range(len(lines))]
            out[k] = functools.reduce(lambda a, b: call(name, a, b), column) if column else empty
        return out[()]

    return unrolled


def _norm(x: Any, axes: Axes) -> Any:
    return np.sqrt(lane_sum(x * x, axes))


def _norm_unrolled(call: Call, x: Any, axes: Axes) -> Any:
    return np.frompyfunc(lambda e: call("sqrt", e), 1, 1)(lane_sum(x * x, axes))


def _norm_lowered(make: Call, operands: tuple[int, ...], axes: Axes, types: Sequence[TensorType]) -> int:
    return int(make("sqrt", (make(SUM, (make("mul", (operands[0], operands[0])),), axes),)))


# Makers


def sum_over(graph: Graph, node: int, axes: Sequence[int] | int | None = None) -> int:
    """The sum over some axes (None: all); conditions count as 0 and 1."""
    node = graph.as_number(node)
    return graph.apply(SUM, (node,), _axes("sum", axes, graph.shape(node)))


def reduce_over(graph: Graph, op: Op, node: int, axes: Sequence[int] | int | None = None) -> int:
    """`sum`, `prod`, `amax`, `amin`, `norm`, `any` or `all` over some axes (None: all).

    Raises
    ------
    ShapeError
        For an axis that there is not, and for the extremum of nothing.
    """
    if op.result == "c":
        if graph.types[node].dtype != BOOL:
            node = graph.add("not_equal", (node, graph.constant(0.0)))
    else:
        node = graph.as_number(node)
    return graph.apply(op, (node,), _axes(op.word, axes, graph.shape(node)))


def _axes(name: str, axes: Sequence[int] | int | None, shape: tuple[int, ...]) -> Axes:
    if axes is None:
        return tuple(range(len(shape)))
    given = (axes,) if isinstance(axes, int) else tuple(axes)
    found = sorted(checked_axis(name, k, shape) for k in given)
    if len(set(found)) != len(found):
        raise ShapeError(f"{name}: an axis stands twice in {given}")
    return tuple(found)


def _of_one(graph: Graph, make: Make, args: tuple[int, ...], axes: Axes) -> int | None:
    """A reduction over axes of size 1 leaves them out."""
    shape = graph.shape(args[0])
    if any(shape[k] != 1 for k in axes):
        return None
    return make("reshape", args, tuple([n for k, n in enumerate(shape) if k not in axes]))


def _norm_of_one(graph: Graph, make: Make, args: tuple[int, ...], axes: Axes) -> int | None:
    shape = graph.shape(args[0])
    return None if any(shape[k] != 1 for k in axes) else _of_one(graph, make, (make("abs", args, None),), axes)


def _simpler_sum(graph: Graph, make: Make, args: tuple[int, ...], axes: Axes) -> int | None:
    """Sums over axes of size 1, and of a constant that is repeated, where their value is an integer."""
    found = _of_one(graph, make, args, axes)
    scalar = repeated_scalar(graph, args[0]) if found is None else None
    if scalar is None or graph.ops[scalar] is not CONSTANT:
        return found
    shape = graph.shape(args[0])
    count = math.prod(shape[k] for k in axes)
    rest = tuple([n for k, n in enumerate(shape) if k not in axes])
    if is_open(count):
        return make("broadcast", (make("mul", (scalar, make("constant", (), count)), None),), rest)
    term = float(graph.payloads[scalar])
    value = term * count
    if not (value.is_integer() and abs(value) < LARGEST_COUNT and term.is_integer()):
        return None
    return make("broadcast", (make("constant", (), value),), rest)


def kept(graph: Graph, node: int, axes: Axes, shape: tuple[int, ...], lead: int = 0) -> int:
    """What a reduction over `axes` of an array of `shape` gave, with axes of size 1 in the place of those."""
    sizes = leading(graph, node, lead)
    return movement.reshape(graph, node, (*sizes, *(1 if k in axes else n for k, n in enumerate(shape))))


def repeated(graph: Graph, node: int, axes: Axes, shape: tuple[int, ...], lead: int) -> int:
    """The transpose of a sum over `axes` of an array of `shape`."""
    return movement.broadcast(graph, kept(graph, node, axes, shape, lead), (*leading(graph, node, lead), *shape))


def _after(axes: Axes, lead: int) -> Axes:
    return tuple(lead + k for k in axes)


def _sum_back(graph: Graph, g: int, x: int, axes: Axes, lead: int) -> int:
    return repeated(graph, g, axes, graph.shape(x), lead)


def _anywhere(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
    """Every element of the result depends on all elements that it is reduced from."""
    axes = graph.payloads[node]
    if forward:
        return sum_over(graph, mask, _after(axes, lead))
    return repeated(graph, mask, axes, graph.shape(graph.args[node][0]), lead)


def weighted(weight: Callable[[Graph, int], int], text: str) -> Differential:
    """A reduction whose derivative is a weight, an array in the shape of the operand."""

    def push(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
        tangent = only(tangents)
        return sum_over(graph, graph.add("mul", (tangent, weight(graph, node))), _after(graph.payloads[node], lead))

    def pull(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
        axes, shape = graph.payloads[node], graph.shape(graph.args[node][0])
        own = weight(graph, node)
        found = graph.add("mul", (kept(graph, g, axes, shape, lead), own))
        return movement.broadcast(graph, found, (*leading(graph, g, lead), *shape))

    return Differential(push, pull, _anywhere, text=text)


def _others(graph: Graph, node: int) -> int:
    return scan.exclusive_products(graph, graph.args[node][0], graph.payloads[node])


def _direction(graph: Graph, node: int) -> int:
    """x/norm(x): 0 where x is 0, NaN where a square under- or overflowed, so that the norm does not have its digits."""
    x = graph.args[node][0]
    size = kept(graph, node, graph.payloads[node], graph.shape(x))
    least = graph.constant(_LEAST_NORM[graph.dtype])
    divisor = graph.add("sound", (size, least))
    nothing = graph.add("mul", (size, graph.constant(0.0)))
    return graph.add("direction", (x, divisor, nothing))


TIES = "n elements that tie share the derivative, 1/n each; second derivatives there: NaN"
_LEAST_NORM = {name: float(np.sqrt(np.finfo(name).tiny / np.finfo(name).eps)) for name in ("float64", "float32")}
"""Below these a square that is not 0 may have lost digits."""


def _extremum(beaten: str) -> Differential:
    """`beaten` is the comparison of an operand with the result that holds where the operand is not the extremum."""

    def select(graph: Graph, node: int, taken: int) -> int:
        """`taken` where the operand is the extremum, otherwise 0; NaN where one of the two is."""
        x = graph.args[node][0]
        y = kept(graph, node, graph.payloads[node], graph.shape(x))
        nan = graph.constant(float("nan"))
        inner = graph.add("where", (graph.add("equal", (x, y)), taken, nan))
        return graph.add("where", (graph.add(beaten, (x, y)), graph.constant(0.0), inner))

    def shared(graph: Graph, node: int, value: int) -> int:
        """`value` for each of the elements that tie: a slope that jumps with the extremum."""
        ties = sum_over(graph, select(graph, node, graph.constant(1.0)), graph.payloads[node])
        return graph.add("kinked", (graph.add("div", (value, ties)), node, ties))

    def push(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
        tangent = only(tangents)
        total = sum_over(graph, select(graph, node, tangent), _after(graph.payloads[node], lead))
        return shared(graph, node, total)

    def pull(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
        axes, shape = graph.payloads[node], graph.shape(graph.args[node][0])
        return select(graph, node, repeated(graph, shared(graph, node, g), axes, shape, lead))

    def reach(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
        axes, x = graph.payloads[node], graph.args[node][0]
        y = kept(graph, node, axes, graph.shape(x))
        own = mask if forward else repeated(graph, mask, axes, graph.shape(x), lead)
        chosen = graph.add("where", (graph.add(beaten, (x, y)), graph.constant(0.0), own))
        return sum_over(graph, chosen, _after(axes, lead)) if forward else chosen

    return Differential(push, pull, reach, selects=True, text="the mean over the elements that tie")


def _steps(name: str, *others: str) -> Flops:
    """One operation fewer than elements for each result; `square` for each element, `sqrt` for each result."""

    def flops(types: Sequence[TensorType], result: TensorType, payload: Axes) -> dict[str, int]:
        count, made = product(types[0].shape), product(result.shape)
        found = {name: max(0, count - made)}
        if "mul" in others:
            found["mul"] = count
        if "sqrt" in others:
            found["sqrt"] = made
        return found

    return flops


SUM, PROD, AMAX, AMIN, NORM, DIRECTION, SOUND, ROOT, ANY, ALL = register(
    Op("sum", None, hidden=True, finite=True, numpy="np.sum({0}, axis={axes})",
       doc="the sum over some axes", payload=AXES, type_rule=_type, canonical=_simpler_sum, empty=0.0,
       routine=Movement(lane_sum), flops=_steps("add"),
       differential=unary(lambda graph, t, axes, lead: sum_over(graph, t, _after(axes, lead)), _sum_back)),
    Op("prod", None, hidden=True, numpy="np.prod({0}, axis={axes})",
       doc="the product over some axes", payload=AXES, type_rule=_type, canonical=_of_one, empty=1.0,
       routine=Movement(lambda x, axes: lane_fold(np.multiply, x, axes, 1.0)), flops=_steps("mul"),
       differential=weighted(_others, "sum(dx*products of the others)"),
       edges="the derivative by a factor is the product of the others, also at zeros"),
    Op("amax", None, word="max", hidden=True,
       numpy="np.max({0}, axis={axes})", doc="the largest element along some axes; NaN if one is NaN", payload=AXES,
       type_rule=_type, canonical=_of_one, routine=Movement(_first(np.argmax), _folded("max")), flops=_steps("max"),
       differential=_extremum("less"), edges=TIES),
    Op("amin", None, word="min", hidden=True,
       numpy="np.min({0}, axis={axes})", doc="the smallest element along some axes; NaN if one is NaN", payload=AXES,
       type_rule=_type, canonical=_of_one, routine=Movement(_first(np.argmin), _folded("min")), flops=_steps("min"),
       differential=_extremum("greater"), edges=TIES),
    Op("norm", None, hidden=True,
       doc="the root of the sum of squares over some axes", payload=AXES,
       numpy="np.sqrt(np.sum(np.square({0}), axis={axes}))", lower=_norm_lowered,
       type_rule=_type, canonical=_norm_of_one, empty=0.0,
       routine=Movement(_norm, _norm_unrolled), flops=_steps("add", "mul", "sqrt"),
       differential=weighted(_direction, "sum(dx*x)/norm(x)"),
       edges="derivative 0 where all elements are 0, second derivatives there NaN; NaN where squares are "
       "too small or large"),
    Op("direction", "fff", routine=Expand("where(a == 0, c, a/b)"), partials=("1/b", "-(y/b)", None), hidden=True,
       doc="x1/x2, x3 where x1 is 0: x/norm(x)", exact="a/b", singular=(0.0,),
       domain=((-np.inf, np.inf), (0.0, np.inf), (-np.inf, np.inf)), parameters=("x1", "x2", "x3"),
       latex=r"\frac{{{}}}{{{}}}", edges="derivatives where x1 is 0 are those of x1/x2"),
    Op("sound", "ff", routine=Expand("where(b < a and a < inf, a, nan)"), partials=("1", None), hidden=True,
       doc="x1 where it is finite and above x2, otherwise NaN", domain=((-np.inf, np.inf), (-np.inf, np.inf)),
       parameters=("x1", "x2"), latex="{0}", edges="derivative 1 everywhere"),
    Op("root", "ff", routine=Expand("a**b"), partials=("where(a == 0, kinked(0, a, 2), b*y/a)", None), hidden=True,
       doc="the power x1**(1/p) of a sum of powers of sizes, x2 a constant",
       parameters=("x1", "x2"), latex="{}^{{{}}}",
       edges="kink at 0: derivative 0, second derivative NaN"),
    Op("any", None, "c", hidden=True, numpy="np.any({0}, axis={axes})",
       doc="whether a condition holds somewhere along some axes", payload=AXES,
       type_rule=_type, canonical=_of_one, empty=False,
       routine=Movement(lambda x, axes: np.any(x, axis=axes), _folded("logical_or", False))),
    Op("all", None, "c", hidden=True, numpy="np.all({0}, axis={axes})",
       doc="whether a condition holds everywhere along some axes", payload=AXES,
       type_rule=_type, canonical=_of_one, empty=True,
       routine=Movement(lambda x, axes: np.all(x, axis=axes), _folded("logical_and", True))),
)  # fmt: skip
