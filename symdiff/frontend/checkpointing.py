"""`checkpoint`: which values reverse mode computes again, of a formula or of what a Python function computes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, overload

from symdiff.frontend.arguments import Node, language
from symdiff.frontend.expr import Expr
from symdiff.frontend.functions import apply
from symdiff.ir.graph import Graph
from symdiff.ops import core


@language("checkpoint", parts=False)
def _checkpoint(graph: Graph, x: Node, *since: Node) -> int:
    """x; what it is computed from, as far as `since` or other checkpoints, reverse mode computes again."""
    return graph.apply(core.CHECKPOINT, (graph.as_number(x), *since))


@overload
def checkpoint(value: Callable[..., Any]) -> Callable[..., Any]: ...


@overload
def checkpoint(value: Any, *since: Any) -> Any: ...


def checkpoint(value: Any, *since: Any) -> Any:
    """The value as it is, which reverse mode keeps in place of what it is computed from.

    Gradients of formulas on arrays need intermediate values on the way back. What lies between the inputs, or other
    checkpoints, and this value is not kept for that, but computed again when it is needed: by the same operations, so
    that no bit changes. Scalars are kept anyhow. `explain()` of the gradient tells what that saves and costs.

    Parameters
    ----------
    value : an expression, or a number; or a function of expressions, a layer, say: the function whose results are
        checkpoints, between which and its arguments nothing is kept.
    since : from where it is computed again, where that is neither an input nor a checkpoint; these are kept.

    Examples
    --------
    >>> import symdiff as sd
    >>> @sd.checkpoint
    ... def block(W, h):
    ...     for _ in range(8):
    ...         h = sd.sin(W @ h)
    ...     return h
    >>> def loss(W, h):
    ...     return sd.sum(block(W, block(W, block(W, h))) ** 2)
    >>> gradient = sd.grad(sd.function(loss, {"W": (40, 40), "h": (40, 40)}), "W")
    >>> print(gradient.explain().splitlines()[-2])
    workspace 230,400 bytes
    """
    if isinstance(value, Expr) or not callable(value):
        return apply("checkpoint", (value, *since))

    @functools.wraps(value)
    def checkpointed(*args: Any, **keywords: Any) -> Any:
        starts = list(dict.fromkeys(_expressions([args, keywords])))
        return _marked(value(*args, **keywords), starts)

    return checkpointed


def _expressions(value: Any) -> Iterator[Expr]:
    """The expressions in lists, tuples and dicts."""
    stack = [value]
    while stack:
        at = stack.pop()
        if isinstance(at, Expr):
            yield at
        elif isinstance(at, list | tuple | dict):
            stack += list(at.values() if isinstance(at, dict) else at)[::-1]


def _marked(result: Any, starts: list[Expr]) -> Any:
    """The result of a function with checkpoints for its expressions."""
    if isinstance(result, Expr):
        return checkpoint(result, *starts)
    if isinstance(result, dict):
        return {key: _marked(part, starts) for key, part in result.items()}
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return type(result)(*[_marked(part, starts) for part in result])
    return type(result)([_marked(part, starts) for part in result]) if isinstance(result, list | tuple) else result
