"""Loads that overlap: of neighbours along the innermost axis only the farthest is read, the others are shifted.

Measured on Zen 5: three reads one element apart, each across two lines of the cache, take twice the time of one.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.codegen.tensors.nest_blocks import Block
from symdiff.optimize.planning.plan import Access, Load


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
