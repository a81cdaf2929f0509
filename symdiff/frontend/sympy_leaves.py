"""What becomes an input of a SymPy expression, and how it is called: symbols, q(t), their derivatives, x[i]."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from symdiff.budget import current
from symdiff.digest import sha256
from symdiff.errors import ArgumentError, quote
from symdiff.frontend.given import checked_name
from symdiff.frontend.lexer import RESERVED
from symdiff.types import Shape

_ELEMENT = r"(?P<base>.+)\[(?P<index>\d+)\]\Z"


def symbol_name(symbol: Any) -> str:
    """The name of the input that a SymPy symbol, `q(t)`, `Derivative(q(t), t)` or `x[i]` becomes.

    It is the symbol's own where the language has such names; other letters are spelled out (`Δx` is `Delta_x`), and of
    a name that is too long the beginning is kept and a digest of the whole.

    Raises
    ------
    ArgumentError
        For other expressions.

    Examples
    --------
    >>> import sympy
    >>> symbol_name(sympy.Symbol("I_{xx}"))
    'I_xx'
    """
    text = unicodedata.normalize("NFKC", _text_of(symbol))
    name = re.sub(r"\W+", "_", re.sub(r"[{}\\]", "", text))
    if name != text:
        name = name.strip("_") or "_"
    try:
        return checked_name(_fitting(name))
    except ArgumentError:  # letters of two scripts, or of a script that the language does not read
        return checked_name(_fitting(re.sub("_+", "_", "".join(map(_spelled, name))).strip("_")))


def _fitting(name: str) -> str:
    """Letters, digits and _ as a name of the language: no digit first, no reserved word, not too long."""
    if not name or name[0].isdigit():
        name = f"_{name}"
    if name in RESERVED:
        name += "_"
    if len(name) > current().name:
        digest = sha256(name.encode()).hex()[:8]
        name = f"{name[: current().name - 9]}_{digest}"
    return name


def _spelled(letter: str) -> str:
    """A letter in ASCII: of Greek ones the name, of others their number."""
    if letter.isascii():
        return letter
    name = unicodedata.name(letter, "")
    if name.startswith("GREEK ") and " LETTER " in name:
        word = name.rpartition(" LETTER ")[2].partition(" ")[0].lower()
        return f"_{word.capitalize() if 'CAPITAL' in name else word}_"
    plain = unicodedata.normalize("NFD", letter)[0]
    return plain if plain.isascii() else f"_u{ord(letter):X}_"


def _text_of(symbol: Any) -> str:
    import sympy
    from sympy.core.function import AppliedUndef

    if isinstance(symbol, sympy.Symbol | sympy.MatrixSymbol):
        return str(symbol.name)
    if isinstance(symbol, sympy.IndexedBase):
        return str(symbol.label)
    if isinstance(symbol, AppliedUndef):
        return str(symbol.func.__name__)
    if isinstance(symbol, sympy.Derivative) and is_leaf(symbol):
        variables = "".join(_text_of(v) * int(count) for v, count in symbol.variable_count)
        return f"{_text_of(symbol.expr)}_{variables}"
    if isinstance(symbol, sympy.Indexed):
        return "_".join([str(symbol.base.label), *(str(i) for i in symbol.indices)])
    raise ArgumentError(
        f"{quote(type(symbol).__name__)} is no symbol", hint="give a Symbol, q(t), its derivative or x[i]"
    )


def is_leaf(expression: Any) -> bool:
    """Whether an expression becomes an input: a symbol, q(t), a derivative of it, x[i], a matrix symbol."""
    import sympy
    from sympy.core.function import AppliedUndef

    if isinstance(expression, sympy.Symbol | AppliedUndef | sympy.Indexed | sympy.MatrixSymbol):
        return True
    return (
        isinstance(expression, sympy.Derivative)
        and isinstance(expression.expr, AppliedUndef)
        and all(v in expression.expr.args and count.is_Integer for v, count in expression.variable_count)
    )


def element_of(leaf: Any) -> tuple[str, tuple[Any, ...]] | None:
    """The array and the indices of an element: `x[i]` of an IndexedBase, or a symbol that a DeferredVector made."""
    import sympy

    if isinstance(leaf, sympy.Indexed):
        return symbol_name(leaf.base), tuple(leaf.indices)
    found = re.match(_ELEMENT, leaf.name) if isinstance(leaf, sympy.Symbol) else None
    return (found["base"], (sympy.Integer(found["index"]),)) if found is not None else None


def arrays_in(expression: Any) -> list[str]:
    """The arrays of which an expression has elements, each once."""
    places = [element_of(item) for item in parts(frozen(expression))]
    return list(dict.fromkeys(place[0] for place in places if place is not None))


def parts(expression: Any) -> Iterator[Any]:
    """All objects in an expression, each once; not those in leaves."""
    seen: set[int] = set()
    stack = [expression]
    while stack:
        item = stack.pop()
        if id(item) not in seen:
            seen.add(id(item))
            yield item
            stack.extend(() if is_leaf(item) else item.args)


def frozen(expression: Any) -> Any:
    """A Matrix or Array that can be changed as one that cannot, whose parts can be walked over as any object's."""
    import sympy

    if isinstance(expression, sympy.MatrixBase | sympy.NDimArray) and not isinstance(expression, sympy.Basic):
        return expression.as_immutable()
    return expression


def is_array(symbol: Any) -> bool:
    """Whether a symbol stands for a whole array: a MatrixSymbol, an IndexedBase, a DeferredVector."""
    import sympy

    return isinstance(symbol, sympy.MatrixSymbol | sympy.IndexedBase | sympy.DeferredVector)


def symbol_shape(symbol: Any) -> Shape:
    """The shape that a symbol itself has in numbers, () where it has none.

    Raises
    ------
    ArgumentError
        For a MatrixSymbol whose size is no number.
    """
    sizes = getattr(symbol, "shape", None) or () if is_array(symbol) else ()
    if not all(getattr(n, "is_Integer", False) for n in sizes):
        if not hasattr(symbol, "rows"):
            return ()
        raise ArgumentError("a MatrixSymbol needs a size in numbers", hint='write MatrixSymbol("W", 2, 3)')
    return tuple(int(n) for n in sizes)
