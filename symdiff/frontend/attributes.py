"""What may follow a value: `@`, and the attributes and methods of arrays that NumPy has."""

from __future__ import annotations

from symdiff.errors import NeedsShape, ShapeError
from symdiff.frontend.arrays import creation
from symdiff.frontend.arrays.linear_algebra import matmul
from symdiff.frontend.arrays.methods import ArrayMethods
from symdiff.frontend.arrays.shapes import transposed
from symdiff.frontend.constants import undeclared
from symdiff.ir.graph import Graph

ATTRIBUTES = frozenset(("T", "mT", "shape", "size", "ndim"))
"""Attributes of arrays that a formula can use."""

METHODS = frozenset(n for n, value in vars(ArrayMethods).items() if callable(value) and n[0] != "_")
"""Methods of arrays that a formula can call: the functions of these names."""


def matrix_product(graph: Graph, a: int, b: int) -> int:
    """`a @ b`.

    Raises
    ------
    NeedsShape
        Where an operand is made of inputs without a shape.
    ShapeError
        Where the operands do not fit.
    """
    missing = tuple(dict.fromkeys((*undeclared(graph, a), *undeclared(graph, b))))
    if missing:
        raise _needs_shape("@ takes vectors and matrices, and this is a scalar", missing)
    return matmul(graph, a, b, "@")


def _needs_shape(message: str, missing: tuple[str, ...]) -> NeedsShape:
    first = missing[0]
    return NeedsShape(
        message, names=missing, hint=f'declare its shape: shapes={{"{first}": (3, 3)}}, or f({first}[3, 3]) = …'
    )


def attribute(graph: Graph, node: int, name: str) -> int:
    """The value of an attribute of an array.

    Raises
    ------
    NeedsShape
        For a value that is made of inputs without a shape.
    """
    missing = undeclared(graph, node)
    if missing:
        raise _needs_shape(f".{name} belongs to an array, and this is a scalar", missing)
    if name == "mT" and len(graph.types[node].shape) < 2:
        raise ShapeError(".mT is the transpose of matrices", hint="write x.T")
    if name in ("T", "mT"):
        return transposed(graph, node, last=name == "mT")
    return {"shape": creation.shape, "size": creation.size, "ndim": creation.ndim}[name](graph, node)
