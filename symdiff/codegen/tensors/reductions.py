"""Reductions: sums in lanes, one running sum, and rows of sums in memory.

The order of additions is that of `ops.structure.lane_fold`: the same in the interpreter and at every width of vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from symdiff.codegen.body import written_constant
from symdiff.codegen.tensors.nest_blocks import Block, Sink, State
from symdiff.codegen.tensors.nest_body import Nesting
from symdiff.codegen.tensors.open_sizes import room
from symdiff.ops.base import Op
from symdiff.ops.core import ALL, AMAX, AMIN, ANY, PROD, SUM
from symdiff.ops.structure import BLOCK, CASCADE, LANES
from symdiff.optimize.planning.plan import Reduce
from symdiff.sizes import is_open

if TYPE_CHECKING:
    from symdiff.codegen.tensors.segments import Tools

STACK = 16_384
"""Bytes of sums that wait on the stack: they and what is added to them stay in the fastest cache together."""

IDENTITY: dict[Op, float] = {SUM: -0.0, PROD: 1.0, AMAX: float("-inf"), AMIN: float("inf"), ANY: 0, ALL: 1}
"""What a reduction starts from without a trace: -0.0 + x is x for every x, 0.0 + x is not."""


def levels(count: int) -> int:
    """How many levels of sums there are above those of the elements: each has up to 16 of the one below it."""
    found, sums = 0, count // BLOCK
    while sums:
        found, sums = found + 1, sums // CASCADE
    return found


def _carry(name: str, element: str, align: int) -> list[str]:
    """The function that adds sums to those of the next level and begins them again, up to a level that goes on.

    It takes the sums, how many one level has (a multiple of 8), and how many blocks have been added up.
    """
    eight, shift = f"<{LANES} x {element}>", CASCADE.bit_length() - 1
    return [
        f"define internal void @{name}(ptr %sums, i64 %size, i64 %count) #1 {{",
        "entry:",
        "br label %level",
        "level:",
        "%from = phi ptr [ %sums, %entry ], [ %to, %full ]",
        "%sum = phi i64 [ %count, %entry ], [ %fewer, %full ]",
        f"%to = getelementptr {element}, ptr %from, i64 %size",
        "br label %add",
        "add:",
        "%k = phi i64 [ 0, %level ], [ %next, %add ]",
        f"%source = getelementptr {element}, ptr %from, i64 %k",
        f"%target = getelementptr {element}, ptr %to, i64 %k",
        f"%a = load {eight}, ptr %target, align {align}",
        f"%b = load {eight}, ptr %source, align {align}",
        f"%c = fadd {eight} %a, %b",
        f"store {eight} %c, ptr %target, align {align}",
        f"store {eight} splat ({element} -0.0), ptr %source, align {align}",
        f"%next = add i64 %k, {LANES}",
        "%more = icmp slt i64 %next, %size",
        "br i1 %more, label %add, label %done",
        "done:",
        f"%rest = and i64 %sum, {CASCADE - 1}",
        "%whole = icmp eq i64 %rest, 0",
        "br i1 %whole, label %full, label %end",
        "full:",
        f"%fewer = lshr i64 %sum, {shift}",
        "br label %level",
        "end:",
        "ret void",
        "}",
    ]


def combine_partials(op: Op, type_: str, condition: str, name: str, a: str, b: str) -> list[str]:
    """Take two values together."""
    if op in (SUM, PROD):
        return [f"{name} = {'fadd' if op is SUM else 'fmul'} {type_} {a}, {b}"]
    if op in (ANY, ALL):
        return [f"{name} = {'or' if op is ANY else 'and'} {type_} {a}, {b}"]
    # One instruction in which a NaN in a stays; then one in b is taken, which does not wait for a.
    return [
        f"{name}p = fcmp {'ogt' if op is AMAX else 'olt'} {type_} {b}, {a}",
        f"{name}t = select {condition} {name}p, {type_} {b}, {type_} {a}",
        f"{name}n = fcmp uno {type_} {b}, {b}",
        f"{name} = select {condition} {name}n, {type_} {b}, {type_} {name}t",
    ]


class Reduction(Sink):
    """The parts that all reductions share."""

    def __init__(
        self, nesting: Nesting, tools: Tools, reduce: Reduce, entry: list[str], size: int, count: int = 0
    ) -> None:
        """`size` sums at once, of `count` elements each: for every level of sums of blocks as many more."""
        self.nesting, self.tools, self.reduce = nesting, tools, reduce
        self.needs = (reduce.value,)
        self.condition = reduce.op in (ANY, ALL)
        self.one = "i8" if self.condition else tools.element
        self.type = f"<{tools.lanes} x {self.one}>"
        self.mask_type = f"<{tools.lanes} x i1>"
        self.bytes = 1 if self.condition else 4 if tools.element == "float" else 8
        self.sums = nesting.fresh("%t")
        self.size, self.levels = size, levels(count) if reduce.op is SUM else 0
        self.blocks = self.levels > 0
        entry.append(room(self.sums, size * (1 + self.levels), self.one))

    @property
    def identity(self) -> str:
        """What the reduction starts from."""
        value = IDENTITY[self.reduce.op]
        return str(value) if self.condition else written_constant(float(value))

    def fill(self, lines: list[str]) -> None:
        """Write the identity to all sums; their number is a multiple of the lanes."""
        n, lanes, count = self.nesting.fresh("%l"), self.tools.lanes, self.size * (1 + self.levels)
        value = f"splat ({self.one} {self.identity})"
        if not is_open(count) and count <= 4 * lanes:
            for at in range(0, count, lanes):
                lines += [
                    f"{n}.{at} = getelementptr {self.one}, ptr {self.sums}, i64 {at}",
                    f"store {self.type} {value}, ptr {n}.{at}, align {self.bytes}",
                ]
            return
        label = n[1:]
        lines += [
            f"br label %A{label}",
            f"A{label}:",
            f"br label %F{label}",
            f"F{label}:",
            f"{n} = phi i64 [ 0, %A{label} ], [ {n}n, %F{label} ]",
            f"{n}p = getelementptr {self.one}, ptr {self.sums}, i64 {n}",
            f"store {self.type} {value}, ptr {n}p, align {self.bytes}",
            f"{n}n = add i64 {n}, {lanes}",
            f"{n}m = icmp slt i64 {n}n, {count}",
            f"br i1 {n}m, label %F{label}, label %X{label}",
            f"X{label}:",
        ]

    def given(self, block: Block) -> str:
        """A block's values, the identity in lanes that do not count."""
        value, lines = block.value(self.reduce.value), block.lines
        name = self.nesting.fresh("%r")
        if self.condition:
            lines.append(f"{name}b = zext {self.mask_type} {value} to {self.type}")
            value = f"{name}b"
        if block.mask is None:
            return value
        lines.append(
            f"{name} = select {self.mask_type} {block.mask}, {self.type} {value}, "
            f"{self.type} splat ({self.one} {self.identity})"
        )
        return name

    def merge(self, lines: list[str], a: str, b: str) -> str:
        """Take two vectors together."""
        name = self.nesting.fresh("%r")
        lines += combine_partials(self.reduce.op, self.type, self.mask_type, name, a, b)
        return name

    def carry(self, lines: list[str], count: str) -> None:
        """Add the sums of a block to those of the next level."""
        if self.blocks:
            name = f"carry_{self.one}"
            self.tools.definitions.setdefault(name, _carry(name, self.one, self.bytes))
            lines.append(f"call void @{name}(ptr {self.sums}, i64 {self.size}, i64 {count})")

    def put(self, lines: list[str], value: str) -> None:
        """Write the result for one kept element."""
        access, block = (
            self.reduce.access,
            Block(self.nesting, self.tools.scalar, self.tools.memory, lines, "0", lambda start, stop: None),
        )
        place = block.place(self.nesting.row(access), access)
        lines.append(f"store {self.one} {value}, ptr {place}, align {self.bytes}")


