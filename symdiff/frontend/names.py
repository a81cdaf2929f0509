"""The names that a text knows while it is read: inputs, lines, constants, literals and functions of its own."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from symdiff.budget import current, exceeded
from symdiff.errors import ParseError
from symdiff.frontend import mistakes
from symdiff.frontend.calls import is_function, look_up
from symdiff.frontend.lexer import Tokens
from symdiff.frontend.spellings import VALUES
from symdiff.frontend.statements import Statement
from symdiff.frontend.syntax import Helper
from symdiff.signature import Argument

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


class Names:
    """What the names in a text are.

    `variables` depend on the inputs and `constants` do not; `free` are undeclared inputs in the order of appearance.
    `settled` says that no more inputs are added: what is read now is part of nothing.
    """

    def __init__(
        self,
        tokens: Tokens,
        statements: Sequence[Statement],
        arguments: tuple[Argument, ...] | None,
        sizes: Collection[str],
    ) -> None:
        self.tokens = tokens
        self.statements = statements
        self.arguments = arguments
        self.variables: set[str] = set()
        self.literals: set[str] = set()
        self.helpers: dict[str, Helper] = {}
        self.free: dict[str, None] = {}
        self.later = {s.name for s in statements if s.name is not None and s.parameters is None}
        for argument in arguments or ():
            self.variables.update(argument.inputs)
            if argument.members and not argument.anonymous:
                self.variables.add(argument.name)
        self.sizes = {name for name in sizes if name not in self.variables}
        self.constants = set(self.sizes)
        self.inputs = set(self.variables)
        self.settled = False

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

    def bind(self, statement: Statement, varied: bool) -> None:
        """Bind the name of a line: a variable where its value depends on inputs."""
        assert statement.name is not None
        self.later.discard(statement.name)
        (self.variables if varied else self.constants).add(statement.name)

    def resolve(self, text: str, at: int) -> bool:
        """Find what a name, at a token, is that was not met yet; whether it is an input.

        Raises
        ------
        UnknownNameError
            Where the inputs are known and it is none of them.
        ParseError
            For a name that is bound further down, a function that is not called, and an `E` of unclear meaning.
        """
        tokens = self.tokens
        if text in self.later:
            raise ParseError(
                f"{text} is used above the line that binds it", hint="move its line up", place=tokens.place(at)
            )
        if text in CONSTANTS and (text != "E" or self.arguments is not None):
            self.constants.add(text)
            return False
        if text in ("None", "newaxis"):
            raise ParseError(
                f"{text} is no number",
                hint="write x[:, None] for a new axis, axis=None for all axes",
                place=tokens.place(at),
            )
        if look_up(text, tokens.definitions) is not None or text in self.helpers:
            mistakes.refuse_function_without_call(tokens, at)
        elif tokens.texts[at + 1] == "[":
            mistakes.refuse_brackets(tokens, at)
        if self.settled:
            return True
        if self.arguments is not None:
            known = {*self.variables, *self.later}
            raise mistakes.missing_names(tokens, self.statements, known, CONSTANTS, self.arguments, at)
        if text == "E" or text in VALUES:
            mistakes.refuse_unclear(tokens, at)
        self.variables.add(text)
        self.free[text] = None
        return True

    def literal(self, text: str, at: int) -> None:
        """Check a number, at a token.

        Raises
        ------
        LimitError
            For more digits than `Limits.digits`.
        ParseError
            For a number that has leading zeros.
        """
        if len(text) > current().digits:
            place = self.tokens.place(at)
            raise exceeded("digits", len(text), f"a number of {len(text):,} digits", place=place)
        if text[0] == "0" and len(text) > 1 and text.isdigit():
            hint = f"write {text.lstrip('0') or '0'}"
            raise ParseError("a number does not start with 0", hint=hint, place=self.tokens.place(at))
        self.literals.add(text)
