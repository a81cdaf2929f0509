"""Source texts that functions emit: compiled, called, and held beside the functions themselves."""

import ctypes
import shutil
import subprocess

import numpy as np

COMPILER = shutil.which("gcc") or shutil.which("cc")
WARNINGS = ("-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wfloat-conversion", "-Wdouble-promotion", "-Wcast-qual")
STRICT = ("-std=c99", "-pedantic", "-Werror", *WARNINGS, "-O1", "-march=native", "-fno-builtin")
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
    """Those that a function of a library takes: one for each input or output, all of one type."""
    return [np.zeros(int(np.prod(shape, dtype=int)), dtype) for dtype, shape in kinds]


def packed_arrays(kinds):
    """Those that native code takes in this process: successive scalars of one type are one."""
    found, last = [], None
    for dtype, shape in kinds:
        if not shape and last == dtype:
            found[-1] = np.zeros(found[-1].size + 1, dtype)
        else:
            found += arrays([(dtype, shape)])
        last = None if shape else dtype
    return found


def called(function, f, point, dtype=None, work=None):
    """The status and the outputs, flat, of a C function with the signature of `f` at a point, flat, too."""
    dtype = dtype or f.graph.dtype
    results = arrays([(dtype, t.shape) for t in f.types])
    return _called(function, arrays([(dtype, a.shape) for a in f.arguments]), results, point, work)


def called_here(f, native, point):
    """The same of native code in this process."""
    dtype = f.graph.dtype
    results = packed_arrays([("bool" if t.is_condition else dtype, t.shape) for t in f.types])
    given = packed_arrays([(dtype, a.shape) for a in f.arguments])
    return _called(native.ctypes, given, results, point, None)


def _called(function, given, results, point, work):
    start = 0
    for array in given:
        array[:] = point[start : start + array.size]
        start += array.size
    pointers = [(ctypes.c_void_p * max(1, len(part)))(*(a.ctypes.data for a in part)) for part in (given, results)]
    status = function(*pointers, ctypes.c_void_p(work))
    return status, np.concatenate([a.astype(float) for a in results])


def ulps(a, b):
    """How many units in the last place lie between numbers; 0 for the same, infinities and NaN among them."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(all="ignore"):
        apart = np.abs(a - b) / np.spacing(np.maximum(np.abs(a), np.abs(b)))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))
