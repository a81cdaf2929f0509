"""`symdiff eval`: the value of a formula at a point."""

from __future__ import annotations

import argparse

from symdiff.cli.command import Command, add_formula, as_plain, asked_function, give, point_in


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "at")


def _run(options: argparse.Namespace) -> int:
    point = point_in(options.at)
    value = as_plain(asked_function(options, point)(**point))
    give(options, {"value": value}, str(value))
    return 0


COMMAND = Command(_add, _run)
