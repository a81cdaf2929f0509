"""Numbers, conditions and indices in lanes: their types, and the lines that make, move, read and write them."""

from __future__ import annotations

from collections.abc import Callable

from symdiff.codegen.body import Operations
from symdiff.optimize.planning.plan import Position

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
