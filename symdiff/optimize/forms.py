"""Stable and smooth forms of what a user wrote, found before it is differentiated.

The derivative of `1/(1 + exp(-x))` as it is written is inf/inf in the tail, that of `abs(x)**2` twice is 0 at 0. So the
forms that are known for such expressions take their place first, in the same graph; value and derivatives then come
from one form. Rules (`rules.py`) are tried where a sketch of their pattern fits: on a copy of the few nodes
there, which the optimizer simplifies, so that a pattern matches whatever the signs and the constant factors are. Forms
that no pattern says are functions (`exponentials.py`, `powers.py`).
"""

from __future__ import annotations

import bisect
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.errors import Place
from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import OPS, Op, core
from symdiff.ops.core import MUL, NAMED, NEG, SQUARE
from symdiff.optimize.exponentials import log_of_sum, share_of_sum
from symdiff.optimize.patterns import INPUT, Rule
from symdiff.optimize.powers import SLOPE, even_power, root_of_square, size_from_sign, size_of_positive
from symdiff.optimize.rewrite import Rewriter
from symdiff.optimize.rules import RULES, rule_set
from symdiff.optimize.skeletons import Skeleton, skeleton_of

CLASSES = ("exact", "structural", "stable")
DEEPEST, LARGEST = 7, 64
"""How far below an operation a pattern is looked for: levels, and nodes."""

MOST_KEPT = 10_000
Key = tuple[Any, ...]
"""An operation and, for each operand, its operation, or a tuple of that and those of its operands."""


SKIPPED = frozenset((NAMED, NEG))
PLAIN = frozenset(("add", "mul", "neg", "named", "constant", "where", "less", "input"))
"""Kinds of operations that alone make nothing to find a form for."""

KINDS = {"sub": "add", "div": "mul", "square": "mul", "reciprocal": "mul", "integer_power": "mul"}
"""Operations that a rewriter makes of each other have one kind: these, and the others their names."""

Form = Callable[[Graph, int, Collection[int]], int | None]
KINKED = frozenset((core.ABS, core.COPYSIGN, core.NORM, core.HYPOT, core.SQRT, core.SLOPE_OF_ABS))
EXPONENTIAL = frozenset((core.EXP,))
FORMS: dict[Op, tuple[tuple[Form, frozenset[Op] | None], ...]] = {
    SQUARE: ((even_power, KINKED),),
    MUL: ((even_power, KINKED), (size_from_sign, frozenset((SLOPE,)))),
    core.INTEGER_POWER: ((even_power, KINKED),),
    core.LOG: ((log_of_sum, EXPONENTIAL),),
    core.DIV: ((share_of_sum, EXPONENTIAL),),
    core.ABS: ((size_of_positive, None),),
    core.SQRT: ((root_of_square, None),),
}
"""Functions that give the form of a node with this operation, not looking into some nodes, or None; and operations of
which a graph must have one for that, where that can be said."""


def _kind(op: Op) -> str:
    return KINDS.get(op.name, op.name)


