"""A graph as text of the language: it parses again to the same function."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.display.array_text import NOTATIONS, shape_text, subscript
from symdiff.display.lines import Lines, opened
from symdiff.display.simplify import readable, starts_with_factor
from symdiff.ir.graph import Graph
from symdiff.ir.inlining import without_calls
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Fold
from symdiff.signature import Argument

ATOM, POWER, SIGN, PRODUCT, SUM = 100, 80, 70, 60, 50
MOST_LINES = 40
MOST_PI = 8
"""Up to so many times pi are written so."""
LONGEST_LINE = 4000
WIDEST = 80
"""A vector with a longer text has a line for each entry, unless the entries are short."""
SHORT_ENTRY = 16
WIDEST_ALIGNED = 120
"""A matrix whose rows would be longer with aligned columns has rows as long as their texts."""

Part = str | tuple[int, int, bool]
"""A piece of text, or a node to be written: (node, least binding power without parentheses, after an operator)."""
Outputs = int | Mapping[str, Any] | tuple[Any, ...]
"""The outputs of a function: a node, or a mapping or tuple of such."""


def written_number(value: float, taken: Iterable[str] = ()) -> tuple[str, int]:
    """A constant as the language writes it, and how tightly that text binds; names in `taken` mean something else."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)), ATOM
    value = float(value)
    if math.isnan(value):
        return ("0/0", PRODUCT) if "nan" in taken else ("nan", ATOM)
    size, negative = abs(value), math.copysign(1.0, value) < 0
    power = ATOM
    if math.isinf(value):
        text, power = ("1/0", PRODUCT) if "inf" in taken else ("inf", ATOM)
        return (f"-{text}", min(SIGN, power)) if negative else (text, power)
    turns = round(size / math.pi) if size < MOST_PI * 4 else 0
    if turns and size == turns * math.pi and turns <= MOST_PI and "pi" not in taken:
        text = "pi" if turns == 1 else f"{turns}*pi"
        power = ATOM if turns == 1 else PRODUCT
    else:
        text = repr(size)
        if text.endswith(".0") and not (size == 0 and negative):
            text = text[:-2]
    return (f"-{text}", min(SIGN, power)) if negative else (text, power)


def array(values: Any, taken: Iterable[str] = ()) -> str:
    """A constant array as nested lists."""
    if values.ndim == 0:
        return str(values[()]) if values.dtype == np.int64 else written_number(values[()], taken)[0]
    if not values.size:
        return f"zeros({shape_text(values.shape)})"
    return "[" + ", ".join([array(row, taken) for row in values]) + "]"


def expression(graph: Graph, node: int, *, simplify: bool = True, rows: bool = True) -> str:
    """The text of a node; several lines where the graph has bindings or shares long parts.

    Without `rows` a matrix is written on one line.
    """
    writer = Writer(graph, [node], simplify=simplify, rows=rows)
    return "\n".join([*writer.assignments(skip=writer.roots[0]), *writer.last(writer.roots[0])])


def program(
    graph: Graph,
    name: str,
    arguments: Sequence[Argument] | None,
    outputs: Outputs,
    *,
    full: bool = False,
    simplify: bool = True,
) -> str:
    """A whole function as text: named lines, then the header with the value; long texts are cut unless `full`.

    Unless `simplify` is False, it is written as `simplify.simplified` puts it.

    Several outputs are lines with their names, after a comment that tells the arguments' order.
    """
    named = output_names(outputs, name)
    reserved = [name, *(names_of(arguments) if arguments is not None else ())]
    header = None if arguments is None else f"{name}({', '.join(map(str, arguments))})"
    if isinstance(outputs, int):
        writer = Writer(graph, [outputs], reserved, own=name, simplify=simplify)
        root = writer.roots[0]
        if header is None:
            lines = [*writer.assignments(skip=root), *writer.last(root)]
        else:
            own = root if writer.is_own(root) else None
            lines = [*writer.assignments(skip=own), *writer.value(f"{header} = ", root)]
    else:
        writer = Writer(graph, list(named.values()), [*reserved, *named], simplify=simplify)
        lines = [] if header is None else [f"# {header} -> {', '.join(named)}"]
        lines += writer.assignments()
        for n, root in zip(named, writer.roots, strict=True):
            lines += writer.value(f"{n} = ", root)
    return "\n".join(lines if full else shortened(lines))


def shortened(lines: Sequence[str]) -> list[str]:
    """The head of `lines`, with the number of what is left out."""
    head = [
        line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} … {len(line) - LONGEST_LINE:,} more characters"
        for line in lines[:MOST_LINES]
    ]
    if len(lines) > MOST_LINES:
        head.append(f"… {len(lines) - MOST_LINES:,} more lines")
    return head


def names_of(arguments: Iterable[Argument]) -> list[str]:
    """Every name that a header of these arguments binds, sizes included."""
    found: list[str] = []
    for argument in arguments:
        found += argument.inputs
        found += [str(size) for size in argument.shape if not isinstance(size, int)]
    return found


