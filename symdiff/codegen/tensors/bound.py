"""Kernels of programs with open sizes: machine code once, and a layout of operands for the sizes of each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from symdiff.codegen.kernel import Options
from symdiff.codegen.module import Module, Statistics
from symdiff.codegen.tensors.kernel import Guarded, TensorKernel
from symdiff.errors import CompileError
from symdiff.native.calls import make_ufunc
from symdiff.sizes import Sizes
from symdiff.types import TensorType, tensor

if TYPE_CHECKING:
    from symdiff.codegen.target import Target
    from symdiff.optimize.program import TensorProgram


class OpenKernel(TensorKernel):
    """Code that computes the sizes of its loops and arrays when it runs; only `bound` ones of it are called.

    Attributes
    ----------
    sizes : what the code takes for granted about the sizes.
    """

    def __init__(self, program: TensorProgram, options: Options) -> None:
        found = program.plan.sizes
        assert found is not None
        self.sizes: Sizes = found
        super().__init__(program, options)

    def _write(self, opt: int, target: Target | None = None) -> tuple[Module, Statistics]:
        written = super()._write(opt, target)
        if self.sizes.fixed:
            raise CompileError(f"the code needs numbers for {', '.join(self.sizes.fixed)}")
        return written

    @property
    def bytes(self) -> int:
        """About how much memory the code takes."""
        return self._code.bytes

    def types_at(self, values: Mapping[str, int]) -> tuple[list[TensorType], list[TensorType]]:
        """The types of the operands and of the results for some sizes."""

        def known(types: Sequence[TensorType]) -> list[TensorType]:
            return [tensor(t.dtype, tuple(self.sizes.number(n, values) for n in t.shape)) for t in types]

        return known(self.program.inputs), known(self.program.types)

    def bound(self, values: Mapping[str, int]) -> BoundKernel:
        """The kernel for sizes for which all facts hold."""
        return BoundKernel(self, values)


class BoundKernel(TensorKernel):
    """The code of an `OpenKernel` for some sizes, which it is given at each call."""

    def __init__(self, of: OpenKernel, values: Mapping[str, int]) -> None:
        inputs, types = of.types_at(values)
        self._begin(inputs, types, of.options, lambda: of.program)
        self.opt, self.may_fail, self.calls_python = of.opt, of.may_fail, of.calls_python

        def number(size: Any) -> int:
            return of.sizes.number(size, values)

        own = of.statistics
        self.statistics = replace(own, instructions=number(own.instructions), workspace=number(own.workspace))
        self._code, self._call = of._code, None
        self._values = np.array([values[name] for name in of.sizes.values], np.int64)

    def _made(self, loop: int) -> np.ufunc:
        owned = [self._code, self._values]
        made = make_ufunc(self.layout, loop, self._values.ctypes.data, self.options.name, self.options.doc, owned)
        return self._raising(cast(np.ufunc, Guarded(made, self.layout)) if self.may_fail else made)

    @property
    def address(self) -> int:
        """There is none: the code is given its sizes.

        Raises
        ------
        CompileError
            Always.
        """
        raise CompileError("code for many sizes has no plain C function", hint="specialize the function")
