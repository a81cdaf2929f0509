"""`define`: a function of a user's own, from the texts of its value and of its derivatives."""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff import locks
from symdiff.differentiate.forward import forward
from symdiff.display.text import expression
from symdiff.errors import ArgumentError, ShapeError, Source, SymdiffError, UnknownNameError, nearest
from symdiff.frontend.calls import (
    FUNCTIONS,
    OPERATIONS,
    PROCESS,
    Definitions,
    Known,
    is_function,
    written_call,
)
from symdiff.frontend.elements import ElementFunction
from symdiff.frontend.functions import entry_of_function, python_function
from symdiff.frontend.lexer import tokenize
from symdiff.frontend.parser import Parsed, free_names, parse, read_text
from symdiff.frontend.statements import split
from symdiff.functions.definition_check import check_definition
from symdiff.functions.layers import ADJOINT, LAYERS, RESULT, Layer, backward_word, hint_for_derivatives
from symdiff.functions.outside import is_native, outside, outside_of_arrays
from symdiff.interpret import evaluate
from symdiff.ir.body import Body, NamedNodes
from symdiff.ir.graph import Graph
from symdiff.ops import DEFINITIONS, OPS, Op, core
from symdiff.ops.base import OPERAND_NAMES, Expand, Fold, Outside, Unavailable, register
from symdiff.ops.custom import MOST_OPERANDS
from symdiff.signature import Argument
from symdiff.types import BOOL, Dim, Shape

DEFINING = locks.lock(locks.DEFINING)

_right: set[str] = set()
"""The keys of definitions whose derivatives were compared."""

Derivatives = str | Mapping[str, Any] | Callable[..., Any] | int | None
"""What `partials` and `backward` take: a text or a function for the one operand, or one for each by name."""


class Namespace(Definitions):
    """Functions that users define, apart from those of others: a text that is read in a namespace can call them.

    Two libraries that both define `swell` do not meet, if each has a namespace. Functions keep the definitions that
    they were made with, also through transforms, pickles and files. `sd.define` defines in the namespace of the
    process, in which texts are read for which no other is given.

    Examples
    --------
    >>> import symdiff as sd
    >>> mine, theirs = sd.Namespace(), sd.Namespace()
    >>> swell = mine.define("swell(x) = x**2", partials="2*x")
    >>> _ = theirs.define("swell(x) = x**3")
    >>> f = sd.function("swell(x) + 1", namespace=mine)
    >>> f(2.0), sd.grad(f)(2.0), sd.function("swell(x)", namespace=theirs)(2.0), swell(2.0)
    (5.0, 4.0, 8.0, 4.0)
    """

    def __repr__(self) -> str:
        return f"<Namespace: {', '.join(sorted(self.known)) or 'nothing'}>"

    def define(
        self,
        forward: str,
        *,
        backward: Derivatives = None,
        partials: Derivatives = None,
        call: Any = None,
        replace: bool = False,
        check: bool = True,
    ) -> Callable[..., Any]:
        """As `symdiff.define`, for texts that are read in this namespace."""
        return _define(self, forward, backward, partials, call, replace, check)