def output_names(outputs: Outputs, name: str) -> dict[str, int]:
    """The outputs flattened, by name: `f_0`, `f_1` for the parts of a tuple."""
    found: dict[str, int] = {}
    stack: list[tuple[str, Any]] = [(name, outputs)]
    while stack:
        at, value = stack.pop()
        if isinstance(value, Mapping):
            stack.extend(reversed([(str(k), v) for k, v in value.items()]))
        elif isinstance(value, tuple | list):
            stack.extend(reversed([(f"{at}_{k}", v) for k, v in enumerate(value)]))
        else:
            while at in found:
                at += "_"
            found[at] = int(value)
    return found


def in_columns(rows: Sequence[Sequence[str]], indent: int) -> list[str]:
    """Rows of entries as lists, their columns one below the other where the lines do not get too long."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    if indent + sum(widths) + 2 * len(widths) > WIDEST_ALIGNED:
        widths = [0] * len(widths)
    return [
        "[" + " ".join([f"{e},".ljust(w + 1) for e, w in zip(row[:-1], widths, strict=False)] + list(row[-1:])) + "]"
        for row in rows
    ]


class Writer:
    """Writes the nodes of a graph as lines of text."""

    brackets = ("(", ")")

    def __init__(
        self,
        graph: Graph,
        roots: Sequence[int],
        reserved: Iterable[str] = (),
        own: str = "",
        simplify: bool = True,
        rows: bool = True,
    ) -> None:
        self.own, self.rows = own, rows
        self.graph, self.roots = opened(*without_calls(graph, roots), WRITTEN)
        if simplify:
            self.graph, self.roots = readable(self.graph, self.roots)
        lines = Lines(self.graph, self.roots, set(reserved) - {own})
        self.names, self.taken = lines.names, lines.taken

    def is_own(self, root: int) -> bool:
        """Whether a root is the binding of the function's own name, which its header binds."""
        return self.names.get(root) == self.own

    def assignments(self, skip: int | None = None) -> list[str]:
        """The lines `name = …`, except that of `skip`."""
        lines: list[str] = []
        for node, name in self.names.items():
            if node != skip:
                lines += self._line(f"{name} = ", node)
        return lines

    def last(self, root: int) -> list[str]:
        """The lines of the result: an expression, or `name = …` where the result is a binding."""
        return self._line(f"{self.names[root]} = " if root in self.names else "", root)

    def value(self, left: str, root: int) -> list[str]:
        """The lines of a result after `left`: the name of its line, or its expression."""
        if root in self.names and not self.is_own(root):
            return [left + self.names[root]]
        return self._line(left, root)

    def _line(self, left: str, node: int) -> list[str]:
        """The text of a line's value after `left`; a matrix has a line for each row, and so has a long vector."""
        at = node
        while self.graph.ops[at] is core.NAMED:
            at = self.graph.args[at][0]
        rows = self._rows_of(at, len(left)) if self.rows else []
        if not rows:
            return [left + self.body(node)]
        indent = " " * (len(left) + 1)
        lines = [indent + row + "," for row in rows]
        lines[0] = f"{left}[{rows[0]},"
        lines[-1] = f"{indent}{rows[-1]}]"
        return lines

    def _rows_of(self, node: int, indent: int) -> list[str]:
        """The texts of the rows of a matrix or of a long vector; none where it is better on one line."""
        graph = self.graph
        value, rank = graph.payloads[node], len(graph.types[node].shape)
        if graph.ops[node] is core.CONSTANT and rank == 2 and len(value) > 1 and value.size:
            return in_columns([[array(entry, self.taken) for entry in row] for row in value], indent)
        if graph.ops[node] is not core.STACK or len(graph.args[node]) < 2:
            return []
        if rank == 2 and all(self._is_list(row) for row in graph.args[node]):
            return in_columns(
                [[self._write([(entry, 0, False)]) for entry in graph.args[row]] for row in graph.args[node]], indent
            )
        rows = [self._write([(row, 0, False)]) for row in graph.args[node]]
        total = sum(map(len, rows)) + 2 * len(rows)
        wide = indent + total > WIDEST and (rank > 1 or total > SHORT_ENTRY * len(rows))
        return rows if wide or (rank == 2 and len(rows) > 1) else []

    def _is_list(self, node: int) -> bool:
        """Whether a node is written as a list of its entries."""
        return self.graph.ops[node] is core.STACK and node not in self.names

    def body(self, node: int) -> str:
        """The text of a line's value, other lines by their names."""
        graph = self.graph
        if graph.ops[node] is core.NAMED:
            return self._write([(graph.args[node][0], 0, False)])
        return self._write(self.parts(node)[1])

    def _write(self, parts: Sequence[Part]) -> str:
        out: list[str] = []
        stack: list[Part] = list(reversed(parts))
        names = self.names
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                out.append(item)
                continue
            node, least, guarded = item
            if node in names:
                out.append(names[node])
                continue
            power, inner = self.parts(node)
            if power < least or (guarded and power == SIGN):
                stack.append(self.brackets[1])
                stack.extend(reversed(inner))
                stack.append(self.brackets[0])
            else:
                stack.extend(reversed(inner))
        return "".join(out)

    def parts(self, node: int) -> tuple[int, Sequence[Part]]:
        """How tightly a node's text binds, and its pieces."""
        graph = self.graph
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        special = SPECIAL.get(op)
        if special is not None:
            return special(self, node)
        infix = op.infix
        if op is core.NEG and args[0] not in self.names and starts_with_factor(graph, args[0], self.names):
            return SIGN, ["-", (args[0], PRODUCT, False)]
        if infix is not None and infix.prefix and len(args) == 1:
            word = infix.symbol.isalpha()
            return infix.power, [infix.symbol + " " * word, (args[0], infix.power + (not word), not word)]
        if infix is not None and len(args) == 2:
            compares = op.result == "c" and op.kinds == "ff"
            if op is core.POW and all(graph.constant_value(a) is not None for a in args):
                return ATOM, ["pow(", (args[0], 0, False), ", ", (args[1], 0, False), ")"]
            left = infix.power + (infix.right or compares)
            right = infix.power + (not infix.right)
            if op is core.ADD and is_negative(graph, args[1]):
                text, bound = written_number(-graph.payloads[args[1]], self.taken)
                return infix.power, [(args[0], left, False), f" - {text}" if bound > SUM else f" - ({text})"]
            between = infix.symbol if infix.symbol in ("*", "/", "**") else f" {infix.symbol} "
            return infix.power, [(args[0], left, False), between, (args[1], right, infix.power >= SUM)]
        name = op.routine.name if isinstance(op.routine, Fold) else op.name
        return ATOM, [f"{name}(" if payload is None else f"{name}({payload}, ", *commas(args), ")"]


