"""The memory of a plan: which buffers share a place, and where the others are in the workspace."""

from __future__ import annotations

import bisect
import heapq
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from symdiff.optimize.planning.plan import (
    Access,
    Body,
    Buffer,
    ForeignCall,
    Gemm,
    Lapack,
    Load,
    LoadAt,
    Nest,
    Plan,
    Reduce,
    Scan,
    ScatterAdd,
    Sort,
    Step,
    Store,
    element_bytes,
    operands_of,
    with_operands,
)
from symdiff.sizes import is_open

ALIGNMENT = 64


def arrange_memory(buffers: Sequence[Buffer], steps: Sequence[Step], constants: Sequence[object]) -> Plan:
    """The plan of these steps, whose work buffers have no place yet."""
    merged = _share(buffers, steps)
    touched = {b for step in steps for b in (*written(step), *read(step))}
    used = sorted({merged.get(b, b) for b in touched})
    number = {b: k for k, b in enumerate(used)}
    if merged or used != list(range(len(buffers))):
        number = {b: number[merged.get(b, b)] for b in touched}
        steps = [renumbered(step, number) for step in steps]
    placed, size = _place([buffers[b] for b in used], steps)
    return Plan(tuple(placed), tuple(steps), size, tuple(constants))


def without_unread(buffers: Sequence[Buffer], steps: Sequence[Step]) -> list[Step]:
    """The steps without the results of nests that nothing reads: what only the nest itself uses needs no memory."""
    needed = {k for k, buffer in enumerate(buffers) if buffer.kind == "output"}
    found: list[Step] = []
    for step in reversed(steps):
        made = only_needed(step, needed)
        if made is not None:
            needed.update(read(made))
            found.append(made)
    return found[::-1]


def only_needed(step: Step, needed: Collection[int]) -> Step | None:
    """The step with those results alone that go to buffers that are needed; None where none does."""
    if not isinstance(step, Nest):
        return step
    results = tuple(r for r in step.results if r.access.buffer in needed)
    if len(results) == len(step.results):
        return step
    if not results:
        return None
    used = {r.value for r in results}
    for k in range(len(step.body) - 1, -1, -1):
        if k in used:
            used.update(operands_of(step.body[k]))
    place = {k: at for at, k in enumerate(sorted(used))}
    body = tuple(with_operands(step.body[k], place) for k in sorted(used))
    reduced = step.reduced if any(isinstance(r, Reduce) for r in results) else ()
    return Nest(step.space, reduced, body, tuple(replace(r, value=place[r.value]) for r in results))


def written(step: Step) -> tuple[int, ...]:
    """The buffers that a step writes."""
    if isinstance(step, Nest):
        return tuple(dict.fromkeys(r.access.buffer for r in step.results))
    if isinstance(step, Scan):
        return (step.access.buffer,)
    if isinstance(step, Gemm):
        return (step.c.buffer,)
    if isinstance(step, Lapack | Sort):
        return (step.result, step.work)
    return (step.result,)


def read(step: Step) -> tuple[int, ...]:
    """The buffers that a step reads."""
    if isinstance(step, Nest | Scan):
        return tuple(dict.fromkeys(i.access.buffer for i in step.body if isinstance(i, Load | LoadAt)))
    if isinstance(step, Gemm):
        return (step.a.buffer, step.b.buffer)
    if isinstance(step, Lapack | ForeignCall):
        return step.operands
    return (step.value,) if isinstance(step, Sort) else (step.value, step.index)


def size_in_bytes(buffer: Buffer) -> int:
    """How much memory a buffer takes."""
    return math.prod(buffer.shape) * element_bytes(buffer.dtype)


def _share(buffers: Sequence[Buffer], steps: Sequence[Step]) -> dict[int, int]:
    """Work buffers that can be replaced by another buffer: a nest updates them in place.

    The nest is their last reader, reads them only where it writes the same element of the other one, and the other one
    is written by no other step and not touched before.
    """
    last: dict[int, int] = {}
    writers: dict[int, int] = {}
    for k, step in enumerate(steps):
        for b in read(step):
            last[b] = k
        for b in written(step):
            last[b] = max(last.get(b, k), k)
            writers[b] = writers.get(b, 0) + 1
    merged: dict[int, int] = {}
    for k in range(len(steps) - 1, -1, -1):
        step = steps[k]
        if not isinstance(step, Nest) or not step.space:
            continue
        loads: dict[int, set[Access]] = {}
        for i in step.body:
            if isinstance(i, Load | LoadAt):
                loads.setdefault(i.access.buffer, set()).add(i.access)
                if isinstance(i, LoadAt):
                    loads[i.access.buffer].add(replace(i.access, offset=-1))
        for result in step.results:
            target = result.access.buffer
            if not isinstance(result, Store) or writers[target] != 1 or buffers[target].kind not in ("work", "output"):
                continue
            for b in sorted(loads):
                fits = (
                    buffers[b].kind == "work"
                    and b != target
                    and last[b] == k
                    and b not in merged
                    and buffers[b].dtype == buffers[target].dtype
                    and math.prod(buffers[b].shape) == math.prod(buffers[target].shape)
                    and loads[b] == {replace(result.access, buffer=b)}
                )
                if fits:
                    merged[b] = target
                    break
    for b in sorted(merged):
        target = merged[b]
        while target in merged:
            target = merged[target]
        merged[b] = target
    return merged


