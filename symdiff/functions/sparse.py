"""The transforms to sparse matrices: `sparse_jacobian` and `sparse_hessian`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from symdiff.budget import timed, under
from symdiff.content import printable, refuse
from symdiff.differentiate.sparse.derivatives import (
    Derivative,
    pushed_hessian_of,
    slopes_of,
    sparse_hessian_of,
    sparse_jacobian_of,
)
from symdiff.errors import ArgumentError, DifferentiationError, StorageError
from symdiff.functions.choosing import Way, cheapest
from symdiff.functions.derivation import Derivation
from symdiff.functions.function import Function
from symdiff.functions.record import read_source, without_symbols
from symdiff.functions.sparse_function import FORMATS, MatrixLayout, OpenSparseFunction, SparseFunction
from symdiff.functions.sparsity import check_target, columns_of
from symdiff.functions.transforms import one_scalar, prepare, stable, stable_forms
from symdiff.functions.wrt import Wrt
from symdiff.ir.graph import Graph, collector_paused
from symdiff.optimize.rolling import rolled
from symdiff.trees import is_plain

FEWEST_NODES = 2000
"""Formulas of fewer nodes stay scalars even where they repeat: straight-line code is compiled sooner."""

ARRAY_NODES = 3
"""The derivative may have so many times fewer nodes of arrays than the formula has scalars: each takes the compiler as
long as ten of those, and the derivative in scalars would have thrice as many as the formula."""

MOST_PUSHED = 1000
"""Of formulas of more nodes one direct way to the Hessian is made: both could not be optimized to be compared."""

METHODS = ("auto", "direct", "compressed")
PUSHING = "edge-pushing"
TRIANGLES = ("full", "lower", "upper")


def sparse_jacobian(fun: Any, wrt: Any = None, *, format: str = "csr", method: str = "auto") -> SparseFunction:
    """The Jacobian as a sparse matrix: which entries there are is known before any number is.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes, with one output; its elements in C order are the rows.
    wrt : a name, or a list of names, whose scalars in C order are the columns; as for `grad`, but no tuple.
    format : "csr", "csc" or "coo".
    method : "direct": only the entries that there are; "compressed": columns, or rows, that have no entry side by side
        share a colour, and one sweep over a further axis serves all colours; "auto": the one with fewer operations.
        `explain()` tells how they are found.

    Returns
    -------
    SparseFunction
        Called as the function is, it gives a `scipy.sparse` array; `values` gives the entries alone, in places `rows`,
        `columns`; `sparsity` is where they are.

    Raises
    ------
    ArgumentError
        For a tuple `wrt`, and for unknown options.
    DifferentiationError
        For a function with several outputs.

    Examples
    --------
    >>> import symdiff as sd
    >>> J = sd.sparse_jacobian("f(x[4]) = x[1:]**2 - x[:-1]")
    >>> J
    <SparseFunction sparse_jacobian_f(x[4]) -> 3×4 csr, 6 entries>
    >>> J([1.0, 2.0, 3.0, 4.0]).toarray()
    array([[-1.,  4.,  0.,  0.],
           [ 0., -1.,  6.,  0.],
           [ 0.,  0., -1.,  8.]])
    >>> J.rows.tolist(), J.columns.tolist()
    ([0, 0, 1, 1, 2, 2], [0, 1, 1, 2, 2, 3])
    >>> J.values([1.0, 2.0, 3.0, 4.0])
    array([-1.,  4., -1.,  6., -1.,  8.])
    """
    return _made(fun, wrt, "sparse_jacobian", {"format": format, "method": method})


def sparse_hessian(
    fun: Any, wrt: Any = None, *, triangle: str = "full", format: str = "csr", method: str = "auto"
) -> SparseFunction:
    """The matrix of second derivatives of a scalar-valued function as a sparse matrix.

    One triangle is computed, so the full matrix is symmetric bit for bit. The Hessian of a Lagrangian is that of
    ``s*f(x) + sum(lam*c(x))`` by ``"x"``.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes, whose value is one number.
    wrt : as for `sparse_jacobian`.
    triangle : "full", "lower" or "upper"; a triangle has the diagonal.
    format, method : as for `sparse_jacobian`. Of formulas in scalars "direct" is a sweep of tangents over the gradient
        or "edge-pushing", one reverse sweep that carries second derivatives, whichever leaves fewer operations.

    Raises
    ------
    ArgumentError, DifferentiationError
        As `sparse_jacobian`; for a function that is not scalar-valued; for "edge-pushing" of arrays, or by what is no
        input.

    Examples
    --------
    >>> import symdiff as sd
    >>> H = sd.sparse_hessian("f(x[3]) = x[0]**2*x[1] + x[2]", triangle="lower")
    >>> H([1.0, 2.0, 3.0]).toarray()
    array([[4., 0., 0.],
           [2., 0., 0.],
           [0., 0., 0.]])
    >>> H.nnz
    2
    """
    return _made(fun, wrt, "sparse_hessian", {"triangle": triangle, "format": format, "method": method})


OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "sparse_jacobian": {"format": FORMATS, "method": METHODS},
    "sparse_hessian": {"triangle": TRIANGLES, "format": FORMATS, "method": (*METHODS, PUSHING)},
}
"""What the options of each transform may be."""


def check_options(transform: Any, options: Mapping[str, Any]) -> None:
    """Refuse what is no transform to sparse matrices, and unknown options.

    Raises
    ------
    ArgumentError
        For these.
    """
    known = OPTIONS.get(transform) if isinstance(transform, str) else None
    if known is None or options.keys() != known.keys():
        raise ArgumentError(f"no sparse transform {transform!r} with {', '.join(map(repr, options))}")
    for name, allowed in known.items():
        if options[name] not in allowed:
            listed = " or ".join(f'"{choice}"' for choice in allowed)
            raise ArgumentError(f"{name} is {options[name]!r}", hint=listed)


def _made(fun: Any, wrt: Any, transform: str, options: Mapping[str, str]) -> SparseFunction:
    check_options(transform, options)
    f = fun if isinstance(fun, Function) else read_source(fun, wrt)
    title = f"{transform}_{f.__name__}"
    if isinstance(wrt, tuple):
        raise ArgumentError("a sparse matrix by a tuple", hint="a list makes one axis of all: " + repr(list(wrt)))
    if f._cases is not None:
        return OpenSparseFunction(title, f, transform, without_symbols(wrt), options, transformed)
    return transformed(transform, f, wrt, title, options)


def transformed(transform: str, f: Function, wrt: Any, title: str, options: Mapping[str, str]) -> SparseFunction:
    """The sparse function of a transform of a function whose shapes are known."""
    make = _jacobian if transform == "sparse_jacobian" else _hessian
    with under(f.graph.limits), timed():
        made = make(f, wrt, title, **options)
    made.values._derivation = Derivation.of(f, transform, (wrt,), {})
    return made


def read_open(content: Mapping[str, Any], function: Any) -> SparseFunction:
    """The function of open shapes that `OpenSparseFunction.to_bytes` wrote, given the one that is differentiated.

    Raises
    ------
    StorageError
        For anything else.
    """
    wrt, options = content.get("wrt"), content.get("options")
    listed = wrt if type(wrt) is list else [] if wrt is None else [wrt]
    if type(options) is not dict or any(type(name) is not str for name in listed):
        raise refuse("its options are missing")
    if not isinstance(function, Function) or function._cases is None:
        raise refuse("its shapes are known")
    try:
        check_options(content.get("transform"), options)
    except ArgumentError as error:
        raise StorageError(error.message, hint="a newer symdiff may know it") from None
    title = printable(content.get("name"), "a function")
    return OpenSparseFunction(title, function, str(content["transform"]), wrt, options, transformed)


def _jacobian(fun: Function, wrt: Any, title: str, format: str, method: str) -> SparseFunction:
    f, targets = prepare(fun, wrt)
    check_target(targets)
    if len(f.nodes) != 1 or not is_plain(f._structure) or f._structure != 0:
        raise DifferentiationError(
            f"the sparse Jacobian of {f.__name__}, which has {len(f.nodes)} outputs",
            hint="put them in one vector: [a, b], or concatenate((a, b))",
        )

    def derived(f: Function, targets: Wrt) -> list[Derivative]:
        found = sparse_jacobian_of(f.graph, f.nodes[0], targets.nodes, method)
        chosen = columns_of(f, targets)
        return [found if chosen is None else found.chosen(f.graph, *found.pattern.taken(chosen))]

    return _finished(*_simplest(f, targets, derived), title, format)


def _hessian(fun: Function, wrt: Any, title: str, triangle: str, format: str, method: str) -> SparseFunction:
    f, targets = prepare(fun, wrt)
    check_target(targets)
    one_scalar(f, "the Hessian")

    def derived(f: Function, targets: Wrt) -> list[Derivative]:
        graph, nodes = f.graph, targets.nodes
        slopes = slopes_of(graph, f.nodes[0], nodes)
        moved = stable_forms(graph, slopes.nodes, nodes)
        chosen = columns_of(f, targets)
        own = triangle if chosen is None else "full"
        over = "direct" if method == PUSHING else method
        ways = [sparse_hessian_of(graph, slopes.moved(moved), [moved.get(n, n) for n in nodes], own, over)]
        if method == PUSHING or (method != "compressed" and len(graph.live(f.nodes)) <= MOST_PUSHED):
            pushed = pushed_hessian_of(graph, f.nodes[0], nodes, ways[0].pattern)
            ways += [pushed] if pushed is not None else []
        if method == PUSHING:
            ways = ways[1:]
            if not ways:
                raise ArgumentError(
                    f"edge pushing for {f.__name__}", hint="it is for formulas in scalars, by inputs; leave method out"
                )
        return [arranged(graph, found, chosen, own) for found in ways]

    def arranged(graph: Graph, found: Derivative, chosen: Any, own: str) -> Derivative:
        if chosen is not None:
            for _ in range(2):
                found = found.chosen(graph, *found.pattern.taken(chosen))
                found = found.chosen(graph, *found.pattern.transposed())
        return found if triangle == own else found.chosen(graph, *found.pattern.triangle(triangle))

    return _finished(*_simplest(f, targets, derived), title, format)


def _simplest(
    f: Function, targets: Wrt, derived: Callable[[Function, Wrt], list[Derivative]]
) -> tuple[Function, list[Derivative]]:
    """The function in stable form, and its derivative in one or more ways; loops that were written out are whole arrays
    if that is less.
    """
    graph = f.graph
    with collector_paused():
        size = len(graph.live(f.nodes))
        arrays = rolled(graph, f.nodes, targets.nodes) if size >= FEWEST_NODES else {}
        if arrays:
            whole, own = stable(f._moved(arrays), targets)
            ways = derived(whole, own)
            if ARRAY_NODES * len(graph.live([ways[0].values])) <= size:
                return whole, ways
        f, targets = stable(f, targets)
        return f, derived(f, targets)


def _finished(f: Function, ways: list[Derivative], title: str, format: str) -> SparseFunction:
    """The function of the values, in the order of the format, and their places; of several ways the cheapest."""
    if format == "csc":
        ways = [found.chosen(f.graph, *found.pattern.transposed()) for found in ways]
    what = title.removesuffix("_" + f.__name__).replace("_", " ")

    def function(found: Derivative) -> Function:
        note = f"{what}: {found.note}; {len(found.pattern):,} entries"
        return f._with_outputs(title, [(title, found.values)], notes=[note], stable=True)

    values = function(ways[0])
    if len(ways) > 1:
        made = [Way.of(found.note.removeprefix("direct, "), function(found)) for found in ways]
        values = cheapest(made).noted("direct")
    return SparseFunction(title, values, MatrixLayout(ways[0].pattern, format))
