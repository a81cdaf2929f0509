"""The functions of a plan's steps, and the table of addresses that they are given.

Steps that differ only in where their buffers lie share a function. A network of many layers, or one unrolled in time,
has the same few loops and products over and over. Each is written and compiled once, as a function of the places where
its buffers are read and written from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace

from symdiff.codegen.interrupts import STOPPED
from symdiff.codegen.tensors.gemm import LinearAlgebra
from symdiff.codegen.tensors.nest_body import OUT_OF_RANGE
from symdiff.codegen.tensors.nests import WrittenNest, write_nest
from symdiff.codegen.tensors.open_sizes import computed
from symdiff.codegen.tensors.recurrences import write_scan, write_scatter
from symdiff.codegen.tensors.segments import Tools
from symdiff.codegen.tensors.sorting import write_sort
from symdiff.optimize.planning.plan import (
    Access,
    Buffer,
    ForeignCall,
    Gemm,
    Lapack,
    Load,
    LoadAt,
    Matrix,
    Nest,
    Number,
    Plan,
    Scan,
    ScatterAdd,
    Sort,
    Step,
    element_bytes,
)
from symdiff.sizes import Sizes, is_open


class AddressTable:
    """One address for each array of the caller or of the code and one for the workspace, then what a failure tells, and
    the sizes by name that a call has.

    Attributes
    ----------
    buffers : the buffers with an entry of their own, in the order of the entries.
    work, which, extent, sizes, size : the entries of the workspace, of an index out of range and of the size of its
        axis; the first of the sizes; the number of entries.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.buffers = [k for k, buffer in enumerate(plan.buffers) if buffer.kind != "work"]
        self._entries = {k: entry for entry, k in enumerate(self.buffers)}
        self.work = len(self.buffers)
        self.which, self.extent, self.sizes = self.work + 1, self.work + 2, self.work + 3
        self.size = self.sizes + (0 if plan.sizes is None else len(plan.sizes.values))

    def place(self, number: int) -> tuple[int, int]:
        """The entry of a buffer, and the bytes from there to its start."""
        buffer = self._plan.buffers[number]
        return (self.work, buffer.offset) if buffer.kind == "work" else (self._entries[number], 0)


STEPS, PLACES = "steps", "places"


class Local:
    """A step with its buffers numbered in the order in which it names them, and its places counted from the first.

    Attributes
    ----------
    step : the same for all steps that differ only in where their buffers lie.
    buffers : the buffers' numbers in the plan, and the elements before the first place.
    """

    def __init__(self, step: Step) -> None:
        self._first: dict[int, int] = {}
        for buffer, offset in _places(step):
            self._first[buffer] = min(offset, self._first.get(buffer, offset))
        self.buffers = tuple(self._first.items())
        self._numbers = {buffer: k for k, buffer in enumerate(self._first)}
        self.step = self._moved(step)

    def _access(self, access: Access) -> Access:
        buffer = access.buffer
        return Access(self._numbers[buffer], access.offset - self._first[buffer], access.strides)

    def _matrix(self, matrix: Matrix) -> Matrix:
        buffer = matrix.buffer
        return replace(matrix, buffer=self._numbers[buffer], offset=matrix.offset - self._first[buffer])

    def _moved(self, step: Step) -> Step:
        numbers = self._numbers
        if isinstance(step, Nest | Scan):
            body = tuple(
                [replace(i, access=self._access(i.access)) if isinstance(i, Load | LoadAt) else i for i in step.body]
            )
            if isinstance(step, Scan):
                return replace(step, body=body, access=self._access(step.access))
            return replace(
                step, body=body, results=tuple([replace(r, access=self._access(r.access)) for r in step.results])
            )
        if isinstance(step, Gemm):
            return replace(step, a=self._matrix(step.a), b=self._matrix(step.b), c=self._matrix(step.c))
        if isinstance(step, Sort):
            return replace(step, value=numbers[step.value], result=numbers[step.result], work=numbers[step.work])
        if isinstance(step, ForeignCall):
            operands = tuple([numbers[n] for n in step.operands])
            starts = tuple([at - self._first[n] for n, at in zip(step.operands, step.starts, strict=True)])
            return replace(step, operands=operands, starts=starts, result=numbers[step.result])
        if isinstance(step, Lapack):
            operands = tuple([numbers[n] for n in step.operands])
            return replace(step, operands=operands, result=numbers[step.result], work=numbers[step.work])
        return replace(step, value=numbers[step.value], index=numbers[step.index], result=numbers[step.result])

    def key(self) -> Hashable:
        """What two steps with the same function have in common."""
        step = self.step
        if not isinstance(step, Nest | Scan):
            return step
        # Numbers that compare equal can differ: 0.0 and -0.0, 1.0 and True.
        body = tuple([(type(i.value), repr(i.value)) if isinstance(i, Number) else i for i in step.body])
        return type(step), replace(step, body=()), body


