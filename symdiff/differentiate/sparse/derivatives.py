"""Sparse Jacobians and Hessians of any graph: where entries are, and one node with their values.

Formulas in scalars are differentiated entry by entry, whole arrays by patches.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate import chain
from symdiff.differentiate.jacobians import jacobian_blocks, operations
from symdiff.differentiate.operators import check_differentiable, gradient
from symdiff.differentiate.sparse.compressed import compressed
from symdiff.differentiate.sparse.layout import entries_of
from symdiff.differentiate.sparse.pattern import Indices, Pattern
from symdiff.differentiate.sparse.pushing import Pushing
from symdiff.differentiate.sparse.scalars import (
    Sparse,
    gradient_entries,
    hessian_entries,
    is_scalar,
    jacobian_entries,
)
from symdiff.differentiate.sparse.sweep import sparse_patches
from symdiff.differentiate.sparse.symmetry import triangle_patches
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core, indexing, movement
from symdiff.types import fixed, product

CLEAR = 4
"""Patches that take at most so many operations for each entry and each operation of the function are taken at once."""

MANY, MOST_LISTED = 4, 50_000
"""Patches with so many times the elements of a matrix, or so many, are not looked at for places that repeat."""


@dataclass(frozen=True, slots=True)
class Derivative:
    """A sparse derivative: the pattern, a node of shape (entries,) with the values, and how they are found."""

    pattern: Pattern
    values: int
    note: str

    def chosen(self, graph: Graph, pattern: Pattern, entries: Indices) -> Derivative:
        """Another pattern, each of whose entries is one of these."""
        if len(entries) == len(self.pattern) and np.array_equal(entries, np.arange(len(entries))):
            return Derivative(pattern, self.values, self.note)
        if graph.ops[self.values] is core.STACK:
            nodes = graph.args[self.values]
            return Derivative(pattern, stacked(graph, [nodes[k] for k in entries.tolist()]), self.note)
        if not len(entries):
            return Derivative(pattern, stacked(graph, []), self.note)
        taken = indexing.gather(graph, self.values, graph.constant(np.asarray(entries, np.int64)))
        return Derivative(pattern, taken, self.note)


@dataclass(frozen=True, slots=True)
class Slopes:
    """The first derivatives of a scalar node by targets: nodes by the number of the element, or one for each target."""

    by_element: dict[int, int] | None
    by_target: list[int]

    @property
    def nodes(self) -> list[int]:
        """All of them."""
        return self.by_target if self.by_element is None else list(self.by_element.values())

    def rows(self, graph: Graph, targets: Sequence[int]) -> list[int]:
        """Nodes with one element for each of the targets, one after the other."""
        if self.by_element is None:
            return self.by_target
        count, zero = sum(product(fixed(graph.types[t].shape)) for t in targets), graph.constant(0.0)
        return [self.by_element.get(c, zero) for c in range(count)]

    def moved(self, mapping: dict[int, int]) -> Slopes:
        """The same where `mapping` says which nodes stand for these."""
        named = self.by_element and {c: mapping.get(n, n) for c, n in self.by_element.items()}
        return Slopes(named, [mapping.get(n, n) for n in self.by_target])


def stacked(graph: Graph, nodes: Sequence[int]) -> int:
    """A vector of scalar nodes, of which there may be none."""
    return graph.add(core.STACK, tuple(nodes)) if nodes else graph.constant(np.zeros(0))


def pattern_of(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> Pattern:
    """Which elements of the outputs, one after the other, depend on which of the targets."""
    check_differentiable(graph, outputs)
    if is_scalar(graph, outputs):
        return Sparse(graph, _scalars(graph, outputs), targets).pattern()
    return _patched(graph, outputs, targets)[0]


def sparse_jacobian_of(graph: Graph, output: int, targets: Sequence[int], method: str = "auto") -> Derivative:
    """The derivatives of the elements of a node by the elements of the targets.

    `method` is "direct", "compressed", or "auto" for the one with fewer operations.
    """
    check_differentiable(graph, [output])
    if method == "compressed":
        return _compressed(graph, [output], targets, pattern_of(graph, [output], targets))
    if is_scalar(graph, [output]):
        listed = jacobian_entries(graph, _scalars(graph, [output]), targets)
        return Derivative(listed.pattern, stacked(graph, listed.nodes), f"direct, {listed.mode}")
    known = graph.live([output])
    pattern, values = _patched(graph, [output], targets)
    return _cheapest(graph, [output], targets, pattern, values, known, method)


def sparse_jacobians_of(graph: Graph, output: int, targets: Sequence[int], most: float) -> dict[str, Derivative]:
    """As `sparse_jacobian_of` by either method; none where more than the part `most` of the matrix may be entries."""
    check_differentiable(graph, [output])
    size = product(fixed(graph.types[output].shape)) * sum(product(fixed(graph.types[t].shape)) for t in targets)
    if is_scalar(graph, [output]):
        direct = sparse_jacobian_of(graph, output, targets, "direct")
    else:
        (patches,) = sparse_patches(graph, [_unshaped(graph, output)], targets)
        listed = sum(patch.size for patch in patches)  # in which places may repeat
        if listed > most * size and listed > min(MANY * size, MOST_LISTED):
            return {}
        pattern, values = _patched(graph, [output], targets)
        direct = _cheapest(graph, [output], targets, pattern, values, [], "direct")
    if len(direct.pattern) > most * size:
        return {}
    return {"direct": direct, "compressed": _compressed(graph, [output], targets, direct.pattern)}


def slopes_of(graph: Graph, output: int, targets: Sequence[int]) -> Slopes:
    """The first derivatives of a scalar node, from which `sparse_hessian_of` makes the second."""
    check_differentiable(graph, [output])
    if is_scalar(graph, [output]):
        return Slopes(gradient_entries(graph, output, targets), [])
    return Slopes(None, gradient(graph, output, targets))


def sparse_hessian_of(
    graph: Graph, slopes: Slopes, targets: Sequence[int], triangle: str = "full", method: str = "auto"
) -> Derivative:
    """The second derivatives, or a triangle of them; of inputs the lower one is computed, and mirrored."""
    symmetric = all(graph.ops[t] is core.INPUT for t in targets)
    if method == "compressed":
        found = _compressed_hessian(graph, slopes, targets, symmetric)
    elif slopes.by_element is not None:
        listed = hessian_entries(graph, slopes.by_element, targets, symmetric)
        found = Derivative(listed.pattern, stacked(graph, listed.nodes), f"direct, {listed.mode}")
        if symmetric and triangle != "lower":
            found = found.chosen(graph, *found.pattern.mirrored())
    else:
        known = graph.live(slopes.by_target)
        pattern, values = _patched(graph, slopes.by_target, targets, triangle if symmetric else None)
        if values is None and symmetric and method == "auto":
            found = _compressed_hessian(graph, slopes, targets, symmetric)
        else:
            found = _cheapest(graph, slopes.by_target, targets, pattern, values, known, method)
            if symmetric and triangle == "full" and found.values != values:
                found = _mirrored(graph, found)
    return found if triangle == "full" else found.chosen(graph, *found.pattern.triangle(triangle))


def pushed_hessian_of(graph: Graph, output: int, targets: Sequence[int], pattern: Pattern) -> Derivative | None:
    """The second derivatives of a formula in scalars by edge pushing; None of others, and by what is no input.

    `pattern` says of which entries, as `sparse_hessian_of` finds them.
    """
    if not is_scalar(graph, [output]) or any(graph.ops[t] is not core.INPUT for t in targets):
        return None
    with graph.lock, collector_paused():
        (root,) = _scalars(graph, [output])
        rows = Pushing(graph, root, targets).entries()
    zero = graph.constant(0.0)
    places = zip(pattern.rows.tolist(), pattern.columns.tolist(), strict=True)
    nodes = [rows[max(i, j)].get(min(i, j), zero) for i, j in places]
    return Derivative(pattern, stacked(graph, nodes), "direct, edge pushing")


def _cheapest(
    graph: Graph,
    outputs: Sequence[int],
    targets: Sequence[int],
    pattern: Pattern,
    values: int | None,
    known: Sequence[int],
    method: str,
) -> Derivative:
    """The values by patches, or by sweeps for colours where those take fewer operations; else of the dense matrix."""
    patched = None if values is None else Derivative(pattern, values, "direct, patches of whole arrays")
    if method == "direct":
        return patched or _picked(graph, outputs, targets, pattern)
    count = 0
    if patched is not None:
        count = operations(graph, [patched.values], set(known))
        least = len(pattern) + operations(graph, outputs, set(targets))
        if count <= CLEAR * least:
            return patched
    way = compressed(graph, outputs, targets, pattern)
    if patched is not None:
        if count <= way.cost:
            return patched
    elif 2 * way.count > min(pattern.shape):
        return _picked(graph, outputs, targets, pattern)
    return Derivative(pattern, way.values(), f"compressed, {way.note}")


def _compressed(
    graph: Graph, outputs: Sequence[int], targets: Sequence[int], pattern: Pattern, symmetric: bool = False
) -> Derivative:
    way = compressed(graph, outputs, targets, pattern, symmetric)
    return Derivative(pattern, way.values(), f"compressed, {way.note}")


def _compressed_hessian(graph: Graph, slopes: Slopes, targets: Sequence[int], symmetric: bool) -> Derivative:
    """The entries of a Hessian by colours; of inputs the lower triangle, mirrored."""
    outputs = slopes.rows(graph, targets)
    pattern = pattern_of(graph, outputs, targets)
    if symmetric:  # what is not in the image cannot be other than 0
        return _mirrored(graph, _compressed(graph, outputs, targets, pattern.symmetric_part(), True))
    return _compressed(graph, outputs, targets, pattern)


def _mirrored(graph: Graph, found: Derivative) -> Derivative:
    """A symmetric matrix whose upper triangle is the image of its lower one, bit for bit."""
    lower, kept = found.pattern.triangle("lower")
    full, entries = lower.mirrored()
    return found.chosen(graph, full, kept[entries])


def _scalars(graph: Graph, outputs: Sequence[int]) -> list[int]:
    return [int(n) for o in outputs for n in chain.elements(graph, o).ravel()]


def _patched(
    graph: Graph, outputs: Sequence[int], targets: Sequence[int], triangle: str | None = None
) -> tuple[Pattern, int | None]:
    """The pattern and the values by patches; no values where some operation has no rule for them.

    `triangle` says which of a symmetric matrix.
    """
    width = sum(product(fixed(graph.types[t].shape)) for t in targets)
    if triangle is None:
        outputs = [_unshaped(graph, o) for o in outputs]
    counts, columns, values = [], [], []
    found = sparse_patches(graph, outputs, targets)
    symmetric = True
    if triangle is not None:
        found, symmetric = triangle_patches(graph, found, [graph.shape(o) for o in outputs], triangle)
    for output, patches in zip(outputs, found, strict=True):
        entries = entries_of(graph, patches, graph.shape(output), width)
        counts.append(entries.counts)
        columns.append(entries.columns)
        values.append(entries.values)
    height = sum(map(len, counts))
    pattern = Pattern.of_counts((height, width), np.concatenate(counts), np.concatenate(columns))
    known = [v for v in values if v is not None]
    if len(known) < len(values):
        return pattern, None
    whole = Derivative(pattern, movement.concatenate(graph, known, 0), "")
    whole = whole if symmetric else _mirrored(graph, whole)
    return whole.pattern, whole.values


def _unshaped(graph: Graph, node: int) -> int:
    """The array behind changes of shape, which has the same rows."""
    while graph.ops[node] is core.RESHAPE:
        node = graph.args[node][0]
    return node


def _picked(graph: Graph, outputs: Sequence[int], targets: Sequence[int], pattern: Pattern) -> Derivative:
    """The entries of the dense derivative."""
    blocks = jacobian_blocks(graph, outputs, targets)
    rows = []
    for row, output in zip(blocks.nodes, outputs, strict=True):
        height = product(fixed(graph.types[output].shape))
        sides = [
            movement.reshape(graph, block, (height, math.prod(graph.shape(t))))
            for block, t in zip(row, targets, strict=True)
        ]
        rows.append(movement.concatenate(graph, sides, 1))
    dense = movement.concatenate(graph, rows, 0)
    flat = movement.reshape(graph, dense, (math.prod(pattern.shape),))
    places = pattern.rows.astype(np.int64) * pattern.shape[1] + pattern.columns
    if not len(places):
        return Derivative(pattern, stacked(graph, []), "direct")
    return Derivative(pattern, indexing.gather(graph, flat, graph.constant(places)), f"entries of the {blocks.note}")
