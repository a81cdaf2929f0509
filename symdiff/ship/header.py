"""The header of a library: C99 and C++, with what a person has to know to call its functions."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from symdiff.display.c_names import CNames
from symdiff.ship.interface import SUFFIXES, Array, Exported
from symdiff.ship.package import Package
from symdiff.version import VERSION

WIDTH = 100
"""Characters of a line in comments."""

MOST_ARRAYS = 8
"""Inputs and outputs of the function whose call is shown."""

MOST_LINES = 40
"""Lines of a formula; of a longer one the first are shown."""

RESULTS = """\
/* What functions return. */
#ifndef SYMDIFF_RESULTS
#define SYMDIFF_RESULTS
#define SYMDIFF_OK 0            /* the outputs are written */
#define SYMDIFF_NO_WORKSPACE 1  /* work is null, and the function needs some */
#define SYMDIFF_BAD_INDEX 2     /* an index is out of range: the outputs are not set */
#endif
"""


TOLD = """\
/*
 * What each function tells of its inputs and outputs: how many there are; the name (in UTF-8), the rank and the
 * shape of the one with the number k, which begins at 0. Where there is none they give 0, the rank -1.
 */
"""


def write_header(package: Package) -> str:
    """The text of the header."""
    guard = f"SYMDIFF_{package.name}_H"
    cpu = f" ({package.target.cpu})" if package.target.cpu and not package.is_source else ""
    head = [f"{package.name}.h: {where_from(package)}{cpu}", "", *_rules()]
    head += ["", *_example(package.functions), *linked_with(package)]
    parts = [
        comment(head),
        f"#ifndef {guard}\n#define {guard}\n\n#include <stddef.h>\n#include <stdint.h>\n",
        RESULTS,
        '#ifdef __cplusplus\nextern "C" {\n#endif\n',
        *(_function(f) for f in package.functions),
        TOLD,
        *(_told(f) for f in package.functions),
        f"#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {guard} */\n",
    ]
    return "\n".join(parts)


def _rules() -> list[str]:
    return [
        "in and out list one array for each input and output, each in C order. No output may overlap an input or",
        "another output. work is NAME_work_bytes() bytes (for a batch NAME_batch_work_bytes()), aligned to 8, of the",
        "calling thread alone; where that is 0 it may be null. Functions have no state, allocate nothing and may be",
        "called by many threads at once.",
        "",
        "A batch computes n points. Point i of an array begins i*stride elements after its first; a stride of 0 is",
        "the same array for all points. It ends at the first point that fails.",
    ]


def _example(functions: Sequence[Exported]) -> list[str]:
    """How the first function is called that has few arrays."""
    function = next((f for f in functions if f.inputs and len(f.inputs) + len(f.outputs) <= MOST_ARRAYS), None)
    if function is None:
        return []
    names = CNames()
    for taken in ("in", "out", "work", "code", *(f"{f.name}{suffix}" for f in functions for suffix in SUFFIXES)):
        names.new(taken)
    inputs = [(names.new(a.name), a.shape) for a in function.inputs]
    known = {f.name for f in functions}
    outputs = [(names.new("result" if a.name in known else a.name), a.shape) for a in function.outputs]
    name, element = function.name, function.element
    declared = [f"{n}{_sizes(shape)} = {'{0}' if shape else '1'}" for n, shape in inputs]
    declared += [f"{n}{_sizes(shape)}" for n, shape in outputs]
    given, made = ([n if shape else f"&{n}" for n, shape in arrays] for arrays in (inputs, outputs))
    lines = _broken(f"    {element} {', '.join(declared)};")
    lines += _broken(f"    const {element} *in[] = {{{', '.join(given)}}};")
    lines += _broken(f"    {element} *out[] = {{{', '.join(made)}}};")
    lines += [f"    void *work = malloc({name}_work_bytes());", f"    int code = {name}(in, out, work);"]
    return [
        f"A call of {name}, whose result is in {' and '.join(n for n, _ in outputs)} where code is 0:",
        "",
        *lines,
        "",
    ]


def _sizes(shape: tuple[int, ...]) -> str:
    """The size of an array in a declaration."""
    return f"[{max(1, math.prod(shape))}]" if shape else ""


def where_from(package: Package) -> str:
    """What the functions of a header are."""
    if package.is_source:
        return f"the functions of {package.name}.c, written by symdiff {VERSION}"
    return f"functions compiled by symdiff {VERSION} for {package.target.triple}"


def linked_with(package: Package) -> list[str]:
    """What has to be linked."""
    if package.is_source:
        own = [f"{symbol.prototype}, which is {symbol.word}, has to be linked." for symbol in package.foreign]
        return [*own, f"{package.name}.c may call functions of <math.h>: link with -lm."]
    called = package.called_foreign
    named = [symbol.name for symbol in called]
    algebra = package.algebra
    other = [name for name in package.outside if not name.endswith("_") and name not in named]
    lines = [f"{symbol.prototype}, which is {symbol.word}, has to be linked." for symbol in called]
    if other:
        lines += _filled("Functions of the C library that may be called (link with -lm): ", other)
    if algebra:
        lines += _filled("Functions of BLAS and LAPACK that are called, with 32-bit integers: ", algebra)
    return lines or ["Nothing is called from outside."]


def _filled(title: str, words: Sequence[str]) -> list[str]:
    lines = [title]
    for word in words:
        if len(lines[-1]) + len(word) > WIDTH:
            lines.append("  ")
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]


def _function(function: Exported) -> str:
    name, element = function.name, function.element
    arrays = f"const {element} *const *in, {element} *const *out, void *work"
    strides = (
        f"int64_t n, const {element} *const *in, const int64_t *in_strides,\n"
        f"    {element} *const *out, const int64_t *out_strides, void *work"
    )
    lines = [
        described(function),
        f"int {name}({arrays});",
        f"size_t {name}_work_bytes(void);",
        f"int {name}_batch({strides});",
        f"size_t {name}_batch_work_bytes(void);",
    ]
    if function.sparsity is not None:
        width, count = function.sparsity.shape[1], len(function.sparsity.rows)
        places = (
            f"Where the {count} entries are: the number of rows, that of columns, the {width + 1} starts of columns "
            f"among the entries, the {count} rows of entries."
        )
        lines += ["", comment(_broken(places, "")), f"const int64_t *{name}_sparsity(void);"]
    return "\n".join([*lines, ""])


def _told(function: Exported) -> str:
    """What a function tells of its inputs and outputs."""
    name, lines = function.name, []
    for side in ("in", "out"):
        lines += [
            f"int64_t {name}_n_{side}(void);",
            f"const char *{name}_{side}_name(int64_t k);",
            f"int64_t {name}_{side}_rank(int64_t k);",
            f"const int64_t *{name}_{side}_shape(int64_t k);",
        ]
    return "\n".join([*lines, ""])


def described(function: Exported, numbered: bool = True) -> str:
    """The comment of a function: what it is, its formula, its inputs and outputs; `numbered`: by their places."""
    listed = described_operands(function) if numbered else function.described()
    return comment([*which(function), *_formula(function), "", *listed])


def which(function: Exported) -> list[str]:
    """Which derivative a function is, on a line with an empty one below; nothing for others."""
    return [f"{function.name}: {function.what}.", ""] if function.what else []


def described_operands(function: Exported) -> list[str]:
    """What there is to say of the inputs and outputs: their numbers, and in which units they are."""
    return [*_listed("in", function.inputs), *_listed("out", function.outputs)]


def _formula(function: Exported) -> list[str]:
    lines = function.formula.removeprefix("# ").splitlines()
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"... {len(lines) - MOST_LINES} lines more"]
    return list(itertools.chain.from_iterable(map(_broken, lines)))


def _broken(line: str, indent: str = "    ") -> list[str]:
    """A line in parts that are not too long; those after the first are indented."""
    parts = []
    while len(line) > WIDTH:
        at = line.rfind(" ", WIDTH // 2, WIDTH)
        at = WIDTH if at < 0 else at
        parts.append(line[:at])
        line = indent + line[at:].lstrip()
    return [*parts, line]


def _listed(side: str, arrays: Sequence[Array]) -> list[str]:
    lines = []
    for k, array in enumerate(arrays):
        first, *below = array.described()
        start = f"{side}[{k}]  "
        indent = " " * len(start)
        lines += [*_broken(start + first, indent), *(indent + line for line in below)]
    return lines


def comment(lines: Sequence[str]) -> str:
    """Lines as a comment, which nothing in them ends."""
    text = [line.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/").replace("??", "? ?") for line in lines]
    return "\n".join(["/*", *(f" * {line}".rstrip() for line in text), " */"])
