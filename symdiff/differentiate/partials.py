"""Partials: how the texts in the records multiply a tangent or an adjoint.

A partial is read as a chain of factors, so that `-((1/b)*y)` makes `-((g/b)*y)`: no intermediate product of two
partials, which could overflow or vanish where the derivative does not. `where(c, p, 0)` becomes a guard.
"""

from __future__ import annotations

import functools
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.differentiate import chain
from symdiff.differentiate.finite import Finite
from symdiff.differentiate.guards import Guard, Guarded, Guards
from symdiff.errors import DifferentiationError
from symdiff.frontend.bodies import from_text
from symdiff.ir.body import Body
from symdiff.ops import Op, core
from symdiff.ops.base import OPERAND_NAMES, Unavailable
from symdiff.ops.core import CONSTANT, INPUT, WHERE


@dataclass(frozen=True, slots=True)
class Link:
    """One factor: multiply or divide by a node of the body, negate, guard by it, or select between two chains."""

    kind: str
    node: int = -1
    holds: bool = True
    taken: tuple[Link, ...] = ()
    untaken: tuple[Link, ...] = ()


class Partial:
    """A compiled partial: its body, its steps, and for each node that a step uses the body of it."""

    def __init__(self, parsed: Body) -> None:
        self.body = parsed
        self.parts: dict[int, Body] = {}
        self.steps = tuple(self._steps(parsed.root))
        *_, before, last = (None, None, *(s for s in self.steps if s.kind != "negate"))
        leaves = parsed.leaves
        self.operands = tuple((k, leaves[n]) for k, n in enumerate(OPERAND_NAMES) if n in leaves)
        self.result, self.tally = leaves.get("y"), leaves.get("t")
        divides = before is not None and before.kind == "divide"
        self.is_quotient = divides and last is not None and last.node == self.result
        """Whether it is something over a divisor, times the result."""
        self.is_finite = self.tally is None and Finite(parsed.graph)(parsed.root)
        """Whether it is finite wherever the operands and the result are."""

    def _steps(self, node: int) -> list[Link]:
        graph = self.body.graph
        op, args = graph.ops[node], graph.args[node]
        if op is core.NEG:
            return [Link("negate"), *self._steps(args[0])]
        if op is core.MUL:
            return [*self._steps(args[0]), *self._steps(args[1])]
        if op is core.DIV:
            return [*self._steps(args[0]), self._use("divide", args[1])]
        if op is WHERE:
            for kept, zero, holds in ((args[1], args[2], True), (args[2], args[1], False)):
                if graph.ops[zero] is CONSTANT and graph.payloads[zero] == 0.0:
                    return [self._use("guard", args[0], holds), *self._steps(kept)]
            taken, untaken = tuple(self._steps(args[1])), tuple(self._steps(args[2]))
            self._use("select", args[0])
            return [Link("select", args[0], True, taken, untaken)]
        return [self._use("multiply", node)]

    def _use(self, kind: str, node: int, holds: bool = True) -> Link:
        graph = self.body.graph
        order = [n for n in graph.live([node]) if graph.ops[n] is not INPUT]  # for which there always are nodes
        self.parts[node] = Body(graph, self.body.parameters, (node,), order)
        return Link(kind, node, holds)

    def times(self, guards: Guards, values: dict[int, int], g: Guarded) -> Guarded | None:
        """g times the partial; `values` maps body nodes to nodes of the graph and is filled. None: zero."""
        found = self._follow(guards, values, g, self.steps)
        if found is not None and self.is_quotient and guards.late is not None:
            assert self.result is not None
            guards.late.note(found[0], values[self.result])
        return found

    def _follow(self, guards: Guards, values: dict[int, int], g: Guarded, steps: tuple[Link, ...]) -> Guarded | None:
        graph, late = guards.graph, guards.late
        value, guard = g
        if late is not None and not (late.factors and late.holds(value)):
            late = None
        negative = False
        for step in steps:
            if step.kind == "negate":
                negative = not negative
                continue
            if step.node not in values:
                self.parts[step.node].fold(guards.folded, values)
            node = values[step.node]
            if step.kind == "multiply":
                product = late.apply(chain.multiply, value, node) if late else chain.multiply(graph, value, node)
                if guards.noted:
                    guards.keep_clean(value, product, node)
                value = product
            elif step.kind == "divide":
                value = late.apply(chain.divide, value, node) if late else chain.divide(graph, value, node)
            elif graph.ops[node] is CONSTANT and isinstance(graph.payloads[node], bool):
                if step.kind == "select":
                    chosen = step.taken if graph.payloads[node] else step.untaken
                    rest = self._follow(guards, values, (value, guard), chosen)
                    if rest is None:
                        return None
                    value, guard = rest
                elif graph.payloads[node] != step.holds:
                    return None
            elif step.kind == "guard":
                guard = guards.under(guard, node, step.holds)
            else:
                value, guard = self._select(guards, values, (value, guard), step, node)
        if negative:
            negated = chain.negate(graph, value)
            if guards.noted:
                guards.keep_clean(value, negated)
            value = negated
        return value, guard

    def _select(
        self, guards: Guards, values: dict[int, int], g: Guarded, step: Link, condition: int
    ) -> tuple[int, Guard | None]:
        sides = []
        for holds, steps in ((True, step.taken), (False, step.untaken)):
            side = self._follow(guards, values, (g[0], guards.under(g[1], condition, holds)), steps)
            if side is not None:
                sides.append(side)
        return guards.merge(sides)


