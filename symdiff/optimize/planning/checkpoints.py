"""Checkpoints in plans: what reverse mode computes again, where it says so.

A checkpoint changes no operation. It says which arrays are not kept for the way back: those that its value is computed
from, as far as other checkpoints. So a plan with checkpoints has all steps of the way there first, then those of the
way back, checkpoint by checkpoint; the arrays within are let go after their last use on the way there, and the steps
that make them run again when they are needed. The steps are the same, so are the bits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from symdiff.dataclass import dataclass
from symdiff.ir.graph import Graph
from symdiff.ops.core import INPUT
from symdiff.optimize.planning.memory import read, written
from symdiff.optimize.planning.plan import Buffer, Step


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where the checkpoints of a formula are in the graph of a program.

    Attributes
    ----------
    values : the nodes with the values of checkpoints.
    starts : those that they are computed from, where that is said.
    adjoints : the adjoints of checkpoints: what depends on them is on the way back.
    pairs : values, each with what it is computed from.
    """

    values: tuple[int, ...]
    starts: tuple[int, ...]
    adjoints: tuple[int, ...]
    pairs: tuple[tuple[int, int], ...] = ()


class Phases:
    """When the nodes of a program are computed: 0 on the way to the checkpoints, then one after each that was passed.

    Attributes
    ----------
    of : for each node; those below 0 are on the way to a checkpoint that has a tangent.
    first : the nodes that a checkpoint depends on, which always come first.
    twins : tangents of checkpoints, each with the checkpoint.
    free : those that depend on nothing else, and may come late.
    """

    def __init__(self, graph: Graph, checkpoints: Checkpoints) -> None:
        args = graph.args
        self.first = set(graph.live(checkpoints.values))
        self.of = [0] * len(graph)
        self.twins = _twins(graph, checkpoints)
        if self.twins:  # what leads to one checkpoint comes before what leads to the next
            self._in_parts(graph, checkpoints)
        self.free = set(self.first)
        passed = {n for n in checkpoints.adjoints if n not in self.first and args[n]}
        for node in range(len(graph)):
            if node not in self.first:
                before = max([0, *(self.of[a] for a in args[node])])
                self.of[node] = before + (node in passed)
                if graph.ops[node] is not INPUT and self.free.issuperset(args[node]):
                    self.free.add(node)

    def _in_parts(self, graph: Graph, checkpoints: Checkpoints) -> None:
        after: dict[int, list[int]] = {}
        for value, start in self.twins:
            after.setdefault(start, []).append(value)
        own = {value for value, _ in self.twins}
        groups = [(value, *after.get(value, ())) for value in checkpoints.values if value not in own]
        left = set(self.first)
        for k, group in enumerate(groups):
            found = left.intersection(graph.live(group))
            left -= found
            for node in found:
                self.of[node] = k - len(groups)

    @property
    def last(self) -> int:
        """The last one."""
        return max(self.of, default=0)


def _twins(graph: Graph, checkpoints: Checkpoints) -> list[tuple[int, int]]:
    """The values, with their starts, that need what leads to these, too: tangents of checkpoints."""
    ends = set(checkpoints.values)
    starts: dict[int, set[int]] = {}
    for value, start in checkpoints.pairs:
        if value != start and start in ends:
            starts.setdefault(value, set()).add(start)
    found = []
    for value, own in starts.items():
        for start in sorted(own):
            leading = _between(graph, start, ends)
            if not leading.isdisjoint(_between(graph, value, ends)):
                found.append((value, start))
    return found


def _between(graph: Graph, end: int, ends: Collection[int]) -> set[int]:
    """What is computed between a checkpoint and those before it."""
    found, stack = set[int](), [end]
    while stack:
        for a in graph.args[stack.pop()]:
            if a not in found and a not in ends and graph.args[a]:
                found.add(a)
                stack.append(a)
    return found


class Regions:
    """The arrays of a plan that lie between checkpoints.

    Attributes
    ----------
    dropped : array → the step after which it is let go, though it is needed again.
    later : array → the steps for which it has to be there, or may be needed to make others again.
    """

    def __init__(
        self,
        buffers: Sequence[Buffer],
        steps: Sequence[Step],
        back: Collection[int],
        ends: Collection[int],
        starts: Collection[int],
        pairs: Collection[tuple[int, int]] = (),
    ) -> None:
        """`back` are the arrays that are written on the way back, `ends` and `starts` those of checkpoints.

        `pairs` are ends whose parts are one: tangents with what they are tangents of.
        """
        work = {b for b, buffer in enumerate(buffers) if buffer.kind == "work"}
        there = [k for k, step in enumerate(steps) if not any(b in back for b in written(step))]
        writers: dict[int, list[int]] = {}
        uses: dict[int, list[int]] = {}
        for k, step in enumerate(steps):
            for b in read(step):
                uses.setdefault(b, []).append(k)
        for k in there:
            for b in written(steps[k]):
                writers.setdefault(b, []).append(k)
        kept = {*ends, *starts}
        owners: dict[int, int] = {}
        joined = set(pairs)
        for end in sorted((b for b in ends if b in writers), key=lambda b: writers[b][-1]):
            stack = [end]
            while stack:
                for k in writers[stack.pop()]:
                    for b in dict.fromkeys((*read(steps[k]), *written(steps[k]))):
                        if b not in work or b in kept or b not in writers:
                            continue
                        if b not in owners:
                            owners[b] = end
                            stack.append(b)
                        elif owners[b] != end and joined.isdisjoint(((end, owners[b]), (owners[b], end))):
                            # what two need stays
                            kept.add(b)
        inside = [b for b in owners if b not in kept]
        on_the_way = set(there)
        last = {b: max([k for k in uses.get(b, ()) if k in on_the_way], default=writers[b][-1]) for b in inside}
        self.later = _later(steps, writers, uses, inside)
        self.dropped = {b: last[b] for b in sorted(inside)}


def _later(
    steps: Sequence[Step],
    writers: Mapping[int, Sequence[int]],
    uses: Mapping[int, Sequence[int]],
    inside: Sequence[int],
) -> dict[int, list[int]]:
    """For each array that others are made of the steps that need it, or one of `inside` that is made of it."""
    found = {b: set(own) for b, own in uses.items()}
    for b in sorted(inside, key=lambda b: writers[b][-1], reverse=True):
        for k in writers[b]:
            for operand in read(steps[k]):
                found[operand] |= found.get(b, set())
    return {b: sorted(own) for b, own in found.items()}
