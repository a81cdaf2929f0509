"""The loop that NumPy calls, around the body: `int loop(char **args, intp *dims, intp *steps, void *data)`.

NumPy ignores the result; 0 is success and 1 means that there was no memory for the workspace. With `data` null the
floating-point status is put back as it was: nothing warns. Otherwise `data` points to a pointer to workspace, which may
be null, and the exceptions of the computation stay in the status.

NumPy hands a loop aligned operands in native byte order, in any strides. It copies operands that overlap, except where
an output is the very array of an input or follows an input that runs ahead of it: so each point's inputs are read
before its outputs are written, and points are computed in order.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from symdiff.budget import stage, time_left
from symdiff.codegen.body import CodeWriter, Operations, Routines, is_of_c
from symdiff.codegen.fills import fill_call, fill_lines
from symdiff.codegen.layout import FAILED as FAILED
from symdiff.codegen.layout import LOOP as LOOP
from symdiff.codegen.layout import Layout, operand_lines
from symdiff.codegen.pairs import find_pairs
from symdiff.codegen.pieces import Piece
from symdiff.codegen.status import Status
from symdiff.codegen.target import Target
from symdiff.types import FLOAT32

if TYPE_CHECKING:
    from symdiff.optimize.program import Program

LARGEST_FRAME = 16_384
"""Bytes of workspace that may lie on the stack."""

MISSING = {"float64": "double 0x7FF8000000000000", "float32": "float 0x7FF8000000000000", "bool": "i8 0"}


class Pointers:
    """Addresses of elements in one function: strides and offsets are computed once, in its `prologue`."""

    def __init__(self, layout: Layout, from_array: bool) -> None:
        self.layout = layout
        self.prologue: list[str] = []
        self.used: set[int] = set()
        self._from_array = from_array
        self._first = layout.first_strides()
        self._known: set[str] = set()
        self._fresh = 0
        self._homes: dict[bool, dict[int, tuple[int, int]]] = {False: {}, True: {}}
        for k, operand in enumerate(layout.operands):
            homes = self._homes[k >= len(layout.inputs)]
            for place, member in enumerate(operand.members):
                homes[member] = (k, place)

    def input(self, member: int, element: int, lines: list[str]) -> str:
        """The address of an element of the program's input."""
        return self._element(*self._homes[False][member], element, lines)

    def output(self, member: int, element: int, lines: list[str]) -> str:
        """The address of an element of the program's output."""
        return self._element(*self._homes[True][member], element, lines)

    def fill(self, output: int, lines: list[str]) -> None:
        """Write the constants of an output."""
        lines.append(fill_call(output, self.output(output, 0, lines)))

    def _element(self, k: int, place: int, element: int, lines: list[str]) -> str:
        if k not in self.used:
            self.used.add(k)
            if self._from_array:
                self.prologue += [f"%qp{k} = getelementptr ptr, ptr %args, i64 {k}", f"%q{k} = load ptr, ptr %qp{k}"]
        offset, rest = "", place + element
        for axis, size in reversed(list(enumerate(self.layout.operands[k].shape))):
            rest, index = divmod(rest, size)
            if index:
                step = self._offset(k, axis, index)
                offset = self._add(offset, step, lines) if offset else step
        if not offset:
            return f"%q{k}"
        self._fresh += 1
        lines.append(f"%e{self._fresh} = getelementptr i8, ptr %q{k}, i64 {offset}")
        return f"%e{self._fresh}"

    def _add(self, a: str, b: str, lines: list[str]) -> str:
        self._fresh += 1
        lines.append(f"%f{self._fresh} = add i64 {a}, {b}")
        return f"%f{self._fresh}"

    def _offset(self, k: int, axis: int, index: int) -> str:
        stride, name = f"%s{k}_{axis}", f"%o{k}_{axis}_{index}"
        if stride not in self._known:
            self._known.add(stride)
            self.prologue += [
                f"{stride}p = getelementptr i64, ptr %steps, i64 {self._first[k] + axis}",
                f"{stride} = load i64, ptr {stride}p",
            ]
        if index == 1:
            return stride
        if name not in self._known:
            self._known.add(name)
            self.prologue.append(f"{name} = mul i64 {stride}, {index}")
        return name


