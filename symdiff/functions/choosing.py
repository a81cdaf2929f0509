"""The cheapest of several ways to one result, by the operations that are left of each after optimization."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from symdiff.functions.function import Function
from symdiff.optimize.program import count_operations

LARGEST_OPTIMIZED = 400
"""Ways of up to so many nodes are optimized to be compared; others are compared as they are."""

CLEAR = 1.05
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
    """The cheapest way, and what all were found to take, `optimized` or not, by their names."""

    way: Way
    counts: dict[str, int]
    optimized: bool

    def __str__(self) -> str:
        listed = ", ".join(f"{name} {count:,}" for name, count in self.counts.items())
        return f"{self.way.name}; operations{'' if self.optimized else ' before optimization'}: {listed}"

    def noted(self, what: str) -> Function:
        """The function of the way, which tells in its `explain()` why it was chosen."""
        self.way.function._known.notes += (f"{what}: {self}",)
        return self.way.function


def cheapest(ways: Sequence[Way]) -> Choice:
    """The way with the fewest operations; of equals the first.

    What the optimizer made of it is kept: its first call does not optimize again.
    """
    least = min(way.operations for way in ways)
    near = [way for way in ways if way.operations <= CLEAR * least]
    if len(near) == 1 or any(len(w.function.graph.live(w.function.nodes)) > LARGEST_OPTIMIZED for w in near):
        return Choice(min(ways, key=lambda way: way.operations), {way.name: way.operations for way in ways}, False)
    counts = {way.name: way.function._program().counts.total_after for way in near}
    return Choice(min(near, key=lambda way: counts[way.name]), counts, True)
