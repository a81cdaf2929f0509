"""Kernels whose machine code was kept: what is written of a kernel, and the kernel that is made of that.

What is kept fits where the operating system, the C library, the Python and NumPy's C API are the same and the processor
has all that the other had; the formula itself need not be looked at.
"""

from __future__ import annotations

import functools
import math
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from symdiff.codegen import image, jit
from symdiff.codegen.builtin_code import builtin_code
from symdiff.codegen.cache import c_library
from symdiff.codegen.image import Code, Image, MappedCode, NoImage, can_map, lay_out
from symdiff.codegen.interrupts import interrupts
from symdiff.codegen.kernel import Kernel, Options
from symdiff.codegen.layout import LOOP
from symdiff.codegen.module import Import, Module, Statistics, Support
from symdiff.codegen.recycling import pool
from symdiff.codegen.tensors.blas import Blas
from symdiff.codegen.tensors.kernel import TensorCode, TensorKernel
from symdiff.codegen.tensors.workspace import support
from symdiff.codegen.vector_math import VectorLibrary
from symdiff.content import integer, items, refuse, shown
from symdiff.errors import StorageError
from symdiff.ops.base import Library, Special
from symdiff.types import TensorType
from symdiff.version import VERSION

if TYPE_CHECKING:
    from symdiff.codegen.target import Target
    from symdiff.optimize.program import Program, TensorProgram

CPU = "/proc/cpuinfo"
NATIVE = "native"
LEVELS = {
    "x86-64": "fpu cmov cx8 fxsr mmx syscall sse sse2",
    "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
    "x86-64-v3": "abm avx avx2 bmi1 bmi2 f16c fma movbe xsave",
    "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
}
"""The levels of x86-64 (System V ABI, AMD64 supplement, §3.1.1), and what the system says of a processor that has what
each adds to those before."""
LARGEST_IMAGE = 2**32
SUPPORTS: dict[str, Callable[[], Code]] = {"interrupts": interrupts, "workspace": support}
KINDS: dict[str, Callable[[str], Import]] = {
    "library": Library,
    "special": Special,
    "vector": VectorLibrary,
    "blas": Blas,
}
"""What a module imports, by what a description calls it; beside these, C functions and what kernels share."""


def describe_kernel_code(kernel: Kernel, processor: str = NATIVE) -> tuple[dict[str, Any], bytes]:
    """What is kept of a kernel's code for points, and of code of ours that it needs: a description, and bytes.

    `processor` is "native", this machine's, or a level of x86-64.

    Raises
    ------
    StorageError
        Where this machine's code cannot be kept, or the kernel's depends on this process; for other processors.
    """
    if not can_map():
        raise StorageError("machine code is kept on Linux for x86-64 only", hint="save it without code=True")
    target = kept_target(processor)
    module = kernel.module_for(target)
    used = [code for make in _supports(kernel, module) if (code := make()) is not None]
    parts: list[tuple[str | None, str, int, tuple[str, ...]]] = [(None, module.text, kernel.opt, module.exports)]
    parts += [
        (jit.ready_key(one.ir, one.level), one.ir, one.level, one.exports)
        for one in jit.SHARED
        if any(one.code is code for code in used)
    ]
    images, data = [], []
    try:
        for key, ir, level, exports in parts:
            laid = lay_out(jit.object_code(ir, level, (target.cpu, target.features)), exports)
            images.append([key, len(laid.data), laid.size, laid.writable, laid.imports, laid.exports, laid.own])
            data.append(laid.data)
    except NoImage as error:
        raise StorageError(f"the machine code cannot be kept: {error}", hint="save it without code=True") from None
    tensors = isinstance(kernel, TensorKernel)
    plan = cast("TensorProgram", kernel.program).plan if tensors else None
    constants = [np.ascontiguousarray(a) for a in plan.constants] if plan is not None else []
    description = {
        "machine": machine_identity(),
        "features": sorted(processor_features() if processor == NATIVE else level_features(processor)),
        "imports": [[symbol, *_written(what)] for symbol, what in module.imports],
        "statistics": list(_numbers(kernel.statistics)),
        "level": kernel.opt,
        "fails": kernel.may_fail,
        "constants": [[a.dtype.str, list(a.shape)] for a in constants],
        "tensors": tensors,
        "images": images,
    }
    return description, b"".join([*data, *(a.tobytes() for a in constants)])


def kept_target(processor: str) -> Target:
    """The target of code that is kept for processes as this one on a processor.

    Raises
    ------
    StorageError
        For a processor that no code is kept for.
    """
    from dataclasses import replace

    from symdiff.codegen.target import Target

    host = Target.host()
    if processor == NATIVE:
        return host
    if processor not in LEVELS:
        raise StorageError(
            f"no machine code is kept for {shown(processor)}: it is for Linux on x86-64",
            hint=f"one of {', '.join([NATIVE, *LEVELS])}; wherever no code fits, load compiles",
        )
    level = Target.of(cpu=processor)
    return replace(host, cpu=processor, features="", lanes=level.lanes, has_fma=level.has_fma)


