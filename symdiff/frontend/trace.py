"""Python functions into graphs: they are called once, with an Expr for each argument."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from symdiff.errors import ArgumentError, CallError, MissingAttributeError, NeedsShape, Open, SymdiffError
from symdiff.frontend.calls import is_function
from symdiff.frontend.constants import declare_scalars
from symdiff.frontend.expr import BUILD, Expr, as_node, is_operand
from symdiff.frontend.given import checked_name
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ir.unshaped import Unshaped
from symdiff.ops import core, movement
from symdiff.signature import Argument, parameters_of
from symdiff.trees import DEEPEST, arrange, fields_of, keys_of, too_deep
from symdiff.types import FLOAT64

_OBJECTS = (
    r"dtype\('O'\)|\bobject\b|loop of ufunc|with a sequence|scalar arrays|Expr'? (object|which)|"
    r"of type Expr|real number, not 'Expr'|'Expr'|ndarray' object has no|"
    r"not supported for the input types"
)
"""What NumPy says where it met expressions in an array of objects."""

LISTED = 'list the inputs: sd.function(fun, ["x", "y"])'


class Traced(NamedTuple):
    """What a Python function is.

    Attributes
    ----------
    graph : its formula.
    outputs : what it returned: nodes, in tuples, dicts and lists.
    arguments : what it was called with.
    """

    graph: Graph
    outputs: Any
    arguments: list[Argument]


def trace(
    fun: Callable[..., Any],
    arguments: Sequence[Argument] | None = None,
    dtype: str = FLOAT64,
    numbers: Collection[str] | None = None,
) -> Traced | Open:
    """The formula of `fun`, or that it is open: it depends on the shape of a name that has none.

    Without `arguments` they are scalars named as its parameters; parameters with a default keep their default.
    A list that it returns is one vector. Where `numbers` are given, these are scalars for certain, and others without
    a shape may be arrays.

    Only an exception leads out of the code of a user, so expressions raise `NeedsShape` in it; that ends here.

    Raises
    ------
    CallError
        Where its parameters have no names, or it returns what is no number or expression.
    """
    given = parameters(fun) if arguments is None else list(arguments)
    graph = Graph(dtype)
    inputs = [Expr(graph, input_node(graph, argument)) for argument in given]
    if numbers is not None:
        declare_scalars(graph, numbers)
        graph.unshaped = Unshaped()
        for argument in given:
            if not argument.shape and argument.members is None and argument.name not in numbers:
                graph.unshaped.add(argument.name)
    with collector_paused():
        try:
            outputs = collect_results(graph, _called(fun, _values(given, inputs)), callable_name(fun))
        except NeedsShape as error:
            return Open.of(error)
    _check_inputs(graph, outputs, given, callable_name(fun))
    graph.unshaped = None
    return Traced(graph, outputs, given)


def _called(fun: Callable[..., Any], values: Sequence[Any]) -> Any:
    """What a function returns, with what to type in the errors that it raises."""
    try:
        return fun(*values)
    except MissingAttributeError as error:
        plain = AttributeError(error.message).with_traceback(error.__traceback__)
        raise explained(plain, callable_name(fun), error.hint) from error
    except SymdiffError as error:
        if not isinstance(error, NeedsShape):
            error.hint = _by_scipy(error) or error.hint
        raise
    except Exception as error:
        raise explained(error, callable_name(fun)) from error


def explained(error: Exception, name: str, otherwise: str = "") -> SymdiffError:
    """The error for what a function raised while it was called with expressions, with what to type if that is known.

    `otherwise` is said where nothing is known.
    """
    cause = error.__cause__ or error.__context__
    while cause is not None and not isinstance(cause, SymdiffError):
        cause = cause.__cause__ or cause.__context__
    if isinstance(cause, NeedsShape):
        return cause  # NumPy put an error of its own in its place
    text = f"{type(error).__name__}: {error}"
    scipy = _by_scipy(error)
    if scipy:
        hint = scipy
    elif isinstance(error, AttributeError) and "Expr" in text:
        hint = "an expression has those that make new values: x.T, x.sum(); instead of x.sort() write np.sort(x)"
    elif isinstance(error, IndexError):
        hint = "to choose from an array of numbers by an expression write sd.array(a)[k]"
    elif re.search(_OBJECTS, text):
        hint = f"NumPy takes expressions in an array or a list for objects: {BUILD}"
    elif cause is not None:
        hint = cause.hint
    else:
        hint = otherwise or (
            "it is called once with expressions to find its formula: what it does must not depend on their values"
        )
    return CallError(f"{name} cannot be traced: {text}", hint=hint)


def _by_scipy(error: BaseException) -> str:
    """What to write instead of the function of SciPy's that an error comes from, or nothing."""
    frame = error.__traceback__
    while frame is not None:
        module = str(frame.tb_frame.f_globals.get("__name__", ""))
        name = frame.tb_frame.f_code.co_name
        if module.startswith("scipy.") and not name.startswith(("_", "<")):
            instead = f"write sd.{name}(x)" if is_function(name) else "write its formula"
            return f"{name} of SciPy's computes with numbers, not with expressions: {instead}"
        frame = frame.tb_next
    return ""


