"""Function calls: which operation a name and its arguments stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from symdiff.errors import LimitError, ParseError, ShapeError, UnknownNameError, nearest
from symdiff.frontend.arguments import ARRAYS, Value, argument_node
from symdiff.frontend.constants import constant_integer
from symdiff.frontend.spellings import LACKING, MISSING
from symdiff.ir.graph import Graph
from symdiff.ops import CALLABLE, DEFINITIONS, OPS, Op, core
from symdiff.types import BOOL

CUSTOM: dict[str, Callable[[Graph, str, list[int], Mapping[str, int]], int]] = {}
"""Functions that users defined, by name: they are looked up before those of the language."""

EXPANSIONS: dict[tuple[str, int], Callable[[Graph, Sequence[int]], int]] = {}
"""The functions that stand for an expression, by name and number of operands; `bodies`, which reads them, adds them."""

LARGEST_ORDER = 30

REDUCING = frozenset(("axis", "keepdims", "initial", "where"))
"""The parameters by which a comparison of several operands is told from a reduction of one."""


def is_function(name: str) -> bool:
    """Whether the language itself gives `name` a meaning before a parenthesis."""
    return name in CALLABLE or name in SPECIAL or name in ARRAYS or name in DEFINED or name in CUSTOM


def takes_parts(name: str) -> bool:
    """Whether a function takes tuples and None beside values."""
    return (name in ARRAYS or name in REDUCE) and name not in CUSTOM


def takes_texts(name: str) -> bool:
    """Whether a function takes texts in quotes."""
    return name in ARRAYS and name not in CUSTOM and ARRAYS[name].takes_texts


def functions() -> list[str]:
    """The names of all functions of the language, sorted."""
    return sorted({*CALLABLE, *SPECIAL, *ARRAYS, *DEFINED, *CUSTOM})


def call(graph: Graph, name: str, args: list[Value], keywords: Mapping[str, Value], hidden: bool = False) -> int:
    """The node that `name(*args, **keywords)` stands for; `hidden` lets operations be called that users cannot call.

    Raises
    ------
    UnknownNameError
        Where there is no such function.
    ParseError
        Where the function is called with other arguments than it has.
    ShapeError
        Where the operands do not fit.
    """
    if name in CUSTOM:
        return CUSTOM[name](graph, name, args, keywords)
    if name in ARRAYS:
        return ARRAYS[name](graph, name, args, keywords)
    op = CALLABLE.get(name)
    if op is None and hidden:
        op = OPS.get(name)
    plain = op is not None and not keywords and op.payload is None and len(args) == len(op.kinds or "")
    if plain and name not in REDUCE:
        assert op is not None
        return graph.apply(op, args)
    special = SPECIAL.get(name)
    if special is not None:
        return special(graph, name, args, keywords)
    definition = DEFINITIONS.get((name, len(args) + len(keywords)))
    if definition is not None:
        nodes = [graph.as_number(a) for a in bind(name, definition.parameters, args, keywords)]
        return EXPANSIONS[name, len(nodes)](graph, nodes)
    if op is None:
        if name in DEFINED:
            raise ParseError(_usage(name, len(args) + len(keywords)), hint=f"write {_signatures(name)}")
        raise unknown_function(name)
    if op.payload is not None:
        return _with_order(graph, op, name, bind(name, op.parameters or ("n", "x"), args, keywords))
    defaults = {p: graph.constant(v) for p, v in zip(reversed(op.parameters), reversed(op.defaults), strict=False)}
    return graph.apply(op, bind(name, op.parameters, args, keywords, defaults))


def unknown_function(name: str, others: Sequence[str] = (), argument: str = "") -> UnknownNameError:
    """The error for a function that does not exist, with the nearest that does."""
    if name in UNAVAILABLE:
        what, hint = UNAVAILABLE[name]
        return UnknownNameError(f"{name} {what}", hint=hint)
    if name in MISSING:
        return UnknownNameError(f"{name} is not available", hint=LACKING)
    near = nearest(name, [*functions(), *others])
    product = f"write {name}*{argument} for a product" if argument else ""
    hint = f"{near}; {product}" if near and product and len(name) < 4 else near or product
    return UnknownNameError(f"there is no function called {name}", hint=hint)


def bind(
    name: str,
    parameters: tuple[str, ...],
    args: Sequence[int],
    keywords: Mapping[str, int],
    defaults: Mapping[str, int] | None = None,
) -> list[int]:
    """The arguments in the order of `parameters`.

    Raises
    ------
    ParseError
        For too many, missing, repeated or unknown ones; the hint is how the function is called.
    """
    hint = f"write {_signatures(name) or _signature(name, parameters)}"
    if len(args) > len(parameters):
        raise ParseError(_usage(name, len(args) + len(keywords), parameters), hint=hint)
    values = dict(zip(parameters, args, strict=False))
    for key, value in keywords.items():
        if key not in parameters:
            raise ParseError(f"{name} has no parameter called {key}", hint=nearest(key, parameters) or hint)
        if key in values:
            raise ParseError(f"{name} is given {key} twice", hint=hint)
        values[key] = value
    missing = [p for p in parameters if p not in values and p not in (defaults or {})]
    if missing:
        raise ParseError(_usage(name, len(args) + len(keywords), parameters), hint=hint)
    return [values[p] if p in values else (defaults or {})[p] for p in parameters]


def _signature(name: str, parameters: Sequence[str], defaults: Sequence[float] = ()) -> str:
    plain = len(parameters) - len(defaults)
    given = [f"{p}={v!r}" for p, v in zip(parameters[plain:], defaults, strict=True)]
    return f"{name}({', '.join([*parameters[:plain], *given])})"


def _signatures(name: str) -> str:
    """How a function of the language is called, in words."""
    ways = []
    op = CALLABLE.get(name)
    if op is not None:
        ways.append(_signature(name, op.parameters, op.defaults))
    ways += [_signature(name, d.parameters) for (n, _), d in DEFINITIONS.items() if n == name]
    return " or ".join(ways)


def _usage(name: str, count: int, parameters: Sequence[str] | None = None) -> str:
    given = f"{count} argument{'' if count == 1 else 's'}"
    if parameters is not None:
        wanted = str(len(parameters))
    else:
        wanted = " or ".join(str(k) for n, k in DEFINITIONS if n == name)
    return (
        f"{name} takes {wanted} argument{'' if wanted == '1' else 's'}, not {count}"
        if wanted
        else (f"{name} cannot take {given}")
    )


def _with_order(graph: Graph, op: Op, name: str, args: list[int]) -> int:
    order = constant_integer(graph, args[0], f"the order of {name}")
    if op is core.INTEGER_POWER:
        return graph.apply(op, args[1:], order) if order else graph.full_like(1.0, args[1])
    if order == 0 and op.at_zero is not None:
        return graph.apply(op.at_zero, args[1:])
    if order < 0 and not op.signed:
        raise ParseError(f"the order of {name} must not be negative", hint=f"write {_signature(name, op.parameters)}")
    if abs(order) > LARGEST_ORDER:
        raise LimitError(f"the order of {name} is at most {LARGEST_ORDER}")
    return graph.apply(op, args[1:], order)


def _no_keywords(name: str, keywords: Mapping[str, int]) -> None:
    for key in keywords:
        raise ParseError(f"{name} has no parameter called {key}", hint=f"write {name}(a, b)")


def _extremum(graph: Graph, name: str, args: list[Value], keywords: Mapping[str, Value]) -> int:
    """`max(a, b, …)` compares its operands, `max(x)` and `max(x, axis=0)` reduce an array."""
    op = CALLABLE[name]
    if (name in REDUCE and len(args) + len(keywords) == 1) or not REDUCING.isdisjoint(keywords):
        if name not in REDUCE or len(args) > 1:
            raise ParseError(f"{name} of several operands has no axis", hint=f"write {op.name}(x, axis=0)")
        return ARRAYS[f"a{op.name}"](graph, name, args, keywords)
    nodes = [argument_node(graph, a) for a in args]
    if keywords:
        nodes = bind(name, op.parameters, nodes, keywords)
    if len(nodes) < (1 if name in ("Max", "Min") else 2):
        raise ParseError(_usage(name, len(nodes), op.parameters), hint=f"write {name}(a, b)")
    nodes = [graph.as_number(a) for a in nodes]
    if len(nodes) == 1:
        return nodes[0]
    return graph.apply(op, nodes) if len(nodes) == 2 else graph.apply(f"{op.name}_of", nodes)


def _logic(op: str) -> Callable[[Graph, str, list[int], Mapping[str, int]], int]:
    def build(graph: Graph, name: str, args: list[int], keywords: Mapping[str, int]) -> int:
        _no_keywords(name, keywords)
        if not args:
            raise ParseError(f"{name} of nothing", hint=f"write {name}(a > 0, b > 0)")
        if len(args) == 1 and graph.types[args[0]].dtype != BOOL:
            raise ShapeError(f"{name} takes a condition here, not a number", hint="write x != 0")
        result = args[0]
        for other in args[1:]:
            result = graph.apply(op, (result, other))
        return result

    return build


def _not(graph: Graph, name: str, args: list[int], keywords: Mapping[str, int]) -> int:
    return graph.apply(core.LOGICAL_NOT, bind(name, ("x",), args, keywords))


def _choose(graph: Graph, name: str, args: list[int], keywords: Mapping[str, int]) -> int:
    """SymPy's ITE: a condition chosen by a condition."""
    condition, yes, no = bind(name, ("condition", "x", "y"), args, keywords)
    if graph.types[yes].dtype != BOOL or graph.types[no].dtype != BOOL:
        return graph.apply(core.WHERE, (condition, yes, no))
    otherwise = graph.apply(core.LOGICAL_NOT, (condition,))
    parts = graph.apply(core.LOGICAL_AND, (condition, yes)), graph.apply(core.LOGICAL_AND, (otherwise, no))
    return graph.apply(core.LOGICAL_OR, parts)


