"""Machine code that was kept in a file: whether it is for this machine and this Python, and its pieces.

Code fits where the operating system and the C library are the same and the processor has all that the other had; code
that reads and makes objects of Python and NumPy, where these are the same, too.
"""

from __future__ import annotations

import ctypes
import functools
import math
import os
import platform
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symdiff.content import integer, items, refuse
from symdiff.loading import load_module
from symdiff.native.calls import python_identity
from symdiff.native.code import (
    LOOP,
    READY,
    SHARED,
    Code,
    Image,
    MappedCode,
    address_of,
    address_within,
    can_map,
    share,
)
from symdiff.version import VERSION

CPU = "/proc/cpuinfo"
FLAGS = b"\nflags"
SOME, LARGEST_RECORD = 2**12, 2**16
LARGEST_IMAGE = 2**32
LARGEST_COUNT = 2**62
OLDEST_LIBRARY, ANY_LIBRARY = (2, 28), "glibc from 2.28 on"
"""The version of the GNU C library from which on code for other systems is used: since then `sincos` gives the bits of
`sin` and `cos`."""

HARDWARE = {16: "hwcap", 26: "hwcap2"}
"""Entries of the vector that Linux gives each process, with bits for abilities of the processor (getauxval(3))."""

INTERFACE = 1
"""Counts up when kernels, the code that they share and records of builtins come to say other things to each other."""


@functools.cache
def c_library() -> tuple[str, ...]:
    """The C library of this process, by name and version."""
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "",)
    except (AttributeError, ValueError, OSError):
        return platform.system(), platform.release()


@functools.cache
def machine_identity() -> list[str]:
    """What has to be the same, beside the processor's abilities, for code that was made for this system."""
    return system_identity(sys.platform, _machine(), c_library()[0])


def system_identity(system: str, family: str, library: str) -> list[str]:
    """The same for a processor's family, and a C library by its name and version, or `ANY_LIBRARY`.

    NumPy's version says how many operands a function of its has.
    """
    return [VERSION, system, family, library, "numpy " + np.__version__.partition(".")[0]]


@functools.cache
def identity_of_any() -> list[str]:
    """What has to be the same for code that was made for any system with this kind of processor; empty for none."""
    library, _, version = c_library()[0].partition(" ")
    new = library == "glibc" and version_of(version) >= OLDEST_LIBRARY
    return system_identity(sys.platform, _machine(), ANY_LIBRARY) if new else []


def version_of(text: str) -> tuple[int, ...]:
    """A version as numbers, such as (2, 36)."""
    return tuple([int(part) for part in text.split(".")[:2] if part.isdecimal()])


def _machine() -> str:
    return os.uname().machine if hasattr(os, "uname") else platform.machine()


@functools.cache
def call_identity() -> list[Any]:
    """What has to be the same for code that knows Python; empty where there is none."""
    found = python_identity()
    return [INTERFACE, *found] if found else []


@functools.cache
def layout_identity() -> list[Any]:
    """The same where code comes from another machine, whose versions may be others: where it finds what is in objects.

    Objects of this process were looked at; empty where they are not as they should be.
    """
    found = load_module("symdiff.native.objects").object_layout()
    return [INTERFACE, "places", *found] if found else []


@functools.cache
def processor_text() -> str:
    """What this processor can do, as the system tells it; nothing where it does not say."""
    if _machine() != "x86_64":
        return " ".join(sorted(_hardware()))
    text = b""
    try:
        with open(CPU, "rb", buffering=0) as stream:
            while len(text) < LARGEST_RECORD and (more := stream.read(SOME)):  # of the first processor
                text += more
                start = text.find(FLAGS)
                end = text.find(b"\n", start + 1)
                if 0 <= start < end:
                    return text[start:end].decode("ascii", "replace").partition(":")[2].strip()
    except OSError:
        pass
    return ""


def processor_features() -> frozenset[str]:
    """The same, by the names of its abilities."""
    return frozenset(processor_text().split())


def _hardware() -> frozenset[str]:
    """The bits that the system gives each process for the processor's abilities, by their numbers."""
    try:
        read = ctypes.CDLL(None).getauxval
    except (AttributeError, OSError, TypeError):
        return frozenset()
    read.argtypes, read.restype = [ctypes.c_ulong], ctypes.c_ulong
    found = [(name, read(entry)) for entry, name in HARDWARE.items()]
    return frozenset(f"{name}_{bit}" for name, bits in found for bit in range(64) if bits >> bit & 1)


def fits(description: Mapping[str, Any]) -> bool:
    """Whether code that was kept is for this machine.

    Raises
    ------
    StorageError
        For a description that is not one.
    """
    known = description.get("machine")
    if not can_map() or not known or not (known == machine_identity() or known == identity_of_any()):
        return False
    needed = description.get("features")
    if type(needed) is not str:
        needed = " ".join(map(str, items(needed, "the features of the processor")))
    if not needed.strip():  # who wrote it did not know
        return False
    return needed == processor_text() or processor_features().issuperset(needed.split())


