"""Which values are finite wherever the inputs are: those that no infinite or undefined factor can come from."""

from __future__ import annotations

from symdiff.ir.graph import Graph


class Finite:
    """Answers for the nodes of one graph; each node is looked at once."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[int, bool] = {}

    def __call__(self, node: int) -> bool:
        """Whether the node is finite for all finite inputs, overflow aside."""
        known = self._known
        found = known.get(node)
        if found is not None:
            return found
        ops, args = self.graph.ops, self.graph.args
        stack = [node]
        while stack:
            at = stack[-1]
            if at in known:
                stack.pop()
                continue
            if ops[at].result == "c" or not ops[at].finite:
                known[at] = ops[at].result == "c"
                continue
            open_ = [a for a in args[at] if a not in known]
            if open_:
                stack += open_
                continue
            known[at] = all(known[a] for a in args[at])
        return known[node]
