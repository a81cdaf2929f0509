"""SymPy expressions into graphs; `to_sympy` leads back.

The walk goes over the objects of an expression once each, so shared parts stay shared however large the tree would be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError, CallError, nearest, quote
from symdiff.frontend.calls import call, piecewise
from symdiff.frontend.given import checked_name
from symdiff.frontend.lexer import RESERVED
from symdiff.frontend.sympy_arithmetic import Plan, constant, power, product, total
from symdiff.frontend.sympy_export import to_sympy
from symdiff.frontend.sympy_matrices import matrix_plan
from symdiff.ir.graph import Graph, collector_paused

__all__ = ["from_sympy", "name_of", "to_sympy"]

_SAME_NAMES = (
    "sin cos tan sec csc cot asin acos atan asec acsc acot atan2 sinh cosh tanh sech csch coth asinh acosh atanh asech"
    " acsch acoth exp log sign floor frac erf erfc gamma loggamma digamma polygamma factorial beta expm1 log1p exp2"
    " log2 log10 hypot Abs Heaviside Max Min Mod ceiling And Or Not Xor ITE"
)
FUNCTIONS = {name: name for name in _SAME_NAMES.split()} | {
    "sinc": "sinc_unnormalized", "Sqrt": "sqrt", "Cbrt": "cbrt", "StrictLessThan": "less", "LessThan": "less_equal",
    "StrictGreaterThan": "greater", "GreaterThan": "greater_equal", "Equality": "equal", "Unequality": "not_equal",
}  # fmt: skip
"""SymPy's classes whose objects are calls of a function of the language with the same arguments."""

UNEVALUATED = frozenset(("Integral", "Sum", "Product", "Limit", "Subs", "Derivative"))


def from_sympy(expression: Any, graph: Graph | None = None) -> tuple[Graph, int, dict[str, Any]]:
    """The graph and node of a SymPy expression, condition, Matrix or Array, and the inputs' SymPy objects by name.

    Raises
    ------
    ArgumentError
        For what has no real value (`I`, `zoo`), functions that the language does not have, two symbols of one name.
    """
    if graph is None:
        graph = Graph()
    with collector_paused(), graph.lock:
        converter = _Converter(graph)
        return graph, converter.convert(expression), converter.names


def name_of(symbol: Any) -> str:
    """The name of the input that a SymPy symbol, `q(t)`, `Derivative(q(t), t)` or `x[i]` becomes.

    Raises
    ------
    ArgumentError
        For other expressions, and for names that no identifier can be made of.
    """
    text = _text_of(symbol)
    name = re.sub(r"\W+", "_", re.sub(r"[{}\\]", "", text))
    if name != text:
        name = name.strip("_") or "_"
    if name[:1].isdigit():
        name = f"_{name}"
    if name in RESERVED:
        name += "_"
    return checked_name(name)


def _text_of(symbol: Any) -> str:
    import sympy
    from sympy.core.function import AppliedUndef

    if isinstance(symbol, sympy.Symbol | sympy.MatrixSymbol):
        return str(symbol.name)
    if isinstance(symbol, AppliedUndef):
        return str(symbol.func.__name__)
    if isinstance(symbol, sympy.Derivative) and _is_leaf(symbol):
        variables = "".join(_text_of(v) * int(count) for v, count in symbol.variable_count)
        return f"{_text_of(symbol.expr)}_{variables}"
    if isinstance(symbol, sympy.Indexed):
        return "_".join([str(symbol.base.label), *(str(i) for i in symbol.indices)])
    raise ArgumentError(
        f"{quote(type(symbol).__name__)} is no symbol", hint="give a Symbol, q(t), its derivative or x[i]"
    )


def _is_leaf(expression: Any) -> bool:
    """Whether an expression becomes an input: a symbol, q(t), a derivative of it, x[i], a matrix symbol."""
    import sympy
    from sympy.core.function import AppliedUndef

    if isinstance(expression, sympy.Symbol | AppliedUndef | sympy.Indexed | sympy.MatrixSymbol):
        return True
    return (
        isinstance(expression, sympy.Derivative)
        and isinstance(expression.expr, AppliedUndef)
        and all(isinstance(v, sympy.Symbol) and count.is_Integer for v, count in expression.variable_count)
    )


