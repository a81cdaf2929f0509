"""Methods of functions that other modules provide: `f.grad("x")` is `grad(f, "x")`, loaded when it is first used.

A method is one line in `METHODS`, and one in the class below, by which type checkers and editors know it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symdiff.later import Later

METHODS = {
    "c": "functions.source_texts:c_text",
    "check_grad": "functions.checking:check_grad",
    "derivative": "functions.series:derivative",
    "diff": "functions.series:diff",
    "dot": "functions.texts:dot_text",
    "draw": "pictures.picture:draw",
    "explain": "functions.source_texts:explanation",
    "grad": "functions.transforms:grad",
    "hessian": "functions.transforms:hessian",
    "hvp": "functions.products:hvp",
    "jacobian": "functions.transforms:jacobian",
    "jvp": "functions.products:jvp",
    "laplacian": "functions.laplacians:laplacian",
    "latex": "functions.texts:latex_text",
    "linearize": "functions.linearize:linearize",
    "plot": "pictures.plotting:plot",
    "python": "functions.source_texts:python_text",
    "simplify": "functions.simplifying:simplify",
    "sparse_hessian": "functions.sparse:sparse_hessian",
    "sparse_jacobian": "functions.sparse:sparse_jacobian",
    "ssa": "functions.texts:ssa_text",
    "steps": "functions.steps:steps_at",
    "taylor": "functions.series:taylor",
    "to_jax": "interop.conversions:to_jax",
    "to_numba": "interop.conversions:to_numba",
    "to_sympy": "interop.sympy:to_sympy",
    "to_torch": "interop.conversions:to_torch",
    "value_and_grad": "functions.transforms:value_and_grad",
    "vjp": "functions.products:vjp",
    "vmap": "functions.mapping:vmap",
}
"""Where the function stands, in symdiff, whose first argument is the object that a method is called of."""


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from symdiff.functions.checking import GradientCheck
    from symdiff.functions.function import Function
    from symdiff.functions.linearize import Linearization
    from symdiff.functions.sparse_function import SparseFunction
    from symdiff.functions.steps import Steps
    from symdiff.pictures.picture import Picture

    class Methods:
        """The part of `Function` that other modules provide."""

        __slots__ = ()

        def c(
            self, *others: Any, names: Sequence[str] | None = None, fp: str = "contract", dtype: str | None = None
        ) -> str: ...
        def check_grad(
            self, *point: Any, wrt: Any = None, order: int = 1, rtol: float = 1e-06, seed: int = 0, **keywords: Any
        ) -> GradientCheck: ...
        def derivative(self, name: Any = None, n: int = 1) -> Function: ...
        def diff(self, x: Any = None, n: int = 1) -> Any: ...
        def dot(self) -> str: ...
        def draw(
            self,
            *point: Any,
            highlight: str | None = None,
            fold: bool | None = None,
            layout: str | None = None,
            **keywords: Any,
        ) -> Picture: ...
        def explain(self, memory: int | None = None) -> str: ...
        def grad(self, wrt: Any = None) -> Function: ...
        def hessian(self, wrt: Any = None) -> Function: ...
        def hvp(self, wrt: Any = None) -> Function: ...
        def jacobian(self, wrt: Any = None, mode: str = "auto") -> Function: ...
        def jvp(self, wrt: Any = None) -> Function: ...
        def laplacian(self, wrt: Any = None) -> Function: ...
        def latex(self) -> str: ...
        def linearize(self, wrt: Any = None) -> Linearization: ...
        def plot(self, orders: int = 1, *, points: int = 800, ax: Axes | None = None, **ranges: Any) -> Figure: ...
        def python(self, xp: str = "numpy") -> str: ...
        def simplify(self) -> Function: ...
        def sparse_hessian(
            self, wrt: Any = None, *, triangle: str = "full", format: str = "csr", method: str = "auto"
        ) -> SparseFunction: ...
        def sparse_jacobian(self, wrt: Any = None, *, format: str = "csr", method: str = "auto") -> SparseFunction: ...
        def ssa(self, optimized: bool = False) -> str: ...
        def steps(self, *point: Any, seed: Mapping[str, Any] | None = None, **keywords: Any) -> Steps: ...
        def taylor(self, wrt: Any = None, order: int = 1) -> Function: ...
        def to_jax(self) -> Any: ...
        def to_numba(self) -> Any: ...
        def to_sympy(self) -> Any: ...
        def to_torch(self) -> Any: ...
        def value_and_grad(self, wrt: Any = None) -> Function: ...
        def vjp(self, wrt: Any = None) -> Function: ...
        def vmap(self, in_axes: Any = 0, out_axes: int = 0) -> Function: ...

else:
    Methods = type("Methods", (), {"__slots__": (), **{name: Later(place) for name, place in METHODS.items()}})
