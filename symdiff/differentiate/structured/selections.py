"""Selections: the derivative of `a[g]` by `a` is 1 where an index is the place, and stays a symbol.

A tie goes through the indices (`Term.picks`). Where the transpose of the same selection comes, as in every Hessian, the
two and what stands between them are a diagonal: its elements are the sums of those that the indices send to one place.
"""

from __future__ import annotations

from dataclasses import replace

from symdiff.differentiate.guards import Guard
from symdiff.differentiate.structured.terms import Calculus, Sizes, Term
from symdiff.ops import indexing, movement


def gathered(calculus: Calculus, term: Term, node: int) -> Term | None:
    """A tangent of `gather`'s operand that is tied to the axis of the indices, as one of the result."""
    graph = calculus.graph
    (x, index), axis = graph.args[node], graph.payloads[node]
    count = graph.shape(index)
    tied = [j for j, own in enumerate(term.ties) if own == axis]
    if len(count) != 1 or count[0] < 2 or len(tied) != 1 or term.picked(axis) is not None or term.guard is not None:
        return None
    lead, rank = len(term.dense), len(graph.shape(x))

    def chosen(part: int | None, before: int) -> int | None:
        """A factor along the result's axis; `before` axes of it lie in front of that one."""
        if part is None or not 0 <= before < len(graph.shape(part)) or graph.shape(part)[before] == 1:
            return part
        return indexing.gather(graph, part, index, before)

    scale = chosen(term.scale, axis - rank + len(graph.shape(term.scale))) if term.scale is not None else None
    return replace(term, scale=scale, core=chosen(term.core, lead + axis), picks=(*term.picks, (tied[0], index)))


def tied_slice(calculus: Calculus, term: Term, node: int) -> Term | None:
    """A tangent of the operand of an `index` that only takes slices, tied to what they take, as one of the result."""
    graph = calculus.graph
    (x,) = graph.args[node]
    shape, payload = graph.shape(x), graph.payloads[node]
    if term.guard is not None or not all(isinstance(part, tuple) for part in payload):
        return None
    picks = list(term.picks)
    for axis, part in enumerate(payload):
        tied = [j for j, own in enumerate(term.ties) if own == axis]
        if part == (0, shape[axis], 1) or not tied:
            continue
        if len(tied) > 1 or term.picked(axis) is not None:
            return None
        picks.append((tied[0], _places(calculus, part, graph.shape(node)[axis])))

    def taken(part: int | None, lead: int) -> int | None:
        """A factor with the same axes, of which the first `lead` are whole."""
        if part is None:
            return None
        own = graph.shape(part)
        first = lead + len(shape) - len(own)  # the axes in front that it does not have
        index = [
            slice(None)
            if k < lead or own[k] == 1 or k + first - lead >= len(payload)
            else slice(*payload[k + first - lead])
            for k in range(len(own))
        ]
        return movement.element(graph, part, tuple(index))

    return replace(term, scale=taken(term.scale, 0), core=taken(term.core, len(term.dense)), picks=tuple(picks))


def _places(calculus: Calculus, part: tuple[int, int | None, int], count: int) -> int:
    """The indices of a slice, of which its start, stop and step are noted."""
    graph, (start, _, step) = calculus.graph, part
    line = graph.apply("mul", (indexing.iota(graph, (count,)), graph.constant(float(step))))
    index = indexing.as_index(graph, graph.apply("add", (line, graph.constant(float(start)))))
    calculus.slices[index] = part
    return index


def scattered(calculus: Calculus, term: Term, node: int) -> Term | None:
    """A tangent of `scatter_add`'s operand that went through the same indices: a diagonal."""
    graph = calculus.graph
    (value, index), (axis, size) = graph.args[node], graph.payloads[node]
    pick = term.picked(axis)
    if pick is None or pick[1] != index or calculus.target[pick[0]] != size:
        return None
    made, guard = _added(calculus, term, graph.shape(value), axis, pick)
    picks = tuple(other for other in term.picks if other != pick)
    return Term(term.ties, None, made, guard, picks) if term.dense else Term(term.ties, made, None, guard, picks)


def released(calculus: Calculus, term: Term, shape: Sizes, rank: int) -> Term:
    """The sum over the axes of a value of this shape after the first `rank`, which all are tied through indices."""
    for last in reversed(range(rank, len(shape))):
        pick = term.picked(last)
        assert pick is not None
        place = sorted([*term.dense, pick[0]]).index(pick[0])
        made, guard = _added(calculus, term, shape[: last + 1], last, pick, place)
        ties = tuple(None if own == last else own for own in term.ties)
        term = Term(ties, None, made, guard, tuple(other for other in term.picks if other != pick))
    return term


def _added(
    calculus: Calculus, term: Term, shape: Sizes, axis: int, pick: tuple[int, int], place: int | None = None
) -> tuple[int, Guard | None]:
    """Scale times core, added along an axis of the value to the places that a pick says; and its guard.

    The axes are the dense ones, then the value's; with `place` the axis that was added to is moved there.
    """
    graph, (j, index) = calculus.graph, pick
    own = list(range(len(shape)))
    order = calculus.labels_of(term, own)
    at = len(order) - len(shape) + axis
    perm = list(range(len(order)))
    if place is not None:
        perm.insert(place, perm.pop(at))

    def add(node: int) -> int:
        sizes = graph.shape(node)
        whole = movement.broadcast(graph, node, (*sizes[:at], shape[axis], *sizes[at + 1 :]))
        return movement.transpose(graph, indexing.scatter_add(graph, whole, index, at, calculus.target[j]), perm)

    made = add(calculus.product(term, own, order))
    if term.guard is None:
        return made, None
    clean = all(calculus.guards.finite(node) for node, _ in calculus.factors(term, own))
    whole = (*(calculus.target[k] for k in term.dense), *shape)
    return made, calculus.guards.carried(term.guard, whole, made, add, clean)
