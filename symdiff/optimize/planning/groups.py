"""Groups of results that are computed by one step, and the order in which the groups can run."""

from __future__ import annotations

from dataclasses import dataclass

from symdiff.optimize.planning.access import Coordinate, Map, Sizes
from symdiff.optimize.planning.gemm import Match
from symdiff.optimize.planning.precedence import Precedence

MOST_INSTRUCTIONS = 1000
MOST_INSTRUCTIONS_OF_LOOPS = 300
MOST_RESULTS_OF_LOOPS = 8
MOST_GROUPS_TRIED = 6


Places = dict[tuple[int, Map | None], float]
"""Where a node is needed: (group, map), and how often it is computed there; no map where it must be in memory."""

ZERO = -1
"""The value of an item that only fills a buffer with zeros."""


@dataclass(slots=True)
class Item:
    """One result of a nest: `value` at `at` goes to the place `place` of the buffer of `target`."""

    value: int
    at: Map
    target: int
    place: Coordinate
    kind: str | None = None


class Group:
    """Steps that become one: a nest with several results, a scan, or a step of another kind for `node`."""

    __slots__ = ("items", "kind", "match", "node", "number", "reduced", "size", "space")

    def __init__(self, number: int, kind: str, space: Sizes, node: int = ZERO) -> None:
        self.number = number
        self.kind = kind
        self.space = space
        self.node = node
        self.reduced: tuple[int, ...] | None = None
        self.items: list[Item] = []
        self.size = 0
        self.match: Match | None = None


def most_instructions(group: Group) -> int:
    """How long a group's body may become."""
    return MOST_INSTRUCTIONS_OF_LOOPS if group.space else MOST_INSTRUCTIONS


class Schedule:
    """Groups, and what has to run before what.

    Attributes
    ----------
    groups : in no order of execution; `order()` gives one.
    precedence : which of them, by their numbers, run before which.
    stored : node → the groups that write its buffer.
    """

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.precedence = Precedence()
        self.stored: dict[int, list[int]] = {}
        self._open: dict[Sizes, list[Group]] = {}

    def order(self) -> list[Group]:
        """The groups in an order in which they can run."""
        done: set[int] = set()
        before = self.precedence.before
        found: list[Group] = []
        for first in range(len(self.groups)):
            stack = [first]
            while stack:
                number = stack[-1]
                waiting = [] if number in done else sorted(k for k in before[number] if k not in done)
                if waiting:
                    stack += waiting
                    continue
                stack.pop()
                if number not in done:
                    done.add(number)
                    found.append(self.groups[number])
        return found

    def join(
        self, item: Item, space: Sizes, places: Places, target: int, reduced: tuple[int, ...] | None, alone: bool
    ) -> Group:
        """The nest over `space` that an item is added to: it runs before all that read the buffer of `target`."""
        readers = [self.groups[k] for k in dict.fromkeys(number for number, _ in places)]
        found: Group | None = None
        for group in [] if alone else self._candidates(space, readers):
            if self._fits(group, item, reduced, places, readers):
                found = group
                break
        if found is None:
            found = self.group("nest", space)
            self._open.setdefault(space, []).append(found)
        found.items.append(item)
        if reduced is not None:
            found.reduced = reduced
        self.stored.setdefault(target, []).append(found.number)
        for reader in readers:
            if reader is not found:
                self.precede(found, reader)
        return found

    def _candidates(self, space: Sizes, readers: list[Group]) -> list[Group]:
        same = [g for g in readers if g.kind == "nest" and g.space == space]
        recent = self._open.get(space, [])[: -MOST_GROUPS_TRIED - 1 : -1]
        return same + [g for g in recent if g not in same]

    def _fits(
        self,
        group: Group,
        item: Item,
        reduced: tuple[int, ...] | None,
        places: Places,
        readers: list[Group],
    ) -> bool:
        if reduced is not None and group.reduced not in (None, reduced):
            return False
        if group.size >= most_instructions(group) or (group.space and len(group.items) >= MOST_RESULTS_OF_LOOPS):
            return False
        if group in readers:
            same = item.kind is None and item.value == item.target
            if not same or any(map_ != item.at for number, map_ in places if number == group.number):
                return False
        return not self.precedence.may_follow(group.number, [r.number for r in readers if r is not group])

    def group(self, kind: str, space: Sizes, node: int = ZERO) -> Group:
        """A new group."""
        group = Group(self.precedence.add(), kind, space, node)
        self.groups.append(group)
        return group

    def precede(self, first: Group, second: Group) -> None:
        """Let `first` run before `second`."""
        self.precedence.precede(first.number, second.number)