def define(
    forward: str,
    *,
    backward: Derivatives = None,
    partials: Derivatives = None,
    call: Any = None,
    replace: bool = False,
    check: bool = True,
) -> Callable[..., Any]:
    """Add a function to the language, for all formulas from now on, and return it as a Python function.

    Parameters
    ----------
    forward : a header and its expression, ``name(a, b) = …``; lines that it needs stand above it. With `call` the
        header alone, ``name(a, b)``.
    backward : the adjoint of each operand, as a dict of texts, or one text for one operand, in the operands, the
        result ``y`` and the adjoint ``g`` of the result, in which it is linear. Without it derivatives follow from
        the expression. Where an operand is called ``y`` the result is ``result``, where one is called ``g`` the adjoint
        is ``adjoint``. In place of a text there may be a function, as `call` takes them, of the operands, the result
        and the adjoint; of several operands one Python function may give all adjoints, as a tuple.
    partials : of a function of numbers, applied to each element: its derivative by each operand, in the operands and
        ``y`` (or ``result``): texts, or functions of the operands as `call` takes them. A function that `define` made
        has derivatives of its own, and so second derivatives are there.
    call : a function from outside. One of numbers is applied to each element: a C function
        ``double name(double, double)``, as a function of ctypes or cffi, a ``cfunc`` of Numba or an address, is called
        by native code, without Python's lock; a Python function is called with floats, and what it raises comes out of
        the call. Both have to give the same for the same operands. One of arrays has their shapes in its header,
        ``name(A[m, n], x[n])[m]``: C's ``void name(const double *A, const double *x, double *result, int64_t m,
        int64_t n)``, with the sizes that have names, or a Python function of arrays. Without `partials` or `backward`
        there is no derivative.
    replace : whether it may take the place of another definition; functions that are made keep the one they have.
        One that says the same, or that was made by the same line of the same module, script or notebook (of which all
        cells are one, as all lines at a prompt are), is replaced anyhow.
    check : whether to compare the derivatives with those of the expression, at three points. A derivative that is
        meant to be another (a straight-through estimate, a reversed gradient) is not checked with ``check=False``.
        Functions from outside are not called here: `check_grad` compares theirs.

    Raises
    ------
    ArgumentError
        For a name that is taken (unless by the same definition), operands without a derivative, more than one kind,
        and derivatives that are not those of the expression.
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
    >>> _ = sd.define("times(x, y) = x*y", backward={"x": "g*y", "y": "g*x"})
    >>> import math
    >>> _ = sd.define("lower_gamma(s)", call=math.lgamma, partials="digamma(s)")
    >>> round(sd.grad("lower_gamma(s)**2", "s")(3.0), 12)
    1.279250720277
    """
    return _define(PROCESS, forward, backward, partials, call, replace, check)


def _define(
    namespace: Definitions, forward: Any, backward: Any, partials: Any, call: Any, replace: bool, check: bool
) -> Callable[..., Any]:
    """Define a function in a namespace."""
    place = _place()
    layer = read_definition(forward, backward, partials, namespace.known, call)
    name, known = layer.name, namespace.known.get(layer.name)
    if known is None and (is_function(name) or name in OPS):
        if not _is_shipped(layer):
            raise ArgumentError(f"{name} is a function of the language", hint="choose another name")
        return python_function(FUNCTIONS[name])
    again = place is not None and place == namespace.places.get(name)
    if isinstance(known, Layer) and known.key != layer.key and not replace and not again:
        hint = "choose another name, or replace it: replace=True"
        raise ArgumentError(f"{name} is defined already: {known.text}", hint=hint)
    layer = completed(layer, namespace.known)
    if check and layer.key not in _right and layer.routine is None and (layer.backward or layer.partials):
        check_definition(layer)
        _right.add(layer.key)
    with DEFINING:
        namespace.known = {**namespace.known, name: layer}
        namespace.places = {**namespace.places, name: place}
    return python_function(layer)


_PROMPTS = ("<stdin>", "<python-input", "<ipython-input")


def _place() -> tuple[str, int] | None:
    """The line of a module, script or notebook that defines; None within a function, which anybody may call."""
    frame = sys._getframe(3)
    if frame.f_code.co_name != "<module>":
        return None
    file = frame.f_code.co_filename
    return ("", 0) if file.startswith(_PROMPTS) or "ipykernel_" in file else (file, frame.f_lineno)


