"""The names that a text knows while it is read: inputs, lines, constants, literals and functions of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from symdiff.budget import current, exceeded
from symdiff.errors import NeedsShape, ParseError, ShapeError
from symdiff.frontend import mistakes
from symdiff.frontend.calls import bind, is_function
from symdiff.frontend.constants import undeclared
from symdiff.frontend.lexer import Tokens
from symdiff.frontend.spellings import VALUES
from symdiff.frontend.statements import Statement
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.signature import Argument
from symdiff.types import BOOL, FLOAT32, Shape, show

CONSTANTS: dict[str, float | bool] = {
    "pi": math.pi,
    "inf": math.inf,
    "oo": math.inf,
    "nan": math.nan,
    "E": math.e,
    "True": True,
    "False": False,
    "EulerGamma": 0.5772156649015329,
    "Catalan": 0.915965594177219,
    "GoldenRatio": 1.618033988749895,
    "TribonacciConstant": 1.839286755214161,
}
"""Names with a value, unless they are declared."""

LARGEST = {FLOAT32: 3.4028235677973366e38}
"""The least number that overflows, where it is not that of float64."""


@dataclass(slots=True)
class Helper:
    """A function that the text defines with a header: inlined at each call, equal calls once.

    `calls` maps arguments to the result, and whether it depends on an input beside its arguments.
    """

    name: str
    parameters: tuple[Argument, ...]
    body: int
    calls: dict[tuple[int, ...], tuple[int, bool]] = field(default_factory=dict)

    def bind(self, graph: Graph, args: Sequence[int], keywords: Mapping[str, int]) -> tuple[int, ...]:
        """The arguments of a call in the order of the parameters.

        Raises
        ------
        ParseError
            Where they are not those that the header lists.
        """
        return tuple(bind(self.name, tuple(p.name for p in self.parameters), args, keywords))

    def scope(self, graph: Graph, bound: Sequence[int]) -> dict[str, int]:
        """What the names of the parameters stand for in a call.

        Raises
        ------
        ShapeError
            Where an argument has another shape than the header declares.
        """
        scope: dict[str, int] = {}
        for parameter, node in zip(self.parameters, bound, strict=True):
            shape = graph.types[node].shape
            if parameter.shape not in ((), shape):
                message = f"{self.name}: {parameter} is given a value of shape {show(shape)}"
                missing = undeclared(graph, node)
                raise NeedsShape(message, names=missing) if missing else ShapeError(message)
            if parameter.members is None:
                scope[parameter.name] = node
            else:
                places = zip(parameter.members, parameter.places, strict=True)
                scope.update((member, graph.element(node, place)) for member, place in places)
        return scope


class Names:
    """What the names in a text stand for.

    `variables` depend on the inputs and `constants` do not; `free` lists undeclared inputs in the order of appearance.
    """

    def __init__(
        self,
        tokens: Tokens,
        graph: Graph,
        statements: Sequence[Statement],
        arguments: tuple[Argument, ...] | None,
        shapes: Mapping[str, Shape],
        conditions: frozenset[str],
        sizes: Mapping[str, int],
    ) -> None:
        self.tokens = tokens
        self.graph = graph
        self.statements = statements
        self.arguments = arguments
        self.shapes = shapes
        self.variables: dict[str, int] = {}
        self.constants: dict[str, int] = {}
        self.literals: dict[str, int] = {}
        self.helpers: dict[str, Helper] = {}
        self.free: dict[str, int] = {}
        self.later = {s.name for s in statements if s.name is not None and s.parameters is None}
        for argument in arguments or ():
            self._declare(argument, conditions)
        self.sizes = {name: size for name, size in sizes.items() if name not in self.variables}
        self.constants.update((name, graph.constant(size)) for name, size in self.sizes.items())
        self.inputs = dict(self.variables)

    def _declare(self, argument: Argument, conditions: frozenset[str]) -> None:
        graph, variables = self.graph, self.variables
        if argument.members is None:
            dtype = BOOL if argument.name in conditions else None
            variables[argument.name] = graph.input(argument.name, argument.shape, dtype)
            return
        members = tuple(graph.input(member) for member in argument.members)
        variables.update(zip(argument.members, members, strict=True))
        if members and not argument.anonymous:
            variables[argument.name] = graph.reshape(graph.add(core.STACK, members), argument.shape)

    def check_unbound(self, statement: Statement) -> None:
        """Refuse a line that binds a name which is bound or in use.

        Raises
        ------
        ParseError
            The message says what the name is.
        """
        name, place = statement.name, self.tokens.place(statement.first)
        assert name is not None
        is_output = statement.parameters is not None and statement is self.statements[-1]
        if name in self.free:
            raise ParseError(f"{name} is used above the line that binds it", hint="move this line up", place=place)
        if name in self.helpers:
            what = "a function"
        elif name in self.inputs and not is_output:
            what = "an input"
        elif name in self.sizes:
            what = "a size"
        elif name in self.constants or (name in self.variables and name not in self.inputs):
            what = "bound"
        elif statement.parameters is not None and not is_output and is_function(name):
            raise ParseError(
                f"{name} is a function of the language", hint=f"write another name: {name}2(…) = …", place=place
            )
        else:
            return
        raise ParseError(
            f"{name} is {what} already; a name is bound once", hint=f"write another name: {name}2 = …", place=place
        )

    def define(self, statement: Statement) -> None:
        """Keep a header above the last line as a function of the text."""
        assert statement.name is not None
        assert statement.parameters is not None
        self.helpers[statement.name] = Helper(statement.name, statement.parameters, statement.body)

    def bind(self, statement: Statement, node: int, varied: bool) -> int:
        """Bind the name of a line; the node that the name stands for.

        A value that depends on inputs gets a node of its own, at which derivatives can be cut; others are constants.
        """
        name = statement.name
        assert name is not None
        self.later.discard(name)
        if not varied:
            self.constants[name] = node
            return node
        size = len(self.graph)
        node = self.variables[name] = self.graph.named(name, node)
        if len(self.graph) > size:
            self.graph.places[node] = self.tokens.place(statement.first, statement.last - 1)
        return node

    def resolve(self, text: str, at: int) -> int:
        """The node of a name, at a token, that is neither a variable nor a constant yet.

        Raises
        ------
        UnknownNameError
            Where the inputs are known and it is none of them.
        ParseError
            For a name that is bound further down, a function that is not called, and an `E` of unclear meaning.
        """
        tokens, graph = self.tokens, self.graph
        if text in self.later:
            raise ParseError(
                f"{text} is used above the line that binds it", hint="move its line up", place=tokens.place(at)
            )
        if text in CONSTANTS and (text != "E" or self.arguments is not None):
            node = self.constants[text] = graph.constant(CONSTANTS[text])
            return node
        if text in ("None", "newaxis"):
            raise ParseError(
                f"{text} is no number",
                hint="write x[:, None] for a new axis, axis=None for all axes",
                place=tokens.place(at),
            )
        if is_function(text) or text in self.helpers:
            mistakes.refuse_function_without_call(tokens, at)
        elif tokens.texts[at + 1] == "[":
            mistakes.refuse_brackets(tokens, at)
        if self.arguments is not None:
            known = {*self.variables, *self.later}
            raise mistakes.missing_names(tokens, self.statements, known, CONSTANTS, self.arguments, at)
        if text == "E" or text in VALUES:
            mistakes.refuse_unclear(tokens, at)
        size = len(graph)
        node = self.variables[text] = self.free[text] = graph.input(text, tuple(self.shapes.get(text, ())))
        if graph.unshaped is not None and text not in self.shapes:
            graph.unshaped.add(text)
        if len(graph) > size:
            graph.places[node] = tokens.place(at)
        return node

    def literal(self, text: str, at: int) -> int:
        """The constant of a number, at a token.

        Raises
        ------
        LimitError
            For more digits than `Limits.digits`.
        ParseError
            For a number that overflows or has leading zeros.
        """
        place, graph = self.tokens.place(at), self.graph
        if len(text) > current().digits:
            raise exceeded("digits", len(text), f"a number of {len(text):,} digits", place=place)
        if text[0] == "0" and len(text) > 1 and text.isdigit():
            raise ParseError("a number does not start with 0", hint=f"write {text.lstrip('0') or '0'}", place=place)
        value = float(text)
        if value >= LARGEST.get(graph.dtype, math.inf):
            raise ParseError(f"this number overflows {graph.dtype}", hint="write inf for infinity", place=place)
        size = len(graph)
        node = self.literals[text] = graph.constant(value)
        if len(graph) > size:
            graph.places[node] = place
        return node
