"""Cutting straight-line code into pieces: compile time stays linear, and values that cross go through a workspace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from symdiff.codegen.body import is_leaf
from symdiff.codegen.pairs import put_together

if TYPE_CHECKING:
    from symdiff.optimize.program import Program

PIECE = 1000
"""How many operations one function has, about, where LLVM allocates registers well."""

SMALL_PIECE = 200
"""The same at levels 0 and 1: few values are alive at a time, which halves the time of level 0's code (measured on
50,000 operations: 0.29 ns an operation against 0.58) and keeps level 1 linear."""


def piece_size(opt: int) -> int:
    """About how many operations a function has at a level of code generation."""
    return PIECE if opt >= 2 else SMALL_PIECE


def crossing_share(program: Program) -> float:
    """How many values pieces of the usual size read from earlier ones, an operation."""
    pieces, _ = cut(program)
    return sum(len(piece.loads) for piece in pieces) / max(1, sum(len(piece.nodes) for piece in pieces))


@dataclass(slots=True)
class Piece:
    """A run of operations that becomes one function.

    Attributes
    ----------
    nodes : the operations, in order; in a program of several pieces all inputs come first.
    loads : (node, slot) of values from earlier pieces, in the order of their first use.
    saves : (node, slot) of values that later pieces need.
    stores : (output, element, node) that are known after this piece.
    """

    nodes: list[int]
    loads: list[tuple[int, int]] = field(default_factory=list)
    saves: list[tuple[int, int]] = field(default_factory=list)
    stores: list[tuple[int, int, int]] = field(default_factory=list)


def cut(program: Program, size: int = PIECE) -> tuple[list[Piece], int]:
    """The pieces of a program, at least one, and how many slots of eight bytes the values that cross need.

    Slots are used again when the last reader of what they hold is done.
    """
    graph = program.graph
    live = graph.live(program.roots)
    work = put_together(graph, [node for node in live if not is_leaf(graph, node)])
    count = max(1, round(len(work) / size))
    if count > 1:
        # All inputs are read first: NumPy lets an output be the very array of an input.
        work = [node for node in live if graph.ops[node].name == "input"] + work
    step = -(-len(work) // count) or 1
    pieces = [Piece(work[k : k + step]) for k in range(0, len(work), step)] or [Piece([])]
    home = {node: k // step for k, node in enumerate(work)}
    earliest = max((home[node] for node in live if node in home and graph.ops[node].name == "input"), default=0)
    for output, nodes in enumerate(program.outputs):
        for element, node in enumerate(nodes):
            pieces[max(earliest, home.get(node, 0))].stores.append((output, element, node))
    return pieces, _assign_slots(program, pieces, home) if len(pieces) > 1 else 0


def _assign_slots(program: Program, pieces: list[Piece], home: dict[int, int]) -> int:
    args = program.graph.args
    last: dict[int, int] = {}
    crossing: list[list[int]] = [[] for _ in pieces]
    for at, piece in enumerate(pieces):
        seen = set()
        for needed in (*(args[node] for node in piece.nodes), [node for _, _, node in piece.stores]):
            for a in needed:
                if home.get(a, at) != at and a not in seen:
                    seen.add(a)
                    crossing[at].append(a)
                    last[a] = at
    free: list[int] = []
    slots: dict[int, int] = {}
    used = 0
    for at, piece in enumerate(pieces):
        for node in piece.nodes:
            if node in last:
                if free:
                    slots[node] = free.pop()
                else:
                    slots[node] = used
                    used += 1
                piece.saves.append((node, slots[node]))
        piece.loads = [(node, slots[node]) for node in crossing[at]]
        # Not before this piece's own values have their slots: its loads and saves may be in any order.
        free.extend(slots[node] for node in reversed(crossing[at]) if last[node] == at)
    return used
