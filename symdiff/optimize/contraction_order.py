"""Products of tensors: chains of them merged, ordered anew, and taken apart to loops and to matrix products.

A product that only one other product uses becomes part of it: one contraction of many operands. These are contracted
two at a time. Few operands: dynamic programming over sets of them (Pfeifer, Haegeman and Verstraete, "Faster
identification of optimal contraction sequences for tensor networks", 2014). Many: the greedy choice of opt_einsum
(Smith and Gray, 2018). Afterwards an `einsum` has two operands and is worth a call of BLAS; the others have become
multiplications and sums, which fuse with what stands around them.
"""

from __future__ import annotations

import functools
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph
from symdiff.ops import indexing, movement
from symdiff.ops.base import ScalarRoutine
from symdiff.ops.core import BROADCAST, EINSUM, EQUAL, IOTA, MUL, SUM, TRANSPOSE, WHERE
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
from symdiff.optimize.trail import Trail
from symdiff.types import fixed

MOST_EXACT = 8
"""Up to so many operands the best order is found by looking at all of them."""

Path = list[tuple[int, int]]
"""Pairs of positions; operands are numbered as given, and each result gets the next number."""


def find_path(operands: Sequence[Labels], output: Labels, sizes: Mapping[int, int]) -> Path:
    """The order with the fewest floating-point operations among those whose arrays are no larger than needed.

    No array may be larger than the largest operand or the result, unless every order has a larger one.
    """
    if len(operands) < 3:
        return written_path(len(operands))
    if len(operands) > MOST_EXACT:
        return _greedy(operands, output, sizes)
    largest = max(count_elements(labels, sizes) for labels in (*operands, output))
    return _exact(operands, output, sizes, largest) or _exact(operands, output, sizes, None)


def written_path(operands: int) -> Path:
    """From left to right."""
    path: Path = []
    last = 0
    for k in range(1, operands):
        path.append((last, k))
        last = operands + k - 1
    return path


def _exact(operands: Sequence[Labels], output: Labels, sizes: Mapping[int, int], largest: int | None) -> Path:
    """By dynamic programming over the sets of operands; empty where no order keeps to `largest`."""
    number = len(operands)
    everything = (1 << number) - 1
    inside = [frozenset[int]()] * (everything + 1)
    for k, labels in enumerate(operands):
        inside[1 << k] = frozenset(labels)
    for group in range(1, everything + 1):
        low = group & -group
        inside[group] = inside[low] | inside[group ^ low]
    wanted = frozenset(output)
    kept = [inside[group] & (wanted | inside[everything ^ group]) for group in range(everything + 1)]
    elements = [count_elements(labels, sizes) for labels in kept]
    last = {1 << k: labels[-1] for k, labels in enumerate(operands) if len(labels) > 1}
    # A set's best: floating-point operations, elements of all arrays on the way, how many operands are summed down
    # their columns, and its last step's first half.
    best: dict[int, tuple[int, int, int, int]] = {1 << k: (0, 0, 0, 0) for k in range(number)}
    for group in range(1, everything + 1):
        if group in best or (largest is not None and elements[group] > largest):
            continue
        low = group & -group
        found: tuple[int, int, int, int] | None = None
        half = group
        while half:
            half = (half - 1) & group
            if not half & low or half not in best or group ^ half not in best:
                continue
            one, other = best[half], best[group ^ half]
            both = kept[half] | kept[group ^ half]
            work, down = count_elements(both, sizes), one[2] + other[2]
            if both != kept[group]:
                work *= 2
                down += sum(last.get(part) in kept[group] for part in (half, group ^ half))
            trial = one[0] + other[0] + work, one[1] + other[1] + elements[group], down, half
            if found is None or trial[:3] < found[:3]:
                found = trial
        if found is not None:
            best[group] = found
    if everything not in best:
        return []
    path: Path = []
    done: dict[int, int] = {1 << k: k for k in range(number)}
    stack = [everything]
    while stack:
        group = stack[-1]
        if group in done:
            stack.pop()
            continue
        half = best[group][3]
        parts = [part for part in (group ^ half, half) if part not in done]
        if parts:
            stack += parts
            continue
        done[group] = number + len(path)
        path.append((done[half], done[group ^ half]))
    return path


