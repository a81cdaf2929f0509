"""Sums of products: einsum, of which matrix products, dot and outer products are cases."""

from __future__ import annotations

import functools
import operator
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.errors import ShapeError
from symdiff.ops.base import Differential, Movement, Op, register
from symdiff.ops.movement import leading
from symdiff.ops.structure import lane_sum, numeric_type
from symdiff.types import Shape, TensorType, fixed, product, show, tensor

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
            terms.append(graph.einsum(operands, given, (*before, *output)))
    return functools.reduce(lambda a, b: graph.add("add", (a, b)), terms)


def _back(graph: Graph, g: int, node: int, k: int, lead: int) -> int:
    labels, output = graph.payloads[node]
    before = _lead(labels, output, lead)
    args = graph.args[node]
    operands = (*args[:k], g, *args[k + 1 :])
    given = (*labels[:k], (*before, *output), *labels[k + 1 :])
    return graph.einsum(operands, given, (*before, *labels[k]))


def _reach(graph: Graph, mask: int, node: int, k: int, lead: int, forward: bool) -> int:
    """Any over the axes that are contracted, repeated along those that are new."""
    labels, output = graph.payloads[node]
    shapes = [graph.types[a].shape for a in graph.args[node]]
    sizes = label_sizes(labels, shapes)
    source, target = (labels[k], output) if forward else (output, labels[k])
    kept = [label for label in source if label in target]
    summed = tuple(lead + j for j, label in enumerate(source) if label not in target)
    ordered = [label for label in target if label in source]
    found = graph.transpose(graph.sum(mask, summed), (*range(lead), *(lead + kept.index(label) for label in ordered)))
    own = leading(graph, mask, lead)
    found = graph.reshape(found, (*own, *(sizes[label] if label in kept else 1 for label in target)))
    return graph.broadcast(found, (*own, *(sizes[label] for label in target)))


def _flops(types: Sequence[TensorType], result: TensorType, payload: Contraction) -> dict[str, int]:
    """Of the contraction of two operands; of more, those of one loop over all labels."""
    labels, _ = payload
    points = product(tuple(label_sizes(labels, [t.shape for t in types]).values()))
    return {"mul": points * (len(labels) - 1), "add": max(0, points - product(result.shape))}


(EINSUM,) = register(
    Op("einsum", None, hidden=True, finite=True, doc="the sum of products over the labels that the result has not",
       payload="labels", type_rule=_type, routine=Movement(_evaluate), flops=_flops,
       differential=Differential(_forward, _back, _reach,
                                 text="the contraction with the tangent, or the adjoint, in the operand's place")),
)  # fmt: skip
