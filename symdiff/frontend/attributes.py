"""What may follow a value: `@`, and the attributes and methods of arrays that NumPy has."""

from __future__ import annotations

import math

import numpy as np

from symdiff.errors import NeedsShape, ShapeError
from symdiff.frontend.constants import number, undeclared
from symdiff.ir.graph import Graph
from symdiff.ops import contraction, core, movement
from symdiff.sizes import is_open
from symdiff.types import show

ATTRIBUTES = frozenset(("T", "mT", "shape", "size", "ndim"))
"""Attributes of arrays that a formula can use."""

METHODS = frozenset(
    (
        *("all", "any", "argmax", "argmin", "clip", "copy", "cumprod", "cumsum", "diagonal", "dot", "flatten"),
        *("max", "mean", "min", "prod", "ptp", "ravel", "repeat", "reshape", "round", "squeeze", "std", "sum"),
        *("swapaxes", "take", "trace", "transpose", "var"),
    )
)
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
    return checked_product(graph, a, b, "@")


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
    if name == "shape":
        return sizes(graph, node)
    shape = graph.shape(node)
    return number(graph, len(shape) if name == "ndim" else math.prod(shape))


def sizes(graph: Graph, x: int) -> int:
    """The sizes of the axes as a vector of constants."""
    shape = graph.shape(x)
    if any(map(is_open, shape)):
        return graph.apply(core.STACK, [number(graph, n) for n in shape])
    return graph.constant(np.array(shape, float))


def transposed(graph: Graph, x: int, last: bool = False) -> int:
    """The axes in reverse order; `last`: the last two swapped."""
    return (
        movement.swap_last(graph, x) if last else movement.transpose(graph, x, tuple(range(len(graph.shape(x))))[::-1])
    )


def checked_product(graph: Graph, a: int, b: int, name: str = "matmul") -> int:
    """The matrix product by NumPy's rules: vectors are rows or columns, leading axes broadcast.

    Raises
    ------
    ShapeError
        For a scalar, and where the columns of the first are not the rows of the second.
    """
    a, b = graph.as_number(a), graph.as_number(b)
    left, right = graph.shape(a), graph.shape(b)
    if not left or not right:
        raise ShapeError(
            f"{name}: shapes {show(left)} and {show(right)}: a scalar is no matrix",
            hint="write * for a product with a number",
        )
    rows = right[-2] if len(right) > 1 else right[0]
    if left[-1] != rows:
        raise ShapeError(
            f"{name}: shapes {show(left)} and {show(right)} do not fit: {left[-1]} is not {rows}",
            hint=_turned(graph, a, b),
        )
    try:
        return contraction.matmul(graph, a, b)
    except ShapeError as error:
        raise unfit(graph, (a, b), name, error) from None


def unfit(graph: Graph, nodes: tuple[int, ...], name: str, error: ShapeError) -> ShapeError:
    """The error for operands of a product, in the words of the function that was called."""
    shapes = " and ".join(show(graph.types[n].shape) for n in nodes)
    return ShapeError(f"{name}: shapes {shapes} do not fit", hint=error.hint)


def _turned(graph: Graph, a: int, b: int) -> str:
    """A transpose that would make a product possible, in the user's names."""
    left, right = graph.shape(a), graph.shape(b)
    first, second = (
        str(graph.payloads[n]) if graph.ops[n] in (core.INPUT, core.NAMED) else word for n, word in ((a, "A"), (b, "B"))
    )
    if len(left) == 2 and left[0] == (right[-2] if len(right) > 1 else right[0]):
        return f"write {first}.T @ {second}"
    if len(right) == 2 and left[-1] == right[1]:
        return f"write {first} @ {second}.T"
    if len(left) == 1 and len(right) == 1:
        return "write outer(a, b) for all products"
    return "the last axis of the first must be as long as the last but one of the second"
