"""The vector body: `void body(char **args, intp count, intp *steps, void *work)` computes `count` vectors of points.

Each operand's elements lie contiguous over the points of a vector; `steps` is as in NumPy's loops, so a step of 0
means that the same vector is used again and again: the value of one point, repeated. The driver of batches (see
batches) brings other operands into that form. Of a vector, all inputs are read before its outputs are written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff.budget import stage, time_left
from symdiff.codegen.body import CodeWriter, Operations, Routines
from symdiff.codegen.fills import fill_lines
from symdiff.codegen.layout import Layout, operand_lines
from symdiff.codegen.loops import Pointers, WrittenLoop, write_outputs, write_piece
from symdiff.codegen.pieces import Piece

if TYPE_CHECKING:
    from symdiff.optimize.program import Program

BODY = "body"


def write_vector_body(
    program: Program, layout: Layout, pieces: list[Piece], slots: int, lanes: int, vector: bool
) -> WrittenLoop:
    """The functions of a vector body; `vector` allows functions that are not bit for bit the scalar ones."""
    routines = Routines("double", lanes, vector)
    if len(pieces) == 1:
        pointers = Pointers(layout, from_array=False)
        body = CodeWriter(program.graph, routines, pointers.input)
        body.compute(pieces[0].nodes)
        for _, _, node in pieces[0].stores:
            body.value(node)
        write_outputs(body, pointers, pieces[0])
        text = _loop(sorted(pointers.used), lanes, pointers.prologue, body.lines)
    else:
        operands = range(len(layout.operands))
        start = [f"%current = alloca [{max(1, len(operands))} x ptr]"]
        start += [f"%c{k} = getelementptr ptr, ptr %current, i64 {k}" for k in operands]
        calls = [f"store ptr %q{k}, ptr %c{k}" for k in operands]
        calls += [f"call void @p{k}(ptr %current, ptr %steps, ptr %work)" for k in range(len(pieces))]
        text = _loop(list(operands), lanes, start, calls)
        stage("writing", len(pieces))
        for k, piece in enumerate(pieces):
            time_left(k)
            text += write_piece(program, Pointers(layout, from_array=True), piece, routines, f"p{k}")
    fills = [output for piece in pieces for output in piece.fills]
    text += fill_lines(program, layout, fills, Operations("double", routines))
    return WrittenLoop([*routines.definitions, *text], routines, slots * 8 * lanes, False)


def _loop(used: list[int], lanes: int, start: list[str], inside: list[str]) -> list[str]:
    lines = [f"define void @{BODY}(ptr %args, i64 %n, ptr %steps, ptr %work) #0 {{", "entry:"]
    for k in used:
        lines += [*operand_lines(k), f"%g{k} = mul i64 %d{k}, {lanes}"]
    lines += [*start, "br label %point", "point:"]
    lines.append("%i = phi i64 [ 0, %entry ], [ %i1, %point ]")
    lines += [f"%q{k} = phi ptr [ %a{k}, %entry ], [ %r{k}, %point ]" for k in used]
    lines += inside
    lines += [f"%r{k} = getelementptr i8, ptr %q{k}, i64 %g{k}" for k in used]
    lines += ["%i1 = add i64 %i, 1", "%more = icmp slt i64 %i1, %n", "br i1 %more, label %point, label %done"]
    return [*lines, "done:", "ret void", "}"]
