"""Structured sweeps: the derivatives of whole arrays by whole arrays, forward and reverse."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from symdiff.differentiate.guards import Guards
from symdiff.differentiate.partials import Application, has_partial
from symdiff.differentiate.reverse import depending, mark
from symdiff.differentiate.structured.contractions import contracted, summed, unbroadcast_term
from symdiff.differentiate.structured.reshaping import indexed, reshaped
from symdiff.differentiate.structured.selections import gathered, scattered
from symdiff.differentiate.structured.terms import Calculus, Term, Terms
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import Op, core
from symdiff.types import BOOL

Rule = Callable[[Calculus, Term, int, int], Term]
"""(calculus, term, node, operand): a tangent of the operand to one of the node, or an adjoint the other way."""


def forward_terms(graph: Graph, outputs: Sequence[int], target: int) -> tuple[Calculus, list[Terms]]:
    """The derivatives of `outputs` by one target, from one walk over the ids upwards; no terms are a zero."""
    with graph.lock, collector_paused():
        live = graph.live(outputs)
        varied = depending(graph, live, [target])
        calculus = Calculus(Guards(graph), graph.shape(target))
        found: dict[int, Terms] = {target: calculus.seed()}
        for node in live:
            if node not in varied or node == target:
                continue
            first_new = len(graph)
            terms = pushed(calculus, node, found)
            if terms:
                found[node] = terms
            mark(graph.places, node, node, first_new, len(graph))
        return calculus, [found.get(o, ()) for o in outputs]


def reverse_terms(graph: Graph, output: int, targets: Sequence[int]) -> tuple[Calculus, list[Terms]]:
    """The derivatives of one output by every target, from one walk over the ids downwards."""
    with graph.lock, collector_paused():
        live = graph.live([output])
        varied = depending(graph, live, targets)
        calculus = Calculus(Guards(graph), graph.shape(output))
        wanted = set(targets)
        found: dict[int, Terms] = {}
        waiting: dict[int, list[Term]] = {output: list(calculus.seed())} if output in varied else {}
        for node in reversed(live):
            contributions = waiting.pop(node, None)
            if contributions is None:
                continue
            first_new = len(graph)
            terms = calculus.merge(contributions, graph.shape(node))
            if node in wanted:
                found[node] = terms
            for k, a in enumerate(graph.args[node]):
                if a in varied and has_partial(graph.ops[node], k) and graph.types[a].dtype != BOOL:
                    waiting.setdefault(a, []).extend(_pulled(calculus, node, k, terms))
            mark(graph.places, node, output, first_new, len(graph))
        return calculus, [found.get(t, ()) for t in targets]


def pushed(calculus: Calculus, node: int, tangents: Mapping[int, Terms]) -> Terms:
    """The tangent of a node, as terms, given those of its operands; none are a zero."""
    graph = calculus.graph
    op, args, shape = graph.ops[node], graph.args[node], graph.shape(node)
    active = [k for k, a in enumerate(args) if a in tangents and has_partial(op, k) and graph.types[a].dtype != BOOL]
    terms: list[Term] = []
    if op.differential is None:
        application = Application(calculus.guards, node)
        for k in active:
            rank = len(graph.shape(args[k]))
            shift = len(shape) - rank
            for term in tangents[args[k]]:
                part = _times(calculus, application, k, calculus.moved(term, rank, [*(None,) * shift, *range(rank)]))
                if part is not None:
                    terms.append(part)
    elif op in RULES:
        rule = RULES[op][0]
        terms = [rule(calculus, term, node, k) for k in active for term in tangents[args[k]]]
    elif op in SELECTIONS and tangents[args[0]]:
        found = [(SELECTIONS[op](calculus, term, node), term) for term in tangents[args[0]]]
        terms = [made for made, _ in found if made is not None]
        others = tuple(term for made, term in found if made is None)
        terms += _pushed_whole(calculus, node, {0: others}) if others else ()
    else:
        return _pushed_whole(calculus, node, {k: tangents[args[k]] for k in active})
    return calculus.merge(terms, shape) if terms else ()


def _pulled(calculus: Calculus, node: int, k: int, terms: Terms) -> list[Term]:
    graph = calculus.graph
    op, a = graph.ops[node], graph.args[node][k]
    if op.differential is None:
        application = Application(calculus.guards, node)
        parts = [_times(calculus, application, k, term) for term in terms]
        shape, to = graph.shape(node), graph.shape(a)
        return [unbroadcast_term(calculus, p, shape, to) for p in parts if p is not None]
    if op in RULES:
        return [RULES[op][1](calculus, term, node, k) for term in terms]
    return [_pulled_whole(calculus, node, k, terms)]


def _times(calculus: Calculus, application: Application, k: int, term: Term) -> Term | None:
    """A term times the partial by operand k; None where that is zero."""
    guards, one = calculus.guards, calculus.graph.constant(1.0)
    found = application.times(k, (one if term.scale is None else term.scale, None))
    if found is None:
        return None
    scale, guard = found
    if guard is None:
        guard = term.guard
    elif term.guard is not None:
        guard = guards.under(term.guard, guards.condition(guard), True)
    return Term(term.ties, None if scale == one else scale, term.core, guard, term.picks)


# Operations without a rule: everything is made dense


def _pushed_whole(calculus: Calculus, node: int, tangents: dict[int, Terms]) -> Terms:
    graph, guards, lead = calculus.graph, calculus.guards, len(calculus.target)
    differential = graph.ops[node].differential
    assert differential is not None
    args = graph.args[node]
    values: list[int | None] = [None] * len(args)
    for k, terms in tangents.items():
        values[k] = calculus.total(terms, graph.shape(args[k]), first=True)
    core = differential.pushforward(graph, values, node, lead)
    result = Term((None,) * lead, None, core)
    if len(tangents) > 1:
        return (result,)
    ((k, terms),) = tangents.items()
    if not differential.selects and any(t.guard is None for t in terms):
        return (result,)
    reach = differential.reach

    def carry(mask: int) -> int:
        if reach is not None:
            return reach(graph, mask, node, k, lead, True)
        masks: list[int | None] = [mask if j == k else None for j in range(len(args))]
        return differential.pushforward(graph, masks, node, lead)

    before = calculus.whole_guard(terms, graph.shape(args[k]))
    whole = (*calculus.target, *graph.shape(args[k]))
    return (Term(result.ties, None, core, guards.carried(before, whole, core, carry, _coefficients(guards, node))),)


def _pulled_whole(calculus: Calculus, node: int, k: int, terms: Terms) -> Term:
    graph, guards, lead = calculus.graph, calculus.guards, len(calculus.target)
    differential = graph.ops[node].differential
    assert differential is not None
    pullback, reach = differential.pullback, differential.reach
    core = pullback(graph, calculus.total(terms, graph.shape(node), first=True), node, k, lead)
    ties = (None,) * lead
    if not differential.selects and any(t.guard is None for t in terms):
        return Term(ties, None, core)

    def carry(mask: int) -> int:
        return pullback(graph, mask, node, k, lead) if reach is None else reach(graph, mask, node, k, lead, False)

    before = calculus.whole_guard(terms, graph.shape(node))
    whole = (*calculus.target, *graph.shape(node))
    return Term(ties, None, core, guards.carried(before, whole, core, carry, _coefficients(guards, node)))


def _coefficients(guards: Guards, node: int) -> bool:
    """Whether what an operation multiplies by is finite."""
    graph = guards.graph
    return graph.ops[node].differential is not None and guards.finite(node)


# Operations with a rule: what stands in a term is moved or contracted, and ties last


def _sum_forward(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph = calculus.graph
    return summed(calculus, term, graph.shape(graph.args[node][0]), graph.payloads[node])


def _sum_back(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph = calculus.graph
    axes, rank = graph.payloads[node], len(graph.shape(graph.args[node][0]))
    left = [j for j in range(rank) if j not in axes]
    return calculus.moved(term, len(left), [left.index(j) if j in left else None for j in range(rank)])


def _broadcast_forward(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph = calculus.graph
    rank = len(graph.shape(graph.args[node][0]))
    return calculus.moved(term, rank, [*(None,) * (len(graph.shape(node)) - rank), *range(rank)])


def _broadcast_back(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph = calculus.graph
    return unbroadcast_term(calculus, term, graph.shape(node), graph.shape(graph.args[node][0]))


def _transpose_forward(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    perm = calculus.graph.payloads[node]
    return calculus.moved(term, len(perm), perm)


def _transpose_back(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    perm = calculus.graph.payloads[node]
    return calculus.moved(term, len(perm), [perm.index(j) for j in range(len(perm))])


def _reshape_forward(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph = calculus.graph
    return reshaped(calculus, term, graph.shape(graph.args[node][0]), graph.shape(node))


def _reshape_back(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph = calculus.graph
    return reshaped(calculus, term, graph.shape(node), graph.shape(graph.args[node][0]))


def _einsum_forward(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph, args = calculus.graph, calculus.graph.args[node]
    labels, output = graph.payloads[node]
    others = [(a, own) for j, (a, own) in enumerate(zip(args, labels, strict=True)) if j != k]
    return contracted(calculus, term, graph.shape(args[k]), labels[k], output, others)


def _einsum_back(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph, args = calculus.graph, calculus.graph.args[node]
    labels, output = graph.payloads[node]
    others = [(a, own) for j, (a, own) in enumerate(zip(args, labels, strict=True)) if j != k]
    return contracted(calculus, term, graph.shape(node), output, labels[k], others, protect=True)


def _index_forward(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph = calculus.graph
    return indexed(calculus, term, graph.shape(graph.args[node][0]), graph.payloads[node])


def _scatter_back(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    graph = calculus.graph
    return indexed(calculus, term, graph.shape(node), graph.payloads[node][0])


def _whole_back(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    return _pulled_whole(calculus, node, k, (term,))


def _whole_forward(calculus: Calculus, term: Term, node: int, k: int) -> Term:
    (found,) = _pushed_whole(calculus, node, {k: (term,)})
    return found


RULES: dict[Op, tuple[Rule, Rule]] = {
    core.SUM: (_sum_forward, _sum_back),
    core.BROADCAST: (_broadcast_forward, _broadcast_back),
    core.TRANSPOSE: (_transpose_forward, _transpose_back),
    core.RESHAPE: (_reshape_forward, _reshape_back),
    core.EINSUM: (_einsum_forward, _einsum_back),
    core.INDEX: (_index_forward, _whole_back),
    core.SCATTER: (_whole_forward, _scatter_back),
}
"""For each operation how it maps a tangent, and an adjoint."""

SELECTIONS: dict[Op, Callable[[Calculus, Term, int], Term | None]] = {
    core.GATHER: gathered,
    core.SCATTER_ADD: scattered,
}
"""How operations with indices map a tangent that they can keep symbolic; None for others."""
