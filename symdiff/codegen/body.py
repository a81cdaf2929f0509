"""The scalar body: nodes become lines of LLVM IR.

A body is emitted for `lanes` points at once. With one lane a number is `double`; with more it is `<lanes x double>`
and a condition `<lanes x i1>`, in memory a byte for each lane.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from symdiff.codegen.pairs import SINCOS
from symdiff.codegen.target import Target
from symdiff.codegen.vector_math import VectorLibrary, find, lane_by_lane
from symdiff.errors import CompileError
from symdiff.ops import Op, core
from symdiff.ops.base import Instruction, Intrinsic, Library, Outside, Routine, Special
from symdiff.types import FLOAT32

if TYPE_CHECKING:
    from symdiff.ir.graph import Graph

Address = Callable[[int, int, list[str]], str]
"""Given an operand of the program and the index of an element, its pointer; new lines go to the list."""

# Arguments that a routine of cython_special takes after its operands.
EXTRA_ARGUMENTS = ", i32 0"
EXTRA_PARAMETERS = ", i32"

PUBLIC = ("j0", "j1", "y0", "y1")
"""Functions that are SciPy's in this process, and that C libraries have by the same names (POSIX)."""


class Routines:
    """The functions from outside that a module calls, and the names that they have in it.

    Attributes
    ----------
    lanes : how many numbers a value has.
    vector : whether functions of vectors may stand for the scalar ones; otherwise those are called for each lane.
    scalar : another module part's routines, which names the scalar functions for this one too.
    target : where the code runs. In this process functions are linked by addresses, under names of the module's own;
        elsewhere they have their public names.
    definitions : the functions that call scalar functions lane by lane.
    """

    def __init__(
        self,
        element: str,
        lanes: int = 1,
        vector: bool = False,
        scalar: Routines | None = None,
        target: Target | None = None,
    ) -> None:
        self.target = target or Target.host()
        self.lanes = lanes
        self.vector = vector
        self.scalar = scalar
        self.number = element if lanes == 1 else f"<{lanes} x {element}>"
        self.doubles = "double" if lanes == 1 else f"<{lanes} x double>"
        self.declarations: list[str] = []
        self.definitions: list[str] = []
        self.imports: list[tuple[str, Routine | VectorLibrary]] = []
        self._symbols: dict[Routine, str] = {}
        self._vectors: dict[Routine, str] = {}
        self._intrinsics: dict[tuple[str, int], str] = {}

    def symbol(self, routine: Library | Special | Outside, arity: int) -> str:
        """The name of a library function, which takes and gives doubles."""
        if self.scalar is not None:
            return self.scalar.symbol(routine, arity)
        found = self._symbols.get(routine)
        if found is None:
            found = self._symbols[routine] = self._named("m", len(self._symbols), routine.symbol)
            extra = EXTRA_PARAMETERS if isinstance(routine, Special) else ""
            self.declarations.append(f"declare double @{found}({', '.join(['double'] * arity)}{extra}) #0")
            self.imports.append((found, routine))
        return found

    def _named(self, letter: str, number: int, public: str) -> str:
        return f"{letter}_{number}" if self.target.is_host else self.target.public(public)

    def callable_for(self, op: Op) -> Library | Special | Outside:
        """The function that is called for an operation.

        Raises
        ------
        CompileError
            Where there is none by a public name, for code that runs elsewhere.
        """
        routine = op.routine
        assert isinstance(routine, Library | Special | Outside)
        if self.target.is_host:
            return routine
        if symbol := self.target.symbol_for(op.word):
            return Library(symbol)
        if isinstance(routine, Library):
            return routine
        if isinstance(routine, Special):
            if routine.symbol in PUBLIC:
                return Library(routine.symbol)
            raise CompileError(
                f"{op.word} is SciPy's, and no C library has it: it cannot be called without Python",
                hint=f'name a C function that is linked: symbols={{"{op.word}": "…"}}; or make its value an input',
            )
        raise CompileError(
            f"{op.word} is a function of this process: a library cannot call it",
            hint=f'name a C function that is linked: symbols={{"{op.word}": "…"}}; or write it as a formula',
        )

    def sincos(self) -> str:
        """The name of the C function that gives sine and cosine."""
        found = self._symbols.get(SINCOS)
        if found is None:
            found = self._symbols[SINCOS] = self._named("m", len(self._symbols), SINCOS.symbol)
            self.declarations.append(f"declare void @{found}(double, ptr, ptr) #0")
            self.imports.append((found, SINCOS))
        return found

    def vector_symbol(self, routine: Library | Special | Outside, arity: int) -> str:
        """The name of a function of vectors of doubles."""
        name = self._vectors.get(routine)
        if name is not None:
            return name
        of_vectors = self.vector and isinstance(routine, Library)
        found = find(routine, arity, self.lanes, self.target) if of_vectors else None
        number = len(self._vectors)
        name = f"v_{number}" if found is None else self._named("v", number, found.symbol)
        self._vectors[routine] = name
        if found is not None:
            self.declarations.append(f"declare {self.doubles} @{name}({', '.join([self.doubles] * arity)}) #0")
            self.imports.append((name, found))
        else:
            extra = EXTRA_ARGUMENTS if isinstance(routine, Special) else ""
            self.definitions += lane_by_lane(name, self.symbol(routine, arity), arity, self.lanes, extra)
        return name

    @property
    def intrinsics(self) -> list[tuple[str, str]]:
        """The intrinsics in use: the C function's name that each has, and its full name."""
        return [(name.removeprefix("llvm."), full) for (name, _), full in self._intrinsics.items()]

    def intrinsic(self, name: str, arity: int) -> str:
        """The full name of an intrinsic for this module's numbers."""
        name = self.target.fused if name == "llvm.fma" else name
        found = self._intrinsics.get((name, arity))
        if found is None:
            suffix = {"double": "f64", "float": "f32"}.get(self.number) or _vector_suffix(self.number)
            found = self._intrinsics[name, arity] = f"{name}.{suffix}"
            self.declarations.append(f"declare {self.number} @{found}({', '.join([self.number] * arity)})")
        return found


