"""What people write that is not in the language, and the text they are told to type instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Container, Iterable, Sequence
from typing import NoReturn

from symdiff.errors import ParseError, Place, ShapeError, UnknownNameError, nearest
from symdiff.frontend import spellings
from symdiff.frontend.calls import is_function, look_up, unknown_function
from symdiff.frontend.lexer import CLOSE, END, NAME, NEWLINE, NUMBER, OPEN, OPERATOR, RESERVED, TEXT, Tokens
from symdiff.frontend.statements import Statement, scalars
from symdiff.ir.graph import Graph
from symdiff.signature import Argument
from symdiff.types import BOOL

SHOWN = 40
"""How long a piece of the user's text may be to be repeated in a hint."""


def _is_function(tokens: Tokens, name: str) -> bool:
    """Whether a text can call a name."""
    return look_up(name, tokens.definitions) is not None


def _operand_end(tokens: Tokens, at: int) -> int:
    """The last token of the name, number, call or bracket that starts at a token."""
    if tokens.kinds[at] == NAME and tokens.texts[at + 1] == "(":
        at += 1
    return tokens.closing(at) if tokens.kinds[at] == OPEN else at


def _operand(tokens: Tokens, at: int) -> str:
    """The text of the name, number, call or bracket that starts at a token."""
    text = tokens.spelled(at, _operand_end(tokens, at))
    return text if len(text) <= SHOWN else "(…)"


def _without_brackets(tokens: Tokens, at: int) -> str:
    text = _operand(tokens, at)
    return text[1:-1] if text[0] == "(" else text


def _ends_operand(tokens: Tokens, at: int) -> bool:
    return tokens.kinds[at] in (NAME, NUMBER, CLOSE)


def _starts_operand(tokens: Tokens, at: int) -> bool:
    return tokens.kinds[at] in (NAME, NUMBER) or tokens.texts[at] == "("


def refuse_function_without_call(tokens: Tokens, at: int) -> None:
    """Raise where the name of a function, at a token, is written as mathematicians do: sin x, sin^2(x), exp[x]."""
    kinds, texts = tokens.kinds, tokens.texts
    name, after = texts[at], at + 1
    if texts[after] == "[":
        argument = tokens.spelled(after, tokens.closing(after))[1:-1]
        argument = argument if len(argument) <= SHOWN else "…"
        raise ParseError(
            f"{name} is a function", hint=f"write {name}({argument})", place=tokens.place(at, tokens.closing(after))
        )
    if kinds[after] in (NAME, NUMBER):
        raise ParseError(
            f"{name} is a function", hint=f"write {name}({_operand(tokens, after)})", place=tokens.place(at, after)
        )
    power = after + 1
    if (
        texts[after] in ("^", "**")
        and texts[power] == "-"
        and texts[power + 1] == "1"
        and (_starts_operand(tokens, power + 2))
    ):
        argument = _without_brackets(tokens, power + 2)
        inverse = spellings.inverse_of(name)
        hint = (
            f"write {inverse}({argument}) for the inverse function, 1/{name}({argument}) for the reciprocal"
            if inverse
            else f"write 1/{name}({argument})"
        )
        raise ParseError(f"{name} is a function", hint=hint, place=tokens.place(at, _operand_end(tokens, power + 2)))
    if texts[after] in ("^", "**") and kinds[power] == NUMBER and _starts_operand(tokens, power + 1):
        argument = _without_brackets(tokens, power + 1)
        raise ParseError(
            f"{name} is a function",
            hint=f"write {name}({argument})**{texts[power]}",
            place=tokens.place(at, _operand_end(tokens, power + 1)),
        )


def refuse_call(tokens: Tokens, at: int, *known: Container[str] | None) -> NoReturn:
    """Raise for a name before a parenthesis, at a token, that is no function."""
    name = tokens.texts[at]
    argument = _operand(tokens, at + 1)
    place = tokens.place(at)
    if name in RESERVED:
        raise ParseError(f"{name} is not a function", hint=f"write {name} alone", place=place)
    if tokens.kinds[at + 2] == TEXT:
        _refuse_text(tokens, at + 2)
    if any(name in names for names in known if names is not None):
        raise ParseError(
            f"{name} is a variable, not a function",
            hint=f"write {name}*{argument}",
            place=tokens.place(at, _operand_end(tokens, at)),
        )
    said = spellings.called(name, argument[1:-1])
    if said and len(name) < 4:
        said += f"; write {name}*{argument} for a product"
    said = said or _in_small_letters(tokens, at, argument[1:-1])
    if said:
        raise UnknownNameError(f"there is no function called {name}", hint=said, place=place)
    error = unknown_function(name, tokens.definitions, argument)
    error.locate(place)
    raise error


