"""The functions of the language: one table, what is known of each, and how the arguments of calls are matched."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from symdiff.errors import ParseError, ShapeError, UnknownNameError, nearest
from symdiff.frontend.spellings import LACKING, MISSING
from symdiff.ir.graph import Graph
from symdiff.loading import load_module
from symdiff.ops import Op, core
from symdiff.types import BOOL

if TYPE_CHECKING:
    from symdiff.frontend.arguments import ArrayFunction

Value = Any
"""A node (an integer), a text, None, or a tuple of values."""


class Kind(Enum):
    """What a parameter takes."""

    ARRAY = "an array"
    NODE = "an array or a number"
    NODES = "several arrays"
    SIZES = "the sizes of a shape"
    AXES = "an axis, axes or None"
    INTEGER = "an integer"
    INTEGERS = "integers"
    NESTED = "integers, and tuples of such"
    REAL = "a number that is a constant"
    FLAG = "True or False"
    TEXT = "a text in quotes"
    ORDER = "the order of a norm"

    @property
    def is_text(self) -> bool:
        """Whether it may be a text in quotes."""
        return self is Kind.TEXT or self is Kind.ORDER

    @property
    def is_node(self) -> bool:
        """Whether it is a value or several, not a part of the call alone."""
        return self is Kind.ARRAY or self is Kind.NODE or self is Kind.NODES


class LanguageFunction:
    """A function of the language: all that is known of it, by whoever reads texts or calls it from Python.

    Attributes
    ----------
    name : what users call it.
    takes_parts : whether tuples and None may be arguments, beside values.
    takes_texts : whether texts in quotes may.
    op : the operation that a call with all its operands is, where it is one.
    """

    __slots__ = ("name",)
    takes_parts = False
    takes_texts = False
    op: Op | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.usage}>"

    @property
    def usage(self) -> str:
        """How it is called, in words."""
        raise NotImplementedError

    @property
    def documentation(self) -> str:
        """What it computes, for the Python function of this name."""
        raise NotImplementedError

    @property
    def signature(self) -> inspect.Signature:
        """Its parameters as Python's."""
        raise NotImplementedError

    @property
    def by_numpy(self) -> ArrayFunction | None:
        """What a call by NumPy's rules, with an axis and other options, goes to; None where it has no such."""
        return None

    def kind_of(self, position: int | str, count: int) -> Kind:
        """What an argument of a call is, by its position among `count` without names or by its name."""
        return Kind.NODE

    def node(self, graph: Graph, args: Sequence[Value], keywords: Mapping[str, Value]) -> int:
        """The node that a call stands for.

        Raises
        ------
        ParseError
            Where it is called with other arguments than it has.
        ShapeError
            Where the operands do not fit.
        """
        raise NotImplementedError


FUNCTIONS: dict[str, LanguageFunction] = {}
"""The functions of the language, by all their names; those who make some add them."""

LIBRARY = "symdiff.frontend.library"
"""The module that has them all, and is loaded when somebody looks one up."""

OPERATIONS: dict[str, LanguageFunction] = {}
"""Those that the texts in records may call beside them, and users may not."""


Known = Mapping[str, LanguageFunction]
"""Functions that users defined, by the words for them."""

NO_DEFINITIONS: Known = MappingProxyType({})


class Definitions:
    """The functions of one namespace; `known`, by name, is never changed but replaced: who read it keeps it.

    `places` are the lines that defined them, where anybody's second definition there means the same function.
    """

    def __init__(self, known: Known = NO_DEFINITIONS) -> None:
        self.known = known
        self.places: Mapping[str, tuple[str, int] | None] = {}


PROCESS = Definitions()
"""What texts may call that are read in no other namespace."""


_loaded = False


def load_library() -> None:
    """Have all functions of the language in the table."""
    global _loaded
    load_module(LIBRARY)
    _loaded = True


def look_up(name: str, definitions: Known = NO_DEFINITIONS, hidden: bool = False) -> LanguageFunction | None:
    """The function that `name` is before a parenthesis: one of a user's, or of the language.

    `hidden`: in the text of a record.
    """
    if not _loaded:
        load_library()
    found = definitions.get(name) or FUNCTIONS.get(name)
    return OPERATIONS.get(name) if found is None and hidden else found


def is_function(name: str) -> bool:
    """Whether the language itself gives `name` a meaning before a parenthesis."""
    if not _loaded:
        load_library()
    return name in FUNCTIONS


def functions() -> list[str]:
    """The names of all functions of the language, sorted."""
    load_library()
    return sorted(FUNCTIONS)


def call(graph: Graph, name: str, args: Sequence[Value], keywords: Mapping[str, Value], hidden: bool = False) -> int:
    """The node that `name(*args, **keywords)` of the language stands for.

    `hidden` lets operations be called that users cannot call.

    Raises
    ------
    UnknownNameError
        Where there is no such function.
    ParseError
        Where the function is called with other arguments than it has.
    ShapeError
        Where the operands do not fit.
    """
    found = look_up(name, hidden=hidden)
    if found is None:
        raise unknown_function(name)
    return found.node(graph, args, keywords)


