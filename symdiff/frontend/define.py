"""`define`: a function of a user's own, from the texts of its value and of its derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symdiff.errors import ArgumentError, ShapeError, Source, SymdiffError, UnknownNameError, nearest
from symdiff.frontend.calls import FUNCTIONS, is_function
from symdiff.frontend.custom import ADJOINT, LAYERS, RESULT, Layer
from symdiff.frontend.elements import ElementFunction
from symdiff.frontend.functions import python_function
from symdiff.frontend.lexer import tokenize
from symdiff.frontend.parser import Parsed, free_names, parse
from symdiff.frontend.statements import split
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import DEFINITIONS, OPS, Op, core
from symdiff.ops.base import OPERAND_NAMES, Expand, Fold, register
from symdiff.ops.custom import MOST_OPERANDS
from symdiff.signature import Argument
from symdiff.types import BOOL, Dim


def define(
    forward: str, *, backward: str | Mapping[str, str] | None = None, partials: str | Mapping[str, str] | None = None
) -> Callable[..., Any]:
    """Add a function to the language, for all formulas from now on, and return it as a Python function.

    Parameters
    ----------
    forward : a header and its expression, ``name(a, b) = …``; lines that it needs stand above it.
    backward : the adjoint of each operand, as a dict of texts, or one text for one operand, in the operands, the
        result ``y`` and the adjoint ``g`` of the result, in which it is linear. Without it derivatives follow from
        the expression.
    partials : of a function of numbers, applied to each element: its derivative by each operand, in the operands and
        ``y``.

    Raises
    ------
    ArgumentError
        For a name that is taken (unless by the same definition), operands without a derivative, or more than one kind.
    ParseError
        For a text that is not in the language.

    Examples
    --------
    >>> import symdiff as sd
    >>> smooth = sd.define("smooth_step(x) = x**2*(3 - 2*x)", backward="6*g*x*(1 - x)")
    >>> sd.grad("smooth_step(2*x)", "x")(0.25)
    3.0
    >>> smooth(0.5)
    0.5
    """
    if not isinstance(forward, str):
        raise ArgumentError("a definition is a text", hint='write sd.define("name(x) = x**2")')
    last = split(tokenize(Source(forward)))[-1]
    if last.name is None or last.parameters is None:
        raise ArgumentError("a definition has a header", hint='write sd.define("name(x) = x**2")')
    name, parameters = last.name, last.parameters
    if backward is not None and partials is not None:
        raise ArgumentError("give backward or partials, not both", hint="partials are for functions of each element")
    if any(p.members is not None for p in parameters) or not 0 < len(parameters) <= MOST_OPERANDS:
        raise ArgumentError("a definition has operands, each a name", hint="write name(a, b) = …")
    layer = Layer(
        name,
        parameters,
        forward.strip(),
        _texts(backward, parameters, "backward"),
        _texts(partials, parameters, "partials"),
    )
    known = LAYERS.get(name)
    if known is not None:
        if not known.same(layer):
            raise ArgumentError(f"{name} is defined already: {known.text}", hint="choose another name")
    elif is_function(name) or name in OPS:
        if not _is_shipped(layer):
            raise ArgumentError(f"{name} is a function of the language", hint="choose another name")
    else:
        _add(layer)
    return python_function(FUNCTIONS[name])


def _texts(given: Any, parameters: Sequence[Argument], what: str) -> dict[str, str]:
    if given is None:
        return {}
    names = [p.name for p in parameters]
    taken = [n for n in (RESULT, ADJOINT) if n in names]
    if taken:
        raise ArgumentError(
            f"{taken[0]} is {'the result' if taken[0] == RESULT else 'its adjoint'} in {what}",
            hint="give the operand another name",
        )
    texts = {names[0]: given} if isinstance(given, str) and len(names) == 1 else given
    if not isinstance(texts, Mapping) or sorted(texts) != sorted(names) or not all(map(_is_text, texts.values())):
        example = ", ".join(f'"{n}": "…"' for n in names)
        raise ArgumentError(f"{what} takes a text for each operand", hint=f"write {what}={{{example}}}")
    return {n: texts[n] for n in names}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_shipped(layer: Layer) -> bool:
    """Whether a definition only repeats what the language has."""
    names = tuple(p.name for p in layer.parameters)
    shipped = DEFINITIONS.get((layer.name, len(names)))
    if shipped is None or layer.backward or layer.partials:
        return False
    graph = Graph()
    operands = [graph.input(f"operand_{k}") for k in range(len(names))]
    theirs = Layer(layer.name, [Argument(n) for n in shipped.parameters], shipped.text, {}, {})
    try:
        return layer.node(graph, operands, {}) == theirs.node(graph, operands, {})
    except SymdiffError:
        return False


def _check_names(layer: Layer) -> None:
    """Refuse names that are no operands, before there are shapes to read the texts with."""
    names = {p.name for p in layer.parameters}
    names |= {n.name for p in layer.parameters for n in p.shape if isinstance(n, Dim)}
    for text, known in ((layer.text, names), *((t, {*names, RESULT, ADJOINT}) for t in layer.backward.values())):
        missing = [n for n in free_names(text) if n not in known]
        if missing:
            hint = nearest(missing[0], known) or f"the names are: {', '.join(sorted(known))}"
            raise UnknownNameError(f"{layer.name}: {missing[0]} is none of its operands", hint=hint)


def _add(layer: Layer) -> None:
    _check_names(layer)
    scalar = _elementwise(layer, layer.text, [p.name for p in layer.parameters])
    op = None
    if layer.partials and scalar is None:
        raise ArgumentError(
            f"partials belong to functions of each element, which {layer.name} is not", hint="give backward"
        )
    if scalar is not None and (layer.partials or layer.backward):
        if scalar.graph.types[scalar.output].dtype == BOOL:
            raise ArgumentError(
                f"{layer.name} is a condition and has no derivative", hint="leave backward and partials out"
            )
        op = _operation(layer, scalar)
    if op is not None:
        register(op)
        FUNCTIONS[layer.name] = ElementFunction(layer.name, op)
    else:
        if layer.partials:
            layer.backward = {n: f"{ADJOINT}*({text})" for n, text in layer.partials.items()}
        FUNCTIONS[layer.name] = layer
    LAYERS[layer.name] = layer


def _elementwise(layer: Layer, text: str, names: Sequence[str]) -> Parsed | None:
    """A text read with numbers for its names, where it is a function of each element; None where it is not."""
    if any(p.shape for p in layer.parameters):
        return None
    try:
        parsed = parse(text, arguments=[Argument(n) for n in names])
    except ShapeError:  # it needs an array
        return None
    graph = parsed.graph
    for node in graph.live([parsed.output]):
        op = graph.ops[node]
        if not (op.kinds is not None or isinstance(op.routine, Fold) or op is core.NAMED) or graph.types[node].shape:
            return None
    return parsed


def _operation(layer: Layer, scalar: Parsed) -> Op | None:
    """The record of an elementwise function; None where its derivative has no partials that say the same."""
    names = [p.name for p in layer.parameters]
    if len(names) > len(OPERAND_NAMES):
        return None
    partials: list[str | None] = []
    for name in names:
        if layer.partials:
            parsed = _elementwise(layer, layer.partials[name], [*names, RESULT])
            if parsed is None:
                raise ArgumentError(f"the partial by {name} is not a function of each element", hint="give backward")
            partials.append(_renamed(parsed, parsed.output, names))
            continue
        parsed = _elementwise(layer, layer.backward[name], [*names, RESULT, ADJOINT])
        if parsed is None:
            return None
        slope = _slope(layer, parsed)
        if slope is None:
            return None
        partials.append(_renamed(parsed, slope, names) if slope >= 0 else None)
    return Op(
        layer.name,
        "f" * len(names),
        routine=Expand(_renamed(scalar, scalar.output, names)),
        partials=tuple(partials),
        doc=f"defined by its user: {layer.text}",
        parameters=tuple(names),
        domain=((float("-inf"), float("inf")),) * len(names),
    )


def _slope(layer: Layer, parsed: Parsed) -> int | None:
    """The factor of `g` in an adjoint; -1 where it is zero, None where the adjoint is not linear in `g`."""
    import numpy as np

    from symdiff.differentiate.forward import forward
    from symdiff.interpret import evaluate

    graph, g = parsed.graph, parsed.names[ADJOINT]
    (slope,) = forward(graph, [parsed.output], {g: graph.constant(1.0)})
    if slope is None or g in graph.live([slope]):
        return -1 if slope is None and graph.constant_value(parsed.output) == 0 else None
    points = np.array([-2.5, -0.7, 0.3, 0.6, 1.9])
    inputs = [node for node in parsed.names.values() if graph.ops[node] is core.INPUT]
    values: dict[int, Any] = {node: points + 0.01 * k for k, node in enumerate(inputs)}
    at_zero = np.asarray(evaluate(graph, [parsed.output], {**values, g: np.zeros(len(points))})[0], float)
    if np.any(at_zero[np.isfinite(at_zero)] != 0):
        raise ArgumentError(
            f"{layer.name}: an adjoint is linear in g, and this one is not 0 where g is 0",
            hint="write g times the derivative",
        )
    return slope


def _renamed(parsed: Parsed, node: int, names: Sequence[str]) -> str:
    """An expression in the names that records use."""
    from symdiff.display.text import expression

    graph = Graph()
    known = {parsed.names[n]: graph.input(short) for n, short in zip(names, OPERAND_NAMES, strict=False)}
    return expression(graph, Body.of(parsed.graph, [node]).copy(graph, known)[node], simplify=False)
