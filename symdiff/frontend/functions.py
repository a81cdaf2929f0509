"""The functions of the language as Python functions: `sin(e)` of an Expr is an Expr, of numbers a number."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError, LimitError, ParseError, UnknownNameError, nearest
from symdiff.frontend.arguments import ARRAYS, ArrayFunction, Kind, Value
from symdiff.frontend.calls import CUSTOM, REDUCE, SPECIAL, call, functions, is_function
from symdiff.frontend.constants import declare_scalars, evaluated
from symdiff.frontend.expr import Expr, as_node, is_symbolic, shared_graph
from symdiff.ir.graph import Graph
from symdiff.ops import CALLABLE, DEFINITIONS
from symdiff.types import BOOL, fixed


def names() -> list[str]:
    """The names of all functions of the language, sorted."""
    return functions()


@functools.cache
def function_named(name: str) -> Callable[..., Any]:
    """The Python function for a function of the language.

    Raises
    ------
    UnknownNameError
        Where there is none of this name.
    """
    if not is_function(name):
        raise UnknownNameError(f"there is no function called {name}", hint=nearest(name, names()))

    def function(*operands: Any, **keywords: Any) -> Any:
        return apply(name, operands, keywords)

    function.__name__ = function.__qualname__ = name
    function.__module__ = "symdiff"
    function.__doc__ = _doc(name)
    function.__signature__ = _signature(name)  # type: ignore[attr-defined]
    return function


def apply(name: str, operands: Sequence[Any], keywords: Mapping[str, Any] | None = None) -> Any:
    """`name(*operands, **keywords)`: an Expr where an operand is one, otherwise the value.

    Raises
    ------
    CallError
        Where the function takes other arguments.
    """
    given = {k: v for k, v in (keywords or {}).items() if v is not None or name in ARRAYS}
    everything = [*operands, *given.values()]
    symbolic = any(is_symbolic(v) for v in everything)
    graph = shared_graph(everything)
    values: dict[int, Any] | None = None if symbolic else {}
    try:
        with graph.lock:
            args, named = _arguments(graph, name, operands, given, values)
            node = call(graph, name, args, named)
    except ParseError as error:
        if isinstance(error, LimitError | UnknownNameError):
            raise
        raise CallError(error.message, hint=error.hint) from None
    if symbolic:
        return Expr(graph, node)
    value = evaluated(graph, node, values)
    if graph.types[node].shape or any(isinstance(v, np.ndarray | list | tuple) for v in everything):
        return np.broadcast_to(value, fixed(graph.types[node].shape)).copy()
    return bool(value) if graph.types[node].dtype == BOOL else float(value)


def _arguments(
    graph: Graph, name: str, operands: Sequence[Any], keywords: Mapping[str, Any], values: dict[int, Any] | None
) -> tuple[list[Value], dict[str, Value]]:
    """The arguments of a call as nodes and parts; arrays of numbers become inputs where `values` keeps theirs."""
    function = None if name in CUSTOM else ARRAYS.get(f"a{REDUCE[name]}" if name in REDUCE else name)
    if function is None or (name in REDUCE and len(operands) > 1):
        found = [_operand(graph, k, v, values) for k, v in enumerate([*operands, *keywords.values()])]
        return found[: len(operands)], dict(zip(keywords, found[len(operands) :], strict=True))
    named: dict[str, Value] = {}
    parameters = function.slots(len(operands))
    args = [_part(graph, function, p, k, v, values) for k, (p, v) in enumerate(zip(parameters, operands, strict=True))]
    for k, (key, value) in enumerate(keywords.items()):
        named[key] = _part(graph, function, function.parameter(key), len(operands) + k, value, values)
    return args, named


def _part(
    graph: Graph, function: ArrayFunction, parameter: str, position: int, value: Any, values: dict[int, Any] | None
) -> Value:
    """A Python value as the argument of a function of arrays."""
    kind = function.kind(parameter)
    if value is None or isinstance(value, str):
        return value
    if kind is Kind.NODES and isinstance(value, list | tuple):
        return tuple([_operand(graph, f"{position}_{k}", v, values) for k, v in enumerate(value)])
    if kind.is_node:
        return _operand(graph, position, value, values)
    if isinstance(value, np.ndarray) and value.dtype != object:
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple([_part(graph, function, parameter, position, v, values) for v in value])
    return as_node(graph, value)


def _operand(graph: Graph, position: int | str, value: Any, values: dict[int, Any] | None) -> int:
    """The node of a value; where `values` keeps them arrays are inputs, so that they are neither copied nor hashed."""
    if values is None:
        return as_node(graph, value)
    if isinstance(value, list | tuple):
        value = np.asarray(value)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
        return as_node(graph, value)
    dtype = BOOL if value.dtype == np.bool_ else graph.dtype
    node = graph.input(f"operand_{position}", value.shape, dtype)
    values[node] = np.asarray(value, dtype)
    if not value.shape:
        declare_scalars(graph, [f"operand_{position}"])
    return node


def _doc(name: str) -> str:
    op = CALLABLE.get(name)
    if name in ARRAYS:
        return f"{ARRAYS[name].doc}\n\nIn a formula: {ARRAYS[name].usage}."
    lines = [f"{op.doc[0].upper()}{op.doc[1:]}."] if op is not None else []
    lines += [f"{d.doc[0].upper()}{d.doc[1:]}: {d.text}." for (n, _), d in DEFINITIONS.items() if n == name]
    if op is not None and op.edges:
        lines.append(f"\nAt its edges: {op.edges}.")
    return "\n".join(lines or [f"{name} of the language, as in a formula."])


def _signature(name: str) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    op = CALLABLE.get(name)
    if name in ARRAYS:
        return ARRAYS[name].signature
    if name in SPECIAL or name in CUSTOM:
        return inspect.Signature(
            [
                inspect.Parameter("operands", inspect.Parameter.VAR_POSITIONAL),
                inspect.Parameter("keywords", inspect.Parameter.VAR_KEYWORD),
            ]
        )
    ways = [d.parameters for (n, _), d in DEFINITIONS.items() if n == name]
    parameters = op.parameters if op is not None else ways[0]
    defaults = op.defaults if op is not None else ()
    optional = dict(zip(reversed(parameters), reversed(defaults), strict=False))
    result = [inspect.Parameter(p, kind, default=optional.get(p, inspect.Parameter.empty)) for p in parameters]
    if op is not None:
        for way in ways:  # log(x, base): what the longer form adds
            result += [inspect.Parameter(p, kind, default=None) for p in way[len(parameters) :]]
    return inspect.Signature(result)
