"""One walk over a graph upwards that carries the derivatives of all nodes as patches."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symdiff.differentiate import chain
from symdiff.differentiate.guards import Guards
from symdiff.differentiate.partials import Application, has_partial
from symdiff.differentiate.reverse import depending
from symdiff.differentiate.sparse.patches import (
    Coordinate,
    Patch,
    Patches,
    Selection,
    Sizes,
    Vector,
    combined,
    made,
)
from symdiff.differentiate.sparse.zeros import MOST_KNOWN, Zeros
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import Op, contraction, core, movement
from symdiff.sizes import slice_bounds, slice_length
from symdiff.types import BOOL, c_strides, reshape_groups

ZERO = Coordinate(0)


def sparse_patches(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> list[list[Patch]]:
    """The derivatives of outputs by the elements of all targets, one target after the other, as patches.

    Nodes are appended to the graph for values. Where an operation is met that has no rule for values, the patches of
    what depends on it say where entries can be, and no more.
    """
    with graph.lock, collector_paused():
        live = graph.live(outputs)
        varied = depending(graph, live, targets)
        sweep = Sweep(graph)
        first = 0
        for target in targets:
            shape = graph.shape(target)
            sweep.found[target] = [sweep.seed(shape, first)] if math.prod(shape) else []
            first += math.prod(shape)
        for node in live:
            if node in varied and node not in sweep.found:
                sweep.found[node] = sweep.node(node)
        return [sweep.found.get(o, []) for o in outputs]


class Sweep(Patches):
    """The patches of the nodes that were met."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.guards = Guards(graph)
        self.found: dict[int, list[Patch]] = {}
        self._varies: dict[int, bool] = {}
        self._zeros = Zeros(graph, self.number)

    def node(self, node: int) -> list[Patch]:
        """The patches of a node, from those of its operands."""
        graph = self.graph
        op, args = graph.ops[node], graph.args[node]
        if not math.prod(graph.shape(node)):
            return []
        patches: list[Patch] = []
        application = None
        for k, a in enumerate(args):
            if not self.found.get(a) or not has_partial(op, k) or graph.types[a].dtype == BOOL:
                continue
            if op.differential is None:
                application = application or Application(self.guards, node)
                patches += self.elementwise(application, k)
            else:
                rule = RULES.get(op, _unknown)
                for patch in self.found[a]:
                    patches += rule(self, patch, node, k)
        return self.merged([self.released(p) for p in patches])

    def elementwise(self, application: Application, k: int) -> list[Patch]:
        """The patches of an operation on each element, by operand k."""
        graph, guards, node = self.graph, self.guards, application.node
        one = graph.constant(1.0)
        factor = application.times(k, (one, None))
        if factor is None:
            return []
        value, guard = factor
        condition = None if guard is None else guards.condition(guard)
        a = application.args[k]
        found = []
        for patch in self.found[a]:
            spread = self.spread(patch, graph.shape(a), graph.shape(node))
            if value != one:
                product = self.times(spread, self.sampled(spread, value, _last(spread.rows, graph.shape(value))))
                if product is None:
                    continue
                spread = product
            if condition is None:
                found.append(spread)
                continue
            own = self.sampled(spread, condition, _last(spread.rows, graph.shape(condition)))
            known = self.number(own, spread.size)
            if known is None:
                both = own if spread.guard is None else graph.add(core.LOGICAL_AND, (spread.guard, own))
                found.append(replace(spread, guard=both))
            else:
                found += self.where(spread, known)
        return found

    def where(self, patch: Patch, holds: Any) -> list[Patch]:
        """The entries of a patch where an array that broadcasts to its box is not 0; no patch where that is nowhere."""
        if holds.all():
            return [patch]
        if not holds.any():
            return []
        shape = (1,) * (len(patch.box) - holds.ndim) + holds.shape
        axes = [k for k, n in enumerate(shape) if n != 1]
        lines = [np.any(holds.reshape(shape), axis=tuple([j for j in range(len(shape)) if j != k])) for k in axes]
        if math.prod(map(np.count_nonzero, lines)) == np.count_nonzero(holds):  # a box is left
            for axis, line in reversed(list(zip(axes, lines, strict=True))):  # one place leaves no axis
                if not line.all():
                    patch = self.chosen(patch, axis, np.flatnonzero(line))
            return [patch]
        axis = axes[0]
        if len(axes) > 1:
            patch, axis = self.listed(patch, axes)
        return [self.chosen(patch, axis, np.flatnonzero(holds))]

    def number(self, node: int, size: int) -> Any:
        """The value of a node that depends on no input, and is for so many entries; None for other nodes."""
        graph, varies = self.graph, self._varies
        stack = [node]
        while stack:
            at = stack[-1]
            if at in varies:
                stack.pop()
                continue
            waiting = [a for a in graph.args[at] if a not in varies]
            if waiting:
                stack += waiting
                continue
            varies[at] = graph.ops[at] in (core.INPUT, core.SIZE) or any(varies[a] for a in graph.args[at])
        if varies[node] or size > MOST_KNOWN:
            return None
        return np.asarray(evaluate(graph, [node], {})[0])

    def times(self, patch: Patch, factor: int) -> Patch | None:
        """The patch times a node that broadcasts to its box; None where that is 0 everywhere."""
        known = self.number(factor, patch.size)
        if patch.value is not None:
            one = patch.value == self.graph.constant(1.0)
            patch = replace(patch, value=factor if one else chain.multiply(self.graph, patch.value, factor))
        holds = self._zeros.other(factor) if known is None else known != 0
        return patch if holds is None else next(iter(self.where(patch, holds)), None)

    def spread(self, patch: Patch, shape: Sizes, to: Sizes) -> Patch:
        """The patch of a value that is repeated from one shape to another."""
        rows = [ZERO] * (len(to) - len(shape)) + list(patch.rows)
        own = (1,) * (len(to) - len(shape)) + shape
        for k, size in enumerate(to):
            if own[k] != size:
                patch = self.longer(patch, size)
                rows[k] = Coordinate(0, ((len(patch.box) - 1, 1),))
        return replace(patch, rows=tuple(rows))

    def fresh(self, patch: Patch, size: int) -> tuple[Patch, Coordinate]:
        """The patch with a new axis of its box, and the coordinate that counts along it."""
        if size == 1:
            return patch, ZERO
        patch = self.longer(patch, size)
        return patch, Coordinate(0, ((len(patch.box) - 1, 1),))

    def within(self, patch: Patch, k: int, start: int, step: int, count: int) -> Patch | None:
        """The entries whose row has the coordinate `start + step*t`, 0 ≤ t < count, along axis k, which becomes t."""
        at = patch.rows[k]
        low, high = at.bounds(patch.box)
        if step == 1 and start <= low and high < start + count:
            return self.placed(patch, k, at.moved(1, -start))
        if len(at.lines) > 1:
            patch, _ = self.listed(patch, [axis for axis, _ in at.lines])
            at = patch.rows[k]
        if not at.lines:
            t, rest = divmod(at.start - start, step)
            return self.placed(patch, k, Coordinate(t)) if not rest and 0 <= t < count else None
        ((axis, line),) = at.lines
        places: Selection
        if isinstance(line, int):
            found = _progression(at.start - start, line, patch.box[axis], step, count)
            if found is None:
                return None
            places = found
        else:
            t_all, rests = np.divmod(line + (at.start - start), step)
            places = np.flatnonzero((rests == 0) & (t_all >= 0) & (t_all < count))
            if not len(places):
                return None
        patch = self.chosen(patch, axis, places)
        return self.placed(patch, k, _divided(patch.rows[k].moved(1, -start), step))

    def placed(self, patch: Patch, k: int, at: Coordinate) -> Patch:
        """The patch with another coordinate along axis k."""
        return replace(patch, rows=(*patch.rows[:k], at, *patch.rows[k + 1 :]))