class Horizontal(Reduction):
    """Eight running sums, of the lanes of blocks of eight."""

    def __init__(self, nesting: Nesting, tools: Tools, reduce: Reduce, entry: list[str], count: int) -> None:
        super().__init__(nesting, tools, reduce, entry, LANES, count)
        self.carries = LANES // tools.lanes

    def start(self, lines: list[str]) -> None:
        """Before the first element."""
        self.fill(lines)

    def _place(self, lines: list[str], k: int) -> str:
        if not k:
            return self.sums
        name = self.nesting.fresh("%a")
        lines.append(f"{name} = getelementptr {self.one}, ptr {self.sums}, i64 {k * self.tools.lanes}")
        return name

    def before(self, lines: list[str]) -> State:
        """Fetch what is carried along."""
        state: State = []
        for k in range(self.carries):
            name, place = self.nesting.fresh("%r"), self._place(lines, k)
            lines.append(f"{name} = load {self.type}, ptr {place}, align {self.bytes}")
            state.append((self.type, name))
        return state

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        """Take some blocks."""
        made: State = []
        for block, (type_, sums) in zip(blocks, state, strict=True):
            made.append((type_, self.merge(lines, sums, self.given(block)) if block.some else sums))
        return made

    def after(self, lines: list[str], state: State) -> None:
        """Put away what was carried along."""
        for k, (type_, value) in enumerate(state):
            lines.append(f"store {type_} {value}, ptr {self._place(lines, k)}, align {self.bytes}")

    def end(self, lines: list[str]) -> None:
        """After the last element."""
        fresh, op = self.nesting.fresh, self.reduce.op
        a, b, c, d, e = (fresh("%e") for _ in range(5))
        four, two = f"<4 x {self.one}>", f"<2 x {self.one}>"
        self._add_levels(lines)
        lines += [
            f"{b}p = getelementptr {self.one}, ptr {self.sums}, i64 4",
            f"{a} = load {four}, ptr {self.sums}, align {self.bytes}",
            f"{b} = load {four}, ptr {b}p, align {self.bytes}",
            *combine_partials(op, four, "<4 x i1>", c, a, b),
            f"{c}l = shufflevector {four} {c}, {four} poison, <2 x i32> <i32 0, i32 1>",
            f"{c}h = shufflevector {four} {c}, {four} poison, <2 x i32> <i32 2, i32 3>",
            *combine_partials(op, two, "<2 x i1>", d, f"{c}l", f"{c}h"),
            f"{d}l = extractelement {two} {d}, i64 0",
            f"{d}h = extractelement {two} {d}, i64 1",
            *combine_partials(op, self.one, "i1", e, f"{d}l", f"{d}h"),
        ]
        self.put(lines, e)

    def _add_levels(self, lines: list[str]) -> None:
        """The sums of all levels into the lowest one."""
        eight = f"<{LANES} x {self.one}>"
        for level in range(1, self.levels + 1):
            n = self.nesting.fresh("%e")
            lines += [
                f"{n}p = getelementptr {self.one}, ptr {self.sums}, i64 {level * LANES}",
                f"{n}a = load {eight}, ptr {n}p, align {self.bytes}",
                f"{n}b = load {eight}, ptr {self.sums}, align {self.bytes}",
                f"{n} = fadd {eight} {n}a, {n}b",
                f"store {eight} {n}, ptr {self.sums}, align {self.bytes}",
            ]


