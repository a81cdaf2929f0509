"""Whole-array functions against the NumPy that one would write by hand: `python tests/benchmarks/tensors.py`.

Prints ratios of one run, one thread: a training step, the gradient of a chained Rosenbrock function, the Hessian of a
logistic regression; what each compiles to; and the bytes that NumPy allocates during a call.
"""

from __future__ import annotations

import argparse
import tracemalloc
from collections.abc import Callable
from typing import Any

import timing  # isort: skip (first: it limits the threads of the libraries)
import numpy as np

import symdiff as sd

Case = tuple[str, sd.Function, Callable[[], Any], Callable[[], Any], float]
"""A title, the function, its call, the peer's call, the ratio that is aimed at."""


def training(rng: np.random.Generator) -> Case:
    """Loss and both weight gradients of a network of two layers."""
    n, d_in, hidden, d_out = 64, 1000, 100, 10
    x, y = rng.standard_normal((n, d_in)), rng.standard_normal((n, d_out))
    w1, w2 = rng.standard_normal((d_in, hidden)), rng.standard_normal((hidden, d_out))
    shapes = {"x": x.shape, "y": y.shape, "w1": w1.shape, "w2": w2.shape}
    f = sd.function("sum((maximum(x @ w1, 0) @ w2 - y)**2)", ["x", "y", "w1", "w2"], shapes=shapes)
    step = sd.value_and_grad(f, ("w1", "w2"))

    def by_hand() -> Any:
        h = x @ w1
        active = np.maximum(h, 0)
        error = active @ w2 - y
        loss = np.square(error).sum()
        slope = 2.0 * error
        grad_w2 = active.T @ slope
        below = slope @ w2.T
        below[h < 0] = 0
        return loss, x.T @ below, grad_w2

    loss, (g1, g2) = step(x, y, w1, w2)
    wanted = by_hand()
    np.testing.assert_allclose(loss, wanted[0])
    np.testing.assert_allclose(g1, wanted[1], atol=1e-9 * np.abs(wanted[1]).max())
    np.testing.assert_allclose(g2, wanted[2], atol=1e-9 * np.abs(wanted[2]).max())
    return "training step, 64 x 1000 x 100 x 10", step, lambda: step(x, y, w1, w2), by_hand, 1.1


def rosenbrock(rng: np.random.Generator, fresh: bool) -> Case:
    """The gradient of a chained Rosenbrock function of a million variables, against copying it."""
    n = 1_000_000
    f = sd.function("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", ["x"], shapes={"x": n})
    gradient = sd.grad(f)
    x = rng.uniform(-1.0, 1.0, n)
    out = np.empty(n)
    seconds, _ = timing.best(lambda: gradient(x, out=out), 1)
    wanted = np.zeros(n)
    low, high = x[:-1], x[1:]
    wanted[:-1] = -400 * low * (high - low**2) - 2 * (1 - low)
    wanted[1:] += 200 * (high - low**2)
    np.testing.assert_allclose(out, wanted, rtol=1e-12, atol=1e-10)
    title = f"chained Rosenbrock, n = 10^6, {'fresh result' if fresh else f'out= (first call {seconds:.3f} s)'}"
    call = (lambda: gradient(x)) if fresh else (lambda: gradient(x, out=out))
    return title, gradient, call, lambda: np.copyto(out, x), np.inf if fresh else 2.0


def logistic(rng: np.random.Generator) -> Case:
    """The Hessian of a logistic loss."""
    m, n = 2000, 200
    f = sd.function("sum(log(1 + exp(-y*(X @ w))))", ["w", "X", "y"], shapes={"w": n, "X": (m, n), "y": m})
    hessian = sd.hessian(f, "w")
    X, y, w = rng.standard_normal((m, n)), np.sign(rng.standard_normal(m)), 0.1 * rng.standard_normal(n)

    def by_hand() -> Any:
        p = 1 / (1 + np.exp(-y * (X @ w)))
        d = p * (1 - p)
        return X.T @ (d[:, None] * X)

    np.testing.assert_allclose(hessian(w, X, y), by_hand(), atol=1e-10)
    return "logistic Hessian, 2000 x 200", hessian, lambda: hessian(w, X, y), by_hand, 1.5


def allocated(call: Callable[[], Any]) -> tuple[int, int]:
    """The most bytes that Python and NumPy held during a call above those before it, and what its result holds."""
    call()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    result = call()
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del result
    return peak - before, after - before


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=31)
    repetitions = parser.parse_args().repetitions
    timing.one_processor()
    rng = np.random.default_rng(1)
    rows = []
    cases = [training(rng), rosenbrock(rng, False), rosenbrock(rng, True), logistic(rng)]
    for title, function, ours, theirs, aim in cases:
        found = timing.interleaved({"ours": ours, "theirs": theirs}, repetitions)
        most, kept = allocated(ours)
        stats = function.stats()
        rows.append([
            title, f"{found['ours'] * 1e6:.0f}", f"{found['theirs'] * 1e6:.0f}",
            f"{found['ours'] / found['theirs']:.2f}", f"{aim:.1f}" if aim < np.inf else "", str(stats["kernels"]),
            str(stats["blas_calls"]), str(stats["workspace_bytes"]), str(most - kept),
        ])  # fmt: skip
    head = ["", "µs", "NumPy", "ratio", "aim", "loops", "BLAS", "workspace", "beyond the results"]
    print(timing.table(head, rows))
    print()
    for title, function, *_ in cases:
        print(f"{title}\n{function.explain()}\n")


if __name__ == "__main__":
    main()
