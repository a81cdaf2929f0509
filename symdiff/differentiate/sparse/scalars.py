"""Sparse derivatives of formulas in scalars: only the entries that there are, from one sweep that carries rows.

A node carries its derivative by the elements of the targets, or in reverse mode those of the outputs by it, as a
mapping from their numbers. What several entries are multiplied by is computed once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.differentiate import chain
from symdiff.differentiate.chain import LateFactors
from symdiff.differentiate.finite import Finite
from symdiff.differentiate.guards import Guarded, Guards
from symdiff.differentiate.partials import Application, has_partial, is_finite
from symdiff.differentiate.reverse import FAST, mark
from symdiff.differentiate.sparse.pattern import Pattern
from symdiff.differentiate.sparse.zeros import zero_scalars
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ops import core
from symdiff.types import BOOL, fixed, product

WHOLE = frozenset((core.INPUT, core.CONSTANT, core.NAMED, core.STACK, core.RESHAPE))
"""What may be an array where all else are scalars."""

Row = dict[int, Guarded]
"""The entries of a row, or of a column, by the number of the other."""


@dataclass(frozen=True, slots=True)
class ScalarEntries:
    """The entries of a derivative: where they are, their scalar nodes in that order, and how they were found."""

    pattern: Pattern
    nodes: list[int]
    mode: str


def is_scalar(graph: Graph, outputs: Sequence[int]) -> bool:
    """Whether all that is computed are scalars, made of elements of arrays, put together only at the end."""
    types, ops = graph.types, graph.ops
    for node in graph.live(outputs):
        op = ops[node]
        if types[node].shape:
            if op not in WHOLE:
                return False
        elif op is core.INDEX:
            if any(isinstance(part, tuple) for part in graph.payloads[node]):
                return False
        elif op.differential is not None and op is not core.RESHAPE:
            return False
    return True


class Elements:
    """The scalars of a graph without arrays: what each element stands for, and the numbers of those of targets."""

    def __init__(self, graph: Graph, targets: Sequence[int]) -> None:
        self.graph = graph
        self.first: dict[int, int] = {}
        self.count = 0
        for target in targets:
            self.first.setdefault(target, self.count)
            self.count += product(fixed(graph.types[target].shape))
        self._base: dict[int, tuple[int, tuple[int, ...]]] = {}

    def column(self, node: int) -> int | None:
        """The number of the element of a target that a node is, or None."""
        if node in self.first and not self.graph.types[node].shape:
            return self.first[node]
        if not self.is_element(node):
            return None
        at, index = self.found(node)
        if at not in self.first:
            return None
        return self.first[at] + _flat(index, fixed(self.graph.types[at].shape))

    def operand(self, node: int) -> int:
        """The scalar that an element of an array is; the node itself where it is computed, or of no array here."""
        if not self.is_element(node):
            return node
        at, index = self.found(node)
        return node if index else at

    def is_element(self, node: int) -> bool:
        """Whether a node only is an element of an array."""
        return self.graph.ops[node] in (core.INDEX, core.RESHAPE) and not self.graph.types[node].shape

    def found(self, node: int) -> tuple[int, tuple[int, ...]]:
        """The array that an element is of, behind names, lists and changes of shape, and its index there."""
        known = self._base.get(node)
        if known is None:
            graph = self.graph
            at = graph.args[node][0]
            index = tuple(graph.payloads[node]) or (0,) * len(graph.types[at].shape)
            known = self._base[node] = self._behind(at, index)
        return known

    def below(self, node: int) -> int | None:
        """The scalar that an element of a target is made of, where that is computed itself."""
        at, index = self.found(node)
        if self.graph.ops[at] is core.INPUT:
            return None
        at, index = self._behind(at, index, True)
        return None if index else at

    def _behind(self, at: int, index: tuple[int, ...], past: bool = False) -> tuple[int, tuple[int, ...]]:
        graph = self.graph
        while at not in self.first or past:
            past = False
            op = graph.ops[at]
            if op is core.NAMED:
                at = graph.args[at][0]
            elif op is core.STACK and index:
                at, index = graph.args[at][index[0]], index[1:]
            elif op is core.RESHAPE and graph.types[graph.args[at][0]].shape:
                place = _flat(index, fixed(graph.types[at].shape))
                at = graph.args[at][0]
                index = tuple(int(k) for k in np.unravel_index(place, fixed(graph.types[at].shape)))
            elif op is core.INDEX and index:
                at, index = graph.args[at][0], (*graph.payloads[at], *index)
            else:
                break
        return at, index


def _union(sets: Mapping[int, frozenset[int]], node: int, own: Sequence[tuple[int, int]]) -> frozenset[int]:
    """The columns of a node: those of its operands, and its own where it is an element of a target itself."""
    first, *rest = [sets[a] for _, a in own]
    others = [s for s in (*rest, sets.get(node, first)) if s is not first]
    return first.union(*others) if others else first


def _flat(index: Sequence[int], shape: Sequence[int]) -> int:
    place = 0
    for k, size in zip(index, shape, strict=True):
        place = place * size + k
    return place


class Sparse:
    """The derivatives of scalar nodes by the elements of targets.

    Attributes
    ----------
    roots : the nodes, which may repeat.
    """

    def __init__(self, graph: Graph, roots: Sequence[int], targets: Sequence[int]) -> None:
        self.graph = graph
        self.elements = elements = Elements(graph, targets)
        self.roots = [elements.operand(r) for r in roots]
        self.live = graph.live(self.roots)
        self.columns = {n: c for n in self.live if (c := elements.column(n)) is not None}
        self.operands: dict[int, list[tuple[int, int]]] = {}
        """For each node that varies its operands that do: which they are, and where they stand."""
        self._find()
        self.guards = Guards(graph)

    def _find(self) -> None:
        graph, columns, operand = self.graph, self.columns, self.elements.operand
        ops, args, types = graph.ops, graph.args, graph.types
        found, zero = self.operands, zero_scalars(graph, self.live)
        for node in self.live:
            if types[node].shape:
                continue
            operands: Sequence[int | None] = args[node]
            if self.elements.is_element(node):
                operands = [self.elements.below(node)] if node in columns else []
            own = []
            for k, a in enumerate(operands):
                a = a if a is None else operand(a)
                if (a in columns or a in found) and has_partial(ops[node], k) and types[a].dtype != BOOL:
                    own.append((k, a))
            if own:
                found[node] = own
        if zero:
            self._drop_zeros(zero)

    def _drop_zeros(self, zero: frozenset[int]) -> None:
        """Leave out operands by which the derivative is 0 as a factor is, unless another may be infinite or NaN."""
        found, ops, args = self.operands, self.graph.ops, self.graph.args
        dropped = {
            node: kept
            for node, own in found.items()
            if ops[node] is core.MUL
            and len(kept := [(k, a) for k, a in own if args[node][1 - k] not in zero]) < len(own)
        }
        if not dropped:
            return
        finite = Finite(self.graph)
        edges = {(node, k): is_finite(finite, node, k) for node, own in found.items() for k, _ in own}
        below: set[int] = set()  # whose derivatives may be infinite or NaN
        for node, own in found.items():
            if any(a in below or not edges[node, k] for k, a in own):
                below.add(node)
        above: set[int] = set()  # by which a derivative may be
        for node in reversed(found):
            above.update(a for k, a in found[node] if node in above or not edges[node, k])
        columns = self.columns
        for node in list(found):
            own = [(k, a) for k, a in found[node] if a in columns or a in found]
            if node in dropped and node not in above:
                own = [(k, a) for k, a in own if (k, a) in dropped[node] or a in below]
            if own:
                found[node] = own
            else:
                del found[node]

    def pattern(self) -> Pattern:
        """Which entries there can be, from operands alone."""
        sets: dict[int, frozenset[int]] = {n: frozenset((c,)) for n, c in self.columns.items()}
        for node, own in self.operands.items():
            sets[node] = _union(sets, node, own)
        ordered: dict[frozenset[int], list[int]] = {}
        rows = []
        for root in self.roots:
            columns = sets.get(root, frozenset())
            if columns not in ordered:
                ordered[columns] = sorted(columns)
            rows.append(ordered[columns])
        return Pattern.of_rows(rows, self.elements.count)

    def costs(self) -> dict[str, int]:
        """How often forward and reverse mode multiply by a partial, an upper bound."""
        ahead = back = 0
        sets: dict[int, frozenset[int]] = {n: frozenset((c,)) for n, c in self.columns.items()}
        for node, own in self.operands.items():
            ahead += sum(len(sets[a]) for _, a in own)
            sets[node] = _union(sets, node, own)
        needed: dict[int, frozenset[int]] = {}
        for k, root in enumerate(self.roots):
            needed[root] = needed.get(root, frozenset()) | {k}
        for node in reversed(self.operands):
            wanted = needed.pop(node, None)
            if wanted is None:
                continue
            back += len(wanted) * len(self.operands[node])
            for _, a in self.operands[node]:
                known = needed.get(a)
                needed[a] = wanted if known is None or known is wanted else known | wanted
        return {"forward": ahead, "reverse": back}

    def forward(self, lower: bool = False) -> list[dict[int, int]]:
        """For each root its derivatives by column; with `lower` those by the columns up to the row's number alone."""
        graph, guards = self.graph, self.guards
        last = self._last() if lower else {}
        one: Guarded = (graph.constant(1.0), None)
        found: dict[int, Row] = {n: {c: one} for n, c in self.columns.items()}
        for node, own in self.operands.items():
            first_new = len(graph)
            application = Application(guards, node)
            parts: dict[int, list[Guarded]] = {}
            highest = last.get(node, -1)
            for k, a in own:
                row = found.get(a)
                if row and lower:
                    row = {c: t for c, t in row.items() if c <= highest}
                if row:
                    self._spread(application, k, row, parts)
            merged = {c: guards.merge(p) for c, p in parts.items()}
            found[node] = {**merged, **found[node]} if node in found else merged
            mark(graph.places, node, node, first_new, len(graph))
        rows = []
        for r, root in enumerate(self.roots):
            entries = found.get(root, {})
            rows.append({c: guards.masked(*t) for c, t in sorted(entries.items()) if not lower or c <= r})
        return rows

    def _last(self) -> dict[int, int]:
        """For each node the last root that depends on it."""
        last: dict[int, int] = {}
        for k, root in enumerate(self.roots):
            last[root] = k
        for node in reversed(self.operands):
            own = last.get(node, -1)
            for _, a in self.operands[node]:
                if last.get(a, -1) < own:
                    last[a] = own
        return last

    def _spread(self, application: Application, k: int, row: Row, parts: dict[int, list[Guarded]]) -> None:
        """Multiply a row by the partial by operand k, and add it to `parts`."""
        graph = self.graph
        if self.elements.is_element(application.node):
            for c, tangent in row.items():
                parts.setdefault(c, []).append(tangent)
            return
        if len(row) > 1:
            factor = application.times(k, (graph.constant(1.0), None))
            if factor is None:
                return
            value, guard = factor
            if guard is None:
                for c, (t, own) in row.items():
                    parts.setdefault(c, []).append((chain.multiply(graph, t, value), own))
                return
        for c, tangent in row.items():
            result = application.times(k, tangent)
            if result is not None:
                parts.setdefault(c, []).append(result)

    def reverse(self) -> list[dict[int, int]]:
        """For each root its derivatives by column, from the roots down."""
        graph, guards = self.graph, self.guards
        one: Guarded = (graph.constant(1.0), None)
        late = guards.late = LateFactors(graph)
        waiting: dict[int, dict[int, list[Guarded]]] = {}
        for r, root in enumerate(self.roots):
            waiting.setdefault(root, {})[r] = [one]
        for node in reversed(self.operands):
            contributions = waiting.get(node) if node in self.columns else waiting.pop(node, None)
            if contributions is None:
                continue
            first_new = len(graph)
            adjoint = {r: guards.merge(p) for r, p in contributions.items()}
            application = Application(guards, node)
            if len(graph.args[node]) > 1:
                self._settle(late, node, adjoint)
            for k, a in self.operands[node]:
                self._spread(application, k, adjoint, waiting.setdefault(a, {}))
            mark(graph.places, node, node, first_new, len(graph))
        entries: list[dict[int, list[Guarded]]] = [{} for _ in self.roots]
        for node, column in self.columns.items():
            for r, p in waiting.get(node, {}).items():
                entries[r].setdefault(column, []).extend(p)
        return [{c: guards.masked(*guards.merge(row[c])) for c in sorted(row)} for row in entries]

    def _settle(self, late: LateFactors, node: int, adjoint: Row) -> None:
        """Let no factor wait that would be multiplied by in several ways."""
        waits = [value for value, _ in adjoint.values() if late.holds(value)]
        operands = self.operands[node] if waits else []
        if len(operands) > 1 and not any(self.graph.ops[a].name in FAST for _, a in operands):
            for value in waits:
                late.forget(value)


