"""Functions whose shapes only a call fixes: a recipe, and an ordinary function for the shapes of each call."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from textwrap import indent
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from symdiff.budget import kept_limits, resumed
from symdiff.dataclass import dataclass
from symdiff.errors import ShapeError, SymdiffError
from symdiff.frontend.expr import Expr, together
from symdiff.functions.binder import SCALARS, Binder
from symdiff.functions.compiled import CompiledCase, CompiledFunction
from symdiff.functions.foreign import answers_itself
from symdiff.functions.open_case import OpenCase
from symdiff.functions.running import Running
from symdiff.functions.specialize import KEPT_BYTES, SPECIALIZING, CaseTable, Key, ShapePattern
from symdiff.functions.tree_cases import TreeCase, TreeCases
from symdiff.signature import Argument, parameters_of
from symdiff.trees import Structure
from symdiff.types import FLOAT64, Shape

if TYPE_CHECKING:
    from symdiff.functions.function import Function
    from symdiff.functions.tree_arguments import TreeBinder

SUGGESTED = 3
"""The size in the examples of what to type."""


class Recipe(Protocol):
    """How a function is made once the shapes of its arguments are known."""

    def build(self, shapes: Mapping[str, Shape]) -> Function:
        """The function whose arguments have the shapes given by name."""

    def takes_trees(self) -> bool:
        """Whether parameters without a shape may be trees, of which each call says the structure."""

    def structured(self, trees: Mapping[str, Structure], arrays: bool) -> Function:
        """The function whose parameters take trees, of structures by name.

        Where there are `arrays` among the leaves each argument has the shape of its value.
        """

    def results(self) -> list[str] | None:
        """The names of the outputs; None where only shapes say how many there are."""

    def text(self) -> str:
        """What a person wrote, or would write for it."""


class Cases:
    """The functions for the shapes of calls: one for each, made at the first such call.

    It holds the recipe, not the function that it belongs to.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[Argument],
        ordered: bool,
        recipe: Recipe,
        lines: tuple[str, ...],
        opened: OpenCase | None,
    ) -> None:
        self.name, self.recipe, self.lines, self.opened = name, recipe, lines, opened
        self.pattern = ShapePattern(name, arguments)
        self.binder = Binder(name, arguments, ordered, FLOAT64)
        own = weakref.ref(self)

        def make(key: Key) -> Function:  # a method would hold what holds the table
            cases = own()
            assert cases is not None
            return cases._make(key)

        self.table: CaseTable[Function] = CaseTable(make, _weigh)
        self.running = Running(self)
        self._count = len(self.pattern.arguments)
        self._limits = kept_limits()
        self.trees = (
            TreeCases(name, arguments, recipe) if any(a.deferred for a in arguments) and recipe.takes_trees() else None
        )

    def _make(self, key: Key) -> Function:
        shapes = self.pattern.shapes(key)
        try:
            with resumed(self._limits):  # it is kept, for calls under other limits too
                made = self.recipe.build(shapes)
        except SymdiffError as error:
            self._explain(error, shapes)
            raise
        names = [a.name for a in self.pattern.arguments]
        if made._ordered and [a.name for a in made.arguments] == names:
            return made
        found = {a.name: a for a in made.arguments}
        return made._with_arguments([found[n] for n in names])

    def _explain(self, error: SymdiffError, shapes: Mapping[str, Shape]) -> None:
        """Say what to type where the arrays may have been meant as batches of numbers."""
        arrays = [a.name for a in self.pattern.arguments if a.deferred and shapes[a.name]]
        declared = ", ".join(f'"{n}": ()' for n in arrays)
        if not arrays or declared in error.hint:
            return
        try:
            self.recipe.build({**shapes, **dict.fromkeys(arrays, ())})
        except SymdiffError:
            return
        several = f"if the values of {', '.join(arrays)} are a batch of numbers, declare shapes={{{declared}}}"
        error.hint = f"{error.hint}; {several}" if error.hint else several

    def key(self, values: list[Any]) -> Key:
        """What the values of a call bind; values that have no shape yet become arrays, in place."""
        shapes: list[Shape | None] = [None] * len(values)
        for k, _ in self.pattern.open:
            value = values[k]
            if isinstance(value, np.ndarray):
                shapes[k] = value.shape
            elif answers_itself(type(value)):
                shapes[k] = self.binder.shape_of(k, value)
            elif isinstance(value, SCALARS):
                shapes[k] = ()
            else:
                values[k] = value = self.binder.as_array(k, value)
                shapes[k] = value.shape
        return self.pattern.key(shapes)

    def for_shapes(self, shapes: Mapping[str, Shape]) -> Function:
        """The function for shapes by name."""
        return self.table[self.pattern.key_of(shapes)]

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value, by the function for the shapes of the arguments."""
        if len(args) == self._count and self.binder.ordered:
            parts: list[Any] = []
            for k, rank in self.pattern.open:  # arrays and numbers by position: the shapes are all that is looked at
                value = args[k]
                if type(value) is not np.ndarray:
                    if rank is not None or (type(value) is not float and type(value) is not int):
                        break
                    parts.append(())
                    continue
                if rank is not None and value.ndim < rank:
                    break
                parts.append(value.shape if rank is None else value.shape[value.ndim - rank :])
            else:
                return self.running.table[tuple(parts)](*args, **keywords)
        if self.trees is not None:
            values, rest = self.split(args, dict(keywords))
            found = self.trees.find(values)
            if found is not None:
                return found[0].call(*found[1], **rest)
        if any(_is_symbolic(v) for v in (*args, *keywords.values())):
            return self.inlined(args, keywords)
        values, rest = self.split(args, keywords)
        return self.running.table[self.key(values)](*values, **rest)

    def split(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The values in call order, and the options `out` and `where`."""
        if not keywords and len(args) == len(self.pattern.arguments) and self.binder.ordered:
            return list(args), keywords
        rest: dict[str, Any] = {}
        for option in ("out", "where"):
            if option in keywords and option not in self.binder.keywords:
                rest[option] = keywords.pop(option)
        return self.binder.order(args, keywords), rest

    def inlined(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """The formula for expressions, whose shapes are known."""
        values = self.binder.order(args, keywords)
        found = self.trees.find(values) if self.trees is not None else None
        if found is not None:
            return found[0].call(*found[1])
        graph, nodes = together(values)
        if graph.unshaped is not None:
            graph.unshaped.check(graph, [nodes[k] for k, _ in self.pattern.open], f"{self.name} of a name")
        key = self.pattern.key([graph.types[node].shape for node in nodes])
        return self.table[key]._inlined(tuple(Expr(graph, node) for node in nodes), {})

    def specialize(self, binder: TreeBinder | None, args: tuple[Any, ...], keywords: dict[str, Any]) -> Function:
        """The function for the shapes of these arguments; `binder` takes trees apart where some are declared."""
        values = self.binder.order(args, keywords) if binder is None else binder.flat(args, keywords)
        found = self.trees.find(values) if self.trees is not None else None
        cases = self
        if found is not None:
            case, values = found
            if case.function._cases is None:
                return case.function
            cases = case.function._cases
        return cases.table[cases.key(values)]

    def structured(self, trees: Mapping[str, Structure], arrays: bool) -> Function:
        """The function whose parameters take trees, of structures by the names of parameters.

        Where there are `arrays` among the leaves each argument has the shape of its value.
        """
        assert self.trees is not None
        return self.trees.structured(trees, arrays)

    # What it is

    def text(self, arguments: Sequence[Argument]) -> str:
        """The formula with its sizes by name, or what a person wrote."""
        opened = self.opened
        return self.recipe.text() if opened is None or not opened.exact else opened.function._text(arguments)

    def latex(self) -> str | None:
        """The formula with its sizes by name; None where there is none before a call."""
        return None if self.opened is None or not self.opened.exact else self.opened.function._repr_latex_()

    def explain(self, name: str) -> str:
        """How the calls so far are computed, and what is kept of them."""
        running, table, arguments = self.running, self.table, self.pattern.arguments
        listed = ", ".join(a.written for a in arguments if a.is_open)
        call = ", ".join(p.name for p in parameters_of(arguments))
        cases = self.trees.cases if self.trees is not None else []
        trees = [f"for trees, {case.function!r}:\n{indent(case.function.explain(), '  ')}" for case in cases]
        size = (running.table.bytes + table.bytes) / 2**20
        return "\n".join(
            [
                f"{listed}: shapes known at each call",
                *running.explain(),
                f"{len(running.table)} sets of sizes are kept, in about {size:.1f} MiB of at most {KEPT_BYTES >> 20}: "
                "then those not used for longest are made again",
                f"{name}.specialize({call}).explain() tells what is chosen for one set of sizes",
                *trees,
            ]
        )


def cases_of(f: Function) -> Cases:
    """The cases of a function whose shapes each call fixes."""
    assert f._cases is not None
    return f._cases


def _weigh(made: Function) -> int:
    return made._held_bytes()


def _is_symbolic(value: Any) -> bool:
    if isinstance(value, Expr):
        return True
    return isinstance(value, list | tuple) and any(_is_symbolic(v) for v in value)


def unknown(name: str, arguments: Sequence[Argument]) -> ShapeError:
    """The error for what needs the shapes of arguments that each call fixes."""
    opened = [a for a in arguments if a.deferred] or [a for a in arguments if a.shape]
    deferred = any(a.deferred for a in arguments)
    what = "the shapes of" if deferred else "the sizes in"
    listed = ", ".join(a.written for a in opened)
    if deferred:
        example = ", ".join(f'"{a.name}": {_example(a)}' for a in opened)
        declare = f"declare shapes, such as shapes={{{example}}}, () for a number"
    else:
        example = ", ".join(f"{a.name}[{_example(a).strip('()')}]" if a.shape else str(a) for a in arguments)
        declare = f"write numbers for the sizes, such as {name}({example}) = …"
    call = ", ".join(p.name for p in parameters_of(arguments) if not p.arguments[0].anonymous)
    if any(a.place for a in opened):
        return ShapeError(
            f"{name}: {what} {listed} are known at each call only",
            hint=f"declare shapes with numbers, or take those of a call: {name}.specialize({call})",
        )
    return ShapeError(
        f"{name}: {what} {listed} are known at each call only",
        hint=f"{declare}, or take those of a call: {name}.specialize({call})",
    )


def _example(argument: Argument) -> str:
    if argument.deferred or len(argument.shape) == 1:
        return str(SUGGESTED)
    return "(" + ", ".join(str(n if isinstance(n, int) else SUGGESTED) for n in argument.shape) + ")"


def _compiled_call(cases: Cases, options: Mapping[str, Any]) -> tuple[Running, Callable[..., Any]]:
    """The code with options for the sizes of calls, and what calls it with a value for each argument."""
    running = Running(cases, options)
    compiled: dict[TreeCase, Callable[..., Any]] = {}

    def call(*args: Any, **keywords: Any) -> Any:
        values, rest = cases.split(args, keywords)
        found = cases.trees.find(values) if cases.trees is not None else None
        if found is None:
            return running.table[cases.key(values)](*values, **rest)
        case, flat = found
        with SPECIALIZING:
            if case not in compiled:
                made = case.function
                if made._cases is not None:
                    compiled[case] = _compiled_call(made._cases, options)[1]
                else:
                    compiled[case] = made._flat_call().compile(**options)
        return compiled[case](*flat, **rest)

    return running, call


class OpenCompiled(CompiledFunction):
    """Native code for a function whose shapes each call fixes, made with the same options for each."""

    __slots__ = ()

    def __init__(self, made_of: Function, options: Mapping[str, Any]) -> None:
        super().__init__(made_of.__name__, made_of.arguments)
        self.origin = made_of, dict(options)
        self.running, call = _compiled_call(cases_of(made_of), options)
        binder = made_of._tree_binder()
        _COMPILED_SLOT.__set__(self, call if binder is None else binder.calling(call))

    def _default(self) -> CompiledCase:
        """The code of the function that it was made of, which says that there is none before a call."""
        assert self.origin is not None
        return self.origin[0]._default()


_COMPILED_SLOT: Any = CompiledFunction.__dict__["__call__"]


def structured_base(f: Function, trees: Mapping[str, Structure], arrays: bool) -> Function:
    """The function that a transform is of, whose parameters take those of the trees that are its own."""
    known = {a.name for a in f.arguments if a.deferred}
    own = {n: structure for n, structure in trees.items() if n in known}
    return cases_of(f).structured(own, arrays) if own else f


def results_of(f: Function) -> list[str] | None:
    """The names of the outputs of a function; None where only shapes say how many there are."""
    return f._cases.recipe.results() if f._cases is not None else list(f.outputs)


@dataclass(frozen=True)
class Reordered:
    """A function with its arguments in another order."""

    base: Function
    order: tuple[str, ...]

    def build(self, shapes: Mapping[str, Shape]) -> Function:
        """The function for these shapes, reordered."""
        return self.ordered(self.base._for_shapes(shapes))

    def ordered(self, made: Function) -> Function:
        """A function with its arguments in this order."""
        named = {a.name: a for a in made.arguments}
        return made._with_arguments([named[n] for n in self.order])

    def takes_trees(self) -> bool:
        """Whether the function does that is reordered."""
        return cases_of(self.base).recipe.takes_trees()

    def structured(self, trees: Mapping[str, Structure], arrays: bool) -> Function:
        """The function whose parameters take trees, reordered."""
        made = structured_base(self.base, trees, arrays)
        named = {p.name: p.arguments for p in parameters_of(made.arguments)}
        return made._with_arguments([a for n in self.order for a in named[n]])

    def results(self) -> list[str] | None:
        """The names of the outputs."""
        return results_of(self.base)

    def text(self) -> str:
        """What it is of."""
        return cases_of(self.base).recipe.text()
