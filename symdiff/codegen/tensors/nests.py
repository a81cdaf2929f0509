"""Loop nests as lines of LLVM IR: segments of the innermost axis, in loops over the others."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from symdiff.codegen.tensors.nest_blocks import Block, Storing
from symdiff.codegen.tensors.nest_body import Nesting
from symdiff.codegen.tensors.nest_shape import Loop, simplify_nest
from symdiff.codegen.tensors.reductions import Horizontal, Ordered, Vertical, accumulator_width
from symdiff.codegen.tensors.segments import Segment, Tools, end_block, segments
from symdiff.dataclass import dataclass
from symdiff.ops.core import PROD, SUM
from symdiff.ops.structure import LANES
from symdiff.optimize.planning.plan import Buffer, Nest, Reduce, Store, element_bytes
from symdiff.sizes import is_open

LONG = 1024
"""Rows of so many elements have their blocks where vectors begin in memory."""


@dataclass(frozen=True, slots=True)
class WrittenNest:
    """The lines of a step.

    Attributes
    ----------
    entry : allocations, which stand first in the function.
    lines : begin and end in an open block.
    uses : the buffers whose addresses `%b…` are needed.
    may_fail : whether it notes failures in `%failed`, `%which` and `%extent`.
    """

    entry: list[str]
    lines: list[str]
    uses: frozenset[int]
    may_fail: bool


def write_nest(nest: Nest, buffers: Sequence[Buffer], tools: Tools) -> WrittenNest:
    """A nest's lines."""
    small = simplify_nest(nest)
    if small is None:
        return WrittenNest([], [], frozenset(), False)
    if not small.space:
        return _point(small, buffers, tools)
    last = len(small.space) - 1
    stores = [r for r in small.results if isinstance(r, Store)]
    reduces = [r for r in small.results if isinstance(r, Reduce)]
    if not reduces:
        return _stored(small, stores, buffers, tools)
    if last in small.reduced:
        return _horizontal(small, stores, reduces, buffers, tools)
    return _vertical(small, stores, reduces, buffers, tools)


def _nesting(nest: Nest, loops: Sequence[int], inner: int, buffers: Sequence[Buffer], tools: Tools) -> Nesting:
    made = [Loop(axis, nest.space[axis]) for axis in loops]
    return Nesting(buffers, nest.space, nest.body, made, inner, tools.scalar)


def finish_nests(nesting: Nesting, inner: Sequence[str], entry: Sequence[str] = ()) -> WrittenNest:
    """The whole of a step, given what is in its innermost loop."""
    return WrittenNest(list(entry), nesting.code.assemble(inner), frozenset(nesting.uses), nesting.may_fail)


def _point(nest: Nest, buffers: Sequence[Buffer], tools: Tools) -> WrittenNest:
    nesting = _nesting(nest, (), -1, buffers, tools)
    lines: list[str] = []
    for result in nest.results:
        value = nesting.value(result.value)
        block = Block(nesting, tools.scalar, tools.memory, lines, "0", lambda start, stop: None)
        block.put(value, nesting.kinds[result.value], block.place(nesting.row(result.access), result.access), 0)
    return finish_nests(nesting, lines)


def _stored(nest: Nest, stores: list[Store], buffers: Sequence[Buffer], tools: Tools) -> WrittenNest:
    last = len(nest.space) - 1
    nesting = _nesting(nest, range(last), last, buffers, tools)
    sink = Storing(nesting, stores)
    lines: list[str] = []
    size = nest.space[last]
    phase = _alignment(nesting, stores, tools) if is_open(size) or size >= LONG else None
    for segment in segments(nesting, tools):
        length = segment.high - segment.low
        if phase is not None and (is_open(length) or length >= LONG):
            segment.aligned(lines, sink, phase)
        else:
            segment.whole(lines, sink, tools.lanes)
    return finish_nests(nesting, lines)


def _alignment(nesting: Nesting, stores: Sequence[Store], tools: Tools) -> str | None:
    """How many elements the first of a row stands behind the start of a vector in memory, or None.

    Stores that cross lines of the cache cost twice as much; loads do not.
    """
    for store in stores:
        access, item = store.access, element_bytes(nesting.buffers[store.access.buffer].dtype)
        if access.strides[nesting.inner] == 1 and item == element_bytes(tools.dtype):
            lines, row = nesting.code.headers[len(nesting.code.loops)], nesting.row(access)
            lines += [
                f"%first = getelementptr i8, ptr {row}, i64 {access.offset * item}",
                "%address = ptrtoint ptr %first to i64",
                f"%elements = lshr i64 %address, {item.bit_length() - 1}",
                f"%phase = and i64 %elements, {tools.lanes - 1}",
            ]
            size = nesting.space[nesting.inner]
            if is_open(size):
                lines += [f"%long = icmp sge i64 {size}, {LONG}", "%shift = select i1 %long, i64 %phase, i64 0"]
                return "%shift"
            return "%phase"
    return None


