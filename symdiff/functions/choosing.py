"""The cheapest of several ways to one result, by the operations that are left of each after optimization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symdiff.dataclass import dataclass
from symdiff.display.tables import table_lines
from symdiff.functions.function import Function
from symdiff.optimize.program import count_operations

LARGEST_OPTIMIZED = 2000
"""Ways of up to so many nodes are optimized to be compared; others are compared as they are."""

CLEAR = 1.5
"""A way that takes so many times the operations of another, before optimization, is not the cheaper one after it."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way: what it is called, the function that goes it, and its operations before optimization."""

    name: str
    function: Function
    operations: int

    @classmethod
    def of(cls, name: str, function: Function) -> Way:
        """The way that a function goes."""
        return cls(name, function, sum(count_operations(function.graph, function.nodes).values()))


@dataclass(frozen=True, slots=True)
class Choice:
    """The cheapest way, and what those that were counted take, `optimized` or not, by their names."""

    way: Way
    counts: dict[str, int]
    optimized: bool

    def noted(self, what: str, others: Mapping[str, int] | None = None) -> Function:
        """The function of the way, which tells in its `explain()` why it was chosen; `others` are estimates."""
        rows = {name: f"{count:,}" for name, count in sorted(self.counts.items(), key=lambda item: item[1])}
        for name, count in sorted((others or {}).items(), key=lambda item: item[1]):
            rows.setdefault(name, f"about {count:,}")
        title = f"operations{'' if self.optimized else ' before optimization'}"
        table = [f"  {line}" for line in table_lines([("way", title), *rows.items()])]
        self.way.function._known.notes += (f"{what}: {self.way.name}", *table)
        return self.way.function


def cheapest(ways: Sequence[Way], clear: float = CLEAR) -> Choice:
    """The way with the fewest operations; of equals the first.

    What the optimizer made of it is kept: its first call does not optimize again.
    """
    given = {way.name: way.operations for way in ways}
    most = clear * max(1, min(given.values()))
    near = [way for way in ways if way.operations <= most]
    if len(ways) == 1 or any(len(w.function.graph.live(w.function.nodes)) > LARGEST_OPTIMIZED for w in near):
        return Choice(min(near, key=lambda way: way.operations), given, False)
    counts = {way.name: way.function._program().counts.total_after for way in near}
    return Choice(min(near, key=lambda way: counts[way.name]), counts, True)
