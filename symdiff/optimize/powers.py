"""Smooth forms: even powers, roots of squares, and sizes of what is never negative.

`abs`, `norm` and `hypot` have a kink at 0, and so has `sqrt(u)`; their squares have none.
"""

from __future__ import annotations

import functools
from collections.abc import Collection

from symdiff.ir.graph import Graph
from symdiff.ops import core, reduction
from symdiff.ops.core import ABS, ADD, COPYSIGN, DIV, HYPOT, MUL, NAMED, NEG, NORM, SQRT, SQUARE, SUM

DEEPEST = 12
"""How many operations below a power are looked at."""

POWER = core.INTEGER_POWER
SLOPE = core.SLOPE_OF_ABS
FACTORS = frozenset((MUL, SQUARE, POWER))
MOVED = frozenset((core.RESHAPE, core.BROADCAST, core.TRANSPOSE, core.INDEX, core.DIAGONAL))
POSITIVE = frozenset(
    (
        core.ABS,
        core.SQUARE,
        core.EXP,
        core.EXP2,
        core.SQRT,
        core.COSH,
        core.SECH,
        core.SIGMOID,
        core.SOFTPLUS,
        core.ERFC,
        core.NORM,
        core.HYPOT,
        core.RELU,
    )
)
"""Operations whose result is never below 0."""
SQUARED = MOVED | {NAMED, NEG, MUL, DIV, POWER, SQRT, ABS, NORM, HYPOT, COPYSIGN}
"""Operations whose square may have a smooth form."""
KEEPING = MOVED | {core.ADD, core.DIV, core.SUM, core.MIN, core.MAX, core.AMIN, core.AMAX, core.PROD, core.STACK}
"""Operations whose result is never below 0 where no operand is."""


def without_name(graph: Graph, node: int, opaque: Collection[int]) -> int:
    """What the named lines at a node hold, up to one that is not to be looked into."""
    while graph.ops[node] is NAMED and node not in opaque:
        node = graph.args[node][0]
    return node


def even_power(graph: Graph, node: int, opaque: Collection[int] = ()) -> int | None:
    """An even power of something with a kink at 0 as a power of its square."""
    op, args = graph.ops[node], graph.args[node]
    if op is MUL and args[0] != args[1]:
        return None
    exponent = graph.payloads[node] if op is POWER else 2
    if exponent % 2 or graph.ops[args[0]] not in SQUARED:
        return None
    found = _square(graph, args[0], opaque)
    return None if found is None else _power(graph, found, exponent // 2)


def _power(graph: Graph, node: int, exponent: int) -> int:
    return graph.apply(core.POW, (node, graph.constant(float(exponent))))


def _square(graph: Graph, node: int, opaque: Collection[int], depth: int = DEEPEST) -> int | None:
    """The square of a node, written without the kink that the node has; None where it has none that is seen."""
    op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
    if node in opaque or not depth:
        return None
    if op is ABS or op is COPYSIGN:
        return graph.add(SQUARE, args[:1])
    if op is NORM:
        return reduction.sum_over(graph, graph.add(SQUARE, args), payload)
    if op is HYPOT:
        return graph.add(ADD, (graph.add(SQUARE, args[:1]), graph.add(SQUARE, args[1:])))
    if op is SQRT:
        return args[0] if is_positive(graph, args[0], opaque) else None
    if op is NEG or op is NAMED:
        return _square(graph, args[0], opaque, depth - 1)
    if op in MOVED:
        inner = _square(graph, args[0], opaque, depth - 1)
        return None if inner is None else graph.add(op, (inner,), payload)
    if op is POWER:
        inner = _square(graph, args[0], opaque, depth - 1)
        return None if inner is None else _power(graph, inner, payload)
    if op is MUL or op is DIV:
        squares = [_square(graph, a, opaque, depth // 2) for a in args]
        if squares == [None, None]:
            return None
        factors = [graph.add(SQUARE, (a,)) if s is None else s for a, s in zip(args, squares, strict=True)]
        return graph.add(op, tuple(factors))
    return None


def size_from_sign(graph: Graph, node: int, opaque: Collection[int] = ()) -> int | None:
    """A product with a factor u and the slope of abs(u) as one with abs(u), which has one kink less."""
    ops, args = graph.ops, graph.args
    if not any(ops[a] is SLOPE or ops[a] in FACTORS for a in args[node]):
        return None
    factors: list[tuple[int, int]] = []
    stack = [node]
    while stack and len(factors) < DEEPEST:
        at = stack.pop()
        if ops[at] is MUL and at not in opaque:
            stack += args[at][::-1]
        elif ops[at] in (SQUARE, POWER) and at not in opaque:
            factors.append((args[at][0], 2 if ops[at] is SQUARE else graph.payloads[at]))
        else:
            factors.append((at, 1))
    if stack:
        return None
    for k, (slope, exponent) in enumerate(factors):
        if ops[slope] is not SLOPE or exponent != 1:
            continue
        for j, (base, own) in enumerate(factors):
            if base == args[slope][0] and own >= 1:
                factors[k], factors[j] = (graph.add(ABS, (base,)), 1), (base, own - 1)
                powers = [_power(graph, f, n) for f, n in factors if n]
                return functools.reduce(lambda a, b: graph.add(MUL, (a, b)), powers)
    return None


def is_positive(graph: Graph, node: int, opaque: Collection[int] = ()) -> bool:
    """Whether a node is seen never to be below 0, whatever the inputs are."""
    seen: set[int] = set()
    stack = [node]
    while stack:
        at = stack.pop()
        if at in seen:
            continue
        seen.add(at)
        op, args, payload = graph.ops[at], graph.args[at], graph.payloads[at]
        if at in opaque or len(seen) > DEEPEST:
            return False
        if op in POSITIVE or (op is MUL and args[0] == args[1]) or (op is POWER and payload % 2 == 0):
            continue
        if op in KEEPING or op is NAMED or op is MUL:
            stack += args
        elif op is not core.CONSTANT or not _is_positive(payload):
            return False
    return True


def _is_positive(value: object) -> bool:
    return isinstance(value, float) and value > 0


def size_of_positive(graph: Graph, node: int, opaque: Collection[int] = ()) -> int | None:
    """`abs(u)` where u, or -u, is never below 0."""
    inner = graph.args[node][0]
    while graph.ops[inner] is NEG:
        inner = graph.args[inner][0]
    return inner if is_positive(graph, inner, opaque) else None


def root_of_square(graph: Graph, node: int, opaque: Collection[int] = ()) -> int | None:
    """The root of an even power as the size of a power, and that of a sum of squares as a norm."""
    inner = without_name(graph, graph.args[node][0], opaque)
    op, args, payload = graph.ops[inner], graph.args[inner], graph.payloads[inner]
    if inner in opaque:
        return None
    if op is SUM:
        below = args[0]
        if graph.ops[below] is SQUARE or (graph.ops[below] is MUL and len(set(graph.args[below])) == 1):
            return graph.add(NORM, graph.args[below][:1], payload)
        return None
    if op is SQUARE or (op is MUL and args[0] == args[1]):
        base = args[0]
    elif op is POWER and payload > 0 and payload % 2 == 0:
        base = _power(graph, args[0], payload // 2)
    else:
        return None
    return base if is_positive(graph, base, opaque) else graph.add(ABS, (base,))
