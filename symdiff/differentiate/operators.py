"""Gradients, Jacobians, Hessians and repeated derivatives, as nodes of the graph that they are taken in."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate.chain import elements, scalars_of
from symdiff.differentiate.forward import ForwardSweeps, forward
from symdiff.differentiate.partials import has_partial
from symdiff.differentiate.reverse import depending, reverse, reverse_all
from symdiff.errors import DifferentiationError
from symdiff.ir.graph import Graph
from symdiff.ops import movement
from symdiff.ops.core import INDEX
from symdiff.types import BOOL, c_strides, fixed, product

Nodes = np.ndarray[Any, Any]
"""An object array of scalar nodes."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Operations that a Jacobian takes by each mode: (active operand, sweep) pairs.

    Attributes
    ----------
    edges : how many active operands there are.
    sparse : whether some entries of it are zero, whatever the point.
    """

    forward: int
    reverse: int
    edges: int = 0
    sparse: bool = False

    @property
    def cheaper(self) -> str:
        """The mode with the smaller count; forward where they are equal."""
        return "forward" if self.forward <= self.reverse else "reverse"


def check_differentiable(graph: Graph, outputs: Sequence[int]) -> None:
    """Refuse the derivative of a condition.

    Raises
    ------
    DifferentiationError
        Where an output is a condition.
    """
    for output in outputs:
        if graph.types[output].dtype == BOOL:
            raise DifferentiationError(
                "a condition has no derivative",
                hint="make numbers of it first: where(condition, 1, 0)",
                place=graph.places.get(output),
            )


def gradient(graph: Graph, output: int, targets: Sequence[int]) -> list[int]:
    """The derivatives of a scalar node by each target, shaped as the target, from one reverse sweep."""
    check_differentiable(graph, [output])
    found = reverse(graph, output, graph.constant(1.0), targets)
    return [movement.full_like(graph, 0.0, t) if d is None else d for t, d in zip(targets, found, strict=True)]


def tangents(graph: Graph, outputs: Sequence[int], seeds: Mapping[int, int]) -> list[int]:
    """The products of the derivatives of `outputs` with the tangents `seeds` (node → node), from one forward sweep."""
    check_differentiable(graph, outputs)
    found = forward(graph, outputs, seeds)
    return [movement.full_like(graph, 0.0, o) if t is None else t for o, t in zip(outputs, found, strict=True)]


def adjoints(graph: Graph, outputs: Sequence[int], seeds: Sequence[int], targets: Sequence[int]) -> list[int]:
    """The products of the adjoints `seeds` of `outputs` with their derivatives by `targets`, from one reverse sweep."""
    check_differentiable(graph, outputs)
    given: dict[int, list[int]] = {}
    for output, seed in zip(outputs, seeds, strict=True):
        given.setdefault(output, []).append(seed)
    found = reverse_all(graph, given, targets)
    return [movement.full_like(graph, 0.0, t) if d is None else d for t, d in zip(targets, found, strict=True)]


def costs(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> Costs:
    """What the Jacobian of `outputs` by `targets` takes in forward and in reverse mode.

    Each pair of an active operand and a sweep that passes it counts one.
    """
    live = graph.live(outputs)
    ops, args = graph.ops, graph.args
    varied = depending(graph, live, targets)
    width = 0
    reached: dict[int, int] = {}
    first: dict[int, int] = {}
    for t in targets:
        size = product(graph.types[t].shape)
        reached[t] = ((1 << size) - 1) << width
        first[t] = width
        width += size
    ahead = 0
    edges: list[tuple[int, int]] = []
    for node in live:
        if node in reached or node not in varied:
            continue
        mask = 0
        for k, a in enumerate(args[node]):
            if a in varied and has_partial(ops[node], k):
                edges.append((node, a))
                own = reached.get(a, 0)
                if ops[node] is INDEX and a in first and not graph.types[node].shape:
                    strides = c_strides(fixed(graph.types[a].shape))
                    own = 1 << first[a] + sum(p * s for p, s in zip(graph.payloads[node], strides, strict=True))
                ahead += own.bit_count()
                mask |= own
        reached[node] = mask
    bit = 0
    needed: dict[int, int] = {}
    for output in outputs:
        size = product(graph.types[output].shape)
        needed[output] = needed.get(output, 0) | ((1 << size) - 1) << bit
        bit += size
    back = 0
    for node, a in reversed(edges):
        own = needed.get(node, 0)
        back += own.bit_count()
        needed[a] = needed.get(a, 0) | own
    sparse = any(reached.get(o, 0).bit_count() < width for o in outputs)
    return Costs(ahead, back, len(edges), sparse)


def derivatives(graph: Graph, outputs: Sequence[int], targets: Sequence[int], mode: str = "auto") -> list[list[Nodes]]:
    """The derivative of every output by every target: [i][j] is an array of nodes of shape S_i + T_j."""
    check_differentiable(graph, outputs)
    if mode == "auto":
        mode = costs(graph, [n for o in outputs for n in scalars_of(graph, o, targets)], targets).cheaper
    return _by_reverse(graph, outputs, targets) if mode == "reverse" else _by_forward(graph, outputs, targets)


def _by_reverse(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> list[list[Nodes]]:
    blocks = []
    for output in outputs:
        scalars = np.array(scalars_of(graph, output, targets), object).reshape(fixed(graph.types[output].shape))
        row = [np.empty(scalars.shape + fixed(graph.types[t].shape), object) for t in targets]
        for index in np.ndindex(*scalars.shape):
            found = gradient(graph, int(scalars[index]), targets)
            for block, d in zip(row, found, strict=True):
                block[index] = elements(graph, d)[()]
        blocks.append(row)
    return blocks


def _by_forward(graph: Graph, outputs: Sequence[int], targets: Sequence[int]) -> list[list[Nodes]]:
    shapes = [fixed(graph.types[o].shape) for o in outputs]
    scalars = [scalars_of(graph, o, targets) for o in outputs]
    zero = graph.constant(0.0)
    blocks = [[np.full((product(s), *fixed(graph.types[t].shape)), zero, object) for t in targets] for s in shapes]
    sweeps = ForwardSweeps(graph, [n for own in scalars for n in own])
    for j, target in enumerate(targets):
        for index in np.ndindex(*fixed(graph.types[target].shape)):
            tangents = iter(sweeps.by_element(target, index))
            for i, own in enumerate(scalars):
                for k in range(len(own)):
                    tangent = next(tangents)
                    if tangent is not None:
                        blocks[i][j][(k, *index)] = tangent
    return [
        [block.reshape(shape + block.shape[1:]) for block in row] for row, shape in zip(blocks, shapes, strict=True)
    ]


def second_derivatives(
    graph: Graph, first: Sequence[int], targets: Sequence[int], symmetric: bool = True
) -> list[list[Nodes]]:
    """The second derivatives of a scalar node, given the first: [i][j] is an array of nodes of shape T_i + T_j.

    With `symmetric` only one triangle is computed and both take it, so the matrix is symmetric bit for bit; that is
    wrong only where one target depends on another.
    """
    shapes = [fixed(graph.types[t].shape) for t in targets]
    places = [(j, index) for j, shape in enumerate(shapes) for index in np.ndindex(*shape)]
    slopes = [int(node) for d in first for node in elements(graph, d).ravel()]
    sweeps = ForwardSweeps(graph, slopes)
    blocks = [[np.empty(a + b, object) for b in shapes] for a in shapes]
    zero = graph.constant(0.0)
    for m, (j, column) in enumerate(places):
        start = m if symmetric else 0
        found = sweeps.by_element(targets[j], column, start)
        for r, node in enumerate(found, start):
            i, row = places[r]
            blocks[i][j][row + column] = zero if node is None else node
            if symmetric:
                blocks[j][i][column + row] = blocks[i][j][row + column]
    return blocks


def next_derivatives(graph: Graph, tensor: Nodes, targets: Sequence[int]) -> Nodes:
    """The derivatives by all elements of `targets` of an array of shape (n, …, n) that are derivatives by them already.

    Of the entries that are equal, those with the same indices in another order, one is computed.
    """
    places = [(t, index) for t in targets for index in np.ndindex(*fixed(graph.types[t].shape))]
    rank, count = tensor.ndim, len(places)
    indices = list(itertools.combinations_with_replacement(range(count), rank))  # by their first one, the least
    sweeps = ForwardSweeps(graph, [int(tensor[index]) for index in indices])
    found = np.empty((count,) * (rank + 1), object)
    zero, start = graph.constant(0.0), 0
    for k, (target, element) in enumerate(places):
        while start < len(indices) and indices[start][0] < k:
            start += 1
        for index, node in zip(indices[start:], sweeps.by_element(target, element, start), strict=True):
            for order in itertools.permutations((k, *index)):
                found[order] = zero if node is None else node
    return found


def iterated(graph: Graph, output: int, target: int, order: int) -> int:
    """The derivative of the given order by a scalar node, by forward sweeps re-applied."""
    check_differentiable(graph, [output])
    for _ in range(order):
        (tangent,) = forward(graph, [output], {target: graph.constant(1.0)})
        output = movement.full_like(graph, 0.0, output) if tangent is None else tangent
    return output
