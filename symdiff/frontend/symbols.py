"""Making variables and named values for Python formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from symdiff.budget import current, exceeded
from symdiff.errors import ArgumentError, CallError
from symdiff.frontend.annotations import Expressions
from symdiff.frontend.expr import Expr, as_expr
from symdiff.frontend.given import as_shape, checked_name, expanded, listed_in
from symdiff.guesses import with_options
from symdiff.ir.graph import Graph


@with_options
def symbol(name: str, shape: Any = ()) -> Expr:
    """The variable called `name`: a scalar, or a tensor of a shape."""
    if isinstance(name, str) and not name.isidentifier() and all(p.isidentifier() for p in listed_in(name)):
        raise ArgumentError("symbol makes one variable", hint=f'write sd.symbols("{name}")')
    graph = Graph()
    return Expr(graph, graph.input(checked_name(name), as_shape(shape)))


@with_options
def symbols(names: str | Sequence[str], shape: Any = ()) -> Expressions:
    """Variables of one graph: `symbols("x y")`, `symbols("x, y")`, `symbols("x1:41")` for x1 to x40.

    One name gives one Expr, several names or a range give a tuple, as in SymPy; a list or tuple of names gives a tuple.
    """
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        names = " ".join(names) + ","
    if not isinstance(names, str):
        raise CallError("symbols takes the names in one text, or a list of texts", hint='write sd.symbols("x y z")')
    wanted: list[str] = []
    several = names.rstrip().endswith(",")
    for part in listed_in(names):
        several |= ":" in part
        wanted += expanded(part)
        if len(wanted) > current().nodes:
            raise exceeded("nodes", len(wanted), f"{len(wanted):,} names")
    if not wanted:
        raise ArgumentError("symbols needs at least one name", hint='write sd.symbols("x y z")')
    graph, sizes = Graph(), as_shape(shape)
    made = tuple(Expr(graph, graph.input(checked_name(name), sizes)) for name in wanted)
    return cast("Expressions", made if several or len(made) > 1 else made[0])


def named(name: str, value: Any) -> Expr:
    """`value` under a name, as the line `name = value` of a text: derivatives can be taken by it."""
    if isinstance(value, str) and not isinstance(name, str):
        raise CallError("the name comes first", hint=f'write sd.named("{value}", …)')
    e = as_expr(value)
    with e.graph.lock:
        return Expr(e.graph, e.graph.named(checked_name(name), e.node))
