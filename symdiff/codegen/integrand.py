"""The C function that SciPy's integrators call without Python in between: `double f(int n, double *x)`."""

from __future__ import annotations

from symdiff.codegen import jit
from symdiff.codegen.kernel import Kernel
from symdiff.codegen.layout import Layout
from symdiff.codegen.module import Module, assemble_module
from symdiff.errors import ArgumentError
from symdiff.native.code import Code

INTEGRAND, PLAIN = "integrand", "plain"
NAN = "0x7FF8000000000000"


def offsets(layout: Layout) -> list[int]:
    """Where in one array of all scalars, in call order, each of the plain C function's arrays begins.

    Raises
    ------
    ArgumentError
        Where they do not lie in it as they are: the kernel takes more operands than NumPy can pass, and packs them in
        another order.
    """
    members = [member for operand in layout.inputs for member in operand.members]
    if members != list(range(len(members))):
        raise ArgumentError("so many scalars beside vectors cannot be one array", hint="pack them: f([a, b, …])")
    found: list[int] = []
    at, after_scalar = 0, False
    for operand in layout.inputs:
        if operand.shape or not after_scalar:  # scalars in succession are one array
            found.append(at)
        at, after_scalar = at + operand.size, not operand.shape
    return found


def write_integrand(layout: Layout) -> Module:
    """The module: with one number `double f(double)`, with more `double f(int, double *)`; NaN where it fails."""
    begins, count = offsets(layout), sum(operand.size for operand in layout.inputs)
    single = count == 1
    lines = [
        f"declare i32 @{PLAIN}(ptr, ptr, ptr) #0",
        f"define double @{INTEGRAND}({'double %value' if single else 'i32 %n, ptr %x'}) #0 {{",
        "entry:",
        f"%in = alloca [{len(begins)} x ptr]",
        "%out = alloca ptr",
        "%result = alloca double",
        "store ptr %result, ptr %out",
    ]
    if single:
        lines += ["%x = alloca double", "store double %value, ptr %x", "br label %go"]
    else:
        lines += [f"%right = icmp eq i32 %n, {count}", "br i1 %right, label %go, label %fail"]
    lines.append("go:")
    for k, begin in enumerate(begins):
        lines += [
            f"%a{k} = getelementptr double, ptr %x, i64 {begin}",
            f"%p{k} = getelementptr ptr, ptr %in, i64 {k}",
            f"store ptr %a{k}, ptr %p{k}",
        ]
    lines += [
        f"%code = call i32 @{PLAIN}(ptr %in, ptr %out, ptr null)",
        "%fine = icmp eq i32 %code, 0",
        "br i1 %fine, label %done, label %fail",
        "done:",
        "%y = load double, ptr %result",
        "ret double %y",
        "fail:",
        f"ret double {NAN}",
        "}",
    ]
    return assemble_module(lines[:1], lines[1:], (), (INTEGRAND,))


def integrand(kernel: Kernel) -> tuple[int, Code]:
    """The address of the function for a kernel, and the code to keep beside the kernel.

    Raises
    ------
    ArgumentError
        Where its inputs cannot be one array of numbers.
    """
    module = write_integrand(kernel.layout)
    code = jit.link(module.text, {PLAIN: kernel.address}, module.exports, 2)
    return code[INTEGRAND], code
