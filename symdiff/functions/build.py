"""`function`: from whatever a user has to a Function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

import numpy as np

from symdiff.budget import timed
from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, LimitError, Open, SymdiffError
from symdiff.frontend.calls import PROCESS, Definitions, Known
from symdiff.frontend.expr import Expr, is_sympy
from symdiff.frontend.guarded import clamp
from symdiff.frontend.syntax import Syntax
from symdiff.frontend.trace import parameters
from symdiff.functions.builder import Builder
from symdiff.functions.cases import results_of, unknown
from symdiff.functions.function import Function
from symdiff.functions.inputs import name_of, read_inputs, read_shapes, settle
from symdiff.functions.open_case import open_case
from symdiff.functions.outline import Outline, arguments_of, outline, shapes_of
from symdiff.functions.sources import given, texts_read
from symdiff.functions.specialize import match, named_sizes, substitute
from symdiff.functions.tree_arguments import refuse_trees, with_trees
from symdiff.guesses import with_options
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core
from symdiff.signature import Argument, parameters_of
from symdiff.trees import Structure, leaves_of
from symdiff.types import FLOAT32, FLOAT64, Shape


@with_options
def function(
    source: Any,
    inputs: Any = None,
    *,
    outputs: Any = None,
    shapes: Mapping[Any, Any] | None = None,
    dtype: Any = FLOAT64,
    name: str | None = None,
    namespace: Definitions = PROCESS,
) -> Function:
    """A symbolic function of a formula; nothing is compiled before its first call.

    Parameters
    ----------
    source : a text (an expression; ``f(x, y) = …``; or several lines ``name = …`` of which the last is the output), a
        SymPy expression or Matrix, an `Expr`, a Python callable (called once with `Expr` arguments), another
        `Function` (under a new signature), or a list (one vector), tuple or dict (several outputs) of these.
    inputs : the names in call order, in a list or a text such as ``"x y"``, or a dict from names to shapes or members.
        A nested list is one vector argument packed of scalars: ``[["b1", "b2"], "x"]``.
    outputs : names of lines to return, instead of the last.
    shapes : shapes of inputs, ``{"W": (3, 4), "x": "n"}``: a size is a number, or a name that each call gives a number.
        Where no shape is given for any name that needs one, each takes the shape of its argument at the call. A
        parameter of a Python callable may be a tree, ``{"params": {"W": (3, 4), "b": 4}}``: dicts, lists, tuples of
        shapes in each other, or of arrays that have them.
    dtype : "float64" or "float32", or NumPy's type of this name.
    name : what the function is called in listings; ``f`` where the text does not say.
    namespace : whose definitions texts can call; those of `define` where none is given.

    Raises
    ------
    ParseError
        For a text that is not in the language; it points at the place.
    ArgumentError
        For names that do not fit together.

    Examples
    --------
    >>> import symdiff as sd
    >>> f = sd.function("f([a, b], x) = a*exp(-b*x)")
    >>> f([2.0, 0.0], [1.0, 3.0])
    array([2., 2.])

    A parameter of a Python function can be a dict, list or tuple of arrays, as the weights of a network are; so are its
    derivatives:

    >>> def loss(p, x):
    ...     return sum((p["W"] @ x - p["b"])**2)
    >>> gradient = sd.grad(sd.function(loss, {"p": {"W": (1, 2), "b": 1}, "x": 2}), "p")
    >>> gradient({"W": [[1.0, 2.0]], "b": [4.0]}, [1.0, 1.0])
    {'W': array([[-2., -2.]]), 'b': array([2.])}
    """
    if not isinstance(dtype, str):
        dtype = _dtype_name(dtype)
    if dtype not in (FLOAT64, FLOAT32):
        raise ArgumentError(f"dtype is {dtype!r}", hint='"float64" or "float32"')
    if not isinstance(namespace, Definitions):
        raise ArgumentError(f"namespace is a {type(namespace).__name__}", hint="namespace=sd.Namespace()")
    source, inputs = given(source, inputs)
    sizes, trees = read_shapes(shapes)
    if trees and inputs is None:
        inputs = listed_for_trees(source)
    try:
        arguments = None if inputs is None else read_inputs(inputs, sizes, trees)
    except ArgumentError as error:
        error.hint = turned_round(source, inputs) or error.hint
        raise
    scalars = [n for n, shape in sizes.items() if not shape]
    declared = isinstance(inputs, Mapping)
    scalars += [a.name for a in arguments or () if not a.shape and a.members is None and (declared or a.place)]
    if arguments is not None and not is_code(source):
        arguments = _with_trees_of(source, arguments)
        declared_trees = {a.place.tree.name: a.place.tree.structure for a in arguments if a.place}
        if declared_trees and takes_trees(source):
            source = _structured(source, declared_trees, arrays=True)
        refuse_trees(arguments, source)
    with timed():
        source = texts_read(source, arguments, named_sizes(sizes.values()), namespace.known)
    if arguments is not None or sizes or isinstance(source, list | tuple | dict):
        arguments, sizes = settle(arguments, sizes, scalars, shapes_of(source))
        scalars = list(dict.fromkeys([*scalars, *(n for n, shape in sizes.items() if not shape)]))
    return Request(source, arguments, outputs, sizes, dtype, name, tuple(scalars), namespace.known).make()


def _dtype_name(dtype: Any) -> str:
    """The name of a type of numbers of NumPy's or Python's."""
    try:
        return str(np.dtype(dtype).name)
    except TypeError:
        return str(dtype)


def turned_round(source: Any, inputs: Any) -> str:
    """What to type where the names stand before the formula, as in SymPy's lambdify; or nothing."""
    parts = source if isinstance(source, list | tuple) else [source]
    if not parts or not all(isinstance(p, str | Expr) for p in parts):
        return ""
    try:
        read_inputs(list(parts), {})
    except SymdiffError:
        return ""
    formula = repr(inputs) if isinstance(inputs, str) else "…"
    listed = ", ".join(f'"{name_of(p)}"' for p in parts)
    return f"the formula comes first: sd.function({formula}, [{listed}])"


