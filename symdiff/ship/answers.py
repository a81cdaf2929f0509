"""The functions that tell C about a function: counts, names, shapes, sparsity, bytes of workspace."""

from __future__ import annotations

from symdiff.codegen.answers import give_number, give_numbers, give_one_of, give_rows, give_texts
from symdiff.codegen.standalone import ATTRIBUTES, Standalone
from symdiff.codegen.target import Target
from symdiff.ship.interface import Exported


def write_answers(function: Exported, code: Standalone, target: Target) -> list[str]:
    """The lines of LLVM IR, a module."""
    name, bits = function.name, target.pointer_bits
    lines = [
        *give_number(f"{name}_work_bytes", code.work, bits),
        *give_number(f"{name}_batch_work_bytes", code.batch_work, bits),
    ]
    for side, arrays in (("in", function.inputs), ("out", function.outputs)):
        lines += [
            *give_number(f"{name}_n_{side}", len(arrays)),
            *give_texts(f"{name}_{side}_name", [array.written for array in arrays]),
            *give_one_of(f"{name}_{side}_rank", [len(array.shape) for array in arrays]),
            *give_rows(f"{name}_{side}_shape", [array.shape for array in arrays]),
        ]
    if function.sparsity is not None:
        lines += give_numbers(f"{name}_sparsity", function.sparsity.numbers)
    return [*lines, *ATTRIBUTES]
