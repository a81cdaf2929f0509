"""The nodes that are not arithmetic: inputs, constants, names, and the order in which elements are added up."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff import content
from symdiff.errors import ShapeError
from symdiff.ops.base import Movement, Op, payload_kind, register
from symdiff.types import BOOL, INT64, TensorType, show

LANES = 8
FEWEST_FOR_LANES = 16
BLOCK, CASCADE = 512, 16
"""Elements that are added up in lanes before their sums are, and how many sums of a level make one of the next."""

Payload = Any


def _leaf(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    raise AssertionError(f"{op.name} nodes are made with their type")


def numpy_index(payload: tuple[Any, ...]) -> tuple[Any, ...]:
    """The NumPy index of an `index` payload: an integer, or (start, stop, step) for a slice."""
    return tuple(slice(*part) if isinstance(part, tuple) else part for part in payload)


def check_count(op: Op, types: Sequence[TensorType], count: int) -> None:
    """Refuse another number of operands than `count`.

    Raises
    ------
    ShapeError
        For another number.
    """
    if len(types) != count:
        raise ShapeError(f"{op.name} takes {count} operand{'s' * (count != 1)}, not {len(types)}")


def checked_axis(name: str, axis: int, shape: tuple[int, ...]) -> int:
    """An axis of a shape, counted from its start.

    Raises
    ------
    ShapeError
        Where there is no such axis.
    """
    if not -len(shape) <= axis < len(shape):
        raise ShapeError(f"{name}: the shape {show(shape)} has no axis {axis}")
    return axis % len(shape)


def only(tangents: Sequence[int | None]) -> int:
    """The tangent of the first operand, the only one that has one."""
    tangent = tangents[0]
    assert tangent is not None
    return tangent


def _like_operand(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    check_count(op, types, 1)
    return types[0]


def numeric_type(op: Op, types: Sequence[TensorType]) -> str:
    """The one float type of operands that must be numbers.

    Raises
    ------
    ShapeError
        Where one is a condition or an index, or they differ.
    """
    for type_ in types:
        if type_.dtype == BOOL:
            raise ShapeError(f"{op.name} takes a number here, not a condition", hint="write where(c, 1, 0)")
        if type_.dtype == INT64:
            raise ShapeError(f"{op.name} takes numbers, not indices (int64)")
        if type_.dtype != types[0].dtype:
            raise ShapeError(f"{op.name}: operands of types {types[0].dtype} and {type_.dtype}")
    return types[0].dtype


def rows(x: Any, axes: tuple[int, ...]) -> Any:
    """The elements along `axes` in C order as a first axis, the other axes after it."""
    x = np.asarray(x)
    moved = np.moveaxis(x, axes, tuple(range(len(axes))))
    rest = moved.shape[len(axes) :]
    count = int(np.prod(moved.shape[: len(axes)], dtype=np.int64))
    return np.ascontiguousarray(moved.reshape((count, *rest))).reshape((count, *rest))


def lane_fold(step: np.ufunc, x: Any, axes: tuple[int, ...], empty: float) -> Any:
    """The elements of `x` along `axes` taken together by `step`, in the one order that all back ends keep.

    Fewer than 16 elements are taken from the first to the last. Otherwise element k goes into lane k % 8, and the
    eight lanes are taken together as k and k + 4, then k and k + 2, then the two that are left. Products run through
    their lanes from the first to the last. Sums do so in blocks of 512 elements, 16 blocks are added up, 16 of these
    sums again, and so on: the rounding error grows with the logarithm of the length (Higham, "The accuracy of floating
    point summation", 1993), not with the length.
    """
    lines = rows(x, axes)
    count = len(lines)
    if not count:
        return np.full(lines.shape[1:], empty, lines.dtype)[()]
    if count < FEWEST_FOR_LANES:
        return step.accumulate(lines, axis=0)[-1]
    rest = count % LANES
    table = lines[: count - rest].reshape((count // LANES, LANES, *lines.shape[1:]))
    sizes = (BLOCK // LANES, CASCADE) if step is np.add else (count, count)
    lanes = _levels(step, table[:, rest:], *sizes)
    if rest:
        longer = np.concatenate([table[:, :rest], lines[None, count - rest :]])
        lanes = np.concatenate([_levels(step, longer, *sizes), lanes])
    for half in (4, 2, 1):
        lanes = step(lanes[:half], lanes[half:])
    return lanes[0]


def _levels(step: np.ufunc, table: Any, first: int, then: int) -> Any:
    """The rows of a table taken together: `first` after each other, `then` of the results, and so on."""
    size = first
    while len(table) > 1:
        whole = len(table) - len(table) % size
        parts = [functools.reduce(step, [table[k:whole:size] for k in range(size)])] if whole else []
        if whole < len(table):
            parts.append(step.accumulate(table[whole:], axis=0)[-1:])
        table, size = np.concatenate(parts), then
    return table[0]


def lane_sum(x: Any, axes: tuple[int, ...]) -> Any:
    """The sum over `axes`, added up in the order of `lane_fold`."""
    return lane_fold(np.add, x, axes, 0.0)


LINE = payload_kind("name", lambda value: content.word(value, "a line"))


def _like_first(op: Op, types: Sequence[TensorType], payload: Payload) -> TensorType:
    if not types:
        raise ShapeError(f"{op.name} takes a value, and what it is computed from where that is said")
    return types[0]


INPUT, CONSTANT, SIZE, NAMED, STOP_GRADIENT, CHECKPOINT, CHECKPOINT_ADJOINT = register(
    Op("input", "", hidden=True, finite=True, doc="an argument of the function", type_rule=_leaf, payload=LINE),
    Op("constant", "", hidden=True, finite=True, doc="a number, a truth value or an array of them", type_rule=_leaf,
       payload="value"),
    Op("size", "", hidden=True, finite=True, doc="a size that each call fixes, as a number", payload="size",
       type_rule=_like_operand),
    Op("named", None, hidden=True, finite=True,
       numpy="{0}", doc="a line of the text that binds a name: its value, kept apart", payload=LINE,
       routine=Movement(lambda x, name: x), partials=("1",), type_rule=_like_operand),
    Op("stop_gradient", None, routine=Movement(lambda x, _: x), partials=(None,),
       finite=True, numpy="{0}",
       doc="its operand, as a constant for every derivative", parameters=("x",), type_rule=_like_operand,
       aliases=("detach",), latex=r"\operatorname{{stop}}\left({}\right)"),
    Op("checkpoint", None, routine=Movement(lambda x, *rest: x), partials=("1", None), finite=True, numpy="{0}",
       doc="its first operand; what that is computed from, as far as the other operands or other checkpoints, is not "
           "kept for reverse mode but computed again", parameters=("x",), type_rule=_like_first,
       latex=r"\operatorname{{checkpoint}}\left({}\right)"),
    Op("checkpoint_adjoint", None, routine=Movement(lambda x, _: x), partials=("1",), finite=True, numpy="{0}",
       doc="its operand, the adjoint of a checkpoint, from which on what the checkpoint is made of is computed again",
       parameters=("x",), type_rule=_like_operand, latex=r"\operatorname{{checkpoint'}}\left({}\right)"),
)  # fmt: skip