def piecewise(graph: Graph, pairs: Sequence[tuple[int, int]]) -> int:
    """`Piecewise((e, c), …)`: the first expression whose condition holds, NaN where none does."""
    true = graph.constant(True)
    result = graph.constant(float("nan"))
    for value, condition in reversed(pairs):
        if graph.types[condition].dtype != BOOL:
            raise ShapeError(
                "Piecewise takes pairs (expression, condition); this condition is a number",
                hint="write Piecewise((x, x > 0), (-x, True))",
            )
        if condition == true:
            result = graph.as_number(value)
        else:
            result = graph.apply(core.WHERE, (condition, value, result))
    return result


def _implies(graph: Graph, name: str, args: list[int], keywords: Mapping[str, int]) -> int:
    """SymPy's Implies: the second condition holds wherever the first does."""
    first, second = bind(name, ("a", "b"), args, keywords)
    return graph.apply(core.LOGICAL_OR, (graph.apply(core.LOGICAL_NOT, (first,)), second))


DEFINED = frozenset(name for name, _ in DEFINITIONS)
SPECIAL: dict[str, Callable[[Graph, str, list[Value], Mapping[str, Value]], int]] = {
    "And": _logic("logical_and"),
    "Or": _logic("logical_or"),
    "Xor": _logic("logical_xor"),
    "Not": _not,
    "ITE": _choose,
    "Implies": _implies,
}
SPECIAL |= {name: _extremum for name, op in CALLABLE.items() if op in (core.MIN, core.MAX)}

