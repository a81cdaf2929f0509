"""symdiff against other libraries, on one formula and its gradient: `python tests/benchmarks/compare.py`.

The formula is sin(x*y) + exp(-x**2)*log(1 + y**2)/sqrt(1 + x**2 + y**2), the gradient is by x and y. All run in one
process, on one processor, in turns; a cell is the median, and in brackets its ratio to symdiff's: above 1 the other is
slower. A peer that is not installed is named and left out (`pip install "symdiff-compiler[bench]"`).
"""

from __future__ import annotations

import argparse
import itertools
import platform
import random
from collections.abc import Callable
from typing import Any

import numpy as np
from peers import FORMULA, Peer, available
from timing import interleaved, one_processor, table

POINTS = 262_144
PYTHON = "Python's math"
HEAD = ("string to first gradient, ms", "point gradient, ns", "hypot(2, 3), ns", "batch gradient, ns a point")


def check(peers: list[Peer], x: Any, y: Any) -> None:
    """Refuse to time what does not compute the same gradient."""
    text = FORMULA.format(one=1.0)
    expected = np.array(next(p for p in peers if p.name == "NumPy").batch(text, x, y)())
    for peer in peers:
        for what, make in (("point", peer.build), ("batch", lambda *a, p=peer: p.batch(*a, x, y))):
            try:
                made = make(text)
            except NotImplementedError:
                continue
            wanted = expected[:, 0] if what == "point" else expected
            got = np.array(made(x[0], y[0]) if what == "point" else made(), dtype=float)
            got = got.T if got.shape != wanted.shape and got.ndim == 2 and got.shape[0] == x.size else got
            got = got.reshape(wanted.shape)
            if not np.allclose(got, wanted, rtol=1e-12, atol=1e-13):
                raise SystemExit(f"{peer.name}: its {what} gradient differs by {np.abs(got - wanted).max():.2g}")


def calls_of(peers: list[Peer], make: Callable[[Peer], Callable[[], Any]]) -> dict[str, Callable[[], Any]]:
    """What each peer that can do it calls."""
    found = {}
    for peer in peers:
        try:
            found[peer.name] = make(peer)
        except NotImplementedError:
            continue
    return found


def first_gradients(peers: list[Peer], repetitions: int) -> dict[str, float]:
    """Seconds from the text to the first value, with another constant at every turn, so that nothing is known.

    The constants are others in every process too: heyoka keeps what it compiled on disk.
    """
    start = random.SystemRandom().random()
    constants = itertools.count(1)

    def make(peer: Peer) -> Callable[[], Any]:
        if not peer.compiles:
            raise NotImplementedError

        def call() -> Any:
            return peer.build(FORMULA.format(one=1.0 + start + next(constants) / 4096))(1.0, 2.0)

        call()
        return call

    return interleaved(calls_of(peers, make), repetitions, single=True)


def points(peers: list[Peer], repetitions: int) -> dict[str, float]:
    """Seconds of a gradient at one point."""

    def make(peer: Peer) -> Callable[[], Any]:
        g = peer.build(FORMULA.format(one=1.0))
        g(1.0, 2.0)
        return repeated(g, 1.0, 2.0)

    return per_hundred(interleaved(calls_of(peers, make), repetitions))


def smallest(peers: list[Peer], repetitions: int) -> dict[str, float]:
    """Seconds of the smallest call, one number of two."""
    return per_hundred(interleaved(calls_of(peers, lambda p: repeated(p.hypot(), 2.0, 3.0)), repetitions))


def repeated(function: Callable[..., Any], x: float, y: float) -> Callable[[], Any]:
    """A hundred calls, unrolled by tens: a loop's own cost is a few ns."""

    def run() -> None:
        for _ in range(10):
            function(x, y)
            function(x, y)
            function(x, y)
            function(x, y)
            function(x, y)
            function(x, y)
            function(x, y)
            function(x, y)
            function(x, y)
            function(x, y)

    return run


def per_hundred(seconds: dict[str, float]) -> dict[str, float]:
    """Of one call, from what `repeated` took."""
    return {name: s / 100 for name, s in seconds.items()}


def batches(peers: list[Peer], repetitions: int, x: Any, y: Any) -> dict[str, float]:
    """Seconds a point of a gradient at many points."""
    found = interleaved(calls_of(peers, lambda p: p.batch(FORMULA.format(one=1.0), x, y)), repetitions)
    return {name: s / x.size for name, s in found.items()}


def copies(x: Any, y: Any) -> float:
    """Seconds a point to read two arrays and write two: what memory alone takes."""
    u, v = np.empty_like(x), np.empty_like(x)
    return interleaved({"copy": lambda: (np.copyto(u, x), np.copyto(v, y))})["copy"] / x.size


def cell(value: float | None, own: float, scale: float) -> str:
    """A time and its ratio to symdiff's."""
    return "" if value is None else f"{value * scale:,.2f} ({value / own:.2f})"


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--peers", nargs="+", help="modules of the peers to take, instead of all")
    options.add_argument("--repeat", type=int, default=31)
    options.add_argument("--points", type=int, default=POINTS)
    chosen = options.parse_args()
    one_processor()
    peers, absent = available(chosen.peers and [*chosen.peers, "numpy"])
    x, y = np.random.default_rng(1).uniform(-2, 2, (2, chosen.points))
    check(peers, x[:100].copy(), y[:100].copy())
    print(platform.platform(), "CPython", platform.python_version())
    print(", ".join(f"{p.module} {p.version.strip()}".strip() for p in peers if p.name not in ("symdiff, out=",)))
    columns = (first_gradients(peers, max(5, chosen.repeat // 2)), points(peers, chosen.repeat),
               smallest(peers, chosen.repeat), batches(peers, chosen.repeat, x, y))  # fmt: skip
    scales = (1e3, 1e9, 1e9, 1e9)
    rows = [
        [p.name, *(cell(c.get(p.name), c["symdiff"], s) for c, s in zip(columns, scales, strict=True)), p.note]
        for p in peers
    ]  # fmt: skip
    print(f"median of interleaved repetitions (ratio to symdiff); a batch is {chosen.points:,} points")
    print(table(("", *HEAD, ""), rows))
    c = columns[3].get("C loop")
    print(f"limits: two arrays read and two written, {copies(x, y) * 1e9:.2f} ns a point"
          + (f"; with vector mathematics (the C loop), {c * 1e9:.2f}" if c else "")
          + f"; a call (math.hypot), {columns[2].get(PYTHON, 0.0) * 1e9:.0f} ns")  # fmt: skip
    print("\n".join(absent) or "all peers are present")


if __name__ == "__main__":
    main()
