"""The loop over the points of a batch that carries out a plan.

Operands whose core is in C order are used where they lie. Others are copied: inputs before the steps of a point,
outputs after them. The workspace lies on the stack, or in a block that the kernel keeps from call to call; calls at the
same time have one each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symdiff.codegen.interrupts import BETWEEN, INTERRUPTED, STOPPED, poll
from symdiff.codegen.layout import BYTES, Layout, Operand, operand_lines
from symdiff.codegen.loops import FAILED, LARGEST_FRAME, LOOP
from symdiff.codegen.status import Status
from symdiff.codegen.tensors.nest_body import OUT_OF_RANGE
from symdiff.codegen.tensors.open_sizes import computed
from symdiff.codegen.tensors.steps import PLACES, STEPS, AddressTable, StepCode
from symdiff.codegen.tensors.workspace import ALIGNMENT, LONG, aligned, kept_blocks, without_lock
from symdiff.native.code import CONSTANTS, RELEASE, REPORT
from symdiff.optimize.planning.plan import Plan
from symdiff.sizes import is_open

CHECKED = "checked"
"""The loop that raises floating-point exceptions by what the results are, for np.errstate."""


class PointLoop:
    """The loop over a batch's points."""

    def __init__(
        self, layout: Layout, plan: Plan, steps: StepCode, state: Status, element: str, operations: int, aside: bool
    ) -> None:
        self.layout, self.plan, self.failing, self.state, self.element = layout, plan, steps.failing, state, element
        self.open_places, self._place_count = steps.open_places, steps.place_count
        self.operations = operations
        self.aside = aside
        self.first = layout.first_strides()
        self.count = len(layout.inputs)
        self.table = AddressTable(plan)
        # What may have to be copied, and where in the block for copies.
        self.rooms: dict[int, int] = {}
        self.room_bytes = 0
        for k, operand in enumerate(layout.operands):
            if operand.shape and operand.size:
                self.rooms[k] = self.room_bytes
                self.room_bytes += (operand.size * BYTES[operand.dtype] + ALIGNMENT - 1) // ALIGNMENT * ALIGNMENT
        self.on_heap = plan.workspace > LARGEST_FRAME
        self.homes: dict[tuple[str, int], tuple[int, int]] = {}
        for k, operand in enumerate(layout.operands):
            kind = "input" if k < self.count else "output"
            for place, member in enumerate(operand.members):
                self.homes[kind, member] = k, place * BYTES[operand.dtype]

    def globals(self) -> list[str]:
        """Data and functions for memory."""
        constants = max(1, len(self.plan.constants))
        lines = [f"@{CONSTANTS} = global [{constants} x ptr] zeroinitializer", f"@{REPORT} = global ptr null"]
        for k in self.rooms:
            shape = self.layout.operands[k].shape
            if any(map(is_open, shape)):
                continue
            lines.append(f"@shape{k} = internal constant [{len(shape)} x i64] [{', '.join(f'i64 {n}' for n in shape)}]")
        release = []
        if self.on_heap:
            lines.append(kept_blocks("work"))
            release.append("call void @drop(ptr @work)")
        if self.rooms:
            lines.append(kept_blocks("rooms"))
            release.append("call void @drop(ptr @rooms)")
        lines += [f"define void @{RELEASE}() #2 {{", *release, "ret void", "}", TELL]
        return lines

    def lines(self) -> list[str]:
        """The loop and its two entries."""
        get, state = self.state.get, self.state
        before = [*state.allocate, *get("%before")]
        return [
            *self._points(),
            f"define i32 @{LOOP}(ptr %args, ptr %dims, ptr %steps, ptr %data) #2 {{\nentry:",
            *before,
            # The plain C function gives data, takes the result, and needs neither the report nor Python's lock.
            # Where sizes are open, they are the data, and there is no plain C function.
            f"%quiet = icmp eq ptr {'null' if self.plan.sizes else '%data'}, null",
            *self._computed(
                without_lock(
                    LONG if self.aside else self.operations,
                    "%r = call i32 @points(ptr %args, ptr %dims, ptr %steps, ptr %data, i1 false, i32 0, i1 %quiet)",
                )
            ),
            "br i1 %quiet, label %restore, label %leave\nrestore:",
            *state.put("%before"),
            "br label %leave\nleave:\nret i32 %r\n}",
            f"define i32 @{CHECKED}(ptr %args, ptr %dims, ptr %steps, ptr %data) #2 {{\nentry:",
            *before,
            f"%quiet = icmp eq ptr {'null' if self.plan.sizes else '%data'}, null",
            *self._computed(
                without_lock(
                    LONG if self.aside else self.operations,
                    "%r = call i32 @points(ptr %args, ptr %dims, ptr %steps, ptr %data, i1 true, i32 %before, i1 true)",
                )
            ),
            "ret i32 %r\n}",
        ]

    def _computed(self, lines: list[str]) -> list[str]:
        """Lines after those that compute the open sizes in them."""
        return [*computed(self.plan.sizes, lines, "%data"), *lines]

    def _open(self) -> list[str]:
        """What is data of the module where all sizes are known: the sizes for the steps, their places, shapes."""
        lines: list[str] = []
        for k in range(len(self.plan.sizes.values) if self.plan.sizes else 0):
            lines += [
                f"%given_p{k} = getelementptr i64, ptr %data, i64 {k}",
                f"%given_n{k} = load i64, ptr %given_p{k}",
                f"%kept_p{k} = getelementptr i64, ptr %table, i64 {self.table.sizes + k}",
                f"store i64 %given_n{k}, ptr %kept_p{k}",
            ]
        if self.open_places:
            copied = f"ptr %placed, ptr @{PLACES}, i64 {8 * self._place_count}, i1 false"
            lines += [f"%placed = alloca [{self._place_count} x i64]", f"call void @llvm.memcpy.p0.p0.i64({copied})"]
        for k, place in self.open_places.items():
            lines += [f"%placed{k} = getelementptr i64, ptr %placed, i64 {k}", f"store i64 {place}, ptr %placed{k}"]
        for k in self.rooms:
            shape = self.layout.operands[k].shape
            if any(map(is_open, shape)):
                lines.append(f"%shape{k} = alloca [{len(shape)} x i64]")
                for axis, n in enumerate(shape):
                    lines += [
                        f"%shape{k}_{axis} = getelementptr i64, ptr %shape{k}, i64 {axis}",
                        f"store i64 {n}, ptr %shape{k}_{axis}",
                    ]
        return lines

    def _points(self) -> list[str]:
        """`points(args, dims, steps, sizes, judge, before, tells)`: all points, exceptions by what the results are."""
        head = (
            "define internal i32 @points(ptr %args, ptr %dims, ptr %steps, ptr %data, i1 %judge, i32 %before, "
            "i1 %tells) #2 {"
        )
        return [head, "entry:", *self._computed(self._all_points()), "}"]

    def _all_points(self) -> list[str]:
        operands, plan = self.layout.operands, self.plan
        lines = [
            *self.state.allocate,
            f"%table = alloca [{self.table.size} x ptr], align 8",
        ]
        lines += [f"%slot{k} = alloca i64" for k in range(self.count) if not operands[k].shape]
        lines += self._open()
        if not self.on_heap and (is_open(plan.workspace) or plan.workspace):
            size = LARGEST_FRAME if is_open(plan.workspace) else plan.workspace
            lines.append(f"%work = alloca [{size} x i8], align {ALIGNMENT}")
        lines += [
            "%n = load i64, ptr %dims",
            "%some = icmp sgt i64 %n, 0",
            "br i1 %some, label %begin, label %nothing",
            "nothing:",
            "ret i32 0",
            "begin:",
        ]
        for k in range(len(operands)):
            lines += operand_lines(k)
        lines += self._loose()
        lines += self._memory()
        lines += self._fixed()
        lines += [
            f"%clear = and i32 %before, {~self.state.every}",
            "br label %ready",
            "ready:",
            "br label %point",
            "point:",
            "%i = phi i64 [ 0, %ready ], [ %i1, %unheard ]",
            "%raised = phi i32 [ 0, %ready ], [ %raised1, %unheard ]",
        ]
        lines += [f"%q{k} = phi ptr [ %a{k}, %ready ], [ %r{k}, %unheard ]" for k in range(len(operands))]
        lines += self._arrive()
        lines += [
            "br i1 %judge, label %quieten, label %go",
            "quieten:",
            *self.state.put("%clear"),
            "br label %go",
            "go:",
        ]
        lines += self._carry_out()
        lines += ["br i1 %judge, label %seen, label %leave", "seen:", *self._judged(), "leave:"]
        lines.append(f"%raised1 = phi i32 [ 0, %{'done' if plan.steps else 'go'} ], [ %raised2, %weighed ]")
        lines += [*self._depart(), "br label %next", "next:"]
        lines += [f"%r{k} = getelementptr i8, ptr %q{k}, i64 %d{k}" for k in range(len(operands))]
        lines.append("%i1 = add i64 %i, 1")
        # points between two looks for signals
        share = 1 if is_open(self.operations) else max(1, BETWEEN // (16 * max(1, self.operations)))
        lines += [
            f"%rest = urem i64 %i1, {share}",
            "%turn = icmp eq i64 %rest, 0",
            "br i1 %turn, label %listen, label %unheard",
            "listen:",
        ]
        poll(lines, "listened", share * self.operations)
        lines += [
            "br label %unheard",
            "unheard:",
            "%more = icmp slt i64 %i1, %n",
            "br i1 %more, label %point, label %end",
        ]
        lines += self._bad()
        lines += self._early(STOPPED)
        lines += [
            "end:",
            f"%left_over = urem i64 %n, {share}",
            f"%last_work = mul i64 %left_over, {self.operations}",
            f"%last_heard = call i32 @{INTERRUPTED}(i64 %last_work)",
        ]
        lines += [
            *self._give(),
            "br i1 %judge, label %tell, label %quiet",
            "tell:",
            "%shown = or i32 %before, %raised1",
            *self.state.put("%shown"),
            "br label %quiet",
            "quiet:",
            "ret i32 0",
        ]
        return lines

    def _carry_out(self) -> list[str]:
        """Call the functions of the steps, one after the other."""
        if not self.plan.steps:
            return []
        lines = [
            "br label %step",
            "step:",
            "%k = phi i64 [ 0, %go ], [ %k1, %next_step ]",
            f"%function_p = getelementptr {{ ptr, i64 }}, ptr @{STEPS}, i64 %k",
            "%function = load ptr, ptr %function_p",
            "%places_p = getelementptr i8, ptr %function_p, i64 8",
            "%places_k = load i64, ptr %places_p",
            f"%places = getelementptr i64, ptr {'%placed' if self.open_places else f'@{PLACES}'}, i64 %places_k",
            "%outcome = call i32 %function(ptr %table, ptr %places)",
        ]
        if any(self.failing):
            lines += ["%fine_so_far = icmp eq i32 %outcome, 0", "br i1 %fine_so_far, label %then, label %bad"]
        else:
            lines.append("br label %then")
        lines.append("then:")
        steps = len(self.plan.steps)
        if is_open(self.operations) or self.operations > BETWEEN:
            poll(lines, "heard", self.operations if is_open(self.operations) else self.operations // steps)
        return [
            *lines,
            "br label %next_step",
            "next_step:",
            "%k1 = add i64 %k, 1",
            f"%left = icmp slt i64 %k1, {len(self.plan.steps)}",
            "br i1 %left, label %step, label %done",
            "done:",
        ]

    def _loose(self) -> list[str]:
        """Which operands are not in C order."""
        lines = []
        for k in self.rooms:
            operand = self.layout.operands[k]
            step, tests = BYTES[operand.dtype], list[str]()
            for axis in reversed(range(len(operand.shape))):
                if operand.shape[axis] > 1:
                    name = f"%s{k}_{axis}"
                    lines += [
                        f"{name}p = getelementptr i64, ptr %steps, i64 {self.first[k] + axis}",
                        f"{name} = load i64, ptr {name}p",
                        f"{name}c = icmp ne i64 {name}, {step}",
                    ]
                    tests.append(f"{name}c")
                step *= operand.shape[axis]
            lines += _any(f"%loose{k}", tests)
        return lines

    def _memory(self) -> list[str]:
        """The workspace, and the block for copies where one is needed."""
        lines = []
        if self.on_heap:
            lines += [
                *self._take("%block", "work", self.plan.workspace + ALIGNMENT),
                "%none = icmp eq ptr %block, null",
                "br i1 %none, label %poor, label %rich",
                "poor:",
                "call void @tell(i1 %tells, i32 1, i64 0, i64 0)",
                f"ret i32 {FAILED}",
                "rich:",
                *self._aligned("%work", "%block"),
            ]
        if self.rooms:
            lines += [
                *_any("%copies", [f"%loose{k}" for k in self.rooms]),
                "br label %unit",
                "unit:",
                "br i1 %copies, label %take, label %taken",
                "take:",
                *self._take("%rooms0", "rooms", self.room_bytes + ALIGNMENT),
                "%cramped = icmp eq ptr %rooms0, null",
                "br i1 %cramped, label %failed, label %taken",
                "failed:",
                "call void @tell(i1 %tells, i32 1, i64 0, i64 0)",
                *(["call void @give(ptr @work, ptr %block)"] if self.on_heap else []),
                f"ret i32 {FAILED}",
                "taken:",
                "%rooms1 = phi ptr [ null, %unit ], [ %rooms0, %take ]",
                *self._aligned("%rooms", "%rooms1"),
            ]
            lines += [f"%room{k} = getelementptr i8, ptr %rooms, i64 {at}" for k, at in self.rooms.items()]
        return lines

    def _take(self, name: str, kept: str, size: int) -> list[str]:
        """A block of so many bytes, of those that the kernel keeps."""
        function = "take_sized" if self.plan.sizes else "take"
        return [f"{name} = call ptr @{function}(ptr @{kept}, i64 {size})"]

    def _aligned(self, name: str, block: str) -> list[str]:
        """The first place in a block that a vector may start at: after its size, where it has one."""
        if not self.plan.sizes:
            return aligned(name, block)
        return [f"{name}.8 = getelementptr i8, ptr {block}, i64 8", *aligned(name, f"{name}.8")]

    def _fixed(self) -> list[str]:
        """Addresses that are the same for all points."""
        lines = []
        for n, number in enumerate(self.table.buffers):
            buffer, place = self.plan.buffers[number], f"%f{n}"
            if buffer.kind == "constant":
                lines += [
                    f"{place}p = getelementptr ptr, ptr @{CONSTANTS}, i64 {buffer.index}",
                    f"{place} = load ptr, ptr {place}p",
                ]
            else:
                k, _ = self.homes[buffer.kind, buffer.index]
                if buffer.kind == "output" or self.layout.operands[k].shape:
                    continue
                place = f"%slot{k}"
            lines += _put(n, place)
        return lines + (_put(self.table.work, "%work") if self.plan.workspace else [])

    def _operand_buffers(self, k: int) -> list[tuple[int, int]]:
        """The entries of the buffers that lie in an operand, and where in it."""
        found = []
        for n, number in enumerate(self.table.buffers):
            buffer = self.plan.buffers[number]
            if buffer.kind in ("input", "output"):
                home, offset = self.homes[buffer.kind, buffer.index]
                if home == k:
                    found.append((n, offset))
        return found

    def _arrive(self) -> list[str]:
        """The operands of a point."""
        lines = []
        for k, operand in enumerate(self.layout.operands):
            if k < self.count and not operand.shape:
                # A copy: an output may lie in the same place.
                type_ = {"float64": "i64", "float32": "i32"}.get(operand.dtype, "i8")
                lines += [f"%value{k} = load {type_}, ptr %q{k}", f"store {type_} %value{k}, ptr %slot{k}"]
                continue
            home = f"%q{k}"
            if k in self.rooms:
                home = f"%home{k}"
                lines.append(f"{home} = select i1 %loose{k}, ptr %room{k}, ptr %q{k}")
                if k < self.count:
                    lines += [
                        f"%first{k} = icmp eq i64 %i, 0",
                        f"%moved{k} = icmp ne i64 %d{k}, 0",
                        f"%new{k} = or i1 %first{k}, %moved{k}",
                        f"%copy{k} = and i1 %loose{k}, %new{k}",
                        f"br i1 %copy{k}, label %pack{k}, label %packed{k}",
                        f"pack{k}:",
                        self._move(k, operand, False),
                        f"br label %packed{k}",
                        f"packed{k}:",
                    ]
            for n, offset in self._operand_buffers(k):
                place = home
                if offset:
                    place = f"%member{n}"
                    lines.append(f"{place} = getelementptr i8, ptr {home}, i64 {offset}")
                lines += _put(n, place, f"%at{n}")
        return lines

    def _move(self, k: int, operand: Operand, out: bool) -> str:
        rows = math.prod(operand.shape[:-1])
        shape = f"{'%' if any(map(is_open, operand.shape)) else '@'}shape{k}"
        steps = f"%ss{k}{'o' if out else 'i'}"
        return (
            f"{steps} = getelementptr i64, ptr %steps, i64 {self.first[k]}\n"
            f"call void @move(ptr %room{k}, ptr %q{k}, ptr {steps}, ptr {shape}, i64 {len(operand.shape)}, "
            f"i64 {rows}, i64 {BYTES[operand.dtype]}, i1 {str(out).lower()})"
        )

    def _depart(self) -> list[str]:
        """Outputs that were computed elsewhere."""
        lines = []
        for k in self.rooms:
            if k >= self.count:
                lines += [
                    f"br i1 %loose{k}, label %pack{k}, label %packed{k}",
                    f"pack{k}:",
                    self._move(k, self.layout.operands[k], True),
                    f"br label %packed{k}",
                    f"packed{k}:",
                ]
        return lines

    def _judged(self) -> list[str]:
        """Invalid where a result is NaN and no operand was, overflow and division where one is infinite."""
        state, operands = self.state, self.layout.operands
        infinite = state.divide | state.overflow
        lines = [
            *state.get("%after"),
            f"%bits = and i32 %after, {state.invalid | infinite}",
            "%calm = icmp eq i32 %bits, 0",
            "br i1 %calm, label %fine, label %weigh",
            "weigh:",
        ]

        def bits(which: range, name: str) -> None:
            last = "0"
            for k in which:
                if operands[k].dtype == "bool" or not operands[k].size:
                    continue
                where = f"%home{k}" if k in self.rooms else f"%slot{k}" if k < self.count else f"%q{k}"
                lines.extend(
                    [
                        f"%look{k} = call i32 @look_{self.element}(ptr {where}, i64 {operands[k].size})",
                        f"%sum{k} = or i32 %look{k}, {last}",
                    ]
                )
                last = f"%sum{k}"
            lines.append(f"{name} = or i32 {last}, 0")

        bits(range(self.count, len(operands)), "%got")
        lines += ["%clean = icmp eq i32 %got, 0", "br i1 %clean, label %fine, label %ask", "ask:"]
        bits(range(self.count), "%given")
        lines += [
            "%given_nan = and i32 %given, 1",
            "%got_nan = and i32 %got, 1",
            "%new_nan = icmp ugt i32 %got_nan, %given_nan",
            "%all_finite = icmp eq i32 %given, 0",
            "%got_infinite = icmp uge i32 %got, 2",
            "%new_infinite = and i1 %all_finite, %got_infinite",
            f"%if_nan = select i1 %new_nan, i32 {state.invalid}, i32 0",
            f"%if_infinite = select i1 %new_infinite, i32 {infinite}, i32 0",
            "%allowed = or i32 %if_nan, %if_infinite",
            "%asked = and i32 %allowed, %bits",
            "br label %fine",
            "fine:",
            "%news = phi i32 [ 0, %seen ], [ 0, %weigh ], [ %asked, %ask ]",
            "%raised2 = or i32 %raised, %news",
            "br label %weighed",
            "weighed:",
            "br label %leave",
        ]
        return lines

    def _give(self) -> list[str]:
        lines = ["call void @give(ptr @work, ptr %block)"] if self.on_heap else []
        if self.rooms:
            lines += [
                "br i1 %copies, label %back, label %given_back",
                "back:",
                "call void @give(ptr @rooms, ptr %rooms1)",
                "br label %given_back",
                "given_back:",
            ]
        return lines

    def _bad(self) -> list[str]:
        """A step failed: the rest is not computed."""
        if not any(self.failing):
            return []
        table = self.table
        return [
            "bad:",
            f"%which_place = getelementptr i64, ptr %table, i64 {table.which}",
            "%which = load i64, ptr %which_place",
            f"%extent_place = getelementptr i64, ptr %table, i64 {table.extent}",
            "%extent = load i64, ptr %extent_place",
            f"call void @tell(i1 %tells, i32 {OUT_OF_RANGE}, i64 %which, i64 %extent)",
            "br label %failing",
            *self._early("failing", OUT_OF_RANGE),
        ]

    def _early(self, label: str, code: int = 0) -> list[str]:
        """The block in which the loop ends early."""
        return [
            f"{label}:",
            *(line.replace("back", f"{label}_back") for line in self._give()),
            f"br i1 %judge, label %{label}_forget, label %{label}_end",
            f"{label}_forget:",
            *self.state.put("%before"),
            f"br label %{label}_end",
            f"{label}_end:",
            f"ret i32 {code}",
        ]


TELL = f"""define internal void @tell(i1 %tells, i32 %code, i64 %which, i64 %extent) #2 {{
entry:
  %told = load ptr, ptr @{REPORT}
  %absent = icmp eq ptr %told, null
  %wanted = xor i1 %tells, true
  %nobody = or i1 %absent, %wanted
  br i1 %nobody, label %end, label %call
call:
  call void %told(i32 %code, i64 %which, i64 %extent)
  br label %end
end:
  ret void
}}"""


def _any(name: str, tests: Sequence[str]) -> list[str]:
    if not tests:
        return [f"{name} = icmp eq i1 false, true"]
    lines, last = [], tests[0]
    for k, test in enumerate(tests[1:]):
        lines.append(f"{name}.{k} = or i1 {last}, {test}")
        last = f"{name}.{k}"
    return [*lines, f"{name} = or i1 {last}, false"]


def _put(n: int, place: str, name: str = "") -> list[str]:
    name = name or f"%fixed{n}"
    return [f"{name} = getelementptr ptr, ptr %table, i64 {n}", f"store ptr {place}, ptr {name}"]
