"""Kernels whose machine code was kept: what is written of a kernel, and the kernel that is made of that.

What is kept fits where the operating system, the C library, the Python and NumPy's C API are the same and the processor
has all that the other had; the formula itself need not be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from symdiff.codegen import jit
from symdiff.codegen.builtin_code import builtin_code
from symdiff.codegen.image import NoImage, lay_out
from symdiff.codegen.interrupts import interrupts
from symdiff.codegen.kept_targets import NATIVE, kept_target
from symdiff.codegen.kernel import Kernel, Options
from symdiff.codegen.module import Import, Module, Statistics, Support
from symdiff.codegen.recycling import pool
from symdiff.codegen.tensors.blas import Blas
from symdiff.codegen.tensors.kernel import TensorKernel
from symdiff.codegen.tensors.workspace import support
from symdiff.codegen.vector_math import VectorLibrary
from symdiff.content import integer, items, refuse
from symdiff.errors import CompileError, StorageError
from symdiff.native.code import Code, MappedCode, TensorCode, can_map
from symdiff.native.kept import (
    ANY_LIBRARY,
    call_identity,
    fits,
    layout_identity,
    machine_identity,
    processor_text,
    read_constants,
    read_images,
    system_identity,
)
from symdiff.ops.base import Library, Special
from symdiff.types import TensorType

if TYPE_CHECKING:
    from symdiff.optimize.program import Program, TensorProgram

SUPPORTS: dict[str, Callable[[], Code]] = {"interrupts": interrupts, "workspace": support}
KINDS: dict[str, Callable[[str], Import]] = {
    "library": Library,
    "special": Special,
    "vector": VectorLibrary,
    "blas": Blas,
}
"""What a module imports, by what a description calls it; beside these, C functions and what kernels share."""


def describe_kernel_code(kernel: Kernel, name: str = NATIVE) -> tuple[dict[str, Any], bytes]:
    """What is kept of a kernel's code for points, and of code of ours that it needs: a description, and bytes.

    `name` is that of what it is for, as `kept_target` takes it.

    Raises
    ------
    StorageError
        Where this machine's code cannot be kept, or the kernel's depends on this process; for other processors.
    """
    if not can_map():
        raise StorageError("machine code is kept on Linux only, and not on this one", hint="save it without code=True")
    kept = kept_target(name)
    module, statistics = kernel.written_for(kept.target)
    parts: list[tuple[str | None, str, int, tuple[str, ...]]] = [(None, module.text, kernel.opt, module.exports)]
    for shared, make in _supports(kernel, module).items():
        if make() is not None:
            text = jit.TEXTS[shared]
            parts.append((shared, text.ir, text.level, text.exports))
    images, data = [], []
    try:
        for label, ir, level, exports in parts:
            laid = lay_out(jit.object_code(ir, level, kept.target), exports)
            sizes = [len(laid.data), laid.start, laid.size, laid.writable]
            images.append([label, *sizes, laid.imports, laid.exports, laid.own])
            data.append(laid.data)
    except NoImage as error:
        raise StorageError(f"the machine code cannot be kept: {error}", hint="save it without code=True") from None
    tensors = isinstance(kernel, TensorKernel)
    plan = cast("TensorProgram", kernel.program).plan if tensors else None
    constants = [np.ascontiguousarray(a) for a in plan.constants] if plan is not None else []
    description = {
        "machine": machine_identity() if kept.is_own else system_identity("linux", kept.target.family, ANY_LIBRARY),
        "python": call_identity() if kept.is_own else layout_identity(),
        "features": processor_text() if kept.features is None else " ".join(sorted(kept.features)),
        "imports": [[symbol, *_written(what)] for symbol, what in module.imports],
        "statistics": list(_numbers(statistics)),
        "level": kernel.opt,
        "fails": kernel.may_fail,
        "constants": [[a.dtype.str, list(a.shape)] for a in constants],
        "tensors": tensors,
        "images": images,
    }
    return description, b"".join([*data, *(a.tobytes() for a in constants)])


def restore_kernel(
    description: Mapping[str, Any],
    data: memoryview,
    inputs: Sequence[TensorType],
    types: Sequence[TensorType],
    options: Options,
    program: Callable[[], Program | TensorProgram],
    code: Code | None = None,
) -> Kernel | None:
    """The kernel of code that was kept; None where anything about this machine is not as it was there.

    Parameters
    ----------
    program : gives what batches, which are compiled when they are first called, are compiled from.
    code : that of the kernel, where it is in use already.

    Raises
    ------
    StorageError
        For a description that is not one.
    """
    if not fits(description):
        return None
    image, rest = read_images(description, data)
    kind: type[Kernel] = TensorKernel if description.get("tensors") is True else Kernel
    if code is None:
        imports = [_import(*items(entry, "an import", 3)) for entry in items(description.get("imports"), "the imports")]
        named = Module("", tuple(imports), tuple(image.exports))
        try:
            code = MappedCode(image, named.addresses())
        except CompileError:  # a function is not there, or memory cannot be executed: who compiles says so
            return None
        if kind is TensorKernel:
            code = TensorCode(code, read_constants(description, rest))
    statistics = Statistics(*items(description.get("statistics"), "the statistics", len(Statistics.__slots__)))
    level = integer(description.get("level"), 0, 3, "the level")
    made = kind.of_code(code, statistics, level, inputs, types, options, cast("Callable[[], Program]", program))
    made.may_fail = description.get("fails") is True
    return made


def _supports(kernel: Kernel, module: Module) -> dict[str, Callable[[], Code | None]]:
    """What gives the code of ours that the kernel needs, by its name."""
    used: dict[str, Callable[[], Code | None]] = {"builtin": builtin_code, "pool": _pool_code}
    for name, make in SUPPORTS.items():
        if any(isinstance(what, Support) and what.code is make for _, what in module.imports):
            used[name] = make
    return used


def _pool_code() -> Code | None:
    found = pool()
    return None if found is None else found[0]._code


def _written(what: Import) -> tuple[str, str]:
    """What a module imports, as a kind and a name."""
    if isinstance(what, str):
        return "c", what
    if isinstance(what, Support):
        for label, code in SUPPORTS.items():
            if what.code is code:
                return label, what.name
    for label, kind in KINDS.items():
        if type(what) is kind:
            return label, getattr(what, "symbol", None) or what.name  # type: ignore[union-attr]  # BLAS has names
    raise StorageError(f"the machine code calls {what}, which is of this process", hint="save it without code=True")


def _import(symbol: Any, kind: Any, name: Any) -> tuple[str, Import]:
    if type(symbol) is not str or type(name) is not str:
        raise refuse("an import has no name")
    if kind == "c":
        return symbol, name
    if kind in SUPPORTS:
        return symbol, Support(name, SUPPORTS[kind])
    if kind in KINDS:
        return symbol, KINDS[kind](name)
    raise refuse("an import of another kind")


def _numbers(statistics: Statistics) -> list[Any]:
    found = [getattr(statistics, name) for name in Statistics.__slots__]
    if not all(isinstance(n, int) for n in found):
        raise StorageError("code for arrays of any size is not kept", hint="save f.specialize(…), which has one size")
    return found
