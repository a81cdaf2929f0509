"""A copy of a graph as a person would write it: what is printed, never what is computed.

Products are collected (numbers first, then names, then sums, then functions; powers of one base together; one
quotient), signs are taken out, like terms of sums are added up, and conditions that are known are decided. All of it
holds over the real numbers wherever what was written has a value; where a factor cancels, there may be a value where
0/0 was. Numbers are calculated with only where that is exact, multiples of pi among them. A sum is multiplied out only
where its terms are like others, or where every one of them gets shorter, and nothing is factored; no function is looked
up but at 0 and 1. Sums stay in the order in which they were written, but for a leading minus.
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from symdiff.display.exact_numbers import (
    LARGEST_EXPONENT,
    Exponent,
    Product,
    exact_power,
    exact_product,
    is_exact_sum,
    is_readable,
    turns_of,
    value_at,
)
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ir.inlining import without_calls
from symdiff.ops import core, movement
from symdiff.ops.core import CONSTANT, DIV, INDEX, INPUT, MUL, NAMED, NEG, POW, RESHAPE, SIZE, STACK, WHERE
from symdiff.ops.structure import numpy_index
from symdiff.sizes import is_open
from symdiff.types import BOOL

LONGEST_INLINED = 8
"""A product that is used several times is merged into others if it has no more factors than this."""
LARGEST_POWER_OF_NUMBERS = 4
LARGEST_ENTRIES = 100_000
"""Lists of more entries are not taken apart."""
LONGEST_EXPANDED = 4
"""A sum of more terms is not multiplied out."""

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


def readable(source: Graph, roots: Sequence[int], *, for_good: bool = False) -> tuple[Graph, list[int]]:
    """A new graph that means the same as `roots` of `source`, simpler to read, and what they are there.

    What is computed, `for_good`, keeps the parentheses of sums: in `x - (y - z)` the difference is rounded first.
    """
    source, roots = without_calls(source, roots)
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
        self.sums: dict[int, list[Product]] = {}
        self._spread: set[int] = set()  # sums that were a product
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
                parts = None if self._for_good else self._parts_of(product)
                if parts and self._is_shorter(parts, product):
                    terms: dict[Any, Product] = {}
                    for part in parts:
                        _add_product(terms, part)
                    made = self._total([t for t in terms.values() if t.top != 0.0])
                    self._spread.add(made)
                    return self._shaped(made, node)
                return self._shaped(self._written(product), node)
        own = tuple([self.mapping[a] for a in args])
        return self._shaped(self._other(node, own), node)

    def _shaped(self, made: int, node: int) -> int:
        """What was made, in the shape of what it stands for: an operand that cancelled may have given that."""
        shape = self.source.types[node].shape
        return made if self.graph.types[made].shape == shape else movement.broadcast(self.graph, made, shape)

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
                elif isinstance(exponent, int):
                    if not self._multiply_number(product, value, exponent):
                        return None
                else:
                    power = exact_power(value, exponent)
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
        if value is not None and isinstance(n, int) and self._multiply_number(product, value, n):
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

    def _multiply_number(self, product: Product, value: float, n: int) -> bool:
        """Multiply by a power of a number; multiples of pi are numbers times pi."""
        turns = turns_of(value)
        if turns is None or abs(n) > LARGEST_POWER_OF_NUMBERS:
            power = value if abs(n) == 1 else exact_power(value, n)
            return power is not None and self._scale(product, power, 1 if n > 0 else -1)
        power_of_turns = turns**n
        for part, sign in ((power_of_turns.numerator, 1), (power_of_turns.denominator, -1)):
            if not self._scale(product, float(part), sign):
                return False
        self._raise(product, self.graph.constant(math.pi), n)
        return True

    def _scale(self, product: Product, value: float, n: int) -> bool:
        """Multiply by a number, or divide by it, where that is exact."""
        if value == 0.0 and (n < 0 or math.copysign(1.0, value) < 0):
            return False
        top: float | None = product.top
        bottom: float | None = product.bottom
        if n > 0:
            top = exact_product(product.top, value)
        else:
            if value < 0:
                top, value = -product.top, -value
            bottom = exact_product(product.bottom, value)
        if top is None or bottom is None:
            return False
        if bottom != 1.0 and top.is_integer() and bottom.is_integer():
            common = math.gcd(int(top), int(bottom))
            top, bottom = top / common, bottom / common
        elif bottom != 1.0 and abs(math.frexp(bottom)[0]) == 0.5 and is_readable(top / bottom):
            top, bottom = top / bottom, 1.0
        product.top, product.bottom = top, bottom
        return True

    def _raise(self, product: Product, base: int, n: Exponent) -> None:
        """Multiply by a power of a node of the new graph."""
        factors = product.factors
        known = factors.get(base, 0)
        total: Exponent = known + n
        if isinstance(total, float) and not (
            (not known or (is_exact_sum(known, n) and is_readable(total, known, n))) and not total.is_integer()
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
        product = self._divided(product)
        ordered = sorted(product.factors, key=self._rank)
        turned = next((b for b in ordered if graph.ops[b] is core.SUB and product.factors[b] == 1), None)
        if product.top > 0 or not sign:
            turned = None
        above = [self._power(b, product.factors[b]) for b in ordered if product.factors[b] > 0]
        if turned is not None:  # the sign is that of a difference
            above[above.index(turned)] = self._turned(turned)
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

    def _turned(self, node: int) -> int:
        """The negative of a difference."""
        terms = self.sums.get(node)
        if terms is None:
            return self.graph.add(core.SUB, self.graph.args[node][::-1])
        return self._total([Product(-t.top, t.bottom, t.factors) for t in terms])

    def _divided(self, product: Product) -> Product:
        """A product where a number below a sum divides each of its terms, (2*x + 4*y)/2."""
        if product.bottom == 1.0:
            return product
        base = next((b for b, n in product.factors.items() if n == 1 and b in self.sums), None)
        terms = [] if base is None else self.sums[base]
        if not terms or not all(t.bottom == 1.0 and (t.top / product.bottom).is_integer() for t in terms):
            return product
        smaller = self._total([Product(t.top / product.bottom, 1.0, t.factors) for t in terms])
        return Product(product.top, 1.0, {(smaller if b == base else b): n for b, n in product.factors.items()})

    def _chain(self, nodes: Sequence[int]) -> int:
        made = nodes[0]
        for node in nodes[1:]:
            made = self.graph.add(MUL, (made, node))
        return made

    # Sums

    def _sum(self, head: int) -> int:
        """The node of a sum, a difference or the negative of one."""
        source = self.source
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
        if not self._for_good:
            terms = self._multiplied_out(terms)
        return self._total([t for t in terms.values() if t.top != 0.0])

    def _total(self, terms: list[Product]) -> int:
        """The node of the sum of some terms, of which one that is not negative comes first."""
        graph = self.graph
        if not terms:
            return graph.constant(0.0)
        first = next((k for k, term in enumerate(terms) if term.top > 0), 0)
        terms = [terms[first], *terms[:first], *terms[first + 1 :]]
        made = self._written(terms[0])
        for term in terms[1:]:
            made = graph.add("add" if term.top > 0 else "sub", (made, self._written(term, sign=False)))
        if 1 < len(terms) <= LONGEST_EXPANDED:
            self.sums.setdefault(made, terms)
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
        _add_product(terms, term)

    def _multiplied_out(self, terms: dict[Any, Product]) -> dict[Any, Product]:
        """The terms; those with a sum as a factor are multiplied out where that leaves no more of them."""
        found: dict[Any, list[Product]] = {}
        shorter = set()
        for key, term in terms.items():
            parts = self._parts_of(term)
            if parts:
                found[key] = parts
                if self._is_shorter(parts, term):
                    shorter.add(key)
        for _ in range(2):  # what is not multiplied out the first time is no like term the second time
            counts = Counter(key for key in terms if key not in found)
            counts.update(part.key() for parts in found.values() for part in parts)
            found = {
                key: parts
                for key, parts in found.items()
                if key in shorter or sum(counts[part.key()] > 1 for part in parts) >= len(parts) - 1
            }
        if not found:
            return terms
        result: dict[Any, Product] = {}
        for key, term in terms.items():
            for part in found.get(key, (term,)):
                _add_product(result, part)
        return result

    def _is_shorter(self, parts: Sequence[Product], product: Product) -> bool:
        """Whether the terms of a product are less to read than the product with its sum, and none of them is more."""
        (base,) = [b for b, n in product.factors.items() if b in self.sums and n == 1]
        if len(product.factors) == 1 and abs(product.top) == product.bottom == 1.0:
            return base in self._spread
        terms = self.sums[base]
        if any(len(part.factors) > len(term.factors) for part, term in zip(parts, terms, strict=True)):
            return False
        before = product.length() - 1 + sum(term.length() for term in terms)
        return sum(part.length() for part in parts) < before

    def _parts_of(self, term: Product) -> list[Product] | None:
        """The terms of a product that has one sum as a factor; None where there are other sums, or many terms."""
        sums = [base for base, n in term.factors.items() if base in self.sums and n == 1]
        if len(sums) != 1:
            return None
        parts = []
        for inner in self.sums[sums[0]]:
            part = Product(term.top, term.bottom, {b: n for b, n in term.factors.items() if b != sums[0]})
            if inner.top < 0:
                part.top = -part.top
            if not (self._scale(part, abs(inner.top), 1) and self._scale(part, inner.bottom, -1)):
                return None
            for base, n in inner.factors.items():
                self._raise(part, base, n)
            parts.append(part)
        return parts

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
        elif op in COMPARISONS and None not in (values := [graph.constant_value(a) for a in args]):
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
        elif op.kinds == "f" and (value := _value(graph, args[0])) is not None:
            found = value_at(op, value)
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
                return _nested(graph, entries[numpy_index(payload)])
            return movement.element(graph, args[0], payload)
        return graph.add(op, args, payload)

    def _truth(self, node: int) -> bool | None:
        value = self.graph.payloads[node] if self.graph.ops[node] is CONSTANT else None
        return value if self.graph.types[node].dtype == BOOL and isinstance(value, bool) else None


def _add_product(terms: dict[Any, Product], term: Product) -> None:
    """Add to the terms of a sum, by what like terms have in common."""
    key = term.key()
    known = terms.get(key)
    if known is None:
        terms[key] = term
        return
    total = known.plus(term)
    if total is not None:
        terms[key] = total
    else:
        terms[(*key, len(terms))] = term


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
        return movement.broadcast(graph, graph.constant(0.0), shape)
    nodes = entries.ravel().tolist()
    for size in reversed(shape):
        nodes = [graph.add(STACK, tuple(nodes[k : k + size])) for k in range(0, len(nodes), size)]
    return int(nodes[0])


def starts_with_factor(graph: Graph, node: int, names: Container[int]) -> bool:
    """Whether a node is a product or quotient whose sign is that of the first factor in its text."""
    at = node
    while graph.ops[at] in PRODUCTS and (at == node or at not in names):
        at = graph.args[at][0]
    infix = graph.ops[at].infix
    return at != node and (at in names or infix is None or infix.power > SIGN or infix.power < PRODUCT)
