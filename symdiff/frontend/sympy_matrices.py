"""SymPy's matrix expressions as operations on arrays."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from symdiff.errors import ArgumentError
from symdiff.frontend.attributes import checked_product
from symdiff.frontend.bodies import from_text
from symdiff.frontend.calls import call
from symdiff.frontend.sympy_arithmetic import Plan
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement

CALLED = {
    "Determinant": "det",
    "Trace": "trace",
    "Transpose": "transpose",
    "Inverse": "inv",
    "Adjoint": "transpose",
    "DotProduct": "vdot",
    "DiagMatrix": "diagflat",
}
"""Expressions that are a function of their first operand, or of two."""

FOLDED = {"MatAdd": "add", "HadamardProduct": "mul", "HadamardPower": "pow"}
"""Expressions that take their operands together element by element."""

FILLED = {"ZeroMatrix": "zeros", "OneMatrix": "ones", "Identity": "eye"}
"""Matrices that are made of their sizes."""


def matrix_plan(item: Any) -> Plan | None:
    """How to convert a matrix expression, or None for anything else.

    Raises
    ------
    ArgumentError
        For a power that is no integer.
    """
    import sympy

    kind = type(item).__name__
    if kind in FILLED and isinstance(item, sympy.MatrixExpr):
        sizes = [int(n) for n in item.shape[: 1 if kind == "Identity" else 2]]
        return (), lambda graph, nodes: _made(graph, FILLED[kind], sizes)
    if not isinstance(item, sympy.MatrixExpr | sympy.Determinant | sympy.Trace) and kind != "DotProduct":
        return None
    if kind in CALLED:
        count = 2 if kind == "DotProduct" else 1
        return item.args[:count], lambda graph, nodes: call(graph, CALLED[kind], list(nodes), {})
    if kind == "KroneckerProduct":
        return item.args, lambda graph, nodes: functools.reduce(lambda a, b: call(graph, "kron", [a, b], {}), nodes)
    if kind == "ElementwiseApplyFunction":
        return _applied(item)
    if kind == "BlockMatrix":
        width = item.blocks.shape[1]
        return tuple(item.blocks), lambda graph, nodes: _blocks(graph, nodes, width)
    if kind in FOLDED:
        return item.args, _folded(FOLDED[kind])
    if kind == "MatMul":
        matrices = [bool(getattr(part, "is_Matrix", False)) for part in item.args]
        return item.args, lambda graph, nodes: _product(graph, nodes, matrices)
    if kind == "MatPow":
        if not item.exp.is_Integer:
            raise ArgumentError("the power of a matrix must be an integer", hint="write HadamardPower for its elements")
        power = int(item.exp)
        return item.args[:1], lambda graph, nodes: _power(graph, nodes[0], power)
    return None


def _applied(item: Any) -> Plan:
    """A function of one symbol, for every element of a matrix; its other symbols are operands."""
    import sympy

    (variable,), body = item.function.variables, item.function.expr
    others = sorted(body.free_symbols - {variable}, key=str)
    parameters = tuple([f"x{k}" for k in range(len(others) + 1)])
    renamed = dict(zip((variable, *others), map(sympy.Symbol, parameters), strict=True))
    text = str(body.xreplace(renamed))

    def build(graph: Graph, nodes: Sequence[int]) -> int:
        (made,) = from_text(text, parameters).splice(graph, nodes)
        return movement.broadcast(graph, made, graph.types[nodes[0]].shape)

    return (item.expr, *others), build


def _blocks(graph: Graph, nodes: Sequence[int], width: int) -> int:
    rows = [movement.concatenate(graph, list(nodes[k : k + width]), 1) for k in range(0, len(nodes), width)]
    return movement.concatenate(graph, rows, 0)


def _made(graph: Graph, name: str, sizes: Sequence[int]) -> int:
    return call(
        graph,
        name,
        [tuple(graph.constant(float(n)) for n in sizes)] if len(sizes) > 1 else [graph.constant(float(sizes[0]))],
        {},
    )


def _folded(op: str) -> Callable[[Graph, Sequence[int]], int]:
    def build(graph: Graph, nodes: Sequence[int]) -> int:
        result = nodes[0]
        for other in nodes[1:]:
            result = graph.apply(op, (result, other))
        return result

    return build


def _product(graph: Graph, nodes: Sequence[int], matrices: Sequence[bool]) -> int:
    """The product of the numbers times the matrix product of the matrices."""
    factor: int | None = None
    result: int | None = None
    for node, is_matrix in zip(nodes, matrices, strict=True):
        if is_matrix:
            result = node if result is None else checked_product(graph, result, node)
        else:
            factor = node if factor is None else graph.apply(core.MUL, (factor, node))
    assert result is not None
    return result if factor is None else graph.apply(core.MUL, (factor, result))


def _power(graph: Graph, node: int, power: int) -> int:
    return call(graph, "matrix_power", [node, graph.constant(float(power))], {})
