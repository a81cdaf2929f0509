"""Machine code that lies ready: pieces without addresses, mapped into a process, and those that all kernels share.

A piece has no addresses in it but those in its table, which are filled in where it is mapped: so it can be kept, and
used without LLVM.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from symdiff.errors import CompileError

_look_up: Any = None
with suppress(ImportError):
    from _ctypes import dlsym as _look_up  # what `ctypes` looks up by, and makes an object of

LOOP = "k"
"""The symbol of a kernel's loop, which takes the operands."""

CACHES_APART = {"x86_64": False, "aarch64": True, "riscv64": True}
"""For the families of processors that code can be mapped for: whether instructions are read through a cache of their
own, which has to be told of new code."""

READ, WRITE, EXECUTE = 1, 2, 4
"""Rights of memory, as `mmap` and `mprotect` count them."""

PRIVATE, ANONYMOUS = 2, 32
"""Flags of `mmap` on Linux."""


class NoExecution(CompileError):
    """The system does not let a process execute memory that it wrote."""


class Image:
    """Machine code as one piece of memory, wherever that is.

    Attributes
    ----------
    data : its contents; what lies behind or between them is zeros.
    size : bytes that it takes in memory.
    start : how many bytes of `data` are its beginning; the others lie from `writable` on.
    writable : the place, at a page, from where on it may write.
    imports : symbol → place in the table for its address.
    exports : symbol → place.
    own : places of addresses of the image itself, where the distance from its beginning stands.
    """

    __slots__ = ("data", "exports", "imports", "own", "size", "start", "writable")

    def __init__(
        self,
        data: Any,
        start: int,
        size: int,
        writable: int,
        imports: Mapping[str, int],
        exports: Mapping[str, int],
        own: tuple[int, ...],
    ) -> None:
        self.data, self.start, self.size, self.writable = data, start, size, writable
        self.imports, self.exports, self.own = imports, exports, own


class Code:
    """Machine code in this process; it goes when this object goes.

    Attributes
    ----------
    bytes : about how much memory it takes.
    """

    __slots__ = ("__weakref__", "bytes")
    bytes: int

    def __getitem__(self, symbol: str) -> int:
        """The address of an exported symbol."""
        raise NotImplementedError


class MappedCode(Code):
    """The code of an image."""

    __slots__ = ("_base", "_exports", "_unmap")

    def __init__(self, image: Image, addresses: Mapping[str, int]) -> None:
        """Map an image; `addresses` are those of what it imports.

        Raises
        ------
        NoExecution
            Where the system lets no memory be executed.
        OSError
            Where it has no memory.
        """
        map_memory, protect, unmap = _system()
        page = page_size()
        size = -(-image.size // page) * page
        # private: what a kernel keeps in it is not the one of a process that forked
        base = map_memory(None, size, READ | WRITE, PRIVATE | ANONYMOUS, -1, 0)
        if base in (None, ctypes.c_size_t(-1).value):
            raise OSError("no memory could be mapped")
        self._base, self._exports, self.bytes, self._unmap = base, image.exports, size, unmap
        data = bytes(image.data)
        ctypes.memmove(base, data, image.start)
        if len(data) > image.start:
            ctypes.memmove(base + image.writable, data[image.start :], len(data) - image.start)
        word = ctypes.c_uint64.from_address
        for symbol, place in image.imports.items():
            word(base + place).value = addresses[symbol]
        for place in image.own:
            word(base + place).value += base
        if image.writable % page or protect(base, image.writable, READ | EXECUTE):
            raise NoExecution("the system does not let this process execute memory that it wrote")
        if CACHES_APART[os.uname().machine]:
            _clear_cache()(base, base + image.writable)

    def __getitem__(self, symbol: str) -> int:
        """The address of an exported symbol."""
        return int(self._base + self._exports[symbol])

    def __del__(self) -> None:
        if hasattr(self, "_unmap"):
            self._unmap(self._base, self.bytes)


CONSTANTS, REPORT, RELEASE = "constants", "report", "release"
"""The table of constant arrays; where the address of what takes reports stands; what frees the memory it keeps."""

failures = threading.local()
"""`failures.first` is what the first failure of a call in this thread reported, or None: C raises nothing."""


def _note(code: int, index: int, size: int) -> None:
    """Called by native code, in the thread of the call that fails."""
    if getattr(failures, "first", None) is None:
        failures.first = code, index, size


@functools.cache
def _report() -> Any:
    """What native code calls where it fails."""
    return ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)(_note)


