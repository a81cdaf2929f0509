"""Values and expressions in the place of inputs and named lines."""

from __future__ import annotations

from collections.abc import Mapping

from symdiff.errors import ShapeError, UnknownNameError, nearest
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops.core import INPUT, NAMED
from symdiff.types import BOOL, show


def substituted(graph: Graph, root: int, values: Mapping[str, int]) -> int:
    """`root` with nodes of the same graph in the place of what has their names, all at once.

    An input that the graph has, but not this node, is no mistake: the entries of a gradient differ in their inputs.

    Raises
    ------
    UnknownNameError
        For a name that no input or line has.
    ShapeError
        For a value that has another shape than what it stands for.
    """
    body = Body.of(graph, [root])
    places: dict[str, list[int]] = {}
    for node in body.order:
        if graph.ops[node] is INPUT or graph.ops[node] is NAMED:
            places.setdefault(graph.payloads[node], []).append(node)
    known: dict[int, int] = {}
    for name, value in values.items():
        if name not in places and graph.input_type(name) is None:
            hint = nearest(name, places) or (f"there is {', '.join(sorted(places))}" if places else "it has no names")
            raise UnknownNameError(f"no input or line is called {name}", hint=hint)
        for node in places.get(name, ()):
            known[node] = _fitted(graph, name, node, value)
    if graph.unshaped is not None:
        graph.unshaped.check(graph, list(known), "a value for a name")
    return body.copy(graph, known)[root]


def _fitted(graph: Graph, name: str, node: int, value: int) -> int:
    """The value for a node, of the node's type."""
    wanted, given = graph.types[node], graph.types[value]
    if wanted.shape != given.shape:
        raise ShapeError(
            f"{name} has shape {show(wanted.shape)}, the value given for it has shape {show(given.shape)}",
            hint="" if wanted.shape else f"to compute for many values of {name} call a function of it with an array",
        )
    if (wanted.dtype == BOOL) is (given.dtype == BOOL):
        return value
    if wanted.dtype == BOOL:
        raise ShapeError(f"{name} is a condition, the value given for it is a number", hint="write x != 0")
    return graph.as_number(value)
