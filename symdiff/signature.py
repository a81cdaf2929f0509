"""What a function takes: its arguments in call order, each a tensor or a vector packed of scalars."""

from __future__ import annotations

from dataclasses import dataclass

from symdiff.types import FLOAT64, Shape, TensorType, tensor


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a function.

    `members` are the names of the scalars that a packed vector is made of, in order; None where it is not a pack.
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

    def type(self, dtype: str = FLOAT64) -> TensorType:
        """The type of the value that a caller passes."""
        return tensor(dtype, self.shape)

    def __str__(self) -> str:
        if self.members is not None:
            return "[" + ", ".join(self.members) + "]"
        return self.name + (f"[{', '.join(map(str, self.shape))}]" if self.shape else "")


def pack(members: tuple[str, ...], name: str | None = None) -> Argument:
    """The vector argument packed of the scalars `members`."""
    return Argument(name or "_".join(members) or "empty", (len(members),), members, anonymous=name is None)
