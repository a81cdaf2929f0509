"""The arithmetic of derivative chains: it folds constants and never emits a structural zero or one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from symdiff.ir.graph import Graph
from symdiff.ops import Op, movement
from symdiff.ops.base import Instruction
from symdiff.ops.core import ADD, BROADCAST, CONSTANT, DIV, MUL, NAMED, NEG, RESHAPE, SCATTER, STACK, SUB
from symdiff.types import broadcast_shapes, fixed, product

SMALL = 1e-100
SPECIAL = frozenset((BROADCAST, CONSTANT, NEG))
"""Operations at operands that products, quotients and sums look at; for others nothing is simpler."""


def number_at(graph: Graph, node: int) -> float | None:
    """The value of a scalar constant node, otherwise None."""
    if graph.ops[node] is not CONSTANT:
        return None
    value = graph.payloads[node]
    return value if isinstance(value, float) else None


def apply_folded(graph: Graph, op: Op, args: tuple[int, ...], payload: Any = None) -> int:
    """`op(args)`, folded where all operands are constants and the operation is one exact instruction."""
    if isinstance(op.routine, Instruction) and args:
        ops, payloads = graph.ops, graph.payloads
        if all(ops[a] is CONSTANT and not isinstance(payloads[a], np.ndarray) for a in args):
            dtype = np.dtype(graph.dtype).type
            operands = [p if isinstance(p, bool) else dtype(p) for p in (payloads[a] for a in args)]
            with np.errstate(all="ignore"):
                result = getattr(np, op.routine.numpy)(*operands)
            return graph.constant(bool(result) if op.result == "c" else float(result))
    return graph.apply(op, args, payload)


def negate(graph: Graph, a: int) -> int:
    """-a."""
    if graph.ops[a] is NEG:
        return graph.args[a][0]
    value = number_at(graph, a)
    return graph.constant(-value) if value is not None else graph.add(NEG, (a,))


def multiply(graph: Graph, a: int, b: int) -> int:
    """a*b; a factor 1 disappears and a sign moves out of the product."""
    if graph.ops[a] not in SPECIAL and graph.ops[b] not in SPECIAL:
        return graph.add(MUL, (a, b))
    if graph.ops[a] is BROADCAST or graph.ops[b] is BROADCAST:
        first, second = _once(graph, a), _once(graph, b)
        if not graph.types[first].shape and not graph.types[second].shape:
            shape = broadcast_shapes("mul", [graph.types[a].shape, graph.types[b].shape])
            return movement.broadcast(graph, multiply(graph, first, second), shape)
        if graph.ops[a] is BROADCAST:
            a = _unrepeated(graph, a, b)
        if graph.ops[b] is BROADCAST:
            b = _unrepeated(graph, b, a)
    x, y = number_at(graph, a), number_at(graph, b)
    if x == 1.0:
        return b
    if y == 1.0:
        return a
    if x is not None and y is not None:
        return apply_folded(graph, MUL, (a, b))
    if x == -1.0:
        return negate(graph, b)
    if y == -1.0:
        return negate(graph, a)
    if y is not None and y != y:
        return movement.broadcast(graph, b, graph.types[a].shape)
    if graph.ops[a] is NEG:
        return negate(graph, multiply(graph, graph.args[a][0], b))
    if graph.ops[b] is NEG:
        return negate(graph, multiply(graph, a, graph.args[b][0]))
    if x is not None:
        return _scaled(graph, x, a, b)
    if y is not None:
        return _scaled(graph, y, b, a)
    return graph.add(MUL, (a, b))


def _once(graph: Graph, node: int) -> int:
    """What a node repeats, or the node."""
    return graph.args[node][0] if graph.ops[node] is BROADCAST else node


def _unrepeated(graph: Graph, a: int, b: int) -> int:
    """`a` before it was repeated to its shape, where a product with `b` has that shape anyway."""
    return graph.args[a][0] if graph.types[a].shape == graph.types[b].shape else a


def _scaled(graph: Graph, factor: float, constant: int, node: int) -> int:
    """factor*node; a factor that the node begins with is taken together with it where that is safe."""
    op, args = graph.ops[node], graph.args[node]
    if op is MUL or op is DIV:
        own = number_at(graph, args[0])
        if own is not None and SMALL <= abs(factor * own) <= 1 / SMALL:
            return (multiply if op is MUL else divide)(graph, graph.constant(factor * own), args[1])
    return graph.add(MUL, (constant, node))


def divide(graph: Graph, a: int, b: int) -> int:
    """a/b."""
    if graph.ops[a] not in SPECIAL and graph.ops[b] not in SPECIAL:
        return graph.add(DIV, (a, b))
    if graph.ops[a] is BROADCAST:
        a = _unrepeated(graph, a, b)
    x, y = number_at(graph, a), number_at(graph, b)
    if y == 1.0:
        return a
    if x is not None and y is not None:
        return apply_folded(graph, DIV, (a, b))
    if graph.ops[a] is NEG:
        return negate(graph, graph.add(DIV, (graph.args[a][0], b)))
    return graph.add(DIV, (a, b))


class LateFactors:
    """Products whose second factor is better multiplied by after what the chain rule has still to come.

    The adjoint of u in y = a/u is -(g/u)*y. What comes next is u': it is multiplied into g/u, because (u'/u)*y is a
    number where y/u, the square of a small one, is 0.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.factors: dict[int, tuple[int, int]] = {}

    def note(self, node: int, last: int) -> None:
        """Note that a node is a product, or a negative one, whose factor `last` can wait."""
        product = self.graph.args[node][0] if self.graph.ops[node] is NEG else node
        if self.graph.ops[product] is MUL and self.graph.args[product][1] == last:
            self.factors[product] = self.graph.args[product]  # type: ignore[assignment]

    def holds(self, node: int) -> bool:
        """Whether a factor of a node waits."""
        factors, graph = self.factors, self.graph
        return bool(factors) and (node in factors or (graph.ops[node] is NEG and graph.args[node][0] in factors))

    def forget(self, node: int) -> None:
        """Let no factor of a node wait any more: where it goes several ways, each would multiply by it."""
        self.factors.pop(self.graph.args[node][0] if self.graph.ops[node] is NEG else node, None)

    def apply(self, operation: Callable[[Graph, int, int], int], node: int, factor: int) -> int:
        """`multiply` or `divide` of a node and a factor, before its own factor that can wait."""
        graph = self.graph
        product = graph.args[node][0] if self.factors and graph.ops[node] is NEG else node
        waiting = self.factors.get(product)
        if waiting is None:
            return operation(graph, node, factor)
        first = operation(graph, waiting[0], factor)
        result = multiply(graph, first, waiting[1])
        self.note(result, waiting[1])
        return result if product == node else negate(graph, result)


