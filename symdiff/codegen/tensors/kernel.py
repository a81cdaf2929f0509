"""The kernel of a program of tensors: its code, what the code keeps, and the errors of its calls.

Its module has a function for each step of the plan, and the loop that calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from symdiff.codegen import interrupts
from symdiff.codegen.body import is_of_c
from symdiff.codegen.kernel import BatchEntry, Kernel, Options, lazy
from symdiff.codegen.layout import BYTES, Layout
from symdiff.codegen.loops import FAILED, LARGEST_FRAME, LOOP
from symdiff.codegen.module import ATTRIBUTES, FALLBACKS, Import, Module, Statistics, Support
from symdiff.codegen.target import Target, host_target
from symdiff.codegen.tensors.loop import CHECKED, PointLoop
from symdiff.codegen.tensors.segments import Tools
from symdiff.codegen.tensors.steps import StepCode
from symdiff.codegen.tensors.workspace import MASK, SUPPORT, support
from symdiff.codegen.threads import Threaded
from symdiff.dataclass import dataclass
from symdiff.errors import CallError, CompileError, IndexRangeError
from symdiff.native.calls import make_ufunc
from symdiff.native.code import CONSTANTS, RELEASE, REPORT, TensorCode, failures
from symdiff.optimize.planning.plan import Nest, Plan, Scan
from symdiff.optimize.program import TensorProgram
from symdiff.types import FLOAT32, product

if TYPE_CHECKING:
    from symdiff.optimize.program import Program

LARGEST = 2**62
"""Bytes of all arrays, and steps of a loop, that native code can count."""

MEMCPY = "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)"
MEMSET = "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)"


@dataclass(frozen=True, slots=True)
class TensorModule:
    """A plan's module. `may_fail`: a call can run out of memory or into an index out of range."""

    module: Module
    statistics: Statistics
    may_fail: bool


def write_tensor_module(
    program: TensorProgram, layout: Layout, vectors: bool = True, target: Target | None = None
) -> TensorModule:
    """The module of a program of tensors; `vectors` allows functions that are not bit for bit the scalar ones.

    Raises
    ------
    CompileError
        For sizes that no machine counts to.
    """
    _check_sizes(program.plan, layout)
    target = target or host_target()
    plan, state = program.plan, target.status
    dtype = program.graph.dtype
    element = "float" if dtype == FLOAT32 else "double"
    tools = Tools(element, max(2, target.lanes), vectors, target)
    steps = StepCode(plan, tools)
    algebra, failing = steps.algebra, steps.failing
    operations = plan.operations
    outer = (tools.scalar.routines, tools.vector.routines, algebra)
    aside = any(is_of_c(what) for own in outer for _, what in own.imports)
    loop = PointLoop(layout, plan, steps, state, element, operations, aside)
    lines = [
        *loop.globals(),
        *algebra.lines,
        *tools.vector.routines.definitions,
        *[line for function in tools.definitions.values() for line in function],
        *steps.lines,
        *loop.lines(),
    ]
    declarations = [
        *tools.scalar.routines.declarations,
        *tools.vector.routines.declarations,
        *tools.memory.declarations.values(),
        *algebra.declarations,
        *state.declarations,
        MEMSET,
        MEMCPY,
        *(["declare i64 @llvm.smax.i64(i64, i64)"] if plan.sizes else []),
        MASK,
        *SUPPORT.values(),
        interrupts.DECLARATION,
    ]
    imports: dict[str, Import] = {"memset": "memset", "memcpy": "memcpy"}
    imports.update({name: Support(name, support) for name in SUPPORT})
    imports[interrupts.INTERRUPTED] = Support(interrupts.INTERRUPTED, interrupts.interrupts)
    imports.update({name: name for name in state.functions})
    for routines in (tools.scalar.routines, tools.vector.routines):
        imports.update(routines.imports)
        for name, full in routines.intrinsics:
            if name in FALLBACKS:
                single = name + "f" if "f32" in full else name
                imports[single] = single
    imports.update(algebra.imports)
    # Intrinsics are asked for by several writers, and declared once.
    text = "\n".join([*dict.fromkeys(declarations), *lines, *ATTRIBUTES, ""])
    module = Module(text, tuple(imports.items()), (LOOP, CHECKED, CONSTANTS, REPORT, RELEASE))
    on_heap = plan.workspace > LARGEST_FRAME
    found = Statistics(operations, len(plan.steps), 0, plan.workspace, on_heap, plan.nests, plan.library_calls)
    return TensorModule(module, found, any(failing) or on_heap or any(o.shape for o in layout.operands))


def _check_sizes(plan: Plan, layout: Layout) -> None:
    count = plan.workspace + sum(o.size * BYTES[o.dtype] for o in layout.operands)
    if count > LARGEST:
        raise CompileError(f"arrays of {count:,} bytes in all are more than memory can have")
    for step in plan.steps:
        if isinstance(step, Nest | Scan) and product(step.space) > LARGEST:
            raise CompileError(f"a loop over axes of {', '.join(map(str, step.space))} elements would never end")


