"""The functions that the records of operations give the language: of each element, and what is written by them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace

from symdiff.errors import LimitError, ParseError, ShapeError
from symdiff.frontend.arguments import ArrayFunction, Node, argument_node, language
from symdiff.frontend.arrays import reductions  # noqa: F401  # max and min of arrays are among them
from symdiff.frontend.bodies import from_text
from symdiff.frontend.calls import FUNCTIONS, OPERATIONS, Kind, LanguageFunction, Value, bind, written_call
from symdiff.frontend.constants import constant_integer
from symdiff.ir.graph import Graph
from symdiff.ops import CALLABLE, DEFINITIONS, OPS, Op, core, movement
from symdiff.ops.base import Definition, follow
from symdiff.types import BOOL

LARGEST_ORDER = 30

REDUCING = frozenset(("axis", "keepdims", "initial", "where"))
"""The parameters by which a comparison of several operands is told from a reduction of one."""


class ElementFunction(LanguageFunction):
    """A function of each element: an operation, expressions for so many operands, or both, as `log`."""

    __slots__ = ("definitions", "op")

    def __init__(self, name: str, op: Op | None, definitions: Sequence[Definition] = ()) -> None:
        super().__init__(name)
        self.op = op
        self.definitions = {len(d.parameters): d for d in definitions}

    @property
    def usage(self) -> str:
        """How it is called, in words."""
        ways = [] if self.op is None else [written_call(self.name, self.op.parameters, self.op.defaults)]
        return " or ".join([*ways, *(written_call(self.name, d.parameters) for d in self.definitions.values())])

    @property
    def documentation(self) -> str:
        """What it computes, and what it is at its edges."""
        op = self.op
        lines = [] if op is None else [f"{op.doc[0].upper()}{op.doc[1:]}."]
        lines += [f"{d.doc[0].upper()}{d.doc[1:]}: {d.text}." for d in self.definitions.values()]
        if op is not None and op.edges:
            lines.append(f"\nAt its edges: {op.edges}.")
        return "\n".join(lines)

    @property
    def signature(self) -> inspect.Signature:
        """Its parameters as Python's; what only a longer form has is None by default."""
        kind, op = inspect.Parameter.POSITIONAL_OR_KEYWORD, self.op
        ways = [d.parameters for d in self.definitions.values()]
        parameters = ways[0] if op is None else op.parameters
        defaults = {} if op is None else dict(zip(reversed(op.parameters), reversed(op.defaults), strict=False))
        found = [inspect.Parameter(p, kind, default=defaults.get(p, inspect.Parameter.empty)) for p in parameters]
        longer = ways if op is not None else []
        found += [inspect.Parameter(p, kind, default=None) for way in longer for p in way[len(parameters) :]]
        return inspect.Signature(found)

    def node(self, graph: Graph, args: Sequence[Value], keywords: Mapping[str, Value]) -> int:
        """The node that a call stands for."""
        op = self.op
        if op is not None and not keywords and op.payload is None and len(args) == len(op.kinds or ""):
            return graph.apply(op, args)
        count = len(args) + len(keywords)
        definition = self.definitions.get(count)
        if definition is not None:
            operands = bind(self.name, definition.parameters, args, keywords, usage=self.usage)
            body = from_text(definition.text, definition.parameters)
            return body.splice(graph, [graph.as_number(a) for a in operands])[0]
        if op is None:
            wanted = " or ".join(map(str, self.definitions))
            plural = "" if wanted == "1" else "s"
            raise ParseError(f"{self.name} takes {wanted} argument{plural}, not {count}", hint=f"write {self.usage}")
        if op.payload is not None:
            order, *operands = bind(self.name, op.parameters or ("n", "x"), args, keywords, usage=self.usage)
            return self._of_order(graph, op, order, operands)
        defaults = {p: graph.constant(v) for p, v in zip(reversed(op.parameters), reversed(op.defaults), strict=False)}
        return graph.apply(op, bind(self.name, op.parameters, args, keywords, defaults, self.usage))

    def _of_order(self, graph: Graph, op: Op, given: int, operands: Sequence[int]) -> int:
        """An operation that carries an order, which is given first."""
        order = constant_integer(graph, given, f"the order of {self.name}")
        if op is core.INTEGER_POWER:
            return graph.apply(op, operands, order) if order else movement.full_like(graph, 1.0, operands[0])
        if order == 0 and op.at_zero is not None:
            return graph.apply(op.at_zero, operands)
        if order < 0 and not op.signed:
            hint = f"write {written_call(self.name, op.parameters)}"
            raise ParseError(f"the order of {self.name} must not be negative", hint=hint)
        if abs(order) > LARGEST_ORDER:
            raise LimitError(f"the order of {self.name} is at most {LARGEST_ORDER}")
        return graph.apply(op, operands, order)


