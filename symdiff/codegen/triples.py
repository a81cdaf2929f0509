"""Triples, by which machines are named: what a person writes, and the four words that LLVM takes.

LLVM reads the words by their places and takes any word: in `aarch64-linux-gnu` it sees the vendor "linux" and no
system, and makes code for none. So words are known here, and put where they belong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from symdiff.errors import ArgumentError, nearest

FAMILIES = {
    r"x86_64|amd64|x64": "x86_64",
    r"i[3-6]86|x86": "i386",
    r"aarch64|arm64": "aarch64",
    r"(arm|thumb)(v[4-9][a-z0-9.]*)?(?<!eb)": "arm",
    r"riscv64(gc)?": "riscv64",
    r"riscv32(imc|gc)?": "riscv32",
    r"wasm32": "wasm32",
    r"nvptx64": "nvptx64",
    r"powerpc64le|ppc64le": "ppc64le",
}
"""Patterns of words for families of processors: those for which tests run programs, and NVIDIA's. All of them have the
least of a number's bytes first, as constants are written here."""

WORDS = {
    "x64": "x86_64",
    "amd64": "x86_64",
    "x86": "i386",
    "ppc64le": "powerpc64le",
    "riscv64gc": "riscv64",
    "riscv32gc": "riscv32",
    "riscv32imc": "riscv32",
}
"""What LLVM calls families, where people have other words for them."""

SHOWN = (
    *("x86_64", "i686", "aarch64", "arm64", "arm", "armv7", "thumbv7em", "riscv64", "riscv32", "wasm32", "nvptx64"),
    "powerpc64le",
)
"""The words that are offered for one that is wrong."""

SYSTEMS = {
    "linux": "linux",
    "darwin": "macos",
    "macosx": "macos",
    "macos": "macos",
    "ios": "macos",
    "windows": "windows",
    "win32": "windows",
    "mingw32": "windows",
    "mingw": "windows",
    "wasi": "wasm",
    "emscripten": "wasm",
    "cuda": "none",
    "freebsd": "none",
    "netbsd": "none",
    "openbsd": "none",
    "none": "none",
    "unknown": "none",
}
"""The words for systems, behind which a version may stand, and what is known of their libraries."""

RENAMED = {
    "macos": "macosx",
    "darwin": "macosx",
    "win32": "windows-msvc",
    "mingw32": "windows-gnu",
    "mingw": "windows-gnu",
}

NO_VENDOR = ("linux", "windows", "wasi", "emscripten", "macosx", "macos", "darwin", "ios", "none", "cuda")
"""Systems that may stand in the second place, where the vendor is left out."""

ENVIRONMENTS = re.compile(r"(gnu|musl)(eabi(hf)?)?|android(eabi)?\d*|msvc|eabi(hf)?|elf|")
"""What a system's C library, and how numbers are passed, may be called."""

SHOWN_ENVIRONMENTS = ("gnu", "musl", "gnueabihf", "musleabihf", "eabi", "eabihf", "msvc", "android")

OLDEST = {"x86_64": "10.13", "aarch64": "11.0"}
"""Versions of macOS that code is for where none is named: the first that its tools still make code for."""


WITH_NUMBERS = {"armv6": "+vfp2", "thumbv7em": "+vfp4d16sp", "thumbv8m.main": "+fp-armv8d16sp"}
"""Features of the processors that pass numbers in registers for them (`eabihf`), where LLVM takes less for granted."""


def family_of(triple: str) -> str:
    """The family of processors that a triple is of; the first word, where that is none."""
    word = triple.split("-")[0].lower()
    return next((family for pattern, family in FAMILIES.items() if re.fullmatch(pattern, word)), word)


def system_of(triple: str) -> str:
    """The operating system of a triple that `normal` gave: "linux", "macos", "windows", "wasm", or "none"."""
    word = _bare(triple.split("-")[2]) if triple.count("-") >= 2 else "none"
    return "wasm" if family_of(triple).startswith("wasm") else SYSTEMS.get(word, "none")


def normal(triple: str) -> str:
    """A triple in the four words that LLVM takes: processor, vendor, system and environment, which may be missing.

    Raises
    ------
    ArgumentError
        Where a word is unknown.

    Examples
    --------
    >>> from symdiff.codegen.triples import normal
    >>> normal("aarch64-linux-gnu"), normal("x86_64-windows-msvc"), normal("wasm32")
    ('aarch64-unknown-linux-gnu', 'x86_64-pc-windows-msvc', 'wasm32-unknown-unknown')
    """
    word, *rest = triple.lower().replace("x86-64", "x86_64").split("-")
    family = family_of(word)
    if family not in FAMILIES.values():
        raise _unknown(triple, word, "processor", SHOWN)
    rest = "-".join(RENAMED.get(part, part) for part in rest).split("-") if rest else []
    if len(rest) < 2 or (_bare(rest[0]) in NO_VENDOR and (rest[0] != "none" or "".join(rest[1:2]) not in SYSTEMS)):
        rest = ["", *rest]
    vendor, system, environment = (*rest, "", "", "")[:3]
    if not environment and re.fullmatch("elf|eabi(hf)?", system):
        system, environment = "none", system
    system, environment = system or "unknown", environment.replace("none", "")
    if _bare(system) not in SYSTEMS:
        wrong = vendor if vendor and ENVIRONMENTS.fullmatch(system) else system
        raise _unknown(triple, wrong, "system", SYSTEMS)
    if len(rest) > 3 or not ENVIRONMENTS.fullmatch(environment):
        given = "-".join([environment, *rest[3:]])
        raise _unknown(
            triple,
            given,
            "environment",
            ["gnu", "musl", "gnueabihf", "musleabihf", "eabi", "eabihf", "msvc", "android"],
        )
    usual = {"macos": "apple", "windows": "pc"}.get(SYSTEMS[_bare(system)], "unknown")
    if system == "macosx" and family in OLDEST:
        system += OLDEST[family]
    word = WORDS.get(word, word)
    if word == "arm" and environment.endswith("hf"):  # the oldest that pass numbers in registers for them
        word = "armv7"
    return "-".join(filter(None, (word, vendor or usual, system, environment)))


def _bare(system: str) -> str:
    """The word for a system without its version."""
    return system if system in SYSTEMS else re.sub(r"[\d.]+$", "", system.replace("wasip", "wasi"))


def _unknown(triple: str, word: str, what: str, known: Iterable[str]) -> ArgumentError:
    hint = nearest(word, known) or f"there are {', '.join(known)}"
    return ArgumentError(f"{word!r} in the triple {triple!r} is no {what} that code can be made for", hint=hint)


def passes_in_registers(triple: str) -> bool:
    """Whether ARM's calls pass numbers in registers for them."""
    return triple.endswith("hf")
