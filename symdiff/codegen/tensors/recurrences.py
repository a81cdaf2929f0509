"""Recurrences along an axis and additions at indices, as lines of LLVM IR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from operator import index

from symdiff.codegen.tensors.nest_blocks import Block, Sink, State
from symdiff.codegen.tensors.nest_body import Nesting, note_failure
from symdiff.codegen.tensors.nest_shape import Loop, map_body, turned_forward
from symdiff.codegen.tensors.nests import WrittenNest, finish_nests, write_nest
from symdiff.codegen.tensors.segments import Segment, Tools, segments
from symdiff.ops.core import ADD, MUL
from symdiff.optimize.planning.plan import (
    Access,
    Apply,
    Buffer,
    Choose,
    Load,
    Nest,
    Range,
    Scan,
    ScatterAdd,
    Store,
    element_bytes,
)


def write_scan(scan: Scan, buffers: Sequence[Buffer], tools: Tools) -> WrittenNest:
    """A recurrence's lines: terms and factors are computed in lanes, the recurrence itself goes through them."""
    if 0 in scan.space:
        return WrittenNest([], [], frozenset(), False)
    scan = turned_forward(scan)
    rows = _by_rows(scan, tools.lanes)
    if rows is not None:
        return write_nest(rows, buffers, tools)
    last = len(scan.space) - 1
    loops = [Loop(axis, scan.space[axis]) for axis in range(last)]
    nesting = Nesting(buffers, scan.space, scan.body, loops, last, tools.scalar)
    entry: list[str] = []
    sink = _Recurring(nesting, tools, scan, entry)
    lines: list[str] = []
    # The first block is one of its own: nothing comes before its first element.
    for segment in segments(nesting, tools):
        cut = min(segment.low + tools.lanes, segment.high) if segment.low == 0 else segment.low
        cut = index(cut) if segment.low == 0 else cut
        for low, high in pairwise((segment.low, cut, segment.high)):
            if low < high:
                Segment(nesting, tools, low, high, segment.dynamic).whole(lines, sink, tools.lanes)
    return finish_nests(nesting, lines, entry)


def _by_rows(scan: Scan, least: int) -> Nest | None:
    """The same recurrence for whole rows at once, each from the row before it in the result.

    None where memory is walked along the axis of the recurrence, or there is no row of at least so many elements.
    """
    last, strides = len(scan.space) - 1, scan.access.strides
    if last < 1 or abs(strides[last]) == 1 or strides[last - 1] != 1 or scan.space[last - 1] < least:
        return None
    order = [*range(last - 1), last, last - 1]
    places = {axis: k for k, axis in enumerate(order)}

    def turned(a: Access) -> Access:
        return replace(a, strides=tuple([a.strides[k] for k in order]))

    body = list(
        map_body(
            scan.body, turned, lambda r: replace(r, axis=places[r.axis]), lambda p: replace(p, axis=places[p.axis])
        )
    )
    count, access = len(body), turned(scan.access)
    later = (Range(places[last], 1, scan.space[last]),)
    body.append(Load(replace(access, offset=access.offset - strides[last]), later))
    moved = count
    if scan.factor is not None:
        moved = len(body)
        body.append(Apply(MUL, (scan.factor, count)))
    body += [Apply(ADD, (moved, scan.term)), Choose(later, len(body), scan.term)]
    return Nest(tuple([scan.space[k] for k in order]), (), tuple(body), (Store(len(body) - 1, access),))


class _Recurring(Sink):
    carries = 1

    def __init__(self, nesting: Nesting, tools: Tools, scan: Scan, entry: list[str]) -> None:
        self.nesting, self.tools, self.scan = nesting, tools, scan
        self.needs = (scan.term,) if scan.factor is None else (scan.factor, scan.term)
        self.last = nesting.fresh("%t")
        entry.append(f"{self.last} = alloca {tools.element}")

    def before(self, lines: list[str]) -> State:
        name, one = self.nesting.fresh("%r"), self.tools.element
        lines.append(f"{name} = load {one}, ptr {self.last}")
        return [(one, name)]

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        scan, one, fresh = self.scan, self.tools.element, self.nesting.fresh
        vector, h = f"<{self.tools.lanes} x {one}>", state[0][1]
        for block in blocks:
            terms = block.value(scan.term)
            factors = None if scan.factor is None else block.value(scan.factor)
            result = "poison"
            for lane in range(self.tools.lanes):
                if block.valid is not None and not block.valid[lane]:
                    continue
                n, before = fresh("%h"), h
                lines.append(f"{n}b = extractelement {vector} {terms}, i64 {lane}")
                if block.index == "0" and lane == 0:
                    h = f"{n}b"
                else:
                    if factors is not None:
                        lines.append(f"{n}a = extractelement {vector} {factors}, i64 {lane}")
                        lines.append(f"{n}m = fmul {one} {n}a, {h}")
                        h = f"{n}m"
                    lines.append(f"{n} = fadd {one} {h}, {n}b")
                    if block.valid is None and block.mask is not None:  # what lies outside does not go on
                        lines += [
                            f"{n}v = extractelement <{self.tools.lanes} x i1> {block.mask}, i64 {lane}",
                            f"{n}w = select i1 {n}v, {one} {n}, {one} {before}",
                        ]
                        n = f"{n}w"
                    h = n
                lines.append(f"{n}r = insertelement {vector} {result}, {one} {h}, i64 {lane}")
                result = f"{n}r"
            place = block.place(self.nesting.row(scan.access), scan.access)
            block.put(result, "f", place, scan.access.strides[self.nesting.inner])
        return [(one, h)]

    def after(self, lines: list[str], state: State) -> None:
        lines.append(f"store {state[0][0]} {state[0][1]}, ptr {self.last}")