def _places(step: Step) -> list[tuple[int, int]]:
    """The buffers that a step names, and where in them."""
    if isinstance(step, Nest | Scan):
        found = [i.access for i in step.body if isinstance(i, Load | LoadAt)]
        found += [step.access] if isinstance(step, Scan) else [r.access for r in step.results]
        return [(access.buffer, access.offset) for access in found]
    if isinstance(step, Gemm):
        return [(matrix.buffer, matrix.offset) for matrix in (step.a, step.b, step.c)]
    if isinstance(step, Sort):
        return [(number, 0) for number in (step.value, step.result, step.work)]
    if isinstance(step, ForeignCall):
        return [*zip(step.operands, step.starts, strict=True), (step.result, 0)]
    if isinstance(step, Lapack):
        return [(number, 0) for number in (*step.operands, step.result, step.work)]
    return [(number, 0) for number in (step.value, step.index, step.result)]


class StepCode:
    """The functions of a plan's steps, and a table of what is to be called.

    Attributes
    ----------
    lines : functions `i32 t<k>(ptr table, ptr places)`, and the data `STEPS`: for each step its function, and the
        entries of its buffers in the table and the bytes from there to where it uses them.
    calls : for each step its function, and the first of its places.
    failing : for each step whether it can fail.
    open_places : of the places, those that each call computes.
    algebra : the functions that call libraries.
    """

    def __init__(self, plan: Plan, tools: Tools) -> None:
        self.plan, self.tools, self.table = plan, tools, AddressTable(plan)
        self.lines: list[str] = []
        self.algebra = LinearAlgebra(plan.sizes, self.table.sizes, tools.target)
        self._known: dict[Hashable, tuple[str, bool]] = {}
        self._places: list[int] = []
        self.calls: list[tuple[str, int]] = []
        own = [Local(step) for step in plan.steps]
        keys = [self._key(local) for local in own]
        self._alone = {key for key, count in Counter(keys).items() if count == 1}
        self.failing = [self._add(local, key) for local, key in zip(own, keys, strict=True)]
        self.place_count = len(self._places)
        self.open_places = {k: n for k, n in enumerate(self._places) if is_open(n)}
        places = ", ".join([f"i64 {0 if k in self.open_places else n}" for k, n in enumerate(self._places)])
        called = ", ".join([f"{{ ptr, i64 }} {{ ptr @{name}, i64 {first} }}" for name, first in self.calls])
        self.lines += [
            f"@{PLACES} = internal constant [{len(self._places)} x i64] [{places}]",
            f"@{STEPS} = internal constant [{len(self.calls)} x {{ ptr, i64 }}] [{called}]",
        ]

    def _key(self, local: Local) -> Hashable:
        buffers = [self.plan.buffers[number] for number, _ in local.buffers]
        return local.key(), tuple([(b.dtype, 0 in b.shape) for b in buffers])

    def _add(self, local: Local, key: Hashable) -> bool:
        buffers = [self.plan.buffers[number] for number, _ in local.buffers]
        places: list[int] = []
        for (number, first), buffer in zip(local.buffers, buffers, strict=True):
            entry, start = self.table.place(number)
            places += entry, start + first * element_bytes(buffer.dtype)
        if key not in self._known:
            own = places if key in self._alone and not any(map(is_open, places)) else None
            self._known[key] = self._shared(f"t{len(self._known)}", local.step, buffers, own)
        name, fails = self._known[key]
        self.calls.append((name, len(self._places)))
        self._places += places
        return fails

    def _shared(
        self, name: str, step: Step, buffers: Sequence[Buffer], places: Sequence[int] | None
    ) -> tuple[str, bool]:
        """Write the function of a step, which has these places alone; its name, and whether it can fail."""
        if isinstance(step, Gemm | Lapack):
            used = (
                [step.a.buffer, step.b.buffer, step.c.buffer]
                if isinstance(step, Gemm)
                else [*step.operands, step.result]
            )
            dtype = buffers[used[-1]].dtype
            if isinstance(step, Gemm):
                self.algebra.gemm(f"{name}_", step, dtype)
            else:
                used.append(step.work)
                self.algebra.lapack(f"{name}_", step, dtype)
            own = [*(["ptr %table"] if self.plan.sizes else []), *(f"ptr %b{n}" for n in used)]
            call = f"call void @{name}_({', '.join(own)})"
            written = WrittenNest([], [call], frozenset(used), False)
        elif isinstance(step, Nest):
            written = write_nest(step, buffers, self.tools)
        elif isinstance(step, Scan):
            written = write_scan(step, buffers, self.tools)
        elif isinstance(step, ForeignCall):
            written = self._called(f"{name}_c", step)
        elif isinstance(step, Sort):
            written = write_sort(step, buffers, self.tools)
        else:
            assert isinstance(step, ScatterAdd)
            written = write_scatter(step, buffers, self.tools)
        self.lines += _function(name, written, self.table, self.plan.sizes, places)
        return name, written.may_fail

    def _called(self, symbol: str, step: ForeignCall) -> WrittenNest:
        """The call of a function from outside."""
        used = [*step.operands, step.result]
        types = ", ".join([*("ptr" for _ in used), *("i64" for _ in step.sizes)])
        self.algebra.declare(f"declare void @{symbol}({types}) #0")
        self.algebra.imports.append((symbol, step.routine))
        starts = (*step.starts, 0)
        places = [
            f"%c{k} = getelementptr double, ptr %b{n}, i64 {at}"
            for k, (n, at) in enumerate(zip(used, starts, strict=True))
        ]
        sizes = [f"i64 {n}" for n in step.sizes]
        if not is_open(step.times) and step.times == 1:
            values = ", ".join([*(f"ptr %c{k}" for k in range(len(used))), *sizes])
            return WrittenNest([], [*places, f"call void @{symbol}({values})"], frozenset(used), False)
        values = ", ".join([*(f"ptr %p{k}" for k in range(len(used))), *sizes])
        lines = [*places, "br label %calls", "calls:", "br label %call", "call:"]
        lines.append("%at = phi i64 [0, %calls], [%next, %call]")
        for k, stride in enumerate(step.strides):
            lines += [f"%m{k} = mul i64 %at, {stride}", f"%p{k} = getelementptr double, ptr %c{k}, i64 %m{k}"]
        lines += [f"call void @{symbol}({values})", "%next = add i64 %at, 1"]
        lines += [f"%more = icmp slt i64 %next, {step.times}", "br i1 %more, label %call, label %called", "called:"]
        return WrittenNest([], lines, frozenset(used), False)


