"""`symdiff hessian`: the second derivatives of a formula, as formulas or at a point."""

from __future__ import annotations

import argparse

import symdiff as sd
from symdiff.cli.command import Command, add_formula, as_plain, asked_derivative, give, titled


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "wrt", "at")


def _run(options: argparse.Namespace) -> int:
    f, wrt, point = asked_derivative(options)
    h = sd.hessian(f, tuple(wrt))
    rows = [[as_plain(v) for v in row] for row in h(**point)] if point is not None else None
    if rows is None:
        rows = [[str(e) for e in row] for row in h.expr]
    lines = [titled(f"d2/d{a}d{b}", rows[i][j]) for i, a in enumerate(wrt) for j, b in enumerate(wrt) if j <= i]
    give(options, {"wrt": wrt, "hessian": rows}, "\n".join(lines))
    return 0


COMMAND = Command(_add, _run)
