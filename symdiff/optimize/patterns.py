"""Rules and their patterns: what a rule says, compiled to checks, indexed by the operations that it looks at."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.errors import VerifyError
from symdiff.frontend.bodies import from_text
from symdiff.ir.body import Body
from symdiff.ir.graph import Graph
from symdiff.ops import OPS, Op, core
from symdiff.ops.core import DIV, MUL, NEG, SUB
from symdiff.optimize.skeletons import skeleton_of
from symdiff.types import BOOL

CONSTANT = core.CONSTANT
INPUT = core.INPUT
SIZE = core.SIZE
# Operations whose operands may change places without a changed bit. Not max and min: max(0, -0) is the first operand.
_SYMMETRIC = ("add", "mul", "hypot", "logaddexp", "equal", "not_equal", "logical_and", "logical_or", "logical_xor")
REORDERED = frozenset(OPS[name] for name in _SYMMETRIC)
_WORD = re.compile(r"(?<![\w.])[A-Za-z]\w*")
_NOT_VARIABLES = frozenset(("and", "or", "not", "if", "else", "True", "False", "pi", "inf", "nan"))

EXACT, STRUCTURAL, STABLE, REAL = "exact", "structural", "stable", "real"


@dataclass(frozen=True, eq=False, slots=True)
class Rule:
    """One rewriting, as text in the language.

    In `pattern`, the names `c, c1, c2, …` stand for any condition, `k, k1, …` for any scalar constant, other names for
    any number; constants match by their bits, operands of commutative operations in both orders, and `-x`, where x
    stands before it, anything that is the negative of x, such as 2*z for -2*z. `where` is given the constants by name
    and says whether the rule holds for them. A rule with `once` applies only where what the inner operations of the
    pattern compute is used nowhere else: it would make the program longer there. One that is `early` makes a form whose
    derivatives are better, too, and is applied before differentiation (`forms.py`).

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
    early: bool = False

    @property
    def variables(self) -> tuple[str, ...]:
        """The names in the pattern, sorted."""
        words = {m.group() for m in _WORD.finditer(self.pattern) if self.pattern[m.end() : m.end() + 1] != "("}
        return tuple(sorted(words - _NOT_VARIABLES))

    def parse(self, text: str) -> Body:
        """The pattern or the replacement as a small graph."""
        names = self.variables
        return from_text(text, names, frozenset(n for n in names if _stands_for(n, "c")))


def _stands_for(name: str, letter: str) -> bool:
    return name[0] == letter and (len(name) == 1 or name[1:].isdigit())


@dataclass(frozen=True, slots=True)
class Matcher:
    """A rule for one order of commutative operands, as a list of checks on registers.

    The registers start as the operands of the node; a check `op` appends the operands of the register it looks at.
    `bound` gives the parameters of the body their registers, `constants` are parameters that are constants, by name.
    """

    rule: Rule
    root: Op
    first: tuple[Op | None, ...]
    checks: tuple[tuple[str, int, Any], ...]
    bound: tuple[tuple[int, int], ...]
    constants: tuple[tuple[str, int], ...]
    body: Body

    def match(self, graph: Graph, args: tuple[int, ...], uses: Mapping[int, int]) -> dict[int, int] | None:
        """What the parameters of the body stand for, or None where the pattern does not fit.

        `uses` counts the users of nodes.
        """
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
            elif kind == "opposite":
                if not are_opposite(graph, node, registers[wanted]):
                    return None
            elif wanted is None and ops[node] is SIZE and self.rule.holds is not EXACT:
                continue  # a number at each call; without the exact rules no bit is another
            elif ops[node] is not CONSTANT or graph.types[node].shape or not _is(payloads[node], wanted):
                return None
        found = {parameter: registers[at] for parameter, at in self.bound}
        where = self.rule.where
        if where is not None and not where(**{k: payloads[found[parameter]] for k, parameter in self.constants}):
            return None
        return found


