"""Trees: lists, tuples and dicts of numbers and arrays, in each other, as a function takes and returns them.

What is computed with is flat: the leaves of a tree, in order. A structure says how flat leaves are put together, and
how a value is taken apart. The depth of structures is bounded, so the functions here may follow it by recursion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeGuard

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.errors import CallError, nearest

DEEPEST = 64
"""So many lists, tuples and dicts may stand in each other."""

SHOWN_LEAVES, SHOWN_PLACE = 12, 80
"""Trees of up to so many leaves are written in full, and so many characters of a place in one."""

_NUMBERS = frozenset((float, int, bool, np.float64, np.float32, np.int64, np.int32, np.bool_))
_LEAVES = _NUMBERS | {np.ndarray}
_OTHER = r"\W"
_STEP = re.compile(r"""\[\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|-?\d+)\s*\]|\.(\w+)""")


@dataclass(frozen=True, slots=True)
class Branch:
    """A dict, a list or a named tuple in a structure.

    `kind` is `dict`, `list` or the class of the named tuple; `keys` are those of the dict or the names of the fields.
    """

    kind: type
    keys: tuple[Any, ...]
    children: tuple[Structure, ...]


Structure = int | tuple["Structure", ...] | Branch
"""How flat values are put together: the index of one, a tuple of structures, or a branch."""

Plain = int | tuple["Plain", ...]
"""A structure of tuples alone."""


def children_of(structure: tuple[Structure, ...] | Branch) -> tuple[Structure, ...]:
    """The structures that one is made of."""
    return structure if isinstance(structure, tuple) else structure.children


def steps_of(structure: tuple[Structure, ...] | Branch) -> Sequence[Any]:
    """The keys, fields or indices of the children."""
    if isinstance(structure, tuple) or structure.kind is list:
        return range(len(children_of(structure)))
    return structure.keys


def arrange(structure: Structure, flat: Sequence[Any]) -> Any:
    """Flat values, put together."""
    if isinstance(structure, int):
        return flat[structure]
    if isinstance(structure, tuple):
        return tuple([arrange(s, flat) for s in structure])
    parts = [arrange(s, flat) for s in structure.children]
    if structure.kind is list:
        return parts
    if structure.kind is dict:
        return dict(zip(structure.keys, parts, strict=True))
    return structure.kind(*parts)


def composed(structure: Structure, parts: Sequence[Structure]) -> Structure:
    """A structure with other structures in the places of its leaves."""
    if isinstance(structure, int):
        return parts[structure]
    children = tuple([composed(s, parts) for s in children_of(structure)])
    return children if isinstance(structure, tuple) else replace(structure, children=children)


def leaves_of(structure: Structure) -> list[int]:
    """The leaves from left to right."""
    if isinstance(structure, int):
        return [structure]
    return [leaf for child in children_of(structure) for leaf in leaves_of(child)]


def shifted_structure(structure: Structure, by: int) -> Structure:
    """A structure of the flat values from `by` on."""
    return composed(structure, range(by, by + max(leaves_of(structure), default=0) + 1)) if by else structure


def from_zero(structure: Structure) -> Structure:
    """A part of a structure as one of its own: its leaves count from 0."""
    place = {leaf: k for k, leaf in enumerate(leaves_of(structure))}
    return composed(structure, [place.get(k, 0) for k in range(max(place, default=0) + 1)])


def is_plain(structure: Structure) -> TypeGuard[Plain]:
    """Whether it is made of tuples alone."""
    return isinstance(structure, int) or (isinstance(structure, tuple) and all(map(is_plain, structure)))


def unordered(structure: Structure) -> Any:
    """What two structures have in common that differ in the order of keys alone."""
    if isinstance(structure, int):
        return None
    children = [unordered(s) for s in children_of(structure)]
    if isinstance(structure, tuple):
        return tuple(children)
    return structure.kind, frozenset(zip(steps_of(structure), children, strict=True))


def _step(parent: tuple[Structure, ...] | Branch, step: Any) -> str:
    """A step into a tree as Python writes it."""
    if isinstance(parent, Branch) and parent.kind not in (dict, list):
        return f".{step}"
    return f"[{written_key(step)}]"


def written_key(key: Any) -> str:
    """A key as Python writes it, in double quotes."""
    return json.dumps(key, ensure_ascii=not key.isprintable()) if isinstance(key, str) else repr(key)


def _walk(structure: Structure, place: str, tags: tuple[str, ...]) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    if isinstance(structure, int):
        yield structure, place, tags
        return
    for step, child in zip(steps_of(structure), children_of(structure), strict=True):
        yield from _walk(child, place + _step(structure, step), (*tags, re.sub(_OTHER, "_", str(step))))


@dataclass(frozen=True)
class Tree:
    """What a parameter takes that is no number or array: its name, and the structure of its leaves from 0 on."""

    name: str
    structure: Structure

    @cached_property
    def count(self) -> int:
        """The number of leaves."""
        return len(leaves_of(self.structure))

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The leaves as a person writes them: ``params["W"]``."""
        return tuple(place for _, place, _ in _walk(self.structure, self.name, ()))

    @cached_property
    def tags(self) -> tuple[tuple[str, ...], ...]:
        """For each leaf the keys that lead to it, with letters, digits and _ only."""
        return tuple(tags for _, _, tags in _walk(self.structure, self.name, ()))

    def part(self, text: str) -> tuple[Structure, str] | None:
        """The part that a text such as ``params[0]["W"]`` leads to, and the rest of the text behind a leaf.

        None where it is about something else than this tree.

        Raises
        ------
        CallError
            For a key that there is not.
        """
        head = re.match(r"\s*(\w+)\s*", text)
        if head is None or head[1] != self.name:
            return None
        at, structure, place = head.end(), self.structure, self.name
        while at < len(text) and not isinstance(structure, int):
            found = _STEP.match(text, at)
            if found is None:
                return None
            step: Any = found[2] if found[2] is not None else _literal(found[1])
            steps = steps_of(structure)
            if isinstance(steps, range) and isinstance(step, int) and step < 0:
                step += len(steps)
            if step not in steps:
                raise _no_such_part(place, structure, step)
            place += _step(structure, step)
            structure, at = children_of(structure)[list(steps).index(step)], found.end()
        return structure, text[at:].strip()

    def take(self, value: Any, flat: list[Any]) -> None:
        """Append the leaves of a value.

        Raises
        ------
        CallError
            Where it has another structure.
        """
        if not self._loosely(value, flat):
            raise misfit(self.structure, value, self.name)

    def fits(self, value: Any, flat: list[Any]) -> bool:
        """As `take`, where a value has exactly this structure, which is seen at once."""
        return self._exactly(value, flat)

    @cached_property
    def _loosely(self) -> Taker:
        return taker(self.structure, False)

    @cached_property
    def _exactly(self) -> Taker:
        return taker(self.structure, True)

    def __str__(self) -> str:
        return self.name


