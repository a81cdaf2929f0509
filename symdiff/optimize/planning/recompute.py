"""Plans within a budget of memory: what is let go where there is no room, and computed again when it is needed.

The steps are gone through in the order in which they run. Where a result finds no room, that array goes which costs
least: operations to compute it again, with what was let go around it and would have to be computed too, per byte, and
per step until it is needed. So values at distances that suit the budget remain of a chain, and the costly ones of a
graph. What is needed again is computed from what is there, by the same steps on the same numbers: no bit changes.

The costs around an array are those of the connected ones that were let go, as in M. Kirisame et al., "Dynamic Tensor
Rematerialization", ICLR 2021; there, unlike here, the steps to come are not known.
"""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Sequence
from dataclasses import replace

from symdiff.optimize.planning.checkpoints import Regions
from symdiff.optimize.planning.memory import (
    ALIGNMENT,
    arrange_memory,
    only_needed,
    read,
    renumbered,
    size_in_bytes,
    written,
)
from symdiff.optimize.planning.plan import Buffer, Plan, Step, operations_of
from symdiff.sizes import is_open

RATIO = 0.9
"""How much each limit for the arrays of a plan, whose places leave gaps, is of the one before."""

MOST_AGAIN = 16
"""A plan with so many times the steps is not made, nor any with a smaller limit."""


def plan_within(
    plan: Plan,
    buffers: Sequence[Buffer],
    steps: Sequence[Step],
    constants: Sequence[object],
    memory: int,
    regions: Regions | None = None,
) -> Plan:
    """The plan whose workspace is at most `memory` bytes, or else the one with the smallest that was found.

    `plan` is the one that keeps everything. Where sizes are open nothing is let go. Where there are checkpoints the
    steps stay in their order. Whatever the budget, plans are looked for with the same limits, from the largest down:
    what fits into a budget fits into a larger one.
    """
    if any(is_open(n) for buffer in buffers for n in buffer.shape):
        return plan
    if regions is None:
        steps = frugal_order(buffers, steps)
    limits = _limits(plan, buffers, steps)
    # where a limit holds, more is taken than that without the last array that went, and results may be in its place
    largest = max([size_in_bytes(b) for b in buffers if b.kind == "work"], default=0)
    first = next((k for k, limit in enumerate(limits) if limit <= memory + 2 * largest), len(limits) - 1)
    least = plan
    for limit in (*limits[first:], *limits[:first]):
        try:
            made = Budget(buffers, steps, limit, regions, MOST_AGAIN * len(steps))
        except TooLong:  # nor are there shorter ones with smaller limits
            continue
        tried = arrange_memory(made.buffers, made.steps, constants)
        if (tried.workspace, tried.operations) < (least.workspace, least.operations):
            least = tried
        if least.workspace <= memory:
            break
    return replace(least, again=least.operations - plan.operations, spared=plan.workspace - least.workspace)


def _limits(plan: Plan, buffers: Sequence[Buffer], steps: Sequence[Step]) -> list[int]:
    """Budgets for arrays, from one that is large enough for all down to what a step needs at once."""
    own = [
        sum(size_in_bytes(buffers[b]) for b in {*read(step), *written(step)} if buffers[b].kind == "work")
        for step in steps
    ]
    limits = [plan.workspace]
    while limits[-1] > max(own, default=0):
        limits.append(int(limits[-1] * RATIO))
    return limits


def plan_between(
    plan: Plan, buffers: Sequence[Buffer], steps: Sequence[Step], constants: Sequence[object], regions: Regions
) -> Plan:
    """The plan that keeps nothing between checkpoints; `plan` keeps everything."""
    made = Budget(buffers, steps, None, regions)
    found = arrange_memory(made.buffers, made.steps, constants)
    if any(is_open(n) for buffer in buffers for n in buffer.shape):
        return found
    return replace(found, again=found.operations - plan.operations, spared=plan.workspace - found.workspace)


