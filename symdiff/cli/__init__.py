"""The command line: `symdiff eval`, `grad`, `check`, `compile`, `doctor`, …; a file for each command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from symdiff.cli.command import FAILED, MISUSED, Command
from symdiff.errors import SymdiffError
from symdiff.version import VERSION

COMMANDS = {
    "eval": ("value", "the value at a point"),
    "grad": ("gradient", "the gradient: its formulas, or its value at a point"),
    "jacobian": ("jacobian", "the Jacobian: its formulas, or its value at a point"),
    "hessian": ("hessian", "the Hessian: its formulas, or its value at a point"),
    "derivative": ("derivative", "the n-th derivative by one name: its formula, or its value at a point"),
    "steps": ("steps", "every value on the way at a point, and the derivative by it"),
    "check": ("check", "the derivatives at a point beside what difference quotients give"),
    "draw": ("draw", "the circuit of the formula as a picture, with values and derivatives at a point"),
    "plot": ("plot", "the formula and its derivatives as curves, with marks where they are not smooth"),
    "bench": ("bench", "how long a formula takes to its first value, a call and a point of a batch"),
    "emit": ("emit", "code for the value or a derivative"),
    "compile": ("library", "a library with a C interface, which runs without Python"),
    "cache": ("cache", "the compiled code kept on disk, where SYMDIFF_CACHE=1 asks for it"),
    "doctor": ("doctor", "what is installed, what this processor has, and which fast paths are on"),
    "completion": ("completion", "a script that completes commands and options in a shell"),
}
"""The commands: the module of each, which is loaded when it is used, and what it does."""

EPILOG = """examples:
  symdiff eval "sin(x*y) + exp(-x**2)" --at x=1,y=2
  symdiff grad "x**2*y" --wrt x,y --at x=3,y=2
  symdiff hessian "f(x, y) = x**2*y"
  symdiff derivative "sin(2*x)" --order 3
  symdiff jacobian "[x*y, x + y]" --wrt x
  symdiff steps "f(x, y, z) = (x + y)*z" --at x=-2,y=5,z=-4
  symdiff check "f(x, y) = x**2*y" --at x=3,y=2
  symdiff emit "x**2" --of grad --as c -o square.c
  symdiff compile formulas.txt -o build --of value,grad --as a,h
  echo "a*exp(-b*t)" | symdiff grad - --json
  symdiff draw "f(x, y, z) = (x + y)*z" --at x=-2,y=5,z=-4 -o circuit.svg
  symdiff plot "abs(x) + a" --range x=-1:1 --at a=0.5 -o kink.png
  symdiff bench "f(x, y) = sin(x*y)" --of grad
  symdiff cache info
  symdiff doctor
  symdiff completion bash -o symdiff.bash

exit status: 0 done, 1 the formula or the point is wrong, or a derivative is, 2 the command is wrong
"""


def command_of(name: str) -> Command:
    """The command of a name."""
    found: Command = import_module(f"symdiff.cli.{COMMANDS[name][0]}").COMMAND
    return found


def parser(*wanted: str) -> argparse.ArgumentParser:
    """The grammar: with the options of some commands, or of all where none is named."""
    top = argparse.ArgumentParser(
        prog="symdiff",
        description="Values and derivatives of a formula.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"symdiff {VERSION}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (_, help_) in COMMANDS.items():
        one = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
        if not wanted or name in wanted:
            command_of(name).add(one)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = parser(*[a for a in given if a in COMMANDS][:1] or ["eval"]).parse_args(given)
    try:
        return command_of(options.command).run(options)
    except SymdiffError as error:
        print(f"symdiff: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # the reader went away; nothing more to say
        sys.stderr.close()
        return 0
    except (OSError, UnicodeDecodeError) as error:
        print(f"symdiff: {error}", file=sys.stderr)
        return MISUSED
