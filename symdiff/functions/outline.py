"""What can be said of a source before the shapes of its arguments are known: its names, their order, its title."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate.operators import iterated
from symdiff.errors import ShapeError, UnknownNameError
from symdiff.frontend.calls import NO_DEFINITIONS, Known
from symdiff.frontend.expr import Expr, is_sympy
from symdiff.frontend.sympy_leaves import arrays_in, frozen, is_array, parts, symbol_name, symbol_shape
from symdiff.frontend.syntax import Syntax
from symdiff.frontend.trace import callable_name, parameters
from symdiff.functions.function import Function
from symdiff.functions.inputs import describe_arguments
from symdiff.functions.specialize import named_sizes
from symdiff.ops import core
from symdiff.signature import Argument
from symdiff.types import Shape, show


def listed_shapes(arguments: Sequence[Argument] | None, shapes: Mapping[str, Shape]) -> dict[str, Shape | None]:
    """The shapes in numbers of the names that somebody listed; None where only a call says them, or there are none."""
    known = {a.name: a.shape for a in arguments or () if a.members is None} | dict(shapes)
    return {n: shape if shape and not named_sizes([shape]) else None for n, shape in known.items()}


def shapes_of(source: Any) -> dict[str, Shape]:
    """The shapes of inputs that a source has already, by name: those in a header, of an Expr, a Function, a symbol.

    Of an Expr and of a Function a scalar is known to be one; where a text has no shape for a name there is none.

    Raises
    ------
    ShapeError
        Where parts of the source have different shapes for one name.
    """
    if isinstance(source, Syntax):
        return {a.name: a.shape for a in source.header or () if a.shape and a.members is None}
    if isinstance(source, Function):
        return {n: a.shape if a.members is None else () for a in source.arguments if not a.deferred for n in a.inputs}
    if isinstance(source, Expr):
        graph = source.graph
        inputs = [n for n in graph.live([source.node]) if graph.ops[n] is core.INPUT]
        return {graph.payloads[n]: graph.types[n].shape for n in inputs}
    if isinstance(source, dict | list | tuple):
        found: dict[str, Shape] = {}
        for part in source.values() if isinstance(source, dict) else source:
            for name, shape in shapes_of(part).items():
                before = found.setdefault(name, shape)
                named = len(before) == len(shape) and named_sizes([before, shape])
                if before != shape and not named:
                    raise ShapeError(
                        f"{name} has the shape {show(before)} in one source and {show(shape)} in another",
                        hint="rename one of them",
                    )
        return found
    if is_sympy(source):
        arrays = [item for item in parts(frozen(source)) if is_array(item)]
        return {symbol_name(item): shape for item in arrays if (shape := symbol_shape(item))}
    return {}


@dataclass
class Outline:
    """The names of a source.

    Attributes
    ----------
    header : the arguments in an order that the source itself gives, if it does.
    free : the inputs as they appear, each with the shape that the source gives it.
    lines : the named lines.
    title : what the source is called.
    settled : inputs whose shapes are known, those of scalars too: expressions and functions have no others.
    """

    header: tuple[Argument, ...] | None
    free: dict[str, Shape]
    lines: list[str]
    title: str | None
    settled: set[str]


def outline(
    source: Any,
    arguments: Sequence[Argument] | None = None,
    definitions: Known = NO_DEFINITIONS,
) -> Outline:
    """The names of one source; `arguments` are those that somebody listed, `definitions` what users defined."""
    if isinstance(source, Syntax):
        return _of_text(source, arguments)
    if isinstance(source, Function):
        free = {n: a.shape if a.members is None else () for a in source.arguments for n in a.inputs}
        inputs = set(free)
        settled = {n for a in source.arguments if not a.deferred for n in a.inputs}
        lines = [n for n in source.names if n not in inputs]
        return Outline(source.arguments if source._ordered else None, free, lines, source.__name__, settled)
    if isinstance(source, dict | list | tuple):
        return _of_several(
            list(source.values()) if isinstance(source, dict) else list(source),
            arguments,
            isinstance(source, tuple),
            definitions,
        )
    if isinstance(source, int | float | np.ndarray | np.number):
        return Outline(None, {}, [], None, set())
    if is_sympy(source):
        from symdiff.frontend.sympy_bridge import graph_of_sympy

        listed = listed_shapes(arguments, {})
        opened = [n for n in arrays_in(source) if n in listed and listed[n] is None]
        if opened:  # elements of arrays whose shapes a call says
            names = [n for a in arguments or () for n in a.inputs]
            return Outline(None, dict.fromkeys(names, ()), [], None, set(names).difference(opened))
        graph, node, _ = graph_of_sympy(source, listed=listed, derive=iterated, definitions=definitions)
        source = Expr(graph, node)
    if isinstance(source, Expr):
        graph = source.graph
        live = graph.live([source.node])
        free = {graph.payloads[n]: graph.types[n].shape for n in live if graph.ops[n] is core.INPUT}
        return Outline(None, free, [graph.payloads[n] for n in live if graph.ops[n] is core.NAMED], None, set(free))
    header = tuple(parameters(source)) if arguments is None else None
    title = callable_name(source)
    return Outline(header, {a.name: a.shape for a in header or ()}, [], title, set())


def _of_text(text: Syntax, arguments: Sequence[Argument] | None) -> Outline:
    known = arguments if text.header is None else text.header
    if known is None:
        free: dict[str, Shape] = dict.fromkeys(text.free, ())
    else:
        free = {n: () if a.members is not None else a.shape for a in known for n in a.inputs}
    return Outline(text.header if arguments is None else None, free, text.bound, text.title, set())


def _of_several(
    sources: Sequence[Any],
    arguments: Sequence[Argument] | None,
    apart: bool,
    definitions: Known,
) -> Outline:
    parts = [outline(s, arguments, definitions) for s in sources]
    headers = [p.header for p in parts if p.header is not None]
    free: dict[str, Shape] = {}
    for part in parts:
        for name, shape in part.free.items():
            free[name] = free.get(name, ()) or shape
    header = max(headers, key=len) if headers else None
    lines = list(dict.fromkeys(n for p in parts for n in p.lines))
    title = next((p.title for p in parts if p.title), "f") if apart else None
    return Outline(header, free, lines, title, set().union(*(p.settled for p in parts)))


def arguments_of(found: Outline, given: Sequence[Argument] | None, shapes: Mapping[str, Shape]) -> tuple[Argument, ...]:
    """The arguments in call order with the shapes that are declared.

    Raises
    ------
    UnknownNameError
        Where a name is used that is not among those that are listed.
    """
    listed = given if given is not None else found.header
    if listed is None:
        return tuple(Argument(n, shapes.get(n, shape)) for n, shape in found.free.items())
    names = {n for a in listed for n in a.inputs}
    missing = [n for n in found.free if n not in names]
    if missing:
        known = describe_arguments([*listed, *(Argument(n) for n in missing)])
        raise UnknownNameError(f"not among the inputs: {', '.join(missing)}", hint=f"list them: {known}")
    return tuple(
        a if a.shape or a.members is not None else _shaped(a, shapes.get(a.name, found.free.get(a.name, ())))
        for a in listed
    )


def _shaped(argument: Argument, shape: Shape) -> Argument:
    return replace(argument, shape=shape, deferred=argument.deferred and not shape)
