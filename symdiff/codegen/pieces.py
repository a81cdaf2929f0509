"""Cutting straight-line code into pieces: compile time stays linear, and values that cross go through a workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from symdiff.codegen.body import is_leaf_node
from symdiff.codegen.fills import CONSTANT, filled_outputs
from symdiff.codegen.pairs import put_together
from symdiff.dataclass import dataclass
from symdiff.ops import core

if TYPE_CHECKING:
    from symdiff.optimize.program import Program

PIECE = 1000
"""How many operations one function has, about, where LLVM allocates registers well."""

SMALL_PIECE = 200
"""The same at levels 0 and 1: few values are alive at a time, which halves the time of level 0's code (measured on
50,000 operations: 0.29 ns an operation against 0.58) and keeps level 1 linear."""

STORES = 200
"""How many elements of outputs one function writes: above level 0 LLVM's scheduler
compares each with all the others."""

Store = tuple[int, int, int]
"""An output, an element of it, and the node that goes there."""


def piece_size(opt: int) -> int:
    """About how many operations a function has at a level of code generation."""
    return PIECE if opt >= 2 else SMALL_PIECE


def count_stores(program: Program) -> int:
    """How many elements of outputs are written one by one."""
    return len(_single_stores(program, filled_outputs(program)))


def count_crossings(program: Program) -> int:
    """How many values pieces of the usual size read from earlier ones."""
    pieces, _ = cut(program)
    return sum(len(piece.loads) for piece in pieces)


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
    fills : outputs whose constants are written here, before all their other elements.
    stores : what is written at the end.
    """

    nodes: list[int] = field(default_factory=list)
    loads: list[tuple[int, int]] = field(default_factory=list)
    saves: list[tuple[int, int]] = field(default_factory=list)
    fills: list[int] = field(default_factory=list)
    stores: list[Store] = field(default_factory=list)


def cut(
    program: Program, size: int = PIECE, reread: bool = False, sincos: bool | None = None
) -> tuple[list[Piece], int]:
    """The pieces of a program, at least one, and how many slots of eight bytes the values that cross need.

    With `reread` each piece reads the inputs that it needs, which no output may overlap then.
    Slots are used again when the last reader of what they hold is done. `sincos`: see `find_pairs`.
    """
    graph = program.graph
    live = graph.live(program.roots)
    work = put_together(graph, [node for node in live if not is_leaf_node(graph, node)], sincos)
    filled = filled_outputs(program)
    stores = _single_stores(program, filled)
    runs = max(1, round(len(work) / size))
    if runs == 1 and len(stores) < 1.5 * STORES:
        return [Piece(work, fills=filled, stores=stores)], 0
    # All inputs are read first: NumPy lets an output be the very array of an input.
    inputs = [] if reread else [node for node in live if graph.ops[node] is core.INPUT]
    after: dict[int, list[Store]] = {node: [] for node in work}
    known: list[Store] = []
    for store in stores:
        after.get(store[2], known).append(store)
    most = -(-(len(inputs) + len(work)) // runs)
    pieces = [Piece()]

    home: dict[int, int] = {}

    def compute(node: int) -> None:
        if len(pieces[-1].nodes) >= most or len(pieces[-1].stores) >= STORES:
            pieces.append(Piece())
        pieces[-1].nodes.append(node)
        home[node] = len(pieces) - 1

    def write(stores: Sequence[Store]) -> None:
        for store in stores:
            if len(pieces[-1].stores) >= STORES:
                pieces.append(Piece())
            pieces[-1].stores.append(store)

    for node in inputs:
        compute(node)
    pieces[-1].fills += filled
    write(known)
    for node in work:
        compute(node)
        write(after[node])
    for piece in pieces:
        piece.stores.sort()
    return pieces, _assign_slots(program, pieces, home)


def _single_stores(program: Program, filled: Sequence[int]) -> list[Store]:
    """The elements of outputs that are written one by one."""
    ops, stores = program.graph.ops, list[Store]()
    for output, nodes in enumerate(program.outputs):
        together = output in filled
        for element, node in enumerate(nodes):
            if not together or ops[node] is not CONSTANT:
                stores.append((output, element, node))
    return stores


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
