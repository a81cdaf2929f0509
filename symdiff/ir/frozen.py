"""Bodies as payloads: closed, in canonical order, never changed, and equal where they say the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from symdiff.content import written_shape
from symdiff.digest import sha256
from symdiff.errors import ArgumentError, SymdiffError
from symdiff.ir.body import Body, Nodes
from symdiff.ir.flat import canonical_order, flatten_alone
from symdiff.ir.graph import Graph
from symdiff.sizes import is_open
from symdiff.types import TensorType

DEEPEST = 64
"""Bodies that may stand in each other."""


class Frozen(Body):
    """A body that a node can carry: a graph of its own, which holds nothing else and does not grow.

    Parameters are called p0, p1, …; other names are dropped. Two are equal where their digests are: the same
    operations on the same operands, whatever graph they come from and whatever else is there.

    Attributes
    ----------
    digest : of the canonical form, the same in every process.
    depth : how many bodies stand in each other, this one counted.
    operand_types, result_types : the types of parameters and results.

    Examples
    --------
    >>> from symdiff.ir.graph import Graph
    >>> from symdiff.ops.call import call_of
    >>> inner = Graph()
    >>> x = inner.input("x")
    >>> square = Frozen(Body(inner, [x], [inner.add("mul", (x, x))]))
    >>> graph = Graph()
    >>> node = call_of(graph, square, [graph.input("a")])
    >>> graph.ops[node].name, graph.payloads[node]
    ('call', <Body(p0) of 2 nodes>)
    """

    __slots__ = ("depth", "digest", "operand_types", "result_types")

    def __init__(self, body: Body) -> None:
        """Copy a body.

        Raises
        ------
        ArgumentError
            Where it depends on inputs that are not its parameters or on sizes that only a call fixes, or where bodies
            stand in each other too deep.
        """
        merged = _copied(body, None)
        made = _copied(merged, canonical_order(merged.graph, merged.results))
        super().__init__(made.graph, made.parameters, made.results)
        graph = self.graph
        if any(is_open(n) for type_ in graph.types for n in type_.shape):
            raise ArgumentError("a body that stays a node has sizes that are known", hint="put it in its place")
        inside = _carried(graph, range(len(graph)))
        self.depth: int = 1 + max((b.depth for b in inside), default=0)
        if self.depth > DEEPEST:
            raise ArgumentError(f"more than {DEEPEST} bodies stand in each other", hint="put some of them in place")
        self.operand_types = tuple(graph.types[p] for p in self.parameters)
        self.result_types = tuple(graph.types[r] for r in self.results)
        self.digest = _digest(self, inside)
        graph._append = _unchanged  # type: ignore[assignment,method-assign]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frozen) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


class _Closed(Nodes):
    """The nodes of a fresh graph, which has no inputs but the parameters."""

    def input(self, name: Any, type_: TensorType) -> int:
        raise ArgumentError(f"{name} is none of the parameters of the body", hint="make it one, and give it a value")


def _copied(body: Body, order: list[int] | None) -> Body:
    """A body in a graph of its own, in an order of its nodes; names of lines are dropped, parameters get new ones."""
    source, graph = body.graph, Graph(body.graph.dtype)
    known: dict[int, int] = {}
    parameters = []
    for k, node in enumerate(body.parameters):
        type_ = source.types[node]
        known[node] = graph.input(f"p{k}", type_.shape, type_.dtype)
        parameters.append(known[node])
    values = Body(source, body.parameters, body.results, order).fold(_Closed(graph), known)
    return Body(graph, parameters, [values[node] for node in body.results])


def _digest(body: Frozen, inside: Iterable[Frozen]) -> str:
    description, data, place = flatten_alone(body.graph, body.results, {b: b.digest for b in inside})
    types = [[t.dtype, written_shape(t.shape)] for t in body.operand_types]
    said = [body.graph.dtype, types, [place[r] for r in body.results], description]
    text = json.dumps(said, default=_plain)
    return sha256(text.encode(), data).hex()


def _plain(value: Any) -> Any:
    """What a function of a user is known by; a number of NumPy."""
    return value.key if hasattr(value, "key") else int(value)


def _unchanged(*_: Any) -> NoReturn:
    raise SymdiffError("the graph of a body that a node carries does not grow", hint="splice the body into another")


def _carried(graph: Graph, nodes: Iterable[int]) -> list[Frozen]:
    """The bodies that some nodes carry, each once."""
    return list(dict.fromkeys(graph.payloads[n] for n in nodes if graph.ops[n].payload == "body"))


def nested(graph: Graph, nodes: Iterable[int]) -> list[Frozen]:
    """All bodies that some nodes carry and those in these, each once, after those in it."""
    found: dict[Frozen, None] = {}
    stack = _carried(graph, nodes)[::-1]
    while stack:
        body = stack[-1]
        waiting = [b for b in _carried(body.graph, range(len(body.graph))) if b not in found]
        if waiting:
            stack += waiting[::-1]
            continue
        found[body] = None
        stack.pop()
    return list(found)
