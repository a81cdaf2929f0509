"""Segments of the innermost axis, taken through in blocks of lanes.

The axis is split where a range of it begins or ends, so that in each segment it is known which ranges hold. A segment's
last block, where it is not a whole one, is computed by the same instructions under a mask: what an element becomes does
not depend on where it stands.

Of loads of neighbours along the axis only the farthest is read, the others are shifted. Measured on Zen 5: three reads
one element apart, each across two lines of the cache, take twice the time of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import field

from symdiff.codegen.body import Operations, Routines
from symdiff.codegen.interrupts import BETWEEN, poll
from symdiff.codegen.target import Target
from symdiff.codegen.tensors.nest_blocks import Block, Sink
from symdiff.codegen.tensors.nest_body import Memory, Nesting, splat
from symdiff.codegen.tensors.nest_shape import intersected
from symdiff.dataclass import dataclass
from symdiff.ops.base import Library
from symdiff.ops.structure import BLOCK, LANES
from symdiff.optimize.planning.plan import Access, Apply, Choose, Load, LoadAt
from symdiff.sizes import is_open
from symdiff.types import FLOAT32, FLOAT64


class Shared:
    """Reads of one row, less than a vector apart from each other.

    Attributes
    ----------
    name : the value of the farthest read, which the next block gets as the one before.
    """

    def __init__(self, block: Block, row: str, reads: dict[int, list[int]]) -> None:
        self.block, self.row, self.reads = block, row, reads
        self.type = block.ops.number
        self.name = block.nesting.fresh("%n")
        self.far = max(reads)
        self.reach = self.far - min(reads)
        part = block.nesting.body[reads[self.far][0]]
        assert isinstance(part, Load)
        self.access = part.access

    def first(self, lines: list[str], start: str) -> str:
        """What is read before the first block at `start`: only the elements that it needs."""
        block, ops = self.block, self.block.ops
        access = Access(self.access.buffer, self.access.offset - ops.lanes, self.access.strides)
        probe = Block(block.nesting, ops, block.memory, lines, start, block.truth)
        mask = ", ".join(f"i1 {str(lane >= ops.lanes - self.reach).lower()}" for lane in range(ops.lanes))
        name = block.nesting.fresh("%n")
        return probe.load(name, probe.place(self.row, access), f"<{mask}>")

    def give(self, before: str) -> None:
        """Give a block the values of the reads, from its own farthest one and that of the block before."""
        block, lanes = self.block, self.block.ops.lanes
        block.load(self.name, block.place(self.row, self.access), None)
        for offset, instructions in self.reads.items():
            shift = self.far - offset
            value = self.name
            if shift:
                value = block.nesting.fresh("%n")
                order = ", ".join(f"i32 {lane}" for lane in range(lanes - shift, 2 * lanes - shift))
                block.lines.append(
                    f"{value} = shufflevector {self.type} {before}, {self.type} {self.name}, <{lanes} x i32> <{order}>"
                )
            for k in instructions:
                block.know(k, value)


def overlapping(block: Block, needs: Sequence[int]) -> list[Shared]:
    """The groups of overlapping reads among all that instructions need."""
    nesting, rows = block.nesting, dict[str, dict[int, list[int]]]()
    for k in block.missing(needs):
        part = nesting.body[k]
        if not isinstance(part, Load) or nesting.level[k] < nesting.depth or nesting.kinds[k] != "f":
            continue
        if part.access.strides[nesting.inner] != 1 or not block.whole(part):
            continue
        row = nesting.row(part.access, part.within)
        rows.setdefault(row, {}).setdefault(part.access.offset, []).append(k)
    found: list[Shared] = []
    for row, reads in rows.items():
        group: dict[int, list[int]] = {}
        for offset in sorted(reads, reverse=True):
            if group and max(group) - offset >= block.ops.lanes:
                found += [Shared(block, row, group)] if len(group) > 1 else []
                group = {}
            group[offset] = reads[offset]
        found += [Shared(block, row, group)] if len(group) > 1 else []
    return found


LARGEST_SEGMENTED = 4000
"""Instructions in all segments together; with more, ranges of the innermost axis become masks."""


FEW_BLOCKS, LONG_BODY = 16, 32
"""Up to so many blocks of code of so many instructions are one loop under masks."""


@dataclass(slots=True)
class Tools:
    """What all nests of a module share.

    Attributes
    ----------
    target : where the code runs.
    scalar, vector : write operations on one number and on lanes.
    memory : the intrinsics for masks.
    definitions : functions that loops call, by their names.
    """

    element: str
    lanes: int
    vectors: bool
    target: Target = field(default_factory=Target.host)
    memory: Memory = field(default_factory=Memory)
    definitions: dict[str, list[str]] = field(default_factory=dict)
    scalar: Operations = field(init=False)
    vector: Operations = field(init=False)

    @property
    def dtype(self) -> str:
        """The type of numbers in buffers."""
        return FLOAT32 if self.element == "float" else FLOAT64

    def alike(self, nesting: Nesting) -> bool:
        """Whether a single number gets the bits that it has in lanes."""
        return not self.vectors or not any(
            isinstance(part, Apply) and isinstance(part.op.routine, Library) for part in nesting.body
        )

    def __post_init__(self) -> None:
        one = Routines(self.element, target=self.target)
        self.scalar = Operations(self.element, one)
        self.vector = Operations(self.element, Routines(self.element, self.lanes, self.vectors, one, self.target))


class Segment:
    """A part of the innermost axis, from `low` to before `high`, in which it is known which ranges hold.

    With `dynamic` it is the whole axis, and they are not known.
    """

    def __init__(self, nesting: Nesting, tools: Tools, low: int, high: int, dynamic: bool) -> None:
        self.nesting, self.tools, self.low, self.high, self.dynamic = nesting, tools, low, high, dynamic

    def truth(self, start: int, stop: int) -> bool | None:
        """Whether the interval holds here."""
        if stop <= self.low or start >= self.high or start >= stop:
            return False
        return True if start <= self.low and stop >= self.high else None

    def _block(self, lines: list[str], index: str, mask: str | None = None) -> Block:
        ops = self.tools.vector
        return Block(self.nesting, ops, self.tools.memory, lines, index, self.truth, mask)

    def _blocks(self, lines: list[str], start: str, width: int) -> list[Block]:
        """Whole blocks one after the other."""
        lanes = self.tools.lanes
        blocks = []
        for k in range(width // lanes):
            index = start
            if k and start.startswith("%"):
                index = self.nesting.fresh("%j")
                lines.append(f"{index} = add i64 {start}, {k * lanes}")
            elif k:
                index = str(int(start) + k * lanes)
            blocks.append(self._block(lines, index))
        return blocks

    # Sizes that are known

    def whole(self, lines: list[str], sink: Sink, width: int) -> None:
        """All of it, in blocks from its first element on."""
        if self.high - self.low == 1 and sink.scalar and not self.dynamic and self.tools.alike(self.nesting):
            block = Block(self.nesting, self.tools.scalar, self.tools.memory, lines, str(self.low), self.truth)
            sink.step(lines, [block], sink.before(lines))
        elif self._is_open:
            self._counted(lines, sink, width)
        else:
            self._known(lines, sink, width, self.low)

    @property
    def _is_open(self) -> bool:
        return is_open(self.low) or is_open(self.high)

    def in_sequence(self, lines: list[str], sink: Sink, phase: str | None, before: str) -> None:
        """All of it, in blocks of eight such that element k of the sequence is in lane k % 8.

        `before` is the number of elements of the sequence before the axis, `phase` that modulo 8 where it is not 0.
        """
        if phase is None and self._is_open:
            if is_open(self.low) or self.low % LANES:
                self._shifted(lines, sink, LANES, "0", before)
            else:
                self._counted(lines, sink, LANES, before)
        elif phase is None:
            self._known(lines, sink, LANES, self.low - self.low % LANES, before)
        else:
            self._shifted(lines, sink, LANES, phase, before)

    def aligned(self, lines: list[str], sink: Sink, phase: str) -> None:
        """All of it, in blocks that begin where vectors do in memory."""
        self._shifted(lines, sink, self.tools.lanes, phase)

    def _shifted(self, lines: list[str], sink: Sink, width: int, phase: str, before: str = "") -> None:
        n = self.nesting.fresh("%z")
        lines += [
            f"{n}p = add i64 {phase}, {self.low}",
            f"{n}b = and i64 {n}p, {width - 1}",
            f"{n} = sub i64 {self.low}, {n}b",
        ]
        self._unknown(lines, sink, width, n, str(self.low), str(self.high), True, before)

    def _known(self, lines: list[str], sink: Sink, width: int, start: int, before: str = "") -> None:
        if start < self.low:
            self._partial(lines, sink, width, start)
            start += width
            self._carry(lines, sink, before, str(min(start, self.high)))
        count = max(0, self.high - start) // width
        if count and sink.scalar and start + count * width < self.high and self._is_better_masked(count + 1):
            self._under_masks(lines, sink, width, start)
            return
        if count > 1:
            self._loop_in_blocks(lines, sink, width, str(start), str(start + count * width), True, before)
        elif count:
            state = sink.before(lines)
            sink.after(lines, sink.step(lines, self._blocks(lines, str(start), width), state))
            self._carry(lines, sink, before, str(start + width))
        start += count * width
        if start < self.high:
            self._partial(lines, sink, width, start)
            self._carry(lines, sink, before, str(self.high))

    def _is_better_masked(self, blocks: int) -> bool:
        """Whether one loop under masks is to be preferred to a loop and the same code once more for what is left.

        It costs nothing where vectors have masks, and takes LLVM half of the time: that of long code for few elements.
        """
        return blocks <= FEW_BLOCKS and len(self.nesting.body) >= LONG_BODY and self.tools.target.has_masks

    def _under_masks(self, lines: list[str], sink: Sink, width: int, start: int) -> None:
        """All of it from `start` on, each block under a mask."""
        n, lanes = self.nesting.fresh(""), self.tools.lanes
        lines += _loop_head(n, start)
        blocks = self._blocks(lines, f"%g{n}", width)
        for k, block in enumerate(blocks):
            block.mask = f"%k{n}.{k}"
            lines.append(f"{block.mask} = icmp slt <{lanes} x i64> {block.indices()}, splat (i64 {self.high})")
        sink.step(lines, blocks, [])
        lines += [
            f"%h{n} = add i64 %g{n}, {width}",
            f"%m{n} = icmp slt i64 %h{n}, {self.high}",
            f"br i1 %m{n}, label %F{n}, label %X{n}",
            f"X{n}:",
        ]

    def _partial(self, lines: list[str], sink: Sink, width: int, start: int) -> None:
        lanes = self.tools.lanes
        blocks: list[Block] = []
        for first in range(start, start + width, lanes):
            valid = [self.low <= k < self.high for k in range(first, first + lanes)]
            if any(valid):
                mask = "<" + ", ".join(f"i1 {str(v).lower()}" for v in valid) + ">"
                block = self._block(lines, str(first), None if all(valid) else mask)
                block.valid = valid
                blocks.append(block)
            else:
                blocks.append(self._block(lines, str(first), "zeroinitializer"))
                blocks[-1].valid = valid
        state = sink.before(lines)
        sink.after(lines, sink.step(lines, blocks, state))

    def _loop(self, lines: list[str], sink: Sink, width: int, start: str, stop: str, exact: bool) -> str:
        """Whole blocks from `start` to `stop` (`exact`) or as many as go before it, at least one; the next index."""
        n = self.nesting.fresh("")
        state = sink.before(lines)
        lines += _loop_head(n, start)
        carried = []
        for k, (type_, value) in enumerate(state):
            carried.append((type_, f"%u{n}.{k}"))
            lines.append(f"%u{n}.{k} = phi {type_} [ {value}, %G{n} ], [ <u{n}.{k}>, %F{n} ]")
        at = len(lines) - len(state)
        blocks = self._blocks(lines, f"%g{n}", width)
        if len(blocks) == 1:
            for k, shared in enumerate(overlapping(blocks[0], sink.needs)):
                place = lines.index(f"br label %G{n}")
                before: list[str] = []
                first = shared.first(before, start)
                lines[place:place] = before
                at += len(before)
                lines.insert(at, f"%w{n}.{k} = phi {shared.type} [ {first}, %G{n} ], [ {shared.name}, %F{n} ]")
                at += 1
                shared.give(f"%w{n}.{k}")
        state = sink.step(lines, blocks, carried)
        for k, (_, value) in enumerate(state):
            lines[at + k] = lines[at + k].replace(f"<u{n}.{k}>", value)
        lines += [f"%h{n} = add i64 %g{n}, {width}"]
        if not exact:
            lines += [f"%y{n} = add i64 %h{n}, {width}", f"%m{n} = icmp sle i64 %y{n}, {stop}"]
        else:
            lines += [f"%m{n} = icmp slt i64 %h{n}, {stop}"]
        lines += [f"br i1 %m{n}, label %F{n}, label %X{n}", f"X{n}:"]
        sink.after(lines, state)
        return f"%h{n}"

    def _loop_in_blocks(
        self, lines: list[str], sink: Sink, width: int, start: str, stop: str, exact: bool, before: str
    ) -> str:
        """As `_loop`, in turns that end where a block of the sequence is complete."""
        if not (before and sink.blocks):
            return self._loop_in_turns(lines, sink, width, start, stop, exact)
        if before == "0" and start.isdigit() and stop.isdigit() and int(start) // BLOCK == (int(stop) - 1) // BLOCK:
            last = self._loop(lines, sink, width, start, stop, exact)
            self._carry(lines, sink, before, stop)
            return last
        n = self.nesting.fresh("")
        lines += [
            f"br label %I{n}",
            f"I{n}:",
            f"br label %O{n}",
            f"O{n}:",
            f"%q{n} = phi i64 [ {start}, %I{n} ], [ %v{n}, %L{n} ]",
            f"%q{n}s = add i64 %q{n}, {before}",
            f"%q{n}r = and i64 %q{n}s, {BLOCK - 1}",
            f"%q{n}l = sub i64 {BLOCK}, %q{n}r",
            f"%q{n}f = add i64 %q{n}, %q{n}l",
            f"%q{n}c = icmp slt i64 %q{n}f, {stop}",
            f"%q{n}e = select i1 %q{n}c, i64 %q{n}f, i64 {stop}",
        ]
        last = self._loop(lines, sink, width, f"%q{n}", f"%q{n}e", exact)
        lines.append(f"%v{n} = add i64 {last}, 0")
        self._carry(lines, sink, before, f"%v{n}")
        turn = self._turn(width)
        if turn:
            lines += [
                f"%q{n}t = and i64 %q{n}s, {turn - 1}",
                f"%q{n}u = icmp uge i64 %q{n}t, {turn - BLOCK}",
                f"br i1 %q{n}u, label %q{n}y, label %q{n}z",
                f"q{n}y:",
            ]
            poll(lines, f"q{n}x", turn * self.nesting.cost)
            lines += [f"br label %q{n}z", f"q{n}z:"]
        lines += self._again(n, width, stop, exact)
        return f"%v{n}"

    def _turn(self, width: int) -> int:
        """Elements between two looks for signals, a power of two; 0 where all of them take less time."""
        cost = self.nesting.cost
        size = self.high - self.low
        if not is_open(size) and size * cost <= BETWEEN:
            return 0
        return max(width, BLOCK, 1 << (BETWEEN // (2 * cost)).bit_length())

    def _loop_in_turns(self, lines: list[str], sink: Sink, width: int, start: str, stop: str, exact: bool) -> str:
        """As `_loop`, in turns after each of which signals are heard, where it takes long."""
        turn = self._turn(width)
        if not turn:
            return self._loop(lines, sink, width, start, stop, exact)
        n = self.nesting.fresh("")
        lines += [
            f"br label %I{n}",
            f"I{n}:",
            f"br label %O{n}",
            f"O{n}:",
            f"%q{n} = phi i64 [ {start}, %I{n} ], [ %v{n}, %L{n} ]",
            f"%q{n}f = add i64 %q{n}, {turn}",
            f"%q{n}c = icmp slt i64 %q{n}f, {stop}",
            f"%q{n}e = select i1 %q{n}c, i64 %q{n}f, i64 {stop}",
        ]
        last = self._loop(lines, sink, width, f"%q{n}", f"%q{n}e", exact)
        lines.append(f"%v{n} = add i64 {last}, 0")
        lines += self._again(n, width, stop, exact, turn * self.nesting.cost)
        return f"%v{n}"

    @staticmethod
    def _again(n: str, width: int, stop: str, exact: bool, work: int = 0) -> list[str]:
        """The end of a turn: another one where there is a whole block left; signals are heard before it."""
        lines = []
        if exact:
            lines.append(f"%v{n}m = icmp slt i64 %v{n}, {stop}")
        else:
            lines += [f"%v{n}o = add i64 %v{n}, {width}", f"%v{n}m = icmp sle i64 %v{n}o, {stop}"]
        if not work:
            return [*lines, f"br label %L{n}", f"L{n}:", f"br i1 %v{n}m, label %O{n}, label %R{n}", f"R{n}:"]
        lines += [f"br i1 %v{n}m, label %q{n}y, label %R{n}", f"q{n}y:"]
        poll(lines, f"q{n}x", work)
        return [*lines, f"br label %L{n}", f"L{n}:", f"br label %O{n}", f"R{n}:"]

    def _carry(self, lines: list[str], sink: Sink, before: str, index: str) -> None:
        """Tell a sink that adds up in blocks where one ends before an index."""
        if not (before and sink.blocks):
            return
        if before == "0" and index.isdigit():
            if int(index) % BLOCK == 0:
                sink.carry(lines, str(int(index) // BLOCK))
            return
        end_block(self.nesting, lines, sink, before, index)

    # Sizes that are not known

    def _counted(self, lines: list[str], sink: Sink, width: int, before: str = "") -> None:
        """All of it, in blocks from its first element on, where a call fixes how many there are."""
        n, lanes, blocks = self.nesting.fresh(""), self.tools.lanes, list[Block]()
        low, high, head = str(self.low), str(self.high), self.nesting.code.headers[0]
        head += [
            f"%l{n} = sub i64 {high}, {low}",
            f"%l{n}w = and i64 %l{n}, {-width}",
            f"%l{n}s = add i64 %l{n}w, {low}",
            f"%l{n}b = icmp sgt i64 %l{n}w, 0",
            f"%l{n}r = sub i64 {high}, %l{n}s",
            f"%l{n}p = icmp sgt i64 %l{n}r, 0",
        ]
        rest = self._spread(head, f"%l{n}r")
        lines += [f"br i1 %l{n}b, label %W{n}, label %V{n}", f"W{n}:"]
        self._loop_in_blocks(lines, sink, width, low, f"%l{n}s", True, before)
        lines += [f"br label %V{n}", f"V{n}:", f"br i1 %l{n}p, label %M{n}, label %Z{n}", f"M{n}:"]
        for k, block in enumerate(self._blocks(lines, f"%l{n}s", width)):
            block.mask = f"%l{n}m{k}"
            numbers = ", ".join(f"i64 {lane}" for lane in range(k * lanes, (k + 1) * lanes))
            head.append(f"{block.mask} = icmp ult <{lanes} x i64> <{numbers}>, {rest}")
            blocks.append(block)
        state = sink.before(lines)
        sink.after(lines, sink.step(lines, blocks, state))
        self._carry(lines, sink, before, high)
        lines += [f"br label %Z{n}", f"Z{n}:"]

    def between(self, lines: list[str], header: list[str], sink: Sink, begin: str, end: str) -> None:
        """What lies between two indices."""
        n = self.nesting.fresh("%z")
        header += [
            f"{n}c = icmp sgt i64 {begin}, {self.low}",
            f"{n}l = select i1 {n}c, i64 {begin}, i64 {self.low}",
            f"{n}d = icmp slt i64 {end}, {self.high}",
            f"{n}h = select i1 {n}d, i64 {end}, i64 {self.high}",
        ]
        self._unknown(lines, sink, self.tools.lanes, f"{n}l", f"{n}l", f"{n}h", False)

    def _unknown(
        self, lines: list[str], sink: Sink, width: int, start: str, low: str, high: str, early: bool, before: str = ""
    ) -> None:
        n = self.nesting.fresh("")
        lines += [
            f"br label %A{n}",
            f"A{n}:",
            f"br label %H{n}",
            f"H{n}:",
            f"%j{n} = phi i64 [ {start}, %A{n} ], [ %p{n}, %N{n} ], [ %h{n}e, %Y{n} ]",
            f"%c{n} = icmp slt i64 %j{n}, {high}",
            f"br i1 %c{n}, label %T{n}, label %Z{n}",
            f"T{n}:",
            f"%e{n} = add i64 %j{n}, {width}",
            f"%f{n} = icmp sle i64 %e{n}, {high}",
        ]
        fits = f"%f{n}"
        if early:
            lines += [f"%o{n} = icmp sge i64 %j{n}, {low}", f"%w{n} = and i1 %f{n}, %o{n}"]
            fits = f"%w{n}"
        lines += [f"br i1 {fits}, label %W{n}, label %M{n}", f"W{n}:"]
        last = self._loop_in_blocks(lines, sink, width, f"%j{n}", high, False, before)
        lines += [f"br label %Y{n}", f"Y{n}:", f"%h{n}e = add i64 {last}, 0", f"br label %H{n}", f"M{n}:"]
        lanes, blocks = self.tools.lanes, []
        for k, block in enumerate(self._blocks(lines, f"%j{n}", width)):
            mask = f"%k{n}.{k}"
            lines += [
                f"{mask}u = sub <{lanes} x i64> {block.indices()}, {self._spread(lines, low)}",
                f"{mask} = icmp ult <{lanes} x i64> {mask}u, {self._spread_difference(lines, low, high)}",
            ]
            block.mask = mask
            blocks.append(block)
        state = sink.before(lines)
        sink.after(lines, sink.step(lines, blocks, state))
        if before and sink.blocks:
            lines.append(f"%x{n} = select i1 %f{n}, i64 %e{n}, i64 {high}")
            self._carry(lines, sink, before, f"%x{n}")
        lines += [f"br label %N{n}", f"N{n}:", f"%p{n} = add i64 %j{n}, {width}", f"br label %H{n}", f"Z{n}:"]

    def _spread(self, lines: list[str], value: str) -> str:
        if not value.startswith("%"):
            return f"splat (i64 {value})"
        return splat(self.nesting.fresh, lines, value, "i64", self.tools.vector)

    def _spread_difference(self, lines: list[str], low: str, high: str) -> str:
        if not low.startswith("%") and not high.startswith("%"):
            return self._spread(lines, str(int(high) - int(low)))
        name = self.nesting.fresh("%d")
        lines.append(f"{name} = sub i64 {high}, {low}")
        return self._spread(lines, name)


def end_block(nesting: Nesting, lines: list[str], sink: Sink, before: str, index: str) -> None:
    """Tell a sink where a block of the sequence is complete, `before` and `index` elements of which have been added."""
    n = nesting.fresh("")
    lines += [
        f"%b{n}s = add i64 {before}, {index}",
        f"%b{n}r = and i64 %b{n}s, {BLOCK - 1}",
        f"%b{n}w = icmp eq i64 %b{n}r, 0",
        f"br i1 %b{n}w, label %B{n}, label %D{n}",
        f"B{n}:",
        f"%b{n}c = lshr i64 %b{n}s, {BLOCK.bit_length() - 1}",
    ]
    sink.carry(lines, f"%b{n}c")
    lines += [f"br label %D{n}", f"D{n}:"]


def segments(nesting: Nesting, tools: Tools) -> list[Segment]:
    """The parts of the innermost axis in which all its ranges are known to hold or not."""
    size, inner = nesting.space[nesting.inner], nesting.inner
    cuts = {0, size}
    for part in nesting.body:
        ranges = part.within if isinstance(part, Load | LoadAt) else part.ranges if isinstance(part, Choose) else ()
        interval = intersected(ranges).get(inner)
        if interval is not None and interval[0] < interval[1]:
            cuts.update(min(max(at, 0), size) for at in interval)
    ends = sorted(cuts)
    if (len(ends) - 1) * len(nesting.body) > LARGEST_SEGMENTED:
        return [Segment(nesting, tools, 0, size, True)]
    return [Segment(nesting, tools, low, high, False) for low, high in itertools.pairwise(ends)]


def _loop_head(n: str, start: int | str) -> list[str]:
    """The head of the loop over %g from `start` on, which %h follows; `n` ends its names."""
    return [
        f"br label %G{n}",
        f"G{n}:",
        f"br label %F{n}",
        f"F{n}:",
        f"%g{n} = phi i64 [ {start}, %G{n} ], [ %h{n}, %F{n} ]",
    ]
