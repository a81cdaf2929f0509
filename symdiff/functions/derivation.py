"""How a transform made a function of another: what a library tells of the entries of derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from symdiff.functions.wrt import Scope, Wrt
from symdiff.ir.graph import Graph
from symdiff.signature import Argument

if TYPE_CHECKING:
    from symdiff.functions.function import Function


class Derivation(NamedTuple):
    """A transform, and what there is to know of the function that it was applied to, without its code.

    Attributes
    ----------
    transform, args, keywords : the transform by its name, with what it was given beside the function.
    name, arguments, outputs, names, graph, ordered : of the function that it was applied to.
    before : how that one was made.
    """

    transform: str
    args: tuple[Any, ...]
    keywords: Mapping[str, Any]
    name: str
    arguments: tuple[Argument, ...]
    outputs: tuple[tuple[str, int], ...]
    names: Mapping[str, int]
    graph: Graph
    ordered: bool
    before: Derivation | None

    @classmethod
    def of(cls, f: Function, transform: str, args: tuple[Any, ...], keywords: Mapping[str, Any]) -> Derivation:
        """The record of a transform of `f`, whose shapes are known."""
        known = f._known
        given = f.__name__, f.arguments, known.outputs, known.names, known.graph, f._ordered
        return cls(transform, args, keywords, *given, f._derivation)

    def targets(self, wrt: Any) -> Wrt:
        """What the derivative is by."""
        return Scope(self.graph, self.names, self.arguments, self.ordered).resolve(wrt)
