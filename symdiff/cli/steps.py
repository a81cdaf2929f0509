"""`symdiff steps`: every value of the circuit at a point and the output's derivative by it, as a table."""

from __future__ import annotations

import argparse

from symdiff.cli.command import Command, add_formula, as_plain, asked_function, give, point_in


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "at")


def _run(options: argparse.Namespace) -> int:
    point = point_in(options.at)
    table = asked_function(options, point).steps(**point)
    rows = [
        {"name": s.name, "expression": s.expression, "value": as_plain(s.value), "gradient": as_plain(s.gradient)}
        for s in table
    ]
    give(options, {"steps": rows}, str(table))
    return 0


COMMAND = Command(_add, _run)
