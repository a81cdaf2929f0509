"""`symdiff grad`: the gradient of a formula, as formulas or at a point."""

from __future__ import annotations

import argparse

import symdiff as sd
from symdiff.cli.command import Command, add_formula, as_plain, asked_derivative, give, titled


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "wrt", "at")


def _run(options: argparse.Namespace) -> int:
    f, wrt, point = asked_derivative(options)
    g = sd.grad(f, tuple(wrt))
    if point is not None:
        found = {n: as_plain(v) for n, v in zip(wrt, g(**point), strict=True)}
        give(options, {"gradient": found}, "\n".join(f"d/d{n} = {v}" for n, v in found.items()))
    else:
        formulas = {n: str(e) for n, e in zip(wrt, g.expr, strict=True)}
        give(options, {"gradient": formulas}, "\n".join(titled(f"d/d{n}", v) for n, v in formulas.items()))
    return 0


COMMAND = Command(_add, _run)
