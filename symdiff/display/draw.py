"""A graph as a drawing, in the DOT language of Graphviz."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.display.array_text import subscript, subscripts
from symdiff.display.text import Outputs, output_names, written_number
from symdiff.ir.graph import Graph
from symdiff.ir.inlining import without_calls
from symdiff.ops import core
from symdiff.types import show

LONGEST_LABEL = 40


def graphviz(graph: Graph, outputs: Outputs | Sequence[int], name: str = "f") -> str:
    """The nodes that the outputs depend on, as DOT text; the same graph always gives the same text."""
    named = output_names(tuple(outputs) if isinstance(outputs, list) else outputs, name)  # type: ignore[arg-type]
    graph, roots = without_calls(graph, list(named.values()))
    named = dict(zip(named, roots, strict=True))
    live = graph.live(roots)
    lines = ["digraph {", "  rankdir=BT;", "  node [shape=box, style=rounded];"]
    for node in live:
        op = graph.ops[node].name
        shape = ", shape=ellipse" if op == "input" else ", shape=plaintext" if op == "constant" else ""
        lines.append(f"  n{node} [label={quoted(label(graph, node))}{shape}];")
    for node in live:
        args = graph.args[node]
        for k, a in enumerate(args):
            position = f" [label={quoted(str(k))}]" if len(args) > 1 and not graph.ops[node].commutative else ""
            lines.append(f"  n{a} -> n{node}{position};")
    for k, (text, node) in enumerate(named.items()):
        lines.append(f"  o{k} [label={quoted(text)}, shape=ellipse, style=bold];")
        lines.append(f"  n{node} -> o{k};")
    return "\n".join([*lines, "}"]) + "\n"


def label(graph: Graph, node: int) -> str:
    """What stands in the box of a node."""
    op, payload, shape = graph.ops[node], graph.payloads[node], graph.types[node].shape
    if op is core.CONSTANT:
        text = f"array {show(shape)}" if isinstance(payload, np.ndarray) else written_number(payload)[0]
    elif op is core.INPUT:
        text = payload + (f"[{', '.join(map(str, shape))}]" if shape else "")
    elif op is core.NAMED:
        text = f"{payload} ="
    elif op is core.INDEX:
        text = f"[{subscript(payload)}]"
    elif op is core.EINSUM:
        text = f"einsum {subscripts(payload)}"
    else:
        text = (op.infix.symbol if op.infix else op.name) + _numbers(payload)
    return text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"


def _numbers(payload: Any) -> str:
    return "" if payload is None else f" {payload}"


def quoted(text: str) -> str:
    """A DOT string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
