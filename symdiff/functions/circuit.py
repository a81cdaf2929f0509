"""A formula as a circuit: which of its nodes are looked at, what they are called, and the numbers at a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate.operators import gradient, tangents
from symdiff.display.text import expression
from symdiff.errors import ArgumentError, UnknownNameError, nearest
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ir.inlining import inlined
from symdiff.ops import core
from symdiff.types import BOOL, INT64, show

if TYPE_CHECKING:
    from symdiff.functions.function import Function

LARGEST_CIRCUIT = 10_000


@dataclass(frozen=True, slots=True)
class Circuit:
    """The nodes of a function in the order of computation.

    Attributes
    ----------
    graph : holds the nodes.
    outputs : the outputs' nodes by name.
    nodes : those that are looked at: inputs, named lines and operations. Constants are not; a named line stands for the
        operation that it names.
    labels : what each is called: its name, or `t1`, `t2`, … .
    lines : the named line of an operation, by node.
    appended : the nodes that differentiation appended: those that came after what the user wrote, but for the forms
        that named lines were brought into. Empty where that is not known.
    """

    graph: Graph
    outputs: Mapping[str, int]
    nodes: tuple[int, ...]
    labels: Mapping[int, str]
    lines: Mapping[int, int]
    names: Mapping[str, int]
    appended: frozenset[int]

    @property
    def is_scalar(self) -> bool:
        """Whether it has one output that is a number, so that every node has a gradient."""
        types = [self.graph.types[node] for node in self.outputs.values()]
        return len(types) == 1 and not types[0].shape and types[0].dtype not in (BOOL, INT64)

    def has_name(self, node: int) -> bool:
        """Whether somebody gave a node its name."""
        return self.labels[node] in self.names or self.labels[node] in self.outputs

    def shown(self, node: int) -> int:
        """The node that stands for this one: the named line of an operation."""
        return self.lines.get(node, node)

    def computed(self, node: int) -> int:
        """The operation of a node: of a named line what it names, unless that is seen by itself."""
        if self.graph.ops[node] is not core.NAMED:
            return node
        value = self.graph.args[node][0]
        return value if self.lines.get(value) == node else node

    def operands(self, node: int) -> tuple[int, ...]:
        """The nodes that one is computed from; constants are not among them."""
        ops, lines = self.graph.ops, self.lines
        return tuple([lines.get(a, a) for a in self.graph.args[self.computed(node)] if ops[a] is not core.CONSTANT])

    def is_appended(self, node: int) -> bool:
        """Whether differentiation appended a node."""
        return node in self.appended

    def text(self, node: int) -> str:
        """What a node computes, of the names of its operands; nothing for an input."""
        graph, computed = self.graph, self.computed(node)
        if graph.ops[node] is core.INPUT:
            return ""
        if graph.ops[computed] is core.NAMED:
            computed = graph.args[computed][0]
            return self.labels.get(computed) or one_step(graph, computed, self.labels)
        return one_step(graph, computed, self.labels)


def read_circuit(f: Function) -> Circuit:
    """The circuit of a function whose shapes are known.

    Raises
    ------
    ArgumentError
        Where it is too large to look at.
    ShapeError
        Where shapes are known at each call only.
    """
    known = f._known
    graph = known.graph
    moved = inlined(graph, [*known.nodes, *known.names.values()])
    outputs = {title: moved.get(node, node) for title, node in known.outputs}
    names = {title: moved.get(node, node) for title, node in known.names.items()}
    ops, args = graph.ops, graph.args
    live = [n for n in graph.live(list(outputs.values())) if ops[n] is not core.CONSTANT]
    if len(live) > LARGEST_CIRCUIT:
        raise ArgumentError(f"the circuit has {len(live):,} nodes, too many to look at")
    alive = set(live)
    shown = [node for node in names.values() if ops[node] is core.INPUT and node not in alive] + live
    # a named line stands for its value: both are one
    lines = {args[n][0]: n for n in live if ops[n] is core.NAMED and ops[args[n][0]] not in LEAVES}
    labels = {node: name for name, node in names.items()}
    labels.update({n: str(graph.payloads[n]) for n in live if ops[n] in (core.INPUT, core.NAMED) and n not in labels})
    taken = set(labels.values())
    labels.update({node: title for title, node in outputs.items() if title not in taken and node not in labels})
    labels.update({value: labels[line] for value, line in lines.items()})
    for name, node in names.items():  # a derivative may use the value of a line without the line
        if ops[node] is core.NAMED and node not in alive and args[node][0] in alive:
            labels.setdefault(args[node][0], name)
    taken, count = {*labels.values(), *outputs}, 0
    nodes = []
    standing = set(lines.values())
    for found in shown:
        if found in standing:
            continue
        node = lines.get(found, found)
        nodes.append(node)
        if node not in labels:
            count += 1
            while f"t{count}" in taken:
                count += 1
            labels[node] = f"t{count}"
    appended: set[int] = set()
    if graph.written and not moved and live and live[-1] >= graph.written:
        formula = set(graph.live(names.values()))
        appended = {n for n in nodes if n >= graph.written and n not in formula}
    return Circuit(graph, outputs, tuple(nodes), labels, lines, names, frozenset(appended))


LEAVES = (core.INPUT, core.NAMED, core.CONSTANT)
"""What a line stands beside: these are no operations that it could stand for."""


def point_of(f: Function, point: Sequence[Any], keywords: Mapping[str, Any]) -> dict[int, Any]:
    """The values of the input nodes at a point that is given as for a call."""
    binder, trees = f._binder(), f._tree_binder()
    given = binder.order(tuple(point), dict(keywords)) if trees is None else trees.flat(tuple(point), dict(keywords))
    values, _ = binder.convert(given)
    leaves: dict[int, Any] = {}
    for argument, value in zip(f.arguments, values, strict=True):
        parts = [value] if argument.members is None else np.ravel(value)
        leaves.update(zip(f._known.leaves(argument), parts, strict=True))
    return leaves


@dataclass(frozen=True, slots=True)
class Numbers:
    """What the nodes of a circuit come to at a point; gradients or tangents where these were wanted."""

    values: Mapping[int, Any]
    gradients: Mapping[int, Any]
    tangents: Mapping[int, Any]


def circuit_numbers(circuit: Circuit, point: Mapping[int, Any], seed: Mapping[str, Any] | None = None) -> Numbers:
    """The values of all nodes, and the derivatives of the output by each; with `seed`, their tangents instead.

    One sweep of reverse mode gives all gradients, one of forward mode all tangents. Where there is no one output that
    is a number, there are no gradients.
    """
    graph = circuit.graph
    graded = [n for n in circuit.nodes if graph.types[n].dtype not in (BOOL, INT64)]
    slopes: dict[int, int] = {}
    with collector_paused():
        if seed is not None:
            slopes = dict(zip(graded, tangents(graph, graded, _seeds(circuit, seed)), strict=True))
        elif circuit.is_scalar:
            (output,) = circuit.outputs.values()
            slopes = dict(zip(graded, gradient(graph, output, graded), strict=True))
        wanted = [*circuit.nodes, *slopes.values()]
        found = dict(zip(wanted, evaluate(graph, wanted, point), strict=True))
    values = {node: plain_value(found[node]) for node in circuit.nodes}
    derived = {node: plain_value(found[slope]) for node, slope in slopes.items()}
    return Numbers(values, derived if seed is None else {}, derived if seed is not None else {})


def _seeds(circuit: Circuit, seed: Mapping[str, Any]) -> dict[int, int]:
    """The tangents of inputs and named lines, as constants."""
    graph, found = circuit.graph, {}
    for name, value in seed.items():
        node = circuit.names.get(name)
        if node is None:
            raise UnknownNameError(f"seed: {name!r} is no input or named line", hint=nearest(name, circuit.names))
        shape = graph.shape(node)
        try:
            given = np.broadcast_to(np.asarray(value, graph.dtype), shape)
        except (TypeError, ValueError):
            raise ArgumentError(f"seed: the tangent of {name} has not the shape {show(shape)} of {name}") from None
        found[node] = graph.constant(given if shape else float(given))
    return found


def plain_value(value: Any) -> Any:
    """A scalar as Python's own number."""
    return value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value


def one_step(graph: Graph, node: int, labels: Mapping[int, str]) -> str:
    """One operation, written with the names of its operands."""
    if graph.ops[node] is core.CONSTANT:
        return expression(graph, node, simplify=False, rows=False)
    small = Graph(graph.dtype)
    args = []
    for a in graph.args[node]:
        if graph.ops[a] is core.CONSTANT:
            args.append(small.constant(graph.payloads[a]))
        else:
            args.append(small.input(labels[a], graph.types[a].shape, graph.types[a].dtype))
    alone = small.add(graph.ops[node], tuple(args), graph.payloads[node])
    return expression(small, alone, simplify=False, rows=False)
