"""The scalar body: nodes become lines of LLVM IR.

A body is emitted for `lanes` points at once. With one lane a number is `double`; with more it is `<lanes x double>`,
which elementary operations already allow for; calls of library functions on vectors belong to vector_math.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from symdiff.errors import CompileError
from symdiff.ops import Op
from symdiff.ops.base import Instruction, Intrinsic, Library, Routine, Special
from symdiff.types import FLOAT32

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

Address = Callable[[int, int, list[str]], str]
"""Given an operand of the program and the index of an element, its pointer; new lines go to the list."""

# Arguments that a routine of cython_special takes after its operands.
EXTRA_ARGUMENTS = ", i32 0"
EXTRA_PARAMETERS = ", i32"


class Routines:
    """The functions from outside that a module calls, and the names that they have in it."""

    def __init__(self, number: str) -> None:
        self.number = number
        self.declarations: list[str] = []
        self.imports: list[tuple[str, Routine]] = []
        self._symbols: dict[Routine, str] = {}
        self._intrinsics: dict[tuple[str, int], str] = {}

    def symbol(self, routine: Library | Special, arity: int) -> str:
        """The name of a library function, which takes and gives doubles."""
        found = self._symbols.get(routine)
        if found is None:
            found = self._symbols[routine] = f"m_{len(self._symbols)}"
            extra = EXTRA_PARAMETERS if isinstance(routine, Special) else ""
            self.declarations.append(f"declare double @{found}({', '.join(['double'] * arity)}{extra}) #0")
            self.imports.append((found, routine))
        return found

    @property
    def intrinsics(self) -> list[str]:
        """The full names of the intrinsics in use."""
        return list(self._intrinsics.values())

    def intrinsic(self, name: str, arity: int) -> str:
        """The full name of an intrinsic for this module's numbers."""
        found = self._intrinsics.get((name, arity))
        if found is None:
            suffix = {"double": "f64", "float": "f32"}.get(self.number) or _vector_suffix(self.number)
            found = self._intrinsics[name, arity] = f"{name}.{suffix}"
            self.declarations.append(f"declare {self.number} @{found}({', '.join([self.number] * arity)})")
        return found


def _vector_suffix(number: str) -> str:
    lanes, _, element = number.strip("<>").partition(" x ")
    return f"v{lanes}{'f64' if element == 'double' else 'f32'}"