def _vector_suffix(number: str) -> str:
    lanes, _, element = number.strip("<>").partition(" x ")
    return f"v{lanes}{'f64' if element == 'double' else 'f32'}"


class Operations:
    """Writes single operations on numbers and conditions, of one lane or of several.

    Attributes
    ----------
    lines : the text so far.
    """

    def __init__(self, element: str, routines: Routines) -> None:
        self.routines = routines
        self.lanes = lanes = routines.lanes
        self.element = element
        self.number = element if lanes == 1 else f"<{lanes} x {element}>"
        self.condition = "i1" if lanes == 1 else f"<{lanes} x i1>"
        self.byte = "i8" if lanes == 1 else f"<{lanes} x i8>"
        self.alignment = 4 if element == "float" else 8
        self.lines: list[str] = []
        self._templates: dict[Op, Callable[[str, list[str]], str]] = {}

    def write(self, op: Op, name: str, operands: list[str]) -> None:
        """Write an operation whose result is `name`."""
        template = self._templates.get(op)
        if template is None:
            template = self._templates[op] = self._template(op, len(operands))
        self.lines.append(template(name, operands))

    def load(self, name: str, pointer: str, is_condition: bool) -> str:
        """Read an element; a condition is a byte that is 0 or not."""
        if is_condition:
            self.lines.append(f"{name}b = load {self.byte}, ptr {pointer}, align 1")
            self.lines.append(f"{name} = icmp ne {self.byte} {name}b, {'0' if self.lanes == 1 else 'zeroinitializer'}")
        else:
            self.lines.append(f"{name} = load {self.number}, ptr {pointer}, align {self.alignment}")
        return name

    def put(self, value: str, is_condition: bool, pointer: str, name: str) -> None:
        """Write a value to memory; `name` is a fresh name for what is needed on the way."""
        if not is_condition:
            self.lines.append(f"store {self.number} {value}, ptr {pointer}, align {self.alignment}")
        elif value in ("true", "false"):
            self.lines.append(f"store i8 {int(value == 'true')}, ptr {pointer}, align 1")
        else:
            self.lines.append(f"{name} = zext {self.condition} {value} to {self.byte}")
            self.lines.append(f"store {self.byte} {name}, ptr {pointer}, align 1")

    def constant(self, payload: float | bool) -> str:
        """A number or condition, the same in all lanes."""
        if self.lanes == 1:
            return written_constant(payload)
        return f"splat ({'i1' if isinstance(payload, bool) else self.element} {written_constant(payload)})"

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
        elif isinstance(routine, Library | Special | Outside):
            return self._call(self.routines.callable_for(op), arity)
        raise CompileError(f"{op.name} is not a scalar operation that native code has")

    def _call(self, routine: Library | Special | Outside, arity: int) -> Callable[[str, list[str]], str]:
        extra, wide = "", self.routines.doubles
        if self.lanes != 1:
            function = self.routines.vector_symbol(routine, arity)
        else:
            function = self.routines.symbol(routine, arity)
            extra = EXTRA_ARGUMENTS if isinstance(routine, Special) else ""
        if self.element == "double":
            call, then = f"= call {wide} @{function}({wide} ", f", {wide} "
            return lambda name, v: f"{name} {call}{then.join(v)}{extra})"

        def single(name: str, v: list[str]) -> str:  # float32 is computed in double and rounded, as the interpreter's
            lines = [f"{name}x{k} = fpext {self.number} {text} to {wide}" for k, text in enumerate(v)]
            doubles = ", ".join(f"{wide} {name}x{k}" for k in range(len(v)))
            lines.append(f"{name}y = call {wide} @{function}({doubles}{extra})")
            return "\n".join([*lines, f"{name} = fptrunc {wide} {name}y to {self.number}"])

        return single


