"""From a program to its kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff.codegen.kernel import Kernel, Options
from symdiff.codegen.standalone import Standalone, write_standalone
from symdiff.codegen.tensors.kernel import TensorKernel
from symdiff.codegen.tensors.standalone import write_standalone_arrays
from symdiff.optimize.program import TensorProgram

if TYPE_CHECKING:
    from symdiff.codegen.target import Target
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


def write_program(program: Program | TensorProgram, name: str, target: Target, vectors: bool = True) -> Standalone:
    """The text of a function that runs without Python.

    Raises
    ------
    CompileError
        Where it needs what a library cannot have.
    """
    if isinstance(program, TensorProgram):
        return write_standalone_arrays(program, name, target, vectors)
    return write_standalone(program, name, target, vectors)
