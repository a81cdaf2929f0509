"""Units of inputs and results as texts: what is given by name, and what follows for derivatives.

A unit is any text. Two texts that differ are two units, and nothing is converted or computed: the gradient of what is
in N by what is in m/s is in N/(m/s). Only the same text above and below a line is left out.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, ParseError, Place, Source, nearest, quote
from symdiff.frontend.lexer import comments

LONGEST = 60
"""Characters of a unit."""

PLAIN = frozenset(("1", "-", "dimensionless", "unitless"))
"""What is written for numbers without a unit."""

REFUSED = ("*/", "/*", "\\", "??")
"""What would end a comment of C, or mean something else in one."""

_WORD = re.compile(r"[^\W\d]\w*")
_PRODUCT = re.compile(r"[^\W\d]\w*(\^\d+)?([*·][^\W\d]\w*(\^\d+)?)*")
_SEPARATOR = re.compile(r"\s+in\s+|\s*=\s*")
_HEAD = re.compile(r"#+\s*units\s*:", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d]\w*")

Given = Mapping[str, "str | Sequence[str] | Mapping[str, str | Sequence[str]]"]
"""Units by names; those of a vector's elements one by one in a list; of one function alone by its name."""


@dataclass(frozen=True, slots=True)
class UnitPowers:
    """A product of powers of units, each of which is a text; without any it is that of plain numbers."""

    powers: tuple[tuple[str, int], ...] = ()

    @staticmethod
    def of(text: str) -> UnitPowers:
        """The unit that a text is."""
        return UnitPowers() if text in PLAIN else UnitPowers(((text, 1),))

    def times(self, other: UnitPowers, power: int = 1) -> UnitPowers:
        """The product with a power of another unit."""
        powers = dict(self.powers)
        for text, own in other.powers:
            powers[text] = powers.get(text, 0) + own * power
        return UnitPowers(tuple(sorted([(text, own) for text, own in powers.items() if own])))

    def __str__(self) -> str:
        if not self.powers:
            return "1"
        above = [(text, power) for text, power in self.powers if power > 0]
        below = [(text, -power) for text, power in self.powers if power < 0]
        if not below and above == [(self.powers[0][0], 1)]:
            return above[0][0]
        alone = len(above) == 1 and above[0][1] == 1 and _PRODUCT.fullmatch(above[0][0])
        head = above[0][0] if alone else "*".join([_power(*factor) for factor in above]) or "1"
        if not below:
            return head
        foot = "*".join([_power(*factor) for factor in below])
        return f"{head}/({foot})" if len(below) > 1 else f"{head}/{foot}"


def _power(text: str, power: int) -> str:
    base = text if _WORD.fullmatch(text) else f"({text})"
    return base if power == 1 else f"{base}^{power}"


# What a user gives


def check_unit(text: Any, name: str) -> str:
    """A unit without spaces around it.

    Raises
    ------
    ArgumentError
        For what cannot stand in a comment.
    """
    if not isinstance(text, str):
        raise ArgumentError(f"the unit of {name} is {type(text).__name__}", hint=f'write units={{"{name}": "m/s"}}')
    unit = text.strip()
    problem = _problem(unit)
    if problem:
        raise ArgumentError(f"the unit of {name}, {quote(text)}, {problem}")
    return unit


def _problem(unit: str) -> str:
    """What is wrong with the text of a unit, or nothing."""
    if not unit:
        return "is empty: plain numbers are in 1"
    if not unit.isprintable():
        return "has characters that are not printed"
    if len(unit) > LONGEST:
        return f"is longer than {LONGEST} characters"
    return next((f"has {part}, which no comment of C can hold" for part in REFUSED if part in unit), "")


def read_units(text: str) -> dict[str, str | list[str]]:
    """Units of a text such as ``v in m/s, rho = kg/m^3, x in [m, m/s]``.

    Raises
    ------
    ArgumentError
        For another text.
    """
    if not text.strip():
        return {}
    try:
        return _listed(Source(text), 0, len(text))
    except ParseError as error:
        raise ArgumentError(f"units {quote(text)}: {error.message}", hint=error.hint) from None


def commented_units(source: Source) -> list[tuple[int, dict[str, str | list[str]], dict[str, Place]]]:
    """What comments such as ``# units: v in m/s`` say: where each begins, the units, and where their names are.

    Raises
    ------
    ParseError
        For such a comment that is none.
    """
    found = []
    for start, end in comments(source):
        head = _HEAD.match(source.text, start, end)
        if head is not None:
            places: dict[str, Place] = {}
            found.append((start, _listed(source, head.end(), end, places), places))
    return found


def _listed(source: Source, start: int, end: int, places: dict[str, Place] | None = None) -> dict[str, Any]:
    """Names with their units, by commas; names without one have that of the next."""
    found: dict[str, Any] = {}
    waiting: list[str] = []
    for first, last in _parts(source.text, start, end):
        part = source.text[first:last]
        place = Place(source, first, last if last > first else first + 1)
        name, unit = part, ""
        separator = _SEPARATOR.search(part)
        if separator is not None:
            name, unit = part[: separator.start()], part[separator.end() :]
        if not _NAME.fullmatch(name):
            raise ParseError("this is no name with its unit", hint="write v in m/s, with commas between", place=place)
        if name in found or name in waiting:
            raise ParseError(f"the unit of {name} is there twice", place=place)
        if places is not None:
            places[unicodedata.normalize("NFKC", name)] = Place(source, first, first + len(name))
        waiting.append(unicodedata.normalize("NFKC", name))
        if separator is not None:
            several = [u.strip() for u in unit[1:-1].split(",")] if unit[:1] == "[" and unit[-1:] == "]" else None
            for one in [unit] if several is None else several:
                problem = _problem(one)
                if problem:
                    raise ParseError(f"the unit of {name} {problem}", place=place)
            found.update(dict.fromkeys(waiting, unit if several is None else several))
            waiting = []
    if waiting:
        raise ParseError(
            f"the unit of {waiting[0]} is missing",
            hint=f"write {waiting[0]} in m/s" + (", or 1 for plain numbers" if len(waiting) == 1 else ""),
            place=None if places is None else places[waiting[0]],
        )
    return found


