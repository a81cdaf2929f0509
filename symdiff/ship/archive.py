"""Static libraries: archives of objects as `ar` writes them, the same bytes for the same objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MAGIC = b"!<arch>\n"


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