def callable_name(fun: Callable[..., Any]) -> str:
    """What a function is called; `f` where it has no name that the language has, as a lambda's."""
    try:
        return checked_name(getattr(fun, "__name__", "f"))
    except SymdiffError:
        return "f"


def parameters(fun: Callable[..., Any]) -> list[Argument]:
    """The scalar arguments that the parameters of a Python function name.

    Raises
    ------
    CallError
        Where it takes `*args`, or its signature cannot be known.
    """
    try:
        signature = inspect.signature(fun)
    except (TypeError, ValueError):
        raise CallError(f"the parameters of {callable_name(fun)} are not known", hint=LISTED) from None
    found = []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            raise CallError(f"{callable_name(fun)} takes *{parameter.name}, which names no inputs", hint=LISTED)
        if parameter.kind is parameter.VAR_KEYWORD or parameter.default is not parameter.empty:
            continue
        if parameter.kind is parameter.KEYWORD_ONLY:
            raise CallError(
                f"{callable_name(fun)} takes {parameter.name} by keyword only",
                hint="give it a default, or fix it with functools.partial",
            )
        found.append(Argument(checked_name(parameter.name)))
    return found


def input_node(graph: Graph, argument: Argument) -> int:
    """The value of an argument inside the function: a tensor, or the vector of a pack's members."""
    if argument.members is None:
        return graph.input(argument.name, argument.shape)
    if not argument.members:
        return graph.constant(np.zeros(0))
    return movement.reshape(graph, graph.add(core.STACK, tuple(map(graph.input, argument.members))), argument.shape)


def _values(arguments: Sequence[Argument], inputs: Sequence[Expr]) -> Sequence[Any]:
    """What a function is called with: expressions, put together where a parameter takes a tree."""
    if not any(a.place for a in arguments):
        return inputs
    return [
        inputs[p.start] if p.tree is None else arrange(p.tree.structure, inputs[p.start :])
        for p in parameters_of(arguments)
    ]


def collect_results(graph: Graph, result: Any, name: str, depth: int = DEEPEST) -> Any:
    """What a function returned, with a node for each output; tuples and dicts stay apart.

    A list is one vector; one with a dict, a named tuple or a tuple of arrays among its entries is a list of these.

    Raises
    ------
    CallError
        Where something in it is no number or expression.
    """
    if isinstance(result, Mapping):
        inner, parts = _deeper(depth, name), list(result.values())
        return {
            k: collect_results(graph, part, name, inner)
            for k, part in zip(keys_of(dict(result), name), parts, strict=True)
        }
    if isinstance(result, tuple):
        parts = [collect_results(graph, part, name, _deeper(depth, name)) for part in result]
        return tuple(parts) if fields_of(type(result), name) is None else type(result)(*parts)
    if isinstance(result, list) and any(_stays_apart(entry) for entry in result):
        return [collect_results(graph, part, name, _deeper(depth, name)) for part in result]
    if result is None:
        raise CallError(f"{name} returned None", hint="end it with return and its value")
    if not is_operand(result):
        raise CallError(
            f"{name} returned a value of type {type(result).__name__}, which is no number or expression",
            hint="return an expression, a list (one vector), or a tuple or dict of these (several outputs)",
        )
    return as_node(graph, result)


def _deeper(depth: int, name: str) -> int:
    if depth == 0:
        raise too_deep(f"the results of {name}")
    return depth - 1


def _stays_apart(value: Any) -> bool:
    """Whether an entry of a list is a tree: a dict, a named tuple, a tuple of arrays, or a list with one of these."""
    stack, depth = [value], 0
    while stack and depth <= DEEPEST:
        inner: list[Any] = []
        for item in stack:
            if isinstance(item, Mapping) or hasattr(type(item), "_fields"):
                return True
            if isinstance(item, tuple) and any(getattr(part, "shape", ()) for part in item):
                return True
            if isinstance(item, list | tuple):
                inner += item
        stack, depth = inner, depth + 1
    return False


def _check_inputs(graph: Graph, outputs: Any, arguments: Sequence[Argument], name: str) -> None:
    known = {n for a in arguments for n in a.inputs}
    roots: list[int] = []
    stack = [outputs]
    while stack:
        item = stack.pop()
        if isinstance(item, int):
            roots.append(item)
        else:
            stack.extend(item.values() if isinstance(item, dict) else item)
    used = [graph.payloads[n] for n in graph.live(roots) if graph.ops[n] is core.INPUT]
    missing = [n for n in used if n not in known]
    if missing:
        raise ArgumentError(
            f"{name} uses {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not among its inputs",
            hint="make it a parameter of the function",
        )
