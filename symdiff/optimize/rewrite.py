"""Patterns, and the constructor that simplifies: nodes are folded, ordered and rewritten when they are made."""

from __future__ import annotations

import functools
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symdiff.errors import VerifyError
from symdiff.frontend.template import Template, expansion, template
from symdiff.interpret import compute
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, Op
from symdiff.ops.base import Expand, Fold
from symdiff.types import BOOL, Dim, TensorType, product

CONSTANT, INPUT, BROADCAST = OPS["constant"], OPS["input"], OPS["broadcast"]
TRANSPARENT = frozenset((OPS["named"], OPS["stop_gradient"]))
# Operations whose operands may change places without a changed bit. Not max and min: max(0, -0) is the first operand.
_SYMMETRIC = ("add", "mul", "hypot", "logaddexp", "equal", "not_equal", "logical_and", "logical_or", "logical_xor")
REORDERED = frozenset(OPS[name] for name in _SYMMETRIC)
DEEPEST_REWRITE = 16
_MASK = (1 << 64) - 1
_LAST = 1 << 64  # constants come after everything else
_WORD = re.compile(r"(?<![\w.])[A-Za-z]\w*")
_NOT_VARIABLES = frozenset(("and", "or", "not", "if", "else", "True", "False", "pi", "inf", "nan"))

EXACT, STRUCTURAL, STABLE, REAL = "exact", "structural", "stable", "real"


@dataclass(frozen=True, eq=False, slots=True)
class Rule:
    """One rewriting, as text in the language.

    In `pattern`, the names `c, c1, c2, …` stand for any condition, `k, k1, …` for any scalar constant, other names for
    any number; constants match by their bits, operands of commutative operations in both orders. `where` is given the
    constants by name and says whether the rule holds for them. A rule with `once` applies only where what the inner
    operations of the pattern compute is used nowhere else: it would make the program longer there.

    `holds` is EXACT (equal in every bit for every double, NaNs being all the same), STRUCTURAL (equal but for the sign
    of a zero that differentiation added), STABLE (equal over the reals, nowhere less accurate) or REAL (equal over the
    reals where all of it is defined).
    """

    name: str
    pattern: str
    replacement: str
    holds: str
    where: Callable[..., bool] | None = None
    once: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """The names in the pattern, sorted."""
        words = {m.group() for m in _WORD.finditer(self.pattern) if self.pattern[m.end() : m.end() + 1] != "("}
        return tuple(sorted(words - _NOT_VARIABLES))

    def parse(self, text: str) -> Template:
        """The pattern or the replacement as a small graph."""
        names = self.variables
        return template(text, names, frozenset(n for n in names if _stands_for(n, "c")))


def _stands_for(name: str, letter: str) -> bool:
    return name[0] == letter and (len(name) == 1 or name[1:].isdigit())


@dataclass(frozen=True, slots=True)
class Matcher:
    """A rule for one order of commutative operands, as a list of checks on registers.

    The registers start as the operands of the node; a check `op` appends the operands of the register it looks at.
    """

    rule: Rule
    root: Op
    first: tuple[Op | None, ...]
    checks: tuple[tuple[str, int, Any], ...]
    bound: tuple[tuple[str, int], ...]
    constants: tuple[str, ...]
    body: Template

    def match(self, graph: Graph, args: tuple[int, ...], uses: Mapping[int, int]) -> dict[str, int] | None:
        """What the variables stand for, or None where the pattern does not fit; `uses` counts the users of nodes."""
        ops, payloads = graph.ops, graph.payloads
        registers = list(args)
        for kind, at, wanted in self.checks:
            node = registers[at]
            if kind == "op":
                if ops[node] is not wanted[0] or payloads[node] != wanted[1]:
                    return None
                if self.rule.once and uses.get(node, 0) > 1:
                    return None
                registers += graph.args[node]
            elif kind == "same":
                if node != registers[wanted]:
                    return None
            elif ops[node] is not CONSTANT or graph.types[node].shape or not _is(payloads[node], wanted):
                return None
        found = {name: registers[at] for name, at in self.bound}
        where = self.rule.where
        if where is not None and not where(**{k: payloads[found[k]] for k in self.constants}):
            return None
        return found


