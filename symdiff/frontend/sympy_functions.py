"""SymPy's functions by name: the classes whose objects are calls of a function of the language."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import Any

from symdiff.ops import OPS, Op
from symdiff.ops.base import OPERAND_NAMES


def _where(condition: Any, a: Any, b: Any) -> Any:
    """One Piecewise, whatever the number of branches."""
    import sympy

    rest = b.args if isinstance(b, sympy.Piecewise) else () if b is sympy.nan else ((b, True),)
    return sympy.Piecewise((a, condition), *rest)


def _derivative_of_sinc(n: int, a: Any) -> Any:
    import sympy

    x = sympy.Dummy("x", real=True)
    return sympy.diff(sympy.sinc(sympy.pi * x), x, n).subs(x, a)


HELPERS: dict[str, Callable[..., Any]] = {"where": _where, "derivative_of_sinc": _derivative_of_sinc}
"""What the texts of records call beside SymPy's own names."""

_SAME_NAMES = (
    "sec csc cot coth frac factorial expm1 log1p exp2 log2 log10 hypot Heaviside Max Min And Or Not Xor ITE Implies"
    " harmonic uppergamma lowergamma betainc betainc_regularized FallingFactorial erf2 erf2inv li KroneckerDelta"
    " SingularityFunction factorial2"
)


def _of_records() -> dict[str, str]:
    """The operations that are a call of one of SymPy's classes on their operands in order, by the class."""
    found = {}
    for op in OPS.values():
        operands = ", ".join(([op.payload] if op.payload else []) + list(OPERAND_NAMES[: len(op.kinds or "")]))
        call = re.fullmatch(r"(\w+)\((.*)\)", op.sympy or "")
        if call and call[2] == operands and not op.hidden and call[1] not in HELPERS:
            found[call[1]] = op.name
    return found


CLASSES = (
    _of_records()
    | {name: name for name in _SAME_NAMES.split()}
    | {"jn": "spherical_jn", "yn": "spherical_yn", "RisingFactorial": "poch", "Sqrt": "sqrt", "Cbrt": "cbrt"}
)
"""SymPy's classes whose objects are calls of a function of the language with the same arguments."""


@functools.cache
def namespace() -> dict[str, object]:
    """What the texts in the records' `sympy` fields mean."""
    import sympy

    names: dict[str, object] = {name: getattr(sympy, name) for name in sympy.__all__}
    return names | HELPERS


@functools.cache
def sympy_function(op: Op) -> Callable[..., Any]:
    """An operation as a function of SymPy expressions: its operands, after the number that it carries."""
    operands = ", ".join(([op.payload] if op.payload else []) + list(OPERAND_NAMES[: len(op.kinds or "")]))
    made: Callable[..., Any] = eval(f"lambda {operands}: {op.sympy}", dict(namespace()))  # a text of a record's
    return made
