"""What a graph makes of matrices and indices: solutions, inverses, determinants, gathered elements, masks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from symdiff.errors import ShapeError, out_of_range
from symdiff.ir.building import Building
from symdiff.ops import core
from symdiff.ops.matrices import square_shape
from symdiff.types import BOOL, INT64, fixed, show

LARGEST_EXPANDED = 4


class MatrixBuilding(Building):
    """The makers of nodes for matrices and indices; `Graph` has them."""

    def integers(self, values: npt.ArrayLike) -> int:
        """A constant of integers: indices.

        Raises
        ------
        ShapeError
            Where a value is no integer.
        """
        given = np.asarray(values)
        rounded = np.asarray(given, float) if given.dtype.kind == "f" else given
        if given.dtype.kind not in "iuf" or not np.array_equal(rounded, np.rint(rounded)):
            raise ShapeError("an index must be an integer")
        return self.constant(given.astype(np.int64, order="C"))

    def as_index(self, node: int) -> int:
        """The nearest integers of numbers, as indices; indices as they are."""
        if self.types[node].dtype == INT64:
            return node
        if self.ops[node] is core.CONSTANT and self.types[node].dtype != BOOL:
            return self.integers(np.rint(self.payloads[node]))
        return self.add(core.AS_INDEX, (node,))

    def gather(self, node: int, index: int, axis: int = 0) -> int:
        """The elements of `node` at the indices in the node `index`, along an axis, as `numpy.take`.

        Raises
        ------
        ShapeError
            Where a constant index is out of range.
        """
        shape = self.shape(node)
        axis = self._axis("gather", axis, shape)
        self._check_range(index, shape[axis])
        scalar = self.repeated_scalar(node)
        if scalar is not None:
            return self.broadcast(scalar, (*shape[:axis], *self.shape(index), *shape[axis + 1 :]))
        return self.add(core.GATHER, (node, index), axis)

    def scatter_add(self, node: int, index: int, axis: int, size: int) -> int:
        """Zeros with `size` elements along an axis, to which `node` is added at some indices."""
        self._check_range(index, size)
        return self.add(core.SCATTER_ADD, (self.as_number(node), index), (axis, size))

    def _check_range(self, index: int, size: int) -> None:
        values = self.payloads[index] if self.ops[index] is core.CONSTANT else None
        if isinstance(values, np.ndarray) and values.dtype == np.int64 and values.size:
            low, high = int(values.min()), int(values.max())
            if low < -size or high >= size:
                raise out_of_range(low if low < -size else high, size)

    def iota(self, shape: tuple[int, ...], axis: int = 0) -> int:
        """The index along an axis, as a number, over a whole shape."""
        return self.add(core.IOTA, (), (tuple(shape), self._axis("iota", axis, tuple(shape))))

    def same_index(self, shape: tuple[int, ...], axis1: int, axis2: int, offset: int = 0) -> int:
        """The condition that the index along `axis2` is that along `axis1` plus `offset`."""
        first = self.iota(shape, axis1)
        if offset:
            first = self.add(core.ADD, (first, self.constant(float(offset))))
        return self.add(core.EQUAL, (first, self.iota(shape, axis2)))

    def eye(self, rows: int, columns: int, offset: int = 0, on: float = 1.0, off: float = 0.0) -> int:
        """The matrix with `on` on a diagonal and `off` elsewhere."""
        condition = self.same_index((rows, columns), 0, 1, offset)
        return self.add(core.WHERE, (condition, self.constant(on), self.constant(off)))

    def triangle(self, node: int, lower: bool, offset: int = 0) -> int:
        """The lower (or upper) triangles of matrices up to the diagonal `offset`, zeros elsewhere."""
        node = self.as_number(node)
        shape = self.shape(node)[-2:]
        if len(shape) < 2:
            raise ShapeError(f"{'tril' if lower else 'triu'}: the shape {show(shape)} has fewer than two axes")
        row, column = self.iota(shape, 0), self.iota(shape, 1)
        if offset:
            row = self.add(core.ADD, (row, self.constant(float(offset))))
        inside = self.add(core.LESS_EQUAL, (column, row) if lower else (row, column))
        return self.add(core.WHERE, (inside, node, self.constant(0.0)))

    # Linear algebra

    def solve(self, a: int, b: int) -> int:
        """The solution of a @ x = b, as `numpy.linalg.solve`: a vector b, or matrices with leading axes that broadcast.

        Raises
        ------
        ShapeError
            Where the operands do not fit.
        """
        b, shape = self._right_side("solve", a, b)
        found = self.add(core.SOLVE, (self.as_number(a), b))
        return found if shape is None else self.reshape(found, shape)

    def solve_triangular(self, a: int, b: int, lower: bool = True, transposed: bool = False) -> int:
        """The solution of a @ x = b (`transposed`: a.T @ x = b) for a triangle a; operands and errors as of `solve`."""
        b, shape = self._right_side("solve_triangular", a, b)
        found = self.add(core.SOLVE_TRIANGULAR, (self.as_number(a), b), (bool(lower), bool(transposed)))
        return found if shape is None else self.reshape(found, shape)

    def _right_side(self, name: str, a: int, b: int) -> tuple[int, tuple[int, ...] | None]:
        """The right side as a matrix, and the shape of the solution where it was a vector."""
        own, right = square_shape(name, self.types[a].shape), self.shape(b)
        if not right or right[0 if len(right) == 1 else -2] != own[-1]:
            raise ShapeError(f"{name}: shapes {show(own)} and {show(right)} do not fit: {own[-1]} rows are needed")
        b = self.as_number(b)
        return (b, None) if len(right) > 1 else (self.reshape(b, (own[-1], 1)), own[:-1])

    def inv(self, a: int) -> int:
        """The inverse of matrices."""
        square_shape("inv", self.types[a].shape)
        return self.add(core.INV, (self.as_number(a),))

    def det(self, a: int) -> int:
        """The determinant of matrices."""
        a = self.as_number(a)
        size = square_shape("det", self.types[a].shape)[-1]
        return self.add(core.DET, (a,)) if size > 2 else self._minor(a, tuple(range(size)), tuple(range(size)))

    def _minor(self, a: int, rows: tuple[int, ...], columns: tuple[int, ...]) -> int:
        """The determinants of some rows and columns, expanded by their first row."""
        batch = fixed(self.types[a].shape)[:-2]
        if not rows:
            return self.broadcast(self.constant(1.0), batch)
        total = -1
        for k, j in enumerate(columns):
            term = self.element(a, ((slice(None),) * len(batch)) + (rows[0], j))
            if len(rows) > 1:
                term = self.add(core.MUL, (term, self._minor(a, rows[1:], columns[:k] + columns[k + 1 :])))
            total = self.add("sub" if k % 2 else "add", (total, term)) if k else term
        return total

    def det_sign(self, a: int) -> int:
        """The sign of the determinant of matrices."""
        square_shape("det_sign", self.types[a].shape)
        return self.add(core.DET_SIGN, (self.as_number(a),))

    def adjugate(self, a: int) -> int:
        """The adjugates of matrices; of small ones their cofactors, whose derivatives hold at singular ones, too."""
        a = self.as_number(a)
        *batch, size, _ = square_shape("adjugate", self.types[a].shape)
        if size > LARGEST_EXPANDED or not size:
            return self.add(core.ADJUGATE, (a,))
        every, rows = tuple(range(size)), []
        for j in every:
            row = []
            for i in every:
                found = self._minor(a, every[:i] + every[i + 1 :], every[:j] + every[j + 1 :])
                row.append(self.add(core.NEG, (found,)) if (i + j) % 2 else found)
            rows.append(self.stack(row, len(batch)))
        return self.stack(rows, len(batch))

    def packed_svd(self, a: int) -> int:
        """U, the singular values and Vᵀ of a thin decomposition of matrices, one after the other."""
        return self.add(core.PACKED_SVD, (self.as_number(a),))

    def singular_values(self, a: int) -> int:
        """The singular values of matrices, the largest first."""
        *batch, rows, columns = self.shape(a)
        few = min(rows, columns)
        whole = (slice(None),) * len(batch)
        return self.element(self.packed_svd(a), (*whole, slice(rows * few, rows * few + few)))

    def pinv(self, a: int, rcond: float | None = None) -> int:
        """The pseudo-inverse of matrices; singular values up to `rcond` times the largest count as 0.

        It is 1e-15, as in NumPy, or the larger size times the precision where that is more, as in its `matrix_rank`.

        Raises
        ------
        ShapeError
            Where `rcond` is not from 0 to 1.
        """
        if rcond is None:
            rcond = max(1e-15, self.precision_of(a))
        if not 0 <= rcond <= 1:
            raise ShapeError(f"rcond is from 0 to 1, not {rcond}", hint="write rcond=1e-12")
        return self.add(core.PINV, (self.as_number(a),), float(rcond))

    def precision_of(self, a: int) -> float:
        """The larger size of a matrix times the distance of 1 from the next number."""
        return max(self.shape(a)[-2:]) * float(np.finfo(self.dtype).eps)

    def logdet(self, a: int) -> int:
        """The logarithm of the absolute value of the determinant of matrices."""
        square_shape("logdet", self.types[a].shape)
        return self.add(core.LOGDET, (self.as_number(a),))

    def cholesky(self, a: int) -> int:
        """The lower triangular factor L of positive definite matrices L @ L.T."""
        square_shape("cholesky", self.types[a].shape)
        return self.add(core.CHOLESKY, (self.as_number(a),))
