"""Functions as SymPy's expressions, and back."""

from __future__ import annotations

from typing import Any

from symdiff.errors import ArgumentError
from symdiff.frontend.expr import Expr, is_sympy
from symdiff.functions.build import function
from symdiff.functions.function import Function
from symdiff.interop.flat_functions import function_of
from symdiff.trees import arrange


def to_sympy(fun: Any) -> Any:
    """The formula of a function as SymPy's expressions: for a vector an Array, for a matrix a Matrix.

    Numbers among the inputs become symbols, arrays `IndexedBase` objects with subscripts. Several outputs come in the
    structure of the function's. `sympy.sympify` of a function does the same.

    Parameters
    ----------
    fun : a Function, an Expr, or anything that `function` takes.

    Raises
    ------
    ArgumentError
        For operations that SymPy does not have, and formulas that are too large for it.
    ShapeError
        Where shapes are known at each call only: give `f.specialize(…)`.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.to_sympy("f(x, y) = x**2*sin(y)")
    x**2*sin(y)
    >>> sd.to_sympy(sd.grad("f(x[2]) = x[0]*x[1]**2"))
    [x[1]**2, 2*x[0]*x[1]]
    """
    from symdiff.frontend.sympy_export import sympy_of

    if isinstance(fun, Expr):
        return sympy_of(fun.graph, fun.node)
    f = function_of(fun)
    known = f._known
    return arrange(known.structure, [sympy_of(known.graph, node) for node in known.nodes])


def sympified(fun: Any) -> Any:
    """What `sympy.sympify` gives: one object, a `Tuple` for several outputs."""
    import sympy

    return sympy.sympify(to_sympy(fun))


def from_sympy(expression: Any, inputs: Any = None, **options: Any) -> Function:
    """The function of a SymPy expression, condition, Matrix or Array, or of a list or tuple of them.

    It is what `function` makes of it: symbols become inputs, in the order of `inputs`; see docs/sympy.md for what
    becomes of others.

    Parameters
    ----------
    expression : what SymPy made.
    inputs : symbols or names in call order, as for `function`.
    options : as for `function`.

    Raises
    ------
    ArgumentError
        For what is no object of SymPy, and what has no real value.

    Examples
    --------
    >>> import symdiff as sd, sympy as sp
    >>> x, y = sp.symbols("x y")
    >>> sd.from_sympy(x**2*sp.sin(y), [x, y])(3.0, 0.5)
    4.314829847437827
    """
    parts = expression if isinstance(expression, list | tuple) else (expression,)
    for part in parts:
        if not is_sympy(part):
            raise ArgumentError(
                f"a value of type {type(part).__name__} is no SymPy expression", hint="sd.function takes all others"
            )
    return function(expression, inputs, **options)