class Ordered(Reduction):
    """One running sum or product, of fewer than 16 elements."""

    carries = 1

    def __init__(self, nesting: Nesting, tools: Tools, reduce: Reduce, entry: list[str]) -> None:
        super().__init__(nesting, tools, reduce, entry, 1)

    def start(self, lines: list[str]) -> None:
        """Before the first element."""
        lines.append(f"store {self.one} {self.identity}, ptr {self.sums}, align {self.bytes}")

    def before(self, lines: list[str]) -> State:
        """Fetch what is carried along."""
        name = self.nesting.fresh("%r")
        lines.append(f"{name} = load {self.one}, ptr {self.sums}, align {self.bytes}")
        return [(self.one, name)]

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        """Take some blocks."""
        running = state[0][1]
        operation = "fadd" if self.reduce.op is SUM else "fmul"
        function = self.tools.memory.name(f"vector.reduce.{operation}", self.one, self.type)
        for block in blocks:
            if block.some:
                value, name = self.given(block), self.nesting.fresh("%r")
                lines.append(f"{name} = call {self.one} @{function}({self.one} {running}, {self.type} {value})")
                running = name
        return [(self.one, running)]

    def after(self, lines: list[str], state: State) -> None:
        """Put away what was carried along."""
        lines.append(f"store {self.one} {state[0][1]}, ptr {self.sums}, align {self.bytes}")

    def end(self, lines: list[str]) -> None:
        """After the last element."""
        name = self.nesting.fresh("%e")
        lines.append(f"{name} = load {self.one}, ptr {self.sums}, align {self.bytes}")
        self.put(lines, name)


def _rows(op: Op, count: int) -> int:
    return LANES if count >= 2 * LANES and op in (SUM, PROD) else 1


