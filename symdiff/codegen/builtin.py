"""Kernels called at the speed of a builtin: numbers in, numbers, new arrays and tuples of them out.

`make_builtin` gives a CPython builtin for a function whose arguments are all scalars. It answers calls with numbers by
position alone; every other call goes on, as it came, to a callable that knows all the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from symdiff.codegen.builtin_code import (
    FIELDS,
    KNOWN,
    LARGEST_OBJECTS,
    LARGEST_OPERANDS,
    LARGEST_VALUES,
    builtin_code,
)
from symdiff.codegen.layout import BYTES
from symdiff.native.calls import LOOP_ADDRESS, bind_builtin
from symdiff.trees import Plain
from symdiff.types import FLOAT64, TensorType, fixed

if TYPE_CHECKING:
    from symdiff.codegen.kernel import Kernel

DESCRIPTIONS = {"float64": "array of float64", "bool": "array of bool"}
"""What stands in a record for NumPy's description of an array's elements."""

Record = list[int | str]
"""The words of a record, with names for what has another address in each process."""


def make_builtin(
    kernel: Kernel, structure: Plain, name: str, doc: str, general: Callable[..., Any]
) -> Callable[..., Any] | None:
    """A builtin for a kernel whose inputs are all scalars, or None where there can be none.

    Parameters
    ----------
    structure : how the program's outputs are handed back: an index, or a tuple of structures.
    name, doc : the builtin's.
    general : what answers the calls that are not plain numbers by position.
    """
    words = write_record(kernel, structure)
    code = builtin_code() if words is not None else None
    if words is None or code is None:
        return None
    return bind_builtin(words, kernel.loop, code, name, doc, general, [kernel])


class _Values:
    """Places in the memory for numbers."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, size: int) -> int:
        """The place of so many bytes."""
        place = self.used
        self.used += -(-size // 8) * 8
        return place


def write_record(kernel: Kernel, structure: Plain) -> Record | None:
    """The record of a kernel for `builtin_code`, or None where it does not fit."""
    layout, types, inputs = kernel.layout, kernel.types, kernel.inputs
    if any(t.shape or t.dtype != FLOAT64 for t in inputs) or not types or len(layout.operands) > LARGEST_OPERANDS:
        return None
    if any(t.dtype not in DESCRIPTIONS or 0 in t.shape for t in types):
        return None
    if [m for operand in layout.inputs for m in operand.members] != list(range(len(inputs))):
        return None
    values = _Values()
    operands = [values.take(operand.size * 8) for operand in layout.inputs]
    arrays: list[int] = []
    scalars: dict[int, int] = {}
    for operand in layout.outputs:
        if types[operand.members[0]].shape == operand.shape and operand.shape:
            arrays.append(operand.members[0])
            operands.append(0)
            continue
        if types[operand.members[0]].shape:
            return None
        place = values.take(operand.size * BYTES[operand.dtype])
        operands.append(place)
        scalars.update({member: place + k * BYTES[operand.dtype] for k, member in enumerate(operand.members)})
    members = {member: k for k, member in enumerate((*arrays, *scalars))}
    tuples, count = _tuples(structure, members)
    if count != len(members) + len(tuples) or count > LARGEST_OBJECTS or values.used > LARGEST_VALUES:
        return None
    return _pack(kernel, types, operands, arrays, scalars, tuples)


def _tuples(structure: Plain, members: dict[int, int]) -> tuple[list[list[int]], int]:
    """The items of each tuple, inner ones first, as numbers of objects; and how many objects the result is made of."""
    tuples: list[list[int]] = []
    seen: set[int] = set()
    pending: list[tuple[Plain, list[int] | None]] = [(structure, None)]
    finished: list[int] = []
    # A tuple comes by twice: to line up its items, and, when they have their numbers, to take them.
    while pending:
        part, marks = pending.pop()
        if isinstance(part, int):
            seen.add(members[part])
            finished.append(members[part])
        elif marks is None:
            pending.append((part, []))
            pending.extend((item, None) for item in reversed(part))
        else:
            start = len(finished) - len(part)
            tuples.append(finished[start:])
            finished[start:] = [len(members) + len(tuples) - 1]
    return tuples, len(seen) + len(tuples)


def _pack(
    kernel: Kernel,
    types: Sequence[TensorType],
    operands: list[int],
    arrays: list[int],
    scalars: dict[int, int],
    tuples: list[list[int]],
) -> Record:
    homes = {o.members[0]: len(kernel.layout.inputs) + k for k, o in enumerate(kernel.layout.outputs)}
    uses: dict[int, int] = {}
    for items in tuples:
        for item in items:
            uses[item] = uses.get(item, 0) + 1
    grouped: list[int] = []
    for items in tuples:
        grouped.append(len(items))
        for item in items:
            uses[item] -= 1
            grouped += [item, int(uses[item] > 0)]
    truths = [word for m, place in scalars.items() for word in (int(types[m].is_condition), place)]
    strides = kernel.layout.contiguous_strides()
    end = len(FIELDS) + len(operands) + 4 * len(arrays) + len(truths) + len(grouped)
    entries: Record = []
    sizes: list[int] = []
    for member in arrays:
        shape = fixed(types[member].shape)
        place = 8 * (end + len(strides) + len(sizes))
        entries += [homes[member], DESCRIPTIONS[types[member].dtype], len(shape), place]
        sizes += shape
    alone = not tuples and not arrays and not types[next(iter(scalars))].is_condition
    head: dict[str, int | str] = {
        "arity": len(kernel.inputs),
        "loop": LOOP_ADDRESS,
        "one": 1,
        "strides": 8 * end,
        "no_work": 0,
        "single": next(iter(scalars.values())) if alone else -1,
        "operands": len(operands),
        "arrays": len(arrays),
        "scalars": len(scalars),
        "tuples": len(tuples),
        **{name: name for name in KNOWN},
    }
    return [*(head[name] for name in FIELDS), *operands, *entries, *truths, *grouped, *strides, *sizes]
