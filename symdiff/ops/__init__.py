"""The operations: one record each, a file for each family."""

from symdiff.ops import (
    activation,
    arithmetic,
    bessel,
    call,
    contraction,
    custom,
    definitions,
    exponential,
    gamma,
    hyperbolic,
    incomplete,
    indexing,
    integrals,
    matrices,
    movement,
    normal,
    piecewise,
    reduction,
    scan,
    singular_values,
    structure,
    trigonometric,
)
from symdiff.ops.base import CALLABLE, DEFINITIONS, OPS, Op, operation

FAMILIES = {
    "Arithmetic": arithmetic,
    "Exponentials and logarithms": exponential,
    "Trigonometric": trigonometric,
    "Hyperbolic": hyperbolic,
    "Error functions and the normal distribution": normal,
    "Gamma and beta functions": gamma,
    "Incomplete gamma and beta functions": incomplete,
    "Bessel functions": bessel,
    "Named integrals and inverses": integrals,
    "Pieces, kinks and conditions": piecewise,
    "Activations and stable sums": activation,
    "Structure": structure,
    "Movement of elements": movement,
    "Reductions": reduction,
    "Contractions": contraction,
    "Scans": scan,
    "Indices": indexing,
    "Matrices": matrices,
    "Singular values": singular_values,
    "Functions with derivatives of their own": custom,
    "Calls of bodies": call,
}
"""The families in the order in which the documentation lists them."""

__all__ = ["CALLABLE", "DEFINITIONS", "FAMILIES", "OPS", "Op", "custom", "definitions", "operation"]