def fitting(description: Mapping[str, Any], data: memoryview) -> tuple[Mapping[str, Any], memoryview]:
    """Of the descriptions of code in a file, with their bytes, the first that fits this machine; else the first."""
    start = 0
    every = [description, *items(description.get("others", []), "the code for other processors")]
    for each in every if len(every) > 1 else ():
        end = start + integer(each.get("own"), 0, len(data) - start, "the length of a processor's code")
        if fits(each):
            return each, data[start:end]
        start = end
    return description, data


def knows_this_python(description: Mapping[str, Any]) -> bool:
    """Whether code that reads and makes objects of Python may be used."""
    given = description.get("python")
    if not given:
        return False
    return bool(given == call_identity() or given == layout_identity())


def read_images(description: Mapping[str, Any], data: memoryview) -> tuple[Image, memoryview]:
    """The image of the kernel, and the data behind the images; the others lie ready from now on where they may.

    Raises
    ------
    StorageError
        For a description that is not one.
    """
    found: list[tuple[Any, Image]] = []
    at = 0
    for entry in items(description.get("images"), "the images"):
        name, length, start, size, writable, imports, exports, own = items(entry, "an image", 8)
        end = at + integer(length, 0, len(data) - at, "the length of an image")
        integer(size, length, LARGEST_IMAGE, "the size of an image")
        integer(writable, 0, size, "a place in an image")
        integer(start, max(0, length - (size - writable)), min(length, writable), "the length of an image's beginning")
        places = (*imports.values(), *own)
        for place in (*places, *exports.values()):
            integer(place, 0, size - 1, "a place in an image")
        if any(place > size - 8 for place in places):
            raise refuse("an address behind the end of an image")
        found.append((name, Image(data[at:end], start, size, writable, imports, exports, tuple(own))))
        at = end
    if not found or LOOP not in found[0][1].exports:
        raise refuse("there is no image of a kernel")
    if knows_this_python(description):
        for name, image in found[1:]:
            READY.setdefault(str(name), image)
    return found[0][1], data[at:]


def read_constants(description: Mapping[str, Any], data: memoryview) -> list[np.ndarray[Any, Any]]:
    """The constant arrays of code for arrays.

    Raises
    ------
    StorageError
        For a description that has none.
    """
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


@functools.cache
def mathematics() -> Any:
    """The C mathematics library of Linux with glibc.

    Raises
    ------
    OSError
        Where there is none.
    """
    return ctypes.CDLL("libm.so.6")


def c_address(name: str) -> int:
    """The address of a function of the C library; 0 where there is none."""
    try:
        return address_within(mathematics(), name) or address_of(name)
    except OSError:
        return address_of(name)


@functools.cache
def _vector_mathematics() -> Any:
    return ctypes.CDLL("libmvec.so.1") if sys.platform == "linux" and _machine() == "x86_64" else None


def vector_address(name: str) -> int:
    """The address of a function of glibc's libmvec; 0 where there is none."""
    try:
        library = _vector_mathematics()
    except OSError:
        return 0
    return 0 if library is None else address_within(library, name)


def blas_routine(name: str) -> int:
    """The address of a routine of SciPy's BLAS or LAPACK."""
    return int(load_module("symdiff.native.lapack").blas_address(name))


KINDS = {"library": c_address, "c": c_address, "vector": vector_address, "blas": blas_routine}
"""What gives the addresses of what kernels import, by what a description calls it."""


def addresses_of(imports: Any, shared: Mapping[str, Callable[[], Code | None]]) -> dict[str, int] | None:
    """The addresses of what a kernel imports; None where some of it has to be looked for otherwise, or compiled.

    `shared` gives the code of ours by its name.
    """
    found = {}
    for entry in items(imports, "the imports"):
        symbol, kind, name = items(entry, "an import", 3)
        if type(symbol) is not str or type(name) is not str:
            raise refuse("an import has no name")
        if kind in shared:
            code = shared[kind]()
            if code is None:
                return None
            found[symbol] = code[name]
        elif kind in KINDS:
            found[symbol] = KINDS[kind](name)
        else:
            return None
    return found if all(found.values()) else None


def ready_code(name: str, addresses: Mapping[str, int] | None = None, prepare: Any = None) -> Code | None:
    """Code that kernels share, where it is there already or lies ready; None where it has to be compiled.

    `addresses` are those of what it imports, C functions where they are None; `prepare` is called with new code.
    """
    if name in SHARED:
        return SHARED[name]
    image = READY.get(name)
    if image is None:
        return None
    known = {symbol: c_address(symbol) for symbol in image.imports} if addresses is None else addresses
    if not all(known.get(symbol) for symbol in image.imports):
        return None

    def make() -> Code:
        code = MappedCode(image, known)
        if prepare is not None:
            prepare(code)
        return code

    return share(name, make)
