"""A function with sizes by name for all of them at once: what is wrong whatever they are, what it prints, its shapes.

The formula is made with sizes that are no numbers (`symdiff.sizes`), and never compiled: code is made for the sizes of
calls. What was assumed of the sizes on the way is known, so what holds for all of them is told from what does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from symdiff.dataclass import dataclass
from symdiff.errors import LimitError, Open, ShapeError, SymdiffError
from symdiff.functions.specialize import named_sizes, substitute
from symdiff.signature import Argument
from symdiff.sizes import WrittenSizes, is_open
from symdiff.types import Dim, Shape

if TYPE_CHECKING:
    from symdiff.functions.function import Function

EXAMPLES = (17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61)
"""Sizes that stand for those with names, where a decision has to be made: all different."""

LEAST = 2
"""Axes of one element broadcast: what is made for all sizes is made for those from this on."""

Shapes = Mapping[str, Shape]


@dataclass(frozen=True)
class OpenCase:
    """The function for all sizes; `exact` says that it has no number in it that is a size of the example."""

    function: Function
    sizes: WrittenSizes
    exact: bool

    def transformed(self, transform: Callable[[Function], Function]) -> OpenCase | None:
        """A transform of it; None where that is not possible for these sizes, and may be for others.

        Raises
        ------
        SymdiffError
            For what is wrong whatever the sizes are.
        """
        self.sizes.forget()
        try:
            made = transform(self.function)
        except ShapeError:
            return None
        return OpenCase(made, self.sizes, self.exact and not self.sizes.fixed)

    def shapes(self) -> list[Shape | None]:
        """The shapes of the outputs with sizes by name; None for those that are none of them."""
        return [self._named(type_.shape) if self.exact else None for type_ in self.function.types]

    def _named(self, shape: Shape) -> Shape | None:
        found: list[int | Dim] = []
        size: Any
        for size in shape:
            if not is_open(size):
                found.append(size)
                continue
            if len(size.terms) != 1 or size.terms[0][1] != 1 or len(size.terms[0][0]) != 1:
                return None
            found.append(Dim(size.terms[0][0][0]))
        return tuple(found)


@overload
def open_case(arguments: Sequence[Argument], build: Callable[[Shapes], Function]) -> OpenCase | None: ...


@overload
def open_case(arguments: Sequence[Argument], build: Callable[[Shapes], Function | Open]) -> OpenCase | Open | None: ...


def open_case(arguments: Sequence[Argument], build: Callable[[Shapes], Function | Open]) -> OpenCase | Open | None:
    """The function for all sizes, which `build` makes for shapes; None where arguments have no shapes yet.

    It is `Open` where it depends on shapes that nobody declared.

    Raises
    ------
    SymdiffError
        For what is wrong whatever the sizes are.
    """
    names = named_sizes(a.shape for a in arguments)
    if not names or len(names) > len(EXAMPLES) or any(a.deferred for a in arguments):
        return None
    sizes = WrittenSizes(dict(zip(names, EXAMPLES, strict=False)), LEAST)
    try:
        made = build(_shapes(arguments, {n: sizes[n] for n in names}))
    except ShapeError:
        if sizes.facts or not _is_wrong(build, _shapes(arguments, dict.fromkeys(names, 1))):
            return None
        raise
    except LimitError:
        if not _is_wrong(build, _shapes(arguments, dict.fromkeys(names, 1))):
            return None
        raise
    return made if isinstance(made, Open) else OpenCase(made, sizes, not sizes.fixed)


def _shapes(arguments: Sequence[Argument], sizes: Mapping[str, int]) -> dict[str, Shape]:
    return {a.name: substitute(a.shape, sizes) for a in arguments if a.shape and a.members is None}


def _is_wrong(build: Callable[[Shapes], Function | Open], shapes: Shapes) -> bool:
    """Whether nothing is made for some shapes either."""
    try:
        return isinstance(build(shapes), Open)
    except SymdiffError:
        return True
