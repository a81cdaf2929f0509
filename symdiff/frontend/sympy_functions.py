"""SymPy's functions by name: the classes whose objects are calls of a function of the language."""

from __future__ import annotations

import functools
import re

from symdiff.ops import CALLABLE, OPS
from symdiff.ops.base import OPERAND_NAMES

_SAME_NAMES = (
    "sin cos tan sec csc cot asin acos atan asec acsc acot atan2 sinh cosh tanh sech csch coth asinh acosh atanh asech"
    " acsch acoth exp log sign floor frac erf erfc gamma loggamma digamma polygamma factorial expm1 log1p exp2"
    " log2 log10 hypot Abs Heaviside Max Min Mod ceiling And Or Not Xor ITE Implies harmonic uppergamma lowergamma"
    " betainc betainc_regularized FallingFactorial erf2 erf2inv li"
    " KroneckerDelta SingularityFunction factorial2"
)


def _of_records() -> dict[str, str]:
    """The operations that are a call of one of SymPy's classes on their operands in order, by the class."""
    found = {}
    for op in OPS.values():
        operands = ", ".join(([op.payload] if op.payload else []) + list(OPERAND_NAMES[: len(op.kinds or "")]))
        call = re.fullmatch(r"(\w+)\((.*)\)", op.sympy or "")
        if call and call[2] == operands and op.name in CALLABLE:
            found[call[1]] = op.name
    return found


FUNCTIONS = (
    {name: name for name in _SAME_NAMES.split()}
    | _of_records()
    | {
        "sinc": "sinc_unnormalized",
        "jn": "spherical_jn",
        "yn": "spherical_yn",
        "RisingFactorial": "poch",
        "Sqrt": "sqrt",
        "Cbrt": "cbrt",
        "StrictLessThan": "less",
        "LessThan": "less_equal",
        "StrictGreaterThan": "greater",
        "GreaterThan": "greater_equal",
        "Equality": "equal",
        "Unequality": "not_equal",
    }
)
"""SymPy's classes whose objects are calls of a function of the language with the same arguments."""


@functools.cache
def namespace() -> dict[str, object]:
    """What the texts in the records' `sympy` fields mean."""
    import sympy

    return {name: getattr(sympy, name) for name in sympy.__all__}
