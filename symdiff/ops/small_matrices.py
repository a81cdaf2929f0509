"""Linear algebra of a few rows on single elements: by elimination with row exchanges, as a library does it.

A point then needs no library, and a batch goes through in vectors. A branch that a library takes, such as the choice
of a pivot, is a choice between two values here.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

MOST_ROWS = 6
"""Matrices of more rows are left to a library."""

Call = Callable[..., Any]
"""`call(name, *elements)` applies an elementwise operation."""


def _rows(matrix: Any) -> list[list[Any]]:
    return [list(row) for row in matrix]


def _diagonal(rows: list[list[Any]]) -> list[Any]:
    return [row[k] for k, row in enumerate(rows)]


def _eliminate(call: Call, rows: list[list[Any]], right: list[list[Any]], singular: bool = False) -> tuple[Any, Any]:
    """Make `rows` an upper triangle, `right` along with it; whether a pivot is zero, and the sign of the exchanges.

    With `singular` the rows below a pivot that is zero, zero there as well, stay as they are.
    """
    n, bad, sign = len(rows), None, 1.0
    for k in range(n):
        for i in range(k + 1, n):
            # The larger of the two comes up: after the last comparison row k has the largest.
            swap = call("greater", call("abs", rows[i][k]), call("abs", rows[k][k]))
            for lines, first in ((rows, k), (right, 0)):
                for j in range(first, len(lines[k]) if lines[k] else 0):
                    a, b = lines[k][j], lines[i][j]
                    lines[k][j], lines[i][j] = call("where", swap, b, a), call("where", swap, a, b)
            sign = call("where", swap, call("neg", sign), sign)
        zero = call("equal", rows[k][k], 0.0)
        bad = zero if bad is None else call("logical_or", bad, zero)
        for i in range(k + 1, n):
            factor = call("div", rows[i][k], rows[k][k])
            if singular:
                factor = call("where", zero, 0.0, factor)
            for lines, first in ((rows, k + 1), (right, 0)):
                for j in range(first, len(lines[k])):
                    lines[i][j] = call("sub", lines[i][j], call("mul", factor, lines[k][j]))
    return bad, sign


def _substitute(call: Call, rows: list[list[Any]], right: list[list[Any]], lower: bool) -> None:
    """Solve with a triangle; `right` becomes the solution."""
    n = len(rows)
    for i in range(n) if lower else range(n)[::-1]:
        for k in range(i) if lower else range(i + 1, n):
            for j in range(len(right[i])):
                right[i][j] = call("sub", right[i][j], call("mul", rows[i][k], right[k][j]))
        right[i] = [call("div", x, rows[i][i]) for x in right[i]]


def _unless(call: Call, bad: Any, factors: list[Any], rows: list[list[Any]]) -> Any:
    """NaN everywhere where `bad`, from an invalid operation as a library's failure is: then one of `factors` is 0."""
    whole = factors[0]
    for factor in factors[1:]:
        whole = call("mul", whole, factor)
    failed = call("div", 0.0, whole)
    found = np.empty((len(rows), len(rows[0])), object)
    for i, row in enumerate(rows):
        found[i] = [call("where", bad, failed, x) for x in row]
    return found


def _solve(call: Call, a: Any, b: Any, payload: None) -> Any:
    rows, right = _rows(a), _rows(b)
    bad, _ = _eliminate(call, rows, right)
    _substitute(call, rows, right, False)
    return _unless(call, bad, _diagonal(rows), right)


def _inverse(call: Call, a: Any, payload: None) -> Any:
    return _solve(call, a, np.eye(len(a)).astype(object), None)


def _triangular(call: Call, t: Any, b: Any, payload: tuple[bool, bool]) -> Any:
    lower, transposed = payload
    rows, right = _rows(t.T if transposed else t), _rows(b)
    bad = None
    for k in range(len(rows)):
        zero = call("equal", rows[k][k], 0.0)
        bad = zero if bad is None else call("logical_or", bad, zero)
    _substitute(call, rows, right, lower != transposed)
    return _unless(call, bad, _diagonal(rows), right)


def _product(call: Call, factors: list[Any]) -> Any:
    """The product, finite on the way where it is in the end.

    The smallest of the other factors comes next while the product is at least 1, otherwise the largest: it leaves the
    range of numbers only where those that are left cannot bring it back.
    """
    factors = list(factors)
    for end in reversed(range(1, len(factors) if len(factors) > 2 else 0)):
        for k in range(end):
            a, b = factors[k], factors[k + 1]
            larger = call("greater", call("abs", a), call("abs", b))
            factors[k], factors[k + 1] = call("where", larger, b, a), call("where", larger, a, b)
    found = call("mul", factors.pop(0), factors.pop()) if len(factors) > 1 else factors.pop()
    while factors:
        large = call("greater_equal", call("abs", found), 1.0)
        following = call("where", large, factors[0], factors[-1]) if len(factors) > 1 else factors[0]
        factors = [call("where", large, b, a) for a, b in itertools.pairwise(factors)]
        found = call("mul", found, following)
    return found


