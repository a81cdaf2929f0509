"""What a node is at one place, the elements of its operands that it is made of there, and what an element costs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core
from symdiff.ops.base import Instruction, Intrinsic, Library, MatrixRoutine, Outside, ScalarRoutine, Special
from symdiff.ops.core import MUL
from symdiff.optimize.planning.access import (
    SCALAR,
    Coordinate,
    Map,
    NotAffineError,
    Sizes,
    identity,
    joint,
    of_diagonal,
    of_index,
    of_labels,
    of_operand,
    of_reshape,
    of_scatter,
    of_transpose,
    range_limits,
    within,
)
from symdiff.optimize.planning.plan import Apply, Body, Range
from symdiff.types import BOOL, INT64, c_strides, fixed

OVERHEAD = 20.0
"""What a nest costs by itself."""

MOST_COST = 1e6


def traffic(shape: tuple[int, ...]) -> tuple[float, float]:
    """What writing and reading an element takes: scalars stay in the fastest memory."""
    return (8.0, 4.0) if shape else (1.0, 0.5)


def costs_of(graph: Graph) -> list[float]:
    """What computing one element of each node takes, from what is in memory.

    Numbers that are made of sizes alone are computed once, before the loops: they cost nothing.
    """
    found = [0.0] * len(graph)
    sized: set[int] = set()
    for node, args in enumerate(graph.args):
        if is_step(graph, node):
            continue
        if graph.has_sizes and not graph.types[node].shape:
            if graph.ops[node] is core.SIZE:
                sized.add(node)
            elif sized.intersection(args) and all(a in sized or graph.ops[a] is core.CONSTANT for a in args):
                sized.add(node)
                continue
        own = _cost(graph.ops[node])
        if args:
            own += sum([found[a] for a in args])
        found[node] = min(own, MOST_COST)
    return found


def body_cost(body: Body) -> int:
    """What one point of a nest takes."""
    return max(1, round(sum(_cost(part.op) if isinstance(part, Apply) else 0.25 for part in body)))


_OTHERS = {core.GATHER: 4.0, core.EINSUM: 1.0, core.AS_INDEX: 1.0}


def _cost(op: Op) -> float:
    routine = op.routine
    if isinstance(routine, Instruction):
        return 4.0 if routine.opcode == "fdiv" else 1.0
    if isinstance(routine, Intrinsic):
        return 6.0 if routine.name == "llvm.sqrt" else 1.0
    if isinstance(routine, Library | Special | Outside):
        return 20.0 if isinstance(routine, Library) else 60.0
    return _OTHERS.get(op, 0.0)


REDUCES = frozenset((core.SUM, core.PROD, core.AMAX, core.AMIN, core.ANY, core.ALL))
SCANS = frozenset((core.CUMSUM, core.RECURRENCE))
VIEWS = frozenset((core.INDEX, core.TRANSPOSE, core.BROADCAST, core.RESHAPE, core.DIAGONAL))
JOINS = frozenset((core.SCATTER, core.CONCATENATE, core.STACK))


Place = tuple[int, Map | None]
"""A node and where it is read; None where it must be in memory as a whole."""


@dataclass(frozen=True, slots=True)
class Same:
    """The element of another node."""

    of: Place


@dataclass(frozen=True, slots=True)
class Applied:
    """An operation on elements."""

    op: Op
    operands: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """The first of some elements whose ranges hold, otherwise `rest`, or 0 where that is None."""

    choices: tuple[tuple[tuple[Range, ...], Place], ...]
    rest: Place | None


@dataclass(frozen=True, slots=True)
class Flat:
    """The element of an array in memory at a place in C order; it is there only within the ranges."""

    array: int
    at: Coordinate
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """The number that a coordinate is."""

    at: Coordinate


@dataclass(frozen=True, slots=True)
class Gathered:
    """The element of an array in memory at `at` moved by `stride` times the value of `index`."""

    array: int
    at: Coordinate
    stride: int
    size: int
    index: Place
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A number that is known."""

    value: float | bool


Form = Same | Applied | Chosen | Flat | Counted | Gathered | Leaf


@dataclass(frozen=True, slots=True)
class View:
    """An array that lies in another one's memory: element i is at `offset + sum(strides[k]*i[k])` of `array`."""

    array: int
    offset: int
    strides: tuple[int, ...]