def read_definition(forward: Any, backward: Any, partials: Any, known: Known, call: Any = None) -> Layer:
    """What the arguments of `define` say, where texts may call what is `known`.

    Raises
    ------
    ArgumentError
        Where they are no definition.
    """
    if not isinstance(forward, str):
        raise ArgumentError("a definition is a text", hint='write sd.define("name(x) = x**2")')
    if call is not None and "=" in forward:
        raise ArgumentError("a function from outside has a header alone", hint='write sd.define("name(x)", call=…)')
    header, result = (forward, None) if call is None else _outside_header(forward)
    last = split(tokenize(Source(forward if call is None else f"{header} = 0")))[-1]
    if last.name is None or last.parameters is None:
        raise ArgumentError("a definition has a header", hint='write sd.define("name(x) = x**2")')
    name, parameters = last.name, last.parameters
    if backward is not None and partials is not None:
        raise ArgumentError("give backward or partials, not both", hint="partials are for functions of each element")
    if any(p.members is not None for p in parameters) or not 0 < len(parameters) <= MOST_OPERANDS:
        raise ArgumentError("a definition has operands, each a name", hint="write name(a, b) = …")
    adjoints, slopes = _given(backward, parameters, "backward"), _given(partials, parameters, "partials")
    plain = Layer(name, parameters, forward.strip(), {}, {}, known, None, result)
    if not all(map(_is_text, (*adjoints.values(), *slopes.values()))):
        adjoints, slopes, known = _with_functions(plain, adjoints, slopes, known, call is not None)
    if call is None:
        return Layer(name, parameters, forward.strip(), adjoints, slopes, known)
    if result is not None or any(p.shape for p in parameters):
        if slopes:
            raise ArgumentError("partials are for functions of each element", hint="give backward")
        routine = _routine(call, name, parameters, result or ())
        return Layer(name, parameters, forward.strip(), adjoints, slopes, known, routine, result or ())
    return Layer(name, parameters, forward.strip(), adjoints, slopes, known, _routine(call, name, parameters))


def _outside_header(text: str) -> tuple[str, Shape | None]:
    """The header of a function from outside without the shape of its result, and that; None where it says none."""
    found = re.fullmatch(r"\s*(.*\))\s*(\[[^\[\]()]*\])\s*", text, re.DOTALL)
    if found is None:
        return text, None
    parameters = split(tokenize(Source(f"f(r{found[2]}) = 0")))[-1].parameters
    assert parameters is not None
    return found[1], parameters[0].shape


def _routine(call: Any, name: str, parameters: Sequence[Argument], result: Shape | None = None) -> Outside:
    """What calls a function from outside: of numbers, or of arrays that gives a `result` of some shape."""
    if result is not None:
        return outside_of_arrays(call, name, parameters, result)
    return outside(call, name, [p.name for p in parameters])


def completed(layer: Layer, known: Known) -> Layer:
    """A function that is checked and has its operation; the same one for each definition that says the same.

    `known` are the functions of its namespace.

    Raises
    ------
    SymdiffError
        For what is no function, or has not the derivatives that it should have.
    """
    same = LAYERS.get(layer.key)
    if same is not None:
        return same
    op = _checked(layer, known)
    with DEFINING:
        if layer.key not in LAYERS:
            if op is not None:
                register(op)
                OPERATIONS[op.key] = ElementFunction(op.key, op)
                layer.op = op
            LAYERS[layer.key] = layer
    return LAYERS[layer.key]


def _given(given: Any, parameters: Sequence[Argument], what: str) -> dict[str, Any]:
    """What `backward` or `partials` says for each operand: a text, or a function."""
    if given is None:
        return {}
    names = [p.name for p in parameters]
    every = given
    if not isinstance(given, Mapping):
        if len(names) == 1:
            every = {names[0]: given}
        elif what == "backward" and callable(given) and not is_native(given):
            every = {n: OneOf(given, k, len(names)) for k, n in enumerate(names)}
    if not isinstance(every, Mapping) or sorted(every) != sorted(names):
        example = ", ".join(f'"{n}": "…"' for n in names)
        raise ArgumentError(f"{what} takes a text or a function for each operand", hint=f"write {what}={{{example}}}")
    return {n: every[n] for n in names}