def jacobian_entries(graph: Graph, roots: Sequence[int], targets: Sequence[int], mode: str = "auto") -> ScalarEntries:
    """The entries of the Jacobian of scalar nodes by the elements of targets."""
    with graph.lock, collector_paused():
        sparse = Sparse(graph, roots, targets)
        counted = sparse.costs()
        if mode == "auto":
            mode = "forward" if counted["forward"] <= counted["reverse"] else "reverse"
        rows = sparse.forward() if mode == "forward" else sparse.reverse()
    listed = ", ".join(f"{name} {count:,}" for name, count in counted.items())
    return _listed(rows, sparse.elements.count, f"{mode} mode; operations: {listed}")


def gradient_entries(graph: Graph, output: int, targets: Sequence[int]) -> dict[int, int]:
    """The derivatives of a scalar node by the elements of the targets that it depends on, by their numbers."""
    with graph.lock, collector_paused():
        return Sparse(graph, [output], targets).reverse()[0]


def hessian_entries(
    graph: Graph, slopes: Mapping[int, int], targets: Sequence[int], lower: bool = True
) -> ScalarEntries:
    """The entries of the derivatives of `slopes`, first derivatives by column, by the targets.

    With `lower` those of the lower triangle.
    """
    zero = graph.constant(0.0)
    with graph.lock, collector_paused():
        count = Elements(graph, targets).count
        rows = Sparse(graph, [slopes.get(c, zero) for c in range(count)], targets).forward(lower)
    return _listed(rows, count, "forward over reverse")


def _listed(rows: Sequence[Mapping[int, int]], width: int, mode: str) -> ScalarEntries:
    pattern = Pattern.of_rows([list(row) for row in rows], width)
    return ScalarEntries(pattern, [node for row in rows for node in row.values()], mode)
