"""What a library of Windows has beside its functions where zig links it alone, in assembly language."""

from __future__ import annotations

from collections.abc import Sequence

from symdiff.codegen.target import Target

LOADED = {"x86_64": "movl $1, %eax\nret", "aarch64": "mov w0, #1\nret"}
"""What it does when it is loaded: it says that all went well."""

STACK_CHECKS = {
    # the number of bytes is in rax, and every register is as before
    "x86_64": """\
pushq %rcx
pushq %rax
leaq 24(%rsp), %rcx
1:
cmpq $4096, %rax
jb 2f
subq $4096, %rcx
testq %rcx, (%rcx)
subq $4096, %rax
jmp 1b
2:
subq %rax, %rcx
testq %rcx, (%rcx)
popq %rax
popq %rcx
ret""",
    # a sixteenth of it is in x15; x16 and x17 are free
    "aarch64": """\
lsl x16, x15, #4
mov x17, sp
1:
sub x17, x17, #4096
subs x16, x16, #4096
ldr xzr, [x17]
b.gt 1b
ret""",
}
"""Touches a large frame page by page, since the system gives a stack its pages one after the other."""

CHECK_NAMES = ("__chkstk", "___chkstk_ms")
"""What LLVM calls that: as Microsoft's tools do, and as GNU's."""

JUMPS = {
    "x86_64": "jmpq *__imp_{0}(%rip)",
    "aarch64": "adrp x16, __imp_{0}\nldr x16, [x16, :lo12:__imp_{0}]\nbr x16",
}
"""A function of another library, by the address that the system writes down for it."""

BY_ADDRESS = ("lgamma",)
"""Functions of the C library that zig's list of it has by their addresses alone."""


def windows_entry(target: Target, defined: Sequence[str], called: Sequence[str]) -> str:
    """The text of a module for a library that exports what it defines; `called` are functions from outside."""
    family, exports = target.family, " ".join(f"-export:{name}" for name in defined)
    lines = [*_function("DllMainCRTStartup", LOADED[family]), ".globl _fltused", "_fltused:"]
    for name in CHECK_NAMES:
        lines += _function(name, STACK_CHECKS[family])
    for name in BY_ADDRESS:
        if name in called:
            lines += _function(name, JUMPS[family].format(name))
    return "\n".join([*lines, '.section .drectve, "yn"', f'.ascii " {exports}"', ""])


def _function(name: str, body: str) -> list[str]:
    return [f".globl {name}", f"{name}:", body]
