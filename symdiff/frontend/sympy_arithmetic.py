"""SymPy's numbers, sums, products and powers as operations: differences and quotients as a person writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from symdiff.frontend.given import as_float
from symdiff.ir.graph import Graph
from symdiff.ops import core

EXACT = 2**53
"""Integers up to this are float64 numbers."""

Build = Callable[[Graph, Sequence[int]], int]
Plan = tuple[Sequence[Any], Build]
"""The parts of an expression that are converted first, and how their nodes make its own."""


def sympy_constant(item: Any) -> float | bool:
    """The value of a number, a named number or a truth value."""
    import sympy

    if item in (sympy.true, sympy.false):
        return bool(item)
    if isinstance(item, sympy.Rational):
        try:
            return int(item.p) / int(item.q)  # correctly rounded
        except OverflowError:
            return as_float(int(item.p) // int(item.q))
    return float(item)


def _factors(item: Any) -> tuple[bool, list[tuple[Any, Any]], list[tuple[Any, Any]]]:
    """A product as sign, numerator and denominator: pairs of a base and an exponent, None for 1."""
    import sympy

    negative = False
    above: list[tuple[Any, Any]] = []
    below: list[tuple[Any, Any]] = []
    for factor in item.args if isinstance(item, sympy.Mul) else (item,):
        if isinstance(factor, sympy.Rational):
            negative ^= factor.p < 0
            if max(abs(factor.p), factor.q) > EXACT:
                above.append((abs(factor), None))
                continue
            if abs(factor.p) != 1:
                above.append((sympy.Integer(abs(factor.p)), None))
            if factor.q != 1:
                below.append((sympy.Integer(factor.q), None))
        elif isinstance(factor, sympy.Float) and factor < 0:
            negative = not negative
            above.append((-factor, None))
        elif isinstance(factor, sympy.Pow) and factor.exp.is_Number and factor.exp < 0 and factor.base != sympy.E:
            below.append((factor.base, None if factor.exp == -1 else -factor.exp))
        else:
            above.append((factor, None))
    return negative, above, below


def sympy_product(item: Any) -> Plan:
    """How to convert a Mul: one quotient of two products."""
    negative, above, below = _factors(item)
    parts = _parts(above) + _parts(below)
    split = len(_parts(above))

    return parts, lambda graph, nodes: _fraction(graph, negative, above, below, nodes[:split], nodes[split:])


def _parts(factors: Sequence[tuple[Any, Any]]) -> list[Any]:
    return [part for pair in factors for part in pair if part is not None]


def _fraction(
    graph: Graph, negative: bool, above: Sequence[Any], below: Sequence[Any], upper: Sequence[int], lower: Sequence[int]
) -> int:
    numerator = _multiplied(graph, above, upper, negative)
    denominator = _multiplied(graph, below, lower, False)
    if numerator is None:
        numerator = graph.constant(-1.0 if negative else 1.0)
    return numerator if denominator is None else graph.apply(core.DIV, (numerator, denominator))


def _multiplied(graph: Graph, factors: Sequence[tuple[Any, Any]], nodes: Sequence[int], negative: bool) -> int | None:
    """The product of factors; the sign goes to the first of them."""
    at = iter(nodes)
    result: int | None = None
    for _, exponent in factors:
        node = next(at)
        if exponent is not None:
            node = graph.apply(core.POW, (node, next(at)))
        if result is not None:
            result = graph.apply(core.MUL, (result, node))
        elif negative:
            value = graph.payloads[node] if graph.ops[node] is core.CONSTANT else None
            result = graph.constant(-value) if isinstance(value, float) else graph.apply(core.NEG, (node,))
        else:
            result = node
    return result


def sympy_total(item: Any) -> Plan:
    """How to convert an Add: terms with a sign are subtracted, numbers come last."""
    terms = [_factors(term) for term in item.args]
    terms.sort(key=lambda term: all(part.is_Number for part in _parts(term[1]) + _parts(term[2])))  # x + 1, not 1 + x
    first = next((k for k, (negative, _, _) in enumerate(terms) if not negative), 0)
    terms.insert(0, terms.pop(first))  # x - y + 1, not 1 - y + x
    parts: list[Any] = []
    ends: list[tuple[int, int]] = []
    for _, above, below in terms:
        parts += _parts(above)
        middle = len(parts)
        parts += _parts(below)
        ends.append((middle, len(parts)))

    def build(graph: Graph, nodes: Sequence[int]) -> int:
        result, start = -1, 0
        for k, ((negative, above, below), (middle, end)) in enumerate(zip(terms, ends, strict=True)):
            minus = negative and k == 0
            node = _term(graph, minus, above, below, nodes[start:middle], nodes[middle:end])
            if k == 0:
                result = node
            else:
                result = graph.apply("sub" if negative else "add", (result, node))
            start = end
        return result

    return parts, build


def _term(
    graph: Graph, negative: bool, above: Sequence[Any], below: Sequence[Any], upper: Sequence[int], lower: Sequence[int]
) -> int:
    """A term of a sum; a fraction of two integers is the constant nearest to it."""
    if all(base.is_Integer and exponent is None for base, exponent in (*above, *below)):
        p = math.prod(int(base) for base, _ in above)
        return graph.constant((-p if negative else p) / math.prod(int(base) for base, _ in below))
    return _fraction(graph, negative, above, below, upper, lower)


def power(item: Any) -> Plan:
    """How to convert a Pow."""
    import sympy

    base, exponent = item.args
    if base == sympy.E:
        return (exponent,), lambda graph, nodes: graph.apply(core.EXP, nodes)
    if isinstance(exponent, sympy.Rational) and exponent.p < 0 and exponent.q == 2:
        _, above, below = _factors(item)
        return _parts(below), lambda graph, nodes: _fraction(graph, False, above, below, (), nodes)
    return (base, exponent), lambda graph, nodes: graph.apply(core.POW, nodes)
