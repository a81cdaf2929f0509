"""Function: a formula with arguments, in a graph that its derivatives share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from symdiff import locks
from symdiff.budget import CHEAP, current, exceeded, timed, under
from symdiff.errors import ArgumentError, ShapeError
from symdiff.frontend.annotations import Called, Expressions
from symdiff.frontend.expr import Expr, together
from symdiff.functions.binder import Binder, signature
from symdiff.functions.calls import Call
from symdiff.functions.compiled import CompiledFunction, Formula
from symdiff.functions.direct import Direct, Sealed, enable, put
from symdiff.functions.exchange import Exchange
from symdiff.functions.tree_arguments import TreeBinder
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.signature import Argument, listed_parameters
from symdiff.trees import Structure, arrange
from symdiff.types import TensorType, known_product, show, tensor

if TYPE_CHECKING:
    from symdiff.codegen import Options
    from symdiff.functions.steps import Steps
    from symdiff.optimize.program import Program, TensorProgram


LARGEST_ITEM = 8
"""Bytes of the largest type of elements."""

COMPILING = locks.lock(locks.COMPILING)
"""Held while a function compiles itself at its first call, so that many threads compile it once."""

FUNCTION_BYTES, NODE_BYTES = 20_000, 900
"""What a function takes, with its program, and each node of its graph (measured)."""


class Function(Exchange, Sealed, Direct):
    """A symbolic function; its first call compiles it.

    Made by `symdiff.function` and by every transform (`grad`, `hessian`, …), which append their nodes to the same
    graph. Called with numbers it gives numbers, with arrays it broadcasts as a NumPy ufunc does, with an `Expr` it is
    inlined.

    Attributes
    ----------
    inputs : the arguments' names, in call order; the members' names for a packed vector.
    outputs : the names of the outputs.
    names : every input and named line.
    stable : whether it is a derivative: those are taken of stable forms, and none has to be looked for again.

    Examples
    --------
    >>> import symdiff as sd
    >>> f = sd.function("f(x, y) = x**2 + y")
    >>> f(3.0, 1.0)
    10.0
    >>> print(sd.grad(f, "x"))
    grad_f(x, y) = 2*x
    """

    # Python finds what is called in the instance: until it is compiled a `Call`, then a builtin.
    __slots__ = ("__call__", "__dict__", "__weakref__")
    __call__: Called
    by_all = False
    """Whether it is a derivative by every argument, of several, because nobody named any."""

    def __init__(
        self,
        graph: Graph,
        arguments: Sequence[Argument],
        outputs: Sequence[tuple[str, int]],
        *,
        name: str = "f",
        names: Mapping[str, int] | None = None,
        structure: Structure = 0,
        ordered: bool = True,
        notes: Sequence[str] = (),
        stable: bool = False,
    ) -> None:
        self.__name__ = name
        self._graph = graph
        self.arguments = tuple(arguments)
        self._outputs = tuple(outputs)
        self._names = dict(names or {})
        self._structure = structure
        self._ordered = ordered
        self._notes = tuple(notes)
        self.stable = stable
        self._compiled: CompiledFunction | None = None
        self._programs: dict[str, Program | TensorProgram] = {}
        self._trees = any(a.place for a in self.arguments)
        self._check_inputs()
        self._check_results()
        self._make_callable()

    def _check_inputs(self) -> None:
        """Refuse arguments that are not the graph's inputs: native code would read beyond what a call gives it.

        Raises
        ------
        ShapeError
            Where an argument has another type than its input.
        """
        types, ops, names, dtype = self._graph.types, self._graph.ops, self._names, self._graph.dtype
        number = tensor(dtype)
        for argument in self.arguments:
            wanted = argument.type(dtype) if argument.shape and argument.members is None else number
            for name in argument.inputs:
                node = names.get(name, -1)
                if node < 0 or ops[node] is not core.INPUT or (types[node] is not wanted and types[node] != wanted):
                    found = "no input" if node < 0 or ops[node] is not core.INPUT else f"{types[node]} in its formula"
                    raise ShapeError(f"{self.__name__}: the argument {name} is {wanted}, and {found}")

    def _check_results(self) -> None:
        """Refuse results that are larger than the memory that limits allow."""
        graph, types = self._graph, self._graph.types
        if sum([known_product(types[n].shape) for n in self.nodes]) * LARGEST_ITEM <= CHEAP:
            return
        sizes = {n: known_product(types[n].shape) * np.dtype(types[n].dtype).itemsize for n in self.nodes}
        total = sum(sizes.values())
        if total > CHEAP:
            with under(graph.limits):
                if total > current().bytes:
                    place = graph.places.get(max(sizes, key=sizes.__getitem__))
                    raise exceeded("bytes", total, f"results of {total:,} bytes", place=place)

    # What it is

    @property
    def graph(self) -> Graph:
        """The graph, shared by a function and its derivatives: a read-only `networkx.DiGraph`."""
        return self._graph

    @property
    def inputs(self) -> tuple[str | tuple[str, ...], ...]:
        """The arguments in call order: a name, or the names of the members of a packed vector."""
        return tuple(a.members if a.members is not None else a.name for a in self.arguments)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in the order in which a call returns them."""
        return tuple(name for name, _ in self._outputs)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs and the named lines, each of which a derivative can be taken by."""
        return tuple(self._names)

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes of the outputs in `graph`."""
        return tuple(node for _, node in self._outputs)

    @property
    def body(self) -> Body:
        """The formula as a closed graph: the inputs in call order, members of packs one by one, and the outputs."""
        return Body(self._graph, [self._names[name] for a in self.arguments for name in a.inputs], self.nodes)

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of the outputs."""
        return tuple(self._graph.types[node] for node in self.nodes)

    @property
    def expr(self) -> Expressions:
        """The formula as an `Expr`; a tuple of them for several outputs."""
        return cast("Expressions", arrange(self._structure, [Expr(self._graph, node) for node in self.nodes]))

    @property
    def __signature__(self) -> inspect.Signature:
        return signature(self.arguments)

    def __repr__(self) -> str:
        count = len(self._graph.live(self.nodes))
        types = ", ".join(map(str, self.types))
        if self._structure != 0:
            types = f"({types})"
        return f"<Function {self.__name__}({listed_parameters(self.arguments)}) -> {types}, {count} nodes>"

    def __str__(self) -> str:
        return self._text(self.arguments)

    def _text(self, arguments: Sequence[Argument]) -> str:
        """The formula, with a header of these arguments."""
        from symdiff.display.text import program

        single = self._outputs[0][1] if self._structure == 0 else None
        return program(self._graph, self.__name__, arguments, dict(self._outputs) if single is None else single)

    def _repr_latex_(self) -> str:
        from symdiff.display.latex import latex

        return "$$" + r",\quad ".join(latex(self._graph, node) for node in self.nodes) + "$$"

    # Calling it

    def _make_callable(self) -> None:
        general = Call(self).__call__
        self._answer(general if self._compiled is None else self._compiled.entry(general))

    def _answer(self, call: Callable[..., Any]) -> None:
        """Let `call`, which takes the values of all arguments, answer calls."""
        binder = self.tree_binder()
        put(self, _SLOT, call if binder is None else binder.calling(call))

    def tree_binder(self) -> TreeBinder | None:
        """What takes the values of parameters apart; None where none of them takes a tree."""
        return TreeBinder(self.__name__, self.arguments, self.ordered) if self._trees else None

    def flat_call(self) -> Any:
        """What takes a value for each argument, also for each leaf of a tree."""
        return self._varied(_trees=False) if self._trees else self

    def _default(self) -> CompiledFunction:
        with COMPILING:
            compiled = self._compiled
            if compiled is None:
                if type(self).compile is Function.compile:
                    from symdiff.codegen import Options

                    compiled = self._compile(Options(name=self.__name__))
                else:
                    compiled = self.compile()
                    compiled.origin = None  # the two would hold each other
                self._answer(compiled.entry(Call(self).__call__))
                self._compiled = compiled
            return compiled

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._make_callable()
        return twin

    def compile(
        self,
        *,
        opt: int | None = None,
        fp: str = "contract",
        math: str = "vector",
        threads: int = 1,
        cache: bool | None = None,
        background: bool = False,
    ) -> CompiledFunction:
        """Native code now, with options.

        Parameters
        ----------
        opt : LLVM's level, 0 to 3. None takes 0 for points, whose code is then up to a quarter slower and compiled in a
            third of the time, and chooses by the size of the formula for batches.
        fp : "contract" may fuse a*b + c, "strict" gives the interpreter's bits, "fast" allows rules that hold over the
            real numbers only.
        math : "vector" lets batches use vector functions, each of whose results is at most 4 units in the last place
            from the true value; "scalar" gives batches the bits of points. With fp="strict" it is always "scalar".
        threads : how many threads compute a big batch; 0 for one on each processor.
        cache : whether to keep the machine code on disk for other processes, and to take it from there; as the
            environment variable SYMDIFF_CACHE says where it is None. See docs/saving.md.
        background : start with level 0 and compile at `opt` (2 where it is None) in a thread; the faster code, which
            gives the same bits, is used from when it is ready. `wait()` waits for that.

        Raises
        ------
        ArgumentError
            For an unknown option.
        CompileError
            Where LLVM refuses.
        LimitError
            Where a call takes more operations or memory, or compiling more time, than the limits allow.
        """
        from symdiff.codegen import Options, compile_program

        if opt is not None and opt not in (0, 1, 2, 3):
            raise ArgumentError(f"opt is {opt!r}", hint="a level from 0 to 3, or None")
        options = Options(opt=opt, fp=fp, math=math, threads=threads, cache=cache, name=self.__name__)
        compiled = self._compile(replace(options, opt=0) if background else options)
        compiled.answer()
        compiled.origin = (
            self,
            {
                "opt": opt,
                "fp": fp,
                "math": math,
                "threads": threads,
                "cache": cache,
                "background": background,
            },
        )
        if background:
            program, better = self._program(fp), replace(options, opt=2 if opt is None else opt)
            compiled.improve(lambda: compile_program(program, better))
        return compiled

    def _compile(self, options: Options) -> CompiledFunction:
        from symdiff.codegen import compile_program

        with under(self._graph.limits), timed():
            program = self._program(options.fp)
            self._check_cost(program)
            kernel = compile_program(program, options)
        compiled = CompiledFunction(self.__name__, self._binder(), kernel, self.types, self._structure)
        if kernel.may_fail:
            leaves = tuple([self._leaves(a) for a in self.arguments])
            compiled.general.formula = Formula(self._graph, self.nodes, leaves)
        compiled.general.limits = self._graph.limits
        compiled.trees = self.tree_binder()
        return compiled

    def held_bytes(self) -> int:
        """About how much memory it holds: its graph, which its derivatives share, and its code."""
        kernel = self._compiled.kernel.bytes if self._compiled is not None else 0
        return FUNCTION_BYTES + NODE_BYTES * len(self._graph) + kernel

    def _program(self, fp: str = "contract") -> Program | TensorProgram:
        from symdiff.optimize.pipeline import optimize

        if fp not in ("strict", "contract", "fast"):
            raise ArgumentError(f"fp is {fp!r}", hint='"strict", "contract" or "fast"')
        if fp not in self._programs:
            dtype = self._graph.dtype
            operands = [(a.type(dtype), self._leaves(a)) for a in self.arguments]
            with under(self._graph.limits), timed():
                self._programs[fp] = optimize(self._graph, operands, self.nodes, fp=fp, stable=self.stable)
        return self._programs[fp]

    def _check_cost(self, program: Program | TensorProgram) -> None:
        """Refuse a program of which one point already takes more than the limits allow."""
        for limit, value, what in (
            ("operations", program.operations, "operations a call"),
            ("bytes", program.memory, "bytes of workspace"),
        ):
            if value > getattr(current(), limit):
                graph = self._graph
                largest = max(graph.live(self.nodes), key=lambda n: known_product(graph.types[n].shape))
                raise exceeded(limit, value, f"{self.__name__} takes {value:,} {what}", place=graph.places.get(largest))

    def _binder(self) -> Binder:
        return Binder(self.__name__, self.arguments, self.ordered, self._graph.dtype, self.by_all)

    def _leaves(self, argument: Argument) -> tuple[int, ...]:
        """The input nodes of an argument."""
        if argument.members is None:
            return (self._names[argument.name],)
        return tuple(self._names[m] for m in argument.members)

    def _inlined(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """This function's formula with expressions for its arguments."""
        binder = self._binder()
        values = binder.order(args, keywords)
        target, nodes = together(values)
        known: dict[int, int] = {}
        for argument, node in zip(self.arguments, nodes, strict=True):
            given = target.types[node].shape
            if argument.shape not in ((), given):
                if target.unshaped is not None:
                    target.unshaped.check(target, [node], f"{self.__name__} of a name")
                raise ShapeError(
                    f"{self.__name__}: {argument.written} has shape {show(argument.shape)}, the expression given "
                    f"has shape {show(given)}"
                )
            leaves = self._leaves(argument)
            if given and not argument.shape and self._has_arrays():
                raise ShapeError(
                    f"{self.__name__}: {argument.written} is a number that meets arrays, the expression given has "
                    f"shape {show(given)}",
                    hint=f"give {self.__name__} one element of it",
                )
            if argument.members is None:
                known[leaves[0]] = node
            else:
                for leaf, place in zip(leaves, argument.places, strict=True):
                    known[leaf] = target.element(node, place)
        mapping = self.body.copy(target, known)
        return arrange(self._structure, [Expr(target, mapping[node]) for node in self.nodes])

    def _has_arrays(self) -> bool:
        """Whether something is an array on the way: then elements of an argument's batch are not the result's."""
        graph, listed = self._graph, {n for n in self.nodes if self._graph.ops[n] is core.STACK}
        return any(graph.types[n].shape and n not in listed for n in graph.live(self.nodes))

    # Looking inside

    def steps(self, *point: Any, **keywords: Any) -> Steps:
        """Every value of the circuit at a point and the output's derivative by it, as a table.

        Examples
        --------
        >>> import symdiff as sd
        >>> f = sd.function("q = x + y\\nf = q*z", ["x", "y", "z"])
        >>> f.steps(-2, 5, -4)["q"].gradient
        -4.0
        """
        from symdiff.functions.steps import trace_steps

        binder, trees = self._binder(), self.tree_binder()
        given = binder.order(point, keywords) if trees is None else trees.flat(point, keywords)
        values, _ = binder.convert(given)
        leaves: dict[int, Any] = {}
        for argument, value in zip(self.arguments, values, strict=True):
            nodes = self._leaves(argument)
            parts = [value] if argument.members is None else np.ravel(value)
            leaves.update(zip(nodes, parts, strict=True))
        return trace_steps(self._graph, self.nodes, self._names, leaves)

    def stats(self) -> dict[str, Any]:
        """Counts: live nodes, operations before and after optimization, loops, BLAS calls, bytes of workspace."""
        counts, statistics = self._program().counts, self._default().kernel.statistics
        return {
            "nodes": len(self._graph.live(self.nodes)),
            "operations_before": counts.total_before,
            "operations": counts.total_after,
            "by_operation": dict(counts.after),
            "kernels": statistics.nests,
            "blas_calls": statistics.library_calls,
            "workspace_bytes": statistics.workspace,
        }

    def explain(self) -> str:
        """What was chosen on the way, and why."""
        from symdiff.optimize.planning.listing import describe_plan
        from symdiff.optimize.program import TensorProgram

        program = self._program()
        steps = describe_plan(program.plan) if isinstance(program, TensorProgram) else ()
        return "\n".join((*self._notes, *steps)) or "nothing had to be chosen"

    def ssa(self, optimized: bool = False) -> str:
        """The nodes as a listing, one a line; `optimized`: as the compiler sees them."""
        from symdiff.ir.listing import listing

        if not optimized:
            return listing(self._graph, dict(self._outputs))
        program = self._program()
        outputs: Sequence[int | tuple[int, ...]] = program.outputs
        flat: dict[str, int] = {}
        for name, output in zip(self.outputs, outputs, strict=True):
            nodes = (output,) if isinstance(output, int) else output
            flat.update({(name if len(nodes) == 1 else f"{name}[{k}]"): node for k, node in enumerate(nodes)})
        return listing(program.graph, flat)

    def llvm_ir(self) -> str:
        """The LLVM IR of the compiled function."""
        return str(self._default().kernel.llvm_ir())

    def assembly(self) -> str:
        """The machine's assembly text of the compiled function."""
        return str(self._default().kernel.assembly())

    # The parts that transforms need

    @property
    def structure(self) -> Structure:
        """How the flat outputs are handed back."""
        return self._structure

    @property
    def ordered(self) -> bool:
        """Whether something fixed the order of the arguments."""
        return self._ordered or len(self.arguments) < 2

    def output_pairs(self) -> tuple[tuple[str, int], ...]:
        """Names and nodes of the outputs."""
        return self._outputs

    def name_table(self) -> dict[str, int]:
        """The nodes of the inputs and named lines."""
        return dict(self._names)

    def with_outputs(
        self,
        name: str,
        outputs: Sequence[tuple[str, int]],
        structure: Structure = 0,
        notes: Sequence[str] = (),
        stable: bool = False,
    ) -> Function:
        """A function of the same arguments, in the same graph, with other outputs."""
        return self._varied(
            __name__=name, _outputs=tuple(outputs), _structure=structure, _notes=(*self._notes, *notes), stable=stable
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen on the way to it."""
        return self._notes

    def moved(self, mapping: Mapping[int, int], graph: Graph | None = None) -> Function:
        """The same function where `mapping` says which nodes, of `graph`, stand for its outputs and names."""
        names = {name: mapping.get(node, node) for name, node in self._names.items()}
        outputs = [(title, mapping.get(node, node)) for title, node in self._outputs]
        return self._varied(_names=names, _outputs=tuple(outputs), _graph=graph or self._graph)

    def _varied(self, **attributes: Any) -> Function:
        """A function of the same arguments, which need no check, with some attributes changed."""
        made = Function.__new__(Function)
        made.__dict__.update(self.__dict__, _compiled=None, _programs={}, by_all=False, **attributes)
        made._check_results()
        made._make_callable()
        return made

    def with_arguments(self, arguments: Sequence[Argument]) -> Function:
        """The same outputs with the arguments in another order."""
        return Function(
            self._graph,
            arguments,
            self._outputs,
            name=self.__name__,
            names=self._names,
            structure=self._structure,
            ordered=True,
            notes=self._notes,
            stable=self.stable,
        )


enable(Function)
_SLOT: Any = Function.__dict__["__call__"]
"""Through this the slot is written in a subclass, too, that has a `__call__` of its own."""
