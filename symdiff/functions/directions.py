"""What products with derivatives take beside the inputs of their function: tangents and cotangents as arguments.

A tangent of `x` is called `x_dot`, that of a list of inputs, one vector, by all their names joined, `x_y_dot`; a
cotangent of the output `f` is `f_bar`. A name that is taken gets the first of the endings `_2`, `_3`, … with which it
is free. They stand directly after the last of the arguments that the derivative is by, or at the end where it is by
named lines alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, cast

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError
from symdiff.frontend.expr import Expr
from symdiff.functions.cases import cases_of, results_of
from symdiff.functions.function import Function
from symdiff.functions.inputs import name_of
from symdiff.functions.specialize import named_sizes
from symdiff.functions.tree_arguments import free_name, leaf_arguments, tree_part
from symdiff.functions.wrt import Wrt
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.signature import Argument, parameters_of
from symdiff.trees import Structure, Tree, from_zero, is_plain, leaves_of
from symdiff.types import Shape, product

LONGEST = 64
"""Joined names of more characters are called `wrt`."""

NO_LETTER, BEHIND = re.compile(r"\W"), re.compile(r"[\[.]")


@dataclass(frozen=True)
class Along:
    """One thing that a derivative is by: the inputs and named lines it consists of, and which arguments are theirs."""

    names: tuple[str, ...]
    owners: tuple[int, ...]

    @property
    def dotted(self) -> str:
        """What its tangent is called."""
        joined = "_".join(self.names)
        return f"{joined if len(joined) <= LONGEST else 'wrt'}_dot"


def items_of(wrt: Any, arguments: Sequence[Argument]) -> list[Along]:
    """The things that a derivative is by."""
    if wrt is None:
        parameters = parameters_of(arguments)
        if len(arguments) > 1 and all(a.members is None and not a.shape and a.place is None for a in arguments):
            return [_joined([_item(a.name, arguments) for a in arguments])]
        return [Along((p.name,), tuple(range(p.start, p.start + len(p.arguments)))) for p in parameters]
    listed = wrt if isinstance(wrt, tuple) else (wrt,)
    return [
        _joined([_item(part, arguments) for part in item]) if isinstance(item, list) else _item(item, arguments)
        for item in listed
    ]


def _joined(items: Sequence[Along]) -> Along:
    names = dict.fromkeys(n for item in items for n in item.names)
    return Along(tuple(names), tuple(k for item in items for k in item.owners))


def _item(item: Any, arguments: Sequence[Argument]) -> Along:
    part = tree_part(arguments, item)
    if part is None:
        name = _base(item)
        owners = [k for k, a in enumerate(arguments) if a.name == name or name in (a.members or ())]
        if not owners:  # a leaf of what may turn out to be a tree
            owners = [k for k, a in enumerate(arguments) if a.deferred and name.startswith(f"{a.name}_")]
        return Along((name,), tuple(owners))
    structure, places, _ = part
    whole = parameters_of(arguments[places[0] : places[-1] + 1])
    if isinstance(structure, int):
        return Along((arguments[places[0]].name,), tuple(places))
    if len(whole) == 1:
        return Along((whole[0].name,), tuple(places))
    return Along((NO_LETTER.sub("_", re.sub(r"[\s\"'\]]", "", item)),), tuple(places))


def _base(item: Any) -> str:
    """The input or named line that a name, or a part of it, is of."""
    if isinstance(item, Expr) and item.graph.ops[item.node] is core.INDEX:
        item = str(item)
    if not isinstance(item, str) and type(item).__name__ == "Indexed":
        item = str(item)
    return BEHIND.split(name_of(item), maxsplit=1)[0].strip()


def _taken(f: Function) -> set[str]:
    return {*f.names, *(a.name for a in f.arguments), *named_sizes(a.shape for a in f.arguments)}


Added = tuple[str, Structure, Sequence["Shape | None"]]
"""The name of a new parameter, its structure, 0 for an array, and the shapes; None is that of the value at a call."""


def _inserted(f: Function, items: Sequence[Along], new: Sequence[Added]) -> tuple[Argument, ...]:
    """The arguments with new ones, after the last of those that a derivative is by."""
    taken = _taken(f) | {p.name for p in parameters_of(f.arguments)}
    added: list[Argument] = []
    for base, structure, shapes in new:
        name = free_name(base, taken)
        taken.add(name)
        if isinstance(structure, int):
            added.append(Argument(name, shapes[0] or (), deferred=shapes[0] is None))
        else:
            added += leaf_arguments(Tree(name, structure), shapes, taken)
    owners = [k for item in items for k in item.owners]
    at = max(owners, default=len(f.arguments) - 1) + 1
    place = f.arguments[at - 1].place if at else None
    if place is not None:  # not within a tree
        at += place.tree.count - 1 - place.index
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
        table = {**f._name_table(), **new}
        inputs = {n: table.pop(n) for a in self.arguments for n in a.inputs}
        return Function(
            f.graph,
            self.arguments,
            outputs,
            name=name,
            names={**inputs, **table},
            structure=structure,
            ordered=f._ordered,
            notes=f._notes,
            stable=True,
        )


def _extended(f: Function, wrt: Wrt, arguments: tuple[Argument, ...]) -> Extended:
    known = set(f.arguments)
    added = [a for a in arguments if a not in known]
    graph = f.graph
    if any((type_ := graph.input_type(a.name)) is not None and type_ != a.type(graph.dtype) for a in added):
        # another function of this graph has an input of the name: this one gets a graph of its own
        fresh, table = Graph(graph.dtype), f._name_table()
        mapping = Body.of(graph, [*f.nodes, *table.values(), *wrt.nodes]).copy(fresh)
        f, wrt, graph = f._moved(mapping, fresh), wrt.moved(mapping), fresh
    return Extended(f, wrt, arguments, tuple(graph.input(a.name, a.shape) for a in added))


def with_tangents(f: Function, resolved: Wrt, wrt: Any) -> Extended:
    """The function with an argument for the tangent of each target; `resolved` is what `wrt` says."""
    items = items_of(wrt, f.arguments)
    apart = isinstance(resolved.structure, tuple) and (isinstance(wrt, tuple) or len(items) > 1)
    structures = cast("tuple[Structure, ...]", resolved.structure) if apart else (resolved.structure,)
    new: list[Added] = []
    for item, structure in zip(items, structures, strict=True):
        shapes = [resolved.targets[k].shape for k in leaves_of(structure)]
        new.append((item.dotted, from_zero(structure), shapes))
    return _extended(f, resolved, _inserted(f, items, new))


def with_cotangents(f: Function, resolved: Wrt, wrt: Any) -> Extended:
    """The function with an argument for the cotangent of each output."""
    shapes = [t.shape for t in f.types]
    if is_plain(f._structure) or leaves_of(f._structure) != list(range(len(shapes))):
        new: list[Added] = [(n, 0, [shape]) for n, shape in zip(_barred(f.outputs), shapes, strict=True)]
    else:
        new = [(f"{f.__name__}_bar", f._structure, shapes)]
    return _extended(f, resolved, _inserted(f, items_of(wrt, f.arguments), new))


def _barred(outputs: Sequence[str]) -> list[str]:
    return [f"{title if title.isidentifier() else 'out'}_bar" for title in outputs]


# Functions whose shapes each call fixes


def open_tangents(f: Function, wrt: Any = None) -> tuple[Argument, ...]:
    """The arguments of a function with open shapes, and the tangents."""
    items = items_of(wrt, f.arguments)
    if wrt is None:
        listed: tuple[Any, ...] = tuple([p.name for p in parameters_of(f.arguments)])
    else:
        listed = wrt if isinstance(wrt, tuple) else (wrt,)
    new: list[Added] = []
    for item, given in zip(items, listed, strict=True):
        part = tree_part(f.arguments, given)
        if part is None or part[2] or isinstance(part[0], int):
            new.append((item.dotted, 0, [_open_shape(f, given)]))
        else:
            shapes = [None if a.deferred else a.shape for a in (f.arguments[k] for k in part[1])]
            new.append((item.dotted, part[0], shapes))
    return _inserted(f, items, new)


def _open_shape(f: Function, item: Any) -> Shape | None:
    """The shape of what a derivative is by, as far as it is declared; None where only a call says it."""
    parts = [_open_shape(f, part) for part in item] if isinstance(item, list) else []
    if parts:
        if len(parts) == 1 and parts[0] is not None and len(parts[0]) == 1:
            return parts[0]
        if any(p is None or named_sizes([p]) for p in parts):
            return None
        return (sum(product(p) for p in parts if p is not None),)
    leaves = tree_part(f.arguments, item)
    if leaves is not None and (leaves[2] or not isinstance(leaves[0], int)):
        return None
    name = f.arguments[leaves[1][0]].name if leaves is not None else item if isinstance(item, str) else _base(item)
    for argument in f.arguments:
        if argument.name == name:
            return None if argument.deferred else argument.shape
        if argument.members is not None and name in argument.members:
            return ()
    return None


def open_cotangents(f: Function, wrt: Any = None) -> tuple[Argument, ...]:
    """The arguments of a function with open shapes, and the cotangents.

    Raises
    ------
    ArgumentError
        Where only a call says how many outputs there are.
    """
    outputs = results_of(f)
    if outputs is None and cases_of(f).recipe.takes_trees():  # one, or those of a tree: seen when it is made
        return _inserted(f, items_of(wrt, f.arguments), [(f"{f.__name__}_bar", 0, [None])])
    if outputs is None:
        raise ArgumentError(
            f"how many outputs {f.__name__} has is known at each call only", hint='declare shapes, shapes={"x": 3}'
        )
    new: list[Added] = [
        (name, 0, [shape]) for name, shape in zip(_barred(outputs), _output_shapes(f, len(outputs)), strict=True)
    ]
    return _inserted(f, items_of(wrt, f.arguments), new)


def _output_shapes(f: Function, count: int) -> list[Shape | None]:
    """The shapes of the outputs with sizes by name; None for what is none of them."""
    opened = cases_of(f).opened
    found = [] if opened is None else opened.shapes()
    return found if len(found) == count else [None] * count
