"""From a program to its kernel, or to the text of a function that runs without Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symdiff.codegen.standalone import Standalone, write_standalone
from symdiff.codegen.tensors.kernel import compile_program as compile_program
from symdiff.codegen.tensors.standalone import write_standalone_arrays
from symdiff.optimize.program import TensorProgram

if TYPE_CHECKING:
    from symdiff.codegen.target import Target
    from symdiff.optimize.program import Program


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
