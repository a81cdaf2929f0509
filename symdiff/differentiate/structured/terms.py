"""Structured derivatives: of a value by an array, without the zeros of identities.

The derivative of a value of shape S by a target of shape T (or, the other way round, of a target by a value) is a sum
of terms. A term is `scale * core * identities`: each axis of T is either tied to an axis of S, which stands for an
identity matrix between the two, or it is one of the dense axes D of `core`, in order. The factors of the chain rule go
into `scale`, an array in the shape S; a contraction over a tied axis releases the tie without any arithmetic. A tie may
go through indices: then it stands for the selection that `a[g]` makes, and its release adds to the places g. A dense
array of shape S + T is made where nothing else is left to do. (Identities as symbols of a tensor calculus: Laue,
Mitterreiter and Giesen, "Computing higher order derivatives of matrix and tensor expressions", 2018.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.differentiate import chain
from symdiff.differentiate.guards import Guard, Guards
from symdiff.differentiate.structured.factors import Factor, ordered
from symdiff.ops import core, indexing, movement
from symdiff.ops.core import WHERE
from symdiff.types import broadcast_shapes, fixed

AND = core.LOGICAL_AND
OR = core.LOGICAL_OR
Sizes = tuple[int, ...]
MOST_TERMS = 4
"""More terms than these are made dense and added, unless a sweep says otherwise."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term of a derivative.

    Attributes
    ----------
    ties : for each axis of the target the axis of the value that an identity ties it to; None for a dense one.
    scale : a node whose shape broadcasts to that of the value; None for 1.
    core : a node whose shape has the dense axes, then those of the value; each may be 1 instead. None for 1.
    guard : where the term is not zero; its condition broadcasts to the shape of the dense axes and the value's.
    picks : (axis of the target, node of indices): that axis' tie is not the identity, but 1 where the index along the
        target's axis is the one that the node has at the place along the value's axis.
    """

    ties: tuple[int | None, ...]
    scale: int | None = None
    core: int | None = None
    guard: Guard | None = None
    picks: tuple[tuple[int, int], ...] = ()

    @property
    def dense(self) -> list[int]:
        """The axes of the target that are not tied."""
        return [j for j, axis in enumerate(self.ties) if axis is None]

    def picked(self, axis: int) -> tuple[int, int] | None:
        """The pick that ties to an axis of the value, where nothing else does."""
        tied = [j for j, own in enumerate(self.ties) if own == axis]
        found = [pick for pick in self.picks if pick[0] in tied]
        return found[0] if found and len(tied) == 1 else None


Terms = tuple[Term, ...]


class Calculus:
    """What can be done with terms that belong to one target and one sweep.

    Attributes
    ----------
    target : its shape.
    most : more terms than these are made dense and added.
    ahead : whether the sweep goes from operands to results, so that matrices multiply what is carried from the left:
        products are made with the dense axes last, where BLAS transposes neither factor.
    slices : the start, stop and step of indices that are those of a slice.
    """

    def __init__(self, guards: Guards, target: Sizes, most: int = MOST_TERMS, ahead: bool = False) -> None:
        self.guards = guards
        self.graph = guards.graph
        self.target = target
        self.most = most
        self.ahead = ahead
        self.slices: dict[int, tuple[int, int | None, int]] = {}

    def seed(self) -> Terms:
        """The derivative of the target by itself. Axes of size 1 are never tied: they may be repeated."""
        return (Term(tuple(None if n == 1 else j for j, n in enumerate(self.target))),)

    def shape(self, node: int) -> Sizes:
        """The shape of a node."""
        return fixed(self.graph.types[node].shape)

    def labels_of(self, term: Term, own: Sequence[int]) -> list[int]:
        """Labels for the axes of a core: those of the target are -1, -2, …, those of the value `own`."""
        return [-1 - j for j in term.dense] + list(own)

    def factors(self, term: Term, own: Sequence[int]) -> list[Factor]:
        """Core and scale with the labels of their axes."""
        found: list[Factor] = []
        if term.core is not None:
            found.append((term.core, tuple(self.labels_of(term, own))))
        if term.scale is not None:
            rank = len(self.shape(term.scale))
            found.append((term.scale, tuple(own)[len(own) - rank :]))
        return found

    def condition(self, term: Term, own: Sequence[int], known: set[Guard]) -> Factor | None:
        """The condition that must still be put in, with the labels of its axes."""
        if term.guard is None:
            return None
        node = self.guards.missing(known, term.guard)
        if node is None:
            return None
        labels = self.labels_of(term, own)
        return node, tuple(labels[len(labels) - len(self.shape(node)) :])

    def clean(self, term: Term) -> set[Guard]:
        """The guards under which the product of scale and core is clean."""
        finite, known = self.guards.finite, set[Guard]()
        for one, other in ((term.core, term.scale), (term.scale, term.core)):
            if other is None or finite(other):
                known |= self.guards.clean(one)
        return known

    # Dense values

    def dense(self, term: Term, shape: Sizes, first: bool = False) -> int:
        """A term as an array of shape S + T, or (`first`) T + S; sizes that do not show are those of broadcasting."""
        count, rank = len(shape), len(self.target)
        own, target = list(range(count)), [-1 - j for j in range(rank)]
        order = target + own if first else own + target
        graph = self.graph
        value: int | None = None
        for node, labels in self.factors(term, own):
            placed = ordered(graph, node, labels, order)
            value = placed if value is None else chain.multiply(graph, value, placed)
        return self._with_zeros(term, term.ties, value, own, order)

    def product(self, term: Term, own: list[int], order: list[int]) -> int:
        """Scale times core with axes `order`, and with the zeros off the guard."""
        value: int | None = None
        for node, labels in self.factors(term, own):
            placed = ordered(self.graph, node, labels, order)
            value = placed if value is None else chain.multiply(self.graph, value, placed)
        return self.full(self._with_zeros(term, (), value, own, order), len(order))

    def _with_zeros(
        self, term: Term, ties: Sequence[int | None], value: int | None, own: list[int], order: list[int]
    ) -> int:
        """The product of scale and core, with axes `order`, and zeros off some identities and off the guard."""
        graph = self.graph
        if value is None:
            value = graph.constant(1.0)
        mask: int | None = None
        for j, axis in enumerate(ties):
            if axis is not None:
                places = (order.index(-1 - j), order.index(axis))
                square = tuple(self.target[j] if k in places else 1 for k in range(len(order)))
                index = dict(term.picks).get(j)
                if index is None:
                    equal = indexing.same_index(graph, square, *sorted(places))
                else:
                    equal = self._chosen(index, square, *places)
                mask = equal if mask is None else graph.add(AND, (mask, equal))
        condition = self.condition(term, own, self.clean(term))
        if condition is not None:
            placed = ordered(graph, *condition, order)
            mask = placed if mask is None else graph.add(AND, (mask, placed))
        return value if mask is None else graph.add(WHERE, (mask, value, graph.constant(0.0)))

    def _chosen(self, index: int, square: Sizes, picked: int, along: int) -> int:
        """The condition that the place along one axis is the index at the place along another one."""
        size, count = square[picked], self.shape(index)[0]
        place = indexing.iota(self.graph, tuple(size if k == picked else 1 for k in range(len(square))), picked)
        chosen = indexing.gather(self.graph, indexing.iota(self.graph, (size,)), index)
        line = tuple(count if k == along else 1 for k in range(len(square)))
        return self.graph.add(core.EQUAL, (place, movement.reshape(self.graph, chosen, line)))

    def plain(self, term: Term, shape: Sizes) -> Term:
        """The term with the ties that go through indices written out."""
        axes = [axis for j, _ in term.picks if (axis := term.ties[j]) is not None]
        return self.untied(term, shape, axes) if axes else term

    def total(self, terms: Terms, shape: Sizes, first: bool = False) -> int:
        """The sum of terms as a whole array of shape S + T, or T + S."""
        sizes = (*self.target, *shape) if first else (*shape, *self.target)
        if not terms:
            return movement.broadcast(self.graph, self.graph.constant(0.0), sizes)
        return movement.broadcast(
            self.graph, chain.total(self.graph, [self.dense(t, shape, first) for t in terms]), sizes
        )

    def untied(self, term: Term, shape: Sizes, axes: Sequence[int]) -> Term:
        """The term with the ties to some axes of the value written out."""
        if not set(term.ties) & set(axes):
            return term
        ties = tuple(None if axis in axes else axis for axis in term.ties)
        count, graph = len(shape), self.graph
        own = list(range(count))
        after = [-1 - j for j, axis in enumerate(ties) if axis is None] + own
        value: int | None = None
        for node, labels in self.factors(term, own):
            placed = ordered(graph, node, labels, after)
            value = placed if value is None else chain.multiply(graph, value, placed)
        released = [axis if axis in axes else None for axis in term.ties]
        core = self.full(self._with_zeros(term, released, value, own, after), len(after))
        picks = tuple(pick for pick in term.picks if ties[pick[0]] is not None)
        if term.guard is None:
            return Term(ties, None, core, None, picks)
        guard = self._placed(term, own, after)
        self.guards.note_clean(core, (guard,))
        return Term(ties, None, core, guard, picks)

    def _placed(self, term: Term, own: list[int], order: list[int]) -> Guard:
        """The guard of a term with its axes in another order."""
        labels = self.labels_of(term, own)
        assert term.guard is not None

        def carry(node: int) -> int:
            return ordered(self.graph, node, labels[len(labels) - len(self.shape(node)) :], order)

        return self.guards.moved(term.guard, carry, ())

    def full(self, node: int, rank: int) -> int:
        """The node with axes of size 1 in front up to a number of axes."""
        own = self.shape(node)
        return movement.reshape(self.graph, node, (*(1,) * (rank - len(own)), *own))

    def whole_guard(self, terms: Terms, shape: Sizes) -> Guard | None:
        """Where one of the terms may be other than 0, with the axes T + S; None for everywhere."""
        own = list(range(len(shape)))
        order = [*(-1 - j for j in range(len(self.target))), *own]
        guards = [self._placed(t, own, order) for t in terms if t.guard is not None]
        if len(guards) < len(terms) or not guards:
            return None
        if len(guards) == 1:
            return guards[0]
        node = self.guards.condition(guards[0])
        for guard in guards[1:]:
            node = self.graph.add(OR, (node, self.guards.condition(guard)))
        return self.guards.of(node)

    # Linear operations

    def moved(self, term: Term, count: int, axes: Sequence[int | None]) -> Term:
        """The value's `count` axes in another order; None is a new axis, along which the value is repeated.

        Axes that are left out have size 1.
        """
        if list(axes) == list(range(count)):
            return term
        graph, own = self.graph, list(range(count))
        after = [count + k if axis is None else axis for k, axis in enumerate(axes)]
        ties = tuple(None if axis is None else after.index(axis) for axis in term.ties)
        scale, core, guard = term.scale, term.core, term.guard
        if scale is not None:
            rank = len(self.shape(scale))
            scale = ordered(graph, scale, own[count - rank :], after)
        if core is not None:
            target = self.labels_of(term, after)
            core = self.full(ordered(graph, core, self.labels_of(term, own), target), len(target))
        if guard is not None:
            guard = self._placed(term, own, self.labels_of(term, after))
            for before, now in ((term.scale, scale), (term.core, core)):
                if now is not None and term.guard in self.guards.clean(before):
                    self.guards.note_clean(now, (guard,))
        return Term(ties, scale, core, guard, term.picks)

    # Sums

    def merge(self, terms: Sequence[Term], shape: Sizes) -> Terms:
        """The sum of terms: those with equal ties become one, except where that would make a larger array."""
        if len(terms) == 1:
            return tuple(terms)
        groups: dict[Any, list[Term]] = {}
        for term in terms:
            groups.setdefault((term.ties, term.picks, term.core), []).append(term)
        found = [self._added(group, shape) for group in groups.values()]
        apart = [t for t in found if len(found) <= self.most and self._grows(t)]
        alike: dict[Any, list[Term]] = {}
        for term in found:
            if term not in apart:
                alike.setdefault((term.ties, term.picks), []).append(term)
        if len(apart) + len(alike) > self.most:
            axes = range(len(shape))
            return (self._added([self.untied(t, shape, axes) for t in found], shape),)
        return (*(self._added(group, shape) for group in alike.values()), *apart)

    def _grows(self, term: Term) -> bool:
        """Whether scale and core, multiplied out, take more memory than each of them."""
        if term.scale is None or term.core is None:
            return False
        core, scale = self.shape(term.core), self.shape(term.scale)
        return math.prod(broadcast_shapes("", [core, scale])) > max(math.prod(core), math.prod(scale))  # type: ignore[arg-type]

    def _added(self, terms: Sequence[Term], shape: Sizes) -> Term:
        if len(terms) == 1:
            return terms[0]
        graph, first = self.graph, terms[0]
        rank = len(first.dense) + len(shape)
        if all(t.core == first.core for t in terms):
            one = graph.constant(1.0)
            scale, guard = self.guards.merge([(one if t.scale is None else t.scale, t.guard) for t in terms])
            if len(self.shape(scale)) <= len(shape):
                return Term(first.ties, None if scale == one else scale, first.core, guard, first.picks)
            core = scale if first.core is None else chain.multiply(graph, scale, first.core)
            return Term(first.ties, None, self.full(core, rank), guard, first.picks)
        values = []
        for t in terms:
            value = chain.multiply(
                graph,
                graph.constant(1.0) if t.core is None else t.core,
                graph.constant(1.0) if t.scale is None else t.scale,
            )
            self.guards.note_clean(value, self.clean(t))
            values.append((value, t.guard))
        value, guard = self.guards.merge(values)
        return Term(first.ties, None, self.full(value, rank), guard, first.picks)
