"""Reading one expression: operator precedence over explicit stacks, straight into the graph. Nothing here recurses."""

from __future__ import annotations

from typing import Any

from symdiff.errors import ParseError, Place, SymdiffError
from symdiff.frontend import mistakes
from symdiff.frontend.attributes import ATTRIBUTES, METHODS, attribute
from symdiff.frontend.brackets import (
    CALL,
    GROUP,
    INDEX,
    LIST,
    PAIR,
    PAIRS,
    TOP,
    TUPLE,
    Bracket,
    Calling,
    Pairs,
)
from symdiff.frontend.calls import FUNCTIONS, find, piecewise
from symdiff.frontend.constants import folded
from symdiff.frontend.inlining import Inlining
from symdiff.frontend.lexer import CLOSE, NAME, NUMBER, OPEN, OPERATOR, TEXT
from symdiff.frontend.names import Names
from symdiff.frontend.operators import CHOICE, ELSE, IF, INFIX, PREFIX
from symdiff.frontend.subscripts import Subscript, element

SEPARATED = frozenset((LIST, CALL, PAIRS, PAIR, TUPLE))
"""Where commas separate values."""

NOTHING = frozenset(("None", "newaxis"))
"""Names of no value, as an argument or an index, unless they are declared."""

PIECEWISE = "Piecewise"
PAIRS_HINT = "write Piecewise((x, x > 0), (-x, True))"