class Body:
    """Writes the lines of one function's straight-line code.

    Attributes
    ----------
    lines : the text so far.
    values : node → the text of its value in this function.
    """

    def __init__(self, graph: Graph, routines: Routines, address: Address, lanes: int = 1) -> None:
        self.graph = graph
        self.routines = routines
        self.address = address
        self.lanes = lanes
        self.element = "float" if graph.dtype == FLOAT32 else "double"
        self.number = self.element if lanes == 1 else f"<{lanes} x {self.element}>"
        self.condition = "i1" if lanes == 1 else f"<{lanes} x i1>"
        self.lines: list[str] = []
        self.values: dict[int, str] = {}
        self._templates: dict[Op, Callable[[str, list[str]], str]] = {}

    def compute(self, nodes: Iterable[int]) -> None:
        """Write the instructions of these nodes, operands first; inputs are loaded where they are first needed."""
        ops, args = self.graph.ops, self.graph.args
        values, lines, templates = self.values, self.lines, self._templates
        for node in nodes:
            if not args[node]:
                self.leaf(node)
                continue
            operands = []
            for a in args[node]:
                text = values.get(a)
                operands.append(self.leaf(a) if text is None else text)
            op = ops[node]
            template = templates.get(op)
            if template is None:
                template = templates[op] = self._template(op, len(operands))
            name = f"%v{node}"
            lines.append(template(name, operands))
            values[node] = name

    def leaf(self, node: int) -> str:
        """The value of an input, loaded, or of a constant, written out."""
        kind, payload = self.graph.ops[node].name, self.graph.payloads[node]
        if kind == "constant":
            text = constant(payload) if self.lanes == 1 else self._splat(payload)
        elif kind == "input":
            pointer = self.address(payload[0], payload[1], self.lines)
            text = self.load(f"%v{node}", pointer, self.graph.types[node].is_condition)
        else:
            raise CompileError(f"the body of {kind} (node {node}) is used before it is computed")
        self.values[node] = text
        return text

    def value(self, node: int) -> str:
        """The text of a node's value."""
        found = self.values.get(node)
        return self.leaf(node) if found is None else found

    def load(self, name: str, pointer: str, is_condition: bool) -> str:
        """Read an element; a condition is a byte that is 0 or not."""
        if is_condition:
            self.lines.append(f"{name}b = load i8, ptr {pointer}, align 1\n{name} = icmp ne i8 {name}b, 0")
        else:
            self.lines.append(f"{name} = load {self.number}, ptr {pointer}")
        return name

    def store(self, node: int, pointer: str, name: str) -> None:
        """Write an element; `name` is a fresh name for what is needed on the way."""
        value = self.value(node)
        if not self.graph.types[node].is_condition:
            self.lines.append(f"store {self.number} {value}, ptr {pointer}")
        elif value in ("true", "false"):
            self.lines.append(f"store i8 {int(value == 'true')}, ptr {pointer}, align 1")
        else:
            self.lines.append(f"{name} = zext i1 {value} to i8\nstore i8 {name}, ptr {pointer}, align 1")

    def _splat(self, payload: float | bool) -> str:
        return f"splat ({'i1' if isinstance(payload, bool) else self.element} {constant(payload)})"

    def _template(self, op: Op, arity: int) -> Callable[[str, list[str]], str]:
        """How an operation is written, given the name of the result and the operands."""
        routine, kinds = op.routine, op.kinds or ""
        if isinstance(routine, Instruction):
            opcode = routine.opcode
            type_ = self.condition if "f" not in kinds else self.number
            if opcode == "not":
                true = "true" if self.lanes == 1 else "splat (i1 true)"
                return lambda name, v: f"{name} = xor {type_} {v[0]}, {true}"
            if opcode == "select":
                chosen = f"{self.condition} %s, {type_} %s, {type_} %s"
                return lambda name, v: f"{name} = select " + chosen % (v[0], v[1], v[2])
            if arity == 1:
                return lambda name, v: f"{name} = {opcode} {type_} {v[0]}"
            if arity == 2:
                return lambda name, v: f"{name} = {opcode} {type_} {v[0]}, {v[1]}"
        elif isinstance(routine, Intrinsic):
            function = self.routines.intrinsic(routine.name, arity)
            call, comma = f"= call {self.number} @{function}({self.number} ", f", {self.number} "
            return lambda name, v: f"{name} {call}{comma.join(v)})"
        elif isinstance(routine, Library | Special):
            return self._call(routine, arity)
        raise CompileError(f"{op.name} is not a scalar operation that native code has")

    def _call(self, routine: Library | Special, arity: int) -> Callable[[str, list[str]], str]:
        if self.lanes != 1:
            raise CompileError("library functions on vectors are not written here")
        function = self.routines.symbol(routine, arity)
        extra = EXTRA_ARGUMENTS if isinstance(routine, Special) else ""
        if self.element == "double":
            call = f"= call double @{function}(double "
            return lambda name, v: f"{name} {call}{', double '.join(v)}{extra})"

        def single(name: str, v: list[str]) -> str:  # float32 is computed in double and rounded, as the interpreter's
            lines = [f"{name}x{k} = fpext float {text} to double" for k, text in enumerate(v)]
            doubles = ", ".join(f"double {name}x{k}" for k in range(len(v)))
            lines.append(f"{name}y = call double @{function}({doubles}{extra})")
            return "\n".join([*lines, f"{name} = fptrunc double {name}y to float"])

        return single


def constant(value: Any) -> str:
    """A constant as LLVM writes it: by its bits (those of a double for a float too)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def is_leaf(graph: Graph, node: int) -> bool:
    """Whether a node is an input or a constant: nothing to compute."""
    return graph.ops[node].name in ("input", "constant")
