"""Functions as one file of C99."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.codegen.pieces import Piece, cut
from symdiff.dataclass import dataclass
from symdiff.display.c_code import CPart, CSource, c_file
from symdiff.errors import ArgumentError, CompileError
from symdiff.functions.texts import formula_lines
from symdiff.ops import core
from symdiff.optimize.pipeline import optimize
from symdiff.optimize.program import Program, TensorProgram
from symdiff.optimize.trail import Trail
from symdiff.signature import Argument
from symdiff.types import FLOAT32, FLOAT64, fixed
from symdiff.version import VERSION

if TYPE_CHECKING:
    from symdiff.functions.function import Function

PIECE = 500
"""About how many operations a function of C has: for 12,000 GCC takes 4 s, in pieces of 1000 or in one 7 s and 19 s."""


@dataclass(frozen=True, slots=True)
class Emitted:
    """A function for a file.

    Attributes
    ----------
    name : what it is called there.
    function : the function, of a sparse matrix that of its entries.
    order : the order of the entries by columns; None for what is no sparse matrix.
    sparsity : its numbers of rows and columns, where each column begins, and the row of each entry.
    what : what is said of it before its formula.
    operands : what is said of its inputs and outputs; where nothing is given, their names and shapes.
    """

    name: str
    function: Function
    order: Sequence[int] | None = None
    sparsity: Sequence[int] = ()
    what: Sequence[str] = ()
    operands: Sequence[str] = ()

    @classmethod
    def of(cls, name: str, f: Any) -> Emitted:
        """A `Function`, or a `SparseFunction`, under a name."""
        if not hasattr(f, "layout"):
            return cls(name, f)
        rows, columns = np.asarray(f.rows), np.asarray(f.columns)
        order = np.lexsort((rows, columns))
        starts = np.searchsorted(columns[order], np.arange(f.shape[1] + 1))
        return cls(name, f.values, order.tolist(), [*f.shape, *starts.tolist(), *rows[order].tolist()])


def c_source(
    functions: Sequence[Emitted],
    fp: str = "contract",
    dtype: str | None = None,
    complete: bool = False,
    symbols: Mapping[str, tuple[str, str]] | None = None,
) -> str:
    """A file of C99 with these functions; `complete`: with all that a library has of each.

    `symbols` are C functions that are called for ours, by our words: the name of each and its declaration.

    Raises
    ------
    ArgumentError
        For another `fp` or `dtype` than there is, and for what is no `Function`.
    CompileError
        For a function of arrays that takes loops, and for operations that `math.h` does not have.
    ShapeError
        For a function whose shapes are known at each call only.
    """
    if dtype not in (None, FLOAT32, FLOAT64):
        raise ArgumentError(f"dtype is {dtype!r}", hint='"float64" or "float32"')
    for one in functions:
        if not hasattr(one.function, "_known"):
            raise ArgumentError(f"{one.name} is {type(one.function).__name__}, not a Function")
    types = {one.function.graph.dtype for one in functions} if dtype is None else {dtype}
    if len(types) != 1:
        hint = "write a library for each" if complete else 'say which: dtype="float64"'
        raise ArgumentError("functions of float64 and of float32 in one file", hint=hint)
    sources = [_source(one, fp) for one in functions]
    head = [
        f"{', '.join([one.name for one in functions])}: written by symdiff {VERSION}.",
        "",
        "Each function takes an array of pointers to its inputs and one of pointers to its outputs, which must not",
        "overlap anything; work may be null unless there is a function that says how many bytes it has. 0 is success.",
    ]
    return c_file(sources, head, types == {FLOAT32}, complete, symbols or {})


def _source(one: Emitted, fp: str) -> CSource:
    f = one.function
    known = f._known
    trail = Trail(known.graph.live(known.nodes))
    operands = [(a.type(known.graph.dtype), known.leaves(a)) for a in f.arguments]
    program = optimize(known.graph, operands, known.nodes, fp=fp, stable=known.stable, trail=trail)
    if isinstance(program, TensorProgram):
        raise CompileError(
            f"C source of {f.__name__}, which works on arrays by loops and BLAS: that comes with the Builder",
            hint="small arrays of declared shapes become scalar code; f.compile() and f.address have it all",
        )
    if one.order is not None:
        program = replace(program, outputs=(tuple([program.outputs[0][k] for k in one.order]),))
    told = _told(f, program, trail)
    pieces, places = cut(program, PIECE, reread=True)
    if len(pieces) == 1:
        pieces = [
            Piece(_in_order(program, pieces[0].nodes, told.ranks), fills=pieces[0].fills, stores=pieces[0].stores)
        ]
    parts = [CPart(p.nodes, p.loads, p.saves, p.fills, p.stores) for p in pieces]
    results = [title for title, _ in known.outputs]
    inputs = [(a.written, fixed(a.shape)) for a in f.arguments]
    shapes = [fixed(type_.shape) for type_ in program.types]
    outputs = [(_shown(title, shape), shape) for title, shape in zip(results, shapes, strict=True)]
    said = one.operands or [
        *(f"in[{k}]: {written}" for k, (written, _) in enumerate(inputs)),
        *(f"out[{k}]: {written}" for k, (written, _) in enumerate(outputs)),
    ]
    text = formula_lines(f)
    elements = [_element_names(a) for a in f.arguments]
    heading = [*one.what, *text, "", *said]
    return CSource(
        one.name,
        program,
        parts,
        places,
        inputs,
        outputs,
        elements,
        results,
        told.names,
        told.adjoints,
        told.origins,
        heading,
        one.sparsity,
    )


@dataclass(slots=True)
class Told:
    """What a formula tells of the nodes of its program.

    Attributes
    ----------
    names : the names of lines, and of their adjoints that were made for them.
    adjoints : names of adjoints for what the formula has anyway.
    origins : the texts that they come from.
    ranks : their places in the formula.
    """

    names: dict[int, str] = field(default_factory=dict)
    adjoints: dict[int, str] = field(default_factory=dict)
    origins: dict[int, str] = field(default_factory=dict)
    ranks: dict[int, int] = field(default_factory=dict)


def _told(f: Function, program: Program, trail: Trail) -> Told:
    """What is known of the nodes of a function's program."""
    graph, found, told = f.graph, program.graph, Told()
    lines: dict[int, str] = {}
    for node, places in sorted(trail.at.items()):
        place, line = graph.places.get(node), graph.adjoints.get(node)
        named = graph.ops[node] is core.NAMED and graph.payloads[node] != f.__name__
        for element, at in zip(_indices(fixed(graph.types[node].shape)), places, strict=False):
            if at is None:
                continue
            told.ranks.setdefault(at, node)
            leaf = not found.args[at]
            if line is not None and (not leaf or found.ops[at] is core.INPUT):
                known = told.names if line[1] and not leaf else told.adjoints
                known.setdefault(at, f"d_{line[0]}{element}")
            if leaf:
                continue
            if named:
                lines.setdefault(at, graph.payloads[node] + element)
            if place is not None and place.derived:
                text = " ".join(place.source.text[place.start : place.end].split())
                told.origins.setdefault(at, f"derivative of {text}")
    told.adjoints.update({at: name for at, name in told.names.items() if at in lines})
    told.names.update(lines)
    return told


def _in_order(program: Program, nodes: Sequence[int], ranks: Mapping[int, int]) -> list[int]:
    """The operations in the order in which the formula has them: what is differentiated first, then its derivatives."""
    args = program.graph.args
    late: dict[int, int] = {}
    for node in program.body.order:
        late[node] = max([ranks.get(node, -1), *(late[a] for a in args[node])])
    return sorted(nodes, key=lambda node: (late[node], node))


def _shown(name: str, shape: Sequence[int]) -> str:
    return f"{name}[{', '.join(map(str, shape))}]" if shape else name


def _element_names(argument: Argument) -> list[str]:
    if argument.members is not None:
        return list(argument.members)
    return [argument.name + index for index in _indices(fixed(argument.shape))]


def _indices(shape: Sequence[int]) -> list[str]:
    """What the names of an array's elements end with, in C order."""
    return ["".join(f"_{k}" for k in index) for index in itertools.product(*map(range, shape))]
