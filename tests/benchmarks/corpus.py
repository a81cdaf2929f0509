"""What the formulas of a corpus cost, to value, gradient and Hessian: `python tests/benchmarks/corpus.py FILE.jsonl …`.

A line of a file is a JSON object with `expr`, `vars` and `points` (each with `x`). The cost of a formula is the time
from its text to the three first values, in one process that is warm. The fit is by non-negative least squares over all
formulas: so many µs an operation left after optimization, a character, a module (three a formula).
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from timing import one_processor, table

import symdiff as sd

LIMITS = (45.0, 1.0, 2500.0)
"""What an operation, a character and a module may cost, in µs."""


def read(paths: list[str], limit: int | None) -> list[dict[str, Any]]:
    """The formulas of some files that have variables and a point."""
    cases = []
    for path in paths:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        cases += [case for case in map(json.loads, lines[:limit]) if "expr" in case and case.get("vars")]
    return cases


def measure(case: dict[str, Any], opt: int | None) -> tuple[float, int]:
    """Seconds from the text to value, gradient and Hessian at a point, and the operations of the three programs."""
    names = case["vars"]
    point = [float(v) for v in (case.get("points") or [case])[0]["x"]]
    gc.collect()
    start = time.perf_counter()
    f = sd.function(case["expr"], names)
    made = [g.compile(opt=opt) for g in (f, sd.grad(f, names), sd.hessian(f, names))]
    for one in made:
        one(*point)
    seconds = time.perf_counter() - start
    return seconds, sum(one.kernel.statistics.instructions for one in made)


def fit(rows: list[tuple[int, int, int]], seconds: list[float]) -> list[float]:
    """µs an operation, a character, a module; each row weighs as one over its time, so that small formulas count."""
    from scipy.optimize import nnls

    a, b = np.array(rows, float), np.array(seconds) * 1e6
    return [float(x) for x in nnls(a / b[:, None], np.ones(len(b)))[0]]


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("files", nargs="+")
    options.add_argument("--limit", type=int, help="so many formulas of each file")
    options.add_argument("--repeat", type=int, default=3, help="the least of so many times counts")
    options.add_argument("--slowest", type=int, default=5, help="how many of the worst to show")
    chosen = options.parse_args()
    warnings.simplefilter("ignore")
    one_processor()
    cases = read(chosen.files, chosen.limit)
    lines = []
    for opt in (None, 0):
        for case in cases:
            measure(case, opt)
        gc.freeze()  # what is kept for all formulas would be looked at, and fill the caches, before each measurement
        found = [min(measure(case, opt) for _ in range(chosen.repeat)) for case in cases]
        seconds = [s for s, _ in found]
        rows = [(n, len(case["expr"]), 3) for (_, n), case in zip(found, cases, strict=True)]
        bounds = [sum(n * c for n, c in zip(row, LIMITS, strict=True)) * 1e-6 for row in rows]
        over = [s / bound for s, bound in zip(seconds, bounds, strict=True)]
        lines.append([
            "default" if opt is None else f"opt={opt}", f"{len(cases)}", f"{np.mean(seconds) * 1e3:.1f}",
            f"{np.median(seconds) * 1e3:.1f}", f"{max(seconds) * 1e3:.0f}", *(f"{c:.2f}" for c in fit(rows, seconds)),
            f"{sum(seconds) / sum(bounds):.2f}", f"{sum(r > 1 for r in over)}",
        ])  # fmt: skip
        for k in sorted(range(len(cases)), key=lambda k: -over[k])[: chosen.slowest]:
            print(f"opt={opt}: {case_name(cases[k])}: {seconds[k] * 1e3:.1f} ms, {over[k]:.2f} of the bound, "
                  f"{rows[k][0]:,} operations, {rows[k][1]:,} characters")  # fmt: skip
    head = ("compiled", "formulas", "mean, ms", "median, ms", "worst, ms", "µs/operation", "µs/character", "µs/module",
            "of the bound", "over it")  # fmt: skip
    print(table(head, lines))
    print(f"the bound: {LIMITS[0]:g} µs an operation, {LIMITS[1]:g} a character, {LIMITS[2]:g} a module")


def case_name(case: dict[str, Any]) -> str:
    """What to call a formula."""
    return str(case.get("id") or case["expr"][:40])


if __name__ == "__main__":
    main()
