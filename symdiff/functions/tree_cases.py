"""Functions of Python code whose parameters take trees that nobody declared: one for the structures of each call."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.errors import CallError
from symdiff.functions.foreign import describe_foreign, is_number_like
from symdiff.functions.specialize import SPECIALIZING
from symdiff.signature import Argument, parameters_of
from symdiff.trees import Structure, Tree, is_number, read_tree, unordered

if TYPE_CHECKING:
    from symdiff.functions.cases import Recipe
    from symdiff.functions.function import Function

KEPT = 64
"""The functions for the structures of so many calls are kept."""


class TreeCase:
    """The function for the structures of a call, and what it takes for each argument of the one that was called.

    Attributes
    ----------
    function : it takes trees.
    call : it takes a value for each leaf.
    arrays : whether there are arrays among the leaves. Then each argument has the shape of its value; where all are
        numbers, arrays for other arguments may be batches of numbers.
    """

    def __init__(self, function: Function, arguments: Sequence[Argument], arrays: bool) -> None:
        self.function, self.call, self.arrays = function, function._flat_call(), arrays
        self.trees: list[Tree | None] = []
        for own, new in zip(parameters_of(arguments), parameters_of(function.arguments), strict=True):
            self.trees += [new.tree if own.tree is None else None] * len(own.arguments)

    def flat(self, values: Sequence[Any]) -> list[Any]:
        """The values, with the leaves in the places of trees.

        Raises
        ------
        CallError
            Where a tree has another structure.
        """
        flat: list[Any] = []
        for tree, value in zip(self.trees, values, strict=True):
            if tree is None:
                flat.append(value)
            else:
                tree.take(value, flat)
        return flat

    def quickly(self, values: Sequence[Any]) -> list[Any] | None:
        """As `flat`; None where the structures are others, or it takes longer to say."""
        flat: list[Any] = []
        arrays = False
        for tree, value in zip(self.trees, values, strict=True):
            if tree is None:
                if isinstance(value, dict | list | tuple):
                    return None
                flat.append(value)
                continue
            start = len(flat)
            if not tree.fits(value, flat):
                return None
            arrays = arrays or np.ndarray in map(type, flat[start:])
        return flat if arrays is self.arrays else None


class TreeCases:
    """The functions for the structures of calls."""

    def __init__(self, name: str, arguments: Sequence[Argument], recipe: Recipe) -> None:
        self.name, self.recipe, self._arguments = name, recipe, tuple(arguments)
        self._open = [(k, a.name) for k, a in enumerate(arguments) if a.deferred]
        self._kept: OrderedDict[Any, TreeCase] = OrderedDict()
        self._last: TreeCase | None = None

    @property
    def cases(self) -> list[TreeCase]:
        """What was made for calls so far, and is kept."""
        return list(self._kept.values())

    def find(self, values: Sequence[Any]) -> tuple[TreeCase, list[Any]] | None:
        """The function for the structures of values, and the values that it takes; None where there are no trees.

        Raises
        ------
        CallError
            For what is no tree, and trees where the function takes none.
        """
        last = self._last
        if last is not None:
            flat = last.quickly(values)
            if flat is not None:
                return last, flat
        trees: dict[str, Structure] = {}
        arrays = False
        for k, name in self._open:
            try:
                found = read_tree(values[k], name)
            except CallError as error:
                raise CallError(f"{self.name}: {error.message}", hint=error.hint) from None
            if found is not None:
                trees[name] = found[0]
                self._check(Tree(name, found[0]), found[1])
                arrays = arrays or any(not is_number(leaf) for leaf in found[1])
        if not trees:
            return None
        case = self._last = self._case(trees, arrays)
        return case, case.flat(values)

    def _check(self, tree: Tree, leaves: Sequence[Any]) -> None:
        """Refuse leaves that are no numbers or arrays before a function is made for them."""
        for place, leaf in zip(tree.places, leaves, strict=True):
            if leaf is None or isinstance(leaf, str | bytes | complex) or not is_number_like(leaf):
                what, hint = describe_foreign(leaf)
                raise CallError(f"{self.name}: {place} got {what}; inputs are real numbers", hint=hint)

    def structured(self, trees: Mapping[str, Structure], arrays: bool) -> Function:
        """The function for structures by the names of parameters; `arrays` says whether arrays are among the leaves."""
        return self._case(trees, arrays).function

    def _case(self, trees: Mapping[str, Structure], arrays: bool) -> TreeCase:
        key = arrays, tuple((name, unordered(structure)) for name, structure in trees.items())
        with SPECIALIZING:
            found = self._kept.get(key)
            if found is None:
                found = TreeCase(self.recipe.structured(trees, arrays), self._arguments, arrays)
                for k, name in self._open:
                    if name in trees and found.trees[k] is None:  # the tangent of an array has no place for a tree
                        raise CallError(f"{self.name}: {name} got a tree, and is one array of numbers")
                self._kept[key] = found
                if len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            else:
                self._kept.move_to_end(key)
            return found