REDUCE = {"max": "max", "min": "min"}
"""The functions that compare several operands, or reduce one."""

_COUNTED = "would have a size that depends on values"
_FACTORS = "write solve(A, b), inv(A), det(A) or cholesky(A)"
UNAVAILABLE: dict[str, tuple[str, str]] = {
    "block": ("is not available", "write vstack([hstack([A, B]), hstack([C, D])])"),
    "expm": ("is not available", "write matrix_power(A, n) for a power"),
    "cond": ("is not available", "write norm(A, 2)/norm(A, -2)"),
    "matrix_rank": ("is not available", "write sum(svdvals(A) > 1e-12)"),
    "sqrtm": ("is not available", _FACTORS),
    "logm": ("is not available", _FACTORS),
    "eig": ("is not available", _FACTORS),
    "eigh": ("is not available", _FACTORS),
    "eigvals": ("is not available", _FACTORS),
    "eigvalsh": ("is not available", _FACTORS),
    "svd": ("gives several values", "write svdvals(A) for the singular values, pinv(A) or norm(A, 2)"),
    "qr": ("is not available", _FACTORS),
    "lu": ("is not available", _FACTORS),
    "nonzero": (_COUNTED, "write where(c, x, 0)"),
    "unique": (_COUNTED, "write sum(x == value) to count"),
    "flatnonzero": (_COUNTED, "write where(c, x, 0)"),
    "compress": (_COUNTED, "write where(c, x, 0)"),
    "array_split": ("gives several values", "write x[:2] and x[2:]"),
}
"""Functions that users of NumPy know and that are not in the language: what they are, and what to type."""
