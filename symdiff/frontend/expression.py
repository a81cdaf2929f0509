"""Reading one expression: operator precedence over explicit stacks, straight into the graph. Nothing here recurses."""

from __future__ import annotations

from symdiff.errors import ParseError, Place, SymdiffError
from symdiff.frontend import mistakes
from symdiff.frontend.brackets import CALL, GROUP, INDEX, INLINED, LIST, PAIR, PAIRS, TOP, Bracket, Call, Inlined, Pairs
from symdiff.frontend.calls import call, is_function, piecewise
from symdiff.frontend.lexer import CLOSE, NAME, NUMBER, OPEN, OPERATOR
from symdiff.frontend.names import Helper, Names
from symdiff.frontend.operators import CHOICE, ELSE, IF, INFIX, PREFIX, Stacks
from symdiff.frontend.subscripts import Subscript, element
from symdiff.ops import OPS

SEPARATED = frozenset((LIST, CALL, PAIRS, PAIR))
"""Where commas separate values."""

PIECEWISE = "Piecewise"
PAIRS_HINT = "write Piecewise((x, x > 0), (-x, True))"


class Reader(Stacks):
    """The machine that reads one expression.

    `varied` tells afterwards whether the expression depends on any input.
    """

    def __init__(self, names: Names, hidden: bool) -> None:
        super().__init__(names.tokens, names.graph)
        self.names = names
        self.hidden = hidden
        self.scope: dict[str, int] | None = None
        self.helper: Helper | None = None
        self.varied = False

    def read(self, first: int) -> int:
        """The node of the expression that starts at a token and ends with its line.

        Raises
        ------
        SymdiffError
            Where there is no such expression, located in the text.
        """
        try:
            at = first
            while True:
                at = self._after_operand(self._operand(at))
                if at < 0:
                    return self.nodes[-1]
        except SymdiffError as error:
            if error.place is None:
                error.locate(self.tokens.place(self.at))
            raise

    def _operand(self, i: int) -> int:
        """Read prefixes, opening brackets and one value; the token after it."""
        tokens, names, pending = self.tokens, self.names, self.pending
        kinds, texts = tokens.kinds, tokens.texts
        while True:
            kind, text = kinds[i], texts[i]
            self.at = i
            if kind == NAME:
                following = texts[i + 1]
                if following == "(":
                    i = self._open_call(i)
                    continue
                if following == "=" and self._takes_keyword(i):
                    i += 2
                    continue
                node = names.variables.get(text)
                if self.scope is not None and text in self.scope:
                    node = self.scope[text]
                elif node is not None:
                    self.varied = True
                else:
                    node = names.constants.get(text)
                    if node is None:
                        node = names.resolve(text, i)
                        if text in names.variables:
                            self.varied = True
                break
            if kind == NUMBER:
                node = names.literals.get(text)
                if node is None:
                    node = names.literal(text, i)
                break
            if kind == OPEN:
                inner = GROUP if text == "(" else LIST
                if self.open.kind == PAIRS and text == "(" and len(pending) == self.open.base:
                    inner = PAIR
                self.enter(Bracket(inner, i, len(pending), len(self.nodes)))
            elif kind == OPERATOR and text in PREFIX:
                power, how, op = PREFIX[text]
                if text == "not" and len(pending) > self.open.base and pending[-1][0] > power:
                    mistakes.refuse_not(tokens, i)
                pending.append((power, how, op, i))
            elif self._may_be_left_out(i):
                return i
            else:
                mistakes.refuse_operand(tokens, i)
            i += 1
        self.nodes.append(node)
        self.starts.append(tokens.starts[i])
        self.ends.append(tokens.ends[i])
        return i + 1

    def _may_be_left_out(self, i: int) -> bool:
        """Whether there may be no value before a token: in slices, after a last comma, in a call of nothing."""
        texts, top = self.tokens.texts, self.open
        if len(self.pending) > top.base:
            return False
        if top.kind == INDEX:
            return texts[i] in (":", ",", "]")
        if self.tokens.kinds[i] != CLOSE or top.kind not in SEPARATED:
            return False
        return texts[i - 1] == "," or (top.kind == CALL and i == top.at + 2)

    def _after_operand(self, i: int) -> int:
        """Read operators and closing brackets up to where a value is expected; -1 at the end of the expression."""
        tokens, pending = self.tokens, self.pending
        kinds, texts = tokens.kinds, tokens.texts
        while True:
            kind, text = kinds[i], texts[i]
            if kind == OPERATOR:
                entry = INFIX.get(text)
                if entry is not None:
                    least, power, how, op = entry
                    if len(pending) > self.open.base and pending[-1][0] >= least:
                        self.reduce(least)
                    pending.append((power, how, op, i))
                else:
                    self._separate(i, text)
                return i + 1
            if kind == CLOSE:
                if len(pending) > self.open.base:
                    self.reduce(0)
                body = self._close(i)
                if body >= 0:
                    return body
                i += 1
            elif kind == OPEN and text == "[":
                self.enter(Bracket(INDEX, i, len(pending), len(self.nodes), Subscript()))
                return i + 1
            elif kind in (NAME, NUMBER, OPEN):
                mistakes.refuse_juxtaposition(tokens, i, self.starts[-1])
            else:
                self.reduce(0)
                if self.open.kind == TOP:
                    return -1
                i = self._leave_helper()

    def _separate(self, i: int, text: str) -> None:
        """A comma, a colon, `if` or `else` at a token."""
        tokens, pending, top = self.tokens, self.pending, self.open
        if text == "," and top.kind in SEPARATED:
            self.reduce(0)
            if isinstance(top, Call):
                self._end_argument(top)
        elif text in (",", ":") and top.kind == INDEX:
            self.reduce(0)
            self._end_index(top, text, i)
        elif text == "if":
            self.reduce(CHOICE + 1)
            if len(pending) > top.base and pending[-1][1] == IF:
                raise ParseError("a condition that is itself a choice needs brackets",
                                 hint="write a if (b if c else d) else e", place=tokens.place(i))  # fmt: skip
            pending.append((0, IF, None, i))
        elif text == "else":
            self.reduce(1)
            if len(pending) == top.base or pending[-1][1] != IF:
                raise ParseError("this else has no if", hint="write a if c else b", place=tokens.place(i))
            pending[-1] = (CHOICE, ELSE, None, pending[-1][3])
        else:
            mistakes.refuse_operator(tokens, i, self.starts[-1] if self.starts else 0)

    # Brackets

    def _open_call(self, i: int) -> int:
        """Open the call of the function at a token; the token after its parenthesis."""
        names, text = self.names, self.tokens.texts[i]
        if text in names.helpers and self.helper is not None and names.helpers[text].body >= self.helper.body:
            raise ParseError(f"{text} is not defined above {self.helper.name}, which calls it",
                             hint="define it further up; a function cannot call itself")  # fmt: skip
        if text == PIECEWISE:
            self.enter(Pairs(PAIRS, i, len(self.pending), len(self.nodes)))
        elif text in names.helpers or is_function(text) or (self.hidden and text in OPS):
            self.enter(Call(CALL, i, len(self.pending), len(self.nodes)))
        else:
            mistakes.refuse_call(self.tokens, i, names.variables, names.constants, self.scope)
        return i + 2

    def _takes_keyword(self, i: int) -> bool:
        """Whether the name at a token, before an `=`, starts an argument of the open call; if so it is noted."""
        top, text = self.open, self.tokens.texts[i]
        if not isinstance(top, Call) or len(self.pending) > top.base or self.tokens.texts[i - 1] not in ("(", ","):
            return False
        if text in top.keywords:
            raise ParseError(f"{text} is given twice", hint="remove one of them")
        top.keyword = text
        return True

    def _end_argument(self, top: Call) -> None:
        """Note that an argument is complete; those with names leave the stack of values."""
        count = len(self.nodes) - top.values
        if top.keyword is not None:
            top.keywords[top.keyword] = self.nodes.pop()
            self.starts.pop()
            self.ends.pop()
            top.keyword = None
        elif top.keywords and count > top.positional:
            raise ParseError("an argument without a name follows one with a name", hint="write it first",
                             place=Place(self.tokens.source, self.starts[-1], self.ends[-1]))  # fmt: skip
        else:
            top.positional = count

    def _end_index(self, top: Bracket, closed_by: str, i: int) -> None:
        """Note a part of the open subscript."""
        assert top.subscript is not None
        self.at = i
        node = place = None
        if len(self.nodes) > top.values:
            node, place = self.nodes.pop(), Place(self.tokens.source, self.starts.pop(), self.ends.pop())
        top.subscript.piece(self.graph, node, place, closed_by)

    def _close(self, i: int) -> int:
        """Close the open bracket at a token; -1, or for a call of a helper the token where its body starts."""
        tokens, graph, top = self.tokens, self.graph, self.open
        nodes, starts, ends = self.nodes, self.starts, self.ends
        end, size, values = tokens.ends[i], len(graph.ops), top.values
        start = tokens.starts[top.at]
        if top.kind == GROUP:
            starts[-1], ends[-1] = start, end
            self.open = self.brackets.pop()
            return -1
        self.at = top.at
        if isinstance(top, Call):
            self._end_argument(top)
            helper = self.names.helpers.get(tokens.texts[top.at])
            if helper is not None:
                return self._enter_helper(top, helper, i)
            node = call(graph, tokens.texts[top.at], nodes[values:], top.keywords, self.hidden)
        elif top.kind == INDEX:
            self._end_index(top, "]", i)
            self.at = top.at
            values -= 1
            start = starts[-1]
            assert top.subscript is not None
            place = Place(tokens.source, start, ends[-1])
            node = element(graph, nodes[-1], tuple(top.subscript.parts), place)
        elif top.kind == LIST:
            if len(nodes) == values:
                raise ParseError("an empty list", hint="write its elements, [a, b]")
            node = graph.apply("stack", nodes[values:])
        elif top.kind == PAIR:
            outer = self.brackets[-1]
            assert isinstance(outer, Pairs)
            if len(nodes) != values + 2 or tokens.texts[i + 1] not in (",", ")"):
                raise ParseError("Piecewise takes pairs (expression, condition)", hint=PAIRS_HINT,
                                 place=tokens.place(top.at))  # fmt: skip
            outer.pairs.append((nodes[-2], nodes[-1]))
            node = nodes[-2]
        else:
            assert isinstance(top, Pairs)
            if not top.pairs or len(nodes) != values + len(top.pairs):
                raise ParseError("Piecewise takes pairs (expression, condition)", hint=PAIRS_HINT)
            node = piecewise(graph, top.pairs)
        self.replace(values, node, start, end)
        if len(graph.ops) > size:
            self.note(size, start, end)
        self.open = self.brackets.pop()
        return -1

    def _enter_helper(self, top: Call, helper: Helper, i: int) -> int:
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

    def _leave_helper(self) -> int:
        """End the body of a helper; the token after its call."""
        top = self.open
        assert isinstance(top, Inlined)
        assert self.helper is not None
        self.helper.calls[top.arguments] = self.nodes[-1], self.varied
        self.starts[-1], self.ends[-1] = self.tokens.starts[top.at], self.tokens.ends[top.closing]
        self.helper, self.scope, self.varied = top.helper, top.scope, self.varied or top.varied
        self.open = self.brackets.pop()
        return top.closing + 1
