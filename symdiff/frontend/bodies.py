"""Bodies from texts: the expressions in the records of operations and rules, parsed once and spliced many times."""

from __future__ import annotations

import functools

from symdiff.frontend.parser import parse
from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph
from symdiff.ops import Op
from symdiff.ops.base import OPERAND_NAMES, Expand
from symdiff.signature import Argument


@functools.cache
def from_text(text: str, parameters: tuple[str, ...], conditions: frozenset[str] = frozenset()) -> Body:
    """The expression `text` in some numbers and, among them, conditions; kept. Names of lines are dropped."""
    parsed = parse(text, arguments=[Argument(p) for p in parameters], conditions=conditions, hidden=True)
    graph = Graph()
    source = Body(parsed.graph, (), (parsed.output,))
    root = source.fold(Nodes(graph))[parsed.output]
    inputs = [graph.input(p, (), parsed.graph.types[parsed.names[p]].dtype) for p in parameters]
    return Body(graph, inputs, (root,), graph.live([root]))


@functools.cache
def expansion(op: Op, payload: object = None) -> Body:
    """What an operation defined by an expression stands for, in `a, b, c`."""
    assert isinstance(op.routine, Expand)
    kinds = op.kinds or ""
    names = tuple(OPERAND_NAMES[: len(kinds)])
    conditions = frozenset(n for n, kind in zip(names, kinds, strict=True) if kind == "c")
    return from_text(op.routine.of(payload), names, conditions)
