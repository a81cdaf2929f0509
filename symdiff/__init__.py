"""symdiff: a formula in, fast native code for its value and its derivatives of any order out.

>>> import symdiff as sd
>>> sd.grad("x**2*y", ["x", "y"])(3.0, 2.0)
array([12.,  9.])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symdiff.loading import load_module as _load
from symdiff.version import VERSION

__version__ = VERSION

PUBLIC = {
    "ArgumentError": "errors",
    "CallError": "errors",
    "ClusterError": "errors",
    "CompileError": "errors",
    "CompiledFunction": "functions.compiled",
    "DifferentiationError": "errors",
    "Expr": "frontend.expr",
    "Function": "functions.function",
    "GradientCheck": "functions.checking",
    "Graph": "ir.graph",
    "IndexRangeError": "errors",
    "LimitError": "errors",
    "Limits": "budget",
    "MissingAttributeError": "errors",
    "Namespace": "functions.define",
    "ParseError": "errors",
    "Progress": "reporting",
    "ShapeError": "errors",
    "StorageError": "errors",
    "SymdiffError": "errors",
    "UnknownNameError": "errors",
    "VerifyError": "errors",
    "check_grad": "functions.checking",
    "checkpoint": "frontend.checkpointing",
    "define": "functions.define",
    "derivative": "functions.series",
    "diff": "functions.series",
    "emit": "ship.emit",
    "expr": "functions.build",
    "from_sympy": "interop.sympy",
    "function": "functions.build",
    "grad": "functions.transforms",
    "hessian": "functions.transforms",
    "hvp": "functions.products",
    "jacobian": "functions.transforms",
    "jvp": "functions.products",
    "laplacian": "functions.laplacians",
    "limits": "budget",
    "linearize": "functions.linearize",
    "load": "functions.loading",
    "named": "frontend.symbols",
    "nlp": "functions.nlp",
    "operator": "functions.laplacians",
    "progress": "reporting",
    "plot": "pictures.plotting",
    "simplify": "functions.simplifying",
    "sparse_hessian": "functions.sparse",
    "sparse_jacobian": "functions.sparse",
    "symbol": "frontend.symbols",
    "symbols": "frontend.symbols",
    "taylor": "functions.series",
    "to_jax": "interop.conversions",
    "to_numba": "interop.conversions",
    "to_sympy": "interop.sympy",
    "to_torch": "interop.conversions",
    "value_and_grad": "functions.transforms",
    "vjp": "functions.products",
    "vmap": "functions.mapping",
}
"""The public names, each with the module that is loaded when it is first used.

A name is added by a line here, and one below, by which type checkers know it.
"""

_NAMES = """
budget cli codegen content dataclass differentiate digest display errors frontend functions guesses interop interpret ir
later loading locks native numeric ops optimize pictures reporting ship signature sizes trees types version
"""
_MODULES = frozenset(_NAMES.split())
"""The modules of the package, which are loaded when they are first used, too."""

if TYPE_CHECKING:
    from symdiff.budget import Limits as Limits
    from symdiff.budget import limits as limits
    from symdiff.errors import ArgumentError as ArgumentError
    from symdiff.errors import CallError as CallError
    from symdiff.errors import ClusterError as ClusterError
    from symdiff.errors import CompileError as CompileError
    from symdiff.errors import DifferentiationError as DifferentiationError
    from symdiff.errors import IndexRangeError as IndexRangeError
    from symdiff.errors import LimitError as LimitError
    from symdiff.errors import MissingAttributeError as MissingAttributeError
    from symdiff.errors import ParseError as ParseError
    from symdiff.errors import ShapeError as ShapeError
    from symdiff.errors import StorageError as StorageError
    from symdiff.errors import SymdiffError as SymdiffError
    from symdiff.errors import UnknownNameError as UnknownNameError
    from symdiff.errors import VerifyError as VerifyError
    from symdiff.frontend.checkpointing import checkpoint as checkpoint
    from symdiff.frontend.expr import Expr as Expr
    from symdiff.frontend.symbols import named as named
    from symdiff.frontend.symbols import symbol as symbol
    from symdiff.frontend.symbols import symbols as symbols
    from symdiff.functions.build import expr as expr
    from symdiff.functions.build import function as function
    from symdiff.functions.checking import GradientCheck as GradientCheck
    from symdiff.functions.checking import check_grad as check_grad
    from symdiff.functions.compiled import CompiledFunction as CompiledFunction
    from symdiff.functions.define import Namespace as Namespace
    from symdiff.functions.define import define as define
    from symdiff.functions.function import Function as Function
    from symdiff.functions.laplacians import laplacian as laplacian
    from symdiff.functions.laplacians import operator as operator
    from symdiff.functions.linearize import linearize as linearize
    from symdiff.functions.loading import load as load
    from symdiff.functions.mapping import vmap as vmap
    from symdiff.functions.nlp import nlp as nlp
    from symdiff.functions.products import hvp as hvp
    from symdiff.functions.products import jvp as jvp
    from symdiff.functions.products import vjp as vjp
    from symdiff.functions.series import derivative as derivative
    from symdiff.functions.series import diff as diff
    from symdiff.functions.series import taylor as taylor
    from symdiff.functions.simplifying import simplify as simplify
    from symdiff.functions.sparse import sparse_hessian as sparse_hessian
    from symdiff.functions.sparse import sparse_jacobian as sparse_jacobian
    from symdiff.functions.transforms import grad as grad
    from symdiff.functions.transforms import hessian as hessian
    from symdiff.functions.transforms import jacobian as jacobian
    from symdiff.functions.transforms import value_and_grad as value_and_grad
    from symdiff.interop.conversions import to_jax as to_jax
    from symdiff.interop.conversions import to_numba as to_numba
    from symdiff.interop.conversions import to_torch as to_torch
    from symdiff.interop.sympy import from_sympy as from_sympy
    from symdiff.interop.sympy import to_sympy as to_sympy
    from symdiff.ir.graph import Graph as Graph
    from symdiff.named_functions import *  # noqa: F403
    from symdiff.pictures.plotting import plot as plot
    from symdiff.reporting import Progress as Progress
    from symdiff.reporting import progress as progress
    from symdiff.ship.emit import emit as emit

else:
    __all__ = list(PUBLIC)

    def __getattr__(name: str) -> Any:
        """A public name, a module of the package, or a function of the language: `symdiff.sin`, `symdiff.where`, …"""
        if name in PUBLIC:
            found = globals()[name] = getattr(_load(f"symdiff.{PUBLIC[name]}"), name)
            return found
        if name in _MODULES:
            return _load(f"symdiff.{name}")
        found = None if name.startswith("__") else _of_language("functions").named_function(name)
        if found is None:
            return _load("symdiff.functions.habits").guessed(name, PUBLIC)
        if _of_language("calls").is_function(name):  # not one of a user's, which another may replace
            globals()[name] = found
        return found


def _of_language(module: str) -> Any:
    """A module that knows the functions of the language, of which each is an attribute here."""
    return _load(f"symdiff.frontend.{module}")


def __dir__() -> list[str]:
    return sorted([*PUBLIC, *_of_language("functions").names()])


_load("symdiff.functions.loading")  # what every function needs, and what those with code in a file are called by