def write_scatter(step: ScatterAdd, buffers: Sequence[Buffer], tools: Tools) -> WrittenNest:
    """Zeros, then additions of rows in the order of the index."""
    rows, inner = step.outer * step.size, step.inner
    total = rows * inner
    uses = frozenset((step.value, step.index, step.result))
    item, one = element_bytes(buffers[step.result].dtype), tools.element
    clear = f"call void @llvm.memset.p0.i64(ptr %b{step.result}, i8 0, i64 {total * item}, i1 false)"
    if not total or not step.count:
        bad = not step.size and step.count and step.outer and inner
        return WrittenNest([], [clear] if total else [], uses, False) if not bad else _all_fail(step, uses)
    lanes = tools.lanes
    wide = inner - inner % lanes if index(inner) else 0
    moves = []
    for kind, start, stop, by, type_ in (("v", 0, wide, lanes, f"<{lanes} x {one}>"), ("o", wide, inner, 1, one)):
        if start < stop:
            moves += [
                f"br label %{kind}pre",
                f"{kind}pre:",
                f"br label %{kind}loop",
                f"{kind}loop:",
                f"%{kind} = phi i64 [ {start}, %{kind}pre ], [ %{kind}n, %{kind}loop ]",
                f"%{kind}f = getelementptr {one}, ptr %from, i64 %{kind}",
                f"%{kind}t = getelementptr {one}, ptr %to, i64 %{kind}",
                f"%{kind}x = load {type_}, ptr %{kind}f, align {item}",
                f"%{kind}y = load {type_}, ptr %{kind}t, align {item}",
                f"%{kind}z = fadd {type_} %{kind}y, %{kind}x",
                f"store {type_} %{kind}z, ptr %{kind}t, align {item}",
                f"%{kind}n = add i64 %{kind}, {by}",
                f"%{kind}m = icmp slt i64 %{kind}n, {stop}",
                f"br i1 %{kind}m, label %{kind}loop, label %{kind}done",
                f"{kind}done:",
            ]
    lines = [
        clear,
        "br label %pre",
        "pre:",
        "br label %outer",
        "outer:",
        "%p = phi i64 [ 0, %pre ], [ %pn, %outer_end ]",
        f"%pr = mul i64 %p, {step.size}",
        f"%pv = mul i64 %p, {step.count}",
        "br label %each",
        "each:",
        "%i = phi i64 [ 0, %outer ], [ %in, %each_end ]",
        f"%xp = getelementptr i64, ptr %b{step.index}, i64 %i",
        "%x = load i64, ptr %xp",
        "%xn = icmp slt i64 %x, 0",
        f"%xa = add i64 %x, {step.size}",
        "%xf = select i1 %xn, i64 %xa, i64 %x",
        f"%xg = icmp uge i64 %xf, {step.size}",
        "br i1 %xg, label %bad, label %good",
        "bad:",
    ]
    note_failure(lines, "%w", "true", "%x", step.size)
    lines += [
        "br label %each_end",
        "good:",
        "%rr = add i64 %pr, %xf",
        f"%ro = mul i64 %rr, {inner}",
        f"%to = getelementptr {one}, ptr %b{step.result}, i64 %ro",
        "%vr = add i64 %pv, %i",
        f"%vo = mul i64 %vr, {inner}",
        f"%from = getelementptr {one}, ptr %b{step.value}, i64 %vo",
        *moves,
        "br label %each_end",
        "each_end:",
        "%in = add i64 %i, 1",
        f"%im = icmp slt i64 %in, {step.count}",
        "br i1 %im, label %each, label %outer_end",
        "outer_end:",
        "%pn = add i64 %p, 1",
        f"%pm = icmp slt i64 %pn, {step.outer}",
        "br i1 %pm, label %outer, label %finished",
        "finished:",
    ]
    return WrittenNest([], lines, uses, True)


def _all_fail(step: ScatterAdd, uses: frozenset[int]) -> WrittenNest:
    lines = [f"%x = load i64, ptr %b{step.index}"]
    note_failure(lines, "%w", "true", "%x", step.size)
    return WrittenNest([], lines, uses, True)
