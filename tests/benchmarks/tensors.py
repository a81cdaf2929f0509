"""Whole-array functions against NumPy by hand and against JAX: `python tests/benchmarks/tensors.py`.

Prints times and ratios of one run, one thread: what training, statistics and fitting are made of, single operations
that memory bounds, and small problems, alone and in batches; then what compiling takes, of deep networks too. JAX is
left out where it is not installed. `--explain` shows what each case compiles to.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import timing  # isort: skip (first: it limits the threads of the libraries)
import numpy as np
from array_cases import Case, cases

import symdiff as sd


def allocated(call: Callable[[], Any]) -> int:
    """The most bytes that Python and NumPy held during a call, beyond those before it and those of its result."""
    call()
    tracemalloc.start()
    tracemalloc.reset_peak()
    result = call()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return peak - after


def compare(found: Any, wanted: Any) -> None:
    """Refuse results that differ."""
    pairs = zip(found, wanted, strict=True) if isinstance(found, tuple) else [(found, wanted)]
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9 * max(1.0, float(np.abs(b).max())))


def with_jax(case: Case) -> Callable[[], Any] | None:
    """JAX's call on its own arrays, compiled."""
    if case.jax is None:
        return None
    try:
        import jax
        import jax.numpy as jnp
    except ImportError:
        return None
    made = jax.jit(case.jax(jax, jnp))
    arrays = [jnp.asarray(a) for a in case.arguments]
    call = lambda: jax.block_until_ready(made(*arrays))  # noqa: E731
    found = call()
    compare(tuple(map(np.asarray, _flat(found))), tuple(_flat(case.ours())))
    return call


def _flat(found: Any) -> list[Any]:
    return [x for part in found for x in _flat(part)] if isinstance(found, tuple) else [found]


def row(case: Case, repetitions: int, clock: Callable[[], float]) -> list[str]:
    """One line of the table."""
    start = clock()
    found = case.ours()
    first = clock() - start
    wanted = case.by_hand()
    if wanted is not None:
        compare(tuple(_flat(found)), tuple(_flat(wanted)))
    calls: dict[str, Callable[[], Any]] = {"ours": case.ours, "numpy": case.by_hand}
    if peer := with_jax(case):
        calls["jax"] = peer
    seconds = timing.interleaved(calls, repetitions, clock=clock)
    ours, stats = seconds["ours"], case.function.stats()
    ratios = [f"{ours / seconds[name]:.2f}" if name in seconds else "" for name in ("numpy", "jax")]
    return [
        case.title, f"{first * 1e3:.0f}", f"{ours * 1e6:.1f}", f"{seconds['numpy'] * 1e6:.1f}",
        f"{seconds['jax'] * 1e6:.1f}" if peer else "", *ratios, f"{case.aim:.1f}" if case.aim < np.inf else "",
        f"{stats['kernels']}+{stats['blas_calls']}", str(stats["workspace_bytes"]), str(allocated(case.ours)),
    ]  # fmt: skip


def deep(layers: int) -> sd.Function:
    """A network of dense layers of 100, and the gradient by all weights."""
    lines, names, shapes, h = [], ["x"], {"x": (32, 100)}, "x"
    for k in range(layers):
        lines.append(f"h{k} = tanh({h} @ W{k} + b{k})")
        h, names = f"h{k}", [*names, f"W{k}", f"b{k}"]
        shapes |= {f"W{k}": (100, 100), f"b{k}": (100,)}
    f = sd.function("\n".join([*lines, f"sum({h}**2)"]), names, shapes=shapes)
    return sd.value_and_grad(f, tuple(names[1:]))


def recurrent(steps: int) -> sd.Function:
    """A recurrent network, unrolled, and the gradient by its weights."""
    lines = ["h0 = tanh(x[0] @ U)"]
    lines += [f"h{t} = tanh(x[{t}] @ U + h{t - 1} @ V)" for t in range(1, steps)]
    shapes = {"x": (steps, 16, 32), "U": (32, 32), "V": (32, 32)}
    f = sd.function("\n".join([*lines, f"sum(h{steps - 1}**2)"]), ["x", "U", "V"], shapes=shapes)
    return sd.value_and_grad(f, ("U", "V"))


def compiling(clock: Callable[[], float]) -> str:
    """Seconds from a text to code, of networks."""
    rows = []
    for title, make, sizes in (("dense layers of 100", deep, (10, 50, 100)), ("steps in time", recurrent, (50, 200))):
        for size in sizes:
            start = clock()
            made = make(size)
            parsed = clock()
            made.compile()
            done = clock()
            rows.append([f"{size} {title}", f"{parsed - start:.3f}", f"{done - parsed:.3f}"])
    return timing.table(["value and gradient by all weights", "parse and differentiate, s", "compile, s"], rows)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=21)
    parser.add_argument("--explain", action="store_true")
    parser.add_argument("--only", default="", help="cases whose title has this in it")
    parser.add_argument("--processor", action="store_true", help="time of the processor, where others use it too")
    options = parser.parse_args()
    clock = time.process_time if options.processor else time.perf_counter
    timing.one_processor()
    chosen = [case for case in cases(np.random.default_rng(1)) if options.only in case.title]
    rows = [row(case, options.repetitions, clock) for case in chosen]
    head = ["", "first call, ms", "µs", "NumPy, µs", "JAX, µs", "to NumPy", "to JAX", "aim", "loops+BLAS", "workspace",
            "beyond the results"]  # fmt: skip
    print(timing.table(head, rows))
    if options.explain:
        for case in chosen:
            print(f"\n{case.title}\n{case.function.explain()}")
    if not options.only:
        print(f"\n{compiling(clock)}")


if __name__ == "__main__":
    main()
