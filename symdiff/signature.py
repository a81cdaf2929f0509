"""What a function takes: its arguments in call order, each a tensor or a vector packed of scalars."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from symdiff.types import FLOAT64, Shape, TensorType, fixed, tensor


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a function.

    `members` are the names of the scalars that a packed vector (or array, in C order) is made of; None where it is no
    pack.
    A pack that nobody named is called by its members' names joined, and is then `anonymous`: it has no keyword.
    `deferred` is one whose shape nobody declared and that of the value at each call is.
    """

    name: str
    shape: Shape = ()
    members: tuple[str, ...] | None = None
    anonymous: bool = False
    deferred: bool = False

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

    def __str__(self) -> str:
        if self.members is not None:
            return "[" + ", ".join(self.members) + "]"
        return self.name + (f"[{', '.join(map(str, self.shape))}]" if self.shape else "")


def pack(members: tuple[str, ...], name: str | None = None, shape: Shape | None = None) -> Argument:
    """The argument packed of the scalars `members`: a vector, or an array of another shape in C order."""
    shape = (len(members),) if shape is None else shape
    return Argument(name or "_".join(members) or "empty", shape, members, anonymous=name is None)
