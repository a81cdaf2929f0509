"""Products of tensors: chains of them merged, ordered anew, and taken apart to loops and to matrix products.

Afterwards an `einsum` has two operands and is worth a call of BLAS; the others have become multiplications and sums,
which fuse with what stands around them.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph
from symdiff.ops.base import ScalarRoutine
from symdiff.ops.core import EINSUM, MUL, SUM, TRANSPOSE
from symdiff.optimize.contraction_merging import Contraction, Marks, collect_products
from symdiff.optimize.contraction_path import find_path, written_path
from symdiff.optimize.patterns import CONSTANT
from symdiff.optimize.planning.gemm import (
    FEWEST_OPERATIONS,
    LARGEST_SIZE,
    Labels,
    Roles,
    Strided,
    count_elements,
    labelled_strides,
    match_gemm,
    roles,
)
from symdiff.types import fixed

INTERPRETED = 1 << 16
"""Up to so many products the interpreter adds in the order of loops; so does native code with fp="strict"."""

LARGE_MATRIX, LONG_ROW = 1 << 20, 512
"""From these sizes on a matrix times a vector is BLAS's, unless the matrix can be computed on the way."""


def order_contractions(graph: Graph, roots: Sequence[int], fp: str = "contract") -> tuple[Graph, list[int]]:
    """Rebuild `graph` with every contraction in its cheapest order, in terms of loops and matrix products.

    Contractions that have one user are merged into it first, so the order in which a person wrote A @ B @ x does not
    matter. With fp="strict" nothing is merged, and the operands are contracted in the order in which they stand.
    """
    strict = fp == "strict"
    found = collect_products(graph, roots, strict)
    contractions = {node: contraction for node, contraction in found.items() if contraction is not None}
    target = Graph(graph.dtype)
    values = Body(graph, (), roots, sorted(found)).fold(_Builder(target, contractions, strict))
    return target, [values[node] for node in roots]


@dataclass(frozen=True, slots=True)
class Part:
    """A node of the new graph and the labels of its axes."""

    node: int
    labels: Labels


