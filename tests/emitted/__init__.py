"""Source texts that functions emit: compiled, called, and held beside the functions themselves."""

import ctypes
import shutil
import subprocess

import numpy as np

COMPILER = shutil.which("gcc") or shutil.which("cc")
STRICT = ("-std=c99", "-pedantic", "-Wall", "-Werror", "-O1", "-march=native", "-fno-builtin")
"""Without built-in functions the compiler does not compute a function of the library itself, with its own rounding."""


def library(source, directory, *flags):
    """The text of a C file, compiled and loaded."""
    path, made = directory / "emitted.c", directory / "emitted.so"
    path.write_text(source, encoding="utf-8")
    command = [COMPILER, *(flags or STRICT), "-shared", "-fPIC", str(path), "-o", str(made), "-lm"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + source
    return ctypes.CDLL(str(made))


def arrays(kinds):
    """As docs/c-abi.md says: successive scalars of one type are one array, everything else is one of its own."""
    found, last = [], None
    for dtype, shape in kinds:
        if not shape and last == dtype:
            found[-1] = found[-1][0], found[-1][1] + 1
        else:
            found.append((dtype, int(np.prod(shape, dtype=int)) if shape else 1))
        last = None if shape else dtype
    return [np.zeros(size, dtype) for dtype, size in found]


def called(function, f, point, dtype=None, work=None):
    """The status and the outputs, flat, of a C function with the signature of `f` at a point, flat, too."""
    dtype = dtype or f.graph.dtype
    given = arrays([(dtype, a.shape) for a in f.arguments])
    results = arrays([("bool" if t.is_condition else dtype, t.shape) for t in f.types])
    start = 0
    for array in given:
        array[:] = point[start : start + array.size]
        start += array.size
    pointers = [(ctypes.c_void_p * max(1, len(part)))(*(a.ctypes.data for a in part)) for part in (given, results)]
    status = function(*pointers, ctypes.c_void_p(work))
    return status, np.concatenate([a.ravel().astype(float) for a in results])


def ulps(a, b):
    """How many units in the last place lie between numbers; 0 for the same, infinities and NaN among them."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        apart = np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.abs(b)))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