def expr(source: Any, inputs: Any = None, **options: Any) -> Any:
    """The formula of anything that `function` takes, as an `Expr` (a tuple of them for several outputs).

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.expr("x*y") + 1
    Expr(x*y + 1)
    """
    if isinstance(source, Expr) and inputs is None and not options:
        return source
    return function(source, inputs, **options).expr


def listed_for_trees(source: Any) -> list[str]:
    """The names of the parameters, where trees are declared for some of them."""
    if not is_code(source):
        raise ArgumentError("a tree is declared, which a Python function takes")
    return [a.name for a in parameters(source)]


def is_code(source: Any) -> bool:
    """Whether a source is Python code, which is called to find its formula."""
    return callable(source) and not isinstance(source, Expr | Function) and not is_sympy(source)


def takes_trees(source: Any) -> bool:
    """Whether parameters of a source may be trees, of which each call may say the structure."""
    if isinstance(source, Function) and source._cases is not None:
        return source._cases.recipe.takes_trees()
    if isinstance(source, list | tuple | dict):
        return any(takes_trees(s) for s in _leaves(source))
    return is_code(source)


def _leaves(source: Any) -> list[Any]:
    parts: list[Any] = list(source.values()) if isinstance(source, dict) else list(source)
    return [leaf for p in parts for leaf in (_leaves(p) if isinstance(p, list | tuple | dict) else [p])]


