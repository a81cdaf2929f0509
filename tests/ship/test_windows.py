"""Libraries for Windows: programs that call them are linked by `ziglang`, and run by Wine where that is installed."""

import importlib.util
import os
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

import symdiff as sd
from tests.ship.c_programs import ROSENBROCK, call, flat, main, sizes_of
from tests.ship.test_other_machines import BOUNDS, FUNCTIONS

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")

WINE = next(filter(None, map(shutil.which, ("wine", "wine64", "/usr/lib/wine/wine64"))), None)

needs_wine = pytest.mark.skipif(WINE is None, reason="Wine, which runs programs of Windows, is not installed")

TRIPLES = ("x86_64-w64-windows-gnu", "x86_64-pc-windows-msvc")

RNG = np.random.default_rng(12)

LIVE = sd.function(  # so many values at once that the stack of a batch is more than a page
    f"live({', '.join(f'x{k}' for k in range(150))}) = ("
    + " + ".join(f"sin(x{k})*x{k}" for k in range(150))
    + ")*("
    + "*".join(f"(x{k} + cos(x{(k + 1) % 150}))" for k in range(150))
    + ")"
)

PRELUDE = r"""
#include <stddef.h>
#include <stdint.h>
__declspec(dllimport) void ExitProcess(unsigned);
__declspec(dllimport) void *GetStdHandle(unsigned);
__declspec(dllimport) int WriteFile(void *, const void *, unsigned, unsigned *, void *);
int _fltused;
static double bytes[1 << 16];
static void put(double x) {
    unsigned written;
    WriteFile(GetStdHandle(-11), &x, sizeof x, &written, 0);
}
#define printf(format, x) put(x)
#define malloc(count) ((count) <= sizeof bytes ? bytes : 0)
#define free(at) (void)(at)
int main(void);
void __main(void) {}
void start(void) { ExitProcess(main()); }
void *memcpy(void *to, const void *from, size_t n) {
    for (size_t k = 0; k < n; k++) ((volatile char *)to)[k] = ((const char *)from)[k];
    return to;
}
"""
"""What stands for the C library in a program, which is linked without one: building that takes zig long."""


def run(folder, library, source):
    """The numbers that a program prints which is linked with a library."""
    includes = [line for line in source.splitlines() if line.startswith('#include "')]
    rest = [line for line in source.splitlines() if not line.startswith("#include")]
    (folder / "main.c").write_text("\n".join([PRELUDE, *includes, *rest]))
    command = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu", "-nostdlib", "-ffreestanding"]
    command += ["-O1", "-fno-stack-check", "main.c", library.name, "-lkernel32", "-Wl,-e,start", "-o", "main.exe"]
    subprocess.run(command, cwd=folder, check=True, timeout=120)
    done = subprocess.run(
        [WINE, "main.exe"], cwd=folder, capture_output=True, timeout=240, env={**os.environ, "WINEDEBUG": "-all"}
    )
    assert done.returncode == 0, done
    return np.frombuffer(done.stdout, np.float64)


@needs_wine
@pytest.mark.parametrize("triple", TRIPLES)
def test_a_program_of_windows_calls_a_library(tmp_path, triple):
    texts = [*FUNCTIONS.replace(", ", ",").split(), "j0(x)", "y1(x)", "round(x)", "log2(x)"]
    library = {
        "f": ROSENBROCK,
        "f_grad": sd.grad(ROSENBROCK),
        "f_hess": sd.hessian(ROSENBROCK),
        "every": sd.function(f"every(x, y) = [{', '.join(texts)}]"),
        "live": LIVE,
        "layer": sd.function("layer(W[8, 12], x[12], b[8]) = tanh(W @ x + b)"),
        "solved": sd.function("solved(A[6, 6], b[6]) = solve(A, b)"),
    }
    header, built = sd.emit(library, tmp_path, name="lib", kinds=("h", "so"), target=triple, math="scalar")
    point, points = (0.7, -1.3), RNG.normal(size=(2, 7))
    many = RNG.normal(size=(150, 9)) + 2
    arrays = {
        "layer": (RNG.normal(size=(8, 12)), RNG.normal(size=12), RNG.normal(size=8)),
        "solved": (RNG.normal(size=(6, 6)) + 6 * np.eye(6), RNG.normal(size=6)),
    }
    calls, wanted = [], []

    def ask(name, inputs, batch=None):
        f = library[name].compile(math="scalar")
        first = [x[0] for x in inputs] if batch else inputs
        calls.append(call(name, inputs, sizes_of(f, *first), batch))
        wanted.append(np.concatenate([np.ravel(y) for y in flat(f(*inputs))]))

    for name in ("f", "f_grad", "f_hess"):
        ask(name, point)
        ask(name, points, 7)
    ask("live", many[:, 0])
    ask("live", many, 9)
    for name, inputs in arrays.items():
        ask(name, inputs)
    at = RNG.uniform(0.1, 6, size=(2, 50))
    ask("every", at, 50)
    found = run(tmp_path, built, main(header.name, *calls))
    several = found[: -wanted[-1].size]
    np.testing.assert_allclose(several, np.concatenate(wanted[:-1]), rtol=1e-13, atol=1e-13)
    every = found[-wanted[-1].size :].reshape(50, -1)
    named = {text: wanted[-1].reshape(50, -1)[:, k] for k, text in enumerate(texts)}
    bounds = BOUNDS | dict.fromkeys(("gamma(x)", "lgamma(x)", "j0(x)", "y1(x)"), 100)  # of another C library
    for k, (text, y) in enumerate(named.items()):
        worst = np.max(np.abs(every[:, k] - y) / np.spacing(np.abs(y)))
        assert worst <= bounds.get(text, 2), (text, worst)