def _with_functions(
    layer: Layer, adjoints: Mapping[str, Any], slopes: Mapping[str, Any], known: Known, is_outside: bool
) -> tuple[dict[str, str], dict[str, str], Known]:
    """The derivatives of a definition as texts, which call the functions that were given for some of them."""
    names = [p.name for p in layer.parameters]
    found, words = dict(known), layer.words
    is_scalar = not any(p.shape for p in layer.parameters) and layer.result is None
    if is_scalar and not is_outside:
        is_scalar = _elementwise(layer, layer.text, names) is not None
    every = all(not _is_text(given) for given in adjoints.values())
    back, by = dict(adjoints), dict(slopes)
    for n, given in slopes.items():
        if not _is_text(given):
            word = f"{layer.name}_by_{n}"
            found[word] = _helper(given, word, layer.parameters, None, known, f"the partial of {layer.name} by {n}")
            by[n] = written_call(word, names)
    shape = () if is_scalar or not adjoints else _result_shape(layer, is_outside)
    for n, given in adjoints.items():
        if _is_text(given):
            continue
        word = backward_word(layer.name, n)
        operand = next(p for p in layer.parameters if p.name == n)
        parameters = [*layer.parameters, *(Argument(w, shape) for w in words)]
        result = None if is_scalar else operand.shape
        found[word] = _helper(given, word, parameters, result, known, f"backward of {layer.name} for {n}")
        if not is_scalar:
            back[n] = written_call(word, [*names, *words])
        elif every:  # it is linear in the adjoint
            by[n] = written_call(word, [*names, words[0], "1"])
        else:
            back[n] = f"{words[1]}*{written_call(word, [*names, words[0], '1'])}"
    return ({} if is_scalar and every else back), by, found


def _helper(
    given: Any, word: str, parameters: Sequence[Argument], result: Shape | None, known: Known, origin: str
) -> Layer:
    """The function that a derivative's text calls: what was given, or what `define` made of it."""
    entry = entry_of_function(given)
    if isinstance(entry, Layer):
        if len(entry.parameters) != len(parameters):
            names = ", ".join(p.name for p in parameters)
            raise ArgumentError(f"{origin} takes {len(entry.parameters)} operands", hint=f"it is called with {names}")
        return entry
    header = f"{word}({', '.join(map(str, parameters))})" + (f"[{', '.join(map(str, result))}]" if result else "")
    made = Layer(word, parameters, header, {}, {}, routine=_routine(given, word, parameters, result), result=result)
    made.origin = origin
    return completed(made, known)


def _result_shape(layer: Layer, is_outside: bool) -> Shape:
    """The shape of what a definition gives, with the sizes that have names."""
    if is_outside:
        return layer.result or ()
    if not any(p.shape for p in layer.parameters):
        raise ArgumentError(
            f"{layer.name}: backward is a function, and its operands have no shapes",
            hint=f"declare them: {layer.name}({', '.join(f'{p.name}[n]' for p in layer.parameters)}) = …",
        )
    names = sorted({n.name for p in layer.parameters for n in p.shape if isinstance(n, Dim)})
    sizes = dict(zip(names, SIZES, strict=False))
    graph = Graph()
    inputs = [
        graph.input(p.name, tuple(sizes[n.name] if isinstance(n, Dim) else n for n in p.shape))
        for p in layer.parameters
    ]
    known = {size: Dim(name) for name, size in sizes.items()}
    return tuple(known.get(n, n) for n in graph.shape(layer.node(graph, inputs, {})))


SIZES = (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049)
"""Sizes by which those that have names are told apart in the shape of a result."""


