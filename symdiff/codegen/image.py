"""Machine code that lies ready: an object file laid out as one piece of memory, and such pieces mapped into a process.

A piece has no addresses in it but those in its table, which are filled in where it is mapped: so it can be kept, and
used without LLVM. Objects are ELF for x86-64 (System V ABI, AMD64 supplement 1.0, §4.4: relocation types).
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from symdiff.codegen.status import machine
from symdiff.dataclass import dataclass
from symdiff.errors import CompileError

ELF = b"\x7fELF\x02\x01\x01"
RELOCATABLE, X86_64 = 1, 62
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQq")
SYMBOLS, RELOCATIONS, WITHOUT_BITS = 2, 4, 8
"""Types of sections."""
WRITE, ALLOCATE = 1, 2
"""Flags of sections."""
ADDRESS, RELATIVE, CALL, TABLE = (1,), (2,), (4,), (9, 41, 42)
"""Types of relocations: R_X86_64_64; PC32; PLT32; GOTPCREL, GOTPCRELX and REX_GOTPCRELX."""

PAGE = 4096
STUB = bytes.fromhex("ff25000000006690")
"""`jmp *distance(%rip)`, the distance to be filled in, and `xchg %ax, %ax`."""


class NoImage(Exception):
    """An object has something in it that no image can have; it is linked by LLVM instead."""


class NoExecution(CompileError):
    """The system does not let a process execute memory that it wrote."""


@dataclass(frozen=True, slots=True)
class Image:
    """Machine code as one piece of memory, wherever that is.

    Attributes
    ----------
    data : its contents; behind them are zeros.
    size : bytes that it takes in memory.
    writable : the place, at a page, from where on it may write.
    imports : symbol → place in the table for its address.
    exports : symbol → place.
    own : places of addresses of the image itself, where the distance from its beginning stands.
    """

    data: bytes
    size: int
    writable: int
    imports: dict[str, int]
    exports: dict[str, int]
    own: tuple[int, ...]


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

    __slots__ = ("_base", "_exports", "_memory")

    def __init__(self, image: Image, addresses: Mapping[str, int]) -> None:
        """Map an image; `addresses` are those of what it imports.

        Raises
        ------
        NoExecution
            Where the system lets no memory be executed.
        """
        size = -(-image.size // PAGE) * PAGE
        # private: what a kernel keeps in it is not the one of a process that forked
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory[: len(image.data)] = image.data
        base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        for symbol, place in image.imports.items():
            struct.pack_into("<Q", memory, place, addresses[symbol])
        for place in image.own:
            (distance,) = struct.unpack_from("<Q", memory, place)
            struct.pack_into("<Q", memory, place, base + distance)
        if base % PAGE or _protect()(base, image.writable, mmap.PROT_READ | mmap.PROT_EXEC):
            raise NoExecution("the system does not let this process execute memory that it wrote")
        self._memory, self._base, self._exports = memory, base, image.exports
        self.bytes = size

    def __getitem__(self, symbol: str) -> int:
        """The address of an exported symbol."""
        return self._base + self._exports[symbol]


READY: dict[str, Image] = {}
"""Images of code that all kernels share, by the digest of what need not be compiled for them."""


def can_map() -> bool:
    """Whether images can be used on this machine."""
    return sys.platform == "linux" and machine() == "x86_64" and mmap.PAGESIZE == PAGE


@functools.cache
def _protect() -> Any:
    function = ctypes.CDLL(None).mprotect
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return function


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


def lay_out(code: bytes, exports: tuple[str, ...]) -> Image:
    """The image of an object file.

    Raises
    ------
    NoImage
        Where it is for another machine, or needs what no image has.
    """
    try:
        return _laid_out(code, exports)
    except (struct.error, IndexError, ValueError) as error:
        raise NoImage(f"the object is damaged: {error}") from error


def _laid_out(code: bytes, exports: tuple[str, ...]) -> Image:
    if code[: len(ELF)] != ELF:
        raise NoImage("not an ELF file of 64 bits")
    _, kind, target, *rest = HEADER.unpack_from(code)
    if (kind, target) != (RELOCATABLE, X86_64):
        raise NoImage("not a relocatable file for x86-64")
    start, count = rest[3], rest[9]
    sections = []
    for k in range(count):
        _, kind, flags, _, offset, size, link, info, align, _ = SECTION.unpack_from(code, start + k * SECTION.size)
        sections.append(_Section(kind, flags, offset, size, link, info, align))
    return _Layout(code, sections).image(exports)


class _Layout:
    """Where the parts of an object go: sections, then stubs and the table, then from a page on what is written to."""

    def __init__(self, code: bytes, sections: list[_Section]) -> None:
        self.code, self.sections = code, sections
        self.places: dict[int, int] = {}
        self.memory = bytearray()
        self.own: list[int] = []
        self.symbols = list(self._symbols())
        self.relocations = list(self._relocations())
        self.outside: dict[str, int] = {}
        """Symbol that is not in here → its place in the table."""
        self.inside: dict[int, int] = {}
        """Number of a symbol in here that is read through the table → its place there."""
        self.stubs: dict[str, int] = {}

    def _symbols(self) -> Iterator[tuple[str, int, int]]:
        """Name, section and value of each symbol."""
        for section in self.sections:
            if section.kind == SYMBOLS:
                names = self.sections[section.link].offset
                for at in range(section.offset, section.offset + section.size, SYMBOL.size):
                    name, _, _, where, value, _ = SYMBOL.unpack_from(self.code, at)
                    end = self.code.index(b"\0", names + name)
                    yield self.code[names + name : end].decode(), where, value

    def _relocations(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Section, place in it, type, number of the symbol and addend of each."""
        for section in self.sections:
            if section.kind == RELOCATIONS and self.sections[section.info].flags & ALLOCATE:
                for at in range(section.offset, section.offset + section.size, RELOCATION.size):
                    offset, info, addend = RELOCATION.unpack_from(self.code, at)
                    yield section.info, offset, info & 0xFFFFFFFF, info >> 32, addend

    def image(self, exports: tuple[str, ...]) -> Image:
        """The whole.

        Raises
        ------
        NoImage
            Where a relocation is of another type, or a symbol nowhere.
        """
        self._place(writes=False)
        self._make_table()
        self._align(PAGE)
        writable = len(self.memory)
        self._place(writes=True)
        for index, place in self.inside.items():
            self._refer(place, self._place_of(index))
        for section, offset, kind, index, addend in self.relocations:
            self._relocate(self.places[section] + offset, kind, index, addend)
        found = {name: self._place_of(k) for k, (name, _, _) in enumerate(self.symbols) if name in exports}
        if len(found) != len(set(exports)):
            raise NoImage("a symbol is not defined")
        size = len(self.memory)
        return Image(bytes(self.memory).rstrip(b"\0"), size, writable, self.outside, found, tuple(self.own))

    def _place(self, writes: bool) -> None:
        for k, section in enumerate(self.sections):
            if section.flags & ALLOCATE and bool(section.flags & WRITE) == writes:
                self._align(max(1, section.align))
                self.places[k] = len(self.memory)
                content = self.code[section.offset : section.offset + section.size]
                self.memory += bytes(section.size) if section.kind == WITHOUT_BITS else content

    def _make_table(self) -> None:
        self._align(8)
        for _, _, kind, index, _ in self.relocations:
            name, where, _ = self.symbols[index]
            if where and kind in TABLE and index not in self.inside:
                self.inside[index] = len(self.memory)
                self.memory += bytes(8)
            elif not where and name not in self.outside:
                self.outside[name] = len(self.memory)
                self.memory += bytes(8)
        for name, entry in self.outside.items():
            self.stubs[name] = len(self.memory)
            self.memory += STUB
            self._distance(self.stubs[name] + 2, entry - 4)

    def _align(self, to: int) -> None:
        self.memory += bytes(-len(self.memory) % to)

    def _place_of(self, index: int) -> int:
        name, where, value = self.symbols[index]
        if where not in self.places:
            raise NoImage(f"{name or 'a symbol'} is in no section")
        return self.places[where] + value

    def _relocate(self, place: int, kind: int, index: int, addend: int) -> None:
        name, where, _ = self.symbols[index]
        if kind in TABLE:
            self._distance(place, (self.inside[index] if where else self.outside[name]) + addend)
        elif kind in CALL and not where:
            self._distance(place, self.stubs[name] + addend)
        elif kind in CALL or (kind in RELATIVE and where):
            self._distance(place, self._place_of(index) + addend)
        elif kind in ADDRESS and where:
            self._refer(place, self._place_of(index) + addend)
        else:
            raise NoImage(f"{name or 'a symbol'} is referred to by a relocation of type {kind}")

    def _refer(self, place: int, target: int) -> None:
        struct.pack_into("<Q", self.memory, place, target)
        self.own.append(place)

    def _distance(self, place: int, target: int) -> None:
        struct.pack_into("<i", self.memory, place, target - place)
