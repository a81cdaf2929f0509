"""Whether the derivatives that a definition gives are those of its expression: seen at a few points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.differentiate.operators import gradient
from symdiff.differentiate.partials import has_partial
from symdiff.errors import ArgumentError, SymdiffError
from symdiff.functions.layers import Layer
from symdiff.functions.references import Array, complex_steps, differences
from symdiff.interpret import evaluate
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement, reduction
from symdiff.types import Dim, Shape, fixed, product

RANGES = ((0.2, 0.8), (-0.8, -0.2), (1.1, 2.5))
"""Where the operands of each point are."""

LARGEST = 64
"""Operands of more elements are not looked at."""

TOLERANCE, ROUNDING = 1e-6, 1e-9


def check_definition(layer: Layer) -> None:
    """Compare the derivatives of a definition with complex steps, or with differences, of its expression.

    At a kink any slope between those of its two sides is right. What jumps at a point, points at which either is not
    finite, and those at which a Python function that was given refuses its operands, say nothing; so do operands of
    other shapes than those that the header allows. Kinks and jumps are named where a derivative is wrong.

    Raises
    ------
    ArgumentError
        Where they are others.
    """
    shapes = _shapes(layer)
    if sum(map(product, shapes)) > LARGEST:
        return
    graph = Graph()
    inputs = [graph.input(p.name, shape) for p, shape in zip(layer.parameters, shapes, strict=True)]
    try:
        result = layer.node(graph, inputs, {})
        total = result
        if graph.shape(result):
            weights = graph.constant(np.random.default_rng(0).uniform(0.5, 1.5, graph.shape(result)))
            total = reduction.sum_over(graph, graph.add(core.MUL, (result, weights)))
        slopes = gradient(graph, total, inputs)
    except SymdiffError:
        return  # it is for other shapes, or says so when it is called
    variables = [(k, j) for k, shape in enumerate(shapes) for j in range(product(shape))]
    numbers = np.random.default_rng(1)
    for low, high in RANGES:
        values = [np.asarray(numbers.uniform(low, high, fixed(shape))) for shape in shapes]
        wanted = [_full(graph, s, n) for s, n in zip(slopes, inputs, strict=True)]
        try:
            found = evaluate(graph, wanted, dict(zip(inputs, values, strict=True)))
        except (ArithmeticError, ValueError) as error:
            if isinstance(error, SymdiffError):
                raise
            continue
        ours = np.concatenate([np.ravel(v) for v in found])
        _compare(layer, Body(graph, inputs, [total]), values, variables, ours)


def _full(graph: Graph, slope: int, node: int) -> int:
    return movement.broadcast(graph, slope, graph.types[node].shape)


def _shapes(layer: Layer) -> list[Shape]:
    """Shapes that the header allows: sizes that have a name are 3, 4, …"""
    sizes: dict[str, int] = {}
    return [
        tuple([sizes.setdefault(n.name, 3 + len(sizes)) if isinstance(n, Dim) else n for n in p.shape])
        for p in layer.parameters
    ]


def _compare(
    layer: Layer, body: Body, values: Sequence[Array], variables: Sequence[tuple[int, int]], ours: Array
) -> None:
    point = np.concatenate([v.ravel() for v in values])
    exact = complex_steps(body, values, variables)
    if exact is not None and not _wrong(ours, exact[0]).any():
        return
    found = differences(lambda points: _at(body, values, points), point)
    if exact is None:
        slopes, allowed = found.slopes[0], np.where(found.jumps[0], np.inf, 10 * found.errors[0])
    else:
        slopes, allowed = exact[0], np.zeros(len(ours))
    low, high = np.minimum(found.below[0], found.above[0]), np.maximum(found.below[0], found.above[0])
    theirs = np.where(found.kinks[0], np.clip(ours, low, high), slopes)
    wrong = _wrong(ours, theirs, allowed)
    if not wrong.any():
        return
    gap = np.abs(ours - theirs)
    column = int(np.argmax(np.where(wrong, gap, -1.0)))
    operand = layer.parameters[variables[column][0]].name
    place = ", ".join(f"{p.name} = {_shown(v)}" for p, v in zip(layer.parameters, values, strict=True))
    what = "partials" if layer.partials else "backward"
    remark = ""
    if found.kinks[0, column]:
        sides = sorted((float(found.below[0, column]), float(found.above[0, column])))
        remark = f" at a kink: the slope is {sides[0]:.6g} on one side and {sides[1]:.6g} on the other"
    elif theirs[column] == 0.0:
        steps = _steps(layer, [v.shape for v in values])
        remark = f": constant between the jumps of {', '.join(steps)}" if steps else ""
    raise ArgumentError(
        f"{layer.name}: {what} says {ours[column]:.6g} for the derivative by {operand} at {place}, "
        f"its expression {theirs[column]:.6g}{remark}",
        hint="where it is meant to be another, write check=False",
    )


def _wrong(ours: Array, theirs: Array, allowed: Any = 0.0) -> Any:
    """Which derivatives are others."""
    with np.errstate(all="ignore"):
        gap, larger = np.abs(ours - theirs), np.maximum(np.abs(ours), np.abs(theirs))
        return (gap > TOLERANCE * larger + allowed + ROUNDING) & np.isfinite(ours) & np.isfinite(theirs)


def _steps(layer: Layer, shapes: Sequence[Shape]) -> list[str]:
    """The operations of an expression that jump where an operand changes."""
    body = layer.read(layer.text, dict(zip((p.name for p in layer.parameters), shapes, strict=True)), Graph().dtype)
    graph, found = body.graph, dict[str, None]()
    for node in graph.live(body.results):
        op = graph.ops[node]
        moving = [k for k, a in enumerate(graph.args[node]) if graph.ops[a] is not core.CONSTANT]
        if moving and op.kinds and op.result != "c" and not any(has_partial(op, k) for k in moving):
            found[op.word or op.name] = None
    return list(found)


def _shown(value: Any) -> str:
    return f"{float(value):.4g}" if np.ndim(value) == 0 else np.array2string(np.asarray(value), precision=4)


def _at(body: Body, values: Sequence[Array], points: Array) -> Array:
    """The result at points, vectors of all operands."""
    rows = []
    cuts = np.cumsum([v.size for v in values])[:-1]
    for point in points:
        parts = [part.reshape(v.shape) for part, v in zip(np.split(point, cuts), values, strict=True)]
        rows.append(evaluate(body.graph, body.results, dict(zip(body.parameters, parts, strict=True))))
    return np.array(rows, float).reshape(len(points), -1)
