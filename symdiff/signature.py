"""What a function takes: its arguments in call order, each a tensor or a vector packed of scalars.

A parameter that takes a tree has one argument for each leaf, which says its place in the tree.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import field

from symdiff.dataclass import dataclass
from symdiff.trees import SHOWN_LEAVES, Tree, arrange, written_key
from symdiff.types import FLOAT64, Dim, Shape, TensorType, fixed, show, tensor


@dataclass(frozen=True, slots=True)
class TreePlace:
    """Which leaf of a tree an argument is."""

    tree: Tree
    index: int


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a function.

    `members` are the names of the scalars that a packed vector (or array, in C order) is made of; None where it is no
    pack.
    A pack that nobody named is called by its members' names joined, and is then `anonymous`: it has no keyword.
    `deferred` is one whose shape nobody declared and that of the value at each call is.
    `place` says which leaf it is of the tree that a parameter takes.
    """

    name: str
    shape: Shape = ()
    members: tuple[str, ...] | None = None
    anonymous: bool = False
    deferred: bool = False
    place: TreePlace | None = field(default=None, hash=False)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the inputs that it gives values to: its own, or the members of a pack."""
        return (self.name,) if self.members is None else self.members

    @property
    def places(self) -> list[tuple[int, ...]]:
        """Where each member of a pack stands in the value."""
        return list(itertools.product(*map(range, fixed(self.shape))))

    def type(self, dtype: str = FLOAT64) -> TensorType:
        """The type of the value that a caller passes."""
        return tensor(dtype, self.shape)

    @property
    def is_open(self) -> bool:
        """Whether a call fixes its shape."""
        return self.deferred or any(isinstance(n, Dim) for n in self.shape)

    @property
    def written(self) -> str:
        """The argument as a person knows it: a leaf as in ``params["W"][3, 4]``."""
        if self.place is None:
            return str(self)
        return self.place.tree.places[self.place.index] + _brackets(self.shape)

    def __str__(self) -> str:
        if self.members is not None:
            return "[" + ", ".join(self.members) + "]"
        return self.name + _brackets(self.shape)


def _brackets(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]" if shape else ""


def pack(members: tuple[str, ...], name: str | None = None, shape: Shape | None = None) -> Argument:
    """The argument packed of the scalars `members`: a vector, or an array of another shape in C order."""
    shape = (len(members),) if shape is None else shape
    return Argument(name or "_".join(members) or "empty", shape, members, anonymous=name is None)


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a caller passes one value for: an argument, or the arguments that are the leaves of a tree."""

    name: str
    start: int
    arguments: tuple[Argument, ...]
    tree: Tree | None = None

    def __str__(self) -> str:
        if self.tree is None:
            return str(self.arguments[0])
        if len(self.arguments) > SHOWN_LEAVES:
            return f"{self.name}={{{len(self.arguments)} arrays}}"
        return f"{self.name}={_shown(arrange(self.tree.structure, self.arguments))}"


def _shown(part: object) -> str:
    """A tree of arguments as a person would declare it."""
    if isinstance(part, Argument):
        return "…" if part.deferred else show(part.shape)
    if isinstance(part, dict):
        return "{" + ", ".join(f"{written_key(k)}: {_shown(v)}" for k, v in part.items()) + "}"
    assert isinstance(part, list | tuple)
    inner = ", ".join(map(_shown, part))
    return f"[{inner}]" if isinstance(part, list) else f"({inner}{',' * (len(part) == 1)})"


def parameters_of(arguments: Sequence[Argument]) -> list[Parameter]:
    """The parameters whose values give those of the arguments; leaves that are not a whole tree stand alone."""
    found: list[Parameter] = []
    k = 0
    while k < len(arguments):
        place = arguments[k].place
        count = 1 if place is None or place.index else place.tree.count
        part = tuple(arguments[k : k + count])
        tree = None if place is None else place.tree
        places = [a.place for a in part]
        if tree is not None and places == [TreePlace(tree, i) for i in range(tree.count)]:
            found.append(Parameter(tree.name, k, part, tree))
        else:
            part = part[:1]
            found.append(Parameter(part[0].name, k, part))
        k += len(part)
    return found


def listed_parameters(arguments: Sequence[Argument]) -> str:
    """The parameters as they are shown to a person."""
    return ", ".join(map(str, parameters_of(arguments) if any(a.place for a in arguments) else arguments))
