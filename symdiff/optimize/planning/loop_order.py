"""The axes of a nest: their order in memory, and neighbours that are one axis everywhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from symdiff.optimize.planning.plan import Access, Body, Choose, Load, LoadAt, Nest, Position, Range

STRIDED = 8
"""What an element costs where memory is not walked in steps of one: a line of the cache, where it costs one else."""


def arrange_nest(nest: Nest) -> Nest:
    """The nest with its axes so ordered that memory is walked in order, and with as few axes as possible."""
    if len(nest.space) > 1:
        nest = _ordered(nest)
        nest = _collapsed(nest)
    return nest


def accesses(nest: Nest) -> list[Access]:
    """Every access of a nest, those of its results last."""
    return [i.access for i in nest.body if isinstance(i, Load | LoadAt)] + [r.access for r in nest.results]


def _ordered(nest: Nest) -> Nest:
    """The axis along which memory is walked for least comes last, unless sums would change order."""
    count = len(nest.space)
    costs, far = [0.0] * count, [0] * count
    for access in accesses(nest):
        for axis, stride in enumerate(access.strides):
            costs[axis] += STRIDED if abs(stride) > 1 else abs(stride)
            far[axis] += abs(stride)
    best = min(range(count), key=lambda axis: (costs[axis], -axis))
    if costs[best] == costs[-1]:
        return nest
    order = [*sorted((axis for axis in range(count) if axis != best), key=lambda axis: -far[axis]), best]
    reduced = [axis for axis in order if axis in nest.reduced]
    if reduced != sorted(reduced):
        return nest
    place = {axis: k for k, axis in enumerate(order)}
    return _rewritten(
        nest,
        tuple(nest.space[axis] for axis in order),
        tuple(sorted(place[axis] for axis in nest.reduced)),
        lambda access: replace(access, strides=tuple(access.strides[axis] for axis in order)),
        lambda one: replace(one, axis=place[one.axis]),
    )


def _collapsed(nest: Nest) -> Nest:
    held = {i.axis for i in nest.body if isinstance(i, Position)}
    limited: set[int] = set()
    for i in nest.body:
        if isinstance(i, Choose):
            limited |= {one.axis for one in i.ranges}
        elif isinstance(i, Load | LoadAt):
            limited |= {one.axis for one in i.within}
    strides = list({access.strides for access in accesses(nest)})
    space = nest.space
    # Runs of axes, each of which becomes one; a range is kept only where it is of the first axis of its run.
    runs: list[list[int]] = [[0]]
    for axis in range(1, len(space)):
        last = runs[-1][-1]
        joins = (
            (last in nest.reduced) == (axis in nest.reduced)
            and last not in held
            and axis not in held
            and axis not in limited
            and all(own[last] == own[axis] * space[axis] for own in strides)
        )
        if joins:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) == len(space):
        return nest
    place = {run[0]: k for k, run in enumerate(runs)}
    inner = {run[0]: math.prod([space[axis] for axis in run[1:]]) for run in runs}
    positions = {axis: k for k, run in enumerate(runs) for axis in run}
    body = tuple(replace(i, axis=positions[i.axis]) if isinstance(i, Position) else i for i in nest.body)
    return _rewritten(
        replace(nest, body=body),
        tuple(math.prod([space[axis] for axis in run]) for run in runs),
        tuple(sorted({positions[axis] for axis in nest.reduced})),
        lambda access: replace(access, strides=tuple(access.strides[run[-1]] for run in runs)),
        lambda one: Range(place[one.axis], one.start * inner[one.axis], one.stop * inner[one.axis]),
        positions=False,
    )


def _rewritten(
    nest: Nest,
    space: tuple[int, ...],
    reduced: tuple[int, ...],
    access: Callable[[Access], Access],
    range_: Callable[[Range], Range],
    positions: bool = True,
) -> Nest:
    """The nest in another space."""

    def moved(i: Any) -> Any:
        if isinstance(i, Load | LoadAt):
            return replace(i, access=access(i.access), within=_sorted(map(range_, i.within)))
        if isinstance(i, Choose):
            return replace(i, ranges=_sorted(map(range_, i.ranges)))
        if isinstance(i, Position) and positions:
            return replace(i, axis=range_(Range(i.axis, 0, 0)).axis)
        return i

    body: Body = tuple(map(moved, nest.body))
    results = tuple(replace(r, access=access(r.access)) for r in nest.results)
    return Nest(space, reduced, body, results)


def _sorted(ranges: Any) -> tuple[Range, ...]:
    return tuple(sorted(ranges, key=lambda one: one.axis))
