"""The functions that a command is given: a text of named functions, a saved one, or those of a Python module."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from symdiff.errors import ArgumentError, Source
from symdiff.frontend.lexer import tokenize
from symdiff.frontend.statements import split
from symdiff.functions import build, products, sparse, storage, transforms
from symdiff.functions.function import Function
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


def read_formulas(given: str, dtype: str = FLOAT64, numbers: Sequence[str] = ()) -> dict[str, Any]:
    """The functions by name of a file that `save` wrote, of a text file (or ``-``), or ``module:function,…``.

    In a text each header is a function, of numbers of a type; lines above are there for it. `numbers` names those of
    its parameters that are single numbers where the text leaves that open.

    Raises
    ------
    ArgumentError
        Where there is none.
    OSError
        For a file that cannot be read.
    """
    if given == "-":
        return functions_of(sys.stdin.read(), dtype, numbers)
    path = Path(given)
    module, colon, names = given.rpartition(":")
    if not path.exists() and colon and module:
        return _imported(module, names)
    data = path.read_bytes()
    if data.startswith(storage.MAGIC):
        function = storage.load(path)
        return {function.__name__: function}
    try:
        return functions_of(data.decode("utf-8"), dtype, numbers)
    except UnicodeDecodeError:
        raise ArgumentError(f"{given} is neither text nor what `save` wrote") from None


def functions_of(text: str, dtype: str = FLOAT64, numbers: Sequence[str] = ()) -> dict[str, Function]:
    """The function of each header in a text, with the lines above it; of a text without headers its value, ``f``.

    Raises
    ------
    ArgumentError
        Where two have one name.
    ParseError
        For a text that is not in the language.
    """
    tokens = tokenize(Source(text))
    found: dict[str, Function] = {}
    for statement in split(tokens):
        if statement.parameters is not None:
            assert statement.name is not None
            if statement.name in found:
                raise ArgumentError(f"there are two functions called {statement.name}")
            shapes = {p.name: () for p in statement.parameters if p.name in numbers}
            found[statement.name] = build.function(text[: tokens.ends[statement.last - 1]], shapes=shapes, dtype=dtype)
    if not found:
        function = build.function(text, shapes=dict.fromkeys(numbers, ()), dtype=dtype)
        found[function.__name__] = function
    return found


def _imported(module: str, names: str) -> dict[str, Any]:
    """The functions of a module, which may lie in the folder of the command."""
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        loaded = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.split(".")[0] and error.name != module:
            raise
        raise ArgumentError(f"there is no file and no module {module}") from None
    found: dict[str, Any] = {}
    for name in names.split(","):
        if not hasattr(loaded, name):
            raise ArgumentError(f"the module {module} has no {name!r}")
        value = getattr(loaded, name)
        found[name] = value if hasattr(value, "emit") else build.function(value, name=name)
    return found


def derived(functions: dict[str, Any], of: Sequence[str], wrt: Sequence[str] | None) -> dict[str, Any]:
    """The derivatives of functions, by names: `f`, `f_grad`, …

    `wrt` is a name, or several: one axis of numbers, otherwise a tuple of arrays; None: as transforms have it.

    Raises
    ------
    ArgumentError
        For a derivative that there is none of by that name.
    """
    made: dict[str, Any] = {}
    for name, function in functions.items():
        for which in of:
            if which not in DERIVATIVES:
                raise ArgumentError(f"there is no derivative {which!r}", hint=f"there are {', '.join(DERIVATIVES)}")
            suffix, make = DERIVATIVES[which]
            made[name + suffix] = make(function, _by(function, wrt))
    return made


def _by(function: Any, wrt: Sequence[str] | None) -> Any:
    if wrt is None:
        return None
    if len(wrt) == 1:
        return wrt[0]
    arrays = {a.name for a in function.arguments if a.shape}
    return tuple(wrt) if arrays.intersection(wrt) else list(wrt)
