"""Images for other processors run by QEMU: a C program maps them as symdiff would, and calls what is in them."""

import functools
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

import pytest

RUNNERS = {family: (f"{family}-linux-gnu-gcc", f"qemu-{family}") for family in ("aarch64", "riscv64")}
"""The C compiler for a family of processors, and what runs its programs."""

C_FUNCTIONS = (
    *("sin", "cos", "exp", "exp2", "log", "tanh", "cosh", "pow", "fma", "hypot", "sincos"),
    *("malloc", "free", "memcpy", "memset", "madvise", "fetestexcept", "feclearexcept", "feraiseexcept"),
)
"""What images may call beside what other images have."""

SOURCE = r"""
#define _GNU_SOURCE
#include <fenv.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void (*address)(void);
static const struct { const char *name; address at; } known[] = { KNOWN };
static struct { char *name; char *at; } exported[1000];
static int exports;
static FILE *file;

static uint64_t number(void) {
    uint64_t found = 0;
    if (fread(&found, 8, 1, file) != 1) exit(3);
    return found;
}
static char *text(void) {
    uint64_t n = number();
    char *made = calloc(n + 1, 1);
    if (n && fread(made, n, 1, file) != 1) exit(3);
    return made;
}
static char *find(const char *name) {
    for (int k = exports - 1; k >= 0; k--) if (!strcmp(exported[k].name, name)) return exported[k].at;
    for (size_t k = 0; k < sizeof known / sizeof *known; k++)
        if (!strcmp(known[k].name, name)) return (char *)known[k].at;
    fprintf(stderr, "there is no %s\n", name);
    exit(4);
}
static void map_image(void) {
    uint64_t size = number(), writable = number(), start = number(), length = number();
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t whole = (size + page - 1) / page * page;
    char *base = mmap(0, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || writable % page) exit(5);
    if (start && fread(base, start, 1, file) != 1) exit(3);
    if (length > start && fread(base + writable, length - start, 1, file) != 1) exit(3);
    for (uint64_t n = number(); n; n--) {
        uint64_t place = number();
        char *found = find(text());
        memcpy(base + place, &found, 8);
    }
    for (uint64_t n = number(); n; n--) {
        uint64_t place = number(), distance;
        memcpy(&distance, base + place, 8);
        distance += (uint64_t)base;
        memcpy(base + place, &distance, 8);
    }
    __builtin___clear_cache(base, base + size);
    if (writable && mprotect(base, writable, PROT_READ | PROT_EXEC)) exit(6);
    for (uint64_t n = number(); n; n--) {
        exported[exports].at = base + number();
        exported[exports++].name = text();
    }
}
int main(int count, char **arguments) {
    file = count == 2 ? fopen(arguments[1], "rb") : 0;
    if (!file) return 2;
    for (uint64_t runs = number(); runs; runs--) {
        exports = 0;
        for (uint64_t n = number(); n; n--) map_image();
        int (*loop)(char **, const int64_t *, const int64_t *, void *) = 0;
        char *at = find(text());
        memcpy(&loop, &at, sizeof at);
        char *memory[64];
        int64_t one = 1, sizes[64], strides[256];
        uint64_t operands = number(), steps = number();
        for (uint64_t k = 0; k < steps; k++) strides[k] = (int64_t)number();
        for (uint64_t k = 0; k < operands; k++) {
            sizes[k] = (int64_t)number();
            memory[k] = malloc((size_t)sizes[k] + 1);
            if (sizes[k] && fread(memory[k], (size_t)sizes[k], 1, file) != 1) exit(3);
        }
        printf("%d ", loop(memory, &one, strides, 0));
        for (uint64_t k = 0; k < operands; k++)
            for (int64_t b = 0; b < sizes[k]; b++) printf("%02x", ((unsigned char *)memory[k])[b]);
        printf("\n");
    }
    return 0;
}
"""


@functools.cache
def program(family):
    """The command that runs images of a family of processors; it skips where that cannot be had."""
    compiler, runner = RUNNERS[family]
    for name in (compiler, runner):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    folder = Path(tempfile.mkdtemp())
    known = ", ".join(f'{{"{name}", (address){name}}}' for name in C_FUNCTIONS)
    (folder / "main.c").write_text(SOURCE.replace("KNOWN", known), encoding="utf-8")
    command = [compiler, "-static", "-O1", "-w", str(folder / "main.c"), "-lm", "-o", str(folder / "main")]
    subprocess.run(command, check=True, timeout=120)
    return runner, str(folder / "main")


def _number(value):
    return struct.pack("<q", value)


def _text(value):
    return _number(len(value)) + value.encode()


def _image(each):
    laid, names = each
    parts = [*map(_number, (laid.size, laid.writable, laid.start, len(laid.data))), bytes(laid.data)]
    parts.append(_number(len(laid.imports)))
    parts += [_number(place) + _text(names.get(symbol, symbol)) for symbol, place in laid.imports.items()]
    parts += [_number(len(laid.own)), *map(_number, laid.own), _number(len(laid.exports))]
    parts += [_number(place) + _text(symbol) for symbol, place in laid.exports.items()]
    return b"".join(parts)


def run_images(family, runs, folder):
    """What each run gives: the code that its loop returned, and the bytes of its operands.

    A run is a list of images, each with the names of what its imports are where those differ; the name of a loop as
    NumPy calls them; its strides; the operands as bytes.
    """
    written = [_number(len(runs))]
    for images, entry, strides, operands in runs:
        written += [_number(len(images)), *map(_image, images), _text(entry), _number(len(operands))]
        written += [_number(len(strides)), *map(_number, strides)]
        written += [_number(len(operand)) + operand for operand in operands]
    path = folder / "images"
    path.write_bytes(b"".join(written))
    done = subprocess.run([*program(family), str(path)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, (done.returncode, done.stderr)
    found = []
    for line, (_, _, _, operands) in zip(done.stdout.splitlines(), runs, strict=True):
        code, data = line.split(" ")
        whole, parts, at = bytes.fromhex(data), [], 0
        for operand in operands:
            parts.append(whole[at : at + len(operand)])
            at += len(operand)
        found.append((int(code), parts))
    return found
