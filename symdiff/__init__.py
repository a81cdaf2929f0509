"""symdiff: a formula in, fast native code for its value and its derivatives of any order out.

>>> import symdiff as sd
>>> sd.grad("x**2*y", ["x", "y"])(3.0, 2.0)
array([12.,  9.])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from symdiff.budget import Limits, limits
from symdiff.errors import (
    ArgumentError,
    CallError,
    CompileError,
    DifferentiationError,
    IndexRangeError,
    LimitError,
    ParseError,
    ShapeError,
    StorageError,
    SymdiffError,
    UnknownNameError,
    VerifyError,
)
from symdiff.frontend import functions as _functions
from symdiff.frontend import library as _library  # noqa: F401  # what is imported registers itself
from symdiff.frontend import numpy_protocol as _numpy_protocol  # noqa: F401
from symdiff.frontend.checkpointing import checkpoint
from symdiff.frontend.expr import Expr
from symdiff.frontend.symbols import named, symbol, symbols
from symdiff.functions.build import expr, function
from symdiff.functions.compiled import CompiledFunction
from symdiff.functions.define import Namespace, define
from symdiff.functions.function import Function
from symdiff.functions.linearize import linearize
from symdiff.functions.mapping import vmap
from symdiff.functions.products import hvp, jvp, vjp
from symdiff.functions.simplifying import simplify
from symdiff.functions.storage import load
from symdiff.functions.transforms import grad, hessian, jacobian, value_and_grad
from symdiff.ir.graph import Graph
from symdiff.version import VERSION

__version__ = VERSION

__all__ = [
    "ArgumentError",
    "CallError",
    "CompileError",
    "CompiledFunction",
    "DifferentiationError",
    "Expr",
    "Function",
    "GradientCheck",
    "Graph",
    "IndexRangeError",
    "LimitError",
    "Limits",
    "Namespace",
    "ParseError",
    "ShapeError",
    "StorageError",
    "SymdiffError",
    "UnknownNameError",
    "VerifyError",
    "check_grad",
    "checkpoint",
    "define",
    "derivative",
    "diff",
    "emit",
    "expr",
    "function",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "laplacian",
    "limits",
    "linearize",
    "load",
    "named",
    "nlp",
    "operator",
    "simplify",
    "sparse_hessian",
    "sparse_jacobian",
    "symbol",
    "symbols",
    "taylor",
    "value_and_grad",
    "vjp",
    "vmap",
]


LATER = {
    "GradientCheck": "functions.checking",
    "check_grad": "functions.checking",
    "derivative": "functions.series",
    "diff": "functions.series",
    "emit": "ship.emit",
    "laplacian": "functions.laplacians",
    "nlp": "functions.nlp",
    "operator": "functions.laplacians",
    "sparse_hessian": "functions.sparse",
    "sparse_jacobian": "functions.sparse",
    "taylor": "functions.series",
}
"""Names whose modules are loaded when they are first asked for."""

if TYPE_CHECKING:
    from symdiff.functions.checking import GradientCheck, check_grad
    from symdiff.functions.laplacians import laplacian, operator
    from symdiff.functions.nlp import nlp
    from symdiff.functions.series import derivative, diff, taylor
    from symdiff.functions.sparse import sparse_hessian, sparse_jacobian
    from symdiff.named_functions import *  # noqa: F403
    from symdiff.ship.emit import emit
else:

    def __getattr__(name: str) -> Any:
        """The functions of the language: `symdiff.sin`, `symdiff.where`, …, one for each record."""
        if name in LATER:
            found = globals()[name] = getattr(import_module(f"symdiff.{LATER[name]}"), name)
            return found
        found = _functions.named_function(name)
        if found is None:
            raise AttributeError(f"module 'symdiff' has no attribute {name!r}")
        return found


def __dir__() -> list[str]:
    return sorted([*__all__, *_functions.names()])
