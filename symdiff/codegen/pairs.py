"""Sine and cosine of one angle by a single call of the C library's `sincos`, which gives the bits of both."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from symdiff import numeric
from symdiff.ops.base import Library
from symdiff.types import FLOAT64

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

SINCOS = Library("sincos")
"""`void sincos(double angle, double *sine, double *cosine)`, which ISO C lacks: 9.4 ns where two calls take 15.9."""

OLDEST = (2, 28)
"""The version of the GNU C library since which `sincos` runs the code of `sin` and `cos`."""


@functools.cache
def has_sincos() -> bool:
    """Whether this platform's `sincos` gives the bits of its `sin` and `cos`."""
    if not sys.platform.startswith("linux") or not hasattr(numeric.library(), SINCOS.symbol):
        return False
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        return name == "glibc" and tuple(map(int, version.split(".")[:2])) >= OLDEST
    except (AttributeError, ValueError, OSError):
        return False


def find_pairs(graph: Graph, nodes: Sequence[int], known: bool | None = None) -> dict[int, int]:
    """For each sine among the nodes the cosine of the same angle, where that is among them, and the reverse.

    `known` says whether there is such a function where the code runs; None: as on this machine.
    """
    ops, args = graph.ops, graph.args
    angles: dict[str, dict[int, int]] = {"sin": {}, "cos": {}}
    for node in nodes:
        if ops[node].name in angles:
            angles[ops[node].name][args[node][0]] = node
    if (
        graph.dtype != FLOAT64
        or not angles["sin"]
        or not angles["cos"]
        or not (has_sincos() if known is None else known)
    ):
        return {}
    pairs: dict[int, int] = {}
    for angle, sine in angles["sin"].items():
        cosine = angles["cos"].get(angle)
        if cosine is not None:
            pairs[sine], pairs[cosine] = cosine, sine
    return pairs


def put_together(graph: Graph, nodes: list[int], known: bool | None = None) -> list[int]:
    """The nodes in an order in which the second of each pair follows the first at once; operands still come first."""
    pairs = find_pairs(graph, nodes, known)
    if not pairs:
        return nodes
    ordered: list[int] = []
    moved: set[int] = set()
    for node in nodes:
        if node not in moved:
            ordered.append(node)
            if node in pairs:
                ordered.append(pairs[node])
                moved.add(pairs[node])
    return ordered
