"""The arguments of functions of arrays: what each may be, and how a call is matched with a function's parameters.

An argument is a node, or a part of the call alone: a text, None, or a tuple of such.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, get_origin

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.errors import ParseError, ShapeError, nearest
from symdiff.frontend.calls import FUNCTIONS, Kind, LanguageFunction, Value
from symdiff.frontend.constants import (
    as_integer,
    constant_array,
    constant_integer,
    constant_number,
    folded,
    needs_array,
)
from symdiff.ir.graph import Graph
from symdiff.ops import movement
from symdiff.types import LARGEST_RANK, fixed, product

# How the builders annotate their parameters: the kind of an argument, and the type that the builder gets.
Array = Annotated[int, Kind.ARRAY]
Node = Annotated[int, Kind.NODE]
Nodes = Annotated[tuple[int, ...], Kind.NODES]
Sizes = Annotated[tuple[int, ...], Kind.SIZES]
Axis = Annotated[Any, Kind.AXES]
Integer = Annotated[int, Kind.INTEGER]
Integers = Annotated[tuple[int, ...], Kind.INTEGERS]
Nested = Annotated[Any, Kind.NESTED]
Real = Annotated[float, Kind.REAL]
Flag = Annotated[bool, Kind.FLAG]
Text = Annotated[str, Kind.TEXT]
Order = Annotated[Any, Kind.ORDER]

ANNOTATIONS: dict[str, Kind] = {
    name: kind.__metadata__[0] for name, kind in list(globals().items()) if get_origin(kind) is Annotated
}
"""The kinds by what the builders' annotations are called."""

ALIASES = {
    "a": "x",
    "arr": "x",
    "m": "x",
    "v": "x",
    "ary": "x",
    "A": "x",
    "array": "x",
    "x1": "a",
    "x2": "b",
    "tup": "arrays",
    "newshape": "shape",
    "a_min": "lo",
    "a_max": "hi",
    "min": "lo",
    "max": "hi",
    "obj": "x",
    "object": "x",
    "dims": "axes",
    "correction": "ddof",
    "args": "operands",
    "condlist": "conditions",
    "choicelist": "arrays",
    "indices_or_sections": "sections",
    "f": "x",
    "rtol": "rcond",
}
"""What NumPy calls a parameter in some of its functions, and what it is called here where the name is not there."""