def _in_small_letters(tokens: Tokens, at: int, argument: str) -> str:
    """What to type for the name of a function that is written with capitals, as Sin."""
    name = tokens.texts[at]
    small = next(
        (
            n
            for n in (name.lower(), f"arc{name[3:].lower()}" if name[:3] in ("Arc", "arc") else "")
            if n != name and is_function(n)
        ),
        "",
    )
    return f"write {small}({argument})" if small else ""


def refuse_brackets(tokens: Tokens, at: int) -> None:
    """Raise for the call of a function of another language with square brackets: If[x > 0, a, b]."""
    closing = tokens.closing(at + 1)
    argument = tokens.spelled(at + 1, closing)[1:-1]
    argument = argument if len(argument) <= SHOWN else "…"
    said = spellings.called(tokens.texts[at], argument) or _in_small_letters(tokens, at, argument)
    if said:
        raise UnknownNameError(
            f"there is no function called {tokens.texts[at]}, and calls have parentheses",
            hint=said,
            place=tokens.place(at, closing),
        )


def refuse_unclear(tokens: Tokens, at: int) -> NoReturn:
    """Raise for a constant as another language spells it where nobody lists the inputs: a name, or that constant?"""
    name = tokens.texts[at]
    what = "Euler's number" if name == "E" else spellings.VALUES[name]
    meant = "exp(1)" if name == "E" else what
    raise ParseError(
        f"{name} is {what} or a name of yours? Write {meant}, or list {name} among the inputs",
        hint=f"write {meant}",
        place=tokens.place(at),
    )


def check_conditions(graph: Graph, tokens: Tokens, at: int, a: int, b: int) -> None:
    """Refuse numbers beside & and |, which bind tighter than comparisons."""
    if graph.types[a].dtype == BOOL and graph.types[b].dtype == BOOL:
        return
    symbol, sides, compared = tokens.texts[at], [], False
    for step in (-1, 1):
        k, depth = at + step, 0
        while 0 <= k < len(tokens.kinds) and tokens.kinds[k] not in (NEWLINE, END):
            inward = tokens.kinds[k] == (CLOSE if step < 0 else OPEN)
            outward = tokens.kinds[k] == (OPEN if step < 0 else CLOSE)
            if depth == 0 and (outward or tokens.texts[k] in (",", "=", "&", "|", "and", "or", "if", "else")):
                break
            compared |= depth == 0 and tokens.texts[k] in ("<", ">", "<=", ">=", "==", "!=")
            depth += inward - outward
            k += step
        first, last = (k + 1, at - 1) if step < 0 else (at + 1, k - 1)
        sides.append(tokens.spelled(first, last) if first <= last else "")
    word = "and" if symbol == "&" else "or"
    short = all(0 < len(side) <= SHOWN for side in sides)
    hint = (
        f"write ({sides[0]}) {symbol} ({sides[1]}), or {word}"
        if compared and short and symbol != word
        else ("write x != 0 for the condition that x is not zero")
    )
    why = "" if symbol == word else " and binds tighter than comparisons"
    raise ShapeError(f"{symbol} takes conditions{why}; here it has a number", hint=hint)


def refuse_not(tokens: Tokens, at: int) -> NoReturn:
    """Raise for `not` after an operator that binds tighter."""
    operand = _operand(tokens, at + 1) if _starts_operand(tokens, at + 1) else "…"
    raise ParseError("not after an operator needs brackets", hint=f"write (not {operand})", place=tokens.place(at))


def check_power(graph: Graph, a: int, b: int) -> None:
    """Refuse `^` between two conditions, where some would read it as exclusive or."""
    if graph.types[a].dtype == graph.types[b].dtype == BOOL:
        raise ParseError("^ is the power, and these are conditions", hint="write Xor(a, b)")


