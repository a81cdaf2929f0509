"""A copy of a graph as a person would write it: what is printed, never what is computed.

Products are collected (numbers first, then names, then sums, then functions; powers of one base together; one
quotient), signs are taken out, like terms of sums are added up, and conditions that are known are decided. All of it
holds over the real numbers wherever what was written has a value; where a factor cancels, there may be a value where
0/0 was. Numbers are calculated with only where that is exact. Nothing is multiplied out or factored, and no function
is looked up: sums stay in the order in which they were written, but for a leading minus.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core
from symdiff.ops.core import CONSTANT, DIV, INDEX, INPUT, MUL, NAMED, NEG, POW, RESHAPE, SIZE, STACK, WHERE
from symdiff.ops.structure import as_index
from symdiff.sizes import is_open
from symdiff.types import BOOL

LONGEST_INLINED = 8
"""A product that is used several times is merged into others if it has no more factors than this."""
LARGEST_EXPONENT = 1000
LARGEST_POWER_OF_NUMBERS = 4
LARGEST_ENTRIES = 100_000
"""Lists of more entries are not taken apart."""
READABLE_DIGITS = 8
"""A number of more characters is not made of shorter ones."""

SUMS = frozenset((core.ADD, core.SUB))

POWERS = frozenset((core.SQUARE, core.INTEGER_POWER, core.RECIPROCAL))
PRODUCTS = frozenset((MUL, DIV))


SIGN, PRODUCT = 70, 60
AND = core.LOGICAL_AND
OR = core.LOGICAL_OR
NOT = core.LOGICAL_NOT
COMPARISONS: dict[Any, Callable[..., Any]] = {
    core.LESS: operator.lt,
    core.LESS_EQUAL: operator.le,
    core.GREATER: operator.gt,
    core.GREATER_EQUAL: operator.ge,
    core.EQUAL: operator.eq,
    core.NOT_EQUAL: operator.ne,
}


def _at(place: float, value: float) -> Callable[[float], float | None]:
    """The value of a function at one place."""
    return lambda x: value if x == place and math.copysign(1.0, x) > 0 else None


AT_NUMBERS: dict[str, Callable[[float], float | None]] = {
    **dict.fromkeys(
        ("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh", "expm1", "log1p", "erf"), _at(0, 0.0)
    ),
    **dict.fromkeys(("cos", "exp", "cosh", "exp2", "sech"), _at(0, 1.0)),
    **dict.fromkeys(("log", "log2", "log10"), _at(1, 0.0)),
    "abs": abs,
    "sqrt": lambda x: _root_of(x),
}
"""The functions whose value at some numbers is a number that a person would write for it."""

Exponent = int | float


@dataclass(slots=True)
class Product:
    """top * factors / bottom; `factors` are powers of nodes, those of exponents below 0 in the divisor."""

    top: float = 1.0
    bottom: float = 1.0
    factors: dict[int, Exponent] = field(default_factory=dict)

    def key(self) -> tuple[Any, ...]:
        """What like terms have in common."""
        return (self.bottom, *sorted(self.factors.items()))


def readable(source: Graph, roots: Sequence[int], *, for_good: bool = False) -> tuple[Graph, list[int]]:
    """A new graph that means the same as `roots` of `source`, simpler to read, and what they are there.

    What is computed, `for_good`, keeps the parentheses of sums: in `x - (y - z)` the difference is rounded first.
    """
    made = Simplifier(source, roots, for_good)
    return made.graph, [made.mapping[r] for r in roots]


class Simplifier:
    """Rebuilds the live nodes of a graph; `mapping` tells what each has become.

    A sum (or a product) whose only user is a sum (a product) is part of that one and is not made for itself.
    """

    def __init__(self, source: Graph, roots: Sequence[int], for_good: bool = False) -> None:
        self.source, self.graph = source, Graph(source.dtype)
        self.graph.limit_as(source)
        self._for_good = for_good
        self.mapping: dict[int, int] = {}
        self.products: dict[int, Product] = {}
        live = source.live(roots)
        self._uses = dict.fromkeys(live, 0)
        user: dict[int, int] = {}
        for node in live:
            for a in source.args[node]:
                self._uses[a] += 1
                user[a] = node
        for root in roots:
            self._uses[root] += 2  # a root is not part of another
        self._parts: set[int] = set()
        for node in reversed(live):
            if self._uses[node] == 1 and self._is_part(node, user[node]):
                self._parts.add(node)
        with collector_paused():
            for node in live:
                if node not in self._parts:
                    self.mapping[node] = self._made(node)

    def _is_part(self, node: int, user: int) -> bool:
        ops = self.source.ops
        if ops[node] in SUMS:
            if self._for_good and (ops[user] in SUMS or user in self._parts):
                return ops[user] in SUMS and self.source.args[user][0] == node
            return ops[user] in SUMS or ops[user] is NEG
        if ops[node] is NEG:
            return ops[user] in SUMS or ops[user] in PRODUCTS or ops[user] is NEG
        return ops[node] in PRODUCTS and (ops[user] in PRODUCTS or (ops[user] is NEG and user not in self._parts))

    def _made(self, node: int) -> int:
        source = self.source
        op, args, payload, type_ = source.ops[node], source.args[node], source.payloads[node], source.types[node]
        if op is CONSTANT:
            return self.graph.constant(payload)
        if op is INPUT:
            return self.graph.input(payload, type_.shape, type_.dtype)
        if op in SUMS or (op is NEG and args[0] in self._parts):
            return self._shaped(self._sum(node), node)
        if op is NEG or op in PRODUCTS or op in POWERS or op is POW:
            product = self._product(node)
            if product is not None:
                return self._shaped(self._written(product), node)
        own = tuple([self.mapping[a] for a in args])
        return self._shaped(self._other(node, own), node)

    def _shaped(self, made: int, node: int) -> int:
        """What was made, in the shape of what it stands for: an operand that cancelled may have given that."""
        shape = self.source.types[node].shape
        return made if self.graph.types[made].shape == shape else self.graph.broadcast(made, shape)

    # Products

    def _number(self, node: int) -> float | None:
        """The value of a node of the source that was made a finite scalar constant."""
        return _value(self.graph, self.mapping[node])

    def _product(self, head: int) -> Product | None:
        """The factors of a product, a quotient, a power or a sign; None where it is better left alone."""
        source, product = self.source, Product()
        stack: list[tuple[int, int]] = [(head, 1)]
        while stack:
            node, n = stack.pop()
            op, args = source.ops[node], source.args[node]
            if node != head and node not in self._parts:
                self._multiply(product, node, n)
            elif op is MUL:
                stack += [(args[1], n), (args[0], n)]
            elif op is DIV:
                stack += [(args[1], -n), (args[0], n)]
            elif op is NEG:
                product.top = -product.top
                stack.append((args[0], n))
            elif op in SUMS:  # a part of a sign that is itself a part: it was not made
                self.mapping[node] = self._shaped(self._sum(node), node)
                self._multiply(product, node, n)
            else:
                exponent, value = self._exponent(node), self._number(args[0])
                if exponent is None:
                    return None
                if value is None:
                    self._multiply(product, args[0], exponent)
                    continue
                power = _power_of(value, exponent)
                if power is None or not self._scale(product, power, 1 if exponent > 0 else -1):
                    return None
        return product

    def _exponent(self, node: int) -> Exponent | None:
        """The constant exponent of a power, an `int` where it is one."""
        source = self.source
        op = source.ops[node]
        if op is POW:
            value = self._number(source.args[node][1])
            if value is None or (value.is_integer() and abs(value) > LARGEST_EXPONENT):
                return None
            return int(value) if value.is_integer() else value
        name = op.name
        return 2 if name == "square" else -1 if name == "reciprocal" else int(source.payloads[node])

    def _multiply(self, product: Product, node: int, n: Exponent) -> None:
        """Multiply by a power of a node of the source that was made."""
        value, made = self._number(node), self.mapping[node]
        if value is not None and (n in (1, -1)) and self._scale(product, value, int(n)):
            return
        inner = self.products.get(made)
        plain = inner is not None and abs(inner.top) == inner.bottom == 1.0
        if (
            inner is None
            or not isinstance(n, int)
            or len(inner.factors) > LONGEST_INLINED
            or not (plain or abs(n) <= LARGEST_POWER_OF_NUMBERS)
        ):
            self._raise(product, made, n)
            return
        sign = 1 if n > 0 else -1
        for _ in range(0 if plain else abs(n)):
            for number, power in ((abs(inner.top), sign), (inner.bottom, -sign)):
                if not self._scale(product, number, power):
                    self._raise(product, self.graph.constant(number), power)
        if inner.top < 0 and n % 2:
            product.top = -product.top
        for base, exponent in inner.factors.items():
            self._raise(product, base, exponent * n)

    def _scale(self, product: Product, value: float, n: int) -> bool:
        """Multiply by a number, or divide by it, where that is exact."""
        if value == 0.0 and (n < 0 or math.copysign(1.0, value) < 0):
            return False
        top: float | None = product.top
        bottom: float | None = product.bottom
        if n > 0:
            top = _times(product.top, value)
        else:
            if value < 0:
                top, value = -product.top, -value
            bottom = _times(product.bottom, value)
        if top is None or bottom is None:
            return False
        if bottom != 1.0 and top.is_integer() and bottom.is_integer():
            common = math.gcd(int(top), int(bottom))
            top, bottom = top / common, bottom / common
        elif bottom != 1.0 and abs(math.frexp(bottom)[0]) == 0.5 and _is_readable(top / bottom):
            top, bottom = top / bottom, 1.0
        product.top, product.bottom = top, bottom
        return True

    def _raise(self, product: Product, base: int, n: Exponent) -> None:
        """Multiply by a power of a node of the new graph."""
        factors = product.factors
        known = factors.get(base, 0)
        total: Exponent = known + n
        if isinstance(total, float) and not (
            (not known or (_is_exact_sum(known, n) and _is_readable(total, known, n))) and not total.is_integer()
        ):
            inverse = n < 0
            base, n = self.graph.add(POW, (base, self.graph.constant(abs(n)))), -1 if inverse else 1
            known = factors.get(base, 0)
            total = known + n
        elif abs(total) > LARGEST_EXPONENT:
            base, n = self._power(base, n), 1
            known = factors.get(base, 0)
            total = known + n
        if total:
            factors[base] = total
        else:
            factors.pop(base, None)

    def _power(self, base: int, n: Exponent) -> int:
        if n == 1:
            return base
        if isinstance(n, float) or abs(n) > 16:
            return self.graph.add(POW, (base, self.graph.constant(float(n))))
        return self.graph.apply(POW, (base, self.graph.constant(float(n))))

    def _rank(self, base: int) -> tuple[int, int]:
        """Numbers first, then names, then sums, then functions."""
        graph = self.graph
        op = graph.ops[base]
        if op is INDEX:
            op = graph.ops[graph.args[base][0]]
        if op is SIZE or (op is CONSTANT and not graph.types[base].shape):
            return 0, base
        if op is INPUT or op is NAMED:
            return 1, base
        return (2 if op in SUMS else 3), base

    def _written(self, product: Product, sign: bool = True) -> int:
        """The node of a product; without `sign` that of its absolute value."""
        graph = self.graph
        if product.top == 0.0:
            return graph.constant(0.0)
        ordered = sorted(product.factors, key=self._rank)
        turned = next((b for b in ordered if graph.ops[b] is core.SUB and product.factors[b] == 1), None)
        if product.top > 0 or not sign:
            turned = None
        above = [self._power(b, product.factors[b]) for b in ordered if product.factors[b] > 0]
        if turned is not None:  # the sign is that of a difference
            above[above.index(turned)] = graph.add(core.SUB, graph.args[turned][::-1])
        below = [self._power(b, -product.factors[b]) for b in ordered if product.factors[b] < 0]
        top = abs(product.top)
        if top != 1.0 or not above:
            above.insert(0, graph.constant(top))
        if product.bottom != 1.0:
            below.insert(0, graph.constant(product.bottom))
        made = self._chain(above)
        if below:
            made = graph.add(DIV, (made, self._chain(below)))
        if product.top < 0 and sign and turned is None:
            made = graph.constant(-top) if not below and above == [graph.constant(top)] else graph.add(NEG, (made,))
        if graph.ops[made] is not CONSTANT and product.factors != {made: 1}:
            signed = product if sign or product.top > 0 else Product(top, product.bottom, product.factors)
            self.products.setdefault(made, signed)
        return made

    def _chain(self, nodes: Sequence[int]) -> int:
        made = nodes[0]
        for node in nodes[1:]:
            made = self.graph.add(MUL, (made, node))
        return made

    # Sums

    def _sum(self, head: int) -> int:
        """The node of a sum, a difference or the negative of one."""
        source, graph = self.source, self.graph
        terms: dict[Any, Product] = {}
        stack: list[tuple[int, int]] = [(head, 1)]
        while stack:
            node, sign = stack.pop()
            op, args = source.ops[node], source.args[node]
            if node == head or node in self._parts:
                if op in SUMS:
                    stack += [(args[1], sign if op is core.ADD else -sign), (args[0], sign)]
                    continue
                if op is NEG:
                    stack.append((args[0], -sign))
                    continue
                self.mapping[node] = self._shaped(self._written(self._product(node) or Product()), node)
            self._add_term(terms, self.mapping[node], sign)
        kept = [t for t in terms.values() if t.top != 0.0]
        if not kept:
            return graph.constant(0.0)
        first = next((k for k, term in enumerate(kept) if term.top > 0), 0)
        kept.insert(0, kept.pop(first))
        made = self._written(kept[0])
        for term in kept[1:]:
            made = graph.add("add" if term.top > 0 else "sub", (made, self._written(term, sign=False)))
        return made

    def _add_term(self, terms: dict[Any, Product], made: int, sign: int) -> None:
        graph = self.graph
        value = _value(graph, made)
        if value is not None:
            term = Product(sign * value, 1.0, {})
        else:
            inner = self.products.get(made)
            term = Product(float(sign), 1.0, {made: 1})
            if inner is not None:
                term = Product(sign * inner.top, inner.bottom, inner.factors)
        key = term.key()
        known = terms.get(key)
        if known is None:
            terms[key] = term
            return
        total = known.top + term.top
        if _is_exact_sum(known.top, term.top) and _is_readable(total, known.top, term.top):
            terms[key] = Product(total, known.bottom, known.factors)
        else:
            terms[(*key, len(terms))] = term

    # Everything else

    def _other(self, node: int, args: tuple[int, ...]) -> int:
        source, graph = self.source, self.graph
        op, payload = source.ops[node], source.payloads[node]
        if op is WHERE:
            known = self._truth(args[0])
            if known is not None:
                return args[1] if known else args[2]
            if args[1] == args[2]:
                return args[1]
        elif op in COMPARISONS and None not in (values := [_value(graph, a) for a in args]):
            return graph.constant(bool(COMPARISONS[op](*values)))
        elif op is AND or op is OR:
            for one, other in (args, args[::-1]):
                known = self._truth(one)
                if known is not None:
                    return other if known is (op is AND) else one
            if args[0] == args[1]:
                return args[0]
        elif op is NOT:
            if graph.ops[args[0]] is NOT:
                return graph.args[args[0]][0]
            if (known := self._truth(args[0])) is not None:
                return graph.constant(not known)
        elif op.name in AT_NUMBERS and (value := _value(graph, args[0])) is not None:
            found = AT_NUMBERS[op.name](value)
            if found is not None:
                return graph.constant(found)
        elif op is RESHAPE and graph.ops[args[0]] is STACK:
            shape = source.types[node].shape
            entries = _entries(graph, args[0])
            if entries is not None and not any(map(is_open, shape)):
                return _nested(graph, entries.reshape(shape))
        elif op is INDEX:
            entries = _entries(graph, args[0])
            if entries is not None:
                return _nested(graph, entries[as_index(payload)])
            return graph.element(args[0], payload)
        return graph.add(op, args, payload)

    def _truth(self, node: int) -> bool | None:
        value = self.graph.payloads[node] if self.graph.ops[node] is CONSTANT else None
        return value if self.graph.types[node].dtype == BOOL and isinstance(value, bool) else None


def _value(graph: Graph, node: int) -> float | None:
    """The value of a finite scalar constant."""
    value = graph.payloads[node] if graph.ops[node] is CONSTANT else None
    return value if type(value) is float and math.isfinite(value) else None


def _entries(graph: Graph, node: int) -> Any:
    """The scalars of a list, or of a list of lists, as an array of nodes; None where it is none."""
    shape = graph.types[node].shape
    if any(map(is_open, shape)):
        return None
    nodes = [node]
    for _ in shape:
        if any(graph.ops[n] is not STACK for n in nodes) or len(nodes) > LARGEST_ENTRIES:
            return None
        nodes = [a for n in nodes for a in graph.args[n]]
    return np.array(nodes).reshape(shape) if nodes and shape else None


def _nested(graph: Graph, entries: Any) -> int:
    """The list of lists with some nodes as entries."""
    entries = np.asarray(entries)
    shape = entries.shape
    if not entries.size:
        return graph.broadcast(graph.constant(0.0), shape)
    nodes = entries.ravel().tolist()
    for size in reversed(shape):
        nodes = [graph.add(STACK, tuple(nodes[k : k + size])) for k in range(0, len(nodes), size)]
    return int(nodes[0])


def _times(a: float, b: float) -> float | None:
    """The product of two numbers, where it is exact and no longer to read than they are."""
    if b == 1.0:
        return a
    found = a * b
    if not math.isfinite(found) or not _is_readable(found, a, b):
        return None
    return found if Fraction(a) * Fraction(b) == Fraction(found) else None


def _power_of(value: float, n: Exponent) -> float | None:
    """A number to the power of |n|, where that is exact and no longer to read."""
    if n == 0.5 or n == -0.5:
        return _root_of(value)
    if isinstance(n, float) or abs(n) > LARGEST_EXPONENT or (value == 0.0 and n < 0):
        return None
    found = 1.0
    for _ in range(abs(n)):
        product = _times(found, value) if found != 1.0 else value
        if product is None:
            return None
        found = product
    return found


def _root_of(value: float) -> float | None:
    """The square root of a number, where it is exact."""
    root = math.sqrt(value) if value > 0.0 else 0.0
    return root if root and Fraction(root) ** 2 == Fraction(value) else None


def _is_exact_sum(a: float, b: float) -> bool:
    return math.isfinite(a + b) and Fraction(a) + Fraction(b) == Fraction(a + b)


def _is_readable(value: float, *of: float) -> bool:
    """Whether a number is short, or no longer than those that it is made of."""
    return len(repr(value)) <= max([READABLE_DIGITS, *[len(repr(v)) for v in of]])


def starts_with_factor(graph: Graph, node: int, names: Container[int]) -> bool:
    """Whether a node is a product or quotient whose sign is that of the first factor in its text."""
    at = node
    while graph.ops[at] in PRODUCTS and (at == node or at not in names):
        at = graph.args[at][0]
    infix = graph.ops[at].infix
    return at != node and (at in names or infix is None or infix.power > SIGN or infix.power < PRODUCT)
