"""The machine addresses of SciPy's BLAS and LAPACK routines. SciPy is loaded when one is asked for."""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from symdiff.errors import CompileError
from symdiff.native.calls import capsule_name, pointer_in

_kept: dict[str, ModuleType] = {}

LAPACK = ("getrf", "getri", "potrf", "gesdd")
"""The routines that are LAPACK's, without the letter of their type; others are BLAS's."""


@functools.cache
def blas_address(routine: str) -> int:
    """The machine address of a routine by its Fortran name, such as `dgemm`.

    Its integers have 32 bits, and its arguments are all pointers.

    Raises
    ------
    CompileError
        Where SciPy has no such routine, or one with other integers.
    """
    module = "cython_lapack" if routine[1:] in LAPACK else "cython_blas"
    try:
        capsules = _capsules(module)
    except ImportError as error:
        raise CompileError(f"{routine} is SciPy's, which cannot be imported: {error}") from error
    if routine not in capsules:
        raise CompileError(f"scipy.linalg.{module} has no routine {routine}")
    capsule = capsules[routine]
    if "int *" not in _signature(capsule):
        raise CompileError(f"scipy.linalg.{module}'s {routine} has unknown arguments: {_signature(capsule)}")
    return pointer_in(capsule)


def _capsules(module: str) -> Mapping[str, object]:
    """The routines of a compiled module of scipy.linalg.

    It is loaded without the rest of scipy.linalg, which takes ten times as long, where that works.
    """
    name = f"scipy.linalg.{module}"
    if "scipy.linalg" not in sys.modules:
        import scipy  # which prepares the libraries that the module needs

        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = Path(scipy.__file__).parent / "linalg" / (module + suffix)
            spec = importlib.util.spec_from_file_location(name, path) if path.exists() else None
            if spec is not None and spec.loader is not None:
                with contextlib.suppress(ImportError):
                    alone = importlib.util.module_from_spec(spec)
                    spec.loader.exec_module(alone)
                    return _kept.setdefault(name, alone).__pyx_capi__  # type: ignore[no-any-return]
    return importlib.import_module(name).__pyx_capi__  # type: ignore[no-any-return]


def _signature(capsule: object) -> str:
    """The C type of a routine, which is the name of its capsule."""
    return str(capsule_name(capsule).decode())
