"""`symdiff jacobian`: the derivatives of all outputs, as formulas or at a point."""

from __future__ import annotations

import argparse

import symdiff as sd
from symdiff.cli.command import Command, add_formula, as_plain, asked_derivative, give, titled


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "wrt", "at")


def _run(options: argparse.Namespace) -> int:
    f, wrt, point = asked_derivative(options)
    j = sd.jacobian(f, tuple(wrt))
    values = j(**point) if point is not None else j.expr
    found = {n: as_plain(v) if point is not None else str(v) for n, v in zip(wrt, values, strict=True)}
    give(options, {"jacobian": found}, "\n".join(titled(f"d/d{n}", v) for n, v in found.items()))
    return 0


COMMAND = Command(_add, _run)
