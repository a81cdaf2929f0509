"""Stable forms: logarithms of sums of exponentials and shares of them, of any length, along axes or written out."""

from __future__ import annotations

import math
from collections.abc import Collection

from symdiff.frontend.arrays.softmax import log_softmax, logsumexp, softmax
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement
from symdiff.ops.core import ADD, CONSTANT, DIV, EXP, LOGADDEXP, MUL, NAMED, SUB, SUM, SURROGATE
from symdiff.optimize.powers import MOVED, without_name

MOST_TERMS, DEEPEST = 10_000, 6
STOP = core.STOP_GRADIENT
REPEATED = frozenset((core.RESHAPE, core.BROADCAST))
LOGARITHMIC = REPEATED | {NAMED, MUL, DIV, EXP, SUM, CONSTANT}
"""Operations whose result may be an exponential of something."""


def log_of_sum(graph: Graph, node: int, opaque: Collection[int] = ()) -> int | None:
    """`log(exp(a) + exp(b) + ...)`, `log(sum(exp(x)))` and sums of both: what the terms are the exponentials of."""
    inner = without_name(graph, graph.args[node][0], opaque)
    found = _share_of_softmax(graph, inner, opaque)
    if found is not None:
        return found
    terms = _terms(graph, inner, opaque)
    if any(graph.ops[term] not in LOGARITHMIC for term in terms):
        return None
    logs: list[int] = []
    sums = 0
    for term in terms:
        log = _log(graph, term, opaque)
        if log is None:
            return None
        sums += graph.ops[log] is not CONSTANT
        logs.append(log)
    if not sums or (len(terms) < 2 and graph.ops[inner] is EXP) or (len(terms) == 2 and _is_pattern(graph, terms)):
        return None
    shape = graph.types[inner].shape
    return movement.broadcast(graph, _logaddexp(graph, logs), shape)


def _is_pattern(graph: Graph, terms: list[int]) -> bool:
    """Whether a rule says it better: 1 + exp(x), exp(x) + exp(y)."""
    return all(graph.ops[t] is EXP or _number(graph, t) == 1.0 for t in terms)


def _number(graph: Graph, node: int) -> float | None:
    value = graph.payloads[node] if graph.ops[node] is CONSTANT else None
    return value if isinstance(value, float) else None


def _terms(graph: Graph, node: int, opaque: Collection[int]) -> list[int]:
    """The terms of a sum, in order."""
    found: list[int] = []
    stack = [node]
    while stack and len(found) < MOST_TERMS:
        at = without_name(graph, stack.pop(), opaque)
        if graph.ops[at] is ADD and at not in opaque:
            stack += graph.args[at][::-1]
        else:
            found.append(at)
    return found


def _log(graph: Graph, node: int, opaque: Collection[int], depth: int = DEEPEST) -> int | None:
    """The logarithm of a term that is an exponential, a sum of such along axes, or a positive constant (times one)."""
    shift = 0.0
    while depth > 0:
        node = without_name(graph, node, opaque)
        op, args = graph.ops[node], graph.args[node]
        if node in opaque:
            return None
        if op is EXP:
            return _shifted(graph, args[0], shift)
        if op is CONSTANT:
            value = _number(graph, node)
            return graph.constant(math.log(value) + shift) if value is not None and 0 < value < math.inf else None
        if op in REPEATED:
            inner = _log(graph, args[0], opaque, depth - 1) if graph.ops[args[0]] is SUM else None
            return None if inner is None else _shifted(graph, graph.add(op, (inner,), graph.payloads[node]), shift)
        if op is SUM:
            return _log_of_reduction(graph, node, shift, opaque, depth - 1)
        if op is MUL or op is DIV:
            factor = _number(graph, args[1])
            rest = args[0]
            if op is MUL and factor is None:
                factor, rest = _number(graph, args[0]), args[1]
            if factor is None or not 0 < factor < math.inf:
                return None
            shift += math.log(factor) if op is MUL else -math.log(factor)
            node = rest
            continue
        return None
    return None


def _is_shifted(graph: Graph, node: int) -> bool:
    """Whether these scores are relative to the largest one: the sum of their exponentials is stable as it is."""
    return graph.ops[node] is SUB and graph.ops[graph.args[node][1]] is STOP


def _shifted(graph: Graph, node: int, shift: float) -> int:
    return graph.add(ADD, (node, graph.constant(shift))) if shift else node