def level_features(level: str) -> list[str]:
    """What a processor has of a level of x86-64, as the system names it."""
    names = list(LEVELS)
    return " ".join([LEVELS[name] for name in names[: names.index(level) + 1]]).split()


def fits(description: Mapping[str, Any]) -> bool:
    """Whether code that was kept is for this machine.

    Raises
    ------
    StorageError
        For a description that is not one.
    """
    if not can_map() or description.get("machine") != machine_identity():
        return False
    needed = items(description.get("features"), "the features of the processor")
    return processor_features().issuperset(map(str, needed))


def restore_kernel(
    description: Mapping[str, Any],
    data: memoryview,
    inputs: Sequence[TensorType],
    types: Sequence[TensorType],
    options: Options,
    program: Callable[[], Program | TensorProgram],
) -> Kernel | None:
    """The kernel of code that was kept; None where anything about this machine is not as it was there.

    Parameters
    ----------
    program : gives what batches, which are compiled when they are first called, are compiled from.

    Raises
    ------
    StorageError
        For a description that is not one.
    """
    if not fits(description):
        return None
    found, rest = _images(description, data)
    for key, ready in found[1:]:
        image.READY.setdefault(str(key), ready)
    imports = [_import(*items(entry, "an import", 3)) for entry in items(description.get("imports"), "the imports")]
    own = found[0][1]
    named = Module("", tuple(imports), tuple(own.exports))
    code: Code = MappedCode(own, named.addresses())
    kind: type[Kernel] = Kernel
    if description.get("tensors") is True:
        kind, code = TensorKernel, TensorCode(code, _constants(description, rest))
    statistics = Statistics(*items(description.get("statistics"), "the statistics", len(Statistics.__slots__)))
    level = integer(description.get("level"), 0, 3, "the level")
    made = kind.of_code(code, statistics, level, inputs, types, options, cast("Callable[[], Program]", program))
    made.may_fail = description.get("fails") is True
    return made


def _images(description: Mapping[str, Any], data: memoryview) -> tuple[list[tuple[Any, Image]], memoryview]:
    """The images, each with its key, and the data behind them."""
    found: list[tuple[Any, Image]] = []
    at = 0
    for entry in items(description.get("images"), "the images"):
        key, length, size, writable, imports, exports, own = items(entry, "an image", 7)
        end = at + integer(length, 0, len(data) - at, "the length of an image")
        integer(size, length, LARGEST_IMAGE, "the size of an image")
        integer(writable, 0, size, "a place in an image")
        places = (*imports.values(), *own)
        for place in (*places, *exports.values()):
            integer(place, 0, size - 1, "a place in an image")
        if any(place > size - 8 for place in places):
            raise refuse("an address behind the end of an image")
        found.append((key, Image(bytes(data[at:end]), size, writable, imports, exports, tuple(own))))
        at = end
    if not found or LOOP not in found[0][1].exports:
        raise refuse("there is no image of a kernel")
    return found, data[at:]


def _constants(description: Mapping[str, Any], data: memoryview) -> list[np.ndarray[Any, Any]]:
    made, at = [], 0
    for entry in items(description.get("constants"), "the constants of the code"):
        dtype, shape = items(entry, "a constant", 2)
        sizes = [integer(n, 0, LARGEST_IMAGE, "a size") for n in items(shape, "a shape")]
        end = at + np.dtype(dtype).itemsize * math.prod(sizes)
        if end > len(data):
            raise refuse("a constant of the code is cut off")
        made.append(np.frombuffer(data[at:end], dtype).reshape(sizes))
        at = end
    return made


def _supports(kernel: Kernel, module: Module) -> list[Callable[[], Code | None]]:
    """What gives the code of ours that the kernel needs."""
    used: list[Callable[[], Code | None]] = [builtin_code, _pool_code]
    for _, what in module.imports:
        if isinstance(what, Support) and what.code not in used:
            used.append(what.code)
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


@functools.cache
def machine_identity() -> list[str]:
    """What has to be the same, beside the processor's abilities."""
    return [VERSION, sys.platform, platform.machine(), *c_library()]


@functools.cache
def processor_features() -> frozenset[str]:
    """What this processor can do, as the system names it; nothing where it does not say."""
    try:
        with open(CPU, encoding="ascii", errors="replace") as stream:
            for line in stream:
                if line.startswith("flags"):
                    return frozenset(line.partition(":")[2].split())
    except OSError:
        pass
    return frozenset()
