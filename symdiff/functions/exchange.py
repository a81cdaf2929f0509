"""What functions offer to those outside this process or this language: files, pickles, C."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from symdiff.errors import NotYet, ShapeError
from symdiff.loading import load_module

if TYPE_CHECKING:
    from pathlib import Path

    from symdiff.functions.compiled import CompiledCase


class Exchange:
    """The part of `Function` and `CompiledFunction` that saves them and hands them to C."""

    __slots__ = ()
    has_grad: ClassVar[bool] = False
    has_hessian: ClassVar[bool] = False
    """Whether `grad` and `hessian` are derivatives at a point: iminuit asks. They are functions that make functions."""

    @property
    def _storage(self) -> Any:
        """The module that reads and writes functions of all kinds, and is therefore above them."""
        return load_module("symdiff.functions.storage")

    @property
    def _texts(self) -> Any:
        """The module that writes functions, which is loaded when one is written."""
        from symdiff.functions import texts

        return texts

    @property
    def _sources(self) -> Any:
        """The module that writes functions in other languages."""
        from symdiff.functions import source_texts

        return source_texts

    def save(self, path: str | os.PathLike[str], *, code: bool | str | Sequence[str] = False) -> None:
        """Write the function to a file that `symdiff.load` reads: formula, signature and options.

        With `code`, also its machine code for this machine, which `symdiff.load(path, code=True)` uses where it fits;
        or for those that are named: "native" (this one), "x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4" with this
        system's C library; "x86_64-linux" (or "x86_64-v3-linux", …), "aarch64-linux", "riscv64-linux" with any GNU C
        library since 2.28.

        Raises
        ------
        OSError
            Where the file cannot be written.
        StorageError
            Where the code cannot be kept: for arrays of any size, and elsewhere than on Linux.

        Examples
        --------
        >>> import os, tempfile, symdiff as sd
        >>> path = os.path.join(tempfile.mkdtemp(), "f.symdiff")
        >>> f = sd.grad("f(x, y) = x**2*y")
        >>> f.save(path, code=["native", "x86-64-v3", "aarch64-linux"])
        >>> sd.load(path, code=True)(3.0, 2.0)
        array([12.,  9.])
        """
        self._storage.save(self, path, code)

    def emit(
        self,
        path: str | os.PathLike[str],
        *,
        kinds: str | Sequence[str] = ("a", "h"),
        name: str | None = None,
        **options: Any,
    ) -> tuple[Path, ...]:
        """Write the function as a library that runs without Python: `symdiff.emit` of it, with the same options.

        `name` is the function's name in C, and the library's.

        Examples
        --------
        >>> import symdiff as sd, tempfile
        >>> f = sd.function("energy(x, y) = x**2*y")
        >>> [p.name for p in f.emit(tempfile.mkdtemp(), kinds=("o", "h"))]
        ['energy.o', 'energy.h']
        """
        emit = load_module("symdiff.ship.emit").emit  # of a later room, which takes functions of all kinds
        made: tuple[Path, ...] = emit(self if name is None else {name: self}, path, kinds=kinds, **options)
        return made

    def _emitted_text(self, kind: str) -> str:
        """What the file of a kind says for this function alone."""
        return str(load_module("symdiff.ship.emit").emitted_text(self, kind))

    @property
    def address(self) -> int:
        """The C function `int f(const void *const *in, void *const *out, void *work)`; it lives as long as this.

        The arrays it takes are told in docs/c-abi.md; 0 is success.
        """
        return int(self._native().kernel.address)

    @property
    def ctypes(self) -> Any:
        """The C function at `address` as a function of Python's ctypes, which keeps the machine code alive."""
        from symdiff.functions.c_callables import as_ctypes

        try:
            native = self._native()
        except ShapeError as error:  # libraries look whether functions have this attribute
            raise NotYet(error.message, hint=error.hint, place=error.place) from None
        return as_ctypes(native)

    def low_level_callable(self) -> Any:
        """The function as a `scipy.LowLevelCallable`: `quad`, `dblquad`, `nquad` call it without Python in between.

        All inputs, packed vectors taken apart, are one array of numbers in call order, of which the integrators vary
        the first and take the others from `args`.

        Raises
        ------
        ArgumentError
            Where the function does not take float64 numbers and give one.

        Examples
        --------
        >>> import symdiff as sd
        >>> from scipy.integrate import quad
        >>> f = sd.function("f(x, a) = a*x**2")
        >>> value, error = quad(f.low_level_callable(), 0, 1, args=(3.0,))
        >>> round(value, 12)
        1.0
        """
        from symdiff.functions.c_callables import low_level_callable

        return low_level_callable(self._native())

    def _native(self) -> CompiledCase:
        return cast("CompiledCase", getattr(self, "_default", lambda: self)())

    def _sympy_(self) -> Any:
        return load_module("symdiff.interop.sympy").sympified(self)  # of a later room

    def __reduce__(self) -> tuple[Any, ...]:
        return cast("tuple[Any, ...]", self._storage.reduce_function(self))

    def __copy__(self) -> Self:
        return self  # nothing of it changes

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()
