"""Shapes that only a call fixes: which of a function's are open, what a call binds them to, what was made for it."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from symdiff import locks
from symdiff.errors import ArgumentError, ShapeError
from symdiff.signature import Argument
from symdiff.sizes import sizes_of
from symdiff.types import Dim, Shape, fixed, show

KEPT_BYTES = 2**28
"""The specializations of a function that were used last are kept, as long as all together take about so much memory."""

SPECIALIZING = locks.lock(locks.SPECIALIZING)
"""Held while the function for the shapes of a call is made, so that many threads make it once."""

Sizes = tuple[int, ...]
Key = tuple[Sizes, ...]
"""For each open argument the axes that a call binds: all of a deferred one, the last ones of one with named sizes."""

T = TypeVar("T")


def named_sizes(shapes: Iterable[Shape]) -> list[str]:
    """The names of sizes in shapes, each once, in order."""
    return list(dict.fromkeys(n.name for shape in shapes for n in shape if isinstance(n, Dim)))


def substitute(shape: Shape, sizes: Mapping[str, int]) -> Shape:
    """A shape with numbers for the sizes that are known."""
    return tuple(sizes.get(n.name, n) if isinstance(n, Dim) else n for n in shape)


def match(name: str, arguments: Sequence[Argument], shapes: Mapping[str, Shape]) -> dict[str, int]:
    """What sizes known by name are, where the arguments have `shapes`.

    Raises
    ------
    ShapeError
        Where two axes of one name differ; the message names both arguments and both sizes.
    """
    sizes: dict[str, int] = {}
    owners: dict[str, Argument] = {}
    for argument in arguments:
        for declared, size in zip(argument.shape, fixed(shapes.get(argument.name, ())), strict=False):
            if not isinstance(declared, Dim):
                continue
            known = sizes.setdefault(declared.name, size)
            owner = owners.setdefault(declared.name, argument)
            if known != size:
                raise ShapeError(
                    f"{name}: {declared} is {known} in {owner.written} and {size} in {argument.written}",
                    hint=f"axes called {declared} have one size",
                )
    return sizes


class ShapePattern:
    """The open shapes among a function's arguments.

    Attributes
    ----------
    open : position and number of bound axes of each open argument; None where all its axes are bound.
    """

    def __init__(self, name: str, arguments: Sequence[Argument]) -> None:
        self.name, self.arguments = name, tuple(arguments)
        self.open: list[tuple[int, int | None]] = [
            (k, None if a.deferred else len(a.shape)) for k, a in enumerate(arguments) if a.is_open
        ]
        inputs = {n for a in arguments for n in a.inputs}
        for size in named_sizes(a.shape for a in arguments):
            if size in inputs:
                raise ArgumentError(f"{size} is both an input and a size", hint="rename one of them")

    def key(self, shapes: Sequence[Shape | None]) -> Key:
        """What the shapes of the values, in call order, bind.

        Raises
        ------
        ShapeError
            Where a value has fewer axes than its argument.
        """
        parts = []
        for k, rank in self.open:
            shape = shapes[k]
            assert shape is not None
            if rank is not None:
                if len(shape) < rank:
                    argument = self.arguments[k]
                    raise ShapeError(
                        f"{self.name}: {argument.written} has shape {show(argument.shape)}, "
                        f"the value given has shape {show(shape)}",
                        hint=f"{argument.name} takes an array of {rank} {'axis' if rank == 1 else 'axes'}",
                    )
                shape = shape[len(shape) - rank :]
            parts.append(fixed(shape))
        return tuple(parts)

    def shapes(self, key: Key) -> dict[str, Shape]:
        """The shapes of all arguments but packs, by name, for a key."""
        found = {a.name: a.shape for a in self.arguments if a.members is None}
        found.update((self.arguments[k].name, shape) for (k, _), shape in zip(self.open, key, strict=True))
        match(self.name, self.arguments, found)
        return found

    def _sizes_of(self, key: Key) -> list[list[tuple[str, int]]]:
        """For each open argument the names of its axes in a key, "" where the declared size is a number, and sizes."""
        found = []
        for (k, rank), shape in zip(self.open, key, strict=True):
            argument = self.arguments[k]
            names = [n.name if isinstance(n, Dim) else "" for n in argument.shape]
            if rank is None:
                names = [f"{argument.name}.{axis}" for axis in range(len(shape))]
            found.append(list(zip(names, shape, strict=True)))
        return found

    def sizes(self, key: Key) -> dict[str, int]:
        """The sizes that a key binds, by name; the axes of a deferred argument have names of their own.

        Raises
        ------
        ShapeError
            Where two axes of one name differ.
        """
        self.shapes(key)
        return {name: size for axes in self._sizes_of(key) for name, size in axes if name}

    def opened(self, key: Key, sizes: Mapping[str, Any]) -> Key:
        """A key with other sizes by their names."""
        return tuple(tuple(sizes.get(name, size) for name, size in axes) for axes in self._sizes_of(key))

    def key_of(self, shapes: Mapping[str, Shape]) -> Key:
        """The key for shapes by name."""
        return self.key([shapes.get(a.name, a.shape) for a in self.arguments])


class CaseTable(Generic[T]):
    """What was made for the shapes of calls, made once; of what was used last as much is kept as `KEPT_BYTES` allow.

    `weigh` says how much memory an entry takes. It may grow after it was made, when it is compiled.
    """

    def __init__(self, make: Callable[[Key], T], weigh: Callable[[T], int]) -> None:
        self._make, self._weigh = make, weigh
        self._found: OrderedDict[Key, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._found)

    @property
    def bytes(self) -> int:
        """About how much memory all entries take."""
        return sum(map(self._weigh, list(self._found.values())))

    def __getitem__(self, key: Key) -> T:
        found = self._found.get(key)
        if found is not None:
            with contextlib.suppress(KeyError):  # another thread may just have let it go
                self._found.move_to_end(key)
            return found
        with SPECIALIZING:
            found = self._found.get(key)
            if found is None:
                found = self._make(key)
                if sizes_of(n for part in key for n in part) is not None:
                    return found  # it serves the code that is being made, and nothing else
                left = KEPT_BYTES - self.bytes - self._weigh(found)
                while left < 0 and self._found:
                    left += self._weigh(self._found.popitem(last=False)[1])
                self._found[key] = found
            return found
