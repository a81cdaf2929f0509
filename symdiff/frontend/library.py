"""All functions of the language: who imports this has them registered."""

from symdiff.frontend import elements
from symdiff.frontend.arrays import (
    composing,
    creation,
    filters,
    indexing,
    joining,
    linear_algebra,
    ordering,
    products,
    reductions,
    shapes,
    statistics,
)

__all__ = [
    "composing",
    "creation",
    "elements",
    "filters",
    "indexing",
    "joining",
    "linear_algebra",
    "ordering",
    "products",
    "reductions",
    "shapes",
    "statistics",
]
