"""From a tensor graph to a plan: groups become steps with bodies, arrays become buffers.

The axes of a nest are put in the order of memory, and neighbours that are one axis everywhere are joined.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.ops.core import ADD
from symdiff.optimize.planning.access import Coordinate, Map, Sizes, joint, points, within
from symdiff.optimize.planning.checkpoints import Checkpoints, Phases, Regions
from symdiff.optimize.planning.forms import (
    Applied,
    Chosen,
    Counted,
    Flat,
    Form,
    Forms,
    Gathered,
    Leaf,
    Place,
    Same,
    operands,
)
from symdiff.optimize.planning.fusion import MOST_INSTRUCTIONS_OF_LOOPS, ZERO, Fusion, Group, Item
from symdiff.optimize.planning.memory import arrange_memory, without_unread, written
from symdiff.optimize.planning.plan import (
    Access,
    Apply,
    Body,
    Buffer,
    Choose,
    ForeignCall,
    Lapack,
    Load,
    LoadAt,
    Nest,
    Number,
    Plan,
    Position,
    Range,
    Reduce,
    Scan,
    ScatterAdd,
    Sort,
    Step,
    Store,
    sort_work,
    work_layout,
)
from symdiff.optimize.planning.recompute import frugal_order, plan_between, plan_within
from symdiff.sizes import is_open, sizes_of
from symdiff.types import BOOL, FLOAT64, TensorType, c_strides

SHORT = (24, 8)
"""How long the body of a loop becomes where memory is short, the first that does: one needs all it reads at once."""

STRIDED = 8
"""What an element costs where memory is not walked in steps of one: a line of the cache, where it costs one else."""


def arrange_nest(nest: Nest) -> Nest:
    """The nest with its axes so ordered that memory is walked in order, and with as few axes as possible."""
    if len(nest.space) > 1:
        nest = _ordered(nest)
        nest = _collapsed(nest)
    return nest


def accesses(nest: Nest) -> list[Access]:
    """Every access of a nest, those of its results last."""
    return [i.access for i in nest.body if isinstance(i, Load | LoadAt)] + [r.access for r in nest.results]


def _ordered(nest: Nest) -> Nest:
    """The axis along which memory is walked for least comes last, unless sums would change order."""
    count = len(nest.space)
    costs, far = [0.0] * count, [0] * count
    for access in accesses(nest):
        for axis, stride in enumerate(access.strides):
            costs[axis] += STRIDED if abs(stride) > 1 else abs(stride)
            far[axis] += abs(stride)
    best = min(range(count), key=lambda axis: (costs[axis], -axis))
    if costs[best] == costs[-1]:
        return nest
    order = [*sorted((axis for axis in range(count) if axis != best), key=lambda axis: -far[axis]), best]
    reduced = [axis for axis in order if axis in nest.reduced]
    if reduced != sorted(reduced):
        return nest
    place = {axis: k for k, axis in enumerate(order)}
    return _rewritten(
        nest,
        tuple(nest.space[axis] for axis in order),
        tuple(sorted(place[axis] for axis in nest.reduced)),
        lambda access: replace(access, strides=tuple(access.strides[axis] for axis in order)),
        lambda one: replace(one, axis=place[one.axis]),
    )


def _collapsed(nest: Nest) -> Nest:
    held = {i.axis for i in nest.body if isinstance(i, Position)}
    limited: set[int] = set()
    for i in nest.body:
        if isinstance(i, Choose):
            limited |= {one.axis for one in i.ranges}
        elif isinstance(i, Load | LoadAt):
            limited |= {one.axis for one in i.within}
    strides = list({access.strides for access in accesses(nest)})
    space = nest.space
    # Runs of axes, each of which becomes one; a range is kept only where it is of the first axis of its run.
    runs: list[list[int]] = [[0]]
    for axis in range(1, len(space)):
        last = runs[-1][-1]
        joins = (
            (last in nest.reduced) == (axis in nest.reduced)
            and last not in held
            and axis not in held
            and axis not in limited
            and all(own[last] == own[axis] * space[axis] for own in strides)
        )
        if joins:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    if len(runs) == len(space):
        return nest
    place = {run[0]: k for k, run in enumerate(runs)}
    inner = {run[0]: math.prod([space[axis] for axis in run[1:]]) for run in runs}
    positions = {axis: k for k, run in enumerate(runs) for axis in run}
    body = tuple(replace(i, axis=positions[i.axis]) if isinstance(i, Position) else i for i in nest.body)
    return _rewritten(
        replace(nest, body=body),
        tuple(math.prod([space[axis] for axis in run]) for run in runs),
        tuple(sorted({positions[axis] for axis in nest.reduced})),
        lambda access: replace(access, strides=tuple(access.strides[run[-1]] for run in runs)),
        lambda one: Range(place[one.axis], one.start * inner[one.axis], one.stop * inner[one.axis]),
        positions=False,
    )


def _rewritten(
    nest: Nest,
    space: tuple[int, ...],
    reduced: tuple[int, ...],
    access: Callable[[Access], Access],
    range_: Callable[[Range], Range],
    positions: bool = True,
) -> Nest:
    """The nest in another space."""

    def moved(i: Any) -> Any:
        if isinstance(i, Load | LoadAt):
            return replace(i, access=access(i.access), within=_sorted(map(range_, i.within)))
        if isinstance(i, Choose):
            return replace(i, ranges=_sorted(map(range_, i.ranges)))
        if isinstance(i, Position) and positions:
            return replace(i, axis=range_(Range(i.axis, 0, 0)).axis)
        return i

    body: Body = tuple(map(moved, nest.body))
    results = tuple(replace(r, access=access(r.access)) for r in nest.results)
    return Nest(space, reduced, body, results)


def _sorted(ranges: Any) -> tuple[Range, ...]:
    return tuple(sorted(ranges, key=lambda one: one.axis))


def make_plan(
    graph: Graph,
    inputs: Sequence[TensorType],
    outputs: Sequence[int],
    memory: int | None = None,
    checkpoints: Checkpoints | None = None,
) -> Plan:
    """The plan that computes `outputs`, if that can be in a workspace of at most `memory` bytes.

    The graph has elementwise operations of native code, movements, reductions, sums of products of two operands, scans
    and linear algebra; input nodes have the payload (operand, place of the first element), and no array that anything
    is computed from has the size 0. What lies between `checkpoints` is computed again, if that saves memory.
    """
    lengths = (MOST_INSTRUCTIONS_OF_LOOPS,) if memory is None else SHORT
    plan = _plan(graph, inputs, outputs, memory, lengths[0])
    if checkpoints is not None:
        phases = Phases(graph, checkpoints)
        between = None if not phases.last else _between(graph, inputs, outputs, memory, plan, checkpoints, phases)
        plan = plan if between is None else between
    for longest in lengths[1:]:
        if memory is not None and plan.workspace > memory:
            shorter = _plan(graph, inputs, outputs, memory, longest)
            plan = shorter if shorter.workspace < plan.workspace else plan
    return replace(plan, sizes=sizes_of(n for type_ in inputs for n in type_.shape))


def _plan(graph: Graph, inputs: Sequence[TensorType], outputs: Sequence[int], memory: int | None, longest: int) -> Plan:
    fusion = Fusion(graph, outputs, longest)
    buffers = Buffers(graph, fusion, inputs)
    steps: list[Step] = []
    for group in fusion.order():
        steps += _lower(group, fusion, buffers)
    steps = without_unread(buffers.buffers, steps)
    plan = arrange_memory(buffers.buffers, steps, buffers.constants)
    if memory is None or plan.workspace <= memory:
        return plan
    return plan_within(plan, buffers.buffers, steps, buffers.constants, memory)


def _between(
    graph: Graph,
    inputs: Sequence[TensorType],
    outputs: Sequence[int],
    memory: int | None,
    plan: Plan,
    checkpoints: Checkpoints,
    phases: Phases,
) -> Plan | None:
    """The plan that computes again what lies between checkpoints; None where it takes no less memory than `plan`."""
    fusion = Fusion(graph, outputs, MOST_INSTRUCTIONS_OF_LOOPS, phases)
    buffers = Buffers(graph, fusion, inputs)
    steps: list[Step] = []
    back, parts = set[int](), dict[int, int]()
    for group in fusion.order():
        made = _lower(group, fusion, buffers)
        steps += made
        if group.phase > 0:
            back.update(b for step in made for b in written(step))
        parts.update((b, group.phase) for step in made for b in written(step))
    steps = without_unread(buffers.buffers, steps)
    there: dict[int, list[Step]] = {}
    for step in steps:
        if back.isdisjoint(written(step)):
            there.setdefault(parts[written(step)[0]], []).append(step)
    ends, starts = buffers.those_of(checkpoints.values), buffers.those_of(checkpoints.starts)
    pairs = [p for e, s in phases.twins for p in itertools.product(buffers.those_of((e,)), buffers.those_of((s,)))]
    way_back = [step for step in steps if not back.isdisjoint(written(step))]
    steps = [*(step for part in there.values() for step in frugal_order(buffers.buffers, part)), *way_back]
    regions = Regions(buffers.buffers, steps, back, ends, starts, pairs)
    found = plan_between(plan, buffers.buffers, steps, buffers.constants, regions)
    if memory is not None and found.workspace > memory:
        found = plan_within(found, buffers.buffers, steps, buffers.constants, memory, regions)
    return found if is_open(found.workspace) or found.workspace < plan.workspace else None


class Buffers:
    """The buffers of a plan, numbered as they are met."""

    def __init__(self, graph: Graph, fusion: Fusion, inputs: Sequence[TensorType]) -> None:
        self.graph = graph
        self.fusion = fusion
        self.inputs = inputs
        self.buffers: list[Buffer] = []
        self.constants: list[object] = []
        self._known: dict[Any, int] = {}

    def of(self, node: int) -> tuple[int, int]:
        """The buffer of a node or an extra array, and the place of its first element there."""
        graph = self.graph
        if node < len(graph) and graph.ops[node] is core.INPUT:
            operand, start = graph.payloads[node]
            type_ = self.inputs[operand]
            return self._make(("input", operand), "input", operand, type_.dtype, self._sizes(type_)), start
        number = self._known.get(node)
        if number is not None:
            return number, 0
        if node < len(graph) and graph.ops[node] is core.CONSTANT:
            value = np.ascontiguousarray(graph.payloads[node], graph.types[node].dtype)
            value = value.reshape(self.fusion.shape(node))
            self.constants.append(value)
            return self._make(node, "constant", len(self.constants) - 1, str(value.dtype), value.shape), 0
        dtype = graph.types[node].dtype if node < len(graph) else self.fusion.extra[node][0]
        output = self.fusion.outputs.get(node)
        kind, index = ("work", 0) if output is None else ("output", output)
        return self._make(node, kind, index, dtype, self.fusion.shape(node)), 0

    def those_of(self, nodes: Iterable[int]) -> set[int]:
        """The buffers that have the values of some nodes; of one that is in none, those that it is computed from."""
        found, seen = set[int](), set[int]()
        stack = list(nodes)
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                whole = self.fusion.forms.whole(node)
                if whole in self._known:
                    found.add(self._known[whole])
                else:
                    stack += self.graph.args[node]
        return found

    def work(self, size: int) -> int:
        """A work area of so many bytes."""
        return self._make(("work", len(self.buffers)), "work", 0, FLOAT64, (-(-size // 8),))

    def _sizes(self, type_: TensorType) -> Sizes:
        return tuple(n for n in type_.shape if isinstance(n, int))

    def _make(self, key: Any, kind: str, index: int, dtype: str, shape: Sizes) -> int:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.buffers)
            self.buffers.append(Buffer(kind, index, dtype, shape))
        return found


class BodyWriter:
    """Writes the body of one nest: instructions for elements at places, operands first, equal ones once."""

    def __init__(self, fusion: Fusion, buffers: Buffers, group: Group) -> None:
        self.graph = fusion.graph
        self.forms: Forms = fusion.forms
        self.fusion = fusion
        self.buffers = buffers
        self.space = group.space
        self.own = {i.value: i.at for i in group.items if i.reduce is None and i.value == i.target}
        self.body: list[Any] = []
        self._known: dict[Any, int] = {}
        self._values: dict[Place, int] = {}

    def value(self, node: int, at: Map, computed: bool = False) -> int:
        """The position of the element of a node at a place; with `computed`, of what its buffer is to hold."""
        first: Place = (node, at)
        if computed:
            self._pending(first, self.forms.form(node, at, self.space))
            return self._values[first]
        self._walk(first)
        return self._values[first]

    def zero(self, dtype: str) -> int:
        """The position of a zero."""
        return self.number(False if dtype == BOOL else 0.0)

    def number(self, value: float | bool) -> int:
        """The position of a constant."""
        return self._add(("number", type(value), repr(value)), lambda: Number(value))

    def _add(self, key: Any, make: Callable[[], Any]) -> int:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.body)
            self.body.append(make())
        return found

    def _instruction(self, made: Any) -> int:
        return self._add(made, lambda: made)

    def _walk(self, first: Place) -> None:
        values = self._values
        stack: list[tuple[Place, Form | None]] = [(first, None)]
        while stack:
            place, form = stack.pop()
            if place in values:
                continue
            if form is None:
                node, at = place
                assert at is not None
                if self.fusion.is_stored(node) and self.own.get(node) != at:
                    values[place] = self._load(node, at)
                    continue
                form = self.forms.form(node, at, self.space)
            waiting = [p for p, _ in operands(form) if p[1] is not None and p not in values]
            if waiting:
                stack.append((place, form))
                stack += [(p, None) for p in reversed(waiting)]
            else:
                values[place] = self._write(form, place[0])

    def _pending(self, place: Place, form: Form) -> None:
        if place not in self._values:
            for p, _ in operands(form):
                if p[1] is not None:
                    self._walk(p)
            self._values[place] = self._write(form, place[0])

    def _load(self, node: int, at: Map) -> int:
        shape = self.fusion.shape(node)
        ranges = within(at, shape, self.space)
        if ranges is None:
            return self.zero(self.graph.types[node].dtype)
        return self._read(node, joint(at.coordinates, c_strides(shape)), ranges)

    def _read(self, node: int, at: Coordinate, ranges: tuple[Range, ...]) -> int:
        return self._instruction(Load(self.access(node, at), ranges))

    def access(self, node: int, at: Coordinate) -> Access:
        """Where in its buffer the element is at a place in C order."""
        buffer, start = self.buffers.of(node)
        scales = dict(at[1])
        return Access(buffer, start + at[0], tuple([scales.get(k, 0) for k in range(len(self.space))]))

    def _write(self, form: Form, node: int) -> int:
        values = self._values
        if isinstance(form, Applied):
            return self._instruction(Apply(form.op, tuple([values[p] for p in form.operands])))
        if isinstance(form, Same):
            return values[form.of]
        if isinstance(form, Leaf):
            return self.number(form.value)
        if isinstance(form, Flat):
            return self._read(form.array, form.at, form.ranges)
        if isinstance(form, Counted):
            return self._count(form.at)
        if isinstance(form, Gathered):
            access = self.access(form.array, form.at)
            found = LoadAt(access, form.stride, values[form.index], form.size, form.ranges)
            return self._instruction(found)
        assert isinstance(form, Chosen)
        rest = self.zero(self.graph.types[node].dtype) if form.rest is None else values[form.rest]
        for ranges, place in reversed(form.choices):
            rest = self._instruction(Choose(ranges, values[place], rest))
        return rest

    def _count(self, at: Coordinate) -> int:
        """A sum of positions along axes; all of them are small integers, so that it is exact."""
        offset, terms = at
        if not terms:
            return self.number(float(offset))
        found: int | None = None
        for axis, scale in terms:
            one = self._instruction(Position(axis, scale, offset))
            offset = 0
            found = one if found is None else self._instruction(Apply(ADD, (found, one)))
        assert found is not None
        return found


def _lower(group: Group, fusion: Fusion, buffers: Buffers) -> list[Step]:
    if group.kind == "nest":
        return [_nest(group, fusion, buffers)]
    if group.kind == "scan":
        return [_scan(group, fusion, buffers)]
    if group.kind == "gemm":
        match, (a, b) = group.match, group.items
        assert match is not None
        (first, start), (second, middle) = buffers.of(a.value), buffers.of(b.value)
        result, _ = buffers.of(group.node)
        return [match.gemm(first, start + a.place[0], second, middle + b.place[0], result, 0)]
    graph, node = fusion.graph, group.node
    places = [buffers.of(_whole(fusion, a)) for a in graph.args[node]]
    if group.kind == "scatter":
        (axis, size), (value, index) = graph.payloads[node], graph.args[node]
        shape, count = fusion.shape(value), points(fusion.shape(index))
        rank = len(fusion.shape(index))
        outer, inner = points(shape[:axis]), points(shape[axis + rank :])
        return [ScatterAdd(places[0][0], places[1][0], buffers.of(node)[0], outer, count, inner, size)]
    if graph.ops[node] is core.FOREIGN:
        layer = graph.payloads[node]
        shapes, ranks = [fusion.shape(a) for a in graph.args[node]], [len(p.shape) for p in layer.parameters]
        own = [shape[len(shape) - rank :] for shape, rank in zip(shapes, ranks, strict=True)]
        sizes = tuple(layer.named_sizes(own).values())
        numbers, starts = tuple([n for n, _ in places]), tuple([at for _, at in places])
        varies = [len(shape) > rank for shape, rank in zip(shapes, ranks, strict=True)]
        strides = [points(shape) if varying else 0 for shape, varying in zip(own, varies, strict=True)]
        lead, whole = len(layer.leading_axes(shapes)), fusion.shape(node)
        strides.append(points(whole[lead:]))
        name, routine, result = layer.name, layer.routine, buffers.of(node)[0]
        return [ForeignCall(numbers, starts, result, name, routine, sizes, points(whole[:lead]), tuple(strides))]
    if graph.ops[node] is core.ARGSORT:
        *lines, size = fusion.shape(node)
        work = buffers.work(sort_work(size))
        return [Sort(places[0][0], buffers.of(node)[0], work, points(tuple(lines)), size)]
    return [_matrix(group, fusion, buffers, [number for number, _ in places])]


def _whole(fusion: Fusion, node: int) -> int:
    base = fusion.forms.whole(node)
    return base if points(fusion.shape(base)) != 1 or fusion.is_stored(base) else node


def _nest(group: Group, fusion: Fusion, buffers: Buffers) -> Nest:
    writer = BodyWriter(fusion, buffers, group)
    results: list[Store | Reduce] = []
    for item in group.items:
        value = _item_value(writer, item, fusion)
        access = writer.access(item.target, item.place)
        results.append(Store(value, access) if item.reduce is None else Reduce(item.reduce, value, access))
    return arrange_nest(Nest(group.space, group.reduced or (), tuple(writer.body), tuple(results)))


def _item_value(writer: BodyWriter, item: Item, fusion: Fusion) -> int:
    if item.value == ZERO:
        return writer.zero(fusion.graph.types[item.target].dtype)
    return writer.value(item.value, item.at, computed=item.value == item.target)


def _scan(group: Group, fusion: Fusion, buffers: Buffers) -> Scan:
    writer = BodyWriter(fusion, buffers, group)
    found = [_item_value(writer, item, fusion) for item in group.items]
    _, reverse = fusion.graph.payloads[group.node]
    access = writer.access(group.node, group.items[0].place)
    return Scan(group.space, reverse, tuple(writer.body), found[0] if len(found) == 2 else None, found[-1], access)


def _matrix(group: Group, fusion: Fusion, buffers: Buffers, places: list[int]) -> Lapack:
    graph, node = fusion.graph, group.node
    op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
    shape = fusion.shape(args[0])
    n, columns = shape[-1], 0
    if op is core.PACKED_SVD:
        n, columns = shape[-2:]
    if len(args) == 2:
        columns = fusion.shape(args[1])[-1]
    work = buffers.work(work_layout(op, graph.types[node].dtype, n, columns).total)
    return Lapack(op, tuple(places), buffers.of(node)[0], work, n, columns, shape[:-2], payload)
