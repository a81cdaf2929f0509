"""The circuit at one point as a table: every value, and the output's derivative by it or its tangent."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.display.tables import table_lines
from symdiff.errors import ArgumentError
from symdiff.functions.circuit import Circuit, Numbers, circuit_numbers, point_of, read_circuit

if TYPE_CHECKING:
    from symdiff.functions.function import Function

STYLE = (
    "<style>.symdiff-steps{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    ".symdiff-steps th,.symdiff-steps td{text-align:left!important;padding:.2em .8em;white-space:pre}"
    ".symdiff-steps .value{color:#1a7f37}.symdiff-steps .gradient{color:#cf222e}.symdiff-steps .tangent{color:#8250df}"
    "</style>"
)
"""Colours that are legible on white and on black: green values and red gradients, as in the pictures."""


@dataclass(frozen=True, slots=True)
class Step:
    """One node: its name, what it computes, its value, the derivative of the output by it, and its tangent."""

    name: str
    expression: str
    value: Any
    gradient: Any = None
    tangent: Any = None


class Steps(Sequence[Step]):
    """The nodes of a circuit in the order of computation; `steps["q"]` is that of a name. Prints as a table."""

    def __init__(self, rows: Sequence[Step], columns: Sequence[str] = ("value", "gradient")) -> None:
        self._rows = list(rows)
        self._named = {row.name: row for row in rows}
        self.columns = ("name", "expression", *columns)

    def __getitem__(self, key: Any) -> Any:
        return self._named[key] if isinstance(key, str) else self._rows[key]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._rows)

    def cells(self) -> list[tuple[str, ...]]:
        """The texts of the rows, as they are shown."""
        return [
            (row.name, row.expression, *(shown_value(getattr(row, column)) for column in self.columns[2:]))
            for row in self._rows
        ]

    def __str__(self) -> str:
        cells = self.cells()
        line = ["-" * max(map(len, column)) for column in zip(self.columns, *cells, strict=True)]
        return "\n".join(table_lines([self.columns, line, *cells]))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{column}</th>" for column in self.columns)
        rows = [
            "".join(f'<td class="{c}">{html.escape(t)}</td>' for c, t in zip(self.columns, row, strict=True))
            for row in self.cells()
        ]
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f'{STYLE}<table class="symdiff-steps"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def shown_value(value: Any) -> str:
    """A number or an array as text of one line, arrays of many elements shortened; nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if np.ndim(value) == 0:
        return f"{float(value):.6g}"
    return " ".join(np.array2string(np.asarray(value), precision=6, threshold=20, edgeitems=2).split())


def steps_at(f: Function, *point: Any, seed: Mapping[str, Any] | None = None, **keywords: Any) -> Steps:
    """Every value of the circuit at a point and the output's derivative by it, as a table.

    Parameters
    ----------
    point : values of the inputs, as for a call.
    seed : tangents of inputs or named lines by name, those of the others are 0: then the table has the tangent of every
        value, as forward mode computes it, in the place of gradients.

    Raises
    ------
    ArgumentError
        Where the output is not one number and no seed is given; where the circuit is too large to look at.
    UnknownNameError
        Where `seed` names what the function has not.

    Examples
    --------
    >>> import symdiff as sd
    >>> f = sd.function("q = x + y\\nf = q*z", ["x", "y", "z"])
    >>> f.steps(-2, 5, -4)["q"].gradient
    -4.0
    >>> f.steps(-2, 5, -4, seed={"x": 1})["f"].tangent
    -4.0
    """
    if seed is not None and "seed" in f.names and not isinstance(seed, Mapping):
        keywords, seed = {**keywords, "seed": seed}, None
    if f._cases is not None:
        f = f.specialize(*point, **keywords)
    circuit = read_circuit(f)
    if seed is None and not circuit.is_scalar:
        raise ArgumentError("steps need one scalar output", hint="choose one: sd.function(f, outputs=…)")
    return table(circuit, circuit_numbers(circuit, point_of(f, point, keywords), seed))


def table(circuit: Circuit, found: Numbers) -> Steps:
    """The rows of a circuit with its numbers."""
    columns = ["value"] if found.values else []
    columns += [name for name in ("gradient", "tangent") if getattr(found, f"{name}s")]
    return Steps(
        [
            Step(
                circuit.labels[node],
                circuit.text(node),
                found.values.get(node),
                found.gradients.get(node),
                found.tangents.get(node),
            )
            for node in circuit.nodes
        ],
        columns,
    )