def commas(args: Sequence[int]) -> list[Part]:
    """The pieces of operands between commas."""
    parts: list[Part] = []
    for a in args:
        if parts:
            parts.append(", ")
        parts.append((a, 0, False))
    return parts


def is_negative(graph: Graph, node: int) -> bool:
    """Whether a node is a negative number."""
    value = graph.payloads[node] if graph.ops[node] is core.CONSTANT else None
    return isinstance(value, float) and not math.isnan(value) and math.copysign(1.0, value) < 0


def _constant(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    value = writer.graph.payloads[node]
    if isinstance(value, np.ndarray):
        return ATOM, [array(value, writer.taken)]
    text, power = written_number(value, writer.taken)
    return power, [text]


def _input(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    return ATOM, [writer.graph.payloads[node]]


def _square(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    return _power(writer, writer.graph.args[node][0], "2")


def _integer_power(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    n = writer.graph.payloads[node]
    return _power(writer, writer.graph.args[node][0], str(n) if n >= 0 else f"({n})")


def _power(writer: Writer, base: int, exponent: str) -> tuple[int, Sequence[Part]]:
    """A power; one of numbers that overflows as a call, because `**` between such numbers is refused."""
    number = writer.graph.constant_value(base)
    if number is not None and not _is_finite_power(number, int(exponent.strip("()"))):
        return ATOM, ["pow(", (base, 0, False), f", {exponent})"]
    return POWER, [(base, POWER + 1, False), f"**{exponent}"]


def _is_finite_power(base: float, n: int) -> bool:
    try:
        return math.isfinite(base**n)
    except ArithmeticError:
        return False


def _reciprocal(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    return PRODUCT, ["1/", (writer.graph.args[node][0], PRODUCT + 1, True)]


def _stack(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    return ATOM, ["[", *commas(writer.graph.args[node]), "]"]


def _index(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    graph = writer.graph
    return ATOM, [
        (graph.args[node][0], ATOM, False),
        f"[{subscript(graph.payloads[node], graph.types[graph.args[node][0]].shape)}]",
    ]


def _custom(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    graph = writer.graph
    args = graph.args[node][graph.ops[node] is core.CUSTOM :]
    return ATOM, [f"{writer.graph.payloads[node].name}(", *commas(args), ")"]


def _size(writer: Writer, node: int) -> tuple[int, Sequence[Part]]:
    text = str(writer.graph.payloads[node])
    return SUM if " " in text else PRODUCT if "*" in text else ATOM, [text]


SPECIAL: dict[Op, Callable[[Writer, int], tuple[int, Sequence[Part]]]] = {
    **NOTATIONS,
    core.CONSTANT: _constant,
    core.INPUT: _input,
    core.SQUARE: _square,
    core.INTEGER_POWER: _integer_power,
    core.RECIPROCAL: _reciprocal,
    core.STACK: _stack,
    core.INDEX: _index,
    core.CUSTOM: _custom,
    core.FOREIGN: _custom,
    core.SIZE: _size,
}
"""How operations are written whose notation is neither infix nor a call of their name."""
WRITTEN = frozenset(SPECIAL) | {core.NAMED} | {op for op in OPS.values() if isinstance(op.routine, Fold)}
"""The hidden operations that have a notation."""
