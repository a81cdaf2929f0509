"""Where the values of blocks go."""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.codegen.tensors.nest_blocks import Block
from symdiff.codegen.tensors.nest_body import Nesting
from symdiff.optimize.planning.plan import Store

State = list[tuple[str, str]]
"""Types and values that go from one block to the next."""


class Sink:
    """Takes the blocks of a segment.

    Attributes
    ----------
    scalar : whether it takes single elements, too.
    carries : how many values it carries along.
    needs : the instructions whose values it takes.
    blocks : whether `carry` is to be called wherever a block of elements has been added up.
    """

    scalar = False
    carries = 0
    blocks = False
    needs: Sequence[int] = ()

    def before(self, lines: list[str]) -> State:
        """What is carried along, fetched before the first block."""
        return []

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        """Take some blocks."""
        raise NotImplementedError

    def after(self, lines: list[str], state: State) -> None:
        """Put away what was carried along."""

    def carry(self, lines: list[str], count: str) -> None:
        """Begin the next block; `count` of them have been added up."""


class Storing(Sink):
    """Stores, and other sinks beside them."""

    def __init__(self, nesting: Nesting, stores: Sequence[Store], others: Sequence[Sink] = ()) -> None:
        self.stores, self.others = stores, others
        self.scalar = not others
        self.carries = sum(other.carries for other in others)
        self.blocks = any(other.blocks for other in others)
        self.needs = [s.value for s in stores] + [n for other in others for n in other.needs]

    def before(self, lines: list[str]) -> State:
        """Fetch what is carried along."""
        return [part for other in self.others for part in other.before(lines)]

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        """Take some blocks."""
        # All values first: a result may lie where an operand is read.
        for block in blocks:
            if block.some:
                for store in self.stores:
                    block.value(store.value)
        made: State = []
        for other in self.others:
            made += other.step(lines, blocks, state[len(made) : len(made) + other.carries])
        for block in blocks:
            if block.some:
                for store in self.stores:
                    block.store(store.value, store.access)
        return made

    def after(self, lines: list[str], state: State) -> None:
        """Put away what was carried along."""
        at = 0
        for other in self.others:
            other.after(lines, state[at : at + other.carries])
            at += other.carries

    def carry(self, lines: list[str], count: str) -> None:
        """Begin the next block of all sums."""
        for other in self.others:
            other.carry(lines, count)