class WrittenLoop:
    """The text of a kernel's functions and what it needs."""

    def __init__(self, lines: list[str], routines: Routines, workspace: int, on_heap: bool) -> None:
        self.lines = lines
        self.routines = routines
        self.workspace = workspace
        self.on_heap = on_heap


def write_loop(program: Program, layout: Layout, pieces: list[Piece], slots: int, target: Target) -> WrittenLoop:
    """The functions of a kernel: its loop and, where there are several, its pieces."""
    status = target.status
    number = "float" if program.graph.dtype == "float32" else "double"
    routines = Routines(number, target=target)
    if len(pieces) == 1:
        text = _whole(program, layout, pieces[0], routines, status)
    else:
        text = _driver(layout, len(pieces), slots * 8, status)
        stage("writing", len(pieces))
        for k, piece in enumerate(pieces):
            time_left(k)
            text += write_piece(program, Pointers(layout, from_array=True), piece, routines, f"p{k}")
    text += fill_lines(program, layout, [o for piece in pieces for o in piece.fills], Operations(number, routines))
    on_heap = slots * 8 > LARGEST_FRAME
    if any(is_of_c(what) for _, what in routines.imports):
        text = _without_lock(text)
    return WrittenLoop(text, routines, slots * 8, on_heap)


def _without_lock(text: list[str]) -> list[str]:
    """The loop, which is the one function that gives a number, without Python's lock."""
    away = {"%n = load i64, ptr %dims": ["%thread = call ptr @step_aside()"]}
    back = "call void @step_back(ptr %thread)"
    return [
        part for line in text for part in ([back, line] if line.startswith("ret i32") else [line, *away.get(line, ())])
    ]


def _open(layout: Layout, status: Status) -> list[str]:
    lines = [f"define i32 @{LOOP}(ptr %args, ptr %dims, ptr %steps, ptr %data) #0 {{", "entry:"]
    lines += status.allocate
    lines += status.get("%before")
    lines.append("%n = load i64, ptr %dims")
    return lines


def pointer_lists(layout: Layout) -> list[str]:
    """Room for the lists of arrays that the function of a point takes, %ins and %outs."""
    first, count = len(layout.inputs), len(layout.operands)
    return [f"%ins = alloca [{max(1, first)} x ptr]", f"%outs = alloca [{max(1, count - first)} x ptr]"]


def point_call(layout: Layout, name: str) -> list[str]:
    """The call of the function of a point for point %i of arrays %a with strides %s: its %code, and whether it is 0."""
    lines: list[str] = []
    first = len(layout.inputs)
    for k, operand in enumerate(layout.operands):
        side, at = ("ins", k) if k < first else ("outs", k - first)
        element = "float" if operand.dtype == FLOAT32 else "double"
        lines += [
            f"%o{k} = mul i64 %i, %s{k}",
            f"%f{k} = getelementptr {element}, ptr %a{k}, i64 %o{k}",
            f"%p{k} = getelementptr ptr, ptr %{side}, i64 {at}",
            f"store ptr %f{k}, ptr %p{k}",
        ]
    call = f"%code = call i32 @{name}(ptr %ins, ptr %outs, ptr %work)"
    return [*lines, call, "%fine = icmp eq i32 %code, 0"]


def _close(status: Status) -> list[str]:
    return [
        "done:",
        "%quiet = icmp eq ptr %data, null",
        "br i1 %quiet, label %restore, label %leave",
        "restore:",
        *status.put("%before"),
        "br label %leave",
        "leave:",
        "ret i32 0",
    ]


