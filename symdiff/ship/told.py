"""What headers say of the numbers of an array: what they are derivatives by, and in which units they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from symdiff.ship.units import Axes, Stretch, UnitPowers, Units, one_unit

MOST_LINES = 24
"""Entries with units of their own that are listed one by one; of more the first, or the factors of their axes."""

INLINE = 72
"""Characters of entries that stand on one line."""

MOST_PARTS = 24
"""Factors of one axis that are listed."""

LETTERS = "ijklmnopqrs"


def told(units: Units, at: str = "") -> list[str]:
    """What is appended to the line of an array, and lines below it; `at` stands before places."""
    varied = [axes for axes in units if len({part.unit for part in axes.parts}) > 1]
    unknown = any(all(part.unit is None for part in axes.parts) for axes in units)
    if not varied or unknown:
        return [(_rows(units, at) or _by(units)) + _in(one_unit(units), ", ")]
    choices = itertools.product(*(range(len(axes.parts)) for axes in units))
    entries = math.prod(len(axes.parts) for axes in units)
    if entries > MOST_LINES and len(varied) > 1:
        return [_by(units), *_factors(units)]
    if len(units) == 1 and not varied[0].relation and all(part.name for part in varied[0].parts):
        lines = [_part(varied[0], k) for k in range(min(entries, MOST_LINES))]
    else:
        lines = [at + _entry(units, choice) for choice in itertools.islice(choices, MOST_LINES)]
    return _inline(lines + ["..."] * (entries > MOST_LINES))


def _inline(entries: list[str]) -> list[str]:
    line = ", ".join(entries)
    return [f", {line}"] if len(line) <= INLINE else ["", *entries]


def _in(unit: UnitPowers | None, before: str) -> str:
    if unit is None:
        return ""
    return f"{before}in {unit}" if unit.powers else f"{before}dimensionless"


def _by(units: Units) -> str:
    """What an array is a derivative by, one thing after the other, or a direction along."""
    named = [axes for axes in units if axes.relation and any(part.name for part in axes.parts)]
    listed = [", ".join(dict.fromkeys(part.name for part in axes.parts)) for axes in named]
    listed = list(map(first_names, listed))
    if not listed:
        return ""
    relation = f", {named[0].relation} "
    if len(listed) > 1 and all(names == listed[0] for names in listed):
        times = "twice" if len(listed) == 2 else f"{len(listed)} times"
        return f"{relation}{listed[0]}{',' * (',' in listed[0])} {times}"
    return relation + " and by ".join(listed)


def _rows(units: Units, at: str) -> str:
    """Which element of an array is a derivative of which by which, where both are arrays."""
    own = [axes for axes in units if axes.shape and not axes.relation]
    others = [axes for axes in units if axes.relation]
    names = {part.name for axes in units for part in axes.parts}
    if len(own) != 1 or not own[0].parts or "" in names or not any(axes.shape for axes in others):
        return ""
    letters, places = iter(LETTERS), []
    for axes in (own[0], *others):
        places.append(", ".join([next(letters, "k") for _ in axes.shape]))
    listed = []
    for axes, place in zip(others, places[1:], strict=True):
        several = ", ".join(dict.fromkeys(part.name for part in axes.parts))
        listed.append(f"{several}[{place}]" if len(axes.parts) == 1 and place else several)
        if len(axes.parts) > 1:
            listed[-1] = f"the {place}-th of {first_names(several)}"
    where = ", ".join([place for place in places if place])
    return f", {at}[{where}] of {own[0].parts[0].name}[{places[0]}] by {' and '.join(listed)}"


def first_names(names: str) -> str:
    """Names, the first of them where they are many."""
    return names if len(names) <= INLINE else names[:INLINE].rpartition(", ")[0] + ", ..."


def _part(axes: Axes, k: int) -> str:
    """A part of an input, by its name."""
    part = axes.parts[k]
    alone = sum(other.name == part.name for other in axes.parts) == 1
    return part.name + ("" if alone else f"[{_index(axes, k)}]") + _in(part.unit, " ")


def _entry(units: Units, choice: Sequence[int]) -> str:
    """Entries that have one unit: where they are, and what they are by."""
    letters = iter(LETTERS)
    places, names, relation = [], [], ""
    unit: UnitPowers | None = UnitPowers()
    for axes, k in zip(units, choice, strict=True):
        part = axes.parts[k]
        if axes.shape:
            whole = len(axes.parts) == 1
            places.append(", ".join([next(letters, "k") for _ in axes.shape]) if whole else _index(axes, k))
        if axes.relation:
            names.append(part.name)
            relation = axes.relation
        unit = None if unit is None or part.unit is None else unit.times(part.unit)
    by = f" {relation} {', '.join(names)}" if any(names) else ""
    return f"[{', '.join(places)}]{by}{_in(unit, ' ')}"


def _index(axes: Axes, k: int) -> str:
    """The places of a part."""
    first = sum(part.count for part in axes.parts[:k])
    count = axes.parts[k].count
    if len(axes.shape) > 1:
        begin, end = (", ".join(map(str, np.unravel_index(at, axes.shape))) for at in (first, first + count - 1))
    else:
        begin, end = str(first), str(first + count - 1)
    return begin if count == 1 else f"{begin}..{end}"


def _factors(units: Units) -> list[str]:
    """The units of many entries as products."""
    common: UnitPowers | None = UnitPowers()
    for axes in units:
        if len(axes.parts) == 1:
            unit = axes.parts[0].unit
            common = None if common is None or unit is None else common.times(unit)
    if common is None:
        return []
    varied = [axes for axes in units if len(axes.parts) > 1]
    letters = iter(LETTERS)
    wheres = [", ".join([next(letters, "k") for _ in axes.shape]) for axes in varied]
    names = [f"u{k + 1}" for k in range(len(varied))] if varied[1:] != varied[:-1] else ["u"] * len(varied)
    product = "*".join([str(common)] * bool(common.powers) + [f"{n}[{w}]" for n, w in zip(names, wheres, strict=True)])
    lines = [f"[{', '.join(wheres)}] in {product}, where"]
    for name, axes in dict(zip(names, varied, strict=True)).items():
        listed = [f"{name}[{_index(axes, k)}] is {_of(part)}" for k, part in enumerate(axes.parts[:MOST_PARTS])]
        lines += [f"  {line}" for line in listed] + ["  ..."] * (len(axes.parts) > MOST_PARTS)
    return lines


def _of(part: Stretch) -> str:
    unit = "not given" if part.unit is None else str(part.unit)
    return f"{unit} ({part.name})" if part.name else unit