class Forms:
    """The forms of the nodes of a graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._shapes: list[Sizes] = [fixed(t.shape) for t in graph.types]

    def shape(self, node: int) -> Sizes:
        """The sizes of a node's axes."""
        return self._shapes[node]

    def form(self, node: int, map_: Map, space: Sizes) -> Form:
        """What a node that is not in memory is at the place `map_`.

        Raises
        ------
        NotAffineError
            Where it can only be read from memory.
        """
        graph = self.graph
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        if isinstance(op.routine, ScalarRoutine) or op is core.AS_INDEX:
            return Applied(op, tuple([(a, of_operand(map_, self._shapes[a])) for a in args]))
        return _FORMS[op](self, node, args, payload, map_, space)

    def view(self, node: int) -> View:
        """The array in whose memory a node lies, or can lie, and how."""
        shape = self._shapes[node]
        space = tuple(n for n in shape if n != 1)
        map_, at = identity(shape), node
        flat: Coordinate | None = None
        while flat is None and self.graph.ops[at] in VIEWS:
            found = self._moved(at, map_, space)
            if isinstance(found, Flat):
                at, flat = found.array, found.at
            else:
                at, map_ = found.of[0], found.of[1] or SCALAR
        if flat is None:
            flat = joint(map_.coordinates, c_strides(self._shapes[at]))
        scales = dict(flat[1])
        axes = iter(range(len(space)))
        return View(at, flat[0], tuple([0 if n == 1 else scales.get(next(axes), 0) for n in shape]))

    def whole(self, node: int) -> int:
        """The node whose memory, as a whole and in C order, has the elements of this one."""
        while self.graph.ops[node] is core.RESHAPE:
            node = self.graph.args[node][0]
        return node

    def _moved(self, node: int, map_: Map, space: Sizes) -> Same | Flat:
        graph = self.graph
        op, operand, payload = graph.ops[node], graph.args[node][0], graph.payloads[node]
        shape = self._shapes[operand]
        if op is core.INDEX:
            return Same((operand, of_index(map_, payload, shape)))
        if op is core.TRANSPOSE:
            return Same((operand, of_transpose(map_, payload)))
        if op is core.BROADCAST:
            return Same((operand, of_operand(map_, shape)))
        if op is core.DIAGONAL:
            return Same((operand, of_diagonal(map_, payload, shape)))
        base = self.whole(operand)
        try:
            return Same((base, of_reshape(map_, self._shapes[node], self._shapes[base], space)))
        except NotAffineError:
            pass
        ranges = within(map_, self._shapes[node], space)
        return Flat(base, joint(map_.coordinates, c_strides(self._shapes[node])), ranges or ())

    def _view(self, node: int, args: tuple[int, ...], payload: Any, map_: Map, space: Sizes) -> Form:
        return self._moved(node, map_, space)

    def _constant(self, node: int, args: tuple[int, ...], payload: Any, map_: Map, space: Sizes) -> Form:
        assert not isinstance(payload, np.ndarray)
        return Leaf(payload)

    def _iota(self, node: int, args: tuple[int, ...], payload: Any, map_: Map, space: Sizes) -> Form:
        return Counted(map_.coordinates[payload[1]])

    def _product(self, node: int, args: tuple[int, ...], payload: Any, map_: Map, space: Sizes) -> Form:
        """`map_` has the coordinates of the labels of the result and, where it is summed, then of the others."""
        labels, output = payload
        order = loop_labels(labels, output)
        return Applied(MUL, tuple([(a, of_labels(map_, order, own)) for a, own in zip(args, labels, strict=True)]))

    def _scatter(self, node: int, args: tuple[int, ...], payload: Any, map_: Map, space: Sizes) -> Form:
        index, whole = payload
        own, ranges = of_scatter(map_, index, fixed(whole), self._shapes[args[0]], space)
        zero = Leaf(False if self.graph.types[node].dtype == BOOL else 0.0)
        if ranges is None:
            return zero
        return Chosen(((ranges, (args[0], own)),), None) if ranges else Same((args[0], own))

    def _concatenate(self, node: int, args: tuple[int, ...], axis: int, map_: Map, space: Sizes) -> Form:
        at, start = map_.coordinates[axis], 0
        parts: list[tuple[int, int, Map]] = []
        for a in args:
            size = self._shapes[a][axis]
            own = list(map_.coordinates)
            own[axis] = (at[0] - start, at[1]) if size != 1 else (0, ())
            parts.append((a, start, Map(tuple(own), map_.ranges)))
            start += size
        return self._joined([(a, first, first + self._shapes[a][axis], m) for a, first, m in parts], at, space)

    def _stack(self, node: int, args: tuple[int, ...], payload: Any, map_: Map, space: Sizes) -> Form:
        own = Map(map_.coordinates[1:], map_.ranges)
        parts = [(a, k, k + 1, own) for k, a in enumerate(args)]
        at = map_.coordinates[0]
        if not at[1]:  # one entry: the usual case of a list
            parts = parts[at[0] : at[0] + 1]
            return Same((parts[0][0], own))
        return self._joined(parts, at, space)

    def _joined(self, parts: list[tuple[int, int, int, Map]], at: Coordinate, space: Sizes) -> Form:
        choices: list[tuple[tuple[Range, ...], Place]] = []
        for a, start, stop, own in parts:
            where = range_limits(at, start, stop, space)
            if where is True:
                return Same((a, own))
            if where is not False:
                choices.append(((where,), (a, own)))
        return Chosen(tuple(choices[:-1]), choices[-1][1])

    def _gather(self, node: int, args: tuple[int, ...], axis: int, map_: Map, space: Sizes) -> Form:
        x, index = args
        view, shape, count = self.view(x), self._shapes[x], len(self._shapes[index])
        places = map_.coordinates
        own = (*places[:axis], (0, ()), *places[axis + count :])
        start, terms = joint(own, view.strides)
        ranges = within(map_, self._shapes[node], space)
        where = Map(places[axis : axis + count], map_.ranges)
        return Gathered(
            view.array, (start + view.offset, terms), view.strides[axis], shape[axis], (index, where), ranges or ()
        )


