"""What is computed together, and what is kept in memory: one walk over the nodes, from the results to the inputs.

When a node is reached, all places where its users need it are known, as maps of the iteration spaces that it is needed
in. It is computed there anew, or kept in a buffer: where it must be, or where computing it again costs more than
writing and reading it. What is kept joins a loop nest over the same space, a group, if that can be in order.
"""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.dataclass import dataclass
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core
from symdiff.optimize.planning.access import (
    START,
    Coordinate,
    Map,
    NotAffineError,
    Sizes,
    identity,
    joint,
    points,
    reshaped_strides,
    scaled,
    squeezed,
)
from symdiff.optimize.planning.checkpoints import Phases
from symdiff.optimize.planning.forms import (
    JOINS,
    OVERHEAD,
    REDUCES,
    SCANS,
    VIEWS,
    Forms,
    costs_of,
    is_array_leaf,
    is_step,
    loop_labels,
    operands,
    traffic,
)
from symdiff.optimize.planning.gemm import Match, Strided, match_gemm
from symdiff.optimize.planning.precedence import Precedence
from symdiff.sizes import example, slice_bounds
from symdiff.types import c_strides

MOST_INSTRUCTIONS = 1000
MOST_INSTRUCTIONS_OF_LOOPS = 300
MOST_RESULTS_OF_LOOPS = 8
MOST_GROUPS_TRIED = 6

Places = dict[tuple[int, Map | None], float]
"""Where a node is needed: (group, map), and how often it is computed there; no map where it must be in memory."""

ZERO = -1
"""The value of an item that only fills a buffer with zeros."""


@dataclass(slots=True)
class Item:
    """One result of a nest: `value` at `at`, or what `reduce` makes of it, goes to `place` in `target`'s buffer."""

    value: int
    at: Map
    target: int
    place: Coordinate
    reduce: Op | None = None


class Group:
    """Steps that become one: a nest with several results, a scan, or a step of another kind for `node`."""

    __slots__ = ("items", "kind", "match", "node", "number", "phase", "reduced", "size", "space")

    def __init__(self, number: int, kind: str, space: Sizes, node: int = ZERO, phase: int = 0) -> None:
        self.number = number
        self.phase = phase
        self.kind = kind
        self.space = space
        self.node = node
        self.reduced: tuple[int, ...] | None = None
        self.items: list[Item] = []
        self.size = 0
        self.match: Match | None = None


