"""An object file laid out as one piece of memory, which is mapped or kept: what a linker does, for a single object.

Objects are ELF of 64 bits, for the processors in `architectures`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from symdiff.codegen.architectures import ADDRESS, ARCHITECTURES, CALL, REST, TABLE, Architecture
from symdiff.dataclass import dataclass
from symdiff.native.code import Image

ELF = b"\x7fELF\x02\x01\x01"
RELOCATABLE = 1
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
RELOCATION = struct.Struct("<QQq")
SYMBOLS, RELOCATIONS, WITHOUT_BITS = 2, 4, 8
"""Types of sections."""
WRITE, ALLOCATE = 1, 2
"""Flags of sections."""


class NoImage(Exception):
    """An object has something in it that no image can have; it is linked by LLVM instead."""


@dataclass(frozen=True, slots=True)
class _Section:
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


def lay_out(code: bytes, exports: tuple[str, ...], page: int | None = None) -> Image:
    """The image of an object file, for systems with pages of so many bytes; None: for all.

    Raises
    ------
    NoImage
        Where it is for another machine, or needs what no image has.
    """
    try:
        return _laid_out(code, exports, page)
    except (struct.error, LookupError, ValueError, OverflowError) as error:
        raise NoImage(f"the object is damaged: {error}") from error


def _laid_out(code: bytes, exports: tuple[str, ...], page: int | None) -> Image:
    if code[: len(ELF)] != ELF:
        raise NoImage("not an ELF file of 64 bits")
    _, kind, target, *rest = HEADER.unpack_from(code)
    if kind != RELOCATABLE or target not in ARCHITECTURES:
        names = " or ".join(each.family for each in ARCHITECTURES.values())
        raise NoImage(f"not a relocatable file for {names}")
    architecture = ARCHITECTURES[target]
    start, count = rest[3], rest[9]
    sections = []
    for k in range(count):
        _, kind, flags, _, offset, size, link, info, align, _ = SECTION.unpack_from(code, start + k * SECTION.size)
        sections.append(_Section(kind, flags, offset, size, link, info, align))
    return _Layout(code, sections, architecture).image(exports, page or architecture.page)


class _Layout:
    """Where the parts of an object go: sections, then stubs and the table, then from a page on what is written to."""

    def __init__(self, code: bytes, sections: list[_Section], architecture: Architecture) -> None:
        self.code, self.sections, self.architecture = code, sections, architecture
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
        self.reached: dict[int, int] = {}
        """Place of what refers → what it refers to."""

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

    def image(self, exports: tuple[str, ...], page: int) -> Image:
        """The whole.

        Raises
        ------
        NoImage
            Where a relocation is of another type, or a symbol nowhere.
        """
        self._place(writes=False)
        self._make_table()
        self._align(page)
        writable = len(self.memory)
        self._place(writes=True)
        for index, place in self.inside.items():
            self._refer(place, self._place_of(index))
        for section, offset, kind, index, addend in sorted(
            self.relocations, key=lambda each: self._asked(each[2]) == REST
        ):
            self._relocate(self.places[section] + offset, kind, index, addend)
        found = {name: self._place_of(k) for k, (name, _, _) in enumerate(self.symbols) if name in exports}
        if len(found) != len(set(exports)):
            raise NoImage("a symbol is not defined")
        start, rest = bytes(self.memory[:writable]).rstrip(b"\0"), bytes(self.memory[writable:]).rstrip(b"\0")
        own = tuple(self.own)
        return Image(start + rest, len(start), len(self.memory), writable, self.outside, found, own)

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
            if where and self._asked(kind) == TABLE and index not in self.inside:
                self.inside[index] = len(self.memory)
                self.memory += bytes(8)
            elif not where and name not in self.outside:
                self.outside[name] = len(self.memory)
                self.memory += bytes(8)
        for name, entry in self.outside.items():
            self.stubs[name] = len(self.memory)
            self.memory += self.architecture.stub
            self.architecture.put_stub(self.memory, self.stubs[name], entry)

    def _align(self, to: int) -> None:
        self.memory += bytes(-len(self.memory) % to)

    def _place_of(self, index: int) -> int:
        name, where, value = self.symbols[index]
        if where not in self.places:
            raise NoImage(f"{name or 'a symbol'} is in no section")
        return self.places[where] + value

    def _relocate(self, place: int, kind: int, index: int, addend: int) -> None:
        name, where, _ = self.symbols[index]
        asked = self._asked(kind)
        if asked == TABLE:
            target = self.inside[index] if where else self.outside[name]
        elif asked == CALL and not where:
            target = self.stubs[name]
        elif asked == REST:
            first = self._place_of(index)
            target = place + self.reached[first] - first
        elif asked and where:
            target = self._place_of(index)
        else:
            raise NoImage(f"{name or 'a symbol'} is referred to by a relocation of type {kind}")
        self.reached[place] = target + addend
        self.architecture.relocations[kind][1](self.memory, place, target + addend)
        if asked == ADDRESS:
            self.own.append(place)

    def _asked(self, kind: int) -> str:
        """What relocations of a type ask for; nothing where no image has them."""
        return self.architecture.relocations.get(kind, ("",))[0]

    def _refer(self, place: int, target: int) -> None:
        struct.pack_into("<Q", self.memory, place, target)
        self.own.append(place)
