"""`symdiff doctor`: what is installed, what this processor has, and which fast paths are on."""

from __future__ import annotations

import argparse
import platform
import re
import shutil
import sysconfig
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np

from symdiff.cli.command import FAILED, Command, add_output, give
from symdiff.codegen import cache, recycling, threads
from symdiff.codegen.builtin_code import builtin_code
from symdiff.codegen.target import Target
from symdiff.display.tables import table_lines
from symdiff.errors import SymdiffError
from symdiff.functions.build import function
from symdiff.functions.direct import is_enabled
from symdiff.functions.function import Function
from symdiff.native.code import can_map
from symdiff.native.objects import is_supported_python
from symdiff.version import DISTRIBUTION, VERSION

NEEDED = ("numpy", "scipy", "sympy", "networkx", "llvmlite")
PROGRAMS = {
    "cc": "shared libraries of emitted code",
    "dot": "pictures of graphs",
    "node": "tests of WebAssembly",
    "ptxas": "tests of code for GPUs",
}
"""Programs that are used where they are, and what for."""

VECTORS = {1: "none", 2: "128 bits", 4: "256 bits", 8: "512 bits"}
"""The vectors that batches are computed with, by how many doubles one has."""


def _add(parser: argparse.ArgumentParser) -> None:
    add_output(parser)


def _run(options: argparse.Namespace) -> int:
    found: dict[str, dict[str, str]] = {}
    for title, look in SECTIONS.items():
        found[title] = dict(look())
    lines = []
    for title, entries in found.items():
        lines += [title, *(f"  {line}" for line in table_lines(list(entries.items()))), ""]
    give(options, found, "\n".join(lines))
    return 0 if found["works"]["a formula"].startswith("yes") else FAILED


def _versions() -> Iterator[tuple[str, str]]:
    yield DISTRIBUTION, f"{VERSION}, in {Path(__file__).parents[1]}"
    build = "free-threaded" if sysconfig.get_config_var("Py_GIL_DISABLED") else "with one lock"
    yield "Python", f"{platform.python_version()}, {platform.python_implementation()}, {build}"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}, {' '.join(platform.libc_ver())}"
    for name in NEEDED:
        yield name, _version(name) or f"missing: pip install {name}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> Iterator[tuple[str, str]]:
    target = Target.host()
    yield "processor", target.cpu
    yield "processors", str(threads.processors())
    yield "vectors", VECTORS.get(target.lanes, f"{64 * target.lanes} bits")
    yield "a*b + c in one", "yes" if target.has_fma else "no: fused operations call the C library"
    yield "vector functions", target.vector_library or "none: batches call scalar functions"
    yield "BLAS, LAPACK", _blas()


def _blas() -> str:
    """What SciPy was built with, whose routines matrix products and solves call."""
    try:
        import scipy

        built = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    except (ImportError, KeyError, TypeError):
        return "unknown"
    return f"{built.get('name', 'unknown')} {built.get('version', '')}, SciPy's".replace(" ,", ",")


def _fast_paths() -> Iterator[tuple[str, str]]:
    why = "its objects are laid out otherwise" if is_supported_python() else "no CPython with one lock, on 64 bits"
    yield "calls without Python", _told(builtin_code() is not None, f"no: {why}")
    yield "vectorcall", _told(is_enabled(Function), f"no: {why}")
    yield "own linker of images", _told(can_map(), "no: LLVM's engine links, on Linux for x86-64 ours does")
    yield "memory of big arrays", _told(recycling.pool() is not None, "no: this NumPy has no memory handlers")
    yield "threads", f"f.compile(threads=0) uses {threads.processors()}"
    on = "on" if cache.is_on(None) else f"off: {cache.VARIABLE}=1 turns it on"
    yield "code kept on disk", f"{on}; in {cache.directory()}"


def _told(on: bool, otherwise: str) -> str:
    return "yes" if on else otherwise


def _extras() -> Iterator[tuple[str, str]]:
    """What each extra of the distribution asks for and is not here."""
    wanted: dict[str, list[str]] = {}
    try:
        listed = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield "extras", f"unknown: {DISTRIBUTION} is not installed, its folder is used"
        return
    for entry in listed:
        package, marked = re.match(r"[\w.-]+", entry), re.search(r"extra\s*==\s*['\"]([\w-]+)", entry)
        if package is not None and marked is not None:
            wanted.setdefault(marked[1], []).append(package[0])
    for extra, names in wanted.items():
        lacking = [name for name in names if not _version(name)]
        yield extra, f"missing: {', '.join(lacking)}" if lacking else "yes"


def _programs() -> Iterator[tuple[str, str]]:
    for name, use in PROGRAMS.items():
        yield name, shutil.which(name) or f"missing, for {use}"


def _works() -> Iterator[tuple[str, str]]:
    """Whether a formula is compiled, and gives the right numbers at a point and in a batch."""
    try:
        f = function("f(x, y) = exp(x)*y + x**2")
        point, batch = f(0.5, 2.0), f(np.array([0.0, 0.5]), 2.0)
        right = np.allclose([point, *batch], [np.exp(0.5) * 2 + 0.25, 2.0, np.exp(0.5) * 2 + 0.25], 1e-14, 0)
        yield "a formula", "yes" if right else f"no: wrong values, {point} and {batch}"
    except SymdiffError as error:
        yield "a formula", f"no: {error}"


SECTIONS: dict[str, Callable[[], Iterator[tuple[str, str]]]] = {
    "installed": _versions,
    "this machine": _processor,
    "fast paths": _fast_paths,
    "extras": _extras,
    "programs": _programs,
    "works": _works,
}

COMMAND = Command(_add, _run)
