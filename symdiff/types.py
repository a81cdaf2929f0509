"""Tensor types and the three ways in which shapes combine."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import cast

from symdiff.dataclass import dataclass
from symdiff.errors import ShapeError
from symdiff.sizes import example

FLOAT64, FLOAT32, BOOL, INT64 = "float64", "float32", "bool", "int64"
FLOATS = (FLOAT64, FLOAT32)
LARGEST_RANK = 64
"""So many axes an array of NumPy's may have."""


@dataclass(frozen=True, slots=True)
class Dim:
    """A size known by name only, bound to an integer at each call."""

    name: str

    def __str__(self) -> str:
        return self.name


Shape = tuple[int | Dim, ...]


@dataclass(frozen=True, slots=True)
class TensorType:
    """The type of every node: an element type and a shape; a scalar has the shape ()."""

    dtype: str
    shape: Shape = ()

    def __str__(self) -> str:
        return self.dtype + (f"[{', '.join(map(str, self.shape))}]" if self.shape else "")

    @property
    def is_condition(self) -> bool:
        """Whether the elements are truth values."""
        return self.dtype == BOOL


@functools.lru_cache(maxsize=4096)
def tensor(dtype: str, shape: Shape = ()) -> TensorType:
    """The one TensorType of these parts (shared, so that equal types are mostly identical).

    Raises
    ------
    ShapeError
        For a negative size, and for more axes than an array can have.
    """
    check_rank(len(shape))
    if any(isinstance(size, int) and size < 0 for size in shape):
        raise ShapeError(f"a size is negative in {show(shape)}", hint="sizes are 0 or more")
    return TensorType(dtype, shape)


def check_rank(rank: int) -> None:
    """Refuse an array of more axes than NumPy's have.

    Raises
    ------
    ShapeError
        The message says how many there would be.
    """
    if rank > LARGEST_RANK:
        raise ShapeError(f"an array of {rank} axes: there can be {LARGEST_RANK}", hint="nest lists less deeply")


def show(shape: Shape) -> str:
    """A shape as Python writes it."""
    return "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"


def broadcast_shapes(name: str, shapes: Sequence[Shape]) -> Shape:
    """The shape that `shapes` broadcast to by NumPy's rule.

    Raises
    ------
    ShapeError
        Where they do not; the message names the operation and the shapes.
    """
    result: Shape = ()
    for shape in shapes:
        if shape == result or not shape:
            continue
        if not result:
            result = shape
            continue
        short, long = sorted((shape, result), key=len)
        merged = list(long)
        for k in range(1, len(short) + 1):
            a, b = short[-k], long[-k]
            if a == b or a == 1:
                continue
            if b != 1:
                raise ShapeError(
                    f"{name}: shapes {' and '.join(map(show, shapes))} do not broadcast together",
                    hint="from the last axis on sizes must be equal or 1; write x[:, None] for a column",
                )
            merged[-k] = a
        result = tuple(merged)
    return result


def same(name: str, shapes: Sequence[Shape]) -> Shape:
    """The shape that all of `shapes` are.

    Raises
    ------
    ShapeError
        Where two of them differ.
    """
    first = shapes[0]
    for shape in shapes:
        if shape != first:
            raise ShapeError(f"{name}: shapes {show(first)} and {show(shape)} differ")
    return first


def product(shape: Shape) -> int:
    """How many elements a shape has; its dimensions must be known numbers."""
    count = 1
    for size in shape:
        if isinstance(size, Dim):
            raise ShapeError(f"the size {size.name} is not known yet")
        count *= size
    return count


def known_product(shape: Shape) -> int:
    """How many elements a shape has at least: those of the sizes that are known, if no other is 0."""
    count = 1
    for size in shape:
        if type(size) is int:
            count *= size
        elif isinstance(size, int):
            count *= example(size)
    return count


def fixed(shape: Shape) -> tuple[int, ...]:
    """`shape` as plain integers; its dimensions must be known numbers."""
    if Dim in map(type, shape):
        product(shape)
    return cast("tuple[int, ...]", tuple(shape))


def c_strides(shape: tuple[int, ...]) -> list[int]:
    """Strides in elements of an array in C order."""
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return strides[::-1]


def reshape_groups(before: tuple[int, ...], after: tuple[int, ...]) -> list[tuple[list[int], list[int]]]:
    """Which axes of a shape become which of another one with as many elements: runs of equal product, the shortest."""
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        first, start = i, j
        left = right = 1
        while left != right or (i == first and j == start):
            if j == len(after) or (i < len(before) and left <= right):
                left *= before[i]
                i += 1
            else:
                right *= after[j]
                j += 1
        groups.append((list(range(first, i)), list(range(start, j))))
    return groups
