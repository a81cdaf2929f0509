"""Inlining: calls of the functions that a text defines, whose bodies are read where they are called."""

from __future__ import annotations

from symdiff.frontend.brackets import INLINED, Calling, Inlined
from symdiff.frontend.lexer import Tokens
from symdiff.frontend.names import Helper
from symdiff.frontend.operators import Stacks
from symdiff.ir.graph import Graph


class Inlining(Stacks):
    """The stacks of an expression, with the function of the text whose body is being read, if one is.

    `scope` is what its parameters stand for; `varied` tells whether what was read depends on any input.
    """

    def __init__(self, tokens: Tokens, graph: Graph) -> None:
        super().__init__(tokens, graph)
        self.scope: dict[str, int] | None = None
        self.helper: Helper | None = None
        self.varied = False

    def enter_helper(self, top: Calling, helper: Helper, i: int) -> int:
        """Inline a call, which closes at a token: the token where the body starts, or -1 for a call that is known."""
        arguments = helper.bind(self.graph, self.nodes[top.values :], top.keywords)
        known = helper.calls.get(arguments)
        if known is not None:
            self.replace(top.values, known[0], self.tokens.starts[top.at], self.tokens.ends[i])
            self.varied = self.varied or known[1]
            self.open = self.brackets.pop()
            return -1
        scope = helper.scope(self.graph, arguments)
        del self.nodes[top.values :], self.starts[top.values :], self.ends[top.values :]
        self.open = Inlined(
            INLINED, top.at, top.base, top.values, None, arguments, i, self.helper, self.scope, self.varied
        )
        self.helper, self.scope, self.varied = helper, scope, False
        return helper.body

    def leave_helper(self) -> int:
        """End the body of a helper; the token after its call."""
        top = self.open
        assert isinstance(top, Inlined)
        assert self.helper is not None
        self.helper.calls[top.arguments] = self.nodes[-1], self.varied
        self.starts[-1], self.ends[-1] = self.tokens.starts[top.at], self.tokens.ends[top.closing]
        self.helper, self.scope, self.varied = top.helper, top.scope, self.varied or top.varied
        self.open = self.brackets.pop()
        return top.closing + 1
