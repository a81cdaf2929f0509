"""Transforms of functions whose shapes are not known yet: recorded, and applied for the shapes of each call."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from symdiff.budget import stage, timed, under
from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, CallError, ShapeError, UnknownNameError, nearest
from symdiff.frontend.expr import Expr, is_sympy
from symdiff.frontend.sympy_leaves import is_array
from symdiff.functions.build import function
from symdiff.functions.cases import cases_of, results_of, structured_base
from symdiff.functions.derivation import Derivation
from symdiff.functions.function import Function
from symdiff.functions.inputs import name_of, shape_of
from symdiff.functions.tree_arguments import tree_part, with_trees
from symdiff.functions.wrt import check_by_all
from symdiff.guesses import refuse_options
from symdiff.loading import load_module
from symdiff.ops import core
from symdiff.signature import Argument, listed_parameters, parameters_of
from symdiff.trees import Structure, leaves_of
from symdiff.types import Shape, show

Results = Callable[[Sequence[str], str, "int | None", Mapping[str, Any]], "list[str] | None"]
"""(outputs, name of the function, number of things the derivative is by, other arguments): the names of the outputs."""

_HEAD = r"[\[.]"

TRANSFORMS: dict[str, Callable[..., Function]] = {}
"""The transforms that are recorded, by name: those of functions whose shapes are known."""

MODULES = {
    "derivative": "series",
    "grad": "transforms",
    "hessian": "transforms",
    "hvp": "products",
    "jacobian": "transforms",
    "jvp": "products",
    "laplacian": "laplacians",
    "operator_of": "laplacians",
    "taylor": "series",
    "value_and_grad": "transforms",
    "vjp": "products",
}
"""The module of each, which is loaded when it is first asked for."""

_titles: dict[str, str] = {}
_arguments: dict[str, Callable[..., tuple[Argument, ...]]] = {}
_results: dict[str, Results] = {}
_anywhere: set[str] = set()
_WRT = ("wrt", "name")

F = TypeVar("F", bound=Callable[..., Any])


def same_results(outputs: Sequence[str], name: str, count: int | None, keywords: Mapping[str, Any]) -> list[str]:
    """One result for each output."""
    return list(outputs)


def target_results(title: str) -> Results:
    """One result for each thing that the derivative is by."""

    def results(outputs: Sequence[str], name: str, count: int | None, keywords: Mapping[str, Any]) -> list[str] | None:
        return None if count is None else titles(title.format(f=name), count)

    return results


def titles(name: str, count: int) -> list[str]:
    """Names for several results; one keeps the name."""
    return [name] if count == 1 else [f"{name}_{k}" for k in range(count)]


def recorded(
    title: str,
    arguments: Callable[..., tuple[Argument, ...]] | None = None,
    results: Results | None = None,
    anywhere: bool = True,
) -> Callable[[F], F]:
    """Let a transform `t(fun, wrt=…, …)` take functions whose shapes only a call fixes.

    `title` is the name of the result, with `{f}` for the name of the function and `{n}` for an order. `arguments` are
    those of the result, given the function with open shapes and the transform's own arguments; those of the function
    where it is None. `results` are the names of the outputs. `anywhere` says that what it takes beside `wrt` is right
    or wrong for every function.
    """

    def decorate(transform: F) -> F:
        TRANSFORMS[transform.__name__], _titles[transform.__name__] = transform, title
        if arguments is not None:
            _arguments[transform.__name__] = arguments
        if anywhere:
            _anywhere.add(transform.__name__)
        _results[transform.__name__] = results or target_results(title)

        options = transform.__code__.co_varnames[1 : transform.__code__.co_argcount]

        @functools.wraps(transform)
        def wrapper(fun: Any, *args: Any, **keywords: Any) -> Any:
            if len(args) > len(options):
                raise CallError(
                    f"{transform.__name__} takes a function and {', '.join(options)}",
                    hint='write ["x", "y"] for one axis, ("x", "y") to keep them apart; numbers are given to a call of '
                    "what comes out",
                )
            if keywords:
                _take_argnums(args, keywords, options[0])
                refuse_options(transform.__name__, keywords, options)
            wrt = _wrt(args, keywords)
            f = fun if isinstance(fun, Function) else read_source(fun, wrt)
            if has_positions(wrt):
                wrt = named_by(f, wrt)
                args, keywords = ((wrt, *args[1:]), keywords) if args else ((), {**keywords, options[0]: wrt})
            return applied(f, transform.__name__, args, keywords)

        return wrapper  # type: ignore[return-value]

    return decorate


def transform_named(name: str) -> Callable[..., Function] | None:
    """The transform of a name; None where there is none."""
    if name not in TRANSFORMS and name in MODULES:
        load_module(f"symdiff.functions.{MODULES[name]}")
    return TRANSFORMS.get(name)


def applied(f: Function, transform: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Function:
    """A transform of a function, recorded where shapes are not known yet."""
    if f._cases is not None:
        made: Function = record(f, transform, args, keywords)
    else:
        with under(f.graph.limits), timed():
            stage("deriving")
            made = TRANSFORMS[transform](f, *args, **keywords)
    several = len(f.arguments) > 1 and _wrt(args, keywords) is None
    if several and isinstance(made, Function) and not (f.arguments[0].place and len(parameters_of(f.arguments)) == 1):
        made._by_all = True
    if isinstance(made, Function):
        wrt = _wrt(args, keywords)
        numbers = several and all(a.members is None and not a.shape for a in f.arguments)
        names = tuple([a.name for a in f.arguments] if numbers else listed_names(wrt) if isinstance(wrt, list) else ())
        made._labels = (names,) * (2 if transform == "hessian" else transform in ("grad", "value_and_grad", "jacobian"))
        if f._cases is None and made is not f:
            made._derivation = Derivation.of(f, transform, args, keywords)
    return made


def _take_argnums(args: tuple[Any, ...], keywords: dict[str, Any], name: str) -> None:
    """Take JAX's word for what a derivative is by."""
    if "argnums" in keywords:
        if args or name in keywords:
            raise CallError(f"{name} and argnums are one thing", hint=f"leave out argnums=, and write {name}=…")
        keywords[name] = keywords.pop("argnums")


