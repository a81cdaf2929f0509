"""Static libraries: archives of objects as `ar` writes them, the same bytes for the same objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import pack

MAGIC = b"!<arch>\n"


APPLE_INDEX = "__.SYMDEF"
"""The member that is the index of symbols for Apple's linkers."""


def write_archive(members: Mapping[str, tuple[bytes, Sequence[str]]]) -> bytes:
    """An archive of objects by name, each with the symbols that it defines; names have less than 16 characters.

    It has the index of symbols that linkers of ELF and of COFF look for.
    """
    symbols = [(symbol, name) for name, (_, defined) in members.items() for symbol in defined]
    names = b"".join([symbol.encode() + b"\0" for symbol, _ in symbols])
    index_size = 4 + 4 * len(symbols) + len(names)
    at = len(MAGIC) + 60 + index_size + index_size % 2
    places: dict[str, int] = {}
    for name, (data, _) in members.items():
        places[name] = at
        at += 60 + len(data) + len(data) % 2
    index = len(symbols).to_bytes(4, "big") + b"".join([places[name].to_bytes(4, "big") for _, name in symbols]) + names
    parts = [MAGIC, _member("/", index)]
    parts += [_member(f"{name}/", data) for name, (data, _) in members.items()]
    return b"".join(parts)


def _member(name: str, data: bytes) -> bytes:
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
    return head.encode() + data + b"\n" * (len(data) % 2)


def write_apple_archive(members: Mapping[str, tuple[bytes, Sequence[str]]]) -> bytes:
    """An archive as `write_archive` writes it, for the linkers of Apple's systems, which know no other kind.

    Names are before the data of their members, and data starts at multiples of 8.
    """
    symbols = [(symbol.encode() + b"\0", name) for name, (_, defined) in members.items() for symbol in defined]
    names = b"".join([symbol for symbol, _ in symbols])
    index_size = 8 + 8 * len(symbols) + len(names)
    at = len(MAGIC) + len(_apple_member(APPLE_INDEX, bytes(index_size), len(MAGIC)))
    places: dict[str, int] = {}
    parts = []
    for name, (data, _) in members.items():
        places[name] = at
        parts.append(_apple_member(name, data, at))
        at += len(parts[-1])
    index, start = pack("<I", 8 * len(symbols)), 0
    for symbol, name in symbols:
        index += pack("<II", start, places[name])
        start += len(symbol)
    index += pack("<I", len(names)) + names
    return b"".join([MAGIC, _apple_member(APPLE_INDEX, index, len(MAGIC)), *parts])


def _apple_member(name: str, data: bytes, at: int) -> bytes:
    """A member whose head is at a place in the archive."""
    title = name.encode() + b"\0" * (-(at + 60 + len(name)) % 8)
    content = title + data + b"\0" * (-len(data) % 8)
    head = f"#1/{len(title):<13}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n"
    return head.encode() + content
