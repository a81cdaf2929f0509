"""The names that functions have in libraries of a user's own: `digamma` is `gsl_sf_psi` in GSL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, nearest
from symdiff.ops import CALLABLE, OPS, Op
from symdiff.ops.base import Library, Outside, Special
from symdiff.ship.interface import KEYWORDS, SUFFIXES, Exported
from symdiff.ship.reserved import is_taken

SYMBOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")

PLACES = ("x", "y", "z")


@dataclass(frozen=True, slots=True)
class ForeignFunction:
    """A C function that is called for one of ours: double NAME(double, …).

    Attributes
    ----------
    word : what the language calls ours.
    name : its name in C.
    arity : how many numbers it takes.
    """

    word: str
    name: str
    arity: int

    @property
    def prototype(self) -> str:
        """Its declaration in C."""
        return f"double {self.name}({', '.join(['double'] * self.arity)})"

    @property
    def typed(self) -> str:
        """Its type for TypeScript."""
        return f"{self.name}({', '.join(f'{place}: number' for place in PLACES[: self.arity])}): number"


def find_symbols(given: Mapping[str, str], functions: Sequence[Exported]) -> tuple[ForeignFunction, ...]:
    """The C functions that a user names for ours.

    Raises
    ------
    ArgumentError
        For a name that is none in C, one that stands for something else there, and a function that there is not.
    """
    if not isinstance(given, Mapping):
        raise ArgumentError(f"symbols are {given!r}", hint='symbols={"digamma": "gsl_sf_psi"}')
    known = _known(functions)
    own = {f.name + suffix: f.name for f in functions for suffix in SUFFIXES}
    found: dict[str, ForeignFunction] = {}
    for word, name in given.items():
        op = known.get(word)
        if op is None:
            raise ArgumentError(
                f"there is no function {word!r} that could have a name in C",
                hint=nearest(str(word), known) or "such as digamma, gammainc, erfinv, jv",
            )
        if not isinstance(name, str) or not SYMBOL.fullmatch(name) or name in KEYWORDS:
            raise ArgumentError(f"{word}: {name!r} is no name in C", hint="letters, digits and _, no digit first")
        is_own_name = isinstance(op.routine, Library | Special) and op.routine.symbol == name
        if is_taken(name) and not is_own_name and not name.startswith("__"):
            raise ArgumentError(f"{word}: {name} is another function in C", hint="the name in a library of yours")
        if name in own:
            raise ArgumentError(f"{word}: {name} is a function of this library, of {own[name]}")
        before = found.setdefault(name, ForeignFunction(op.word, name, len(op.kinds or "")))
        if before.word != op.word:
            raise ArgumentError(f"{name} would stand for {before.word} and for {op.word}")
    return tuple(found.values())


def _known(functions: Sequence[Exported]) -> dict[str, Op]:
    """The functions that C functions can stand for, by their names: records, and a user's own that are called here."""
    named = {name: op for name, op in CALLABLE.items() if isinstance(op.routine, Library | Special)}
    named |= {op.word: op for op in OPS.values() if isinstance(op.routine, Library | Special)}
    for function in functions:
        for graph in (function.function.graph, function.program.graph):
            named |= {op.word: op for op in graph.ops if isinstance(op.routine, Outside)}
    return named
