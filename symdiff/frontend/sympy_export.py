"""Graphs into SymPy expressions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.frontend.bodies import expansion
from symdiff.frontend.sympy_functions import sympy_function
from symdiff.ir.body import Body, Domain
from symdiff.ir.graph import Graph
from symdiff.ir.inlining import without_calls
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Expand, Fold, MatrixRoutine, Movement
from symdiff.types import INT64, TensorType, fixed

LONGEST_EXPANSION = 100
"""Nodes of an operation's own formula, up to which it is exported."""


def sympy_of(graph: Graph, node: int) -> Any:
    """A node as a SymPy expression; a vector as an Array, a matrix as a Matrix, elements of a tensor as `x[i]`.

    Raises
    ------
    ArgumentError
        Where SymPy cannot hold it: it recurses on the depth of expressions.
    """
    import sympy

    try:
        graph, roots = without_calls(graph, [node])
        value = _exported(Body(graph, (), roots), {})
    except RecursionError:
        raise ArgumentError("the expression is too deep for SymPy", hint="raise sys.setrecursionlimit") from None
    if not isinstance(value, np.ndarray):
        return value
    shape = value.shape
    if not shape:
        return value.item()
    if len(shape) == 2:
        return sympy.ImmutableDenseMatrix(*shape, value.ravel().tolist())
    return sympy.ImmutableDenseNDimArray(value.ravel().tolist(), shape)


def _exported(body: Body, given: dict[int, Any]) -> Any:
    """The value of the result: a SymPy expression, or an object array of these for a tensor."""
    return _finished(body.fold(_Expressions(body), given)[body.root])


class _Sum:
    """A sum that is still growing: SymPy's Add of all terms at once is linear."""

    __slots__ = ("terms", "value")

    def __init__(self, terms: list[Any]) -> None:
        self.terms = terms
        self.value: Any = None


def _finished(value: Any) -> Any:
    if type(value) is not _Sum:
        return value
    if value.value is None:
        import sympy

        value.value = sympy.Add(*value.terms)
    return value.value


class _Expressions(Domain[Any]):
    """The domain of SymPy's expressions; arrays are object arrays of these."""

    def __init__(self, body: Body) -> None:
        self.graph, self.uses = body.graph, body.users()
        self.special = range(len(body.graph))

    def constant(self, value: Any) -> Any:
        """A number; indices stay an array of integers."""
        if not isinstance(value, np.ndarray):
            return as_sympy(value)
        return value if value.dtype == INT64 else _array([as_sympy(v) for v in value.ravel().tolist()], value.shape)

    def input(self, name: Any, type_: TensorType) -> Any:
        """A symbol, or the elements of an indexed one."""
        return _symbol(name, fixed(type_.shape))

    def named(self, name: str, value: Any) -> Any:
        """What the line names."""
        return _finished(value)

    def at(self, node: int, values: dict[int, Any]) -> Any:
        """The expression of an operation."""
        graph = self.graph
        op, args, payload, shape = graph.ops[node], graph.args[node], graph.payloads[node], graph.types[node].shape
        if op in (core.ADD, core.SUB) and not shape:
            first = values[args[0]]
            grows = type(first) is _Sum and first.value is None and self.uses[args[0]] == 1
            terms = first.terms if grows else [_finished(first)]
            last = _finished(values[args[1]])
            terms.append(-last if op is core.SUB else last)
            return _Sum(terms)
        operands = [_finished(values[a]) for a in args]
        if op is core.STACK:
            parts = [v for o in operands for v in (o.ravel() if isinstance(o, np.ndarray) else (o,))]
            return _array(parts, fixed(shape))
        if op in (core.STOP_GRADIENT, core.CUSTOM):
            return operands[0]
        if isinstance(op.routine, Movement):
            return _moved(op.routine, payload, operands)
        if isinstance(op.routine, MatrixRoutine):
            return _of_matrices(op, *operands[:1])
        if not shape:
            return _scalar(op, payload, operands)
        return np.frompyfunc(lambda *parts: _scalar(op, payload, parts), len(operands), 1)(*operands)


