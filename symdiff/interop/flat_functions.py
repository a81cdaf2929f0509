"""Functions as other libraries see them: arrays in, arrays out, and what a derivative takes in an order of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.functions.build import function
from symdiff.functions.compiled import CompiledFunction
from symdiff.functions.function import Function
from symdiff.functions.products import jvp, vjp
from symdiff.functions.tree_arguments import TreeBinder
from symdiff.signature import Argument
from symdiff.trees import Structure, arrange, children_of, read_tree, steps_of
from symdiff.types import fixed

KEPT = 512
"""So many functions of known shapes, with their derivatives, are kept."""


def function_of(source: Any) -> Function:
    """The function of anything that `function` takes, and of compiled code.

    Raises
    ------
    ArgumentError
        For what is no function.
    """
    if isinstance(source, Function):
        return source
    if isinstance(source, CompiledFunction):
        if source.origin is None:
            raise ArgumentError(f"the formula of {source.__name__} is not known", hint="give the function itself")
        return source.origin[0]
    return function(source)


class FlatFunction:
    """A function of known shapes that takes an array for each argument and gives a tuple of arrays.

    Attributes
    ----------
    function : what is called; its arguments may be in another order.
    arguments : those of this function: inputs first, then tangents or cotangents.
    binder : takes the values of a call apart.
    order : which argument each one of `function` is.
    shapes, results : the shapes of arguments and of results, without batch axes.
    conditions : which results are conditions, which have no derivative.
    dtype : what it computes in.
    """

    def __init__(self, made: Function, arguments: Sequence[Argument] | None = None) -> None:
        self.arguments = made.arguments if arguments is None else tuple(arguments)
        self.binder = TreeBinder(made.__name__, made.arguments, made._ordered)
        self.function = made if made._ordered else made._with_arguments(made.arguments)
        place = {a: k for k, a in enumerate(self.arguments)}
        self.order = [place[a] for a in made.arguments]
        self._call = self.function._flat_call()
        self.shapes = tuple([fixed(a.shape) for a in self.arguments])
        self.results = tuple([fixed(t.shape) for t in made.types])
        self.conditions = tuple([t.is_condition for t in made.types])
        self.dtype = np.dtype(made.graph.dtype)
        self.jvp, self.vjp = lru_cache(self._jvp), lru_cache(self._vjp)
        self._along: tuple[FlatFunction, tuple[int, ...]] | None = None

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """The results, with the batch axes of all values broadcast together."""
        found = self._call(*[values[k] for k in self.order])
        structure = self.function._structure
        flat: list[Any] = [None] * len(self.results)
        _take(structure, found, flat)
        return flat

    def __repr__(self) -> str:
        return self.function.__name__

    def _jvp(self, by: tuple[int, ...]) -> FlatFunction:
        """The derivatives of the results, conditions aside, along tangents of arguments, which follow the others."""
        made = self._extended(jvp(self._numbers(), self._targets(by)))
        made._along = self, by
        return made

    def _vjp(self, by: tuple[int, ...]) -> FlatFunction:
        """The derivatives by arguments, as `_jvp` has them, times cotangents, which follow the others."""
        return self._extended(vjp(self._numbers(), self._targets(by)))

    def transposed(self, by: tuple[int, ...]) -> tuple[FlatFunction, int]:
        """Of one that is linear in the arguments `by`: the products of cotangents with the matrix.

        They follow the first arguments, whose number is the second result; these may be all, though the values of
        linear ones do not matter.
        """
        if self._along is not None:
            base, along = self._along
            count = len(base.arguments)
            if all(k >= count for k in by):
                return base.vjp(tuple([along[k - count] for k in by])), count
        return self.vjp(by), len(self.arguments)

    def _numbers(self) -> Function:
        """The function without the results that are conditions."""
        if not any(self.conditions):
            return self.function
        pairs = [p for p, c in zip(self.function._output_pairs(), self.conditions, strict=True) if not c]
        return self.function._with_outputs(self.function.__name__, pairs, tuple(range(len(pairs))))

    def _targets(self, by: tuple[int, ...]) -> tuple[Any, ...]:
        listed = [self.arguments[k] for k in by]
        return tuple([a.name if a.members is None else list(a.members) for a in listed])

    def _extended(self, made: Function) -> FlatFunction:
        """A product with derivatives, with its own arguments after those of this function."""
        known = set(self.arguments)
        return FlatFunction(made, [*self.arguments, *(a for a in made.arguments if a not in known)])


@lru_cache(maxsize=KEPT)
def flat(made: Function) -> FlatFunction:
    """The same function of known shapes with arrays in a row, made once."""
    return FlatFunction(made)


def for_call(made: Function, args: tuple[Any, ...], keywords: dict[str, Any]) -> FlatFunction:
    """The function for the shapes of a call, whose values may be arrays of any library."""
    if made._cases is not None:
        made = made.specialize(*map(_stand_in, args), **{k: _stand_in(v) for k, v in keywords.items()})
    return flat(made)


def _stand_in(value: Any) -> Any:
    """A value with arrays of NumPy in the places of others, of the same shapes, in which nothing stands."""
    found = read_tree(value, "a value")
    if found is None:
        shape = getattr(value, "shape", None)
        return value if shape is None else np.broadcast_to(0.0, tuple(shape))
    structure, leaves = found
    return arrange(structure, [_stand_in(v) for v in leaves])


def _take(structure: Structure, value: Any, into: list[Any]) -> None:
    """Put the leaves of a result in the order of the outputs."""
    if isinstance(structure, int):
        into[structure] = value
        return
    named = not isinstance(structure, tuple) and structure.kind not in (dict, list)
    for step, child in zip(steps_of(structure), children_of(structure), strict=True):
        _take(child, getattr(value, step) if named else value[step], into)