def _whole(program: Program, layout: Layout, piece: Piece, routines: Routines, status: Status) -> list[str]:
    """The loop with the body in it."""
    pointers = Pointers(layout, from_array=False)
    body = CodeWriter(
        program.graph, routines, pointers.input, find_pairs(program.graph, piece.nodes, routines.target.has_sincos)
    )
    body.compute(piece.nodes)
    for _, _, node in piece.stores:
        body.value(node)
    write_outputs(body, pointers, piece)
    used = sorted(pointers.used)
    lines = _open(layout, status)
    for k in used:
        lines += operand_lines(k)
    lines += [*pointers.prologue, *body.prologue]
    lines += ["%some = icmp sgt i64 %n, 0", "br i1 %some, label %point, label %done", "point:"]
    lines.append("%i = phi i64 [ 0, %entry ], [ %i1, %point ]")
    lines += [f"%q{k} = phi ptr [ %a{k}, %entry ], [ %r{k}, %point ]" for k in used]
    lines += body.lines
    lines += [f"%r{k} = getelementptr i8, ptr %q{k}, i64 %d{k}" for k in used]
    lines += ["%i1 = add i64 %i, 1", "%more = icmp slt i64 %i1, %n", "br i1 %more, label %point, label %done"]
    return [*lines, *_close(status), "}"]


def _driver(layout: Layout, count: int, workspace: int, status: Status) -> list[str]:
    """The loop that calls one piece after the other."""
    operands = range(len(layout.operands))
    lines = _open(layout, status)
    lines.append(f"%current = alloca [{max(1, len(operands))} x ptr]")
    for k in operands:
        lines += operand_lines(k)
        lines.append(f"%c{k} = getelementptr ptr, ptr %current, i64 {k}")
    on_heap = workspace > LARGEST_FRAME
    if on_heap:
        lines += [
            "%given = icmp eq ptr %data, null",
            "br i1 %given, label %allocate, label %look",
            "look:",
            "%offered = load ptr, ptr %data",
            "%none = icmp eq ptr %offered, null",
            "br i1 %none, label %allocate, label %start",
            "allocate:",
            f"%fresh = call ptr @malloc(i64 {workspace})",
            "%failed = icmp eq ptr %fresh, null",
            "br i1 %failed, label %fill, label %start",
            "start:",
            "%work = phi ptr [ %offered, %look ], [ %fresh, %allocate ]",
            "%mine = phi ptr [ null, %look ], [ %fresh, %allocate ]",
        ]
    else:
        lines += [f"%work = alloca [{max(8, workspace)} x i8], align 16", "br label %start", "start:"]
    lines += ["%some = icmp sgt i64 %n, 0", "br i1 %some, label %point, label %finish", "point:"]
    lines.append("%i = phi i64 [ 0, %start ], [ %i1, %point ]")
    for k in operands:
        lines.append(f"%q{k} = phi ptr [ %a{k}, %start ], [ %r{k}, %point ]")
    for k in operands:
        lines.append(f"store ptr %q{k}, ptr %c{k}")
    lines += [f"call void @p{k}(ptr %current, ptr %steps, ptr %work)" for k in range(count)]
    lines += [f"%r{k} = getelementptr i8, ptr %q{k}, i64 %d{k}" for k in operands]
    lines += ["%i1 = add i64 %i, 1", "%more = icmp slt i64 %i1, %n", "br i1 %more, label %point, label %finish"]
    lines.append("finish:")
    if on_heap:
        lines.append("call void @free(ptr %mine)")
    lines += ["br label %done", *_close(status)]
    if on_heap:
        lines += _fill(layout, status)
    return [*lines, "}"]