class Extremum(ElementFunction):
    """`max(a, b, …)` compares operands; where there is a `reduction`, `max(x)` and `max(x, axis=0)` are of an array.

    `alone`: one operand is the result.
    """

    __slots__ = ("alone", "reduction")
    op: Op

    def __init__(self, name: str, op: Op, reduction: ArrayFunction | None, alone: bool) -> None:
        super().__init__(name, op)
        self.reduction, self.alone = reduction, alone

    @property
    def takes_parts(self) -> bool:  # type: ignore[override]
        """Whether it may be a reduction, whose axes may be a tuple or None."""
        return self.reduction is not None

    @property
    def documentation(self) -> str:
        """What it computes of several operands, and of one array."""
        if self.reduction is None:
            return super().documentation
        return f"{super().documentation}\n\nOf an array: {self.reduction.documentation}"

    @property
    def by_numpy(self) -> ArrayFunction | None:
        """The reduction."""
        return self.reduction

    def kind_of(self, position: int | str, count: int) -> Kind:
        """What an argument of a call is, by its position among `count` without names or by its name."""
        if self.reduction is None or count > 1:
            return Kind.NODE
        return self.reduction.kind_of(position, count)

    def node(self, graph: Graph, args: Sequence[Value], keywords: Mapping[str, Value]) -> int:
        """The node that a call stands for."""
        name, op, reduction = self.name, self.op, self.reduction
        if not REDUCING.isdisjoint(keywords) or (reduction is not None and len(args) + len(keywords) == 1):
            if reduction is None or len(args) > 1:
                raise ParseError(f"{name} of several operands has no axis", hint=f"write {op.name}(x, axis=0)")
            return reduction.node(graph, args, keywords)
        if reduction is None and len(args) == 2 and not keywords:
            return graph.apply(op, args)
        nodes = [argument_node(graph, a) for a in args]
        if keywords:
            nodes = bind(name, op.parameters, nodes, keywords, usage=self.usage)
        if len(nodes) < (1 if self.alone else 2):
            raise ParseError(f"{name} takes 2 arguments, not {len(nodes)}", hint=f"write {name}(a, b)")
        nodes = [graph.as_number(a) for a in nodes]
        if len(nodes) == 1:
            return nodes[0]
        return graph.apply(op, nodes) if len(nodes) == 2 else graph.apply(f"{op.name}_of", nodes)


def _folded(graph: Graph, name: str, op: Op, conditions: Sequence[int]) -> int:
    """Conditions taken together from the left."""
    if not conditions:
        raise ParseError(f"{name} of nothing", hint=f"write {name}(a > 0, b > 0)")
    result, *others = conditions
    if not others and graph.types[result].dtype != BOOL:
        raise ShapeError(f"{name} takes a condition here, not a number", hint="write x != 0")
    for other in others:
        result = graph.apply(op, (result, other))
    return result


@language("And", parts=False)
def _and(graph: Graph, *conditions: Node) -> int:
    """Whether all conditions hold, as SymPy writes it."""
    return _folded(graph, "And", core.LOGICAL_AND, conditions)


@language("Or", parts=False)
def _or(graph: Graph, *conditions: Node) -> int:
    """Whether one of the conditions holds, as SymPy writes it."""
    return _folded(graph, "Or", core.LOGICAL_OR, conditions)


@language("Xor", parts=False)
def _xor(graph: Graph, *conditions: Node) -> int:
    """Whether an odd number of the conditions holds, as SymPy writes it."""
    return _folded(graph, "Xor", OPS["logical_xor"], conditions)


@language("Not", parts=False)
def _not(graph: Graph, x: Node) -> int:
    """Whether the condition does not hold, as SymPy writes it."""
    return graph.apply(core.LOGICAL_NOT, (x,))


@language("ITE", parts=False)
def _choose(graph: Graph, condition: Node, x: Node, y: Node) -> int:
    """One of two conditions, chosen by a condition, as SymPy writes it."""
    if graph.types[x].dtype != BOOL or graph.types[y].dtype != BOOL:
        return graph.apply(core.WHERE, (condition, x, y))
    otherwise = graph.apply(core.LOGICAL_NOT, (condition,))
    parts = graph.apply(core.LOGICAL_AND, (condition, x)), graph.apply(core.LOGICAL_AND, (otherwise, y))
    return graph.apply(core.LOGICAL_OR, parts)


@language("Implies", parts=False)
def _implies(graph: Graph, a: Node, b: Node) -> int:
    """Whether the second condition holds wherever the first does, as SymPy writes it."""
    return graph.apply(core.LOGICAL_OR, (graph.apply(core.LOGICAL_NOT, (a,)), b))


def _extremum(name: str, op: Op) -> Extremum:
    whole = FUNCTIONS[f"a{name}"] if name == op.name else None
    reduction = replace(whole, name=name) if isinstance(whole, ArrayFunction) else None
    return Extremum(name, op, reduction, alone=name[0].isupper())


DEFINED: dict[str, list[Definition]] = {}
"""The definitions of each name, one for a number of operands."""
for _definition in DEFINITIONS.values():
    DEFINED.setdefault(_definition.name, []).append(_definition)


def _add(op: Op) -> None:
    """Put the functions of a record into the table, except those that are functions of arrays, too."""
    if op.hidden:
        OPERATIONS.setdefault(op.name, ElementFunction(op.name, op))
    elif op.key == op.name:
        for name in (op.name, *op.aliases):
            _name(name, op)


def _name(name: str, op: Op) -> None:
    found = _extremum(name, op) if op in (core.MIN, core.MAX) else ElementFunction(name, op, DEFINED.get(name, ()))
    FUNCTIONS.setdefault(name, found)


follow(_add)
for _word, _op in CALLABLE.items():
    if _word not in FUNCTIONS:  # another word for it
        _name(_word, _op)
for _word, _own in DEFINED.items():
    FUNCTIONS.setdefault(_word, ElementFunction(_word, None, _own))
