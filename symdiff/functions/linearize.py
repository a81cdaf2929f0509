"""`linearize`: the value at a point, and the linear map of tangents there, of which nothing is computed twice."""

from __future__ import annotations

import inspect
from typing import Any
from weakref import WeakKeyDictionary

from symdiff.budget import timed, under
from symdiff.differentiate.operators import tangents
from symdiff.functions.binder import signature
from symdiff.functions.directions import Extended, with_tangents
from symdiff.functions.function import Function
from symdiff.functions.record import read_source, without_symbols
from symdiff.functions.transforms import prepare, stable
from symdiff.functions.tree_arguments import free_name
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core, movement
from symdiff.signature import Argument, listed_parameters
from symdiff.types import BOOL, INT64

MOST_SINGLE = 32
"""So many numbers of the point are arguments of their own; more scalars are one vector."""


def linearize(fun: Any, wrt: Any = None) -> Linearization:
    """The value of a function and its derivative as a linear map, at the points that it is called with.

    JAX's ``value, linear = jax.linearize(f, x)`` is ``value, linear = sd.linearize(f)(x)``: what `linearize` gives is
    called as the function is, as often as one likes. `linear` takes the tangents, those of `jvp`, and gives what the
    function gives. All that does not depend on a tangent is computed once, at the point, so each product is cheaper
    than one by `jvp`: for solvers that take many at one point.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.
    wrt : as for `grad`.

    Raises
    ------
    ArgumentError
        As for `grad`.

    Examples
    --------
    >>> import symdiff as sd
    >>> value, linear = sd.linearize("f(x, a) = a*exp(x)", "x")(0.0, 3.0)
    >>> value, linear(2.0)
    (3.0, 6.0)
    >>> linear
    <LinearMap f(x_dot)>
    """
    return Linearization(fun if isinstance(fun, Function) else read_source(fun, wrt), without_symbols(wrt))


class Linearization:
    """A function that gives its value and a linear map, made by `linearize`."""

    def __init__(self, function: Function, wrt: Any) -> None:
        self.function, self.wrt = function, wrt
        self._made: WeakKeyDictionary[Function, Halves] = WeakKeyDictionary()
        if function._cases is None:
            self._parts(function)

    def __repr__(self) -> str:
        return f"<Linearization of {self.function!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Linearization, (self.function, self.wrt)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def __call__(self, *args: Any, **keywords: Any) -> tuple[Any, LinearMap]:
        """The value, and the linear map of tangents."""
        f = self.function
        made = f.specialize(*args, **keywords)
        parts = self._parts(made)
        value, residuals = parts.at(*args, **keywords)
        return value, LinearMap(f.__name__, parts, residuals)

    def _parts(self, f: Function) -> Halves:
        found = self._made.get(f)
        if found is None:
            with under(f.graph.limits), timed(), collector_paused():
                found = self._made[f] = Halves(f, self.wrt)
        return found


