"""Jacobians and Hessians of functions of whole arrays, as nodes whose number does not depend on any size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from symdiff.dataclass import dataclass
from symdiff.differentiate.operators import check_differentiable, gradient
from symdiff.differentiate.structured.sweeps import forward_terms, reverse_terms
from symdiff.differentiate.structured.terms import Terms
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement
from symdiff.types import fixed, product

WHOLE = frozenset((core.INPUT, core.CONSTANT, core.NAMED, core.STACK, core.RESHAPE))
"""What may be an array where all else are scalars."""

FREE = frozenset(
    (core.INPUT, core.CONSTANT, core.NAMED, core.STOP_GRADIENT, core.CHECKPOINT, core.CHECKPOINT_ADJOINT, core.IOTA)
).union((core.SIZE,))
CLEAR = 16
"""Where one side has so many times more scalars than the other, the modes are not counted."""

FEWEST_ENTRIES, MOST_ENTRIES = 64, 10**6
"""Of smaller matrices ways by entries are not worth it, and of larger ones they take long to find."""

FEW = 4
"""Sweeps that take at most so many operations for each of the function's, and one for each entry, are taken at once."""

LARGEST_TRIED = 100
"""Both modes of larger graphs are not optimized to be compared: the operations of their derivatives are."""


def is_elementary(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> bool:
    """Whether all that is computed are scalars, made of elements of the inputs, put together only at the end.

    Such functions are differentiated element by element.
    """
    live = graph.live(outputs)
    types, ops = graph.types, graph.ops
    read = dict.fromkeys(targets, 0)
    for node in live:
        op = ops[node]
        if types[node].shape:
            if op not in WHOLE:
                return False
        elif op is core.INDEX:
            if graph.args[node][0] in read:
                read[graph.args[node][0]] += 1
        elif op.differential is not None and op is not core.RESHAPE:
            return False
    # not where most elements do not matter
    return all(not types[t].shape or product(types[t].shape) <= 2 * count for t, count in read.items())


@dataclass(frozen=True, slots=True)
class Blocks:
    """The derivatives [i][j] of every output by every target, of shape S_i + T_j, their mode, and why that one."""

    nodes: list[list[int]]
    mode: str
    note: str = ""


def jacobian_blocks(graph: Graph, outputs: Sequence[int], targets: Sequence[int], mode: str = "auto") -> Blocks:
    """The derivative of every output by every target."""
    check_differentiable(graph, outputs)
    if mode != "auto":
        return Blocks(_by(mode, graph, outputs, targets), mode)
    ahead, back = _sizes(graph, outputs, targets)
    if _is_clear(ahead, back):
        mode = "forward" if ahead <= back and back > 1 else "reverse"
        note = f"jacobian: {mode} mode, for {ahead:,} inputs and {back:,} outputs"
        return Blocks(_by(mode, graph, outputs, targets), mode, note)
    before = set(graph.live(outputs))
    found = {m: _by(m, graph, outputs, targets) for m in ("forward", "reverse")}
    counted = {m: operations(graph, [n for row in rows for n in row], before) for m, rows in found.items()}
    mode = "forward" if counted["forward"] <= counted["reverse"] else "reverse"
    note = f"jacobian: {mode} mode; operations: " + ", ".join(f"{m} {n:,}" for m, n in counted.items())
    return Blocks(found[mode], mode, note)


def _sizes(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> tuple[int, int]:
    """How many scalars the targets are, and the outputs."""
    ahead = sum(product(graph.types[t].shape) for t in targets)
    return ahead, sum(product(graph.types[o].shape) for o in outputs)


def _is_clear(ahead: int, back: int) -> bool:
    return ahead > CLEAR * back or back > CLEAR * ahead or back <= 1


def are_both_tried(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> bool:
    """Whether both modes are worth to be optimized and counted: of small graphs, where the sizes do not decide."""
    live = graph.live(outputs)
    if len(live) > LARGEST_TRIED or any(type(n) is not int for node in live for n in graph.types[node].shape):
        return False
    return not _is_clear(*_sizes(graph, outputs, targets))


def may_be_sparse(graph: Graph, outputs: Sequence[int], targets: Sequence[int], count: int) -> bool:
    """Whether it is worth to look at ways by entries, where the best sweeps take `count` operations.

    They write the matrix, too, and compute the function.
    """
    ahead, back = _sizes(graph, outputs, targets)
    if not FEWEST_ENTRIES <= ahead * back <= MOST_ENTRIES or back <= 1 or ahead <= 1:
        return False
    if any(type(n) is not int for node in graph.live(outputs) for n in graph.types[node].shape):
        return False
    return count > ahead * back + FEW * operations(graph, outputs, set(targets))


def operations(graph: Graph, roots: Sequence[int], known: set[int]) -> int:
    """Floating-point operations of all that `roots` need beyond the nodes `known`."""
    count = 0
    for node in graph.live(roots, stop=known):
        op, type_ = graph.ops[node], graph.types[node]
        if op.flops is not None:
            types = [graph.types[a] for a in graph.args[node]]
            count += sum(op.flops(types, type_, graph.payloads[node]).values())
        elif op.differential is None and op not in FREE:
            count += product(type_.shape)
    return count


def _by(mode: str, graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> list[list[int]]:
    if mode == "reverse":
        rows = []
        for output in outputs:
            if not graph.types[output].shape:
                rows.append(gradient(graph, output, targets))
                continue
            calculus, found = reverse_terms(graph, output, targets)
            rows.append(
                [calculus.total(terms, graph.shape(t), first=True) for t, terms in zip(targets, found, strict=True)]
            )
        return rows
    columns = []
    for target in targets:
        calculus, found = forward_terms(graph, outputs, target)
        columns.append([calculus.total(terms, graph.shape(o)) for o, terms in zip(outputs, found, strict=True)])
    return [[column[i] for column in columns] for i in range(len(outputs))]


def hessian_blocks(
    graph: Graph, first: Sequence[int], targets: Sequence[int], symmetric: bool = True
) -> list[list[int]]:
    """The second derivatives of a scalar, given the first: [i][j] has the shape T_i + T_j.

    With `symmetric` one triangle is computed and both take it, so the whole is symmetric bit for bit; that is wrong
    only where one target depends on another.
    """
    count = len(targets)
    blocks = [[-1] * count for _ in range(count)]
    for j, target in enumerate(targets):
        rows = range(j, count) if symmetric else range(count)
        calculus, found = forward_terms(graph, [first[i] for i in rows], target)
        own = len(graph.shape(target))
        for i, terms in zip(rows, found, strict=True):
            shape = graph.shape(targets[i])
            block = calculus.total(terms, shape)
            if symmetric and i == j:
                block = block if _is_diagonal(terms, own) else mirrored(graph, block)
            blocks[i][j] = block
            if symmetric and i != j:
                rank = len(shape)
                blocks[j][i] = movement.transpose(graph, block, (*range(rank, rank + own), *range(rank)))
    return blocks


def _is_diagonal(terms: Terms, rank: int) -> bool:
    return all(term.ties == tuple(range(rank)) and not term.picks for term in terms)


def mirrored(graph: Graph, block: int) -> int:
    """The array of shape T + T whose upper triangle is its lower one's image."""
    shape = fixed(graph.types[block].shape)
    size = math.prod(shape[: len(shape) // 2])
    if size <= 1:
        return block
    square = movement.reshape(graph, block, (size, size))
    lower = graph.add(core.LESS_EQUAL, (indexing.iota(graph, (1, size), 1), indexing.iota(graph, (size, 1), 0)))
    return movement.reshape(
        graph, graph.add(core.WHERE, (lower, square, movement.transpose(graph, square, (1, 0)))), shape
    )