class OneOf:
    """One of the results of a Python function that gives several: the adjoint of one operand."""

    def __init__(self, function: Callable[..., Any], place: int, count: int) -> None:
        self.function, self.place, self.count = function, place, count

    def __call__(self, *operands: Any) -> Any:
        """The result."""
        results = self.function(*operands)
        if not isinstance(results, tuple | list) or len(results) != self.count:
            raise ArgumentError(f"backward gives {self.count} adjoints, one for each operand")
        return results[self.place]

    @property
    def __signature__(self) -> inspect.Signature:
        """That of the function."""
        return inspect.signature(self.function)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_shipped(layer: Layer) -> bool:
    """Whether a definition only repeats what the language has."""
    names = tuple(p.name for p in layer.parameters)
    shipped = DEFINITIONS.get((layer.name, len(names)))
    if shipped is None or layer.backward or layer.partials or layer.routine is not None:
        return False
    graph = Graph()
    operands = [graph.input(f"operand_{k}") for k in range(len(names))]
    theirs = Layer(layer.name, [Argument(n) for n in shipped.parameters], shipped.text, {}, {})
    try:
        return layer.node(graph, operands, {}) == theirs.node(graph, operands, {})
    except SymdiffError:
        return False


def _check_words(layer: Layer, known: Known) -> None:
    """Refuse names and functions that there are none of, before there are shapes to read the texts with."""
    names, words = layer.names, layer.words
    sizes = sorted(names.difference(p.name for p in layer.parameters))
    derivatives = {**layer.backward, **layer.partials}
    for short, word in zip((RESULT, ADJOINT), words, strict=True):
        if derivatives and word in names:
            raise ArgumentError(f"operands are called {short} and {word}", hint="give one of them another name")
    for operand, text in ((None, layer.text), *derivatives.items()):
        own = names if operand is None else {*names, *words}
        free = free_names(text)
        missing = [n for n in free if n not in own]
        if missing:
            hint = nearest(missing[0], own) or f"the names are: {', '.join(sorted(own))}"
            raise UnknownNameError(f"{layer.name}: {missing[0]} is none of its operands", hint=hint)
        if operand in layer.backward and words[1] != ADJOINT and free and words[1] not in free:
            raise ArgumentError(
                f"{layer.name}: the adjoint of {operand} does not depend on {words[1]}",
                hint=f"{ADJOINT} is an operand here, and the adjoint of the result is called {words[1]}",
            )
        if operand is None and layer.routine is not None:
            continue
        inputs = None if operand is None else [Argument(n) for n in (*(p.name for p in layer.parameters), *words)]
        read_text(text, arguments=inputs, sizes=sizes, definitions=known)


def _checked(layer: Layer, known: Known) -> Op | None:
    """The operation of an elementwise function with derivatives of its own; None for all others."""
    others = {w: function for w, function in {**known, **layer.uses}.items() if w != layer.name}
    if layer.routine is not None:
        _check_words(layer, {**others, layer.name: layer})
        if layer.result is not None:
            return None
        return _outside_operation(layer)
    _check_words(layer, others)
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
    if op is None and layer.partials:
        layer.backward = {n: f"{layer.words[1]}*({text})" for n, text in layer.partials.items()}
    return op


def _elementwise(layer: Layer, text: str, names: Sequence[str]) -> Parsed | None:
    """A text read with numbers for its names, where it is a function of each element; None where it is not."""
    if any(p.shape for p in layer.parameters):
        return None
    try:
        parsed = parse(text, arguments=[Argument(n) for n in names], definitions=layer.callable_words)
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
    result, adjoint = layer.words
    if len(names) > len(OPERAND_NAMES):
        return None
    partials: list[str | None] = []
    for name in names:
        if layer.partials:
            parsed = _elementwise(layer, layer.partials[name], [*names, result])
            if parsed is None:
                raise ArgumentError(f"the partial by {name} is not a function of each element", hint="give backward")
            partials.append(_renamed(parsed, parsed.output, names, result))
            continue
        parsed = _elementwise(layer, layer.backward[name], [*names, result, adjoint])
        if parsed is None:
            return None
        slope = _slope(layer, parsed)
        if slope is None:
            return None
        partials.append(_renamed(parsed, slope, names, result) if slope >= 0 else None)
    return Op(
        layer.name,
        "f" * len(names),
        key=layer.key,
        routine=Expand(_renamed(scalar, scalar.output, names, result)),
        partials=tuple(partials),
        doc=f"defined by its user: {layer.text}",
        parameters=tuple(names),
        domain=((float("-inf"), float("inf")),) * len(names),
    )


