"""Cost per node of each stage from 100 to 1,000,000 nodes: `python tests/benchmarks/scale.py`.

Shapes: a sum of products of many inputs, a deep chain, and a random circuit with 5 % sines. A size is that of the
formula; its gradient's, which the later stages work on, is two to four times that. The last column is the cost at the
largest size over that at 1,000: 1 is linear (below 1,000, what a formula costs whatever its size shows). Memory is the
peak of the whole process above what it held before.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable
from typing import Any

from timing import one_processor, peak, reset_peak, resident, table

import symdiff as sd
from symdiff.codegen import Options, compile_program
from symdiff.frontend.parser import parse
from symdiff.optimize.pipeline import optimize

STAGES = ("parse", "differentiate", "optimize", "compile")
LARGE = 100_000


def wide(n: int) -> tuple[str, list[str]]:
    """A sum of n/4 different products of a hundred inputs."""
    names = [f"x{k}" for k in range(100)]
    return " + ".join(f"{names[k % 100]}*({names[(7 * k + 1) % 100]} + {k})" for k in range(n // 4)), names


def deep(n: int) -> tuple[str, list[str]]:
    """A chain of n operations, each on the result of the one before."""
    lines = ["t0 = x"]
    for k in range(n // 2):
        lines.append(f"t{k + 1} = t{k}*y + {k % 10}/10")
    return "\n".join(lines), ["x", "y"]


def circuit(n: int) -> tuple[str, list[str]]:
    """A random circuit: sums, differences and products of earlier lines, 5 % sines."""
    choose = random.Random(1)
    names = [f"x{k}" for k in range(20)]
    lines = []
    known = list(names)
    for k in range(n // 2):
        a, b = choose.choice(known[-200:]), choose.choice(known[-200:])
        lines.append(f"t{k} = sin({a})" if choose.random() < 0.05 else f"t{k} = {a} {choose.choice('+-*')} {b}*0.5")
        known.append(f"t{k}")
    return "\n".join([*lines, " + ".join(known[-20:])]), names


SHAPES: dict[str, Callable[[int], tuple[str, list[str]]]] = {"wide": wide, "deep": deep, "circuit": circuit}


def measure(shape: str, n: int) -> tuple[dict[str, float], dict[str, int]]:
    """Seconds of each stage, and the nodes that it worked on; both have an entry of memory too."""
    text, names = SHAPES[shape](n)
    seconds: dict[str, float] = {}
    nodes: dict[str, int] = {}

    def timed(stage: str, count: Callable[[Any], int], run: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = run()
        seconds[stage] = time.perf_counter() - start
        nodes[stage] = max(1, count(result))
        return result

    timed("parse", lambda p: len(p.graph), lambda: parse(text))
    gc.collect()
    reset_peak()
    base = resident()
    f = sd.function(text, names)
    before = len(f.graph)
    g = timed("differentiate", lambda g: len(g.graph) - before + len(f.graph.live(f.nodes)), lambda: sd.grad(f))
    operands = [(a.type(), (g.graph.input(a.name),)) for a in g.arguments]
    live = len(g.graph.live(g.nodes))
    program = timed("optimize", lambda _: live, lambda: optimize(g.graph, operands, g.nodes))
    timed("compile", lambda _: len(program.graph), lambda: compile_program(program, Options()))
    seconds["memory"], nodes["memory"] = (peak() - base) / 1e6, live
    return seconds, nodes


def report(shape: str, sizes: list[int], repeat: int) -> list[list[str]]:
    """The rows of a shape: µs a node of each stage, and bytes a node."""
    runs = {n: [measure(shape, n) for _ in range(repeat if n < LARGE else 1)] for n in sizes}
    base = min((n for n in sizes if n >= 1000), default=sizes[0])
    rows = []
    for stage in (*STAGES, "memory"):
        costs = {n: min(s[stage] / c[stage] for s, c in runs[n]) * 1e6 for n in sizes}
        if stage == "memory":
            costs = {n: max(s[stage] / c[stage] for s, c in runs[n]) * 1e6 for n in sizes}
        shown = [f"{costs[n]:.2f}" for n in sizes]
        if stage == "memory":  # small formulas fit into memory that was there
            shown = [f"{costs[n]:,.0f}" if n >= 10_000 else "" for n in sizes]
        unit = "bytes" if stage == "memory" else "µs"
        growth = "" if stage == "memory" or base == sizes[-1] else f"{costs[sizes[-1]] / costs[base]:.2f}"
        rows.append([shape, stage, *shown, unit, growth])
    live = [f"{runs[n][0][1]['optimize']:,}" for n in sizes]
    return [*rows, [shape, "(gradient's nodes)", *live, "", ""]]


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000, 100_000, 1_000_000])
    options.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    options.add_argument("--repeat", type=int, default=3)
    chosen = options.parse_args()
    one_processor()
    sd.Limits.tokens, sd.Limits.nodes = 20_000_000, 20_000_000  # the default refuses half of the largest
    for _ in range(5):
        measure("wide", 100)  # warm up: imports, templates, the engine
        measure("circuit", 100)
    rows = [row for shape in chosen.shapes for row in report(shape, sorted(chosen.sizes), chosen.repeat)]
    print(table(("shape", "stage", *(f"{n:,}" for n in sorted(chosen.sizes)), "a node", "growth"), rows))


if __name__ == "__main__":
    main()
