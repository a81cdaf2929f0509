"""Objects for machines for which there may be no C library here: programs without one, linked by zig, run by QEMU.

So they are of arithmetic and square roots alone; a few functions of C are the program's own.
"""

import importlib.util
import shutil
import subprocess
import sys

import numpy as np
import pytest

import symdiff as sd
from tests.ship.c_programs import call, flat, main, sizes_of

pytestmark = pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang is not installed")

MACHINES = {
    "i686-linux-gnu": ("x86-linux-musl", "qemu-i386", ("eax", "ebx", "ecx", "edx"), "int $0x80", 4, 1),
    "armv7-linux-gnueabihf": ("arm-linux-musleabihf", "qemu-arm", ("r7", "r0", "r1", "r2"), "svc 0", 4, 1),
    "riscv32-linux-musl": ("riscv32-linux-musl", "qemu-riscv32", ("a7", "a0", "a1", "a2"), "ecall", 64, 93),
    "powerpc64le-linux-musl": ("powerpc64le-linux-musl", "qemu-ppc64le", ("r0", "r3", "r4", "r5"), "sc", 4, 1),
}
"""The triple: zig's name, what runs programs, the registers of a system call, its instruction, and the numbers of
`write` and `exit`."""

PRELUDE = """
#include <stddef.h>
#include <stdint.h>
static long system_call(long number, long a, long b, long c) {
    register long n __asm__("%s") = number;
    register long x __asm__("%s") = a;
    register long y __asm__("%s") = b;
    register long z __asm__("%s") = c;
    __asm__ volatile("%s" : "+r"(x), "+r"(n) : "r"(y), "r"(z) : "memory");
    return x;
}
static void put(double x) { system_call(%d, 1, (long)&x, sizeof x); }
static double bytes[1 << 13];
#define printf(format, x) put(x)
#define malloc(count) ((count) <= sizeof bytes ? bytes : 0)
#define free(at) (void)(at)
double rint(double x) {
    const double large = x < 0 ? -0x1p52 : 0x1p52;
    volatile double sum = x + large;
    return x > 0x1p52 || x < -0x1p52 ? x : sum - large;
}
double atan2(double x, double y) { return x - 2*y; }
int main(void);
void begin(void) { system_call(%d, main(), 0, 0); for (;;) {} }
__asm__(".globl _start\\n_start:\\n%s\\n");
void *memcpy(void *to, const void *from, size_t n) {
    for (size_t k = 0; k < n; k++) ((volatile char *)to)[k] = ((const char *)from)[k];
    return to;
}
void *memset(void *to, int value, size_t n) {
    for (size_t k = 0; k < n; k++) ((volatile char *)to)[k] = (char)value;
    return to;
}
"""

STARTS = {
    "powerpc64le": "addis 2,12,.TOC.-_start@ha\\naddi 2,2,.TOC.-_start@l\\nbl begin\\nnop",
    "armv7": "bl begin",
}
"""How the program is entered, where that is not `call begin`."""

CURVE = sd.function("curve(x, y, v[3]) = (1 - x)**2/(2 + v[0]) + 100*(y - x**2)**2 + sqrt(v[1]**2 + 1)*v[2]")

LIBRARY = {
    "value": CURVE,
    "slope": sd.grad(CURVE, "v"),
    "curve": sd.hessian(CURVE, "v"),
    "jacobian": sd.sparse_jacobian(sd.function("c(x[4]) = [x[0]*x[1], 5*x[1], x[2]/x[3], x[3]]"), "x"),
    "solved": sd.function("solved(A[5, 5], b[5]) = solve(A, b)"),
    "picked": sd.function("picked(x[4], k) = x[k]*cumsum(x)", shapes={"k": ()}),
    "loops": sd.function("loops(A[8, 40], b[40]) = A @ b*3 + [1, 2, 3, 4, 5, 6, 7, 8]"),
}

LEFT_OUT = {"riscv32": ["picked"], "armv7": ["picked"]}
"""What takes functions of the compiler there: numbers become integers of 64 bits."""

MEASURE = sd.function("measure(x, y) = atan2(x, y) + 1")
"""Numbers are passed to the program's function as they are to the C library's: its `atan2` is x - 2*y."""


@pytest.mark.parametrize(
    "triple",
    [triple if triple.startswith("arm") else pytest.param(triple, marks=pytest.mark.heavy) for triple in MACHINES],
)
def test_values_and_batches(tmp_path, triple):
    zig, runner, registers, instruction, write, leave = MACHINES[triple]
    if shutil.which(runner) is None:
        pytest.skip(f"{runner} is not installed")
    rng = np.random.default_rng(8)
    left_out = LEFT_OUT.get(triple.split("-")[0], ())
    library = {name: f for name, f in LIBRARY.items() if name not in left_out}
    header, built = sd.emit(
        {**library, "measure": MEASURE}, tmp_path, name="lib", kinds=("h", "o"), target=triple, fp="strict", blas=False
    )
    calls, wanted = [], []
    for name, f in library.items():
        dense = f.values if name == "jacobian" else f
        shapes = [t.shape for t in dense._known.program(dense.arguments, "contract").inputs]
        points = [rng.normal(size=(3, *shape)) for shape in shapes]
        if name == "picked":
            points[1] = np.array([3.0, 0.0, 2.0])
        point = [x[0] for x in points]
        sizes = sizes_of(dense, *point)
        calls += [call(name, point, sizes), call(name, points, sizes, 3)]
        order = np.lexsort((f.rows, f.columns)) if name == "jacobian" else slice(None)
        wanted += [y[..., order] if name == "jacobian" else y for y in (*flat(dense(*point)), *flat(dense(*points)))]
    calls.append(call("measure", (7.0, 0.5), [1]))
    wanted.append(7.0)
    head = PRELUDE % (*registers, instruction, write, leave, STARTS.get(triple.split("-")[0], "call begin"))
    source = "\n".join(line for line in main(header.name, *calls).splitlines() if not line.startswith("#include <"))
    (tmp_path / "main.c").write_text(head + source)
    command = [sys.executable, "-m", "ziglang", "cc", "-target", zig, "-nostdlib", "-ffreestanding", "-O1", "-static"]
    command += ["-fno-stack-check", "-w", "main.c", built.name, "-o", "main"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    done = subprocess.run([runner, "./main"], cwd=tmp_path, capture_output=True, timeout=60)
    assert done.returncode == 0, done
    found = np.frombuffer(done.stdout, np.float64)
    np.testing.assert_allclose(found, np.concatenate([np.ravel(y) for y in wanted]), rtol=1e-12, atol=1e-14)
