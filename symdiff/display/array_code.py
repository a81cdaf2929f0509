"""The Python statements of the operations that move, join, reduce and multiply arrays; leading axes are batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.display.array_text import subscript, subscripts
from symdiff.ops import Op, core
from symdiff.ops.structure import numpy_index

Sizes = tuple[int, ...]
Statement = Callable[..., str]
"""(names of the operands, payload, shape of the result, shapes of the operands) to text."""


def _index(args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes) -> str:
    return f"{args[0]}[..., {', '.join([subscript(payload), *[':'] * (len(operand) - len(payload))])}]"


def _index_forwards(args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes) -> str:
    """As an index, with steps forwards alone: what goes backwards is turned afterwards."""
    parts = list[Any]()
    backwards = list[int]()
    for part in payload:
        if isinstance(part, tuple) and part[2] < 0:
            places = range(*slice(*part).indices(operand[len(parts)]))
            backwards.append(sum(isinstance(p, tuple) for p in parts) - len(shape))
            parts.append((places[-1], places[0] + 1, -part[2]) if places else (0, 0, 1))
        else:
            parts.append(part)
    text = _index(args, tuple(parts), shape, operand)
    return f"np.flip({text}, {tuple(backwards)})" if backwards else text


def _scatter(args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes) -> str:
    index, whole = payload
    if all(isinstance(part, tuple) and part[2] == 1 for part in index):
        ends = [*index, *((0, n, 1) for n in whole[len(index) :])]
        widths = [(start, n - stop) for (start, stop, _), n in zip(ends, whole, strict=True)]
        return f"np.pad({args[0]}, {widths})"
    return _spread(args, payload, shape, operand)


def _spread(args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes) -> str:
    """Each element of the result by the number of the element that goes there, after a zero."""
    count = int(np.prod(operand))
    places = np.zeros(shape, int)
    places[numpy_index(payload[0])] = np.arange(1, count + 1).reshape(operand)
    flat = f"np.reshape({args[0]}, ({count},))"
    return f"np.concatenate([np.zeros_like({flat}[:1]), {flat}])[np.array({places.tolist()})]"


def _stack(args: Sequence[str], payload: Any, shape: Sizes, *operands: Sizes) -> str:
    return f"np.stack(np.broadcast_arrays({', '.join(args)}), axis={-len(shape)})"


def _transpose(args: Sequence[str], perm: Sizes, shape: Sizes, operand: Sizes) -> str:
    if perm == (*range(len(perm) - 2), len(perm) - 1, len(perm) - 2):
        return f"np.swapaxes({args[0]}, -1, -2)"
    return f"np.transpose({args[0]}, {perm})"


def _einsum(args: Sequence[str], payload: Any, shape: Sizes, *operands: Sizes) -> str:
    return f"np.einsum({subscripts(payload)!r}, {', '.join(args)})"


def _diagonal(args: Sequence[str], axes: Sizes, shape: Sizes, operand: Sizes) -> str:
    return f"np.diagonal({args[0]}, 0, {axes[0] - len(operand)}, {axes[1] - len(operand)})"


def _concatenate(args: Sequence[str], axis: int, shape: Sizes, *operands: Sizes) -> str:
    return f"np.concatenate([{', '.join(args)}], axis={axis - len(shape)})"


def _scatter_add(args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes, index: Sizes) -> str:
    """By a function that the text has, as NumPy's own gives nothing."""
    return f"add_at(np.zeros({shape}, {args[0]}.dtype), np.s_{_rows(args[1], payload[0], shape)}, {args[0]})"


def _jax_scatter_add(args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes, index: Sizes) -> str:
    return f"np.zeros({shape}, {args[0]}.dtype).at{_rows(args[1], payload[0], shape)}.add({args[0]})"


def _torch_scatter_add(args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes, index: Sizes) -> str:
    axis, size = payload
    flat = f"np.reshape({args[0]}, {(*operand[:axis], -1, *operand[axis + len(index) :])})"
    return f"np.zeros({shape}, dtype={args[0]}.dtype).index_add({axis}, np.ravel({args[1]} % {size}), {flat})"


