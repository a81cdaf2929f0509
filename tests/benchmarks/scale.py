"""Cost per node of each stage from 1,000 to 100,000 nodes: `python tests/benchmarks/scale.py`.

Shapes: a sum of products of many inputs, a deep chain, and a random circuit with 5 % sines. The last column is the
largest cost over the smallest: 1 is linear.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import Any

import symdiff as sd
from symdiff.codegen import Options, compile_program
from symdiff.frontend.parser import parse
from symdiff.optimize.pipeline import optimize

STAGES = ("parse", "differentiate", "optimize", "compile")


def wide(n: int) -> tuple[str, list[str]]:
    """A sum of n/2 products of a hundred inputs."""
    names = [f"x{k}" for k in range(100)]
    return " + ".join(f"{names[k % 100]}*{names[(7 * k + k // 100) % 100]}" for k in range(n // 2)), names


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
    for k in range(n):
        a, b = choose.choice(known[-200:]), choose.choice(known[-200:])
        lines.append(f"t{k} = sin({a})" if choose.random() < 0.05 else f"t{k} = {a} {choose.choice('+-*')} {b}*0.5")
        known.append(f"t{k}")
    return "\n".join(lines), names


SHAPES = {"wide": wide, "deep": deep, "circuit": circuit}


def measure(shape: str, n: int) -> tuple[dict[str, float], dict[str, int]]:
    """Seconds of each stage, and the nodes that it worked on."""
    text, names = SHAPES[shape](n)
    seconds: dict[str, float] = {}
    nodes: dict[str, int] = {}

    def timed(stage: str, count: Any, run: Any) -> Any:
        start = time.perf_counter()
        result = run()
        seconds[stage] = time.perf_counter() - start
        nodes[stage] = count(result)
        return result

    timed("parse", lambda p: len(p.graph), lambda: parse(text))
    f = sd.function(text, names)
    before = len(f.graph)
    g = timed("differentiate", lambda g: len(g.graph) - before + len(f.graph.live(f.nodes)), lambda: sd.grad(f))
    operands = [(a.type(), (g.graph.input(a.name),)) for a in g.arguments]
    live = len(g.graph.live(g.nodes))
    program = timed("optimize", lambda _: live, lambda: optimize(g.graph, operands, g.nodes))
    timed("compile", lambda _: len(program.graph), lambda: compile_program(program, Options()))
    return seconds, nodes


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    options.add_argument("--repeat", type=int, default=3)
    chosen = options.parse_args()
    measure("wide", 100)  # warm up: imports, templates, the engine
    print(f"{'shape':8} {'stage':14}" + "".join(f"{n:>12,}" for n in chosen.sizes) + "   µs a node; growth")
    for shape in SHAPES:
        runs = {n: [measure(shape, n) for _ in range(chosen.repeat if n < 100_000 else 1)] for n in chosen.sizes}
        for stage in STAGES:
            costs = [min(s[stage] / c[stage] for s, c in runs[n]) * 1e6 for n in chosen.sizes]
            print(f"{shape:8} {stage:14}" + "".join(f"{c:12.2f}" for c in costs) + f"   {costs[-1] / costs[0]:.2f}")


if __name__ == "__main__":
    main()