def _determinant(call: Call, a: Any, payload: None) -> Any:
    rows = _rows(a)
    bad, sign = _eliminate(call, rows, [[] for _ in rows])
    return call("where", bad, 0.0, call("mul", sign, _product(call, _diagonal(rows))))


def _determinant_sign(call: Call, a: Any, payload: None) -> Any:
    rows = _rows(a)
    bad, sign = _eliminate(call, rows, [[] for _ in rows])
    for pivot in _diagonal(rows):
        sign = call("mul", sign, call("sign", pivot))
    return call("where", bad, 0.0, sign)


def _adjugate(call: Call, a: Any, payload: None) -> Any:
    """From P A = L U, adj(A) = det(P) adj(U) inv(L) P, where nothing is divided by a pivot.

    Between two rows of an upper triangle the minors are those of Hessenberg matrices, which have a recurrence.
    """
    rows, right = _rows(a), _rows(np.eye(len(a)).astype(object))
    _, sign = _eliminate(call, rows, right, singular=True)
    n, pivots = len(rows), _diagonal(rows)

    def product(factors: list[Any]) -> Any:
        return functools.reduce(lambda x, y: call("mul", x, y), factors)

    def total(terms: list[Any]) -> Any:
        return functools.reduce(lambda x, y: call("add", x, y), terms)

    between: dict[tuple[int, int], Any] = {}
    triangle: dict[tuple[int, int], Any] = {}
    for i in reversed(range(n)):
        for j in range(i, n):
            terms = [
                product([rows[i][m], *pivots[i + 1 : m], *([between[m, j]] if m < j else [])])
                for m in range(i + 1, j + 1)
            ]
            if terms:
                between[i, j] = call("neg", total(terms))
            others = [*pivots[:i], *pivots[j + 1 :], *([between[i, j]] if i < j else [])]
            triangle[i, j] = call("mul", sign, product(others)) if others else sign
    found = np.empty((n, n), object)
    for i, j in np.ndindex(n, n):
        found[i, j] = total([call("mul", triangle[i, k], right[k][j]) for k in range(i, n)])
    return found


def _log_determinant(call: Call, a: Any, payload: None) -> Any:
    rows = _rows(a)
    bad, _ = _eliminate(call, rows, [[] for _ in rows])
    found = None
    for k in range(len(rows)):
        term = call("log", call("abs", rows[k][k]))
        found = term if found is None else call("add", found, term)
    return call("where", bad, -np.inf, found)


def _cholesky(call: Call, a: Any, payload: None) -> Any:
    n, good, squares = len(a), None, []
    factor: list[list[Any]] = [[0.0] * n for _ in range(n)]
    for j in range(n):
        for i in range(j, n):
            rest = a[i, j]
            for k in range(j):
                rest = call("sub", rest, call("mul", factor[i][k], factor[j][k]))
            if i > j:
                factor[i][j] = call("div", rest, factor[j][j])
                continue
            positive = call("greater", rest, 0.0)
            good = positive if good is None else call("logical_and", good, positive)
            factor[j][j] = call("sqrt", rest)
            squares.append(call("max", rest, 0.0))
    return _unless(call, call("logical_not", good), squares, factor)


def _each(routine: Callable[..., Any]) -> Callable[..., Any]:
    """A routine for every matrix of a stack."""

    def unrolled(call: Call, *parts: Any) -> Any:
        *arrays, payload = parts
        batch = np.broadcast_shapes(*[a.shape[:-2] for a in arrays])
        arrays = [np.broadcast_to(a, (*batch, *a.shape[-2:])) for a in arrays]
        found = {k: routine(call, *[a[k] for a in arrays], payload) for k in np.ndindex(batch)}
        shape = np.shape(next(iter(found.values())))
        made = np.empty((*batch, *shape), object)
        for k, value in found.items():
            made[k] = value
        return made[()]

    return unrolled


solve = _each(_solve)
inverse = _each(_inverse)
triangular = _each(_triangular)
determinant = _each(_determinant)
determinant_sign = _each(_determinant_sign)
adjugate = _each(_adjugate)
log_determinant = _each(_log_determinant)
cholesky = _each(_cholesky)
"""Each `unrolled(call, *operands, payload)`, on arrays of elements."""
