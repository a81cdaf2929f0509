"""The constructor that simplifies: nodes are folded, ordered and rewritten when they are made."""

from __future__ import annotations

import functools
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.frontend.bodies import expansion
from symdiff.interpret import of_type
from symdiff.ir.body import Body, Domain
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Expand, Fold, Outside
from symdiff.optimize.patterns import CONSTANT, REORDERED, SIZE, RuleSet
from symdiff.sizes import is_open
from symdiff.types import Dim, TensorType, product

BROADCAST = core.BROADCAST
TRANSPARENT = frozenset((core.NAMED, core.STOP_GRADIENT, core.CUSTOM, core.CHECKPOINT, core.CHECKPOINT_ADJOINT))
VALUED = frozenset((core.SURROGATE, core.CUSTOM, core.CHECKPOINT))
"""Operations that have the value of their first operand: the others say what their derivatives are."""
DEEPEST_REWRITE = 16
_MASK = (1 << 64) - 1
_LAST = 1 << 64  # constants come after everything else


class Rewriter(Domain[int]):
    """The domain of simplified nodes.

    Makes those of a fresh graph: operands ordered, constants folded, rules applied, equal nodes merged.
    With `expand`, functions that stand for an expression become that expression.
    """

    def __init__(self, dtype: str, rules: RuleSet | None = None, expand: bool = False) -> None:
        self.graph = Graph(dtype)
        self.rules = rules
        self.expand = expand
        self.complete = True
        self.early = False
        """Whether a rule was applied that is meant for what is differentiated."""
        self.values: Mapping[int, int] = {}
        """What the nodes of the last source that was rebuilt have become."""
        self._roots: Mapping[Op, Any] = rules.by_root if rules is not None else {}
        self._number = self.graph._number
        self._float = np.dtype(dtype).type
        self._numbers = of_type(dtype)
        self._digests: list[int] = []
        self._known: dict[Any, int] = {}
        self._uses: dict[int, int] = {}
        self._depth = 0

    def constant(self, value: Any) -> int:
        """A constant."""
        graph = self.graph
        node = graph.constant(value)
        if node == len(self._digests):
            kept = graph.payloads[node]
            if isinstance(kept, np.ndarray):
                mixed = zlib.crc32(kept.tobytes(), len(kept.shape))
            else:
                mixed = zlib.crc32(repr(kept).encode())
            self._digests.append(_LAST | mixed)
        return node

    def input(self, name: Any, type_: TensorType) -> int:
        """An input; `name` is a text or (operand, element)."""
        node = self.graph.input(name, type_.shape, type_.dtype)
        if node == len(self._digests):
            self._digests.append(_mix(zlib.crc32(repr(name).encode()) + 1, ()))
        return node

    def make(self, op: Op, args: tuple[int, ...], payload: Any = None) -> int:
        """The node that `op(args)` simplifies to."""
        if op in REORDERED:
            a, b = args
            digests = self._digests
            if digests[a] > digests[b]:
                args = (b, a)
        key = (op, args, payload)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._new(op, args, payload)
        return found

    def _new(self, op: Op, args: tuple[int, ...], payload: Any) -> int:
        if op in TRANSPARENT:
            return args[0]
        graph = self.graph
        operands = list(map(graph.ops.__getitem__, args))
        if CONSTANT in operands and operands.count(CONSTANT) == len(operands):
            folded = self._fold(op, args, payload)
            if folded is not None:
                return folded
        if op in self._roots:
            assert self.rules is not None
            if SIZE in operands:
                operands = [CONSTANT if o is SIZE else o for o in operands]
            for one in self.rules.candidates(op, operands):
                found = one.match(graph, args, self._uses)
                if found is None:
                    continue
                if self._depth >= DEEPEST_REWRITE:
                    self.complete = False
                    break
                self._depth += 1
                self.early |= one.rule.early
                try:
                    body = one.body
                    return self._shaped(body.fold(self, found)[body.results[0]], op, args, payload)
                finally:
                    self._depth -= 1
        if self.expand:
            routine = op.routine
            if isinstance(routine, Expand):
                body = expansion(op, payload)
                made = body.fold(self, dict(zip(body.parameters, args, strict=True)))
                return self._shaped(made[body.results[0]], op, args, payload)
            if isinstance(routine, Fold):
                step = OPS[routine.name]
                return functools.reduce(lambda x, y: self.make(step, (x, y)), args)
        node = graph.add(op, args, payload)
        digests = self._digests
        if node == len(digests):
            digests.append(_mix(_seed(op, payload), map(digests.__getitem__, args)))
        return node

    def _shaped(self, node: int, op: Op, args: tuple[int, ...], payload: Any) -> int:
        """`node` in the shape that `op(args)` has: a rule may drop the operand that gave it."""
        types = self.graph.types
        if types[node] is self._number and all(types[a] is self._number for a in args):
            return node
        shape = op.type_rule(op, [types[a] for a in args], payload).shape
        return node if types[node].shape == shape else self.make(BROADCAST, (node,), shape)

    def _fold(self, op: Op, args: tuple[int, ...], payload: Any) -> int | None:
        graph = self.graph
        if op.routine is None or isinstance(op.routine, Outside):  # it is called when the function is
            return None
        types = [graph.types[a] for a in args]
        if any(t.shape for t in types) or op is BROADCAST or op in (core.STACK, core.SCATTER):
            result = op.type_rule(op, types, payload)
            if any(isinstance(n, Dim) or is_open(n) for t in (result, *types) for n in t.shape):
                return None
            if product(result.shape) > sum(product(t.shape) for t in types):
                return None
        values = [graph.payloads[a] for a in args]
        values = [self._float(v) if type(v) is float else np.bool_(v) if type(v) is bool else v for v in values]
        value = self._numbers.make(op, values, payload)
        if np.ndim(value) == 0 and np.asarray(value).dtype != np.int64:
            if np.asarray(value).dtype == bool:
                return self.constant(bool(value))
            number = float(value)
            return self.constant(number if number == number else math.nan)
        return self.constant(np.asarray(value))

    def run(
        self,
        source: Graph,
        outputs: Sequence[int],
        known: Mapping[int, int] | None = None,
        live: Sequence[int] | None = None,
    ) -> list[int]:
        """Rebuild what `outputs` depend on; `known` maps nodes of `source` to nodes made before.

        `live` is `live_computed(source, outputs)` where the caller has it.

        Returns
        -------
        list of int
            What `outputs` have become.
        """
        order = live_computed(source, outputs) if live is None else live
        if not VALUED.isdisjoint(map(source.ops.__getitem__, order)):
            self._source = source
            self.special = {node for node in order if source.ops[node] in VALUED}
        with np.errstate(all="ignore"):
            values = Body(source, (), outputs, order).fold(self, dict(known or {}), uses=self._uses)
        self.values = values
        return [values[node] for node in outputs]

    def at(self, node: int, values: dict[int, int]) -> int:
        """What has the value of its first operand, without the others. It hides that from the rules as before."""
        value = values[self._source.args[node][0]]
        return value if self._source.ops[node] in TRANSPARENT else self.make(core.SURROGATE, (value, value))


def live_computed(graph: Graph, outputs: Iterable[int]) -> list[int]:
    """The nodes that the values of `outputs` depend on, ascending: live ones, but for those of derivatives alone."""
    ops, args = graph.ops, graph.args
    if VALUED.isdisjoint(ops):
        return graph.live(outputs)
    found, level = set[int](), set(outputs)
    while level:
        found |= level
        level = {a for n in level for a in (args[n][:1] if ops[n] in VALUED else args[n])} - found
    return sorted(found)


def _mix(seed: int, digests: Iterable[int]) -> int:
    """A digest of a node from those of its operands, in order; the same in every process."""
    mixed = seed
    for digest in digests:
        mixed = ((mixed ^ digest) * 0x9E3779B97F4A7C15 + (digest >> 31)) & _MASK
        mixed ^= mixed >> 29
    return mixed


_seeds: dict[Op, int] = {}


def _seed(op: Op, payload: Any) -> int:
    found = _seeds.get(op)
    if found is None:
        found = _seeds[op] = zlib.crc32(op.key.encode()) << 20
    return found if payload is None else found ^ zlib.crc32(repr(payload).encode())
