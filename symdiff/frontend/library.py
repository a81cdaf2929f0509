"""All functions of the language: who imports this has them registered."""

from symdiff.frontend import bodies
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
    "bodies",
    "composing",
    "creation",
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
