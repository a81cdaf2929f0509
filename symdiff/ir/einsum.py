"""Contractions brought to their canonical form: what an einsum node never holds is said by simpler nodes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from symdiff.errors import ShapeError
from symdiff.ops import core
from symdiff.types import show

if TYPE_CHECKING:
    from symdiff.ir.building import Building

Labels = tuple[int, ...]


def contract(graph: Building, operands: Sequence[int], labels: Sequence[Labels], output: Labels) -> int:
    """The contraction in canonical form.

    Repeated labels become diagonals, axes of size 1 among longer ones go, sums over what one operand alone has are
    taken first, and scalars (repeated ones, too) become factors.

    Raises
    ------
    ShapeError
        Where the labels do not fit the operands.
    """
    sizes = _sizes(graph, operands, labels)
    if len(set(output)) != len(output) or any(k not in sizes for k in output):
        raise ShapeError(f"einsum: the labels {output} of the result are not different labels of the operands")
    left: list[tuple[int, Labels]] = []
    factors: list[int] = []
    for node, own in zip(operands, labels, strict=True):
        scalar = graph.repeated_scalar(node) if graph.types[node].shape else node
        if scalar is not None:
            factors.append(scalar)
        else:
            left.append(_plain(graph, node, own, sizes))
    count = math.prod(n for k, n in sizes.items() if k not in output and all(k not in own for _, own in left))
    left = [_summed(graph, at, left, output) for at in range(len(left))]
    bare = [node for node, own in left if not own]
    left = [(node, own) for node, own in left if own]
    factors += bare
    have = {k for _, own in left for k in own}
    kept = tuple(k for k in output if k in have)
    result = _core(graph, left, kept)
    if count != 1:
        factors.append(graph.constant(float(count)))
    result = _scaled(graph, result, factors)
    inner = tuple(sizes[k] if k in have else 1 for k in output)
    return graph.broadcast(graph.reshape(result, inner), tuple(sizes[k] for k in output))


def _sizes(graph: Building, operands: Sequence[int], labels: Sequence[Labels]) -> dict[int, int]:
    sizes: dict[int, int] = {}
    shapes = [graph.shape(n) for n in operands]
    shown = " and ".join(map(show, shapes))
    if not operands or len(labels) != len(operands):
        raise ShapeError(f"einsum: labels for {len(labels)} operands, but there are {len(operands)}")
    for own, shape in zip(labels, shapes, strict=True):
        if len(own) != len(shape):
            raise ShapeError(f"einsum: {len(own)} labels for an operand of shape {show(shape)}")
        for label, size in zip(own, shape, strict=True):
            before = sizes.get(label, 1)
            if before != 1 and size not in (1, before):
                raise ShapeError(f"einsum: shapes {shown}: {before} and {size} differ")
            sizes[label] = size if before == 1 else before
    return sizes


def _plain(graph: Building, node: int, labels: Labels, sizes: dict[int, int]) -> tuple[int, Labels]:
    """An operand without axes of size 1 among longer ones, and with each label once."""
    shape = graph.shape(node)
    kept = [k for k, label in enumerate(labels) if shape[k] == sizes[label]]
    if len(kept) < len(labels):
        node, labels = graph.reshape(node, tuple(shape[k] for k in kept)), tuple(labels[k] for k in kept)
    while len(set(labels)) < len(labels):
        first, second = next((j, k) for k in range(len(labels)) for j in range(k) if labels[j] == labels[k])
        node = graph.diagonal(node, first, second)
        labels = (*(label for k, label in enumerate(labels) if k not in (first, second)), labels[first])
    return node, labels


def _summed(graph: Building, at: int, left: Sequence[tuple[int, Labels]], output: Labels) -> tuple[int, Labels]:
    """Operand `at`, summed over the labels that nothing else has."""
    node, own = left[at]
    others = set(output).union(*(labels for k, (_, labels) in enumerate(left) if k != at))
    axes = tuple(k for k, label in enumerate(own) if label not in others)
    return graph.sum(node, axes) if axes else node, tuple(label for label in own if label in others)


def _core(graph: Building, left: Sequence[tuple[int, Labels]], output: Labels) -> int | None:
    if not left:
        return None
    if len(left) == 1:
        node, own = left[0]
        return graph.transpose(node, [own.index(k) for k in output])
    names: dict[int, int] = {}
    labels = tuple(tuple(names.setdefault(k, len(names)) for k in own) for _, own in left)
    return graph.add(core.EINSUM, tuple(node for node, _ in left), (labels, tuple(names[k] for k in output)))


def _scaled(graph: Building, result: int | None, factors: Sequence[int]) -> int:
    for factor in factors:
        if result is None:
            result = factor
        elif not _is_one(graph, factor):
            result = factor if _is_one(graph, result) else graph.add(core.MUL, (factor, result))
    return graph.constant(1.0) if result is None else result


def _is_one(graph: Building, node: int) -> bool:
    return graph.ops[node] is core.CONSTANT and not graph.types[node].shape and graph.payloads[node] == 1.0