def loop_labels(labels: tuple[tuple[int, ...], ...], output: tuple[int, ...]) -> tuple[int, ...]:
    """The labels of the loops of a sum of products: those of the result, then those that are summed."""
    return (*output, *dict.fromkeys(x for own in labels for x in own if x not in output))


def operands(form: Form) -> list[tuple[Place, bool]]:
    """The places that a form reads, and whether only in a part of the space."""
    if isinstance(form, Same):
        return [(form.of, False)]
    if isinstance(form, Applied):
        return [(place, False) for place in form.operands]
    if isinstance(form, Chosen):
        return [(place, True) for _, place in form.choices] + ([(form.rest, True)] if form.rest else [])
    if isinstance(form, Flat):
        return [((form.array, None), False)]
    if isinstance(form, Gathered):
        return [((form.array, None), False), (form.index, False)]
    return []


_FORMS: dict[Op, Callable[[Forms, int, tuple[int, ...], Any, Map, Sizes], Form]] = {
    **dict.fromkeys(VIEWS, Forms._view),
    core.CONSTANT: Forms._constant,
    core.SIZE: Forms._constant,
    core.IOTA: Forms._iota,
    core.EINSUM: Forms._product,
    core.SCATTER: Forms._scatter,
    core.CONCATENATE: Forms._concatenate,
    core.STACK: Forms._stack,
    core.GATHER: Forms._gather,
}


def is_step(graph: Graph, node: int) -> bool:
    """Whether a node is computed by a step of its own kind: it is always in memory."""
    op = graph.ops[node]
    if op is core.EINSUM:
        return is_summed(graph.payloads[node])
    return isinstance(op.routine, MatrixRoutine) or op in REDUCES or op in SCANS or op is core.SCATTER_ADD


@functools.lru_cache(maxsize=4096)
def is_summed(payload: tuple[tuple[tuple[int, ...], ...], tuple[int, ...]]) -> bool:
    """Whether a sum of products has a label that is summed over."""
    labels, output = payload
    return any(x not in output for own in labels for x in own)


def is_array_leaf(graph: Graph, node: int) -> bool:
    """Whether a node is an input, or a constant that is kept in memory."""
    op = graph.ops[node]
    if op is core.CONSTANT:
        return isinstance(graph.payloads[node], np.ndarray) or graph.types[node].dtype == INT64
    return op is core.INPUT
