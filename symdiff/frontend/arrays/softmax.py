"""Sums of exponentials along axes and their shares, in forms that do not overflow or cancel, nor do their derivatives.

With p = softmax(x) the derivatives of logsumexp, log_softmax and softmax are sum(p*dx), dx - sum(p*dx) and
p*(dx - sum(p*dx)). At the largest score, where p is near 1, the difference cancels: it is -sum(p*(dx' - dx)) over the
others. So dx is first taken relative to that of the largest score, which changes no difference. `surrogate` says this:
its value is one expression, its derivative that of another.
"""

from __future__ import annotations

import math

from symdiff.ir.graph import Graph
from symdiff.ops import Op, core, reduction
from symdiff.ops.reduction import kept


def _along(graph: Graph, op: Op, x: int, axes: tuple[int, ...]) -> int:
    """A reduction, with axes of size 1 for those that it is along."""
    return kept(graph, reduction.reduce_over(graph, op, x, axes), axes, graph.shape(x)) if axes else x


def largest(graph: Graph, x: int, axes: tuple[int, ...]) -> int:
    """The largest elements, for shifting exponents: constants for derivatives, 0 where they are infinite."""
    top = _along(graph, core.AMAX, x, axes)
    finite = graph.add(core.LESS, (graph.add(core.ABS, (top,)), graph.constant(math.inf)))
    return graph.add(core.STOP_GRADIENT, (graph.add(core.WHERE, (finite, top, graph.constant(0.0))),))


def logsumexp(graph: Graph, x: int, axes: tuple[int, ...]) -> int:
    """log(sum(exp(x))), with axes of size 1 for those that are summed over."""
    top = largest(graph, x, axes)
    terms = graph.add(core.EXP, (graph.add(core.SUB, (x, top)),))
    total = _along(graph, core.SUM, terms, axes)
    value = graph.add(core.ADD, (graph.add(core.LOG, (total,)), top))
    weighted = graph.add(core.WEIGH, (x, softmax(graph, x, axes)))
    return graph.add(core.SURROGATE, (value, _along(graph, core.SUM, weighted, axes)))


def softmax(graph: Graph, x: int, axes: tuple[int, ...]) -> int:
    """exp(x)/sum(exp(x))."""
    shifted = graph.add(core.SUB, (x, largest(graph, x, axes)))
    terms = graph.add(core.EXP, (shifted,))
    shares = graph.add(core.DIV, (terms, _along(graph, core.SUM, terms, axes)))
    away = _from_mean(graph, x, shifted, shares, axes)
    return graph.add(core.SURROGATE, (shares, graph.add(core.WEIGH, (away, shares))))


def log_softmax(graph: Graph, x: int, axes: tuple[int, ...]) -> int:
    """log(softmax(x)); the logarithm of 1 + others at the largest score."""
    shifted = graph.add(core.SUB, (x, largest(graph, x, axes)))
    terms, zero, one = graph.add(core.EXP, (shifted,)), graph.constant(0.0), graph.constant(1.0)
    is_top = graph.add(core.EQUAL, (shifted, zero))
    others = _along(graph, core.SUM, graph.add(core.WHERE, (is_top, zero, terms)), axes)
    more = graph.add(core.SUB, (_along(graph, core.SUM, graph.as_number(is_top), axes), one))
    value = graph.add(core.SUB, (shifted, graph.add(core.LOG1P, (graph.add(core.ADD, (others, more)),))))
    shares = graph.add(core.DIV, (terms, _along(graph, core.SUM, terms, axes)))
    return graph.add(core.SURROGATE, (value, _from_mean(graph, x, shifted, shares, axes)))


def _from_mean(graph: Graph, x: int, shifted: int, shares: int, axes: tuple[int, ...]) -> int:
    """x - sum(p*x) for the shares p, with derivatives that have their digits where one share is nearly 1."""
    zero = graph.constant(0.0)
    is_top = graph.add(core.EQUAL, (shifted, zero))
    count = _along(graph, core.SUM, graph.as_number(is_top), axes)
    alone = graph.add(core.LOGICAL_AND, (is_top, graph.add(core.EQUAL, (count, graph.constant(1.0)))))
    top = _along(graph, core.SUM, graph.add(core.WHERE, (alone, x, zero)), axes)
    away = graph.add(core.WHERE, (alone, zero, graph.add(core.SUB, (x, top))))
    return graph.add(core.SUB, (away, _along(graph, core.SUM, graph.add(core.WEIGH, (away, shares)), axes)))
