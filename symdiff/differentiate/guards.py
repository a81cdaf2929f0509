"""Guarded values: derivatives that count only where a condition holds.

A contribution that comes through a branch is a pair (value, guard): the value means 0 wherever the guard is false,
whatever its number is there. The zero is put in once, where contributions with different guards meet, so what the
untaken branch computes (an infinity, a NaN) never touches a result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symdiff.differentiate.chain import total
from symdiff.ir.graph import Graph
from symdiff.ops import OPS

WHERE, AND, OR, NOT, GREATER = (OPS[n] for n in ("where", "logical_and", "logical_or", "logical_not", "greater"))


class Guard:
    """A condition that must hold (or, `holds` false, must not), on top of those of `parent`."""

    __slots__ = ("condition", "holds", "node", "parent")

    def __init__(self, parent: Guard | None, condition: int, holds: bool, node: int | None = None) -> None:
        self.parent = parent
        self.condition = condition
        self.holds = holds
        self.node = node


Guarded = tuple[int, Guard | None]


class Guards:
    """The guards of one sweep over a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[tuple[Guard | None, int, bool], Guard] = {}

    def under(self, parent: Guard | None, condition: int, holds: bool) -> Guard:
        """The guard `parent and condition` (or `parent and not condition`)."""
        if self.graph.ops[condition] is NOT:
            condition, holds = self.graph.args[condition][0], not holds
        key = (parent, condition, holds)
        if key not in self._known:
            self._known[key] = Guard(parent, condition, holds)
        return self._known[key]

    def condition(self, guard: Guard) -> int:
        """The node that is true where the guard holds."""
        path: list[Guard] = []
        at: Guard | None = guard
        while at is not None and at.node is None:
            path.append(at)
            at = at.parent
        node = at.node if at is not None else None
        for step in reversed(path):
            own = step.condition if step.holds else self.graph.add(NOT, (step.condition,))
            node = own if node is None else self.graph.add(AND, (node, own))
            step.node = node
        assert guard.node is not None
        return guard.node

    def masked(self, value: int, guard: Guard | None) -> int:
        """The value, with zeros where the guard does not hold."""
        if guard is None:
            return value
        zero = self.graph.constant(0.0)
        if guard.parent is None and guard.holds is False:
            return self.graph.add(WHERE, (guard.condition, zero, value))
        return self.graph.add(WHERE, (self.condition(guard), value, zero))

    def merge(self, contributions: Sequence[Guarded]) -> Guarded:
        """The sum of contributions; two under opposite conditions make one `where`."""
        if len(contributions) == 1:
            return contributions[0]
        groups: dict[Guard | None, list[int]] = {}
        for value, guard in contributions:
            groups.setdefault(guard, []).append(value)
        waiting = list(groups)
        while waiting:
            guard = waiting.pop()
            if guard is None or guard not in groups:
                continue
            other = self._known.get((guard.parent, guard.condition, not guard.holds))
            if other is None or other not in groups:
                continue
            one, two = total(self.graph, groups.pop(guard)), total(self.graph, groups.pop(other))
            taken, untaken = (one, two) if guard.holds else (two, one)
            value = self.graph.add(WHERE, (guard.condition, taken, untaken))
            groups.setdefault(guard.parent, []).append(value)
            waiting.append(guard.parent)
        sums = [(total(self.graph, values), guard) for guard, values in groups.items()]
        if len(sums) == 1:
            return sums[0]
        value = total(self.graph, [self.masked(v, g) for v, g in sums])
        if any(g is None for _, g in sums):
            return value, None
        node = -1
        for _, guard in sums:
            assert guard is not None
            own = self.condition(guard)
            node = own if node < 0 else self.graph.add(OR, (node, own))
        return value, self.of(node)

    def transform(self, guarded: Guarded, linear: Callable[[int], int]) -> Guarded:
        """A linear operation with coefficients ≥ 0 (a sum, a movement of elements) on value and guard alike."""
        value, guard = guarded
        moved = linear(self.masked(value, guard))
        if guard is None:
            return moved, None
        node = self.graph.add(GREATER, (linear(self.holds(value, guard)), self.graph.constant(0.0)))
        return moved, self.of(node)

    def holds(self, value: int, guard: Guard | None) -> int:
        """1 where the guard holds and 0 elsewhere, in the shape of `value`."""
        shape = self.graph.types[value].shape
        if guard is None:
            return self.graph.broadcast(self.graph.constant(1.0), shape)
        return self.graph.broadcast(self.graph.as_number(self.condition(guard)), shape)

    def of(self, node: int) -> Guard:
        """The guard that holds where the condition `node` is true."""
        return Guard(None, node, True, node)
