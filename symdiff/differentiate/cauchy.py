"""The arithmetic of truncated series: products, quotients, powers, contractions and what is defined by one of these.

A series is a list of nodes, its coefficients; None is a zero. Each rule gives one coefficient of a result from those of
its operands up to the same order, and from those of the result below it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from symdiff.differentiate import chain
from symdiff.ir.graph import Graph
from symdiff.ops import Op, contraction, core, indexing, movement, scan

Coefficient = int | None
Coefficients = Sequence[Coefficient]


class Subject(NamedTuple):
    """What a node carries whose series it is, and its shape."""

    payload: Any
    shape: tuple[int, ...]


Rule = Callable[[Graph, Subject, Sequence[Coefficients], Coefficients, int], Coefficient]
"""(graph, what the node carries, series of the operands, series of the result below order k, k)."""

LARGEST_EXPANDED = 1024
"""Integer powers up to here are products of squares."""


def added(graph: Graph, terms: Sequence[Coefficient]) -> Coefficient:
    """The sum of coefficients."""
    found = [t for t in terms if t is not None]
    return chain.total(graph, found) if found else None


def subtracted(graph: Graph, a: Coefficient, b: Coefficient) -> Coefficient:
    """The difference of two coefficients."""
    return a if b is None else chain.negate(graph, b) if a is None else chain.add(graph, a, chain.negate(graph, b))


def times(graph: Graph, a: Coefficient, b: Coefficient) -> Coefficient:
    """The product of two coefficients."""
    return None if a is None or b is None else chain.multiply(graph, a, b)


def quotient(graph: Graph, a: Coefficient, b: Coefficient) -> Coefficient:
    """The quotient of two coefficients, of which the second is not zero."""
    assert b is not None
    return None if a is None else chain.divide(graph, a, b)


def convolved(graph: Graph, a: Coefficients, b: Coefficients, k: int, start: int = 0) -> Coefficient:
    """The sum of a[i]*b[k - i] for i from `start` on; that of a series by itself has half of its terms, twice."""
    if a is b and not start:
        twice = added(graph, [times(graph, a[i], a[k - i]) for i in range((k + 1) // 2)])
        square = graph.apply(core.SQUARE, (a[k // 2],)) if k % 2 == 0 and a[k // 2] is not None else None  # type: ignore[arg-type]
        return added(graph, [times(graph, graph.constant(2.0), twice), square])
    return added(graph, [times(graph, a[i], b[k - i]) for i in range(start, k + 1)])


def _product(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    return convolved(graph, operands[0], operands[1], k)


def _square(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    return convolved(graph, operands[0], operands[0], k)


def _sum(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    return added(graph, [a[k] for a in operands])


def _difference(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    return subtracted(graph, operands[0][k], operands[1][k])


def _negative(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    return subtracted(graph, None, operands[0][k])


def _over(graph: Graph, a: Coefficient, b: Coefficients, own: Coefficients, k: int) -> Coefficient:
    """Coefficient k of a quotient: b times it is the dividend."""
    return quotient(graph, subtracted(graph, a, convolved(graph, b, own, k, 1)), b[0])


def _quotient(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    a, b = operands
    return _over(graph, a[k], b, own, k)


def _reciprocal(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    return _over(graph, None, operands[0], own, k)


def _contraction(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    """The contractions of coefficients whose orders add up to k."""
    labels, output = at.payload
    terms: list[Coefficient] = []
    for orders in itertools.product(range(k + 1), repeat=len(operands) - 1):
        if sum(orders) <= k:
            parts = [a[i] for a, i in zip(operands, (*orders, k - sum(orders)), strict=True)]
            if None not in parts:
                terms.append(contraction.einsum(graph, [p for p in parts if p is not None], labels, output))
    return added(graph, terms)


# What a linear equation defines: A X = B, with the products of lower orders on the right side


def _solution(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    a, b = operands
    right = _right_side(graph, at, a, b[k], own, k, lambda part: part)
    return None if right is None or a[0] is None else graph.add(core.SOLVE, (a[0], right))


def _right_side(
    graph: Graph, at: Subject, a: Coefficients, b: Coefficient, own: Coefficients, k: int, part: Callable[[int], int]
) -> Coefficient:
    products = [contraction.matmul(graph, part(x), y) for x, y in _pairs(a, own, k)]
    right = subtracted(graph, b, added(graph, products))
    if right is None:
        return None
    last = at.shape
    return movement.broadcast(graph, right, last)


def _pairs(a: Coefficients, own: Coefficients, k: int) -> list[tuple[int, int]]:
    """The coefficients of two series whose orders add up to k, of the first from order 1 on."""
    found = []
    for i in range(1, k + 1):
        x, y = a[i], own[k - i]
        if x is not None and y is not None:
            found.append((x, y))
    return found


def _triangular(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    lower, transposed = at.payload
    a, b = operands

    def part(x: int) -> int:
        kept = indexing.triangle(graph, x, lower)
        return movement.swap_last(graph, kept) if transposed else kept

    right = _right_side(graph, at, a, b[k], own, k, part)
    return (
        None if right is None or a[0] is None else graph.add(core.SOLVE_TRIANGULAR, (a[0], right), (lower, transposed))
    )


def _inverse(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    right = added(graph, [contraction.matmul(graph, x, y) for x, y in _pairs(operands[0], own, k)])
    if right is None or own[0] is None:
        return None
    return chain.negate(graph, contraction.matmul(graph, own[0], right))


def _recurrence(graph: Graph, at: Subject, operands: Sequence[Coefficients], own: Coefficients, k: int) -> Coefficient:
    axis, reverse = at.payload
    a, b = operands
    step = -1 if reverse else 1
    before = [times(graph, x, movement.shifted(graph, y, axis, step)) for x, y in _pairs(a, own, k)]
    term, factors = added(graph, [b[k], *before]), a[0]
    if term is None or factors is None:
        return None
    shape = at.shape
    full = movement.broadcast(graph, term, shape)
    return scan.recurrence(graph, movement.broadcast(graph, factors, shape), full, axis, reverse)


RULES: dict[Op, Rule] = {
    core.ADD: _sum,
    core.SUB: _difference,
    core.NEG: _negative,
    core.MUL: _product,
    core.SQUARE: _square,
    core.DIV: _quotient,
    core.RECIPROCAL: _reciprocal,
    core.EINSUM: _contraction,
    core.SOLVE: _solution,
    core.SOLVE_TRIANGULAR: _triangular,
    core.INV: _inverse,
    core.RECURRENCE: _recurrence,
}
"""The operations whose coefficients are made from those of their operands alone."""


# Powers


def integer_exponent(graph: Graph, node: int) -> int | None:
    """The exponent of a power that is a constant integer and not too large for products of squares."""
    if graph.ops[node] is core.INTEGER_POWER:
        return int(graph.payloads[node])
    if graph.ops[node] is not core.POW:
        return None
    value = graph.constant_value(graph.args[node][1])
    if value is None or not value.is_integer() or abs(value) > LARGEST_EXPANDED:
        return None
    return int(value)


def expanded_power(graph: Graph, base: int, exponent: int) -> int:
    """An integer power as products of squares, over 1 where the exponent is negative."""
    found, square, rest = -1, base, abs(exponent)
    while rest:
        if rest & 1:
            found = square if found < 0 else graph.add(core.MUL, (found, square))
        rest >>= 1
        if rest:
            square = graph.add(core.SQUARE, (square,))
    if found < 0:
        return movement.full_like(graph, 1.0, base)
    return graph.add(core.RECIPROCAL, (found,)) if exponent < 0 else found


def power_of_line(graph: Graph, base: Coefficients, exponent: int, k: int) -> Coefficient:
    """Coefficient k of (u + v*t)**b, the k-th binomial coefficient of b times v**k * u**(b - k), also where u is 0."""
    u, v = base[0], base[1]
    if u is None or v is None:
        return None
    number = chain.number_at(graph, exponent)
    binomial, factor = graph.constant(1.0), v
    for j in range(k):
        step = chain.add(graph, exponent, graph.constant(-float(j))) if j else exponent
        binomial = chain.divide(graph, chain.multiply(graph, binomial, step), graph.constant(j + 1.0))
        factor = chain.multiply(graph, factor, v) if j else v
    lowered = chain.add(graph, exponent, graph.constant(-float(k)))
    power = graph.apply(core.POW, (u, lowered))
    found = chain.multiply(graph, chain.multiply(graph, binomial, factor), power)
    if number is not None:
        return None if chain.number_at(graph, binomial) == 0.0 else found
    zero = graph.constant(0.0)
    return graph.add(core.WHERE, (graph.add(core.EQUAL, (binomial, zero)), zero, found))