def _log_of_reduction(graph: Graph, node: int, shift: float, opaque: Collection[int], depth: int) -> int | None:
    axes = graph.payloads[node]
    below = without_name(graph, graph.args[node][0], opaque)
    inner = _log(graph, below, opaque, depth) if graph.ops[below] is not SUM else None
    if inner is None or _is_shifted(graph, inner) or graph.ops[inner] is CONSTANT:
        return None
    if graph.types[inner].shape != graph.types[below].shape:
        return None
    return _shifted(graph, movement.reshape(graph, logsumexp(graph, inner, axes), graph.types[node].shape), shift)


def _logaddexp(graph: Graph, terms: list[int]) -> int:
    """The logarithm of the sum of exponentials, in pairs."""
    while len(terms) > 1:
        pairs = [graph.add(LOGADDEXP, (a, b)) for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + terms[len(terms) - len(terms) % 2 :]
    return terms[0]


def share_of_sum(graph: Graph, node: int, opaque: Collection[int] = ()) -> int | None:
    """`exp(a)/(exp(a) + exp(b) + ...)` as a sigmoid, `exp(x)/sum(exp(x))` as a softmax."""
    above, below = (without_name(graph, a, opaque) for a in graph.args[node])
    if graph.ops[above] is not EXP or above in opaque or _is_shifted(graph, graph.args[above][0]):
        return None
    whole = below
    while graph.ops[whole] in REPEATED or graph.ops[whole] is NAMED:
        if whole in opaque:
            return None
        whole = graph.args[whole][0]
    if graph.ops[whole] is SUM and whole not in opaque:
        if without_name(graph, graph.args[whole][0], opaque) != above or not _repeats(graph, above, whole, below):
            return None
        axes = graph.payloads[whole]
        return softmax(graph, _unshifted(graph, graph.args[above][0], axes, opaque), axes)
    terms = _terms(graph, below, opaque)
    if above not in terms or len(terms) < 2:
        return None
    logs = [_log(graph, t, opaque) for k, t in enumerate(terms) if k != terms.index(above)]
    if None in logs:
        return None
    rest = _logaddexp(graph, [x for x in logs if x is not None])
    share = graph.add(core.SIGMOID, (graph.add(SUB, (graph.args[above][0], rest)),))
    return movement.broadcast(graph, share, graph.types[node].shape)


def _repeats(graph: Graph, above: int, whole: int, below: int) -> bool:
    """Whether a sum over axes stands below each of its terms."""
    shape, axes = graph.shape(above), graph.payloads[whole]
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    own = graph.shape(below)
    return own in (kept, shape) or kept == (1,) * (len(kept) - len(own)) + own


def _unshifted(graph: Graph, x: int, axes: tuple[int, ...], opaque: Collection[int]) -> int:
    """Scores before the same number was taken from all of them, as the largest is by hand."""
    x = without_name(graph, x, opaque)
    if graph.ops[x] is not SUB or x in opaque:
        return x
    scores, taken = graph.args[x]
    shape = graph.shape(x)
    own = (1,) * (len(shape) - len(graph.shape(taken))) + graph.shape(taken)
    same = graph.types[scores].shape == graph.types[x].shape and all(own[k] == 1 for k in axes)
    return scores if same else x


def _share_of_softmax(graph: Graph, node: int, opaque: Collection[int]) -> int | None:
    """The logarithm of (a part of) a softmax."""
    moves: list[int] = []
    while graph.ops[node] in MOVED and node not in opaque:
        moves.append(node)
        node = without_name(graph, graph.args[node][0], opaque)
    if graph.ops[node] is not SURROGATE or node in opaque:
        return None
    shares = graph.args[node][0]
    if graph.ops[shares] is not DIV or graph.ops[graph.args[shares][0]] is not EXP:
        return None
    terms, total = graph.args[shares]
    while graph.ops[total] in REPEATED:
        total = graph.args[total][0]
    shifted = graph.args[terms][0]
    if graph.ops[total] is not SUM or graph.args[total] != (terms,) or graph.ops[shifted] is not SUB:
        return None
    found = log_softmax(graph, graph.args[shifted][0], graph.payloads[total])
    for move in reversed(moves):
        found = graph.add(graph.ops[move], (found,), graph.payloads[move])
    return found
