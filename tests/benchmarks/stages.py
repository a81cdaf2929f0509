"""Where the time goes from a text to the first gradient: `python tests/benchmarks/stages.py`.

µs of each stage for the formula of compare.py, with another constant at every turn; "levels" compares the levels of
LLVM's code generation on the same program.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

from peers import FORMULA
from timing import interleaved, one_processor, table

import symdiff as sd
from symdiff.codegen import Options, compile_program, jit, kernel
from symdiff.frontend.parser import parse
from symdiff.optimize.pipeline import optimize


class Clock:
    """Collects the seconds of functions that it wraps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def run(self, name: str, function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Call a function and add its time to those of this name."""
        start = time.perf_counter()
        try:
            return function(*args, **keywords)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def wrap(self, owner: Any, attribute: str, name: str) -> None:
        """Time every call of a function of a module."""
        function = getattr(owner, attribute)
        setattr(owner, attribute, lambda *args, **keywords: self.run(name, function, *args, **keywords))


def once(text: str, clock: Clock) -> None:
    """From the text to two values, stage by stage."""
    clock.run("parse alone", parse, text)
    f = clock.run("function", sd.function, text, ["x", "y"])
    g = clock.run("grad", sd.grad, f)
    operands = [(a.type(), (g.graph.input(a.name),)) for a in g.arguments]
    clock.run("optimize", optimize, g.graph, operands, g.nodes)
    g.compile()  # its program is kept, so that the next has only code to make
    clock.seconds.pop("  write IR", None), clock.seconds.pop("  LLVM, load", None)
    compiled = clock.run("compile", g.compile)
    clock.run("first call", compiled, 1.0, 2.0)
    clock.run("second call", compiled, 1.0, 2.0)


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeat", type=int, default=100)
    chosen = options.parse_args()
    one_processor()
    constants = itertools.count(1)
    found: list[dict[str, float]] = []
    clock = Clock()
    clock.wrap(kernel, "write_module", "  write IR")
    clock.wrap(jit, "load", "  LLVM, load")
    for turn in range(chosen.repeat + 10):
        clock.seconds = {}
        once(FORMULA.format(one=1 + next(constants) / 4096), clock)
        if turn >= 10:
            found.append(clock.seconds)
    stages = [name for name in found[0] if name != "parse alone"]
    inner = [name for name in stages if name.startswith(" ")]
    stages = [s for name in stages if name not in inner for s in ((name, *inner) if name == "compile" else (name,))]
    rows = [[s, f"{statistics.median(one.get(s, 0.0) for one in found) * 1e6:.0f}"] for s in stages]
    total = statistics.median(sum(v for k, v in one.items() if k in stages and k not in inner) for one in found)
    print(table(("stage", "µs"), [*rows, ["all", f"{total * 1e6:.0f}"]]))
    g = sd.grad(sd.function(FORMULA.format(one=1.0), ["x", "y"]))
    operands = [(a.type(), (g.graph.input(a.name),)) for a in g.arguments]
    program = optimize(g.graph, operands, g.nodes)
    levels = (0, 1, 2, 3)
    made = interleaved({str(o): lambda o=o: compile_program(program, Options(opt=o)) for o in levels}, 21, single=True)
    calls = {str(o): g.compile(opt=o) for o in levels}
    run = interleaved({o: lambda c=c: c(1.0, 2.0) for o, c in calls.items()})
    rows = [[str(o), f"{made[str(o)] * 1e6:.0f}", f"{run[str(o)] * 1e9:.0f}"] for o in levels]
    print(table(("level", "compile, µs", "call, ns"), rows))


if __name__ == "__main__":
    main()