@dataclass(frozen=True)
class Request:
    """What `function` was asked for: enough to make it at once, or again for the shapes of each call.

    `scalars` are the names that are declared to have no axes; `definitions` the functions of users that texts may call.
    """

    source: Any
    arguments: tuple[Argument, ...] | None
    outputs: Any
    shapes: Mapping[str, Shape]
    dtype: str
    name: str | None
    scalars: tuple[str, ...] = ()
    definitions: Known = field(default_factory=dict)

    def make(self) -> Function:
        """The function, deferred where it has shapes that only a call fixes."""
        declared = [*self.shapes.values(), *(a.shape for a in self.arguments or ())]
        if named_sizes(declared):
            made = self._deferred()
            assert made is not None
            return made
        found = self._function({})
        if isinstance(found, Function):
            return found
        made = self._deferred()
        known = {a.name for a in made.arguments if a.is_open} if made is not None else set()
        if made is None or (found.names and known.isdisjoint(found.names)):
            raise found.error()
        return made

    def _deferred(self) -> Function | None:
        """The function as a recipe; None where all its shapes are known."""
        found = self._outline()
        arguments = arguments_of(found, self.arguments, self.shapes)
        ordered = self.arguments is not None or found.header is not None or len(arguments) < 2
        title = self.name or found.title or "f"
        options: dict[str, Any] = {"name": title, "ordered": ordered, "lines": found.lines}
        if any(a.is_open for a in arguments):
            opened = open_case(arguments, self._function)
            if not isinstance(opened, Open):  # otherwise shapes of other names decide, too
                return Function._of_recipe(self, arguments, opened=opened, **options)
        arguments = tuple(
            replace(a, deferred=True)
            if a.deferred or not (a.shape or a.members is not None or a.name in self.scalars or a.name in found.settled)
            else a
            for a in arguments
        )
        if not any(a.is_open for a in arguments):
            return None
        self._check_smallest(arguments)
        return Function._of_recipe(self, arguments, **options)

    def _check_smallest(self, arguments: tuple[Argument, ...]) -> None:
        """Refuse a text that is too large where every open shape is a scalar's: so it is for all other shapes."""
        if isinstance(self.source, Syntax) and not named_sizes(a.shape for a in arguments):
            try:
                self._function({a.name: a.shape for a in arguments if a.deferred})
            except LimitError:
                raise
            except SymdiffError:
                pass

    def _outline(self) -> Outline:
        found = outline(self.source, self.arguments, self.definitions)
        sizes = named_sizes([*self.shapes.values(), *(a.shape for a in self.arguments or ()), *found.free.values()])
        found.free = {n: shape for n, shape in found.free.items() if n not in sizes}
        return found

    def build(self, shapes: Mapping[str, Shape]) -> Function:
        """The function whose arguments have the shapes given by name."""
        made = self._function(shapes)
        if isinstance(made, Open):
            raise made.error()
        if made._cases is not None:
            raise unknown(made.__name__, made.arguments)
        return made

    def takes_trees(self) -> bool:
        """Whether it is made of Python code."""
        return takes_trees(self.source)

    def structured(self, trees: Mapping[str, Structure], arrays: bool) -> Function:
        """The function whose parameters take trees."""
        opened = {n: (structure, [()] * len(leaves_of(structure))) for n, structure in trees.items()}
        code = _leaves(self.source) if isinstance(self.source, list | tuple | dict) else [self.source]
        alike = all(map(is_code, code)) and len({tuple(parameters(part)) for part in code}) == 1
        if not alike:
            source = _structured(self.source, trees, arrays)
            listed = self.arguments and _with_trees_of(source, self.arguments)
            return replace(self, source=source, arguments=listed).make()
        listed = self.arguments
        if listed is None:
            listed = tuple(replace(a, shape=self.shapes.get(a.name, a.shape)) for a in parameters(code[0]))
        sizes = named_sizes([*self.shapes.values(), *(a.shape for a in listed)])
        opened_here = replace(self, arguments=with_trees(listed, opened, sizes))
        made = opened_here._deferred() if arrays else None
        return opened_here.make() if made is None else made

    def results(self) -> list[str] | None:
        """The names of the outputs; None where only shapes say how many there are."""
        title = self.name or self._outline().title or "f"
        if self.outputs is not None:
            listed = [self.outputs] if isinstance(self.outputs, str) else list(map(str, self.outputs))
            return [title] if isinstance(self.outputs, list) else listed
        return _results(self.source, title)

    def text(self) -> str:
        """What a person wrote."""
        return _text(self.source, self.name)

    def _function(self, bound: Mapping[str, Shape]) -> Function | Open:
        """The function for the shapes of a call, or without any; open where other shapes decide what it is."""
        source, dtype, name = self.source, self.dtype, self.name
        arguments, shapes, sizes = self.arguments, dict(self.shapes), {}
        if bound:
            own = [*(arguments or ()), *(Argument(n, shape) for n, shape in shapes.items())]
            sizes = match(name or "f", own, bound)
            shapes = {n: substitute(shape, sizes) for n, shape in shapes.items()}
            shapes.update((n, shape) for n, shape in bound.items() if self._is_bare(n))
            if arguments is not None:
                arguments = tuple(
                    a if a.members is not None else replace(a, shape=bound.get(a.name, a.shape)) for a in arguments
                )
        builder = Builder(Graph(dtype), arguments, shapes, bound=bound, sizes=sizes, scalars=self.scalars)
        builder.definitions = self.definitions
        with timed(), collector_paused():
            if isinstance(source, Function) and source._cases is None and source.graph.dtype == dtype:
                builder.graph, builder.shared = source.graph, True
            elif isinstance(source, tuple | list | dict):
                source = _fixed(source, builder)
                if isinstance(source, Open):
                    return source
                shared = next((s for s in _leaves(source) if isinstance(s, Function) and s.graph.dtype == dtype), None)
                if shared is not None:
                    builder.graph, builder.shared = shared.graph, True
            found = builder.read(source, name)
            if self.outputs is not None and not isinstance(found, Open):
                found = builder.choose(self.outputs, dict(found[0]))
            if isinstance(found, Open):
                return found
            pairs, structure = found
            clamped = clamp(builder.graph, [node for _, node in pairs])
            if clamped:
                pairs = [(n, clamped.get(node, node)) for n, node in pairs]
                builder.names.update({n: clamped.get(node, node) for n, node in builder.names.items()})
            final, ordered = builder.signature()
            if not builder.shared:
                builder.graph.unshaped = None  # now they are numbers
            if not bound:
                builder.check_shapes(final)
        known = dict.fromkeys(n for a in final for n in a.inputs)
        names = {n: builder.graph.input(n, builder.shape_of(n)) for n in known}
        names.update({n: node for n, node in builder.names.items() if builder.graph.ops[node] is core.NAMED})
        title = name or builder.title or "f"
        if not builder.shared:
            builder.graph.written = len(builder.graph)
        return Function(builder.graph, final, pairs, name=title, names=names, structure=structure, ordered=ordered)

    def _is_bare(self, name: str) -> bool:
        """Whether nothing but a call says the shape of an input."""
        return name not in self.shapes and all(a.name != name or not a.shape for a in self.arguments or ())


