"""The arguments of functions of arrays: what each may be, and how a call is matched with a function's parameters.

An argument is a node, or a part of the call alone: a text, None, or a tuple of such.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.errors import ParseError, ShapeError, nearest
from symdiff.frontend.constants import as_integer, constant_array, constant_number, folded, integer, needs_array
from symdiff.ir.graph import Graph
from symdiff.types import LARGEST_RANK, fixed, product

Axis = Any
"""None, an integer or a tuple of integers."""

Value = Any
"""A node (an integer), a text, None, or a tuple of values."""

ARRAY, ANY, NODES, AXES, INTEGER, INTEGERS, NUMBER, FLAG, ORDER, TEXT, PAIRS = range(11)
"""What a parameter takes: an array; an array or a number; several arrays; axes; …; the order of a norm; a text."""

KINDS = {
    "arrays": NODES,
    "numbers": ANY,
    "sizes": INTEGER,
    "axis": AXES,
    "axes": PAIRS,
    "keepdims": FLAG,
    "endpoint": FLAG,
    "lower": FLAG,
    "reverse": FLAG,
    "rowvar": FLAG,
    "increasing": FLAG,
    "transposed": FLAG,
    "shape": INTEGERS,
    "reps": INTEGERS,
    "repeats": INTEGERS,
    "shift": AXES,
    "subscripts": TEXT,
    "index": TEXT,
    "ord": ORDER,
    "k": INTEGER,
    "n": INTEGER,
    "N": INTEGER,
    "M": INTEGER,
    "num": INTEGER,
    "size": INTEGER,
    "offset": INTEGER,
    "ddof": INTEGER,
    "axis1": INTEGER,
    "axis2": INTEGER,
    "source": AXES,
    "destination": AXES,
    "decimals": INTEGER,
    "pad_width": PAIRS,
    "start": ANY,
    "stop": ANY,
    "step": ANY,
    "fill_value": ANY,
    "lo": ANY,
    "hi": ANY,
    "base": ANY,
    "dx": ANY,
    "trans": INTEGER,
    "mode": TEXT,
    "indexing": TEXT,
    "order": TEXT,
    "side": TEXT,
    "sections": INTEGER,
    "obj": AXES,
    "conditions": NODES,
    "constant_values": ANY,
    "initial": ANY,
    "where": ANY,
    "bias": FLAG,
    "method": TEXT,
    "prepend": ANY,
    "append": ANY,
    "to_end": ANY,
    "to_begin": ANY,
    "edge_order": INTEGER,
    "include_initial": FLAG,
    "rtol": ANY,
    "atol": ANY,
    "equal_nan": FLAG,
    "upper": FLAG,
    "right": FLAG,
    "period": ANY,
    "rcond": NUMBER,
}
"""What a parameter takes, by its name; others take an array."""

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


@dataclass(frozen=True, slots=True)
class ArrayFunction:
    """A function of arrays: `build` makes the node from the graph and the arguments; `optional` are its defaults.

    `parameters` that start with `*` take all further arguments; those in `numbers` take numbers as well as arrays;
    those in `named` are given by name alone.
    """

    name: str
    build: Callable[..., int]
    parameters: tuple[str, ...]
    optional: Mapping[str, Any]
    numbers: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()

    @property
    def usage(self) -> str:
        """How it is called, in words."""
        shown = [f"{p}={self.optional[p]!r}" if p in self.optional else p for p in self.parameters]
        return f"{self.name}({', '.join(shown)})"

    @property
    def doc(self) -> str:
        """What it computes, in one sentence."""
        return (self.build.__doc__ or "").split("\n")[0]

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

    def kind(self, parameter: str) -> int:
        """What a parameter takes."""
        return ANY if parameter in self.numbers else KINDS.get(parameter.lstrip("*"), ARRAY)

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

    def __call__(self, graph: Graph, name: str, args: Sequence[Value], keywords: Mapping[str, Value]) -> int:
        """The node that a call stands for."""
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


ARRAYS: dict[str, ArrayFunction] = {}
"""The functions of arrays, by all their names."""


def language(*names: str, numbers: str = "") -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Make a builder a function of the language: its own name without `_`, or `names`; see `ArrayFunction`."""

    def register(build: Callable[..., int]) -> Callable[..., int]:
        found = list(inspect.signature(build).parameters.values())[1:]
        parameters = tuple([("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in found])
        optional = {p.name: p.default for p in found if p.default is not p.empty}
        starred = any(p.kind is p.VAR_POSITIONAL for p in found)
        named = frozenset(p.name for p in found if p.kind is p.KEYWORD_ONLY and not starred)
        for name in names or (build.__name__.strip("_"),):
            ARRAYS[name] = ArrayFunction(name, build, parameters, optional, frozenset(numbers.split()), named)
        return build

    return register


def converted(graph: Graph, kind: int, value: Value, parameter: str, name: str, optional: bool = False) -> Any:
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
    if kind == TEXT or isinstance(value, str):
        if kind not in (TEXT, ORDER) or not isinstance(value, str):
            wanted = 'a text in quotes, as in einsum("ij,j->i", A, x)' if kind == TEXT else "no text"
            raise ParseError(f"{what} must be {wanted}")
        return value
    if value is None and (optional or kind == AXES):
        return None
    if kind == ARRAY:
        return needs_array(graph, as_node(graph, value, what), name)
    if kind == ANY:
        return as_node(graph, value, what)
    if kind == NODES:
        return nodes_of(graph, value)
    if kind == FLAG:
        flag = None if not isinstance(value, int) else constant_number(graph, value)
        if flag is None:
            raise ParseError(f"{what} must be True or False", hint=f"write {parameter}=True")
        return bool(flag)
    if kind == ORDER:
        number = None if not isinstance(value, int) else constant_number(graph, value)
        if number is None:
            raise ParseError(f"{what} must be a constant", hint="write ord=1, 2, inf or 'fro'")
        return number
    if kind == NUMBER:
        number = None if not isinstance(value, int) else constant_number(graph, value)
        if number is None:
            raise ParseError(f"{what} must be a constant number")
        return number
    if parameter in ("shape", "reps") and isinstance(value, int) and product(graph.types[value].shape) > LARGEST_RANK:
        raise ShapeError(f"{what} has more than {LARGEST_RANK} sizes", hint=f"arrays have at most {LARGEST_RANK} axes")
    found = integers(graph, value, what)
    if kind == INTEGER and isinstance(found, tuple):
        raise ParseError(f"{what} must be one integer", hint="a tuple has no meaning here")
    if kind == INTEGERS and not isinstance(found, tuple):
        return (found,)
    return found


def as_node(graph: Graph, value: Value, what: str = "an operand") -> int:
    """An argument as a node; a tuple is a list.

    Raises
    ------
    ParseError
        For a text and for None.
    """
    if isinstance(value, tuple):
        if not value:
            return graph.constant(np.zeros(0))
        return folded(graph, [as_node(graph, v, what) for v in value])
    if not isinstance(value, int):
        raise ParseError(f"{what} must be a number or an array, not {value!r}")
    return value


def nodes_of(graph: Graph, value: Value) -> tuple[int, ...]:
    """The arrays that a function joins: those of a list or tuple, or those along the first axis of one array."""
    if isinstance(value, tuple):
        return tuple([as_node(graph, v) for v in value])
    if not isinstance(value, int) or not graph.types[value].shape:
        raise ParseError("this function takes a list of arrays", hint="write [a, b]")
    return tuple([graph.element(value, (k,)) for k in range(fixed(graph.types[value].shape)[0])])


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
        return integer(graph, value, what)
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