def _place(buffers: Sequence[Buffer], steps: Sequence[Step]) -> tuple[list[Buffer], int]:
    """Offsets of the work buffers: the lowest place that is free while a buffer is in use."""
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for k, step in enumerate(steps):
        for b in (*written(step), *read(step)):
            if buffers[b].kind == "work":
                first.setdefault(b, k)
                last[b] = k
    starts: dict[int, list[int]] = {}
    for b, k in first.items():
        starts.setdefault(k, []).append(b)
    placed = list(buffers)
    if any(is_open(n) for buffer in buffers for n in buffer.shape):
        return placed, _place_open(placed, starts, last)
    total = _place_small(placed, starts, last)
    gaps = Gaps(total)
    ends: list[tuple[int, int, int]] = []  # (last step, offset, end)
    for k in sorted(starts):
        while ends and ends[0][0] < k:
            _, offset, end = heapq.heappop(ends)
            gaps.give(offset, end)
        for b in sorted(starts[k], key=lambda b: (-size_in_bytes(buffers[b]), b)):
            size = -(-size_in_bytes(buffers[b]) // ALIGNMENT) * ALIGNMENT
            if size <= ALIGNMENT:
                continue
            offset = gaps.take(size)
            placed[b] = replace(buffers[b], offset=offset)
            heapq.heappush(ends, (last[b], offset, offset + size))
    return placed, gaps.top


class Gaps:
    """Free memory between places that are in use, lowest first.

    Attributes
    ----------
    top : the end of all memory that has been in use.
    """

    def __init__(self, start: int) -> None:
        self.top = start
        self._starts: list[int] = []
        self._ends: list[int] = []

    def take(self, size: int) -> int:
        """The lowest place that has room."""
        starts, ends = self._starts, self._ends
        for k, start in enumerate(starts):
            if ends[k] - start > size:
                starts[k] += size
                return start
            if ends[k] - start == size:
                del starts[k], ends[k]
                return start
        offset = self.top
        if ends and ends[-1] == self.top:
            offset = starts.pop()
            ends.pop()
        self.top = offset + size
        return offset

    def give(self, start: int, end: int) -> None:
        """Free a place."""
        starts, ends = self._starts, self._ends
        k = bisect.bisect(starts, start)
        if k < len(starts) and starts[k] == end:
            end = ends.pop(k)
            del starts[k]
        if k and ends[k - 1] == start:
            ends[k - 1] = end
        else:
            starts.insert(k, start)
            ends.insert(k, end)


def _place_open(placed: list[Buffer], starts: Mapping[int, Sequence[int]], last: Mapping[int, int]) -> int:
    """Where sizes are open: a place for each buffer, which later ones of the same size take over; the bytes of all."""
    free: dict[int, list[int]] = {}
    busy: list[tuple[int, int, int]] = []  # (last step, size, offset)
    total = 0
    for k in sorted(starts):
        for end, size, offset in busy:
            if end < k:
                free.setdefault(size, []).append(offset)
        busy = [one for one in busy if one[0] >= k]
        for b in starts[k]:
            size = (size_in_bytes(placed[b]) + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
            if free.get(size):
                offset = free[size].pop()
            else:
                offset, total = total, total + size
            placed[b] = replace(placed[b], offset=offset)
            busy.append((last[b], size, offset))
    return total


def _place_small(placed: list[Buffer], starts: Mapping[int, Sequence[int]], last: Mapping[int, int]) -> int:
    """Give the buffers of at most one unit, of which there may be very many, slots at the start; their bytes."""
    free: list[int] = []
    ends: list[tuple[int, int]] = []
    total = 0
    for k in sorted(starts):
        while ends and ends[0][0] < k:
            heapq.heappush(free, heapq.heappop(ends)[1])
        for b in starts[k]:
            if size_in_bytes(placed[b]) > ALIGNMENT:
                continue
            if free:
                offset = heapq.heappop(free)
            else:
                offset, total = total, total + ALIGNMENT
            placed[b] = replace(placed[b], offset=offset)
            heapq.heappush(ends, (last[b], offset))
    return total


def renumbered(step: Step, number: Mapping[int, int]) -> Step:
    """The step on other buffers."""

    def of(buffer: int) -> int:
        return number.get(buffer, buffer)

    def moved(access: Access) -> Access:
        return Access(of(access.buffer), access.offset, access.strides)

    def loaded(part: Any) -> Any:
        if isinstance(part, Load):
            return Load(moved(part.access), part.within)
        return replace(part, access=moved(part.access)) if isinstance(part, LoadAt) else part

    def body(old: Body) -> Body:
        return tuple(map(loaded, old))

    if isinstance(step, Nest):
        results = tuple(replace(r, access=moved(r.access)) for r in step.results)
        return replace(step, body=body(step.body), results=results)
    if isinstance(step, Scan):
        return replace(step, body=body(step.body), access=moved(step.access))
    if isinstance(step, Gemm):
        a, b, c = (replace(m, buffer=of(m.buffer)) for m in (step.a, step.b, step.c))
        return replace(step, a=a, b=b, c=c)
    if isinstance(step, Lapack):
        return replace(step, operands=tuple(map(of, step.operands)), result=of(step.result), work=of(step.work))
    if isinstance(step, ForeignCall):
        return replace(step, operands=tuple(map(of, step.operands)), result=of(step.result))
    if isinstance(step, Sort):
        return replace(step, value=of(step.value), result=of(step.result), work=of(step.work))
    assert isinstance(step, ScatterAdd)
    return replace(step, value=of(step.value), index=of(step.index), result=of(step.result))
