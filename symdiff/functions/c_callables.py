"""Compiled functions for callers that know C: an address, a ctypes function, SciPy's LowLevelCallable."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

from symdiff.errors import ArgumentError
from symdiff.types import FLOAT64

if TYPE_CHECKING:
    from symdiff.functions.compiled import CompiledCase

PLAIN = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p
)
"""`int f(const void *const *in, void *const *out, void *work)`: see docs/c-abi.md."""

NUMBER = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)
NUMBERS = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double))


def as_ctypes(compiled: CompiledCase) -> Any:
    """The plain C function as a ctypes function, which keeps the machine code alive."""
    made: Any = PLAIN(compiled.kernel.address)
    made.owner = compiled.kernel
    return made


def low_level_callable(compiled: CompiledCase) -> Any:
    """The function as a `scipy.LowLevelCallable` for `quad`, `dblquad`, `nquad` and their like.

    Raises
    ------
    ArgumentError
        Where it does not take numbers of type float64 and give one.
    """
    from scipy import LowLevelCallable

    from symdiff.codegen.integrand import integrand

    layout, name = compiled.kernel.layout, compiled.__name__
    if any(operand.dtype != FLOAT64 for operand in layout.operands):
        raise ArgumentError(f"{name} is not a function of float64 numbers", hint='make it with dtype="float64"')
    if len(layout.outputs) != 1 or layout.outputs[0].shape:
        raise ArgumentError(f"{name} does not give one number", hint="integrate its outputs one by one")
    count = sum(operand.size for operand in layout.inputs)
    if not count:
        raise ArgumentError(f"{name} has no inputs")
    address, code = integrand(compiled.kernel)
    made: Any = (NUMBER if count == 1 else NUMBERS)(address)
    made.owner = compiled.kernel, code
    return LowLevelCallable(made)
