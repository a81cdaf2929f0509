"""A function for arguments of certain shapes: its formula, and what was made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from symdiff.budget import CHEAP, current, exceeded, kept_limits, stage, timed, under
from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, ShapeError
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.signature import Argument
from symdiff.trees import Structure
from symdiff.types import known_product, tensor

if TYPE_CHECKING:
    from symdiff.functions.compiled import CompiledCase
    from symdiff.functions.function import Function
    from symdiff.optimize.program import Program, TensorProgram

LARGEST_ITEM = 8
"""Bytes of the largest type of elements."""


class Shelved:
    """A formula that lies in a container, and is read when somebody asks for it: its code answers calls without it.

    Parameters
    ----------
    read : reads the formula.
    compiled : makes what answers all calls.
    arguments : gives the arguments, where the function has none yet.
    """

    __slots__ = ("_compiled", "_made", "_read", "arguments", "limits")

    def __init__(
        self,
        read: Callable[[], Function],
        compiled: Callable[[], CompiledCase],
        arguments: Callable[[], tuple[Argument, ...]] = tuple,
    ) -> None:
        self._read, self._compiled, self.arguments = read, compiled, arguments
        self.limits = kept_limits()
        self._made: CompiledCase | None = None

    @property
    def compiled(self) -> CompiledCase:
        """What answers all calls, by the code in the container."""
        if self._made is None:
            self._made = self._compiled()
            self._made.general.limits = self.limits
        return self._made

    def opened(self) -> Case:
        """The formula.

        Raises
        ------
        StorageError
            Where it is not one.
        """
        with under(self.limits):
            case = self._read()._known
        case.compiled = self.compiled
        return case


@dataclass(slots=True)
class Case:
    """A formula whose shapes are known.

    Attributes
    ----------
    graph : its graph, which other functions share.
    outputs : names and nodes of the outputs.
    names : the nodes of the inputs and named lines.
    structure : how flat outputs are handed back.
    notes : what was chosen on the way to it.
    stable : whether it is a derivative: those are taken of stable forms, and none has to be looked for again.
    compiled : its code, once there is some.
    programs : what the optimizer made of it, by the rules of floating point.
    """

    graph: Graph
    outputs: tuple[tuple[str, int], ...]
    names: dict[str, int]
    structure: Structure = 0
    notes: tuple[str, ...] = ()
    stable: bool = False
    compiled: CompiledCase | None = None
    programs: dict[str, Program | TensorProgram] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes of the outputs."""
        return tuple([node for _, node in self.outputs])

    def leaves(self, argument: Argument) -> tuple[int, ...]:
        """The input nodes of an argument."""
        return tuple([self.names[name] for name in argument.inputs])

    def body(self, arguments: Sequence[Argument]) -> Body:
        """The formula as a closed graph: the inputs in call order, members of packs one by one, and the outputs."""
        return Body(self.graph, [self.names[name] for a in arguments for name in a.inputs], self.nodes)

    def has_arrays(self) -> bool:
        """Whether something is an array on the way: then elements of an argument's batch are not the result's."""
        graph = self.graph
        listed = {n for n in self.nodes if graph.ops[n] is core.STACK}
        return any(graph.types[n].shape and n not in listed for n in graph.live(self.nodes))

    def check_inputs(self, title: str, arguments: Sequence[Argument]) -> None:
        """Refuse arguments that are not the graph's inputs: native code would read beyond what a call gives it.

        Raises
        ------
        ShapeError
            Where an argument has another type than its input.
        """
        graph, names = self.graph, self.names
        types, ops, dtype = graph.types, graph.ops, graph.dtype
        number = tensor(dtype)
        for argument in arguments:
            wanted = argument.type(dtype) if argument.shape and argument.members is None else number
            for name in argument.inputs:
                node = names.get(name, -1)
                if node < 0 or ops[node] is not core.INPUT or (types[node] is not wanted and types[node] != wanted):
                    found = "no input" if node < 0 or ops[node] is not core.INPUT else f"{types[node]} in its formula"
                    raise ShapeError(f"{title}: the argument {name} is {wanted}, and {found}")

    def check_results(self) -> None:
        """Refuse results that are larger than the memory that limits allow."""
        graph, types = self.graph, self.graph.types
        if sum([known_product(types[n].shape) for n in self.nodes]) * LARGEST_ITEM <= CHEAP:
            return
        sizes = {n: known_product(types[n].shape) * np.dtype(types[n].dtype).itemsize for n in self.nodes}
        total = sum(sizes.values())
        if total > CHEAP:
            with under(graph.limits):
                if total > current().bytes:
                    place = graph.places.get(max(sizes, key=sizes.__getitem__))
                    raise exceeded("bytes", total, f"results of {total:,} bytes", place=place)

    def program(self, arguments: Sequence[Argument], fp: str) -> Program | TensorProgram:
        """What the optimizer makes of it, by the rules of floating point that `fp` names."""
        from symdiff.optimize.pipeline import optimize

        if fp not in ("strict", "contract", "fast"):
            raise ArgumentError(f"fp is {fp!r}", hint='"strict", "contract" or "fast"')
        if fp not in self.programs:
            dtype = self.graph.dtype
            operands = [(a.type(dtype), self.leaves(a)) for a in arguments]
            with under(self.graph.limits), timed():
                stage("optimizing")
                self.programs[fp] = optimize(self.graph, operands, self.nodes, fp=fp, stable=self.stable)
        return self.programs[fp]

    def program_within(
        self, arguments: Sequence[Argument], fp: str, title: str, memory: int | None
    ) -> Program | TensorProgram:
        """The program, with a plan that takes at most so many bytes of workspace.

        Raises
        ------
        ArgumentError
            Where none was found.
        """
        from symdiff.optimize.planning.lowering import make_plan
        from symdiff.optimize.program import TensorProgram

        program = self.program(arguments, fp)
        if memory is None or not isinstance(program, TensorProgram) or program.plan.workspace <= memory:
            return program
        plan = make_plan(program.graph, program.inputs, program.outputs, memory, program.checkpoints)
        if plan.workspace > memory:
            raise ArgumentError(
                f"{title} does not fit in memory={memory:,} bytes of workspace",
                hint=f"memory={plan.workspace:,} is the least that was found",
            )
        return replace(program, plan=plan)

    def check_cost(self, title: str, program: Program | TensorProgram) -> None:
        """Refuse a program of which one point already takes more than the limits allow."""
        for limit, value, what in (
            ("operations", program.operations, "operations a call"),
            ("bytes", program.memory, "bytes of workspace"),
        ):
            if value > getattr(current(), limit):
                graph = self.graph
                largest = max(graph.live(self.nodes), key=lambda n: known_product(graph.types[n].shape))
                raise exceeded(limit, value, f"{title} takes {value:,} {what}", place=graph.places.get(largest))
