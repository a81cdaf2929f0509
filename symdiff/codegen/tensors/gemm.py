"""Calls of BLAS and LAPACK as lines of LLVM IR: one function for each step, which takes the starts of its buffers.

BLAS sees columns where we have rows: a matrix in C order is its transpose there. So c = a @ b in C order is computed
as c.T = b.T @ a.T, and nothing is moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symdiff.codegen.tensors.blas import Calls, loop
from symdiff.codegen.tensors.lapack import write_lapack
from symdiff.errors import CompileError
from symdiff.optimize.planning.plan import Gemm, Lapack, Matrix
from symdiff.types import FLOAT32

SMALLEST_SYMMETRIC = 32
"""From this size on a.T @ a is computed as one triangle, which is copied to the other."""

MIRROR_BLOCK = 32
"""The copy goes by square blocks, so that the lines that it reads stay in the cache."""

Stored = tuple[bool, int]
"""Whether a matrix is in C order, and the distance of its lines."""


class LinearAlgebra(Calls):
    """The functions of a module's steps, and what they need from outside."""

    def lapack(self, name: str, step: Lapack, dtype: str) -> None:
        """Add the function `void name(operands…, result, work)`, pointers to the starts of buffers."""
        write_lapack(self, name, step, dtype)

    def gemm(self, name: str, step: Gemm, dtype: str) -> None:
        """Add the function `void name(a, b, c)`, pointers to the starts of buffers.

        Raises
        ------
        CompileError
            Where a size or a stride is more than BLAS takes, or a matrix is not one for BLAS.
        """
        element = "float" if dtype == FLOAT32 else "double"
        operands = {"a": step.a, "b": step.b, "c": step.c}
        lines: list[str] = []
        if 0 not in (step.m, step.n, *step.batch):
            lines = [line for x, matrix in operands.items() for line in _start(x, matrix, step.batch, element)]
            lines += self._product(step, "s" if dtype == FLOAT32 else "d", element)
            lines = in_batch(step.batch, lines)
        self.function(name, ["%a0", "%b0", "%c0"], lines)

    def _product(self, step: Gemm, letter: str, element: str) -> list[str]:
        """One matrix product: %c = %a @ %b."""
        m, n, k, a, b, c = step.m, step.n, step.k, step.a, step.b, step.c
        if k == 0:
            return self._zeros(m, n, c, element)
        if m == 1 and n == 1:
            integers = [self.integer(size) for size in (k, _stride(k, a.column), _stride(k, b.row))]
            call = self.call(f"{letter}dot", [integers[0], "%a", integers[1], "%b", integers[2]], element)
            return [f"%dot = {call}", f"store {element} %dot, ptr %c"]
        if n == 1:
            return self._matrix_vector(
                _stored(m, k, a), m, k, "%a", "%b", _stride(k, b.row), _stride(m, c.row), letter, element
            )
        if m == 1:
            in_c, line = _stored(k, n, b)
            return self._matrix_vector(
                (not in_c, line), n, k, "%b", "%a", _stride(k, a.column), _stride(n, c.column), letter, element
            )
        in_c, line = _stored(m, n, c)
        if _is_transpose(step) and m >= SMALLEST_SYMMETRIC:
            return self._symmetric(m, k, _stored(m, k, a), line, letter, element)
        (a_in_c, a_line), (b_in_c, b_line) = _stored(m, k, a), _stored(k, n, b)
        first, second = ("%b", b_line, b_in_c), ("%a", a_line, a_in_c)
        rows, columns = n, m
        if not in_c:
            first, second = ("%a", a_line, not a_in_c), ("%b", b_line, not b_in_c)
            rows, columns = m, n
        flags = [self.letter("N" if plain else "T") for _, _, plain in (first, second)]
        sizes = [self.integer(size) for size in (rows, columns, k)]
        one, zero = self.number(1, element), self.number(0, element)
        return [
            self.call(
                f"{letter}gemm",
                [
                    *flags,
                    *sizes,
                    one,
                    first[0],
                    self.integer(first[1]),
                    second[0],
                    self.integer(second[1]),
                    zero,
                    "%c",
                    self.integer(line),
                ],
            )
        ]

    def _matrix_vector(
        self,
        stored: Stored,
        rows: int,
        columns: int,
        matrix: str,
        x: str,
        x_step: int,
        y_step: int,
        letter: str,
        element: str,
    ) -> list[str]:
        """%c = matrix @ x, for a matrix (rows, columns) in C order or not."""
        in_c, line = stored
        sizes = (columns, rows) if in_c else (rows, columns)
        # BLAS multiplies what it finds in the result by 0, which keeps a NaN in some libraries.
        lines = self._fill(rows, y_step, element)
        return [
            *lines,
            self.call(
                f"{letter}gemv",
                [
                    self.letter("T" if in_c else "N"),
                    *(self.integer(size) for size in sizes),
                    self.number(1, element),
                    matrix,
                    self.integer(line),
                    x,
                    self.integer(x_step),
                    self.number(0, element),
                    "%c",
                    self.integer(y_step),
                ],
            ),
        ]

    def _fill(self, number: int, step: int, element: str) -> list[str]:
        """Zeros to the elements of %c."""
        if step == 1:
            return [self.zero("%c", str(number * _bytes(element)))]
        store = [
            f"%zi = mul i64 %zp, {step}",
            f"%z = getelementptr {element}, ptr %c, i64 %zi",
            f"store {element} 0.0, ptr %z",
        ]
        return loop("z", str(number), store)

    def _zeros(self, m: int, n: int, c: Matrix, element: str) -> list[str]:
        """Zeros to the matrix %c."""
        in_c, line = _stored(m, n, c)
        lines, length = (m, n) if in_c else (n, m)
        clear = [
            f"%zi = mul i64 %zp, {line}",
            f"%z = getelementptr {element}, ptr %c, i64 %zi",
            self.zero("%z", str(length * _bytes(element))),
        ]
        return loop("z", str(lines), clear)

    def _symmetric(self, n: int, k: int, stored: Stored, line: int, letter: str, element: str) -> list[str]:
        """%c = a @ a.T, one triangle computed and copied to the other: half the work of a product, and symmetric."""
        in_c, step = stored
        flags = [self.letter("L"), self.letter("T" if in_c else "N")]
        call = self.call(
            f"{letter}syrk",
            [
                *flags,
                self.integer(n),
                self.integer(k),
                self.number(1, element),
                "%a",
                self.integer(step),
                self.number(0, element),
                "%c",
                self.integer(line),
            ],
        )
        self._mirror(element)
        return [call, f"call void @mirror_{element}(ptr %c, i64 {n}, i64 {line})"]

    def _mirror(self, element: str) -> None:
        """The function that copies the lower triangle of BLAS, the upper one in C order, to the other."""
        name = f"mirror_{element}"
        if name in self._constants:
            return
        self._constants.add(name)
        move = [
            f"%from = mul i64 %sp, %line\n%fi = add i64 %from, %rp\n%f = getelementptr {element}, ptr %c, i64 %fi",
            f"%v = load {element}, ptr %f",
            f"%to = mul i64 %rp, %line\n%ti = add i64 %to, %sp\n%t = getelementptr {element}, ptr %c, i64 %ti",
            f"store {element} %v, ptr %t",
        ]
        # Element (s, r) of the upper triangle goes to (r, s), s < r, block by block.
        column = [
            "%past = call i64 @llvm.umin.i64(i64 %high, i64 %rp)",
            "%none = icmp uge i64 %low, %past",
            "br i1 %none, label %row_done, label %row_go\nrow_go:",
            *loop("s", "%past", move, "%low"),
            "br label %row_done\nrow_done:",
        ]
        rows = [
            f"%low = mul i64 %bp, {MIRROR_BLOCK}",
            f"%end = add i64 %low, {MIRROR_BLOCK}",
            "%high = call i64 @llvm.umin.i64(i64 %end, i64 %n)",
            *loop("r", "%n", column, "%low"),
        ]
        self.declare("declare i64 @llvm.umin.i64(i64, i64)")
        head = f"define internal void @{name}(ptr %c, i64 %n, i64 %line) #1 {{"
        up = [f"%whole = add i64 %n, {MIRROR_BLOCK - 1}", f"%blocks = udiv i64 %whole, {MIRROR_BLOCK}"]
        self.lines += [head, "entry:", *up, *loop("b", "%blocks", rows), "ret void", "}"]


