"""Python statements on arrays with the axes of a batch in front, whose sizes a variable holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.display.array_code import STRUCTURE, recurrence_text
from symdiff.display.array_text import subscripts
from symdiff.ops import Op, core
from symdiff.ops.structure import numpy_index

Sizes = tuple[int, ...]
BatchStatement = Callable[..., str]
"""(the variable, names of the operands, payload, shape of the result, shapes of the operands) to text."""


def with_new_axes(text: str, own: int, wanted: int) -> str:
    """An operand of so many own axes with axes of size 1 before these, up to the wanted number."""
    return f"{text}[{', '.join(['...', *['None'] * (wanted - own), *[':'] * own])}]" if own < wanted else text


def with_batch(text: str, batch: str, shape: Sizes) -> str:
    """What is the same for all points, once for each of them."""
    return f"np.broadcast_to({text}, {batch_sizes(batch, shape)})"


def batch_sizes(batch: str, shape: Sizes) -> str:
    """The shape of an array of this shape for each point."""
    return f"{batch} + {shape}" if shape else batch


def _reshape(batch: str, args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes) -> str:
    return f"np.reshape({args[0]}, {batch_sizes(batch, shape)})"


def _broadcast(batch: str, args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes) -> str:
    return with_batch(with_new_axes(args[0], len(operand), len(shape)), batch, shape)


def _scatter(batch: str, args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes) -> str:
    count = int(np.prod(operand))
    places = np.zeros(shape, int)
    places[numpy_index(payload[0])] = np.arange(1, count + 1).reshape(operand)
    flat = f"np.reshape({args[0]}, {batch_sizes(batch, (count,))})"
    return f"np.concatenate([np.zeros_like({flat}[..., :1]), {flat}], axis=-1)[..., np.array({places.tolist()})]"


def _transpose(batch: str, args: Sequence[str], perm: Sizes, shape: Sizes, operand: Sizes) -> str:
    count = len(perm)
    return f"np.moveaxis({args[0]}, {tuple([k - count for k in perm])}, {tuple(range(-count, 0))})"


def _einsum(batch: str, args: Sequence[str], payload: Any, shape: Sizes, *operands: Sizes) -> str:
    sides, _, result = subscripts(payload).partition("->")
    return f"np.einsum('{','.join(['...' + side for side in sides.split(',')])}->...{result}', {', '.join(args)})"


def _gather(batch: str, args: Sequence[str], axis: int, shape: Sizes, operand: Sizes, index: Sizes) -> str:
    """Along one axis at the end, at the indices of each point in a row."""
    rest = (*operand[:axis], *operand[axis + 1 :])
    count = int(np.prod(index))
    moved = f"np.moveaxis({args[0]}, {axis - len(operand)}, -1)"
    rows = f"np.reshape({args[1]} % {operand[axis]}, {batch_sizes(batch, (*(1,) * len(rest), count))})"
    taken = f"np.reshape(np.take_along_axis({moved}, {rows}, axis=-1), {batch_sizes(batch, (*rest, *index))})"
    after = len(rest) - axis
    if not index or not after:
        return taken
    here = tuple(range(-len(index), 0))
    return f"np.moveaxis({taken}, {here}, {tuple([k - after for k in here])})"


def _scatter_add(batch: str, args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes, index: Sizes) -> str:
    axis, size = payload
    count, before = int(np.prod(index)), int(np.prod(operand[:axis]))
    after = int(np.prod(operand[axis + len(index) :]))
    rows = f"np.reshape({args[1]} % {size}, {batch_sizes(batch, (1, count, 1, 1))})"
    values = f"np.reshape({args[0]}, {batch_sizes(batch, (before, count, 1, after))})"
    there = f"{rows} == np.reshape(np.arange({size}), {(size, 1)})"
    return f"np.reshape(np.sum(np.where({there}, {values}, 0.0), axis=-3), {batch_sizes(batch, shape)})"


def _recurrence(batch: str, args: Sequence[str], payload: Any, shape: Sizes, *operands: Sizes) -> str:
    return recurrence_text(args, payload[0] - len(shape), payload[1])


def _concatenate(batch: str, args: Sequence[str], payload: Any, shape: Sizes, *operands: Sizes) -> str:
    return STRUCTURE[core.CONCATENATE](args, payload, shape, *operands)


OTHERWISE: dict[Op, BatchStatement] = {
    core.RESHAPE: _reshape,
    core.BROADCAST: _broadcast,
    core.SCATTER: _scatter,
    core.TRANSPOSE: _transpose,
    core.EINSUM: _einsum,
    core.GATHER: _gather,
    core.SCATTER_ADD: _scatter_add,
    core.RECURRENCE: _recurrence,
    core.CONCATENATE: _concatenate,
}
"""The operations that are written another way where there are axes of a batch."""

TOGETHER = frozenset((core.GATHER, core.SCATTER_ADD, core.RECURRENCE, core.CONCATENATE))
"""Those whose operands all need these axes."""
