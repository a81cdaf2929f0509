"""`symdiff check`: derivatives at a point beside what difference quotients give."""

from __future__ import annotations

import argparse
from dataclasses import asdict

import symdiff as sd
from symdiff.cli.command import FAILED, Command, add_formula, asked_function, give, names_in, point_in


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "wrt", "at")
    parser.add_argument("--order", type=int, choices=(1, 2), default=1, help="2: the Hessian; default: 1")


def _run(options: argparse.Namespace) -> int:
    point = point_in(options.at)
    f = asked_function(options, point)
    wrt = None if options.wrt is None else names_in(options.wrt)
    checked = sd.check_grad(f, wrt=wrt, order=options.order, **point)
    give(options, {"ok": checked.ok, "rows": [asdict(row) for row in checked]}, str(checked))
    return 0 if checked.ok else FAILED


COMMAND = Command(_add, _run)
