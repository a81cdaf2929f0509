"""Inputs whose shape nobody said: while a formula is read they are scalars, and each may turn out to be an array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from symdiff.errors import Open
from symdiff.ops import core

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph


class Unshaped:
    """The inputs of a graph that nobody gave a shape, while its formula is read.

    Numbers made of them with numbers are the same whatever they are, element by element. Where one meets an array, or
    its shape is asked for, the formula depends on what it is, and only a call can say.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._settled: set[int] = set()

    def add(self, name: str) -> None:
        """Note an input that may be an array."""
        if name not in self.names:
            self.names.add(name)
            self._settled.clear()

    def inputs(self, graph: Graph, node: int) -> list[str]:
        """Those of which a node is made, element by element: none where it is an array, or a number in any case."""
        ops, args, types, settled = graph.ops, graph.args, graph.types, self._settled
        if types[node].shape or node in settled:
            return []
        found: dict[str, None] = {}
        seen = {node}
        stack = [node]
        while stack:
            at = stack.pop()
            if ops[at] is core.INPUT and graph.payloads[at] in self.names:
                found[graph.payloads[at]] = None
            for a in args[at]:
                if a not in seen and a not in settled and not types[a].shape:
                    seen.add(a)
                    stack.append(a)
        if not found:
            settled |= seen
        return sorted(found)

    def open(self, graph: Graph, nodes: Sequence[int], what: str) -> Open | None:
        """What only a call can answer for one of these nodes; None where none is made of inputs that may be arrays."""
        if not self.names:
            return None
        missing = tuple(dict.fromkeys(n for node in nodes for n in self.inputs(graph, node)))
        if not missing:
            return None
        return Open(
            f"{what}, for which no shape is declared: {', '.join(missing)}",
            missing,
            f'declare it: shapes={{"{missing[0]}": ()}} for a number',
        )

    def check(self, graph: Graph, nodes: Sequence[int], what: str) -> None:
        """Refuse what only a call can answer for one of these nodes.

        Raises
        ------
        NeedsShape
            Where one is made of inputs that may be arrays.
        """
        opened = self.open(graph, nodes, what)
        if opened is not None:
            raise opened.error()