def _rows(index: str, axis: int, shape: Sizes) -> str:
    """The elements at indices along an axis."""
    return f"[{', '.join(['...', index, *[':'] * (len(shape) - axis - 1)])}]"


def _iota(args: Sequence[str], payload: Any, shape: Sizes) -> str:
    axis = payload[1]
    sizes = tuple(n if k == axis else 1 for k, n in enumerate(shape))
    line = f"np.arange({shape[axis]}).astype(float).reshape({sizes})"
    return f"np.broadcast_to({line}, {shape})"


def _cumsum(args: Sequence[str], payload: Any, shape: Sizes, operand: Sizes) -> str:
    axis = payload[0] - len(shape)
    return (
        f"np.flip(np.cumsum(np.flip({args[0]}, ({axis},)), axis={axis}), ({axis},))"
        if payload[1]
        else (f"np.cumsum({args[0]}, axis={axis})")
    )


def _recurrence(args: Sequence[str], payload: Any, shape: Sizes, *operands: Sizes) -> str:
    return recurrence_text(args, *payload)


def recurrence_text(args: Sequence[str], axis: int, reverse: bool) -> str:
    """The statement of a recurrence along an axis."""
    order = f"np.flip({{}}, ({axis},))" if reverse else "{}"
    pairs = "zip(" + ", ".join(f"np.moveaxis({order.format(a)}, {axis}, 0)" for a in args) + ")"
    rows = f"[h for _, h in itertools.accumulate({pairs}, lambda h, ab: (ab[0], ab[0]*h[1] + ab[1]))]"
    return order.format(f"np.stack({rows}, {axis})")


def _solve_triangular(args: Sequence[str], payload: Any, shape: Sizes, *operands: Sizes) -> str:
    lower, transposed = payload
    kept = f"np.{'tril' if lower else 'triu'}({args[0]})"
    return f"np.linalg.solve({f'np.swapaxes({kept}, -1, -2)' if transposed else kept}, {args[1]})"


def of_record(op: Op, args: Sequence[str], payload: Any, shape: Sizes, *operands: Sizes) -> str:
    """The statement that a record says; axes are counted from the end, so that there may be more in front."""
    axes = tuple(k - len(operands[0]) for k in payload) if op.payload == "axes" else None
    return op.numpy.format(*args, axes=axes, shape=shape, payload=payload)


STRUCTURE: dict[Op, Statement] = {
    core.NEG: lambda args, payload, shape, operand: f"-{args[0]}",
    core.STACK: _stack,
    core.INDEX: _index,
    core.SCATTER: _scatter,
    core.TRANSPOSE: _transpose,
    core.EINSUM: _einsum,
    core.DIAGONAL: _diagonal,
    core.CONCATENATE: _concatenate,
    core.GATHER: lambda args, axis, shape, operand, index: args[0] + _rows(args[1], axis, operand),
    core.SCATTER_ADD: _scatter_add,
    core.IOTA: _iota,
    core.CUMSUM: _cumsum,
    core.RECURRENCE: _recurrence,
    core.SOLVE_TRIANGULAR: _solve_triangular,
}
"""The statements of the operations on arrays that are more than a format of their records."""


def _products(args: Sequence[str], axes: Sizes, shape: Sizes, operand: Sizes) -> str:
    text = args[0]
    for axis in sorted(axes):
        text = f"np.prod({text}, axis={axis - len(operand)})"
    return text


OTHER_STRUCTURE: dict[str, dict[Op, Statement]] = {
    "jax.numpy": {core.SCATTER_ADD: _jax_scatter_add},
    "torch": {
        core.INDEX: _index_forwards,
        core.SCATTER: _spread,
        core.SCATTER_ADD: _torch_scatter_add,
        core.PROD: _products,
    },
}
"""Those that other libraries take another way; torch has no steps backwards, multiplies along one axis at a time."""