def _literal(text: str) -> str | int:
    """A key as it is written."""
    if text[0] not in "\"'":
        return int(text)
    inner = text[1:-1] if text[0] == '"' else text[1:-1].replace("\\'", "'").replace('"', '\\"')
    try:
        return str(json.loads(f'"{inner}"', strict=False))
    except ValueError:
        return inner


Taker = Callable[[Any, list[Any]], bool]
"""It appends the leaves of a value, and says whether the value has the structure."""


def taker(structure: Structure, exactly: bool) -> Taker:
    """What takes values of a structure apart, a list for a tuple and the other way round, too.

    Where it is to be done `exactly`, it has the structure that `read_tree` finds, but for the order of keys; False also
    where that takes longer to say: for leaves other than numbers and NumPy's arrays.
    """
    if isinstance(structure, int):
        return _one_leaf(exactly)
    children, keys = children_of(structure), steps_of(structure)
    inner = [None if isinstance(child, int) else taker(child, exactly) for child in children]
    kind = tuple if isinstance(structure, tuple) else structure.kind
    count, leaves_only = len(children), not any(inner)

    def parts_of(value: Any) -> Any:
        """The children of a value; None where it is of another kind."""
        own = type(value)
        if own is not kind and (exactly or not _like(value, kind, keys)):
            return None
        if len(value) != count:
            return None
        if kind is dict:
            try:
                return [value[key] for key in keys]
            except KeyError:
                return None
        if exactly and (kind is list or kind is tuple) and set(map(type, value)) <= _NUMBERS:
            return None
        return value

    def take(value: Any, flat: list[Any]) -> bool:
        parts = parts_of(value)
        if parts is None:
            return False
        if leaves_only:
            kinds = set(map(type, parts))
            flat += parts
            return kinds <= _LEAVES or not (exactly or dict in kinds)
        for part, deeper in zip(parts, inner, strict=True):
            if deeper is not None:
                if not deeper(part, flat):
                    return False
            elif type(part) in _LEAVES or not (exactly or isinstance(part, dict)):
                flat.append(part)
            else:
                return False
        return True

    return take