KEPT = r"""
__asm__(
    ".globl kept\n"
    "kept:\n"
    "    pushq %rbx\n    pushq %rsi\n    pushq %rdi\n    pushq %r12\n    subq $200, %rsp\n"
    KEEP
    "    movabsq $0x4025bf0a8b145769, %rbx\n    movq %rbx, %rsi\n    movq %rbx, %rdi\n    movq %rbx, %r12\n"
    SET
    "    call *%r9\n"
    "    xorl %eax, %eax\n    cmpq %rsi, %rbx\n    jne 1f\n    cmpq %rdi, %rbx\n    jne 1f\n"
    "    cmpq %r12, %rbx\n    jne 1f\n"
    COMPARE
    "    jmp 2f\n"
    "1:  movl $1, %eax\n"
    "2:\n"
    RESTORE
    "    addq $200, %rsp\n    popq %r12\n    popq %rdi\n    popq %rsi\n    popq %rbx\n    ret\n"
);
int kept(const double *const *in, double *const *out, void *work, void *f);
"""
"""A call after which the registers have to be what they were, as the interface of Windows wants it."""


def kept():
    made = {"KEEP": "", "SET": "", "COMPARE": "", "RESTORE": ""}
    for k in range(6, 16):
        place = f"{32 + 16 * (k - 6)}(%rsp)"
        made["KEEP"] += f"    movups %xmm{k}, {place}\n"
        made["SET"] += f"    movq %rbx, %xmm{k}\n"
        made["COMPARE"] += f"    movq %xmm{k}, %rsi\n    cmpq %rsi, %rbx\n    jne 1f\n"
        made["RESTORE"] += f"    movups {place}, %xmm{k}\n"
    text = KEPT
    for word, lines in made.items():
        quoted = "\n".join(f'    "{line}\\n"' for line in lines.splitlines())
        text = text.replace(f"    {word}\n", f"{quoted}\n")
    return text


@needs_wine
def test_registers_are_as_before_a_call(tmp_path):
    count = 40
    names = [f"x{k}" for k in range(count)]
    f = sd.grad(sd.function(f"f({', '.join(names)}) = " + "*".join(f"(2 + sin({x}))" for x in names)))
    _, built = sd.emit({"f": f}, tmp_path, kinds=("h", "so"), target=TRIPLES[0])
    block = f"""
    static const double x[{count}] = {{0.5, 0.25}};
    static double y[{count}];
    const double *in[{count}];
    double *out[] = {{y}};
    for (int k = 0; k < {count}; k++) in[k] = x + k;
    put(kept(in, out, bytes, f));
    put(y[1]);
    """
    source = main("f.h", block).replace("int main", kept() + "int main", 1)
    code, slope = run(tmp_path, built, source)
    point = [0.5, 0.25] + [0.0] * (count - 2)
    assert code == 0
    np.testing.assert_allclose(slope, f(*point)[1], rtol=1e-13)


@pytest.mark.parametrize("triple", [*TRIPLES, "aarch64-pc-windows-msvc"])
def test_what_zig_does_not_bring_is_in_the_library(tmp_path, triple):
    """`lgamma`, which only Windows' own library has under this name, and what looks at the pages of a large stack."""
    library = {"live": LIVE, "gammas": sd.function("gammas(x, y) = lgamma(x)*gamma(y) + j0(x)*cbrt(y)")}
    (path,) = sd.emit(library, tmp_path, kinds="so", target=triple)
    data = path.read_bytes()
    assert struct.unpack_from("<H", data, struct.unpack_from("<I", data, 0x3C)[0] + 4)[0] in (0x8664, 0xAA64)
    assert b"ucrtbase.dll" in data
