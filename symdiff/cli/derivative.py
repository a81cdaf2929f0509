"""`symdiff derivative`: the n-th derivative of a formula by one name, as a formula or at a point."""

from __future__ import annotations

import argparse

import symdiff as sd
from symdiff.cli.command import Command, add_formula, as_plain, asked_derivative, give, titled
from symdiff.errors import ArgumentError


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "at")
    parser.add_argument("--wrt", metavar="x", help="the name to differentiate by; default: the only input")
    parser.add_argument("-n", "--order", type=int, default=1, help="how often; default: 1")


def _run(options: argparse.Namespace) -> int:
    f, wrt, point = asked_derivative(options)
    if len(wrt) != 1:
        raise ArgumentError("a derivative is by one name", hint=f"--wrt {wrt[0] if wrt else 'x'}")
    made = sd.derivative(f, wrt[0], options.order)
    found = as_plain(made(**point)) if point is not None else str(made.expr)
    title = f"d/d{wrt[0]}" if options.order == 1 else f"d{options.order}/d{wrt[0]}{options.order}"
    give(options, {"wrt": wrt[0], "order": options.order, "derivative": found}, titled(title, found))
    return 0


COMMAND = Command(_add, _run)
