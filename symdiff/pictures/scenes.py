"""What a picture consists of, before anything has a place: units, and wires between them."""

from __future__ import annotations

from dataclasses import field

from symdiff.dataclass import dataclass

INPUT, CONSTANT, OPERATION, BLOCK, OUTSIDE, OUTPUT = "input", "constant", "operation", "block", "outside", "output"
"""Kinds of units: a name, a number, an operation, operations that are folded, what comes from elsewhere, a result."""

FORMULA, APPENDED = "formula", "appended"
"""Parts of the circuit of a derivative: what the user wrote, and what differentiation appended."""


@dataclass(slots=True)
class Unit:
    """What is drawn as one thing, with the wire that leaves it.

    Attributes
    ----------
    key : tells it apart, also in other scenes of the same circuit.
    label : what stands in it.
    name : what the value on its wire is called, where that is not its label.
    value, gradient : the texts above and below its wire.
    note : what is told of it where one points at it.
    node : the one whose value is on its wire; -1 for none.
    order : its place in the order of computation.
    ordered : whether its wires come in from top to bottom in the order of the operands.
    places : how many wires come in.
    opens : the scene that it stands for.
    part : of the circuit of a derivative.
    leaves : whether its value is a result, or is used elsewhere.
    faded : whether it is not on the path that is shown.
    """

    key: str
    kind: str
    label: str
    name: str = ""
    value: str = ""
    gradient: str = ""
    note: str = ""
    node: int = -1
    order: int = 0
    ordered: bool = False
    places: int = 0
    opens: str = ""
    part: str = FORMULA
    leaves: str = ""
    faded: bool = False


@dataclass(slots=True)
class Wire:
    """A value on its way: from a unit to a place of another, both by their positions in the scene.

    `count` is how many values go there.
    """

    source: int
    target: int
    place: int = 0
    count: int = 1
    faded: bool = False


@dataclass(slots=True)
class Scene:
    """Units and wires that are seen at once; `parent` is the scene in which this one is folded."""

    key: str
    title: str
    parent: str = ""
    units: list[Unit] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

    @property
    def has_parts(self) -> bool:
        """Whether differentiation appended some of its units."""
        return len({unit.part for unit in self.units}) > 1
