"""Index maps: where in a node's array the value is that a point of an iteration space needs.

A coordinate is affine in the point: `offset + sum(scale*i[axis])`. What moves elements maps the coordinates of its
result to those of its operands; nothing is copied. Axes of size 1 have the coordinate 0, and spaces do not have them.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from symdiff.errors import SymdiffError
from symdiff.optimize.planning.plan import Range
from symdiff.sizes import slice_bounds
from symdiff.types import c_strides, reshape_groups

Coordinate = tuple[int, tuple[tuple[int, int], ...]]
"""(offset, ((axis, scale), …)), axes ascending and scales not 0."""

Sizes = tuple[int, ...]
START: Coordinate = (0, ())


class Map(NamedTuple):
    """The coordinates of one element for each point; `ranges` say where they are meaningful, if not implied."""

    coordinates: tuple[Coordinate, ...]
    ranges: tuple[Range, ...] = ()


class NotAffineError(SymdiffError):
    """An element's place is not affine in the point of the space: the operand has to be in memory."""


SCALAR = Map(())


def squeezed(shape: Sizes) -> Sizes:
    """The space of an array: its axes that have not the size 1."""
    return tuple(n for n in shape if n != 1)


def identity(shape: Sizes) -> Map:
    """The map of an array in its own space."""
    if not shape:
        return SCALAR
    coordinates: list[Coordinate] = []
    axis = 0
    for size in shape:
        if size == 1:
            coordinates.append(START)
        else:
            coordinates.append((0, ((axis, 1),)))
            axis += 1
    return Map(tuple(coordinates))


def scaled(coordinate: Coordinate, scale: int, offset: int) -> Coordinate:
    """The coordinate `offset + scale*coordinate`."""
    start, terms = coordinate
    if scale == 1:
        return (start + offset, terms)
    return (start * scale + offset, tuple([(axis, s * scale) for axis, s in terms]))


def joint(coordinates: Sequence[Coordinate], strides: Sequence[int]) -> Coordinate:
    """The coordinate `sum(strides[k]*coordinates[k])`."""
    offset, scales = 0, dict[int, int]()
    for (start, terms), stride in zip(coordinates, strides, strict=True):
        offset += start * stride
        for axis, scale in terms:
            scales[axis] = scales.get(axis, 0) + scale * stride
    return offset, tuple(sorted((axis, scale) for axis, scale in scales.items() if scale))


def bounds(coordinate: Coordinate, space: Sizes) -> tuple[int, int]:
    """The least and the greatest value of a coordinate over a space."""
    low = high = coordinate[0]
    for axis, scale in coordinate[1]:
        reach = scale * (space[axis] - 1)
        if reach > 0:
            high += reach
        else:
            low += reach
    return low, high


