"""Nests and scans in the form that code is written for, and the loops around their blocks.

No axes of size 1; axes that run together are joined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import field, replace

from symdiff.codegen.interrupts import BETWEEN, poll
from symdiff.dataclass import dataclass
from symdiff.optimize.planning.lowering import accesses
from symdiff.optimize.planning.plan import (
    Access,
    Apply,
    Body,
    Choose,
    Load,
    LoadAt,
    Nest,
    Number,
    Position,
    Range,
    Reduce,
    Scan,
    Store,
)
from symdiff.sizes import is_open

SHARE = BETWEEN >> 4
"""The work between two looks for signals, at least."""

OFTEN = 64
"""Iterations between two looks, where sizes are not known."""


@dataclass(slots=True)
class Loop:
    """A loop around the blocks: over an axis of the space, or (axis -1) over parts of the innermost one."""

    axis: int
    size: int
    step: int = 1


@dataclass(slots=True)
class LoopCode:
    """The lines of a nest.

    Attributes
    ----------
    loops : from the outermost on; the innermost axis is none of them.
    headers : what is computed in each loop before the next one starts: `headers[0]` before the first.
    tails : what is computed after the loop inside has ended.
    work : about what the blocks of one row take, in additions of vectors.
    """

    loops: list[Loop]
    work: int = 0
    headers: list[list[str]] = field(default_factory=list)
    tails: list[list[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.headers = [[] for _ in range(len(self.loops) + 1)]
        self.tails = [[] for _ in self.loops]

    def assemble(self, inner: Sequence[str]) -> list[str]:
        """The loops with `inner` in them; begins and ends in an open block."""
        lines = list(self.headers[0])
        for t, loop in enumerate(self.loops):
            i = index_name(loop.axis)
            lines += [
                f"br label %pre{t}",
                f"pre{t}:",
                f"br label %loop{t}",
                f"loop{t}:",
                f"{i} = phi i64 [ 0, %pre{t} ], [ {i}n, %end{t} ]",
                *self.headers[t + 1],
            ]
        lines += inner
        heard, every = self._interruptible()
        for t in reversed(range(len(self.loops))):
            loop = self.loops[t]
            i = index_name(loop.axis)
            lines += self._interruption(i, every) if t == heard else []
            lines += [
                f"br label %end{t}",
                f"end{t}:",
                f"{i}n = add i64 {i}, {loop.step}",
                f"{i}m = icmp slt i64 {i}n, {loop.size}",
                f"br i1 {i}m, label %loop{t}, label %exit{t}",
                f"exit{t}:",
                *self.tails[t],
            ]
        return lines

    def _interruptible(self) -> tuple[int, int]:
        """The loop that looks for signals, -1 for none, and the work that it does between two looks."""
        t = len(self.loops) - 1
        if any(is_open(n) for n in (self.work, *(loop.size for loop in self.loops))):
            return t, OFTEN * self.work
        counts = [-(-loop.size // loop.step) for loop in self.loops]
        work = self.work
        if work * math.prod(counts) <= BETWEEN:
            return -1, 0
        while t > 0 and work * counts[t] <= BETWEEN:
            work *= counts[t]
            t -= 1
        return t, work

    def _interruption(self, index: str, work: int) -> list[str]:
        """A look for signals, in each iteration or where they are short in every so many."""
        lines: list[str] = []
        if is_open(work):
            times, work = OFTEN, work // OFTEN
        elif work >= SHARE:
            poll(lines, "heard", work)
            return lines
        else:
            times = 1 << (SHARE // max(1, work)).bit_length()
        lines += [
            f"%turn = and i64 {index}, {times - 1}",
            "%ended = icmp eq i64 %turn, 0",
            "br i1 %ended, label %listen, label %unheard",
            "listen:",
        ]
        poll(lines, "heard", times * work)
        return [*lines, "br label %unheard", "unheard:"]


def index_name(axis: int) -> str:
    """The value that counts a loop."""
    return f"%i{axis}" if axis >= 0 else "%part"


def simplify_nest(nest: Nest) -> Nest | None:
    """The same nest in as few axes as possible; None where there is nothing to do."""
    kept = [k for k in range(len(nest.space)) if k not in nest.reduced]
    if any(nest.space[k] == 0 for k in kept):
        return None
    if any(nest.space[k] == 0 for k in nest.reduced):
        return _of_nothing(nest, kept)
    nest = _without_single(nest)
    joined = True
    while joined:
        joined = False
        for axis in range(len(nest.space) - 1):
            if _runs_on(nest, axis):
                nest, joined = _joined(nest, axis), True
                break
    return nest


def _of_nothing(nest: Nest, kept: Sequence[int]) -> Nest | None:
    body: list[Number] = []
    results: list[Store | Reduce] = []
    for result in nest.results:
        if isinstance(result, Reduce):
            results.append(Store(len(body), _picked(result.access, kept)))
            body.append(Number(math.nan if result.op.empty is None else result.op.empty))
    if not results:
        return None
    return simplify_nest(Nest(tuple(nest.space[k] for k in kept), (), tuple(body), tuple(results)))


def _picked(access: Access, axes: Sequence[int]) -> Access:
    return replace(access, strides=tuple(access.strides[k] for k in axes))


def map_body(
    body: Body,
    access: Callable[[Access], Access],
    ranges: Callable[[Range], Range],
    position: Callable[[Position], Position | Number],
) -> Body:
    """A body with its accesses, ranges and positions changed."""
    parts: list[Load | LoadAt | Number | Position | Apply | Choose] = []
    for part in body:
        if isinstance(part, Load | LoadAt):
            parts.append(replace(part, access=access(part.access), within=tuple(map(ranges, part.within))))
        elif isinstance(part, Position):
            parts.append(position(part))
        elif isinstance(part, Choose):
            parts.append(replace(part, ranges=tuple(map(ranges, part.ranges))))
        else:
            parts.append(part)
    return tuple(parts)


def _map(
    nest: Nest, space: tuple[int, ...], reduced: tuple[int, ...], body: Body, access: Callable[[Access], Access]
) -> Nest:
    results: list[Store | Reduce] = []
    for r in nest.results:
        if isinstance(r, Reduce) and not reduced:
            results.append(Store(r.value, access(r.access)))
        else:
            results.append(replace(r, access=access(r.access)))
    return Nest(space, reduced, body, tuple(results))


def _without_single(nest: Nest) -> Nest:
    """Without the axes of size 1; what ranges on them say moves to another axis or decides at once."""
    body = nest.body
    single = {k for k, n in enumerate(nest.space) if n == 1}
    if not single:
        return nest if nest.reduced else _map(nest, nest.space, (), body, lambda a: a)
    axes = [k for k in range(len(nest.space)) if k not in single]
    places = {k: n for n, k in enumerate(axes)}
    parts: list[Load | LoadAt | Number | Position | Apply | Choose] = []
    moved: list[int] = []

    def decide(ranges: Sequence[Range]) -> tuple[tuple[Range, ...], bool]:
        holds = all(r.start <= 0 < r.stop for r in ranges if r.axis in single)
        return tuple(replace(r, axis=places[r.axis]) for r in ranges if r.axis not in single), holds

    for part in body:
        if isinstance(part, Load | LoadAt):
            within, holds = decide(part.within)
            access = _picked(part.access, axes)
            if isinstance(part, LoadAt):
                part = replace(part, index=moved[part.index])
            parts.append(replace(part, access=access, within=within) if holds else _unread(access))
        elif isinstance(part, Position):
            at = part.axis in single
            parts.append(Number(float(part.offset)) if at else replace(part, axis=places[part.axis]))
        elif isinstance(part, Choose):
            ranges, holds = decide(part.ranges)
            inside, outside = moved[part.inside], moved[part.outside]
            if not holds or not ranges:
                moved.append(inside if holds else outside)
                continue
            parts.append(Choose(ranges, inside, outside))
        elif isinstance(part, Apply):
            parts.append(Apply(part.op, tuple(moved[k] for k in part.operands)))
        else:
            parts.append(part)
        moved.append(len(parts) - 1)
    reduced = tuple(places[k] for k in nest.reduced if k in places)
    results = tuple(replace(r, value=moved[r.value]) for r in nest.results)
    smaller = replace(nest, results=results)
    return _map(smaller, tuple(nest.space[k] for k in axes), reduced, tuple(parts), lambda a: _picked(a, axes))


def _unread(access: Access) -> Load | Number:
    """What stands for a load whose value nobody uses."""
    return Load(access, (Range(0, 0, 0),)) if access.strides else Number(0.0)


def _runs_on(nest: Nest, axis: int) -> bool:
    """Whether an axis and the next one are one longer axis."""
    if (axis in nest.reduced) != (axis + 1 in nest.reduced):
        return False
    size = nest.space[axis + 1]
    if any(a.strides[axis] != size * a.strides[axis + 1] for a in accesses(nest)):
        return False
    return not any(k in (axis, axis + 1) for part in nest.body for k in _named(part))


def _named(part: object) -> list[int]:
    """The axes that an instruction names."""
    if isinstance(part, Load | LoadAt):
        return [r.axis for r in part.within]
    if isinstance(part, Choose):
        return [r.axis for r in part.ranges]
    return [part.axis] if isinstance(part, Position) else []


def _joined(nest: Nest, axis: int) -> Nest:
    """With an axis and the next one as one."""
    space = (*nest.space[:axis], nest.space[axis] * nest.space[axis + 1], *nest.space[axis + 2 :])
    axes = [k for k in range(len(nest.space)) if k != axis]

    def shift(k: int) -> int:
        return k - (k > axis)

    body = map_body(
        nest.body,
        lambda a: _picked(a, axes),
        lambda r: replace(r, axis=shift(r.axis)),
        lambda p: replace(p, axis=shift(p.axis)),
    )
    reduced = tuple(sorted({shift(k) for k in nest.reduced}))
    return _map(nest, space, reduced, body, lambda a: _picked(a, axes))


def turned_forward(scan: Scan) -> Scan:
    """The same recurrence from the first element to the last."""
    if not scan.reverse:
        return scan
    axis = len(scan.space) - 1
    last = scan.space[axis] - 1

    def turn(a: Access) -> Access:
        stride = a.strides[axis]
        return replace(a, offset=a.offset + stride * last, strides=(*a.strides[:axis], -stride))

    def mirror(r: Range) -> Range:
        return Range(axis, last + 1 - r.stop, last + 1 - r.start) if r.axis == axis else r

    def back(p: Position) -> Position:
        return replace(p, scale=-p.scale, offset=p.offset + p.scale * last) if p.axis == axis else p

    body = map_body(scan.body, turn, mirror, back)
    return replace(scan, reverse=False, body=body, access=turn(scan.access))


def intersected(ranges: Sequence[Range]) -> dict[int, tuple[int, int]]:
    """For each axis the interval in which all of its ranges hold."""
    found: dict[int, tuple[int, int]] = {}
    for r in ranges:
        start, stop = found.get(r.axis, (r.start, r.stop))
        found[r.axis] = max(start, r.start), min(stop, r.stop)
    return found
