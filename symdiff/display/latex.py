"""A graph as LaTeX."""

from __future__ import annotations

import functools
import math
import re
import string
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.display.array_text import PRODUCTS, subscript
from symdiff.display.simplify import starts_with_factor
from symdiff.display.text import (
    ATOM,
    MOST_LINES,
    MOST_PI,
    POWER,
    PRODUCT,
    SIGN,
    SUM,
    Part,
    Writer,
    commas,
    is_negative,
)
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core

LONGEST_LATEX = 8000
LARGEST_MATRIX = 400
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi"
    " omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
GREEK = frozenset(_GREEK_NAMES.split())
_PI = {math.pi: (r"\pi", ATOM), **{k * math.pi: (rf"{k} \cdot \pi", PRODUCT) for k in range(2, MOST_PI + 1)}}
FRACTION = PRODUCT + 5
"""How tightly a fraction binds: a factor as it is, but not the base of a power."""
CALL = POWER - 1
REDUCTIONS = {
    core.SUM: r"\operatorname{sum}",
    core.PROD: r"\operatorname{prod}",
    core.AMAX: r"\max",
    core.AMIN: r"\min",
    core.ANY: r"\operatorname{any}",
    core.ALL: r"\operatorname{all}",
}
"""The notation of the reductions."""
_SIMPLE_CALL = re.compile(r"(\\[a-z]+(?:\{\{\w+\}\})?)\\left\(\{\}\\right\)\Z")
_OPENING = ("{", "(", "|", "lfloor ", "lceil ", ", ", "& ", "cases} ", r"\\ ")


def latex(graph: Graph, node: int, *, simplify: bool = True) -> str:
    """The LaTeX of a node; lines in an `aligned` block where it has bindings or shares long parts."""
    writer = LatexWriter(graph, [node], simplify=simplify)
    root = writer.roots[0]
    if not writer.names:
        return writer.limited(root)
    names = [at for at in writer.names if at != root]
    shown = [f"{writer.names[at]} &= {writer.limited(at)}" for at in names[: MOST_LINES - 1]]
    if len(names) >= MOST_LINES:
        shown.append(rf"&\;\;\vdots \text{{ {len(names) - MOST_LINES + 1:,} more lines}}")
    shown.append(
        f"{writer.names[root]} &= {writer.limited(root)}" if root in writer.names else f"& {writer.limited(root)}"
    )
    return r"\begin{aligned} " + r" \\ ".join(shown) + r" \end{aligned}"


def identifier(text: str) -> str:
    r"""A name in LaTeX: `x_1` is x_{1}, `theta` is \theta, `speed` is \mathit{speed}."""
    head, *rest = [part for part in text.split("_") if part] or [text]
    found = re.fullmatch(r"([^\W\d]+)(\d+)", head)
    if found:
        head, rest = found[1], [found[2], *rest]
    shown = _word(head)
    return shown + ("_{" + ", ".join(map(_word, rest)) + "}" if rest else "")


def _word(text: str) -> str:
    if text in GREEK:
        return "\\" + text
    text = re.sub(r"([#$%&{}_])", r"\\\1", text.replace("\\", "/").replace("^", "").replace("~", ""))
    return rf"\mathit{{{text}}}" if len(text) > 1 and not text.isdigit() else text


def numeral(value: Any) -> tuple[str, int]:
    """A constant, and how tightly its text binds."""
    if isinstance(value, bool | np.bool_):
        return rf"\text{{{bool(value)}}}", ATOM
    value = float(value)
    if math.isnan(value):
        return r"\text{NaN}", ATOM
    size, negative = abs(value), math.copysign(1.0, value) < 0
    power = ATOM
    if math.isinf(size):
        text = r"\infty"
    elif size in _PI:
        text, power = _PI[size]
    else:
        text = repr(size)
        digits, mark, exponent = text.partition("e")
        if digits.endswith(".0"):
            digits = digits[:-2]
        text = rf"{digits} \cdot 10^{{{int(exponent)}}}" if mark else digits
        power = PRODUCT if mark else ATOM
    return (f"-{text}", min(power, SIGN)) if negative else (text, power)


@functools.cache
def _format(op: Op) -> tuple[tuple[str, int | None], ...]:
    """The notation of an operation as pairs: literal text, and the operand after it."""
    count, text = 0, ""
    parts: list[tuple[str, int | None]] = []
    for literal, field, _, _ in string.Formatter().parse(op.latex or ""):
        text += literal  # an escaped brace ends a literal too
        if field is not None:
            parts.append((text, int(field) if field else count))
            count, text = count + 1, ""
    return (*parts, (text, None))