def _looked_up(numbers: Sequence[int]) -> list[str]:
    """The addresses of buffers, whose places the caller says."""
    lines = []
    for k in numbers:
        lines += [
            f"%b{k}n = getelementptr i64, ptr %places, i64 {2 * k}",
            f"%b{k}m = load i64, ptr %b{k}n",
            f"%b{k}o = getelementptr i64, ptr %places, i64 {2 * k + 1}",
            f"%b{k}f = load i64, ptr %b{k}o",
            f"%b{k}p = getelementptr ptr, ptr %table, i64 %b{k}m",
            f"%b{k}s = load ptr, ptr %b{k}p",
            f"%b{k} = getelementptr i8, ptr %b{k}s, i64 %b{k}f",
        ]
    return lines


def _known_places(numbers: Sequence[int], places: Sequence[int]) -> list[str]:
    """The same where the places are known: less for LLVM to compile."""
    lines = []
    for entry in sorted({places[2 * k] for k in numbers}):
        lines += [
            f"%from{entry}p = getelementptr ptr, ptr %table, i64 {entry}",
            f"%from{entry} = load ptr, ptr %from{entry}p",
        ]
    return [*lines, *(f"%b{k} = getelementptr i8, ptr %from{places[2 * k]}, i64 {places[2 * k + 1]}" for k in numbers)]


def _function(
    name: str, written: WrittenNest, table: AddressTable, sizes: Sizes | None, places: Sequence[int] | None
) -> list[str]:
    used = computed(sizes, [*written.entry, *written.lines], "%table", table.sizes)
    lines = [f"define internal i32 @{name}(ptr %table, ptr %places) #1 {{", "entry:", *used, *written.entry]
    numbers = sorted(written.uses)
    lines += _looked_up(numbers) if places is None else _known_places(numbers, places)
    stops = f"label %{STOPPED}" in "\n".join(written.lines)
    stopped = [f"{STOPPED}:", "ret i32 0"] if stops else []  # the loop over the points learns of it by itself
    if not written.may_fail:
        return [*lines, *written.lines, "ret i32 0", *stopped, "}"]
    for part in ("failed", "which", "extent"):
        lines += [f"%{part} = alloca i64", f"store i64 0, ptr %{part}"]
    return [
        *lines,
        *written.lines,
        "%failed_now = load i64, ptr %failed",
        "%failed_any = icmp ne i64 %failed_now, 0",
        "br i1 %failed_any, label %failure, label %success",
        "success:",
        "ret i32 0",
        "failure:",
        "%which_now = load i64, ptr %which",
        "%extent_now = load i64, ptr %extent",
        f"%which_place = getelementptr i64, ptr %table, i64 {table.which}",
        f"%extent_place = getelementptr i64, ptr %table, i64 {table.extent}",
        "store i64 %which_now, ptr %which_place",
        "store i64 %extent_now, ptr %extent_place",
        f"ret i32 {OUT_OF_RANGE}",
        *stopped,
        "}",
    ]