def _horizontal(
    nest: Nest, stores: list[Store], reduces: list[Reduce], buffers: Sequence[Buffer], tools: Tools
) -> WrittenNest:
    """The innermost axis is reduced: sums in the lanes of a block."""
    last = len(nest.space) - 1
    kept = [k for k in range(last) if k not in nest.reduced]
    outer = [k for k in nest.reduced if k != last]
    nesting = _nesting(nest, [*kept, *outer], last, buffers, tools)
    count = prod(nest.space[k] for k in nest.reduced)
    entry: list[str] = []
    sinks = [
        Ordered(nesting, tools, r, entry)
        if count < 2 * LANES and r.op in (PROD, SUM)
        else Horizontal(nesting, tools, r, entry, count)
        for r in reduces
    ]
    sink = Storing(nesting, stores, sinks)
    level = len(kept)
    for each in sinks:
        each.start(nesting.code.headers[level])
    lines: list[str] = []
    phase, before = None, "0"
    odd = is_open(nest.space[last]) or nest.space[last] % LANES
    if outer and (odd or sink.blocks):
        header = nesting.code.headers[len(nesting.code.loops)]
        sequence = _sequence(nesting, header, outer)
        header.append(f"%elements = mul i64 {sequence}, {nest.space[last]}")
        before = "%elements"
        if odd:
            header.append(f"%phase = and i64 %elements, {LANES - 1}")
            phase = "%phase"
    for segment in segments(nesting, tools):
        segment.in_sequence(lines, sink, phase, before)
    after = nesting.code.tails[level] if outer else lines
    for each in sinks:
        each.end(after)
    return finish_nests(nesting, lines, entry)


def _sequence(nesting: Nesting, lines: list[str], axes: Sequence[int]) -> str:
    """The number of the row among all rows that are reduced together."""
    name = f"%i{axes[0]}"
    for axis in axes[1:]:
        n = nesting.fresh("%n")
        lines += [f"{n}m = mul i64 {name}, {nesting.space[axis]}", f"{n} = add i64 {n}m, %i{axis}"]
        name = n
    return name


def _vertical(
    nest: Nest, stores: list[Store], reduces: list[Reduce], buffers: Sequence[Buffer], tools: Tools
) -> WrittenNest:
    """The innermost axis is kept: sums for a part of it in memory, eight rows of them."""
    last = len(nest.space) - 1
    kept = [k for k in range(last) if k not in nest.reduced]
    size, count = nest.space[last], prod(nest.space[k] for k in nest.reduced)
    width = accumulator_width(reduces, size, count, tools)
    parts = size > width
    loops = [Loop(k, nest.space[k]) for k in kept]
    if parts:
        loops.append(Loop(-1, size, width))
    level = len(loops)
    loops += [Loop(k, nest.space[k]) for k in nest.reduced]
    nesting = Nesting(buffers, nest.space, nest.body, loops, last, tools.scalar)
    entry: list[str] = []
    header = nesting.code.headers[level]
    begin, end = "0", str(size)
    if parts:
        begin, end = "%part", "%end"
        header += [
            f"%far = add i64 %part, {width}",
            f"%over = icmp slt i64 %far, {size}",
            f"%end = select i1 %over, i64 %far, i64 {size}",
        ]
    sinks = [Vertical(nesting, tools, r, entry, width, count, begin) for r in reduces]
    for each in sinks:
        each.start(header)
    inside = nesting.code.headers[len(loops)]
    sequence = _sequence(nesting, inside, nest.reduced)
    for each in sinks:
        each.row(inside, sequence)
    sink = Storing(nesting, stores, sinks)
    lines: list[str] = []
    for segment in segments(nesting, tools):
        if parts:
            segment.between(lines, header, sink, begin, end)
        else:
            segment.whole(lines, sink, tools.lanes)
    if sink.blocks:
        end_block(nesting, lines, sink, sequence, "1")
    after = nesting.code.tails[level]
    for each in sinks:
        whole = Segment(nesting, tools, 0, size, False)
        results = each.results()
        if parts:
            whole.between(after, header, results, begin, end)
        else:
            whole.whole(after, results, tools.lanes)
    return finish_nests(nesting, lines, entry)
