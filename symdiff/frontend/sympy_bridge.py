"""SymPy expressions into graphs; `sympy_of` leads back.

The walk goes over the objects of an expression once each, so shared parts stay shared however large the tree would be.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from symdiff.errors import ArgumentError, CallError, NeedsShape, Open, ShapeError, SymdiffError, nearest, quote
from symdiff.frontend.calls import PROCESS, Known, LanguageFunction, look_up, piecewise
from symdiff.frontend.sympy_arithmetic import Plan, power, sympy_constant, sympy_product, sympy_total
from symdiff.frontend.sympy_export import sympy_of
from symdiff.frontend.sympy_functions import CLASSES
from symdiff.frontend.sympy_leaves import element_of, frozen, is_leaf, symbol_name, symbol_shape
from symdiff.frontend.sympy_matrices import matrix_plan
from symdiff.frontend.sympy_real import over_reals
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core, movement
from symdiff.types import Shape

__all__ = ["graph_of_sympy", "read_sympy", "symbol_name", "sympy_of"]

APART = "write the real and the imaginary part apart"
UNEVALUATED = frozenset(("Integral", "Limit"))


Derive = Callable[[Graph, int, int, int], int]
"""(graph, node, input, n): the n-th derivative of a scalar node by an input, in the same graph."""


def graph_of_sympy(
    expression: Any,
    graph: Graph | None = None,
    listed: Mapping[str, Shape | None] | None = None,
    derive: Derive | None = None,
    definitions: Known | None = None,
) -> tuple[Graph, int, dict[str, Any]]:
    """The graph and node of a SymPy expression, condition, Matrix or Array, and the inputs' SymPy objects by name.

    Parameters
    ----------
    expression : what to convert.
    graph : where to; a new one where none is given.
    listed : the shapes of the inputs that somebody listed, None where only a call says it: an element `x[i]` of a
        listed `x` is an element of that array, and otherwise an input of its own.
    derive : how a `Derivative` that SymPy does not evaluate is made; without it, such are refused.
    definitions : the functions of users that it may call; those of the process where none are given.

    Raises
    ------
    ArgumentError
        For what has no real value (`I`, `zoo`), functions that the language does not have, two symbols of one name.
    NeedsShape
        Where the shape of an array is not known yet.
    """
    if graph is None:
        graph = Graph()
    expression, leaves = over_reals(frozen(expression))
    with collector_paused(), graph.lock:
        converter = _Converter(
            graph, listed or {}, leaves, derive, PROCESS.known if definitions is None else definitions
        )
        return graph, converter.convert(expression), converter.names


class Converted(NamedTuple):
    """What a SymPy expression became in a graph.

    Attributes
    ----------
    body : its formula, in a graph of its own.
    nodes : those of the graph, by the nodes of the body.
    symbols : the inputs' SymPy objects by name.
    """

    body: Body
    nodes: dict[int, int]
    symbols: dict[str, Any]


def read_sympy(
    expression: Any, graph: Graph, listed: Mapping[str, Shape | None], derive: Derive, definitions: Known
) -> Converted | Open:
    """An expression in a graph that has other sources, or that it is open: the shape of a name decides what it is.

    The conversion, which other code leaves by an error, says so by `NeedsShape`; that ends here.

    Raises
    ------
    ArgumentError
        As `graph_of_sympy`.
    """
    try:
        own, node, symbols = graph_of_sympy(expression, listed=listed, derive=derive, definitions=definitions)
        body = Body.of(own, [node])
        return Converted(body, body.copy(graph), symbols)
    except NeedsShape as error:
        return Open.of(error)


class _Converter:
    """One conversion: what is already converted, by identity, and the names given so far.

    `leaves` are the inputs that dummies stand for; `constants` holds the nodes in which there is no input.
    """

    def __init__(
        self,
        graph: Graph,
        listed: Mapping[str, Shape | None],
        leaves: Mapping[Any, Any],
        derive: Derive | None,
        definitions: Known,
    ) -> None:
        self.definitions = definitions
        self.graph, self.listed, self.leaves, self.derive = graph, listed, leaves, derive
        self.constants: set[int] = set()
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
            nodes = [done[id(part)] for part in plan[0]]
            done[key] = plan[1](graph, nodes)
            plans[key] = ((), plan[1])
            if self.constants.issuperset(nodes) and not is_leaf(item):
                self.constants.add(done[key])
                _check_real(item)
        return done[id(expression)]

    def plan(self, item: Any) -> Plan:
        """How to convert one object."""
        import sympy

        item = self.leaves.get(item, item)
        if is_leaf(item):
            return self.leaf(item)
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
            return sympy_total(item)
        if isinstance(item, sympy.Mul):
            return sympy_product(item)
        if isinstance(item, sympy.Pow):
            return power(item)
        if isinstance(item, sympy.Number | sympy.NumberSymbol | sympy.logic.boolalg.BooleanAtom):
            value = sympy_constant(item)
            return (), lambda graph, nodes: graph.constant(value)
        if isinstance(item, sympy.Piecewise):
            parts = [part for pair in item.args for part in pair.args]
            return parts, lambda graph, nodes: piecewise(graph, list(zip(nodes[::2], nodes[1::2], strict=True)))
        kind = type(item).__name__
        if kind in CLASSES and type(item).__module__.startswith("sympy."):
            name = CLASSES[kind]
            matrix = next((part for part in item.args if getattr(part, "is_Matrix", False)), None)
            if matrix is not None:
                raise ArgumentError(
                    f"{kind} of a matrix is a function of matrices for SymPy, which is not supported",
                    hint=f"for its elements write {matrix if is_leaf(matrix) else f'({matrix})'}.applyfunc({kind})",
                )
            args = tuple(sympy.ordered(item.args)) if isinstance(item, sympy.core.operations.LatticeOp) else item.args
            entry = look_up(name)
            assert entry is not None
            return args, lambda graph, nodes: _called(graph, entry, nodes)
        if isinstance(item, sympy.UnevaluatedExpr):
            return item.args, lambda graph, nodes: nodes[0]
        if isinstance(item, sympy.arg):
            return item.args, lambda graph, nodes: graph.apply(core.ATAN2, (graph.constant(0.0), nodes[0]))
        if isinstance(item, sympy.Derivative) and self.derive is not None:
            return self.derivative(item, self.derive)
        raise _refusal(item)

    def leaf(self, item: Any) -> Plan:
        """How to convert an input, an element of a listed array, or a call of a function that somebody defined."""
        from sympy.core.function import AppliedUndef

        place = element_of(item)
        if place is not None and place[0] in self.listed:
            base, index = place
            node = self.element(item, base, index)
            return (), lambda graph, nodes: node
        if isinstance(item, AppliedUndef):
            name = item.func.__name__
            defined = self.definitions.get(name) if name not in self.listed else None
            if defined is not None:
                return item.args, lambda graph, nodes: _called(graph, defined, nodes)
            if hasattr(item.func, "_imp_") and name not in self.listed:
                raise ArgumentError(
                    f"{name} is an undefined function of SymPy with Python code, which has no derivative",
                    hint=f'define it with a formula: sd.define("{item} = …")',
                )
        node = self.input(item)
        return (), lambda graph, nodes: node

    def element(self, item: Any, base: str, index: tuple[Any, ...]) -> int:
        """The element of an array that is listed.

        Raises
        ------
        ArgumentError
            For an index that is no number, or out of range.
        NeedsShape
            Where the shape of the array is not known.
        """
        shape = self.listed[base]
        if shape is None or not shape:
            raise NeedsShape(
                f"{item} is an element of {base}, whose shape is not known",
                names=(base,),
                hint=f'declare the shape: shapes={{"{base}": 3}}',
            )
        if not all(k.is_Integer for k in index):
            raise ArgumentError(f"the index of {item} is no number", hint="write a Sum with numbers for its ends")
        self.names.setdefault(base, getattr(item, "base", item))
        try:
            return movement.element(self.graph, self.graph.input(base, shape), tuple(int(k) for k in index))
        except SymdiffError as error:
            raise ShapeError(f"{item}: {error.message}", hint=error.hint) from None

    def derivative(self, item: Any, derive: Derive) -> Plan:
        """How to convert a derivative that SymPy leaves as it is."""
        variables = [v for v, _ in item.variable_count]
        orders = [int(count) for _, count in item.variable_count if getattr(count, "is_Integer", False)]
        if len(orders) < len(variables) or not all(is_leaf(self.leaves.get(v, v)) for v in variables):
            raise _refusal(item)

        def build(graph: Graph, nodes: Sequence[int]) -> int:
            node = nodes[0]
            for at, order in zip(nodes[1:], orders, strict=True):
                node = derive(graph, node, at, order)
            return node

        return (item.expr, *variables), build

    def input(self, item: Any) -> int:
        """The input for a symbol.

        Raises
        ------
        ArgumentError
            Where another symbol has its name.
        """
        name = symbol_name(item)
        known = self.names.setdefault(name, item)
        if known is not item and known != item:
            raise ArgumentError(
                f"two different symbols are called {name}: {quote(str(known))} and {quote(str(item))}",
                hint="rename one of them with .subs; symbols with different assumptions are different",
            )
        if item.is_commutative is False and not hasattr(item, "rows"):
            raise ArgumentError(f"{name} does not commute", hint="declare the symbol without commutative=False")
        return self.graph.input(name, symbol_shape(item))


def _check_real(item: Any) -> None:
    """Refuse a power or a function of constants whose value SymPy knows not to be real."""
    import sympy

    if isinstance(item, sympy.Pow | sympy.Function) and item.is_extended_real is False:
        raise ArgumentError(f"{item} is not real", hint=APART)


def _called(graph: Graph, entry: LanguageFunction, nodes: Sequence[int]) -> int:
    try:
        return entry.node(graph, list(nodes), {})
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
            rows = [graph.add(core.STACK, tuple(rows[k : k + size])) for k in range(0, len(rows), size)]
        return rows[0]

    return parts, build


def _element(item: Any) -> Plan:
    if not (item.i.is_Integer and item.j.is_Integer):
        raise _refusal(item)
    index = int(item.i), int(item.j)
    return (item.parent,), lambda graph, nodes: movement.element(graph, nodes[0], index)


def _refusal(item: Any) -> ArgumentError | CallError:
    import sympy

    kind = type(item).__name__
    if not isinstance(item, sympy.Basic):
        return CallError(f"a value of type {kind} is no SymPy expression")
    if item == sympy.I:
        return ArgumentError("the imaginary unit I has no real value", hint=APART)
    if item == sympy.zoo:
        return ArgumentError("zoo, the complex infinity, has no real value", hint="it comes from a division by zero")
    if kind in ("re", "im", "conjugate"):
        return ArgumentError(
            f"SymPy cannot tell {kind} of {item.args[0]}", hint="declare the symbols real: symbols(..., real=True)"
        )
    if kind == "Derivative":
        return ArgumentError(
            f"the derivative of {item.expr} is not evaluated", hint="call .doit() on it, or differentiate with sd.grad"
        )
    if kind == "DiracDelta":
        return ArgumentError(
            "DiracDelta, the derivative of a step, has no value at every point",
            hint="differentiate with sd.grad, which takes steps as constant",
        )
    if kind == "Quantity":
        return ArgumentError(
            f"{item} is a unit (Quantity), not a number",
            hint="divide by the units first: sympy.physics.units.convert_to",
        )
    if kind in UNEVALUATED:
        return ArgumentError(f"{kind} is not evaluated", hint="call .doit() on the expression")
    if isinstance(item, sympy.MatrixExpr):
        return ArgumentError(f"{kind} is not supported", hint="call .as_explicit() on the expression")
    return ArgumentError(f"SymPy's {kind} is not supported", hint=nearest(kind, CLASSES))
