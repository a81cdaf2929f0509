"""`symdiff steps`: every value of the circuit at a point and the output's derivative by it, as a table."""

from __future__ import annotations

import argparse

from symdiff.cli.command import Command, add_formula, as_plain, asked_function, give, point_in


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "at")
    told = "tangents of inputs: another column tells how each value changes with them"
    parser.add_argument("--seed", metavar="x=1,y=0", help=told)


def _run(options: argparse.Namespace) -> int:
    point = point_in(options.at)
    seed = point_in(options.seed) if options.seed is not None else None
    table = asked_function(options, point).steps(seed=seed, **point)
    rows = [{key: as_plain(getattr(s, key)) for key in KEYS if seed or key != "tangent"} for s in table]
    give(options, {"steps": rows}, str(table))
    return 0


KEYS = ("name", "expression", "value", "gradient", "tangent")

COMMAND = Command(_add, _run)