class LinearMap:
    """The derivative of a function at one point, as a function of tangents.

    Attributes
    ----------
    function : the Function of the numbers that belong to the point, and of the tangents.
    residuals : these numbers.
    """

    def __init__(self, name: str, parts: Halves, residuals: tuple[Any, ...]) -> None:
        self.__name__ = name
        self.function, self.residuals = parts.linear, residuals
        self._tangents = parts.tangents

    def __repr__(self) -> str:
        return f"<LinearMap {self.__name__}({listed_parameters(self._tangents)})>"

    @property
    def __signature__(self) -> inspect.Signature:
        return signature(self._tangents)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The product of the Jacobian with tangents."""
        return self.function(*self.residuals, *args, **keywords)


class Halves:
    """The two halves of a function with its tangent: what belongs to the point, and what is linear.

    Attributes
    ----------
    at : the function of the inputs that gives (value, residuals).
    linear : the function of the residuals and the tangents.
    tangents : the arguments for these.
    """

    def __init__(self, f: Function, wrt: Any) -> None:
        f, targets = stable(*prepare(f, wrt))
        given = with_tangents(f, targets, wrt)
        graph = given.function.graph
        results = tangents(graph, given.function.nodes, given.seeds(given.wrt))
        known = set(given.function.arguments)
        self.tangents = [a for a in given.arguments if a not in known]
        self._split(given, results)

    def _split(self, given: Extended, results: list[int]) -> None:
        f = given.function
        graph = f.graph
        live = graph.live(results)
        moving = set(given.added)
        for node in live:
            if any(a in moving for a in graph.args[node]):
                moving.add(node)
        inner = _inner(graph, live, moving, results)
        needed = {a for n in inner for a in graph.args[n] if a not in inner} | {n for n in results if n not in inner}
        frontier = [n for n in sorted(needed) if graph.ops[n] is not core.CONSTANT and n not in given.added]
        scalars = [n for n in frontier if not graph.types[n].shape]
        if len(scalars) <= MOST_SINGLE:
            scalars = []
        packs = set(scalars)
        single = [n for n in frontier if n not in packs]
        packed = [graph.add(core.STACK, tuple(map(graph.as_number, scalars)))] if scalars else []
        outputs = [*packed, *map(graph.as_number, single)]
        values = list(zip(f.outputs, f.nodes, strict=True))
        count = len(values)
        self.at = f._with_outputs(
            f.__name__,
            [*values, *((f"residual_{k}", node) for k, node in enumerate(outputs))],
            (f._structure, tuple(range(count, count + len(outputs)))),
            stable=True,
        )
        self._linear(given, results, inner, scalars, single)

    def _linear(
        self, given: Extended, results: list[int], inner: list[int], packed: list[int], single: list[int]
    ) -> None:
        f = given.function
        source, graph = f.graph, Graph(f.graph.dtype)
        taken = {a.name for a in self.tangents}
        arguments: list[Argument] = []
        inputs: dict[str, int] = {}
        found: dict[int, int] = {}

        def argument(shape: tuple[int, ...]) -> int:
            name = free_name("residual", taken)
            taken.add(name)
            arguments.append(Argument(name, shape))
            inputs[name] = graph.input(name, shape)
            return inputs[name]

        def restored(node: int, value: int) -> int:
            if source.types[node].dtype != BOOL:
                return value
            return graph.add(core.NOT_EQUAL, (value, graph.constant(0.0)))

        if packed:
            vector = argument((len(packed),))
            found.update((n, restored(n, movement.element(graph, vector, (k,)))) for k, n in enumerate(packed))
        found.update((n, restored(n, argument(source.shape(n)))) for n in single)
        for tangent, node in zip(self.tangents, given.added, strict=True):
            arguments.append(tangent)
            inputs[tangent.name] = found[node] = graph.input(tangent.name, tangent.shape)
        for node in inner:
            for a in source.args[node]:
                if a not in found:
                    found[a] = graph.constant(source.payloads[a])
            args = tuple(found[a] for a in source.args[node])
            found[node] = graph.add(source.ops[node], args, source.payloads[node])
        for node in results:
            if node not in found:
                found[node] = graph.constant(source.payloads[node])
        pairs = [(f"jvp_{title}", found[n]) for title, n in zip(f.outputs, results, strict=True)]
        self.linear = Function(
            graph,
            arguments,
            pairs,
            name=f"linear_{f.__name__}",
            names=inputs,
            structure=f._structure,
            stable=True,
        )


def _inner(graph: Graph, live: list[int], moving: set[int], results: list[int]) -> list[int]:
    """The nodes that are computed for every tangent, ascending: those that depend on one, and indices, zeros and ones.

    Indices are not numbers that a function could be given; what has no operands is made where it is used.
    """
    inner: set[int] = set()
    used = set(results)
    for node in reversed(live):
        if node in used and (_made(graph, node) or (node in moving and graph.args[node])):
            inner.add(node)
            used.update(graph.args[node])
    return sorted(inner)


def _made(graph: Graph, node: int) -> bool:
    """Whether a node without a tangent is made again for every tangent."""
    op = graph.ops[node]
    if op is core.CONSTANT:
        return False
    repeats = op is core.BROADCAST and graph.ops[graph.args[node][0]] is core.CONSTANT
    return graph.types[node].dtype == INT64 or op in (core.IOTA, core.SIZE) or repeats
