"""Where the nodes of a graph went: what makes source of a program calls values as the formula does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.optimize.scalarize import Element


class Trail:
    """The nodes that have the values of some nodes of a formula, followed through the optimizer's passes.

    Attributes
    ----------
    at : for a node of the formula the nodes of the program, one for each of its elements in C order; None for one that
        no node has any more.
    """

    def __init__(self, nodes: Iterable[int]) -> None:
        self.at: dict[int, tuple[int | None, ...]] = {node: (node,) for node in nodes}

    def move(self, values: Mapping[int, int]) -> None:
        """Follow a pass that made `values` of the nodes."""
        self.at = {
            node: tuple([None if n is None else values.get(n) for n in places]) for node, places in self.at.items()
        }

    def shift(self, moved: Mapping[int, int]) -> None:
        """Follow a pass within one graph: the nodes that are not in `moved` stay."""
        self.at = {
            node: tuple([None if n is None else moved.get(n, n) for n in places]) for node, places in self.at.items()
        }

    def take_apart(self, values: Mapping[int, Any], entries: Callable[[int], Sequence[int]]) -> None:
        """Follow the pass after which all nodes are scalars; `entries` gives those of a list that has no value."""
        for node, (at,) in self.at.items():
            assert at is not None
            value = values.get(at)
            if value is None:
                self.at[node] = tuple([values.get(entry) for entry in entries(at)])
            elif isinstance(value, int):
                self.at[node] = (value,)
            else:
                elements = [value] if isinstance(value, Element) else np.ravel(value).tolist()
                self.at[node] = tuple([e.node if isinstance(e, Element) else None for e in elements])
