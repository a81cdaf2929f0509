"""The listing: a graph as text in static single assignment form, one line for each live node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.errors import escape
from symdiff.ir.frozen import Frozen, nested
from symdiff.ir.graph import Graph
from symdiff.ops import Op, core
from symdiff.types import FLOAT64, Dim, tensor

SHOWN_ELEMENTS = 8


def listing(graph: Graph, outputs: Mapping[str, int] | Sequence[int]) -> str:
    """The nodes that `outputs` depend on, renumbered from %0, then what is returned, then the bodies that they carry.

    A type is written where it is not that of a float64 scalar, and for every input.
    """
    roots = list(outputs.values()) if isinstance(outputs, Mapping) else list(outputs)
    order = graph.live(roots)
    names = {node: f"%{k}" for k, node in enumerate(order)}
    lines = [line(graph, node, names) for node in order]
    if isinstance(outputs, Mapping):
        returned = ", ".join(f"{escape(name)}={names[node]}" for name, node in outputs.items())
    else:
        returned = ", ".join(names[node] for node in roots)
    lines.append(f"return {returned}".rstrip())
    for body in nested(graph, order):
        lines += ["", f"{_plain(body)}:"]
        lines += [line(body.graph, n) for n in range(len(body.graph))]
        lines.append(f"return {', '.join(f'%{r}' for r in body.results)}")
    return "\n".join(lines) + "\n"


def line(graph: Graph, node: int, names: Mapping[int, str] | None = None) -> str:
    """One node as a line; `names` gives what nodes are called, `%id` where it does not."""
    call_them = names or {}
    op, args, payload, type_ = graph.ops[node], graph.args[node], graph.payloads[node], graph.types[node]
    parts = [call_them.get(a, f"%{a}") for a in args]
    text = f"{call_them.get(node, f'%{node}')} = {op.name}"
    if parts:
        text += " " + ", ".join(parts)
    if payload is not None:
        text += (" " if not parts else ", ") + show_payload(op, payload)
    if type_ != tensor(FLOAT64) or op is core.INPUT:
        text += f" : {type_}"
    return text


def show_payload(op: Op, payload: Any) -> str:
    """What a node carries, as text."""
    if op is core.INDEX:
        return _index(payload)
    if op is core.SCATTER:
        return f"{_index(payload[0])} of {_plain(payload[1])}"
    return _plain(payload)


def _plain(payload: Any) -> str:
    if isinstance(payload, np.ndarray):
        flat = [_plain(x) for x in payload.ravel()[:SHOWN_ELEMENTS]]
        return "[" + ", ".join(flat) + (", …]" if payload.size > SHOWN_ELEMENTS else "]")
    if isinstance(payload, Frozen):
        return f"body {payload.digest[:8]}"
    if isinstance(payload, np.generic):
        return repr(payload.item())
    if isinstance(payload, str | Dim):
        return escape(str(payload))
    if isinstance(payload, tuple):
        return "(" + ", ".join(map(_plain, payload)) + ("," if len(payload) == 1 else "") + ")"
    return repr(payload)


def _index(parts: tuple[Any, ...]) -> str:
    return "[" + ", ".join(_slice(*p) if isinstance(p, tuple) else str(p) for p in parts) + "]"


def _slice(start: int, stop: int | None, step: int) -> str:
    return f"{start}:{'' if stop is None else stop}" + (f":{step}" if step != 1 else "")
