"""What a derivative is taken by: a name, an element or slice of one, a list (one axis) or a tuple (apart)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, UnknownNameError, nearest
from symdiff.frontend.expr import Expr
from symdiff.frontend.parser import parse
from symdiff.functions.inputs import name_of
from symdiff.functions.tree_arguments import tree_part
from symdiff.ir.graph import Graph
from symdiff.ops import core, movement
from symdiff.ops.movement import sliced
from symdiff.ops.structure import numpy_index
from symdiff.signature import Argument, Parameter, parameters_of
from symdiff.trees import Structure, shifted_structure
from symdiff.types import BOOL, check_rank, fixed


@dataclass(frozen=True, slots=True)
class Independent:
    """One thing that a derivative is shaped by.

    `nodes` are the independent nodes it is made of; `picks` says for each whole node which of its elements count (an
    index, or None for all); the chosen elements, in order, fill `shape`.
    """

    nodes: tuple[int, ...]
    picks: tuple[tuple[Any, ...] | None, ...]
    shape: tuple[int, ...]

    def arrange(self, blocks: Sequence[np.ndarray[Any, Any]], lead: int) -> np.ndarray[Any, Any]:
        """Derivatives by the whole nodes (each of shape S + node's shape, S of `lead` axes), in this target's shape."""
        check_rank(lead + len(self.shape))
        parts = []
        for block, pick in zip(blocks, self.picks, strict=True):
            # an ellipsis keeps a single element an array
            chosen = block if pick is None else block[(*(slice(None),) * lead, *pick, ...)]
            parts.append(chosen.reshape((*block.shape[:lead], math.prod(chosen.shape[lead:]))))
        if not parts:
            raise ArgumentError("nothing to differentiate by")
        joined = np.concatenate(parts, axis=lead)
        return joined.reshape((*joined.shape[:lead], *self.shape))

    def join(self, graph: Graph, nodes: Sequence[int], lead: int) -> int:
        """As `arrange`, for derivatives that are one node each."""
        parts = []
        for node, pick in zip(nodes, self.picks, strict=True):
            chosen = node
            if pick is not None:
                index = [part.item() if isinstance(part, np.integer) else part for part in pick]
                chosen = movement.element(graph, node, (*(slice(None),) * lead, *index))
            parts.append(chosen)
        if not parts:
            raise ArgumentError("nothing to differentiate by")
        outer = graph.shape(nodes[0])[:lead]
        if len(parts) == 1:
            return movement.reshape(graph, parts[0], (*outer, *self.shape))
        if not outer and all(not graph.shape(p) for p in parts):
            return movement.reshape(graph, movement.stack(graph, parts), self.shape)
        return movement.concatenate(
            graph, [movement.reshape(graph, p, (*outer, math.prod(graph.shape(p)[lead:]))) for p in parts], lead
        )

    def spread(self, graph: Graph, value: int) -> list[tuple[int, int]]:
        """A value in this target's shape as pairs (node, value in its shape): the transpose of `join`."""
        pairs, at = [], 0
        flat = value if len(self.nodes) == 1 else movement.reshape(graph, value, (math.prod(self.shape),))
        for node, pick in zip(self.nodes, self.picks, strict=True):
            shape = graph.shape(node)
            own = shape if pick is None else sliced(shape, _payload(pick))
            if flat is value and len(self.nodes) == 1:
                part = movement.reshape(graph, value, own)
            elif not own:
                part = movement.element(graph, flat, (at,))
            else:
                part = movement.reshape(graph, movement.element(graph, flat, (slice(at, at + math.prod(own)),)), own)
            at += math.prod(own)
            pairs.append((node, part if pick is None else movement.scatter(graph, part, pick, shape)))
        return pairs


def _payload(pick: tuple[Any, ...]) -> tuple[Any, ...]:
    """An index of integers and slices as an `index` node carries it."""
    return tuple((p.start, p.stop, p.step) if isinstance(p, slice) else p for p in pick)


@dataclass(frozen=True, slots=True)
class Wrt:
    """All targets, and how derivatives by them are put together: in a tuple where they came as one, in a tree."""

    targets: tuple[Independent, ...]
    structure: Structure

    @property
    def nodes(self) -> list[int]:
        """Every independent node once, in order."""
        return list(dict.fromkeys(n for t in self.targets for n in t.nodes))

    def moved(self, mapping: Mapping[int, int]) -> Wrt:
        """The same where `mapping` says which nodes stand for these."""
        targets = [replace(t, nodes=tuple(mapping.get(n, n) for n in t.nodes)) for t in self.targets]
        return Wrt(tuple(targets), self.structure)


def _together(parts: Sequence[Wrt]) -> Wrt:
    """Parts that stay apart, in a tuple."""
    structures: list[Structure] = []
    targets: list[Independent] = []
    for part in parts:
        structures.append(shifted_structure(part.structure, len(targets)))
        targets += part.targets
    return Wrt(tuple(targets), tuple(structures))


def check_by_all(arguments: Sequence[Argument], ordered: bool) -> None:
    """Refuse to differentiate by all arguments where there are none, or nothing orders them.

    Raises
    ------
    ArgumentError
        The hint is how to order them.
    """
    if not arguments:
        raise ArgumentError("the function has no inputs to differentiate by")
    if not ordered:
        names = ", ".join(f'"{a.name}"' for a in arguments)
        raise ArgumentError(
            "several names are free and nothing orders them",
            hint=f"list the inputs: sd.function(…, [{names}]), or give wrt",
        )


class Scope:
    """The names that a `wrt` may use: the inputs, packs and named lines of a function."""

    def __init__(self, graph: Graph, names: Mapping[str, int], arguments: Sequence[Argument], ordered: bool) -> None:
        self.graph, self.names, self.arguments, self.ordered = graph, names, arguments, ordered

    def resolve(self, wrt: Any) -> Wrt:
        """Read a `wrt` argument.

        Raises
        ------
        UnknownNameError
            For a name that is neither an input nor a named line.
        ArgumentError
            Where there is nothing to differentiate by, or a set, or no order to take by default.
        """
        if wrt is None:
            return self._default()
        if isinstance(wrt, set | frozenset):
            raise ArgumentError("a set has no order", hint="give wrt as a list (one axis) or a tuple (apart)")
        if isinstance(wrt, tuple):
            return _together([self._item(w) for w in wrt])
        return self._item(wrt)

    def _item(self, item: Any) -> Wrt:
        """A list, whose entries are one axis, a name, or a tree or a part of one."""
        if isinstance(item, list):
            return Wrt((self._axis(item),), 0)
        part = tree_part(self.arguments, item)
        if part is None:
            return Wrt((self._single(item),), 0)
        structure, places, rest = part
        if rest:
            return Wrt((self._single(self.arguments[places[0]].name + rest),), 0)
        return Wrt(tuple([self._whole(self.arguments[k]) for k in places]), structure)

    def _default(self) -> Wrt:
        check_by_all(self.arguments, self.ordered)
        if any(a.place for a in self.arguments):
            parts = [self._parameter(p) for p in parameters_of(self.arguments)]
            return parts[0] if len(parts) == 1 else _together(parts)
        if len(self.arguments) == 1:
            return Wrt((self._whole(self.arguments[0]),), 0)
        if all(a.members is None and not a.shape for a in self.arguments):
            return Wrt((self._axis([a.name for a in self.arguments]),), 0)
        return Wrt(tuple(self._whole(a) for a in self.arguments), tuple(range(len(self.arguments))))

    def _parameter(self, parameter: Parameter) -> Wrt:
        targets = tuple([self._whole(a) for a in parameter.arguments])
        return Wrt(targets, 0 if parameter.tree is None else parameter.tree.structure)

    def _axis(self, items: Sequence[Any]) -> Independent:
        if not items:
            raise ArgumentError("an empty wrt list", hint="name the inputs to differentiate by")
        singles = [
            t for item in items for t in (self._item(item).targets if isinstance(item, str) else [self._single(item)])
        ]
        nodes = tuple(n for s in singles for n in s.nodes)
        picks = tuple(p for s in singles for p in s.picks)
        return Independent(nodes, picks, (sum([math.prod(s.shape) for s in singles]),))

    def _single(self, item: Any) -> Independent:
        if isinstance(item, str) and not item.isidentifier():
            return self._part(item)
        if isinstance(item, Expr) and item.graph.ops[item.node] is core.INDEX:
            return self._part(str(item))
        if not isinstance(item, str) and type(item).__name__ == "Indexed" and str(item.base) in self.names:
            return self._part(str(item))
        name = name_of(item)
        for argument in self.arguments:
            if argument.members is not None and argument.name == name and not argument.anonymous:
                return self._whole(argument)
        if name not in self.names:
            raise UnknownNameError(
                f"{name} is neither an input nor a named line", hint=nearest(name, self._listed()) or self._known()
            )
        node = self.names[name]
        if self.graph.types[node].dtype == BOOL:
            raise ArgumentError(f"{name} is a condition; there is no derivative by it")
        return Independent((node,), (None,), fixed(self.graph.types[node].shape))

    def _whole(self, argument: Argument) -> Independent:
        if argument.members is None:
            node = self.names[argument.name]
            return Independent((node,), (None,), fixed(self.graph.types[node].shape))
        nodes = tuple(self.names[m] for m in argument.members)
        return Independent(nodes, (None,) * len(nodes), fixed(argument.shape))

    def _part(self, text: str) -> Independent:
        """An element or slice of an input: parsed as the language does, over the element nodes of each input."""
        base = text.split("[", 1)[0].strip()
        if "[" not in text or base not in self.names:
            parts = text.replace(",", " ").split()
            listed = f"write [{', '.join(f'{p!r}' for p in parts)}]" if all(p in self.names for p in parts) else ""
            raise UnknownNameError(
                f"{text} is neither an input nor a part of one",
                hint=listed.replace("'", '"') or nearest(base, self._listed()) or self._known(),
            )
        target = self._single(base)
        shown = parse(text, arguments=[Argument(base, target.shape)])
        node = shown.graph.args[shown.output][0] if shown.graph.ops[shown.output] is core.NAMED else shown.output
        if shown.graph.ops[node] is not core.INDEX:
            raise ArgumentError(f"{text} is not an element or slice", hint=f"write {base}[0] or {base}[1:]")
        pick = numpy_index(shown.graph.payloads[node])
        shape = fixed(shown.graph.types[node].shape)
        if target.picks == (None,):
            return Independent(target.nodes, (pick,), shape)
        chosen = np.arange(len(target.nodes))[pick]
        nodes = tuple(target.nodes[k] for k in np.ravel(chosen))
        return Independent(nodes, (None,) * len(nodes), shape)

    def _listed(self) -> list[str]:
        """The names, those of trees in the places of their leaves."""
        leaves = {a.name: a.place.tree.name for a in self.arguments if a.place}
        return list(dict.fromkeys(leaves.get(n, n) for n in self.names))

    def _known(self) -> str:
        listed = ", ".join(self._listed()[:12])
        return f"the names are: {listed}" if listed else "the function has no names"
