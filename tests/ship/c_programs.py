"""C programs that call emitted functions: written here, compiled by gcc with every warning an error, run under ASan."""

import shutil
import subprocess

import numpy as np
import pytest

import symdiff as sd

STRICT = ("-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1")
ASAN = ("-fsanitize=address,undefined", "-fno-sanitize-recover")

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")


def run_c(folder, source, *given, flags=(*STRICT, *ASAN), environment=None, compiler="gcc", runner=()):
    """What a C program prints that is linked with what is given; `runner` is the command that runs it."""
    text, program = folder / "main.c", folder / "main"
    text.write_text(source, encoding="utf-8")
    command = [compiler, *flags, f"-I{folder}", str(text), *map(str, given), "-lm", "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    done = subprocess.run([*runner, str(program)], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def values(array):
    return ", ".join(float(x).hex() for x in np.ravel(array)) or "0"


def call(name, inputs, sizes, batch=None):
    """A block that calls a function, and prints all numbers of its outputs in hexadecimal.

    `batch` is the number of points, and the inputs have as many rows.
    """
    lines = [f"static const double x{k}[] = {{{values(x)}}};" for k, x in enumerate(inputs)]
    lines += [f"static double y{k}[{max(1, (batch or 1) * size)}];" for k, size in enumerate(sizes)]
    lines += [
        f"const double *in[] = {{{', '.join(f'x{k}' for k in range(len(inputs))) or '0'}}};",
        f"double *out[] = {{{', '.join(f'y{k}' for k in range(len(sizes)))}}};",
        f"size_t need = {name}{'_batch' if batch else ''}_work_bytes();",
        "void *work = need ? malloc(need) : 0;",
    ]
    if batch:
        steps = [np.size(x) // batch for x in inputs]
        lines += [
            f"const int64_t si[] = {{{', '.join(map(str, steps)) or '0'}}}, so[] = {{{', '.join(map(str, sizes))}}};",
            f"int code = {name}_batch({batch}, in, si, out, so, work);",
        ]
    else:
        lines.append(f"int code = {name}(in, out, work);")
    lines.append('if (code) { printf("code %d\\n", code); return 1; }')
    for k, size in enumerate(sizes):
        lines.append(f'for (int i = 0; i < {(batch or 1) * size}; i++) printf("%a\\n", y{k}[i]);')
    return "\n".join(["{", *lines, "free(work);", "}"])


def main(header, *blocks):
    """A program of such blocks."""
    includes = ["#include <stdio.h>", "#include <stdlib.h>", "#include <inttypes.h>", f'#include "{header}"']
    return "\n".join([*includes, "int main(void) {", *blocks, "return 0;", "}", ""])


def sizes_of(f, *point):
    """How many numbers each output of a function has at a point."""
    found = f(*point)
    return [np.size(y) for y in (found if isinstance(found, tuple) else (found,))]


def bits(*arrays):
    """Numbers as integers: equal where every bit is, all NaNs alike."""
    flat = np.concatenate([np.ravel(np.asarray(a, np.float64)) for a in arrays]) if arrays else np.zeros(0)
    return np.where(np.isnan(flat), np.nan, flat).view(np.int64).tolist()


def printed(text):
    return bits([float.fromhex(line) if "nan" not in line else np.nan for line in text.split()])


def flat(result):
    return result if isinstance(result, tuple) else (result,)


ROSENBROCK = sd.function("rosenbrock(x, y) = (1 - x)**2 + 100*(y - x**2)**2 + sin(x)*cos(x)*exp(-y)")