@dataclass(frozen=True, slots=True)
class Sketch:
    """The operations of a pattern by their kinds, without signs; `kind` None is anything, `operands` () unknown."""

    kind: str | None
    operands: tuple[Sketch, ...] = ()
    swaps: bool = False

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of all operations of the pattern."""
        own = frozenset(() if self.kind is None else (self.kind,))
        return own.union(*(s.kinds for s in self.operands))

    def fits(self, graph: Graph, node: int) -> bool:
        """Whether the operations at a node may be those of the pattern."""
        if self.kind is None:
            return True
        node = _unsigned(graph, node)
        if _kind(graph.ops[node]) != self.kind:
            return False
        return not self.operands or self.matches(graph, _operands(graph, node))

    def matches(self, graph: Graph, args: tuple[int, ...]) -> bool:
        """Whether the operands of an operation of this kind may be those of the pattern."""
        own = self.operands
        if len(own) != len(args):
            return False
        if all(s.fits(graph, a) for s, a in zip(own, args, strict=True)):
            return True
        return self.swaps and all(s.fits(graph, a) for s, a in zip(own, args[::-1], strict=True))


def _operands(graph: Graph, node: int) -> tuple[int, ...]:
    """The operands as those of a product or a sum."""
    args = graph.args[node]
    return args * 2 if graph.ops[node] is SQUARE else args


def _unsigned(graph: Graph, node: int) -> int:
    """What stands below the names and signs at a node."""
    while graph.ops[node] in SKIPPED:
        node = graph.args[node][0]
    return node


def _sketch(part: Skeleton) -> Sketch:
    while part.op in SKIPPED:
        (part,) = part.operands
    if part.op is None:
        return Sketch(None)
    kind = _kind(part.op)
    operands = part.operands * 2 if part.op is SQUARE else part.operands
    return Sketch(kind, tuple([_sketch(a) for a in operands]), kind in ("add", "mul"))


class Sketches:
    """The rules that are applied before differentiation, by the operations that they look at."""

    def __init__(
        self,
        by_root: Mapping[Op, Sequence[Sketch]],
        forms: Mapping[Op, tuple[Form, ...]],
        inner: frozenset[Op],
        telling: frozenset[Op],
    ) -> None:
        self.by_root, self.forms, self.inner, self.telling = by_root, forms, inner, telling
        self.roots = frozenset((*by_root, *forms))
        self.products = size_from_sign in forms.get(MUL, ())
        self._fitting: dict[Key, tuple[Sketch, ...]] = {}
        self._among: dict[frozenset[Op], Sketches] = {}
        self.hopeful: dict[Key, bool] = {}
        """What `may_fit` said of an operation with these operands."""

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Sketches:
        """Those of some rules, and all forms.

        `inner` are the operations that the patterns are made of; where a graph has none of `telling` there is nothing
        to do.
        """
        by_root: dict[Op, list[Sketch]] = {}
        found: set[Op] = set()
        for rule in rules:
            pattern = skeleton_of(rule.pattern)
            assert pattern.op is not None
            sketch = _sketch(pattern)
            for root in _roots(pattern.op.name):
                known = by_root.setdefault(OPS[root], [])
                if sketch not in known:
                    known.append(sketch)
            found.update(part.op for part in pattern.walk() if part.op is not None)
        kinds = {_kind(op) for op in found} | {"neg", "named"}
        inner = frozenset(op for op in OPS.values() if _kind(op) in kinds and op is not INPUT)
        every = (*inner, *FORMS, core.NORM, core.HYPOT)
        telling = frozenset(op for op in every if _kind(op) not in PLAIN)
        return cls(by_root, {op: tuple(form for form, _ in known) for op, known in FORMS.items()}, inner, telling)

    def among(self, present: frozenset[Op]) -> Sketches:
        """Those that a graph with these operations may have anything for, as long as no form brings others."""
        found = self._among.get(present)
        if found is None:
            kinds = {_kind(op) for op in present} | PLAIN
            by_root = {op: [s for s in self.by_root[op] if s.kinds <= kinds] for op in self.by_root if op in present}
            forms = {
                op: tuple(form for form, needs in known if needs is None or not needs.isdisjoint(present))
                for op, known in FORMS.items()
            }
            if len(self._among) >= MOST_KEPT:
                self._among.clear()
            found = self._among[present] = Sketches(
                {op: known for op, known in by_root.items() if known},
                {op: known for op, known in forms.items() if known},
                self.inner,
                self.telling,
            )
        return found

    def may_fit(self, key: Key) -> bool:
        """Whether any sketch allows an operation whose operands are these: cheaper than to look at theirs."""
        found = self.hopeful[key] = any(_allows(s, key) for s in self.by_root.get(key[0], ()))
        return found

    def fitting(self, key: Key) -> tuple[Sketch, ...]:
        """The sketches that an operation may fit whose operands, and theirs, are made by these."""
        found = self._fitting.get(key)
        if found is None:
            if len(self._fitting) >= MOST_KEPT:
                self._fitting.clear()
            found = tuple(s for s in self.by_root.get(key[0], ()) if _allows(s, key))
            self._fitting[key] = found
        return found


def _roots(name: str) -> tuple[str, ...]:
    """The operations that a user may write where the pattern of a rule begins with this one."""
    return {
        "sub": ("sub", "add"),
        "add": ("add", "sub"),
        "mul": ("mul", "div", "square"),
        "div": ("div", "reciprocal"),
    }.get(name, (name,))


def _allows(sketch: Sketch, key: Key) -> bool:
    below = key[1:] * 2 if key[0] is SQUARE else key[1:]
    own = sketch.operands
    if len(own) != len(below):
        return False
    orders = (below, below[::-1]) if sketch.swaps else (below,)
    return any(all(_may_be(s, k) for s, k in zip(own, order, strict=True)) for order in orders)


def _may_be(sketch: Sketch, key: Any) -> bool:
    op = key[0] if isinstance(key, tuple) else key
    if sketch.kind is None or op in SKIPPED:
        return True
    return _kind(op) == sketch.kind and (not sketch.operands or not isinstance(key, tuple) or _allows(sketch, key))


@functools.cache
def sketches() -> Sketches:
    """Those of all rules that are applied before differentiation."""
    return Sketches.of([rule for rule in RULES if rule.early])


def forms(graph: Graph, outputs: Sequence[int], targets: Sequence[int] = ()) -> dict[int, int]:
    """The stable and smooth forms of what `outputs` are made of, appended to the graph: {node: its form}.

    Only what a form was found for, and what depends on it, is made anew. `targets`, to differentiate by, are looked at
    as something unknown: no form goes past them.
    """
    known = sketches()
    if known.telling.isdisjoint(graph.ops):
        return {}
    with graph.lock, collector_paused():
        return _forms(graph, outputs, known, frozenset(targets))


def _forms(graph: Graph, outputs: Sequence[int], known: Sketches, targets: frozenset[int]) -> dict[int, int]:
    ops, args, payloads = graph.ops, graph.args, graph.payloads
    live = graph.live(outputs)
    mapping: dict[int, int] = {}
    present = frozenset(map(ops.__getitem__, live))
    if known.telling.isdisjoint(present):
        return mapping
    here = known.among(present)
    opaque = set(targets)
    plain = graph.plain if all(ops[t] is INPUT for t in targets) else None
    nodes = [n for n in live if n not in plain] if plain else live
    roots = here.roots
    looked_at = (n for n in nodes if ops[n] in roots and n not in targets)
    first = next((n for n in looked_at if _look(graph, n, here, opaque) != n), None)
    for node in nodes[bisect.bisect_left(nodes, first) :] if first is not None else ():
        op = ops[node]
        made = node
        if mapping:
            own = args[node]
            moved = tuple([mapping.get(a, a) for a in own])
            if moved != own:
                made = graph.add(op, moved, payloads[node])
        if node in targets:
            opaque.add(made)
        elif op in here.roots:
            made = _look(graph, made, here, opaque)
        if made != node:
            here = known  # there may be other operations from now on
            mapping[node] = made
            place = graph.places.get(node)
            if place is not None:
                graph.places.setdefault(made, place)
    if plain is not None:
        plain.update([n for n in nodes if n not in mapping])
    return mapping


def _look(graph: Graph, node: int, known: Sketches, opaque: set[int]) -> int:
    """The form of one operation if there is one, or the node; most are seen by their operands' operations."""
    ops, args = graph.ops, graph.args
    op, below = ops[node], args[node]
    key: Key = (op, ops[below[0]], ops[below[1]]) if len(below) == 2 else (op, *[ops[a] for a in below])
    fits: tuple[Sketch, ...] = ()
    if known.hopeful[key] if key in known.hopeful else known.may_fit(key):
        fits = known.fitting((op, *[_brief(ops, args, a, known.inner) for a in below]))
    if fits or (op in known.forms and (op is not MUL or known.products or below[0] == below[1])):
        return _form(graph, node, known, opaque, fits)
    return node


