"""Products and sums of arrays whose axes have labels."""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.differentiate import chain
from symdiff.ir.graph import Graph
from symdiff.ops import contraction, movement, reduction
from symdiff.ops.core import BROADCAST, RESHAPE, TRANSPOSE
from symdiff.types import fixed

Factor = tuple[int, tuple[int, ...]]
"""A node and a label for each of its axes."""


def ordered(graph: Graph, node: int, labels: Sequence[int], order: Sequence[int]) -> int:
    """The node with its axes in an order; labels that it has not become axes of size 1.

    Labels of the node that are not in `order` must have size 1.
    """
    shape = fixed(graph.types[node].shape)
    present = [k for k, label in enumerate(labels) if label in order]
    if len(present) < len(shape):
        node = movement.reshape(graph, node, tuple(shape[k] for k in present))
    kept = [labels[k] for k in present]
    target = [label for label in order if label in kept]
    perm = tuple(kept.index(label) for label in target)
    sizes = {label: shape[k] for k, label in enumerate(labels)}
    if [k for k in perm if sizes[kept[k]] != 1] != [k for k in range(len(kept)) if sizes[kept[k]] != 1]:
        node = movement.transpose(graph, node, perm)
    result = tuple(sizes.get(label, 1) for label in order)
    while len(result) > len(target) and result[0] == 1 and order[len(order) - len(result)] not in kept:
        result = result[1:]  # axes of size 1 in front are as good as none
    return movement.reshape(graph, node, result)


def squeezed_factor(graph: Graph, node: int, labels: Sequence[int]) -> Factor:
    """The factor without its axes of size 1, and without transposes and repetitions that labels can express."""
    while True:
        shape = fixed(graph.types[node].shape)
        op = graph.ops[node]
        if op is TRANSPOSE:
            perm, moved = graph.payloads[node], labels
            node = graph.args[node][0]
            labels = [moved[perm.index(k)] for k in range(len(perm))]
        elif op is BROADCAST:
            node = graph.args[node][0]
            source = fixed(graph.types[node].shape)
            labels = list(labels)[len(shape) - len(source) :]
            kept = [k for k, n in enumerate(source) if n == shape[len(shape) - len(source) + k]]
            node = movement.reshape(graph, node, tuple(source[k] for k in kept))
            labels = [labels[k] for k in kept]
        elif op is RESHAPE and _long(fixed(graph.types[graph.args[node][0]].shape)) == _long(shape):
            long = [label for label, n in zip(labels, shape, strict=True) if n != 1]
            node = graph.args[node][0]
            source = fixed(graph.types[node].shape)
            given = iter(long)
            fresh = min([*labels, 0]) - 1
            labels = [next(given) if n != 1 else fresh for n in source]
        else:
            break
    shape = fixed(graph.types[node].shape)
    labels = [label for label, n in zip(labels, shape, strict=True) if n != 1]
    return movement.reshape(graph, node, _long(shape)), tuple(labels)


def _long(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def product_of(
    graph: Graph, factors: Sequence[Factor], output: Sequence[int], sizes: dict[int, int], counted: set[int]
) -> int | None:
    """The sum of the products of factors over all labels that are not in the output; None for 1.

    The result has the axes `output`, of size 1 where no factor has the label; a label in `counted` that is summed and
    that no factor has makes its size a factor.
    """
    arrays: list[Factor] = []
    scalars: list[int] = []
    for node, labels in factors:
        own = squeezed_factor(graph, node, labels)
        if own[1]:
            arrays.append(own)
        else:
            scalars.append(own[0])
    there = {label for _, labels in arrays for label in labels}
    count = 1
    for label in sorted(counted):
        if label not in output and label not in there:
            count *= sizes[label]
    if count != 1:
        scalars.append(graph.constant(float(count)))
    result: int | None = None
    if arrays:
        target = [label for label in output if label in there]
        if there == set(target):
            for node, labels in arrays:
                placed = ordered(graph, node, labels, target)
                result = placed if result is None else chain.multiply(graph, result, placed)
        elif len(arrays) == 1:
            node, labels = arrays[0]
            left = [label for label in labels if label in target]
            summed = reduction.sum_over(graph, node, tuple(k for k, label in enumerate(labels) if label not in target))
            result = ordered(graph, summed, left, target)
        else:
            result = contraction.einsum(graph, [n for n, _ in arrays], [labels for _, labels in arrays], tuple(target))
        assert result is not None
        shape = tuple(sizes[label] if label in there else 1 for label in output)
        if len(target) < len(output):
            result = movement.reshape(graph, result, shape)
    for scalar in scalars:
        result = scalar if result is None else chain.multiply(graph, scalar, result)
    if result is not None and not arrays and output:
        result = movement.reshape(graph, result, (1,) * len(output))
    return result
