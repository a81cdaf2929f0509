"""The optimizer: from the graph that a user and differentiation made to the program that is compiled.

The passes rebuild the graph: simplification, expansion, and the fusing and numbering of what is left.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np

from symdiff.budget import time_left
from symdiff.errors import ArgumentError
from symdiff.ir.body import Body, Nodes
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ir.inlining import inlined
from symdiff.ir.verify import verify
from symdiff.ops import OPS, Op, core
from symdiff.ops.base import Expand, Fold, Movement
from symdiff.ops.core import ADD, CALL, DIV, FMA, INDEX, MUL, NEG, RESHAPE, STACK, SUB
from symdiff.optimize.contraction_order import order_contractions
from symdiff.optimize.forms import forms
from symdiff.optimize.patterns import CONSTANT, EXACT, INPUT, REAL, STABLE, STRUCTURAL, RuleSet
from symdiff.optimize.planning.lowering import make_plan
from symdiff.optimize.program import Counts, Program, TensorProgram, count_operations
from symdiff.optimize.rewrite import TRANSPARENT, Rewriter, live_computed
from symdiff.optimize.rules import rule_set
from symdiff.optimize.scalarize import LARGEST, Scalarizer, unrolls
from symdiff.optimize.tensors import TensorRewriter, simplify_tensors
from symdiff.optimize.trail import CheckpointTrail, Trail
from symdiff.sizes import is_open
from symdiff.types import FLOATS, TensorType, product

MOST_ROUNDS = 4


def simplified(
    graph: Graph, outputs: Sequence[int], rules: RuleSet, expand: bool = False, trail: Trail | None = None
) -> tuple[Graph, list[int]]:
    """Rebuild with constants folded, equal nodes merged and `rules` applied until none applies.

    Nodes come out simplified with respect to simplified operands, so one round does; another is made only where a
    chain of rules was cut for its depth. With `expand`, functions that stand for an expression become it.
    """
    roots = list(outputs)
    for _ in range(MOST_ROUNDS):
        rewriter = Rewriter(graph.dtype, rules, expand)
        roots = rewriter.run(graph, roots)
        if trail is not None:
            trail.move(rewriter.values)
        graph = rewriter.graph
        if rewriter.complete:
            break
    return graph, roots


def postorder(graph: Graph, outputs: Sequence[int]) -> list[int]:
    """The nodes that `outputs` depend on, in depth-first postorder: independent of how the graph came to be."""
    args = graph.args
    done = bytearray(len(graph))
    order: list[int] = []
    stack = list(reversed(outputs))
    while stack:
        node = stack.pop()
        if node < 0:  # its operands are in the order
            order.append(~node)
        elif not done[node]:
            done[node] = 1
            operands = args[node]
            if operands:
                stack.append(~node)
                stack += operands[::-1]
            else:
                order.append(node)
    return order


def finish(
    graph: Graph, outputs: Sequence[int], fuse: bool = False, trail: Trail | None = None
) -> tuple[Graph, list[int]]:
    """Rebuild in canonical order, with nodes numbered by postorder and signs where they cost least.

    With `fuse`, a sum or difference of a product that is used nowhere else becomes a fused multiply-add, and of
    constants over the same divisor only one is divided.
    """
    order = postorder(graph, outputs)
    uses = Body(graph, (), outputs, order).users()
    products = _fused(graph, order, uses) if fuse else {}
    signs = _shared_signs(graph, order, uses, products)
    quotients = _shared_quotients(graph, order) if fuse else {}
    fresh = Graph(graph.dtype)
    domain = Nodes(fresh)
    if products or signs or quotients:
        absorbed = {graph.args[node][0] for node in signs if graph.ops[node] is NEG}.union(products.values())
        order = [node for node in order if node not in absorbed]
        domain = _Finished(fresh, graph, products, signs, quotients)
    values = Body(graph, (), outputs, order).fold(domain)
    if trail is not None:
        trail.move(values)
    roots = [values[node] for node in outputs]
    if domain.special and _has_dead(fresh, roots):
        return finish(fresh, roots, trail=trail)
    return fresh, roots


class _Finished(Nodes):
    """Nodes of a fresh graph: sums and differences that have taken a product in, signs at factors that are shared."""

    def __init__(
        self,
        fresh: Graph,
        graph: Graph,
        products: Mapping[int, int],
        signs: Mapping[int, int],
        quotients: Mapping[int, float],
    ) -> None:
        super().__init__(fresh)
        self.source, self.products, self.signs, self.quotients = graph, products, signs, quotients
        self.special = {**products, **signs, **quotients}

    def at(self, node: int, values: dict[int, int]) -> int:
        """The fused multiply-add that a sum becomes, or the product of which a factor has the sign or is divided."""
        source, fresh = self.source, self.graph
        if node in self.quotients:
            numerator, divisor = source.args[node]
            least = self.quotients[node]
            shared = fresh.add(DIV, (fresh.constant(least), values[divisor]))
            return fresh.add(MUL, (shared, fresh.constant(source.payloads[numerator] / least)))
        product, negated = self.products.get(node), self.signs.get(node)
        if product is None:
            product = source.args[node][0]
        factors = [values[a] for a in source.args[product]]
        if negated is not None:
            k = source.args[product].index(negated)
            factors[k] = _negative(fresh, factors[k])
        if source.ops[node] is NEG:
            return fresh.add(source.ops[product], tuple(factors))
        first, second = source.args[node]
        rest = values[second if product == first else first]
        if source.ops[node] is SUB and product == first:
            rest = _negative(fresh, rest)
        elif source.ops[node] is SUB and negated is None:
            k = 1 if fresh.ops[factors[1]] in (CONSTANT, NEG) else 0
            factors[k] = _negative(fresh, factors[k])
        return fresh.add(FMA, (*factors, rest))


def _shared_signs(
    graph: Graph, order: Sequence[int], uses: Mapping[int, int], products: Mapping[int, int]
) -> dict[int, int]:
    """The factor whose negative is taken: for negative products and quotients, and differences that take a product in.

    That of a factor which several of them have is taken once, as (-a)*b and (-a)*c for -(a*b) and -(a*c). No bit
    changes. Those that share none are not in it.
    """
    ops, args, types = graph.ops, graph.args, graph.types
    signed = {node: at for node, at in products.items() if ops[node] is SUB and args[node][1] == at}
    there = set[int]()
    for node in [node for node in order if ops[node] is NEG]:
        below = args[node][0]
        if (ops[below] is MUL or ops[below] is DIV) and uses[below] == 1:
            signed[node] = below
        else:
            there.add(below)
    if not signed or len(signed) + len(there) < 2:
        return {}
    having: dict[int, list[int]] = {}
    for node, below in signed.items():
        factors = args[below]
        if any(ops[a] is CONSTANT or ops[a] is NEG for a in factors):
            continue
        for a in dict.fromkeys(factors):
            if types[a].shape == types[below].shape:
                having.setdefault(a, []).append(node)
    found: dict[int, int] = {}
    heap = [(-len(nodes), factor) for factor, nodes in having.items()]
    heapq.heapify(heap)
    while heap:
        count, factor = heapq.heappop(heap)
        left = [node for node in having[factor] if node not in found]
        if -count > len(left) > 0:
            heapq.heappush(heap, (-len(left), factor))
        elif len(left) + (factor in there) > 1:
            found.update(dict.fromkeys(left, factor))
    return found


def _shared_quotients(graph: Graph, order: Sequence[int]) -> dict[int, float]:
    """Constants over a divisor that a lesser constant is over, too: that one, where they differ by a power of two.

    The product has the quotient's bits, but for what is too small for all of them. That the least one is divided keeps
    what is finite finite.
    """
    ops, args, payloads = graph.ops, graph.args, graph.payloads
    over: dict[tuple[int, float], list[tuple[float, int]]] = {}
    for node in order:
        if ops[node] is DIV and ops[args[node][0]] is CONSTANT:
            numerator, divisor = args[node]
            constant = payloads[numerator]
            if type(constant) is float and math.isfinite(constant) and constant:
                digits = abs(math.frexp(constant)[0])
                over.setdefault((divisor, digits), []).append((constant, node))
    found: dict[int, float] = {}
    for entries in over.values():
        if len(entries) > 1:
            least = min((constant for constant, _ in entries), key=abs)
            found.update({node: least for constant, node in entries if constant != least})
    return found


def _has_dead(graph: Graph, outputs: Sequence[int]) -> bool:
    """Whether there are nodes that nothing uses: a sign, say, that went into a fused operation."""
    return len(set(chain.from_iterable(graph.args)).union(outputs)) < len(graph)


def _fused(graph: Graph, order: Sequence[int], uses: Mapping[int, int]) -> dict[int, int]:
    """Which product each sum and difference takes in: an operand that has no other use.

    Of two, a sum takes the first and a difference the second, whose sign often goes into a constant factor.
    """
    ops, args = graph.ops, graph.args
    found: dict[int, int] = {}
    for node in order:
        op = ops[node]
        if op is ADD or op is SUB:
            for a in args[node] if op is ADD else args[node][::-1]:
                if ops[a] is MUL and uses[a] == 1 and graph.types[a].shape == graph.types[node].shape:
                    found[node] = a
                    break
    return found


def _negative(graph: Graph, node: int) -> int:
    if graph.ops[node] is CONSTANT and graph.types[node].dtype in FLOATS and not graph.types[node].shape:
        return graph.constant(-graph.payloads[node])
    return graph.args[node][0] if graph.ops[node] is NEG else graph.add(NEG, (node,))


__all__ = ["CLASSES", "VERIFY", "Operand", "count_operations", "optimize"]


MOVING = frozenset(op for op in OPS.values() if type(op.routine) is Movement and op not in TRANSPARENT)

EXPRESSIONS = (Expand, Fold)
"""Routines of operations that stand for an expression."""

MOST_UNROLLED = 1000
"""Formulas on arrays that take at most so many operations on elements become scalar code."""

VERIFY = False
"""Whether to check the graph after every pass; the tests do."""

CLASSES = {
    "strict": (EXACT,),
    "contract": (EXACT, STRUCTURAL, STABLE),
    "fast": (EXACT, STRUCTURAL, STABLE, REAL),
}
"""The classes of rules that hold in each mode of `fp`."""

Operand = tuple[TensorType, tuple[int, ...]]
"""One argument of a call: its type, and its input nodes: one tensor, or the members of a pack."""

Trace = Callable[[str, Graph, Sequence[int]], None]


def optimize(
    graph: Graph,
    operands: Sequence[Operand],
    outputs: Sequence[int],
    *,
    fp: str = "contract",
    trace: Trace | None = None,
    stable: bool = False,
    trail: Trail | None = None,
) -> Program | TensorProgram:
    """The program that computes `outputs`: scalar code for scalars and small arrays, otherwise loops on arrays.

    Parameters
    ----------
    fp : "strict" (the interpreter's bits), "contract" (stable forms, fused multiply-add) or "fast" (also what holds
        over the reals only).
    stable : whether the outputs are derivatives of stable forms, so that none has to be looked for.
    trace : called as trace(pass name, graph, roots) after each pass.
    trail : told where nodes that the outputs depend on go, as far as a scalar program.

    Raises
    ------
    ArgumentError
        Where `fp` is none of these, or an output depends on an input that is no operand.
    """
    if fp not in CLASSES:
        raise ArgumentError(f"fp is {fp!r}", hint='write fp="strict", fp="contract" or fp="fast"')
    with collector_paused():
        return _optimize(graph, operands, list(outputs), fp, trace, stable, trail)


def _optimize(
    graph: Graph,
    operands: Sequence[Operand],
    outputs: list[int],
    fp: str,
    trace: Trace | None,
    stable: bool,
    trail: Trail | None,
) -> Program | TensorProgram:
    types = tuple(graph.types[node] for node in outputs)
    if CALL in graph.ops:
        opened = inlined(graph, outputs)
        outputs = [opened.get(node, node) for node in outputs]
        if trail is not None:
            trail.shift(opened)
    if fp != "strict" and not stable:
        moved = forms(graph, outputs)
        outputs = [moved.get(node, node) for node in outputs]
        if trail is not None:
            trail.shift(moved)
    rewriter = Rewriter(graph.dtype, rule_set(CLASSES[fp]))
    elements = [_entries(graph, node) for node in outputs]
    flat = [node for output in elements for node in output]
    live = live_computed(graph, flat)
    reads = None if any(graph.types[node].shape for node in flat) else _element_reads(graph, operands, live)
    if reads is not None:
        scalars = [node for node in live if not graph.types[node].shape] if reads else live
        known = _scalar_inputs(rewriter, graph, operands, scalars)
        known.update({node: rewriter.input(read, graph.types[node]) for node, read in reads.items()})
        roots = rewriter.run(graph, flat, known, scalars)
        lengths = [len(output) for output in elements]
        if trail is not None:
            trail.take_apart(rewriter.values, lambda node: _entries(graph, node))
    elif _is_open(operands) or not _is_small(graph, operands, graph.live(outputs), fp):
        return _tensors(graph, operands, outputs, fp, trace)
    else:
        scalarizer = Scalarizer(rewriter, structural=fp != "strict")
        taken_apart = scalarizer.run(graph, outputs, _input_elements(scalarizer, graph, operands, outputs))
        roots = [node for output in taken_apart for node in output]
        lengths = [len(output) for output in taken_apart]
        if trail is not None:
            trail.take_apart(scalarizer.values, lambda node: ())
    scalar = rewriter.graph
    _passed("simplify", scalar, roots, trace)
    if not rewriter.complete:
        scalar, roots = simplified(scalar, roots, rule_set(CLASSES[fp]), trail=trail)
        _passed("simplify", scalar, roots, trace)
    if _has_expressions(scalar.ops):
        # Not the stable forms: they would undo what an expansion does with care.
        scalar, roots = simplified(scalar, roots, rule_set((EXACT,)), expand=True, trail=trail)
        _passed("expand", scalar, roots, trace)
    scalar, roots = finish(scalar, roots, fuse=fp != "strict", trail=trail)
    _passed("finish", scalar, roots, trace)
    parts, start = [], 0
    for length in lengths:
        parts.append(tuple(roots[start : start + length]))
        start += length
    counts = Counts(Body(graph, (), flat), Body(scalar, (), roots))
    program = Program(scalar, tuple(type_ for type_, _ in operands), tuple(parts), types, counts)
    if VERIFY:
        program.verify()
    return program


def _has_expressions(ops: Iterable[Op]) -> bool:
    """Whether some of these operations stand for an expression."""
    return any(isinstance(op.routine, EXPRESSIONS) for op in set(ops))


def _is_open(operands: Sequence[Operand]) -> bool:
    """Whether the code is to be made for arrays of many sizes."""
    return any(is_open(n) for type_, _ in operands for n in type_.shape)


def _is_small(graph: Graph, operands: Sequence[Operand], live: Sequence[int], fp: str) -> bool:
    """Whether arrays are to be taken apart: few operations on elements, no large array, nothing that only loops do."""
    types = graph.types
    if not unrolls(graph, live, fp == "strict") or any(product(type_.shape) > LARGEST for type_, _ in operands):
        return False
    operations = 0
    for node in live:
        op, type_ = graph.ops[node], types[node]
        shapes = [types[a].shape for a in graph.args[node]]
        if not type_.shape and not any(shapes):
            continue
        size = product(type_.shape)
        if op.flops is not None:
            operations += sum(op.flops([types[a] for a in graph.args[node]], type_, graph.payloads[node]).values())
        elif not isinstance(op.routine, Movement):
            operations += size
        if size > LARGEST or operations > MOST_UNROLLED:
            return False
    return True


def _tensors(
    graph: Graph, operands: Sequence[Operand], outputs: list[int], fp: str, trace: Trace | None
) -> TensorProgram:
    types = tuple(graph.types[node] for node in outputs)
    live = live_computed(graph, outputs)
    strict = fp == "strict"
    rewriter = TensorRewriter(graph.dtype, rule_set(CLASSES[fp]), strict=strict)
    known = _inputs(rewriter, graph, operands, live)
    roots = rewriter.run(graph, outputs, known, live)
    made, trail = rewriter.graph, None
    if core.CHECKPOINT_ADJOINT in graph.ops:  # reverse mode has passed some
        trail = CheckpointTrail(graph, live)
        trail.move(rewriter.values)
        trail.graph = made
    _passed("simplify", made, roots, trace)
    if not rewriter.complete:
        made, roots = simplify_tensors(made, roots, rule_set(CLASSES[fp]), strict=strict, trail=trail)
        _passed("simplify", made, roots, trace)
    if _has_expressions(made.ops[node] for node in made.live(roots)):
        made, roots = simplify_tensors(made, roots, rule_set((EXACT,)), expand=True, strict=strict, trail=trail)
        _passed("expand", made, roots, trace)
    if trail is not None:
        trail.graph = made
    made, roots = order_contractions(made, roots, fp, trail)
    _passed("contract", made, roots, trace)
    if trail is not None:
        trail.graph = made
    made, roots = finish(made, roots, fuse=not strict, trail=trail)
    _passed("finish", made, roots, trace)
    inputs = tuple(type_ for type_, _ in operands)
    counts = Counts(Body(graph, (), outputs), Body(made, (), roots))
    checkpoints = None if trail is None else trail.checkpoints
    plan = make_plan(made, inputs, roots, checkpoints=checkpoints)
    program = TensorProgram(made, inputs, tuple(roots), types, counts, plan, checkpoints)
    if VERIFY:
        program.verify()
    return program


def _inputs(rewriter: Rewriter, graph: Graph, operands: Sequence[Operand], live: Sequence[int]) -> dict[int, int]:
    """The inputs as whole arrays; the members of a pack lie one after the other."""
    known: dict[int, int] = {}
    for k, (_, nodes) in enumerate(operands):
        start = 0
        for node in nodes:
            known[node] = rewriter.input((k, start), graph.types[node])
            start += product(graph.types[node].shape)
    for node in live:
        if graph.ops[node] is INPUT and node not in known:
            raise _missing(graph, node)
    return known


def _passed(name: str, graph: Graph, roots: Sequence[int], trace: Trace | None) -> None:
    time_left()
    if VERIFY:
        verify(graph, roots)
    if trace is not None:
        trace(name, graph, roots)


def _entries(graph: Graph, node: int) -> list[int]:
    """The entries of a list, and of the lists in it, in C order; the node itself where it is no list."""
    found: list[int] = []
    stack = [node]
    while stack:
        at = stack.pop()
        while graph.ops[at] in TRANSPARENT or graph.ops[at] is RESHAPE:  # which keeps the elements and their order
            at = graph.args[at][0]
        if graph.ops[at] is STACK:
            stack += graph.args[at][::-1]
        else:
            found.append(at)
    return found


def _missing(graph: Graph, node: int) -> ArgumentError:
    return ArgumentError(f"the output depends on {graph.payloads[node]}, which is not among the inputs")


def _element_reads(graph: Graph, operands: Sequence[Operand], live: Sequence[int]) -> dict[int, tuple[int, int]] | None:
    """The nodes that read an element of an input, and which; None where there is more to arrays than that."""
    types, ops, args = graph.types, graph.ops, graph.args
    reads: dict[int, tuple[int, int]] = {}
    if not (graph.has_arrays and any(types[n].shape for n in live)):
        return reads if MOVING.isdisjoint(map(ops.__getitem__, live)) else None
    arrays, starts = set[int](), dict[int, tuple[int, int]]()
    for node in live:
        op = ops[node]
        if types[node].shape:
            if op is not INPUT:
                return None
            arrays.add(node)
        elif op is INDEX and args[node][0] in arrays:
            reads[node] = (-1, 0)
        elif op in MOVING or not arrays.isdisjoint(args[node]):
            return None
    if reads:
        for k, (_, nodes) in enumerate(operands):
            start = 0
            for node in nodes:
                starts[node] = (k, start)
                start += product(types[node].shape)
    for node in reads:
        source = args[node][0]
        if source not in starts:
            raise _missing(graph, source)
        operand, start = starts[source]
        reads[node] = operand, start + int(np.ravel_multi_index(graph.payloads[node], graph.shape(source)))
    return reads


def _scalar_inputs(
    rewriter: Rewriter, graph: Graph, operands: Sequence[Operand], live: Sequence[int]
) -> dict[int, int]:
    known: dict[int, int] = {}
    for k, (_, nodes) in enumerate(operands):
        for element, node in enumerate(nodes):
            if not graph.types[node].shape:
                known[node] = rewriter.input((k, element), graph.types[node])
    for node in live:
        if graph.ops[node] is INPUT and node not in known:
            raise _missing(graph, node)
    return known


def _input_elements(
    scalarizer: Scalarizer, graph: Graph, operands: Sequence[Operand], outputs: Sequence[int]
) -> dict[int, Any]:
    live = set(graph.live(outputs))
    values: dict[int, Any] = {}
    for k, (_, nodes) in enumerate(operands):
        for place, node in enumerate(nodes):
            type_ = graph.types[node]
            if node in live:
                values[node] = scalarizer.input(k, place, type_)
    for node in sorted(live):
        if graph.ops[node] is INPUT and node not in values:
            raise _missing(graph, node)
    return values
