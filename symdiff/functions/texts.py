"""Functions written down for people: symdiff's own language, LaTeX, Graphviz's language, listings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from symdiff.display.draw import graphviz
from symdiff.display.latex import latex as latex_of
from symdiff.display.text import program as written
from symdiff.ir.listing import listing
from symdiff.signature import Argument

if TYPE_CHECKING:
    from symdiff.functions.function import Function

LONGEST_FORMULA = 100
"""So many lines of a formula stand in the comment before a function in another language."""

LARGEST_FORMULA = 10_000
"""Of so many operations a formula stands there: to write more for a person takes longer than all else."""


def own_text(f: Function, arguments: Sequence[Argument]) -> str:
    """The formula in symdiff's own language, with a header of these arguments."""
    known = f._known
    single = known.outputs[0][1] if known.structure == 0 else None
    return written(known.graph, f.__name__, arguments, dict(known.outputs) if single is None else single)


def formula_lines(f: Function) -> list[str]:
    """The formula as other languages have it in the comment on the function."""
    operations = len(f._known.graph.live(f._known.nodes))
    if operations > LARGEST_FORMULA:
        return [f"{f.__name__}({', '.join([a.written for a in f.arguments])}), a formula of {operations:,} operations"]
    lines = str(f).split("\n")
    return lines if len(lines) <= LONGEST_FORMULA else [*lines[:LONGEST_FORMULA], "..."]


def latex_text(f: Function) -> str:
    """The formula in LaTeX, a line for each output."""
    return "\n".join(latex_of(f.graph, node) for node in f.nodes)


def shown_latex(f: Function) -> str:
    """The formula as a notebook shows it."""
    return "$$" + r",\quad ".join(latex_of(f.graph, node) for node in f.nodes) + "$$"


def dot_text(f: Function) -> str:
    """The graph as a drawing in Graphviz's language."""
    return graphviz(f.graph, dict(f._output_pairs()))


def ssa_text(f: Function, optimized: bool = False) -> str:
    """The nodes as a listing, one a line; `optimized`: as the compiler sees them."""
    known = f._known
    if not optimized:
        return listing(known.graph, dict(known.outputs))
    program = f._program()
    outputs: Sequence[int | tuple[int, ...]] = program.outputs
    flat: dict[str, int] = {}
    for name, output in zip(f.outputs, outputs, strict=True):
        nodes = (output,) if isinstance(output, int) else output
        flat.update({(name if len(nodes) == 1 else f"{name}[{k}]"): node for k, node in enumerate(nodes)})
    return listing(program.graph, flat)