def _brief(ops: Sequence[Op], args: Sequence[tuple[int, ...]], node: int, deep: frozenset[Op]) -> Any:
    """An operand in a key, without signs."""
    while ops[node] in SKIPPED:
        node = args[node][0]
    op = ops[node]
    if op not in deep:
        return op
    below = []
    for a in args[node]:
        while ops[a] in SKIPPED:
            a = args[a][0]
        below.append(ops[a])
    return (op, *below)


def _form(graph: Graph, node: int, known: Sketches, opaque: set[int], fits: tuple[Sketch, ...]) -> int:
    """The stable form of one operation on operands that have theirs, or the node."""
    first_new = len(graph)
    found: int | None = None
    for form in known.forms.get(graph.ops[node], ()):
        found = form(graph, node, opaque)
        if found is not None:
            break
    if found is None:
        for sketch in fits:
            if sketch.matches(graph, _operands(graph, node)):
                found = _rewritten(graph, node, known, opaque)
                break
    if found is None:
        return node
    place = graph.places.get(node)
    if place is not None:
        _mark(graph.places, place, first_new, len(graph))
    return found


def _mark(places: dict[int, Place], place: Place, start: int, stop: int) -> None:
    for new in range(start, stop):
        places.setdefault(new, place)


def _neighbourhood(graph: Graph, root: int, known: Sketches, opaque: set[int]) -> tuple[list[int], list[int]]:
    """The nodes below `root` that a pattern may be made of, and those below them, each ascending."""
    ops, args = graph.ops, graph.args
    inner, border = {root}, set[int]()
    level = [root]
    for _ in range(DEEPEST):
        below: list[int] = []
        for node in level:
            for a in args[node]:
                if a in inner or a in border:
                    continue
                if a in opaque or ops[a] not in known.inner or len(inner) >= LARGEST:
                    border.add(a)
                else:
                    inner.add(a)
                    below.append(a)
        level = below
    border.update(a for node in level for a in args[node] if a not in inner)
    return sorted(inner), sorted(border)


def _rewritten(graph: Graph, root: int, known: Sketches, opaque: set[int]) -> int | None:
    """What the rules make of a node, in the graph; None where none that is meant for this fired."""
    inner, border = _neighbourhood(graph, root, known, opaque)
    rewriter = Rewriter(graph.dtype, rule_set(CLASSES))
    mapping = {n: rewriter.input(n, graph.types[n]) for n in border}
    with np.errstate(all="ignore"):
        Body(graph, border, (root,), inner).fold(rewriter, mapping)
    if not rewriter.early:
        return None
    back: dict[int, int] = {}
    for node in sorted(mapping):
        if node != root:
            back.setdefault(mapping[node], node)
    result = mapping[root]

    def written(op: Op, args: tuple[int, ...], payload: Any) -> int:
        return graph.add(SQUARE, args[:1]) if op is MUL and args[0] == args[1] else graph.add(op, args, payload)

    return Body(rewriter.graph, (), (result,)).fold(Nodes(graph, written), back)[result]