class _Converter:
    """One conversion: what is already converted, by identity, and the names given so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.names: dict[str, Any] = {}
        self.done: dict[int, int] = {}
        self.alive: list[Any] = []

    def convert(self, expression: Any) -> int:
        """The node of an expression: parts first, over an explicit stack."""
        done, graph = self.done, self.graph
        plans: dict[int, Plan] = {}
        stack = [expression]
        while stack:
            item = stack[-1]
            key = id(item)
            if key in done:
                stack.pop()
                continue
            plan = plans.get(key)
            if plan is None:
                self.alive.append(item)
                plan = plans[key] = self.plan(item)
                missing = [part for part in plan[0] if id(part) not in done]
                if missing:
                    stack.extend(reversed(missing))
                    continue
            stack.pop()
            done[key] = plan[1](graph, [done[id(part)] for part in plan[0]])
            plans[key] = ((), plan[1])
        return done[id(expression)]

    def plan(self, item: Any) -> Plan:
        """How to convert one object."""
        import sympy

        if _is_leaf(item):
            node = self.input(item)
            return (), lambda graph, nodes: node
        if isinstance(item, sympy.MatrixBase | sympy.NDimArray):
            return _array(item)
        found = matrix_plan(item)
        if found is not None:
            return found
        if isinstance(item, sympy.matrices.expressions.matexpr.MatrixElement):
            return _element(item)
        if isinstance(item, sympy.MatrixExpr):
            raise _refusal(item)
        if isinstance(item, sympy.Add):
            return total(item)
        if isinstance(item, sympy.Mul):
            return product(item)
        if isinstance(item, sympy.Pow):
            return power(item)
        if isinstance(item, sympy.Number | sympy.NumberSymbol | sympy.logic.boolalg.BooleanAtom):
            value = constant(item)
            return (), lambda graph, nodes: graph.constant(value)
        if isinstance(item, sympy.Piecewise):
            parts = [part for pair in item.args for part in pair.args]
            return parts, lambda graph, nodes: piecewise(graph, list(zip(nodes[::2], nodes[1::2], strict=True)))
        kind = type(item).__name__
        if kind in FUNCTIONS and type(item).__module__.startswith("sympy."):
            name = FUNCTIONS[kind]
            args = tuple(sympy.ordered(item.args)) if isinstance(item, sympy.core.operations.LatticeOp) else item.args
            return args, lambda graph, nodes: _called(graph, name, nodes)
        if isinstance(item, sympy.UnevaluatedExpr):
            return item.args, lambda graph, nodes: nodes[0]
        if isinstance(item, sympy.re | sympy.im | sympy.conjugate) and _is_leaf(item.args[0]):  # inputs are real
            imaginary = isinstance(item, sympy.im)
            return item.args, lambda graph, nodes: graph.constant(0.0) if imaginary else nodes[0]
        if isinstance(item, sympy.Implies):
            return item.args, lambda graph, nodes: graph.apply(
                "logical_or", (graph.apply("logical_not", nodes[:1]), nodes[1])
            )
        raise _refusal(item)

    def input(self, item: Any) -> int:
        """The input for a symbol.

        Raises
        ------
        ArgumentError
            Where another symbol has its name.
        """
        name = name_of(item)
        known = self.names.setdefault(name, item)
        if known is not item and known != item:
            raise ArgumentError(
                f"two different symbols are called {name}: {quote(str(known))} and {quote(str(item))}",
                hint="rename one of them with .subs; symbols with different assumptions are different",
            )
        if item.is_commutative is False and not hasattr(item, "rows"):
            raise ArgumentError(f"{name} does not commute", hint="declare the symbol without commutative=False")
        shape = tuple(_size(n) for n in item.shape) if hasattr(item, "rows") else ()
        return self.graph.input(name, shape)


def _size(size: Any) -> int:
    if not getattr(size, "is_Integer", False):
        raise ArgumentError("a MatrixSymbol needs a size in numbers", hint='write MatrixSymbol("W", 2, 3)')
    return int(size)


def _called(graph: Graph, name: str, nodes: Sequence[int]) -> int:
    try:
        return call(graph, name, list(nodes), {})
    except ValueError as error:
        raise ArgumentError(getattr(error, "message", str(error)), hint=getattr(error, "hint", "")) from None


def _array(item: Any) -> Plan:
    import sympy

    shape = tuple(int(n) for n in item.shape)
    parts = list(item.flat()) if isinstance(item, sympy.MatrixBase) else list(sympy.flatten(item.tolist()))
    if len(shape) == 0 and not parts:
        parts = [item[()]]

    def build(graph: Graph, nodes: Sequence[int]) -> int:
        if not nodes:
            return graph.constant(np.zeros(shape))
        rows = [graph.as_number(n) for n in nodes]
        for size in reversed(shape):
            rows = [graph.add("stack", tuple(rows[k : k + size])) for k in range(0, len(rows), size)]
        return rows[0]

    return parts, build


def _element(item: Any) -> Plan:
    if not (item.i.is_Integer and item.j.is_Integer):
        raise _refusal(item)
    index = int(item.i), int(item.j)
    return (item.parent,), lambda graph, nodes: graph.element(nodes[0], index)


def _refusal(item: Any) -> ArgumentError | CallError:
    import sympy

    kind = type(item).__name__
    if not isinstance(item, sympy.Basic):
        return CallError(f"a value of type {kind} is no SymPy expression")
    if item in (sympy.I, sympy.zoo):
        what = "the imaginary unit I" if item == sympy.I else "zoo, the complex infinity,"
        return ArgumentError(f"{what} has no real value", hint="write the real and the imaginary part apart")
    if kind in ("re", "im", "conjugate", "arg"):
        return ArgumentError(
            f"SymPy's {kind} is not supported", hint="declare the symbols real: symbols(..., real=True)"
        )
    if kind in UNEVALUATED:
        return ArgumentError(f"{kind} is not evaluated", hint="call .doit() on the expression")
    if isinstance(item, sympy.MatrixExpr):
        return ArgumentError(f"{kind} is not supported", hint="call .as_explicit() on the expression")
    return ArgumentError(f"SymPy's {kind} is not supported", hint=nearest(kind, FUNCTIONS))
