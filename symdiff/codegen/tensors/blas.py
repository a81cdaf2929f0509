"""Calls of BLAS and LAPACK routines: functions in LLVM IR that put Fortran's arguments together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from symdiff.codegen.target import Target
from symdiff.codegen.tensors.open_sizes import computed
from symdiff.codegen.tensors.own_blas import own_routine
from symdiff.dataclass import dataclass
from symdiff.errors import CompileError
from symdiff.ops.base import Library, Outside
from symdiff.sizes import Sizes, is_open

LARGEST_SIZE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Blas:
    """A routine of BLAS or LAPACK by its Fortran name, such as `dgemm`."""

    name: str


class Calls:
    """Functions that call routines, and what these need from outside.

    Attributes
    ----------
    lines : definitions of constants and functions.
    declarations : of the routines that they call.
    imports : symbol → routine, or the name of a C function.
    """

    def __init__(self, sizes: Sizes | None = None, first: int = 0, target: Target | None = None) -> None:
        """`sizes` that are open are in the table from the entry `first` on; `target` is where the code runs."""
        self._target = target
        self._sizes, self._first = sizes, first
        self._open: dict[str, Any] = {}
        self.lines: list[str] = []
        self.declarations: list[str] = []
        self.imports: list[tuple[str, Blas | Library | Outside | str]] = []
        self._symbols: set[str] = set()
        self._constants: set[str] = set()

    def routine(self, name: str, arguments: int, result: str = "void") -> str:
        """The symbol of a routine that takes so many pointers."""
        if self._target is not None and not self._target.has_blas:
            return self._own(name, self._target)
        is_host = self._target is None or self._target.is_host
        symbol = name if is_host else f"{name}_"  # as Fortran's compilers write it
        if name not in self._symbols:
            self._symbols.add(name)
            self.declarations.append(f"declare {result} @{symbol}({', '.join(['ptr'] * arguments)}) #0")
            self.imports.append((symbol, Blas(name)))
        return f"@{symbol}"

    def _own(self, name: str, target: Target) -> str:
        """The symbol of a routine that becomes a part of the module."""
        for symbol, lines in own_routine(name, target).items():
            if symbol not in self._symbols:
                self._symbols.add(symbol)
                for line in lines:
                    if line.startswith("declare "):
                        self.declare(line)
                    else:
                        self.lines.append(line)
        return f"@own_{name}"

    def call(self, name: str, arguments: Sequence[str], result: str = "void") -> str:
        """The call of a routine with pointers."""
        symbol = self.routine(name, len(arguments), result)
        return f"call {result} {symbol}({', '.join('ptr ' + a for a in arguments)})"

    def declare(self, line: str, function: str | None = None) -> None:
        """Declare an intrinsic once, and the C function that it may become."""
        if line not in self.declarations:
            self.declarations.append(line)
            if function is not None:
                self.imports.append((function, function))

    def integer(self, value: int) -> str:
        """A pointer to a 32-bit integer.

        Raises
        ------
        CompileError
            Where it is too large.
        """
        if not -LARGEST_SIZE <= value <= LARGEST_SIZE:
            raise CompileError(f"an array axis of {value:,} elements is more than SciPy's BLAS takes")
        if is_open(value):
            name = f"%size{len(self._open)}"
            self._open[name] = value
            return name
        return self._constant(f"blas_i{value}".replace("-", "m"), f"i32 {value}")

    def letter(self, value: str) -> str:
        """A pointer to a character."""
        return self._constant(f"blas_{value}", f"i8 {ord(value)}")

    def number(self, value: float, element: str) -> str:
        """A pointer to a number."""
        return self._constant(f"blas_{element}{int(value)}", f"{element} {value:.1f}")

    def _constant(self, name: str, value: str) -> str:
        if name not in self._constants:
            self._constants.add(name)
            self.lines.append(f"@{name} = internal constant {value}")
        return f"@{name}"

    def function(self, name: str, parameters: Iterable[str], lines: Sequence[str]) -> None:
        """Add a function of pointers that returns nothing; where sizes are open, the table is the first."""
        own = [*(["%table"] if self._sizes else []), *parameters]
        head = f"define internal void @{name}({', '.join('ptr ' + p for p in own)}) #1 {{"
        kept: list[str] = []
        for k, (place, size) in enumerate(self._open.items()):
            kept += [
                f"{place} = alloca i32",
                f"%given{k} = trunc i64 {size} to i32",
                f"store i32 %given{k}, ptr {place}",
            ]
        self._open.clear()
        used = computed(self._sizes, [*kept, *lines], "%table", self._first)
        self.lines += [head, "entry:", *used, *kept, *lines, "ret void", "}"]

    def zero(self, pointer: str, size: str) -> str:
        """Clear so many bytes."""
        self.declare("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)", "memset")
        return f"call void @llvm.memset.p0.i64(ptr {pointer}, i8 0, i64 {size}, i1 false)"

    def copy(self, target: str, source: str, size: str) -> str:
        """Copy so many bytes."""
        self.declare("declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)", "memcpy")
        return f"call void @llvm.memcpy.p0.p0.i64(ptr {target}, ptr {source}, i64 {size}, i1 false)"


def loop(name: str, stop: str, lines: Sequence[str], start: str = "0") -> list[str]:
    """`lines` for %{name}p from `start` to before `stop`, at least once."""
    return [
        f"br label %{name}_head",
        f"{name}_head:",
        f"br label %{name}_loop",
        f"{name}_loop:",
        f"%{name}p = phi i64 [{start}, %{name}_head], [%{name}_next, %{name}_end]",
        *lines,
        f"br label %{name}_end",
        f"{name}_end:",
        f"%{name}_next = add i64 %{name}p, 1",
        f"%{name}_more = icmp ult i64 %{name}_next, {stop}",
        f"br i1 %{name}_more, label %{name}_loop, label %{name}_done",
        f"{name}_done:",
    ]
