"""Functions that join arrays, with NumPy's names and arguments."""

from __future__ import annotations

from symdiff.errors import ShapeError
from symdiff.frontend.arguments import Array, Axis, Nodes, axis_of, language
from symdiff.frontend.arrays.shapes import ravel
from symdiff.frontend.constants import needs_array
from symdiff.ir.graph import Graph
from symdiff.ops import movement
from symdiff.types import show


def _arrays(graph: Graph, nodes: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Arrays to be joined: an input without a shape may be one whose shape is not known yet."""
    return tuple([needs_array(graph, n, name) for n in nodes])


def joined(graph: Graph, nodes: tuple[int, ...], axis: int, name: str) -> int:
    """Arrays one after the other along an axis.

    Raises
    ------
    ShapeError
        Where they differ in more than that axis; the message names both shapes.
    """
    if not nodes:
        raise ShapeError(f"{name} of no arrays", hint=f"write {name}([a, b])")
    first = graph.shape(nodes[0])
    if not first:
        raise ShapeError(f"{name}: a scalar has no axis", hint="write [a, b] for the vector of two numbers")
    at = axis_of(axis, len(first), name)
    for node in nodes[1:]:
        other = graph.shape(node)
        if first[:at] + first[at + 1 :] != other[:at] + other[at + 1 :] or len(first) != len(other):
            raise ShapeError(f"{name}: shapes {show(first)} and {show(other)} differ in more than axis {at}")
    return movement.concatenate(graph, nodes, at)


@language("concatenate", "concat")
def _concatenate(graph: Graph, arrays: Nodes, axis: Axis = 0) -> int:
    """Arrays one after the other along an axis."""
    arrays = _arrays(graph, arrays, "concatenate")
    if axis is None:
        return joined(graph, tuple([ravel(graph, n) for n in arrays]), 0, "concatenate")
    return joined(graph, arrays, axis, "concatenate")


@language()
def _append(graph: Graph, x: Array, values: Array, axis: Axis = None) -> int:
    """An array with values after it; of vectors unless an axis is given."""
    return _concatenate(graph, (x, values), axis)


def _raised(graph: Graph, nodes: tuple[int, ...], count: int) -> tuple[int, ...]:
    return tuple([movement.reshape(graph, n, (1,) * (count - len(graph.shape(n))) + graph.shape(n)) for n in nodes])


@language()
def _hstack(graph: Graph, arrays: Nodes) -> int:
    """Arrays side by side: along the second axis, vectors along the first."""
    arrays = _raised(graph, _arrays(graph, arrays, "hstack"), 1)
    return joined(graph, arrays, int(len(graph.shape(arrays[0])) > 1) if arrays else 0, "hstack")


@language("vstack", "row_stack")
def _vstack(graph: Graph, arrays: Nodes) -> int:
    """Arrays one below the other; a vector is a row."""
    return joined(graph, _raised(graph, _arrays(graph, arrays, "vstack"), 2), 0, "vstack")


@language()
def _dstack(graph: Graph, arrays: Nodes) -> int:
    """Arrays behind one another: along the third axis; a vector is one row."""
    planes = []
    for node in _arrays(graph, arrays, "dstack"):
        shape = graph.shape(node)
        flat = shape if len(shape) == 2 else (1, *(shape or (1,)))
        planes.append(node if len(shape) > 2 else movement.reshape(graph, node, (*flat, 1)))
    return joined(graph, tuple(planes), 2, "dstack")


@language()
def _column_stack(graph: Graph, arrays: Nodes) -> int:
    """Arrays side by side; a vector is a column."""
    columns = [
        movement.reshape(graph, n, (*graph.shape(n), 1)) if len(graph.shape(n)) == 1 else n
        for n in _raised(graph, _arrays(graph, arrays, "column_stack"), 1)
    ]
    return joined(graph, tuple(columns), 1, "column_stack")


@language()
def _stack(graph: Graph, arrays: Nodes, axis: Axis = 0) -> int:
    """Arrays of one shape along a new axis."""
    if not arrays:
        raise ShapeError("stack of no arrays", hint="write stack([a, b])")
    return movement.stack(graph, arrays, axis_of(axis, len(graph.shape(arrays[0])) + 1, "stack"))
