"""Reading one expression into instructions: operator precedence over explicit stacks. Nothing here recurses."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from symdiff.errors import ParseError, Place, SymdiffError
from symdiff.frontend import mistakes
from symdiff.frontend.attributes import ATTRIBUTES, METHODS
from symdiff.frontend.brackets import (
    CALLED,
    GROUP,
    INDEX,
    INLINED,
    LISTED,
    PAIR,
    PAIRS,
    TOP,
    TUPLE,
    Bracket,
    Calling,
    Indexing,
    Inlined,
    Pairs,
)
from symdiff.frontend.calls import LanguageFunction, look_up
from symdiff.frontend.lexer import CLOSE, OPEN, OPERATOR, TEXT
from symdiff.frontend.lexer import NAME as WORD
from symdiff.frontend.lexer import NUMBER as DIGITS
from symdiff.frontend.names import Names
from symdiff.frontend.operators import CHOICE, ELSE, IF, INFIX, PREFIX
from symdiff.frontend.syntax import (
    ATTRIBUTE,
    CALL,
    CHOOSE,
    COMPARE,
    CONSTANT,
    INLINE,
    LIST,
    LITERAL,
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
)
from symdiff.ops import Op

Pending = tuple[int, int, "Op | None", int]
"""An operator that waits for its operands: binding strength, how it is applied, the operation, its token."""

SEPARATED = frozenset((LISTED, CALLED, PAIRS, PAIR, TUPLE))
"""Where commas separate values."""

NOTHING = frozenset(("None", "newaxis"))
"""Names of no value, as an argument or an index, unless they are declared."""

PIECEWISE_NAME = "Piecewise"
PAIRS_HINT = "write Piecewise((x, x > 0), (-x, True))"


class Reader:
    """The machine that reads one expression.

    `starts` and `ends` are the places of the values that wait, `pending` the operators, `brackets` what is open around
    `open`. `at` is the token that an error without a place of its own is about. `scope` are the parameters of the
    function of the text whose body is being read, `helper`. `varied` tells whether what was read depends on an input.
    """

    def __init__(self, names: Names, hidden: bool) -> None:
        self.tokens, self.names, self.hidden = names.tokens, names, hidden
        self.code: Code = []
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.part_end = -1  # the end of the last tuple, text or None: it is none of the values
        self.pending: list[Pending] = []
        self.brackets: list[Bracket] = []
        self.open = Bracket(TOP, 0, 0, 0)
        self.at = 0
        self.scope: Container[str] | None = None
        self.helper: Helper | None = None
        self.varied = False

    def read(self, first: int) -> Code:
        """The code of the expression that starts at a token and ends with its line.

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
                    return self.code
        except SymdiffError as error:
            if error.place is None or error.place.derived:
                error.locate(self.tokens.place(self.at))
            raise

    def read_uncalled(self, helper: Helper) -> None:
        """Read the body of a function of the text that nothing calls: what is wrong in it is wrong."""
        self.helper, self.scope = helper, helper.names()
        self.read(helper.body)

    def _operand(self, i: int) -> int:
        """Read prefixes, opening brackets and one value; the token after it."""
        tokens, names, pending = self.tokens, self.names, self.pending
        kinds, texts = tokens.kinds, tokens.texts
        how: int
        what: Any
        while True:
            kind, text = kinds[i], texts[i]
            self.at = i
            if kind == WORD:
                following = texts[i + 1]
                if following == "(":
                    i = self._open_call(i)
                    continue
                if following == "=" and self._takes_keyword(i):
                    i += 2
                    continue
                if following == "." and text in mistakes.MODULES and text not in names.variables:
                    mistakes.refuse_module(tokens, i)
                what = text
                if self.scope is not None and text in self.scope:
                    how = PARAMETER
                elif text in names.variables:
                    how, self.varied = NAME, True
                elif text in names.constants:
                    how = CONSTANT
                elif text in NOTHING and self._is_part(i):
                    how, what = PART, None
                elif names.resolve(text, i):
                    how, self.varied = NAME, True
                else:
                    how = CONSTANT
                break
            if kind == DIGITS:
                how, what = LITERAL, text
                if text not in names.literals:
                    names.literal(text, i)
                break
            if kind == OPEN:
                inner = GROUP if text == "(" else LISTED
                if text == "(" and len(pending) == self.open.base:
                    inner = PAIR if self.open.kind == PAIRS else TUPLE if self._takes_parts(self.open) else GROUP
                self._enter(Bracket(inner, i, len(pending), len(self.ends)))
            elif kind == OPERATOR and text in PREFIX:
                power, how, op = PREFIX[text]
                if text == "not" and len(pending) > self.open.base and pending[-1][0] > power:
                    mistakes.refuse_not(tokens, i)
                pending.append((power, how, op, i))
            elif text == "..." and self.open.kind == INDEX and self._is_part(i):
                how, what = PART, Ellipsis
                break
            elif kind == TEXT and isinstance(self.open, Calling) and self.open.takes_texts() and self._is_part(i):
                how, what = PART, text[1:-1]
                break
            elif self._may_be_left_out(i):
                return i
            else:
                mistakes.refuse_operand(tokens, i)
            i += 1
        start, end = tokens.starts[i], tokens.ends[i]
        self.code.append((how, what, i, start, end))
        self.starts.append(start)
        self.ends.append(end)
        if how == PART:
            self.part_end = end
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
        return (
            texts[i - 1] == "," or (top.kind == CALLED and i == top.at + 2) or (top.kind == TUPLE and i == top.at + 1)
        )

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
                        self._reduce(least)
                    pending.append((power, how, op, i))
                elif text == "." and kinds[i + 1] == WORD:
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
                    self._reduce(0)
                body = self._close(i)
                if body >= 0:
                    return body
                i += 1
            elif kind == OPEN and text == "[":
                self._enter(Indexing(INDEX, i, len(pending), len(self.ends)))
                return i + 1
            elif kind in (WORD, DIGITS, OPEN):
                mistakes.refuse_juxtaposition(tokens, i, self.starts[-1])
            else:
                self._reduce(0)
                if self.open.kind == TOP:
                    return -1
                i = self._leave_helper()

    # Operators

    def _reduce(self, power: int) -> None:
        """Apply the pending operators of the open bracket that bind at least as tightly as `power`."""
        pending, starts, ends, code, base = self.pending, self.starts, self.ends, self.code, self.open.base
        while len(pending) > base and pending[-1][0] >= power:
            _, how, op, at = pending.pop()
            self.at = at
            what: Any = op
            if how in (UNARY, PLUS):
                starts[-1] = self.tokens.starts[at]
            else:
                count = 2
                if how == COMPARE:
                    what = self._chain(op)
                    count = len(what) + 1
                elif how == ELSE:
                    how, count = CHOOSE, 3
                elif how == IF:
                    raise ParseError("this if has no else", hint="write a if c else b")
                end = ends[-1]
                del starts[1 - count :], ends[1 - count :]
                ends[-1] = end
            code.append((how, what, at, starts[-1], ends[-1]))

    def _chain(self, op: Op | None) -> tuple[Op, ...]:
        """A chain of comparisons, all but the last of them still pending: each holds between its neighbours."""
        pending, base = self.pending, self.open.base
        run = [op]
        while len(pending) > base and pending[-1][1] == COMPARE:
            run.append(pending.pop()[2])
        return tuple([compare for compare in reversed(run) if compare is not None])

    def _separate(self, i: int, text: str) -> None:
        """A comma, a colon, `if` or `else` at a token."""
        tokens, pending, top = self.tokens, self.pending, self.open
        if text == "," and top.kind in SEPARATED:
            self._reduce(0)
            if isinstance(top, Calling):
                self._end_argument(top)
        elif text in (",", ":") and isinstance(top, Indexing):
            self._reduce(0)
            self._end_index(top, text, i)
        elif text == "if":
            self._reduce(CHOICE + 1)
            if len(pending) > top.base and pending[-1][1] == IF:
                raise ParseError(
                    "a condition that is itself a choice needs brackets",
                    hint="write a if (b if c else d) else e",
                    place=tokens.place(i),
                )
            pending.append((0, IF, None, i))
        elif text == "else":
            self._reduce(1)
            if len(pending) == top.base or pending[-1][1] != IF:
                raise ParseError("this else has no if", hint="write a if c else b", place=tokens.place(i))
            pending[-1] = (CHOICE, ELSE, None, pending[-1][3])
        else:
            mistakes.refuse_operator(tokens, i, self.starts[-1] if self.starts else 0)

    # Brackets

    def _enter(self, bracket: Bracket) -> None:
        """Open a bracket."""
        self.brackets.append(self.open)
        self.open = bracket

    def _open_call(self, i: int) -> int:
        """Open the call of the function at a token; the token after its parenthesis."""
        names, text = self.names, self.tokens.texts[i]
        if text in names.helpers and self.helper is not None and names.helpers[text].body >= self.helper.body:
            raise ParseError(
                f"{text} is not defined above {self.helper.name}, which calls it",
                hint="define it further up; a function cannot call itself",
            )
        if text == PIECEWISE_NAME:
            self._enter(Pairs(PAIRS, i, len(self.pending), len(self.ends)))
            return i + 2
        helper = names.helpers.get(text)
        entry = look_up(text, self.tokens.definitions, self.hidden) if helper is None else None
        if entry is None and helper is None:
            mistakes.refuse_call(self.tokens, i, names.variables, names.constants, self.scope)
        start = self.tokens.starts[i]
        self._enter(Calling(CALLED, i, len(self.pending), len(self.ends), entry=entry, start=start))
        return i + 2

    def _attribute(self, i: int) -> int:
        """Apply the attribute at a point to the value before it; of a method, the token where its arguments start."""
        texts = self.tokens.texts
        name = texts[i + 1]
        self.at = i + 1
        if texts[i + 2] == "(" and name in METHODS:
            place = i + 1, len(self.pending), len(self.ends) - 1
            self._enter(Calling(CALLED, *place, entry=look_up(name), positional=1, start=self.starts[-1]))
            return i + 3
        if texts[i + 2] == "(" or name not in ATTRIBUTES:
            mistakes.refuse_operator(self.tokens, i, self.starts[-1])
        self.ends[-1] = self.tokens.ends[i + 1]
        self.code.append((ATTRIBUTE, name, i + 1, self.starts[-1], self.ends[-1]))
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
        """Note that an argument is complete."""
        count = len(self.ends) - top.values - len(top.keywords)
        if top.keyword is not None:
            top.keywords.append(top.keyword)
            top.keyword = None
        elif top.keywords and count > top.positional:
            raise ParseError(
                "an argument without a name follows one with a name",
                hint="write it first",
                place=Place(self.tokens.source, self.starts[-1], self.ends[-1]),
            )
        else:
            top.positional = count

    def _end_index(self, top: Indexing, closed_by: str, i: int) -> None:
        """Note a part of the open subscript."""
        self.at = i
        given = len(self.ends) > top.values + top.given
        top.piece((self.starts[-1], self.ends[-1]) if given else None, closed_by)

    def _close(self, i: int) -> int:
        """Close the open bracket at a token; -1, or for the first call of a helper the token where its body starts."""
        tokens, top, starts, ends = self.tokens, self.open, self.starts, self.ends
        end, values = tokens.ends[i], top.values
        start, count = tokens.starts[top.at], len(ends) - top.values
        if top.kind == GROUP or (top.kind == TUPLE and count == 1 and tokens.texts[i - 1] != ","):
            if ends[-1] == self.part_end:
                if tokens.texts[i + 1] not in (",", ")"):
                    raise ParseError("a tuple stands alone as an argument", hint="write [a, b] for a vector")
                self.part_end = end
            starts[-1], ends[-1] = start, end
            self.open = self.brackets.pop()
            return -1
        self.at = top.at
        how: int
        what: Any = count
        if isinstance(top, Calling):
            self._end_argument(top)
            helper = self.names.helpers[tokens.texts[top.at]] if top.entry is None else None
            if helper is not None and helper.code is None:
                return self._enter_helper(top, helper, i)
            self._called(top, top.entry or helper, end)
            return -1
        if isinstance(top, Indexing):
            self._end_index(top, "]", i)
            self.at = top.at
            values -= 1
            start = starts[values]
            how, what = SUBSCRIPT, (tuple(top.parts), ends[values])
        elif top.kind == LISTED:
            if not count:
                raise ParseError("an empty list", hint="write its elements, [a, b]")
            outer = self.brackets[-1]
            is_part = self._takes_parts(outer) and len(self.pending) == outer.base and tokens.texts[i + 1] in (",", ")")
            how = PARTS if is_part else LIST
        elif top.kind == TUPLE:
            if tokens.texts[i + 1] not in (",", ")"):
                raise ParseError("a tuple stands alone as an argument", hint="write [a, b] for a vector")
            how = PARTS
        elif top.kind == PAIR:
            outer = self.brackets[-1]
            assert isinstance(outer, Pairs)
            if count != 2 or tokens.texts[i + 1] not in (",", ")"):
                raise ParseError(
                    "Piecewise takes pairs (expression, condition)", hint=PAIRS_HINT, place=tokens.place(top.at)
                )
            outer.count += 1
            self.open = self.brackets.pop()
            return -1
        else:
            assert isinstance(top, Pairs)
            if not top.count or count != 2 * top.count:
                raise ParseError("Piecewise takes pairs (expression, condition)", hint=PAIRS_HINT)
            how, what = PIECEWISE, top.count
        if how == PARTS:
            self.part_end = end
        self._replace(values, start, end)
        self.code.append((how, what, top.at, start, end))
        self.open = self.brackets.pop()
        return -1

    def _replace(self, values: int, start: int, end: int) -> None:
        """Put one value in the place of all above the first `values`."""
        del self.starts[values:], self.ends[values:]
        self.starts.append(start)
        self.ends.append(end)

    # Functions of the text

    def _called(self, top: Calling, function: LanguageFunction | Helper | None, end: int) -> None:
        """End a call whose arguments are complete."""
        inlines = isinstance(function, Helper)
        start = self.tokens.starts[top.at] if inlines else top.start
        self._replace(top.values, start, end)
        called = Called(function, top.positional, tuple(top.keywords), top.positional + len(top.keywords))
        self.code.append((INLINE if inlines else CALL, called, top.at, start, end))
        if isinstance(function, Helper):
            self.varied = self.varied or function.varied
        self.open = self.brackets.pop()

    def _enter_helper(self, top: Calling, helper: Helper, i: int) -> int:
        """Turn to the body of a function of the text at its first call; the token where it starts."""
        inner = Inlined(INLINED, top.at, len(self.pending), len(self.ends), top, i)
        inner.helper, inner.scope, inner.varied, inner.code = self.helper, self.scope, self.varied, self.code
        self.open = inner
        self.helper, self.scope, self.varied, self.code = helper, helper.names(), False, []
        return helper.body

    def _leave_helper(self) -> int:
        """End the body of a helper; the token after its call."""
        top, helper = self.open, self.helper
        assert isinstance(top, Inlined)
        assert top.call is not None
        assert helper is not None
        helper.code, helper.varied = self.code, self.varied
        del self.starts[top.values :], self.ends[top.values :]
        self.helper, self.scope, self.varied, self.code = top.helper, top.scope, top.varied, top.code
        self.at = top.at
        self._called(top.call, helper, self.tokens.ends[top.closing])
        return top.closing + 1