def refuse_operand(tokens: Tokens, at: int) -> NoReturn:
    """Raise where a value was expected and the token is none."""
    kind, text = tokens.kinds[at], tokens.texts[at]
    before = tokens.texts[at - 1] if at else ""
    place = tokens.place(at)
    if kind in (NEWLINE, END):
        if not before or tokens.kinds[at - 1] == NEWLINE:
            raise ParseError("an expression was expected here", hint="write a value", place=place)
        raise ParseError(
            f"a value was expected after {before}", hint=f"write a value after {before}", place=tokens.place(at - 1)
        )
    if text == before == "|" and tokens.starts[at] == tokens.ends[at - 1] and at > 1 and _ends_operand(tokens, at - 2):
        raise ParseError("|| is not an operator", hint="write or", place=tokens.place(at - 1, at))
    if text == "|" == tokens.texts[at + 1]:
        raise ParseError(
            "an absolute value is written with abs, a norm with norm",
            hint="write norm(x)",
            place=tokens.place(at, at + 1),
        )
    if text == "if" and tokens.texts[at + 1] == "(":
        argument = _operand(tokens, at + 1)
        raise ParseError("if stands between two values", hint=f"write where{argument}, or a if c else b", place=place)
    if text == "if":
        raise ParseError("if stands between two values", hint="write a if c else b, or where(c, a, b)", place=place)
    if text == "|":
        bars = [k for k in range(at + 1, len(tokens.kinds)) if tokens.texts[k] == "|"]
        if bars and bars[0] > at + 1:
            inner = tokens.spelled(at + 1, bars[0] - 1)
            hint = f"write abs({inner if len(inner) <= SHOWN else '…'})"
            raise ParseError("an absolute value is written with abs", hint=hint, place=tokens.place(at, bars[0]))
        raise ParseError("an absolute value is written with abs", hint="write abs(x)", place=place)
    if kind == CLOSE:
        if before in ("(", "["):
            hint = "write a value" if before == "(" else "write elements, [a, b], or an index, x[0]"
            raise ParseError("there is nothing in these brackets", hint=hint, place=tokens.place(at - 1, at))
        raise ParseError(f"a value was expected before {text}", hint=f"write a value before {text}", place=place)
    if text == "*" and before == "*":
        raise ParseError("a power is written without a space", hint="write **", place=tokens.place(at - 1, at))
    if before == "=" and text in ("<", ">"):
        raise ParseError(f"={text} is not an operator", hint=f"write {text}=", place=tokens.place(at - 1, at))
    if (before, text) == ("<", ">"):
        raise ParseError("<> is not an operator", hint="write !=", place=tokens.place(at - 1, at))
    if before in ("<", ">", "=", "!") and text == "=":
        raise ParseError(
            "a comparison is written without a space", hint=f"write {before}=", place=tokens.place(at - 1, at)
        )
    doubled = {"&": "and", "|": "or"}
    if text in doubled and before == text:
        raise ParseError(
            f"{text}{text} is not an operator", hint=f"write {doubled[text]}", place=tokens.place(at - 1, at)
        )
    if kind == TEXT:
        _refuse_text(tokens, at)
    raise ParseError(f"a value was expected before {text}", hint=f"write a value before {text}", place=place)


def _refuse_text(tokens: Tokens, at: int) -> NoReturn:
    hint = "write names without quotes"
    raise ParseError("a formula holds no texts in quotes", hint=hint, place=tokens.place(at))


MODULES = frozenset(
    (
        "np",
        "numpy",
        "sp",
        "scipy",
        "sd",
        "symdiff",
        "math",
        "cmath",
        "Math",
        "linalg",
        "torch",
        "jnp",
        "jax",
        "tf",
    )
)
"""What people write before the names of functions."""


def refuse_module(tokens: Tokens, at: int) -> NoReturn:
    """Raise for `np.sum(x)`: functions have no module before them."""
    last = at + 2
    while tokens.texts[last + 1] == "." and tokens.kinds[last + 2] == NAME:
        last += 2
    raise ParseError(
        "functions are written without a module", hint=f"write {tokens.texts[last]}", place=tokens.place(at, last)
    )