def _last(rows: Sequence[Coordinate], shape: Sizes) -> Sequence[Coordinate]:
    return rows[len(rows) - len(shape) :]


def _divided(at: Coordinate, step: int) -> Coordinate:
    """A coordinate whose values are multiples of a step, over it."""
    lines = {axis: line // step for axis, line in at.lines}
    return made(at.start // step, lines)


def _progression(offset: int, line: int, size: int, step: int, count: int) -> tuple[int, int, int] | None:
    """The 0 ≤ p < size for which `offset + line*p` is `step*t` with 0 ≤ t < count, as first, step and how many."""
    common = math.gcd(line, step)
    if offset % common:
        return None
    period = abs(step) // common
    first = (-offset // common) * pow(line // common, -1, period) % period if period > 1 else 0
    last_value = step * (count - 1)
    low, high = min(0, last_value), max(0, last_value)
    # low <= offset + line*p <= high
    if line > 0:
        least, most = -((offset - low) // line), (high - offset) // line
    else:
        least, most = -((high - offset) // -line), (offset - low) // -line
    least, most = max(least, 0), min(most, size - 1)
    first += -((first - least) // period) * period if first < least else 0
    if first > most:
        return None
    return first, period, (most - first) // period + 1


# Rules: the patches of a node, from a patch of its operand k

Rule = Callable[[Sweep, Patch, int, int], list[Patch]]


def _sum(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    axes = sweep.graph.payloads[node]
    return [replace(patch, rows=tuple(c for j, c in enumerate(patch.rows) if j not in axes))]


def _reduced(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    """A reduction to which each element has a weight."""
    graph = sweep.graph
    differential = graph.ops[node].differential
    assert differential is not None
    one = movement.broadcast(graph, graph.constant(1.0), graph.shape(node))
    weight = differential.pullback(graph, one, node, 0, 0)
    found = sweep.times(patch, sweep.sampled(patch, weight, patch.rows))
    return [] if found is None else _sum(sweep, found, node, k)


def _index(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    graph = sweep.graph
    shape = graph.shape(graph.args[node][0])
    parts = graph.payloads[node]
    kept = []
    for j, size in enumerate(shape):
        part = parts[j] if j < len(parts) else (0, size, 1)
        triple = slice_bounds(part, size) if isinstance(part, tuple) else (part % size, part % size + 1, 1)
        found = sweep.within(patch, j, triple[0], triple[2], slice_length(*triple))
        if found is None:
            return []
        patch = found
        if isinstance(part, tuple):
            kept.append(j)
    return [replace(patch, rows=tuple(patch.rows[j] for j in kept))]


def _scatter(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    parts, shape = sweep.graph.payloads[node]
    own = iter(patch.rows)
    rows = []
    for j, size in enumerate(shape):
        part = parts[j] if j < len(parts) else (0, size, 1)
        if isinstance(part, tuple):
            start, _, step = slice_bounds(part, size)
            rows.append(next(own).moved(step, start))
        else:
            rows.append(Coordinate(part % size))
    return [replace(patch, rows=tuple(rows))]


def _broadcast(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    graph = sweep.graph
    return [sweep.spread(patch, graph.shape(graph.args[node][0]), graph.shape(node))]


def _transpose(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    return [replace(patch, rows=tuple(patch.rows[j] for j in sweep.graph.payloads[node]))]


def _reshape(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    graph = sweep.graph
    before, after = graph.shape(graph.args[node][0]), graph.shape(node)
    rows: list[Coordinate] = []
    for old, new in reshape_groups(before, after):
        left = [j for j in old if before[j] != 1]
        right = [j for j in new if after[j] != 1]
        if [before[j] for j in left] == [after[j] for j in right]:
            places = iter(left)
            rows += [patch.rows[next(places)] if after[j] != 1 else ZERO for j in new]
            continue
        flat = combined([patch.rows[j] for j in left], c_strides(tuple(before[j] for j in left)))
        # axes of the box may change, so rows that are done stay with the patch
        patch, parts = split_last(
            sweep, replace(patch, rows=(*patch.rows, *rows, flat)), tuple(after[j] for j in right)
        )
        rows = list(patch.rows[len(before) :])
        patch = replace(patch, rows=patch.rows[: len(before)])
        found = iter(parts)
        rows += [next(found) if after[j] != 1 else ZERO for j in new]
    return [replace(patch, rows=tuple(rows))]


def split_last(sweep: Sweep, patch: Patch, shape: Sizes) -> tuple[Patch, list[Coordinate]]:
    """The coordinates in `shape` of the last coordinate of a patch, a place in C order, which it has no more."""
    for stride in c_strides(shape)[:-1]:
        patch, quotient, rest = _quotient(sweep, patch, stride)
        # quotients stay with the patch while axes of the box change
        patch = replace(patch, rows=(*patch.rows[:-1], quotient, rest))
    count = max(1, len(shape))
    return replace(patch, rows=patch.rows[:-count]), list(patch.rows[-count:])


def _quotient(sweep: Sweep, patch: Patch, stride: int) -> tuple[Patch, Coordinate, Coordinate]:
    """The last coordinate of a patch divided by a stride, and the rest."""
    while True:
        flat = patch.rows[-1]
        if all(isinstance(line, int) for _, line in flat.lines):
            lines: dict[int, Any] = dict(flat.lines)
            whole = {axis: line // stride for axis, line in lines.items() if line % stride == 0}
            rest = {axis: line for axis, line in lines.items() if line % stride}
            low, high = Coordinate(0, tuple(rest.items())).bounds(patch.box)
            start = (flat.start + low) % stride - low
            if start + high < stride:
                return patch, made((flat.start - start) // stride, whole), made(start, rest)
            if len(rest) == 1:
                ((axis, line),) = rest.items()
                inner = stride // abs(line) if line and stride % line == 0 else 0
                strides = all(isinstance(c.line(axis), int) for c in (*patch.rows, patch.column))
                if inner > 1 and patch.box[axis] % inner == 0 and patch.box[axis] > inner and strides:
                    split = sweep.split(patch, axis, inner)
                    low = min(0, line * (inner - 1))
                    if (flat.start + low) % stride - low + max(0, line * (inner - 1)) < stride:
                        patch = split
                        continue
        axes = [axis for axis, _ in flat.lines]
        patch, last = sweep.listed(patch, axes)
        flat = patch.rows[-1]
        line = flat.line(last)
        values = np.arange(patch.box[last]) * line if isinstance(line, int) else line
        quotient, remainder = np.divmod(values + flat.start, stride)
        return patch, made(0, {last: quotient}), made(0, {last: remainder})


def _concatenate(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    graph, axis = sweep.graph, sweep.graph.payloads[node]
    start = sum(graph.shape(a)[axis] for a in graph.args[node][:k])
    return [sweep.placed(patch, axis, patch.rows[axis].moved(1, start))]


def _stack(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    return [replace(patch, rows=(Coordinate(k), *patch.rows))]


def _diagonal(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    graph = sweep.graph
    one, other = graph.payloads[node]
    shape = graph.shape(graph.args[node][0])
    for j in (one, other):  # both are below the shorter axis
        inside = sweep.within(patch, j, 0, 1, min(shape[one], shape[other]))
        if inside is None:
            return []
        patch = inside
    difference = combined([patch.rows[one], patch.rows[other]], [1, -1])
    patch = replace(patch, rows=(*patch.rows, difference))
    found = sweep.within(patch, len(patch.rows) - 1, 0, 1, 1)
    if found is None:
        return []
    rows = found.rows[:-1]
    return [replace(found, rows=(*(c for j, c in enumerate(rows) if j not in (one, other)), rows[one]))]


def _einsum(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    graph, args = sweep.graph, sweep.graph.args[node]
    labels, output = graph.payloads[node]
    sizes: dict[int, int] = {}
    for a, own in zip(args, labels, strict=True):
        sizes.update(zip(own, graph.shape(a), strict=True))
    places = dict(zip(labels[k], patch.rows, strict=True))
    for label in output:
        if label not in places:
            patch, places[label] = sweep.fresh(patch, sizes[label])
    others = [(a, own) for j, (a, own) in enumerate(zip(args, labels, strict=True)) if j != k]
    if len(others) > 1 and any(label not in places for _, own in others for label in own):
        left = tuple(sorted({label for _, own in others for label in own if label in places}))
        others = [(contraction.einsum(graph, [a for a, _ in others], [own for _, own in others], left), left)]
    order = list(places)
    patch = replace(patch, rows=tuple(places.values()))
    for a, own in others:  # entries where a factor is 0 may go, and coordinates change
        factor = sweep.sampled(patch, a, [patch.rows[order.index(label)] for label in own])
        product = sweep.times(patch, factor)
        if product is None:
            return []
        patch = product
    return [replace(patch, rows=tuple(patch.rows[order.index(label)] for label in output))]


def _constant_index(sweep: Sweep, index: int, size: int) -> Vector | None:
    """The indices that a node is, in C order and from the start of the axis; None where a call says them."""
    found = sweep.number(index, 0)
    if found is None:
        return None
    values = np.asarray(found, np.int64).reshape(-1)
    return np.where(values < 0, values + size, values)


def _along(sweep: Sweep, patch: Patch, k: int) -> tuple[Patch, int, Vector]:
    """The patch with coordinate k on one axis of the box that no other row has, that axis, and the values along it."""
    at = patch.rows[k]
    if not at.lines:
        patch = sweep.longer(patch, 1)
        return patch, len(patch.box) - 1, np.array([at.start])
    axes = [axis for axis, _ in at.lines]
    axis = axes[0]
    if len(axes) > 1:
        patch, axis = sweep.listed(patch, axes)
    at = patch.rows[k]
    line = at.line(axis)
    return patch, axis, at.start + (np.arange(patch.box[axis]) * line if isinstance(line, int) else line)


def _joined(values: Vector, wanted: Vector) -> tuple[Vector, Vector]:
    """All pairs (i, j) for which values[i] == wanted[j]."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    first = np.searchsorted(ordered, wanted, "left")
    counts = np.searchsorted(ordered, wanted, "right") - first
    j = np.repeat(np.arange(len(wanted)), counts)
    within = np.arange(len(j)) - np.repeat(np.cumsum(counts) - counts, counts)
    return order[np.repeat(first, counts) + within], j


def _gather(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    graph = sweep.graph
    (x, index), axis = graph.args[node], graph.payloads[node]
    wanted = _constant_index(sweep, index, graph.shape(x)[axis])
    shape = graph.shape(index)
    if wanted is None:
        return _anywhere(sweep, patch, axis, 1, shape)
    patch, along, values = _along(sweep, patch, axis)
    i, j = _joined(values, wanted)
    if not len(i):
        return []
    rest = [*patch.rows[:axis], *patch.rows[axis + 1 :]]
    line = j if len(shape) == 1 else None
    found = _taken(sweep, replace(patch, rows=tuple(rest)), along, i)
    patch, along = found
    own: list[Coordinate] = []
    if len(i) == 1:
        own = [Coordinate(int(c[0])) for c in np.unravel_index(j, shape)]
    elif line is not None:
        own = [made(0, {along: line})]
    else:
        own = [made(0, {along: np.asarray(c, np.int64)}) for c in np.unravel_index(j, shape)]
    return [replace(patch, rows=(*patch.rows[:axis], *own, *patch.rows[axis:]))]


def _taken(sweep: Sweep, patch: Patch, axis: int, places: Vector) -> tuple[Patch, int]:
    """The patch with entries at places along an axis, which may be more than it has; one place leaves no axis."""
    if patch.box[axis] == 1:  # was made for this: nothing has a line along it
        patch = sweep.without(patch, [axis])
        if len(places) > 1:
            patch = sweep.longer(patch, len(places))
        return patch, len(patch.box) - 1
    return sweep.chosen(patch, axis, places), axis


def _scatter_add(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    graph = sweep.graph
    (_, index), (axis, size) = graph.args[node], graph.payloads[node]
    shape = graph.shape(index)
    wanted = _constant_index(sweep, index, size)
    if wanted is None:
        return _anywhere(sweep, patch, axis, len(shape), (size,))
    flat = combined(patch.rows[axis : axis + len(shape)], c_strides(shape))
    patch = replace(patch, rows=(*patch.rows[:axis], flat, *patch.rows[axis + len(shape) :]))
    if not flat.lines:
        return [sweep.placed(patch, axis, Coordinate(int(wanted[flat.start])))]
    patch, along, values = _along(sweep, patch, axis)
    return [sweep.placed(patch, axis, made(0, {along: wanted[values]}))]


def _anywhere(sweep: Sweep, patch: Patch, axis: int, count: int, shape: Sizes) -> list[Patch]:
    """Elements that only a call says: each may depend on all along the axis."""
    patch = replace(patch, value=None, guard=None)
    own = []
    for size in shape:
        patch, at = sweep.fresh(patch, size)
        own.append(at)
    return [replace(patch, rows=(*patch.rows[:axis], *own, *patch.rows[axis + count :]))]


def _scan(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    """An element depends on all those before it, in a running sum by 1."""
    graph = sweep.graph
    axis, reverse = graph.payloads[node]
    size = graph.shape(node)[axis]
    if graph.ops[node] is not core.CUMSUM:
        patch = replace(patch, value=None, guard=None)
    patch, along, values = _along(sweep, patch, axis)
    counts = values + 1 if reverse else size - values
    i = np.repeat(np.arange(len(values)), counts)
    within = np.arange(len(i)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = within if reverse else within + values[i]
    rest = replace(patch, rows=(*patch.rows[:axis], *patch.rows[axis + 1 :]))
    patch, along = _taken(sweep, rest, along, i)
    at = made(0, {along: rows}) if len(i) > 1 else Coordinate(int(rows[0]))
    return [replace(patch, rows=(*patch.rows[:axis], at, *patch.rows[axis:]))]


CORES: Mapping[Op, tuple[int, int]] = {
    core.INV: (2, 2),
    core.DET: (2, 0),
    core.LOGDET: (2, 0),
    core.ADJUGATE: (2, 2),
    core.CHOLESKY: (2, 2),
    core.SOLVE: (2, 2),
    core.SOLVE_TRIANGULAR: (2, 2),
    core.PACKED_SVD: (2, 1),
    core.PINV: (2, 2),
}
"""How many last axes of operands and result an operation on matrices acts on; the others are a batch."""


def _unknown(sweep: Sweep, patch: Patch, node: int, k: int) -> list[Patch]:
    """An operation of which is known only which elements can depend on which."""
    graph = sweep.graph
    shape, own = graph.shape(node), graph.shape(graph.args[node][k])
    before, after = CORES.get(graph.ops[node], (len(own), len(shape)))
    batch = shape[: len(shape) - after]
    patch = replace(patch, value=None, guard=None, rows=patch.rows[: len(own) - before])
    patch = sweep.released(sweep.spread(patch, own[: len(own) - before], batch))
    rows = list(patch.rows)
    for size in shape[len(shape) - after :]:
        patch, at = sweep.fresh(patch, size)
        rows.append(at)
    return [replace(patch, rows=tuple(rows))]


RULES: dict[Op, Rule] = {
    core.SUM: _sum,
    **dict.fromkeys((core.PROD, core.AMAX, core.AMIN, core.NORM), _reduced),
    core.INDEX: _index,
    core.SCATTER: _scatter,
    core.BROADCAST: _broadcast,
    core.TRANSPOSE: _transpose,
    core.RESHAPE: _reshape,
    core.CONCATENATE: _concatenate,
    core.STACK: _stack,
    core.DIAGONAL: _diagonal,
    core.EINSUM: _einsum,
    core.GATHER: _gather,
    core.SCATTER_ADD: _scatter_add,
    core.CUMSUM: _scan,
    core.RECURRENCE: _scan,
}
"""How operations that do not act on each element map a patch of an operand."""
