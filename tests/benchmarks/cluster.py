"""What sums over shards cost on a Dask cluster: `python tests/benchmarks/cluster.py` (`pip install "symdiff[dask]"`).

Value and gradient of a logistic regression, of all shards in one process, and by two workers on this machine. The
last column is what each shard's task costs beyond its computation, with all processors taken for perfect.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from distributed import Client, LocalCluster

import symdiff as sd
from symdiff.interop.dask import sum_over

TEXT = "loss(w[20], X[n, 20], y[n]) = sum(log1p(exp(-y*(X @ w))))"
WORKERS = 2


def seconds(call: Callable[[], Any], least: float) -> float:
    """The median of calls that take so long together."""
    call()
    found, end = [], time.perf_counter() + least
    while not found or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return float(np.median(found))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="for each cell")
    least = parser.parse_args().seconds
    f = sd.value_and_grad(TEXT, "w")
    rng, w = np.random.default_rng(0), np.full(20, 0.1)
    cluster = LocalCluster(n_workers=WORKERS, threads_per_worker=1, dashboard_address=":0")
    client = Client(cluster)
    print(
        "| rows | shards | one process, ms | two workers, ms | overhead a shard, ms |\n| --- | --- | --- | --- | --- |"
    )
    for rows in (1_000, 1_000_000):
        X, y = rng.normal(size=(rows, 20)), np.sign(rng.normal(size=rows))
        for count in (2, 8, 32):
            shards = list(zip(np.array_split(X, count), np.array_split(y, count), strict=True))
            objective = sum_over(TEXT, shards, client=client)
            total = sum(f(w, *shard)[0] for shard in shards)
            if not np.isclose(objective.value(w), total, rtol=1e-12):
                raise SystemExit("the sums differ")
            alone = seconds(lambda s=shards: [f(w, *shard) for shard in s], least)
            there = seconds(lambda o=objective: o.value_and_grad(w), least)
            more = (there - alone / WORKERS) / count
            print(f"| {rows:,} | {count} | {alone * 1e3:.2f} | {there * 1e3:.1f} | {more * 1e3:.2f} |", flush=True)
    client.close()
    cluster.close()


if __name__ == "__main__":
    main()
