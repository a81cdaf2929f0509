"""Function: a formula with arguments, in a graph that its derivatives share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

from symdiff import locks
from symdiff.budget import timed, under
from symdiff.errors import ArgumentError, CallError, ShapeError
from symdiff.frontend.annotations import Called, Expressions
from symdiff.frontend.expr import Expr, together
from symdiff.functions.binder import Binder, signature
from symdiff.functions.case import Case, Shelved
from symdiff.functions.cases import Cases, OpenCompiled, Recipe, Reordered, unknown
from symdiff.functions.compiled import Call, CompiledCase, CompiledFunction, Formula
from symdiff.functions.direct import Direct, Sealed, enable, put
from symdiff.functions.exchange import Exchange
from symdiff.functions.methods import Methods
from symdiff.functions.naming import Naming
from symdiff.functions.open_case import OpenCase
from symdiff.functions.tree_arguments import TreeBinder
from symdiff.guesses import with_options
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.later import Postponed
from symdiff.ops import movement
from symdiff.signature import Argument, listed_parameters
from symdiff.trees import Structure, arrange
from symdiff.types import Shape, TensorType, show

if TYPE_CHECKING:
    from symdiff.codegen import Options
    from symdiff.functions.derivation import Derivation
    from symdiff.optimize.program import Program, TensorProgram


COMPILING = locks.lock(locks.COMPILING)
"""Held while a function compiles itself at its first call, so that many threads compile it once."""

FUNCTION_BYTES, NODE_BYTES = 20_000, 900
"""What a function takes, with its program, and each node of its graph (measured)."""


class Function(Exchange, Methods, Naming, Sealed, Direct):
    """A symbolic function; its first call compiles it.

    Made by `symdiff.function` and by every transform (`grad`, `hessian`, …), which append their nodes to the same
    graph. Called with numbers it gives numbers, with arrays it broadcasts as a NumPy ufunc does, with an `Expr` it is
    inlined.

    Attributes
    ----------
    inputs : the arguments' names, in call order; the members' names for a packed vector.
    outputs : the names of the outputs.
    names : every input and named line.

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
    arguments: Postponed[tuple[Argument, ...]] = Postponed(
        lambda self: self._case.arguments(),
        "What it takes, in call order: names, shapes, and the members of packed vectors.",
    )
    _cases: Cases | None = None
    """The functions for the shapes of calls, where shapes are not known before; transforms of it are recorded."""
    _sparsity: Callable[[], Any] | None = None
    """Where a Jacobian or Hessian can have entries."""
    _labels: tuple[tuple[str, ...], ...] = ()
    """Of a derivative by numbers: what its last axes go through."""
    _by_all = False
    """Whether it is a derivative by every argument, of several, because nobody named any."""
    _derivation: Derivation | None = None
    """Which transform of which function it is."""

    def __init__(
        self,
        graph: Graph,
        arguments: Sequence[Argument] = (),
        outputs: Sequence[tuple[str, int]] = (),
        *,
        name: str = "f",
        names: Mapping[str, int] | None = None,
        structure: Structure = 0,
        ordered: bool = True,
        notes: Sequence[str] = (),
        stable: bool = False,
    ) -> None:
        if not isinstance(graph, Graph):
            raise CallError(
                "Function is the type of what sd.function makes, and is not called",
                hint='write sd.function("f(x, y) = x**2*y"), or sd.function(e, ["x", "y"])',
            )
        self.__name__ = name
        self.arguments = tuple(arguments)
        self._ordered = ordered or len(self.arguments) < 2
        case = Case(graph, tuple(outputs), dict(names or {}), structure, tuple(notes), stable)
        self._case: Case | Shelved | None = case
        self._trees = any(a.place for a in self.arguments)
        case.check_inputs(name, self.arguments)
        case.check_results()
        self._make_callable()

    @classmethod
    def _of_recipe(
        cls,
        recipe: Recipe,
        arguments: Sequence[Argument],
        *,
        name: str,
        ordered: bool,
        lines: Sequence[str] = (),
        opened: OpenCase | None = None,
    ) -> Function:
        """A function with shapes that each call fixes: those of its arguments, or the sizes it has by name.

        `lines` are its named lines, `opened` is the function for all sizes where they alone are missing.
        """
        made = cls.__new__(cls)
        made.__name__ = name
        made.arguments = tuple(arguments)
        made._ordered = ordered or len(made.arguments) < 2
        made._case = None
        made._trees = any(a.place for a in made.arguments)
        made._cases = Cases(name, made.arguments, made._ordered, recipe, tuple(lines), opened)
        made._make_callable()
        return made

    @property
    def _known(self) -> Case:
        """The formula.

        Raises
        ------
        ShapeError
            Where shapes are known at each call only.
        """
        case = self._case
        if case is None:
            raise unknown(self.__name__, self.arguments)
        if isinstance(case, Shelved):
            self.arguments = self.arguments  # which it may have by the container alone
            case = self._case = case.opened()
        return case

    # What it is

    @property
    def graph(self) -> Graph:
        """The graph, shared by a function and its derivatives: a read-only `networkx.DiGraph`."""
        return self._known.graph

    @property
    def inputs(self) -> tuple[str | tuple[str, ...], ...]:
        """The arguments in call order: a name, or the names of the members of a packed vector."""
        return tuple(a.members if a.members is not None else a.name for a in self.arguments)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of the outputs, in the order in which a call returns them."""
        return tuple(name for name, _ in self._known.outputs)

    @property
    def names(self) -> tuple[str, ...]:
        """The inputs and the named lines, each of which a derivative can be taken by."""
        if self._cases is not None:
            return tuple(dict.fromkeys([*(n for a in self.arguments for n in a.inputs), *self._cases.lines]))
        return tuple(self._known.names)

    @property
    def _stable(self) -> bool:
        """Whether it is a derivative: those are taken of stable forms, and none has to be looked for again."""
        return self._known.stable

    @property
    def nodes(self) -> tuple[int, ...]:
        """The nodes of the outputs in `graph`."""
        return self._known.nodes

    @property
    def body(self) -> Body:
        """The formula as a closed graph: the inputs in call order, members of packs one by one, and the outputs."""
        return Body(
            self._known.graph, [self._known.names[name] for a in self.arguments for name in a.inputs], self.nodes
        )

    @property
    def types(self) -> tuple[TensorType, ...]:
        """The types of the outputs."""
        return tuple(self._known.graph.types[node] for node in self.nodes)

    @property
    def expr(self) -> Expressions:
        """The formula as an `Expr`; a tuple of them for several outputs."""
        return cast(
            "Expressions", arrange(self._known.structure, [Expr(self._known.graph, node) for node in self.nodes])
        )

    @property
    def sparsity(self) -> Any:
        """Where a Jacobian or Hessian can have entries other than 0, from the formula: a `scipy.sparse` array of bool.

        The elements of the output are rows, the scalars that the derivative is by are columns.

        Raises
        ------
        ArgumentError
            For a function that no transform made one; where it has several outputs, or is by a tuple.
        """
        if self._sparsity is None:
            if self._cases is not None:
                raise unknown(self.__name__, self.arguments)
            what = f"{self.__name__} is not known as a Jacobian or Hessian"
            raise ArgumentError(what, hint=f"take one: sd.jacobian({self.__name__}).sparsity")
        return self._sparsity()

    @property
    def __signature__(self) -> inspect.Signature:
        return signature(self.arguments)

    def __repr__(self) -> str:
        if self._cases is not None:
            return f"<Function {self.__name__}({listed_parameters(self.arguments)}), shapes known at each call>"
        count = len(self._known.graph.live(self.nodes))
        types = ", ".join(map(str, self.types))
        if self._known.structure != 0:
            types = f"({types})"
        return f"<Function {self.__name__}({listed_parameters(self.arguments)}) -> {types}, {count} nodes>"

    def __str__(self) -> str:
        return self._text(self.arguments) if self._cases is None else self._cases.text(self.arguments)

    def _text(self, arguments: Sequence[Argument]) -> str:
        """The formula, with a header of these arguments."""
        return str(self._texts.own_text(self, arguments))

    def _repr_latex_(self) -> str | None:
        return self._cases.latex() if self._cases is not None else str(self._texts.shown_latex(self))

    # Calling it

    def _make_callable(self) -> None:
        if self._cases is not None:
            binder = self._tree_binder()
            _SLOT.__set__(self, self._cases.__call__ if binder is None else binder.calling(self._cases.__call__))
            return
        assert self._case is not None
        general, compiled = Call(self).__call__, self._case.compiled
        self._answer(general if compiled is None else compiled.entry(general))

    def _answer(self, call: Callable[..., Any]) -> None:
        """Let `call`, which takes the values of all arguments, answer calls."""
        binder = self._tree_binder()
        put(self, _SLOT, call if binder is None else binder.calling(call))

    def _tree_binder(self) -> TreeBinder | None:
        """What takes the values of parameters apart; None where none of them takes a tree."""
        return TreeBinder(self.__name__, self.arguments, self._ordered) if self._trees else None

    def _flat_call(self) -> Any:
        """What takes a value for each argument, also for each leaf of a tree."""
        if self._cases is not None:
            return self._cases.__call__
        return self._varied({}, _trees=False) if self._trees else self

    def _default(self) -> CompiledCase:
        with COMPILING:
            compiled = self._known.compiled
            if compiled is None:
                if type(self).compile is Function.compile:
                    from symdiff.codegen import Options

                    compiled = self._compile(Options(name=self.__name__))
                else:
                    compiled = cast("CompiledCase", self.compile())
                    compiled.origin = None  # the two would hold each other
                self._answer(compiled.entry(Call(self).__call__))
                self._known.compiled = compiled
            return compiled

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._make_callable()
        return twin

    @with_options
    def compile(
        self,
        *,
        opt: int | None = None,
        fp: str = "contract",
        math: str = "vector",
        threads: int = 1,
        cache: bool | None = None,
        background: bool = False,
        memory: int | None = None,
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
        memory : the most bytes of workspace that intermediate arrays may take; what finds no room is computed again
            when it is needed, with the same bits. `explain(memory=…)` says how many operations that takes.

        Raises
        ------
        ArgumentError
            For an unknown option, or where no way was found to do with so little memory.
        CompileError
            Where LLVM refuses.
        LimitError
            Where a call takes more operations or memory, or compiling more time, than the limits allow.
        """
        given = {"opt": opt, "fp": fp, "math": math, "threads": threads, "cache": cache, "background": background}
        if memory is not None:
            given["memory"] = memory
        if self._cases is not None:
            return OpenCompiled(self, given)
        from symdiff.codegen import Options, compile_program

        if opt is not None and opt not in (0, 1, 2, 3):
            raise ArgumentError(f"opt is {opt!r}", hint="a level from 0 to 3, or None")
        options = Options(opt=opt, fp=fp, math=math, threads=threads, cache=cache, name=self.__name__)
        compiled = self._compile(replace(options, opt=0) if background else options, memory)
        compiled.answer()
        compiled.origin = (self, given)
        if background:
            program, better = compiled.kernel.program, replace(options, opt=2 if opt is None else opt)
            compiled.improve(lambda: compile_program(program, better))
        return compiled

    def _compile(self, options: Options, memory: int | None = None) -> CompiledCase:
        from symdiff.codegen import compile_program

        with under(self._known.graph.limits), timed():
            program = self._known.program_within(self.arguments, options.fp, self.__name__, memory)
            self._known.check_cost(self.__name__, program)
            kernel = compile_program(program, options)
        compiled = CompiledCase(self.__name__, self._binder(), kernel, self.types, self._known.structure)
        if kernel.may_fail:
            leaves = tuple([self._known.leaves(a) for a in self.arguments])
            compiled.general.formula = Formula(self._known.graph, self.nodes, leaves)
        compiled.general.limits = self._known.graph.limits
        compiled.trees = self._tree_binder()
        return compiled

    def specialize(self, *args: Any, **keywords: Any) -> Function:
        """The function for the shapes of these arguments: with a graph, statistics and code; itself where it has them.

        Examples
        --------
        >>> import symdiff as sd
        >>> f = sd.function("f(x) = sum(x**2)")
        >>> f.specialize([1.0, 2.0, 3.0])
        <Function f(x[3]) -> float64, 3 nodes>
        """
        if self._cases is None:
            return self
        return self._cases.specialize(self._tree_binder(), args, keywords)

    def _for_shapes(self, shapes: Mapping[str, Shape]) -> Function:
        """The function for shapes by name; itself where all are known."""
        return self if self._cases is None else self._cases.for_shapes(shapes)

    def _held_bytes(self) -> int:
        """About how much memory it holds: its graph, which its derivatives share, and its code."""
        kernel = self._known.compiled.kernel.bytes if self._known.compiled is not None else 0
        return FUNCTION_BYTES + NODE_BYTES * len(self._known.graph) + kernel

    def _program(self, fp: str = "contract") -> Program | TensorProgram:
        return self._known.program(self.arguments, fp)

    def _binder(self) -> Binder:
        return Binder(self.__name__, self.arguments, self._ordered, self._known.graph.dtype, self._by_all, self._labels)

    def _inlined(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """This function's formula with expressions for its arguments."""
        if self._cases is not None:
            return self._cases.inlined(args, keywords)
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
            leaves = self._known.leaves(argument)
            if given and not argument.shape and self._known.has_arrays():
                raise ShapeError(
                    f"{self.__name__}: {argument.written} is a number that meets arrays, the expression given has "
                    f"shape {show(given)}",
                    hint=f"give {self.__name__} one element of it",
                )
            if argument.members is None:
                known[leaves[0]] = node
            else:
                for leaf, place in zip(leaves, argument.places, strict=True):
                    known[leaf] = movement.element(target, node, place)
        mapping = self.body.copy(target, known)
        return arrange(self._known.structure, [Expr(target, mapping[node]) for node in self.nodes])

    # Looking inside

    def stats(self) -> dict[str, Any]:
        """Counts: live nodes, operations before and after optimization, loops, BLAS calls, bytes of workspace."""
        counts, statistics = self._program().counts, self._default().kernel.statistics
        return {
            "nodes": len(self._known.graph.live(self.nodes)),
            "operations_before": counts.total_before,
            "operations": counts.total_after,
            "by_operation": dict(counts.after),
            "kernels": statistics.nests,
            "blas_calls": statistics.library_calls,
            "workspace_bytes": statistics.workspace,
        }

    # Its texts in other languages

    def llvm(self) -> str:
        """The function as `emit` ships it, in LLVM's intermediate representation: it calls public functions alone.

        Raises
        ------
        CompileError
            Where it needs what no library has, such as a function of SciPy's.
        """
        return self._emitted_text("ll")

    def assembly(self) -> str:
        """The same in assembly language, for this system and any processor since 2013."""
        return self._emitted_text("s")

    def llvm_ir(self) -> str:
        """The LLVM IR of what is called in this process."""
        return str(self._default().kernel.llvm_ir())

    # The parts that transforms need

    @property
    def _structure(self) -> Structure:
        """How the flat outputs are handed back."""
        return self._known.structure

    def _output_pairs(self) -> tuple[tuple[str, int], ...]:
        """Names and nodes of the outputs."""
        return self._known.outputs

    def _name_table(self) -> dict[str, int]:
        """The nodes of the inputs and named lines."""
        return dict(self._known.names)

    def _with_outputs(
        self,
        name: str,
        outputs: Sequence[tuple[str, int]],
        structure: Structure = 0,
        notes: Sequence[str] = (),
        stable: bool = False,
    ) -> Function:
        """A function of the same arguments, in the same graph, with other outputs."""
        case = {
            "outputs": tuple(outputs),
            "structure": structure,
            "notes": (*self._known.notes, *notes),
            "stable": stable,
        }
        return self._varied(case, __name__=name)

    @property
    def _notes(self) -> tuple[str, ...]:
        """What was chosen on the way to it."""
        return self._known.notes

    def _moved(self, mapping: Mapping[int, int], graph: Graph | None = None) -> Function:
        """The same function where `mapping` says which nodes, of `graph`, stand for its outputs and names."""
        names = {name: mapping.get(node, node) for name, node in self._known.names.items()}
        outputs = [(title, mapping.get(node, node)) for title, node in self._known.outputs]
        return self._varied({"names": names, "outputs": tuple(outputs), "graph": graph or self._known.graph})

    def _varied(self, case: Mapping[str, Any], **attributes: Any) -> Function:
        """A function of the same arguments, which need no check, with parts of its case and attributes changed."""
        made = Function.__new__(Function)
        known = replace(self._known, compiled=None, programs={}, **case)
        known.check_results()
        of_transform = {"_by_all": False, "_labels": (), "_sparsity": None, "_derivation": None}
        made.__dict__.update(self.__dict__, _case=known, **of_transform, **attributes)
        made._make_callable()
        return made

    def _with_arguments(self, arguments: Sequence[Argument]) -> Function:
        """The same outputs with the arguments in another order."""
        cases = self._cases
        if cases is not None:
            recipe = Reordered(self, tuple(a.name for a in arguments))
            opened = None if cases.opened is None else cases.opened.transformed(recipe.ordered)
            given: dict[str, Any] = {"name": self.__name__, "lines": cases.lines, "opened": opened}
            return Function._of_recipe(recipe, arguments, ordered=True, **given)
        return Function(
            self._known.graph,
            arguments,
            self._known.outputs,
            name=self.__name__,
            names=self._known.names,
            structure=self._known.structure,
            ordered=True,
            notes=self._known.notes,
            stable=self._stable,
        )


enable(Function)
_SLOT: Any = Function.__dict__["__call__"]
"""Through this the slot is written in a subclass, too, that has a `__call__` of its own."""
