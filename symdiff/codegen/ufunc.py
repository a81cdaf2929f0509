"""NumPy ufuncs from machine code, through NumPy's C API as its capsule gives it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np

from symdiff.codegen.layout import Layout, operand_limit
from symdiff.codegen.many import Many
from symdiff.errors import CompileError
from symdiff.native.calls import UfuncForm, bind_ufunc


def make_ufunc(layout: Layout, loop: int, data: int, name: str, doc: str, owned: Sequence[object]) -> np.ufunc:
    """A ufunc, generalized where a core is not a scalar, of the loop at an address.

    It holds `owned` (and with it the machine code) until it is freed. Where there are more operands than a ufunc can
    have, something else that is called in the same way.

    Raises
    ------
    CompileError
        Where this NumPy does not give its C API.
    """
    form = ufunc_form(layout)
    if form is None:
        return cast(np.ufunc, Many(layout, loop, data, name, owned))
    made = bind_ufunc(form, loop, data, name, doc, owned)
    if made is None:
        raise CompileError("this NumPy does not give its C API for ufuncs")
    return made


def ufunc_form(layout: Layout) -> UfuncForm | None:
    """The operands of a ufunc; None where there are more than it can have."""
    if len(layout.operands) > operand_limit():
        return None
    signature = None if layout.scalar and layout.inputs else layout.signature
    return UfuncForm(layout.types, len(layout.inputs), len(layout.outputs), signature)