def refuse_operator(tokens: Tokens, at: int, start: int) -> NoReturn:
    """Raise for an operator that cannot stand where it does; the value before it starts at the offset `start`."""
    texts, kinds = tokens.texts, tokens.kinds
    text, place = texts[at], tokens.place(at)
    left = tokens.source.text[start : tokens.ends[at - 1]]
    left = left if len(left) <= SHOWN else "…"
    if text == ",":
        adjacent = kinds[at - 1] == kinds[at + 1] == NUMBER and tokens.ends[at] == tokens.starts[at + 1]
        if adjacent and texts[at - 1].isdigit() and texts[at + 1].isdigit():
            raise ParseError(
                "a decimal number is written with a point",
                hint=f"write {texts[at - 1]}.{texts[at + 1]}",
                place=tokens.place(at - 1, at + 1),
            )
        right = _operand(tokens, at + 1) if _starts_operand(tokens, at + 1) else "b"
        simple = right if tokens.kinds[min(_operand_end(tokens, at + 1) + 1, len(kinds) - 1)] != OPERATOR else "b"
        hint = f"write [{left}, {simple}] for a vector" if simple != "b" else "write [a, b] for a vector"
        raise ParseError("a comma separates nothing here", hint=hint, place=place)
    if text == ":=":
        raise ParseError("a name is bound with =", hint=f"write {left} = {_rest(tokens, at + 1)}", place=place)
    if text == "=":
        raise ParseError("= binds a name at the start of a line", hint="write == for a comparison", place=place)
    if text == "." and texts[at + 1] in ("*", "/", "^", "**"):
        raise ParseError(
            "operators act on each element as they are", hint=f"write {texts[at + 1]}", place=tokens.place(at, at + 1)
        )
    if text == ".":
        hint = (
            f"write {texts[at + 1]}({left})" if _is_function(tokens, texts[at + 1]) else "write names without a point"
        )
        raise ParseError("values have no attributes", hint=hint, place=tokens.place(at, at + 1))
    if text == "not":
        raise ParseError("not stands before a condition", hint=f"write {left} and not …", place=place)
    if text == ":":
        if left == "lambda":
            raise ParseError("lambda is a name here", hint=f"write {_rest(tokens, at + 1)}", place=place)
        raise ParseError("a colon belongs into a subscript", hint="write x[1:3]", place=place)
    if text == "~" and texts[at + 1] == "=":
        raise ParseError("~= is not an operator", hint="write !=", place=tokens.place(at, at + 1))
    if text == "~":
        raise ParseError("~ stands before a condition", hint=f"write {left} & ~…", place=place)
    raise ParseError(f"{text} cannot stand here", hint=f"remove {text}", place=place)


def _rest(tokens: Tokens, at: int) -> str:
    """The text from a token to the end of its line."""
    last = at
    while tokens.kinds[last + 1] not in (NEWLINE, END):
        last += 1
    text = tokens.spelled(at, last)
    return text if 0 < len(text) <= SHOWN else "…"


