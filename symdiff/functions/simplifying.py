"""`simplify`: a function, an expression or a text as a person would write it."""

from __future__ import annotations

from typing import overload

from symdiff.budget import timed, under
from symdiff.display.simplify import readable
from symdiff.display.text import expression, program
from symdiff.errors import CallError
from symdiff.frontend.calls import PROCESS
from symdiff.frontend.expr import Expr
from symdiff.frontend.parser import read_text
from symdiff.functions.build import function
from symdiff.functions.function import Function


@overload
def simplify(formula: Function) -> Function: ...
@overload
def simplify(formula: Expr) -> Expr: ...
@overload
def simplify(formula: str) -> str: ...
def simplify(formula: Function | Expr | str) -> Function | Expr | str:
    """The same formula as a person would write it: a Function, an Expr or a text, whichever is given.

    The rules are light, and are those that printing applies to a copy: numbers are calculated with where that is exact;
    in a product numbers come first, then names, then sums, then functions, powers of one base are one power, and there
    is one quotient; signs are taken out, and numbers that divide every term of a sum; like terms of a sum are added up;
    known conditions are decided. Nothing is multiplied out or factored, of functions only values such as ``cos(0)`` are
    known, and the parentheses of sums stay where they are, because they say what is to be subtracted first.

    Values stay the same up to rounding, as long as no product of factors overflows in another order; where a factor
    cancels (``x/x``, ``0*x``) there may be a value where there was NaN before. A ``where`` stays, and so what guards a
    derivative from a branch that is not taken. Named lines stay.

    Parameters
    ----------
    formula : a Function whose shapes are known, an Expr, or a text.

    Returns
    -------
    Function, Expr or str
        As what was given, in a graph of its own.

    Raises
    ------
    CallError
        For anything else: give `sd.function` of it.
    ShapeError
        For a function whose shapes only a call fixes: give its ``specialize(…)``.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.simplify("x*2*x/y/y + 0*z")
    '2*x**2/y**2'
    >>> sd.simplify(sd.expr("x + y - (-x)"))
    Expr(2*x + y)
    >>> sd.simplify(sd.grad("f(x) = x**3/x")).ssa().splitlines()
    ['%0 = input x : float64', '%1 = constant 2.0', '%2 = mul %1, %0', 'return grad_f=%2']
    """
    if isinstance(formula, Expr):
        return _expression(formula)
    if isinstance(formula, Function):
        return _function(formula)
    if isinstance(formula, str):
        return _text(formula)
    raise CallError(
        f"simplify takes a Function, an Expr or a text, not a value of type {type(formula).__name__}",
        hint="write sd.simplify(sd.function(…))",
    )


def _expression(e: Expr) -> Expr:
    with under(e.graph.limits), timed():
        graph, (node,) = readable(e.graph, [e.node], for_good=True)
    return Expr(graph, node)


def _function(f: Function) -> Function:
    names = f._name_table()
    roots = list(dict.fromkeys([*names.values(), *f.nodes]))
    with under(f.graph.limits), timed():
        graph, made = readable(f.graph, roots, for_good=True)
        return f._moved(dict(zip(roots, made, strict=True)), graph)


def _text(text: str) -> str:
    f = _function(function(text))
    if read_text(text, definitions=PROCESS.known).header is None:
        return expression(f.graph, f.nodes[0], simplify=False)
    return program(f.graph, f.__name__, f.arguments, f.nodes[0], full=True, simplify=False)