ALIASES_OF = {("searchsorted", "v"): "values"}
"""The same for one function, where another has the name for another parameter."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ArrayFunction(LanguageFunction):
    """A function of arrays: `build` makes the node from the graph and the arguments; `optional` are its defaults.

    `parameters` that start with `*` take all further arguments; those in `named` are given by name alone; `kinds` has
    what each takes.
    """

    name: str
    build: Callable[..., int]
    parameters: tuple[str, ...]
    optional: Mapping[str, Any]
    kinds: Mapping[str, Kind]
    named: frozenset[str] = frozenset()
    takes_texts: bool = False
    takes_parts: bool = True

    @property
    def usage(self) -> str:
        """How it is called, in words."""
        shown = [f"{p}={self.optional[p]!r}" if p in self.optional else p for p in self.parameters]
        return f"{self.name}({', '.join(shown)})"

    @property
    def documentation(self) -> str:
        """What it computes, in one sentence, and how it is called."""
        return f"{(self.build.__doc__ or '').split(chr(10))[0]}\n\nIn a formula: {self.usage}."

    @property
    def by_numpy(self) -> ArrayFunction:
        """Itself: it has NumPy's options."""
        return self

    @property
    def signature(self) -> inspect.Signature:
        """Its parameters as Python's."""
        star = next((k for k, p in enumerate(self.parameters) if p[0] == "*"), len(self.parameters))
        kinds = (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.KEYWORD_ONLY,
        )
        starred, found = star < len(self.parameters), []
        for k, p in enumerate(self.parameters):
            kind = kinds[2 if p in self.named else (k >= star) + (k > star)]
            plain = p not in self.optional or (starred and k < star)
            default = inspect.Parameter.empty if plain else self.optional[p]
            found.append(inspect.Parameter(p.lstrip("*"), kind, default=default))
        return inspect.Signature(found)

    def parameter(self, key: str) -> str:
        """The parameter that an argument with a name is for."""
        return key if key in self.parameters else ALIASES_OF.get((self.name, key)) or ALIASES.get(key, key)

    def slots(self, count: int) -> list[str]:
        """The parameters of so many arguments without names; more than there are go to the last."""
        star = next((k for k, p in enumerate(self.parameters) if p[0] == "*"), None)
        plain = list(self.parameters[:star])
        last = (plain or [""])[-1] if star is None else self.parameters[star]
        return [plain[k] if k < len(plain) else last for k in range(count)]

    def kind(self, parameter: str) -> Kind:
        """What a parameter takes; an argument that has no parameter is refused later and passes for an array."""
        return self.kinds.get(parameter, Kind.ARRAY)

    def kind_of(self, position: int | str, count: int) -> Kind:
        """What an argument of a call is, by its position among `count` without names or by its name."""
        return self.kind(self.slots(count)[position] if isinstance(position, int) else self.parameter(position))

    def bind(self, args: Sequence[Value], keywords: Mapping[str, Value]) -> dict[str, Value]:
        """The arguments by the names of the parameters; those of a `*` parameter as a tuple.

        Raises
        ------
        ParseError
            For too many, missing, repeated or unknown ones; the hint is how the function is called.
        """
        parameters, hint = self.parameters, f"write {self.usage}"
        plain = [p for p in parameters if p[0] != "*"]
        values: dict[str, Value]
        if len(plain) < len(parameters):
            at = _star(parameters)
            values = dict(zip(parameters[:at], args, strict=False))
            values[parameters[at]] = tuple(args[at:])
        elif len(args) > len(plain) - len(self.named):
            raise ParseError(_count(self, len(args) + len(keywords)), hint=hint)
        else:
            values = dict(zip(plain, args, strict=False))
        for key, value in keywords.items():
            name = self.parameter(key)
            if name not in plain:
                raise ParseError(f"{self.name} has no parameter called {key}", hint=nearest(key, plain) or hint)
            if name in values:
                raise ParseError(f"{self.name} is given {key} twice", hint=hint)
            values[name] = value
        if any(p not in values and p not in self.optional for p in plain):
            raise ParseError(_count(self, len(args) + len(keywords)), hint=hint)
        return values

    def node(self, graph: Graph, args: Sequence[Value], keywords: Mapping[str, Value]) -> int:
        """The node that a call stands for."""
        name = self.name
        values = self.bind(args, keywords)
        given: dict[str, Any] = dict(self.optional)
        rest: tuple[Value, ...] = ()
        for parameter, value in values.items():
            kind = self.kind(parameter)
            if parameter[0] == "*":
                rest = tuple([converted(graph, kind, v, parameter[1:], name) for v in value])
            else:
                given[parameter] = converted(
                    graph, kind, value, parameter, name, self.optional.get(parameter, self) is None
                )
        leading = [given.pop(p) for p in self.parameters[: _star(self.parameters)]] if rest else []
        return self.build(graph, *leading, *rest, **given)


def _star(parameters: Sequence[str]) -> int:
    """The position of the parameter that takes all further arguments."""
    return next((k for k, p in enumerate(parameters) if p[0] == "*"), 0)


def _count(function: ArrayFunction, count: int) -> str:
    return f"{function.name} cannot take {count} argument{'' if count == 1 else 's'}"


