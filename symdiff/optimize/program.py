"""What code generation gets: scalar nodes whose routines are instructions, intrinsics or functions with an address."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import field

from symdiff.dataclass import dataclass
from symdiff.errors import VerifyError
from symdiff.frontend.bodies import expansion
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ir.verify import verify
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Expand, Fold, Movement, ScalarRoutine
from symdiff.optimize.planning.check import check_plan
from symdiff.optimize.planning.checkpoints import Checkpoints
from symdiff.optimize.planning.plan import Plan
from symdiff.types import Dim, Shape, TensorType, product

NOT_COUNTED = frozenset(("input", "constant", "where", "logical_and", "logical_or", "logical_xor", "logical_not"))


class Counts:
    """Floating-point operations by name, before and after optimization; counted when somebody asks."""

    def __init__(self, given: Body | None = None, made: Body | None = None) -> None:
        self._given, self._made = given, made

    @functools.cached_property
    def before(self) -> Mapping[str, int]:
        """What the graph asked for."""
        return _counted(self._given)

    @functools.cached_property
    def after(self) -> Mapping[str, int]:
        """What the program does."""
        return _counted(self._made)

    @property
    def total_before(self) -> int:
        """How many operations the graph asked for."""
        return sum(self.before.values())

    @property
    def total_after(self) -> int:
        """How many operations are left; a fused multiply-add counts once."""
        return sum(self.after.values())


@dataclass(frozen=True, slots=True)
class Program:
    """Scalar code in canonical order.

    Attributes
    ----------
    graph : nodes are inputs, whose payload is (operand index, flat element index), constants (float or bool) and
        operations whose routine is an ScalarRoutine.
    inputs : the type of each operand, in call order.
    outputs : for each output its elements' nodes in C order.
    types : the type of each output.
    counts : floating-point operations before and after optimization.
    """

    graph: Graph
    inputs: tuple[TensorType, ...]
    outputs: tuple[tuple[int, ...], ...]
    types: tuple[TensorType, ...]
    counts: Counts = field(default_factory=Counts)

    @property
    def operations(self) -> int:
        """How many operations one point takes."""
        return sum(map(bool, self.graph.args))

    @property
    def memory(self) -> int:
        """Bytes that a point takes at most, beside its results."""
        return 8 * len(self.graph)

    @property
    def roots(self) -> list[int]:
        """The nodes of all elements of all outputs."""
        return [node for output in self.outputs for node in output]

    @property
    def body(self) -> Body:
        """The code as a closed graph; its results are the elements of all outputs."""
        return Body.of(self.graph, self.roots)

    def verify(self) -> None:
        """Check the graph, and that nothing is in it that code generation does not know.

        Raises
        ------
        VerifyError
            Where something is.
        """
        verify(self.graph)
        graph = self.graph
        if len(self.body.order) != len(graph):
            raise VerifyError("there are nodes that no output depends on")
        for output, type_ in zip(self.outputs, self.types, strict=True):
            if len(output) != product(type_.shape) or any(graph.types[n].dtype != type_.dtype for n in output):
                raise VerifyError(f"an output of type {type_} has elements that do not fit it")
        for node, op in enumerate(graph.ops):
            if graph.types[node].shape:
                raise VerifyError(f"%{node}: {op.name} is not a scalar")
            if op is core.INPUT:
                operand, element = graph.payloads[node]
                if not (operand < len(self.inputs) and element < product(self.inputs[operand].shape)):
                    raise VerifyError(f"%{node}: there is no element {element} of operand {operand}")
            elif op is not core.CONSTANT and not isinstance(op.routine, ScalarRoutine):
                raise VerifyError(f"%{node}: {op.name} is not an operation of native code")


@dataclass(frozen=True, slots=True)
class TensorProgram:
    """Code on whole arrays, and how it is carried out.

    Attributes
    ----------
    graph : nodes are inputs, whose payload is (operand index, flat index of the first element), constants, operations
        of native code on each element, movements, reductions, sums of products, scans and linear algebra.
    inputs : the type of each operand, in call order.
    outputs : the node of each output.
    types : the type of each output.
    counts : floating-point operations before and after optimization.
    plan : the loops and calls that compute the outputs.
    checkpoints : where they are, if reverse mode passed any.
    """

    graph: Graph
    inputs: tuple[TensorType, ...]
    outputs: tuple[int, ...]
    types: tuple[TensorType, ...]
    counts: Counts
    plan: Plan
    checkpoints: Checkpoints | None = None

    @property
    def operations(self) -> int:
        """About how many operations one point takes."""
        return self.plan.operations

    @property
    def memory(self) -> int:
        """Bytes of workspace and of constant arrays."""
        return self.plan.workspace + sum(getattr(array, "nbytes", 0) for array in self.plan.constants)

    @property
    def roots(self) -> list[int]:
        """The nodes of all outputs."""
        return list(self.outputs)

    @property
    def body(self) -> Body:
        """The code as a closed graph."""
        return Body.of(self.graph, self.outputs)

    def verify(self) -> None:
        """Check the graph and the plan.

        Raises
        ------
        VerifyError
            Where something is wrong.
        """
        graph = self.graph
        verify(graph)
        if len(self.body.order) != len(graph):
            raise VerifyError("there are nodes that no output depends on")
        for node, type_ in zip(self.outputs, self.types, strict=True):
            if graph.types[node] != type_:
                raise VerifyError(f"an output of type {type_} is computed as {graph.types[node]}")
        for node, op in enumerate(graph.ops):
            if isinstance(op.routine, Expand | Fold):
                raise VerifyError(f"%{node}: {op.name} is not an operation of native code")
            if op is core.INPUT:
                operand, start = graph.payloads[node]
                size = product(graph.types[node].shape)
                if not (operand < len(self.inputs) and start + size <= product(self.inputs[operand].shape)):
                    raise VerifyError(f"%{node}: it does not lie in operand {operand}")
        check_plan(self.plan, [product(t.shape) for t in self.inputs], [product(t.shape) for t in self.types])


def _counted(body: Body | None) -> Mapping[str, int]:
    return {} if body is None else count_operations(body.graph, body.results)


def count_operations(graph: Graph, outputs: Iterable[int]) -> dict[str, int]:
    """Floating-point operations by name that the evaluation of `outputs` takes, elements of tensors counted each.

    Functions that stand for an expression count as the operations of that expression.
    """
    nodes = graph.live(outputs)
    ops, payloads, types = graph.ops, graph.payloads, graph.types
    found: dict[tuple[Op, object], int] = {}
    singly = set[Op]()
    arrays = graph.has_arrays and any(types[node].shape for node in nodes)
    for op, count in Counter([ops[node] for node in nodes]).items():
        if arrays or op.flops is not None or op.payload or type(op.routine) in (Movement, Fold):
            singly.add(op)
        elif op.name not in NOT_COUNTED:
            found[op, None] = count
    for node in nodes if singly else ():
        op, shape = ops[node], types[node].shape
        if op not in singly or op.name in NOT_COUNTED:
            continue
        times = _elements(shape) if shape else 1
        routine = op.routine
        if op.flops is not None:
            operands = [types[a] for a in graph.args[node]]
            if not any(isinstance(n, Dim) for t in (types[node], *operands) for n in t.shape):
                for name, count in op.flops(operands, types[node], payloads[node]).items():
                    found[OPS[name], None] = found.get((OPS[name], None), 0) + count
            continue
        if type(routine) is Movement:
            continue
        if type(routine) is Fold:
            op, times = OPS[routine.name], times * (len(graph.args[node]) - 1)
        key = (op, payloads[node] if op.payload else None)
        found[key] = found.get(key, 0) + times
    counts: dict[str, int] = {}
    for (op, payload), times in found.items():
        for name, count in _made_of(op, payload):
            counts[name] = counts.get(name, 0) + count * times
    return {name: counts[name] for name in sorted(counts) if counts[name]}


def _elements(shape: Shape) -> int:
    return 1 if any(isinstance(n, Dim) for n in shape) else product(shape)


@functools.cache
def _made_of(op: Op, payload: object) -> tuple[tuple[str, int], ...]:
    if not isinstance(op.routine, Expand):
        return ((op.name, 1),)
    body = expansion(op, payload)
    return tuple(count_operations(body.graph, [body.root]).items())