def has_positions(wrt: Any) -> bool:
    """Whether arguments are given by their positions."""
    if isinstance(wrt, list | tuple):
        return any(map(has_positions, wrt))
    return isinstance(wrt, int | np.integer) and not isinstance(wrt, bool)


def named_by(f: Function, wrt: Any) -> Any:
    """What a derivative is by, with names for positions, which count parameters from 0, or from the last by -1.

    Raises
    ------
    ArgumentError
        Where there is no such parameter, and where nothing orders them.
    """
    check_by_all(f.arguments, f._ordered)
    listed = parameters_of(f.arguments)

    def named(item: Any) -> Any:
        if not has_positions(item):
            return item
        if not -len(listed) <= item < len(listed):
            what = f"{f.__name__} takes {len(listed)} argument{'s' if len(listed) > 1 else ''}, and none is at {item}"
            raise ArgumentError(what, hint=f"positions count from 0 to {len(listed) - 1}")
        first = listed[item].arguments[0]
        return list(first.members or ()) if first.anonymous else listed[item].name

    if isinstance(wrt, list):
        parts = [named(item) for item in wrt]
        return [name for part in parts for name in (part if isinstance(part, list) else [part])]
    return tuple(map(named, wrt)) if isinstance(wrt, tuple) else named(wrt)


