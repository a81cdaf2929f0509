"""`symdiff compile`: a library with a C interface, of the functions in a text, a saved file or a Python module."""

from __future__ import annotations

import argparse
from pathlib import Path

import symdiff as sd
from symdiff.cli.command import Command, give, names_in
from symdiff.errors import ArgumentError, ShapeError
from symdiff.ship.formulas import DERIVATIVES, Formulas, derived, read_formulas
from symdiff.ship.units import read_units


def _add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "formulas",
        metavar="FORMULAS",
        help="a text file with a header for each function (or -), a file that `save` wrote, or module:function",
    )
    parser.add_argument("-o", "--output", dest="folder", metavar="DIR", required=True, help="the folder for the files")
    parser.add_argument(
        "--of", default="value", metavar="value,grad", help=f"of {', '.join(DERIVATIVES)}; of f alone: f:grad"
    )
    parser.add_argument("--wrt", metavar="x,y", help="the names to differentiate by; default: all inputs")
    parser.add_argument("--as", dest="kinds", default="a,h", metavar="a,h", help="kinds of files; default: a,h")
    parser.add_argument("--name", help="of the library; default: that of the first function")
    parser.add_argument(
        "--target", metavar="TRIPLE", help="the machine, such as aarch64-linux-gnu; default: this system"
    )
    parser.add_argument("--cpu", help="the processor, as LLVM names it, or native; default for x86-64: any since 2013")
    parser.add_argument("--dtype", choices=("float64", "float32"), help="of numbers in a text; default: float64")
    parser.add_argument("--numbers", metavar="k", default="", help="names in a text that are numbers, beside arrays")
    parser.add_argument("--fp", choices=("strict", "contract", "fast"), help="default: contract")
    parser.add_argument("--math", choices=("vector", "scalar"), default="vector", help="of batches; default: vector")
    parser.add_argument("--no-blas", action="store_true", help="loops where BLAS and LAPACK would be called")
    parser.add_argument("--link", metavar="openblas", default="", help="libraries that a shared one is linked with")
    parser.add_argument(
        "--symbol",
        action="append",
        default=[],
        metavar="digamma=gsl_sf_psi",
        help="a C function, double (double, ...), that is called for one that no C library has; once for each",
    )
    parser.add_argument(
        "--units",
        metavar="'v=m/s, drag=N'",
        default="",
        help="of inputs and results, for the header; in a text also by lines # units: v in m/s, drag in N",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(output=None)


def _run(options: argparse.Namespace) -> int:
    if not options.folder:
        raise ArgumentError("the folder for the files has no name", hint="-o DIR, or -o . for this one")
    formulas = read_formulas(options.formulas, options.dtype, names_in(options.numbers))
    try:
        files = _write(formulas, options)
    except ShapeError as error:
        if formulas.is_text and "call only" in error.message:
            error.hint = "write them where the name is first, such as f(x[3]) = …; --numbers x says that it is a number"
        raise
    give(options, {"files": [str(file) for file in files]}, "\n".join(map(str, files)))
    return 0


def _write(formulas: Formulas, options: argparse.Namespace) -> tuple[Path, ...]:
    wrt = None if options.wrt is None else names_in(options.wrt)
    return sd.emit(
        derived(formulas.functions, names_in(options.of), wrt),
        options.folder,
        kinds=names_in(options.kinds),
        name=options.name,
        target=options.target,
        cpu=options.cpu,
        fp=options.fp,
        math=options.math,
        libraries=names_in(options.link),
        blas=False if options.no_blas else None,
        symbols=_symbols(options.symbol),
        units=formulas.units_with(read_units(options.units)),
    )


def _symbols(given: list[str]) -> dict[str, str]:
    """The C functions that are called for ours."""
    found: dict[str, str] = {}
    for text in given:
        word, sign, name = (part.strip() for part in text.partition("="))
        if not sign or word in found:
            raise ArgumentError(f"--symbol {text}", hint="each function once: --symbol digamma=gsl_sf_psi")
        found[word] = name
    return found


COMMAND = Command(_add, _run)