def _fixed(source: Any, builder: Builder) -> Any:
    """Sources in which functions with open shapes are those for known shapes; the first that stays open."""
    if isinstance(source, Function):
        return builder.settled(source)
    if not isinstance(source, dict | list | tuple):
        return source
    parts: list[Any] = []
    for part in source.values() if isinstance(source, dict) else source:
        found = _fixed(part, builder)
        if isinstance(found, Open):
            return found
        parts.append(found)
    return dict(zip(source, parts, strict=True)) if isinstance(source, dict) else type(source)(parts)


def _with_trees_of(source: Any, arguments: tuple[Argument, ...]) -> tuple[Argument, ...]:
    """The arguments with those of leaves for the trees that functions among the sources take."""
    if isinstance(source, list | tuple | dict):
        for part in _leaves(source):
            arguments = _with_trees_of(part, arguments)
        return arguments
    if not isinstance(source, Function) or not any(a.place for a in source.arguments):
        return arguments
    trees = {
        p.name: tuple([replace(a, deferred=False) for a in p.arguments])  # open as all without a shape are
        for p in parameters_of(source.arguments)
        if p.tree is not None
    }
    return tuple([leaf for a in arguments for leaf in (trees.get(a.name, (a,)) if a.place is None else (a,))])


def _structured(source: Any, trees: Mapping[str, Structure], arrays: bool) -> Any:
    """Sources in which Python code takes trees."""
    if isinstance(source, dict):
        return {k: _structured(v, trees, arrays) for k, v in source.items()}
    if isinstance(source, list | tuple):
        return type(source)([_structured(v, trees, arrays) for v in source])
    if is_code(source):
        source = function(source)
    if isinstance(source, Function) and source._cases is not None:
        known = {a.name for a in source.arguments if a.deferred}
        own = {n: structure for n, structure in trees.items() if n in known}
        return source._cases.structured(own, arrays) if own else source
    return source


def _results(source: Any, title: str) -> list[str] | None:
    """The names of the outputs of a source; None for Python code, which is not run yet."""
    if isinstance(source, Function):
        return results_of(source)
    if isinstance(source, dict | tuple):
        named = source.items() if isinstance(source, dict) else ((None, part) for part in source)
        found: list[str] = []
        for key, part in named:
            own = _results(part, key or _title(part))
            if own is None:
                return None
            found += [key] if key and len(own) == 1 else own
        return [n if n not in found[:k] else f"{n}_{found[:k].count(n) + 1}" for k, n in enumerate(found)]
    return None if callable(source) and not isinstance(source, Expr) else [title]


def _title(source: Any) -> str:
    return source.title or "f" if isinstance(source, Syntax) else "f"


def _text(source: Any, name: str | None) -> str:
    if isinstance(source, Syntax):
        return source.source.text.strip()
    if isinstance(source, dict):
        return "\n".join(f"{k}: {_text(v, None)}" for k, v in source.items())
    if isinstance(source, list | tuple):
        return "\n".join(_text(v, None) for v in source)
    if isinstance(source, Function | Expr):
        return str(source)
    return f"{name or getattr(source, '__name__', 'f')}: {type(source).__name__}"
