"""Graphs into SymPy expressions."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, Op
from symdiff.ops.base import OPERAND_NAMES, Expand, Fold, MatrixRoutine, Movement
from symdiff.types import INT64, fixed

LONGEST_EXPANSION = 100
"""Nodes of an operation's own formula, up to which it is exported."""


def to_sympy(graph: Graph, node: int) -> Any:
    """A node as a SymPy expression; a vector as an Array, a matrix as a Matrix, elements of a tensor as `x[i]`.

    Raises
    ------
    ArgumentError
        Where SymPy cannot hold it: it recurses on the depth of expressions.
    """
    import sympy

    try:
        value = _walk(graph, node, {})
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


def _walk(graph: Graph, root: int, given: dict[int, Any]) -> Any:
    """The value of `root`: a SymPy expression, or an object array of these for a tensor."""
    values = dict(given)
    live = graph.live([root], stop=given)
    uses = dict.fromkeys((*live, *given), 0)
    for node in live:
        for a in graph.args[node]:
            uses[a] += 1
    sums: dict[int, list[Any]] = {}  # sums that are still growing: SymPy's Add of all terms at once is linear
    for node in live:
        op, args = graph.ops[node], graph.args[node]
        if op.name in ("add", "sub") and not graph.types[node].shape:
            terms = sums.pop(args[0], None) if uses[args[0]] == 1 else None
            if terms is None:
                terms = [_finished(values, sums, args[0])]
            last = _finished(values, sums, args[1])
            terms.append(-last if op.name == "sub" else last)
            sums[node] = terms
            continue
        operands = [_finished(values, sums, a) for a in args]
        values[node] = _value(graph, node, op, operands)
    return _finished(values, sums, root)


def _finished(values: dict[int, Any], sums: dict[int, list[Any]], node: int) -> Any:
    terms = sums.pop(node, None)
    if terms is not None:
        import sympy

        values[node] = sympy.Add(*terms)
    return values[node]


def _value(graph: Graph, node: int, op: Op, operands: Sequence[Any]) -> Any:
    payload, shape = graph.payloads[node], graph.types[node].shape
    if op.name == "input":
        return _symbol(payload, fixed(shape))
    if op.name == "constant":
        if isinstance(payload, np.ndarray) and payload.dtype == INT64:
            return payload
        return _array([number(v) for v in payload.ravel().tolist()], payload.shape) if shape else number(payload)
    if op.name == "stack":
        return _array([v for o in operands for v in (o.ravel() if isinstance(o, np.ndarray) else (o,))], fixed(shape))
    if op.name in ("named", "stop_gradient", "custom"):
        return operands[0]
    if isinstance(op.routine, Movement):
        return _moved(op.routine, payload, operands)
    if isinstance(op.routine, MatrixRoutine):
        return _of_matrices(op.name, *operands[:1])
    if not shape:
        return _scalar(op, payload, operands)
    return np.frompyfunc(lambda *parts: _scalar(op, payload, parts), len(operands), 1)(*operands)


