"""Products with derivative matrices, which are never formed: jvp, vjp and hvp, again as functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symdiff.differentiate.jacobians import is_elementary
from symdiff.differentiate.operators import adjoints, gradient, tangents
from symdiff.functions.choosing import Way, cheapest
from symdiff.functions.directions import Extended, open_cotangents, open_tangents, with_cotangents, with_tangents
from symdiff.functions.function import Function
from symdiff.functions.record import recorded, same_results, target_results, titles
from symdiff.functions.transforms import arranged, one_scalar, prepare, stable, stable_forms
from symdiff.ir.graph import collector_paused
from symdiff.ops.core import INPUT

ALIKE = 1.05
"""What two ways to the same product may differ by before optimization, if the other can still be the cheaper one."""

LARGEST_COMPARED = 2000
"""Of larger products with Hessians only one way is made: the other may save a fifth, and takes as long to make."""


@recorded("jvp_{f}", arguments=open_tangents, results=same_results)
def jvp(fun: Any, wrt: Any = None) -> Function:
    """The product of the Jacobian with a tangent, by forward mode: the derivative along a direction.

    It takes the inputs, and directly after the last of those in `wrt` the tangents: `x_dot`, shaped as `x`; one vector,
    `x_y_dot`, for a list; one for each entry of a tuple. It gives what the function gives, in the same structure. A
    name that is taken gets the first of the endings `_2`, `_3`, … with which it is free.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.
    wrt : as for `grad`.

    Raises
    ------
    ArgumentError
        As for `grad`.

    Examples
    --------
    >>> import symdiff as sd
    >>> f = sd.jvp("f(x[2]) = [x[0]*x[1], x[0]]", "x")
    >>> f([1.0, 2.0], [1.0, 0.0])
    array([2., 1.])
    >>> print(sd.jvp("f(x, a) = a*x**2", "x"))
    jvp_f(x, x_dot, a) = 2*x*a*x_dot
    """
    f, targets = stable(*prepare(fun, wrt))
    with collector_paused():
        given = with_tangents(f, targets, wrt)
        nodes = tangents(given.function.graph, given.function.nodes, given.seeds(given.wrt))
    pairs = [(f"jvp_{title}", node) for title, node in zip(f.outputs, nodes, strict=True)]
    return given.returning(f"jvp_{f.__name__}", pairs, f._structure)


@recorded("vjp_{f}", arguments=open_cotangents, results=target_results("vjp_{f}"))
def vjp(fun: Any, wrt: Any = None) -> Function:
    """The product of cotangents with the Jacobian, by reverse mode: the gradient of a weighted sum of the outputs.

    It takes the inputs, and directly after the last of those in `wrt` the cotangents: `f_bar`, shaped as the output
    `f`, one for each output. It gives what `grad` gives. A name that is taken gets the first of the endings `_2`, `_3`,
    … with which it is free.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.
    wrt : as for `grad`.

    Raises
    ------
    ArgumentError
        As for `grad`; where the outputs of a function with open shapes cannot be counted.

    Examples
    --------
    >>> import symdiff as sd
    >>> c = sd.vjp("c(x[2]) = [x[0]*x[1], x[0]**2]", "x")
    >>> c([1.0, 2.0], [1.0, 1.0])
    array([4., 1.])
    >>> sd.jacobian(c, "x")([1.0, 2.0], [1.0, 1.0])     # hess(x, v) of SciPy's NonlinearConstraint
    array([[2., 1.],
           [1., 0.]])
    """
    f, targets = stable(*prepare(fun, wrt))
    with collector_paused():
        given = with_cotangents(f, targets, wrt)
        f, targets = given.function, given.wrt
        nodes = arranged(f, targets, f.nodes, adjoints(f.graph, f.nodes, given.added, targets.nodes))
    name = f"vjp_{f.__name__}"
    pairs = list(zip(titles(name, len(nodes)), nodes, strict=True))
    return given.returning(name, pairs, targets.structure)


@recorded("hvp_{f}", arguments=open_tangents, results=target_results("hvp_{f}"))
def hvp(fun: Any, wrt: Any = None) -> Function:
    """The product of the Hessian of a scalar-valued function with a direction, without the Hessian.

    It is the tangent of the gradient or, of formulas in scalars where that takes fewer operations, the gradient of the
    tangent; `explain()` tells.

    It takes the inputs, and directly after the last of those in `wrt` the directions, as `jvp`: so ``hvp(f, "x")`` is
    called ``(x, x_dot, *parameters)``, SciPy's ``hessp(x, p, *args)``. It gives what `grad` gives.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.
    wrt : as for `grad`.

    Raises
    ------
    DifferentiationError
        For a function that is not scalar-valued.
    ArgumentError
        As for `grad`.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.hvp("f(x[2]) = x[0]**2*x[1]", "x")([1.0, 2.0], [1.0, 0.0])
    array([4., 2.])
    """
    f, targets = stable(*prepare(fun, wrt))
    output = one_scalar(f, "the product of the Hessian")
    graph, nodes = f.graph, targets.nodes
    # a second way for formulas in scalars; a direction by a line and by an input below it has but one
    both = all(
        graph.ops[n] is INPUT and all(type(size) is int for size in graph.types[n].shape) for n in nodes
    ) and is_elementary(graph, [output], nodes)
    with collector_paused():
        given = with_tangents(f, targets, wrt)
        ahead = _forward_over_reverse(given)
        if not both or len(ahead.graph.live(ahead.nodes)) > LARGEST_COMPARED:
            return ahead
        back = _reverse_over_forward(given)
    return cheapest([Way.of("forward over reverse", ahead), Way.of("reverse over forward", back)], ALIKE).noted("hvp")


def _forward_over_reverse(given: Extended) -> Function:
    """The tangent of the gradient."""
    f, targets = given.function, given.wrt
    graph, nodes = f.graph, targets.nodes
    slopes = gradient(graph, f.nodes[0], nodes)
    moved = stable_forms(graph, slopes, nodes)
    seeds = given.seeds(targets.moved(moved))
    return _as_gradient(given, tangents(graph, [moved.get(n, n) for n in slopes], seeds))


def _reverse_over_forward(given: Extended) -> Function:
    """The gradient of the tangent."""
    f, targets = given.function, given.wrt
    graph, nodes = f.graph, targets.nodes
    (slope,) = tangents(graph, f.nodes, given.seeds(targets))
    moved = stable_forms(graph, [slope], nodes)
    return _as_gradient(given, gradient(graph, moved.get(slope, slope), nodes))


def _as_gradient(given: Extended, found: Sequence[int]) -> Function:
    """The function that gives what was found for each independent node, in the structure of a gradient."""
    f, targets = given.function, given.wrt
    results = arranged(f, targets, f.nodes, found)
    name = f"hvp_{f.__name__}"
    pairs = list(zip(titles(name, len(results)), results, strict=True))
    return given.returning(name, pairs, targets.structure)
