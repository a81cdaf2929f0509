"""Guarded values: derivatives that count only where a condition holds.

A contribution that comes through a branch is a pair (value, guard): the value means 0 wherever the guard is false,
whatever its number is there. The zero is put in once, where contributions with different guards meet, so what the
untaken branch computes (an infinity, a NaN) never touches a result.

What a tensor operation makes of a value with its zeros put in is 0 again wherever nothing guarded by a true condition
reaches it. That guard is kept, for the factors that come later, but nobody computes it unless one of them can be
infinite or NaN (`Guards.clean`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable, Sequence

from symdiff.differentiate.chain import LateFactors, apply_folded, total
from symdiff.differentiate.finite import Finite
from symdiff.ir.body import Nodes
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement
from symdiff.ops.core import GREATER, WHERE
from symdiff.types import Shape

AND = core.LOGICAL_AND
OR = core.LOGICAL_OR
NOT = core.LOGICAL_NOT
Carried = Callable[[int], int]


class Guard:
    """A condition that must hold (or, `holds` false, must not), on top of those of `parent`.

    Or, with `carry`, the condition that `carry` makes of the parent's, in another shape.
    """

    __slots__ = ("carry", "condition", "holds", "node", "parent")

    def __init__(
        self, parent: Guard | None, condition: int, holds: bool, node: int | None = None, carry: Carried | None = None
    ) -> None:
        self.parent = parent
        self.condition = condition
        self.holds = holds
        self.node = node
        self.carry = carry


Guarded = tuple[int, Guard | None]


class Guards:
    """The guards of one sweep over a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.finite = Finite(graph)
        self.late: LateFactors | None = None
        """In reverse mode the factors that can wait."""
        self.folded = Nodes(graph, functools.partial(apply_folded, graph))
        """What the parts of partials become: nodes of the graph, constants folded."""
        self._known: dict[tuple[Guard | None, int, bool], Guard] = {}
        self.noted: dict[int, set[Guard]] = {}
        """For a value the guards under which it is 0 already where they do not hold."""

    def under(self, parent: Guard | None, condition: int, holds: bool) -> Guard:
        """The guard `parent and condition` (or `parent and not condition`)."""
        if self.graph.ops[condition] is NOT:
            condition, holds = self.graph.args[condition][0], not holds
        key = (parent, condition, holds)
        if key not in self._known:
            self._known[key] = Guard(parent, condition, holds)
        return self._known[key]

    def condition(self, guard: Guard, below: Guard | None = None) -> int:
        """The node that is true where the guard holds; with `below`, an ancestor: where all that it adds does."""
        path: list[Guard] = []
        at: Guard | None = guard
        while at is not None and at is not below and (at.node is None or below is not None):
            path.append(at)
            at = at.parent
        node = at.node if at is not None and below is None else None
        for step in reversed(path):
            if step.carry is not None:
                node = step.carry(-1 if node is None else node)
            else:
                own = step.condition if step.holds else self.graph.add(NOT, (step.condition,))
                node = own if node is None else self.graph.add(AND, (node, own))
            if below is None:
                step.node = node
        assert node is not None
        return node

    def keep_clean(self, value: int, result: int, factor: int | None = None) -> None:
        """Note that `result`, the value times a factor, is 0 wherever the value is, if the factor is finite.

        Not of scalars: a mask costs them nothing, and even a factor that only overflows must not touch them.
        """
        known = self.noted.get(value)
        if known and self.graph.types[result].shape and (factor is None or self.finite(factor)):
            self.noted.setdefault(result, set()).update(known)

    def masked(self, value: int, guard: Guard | None) -> int:
        """The value, with zeros where the guard does not hold."""
        if guard is None:
            return value
        zero = self.graph.constant(0.0)
        known = self.noted.get(value)
        if not known and guard.parent is None and guard.holds is False:
            return self.graph.add(WHERE, (guard.condition, zero, value))
        condition = self.missing(known or (), guard)
        if condition is None:
            return value
        if known and self.graph.ops[condition] is NOT:
            return self.graph.add(WHERE, (self.graph.args[condition][0], zero, value))
        return self.graph.add(WHERE, (condition, value, zero))

    def clean(self, value: int | None) -> set[Guard]:
        """The guards under which the value is 0 already where they do not hold."""
        return self.noted.get(value, set()) if value is not None else set()

    def note_clean(self, value: int, known: Collection[Guard]) -> None:
        """Note that a value is 0 where the guards `known` do not hold."""
        if known:
            self.noted.setdefault(value, set()).update(known)

    def moved(self, guard: Guard, carry: Carried, pairs: Iterable[tuple[int | None, int | None]]) -> Guard:
        """The guard of what was only moved; `pairs` are values before and after."""
        result = Guard(guard, -1, True, carry=carry)
        for before, after in pairs:
            if after is not None and guard in self.clean(before):
                self.note_clean(after, (result,))
        return result

    def missing(self, known: Collection[Guard], guard: Guard) -> int | None:
        """The condition that a value must be masked by if it is clean under the guards `known`; None for no mask."""
        at: Guard | None = guard if known else None
        while at is not None and at not in known:
            at = at.parent if at.carry is None else None
        return None if at is guard else self.condition(guard, at)

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
            if guard is None or guard not in groups or guard.carry is not None:
                continue
            other = self._known.get((guard.parent, guard.condition, not guard.holds))
            if other is None or other not in groups:
                continue
            one, two = self._sum(groups.pop(guard)), self._sum(groups.pop(other))
            taken, untaken = (one, two) if guard.holds else (two, one)
            value = self.graph.add(WHERE, (guard.condition, taken, untaken))
            self._both_clean((one, two), value)
            groups.setdefault(guard.parent, []).append(value)
            waiting.append(guard.parent)
        sums = [(self._sum(values), guard) for guard, values in groups.items()]
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
        merged = self.of(node)
        if self.graph.types[value].shape:
            self.note_clean(value, (merged,))
        return value, merged

    def _sum(self, values: Sequence[int]) -> int:
        if len(values) == 1:
            return values[0]
        result = total(self.graph, values)
        self._both_clean(values, result)
        return result

    def _both_clean(self, values: Sequence[int], result: int) -> None:
        known = [self.noted.get(v) for v in values] if self.noted else [None]
        if all(known):
            self.noted.setdefault(result, set()).update(set.intersection(*(k for k in known if k)))

    def transform(
        self,
        guarded: Guarded,
        linear: Carried,
        reach: Carried | None = None,
        clean: bool = True,
        selects: bool = False,
    ) -> Guarded:
        """A linear operation on a value, and on its guard what the operation reaches from where that holds.

        Parameters
        ----------
        linear : the operation.
        reach : the same for a mask of numbers ≥ 0: positive where a positive one reaches. Default: `linear` itself.
        clean : whether zeros for all that is guarded give a zero, that is, whether the coefficients are finite.
        selects : whether the operation makes a guard even of a value that has none.
        """
        value, guard = guarded
        moved = linear(self.masked(value, guard))
        if guard is None and not selects:
            return moved, None
        return moved, self.carried(guard, self.graph.types[value].shape, moved, reach or linear, clean)

    def carried(self, guard: Guard | None, shape: Shape, moved: int, reach: Carried, clean: bool = True) -> Guard:
        """The guard of `moved`, which an operation made of a value of this shape under `guard`."""
        graph = self.graph

        def carry(condition: int) -> int:
            number = graph.constant(1.0) if guard is None else graph.as_number(condition)
            return graph.add(GREATER, (reach(movement.broadcast(graph, number, shape)), graph.constant(0.0)))

        result = Guard(guard, -1, True, carry=carry)
        if clean:
            self.noted.setdefault(moved, set()).add(result)
        return result

    def seeded(self, seed: int, condition: int | None) -> Guarded:
        """A seed that is 0 where a condition does not hold, as what is guarded by that."""
        if condition is None:
            return seed, None
        guard = self.of(condition)
        self.note_clean(seed, (guard,))
        return seed, guard

    def of(self, node: int) -> Guard:
        """The guard that holds where the condition `node` is true."""
        return Guard(None, node, True, node)
