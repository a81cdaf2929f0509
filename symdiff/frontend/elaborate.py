"""From the syntax of a text to nodes of a graph, for arguments of certain shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.errors import NeedsShape, Open, ParseError, Place, ShapeError, SymdiffError
from symdiff.frontend import mistakes
from symdiff.frontend.attributes import attribute, matrix_product
from symdiff.frontend.calls import bind, piecewise
from symdiff.frontend.constants import does_not_fit, folded, undeclared
from symdiff.frontend.names import CONSTANTS
from symdiff.frontend.subscripts import element_at_place, index_of
from symdiff.frontend.syntax import (
    ATTRIBUTE,
    BINARY,
    CALL,
    CHOOSE,
    COMPARE,
    CONSTANT,
    INLINE,
    LIST,
    LITERAL,
    MATMUL,
    NAME,
    PARAMETER,
    PART,
    PARTS,
    PIECEWISE,
    PLUS,
    SUBSCRIPT,
    UNARY,
    Called,
    Code,
    Helper,
    Instruction,
    Line,
    Syntax,
)
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement
from symdiff.signature import Argument
from symdiff.types import BOOL, FLOAT32, Shape, show, tensor

LARGEST = {FLOAT32: 3.4028235677973366e38}
"""The least number that overflows, where it is not that of float64."""

UNKNOWN = -1
"""What stands for a value that depends on shapes which only a call says."""


@dataclass(slots=True)
class Frame:
    """An expression that waits for the body of a helper: what is left of it, its parameters; the helper's calls and the
    arguments of this one."""

    rest: Iterator[Instruction]
    scope: dict[str, int]
    calls: dict[tuple[int, ...], int]
    arguments: tuple[int, ...]


@dataclass(slots=True)
class Elaboration:
    """The nodes of the names of a text, while its lines are added to a graph.

    `needs` is what the first value that is UNKNOWN depends on: with `goes_on` the others are made all the same, so that
    what is wrong for every shape is found. Operations refuse such values by `NeedsShape`, which `run` makes `needs` of.
    """

    syntax: Syntax
    graph: Graph
    shapes: Mapping[str, Shape]
    goes_on: bool = False
    needs: Open | None = None
    variables: dict[str, int] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    literals: dict[str, int] = field(default_factory=dict)
    free: dict[str, int] = field(default_factory=dict)
    calls: dict[str, dict[tuple[int, ...], int]] = field(default_factory=dict)
    powers: dict[int, float] = field(default_factory=dict)
    nodes: list[Any] = field(default_factory=list)

    def declare(self, arguments: Sequence[Argument], conditions: frozenset[str], sizes: Mapping[str, int]) -> None:
        """Add the inputs, and the numbers that sizes are."""
        graph, variables = self.graph, self.variables
        for argument in arguments:
            if argument.members is None:
                dtype = BOOL if argument.name in conditions else None
                variables[argument.name] = graph.input(argument.name, argument.shape, dtype)
                continue
            members = tuple(graph.input(member) for member in argument.members)
            variables.update(zip(argument.members, members, strict=True))
            if members and not argument.anonymous:
                variables[argument.name] = movement.reshape(graph, graph.add(core.STACK, members), argument.shape)
        self.constants.update((name, graph.constant(n)) for name, n in sizes.items() if name not in variables)

    def line(self, line: Line) -> int:
        """The node of a line, which its name stands for if it binds one.

        A value that depends on inputs gets a node of its own, at which derivatives can be cut; others are constants.
        """
        node, statement, graph = self.run(line.code), line.statement, self.graph
        name = statement.name
        if name is None or statement.parameters is not None:
            return node
        if not line.varied:
            self.constants[name] = node
            return node
        if node == UNKNOWN:
            self.variables[name] = UNKNOWN
            return node
        size = len(graph)
        node = self.variables[name] = graph.named(name, node)
        if len(graph) > size:
            graph.places[node] = self.syntax.tokens.place(statement.first, statement.last - 1)
        return node

    def run(self, code: Code) -> int:
        """The node of an expression.

        Raises
        ------
        SymdiffError
            Where its operands do not fit together, located in the text.
        """
        graph, nodes, source = self.graph, self.nodes, self.syntax.source
        made, types, number, add = graph.ops, graph.types, tensor(graph.dtype), graph.add
        variables, literals, places = self.variables, self.literals, graph.places
        frames: list[Frame] = []
        scope: dict[str, int] = {}
        rest = iter(code)
        what: Any
        lenient = self.needs is not None
        while True:
            try:
                for instruction in rest:
                    how, what, at, start, end = instruction
                    size = len(made)
                    if how == NAME:
                        node = variables.get(what)
                        nodes.append(self._input(what, at) if node is None else node)
                        continue
                    if how == LITERAL:
                        node = literals.get(what)
                        nodes.append(self._literal(what, at) if node is None else node)
                        continue
                    if how == PARAMETER:
                        nodes.append(scope[what])
                        continue
                    if lenient and how != INLINE and self._is_unknown(instruction):
                        continue
                    if how == BINARY:
                        a, b = nodes[-2], nodes[-1]
                        if what.written is None and types[a] is number and types[b] is number:
                            nodes[-2] = add(what, (a, b))
                        elif what.result == "c" or what is core.POW:
                            nodes[-2] = self._checked(what, at, a, b)
                        else:
                            nodes[-2] = graph.apply(what, (a, b))
                        nodes.pop()
                    elif how == INLINE:
                        helper = what.function
                        calls = self.calls.setdefault(helper.name, {})
                        arguments, given = self._arguments(helper, what)
                        known = calls.get(arguments)
                        if known is None:
                            inner = self._scope(helper, arguments)
                        del nodes[len(nodes) - given :]
                        if known is None:
                            frames.append(Frame(rest, scope, calls, arguments))
                            assert helper.code is not None
                            rest, scope = iter(helper.code), inner
                            break
                        nodes.append(known)
                        continue
                    else:
                        self._apply(how, what, start)
                    if len(made) > size:
                        place = Place(source, start, end)
                        places.setdefault(size, place)
                        for node in range(size + 1, len(made)):
                            places.setdefault(node, place)
                else:
                    if not frames:
                        return int(nodes.pop())
                    frame = frames.pop()
                    rest, scope = frame.rest, frame.scope
                    frame.calls[frame.arguments] = nodes[-1]
            except SymdiffError as error:
                if error.place is None or error.place.derived:
                    error.locate(self.syntax.tokens.place(at))
                if not self.goes_on or not self._leaves_open(error, instruction):
                    raise
                lenient = True
                self._replace(_operands(instruction), UNKNOWN)

    # Values that only a call knows

    def _is_unknown(self, instruction: Instruction) -> bool:
        """Whether an operand of an instruction is unknown: then so is its value."""
        count = _operands(instruction)
        stack = self.nodes[len(self.nodes) - count :]
        while stack:
            item = stack.pop()
            if isinstance(item, tuple):
                stack.extend(item)
            elif type(item) is int and item == UNKNOWN:
                self._replace(count, UNKNOWN)
                return True
        return False

    def _leaves_open(self, error: SymdiffError, instruction: Instruction) -> bool:
        """Whether an error may come of an input that is taken for a number as long as no call says what it is."""
        if isinstance(error, NeedsShape):
            self.needs = self.needs or Open.of(error)
            return True
        if not isinstance(error, ShapeError) or self.needs is None:
            return False
        count = _operands(instruction)
        return any(
            type(node) is int and (node == UNKNOWN or undeclared(self.graph, node))
            for node in self.nodes[len(self.nodes) - count :]
        )

    # Instructions

    def _replace(self, count: int, value: Any) -> None:
        del self.nodes[len(self.nodes) - count :]
        self.nodes.append(value)

    def _input(self, name: str, at: int) -> int:
        """The node of a name that is met for the first time: an input that was not declared."""
        graph = self.graph
        size = len(graph)
        node = self.variables[name] = self.free[name] = graph.input(name, tuple(self.shapes.get(name, ())))
        if graph.unshaped is not None and name not in self.shapes:
            graph.unshaped.add(name)
        if len(graph) > size:
            graph.places[node] = self.syntax.tokens.place(at)
        return node

    def _literal(self, text: str, at: int) -> int:
        """The constant of a number.

        Raises
        ------
        ParseError
            For a number that overflows.
        """
        place, graph = self.syntax.tokens.place(at), self.graph
        value = float(text)
        if value >= LARGEST.get(graph.dtype, math.inf):
            raise ParseError(f"this number overflows {graph.dtype}", hint="write inf for infinity", place=place)
        size = len(graph)
        node = self.literals[text] = graph.constant(value)
        if len(graph) > size:
            graph.places[node] = place
        return node

    def _checked(self, op: Any, at: int, a: int, b: int) -> int:
        """A power, or an operation of conditions, of the operands that it is for."""
        graph, tokens = self.graph, self.syntax.tokens
        if tokens.texts[at] == "^":
            mistakes.check_power(graph, a, b)
        elif op.result == "c":
            mistakes.check_conditions(graph, tokens, at, a, b)
        node = graph.apply(op, (a, b))
        if op is core.POW:
            self._check_tower(a, b, node)
        return node

    def _check_tower(self, a: int, b: int, node: int) -> None:
        """Refuse a power of numbers that overflows, as a literal that overflows is refused."""
        values, graph = self.powers, self.graph
        exponent = values[b] if b in values else graph.constant_value(b)
        base = (values[a] if a in values else graph.constant_value(a)) if exponent is not None else None
        if base is None or exponent is None:
            return
        try:
            values[node] = math.pow(base, exponent)
        except OverflowError:
            raise ParseError("a power of numbers that overflows float64", hint="write inf") from None
        except ValueError:  # NaN, or a pole: IEEE arithmetic says which
            return

    def _apply(self, how: int, what: Any, start: int) -> None:
        """Do what an instruction says; operands leave the stack when their value is there."""
        graph, nodes = self.graph, self.nodes
        if how == CALL:
            first = len(nodes) - what.values
            keywords: dict[str, Any] = {}
            if what.keywords:
                keywords.update(zip(what.keywords, nodes[first + what.positional :], strict=True))
            node = what.function.node(graph, nodes[first : first + what.positional], keywords)
            del nodes[first:]
            nodes.append(node)
        elif how == UNARY:
            nodes[-1] = graph.apply(what, (nodes[-1],))
        elif how == CONSTANT:
            known = self.constants.get(what)
            if known is None:
                if what not in CONSTANTS:
                    raise NeedsShape("the sizes in the header are known at each call only")
                known = self.constants[what] = graph.constant(CONSTANTS[what])
            nodes.append(known)
        elif how == PART:
            nodes.append(what)
        elif how == PLUS:
            nodes[-1] = graph.as_number(nodes[-1])
        elif how == COMPARE:
            self._replace(len(what) + 1, self._comparison(what))
        elif how == MATMUL:
            self._replace(2, matrix_product(graph, nodes[-2], nodes[-1]))
        elif how == CHOOSE:
            self._replace(3, graph.apply(core.WHERE, (nodes[-2], nodes[-3], nodes[-1])))
        elif how == LIST:
            self._replace(what, folded(graph, nodes[len(nodes) - what :]))
        elif how == PARTS:
            self._replace(what, tuple(nodes[len(nodes) - what :]))
        elif how == SUBSCRIPT:
            pieces, end = what
            self._subscript(pieces, end, start)
        elif how == ATTRIBUTE:
            nodes[-1] = attribute(graph, nodes[-1], what)
        else:
            assert how == PIECEWISE
            given = nodes[len(nodes) - 2 * what :]
            self._replace(2 * what, piecewise(graph, list(zip(given[::2], given[1::2], strict=True))))

    def _comparison(self, run: Sequence[Any]) -> int:
        """A chain of comparisons: each holds between its neighbours."""
        graph, nodes, count, result = self.graph, self.nodes, len(run), -1
        for k, compare in enumerate(run):
            holds = graph.apply(compare, (nodes[k - count - 1], nodes[k - count]))
            result = holds if k == 0 else graph.apply(core.LOGICAL_AND, (result, holds))
        return result

    def _subscript(self, pieces: Sequence[Any], end: int, start: int) -> None:
        """An element or a part of the value before the indices, which stands between two characters."""
        source, nodes = self.syntax.source, self.nodes
        count = sum(place is not None for piece in pieces for place in piece.places)
        first = len(nodes) - count
        parts = index_of(self.graph, pieces, nodes[first:], source)
        node = element_at_place(self.graph, nodes[first - 1], parts, Place(source, start, end))
        self._replace(count + 1, node)

    # Functions of the text

    def _arguments(self, helper: Helper, called: Called) -> tuple[tuple[int, ...], int]:
        """The arguments of a call in the order of the parameters, and how many values there are.

        Raises
        ------
        ParseError
            Where they are not those that the header lists.
        """
        given = self.nodes[len(self.nodes) - called.values :]
        keywords = dict(zip(called.keywords, given[called.positional :], strict=True))
        names = tuple([p.name for p in helper.parameters])
        return tuple(bind(helper.name, names, given[: called.positional], keywords)), called.values

    def _scope(self, helper: Helper, arguments: Sequence[int]) -> dict[str, int]:
        """What the names of the parameters stand for in a call.

        Raises
        ------
        ShapeError
            Where an argument has another shape than the header declares.
        """
        graph = self.graph
        scope: dict[str, int] = {}
        for parameter, node in zip(helper.parameters, arguments, strict=True):
            if node == UNKNOWN:
                scope.update(dict.fromkeys(parameter.inputs, UNKNOWN))
                continue
            shape = graph.types[node].shape
            if parameter.shape not in ((), shape):
                raise does_not_fit(
                    graph, (node,), f"{helper.name}: {parameter} is given a value of shape {show(shape)}"
                )
            if parameter.members is None:
                scope[parameter.name] = node
            else:
                places = zip(parameter.members, parameter.places, strict=True)
                scope.update((member, movement.element(graph, node, place)) for member, place in places)
        return scope


def _operands(instruction: Instruction) -> int:
    """How many values an instruction takes."""
    how, what = instruction[:2]
    if how in (NAME, PARAMETER, CONSTANT, LITERAL, PART):
        return 0
    if how in (UNARY, PLUS, ATTRIBUTE):
        return 1
    if how in (BINARY, MATMUL):
        return 2
    if how == CHOOSE:
        return 3
    if how == COMPARE:
        return len(what) + 1
    if how in (CALL, INLINE):
        return int(what.values)
    if how == SUBSCRIPT:
        return 1 + sum(place is not None for piece in what[0] for place in piece.places)
    return int(2 * what if how == PIECEWISE else what)
