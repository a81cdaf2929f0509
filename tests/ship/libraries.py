"""BLAS for C programs: the one that SciPy brings, by the names that everybody knows."""

import ctypes.util
import importlib.util
import re
import shutil
from pathlib import Path

import pytest
import scipy

import symdiff as sd

needs_cc = pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler")


def scipy_blas():
    """SciPy's OpenBLAS; None where it has another BLAS."""
    folder = Path(scipy.__file__).resolve().parents[1] / "scipy.libs"
    return next(iter(sorted(folder.glob("libscipy_openblas*.so*"))), None)


needs_blas = pytest.mark.skipif(scipy_blas() is None, reason="SciPy brings no OpenBLAS here")

needs_openblas = pytest.mark.skipif(ctypes.util.find_library("openblas") is None, reason="OpenBLAS is not installed")


def blas_names(header):
    """The functions of BLAS and LAPACK that a header lists."""
    return re.findall(r"\w+_\b", header.partition("32-bit integers: ")[2].partition("*/")[0])


def blas_flags(folder, names):
    """What links the functions of BLAS and LAPACK by these names."""
    stubs = "".join([f'__asm__(".globl {n}\\n{n}: jmp scipy_{n}@PLT\\n");\n' for n in names])
    (folder / "blas.c").write_text(stubs)
    library = scipy_blas()
    return [folder / "blas.c", library, f"-Wl,-rpath,{library.parent}"]


def loaded(functions, folder, name, **options):
    """The functions of a library that is emitted as a module of Python and loaded."""
    path = sd.emit(functions, folder, name=name, kinds="ctypes", **options)[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
