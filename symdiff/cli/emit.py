"""`symdiff emit`: the value or a derivative of a formula as code."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from symdiff.cli.command import Command, add_formula, asked_function, give, wrt_of
from symdiff.errors import ArgumentError
from symdiff.ship.formulas import DERIVATIVES

FORMS: dict[str, Callable[..., str]] = {
    "asm": lambda f: f.assembly(),
    "c": lambda f, **options: f.c(**options),
    "dot": lambda f: f.dot(),
    "jax": lambda f: f.python("jax.numpy"),
    "latex": lambda f: f.latex(),
    "llvm": lambda f: f.llvm(),
    "python": lambda f: f.python(),
    "ssa": lambda f, **options: f.ssa(**options),
    "torch": lambda f: f.python("torch"),
}
OPTIONS = {"fp": "c", "dtype": "c", "optimized": "ssa"}
"""The options that one form has."""


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "wrt")
    parser.add_argument("--as", dest="form", choices=sorted(FORMS), default="ssa", help="default: ssa")
    parser.add_argument("--of", choices=list(DERIVATIVES), default="value", help="default: value")
    parser.add_argument("--fp", choices=("strict", "contract"), help="of c: without fma, or with it; default: contract")
    parser.add_argument("--dtype", choices=("float64", "float32"), help="of c: of its numbers; default: float64")
    parser.add_argument("--optimized", action="store_true", help="of ssa: the nodes as the compiler sees them")


def _run(options: argparse.Namespace) -> int:
    asked: dict[str, Any] = {name: value for name in OPTIONS if (value := getattr(options, name))}
    for name in asked:
        if options.form != OPTIONS[name]:
            raise ArgumentError(f"--{name} is for --as {OPTIONS[name]}", hint=f"{options.form} has no such option")
    f = asked_function(options)
    wrt = None if options.of == "value" or (options.wrt is None and f._ordered) else wrt_of(options, f)
    code = FORMS[options.form](DERIVATIVES[options.of][1](f, wrt), **asked).rstrip()
    give(options, {"as": options.form, "code": code}, code)
    return 0


COMMAND = Command(_add, _run)