def _is(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return True
    if type(value) is not type(wanted) or value != wanted:
        return bool(value != value and wanted != wanted)
    return type(value) is bool or math.copysign(1.0, value) == math.copysign(1.0, wanted)


def matchers(rule: Rule) -> list[Matcher]:
    """The matchers of a rule, one for each order of the operands of commutative operations."""
    pattern, body = rule.parse(rule.pattern), rule.parse(rule.replacement)
    graph = pattern.graph
    swappable = [n for n in graph.live([pattern.root]) if graph.ops[n] in REORDERED and len(set(graph.args[n])) > 1]
    found: dict[Any, Matcher] = {}
    for choice in range(1 << len(swappable)):
        swapped = {n for bit, n in enumerate(swappable) if choice >> bit & 1}
        one = _compile(rule, pattern, body, swapped)
        found.setdefault((one.first, one.checks, tuple(at for _, at in one.bound)), one)
    return list(found.values())


def _compile(rule: Rule, pattern: Template, body: Template, swapped: set[int]) -> Matcher:
    graph = pattern.graph

    def operands(node: int) -> tuple[int, ...]:
        return graph.args[node][::-1] if node in swapped else graph.args[node]

    checks: list[tuple[str, int, Any]] = []
    bound: dict[str, int] = {}
    first: list[Op | None] = []
    registers = list(operands(pattern.root))
    at = 0
    while at < len(registers):
        node = registers[at]
        op, value = graph.ops[node], graph.constant_value(node)
        seen: Op | None = op
        if op is INPUT:
            name = graph.payloads[node]
            seen = CONSTANT if _stands_for(name, "k") else None
            if name in bound:
                checks.append(("same", at, bound[name]))
            else:
                bound[name] = at
                if seen is CONSTANT:
                    checks.append(("constant", at, None))
        elif value is not None:
            seen = CONSTANT
            truth = graph.payloads[node] if graph.types[node].dtype == BOOL else value
            checks.append(("constant", at, truth))
        else:
            checks.append(("op", at, (op, graph.payloads[node])))
            registers += operands(node)
        if at < len(graph.args[pattern.root]):
            first.append(seen)
        at += 1
    if graph.ops[pattern.root] in (INPUT, CONSTANT):
        raise VerifyError(f"the pattern of the rule {rule.name} is no operation")
    constants = tuple(name for name in bound if _stands_for(name, "k"))
    return Matcher(
        rule, graph.ops[pattern.root], tuple(first), tuple(checks), tuple(bound.items()), constants, body
    )  # fmt: skip


class RuleSet:
    """Rules compiled and indexed by the operation at their root and those of its operands."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.by_root: dict[Op, list[Matcher]] = {}
        for rule in rules:
            for one in matchers(rule):
                self.by_root.setdefault(one.root, []).append(one)
        self._candidates: dict[tuple[Op, ...], tuple[Matcher, ...]] = {}

    def candidates(self, op: Op, operands: list[Op]) -> tuple[Matcher, ...]:
        """The matchers that a node with these operations may fit."""
        key = (op, *operands)
        found = self._candidates.get(key)
        if found is None:
            found = tuple(
                one for one in self.by_root[op]
                if len(one.first) == len(operands)
                and all(want is None or want is have for want, have in zip(one.first, operands, strict=True))
            )  # fmt: skip
            self._candidates[key] = found
        return found


Steps = tuple[list[tuple[Op, tuple[int, ...], Any]], int]


@functools.cache
def _steps(body: Template) -> Steps:
    """A template as a list of (operation, positions of its operands, payload), and the position of its result."""
    position = {node: k for k, node in enumerate(body.order)}
    graph = body.graph
    rows = [(graph.ops[n], tuple(position[a] for a in graph.args[n]), graph.payloads[n]) for n in body.order]
    return rows, position[body.root]


class Rewriter:
    """Makes the nodes of a fresh graph: operands ordered, constants folded, rules applied, equal nodes merged.

    With `expand`, functions that stand for an expression become that expression.
    """

    def __init__(self, dtype: str, rules: RuleSet | None = None, expand: bool = False) -> None:
        self.graph = Graph(dtype)
        self.rules = rules
        self.expand = expand
        self.complete = True
        self._roots: Mapping[Op, Any] = rules.by_root if rules is not None else {}
        self._number = self.graph._number
        self._float = np.dtype(dtype).type
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
        operands = [graph.ops[a] for a in args]
        if CONSTANT in operands and all(o is CONSTANT for o in operands):
            folded = self._fold(op, args, payload)
            if folded is not None:
                return folded
        if op in self._roots:
            assert self.rules is not None
            for one in self.rules.candidates(op, operands):
                found = one.match(graph, args, self._uses)
                if found is None:
                    continue
                if self._depth >= DEEPEST_REWRITE:
                    self.complete = False
                    break
                self._depth += 1
                try:
                    return self._shaped(self.splice(one.body, found), op, args, payload)
                finally:
                    self._depth -= 1
        if self.expand:
            routine = op.routine
            if isinstance(routine, Expand):
                names = dict(zip("abc", args, strict=False))
                return self._shaped(self.splice(expansion(op, payload), names), op, args, payload)
            if isinstance(routine, Fold):
                step = OPS[routine.name]
                return functools.reduce(lambda x, y: self.make(step, (x, y)), args)
        node = graph.add(op, args, payload)
        digests = self._digests
        if node == len(digests):
            digests.append(_mix(_seed(op, payload), [digests[a] for a in args]))
        return node

    def splice(self, body: Template, values: Mapping[str, int]) -> int:
        """The expression of a template, simplified, with nodes for its parameters."""
        rows, root = _steps(body)
        made: list[int] = []
        for op, args, payload in rows:
            if op is INPUT:
                made.append(values[payload])
            elif op is CONSTANT:
                made.append(self.constant(payload))
            else:
                made.append(self.make(op, tuple([made[a] for a in args]), payload))
        return made[root]

    def _shaped(self, node: int, op: Op, args: tuple[int, ...], payload: Any) -> int:
        """`node` in the shape that `op(args)` has: a rule may drop the operand that gave it."""
        types = self.graph.types
        if types[node] is self._number and all(types[a] is self._number for a in args):
            return node
        shape = op.type_rule(op, [types[a] for a in args], payload).shape
        return node if types[node].shape == shape else self.make(BROADCAST, (node,), shape)

    def _fold(self, op: Op, args: tuple[int, ...], payload: Any) -> int | None:
        graph = self.graph
        if op.routine is None:
            return None
        types = [graph.types[a] for a in args]
        if any(t.shape for t in types) or op is BROADCAST or op.name in ("stack", "scatter"):
            result = op.type_rule(op, types, payload)
            if any(isinstance(n, Dim) for t in (result, *types) for n in t.shape):
                return None
            if product(result.shape) > sum(product(t.shape) for t in types):
                return None
        values = [graph.payloads[a] for a in args]
        values = [self._float(v) if type(v) is float else np.bool_(v) if type(v) is bool else v for v in values]
        value = compute(op, payload, values, graph.dtype)
        if np.ndim(value) == 0:
            if np.asarray(value).dtype == bool:
                return self.constant(bool(value))
            number = float(value)
            return self.constant(number if number == number else math.nan)
        return self.constant(np.asarray(value))

    def run(self, source: Graph, outputs: Sequence[int], known: Mapping[int, int] | None = None) -> list[int]:
        """Rebuild what `outputs` depend on; `known` maps nodes of `source` to nodes made before.

        Returns
        -------
        list of int
            What `outputs` have become.
        """
        ops, args, payloads, types = source.ops, source.args, source.payloads, source.types
        mapping: dict[int, int] = dict(known) if known else {}
        make, uses = self.make, self._uses
        live = source.live(outputs, stop=mapping)
        users = [0] * len(source)
        for node in live:
            for a in args[node]:
                users[a] += 1
        for node in outputs:
            users[node] += 1
        with np.errstate(all="ignore"):
            for node in live:
                op = ops[node]
                if op is INPUT:
                    mapping[node] = self.input(payloads[node], types[node])
                elif op is CONSTANT:
                    mapping[node] = self.constant(payloads[node])
                else:
                    made = mapping[node] = make(op, tuple([mapping[a] for a in args[node]]), payloads[node])
                    uses[made] = uses.get(made, 0) + users[node]
        return [mapping[node] for node in outputs]


def _mix(seed: int, digests: Sequence[int]) -> int:
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
        found = _seeds[op] = zlib.crc32(op.name.encode()) << 20
    return found if payload is None else found ^ zlib.crc32(repr(payload).encode())
