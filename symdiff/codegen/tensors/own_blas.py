"""BLAS and LAPACK where a target has none: plain loops as lines of LLVM IR, with the arguments of Fortran's routines.

They do what steps ask of them and no more: products are not scaled nor added to what is there (alpha is 1, beta 0), the
matrices of LAPACK are square, and both triangles of a symmetric product are written. Matrices lie by columns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from symdiff.codegen.target import Target
from symdiff.errors import CompileError

TILE = 4
"""Rows and columns of a product that are computed at once, so that what is read is used as often."""


class _Routine:
    """The lines of one routine: values have numbers, and a block ends where a loop or a condition begins."""

    def __init__(self, letter: str, target: Target) -> None:
        self.letter, self.target = letter, target
        self.element = "float" if letter == "s" else "double"
        self.lines: list[str] = []
        self.declarations: dict[str, None] = {}
        self.block = "entry"
        self._count = 0

    def value(self, text: str) -> str:
        """The name of what an instruction gives."""
        self._count += 1
        self.lines.append(f"%v{self._count} = {text}")
        return f"%v{self._count}"

    def label(self) -> str:
        self._count += 1
        return f"b{self._count}"

    def begin(self, block: str) -> None:
        self.lines.append(f"{block}:")
        self.block = block

    # Integers, which are of 64 bits here

    def given(self, pointer: str) -> str:
        """An integer argument."""
        return self.value(f"sext i32 {self.value(f'load i32, ptr {pointer}')} to i64")

    def is_letter(self, pointer: str, wanted: str) -> str:
        return self.value(f"icmp eq i8 {self.value(f'load i8, ptr {pointer}')}, {ord(wanted)}")

    def choose(self, condition: str, one: str, other: str) -> str:
        return self.value(f"select i1 {condition}, i64 {one}, i64 {other}")

    def add(self, x: str, y: str) -> str:
        return self.value(f"add i64 {x}, {y}")

    def sub(self, x: str, y: str) -> str:
        return self.value(f"sub i64 {x}, {y}")

    def mul(self, x: str, y: str) -> str:
        return self.value(f"mul i64 {x}, {y}")

    # Numbers

    def at(self, base: str, index: str) -> str:
        return self.value(f"getelementptr {self.element}, ptr {base}, i64 {index}")

    def entry(self, matrix: str, row: str, column: str, line: str) -> str:
        """Where an element is of a matrix whose columns are `line` apart."""
        return self.at(matrix, self.add(row, self.mul(column, line)))

    def load(self, pointer: str) -> str:
        return self.value(f"load {self.element}, ptr {pointer}")

    def store(self, number: str, pointer: str) -> None:
        self.lines.append(f"store {self.element} {number}, ptr {pointer}")

    def number(self, opcode: str, *operands: str) -> str:
        return self.value(f"{opcode} {self.element} {', '.join(operands)}")

    def intrinsic(self, name: str, *operands: str) -> str:
        full = f"@llvm.{name}.f{32 if self.letter == 's' else 64}"
        types = ", ".join([self.element] * len(operands))
        self.declarations[f"declare {self.element} {full}({types})"] = None
        return self.value(f"call {self.element} {full}({', '.join(f'{self.element} {x}' for x in operands)})")

    def product_added(self, x: str, y: str, z: str) -> str:
        """x*y + z."""
        if self.target.has_fma:
            return self.intrinsic("fma", x, y, z)
        return self.number("fadd", self.number("fmul", x, y), z)

    # Control

    def loop(
        self,
        start: str,
        stop: str,
        body: Callable[[str, Sequence[str]], Sequence[str]],
        carried: Sequence[str] = (),
        type_: str | None = None,
    ) -> list[str]:
        """`body` for each integer from `start` to before `stop`, with what it carries on; what it ends with."""
        before, inside, after = self.block, self.label(), self.label()
        some = self.value(f"icmp slt i64 {start}, {stop}")
        self.lines.append(f"br i1 {some}, label %{inside}, label %{after}")
        self.begin(inside)
        head = len(self.lines)
        count, *values = (f"%p{self._count}.{k}" for k in range(1 + len(carried)))
        made = body(count, values)
        following = self.add(count, "1")
        more = self.value(f"icmp slt i64 {following}, {stop}")
        self.lines.append(f"br i1 {more}, label %{inside}, label %{after}")
        kind = type_ or self.element
        phis = [f"{count} = phi i64 [{start}, %{before}], [{following}, %{self.block}]"]
        ends = []
        for name, first, last in zip(values, carried, made, strict=True):
            phis.append(f"{name} = phi {kind} [{first}, %{before}], [{last}, %{self.block}]")
            ends.append(f"[{first}, %{before}], [{last}, %{self.block}]")
        self.lines[head:head] = phis
        self.begin(after)
        return [self.value(f"phi {kind} {text}") for text in ends]

    def each(self, start: str, stop: str, body: Callable[[str], None]) -> None:
        """A loop that carries nothing."""

        def once(k: str, _: Sequence[str]) -> Sequence[str]:
            body(k)
            return ()

        self.loop(start, stop, once)

    def when(self, condition: str, body: Callable[[], None]) -> None:
        inside, after = self.label(), self.label()
        self.lines.append(f"br i1 {condition}, label %{inside}, label %{after}")
        self.begin(inside)
        body()
        self.lines.append(f"br label %{after}")
        self.begin(after)

    def dot(self, count: str, x: str, x_step: str, y: str, y_step: str, first: str = "0.0") -> str:
        """`first` and the sum of products of two vectors."""

        def one(k: str, sums: Sequence[str]) -> Sequence[str]:
            left, right = self.load(self.at(x, self.mul(k, x_step))), self.load(self.at(y, self.mul(k, y_step)))
            return [self.product_added(left, right, sums[0])]

        return self.loop("0", count, one, [first])[0]

    def take_away(self, count: str, factor: str, x: str, y: str) -> None:
        """y -= factor*x, for vectors whose elements lie side by side."""
        negative = self.value(f"fneg {self.element} {factor}")

        def one(k: str) -> None:
            place = self.at(y, k)
            self.store(self.product_added(negative, self.load(self.at(x, k)), self.load(place)), place)

        self.each("0", count, one)

    def scale(self, count: str, divisor: str, x: str) -> None:
        """x /= divisor."""

        def one(k: str) -> None:
            place = self.at(x, k)
            self.store(self.number("fdiv", self.load(place), divisor), place)

        self.each("0", count, one)

    def exchange(self, count: str, x: str, y: str, step: str = "1") -> None:
        """Two vectors change places."""

        def one(k: str) -> None:
            left, right = (self.at(base, self.mul(k, step)) for base in (x, y))
            kept, other = self.load(left), self.load(right)
            self.store(other, left)
            self.store(kept, right)

        self.each("0", count, one)

    def multiply(self, *arguments: str) -> None:
        """Call `product`."""
        self.lines.append(f"call void @own_{self.letter}product({', '.join(arguments)})")


def _product(r: _Routine) -> None:
    """c = a @ b of (m, k) and (k, n), any strides of rows and columns."""

    def tile(rows: int, columns: int, i: str, j: str) -> None:
        lefts = [r.at("%a", r.mul(r.add(i, str(k)), "%ar")) for k in range(rows)]
        rights = [r.at("%b", r.mul(r.add(j, str(k)), "%bc")) for k in range(columns)]

        def one(p: str, sums: Sequence[str]) -> Sequence[str]:
            left, right = r.mul(p, "%ac"), r.mul(p, "%br")
            xs = [r.load(r.at(base, left)) for base in lefts]
            ys = [r.load(r.at(base, right)) for base in rights]
            pairs = [(x, y) for x in xs for y in ys]
            return [r.product_added(x, y, z) for (x, y), z in zip(pairs, sums, strict=True)]

        sums = r.loop("0", "%k", one, ["0.0"] * (rows * columns))
        for k, total in enumerate(sums):
            row, column = r.add(i, str(k // columns)), r.add(j, str(k % columns))
            r.store(total, r.at("%c", r.add(r.mul(row, "%cr"), r.mul(column, "%cc"))))

    def band(rows: int) -> Callable[[str], None]:
        def write(i: str) -> None:
            start = i if rows == 1 else r.mul(i, str(TILE))
            r.each("0", wide, lambda j: tile(rows, TILE, start, r.mul(j, str(TILE))))
            r.each(r.mul(wide, str(TILE)), "%n", lambda j: tile(rows, 1, start, j))

        return write

    wide, high = (r.value(f"udiv i64 {size}, {TILE}") for size in ("%n", "%m"))
    r.each("0", high, band(TILE))
    r.each(r.mul(high, str(TILE)), "%m", band(1))


def _gemm(r: _Routine) -> None:
    m, n, k, a_line, b_line, c_line = (r.given(f"%{name}") for name in ("m", "n", "k", "lda", "ldb", "ldc"))
    a, b = (r.is_letter(f"%{flag}", "T") for flag in ("ta", "tb"))
    strides = [r.choose(a, a_line, "1"), r.choose(a, "1", a_line), r.choose(b, b_line, "1"), r.choose(b, "1", b_line)]
    r.multiply(
        f"i64 {m}, i64 {n}, i64 {k}, ptr %a, i64 {strides[0]}, i64 {strides[1]}, ptr %b, i64 {strides[2]}, "
        f"i64 {strides[3]}, ptr %c, i64 1, i64 {c_line}"
    )


def _gemv(r: _Routine) -> None:
    m, n, line, x_step, y_step = (r.given(f"%{name}") for name in ("m", "n", "lda", "incx", "incy"))
    t = r.is_letter("%ta", "T")
    rows, columns = r.choose(t, n, m), r.choose(t, m, n)
    row, column = r.choose(t, line, "1"), r.choose(t, "1", line)
    r.multiply(
        f"i64 {rows}, i64 1, i64 {columns}, ptr %a, i64 {row}, i64 {column}, ptr %x, i64 {x_step}, i64 0, ptr %y, "
        f"i64 {y_step}, i64 0"
    )


def _dot(r: _Routine) -> None:
    n, x_step, y_step = (r.given(f"%{name}") for name in ("n", "incx", "incy"))
    r.lines.append(f"ret {r.element} {r.dot(n, '%x', x_step, '%y', y_step)}")


def _syrk(r: _Routine) -> None:
    n, k, a_line, c_line = (r.given(f"%{name}") for name in ("n", "k", "lda", "ldc"))
    t = r.is_letter("%ta", "T")
    row, column = r.choose(t, a_line, "1"), r.choose(t, "1", a_line)
    r.multiply(
        f"i64 {n}, i64 {n}, i64 {k}, ptr %a, i64 {row}, i64 {column}, ptr %a, i64 {column}, i64 {row}, ptr %c, "
        f"i64 1, i64 {c_line}"
    )


def _swap(r: _Routine) -> None:
    r.exchange(r.given("%n"), "%x", "%y")


def _trsm(r: _Routine) -> None:
    """b = b @ inverse of a triangle of a, or of its transpose: one column of b after the other."""
    m, n, a_line, b_line = (r.given(f"%{name}") for name in ("m", "n", "lda", "ldb"))
    upper, turned, unit = r.is_letter("%uplo", "U"), r.is_letter("%ta", "T"), r.is_letter("%diag", "U")
    row, column = r.choose(turned, a_line, "1"), r.choose(turned, "1", a_line)
    ascends = r.value(f"xor i1 {upper}, {turned}")
    last = r.sub(n, "1")

    def solve(k: str) -> None:
        j = r.choose(ascends, k, r.sub(last, k))
        own = r.at("%b", r.mul(j, b_line))

        def other(q: str) -> None:
            p = r.choose(ascends, q, r.sub(last, q))
            factor = r.load(r.at("%a", r.add(r.mul(p, row), r.mul(j, column))))
            r.take_away(m, factor, r.at("%b", r.mul(p, b_line)), own)

        r.each("0", k, other)
        pivot = r.at("%a", r.mul(j, r.add(a_line, "1")))
        r.when(r.value(f"xor i1 {unit}, true"), lambda: r.scale(m, r.load(pivot), own))

    r.each("0", n, solve)


def _getrf(r: _Routine) -> None:
    """Rows change places so that the pivot is the largest of its column."""
    n, line = r.given("%n"), r.given("%lda")
    r.lines.append("store i32 0, ptr %info")

    def step(j: str) -> None:
        column = r.at("%a", r.mul(j, line))

        def larger(i: str, best: Sequence[str]) -> Sequence[str]:
            found, most = (r.intrinsic("fabs", r.load(r.at(column, k))) for k in (i, best[0]))
            return [r.choose(r.number("fcmp ogt", found, most), i, best[0])]

        following = r.add(j, "1")
        p = r.loop(following, n, larger, [j], "i64")[0]
        narrow = r.value(f"trunc i64 {r.add(p, '1')} to i32")
        r.lines.append(f"store i32 {narrow}, ptr {r.value(f'getelementptr i32, ptr %ipiv, i64 {j}')}")
        r.when(r.value(f"icmp ne i64 {p}, {j}"), lambda: r.exchange(n, r.at("%a", j), r.at("%a", p), line))
        pivot = r.load(r.at(column, j))
        before = r.value("load i32, ptr %info")
        first = r.value(f"and i1 {r.value(f'icmp eq i32 {before}, 0')}, {r.number('fcmp oeq', pivot, '0.0')}")
        number = r.value(f"trunc i64 {following} to i32")
        r.lines.append(f"store i32 {r.value(f'select i1 {first}, i32 {number}, i32 {before}')}, ptr %info")
        below, rest = r.at(column, following), r.sub(r.sub(n, j), "1")
        r.scale(rest, pivot, below)

        def update(c: str) -> None:
            other = r.at("%a", r.mul(c, line))
            r.take_away(rest, r.load(r.at(other, j)), below, r.at(other, following))

        r.each(following, n, update)

    r.each("0", n, step)


def _getri(r: _Routine) -> None:
    """The inverse of the upper triangle, then the inverse by the columns of the lower one, then columns exchanged."""
    n, line = r.given("%n"), r.given("%lda")
    r.lines.append("store i32 0, ptr %info")

    def column_of_the_upper(j: str) -> None:
        own = r.at("%a", r.mul(j, line))
        place = r.at(own, j)
        inverse = r.number("fdiv", "1.0", r.load(place))
        r.store(inverse, place)

        def once(p: str) -> None:
            at = r.at(own, p)
            factor, before = r.value(f"fneg {r.element} {r.load(at)}"), r.at("%a", r.mul(p, line))
            r.take_away(p, factor, before, own)
            r.store(r.number("fmul", r.load(at), r.load(r.at(before, p))), at)

        r.each("0", j, once)
        negative = r.value(f"fneg {r.element} {inverse}")

        def scaled(i: str) -> None:
            at = r.at(own, i)
            r.store(r.number("fmul", r.load(at), negative), at)

        r.each("0", j, scaled)

    def column_of_the_lower(k: str) -> None:
        j = r.sub(r.sub(n, "1"), k)
        own, following = r.at("%a", r.mul(j, line)), r.add(j, "1")

        def moved(i: str) -> None:
            at = r.at(own, i)
            r.store(r.load(at), r.at("%work", i))
            r.store("0.0", at)

        r.each(following, n, moved)
        r.each(following, n, lambda c: r.take_away(n, r.load(r.at("%work", c)), r.at("%a", r.mul(c, line)), own))

    def columns_exchanged(k: str) -> None:
        j = r.sub(r.sub(n, "1"), k)
        pivot = r.value(f"load i32, ptr {r.value(f'getelementptr i32, ptr %ipiv, i64 {j}')}")
        p = r.sub(r.value(f"sext i32 {pivot} to i64"), "1")
        columns = [r.at("%a", r.mul(c, line)) for c in (j, p)]
        r.when(r.value(f"icmp ne i64 {p}, {j}"), lambda: r.exchange(n, *columns))

    for step in (column_of_the_upper, column_of_the_lower, columns_exchanged):
        r.each("0", n, step)


def _potrf(r: _Routine) -> None:
    """The upper factor, by rows."""
    n, line = r.given("%n"), r.given("%lda")
    r.lines.append("store i32 0, ptr %info")

    def step(j: str) -> None:
        own = r.at("%a", r.mul(j, line))
        place = r.at(own, j)
        square = r.number("fsub", r.load(place), r.dot(j, own, "1", own, "1"))
        following = r.add(j, "1")
        good, bad = r.label(), r.label()
        r.lines.append(f"br i1 {r.number('fcmp ogt', square, '0.0')}, label %{good}, label %{bad}")
        r.begin(bad)
        r.lines += [f"store i32 {r.value(f'trunc i64 {following} to i32')}, ptr %info", "ret void"]
        r.begin(good)
        root = r.intrinsic("sqrt", square)
        r.store(root, place)

        def other(c: str) -> None:
            column = r.at("%a", r.mul(c, line))
            at = r.at(column, j)
            rest = r.number("fsub", r.load(at), r.dot(j, own, "1", column, "1"))
            r.store(r.number("fdiv", rest, root), at)

        r.each(following, n, other)

    r.each("0", n, step)


PRODUCT = "i64 %m, i64 %n, i64 %k, ptr %a, i64 %ar, i64 %ac, ptr %b, i64 %br, i64 %bc, ptr %c, i64 %cr, i64 %cc"

ROUTINES: dict[str, tuple[str, Callable[[_Routine], None]]] = {
    "gemm": ("ta tb m n k alpha a lda b ldb beta c ldc", _gemm),
    "gemv": ("ta m n alpha a lda x incx beta y incy", _gemv),
    "dot": ("n x incx y incy", _dot),
    "syrk": ("uplo ta n k alpha a lda beta c ldc", _syrk),
    "swap": ("n x incx y incy", _swap),
    "trsm": ("side uplo ta diag m n alpha a lda b ldb", _trsm),
    "getrf": ("m n a lda ipiv info", _getrf),
    "getri": ("n a lda ipiv work lwork info", _getri),
    "potrf": ("uplo n a lda info", _potrf),
}
"""The routines without the letter of their type: their arguments, all pointers, and what writes them."""


def own_routine(name: str, target: Target) -> dict[str, list[str]]:
    """The definitions of a routine and of what it calls by their names, with what they declare.

    Raises
    ------
    CompileError
        For a routine that there is none of.
    """
    letter, word = name[0], name[1:]
    if word not in ROUTINES:
        raise CompileError(
            f"{target.triple} has no LAPACK, whose {name} is called",
            hint="singular values are LAPACK's alone: make them inputs, or ship for a system that has it",
        )
    names, write = ROUTINES[word]
    parameters = ", ".join(f"ptr %{argument}" for argument in names.split())
    found = {f"own_{name}": _written(f"own_{name}", parameters, write, letter, target)}
    if word in ("gemm", "gemv", "syrk"):
        product = f"own_{letter}product"
        found[product] = _written(product, PRODUCT, _product, letter, target)
    return found


def _written(name: str, parameters: str, write: Callable[[_Routine], None], letter: str, target: Target) -> list[str]:
    routine = _Routine(letter, target)
    write(routine)
    result, end = (routine.element, []) if write is _dot else ("void", ["ret void"])
    head = f"define internal {result} @{name}({parameters}) #1 {{"
    return [*routine.declarations, head, "entry:", *routine.lines, *end, "}"]
