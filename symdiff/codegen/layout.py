"""Operands: which arrays a kernel takes, which scalars of the program each of them holds, NumPy's name for that, and
where a loop finds them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symdiff.dataclass import dataclass
from symdiff.errors import CompileError
from symdiff.native.calls import operand_limit
from symdiff.native.code import LOOP as LOOP
from symdiff.types import TensorType, fixed

EMPTY = "z"
"""The name of every axis of size 0: NumPy refuses the number 0 in a signature."""

TYPE_CODES = {"float64": "d", "float32": "f", "bool": "?"}
BYTES = {"float64": 8, "float32": 4, "bool": 1}


FAILED = 1
"""What a loop and a C function return where there was no memory."""


@dataclass(frozen=True, slots=True)
class Operand:
    """One array that a kernel takes or gives.

    Attributes
    ----------
    dtype, shape : of its core, that is without batch axes.
    members : the positions, among the program's inputs or outputs, that it holds: one, or the scalars packed in it.
    """

    dtype: str
    shape: tuple[int, ...]
    members: tuple[int, ...]

    @property
    def size(self) -> int:
        """How many elements the core has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Layout:
    """The operands of a kernel.

    Where the program has more operands than a ufunc can have, its scalar inputs, and if that is not enough its scalar
    outputs, are packed: one operand of shape (n,) for each element type, before the others. Where the outputs have
    more axes together than NumPy can go along, each has one axis with all its elements, and `packed` is true, too.
    """

    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    packed: bool

    @property
    def operands(self) -> tuple[Operand, ...]:
        """Inputs, then outputs."""
        return self.inputs + self.outputs

    @property
    def scalar(self) -> bool:
        """Whether every core is a scalar, so that the ufunc is not a generalized one."""
        return not any(o.shape for o in self.operands)

    @property
    def signature(self) -> str:
        """The signature of the generalized ufunc, such as `(2),()->(2,2)`.

        Axes of size 0 are called z. Where no input can give that its size, an output with such an axis has one element,
        which is not touched and the caller drops.
        """
        known = any(0 in o.shape for o in self.inputs)

        def core(operand: Operand) -> str:
            single = 0 in operand.shape and not known
            return "(" + ",".join("1" if single else str(n) if n else EMPTY for n in operand.shape) + ")"

        return ",".join(map(core, self.inputs)) + "->" + ",".join(map(core, self.outputs))

    @property
    def types(self) -> str:
        """NumPy's type codes of all operands."""
        return "".join(TYPE_CODES[o.dtype] for o in self.operands)

    def first_strides(self) -> list[int]:
        """For each operand the place of its first core stride in NumPy's array of strides."""
        places, at = [], len(self.operands)
        for operand in self.operands:
            places.append(at)
            at += len(operand.shape)
        return places

    def contiguous_strides(self) -> list[int]:
        """NumPy's array of strides for one point and operands in C order."""
        strides = [0] * len(self.operands)
        for operand in self.operands:
            step, own = BYTES[operand.dtype], []
            for size in reversed(operand.shape):
                own.append(step)
                step *= size
            strides.extend(reversed(own))
        return strides


def axis_limit() -> int:
    """How many axes the outputs of a generalized ufunc of this NumPy can have, all together and with a batch's."""
    return 64 if operand_limit() >= 64 else 32


BATCH_AXES = 8
"""Axes that are left for batches."""


def arrange_operands(inputs: Sequence[TensorType], outputs: Sequence[TensorType], limit: int | None = None) -> Layout:
    """The operands of a kernel for these inputs and outputs, packed where there are more than `limit`.

    Where there are too many even so, as in a network with many arrays of weights, each is an operand of its own again,
    and the kernel is not called through NumPy's ufuncs.
    """
    limit = operand_limit() if limit is None else limit
    ins, outs = _apart(inputs), _apart(outputs)
    packed = len(ins) + len(outs) > limit
    if packed:
        ins = _together(ins)
    if len(ins) + len(outs) > limit:
        outs = _together(outs)
    if len(ins) + len(outs) > limit:
        return Layout(_apart(inputs), _apart(outputs), False)
    if sum(len(o.shape) for o in outs) > axis_limit() - BATCH_AXES:
        packed = True
        outs = tuple([Operand(o.dtype, (o.size,), o.members) if len(o.shape) > 1 else o for o in outs])
    return Layout(ins, outs, packed)


def single_operands(inputs: Sequence[TensorType], outputs: Sequence[TensorType]) -> Layout:
    """An operand for each input and each output."""
    return Layout(_apart(inputs), _apart(outputs), False)


def _apart(types: Sequence[TensorType]) -> tuple[Operand, ...]:
    for type_ in types:
        if type_.dtype not in TYPE_CODES:
            raise CompileError(f"a kernel has no operands of type {type_.dtype}")
    return tuple(Operand(t.dtype, fixed(t.shape), (k,)) for k, t in enumerate(types))


def _together(operands: tuple[Operand, ...]) -> tuple[Operand, ...]:
    groups: dict[str, list[int]] = {}
    for operand in operands:
        if not operand.shape:
            groups.setdefault(operand.dtype, []).extend(operand.members)
    packs = [Operand(dtype, (len(members),), tuple(members)) for dtype, members in groups.items()]
    return (*packs, *(o for o in operands if o.shape))


def operand_lines(k: int) -> list[str]:
    """An operand's first address and its stride over the batch."""
    if k == 0:
        return ["%a0 = load ptr, ptr %args", "%d0 = load i64, ptr %steps"]
    return [
        f"%ap{k} = getelementptr ptr, ptr %args, i64 {k}",
        f"%a{k} = load ptr, ptr %ap{k}",
        f"%dp{k} = getelementptr i64, ptr %steps, i64 {k}",
        f"%d{k} = load i64, ptr %dp{k}",
    ]
