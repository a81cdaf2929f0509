"""Native code: a program becomes LLVM IR, the IR a kernel, the kernel NumPy ufuncs and a plain C function.

What stands here is loaded when it is asked for; LLVM when something is compiled.
"""

import sys
from typing import TYPE_CHECKING, Any

from symdiff.guesses import NotCalled
from symdiff.loading import load_module

if TYPE_CHECKING:
    from symdiff.codegen.kernel import Kernel, Options
    from symdiff.codegen.layout import Layout, Operand
    from symdiff.codegen.target import Target, has_fma
    from symdiff.codegen.tensors.kernel import compile_program

__all__ = ["Kernel", "Layout", "Operand", "Options", "Target", "compile_program", "has_fma"]

_MODULES = {
    "compile_program": "tensors.kernel",
    "has_fma": "target",
    "Kernel": "kernel",
    "Options": "kernel",
    "Layout": "layout",
    "Operand": "layout",
    "Target": "target",
}

sys.modules[__name__].__class__ = NotCalled


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(load_module(f"{__name__}.{_MODULES[name]}"), name)
    return found
