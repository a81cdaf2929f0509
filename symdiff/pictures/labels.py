"""The texts in a picture: what stands in an operation, and numbers and arrays beside wires."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from symdiff.functions.circuit import one_step
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.types import Shape

LONGEST_LABEL = 24
LETTERS = "xyzuvwabcdpqrst"
"""What stands for the operands of an operation; a name of the formula does not."""

_RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class Labels:
    """Writes what stands in the operations of a graph, each kind once."""

    def __init__(self, graph: Graph, names: Iterable[str]) -> None:
        self.graph = graph
        taken = set(names)
        free = [c for c in LETTERS if c not in taken]
        self.letters = free or [f"{c}'" for c in LETTERS]
        self._known: dict[Any, str] = {}

    def label(self, node: int) -> str:
        """What stands in an operation: a symbol, a word, or a short formula with constants in their places.

        A sum is `+`, `c + 1` is `+1`, `1/c` is `1/x`, `exp(c)` is `exp`.
        """
        graph = self.graph
        op, args, payload = graph.ops[node], graph.args[node], graph.payloads[node]
        fixed = tuple(graph.constant_value(a) if self.is_small(a) else None for a in args)
        types = tuple(graph.types[a] for a in args)
        key = (op.key, payload, tuple(map(repr, fixed)), types)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._written(node)
        return found

    def is_small(self, node: int) -> bool:
        """Whether a node is a number, or its negative, that is written in the operations that use it."""
        graph = self.graph
        if graph.ops[node] is core.NEG:
            (node,) = graph.args[node]
        return graph.ops[node] is core.CONSTANT and not graph.types[node].shape

    def _written(self, node: int) -> str:
        graph, args = self.graph, self.graph.args[node]
        op = graph.ops[node]
        if op is core.STACK:
            return "[ ]"
        open_places = [a for a in args if not self.is_small(a)]
        if op.infix is not None and len(args) > 1 and len(open_places) == len(args):
            return pretty(op.infix.symbol)
        if len(open_places) > len(self.letters) or len(args) > len(self.letters):
            return op.word if op.name.startswith("_") else op.name
        small = Graph(graph.dtype)
        letters = iter(self.letters)
        operands, used, shown = [], [], {}
        for a in args:
            number = graph.constant_value(a) if self.is_small(a) else None
            if number is not None:
                operands.append(small.constant(number))
            else:
                used.append(next(letters))
                operands.append(small.input(used[-1], graph.types[a].shape, graph.types[a].dtype))
                shown[operands[-1]] = used[-1]
        alone = small.add(op, tuple(operands), graph.payloads[node])
        return shortened_label(short_form(one_step(small, alone, shown), used, op.commutative))


def short_form(text: str, letters: list[str], commutative: bool) -> str:
    """A formula of one operation without the letters of its operands, where what is left says enough."""
    call = re.fullmatch(r"([\w.]+)\((.*)\)", text, re.DOTALL)
    if call is not None:
        inner, listed = call[2], ", ".join(letters)
        if inner == listed:
            return call[1]
        if inner.startswith(f"{listed}, ") and re.match(r"\w+=", inner[len(listed) + 2 :]):
            return f"{call[1]} {inner[len(listed) + 2 :]}"
    if len(letters) == 1:
        letter = re.escape(letters[0])
        behind = re.fullmatch(rf"{letter} ?([-+*/@<>=!]+) ?([^()]+)", text)
        if behind is not None and behind[1] != "**":
            return pretty(behind[1]) + pretty(behind[2])
        before = re.fullmatch(rf"(\S+?) ?([+*]) ?{letter}", text)
        if before is not None and commutative:
            return pretty(before[2]) + pretty(before[1])
    if len(letters) == 2:
        between = re.fullmatch(rf"{re.escape(letters[0])} ?(\S+) ?{re.escape(letters[1])}", text)
        if between is not None:
            return pretty(between[1])
    return pretty(text)


def pretty(text: str) -> str:
    """A text of the language as it is written by hand."""
    text = re.sub(r"\*\*\(?(-?\d+)\)?(?![\d.])", lambda m: m[1].translate(_RAISED), text)
    text = text.replace("**", "^").replace(".T", "ᵀ").replace("*", "×").replace("-", "−")
    return text.replace("<=", "≤").replace(">=", "≥").replace("!=", "≠")


def shortened_label(text: str, longest: int = LONGEST_LABEL) -> str:
    """A text that is not longer than that."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def number_text(value: Any) -> str:
    """A number or condition with four digits, an array by its norm; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if np.ndim(value):
        array = np.asarray(value)
        if array.dtype == bool:
            return f"{int(array.sum())} of {array.size}"
        with np.errstate(all="ignore"):
            return f"‖{number_text(float(np.linalg.norm(array.ravel())))}‖"
    number = float(value)
    if math.isnan(number):
        return "nan"
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    mantissa, _, exponent = f"{number:.4g}".partition("e")
    text = mantissa.replace("-", "−")
    return text if not exponent else f"{text}·10{str(int(exponent)).translate(_RAISED)}"


def shape_label(shape: Shape) -> str:
    """The shape of an array: 2×3; nothing for a number."""
    return "×".join(map(str, shape))


WIDTHS = {
    0.29: "'ijlIJ",
    0.36: " ,./:;\\|f-·",
    0.42: "()[]t!r",
    0.53: '"*_`sz?⁰¹²³⁴⁵⁶⁷⁸⁹⁻‖',
    0.6: "cLFkvxyPᵀ",
    0.64: "TYaoeESbdghnpqu$0123456789{}",
    0.7: "KAVBRXZC",
    0.79: "UHNDG&OQ",
    0.87: "w#+<=>^~M−×≤≥≠∂…",
    1.0: "%mW@∞",
}
"""How wide characters are, in sizes of the font, in a font that is wider than most."""

_WIDTH = {c: width for width, characters in WIDTHS.items() for c in characters}


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How much room a line of text takes at most."""
    width = sum(_WIDTH.get(c, 0.72 if ord(c) < 0x2E80 else 1.05) for c in text) * size
    return width * 1.1 if bold else width
