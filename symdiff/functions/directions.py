"""What products with derivatives take beside the inputs of their function: tangents and cotangents as arguments.

A tangent of `x` is called `x_dot`, that of a list of inputs, one vector, by all their names joined, `x_y_dot`; a
cotangent of the output `f` is `f_bar`. A name that is taken gets the first of the endings `_2`, `_3`, … with which it
is free. They stand directly after the last of the arguments that the derivative is by, or at the end where it is by
named lines alone.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from symdiff.errors import ArgumentError
from symdiff.frontend.expr import Expr
from symdiff.functions.deferred import Deferred
from symdiff.functions.function import Function
from symdiff.functions.inputs import name_of
from symdiff.functions.record import results_of
from symdiff.functions.specialize import named_sizes, substitute
from symdiff.functions.wrt import Wrt
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.signature import Argument
from symdiff.sizes import Sizes
from symdiff.sizes import is_open as is_size
from symdiff.types import Dim, Shape, fixed, product

LONGEST = 64
"""Joined names of more characters are called `wrt`."""

EXAMPLES, LEAST = (17, 19, 23, 29, 31, 37, 41, 43), 16
"""Sizes to find the shape of an output with, and what they are known to be at least."""


def free_name(base: str, taken: Collection[str]) -> str:
    """`base`, or where that is taken the first of `base_2`, `base_3`, … that is not."""
    found, count = base, 1
    while found in taken:
        count += 1
        found = f"{base}_{count}"
    return found


def bases(wrt: Any, arguments: Sequence[Argument]) -> list[tuple[str, ...]]:
    """For each thing that a derivative is by the inputs and named lines that it consists of."""
    if wrt is None:
        if len(arguments) > 1 and all(a.members is None and not a.shape for a in arguments):
            return [tuple(a.name for a in arguments)]
        return [(a.name,) for a in arguments]
    items = wrt if isinstance(wrt, tuple) else (wrt,)
    return [tuple(dict.fromkeys(map(_base, item if isinstance(item, list) else [item]))) for item in items]


def _base(item: Any) -> str:
    """The input or named line that a name, or a part of it, is of."""
    if isinstance(item, Expr) and item.graph.ops[item.node] is core.INDEX:
        item = str(item)
    if not isinstance(item, str) and type(item).__name__ == "Indexed":
        item = str(item)
    return name_of(item).split("[", 1)[0].strip()


def _dotted(names: Sequence[str]) -> str:
    joined = "_".join(names)
    return f"{joined if len(joined) <= LONGEST else 'wrt'}_dot"


def _place(arguments: Sequence[Argument], names: Collection[str]) -> int:
    """Where new arguments go: after the last that a derivative is by."""
    owners = [k for k, a in enumerate(arguments) if a.name in names or any(m in names for m in a.members or ())]
    return max(owners, default=len(arguments) - 1) + 1


def _taken(f: Function) -> set[str]:
    return {*f.names, *(a.name for a in f.arguments), *named_sizes(a.shape for a in f.arguments)}


def _inserted(f: Function, wrt: Any, names: Sequence[str], shapes: Sequence[Shape | None]) -> tuple[Argument, ...]:
    """The arguments with new ones of these names and shapes; None is that of the value at each call."""
    taken, added = _taken(f), []
    for base, shape in zip(names, shapes, strict=True):
        name = free_name(base, taken)
        taken.add(name)
        added.append(Argument(name, shape or (), deferred=shape is None))
    at = _place(f.arguments, {n for part in bases(wrt, f.arguments) for n in part})
    return (*f.arguments[:at], *added, *f.arguments[at:])


@dataclass(frozen=True)
class Extended:
    """A function with arguments that it does not use yet.

    Attributes
    ----------
    function, wrt : the function, in a graph with the new inputs, and what it is differentiated by.
    arguments : its arguments and the new ones, in call order.
    added : the nodes of the new ones, in order.
    """

    function: Function
    wrt: Wrt
    arguments: tuple[Argument, ...]
    added: tuple[int, ...]

    def seeds(self, wrt: Wrt) -> dict[int, int]:
        """The tangent of each independent node of `wrt`, where the new arguments are the tangents of its targets."""
        graph = self.function.graph
        found: dict[int, int] = {}
        for target, direction in zip(wrt.targets, self.added, strict=True):
            for node, tangent in target.spread(graph, direction):
                found[node] = graph.add(core.ADD, (found[node], tangent)) if node in found else tangent
        return found

    def returning(self, name: str, outputs: Sequence[tuple[str, int]], structure: Any) -> Function:
        """The function of all arguments with these outputs, which are derivatives."""
        f = self.function
        known = set(f.arguments)
        new = dict(zip((a.name for a in self.arguments if a not in known), self.added, strict=True))
        table = {**f.name_table(), **new}
        inputs = {n: table.pop(n) for a in self.arguments for n in a.inputs}
        return Function(
            f.graph,
            self.arguments,
            outputs,
            name=name,
            names={**inputs, **table},
            structure=structure,
            ordered=f.ordered,
            notes=f.notes,
            stable=True,
        )


def _extended(f: Function, wrt: Wrt, arguments: tuple[Argument, ...]) -> Extended:
    known = set(f.arguments)
    added = [a for a in arguments if a not in known]
    graph = f.graph
    if any((type_ := graph.input_type(a.name)) is not None and type_ != a.type(graph.dtype) for a in added):
        # another function of this graph has an input of the name: this one gets a graph of its own
        fresh, table = Graph(graph.dtype), f.name_table()
        mapping = Body.of(graph, [*f.nodes, *table.values(), *wrt.nodes]).copy(fresh)
        f, wrt, graph = f.moved(mapping, fresh), wrt.moved(mapping), fresh
    return Extended(f, wrt, arguments, tuple(graph.input(a.name, a.shape) for a in added))


def with_tangents(f: Function, resolved: Wrt, wrt: Any) -> Extended:
    """The function with an argument for the tangent of each target; `resolved` is what `wrt` says."""
    names = list(map(_dotted, bases(wrt, f.arguments)))
    return _extended(f, resolved, _inserted(f, wrt, names, [t.shape for t in resolved.targets]))


def with_cotangents(f: Function, resolved: Wrt, wrt: Any) -> Extended:
    """The function with an argument for the cotangent of each output."""
    return _extended(f, resolved, _inserted(f, wrt, _barred(f.outputs), [t.shape for t in f.types]))


def _barred(outputs: Sequence[str]) -> list[str]:
    return [f"{title if title.isidentifier() else 'out'}_bar" for title in outputs]


# Functions whose shapes each call fixes


def open_tangents(f: Deferred, wrt: Any = None) -> tuple[Argument, ...]:
    """The arguments of a function with open shapes, and the tangents."""
    names = list(map(_dotted, bases(wrt, f.arguments)))
    items = [a.name for a in f.arguments] if wrt is None else wrt if isinstance(wrt, tuple) else (wrt,)
    return _inserted(f, wrt, names, [_open_shape(f, item) for item in items])


def _open_shape(f: Deferred, item: Any) -> Shape | None:
    """The shape of what a derivative is by, as far as it is declared; None where only a call says it."""
    parts = [_open_shape(f, part) for part in item] if isinstance(item, list) else []
    if parts:
        if len(parts) == 1 and parts[0] is not None and len(parts[0]) == 1:
            return parts[0]
        if any(p is None or named_sizes([p]) for p in parts):
            return None
        return (sum(product(p) for p in parts if p is not None),)
    name = item if isinstance(item, str) else _base(item)
    for argument in f.arguments:
        if argument.name == name:
            return None if argument.deferred else argument.shape
        if argument.members is not None and name in argument.members:
            return ()
    return None


def open_cotangents(f: Deferred, wrt: Any = None) -> tuple[Argument, ...]:
    """The arguments of a function with open shapes, and the cotangents.

    Raises
    ------
    ArgumentError
        Where only a call says how many outputs there are.
    """
    outputs = results_of(f)
    if outputs is None:
        raise ArgumentError(
            f"how many outputs {f.__name__} has is known at each call only", hint='declare shapes, shapes={"x": 3}'
        )
    return _inserted(f, wrt, _barred(outputs), _output_shapes(f, len(outputs)))


def _output_shapes(f: Deferred, count: int) -> list[Shape | None]:
    """The shapes of the outputs with sizes by name; None for what is none of them."""
    unknown: list[Shape | None] = [None] * count
    names = named_sizes(a.shape for a in f.arguments)
    if any(a.deferred for a in f.arguments) or len(names) > len(EXAMPLES):
        return unknown
    sizes = Sizes(dict(zip(names, EXAMPLES, strict=False)), LEAST)
    values = {n: sizes[n] for n in names}
    try:
        made = f.recipe.build({a.name: substitute(a.shape, values) for a in f.arguments if a.members is None})
    except Exception:  # what is wrong is said where the sizes are numbers
        return unknown
    if sizes.fixed or len(made.types) != count:
        return unknown
    known = {size: name for name, size in zip(names, EXAMPLES, strict=False)}
    found: list[Shape | None] = []
    for type_ in made.types:
        shape: list[int | Dim] = []
        size: Any
        for size in fixed(type_.shape):
            if is_size(size):
                name = known.get(size.value, "")
                if size.terms != (((name,), 1),):
                    break
                shape.append(Dim(name))
            else:
                shape.append(size)
        found.append(tuple(shape) if len(shape) == len(type_.shape) else None)
    return found