def frugal_order(buffers: Sequence[Buffer], steps: Sequence[Step]) -> list[Step]:
    """The steps in an order in which what is made is used soon: next comes what leaves the least memory taken."""
    reads, writes = [set(read(step)) for step in steps], [set(written(step)) for step in steps]
    after: list[set[int]] = [set() for _ in steps]
    waiting = [0] * len(steps)
    last_writers: dict[int, list[int]] = {}
    for k in range(len(steps)):  # what reads comes after all writers so far, and writers of one buffer stay in order
        for b in reads[k] | writes[k]:
            for earlier in last_writers.get(b, ()):
                if k not in after[earlier]:
                    after[earlier].add(k)
                    waiting[k] += 1
        for b in writes[k]:
            last_writers.setdefault(b, []).append(k)
    readers: dict[int, int] = {}
    for own in reads:
        for b in own:
            readers[b] = readers.get(b, 0) + 1
    size = [size_in_bytes(b) if b.kind == "work" else 0 for b in buffers]
    taken: set[int] = set()
    ready = [k for k in range(len(steps)) if not waiting[k]]
    order: list[Step] = []

    def grows(k: int) -> tuple[int, int]:
        made = sum([size[b] for b in writes[k] if b not in taken and readers.get(b)])
        return made - sum([size[b] for b in reads[k] if readers[b] == 1]), k

    while ready:
        k = min(ready, key=grows)
        ready.remove(k)
        order.append(steps[k])
        taken |= writes[k]
        for b in reads[k]:
            readers[b] -= 1
        for later in sorted(after[k]):
            waiting[later] -= 1
            if not waiting[later]:
                ready.append(later)
    return order


class TooLong(Exception):
    """Steps would have to run again too often."""


