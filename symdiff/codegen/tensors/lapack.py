"""Steps of linear algebra as lines of LLVM IR, through SciPy's BLAS and LAPACK.

These see columns where we have rows: the matrix A in C order is F = A.T there. The unknowns of A @ X = B are solved for
from the right, X.T @ F = B.T, so that neither A nor B is transposed in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from symdiff.codegen.tensors.adjugates import write_adjugate
from symdiff.codegen.tensors.blas import Calls, loop
from symdiff.errors import CompileError
from symdiff.ops import Op, core
from symdiff.ops.base import Library
from symdiff.ops.singular_values import packed_size
from symdiff.optimize.planning.plan import Lapack, work_layout
from symdiff.types import FLOAT32


class _Writer:
    """Writes the lines for one matrix of a batch: operands %x0 and %x1, result %y, work area %work."""

    def __init__(self, algebra: Calls, step: Lapack, dtype: str) -> None:
        self.algebra = algebra
        self.step = step
        self.n, self.columns = step.n, step.columns
        self.element, self.letter, self.size = ("float", "s", 4) if dtype == FLOAT32 else ("double", "d", 8)
        self.work = work_layout(step.op, dtype, step.n, step.columns)
        self.lines = [f"%pivots = getelementptr i8, ptr %work, i64 {self.work.pivots}"]

    def integer(self, value: int) -> str:
        return self.algebra.integer(value)

    def call(self, name: str, arguments: Sequence[str]) -> None:
        self.lines.append(self.algebra.call(self.letter + name, arguments))

    def copy(self, target: str, source: str, elements: int) -> None:
        self.lines.append(self.algebra.copy(target, source, str(elements * self.size)))

    def factor(self, target: str) -> None:
        """F = P @ L @ U of %x0 in `target`; afterwards %bad tells whether F is singular."""
        self.copy(target, "%x0", self.n * self.n)
        n = self.integer(self.n)
        self.call("getrf", [n, n, target, n, "%pivots", "%info"])
        self.lines += ["%code = load i32, ptr %info", "%bad = icmp ne i32 %code, 0"]

    def unless_bad(self, good: Sequence[str], bad: Sequence[str]) -> None:
        """Go on by %bad."""
        self.lines += [
            "br i1 %bad, label %is_bad, label %is_good",
            "is_bad:",
            *bad,
            "br label %both",
            "is_good:",
            *good,
            "br label %both",
            "both:",
        ]

    def taken(self) -> list[str]:
        """The lines so far, which are then written elsewhere."""
        lines, self.lines = self.lines, []
        return lines

    def fill(self, elements: int) -> list[str]:
        """NaN everywhere in the result, as the quotient 0/0, so that the processor notes an invalid operation."""
        e, fabs = self.element, f"@llvm.fabs.f{self.size * 8}"
        self.algebra.declare(f"declare {e} {fabs}({e})")
        quotient = [
            f"store volatile {e} 0.0, ptr %y",
            f"%fill_0 = load volatile {e}, ptr %y",
            f"%fill_q = fdiv {e} %fill_0, %fill_0",
            f"%nan = call {e} {fabs}({e} %fill_q)",
        ]
        return quotient + loop("fill", str(elements), [self.at("%fill", "%y", "%fillp"), f"store {e} %nan, ptr %fill"])

    def at(self, name: str, base: str, index: str) -> str:
        return f"{name} = getelementptr {self.element}, ptr {base}, i64 {index}"

    def trsm(self, triangle: str, transposed: str, diagonal: str, matrix: str) -> None:
        """%y.T = %y.T @ inverse of a triangle."""
        flags = [self.algebra.letter(flag) for flag in ("R", triangle, transposed, diagonal)]
        columns, n, one = self.integer(self.columns), self.integer(self.n), self.algebra.number(1, self.element)
        self.call("trsm", [*flags, columns, n, one, matrix, n, "%y", columns])

    def solve(self) -> None:
        self.factor("%work")
        before = self.taken()
        self.copy("%y", "%x1", self.n * self.columns)
        self.trsm("U", "N", "N", "%work")
        self.trsm("L", "N", "U", "%work")
        self.exchange()
        good = self.taken()
        self.lines = before
        self.unless_bad(good, self.fill(self.n * self.columns))

    def exchange(self) -> None:
        """The rows of %y change places as the pivots say, from the last to the first."""
        columns, one = self.integer(self.columns), self.integer(1)
        swap = self.algebra.call(self.letter + "swap", [columns, "%one", one, "%other", one])
        self.lines += loop(
            "p",
            str(self.n),
            [
                f"%row = sub i64 {self.n - 1}, %pp",
                "%where = getelementptr i32, ptr %pivots, i64 %row",
                "%from1 = load i32, ptr %where",
                "%from2 = sext i32 %from1 to i64",
                "%from = sub i64 %from2, 1",
                "%stays = icmp eq i64 %from, %row",
                "br i1 %stays, label %p_after, label %p_swap",
                "p_swap:",
                f"%one_at = mul i64 %row, {self.columns}",
                self.at("%one", "%y", "%one_at"),
                f"%other_at = mul i64 %from, {self.columns}",
                self.at("%other", "%y", "%other_at"),
                swap,
                "br label %p_after",
                "p_after:",
            ],
        )

    def inv(self) -> None:
        self.factor("%y")
        before = self.taken()
        n, length = self.integer(self.n), self.integer((self.work.total - self.work.scratch) // self.size)
        self.lines.append(f"%scratch = getelementptr i8, ptr %work, i64 {self.work.scratch}")
        self.call("getri", [n, "%y", n, "%pivots", "%scratch", length, "%info"])
        good = self.taken()
        self.lines = before
        self.unless_bad(good, self.fill(self.n * self.n))

    def diagonal(self, lines: Sequence[str], name: str = "d") -> list[str]:
        """`lines` for each element %u of the diagonal of the factors."""
        return loop(
            name,
            str(self.n),
            [
                f"%{name}_at = mul i64 %{name}p, {self.n + 1}",
                self.at(f"%{name}_u", "%work", f"%{name}_at"),
                f"%{name}_v = load {self.element}, ptr %{name}_u",
                *self.widened(f"%{name}_v", f"%{name}_w"),
                *lines,
            ],
        )

    def widened(self, value: str, name: str) -> list[str]:
        return [f"{name} = fpext float {value} to double" if self.size == 4 else f"{name} = fadd double {value}, -0.0"]

    def store(self, value: str) -> list[str]:
        if self.size == 4:
            return [f"{value}_s = fptrunc double {value} to float", f"store float {value}_s, ptr %y"]
        return [f"store double {value}, ptr %y"]

    def mathematics(self, name: str) -> str:
        """The symbol of a function of the C library."""
        line = f"declare double @{name}(double) #0"
        if line not in self.algebra.declarations:
            self.algebra.declare(line)
            self.algebra.imports.append((name, Library(name)))
        return f"@{name}"

    def logarithms(self) -> list[str]:
        """%logs: the sum of the logarithms of the diagonal's absolute values."""
        self.algebra.declare("declare double @llvm.fabs.f64(double)")
        return [
            "store double 0.0, ptr %sum",
            *self.diagonal(
                [
                    "%l_a = call double @llvm.fabs.f64(double %l_w)",
                    f"%l_l = call double {self.mathematics('log')}(double %l_a)",
                    "%l_s = load double, ptr %sum",
                    "%l_t = fadd double %l_s, %l_l",
                    "store double %l_t, ptr %sum",
                ],
                "l",
            ),
            "%logs = load double, ptr %sum",
        ]

    def logdet(self) -> None:
        self.factor("%work")
        self.unless_bad(
            [*self.logarithms(), *self.store("%logs")], [f"store {self.element} 0xFFF0000000000000, ptr %y"]
        )

    def scaled_product(self) -> None:
        """The determinant as %product * 2**%exponent: its mantissa, of 1 to 2, and its exponent never leave range."""
        self.algebra.declare("declare double @llvm.fabs.f64(double)")
        self.lines += [
            "store double 1.0, ptr %sum",
            "store i64 0, ptr %power",
            *self.diagonal(
                [
                    "%d_piv = getelementptr i32, ptr %pivots, i64 %dp",
                    "%d_from = load i32, ptr %d_piv",
                    "%d_row = trunc i64 %dp to i32",
                    "%d_own = add i32 %d_row, 1",
                    "%d_odd = icmp ne i32 %d_from, %d_own",
                    "%d_neg = fneg double %d_w",
                    "%d_f = select i1 %d_odd, double %d_neg, double %d_w",
                    *self.mantissa("%d_f", "%d_m"),
                    *self.grown("%d_s", "%sum", "%d_m"),
                ]
            ),
            "%product = load double, ptr %sum",
            "%exponent = load i64, ptr %power",
        ]

    def mantissa(self, value: str, name: str) -> list[str]:
        """`name`, of 1 to 2, and `name`e with value = name * 2**exponent; infinities and NaN with the exponent 0."""
        return [
            f"{name}0 = call double @llvm.fabs.f64(double {value})",
            f"{name}1 = fcmp olt double {name}0, 0x0010000000000000",
            f"{name}2 = fmul double {value}, 0x43F0000000000000",
            f"{name}3 = select i1 {name}1, double {name}2, double {value}",
            f"{name}4 = bitcast double {name}3 to i64",
            f"{name}5 = lshr i64 {name}4, 52",
            f"{name}6 = and i64 {name}5, 2047",
            f"{name}7 = icmp eq i64 {name}6, 2047",
            f"{name}8 = and i64 {name}4, -9218868437227405313",
            f"{name}9 = or i64 {name}8, 4607182418800017408",
            f"{name}a = bitcast i64 {name}9 to double",
            f"{name} = select i1 {name}7, double {value}, double {name}a",
            f"{name}b = select i1 {name}1, i64 1087, i64 1023",
            f"{name}c = sub i64 {name}6, {name}b",
            f"{name}e = select i1 {name}7, i64 0, i64 {name}c",
        ]

    def grown(self, name: str, place: str, factor: str) -> list[str]:
        """The number at `place`, of 1 to 2, times a mantissa; what goes beyond 2 goes to %power, as its exponent."""
        return [
            f"{name}0 = load double, ptr {place}",
            f"{name}1 = fmul double {name}0, {factor}",
            f"{name}2 = call double @llvm.fabs.f64(double {name}1)",
            f"{name}3 = fcmp oge double {name}2, 2.0",
            f"{name}4 = fmul double {name}1, 0.5",
            f"{name}5 = select i1 {name}3, double {name}4, double {name}1",
            f"store double {name}5, ptr {place}",
            f"{name}6 = zext i1 {name}3 to i64",
            f"{name}7 = load i64, ptr %power",
            f"{name}8 = add i64 {name}7, {name}6",
            f"{name}9 = add i64 {name}8, {factor}e",
            f"store i64 {name}9, ptr %power",
        ]

    def power_of_two(self, exponent: str, name: str) -> list[str]:
        """`name` and `name`b, whose product is 2**exponent as far as there are numbers."""
        return [
            f"{name}0 = icmp slt i64 {exponent}, 2040",
            f"{name}1 = select i1 {name}0, i64 {exponent}, i64 2040",
            f"{name}2 = icmp sgt i64 {name}1, -2040",
            f"{name}3 = select i1 {name}2, i64 {name}1, i64 -2040",
            f"{name}4 = ashr i64 {name}3, 1",
            f"{name}5 = sub i64 {name}3, {name}4",
            f"{name}6 = add i64 {name}4, 1023",
            f"{name}7 = shl i64 {name}6, 52",
            f"{name}8 = add i64 {name}5, 1023",
            f"{name}9 = shl i64 {name}8, 52",
            f"{name} = bitcast i64 {name}7 to double",
            f"{name}b = bitcast i64 {name}9 to double",
        ]

    def det(self) -> None:
        """The product of the pivots."""
        self.factor("%work")
        before = self.taken()
        self.scaled_product()
        good = [
            *self.taken(),
            *self.power_of_two("%exponent", "%two"),
            "%det_a = fmul double %product, %two",
            "%det = fmul double %det_a, %twob",
            *self.store("%det"),
        ]
        self.lines = before
        self.unless_bad(good, [f"store {self.element} 0.0, ptr %y"])

    def det_sign(self) -> None:
        self.factor("%work")
        before = self.taken()
        self.scaled_product()
        self.algebra.declare("declare double @llvm.copysign.f64(double, double)")
        good = [
            *self.taken(),
            "%is_sign = fcmp ord double %product, 0.0",
            "%one_sign = call double @llvm.copysign.f64(double 1.0, double %product)",
            "%found = select i1 %is_sign, double %one_sign, double %product",
            *self.store("%found"),
        ]
        self.lines = before
        self.unless_bad(good, [f"store {self.element} 0.0, ptr %y"])

    def narrowed(self, value: str, place: str) -> list[str]:
        """Store a double as an element."""
        if self.size == 4:
            return [f"{value}_n = fptrunc double {value} to float", f"store float {value}_n, ptr {place}"]
        return [f"store double {value}, ptr {place}"]

    def entry(self, name: str, base: str, row: str, column: str) -> list[str]:
        """The element of a matrix by columns as a double: `name`w, at `name`."""
        return [
            f"{name}0 = mul i64 {column}, {self.n}",
            f"{name}1 = add i64 {name}0, {row}",
            self.at(name, base, f"{name}1"),
            f"{name}v = load {self.element}, ptr {name}",
            *self.widened(f"{name}v", f"{name}w"),
        ]

    def cholesky(self) -> None:
        n = self.integer(self.n)
        row = [
            f"%c_at = mul i64 %cp, {self.n}",
            self.at("%c_from", "%x0", "%c_at"),
            self.at("%c_to", "%y", "%c_at"),
            "%c_k = add i64 %cp, 1",
            f"%c_b = mul i64 %c_k, {self.size}",
            self.algebra.copy("%c_to", "%c_from", "%c_b"),
            self.at("%c_z", "%c_to", "%c_k"),
            f"%c_r = sub i64 {self.n * self.size}, %c_b",
            self.algebra.zero("%c_z", "%c_r"),
        ]
        self.lines += loop("c", str(self.n), row)
        self.call("potrf", [self.algebra.letter("U"), n, "%y", n, "%info"])
        self.lines += ["%code = load i32, ptr %info", "%bad = icmp ne i32 %code, 0"]
        self.unless_bad([], self.fill(self.n * self.n))

    def packed_svd(self) -> None:
        """F = A.T is V diag(s) U.T: what LAPACK calls U and Vᵀ are the Vᵀ and U of A in C order."""
        rows, columns, few = self.n, self.columns, min(self.n, self.columns)
        self.lines += [
            f"%scratch = getelementptr i8, ptr %work, i64 {self.work.scratch}",
            self.at("%values", "%y", str(rows * few)),
            self.at("%right", "%y", str(rows * few + few)),
        ]
        self.copy("%work", "%x0", rows * columns)
        length = self.integer((self.work.total - self.work.scratch) // self.size)
        m, n, k = self.integer(columns), self.integer(rows), self.integer(few)
        self.call(
            "gesdd",
            [
                self.algebra.letter("S"),
                m,
                n,
                "%work",
                m,
                "%values",
                "%right",
                m,
                "%y",
                k,
                "%scratch",
                length,
                "%pivots",
                "%info",
            ],
        )
        self.lines += ["%code = load i32, ptr %info", "%bad = icmp ne i32 %code, 0"]
        self.unless_bad([], self.fill(packed_size(rows, columns)))

    def triangular(self) -> None:
        self.lines.append("store i1 false, ptr %info")
        self.lines += loop(
            "d",
            str(self.n),
            [
                f"%d_at = mul i64 %dp, {self.n + 1}",
                self.at("%d_u", "%x0", "%d_at"),
                f"%d_v = load {self.element}, ptr %d_u",
                f"%d_0 = fcmp oeq {self.element} %d_v, 0.0",
                "%d_s = load i1, ptr %info",
                "%d_t = or i1 %d_s, %d_0",
                "store i1 %d_t, ptr %info",
            ],
        )
        self.lines.append("%bad = load i1, ptr %info")
        before = self.taken()
        self.copy("%y", "%x1", self.n * self.columns)
        assert self.step.triangle is not None
        lower, transposed = self.step.triangle  # of a in C order, which is F in Fortran's
        self.trsm("U" if lower else "L", "T" if transposed else "N", "N", "%x0")
        good = self.taken()
        self.lines = before
        self.unless_bad(good, self.fill(self.n * self.columns))


WRITERS: dict[Op, Callable[[_Writer], None]] = {
    core.SOLVE: _Writer.solve,
    core.SOLVE_TRIANGULAR: _Writer.triangular,
    core.INV: _Writer.inv,
    core.DET: _Writer.det,
    core.DET_SIGN: _Writer.det_sign,
    core.ADJUGATE: write_adjugate,
    core.LOGDET: _Writer.logdet,
    core.CHOLESKY: _Writer.cholesky,
    core.PACKED_SVD: _Writer.packed_svd,
}
"""The code of each operation of linear algebra."""


def _result_size(step: Lapack) -> int:
    """How many numbers one result has."""
    if step.op is core.PACKED_SVD:
        return packed_size(step.n, step.columns)
    if step.op in (core.DET, core.DET_SIGN, core.LOGDET):
        return 1
    return step.n * (step.columns if len(step.operands) == 2 else step.n)


def write_lapack(algebra: Calls, name: str, step: Lapack, dtype: str) -> None:
    """Add the function of a step to a module.

    Raises
    ------
    CompileError
        Where a size is more than LAPACK takes.
    """
    writer = _Writer(algebra, step, dtype)
    n, columns = step.n, step.columns
    two = len(step.operands) == 2
    parameters = ["%a", *(["%b"] if two else []), "%result", "%work"]
    result = _result_size(step)
    lines: list[str] = []
    if result and 0 not in step.batch:
        if n == 0:
            value = "0.0" if step.op is core.LOGDET else "1.0"
            lines = [f"store {writer.element} {value}, ptr %y"]
        else:
            if step.op not in WRITERS:
                raise CompileError(f"there is no code for {step.op.name}")
            WRITERS[step.op](writer)
            lines = writer.lines
        given = n * columns if step.op is core.PACKED_SVD else n * n
        starts = _starts(
            writer.element,
            ("%x0", "%a", given),
            *([("%x1", "%b", n * columns)] if two else []),
            ("%y", "%result", result),
        )
        total = math.prod(step.batch)
        lines = loop("batch", str(total), [*starts, *lines])
        lines = ["%info = alloca i32", "%sum = alloca double", "%sign = alloca double", "%power = alloca i64", *lines]
    algebra.function(name, parameters, lines)


def _starts(element: str, *operands: tuple[str, str, int]) -> list[str]:
    lines = []
    for name, base, size in operands:
        lines.append(f"{name}_at = mul i64 %batchp, {size}")
        lines.append(f"{name} = getelementptr {element}, ptr {base}, i64 {name}_at")
    return lines
