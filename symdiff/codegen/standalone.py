"""Functions that run without Python: `int NAME(const double *const *in, double *const *out, void *work)`.

They have no state, allocate nothing, leave the floating-point environment alone, and call public functions only. There
is one array in C order for each input and each output. `NAME_batch` computes many points: with the vectors of the
target where there are some, from blocks in which the elements of as many points lie side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from symdiff.codegen.answers import written_bytes
from symdiff.codegen.body import CodeWriter, Routines
from symdiff.codegen.fills import constant_bytes
from symdiff.codegen.gpu import write_point_kernel
from symdiff.codegen.layout import BYTES, Layout, single_operands
from symdiff.codegen.loops import Pointers, point_call, pointer_lists, write_outputs, write_piece
from symdiff.codegen.module import FALLBACKS
from symdiff.codegen.pairs import find_pairs
from symdiff.codegen.pieces import PIECE, Piece, cut
from symdiff.codegen.target import Target
from symdiff.dataclass import dataclass
from symdiff.errors import CompileError
from symdiff.types import FLOAT32, FLOAT64

if TYPE_CHECKING:
    from symdiff.optimize.program import Program

NO_WORKSPACE = 1
"""What a function returns that was given no workspace and needs one."""

ATTRIBUTES = (
    "attributes #0 = { nounwind nobuiltin }",
    "attributes #1 = { nounwind noinline }",
    "attributes #2 = { nounwind }",
    "attributes #3 = { nounwind alwaysinline }",
)
"""Of what is called from outside, or outside: those are the very functions of that name, which LLVM is not to replace.
Of functions of this module alone, of those that only call others, and of the points of kernels."""

LARGEST_BLOCKED = 20_000
"""Elements of all operands at one point, up to which batches are computed by vectors."""

INTRINSICS = (
    "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)",
    "declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)",
)


@dataclass(frozen=True, slots=True)
class Standalone:
    """The text of a function that runs without Python.

    Attributes
    ----------
    text : LLVM IR, a module.
    outside : the names of functions that it may call.
    work, batch_work : bytes of workspace that one point needs, and a batch.
    lanes : how many points a batch computes at once.
    """

    text: str
    outside: tuple[str, ...]
    work: int
    batch_work: int
    lanes: int


class _Direct(Pointers):
    """Addresses in the caller's arrays, which are listed in `%in` and `%out`."""

    def __init__(self, layout: Layout, name: str, data: dict[int, bytes]) -> None:
        super().__init__(layout, from_array=False)
        self.name, self.data = name, data
        self._count = 0

    def _element(self, k: int, place: int, element: int, lines: list[str]) -> str:
        if k not in self.used:
            self.used.add(k)
            first = len(self.layout.inputs)
            side, at = ("in", k) if k < first else ("out", k - first)
            self.prologue += [f"%qp{k} = getelementptr ptr, ptr %{side}, i64 {at}", f"%q{k} = load ptr, ptr %qp{k}"]
        offset = (place + element) * BYTES[self.layout.operands[k].dtype]
        if not offset:
            return f"%q{k}"
        self._count += 1
        lines.append(f"%e{self._count} = getelementptr i8, ptr %q{k}, i64 {offset}")
        return f"%e{self._count}"

    def fill(self, output: int, lines: list[str]) -> None:
        """Copy the constants of an output."""
        start, data = self.output(output, 0, lines), self.data[output]
        if any(data):
            copied = f"ptr {start}, ptr @{self.name}data{output}, i64 {len(data)}, i1 false"
            lines.append(f"call void @llvm.memcpy.p0.p0.i64({copied})")
        else:
            lines.append(f"call void @llvm.memset.p0.i64(ptr {start}, i8 0, i64 {len(data)}, i1 false)")


class _Blocks(Pointers):
    """Addresses in a block of points: element after element of all operands, each with its lanes side by side."""

    def __init__(self, layout: Layout, lanes: int) -> None:
        super().__init__(layout, from_array=False)
        self.starts, self.bytes = [], 0
        for operand in layout.operands:
            self.starts.append(self.bytes)
            self.bytes += operand.size * lanes * 8
        self._lanes, self._count = lanes, 0

    def _element(self, k: int, place: int, element: int, lines: list[str]) -> str:
        offset = self.starts[k] + (place + element) * self._lanes * 8
        self._count += 1
        lines.append(f"%e{self._count} = getelementptr i8, ptr %block, i64 {offset}")
        return f"%e{self._count}"

    def fill(self, output: int, lines: list[str]) -> None:
        """Constants were written before the first block of points."""


