"""`symdiff emit`: the value or a derivative of a formula as code."""

from __future__ import annotations

import argparse
from collections.abc import Callable

import symdiff as sd
from symdiff.cli.command import Command, add_formula, asked_function, give, wrt_of

FORMS: dict[str, Callable[[sd.Function], str]] = {
    "asm": lambda f: f.assembly(),
    "c": lambda f: f.c(),
    "dot": lambda f: f.dot(),
    "jax": lambda f: f.python("jax.numpy"),
    "latex": lambda f: f.latex(),
    "llvm": lambda f: f.llvm(),
    "python": lambda f: f.python(),
    "ssa": lambda f: f.ssa(),
    "torch": lambda f: f.python("torch"),
}


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "wrt")
    parser.add_argument("--as", dest="form", choices=sorted(FORMS), default="ssa", help="default: ssa")
    parser.add_argument("--of", choices=("value", "grad", "hessian"), default="value", help="default: value")


def _run(options: argparse.Namespace) -> int:
    f = asked_function(options)
    if options.of != "value":
        wrt = None if options.wrt is None and f._ordered else wrt_of(options, f)
        f = (sd.grad if options.of == "grad" else sd.hessian)(f, wrt)
    code = FORMS[options.form](f).rstrip()
    give(options, {"as": options.form, "code": code}, code)
    return 0


COMMAND = Command(_add, _run)