def _parts(text: str, start: int, end: int) -> Iterable[tuple[int, int]]:
    """The places of what stands between commas outside brackets, without spaces around it."""
    depth, first = 0, start
    for at in range(start, end + 1):
        letter = text[at] if at < end else ","
        if letter == "," and (depth <= 0 or at == end):
            part = text[first:at]
            lead = len(part) - len(part.lstrip())
            yield first + min(lead, len(part)), first + max(lead, len(part.rstrip()))
            first = at + 1
        depth += (letter in "([") - (letter in ")]")


class UnitTable:
    """The units that were given for a library: of all functions, and of one alone by its name.

    Raises
    ------
    ArgumentError
        For what is no unit.
    """

    def __init__(self, given: Given | None) -> None:
        if given is not None and not isinstance(given, Mapping):
            raise ArgumentError(f"units is {type(given).__name__}", hint='write units={"v": "m/s"}')
        self.general: dict[str, tuple[UnitPowers, ...]] = {}
        self.own: dict[str, dict[str, tuple[UnitPowers, ...]]] = {}
        for name, value in (given or {}).items():
            if isinstance(value, Mapping):
                self.own[name] = {_same(inner): _units(unit, inner) for inner, unit in value.items()}
            else:
                self.general[_same(name)] = _units(value, name)

    def __bool__(self) -> bool:
        return bool(self.general or self.own)

    def check(self, known: Mapping[str, Iterable[str]]) -> None:
        """Refuse names that nothing has; `known` are the functions with the names of each.

        Raises
        ------
        ArgumentError
            The hint is what there is.
        """
        every = list(dict.fromkeys(name for names in known.values() for name in names))
        for name in self.general:
            _check_name(name, every, "")
        for function, units in self.own.items():
            if function not in known:
                raise ArgumentError(
                    f"units of {function}, which is no function here",
                    hint=nearest(function, known) or f"there are {', '.join(known)}",
                )
            for name in units:
                _check_name(name, list(known[function]), f" in {function}")

    def of(self, names: Sequence[str], functions: Sequence[str]) -> tuple[UnitPowers, ...] | None:
        """The units by the first of the names that has some, of a function by its names; None where none has."""
        tables = [self.own[f] for f in functions if f in self.own] + [self.general]
        return next((table[name] for table in tables for name in names if name in table), None)


def _same(name: Any) -> str:
    """A name as the language reads it."""
    if not isinstance(name, str):
        raise ArgumentError(f"a unit of {name!r}, which is no name", hint='write units={"v": "m/s"}')
    return unicodedata.normalize("NFKC", name)


def _units(value: Any, name: str) -> tuple[UnitPowers, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (UnitPowers.of(check_unit(value, name)),)
    if not value:
        raise ArgumentError(f"the units of {name} are an empty list")
    return tuple([UnitPowers.of(check_unit(unit, name)) for unit in value])


def _check_name(name: str, known: Sequence[str], where: str) -> None:
    if name not in known:
        near = nearest(name, known)
        listed = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
        raise ArgumentError(f"a unit of {name}, which nothing{where} is called", hint=near or f"there are {listed}")


# Arrays


@dataclass(frozen=True, slots=True)
class Stretch:
    """Successive numbers of one unit, None where nobody gave it, under a name, which may be empty."""

    name: str
    count: int
    unit: UnitPowers | None


@dataclass(frozen=True, slots=True)
class Axes:
    """Axes that belong together, such as those of an input, whose numbers in C order are these parts."""

    shape: tuple[int, ...]
    parts: tuple[Stretch, ...]
    relation: str = ""
    """What their names are to the array: "by" where it is a derivative by them, "along" for a direction."""

    @staticmethod
    def alike(shape: tuple[int, ...], unit: UnitPowers | None, name: str = "") -> Axes:
        """Axes of numbers that have one unit."""
        return Axes(shape, (Stretch(name, math.prod(shape), unit),))

    @property
    def unit(self) -> UnitPowers | None:
        """The one unit of all numbers; None where there is none, or several."""
        first = self.parts[0].unit if self.parts else None
        return first if all(part.unit == first for part in self.parts) else None

    @property
    def elements(self) -> list[UnitPowers | None]:
        """The unit of each number."""
        return [part.unit for part in self.parts for _ in range(part.count)]

    def power(self, exponent: int) -> Axes:
        """The axes with powers of the units."""
        parts = [
            Stretch(p.name, p.count, None if p.unit is None else UnitPowers().times(p.unit, exponent))
            for p in self.parts
        ]
        return replace(self, parts=tuple(parts))


Units = tuple[Axes, ...]
"""The units of an array: that of an element is the product over groups of its axes."""


def one_unit(units: Units) -> UnitPowers | None:
    """The unit that all elements have; None where there is none, or several."""
    found = UnitPowers()
    for axes in units:
        if axes.unit is None:
            return None
        found = found.times(axes.unit)
    return found
