"""Parsing: from a text of the language to a graph.

A text comes from anywhere, a web form too: whatever it holds, the answer is a graph or an error that points into it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from symdiff.errors import Source
from symdiff.frontend.expression import Reader
from symdiff.frontend.lexer import tokenize
from symdiff.frontend.names import Names
from symdiff.frontend.statements import reconcile, split
from symdiff.ir.graph import Graph, collector_paused
from symdiff.signature import Argument
from symdiff.types import FLOAT64, Shape


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


def parse(
    text: str,
    *,
    arguments: Sequence[Argument] | None = None,
    shapes: Mapping[str, Shape] | None = None,
    conditions: frozenset[str] = frozenset(),
    dtype: str = FLOAT64,
    graph: Graph | None = None,
    hidden: bool = False,
) -> Parsed:
    """Parse a text of the language into a graph, a new one unless one is given.

    `arguments` declares the inputs, `shapes` the shapes of names without one (those that the text does not have are
    ignored: several texts may share the shapes). For the texts in symdiff's own records:
    `conditions` are the inputs that are conditions, and `hidden` lets operations be called that users cannot call.

    Raises
    ------
    ParseError
        Where the text is not in the language; the hint is what to type.
    UnknownNameError
        For functions that do not exist, and names that are not among the arguments.
    ShapeError
        For operands that do not fit together.
    LimitError
        For a text larger than `Limits` allows.
    """
    source = Source(text)
    if graph is None:
        graph = Graph(dtype)
    with graph.lock, collector_paused():
        tokens = tokenize(source)
        statements = split(tokens)
        last = statements[-1]
        place = None if last.parameters is None else tokens.place(last.first, last.body - 2)
        known = reconcile(last.parameters, arguments, shapes, place)
        names = Names(tokens, graph, statements, known, shapes or {} if known is None else {}, conditions)
        lines: dict[str, int] = {}
        output = -1
        for statement in statements:
            if statement.name is not None:
                names.check_unbound(statement)
            if statement.parameters is not None and statement is not last:
                names.define(statement)
                continue
            reader = Reader(names, hidden)
            output = reader.read(statement.body)
            if statement.name is not None and statement.parameters is None:
                output = lines[statement.name] = names.bind(statement, output, reader.varied)
        return Parsed(
            graph, known, tuple(names.free), names.inputs | names.free | lines, output, last.name, source
        )