class TensorCode(Code):
    """Machine code with constant arrays and memory of its own, which goes when this object goes."""

    __slots__ = ("_arrays", "_code", "_release")

    def __init__(self, code: Code, constants: Sequence[object]) -> None:
        self._code = code
        self._arrays = [np.ascontiguousarray(a) for a in constants]
        self.bytes = code.bytes + sum(a.nbytes for a in self._arrays)
        self._release = process_function_at(code[RELEASE])
        table = (ctypes.c_void_p * max(1, len(self._arrays))).from_address(code[CONSTANTS])
        for k, array in enumerate(self._arrays):
            table[k] = array.ctypes.data
        ctypes.c_void_p.from_address(code[REPORT]).value = address_in(_report())

    def __getitem__(self, symbol: str) -> int:
        """The address of an exported symbol."""
        return self._code[symbol]

    def __del__(self) -> None:
        release = getattr(self, "_release", None)
        if release is not None:
            release()


READY: dict[str, Image] = {}
"""Images of code that all kernels share, by its name; nothing is compiled for what has one."""

SHARED: dict[str, Code] = {}
"""Code that all kernels share and that is never dropped: what holds its addresses may outlive this module at exit."""


def share(name: str, make: Callable[[], Code]) -> Code:
    """The shared code of a name, which is made once in a process."""
    code = SHARED.get(name)
    if code is None:
        code = SHARED.setdefault(name, make())
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(code))
    return code


def can_map() -> bool:
    """Whether images can be used on this machine."""
    apart = CACHES_APART.get(os.uname().machine) if sys.platform == "linux" and sys.maxsize > 2**32 else None
    return apart is not None and (not apart or _clear_cache() is not None)


@functools.cache
def page_size() -> int:
    """Bytes of a page of this system's memory."""
    return os.sysconf("SC_PAGE_SIZE")


@functools.cache
def _clear_cache() -> Any:
    """What makes a processor see new code, by its first address and the one behind it: GCC's; None where it is not."""
    try:
        clear = ctypes.CDLL("libgcc_s.so.1").__clear_cache
    except (OSError, AttributeError):
        return None
    clear.argtypes, clear.restype = [ctypes.c_void_p, ctypes.c_void_p], None
    return clear


@functools.cache
def _system() -> tuple[Any, Any, Any]:
    """`mmap`, `mprotect` and `munmap`. Python's module of the name takes longer to load than all the rest here."""
    address, size, integer = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    return (
        process_function("mmap", address, address, size, integer, integer, integer, ctypes.c_ssize_t),
        process_function("mprotect", integer, address, size, integer),
        process_function("munmap", integer, address, size),
    )


def address_of(name: str) -> int:
    """The address of a function of Python, or of a library that it is linked to; 0 where there is none."""
    return address_within(ctypes.pythonapi, name)


def address_within(library: ctypes.CDLL, name: str) -> int:
    """The address of a function of a library; 0 where there is none."""
    try:
        return _look_up(library._handle, name) if _look_up is not None else address_in(library[name])
    except (AttributeError, OSError):
        return 0


def address_in(function: Any) -> int:
    """The address that a function of `ctypes` holds."""
    return int(ctypes.c_size_t.from_buffer(function).value)


def process_function(name: str, result: Any, *takes: Any) -> Any:
    """A function of Python, or of a library that it is linked to, which is called with Python's lock held.

    It is a new object of an old class, which takes a fifth of the time of a prototype.
    """
    function = ctypes.pythonapi[name]
    function.restype, function.argtypes = result, takes
    return function


def process_function_at(address: int) -> Any:
    """The same of an address, without arguments."""
    function = type(ctypes.pythonapi.Py_IncRef)(address)
    function.restype = None
    return function
