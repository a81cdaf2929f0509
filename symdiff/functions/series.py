"""Derivatives of high order, by truncated Taylor series: `taylor`, and the n-th derivative."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.differentiate.operators import check_differentiable, tangents
from symdiff.differentiate.taylor import taylor_coefficients
from symdiff.errors import ArgumentError
from symdiff.frontend.expr import Expr
from symdiff.functions.directions import open_tangents, with_tangents
from symdiff.functions.function import Function
from symdiff.functions.inputs import name_of
from symdiff.functions.record import read_source, recorded, same_results
from symdiff.functions.transforms import prepare, stable
from symdiff.functions.wrt import Wrt
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core, movement
from symdiff.optimize.program import count_operations
from symdiff.signature import Argument, parameters_of
from symdiff.types import show

LARGEST_ORDER = 64
LEAST_SERIES = 4
"""Derivatives of lower orders take as many operations either way, and repetition is right at more singular points."""

LATEST = 12
"""The last order at which operations of series are counted on the way to a higher one."""


def _check_order(n: Any) -> None:
    if not isinstance(n, int | np.integer) or isinstance(n, bool) or not 0 <= n <= LARGEST_ORDER:
        by_name = "; to derive by another name, take the derivative again" if isinstance(n, str | Expr) else ""
        raise ArgumentError(f"the order is {n!r}", hint=f"an integer from 0 to {LARGEST_ORDER}{by_name}")


def _is_direction(wrt: Any, arguments: Sequence[Argument]) -> bool:
    """Whether a series is along a direction that its function takes; otherwise by one number."""
    return isinstance(wrt, list | tuple) or (wrt is None and len(parameters_of(arguments)) > 1)


def _open_arguments(f: Function, wrt: Any = None, order: Any = None) -> tuple[Argument, ...]:
    return open_tangents(f, wrt) if _is_direction(wrt, f.arguments) else f.arguments


def _single(graph: Graph, targets: Wrt, what: str) -> dict[int, int]:
    """The tangent of each node where the one number that a derivative is by grows by 1 in a unit of time."""
    if targets.structure != 0 or targets.targets[0].shape:
        shape = targets.targets[0].shape if targets.targets else ()
        raise ArgumentError(
            f"{what} is by one number, and this has the shape {show(shape)}",
            hint='give a direction: taylor(f, ("x",), n) takes x_dot'
            if what == "taylor"
            else "use jacobian or hessian for vectors",
        )
    return dict(targets.targets[0].spread(graph, graph.constant(1.0)))


@recorded("taylor_{f}", arguments=_open_arguments, results=same_results)
def taylor(fun: Any, wrt: Any = None, order: int = 1) -> Function:
    """The Taylor coefficients f, f', f''/2, …, f^(n)/n! up to an order, along a new first axis.

    They come from recurrences in the arithmetic of series; their number of operations is quadratic in the order, where
    that of repeated differentiation is exponential.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.
    wrt : the name of a scalar input or a named line, or an element such as ``"x[0]"``: the series is in it. A list or
        tuple: the series of f(x + t*x_dot, …) in t, along a direction that the function takes as `jvp` does, directly
        after the last input in `wrt`. Default: the only input, else the list or tuple of all.
    order : the last one, from 0 to 64.

    Raises
    ------
    ArgumentError
        For another order; where a name alone is that of an array. Otherwise as for `grad`.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.taylor("exp(x)", "x", 4)(0.0)
    array([1.        , 1.        , 0.5       , 0.16666667, 0.04166667])
    >>> sd.taylor("f(x[2]) = x[0]**2*x[1]", ("x",), 3)([1.0, 2.0], [1.0, 1.0])
    array([2., 5., 4., 1.])
    """
    _check_order(order)
    f, targets = stable(*prepare(fun, wrt))
    check_differentiable(f.graph, f.nodes)
    with collector_paused():
        if _is_direction(wrt, f.arguments):
            given = with_tangents(f, targets, wrt)
            f, seeds, returning = given.function, given.seeds(given.wrt), given.returning
        else:
            given, seeds = None, _single(f.graph, targets, "taylor")
        graph, pairs = f.graph, []
        for (title, node), found in zip(
            f._output_pairs(), taylor_coefficients(graph, f.nodes, seeds, int(order)), strict=True
        ):
            zero = movement.full_like(graph, 0.0, node)
            pairs.append((f"taylor_{title}", movement.stack(graph, [zero if c is None else c for c in found])))
    name = f"taylor_{f.__name__}"
    if given is not None:
        return returning(name, pairs, f._structure)
    return f._with_outputs(name, pairs, f._structure, stable=True)


@recorded("d{n}_{f}", results=same_results)
def derivative(fun: Any, name: Any = None, n: int = 1) -> Function:
    """The n-th derivative by a scalar input or named line; by the only input where no name is given.

    It is repeated forward differentiation or, from order 4 on where that takes fewer operations, a Taylor coefficient
    times n!; `explain()` tells.

    Raises
    ------
    ArgumentError
        For an order that is not an integer from 0 to 64, or an input that is not a scalar.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.derivative("sin(2*x)", "x", 3)(0.0)
    -8.0
    """
    f, targets = prepare(fun, name)
    _check_order(n)
    _single(f.graph, targets, "derivative")
    n = int(n)
    title = f"d{n}_{f.__name__}"
    note: tuple[str, ...] = ()
    with collector_paused():
        if n < LEAST_SERIES:
            made = _repeated(f, targets, n)
        else:
            pairs, spent = _by_series(f, targets, n)
            made = _repeated(f, targets, n, spent)
            chosen, more = ("series", "more") if made is None else ("repetition", _counted(made.graph, made.nodes))
            note = (f"derivative: {chosen}; operations before optimization: series {spent[-1]}, repetition {more}",)
    if made is None:
        return f._with_outputs(title, pairs, f._structure, note, stable=True)
    found = [(f"d{n}_{output}", node) for output, node in made._output_pairs()]
    return made._with_outputs(title, found, made._structure, note, stable=n > 0)


def _counted(graph: Graph, nodes: Sequence[int]) -> int:
    return sum(count_operations(graph, nodes).values())


def _by_series(f: Function, targets: Wrt, n: int) -> tuple[list[tuple[str, int]], list[int]]:
    """The n-th derivatives as Taylor coefficients times n!, and how many operations those of each order take."""
    f, targets = stable(f, targets)
    graph, scale = f.graph, f.graph.constant(float(math.factorial(n)))
    check_differentiable(graph, f.nodes)
    pairs = []
    found = taylor_coefficients(graph, f.nodes, _single(graph, targets, "derivative"), n)
    for (title, node), coefficients in zip(f._output_pairs(), found, strict=True):
        last = coefficients[n]
        value = movement.full_like(graph, 0.0, node) if last is None else graph.add(core.MUL, (scale, last))
        pairs.append((f"d{n}_{title}", value))
    spent = [_counted(graph, [c for own in found if (c := own[k]) is not None]) for k in range(min(n, LATEST) + 1)]
    return pairs, [*spent, _counted(graph, [node for _, node in pairs])]


def _repeated(f: Function, targets: Wrt, n: int, spent: Sequence[int] = ()) -> Function | None:
    """Forward differentiation n times; None as soon as it takes more than series do, whose operations are `spent`.

    Their number grows faster with the order: with twice that of the same order, it is clear.
    """
    for order in range(1, n + 1):
        f, targets = stable(f, targets)
        slopes = tangents(f.graph, f.nodes, _single(f.graph, targets, "derivative"))
        f = f._with_outputs(f.__name__, list(zip(f.outputs, slopes, strict=True)), f._structure)
        if spent:
            count = _counted(f.graph, f.nodes)
            if count > spent[-1] or (LEAST_SERIES <= order < len(spent) - 1 and count > 2 * spent[order]):
                return None
    return f


def diff(expr: Any, x: Any = None, n: int = 1) -> Any:
    """The n-th derivative of an expression by a scalar, as an expression (like `sympy.diff`).

    Where the formula has one name alone, x need not be given.

    Raises
    ------
    ArgumentError
        Where x is not given and the formula has several names, or for a wrong order.

    Examples
    --------
    >>> import symdiff as sd
    >>> x, y = sd.symbols("x y")
    >>> sd.diff(x**2*y, x)
    Expr(2*x*y)
    """
    _check_order(n)
    if x is None:
        f = expr if isinstance(expr, Function) else read_source(expr, None)
        if len(f.arguments) != 1:
            names = ", ".join(f'"{p.name}"' for p in parameters_of(f.arguments))
            raise ArgumentError("diff is by one name", hint=f"give one of {names}, or write sd.grad for all of them")
        x = f.arguments[0].name
    if isinstance(expr, Expr):
        graph, node, name = expr.graph, expr.node, name_of(x)
        found = [
            k for k in graph.live([node]) if graph.payloads[k] == name and graph.ops[k] in (core.INPUT, core.NAMED)
        ]
        if not found:
            graph.input(name, x.graph.types[x.node].shape if isinstance(x, Expr) else ())
            return Expr(graph, movement.full_like(graph, 0.0, node))
        f = Function(graph, [Argument(name)], [("f", node)], names={name: found[-1]})
        return derivative(f, name, n).expr
    return derivative(expr, x, n).expr
