"""A kernel: one program as native code, and the ways to call it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar, cast

import numpy as np

from symdiff import locks
from symdiff.budget import timed
from symdiff.codegen import jit
from symdiff.codegen.batches import BATCH, batch_code, describe_kernel
from symdiff.codegen.body import is_of_c
from symdiff.codegen.entry_points import CALL, write_call
from symdiff.codegen.layout import Layout, arrange_operands
from symdiff.codegen.loops import LOOP
from symdiff.codegen.module import LOCK_DECLARATIONS, Module, Statistics, Support, write_module, write_vector_module
from symdiff.codegen.pieces import count_crossings, count_stores, crossing_share, piece_size
from symdiff.codegen.threads import Threaded
from symdiff.codegen.vector_loops import BODY
from symdiff.codegen.vector_math import lanes
from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, CompileError
from symdiff.native.calls import make_ufunc
from symdiff.native.code import Code
from symdiff.numeric import Watched
from symdiff.ops.base import Outside
from symdiff.optimize.program import TensorProgram
from symdiff.sizes import example
from symdiff.types import FLOAT64, TensorType

if TYPE_CHECKING:
    from symdiff.codegen.target import Target
    from symdiff.optimize.program import Program

MAKING = locks.lock(locks.COMPILING)
"""Held while a kernel makes what it was not asked for before."""

T = TypeVar("T")


class lazy(Generic[T]):  # used as a decorator
    """As `functools.cached_property`, made once by many threads, and with no lock that a fork could leave taken."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, thing: Any, owner: type | None = None) -> T:
        if thing is None:
            return self  # type: ignore[return-value]  # as every descriptor of a class
        with MAKING:
            kept = thing.__dict__
            if self._name not in kept:
                kept[self._name] = self._make(thing)
            found: T = kept[self._name]
            return found


SMALL, MEDIUM = 1000, 20_000
"""Up to so many operations batches are compiled at level 2, and (with what they write) at 1; beyond at 0, which costs a
third of the time for code that is 0 to 40 % slower."""

LARGEST_CROSSING = 0.25
"""Level 1 only with less crossings an operation: it gets super-linear in values that wait (measured: 187 µs an
operation against 14 at level 0)."""

VERIFIED = 20_000
"""Up to so many operations LLVM checks the text before it compiles it."""


MOST_CROSSINGS = 400
"""Level 2 only with so many: 800 values that wait, and nothing else to do, take it 8 seconds, level 0 50 ms."""

LARGEST_CORE = 20_000
"""Elements of all operands at one point, up to which batches are computed by vectors."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to compile.

    Attributes
    ----------
    opt : LLVM's code generation level, 0 to 3; None takes 0 for points, where more is not worth its time, and chooses
        by size for batches. It changes no bit of a result.
    fp : "contract" or "strict" or "fast"; already applied when a program gets here, and kept for the record.
    math : "vector" lets batches use vector functions, each result at most 4 units in the last place from the true
        value; "scalar" gives batches the bits of points. With fp="strict" it is always "scalar".
    threads : over how many threads big batches are spread; 0 is one for each processor.
    piece : about how many operations one function has; None chooses by level.
    verify : whether LLVM checks the text first; None does so up to 20,000 operations.
    cache : whether object code is kept on disk and taken from there; None: as SYMDIFF_CACHE in the environment says.
    name, doc : what NumPy calls the ufunc in its messages, and its documentation.
    """

    opt: int | None = None
    fp: str = "contract"
    math: str = "vector"
    threads: int = 1
    piece: int | None = None
    verify: bool | None = None
    cache: bool | None = None
    name: str = "kernel"
    doc: str = ""

    def __post_init__(self) -> None:
        if self.opt not in (None, 0, 1, 2, 3):
            raise ArgumentError(f"opt is {self.opt!r}", hint="give 0, 1, 2 or 3, or None to let symdiff choose")
        if self.math not in ("vector", "scalar"):
            raise ArgumentError(f"math is {self.math!r}", hint='give "vector" or "scalar"')
        if self.threads < 0:
            raise ArgumentError(f"threads is {self.threads!r}", hint="give a number, or 0 for all processors")
        if self.piece is not None and self.piece < 1:
            raise ArgumentError(f"piece is {self.piece!r}", hint="give a positive number of operations")