def unknown_function(name: str, others: Iterable[str] = (), argument: str = "") -> UnknownNameError:
    """The error for a function that does not exist, with the nearest that does; `others` are those of a namespace."""
    nearby = list(others)
    if name in PROCESS.known and name not in nearby:
        hint = "sd.define defined it for the texts of no namespace: define it in this one, or leave namespace= out"
        return UnknownNameError(f"there is no function called {name} in this namespace", hint=hint)
    if name in UNAVAILABLE:
        what, hint = UNAVAILABLE[name]
        return UnknownNameError(f"{name} {what}", hint=hint)
    if name in MISSING:
        return UnknownNameError(f"{name} is not available", hint=LACKING)
    near = nearest(name, [*functions(), *nearby])
    product = f"write {name}*{argument} for a product" if argument else ""
    hint = f"{near}; {product}" if near and product and len(name) < 4 else near or product
    return UnknownNameError(f"there is no function called {name}", hint=hint)


def bind(
    name: str,
    parameters: tuple[str, ...],
    args: Sequence[int],
    keywords: Mapping[str, int],
    defaults: Mapping[str, int] | None = None,
    usage: str = "",
) -> list[int]:
    """The arguments in the order of `parameters`.

    Raises
    ------
    ParseError
        For too many, missing, repeated or unknown ones; the hint is how the function is called (`usage`).
    """
    hint = f"write {usage or written_call(name, parameters)}"
    wanted, count = len(parameters), len(args) + len(keywords)
    wrong = f"{name} takes {wanted} argument{'' if wanted == 1 else 's'}, not {count}"
    if len(args) > wanted:
        raise ParseError(wrong, hint=hint)
    values = dict(zip(parameters, args, strict=False))
    for key, value in keywords.items():
        if key not in parameters:
            raise ParseError(f"{name} has no parameter called {key}", hint=nearest(key, parameters) or hint)
        if key in values:
            raise ParseError(f"{name} is given {key} twice", hint=hint)
        values[key] = value
    if any(p not in values and p not in (defaults or {}) for p in parameters):
        raise ParseError(wrong, hint=hint)
    return [values[p] if p in values else (defaults or {})[p] for p in parameters]


def written_call(name: str, parameters: Sequence[str], defaults: Sequence[float] = ()) -> str:
    """How a function of some parameters is called; the last of them have the defaults."""
    plain = len(parameters) - len(defaults)
    given = [f"{p}={v!r}" for p, v in zip(parameters[plain:], defaults, strict=True)]
    return f"{name}({', '.join([*parameters[:plain], *given])})"


def piecewise(graph: Graph, pairs: Sequence[tuple[int, int]]) -> int:
    """`Piecewise((e, c), …)`: the first expression whose condition holds, NaN where none does."""
    true = graph.constant(True)
    result = graph.constant(float("nan"))
    for value, condition in reversed(pairs):
        if graph.types[condition].dtype != BOOL:
            raise ShapeError(
                "Piecewise takes pairs (expression, condition); this condition is a number",
                hint="write Piecewise((x, x > 0), (-x, True))",
            )
        if condition == true:
            result = graph.as_number(value)
        else:
            result = graph.apply(core.WHERE, (condition, value, result))
    return result


_COUNTED = "would have a size that depends on values"
_FACTORS = "write solve(A, b), inv(A), det(A) or cholesky(A)"
UNAVAILABLE: dict[str, tuple[str, str]] = {
    "block": ("is not available", "write vstack([hstack([A, B]), hstack([C, D])])"),
    "expm": ("is not available", "write matrix_power(A, n) for a power"),
    "cond": ("is not available", "write norm(A, 2)/norm(A, -2)"),
    "matrix_rank": ("is not available", "write sum(svdvals(A) > 1e-12)"),
    "sqrtm": ("is not available", _FACTORS),
    "logm": ("is not available", _FACTORS),
    "eig": ("is not available", _FACTORS),
    "eigh": ("is not available", _FACTORS),
    "eigvals": ("is not available", _FACTORS),
    "eigvalsh": ("is not available", _FACTORS),
    "svd": ("gives several values", "write svdvals(A) for the singular values, pinv(A) or norm(A, 2)"),
    "qr": ("is not available", _FACTORS),
    "lu": ("is not available", _FACTORS),
    "nonzero": (_COUNTED, "write where(c, x, 0)"),
    "unique": (_COUNTED, "write sum(x == value) to count"),
    "flatnonzero": (_COUNTED, "write where(c, x, 0)"),
    "compress": (_COUNTED, "write where(c, x, 0)"),
    "array_split": ("gives several values", "write x[:2] and x[2:]"),
}
"""Functions that users of NumPy know and that are not in the language: what they are, and what to type."""
