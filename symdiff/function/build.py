"""`function`: from whatever a user has to a Function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError, CallError, UnknownNameError, nearest
from symdiff.frontend.expr import Expr
from symdiff.frontend.parser import parse
from symdiff.function.compiled import Structure
from symdiff.function.function import Function
from symdiff.function.inputs import describe, read_inputs, read_shapes
from symdiff.ir.graph import Graph, collector_paused
from symdiff.signature import Argument
from symdiff.types import FLOAT32, FLOAT64, Shape


def function(
    source: Any,
    inputs: Any = None,
    *,
    outputs: Any = None,
    shapes: Mapping[Any, Any] | None = None,
    dtype: str = FLOAT64,
    name: str | None = None,
) -> Function:
    """A symbolic function of a formula; nothing is compiled before its first call.

    Parameters
    ----------
    source : a text (an expression; ``f(x, y) = …``; or several lines ``name = …`` of which the last is the output), a
        SymPy expression or Matrix, an `Expr`, a Python callable (called once with `Expr` arguments), another
        `Function` (under a new signature), or a list (one vector), tuple or dict (several outputs) of these.
    inputs : the names in call order, or a dict from names to shapes or members. A nested list is one vector argument
        packed of scalars: ``[["b1", "b2"], "x"]``.
    outputs : names of lines to return, instead of the last.
    shapes : shapes of inputs, ``{"W": (3, 4)}``.
    dtype : "float64" or "float32".
    name : what the function is called in listings; ``f`` where the text does not say.

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
    """
    if dtype not in (FLOAT64, FLOAT32):
        raise ArgumentError(f"dtype is {dtype!r}", hint='"float64" or "float32"')
    sizes = read_shapes(shapes)
    arguments = None if inputs is None else read_inputs(inputs, sizes)
    builder = Builder(Graph(dtype), arguments, sizes)
    with collector_paused():
        if isinstance(source, Function) and source.graph.dtype == dtype:
            builder.graph = source.graph
        elif isinstance(source, tuple | list | dict):
            shared = next((s for s in _leaves(source) if isinstance(s, Function) and s.graph.dtype == dtype), None)
            if shared is not None:
                builder.graph = shared.graph
        pairs, structure = builder.read(source, name)
        if outputs is not None:
            pairs, structure = builder.choose(outputs, dict(pairs))
        final, ordered = builder.signature()
        builder.check_shapes(final)
    known = dict.fromkeys(n for a in final for n in (a.members if a.members is not None else (a.name,)))
    names = {n: builder.graph.input(n, builder.shape_of(n)) for n in known}
    names.update({n: node for n, node in builder.names.items() if builder.graph.ops[node].name == "named"})
    title = name or builder.title or "f"
    return Function(builder.graph, final, pairs, name=title, names=names, structure=structure, ordered=ordered)


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


def _leaves(source: Any) -> list[Any]:
    parts: list[Any] = list(source.values()) if isinstance(source, dict) else list(source)
    return [leaf for p in parts for leaf in (_leaves(p) if isinstance(p, list | tuple | dict) else [p])]


Pairs = list[tuple[str, int]]


@dataclass
class Builder:
    """Reads sources into one graph and settles the signature that they share."""

    graph: Graph
    arguments: tuple[Argument, ...] | None
    shapes: Mapping[str, Shape]
    names: dict[str, int] = field(default_factory=dict)
    title: str | None = None
    headers: list[tuple[Argument, ...]] = field(default_factory=list)

    def read(self, source: Any, name: str | None) -> tuple[Pairs, Structure]:
        """The outputs of one source, flat, and how they are handed back."""
        if isinstance(source, str):
            return self._text(source, name)
        if isinstance(source, Expr):
            return [(name or "f", self._import(source.graph, [source.node])[source.node])], 0
        if isinstance(source, Function):
            return self._function(source)
        if isinstance(source, dict):
            return self._several(list(source.values()), list(source))
        if isinstance(source, tuple):
            return self._several(list(source), None)
        if isinstance(source, list):
            return self._vector(source, name)
        if type(source).__module__.partition(".")[0] == "sympy":
            return self._sympy(source, name)
        if isinstance(source, int | float | np.ndarray | np.number):
            value = source if isinstance(source, np.ndarray) else float(source)
            return [(name or "f", self.graph.constant(value))], 0
        if callable(source):
            return self._traced(source, name)
        raise CallError(
            f"a formula cannot be made of a {type(source).__name__}",
            hint="give a text, an Expr, a SymPy expression, a Python function, or a list or tuple of these",
        )

    def _text(self, text: str, name: str | None) -> tuple[Pairs, Structure]:
        parsed = parse(text, arguments=self.arguments, shapes=self.shapes, dtype=self.graph.dtype, graph=self.graph)
        if parsed.arguments is not None and self.arguments is None:
            self.headers.append(parsed.arguments)
        self._learn(parsed.names)
        self.title = self.title or parsed.output_name
        return [(name or parsed.output_name or "f", parsed.output)], 0

    def _function(self, source: Function) -> tuple[Pairs, Structure]:
        table = source.name_table()
        mapping = self._import(source.graph, [*source.nodes, *table.values()])
        self._learn({n: mapping[node] for n, node in table.items()})
        if source.ordered:
            self.headers.append(source.arguments)
        self.title = self.title or source.__name__
        return [(n, mapping[node]) for n, node in source.output_pairs()], source.structure

    def _several(self, sources: Sequence[Any], titles: Sequence[str] | None) -> tuple[Pairs, Structure]:
        if not sources:
            raise ArgumentError("there are no outputs")
        pairs: Pairs = []
        structures: list[Structure] = []
        for k, source in enumerate(sources):
            own, structure = self.read(source, titles[k] if titles else None)
            if titles and len(own) == 1:
                own = [(titles[k], own[0][1])]
            structures.append(_shifted(structure, len(pairs)))
            pairs += own
        taken: set[str] = set()
        unique = []
        for n, node in pairs:
            title, k = n, 1
            while title in taken:
                k += 1
                title = f"{n}_{k}"
            taken.add(title)
            unique.append((title, node))
        self.title = "f" if titles is None and self.title is None else self.title
        return unique, tuple(structures)

    def _vector(self, sources: Sequence[Any], name: str | None) -> tuple[Pairs, Structure]:
        if not sources:
            raise ArgumentError("there are no outputs")
        entries = []
        for source in sources:
            pairs, structure = self.read(source, None)
            if structure != 0:
                raise ArgumentError("a list is one vector: its entries have one output each", hint="use a tuple")
            entries.append(self.graph.as_number(pairs[0][1]))
        self.title = name
        return [(name or "f", self.graph.add("stack", tuple(entries)))], 0

    def _sympy(self, source: Any, name: str | None) -> tuple[Pairs, Structure]:
        from symdiff.frontend.sympy_bridge import from_sympy

        other, node, _ = from_sympy(source)
        return [(name or "f", self._import(other, [node])[node])], 0

    def _traced(self, source: Any, name: str | None) -> tuple[Pairs, Structure]:
        from symdiff.frontend.trace import trace

        other, outputs, arguments = trace(source, self.arguments)
        if self.arguments is None:
            self.headers.append(tuple(arguments))
        title = getattr(source, "__name__", "f")
        title = title if title.isidentifier() else "f"
        self.title = self.title or title
        flat: Pairs = []

        def flatten(item: Any) -> Structure:
            if isinstance(item, tuple):
                return tuple(flatten(i) for i in item)
            flat.append((title, item))
            return len(flat) - 1

        structure = flatten(outputs)
        mapping = self._import(other, [node for _, node in flat])
        return [(name or n, mapping[node]) for n, node in flat], structure

    def _import(self, other: Graph, roots: Sequence[int]) -> dict[int, int]:
        mapping = {node: node for node in other.live(roots)} if other is self.graph else self.graph.splice(other, roots)
        found = {}
        for node in other.live(roots):
            if other.ops[node].name in ("input", "named"):
                found[str(other.payloads[node])] = mapping[node]
        self._learn(found)
        return mapping

    def _learn(self, names: Mapping[str, int]) -> None:
        for n, node in names.items():
            self.names.setdefault(n, node)

    def shape_of(self, name: str) -> Shape:
        """The shape of an input that the graph has, else the one declared."""
        node = self.names.get(name)
        if node is not None and self.graph.ops[node].name == "input":
            return self.graph.types[node].shape
        for argument in self.arguments or ():
            if argument.members is None and argument.name == name:
                return argument.shape
        return self.shapes.get(name, ())

    def choose(self, outputs: Any, results: Mapping[str, int]) -> tuple[Pairs, Structure]:
        """The named lines, or `results` by their names, that `outputs` asks for."""
        lines = {**results, **self.names}
        wanted = [outputs] if isinstance(outputs, str) else list(outputs)
        pairs = []
        for n in wanted:
            if n not in lines:
                raise UnknownNameError(f"there is no line {n} to return", hint=nearest(str(n), lines))
            pairs.append((n, lines[n]))
        if isinstance(outputs, str):
            return pairs, 0
        if isinstance(outputs, list):
            node = self.graph.add("stack", tuple(self.graph.as_number(node) for _, node in pairs))
            return [(self.title or "f", node)], 0
        return pairs, tuple(range(len(pairs)))

    def signature(self) -> tuple[tuple[Argument, ...], bool]:
        """The arguments and whether something ordered them."""
        free = [n for n, node in self.names.items() if self.graph.ops[node].name == "input"]
        if self.arguments is not None:
            self._check_listed(self.arguments, free)
            return self.arguments, True
        if self.headers:
            first = max(self.headers, key=len) if len({len(h) for h in self.headers}) > 1 else self.headers[0]
            self._check_listed(first, free)
            return first, True
        arguments = tuple(Argument(n, self.shape_of(n)) for n in free)
        return arguments, len(arguments) < 2

    def check_shapes(self, arguments: Sequence[Argument]) -> None:
        """Refuse a shape for a name that there is not."""
        known = [a.name for a in arguments]
        for n in self.shapes:
            if n not in known:
                raise ArgumentError(f"shapes names {n}, which is not an input", hint=nearest(n, known))

    def _check_listed(self, arguments: Sequence[Argument], free: Sequence[str]) -> None:
        listed = {n for a in arguments for n in (a.members if a.members is not None else (a.name,))}
        missing = [n for n in free if n not in listed]
        if missing:
            known = describe([*arguments, *(Argument(n) for n in missing)])
            raise UnknownNameError(f"not among the inputs: {', '.join(missing)}", hint=f"list them: {known}")


def _shifted(structure: Structure, by: int) -> Structure:
    return structure + by if isinstance(structure, int) else tuple(_shifted(s, by) for s in structure)
