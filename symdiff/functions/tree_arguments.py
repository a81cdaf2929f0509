"""Parameters that take trees: the arguments of their leaves, what is declared for them, and the values of a call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError, CallError, SymdiffError, UnknownNameError
from symdiff.frontend.expr import Expr
from symdiff.frontend.given import as_shape, checked_name
from symdiff.functions.binder import Binder
from symdiff.signature import Argument, TreePlace, parameters_of
from symdiff.trees import DEEPEST, Branch, Structure, Tree, Where, fields_of, from_zero, keys_of, leaves_of, too_deep
from symdiff.types import FLOAT64, Dim, Shape

LONGEST_NAME = 64
"""Leaves whose keys joined have more characters are counted instead."""

OPTIONS = ("out", "where")


def free_name(base: str, taken: Collection[str]) -> str:
    """`base`, or where that is taken the first of `base_2`, `base_3`, … that is not."""
    found, count = base, 1
    while found in taken:
        count += 1
        found = f"{base}_{count}"
    return found


def leaf_arguments(tree: Tree, shapes: Sequence[Shape | None], taken: set[str]) -> list[Argument]:
    """The arguments of the leaves, with names that are not in `taken`, where they are noted.

    Their names are the keys that lead to them, joined. A shape of None is that of the value at each call.
    """
    found = []
    for k, (tags, shape) in enumerate(zip(tree.tags, shapes, strict=True)):
        name = "_".join([tree.name, *tags])
        try:
            name = checked_name(name if len(name) <= LONGEST_NAME else f"{tree.name}_{k}")
        except SymdiffError:  # letters that the language does not have
            name = f"{tree.name}_{k}"
        name = free_name(name, taken)
        taken.add(name)
        found.append(Argument(name, shape or (), deferred=shape is None, place=TreePlace(tree, k)))
    return found


def with_trees(
    arguments: Sequence[Argument],
    trees: Mapping[str, tuple[Structure, Sequence[Shape | None]]],
    also: Iterable[str] = (),
) -> tuple[Argument, ...]:
    """The arguments with those of leaves in the places of the ones that `trees` names; `also` are names to avoid."""
    taken = {n for a in arguments for n in (a.name, *a.inputs)} | set(also)
    found: list[Argument] = []
    for argument in arguments:
        if argument.name in trees:
            structure, shapes = trees[argument.name]
            found += leaf_arguments(Tree(argument.name, structure), shapes, taken)
        else:
            found.append(argument)
    return tuple(found)


def declared_tree(given: Any, name: str) -> tuple[Structure, list[Shape]] | None:
    """The structure that is declared for a parameter, and the shapes of its leaves; None for one array or number.

    A dict and a named tuple are declared as such; a list or a tuple is a tree where an entry is a shape in brackets, an
    array or a tree. Arrays and numbers of floating point stand for their shapes.

    Raises
    ------
    ArgumentError
        For what is no shape.
    CallError
        For a dict without entries, keys that are neither texts nor integers, and too many trees in each other.
    """
    if not _is_tree(given):
        return None
    shapes: list[Shape] = []
    return _declared(given, name, shapes, DEEPEST), shapes


def declared_shape(given: Any) -> Shape:
    """The shape that is declared by itself, or by an array that has it."""
    return tuple(given.shape) if isinstance(given, np.ndarray | Expr) else as_shape(given)


def _is_tree(given: Any) -> bool:
    if isinstance(given, tuple) and not hasattr(type(given), "_fields"):
        return any(not isinstance(part, str | int | np.integer | Dim) for part in given)
    return isinstance(given, dict | tuple) or (
        isinstance(given, list) and any(isinstance(part, dict | list | tuple | np.ndarray) for part in given)
    )


def _declared(given: Any, where: Where, shapes: list[Shape], depth: int) -> Structure:
    if not _is_tree(given):
        shapes.append(() if isinstance(given, float | np.floating) else declared_shape(given))
        return len(shapes) - 1
    if depth == 0:
        raise too_deep(where)
    if isinstance(given, dict):
        keys = keys_of(given, where)
        children = [_declared(v, (where, (k,)), shapes, depth - 1) for k, v in given.items()]
        return Branch(dict, keys, tuple(children))
    fields = fields_of(type(given), where) if isinstance(given, tuple) else None
    if fields is not None:
        children = [_declared(v, (where, f".{n}"), shapes, depth - 1) for n, v in zip(fields, given, strict=True)]
        return Branch(type(given), fields, tuple(children))
    children = [_declared(v, (where, (k,)), shapes, depth - 1) for k, v in enumerate(given)]
    return tuple(children) if isinstance(given, tuple) else Branch(list, (), tuple(children))


def tree_part(arguments: Sequence[Argument], item: Any) -> tuple[Structure, list[int], str] | None:
    """The part of a tree that a text names: its structure, the positions of its arguments, and what follows a leaf.

    None where it names no tree and no part of one.

    Raises
    ------
    UnknownNameError
        For a key that there is not.
    """
    if not isinstance(item, str) or not any(a.place for a in arguments):
        return None
    for parameter in parameters_of(arguments):
        if parameter.tree is None:
            continue
        try:
            found = parameter.tree.part(item)
        except CallError as error:
            raise UnknownNameError(error.message, hint=error.hint) from None
        if found is not None:
            structure, rest = found
            return from_zero(structure), [parameter.start + k for k in leaves_of(structure)], rest
    return None


class TreeBinder:
    """Puts values in the order of the parameters and takes trees apart."""

    def __init__(self, name: str, arguments: Sequence[Argument], ordered: bool) -> None:
        self.parameters = parameters_of(arguments)
        listed = [p.arguments[0] if p.tree is None else Argument(p.name) for p in self.parameters]
        self.name, self.binder = name, Binder(name, listed, ordered, FLOAT64)
        self._trees = [p.tree for p in self.parameters]

    def flat(self, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> list[Any]:
        """The values of all arguments in call order.

        Raises
        ------
        CallError
            As `Binder.order`, and for a tree of another structure.
        """
        flat: list[Any] = []
        whole = len(args) == len(self._trees) and not keywords and self.binder.ordered
        for tree, value in zip(self._trees, args if whole else self.binder.order(args, keywords), strict=True):
            if tree is None:
                flat.append(value)
            else:
                try:
                    tree.take(value, flat)
                except CallError as error:
                    if isinstance(value, Expr) and value.graph.unshaped is not None:  # what may be a tree
                        value.graph.unshaped.check(value.graph, [value.node], f"{self.name} of a name")
                    raise CallError(f"{self.name}: {error.message}", hint=error.hint) from None
        return flat

    def calling(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """What calls `call`, which takes the values of all arguments, with trees."""

        def called(*args: Any, **keywords: Any) -> Any:
            if not keywords:
                return call(*self.flat(args, keywords))
            options = {k: keywords.pop(k) for k in OPTIONS if k in keywords and k not in self.binder.keywords}
            return call(*self.flat(args, keywords), **options)

        return called


def refuse_trees(arguments: Sequence[Argument], source: Any) -> None:
    """Refuse trees for a source that has no such parameter: texts have none.

    Raises
    ------
    ArgumentError
        Where one is declared.
    """
    for tree in dict.fromkeys(a.place.tree for a in arguments if a.place is not None):
        if tree.name in _trees_of(source):
            continue
        raise ArgumentError(
            f"{tree.name} is declared as a tree, which a Python function takes",
            hint="in a text each array has a name of its own",
        )


def _trees_of(source: Any) -> set[str]:
    """The names of the parameters that take trees, of a function or of several."""
    parts = source.values() if isinstance(source, dict) else source if isinstance(source, list | tuple) else None
    if parts is not None:
        return set().union(*(_trees_of(part) for part in parts))
    return {a.place.tree.name for a in getattr(source, "arguments", ()) if a.place is not None}
