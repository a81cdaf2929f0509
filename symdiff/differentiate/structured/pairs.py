"""Products of two structured derivatives, summed over the target that both are by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from symdiff.differentiate.structured.factors import Factor, product_of, squeezed_factor
from symdiff.differentiate.structured.terms import Calculus, Sizes, Term
from symdiff.ir.graph import Graph
from symdiff.ops import core, indexing, movement

Labels = Sequence[int]


def contracted_pair(
    calculus: Calculus,
    terms: tuple[Term, Term],
    shapes: tuple[Sizes, Sizes],
    labels: tuple[Labels, Labels],
    others: Sequence[Factor],
    output: Labels,
) -> int | None:
    """The sum of the products of two terms and of other factors over the target and all labels not in the output.

    An identity between an axis of the target and one of a value gives both the same label, and nothing is computed.
    None is a zero.

    Parameters
    ----------
    shapes, labels : of the values that the terms are derivatives of; labels are ≥ 0, -1 - j is axis j of the target.
    others : nodes with the labels of their axes, those of the target, too.
    """
    graph, target = calculus.graph, calculus.target
    cleared = [_cleared(calculus, t, s) for t, s in zip(terms, shapes, strict=True)]
    resolved = _without_picks(calculus, (cleared[0], cleared[1]), shapes, labels)
    if resolved is None:
        return None
    first, second, conditions, taken = resolved
    others = [*conditions, *(_taken_by(calculus, factor, taken) for factor in others)]
    sizes = {-1 - j: n for j, n in enumerate(target)}
    for own, shape in (*zip(labels, shapes, strict=True), *((own, graph.shape(n)) for n, own in others)):
        for label, size in zip(own, shape, strict=True):
            sizes[label] = max(size, sizes.get(label, 1)) if size else 0
    names = _joined(target, (first, second), labels, output)
    if names is None:  # both ends of an identity remain
        first, second = (calculus.untied(t, s, range(len(s))) for t, s in zip((first, second), shapes, strict=True))
        names = {label: label for label in sizes}
    factors = calculus.factors(first, labels[0])
    if terms[0] is terms[1] and tuple(labels[0]) == tuple(labels[1]):
        factors = [squeezed_factor(graph, *factor) for factor in factors]  # in the order in which they are kept
        factors = [(graph.apply(core.SQUARE, (n,)), own) for n, own in factors]
    else:
        factors += calculus.factors(second, labels[1])
    within: list[Factor] = []
    after: list[Factor] = []
    for node, own in (*factors, *others):
        factor = _diagonal(graph, *squeezed_factor(graph, node, tuple(own)), names)
        (after if set(factor[1]) <= set(output) else within).append(factor)
    counted = {names[label] for label in sizes}
    inner = product_of(graph, within, output, sizes, counted)
    scale = product_of(graph, after, output, sizes, set()) if after else None
    shape = tuple(sizes[label] for label in output)
    found = [n for n in (inner, scale) if n is not None]
    result = graph.constant(1.0) if not found else found[0] if len(found) == 1 else graph.add(core.MUL, tuple(found))
    return movement.broadcast(graph, result, shape)


def _cleared(calculus: Calculus, term: Term, shape: Sizes) -> Term:
    """The term with the zeros off its guard put in."""
    if term.guard is None:
        return term
    own = list(range(len(shape)))
    order = calculus.labels_of(term, own)
    return Term(term.ties, None, calculus.full(calculus.product(term, own, order), len(order)), None, term.picks)


def _without_picks(
    calculus: Calculus, terms: tuple[Term, Term], shapes: tuple[Sizes, Sizes], labels: tuple[Labels, Labels]
) -> tuple[Term, Term, list[Factor], dict[int, int]] | None:
    """The terms with identities alone, conditions as factors, and by which indices axes of the target are taken.

    Two elements that are tied to the target through indices have a product where the indices are equal; what is dense
    is taken at those of the other. None where none are equal.
    """
    first, second = terms
    conditions: list[Factor] = []
    taken: dict[int, int] = {}
    for j in sorted({j for t in terms for j, _ in t.picks}):
        one, two = dict(first.picks).get(j), dict(second.picks).get(j)
        a, b = first.ties[j], second.ties[j]
        if a is None or b is None:
            index = one if b is None else two
            assert index is not None
            first, second = (
                replace(t, core=_taken(calculus, t.core, t.dense.index(j), index)) if t.ties[j] is None else t
                for t in (first, second)
            )
        elif labels[0][a] != labels[1][b]:
            plain = [calculus.plain(t, s) for t, s in zip(terms, shapes, strict=True)]
            return plain[0], plain[1], [], {}
        else:
            index = one
            if one != two:
                if _never_meet(calculus, one, two):
                    return None
                count = max(shapes[0][a], shapes[1][b])
                places = tuple(_numbers(calculus, k, calculus.target[j], count) for k in (one, two))
                equal = calculus.graph.add(core.EQUAL, places)
                conditions.append((calculus.graph.as_number(equal), (labels[0][a],)))
        if index is not None:
            taken[j] = index
    return replace(first, picks=()), replace(second, picks=()), conditions, taken


def _taken(calculus: Calculus, node: int | None, axis: int, index: int) -> int | None:
    """An array at some indices along an axis."""
    graph = calculus.graph
    if node is None or graph.shape(node)[axis] == 1:
        return node
    part = calculus.slices.get(index)
    if part is None:
        return indexing.gather(graph, node, index, axis)
    return movement.element(graph, node, (*(slice(None),) * axis, slice(*part)))


def _taken_by(calculus: Calculus, factor: Factor, taken: dict[int, int]) -> Factor:
    """A factor whose axes of the target are taken at the indices that say which of them count."""
    node, labels = factor
    for axis, label in enumerate(labels):
        if label < 0 and -1 - label in taken:
            found = _taken(calculus, node, axis, taken[-1 - label])
            assert found is not None
            node = found
    return node, labels


def _never_meet(calculus: Calculus, one: int | None, two: int | None) -> bool:
    """Whether two slices, None for all, have different elements at the same place everywhere."""
    parts = [(0, None, 1) if index is None else calculus.slices.get(index) for index in (one, two)]
    first, second = parts
    return first is not None and second is not None and first[2] == second[2] and first[0] != second[0]


def _numbers(calculus: Calculus, index: int | None, size: int, count: int) -> int:
    """Indices as numbers; None for those of all."""
    graph = calculus.graph
    if index is None:
        return indexing.iota(graph, (count,))
    found = _taken(calculus, indexing.iota(graph, (size,)), 0, index)
    assert found is not None
    return found


def _joined(
    target: Sizes, terms: tuple[Term, Term], labels: tuple[Labels, Labels], output: Labels
) -> dict[int, int] | None:
    """For each label the one that stands for it and all that identities make equal; None where that are two results."""
    names = {label: label for label in (*(-1 - j for j in range(len(target))), *labels[0], *labels[1], *output)}
    for term, own in zip(terms, labels, strict=True):
        for j, axis in enumerate(term.ties):
            if axis is None:
                continue
            one, two = names[-1 - j], names[own[axis]]
            if one == two:
                continue
            if one in output and two in output:
                return None
            kept, gone = (one, two) if one in output or (two < 0 and two not in output) else (two, one)
            names = {label: kept if name == gone else name for label, name in names.items()}
    return names


def _diagonal(graph: Graph, node: int, labels: Labels, names: dict[int, int]) -> Factor:
    """A factor under the labels that stand for its own; axes with the same one become their diagonal."""
    own = [names.get(label, label) for label in labels]
    while len(set(own)) < len(own):
        i, j = next((i, j) for j in range(len(own)) for i in range(j) if own[i] == own[j])
        node = graph.apply(core.DIAGONAL, (node,), (i, j))
        own = [label for k, label in enumerate(own) if k not in (i, j)] + [own[i]]
    return node, tuple(own)
