"""Truncated Taylor series of the nodes of a graph along a line, as nodes.

No function has a rule of its own. The tangent of y = f(u) is an expression P(u', u, y), made of the partials in the
records as forward mode makes it; read in the arithmetic of series, it gives the series of y' from those of u and, up to
a lower order, of y itself. So coefficient k of y is 1/k of coefficient k - 1 of P, and the well-known recurrences come
out: since nodes are interned, the partial of the sine is the cosine, whose partial is the sine again. The number of
nodes is quadratic in the order, unless partials lead to ever new functions.

The expressions stand in a graph of their own, a copy of what the outputs depend on. In it the derivative u' has a
placeholder, an input whose series is that of u, differentiated. Coefficients are nodes of the graph that was given;
each is made when another one needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symdiff.differentiate import chain
from symdiff.differentiate.cauchy import (
    RULES,
    Coefficient,
    Coefficients,
    Subject,
    added,
    expanded_power,
    integer_exponent,
    power_of_line,
    quotient,
    subtracted,
    times,
)
from symdiff.differentiate.forward import tangent_of
from symdiff.differentiate.guards import Guard, Guarded, Guards
from symdiff.differentiate.partials import has_partial
from symdiff.differentiate.reverse import mark
from symdiff.ir.body import Body, NamedNodes, Nodes
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import Op, contraction, core, movement
from symdiff.types import BOOL

BY_RULE, EXPANDED, POWER_OF_LINE, BY_TANGENT = "rule", "expanded", "power", "tangent"

Need = tuple[int, int]
"""A node and an order: the coefficient that is needed."""


def taylor_coefficients(
    graph: Graph, outputs: Sequence[int], seeds: Mapping[int, int], order: int
) -> list[list[Coefficient]]:
    """For each output its Taylor coefficients of orders 0 to `order` in t, where the nodes `seeds` move with t.

    Each node in `seeds` is at itself plus t times the node given for it. A coefficient that is zero is None.
    """
    with graph.lock, collector_paused():
        series = Series(graph, outputs, seeds)
        return [[series.coefficient(output, k) for k in range(order + 1)] for output in outputs]


class Series:
    """The series of the nodes that some outputs depend on.

    Attributes
    ----------
    target : the graph that the coefficients are nodes of.
    source : the copy, with the tangents.
    """

    def __init__(self, target: Graph, outputs: Sequence[int], seeds: Mapping[int, int]) -> None:
        self.target, self.source = target, Graph(target.dtype)
        self.source.limit_as(target)
        body = Body.of(target, [*outputs, *seeds])
        self._copied = body.fold(NamedNodes(self.source), places=self.source.places)
        self.guards = Guards(self.source)
        self.guards.folded = Nodes(self.source, self._folded)
        self._made: dict[int, list[Coefficient]] = {}
        """The coefficients so far; where a guard does not hold they mean 0."""
        self._order: list[int] = []
        """Whose coefficients they are, in the order in which they were made."""
        self._masked: dict[Need, int] = {}
        self._seeds = {self._copied[node]: seed for node, seed in seeds.items()}
        self._varied: list[bool] = []
        self._carried: list[bool] = []
        self._guard: dict[int, Guard | None] = {}
        self._tangents: dict[int, int | None] = {}
        self._ways: dict[int, str] = {}
        self._lines: dict[int, list[int]] = {}
        """For a node whose tangent has no factors that vary: the nodes between the placeholders and it."""
        self._powers: dict[int, int] = {}
        self._derived: dict[int, int] = {}
        """For a placeholder what it is the derivative of."""
        self._placeholders: dict[int, int] = {}
        for node, copied in self._copied.items():
            self._made.setdefault(copied, [node])

    def _folded(self, op: Op, args: tuple[int, ...], payload: Any) -> int:
        """A node of a partial: two signs cancel, so that functions of both signs of a number come back."""
        if op is core.NEG:
            return chain.negate(self.source, args[0])
        return chain.apply_folded(self.source, op, args, payload)

    def coefficient(self, node: int, k: int) -> Coefficient:
        """A coefficient of a node of the target that the outputs depend on; None is a zero."""
        copied = self._copied[node]
        self._run((copied, k))
        return self._value(copied, k)

    def curved(self, node: int, k: int) -> tuple[Coefficient, int | None]:
        """Coefficient k > 0 of a node of the target, less what comes from coefficients k of its operands.

        A coefficient is linear in those of the same order of the operands. Nothing of this order is kept. The second
        node is the condition where it counts; elsewhere it is 0. None is everywhere.
        """
        made, copied = self._made, self._copied[node]
        self._run((copied, k - 1))
        self._look(copied)
        if copied in self._seeds or not self._varied[copied]:
            return None, None
        operands = self._moving(copied)
        for a in operands:
            self._run((a, k - 1))
        start, masked = len(self._order), len(self._masked)
        for a in operands:
            made[a].append(None)
        self._run((copied, k))
        found, guard, condition = self._value(copied, k), self._guard.get(copied), None
        if found is not None and guard is not None:
            condition = made[self.guards.condition(guard)][0]
        for n in (*self._order[start:], *operands):
            made[n].pop()
        del self._order[start:]
        while len(self._masked) > masked:
            self._masked.popitem()
        return found, condition

    # What a coefficient needs

    def _run(self, need: Need) -> None:
        """Make a coefficient, and before it all that it needs."""
        stack = [need]
        made = self._made
        while stack:
            node, k = stack[-1]
            own = made.setdefault(node, [])
            if len(own) > k:
                stack.pop()
                continue
            if len(own) < k:
                stack.append((node, k - 1))
                continue
            missing = [n for n in self._needs(node, k) if len(made.get(n[0], ())) <= n[1]]
            if missing:
                stack += missing
                continue
            before = len(self.target)
            own.append(self._coefficient(node, k))
            self._order.append(node)
            self._mark(node, before)
            stack.pop()

    def _mark(self, node: int, before: int) -> None:
        """Let new nodes of the target point at the text that their node comes from."""
        place, after = self.source.places.get(node), len(self.target)
        if place is not None and after > before:
            derived = place._replace(derived=True)
            for new in range(before, after):
                self.target.places.setdefault(new, derived)

    def _look(self, node: int) -> None:
        """Note of all new nodes of the source whether they vary, and whether they are made of placeholders."""
        source, varied, carried = self.source, self._varied, self._carried
        ops, args = source.ops, source.args
        for new in range(len(varied), len(source)):
            op, operands = ops[new], args[new]
            if new in self._seeds or new in self._derived:
                varied.append(True)
                carried.append(new in self._derived)
                continue
            varied.append(any(varied[a] and has_partial(op, k) for k, a in enumerate(operands)))
            carried.append(any(carried[a] for a in operands))

    def _moving(self, node: int) -> list[int]:
        """The operands that a node varies with, each once."""
        source = self.source
        op, types = source.ops[node], source.types
        found = [a for k, a in enumerate(source.args[node]) if self._varied[a] and has_partial(op, k)]
        return list(dict.fromkeys(a for a in found if types[a].dtype != BOOL))

    def _needs(self, node: int, k: int) -> list[Need]:
        """The coefficients that one is made from."""
        self._look(node)
        source = self.source
        if node in self._derived:
            return [(self._derived[node], k + 1)]
        if k == 0:
            return [(a, 0) for a in source.args[node]]
        if node in self._seeds or not self._varied[node]:
            return []
        operands = self._moving(node)
        needed = [(a, k) for a in operands if len(self._made.get(a, ())) <= k]
        if needed:
            return needed  # before the guards of these are known there is no rule
        rest = [(a, 0) for a in source.args[node] if a not in operands]
        way = self._way(node, k)
        if way == EXPANDED:
            return [(self._powers[node], k)]
        if way in (BY_RULE, POWER_OF_LINE):
            return rest
        tangent = self._tangent(node)
        if tangent is None:
            return []
        if node not in self._lines:
            return [(tangent, k - 1)]
        kept = {*self._lines[node], *self._derived}
        return [(a, 0) for n in self._lines[node] for a in source.args[n] if a not in kept]

    # How a node's series is made

    def _way(self, node: int, k: int) -> str:
        """How coefficient k of a node that varies is made, those of its operands being known."""
        way = self._ways.get(node) or self._ways.setdefault(node, self._chosen(node))
        if way != POWER_OF_LINE or all(a is None for a in self._made[self.source.args[node][0]][2 : k + 1]):
            return way
        exponent = integer_exponent(self.source, node)
        if exponent is None:
            self._ways[node] = BY_TANGENT
        else:
            self._powers[node] = expanded_power(self.source, self.source.args[node][0], exponent)
            self._look(node)
            self._ways[node] = EXPANDED
        return self._ways[node]

    def _chosen(self, node: int) -> str:
        """The arithmetic of series serves where no branches guard the operands."""
        source, varied = self.source, self._varied
        op, args = source.ops[node], source.args[node]
        if any(self._guard.get(a) is not None for a in args):
            return BY_TANGENT
        if op in RULES:
            return BY_RULE
        if (op is core.POW or op is core.INTEGER_POWER) and varied[args[0]] and not any(varied[a] for a in args[1:]):
            return POWER_OF_LINE
        return BY_TANGENT

    def _tangent(self, node: int) -> int | None:
        """The tangent of a node in the source, made of placeholders for those of its operands."""
        if node in self._tangents:
            return self._tangents[node]
        source, first = self.source, len(self.source)
        moving: dict[int, Guarded] = {a: (self._placeholder(a), self._guard.get(a)) for a in self._moving(node)}
        found = self._power_tangent(node) or tangent_of(self.guards, node, moving)
        mark(source.places, node, node, first, len(source))
        self._look(node)
        tangent, self._guard[node] = (None, None) if found is None else found
        self._tangents[node] = tangent
        if tangent is not None:
            line = self._line(tangent, {p for p, _ in moving.values()})
            if line is not None:
                self._lines[node] = line
        return tangent

    def _placeholder(self, node: int) -> int:
        """The input that stands for the tangent of a node."""
        if node not in self._placeholders:
            type_ = self.source.types[node]
            made = self.source.input(f"tangent of {node}", type_.shape, type_.dtype)
            self._placeholders[node], self._derived[made] = made, node
        return self._placeholders[node]

    def _power_tangent(self, node: int) -> Guarded | None:
        """That of a power in terms of itself: its partial by the base is another power, and that one's yet another."""
        source = self.source
        if source.ops[node] is not core.POW or any(self._guard.get(a) is not None for a in source.args[node]):
            return None
        base, exponent = source.args[node]
        terms: list[Coefficient] = []
        if self._varied[base]:
            rate = chain.multiply(source, source.add(core.MUL, (self._placeholder(base), node)), exponent)
            terms.append(chain.divide(source, rate, base))
        if self._varied[exponent]:
            rate = source.add(core.MUL, (self._placeholder(exponent), node))
            terms.append(chain.multiply(source, rate, source.add(core.LOG, (base,))))
        found = added(source, terms)
        assert found is not None
        return movement.broadcast(source, found, source.types[node].shape), None

    def _line(self, tangent: int, placeholders: set[int]) -> list[int] | None:
        """The nodes between placeholders and a tangent; None where something else in it varies."""
        args, carried, varied = self.source.args, self._carried, self._varied
        found: set[int] = set()
        stack = [tangent]
        while stack:
            node = stack.pop()
            if node not in found:
                found.add(node)
                if node not in placeholders:
                    stack += [a for a in args[node] if carried[a]]
        line: list[int] = []
        known = set(placeholders)
        for node in sorted(found - placeholders):
            if any(a in known for a in args[node]):
                if any(varied[a] and a not in known for a in args[node]):
                    return None
                known.add(node)
                line.append(node)
        return line if tangent in known else None

    # Coefficients

    def _value(self, node: int, k: int) -> Coefficient:
        """A coefficient with zeros where the node's guard does not hold."""
        found = self._made[node][k]
        guard = self._guard.get(node) if k else None
        if found is None or guard is None:
            return found
        if (node, k) not in self._masked:
            condition = self.guards.condition(guard)
            self._look(condition)
            self._run((condition, 0))
            holds = self._made[condition][0]
            assert holds is not None
            self._masked[node, k] = self.target.add(core.WHERE, (holds, found, self.target.constant(0.0)))
        return self._masked[node, k]

    def _coefficient(self, node: int, k: int) -> Coefficient:
        source, target = self.source, self.target
        op, args = source.ops[node], source.args[node]
        if node in self._derived:
            behind = self._derived[node]
            tangent = None if behind in self._lines else self._tangents.get(behind)
            if tangent is not None and len(self._made.get(tangent, ())) > k:
                return self._value(tangent, k)
            return times(target, target.constant(k + 1.0), self._made[behind][k + 1])
        if k == 0:
            return self._applied(node, [self._made[a][0] for a in args])
        if node in self._seeds:
            return self._seeds[node] if k == 1 else None
        if not self._varied[node]:
            return None
        way = self._way(node, k)
        found: Coefficient
        if way == BY_RULE:
            subject = Subject(source.payloads[node], source.shape(node))
            found = RULES[op](target, subject, [self._upto(a, k) for a in args], self._made[node], k)
        elif way == EXPANDED:
            found = self._value(self._powers[node], k)
        elif way == POWER_OF_LINE:
            number = integer_exponent(source, node)
            exponent = self._made[args[1]][0] if number is None else target.constant(float(number))
            assert exponent is not None
            found = power_of_line(target, self._made[args[0]], exponent, k)
        else:
            tangent = self._tangents[node]
            if tangent is None:
                return None
            if node in self._lines:
                found = self._along(node, tangent, k)
            else:
                found = self._value(tangent, k - 1)
                found = None if found is None else chain.divide(target, found, target.constant(float(k)))
        shape = source.types[node].shape
        if found is not None and target.types[found].shape != shape:
            found = movement.broadcast(target, found, shape)
        return found

    def _upto(self, node: int, k: int) -> Coefficients:
        """The coefficients up to order k of an operand that has no guard."""
        found = self._made[node]
        return found if len(found) > k else [found[0], *[None] * k]

    def _along(self, node: int, tangent: int, k: int) -> Coefficient:
        """The coefficient of a node that is linear in its operands, without factors that vary."""
        source = self.source
        found: dict[int, Coefficient] = {self._placeholders[a]: self._made[a][k] for a in self._moving(node)}
        for n in self._lines[node]:
            found[n] = self._applied(n, [found[a] if a in found else self._made[a][0] for a in source.args[n]])
        return found[tangent]

    def _applied(self, node: int, operands: Sequence[Coefficient]) -> Coefficient:
        """A node of the source in the target, with coefficients for its operands.

        It is linear in those that are made of placeholders, if any are.
        """
        source, target = self.source, self.target
        op, args, payload = source.ops[node], source.args[node], source.payloads[node]
        if op is core.CONSTANT:
            return target.constant(payload)
        if self._carried[node] and all(x is None for a, x in zip(args, operands, strict=True) if self._carried[a]):
            return None
        if op in ARITHMETIC:
            return ARITHMETIC[op](target, *operands)
        given = [
            movement.broadcast(target, target.constant(0.0), source.types[a].shape) if x is None else x
            for a, x in zip(args, operands, strict=True)
        ]
        if op is core.EINSUM:
            return contraction.einsum(target, given, *payload)
        return chain.apply_folded(target, op, tuple(given), payload)


ARITHMETIC: dict[Op, Callable[..., Coefficient]] = {
    core.ADD: lambda graph, a, b: added(graph, [a, b]),
    core.SUB: subtracted,
    core.NEG: lambda graph, a: subtracted(graph, None, a),
    core.MUL: times,
    core.DIV: quotient,
}
"""What folds zeros and constants."""
