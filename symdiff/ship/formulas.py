"""The functions that a command is given: a text of named functions, a saved one, or those of a Python module."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from pathlib import Path
from typing import Any

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, DifferentiationError, ParseError, Source, SymdiffError, nearest
from symdiff.frontend.lexer import Tokens, tokenize
from symdiff.frontend.statements import Statement, split
from symdiff.functions import build, container, loading, products, sparse, transforms
from symdiff.functions.compiled import CompiledFunction
from symdiff.functions.function import Function
from symdiff.ship.derived_units import unit_names
from symdiff.ship.units import commented_units
from symdiff.types import FLOAT64

DERIVATIVES: dict[str, tuple[str, Callable[..., Any]]] = {
    "value": ("", lambda f, wrt: f),
    "grad": ("_grad", transforms.grad),
    "value-and-grad": ("_value_and_grad", transforms.value_and_grad),
    "jacobian": ("_jacobian", transforms.jacobian),
    "hessian": ("_hessian", transforms.hessian),
    "jvp": ("_jvp", products.jvp),
    "vjp": ("_vjp", products.vjp),
    "hvp": ("_hvp", products.hvp),
    "sparse-jacobian": ("_sparse_jacobian", sparse.sparse_jacobian),
    "sparse-hessian": ("_sparse_hessian", sparse.sparse_hessian),
}
"""What can be made of a function: what is appended to its name, and how it is made."""

OF_NUMBERS = ("grad", "value-and-grad", "hessian", "hvp", "sparse-hessian")
"""Those that are of functions whose value is a single number."""


@dataclass(frozen=True, slots=True)
class Formulas:
    """Functions by name, the units that their text gives each of them, and whether there is one."""

    functions: dict[str, Any]
    units: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_text: bool = False

    def units_with(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The units for `emit`; those given beside the text take the place of its own."""
        if not self.units:
            return dict(given)
        own = {f: {name: unit for name, unit in units.items() if name not in given} for f, units in self.units.items()}
        for name in own:
            if name in given:
                own[name][name] = given[name]
        return {**given, **{name: units for name, units in own.items() if units}}


def read_formulas(given: str, dtype: str | None = None, numbers: Sequence[str] = ()) -> Formulas:
    """The functions by name of a file that `save` wrote, of a text file (or ``-``), or ``module:function,…``.

    In a text each header is a function, of numbers of a type; lines above are there for it. `numbers` names those of
    its parameters that are single numbers where the text leaves that open.

    Raises
    ------
    ArgumentError
        Where there is none; for a type or `numbers` where there is no text.
    OSError
        For a file that cannot be read.
    """
    if given == "-":
        return functions_of(sys.stdin.read(), dtype or FLOAT64, numbers)
    path = Path(given)
    module, colon, names = given.rpartition(":")
    if not path.exists() and colon and module:
        _of_texts_only("of a module", dtype, numbers)
        return Formulas(_imported(module, names))
    data = path.read_bytes()
    if data.startswith(container.MAGIC):
        _of_texts_only("that was saved", dtype, numbers)
        function = loading.load(path)
        return Formulas({function.__name__: function})
    try:
        return functions_of(data.decode("utf-8-sig"), dtype or FLOAT64, numbers)
    except UnicodeDecodeError:
        raise ArgumentError(f"{given} is neither text nor what `save` wrote") from None


def _of_texts_only(which: str, dtype: str | None, numbers: Sequence[str]) -> None:
    """Refuse what says how a text is read, beside a function that is read already."""
    for option, told in (("--dtype", dtype), ("--numbers", numbers)):
        if told:
            raise ArgumentError(f"{option} is for texts, and a function {which} has it", hint=f"leave {option} out")


def functions_of(text: str, dtype: str = FLOAT64, numbers: Sequence[str] = ()) -> Formulas:
    """The function of each header in a text, with the lines above it that it uses; of a text without headers ``f``.

    Comments such as ``# units: v in m/s, drag in N`` give units to the functions whose headers follow.

    Raises
    ------
    ArgumentError
        Where two have one name.
    ParseError
        For a text that is not in the language, and such comments that cannot be read.
    """
    source = Source(text)
    tokens = tokenize(source)
    statements = split(tokens)
    found: dict[str, Function] = {}
    unknown = sorted(set(numbers).difference(tokens.texts))
    if unknown:
        raise ArgumentError(f"the text has no {', '.join(unknown)}")
    ends: dict[str, int] = {}
    for k, statement in enumerate(statements):
        if statement.parameters is not None:
            assert statement.name is not None
            if statement.name in found:
                raise ArgumentError(f"there are two functions called {statement.name}")
            end = text.find("\n", tokens.ends[statement.last - 1])
            ends[statement.name] = len(text) if end < 0 else end
            shapes = {p.name: () for p in statement.parameters if p.name in numbers}
            found[statement.name] = build.function(_used(text, tokens, statements[: k + 1]), shapes=shapes, dtype=dtype)
    if not found:
        function = build.function(text, shapes=dict.fromkeys(numbers, ()), dtype=dtype)
        found[function.__name__] = function
        ends[function.__name__] = len(text)
    return Formulas(found, _units(source, found, ends), is_text=True)


