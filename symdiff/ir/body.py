"""A body: a closed graph with parameters and results, and the one loop over it.

What a pass makes of a graph it says as a `Domain`: what constants, inputs, names and operations become. Values of NumPy
make the interpreter, nodes of another graph a rebuild or a splice, texts a printer. The loop itself is `Body.fold`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Generic, TypeVar

from symdiff.errors import ArgumentError, IndexRangeError, Place
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core
from symdiff.ops.core import CONSTANT, INPUT, NAMED
from symdiff.types import TensorType

V = TypeVar("V")


class Domain(Generic[V]):
    """What the nodes of a body become: what a pass says, the loop is `Body.fold`.

    Attributes
    ----------
    special : the operations (their nodes) that `at` makes, which sees the node and all values so far; the others are
        made by `make`.
    """

    special: Collection[int] = ()

    def constant(self, value: Any) -> V:
        """A constant: a float, a bool or an array."""
        raise NotImplementedError

    def input(self, name: Any, type_: TensorType) -> V:
        """An input that is not among the values known from the start; without a word, that is an error."""
        raise ArgumentError(f"no value is given for the input {name}")

    def named(self, name: str, value: V) -> V:
        """A line with a name; without a word, what it names."""
        return value

    def make(self, op: Op, args: tuple[V, ...], payload: Any) -> V:
        """The operation `op(args)`."""
        raise NotImplementedError

    def at(self, node: int, values: dict[int, V]) -> V:
        """The operation at a node among the `special` ones; its operands' values are in `values`."""
        raise NotImplementedError


class Nodes(Domain[int]):
    """The nodes of another graph, which `make` appends to: `graph.add`, or `graph.apply` for what a person wrote."""

    def __init__(self, graph: Graph, make: Callable[[Op, tuple[int, ...], Any], int] | None = None) -> None:
        self.graph = graph
        self.constant = graph.constant  # type: ignore[method-assign]  # the graph's own, a call less for every node
        self.make = graph.add if make is None else make  # type: ignore[assignment,method-assign]

    def input(self, name: Any, type_: TensorType) -> int:
        """The input of the same name."""
        return self.graph.input(name, type_.shape, type_.dtype)


class NamedNodes(Nodes):
    """As `Nodes`, with the names of lines."""

    def named(self, name: str, value: int) -> int:
        """The line under its name."""
        return self.make(NAMED, (value,), name)


