"""Shared libraries, by the compiler of this system or by the one that the package `ziglang` brings."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from symdiff.codegen.target import Target
from symdiff.errors import CompileError
from symdiff.ship.windows_entry import LOADED, windows_entry

PATIENCE = 300
"""Seconds that linking may take: the first time for some systems, zig compiles their C library."""

COMPILERS = ("cc", "gcc", "clang")

ALGEBRA = (("openblas",), ("lapack", "blas"))
"""Libraries that have BLAS and LAPACK, the fastest first."""

VECTOR = "_ZGV"
"""How the names of functions of vectors begin."""


COMPLETE = "-Wl,--no-undefined"
"""What makes linkers for Linux refuse a library that calls what nobody has; others do so anyway."""

FOUND_BY = {"linux": "-Wl,-soname,{}", "macos": "-Wl,-install_name,@rpath/{}"}
"""How a library is told the name by which programs find it, for compilers."""


def link_shared(
    code: bytes,
    target: Target,
    soname: str,
    libraries: Sequence[str],
    defined: Sequence[str],
    called: Sequence[str],
    is_alone: bool = False,
) -> bytes:
    """The shared library of one object.

    `libraries` are those that it needs beside the C library, as `-l` takes them; `defined` the functions that it has,
    `called` those from outside. `is_alone`: no program brings what the libraries do not have.

    Raises
    ------
    CompileError
        Where there is no compiler, or it fails.
    """
    if target.system not in HAVE_LIBRARIES or (target.system, target.family) == ("windows", "i386"):
        raise CompileError(f"no shared libraries are linked for {target.triple}", hint='emit "a", and link that')
    compiler = find_compiler(target)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "code.o", Path(folder) / soname
        given.write_bytes(code)
        named = list(map(link_word, libraries))
        if compiler is None:
            command = _zig(target, given, made, defined, called)
        else:
            command = [*compiler, "-shared", "-o", str(made), str(given)]
            if target.system in FOUND_BY:
                command.append(FOUND_BY[target.system].format(soname))
            named += [] if target.system == "windows" else ["-lm"]
            if is_alone and target.system == "linux":
                command.append(COMPLETE)
        _run([*command, *named], soname)
        return made.read_bytes()


def which_library(target: Target) -> str:
    """The C library of a system that has several: "musl", "android", else "gnu"."""
    return next((name for name in ("musl", "android") if name in target.triple), "gnu")


def find_compiler(target: Target) -> list[str] | None:
    """The command of a C compiler that links for a target: that of $CC, or the system's; None: that is left to zig.

    Raises
    ------
    CompileError
        Where there is neither.
    """
    own = Target.of()
    if (target.family, target.system) == (own.family, own.system):
        is_other = which_library(target) != which_library(own)
        chosen = os.environ.get("CC")
        if chosen and (not is_other or which_library(target) in chosen):
            try:
                return shlex.split(chosen)
            except ValueError as error:
                raise CompileError(f"$CC is {chosen!r}: {error}") from None
        for name in [f"{which_library(target)}-gcc"] if is_other else COMPILERS:
            found = shutil.which(name)
            if found:
                return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return None
    raise CompileError(
        f"there is no C compiler that links for {target.triple}",
        hint='install one, or `pip install "symdiff-compiler[ship]"` for that of ziglang, or emit "a" and link that',
    )


HAVE_LIBRARIES = ("linux", "macos", "windows")
"""The systems whose shared libraries are linked here."""

ZIG_FAMILIES = {"i386": "x86", "ppc64le": "powerpc64le"}
"""What zig calls families, where that is another word."""


def link_word(library: str) -> str:
    """What a linker is told for a library, which is named by its name or by the path of its file."""
    return library if "/" in library or os.sep in library else f"-l{library}"


def find_algebra(target: Target, called: Sequence[str]) -> tuple[str, ...]:
    """The libraries of this system that have the functions of BLAS and LAPACK, as `-l` takes them.

    Raises
    ------
    CompileError
        Where there are none, or they are another system's.
    """
    if target.system not in HAVE_LIBRARIES or (target.system, target.family) == ("windows", "i386"):
        raise CompileError(f"no shared libraries are linked for {target.triple}", hint='emit "a", and link that')
    compiler = find_compiler(target)
    for names in ALGEBRA if compiler is not None else ():
        with tempfile.TemporaryDirectory() as folder:
            wanted = [f"-Wl,-u,{name}" for name in called] + [COMPLETE] if target.system == "linux" else []
            command = [*(compiler or ()), "-shared", "-o", str(Path(folder) / "probe"), *wanted]
            if _succeeds([*command, *map(link_word, names)]):
                return names
    raise CompileError(
        f"nothing is found here that has {', '.join(called)}, and Python brings none",
        hint='name it, libraries=["openblas"] (--link), or have loops in its place: blas=False (--no-blas)',
    )


def _succeeds(command: Sequence[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def zig_triple(target: Target) -> str:
    """The target as zig names it."""
    system = {"none": "freestanding", "wasm": "wasi"}.get(target.system, target.system)
    environment = target.triple.split("-")[3:]
    abi = {"linux": "".join(["-", *(environment or ["gnu"])]), "windows": "-gnu"}.get(target.system, "")
    return f"{ZIG_FAMILIES.get(target.family, target.family)}-{system}{abi}"


def _zig(target: Target, given: Path, made: Path, defined: Sequence[str], called: Sequence[str]) -> list[str]:
    """The command of zig's linker: its compiler would first build a library of its own, for a minute."""
    command = [sys.executable, "-m", "ziglang", "build-lib", "-dynamic", "-target", zig_triple(target)]
    command += ["-fno-compiler-rt", "-fno-ubsan-rt"]
    linked = [*command, str(given), f"-femit-bin={made}"]
    if target.system == "windows" and target.family in LOADED:
        entry = given.parent / "entry.s"
        entry.write_text(windows_entry(target, defined, called))
        return [*linked, str(entry), "-fno-emit-implib", "-lucrtbase"]
    linked += {"linux": [f"-fsoname={made.name}"], "macos": ["-install_name", f"@rpath/{made.name}"]}.get(
        target.system, []
    )
    vectors = [name for name in called if name.startswith(VECTOR)]
    if vectors:  # zig knows no libmvec, which the C library's -lm stands for, too
        text, library = given.parent / "vectors.s", given.parent / "libmvec.so.1"
        text.write_text("".join(f".globl {name}\n.type {name}, @function\n{name}:\n" for name in vectors))
        _run([*command, str(text), f"-femit-bin={library}", f"-fsoname={library.name}"], library.name)
        linked.append(str(library))
    return [*linked, "-lc", "-lm"]


def _run(command: Sequence[str], soname: str) -> None:
    linker = "ziglang" if "ziglang" in command else command[0]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise CompileError(f"{linker} does not link {soname} within {PATIENCE} s") from None
    except OSError as error:
        raise CompileError(f"{linker} cannot be run: {error.strerror}", hint="$CC names the C compiler") from None
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        hint = "name the library that has it: libraries=[…] (--link)" if "undefined" in said else ""
        raise CompileError(f"{linker} could not link {soname}: {said}", hint=hint)
