"""Contractions of structured derivatives: sums over axes, in which ties end without arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence

from symdiff.differentiate.structured.factors import Factor, ordered, product_of, squeezed_factor
from symdiff.differentiate.structured.selections import released
from symdiff.differentiate.structured.terms import Calculus, Sizes, Term
from symdiff.ops import core
from symdiff.ops.core import WHERE

FEWEST_COLUMNS = 16
"""With fewer elements of the target, loops along the value's axes are faster than along those of the target."""


def contracted(
    calculus: Calculus,
    term: Term,
    shape: Sizes,
    own: Sequence[int],
    output: Sequence[int],
    others: Sequence[Factor] = (),
    protect: bool = False,
) -> Term:
    """The sum of the products of a term with other factors over all labels that are not in the output.

    Parameters
    ----------
    own : labels ≥ 0 of the value's axes; `shape` are their sizes.
    others : nodes with the labels of their axes.
    protect : whether other factors that may be infinite or NaN must not meet what the guard leaves out.
    """
    graph, guards = calculus.graph, calculus.guards
    sizes = dict(zip(own, shape, strict=True))
    for node, labels in others:
        for label, size in zip(labels, calculus.shape(node), strict=True):
            sizes[label] = max(size, sizes.get(label, 1)) if size else 0
    chosen = [own[axis] for j, _ in term.picks if (axis := term.ties[j]) is not None and own[axis] not in output]
    if any(term.picked(list(own).index(label)) is None for label in chosen):
        term, chosen = calculus.plain(term, shape), []
    if chosen:
        longer = [*output, *chosen]
        found = contracted(calculus, term, shape, own, longer, others, protect)
        return released(calculus, found, tuple(sizes[label] for label in longer), len(output))
    for j in term.dense:
        sizes[-1 - j] = calculus.target[j]
    ties: list[int | None] = []
    dense: list[int] = []
    for j, axis in enumerate(term.ties):
        if axis is not None and own[axis] in output:
            ties.append(list(output).index(own[axis]))
        else:
            ties.append(None)
            dense.append(-1 - j if axis is None else own[axis])
    counted = {*own, *(label for _, labels in others for label in labels)}

    def product(factors: Sequence[Factor]) -> int | None:
        order = [*dense, *output]
        if not calculus.ahead or math.prod(sizes[label] for label in dense) < FEWEST_COLUMNS:
            return product_of(graph, factors, order, sizes, counted)
        made = [*output, *dense]
        found = product_of(graph, factors, made, sizes, counted)
        return found if found is None else ordered(graph, found, made[len(made) - len(calculus.shape(found)) :], order)

    guard, scale, core = term.guard, term.scale, term.core
    if guard is None:
        if scale is not None:
            lasting = squeezed_factor(graph, scale, tuple(own)[len(own) - len(calculus.shape(scale)) :])
            if all(label in output and label not in dense for label in lasting[1]):
                # it can wait: no axis of it is summed or released
                inner = product([*calculus.factors(Term(term.ties, None, core), own), *others])
                return Term(tuple(ties), ordered(graph, *lasting, output), inner, None, term.picks)
        return Term(tuple(ties), None, product([*calculus.factors(term, own), *others]), None, term.picks)
    condition = calculus.condition(term, own, calculus.clean(term))
    factors = calculus.factors(term, own)
    clean = all(guards.finite(node) for node, _ in (*factors, *others))
    if condition is not None:
        factors = _masked(calculus, factors, condition)
    if protect and not clean:
        everywhere = calculus.condition(term, own, set())
        assert everywhere is not None
        others = [f if guards.finite(f[0]) else _spared(calculus, f, everywhere, sizes) for f in others]
    result = product([*factors, *others])
    moved = calculus.full(graph.constant(1.0) if result is None else result, len(dense) + len(output))
    axes = tuple(calculus.labels_of(term, own))

    def reach(mask: int) -> int:
        found = product_of(graph, [(mask, axes)], [*dense, *output], sizes, set(own))
        return graph.constant(1.0) if found is None else found

    whole = tuple(sizes[label] for label in axes)
    return Term(tuple(ties), None, moved, guards.carried(guard, whole, moved, reach, clean), term.picks)


def _masked(calculus: Calculus, factors: list[Factor], condition: Factor) -> list[Factor]:
    """Zeros where the condition does not hold, in one factor that is finite otherwise, and in all that are not."""
    graph, finite = calculus.graph, calculus.guards.finite
    if not factors:
        factors = [(graph.constant(1.0), ())]
    found: list[Factor] = []
    for k, (node, labels) in enumerate(factors):
        if finite(node) and k < len(factors) - 1:
            found.append((node, labels))
            continue
        union = list(labels) + [label for label in condition[1] if label not in labels]
        value = graph.add(
            WHERE, (ordered(graph, *condition, union), ordered(graph, node, labels, union), graph.constant(0.0))
        )
        found.append((calculus.full(value, len(union)), tuple(union)))
    return found


def _spared(calculus: Calculus, factor: Factor, holds: Factor, sizes: dict[int, int]) -> Factor:
    """A factor with zeros where the guard holds nowhere along the axes that it has not."""
    graph, (node, labels) = calculus.graph, factor
    found = product_of(graph, [(graph.as_number(holds[0]), holds[1])], list(labels), sizes, set())
    if found is None:
        return factor
    reached = graph.add(core.GREATER, (found, graph.constant(0.0)))
    return graph.add(WHERE, (reached, node, graph.constant(0.0))), labels


def summed(calculus: Calculus, term: Term, shape: Sizes, axes: Sequence[int]) -> Term:
    """The sum over some axes of the value."""
    own = range(len(shape))
    return contracted(calculus, term, shape, own, [k for k in own if k not in axes]) if axes else term


def unbroadcast_term(calculus: Calculus, term: Term, shape: Sizes, to: Sizes) -> Term:
    """The transpose of broadcasting from the shape `to`."""
    if shape == to:
        return term
    lead = len(shape) - len(to)
    axes = [*range(lead), *(lead + k for k, n in enumerate(to) if n == 1 and shape[lead + k] != 1)]
    left = [k for k in range(len(shape)) if k not in axes]
    found = summed(calculus, term, shape, axes)
    kept = [left.index(lead + k) if lead + k in left else None for k in range(len(to))]
    return calculus.moved(found, len(left), kept)
