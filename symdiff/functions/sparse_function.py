"""Functions whose values are sparse matrices: the structure is fixed, a call computes the entries."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from symdiff.content import integer, items, printable, refuse
from symdiff.dataclass import dataclass
from symdiff.differentiate.sparse.pattern import Indices, Pattern
from symdiff.errors import ArgumentError, CallError, ShapeError
from symdiff.functions.cases import unknown
from symdiff.functions.compiled import CompiledFunction
from symdiff.functions.exchange import Exchange
from symdiff.functions.function import Function
from symdiff.signature import listed_parameters
from symdiff.version import VERSION

FORMATS = ("csr", "csc", "coo")


@dataclass(frozen=True, slots=True)
class MatrixLayout:
    """A pattern in a format, in whose order the values are.

    Attributes
    ----------
    pattern : the entries, of the transpose for "csc".
    """

    pattern: Pattern
    format: str

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the matrix."""
        height, width = self.pattern.shape
        return (width, height) if self.format == "csc" else (height, width)

    def array(self, data: Any) -> Any:
        """The `scipy.sparse` array with these values."""
        from scipy import sparse

        pattern = self.pattern
        if self.format == "coo":
            made = sparse.coo_array((data, (_fixed(pattern.rows), pattern.columns)), shape=self.shape)
            made.has_canonical_format = True
            return made
        kind = sparse.csr_array if self.format == "csr" else sparse.csc_array
        made = kind((data, pattern.columns, pattern.starts), shape=self.shape)
        made.indices, made.indptr = pattern.columns, pattern.starts  # SciPy takes views, by which nothing is known
        made.has_sorted_indices = made.has_canonical_format = True
        return made

    def wrapper(self) -> Callable[[Any], Any]:
        """What makes the sparse array of values, without SciPy's checks: the structure was checked once."""
        template = self.array(np.zeros(len(self.pattern)))
        kind: Any = type(template)
        fields = dict(getattr(template, "__dict__", {}))
        if "data" not in fields:
            return self.array
        new: Callable[[Any], Any] = kind.__new__

        def wrap(data: Any) -> Any:
            made = new(kind)
            own = made.__dict__
            own.update(fields)
            own["data"] = data
            return made

        return wrap

    def has_structure_of(self, other: Any) -> bool:
        """Whether the entries of a sparse array stand in these places, in this order."""
        if getattr(other, "format", None) != self.format or other.shape != self.shape:
            return False
        pattern = self.pattern
        if self.format == "coo":
            return all(map(np.array_equal, other.coords, (pattern.rows, pattern.columns)))
        pairs = ((other.indices, pattern.columns), (other.indptr, pattern.starts))
        return all(one is two or np.array_equal(one, two) for one, two in pairs)


def _fixed(array: Indices) -> Indices:
    array.flags.writeable = False
    return array


