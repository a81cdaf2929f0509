"""Emitted C beside CasADi's, compiled with the same flags: `python tests/benchmarks/emitted.py [FORMULAS.jsonl …]`.

Each function gives value, gradient and Hessian together (the long ones value and gradient); a loop in C calls it. Both
are checked against each other. Times are the least of short blocks of calls that take turns, so that other load drops
out. Of a file of formulas (`expr`, `vars`, `points`) the sum of all is one row; a last table has each of them, the
slowest beside CasADi's first, with the ratio of times and of the work in the machine code.
"""

from __future__ import annotations

import argparse
import ctypes
import itertools
import json
import re
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import casadi
import numpy as np
from timing import one_processor, table

import symdiff as sd

FLAGS = {
    "-O2 -march=native": ("-std=c99", "-O2", "-march=native"),
    "-O3": ("-std=c99", "-O3"),
}
"""The second is without fused multiply-add: symdiff's is written with `fp="strict"` there."""

DRIVERS = """
#define _POSIX_C_SOURCE 199309L
#include <time.h>
typedef int (*ours)(const double *const *, double *const *, void *);
typedef int (*theirs)(const double **, double **, long long *, double *, int);
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}
void least(ours f, theirs g, long calls, long blocks, const double *const *in, double *const *out,
           const double **arg, double **res, long long *iw, double *w, double *found)
{
    for (long k = 0; k < blocks; k++) {
        const double a = now();
        for (long i = 0; i < calls; i++) f(in, out, 0);
        const double b = now();
        for (long i = 0; i < calls; i++) g(arg, res, iw, w, 0);
        const double c = now();
        if (b - a < found[0]) found[0] = b - a;
        if (c - b < found[1]) found[1] = c - b;
    }
}
"""
"""The least nanoseconds of a block of calls of each, which take turns."""

WEIGHTS = {"div": 4, "sqrt": 6, "call": 40}
"""About how many cycles an instruction of this kind keeps its unit busy, or a function of `math.h` takes; others 1."""


@dataclass
class Measured:
    """What one function takes, ours and CasADi's: nanoseconds a call, work in machine code, seconds to compile."""

    times: tuple[float, float]
    work: tuple[int, int]
    compiling: tuple[float, float]

    @property
    def ratio(self) -> float:
        """Our time over CasADi's."""
        return self.times[0] / self.times[1]


def arm(links: int) -> tuple[str, list[str]]:
    """The squared distance of a planar arm's hand from a place."""
    angles = ["+".join(f"q{j}" for j in range(k + 1)) for k in range(links)]
    x = "+".join(f"cos({a})" for a in angles)
    y = "+".join(f"sin({a})" for a in angles)
    return f"({x} - a)**2 + ({y} - b)**2", [*(f"q{k}" for k in range(links)), "a", "b"]


def rosenbrock(size: int) -> tuple[str, list[str]]:
    """The chained Rosenbrock function."""
    names = [f"x{k}" for k in range(size)]
    pairs = itertools.pairwise(names)
    return "+".join(f"100*({b} - {a}**2)**2 + (1 - {a})**2" for a, b in pairs), names


def long(count: int) -> tuple[str, list[str]]:
    """A sum of many terms."""
    r = np.random.default_rng(1)
    names = [f"x{k}" for k in range(40)]
    pairs = r.integers(0, 40, (count, 2))
    return "+".join(f"sin(x{i}*x{j})*exp(-x{i}**2/{k + 2})/(1 + x{j}**2)" for k, (i, j) in enumerate(pairs)), names


CASES = {
    "formula of the first table": ("sin(x*y) + exp(-x**2)*log(1 + y**2)/sqrt(1 + x**2 + y**2)", ["x", "y"], 2),
    "Planck's law": ("h*w**3/(4*c**2*(exp((h/6)*w/(kb*T)) - 1))", ["w", "T", "h", "kb", "c"], 2),
    "planar arm, 6 links": (*arm(6), 2),
    "Rosenbrock, 10 variables": (*rosenbrock(10), 2),
    "100 terms, gradient": (*long(100), 1),
    "1000 terms, gradient": (*long(1000), 1),
}


def ours(text: str, names: list[str], order: int, fp: str) -> str:
    """C source of value, gradient and, for `order` 2, the Hessian in one function."""
    f = sd.function(text, names)
    parts = [f.expr, sd.grad(f, names).expr, *([sd.hessian(f, names).expr] if order == 2 else [])]
    return sd.function(tuple(parts), names).c(names=["ours"], fp=fp)


def theirs(text: str, names: list[str], order: int) -> tuple[str, Any]:
    """The same by CasADi, with its own elimination of common subexpressions."""
    x = [casadi.SX.sym(n) for n in names]
    known = {n: getattr(casadi, n) for n in ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "atan", "fabs")}
    known |= {"pi": np.pi, "arcsin": casadi.asin, "arccos": casadi.acos, "asin": casadi.asin, "acos": casadi.acos}
    value = eval(text, {**known, **dict(zip(names, x, strict=True))})
    free = casadi.vertcat(*x)
    parts = [value, casadi.gradient(value, free), *([casadi.hessian(value, free)[0]] if order == 2 else [])]
    made = casadi.Function("theirs", [free], [casadi.densify(p) for p in parts], {"cse": True})
    made.generate("theirs.c", {"with_header": False})
    source = Path("theirs.c").read_text(encoding="utf-8")
    Path("theirs.c").unlink()
    return source, made


