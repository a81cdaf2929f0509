"""Batching: a body over one more axis, which is the first of every node that has it.

Each operation says here how it takes the axis, in one table: elementwise ones by alignment of axes, movements,
reductions and scans by axes counted one further, a contraction by one more label, linear algebra on leading axes as
it stands. What cannot be batched is in `REFUSED`, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from symdiff.errors import DifferentiationError
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import Op, contraction, core, indexing, movement, reduction, scan
from symdiff.ops.base import Fold
from symdiff.types import fixed

WHOLE = slice(None)
MOVES = frozenset((core.INDEX, core.RESHAPE, core.TRANSPOSE, core.BROADCAST, core.DIAGONAL))
"""Operations of one operand that indices may go through."""


class Site:
    """One node that is batched: its operands in the new graph, and the shapes that it has without the axis.

    Attributes
    ----------
    graph : the new graph.
    args, batched : the operands there, and for each whether it has the axis.
    shapes, shape : the shapes of operands and result without it.
    size : of the axis.
    """

    def __init__(
        self,
        graph: Graph,
        op: Op,
        payload: Any,
        args: Sequence[int],
        batched: Sequence[bool],
        shapes: Sequence[tuple[int, ...]],
        shape: tuple[int, ...],
        size: int,
    ) -> None:
        self.graph, self.op, self.payload = graph, op, payload
        self.args, self.batched, self.shapes, self.shape, self.size = args, batched, shapes, shape, size

    def repeated(self, k: int) -> int:
        """Operand k with the axis."""
        if self.batched[k]:
            return self.args[k]
        return movement.broadcast(self.graph, self.args[k], (self.size, *self.shapes[k]))

    def aligned(self, k: int, rank: int) -> int:
        """Operand k where `rank` axes follow the new one; as it is where it has not got it."""
        return movement.with_rank(self.graph, self.args[k], 1, rank) if self.batched[k] else self.args[k]


Rule = Callable[[Site], int]


def _elementwise(at: Site) -> int:
    args = tuple(at.aligned(k, len(at.shape)) for k in range(len(at.args)))
    return movement.broadcast(at.graph, at.graph.add(at.op, args, at.payload), (at.size, *at.shape))


def _as_it_is(at: Site) -> int:
    """Operations on the last axes."""
    return at.graph.add(at.op, tuple(at.args), at.payload)


def _solved(at: Site) -> int:
    rank = len(at.shape)
    return at.graph.add(at.op, (at.aligned(0, rank), at.aligned(1, rank)), at.payload)


def _reduced(at: Site) -> int:
    return reduction.reduce_over(at.graph, at.op, at.args[0], tuple(k + 1 for k in at.payload))


def _contracted(at: Site) -> int:
    labels, output = at.payload
    new = 1 + max((k for own in (*labels, output) for k in own), default=-1)
    given = [(new, *own) if has else own for own, has in zip(labels, at.batched, strict=True)]
    return contraction.einsum(at.graph, at.args, given, (new, *output))


def _scanned(at: Site) -> int:
    axis, reverse = at.payload
    if at.op is core.CUMSUM:
        return scan.running_sum(at.graph, at.args[0], axis + 1, reverse)
    return scan.recurrence(at.graph, at.repeated(0), at.repeated(1), axis + 1, reverse)


def _number(graph: Graph, index: int, name: str) -> int:
    """What indices are made of, as numbers."""
    moves = []
    while graph.ops[index] in MOVES:
        moves.append(index)
        (index,) = graph.args[index]
    if graph.ops[index] is core.CONSTANT:
        number = graph.constant(np.asarray(graph.payloads[index], float))
    elif graph.ops[index] is core.AS_INDEX:
        (number,) = graph.args[index]
    else:
        raise DifferentiationError(f"{name} by indices that {graph.ops[index].name} made is not batched")
    for move in reversed(moves):
        number = graph.add(graph.ops[move], (number,), graph.payloads[move])
    return number


def _flat_index(at: Site, count: int) -> int:
    """The indices of operand 1 into the rows of all members, one after the other; out of range as before."""
    graph = at.graph
    number = _number(graph, at.args[1], at.op.name)
    length, zero = graph.constant(count), graph.constant(0.0)
    member = indexing.iota(graph, (at.size, *(1,) * len(at.shapes[1])), 0)
    negative = graph.add(core.LESS, (number, zero))
    place = graph.add(core.WHERE, (negative, graph.add(core.ADD, (number, length)), number))
    inside = graph.add(
        core.LOGICAL_AND, (graph.add(core.GREATER_EQUAL, (place, zero)), graph.add(core.LESS, (place, length)))
    )
    flat = graph.add(core.ADD, (place, graph.add(core.MUL, (member, length))))
    return graph.add(core.AS_INDEX, (graph.add(core.WHERE, (inside, flat, graph.constant(float("inf")))),))


def _gathered(at: Site) -> int:
    graph, axis = at.graph, at.payload
    if not at.batched[1]:
        return indexing.gather(graph, at.args[0], at.args[1], axis + 1)
    inner = len(at.shapes[1])
    if not at.batched[0]:
        found = indexing.gather(graph, at.args[0], at.args[1], axis)
        rank = len(at.shape) + 1
        return movement.transpose(graph, found, (axis, *(k for k in range(rank) if k != axis)))
    shape = at.shapes[0]
    rank, count = len(shape), shape[axis]
    rest = [k for k in range(rank) if k != axis]
    moved = movement.transpose(graph, at.args[0], (0, axis + 1, *(k + 1 for k in rest)))
    rows = movement.reshape(graph, moved, (at.size * count, *(shape[k] for k in rest)))
    found = indexing.gather(graph, rows, _flat_index(at, count), 0)
    # (size, index, outer, inner) to (size, outer, index, inner)
    before = 1 + inner
    outer = range(before, before + axis)
    return movement.transpose(graph, found, (0, *outer, *range(1, before), *range(before + axis, before + rank - 1)))


def _scattered(at: Site) -> int:
    graph, (axis, count) = at.graph, at.payload
    if not at.batched[1]:
        return indexing.scatter_add(graph, at.repeated(0), at.args[1], axis + 1, count)
    inner, shape = len(at.shapes[1]), at.shapes[0]
    whole = at.repeated(0)
    own = range(1 + axis, 1 + axis + inner)
    rest = [k for k in range(1, 1 + len(shape)) if k not in own]
    rows = movement.transpose(graph, whole, (0, *own, *rest))
    found = indexing.scatter_add(graph, rows, _flat_index(at, count), 0, at.size * count)
    found = movement.reshape(graph, found, (at.size, count, *(shape[k - 1] for k in rest)))
    last = len(rest) + 2
    return movement.transpose(graph, found, (0, *range(2, 2 + axis), 1, *range(2 + axis, last)))


def _called(at: Site) -> int:
    """A function from outside is called once for each element; operands that never vary stay as they are."""
    ranks = [len(p.shape) for p in at.payload.parameters]
    fronts = [shape[: len(shape) - rank] for shape, rank in zip(at.shapes, ranks, strict=True)]
    front = max(fronts, key=len)
    args = list(at.args)
    for k, (shape, own) in enumerate(zip(at.shapes, fronts, strict=True)):
        if at.batched[k] or own:
            rest = shape[len(own) :]
            wide = movement.reshape(at.graph, at.repeated(k), (at.size, *(own or (1,) * len(front)), *rest))
            args[k] = movement.broadcast(at.graph, wide, (at.size, *front, *rest))
    return at.graph.add(at.op, tuple(args), at.payload)


RULES: dict[Op, Rule] = {
    **dict.fromkeys((core.NAMED, core.STOP_GRADIENT, core.CHECKPOINT_ADJOINT, core.AS_INDEX), _as_it_is),
    core.CHECKPOINT: lambda at: at.graph.add(at.op, (at.repeated(0), *at.args[1:])),
    **dict.fromkeys(
        (core.INV, core.DET, core.DET_SIGN, core.ADJUGATE, core.LOGDET, core.CHOLESKY, core.PACKED_SVD, core.PINV),
        _as_it_is,
    ),
    **dict.fromkeys((core.SOLVE, core.SOLVE_TRIANGULAR), _solved),
    **dict.fromkeys((core.SUM, core.PROD, core.AMAX, core.AMIN, core.NORM, core.ANY, core.ALL), _reduced),
    **dict.fromkeys((core.CUMSUM, core.RECURRENCE), _scanned),
    core.ARGSORT: _as_it_is,
    core.STACK: lambda at: movement.stack(at.graph, [at.repeated(k) for k in range(len(at.args))], 1),
    core.CONCATENATE: lambda at: movement.concatenate(
        at.graph, [at.repeated(k) for k in range(len(at.args))], at.payload + 1
    ),
    core.INDEX: lambda at: movement.element(at.graph, at.args[0], (WHOLE, *at.payload)),
    core.SCATTER: lambda at: movement.scatter(at.graph, at.args[0], (WHOLE, *at.payload[0]), (at.size, *at.shape)),
    core.BROADCAST: lambda at: movement.broadcast(at.graph, at.aligned(0, len(at.shape)), (at.size, *at.shape)),
    core.RESHAPE: lambda at: movement.reshape(at.graph, at.args[0], (at.size, *at.shape)),
    core.TRANSPOSE: lambda at: movement.transpose(at.graph, at.args[0], (0, *(k + 1 for k in at.payload))),
    core.DIAGONAL: lambda at: indexing.main_diagonal(at.graph, at.args[0], at.payload[0] + 1, at.payload[1] + 1),
    core.EINSUM: _contracted,
    core.GATHER: _gathered,
    core.FOREIGN: _called,
    core.CUSTOM: lambda at: at.graph.add(at.op, (at.repeated(0), *at.args[1:]), at.payload.mapped(at.batched[1:])),
    core.SCATTER_ADD: _scattered,
}
"""How each operation that is not elementwise takes one more axis in front of those of its operands."""

LEAVES = frozenset((core.INPUT, core.CONSTANT, core.SIZE, core.IOTA))
"""Operations without operands, which have the axis only where somebody gives it to them."""

REFUSED = {
    core.CALL: "its body is put in its place before",
}
"""Operations that are not batched, and why."""


def rule_of(op: Op) -> Rule | None:
    """How an operation takes one more axis; None where it cannot."""
    found = RULES.get(op)
    if found is not None or op in REFUSED or op in LEAVES:
        return found
    return _elementwise if op.kinds or isinstance(op.routine, Fold) else None


def batched(
    body: Body, graph: Graph, known: Mapping[int, int], size: int, shared: Mapping[int, int] = MappingProxyType({})
) -> dict[int, tuple[int, bool]]:
    """The nodes of a body in another graph, and whether each has the new axis.

    Parameters
    ----------
    known : inputs of the body that have the axis, and the nodes of `graph` that stand for them.
    size : of the axis.
    shared : the same of inputs that have it not; others keep their names.

    Raises
    ------
    DifferentiationError
        For an operation that cannot be batched.
    """
    source = body.graph
    found = {node: (new, False) for node, new in shared.items()} | {node: (new, True) for node, new in known.items()}
    for node in body.order:
        if node in found:
            continue
        op, args, payload, type_ = source.ops[node], source.args[node], source.payloads[node], source.types[node]
        has = [found[a][1] for a in args]
        given = tuple(found[a][0] for a in args)
        if op is core.CONSTANT:
            new = graph.constant(payload)
        elif op is core.INPUT:
            new = graph.input(payload, type_.shape, type_.dtype)
        elif not any(has):
            new = graph.add(op, given, payload)
        else:
            rule = rule_of(op)
            if rule is None:
                why = REFUSED.get(op, "it has no rule")
                raise DifferentiationError(f"{op.name} is not batched: {why}", place=source.places.get(node))
            shapes = [fixed(source.types[a].shape) for a in args]
            new = rule(Site(graph, op, payload, given, has, shapes, fixed(type_.shape), size))
        found[node] = new, any(has)
        if node in source.places:
            graph.places.setdefault(new, source.places[node])
    return found
