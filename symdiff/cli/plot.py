"""`symdiff plot`: a formula of one number and its derivatives as curves, in a file."""

from __future__ import annotations

import argparse
from typing import Any

import symdiff as sd
from symdiff.cli.command import Command, add_formula, asked_function, point_in
from symdiff.errors import ArgumentError


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "at", file="a file, of the kind that its name ends in: png, svg, pdf; default: plot.png")
    parser.add_argument("--range", metavar="x=-3:3", required=True, help="the input that varies, from where to where")
    parser.add_argument("--orders", type=int, default=1, help="up to which order derivatives are shown; default: 1")


def _run(options: argparse.Namespace) -> int:
    name, equals, both = options.range.partition("=")
    low, colon, high = both.partition(":")
    if not (equals and colon):
        raise ArgumentError(f"{options.range!r} in --range is not name=low:high", hint="--range x=-3:3")
    ends: Any = tuple(float(sd.function(end.strip(), [])()) for end in (low, high))
    ranges = {name.strip(): ends, **point_in(options.at)}
    f = asked_function(options, ranges)
    path = options.output or "plot.png"
    sd.plot(f, options.orders, **ranges).savefig(path)
    print(path)
    return 0


COMMAND = Command(_add, _run)