class Body:
    """A closed graph: parameters, which are inputs, and results.

    Attributes
    ----------
    graph : holds the nodes; it may hold others.
    parameters : the inputs that a use gives values for, in the order in which it gives them.
    results : the nodes that are wanted.
    order : the nodes that the results depend on, operands before users; found once. Who makes a body may choose another
        order, and leave nodes out that the domain does without.

    Examples
    --------
    >>> from symdiff.ir.graph import Graph
    >>> graph = Graph()
    >>> x = graph.input("x")
    >>> body = Body(graph, [x], [graph.add("sin", (x,))])
    >>> target = Graph()
    >>> (node,) = body.splice(target, [target.constant(0.5)])
    >>> target.ops[node].name, target.payloads[target.args[node][0]]
    ('sin', 0.5)
    """

    __slots__ = ("_chosen", "_leaves", "_order", "graph", "parameters", "results")

    def __init__(
        self, graph: Graph, parameters: Sequence[int], results: Sequence[int], order: Sequence[int] | None = None
    ) -> None:
        self.graph = graph
        self.parameters = tuple(parameters)
        self.results = tuple(results)
        self._order = order
        self._chosen = order is not None
        self._leaves: dict[Any, int] | None = None

    @classmethod
    def of(cls, graph: Graph, results: Sequence[int]) -> Body:
        """The body of some nodes; its parameters are the inputs that they depend on."""
        order = graph.live(results)
        ops = graph.ops
        body = cls(graph, [n for n in order if ops[n] is INPUT], results)
        body._order = order
        return body

    def __repr__(self) -> str:
        names = ", ".join(str(self.graph.payloads[n]) for n in self.parameters)
        return f"<Body({names}) of {len(self.order)} nodes>"

    @property
    def order(self) -> Sequence[int]:
        """The nodes of the body, operands before users."""
        if self._order is None:
            self._order = self.graph.live(self.results)
        return self._order

    @property
    def root(self) -> int:
        """The one result."""
        (root,) = self.results
        return root

    @property
    def leaves(self) -> dict[Any, int]:
        """The inputs that the results depend on, by name."""
        if self._leaves is None:
            graph = self.graph
            self._leaves = {graph.payloads[n]: n for n in self.order if graph.ops[n] is INPUT}
        return self._leaves

    def users(self) -> Counter[int]:
        """For each node, how often nodes of the body and its results use it."""
        operands = map(self.graph.args.__getitem__, self.order)
        return Counter(chain.from_iterable(chain((self.results,), operands)))

    def fold(
        self,
        domain: Domain[V],
        values: dict[int, V] | None = None,
        *,
        uses: dict[V, int] | None = None,
        places: dict[V, Place] | None = None,
    ) -> dict[int, V]:
        """What the nodes become in a domain, by node, one after the other.

        Parameters
        ----------
        values : what is known from the start, of inputs or of any nodes to cut the graph at: nothing below these is
            looked at unless something else needs it. The dictionary is filled and returned.
        uses : if given, how many users the operations have in this body is added under what they become, as they
            become it.
        places : if given, the nodes' places in the text that they come from go into it under what they become.

        Raises
        ------
        ArgumentError
            Where an input has no value and the domain has none for it.
        IndexRangeError
            What the domain raises so, with the array, its axis and the place in the text.
        """
        graph = self.graph
        ops, args, payloads, types, sources = graph.ops, graph.args, graph.payloads, graph.types, graph.places
        if values is None:
            values = {}
        order = self._order
        if not self._chosen:
            order = graph.live(self.results, values) if any(map(args.__getitem__, values)) else self.order
        assert order is not None
        users: Mapping[int, int] = self.users() if uses is not None else {}
        given = bool(values)
        constant, make, special = domain.constant, domain.make, domain.special
        value_of = values.__getitem__
        node = -1
        try:
            for node in order:
                if given and node in values:
                    continue
                op = ops[node]
                if op is CONSTANT:
                    made = constant(payloads[node])
                elif op is INPUT:
                    made = domain.input(payloads[node], types[node])
                else:
                    if op is NAMED:
                        made = domain.named(payloads[node], values[args[node][0]])
                    elif special and node in special:
                        made = domain.at(node, values)
                    else:
                        made = make(op, tuple(map(value_of, args[node])), payloads[node])
                    if uses is not None:
                        uses[made] = uses.get(made, 0) + users[node]
                values[node] = made
                if places is not None and node in sources:
                    places.setdefault(made, sources[node])
        except IndexRangeError as error:
            raise self._located(node, error) from None
        return values

    def _located(self, node: int, error: IndexRangeError) -> IndexRangeError:
        """The error for an index with the array that it is of, its axis, and the place in the text."""
        graph = self.graph
        array, payload = graph.args[node][0], graph.payloads[node]
        named = graph.ops[node] is core.GATHER and graph.ops[array] in (INPUT, NAMED)
        axis = f"axis {payload} of {graph.payloads[array]}, which is" if named else "an axis"
        return IndexRangeError(error.index, error.size, axis=axis, point=error.point, place=graph.places.get(node))

    def splice(self, graph: Graph, arguments: Iterable[int]) -> tuple[int, ...]:
        """The results in another graph, with nodes of it for the parameters, whatever their shapes; names are dropped.

        Raises
        ------
        ShapeError
            Where the shapes do not fit.
        ValueError
            Where there are more or fewer arguments than parameters.
        """
        values = self.fold(Nodes(graph, graph.apply), dict(zip(self.parameters, arguments, strict=True)))
        return tuple([values[node] for node in self.results])

    def copy(self, graph: Graph, known: dict[int, int] | None = None) -> dict[int, int]:
        """The nodes in another graph, with names and places: inputs by their names, unless `known` has nodes for them.

        The limits that this graph was made under hold for the other from now on.

        Returns
        -------
        dict of int to int
            The nodes of the other graph by those of this one.
        """
        graph.limit_as(self.graph)
        with graph.lock:
            return self.fold(NamedNodes(graph, graph.apply), dict(known or {}), places=graph.places)
