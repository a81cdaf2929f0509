"""Products of tensors that only one other product uses become part of it: one contraction of many operands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from symdiff.ir.graph import Graph
from symdiff.ops.core import BROADCAST, EINSUM, EQUAL, IOTA, SUM, TRANSPOSE, WHERE
from symdiff.optimize.patterns import CONSTANT
from symdiff.optimize.planning.gemm import Labels
from symdiff.types import fixed

Marks = tuple[int | None, ...]
"""The labels of an operand's axes; None stands for an axis of size 1 that has none."""


@dataclass(frozen=True, slots=True)
class Contraction:
    """A sum of products of any number of operands, over the labels that are not in `output`."""

    operands: tuple[tuple[int, Marks], ...]
    output: Labels
    sizes: Mapping[int, int]


def collect_products(graph: Graph, roots: Sequence[int], strict: bool) -> dict[int, Contraction | None]:
    """The nodes that are still needed when contractions have been merged; what each contraction consists of."""
    live = graph.live(roots)
    uses = [0] * len(graph)
    for node in live:
        for a in graph.args[node]:
            uses[a] += 1
    for node in roots:
        uses[node] += 1
    needed = set(roots)
    found: dict[int, Contraction | None] = {}
    for node in reversed(live):
        if node not in needed:
            continue
        op = graph.ops[node]
        is_sum = op is SUM and not strict and _is_product(graph, graph.args[node][0], uses)
        contraction = _expand(graph, node, uses, strict) if op is EINSUM or is_sum else None
        found[node] = contraction
        needed.update(graph.args[node] if contraction is None else (operand for operand, _ in contraction.operands))
    return found


def _is_product(graph: Graph, node: int, uses: Sequence[int]) -> bool:
    """Whether a node is a contraction with one user, looked at from several sides."""
    while uses[node] == 1 and graph.ops[node] in (TRANSPOSE, SUM):
        node = graph.args[node][0]
    return uses[node] == 1 and graph.ops[node] is EINSUM


def _expand(graph: Graph, node: int, uses: Sequence[int], strict: bool) -> Contraction:
    """A contraction with those merged that only it uses; transposes, broadcasts and diagonals are seen through."""
    sizes: dict[int, int] = {}

    def fresh(size: int) -> int:
        sizes[len(sizes)] = size
        return len(sizes) - 1

    output: Labels
    if graph.ops[node] is SUM:
        below = graph.args[node][0]
        every = tuple(fresh(size) for size in fixed(graph.types[below].shape))
        output = tuple(x for k, x in enumerate(every) if k not in graph.payloads[node])
        stack: list[tuple[int, Marks]] = [(below, every)]
    else:
        output = tuple(fresh(size) for size in fixed(graph.types[node].shape))
        stack = _inner(graph, node, output, fresh)
    operands: list[tuple[int, Marks]] = []
    same: dict[int, int] = {}
    while stack:
        at, marks = stack.pop()
        op = graph.ops[at]
        if op is TRANSPOSE:
            perm = graph.payloads[at]
            stack.append((graph.args[at][0], tuple(marks[perm.index(k)] for k in range(len(perm)))))
        elif strict:
            operands.append((at, marks))
        elif op is BROADCAST:
            stack.append(_repeated(graph, at, graph.args[at][0], marks))
        elif op is WHERE and (axes := _is_diagonal(graph, at)) and _join(marks[axes[0]], marks[axes[1]], same, output):
            stack.append(_repeated(graph, at, graph.args[at][1], marks))
        elif op is EINSUM and uses[at] == 1 and None not in marks:
            stack += _inner(graph, at, [x for x in marks if x is not None], fresh)
        elif op is SUM and _is_product(graph, at, uses):
            below = graph.args[at][0]
            rest = iter(marks)
            shape = enumerate(fixed(graph.types[below].shape))
            stack.append((below, tuple(fresh(n) if k in graph.payloads[at] else next(rest) for k, n in shape)))
        else:
            operands.append((at, marks))
    if same:
        operands = [(at, tuple(x if x is None else _find(x, same) for x in marks)) for at, marks in operands]
    return Contraction(tuple(operands), output, {x: n for x, n in sizes.items() if x not in same})


def _repeated(graph: Graph, node: int, below: int, marks: Marks) -> tuple[int, Marks]:
    """An operand that is broadcast to the shape of `node`, which has these labels."""
    shape = fixed(graph.types[below].shape)
    first = len(marks) - len(shape)
    wide = fixed(graph.types[node].shape)[first:]
    return below, tuple(x if n == m else None for x, n, m in zip(marks[first:], shape, wide, strict=True))


def _is_diagonal(graph: Graph, node: int) -> tuple[int, int] | None:
    """The two axes outside whose diagonal a `where` is zero, or None."""
    condition, _, other = graph.args[node]
    if graph.ops[condition] is not EQUAL or graph.ops[other] is not CONSTANT or graph.types[other].shape:
        return None
    shape = fixed(graph.types[node].shape)
    axes: list[int] = []
    for operand in graph.args[condition]:
        if graph.ops[operand] is not IOTA:
            return None
        own, axis = graph.payloads[operand]
        place = len(shape) - len(own) + axis
        if own[axis] != shape[place]:
            return None
        axes.append(place)
    if axes[0] == axes[1] or shape[axes[0]] != shape[axes[1]] or graph.payloads[other] != 0.0:
        return None
    return axes[0], axes[1]


def _join(one: int | None, other: int | None, same: dict[int, int], output: Labels) -> bool:
    """Make one label of two, where they may be one: not both of the result's."""
    if one is None or other is None:
        return False
    one, other = _find(one, same), _find(other, same)
    if one in output and other in output and one != other:
        return False
    if one in output:
        one, other = other, one
    if one != other:
        same[one] = other
    return True


def _find(label: int, same: Mapping[int, int]) -> int:
    while label in same:
        label = same[label]
    return label


def _inner(graph: Graph, node: int, output: Sequence[int], fresh: Callable[[int], int]) -> list[tuple[int, Marks]]:
    """The operands of an einsum, the last first, with the labels that its result has in a larger one."""
    labels, own = graph.payloads[node]
    names = dict(zip(own, output, strict=True))
    for arg, axes in zip(graph.args[node], labels, strict=True):
        for label, size in zip(axes, fixed(graph.types[arg].shape), strict=True):
            if label not in names:
                names[label] = fresh(size)
    return [(arg, tuple(names[x] for x in axes)) for arg, axes in zip(graph.args[node], labels, strict=True)][::-1]
