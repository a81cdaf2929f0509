"""Native code: a program becomes LLVM IR, the IR a kernel, the kernel NumPy ufuncs and a plain C function.

Import it where a kernel is wanted, not before: it loads LLVM.
"""

from symdiff.codegen.compile import compile_program
from symdiff.codegen.kernel import Kernel, Options
from symdiff.codegen.layout import Layout, Operand
from symdiff.codegen.target import Target, has_fma

__all__ = ["Kernel", "Layout", "Operand", "Options", "Target", "compile_program", "has_fma"]