def _one_leaf(exactly: bool) -> Taker:
    def take(value: Any, flat: list[Any]) -> bool:
        flat.append(value)
        return type(value) in _LEAVES or not (exactly or isinstance(value, dict))

    return take


def _like(value: Any, kind: type, keys: Sequence[Any]) -> bool:
    """Whether a value can be taken for one of a kind."""
    if kind is dict:
        return isinstance(value, dict)
    if kind is list or kind is tuple:
        return isinstance(value, list | tuple)
    return getattr(value, "_fields", None) == keys


def _called(kind: type) -> str:
    return kind.__name__ if kind in (dict, list, tuple) else f"named tuple {kind.__name__}"


def misfit(structure: Structure, value: Any, place: str) -> CallError:
    """The error for a value of another structure: which key is missing or too much."""
    if isinstance(structure, int):
        return CallError(f"{place} got a {_called(type(value))}, and is a number or an array", hint=_keys(value))
    kind = tuple if isinstance(structure, tuple) else structure.kind
    steps = steps_of(structure)
    wanted = "list" if kind is list else "tuple" if kind is tuple else _called(kind)
    if kind is dict:
        if not isinstance(value, dict):
            return CallError(f"{place} is a dict, {_given(value)} was given", hint=f"its keys are {_listed(steps)}")
        missing = [k for k in steps if k not in value]
        surplus = [k for k in value if k not in steps]
        told = [f"{_listed(keys)} is {what}" for keys, what in ((missing, "missing"), (surplus, "too much")) if keys]
        if told:
            near = nearest(str(surplus[0]), [str(k) for k in missing or steps]) if surplus else ""
            return CallError(f"{place}: {' and '.join(told)}", hint=near or f"its keys are {_listed(steps)}")
        parts = [value[k] for k in steps]
    elif not isinstance(value, list | tuple):
        return CallError(f"{place} is a {wanted} of {len(steps)}, {_given(value)} was given")
    elif kind not in (list, tuple) and getattr(value, "_fields", None) != tuple(steps):
        return CallError(f"{place} is a {wanted} with the fields {', '.join(steps)}, {_given(value)} was given")
    elif len(value) != len(steps):
        return CallError(f"{place} is a {wanted} of {len(steps)} entries, one of {len(value)} was given")
    else:
        parts = list(value)
    for step, child, part in zip(steps, children_of(structure), parts, strict=True):
        if not taker(child, False)(part, []):
            return misfit(child, part, place + _step(structure, step))
    raise AssertionError("it fits")


def _given(value: Any) -> str:
    """A value in words."""
    if value is None:
        return "None"
    if not hasattr(type(value), "_fields"):
        shape = getattr(value, "shape", None)
        return f"an array of shape {shape}" if isinstance(shape, tuple) and shape else f"a {type(value).__name__}"
    return f"a {_called(type(value))}"


def _keys(value: Any) -> str:
    return f"its keys are {_listed(list(value))}" if isinstance(value, dict) and value else ""


def _listed(keys: Sequence[Any]) -> str:
    shown = [written_key(k) for k in keys[:SHOWN_LEAVES]]
    return ", ".join(shown) + (", …" if len(keys) > SHOWN_LEAVES else "")


def _no_such_part(place: str, structure: tuple[Structure, ...] | Branch, step: Any) -> CallError:
    steps = steps_of(structure)
    if isinstance(steps, range):
        return CallError(f"{place} has no entry {step!r}", hint=f"it has {len(steps)} entries")
    near = nearest(str(step), [str(k) for k in steps])
    what = "key" if isinstance(structure, Branch) and structure.kind is dict else "field"
    return CallError(f"{place} has no {what} {_listed([step])}", hint=near or f"it has {_listed(list(steps))}")


