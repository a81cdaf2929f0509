"""Patterns of matrices against SciPy's sparse arrays."""

import numpy as np
import pytest

from symdiff.differentiate.sparse.pattern import Pattern, index_type

MATRICES = [
    np.array([[1, 0, 2], [0, 0, 0], [3, 4, 5]]),
    np.zeros((2, 3), int),
    np.zeros((0, 3), int),
    np.zeros((3, 0), int),
    np.arange(1, 7).reshape(2, 3),
    np.diag(np.arange(1, 6)),
    np.random.default_rng(0).integers(0, 2, (7, 7)) * np.arange(1, 50).reshape(7, 7),
]


def pattern(matrix):
    return Pattern.of_rows([list(np.flatnonzero(row)) for row in matrix], matrix.shape[1])


def filled(found, values):
    dense = np.zeros(found.shape, int)
    dense[found.rows, found.columns] = values
    return dense


@pytest.mark.parametrize("matrix", MATRICES, ids=lambda m: str(m.shape))
def test_a_pattern_has_the_entries_in_the_order_of_rows(matrix):
    found = pattern(matrix)
    rows, columns = np.nonzero(matrix)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_array_equal(found.columns, columns)
    assert (found.shape, len(found), found.starts[-1]) == (matrix.shape, len(rows), len(rows))
    scipy = found.to_scipy()
    assert scipy.dtype == bool
    np.testing.assert_array_equal(scipy.toarray(), matrix != 0)


@pytest.mark.parametrize("matrix", MATRICES, ids=lambda m: str(m.shape))
def test_parts_of_a_pattern_say_which_entries_they_are(matrix):
    found, entries = pattern(matrix), matrix[matrix != 0]
    turned, order = found.transposed()
    np.testing.assert_array_equal(filled(turned, entries[order]), matrix.T)
    for columns in ([], [0, 0], [*range(matrix.shape[1])][::-1], [*range(matrix.shape[1])] * 2):
        if not matrix.shape[1] and columns:
            continue
        part, order = found.taken(columns)
        np.testing.assert_array_equal(filled(part, entries[order]), matrix[:, columns])
        assert np.all(np.diff(part.rows.astype(int) * 1000 + part.columns) > 0)
    if matrix.shape[0] == matrix.shape[1]:
        for which, triangle in (("lower", np.tril), ("upper", np.triu)):
            part, order = found.triangle(which)
            np.testing.assert_array_equal(filled(part, entries[order]), triangle(matrix))


def test_the_arrays_of_a_pattern_are_fixed_and_as_small_as_can_be():
    found = pattern(MATRICES[0])
    for array in (found.starts, found.columns):
        assert array.dtype == np.int32
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    assert (index_type(2**31 - 1), index_type(2**31)) == (np.int32, np.int64)