def accumulator_width(reduces: Sequence[Reduce], size: int, count: int, tools: Tools) -> int:
    """For how many kept elements sums are held at once: a multiple of the lanes."""
    item = 4 if tools.element == "float" else 8
    each = sum(_rows(r.op, count) * item for r in reduces)
    most = max(tools.lanes, STACK // each // tools.lanes * tools.lanes)
    return min(most, (size + tools.lanes - 1) // tools.lanes * tools.lanes)


class Vertical(Reduction):
    """Rows of sums in memory, one for each kept element of a part of the innermost axis."""

    def __init__(
        self, nesting: Nesting, tools: Tools, reduce: Reduce, entry: list[str], width: int, count: int, begin: str
    ) -> None:
        self.rows, self.width, self.begin = _rows(reduce.op, count), width, begin
        super().__init__(nesting, tools, reduce, entry, self.rows * width, count)
        self._row = ""

    def start(self, lines: list[str]) -> None:
        """Before the first row."""
        self.fill(lines)

    def row(self, lines: list[str], sequence: str) -> None:
        """Where the sums of a row are."""
        n = self._row = self.nesting.fresh("%t")
        if self.rows > 1:
            lines += [
                f"{n}k = and i64 {sequence}, {self.rows - 1}",
                f"{n}o = mul i64 {n}k, {self.width}",
                f"{n}s = sub i64 {n}o, {self.begin}",
            ]
        else:
            lines.append(f"{n}s = sub i64 0, {self.begin}")
        lines.append(f"{n} = getelementptr {self.one}, ptr {self.sums}, i64 {n}s")

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        """Take some blocks."""
        for block in blocks:
            value, n = self.given(block), self.nesting.fresh("%r")
            # Lanes that do not count get the identity: their sums stay. There is room for whole vectors.
            lines += [f"{n}p = getelementptr {self.one}, ptr {self._row}, i64 {block.index}"]
            if block.mask is None:
                lines.append(f"{n} = load {self.type}, ptr {n}p, align {self.bytes}")
                lines.append(f"store {self.type} {self.merge(lines, n, value)}, ptr {n}p, align {self.bytes}")
            else:
                self._masked(block, n, value)
        return []

    def _masked(self, block: Block, n: str, value: str) -> None:
        lines, memory = block.lines, self.tools.memory
        load, store = memory.name("masked.load", "", self.type), memory.name("masked.store", "", self.type)
        lines.append(
            f"{n} = call {self.type} @{load}(ptr {n}p, i32 {self.bytes}, {self.mask_type} {block.mask}, "
            f"{self.type} zeroinitializer)"
        )
        total = self.merge(lines, n, value)
        lines.append(
            f"call void @{store}({self.type} {total}, ptr {n}p, i32 {self.bytes}, {self.mask_type} {block.mask})"
        )

    def results(self) -> Sink:
        """What takes the rows together and writes the results."""
        return _Results(self)


class _Results(Sink):
    def __init__(self, sums: Vertical) -> None:
        self.sums = sums

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        """Take some blocks."""
        sums = self.sums
        nesting, access = sums.nesting, sums.reduce.access
        for block in blocks:
            values: list[str] = []
            n = nesting.fresh("%o")
            lines.append(f"{n} = sub i64 {block.index}, {sums.begin}")
            for row in range(sums.rows):
                value = ""
                for level in range(sums.levels + 1):
                    k = f"{row}.{level}"
                    lines += [
                        f"{n}.{k}o = add i64 {n}, {level * sums.size + row * sums.width}",
                        f"{n}.{k}p = getelementptr {sums.one}, ptr {sums.sums}, i64 {n}.{k}o",
                        f"{n}.{k} = load {sums.type}, ptr {n}.{k}p, align {sums.bytes}",
                    ]
                    value = sums.merge(lines, f"{n}.{k}", value) if value else f"{n}.{k}"
                values.append(value)
            while len(values) > 1:
                half = len(values) // 2
                values = [sums.merge(lines, values[k], values[k + half]) for k in range(half)]
            value = values[0]
            if sums.condition:
                lines.append(f"{n}c = icmp ne {sums.type} {value}, zeroinitializer")
                value = f"{n}c"
            place = block.place(nesting.row(access), access)
            block.put(value, "c" if sums.condition else "f", place, access.strides[nesting.inner])
        return state
