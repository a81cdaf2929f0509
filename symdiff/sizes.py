"""Sizes that are not numbers yet: what stands for them while one piece of code is made for many of them.

A `Size` is a polynomial in sizes by name that also knows what it is for one example. It stands where an integer does.
Arithmetic gives other sizes. Each comparison is answered for the example, and its answer is noted as a fact, unless it
follows from every name being at least `least`. Where a number is needed and nothing else will do, the names in it are
fixed: the fact is that they are what they are in the example. So what is made with sizes is right for all numbers for
which the facts hold, whatever looked at the sizes on the way.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Monomial = tuple[str, ...]
Terms = tuple[tuple[Monomial, int], ...]
"""(names multiplied, coefficient), ascending by names; a quotient that is no polynomial has a name of its own."""

BELOW, NOT_BELOW, ZERO, NOT_ZERO = "< 0", ">= 0", "== 0", "!= 0"
_HOLDS: dict[str, Callable[[int], bool]] = {
    BELOW: lambda n: n < 0,
    NOT_BELOW: lambda n: n >= 0,
    ZERO: lambda n: n == 0,
    NOT_ZERO: lambda n: n != 0,
}


class Sizes:
    """Sizes by name, their example, and what was taken for granted about them.

    Attributes
    ----------
    values : the sizes of the example, by name; each is at least `least`.
    facts : what the answers to comparisons depended on: a polynomial, and how it compares with 0.
    fixed : the names whose number was needed.
    before : how many facts there were when the first name was fixed.
    shown : the sizes that were written into a text, by what was written.
    """

    def __init__(self, values: Mapping[str, int], least: int) -> None:
        self.values, self.least = dict(values), least
        self.facts: dict[tuple[Terms, str], None] = {}
        self.fixed: dict[str, None] = {}
        self.before = 0
        self.shown: dict[str, Size] = {}
        self.quotients: dict[str, tuple[Any, Any]] = {}
        self._floors: dict[str, int | None] = {}
        self._reach: dict[Terms, tuple[int | None, int | None]] = {}

    def __getitem__(self, name: str) -> Any:
        """The size called `name`."""
        return Size(self, (((name,), 1),), self.values[name])

    def holds(self, values: Mapping[str, int], count: int | None = None) -> bool:
        """Whether all facts (the first `count`) are true of other sizes."""
        known = dict(values)
        facts = list(self.facts) if count is None else list(self.facts)[:count]
        return all(_HOLDS[how](self._evaluate(terms, known)) for terms, how in facts)

    def number(self, size: Any, values: Mapping[str, int]) -> int:
        """What a size is for other numbers."""
        return self._evaluate(size.terms, dict(values)) if type(size) is Size else int(size)

    def _evaluate(self, terms: Terms, known: dict[str, int]) -> int:
        total = 0
        for names, count in terms:
            for name in names:
                if name not in known:
                    known[name] = self._quotient(name, known)
                count *= known[name]
            total += count
        return total

    def _quotient(self, name: str, known: dict[str, int]) -> int:
        above, below = self.quotients[name]
        a = self._evaluate(above.terms, known) if type(above) is Size else above
        b = self._evaluate(below.terms, known) if type(below) is Size else below
        return int(a // b)

    def write(self, size: Size) -> str:
        """A size in a text: the name of a value in LLVM IR, which `shown` tells how to compute."""
        text = " + ".join("*".join([str(n), *names]) for names, n in size.terms)
        text = '%"' + text.replace("%", "").replace('"', "'") + '"'
        self.shown[text] = size
        return text

    def fix(self, size: Size) -> int:
        """The number that a size is in the example, now needed."""
        if not self.fixed:
            self.before = len(self.facts)
        self._fix_names(size)
        for name in self.fixed:
            self.facts[((((name,), 1), ((), -self.values[name])), ZERO)] = None
        return size.value

    def fix_all(self) -> None:
        """Fix every name, where none is: nothing of this is for other sizes."""
        if not self.fixed:
            self.before = len(self.facts)
            self.fixed = dict.fromkeys(self.values)

    def _fix_names(self, size: Any) -> None:
        for names, _ in size.terms if type(size) is Size else ():
            for name in names:
                if name in self.values:
                    self.fixed[name] = None
                else:
                    for part in self.quotients[name]:
                        self._fix_names(part)

    def is_below(self, size: Any) -> bool:
        """Whether a size is less than 0; a fact where that is not certain."""
        if type(size) is not Size:
            return bool(size < 0)
        low, high = self.reach(size)
        if low is not None and low >= 0:
            return False
        if high is not None and high < 0:
            return True
        self.facts[size.terms, BELOW if size.value < 0 else NOT_BELOW] = None
        return size.value < 0

    def is_zero(self, size: Any) -> bool:
        """Whether a size is 0; a fact where that is not certain."""
        if type(size) is not Size:
            return bool(size == 0)
        low, high = self.reach(size)
        if (low is not None and low > 0) or (high is not None and high < 0):
            return False
        self.facts[size.terms, NOT_ZERO if size.value else ZERO] = None
        return not size.value

    def reach(self, size: Any) -> tuple[int | None, int | None]:
        """Bounds for a size, as far as they follow from the least number that each name can be."""
        if type(size) is not Size:
            return size, size
        if size.terms not in self._reach:
            self._reach[size.terms] = self._bounds(size.terms)
        return self._reach[size.terms]

    def _bounds(self, terms: Terms) -> tuple[int | None, int | None]:
        # with name = floor + rest, rest >= 0, all but the constant are multiples of what is not negative
        shifted: dict[Monomial, int] = {}
        for names, count in terms:
            parts: dict[Monomial, int] = {(): count}
            for name in names:
                floor = self.floor(name)
                if floor is None:
                    return None, None
                wider: dict[Monomial, int] = {}
                for monomial, n in parts.items():
                    longer = tuple(sorted((*monomial, name)))
                    wider[longer] = wider.get(longer, 0) + n
                    if floor:
                        wider[monomial] = wider.get(monomial, 0) + n * floor
                parts = wider
            for monomial, n in parts.items():
                shifted[monomial] = shifted.get(monomial, 0) + n
        constant = shifted.pop((), 0)
        rest = [n for n in shifted.values() if n]
        return (constant if all(n > 0 for n in rest) else None), (constant if all(n < 0 for n in rest) else None)

    def floor(self, name: str) -> int | None:
        """The least number that a name or a quotient can be, as far as it is known."""
        if name in self.values:
            return self.least
        if name not in self._floors:
            (above, below) = self.quotients[name]
            low, (least, most) = self.reach(above)[0], self.reach(below)
            found = None
            if low is not None and low >= 0 and least is not None and least > 0:
                found = low // most if most is not None else 0
            self._floors[name] = found
        return self._floors[name]


class WrittenSizes(Sizes):
    """Sizes that people read: in formulas and in messages they are written as in the language."""

    def write(self, size: Size) -> str:
        """A size as a polynomial, the constant last."""
        text = ""
        for names, n in sorted(size.terms, key=lambda term: (not term[0], term[1] < 0, term[0])):
            factors = [str(abs(n)), *names] if abs(n) != 1 or not names else list(names)
            sign = (" - " if n < 0 else " + ") if text else "-" if n < 0 else ""
            text += sign + "*".join(factors)
        return text

    def forget(self) -> None:
        """Begin anew: what was assumed so far is of no matter for what comes."""
        self.facts.clear()
        self.fixed.clear()


class Size:
    """An integer that is known for an example only; see the module. To `isinstance` it is an `int`."""

    __slots__ = ("of", "terms", "value")

    def __init__(self, of: Sizes, terms: Terms, value: int) -> None:
        self.of, self.terms, self.value = of, terms, value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return int

    def __hash__(self) -> int:
        return hash((id(self.of), self.terms))

    # What is shown, as `of` says

    def __str__(self) -> str:
        return self.of.write(self)

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return str(self)

    # What needs a number

    def __index__(self) -> int:
        return self.of.fix(self)

    __int__ = __trunc__ = __floor__ = __ceil__ = __index__

    def __round__(self, digits: Any = None) -> int:
        return self.of.fix(self)

    def __float__(self) -> float:
        return float(self.of.fix(self))

    def __truediv__(self, other: Any) -> Any:
        return self.of.fix(self) / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.of.fix(self)

    def __and__(self, other: Any) -> Any:
        return self.of.fix(self) & other

    def __or__(self, other: Any) -> Any:
        return self.of.fix(self) | other

    __rand__, __ror__ = __and__, __or__

    def __pow__(self, other: Any) -> Any:
        if type(other) is int and 0 <= other <= 4:
            found: Any = 1
            for _ in range(other):
                found = found * self
            return found
        return self.of.fix(self) ** other

    def __rpow__(self, other: Any) -> Any:
        return other ** self.of.fix(self)

    def __lshift__(self, other: Any) -> Any:
        return self * (1 << other)

    def __rlshift__(self, other: Any) -> Any:
        return other << self.of.fix(self)

    def __rshift__(self, other: Any) -> Any:
        return self // (1 << other)

    def is_integer(self) -> bool:
        """True, as of every integer."""
        return True

    def bit_length(self) -> int:
        """How many bits the number takes."""
        return self.of.fix(self).bit_length()

    # Arithmetic

    def _terms(self, other: Any) -> Terms | None:
        if type(other) is Size and other.of is not self.of:
            raise TypeError("sizes of two calls in one formula")
        return _terms(other)

    def __add__(self, other: Any) -> Any:
        own = self._terms(other)
        return NotImplemented if own is None else _made(self.of, (*self.terms, *own), self.value + _value(other))

    __radd__ = __add__

    def __neg__(self) -> Any:
        return self * -1

    def __pos__(self) -> Any:
        return self

    def __sub__(self, other: Any) -> Any:
        own = self._terms(other)
        if own is None:
            return NotImplemented
        return _made(self.of, (*self.terms, *[(names, -n) for names, n in own]), self.value - _value(other))

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __mul__(self, other: Any) -> Any:
        own = self._terms(other)
        if own is None:
            return float(self) * other if isinstance(other, float) else NotImplemented
        product = [(tuple(sorted((*a, *b))), m * n) for a, m in self.terms for b, n in own]
        return _made(self.of, product, self.value * _value(other))

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> Any:
        return NotImplemented if self._terms(other) is None else _divided(self.of, self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return NotImplemented if self._terms(other) is None else _divided(self.of, other, self)

    def __mod__(self, other: Any) -> Any:
        return NotImplemented if self._terms(other) is None else self - _divided(self.of, self, other) * other

    def __rmod__(self, other: Any) -> Any:
        return NotImplemented if self._terms(other) is None else other - _divided(self.of, other, self) * self

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __abs__(self) -> Any:
        return -self if self < 0 else self

    # Comparisons

    def __bool__(self) -> bool:
        return not self.of.is_zero(self)

    def __eq__(self, other: object) -> Any:
        if self._terms(other) is None:
            return float(self) == other if isinstance(other, float) else NotImplemented
        return self.of.is_zero(self - other)

    def __ne__(self, other: object) -> Any:
        found = self.__eq__(other)
        return found if found is NotImplemented else not found

    def _is_less(self, other: Any, sign: int, more: int) -> Any:
        """Whether sign*self + more < sign*other."""
        if isinstance(other, float):
            if other - other != 0.0:  # infinite, or no number: the same for every size
                return sign * 0.0 < sign * other
            number = sign * float(self)
            return number < sign * other or (more < 0 and number == sign * other)
        return NotImplemented if self._terms(other) is None else self.of.is_below(sign * (self - other) + more)

    def __lt__(self, other: Any) -> Any:
        return self._is_less(other, 1, 0)

    def __le__(self, other: Any) -> Any:
        return self._is_less(other, 1, -1)

    def __gt__(self, other: Any) -> Any:
        return self._is_less(other, -1, 0)

    def __ge__(self, other: Any) -> Any:
        return self._is_less(other, -1, -1)


def _terms(value: Any) -> Terms | None:
    """The polynomial that an integer is; None for what is none."""
    if type(value) is Size:
        return value.terms
    if type(value) in (int, bool) or (isinstance(value, int) and hasattr(value, "__index__")):
        return (((), int(value)),)
    return None


def _value(value: Any) -> int:
    return value.value if type(value) is Size else int(value)


def _made(of: Sizes, terms: Iterable[tuple[Monomial, int]], value: int) -> Any:
    """The size of these terms; an integer where it is known."""
    found: dict[Monomial, int] = {}
    for names, n in terms:
        found[names] = found.get(names, 0) + n
    kept = tuple(sorted((names, n) for names, n in found.items() if n))
    if not kept:
        return 0
    return kept[0][1] if len(kept) == 1 and not kept[0][0] else Size(of, kept, value)


def _divided(of: Sizes, above: Any, below: Any) -> Any:
    """The quotient, rounded down: of every term that is a multiple of the divisor, and of the rest together."""
    if not below:
        raise ZeroDivisionError("a size divided by 0")
    divisor, whole, rest = _terms(below), list[tuple[Monomial, int]](), list[tuple[Monomial, int]]()
    assert divisor is not None
    if len(divisor) == 1:
        (names, count) = divisor[0]
        for own, n in _terms(above) or ():
            left = _without(own, names) if n % count == 0 else None
            if left is None:
                rest.append((own, n))
            else:
                whole.append((left, n // count))
    else:
        rest = list(_terms(above) or ())
    exact = _made(of, whole, sum(n * _product(of, names) for names, n in whole))
    left = _made(of, rest, sum(n * _product(of, names) for names, n in rest))
    if type(left) is not Size:
        if left == 0:
            return exact
        if type(below) is not Size:
            return exact + left // below
        if below > abs(left):
            return exact + (0 if left > 0 else -1)
    low, gap = of.reach(left)[0], of.reach(below - left)[0]
    if low is not None and low >= 0 and gap is not None and gap > 0:
        return exact
    name = f"({left}//{below})".replace("%", "").replace('"', "'")
    of.quotients[name] = left, below
    return exact + Size(of, (((name,), 1),), _value(left) // _value(below))


def _without(names: Monomial, divisor: Monomial) -> Monomial | None:
    left = list(names)
    for name in divisor:
        if name not in left:
            return None
        left.remove(name)
    return tuple(left)


def _product(of: Sizes, names: Monomial) -> int:
    found = 1
    for name in names:
        found *= of.values[name] if name in of.values else of._evaluate((((name,), 1),), dict(of.values))
    return found


def is_open(value: object) -> bool:
    """Whether an integer is a size that is not a number."""
    return type(value) is Size


def sizes_of(values: Iterable[Any]) -> Sizes | None:
    """What the sizes among some integers are sizes of; None where all are numbers."""
    return next((value.of for value in values if type(value) is Size), None)


def numbers(sizes: Iterable[Any]) -> tuple[Any, ...]:
    """Sizes as the numbers that they are in the example, where Python code outside of this package looks at them."""
    return tuple([operator.index(n) if type(n) is Size else n for n in sizes])


def example(value: Any) -> int:
    """An integer that a size may be: for what costs, where the answer changes no result."""
    return value.value if type(value) is Size else int(value)


def slice_bounds(part: Any, size: Any) -> tuple[Any, Any, int]:
    """The first index, the end and the step of a slice, (start, stop, step), of an axis, as `slice.indices`."""
    start, stop, step = (part.start, part.stop, part.step) if isinstance(part, slice) else part
    if not (is_open(size) or is_open(start) or is_open(stop)):
        return slice(start, stop, step).indices(size)
    step = 1 if step is None else operator.index(step)
    low, high = (0, size) if step > 0 else (-1, size - 1)

    def end(at: Any, without: Any) -> Any:
        if at is None:
            return without
        at = at + size if at < 0 else at
        return low if at < low else high if at > high else at

    return end(start, low if step > 0 else high), end(stop, high if step > 0 else low), step


def slice_length(start: Any, stop: Any, step: int) -> Any:
    """How many indices there are from `start` on before `stop`."""
    if not (is_open(start) or is_open(stop)):
        return len(range(start, stop, step))
    gap = stop - start if step > 0 else start - stop
    return (gap + abs(step) - 1) // abs(step) if gap > 0 else 0
