"""From a circuit to the scenes of its picture: which units there are, how they are wired, what is folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from symdiff.dataclass import dataclass
from symdiff.functions.circuit import Circuit, Numbers
from symdiff.ops import core
from symdiff.pictures.folding import MOST_UNITS, Folding, folds_of
from symdiff.pictures.labels import Labels, number_text, shape_label
from symdiff.pictures.scenes import (
    APPENDED,
    BLOCK,
    CONSTANT,
    FORMULA,
    INPUT,
    OPERATION,
    OUTPUT,
    OUTSIDE,
    Scene,
    Unit,
    Wire,
)

MOST_WIRES = 3
"""An input with more wires than that to parts that are folded is named at each."""
MOST_OUTSIDE = 4
"""So many values that come from outside to what is folded are drawn one by one."""
MOST_RESULTS = 40
"""A vector of so many results at most is shown as these."""


@dataclass(frozen=True, slots=True)
class Outlined:
    """A scene that can be made: what it shows, in which other it is folded, and the keys of its parts' own scenes."""

    key: str
    parent: str
    part: Folding
    keys: Mapping[int, str]


class Drafter:
    """Makes the scenes of a circuit.

    Parameters
    ----------
    found : the numbers at a point; None where there is none.
    path : the nodes that are not faded; None where all are alike.
    """

    def __init__(self, circuit: Circuit, found: Numbers | None, path: set[int] | None = None) -> None:
        self.circuit, self.numbers, self.path = circuit, found, path
        graph = circuit.graph
        self.position = {node: k for k, node in enumerate(circuit.nodes)}
        self.labels = Labels(graph, circuit.labels.values())
        self.hidden: set[int] = set()
        self.operands: dict[int, tuple[int, ...]] = {}
        for node in circuit.nodes:
            self.operands[node] = tuple([a for a in circuit.operands(node) if a not in self.hidden])
            if not self.operands[node] and self.labels.is_small(node):
                self.hidden.add(node)
        self.users: dict[int, list[int]] = {node: [] for node in circuit.nodes}
        for node in circuit.nodes:
            for a in self.operands[node]:
                self.users[a].append(node)
        self.results: dict[int, list[str]] = {}
        for title, output in circuit.outputs.items():
            self._note_result(title, circuit.shown(output))
        self.nodes = tuple([n for n in circuit.nodes if n not in self.hidden])

    def _note_result(self, title: str, node: int) -> None:
        """An output; one that only lists numbers is shown as these."""
        circuit = self.circuit
        graph, computed = circuit.graph, circuit.computed(node)
        listed = graph.ops[computed] is core.STACK and node == computed and not self.users[node]
        if listed and len(graph.args[node]) <= MOST_RESULTS and not graph.types[graph.args[node][0]].shape:
            self.hidden.add(node)
            for k, a in enumerate(graph.args[node]):
                self.results.setdefault(circuit.shown(a), []).append(f"{title}[{k}]")
        else:
            self.results.setdefault(node, []).append(title)

    def outline(self, fold: bool | None) -> list[Outlined]:
        """What each scene shows: all where nothing is folded, else first the parts, then what is in them."""
        many = len(self.nodes) > MOST_UNITS
        if fold is False or (fold is None and not many):
            return [Outlined("all", "", Folding("", self.nodes), {})]
        found: list[Outlined] = []
        todo = [("all", "", folds_of(self.circuit, self.nodes, by_lines=fold is True))]
        while todo:
            key, parent, part = todo.pop(0)
            keys = {id(p): f"{key}-{k}" for k, p in enumerate(part.parts) if len(p.nodes) > 1}
            found.append(Outlined(key, parent, part, keys))
            todo += [(keys[id(p)], key, p) for p in part.parts if id(p) in keys]
        return found

    def scene(self, outlined: Outlined) -> Scene:
        """A part with its parts as blocks, or with all its operations."""
        part = outlined.part
        scene = Scene(outlined.key, part.title, outlined.parent)
        owner: dict[int, int] = {}
        pieces = part.parts or [Folding(self.circuit.labels[n], (n,)) for n in part.nodes]
        own = set(part.nodes)
        alone = [p.nodes[0] for p in pieces if len(p.nodes) == 1]
        together = [self._from_outside(p.nodes, set(p.nodes)) for p in pieces if len(p.nodes) > 1]
        needed = set(self._from_outside(alone, own))
        needed.update(a for found in together if len(found) <= MOST_OUTSIDE for a in found if a not in own)
        for node in sorted(needed, key=self.position.__getitem__):
            owner[node] = self._add(scene, self._outside(node))
        units = []
        for piece in pieces:
            single = len(piece.nodes) == 1
            unit = self.unit(piece.nodes[0]) if single else self._block(piece, outlined.keys[id(piece)])
            units.append(self._add(scene, unit))
            for node in piece.nodes:
                owner[node] = units[-1]
        for piece, at in zip(pieces, units, strict=True):
            if len(piece.nodes) == 1:
                self._wire_operation(scene, piece.nodes[0], at, owner)
            else:
                self._wire_block(scene, piece.nodes, at, owner)
        for node in part.nodes:
            self._terminals(scene, node, owner[node], own)
        if part.parts:
            self._repeat_inputs(scene)
        return scene

    def _repeat_inputs(self, scene: Scene) -> None:
        """Name inputs where they are used, if wires from one place to all of these would hide the parts."""
        leaving: dict[int, list[Wire]] = {}
        for wire in scene.wires:
            leaving.setdefault(wire.source, []).append(wire)
        for source, wires in leaving.items():
            unit = scene.units[source]
            if unit.kind == INPUT and len(wires) > MOST_WIRES:
                for wire in wires[1:]:
                    again = Unit(unit.key, OUTSIDE, unit.label, note=unit.note, node=unit.node, faded=wire.faded)
                    again.order = unit.order
                    again.part = scene.units[wire.target].part
                    wire.source = self._add(scene, again)

    def _add(self, scene: Scene, unit: Unit) -> int:
        scene.units.append(unit)
        return len(scene.units) - 1

    def _from_outside(self, nodes: Iterable[int], own: set[int]) -> list[int]:
        found = {a for node in nodes for a in self.operands[node] if a not in own}
        return sorted(found, key=self.position.__getitem__)

    # Units

    def unit(self, node: int) -> Unit:
        """An input or an operation."""
        circuit = self.circuit
        graph, computed = circuit.graph, circuit.computed(node)
        name, text = circuit.labels[node], circuit.text(node)
        is_input = graph.ops[computed] is core.INPUT
        made = Unit(f"n{node}", INPUT if is_input else OPERATION, name, order=self.position[node])
        if not is_input:
            made.label = "=" if graph.ops[computed] is core.NAMED else self.labels.label(computed)
            made.name = name if circuit.has_name(node) else ""
            made.ordered = not graph.ops[computed].commutative
        self._tell(made, node)
        made.note = f"{name} = {text}" if text else name
        return made

    def _outside(self, node: int) -> Unit:
        made = self.unit(node)
        if made.kind == INPUT:
            return made
        made = Unit(made.key, OUTSIDE, self.circuit.labels[node], note=made.note, order=made.order)
        self._tell(made, node)
        return made

    def _tell(self, unit: Unit, node: int) -> None:
        """The texts of a value on the wire of its unit."""
        circuit = self.circuit
        unit.node = node
        unit.part = APPENDED if circuit.is_appended(node) else FORMULA
        unit.faded = self.path is not None and node not in self.path
        shape = shape_label(circuit.graph.types[node].shape)
        value = gradient = ""
        if self.numbers is not None:
            value = number_text(self.numbers.values.get(node))
            gradient = number_text(self.numbers.gradients.get(node))
        if unit.part == APPENDED:  # what differentiation computes is a gradient: its place is below
            line = circuit.graph.adjoints.get(node)
            if line is not None and line[1] and not unit.name:
                unit.name = f"∂/∂{line[0]}"
            value, gradient = "", value
            unit.gradient = " ".join(filter(None, (shape, gradient)))
        else:
            unit.value, unit.gradient = " ".join(filter(None, (shape, value))), gradient

    def _block(self, part: Folding, key: str) -> Unit:
        """Operations that are folded."""
        circuit = self.circuit
        count = sum(circuit.graph.ops[n] is not core.INPUT for n in part.nodes)
        made = Unit(f"b{key}", BLOCK, part.title, order=self.position[part.nodes[-1]], opens=key)
        made.note = f"{count} operations"
        own = set(part.nodes)
        leaving = [n for n in part.nodes if n in self.results or any(u not in own for u in self.users[n])]
        named = [n for n in leaving if circuit.labels[n] == part.title]
        if len(leaving) == 1 or named:
            self._tell(made, (named or leaving)[0])
        made.part = APPENDED if circuit.is_appended(part.nodes[-1]) else FORMULA
        made.faded = self.path is not None and not own & self.path
        return made

    # Wires

    def _wire_operation(self, scene: Scene, node: int, at: int, owner: Mapping[int, int]) -> None:
        circuit, graph = self.circuit, self.circuit.graph
        computed, unit = circuit.computed(node), scene.units[at]
        if unit.kind == INPUT:
            return
        given = graph.args[computed]
        open_places = [a for a in given if not self.labels.is_small(a)]
        written = any(self.labels.is_small(a) for a in given) and len(open_places) > 0
        place = 0
        for k, a in enumerate(given):
            if graph.ops[a] is core.CONSTANT or self.labels.is_small(a):
                if self.labels.is_small(a) and written:
                    continue
                source = self._add(scene, self._constant(a, f"{unit.key}-{k}", unit))
            else:
                source = owner[circuit.shown(a)]
            faded = unit.faded or scene.units[source].faded
            scene.wires.append(Wire(source, at, place, faded=faded))
            place += 1
        unit.places = place

    def _constant(self, node: int, key: str, user: Unit) -> Unit:
        shape = self.circuit.graph.types[node].shape
        value = self.circuit.graph.payloads[node] if shape else self.circuit.graph.constant_value(node)
        text = f"{shape_label(shape)} {number_text(value)}" if shape else number_text(value)
        return Unit(f"c{key}", CONSTANT, text, note="a constant", order=user.order, part=user.part, faded=user.faded)

    def _wire_block(self, scene: Scene, nodes: Sequence[int], at: int, owner: Mapping[int, int]) -> None:
        own, counts = set(nodes), Counter[int]()
        on_path: set[int] = set()
        found = self._from_outside(nodes, own)
        rest = [a for a in found if a not in owner]
        if rest:
            many = Unit(f"m{scene.units[at].key}", OUTSIDE, f"{len(rest)} values", order=self.position[rest[0]])
            many.part, many.faded = scene.units[at].part, self.path is not None and not self.path & set(rest)
            scene.wires.append(Wire(self._add(scene, many), at, 0, len(rest), faded=many.faded))
        for a in [a for a in found if a in owner]:
            counts[owner[a]] += 1
            if self.path is None or (a in self.path and any(u in self.path for u in self.users[a] if u in own)):
                on_path.add(owner[a])
        for source in sorted(counts):
            scene.wires.append(Wire(source, at, 0, counts[source], faded=source not in on_path))
        scene.units[at].places = 1

    def _terminals(self, scene: Scene, node: int, at: int, own: set[int]) -> None:
        """Where a value is a result of another name, that name; else a mark on its wire."""
        unit = scene.units[at]
        titles = self.results.get(node, [])
        shown = unit.name or unit.label
        for title in titles:
            if title == shown and unit.kind != INPUT:
                unit.leaves = "result"
                continue
            made = Unit(f"o{node}-{title}", OUTPUT, title, order=unit.order, part=unit.part, faded=unit.faded)
            made.places = 1
            if self.circuit.appended and not self.circuit.is_scalar:
                made.part = APPENDED if any(u.part == APPENDED for u in scene.units) else unit.part
            scene.wires.append(Wire(at, self._add(scene, made), faded=unit.faded))
        if not unit.leaves and any(u not in own and u not in self.hidden for u in self.users[node]):
            unit.leaves = "elsewhere"


def path_of(circuit: Circuit, start: int) -> set[int]:
    """The nodes between one and the outputs: what its adjoint is put together from.

    The circuit's order is one of computation, so one walk finds what depends on it, another what outputs depend on.
    """
    depending = {start}
    for node in circuit.nodes:
        if any(a in depending for a in circuit.operands(node)):
            depending.add(node)
    useful = {circuit.shown(n) for n in circuit.outputs.values()}
    for node in reversed(circuit.nodes):
        if node in useful:
            useful.update(circuit.operands(node))
    return depending & useful
