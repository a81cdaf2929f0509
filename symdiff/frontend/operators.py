"""Operators: how tightly each binds and what it does, from the records of the operations."""

from __future__ import annotations

from symdiff.frontend.syntax import BINARY, COMPARE, MATMUL, PLUS, UNARY
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Infix

IF, ELSE = -2, -1
"""The halves of `a if c else b`; an IF waits for its `else`."""

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
