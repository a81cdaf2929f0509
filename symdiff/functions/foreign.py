"""Values of other libraries: which of them answer calls themselves, and what is said of those that are no numbers.

An object with a `__array_ufunc__` of its own has labels, units or a plan beside its numbers, and NumPy asks it what a
ufunc of it is. To take its numbers by position would lose what it knows.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

NUMBERS = frozenset((float, int, bool, np.float64, np.float32, np.int64, np.int32, np.bool_, np.ndarray, list, tuple))
"""Types that everybody knows."""

NUMERIC = (float, int, np.number, np.bool_)

_WRITE = {
    "pandas": "x.to_numpy()",
    "polars": "x.to_numpy()",
    "xarray": "x.values",
    "dask": "x.compute()",
    "pint": "x.to(unit).magnitude",
    "astropy": "x.to_value(unit)",
    "unyt": "x.to_value(unit)",
    "scipy": "A.toarray(): matrices are dense here, not sparse",
    "sparse": "A.todense()",
    "torch": "x.numpy()",
    "cupy": "x.get()",
    "numpy": "x.filled(0.0), or numbers of your choice in the masked places",
}
"""How the numbers of an object are taken, by the module of its type."""


def answers_itself(kind: Any) -> bool:
    """Whether ufuncs of objects of a type are the type's own matter.

    One with `__dlpack__` and without a ufunc protocol is a plain block of numbers, such as a tensor.
    """
    return kind not in NUMBERS and _answers_itself(kind)


@functools.lru_cache(maxsize=512)
def _answers_itself(kind: Any) -> bool:
    if issubclass(kind, np.generic):
        return False
    own = getattr(kind, "__array_ufunc__", np.ndarray)
    if own is not np.ndarray:
        return own is not np.ndarray.__array_ufunc__
    return hasattr(kind, "__array_priority__") and not hasattr(kind, "__dlpack__")


def has_protocol(kind: Any) -> bool:
    """Whether NumPy hands ufuncs to objects of a type."""
    return getattr(kind, "__array_ufunc__", None) is not None


def has_labels(kind: Any) -> bool:
    """Whether objects of a type have labels or chunks that results of more axes can have, too."""
    return kind.__module__.partition(".")[0] in ("pandas", "xarray", "dask")


def entry_of(value: Any) -> Any:
    """The first entry of a nested list that is not to be taken by position: it answers itself, or has a mask."""
    stack = [value] if isinstance(value, list | tuple) else []
    while stack:
        item = stack.pop()
        kinds = set(map(type, item))
        if kinds <= NUMBERS and list not in kinds and tuple not in kinds:
            continue
        for entry in item:
            kind = type(entry)
            if isinstance(entry, list | tuple):
                stack.append(entry)
            elif kind not in NUMBERS and (answers_itself(kind) or np.ma.is_masked(entry)):
                return entry
    return None


def is_number_like(value: Any) -> bool:
    """Whether a value may be a number or an array: what it holds is seen where it is converted."""
    kind = type(value)
    return kind in NUMBERS or any(
        hasattr(kind, n) for n in ("__array__", "__float__", "__index__", "__dlpack__", "shape")
    )


def describe_foreign(value: Any) -> tuple[str, str]:
    """What a value that is no number is, in words, and how its numbers are given instead."""
    if value is None:
        return "None", "give a number, or nan for one that is missing"
    kind = type(value)
    module = kind.__module__.partition(".")[0]
    what = f"a {kind.__qualname__}" if module in ("builtins", "__main__") else f"a {module} {kind.__qualname__}"
    if module == "scipy" and "sparse" in kind.__module__:
        what = f"a sparse matrix ({kind.__qualname__})"
    if answers_itself(kind) or module in ("scipy", "numpy"):
        return what, f"pass {_WRITE.get(module, 'np.asarray(x)')}"
    if isinstance(value, dict):
        return "a dict", 'a parameter of a Python function takes one where it is declared so: shapes={"x": {"a": 3}}'
    if isinstance(value, str | bytes):
        return f"a text ({value[:20]!r})", "pass a number, such as float(x)"
    if hasattr(kind, "__float__"):
        return what, "pass float(x)"
    return what, "pass a number, or an array of numbers"


def culprit(values: Sequence[Any]) -> Any:
    """The first of some values that is no number."""
    return next((v for v in values if not isinstance(v, NUMERIC)), None)
