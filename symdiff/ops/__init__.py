"""The operations: one record each, a file for each family."""

from symdiff.ops import activation, arithmetic, definitions, exponential, piecewise, special, structure, trigonometric
from symdiff.ops.base import CALLABLE, DEFINITIONS, OPS, Op, operation

FAMILIES = {
    "Arithmetic": arithmetic,
    "Exponentials and logarithms": exponential,
    "Trigonometric and hyperbolic": trigonometric,
    "Special functions": special,
    "Pieces, kinks and conditions": piecewise,
    "Activations and stable sums": activation,
    "Structure": structure,
}
"""The families in the order in which the documentation lists them."""

__all__ = ["CALLABLE", "DEFINITIONS", "FAMILIES", "OPS", "Op", "definitions", "operation"]
