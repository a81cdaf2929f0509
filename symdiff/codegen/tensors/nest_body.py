"""The body of a loop nest: values at the levels of its loops, and blocks of lanes along the innermost axis.

What does not depend on the innermost axis is computed once at the level of the innermost loop that it does depend on,
as a scalar. The rest is written for a block: several lanes, under a mask where not all of them lie in the axis. The
first part of the module has the types of lanes, and the lines that make, move, read and write them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symdiff.codegen.body import Operations
from symdiff.codegen.tensors.nest_shape import Loop, LoopCode, index_name, intersected
from symdiff.ops import core
from symdiff.optimize.planning.forms import body_cost
from symdiff.optimize.planning.plan import (
    Access,
    Body,
    Buffer,
    Choose,
    Load,
    LoadAt,
    Number,
    Position,
    Range,
    element_bytes,
    operands_of,
)
from symdiff.sizes import is_open
from symdiff.types import BOOL, INT64

MINIMUM = -(2**63)

Fresh = Callable[[str], str]
"""Gives a new name that begins with a prefix."""


def type_of(kind: str, ops: Operations) -> str:
    """The type of a value."""
    if kind == "i":
        return "i64" if ops.lanes == 1 else f"<{ops.lanes} x i64>"
    return ops.condition if kind == "c" else ops.number


def memory_type(kind: str, ops: Operations) -> str:
    """The type of a value in memory."""
    return ops.byte if kind == "c" else type_of(kind, ops)


def element_type(kind: str, ops: Operations) -> str:
    """The type of one lane in memory."""
    return {"c": "i8", "i": "i64"}.get(kind, ops.element)


def zero(kind: str, ops: Operations) -> str:
    """Zero, or a condition that does not hold."""
    if ops.lanes > 1:
        return "zeroinitializer"
    return {"c": "false", "i": "0"}.get(kind, "0.0")


def read_lanes(ops: Operations, kind: str, name: str, pointer: str) -> str:
    """Load a value whose lanes lie side by side."""
    if kind == "i":
        ops.lines.append(f"{name} = load {type_of('i', ops)}, ptr {pointer}, align 8")
        return name
    return ops.load(name, pointer, kind == "c")


def splat(fresh: Fresh, lines: list[str], value: str, type_: str, ops: Operations) -> str:
    """A scalar value in all lanes."""
    name = fresh("%s")
    lines.append(f"{name}i = insertelement <{ops.lanes} x {type_}> poison, {type_} {value}, i64 0")
    lines.append(
        f"{name} = shufflevector <{ops.lanes} x {type_}> {name}i, <{ops.lanes} x {type_}> poison, "
        f"<{ops.lanes} x i32> zeroinitializer"
    )
    return name


def to_index(ops: Operations, name: str, value: str) -> None:
    """Write the nearest integer; of NaN and numbers too large the smallest, which is no index of anything."""
    whole, integers = type_of("f", ops), type_of("i", ops)
    smallest = str(MINIMUM) if ops.lanes == 1 else f"splat (i64 {MINIMUM})"
    limit = ops.constant(2.0**62)
    ops.lines += [
        f"{name}r = call {whole} @{ops.routines.intrinsic('llvm.rint', 1)}({whole} {value})",
        f"{name}m = call {whole} @{ops.routines.intrinsic('llvm.fabs', 1)}({whole} {name}r)",
        f"{name}k = fcmp olt {whole} {name}m, {limit}",
        f"{name}z = select {ops.condition} {name}k, {whole} {name}r, {whole} {zero('f', ops)}",
        f"{name}c = fptosi {whole} {name}z to {integers}",
        f"{name} = select {ops.condition} {name}k, {integers} {name}c, {integers} {smallest}",
    ]


def note_failure(lines: list[str], name: str, failed: str, index: str, size: int) -> None:
    """Keep an index that is out of range."""
    for place, value in (("failed", "1"), ("which", index), ("extent", str(size))):
        lines += [
            f"{name}{place}o = load i64, ptr %{place}",
            f"{name}{place}n = select i1 {failed}, i64 {value}, i64 {name}{place}o",
            f"store i64 {name}{place}n, ptr %{place}",
        ]


def position(fresh: Fresh, index: str, part: Position, ops: Operations) -> str:
    """The float `offset + scale*index`, of consecutive indices in the lanes."""
    name, lines = fresh("%f"), ops.lines
    lines.append(f"{name}i = mul i64 {index}, {part.scale}")
    lines.append(f"{name}j = add i64 {name}i, {part.offset}")
    single = ops.element == "float"
    if ops.lanes == 1:
        lines.append(f"{name} = sitofp i64 {name}j to {ops.element}")
        return name
    lines.append(f"{name}d = sitofp i64 {name}j to double")
    spread = splat(fresh, lines, f"{name}d", "double", ops)
    steps = ", ".join(f"double {float(part.scale * lane)!r}" for lane in range(ops.lanes))
    wide = f"<{ops.lanes} x double>"
    lines.append(f"{name}{'w' if single else ''} = fadd {wide} {spread}, <{steps}>")
    if single:
        lines.append(f"{name} = fptrunc {wide} {name}w to {ops.number}")
    return name


def lane_numbers(lanes: int, factor: int = 1) -> str:
    """The vector 0, factor, 2*factor, …"""
    return "<" + ", ".join(f"i64 {k * factor}" for k in range(lanes)) + ">"


class Memory:
    """The intrinsics that read and write lanes under masks, by their types."""

    def __init__(self) -> None:
        self.declarations: dict[str, str] = {}

    def name(self, kind: str, type_: str, vector: str) -> str:
        """The name of one of masked.load, masked.store, masked.gather, masked.scatter, reduce.or, reduce.smax."""
        lanes, _, element = vector.strip("<>").partition(" x ")
        suffix = f"v{lanes}" + {"double": "f64", "float": "f32"}.get(element, element)
        full = f"llvm.{kind}.{suffix}"
        mask = f"<{lanes} x i1>"
        if kind == "masked.load":
            full += ".p0"
            text = f"declare {vector} @{full}(ptr, i32, {mask}, {vector})"
        elif kind == "masked.store":
            full += ".p0"
            text = f"declare void @{full}({vector}, ptr, i32, {mask})"
        elif kind == "masked.gather":
            full += f".v{lanes}p0"
            text = f"declare {vector} @{full}(<{lanes} x ptr>, i32, {mask}, {vector})"
        elif kind == "masked.scatter":
            full += f".v{lanes}p0"
            text = f"declare void @{full}({vector}, <{lanes} x ptr>, i32, {mask})"
        elif kind.endswith(("fadd", "fmul")):
            text = f"declare {type_} @{full}({type_}, {vector})"
        else:
            text = f"declare {element} @{full}({vector})"
        self.declarations[full] = text
        return full


OUT_OF_RANGE = 2
"""What a step returns where an index is out of range."""


class Nesting:
    """A body in its loops: the values of the outer levels, and the pointers to rows.

    Attributes
    ----------
    inner : the innermost axis, along which there are blocks; -1 where the space is a point.
    level : for each instruction, in how many loops it lies; `len(loops) + 1` for those in blocks.
    kinds : for each instruction f (a number), c (a condition) or i (an index).
    """

    def __init__(
        self,
        buffers: Sequence[Buffer],
        space: tuple[int, ...],
        body: Body,
        loops: list[Loop],
        inner: int,
        scalar: Operations,
    ) -> None:
        self.buffers, self.space, self.body, self.inner = buffers, space, body, inner
        inside = next((loop.step for loop in loops if loop.axis < 0), space[inner] if inner >= 0 else 1)
        self.cost = body_cost(body)
        self.code = LoopCode(loops, inside * self.cost)
        self.scalar = scalar
        self.uses: set[int] = set()
        self.may_fail = False
        self._count = 0
        self._order = {loop.axis: k + 1 for k, loop in enumerate(loops)}
        if inner >= 0:
            self._order[inner] = len(loops) + 1
        self.depth = len(loops) + 1
        self.kinds = self._find_kinds()
        self.level = self._find_levels()
        self._values: dict[int, str] = {}
        self._conditions: dict[object, str] = {}
        self._rows: dict[object, str] = {}
        self._splats: dict[str, str] = {}

    def fresh(self, prefix: str) -> str:
        """A new name, without its %."""
        self._count += 1
        return f"{prefix}{self._count}"

    def _find_kinds(self) -> list[str]:
        kinds: list[str] = []
        for part in self.body:
            if isinstance(part, Load | LoadAt):
                dtype = self.buffers[part.access.buffer].dtype
                kinds.append("c" if dtype == BOOL else "i" if dtype == INT64 else "f")
            elif isinstance(part, Number):
                kinds.append("c" if isinstance(part.value, bool) else "f")
            elif isinstance(part, Position):
                kinds.append("f")
            elif isinstance(part, Choose):
                kinds.append(kinds[part.inside])
            else:
                kinds.append("i" if part.op is core.AS_INDEX else "c" if part.op.result == "c" else "f")
        return kinds

    def _find_levels(self) -> list[int]:
        levels: list[int] = []
        order = self._order
        for part in self.body:
            if isinstance(part, Load | LoadAt):
                level = self.row_level(part.access, part.within)
                if part.access.strides and self.inner >= 0 and part.access.strides[self.inner]:
                    level = self.depth
                if isinstance(part, LoadAt):
                    level = max(level, levels[part.index])
                    if any(r.axis == self.inner for r in part.within):  # only what is used is checked
                        level = self.depth
            elif isinstance(part, Number):
                level = 0
            elif isinstance(part, Position):
                level = order[part.axis]
            elif isinstance(part, Choose):
                level = max([levels[part.inside], levels[part.outside], *(order[r.axis] for r in part.ranges)])
            else:
                level = max((levels[k] for k in part.operands), default=0)
            levels.append(level)
        return levels

    def row_level(self, access: Access, within: Sequence[Range] = ()) -> int:
        """In how many loops the row of an access is known."""
        axes = [a for a, s in enumerate(access.strides) if s and a != self.inner]
        axes += [r.axis for r in within if r.axis != self.inner]
        return max((self._order[a] for a in axes), default=0)

    # Pointers

    def base(self, buffer: int) -> str:
        """The address of a buffer."""
        self.uses.add(buffer)
        return f"%b{buffer}"

    def row(self, access: Access, within: Sequence[Range] = ()) -> str:
        """The address of an access at 0 of the innermost axis, its offset not added; outer indices kept in ranges."""
        limits = intersected([r for r in within if r.axis != self.inner])
        pointer = self.base(access.buffer)
        item = element_bytes(self.buffers[access.buffer].dtype)
        key: tuple[object, ...] = (access.buffer,)
        for t, loop in enumerate(self.code.loops):
            stride = access.strides[loop.axis] if loop.axis >= 0 else 0
            if not stride:
                continue
            lines = self.code.headers[t + 1]
            index = self._kept(loop.axis, limits.get(loop.axis), lines)
            key = (*key, index, stride)
            if key not in self._rows:
                name = self.fresh("%p")
                lines.append(f"{name}o = mul i64 {index}, {stride * item}")
                lines.append(f"{name} = getelementptr i8, ptr {pointer}, i64 {name}o")
                self._rows[key] = name
            pointer = self._rows[key]
        return pointer

    def _kept(self, axis: int, limits: tuple[int, int] | None, lines: list[str]) -> str:
        """An outer index, moved into an interval."""
        name = index_name(axis)
        if limits is None:
            return name
        for bound, predicate in ((limits[0], "sgt"), (limits[1] - 1, "slt")):
            if (bound <= 0) if predicate == "sgt" else (bound >= self.space[axis] - 1):
                continue
            key = name, predicate, bound
            if key not in self._rows:
                known = self._rows[key] = self.fresh("%i")
                lines.append(f"{known}c = icmp {predicate} i64 {name}, {bound}")
                lines.append(f"{known} = select i1 {known}c, i64 {name}, i64 {bound}")
            name = self._rows[key]
        return name

    # Values outside of blocks

    def holds(self, ranges: Sequence[Range]) -> str:
        """The condition that ranges on outer axes hold; "true" for none."""
        result = "true"
        for axis, (start, stop) in intersected(ranges).items():
            text = self._interval(axis, start, stop)
            if result == "true" or text == "false":
                result = text
            elif text != "true" and result != "false":
                level = max(self._order[r.axis] for r in ranges)
                key = result, text
                if key not in self._conditions:
                    name = self._conditions[key] = self.fresh("%c")
                    self.code.headers[level].append(f"{name} = and i1 {result}, {text}")
                result = self._conditions[key]
        return result

    def _interval(self, axis: int, start: int, stop: int) -> str:
        if start >= stop:
            return "false"
        if start <= 0 and stop >= self.space[axis]:
            return "true"
        key = axis, start, stop
        if key not in self._conditions:
            lines, name, index = self.code.headers[self._order[axis]], self.fresh("%c"), index_name(axis)
            # one comparison: index - start, unsigned
            lines.append(f"{name}d = sub i64 {index}, {start}")
            lines.append(f"{name} = icmp ult i64 {name}d, {stop - start}")
            self._conditions[key] = name
        return self._conditions[key]

    def value(self, k: int) -> str:
        """The scalar value of an instruction outside of blocks, and of all that it needs."""
        if k not in self._values:
            for n in self._missing(k):
                self._compute(n)
        return self._values[k]

    def _missing(self, k: int) -> list[int]:
        """What has to be computed for an instruction, operands first."""
        found, pending = set[int](), [k]
        while pending:
            n = pending.pop()
            if n not in found and n not in self._values:
                found.add(n)
                pending += operands_of(self.body[n])
        return sorted(found)

    def _compute(self, k: int) -> None:
        part, ops = self.body[k], self.scalar
        lines = ops.lines = self.code.headers[min(self.level[k], len(self.code.loops))]
        name = self.fresh("%v")
        if isinstance(part, Number) and is_open(part.value):
            lines.append(f"{name} = sitofp i64 {part.value} to {ops.element}")
        elif isinstance(part, Number):
            name = ops.constant(part.value)
        elif isinstance(part, Position):
            name = position(self.fresh, index_name(part.axis), part, ops)
        elif isinstance(part, Load | LoadAt):
            name = self._read(part, name)
        elif isinstance(part, Choose):
            condition = self.holds(part.ranges)
            inside, outside = self._values[part.inside], self._values[part.outside]
            if condition in ("true", "false"):
                name = inside if condition == "true" else outside
            else:
                type_ = type_of(self.kinds[k], ops)
                lines.append(f"{name} = select i1 {condition}, {type_} {inside}, {type_} {outside}")
        elif part.op is core.AS_INDEX:
            to_index(ops, name, self._values[part.operands[0]])
        else:
            ops.write(part.op, name, [self._values[n] for n in part.operands])
        self._values[k] = name

    def _read(self, part: Load | LoadAt, name: str) -> str:
        ops, access = self.scalar, part.access
        if self.holds([r for r in part.within if r.axis != self.inner]) == "false" or empty(self, part):
            return zero(self.kind_of(access.buffer), ops)
        lines = ops.lines
        pointer = self.moved(part) if isinstance(part, LoadAt) else self.row(access, part.within)
        item = element_bytes(self.buffers[access.buffer].dtype)
        ops.lines = lines
        lines.append(f"{name}a = getelementptr i8, ptr {pointer}, i64 {access.offset * item}")
        return read_lanes(ops, self.kind_of(access.buffer), name, f"{name}a")

    def kind_of(self, buffer: int) -> str:
        """f, c or i."""
        dtype = self.buffers[buffer].dtype
        return "c" if dtype == BOOL else "i" if dtype == INT64 else "f"

    def moved(self, part: LoadAt) -> str:
        """The row of an indirect read whose index is known outside of blocks."""
        lines = self.code.headers[max(self.level[part.index], self.row_level(part.access, part.within))]
        key = "moved", part
        if key not in self._rows:
            row, index = self.row(part.access, part.within), self.value(part.index)
            # A range of the innermost axis holds somewhere, and the index is the same there.
            valid = self.holds([r for r in part.within if r.axis != self.inner])
            place = self.checked(lines, index, part.size, valid)
            name = self.fresh("%p")
            item = element_bytes(self.buffers[part.access.buffer].dtype)
            lines.append(f"{name}o = mul i64 {place}, {part.stride * item}")
            lines.append(f"{name} = getelementptr i8, ptr {row}, i64 {name}o")
            self._rows[key] = name
        return self._rows[key]

    def checked(self, lines: list[str], index: str, size: int, valid: str) -> str:
        """An index counted from the front; 0, and a failure where it is `valid`, for one out of range."""
        n = self.fresh("%x")
        self.may_fail = True
        lines += [
            f"{n}n = icmp slt i64 {index}, 0",
            f"{n}p = add i64 {index}, {size}",
            f"{n}f = select i1 {n}n, i64 {n}p, i64 {index}",
            f"{n}g = icmp uge i64 {n}f, {size}",
            f"{n} = select i1 {n}g, i64 0, i64 {n}f",
            f"{n}b = and i1 {n}g, {valid}",
        ]
        note_failure(lines, n, f"{n}b", index, size)
        return n

    def splat(self, k: int, ops: Operations) -> str:
        """A value from outside of blocks in all lanes."""
        part, value = self.body[k], self.value(k)
        if ops.lanes == 1:
            return value
        if isinstance(part, Number) and not is_open(part.value):
            return ops.constant(part.value)
        if value in ("true", "false"):
            return ops.constant(value == "true")
        if value not in self._splats:
            level = min(self.level[k], len(self.code.loops))
            self._splats[value] = splat(
                self.fresh, self.code.headers[level], value, type_of(self.kinds[k], self.scalar), ops
            )
        return self._splats[value]


def empty(nesting: Nesting, part: Load | LoadAt) -> bool:
    """Whether an access is never valid."""
    limits = intersected(part.within)
    return any(start >= stop for start, stop in limits.values()) or 0 in nesting.buffers[part.access.buffer].shape
