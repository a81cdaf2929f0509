"""Emitted C beside CasADi's, compiled with the same flags: `python tests/benchmarks/emitted.py [FORMULAS.jsonl …]`.

Each function gives value, gradient and Hessian together (the long ones value and gradient); a loop in C calls it. Both
are checked against each other. Of a file of formulas (`expr`, `vars`, `points`) the sum of all is one row, and the
median and the largest ratio are printed.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import casadi
import numpy as np
from timing import interleaved, one_processor, table

import symdiff as sd

FLAGS = {
    "-O2 -march=native": ("-std=c99", "-O2", "-march=native"),
    "-O3": ("-std=c99", "-O3"),
}
"""The second is without fused multiply-add: symdiff's is written with `fp="strict"` there."""

DRIVERS = """
typedef int (*ours)(const double *const *, double *const *, void *);
typedef int (*theirs)(const double **, double **, long long *, double *, int);
void run_ours(ours f, long n, const double *const *in, double *const *out, void *work)
{
    for (long k = 0; k < n; k++) f(in, out, work);
}
void run_theirs(theirs f, long n, const double **in, double **out, long long *iw, double *w)
{
    for (long k = 0; k < n; k++) f(in, out, iw, w, 0);
}
"""


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


def measure(
    text: str, names: list[str], order: int, point: Any, flags: tuple[str, ...], repetitions: int
) -> tuple[float, float, float, float]:
    """Seconds a call of ours and of CasADi's, and of compiling each."""

    def pointers(arrays: list[Any]) -> Any:
        return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        n = len(names)
        sizes = [1, n, n * n][: order + 1]
        source, made = theirs(text, names, order)
        one, seconds = compiled(
            ours(text, names, order, "contract" if "-march=native" in flags else "strict"), folder, "ours", flags
        )
        two, others = compiled(source, folder, "theirs", flags)
        driver, _ = compiled(DRIVERS, folder, "drivers", ("-O1",))
        given = np.array(point, float)
        outputs, results = ([np.zeros(s) for s in sizes] for _ in range(2))
        work, integers = np.zeros(made.sz_w() + 1), np.zeros(made.sz_iw() + 1, np.int64)
        arguments = {
            "ours": (driver.run_ours, one.ours, pointers([given[k:] for k in range(n)]), pointers(outputs), None),
            "theirs": (driver.run_theirs, two.theirs, pointers([given]), pointers(results),
                       ctypes.c_void_p(integers.ctypes.data), ctypes.c_void_p(work.ctypes.data)),
        }  # fmt: skip
        count = 1000 if n < 30 else 20

        def call(run: Any, f: Any, *rest: Any) -> Callable[[], Any]:
            return lambda: run(f, count, *rest)

        calls = {name: call(*given) for name, given in arguments.items()}
        for run in calls.values():
            run()
        for a, b in zip(outputs, results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * max(1e-300, np.abs(b).max()))
        found = interleaved(calls, repetitions, clock=time.process_time)
        return found["ours"] / count, found["theirs"] / count, seconds, others


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("corpora", nargs="*", metavar="FORMULAS.jsonl")
    options.add_argument("--repetitions", type=int, default=15)
    given = options.parse_args()
    one_processor()
    for title, flags in FLAGS.items():
        rows = []
        for name, (text, names, order) in CASES.items():
            point = np.linspace(0.3, 1.2, len(names))
            a, b, c, d = measure(text, names, order, point, flags, given.repetitions)
            rows.append([name, f"{a * 1e9:,.0f}", f"{b * 1e9:,.0f}", f"{a / b:.2f}", f"{c:.2f}", f"{d:.2f}"])
        for path in given.corpora:
            found = []
            for line in Path(path).read_text(encoding="utf-8").splitlines():
                case = json.loads(line)
                if re.search(r"max|min|where|abs", case["expr"]) or len(case["vars"]) < 2:
                    continue
                point = [float(x) for x in case["points"][0]["x"]]
                found.append(measure(case["expr"], case["vars"], 2, point, flags, max(3, given.repetitions // 3)))
            a, b, c, d = (sum(column) for column in zip(*found, strict=True))
            ratios = [one / other for one, other, *_ in found]
            label = (
                f"{len(found)} of {Path(path).stem}, median {statistics.median(ratios):.2f}, largest {max(ratios):.2f}"
            )
            rows.append([label, f"{a * 1e9:,.0f}", f"{b * 1e9:,.0f}", f"{a / b:.2f}", f"{c:.2f}", f"{d:.2f}"])
        print(f"gcc {title}\n")
        print(table(["value, gradient, Hessian", "symdiff, ns", "CasADi, ns", "ratio", "gcc, s", "gcc, s"], rows))
        print()


if __name__ == "__main__":
    main()