class Budget:
    """The steps that keep at most so many bytes of arrays at once, where that can be, and nothing between checkpoints.

    Attributes
    ----------
    buffers : those given, and one more each time that an array is computed again.
    steps : those given, and those that compute arrays again.
    """

    def __init__(
        self,
        buffers: Sequence[Buffer],
        steps: Sequence[Step],
        limit: int | None,
        regions: Regions | None = None,
        most: int | None = None,
    ) -> None:
        """`most` says how many steps there may be at most.

        Raises
        ------
        TooLong
            Where there would be more.
        """
        self.buffers = list(buffers)
        self.steps: list[Step] = []
        self._given = steps
        self._limit, self._most = limit, most
        self._sizes = {
            k: 0 if limit is None else -(-size_in_bytes(b) // ALIGNMENT) * ALIGNMENT
            for k, b in enumerate(buffers)
            if b.kind == "work"
        }
        self._reads = [self._work(read(step)) for step in steps]
        self._writes = [self._work(written(step)) for step in steps]
        self._writers: dict[int, list[int]] = {}
        self._uses: dict[int, list[int]] = {}
        for k in range(len(steps)):
            for b in self._reads[k]:
                self._uses.setdefault(b, []).append(k)
            for b in self._writes[k]:
                self._writers.setdefault(b, []).append(k)
        self._costs = {
            b: sum(max(1.0, operations_of(steps[k])) / len(written(steps[k])) for k in writers) if limit else 1.0
            for b, writers in self._writers.items()
        }
        self._near = {b: self._neighbours(b) for b in self._writers}
        self._later = {b: self._uses_later(b) for b in self._writers}
        drops: dict[int, list[int]] = {}
        if regions is not None:
            self._later.update({b: own for b, own in regions.later.items() if b in self._later})
            for b, k in regions.dropped.items():
                drops.setdefault(k, []).append(b)
        self._there: dict[int, int] = {}  # array → the buffer that has it now
        self._made: set[int] = set()
        self._held: dict[int, int] = {}
        self._bytes = 0
        self._gone = Components()
        self._now = 0
        for k in range(len(steps)):
            self._now = k
            self._run(k)
            for b in drops.get(k, ()):
                if b in self._there:
                    self._let_go(b)
                    self._gone.enter(b, self._costs[b], self._near[b])

    def _work(self, buffers: Sequence[int]) -> list[int]:
        return [b for b in dict.fromkeys(buffers) if b in self._sizes]

    def _neighbours(self, array: int) -> list[int]:
        """The operands of what makes an array, and what is made of it."""
        found = [a for k in self._writers[array] for a in self._reads[k]]
        return found + [c for k in self._uses.get(array, ()) for c in self._writes[k]]

    def _uses_later(self, array: int) -> list[int]:
        """The steps that read an array, or what is made of it, which may have to be made again."""
        made = {c for k in self._uses.get(array, ()) for c in self._writes[k]}
        return sorted({k for a in (array, *made) for k in self._uses.get(a, ())})

    def _run(self, k: int) -> None:
        """Step k as it was given, after what it needs and is not there."""
        arrays = (*self._reads[k], *self._writes[k])
        self._hold(arrays)
        missing = [b for b in self._reads[k] if b not in self._there]
        if missing:
            self._run_again(missing)
        self._emit(self._given[k], self._writes[k])
        self._release(arrays)

    def _run_again(self, missing: Sequence[int]) -> None:
        """Compute arrays again, and what they need and is not there; steps are met from the last to the first."""
        wanted: dict[int, set[int]] = {}
        parts: dict[int, Step] = {}
        queue: list[int] = []
        waiting = list(missing)
        asked = set(missing)
        while True:
            for b in waiting:
                for k in self._writers[b]:
                    if k not in wanted:
                        heapq.heappush(queue, -k)
                    wanted.setdefault(k, set()).add(b)
            if not queue:
                break
            k = -heapq.heappop(queue)
            part = only_needed(self._given[k], wanted[k])
            assert part is not None
            parts[k] = part
            waiting = [b for b in self._work(read(part)) if b not in self._there and b not in asked]
            asked.update(waiting)
        order = sorted(parts)
        for k in order:
            self._hold(self._work(read(parts[k])))
        for k in order:
            results = self._work(written(parts[k]))
            self._hold(results)
            self._emit(parts[k], results)
            self._release((*results, *self._work(read(parts[k]))))

    def _emit(self, step: Step, results: Sequence[int]) -> None:
        new = [b for b in results if b not in self._there]
        self._make_room(sum(self._sizes[b] for b in new))
        for b in new:
            self._bytes += self._sizes[b]
            self._there[b] = b
            if b in self._made:
                self._there[b] = len(self.buffers)
                self.buffers.append(self.buffers[b])
                self._gone.leave(b, self._costs[b])
            self._made.add(b)
        self.steps.append(renumbered(step, self._there))
        if self._most is not None and len(self.steps) > self._most:
            raise TooLong

    def _hold(self, arrays: Sequence[int]) -> None:
        """Keep arrays until they are released as often."""
        for b in arrays:
            self._held[b] = self._held.get(b, 0) + 1

    def _release(self, arrays: Sequence[int]) -> None:
        """Hold arrays once less, and let go what no later step needs."""
        for b in arrays:
            self._held[b] -= 1
            if not self._held[b]:
                del self._held[b]
                if b in self._there and self._next(b) is None and self._now >= self._writers[b][-1]:
                    self._let_go(b)

    def _let_go(self, array: int) -> None:
        del self._there[array]
        self._bytes -= self._sizes[array]

    def _next(self, array: int) -> int | None:
        """The next step, after the one that runs, that may need an array."""
        later = self._later[array]
        k = bisect.bisect_right(later, self._now)
        return later[k] if k < len(later) else None

    def _make_room(self, size: int) -> None:
        if self._limit is None or self._bytes + size <= self._limit:
            return
        may_go = []
        for b in list(self._there):
            if b not in self._held and self._writers[b][-1] < self._now and self._sizes[b] > ALIGNMENT:
                if self._next(b) is None:
                    self._let_go(b)
                else:
                    may_go.append(b)
        while may_go and self._bytes + size > self._limit:
            _, best = min((self._worth(b), b) for b in may_go)
            may_go.remove(best)
            self._let_go(best)
            self._gone.enter(best, self._costs[best], self._near[best])

    def _worth(self, array: int) -> float:
        """What letting an array go costs, per byte and per step until it is needed."""
        after = self._next(array)
        assert after is not None
        around = self._gone.around(self._near[array])
        return (self._costs[array] + around) / (self._sizes[array] * (after - self._now))


class Components:
    """Arrays that were let go, those together that would be computed together, and the cost of each set.

    An array that is computed again leaves its cost, and keeps its neighbours together: about right is enough.
    """

    def __init__(self) -> None:
        self._of: dict[int, int] = {}
        self._parents: list[int] = []
        self._sums: list[float] = []

    def around(self, arrays: Sequence[int]) -> float:
        """The cost of the sets that some of the arrays are in."""
        sets = {self._find(self._of[a]) for a in arrays if a in self._of}
        return sum(self._sums[k] for k in sorted(sets))

    def enter(self, array: int, cost: float, near: Sequence[int]) -> None:
        """An array is let go."""
        found = len(self._parents)
        self._parents.append(found)
        self._sums.append(cost)
        self._of[array] = found
        for a in near:
            if a in self._of:
                other = self._find(self._of[a])
                if other != found:
                    self._parents[other] = found
                    self._sums[found] += self._sums[other]

    def leave(self, array: int, cost: float) -> None:
        """An array is there again."""
        if array in self._of:
            found = self._find(self._of.pop(array))
            self._sums[found] = max(0.0, self._sums[found] - cost)

    def _find(self, k: int) -> int:
        while self._parents[k] != k:
            self._parents[k] = k = self._parents[self._parents[k]]
        return k