class SparseFunction(Exchange):
    """A function whose value is a sparse matrix, made by `sparse_jacobian` and `sparse_hessian`.

    A call gives a `scipy.sparse` array; all of them share the arrays of indices, which are read-only. With ``out=`` the
    entries of one, or an array of them, are overwritten in place.

    Attributes
    ----------
    values : the Function of the entries alone, a vector, which takes batches too.
    layout : where they are.
    """

    def __init__(self, name: str, values: Function | CompiledFunction, layout: MatrixLayout) -> None:
        self.__name__ = name
        self.values = values
        self.layout = layout
        self._wrap: Callable[[Any], Any] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """The shape of the matrix."""
        return self.layout.shape

    @property
    def format(self) -> str:
        """The format of the matrix: "csr", "csc" or "coo"."""
        return self.layout.format

    @property
    def nnz(self) -> int:
        """How many entries there are."""
        return len(self.layout.pattern)

    @property
    def rows(self) -> Indices:
        """The row of each entry, in the order of `values`."""
        pattern = self.layout.pattern
        return pattern.columns if self.format == "csc" else pattern.rows

    @property
    def columns(self) -> Indices:
        """The column of each entry, in the order of `values`."""
        pattern = self.layout.pattern
        return pattern.rows if self.format == "csc" else pattern.columns

    @property
    def sparsity(self) -> Any:
        """Where entries can be other than 0, a `scipy.sparse` array of bool."""
        return self.layout.array(np.ones(self.nnz, bool))

    def __repr__(self) -> str:
        height, width = self.shape
        listed = listed_parameters(self.values.arguments)
        return f"<SparseFunction {self.__name__}({listed}) -> {height}×{width} {self.format}, {self.nnz} entries>"

    def __str__(self) -> str:
        return str(self.values)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.values)

    def __call__(self, *args: Any, out: Any = None, **keywords: Any) -> Any:
        """The matrix at a point."""
        if out is not None:
            return self._into(out, args, keywords)
        data = self.values(*args, **keywords)
        if type(data) is not np.ndarray or data.ndim != 1:
            raise self._refusal(data)
        wrap = self._wrap
        if wrap is None:
            wrap = self._wrap = self.layout.wrapper()
        return wrap(data)

    def _into(self, out: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """A call that overwrites the entries of a matrix, or an array of entries."""
        data = out if isinstance(out, np.ndarray) else getattr(out, "data", None)
        if not isinstance(data, np.ndarray) or data.shape != (self.nnz,):
            raise CallError(
                f"{self.__name__}: out= takes a sparse array that a call gave, or an array of {self.nnz} entries"
            )
        if data is not out and not self.layout.has_structure_of(out):
            raise CallError(f"{self.__name__}: out= is no {self.format} array with these entries")
        try:
            self.values(*args, out=data, **keywords)
        except ShapeError as error:
            hint = f"it computes one matrix; {self.__name__}.values(…) takes batches"
            raise ShapeError(error.message, hint=hint) from None
        return out

    def _refusal(self, data: Any) -> CallError:
        if isinstance(data, np.ndarray):
            return CallError(
                f"{self.__name__}: a batch of sparse matrices",
                hint=f"{self.__name__}.values(…) gives the entries of all, of shape {data.shape}",
            )
        return CallError(
            f"{self.__name__}: {type(data).__name__} is no sparse matrix",
            hint="call its values(…) with expressions: they are a vector of its entries",
        )

    def to_bytes(self, calls: list[Any] | None = None, code: bool | str | Sequence[str] = False) -> bytes:
        """The function of the entries, and where they are, as bytes that `symdiff.load` reads from a file.

        `calls` gets the Python functions that it calls; None refuses these. `code`: with machine code.
        """
        pattern, storage = self.layout.pattern, self._storage
        content = {
            "symdiff": VERSION,
            "kind": storage.SPARSE,
            "name": self.__name__,
            "format": self.format,
            "shape": list(pattern.shape),
            "entries": self.nnz,
            "definitions": [],
        }
        places = b"".join([a.astype("<i8").tobytes() for a in (pattern.starts, pattern.columns)])
        return storage.closed(content, places + storage.to_bytes(self.values, calls, code))  # type: ignore[no-any-return]

    def save(self, path: str | os.PathLike[str], *, code: bool | str | Sequence[str] = False) -> None:
        """Write the function to a file that `symdiff.load` reads; `code`: with machine code, as `Function.save`.

        Raises
        ------
        OSError
            Where the file cannot be written.
        StorageError
            Where the code cannot be kept.
        """
        self._storage.write(self.to_bytes(code=code), path)

    def __reduce__(self) -> tuple[Any, ...]:
        calls: list[Any] = []
        return self._storage.loads, (self.to_bytes(calls), *calls)

    def compile(self, **options: Any) -> SparseFunction:
        """The same with native code made now; options as for `Function.compile`."""
        if isinstance(self.values, CompiledFunction):
            raise ArgumentError(f"{self.__name__} is compiled already")
        return SparseFunction(self.__name__, self.values.compile(**options), self.layout)

    def specialize(self, *args: Any, **keywords: Any) -> SparseFunction:
        """Itself, as `Function.specialize` gives a function for the shapes of arguments."""
        return self

    def c(
        self, *others: Any, names: Sequence[str] | None = None, fp: str = "contract", dtype: str | None = None
    ) -> str:
        """A C99 file, as `Function.c` writes it, with a function of the entries by columns and one that tells where."""
        values = self.values
        if isinstance(values, CompiledFunction):
            raise ArgumentError(f"{self.__name__} is compiled", hint="ask the function that it was made from")
        return self._sources.c_text(self, *others, names=names, fp=fp, dtype=dtype)  # type: ignore[no-any-return]

    def python(self, xp: str = "numpy") -> str:
        """A Python module with this function, whose values are SciPy's sparse arrays; see `Function.python`."""
        if isinstance(self.values, CompiledFunction):
            raise ArgumentError(f"{self.__name__} is compiled", hint="ask the function that it was made from")
        return self._sources.sparse_python_text(self, xp)  # type: ignore[no-any-return]

    def _default(self) -> CompiledFunction:
        return self.values if isinstance(self.values, CompiledFunction) else self.values._default()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in SHARED:
            raise AttributeError(f"a SparseFunction has no attribute {name!r}", name=name, obj=self)
        return getattr(self.values, name)


_SHARED = "arguments inputs names graph nodes stats explain ssa latex dot llvm llvm_ir assembly wait"
SHARED = frozenset(_SHARED.split())
"""What a sparse function has of the function of its entries."""


LARGEST_SIDE = 2**40


def read_sparse(content: Mapping[str, Any], arrays: memoryview, from_bytes: Callable[[bytes], Any]) -> SparseFunction:
    """The function that `SparseFunction.to_bytes` wrote; `from_bytes` reads the one of its entries.

    Raises
    ------
    StorageError
        For anything else.
    """
    height, width = (integer(n, 0, LARGEST_SIDE, "the shape") for n in items(content.get("shape"), "the shape", 2))
    count = integer(content.get("entries"), 0, LARGEST_SIDE, "the number of entries")
    rest = 8 * (height + 1 + count)
    if content.get("format") not in FORMATS or len(arrays) < rest:
        raise refuse("its format or its entries are missing")
    starts = np.frombuffer(arrays[: 8 * (height + 1)], "<i8")
    columns = np.frombuffer(arrays[8 * (height + 1) : rest], "<i8")
    if starts[0] != 0 or starts[-1] != count or np.any(np.diff(starts) < 0):
        raise refuse("its rows are not those of a matrix")
    if count and (columns.min() < 0 or columns.max() >= width):
        raise refuse("a column is out of range")
    pattern = Pattern.of_counts((height, width), np.diff(starts), columns)
    if np.any((np.diff(columns) <= 0) & (np.diff(pattern.rows) == 0)):
        raise refuse("its columns are not in order")
    values = from_bytes(bytes(arrays[rest:]))
    if not isinstance(values, Function | CompiledFunction) or _shapes(values) != [(count,)]:
        raise refuse("its values are no vector of its entries")
    layout = MatrixLayout(pattern, content["format"])
    return SparseFunction(printable(content.get("name"), "a function"), values, layout)


def _shapes(values: Function | CompiledFunction) -> list[Any]:
    """The shapes of what a function gives; none where each call fixes them."""
    source = values.origin[0] if isinstance(values, CompiledFunction) and values.origin else values
    return [t.shape for t in source.types] if isinstance(source, Function) and source._cases is None else []


Wrt = str | list[str] | None


class OpenSparseFunction(SparseFunction):
    """A function whose value is a sparse matrix whose shape the arguments of each call fix.

    Attributes
    ----------
    function : what is differentiated.
    transform, wrt, options : "sparse_jacobian" or "sparse_hessian", by what, and its other arguments.
    """

    def __init__(
        self,
        name: str,
        function: Function,
        transform: str,
        wrt: Wrt,
        options: Mapping[str, str],
        make: Callable[..., SparseFunction],
    ) -> None:
        self.__name__, self.function, self._make = name, function, make
        self.transform, self.wrt, self.options = transform, wrt, dict(options)
        self._made: WeakKeyDictionary[Function, SparseFunction] = WeakKeyDictionary()

    @property
    def layout(self) -> MatrixLayout:  # type: ignore[override]
        """The structure.

        Raises
        ------
        ShapeError
            As it is known at each call only.
        """
        raise unknown(self.__name__, self.function.arguments)

    def __repr__(self) -> str:
        return f"<SparseFunction {self.__name__}({listed_parameters(self.function.arguments)}), shapes known at a call>"

    def __str__(self) -> str:
        return repr(self)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self.function)

    def to_bytes(self, calls: list[Any] | None = None, code: bool | str | Sequence[str] = False) -> bytes:
        """How it is made, as bytes that `symdiff.load` reads from a file."""
        content = {
            "symdiff": VERSION,
            "kind": self._storage.SPARSE,
            "name": self.__name__,
            "transform": self.transform,
            "wrt": self.wrt,
            "options": self.options,
            "definitions": [],
        }
        return self._storage.closed(content, self._storage.to_bytes(self.function, calls, code))  # type: ignore[no-any-return]

    def specialize(self, *args: Any, **keywords: Any) -> SparseFunction:
        """The function for the shapes of these arguments, of which the structure is known."""
        made = self.function.specialize(*args, **keywords)
        found = self._made.get(made)
        if found is None:
            found = self._made[made] = self._make(self.transform, made, self.wrt, self.__name__, self.options)
        return found

    def __call__(self, *args: Any, out: Any = None, **keywords: Any) -> Any:
        """The matrix at a point."""
        return self.specialize(*args, **keywords)(*args, out=out, **keywords)

    def values(self, *args: Any, **keywords: Any) -> Any:  # type: ignore[override]
        """The entries of the matrix at a point."""
        return self.specialize(*args, **keywords).values(*args, **keywords)

    def compile(self, **options: Any) -> SparseFunction:
        """Refused: code is made for certain shapes.

        Raises
        ------
        ShapeError
            Always.
        """
        raise unknown(self.__name__, self.function.arguments)

    def __getattr__(self, name: str) -> Any:
        if name in SHARED:
            raise unknown(self.__name__, self.function.arguments)
        return super().__getattr__(name)
