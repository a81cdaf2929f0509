"""Tensors taken apart: every element becomes a scalar node, and moving elements costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import LimitError
from symdiff.interpret import compute
from symdiff.ir.body import Body, Domain
from symdiff.ir.graph import Graph
from symdiff.ops import OPS
from symdiff.ops.base import MatrixRoutine, Movement
from symdiff.ops.core import ADD, MUL, NEG, SUB, WHERE
from symdiff.ops.small_matrices import MOST_ROWS
from symdiff.optimize.patterns import CONSTANT
from symdiff.optimize.rewrite import TRANSPARENT, Rewriter
from symdiff.types import INT64, TensorType, fixed, product, show, tensor

LARGEST = 4096

Elements = np.ndarray[Any, np.dtype[np.object_]]


class Element:
    """A scalar node in an object array; `node` None is a zero that only filled a place, which sums leave out."""

    __slots__ = ("maker", "node")

    def __init__(self, maker: Scalarizer, node: int | None) -> None:
        self.maker = maker
        self.node = node

    def __add__(self, other: Any) -> Element:
        return self.maker.combine(ADD, None, (self, self.maker.lift(other)))

    def __radd__(self, other: Any) -> Element:
        return self.maker.combine(ADD, None, (self.maker.lift(other), self))

    def __mul__(self, other: Any) -> Element:
        return self.maker.combine(MUL, None, (self, self.maker.lift(other)))

    def __rmul__(self, other: Any) -> Element:
        return self.maker.combine(MUL, None, (self.maker.lift(other), self))


class Scalarizer:
    """Rebuilds a graph of tensors with scalar nodes only, through a rewriter that simplifies them as they are made.

    Zeros around a scattered value are not numbers of the formula: with `structural`, sums leave them out.
    """

    def __init__(self, rewriter: Rewriter, structural: bool = True) -> None:
        self.rewriter = rewriter
        self.zero = Element(self, None)
        self.structural = structural
        self.values: Mapping[int, Any] = {}
        """What the nodes of the last graph have become: an `Element`, an array of these, or indices."""

    def combine(self, op: Any, payload: Any, operands: tuple[Element, ...]) -> Element:
        """One elementwise operation on elements."""
        zero = self.zero
        if self.structural and any(e is zero for e in operands):
            if op is ADD:
                return operands[1] if operands[0] is zero else operands[0]
            if op is SUB and operands[1] is zero:
                return operands[0]
            if op is NEG or (op is WHERE and operands[1] is operands[2]):
                return zero
        return Element(self, self.rewriter.make(op, tuple([self.number(e) for e in operands]), payload))

    def lift(self, value: Any) -> Element:
        """What stands among elements: an element, a zero that a movement filled in, another number."""
        while isinstance(value, np.ndarray):
            value = value.item()
        if type(value) is Element:
            return value
        if type(value) is float and value == 0.0:
            return self.zero
        return Element(self, self.rewriter.constant(bool(value) if isinstance(value, bool | np.bool_) else value))

    def call(self, name: str, *operands: Any) -> Element:
        """An elementwise operation on elements, for the evaluation of records."""
        return self.combine(OPS[name], None, tuple([self.lift(e) for e in operands]))

    def number(self, element: Element) -> int:
        """The node of an element."""
        return self.rewriter.constant(0.0) if element.node is None else element.node

    def input(self, operand: int, start: int, type_: TensorType) -> Any:
        """The elements of the operand with this index; `start` is the flat index of its first element."""
        if not type_.shape:
            return Element(self, self.rewriter.input((operand, start), type_))
        check_size("an input", type_)
        scalar = tensor(type_.dtype)
        count = product(type_.shape)
        made = [Element(self, self.rewriter.input((operand, start + k), scalar)) for k in range(count)]
        return self._array(fixed(type_.shape), made)

    def run(self, graph: Graph, outputs: Sequence[int], operands: Mapping[int, Any]) -> list[list[int]]:
        """The elements of `outputs` in C order; `operands` gives those of the inputs.

        Raises
        ------
        LimitError
            Where a tensor has too many elements.
        """
        with np.errstate(all="ignore"):
            values = self.values = Body(graph, (), outputs).fold(_Apart(self, graph), dict(operands))
        number = self.number
        return [
            [number(v)] if type(v) is Element else [number(e) for e in v.ravel().tolist()]
            for v in (values[node] for node in outputs)
        ]

    def constant(self, value: Any) -> Any:
        """The elements of a constant; indices stay what they are."""
        if not isinstance(value, np.ndarray):
            return Element(self, self.rewriter.constant(value))
        if value.dtype == INT64:
            return value
        check_size("constant", tensor(value.dtype.name, value.shape))
        return self._numbers(value)

    def operation(self, graph: Graph, node: int, operands: list[Any]) -> Any:
        """The elements of an operation."""
        op, type_ = graph.ops[node], graph.types[node]
        if op in TRANSPARENT:
            return operands[0]
        if type_.dtype == INT64:
            raise LimitError("an index that depends on inputs is not taken apart")
        if not type_.shape and all(type(value) is Element for value in operands):
            return self._scalar(graph, node, operands)
        check_size(op.name, type_)
        return self._tensor(graph, node, operands)

    def _scalar(self, graph: Graph, node: int, operands: list[Element]) -> Element:
        op, payload = graph.ops[node], graph.payloads[node]
        if isinstance(op.routine, Movement):
            found = self._tensor(graph, node, operands)
            return found if isinstance(found, Element) else found.item()
        return self.combine(op, payload, tuple(operands))

    def _tensor(self, graph: Graph, node: int, operands: list[Any]) -> Any:
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        shape = fixed(graph.types[node].shape)
        if not args:
            return self._numbers(compute(op, payload, (), graph.dtype))
        arrays = [self._array((), [v]) if type(v) is Element else v for v in operands]
        if isinstance(op.routine, MatrixRoutine):
            if not self.structural or not is_small_matrix(graph, node):
                raise LimitError(f"{op.name} is not taken apart")
            assert op.routine.unrolled is not None
            return self._moved(op.routine.unrolled(self.call, *arrays, payload), shape)
        if isinstance(op.routine, Movement):
            evaluate, unrolled = op.routine.evaluate, op.routine.unrolled
            return self._moved(unrolled(self.call, *arrays, payload) if unrolled else evaluate(*arrays, payload), shape)
        combine: Callable[..., Element] = self.combine
        flat = [np.broadcast_to(a, shape).ravel().tolist() for a in arrays]
        return self._array(shape, [combine(op, payload, each) for each in zip(*flat, strict=True)])

    def _moved(self, found: Any, shape: tuple[int, ...]) -> Any:
        """What a movement gave, with the zeros that it filled in as elements."""
        if not shape:
            return self.lift(found)
        return self._array(shape, [self.lift(e) for e in np.asarray(found, object).ravel().tolist()])

    def _numbers(self, values: Any) -> Elements:
        constant = self.rewriter.constant
        return self._array(values.shape, [Element(self, constant(x)) for x in values.ravel().tolist()])

    def _array(self, shape: tuple[int, ...], elements: Sequence[Element]) -> Elements:
        made = np.empty(len(elements), object)
        made[:] = elements
        return made.reshape(shape)


class _Apart(Domain[Any]):
    """The domain of elements: a scalar becomes an `Element`, an array an array of these."""

    def __init__(self, maker: Scalarizer, graph: Graph) -> None:
        self.maker, self.graph = maker, graph
        self.special = range(len(graph))
        self.constant = maker.constant  # type: ignore[method-assign]

    def input(self, name: Any, type_: TensorType) -> Element:
        """A number; arrays are given from the start."""
        if type_.shape or type_.dtype == INT64:
            raise LimitError("an index that depends on inputs is not taken apart")
        return Element(self.maker, self.maker.rewriter.input(name, type_))

    def at(self, node: int, values: dict[int, Any]) -> Any:
        """The elements of an operation."""
        return self.maker.operation(self.graph, node, [values[a] for a in self.graph.args[node]])


def unrolls(graph: Graph, nodes: Iterable[int], strict: bool = False) -> bool:
    """Whether these nodes can be taken apart: no indices that are not constants, and linear algebra of few rows.

    With `strict` none of it: a library rounds in another order.
    """
    for node in nodes:
        op = graph.ops[node]
        if isinstance(op.routine, MatrixRoutine) and (strict or not is_small_matrix(graph, node)):
            return False
        if graph.types[node].dtype == INT64 and op is not CONSTANT:
            return False
    return True


def is_small_matrix(graph: Graph, node: int) -> bool:
    """Whether an operation of linear algebra is on a matrix of few rows, and can be taken apart."""
    routine = graph.ops[node].routine
    if isinstance(routine, MatrixRoutine) and routine.unrolled is None:
        return False
    return 0 < fixed(graph.types[graph.args[node][0]].shape)[-1] <= MOST_ROWS


def check_size(name: str, type_: TensorType) -> None:
    """Refuse a tensor that would become too much straight-line code.

    Raises
    ------
    LimitError
        Where it has more elements than `LARGEST`.
    """
    if product(type_.shape) > LARGEST:
        raise LimitError(
            f"{name}: an array of shape {show(type_.shape)} has {product(type_.shape):,} elements; "
            f"arrays of up to {LARGEST:,} elements are taken apart"
        )
