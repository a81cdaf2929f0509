"""From LLVM's WebAssembly object to a module that engines run.

The functions of an object have the numbers that they keep in the module, so linking a single one is three things: the
memory and the stack pointer that it imports become the module's own, its data moves above the stack, and what others
call is exported. Imports are the functions that the code calls, from "env".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

from symdiff.errors import CompileError

PAGE = 65536

STACK = PAGE
"""Bytes of the stack, which grows down from here: an overflow ends below 0, where engines stop it. Data comes after."""

HEAD = b"\0asm\x01\0\0\0"

CUSTOM, TYPES, IMPORTS, FUNCTIONS, MEMORIES, GLOBALS, EXPORTS, CODE, DATA = 0, 1, 2, 3, 5, 6, 7, 10, 11
"""The numbers of sections."""

FUNCTION, TABLE, MEMORY, GLOBAL = range(4)
"""The kinds of imports and exports."""

SYMBOLS, DATA_SYMBOL, SECTION_SYMBOL = 8, 1, 3
"""The part of the section for linking that lists symbols, and kinds of these; the others are as for imports."""

MOVED_NUMBERS, MOVED_WORDS = (3, 4), (5,)
"""Relocations that are addresses of data: numbers of five bytes in code, words of four in data."""

KEPT = (0, 6, 7)
"""Relocations that are numbers of functions, types and globals."""

UNDEFINED, NAMED = 0x10, 0x40
I32, CONST_I32, END = 0x7F, 0x41, 0x0B


class _Reader:
    """Bytes from which values are taken one after the other."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def number(self, signed: bool = False) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value - (1 << shift) if signed and byte & 0x40 else value

    def take(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]

    def text(self) -> str:
        return self.take(self.number()).decode()

    @property
    def rest(self) -> bool:
        return self.at < len(self.data)


def _number(value: int, signed: bool = False, width: int = 0) -> bytes:
    """A number in groups of seven bits; `width` bytes where that is given."""
    made = bytearray()
    while True:
        group = value & 0x7F
        value >>= 7
        done = value == (-1 if group & 0x40 else 0) if signed else value == 0
        if done and len(made) + 1 >= width:
            made.append(group)
            return bytes(made)
        made.append(group | 0x80)


def _text(value: str) -> bytes:
    return _number(len(value.encode())) + value.encode()


def _listed(items: Sequence[bytes]) -> bytes:
    return _number(len(items)) + b"".join(items)


