"""Reshaping and indexing of structured derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from symdiff.differentiate.structured.terms import Calculus, Sizes, Term
from symdiff.ops import movement

Change = Callable[[int, int], int]
"""(node with all axes of the value, number of axes in front of those): the node changed."""


def reshaped(calculus: Calculus, term: Term, before: Sizes, after: Sizes) -> Term:
    """The term of the value's elements in another shape. Ties to axes that are split or joined are written out."""
    long = [k for k, n in enumerate(before) if n != 1]
    if [before[k] for k in long] == [n for n in after if n != 1]:
        place = iter(long)
        return calculus.moved(term, len(before), [None if n == 1 else next(place) for n in after])
    term = calculus.plain(term, before)
    groups = _groups(before, after)
    split: list[int] = []
    target: dict[int, int] = {}
    for old, new in groups:
        left, right = [k for k in old if before[k] != 1], [k for k in new if after[k] != 1]
        if [before[k] for k in left] == [after[k] for k in right]:
            target |= dict(zip(left, right, strict=True))
        else:
            split += left
    term = calculus.untied(term, before, split)
    graph = calculus.graph

    def change(node: int, lead: int) -> int:
        shape = graph.shape(node)
        own, sizes, result = shape[lead:], list(shape[:lead]), list(shape[:lead])
        for old, new in groups:
            if all(own[k] == 1 for k in old):
                sizes += [1] * len(old)
                result += [1] * len(new)
            else:
                sizes += [before[k] for k in old]
                result += [after[k] for k in new]
        return movement.reshape(graph, movement.broadcast(graph, node, tuple(sizes)), tuple(result))

    ties = tuple(None if axis is None else target[axis] for axis in term.ties)
    return _changed(calculus, term, len(before), ties, change)


def _groups(before: Sizes, after: Sizes) -> list[tuple[list[int], list[int]]]:
    """Runs of axes of equal product."""
    if 0 in before or 0 in after:
        return [(list(range(len(before))), list(range(len(after))))]
    groups: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        old: list[int] = []
        new: list[int] = []
        while True:
            left, right = math.prod(before[k] for k in old), math.prod(after[k] for k in new)
            if left == right and (old or new):
                break
            if (left < right or not old) and i < len(before):
                old.append(i)
                i += 1
            elif j < len(after):
                new.append(j)
                j += 1
            else:
                old.append(i)
                i += 1
        groups.append((old, new))
    return groups


def indexed(calculus: Calculus, term: Term, shape: Sizes, payload: tuple[Any, ...]) -> Term:
    """The term of some elements of a value of this shape. Ties to axes that lose elements are written out."""
    graph, count, term = calculus.graph, len(shape), calculus.plain(term, shape)
    parts = [*payload, *((0, n, 1) for n in shape[len(payload) :])]
    whole = [part == (0, n, 1) for part, n in zip(parts, shape, strict=True)]
    term = calculus.untied(term, shape, [k for k in range(count) if not whole[k]])
    left = [k for k in range(count) if isinstance(parts[k], tuple)]

    def change(node: int, lead: int) -> int:
        own = graph.shape(node)[lead:]
        index: list[Any] = [slice(None)] * lead
        for part, size, full in zip(parts, own, shape, strict=True):
            if size == full:
                index.append(slice(*part) if isinstance(part, tuple) else part)
            else:
                index.append(slice(None) if isinstance(part, tuple) else 0)
        if all(part == slice(None) for part in index):
            return node
        return movement.element(graph, node, tuple(index))

    ties = tuple(None if axis is None else left.index(axis) for axis in term.ties)
    return _changed(calculus, term, count, ties, change)


def _changed(calculus: Calculus, term: Term, count: int, ties: tuple[int | None, ...], change: Change) -> Term:
    """The term with a change of the value's `count` axes made to all its parts."""
    lead = len(term.dense)
    scale, core, guard = term.scale, term.core, term.guard
    if scale is not None and calculus.shape(scale):
        scale = change(calculus.full(scale, count), 0)
    if core is not None:
        core = change(core, lead)
    if guard is not None:
        pairs = [(term.scale, scale), (term.core, core)]
        guard = calculus.guards.moved(guard, lambda n: change(calculus.full(n, lead + count), lead), pairs)
    return Term(ties, scale, core, guard)
