"""Sums of exponentials along axes and their shares, in forms that do not overflow or cancel, nor do their derivatives.

With p = softmax(x) the derivatives of logsumexp, log_softmax and softmax are sum(p*dx), dx - sum(p*dx) and
p*(dx - sum(p*dx)). At the largest score, where p is near 1, the difference cancels: it is -sum(p*(dx' - dx)) over the
others. So dx is first taken relative to that of the largest score, which changes no difference. `surrogate` says this:
its value is one expression, its derivative that of another.
"""

from __future__ import annotations

import math

from symdiff.ir.graph import Graph
from symdiff.ops.reduction import kept


def _along(graph: Graph, name: str, x: int, axes: tuple[int, ...]) -> int:
    """A reduction, with axes of size 1 for those that it is along."""
    return kept(graph, graph.reduce(name, x, axes), axes, graph.shape(x)) if axes else x


def largest(graph: Graph, x: int, axes: tuple[int, ...]) -> int:
    """The largest elements, for shifting exponents: constants for derivatives, 0 where they are infinite."""
    top = _along(graph, "amax", x, axes)
    finite = graph.add("less", (graph.add("abs", (top,)), graph.constant(math.inf)))
    return graph.add("stop_gradient", (graph.add("where", (finite, top, graph.constant(0.0))),))


def logsumexp(graph: Graph, x: int, axes: tuple[int, ...]) -> int:
    """log(sum(exp(x))), with axes of size 1 for those that are summed over."""
    top = largest(graph, x, axes)
    terms = graph.add("exp", (graph.add("sub", (x, top)),))
    total = _along(graph, "sum", terms, axes)
    value = graph.add("add", (graph.add("log", (total,)), top))
    weighted = graph.add("weigh", (x, softmax(graph, x, axes)))
    return graph.add("surrogate", (value, _along(graph, "sum", weighted, axes)))


def softmax(graph: Graph, x: int, axes: tuple[int, ...]) -> int:
    """exp(x)/sum(exp(x))."""
    shifted = graph.add("sub", (x, largest(graph, x, axes)))
    terms = graph.add("exp", (shifted,))
    shares = graph.add("div", (terms, _along(graph, "sum", terms, axes)))
    away = _from_mean(graph, x, shifted, shares, axes)
    return graph.add("surrogate", (shares, graph.add("weigh", (away, shares))))


def log_softmax(graph: Graph, x: int, axes: tuple[int, ...]) -> int:
    """log(softmax(x)); the logarithm of 1 + others at the largest score."""
    shifted = graph.add("sub", (x, largest(graph, x, axes)))
    terms, zero, one = graph.add("exp", (shifted,)), graph.constant(0.0), graph.constant(1.0)
    is_top = graph.add("equal", (shifted, zero))
    others = _along(graph, "sum", graph.add("where", (is_top, zero, terms)), axes)
    more = graph.add("sub", (_along(graph, "sum", graph.as_number(is_top), axes), one))
    value = graph.add("sub", (shifted, graph.add("log1p", (graph.add("add", (others, more)),))))
    shares = graph.add("div", (terms, _along(graph, "sum", terms, axes)))
    return graph.add("surrogate", (value, _from_mean(graph, x, shifted, shares, axes)))


def _from_mean(graph: Graph, x: int, shifted: int, shares: int, axes: tuple[int, ...]) -> int:
    """x - sum(p*x) for the shares p, with derivatives that have their digits where one share is nearly 1."""
    zero = graph.constant(0.0)
    is_top = graph.add("equal", (shifted, zero))
    count = _along(graph, "sum", graph.as_number(is_top), axes)
    alone = graph.add("logical_and", (is_top, graph.add("equal", (count, graph.constant(1.0)))))
    top = _along(graph, "sum", graph.add("where", (alone, x, zero)), axes)
    away = graph.add("where", (alone, zero, graph.add("sub", (x, top))))
    return graph.add("sub", (away, _along(graph, "sum", graph.add("weigh", (away, shares)), axes)))
