"""Rows of texts as lines, in columns."""

from __future__ import annotations

from collections.abc import Sequence


def table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """A line for each row; columns are as wide as what is longest in them, with two spaces between.

    Examples
    --------
    >>> table_lines([("way", "operations"), ("forward", "12")])
    ['way      operations', 'forward  12']
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