MATRICES: dict[Op, Callable[[Any], Any]] = {
    core.DET: lambda m: m.det(),
    core.ADJUGATE: lambda m: m.adjugate(),
    core.INV: lambda m: m.adjugate() / m.det(),  # not m.inv(), which takes minutes for four rows of symbols
    core.LOGDET: lambda m: _log_of_size(m.det()),
    core.DET_SIGN: lambda m: _sign(m.det()),
}
"""What SymPy has for operations on square matrices."""

MOST_ROWS = 4
"""Of matrices of more rows SymPy's formulas have hundreds of terms for each element."""


def _log_of_size(value: Any) -> Any:
    import sympy

    return sympy.log(sympy.Abs(value))


def _sign(value: Any) -> Any:
    import sympy

    return sympy.sign(value)


def _of_matrices(op: Op, operand: Any) -> Any:
    """An operation of linear algebra on every matrix of a stack of few rows."""
    import sympy

    if op not in MATRICES:
        raise ArgumentError(f"SymPy has no counterpart of {op.name} on arrays")
    *batch, rows, columns = operand.shape
    if rows > MOST_ROWS:
        raise ArgumentError(f"{op.name} of {rows} rows is too large a formula for SymPy")
    found = [
        MATRICES[op](sympy.Matrix(rows, columns, one.ravel().tolist())) for one in operand.reshape((-1, rows, columns))
    ]
    if not isinstance(found[0], sympy.MatrixBase):
        return _array(found, tuple(batch)) if batch else found[0]
    return _array([v for one in found for v in one], operand.shape)


def _moved(routine: Movement, payload: Any, operands: Sequence[Any]) -> Any:
    """A movement, a reduction or a contraction of the elements of object arrays."""
    boxed = [_boxed(value) for value in operands]
    if routine.unrolled is not None:
        found = routine.unrolled(lambda name, *parts: _scalar(OPS[name], None, parts), *boxed, payload)
    else:
        found = routine.evaluate(*boxed, payload)
    if operands:
        return found
    return _array([as_sympy(v) for v in found.ravel().tolist()], found.shape)


def _boxed(value: Any) -> Any:
    """A value as an object array, which NumPy's functions take."""
    return value if isinstance(value, np.ndarray) else _array([value], ())


def _array(values: Sequence[Any], shape: tuple[int, ...]) -> Any:
    array = np.empty(len(values), object)
    array[:] = values
    return array.reshape(shape)


def _symbol(name: str, shape: tuple[int, ...]) -> Any:
    import sympy

    if not shape:
        return sympy.Symbol(name)
    base = sympy.IndexedBase(name)
    return _array([base[index] for index in np.ndindex(*shape)], shape)


def as_sympy(value: Any) -> Any:
    """A constant: integers exactly, π as π, others as a Float of the same bits."""
    import sympy

    if isinstance(value, bool):
        return sympy.true if value else sympy.false
    if math.isnan(value):
        return sympy.nan
    if math.isinf(value):
        return sympy.oo if value > 0 else -sympy.oo
    if abs(value) == math.pi:
        return sympy.pi if value > 0 else -sympy.pi
    return sympy.Integer(int(value)) if value.is_integer() and abs(value) < 1e15 else sympy.Float(value)


def _scalar(op: Op, payload: Any, operands: Sequence[Any]) -> Any:
    if isinstance(op.routine, Fold):
        step = OPS[op.routine.name]
        return functools.reduce(lambda a, b: _scalar(step, None, (a, b)), operands)
    if op.sympy:
        make = sympy_function(op)
        return make(*operands) if payload is None else make(payload, *operands)
    if isinstance(op.routine, Expand) and op.sympy is not None:
        body = expansion(op, payload)
        if len(body.order) > LONGEST_EXPANSION:  # SymPy takes minutes for nested fractions
            raise ArgumentError(f"SymPy has no counterpart of {op.name}", hint="export the function instead")
        return _exported(body, dict(zip(body.parameters, operands, strict=True)))
    raise ArgumentError(f"SymPy has no counterpart of {op.name}")
