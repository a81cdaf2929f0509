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

PATIENCE = 300
"""Seconds that linking may take: the first time for a system, zig compiles its C library."""

COMPILERS = ("cc", "gcc", "clang")


def find_compiler(target: Target) -> list[str]:
    """The command of a C compiler that links for a target: that of $CC, the system's, or zig's.

    Raises
    ------
    CompileError
        Where there is none.
    """
    own = Target.of()
    if (target.family, target.system) == (own.family, own.system):
        chosen = os.environ.get("CC")
        if chosen:
            return shlex.split(chosen)
        for name in COMPILERS:
            found = shutil.which(name)
            if found:
                return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", zig_triple(target)]
    raise CompileError(
        f"there is no C compiler that links for {target.triple}",
        hint='install one, or `pip install "symdiff[ship]"` for the one that ziglang brings, or emit "a" and link that',
    )


def zig_triple(target: Target) -> str:
    """The target as zig names it."""
    system = {"none": "freestanding", "wasm": "wasi"}.get(target.system, target.system)
    abi = {"linux": "-musl" if "musl" in target.triple else "-gnu", "windows": "-gnu"}.get(target.system, "")
    return f"{target.family}-{system}{abi}"


def link_shared(code: bytes, target: Target, soname: str, libraries: Sequence[str]) -> bytes:
    """The shared library of one object; `libraries` are those that it needs beside the C library, as `-l` takes them.

    Raises
    ------
    CompileError
        Where there is no compiler, or it fails.
    """
    command = find_compiler(target)
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "code.o", Path(folder) / soname
        given.write_bytes(code)
        named = {"linux": [f"-Wl,-soname,{soname}"], "macos": [f"-Wl,-install_name,@rpath/{soname}"]}
        mathematics = [] if target.system == "windows" else ["-lm"]
        command += ["-shared", "-o", str(made), str(given), *named.get(target.system, [])]
        command += [*(f"-l{name}" for name in libraries), *mathematics]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise CompileError(f"{shlex.join(command[:1])} does not link {soname} within {PATIENCE} s") from None
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip()
            raise CompileError(f"{shlex.join(command[:1])} could not link {soname}: {said}")
        return made.read_bytes()
