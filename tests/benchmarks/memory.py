"""Whether memory is given back, and many threads: `python tests/benchmarks/memory.py`.

Cycles from a text with a constant of its own to a value and a gradient, and drop; the slope is that of the resident
memory over the second half. Then 64 threads: the same function for the first time, and formulas of their own.
"""

from __future__ import annotations

import argparse
import gc
import threading
import time
from collections.abc import Callable

import numpy as np
from timing import resident

import symdiff as sd

FORMULA = "sin(x*y) + exp(-x**2)*log({one} + y**2)/sqrt(1 + x**2 + y**2)"


def cycle(k: int) -> None:
    """Make, call and drop a function and its gradient."""
    f = sd.function(FORMULA.format(one=1 + k / 65536), ["x", "y"])
    f(1.0, 2.0)
    sd.grad(f)(1.0, 2.0)


def cycles(count: int) -> None:
    """Print the memory at ten places and its slope over the second half."""
    places, held = [], []
    start = time.perf_counter()
    for k in range(count):
        cycle(k)
        if (k + 1) % max(1, count // 50) == 0:
            gc.collect()
            places.append(k + 1)
            held.append(resident())
            if len(places) % 5 == 0:
                print(f"{k + 1:>8,} cycles: {held[-1] / 1e6:8.1f} MB", flush=True)
    half = len(places) // 2
    slope = np.polyfit(places[half:], held[half:], 1)[0] if half > 1 else 0.0
    seconds = time.perf_counter() - start
    print(f"{slope:.0f} bytes a cycle over the second half; {seconds / count * 1e3:.2f} ms a cycle")


def threads(count: int) -> None:
    """Print how long many threads take together, and refuse wrong values."""
    expected = sd.grad(sd.function(FORMULA.format(one=1.0), ["x", "y"]))(1.0, 2.0)
    points = np.linspace(0.0, 2.0, 4096)

    def together(name: str, run: Callable[[int], None]) -> None:
        failures: list[BaseException] = []
        barrier = threading.Barrier(count)

        def work(k: int) -> None:
            try:
                barrier.wait()
                run(k)
            except BaseException as error:  # a thread's failure is the benchmark's
                failures.append(error)

        all_threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
        start = time.perf_counter()
        for thread in all_threads:
            thread.start()
        for thread in all_threads:
            thread.join()
        seconds = time.perf_counter() - start
        print(f"{count} threads, {name}: {seconds * 1e3:.0f} ms" + (f", {len(failures)} FAILED" if failures else ""))
        if failures:
            raise failures[0]

    shared = sd.grad(sd.function(FORMULA.format(one=1.0), ["x", "y"]))

    def first_call(_: int) -> None:
        assert np.array_equal(shared(1.0, 2.0), expected)

    def own(k: int) -> None:
        g = sd.grad(sd.function(FORMULA.format(one=1.0 + k), ["x", "y"]))
        assert k or np.array_equal(g(1.0, 2.0), expected)
        g(1.0, 2.0)

    def batches(_: int) -> None:
        for _ in range(100):
            shared(points, 2.0)

    together("the first call of one function", first_call)
    together("a formula each", own)
    together("100 batches of 4,096 points each", batches)


def main() -> None:
    """Run both."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cycles", type=int, default=10_000)
    options.add_argument("--threads", type=int, default=64)
    chosen = options.parse_args()
    cycles(chosen.cycles)
    threads(chosen.threads)


if __name__ == "__main__":
    main()
