"""Functions that users define: a forward expression and, where they want it, derivatives of their own."""

from __future__ import annotations

import dataclasses
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.differentiate.reverse import reverse
from symdiff.differentiate.structured.sweeps import forward_terms
from symdiff.digest import sha256
from symdiff.errors import DifferentiationError, ShapeError, Source
from symdiff.frontend.calls import NO_DEFINITIONS, Known, LanguageFunction, bind, written_call
from symdiff.frontend.constants import does_not_fit, undeclared
from symdiff.frontend.lexer import NAME, tokenize
from symdiff.frontend.parser import parse
from symdiff.functions.mapped_layers import MappedLayer
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.numeric import call_outside
from symdiff.ops import Op, contraction, core, indexing, movement
from symdiff.ops.base import Outside
from symdiff.signature import Argument
from symdiff.types import Dim, Shape, fixed, product, show

RESULT, ADJOINT = "y", "g"
"""What a derivative's text calls the result and its adjoint."""

SPELLED_OUT = {RESULT: "result", ADJOINT: "adjoint"}
"""What it calls them where an operand has that name."""

KEPT = 64
LAYERS: dict[str, Layer] = {}
"""All functions that users defined, by their keys."""


class Layer(LanguageFunction):
    """A function that a user defined.

    Attributes
    ----------
    text : the header and the expression, as it was written.
    backward : for each operand the text of its adjoint in the operands, the result `y` and the result's adjoint `g`.
    partials : for each operand of an elementwise function the text of its derivative in the operands and `y`.
    uses : the functions of users that its texts call, by the words in them.
    key : what tells it from all others: a digest of all this, the same in every process.
    op : of an elementwise function with derivatives of its own, and of one from outside: its operation.
    routine : of a function from outside: what is called.
    result : of one of whole arrays: the shape of what it gives.
    is_wrapped : whether derivatives are those of `backward` though there is an operation.
    origin : of a function that was given as a derivative of another: which, in words.
    """

    __slots__ = (
        *("_read", "backward", "is_wrapped", "key", "op", "origin", "parameters"),
        *("partials", "result", "routine", "text", "uses"),
    )

    uses: Mapping[str, Layer]
    key: str

    def __init__(
        self,
        name: str,
        parameters: Sequence[Argument],
        text: str,
        backward: Mapping[str, str],
        partials: Mapping[str, str],
        definitions: Known = NO_DEFINITIONS,
        routine: Outside | None = None,
        result: Shape | None = None,
    ) -> None:
        super().__init__(name)
        self.parameters, self.text = tuple(parameters), text
        self.backward, self.partials = dict(backward), dict(partials)
        words = [w for x in (text, *backward.values(), *partials.values()) for w in called_words(x)]
        found = {w: definitions[w] for w in sorted(words) if w != name and w in definitions}
        self.uses = {w: entry for w, entry in found.items() if isinstance(entry, Layer)}
        said = [name, text, self.backward, self.partials, {w: used.key for w, used in self.uses.items()}]
        self.key = f"defined_{sha256(json.dumps(said, sort_keys=True).encode()).hex()[:24]}"
        self.routine: Outside | None = routine
        self.result = result
        if routine is not None:
            self.key = f"defined_{sha256(f'{self.key} {routine.symbol}'.encode()).hex()[:24]}"
            self.routine = dataclasses.replace(routine, symbol=self.key)
        self.op: Op | None = None
        self.is_wrapped = False
        self.origin = ""
        self._read: dict[Any, Body] = {}

    @property
    def words(self) -> tuple[str, str]:
        """What its derivatives' texts call the result and its adjoint."""
        taken = self.names
        first, second = (SPELLED_OUT[w] if w in taken else w for w in (RESULT, ADJOINT))
        return first, second

    @property
    def callable_words(self) -> Known:
        """What its texts may call: one from outside, itself, too."""
        return self.uses if self.routine is None else {**self.uses, self.name: self}

    @property
    def names(self) -> set[str]:
        """What its texts call its operands and their sizes."""
        sizes = {n.name for p in self.parameters for n in p.shape if isinstance(n, Dim)}
        return sizes.union(p.name for p in self.parameters)

    def __repr__(self) -> str:
        return f"<{self.text}>"

    @property
    def usage(self) -> str:
        """How it is called, in words."""
        return written_call(self.name, [p.name for p in self.parameters])

    @property
    def documentation(self) -> str:
        """Its definition."""
        return f"Defined by its user: {self.text}"

    @property
    def signature(self) -> inspect.Signature:
        """Its operands."""
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        return inspect.Signature([inspect.Parameter(p.name, kind) for p in self.parameters])

    def node(self, graph: Graph, args: Sequence[int], keywords: Mapping[str, int]) -> int:
        """The node of a call."""
        bound = bind(self.name, tuple(p.name for p in self.parameters), args, keywords)
        if self.op is not None and not self.is_wrapped:
            return graph.apply(self.op, bound)
        operands = [graph.as_number(a) for a in bound]
        for parameter, node in zip(self.parameters, operands, strict=True):
            rank = len(graph.types[node].shape)
            if parameter.shape and len(parameter.shape) != rank:
                axes = f"{rank} {'axis' if rank == 1 else 'axes'}"
                raise ShapeError(
                    f"{self.name}: {parameter} is given a value with {axes}", hint=f"its definition is {self.text}"
                )
        if self.result is not None:
            for parameter, node in zip(self.parameters, operands, strict=True):
                if not parameter.shape and graph.types[node].shape:
                    shape = show(graph.types[node].shape)
                    raise ShapeError(f"{self.name}: {parameter} is given an array of shape {shape}")
            return self._called(graph, operands)
        if self.op is not None:
            return graph.add(core.CUSTOM, (graph.apply(self.op, operands), *operands), self)
        try:
            value = self.spliced(graph, self.text, dict(zip((p.name for p in self.parameters), operands, strict=True)))
        except ShapeError as error:
            if any(undeclared(graph, node) for node in operands):
                raise does_not_fit(graph, operands, f"{self.name}: {error.message}", hint=error.hint) from None
            raise
        return graph.add(core.CUSTOM, (value, *operands), self) if self.backward else value

    def _called(self, graph: Graph, operands: Sequence[int]) -> int:
        """The call of a function of whole arrays from outside, for each element of axes in front of theirs."""
        value = graph.add(core.FOREIGN, tuple(operands), self)
        return graph.add(core.CUSTOM, (value, *operands), self)

    def spliced(self, graph: Graph, text: str, values: Mapping[str, int]) -> int:
        """A text of this definition in a graph, with nodes for its names."""
        shapes = {n: graph.shape(node) for n, node in values.items()}
        (node,) = self.read(text, shapes, graph.dtype).splice(graph, values.values())
        return node

    def read(self, text: str, shapes: Mapping[str, Shape], dtype: str) -> Body:
        """A text of this definition for operands of some shapes; its parameters are their names in this order."""
        key = text, tuple(shapes.items()), dtype
        found = self._read.get(key)
        if found is None:
            sizes = self._sizes(shapes)
            own = {p.name for p in self.parameters if p.shape} if text == self.text else set()  # the header says them
            arguments = [Argument(n, () if n in own else shape) for n, shape in shapes.items()]
            options: dict[str, Any] = {"sizes": sizes} if sizes else {}
            parsed = parse(text, arguments=arguments, dtype=dtype, definitions=self.callable_words, **options)
            found = Body(parsed.graph, [parsed.names[n] for n in shapes], [parsed.output])
            while len(self._read) >= KEPT:
                self._read.pop(next(iter(self._read)), None)
            self._read[key] = found
        return found

    def _sizes(self, shapes: Mapping[str, Shape]) -> dict[str, int]:
        sizes: dict[str, int] = {}
        for parameter in self.parameters:
            given = fixed(shapes[parameter.name]) if parameter.shape else ()
            for declared, size in zip(parameter.shape, given, strict=True):
                known = sizes.setdefault(declared.name, size) if isinstance(declared, Dim) else declared
                if known != size:
                    raise ShapeError(f"{self.name}: {declared} is {known} in one operand and {size} in {parameter}")
        return sizes

    # From outside, of whole arrays

    def named_sizes(self, shapes: Sequence[Shape]) -> dict[str, int]:
        """The sizes that have names in its header, for operands of some shapes.

        Raises
        ------
        ShapeError
            Where they are none that it takes.
        """
        for parameter, shape in zip(self.parameters, shapes, strict=True):
            if len(parameter.shape) != len(shape):
                raise ShapeError(f"{self.name}: {parameter} is given an array of shape {show(shape)}")
        return self._sizes(dict(zip((p.name for p in self.parameters), shapes, strict=True)))

    def result_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The shape of the result for operands of some shapes."""
        sizes = self.named_sizes(shapes)
        return tuple([sizes[n.name] if isinstance(n, Dim) else n for n in self.result or ()])

    def leading_axes(self, shapes: Sequence[Shape]) -> Shape:
        """The axes in front of those that the header says, which all operands have that have any.

        Raises
        ------
        ShapeError
            Where they differ.
        """
        extra = [s[: max(0, len(s) - len(p.shape))] for s, p in zip(shapes, self.parameters, strict=True)]
        lead = max(extra, key=len)
        for parameter, own, shape in zip(self.parameters, extra, shapes, strict=True):
            if own not in ((), lead):
                raise ShapeError(f"{self.name}: {parameter} is given an array of shape {show(shape)}")
        return lead

    def evaluated(self, values: Sequence[Any]) -> Any:
        """The result for some values."""
        arrays = [np.ascontiguousarray(v, np.float64).reshape(np.shape(v)) for v in values]
        lead = fixed(self.leading_axes([a.shape for a in arrays]))
        ranks = [len(p.shape) for p in self.parameters]
        shapes = [a.shape[a.ndim - rank :] for a, rank in zip(arrays, ranks, strict=True)]
        sizes, shape = list(self.named_sizes(shapes).values()), fixed(self.result_shape(shapes))
        assert self.routine is not None
        if not lead:
            return call_outside(self.routine, self.name, arrays, shape, sizes)
        results = np.empty((*lead, *shape))
        for place in np.ndindex(lead):
            own = [np.asarray(a[place] if a.ndim > rank else a) for a, rank in zip(arrays, ranks, strict=True)]
            results[place] = call_outside(self.routine, self.name, own, shape, sizes)
        return results

    # The derivative

    def mapped(self, varies: Sequence[bool]) -> MappedLayer:
        """What a node of calls over one more axis carries; `varies` says which operands have it."""
        return MappedLayer(self, tuple(varies))

    def adjoint(self, graph: Graph, adjoint: int, node: int, k: int, lead: int) -> int:
        """The adjoint of operand k."""
        if not lead:
            return self._pulled(graph, adjoint, node, k)
        helper = self._outside_backward(k)
        if helper is not None:
            return helper._called(graph, (*graph.args[node][1:], node, adjoint))
        return self._contracted(graph, adjoint, node, k, lead, False)

    def tangent(self, graph: Graph, tangents: Sequence[int | None], node: int, lead: int) -> int:
        """The tangent of the result: the transpose of what `backward` says, which is linear in `g`."""
        total: int | None = None
        for k, tangent in enumerate(tangents):
            if tangent is None:
                continue
            if lead or self._outside_backward(k) is not None:
                part: int | None = self._contracted(graph, tangent, node, k, lead, True)
            else:
                g = self._placeholder(graph, node)
                (part,) = reverse(graph, self._pulled(graph, g, node, k), tangent, [g])
            if part is not None:
                total = part if total is None else graph.add(core.ADD, (total, part))
        if total is not None:
            return total
        first = next(t for t in tangents if t is not None)
        return movement.broadcast(graph, graph.constant(0.0), (*graph.shape(first)[:lead], *graph.shape(node)))

    def _pulled(self, graph: Graph, adjoint: int, node: int, k: int) -> int:
        operands = graph.args[node][1:]
        names = [p.name for p in self.parameters]
        values = dict(zip((*names, *self.words), (*operands, node, adjoint), strict=True))
        if not self.backward:
            example = ", ".join(f'"{n}": "…"' for n in names)
            raise DifferentiationError(
                f"{self.name} has no derivative by {names[k]} here",
                hint=hint_for_derivatives(self) or f"define it with its derivatives: backward={{{example}}}",
            )
        text, shape = self.backward[names[k]], graph.shape(operands[k])
        found = graph.as_number(self.spliced(graph, text, values))
        own = graph.shape(found)
        if len(own) > len(shape) or any(n not in (1, m) for n, m in zip(reversed(own), reversed(shape), strict=False)):
            try:
                return movement.unbroadcast(graph, found, shape)
            except ShapeError:
                raise ShapeError(
                    f"{self.name}: the adjoint of {names[k]} has shape {own}, {names[k]} has shape {shape}",
                    hint=f"it is {text}",
                ) from None
        return movement.broadcast(graph, found, shape)

    def _outside_backward(self, k: int) -> Layer | None:
        """The function that gives the adjoint of operand k, where that is one from outside, of whole arrays."""
        names = [p.name for p in self.parameters]
        word = backward_word(self.name, names[k])
        helper = self.uses.get(word)
        if helper is None or helper.result is None or helper.backward:
            return None
        return helper if self.backward.get(names[k]) == written_call(word, [*names, *self.words]) else None

    def _placeholder(self, graph: Graph, node: int) -> int:
        """A node for the adjoint, to differentiate by; nothing depends on its value."""
        return graph.named(f"adjoint of {self.name}", movement.full_like(graph, 0.0, node))

    def _contracted(self, graph: Graph, value: int, node: int, k: int, lead: int, forward: bool) -> int:
        """A tangent or an adjoint with more axes in front, times the matrix of what `backward` says."""
        before, after = len(graph.shape(graph.args[node][1 + k])), len(graph.shape(node))
        front = list(range(lead))
        rows, columns = list(range(lead, lead + before)), list(range(lead + before, lead + before + after))
        helper = self._outside_backward(k)
        if helper is not None:  # once for each element of the result
            shape = graph.shape(node)
            unit = movement.reshape(graph, indexing.eye(graph, product(shape), product(shape)), (*shape, *shape))
            matrix, order = helper._called(graph, (*graph.args[node][1:], node, unit)), (*columns, *rows)
        else:
            g = self._placeholder(graph, node)
            pulled = self._pulled(graph, g, node, k)
            calculus, (terms,) = forward_terms(graph, [pulled], g)
            matrix, order = calculus.total(terms, graph.shape(pulled)), (*rows, *columns)
        given, wanted = (rows, columns) if forward else (columns, rows)
        return contraction.einsum(graph, [value, matrix], [(*front, *given), order], (*front, *wanted))


def backward_word(name: str, operand: str) -> str:
    """What a function is called in texts that was given for the adjoint of an operand."""
    return f"{name}_back_{operand}"


def hint_for_derivatives(layer: Layer) -> str:
    """What to give where a derivative is asked of a function that was given as a derivative; empty for others."""
    if not layer.origin:
        return ""
    way = "backward" if layer.result is not None else "partials"
    return f"give {layer.origin} as a text, or as a function that define made with {way} of its own"


def called_words(text: str) -> set[str]:
    """The words in a text that stand before a parenthesis, as functions do."""
    tokens = tokenize(Source(text))
    kinds, texts = tokens.kinds, tokens.texts
    return {w for k, w in enumerate(texts) if kinds[k] == NAME and texts[k + 1] == "(" and texts[k - 1] != "."}


def with_used(layers: Iterable[Layer]) -> list[Layer]:
    """Some functions and all that they are made of, each after those that it is made of."""
    found: dict[Layer, None] = {}
    stack = list(layers)[::-1]
    while stack:
        layer = stack[-1]
        missing = [used for used in layer.uses.values() if used not in found]
        if missing:
            stack += missing[::-1]
            continue
        found[layer] = None
        stack.pop()
    return list(found)