def in_batch(batch: Sequence[int], lines: Sequence[str]) -> list[str]:
    """`lines` for every point of the batch; its coordinates are %i0, %i1, …"""
    if not batch:
        return list(lines)
    total = math.prod(batch)
    places, rest = [], "%batchp"
    for k in reversed(range(1, len(batch))):
        places += [f"%i{k} = urem i64 {rest}, {batch[k]}", f"%rest{k} = udiv i64 {rest}, {batch[k]}"]
        rest = f"%rest{k}"
    return loop("batch", str(total), [*places, f"%i0 = add i64 {rest}, 0", *lines])


def _start(name: str, matrix: Matrix, batch: Sequence[int], element: str) -> list[str]:
    """The pointer `%name` to the matrix of a point of the batch in the buffer at `%name0`."""
    lines, last = [], str(matrix.offset)
    for k, stride in enumerate(matrix.batch[: len(batch)]):
        lines += [f"%{name}s{k} = mul i64 %i{k}, {stride}", f"%{name}t{k} = add i64 {last}, %{name}s{k}"]
        last = f"%{name}t{k}"
    return [*lines, f"%{name} = getelementptr {element}, ptr %{name}0, i64 {last}"]


def _stride(size: int, stride: int) -> int:
    """The distance of a vector's elements; that of a single one means nothing."""
    return stride if size > 1 else 1


def _stored(rows: int, columns: int, matrix: Matrix) -> Stored:
    """How BLAS sees a matrix.

    Raises
    ------
    CompileError
        Where neither stride is 1 or lines overlap.
    """
    if columns <= 1 and (rows <= 1 or matrix.row >= 1):
        return True, max(1, matrix.row if rows > 1 else 1)
    if rows <= 1 and matrix.column >= 1:
        return (True, columns) if matrix.column == 1 else (False, matrix.column)
    if matrix.column == 1 and matrix.row >= columns:
        return True, matrix.row
    if matrix.row == 1 and matrix.column >= rows:
        return False, matrix.column
    raise CompileError(f"a matrix ({rows}, {columns}) with strides ({matrix.row}, {matrix.column}) is not one for BLAS")


def _is_transpose(step: Gemm) -> bool:
    """Whether b is a.T."""
    a, b = step.a, step.b
    return (
        step.m == step.n
        and (a.buffer, a.offset, a.batch) == (b.buffer, b.offset, b.batch)
        and (a.row, a.column) == (b.column, b.row)
    )


def _bytes(element: str) -> int:
    return 4 if element == "float" else 8
