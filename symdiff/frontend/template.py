"""Expressions in the records of operations and rules: parsed once, spliced into graphs many times."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from symdiff.frontend.parser import parse
from symdiff.ir.graph import Graph
from symdiff.ops import Op
from symdiff.ops.base import OPERAND_NAMES, Expand
from symdiff.signature import Argument


class Template:
    """A small expression in some parameters.

    `graph` holds it with bindings removed; `root` is its result; `leaves` maps parameter names to nodes.
    """

    def __init__(self, text: str, parameters: tuple[str, ...], conditions: frozenset[str] = frozenset()) -> None:
        arguments = [Argument(p) for p in parameters]
        parsed = parse(text, arguments=arguments, conditions=conditions, hidden=True)
        source = parsed.graph
        self.text = text
        self.graph = graph = Graph()
        mapping: dict[int, int] = {}
        for node in source.live([parsed.output]):
            op, args = source.ops[node], tuple(mapping[a] for a in source.args[node])
            if op.name == "input":
                payload = source.payloads[node]
                mapping[node] = graph.input(payload, (), source.types[node].dtype)
            elif op.name == "constant":
                mapping[node] = graph.constant(source.payloads[node])
            elif op.name == "named":
                mapping[node] = args[0]
            else:
                mapping[node] = graph.add(op, args, source.payloads[node])
        self.root = mapping[parsed.output]
        self.leaves = {graph.payloads[node]: node for node in range(len(graph)) if graph.ops[node].name == "input"}
        self.order = graph.live([self.root])

    def splice(self, graph: Graph, values: Mapping[str, int]) -> int:
        """The expression in `graph`, with nodes of it for the parameters."""
        mapping: dict[int, int] = {}
        own = self.graph
        for node in self.order:
            op = own.ops[node]
            if op.name == "input":
                mapping[node] = values[own.payloads[node]]
            elif op.name == "constant":
                mapping[node] = graph.constant(own.payloads[node])
            else:
                mapping[node] = graph.apply(op, tuple(mapping[a] for a in own.args[node]), own.payloads[node])
        return mapping[self.root]


@functools.cache
def template(text: str, parameters: tuple[str, ...], conditions: frozenset[str] = frozenset()) -> Template:
    """The parsed form of `text`, kept."""
    return Template(text, parameters, conditions)


@functools.cache
def expansion(op: Op, payload: object = None) -> Template:
    """What an operation defined by an expression stands for, in `a, b, c`."""
    assert isinstance(op.routine, Expand)
    kinds = op.kinds or ""
    names = tuple(OPERAND_NAMES[: len(kinds)])
    conditions = frozenset(n for n, kind in zip(names, kinds, strict=True) if kind == "c")
    return template(op.routine.of(payload), names, conditions)