class _Builder(Nodes):
    """Nodes of a fresh graph, those of contractions in their cheapest order."""

    def __init__(self, graph: Graph, contractions: Mapping[int, Contraction], strict: bool) -> None:
        super().__init__(graph)
        self.special = self.contractions = contractions
        self.strict = strict

    def at(self, node: int, values: dict[int, int]) -> int:
        """The node of a contraction."""
        found = self.contractions[node]
        return self.contract([(values[a], marks) for a, marks in found.operands], found.output, found.sizes)

    def contract(self, operands: Iterable[tuple[int, Marks]], output: Labels, sizes: Mapping[int, int]) -> int:
        """The sum of the products of all operands."""
        shape = tuple(sizes[x] for x in output)
        parts = [self._squeezed(node, marks) for node, marks in operands]
        parts = self._without_ones(parts)
        there = {x for part in parts for x in part.labels}
        # What is repeated along a label and summed over it is multiplied by its size.
        factor = count_elements([x for x in sizes if x not in there and x not in output], sizes)
        if factor == 0:
            return self.graph.broadcast(self.graph.constant(0.0), shape)
        kept = tuple(x for x in output if x in there)
        if self.strict and count_elements(sorted(there), sizes) <= INTERPRETED:
            summed = dict.fromkeys(x for part in parts for x in part.labels if x not in kept)
            result = self._loops(parts, (*kept, *summed), kept)
        else:
            result = self._in_pairs(parts, kept, sizes)
        node = self._arranged(result, kept)
        if factor != 1:
            node = self.graph.add(MUL, (self.graph.constant(float(factor)), node))
        if kept != output:
            node = self.graph.reshape(node, tuple(sizes[x] if x in kept else 1 for x in output))
            node = self.graph.broadcast(node, shape)
        return node

    def _in_pairs(self, parts: list[Part], output: Labels, sizes: Mapping[int, int]) -> Part:
        """The contraction of all parts, two at a time."""
        users = Counter(x for labels in (*(part.labels for part in parts), output) for x in labels)
        parts = [self._summed(part, {x for x in part.labels if users[x] == 1}) for part in parts]
        labels = [part.labels for part in parts]
        path = written_path(len(parts)) if self.strict else find_path(labels, output, sizes)
        for one, other in path:
            a, b = parts[one], parts[other]
            users.subtract([*a.labels, *b.labels])
            wanted = tuple(x for x in dict.fromkeys(a.labels + b.labels) if users[x])
            users.update(wanted)
            parts.append(self._pair(a, b, wanted, output, sizes))
        return parts[-1]

    def _pair(self, a: Part, b: Part, wanted: Labels, output: Labels, sizes: Mapping[int, int]) -> Part:
        """The product of two operands, summed over the labels that are not wanted."""
        found = output if set(wanted) == set(output) else None
        groups = roles(a.labels, b.labels, found or wanted)
        if not groups.contracted:
            every = found or _union(a.labels, b.labels, sizes)
            return self._loops([a, b], every, every)
        if self._is_small(a, b, groups, sizes):
            order = self._loop_order(a, b, groups)
            return self._loops([a, b], order, tuple(x for x in order if x not in groups.contracted))
        natural = groups.batch + groups.left + groups.right
        if found is not None:
            views = [Strided(labels, labelled_strides(labels, sizes)) for labels in (a.labels, b.labels, found)]
            match = match_gemm(sizes, views[0], views[1], views[2])
            if match is not None and match.copies == (None, None, None):
                natural = found
        return Part(self._einsum(a, b, natural), natural)

    def _is_small(self, a: Part, b: Part, groups: Roles, sizes: Mapping[int, int]) -> bool:
        """Whether loops are at least as fast as BLAS.

        A matrix times a vector is as fast as memory either way where the sums run along the rows of the matrix; there
        loops also take in what is done to the operands and to the result. Measured, they take 0.8 to 0.95 of BLAS's
        time up to 700 x 700 and where rows are short, and 1.15 to 1.4 beyond. Sums down the columns need BLAS's blocks.
        """
        m, n, k = (count_elements(group, sizes) for group in (groups.left, groups.right, groups.contracted))
        everything = count_elements(tuple({*a.labels, *b.labels}), sizes) if self.strict else 0
        if (self.strict and everything <= INTERPRETED) or m * n * k <= FEWEST_OPERATIONS or max(m, n, k) > LARGEST_SIZE:
            return True
        if m == 1 and n == 1:
            return True
        if m == 1 or n == 1:
            matrix = a if n == 1 else b
            last = [x for x in matrix.labels if sizes[x] > 1][-1]
            is_large = m * n * k >= LARGE_MATRIX and k >= LONG_ROW and not self._is_computed(matrix.node)
            return last in groups.contracted and not is_large
        return False

    def _is_computed(self, node: int) -> bool:
        """Whether a node's elements are computed where they are needed, if that is only once."""
        return isinstance(self.graph.ops[node].routine, ScalarRoutine)

    @staticmethod
    def _loop_order(a: Part, b: Part, groups: Roles) -> list[int]:
        """The axes of the loops, so that the operands are read in the order of their memory as far as may be."""
        orders = [
            [*groups.batch, *groups.left, *groups.contracted, *groups.right],
            [*groups.batch, *groups.right, *groups.contracted, *groups.left],
        ]

        def moved(order: list[int]) -> int:
            return sum([x for x in order if x in p.labels] != list(p.labels) for p in (a, b))

        return min(orders, key=moved)

    # Nodes

    def _loops(self, parts: Sequence[Part], order: Sequence[int], kept: Labels) -> Part:
        """The product of all parts as multiplications in the axes `order`, summed over those that are not kept."""
        nodes = [self._spread(part, order) for part in parts]
        node = functools.reduce(lambda x, y: self.graph.add(MUL, (x, y)), nodes)
        axes = tuple(k for k, x in enumerate(order) if x not in kept)
        if axes:
            node = self.graph.add(SUM, (node,), axes)
        return Part(node, tuple(x for x in order if x in kept))

    def _spread(self, part: Part, order: Sequence[int]) -> int:
        """A part with its axes in this order, and axes of size 1 for the others after its first."""
        own = tuple(x for x in order if x in part.labels)
        node = self._arranged(part, own)
        sizes = dict(zip(own, fixed(self.graph.types[node].shape), strict=True))
        first = order.index(own[0]) if own else len(order)
        return self.graph.reshape(node, tuple(sizes.get(x, 1) for x in order[first:]))

    def _einsum(self, a: Part, b: Part, output: Labels) -> int:
        number = {x: k for k, x in enumerate(dict.fromkeys(a.labels + b.labels))}
        labels = tuple(tuple(number[x] for x in one) for one in (a.labels, b.labels))
        return self.graph.add(EINSUM, (a.node, b.node), (labels, tuple(number[x] for x in output)))

    def _arranged(self, part: Part, order: Sequence[int]) -> int:
        """A part with its axes in another order."""
        perm = tuple(part.labels.index(x) for x in order)
        node = part.node
        if self.graph.ops[node] is TRANSPOSE:
            inner = self.graph.payloads[node]
            node, perm = self.graph.args[node][0], tuple(inner[k] for k in perm)
        return node if perm == tuple(range(len(perm))) else self.graph.add(TRANSPOSE, (node,), perm)

    def _summed(self, part: Part, labels: set[int]) -> Part:
        if not labels:
            return part
        axes = tuple(k for k, x in enumerate(part.labels) if x in labels)
        return Part(self.graph.add(SUM, (part.node,), axes), tuple(x for x in part.labels if x not in labels))

    def _squeezed(self, node: int, marks: Marks) -> Part:
        """A node without its axes that have no label, and with each label once."""
        labels = tuple(x for x in marks if x is not None)
        shape = fixed(self.graph.types[node].shape)
        node = self.graph.reshape(node, tuple(n for n, x in zip(shape, marks, strict=True) if x is not None))
        while twice := [x for x in labels if labels.count(x) > 1]:
            first = labels.index(twice[0])
            second = labels.index(twice[0], first + 1)
            node = self.graph.diagonal(node, first, second)
            labels = (*(x for k, x in enumerate(labels) if k not in (first, second)), twice[0])
        return Part(node, labels)

    def _without_ones(self, parts: list[Part]) -> list[Part]:
        """The parts that are not all 1; one at least."""
        graph = self.graph
        kept = [
            p
            for p in parts
            if not (graph.ops[p.node] is CONSTANT and np.all(graph.payloads[p.node] == 1.0) and not p.labels)
        ]
        return kept or parts[:1]


def _union(a: Labels, b: Labels, sizes: Mapping[int, int]) -> Labels:
    """The labels of both, in the order of the larger one."""
    first, second = (a, b) if count_elements(a, sizes) >= count_elements(b, sizes) else (b, a)
    if set(second) <= set(first):
        return first
    return tuple(dict.fromkeys(a + b))
