"""Sums of products: einsum, of which matrix products, dot and outer products are cases."""

from __future__ import annotations

import functools
import math
import operator
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff import content
from symdiff.errors import ShapeError
from symdiff.ops import indexing, movement, reduction
from symdiff.ops.base import Differential, Movement, Op, payload_kind, register
from symdiff.ops.movement import leading
from symdiff.ops.structure import CONSTANT, lane_sum, numeric_type
from symdiff.types import Shape, TensorType, broadcast_shapes, fixed, product, show, tensor

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

Labels = tuple[int, ...]
Contraction = tuple[tuple[Labels, ...], Labels]
"""The labels of the axes of each operand, and of the result."""

MOST_PRODUCTS = 1 << 16
"""Contractions of more products are added up by NumPy, in its own order."""


def label_sizes(labels: Sequence[Labels], shapes: Sequence[Shape]) -> dict[int, int]:
    """The size of each label.

    Raises
    ------
    ShapeError
        Where an operand has another number of axes, or two sizes of a label differ.
    """
    sizes: dict[int, int] = {}
    for own, shape in zip(labels, shapes, strict=True):
        if len(own) != len(shape):
            raise ShapeError(f"einsum: {len(own)} labels for an operand of shape {show(shape)}")
        for label, size in zip(own, fixed(shape), strict=True):
            if sizes.setdefault(label, size) != size:
                raise ShapeError(f"einsum: shapes {' and '.join(map(show, shapes))}: {sizes[label]} and {size} differ")
    return sizes


def _type(op: Op, types: Sequence[TensorType], payload: Contraction) -> TensorType:
    dtype = numeric_type(op, types)
    labels, output = payload
    if len(labels) != len(types):
        raise ShapeError(f"einsum: labels for {len(labels)} operands, but there are {len(types)}")
    sizes = label_sizes(labels, [t.shape for t in types])
    seen = [label for own in labels for label in own]
    if len(types) < 2 or any(len(set(own)) != len(own) for own in (*labels, output)):
        raise ShapeError("einsum: a label stands twice in one operand, or there is only one operand")
    often = Counter((*seen, *output))
    if not set(output) <= sizes.keys() or any(often[k] == 1 for k in sizes):
        raise ShapeError("einsum: a label stands in one place only")
    if list(dict.fromkeys(seen)) != list(range(len(sizes))):
        raise ShapeError("einsum: the labels are not numbered in the order of their appearance")
    return tensor(dtype, tuple(sizes[k] for k in output))


def _evaluate(*parts: Any) -> Any:
    """The products in the order of the operands, added up in the order of `lane_sum` while they are few."""
    arrays, (labels, output) = [np.asarray(p) for p in parts[:-1]], parts[-1]
    sizes = label_sizes(labels, [a.shape for a in arrays])
    order = (*output, *(k for k in sizes if k not in output))
    if product(tuple(sizes.values())) > MOST_PRODUCTS and arrays[0].dtype != object:
        inputs = [x for pair in zip(arrays, map(list, labels), strict=True) for x in pair]
        return np.einsum(*inputs, list(output))
    spread = []
    for array, own in zip(arrays, labels, strict=True):
        own_order = [k for k in order if k in own]
        placed = np.transpose(array, [own.index(k) for k in own_order])
        spread.append(placed.reshape([sizes[k] if k in own else 1 for k in order]))
    whole = functools.reduce(operator.mul, spread)
    return lane_sum(whole, tuple(range(len(output), len(order)))) if len(order) > len(output) else whole


# Makers


def einsum(graph: Graph, operands: Sequence[int], labels: Sequence[Sequence[int]], output: Sequence[int]) -> int:
    """The sum of products over the labels that `output` has not, as `numpy.einsum` with integer labels.

    It is brought to canonical form: what an einsum node never holds is said by simpler nodes. Repeated labels become
    diagonals, axes of size 1 among longer ones go, sums over what one operand alone has are taken first, and scalars
    (repeated ones, too) become factors.

    Raises
    ------
    ShapeError
        Where sizes of one label differ, or a label of `output` is in no operand.
    """
    return _contracted(graph, [graph.as_number(n) for n in operands], [tuple(own) for own in labels], tuple(output))


