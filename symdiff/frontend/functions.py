"""The functions of the language as Python functions: `sin(e)` of an Expr is an Expr, of numbers a number."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from symdiff.errors import CallError, LimitError, ParseError, UnknownNameError
from symdiff.frontend.calls import PROCESS, Kind, LanguageFunction, Value, functions, look_up, unknown_function
from symdiff.frontend.constants import declare_scalars, evaluated
from symdiff.frontend.expr import Expr, as_node, is_symbolic, shared_graph
from symdiff.guesses import meant_by
from symdiff.ir.graph import Graph
from symdiff.types import BOOL, fixed


def names() -> list[str]:
    """The names of all functions of the language and of the process, sorted."""
    return sorted({*functions(), *PROCESS.known})


def named_function(name: str) -> Callable[..., Any] | None:
    """The Python function for a function of the language or of the process; None where there is none of this name."""
    found = look_up(name, PROCESS.known)
    return None if found is None else python_function(found)


def function_named(name: str) -> Callable[..., Any]:
    """As `named_function`.

    Raises
    ------
    UnknownNameError
        Where there is none of this name.
    """
    return python_function(_found(name))


def _found(name: str) -> LanguageFunction:
    found = look_up(name, PROCESS.known)
    if found is None:
        raise unknown_function(name, PROCESS.known)
    return found


@functools.cache
def python_function(entry: LanguageFunction) -> Callable[..., Any]:
    """The Python function for an entry of the table."""

    def function(*operands: Any, **keywords: Any) -> Any:
        return result_of(entry, operands, keywords)

    function.__name__ = function.__qualname__ = entry.name
    function.__module__ = "symdiff"
    function.__doc__ = entry.documentation
    function.__signature__ = entry.signature  # type: ignore[attr-defined]
    _entries[function] = entry
    return function


_entries: dict[Callable[..., Any], LanguageFunction] = {}


def entry_of_function(function: Any) -> LanguageFunction | None:
    """The entry of the table that `python_function` made a function of; None for anything else."""
    return _entries.get(function) if isinstance(function, FunctionType) else None


def apply(name: str, operands: Sequence[Any], keywords: Mapping[str, Any] | None = None) -> Any:
    """As `result_of`, of the function called `name`.

    Raises
    ------
    UnknownNameError
        Where there is none of this name.
    """
    return result_of(_found(name), operands, keywords)


def result_of(entry: LanguageFunction, operands: Sequence[Any], keywords: Mapping[str, Any] | None = None) -> Any:
    """A function of the language of some operands: an Expr where an operand is one, otherwise the value.

    Raises
    ------
    CallError
        Where the function takes other arguments.
    """
    given = {k: v for k, v in (keywords or {}).items() if v is not None or entry.takes_parts}
    everything = [*operands, *given.values()]
    symbolic = any(is_symbolic(v) for v in everything)
    graph = shared_graph(everything)
    values: dict[int, Any] | None = None if symbolic else {}
    try:
        with graph.lock:
            args, named = _arguments(graph, entry, operands, given, values)
            node = entry.node(graph, args, named)
    except ParseError as error:
        if isinstance(error, LimitError | UnknownNameError):
            raise
        raise CallError(error.message, hint=meant_by(entry.name, operands) or error.hint) from None
    except CallError as error:
        error.hint = meant_by(entry.name, operands) or error.hint
        raise
    if symbolic:
        return Expr(graph, node)
    value = evaluated(graph, node, values)
    if graph.types[node].shape or any(isinstance(v, np.ndarray | list | tuple) for v in everything):
        return np.broadcast_to(value, fixed(graph.types[node].shape)).copy()
    return bool(value) if graph.types[node].dtype == BOOL else float(value)


def _arguments(
    graph: Graph,
    entry: LanguageFunction,
    operands: Sequence[Any],
    keywords: Mapping[str, Any],
    values: dict[int, Any] | None,
) -> tuple[list[Value], dict[str, Value]]:
    """The arguments of a call as nodes and parts; arrays of numbers become inputs where `values` keeps theirs."""
    count = len(operands)
    given: list[tuple[int | str, Any]] = [*enumerate(operands), *keywords.items()]
    found = [
        _argument(graph, entry.kind_of(key, count) if entry.takes_parts else None, k, value, values)
        for k, (key, value) in enumerate(given)
    ]
    return found[:count], dict(zip(keywords, found[count:], strict=True))


def _argument(graph: Graph, kind: Kind | None, position: int, value: Any, values: dict[int, Any] | None) -> Value:
    """A Python value as an argument of some kind; None where it can only be a node."""
    if kind is None:
        return _operand(graph, position, value, values)
    if value is None or isinstance(value, str):
        return value
    if kind is Kind.NODES and isinstance(value, list | tuple):
        return tuple([_operand(graph, f"{position}_{k}", v, values) for k, v in enumerate(value)])
    if kind.is_node:
        return _operand(graph, position, value, values)
    if isinstance(value, np.ndarray) and value.dtype != object:
        value = value.tolist()
    if isinstance(value, list | tuple):
        return tuple([_argument(graph, kind, position, v, values) for v in value])
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
