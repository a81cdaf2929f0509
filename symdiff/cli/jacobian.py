"""`symdiff jacobian`: the derivatives of all outputs, as formulas or at a point."""

from __future__ import annotations

import argparse

import symdiff as sd
from symdiff.cli.command import Command, add_formula, as_plain, asked_function, give, point_in, titled, wrt_of


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "wrt", "at")


def _run(options: argparse.Namespace) -> int:
    point = point_in(options.at)
    f = asked_function(options, point)
    wrt = wrt_of(options, f)
    j = sd.jacobian(f, tuple(wrt))
    values = j(**point) if options.at is not None else j.expr
    found = {n: as_plain(v) if options.at is not None else str(v) for n, v in zip(wrt, values, strict=True)}
    give(options, {"jacobian": found}, "\n".join(titled(f"d/d{n}", v) for n, v in found.items()))
    return 0


COMMAND = Command(_add, _run)
