"""Triangles of symmetric matrices as patches: one is computed, the other is its mirror image."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import replace

from symdiff.differentiate.sparse.patches import Coordinate, Patch, Sizes, combined
from symdiff.differentiate.sparse.sweep import Sweep, split_last
from symdiff.ir.graph import Graph
from symdiff.types import c_strides


def triangle_patches(
    graph: Graph, found: Sequence[Sequence[Patch]], shapes: Sequence[Sizes], triangle: str
) -> tuple[list[list[Patch]], bool]:
    """The patches of a triangle of a symmetric matrix, or of all of it, of which only the lower triangle is used.

    `found` are those of the rows by elements of arrays of these shapes, one array after the other; these are the
    columns, too. False with them says that the upper triangle is there as it was, to be replaced among the entries.
    """
    sweep = Sweep(graph)
    firsts = [0]
    for shape in shapes:
        firsts.append(firsts[-1] + math.prod(shape))
    sorted_patches = [[_distance(p, shape, first) for p in own] for own, shape, first in _each(found, shapes, firsts)]
    bounds = [(low, high) for own in sorted_patches for _, low, high in own]
    if triangle == "full" and all(low <= 0 <= high for low, high in bounds):
        # nothing lies on one side alone: blocks around the diagonal, which stay whole
        return [list(own) for own in found], all(low == high for low, high in bounds)
    results: list[list[Patch]] = [[] for _ in shapes]
    for k, own in enumerate(sorted_patches):
        for (distance, low, high), patch in zip(own, found[k], strict=True):
            if high < 0:
                continue
            if low < 0:
                below = distance.over(patch.box, range(len(patch.box))) >= 0
                parts = [(p, True) for p in sweep.where(patch, below)]
            else:
                parts = [(patch, high > 0)]
            for part, off in parts:
                if triangle != "upper":
                    results[k].append(part)
                if triangle == "upper" or (triangle == "full" and off):
                    mirrored = _mirrored(sweep, part, shapes, firsts, k, strict=triangle == "full")
                    for j, image in mirrored:
                        results[j].append(image)
    return results, True


def _each(
    found: Sequence[Sequence[Patch]], shapes: Sequence[Sizes], firsts: Sequence[int]
) -> list[tuple[Sequence[Patch], Sizes, int]]:
    return list(zip(found, shapes, firsts[:-1], strict=True))


def _row(patch: Patch, shape: Sizes, first: int) -> Coordinate:
    """The number of the row."""
    return combined(patch.rows, c_strides(shape)).moved(1, first)


def _distance(patch: Patch, shape: Sizes, first: int) -> tuple[Coordinate, int, int]:
    """How far below the diagonal the entries of a patch lie: at each, at least and at most."""
    distance = combined([_row(patch, shape, first), patch.column], [1, -1])
    return (distance, *distance.bounds(patch.box))


def _mirrored(
    sweep: Sweep, patch: Patch, shapes: Sequence[Sizes], firsts: Sequence[int], k: int, strict: bool
) -> list[tuple[int, Patch]]:
    """The image of a patch of rows of array k at the diagonal, with `strict` without entries on it, and its array."""
    distance, low, _ = _distance(patch, shapes[k], firsts[k])
    parts = [patch]
    if strict and low == 0:
        parts = sweep.where(patch, distance.over(patch.box, range(len(patch.box))) > 0)
    images = []
    for part in parts:
        column = part.column.bounds(part.box)[0]
        j = bisect.bisect_right(firsts, column) - 1
        flat = part.column.moved(1, -firsts[j])
        turned = replace(part, rows=(flat,), column=_row(part, shapes[k], firsts[k]))
        rows: list[Coordinate] = []
        if shapes[j]:
            turned, rows = split_last(sweep, turned, shapes[j])
        images.append((j, replace(turned, rows=tuple(rows))))
    return images