class Schedule:
    """Groups, and what has to run before what.

    Attributes
    ----------
    groups : in no order of execution; `order()` gives one.
    precedence : which of them, by their numbers, run before which.
    stored : node → the groups that write its buffer.
    longest : how long the body of a loop may become.
    phase : that of what is put into groups now; those of one phase are computed together, before those of the next.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.phase = 0
        self.groups: list[Group] = []
        self.precedence = Precedence()
        self.stored: dict[int, list[int]] = {}
        self._open: dict[tuple[Sizes, int], list[Group]] = {}

    def is_full(self, group: Group) -> bool:
        """Whether a group's body may not become longer."""
        return group.size >= (self.longest if group.space else MOST_INSTRUCTIONS)

    def order(self) -> list[Group]:
        """The groups in an order in which they can run."""
        done: set[int] = set()
        before = self.precedence.before
        found: list[Group] = []
        for first in range(len(self.groups)):
            stack = [first]
            while stack:
                number = stack[-1]
                waiting = [] if number in done else sorted(k for k in before[number] if k not in done)
                if waiting:
                    stack += waiting
                    continue
                stack.pop()
                if number not in done:
                    done.add(number)
                    found.append(self.groups[number])
        return sorted(found, key=lambda group: group.phase)

    def join(
        self, item: Item, space: Sizes, places: Places, target: int, reduced: tuple[int, ...] | None, alone: bool
    ) -> Group:
        """The nest over `space` that an item is added to: it runs before all that read the buffer of `target`."""
        readers = [self.groups[k] for k in dict.fromkeys(number for number, _ in places)]
        near = [] if alone else self._candidates(space, readers)
        found = next((g for g in near if self._fits(g, item, reduced, places, readers)), None)
        if found is None:
            found = self.group("nest", space)
            self._open.setdefault((space, self.phase), []).append(found)
        found.items.append(item)
        if reduced is not None:
            found.reduced = reduced
        self.stored.setdefault(target, []).append(found.number)
        for reader in readers:
            if reader is not found:
                self.precede(found, reader)
        return found

    def _candidates(self, space: Sizes, readers: list[Group]) -> list[Group]:
        same = [g for g in readers if g.kind == "nest" and g.space == space and g.phase == self.phase]
        recent = self._open.get((space, self.phase), [])[: -MOST_GROUPS_TRIED - 1 : -1]
        return same + [g for g in recent if g not in same]

    def _fits(
        self,
        group: Group,
        item: Item,
        reduced: tuple[int, ...] | None,
        places: Places,
        readers: list[Group],
    ) -> bool:
        if reduced is not None and group.reduced not in (None, reduced):
            return False
        if self.is_full(group) or (group.space and len(group.items) >= MOST_RESULTS_OF_LOOPS):
            return False
        if group in readers:
            same = item.reduce is None and item.value == item.target
            if not same or any(map_ != item.at for number, map_ in places if number == group.number):
                return False
        return not self.precedence.may_follow(group.number, [r.number for r in readers if r is not group])

    def group(self, kind: str, space: Sizes, node: int = ZERO) -> Group:
        """A new group."""
        group = Group(self.precedence.add(), kind, space, node, self.phase)
        self.groups.append(group)
        return group

    def precede(self, first: Group, second: Group) -> None:
        """Let `first` run before `second`."""
        self.precedence.precede(first.number, second.number)


MOST_PLACES = 8
MOST_PARTS = 27
"""As `MOST_PLACES`, of places that together are at most the array, as the inside, faces and edges of a cube are."""
MOST_CHOICES = 8


