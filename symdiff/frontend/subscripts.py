"""Subscripts: `x[3]`, `x[-1]`, `x[1:]`, `x[i, j]` with constant integers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from symdiff.errors import ParseError, Place, ShapeError, SymdiffError, quote
from symdiff.frontend.calls import integer
from symdiff.ir.graph import Graph

SUGGESTED_SIZE = 3


@dataclass(slots=True)
class Subscript:
    """The parts of a subscript while it is read; `pieces` are those of a slice before its last colon."""

    parts: list[Any] = field(default_factory=list)
    pieces: list[int | None] = field(default_factory=list)

    def piece(self, graph: Graph, node: int | None, place: Place | None, closed_by: str) -> None:
        """Note the index that ends at a colon, a comma or the bracket; None where it is left out.

        Raises
        ------
        ParseError
            For an index that is no constant integer, an empty subscript, or a slice with too many parts.
        """
        index: int | None = None
        if node is not None:
            try:
                index = integer(graph, node, "an index")
            except SymdiffError as error:
                if place is not None:
                    error.locate(place)
                raise
        if closed_by == ":":
            if len(self.pieces) == 2:
                raise ParseError("a slice has at most three parts", hint="write x[start:stop:step]")
            self.pieces.append(index)
        elif self.pieces:
            if len(self.pieces) == 2 and index == 0:
                raise ParseError("the step of a slice must not be 0", hint="write x[start:stop]")
            self.parts.append(slice(self.pieces[0], *(*self.pieces[1:], index)))
            self.pieces.clear()
        elif index is not None:
            self.parts.append(index)
        elif closed_by == "," or not self.parts:
            raise ParseError("an empty subscript", hint="write x[0]")


def element(graph: Graph, node: int, index: tuple[Any, ...], place: Place) -> int:
    """`node[index]`, where `node` is what stands at `place`.

    Raises
    ------
    ShapeError
        For a scalar, whose hint is how to declare a shape, and for an index out of range.
    """
    if graph.types[node].shape:
        return graph.element(node, index)
    name = place.source.text[place.start : place.end]
    if graph.ops[node].name != "input":
        raise ShapeError(f"{quote(name)} is a scalar and has no elements", place=place)
    sizes = [max(SUGGESTED_SIZE, part + 1) if isinstance(part, int) else SUGGESTED_SIZE for part in index]
    shape = ", ".join(map(str, sizes))
    raise ShapeError(
        f"{name} is a scalar; no shape is declared for it",
        hint=f'write shapes={{"{name}": {shape if len(sizes) == 1 else f"({shape})"}}}, or f({name}[{shape}]) = …',
        place=place,
    )