def write_standalone(program: Program, name: str, target: Target, vectors: bool = True) -> Standalone:
    """The module of a program of scalars; `vectors` allows functions that are not bit for bit the scalar ones.

    Raises
    ------
    CompileError
        Where it calls something that has no public name.
    """
    layout = single_operands(program.inputs, program.types)
    refuse_conditions(layout)
    name = name_in_module(name)
    number = "float" if program.graph.dtype == FLOAT32 else "double"
    pieces, slots = cut(program, PIECE, reread=True, sincos=target.has_sincos)
    filled = {output for piece in pieces for output in piece.fills}
    data = {
        k: constant_bytes(program.graph, program.outputs[k], operand.dtype)
        for k, operand in enumerate(layout.outputs)
        if k in filled
    }
    routines = Routines(number, target=target)
    lines = [
        f"@{name}data{k} = private unnamed_addr constant [{len(d)} x i8] {written_bytes(d)}, align 8"
        for k, d in data.items()
    ]
    lines += _point(program, layout, name, pieces, slots, data, routines)
    lanes = target.lanes
    if program.graph.dtype != FLOAT64 or sum(o.size for o in layout.operands) > LARGEST_BLOCKED:
        lanes = 1
    work = slots * 8
    every = [routines]
    if lanes == 1:
        lines += write_points(layout, name, work, target)
        batch_work = work
    else:
        wide = Routines("double", lanes, vectors, routines, target)
        every.append(wide)
        blocks = _Blocks(layout, lanes)
        body = _body(program, blocks, name, pieces, wide)
        lines += [*wide.definitions, *body, *_batch(layout, name, blocks, data, lanes, target)]
        lines += [*_gather(lanes), *_scatter(lanes), *_spread(lanes)]
        batch_work = target.alignment - 1 + blocks.bytes + slots * 8 * lanes
    declarations = [line for own in every for line in own.declarations]
    text = "\n".join([*dict.fromkeys([*declarations, *INTRINSICS]), *lines, *ATTRIBUTES, ""])
    return Standalone(text, outside_names(every), work, batch_work, lanes)


def name_in_module(name: str) -> str:
    """What an exported function is called in its module: with a dot, which no name has that the module gives.

    A `LinkedModule` takes it away.
    """
    return f"{name}."


def point_head(name: str, target: Target) -> str:
    """How the function of one point begins; of kernels it is a part."""
    scope, attributes = ("internal ", "#3") if target.has_kernels else ("", "#0")
    return f"define {scope}i32 @{name}(ptr %in, ptr %out, ptr %work) {attributes} {{"


def refuse_conditions(layout: Layout) -> None:
    """Refuse operands that are no numbers."""
    if any(operand.dtype == "bool" for operand in layout.operands):
        raise CompileError("a function in a library takes and gives numbers, no conditions")


def outside_names(routines: Sequence[Routines]) -> tuple[str, ...]:
    """The names of the functions that a module may call."""
    found = {name: None for own in routines for name, _ in own.imports}
    for own in routines:
        for name, full in own.intrinsics:
            if name in FALLBACKS:
                found[name + "f" if "f32" in full else name] = None
    return (*found, "memset", "memcpy")


def rounded_up(name: str, pointer: str, target: Target) -> list[str]:
    """The first place from a pointer on at which a workspace may start."""
    return [
        f"{name}.at = ptrtoint ptr {pointer} to i64",
        f"{name}.over = sub i64 0, {name}.at",
        f"{name}.more = and i64 {name}.over, {target.alignment - 1}",
        f"{name} = getelementptr i8, ptr {pointer}, i64 {name}.more",
    ]