def _names(op: Op) -> tuple[str, ...]:
    operands = tuple(OPERAND_NAMES[: len(op.kinds)]) if op.kinds is not None else ("a",)
    return (*operands, "y", *((op.payload,) if op.payload else ()), *(("t",) if op.tally else ()))


@functools.cache
def _compiled(op: Op, k: int, payload: Any) -> Partial | None:
    """The partial by operand k; a payload stands in the text as its number."""
    text = op.partials[min(k, len(op.partials) - 1)]
    if text is None:
        return None
    if isinstance(text, Unavailable):
        raise DifferentiationError(f"{op.name} has no derivative {text.by} here", hint=text.hint)
    conditions = frozenset(n for n, kind in zip(OPERAND_NAMES, op.kinds or "", strict=False) if kind == "c")
    if isinstance(payload, int):
        text = f"{op.payload} = {payload}\n{text}"
        names = tuple(n for n in _names(op) if n != op.payload)
    else:
        names = _names(op)
    return Partial(from_text(text, names, conditions))


@functools.lru_cache(maxsize=4096)
def has_partial(op: Op, k: int) -> bool:
    """Whether the operation has a derivative by operand k that is not zero everywhere."""
    if op.differential is not None:
        return op.differential.has(k)
    return bool(op.partials) and op.partials[min(k, len(op.partials) - 1)] is not None


def is_finite(finite: Finite, node: int, k: int) -> bool:
    """Whether the derivative of a node by operand k is finite wherever the inputs are, overflow aside."""
    graph = finite.graph
    op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
    if op.differential is not None:
        return all(finite(a) for a in args)
    if op is core.DIV and k == 0 and chain.number_at(graph, args[1]):
        return True
    partial = _compiled(op, k, payload if isinstance(payload, int) else None)
    if partial is None:
        return True
    operands = args if op.kinds is not None else (args[k],)
    used = [operands[j] for j, _ in partial.operands] + ([node] if partial.result is not None else [])
    return partial.is_finite and all(finite(n) for n in used)


class Application:
    """The partials of one node: its operands and result bound to the names in the texts."""

    def __init__(self, guards: Guards, node: int) -> None:
        graph = guards.graph
        self.guards = guards
        self.op, self.args, self.node = graph.ops[node], graph.args[node], node
        self.payload = graph.payloads[node] if isinstance(graph.payloads[node], int) else None
        self._tally: int | None = None

    def times(self, k: int, g: Guarded) -> Guarded | None:
        """g times the partial by operand k; None where that is structurally zero."""
        partial = _compiled(self.op, k, self.payload)
        if partial is None:
            return None
        operands = self.args if self.op.kinds is not None else (self.args[k],)
        values = {leaf: operands[j] for j, leaf in partial.operands}
        if partial.result is not None:
            values[partial.result] = self.node
        if partial.tally is not None:
            values[partial.tally] = self._summed()
        return partial.times(self.guards, values, g)

    def is_quotient(self, k: int) -> bool:
        """Whether the partial by operand k is something over a divisor, times the result."""
        partial = _compiled(self.op, k, self.payload)
        return partial is not None and partial.is_quotient

    def _summed(self) -> int:
        """The sum over all operands of the record's tally."""
        if self._tally is None:
            assert self.op.tally is not None
            graph, term = self.guards.graph, from_text(self.op.tally, ("a", "y"))
            self._tally = chain.total(graph, [term.splice(graph, (a, self.node))[0] for a in self.args])
        return self._tally