def add(graph: Graph, a: int, b: int) -> int:
    """a + b, a difference where one of them is negated."""
    if graph.ops[a] not in SPECIAL and graph.ops[b] not in SPECIAL:
        return graph.add(ADD, (a, b))
    if number_at(graph, a) is not None and number_at(graph, b) is not None:
        return apply_folded(graph, ADD, (a, b))
    if graph.ops[b] is NEG:
        return graph.add(SUB, (a, graph.args[b][0]))
    if graph.ops[a] is NEG:
        return graph.add(SUB, (b, graph.args[a][0]))
    return graph.add(ADD, (a, b))


def total(graph: Graph, terms: Sequence[int]) -> int:
    """The sum of `terms`, from the left; terms that each fill one element of an array make one list if it is short."""
    dense: list[int] = []
    filled: list[int] = []
    for term in terms:
        is_element = graph.ops[term] is SCATTER and not graph.types[graph.args[term][0]].shape
        (filled if is_element else dense).append(term)
    if len(filled) > 1 and product(graph.types[filled[0]].shape) <= 2 * len(filled):
        dense.append(_assemble(graph, filled))
    else:
        dense += filled
    result = dense[0]
    for term in dense[1:]:
        result = add(graph, result, term)
    return result


def _assemble(graph: Graph, filled: Sequence[int]) -> int:
    shape = graph.payloads[filled[0]][1]
    entries = np.full(shape, graph.constant(0.0), object)
    empty = np.ones(shape, bool)
    for term in filled:
        index, value = graph.payloads[term][0], graph.args[term][0]
        entries[index] = value if empty[index] else add(graph, entries[index], value)
        empty[index] = False
    return assemble(graph, entries)


def elements(graph: Graph, node: int) -> np.ndarray[Any, Any]:
    """The scalar nodes of a tensor node, in an object array of its shape."""
    found: np.ndarray[Any, Any] = np.empty(fixed(graph.types[node].shape), object)
    for index in np.ndindex(found.shape):
        found[index] = movement.element(graph, node, index)
    return found


def scalars_of(graph: Graph, output: int, targets: Collection[int] = ()) -> list[int]:
    """The scalars that an output was put together of, in C order; the elements of others, such as a target."""
    found: list[int] = []
    stack = [output]
    while stack:
        node = stack.pop()
        while graph.types[node].shape and graph.ops[node] in (NAMED, RESHAPE) and node not in targets:
            node = graph.args[node][0]
        if graph.ops[node] is STACK and node not in targets:
            stack += graph.args[node][::-1]
        else:
            found += [int(n) for n in elements(graph, node).ravel()]
    return found


def assemble(graph: Graph, nodes: np.ndarray[Any, Any]) -> int:
    """The tensor whose elements are the scalar nodes in an object array."""
    if nodes.ndim == 0:
        return int(nodes[()])
    if nodes.size == 0:
        return graph.constant(np.zeros(nodes.shape))
    flat = graph.add(STACK, tuple(int(n) for n in nodes.ravel()))
    return movement.reshape(graph, flat, nodes.shape)