def _wrt(args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Any:
    """What the derivative is by: the argument after the function."""
    return args[0] if args else next((keywords[k] for k in _WRT if k in keywords), None)


def listed_names(wrt: Any) -> list[str]:
    """The names that a list or tuple `wrt` consists of; none where it has other parts."""
    if not isinstance(wrt, list | tuple):
        return []
    names = [name_of(w) for w in wrt if isinstance(w, str | Expr) or hasattr(w, "free_symbols")]
    return names if len(names) == len(wrt) and all(n.isidentifier() for n in names) else []


def brought(symbols: Sequence[Any]) -> dict[str, Shape]:
    """The shapes that the symbols in a `wrt` have."""
    inputs = [w for w in symbols if isinstance(w, Expr) and w.graph.ops[w.node] is core.INPUT]
    inputs += [w for w in symbols if is_sympy(w) and is_array(w)]
    return {name_of(w): shape for w in inputs if (shape := shape_of(w))}


def read_source(source: Any, wrt: Any) -> Function:
    """The function of a source; a list or tuple `wrt` orders its names where it names every free one."""
    names = listed_names(wrt)
    symbols = wrt if isinstance(wrt, list | tuple) else [wrt]
    if is_sympy(source) and any(is_sympy(w) and is_array(w) for w in symbols):
        return function(source, list(symbols))  # elements x[i] are those of the array x
    shapes = brought(symbols)
    if "E" in names and isinstance(source, str):
        try:
            return function(source, names, shapes=shapes)
        except (ArgumentError, UnknownNameError):
            pass  # it does not list every name
    f = function(source, shapes=shapes)
    free = {a.name: a for a in f.arguments}
    if not f._ordered and sorted(names) == sorted(free):
        return f._with_arguments([free[n] for n in names])
    return f


def record(f: Function, transform: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Function:
    """The transform of a function whose shapes are not known yet.

    Raises
    ------
    ArgumentError
        For a `wrt` that no shapes could make right.
    """
    args = tuple(without_symbols(a) for a in args)
    keywords = {k: without_symbols(v) for k, v in keywords.items()}
    wrt = _wrt(args, keywords)
    _check(f, wrt)
    if transform in _arguments and wrt is None and len(f.arguments) > 1:  # which arguments there are, whatever shapes
        first = [(p.name, p.arguments[0]) for p in parameters_of(f.arguments)]
        wrt = tuple(list(a.members or ()) if a.anonymous else name for name, a in first)
        args, keywords = (wrt, *args[1:]), {k: v for k, v in keywords.items() if k not in _WRT}
    if transform in _anywhere:  # the other arguments are checked on the simplest function that there is
        TRANSFORMS[transform](function("x"), "x", *args[1:], **{k: v for k, v in keywords.items() if k not in _WRT})
    applied = Transformed(f, transform, args, keywords)
    orders = [a for a in (*args[1:], *keywords.values()) if isinstance(a, int)]
    name = _titles[transform].format(f=f.__name__, n=orders[0] if orders else 1)
    opened = cases_of(f).opened
    if opened is not None:  # what is wrong for every size is wrong now
        opened = opened.transformed(lambda case: TRANSFORMS[transform](case, *args, **keywords))
    own = _arguments[transform](f, *args, **keywords) if transform in _arguments else f.arguments
    return Function._of_recipe(applied, own, name=name, ordered=f._ordered, lines=cases_of(f).lines, opened=opened)


def without_symbols(value: Any) -> Any:
    """An argument with names for symbols, so that it means the same for every graph."""
    if isinstance(value, list):
        return [without_symbols(v) for v in value]
    if isinstance(value, tuple):
        return tuple(without_symbols(v) for v in value)
    if isinstance(value, Expr) and value.graph.ops[value.node] is core.INDEX:
        return str(value)
    if isinstance(value, Expr) or hasattr(value, "free_symbols"):
        return str(value) if type(value).__name__ == "Indexed" else name_of(value)
    return value


def _check(f: Function, wrt: Any) -> None:
    """Refuse what no shapes make right."""
    if wrt is None:
        check_by_all(f.arguments, f._ordered)
        return
    if isinstance(wrt, set | frozenset):
        raise ArgumentError("a set has no order", hint="give wrt as a list (one axis) or a tuple (apart)")
    known = list(dict.fromkeys([*f.names, *(a.name for a in f.arguments)]))
    opened = [f"{a.name}_" for a in f.arguments if a.deferred] if cases_of(f).recipe.takes_trees() else []
    stack = [wrt]
    while stack:
        item = stack.pop()
        if isinstance(item, list | tuple):
            if not item:
                raise ArgumentError("an empty wrt list", hint="name the inputs to differentiate by")
            stack.extend(item)
            continue
        if tree_part(f.arguments, item) is not None:
            continue
        name = re.split(_HEAD, name_of(item), maxsplit=1)[0].strip()
        if name not in known and not any(name.startswith(start) for start in opened):
            raise UnknownNameError(
                f"{name} is neither an input nor a named line",
                hint=nearest(name, known) or f"the names are: {', '.join(known)}",
            )


@dataclass(frozen=True)
class Transformed:
    """A transform of a function, to be made when the shapes are known."""

    base: Function
    transform: str
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]

    def build(self, shapes: Mapping[str, Shape]) -> Function:
        """The transform of the function for these shapes, in the same graph."""
        base = self.base._for_shapes(shapes)
        made = TRANSFORMS[self.transform](base, *self.args, **self.keywords)
        if any(a.name not in shapes and a.members is None for a in made.arguments):
            raise ArgumentError(
                f"{made.__name__} takes {listed_parameters(made.arguments)}: a cotangent for each output",
                hint="declare shapes, so that they are known before a call",
            )
        known = {a.name for a in self.base.arguments}
        for argument in made.arguments:
            given = shapes.get(argument.name, argument.shape)
            if argument.name not in known and given != argument.shape:
                raise ShapeError(
                    f"{made.__name__}: {argument.name} has shape {show(argument.shape)}, the value given has shape "
                    f"{show(given)}"
                )
        if made is not base:
            made._derivation = Derivation.of(base, self.transform, self.args, self.keywords)
        return made

    def results(self) -> list[str] | None:
        """The names of the outputs; None where only shapes say how many there are."""
        outputs = results_of(self.base)
        if outputs is None:
            return None
        return _results[self.transform](outputs, self.base.__name__, self._count(), self.keywords)

    def _count(self) -> int | None:
        """How many things the derivative is by, where it says so."""
        wrt = _wrt(self.args, self.keywords)
        if wrt is None:
            return 1 if len(self.base.arguments) == 1 else None
        if any(a.place for a in self.base.arguments) or cases_of(self.base).recipe.takes_trees():
            return None  # each leaf of a tree is one
        return len(wrt) if isinstance(wrt, tuple) else 1

    def takes_trees(self) -> bool:
        """Whether the function does, of which this is the transform."""
        return cases_of(self.base).recipe.takes_trees()

    def structured(self, trees: Mapping[str, Structure], arrays: bool) -> Function:
        """The transform of the function whose parameters take trees."""
        made = applied(structured_base(self.base, trees, arrays), self.transform, self.args, dict(self.keywords))
        flat = {a.name for a in made.arguments if a.deferred and a.place is None}
        opened = {n: (structure, [None] * len(leaves_of(structure))) for n, structure in trees.items() if n in flat}
        if opened and made._cases is not None:  # a cotangent: what the function returns is seen when it is called
            arguments = with_trees(made.arguments, opened, made.names)
            given: dict[str, Any] = {"name": made.__name__, "ordered": made._ordered, "lines": made._cases.lines}
            return Function._of_recipe(made._cases.recipe, arguments, **given)
        return made

    def text(self) -> str:
        """The call, and what it is of."""
        given = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.keywords.items()]
        return f"{self.transform}({', '.join(['f', *given])}) of\n{cases_of(self.base).recipe.text()}"