def _units(source: Source, functions: Mapping[str, Function], ends: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The units of each function, by the comments before the end of its line."""
    found: dict[str, dict[str, Any]] = {}
    for start, units, places in commented_units(source):
        after = [name for name, end in ends.items() if end > start]
        known = {name: unit_names(functions[name]) for name in after}
        every = list(dict.fromkeys(itertools.chain.from_iterable(known.values())))
        for name in units:
            if name not in every:
                listed = f"there are {', '.join(every[:20])}" if every else "no function follows"
                raise ParseError(
                    f"a unit of {name}, which nothing is called",
                    hint=nearest(name, every) or listed,
                    place=places[name],
                )
        for owner in after:
            own = {name: unit for name, unit in units.items() if name in known[owner]}
            if own:
                found.setdefault(owner, {}).update(own)
    return found


def _used(text: str, tokens: Tokens, statements: Sequence[Statement]) -> str:
    """The text up to the last statement, with blanks for those before it that it does not use."""
    names: set[str] = set()
    pieces = []
    end = tokens.ends[statements[-1].last - 1]
    for statement in reversed(statements):
        start, stop = tokens.starts[statement.first], tokens.ends[statement.last - 1]
        if statement is statements[-1] or statement.name in names:
            own = {p.name for p in statement.parameters or ()}
            names.update(set(tokens.texts[statement.body : statement.last]) - own)
        else:
            pieces += [text[stop:end], re.sub(r"[^\n]", " ", text[start:stop])]
            end = start
    return text[:end] + "".join(reversed(pieces))


def _imported(module: str, names: str) -> dict[str, Any]:
    """The functions of a module, which may lie in the folder of the command."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what it prints is no part of what the command says
            loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.split(".")[0]):
            raise _broken(module, error) from error
        hint = f"without .py: {module[:-3]}:{names}" if module.endswith(".py") else ""
        raise ArgumentError(f"there is no file and no module {module}", hint=hint) from None
    except Exception as error:
        raise _broken(module, error) from error
    found: dict[str, Any] = {}
    for name in map(str.strip, names.split(",")):
        if not hasattr(loaded, name):
            raise ArgumentError(f"the module {module} has no {name!r}")
        value = getattr(loaded, name)
        found[name] = value if hasattr(value, "emit") else build.function(value, name=name)
    return found


def _broken(module: str, error: Exception) -> ArgumentError:
    """What is said of a module that cannot be loaded, with the line in which it fails."""
    file, line, *_ = traceback.extract_tb(error.__traceback__)[-1]
    place = f" in {file}, line {line}" if not file.startswith("<frozen") else ""
    return ArgumentError(f"the module {module} cannot be loaded: {type(error).__name__}: {error}{place}")


def derived(functions: dict[str, Any], of: Sequence[str], wrt: Sequence[str] | None) -> dict[str, Any]:
    """The derivatives of functions, by names: `f`, `f_grad`, …

    `of` are names of derivatives, of all functions, and ``f:grad`` for that of `f` alone; `wrt` is a name, or several:
    one axis of numbers, otherwise a tuple of arrays; None: as transforms have it.

    Raises
    ------
    ArgumentError
        For a derivative or a function that there is none of by that name.
    SymdiffError
        Where a function has no such derivative: it says which.
    """
    wanted = [(*entry.rpartition(":")[::2], entry) for entry in of]
    for owner, which, entry in wanted:
        if which not in DERIVATIVES:
            raise ArgumentError(f"there is no derivative {which!r}", hint=f"there are {', '.join(DERIVATIVES)}")
        if ":" in entry and owner not in functions:
            raise ArgumentError(f"there is no function {owner!r}", hint=f"there are {', '.join(functions)}")
    _check_numbers(functions, wanted)
    made: dict[str, Any] = {}
    for name, function in functions.items():
        for owner, which, _ in wanted:
            if owner not in ("", name):
                continue
            suffix, make = DERIVATIVES[which]
            try:
                made[name + suffix] = function if not suffix else make(_formula(function), _by(function, wrt, which))
            except SymdiffError as error:
                error.message = f"{which} of {name}: {error.message}"
                raise
    return made


def _formula(function: Any) -> Any:
    """What can be differentiated: of compiled code the function that it was compiled from."""
    if isinstance(function, CompiledFunction):
        if function.origin is None:
            raise ArgumentError("there is code without its formula", hint="compile the one that it was made from")
        return function.origin[0]
    return function


def _check_numbers(functions: dict[str, Any], wanted: Sequence[tuple[str, str, str]]) -> None:
    """Refuse derivatives that belong to numbers, of functions whose values are arrays; say what there is instead."""
    arrays = [name for name, function in functions.items() if not _is_number(function)]
    for owner, which, _ in wanted:
        wrong = [name for name in arrays if owner in ("", name)]
        if which in OF_NUMBERS and wrong:
            others = [name for name in functions if name not in arrays]
            named = [f"{name}:{which}" for name in others] + [f"{name}:jacobian" for name in wrong]
            several = "whose values are no numbers" if len(wrong) > 1 else "whose value is no number"
            raise DifferentiationError(
                f"{which} of {', '.join(wrong)}, {several}",
                hint=f"name the functions, --of {','.join(named)}; a jacobian is of all",
            )


def _is_number(function: Any) -> bool:
    """Whether the value is a single number, as far as that is known."""
    if not isinstance(function, Function):
        return True
    try:
        types = function.types
    except SymdiffError:
        return True
    return len(types) == 1 and types[0].shape == ()


def _by(function: Any, wrt: Sequence[str] | None, which: str) -> Any:
    """What a derivative is by: sparse matrices have one axis for all names, others one for each array."""
    is_sparse = which.startswith("sparse-")
    if wrt is None and is_sparse and len(function.arguments) > 1:
        wrt = [name for entry in function.inputs for name in ((entry,) if isinstance(entry, str) else entry)]
    if wrt is None:
        return None
    if len(wrt) == 1:
        return wrt[0]
    arrays = {a.name for a in function.arguments if a.shape}
    return list(wrt) if is_sparse or not arrays.intersection(wrt) else tuple(wrt)
