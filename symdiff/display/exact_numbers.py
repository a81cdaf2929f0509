"""Numbers in printed formulas: what is calculated with them, exactly or not at all."""

from __future__ import annotations

import math
from dataclasses import field
from fractions import Fraction
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.ops import Op
from symdiff.ops.core import ABS, SQRT

LARGEST_EXPONENT = 1000
LARGEST_TURNS = 1024
"""Up to so many times pi are told to be so."""
READABLE_DIGITS, LARGEST_READABLE = 8, 1e12
"""A number of more characters is not made of shorter ones, unless it is a whole number up to so large."""

Exponent = int | float


def value_at(op: Op, x: float) -> float | None:
    """The value of a function at a number, where a person would write it as another; None where it stays a call.

    At 0 and 1 these are the values 0 and 1; absolute values and roots are exact at more numbers.
    """
    if op is ABS:
        return abs(x)
    if op is SQRT:
        return exact_root(x)
    function = getattr(math, op.name, None) if op.kinds == "f" else None
    if function is None or x not in (0.0, 1.0) or math.copysign(1.0, x) < 0:
        return None
    try:
        value = float(function(x))
    except (ValueError, OverflowError):  # a pole
        return None
    return value if value in (0.0, 1.0) else None


@dataclass(slots=True)
class Product:
    """top * factors / bottom; `factors` are powers of nodes, those of exponents below 0 in the divisor."""

    top: float = 1.0
    bottom: float = 1.0
    factors: dict[int, Exponent] = field(default_factory=dict)

    def key(self) -> tuple[Any, ...]:
        """What like terms have in common."""
        return tuple(sorted(self.factors.items()))

    def length(self) -> int:
        """How many factors and exponents are written."""
        numbers = (abs(self.top) != 1.0) + (self.bottom != 1.0)
        return sum([1 + (abs(n) != 1) for n in self.factors.values()]) + (numbers if self.factors else 1)

    def plus(self, other: Product) -> Product | None:
        """The sum with a like term, where it is exact and no longer to read."""
        ratios = (self.top, self.bottom, other.top, other.bottom)
        if all(map(float.is_integer, ratios)):
            total = Fraction(self.top) / Fraction(self.bottom) + Fraction(other.top) / Fraction(other.bottom)
            top, bottom = float(total.numerator), float(total.denominator)
            if Fraction(top) == total.numerator and Fraction(bottom) == total.denominator and is_readable(top, *ratios):
                return Product(top, bottom, self.factors)
            return None
        top = self.top + other.top
        if self.bottom == other.bottom and is_exact_sum(self.top, other.top) and is_readable(top, *ratios):
            return Product(top, self.bottom, self.factors)
        return None


def exact_product(a: float, b: float) -> float | None:
    """The product of two numbers, where it is exact and no longer to read than they are."""
    if b == 1.0:
        return a
    found = a * b
    if not math.isfinite(found) or not is_readable(found, a, b):
        return None
    return found if Fraction(a) * Fraction(b) == Fraction(found) else None


def turns_of(value: float) -> Fraction | None:
    """By how much a number is a multiple of pi, where that is exactly so for a short number."""
    turns = value / math.pi
    if not 0.1 < abs(turns) <= LARGEST_TURNS or not (turns * 8).is_integer():
        return None
    return Fraction(turns) if Fraction(turns) * Fraction(math.pi) == Fraction(value) else None


def exact_power(value: float, n: Exponent) -> float | None:
    """A number to the power of |n|, where that is exact and no longer to read."""
    if n == 0.5 or n == -0.5:
        return exact_root(value)
    if isinstance(n, float) or abs(n) > LARGEST_EXPONENT or (value == 0.0 and n < 0):
        return None
    found = 1.0
    for _ in range(abs(n)):
        product = exact_product(found, value) if found != 1.0 else value
        if product is None:
            return None
        found = product
    return found


def exact_root(value: float) -> float | None:
    """The square root of a number, where it is exact."""
    root = math.sqrt(value) if value > 0.0 else 0.0
    return root if root and Fraction(root) ** 2 == Fraction(value) else None


def is_exact_sum(a: float, b: float) -> bool:
    """Whether the sum of two numbers is not rounded."""
    return math.isfinite(a + b) and Fraction(a) + Fraction(b) == Fraction(a + b)


def is_readable(value: float, *of: float) -> bool:
    """Whether a number is short, or no longer than those that it is made of."""
    if value.is_integer() and abs(value) <= LARGEST_READABLE:
        return True
    return len(repr(value)) <= max([READABLE_DIGITS, *[len(repr(v)) for v in of]])
