"""What users hand over as a source, in the forms that are read: texts, expressions, functions, lists and tuples."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.frontend.calls import Known
from symdiff.frontend.parser import read_text
from symdiff.signature import Argument


def given(source: Any, inputs: Any) -> tuple[Any, Any]:
    """A source and its inputs; a Lambda and a Poly of SymPy bring inputs along where none are listed.

    Raises
    ------
    ArgumentError
        For a set, which has no order.
    """
    sympy = sys.modules.get("sympy")
    if sympy is not None:
        if isinstance(source, sympy.Lambda):
            return plain(source.expr), _listed(source.signature) if inputs is None else inputs
        if isinstance(source, sympy.Poly) and inputs is None and not source.free_symbols_in_domain:
            inputs = list(source.gens)
    return plain(source), inputs


def plain(source: Any) -> Any:
    """A source with lists for arrays of objects, tuples for SymPy's, and expressions for polynomials, at any depth."""
    sympy = sys.modules.get("sympy")
    if isinstance(source, np.ndarray) and source.dtype == object:
        return plain(source.tolist())
    if isinstance(source, set | frozenset) or (sympy is not None and isinstance(source, sympy.FiniteSet)):
        raise ArgumentError("a set of outputs has no order", hint="give a list (one vector) or a tuple (several)")
    if sympy is not None and isinstance(source, sympy.Poly):
        return source.as_expr()
    if isinstance(source, tuple) or (sympy is not None and isinstance(source, sympy.Tuple)):
        return tuple([plain(s) for s in source])
    if isinstance(source, list):
        return [plain(s) for s in source]
    if isinstance(source, dict):
        return {k: plain(s) for k, s in source.items()}
    return source


def texts_read(source: Any, arguments: Sequence[Argument] | None, sizes: Collection[str], definitions: Known) -> Any:
    """A source in which texts are read, at any depth: with `arguments` for inputs, and names of sizes.

    Raises
    ------
    ParseError
        For a text that is not in the language.
    """
    if isinstance(source, str):
        return read_text(source, arguments=arguments, sizes=sizes, definitions=definitions)
    if isinstance(source, tuple | list):
        return type(source)([texts_read(s, arguments, sizes, definitions) for s in source])
    if isinstance(source, dict):
        return {k: texts_read(s, arguments, sizes, definitions) for k, s in source.items()}
    return source


def _listed(signature: Any) -> list[Any]:
    """The parameters of a Lambda as inputs: a tuple among them is one vector argument."""
    return [list(part) if not hasattr(part, "name") else part for part in signature]
