"""Blocks: the part of a nest's body that depends on the innermost axis, for some lanes of it at once, and where its
values go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symdiff.codegen.body import Operations
from symdiff.codegen.tensors.nest_body import (
    MINIMUM,
    Memory,
    Nesting,
    element_type,
    empty,
    lane_numbers,
    memory_type,
    note_failure,
    position,
    splat,
    to_index,
    type_of,
    zero,
)
from symdiff.codegen.tensors.nest_shape import intersected
from symdiff.ops import core
from symdiff.optimize.planning.plan import (
    Access,
    Choose,
    Load,
    LoadAt,
    Number,
    Position,
    Range,
    Store,
    element_bytes,
    operands_of,
)
from symdiff.sizes import is_open

State = list[tuple[str, str]]
"""Types and values that go from one block to the next."""


class Sink:
    """Takes the blocks of a segment.

    Attributes
    ----------
    scalar : whether it takes single elements, too.
    carries : how many values it carries along.
    needs : the instructions whose values it takes.
    blocks : whether `carry` is to be called wherever a block of elements has been added up.
    """

    scalar = False
    carries = 0
    blocks = False
    needs: Sequence[int] = ()

    def before(self, lines: list[str]) -> State:
        """What is carried along, fetched before the first block."""
        return []

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        """Take some blocks."""
        raise NotImplementedError

    def after(self, lines: list[str], state: State) -> None:
        """Put away what was carried along."""

    def carry(self, lines: list[str], count: str) -> None:
        """Begin the next block; `count` of them have been added up."""


class Storing(Sink):
    """Stores, and other sinks beside them."""

    def __init__(self, nesting: Nesting, stores: Sequence[Store], others: Sequence[Sink] = ()) -> None:
        self.stores, self.others = stores, others
        self.scalar = not others
        self.carries = sum(other.carries for other in others)
        self.blocks = any(other.blocks for other in others)
        self.needs = [s.value for s in stores] + [n for other in others for n in other.needs]

    def before(self, lines: list[str]) -> State:
        """Fetch what is carried along."""
        return [part for other in self.others for part in other.before(lines)]

    def step(self, lines: list[str], blocks: Sequence[Block], state: State) -> State:
        """Take some blocks."""
        # All values first: a result may lie where an operand is read.
        for block in blocks:
            if block.some:
                for store in self.stores:
                    block.value(store.value)
        made: State = []
        for other in self.others:
            made += other.step(lines, blocks, state[len(made) : len(made) + other.carries])
        for block in blocks:
            if block.some:
                for store in self.stores:
                    block.store(store.value, store.access)
        return made

    def after(self, lines: list[str], state: State) -> None:
        """Put away what was carried along."""
        at = 0
        for other in self.others:
            other.after(lines, state[at : at + other.carries])
            at += other.carries

    def carry(self, lines: list[str], count: str) -> None:
        """Begin the next block of all sums."""
        for other in self.others:
            other.carry(lines, count)


Truth = Callable[[int, int], bool | None]
"""Whether all indices of a block lie in an interval of the innermost axis, none does, or (None) it is not known."""


class Block:
    """Some lanes of the innermost axis.

    Attributes
    ----------
    index : the index of the first lane: the name of a value, or a number.
    mask : which lanes count; None for all.
    valid : the same, where it is known.
    """

    def __init__(
        self,
        nesting: Nesting,
        ops: Operations,
        memory: Memory,
        lines: list[str],
        index: str,
        truth: Truth,
        mask: str | None = None,
    ) -> None:
        self.nesting, self.ops, self.memory = nesting, ops, memory
        self.lines, self.index, self.truth, self.mask = lines, index, truth, mask
        self.valid: list[bool] | None = None
        self._values: dict[int, str] = {}
        self._known: dict[object, str] = {}

    @property
    def some(self) -> bool:
        """Whether a lane counts."""
        return self.valid is None or any(self.valid)

    def value(self, k: int) -> str:
        """The value of an instruction in all lanes."""
        k = self.resolve(k)
        if k not in self._values:
            for n in self.missing((k,)):
                self._values[n] = self._compute(n)
        return self._values[k]

    def know(self, k: int, value: str) -> None:
        """Take a value for an instruction from elsewhere."""
        self._values[k] = value

    def resolve(self, k: int) -> int:
        """The instruction that has the value of this one here: what a choice takes, where that is known."""
        body, inner = self.nesting.body, self.nesting.inner
        while isinstance(part := body[k], Choose):
            limits = intersected(part.ranges)
            outer = self.nesting.holds([r for r in part.ranges if r.axis != inner])
            known = self._inside(limits)
            if known is False or outer == "false":
                k = part.outside
            elif known and outer == "true":
                k = part.inside
            else:
                break
        return k

    def _inside(self, limits: dict[int, tuple[int, int]]) -> bool | None:
        interval = limits.get(self.nesting.inner)
        return True if interval is None else self.truth(*interval)

    def missing(self, needs: Sequence[int]) -> list[int]:
        """What has to be computed for some instructions, operands first."""
        found, pending = set[int](), [self.resolve(k) for k in needs]
        while pending:
            n = pending.pop()
            if n in found or n in self._values:
                continue
            found.add(n)
            if self.nesting.level[n] >= self.nesting.depth:
                pending += [self.resolve(m) for m in operands_of(self.nesting.body[n])]
        return sorted(found)

    def _compute(self, k: int) -> str:
        nesting, ops = self.nesting, self.ops
        part = nesting.body[k]
        if nesting.level[k] < nesting.depth:
            return nesting.splat(k, ops)
        lines = ops.lines = self.lines
        name = nesting.fresh("%v")
        if isinstance(part, Number):
            return ops.constant(part.value)
        if isinstance(part, Position):
            return position(nesting.fresh, self.index, part, ops)
        if isinstance(part, Load | LoadAt):
            return self._read(part, name)
        if isinstance(part, Choose):
            type_ = type_of(nesting.kinds[k], ops)
            condition = self._condition(part.ranges)
            of = "i1" if condition.startswith("%c") else ops.condition
            inside, outside = (self._values[self.resolve(n)] for n in (part.inside, part.outside))
            lines.append(f"{name} = select {of} {condition}, {type_} {inside}, {type_} {outside}")
        elif part.op is core.AS_INDEX:
            to_index(ops, name, self._values[self.resolve(part.operands[0])])
        else:
            ops.write(part.op, name, [self._values[self.resolve(n)] for n in part.operands])
        return name

    def _condition(self, ranges: Sequence[Range]) -> str:
        """Where ranges hold that are not known: a scalar `%c…`, or a vector."""
        nesting = self.nesting
        outer = nesting.holds([r for r in ranges if r.axis != nesting.inner])
        limits = intersected(ranges).get(nesting.inner)
        if limits is None or self.truth(*limits):
            return outer
        inner = self._interval(*limits)
        if outer == "true":
            return inner
        spread = splat(nesting.fresh, self.lines, outer, "i1", self.ops)
        name = nesting.fresh("%k")
        self.lines.append(f"{name} = and {self.ops.condition} {inner}, {spread}")
        return name

    def _interval(self, start: int, stop: int) -> str:
        key = "interval", start, stop
        if key not in self._known:
            name = self._known[key] = self.nesting.fresh("%k")
            n = self.ops.lanes
            first, length = self._all(start), self._all(max(0, stop - start))
            self.lines.append(f"{name}d = sub <{n} x i64> {self.indices()}, {first}")
            self.lines.append(f"{name} = icmp ult <{n} x i64> {name}d, {length}")
        return self._known[key]

    def _all(self, size: int) -> str:
        """A size in all lanes."""
        if is_open(size):
            return splat(self.nesting.fresh, self.lines, str(size), "i64", self.ops)
        return f"splat (i64 {size})"

    def _steps(self, stride: int) -> str:
        """The places of lanes that lie `stride` apart."""
        if not is_open(stride):
            return lane_numbers(self.ops.lanes, stride)
        name = self.nesting.fresh("%j")
        self.lines.append(f"{name} = mul <{self.ops.lanes} x i64> {self._all(stride)}, {lane_numbers(self.ops.lanes)}")
        return name

    def indices(self) -> str:
        """The indices of all lanes."""
        if "indices" not in self._known:
            n = self.ops.lanes
            spread = splat(self.nesting.fresh, self.lines, self.index, "i64", self.ops)
            name = self._known["indices"] = self.nesting.fresh("%j")
            self.lines.append(f"{name} = add <{n} x i64> {spread}, {lane_numbers(n)}")
        return self._known["indices"]

    # Memory

    def place(self, row: str, access: Access) -> str:
        """The address of the first lane's element."""
        dtype = self.nesting.buffers[access.buffer].dtype
        item, stride = element_bytes(dtype), access.strides[self.nesting.inner] if self.nesting.inner >= 0 else 0
        offset = access.offset * item
        if stride and not self.index.startswith("%"):
            offset += int(self.index) * stride * item
        elif stride:
            key = row, stride
            if key not in self._known:
                name = self._known[key] = self.nesting.fresh("%q")
                scaled = self.index
                if stride != 1:
                    scaled = f"{name}i"
                    self.lines.append(f"{scaled} = mul i64 {self.index}, {stride}")
                kind = element_type(self.nesting.kind_of(access.buffer), self.ops)
                self.lines.append(f"{name} = getelementptr {kind}, ptr {row}, i64 {scaled}")
            row = self._known[key]
        if not offset:
            return row
        name = self.nesting.fresh("%a")
        self.lines.append(f"{name} = getelementptr i8, ptr {row}, i64 {offset}")
        return name

    def whole(self, part: Load) -> bool:
        """Whether a load is valid in all lanes of every block here."""
        outer = self.nesting.holds([r for r in part.within if r.axis != self.nesting.inner])
        return self._inside(intersected(part.within)) is True and outer != "false" and not empty(self.nesting, part)

    def load(self, name: str, place: str, mask: str | None) -> str:
        """Read numbers that lie side by side."""
        return self._load("f", name, place, mask)

    def _read(self, part: Load | LoadAt, name: str) -> str:
        nesting, ops, lines = self.nesting, self.ops, self.lines
        access, kind = part.access, nesting.kind_of(part.access.buffer)
        outer = [r for r in part.within if r.axis != nesting.inner]
        limits = intersected(part.within)
        known = self._inside(limits)
        if known is False or empty(nesting, part) or nesting.holds(outer) == "false":
            return zero(kind, ops)
        mask = self.mask
        if known is None:
            mask = self._and(mask, self._interval(*limits[nesting.inner]))
        if isinstance(part, LoadAt) and nesting.level[part.index] >= nesting.depth:
            row = nesting.row(access, part.within)
            moves = self._moves(part, mask, nesting.holds(outer))
            return self._gather(kind, name, self.place(row, access), moves, mask)
        row = nesting.moved(part) if isinstance(part, LoadAt) else nesting.row(access, part.within)
        stride = access.strides[nesting.inner]
        if ops.lanes == 1:
            ops.lines = lines
            place = self.place(row, access)
            if kind == "i":
                lines.append(f"{name} = load i64, ptr {place}, align 8")
                return name
            return ops.load(name, place, kind == "c")
        if stride == -1 and mask is None:
            last = Access(access.buffer, access.offset - (ops.lanes - 1), access.strides)
            self._load(kind, f"{name}f", self.place(row, last), None)
            type_, order = memory_type(kind, ops), ", ".join(f"i32 {k}" for k in reversed(range(ops.lanes)))
            lines.append(f"{name}g = shufflevector {type_} {name}f, {type_} poison, <{ops.lanes} x i32> <{order}>")
            return self._as_condition(kind, f"{name}g", name)
        if stride != 1:
            steps = self._steps(stride)
            return self._gather(kind, name, self.place(row, access), steps, mask)
        place = self.place(row, access)
        return self._as_condition(kind, self._load(kind, f"{name}m", place, mask), name)

    def _and(self, mask: str | None, other: str) -> str:
        if mask is None:
            return other
        name = self.nesting.fresh("%k")
        self.lines.append(f"{name} = and {self.ops.condition} {mask}, {other}")
        return name

    def _load(self, kind: str, name: str, place: str, mask: str | None) -> str:
        type_ = memory_type(kind, self.ops)
        item = {"c": 1, "i": 8}.get(kind, self.ops.alignment)
        if mask is None:
            self.lines.append(f"{name} = load {type_}, ptr {place}, align {item}")
        else:
            load = self.memory.name("masked.load", "", type_)
            self.lines.append(
                f"{name} = call {type_} @{load}(ptr {place}, i32 {item}, {self.ops.condition} {mask}, "
                f"{type_} zeroinitializer)"
            )
        return name

    def _as_condition(self, kind: str, name: str, result: str) -> str:
        if kind != "c":
            return name
        self.lines.append(f"{result} = icmp ne {self.ops.byte} {name}, zeroinitializer")
        return result

    def _gather(self, kind: str, name: str, place: str, steps: str, mask: str | None) -> str:
        ops, lines, type_ = self.ops, self.lines, memory_type(kind, self.ops)
        item, n = {"c": 1, "i": 8}.get(kind, ops.alignment), ops.lanes
        if n == 1:
            lines.append(f"{name}p = getelementptr {element_type(kind, ops)}, ptr {place}, i64 {steps}")
            ops.lines = lines
            if kind == "i":
                lines.append(f"{name} = load i64, ptr {name}p, align 8")
                return name
            return ops.load(name, f"{name}p", kind == "c")
        gather = self.memory.name("masked.gather", "", type_)
        lines.append(f"{name}p = getelementptr {element_type(kind, ops)}, ptr {place}, <{n} x i64> {steps}")
        lines.append(
            f"{name}m = call {type_} @{gather}(<{n} x ptr> {name}p, i32 {item}, {ops.condition} "
            f"{mask or 'splat (i1 true)'}, {type_} zeroinitializer)"
        )
        return self._as_condition(kind, f"{name}m", name)

    def _moves(self, part: LoadAt, mask: str | None, valid: str) -> str:
        """How many elements each lane of an indirect read moves from the first lane's place."""
        nesting, ops, lines = self.nesting, self.ops, self.lines
        index, n = self._values[self.resolve(part.index)], ops.lanes
        x = nesting.fresh("%x")
        if n == 1:
            place = nesting.checked(lines, index, part.size, valid)
            lines.append(f"{x} = mul i64 {place}, {part.stride}")
            return x
        nesting.may_fail = True
        type_, size = f"<{n} x i64>", self._all(part.size)
        here = mask or "splat (i1 true)"
        lines += [
            f"{x}n = icmp slt {type_} {index}, zeroinitializer",
            f"{x}p = add {type_} {index}, {size}",
            f"{x}f = select <{n} x i1> {x}n, {type_} {x}p, {type_} {index}",
            f"{x}g = icmp uge {type_} {x}f, {size}",
            f"{x}z = select <{n} x i1> {x}g, {type_} zeroinitializer, {type_} {x}f",
            f"{x}h = and <{n} x i1> {x}g, {here}",
            f"{x}w = select <{n} x i1> {x}h, {type_} {index}, {type_} splat (i64 {MINIMUM})",
            f"{x}o = call i1 @{self.memory.name('vector.reduce.or', '', f'<{n} x i1>')}(<{n} x i1> {x}h)",
            f"{x}l = call i64 @{self.memory.name('vector.reduce.smax', '', type_)}({type_} {x}w)",
            f"{x}b = and i1 {x}o, {valid}",
        ]
        note_failure(lines, x, f"{x}b", f"{x}l", part.size)
        stride = part.access.strides[nesting.inner]
        lines.append(f"{x}m = mul {type_} {x}z, {self._all(part.stride)}")
        lines.append(f"{x} = add {type_} {x}m, {self._steps(stride)}")
        return x

    def store(self, k: int, access: Access) -> None:
        """Write a value."""
        kind = self.nesting.kinds[k]
        self.put(self.value(k), kind, self.place(self.nesting.row(access), access), access.strides[self.nesting.inner])

    def put(self, value: str, kind: str, place: str, stride: int) -> None:
        """Write the lanes of a value, `stride` elements apart."""
        ops, lines, type_ = self.ops, self.lines, memory_type(kind, self.ops)
        item, n, name = {"c": 1, "i": 8}.get(kind, ops.alignment), ops.lanes, self.nesting.fresh("%w")
        if kind == "c":
            lines.append(f"{name}z = zext {ops.condition} {value} to {ops.byte}")
            value = f"{name}z"
        if n == 1 or (stride == 1 and self.mask is None):
            lines.append(f"store {type_} {value}, ptr {place}, align {item}")
            return
        if stride == -1 and self.mask is None:
            order = ", ".join(f"i32 {k}" for k in reversed(range(n)))
            lines.append(f"{name}r = shufflevector {type_} {value}, {type_} poison, <{n} x i32> <{order}>")
            lines.append(f"{name}p = getelementptr {element_type(kind, ops)}, ptr {place}, i64 {1 - n}")
            lines.append(f"store {type_} {name}r, ptr {name}p, align {item}")
            return
        mask = self.mask or "splat (i1 true)"
        if stride == 1:
            store = self.memory.name("masked.store", "", type_)
            lines.append(f"call void @{store}({type_} {value}, ptr {place}, i32 {item}, {ops.condition} {mask})")
            return
        scatter = self.memory.name("masked.scatter", "", type_)
        lines.append(
            f"{name}p = getelementptr {element_type(kind, ops)}, ptr {place}, <{n} x i64> {self._steps(stride)}"
        )
        lines.append(f"call void @{scatter}({type_} {value}, <{n} x ptr> {name}p, i32 {item}, {ops.condition} {mask})")