def language(*names: str, parts: bool = True) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a builder a function of the language: its own name without `_`, or `names`.

    Its annotations say what the arguments may be (`Array`, `Node`, `Axis`, …), with `| None` where None is the default;
    without `parts` no argument may be a tuple or None.
    """

    def register(build: Callable[..., int]) -> Callable[..., int]:
        code = build.__code__  # `inspect.signature` would take a tenth of the time that a first formula takes
        graph_and_plain, every = code.co_argcount, code.co_argcount + code.co_kwonlyargcount
        plain, by_name = code.co_varnames[1:graph_and_plain], code.co_varnames[graph_and_plain:every]
        star = code.co_varnames[every : every + 1] if code.co_flags & inspect.CO_VARARGS else ()
        found = (*plain, *star, *by_name)
        parameters = (*plain, *("*" + p for p in star), *by_name)
        annotations = build.__annotations__
        kinds = {q: ANNOTATIONS[annotations[p].removesuffix(" | None")] for q, p in zip(parameters, found, strict=True)}
        defaults = build.__defaults__ or ()
        optional = {
            **dict(zip(plain[len(plain) - len(defaults) :], defaults, strict=True)),
            **(build.__kwdefaults__ or {}),
        }
        named = frozenset(() if star else by_name)
        texts = any(kind.is_text for kind in kinds.values())
        for name in names or (build.__name__.strip("_"),):
            FUNCTIONS[name] = ArrayFunction(name, build, parameters, optional, kinds, named, texts, parts)
        return build

    return register


def converted(graph: Graph, kind: Kind, value: Value, parameter: str, name: str, optional: bool = False) -> Any:
    """What a builder takes for a parameter: a node, an integer, a tuple of integers, a truth value, …

    None is taken for axes, and where it is the default (`optional`).

    Raises
    ------
    ParseError
        For values of another kind.
    NeedsShape
        For a scalar in the place of an array.
    """
    what = f"{parameter} of {name}"
    if kind is Kind.TEXT or isinstance(value, str):
        if not kind.is_text or not isinstance(value, str):
            wanted = 'a text in quotes, as in einsum("ij,j->i", A, x)' if kind is Kind.TEXT else "no text"
            raise ParseError(f"{what} must be {wanted}")
        return value
    if value is None and (optional or kind is Kind.AXES):
        return None
    if kind is Kind.ARRAY:
        return needs_array(graph, argument_node(graph, value, what), name)
    if kind is Kind.NODE:
        return argument_node(graph, value, what)
    if kind is Kind.NODES:
        return nodes_of(graph, value)
    if kind is Kind.FLAG:
        flag = None if not isinstance(value, int) else constant_number(graph, value)
        if flag is None:
            raise ParseError(f"{what} must be True or False", hint=f"write {parameter}=True")
        return bool(flag)
    if kind is Kind.ORDER:
        number = None if not isinstance(value, int) else constant_number(graph, value)
        if number is None:
            raise ParseError(f"{what} must be a constant", hint="write ord=1, 2, inf or 'fro'")
        return number
    if kind is Kind.REAL:
        number = None if not isinstance(value, int) else constant_number(graph, value)
        if number is None:
            raise ParseError(f"{what} must be a constant number")
        return number
    if kind is Kind.SIZES and isinstance(value, int) and product(graph.types[value].shape) > LARGEST_RANK:
        raise ShapeError(f"{what} has more than {LARGEST_RANK} sizes", hint=f"arrays have at most {LARGEST_RANK} axes")
    found = integers(graph, value, what)
    if kind is Kind.INTEGER and isinstance(found, tuple):
        raise ParseError(f"{what} must be one integer", hint="a tuple has no meaning here")
    if kind in (Kind.SIZES, Kind.INTEGERS) and not isinstance(found, tuple):
        return (found,)
    return found


def argument_node(graph: Graph, value: Value, what: str = "an operand") -> int:
    """An argument as a node; a tuple is a list.

    Raises
    ------
    ParseError
        For a text and for None.
    """
    if isinstance(value, tuple):
        if not value:
            return graph.constant(np.zeros(0))
        return folded(graph, [argument_node(graph, v, what) for v in value])
    if not isinstance(value, int):
        raise ParseError(f"{what} must be a number or an array, not {value!r}")
    return value


def nodes_of(graph: Graph, value: Value) -> tuple[int, ...]:
    """The arrays that a function joins: those of a list or tuple, or those along the first axis of one array."""
    if isinstance(value, tuple):
        return tuple([argument_node(graph, v) for v in value])
    if not isinstance(value, int) or not graph.types[value].shape:
        raise ParseError("this function takes a list of arrays", hint="write [a, b]")
    return tuple([movement.element(graph, value, (k,)) for k in range(fixed(graph.types[value].shape)[0])])


def integers(graph: Graph, value: Value, what: str) -> Any:
    """A constant integer, or a tuple of such, nested as the value is.

    Raises
    ------
    ParseError
        Where something in it is no constant integer.
    """
    if isinstance(value, tuple):
        return tuple([integers(graph, v, what) for v in value])
    if not isinstance(value, int):
        raise ParseError(f"{what} must be a constant integer")
    if not graph.types[value].shape:
        return constant_integer(graph, value, what)
    array = constant_array(graph, value)
    if array is None:
        raise ParseError(f"{what} must be constant integers")
    return _nested(array.tolist(), what)


def _nested(value: Any, what: str) -> Any:
    return tuple([_nested(v, what) for v in value]) if isinstance(value, list) else as_integer(value, what)


def axes_of(axis: Any, count: int, name: str) -> tuple[int, ...]:
    """The axes that `axis` means for a value with `count` axes: all where it is None; in ascending order.

    Raises
    ------
    ShapeError
        For an axis that is out of range, or given twice.
    """
    if axis is None:
        return tuple(range(count))
    found = [axis_of(k, count, name) for k in (axis if isinstance(axis, tuple) else (axis,))]
    if len(set(found)) < len(found):
        raise ShapeError(f"{name}: an axis is given twice", hint="name each axis once")
    return tuple(sorted(found))


def axis_of(axis: Any, count: int, name: str) -> int:
    """The axis counted from the front.

    Raises
    ------
    ParseError
        Where it is not one integer.
    ShapeError
        Where it is out of range.
    """
    if not isinstance(axis, int):
        raise ParseError(f"axis of {name} must be one integer", hint=f"write {name}(x, axis=0)")
    if not -count <= axis < count:
        plural = "axis" if count == 1 else "axes"
        raise ShapeError(
            f"{name}: axis {axis} is out of range for a value with {count} {plural}",
            hint=f"write axis={count - 1} or less" if count else "",
        )
    return axis % count
