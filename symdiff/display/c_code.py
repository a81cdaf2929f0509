"""A program as C99: functions of straight-line code that need `math.h` and nothing else.

The operations are those of native code, in an order in which operands come first, each rounded once: without
contraction by the compiler the results are native code's, as far as the two mathematics libraries agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.display.c_interface import Described, interface
from symdiff.display.c_names import CNames, c_comment
from symdiff.errors import CompileError
from symdiff.ops import Op, core
from symdiff.ops.base import Instruction, Intrinsic, Library, Outside, Special

if TYPE_CHECKING:
    from symdiff.optimize.program import Program

PRIMARY, UNARY, PRODUCT, SUM, RELATION, EQUALITY, CONDITION, CHOICE = 100, 90, 80, 70, 60, 50, 40, 20
LONGEST = 48
"""So long a text may be to stand in the line of its only user."""

WIDEST = 100
LARGEST_STACK = 4096
"""So many values that go from part to part lie on the stack; of more, the caller gives the memory."""

FEW_CONSTANTS = 64
"""Up to so many elements are written one by one: compilers make of a loop what takes 20 ns to begin."""

ROWS = 8
"""Numbers in a row of a table."""

SYMBOLS = {"fadd": ("+", SUM), "fsub": ("-", SUM), "fmul": ("*", PRODUCT), "fdiv": ("/", PRODUCT)}
PREDICATES = {"olt": "<", "ole": "<=", "ogt": ">", "oge": ">=", "oeq": "==", "une": "!="}
INTRINSICS = {
    "llvm.sqrt": "sqrt",
    "llvm.fma": "fma",
    "llvm.fabs": "fabs",
    "llvm.floor": "floor",
    "llvm.ceil": "ceil",
    "llvm.trunc": "trunc",
    "llvm.rint": "rint",
    "llvm.copysign": "copysign",
}
"""The functions of `math.h` that give the bits of an intrinsic."""

HEADERS = {"size_t": "stddef", "int64_t": "stdint"}
"""The headers of types, which a file includes that names them."""

Text = tuple[str, int]
"""An expression, and how tightly it binds."""


@dataclass(frozen=True, slots=True)
class CPart:
    """A run of operations: its nodes, values that earlier parts have left (node, place) and that it leaves, and the
    elements of outputs (output, element, node) that it writes, after the outputs whose constants it writes."""

    nodes: Sequence[int]
    loads: Sequence[tuple[int, int]] = ()
    saves: Sequence[tuple[int, int]] = ()
    fills: Sequence[int] = ()
    stores: Sequence[tuple[int, int, int]] = ()


@dataclass(frozen=True, slots=True)
class CSource:
    """What a function of C is made of.

    Attributes
    ----------
    name : what it is to be called.
    program : scalar code.
    parts : its operations in order; several where they are many.
    places : how many values go from part to part.
    inputs, outputs : as a person writes each, and its shape.
    elements : the names of the elements of each input.
    results : the names of the outputs.
    names : nodes with the names of lines.
    aliases : nodes with another name, under which outputs have them.
    origins : nodes with the text that they come from.
    heading : lines of the comment before it.
    sparsity : of a function of a sparse matrix's entries its sides, where each column begins, and each entry's row.
    """

    name: str
    program: Program
    parts: Sequence[CPart]
    places: int
    inputs: Described
    outputs: Described
    elements: Sequence[Sequence[str]]
    results: Sequence[str]
    names: Mapping[int, str] = field(default_factory=dict)
    aliases: Mapping[int, str] = field(default_factory=dict)
    origins: Mapping[int, str] = field(default_factory=dict)
    heading: Sequence[str] = ()
    sparsity: Sequence[int] = ()


def c_file(
    sources: Sequence[CSource],
    head: Sequence[str],
    single: bool,
    complete: bool = False,
    symbols: Mapping[str, tuple[str, str]] | None = None,
) -> str:
    """The text of a file with these functions; `single`: of floats; `complete`: with all that a library has of each.

    Raises
    ------
    CompileError
        For an operation that `math.h` does not have.
    """
    names, symbols = CNames(), symbols or {}
    for symbol, _ in symbols.values():
        names.take(symbol)
    given = [names.take(source.name) if complete else names.new(source.name) for source in sources]
    number = "float" if single else "double"
    prototypes, blocks, outside = list[str](), list[str](), list[str]()
    for source, name in zip(sources, given, strict=True):
        writer = CWriter(source, name, names, single, symbols)
        blocks += ["", *writer.function()]
        prototypes += writer.prototypes
        outside += [line for line in writer.outside if line not in outside]
        if complete:
            more, lines = interface(name, number, source.inputs, source.outputs, writer.given_work)
            prototypes, blocks = prototypes + more, blocks + lines
    return "\n".join(
        [
            "/*",
            *(f" * {c_comment(line)}".rstrip() for line in head),
            " *",
            f" * Numbers are of type {number}. Compile with -ffp-contract=off (GCC and Clang: or -std=c99), so that",
            " * a*b + c is rounded twice, and never with -ffast-math.",
            " */",
            "#include <math.h>",
            *(f"#include <{header}.h>" for word, header in HEADERS.items() if any(word in line for line in prototypes)),
            "",
            "#if !defined(__GNUC__) || defined(__clang__)",
            "#pragma STDC FP_CONTRACT OFF",
            "#endif",
            "",
            *(["/* Functions of another library, which has to be linked. */", *outside, ""] if outside else []),
            *prototypes,
            *blocks,
            "",
        ]
    )


class CWriter:
    """Writes one function, with its parts and tables."""

    def __init__(
        self, source: CSource, name: str, around: CNames, single: bool, symbols: Mapping[str, tuple[str, str]]
    ) -> None:
        self.symbols, self.outside = symbols, dict[str, None]()
        self.source, self.name, self.around, self.single = source, name, around, single
        self.number = "float" if single else "double"
        self.suffix = "f" if single else ""
        self.program = source.program
        self.names = CNames(around)
        self.uses = self.program.body.users()
        self.given: dict[int, str] = {}
        self.values: dict[int, Text] = {}
        self.lines: list[str] = []
        self.count = 0
        self.touched = set[str]()
        given = f"const {self.number} *const *in, {self.number} *const *out"
        self.given_work = len(source.parts) > 1 and source.places > LARGEST_STACK
        self.prototypes = [f"int {name}({given}, void *work);"]
        if self.given_work:
            self.prototypes.append(f"size_t {name}_work_bytes(void);")
        if source.sparsity:
            self.prototypes.append(f"const int64_t *{name}_sparsity(void);")
        self.part_parameters = f"{given}, {self.number} *t"

    def function(self) -> list[str]:
        """The lines of the function, after those of what it needs."""
        source, parts = self.source, self.source.parts
        self._name_values()
        before = [line for part in parts for output in part.fills for line in self._table(output)]
        calls: list[str] = []
        for part in parts:
            self._body(part)
            if len(parts) > 1:
                called = self.around.new(f"{self.name}_part{len(calls) + 1}")
                before += [
                    f"static void {called}({self.part_parameters})",
                    "{",
                    *self._whole("in", "out", "t"),
                    "}",
                    "",
                ]
                calls.append(f"    {called}(in, out, t);")
        if source.sparsity:
            before += self._sparsity()
        body: list[str] = []
        if calls:
            self.lines, self.touched = calls, {"in", "out"}
        if self.given_work:
            self.touched.add("work")
            before += [
                f"size_t {self.name}_work_bytes(void)",
                "{",
                f"    return {source.places} * sizeof({self.number});",
                "}",
                "",
            ]
            body += [f"    {self.number} *const t = ({self.number} *)work;", "    if (t == 0) {"]
            body += ["        return 1; /* there is no memory for what goes from part to part */", "    }"]
        elif calls:
            body.append(f"    {self.number} t[{max(1, source.places)}];")
        heading = (
            ["/*", *(f" * {c_comment(line)}".rstrip() for line in source.heading), " */"] if source.heading else []
        )
        head = [*before, *heading, self.prototypes[0][:-1], "{", *body]
        return [*head, *self._whole("in", "out", "work"), "    return 0;", "}"]

    def _sparsity(self) -> list[str]:
        """The function that tells the structure of a sparse matrix."""
        numbers = list(map(str, self.source.sparsity))
        return [
            "/* Rows, columns; where the entries of each column begin, and their number; the row of each entry. */",
            f"const int64_t *{self.name}_sparsity(void)",
            "{",
            f"    static const int64_t table[{len(numbers)}] = {{",
            *_rows(numbers, 2 * ROWS, "        "),
            "    };",
            "    return table;",
            "}",
            "",
        ]

    def _whole(self, *parameters: str) -> list[str]:
        """The lines of a body, with a word for each parameter that they do not use."""
        return [*(f"    (void){p};" for p in parameters if p not in self.touched), *self.lines]

    def _name_values(self) -> None:
        """The names of inputs and lines, so that nothing else takes them."""
        graph = self.program.graph
        wanted: dict[int, str] = {}
        for node in self.program.body.order:
            if graph.ops[node] is core.INPUT:
                operand, element = graph.payloads[node]
                wanted[node] = self.source.elements[operand][element]
        wanted.update({node: name for node, name in self.source.names.items() if node not in wanted})
        self.given = {node: self.names.new(name, "_value") for node, name in wanted.items()}

    def _body(self, part: CPart) -> None:
        """The lines of a part."""
        graph, args, given = self.program.graph, self.program.graph.args, self.given
        self.lines, self.values, self.touched = [], {}, set()
        inputs = {a for node in part.nodes for a in args[node] if graph.ops[a] is core.INPUT}
        inputs |= {node for _, _, node in part.stores if graph.ops[node] is core.INPUT}
        for node in sorted(inputs, key=lambda n: graph.payloads[n]):
            operand, element = graph.payloads[node]
            self.touched.add("in")
            self._line(node, given[node], f"in[{operand}][{element}]")
        for node, place in part.loads:
            holds = f" != {self._literal(0.0)}" if self._holds(node) else ""
            self._line(node, self._named(node), f"t[{place}]{holds}")
        kept = dict(part.saves)
        if part.loads or kept:
            self.touched.add("t")
        stored: dict[int, list[tuple[int, int]]] = {}
        for output, element, node in part.stores:
            stored.setdefault(node, []).append((output, element))
        within = {a for node in part.nodes for a in args[node]}.union(stored)
        for output in part.fills:
            self._fill(output)
        if part.fills or part.stores:
            self.touched.add("out")
        for node in self._by_need(part):
            text = self._expression(node)
            once = self.uses[node] == 1 and node in within and node not in given and node not in kept
            if once and len(text[0]) <= LONGEST:
                self.values[node] = text
            else:
                origin = "" if node in given else self.source.origins.get(node, "")
                self._line(node, self._named(node), text[0], origin)
            if node in kept:
                self.lines.append(f"    t[{kept[node]}] = {self.values[node][0]};")
            if node in stored:
                self._stores(node, stored.pop(node))
        for node, places in stored.items():  # which are there without an operation
            self._stores(node, places)

    def _stores(self, node: int, places: Sequence[tuple[int, int]]) -> None:
        """The lines that write a value where outputs have it."""
        if node in self.source.aliases:
            self._line(node, self.names.new(self.source.aliases[node]), self._value(node)[0])
        for output, element in sorted(places):
            self._store(output, element, node)

    def _by_need(self, part: CPart) -> list[int]:
        """The nodes of a part, each just before what needs it: of values that wait, compilers keep few in registers."""
        args, todo = self.program.graph.args, set(part.nodes)
        order: list[int] = []
        results = [*(node for _, _, node in sorted(part.stores)), *part.nodes]
        for result in results:
            stack = [result]
            while stack:
                node = stack.pop()
                if node < 0:
                    order.append(~node)
                elif node in todo:
                    todo.discard(node)
                    stack += [~node, *args[node][::-1]]
        return order

    def _named(self, node: int) -> str:
        name = self.given.get(node)
        if name is None:
            self.count += 1
            name = self.given[node] = self.names.new(f"v{self.count}")
        return name

    def _holds(self, node: int) -> bool:
        """Whether a node is a condition."""
        return self.program.graph.types[node].is_condition

    def _line(self, node: int, name: str, text: str, origin: str = "") -> None:
        kind = "int" if self._holds(node) else self.number
        line = f"    const {kind} {name} = {text};"
        if origin and len(line) + len(origin) <= WIDEST:
            line += f" /* {c_comment(origin)} */"
        self.lines.append(line)
        self.values[node] = name, PRIMARY

    def _store(self, output: int, element: int, node: int) -> None:
        text, power = self._value(node)
        if self._holds(node):
            ends = f"{self._literal(1.0)} : {self._literal(0.0)}"
            text = f"({text}) ? {ends}" if power <= CHOICE else f"{text} ? {ends}"
        line = f"    out[{output}][{element}] = {text};"
        name = self.source.results[output]
        remark = f"{name}[{element}]" if len(self.program.outputs[output]) > 1 else name
        if text != remark and len(line) + len(remark) <= WIDEST:
            line += f" /* {c_comment(remark)} */"
        self.lines.append(line)

    def _constants(self, output: int) -> list[float]:
        graph = self.program.graph
        return [
            float(graph.payloads[n]) if graph.ops[n] is core.CONSTANT else 0.0 for n in self.program.outputs[output]
        ]

    def _table(self, output: int) -> list[str]:
        """The constants of an output that has many; none where all are 0."""
        values = self._constants(output)
        if not any(values) or len(values) <= FEW_CONSTANTS:
            return []
        head = f"static const {self.number} {self.name}_constants{output}[{len(values)}] = {{"
        return [head, *_rows(list(map(self._literal, values)), ROWS, "    "), "};", ""]

    def _fill(self, output: int) -> None:
        values = self._constants(output)
        if len(values) <= FEW_CONSTANTS:
            nodes = enumerate(self.program.outputs[output])
            written = [k for k, node in nodes if self.program.graph.ops[node] is core.CONSTANT]
            self.lines += [f"    out[{output}][{k}] = {self._literal(values[k])};" for k in written]
            return
        value = f"{self.name}_constants{output}[i]" if any(values) else self._literal(0.0)
        self.lines += [
            f"    for (int i = 0; i < {len(values)}; i++) {{",
            f"        out[{output}][i] = {value};",
            "    }",
        ]

    def _value(self, node: int) -> Text:
        found = self.values.get(node)
        if found is None:
            value = self.program.graph.payloads[node]
            assert self.program.graph.ops[node] is core.CONSTANT
            text = str(int(value)) if isinstance(value, bool) else self._literal(value)
            found = self.values[node] = text, UNARY if text[0] in "-(" else PRIMARY
        return found

    def _literal(self, value: float) -> str:
        """The shortest decimal that is read as this number."""
        if math.isnan(value):
            return "NAN" if self.single else "(double)NAN"
        with np.errstate(over="ignore", under="ignore"):
            number = np.float32(value) if self.single else np.float64(value)
        if np.isinf(number):
            return ("-" if value < 0 else "") + ("INFINITY" if self.single else "(double)INFINITY")
        text = str(number)
        return text + ("" if "." in text or "e" in text else ".0") + self.suffix

    def _expression(self, node: int) -> Text:
        graph = self.program.graph
        op = graph.ops[node]
        operands = [self._value(a) for a in graph.args[node]]
        if op.word not in self.symbols or not isinstance(op.routine, Library | Special | Outside):
            return c_expression(op, operands, self.suffix)
        symbol, prototype = self.symbols[op.word]
        self.outside[f"{prototype};"] = None
        text, power = _call(symbol, operands)
        return (f"(float){text}", UNARY) if self.single else (text, power)


def _rows(words: Sequence[str], size: int, indent: str) -> list[str]:
    """The entries of a table, so many a line."""
    lines = [indent + ", ".join(words[k : k + size]) for k in range(0, len(words), size)]
    return [*(f"{line}," for line in lines[:-1]), *lines[-1:]]


def c_expression(op: Op, operands: Sequence[Text], suffix: str) -> Text:
    """An operation on operands as an expression of C.

    Raises
    ------
    CompileError
        For an operation that `math.h` does not have.
    """
    routine = op.routine
    if isinstance(routine, Instruction):
        return _instruction(routine.opcode, op, operands)
    if isinstance(routine, Intrinsic):
        return _call(INTRINSICS[routine.name] + suffix, operands)
    if isinstance(routine, Library):
        return _call(routine.symbol + suffix, operands)
    raise CompileError(
        f"C source of {op.name}: math.h has no such function",
        hint=f'f.compile() and f.address have it; sd.emit(…, symbols={{"{op.word}": "…"}}) calls a C function for it',
    )


def _call(function: str, operands: Sequence[Text]) -> Text:
    return f"{function}({', '.join([text for text, _ in operands])})", PRIMARY


def _instruction(opcode: str, op: Op, operands: Sequence[Text]) -> Text:
    if opcode == "fneg":
        return "-" + _within(operands[0], UNARY, True), UNARY
    if opcode == "not":
        return "!" + _within(operands[0], UNARY), UNARY
    if opcode == "select":
        condition, one, other = operands
        shown = " : ".join([_within(part, CHOICE + 1) for part in (one, other)])
        return f"{_within(condition, RELATION)} ? {shown}", CHOICE
    if opcode in SYMBOLS:
        symbol, power = SYMBOLS[opcode]
        return f"{_within(operands[0], power)} {symbol} {_within(operands[1], power + 1, True)}", power
    if opcode.startswith("fcmp "):
        symbol = PREDICATES[opcode.removeprefix("fcmp ")]
        return f"{_within(operands[0], SUM)} {symbol} {_within(operands[1], SUM)}", RELATION
    symbol, first, second, power = LOGIC[opcode]
    return f"{_within(operands[0], first)} {symbol} {_within(operands[1], second)}", power


LOGIC = {
    "and": ("&&", CONDITION, RELATION, CONDITION),
    "or": ("||", RELATION, RELATION, CHOICE),
    "xor": ("!=", SUM, SUM, EQUALITY),
}
"""How operations on conditions are written: symbol, how tightly each operand has to bind, and how tightly it does."""


def _within(part: Text, least: int, signed: bool = False) -> str:
    """An operand, in parentheses where it binds less tightly or, `signed`, begins with a sign."""
    text, power = part
    return f"({text})" if power < least or (signed and text[0] == "-") else text
