"""Where the Jacobians and Hessians of functions can have entries, from the graph alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from symdiff.differentiate.sparse.dense import blocks_by_entries, scalars_by_entries, sparse_blocks
from symdiff.differentiate.sparse.derivatives import pattern_of, slopes_of
from symdiff.differentiate.sparse.pattern import Pattern
from symdiff.errors import ArgumentError
from symdiff.functions.function import Function
from symdiff.functions.wrt import Wrt
from symdiff.types import fixed

__all__ = ["blocks_by_entries", "hessian_sparsity", "jacobian_sparsity", "scalars_by_entries", "sparse_blocks"]


def check_target(targets: Wrt) -> None:
    """Refuse what is no single axis of scalars.

    Raises
    ------
    ArgumentError
        For several targets.
    """
    if targets.structure != 0 or len(targets.targets) != 1:
        raise ArgumentError(
            "a sparse matrix by several arrays", hint='name one, or list them: ["x", "y"] makes one axis of all'
        )


def columns_of(f: Function, targets: Wrt) -> Any:
    """The numbers of the target's scalars among those of all nodes; None where they are all of them, in order."""
    blocks, first = {}, 0
    for node in targets.nodes:
        shape = fixed(f.graph.types[node].shape)
        size = math.prod(shape)
        blocks[node] = np.arange(first, first + size).reshape(shape)
        first += size
    (target,) = targets.targets
    chosen = target.arrange([blocks[n] for n in target.nodes], 0).ravel()
    return None if np.array_equal(chosen, np.arange(first)) else chosen


def jacobian_sparsity(f: Function, targets: Wrt) -> Any:
    """Where the Jacobian of a function can have entries: a `scipy.sparse` array of bool.

    Raises
    ------
    ArgumentError
        For several outputs or targets.
    """
    check_target(targets)
    if len(f.nodes) != 1:
        raise ArgumentError(f"the sparsity of a Jacobian of {len(f.nodes)} outputs", hint="put them in one vector")
    return _taken(pattern_of(f.graph, f.nodes, targets.nodes), columns_of(f, targets)).to_scipy()


def hessian_sparsity(f: Function, targets: Wrt) -> Any:
    """Where the Hessian of a function can have entries: a `scipy.sparse` array of bool.

    Raises
    ------
    ArgumentError
        For several targets.
    """
    check_target(targets)
    graph, nodes = f.graph, targets.nodes
    chosen = columns_of(f, targets)
    found = pattern_of(graph, slopes_of(graph, f.nodes[0], nodes).rows(graph, nodes), nodes)
    return _taken(_taken(found, chosen).transposed()[0], chosen).transposed()[0].to_scipy()


def _taken(pattern: Pattern, chosen: Any) -> Pattern:
    return pattern if chosen is None else pattern.taken(chosen)[0]
