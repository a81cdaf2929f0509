"""What is known of a node while a formula is read: its constant value, and the scalars that should be arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from symdiff.budget import current
from symdiff.errors import NeedsShape, ParseError, Place, ShapeError
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.sizes import is_open
from symdiff.types import BOOL, INT64, check_rank, fixed, product

if TYPE_CHECKING:
    import numpy.typing as npt

LARGEST_EXPRESSION = 256
LARGEST_ARRAY = 10_000_000
"""Elements of all values together that are computed while a formula is read."""

LARGEST_LITERAL = 1_000_000
"""Elements of a list of numbers that becomes one constant."""

LARGEST_INTEGER = 2**53

Evaluate = Callable[[Graph, Sequence[int], Mapping[int, Any]], list[Any]]

_evaluators: list[Evaluate] = []

_scalars: WeakKeyDictionary[Graph, frozenset[str]] = WeakKeyDictionary()
"""The inputs of a graph that are declared to be scalars, as far as any are."""

_settled: WeakKeyDictionary[Graph, set[int]] = WeakKeyDictionary()
"""The nodes of a graph that depend on no input which might be an array."""


def evaluator(function: Evaluate) -> Evaluate:
    """Make a function what computes the values of nodes: the interpreter, which is built on the language, says so."""
    _evaluators[:] = [function]
    return function


def evaluated(graph: Graph, node: int, values: Mapping[int, Any] | None = None) -> Any:
    """The value of a node, given those of the inputs that it depends on."""
    return _evaluators[0](graph, [node], values or {})[0]


def declare_scalars(graph: Graph, names: Iterable[str]) -> None:
    """Note that some inputs are scalars for certain; others without a shape may be arrays whose shape is not given."""
    _scalars[graph] = _scalars.get(graph, frozenset()) | frozenset(names)


def undeclared(graph: Graph, node: int) -> tuple[str, ...]:
    """The inputs that a scalar node is made of elementwise and that have no shape: they may be meant to be arrays."""
    if graph.types[node].shape:
        return ()
    declared = _scalars.get(graph, frozenset())
    settled = _settled.setdefault(graph, set())
    found: dict[str, None] = {}
    seen: set[int] = set()
    stack = [node]
    while stack:
        at = stack.pop()
        if at in seen or at in settled or graph.types[at].shape:
            continue
        seen.add(at)
        op = graph.ops[at]
        if op is core.INPUT:
            if graph.payloads[at] not in declared:
                found[graph.payloads[at]] = None
        elif op.kinds or op is core.NAMED:
            stack.extend(graph.args[at])
    if not found:
        settled |= seen
    return tuple(sorted(found, key=lambda name: graph.input(name)))


def does_not_fit(
    graph: Graph, nodes: Iterable[int], message: str, *, hint: str = "", place: Place | None = None
) -> ShapeError:
    """The error for values that do not fit: `NeedsShape` where one is made of inputs that no shape is declared for."""
    missing = tuple(dict.fromkeys(n for node in nodes for n in undeclared(graph, node)))
    if missing:
        return NeedsShape(message, names=missing, hint=hint, place=place)
    return ShapeError(message, hint=hint, place=place)


def needs_array(graph: Graph, node: int, name: str) -> int:
    """The node, which `name` takes as an array.

    Raises
    ------
    NeedsShape
        Where it is made of inputs that no shape is declared for.
    """
    missing = undeclared(graph, node)
    if missing:
        first = missing[0]
        raise NeedsShape(
            f"{name} of one scalar: it takes a vector",
            names=missing,
            hint=f'declare the shape of the vector: shapes={{"{first}": 3}}, or f({first}[3]) = …',
        )
    return node


def constant_array(graph: Graph, node: int) -> npt.NDArray[Any] | None:
    """The value of a small expression of constants, a number or an array, otherwise None."""
    payload = graph.payloads[node]
    if graph.ops[node] is core.CONSTANT:
        return np.asarray(payload)
    if not graph.types[node].shape:
        value = graph.constant_value(node)
        if value is not None:
            return np.asarray(value)
    if graph.ops[node] is core.STACK:
        entries = [
            graph.payloads[a]
            if graph.ops[a] is core.CONSTANT
            else constant_number(graph, a)
            if not graph.types[a].shape
            else constant_array(graph, a)
            for a in graph.args[node]
        ]
        return None if any(e is None for e in entries) else np.asarray(entries)
    live = _without_inputs(graph, node)
    if live is None:
        return None
    value = evaluated(graph, node)
    return np.broadcast_to(np.asarray(value), fixed(graph.types[node].shape))


def _without_inputs(graph: Graph, node: int) -> set[int] | None:
    """The nodes that a small expression with small values needs, where no input is among them."""
    seen = {node}
    stack = [node]
    left = min(LARGEST_ARRAY, current().elements)
    while stack:
        at = stack.pop()
        left -= product(graph.types[at].shape)
        if graph.ops[at] is core.INPUT or len(seen) > LARGEST_EXPRESSION or left < 0:
            return None
        for a in graph.args[at]:
            if a not in seen:
                seen.add(a)
                stack.append(a)
    return seen


def constant_number(graph: Graph, node: int) -> float | None:
    """The number that a small expression of constants has, otherwise None."""
    if graph.types[node].shape:
        return None
    size = open_size(graph, node)
    if size is not None:
        return size  # type: ignore[no-any-return]  # it stands for an integer
    value = graph.constant_value(node)
    if value is not None or graph.ops[node] is core.INPUT:
        return value
    found = constant_array(graph, node)
    return None if found is None else float(found)


def open_size(graph: Graph, node: int) -> Any:
    """The size that a node is, which stands for an integer; None for what is none."""
    return graph.payloads[node] if graph.ops[node] is core.SIZE else None


def number(graph: Graph, value: float) -> int:
    """A constant."""
    return graph.constant(value if is_open(value) else float(value))


def constant_integer(graph: Graph, node: int, what: str) -> int:
    """The integer that a constant expression has.

    Raises
    ------
    ParseError
        Where it is not an integer, or not a constant.
    """
    value = constant_number(graph, node)
    if value is None or graph.types[node].dtype == BOOL:
        raise ParseError(f"{what} must be a constant integer")
    return as_integer(value, what)


def as_integer(value: float, what: str) -> int:
    """A number as an integer.

    Raises
    ------
    ParseError
        Where it is none.
    """
    if is_open(value):
        return value  # type: ignore[return-value]  # it stands for an integer
    if not float(value).is_integer() or abs(value) > LARGEST_INTEGER:
        raise ParseError(f"{what} must be an integer, not {float(value)!r}")
    return int(value)


def folded(graph: Graph, nodes: list[int]) -> int:
    """A list of nodes as one: a constant array where it holds numbers only, otherwise a stack."""
    arrays = []
    types = graph.types
    first = types[nodes[0]]
    check_rank(len(first.shape) + 1)
    if len(nodes) * product(first.shape) > LARGEST_LITERAL:  # lists of lists, each named and used twice
        return graph.apply(core.STACK, nodes)
    for node in nodes:
        value = _literal(graph, node) if types[node] == first else None
        if value is None:
            return graph.apply(core.STACK, nodes)
        arrays.append(value)
    if first.dtype == INT64:
        return graph.apply(core.STACK, nodes)
    return graph.constant(np.array(arrays, dtype=first.dtype))


def _literal(graph: Graph, node: int) -> Any:
    """The value of a constant, or of one with a sign before it."""
    name = graph.ops[node].name
    if name == "constant":
        return graph.payloads[node]
    if name == "neg" and graph.ops[graph.args[node][0]] is core.CONSTANT:
        return -graph.payloads[graph.args[node][0]]
    return None
