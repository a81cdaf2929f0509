"""The Jacobian of scalars: the ways to it, what each takes, and its nodes."""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.differentiate.chain import scalars_of
from symdiff.differentiate.elimination import Linearized, Nodes, best_order, can_eliminate, eliminated, operations_in
from symdiff.differentiate.jacobians import operations
from symdiff.differentiate.operators import check_differentiable, costs, derivatives
from symdiff.ir.graph import Graph

FORWARD, REVERSE, DIRECT, COMPRESSED, CROSS_COUNTRY = "forward", "reverse", "direct", "compressed", "cross-country"
MODES = (FORWARD, REVERSE, DIRECT, COMPRESSED, CROSS_COUNTRY)
BY_ENTRIES = (DIRECT, COMPRESSED)
"""Those that compute the entries that there can be, as of a sparse matrix."""

CLEAR = 4
"""A mode that takes so many times the operations of the other is not looked at closely."""

FEWEST = 20
"""Where a mode takes so few operations, it is not worth to look for something better."""

ALL_MADE, MOST_MADE = 100, 5000
"""Up to how many operations all ways, and more than one, are made."""

MOST_TALLIED = 200_000
"""Where a mode takes more operations, they are estimated, not tried on numbers."""


class ScalarJacobian:
    """The ways to the derivatives of some outputs by some targets, all scalars or lists of them.

    Attributes
    ----------
    estimates : about how many operations they take, by name.
    """

    def __init__(self, graph: Graph, outputs: Sequence[int], targets: Sequence[int], mode: str = "auto") -> None:
        check_differentiable(graph, outputs)
        self.graph, self.outputs, self.targets = graph, outputs, targets
        counted = costs(graph, [n for o in outputs for n in scalars_of(graph, o, targets)], targets)
        self.estimates = {FORWARD: counted.forward, REVERSE: counted.reverse}
        self._order: list[int] = []
        least = min(counted.forward, counted.reverse)
        # where no partial is met twice, there is nothing to gain
        if mode == CROSS_COUNTRY or (mode == "auto" and least > max(counted.edges, FEWEST)):
            self._look(mode)
        if counted.sparse:
            self.estimates[COMPRESSED] = min(self.estimates[FORWARD], self.estimates[REVERSE])

    def _look(self, mode: str) -> None:
        """Find the order of elimination, and count the modes as orders of elimination, which they are."""
        graph, outputs, targets = self.graph, self.outputs, self.targets
        if not can_eliminate(graph, outputs, targets):
            return
        linearized = self._linearized = Linearized(graph, outputs, targets)
        least = min(self.estimates.values())
        ascending = linearized.vertices
        for name, order in ((FORWARD, ascending), (REVERSE, ascending[::-1])):
            if self.estimates[name] <= min(CLEAR * least, MOST_TALLIED):
                self.estimates[name] = operations_in(linearized, order)
        most = 2 * min(self.estimates.values()) + linearized.edges if mode == "auto" else float("inf")
        found = best_order(linearized, most)
        if found is not None:
            self.estimates[CROSS_COUNTRY], self._order = found
        # all need the local partials
        partials = [node for edges in linearized.into.values() for node, _ in edges.values()]
        shared = operations(graph, partials, set())
        self.estimates = {name: count + shared for name, count in self.estimates.items()}

    def best(self) -> list[str]:
        """The ways that are worth to be made and counted: all of small functions, two of larger ones, one of large.

        A compressed one has the same operations as the mode of its sweeps, which leaves out what is zero.
        """
        ways = sorted((n for n in self.estimates if n != COMPRESSED), key=lambda name: self.estimates[name])
        least = self.estimates[ways[0]]
        if CROSS_COUNTRY not in self.estimates or least > MOST_MADE:
            return ways[:1]
        return ways if least <= ALL_MADE else ways[:2]

    def blocks(self, way: str) -> list[list[Nodes]]:
        """The derivative of every output by every target, [i][j] an array of nodes of shape S_i + T_j."""
        if way == CROSS_COUNTRY and way in self.estimates:
            return eliminated(self._linearized, self._order, self.outputs, self.targets)
        if way == CROSS_COUNTRY:  # lines that depend on each other are cut at, each in sweeps of its own
            way = min(self.estimates, key=self.estimates.__getitem__)
        return derivatives(self.graph, self.outputs, self.targets, way)