def are_opposite(graph: Graph, a: int, b: int) -> bool:
    """Whether one of two nodes is seen to be the negative of the other."""
    ops, args = graph.ops, graph.args
    if ops[a] is NEG or ops[b] is NEG:
        return args[a] == (b,) or args[b] == (a,)
    if ops[a] is not ops[b]:
        return False
    if ops[a] is CONSTANT:
        return bool(graph.types[a] is graph.types[b] and np.all(graph.payloads[a] == -graph.payloads[b]))
    if ops[a] is SUB:
        return args[a] == args[b][::-1]
    if ops[a] is MUL or ops[a] is DIV:
        (p, q), (r, s) = args[a], args[b]
        if p == r:
            return ops[q] is CONSTANT and ops[s] is CONSTANT and are_opposite(graph, q, s)
        return q == s and ops[p] is CONSTANT and ops[r] is CONSTANT and are_opposite(graph, p, r)
    return False


def _is(value: Any, wanted: Any) -> bool:
    if wanted is None:
        return True
    if type(value) is not type(wanted) or value != wanted:
        return bool(value != value and wanted != wanted)
    return type(value) is bool or math.copysign(1.0, value) == math.copysign(1.0, wanted)


@functools.cache
def matchers(rule: Rule) -> list[Matcher]:
    """The matchers of a rule, one for each order of the operands of commutative operations; kept."""
    pattern, body = rule.parse(rule.pattern), rule.parse(rule.replacement)
    graph = pattern.graph
    swappable = [n for n in graph.live([pattern.root]) if graph.ops[n] in REORDERED and len(set(graph.args[n])) > 1]
    found: dict[Any, Matcher] = {}
    for choice in range(1 << len(swappable)):
        swapped = {n for bit, n in enumerate(swappable) if choice >> bit & 1}
        one = _compile(rule, pattern, body, swapped)
        found.setdefault((one.first, one.checks, tuple(at for _, at in one.bound)), one)
    return list(found.values())


def _compile(rule: Rule, pattern: Body, body: Body, swapped: set[int]) -> Matcher:
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
        elif op is NEG and graph.payloads[graph.args[node][0]] in bound:
            checks.append(("opposite", at, bound[graph.payloads[graph.args[node][0]]]))
        else:
            checks.append(("op", at, (op, graph.payloads[node])))
            registers += operands(node)
        if at < len(graph.args[pattern.root]):
            first.append(seen)
        at += 1
    parameter = dict(zip(rule.variables, body.parameters, strict=True))
    constants = tuple((name, parameter[name]) for name in bound if _stands_for(name, "k"))
    values = tuple((parameter[name], at) for name, at in bound.items())
    return Matcher(rule, graph.ops[pattern.root], tuple(first), tuple(checks), values, constants, body)


class RuleSet:
    """Rules indexed by the operation at their root and those of its operands; they are compiled when one may fit.

    Attributes
    ----------
    by_root : the rules by their roots, each with the operations of the operands there, None where it may be any.
    """

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.by_root: dict[Op, list[tuple[Rule, tuple[Op | None, ...]]]] = {}
        for rule in rules:
            found = skeleton_of(rule.pattern)
            if found.op is None:
                raise VerifyError(f"the pattern of the rule {rule.name} is no operation")
            first = tuple([None if part.op is NEG else part.op for part in found.operands])
            self.by_root.setdefault(found.op, []).append((rule, first))
        self._candidates: dict[tuple[Op, ...], tuple[Matcher, ...]] = {}

    def candidates(self, op: Op, operands: list[Op]) -> tuple[Matcher, ...]:
        """The matchers that a node with these operations may fit."""
        key = (op, *operands)
        found = self._candidates.get(key)
        if found is None:
            swaps = op in REORDERED
            found = tuple(
                one
                for rule, first in self.by_root[op]
                if _agree(first, operands) or (swaps and _agree(first[::-1], operands))
                for one in matchers(rule)
                if _agree(one.first, operands)
            )
            self._candidates[key] = found
        return found


def _agree(wanted: Sequence[Op | None], operands: Sequence[Op]) -> bool:
    return len(wanted) == len(operands) and all(
        want is None or want is have for want, have in zip(wanted, operands, strict=True)
    )