def _contracted(graph: Graph, operands: Sequence[int], labels: Sequence[Labels], output: Labels) -> int:
    sizes = _sizes(graph, operands, labels)
    if len(set(output)) != len(output) or any(k not in sizes for k in output):
        raise ShapeError(f"einsum: the labels {output} of the result are not different labels of the operands")
    left: list[tuple[int, Labels]] = []
    factors: list[int] = []
    for node, own in zip(operands, labels, strict=True):
        scalar = movement.repeated_scalar(graph, node) if graph.types[node].shape else node
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
    return movement.broadcast(graph, movement.reshape(graph, result, inner), tuple(sizes[k] for k in output))


def _sizes(graph: Graph, operands: Sequence[int], labels: Sequence[Labels]) -> dict[int, int]:
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


def _plain(graph: Graph, node: int, labels: Labels, sizes: dict[int, int]) -> tuple[int, Labels]:
    """An operand without axes of size 1 among longer ones, and with each label once."""
    shape = graph.shape(node)
    kept = [k for k, label in enumerate(labels) if shape[k] == sizes[label]]
    if len(kept) < len(labels):
        node, labels = movement.reshape(graph, node, tuple(shape[k] for k in kept)), tuple(labels[k] for k in kept)
    while len(set(labels)) < len(labels):
        first, second = next((j, k) for k in range(len(labels)) for j in range(k) if labels[j] == labels[k])
        node = indexing.main_diagonal(graph, node, first, second)
        labels = (*(label for k, label in enumerate(labels) if k not in (first, second)), labels[first])
    return node, labels


def _summed(graph: Graph, at: int, left: Sequence[tuple[int, Labels]], output: Labels) -> tuple[int, Labels]:
    """Operand `at`, summed over the labels that nothing else has."""
    node, own = left[at]
    others = set(output).union(*(labels for k, (_, labels) in enumerate(left) if k != at))
    axes = tuple(k for k, label in enumerate(own) if label not in others)
    return reduction.sum_over(graph, node, axes) if axes else node, tuple(label for label in own if label in others)


def _core(graph: Graph, left: Sequence[tuple[int, Labels]], output: Labels) -> int | None:
    if not left:
        return None
    if len(left) == 1:
        node, own = left[0]
        return movement.transpose(graph, node, [own.index(k) for k in output])
    names: dict[int, int] = {}
    labels = tuple(tuple(names.setdefault(k, len(names)) for k in own) for _, own in left)
    return graph.add(EINSUM, tuple(node for node, _ in left), (labels, tuple(names[k] for k in output)))


def _scaled(graph: Graph, result: int | None, factors: Sequence[int]) -> int:
    for factor in factors:
        if result is None:
            result = factor
        elif not _is_one(graph, factor):
            result = factor if _is_one(graph, result) else graph.add("mul", (factor, result))
    return graph.constant(1.0) if result is None else result


def _is_one(graph: Graph, node: int) -> bool:
    return graph.ops[node] is CONSTANT and not graph.types[node].shape and graph.payloads[node] == 1.0


def matmul(graph: Graph, a: int, b: int) -> int:
    """`a @ b` by NumPy's rules: one axis is a vector, leading axes are batches that broadcast.

    Raises
    ------
    ShapeError
        Where the operands do not fit.
    """
    left, right = graph.shape(a), graph.shape(b)
    shapes = f"matmul: shapes {show(left)} and {show(right)}"
    if not left or not right:
        raise ShapeError(f"{shapes}: @ takes vectors and matrices", hint="write * for the product with a scalar")
    inner = right[-2] if len(right) > 1 else right[0]
    if left[-1] != inner:
        raise ShapeError(f"{shapes}: {left[-1]} and {inner} differ")
    try:
        broadcast_shapes("matmul", [left[:-2], right[:-2]])
    except ShapeError:
        raise ShapeError(f"{shapes}: the leading axes do not broadcast together") from None
    count = max(len(left), len(right), 2) - 2
    row, column, summed = count, count + 1, count + 2
    batch = range(count)
    first = (*batch[count - len(left) + 2 :], row, summed) if len(left) > 1 else (summed,)
    second = (*batch[count - len(right) + 2 :], summed, column) if len(right) > 1 else (summed,)
    output = (*batch, *(row,) * (len(left) > 1), *(column,) * (len(right) > 1))
    return einsum(graph, (a, b), (first, second), output)