def need_work() -> list[str]:
    """Lines at the entry that end a function which was given no workspace."""
    return [
        "%none = icmp eq ptr %work, null",
        "br i1 %none, label %poor, label %rich",
        "poor:",
        f"ret i32 {NO_WORKSPACE}",
        "rich:",
    ]


def _point(
    program: Program,
    layout: Layout,
    name: str,
    pieces: list[Piece],
    slots: int,
    data: dict[int, bytes],
    routines: Routines,
) -> list[str]:
    """The function of one point, in pieces where it is long."""
    head = [point_head(name, routines.target), "entry:"]
    if len(pieces) == 1:
        pointers = _Direct(layout, name, data)
        pairs = find_pairs(program.graph, pieces[0].nodes, routines.target.has_sincos)
        body = CodeWriter(program.graph, routines, pointers.input, pairs)
        _compute(body, pointers, pieces[0])
        return [*head, *pointers.prologue, *body.prologue, *body.lines, "ret i32 0", "}"]
    lines = [*head, *(need_work() if slots else [])]
    lines += [f"call void @{name}p{k}(ptr %in, ptr %out, ptr %work)" for k in range(len(pieces))]
    lines += ["ret i32 0", "}"]
    for k, piece in enumerate(pieces):
        pointers = _Direct(layout, name, data)
        lines += write_piece(program, pointers, piece, routines, f"{name}p{k}", "ptr %in, ptr %out, ptr %work")
    return lines


def _compute(body: CodeWriter, pointers: Pointers, piece: Piece) -> None:
    """All inputs are read before the first output is written."""
    body.compute(piece.nodes)
    for _, _, node in piece.stores:
        body.value(node)
    write_outputs(body, pointers, piece)


def _body(program: Program, blocks: _Blocks, name: str, pieces: list[Piece], routines: Routines) -> list[str]:
    """The function of a block of points."""
    lines = [f"define internal void @{name}block(ptr %block, ptr %work) #1 {{", "entry:"]
    if len(pieces) == 1:
        body = CodeWriter(program.graph, routines, blocks.input)
        _compute(body, blocks, pieces[0])
        return [*lines, *body.lines, "ret void", "}"]
    lines += [f"call void @{name}b{k}(ptr %block, ptr %work)" for k in range(len(pieces))]
    lines += ["ret void", "}"]
    for k, piece in enumerate(pieces):
        lines += write_piece(program, blocks, piece, routines, f"{name}b{k}", "ptr %block, ptr %work")
    return lines


def _arguments(layout: Layout) -> list[str]:
    """The arrays and strides of a batch: %a and %s with the number of the operand."""
    lines = []
    for k in range(len(layout.operands)):
        first = len(layout.inputs)
        side, at = ("in", k) if k < first else ("out", k - first)
        lines += [
            f"%ap{k} = getelementptr ptr, ptr %{side}, i64 {at}",
            f"%a{k} = load ptr, ptr %ap{k}",
            f"%sp{k} = getelementptr i64, ptr %{side}_strides, i64 {at}",
            f"%s{k} = load i64, ptr %sp{k}",
        ]
    return lines


def _batch_head(name: str) -> str:
    parameters = "i64 %n, ptr %in, ptr %in_strides, ptr %out, ptr %out_strides, ptr %work"
    return f"define i32 @{name}_batch({parameters}) #0 {{"


