"""The table of addresses that the functions of a plan's steps are given."""

from __future__ import annotations

from symdiff.optimize.planning.plan import Plan


class AddressTable:
    """One address for each array of the caller or of the code and one for the workspace, then what a failure tells, and
    the sizes by name that a call has.

    Attributes
    ----------
    buffers : the buffers with an entry of their own, in the order of the entries.
    work, which, extent, sizes, size : the entries of the workspace, of an index out of range and of the size of its
        axis; the first of the sizes; the number of entries.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.buffers = [k for k, buffer in enumerate(plan.buffers) if buffer.kind != "work"]
        self._entries = {k: entry for entry, k in enumerate(self.buffers)}
        self.work = len(self.buffers)
        self.which, self.extent, self.sizes = self.work + 1, self.work + 2, self.work + 3
        self.size = self.sizes + (0 if plan.sizes is None else len(plan.sizes.values))

    def place(self, number: int) -> tuple[int, int]:
        """The entry of a buffer, and the bytes from there to its start."""
        buffer = self._plan.buffers[number]
        return (self.work, buffer.offset) if buffer.kind == "work" else (self._entries[number], 0)