MATRICES: dict[str, Callable[[Any], Any]] = {
    "det": lambda m: m.det(),
    "adjugate": lambda m: m.adjugate(),
    "inv": lambda m: m.adjugate() / m.det(),  # not m.inv(), which takes minutes for four rows of symbols
    "logdet": lambda m: _log_of_size(m.det()),
    "det_sign": lambda m: _sign(m.det()),
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


def _of_matrices(name: str, operand: Any) -> Any:
    """An operation of linear algebra on every matrix of a stack of few rows."""
    import sympy

    if name not in MATRICES:
        raise ArgumentError(f"SymPy has no counterpart of {name} on arrays")
    *batch, rows, columns = operand.shape
    if rows > MOST_ROWS:
        raise ArgumentError(f"{name} of {rows} rows is too large a formula for SymPy")
    found = [
        MATRICES[name](sympy.Matrix(rows, columns, one.ravel().tolist()))
        for one in operand.reshape((-1, rows, columns))
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
    return _array([number(v) for v in found.ravel().tolist()], found.shape)


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


def number(value: Any) -> Any:
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
    table = _table()
    name = op.routine.name if isinstance(op.routine, Fold) else op.name
    make = table.get(name)
    if make is not None:
        return make(*operands) if payload is None else make(payload, *operands)
    if op.sympy:
        from symdiff.frontend.sympy_functions import namespace

        names = dict(namespace()) | dict(zip(OPERAND_NAMES, operands, strict=False))
        return eval(op.sympy, names | {op.payload: payload} if op.payload else names)  # a text of a record's
    if isinstance(op.routine, Expand) and op.sympy is not None:
        from symdiff.frontend.template import expansion

        body = expansion(op, payload)
        if len(body.order) > LONGEST_EXPANSION:  # SymPy takes minutes for nested fractions
            raise ArgumentError(f"SymPy has no counterpart of {op.name}", hint="export the function instead")
        given = {body.leaves[n]: v for n, v in zip(OPERAND_NAMES, operands, strict=False) if n in body.leaves}
        return _walk(body.graph, body.root, given)
    raise ArgumentError(f"SymPy has no counterpart of {op.name}")


@functools.cache
def _table() -> dict[str, Callable[..., Any]]:
    """SymPy's counterpart of each operation; what is missing goes through its expansion."""
    import sympy as s

    half = s.Rational(1, 2)

    def away_from_infinity(a: Any) -> Any:
        return s.sign(a) * s.floor(s.Abs(a))

    def where(c: Any, a: Any, b: Any) -> Any:
        rest = b.args if isinstance(b, s.Piecewise) else () if b is s.nan else ((b, True),)
        return s.Piecewise((a, c), *rest)

    def sinc_derivative(n: int, a: Any) -> Any:
        x = s.Dummy("x", real=True)
        return s.diff(s.sinc(s.pi * x), x, n).subs(x, a)

    return {
        "neg": lambda a: -a,
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "div": lambda a, b: a / b,
        "fma": lambda a, b, c: a * b + c,
        "reciprocal": lambda a: 1 / a,
        "square": lambda a: a**2,
        "integer_power": lambda n, a: a**n,
        "pow": s.Pow,
        "sqrt": s.sqrt,
        "cbrt": lambda a: s.sign(a) * s.Abs(a) ** s.Rational(1, 3),
        "exp": s.exp,
        "exp2": lambda a: s.Integer(2) ** a,
        "expm1": lambda a: s.exp(a) - 1,
        "log": s.log,
        "log2": lambda a: s.log(a) / s.log(2),
        "log10": lambda a: s.log(a) / s.log(10),
        "log1p": lambda a: s.log(1 + a),
        "sin": s.sin,
        "cos": s.cos,
        "tan": s.tan,
        "asin": s.asin,
        "acos": s.acos,
        "atan": s.atan,
        "atan2": s.atan2,
        "hypot": lambda a, b: s.sqrt(a**2 + b**2),
        "sinh": s.sinh,
        "cosh": s.cosh,
        "tanh": s.tanh,
        "sech": s.sech,
        "asinh": s.asinh,
        "acosh": s.acosh,
        "atanh": s.atanh,
        "erf": s.erf,
        "erfc": s.erfc,
        "gamma": s.gamma,
        "lgamma": s.loggamma,
        "digamma": s.digamma,
        "polygamma": s.polygamma,
        "sinc": lambda a: s.sinc(s.pi * a),
        "sinc_derivative": sinc_derivative,
        "abs": s.Abs,
        "sign": s.sign,
        "floor": s.floor,
        "ceil": s.ceiling,
        "trunc": away_from_infinity,
        "round": lambda a: s.floor(a + half) - s.Piecewise((1, s.Eq(s.Mod(a + half, 2), 1)), (0, True)),
        "fmod": lambda a, b: a - b * away_from_infinity(a / b),
        "mod": s.Mod,
        "floor_divide": lambda a, b: s.floor(a / b),
        "min": s.Min,
        "max": s.Max,
        "clip": lambda a, b, c: s.Min(s.Max(a, b), c),
        "heaviside": s.Heaviside,
        "copysign": lambda a, b: s.Abs(a) * s.Piecewise((1, b >= 0), (-1, True)),
        "less": s.StrictLessThan,
        "less_equal": s.LessThan,
        "greater": s.StrictGreaterThan,
        "greater_equal": s.GreaterThan,
        "equal": s.Eq,
        "not_equal": s.Ne,
        "logical_and": s.And,
        "logical_or": s.Or,
        "logical_xor": s.Xor,
        "logical_not": s.Not,
        "where": where,
        "sigmoid": lambda a: 1 / (1 + s.exp(-a)),
        "softplus": lambda a: s.log(1 + s.exp(a)),
        "relu": lambda a: s.Max(a, 0),
        "logaddexp": lambda a, b: s.log(s.exp(a) + s.exp(b)),
        "xlogy": lambda a, b: s.Piecewise((0, s.Eq(a, 0)), (a * s.log(b), True)),
    }
