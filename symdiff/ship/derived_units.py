"""The units of a function's inputs and results: those that were given, and for derivatives what follows from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.functions.derivation import Derivation
from symdiff.functions.function import Function
from symdiff.functions.wrt import Independent
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.ship.told import first_names
from symdiff.ship.units import Axes, Stretch, UnitPowers, Units, UnitTable, one_unit
from symdiff.signature import Argument
from symdiff.types import fixed

WORDS = {
    "derivative": "the {n}-th derivative of {f} by {by}",
    "grad": "the gradient of {f} by {by}",
    "hessian": "the Hessian of {f} by {by}",
    "hvp": "the product of the Hessian of {f} by {by} with {added}",
    "jacobian": "the Jacobian of {f} by {by}",
    "jvp": "the derivative of {f} along {added}",
    "laplacian": "the Laplacian of {f} by {by}",
    "sparse_hessian": "the Hessian of {f} by {by}, a sparse matrix",
    "sparse_jacobian": "the Jacobian of {f} by {by}, a sparse matrix",
    "value_and_grad": "the value of {f} and its gradient by {by}",
    "vjp": "the gradient by {by} of {f} weighed by {added}",
}
"""What is said of derivatives, by the transforms whose results have units that follow from others."""


def unit_names(function: Function) -> list[str]:
    """What units may be given for, of a function and those that it is a derivative of."""
    found = [function.__name__, *function.outputs, *_inputs(function.arguments), *function.names]
    for step in derivations_of(function):
        found += [step.name, *(title for title, _ in step.outputs), *_inputs(step.arguments), *step.names]
    return list(dict.fromkeys(found))


def _inputs(arguments: Sequence[Argument]) -> list[str]:
    return [name for a in arguments for name in (a.name, _path(a), *a.inputs) if not (a.anonymous and name == a.name)]


def _path(argument: Argument) -> str:
    """An argument as a person calls it: a leaf as in ``params["W"]``."""
    place = argument.place
    return argument.name if place is None else place.tree.places[place.index]


def derivations_of(function: Function) -> list[Derivation]:
    """The transforms that made a function, the last one first."""
    found, step = [], function._derivation
    while step is not None:
        found.append(step)
        step = step.before
    return found


class FunctionUnits:
    """The units of one function.

    Attributes
    ----------
    inputs, outputs : of each array, in order; of a sparse matrix as of a dense one.
    what : of a derivative which it is, in words; else empty.
    """

    def __init__(self, function: Function, name: str, table: UnitTable, aliases: Mapping[str, str]) -> None:
        steps = derivations_of(function)
        self._table, self._aliases = table, aliases
        self._functions = [name, function.__name__, *(step.name for step in steps)]
        self._functions += [aliases[f] for f in self._functions if f in aliases]
        every = [function.arguments, *(step.arguments for step in steps)]
        self._paths = {a.name: _path(a) for arguments in every for a in arguments if a.place is not None}
        self._directions: dict[str, Axes] = {}
        last = [(title, _shape(function.graph, node)) for title, node in function._output_pairs()]
        outputs: list[Units] = []
        for k in range(len(steps), -1, -1):
            titles = [(title, _shape(steps[k - 1].graph, node)) for title, node in steps[k - 1].outputs] if k else last
            arguments = steps[k - 1].arguments if k else function.arguments
            owner = steps[k - 1].name if k else function.__name__
            made: list[Units] = []
            if k < len(steps):
                step = _Step(steps[k], arguments, self.axes)
                made = step.results(outputs, self._directions)
            outputs = []
            for i, (title, shape) in enumerate(titles):
                given = self._given([title, owner, *([name] if not k else [])], shape, title)
                outputs.append(_joined(given, made[i] if i < len(made) else (Axes.alike(shape, None, title),)))
        self.outputs = outputs
        self.what = step.what() if steps else ""
        self.inputs = [self._input(a) for a in function.arguments]

    def _given(self, names: Sequence[str], shape: tuple[int, ...], what: str) -> Units | None:
        """The units by the first of the names that has some."""
        others = (self._aliases, self._paths)
        listed = [*names, *(table[n] for table in others for n in names if n in table)]
        units = self._table.of(listed, self._functions)
        if units is None:
            return None
        if len(units) == 1:
            return (Axes.alike(shape, units[0], what),)
        if (len(units),) != shape:
            shown = f"has the shape {list(shape)}" if shape else "is a number"
            raise ArgumentError(f"{len(units)} units of {what}, which {shown}", hint="give one, or one for each number")
        runs = [(unit, len(list(run))) for unit, run in itertools.groupby(units)]
        return (Axes(shape, tuple([Stretch(what, count, unit) for unit, count in runs])),)

    def axes(self, name: str, shape: tuple[int, ...]) -> Axes:
        """The units of an input or named line."""
        units = self._given([name], shape, name)
        return units[0] if units is not None else self._directions.get(name, Axes.alike(shape, None, name))

    def _input(self, argument: Argument) -> Units:
        shape = fixed(argument.shape)
        units = None if argument.anonymous else self._given([argument.name], shape, argument.name)
        if units is not None or argument.members is None:
            return units or (self.axes(argument.name, shape),)
        return (Axes(shape, tuple([replace(self.axes(m, ()).parts[0], name=m) for m in argument.members])),)


def _joined(given: Units | None, made: Units) -> Units:
    """The units of a result: those given, with the names of what it is a derivative by."""
    if given is None or len(given[0].parts) > 1 or not any(axes.relation for axes in made):
        return made if given is None else given
    plain = [replace(axes, parts=tuple([replace(p, unit=UnitPowers()) for p in axes.parts])) for axes in made]
    return (Axes.alike((), given[0].unit), *plain)


def _shape(graph: Graph, node: int) -> tuple[int, ...]:
    return fixed(graph.types[node].shape)


class _Step:
    """One transform: what its results are in, given the units of what it was applied to."""

    def __init__(
        self, step: Derivation, arguments: Sequence[Argument], axes: Callable[[str, tuple[int, ...]], Axes]
    ) -> None:
        self.step, self.axes = step, axes
        self.paths = {a.name: _path(a) for a in step.arguments if a.place is not None}
        wrt = step.args[0] if step.args else step.keywords.get("wrt", step.keywords.get("name"))
        known = step.transform in WORDS
        self.targets = [self._target(target) for target in step.targets(wrt).targets] if known else []
        before = {a.name for a in step.arguments}
        self.added = [a for a in arguments if a.name not in before]

    def _target(self, target: Independent) -> Axes:
        """What a derivative is by."""
        parts: list[Stretch] = []
        graph = self.step.graph
        for node, pick in zip(target.nodes, target.picks, strict=True):
            named = graph.ops[node] in (core.INPUT, core.NAMED)
            name, shape = str(graph.payloads[node]) if named else "", _shape(graph, node)
            axes = self.axes(name, shape)
            name = self.paths.get(name, name)
            if pick is None:
                parts += [replace(part, name=name) for part in axes.parts]
                continue
            chosen = np.ravel(np.arange(math.prod(shape)).reshape(shape)[pick]).tolist()
            every = axes.elements
            for unit, run in itertools.groupby(every[k] for k in chosen):
                parts.append(Stretch(name, len(list(run)), unit))
        return Axes(target.shape, tuple(parts), "by")

    def results(self, below: Sequence[Units], directions: dict[str, Axes]) -> list[Units]:
        """The units of the results; those of tangents and cotangents that nobody gave are added to `directions`."""
        name, targets = self.step.transform, self.targets
        slopes = [target.power(-1) for target in targets]
        if name == "grad":
            return [(*below[0], slope) for slope in slopes]
        if name == "value_and_grad":
            return [below[0], *((*below[0], slope) for slope in slopes)]
        if name == "jacobian":
            return [(*units, slope) for units in below for slope in slopes]
        if name in ("hessian", "sparse_hessian"):
            return [(*below[0], one, two) for one in slopes for two in slopes]
        if name == "sparse_jacobian":
            rows = _flat(below[0])
            return [] if rows is None else [(rows, slopes[0])]
        if name in ("jvp", "hvp"):
            ratio = self._along(directions)
            made = list(below) if name == "jvp" else [(*below[0], slope) for slope in slopes]
            return [(*units, Axes.alike((), ratio)) for units in made]
        if name == "vjp":
            weight = self._weighed(below, directions)
            return [(Axes.alike((), weight), slope) for slope in slopes]
        if name in ("derivative", "laplacian"):
            return [(*units, *self._repeated()) for units in below]
        return []

    def what(self) -> str:
        """Which derivative it is."""
        name = self.step.transform
        if name not in WORDS:
            return ""
        by = ", ".join(dict.fromkeys(part.name for target in self.targets for part in target.parts if part.name))
        added = ", ".join(map(_path, self.added))
        words = WORDS[name].format(f=self.step.name, by=first_names(by), added=first_names(added), n=self._order)
        return words.replace("1-th", "first").replace("2-th", "second").replace("3-th", "third")

    @property
    def _order(self) -> int:
        step, orders = self.step, [a for a in self.step.args[1:] if isinstance(a, int)]
        return 2 if step.transform == "laplacian" else int((orders or [step.keywords.get("n", 1)])[0])

    def _along(self, directions: dict[str, Axes]) -> UnitPowers | None:
        """By what the units of directions differ from those of what they belong to."""
        found: list[UnitPowers | None] = []
        for argument, target in zip(self.added, self.targets, strict=False):
            own = self.axes(argument.name, fixed(argument.shape))
            if own.unit is None and all(part.unit is None for part in own.parts):
                directions[argument.name] = replace(target, relation="along")
                found.append(UnitPowers())
                continue
            pairs = zip(own.elements, target.elements, strict=False)
            ratios = {None if a is None or b is None else a.times(b, -1) for a, b in pairs}
            found.append(ratios.pop() if len(ratios) == 1 else None)
        return found[0] if found and all(ratio == found[0] for ratio in found) else None

    def _weighed(self, below: Sequence[Units], directions: dict[str, Axes]) -> UnitPowers | None:
        """The unit of outputs times cotangents; cotangents of which nobody gave one have none."""
        found: list[UnitPowers | None] = []
        for argument, units in zip(self.added, below, strict=False):
            shape = fixed(argument.shape)
            own, value = self.axes(argument.name, shape), one_unit(units)
            if all(part.unit is None for part in own.parts) and value is not None:
                own = directions[argument.name] = Axes.alike(shape, UnitPowers(), argument.name)
            found.append(None if value is None or own.unit is None else value.times(own.unit))
        return found[0] if found and all(unit == found[0] for unit in found) else None

    def _repeated(self) -> Units:
        """What a derivative of higher order divides by."""
        units = {target.unit for target in self.targets}
        unit = units.pop() if len(units) == 1 else None
        names = [part.name for target in self.targets for part in target.parts]
        once = Axes((), (Stretch(", ".join(dict.fromkeys(names)), 1, unit),), "by").power(-1)
        return (once,) * self._order


def _flat(units: Units) -> Axes | None:
    """The axes of an array as one; None where its numbers would have to be listed."""
    shape = tuple(itertools.chain.from_iterable(axes.shape for axes in units))
    several = [axes for axes in units if axes.unit is None and any(part.unit is not None for part in axes.parts)]
    if not several:
        name = units[0].parts[0].name if len(units) == 1 and units[0].parts else ""
        return Axes.alike((math.prod(shape),), one_unit(units), name)
    rest = [axes for axes in units if axes is not several[0]]
    if len(several) > 1 or math.prod(several[0].shape) != math.prod(shape):
        return None
    common = one_unit(tuple(rest))
    parts = [
        replace(p, unit=None if p.unit is None or common is None else p.unit.times(common)) for p in several[0].parts
    ]
    return Axes((math.prod(shape),), tuple(parts), several[0].relation)