def refuse_juxtaposition(tokens: Tokens, at: int, start: int) -> NoReturn:
    """Raise for two values with no operator between them; the first starts at the offset `start`."""
    kinds, texts = tokens.kinds, tokens.texts
    previous, text = at - 1, texts[at]
    left = tokens.source.text[start : tokens.ends[previous]]
    left = left if len(left) <= SHOWN else "(…)"
    place = Place(tokens.source, tokens.starts[previous], tokens.ends[at])
    adjacent = tokens.ends[previous] == tokens.starts[at]
    if kinds[previous] == NUMBER and kinds[at] == NAME and adjacent:
        number = texts[previous]
        if number.isdigit() and re.fullmatch(r"(_[0-9]+)+", text):
            raise ParseError("numbers hold no underscores", hint=f"write {number}{text.replace('_', '')}", place=place)
        base = {"x": 16, "X": 16, "b": 2, "B": 2, "o": 8, "O": 8}.get(text[0])
        if number == "0" and base is not None and len(text) > 1:
            try:
                hint = f"write {int(text[1:], base)}"
            except ValueError:
                hint = f"write 0*{text}"
            raise ParseError("numbers are decimal", hint=hint, place=place)
        if text in ("j", "J"):
            hint = f"write {number}*{text} if {text} is a name of yours"
            raise ParseError("numbers are real", hint=hint, place=place)
    if kinds[previous] == NAME and _is_function(tokens, texts[previous]):
        refuse_function_without_call(tokens, previous)
    if (
        kinds[previous] == NUMBER
        and texts[previous - 1] in ("^", "**")
        and previous >= 2
        and (kinds[previous - 2] == NAME and _is_function(tokens, texts[previous - 2]))
    ):
        refuse_function_without_call(tokens, previous - 2)
    if kinds[at] == NAME and text in spellings.WORDS:
        raise ParseError(f"{text} is not an operator", hint=f"write {spellings.WORDS[text]}", place=tokens.place(at))
    if text == "for" and kinds[at + 1] == NAME:
        refuse_loop(tokens, at)
    if kinds[previous] == NUMBER and text in ("f", "F", "d", "D") and adjacent:
        raise ParseError("numbers have no letter for their type", hint=f"write {texts[previous]}", place=place)
    if kinds[previous] == NUMBER and adjacent and re.fullmatch(r"[dD][0-9]+", text):
        raise ParseError("powers of ten are written with e", hint=f"write {texts[previous]}e{text[1:]}", place=place)
    if kinds[previous] == NUMBER and kinds[at] == NUMBER:
        raise ParseError(
            "two numbers with no operator between them", hint=f"write {left}*{_operand(tokens, at)}", place=place
        )
    raise ParseError(
        "an operator is missing between two values", hint=f"write {left}*{_operand(tokens, at)}", place=place
    )


def refuse_loop(tokens: Tokens, at: int) -> NoReturn:
    """Raise for `for` in a text, at a token."""
    hint = "write it for whole arrays, such as sum(x**2), or as a Python function"
    raise ParseError("a formula has no loops", hint=hint, place=tokens.place(at))


def missing_names(
    tokens: Tokens,
    statements: Sequence[Statement],
    known: Collection[str],
    constants: Collection[str],
    arguments: Iterable[Argument],
    at: int,
) -> UnknownNameError:
    """The error for the name at a token that is not declared: it lists all of them, each with the nearest that is."""
    kinds, texts = tokens.kinds, tokens.texts
    missing: dict[str, None] = {}
    equals, visible = set(tokens.equals), {*known, *constants}
    for statement in statements:
        own = set(scalars(statement.parameters or ()))
        for k in range(statement.body, statement.last):
            if kinds[k] != NAME or texts[k] in own or texts[k] in visible or texts[k + 1] == "(":
                continue
            if (texts[k + 1] == "=" and k + 1 not in equals) or texts[k - 1] == ".":
                continue
            missing.setdefault(texts[k])
    names = list(missing) or [texts[at]]
    first = tokens.place(at)
    listed = []
    for name in names[:10]:
        near = nearest(name, known)
        listed.append(f"{name} ({near})" if near else name)
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    plural = len(names) > 1
    message = f"{', '.join(listed)}{more} {'are' if plural else 'is'} not among the inputs"
    given = [
        f'"{a.name}"' if a.members is None else "[" + ", ".join(f'"{m}"' for m in a.members) + "]" for a in arguments
    ]
    hint = f"list {'them' if plural else 'it'}: [{', '.join([*given, *(_in_quotes(n) for n in names)][:20])}]"
    meant = spellings.VALUES.get(names[0], spellings.EULER.get(names[0]))
    if names[0] in spellings.WORDS and names[0].isupper():
        hint = f"write {spellings.WORDS[names[0]]}, or {hint}"
    elif names[0] == "return":
        hint = f"leave return out, or {hint}"
    if len(names) == 1 and meant is not None:
        power = texts[at + 1] in ("^", "**") and names[0] in spellings.EULER and texts[at] == names[0]
        meant = f"exp({_without_brackets(tokens, at + 2)})" if power and _starts_operand(tokens, at + 2) else meant
        hint = f"write {meant}, or {hint}"
    if len(names) == 1 and _is_function(tokens, names[0]):
        hint = f"write {names[0]}(x), or {hint}"
    return UnknownNameError(message, hint=hint, place=first)


def _in_quotes(name: str) -> str:
    """A name as a Python string."""
    return f'"{name}"'
