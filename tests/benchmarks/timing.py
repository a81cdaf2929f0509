"""What the benchmarks share: one thread, interleaved repetitions, medians, tables."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ.pop("SYMDIFF_CACHE", None)  # code is compiled, not read from disk
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

BLOCK = 2e-3
"""About how many seconds one block of calls takes: long against the clock, short against other load."""


def one_processor() -> None:
    """Keep this process, and every thread that a peer starts in it, on one processor."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def interleaved(
    calls: Mapping[str, Callable[[], Any]], repetitions: int = 31, single: bool = False,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:  # fmt: skip
    """Seconds a call, by name: the median of blocks of calls that take turns, so that load hits all alike.

    With `single` a block is one call, after one that is not timed: what the others did to the caches is not counted.
    `time.process_time` for `clock` leaves out what other programs took of the processor.
    """
    counts = {name: 1 if single else _count(call) for name, call in calls.items()}
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    gc.freeze()  # the collector need not look at what the libraries made when they were imported
    for _ in range(repetitions):
        for name, call in calls.items():
            gc.collect()
            turns = range(counts[name])
            if single:
                call()
            start = clock()
            for _ in turns:
                call()
            seconds[name].append((clock() - start) / counts[name])
    return {name: statistics.median(found) for name, found in seconds.items()}


def _count(call: Callable[[], Any]) -> int:
    call()
    start = time.perf_counter()
    call()
    return max(1, min(20_000, int(BLOCK / max(time.perf_counter() - start, 1e-7))))


def best(call: Callable[[], Any], repetitions: int = 3) -> tuple[float, Any]:
    """The least seconds of some calls, and what the last one gave."""
    seconds, result = [], None
    for _ in range(repetitions):
        result = None
        gc.collect()
        start = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - start)
    return min(seconds), result


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lines with the first column left and the others right."""
    widths = [max(len(row[k]) for row in (head, *rows)) for k in range(len(head))]
    lines = [[cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))]
             for row in (head, *rows)]  # fmt: skip
    return "\n".join("  ".join(line).rstrip() for line in lines)


def resident() -> int:
    """The bytes of memory that this process holds now; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def reset_peak() -> None:
    """Start a new measurement of `peak`."""
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        pass


def peak() -> int:
    """The most bytes of memory that this process held since `reset_peak`; 0 where the system does not say."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
    except OSError:
        return 0