def range_limits(coordinate: Coordinate, start: int, stop: int, space: Sizes) -> Range | bool:
    """Where `start <= coordinate < stop`: everywhere (True), nowhere (False), or in a range of one axis.

    Raises
    ------
    NotAffineError
        Where it depends on several axes.
    """
    low, high = bounds(coordinate, space)
    if start <= low and high < stop:
        return True
    if high < start or stop <= low:
        return False
    offset, terms = coordinate
    if len(terms) != 1:
        raise NotAffineError("a range of several axes")
    axis, scale = terms[0]
    if scale > 0:
        first, end = -((offset - start) // scale), -((offset - stop) // scale)
    else:
        first, end = -((stop - 1 - offset) // -scale), (offset - start) // -scale + 1
    first, end = max(first, 0), min(end, space[axis])
    return Range(axis, first, end) if first < end else False


def within(map_: Map, shape: Sizes, space: Sizes) -> tuple[Range, ...] | None:
    """The ranges in which all coordinates lie inside an array of this shape; None where that is nowhere."""
    found: list[Range] = []
    for coordinate, size in zip(map_.coordinates, shape, strict=True):
        low, high = bounds(coordinate, space)
        if low >= 0 and high < size:
            continue
        if len(coordinate[1]) > 1:
            found += map_.ranges
            continue
        one = range_limits(coordinate, 0, size, space)
        if one is False:
            return None
        if one is not True:
            found.append(one)
    return intersect(found)


def intersect(ranges: Sequence[Range]) -> tuple[Range, ...] | None:
    """At most one range for each axis, axes ascending; None where they have no point in common."""
    if len(ranges) < 2:
        return tuple(ranges)
    merged: dict[int, Range] = {}
    for one in ranges:
        have = merged.get(one.axis)
        if have is not None:
            one = Range(one.axis, max(one.start, have.start), min(one.stop, have.stop))
            if one.start >= one.stop:
                return None
        merged[one.axis] = one
    return tuple(merged[axis] for axis in sorted(merged))


def of_operand(map_: Map, shape: Sizes) -> Map:
    """The map of an operand of this shape, broadcast by NumPy's rule to the array of `map_`."""
    coordinates = map_.coordinates
    if not shape:
        return SCALAR
    own = coordinates[len(coordinates) - len(shape) :]
    if 1 in shape:
        own = tuple([START if n == 1 else c for c, n in zip(own, shape, strict=True)])
    return Map(own, map_.ranges) if own else SCALAR


def of_index(map_: Map, payload: tuple[Any, ...], shape: Sizes) -> Map:
    """The map of the operand, of this shape, of an `index`."""
    found: list[Coordinate] = []
    rest = iter(map_.coordinates)
    for k, size in enumerate(shape):
        part = payload[k] if k < len(payload) else (0, None, 1)
        if isinstance(part, tuple):
            start, _, step = slice_bounds(part, size)
            at = next(rest)
            found.append(START if size == 1 else scaled(at, step, start))
        else:
            found.append((part % size, ()))
    return Map(tuple(found), map_.ranges)


def of_scatter(map_: Map, index: tuple[Any, ...], whole: Sizes, shape: Sizes, space: Sizes) -> tuple[Map, Any]:
    """The map of the operand, of shape `shape`, of a `scatter` into `whole`, and the ranges in which it is read.

    The ranges are None where it is read nowhere.

    Raises
    ------
    NotAffineError
        Where the places that it goes to are no range.
    """
    found: list[Coordinate] = []
    ranges: list[Range] = []
    sizes = iter(shape)
    for k, (at, size) in enumerate(zip(map_.coordinates, whole, strict=True)):
        part = index[k] if k < len(index) else (0, None, 1)
        if isinstance(part, tuple):
            start, _, step = slice_bounds(part, size)
            own, count = START, next(sizes)
            if count == 1:
                one = range_limits(at, start, start + 1, space)
            else:
                one = _divides(at, start, step)
                if one:
                    own = (at[0] - start) // step, tuple([(axis, s // step) for axis, s in at[1]])
                    one = range_limits(own, 0, count, space)
            found.append(own)
        else:
            one = range_limits(at, part % size, part % size + 1, space)
        if one is False:
            return Map(()), None
        if one is not True:
            ranges.append(one)
    return Map(tuple(found), map_.ranges), intersect(ranges)


def _divides(at: Coordinate, start: int, step: int) -> bool:
    if any(scale % step for _, scale in at[1]):
        raise NotAffineError("every few elements")
    return (at[0] - start) % step == 0


def of_transpose(map_: Map, perm: tuple[int, ...]) -> Map:
    """The map of the operand of a `transpose`."""
    found: list[Coordinate] = [START] * len(perm)
    for at, axis in zip(map_.coordinates, perm, strict=True):
        found[axis] = at
    return Map(tuple(found), map_.ranges)


def of_diagonal(map_: Map, axes: tuple[int, int], shape: Sizes) -> Map:
    """The map of the operand of a `diagonal`."""
    *others, last = map_.coordinates
    pair = {axis % len(shape) for axis in axes}
    rest = iter(others)
    return Map(tuple(last if k in pair else next(rest) for k in range(len(shape))), map_.ranges)


def of_labels(map_: Map, output: tuple[int, ...], labels: tuple[int, ...]) -> Map:
    """The map of an operand of an `einsum` without sums, whose axes have these labels."""
    place = dict(zip(output, map_.coordinates, strict=True))
    return Map(tuple([place[label] for label in labels]), map_.ranges)


def of_reshape(map_: Map, result: Sizes, shape: Sizes, space: Sizes) -> Map:
    """The map of the operand, of this shape, of a `reshape` to `result`.

    Raises
    ------
    NotAffineError
        Where a coordinate of the operand is not affine.
    """
    coordinates = map_.coordinates
    found: list[Coordinate] = []
    ranges = list(map_.ranges)
    for given, made in reshape_groups(result, shape):
        mine = [k for k in given if result[k] != 1]
        own = [k for k in made if shape[k] != 1]
        if len(mine) == len(own) == 1:
            pieces = [coordinates[mine[0]]]
        else:
            sizes = tuple(result[k] for k in mine)
            flat = joint([coordinates[k] for k in mine], c_strides(sizes))
            pieces = _split(flat, tuple(shape[k] for k in own), space) if own else []
            for k in mine:
                low, high = bounds(coordinates[k], space)
                if (low < 0 or high >= result[k]) and len(coordinates[k][1]) == 1:
                    one = range_limits(coordinates[k], 0, result[k], space)
                    if isinstance(one, Range):
                        ranges.append(one)
        parts = iter(pieces)
        found += [START if shape[k] == 1 else next(parts) for k in made]
    return Map(tuple(found), intersect(ranges) or ())


def reshaped_strides(shape: Sizes, strides: Sequence[int], to: Sizes) -> list[int] | None:
    """The strides of the same memory in another shape; None where there are none."""
    found = [0] * len(to)
    for given, made in reshape_groups(shape, to):
        long = [k for k in given if shape[k] != 1]
        if any(strides[a] != strides[b] * shape[b] for a, b in itertools.pairwise(long)):
            return None
        unit = strides[long[-1]] if long else 0
        for k, stride in zip(made, c_strides(tuple(to[k] for k in made)), strict=True):
            found[k] = unit * stride
    return found


def _split(flat: Coordinate, shape: Sizes, space: Sizes) -> list[Coordinate]:
    """The coordinates in `shape` of a place in C order."""
    found: list[Coordinate] = []
    for stride in c_strides(shape)[:-1]:
        offset, terms = flat
        whole = tuple((axis, scale // stride) for axis, scale in terms if scale % stride == 0)
        rest = tuple((axis, scale) for axis, scale in terms if scale % stride)
        low, high = bounds((0, rest), space)
        start = (offset + low) % stride - low
        if start + high >= stride:
            raise NotAffineError("a quotient with a remainder")
        found.append(((offset - start) // stride, whole))
        flat = start, rest
    return [*found, flat]


def points(space: Sizes) -> int:
    """How many points a space has."""
    return math.prod(space)
