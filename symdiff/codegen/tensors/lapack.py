"""Steps of linear algebra as lines of LLVM IR, through SciPy's BLAS and LAPACK.

These see columns where we have rows: the matrix A in C order is F = A.T there. The unknowns of A @ X = B are solved for
from the right, X.T @ F = B.T, so that neither A nor B is transposed in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symdiff.codegen.tensors.blas import Calls, loop
from symdiff.errors import CompileError
from symdiff.ops.base import Library
from symdiff.optimize.planning.lapack_work import work_layout
from symdiff.optimize.planning.plan import Lapack
from symdiff.types import FLOAT32

TRIANGLES = {
    "solve_lower": ("U", "N"),
    "solve_upper": ("L", "N"),
    "solve_lower_t": ("U", "T"),
    "solve_upper_t": ("L", "T"),
}
"""Which triangle of F each solver has, and whether it is transposed."""


class _Writer:
    """Writes the lines for one matrix of a batch: operands %x0 and %x1, result %y, work area %work."""

    def __init__(self, algebra: Calls, step: Lapack, dtype: str) -> None:
        self.algebra = algebra
        self.step = step
        self.n, self.columns = step.n, step.columns
        self.element, self.letter, self.size = (
            ("float", "s", 4) if dtype == FLOAT32 else ("double", "d", 8)
        )  # fmt: skip
        self.work = work_layout(step.name, dtype, step.n)
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
            "br i1 %bad, label %is_bad, label %is_good", "is_bad:", *bad, "br label %both", "is_good:", *good,
            "br label %both", "both:",
        ]  # fmt: skip

    def taken(self) -> list[str]:
        """The lines so far, which are then written elsewhere."""
        lines, self.lines = self.lines, []
        return lines

    def fill(self, elements: int) -> list[str]:
        """NaN everywhere in the result, as the quotient 0/0, so that the processor notes an invalid operation."""
        e, fabs = self.element, f"@llvm.fabs.f{self.size * 8}"
        self.algebra.declare(f"declare {e} {fabs}({e})")
        quotient = [f"store volatile {e} 0.0, ptr %y", f"%fill_0 = load volatile {e}, ptr %y",
                    f"%fill_q = fdiv {e} %fill_0, %fill_0", f"%nan = call {e} {fabs}({e} %fill_q)"]  # fmt: skip
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
        self.lines += loop("p", str(self.n), [
            f"%row = sub i64 {self.n - 1}, %pp",
            "%where = getelementptr i32, ptr %pivots, i64 %row",
            "%from1 = load i32, ptr %where",
            "%from2 = sext i32 %from1 to i64",
            "%from = sub i64 %from2, 1",
            "%stays = icmp eq i64 %from, %row",
            "br i1 %stays, label %p_after, label %p_swap", "p_swap:",
            f"%one_at = mul i64 %row, {self.columns}", self.at("%one", "%y", "%one_at"),
            f"%other_at = mul i64 %from, {self.columns}", self.at("%other", "%y", "%other_at"),
            swap,
            "br label %p_after", "p_after:",
        ])  # fmt: skip

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
        return loop(name, str(self.n), [
            f"%{name}_at = mul i64 %{name}p, {self.n + 1}", self.at(f"%{name}_u", "%work", f"%{name}_at"),
            f"%{name}_v = load {self.element}, ptr %{name}_u", *self.widened(f"%{name}_v", f"%{name}_w"), *lines,
        ])  # fmt: skip

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
            *self.diagonal([
                "%l_a = call double @llvm.fabs.f64(double %l_w)",
                f"%l_l = call double {self.mathematics('log')}(double %l_a)",
                "%l_s = load double, ptr %sum", "%l_t = fadd double %l_s, %l_l", "store double %l_t, ptr %sum",
            ], "l"),
            "%logs = load double, ptr %sum",
        ]  # fmt: skip

    def logdet(self) -> None:
        self.factor("%work")
        self.unless_bad([*self.logarithms(), *self.store("%logs")],
                        [f"store {self.element} 0xFFF0000000000000, ptr %y"])  # fmt: skip

    def det(self) -> None:
        """The product of the diagonal; by logarithms where that leaves the range of numbers on the way."""
        self.factor("%work")
        sign = [
            "%d_piv = getelementptr i32, ptr %pivots, i64 %dp", "%d_from = load i32, ptr %d_piv",
            "%d_row = trunc i64 %dp to i32", "%d_own = add i32 %d_row, 1", "%d_odd = icmp ne i32 %d_from, %d_own",
            "%d_neg = fneg double %d_w", "%d_f = select i1 %d_odd, double %d_neg, double %d_w",
            "%d_s = load double, ptr %sum", "%d_t = fmul double %d_s, %d_f", "store double %d_t, ptr %sum",
            # The sign alone cannot overflow.
            "%d_g = call double @llvm.copysign.f64(double 1.0, double %d_f)",
            "%d_h = load double, ptr %sign", "%d_i = fmul double %d_h, %d_g", "store double %d_i, ptr %sign",
        ]  # fmt: skip
        self.algebra.declare("declare double @llvm.copysign.f64(double, double)")
        good = [
            "store double 1.0, ptr %sum", "store double 1.0, ptr %sign",
            *self.diagonal(sign),
            "%product = load double, ptr %sum",
            "%size = call double @llvm.fabs.f64(double %product)",
            "%large = fcmp olt double %size, 0x7FE0000000000000", "%small = fcmp ogt double %size, 0x0020000000000000",
            "%fine = and i1 %large, %small", "%wrong = fcmp uno double %product, %product",
            "%done = or i1 %fine, %wrong",
            "br i1 %done, label %direct, label %scaled", "direct:", *self.store("%product"), "br label %det_end",
            "scaled:", *self.logarithms(), f"%power = call double {self.mathematics('exp')}(double %logs)",
            "%minus = load double, ptr %sign", "%signed = fmul double %power, %minus", *self.store("%signed"),
            "br label %det_end", "det_end:",
        ]  # fmt: skip
        self.unless_bad(good, [f"store {self.element} 0.0, ptr %y"])

    def cholesky(self) -> None:
        n = self.integer(self.n)
        row = [
            f"%c_at = mul i64 %cp, {self.n}", self.at("%c_from", "%x0", "%c_at"), self.at("%c_to", "%y", "%c_at"),
            "%c_k = add i64 %cp, 1", f"%c_b = mul i64 %c_k, {self.size}",
            self.algebra.copy("%c_to", "%c_from", "%c_b"), self.at("%c_z", "%c_to", "%c_k"),
            f"%c_r = sub i64 {self.n * self.size}, %c_b", self.algebra.zero("%c_z", "%c_r"),
        ]  # fmt: skip
        self.lines += loop("c", str(self.n), row)
        self.call("potrf", [self.algebra.letter("U"), n, "%y", n, "%info"])
        self.lines += ["%code = load i32, ptr %info", "%bad = icmp ne i32 %code, 0"]
        self.unless_bad([], self.fill(self.n * self.n))

    def triangular(self) -> None:
        self.lines.append("store i1 false, ptr %info")
        self.lines += loop("d", str(self.n), [
            f"%d_at = mul i64 %dp, {self.n + 1}", self.at("%d_u", "%x0", "%d_at"),
            f"%d_v = load {self.element}, ptr %d_u", f"%d_0 = fcmp oeq {self.element} %d_v, 0.0",
            "%d_s = load i1, ptr %info", "%d_t = or i1 %d_s, %d_0", "store i1 %d_t, ptr %info",
        ])  # fmt: skip
        self.lines.append("%bad = load i1, ptr %info")
        before = self.taken()
        self.copy("%y", "%x1", self.n * self.columns)
        self.trsm(*TRIANGLES[self.step.name], "N", "%x0")
        good = self.taken()
        self.lines = before
        self.unless_bad(good, self.fill(self.n * self.columns))


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
    result = {"inv": n * n, "cholesky": n * n, "det": 1, "logdet": 1}.get(step.name, n * columns)
    lines: list[str] = []
    if result and 0 not in step.batch:
        if n == 0:
            value = "1.0" if step.name == "det" else "0.0"
            lines = [f"store {writer.element} {value}, ptr %y"]
        else:
            write = {"solve": writer.solve, "inv": writer.inv, "det": writer.det, "logdet": writer.logdet,
                     "cholesky": writer.cholesky}.get(step.name)  # fmt: skip
            if write is None and step.name not in TRIANGLES:
                raise CompileError(f"there is no code for {step.name}")
            (write or writer.triangular)()
            lines = writer.lines
        starts = _starts(writer.element, ("%x0", "%a", n * n), *([("%x1", "%b", n * columns)] if two else []),
                         ("%y", "%result", result))  # fmt: skip
        total = math.prod(step.batch)
        lines = loop("batch", str(total), [*starts, *lines])
        lines = ["%info = alloca i32", "%sum = alloca double", "%sign = alloca double", *lines]
    algebra.function(name, parameters, lines)


def _starts(element: str, *operands: tuple[str, str, int]) -> list[str]:
    lines = []
    for name, base, size in operands:
        lines.append(f"{name}_at = mul i64 %batchp, {size}")
        lines.append(f"{name} = getelementptr {element}, ptr {base}, i64 {name}_at")
    return lines
