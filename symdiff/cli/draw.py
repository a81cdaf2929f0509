"""`symdiff draw`: the circuit of a formula, or of its gradient, as a picture."""

from __future__ import annotations

import argparse
import sys

import symdiff as sd
from symdiff.cli.command import Command, add_formula, asked_function, give, point_in, wrt_of


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "wrt", "at", file="a file, of the kind that its name ends in: svg, html, dot, png, pdf")
    parser.add_argument("--of", choices=("value", "grad"), default="value", help="default: value")
    parser.add_argument("--highlight", metavar="q", help="a name: what its adjoint is put together from stands out")
    told = "whether named lines are folded; default: where there are many nodes"
    parser.add_argument("--fold", action=argparse.BooleanOptionalAction, default=None, help=told)
    parser.add_argument("--theme", choices=("light", "dark"), help="default: as the reader's system prefers")


def _run(options: argparse.Namespace) -> int:
    point = point_in(options.at)
    f = asked_function(options, point)
    if options.of == "grad":
        f = sd.grad(f, wrt_of(options, f))
    picture = f.draw(highlight=options.highlight, fold=options.fold, **point)
    if options.output is None:
        give(options, {"svg": picture.svg(options.theme)}, picture.svg(options.theme))
    else:
        picture.save(options.output, options.theme)
        print(options.output, file=sys.stdout)
    return 0


COMMAND = Command(_add, _run)
