"""The transforms: from a function to its derivatives, again as functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from math import inf
from types import ModuleType
from typing import Any

import numpy as np

from symdiff.differentiate.chain import assemble, elements, scalars_of
from symdiff.differentiate.jacobians import (
    Blocks,
    are_both_tried,
    hessian_blocks,
    is_elementary,
    jacobian_blocks,
    may_be_sparse,
)
from symdiff.differentiate.operators import gradient, next_derivatives, second_derivatives
from symdiff.differentiate.scalar_jacobians import BY_ENTRIES, CROSS_COUNTRY, FORWARD, MODES, REVERSE, ScalarJacobian
from symdiff.differentiate.sparse.bands import band_hessian
from symdiff.errors import ArgumentError, DifferentiationError
from symdiff.functions.choosing import Way, cheapest
from symdiff.functions.function import Function
from symdiff.functions.record import read_source, recorded, titles
from symdiff.functions.wrt import Independent, Scope, Wrt
from symdiff.ir.graph import Graph, collector_paused
from symdiff.ir.inlining import inlined
from symdiff.ops import core, movement
from symdiff.trees import Structure, composed, is_plain, shifted_structure
from symdiff.types import fixed, show

MOST_SPARSE = 0.5
"""Where more of all entries are, ways by entries do not compete."""


def prepare(fun: Any, wrt: Any) -> tuple[Function, Wrt]:
    """The function and what to differentiate it by; a list or tuple of all free names orders them."""
    f = in_full(fun if isinstance(fun, Function) else read_source(fun, wrt))
    return f, Scope(f.graph, f._name_table(), f.arguments, f._ordered).resolve(wrt)


def in_full(f: Function) -> Function:
    """The function with the bodies of calls in their place; itself where there are none."""
    if core.CALL not in f.graph.ops:
        return f
    return f._moved(inlined(f.graph, [*f.nodes, *f._name_table().values()]))


def stable(f: Function, wrt: Wrt) -> tuple[Function, Wrt]:
    """The function and what to differentiate it by, in the stable and smooth form that derivatives are taken of."""
    mapping = stable_forms(f.graph, f.nodes, wrt.nodes)
    return (f._moved(mapping), wrt.moved(mapping)) if mapping else (f, wrt)


def stable_forms(graph: Graph, nodes: Sequence[int], targets: Sequence[int]) -> dict[int, int]:
    """Which nodes have a stable or smooth form that takes their place, not looking below `targets`."""
    from symdiff.optimize.forms import forms

    return forms(graph, nodes, targets)


def one_scalar(f: Function, what: str) -> int:
    """The node of the one output, which must be a scalar."""
    if not is_plain(f._structure):
        raise DifferentiationError(f"{what} of {f.__name__}, whose value is a tree", hint="use jacobian")
    if len(f.nodes) != 1 or f._structure != 0:
        raise DifferentiationError(f"{what} of {f.__name__}, which has {len(f.nodes)} outputs", hint="use jacobian")
    shape = f.types[0].shape
    if shape:
        raise DifferentiationError(
            f"{what} of {f.__name__}, whose value has shape {show(shape)}",
            hint="a gradient belongs to a scalar: use jacobian",
        )
    return f.nodes[0]


def _gradient(f: Function, wrt: Wrt) -> list[int]:
    output = one_scalar(f, "the gradient")
    return arranged(f, wrt, [output], gradient(f.graph, output, wrt.nodes))


def arranged(f: Function, wrt: Wrt, outputs: Sequence[int], found: Sequence[int]) -> list[int]:
    """What was found for each independent node, shaped as it, in the shapes of the targets."""
    nodes, graph = wrt.nodes, f.graph
    by_node = dict(zip(nodes, found, strict=True))
    if any(graph.types[n].shape for n in nodes) and not is_elementary(graph, outputs, nodes):
        return [t.join(graph, [by_node[n] for n in t.nodes], 0) for t in wrt.targets]
    results = []
    for target in wrt.targets:
        if target.picks == (None,) and target.shape == _shape(f, target.nodes[0]):
            results.append(by_node[target.nodes[0]])
        else:
            blocks = [elements(graph, by_node[n]) for n in target.nodes]
            results.append(assemble(graph, target.arrange(blocks, 0)))
    return results


@recorded("grad_{f}")
def grad(fun: Any, wrt: Any = None) -> Function:
    """The gradient of a scalar-valued function.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.
    wrt : a name (shaped as that input; a part such as ``"x[1:]"`` as that part), a list of names (one axis of all their
        scalars), a tuple (a tuple of gradients), a named line, the position of an argument (JAX's ``argnums`` is
        another word for it). Default: the only input, else the list of all inputs where all are scalars, else the
        tuple of all.

    Raises
    ------
    DifferentiationError
        For a function that is not scalar-valued: use `jacobian`.
    ArgumentError
        Where several names are free, nothing orders them, and wrt does not say.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.grad("x**2*y", ["x", "y"])(3.0, 2.0)
    array([12.,  9.])
    """
    f, targets = stable(*prepare(fun, wrt))
    with collector_paused():
        nodes = _gradient(f, targets)
    name = f"grad_{f.__name__}"
    pairs = list(zip(titles(name, len(nodes)), nodes, strict=True))
    return f._with_outputs(name, pairs, targets.structure, stable=True)


def _value_and_grad_results(
    outputs: Sequence[str], name: str, count: int | None, keywords: Mapping[str, Any]
) -> list[str] | None:
    return None if count is None else [outputs[0], *titles(f"grad_{name}", count)]


@recorded("value_and_grad_{f}", results=_value_and_grad_results)
def value_and_grad(fun: Any, wrt: Any = None) -> Function:
    """The pair (value, gradient) from one kernel; arguments and errors as for `grad`.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.value_and_grad("x**2")(3.0)
    (9.0, 6.0)
    """
    written, targets = prepare(fun, wrt)
    f, targets = stable(written, targets)
    with collector_paused():
        nodes = _gradient(f, targets)
    name = f"grad_{f.__name__}"
    pairs = [written._output_pairs()[0], *zip(titles(name, len(nodes)), nodes, strict=True)]
    structure = (0, shifted_structure(targets.structure, 1))
    return f._with_outputs(f"value_and_{name}", pairs, structure, stable=f is written)


def _jacobian_results(
    outputs: Sequence[str], name: str, count: int | None, keywords: Mapping[str, Any]
) -> list[str] | None:
    return None if count is None else [n for title in outputs for n in titles(f"jacobian_{title}", count)]


@recorded("jacobian_{f}", results=_jacobian_results)
def jacobian(fun: Any, wrt: Any = None, mode: str = "auto") -> Function:
    """The dense Jacobian: for an output of shape S and an input of shape T an array of shape S + T.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes; several outputs give a tuple, outputs outermost.
    wrt : as for `grad`.
    mode : "forward", "reverse", "direct", "compressed", "cross-country" or "auto": the one that takes the fewest
        operations; `explain()` tells. Direct and compressed compute only those entries that there can be, as
        `sparse_jacobian` does: each by itself, or by one sweep for all columns, or rows, that share a colour.
        Cross-country eliminates the vertices of the linearized graph, one after the other in an order that is cheap; it
        is for formulas in scalars, and the same as "auto" for whole arrays, whose products are taken in the cheapest
        order in every mode.

    Raises
    ------
    ArgumentError
        For an unknown mode.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.jacobian("[x*y, x + y]", ["x", "y"])(3.0, 2.0)
    array([[2., 3.],
           [1., 1.]])
    """
    if mode not in ("auto", *MODES):
        raise ArgumentError(f"mode is {mode!r}", hint=f'"auto", {", ".join(map(repr, MODES))}'.replace("'", '"'))
    written, targets = prepare(fun, wrt)
    alike = mode == "auto" and _is_symmetric(written, targets)
    f, targets = stable(written, targets)
    graph, nodes = f.graph, targets.nodes
    column = {n: j for j, n in enumerate(nodes)}
    with collector_paused():
        if not is_elementary(graph, f.nodes, nodes):
            if mode in ("auto", CROSS_COUNTRY):
                return _cheapest_of_arrays(f, targets)
            if mode in BY_ENTRIES:
                return _jacobian_by(f, targets, _sparse().blocks_by_entries(graph, f.nodes, nodes, mode))
            return _jacobian_by(f, targets, jacobian_blocks(graph, f.nodes, nodes, mode))
        ways = ScalarJacobian(graph, f.nodes, nodes, mode)

        def made(way: str) -> Function:
            if way in BY_ENTRIES:
                elementary = _sparse().scalars_by_entries(graph, f.nodes, nodes, way)
            else:
                elementary = ways.blocks(way)

            def found(i: int, target: Independent, lead: int) -> int:
                return assemble(graph, target.arrange([elementary[i][column[n]] for n in target.nodes], lead))

            return _jacobian_of(f, targets, found)

        names = [mode] if mode != "auto" else ways.best()
        candidates = []
        if alike:
            candidates.append(Way.of("each symmetric entry once", _next_symmetric(f, targets)))
            names = [name for name in names if ways.estimates[name] < candidates[0].operations]
        choice = cheapest(candidates + [Way.of(f"{name} mode", made(name)) for name in names])
        return choice.noted("jacobian", {f"{name} mode": count for name, count in ways.estimates.items()})


def _cheapest_of_arrays(f: Function, targets: Wrt) -> Function:
    """The Jacobian of whole arrays in the mode with the fewest operations.

    Where sweeps take many more than the function has, ways by entries are looked at, too, and the best two counted.
    """
    graph, nodes = f.graph, targets.nodes
    closely = are_both_tried(graph, f.nodes, nodes)
    found = [jacobian_blocks(graph, f.nodes, nodes, mode) for mode in ((FORWARD, REVERSE) if closely else ("auto",))]
    ways = [Way.of(f"{blocks.mode} mode", _jacobian_by(f, targets, blocks)) for blocks in found]
    if not may_be_sparse(graph, f.nodes, nodes, min(way.operations for way in ways)):
        return cheapest(ways, clear=inf).noted("jacobian") if closely else ways[0].function
    for blocks in _sparse().sparse_blocks(graph, f.nodes, nodes, MOST_SPARSE):
        ways.append(Way.of(f"{blocks.mode} mode", _jacobian_by(f, targets, blocks)))
    best = {way.name for way in sorted(ways, key=lambda way: way.operations)[: 2 if closely else 1]}
    counted = cheapest([way for way in ways if way.name in best], clear=inf)
    return counted.noted("jacobian", {way.name: way.operations for way in ways})


def _by_one_axis(graph: Graph, targets: Wrt) -> bool:
    """Whether derivatives are by all elements of inputs, in one axis."""
    if targets.structure != 0 or len(targets.targets) != 1 or len(targets.targets[0].shape) != 1:
        return False
    nodes, picks = targets.targets[0].nodes, targets.targets[0].picks
    whole = all(pick is None for pick in picks) and len(set(nodes)) == len(nodes)
    return whole and all(graph.ops[n] is core.INPUT for n in nodes)


def _is_symmetric(f: Function, targets: Wrt) -> bool:
    """Whether the value of a function is an array of second or higher derivatives by the targets."""
    known = f.graph.symmetric.get(f.nodes[0]) if len(f.nodes) == 1 and f._structure == 0 else None
    return known is not None and _by_one_axis(f.graph, targets) and known == tuple(targets.nodes)


def _next_symmetric(f: Function, targets: Wrt) -> Function:
    """The Jacobian of an array of derivatives by the same targets."""
    graph = f.graph
    shape = _shape(f, f.nodes[0])
    tensor = np.array(scalars_of(graph, f.nodes[0], targets.nodes), object).reshape(shape)
    node = assemble(graph, next_derivatives(graph, tensor, targets.nodes))
    graph.symmetric[node] = tuple(targets.nodes)
    return _jacobian_of(f, targets, lambda i, target, lead: node)


def _jacobian_by(f: Function, wrt: Wrt, blocks: Blocks) -> Function:
    column = {n: j for j, n in enumerate(wrt.nodes)}

    def found(i: int, target: Independent, lead: int) -> int:
        return target.join(f.graph, [blocks.nodes[i][column[n]] for n in target.nodes], lead)

    return _jacobian_of(f, wrt, found, [blocks.note] if blocks.note else [])


def _jacobian_of(
    f: Function, wrt: Wrt, found: Callable[[int, Independent, int], int], notes: Sequence[str] = ()
) -> Function:
    """The Jacobian of which `found` gives the block for an output and a target; axes of the output lead."""
    pairs: list[tuple[str, int]] = []
    parts: list[Structure] = []
    for i, (title, output) in enumerate(f._output_pairs()):
        made = [found(i, t, len(f.graph.types[output].shape)) for t in wrt.targets]
        parts.append(shifted_structure(wrt.structure, len(pairs)))
        pairs += zip(titles(f"jacobian_{title}", len(made)), made, strict=True)
    result = f._with_outputs(f"jacobian_{f.__name__}", pairs, composed(f._structure, parts), notes, stable=True)
    result._sparsity = functools.partial(_sparsity, "jacobian", f, wrt)
    return result


def _sparsity(kind: str, f: Function, wrt: Wrt) -> Any:
    """Where a Jacobian or Hessian can have entries."""
    sparsity = _sparse()
    return (sparsity.jacobian_sparsity if kind == "jacobian" else sparsity.hessian_sparsity)(f, wrt)


def _sparse() -> ModuleType:
    """What there is of sparse derivatives, which is loaded where it is used."""
    from symdiff.functions import sparsity

    return sparsity


def _hessian_results(
    outputs: Sequence[str], name: str, count: int | None, keywords: Mapping[str, Any]
) -> list[str] | None:
    return None if count is None else titles(f"hessian_{name}", count * count)


@recorded("hessian_{f}", results=_hessian_results)
def hessian(fun: Any, wrt: Any = None) -> Function:
    """The matrix of second derivatives of a scalar-valued function, symmetric bit for bit.

    For a tuple `wrt` a tuple of tuples, ``[i][j]`` of shape S_i + S_j; otherwise arguments and errors as for `grad`.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.hessian("x**2*y", ["x", "y"])(3.0, 2.0)
    array([[4., 6.],
           [6., 0.]])
    """
    f, targets = stable(*prepare(fun, wrt))
    output = one_scalar(f, "the Hessian")
    graph, nodes = f.graph, targets.nodes
    symmetric = all(graph.ops[n] is core.INPUT for n in nodes)
    with collector_paused():
        block = _second(f, output, targets, symmetric)
        pairs: list[tuple[str, int]] = []
        rows: list[Structure] = []
        for a in targets.targets:
            rows.append(shifted_structure(targets.structure, len(pairs)))
            pairs += [(f"hessian_{f.__name__}", block(a, b)) for b in targets.targets]
        if symmetric and _by_one_axis(graph, targets) and is_elementary(graph, [output], nodes):
            graph.symmetric[pairs[0][1]] = tuple(nodes)
    if len(pairs) > 1:
        pairs = [(f"{title}_{k}", node) for k, (title, node) in enumerate(pairs)]
    made = f._with_outputs(f"hessian_{f.__name__}", pairs, composed(targets.structure, rows), stable=True)
    made._sparsity = functools.partial(_sparsity, "hessian", f, targets)
    return made


def _second(f: Function, output: int, wrt: Wrt, symmetric: bool) -> Callable[[Independent, Independent], int]:
    """The block of second derivatives for two targets."""
    graph, nodes = f.graph, wrt.nodes
    index = {n: j for j, n in enumerate(nodes)}
    slopes = gradient(graph, output, nodes)
    moved = stable_forms(graph, slopes, nodes)
    slopes, again = [moved.get(n, n) for n in slopes], [moved.get(n, n) for n in nodes]
    if is_elementary(graph, [output], nodes):
        blocks = second_derivatives(graph, slopes, again, symmetric)

        def elementary(a: Independent, b: Independent) -> int:
            columns = []
            for n in b.nodes:
                rank = len(_shape(f, n))
                rows = [_transposed(blocks[index[m]][index[n]], len(_shape(f, m))) for m in a.nodes]
                columns.append(_transposed(a.arrange(rows, rank), rank))
            return assemble(graph, b.arrange(columns, len(a.shape)))

        return elementary
    whole = band_hessian(graph, slopes[0], again[0]) if symmetric and len(nodes) == 1 else None
    found = hessian_blocks(graph, slopes, again, symmetric) if whole is None else [[whole]]

    def joined(a: Independent, b: Independent) -> int:
        columns = []
        for n in b.nodes:
            rank = len(_shape(f, n))
            rows = [_rolled(graph, found[index[m]][index[n]], len(_shape(f, m))) for m in a.nodes]
            columns.append(_rolled(graph, a.join(graph, rows, rank), rank))
        return b.join(graph, columns, len(a.shape))

    return joined


def _shape(f: Function, node: int) -> tuple[int, ...]:
    return fixed(f.graph.types[node].shape)


def _transposed(block: np.ndarray[Any, Any], lead: int) -> np.ndarray[Any, Any]:
    """The block with its first `lead` axes moved to the end."""
    if lead in (0, block.ndim):
        return block
    return np.moveaxis(block, tuple(range(lead)), tuple(range(block.ndim - lead, block.ndim)))


def _rolled(graph: Graph, node: int, lead: int) -> int:
    """The node with its first `lead` axes moved to the end."""
    rank = len(graph.shape(node))
    return movement.transpose(graph, node, (*range(lead, rank), *range(lead)))
