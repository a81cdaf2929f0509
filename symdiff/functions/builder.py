"""Reading sources of every kind into one graph, and the signature that they share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate.operators import iterated
from symdiff.errors import ArgumentError, CallError, Open, UnknownNameError, nearest
from symdiff.frontend.calls import Known
from symdiff.frontend.expr import Expr, is_sympy
from symdiff.frontend.parser import elaborate_open
from symdiff.frontend.syntax import Syntax
from symdiff.frontend.trace import parameters, trace
from symdiff.functions.cases import unknown
from symdiff.functions.function import Function
from symdiff.functions.inputs import describe_arguments
from symdiff.functions.outline import listed_shapes
from symdiff.functions.specialize import match, named_sizes
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.signature import Argument
from symdiff.trees import Branch, Structure, shifted_structure
from symdiff.types import Shape

Pairs = list[tuple[str, int]]

Outcome = tuple[Pairs, Structure] | Open
"""The outputs of a source, flat, and how they are handed back; or that shapes decide which only a call says."""

NO_LETTER = r"\W"

MOST_OF_TRACE = 1.25
"""A traced graph becomes the function's where it has at most so many times the nodes that are needed."""


@dataclass
class Builder:
    """Reads sources into one graph and settles the signature that they share.

    `bound` are the shapes of the arguments, by name, of the call that a function with open shapes is made for, `sizes`
    what that makes of the sizes that have names, `scalars` the names that somebody declared to have no axes; `symbols`
    are the SymPy objects that inputs were; `shared` says that the graph is another function's, too; `definitions` are
    the functions of users that texts may call.
    """

    graph: Graph
    arguments: tuple[Argument, ...] | None
    shapes: Mapping[str, Shape]
    names: dict[str, int] = field(default_factory=dict)
    symbols: dict[str, Any] = field(default_factory=dict)
    title: str | None = None
    headers: list[tuple[Argument, ...]] = field(default_factory=list)
    bound: Mapping[str, Shape] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    scalars: Sequence[str] = ()
    shared: bool = False
    definitions: Known = field(default_factory=dict)

    def read(self, source: Any, name: str | None) -> Outcome:
        """The outputs of one source."""
        if isinstance(source, Syntax):
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
        if is_sympy(source):
            return self._sympy(source, name)
        if isinstance(source, int | float | np.ndarray | np.number):
            value = source.astype(float) if isinstance(source, np.ndarray) else float(source)
            return [(name or "f", self.graph.constant(value))], 0
        if callable(source):
            return self._traced(source, name)
        raise CallError(
            f"a formula cannot be made of a {type(source).__name__}",
            hint="give a text, an Expr, a SymPy expression, a Python function, or a list or tuple of these",
        )

    def _text(self, text: Syntax, name: str | None) -> Outcome:
        sizes, shapes, arguments = dict(self.sizes), self.shapes, self.arguments
        header = text.header or ()
        if named_sizes(a.shape for a in header):
            known = {**{n: s for n, s in self._declared().items() if not named_sizes([s])}, **self.bound}
            if not all(a.name in known for a in header if a.is_open):
                return Open("the sizes in the header are known at each call only")
            sizes.update(match(name or "f", header, known))
            own = {a.name for a in header if a.shape}
            shapes = {n: shape for n, shape in shapes.items() if n not in own}
            arguments = arguments and tuple([replace(a, shape=()) if a.name in own else a for a in arguments])
        own_graph = Graph(self.graph.dtype) if self.shared else self.graph
        parsed = elaborate_open(text, own_graph, arguments=arguments, shapes=shapes, sizes=sizes or None)
        if isinstance(parsed, Open):
            return parsed
        if parsed.arguments is not None and self.arguments is None:
            self.headers.append(parsed.arguments)
        names, output = parsed.names, parsed.output
        if self.shared:
            mapping = Body.of(own_graph, [output, *names.values()]).copy(self.graph)
            names, output = {n: mapping[node] for n, node in names.items()}, mapping[output]
        self._learn(names)
        self.title = self.title or parsed.output_name
        return [(name or parsed.output_name or "f", output)], 0

    def _function(self, function: Function) -> Outcome:
        source = self.settled(function)
        if isinstance(source, Open):
            return source
        table = source._name_table()
        mapping = self._import(source.graph, [*source.nodes, *table.values()])
        self._learn({n: mapping[node] for n, node in table.items()})
        if source._ordered:
            self.headers.append(source.arguments)
        self.title = self.title or source.__name__
        return [(n, mapping[node]) for n, node in source._output_pairs()], source._structure

    def settled(self, source: Function) -> Function | Open:
        """A function for the shapes that are known, where it has open ones; it stays open where not all of them are."""
        if source._cases is None:
            return source
        known = {**self._declared(), **self.bound}
        missing = [a for a in source.arguments if a.is_open and a.name not in known]
        if missing:
            error = unknown(source.__name__, source.arguments)
            return Open(error.message, tuple(a.name for a in missing), error.hint)
        return source._for_shapes(known)

    def _declared(self) -> dict[str, Shape]:
        """The shapes that somebody declared, by name."""
        return {**self.shapes, **{a.name: a.shape for a in self.arguments or () if a.shape}}

    def _several(self, sources: Sequence[Any], titles: Sequence[str] | None) -> Outcome:
        if not sources:
            raise ArgumentError("there are no outputs")
        pairs: Pairs = []
        structures: list[Structure] = []
        for k, source in enumerate(sources):
            found = self.read(source, titles[k] if titles else None)
            if isinstance(found, Open):
                return found
            own, structure = found
            if titles and len(own) == 1:
                own = [(titles[k], own[0][1])]
            structures.append(shifted_structure(structure, len(pairs)))
            pairs += own
        self.title = "f" if titles is None and self.title is None else self.title
        return _different(pairs), tuple(structures)

    def _vector(self, sources: Sequence[Any], name: str | None) -> Outcome:
        if not sources:
            raise ArgumentError("there are no outputs")
        entries = []
        for source in sources:
            found = self.read(source, None)
            if isinstance(found, Open):
                return found
            pairs, structure = found
            if structure != 0:
                raise ArgumentError("a list is one vector: its entries have one output each", hint="use a tuple")
            entries.append(self.graph.as_number(pairs[0][1]))
        self.title = name
        return self._stacked(entries, name or "f")

    def _stacked(self, entries: Sequence[int], name: str) -> Outcome:
        """The vector of some values."""
        graph = self.graph
        if graph.unshaped is not None and any(graph.types[node].shape for node in entries):
            opened = graph.unshaped.open(graph, entries, f"{core.STACK.name} of an array and a name")
            if opened is not None:
                return opened
        return [(name, graph.add(core.STACK, tuple(entries)))], 0

    def _sympy(self, source: Any, name: str | None) -> Outcome:
        from symdiff.frontend.sympy_bridge import read_sympy

        found = read_sympy(source, self.graph, listed_shapes(self.arguments, self.shapes), iterated, self.definitions)
        if isinstance(found, Open):
            return found
        self.symbols.update(found.symbols)
        self._learn_of(found.body, found.nodes)
        return [(name or "f", found.nodes[found.body.root])], 0

    def _traced(self, source: Any, name: str | None) -> Outcome:
        given = self.arguments
        if given is None:
            given = tuple(replace(a, shape=self.shapes.get(a.name, a.shape)) for a in parameters(source))
        numbers = [n for n, shape in self.shapes.items() if not shape]
        traced = trace(source, given, self.graph.dtype, numbers)
        if isinstance(traced, Open):
            return traced
        other, outputs, arguments = traced
        if self.arguments is None:
            self.headers.append(tuple(arguments))
        title = getattr(source, "__name__", "f")
        title = title if title.isidentifier() else "f"
        self.title = self.title or title
        flat: Pairs = []

        def flatten(item: Any, called: str) -> Structure:
            if isinstance(item, dict):
                return Branch(dict, tuple(item), tuple([flatten(part, str(key)) for key, part in item.items()]))
            if isinstance(item, tuple | list):
                fields = getattr(type(item), "_fields", ())
                called_so = fields or [called] * len(item)
                parts = tuple([flatten(part, title) for title, part in zip(called_so, item, strict=True)])
                return parts if type(item) is tuple else Branch(type(item), fields, parts)
            flat.append((called, item))
            return len(flat) - 1

        structure = flatten(outputs, name or title)
        roots = [node for _, node in flat]
        if not len(self.graph) and len(other) <= MOST_OF_TRACE * len(other.live(roots)):
            self.graph = (
                other  # nothing is there yet, and nearly all of it is needed: a copy would take as long as tracing
            )
        mapping = self._import(other, roots)
        return _different([(n, mapping[node]) for n, node in flat]), structure

    def _import(self, other: Graph, roots: Sequence[int]) -> dict[int, int]:
        body = Body.of(other, roots)
        mapping = {node: node for node in body.order} if other is self.graph else body.copy(self.graph)
        self._learn_of(body, mapping)
        return mapping

    def _learn_of(self, body: Body, mapping: Mapping[int, int]) -> None:
        ops, payloads = body.graph.ops, body.graph.payloads
        self._learn({str(payloads[n]): mapping[n] for n in body.order if ops[n] in (core.INPUT, core.NAMED)})

    def _learn(self, names: Mapping[str, int]) -> None:
        for n, node in names.items():
            self.names.setdefault(n, node)

    def shape_of(self, name: str) -> Shape:
        """The shape of an input that the graph has, else the one declared."""
        node = self.names.get(name)
        if node is not None and self.graph.ops[node] is core.INPUT:
            return self.graph.types[node].shape
        for argument in self.arguments or ():
            if argument.members is None and argument.name == name:
                return argument.shape
        return self.shapes.get(name, ())

    def choose(self, outputs: Any, results: Mapping[str, int]) -> Outcome:
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
            return self._stacked([self.graph.as_number(node) for _, node in pairs], self.title or "f")
        return pairs, tuple(range(len(pairs)))

    def signature(self) -> tuple[tuple[Argument, ...], bool]:
        """The arguments and whether something ordered them."""
        free = [n for n, node in self.names.items() if self.graph.ops[node] is core.INPUT]
        if self.arguments is not None:
            self._check_listed(self.arguments, free)
            return tuple([self._shaped(a) for a in self.arguments]), True
        if self.headers:
            first = max(self.headers, key=len) if len({len(h) for h in self.headers}) > 1 else self.headers[0]
            self._check_listed(first, free)
            return first, True
        arguments = tuple(Argument(n, self.shape_of(n)) for n in free)
        return arguments, len(arguments) < 2

    def _shaped(self, argument: Argument) -> Argument:
        """An argument with the shape that its input has, where nobody declared another."""
        if argument.members is not None or argument.shape or argument.name in self.scalars:
            return argument
        shape = self.shape_of(argument.name)
        return argument if shape == argument.shape else replace(argument, shape=shape)

    def check_shapes(self, arguments: Sequence[Argument]) -> None:
        """Refuse a shape for a name that there is not."""
        known = [a.name for a in arguments]
        members = {n for a in arguments for n in a.members or ()}
        for n, shape in self.shapes.items():
            if n not in known and (shape or n not in members):
                raise ArgumentError(f"shapes names {n}, which is not an input", hint=nearest(n, known))

    def _check_listed(self, arguments: Sequence[Argument], free: Sequence[str]) -> None:
        listed = {n for a in arguments for n in a.inputs}
        missing = [n for n in free if n not in listed]
        if missing:
            known = describe_arguments([*arguments, *(Argument(n) for n in missing)])
            hint = f"list them: {known}"
            hint += "".join([f'; or define the function: sd.define("{n}(x) = …")' for n in missing if self._applied(n)])
            raise UnknownNameError(f"not among the inputs: {', '.join(missing)}", hint=hint)

    def _applied(self, name: str) -> bool:
        """Whether an input was an undefined function of SymPy, `q(t)`."""
        if name not in self.symbols:
            return False
        from sympy.core.function import AppliedUndef

        return isinstance(self.symbols[name], AppliedUndef)


def _different(pairs: Pairs) -> Pairs:
    """The outputs with names that differ; a name that is no identifier has _ in it instead."""
    taken: set[str] = set()
    unique = []
    for n, node in pairs:
        base = n if n.isidentifier() else f"f_{re.sub(NO_LETTER, '_', n)}"
        title, k = base, 1
        while title in taken:
            k += 1
            title = f"{base}_{k}"
        taken.add(title)
        unique.append((title, node))
    return unique
