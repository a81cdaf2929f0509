"""What it costs to call a function through another library, beside a direct call: `python -m tests.benchmarks.bridges`.

Microseconds, the best of some rounds: a point, its gradient, and a batch of 100,000 points. Libraries that are not
installed are left out.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np

import symdiff as sd

F = sd.function("f(x, y) = sin(x)*exp(-y)")
G = sd.grad(F)
X, Y = np.linspace(0.1, 1.0, 100_000), np.linspace(1.0, 2.0, 100_000)
ROUNDS, SECONDS = 3, 0.05


def best(call: Callable[[], Any]) -> float:
    """Microseconds of a call."""
    call()
    timer = timeit.Timer(call)
    count = max(1, int(SECONDS / max(timer.timeit(1), 1e-7)))
    return min(timer.repeat(ROUNDS, count)) / count * 1e6


Row = tuple[str, Callable[[], Any], Callable[[], Any], Callable[[], Any]]


def rows() -> Iterator[Row]:
    """The ways to call, each with a point, its gradient and a batch."""
    yield "direct", lambda: F(0.3, 1.2), lambda: G(0.3, 1.2), lambda: F(X, Y)
    if find_spec("torch"):
        import torch

        f, tx, ty = sd.to_torch(F), torch.from_numpy(X), torch.from_numpy(Y)
        a, b = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.3, 1.2))
        c, d = a.detach(), b.detach()
        yield "to_torch", lambda: f(c, d), lambda: torch.autograd.grad(f(a, b), (a, b)), lambda: f(tx, ty)
    if find_spec("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
        mine = sd.to_jax(F)
        p, q, jx, jy = jax.numpy.array(0.3), jax.numpy.array(1.2), jax.numpy.asarray(X), jax.numpy.asarray(Y)
        value, slope = jax.jit(mine), jax.jit(jax.grad(mine, argnums=(0, 1)))
        yield (
            "to_jax, in jit",
            lambda: value(p, q).block_until_ready(),
            lambda: slope(p, q)[1].block_until_ready(),
            lambda: value(jx, jy).block_until_ready(),
        )
    if find_spec("numba"):
        import numba

        f_numba, g_numba = sd.to_numba(F), sd.to_numba(G)
        point = numba.njit(lambda x, y: f_numba(x, y))
        gradient = numba.njit(lambda x, y: g_numba(x, y))
        yield (
            "to_numba, from Python",
            lambda: point(0.3, 1.2),
            lambda: gradient(0.3, 1.2),
            lambda: point(X, Y),
        )
    if find_spec("pandas"):
        import pandas

        one, other, sx, sy = pandas.Series([0.3]), pandas.Series([1.2]), pandas.Series(X), pandas.Series(Y)
        yield "pandas, a Series", lambda: F(one, other), lambda: G(one, other), lambda: F(sx, sy)
    if find_spec("xarray"):
        import xarray

        u, v, ax, ay = (xarray.DataArray(w, dims="k") for w in ([0.3], [1.2], X, Y))
        yield "xarray, a DataArray", lambda: F(u, v), lambda: G(u, v), lambda: F(ax, ay)


def main() -> None:
    """Print the table."""
    print("| call | a point | gradient | 100,000 points |\n|---|---|---|---|")
    for name, *calls in rows():
        shown = " | ".join(f"{t:,.2f}" if t < 10 else f"{t:,.0f}" for t in map(best, calls))
        print(f"| {name} | {shown} |", flush=True)


if __name__ == "__main__":
    main()
