"""Kernels for NVIDIA's graphics processors, as assembly language that the driver compiles."""

from __future__ import annotations

from symdiff.codegen.objects import MEMORY
from symdiff.errors import ArgumentError, CompileError
from symdiff.ship.header import described
from symdiff.ship.package import Package, add_kind

TRIPLE = "nvptx64-nvidia-cuda"

BUILT_IN = (*MEMORY, "__nvvm_reflect")
"""Functions that LLVM writes itself: loops, and what libdevice asks about the processor."""


@add_kind("ptx", lambda package: f"{package.name}.ptx", "kernels for NVIDIA's processors", (), TRIPLE)
def _ptx(package: Package) -> bytes:
    if not package.target.has_kernels:
        raise ArgumentError(f"{package.target.triple} has no kernels", hint=f'target="{TRIPLE}"')
    missing = [name for name in package.outside if name not in BUILT_IN]
    if missing:
        foreign = {function.name for function in package.foreign}
        hint = "blas=False has loops for products of matrices"
        if foreign.issuperset(missing):
            hint = "kernels have the functions of libdevice alone: make its value an input"
        raise CompileError(f"a kernel cannot call {', '.join(missing)}", hint=hint)
    told = "\n".join([described(f) for f in package.functions])
    return told.encode("ascii", "backslashreplace") + f"\n{package.module.assembly()}".encode()
