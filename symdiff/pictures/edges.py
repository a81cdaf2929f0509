"""Where a function of one number has a kink, a jump, a pole or an end, found from its values."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass

KINK, JUMP, POLE, TANGENT, END = "kink", "jump", "pole", "vertical tangent", "end"
STEEPER = 4.0
"""A step so many times larger than those beside it is looked at closely."""
HIGHER = 3.0
"""So is a value that is so many times larger than those a few points away."""
STAYS = 0.1
"""What is left of a step, however short the interval, where the function jumps there."""
GROWS = 200.0
"""A value that grows so many times over, closer to a place, is infinite there."""
WIDTH = 2.0**-44
"""So small a part of the whole range is no interval but a place."""
BESIDE = 1e-9
"""So far from a place, as a part of the range, its limits are taken."""
AROUND = 3
"""So many points from an edge are no other edge."""

Curve = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Edge:
    """A place where a function, or its derivative of some order, is not smooth.

    Attributes
    ----------
    order : of the derivative that jumps or is infinite there; 0: the function itself.
    left, right : its limits from both sides, as far as values tell.
    value : what it is at the place: by a convention, where there is no limit.
    """

    kind: str
    x: float
    order: int
    left: float
    right: float
    value: float


def find_edges(curves: Sequence[Curve], start: float, stop: float, points: int = 800) -> list[Edge]:
    """The edges of a function and of its derivatives, `curves[k]` that of order k, between two numbers.

    Curves are called with arrays and with numbers. A place that is an edge of one order is not told again for others.
    """
    grid = np.linspace(start, stop, points)
    near = AROUND * (stop - start) / points
    found: list[Edge] = []
    for order, curve in enumerate(curves):
        search = _Search(curve, order, grid)
        for edge in search.infinities() + search.steps():
            if all(abs(edge.x - other.x) > near for other in found):
                found.append(edge)
    return sorted(found, key=lambda e: (e.x, e.order))


class _Search:
    """Looks for the edges of one curve."""

    def __init__(self, curve: Curve, order: int, grid: Any) -> None:
        self.curve, self.order, self.grid = curve, order, grid
        self.values = np.asarray(curve(grid), float)
        self.span = float(grid[-1] - grid[0])

    def infinities(self) -> list[Edge]:
        """Places where values grow without end: of the function poles, of the derivative vertical tangents."""
        if self.order > 1:
            return []
        found = []
        sizes = np.abs(np.where(np.isnan(self.values), 0.0, self.values))
        last = len(sizes) - 1
        for k in range(last + 1):
            beside = [sizes[j] for j in (k - 1, k + 1) if 0 <= j <= last]
            away = [sizes[j] for j in (k - AROUND, k + AROUND) if 0 <= j <= last]
            if sizes[k] >= max(beside) and sizes[k] > HIGHER * max(min(away), 1e-300):
                low, high = self._highest(float(self.grid[max(k - 1, 0)]), float(self.grid[min(k + 1, last)]))
                x = simplest_between(low, high)
                left, right = self._beside(x)
                usual = max(sizes[k], 1e-300)
                closest = max(_size(self.curve(low)), _size(self.curve(high)), _size(self.curve(x)))
                if closest > GROWS * usual and not (math.isnan(left) or math.isnan(right)):
                    kind = POLE if self.order == 0 else TANGENT
                    found.append(Edge(kind, x, self.order, left, right, float(self.curve(x))))
        return found

    def steps(self) -> list[Edge]:
        """Places where values jump, or end."""
        found = []
        for k in self._suspects():
            first, second = float(self.values[k]), float(self.values[k + 1])
            low, high = self._narrowed(float(self.grid[k]), float(self.grid[k + 1]))
            x = simplest_between(low, high)
            left, right = self._beside(x)
            if math.isnan(left) != math.isnan(right):
                if self.order == 0:
                    found.append(Edge(END, x, self.order, left, right, float(self.curve(x))))
            elif abs(left - right) > STAYS * abs(first - second) > 0:
                kind = JUMP if self.order == 0 else KINK
                found.append(Edge(kind, x, self.order, left, right, float(self.curve(x))))
        return found

    def _beside(self, x: float) -> tuple[float, float]:
        return float(self.curve(x - BESIDE * self.span)), float(self.curve(x + BESIDE * self.span))

    def _suspects(self) -> list[int]:
        """The intervals at whose ends values differ much more than beside them, or where they end."""
        values = self.values
        ends = np.flatnonzero(np.isnan(values[1:]) != np.isnan(values[:-1])).tolist()
        with np.errstate(all="ignore"):
            sizes = np.abs(np.diff(values))
        sizes[~np.isfinite(sizes)] = 0.0
        beside = np.minimum(np.concatenate([[np.inf], sizes[:-1]]), np.concatenate([sizes[1:], [np.inf]]))
        wider = np.minimum(np.concatenate([[np.inf] * 2, sizes[:-2]]), np.concatenate([sizes[2:], [np.inf] * 2]))
        least = 1e-9 * max(float(np.max(sizes)), 1e-300)
        large = np.flatnonzero((sizes > STEEPER * np.minimum(beside, wider)) & (sizes > least)).tolist()
        return sorted({*ends, *large})

    def _narrowed(self, low: float, high: float) -> tuple[float, float]:
        """The half of the half … of an interval in which values differ most, until it is a place."""
        below, above = float(self.curve(low)), float(self.curve(high))
        while high - low > WIDTH * self.span:
            middle = low + (high - low) / 2
            value = float(self.curve(middle))
            if _difference(below, value) >= _difference(value, above):
                high, above = middle, value
            else:
                low, below = middle, value
        return low, high

    def _highest(self, low: float, high: float) -> tuple[float, float]:
        """The third of the third … of an interval in which values are largest, until it is a place."""
        while high - low > WIDTH * self.span:
            third = (high - low) / 3
            if _size(self.curve(low + third)) >= _size(self.curve(high - third)):
                high -= third
            else:
                low += third
        return low, high


def _size(value: Any) -> float:
    """The size of a number; one that is none counts as infinite."""
    size = abs(float(value))
    return math.inf if math.isnan(size) else size


def _difference(a: float, b: float) -> float:
    if math.isfinite(a) and math.isfinite(b):
        return abs(a - b)
    return 0.0 if (math.isnan(a) and math.isnan(b)) or a == b else math.inf


def simplest_between(low: float, high: float) -> float:
    """The number between two others that has the fewest digits: an edge is at 0.3, not at 0.30000000000000027.

    Examples
    --------
    >>> simplest_between(0.2999999999999, 0.3000000000001)
    0.3
    """
    for digits in range(17):
        scale = 10.0**digits
        x = math.ceil(low * scale) / scale
        if low <= x <= high:
            return x + 0.0
    return low + (high - low) / 2
