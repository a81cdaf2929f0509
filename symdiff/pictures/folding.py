"""Which parts of a large circuit are folded: named lines first, else levels of the circuit, in parts of parts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import field
from itertools import groupby

from symdiff.dataclass import dataclass
from symdiff.functions.circuit import Circuit
from symdiff.ops import core

MOST_UNITS = 60
"""So many nodes are seen at once without folding."""
MOST_PARTS = 30
"""So many folded parts are seen at once; more are put together."""
MOST_BLOCKS = 12
"""So many parts there are at most, where these are chosen by their number."""
MOST_INPUTS = 12
"""So many inputs stand beside folded parts; more of them are in the parts."""
MOST_PIECES = 3


@dataclass(slots=True)
class Folding:
    """Nodes that are folded together, and the parts that they consist of; none where they are few."""

    title: str
    nodes: tuple[int, ...]
    parts: list[Folding] = field(default_factory=list)


def folds_of(circuit: Circuit, nodes: Sequence[int], most: int = MOST_UNITS, by_lines: bool = False) -> Folding:
    """All nodes as a part of parts, each of which has at most so many nodes or parts.

    With `by_lines` the first parts are the named lines even where there are few nodes.
    """
    whole = Folding("", tuple(nodes))
    todo = [whole]
    while todo:
        part = todo.pop()
        first = part is whole
        if len(part.nodes) <= most and not (first and by_lines):
            continue
        part.parts = _lines(circuit, part.nodes) or (
            [] if first and by_lines and len(part.nodes) <= most else _levels(circuit, part.nodes, most)
        )
        if len(part.parts) > MOST_PARTS:
            part.parts = merged(part.parts, circuit)
        todo.extend(part.parts)
    return whole


def anchors(circuit: Circuit, nodes: Sequence[int]) -> list[tuple[str, int]]:
    """The named lines among the nodes, and the adjoints of named lines that reverse mode made, with titles."""
    graph = circuit.graph
    found = []
    for node in nodes:
        if circuit.labels[node] in circuit.names and graph.ops[node] is not core.INPUT:
            found.append((circuit.labels[node], node))
        elif node in graph.adjoints and graph.adjoints[node][1] and circuit.is_appended(node):
            found.append((f"∂/∂{graph.adjoints[node][0]}", node))
    return found


def _lines(circuit: Circuit, nodes: tuple[int, ...]) -> list[Folding]:
    """A part for each named line: what it alone, or it first, is computed from. Empty where that divides nothing."""
    found = anchors(circuit, nodes)
    left = set(nodes)
    inputs = [n for n in nodes if circuit.graph.ops[n] is core.INPUT]
    beside = inputs if len(inputs) <= MOST_INPUTS else []
    left.difference_update(beside)
    halves: tuple[list[Folding], list[Folding]] = ([], [])
    for title, anchor in found:
        own = _reach(circuit, anchor, left)
        if own:
            left.difference_update(own)
            halves[circuit.is_appended(anchor)].append(Folding(title, tuple([n for n in nodes if n in own])))
    for appended, half in enumerate(halves):
        rest = tuple([n for n in nodes if n in left and circuit.is_appended(n) == bool(appended)])
        if rest:
            titles = [t for t, n in circuit.outputs.items() if n in rest]
            half.append(Folding(titles[0] if titles else "the rest", rest))
    parts = [*halves[0], *halves[1]]
    if len(parts) < 2:
        return []
    return [*(Folding(circuit.labels[n], (n,)) for n in beside), *parts]


def _reach(circuit: Circuit, anchor: int, among: Collection[int]) -> set[int]:
    """The nodes that one is computed from, and itself, of its own half of the circuit."""
    half, stack = circuit.is_appended(anchor), [anchor]
    seen, found = {anchor}, set()
    while stack:
        node = stack.pop()
        if node not in among or circuit.is_appended(node) != half:
            continue
        found.add(node)
        for a in circuit.operands(node):
            if a not in seen:
                seen.add(a)
                stack.append(a)
    return found


def merged(parts: list[Folding], circuit: Circuit) -> list[Folding]:
    """Neighbouring parts together, so that there are few; the halves of a derivative's circuit stay apart."""
    single = [p for p in parts if len(p.nodes) == 1 and circuit.graph.ops[p.nodes[0]] is core.INPUT]
    alone = {id(p) for p in single} if len(single) <= MOST_INPUTS else set()
    found = [p for p in parts if id(p) in alone]
    rest = [p for p in parts if id(p) not in alone]
    size = -(-len(rest) // MOST_BLOCKS)
    for _, half in groupby(rest, key=lambda p: circuit.is_appended(p.nodes[-1])):
        own = list(half)
        for k in range(0, len(own), size):
            chunk = own[k : k + size]
            title = chunk[0].title if len(chunk) == 1 else f"{chunk[0].title} … {chunk[-1].title}"
            found.append(Folding(title, tuple([n for p in chunk for n in p.nodes])))
    return found


def _levels(circuit: Circuit, nodes: tuple[int, ...], most: int) -> list[Folding]:
    """Parts by how many operations come before, of about as many nodes each; what is beside each other by order."""
    inputs = [n for n in nodes if circuit.graph.ops[n] is core.INPUT]
    beside = inputs if len(inputs) <= MOST_INPUTS else []
    rest = [n for n in nodes if n not in set(beside)]
    own = set(rest)
    level: dict[int, int] = {}
    for node in rest:
        before = [level[a] for a in circuit.operands(node) if a in own]
        level[node] = 1 + max(before, default=0)
    wanted = min(MOST_BLOCKS, max(2, -(-len(rest) // (most // 2))))
    size = -(-len(rest) // wanted)
    ordered = sorted(rest, key=lambda n: (circuit.is_appended(n), level[n], n))
    bands: list[list[int]] = []
    for _, same in groupby(ordered, key=lambda n: (circuit.is_appended(n), level[n])):
        group = list(same)
        fits = (
            bands
            and len(bands[-1]) + len(group) <= size
            and circuit.is_appended(bands[-1][0]) == circuit.is_appended(group[0])
        )
        if fits:
            bands[-1] += group
        elif len(group) > 2 * size:
            bands += [group[k : k + size] for k in range(0, len(group), size)]
        else:
            bands.append(group)
    found = [Folding(circuit.labels[n], (n,)) for n in beside]
    for band in bands:
        for piece in _pieces(circuit, band):
            labels = [circuit.labels[n] for n in piece]
            found.append(Folding(labels[0] if len(piece) == 1 else f"{labels[0]} … {labels[-1]}", tuple(piece)))
    return found


def _pieces(circuit: Circuit, nodes: list[int]) -> list[list[int]]:
    """The nodes by what hangs together, where that are few pieces."""
    home: dict[int, int] = {n: n for n in nodes}

    def root(n: int) -> int:
        while home[n] != n:
            home[n] = home[home[n]]
            n = home[n]
        return n

    for node in nodes:
        for a in circuit.operands(node):
            if a in home:
                home[root(a)] = root(node)
    pieces: dict[int, list[int]] = {}
    for node in nodes:
        pieces.setdefault(root(node), []).append(node)
    return list(pieces.values()) if len(pieces) <= MOST_PIECES else [nodes]