class Fusion(Schedule):
    """The groups that compute some nodes.

    Attributes
    ----------
    phases : when nodes are computed, where checkpoints say so.
    extra : number → (dtype, shape) of buffers that are no nodes: copies, results before they are moved.
    outputs : node or number → the output that is its buffer.
    """

    def __init__(
        self,
        graph: Graph,
        outputs: Sequence[int],
        longest: int = MOST_INSTRUCTIONS_OF_LOOPS,
        phases: Phases | None = None,
    ) -> None:
        self.graph = graph
        self.phases = phases
        super().__init__(longest)
        self.extra: dict[int, tuple[str, Sizes]] = {}
        self.outputs: dict[int, int] = {}
        self._places: dict[int, Places] = {}
        self.forms = Forms(graph)
        self._costs = costs_of(graph)
        self._results(outputs)
        for node in range(len(graph) - 1, -1, -1):
            places = self._places.pop(node, None)
            if places is not None:
                self._visit(node, places)

    def shape(self, node: int) -> Sizes:
        """The sizes of the array of a node or an extra buffer."""
        return self.forms.shape(node) if node < len(self.graph) else self.extra[node][1]

    def is_stored(self, node: int) -> bool:
        """Whether there is memory for a node."""
        return node in self.stored or node in self.extra or is_array_leaf(self.graph, node)

    # What is asked for

    def _results(self, outputs: Sequence[int]) -> None:
        copies: list[tuple[int, int]] = []
        for k, node in enumerate(outputs):
            if not points(self.forms.shape(node)):
                continue
            base = self.forms.whole(node)
            if self.graph.ops[base] in (core.INPUT, core.CONSTANT) or base in self.outputs:
                copies.append((k, base))
            else:
                self.outputs[base] = k
                self._places.setdefault(base, {})
        for k, base in copies:
            shape = self.forms.shape(base)
            target = self._buffer(self.graph.types[base].dtype, shape)
            self.outputs[target] = k
            self.phase = 0 if self.phases is None else self.phases.of[base]
            self._put(Item(base, identity(shape), target, _in_order(shape)), squeezed(shape), {}, target)

    def _buffer(self, dtype: str, shape: Sizes) -> int:
        number = len(self.graph) + len(self.extra)
        self.extra[number] = (dtype, shape)
        return number

    def _need(self, node: int, group: int, map_: Map | None, weight: float) -> None:
        if node < len(self.graph):
            places = self._places.setdefault(node, {})
            places[group, map_] = places.get((group, map_), 0.0) + weight

    def _need_operands(self, node: int, group: Group, map_: Map, weight: float) -> None:
        whole = max(1, example(points(self.forms.shape(node))))
        for (operand, place), partly in operands(self.forms.form(node, map_, group.space)):
            part = min(1.0, example(points(self.forms.shape(operand))) / whole) if partly else 1.0
            self._need(operand, group.number, place, weight * part)

    # One node

    def _visit(self, node: int, places: Places) -> None:
        graph = self.graph
        if is_array_leaf(graph, node):
            return
        if self.phases is not None:
            self.phase = self._phase_of(node, places, self.phases)
        if graph.ops[node] is core.CONSTANT or not points(self.forms.shape(node)):
            if any(map_ is None for _, map_ in places):
                self.stored[node] = []  # there is nothing to compute
            return
        if is_step(graph, node):
            self._step(node, places)
        elif node in self.outputs or self._is_kept(node, places):
            self._keep(node, places)
        else:
            counts = self._costs[node] > 0
            for (number, map_), weight in places.items():
                assert map_ is not None
                group = self.groups[number]
                group.size += counts
                self._need_operands(node, group, map_, weight)

    def _phase_of(self, node: int, places: Places, phases: Phases) -> int:
        """When a node is computed: as late as its users allow where nothing says it."""
        if node in phases.first or phases.of[node] or node not in phases.free:
            return phases.of[node]
        return min([self.groups[number].phase for number, _ in places], default=phases.of[node])

    def _is_kept(self, node: int, places: Places) -> bool:
        cost = self._costs[node]
        op = self.graph.ops[node]
        if any(map_ is None for _, map_ in places):
            return True
        maps = [(self.groups[number], map_) for number, map_ in places if map_ is not None]
        if op in JOINS:
            many = len(self.graph.args[node]) > MOST_CHOICES
            for group, map_ in maps:
                try:
                    form = self.forms.form(node, map_, group.space)
                except NotAffineError:
                    return True
                if many and len(operands(form)) > MOST_CHOICES:
                    return True
        if not cost:
            return False
        if any(self.is_full(group) for group, _ in maps):
            return True
        if self.phases is not None and self.phases.of[node] and any(g.phase != self.phase for g, _ in maps):
            return True
        size = example(points(self.forms.shape(node)))
        # in a group it is computed once at each point, however many need it there
        weights = [min(w, example(points(g.space))) for (g, _), w in zip(maps, places.values(), strict=True)]
        evaluations = sum(weights)
        if len(maps) > (MOST_PARTS if evaluations <= size else MOST_PLACES) and op not in VIEWS:
            return True
        if len(maps) == 1 and evaluations <= size:
            return False
        if op in VIEWS or op in JOINS:
            return False
        write, read = traffic(self.forms.shape(node))
        again = evaluations * cost
        kept = size * (cost + write)
        for (group, map_), weight in zip(maps, weights, strict=True):
            axes = {axis for coordinate in map_.coordinates for axis, _ in coordinate[1]}
            kept += weight * (read if len(axes) == len(group.space) else 0.25)
        if any(group.space for group, _ in maps):
            kept += OVERHEAD
        return again > kept

    def _keep(self, node: int, places: Places) -> None:
        graph, shape = self.graph, self.forms.shape(node)
        op = graph.ops[node]
        if op in (core.STACK, core.CONCATENATE):
            for a, along, start in self._parts(node):
                own = self.forms.shape(a)
                at = identity(own)
                if points(own):
                    place = scaled(joint(at.coordinates, along), 1, start)
                    self._put(Item(a, at, node, place), squeezed(own), places, node)
            return
        at, space = identity(shape), squeezed(shape)
        if op is core.SCATTER:
            try:
                self.forms.form(node, at, space)
            except NotAffineError:
                self._keep_strided(node, places)
                return
        self._put(Item(node, at, node, _in_order(shape)), space, places, node)

    def _parts(self, node: int) -> list[tuple[int, Sequence[int], int]]:
        """What an array is put together of: nodes, with the strides and the start of each in its memory.

        A part that is itself put together, and then reshaped, is opened where nobody else needs it.
        """
        graph = self.graph
        found: list[tuple[int, Sequence[int], int]] = []
        stack: list[tuple[int, Sequence[int], int]] = [(node, c_strides(self.forms.shape(node)), 0)]
        while stack:
            at, strides, start = stack.pop()
            if at != node:
                inner = self.forms.whole(at)
                opened = None
                needed = inner in self.outputs or inner in self._places
                if inner != at and graph.ops[inner] in (core.STACK, core.CONCATENATE) and not needed:
                    opened = reshaped_strides(self.forms.shape(at), strides, self.forms.shape(inner))
                if opened is None:
                    found.append((at, strides, start))
                    continue
                at, strides = inner, opened
            op = graph.ops[at]
            axis = 0 if op is core.STACK else graph.payloads[at]
            parts: list[tuple[int, Sequence[int], int]] = []
            for a in graph.args[at]:
                parts.append((a, strides[1:] if op is core.STACK else strides, start))
                start += strides[axis] * (1 if op is core.STACK else self.forms.shape(a)[axis])
            stack += reversed(parts)
        return found

    def _keep_strided(self, node: int, places: Places) -> None:
        """Zeros, and then every few elements."""
        operand = self.graph.args[node][0]
        index, whole = self.graph.payloads[node]
        shape, own = self.forms.shape(node), self.forms.shape(operand)
        at = identity(own)
        rest = iter(at.coordinates)
        coordinates: list[Coordinate] = []
        for k, size in enumerate(whole):
            part = index[k] if k < len(index) else (0, None, 1)
            if isinstance(part, tuple):
                start, _, step = slice_bounds(part, size)
                coordinates.append(scaled(next(rest), step, start))
            else:
                coordinates.append((part % size, ()))
        second = self._put(Item(operand, at, node, joint(coordinates, c_strides(shape))), squeezed(own), places, node)
        first = self._put(Item(ZERO, identity(shape), node, _in_order(shape)), squeezed(shape), {}, node, alone=True)
        self.precede(first, second)
        for number, _ in places:
            if number != first.number:
                self.precede(first, self.groups[number])

    def _put(
        self,
        item: Item,
        space: Sizes,
        places: Places,
        target: int,
        reduced: tuple[int, ...] | None = None,
        alone: bool = False,
    ) -> Group:
        """Add an item to a nest over `space` that can come before all readers of the buffer."""
        found = self.join(item, space, places, target, reduced, alone)
        weight = float(example(points(space)))
        if item.value == ZERO:
            return found
        found.size += 1
        if item.value == target:
            self._need_operands(item.value, found, item.at, weight)
        else:
            self._need(item.value, found.number, item.at, weight)
        return found

    # Steps of other kinds

    def _step(self, node: int, places: Places) -> None:
        graph = self.graph
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        if op in REDUCES:
            shape = self.forms.shape(args[0])
            at, space = identity(shape), squeezed(shape)
            axes = tuple(at.coordinates[k][1][0][0] for k in sorted(payload) if shape[k] != 1)
            kept = [c for k, c in enumerate(at.coordinates) if k not in payload]
            place = joint(kept, c_strides(self.forms.shape(node)))
            reduce = op if axes else None  # of one element: the element itself
            self._put(Item(args[0], at, node, place, reduce), space, places, node, axes or None)
        elif op is core.EINSUM:
            self._contraction(node, places)
        elif op in SCANS:
            shape, axis = self.forms.shape(node), payload[0]
            order = [k for k in range(len(shape)) if k != axis and shape[k] != 1] + [axis]
            at = Map(tuple((0, ((order.index(k), 1),)) if k in order else START for k in range(len(shape))))
            group = self._own_group("scan", tuple(shape[k] for k in order), node, places)
            group.items = [Item(a, at, node, joint(at.coordinates, c_strides(shape))) for a in args]
            for a in args:
                self._need(a, group.number, at, float(example(points(shape))))
        else:
            group = self._own_group("scatter" if op is core.SCATTER_ADD else "matrix", (), node, places)
            for a in args:
                self._need_whole(a, group)

    def _own_group(self, kind: str, space: Sizes, node: int, places: Places) -> Group:
        group = self.group(kind, space, node)
        self.stored[node] = [group.number]
        for number in dict.fromkeys(number for number, _ in places):
            self.precede(group, self.groups[number])
        return group

    def _need_whole(self, node: int, group: Group) -> None:
        base = self.forms.whole(node)
        if points(self.forms.shape(base)) and is_array_leaf(self.graph, base) and self.graph.types[base].shape == ():
            base = node
        self._need(base, group.number, None, 0.0)

    def _contraction(self, node: int, places: Places) -> None:
        graph = self.graph
        args, (labels, output) = graph.args[node], graph.payloads[node]
        sizes: dict[int, int] = {}
        for a, own in zip(args, labels, strict=True):
            sizes.update(zip(own, self.forms.shape(a), strict=True))
        views = [self.forms.view(a) for a in args]
        match = match_gemm(
            sizes,
            Strided(labels[0], views[0].strides),
            Strided(labels[1], views[1].strides),
            Strided(output, tuple(c_strides(self.forms.shape(node)))),
        )
        if match is None:
            order = loop_labels(labels, output)
            whole = tuple(sizes[x] for x in order)
            at, space = identity(whole), squeezed(whole)
            strides = [*c_strides(self.forms.shape(node)), *[0] * (len(order) - len(output))]
            axes = tuple(range(len(squeezed(whole[: len(output)])), len(space)))
            reduce = core.SUM if axes else None
            self._put(Item(node, at, node, joint(at.coordinates, strides), reduce), space, places, node, axes or None)
            return
        dtype = graph.types[node].dtype
        result, moved = node, match.copies[2]
        if moved is None:
            group = self._own_group("gemm", (), node, places)
        else:
            result = self._buffer(dtype, tuple(sizes[x] for x in moved))
            shape = self.forms.shape(node)
            at = identity(shape)
            from_ = Map(tuple(at.coordinates[output.index(x)] for x in moved))
            reader = self._put(Item(result, from_, node, _in_order(shape)), squeezed(shape), places, node)
            group = self._own_group("gemm", (), result, {(reader.number, None): 0.0})
        group.match = match
        at_none = Map(())
        for a, own, copied in zip(args, labels, match.copies[:2], strict=True):
            if copied is None:
                view = self.forms.view(a)
                group.items.append(Item(view.array, at_none, result, (view.offset, ())))
                self._need(view.array, group.number, None, 0.0)
                continue
            shape = tuple(sizes[x] for x in copied)
            target = self._buffer(dtype, shape)
            at = identity(shape)
            from_ = Map(tuple(at.coordinates[copied.index(x)] for x in own))
            self._put(Item(a, from_, target, _in_order(shape)), squeezed(shape), {(group.number, None): 0.0}, target)
            group.items.append(Item(target, at_none, result, (0, ())))


def _in_order(shape: Sizes) -> Coordinate:
    return joint(identity(shape).coordinates, c_strides(shape))