class Reader(Inlining):
    """The machine that reads one expression.

    `varied` tells afterwards whether the expression depends on any input.
    """

    def __init__(self, names: Names, hidden: bool) -> None:
        super().__init__(names.tokens, names.graph)
        self.names = names
        self.hidden = hidden

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
                    return int(self.nodes[-1])
        except SymdiffError as error:
            if error.place is None or error.place.derived:
                error.locate(self.tokens.place(self.at))
            raise

    def _operand(self, i: int) -> int:
        """Read prefixes, opening brackets and one value; the token after it."""
        tokens, names, pending = self.tokens, self.names, self.pending
        kinds, texts = tokens.kinds, tokens.texts
        node: Any
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
                if following == "." and text in mistakes.MODULES and text not in names.variables:
                    mistakes.refuse_module(tokens, i)
                node = names.variables.get(text)
                if self.scope is not None and text in self.scope:
                    node = self.scope[text]
                elif node is not None:
                    self.varied = True
                else:
                    node = names.constants.get(text)
                    if node is None:
                        if text in NOTHING and self._is_part(i):
                            break
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
                if text == "(" and len(pending) == self.open.base:
                    inner = PAIR if self.open.kind == PAIRS else TUPLE if self._takes_parts(self.open) else GROUP
                self.enter(Bracket(inner, i, len(pending), len(self.nodes)))
            elif kind == OPERATOR and text in PREFIX:
                power, how, op = PREFIX[text]
                if text == "not" and len(pending) > self.open.base and pending[-1][0] > power:
                    mistakes.refuse_not(tokens, i)
                pending.append((power, how, op, i))
            elif text == "..." and self.open.kind == INDEX and self._is_part(i):
                node = Ellipsis
                break
            elif kind == TEXT and isinstance(self.open, Calling) and self.open.takes_texts() and self._is_part(i):
                node = text[1:-1]
                break
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
        return texts[i - 1] == "," or (top.kind == CALL and i == top.at + 2) or (top.kind == TUPLE and i == top.at + 1)

    def _takes_parts(self, top: Bracket) -> bool:
        """Whether what is open takes tuples and None: a call of some functions, or a tuple in one."""
        return top.kind == TUPLE or (isinstance(top, Calling) and top.takes_parts())

    def _is_part(self, i: int) -> bool:
        """Whether a token stands where an argument or an index may be no value, and is all of it."""
        top = self.open
        return (
            len(self.pending) == top.base
            and self.tokens.texts[i + 1] in (",", ")", "]")
            and (top.kind == INDEX or self._takes_parts(top))
        )

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
                elif text == "." and kinds[i + 1] == NAME:
                    following = self._attribute(i)
                    if following:
                        return following
                    i += 2
                    continue
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
                i = self.leave_helper()

    def _separate(self, i: int, text: str) -> None:
        """A comma, a colon, `if` or `else` at a token."""
        tokens, pending, top = self.tokens, self.pending, self.open
        if text == "," and top.kind in SEPARATED:
            self.reduce(0)
            if isinstance(top, Calling):
                self._end_argument(top)
        elif text in (",", ":") and top.kind == INDEX:
            self.reduce(0)
            self._end_index(top, text, i)
        elif text == "if":
            self.reduce(CHOICE + 1)
            if len(pending) > top.base and pending[-1][1] == IF:
                raise ParseError(
                    "a condition that is itself a choice needs brackets",
                    hint="write a if (b if c else d) else e",
                    place=tokens.place(i),
                )
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
            raise ParseError(
                f"{text} is not defined above {self.helper.name}, which calls it",
                hint="define it further up; a function cannot call itself",
            )
        if text == PIECEWISE:
            self.enter(Pairs(PAIRS, i, len(self.pending), len(self.nodes)))
            return i + 2
        helper = names.helpers.get(text)
        entry = find(text, self.hidden) if helper is None else None
        if entry is None and helper is None:
            mistakes.refuse_call(self.tokens, i, names.variables, names.constants, self.scope)
        self.enter(Calling(CALL, i, len(self.pending), len(self.nodes), entry=entry, start=self.tokens.starts[i]))
        return i + 2

    def _attribute(self, i: int) -> int:
        """Apply the attribute at a point to the value before it; of a method, the token where its arguments start."""
        texts = self.tokens.texts
        name = texts[i + 1]
        self.at = i + 1
        if texts[i + 2] == "(" and name in METHODS:
            place = i + 1, len(self.pending), len(self.nodes) - 1
            self.enter(Calling(CALL, *place, entry=FUNCTIONS[name], positional=1, start=self.starts[-1]))
            return i + 3
        if texts[i + 2] == "(" or name not in ATTRIBUTES:
            mistakes.refuse_operator(self.tokens, i, self.starts[-1])
        size = len(self.graph.ops)
        self.nodes[-1] = attribute(self.graph, self.nodes[-1], name)
        self.ends[-1] = self.tokens.ends[i + 1]
        if len(self.graph.ops) > size:
            self.note(size, self.starts[-1], self.ends[-1])
        return 0

    def _takes_keyword(self, i: int) -> bool:
        """Whether the name at a token, before an `=`, starts an argument of the open call; if so it is noted."""
        top, text = self.open, self.tokens.texts[i]
        if not isinstance(top, Calling) or len(self.pending) > top.base or self.tokens.texts[i - 1] not in ("(", ","):
            return False
        if text in top.keywords:
            raise ParseError(f"{text} is given twice", hint="remove one of them")
        top.keyword = text
        return True

    def _end_argument(self, top: Calling) -> None:
        """Note that an argument is complete; those with names leave the stack of values."""
        count = len(self.nodes) - top.values
        if top.keyword is not None:
            top.keywords[top.keyword] = self.nodes.pop()
            self.starts.pop()
            self.ends.pop()
            top.keyword = None
        elif top.keywords and count > top.positional:
            raise ParseError(
                "an argument without a name follows one with a name",
                hint="write it first",
                place=Place(self.tokens.source, self.starts[-1], self.ends[-1]),
            )
        else:
            top.positional = count

    def _end_index(self, top: Bracket, closed_by: str, i: int) -> None:
        """Note a part of the open subscript."""
        assert top.subscript is not None
        self.at = i
        value = place = None
        given = len(self.nodes) > top.values
        if given:
            value, place = self.nodes.pop(), Place(self.tokens.source, self.starts.pop(), self.ends.pop())
        top.subscript.piece(self.graph, value, given, place, closed_by)

    def _close(self, i: int) -> int:
        """Close the open bracket at a token; -1, or for a call of a helper the token where its body starts."""
        tokens, graph, top = self.tokens, self.graph, self.open
        nodes, starts, ends = self.nodes, self.starts, self.ends
        end, size, values = tokens.ends[i], len(graph.ops), top.values
        node: Any
        start = tokens.starts[top.at]
        if top.kind == GROUP or (top.kind == TUPLE and len(nodes) == values + 1 and tokens.texts[i - 1] != ","):
            if not isinstance(nodes[-1], int) and tokens.texts[i + 1] not in (",", ")"):
                raise ParseError("a tuple stands alone as an argument", hint="write [a, b] for a vector")
            starts[-1], ends[-1] = start, end
            self.open = self.brackets.pop()
            return -1
        self.at = top.at
        if isinstance(top, Calling):
            self._end_argument(top)
            if top.entry is None:
                return self.enter_helper(top, self.names.helpers[tokens.texts[top.at]], i)
            start = top.start
            node = top.entry.node(graph, nodes[values:], top.keywords)
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
            outer = self.brackets[-1]
            is_part = self._takes_parts(outer) and len(self.pending) == outer.base and tokens.texts[i + 1] in (",", ")")
            node = tuple(nodes[values:]) if is_part else folded(graph, nodes[values:])
        elif top.kind == TUPLE:
            if tokens.texts[i + 1] not in (",", ")"):
                raise ParseError("a tuple stands alone as an argument", hint="write [a, b] for a vector")
            node = tuple(nodes[values:])
        elif top.kind == PAIR:
            outer = self.brackets[-1]
            assert isinstance(outer, Pairs)
            if len(nodes) != values + 2 or tokens.texts[i + 1] not in (",", ")"):
                raise ParseError(
                    "Piecewise takes pairs (expression, condition)", hint=PAIRS_HINT, place=tokens.place(top.at)
                )
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