def _lead(labels: Sequence[Labels], output: Labels, lead: int) -> Labels:
    """Labels for leading axes, which no other axis has."""
    first = 1 + max((k for own in (*labels, output) for k in own), default=-1)
    return tuple(range(first, first + lead))


def _forward(graph: Graph, tangents: list[int | None], node: int, lead: int) -> int:
    labels, output = graph.payloads[node]
    before = _lead(labels, output, lead)
    terms = []
    for k, t in enumerate(tangents):
        if t is not None:
            operands = (*graph.args[node][:k], t, *graph.args[node][k + 1 :])
            given = (*labels[:k], (*before, *labels[k]), *labels[k + 1 :])
            terms.append(einsum(graph, operands, given, (*before, *output)))
    return functools.reduce(lambda a, b: graph.add("add", (a, b)), terms)


def _back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    labels, output = graph.payloads[node]
    before = _lead(labels, output, lead)
    args = graph.args[node]
    operands = (*args[:k], g, *args[k + 1 :])
    given = (*labels[:k], (*before, *output), *labels[k + 1 :])
    return einsum(graph, operands, given, (*before, *labels[k]))


def _reach(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
    """Any over the axes that are contracted, repeated along those that are new."""
    labels, output = graph.payloads[node]
    shapes = [graph.types[a].shape for a in graph.args[node]]
    sizes = label_sizes(labels, shapes)
    source, target = (labels[k], output) if forward else (output, labels[k])
    kept = [label for label in source if label in target]
    summed = tuple(lead + j for j, label in enumerate(source) if label not in target)
    ordered = [label for label in target if label in source]
    found = movement.transpose(
        graph, reduction.sum_over(graph, mask, summed), (*range(lead), *(lead + kept.index(label) for label in ordered))
    )
    own = leading(graph, mask, lead)
    found = movement.reshape(graph, found, (*own, *(sizes[label] if label in kept else 1 for label in target)))
    return movement.broadcast(graph, found, (*own, *(sizes[label] for label in target)))


def _flops(types: Sequence[TensorType], result: TensorType, payload: Contraction) -> dict[str, int]:
    """Of the contraction of two operands; of more, those of one loop over all labels."""
    labels, _ = payload
    points = product(tuple(label_sizes(labels, [t.shape for t in types]).values()))
    return {"mul": points * (len(labels) - 1), "add": max(0, points - product(result.shape))}


MOST_LABELS = 256


def _read_labels(value: Any) -> tuple[int, ...]:
    return tuple(content.integer(k, 0, MOST_LABELS, "a label") for k in content.items(value, "labels"))


def _read_labels_of_all(value: Any) -> tuple[Any, ...]:
    labels, output = content.items(value, "a contraction", 2)
    return tuple(_read_labels(own) for own in content.items(labels, "the labels of operands")), _read_labels(output)


LABELS = payload_kind("labels", _read_labels_of_all)

(EINSUM,) = register(
    Op("einsum", None, hidden=True, finite=True, doc="the sum of products over the labels that the result has not",
       payload=LABELS, type_rule=_type, routine=Movement(_evaluate), flops=_flops, empty=0.0,
       differential=Differential(_forward, _back, _reach,
                                 text="the contraction with the tangent, or the adjoint, in the operand's place")),
)  # fmt: skip
