"""The processor's floating-point status word, as lines of LLVM IR.

On x86-64 the word is MXCSR, read and written by instructions; elsewhere the C library's fenv functions are called.
A function that uses these lines has `allocate` in its entry block.
"""

from __future__ import annotations

import platform

from symdiff.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Status:
    """How a machine shows its floating-point exceptions.

    Attributes
    ----------
    invalid, divide, overflow, every : bits of the word.
    functions : names of C functions to import; none where there are instructions.
    """

    invalid: int
    divide: int
    overflow: int
    every: int
    functions: tuple[str, ...] = ("fetestexcept", "feclearexcept", "feraiseexcept")

    @property
    def declarations(self) -> list[str]:
        """What a module that uses the lines declares."""
        if not self.every:
            return []
        if self.functions:
            return [f"declare i32 @{name}(i32) #0" for name in self.functions]
        return ["declare void @llvm.x86.sse.stmxcsr(ptr)", "declare void @llvm.x86.sse.ldmxcsr(ptr)"]

    @property
    def allocate(self) -> list[str]:
        """Lines for the entry block."""
        return [] if self.functions or not self.every else ["%status = alloca i32"]

    def get(self, name: str) -> list[str]:
        """Read the word into the value `name`."""
        if not self.every:
            return [f"{name} = add i32 0, 0"]
        if self.functions:
            return [f"{name} = call i32 @fetestexcept(i32 {self.every})"]
        return ["call void @llvm.x86.sse.stmxcsr(ptr %status)", f"{name} = load i32, ptr %status"]

    def put(self, value: str) -> list[str]:
        """Write the word."""
        if not self.every:
            return []
        if self.functions:
            return [f"call i32 @feclearexcept(i32 {self.every})", f"call i32 @feraiseexcept(i32 {value})"]
        return [f"store i32 {value}, ptr %status", "call void @llvm.x86.sse.ldmxcsr(ptr %status)"]


PORTABLE_BITS = {
    "x86_64": (1, 4, 8, 61),
    "aarch64": (1, 2, 4, 31),
    "riscv64": (16, 8, 4, 31),
    "ppc64le": (1 << 29, 1 << 26, 1 << 28, 0x3E000000),
    "s390x": (0x80, 0x40, 0x20, 0xF8),
}
X86 = Status(1, 4, 8, 63, ())
NO_STATUS = Status(0, 0, 0, 0, ())
"""Of code that neither reads nor writes the word."""


def machine() -> str:
    """The processor family, by the name that Linux gives it."""
    name = platform.machine().lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(name, name)


def portable(family: str) -> Status:
    """The C library's view of the status word on a processor family."""
    return Status(*PORTABLE_BITS.get(family, PORTABLE_BITS["aarch64"]))


def status() -> Status:
    """The status word of this machine."""
    family = machine()
    return X86 if family == "x86_64" else portable(family)