def link_module(code: bytes, exports: Iterable[str]) -> tuple[bytes, list[str]]:
    """The module of one object, and the names of the functions that it imports.

    Exported are `memory`, `__heap_base` (where free memory begins) and the functions that are named.

    Raises
    ------
    CompileError
        Where the object has what such modules have not, such as a table of functions.
    """
    sections, custom = _sections(code)
    kept, names, has_stack = _imports(sections.get(IMPORTS, b"\0"))
    functions = _functions(custom["linking"])
    for title, own in (("reloc.CODE", CODE), ("reloc.DATA", DATA)):
        if title in custom:
            sections[own] = _moved(sections[own], custom[title])
    data, end = _data(sections.get(DATA, b"\0"))
    heap = -(-end // 16) * 16
    first = [_global(STACK, True)] if has_stack else []
    exported = [_text("memory") + bytes([MEMORY, 0]), _text("__heap_base") + bytes([GLOBAL, len(first)])]
    exported += [_text(name) + bytes([FUNCTION]) + _number(functions[name]) for name in exports]
    made = {
        TYPES: sections[TYPES],
        IMPORTS: _listed(kept),
        FUNCTIONS: sections[FUNCTIONS],
        MEMORIES: _listed([b"\0" + _number(-(-heap // PAGE))]),
        GLOBALS: _listed([*first, _global(heap, False)]),
        EXPORTS: _listed(exported),
        CODE: sections[CODE],
        DATA: data,
    }
    return HEAD + b"".join([bytes([k]) + _number(len(part)) + part for k, part in made.items()]), names


def _sections(code: bytes) -> tuple[dict[int, bytes], dict[str, bytes]]:
    """The sections by number, and those with a name."""
    reader, sections, custom = _Reader(code, len(HEAD)), dict[int, bytes](), dict[str, bytes]()
    while reader.rest:
        kind = reader.byte()
        part = _Reader(reader.take(reader.number()))
        if kind == CUSTOM:
            title = part.text()
            custom[title] = part.data[part.at :]
        else:
            sections[kind] = part.data
    return sections, custom


def _imports(section: bytes) -> tuple[list[bytes], list[str], bool]:
    """The imports that are functions, their names, and whether there is a stack pointer."""
    reader, kept, names, has_stack = _Reader(section), list[bytes](), list[str](), False
    for _ in range(reader.number()):
        start = reader.at
        reader.text()
        name, kind = reader.text(), reader.byte()
        if kind == FUNCTION:
            reader.number()
            kept.append(section[start : reader.at])
            names.append(name)
        elif kind == MEMORY:
            reader.byte()
            reader.number()
        elif kind == GLOBAL and name == "__stack_pointer":
            reader.take(2)
            has_stack = True
        else:
            raise CompileError(f"the WebAssembly object imports {name}", hint='emit "o" and link it with wasm-ld')
    return kept, names, has_stack


def _functions(linking: bytes) -> dict[str, int]:
    """The number of each function that is defined, as the table of symbols has them."""
    reader, found = _Reader(linking), dict[str, int]()
    reader.number()  # the version
    while reader.rest:
        kind, size = reader.byte(), reader.number()
        part = _Reader(reader.take(size))
        count = part.number() if kind == SYMBOLS else 0
        for _ in range(count):
            what, flags = part.byte(), part.number()
            is_defined = not flags & UNDEFINED
            if what == DATA_SYMBOL:
                part.text()
                for _ in range(3 if is_defined else 0):  # segment, offset, size
                    part.number()
                continue
            number = part.number()
            if what != SECTION_SYMBOL and (is_defined or flags & NAMED):
                name = part.text()
                if what == FUNCTION and is_defined:
                    found[name] = number
    return found


def _moved(section: bytes, relocations: bytes) -> bytes:
    """A section whose addresses of data are those above the stack."""
    made, reader = bytearray(section), _Reader(relocations)
    reader.number()  # the section
    for _ in range(reader.number()):
        kind, at = reader.byte(), reader.number()
        reader.number()  # the symbol: LLVM has written its address, as if data began at 0
        if kind in MOVED_NUMBERS:
            reader.number(True)
            value = _Reader(section, at).number(kind == 4)
            made[at : at + 5] = _number(value + STACK, kind == 4, 5)
        elif kind in MOVED_WORDS:
            reader.number(True)
            struct.pack_into("<I", made, at, struct.unpack_from("<I", section, at)[0] + STACK)
        elif kind not in KEPT:
            raise CompileError(
                f"the WebAssembly object has relocations of the kind {kind}", hint='emit "o" and link it with wasm-ld'
            )
    return bytes(made)


def _data(section: bytes) -> tuple[bytes, int]:
    """The segments above the stack, and where they end."""
    reader, made, end = _Reader(section), list[bytes](), STACK
    for _ in range(reader.number()):
        if reader.byte() or reader.byte() != CONST_I32:
            raise CompileError("the WebAssembly object has data without a place")
        start = reader.number(True) + STACK
        reader.byte()
        content = reader.take(reader.number())
        made.append(bytes([0, CONST_I32]) + _number(start, True) + bytes([END]) + _number(len(content)) + content)
        end = max(end, start + len(content))
    return _listed(made), end


def _global(value: int, mutable: bool) -> bytes:
    return bytes([I32, mutable, CONST_I32]) + _number(value, True) + bytes([END])
