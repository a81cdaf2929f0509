"""Trees as data that JSON can hold, and back: the structures of results, and of what parameters take."""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from symdiff.content import integer, items, refuse, word
from symdiff.signature import Argument, TreePlace, parameters_of
from symdiff.trees import Branch, Structure, Tree, children_of, leaves_of

OPEN, CLOSE = -1, -2
"""Where a tuple begins, and where a tuple, list or dict ends."""

DEEPEST_SAVED = 100
"""So many of them may stand in each other."""


def write_structure(structure: Structure) -> list[Any]:
    """A structure as a flat list: indices, and marks where a tuple, list or dict begins and ends."""
    tokens: list[Any] = []
    stack: list[Structure | None] = [structure]
    while stack:
        at = stack.pop()
        if at is None:
            tokens.append(CLOSE)
        elif isinstance(at, int):
            tokens.append(at)
        else:
            tokens.append(OPEN if isinstance(at, tuple) else _head(at))
            stack += [None, *children_of(at)[::-1]]
    return tokens


def _head(branch: Branch) -> list[Any]:
    if branch.kind in (list, dict):
        return [branch.kind.__name__, *branch.keys]
    return ["tuple", branch.kind.__name__, *branch.keys]


def read_structure(tokens: Any, count: int, what: str) -> Structure:
    """The structure of `count` values that `write_structure` wrote.

    Raises
    ------
    StorageError
        For anything that it does not write.
    """
    kinds: list[Any] = []
    parts: list[list[Structure]] = [[]]
    for token in items(tokens, what):
        if (token == OPEN and type(token) is int) or type(token) is list:
            if len(parts) > DEEPEST_SAVED:
                raise refuse(f"{what} is too deep")
            kinds.append(token)
            parts.append([])
        elif token == CLOSE and type(token) is int and kinds:
            closed, head = tuple(parts.pop()), kinds.pop()
            parts[-1].append(closed if head == OPEN else _branch(head, closed, what))
        else:
            parts[-1].append(integer(token, 0, count - 1, what))
    if len(parts) != 1 or len(parts[0]) != 1:
        raise refuse(f"{what} is not one")
    return parts[0][0]


def _branch(head: list[Any], children: tuple[Structure, ...], what: str) -> Branch:
    kind, keys = (head[0], head[1:]) if head else ("", [])
    if kind == "list" and not keys:
        return Branch(list, (), children)
    if kind == "dict" and all(type(k) in (str, int) for k in keys) and len(set(keys)) == len(keys) == len(children):
        return Branch(dict, tuple(keys), children)
    if kind == "tuple" and len(keys) == len(children) + 1 and all(type(k) is str for k in keys):
        title, *fields = [word(k, what) for k in keys]
        return Branch(_named(title, tuple(fields)), tuple(fields), children)
    raise refuse(f"{what} has a part of an unknown kind")


@functools.lru_cache(maxsize=256)
def _named(title: str, fields: tuple[str, ...]) -> Any:
    """A class of named tuples, in the place of the one that the writer had."""
    try:
        return namedtuple(title, fields)
    except ValueError as error:
        raise refuse(str(error)) from None


def write_trees(arguments: Sequence[Argument]) -> list[Any]:
    """The trees that parameters take: at which argument each begins, its name and its structure."""
    found = [p for p in parameters_of(arguments) if p.tree is not None]
    return [[p.start, p.name, write_structure(p.tree.structure)] for p in found if p.tree is not None]


def read_trees(entries: Any, arguments: Sequence[Argument]) -> tuple[Argument, ...]:
    """The arguments, which know the trees that `write_trees` wrote.

    Raises
    ------
    StorageError
        For anything that it does not write.
    """
    found = list(arguments)
    for entry in items(entries, "the trees"):
        start, title, tokens = items(entry, "a tree", 3)
        start = integer(start, 0, len(found) - 1, "a tree")
        structure = read_structure(tokens, len(found) - start, "a tree")
        tree = Tree(word(title, "a tree"), structure)
        if isinstance(structure, int) or not tree.count or leaves_of(structure) != list(range(tree.count)):
            raise refuse("a tree has other leaves than arguments")
        for k in range(tree.count):
            argument = found[start + k]
            if argument.members is not None or argument.place is not None:
                raise refuse("an argument is no leaf of a tree")
            found[start + k] = replace(argument, place=TreePlace(tree, k))
    names = [p.name for p in parameters_of(found)]
    if len(set(names)) != len(names):
        raise refuse("a parameter is given twice")
    return tuple(found)