class CodeWriter(Operations):
    """Writes the lines of one function's straight-line code.

    Attributes
    ----------
    prologue : lines that belong to the beginning of the function.
    values : node → the text of its value in this function.
    pairs : sines and cosines of one angle that are computed together: each → the other.
    """

    def __init__(
        self, graph: Graph, routines: Routines, address: Address, pairs: Mapping[int, int] | None = None
    ) -> None:
        super().__init__("float" if graph.dtype == FLOAT32 else "double", routines)
        self.graph = graph
        self.address = address
        self.pairs = pairs or {}
        self.prologue = ["%sine = alloca double", "%cosine = alloca double"] if pairs else []
        self.values: dict[int, str] = {}

    def compute(self, nodes: Iterable[int]) -> None:
        """Write the instructions of these nodes, operands first; inputs are loaded where they are first needed."""
        ops, args = self.graph.ops, self.graph.args
        values, lines, templates = self.values, self.lines, self._templates
        for node in nodes:
            if not args[node]:
                self.leaf(node)
                continue
            if node in self.pairs:
                if node not in values:
                    self._sincos(node, self.pairs[node])
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

    def _sincos(self, *pair: int) -> None:
        sine, cosine = pair if self.graph.ops[pair[0]] is core.SIN else pair[::-1]
        angle = self.value(self.graph.args[sine][0])
        self.lines += [
            f"call void @{self.routines.sincos()}(double {angle}, ptr %sine, ptr %cosine)",
            f"%v{sine} = load double, ptr %sine",
            f"%v{cosine} = load double, ptr %cosine",
        ]
        self.values[sine], self.values[cosine] = f"%v{sine}", f"%v{cosine}"

    def leaf(self, node: int) -> str:
        """The value of an input, loaded, or of a constant, written out."""
        kind, payload = self.graph.ops[node].name, self.graph.payloads[node]
        if kind == "constant":
            text = self.constant(payload)
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

    def store(self, node: int, pointer: str, name: str) -> None:
        """Write an element; `name` is a fresh name for what is needed on the way."""
        self.put(self.value(node), self.graph.types[node].is_condition, pointer, name)


def written_constant(value: Any) -> str:
    """A constant as LLVM writes it: by its bits (those of a double for a float too)."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def is_of_c(routine: object) -> bool:
    """Whether a routine is a C function that a user gave, which may take long: it is called without Python's lock."""
    return isinstance(routine, Outside) and routine.function is None


def is_leaf_node(graph: Graph, node: int) -> bool:
    """Whether a node is an input or a constant: nothing to compute."""
    return graph.ops[node] in (core.INPUT, core.CONSTANT)