def _outside_operation(layer: Layer) -> Op:
    """The record of a function from outside."""
    names = [p.name for p in layer.parameters]
    result, adjoint = layer.words
    example = ", ".join(f'"{n}": "…"' for n in names)
    hint = (
        f"define it with its derivatives: partials={{{example}}}" if not layer.origin else hint_for_derivatives(layer)
    )
    assert layer.routine is not None
    alone = layer.op = Op(
        layer.name,
        "f" * len(names),
        key=layer.key,
        routine=layer.routine,
        partials=tuple(Unavailable(f"by {n}", hint) for n in names),
        doc=f"a function from outside: {layer.text}",
        parameters=tuple(names),
        domain=((float("-inf"), float("inf")),) * len(names),
        sympy=None,
    )
    if layer.partials and len(names) <= len(OPERAND_NAMES):
        partials = []
        for n in names:
            parsed = _elementwise(layer, layer.partials[n], [*names, result])
            if parsed is None:
                raise ArgumentError(f"the partial by {n} is not a function of each element", hint="give backward")
            partials.append(_renamed(parsed, parsed.output, names, result))
        return dataclasses.replace(alone, partials=tuple(partials))
    if layer.partials:
        layer.backward = {n: f"{adjoint}*({text})" for n, text in layer.partials.items()}
    if not layer.backward:
        return alone
    layer.is_wrapped = True
    return dataclasses.replace(alone, partials=(None,) * len(names))


def _slope(layer: Layer, parsed: Parsed) -> int | None:
    """The factor of `g` in an adjoint; -1 where it is zero, None where the adjoint is not linear in `g`."""
    adjoint = layer.words[1]
    graph, g = parsed.graph, parsed.names[adjoint]
    (slope,) = forward(graph, [parsed.output], {g: graph.constant(1.0)})
    if slope is None or g in graph.live([slope]):
        return -1 if slope is None and graph.constant_value(parsed.output) == 0 else None
    points = np.array([-2.5, -0.7, 0.3, 0.6, 1.9])
    inputs = [node for node in parsed.names.values() if graph.ops[node] is core.INPUT]
    values: dict[int, Any] = {node: points + 0.01 * k for k, node in enumerate(inputs)}
    at_zero = np.asarray(evaluate(graph, [parsed.output], {**values, g: np.zeros(len(points))})[0], float)
    if np.any(at_zero[np.isfinite(at_zero)] != 0):
        raise ArgumentError(
            f"{layer.name}: an adjoint is linear in {adjoint}, and this one is not 0 where {adjoint} is 0",
            hint=f"write {adjoint} times the derivative",
        )
    return slope


def _renamed(parsed: Parsed, node: int, names: Sequence[str], result: str) -> str:
    """An expression in the names that records use."""
    graph = Graph()
    shorter = {**dict(zip(names, OPERAND_NAMES, strict=False)), result: RESULT}
    known = {parsed.names[n]: graph.input(short) for n, short in shorter.items() if n in parsed.names}

    def make(op: Op, args: Sequence[int], payload: Any = None) -> int:  # what users defined is called by its key there
        return graph.apply(op if op.key == op.name else dataclasses.replace(op, name=op.key), args, payload)

    found = Body.of(parsed.graph, [node]).fold(NamedNodes(graph, make), known)
    return expression(graph, found[node], simplify=False)
