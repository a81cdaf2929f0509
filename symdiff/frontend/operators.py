"""Operators: how tightly each binds, from the records of the operations, and the stacks where they wait for values."""

from __future__ import annotations

import math
from typing import Any

from symdiff.errors import ParseError, Place
from symdiff.frontend import mistakes
from symdiff.frontend.attributes import matrix_product
from symdiff.frontend.brackets import TOP, Bracket
from symdiff.frontend.lexer import Tokens
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Infix
from symdiff.types import tensor

BINARY, UNARY, PLUS, COMPARE, IF, ELSE, MATMUL = range(7)
"""How a pending operator is applied; an IF waits for its `else`."""

Pending = tuple[int, int, Op | None, int]
"""An operator that waits for its operands: binding strength, how it is applied, the operation, its token."""

POWER = core.POW
CHOICE = 5
"""The strength of `a if c else b`, the loosest of all."""


def _notation(name: str) -> Infix:
    infix = OPS[name].infix
    assert infix is not None
    return infix


def _infix() -> dict[str, tuple[int, int, int, Op | None]]:
    table: dict[str, tuple[int, int, int, Op | None]] = {}
    for op in OPS.values():
        if op.infix is None or op.infix.prefix:
            continue
        power = op.infix.power
        compares = op.result == "c" and op.kinds == "ff"
        # A comparison leaves the one before it pending: a < b < c is one chain.
        least = power + 1 if op.infix.right or compares else power
        table[op.infix.symbol] = least, power, COMPARE if compares else BINARY, op
    table["^"] = table["**"]
    power = table["*"][1]
    table["@"] = power, power, MATMUL, None
    for symbol, name, power in (("|", "logical_or", 43), ("&", "logical_and", 46)):
        table[symbol] = power, power, BINARY, OPS[name]
    return table


INFIX = _infix()
"""For every infix symbol: the strength from which on it completes pending ones, its own, how it is applied, to what."""

PREFIX: dict[str, tuple[int, int, Op | None]] = {
    "-": (_notation("neg").power, UNARY, core.NEG),
    "+": (_notation("neg").power, PLUS, None),
    "~": (_notation("neg").power, UNARY, core.LOGICAL_NOT),
    "not": (_notation("logical_not").power, UNARY, core.LOGICAL_NOT),
}
"""For every prefix symbol: its strength, how it is applied, to what."""


class Stacks:
    """The stacks of one expression: values with the places where they stand, pending operators, open brackets.

    `at` is the token that an error without a place of its own is about.
    """

    def __init__(self, tokens: Tokens, graph: Graph) -> None:
        self.tokens = tokens
        self.graph = graph
        self.number = tensor(graph.dtype)
        self.nodes: list[Any] = []  # among arguments also tuples, texts and None
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.pending: list[Pending] = []
        self.brackets: list[Bracket] = []
        self.open = Bracket(TOP, 0, 0, 0)
        self.at = 0
        self.powers: dict[int, float] = {}  # powers of numbers and what they are

    def reduce(self, power: int) -> None:
        """Apply the pending operators of the open bracket that bind at least as tightly as `power`."""
        pending, nodes, starts, ends = self.pending, self.nodes, self.starts, self.ends
        graph, base, number = self.graph, self.open.base, self.number
        made, types = graph.ops, graph.types
        while len(pending) > base and pending[-1][0] >= power:
            _, how, op, at = pending.pop()
            self.at = at
            size = len(made)
            if how == BINARY:
                assert op is not None
                b, end = nodes.pop(), ends.pop()
                starts.pop()
                a = nodes[-1]
                if op.canonical is None and types[a] is number and types[b] is number:
                    node = graph.add(op, (a, b))
                else:
                    if self.tokens.texts[at] == "^":
                        mistakes.check_power(graph, a, b)
                    elif op.result == "c":
                        mistakes.check_conditions(graph, self.tokens, at, a, b)
                    node = graph.apply(op, (a, b))
                    if op is POWER:
                        self._check_tower(a, b, node)
                ends[-1] = end
            elif how == MATMUL:
                b, end = nodes.pop(), ends.pop()
                starts.pop()
                node = matrix_product(graph, nodes[-1], b)
                ends[-1] = end
            elif how == COMPARE:
                assert op is not None
                node = self._compare(op)
            elif how == ELSE:
                node = graph.apply(core.WHERE, (nodes[-2], nodes[-3], nodes[-1]))
                end = ends[-1]
                del nodes[-2:], starts[-2:], ends[-2:]
                ends[-1] = end
            elif how == IF:
                raise ParseError("this if has no else", hint="write a if c else b")
            else:
                assert op is not None or how != UNARY
                node = graph.as_number(nodes[-1]) if op is None else graph.apply(op, (nodes[-1],))
                starts[-1] = self.tokens.starts[at]
            nodes[-1] = node
            if len(made) > size:
                self.note(size, starts[-1], ends[-1])

    def _check_tower(self, a: int, b: int, node: int) -> None:
        """Refuse a power of numbers that overflows, as a literal that overflows is refused."""
        values, graph = self.powers, self.graph
        exponent = values[b] if b in values else graph.constant_value(b)
        base = (values[a] if a in values else graph.constant_value(a)) if exponent is not None else None
        if base is None or exponent is None:
            return
        try:
            values[node] = math.pow(base, exponent)
        except OverflowError:
            raise ParseError("a power of numbers that overflows float64", hint="write inf") from None
        except ValueError:  # NaN, or a pole: IEEE arithmetic says which
            return

    def note(self, size: int, start: int, end: int) -> None:
        """Keep the place of the nodes made since the graph had `size` of them."""
        graph = self.graph
        place = Place(self.tokens.source, start, end)
        for node in range(size, len(graph.ops)):
            graph.places.setdefault(node, place)

    def _compare(self, op: Op) -> int:
        """A chain of comparisons, all but the last of them still pending: each holds between its neighbours."""
        pending, base, nodes, graph = self.pending, self.open.base, self.nodes, self.graph
        run = [op]
        while len(pending) > base and pending[-1][1] == COMPARE:
            before = pending.pop()[2]
            assert before is not None
            run.append(before)
        count, result = len(run), -1
        for k, compare in enumerate(reversed(run)):
            holds = graph.apply(compare, (nodes[k - count - 1], nodes[k - count]))
            result = holds if k == 0 else graph.apply(core.LOGICAL_AND, (result, holds))
        end = self.ends[-1]
        del nodes[-count:], self.starts[-count:], self.ends[-count:]
        self.ends[-1] = end
        return result

    def enter(self, bracket: Bracket) -> None:
        """Open a bracket."""
        self.brackets.append(self.open)
        self.open = bracket

    def replace(self, values: int, node: int, start: int, end: int) -> None:
        """Put one value in the place of all above the first `values`."""
        del self.nodes[values:], self.starts[values:], self.ends[values:]
        self.nodes.append(node)
        self.starts.append(start)
        self.ends.append(end)
