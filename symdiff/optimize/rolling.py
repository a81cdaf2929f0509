"""Formulas in scalars that say the same again and again, as loops write them, put together into whole arrays.

Scalars are of one class where the same operations make them of elements of the same arrays, whatever the elements. A
class of some size becomes one array, whose operands are slices of others; so what is done to a formula afterwards,
differentiation above all, costs the same whatever the length of the loop.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core, indexing, movement, reduction
from symdiff.types import c_strides, fixed, product

if TYPE_CHECKING:
    import numpy.typing as npt

FEWEST = 8
"""So many scalars of a class become an array."""

MOST_PARTS = 8
"""A class is cut into every so many of it at most, if their operands are slices then."""

MOST_GATHERED = 0.25
"""Where a larger share of all operands are no slices of arrays, formulas stay as they are."""

SHARE = 0.75
"""Where less than this share of the scalars is in arrays, formulas stay as they are."""

ARITHMETIC = frozenset((core.ADD, core.SUB, core.MUL, core.DIV))

Places = np.ndarray[Any, np.dtype[np.int64]]


def rolled(graph: Graph, outputs: Sequence[int], targets: Sequence[int], fewest: int = FEWEST) -> dict[int, int]:
    """Nodes of whole arrays, appended to the graph, for outputs of scalars that repeat: {output: its array}.

    It is empty where nothing is gained. `targets`, to differentiate by, stay what they are.
    """
    with graph.lock, collector_paused():
        for constants in (False, True):
            rolling = _Rolling(graph, outputs, frozenset(targets), fewest, constants)
            if rolling.gains():
                made = rolling.made()
                return made if rolling.gathered <= MOST_GATHERED * rolling.taken else {}
        return {}


class _Rolling:
    """The classes of the scalars of a graph, and the arrays that they become.

    `of` says of which class a node is, and `place` where in its array it stands; elements of arrays are in the class of
    the array. Classes are numbered so that those of operands come first. With `constants` the numbers that are added
    and multiplied may differ in a class, as data does.
    """

    def __init__(
        self, graph: Graph, outputs: Sequence[int], targets: frozenset[int], fewest: int, constants: bool
    ) -> None:
        self.graph, self.outputs, self.targets, self.fewest = graph, outputs, targets, fewest
        self.live = graph.live(outputs)
        self.data: set[int] = set()
        """Constants that stand for any."""
        if constants:
            self.data = {n for n in self.live if graph.ops[n] is core.CONSTANT and type(graph.payloads[n]) is float}
        self.of: dict[int, int] = {}
        self.place: dict[int, int] = {}
        self.same: dict[int, int] = {}
        """What names stand for."""
        self.members: list[list[int]] = []
        self.single: list[bool] = []
        """Whether a class is one node: an array, or a scalar that is like no other."""
        self._strides: dict[int, Sequence[int]] = {}
        self._keys: dict[Any, int] = {}
        self._made: dict[int, int] = {}
        self._values: dict[int, int] = {}
        self.taken = self.gathered = 0
        """How many operands of elements are from arrays, and how many of them are no slices."""
        self._chains: dict[int, list[int]] = {}
        self._inner: set[int] = set()
        self._sort()
        self._find_chains()

    def _sort(self) -> None:
        graph, of, place = self.graph, self.of, self.place
        ops, args, payloads, types = graph.ops, graph.args, graph.payloads, graph.types
        keys, members, strides = self._keys, self.members, self._strides
        for node in self.live:
            op, own = ops[node], args[node]
            if not own or types[node].shape or node in self.targets:
                self._alone(node)
            elif op is core.INDEX and not any(isinstance(p, tuple) for p in payloads[node]):
                base = own[0]
                of[node] = of[base]
                if base not in strides:
                    strides[base] = c_strides(fixed(types[base].shape))
                place[node] = sum([k * s for k, s in zip(payloads[node], strides[base], strict=True)])
            elif op is core.NAMED:
                self.same[node] = at = self.same.get(own[0], own[0])
                of[node] = of[at]
            elif op.differential is not None or any(types[a].shape for a in own):
                self._alone(node)
            else:
                if self.data and op in ARITHMETIC:
                    classes = [-1 if a in self.data else of[a] for a in own]
                else:
                    classes = [of[a] for a in own]
                alike = len(set(own)) < len(own)  # max(x[0], x[0]) says something else than max(x[0], x[1])
                key = (op.key, payloads[node], alike, *classes)
                found = keys.get(key)
                if found is None:
                    found = keys[key] = len(members)
                    members.append([])
                    self.single.append(False)
                of[node], place[node] = found, len(members[found])
                members[found].append(node)

    def _alone(self, node: int) -> None:
        self.of[node], self.place[node] = len(self.members), 0
        self.members.append([node])
        self.single.append(True)

    def _is_array(self, number: int) -> bool:
        return not self.single[number] and len(self.members[number]) >= self.fewest

    def _find_chains(self) -> None:
        """Long sums, added one after the other, none of which is like another: their terms."""
        graph = self.graph
        ops, args = graph.ops, graph.args
        plain = [n for n in self.live if ops[n] is core.ADD and self._is_scalar(n)]
        uses = dict.fromkeys(plain, 0)
        uses.update((n, 1) for n in self.outputs if n in uses)
        for node in self.live:
            for a in args[node]:
                if a in uses:
                    uses[a] += 1
        inner = self._inner
        for node in reversed(plain):
            if node in inner:
                continue
            terms, own, stack = [], [], list(args[node])
            while stack:
                at = stack.pop()
                if uses.get(at) == 1:
                    own.append(at)
                    stack += args[at]
                else:
                    terms.append(at)
            if len(terms) >= self.fewest:
                self._chains[node] = terms[::-1]
                inner.update(own)

    def _is_scalar(self, node: int) -> bool:
        """Whether a node stays a scalar."""
        return not self.single[self.of[node]] and len(self.members[self.of[node]]) < self.fewest

    def gains(self) -> bool:
        """Whether most scalars are in arrays."""
        computed = [len(m) for m, single in zip(self.members, self.single, strict=True) if not single]
        rolled_up = sum(n for n in computed if n >= self.fewest) + sum(map(len, self._chains.values()))
        return rolled_up > 0 and rolled_up >= SHARE * sum(computed)

    def made(self) -> dict[int, int]:
        """The outputs made of arrays."""
        for number in range(len(self.members)):
            members = self.members[number]
            if self._is_array(number):
                for part in self._parts(number):
                    self._made[part] = self._array(part)
            else:
                for node in members:
                    if node in self._chains:
                        self._values[node] = self._sum(self._chains[node])
                    elif node not in self._inner:
                        self._values[node] = self._alike(node)
        return {node: self.value(node) for node in self.outputs}

    def _parts(self, number: int) -> list[int]:
        """A class cut into classes whose operands are slices, where there are such: every so many, or runs."""
        members = self.members[number]
        of, place, same, args = self.of, self.place, self.same, self.graph.args
        operands = [[same.get(a, a) for a in args[node]] for node in members]
        data = self.data if self.graph.ops[members[0]] in ARITHMETIC else ()
        pairs = [[(-1, 0) if a in data else (of[a], place[a]) for a in own] for own in operands]
        found = np.array(pairs, np.int64)
        flat = found.reshape(len(members), -1)
        for period in range(1, MOST_PARTS + 1):
            if len(members) < self.fewest * period:
                break
            steps = flat[period:] - flat[:-period]
            if all(np.all(steps[k::period] == steps[k]) for k in range(period)):
                return self._cut(number, [members[k::period] for k in range(period)])
        changes = np.flatnonzero(np.any(np.diff(flat, 2, axis=0), axis=1)) + 2
        bounds = [0, *changes[np.diff(changes, prepend=0) > 1].tolist(), len(members)]
        parts = [members[i:j] for i, j in itertools.pairwise(bounds)]
        return self._cut(number, parts if all(len(p) >= self.fewest for p in parts) else [members])

    def _cut(self, number: int, parts: list[list[int]]) -> list[int]:
        if len(parts) == 1:
            return [number]
        first = len(self.members)
        for part in parts:
            self.of.update(dict.fromkeys(part, len(self.members)))
            self.place.update(zip(part, range(len(part)), strict=True))
            self.members.append(part)
            self.single.append(False)
        return list(range(first, len(self.members)))

    def value(self, node: int) -> int:
        """The node that stands for one: for a scalar of a class an element of its array."""
        found = self._values.get(node)
        if found is None:
            found = self._values[node] = self._element(node)
        return found

    def _element(self, node: int) -> int:
        graph = self.graph
        if node in self.data:
            return node  # it may stand after the class that it is an operand of
        if node in self.same:
            return self.value(self.same[node])
        number = self.of[node]
        if number in self._made:
            return movement.element(graph, self._made[number], (self.place[node],))
        assert graph.ops[node] is core.INDEX, "others were made when it was their turn"
        return movement.element(graph, self.value(graph.args[node][0]), graph.payloads[node])

    def _alike(self, node: int) -> int:
        """The node with what stands for its operands."""
        graph = self.graph
        op, args = graph.ops[node], graph.args[node]
        if not args or node in self.targets:
            return node
        if op is core.STACK and not graph.types[args[0]].shape and len(args) >= self.fewest:
            return self._listed(args)
        own = tuple([self.value(a) for a in args])
        return node if own == args else graph.apply(op, own, graph.payloads[node])

    def _sum(self, terms: Sequence[int]) -> int:
        """A sum, of which the terms of one array are added up as an array."""
        graph = self.graph
        groups: dict[int, list[int]] = {}
        for node in terms:
            node = self.same.get(node, node)
            groups.setdefault(self.of[node], []).append(node)
        parts = []
        for group in groups.values():
            if len(set(group)) >= self.fewest:
                parts.append(reduction.sum_over(graph, self._column(group), (0,)))
            else:
                parts += [self.value(node) for node in group]
        return functools.reduce(lambda a, b: graph.add(core.ADD, (a, b)), parts)

    def _array(self, number: int) -> int:
        """The array of a class."""
        graph, members = self.graph, self.members[number]
        first = members[0]
        columns = zip(*[graph.args[node] for node in members], strict=True)
        return graph.add(graph.ops[first], tuple([self._column(c) for c in columns]), graph.payloads[first])

    def _column(self, nodes: Sequence[int]) -> int:
        """One operand of all members of a class: an array of as many elements, or the scalar that all have."""
        nodes = [self.same.get(n, n) for n in nodes]
        first = nodes[0]
        if all(node == first for node in nodes):
            return self.value(first)
        if all(node in self.data for node in nodes):
            return self.graph.constant(np.array([self.graph.payloads[n] for n in nodes]))
        numbers = np.array([self.of[n] for n in nodes])
        places = np.array([self.place[n] for n in nodes], np.int64)
        if np.all(numbers == numbers[0]):
            return self._taken(self._source(first), places)
        starts, size = {}, 0  # parts of a class that was cut
        for number in dict.fromkeys(numbers.tolist()):
            starts[number] = size
            size += len(self.members[number])
        sources = [self._source(self.members[number][0]) for number in starts]
        shifts = np.array([starts[n] for n in numbers.tolist()], np.int64)
        return self._taken(movement.concatenate(self.graph, sources, 0), places + shifts)

    def _source(self, node: int) -> int:
        """The array, with one axis, that the scalar is an element of."""
        graph, number = self.graph, self.of[node]
        if number in self._made:
            return self._made[number]
        if self.single[number]:
            array = self.value(self.members[number][0])
            return movement.reshape(graph, array, (product(graph.types[array].shape),))
        return movement.stack(graph, [self.value(n) for n in self.members[number]])

    def _taken(self, array: int, places: Places) -> int:
        """Elements of an array with one axis: a slice where their places are a progression."""
        graph = self.graph
        self.taken += len(places)
        steps = np.diff(places)
        step = int(steps[0]) if len(steps) else 1
        if step and np.all(steps == step):
            start, stop = int(places[0]), int(places[-1]) + (1 if step > 0 else -1)
            return movement.element(graph, array, (slice(start, stop if stop >= 0 else None, step),))
        self.gathered += len(places)
        return indexing.gather(graph, array, graph.constant(places))

    def _listed(self, nodes: Sequence[int]) -> int:
        """The array of a list of scalars."""
        graph, of = self.graph, self.of
        nodes = [self.same.get(n, n) for n in nodes]
        numbers = np.array([of[n] for n in nodes])
        period = self._period(numbers)
        if period:
            columns = [self._column(nodes[k::period]) for k in range(period)]
            count = len(nodes) // period
            spread = [movement.broadcast(graph, c, (count,)) for c in columns]
            return movement.reshape(graph, movement.stack(graph, spread, 1), (len(nodes),))
        parts, where = [], np.empty(len(nodes), np.int64)
        first = 0
        for number in dict.fromkeys(numbers.tolist()):
            own = np.flatnonzero(numbers == number)
            part = movement.broadcast(graph, self._column([nodes[k] for k in own.tolist()]), (len(own),))
            parts.append(part)
            where[own] = np.arange(first, first + len(own))
            first += len(own)
        return self._taken(movement.concatenate(graph, parts, 0), where)

    def _period(self, numbers: npt.NDArray[np.int64]) -> int:
        """The length of what repeats in a list of classes; 0 where nothing does, or less than thrice."""
        count = len(numbers)
        again = np.flatnonzero(numbers[1:] == numbers[0])
        for period in (int(k) + 1 for k in again[:64]):
            if 3 * period > count:
                return 0
            if count % period == 0 and np.array_equal(numbers[period:], numbers[:-period]):
                return period
        return 0