class LatexWriter(Writer):
    """Writes the nodes of a graph as LaTeX."""

    brackets = (r"\left(", r"\right)")

    def __init__(self, graph: Graph, roots: Sequence[int], *, simplify: bool = True) -> None:
        super().__init__(graph, roots, simplify=simplify)
        self.names = {node: identifier(text) for node, text in self.names.items()}

    def limited(self, node: int) -> str:
        """The text of a line, or a note where it is very long."""
        text = self.body(node)
        if len(text) <= LONGEST_LATEX:
            return text
        return rf"\text{{an expression of {len(self.graph.live([node])):,} operations}}"

    def parts(self, node: int) -> tuple[int, Sequence[Part]]:
        """How tightly a node's text binds, and its pieces."""
        graph = self.graph
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        if op is core.INPUT:
            return ATOM, [identifier(payload)]
        if op is core.CONSTANT:
            return (ATOM, [self._matrix(payload)]) if isinstance(payload, np.ndarray) else _wrapped(numeral(payload))
        if op is core.SIZE:
            return SUM if " " in str(payload) else PRODUCT, [str(payload).replace("*", " ")]
        if op is core.STACK:
            return ATOM, self._rows(node)
        if op is core.INDEX:
            return ATOM, [(args[0], ATOM, False), rf"_{{{subscript(payload)}}}"]
        if op in REDUCTIONS:
            axes = "" if len(payload) == len(graph.types[args[0]].shape) else f"_{{{', '.join(map(str, payload))}}}"
            return CALL, [rf"{REDUCTIONS[op]}{axes}\left(", (args[0], 0, False), r"\right)"]
        if op is core.NORM:
            axes = "" if len(payload) == len(graph.types[args[0]].shape) else f"_{{{', '.join(map(str, payload))}}}"
            return CALL, [r"\left\|", (args[0], 0, False), rf"\right\|{axes}"]
        if op in (core.TRANSPOSE, core.INV):
            return POWER, [(args[0], POWER + 1, False), "^{T}" if op is core.TRANSPOSE else "^{-1}"]
        if op is core.EINSUM and payload in PRODUCTS:
            turned = PRODUCTS[payload]
            sides: list[Part] = []
            for k, (arg, turn) in enumerate(zip(args, turned, strict=True)):
                sides += [r" \, "] * k + [(arg, POWER + 1 if turn else PRODUCT + k, k == 1)] + ["^{T}"] * turn
            return PRODUCT, sides
        if op.latex is None:
            name = op.name
            if op in (core.CUSTOM, core.FOREIGN):
                name, args = payload.name, args[op is core.CUSTOM :]
            return CALL, [rf"\operatorname{{{name}}}".replace("_", r"\_") + r"\left(", *commas(args), r"\right)"]
        if op.kinds is None:
            before, after = op.latex.replace("{{", "{").replace("}}", "}").split("{}")
            return CALL, [before, *commas(args), after]
        if op is core.NEG and args[0] not in self.names and starts_with_factor(graph, args[0], self.names):
            return SIGN, ["-", (args[0], PRODUCT, False)]
        if op in (core.SQUARE, core.INTEGER_POWER):
            return self._power(args[0], 2 if op is core.SQUARE else payload)
        if op is core.ADD and is_negative(graph, args[1]):
            text, _ = numeral(-graph.payloads[args[1]])
            return SUM, [(args[0], SUM, False), f" - {text}"]
        return self._by_record(op, args, payload)

    def _by_record(self, op: Op, args: tuple[int, ...], payload: Any) -> tuple[int, Sequence[Part]]:
        parts: list[Part] = []
        form = _format(op)
        for k, (literal, index) in enumerate(form):
            if payload is not None:
                literal = literal.replace("(n)", f"({payload})")
            if literal:
                parts.append(literal)
            if index is not None:
                following = form[k + 1][0] if k + 1 < len(form) else ""
                parts.append(_slot(op, args[index], index, literal, following))
        assert op.latex is not None
        if op.latex.startswith(r"\frac"):
            return FRACTION, parts
        if op.infix is not None and not op.latex.startswith("\\left"):
            return op.infix.power, parts
        if op.latex.endswith(("^{{{}}}", "^{{2}}")):
            return POWER, parts
        return (ATOM if op.latex.startswith("\\left") else PRODUCT if op.latex.startswith("{}") else CALL), parts

    def _power(self, base: int, exponent: int) -> tuple[int, Sequence[Part]]:
        graph = self.graph
        found = _SIMPLE_CALL.match(graph.ops[base].latex or "")
        if found and exponent > 0 and base not in self.names:
            function = found[1].replace("{{", "{").replace("}}", "}")
            return CALL, [rf"{function}^{{{exponent}}}\left(", (graph.args[base][0], 0, False), r"\right)"]
        return POWER, [(base, POWER + 1, False), f"^{{{exponent}}}"]

    def _rows(self, node: int) -> Sequence[Part]:
        graph = self.graph
        parts: list[Part] = [r"\begin{bmatrix} "]
        for k, row in enumerate(graph.args[node]):
            if k:
                parts.append(r" \\ ")
            if graph.ops[row] is core.STACK and len(graph.types[row].shape) == 1 and row not in self.names:
                for j, entry in enumerate(graph.args[row]):
                    parts += [" & "] * (j > 0) + [(entry, 0, False)]
            else:
                parts.append((row, 0, False))
        return [*parts, r" \end{bmatrix}"]

    def _matrix(self, array: Any) -> str:
        if array.size > LARGEST_MATRIX or array.ndim > 2:
            return rf"\text{{an array of shape {tuple(array.shape)}}}"
        rows = [" & ".join([numeral(v)[0] for v in np.atleast_1d(row)]) for row in array]
        return r"\begin{bmatrix} " + r" \\ ".join(rows) + r" \end{bmatrix}"


def _slot(op: Op, node: int, index: int, before: str, after: str) -> Part:
    """An operand in its place: parenthesized unless something already encloses it."""
    if after.startswith("^"):
        return (node, POWER + 1, False)
    if before.endswith(_OPENING):
        return (node, 0, False)
    if op.infix is not None:
        power, right = op.infix.power, op.infix.right
        if op.infix.prefix:
            return (node, power + 1, True)
        compares = op.result == "c" and op.kinds == "ff"
        least = power + (right or compares) if index == 0 else power + (not right)
        return (node, least, index == 1)
    return (node, PRODUCT + 1 if before or after else 0, False)


def _wrapped(shown: tuple[str, int]) -> tuple[int, Sequence[Part]]:
    return shown[1], [shown[0]]
