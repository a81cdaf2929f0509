"""`emit`: functions into a library that runs without Python."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from symdiff.codegen.target import Target
from symdiff.errors import ArgumentError
from symdiff.functions.function import Function
from symdiff.ship import kinds as _kinds  # noqa: F401  # what is imported registers itself
from symdiff.ship import ptx as _ptx  # noqa: F401
from symdiff.ship import wasm as _wasm  # noqa: F401
from symdiff.ship.interface import check_names, exported
from symdiff.ship.package import Package, chosen_kinds
from symdiff.ship.reserved import found_first
from symdiff.ship.symbols import find_symbols
from symdiff.ship.units import Given

COMPILED = ("o", "a", "so", "ll", "s")
"""Kinds of files that hold the code of functions for one machine."""

SOURCES = (".py", ".c", ".h", ".hpp")
"""Files that people write, too."""

MARK = re.compile(rb"(compiled|written) by symdiff \d")
"""What those of `emit` say, after the names of the functions at the latest."""


def emit(
    functions: Any,
    path: str | os.PathLike[str],
    *,
    kinds: str | Sequence[str] = ("a", "h"),
    name: str | None = None,
    target: Target | str | None = None,
    cpu: str | None = None,
    fp: str | None = None,
    math: str = "vector",
    libraries: Sequence[str] = (),
    blas: bool | None = None,
    units: Given | None = None,
    symbols: Mapping[str, str] | None = None,
) -> tuple[Path, ...]:
    """Write functions as a library that runs without Python, with the C interface that docs/c-abi.md describes.

    Parameters
    ----------
    functions : a function, several, or a dict with the names that they are to have in C; a text stands for its
        function. Code that they share is there once.
    path : the folder, which is made where there is none.
    kinds : what to write: "o" an object, "a" a static library, "so" a shared one, "h" the header, "c" C99 of
        scalar programs (docs/sources.md), "ll" LLVM's intermediate representation, "s" assembly language, "ctypes" (or
        "py") a module of Python that loads the shared library and needs NumPy alone, "hpp" a wrapper for C++20, "pc"
        and "cmake" what pkg-config and CMake find it by, "wasm" a WebAssembly module with a loader and types for
        JavaScript, "ptx" kernels for NVIDIA's processors.
    name : of the library; None: the name of the first function.
    target : the machine that it is for, a `Target` or a triple such as "aarch64-linux-gnu"; None: this system, for
        "wasm" and "ptx" theirs.
    cpu : the processor, as LLVM names it; "native" is this machine's. None: any since 2013 where the target is x86-64.
    fp : the rules of floating point, as `compile` has them; None: those that a function was compiled with, else
        "contract".
    math : "vector" lets batches call functions of vectors (glibc's libmvec, which `-lm` links); "scalar" gives batches
        the bits of points.
    libraries : what a shared library, and programs by pkg-config and CMake, are linked with beside the C library,
        such as "openblas", which for "ctypes" is looked for where none is named; for kernels CUDA's libdevice by
        its path, where $CUDA_HOME does not lead to it.
    blas : whether BLAS and LAPACK are called for products and decompositions of larger matrices, or loops take their
        place, which is slower for large ones; None: they are called where there is an operating system, and not by
        WebAssembly and kernels.
    units : the units of inputs and results, which the header and other files tell: texts by the names of arguments,
        members of packs, functions (for their results), outputs and named lines, ``{"v": "m/s", "drag": "N"}``; a list
        for the numbers of a vector, one by one; a dict for what holds in one function alone. Plain numbers are in "1".
        Those of derivatives follow, as texts: nothing is converted.
    symbols : C functions, ``double name(double, …)``, that are called for functions that no C library has, or for a
        user's own: ``{"digamma": "gsl_sf_psi"}``. Whoever links the library brings them, whoever loads a WebAssembly
        module gives them; kernels have none.

    Returns
    -------
    tuple of Path
        The files, in the order of `kinds`.

    Raises
    ------
    ArgumentError
        For names that C cannot use, or that would hide a file of the system's, unknown kinds or targets, and units or
        symbols of what there is not.
    CompileError
        Where a function needs what no library has, such as a function of SciPy's or of Python.
    ShapeError
        Where shapes are known at each call only.
    OSError
        Where a file cannot be written; then none is.

    Examples
    --------
    >>> import symdiff as sd, tempfile
    >>> f = sd.function("rosenbrock(x, y) = (1 - x)**2 + 100*(y - x**2)**2")
    >>> folder = tempfile.mkdtemp()
    >>> [p.name for p in sd.emit({"rosenbrock": f, "rosenbrock_grad": sd.grad(f)}, folder)]
    ['librosenbrock.a', 'rosenbrock.h']
    """
    chosen = chosen_kinds(_words(kinds, "kinds"))
    if not chosen:
        raise ArgumentError("no kind of file is asked for", hint='kinds=("a", "h")')
    packages: dict[str, Package] = {}
    contents = []
    wanted = {kind.name for kind in chosen}
    is_source = "c" in wanted and not wanted.intersection(COMPILED)
    for kind in chosen:
        triple = kind.triple if target is None else ""
        if triple not in packages:
            known = next(iter(packages.values()), None)
            if known is None:
                given = (triple or None) if target is None else target, cpu, fp, math, libraries, blas, units, symbols
                package = packed(functions, name, *given)
                packages[triple] = replace(package, is_alone="ctypes" in wanted, is_source=is_source)
            else:
                packages[triple] = known.with_target(Target.of(triple or None, cpu=cpu, blas=blas))
        package = packages[triple]
        file = kind.file(package)
        if found_first(file):
            raise ArgumentError(
                f"{file} would be found in place of the system's own",
                hint=f'another name for the library: name="my_{package.name}"',
            )
        contents.append((file, kind.make(package)))
    folder = Path(path)
    for file, _ in contents:
        _refuse_others(folder / file)
    _make_folder(folder)
    write_files({folder / file: data for file, data in contents})
    return tuple([folder / file for file, _ in contents])


def _refuse_others(path: Path) -> None:
    """Refuse to replace a source file that somebody else wrote, such as the one that the functions are from."""
    if path.suffix in SOURCES and path.is_file():
        with path.open("rb") as stream:
            if MARK.search(stream.read(1 << 20)) is None:
                raise ArgumentError(
                    f"{path} is a file that symdiff did not write, and it stays",
                    hint=f'another folder, or another name for the library: name="my_{path.stem}" (--name)',
                )


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a folder is asked for, and this is a file", str(folder))
    folder.mkdir(parents=True, exist_ok=True)


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write files, all or, where one cannot be written, none; each is replaced as a whole.

    Raises
    ------
    OSError
        Where one cannot be written.
    """
    for path in contents:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    written: dict[Path, Path] = {}
    try:
        for path, data in contents.items():
            written[path] = path.with_name(f".{os.getpid()}.{os.urandom(4).hex()}.tmp")
            written[path].write_bytes(data)
        for path, temporary in written.items():
            os.replace(temporary, path)
    finally:
        for temporary in written.values():
            temporary.unlink(missing_ok=True)


def packed(
    functions: Any,
    name: str | None = None,
    target: Target | str | None = None,
    cpu: str | None = None,
    fp: str | None = None,
    math: str = "vector",
    libraries: Sequence[str] = (),
    blas: bool | None = None,
    units: Given | None = None,
    symbols: Mapping[str, str] | None = None,
) -> Package:
    """The library of functions, of which files of each kind are made; arguments and errors as for `emit`."""
    if math not in ("vector", "scalar"):
        raise ArgumentError(f"math is {math!r}", hint='give "vector" or "scalar"')
    linked = _words(libraries, "libraries")
    if not (target is None or isinstance(target, Target) or (isinstance(target, str) and target)):
        raise ArgumentError(f"{target!r} is no target", hint='a triple is as "aarch64-linux-gnu"')
    given = exported(functions, fp, units)
    title = given[0].name if name is None else name
    check_names([title])
    made = target if isinstance(target, Target) else Target.of(target, cpu=cpu, blas=blas)
    if isinstance(target, Target) and blas is not None:
        made = replace(made, has_blas=blas)
    if isinstance(target, Target) and cpu is not None:
        raise ArgumentError("a Target has its processor", hint=f"Target.of({target.triple!r}, cpu={cpu!r})")
    named = find_symbols(symbols or {}, given)
    package = Package(title, tuple(given), made, math == "vector" and fp != "strict", linked, named)
    return package.with_target(made)


def _words(given: str | Iterable[str], title: str) -> tuple[str, ...]:
    """One text, or several."""
    found = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    for word in found:
        if not isinstance(word, str):
            raise ArgumentError(f"{word!r} among {title} is no text")
    return found


def emitted_text(function: Function, kind: str) -> str:
    """What the file of a kind says for one function, whose inputs are in the order in which it lists them."""
    ordered = function if function._ordered else function._with_arguments(function.arguments)
    (chosen,) = chosen_kinds([kind])
    return chosen.make(packed(ordered, target=chosen.triple or None)).decode()
