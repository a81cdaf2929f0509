"""Constants of an output, written by one copy or loop where they are many: a Jacobian is mostly zeros."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from symdiff.codegen.body import Operations, written_constant
from symdiff.codegen.layout import Layout
from symdiff.ops import core

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph
    from symdiff.optimize.program import Program

FEWEST = 32
"""So many constants of an output are written together, where they are at least half of its elements."""

CONSTANT = core.CONSTANT
FORMATS = {"float64": "d", "float32": "f", "bool": "?"}


def filled_outputs(program: Program) -> list[int]:
    """The outputs whose constants are written together; the other elements are written afterwards."""
    ops = program.graph.ops
    found = []
    for output, nodes in enumerate(program.outputs):
        constants = sum(ops[node] is CONSTANT for node in nodes) if len(nodes) >= FEWEST else 0
        if constants >= FEWEST and 2 * constants >= len(nodes):
            found.append(output)
    return found


def fill_call(output: int, address: str) -> str:
    """The line that writes an output's constants."""
    return f"call void @fill{output}(ptr {address}, ptr %steps)"


def fill_lines(program: Program, layout: Layout, outputs: Sequence[int], operations: Operations) -> list[str]:
    """The functions that write constants, for elements of as many lanes as `operations` has, and what they read."""
    lines: list[str] = []
    first = layout.first_strides()
    start = len(layout.inputs)
    for place, operand in enumerate(layout.outputs):
        for output in operand.members:
            if output in outputs:
                at = first[start + place]
                data = constant_bytes(program.graph, program.outputs[output], operand.dtype)
                lines += _function(output, operand.dtype, operand.shape, at, data, operations)
    return lines


def fill_declarations(outputs: Sequence[int]) -> dict[str, str]:
    """What those functions call: C function → its declaration."""
    if not outputs:
        return {}
    return {
        "memset": "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
        "memcpy": "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
    }


def constant_bytes(graph: Graph, nodes: Sequence[int], dtype: str) -> bytes:
    """An output's elements in C order, 0 where one is no constant."""
    values = [graph.payloads[node] if graph.ops[node] is CONSTANT else 0 for node in nodes]
    return struct.pack(f"={len(values)}{FORMATS[dtype]}", *values)


def _function(
    output: int, dtype: str, shape: tuple[int, ...], first: int, data: bytes, operations: Operations
) -> list[str]:
    """Copies the whole array where it lies in C order, otherwise goes along its axes."""
    lanes, is_condition = operations.lanes, dtype == "bool"
    memory = operations.byte if is_condition else operations.number
    single = "i8" if is_condition else operations.element
    item = 1 if is_condition else operations.alignment
    zero = not any(data)
    lines: list[str] = []
    if not zero:
        text = "".join(f"\\{byte:02X}" for byte in data)
        lines.append(f'@data{output} = private unnamed_addr constant [{len(data)} x i8] c"{text}", align {item}')
    lines += [f"define internal void @fill{output}(ptr %out, ptr %steps) #1 {{", "entry:"]
    inside, step = "true", item * lanes
    for axis in reversed(range(len(shape))):
        lines += [
            f"%sp{axis} = getelementptr i64, ptr %steps, i64 {first + axis}",
            f"%s{axis} = load i64, ptr %sp{axis}",
            f"%c{axis} = icmp eq i64 %s{axis}, {step}",
            f"%in{axis} = and i1 {inside}, %c{axis}",
        ]
        inside = f"%in{axis}"
        step *= shape[axis]
    if zero:
        at_once = f"call void @llvm.memset.p0.i64(ptr align {item} %out, i8 0, i64 {step}, i1 false)"
    elif lanes == 1:
        at_once = (
            f"call void @llvm.memcpy.p0.p0.i64(ptr align {item} %out, ptr align {item} @data{output}, "
            f"i64 {step}, i1 false)"
        )
    else:
        at_once, inside = "", "false"
    lines += [f"br i1 {inside}, label %whole, label %axis0", "whole:", at_once, "ret void"]
    from_, pointer, flat = "%entry", "%out", "0"
    for axis in range(len(shape)):
        lines += [
            f"axis{axis}:",
            f"%i{axis} = phi i64 [ 0, {from_} ], [ %i{axis}n, %next{axis} ]",
            f"%p{axis} = phi ptr [ {pointer}, {from_} ], [ %p{axis}n, %next{axis} ]",
            f"%f{axis} = phi i64 [ {flat}, {from_} ], [ %f{axis}n, %next{axis} ]",
        ]
        from_, pointer, flat = f"%axis{axis}", f"%p{axis}", f"%f{axis}"
        if axis < len(shape) - 1:
            lines.append(f"br label %axis{axis + 1}")
    value = "zeroinitializer" if lanes > 1 else written_constant(0.0) if not is_condition else "0"
    if not zero:
        lines += [
            f"%from = getelementptr {single}, ptr @data{output}, i64 {flat}",
            f"%value = load {single}, ptr %from, align {item}",
        ]
        value = "%value"
        if lanes > 1:
            lines += [
                f"%one = insertelement {memory} poison, {single} %value, i32 0",
                f"%all = shufflevector {memory} %one, {memory} poison, <{lanes} x i32> zeroinitializer",
            ]
            value = "%all"
    lines += [f"store {memory} {value}, ptr {pointer}, align {item}", f"br label %next{len(shape) - 1}"]
    grown = f"add i64 {flat}, 1"
    for axis in reversed(range(len(shape))):
        lines += [
            f"next{axis}:",
            f"%f{axis}n = {grown}",
            f"%i{axis}n = add i64 %i{axis}, 1",
            f"%p{axis}n = getelementptr i8, ptr %p{axis}, i64 %s{axis}",
            f"%m{axis} = icmp slt i64 %i{axis}n, {shape[axis]}",
            f"br i1 %m{axis}, label %axis{axis}, label %{f'next{axis - 1}' if axis else 'done'}",
        ]
        grown = f"add i64 %f{axis}n, 0"
    return [*lines, "done:", "ret void", "}"]
