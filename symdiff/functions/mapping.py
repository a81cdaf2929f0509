"""`vmap`: a function over one more axis of its arguments, whose size each call says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, ShapeError
from symdiff.functions.cases import results_of, structured_base
from symdiff.functions.function import Function
from symdiff.functions.open_case import open_case
from symdiff.functions.record import read_source
from symdiff.functions.specialize import named_sizes
from symdiff.functions.transforms import in_full
from symdiff.functions.tree_arguments import free_name
from symdiff.ir.batching import batched
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core, movement
from symdiff.signature import Argument, parameters_of
from symdiff.trees import Structure
from symdiff.types import Dim, Shape, fixed, show

Axes = tuple[int | None, ...]


def vmap(fun: Any, in_axes: Any = 0, out_axes: int = 0) -> Function:
    """The function of every member of an axis: one kernel instead of a Python loop.

    Its derivatives are taken as of any other function. An argument that was packed of scalars becomes one array; its
    members have no names of their own any more.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes. Its shapes are those of one member, undeclared ones too.
    in_axes : the axis of each argument that its members lie along, or None for an argument that they share; one number
        for all.
    out_axes : the axis of each result that the members lie along.

    Raises
    ------
    ArgumentError
        Where `in_axes` are not one for each argument, or all None.
    ShapeError
        At a call, where the arguments have other numbers of members.

    Examples
    --------
    >>> import symdiff as sd
    >>> loss = sd.function("loss(w[2], x[2], y) = (w @ x - y)**2")
    >>> each = sd.vmap(sd.grad(loss, "w"), (None, 0, 0))        # the gradient by each sample
    >>> each([1.0, 2.0], [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], [0.0, 0.0, 0.0])
    array([[2., 0.],
           [0., 4.],
           [6., 6.]])
    """
    f = fun if isinstance(fun, Function) else read_source(fun, None)
    axes = _axes(f, in_axes)
    if isinstance(out_axes, bool) or not isinstance(out_axes, int | np.integer):
        raise ArgumentError(f"out_axes is {out_axes!r}", hint="the number of an axis")
    return mapped(f, axes, int(out_axes))


def mapped(f: Function, axes: Axes, out: int) -> Function:
    """The function over one more axis, for arguments whose members lie along `axes`."""
    taken = {*f.names, *(a.name for a in f.arguments), *named_sizes(a.shape for a in f.arguments)}
    size = Dim(free_name("batch", taken))
    arguments = tuple(_wider(a, axis, size) for a, axis in zip(f.arguments, axes, strict=True))
    lines = [n for n in f.names if n not in {name for a in f.arguments for name in a.inputs}]
    recipe = Mapped(f, axes, out)
    opened = open_case(arguments, recipe.build)
    return Function._of_recipe(
        recipe, arguments, name=f"vmap_{f.__name__}", ordered=f._ordered, lines=lines, opened=opened
    )


def _axes(f: Function, given: Any) -> Axes:
    parameters = parameters_of(f.arguments)
    count = len(parameters)
    listed = tuple(given) if isinstance(given, tuple | list) else (given,) * count
    if len(listed) != count:
        shown = ", ".join(map(str, parameters))
        raise ArgumentError(
            f"in_axes has {len(listed)} entries, {f.__name__} has {count} arguments ({shown})",
            hint="one for each: an axis, or None for an argument that all members share",
        )
    for axis in listed:
        if axis is not None and (isinstance(axis, bool) or not isinstance(axis, int | np.integer)):
            raise ArgumentError(f"in_axes has {axis!r}", hint="an axis, or None")
    if all(axis is None for axis in listed):
        raise ArgumentError("no argument has the new axis", hint="give an axis for at least one: in_axes=(0, None)")
    numbers = [None if axis is None else int(axis) for axis in listed]
    return tuple([axis for axis, p in zip(numbers, parameters, strict=True) for _ in p.arguments])


def _wider(argument: Argument, axis: int | None, size: Dim) -> Argument:
    """An argument with one more axis."""
    if axis is None or argument.deferred:
        return argument
    rank = len(argument.shape) + 1
    if not -rank <= axis < rank:
        raise ArgumentError(f"in_axes has {axis} for {argument.written}, which has {rank} axes with the new one")
    at = axis % rank
    shape = (*argument.shape[:at], size, *argument.shape[at:])
    return replace(argument, shape=shape, members=None, anonymous=False)


@dataclass(frozen=True)
class Mapped:
    """A function over one more axis, to be made when its size is known."""

    base: Function
    axes: Axes
    out: int

    def build(self, shapes: Mapping[str, Shape]) -> Function:
        """The function for these shapes, with the new axis."""
        inner, size = dict(shapes), None
        wide: dict[str, Shape] = {}
        for argument, axis in zip(self.base.arguments, self.axes, strict=True):
            if axis is None:
                continue
            shape = fixed(shapes[argument.name])
            if not -len(shape) <= axis < len(shape):
                raise ShapeError(f"vmap: {argument.name} of shape {show(shape)} has no axis {axis}")
            at, wide[argument.name] = axis % len(shape), shape
            if size is not None and shape[at] != size:
                raise ShapeError(f"vmap: {argument.name} has {shape[at]} members, the arguments before it {size}")
            size = shape[at]
            inner[argument.name] = (*shape[:at], *shape[at + 1 :])
        assert size is not None
        made = in_full(self.base._for_shapes(inner))
        with collector_paused():
            return self._over(made, wide, size)

    def _over(self, made: Function, wide: Mapping[str, Shape], size: int) -> Function:
        graph, table, source = Graph(made.graph.dtype), made._name_table(), made.graph
        along = dict(zip((a.name for a in self.base.arguments), self.axes, strict=True))
        known: dict[int, int] = {}
        arguments, inputs = [], {}
        for argument in made.arguments:
            axis = along[argument.name]
            if axis is None:
                arguments.append(argument)
                continue
            shape = fixed(wide[argument.name])
            node = graph.input(argument.name, shape)
            arguments.append(replace(argument, shape=shape, members=None, anonymous=False, deferred=False))
            inputs[argument.name] = node
            front = _moved(graph, node, axis % len(shape), 0)
            if argument.members is None:
                known[table[argument.name]] = front
            else:
                for member, place in zip(argument.members, argument.places, strict=True):
                    known[table[member]] = movement.element(graph, front, (slice(None), *place))
        lines = {n: node for n, node in table.items() if source.ops[node] is not core.INPUT}
        shared = [table[n] for a in arguments if along[a.name] is None for n in a.inputs]
        found = batched(Body.of(source, [*made.nodes, *lines.values(), *shared]), graph, known, size)
        outputs = []
        for title, node in made._output_pairs():
            new, has = found[node]
            if not has:
                new = movement.broadcast(graph, new, (size, *source.shape(node)))
            rank = len(graph.shape(new))
            if not -rank <= self.out < rank:
                raise ShapeError(f"vmap: out_axes is {self.out}, {title} has {rank} axes with the new one")
            outputs.append((title, _moved(graph, new, 0, self.out % rank)))
        names = {n: inputs[n] if n in inputs else found[table[n]][0] for a in arguments for n in a.inputs}
        names.update((n, found[node][0]) for n, node in lines.items())
        return Function(
            graph,
            arguments,
            outputs,
            name=f"vmap_{made.__name__}",
            names=names,
            structure=made._structure,
            ordered=made._ordered,
            notes=made._notes,
            stable=made._stable,
        )

    def takes_trees(self) -> bool:
        """Whether the function does that is mapped."""
        return self.base._cases is not None and self.base._cases.recipe.takes_trees()

    def structured(self, trees: Mapping[str, Structure], arrays: bool) -> Function:
        """The function whose parameters take trees, all leaves of which have the new axis where the parameter had."""
        made = structured_base(self.base, trees, arrays)
        along = dict(zip([p.name for p in parameters_of(self.base.arguments)], self._by_parameter(), strict=True))
        return mapped(
            made, tuple([along[p.name] for p in parameters_of(made.arguments) for _ in p.arguments]), self.out
        )

    def _by_parameter(self) -> list[int | None]:
        return [self.axes[p.start] for p in parameters_of(self.base.arguments)]

    def results(self) -> list[str] | None:
        """The names of the outputs."""
        return results_of(self.base)

    def text(self) -> str:
        """The call, and what it is of."""
        return f"vmap(f, {self.axes}, {self.out}) of\n{self.base}"


def _moved(graph: Graph, node: int, start: int, to: int) -> int:
    """The node with one axis moved to another place."""
    order: Sequence[int] = [k for k in range(len(graph.shape(node))) if k != start]
    return movement.transpose(graph, node, (*order[:to], start, *order[to:]))