def compiled(source: str, folder: Path, name: str, flags: tuple[str, ...]) -> tuple[ctypes.CDLL, float]:
    """The library of a source, and the seconds that the compiler took."""
    (folder / f"{name}.c").write_text(source, encoding="utf-8")
    start = time.perf_counter()
    command = ["gcc", *flags, "-shared", "-fPIC", str(folder / f"{name}.c"), "-o", str(folder / f"{name}.so"), "-lm"]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(folder / f"{name}.so")), time.perf_counter() - start


def work(library: Path, name: str) -> int:
    """The weighted instructions of a function and of the functions in its file that it calls."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True)
    bodies = {}
    for block in text.stdout.split("\n\n"):
        head = re.match(r"\s*[0-9a-f]+ <([^>]+)>:", block)
        if head:
            bodies[head[1]] = [line.split("\t")[1].strip() for line in block.splitlines()[1:] if "\t" in line]

    def of(body: list[str]) -> int:
        total = 0
        for line in body:
            called = re.match(r"(?:call|jmp)\s+[0-9a-f]+ <([^>+]+)>", line)
            if called and called[1] in bodies and not called[1].endswith("@plt"):
                total += 1 + of(bodies[called[1]])
            elif called:
                total += WEIGHTS["call"]
            else:
                total += next((n for kind, n in WEIGHTS.items() if kind in line.split()[0]), 1)
        return total

    return of(bodies[name])


def measure(text: str, names: list[str], order: int, point: Any, flags: tuple[str, ...], passes: int) -> Measured:
    """A function of ours beside CasADi's."""

    def pointers(arrays: list[Any]) -> Any:
        return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        n = len(names)
        sizes = [1, n, n * n][: order + 1]
        source, made = theirs(text, names, order)
        fp = "contract" if "-march=native" in flags else "strict"
        one, seconds = compiled(ours(text, names, order, fp), folder, "ours", flags)
        two, others = compiled(source, folder, "theirs", flags)
        driver, _ = compiled(DRIVERS, folder, "drivers", ("-O1",))
        given = np.array(point, float)
        outputs, results = ([np.zeros(s) for s in sizes] for _ in range(2))
        scratch, integers = np.zeros(made.sz_w() + 1), np.zeros(made.sz_iw() + 1, np.int64)
        found = (ctypes.c_double * 2)(np.inf, np.inf)
        calls = 100 if n < 30 else 5
        for _ in range(passes):
            driver.least(
                one.ours, two.theirs, ctypes.c_long(calls), ctypes.c_long(100),
                pointers([given[k:] for k in range(n)]), pointers(outputs), pointers([given]), pointers(results),
                ctypes.c_void_p(integers.ctypes.data), ctypes.c_void_p(scratch.ctypes.data), found,
            )  # fmt: skip
        for a, b in zip(outputs, results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * max(1e-300, np.abs(b).max()))
        counted = work(folder / "ours.so", "ours"), work(folder / "theirs.so", "theirs")
        return Measured((found[0] / calls, found[1] / calls), counted, (seconds, others))


def row(name: str, found: list[Measured]) -> list[str]:
    """The cells of the sum of some functions."""
    a, b = (sum(one.times[k] for one in found) for k in range(2))
    c, d = (sum(one.compiling[k] for one in found) for k in range(2))
    e, f = (sum(one.work[k] for one in found) for k in range(2))
    return [name, f"{a:,.0f}", f"{b:,.0f}", f"{a / b:.2f}", f"{e / f:.2f}", f"{c:.2f}", f"{d:.2f}"]


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("corpora", nargs="*", metavar="FORMULAS.jsonl")
    options.add_argument("--passes", type=int, default=5, help="of a hundred blocks each")
    given = options.parse_args()
    one_processor()
    each: dict[str, list[Measured]] = {}
    for title, flags in FLAGS.items():
        rows = []
        for name, (text, names, order) in CASES.items():
            point = np.linspace(0.3, 1.2, len(names))
            rows.append(row(name, [measure(text, names, order, point, flags, given.passes)]))
        for path in given.corpora:
            found = []
            for line in Path(path).read_text(encoding="utf-8").splitlines():
                case = json.loads(line)
                if re.search(r"max|min|where|abs", case["expr"]):
                    continue
                point = [float(x) for x in case["points"][0]["x"]]
                found.append(measure(case["expr"], case["vars"], 2, point, flags, given.passes))
                each.setdefault(case["id"], []).append(found[-1])
            ratios = [one.ratio for one in found]
            label = (
                f"{len(found)} of {Path(path).stem}, median {statistics.median(ratios):.2f}, largest {max(ratios):.2f}"
            )
            rows.append(row(label, found))
        print(f"gcc {title}\n")
        head = ["value, gradient, Hessian", "symdiff, ns", "CasADi, ns", "ratio", "of work", "gcc, s", "gcc, s"]
        print(table(head, rows))
        print()
    if each:
        columns = [f"{what} {title.split()[0]}" for title in FLAGS for what in ("ns", "CasADi", "ratio", "of work")]
        slowest = sorted(each.items(), key=lambda item: -max(one.ratio for one in item[1]))
        print(table(["formula", *columns], [[name, *_cells(found)] for name, found in slowest]))


def _cells(found: list[Measured]) -> list[str]:
    cells: list[str] = []
    for one in found:
        cells += [f"{t:.1f}" for t in one.times] + [f"{one.ratio:.2f}", f"{one.work[0] / one.work[1]:.2f}"]
    return cells


if __name__ == "__main__":
    main()
