"""The circuit at one point: every value and the output's derivative by it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.differentiate.operators import gradient
from symdiff.display.tables import table_lines
from symdiff.display.text import expression
from symdiff.errors import ArgumentError
from symdiff.interpret import evaluate
from symdiff.ir.graph import Graph
from symdiff.ir.inlining import inlined
from symdiff.ops import core
from symdiff.types import BOOL, FLOAT64

LARGEST_TABLE = 10_000


@dataclass(frozen=True, slots=True)
class Step:
    """One node: its name, what it computes, its value, and the derivative of the output by it."""

    name: str
    expression: str
    value: Any
    gradient: Any


class Steps(Sequence[Step]):
    """The nodes of a circuit in the order of computation; `steps["q"]` is that of a name. Prints as a table."""

    def __init__(self, rows: Sequence[Step]) -> None:
        self._rows = list(rows)
        self._named = {row.name: row for row in rows}

    def __getitem__(self, key: Any) -> Any:
        return self._named[key] if isinstance(key, str) else self._rows[key]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._rows)

    def __str__(self) -> str:
        head = ("name", "expression", "value", "gradient")
        cells = [head, *((r.name, r.expression, _shown(r.value), _shown(r.gradient)) for r in self._rows)]
        line = ["-" * max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(table_lines([head, line, *cells[1:]]))

    __repr__ = __str__


def _plain(value: Any) -> Any:
    """A scalar as Python's own number."""
    return value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    return f"{float(value):.6g}" if np.ndim(value) == 0 else np.array2string(np.asarray(value), precision=6)


def trace_steps(graph: Graph, outputs: Sequence[int], names: Mapping[str, int], values: Mapping[int, Any]) -> Steps:
    """The table of the first output.

    Raises
    ------
    ArgumentError
        Where the output is not a scalar number, or the circuit is too large to read.
    """
    moved = inlined(graph, [*outputs, *names.values()])
    outputs = [moved.get(node, node) for node in outputs]
    names = {name: moved.get(node, node) for name, node in names.items()}
    output = outputs[0]
    if len(outputs) != 1 or graph.types[output].shape or graph.types[output].dtype == BOOL:
        raise ArgumentError("steps need one scalar output", hint="choose one: sd.function(f, outputs=…)")
    live = [n for n in graph.live([output]) if graph.ops[n] is not core.CONSTANT]
    if len(live) > LARGEST_TABLE:
        raise ArgumentError(f"the circuit has {len(live):,} nodes, too many for a table")
    inputs = [node for node in names.values() if graph.ops[node] is core.INPUT and node not in live]
    shown = [*inputs, *live]
    # A named line stands for its value: both are one row.
    title = {graph.args[n][0]: n for n in live if graph.ops[n] is core.NAMED}
    numbers = [n for n in shown if graph.types[n].dtype == FLOAT64 or graph.types[n].dtype != BOOL]
    slopes = dict(zip(numbers, gradient(graph, output, numbers), strict=True))
    wanted = [*shown, *slopes.values()]
    results = dict(zip(wanted, evaluate(graph, wanted, values), strict=True))
    labels = {node: name for name, node in names.items()}
    labels.update({value: labels[name] for value, name in title.items() if name in labels})
    rows, count = [], 0
    for node in shown:
        if node in title:
            continue
        op = graph.ops[node]
        if node not in labels:
            count += 1
            while f"t{count}" in names:
                count += 1
            labels[node] = f"t{count}"
        if op is core.INPUT:
            text = ""
        else:
            text = _one_step(graph, graph.args[node][0] if op is core.NAMED else node, labels)
        slope = _plain(results[slopes[node]]) if node in slopes else None
        rows.append(Step(labels[node], text, _plain(results[node]), slope))
    return Steps(rows)


def _one_step(graph: Graph, node: int, labels: Mapping[int, str]) -> str:
    """One operation, written with the names of its operands."""
    small = Graph(graph.dtype)
    args = []
    for a in graph.args[node]:
        if graph.ops[a] is core.CONSTANT:
            args.append(small.constant(graph.payloads[a]))
        else:
            args.append(small.input(labels[a], graph.types[a].shape, graph.types[a].dtype))
    if graph.ops[node] in (core.INPUT, core.NAMED):
        return labels[node]
    if graph.ops[node] is core.CONSTANT:
        return expression(graph, node, simplify=False, rows=False)
    alone = small.add(graph.ops[node], tuple(args), graph.payloads[node])
    return expression(small, alone, simplify=False, rows=False)
