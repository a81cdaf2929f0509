"""What commands have in common: a formula from where it is, a point, names, an output as text or JSON."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import symdiff as sd
from symdiff.errors import ArgumentError

FAILED, MISUSED = 1, 2


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what adds its options to a parser, and what runs it and gives the exit status."""

    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def add_output(parser: argparse.ArgumentParser, file: str = "") -> None:
    """The options that say where the output goes, and in which form; `file`: into which file."""
    told = f"write to {file or 'a file instead of the terminal'}"
    parser.add_argument("-o", "--output", metavar="FILE", help=told)
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_formula(parser: argparse.ArgumentParser, *more: str, file: str = "") -> None:
    """The options that say which formula; `more` may be "wrt" and "at"."""
    parser.add_argument("formula", nargs="?", metavar="EXPR", help="the formula, or - to read it from standard input")
    parser.add_argument("-f", "--file", metavar="PATH", help="read the formula from a file")
    parser.add_argument("--inputs", metavar="x,y", help="the names in order, where the formula has no header")
    if "wrt" in more:
        parser.add_argument("--wrt", metavar="x,y", help="the names to differentiate by; default: all inputs")
    if "at" in more:
        told = "the point; a vector is [1, 2]; values may be constant expressions"
        parser.add_argument("--at", metavar="x=1,y=2", help=told)
    add_output(parser, file)
    parser.set_defaults(misused=parser.error)


def give(options: argparse.Namespace, data: Any, text: str) -> None:
    """Print what came out, or write it to the file that was asked for."""
    shown = json.dumps(data) if options.json else text.rstrip()
    if options.output is None:
        print(shown)
    else:
        Path(options.output).write_text(shown + "\n", encoding="utf-8")


def formula_of(options: argparse.Namespace) -> str:
    """The text of the formula."""
    if (options.formula is None) == (options.file is None):
        options.misused("give one formula: EXPR, - or --file PATH")
    if options.file is not None:
        return Path(options.file).read_text(encoding="utf-8-sig")
    return sys.stdin.read() if options.formula == "-" else str(options.formula)


def asked_function(options: argparse.Namespace, point: dict[str, Any] | None = None) -> sd.Function:
    """The function of the formula; the names of the point order those that nothing else does."""
    text = formula_of(options)
    if options.inputs is not None:
        return sd.function(text, names_in(options.inputs))
    try:
        return sd.function(text)
    except sd.ParseError:
        if not point:
            raise
        return sd.function(text, list(point))


def names_in(text: str) -> list[str]:
    """`x,y` as a list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def point_in(text: str | None) -> dict[str, Any]:
    """`x=1,b=[1, 2]` as a dict of numbers and lists.

    Raises
    ------
    ArgumentError
        For a part that is not `name=value`.
    """
    values: dict[str, Any] = {}
    for part in _split(text or ""):
        name, equals, value = part.partition("=")
        if not equals or not value.strip():
            raise ArgumentError(f"{part.strip()!r} in --at is not name=value", hint="--at x=1,y=2")
        values[name.strip()] = sd.function(value.strip(), [])()
    return values


def _split(text: str) -> list[str]:
    """The parts between commas that stand outside brackets."""
    parts, depth, start = [], 0, 0
    for k, c in enumerate(text):
        depth += (c in "([") - (c in ")]")
        if c == "," and depth == 0:
            parts.append(text[start:k])
            start = k + 1
    return [p for p in (*parts, text[start:]) if p.strip()]


def wrt_of(options: argparse.Namespace, f: sd.Function) -> list[str]:
    """The names to differentiate by."""
    if options.wrt is not None:
        return names_in(options.wrt)
    return [n for entry in f.inputs for n in ((entry,) if isinstance(entry, str) else entry)]


def asked_derivative(options: argparse.Namespace) -> tuple[sd.Function, list[str], dict[str, Any] | None]:
    """What a derivative is asked of: the function, the names to differentiate by, and the point if one is given."""
    point = point_in(options.at)
    f = asked_function(options, point)
    return f, wrt_of(options, f), None if options.at is None else point


def as_plain(value: Any) -> Any:
    """A value as numbers and lists of Python's."""
    if isinstance(value, tuple):
        return [as_plain(v) for v in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def titled(name: str, value: object) -> str:
    """A value after its name, which stands before the last line of a formula that has several."""
    *shared, last = str(value).split("\n")
    return "\n".join([*shared, f"{name} = {last}"])
