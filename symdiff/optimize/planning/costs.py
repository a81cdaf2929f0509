"""What computing an element takes, in additions of vectors."""

from __future__ import annotations

from symdiff.ir.graph import Graph
from symdiff.ops import Op, core
from symdiff.ops.base import Instruction, Intrinsic, Library, Special
from symdiff.optimize.planning.forms import is_step
from symdiff.optimize.planning.plan import Apply, Body

OVERHEAD = 20.0
"""What a nest costs by itself."""

MOST_COST = 1e6


def traffic(shape: tuple[int, ...]) -> tuple[float, float]:
    """What writing and reading an element takes: scalars stay in the fastest memory."""
    return (8.0, 4.0) if shape else (1.0, 0.5)


def costs_of(graph: Graph) -> list[float]:
    """What computing one element of each node takes, from what is in memory.

    Numbers that are made of sizes alone are computed once, before the loops: they cost nothing.
    """
    found = [0.0] * len(graph)
    sized: set[int] = set()
    for node, args in enumerate(graph.args):
        if is_step(graph, node):
            continue
        if graph.has_sizes and not graph.types[node].shape:
            if graph.ops[node] is core.SIZE:
                sized.add(node)
            elif sized.intersection(args) and all(a in sized or graph.ops[a] is core.CONSTANT for a in args):
                sized.add(node)
                continue
        own = _cost(graph.ops[node])
        if args:
            own += sum([found[a] for a in args])
        found[node] = min(own, MOST_COST)
    return found


def body_cost(body: Body) -> int:
    """What one point of a nest takes."""
    return max(1, round(sum(_cost(part.op) if isinstance(part, Apply) else 0.25 for part in body)))


_OTHERS = {core.GATHER: 4.0, core.EINSUM: 1.0, core.AS_INDEX: 1.0}


def _cost(op: Op) -> float:
    routine = op.routine
    if isinstance(routine, Instruction):
        return 4.0 if routine.opcode == "fdiv" else 1.0
    if isinstance(routine, Intrinsic):
        return 6.0 if routine.name == "llvm.sqrt" else 1.0
    if isinstance(routine, Library | Special):
        return 20.0 if isinstance(routine, Library) else 60.0
    return _OTHERS.get(op, 0.0)
