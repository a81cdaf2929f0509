"""What has to run before what: a topological order of steps that is kept while relations are added.

After D. J. Pearce and P. H. J. Kelly, "A dynamic topological sort algorithm for directed acyclic graphs", ACM Journal
of Experimental Algorithmics 11 (2006): only what lies between the two ends of a new relation is looked at, so that a
plan that grows at its front takes time in proportion to its steps.
"""

from __future__ import annotations

from collections.abc import Iterable

LONGEST = 100
"""After so many items on either side a search is given up: a long way between two steps is there nearly always."""


class Precedence:
    """A growing acyclic relation.

    Attributes
    ----------
    before : for each item those that were said to run before it.
    looked_at : how many items were looked at so far.
    """

    def __init__(self) -> None:
        self.before: list[set[int]] = []
        self._after: list[list[int]] = []
        self._place: list[int] = []
        self.looked_at = 0

    def add(self) -> int:
        """A new item, which for now comes first."""
        number = len(self.before)
        self.before.append(set())
        self._after.append([])
        self._place.append(-number)
        return number

    def may_follow(self, last: int, firsts: Iterable[int]) -> bool:
        """Whether `last` has to run after one of `firsts`, or it takes longer than `LONGEST` to find that out.

        It is searched for from both sides, because one often has little around it.
        """
        place = self._place
        high = place[last]
        ahead = [k for k in firsts if place[k] < high]
        if not ahead:
            return False
        low = min(place[k] for k in ahead)
        back = [last]
        seen_ahead, seen_back = set(ahead), {last}
        for _ in range(LONGEST):
            if not ahead or not back:
                return False
            self.looked_at += 2
            for k in self._after[ahead.pop()]:
                if k in seen_back:
                    return True
                if place[k] < high and k not in seen_ahead:
                    seen_ahead.add(k)
                    ahead.append(k)
            for k in self.before[back.pop()]:
                if k in seen_ahead:
                    return True
                if place[k] > low and k not in seen_back:
                    seen_back.add(k)
                    back.append(k)
        return True

    def precede(self, first: int, last: int) -> None:
        """Let `first` run before `last`, which must not have to run before it."""
        if first in self.before[last]:
            return
        self.before[last].add(first)
        self._after[first].append(last)
        place = self._place
        if place[first] < place[last]:
            return
        later, earlier = self._reached(last, first), self._reaching(first, last)
        moved = sorted(earlier, key=place.__getitem__) + sorted(later, key=place.__getitem__)
        for item, at in zip(moved, sorted(place[k] for k in moved), strict=True):
            place[item] = at

    def _reached(self, first: int, last: int) -> set[int]:
        """What has to run after `first`, and it itself, no further than the place of `last`."""
        place, limit = self._place, self._place[last]
        found, stack = {first}, [first]
        while stack:
            for k in self._after[stack.pop()]:
                if place[k] <= limit and k not in found:
                    found.add(k)
                    stack.append(k)
        self.looked_at += len(found)
        return found

    def _reaching(self, last: int, first: int) -> set[int]:
        """What has to run before `last`, and it itself, no further than the place of `first`."""
        place, limit = self._place, self._place[first]
        found, stack = {last}, [last]
        while stack:
            for k in self.before[stack.pop()]:
                if place[k] >= limit and k not in found:
                    found.add(k)
                    stack.append(k)
        self.looked_at += len(found)
        return found