def _batch(layout: Layout, name: str, blocks: _Blocks, data: dict[int, bytes], lanes: int, target: Target) -> list[str]:
    """The function of a batch, by blocks of points."""
    first = len(layout.inputs)
    lines = [_batch_head(name), "entry:", *need_work(), *rounded_up("%block", "%work", target), *_arguments(layout)]
    lines.append(f"%slots = getelementptr i8, ptr %block, i64 {blocks.bytes}")
    lines += [f"%b{k} = getelementptr i8, ptr %block, i64 {at}" for k, at in enumerate(blocks.starts)]
    for output, values in data.items():
        k = first + output
        if any(values):
            lines.append(f"call void @spread(ptr %b{k}, ptr @{name}data{output}, i64 {layout.operands[k].size})")
        else:
            lines.append(f"call void @llvm.memset.p0.i64(ptr %b{k}, i8 0, i64 {len(values) * lanes}, i1 false)")
    lines += [
        "%some = icmp sgt i64 %n, 0",
        "br i1 %some, label %loop, label %done",
        "loop:",
        "%i = phi i64 [ 0, %rich ], [ %i1, %end ]",
        "%left = sub i64 %n, %i",
        f"%whole = icmp sgt i64 %left, {lanes}",
        f"%m = select i1 %whole, i64 {lanes}, i64 %left",
        "%begins = icmp eq i64 %i, 0",
    ]
    for k, operand in enumerate(layout.inputs):
        lines += [
            f"%moves{k} = icmp ne i64 %s{k}, 0",
            f"%read{k} = or i1 %begins, %moves{k}",
            f"br i1 %read{k}, label %take{k}, label %taken{k}",
            f"take{k}:",
            f"%o{k} = mul i64 %i, %s{k}",
            f"%f{k} = getelementptr double, ptr %a{k}, i64 %o{k}",
            f"call void @gather(ptr %b{k}, ptr %f{k}, i64 %s{k}, i64 {operand.size}, i64 %m)",
            f"br label %taken{k}",
            f"taken{k}:",
        ]
    lines.append(f"call void @{name}block(ptr %block, ptr %slots)")
    for k in range(first, len(layout.operands)):
        lines += [
            f"%o{k} = mul i64 %i, %s{k}",
            f"%f{k} = getelementptr double, ptr %a{k}, i64 %o{k}",
            f"call void @scatter(ptr %b{k}, ptr %f{k}, i64 %s{k}, i64 {layout.operands[k].size}, i64 %m)",
        ]
    lines += [
        "br label %end",
        "end:",
        f"%i1 = add i64 %i, {lanes}",
        "%more = icmp slt i64 %i1, %n",
        "br i1 %more, label %loop, label %done",
    ]
    return [*lines, "done:", "ret i32 0", "}"]


def write_points(layout: Layout, name: str, work: int, target: Target) -> list[str]:
    """The function of a batch that computes one point after the other, up to the first that fails; or the kernel.

    `work` is the number of bytes that a point needs.
    """
    if target.has_kernels:
        return write_point_kernel(layout, name, work)
    return [
        _batch_head(name),
        "entry:",
        *pointer_lists(layout),
        *_arguments(layout),
        "%some = icmp sgt i64 %n, 0",
        "br i1 %some, label %loop, label %done",
        "loop:",
        "%i = phi i64 [ 0, %entry ], [ %i1, %end ]",
        *point_call(layout, name),
        "br i1 %fine, label %end, label %failed",
        "end:",
        "%i1 = add i64 %i, 1",
        "%more = icmp slt i64 %i1, %n",
        "br i1 %more, label %loop, label %done",
        "failed:",
        "ret i32 %code",
        "done:",
        "ret i32 0",
        "}",
    ]


def _elements(
    name: str, parameters: str, lanes: int, inside: Sequence[str], width: str, whole: Sequence[str] = ()
) -> list[str]:
    """A function that does `inside` for each element %e and each lane %l below `width`, at %at in the block.

    `whole`, which ends, is done instead for as many points as there are lanes.
    """
    full = [f"%full = icmp eq i64 %points, {lanes}", "br i1 %full, label %whole, label %start", "whole:", *whole]
    return [
        f"define internal void @{name}({parameters}) #1 {{",
        "entry:",
        *(full if whole else ["br label %start"]),
        "start:",
        "%some = icmp sgt i64 %size, 0",
        "br i1 %some, label %element, label %done",
        "element:",
        "%e = phi i64 [ 0, %start ], [ %e1, %next ]",
        f"%row = mul i64 %e, {lanes}",
        "br label %lane",
        "lane:",
        "%l = phi i64 [ 0, %element ], [ %l1, %lane ]",
        "%place = add i64 %row, %l",
        "%at = getelementptr double, ptr %block, i64 %place",
        *inside,
        "%l1 = add i64 %l, 1",
        f"%wide = icmp slt i64 %l1, {width}",
        "br i1 %wide, label %lane, label %next",
        "next:",
        "%e1 = add i64 %e, 1",
        "%more = icmp slt i64 %e1, %size",
        "br i1 %more, label %element, label %done",
        "done:",
        "ret void",
        "}",
    ]


