"""What a library offers: its functions with the names, the arrays and the sparsity that C sees."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.errors import ArgumentError, CompileError
from symdiff.frontend.expr import Expr
from symdiff.functions import build
from symdiff.functions.cases import unknown
from symdiff.functions.compiled import CompiledFunction
from symdiff.functions.function import Function
from symdiff.functions.sparse_function import OpenSparseFunction, SparseFunction
from symdiff.ir.graph import Graph
from symdiff.ops import core
from symdiff.optimize.program import Program, TensorProgram
from symdiff.ship.derived_units import FunctionUnits, derivations_of, unit_names
from symdiff.ship.reserved import is_taken
from symdiff.ship.told import told
from symdiff.ship.units import Given, Units, UnitTable
from symdiff.types import BOOL, fixed

IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

LONGEST_NAME = 200

LONGEST_LINE = 92
"""Characters of what is said of an array on one line."""

_WORDS = (
    "alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl complex concept const "
    "consteval constexpr constinit const_cast continue co_await co_return co_yield decltype default delete do double "
    "dynamic_cast else enum explicit export extern false final float for friend goto if imaginary import inline int "
    "long module mutable namespace new noexcept not not_eq nullptr operator or or_eq override private protected public "
    "register reinterpret_cast requires restrict return short signed sizeof static static_assert static_cast struct "
    "switch template this thread_local throw true try typedef typeid typename typeof union unsigned using virtual void "
    "volatile wchar_t while xor xor_eq main errno assert"
)
KEYWORDS = frozenset(_WORDS.split())
"""Words that no function of C or C++ can have for its name."""

SUFFIXES = (
    "",
    "_batch",
    "_batch_work_bytes",
    "_in_name",
    "_in_rank",
    "_in_shape",
    "_n_in",
    "_n_out",
    "_out_name",
    "_out_rank",
    "_out_shape",
    "_sparsity",
    "_work_bytes",
)
"""What is appended to the name of a function for the functions that belong to it."""


@dataclass(frozen=True, slots=True)
class Array:
    """An input or output.

    Attributes
    ----------
    name, shape : its name and shape.
    written : how a person writes it.
    units : in what its numbers are, and what they are by; of the entries of a sparse matrix those of the matrix.
    matrix : the shape of the matrix, where the numbers are the entries of a sparse one.
    """

    name: str
    shape: tuple[int, ...]
    written: str
    units: Units = ()
    matrix: tuple[int, int] | None = None

    def described(self) -> list[str]:
        """Its size, what its numbers are by and in, on a line and those below it."""
        if not self.shape:
            size = "a number"
        elif len(self.shape) == 1:
            size = f"{self.shape[0]} number{'s' * (self.shape[0] != 1)}"
        else:
            size = " x ".join(map(str, self.shape)) + ", row by row"
        if self.matrix is not None:
            size += f", the entries of a sparse {self.matrix[0]} x {self.matrix[1]} matrix by columns"
        first, *below = told(self.units, "at " if self.matrix is not None else "")
        line = f"{self.written}: {size}"
        if first and len(line) + len(first) > LONGEST_LINE:
            return [line, first.removeprefix(", "), *below]
        return [line + first, *below]


@dataclass(frozen=True, slots=True)
class Sparsity:
    """A sparse matrix by compressed columns: the entries of column j are starts[j] to before starts[j + 1]."""

    shape: tuple[int, int]
    starts: tuple[int, ...]
    rows: tuple[int, ...]

    @property
    def numbers(self) -> list[int]:
        """What `NAME_sparsity` gives: rows, columns, the starts, the rows of the entries."""
        return [*self.shape, *self.starts, *self.rows]


@dataclass(frozen=True, slots=True)
class Exported:
    """A function of a library.

    Attributes
    ----------
    name : its name in C.
    inputs, outputs : its arrays.
    dtype : the type of all numbers.
    formula : the text of it.
    sparsity : of a sparse matrix, whose entries are the output.
    program : the code.
    function : what it is made of, with numbers for conditions; of a sparse matrix the function of the entries.
    fp : the rules of floating point.
    source : the function as it was given, of a sparse matrix that of its entries.
    what : of a derivative which it is, in words.
    """

    name: str
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    dtype: str
    formula: str
    sparsity: Sparsity | None
    program: Program | TensorProgram
    function: Function
    fp: str
    source: Function
    what: str = ""

    def described(self) -> list[str]:
        """A line for each input and output, and those that belong to it."""
        lines = []
        for array, start in [*((a, "") for a in self.inputs), *((a, "-> ") for a in self.outputs)]:
            first, *below = array.described()
            lines += [start + first, *("    " + line for line in below)]
        return lines

    @property
    def element(self) -> str:
        """The type of numbers in C."""
        return "float" if self.dtype == "float32" else "double"


Shippable = Function | CompiledFunction | SparseFunction


def exported(functions: Any, fp: str | None, units: Given | None = None) -> list[Exported]:
    """The functions of a library: one, several, or a dict with the names that they are to have in C.

    Raises
    ------
    ArgumentError
        For what is no function, a name that C cannot use, and units that cannot be or of what there is not.
    CompileError
        For functions whose inputs are no numbers.
    ShapeError
        Where shapes are not known.
    """
    named = _named(functions)
    if not named:
        raise ArgumentError("there is no function to emit")
    check_names(list(named))
    return with_units([_exported(name, function, fp) for name, function in named.items()], units)


def _named(functions: Any) -> dict[str, Shippable]:
    if isinstance(functions, Mapping):
        named = dict(functions)
    else:
        single = isinstance(functions, str) or not isinstance(functions, Sequence)
        named = {}
        for given in [functions] if single else functions:
            function = build.function(given) if isinstance(given, str) else given
            name = getattr(function, "__name__", "")
            if name in named:
                raise ArgumentError(
                    f"two functions are called {name}", hint='name them: sd.emit({"f": …, "g": …}, path)'
                )
            named[name] = function
    for name, function in named.items():
        if isinstance(function, str):
            named[name] = build.function(function)
        elif not isinstance(function, Shippable):
            raise ArgumentError(f"{type(function).__name__} is no function of symdiff's", hint="make one: sd.function")
    return named


def check_names(names: Sequence[str]) -> None:
    """Refuse names that C or C++ cannot use, and those that would stand for two things.

    Raises
    ------
    ArgumentError
        Where there is one.
    """
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not IDENTIFIER.fullmatch(name) or len(name) > LONGEST_NAME:
            raise ArgumentError(f"{name!r} is no name in C", hint="letters, digits and _, a letter first")
        if name in KEYWORDS or is_taken(name):
            raise ArgumentError(
                f"{name} has a meaning in C or C++", hint=f'another name: sd.emit({{"my_{name}": …}}, …)'
            )
        for suffix in SUFFIXES:
            other = seen.setdefault(name + suffix, name)
            if other != name:
                raise ArgumentError(f"{name}{suffix} would belong to {other} and to {name}")


def _exported(name: str, given: Shippable, fp: str | None) -> Exported:
    if isinstance(given, OpenSparseFunction):
        raise unknown(name, given.function.arguments)
    function = given.values if isinstance(given, SparseFunction) else given
    if isinstance(function, CompiledFunction):
        if function.origin is None:
            raise ArgumentError(
                f"{name} is code without its formula", hint="emit the function that it was compiled from"
            )
        function, options = function.origin
        fp = fp or options["fp"]
    if not function._ordered:
        listed = ", ".join(a.name for a in function.arguments)
        raise ArgumentError(
            f"nothing says in which order {name} takes {listed}", hint=f"give it a header: {name}({listed}) = …"
        )
    formula, sparsity, source = str(given), None, function
    if isinstance(given, SparseFunction):
        sparsity, function = _compressed(given, function)
    function = _of_numbers(function)
    known = function._known
    fp = fp or "contract"
    program = known.program(function.arguments, fp)
    for argument, type_ in zip(function.arguments, program.inputs, strict=True):
        if type_.dtype == BOOL:
            raise CompileError(f"{name}: {argument.written} is a condition; functions in a library take numbers")
    inputs = [Array(a.name, fixed(t.shape), a.written) for a, t in zip(function.arguments, program.inputs, strict=True)]
    outputs = []
    for title, type_ in zip(function.outputs, program.types, strict=True):
        shape = fixed(type_.shape)
        written = title + (f"[{', '.join(map(str, shape))}]" if shape else "")
        outputs.append(Array(title, shape, written, matrix=sparsity.shape if sparsity else None))
    dtype = function.graph.dtype
    return Exported(name, tuple(inputs), tuple(outputs), dtype, formula, sparsity, program, function, fp, source)


def with_units(functions: Sequence[Exported], given: Given | None) -> list[Exported]:
    """The functions with the units of their arrays, by those that are given.

    Raises
    ------
    ArgumentError
        For units that cannot be, and names that nothing has.
    """
    table = UnitTable(given)
    aliases: dict[str, str] = {}
    for one in functions:
        if one.source._derivation is None:
            aliases.setdefault(one.source.__name__, one.name)
    if table:
        known: dict[str, dict[str, None]] = {}
        for one in functions:
            for owner in {one.name: 0, one.source.__name__: 0, **{step.name: 0 for step in derivations_of(one.source)}}:
                known.setdefault(owner, {}).update(dict.fromkeys([one.name, *unit_names(one.source)]))
        table.check(known)
    made = []
    for one in functions:
        units = FunctionUnits(one.source, one.name, table, aliases)
        inputs = [replace(a, units=u) for a, u in zip(one.inputs, units.inputs, strict=True)]
        outputs = [replace(a, units=u) for a, u in zip(one.outputs, units.outputs, strict=True)]
        made.append(replace(one, inputs=tuple(inputs), outputs=tuple(outputs), what=units.what))
    return made


def _of_numbers(function: Function) -> Function:
    """The function with 1 and 0 for conditions among its outputs."""
    types = function.types
    if all(type_.dtype != BOOL for type_ in types):
        return function
    graph = function.graph
    outputs = [
        (title, _number(graph, node) if type_.dtype == BOOL else node)
        for (title, node), type_ in zip(function._output_pairs(), types, strict=True)
    ]
    return function._with_outputs(function.__name__, outputs, function._structure)


def _number(graph: Graph, condition: int) -> int:
    return graph.add(core.WHERE, (condition, graph.constant(1.0), graph.constant(0.0)))


def _compressed(sparse: SparseFunction, values: Function) -> tuple[Sparsity, Function]:
    """Where the entries of a sparse matrix are by columns, and the function of them in that order."""
    rows, columns, width = sparse.rows, sparse.columns, sparse.shape[1]
    order = np.lexsort((rows, columns))
    starts = np.searchsorted(columns[order], np.arange(width + 1))
    sparsity = Sparsity(sparse.shape, tuple(starts.tolist()), tuple(rows[order].tolist()))
    if np.array_equal(order, np.arange(len(order))):
        return sparsity, values
    graph, (title, node) = values.graph, values._output_pairs()[0]
    if graph.ops[node] is core.STACK:
        sorted_ = graph.add(core.STACK, tuple([graph.args[node][k] for k in order]), graph.payloads[node])
    else:
        sorted_ = Expr(graph, node)[order].node
    return sparsity, values._with_outputs(values.__name__, [(title, sorted_)], values._structure)
