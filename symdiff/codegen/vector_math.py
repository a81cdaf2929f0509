"""Elementary functions of vectors: glibc's libmvec on Linux for x86-64, elsewhere the scalar function lane by lane.

Checked on glibc 2.36 for 2, 4 and 8 lanes against higher precision, over all magnitudes, at the edges of overflow and
underflow, and at zeros, infinities and NaN: every function of libmvec stays within 4 ULP, has the right special values
and signs of zero, and raises all floating-point exceptions that the scalar function raises (some raise more, which only
costs time). docs/accuracy.md has the numbers. So no function needs a correction here.
The records say which were checked; libmvec has some since glibc 2.22, the others since 2.35.
"""

from __future__ import annotations

import functools

from symdiff.codegen.target import LIBMVEC, Target
from symdiff.dataclass import dataclass
from symdiff.native.kept import vector_address
from symdiff.ops.base import Library

# The letter by which the x86-64 vector ABI names an instruction set, for its width in doubles.
INSTRUCTION_SETS = {8: "e", 4: "d", 2: "b"}


@dataclass(frozen=True, slots=True)
class VectorLibrary:
    """A function of libmvec, by its symbol such as `_ZGVeN8v_sin`."""

    symbol: str


def lanes() -> int:
    """How many doubles a vector of this machine has; 1 where there is no vector code."""
    return Target.host().lanes


@functools.cache
def find(routine: Library, arity: int, width: int, target: Target | None = None) -> VectorLibrary | None:
    """The vector function that stands for a scalar one at a width, where the target (None: this machine) has it."""
    target = target or Target.host()
    if target.vector_library != LIBMVEC or not routine.vector or width not in INSTRUCTION_SETS:
        return None
    symbol = f"_ZGV{INSTRUCTION_SETS[width]}N{width}{'v' * arity}_{routine.symbol}"
    return None if target.is_host and not vector_address(symbol) else VectorLibrary(symbol)


def lane_by_lane(name: str, scalar: str, arity: int, width: int, extra: str) -> list[str]:
    """A function of vectors that calls the scalar function `scalar` on doubles for each lane."""
    vector = f"<{width} x double>"
    parameters = ", ".join(f"{vector} %x{k}" for k in range(arity))
    lines = [f"define internal {vector} @{name}({parameters}) #1 {{"]
    result = "poison"
    for lane in range(width):
        lines += [f"%x{k}_{lane} = extractelement {vector} %x{k}, i64 {lane}" for k in range(arity)]
        values = ", ".join(f"double %x{k}_{lane}" for k in range(arity))
        lines.append(f"%y{lane} = call double @{scalar}({values}{extra})")
        lines.append(f"%r{lane} = insertelement {vector} {result}, double %y{lane}, i64 {lane}")
        result = f"%r{lane}"
    return [*lines, f"ret {vector} {result}", "}"]
