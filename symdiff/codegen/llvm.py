"""llvmlite's binding, loaded when something is compiled: code that lies ready needs none."""

from __future__ import annotations

import sys
from typing import Any

from symdiff.errors import CompileError

BINDING = "llvmlite.binding"


class _Late:
    """Its attributes are the module's, each looked up once."""

    def __getattr__(self, name: str) -> Any:
        try:
            import llvmlite.binding
        except ImportError as error:
            raise CompileError(
                f"functions are compiled by llvmlite, which cannot be imported: {error}",
                hint="pip install llvmlite; code that a saved function holds is called at points without it",
            ) from error
        found = self.__dict__[name] = getattr(llvmlite.binding, name)
        return found


llvm: Any = _Late()


def version() -> tuple[str, str]:
    """The versions of llvmlite and of LLVM."""
    import llvmlite

    return llvmlite.__version__, str(llvm.llvm_version_info)


def llvm_lock() -> Any:
    """The lock that llvmlite takes for each of its calls; None where it is not loaded."""
    return llvm.ffi.lib._lock if BINDING in sys.modules else None