class BatchEntry(NamedTuple):
    """The address of a loop that NumPy calls, its data, and what has to live as long as it is called.

    It returns 0, or another number where it failed and the results are not set.
    """

    loop: int
    data: int
    owned: tuple[object, ...]


class Kernel:
    """Native code for a program.

    The code lives as long as the kernel or one of its ufuncs. The plain C function at `address` is not safe once the
    kernel is gone.

    Attributes
    ----------
    inputs, types : the types of the arguments and of the outputs.
    layout : which arrays the ufuncs take and give.
    packed : whether scalars are stacked to one operand, because NumPy's ufuncs cannot have as many operands.
    statistics : operations, pieces, workspace.
    opt, batch_opt : the levels of code generation for points and for batches.
    may_fail : whether calls can fail, and have to go through the ufuncs, which raise.
    calls_python : whether it calls Python functions, whose errors its ufuncs raise.
    """

    may_fail = False

    def __init__(self, program: Program, options: Options) -> None:
        if ctypes.sizeof(ctypes.c_void_p) != 8:
            raise CompileError("native code needs a 64-bit platform")
        self._begin(program.inputs, program.types, options, lambda: program)
        # A point costs the same at level 0 up to about a hundred operations, and its code comes in a third of the time.
        self.opt = self._point_opt()
        module, self.statistics = self._write(self.opt)
        self.calls_python = any(isinstance(what, Outside) and what.function for _, what in module.imports)
        self.may_fail |= self.calls_python
        count = example(self.statistics.instructions)
        self._verify = count <= VERIFIED if options.verify is None else options.verify
        self._code = jit.link(module.text, module.addresses(), module.exports, self.opt, self._verify, options.cache)

    def _begin(
        self,
        inputs: Sequence[TensorType],
        types: Sequence[TensorType],
        options: Options,
        program: Callable[[], Program],
    ) -> None:
        self.inputs, self.types = tuple(inputs), tuple(types)
        self.options = options
        self.layout: Layout = arrange_operands(self.inputs, self.types)
        self.packed = self.layout.packed
        self._call: Code | None = None
        self._make_program = program

    @classmethod
    def of_code(
        cls,
        code: Code,
        statistics: Statistics,
        opt: int,
        inputs: Sequence[TensorType],
        types: Sequence[TensorType],
        options: Options,
        program: Callable[[], Program],
    ) -> Self:
        """A kernel whose code for points was made before; `program` gives what batches are compiled from."""
        made = cls.__new__(cls)
        made._begin(inputs, types, options, program)
        made.opt, made.statistics, made._code = opt, statistics, code
        made.calls_python, made._verify = False, True
        return made

    @lazy
    def program(self) -> Program:
        """What it computes."""
        return self._make_program()

    def written_for(self, target: Target) -> tuple[Module, Statistics]:
        """The module of points for another processor, in a process that is as this one otherwise."""
        return self._write(self.opt, target)

    def _write(self, opt: int, target: Target | None = None) -> tuple[Module, Statistics]:
        module, statistics = write_module(self.program, self.layout, self.options.piece or piece_size(opt), target)
        if any(is_of_c(what) for _, what in module.imports):
            from symdiff.codegen.tensors.workspace import support

            lock = [(name, Support(name, support)) for name in LOCK_DECLARATIONS]
            module = replace(module, imports=(*module.imports, *lock))
        return module, statistics

    def _point_opt(self) -> int:
        return 0 if self.options.opt is None else self.options.opt

    @lazy
    def batch_opt(self) -> int:
        """The level of code generation for batches."""
        return _level(self.program) if self.options.opt is None else self.options.opt

    @property
    def bytes(self) -> int:
        """About how much memory the code takes, and what it keeps from call to call."""
        return self._code.bytes + self.statistics.workspace

    @property
    def loop(self) -> int:
        """The address of the loop that NumPy calls; the code behind it lives as long as the kernel."""
        return self._code[LOOP]

    @lazy
    def ufunc(self) -> np.ufunc:
        """The (generalized) ufunc that never warns."""
        return self._raising(
            make_ufunc(self.layout, self._code[LOOP], 0, self.options.name, self.options.doc, [self._code])
        )

    def _raising(self, made: np.ufunc) -> np.ufunc:
        """The ufunc, where it calls Python functions so that it raises what they do."""
        return cast(np.ufunc, Watched(made)) if self.calls_python else made

    @lazy
    def batch_entry(self) -> BatchEntry:
        """The loop behind `batch_ufunc`, for callers that know C: `int loop(char **args, dims, steps, data)`."""
        width, opt = self.lanes, self.batch_opt
        owned: list[object] = [self._code]
        loop, body, workspace = self._code[LOOP], 0, 0
        if width > 1 or opt != self.opt:
            with timed():
                module, workspace = self._write_vectors() if width > 1 else (self._write(opt)[0], 0)
                code = jit.link(module.text, module.addresses(), module.exports, opt, self._verify, self.options.cache)
            owned.append(code)
            if width > 1:
                body = code[BODY]
            else:
                loop = code[LOOP]
        work = max(1, self.statistics.instructions)
        description = describe_kernel(self.layout, loop, body, width, workspace, work)
        owned.append(description)
        return BatchEntry(batch_code()[BATCH], description.ctypes.data, tuple(owned))

    @lazy
    def batch_ufunc(self) -> np.ufunc:
        """The same with floating-point exceptions, so that np.errstate rules.

        Invalid is raised only where a result is NaN and no operand was, overflow and division by zero only where a
        result is infinite and all operands are finite.
        """
        loop, data, owned = self.batch_entry
        return self._raising(make_ufunc(self.layout, loop, data, self.options.name, self.options.doc, owned))

    @lazy
    def batch(self) -> Callable[..., Any]:
        """`batch_ufunc`, spread over threads where the options say so."""
        if self.options.threads == 1:
            return self.batch_ufunc
        return Threaded(self.batch_ufunc, self.layout, self.statistics.instructions, self.options.threads)

    @property
    def lanes(self) -> int:
        """How many points a batch computes at once; 1 where it does one after the other."""
        size = sum(o.size for o in self.layout.operands)
        if self.program.graph.dtype != FLOAT64 or size > LARGEST_CORE:
            return 1
        return lanes()

    def _write_vectors(self) -> tuple[Module, int]:
        vector = self.options.math == "vector" and self.options.fp != "strict"
        size = self.options.piece or piece_size(self.batch_opt)
        return write_vector_module(self.program, self.layout, self.lanes, vector, size)

    @property
    def address(self) -> int:
        """The plain C function `int f(const void *const *in, void *const *out, void *work)`; 0 is success.

        Consecutive scalars of one type are one packed array, among the inputs and among the outputs; arrays are in C
        order and no output overlaps an input. `work` is null or `statistics.workspace` bytes, aligned to 8. The
        function is re-entrant.
        """
        with MAKING:
            if self._call is None:
                module = write_call(self.layout)
                loop, cached = {LOOP: self._code[LOOP]}, self.options.cache
                self._call = jit.link(module.text, loop, module.exports, 2, cached=cached)
        return self._call[CALL]

    def llvm_ir(self) -> str:
        """The kernel as text in LLVM's intermediate representation: the same for the same program."""
        return self._write(self.opt)[0].text

    def assembly(self) -> str:
        """The kernel in this machine's assembly language."""
        return jit.assembly(self.llvm_ir(), self.opt)

    def __repr__(self) -> str:
        s = self.statistics
        return f"<Kernel {self.layout.signature}, {s.instructions} operations in {s.pieces} functions>"


def point_level(program: Program | TensorProgram) -> int:
    """The level of code generation that a program is compiled at where time is not short: 2 where that is linear."""
    return 2 if isinstance(program, TensorProgram) else _level(program)


def _level(program: Program) -> int:
    count = len(program.graph)
    if count + count_stores(program) > MEDIUM:
        return 0
    if count > SMALL:
        return 1 if crossing_share(program) <= LARGEST_CROSSING else 0
    return 2 if count <= MOST_CROSSINGS or count_crossings(program) <= MOST_CROSSINGS else 0