def _greedy(operands: Sequence[Labels], output: Labels, sizes: Mapping[int, int]) -> Path:
    """Always the pair of neighbours whose product is smallest compared with the two."""
    current: dict[int, frozenset[int]] = {k: frozenset(labels) for k, labels in enumerate(operands)}
    users: dict[int, set[int]] = {}
    for k, labels in current.items():
        for label in labels:
            users.setdefault(label, set()).add(k)
    wanted = frozenset(output)
    heap: list[tuple[int, int, int, int]] = []

    def product(one: int, other: int) -> frozenset[int]:
        both = current[one] | current[other]
        return frozenset(x for x in both if x in wanted or len(users[x] - {one, other}) > 0)

    def propose(one: int, other: int) -> None:
        one, other = min(one, other), max(one, other)
        made = count_elements(product(one, other), sizes)
        freed = count_elements(current[one], sizes) + count_elements(current[other], sizes)
        heapq.heappush(heap, (made - freed, count_elements(current[one] | current[other], sizes), one, other))

    for k in range(len(operands)):
        for other in sorted({u for label in current[k] for u in users[label] if u > k}):
            propose(k, other)
    path: Path = []
    new = len(operands)
    while len(current) > 1:
        while heap:
            _, _, one, other = heapq.heappop(heap)
            if one in current and other in current:
                break
        else:  # nothing shares a label with anything: outer products, the smallest first
            one, other = sorted(current, key=lambda k: (count_elements(current[k], sizes), k))[:2]
        labels = product(one, other)
        for k in (one, other):
            for label in current.pop(k):
                users[label].discard(k)
        current[new] = labels
        for label in labels:
            users[label].add(new)
        path.append((one, other))
        for neighbour in sorted({u for label in labels for u in users[label] if u != new}):
            propose(neighbour, new)
        new += 1
    return path


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


INTERPRETED = 1 << 16
"""Up to so many products the interpreter adds in the order of loops; so does native code with fp="strict"."""

LARGE_MATRIX, LONG_ROW = 1 << 20, 512
"""From these sizes on a matrix times a vector is BLAS's, unless the matrix can be computed on the way."""


def order_contractions(
    graph: Graph, roots: Sequence[int], fp: str = "contract", trail: Trail | None = None
) -> tuple[Graph, list[int]]:
    """Rebuild `graph` with every contraction in its cheapest order, in terms of loops and matrix products.

    Contractions that have one user are merged into it first, so the order in which a person wrote A @ B @ x does not
    matter. With fp="strict" nothing is merged, and the operands are contracted in the order in which they stand.
    """
    strict = fp == "strict"
    found = collect_products(graph, roots, strict)
    contractions = {node: contraction for node, contraction in found.items() if contraction is not None}
    target = Graph(graph.dtype)
    values = Body(graph, (), roots, sorted(found)).fold(_Builder(target, contractions, strict))
    if trail is not None:
        trail.move(values)
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
            return movement.broadcast(self.graph, self.graph.constant(0.0), shape)
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
            node = movement.reshape(self.graph, node, tuple(sizes[x] if x in kept else 1 for x in output))
            node = movement.broadcast(self.graph, node, shape)
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
        return movement.reshape(self.graph, node, tuple(sizes.get(x, 1) for x in order[first:]))

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
        node = movement.reshape(self.graph, node, tuple(n for n, x in zip(shape, marks, strict=True) if x is not None))
        while twice := [x for x in labels if labels.count(x) > 1]:
            first = labels.index(twice[0])
            second = labels.index(twice[0], first + 1)
            node = indexing.main_diagonal(self.graph, node, first, second)
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
