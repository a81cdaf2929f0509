"""The command line: `symdiff eval`, `grad`, `hessian`, `check`, `emit`, `compile`, `cache`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

import symdiff as sd
from symdiff.errors import ArgumentError, SymdiffError
from symdiff.ship.formulas import DERIVATIVES, derived, read_formulas

FAILED, MISUSED = 1, 2

EPILOG = """examples:
  symdiff eval "sin(x*y) + exp(-x**2)" --at x=1,y=2
  symdiff grad "x**2*y" --wrt x,y --at x=3,y=2
  symdiff hessian "f(x, y) = x**2*y"
  symdiff check "f(x, y) = x**2*y" --at x=3,y=2
  symdiff emit "x**2" --of grad --as c
  symdiff compile formulas.txt -o build --of value,grad --as a,h
  echo "a*exp(-b*t)" | symdiff grad - --json
  symdiff cache info

exit status: 0 done, 1 the formula or the point is wrong, or a derivative is, 2 the command is wrong
"""


def parser() -> argparse.ArgumentParser:
    """The command's grammar."""
    top = argparse.ArgumentParser(
        prog="symdiff",
        description="Values and derivatives of a formula.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"symdiff {sd.__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("formula", nargs="?", metavar="EXPR", help="the formula, or - to read it from standard input")
    shared.add_argument("-f", "--file", metavar="PATH", help="read the formula from a file")
    shared.add_argument("--inputs", metavar="x,y", help="the names in order, where the formula has no header")
    shared.add_argument("--json", action="store_true", help="print JSON")
    at = argparse.ArgumentParser(add_help=False)
    at.add_argument("--at", metavar="x=1,y=2", help="the point; a vector is [1, 2]; values may be constant expressions")
    wrt = argparse.ArgumentParser(add_help=False)
    wrt.add_argument("--wrt", metavar="x,y", help="the names to differentiate by; default: all inputs")
    commands.add_parser("eval", parents=[shared, at], help="the value at a point")
    commands.add_parser("grad", parents=[shared, wrt, at], help="the gradient: its formulas, or its value at a point")
    commands.add_parser("hessian", parents=[shared, wrt, at], help="the Hessian: its formulas, or its value at a point")
    check = commands.add_parser(
        "check", parents=[shared, wrt, at], help="the derivatives at a point beside what difference quotients give"
    )
    check.add_argument("--order", type=int, choices=(1, 2), default=1, help="2: the Hessian; default: 1")
    emit = commands.add_parser("emit", parents=[shared, wrt], help="code for the value or a derivative")
    emit.add_argument("--as", dest="form", choices=sorted(FORMS), default="ssa", help="default: ssa")
    emit.add_argument("--of", choices=("value", "grad", "hessian"), default="value", help="default: value")
    make = commands.add_parser("compile", help="a library with a C interface, which runs without Python")
    make.add_argument(
        "formulas",
        metavar="FORMULAS",
        help="a text file with a header for each function (or -), a file that `save` wrote, or module:function",
    )
    make.add_argument("-o", "--output", metavar="DIR", required=True, help="the folder for the files")
    make.add_argument(
        "--of", default="value", metavar="value,grad", help=f"of {', '.join(DERIVATIVES)}; of f alone: f:grad"
    )
    make.add_argument("--wrt", metavar="x,y", help="the names to differentiate by; default: all inputs")
    make.add_argument("--as", dest="kinds", default="a,h", metavar="a,h", help="kinds of files; default: a,h")
    make.add_argument("--name", help="of the library; default: that of the first function")
    make.add_argument("--target", metavar="TRIPLE", help="the machine, such as aarch64-linux-gnu; default: this system")
    make.add_argument("--cpu", help="the processor, as LLVM names it, or native; default for x86-64: any since 2013")
    make.add_argument("--dtype", choices=("float64", "float32"), default="float64", help="of numbers in a text")
    make.add_argument("--numbers", metavar="k", default="", help="names in a text that are numbers, beside arrays")
    make.add_argument("--fp", choices=("strict", "contract", "fast"), help="default: contract")
    make.add_argument("--math", choices=("vector", "scalar"), default="vector", help="of batches; default: vector")
    make.add_argument("--no-blas", action="store_true", help="loops where BLAS and LAPACK would be called")
    make.add_argument("--link", metavar="openblas", default="", help="libraries that a shared one is linked with")
    make.add_argument("--json", action="store_true", help="print JSON")
    stored = commands.add_parser("cache", help="the compiled code kept on disk, where SYMDIFF_CACHE=1 asks for it")
    stored.add_argument("action", choices=sorted(CACHE), help="info: where it is and how large; clear: remove it")
    stored.add_argument("--json", action="store_true", help="print JSON")
    return top


def _cache_info() -> tuple[dict[str, Any], str]:
    from symdiff.codegen.cache import cache_info

    info = cache_info()
    data = {"directory": info.directory, "entries": info.entries, "bytes": info.size, "limit": info.limit}
    return data, "\n".join(f"{key}: {value}" for key, value in data.items())


def _cache_clear() -> tuple[dict[str, Any], str]:
    from symdiff.codegen.cache import cache_clear

    removed = cache_clear()
    return {"removed": removed}, f"removed {removed} {'entry' if removed == 1 else 'entries'}"


CACHE: dict[str, Callable[[], tuple[dict[str, Any], str]]] = {"clear": _cache_clear, "info": _cache_info}


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    top = parser()
    options = top.parse_args(arguments)
    if options.command == "cache":
        try:
            print(_shown(options, *CACHE[options.action]()))
        except SymdiffError as error:
            print(f"symdiff: {error}", file=sys.stderr)
            return FAILED
        return 0
    if options.command == "compile":
        return _compile(options)
    if (options.formula is None) == (options.file is None):
        top.error("give one formula: EXPR, - or --file PATH")
    try:
        text = _formula(options)
    except (OSError, UnicodeDecodeError) as error:
        print(f"symdiff: {error}", file=sys.stderr)
        return MISUSED
    try:
        if options.command == "check":
            checked = _check(options, text)
            print(_shown(options, {"ok": checked.ok, "rows": [asdict(row) for row in checked]}, str(checked)))
            return 0 if checked.ok else FAILED
        print(COMMANDS[options.command](options, text))
    except SymdiffError as error:
        print(f"symdiff: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:  # the reader went away; nothing more to say
        sys.stderr.close()
        return 0
    return 0


def _compile(options: argparse.Namespace) -> int:
    """The command `compile`; the exit status."""
    wrt = None if options.wrt is None else _names(options.wrt)
    try:
        functions = derived(
            read_formulas(options.formulas, options.dtype, _names(options.numbers)), _names(options.of), wrt
        )
        files = sd.emit(
            functions,
            options.output,
            kinds=_names(options.kinds),
            name=options.name,
            target=options.target,
            cpu=options.cpu,
            fp=options.fp,
            math=options.math,
            libraries=_names(options.link),
            blas=False if options.no_blas else None,
        )
    except SymdiffError as error:
        print(f"symdiff: {error}", file=sys.stderr)
        return FAILED
    except OSError as error:
        print(f"symdiff: {error}", file=sys.stderr)
        return MISUSED
    print(_shown(options, {"files": [str(file) for file in files]}, "\n".join(map(str, files))))
    return 0


def _formula(options: argparse.Namespace) -> str:
    if options.file is not None:
        with open(options.file, encoding="utf-8") as lines:
            return lines.read()
    return sys.stdin.read() if options.formula == "-" else str(options.formula)


def _function(options: argparse.Namespace, text: str, point: dict[str, Any] | None = None) -> sd.Function:
    if options.inputs is not None:
        return sd.function(text, _names(options.inputs))
    try:
        return sd.function(text)
    except sd.ParseError:
        if not point:
            raise
        return sd.function(text, list(point))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _point(text: str | None) -> dict[str, Any]:
    """`x=1,b=[1, 2]` as a dict of numbers and lists."""
    values: dict[str, Any] = {}
    for part in _split(text or ""):
        name, equals, value = part.partition("=")
        if not equals or not value.strip():
            raise ArgumentError(f"{part.strip()!r} in --at is not name=value", hint="--at x=1,y=2")
        number = sd.function(value.strip(), [])()
        values[name.strip()] = number
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


def _wrt(options: argparse.Namespace, f: sd.Function) -> list[str]:
    if options.wrt is not None:
        return _names(options.wrt)
    return [n for entry in f.inputs for n in ((entry,) if isinstance(entry, str) else entry)]


def _shown(options: argparse.Namespace, data: dict[str, Any], text: str) -> str:
    return json.dumps(data) if options.json else text


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def _evaluate(options: argparse.Namespace, text: str) -> str:
    point = _point(options.at)
    value = _plain(_function(options, text, point)(**point))
    return _shown(options, {"value": value}, str(value))


def _gradient(options: argparse.Namespace, text: str) -> str:
    point = _point(options.at)
    f = _function(options, text, point)
    wrt = _wrt(options, f)
    g = sd.grad(f, tuple(wrt))
    if options.at is not None:
        found = {n: _plain(v) for n, v in zip(wrt, g(**point), strict=True)}
        return _shown(options, {"gradient": found}, "\n".join(f"d/d{n} = {v}" for n, v in found.items()))
    formulas = {n: str(e) for n, e in zip(wrt, g.expr, strict=True)}
    return _shown(options, {"gradient": formulas}, "\n".join(_line(f"d/d{n}", v) for n, v in formulas.items()))


def _check(options: argparse.Namespace, text: str) -> sd.GradientCheck:
    point = _point(options.at)
    f = _function(options, text, point)
    return sd.check_grad(f, wrt=None if options.wrt is None else _names(options.wrt), order=options.order, **point)


def _line(name: str, value: object) -> str:
    """A value after its name, which stands before the last line of a formula that has several."""
    *shared, last = str(value).split("\n")
    return "\n".join([*shared, f"{name} = {last}"])


def _hessian(options: argparse.Namespace, text: str) -> str:
    point = _point(options.at)
    f = _function(options, text, point)
    wrt = _wrt(options, f)
    h = sd.hessian(f, tuple(wrt))
    rows = [[_plain(v) for v in row] for row in h(**point)] if options.at is not None else None
    if rows is None:
        rows = [[str(e) for e in row] for row in h.expr]
    lines = [_line(f"d2/d{a}d{b}", rows[i][j]) for i, a in enumerate(wrt) for j, b in enumerate(wrt) if j <= i]
    return _shown(options, {"wrt": wrt, "hessian": rows}, "\n".join(lines))


def _emit(options: argparse.Namespace, text: str) -> str:
    f = _function(options, text)
    if options.of != "value":
        wrt = None if options.wrt is None and f._ordered else _wrt(options, f)
        f = (sd.grad if options.of == "grad" else sd.hessian)(f, wrt)
    code = FORMS[options.form](f).rstrip()
    return _shown(options, {"as": options.form, "code": code}, code)


COMMANDS: dict[str, Callable[[argparse.Namespace, str], str]] = {
    "eval": _evaluate,
    "grad": _gradient,
    "hessian": _hessian,
    "emit": _emit,
}

if __name__ == "__main__":
    sys.exit(main())