Where = str | tuple["Where", Any]
"""The name of a parameter, or a place in it and a step from there; it is written out in errors only."""


def _place(where: Where) -> str:
    steps: list[str] = []
    while not isinstance(where, str):
        where, step = where
        steps.append(step if isinstance(step, str) else f"[{written_key(step[0])}]")
    return where + "".join(reversed(steps))


def read_tree(value: Any, name: str) -> tuple[Structure, list[Any]] | None:
    """The structure and the leaves of a value; None where it is a number or an array.

    A dict and a named tuple are trees. A list or tuple is one where something in it is an array or a tree: those of
    numbers alone, in each other too, are arrays.

    Raises
    ------
    CallError
        For a dict without entries, keys that are neither texts nor integers, and too many trees in each other.
    """
    kind = type(value)
    if not isinstance(value, dict | list | tuple) or (kind in (list, tuple) and set(map(type, value)) <= _NUMBERS):
        return None
    leaves: list[Any] = []
    structure, _ = _read(value, name, leaves, DEEPEST)
    return None if isinstance(structure, int) else (structure, leaves)


def _read(value: Any, where: Where, leaves: list[Any], depth: int) -> tuple[Structure, bool]:
    """The structure of a value, and whether it is made of numbers alone."""
    kind = type(value)
    if not isinstance(value, dict | list | tuple):
        leaves.append(value)
        return len(leaves) - 1, is_number(value)
    if depth == 0:
        raise too_deep(where)
    if isinstance(value, dict):
        keys = keys_of(value, where)
        return Branch(
            dict, keys, tuple([_read(v, (where, (k,)), leaves, depth - 1)[0] for k, v in value.items()])
        ), False
    if isinstance(value, tuple) and (fields := fields_of(kind, where)) is not None:
        parts = [_read(v, (where, f".{n}"), leaves, depth - 1)[0] for n, v in zip(fields, value, strict=True)]
        return Branch(kind, fields, tuple(parts)), False
    start = len(leaves)
    if not set(map(type, value)) <= _NUMBERS:
        found = [_read(v, (where, (k,)), leaves, depth - 1) for k, v in enumerate(value)]
        if not all(plain for _, plain in found):
            children = tuple([s for s, _ in found])
            return (children if isinstance(value, tuple) else Branch(list, (), children)), False
        del leaves[start:]
    leaves.append(value)
    return start, True


def is_number(leaf: Any) -> bool:
    """Whether a leaf of a tree has no axes, and is no array."""
    kind = type(leaf)
    if kind in _NUMBERS:
        return True
    return not isinstance(leaf, np.ndarray | list | tuple) and not getattr(leaf, "shape", ())


def too_deep(where: Where) -> CallError:
    """The error for too many trees in each other."""
    text = _place(where)
    text = text if len(text) <= SHOWN_PLACE else text[:SHOWN_PLACE] + "…"
    return CallError(f"{text}: more than {DEEPEST} lists, tuples and dicts in each other")


def keys_of(value: dict[Any, Any], where: Where) -> tuple[str | int, ...]:
    """The keys of a dict that is part of a tree.

    Raises
    ------
    CallError
        Where there are none, or one is neither a text nor an integer.
    """
    if not value:
        raise CallError(f"{_place(where)} is empty", hint="a tree has at least one number or array")
    for key in value:
        if isinstance(key, bool) or not isinstance(key, str | int | np.integer):
            raise CallError(
                f"{_place(where)} has the key {key!r} of type {type(key).__name__}",
                hint="the keys of a tree are texts or integers",
            )
    return tuple([str(k) if isinstance(k, str) else int(k) for k in value])


def fields_of(kind: type, where: Where) -> tuple[str, ...] | None:
    """The fields of a class of named tuples; None for another class.

    Raises
    ------
    CallError
        Where there are none.
    """
    fields: tuple[str, ...] | None = getattr(kind, "_fields", None)
    if fields == ():
        raise CallError(f"{_place(where)} is empty", hint="a tree has at least one number or array")
    return fields
