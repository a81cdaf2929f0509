"""All functions of the language: who imports this has them registered."""

from symdiff.frontend import checkpointing, elements
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
    "checkpointing",
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