class Guarded:
    """A ufunc whose calls raise where the code failed."""

    def __init__(self, ufunc: np.ufunc, layout: Layout) -> None:
        self._ufunc, self._layout = ufunc, layout
        self.__name__ = ufunc.__name__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ufunc, name)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The ufunc's result.

        Raises
        ------
        CallError
            Where an index is out of range, or there is no memory for the workspace.
        """
        failures.first = None
        result = self._ufunc(*args, **keywords)
        if failures.first is not None:
            self._raise(args)
        return result

    def _raise(self, args: Sequence[Any]) -> None:
        code, index, size = failures.first
        if code == FAILED:
            raise CallError("there is no memory for the workspace of this call")
        inputs = [np.asarray(a) for a in args]
        ranks = [a.ndim - len(o.shape) for a, o in zip(inputs, self._layout.inputs, strict=True)]
        batch = np.broadcast_shapes(*(a.shape[:r] for a, r in zip(inputs, ranks, strict=True)))
        point: tuple[int, ...] = ()
        if batch:
            whole = [np.broadcast_to(a, batch + a.shape[r:]) for a, r in zip(inputs, ranks, strict=True)]
            point, index, size = self._first(whole, batch)
        raise IndexRangeError(index, size, point=point)

    def _first(self, inputs: Sequence[Any], batch: tuple[int, ...]) -> tuple[tuple[int, ...], int, int]:
        """The first point that fails, found by halves along each axis."""
        point: list[int] = []
        _, index, size = failures.first
        for axis in range(len(batch)):
            low, high = 0, batch[axis]
            while high - low > 1:
                middle = (low + high) // 2
                failures.first = None
                self._ufunc(*(a[(*point, slice(low, middle))] for a in inputs))
                if failures.first is None:
                    low = middle
                else:
                    high = middle
            point.append(low)
        failures.first = None
        self._ufunc(*(a[tuple(point)] for a in inputs))
        if failures.first is not None:
            _, index, size = failures.first
        return tuple(point), index, size


class TensorKernel(Kernel):
    """Native code for a program of tensors; see `Kernel`.

    Points and batches are computed by the same code, with vectors inside of each point.
    """

    def __init__(self, program: TensorProgram, options: Options) -> None:
        super().__init__(cast("Program", program), options)
        # What keeps the code alive keeps the arrays that it reads.
        self._code = TensorCode(self._code, program.plan.constants)

    def _write(self, opt: int, target: Target | None = None) -> tuple[Module, Statistics]:
        written = self._tensor_module(target)
        self.may_fail = written.may_fail
        return written.module, written.statistics

    def _tensor_module(self, target: Target | None = None) -> TensorModule:
        vectors = self.options.math == "vector" and self.options.fp != "strict"
        return write_tensor_module(cast("TensorProgram", self.program), self.layout, vectors, target)

    def _point_opt(self) -> int:
        return self.batch_opt

    @lazy
    def batch_opt(self) -> int:
        """The level of code generation; more than 1 takes a quarter longer, and the code is not faster."""
        return 1 if self.options.opt is None else self.options.opt

    @property
    def lanes(self) -> int:
        """Points are computed one after the other."""
        return 1

    @lazy
    def ufunc(self) -> np.ufunc:
        """The (generalized) ufunc that never warns."""
        return self._made(self.loop)

    @lazy
    def batch_entry(self) -> BatchEntry:
        """The loop behind `batch_ufunc`."""
        return BatchEntry(self._code[CHECKED], 0, (self._code,))

    @lazy
    def batch_ufunc(self) -> np.ufunc:
        """The same with floating-point exceptions, so that np.errstate rules."""
        return self._made(self._code[CHECKED])

    def _made(self, loop: int) -> np.ufunc:
        made = make_ufunc(self.layout, loop, 0, self.options.name, self.options.doc, [self._code])
        return self._raising(cast(np.ufunc, Guarded(made, self.layout)) if self.may_fail else made)

    @lazy
    def batch(self) -> Callable[..., Any]:
        """`batch_ufunc`, spread over threads where the options say so."""
        if self.options.threads == 1:
            return self.batch_ufunc
        return Threaded(self.batch_ufunc, self.layout, self.statistics.instructions, self.options.threads)

    def __repr__(self) -> str:
        s = self.statistics
        return f"<Kernel {self.layout.signature}, {s.nests} loops and {s.library_calls} library calls>"


def compile_program(program: Program | TensorProgram, options: Options | None = None) -> Kernel:
    """Native code for a program.

    Raises
    ------
    CompileError
        Where LLVM refuses it, a routine is missing, or the operands are more than NumPy can pass.
    """
    if isinstance(program, TensorProgram):
        return TensorKernel(program, options or Options())
    return Kernel(program, options or Options())