def _fill(layout: Layout, status: Status) -> list[str]:
    """Without workspace: NaN in every output (false in conditions), and an exception that warns."""
    first = layout.first_strides()
    lines = ["fill:", "br label %fill0"]
    start = len(layout.inputs)
    for place, k in enumerate(range(start, len(layout.operands))):
        operand = layout.operands[k]
        lines += [
            f"fill{place}:",
            f"%t{k} = mul i64 %n, {operand.size}",
            f"%u{k} = icmp sgt i64 %t{k}, 0",
            f"br i1 %u{k}, label %each{place}, label %filled{place}",
            f"each{place}:",
            f"%j{k} = phi i64 [ 0, %fill{place} ], [ %l{k}, %each{place} ]",
            f"%g{k}_0 = srem i64 %j{k}, {max(1, operand.size)}",
            f"%h{k} = sdiv i64 %j{k}, {max(1, operand.size)}",
            f"%w{k} = mul i64 %h{k}, %d{k}",
        ]
        offset, rest = f"%w{k}", f"%g{k}_0"
        for axis in reversed(range(len(operand.shape))):
            size = operand.shape[axis] or 1
            lines += [
                f"%m{k}_{axis} = srem i64 {rest}, {size}",
                f"%n{k}_{axis} = sdiv i64 {rest}, {size}",
                f"%s{k}_{axis}p = getelementptr i64, ptr %steps, i64 {first[k] + axis}",
                f"%s{k}_{axis} = load i64, ptr %s{k}_{axis}p",
                f"%y{k}_{axis} = mul i64 %m{k}_{axis}, %s{k}_{axis}",
                f"%z{k}_{axis} = add i64 {offset}, %y{k}_{axis}",
            ]
            offset, rest = f"%z{k}_{axis}", f"%n{k}_{axis}"
        lines += [
            f"%e{k} = getelementptr i8, ptr %a{k}, i64 {offset}",
            f"store {MISSING[operand.dtype]}, ptr %e{k}",
            f"%l{k} = add i64 %j{k}, 1",
            f"%v{k} = icmp slt i64 %l{k}, %t{k}",
            f"br i1 %v{k}, label %each{place}, label %filled{place}",
            f"filled{place}:",
            f"br label %fill{place + 1}",
        ]
    lines.append(f"fill{len(layout.outputs)}:")
    lines += [f"%raised = or i32 %before, {status.invalid}", *status.put("%raised"), f"ret i32 {FAILED}"]
    return lines


def write_piece(
    program: Program,
    pointers: Pointers,
    piece: Piece,
    routines: Routines,
    name: str,
    parameters: str = "ptr %args, ptr %steps, ptr %work",
) -> list[str]:
    """A piece as a function of its own; values that cross are in `%work`."""
    pairs = find_pairs(program.graph, piece.nodes, routines.target.has_sincos) if routines.lanes == 1 else {}
    body = CodeWriter(program.graph, routines, pointers.input, pairs)
    args, types = program.graph.args, program.graph.types
    slot = functools.partial(_slot, body)
    waiting, saves = dict(piece.loads), dict(piece.saves)

    def fetch(node: int) -> None:
        if node in waiting:
            place = slot(f"%l{node}", waiting.pop(node))
            body.values[node] = body.load(f"%v{node}", place, types[node].is_condition)

    # A value is loaded where it is first needed and saved where it is made: fewer are alive at a time. A slot has one
    # owner within a piece.
    for node in piece.nodes:
        for a in args[node]:
            fetch(a)
        body.compute((node,))
        if node in saves:
            body.store(node, slot(f"%t{node}", saves[node]), f"%c{node}")
    for _, _, node in piece.stores:
        fetch(node)
    write_outputs(body, pointers, piece)
    head = f"define internal void @{name}({parameters}) #1 {{"
    return [head, *pointers.prologue, *body.prologue, *body.lines, "ret void", "}"]


def write_outputs(body: CodeWriter, pointers: Pointers, piece: Piece) -> None:
    """Write what is known after a piece: blocks of constants, then single elements."""
    for output in piece.fills:
        pointers.fill(output, body.lines)
    for count, (output, element, node) in enumerate(piece.stores):
        body.store(node, pointers.output(output, element, body.lines), f"%b{count}")


def _slot(body: CodeWriter, name: str, place: int) -> str:
    body.lines.append(f"{name} = getelementptr [{body.lanes} x i64], ptr %work, i64 {place}")
    return name