def _rows(lanes: int, points: str, inside: Sequence[str], together: Sequence[str]) -> list[str]:
    """All lanes of a block: `inside` for each element %k of it at %vector, where lane l of its points is at %a{l}.

    `together` is done instead for numbers that lie side by side.
    """
    lines = [
        "%one = icmp eq i64 %size, 1",
        "%near = icmp eq i64 %step, 1",
        "%both = and i1 %one, %near",
        "br i1 %both, label %together, label %rows",
        "together:",
        *together,
        "ret void",
        "rows:",
        "%any = icmp sgt i64 %size, 0",
        f"%r0 = getelementptr double, ptr {points}, i64 0",
    ]
    lines += [f"%r{lane} = getelementptr double, ptr %r{lane - 1}, i64 %step" for lane in range(1, lanes)]
    lines += [
        "br i1 %any, label %every, label %finish",
        "every:",
        "%k = phi i64 [ 0, %rows ], [ %k1, %every ]",
        f"%first = mul i64 %k, {lanes}",
        "%vector = getelementptr double, ptr %block, i64 %first",
    ]
    lines += [f"%a{lane} = getelementptr double, ptr %r{lane}, i64 %k" for lane in range(lanes)]
    return [
        *lines,
        *inside,
        "%k1 = add i64 %k, 1",
        "%again = icmp slt i64 %k1, %size",
        "br i1 %again, label %every, label %finish",
        "finish:",
        "ret void",
    ]


def _gather(lanes: int) -> list[str]:
    """Bring points into a block; lanes without a point get the last one."""
    vector = f"<{lanes} x double>"
    joined = []
    for lane in range(lanes):
        before = f"%u{lane - 1}" if lane else "poison"
        joined += [
            f"%w{lane} = load double, ptr %a{lane}, align 8",
            f"%u{lane} = insertelement {vector} {before}, double %w{lane}, i64 {lane}",
        ]
    joined.append(f"store {vector} %u{lanes - 1}, ptr %vector, align 8")
    together = [f"%all = load {vector}, ptr %from, align 8", f"store {vector} %all, ptr %block, align 8"]
    return _elements(
        "gather",
        "ptr %block, ptr %from, i64 %step, i64 %size, i64 %points",
        lanes,
        [
            "%last = sub i64 %points, 1",
            "%beyond = icmp sgt i64 %l, %last",
            "%p = select i1 %beyond, i64 %last, i64 %l",
            "%far = mul i64 %p, %step",
            "%where = add i64 %far, %e",
            "%source = getelementptr double, ptr %from, i64 %where",
            "%v = load double, ptr %source, align 8",
            "store double %v, ptr %at, align 8",
        ],
        str(lanes),
        _rows(lanes, "%from", joined, together),
    )


def _scatter(lanes: int) -> list[str]:
    """Bring the results of a block to their points."""
    vector = f"<{lanes} x double>"
    parted = [f"%u = load {vector}, ptr %vector, align 8"]
    for lane in range(lanes):
        parted += [
            f"%w{lane} = extractelement {vector} %u, i64 {lane}",
            f"store double %w{lane}, ptr %a{lane}, align 8",
        ]
    together = [f"%all = load {vector}, ptr %block, align 8", f"store {vector} %all, ptr %to, align 8"]
    return _elements(
        "scatter",
        "ptr %block, ptr %to, i64 %step, i64 %size, i64 %points",
        lanes,
        [
            "%far = mul i64 %l, %step",
            "%where = add i64 %far, %e",
            "%goal = getelementptr double, ptr %to, i64 %where",
            "%v = load double, ptr %at, align 8",
            "store double %v, ptr %goal, align 8",
        ],
        "%points",
        _rows(lanes, "%to", parted, together),
    )


def _spread(lanes: int) -> list[str]:
    """Write constants to all lanes of a block."""
    return _elements(
        "spread",
        "ptr %block, ptr %from, i64 %size",
        lanes,
        [
            "%source = getelementptr double, ptr %from, i64 %e",
            "%v = load double, ptr %source, align 8",
            "store double %v, ptr %at, align 8",
        ],
        str(lanes),
    )
