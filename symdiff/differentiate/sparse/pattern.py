"""Which entries of a matrix there can be, in the order of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass

Indices = np.ndarray[Any, np.dtype[np.signedinteger[Any]]]


def index_type(largest: int) -> type[np.signedinteger[Any]]:
    """The integers that indices up to a number are kept in."""
    return np.int32 if largest < 2**31 else np.int64


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The places of a matrix where entries can be other than 0, in the order of rows, then columns, each once.

    Attributes
    ----------
    shape : the numbers of rows and columns.
    starts : for each row where its entries begin, and at the end their number.
    columns : the column of each entry.
    """

    shape: tuple[int, int]
    starts: Indices
    columns: Indices

    @classmethod
    def of_counts(cls, shape: tuple[int, int], counts: Sequence[int] | Indices, columns: Indices) -> Pattern:
        """The pattern whose rows have so many entries each, in these columns, which ascend in each row."""
        dtype = index_type(max(len(columns), *shape, 1))
        starts = np.zeros(shape[0] + 1, dtype)
        np.cumsum(counts, out=starts[1:])
        return cls(shape, _frozen(starts), _frozen(np.asarray(columns, dtype)))

    @classmethod
    def of_rows(cls, rows: Sequence[Sequence[int]], width: int) -> Pattern:
        """The pattern of a matrix with `width` columns, given the columns in each row, which ascend."""
        counts = [len(row) for row in rows]
        columns = np.fromiter((j for row in rows for j in row), np.int64, sum(counts))
        return cls.of_counts((len(rows), width), counts, columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def rows(self) -> Indices:
        """The row of each entry."""
        return np.repeat(np.arange(self.shape[0], dtype=self.starts.dtype), np.diff(self.starts))

    def to_scipy(self) -> Any:
        """The pattern as a `scipy.sparse.csr_array` of bool."""
        from scipy.sparse import csr_array

        return csr_array((np.ones(len(self), bool), self.columns, self.starts), shape=self.shape)

    def taken(self, columns: Sequence[int] | Indices) -> tuple[Pattern, Indices]:
        """The pattern of a matrix made of these columns, and for each of its entries which one here it is."""
        wanted = np.asarray(columns, np.int64)
        size = len(wanted)
        order = np.argsort(wanted, kind="stable")
        first = np.searchsorted(wanted, np.arange(self.shape[1]), "left", sorter=order)
        last = np.searchsorted(wanted, np.arange(self.shape[1]), "right", sorter=order)
        counts = (last - first)[self.columns]
        entries = np.repeat(np.arange(len(self)), counts)
        within = np.arange(len(entries)) - np.repeat(np.cumsum(counts) - counts, counts)
        new = order[first[self.columns[entries]] + within]
        rows = self.rows[entries].astype(np.int64)
        place = np.argsort(rows * max(size, 1) + new, kind="stable")
        found = Pattern.of_counts((self.shape[0], size), np.bincount(rows, minlength=self.shape[0]), new[place])
        return found, entries[place]

    def triangle(self, which: str) -> tuple[Pattern, Indices]:
        """The entries of the "lower" or "upper" triangle, with the diagonal, and which ones here they are."""
        rows = self.rows
        kept = np.flatnonzero(self.columns <= rows if which == "lower" else self.columns >= rows)
        counts = np.bincount(rows[kept], minlength=self.shape[0])
        return Pattern.of_counts(self.shape, counts, self.columns[kept]), kept

    def symmetric_part(self) -> Pattern:
        """The entries whose mirror images are entries, too."""
        rows, columns = self.rows.astype(np.int64), self.columns.astype(np.int64)
        size = max(self.shape)
        kept = np.isin(rows * size + columns, columns * size + rows)
        return Pattern.of_counts(self.shape, np.bincount(rows[kept], minlength=self.shape[0]), columns[kept])

    def mirrored(self) -> tuple[Pattern, Indices]:
        """The symmetric pattern of which this is the lower triangle, and for each of its entries which one here."""
        rows, columns = self.rows.astype(np.int64), self.columns.astype(np.int64)
        above = np.flatnonzero(rows != columns)
        entries = np.concatenate([np.arange(len(self)), above])
        rows, columns = np.concatenate([rows, columns[above]]), np.concatenate([columns, rows[above]])
        order = np.lexsort((columns, rows))
        counts = np.bincount(rows, minlength=self.shape[0])
        return Pattern.of_counts(self.shape, counts, columns[order]), entries[order]

    def transposed(self) -> tuple[Pattern, Indices]:
        """The pattern of the transpose, and for each of its entries which one here it is."""
        order = np.argsort(self.columns, kind="stable")
        counts = np.bincount(self.columns, minlength=self.shape[1])
        return Pattern.of_counts((self.shape[1], self.shape[0]), counts, self.rows[order]), order


def _frozen(array: Indices) -> Indices:
    array = array.copy() if array.base is not None else array
    array.flags.writeable = False
    return array
