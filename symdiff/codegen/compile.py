"""From a program to its kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff.codegen.kernel import Kernel, Options
from symdiff.codegen.tensors.kernel import TensorKernel
from symdiff.optimize.program import TensorProgram

if TYPE_CHECKING:
    from symdiff.optimize.program import Program


def compile_program(program: Program | TensorProgram, options: Options | None = None) -> Kernel:
    """Native code for a program.

    Raises
    ------
    CompileError
        Where LLVM refuses it, a routine is missing, or the operands are more than NumPy can pass.
    """
    if isinstance(program, TensorProgram):
        return TensorKernel(program, options or Options())
    return Kernel(program, options or Options())
