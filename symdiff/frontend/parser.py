"""Parsing: from a text of the language to a graph.

A text comes from anywhere, a web form too: whatever it holds, the answer is a graph or an error that points into it.
It is read once, into its `Syntax`; this is elaborated for the shapes of its arguments, once for each that there are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from symdiff.dataclass import dataclass
from symdiff.errors import Open, Source
from symdiff.frontend.calls import NO_DEFINITIONS, Known
from symdiff.frontend.constants import declare_scalars
from symdiff.frontend.elaborate import Elaboration
from symdiff.frontend.lexer import NAME, tokenize
from symdiff.frontend.names import CONSTANTS, Names
from symdiff.frontend.reader import NOTHING, Reader
from symdiff.frontend.statements import reconcile, scalars, split
from symdiff.frontend.syntax import Line, Syntax
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ir.unshaped import Unshaped
from symdiff.signature import Argument
from symdiff.types import FLOAT64, Dim, Shape


@dataclass
class Parsed:
    """What a text means.

    Attributes
    ----------
    graph : the graph that the formula was added to.
    arguments : those of the header, or those given; None where nothing orders the names.
    free : where there are no arguments, the names of inputs in the order in which they first appear.
    names : every input (members of packs one by one, a named pack as their stack) and every line that binds a name.
    output : the node of the last line.
    output_name : the name of the header, or what the last line binds.
    source : the text, for errors.
    """

    graph: Graph
    arguments: tuple[Argument, ...] | None
    free: tuple[str, ...]
    names: dict[str, int]
    output: int
    output_name: str | None
    source: Source


def read_text(
    text: str,
    *,
    arguments: Sequence[Argument] | None = None,
    sizes: Collection[str] = (),
    hidden: bool = False,
    definitions: Known = NO_DEFINITIONS,
) -> Syntax:
    """The syntax of a text, with `arguments` for its inputs, whatever their shapes.

    The names of sizes are those in the header and in the arguments, and `sizes`. `definitions` are the functions of
    users that it may call. With `hidden` operations can be called that users cannot call.

    Raises
    ------
    ParseError
        Where the text is not in the language; the hint is what to type.
    UnknownNameError
        For functions that do not exist, and names that are not among the arguments.
    LimitError
        For a text larger than `Limits` allows.
    """
    with collector_paused():
        tokens = tokenize(Source(text))
        tokens.definitions = definitions
        statements = split(tokens)
        last = statements[-1]
        place = None if last.parameters is None else tokens.place(last.first, last.body - 2)
        bare = arguments and [replace(a, shape=()) if a.shape and a.members is None else a for a in arguments]
        known = reconcile(last.parameters, bare, None, place)
        dims = [n.name for a in (*(last.parameters or ()), *(arguments or ())) for n in a.shape if isinstance(n, Dim)]
        names = Names(tokens, statements, known, (*dims, *sizes))
        syntax = Syntax(tokens, statements, last.parameters, known, helpers=names.helpers)
        for statement in statements:
            if statement.name is not None:
                names.check_unbound(statement)
            if statement.parameters is not None and statement is not last:
                names.define(statement)
                continue
            reader = Reader(names, hidden)
            code = reader.read(statement.body)
            if statement.name is not None and statement.parameters is None:
                names.bind(statement, reader.varied)
            syntax.lines.append(Line(statement, code, reader.varied))
        syntax.free = tuple(names.free)
        names.settled = True
        for helper in names.helpers.values():
            if helper.code is None:
                Reader(names, hidden).read_uncalled(helper)
        return syntax


def elaborate(
    syntax: Syntax,
    *,
    arguments: Sequence[Argument] | None = None,
    shapes: Mapping[str, Shape] | None = None,
    conditions: frozenset[str] = frozenset(),
    dtype: str = FLOAT64,
    graph: Graph | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Parsed:
    """The nodes of a text that was read, in a new graph unless one is given.

    `arguments` are the inputs with their shapes, `shapes` those of names without one (those that the text does not have
    are ignored: several texts may share the shapes); a name without a shape is a scalar. `sizes` are the numbers that
    sizes are. `conditions` are the inputs that are conditions.

    Raises
    ------
    ParseError
        For arguments that functions do not have, and numbers that overflow.
    ShapeError
        For operands that do not fit together.
    NeedsShape
        For an operation of arrays on an input that no shape is declared for.
    LimitError
        For a formula larger than `Limits` allows.
    """
    made = _elaborated(syntax, Graph(dtype) if graph is None else graph, arguments, shapes, sizes, False, conditions)
    assert isinstance(made, Parsed)
    return made


def elaborate_open(
    syntax: Syntax,
    graph: Graph,
    *,
    arguments: Sequence[Argument] | None = None,
    shapes: Mapping[str, Shape] | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Parsed | Open:
    """As `elaborate`, where names without a shape may be meant to be arrays: then what depends on it is `Open`.

    A name with the shape () in `shapes` is a scalar for certain. All that does not depend on the others is made first;
    what is added to the graph after it is refused with `NeedsShape` where it depends on them.

    Raises
    ------
    SymdiffError
        As `elaborate`, for what is wrong whatever these names are.
    """
    return _elaborated(syntax, graph, arguments, shapes, sizes, True)


def _elaborated(
    syntax: Syntax,
    graph: Graph,
    arguments: Sequence[Argument] | None,
    shapes: Mapping[str, Shape] | None,
    sizes: Mapping[str, int] | None,
    open_names: bool,
    conditions: frozenset[str] = frozenset(),
) -> Parsed | Open:
    last = syntax.statements[-1]
    with graph.lock, collector_paused():
        place = None if last.parameters is None else syntax.tokens.place(last.first, last.body - 2)
        known = reconcile(last.parameters, arguments, shapes, place)
        if sizes and known is not None:
            known = tuple([replace(a, shape=_bound(a.shape, sizes)) for a in known])
        numbers = {name for name, shape in (shapes or {}).items() if not shape}
        declare_scalars(graph, numbers)
        if open_names:
            graph.unshaped = graph.unshaped or Unshaped()
            for argument in known or ():
                if not argument.shape and argument.members is None and argument.name not in numbers:
                    graph.unshaped.add(argument.name)
        work = Elaboration(syntax, graph, shapes or {} if known is None else {}, open_names)
        work.declare(known or (), conditions, sizes or {})
        inputs = dict(work.variables)
        output = -1
        lines: dict[str, int] = {}
        for line in syntax.lines:
            output = work.line(line)
            if line.statement.name is not None and line.statement.parameters is None:
                lines[line.statement.name] = output
        if work.needs is not None:
            return work.needs
        return Parsed(graph, known, tuple(work.free), inputs | work.free | lines, output, last.name, syntax.source)


def parse(
    text: str,
    *,
    arguments: Sequence[Argument] | None = None,
    shapes: Mapping[str, Shape] | None = None,
    conditions: frozenset[str] = frozenset(),
    dtype: str = FLOAT64,
    graph: Graph | None = None,
    hidden: bool = False,
    sizes: Mapping[str, int] | None = None,
    definitions: Known = NO_DEFINITIONS,
) -> Parsed:
    """Parse a text of the language into a graph, a new one unless one is given: `read_text` it and `elaborate` it.

    Raises
    ------
    SymdiffError
        As these do.
    """
    return elaborate(
        read_text(text, arguments=arguments, sizes=sizes or (), hidden=hidden, definitions=definitions),
        arguments=arguments,
        shapes=shapes,
        conditions=conditions,
        dtype=dtype,
        graph=graph,
        sizes=sizes,
    )


def _bound(shape: Shape, sizes: Mapping[str, int]) -> Shape:
    """A shape with the named sizes that are known as numbers."""
    return tuple([sizes.get(n.name, n) if isinstance(n, Dim) else n for n in shape])


def free_names(text: str) -> tuple[str, ...]:
    """The names in a text that stand for inputs, in the order of their appearance; a header's first, in its order.

    They are told by the words alone: what stands before a parenthesis is a function, before `=` in a call the name of
    an argument; lines bind names, the headers of helper functions their parameters. Sizes in headers are left out.

    Raises
    ------
    ParseError
        Where the text has no lines that could be formulas.
    """
    tokens = tokenize(Source(text))
    statements = split(tokens)
    last = statements[-1]
    declared = () if last.parameters is None else last.parameters
    dims = {n.name for a in declared for n in a.shape if isinstance(n, Dim)}
    bound = {s.name for s in statements if s.name is not None}
    found = dict.fromkeys(scalars(declared))
    kinds, texts, equals = tokens.kinds, tokens.texts, set(tokens.equals)
    for statement in statements:
        own = set(scalars(statement.parameters or ())) if statement is not last else set()
        for k in range(statement.body, statement.last):
            name = texts[k]
            if kinds[k] != NAME or name in own or name in bound or name in dims or name in CONSTANTS or name in NOTHING:
                continue
            attribute = k > statement.body and texts[k - 1] == "."
            keyword = texts[k + 1] == "=" and k + 1 not in equals
            if texts[k + 1] != "(" and not attribute and not keyword:
                found.setdefault(name)
    return tuple(found)
