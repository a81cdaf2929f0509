"""Functions of numbers that give arrays, of values with labels: Series, DataArrays, Datasets, lazy arrays of Dask.

Where results are numbers, each library answers by its own ufunc protocol. Gradients have an axis more: in pandas it
becomes columns, in xarray a dimension, both with the names that the derivative is by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symdiff.errors import CallError
from symdiff.trees import Structure, arrange

Kinds = Sequence[tuple[tuple[int, ...], Any]]
"""The shape and the type of each result at one point."""


def answer(call: Any, values: Sequence[Any], foreign: set[int], kinds: Kinds, structure: Structure) -> Any:
    """What a call gives of values of which those at `foreign` have labels or chunks.

    Raises
    ------
    CallError
        Where they are of several libraries, and for frames.
    """
    libraries = {type(values[k]).__module__.partition(".")[0] for k in foreign}
    if "xarray" in libraries:
        flat = _by_xarray(call, values, kinds)
    elif libraries == {"pandas"}:
        flat = _by_pandas(call, values, foreign, kinds)
    elif libraries == {"dask"}:
        flat = _by_dask(call, values, kinds)
    else:
        raise CallError(f"{call.__name__} got values of {' and '.join(sorted(libraries))}", hint="pass those of one")
    return arrange(structure, flat)


def _flat(found: Any) -> list[Any]:
    """The results one by one."""
    if isinstance(found, dict):
        found = tuple(found.values())
    return [leaf for part in found for leaf in _flat(part)] if isinstance(found, tuple | list) else [found]


def _labels(call: Any, shape: tuple[int, ...]) -> list[tuple[str, ...] | None]:
    """The names that each axis of a result goes through; None where it has none."""
    given = list(call.binder.labels)[-len(shape) :] if shape else []
    padded = [None] * (len(shape) - len(given)) + given
    return [names if names and len(names) == n else None for names, n in zip(padded, shape, strict=True)]


def _by_pandas(call: Any, values: Sequence[Any], foreign: set[int], kinds: Kinds) -> list[Any]:
    """A Series of each number, a frame of each array, by the union of the indices, as ufuncs of Series have it."""
    import pandas as pd

    for k in foreign:
        if not isinstance(values[k], pd.Series):
            raise call.binder.refusal(k, values[k])
    series = [values[k] for k in sorted(foreign)]
    index = series[0].index
    for other in series[1:]:
        index = index if index.equals(other.index) else index.union(other.index)
    arrays = list(values)
    for k in foreign:
        own = values[k] if values[k].index.equals(index) else values[k].reindex(index)
        arrays[k] = own.to_numpy(np.float64, na_value=np.nan)
    names = {s.name for s in series}
    name = names.pop() if len(names) == 1 else None
    results: list[Any] = []
    for found, (shape, _) in zip(_flat(call(*arrays)), kinds, strict=True):
        if not shape:
            results.append(pd.Series(found, index, name=name))
            continue
        axes = [names or range(n) for names, n in zip(_labels(call, shape), shape, strict=True)]
        columns = pd.Index(axes[0]) if len(axes) == 1 else pd.MultiIndex.from_product(axes)
        results.append(pd.DataFrame(np.reshape(found, (len(index), -1)), index, columns))
    return results


def _by_xarray(call: Any, values: Sequence[Any], kinds: Kinds) -> list[Any]:
    """By names of dimensions; the axes of results become dimensions after those, called as the function."""
    import xarray as xr

    options = xr.get_options()
    dims = [[f"{call.__name__}_{axis}" for axis in range(len(shape))] for shape, _ in kinds]
    sizes = {d: n for own, (shape, _) in zip(dims, kinds, strict=True) for d, n in zip(own, shape, strict=True)}
    found = xr.apply_ufunc(
        lambda *arrays: tuple(_flat(call(*arrays))) if len(kinds) > 1 else _flat(call(*arrays))[0],
        *values,
        output_core_dims=dims,
        join=options["arithmetic_join"],
        dataset_join=options["arithmetic_join"],
        dataset_fill_value=np.nan,
        keep_attrs=options["keep_attrs"] is not False,
        dask="parallelized",
        output_dtypes=[dtype for _, dtype in kinds],
        dask_gufunc_kwargs={"output_sizes": sizes},
    )
    results = list(found) if len(kinds) > 1 else [found]
    for k, (own, (shape, _)) in enumerate(zip(dims, kinds, strict=True)):
        names = {d: list(n) for d, n in zip(own, _labels(call, shape), strict=True) if n}
        results[k] = results[k].assign_coords(names) if names else results[k]
    return results


def _by_dask(call: Any, values: Sequence[Any], kinds: Kinds) -> list[Any]:
    """Lazy, chunk by chunk."""
    from dask.array import apply_gufunc

    letters = [",".join(f"o{k}_{axis}" for axis in range(len(shape))) for k, (shape, _) in enumerate(kinds)]
    signature = ",".join("()" for _ in values) + "->" + ",".join(f"({own})" for own in letters)
    sizes = {f"o{k}_{axis}": n for k, (shape, _) in enumerate(kinds) for axis, n in enumerate(shape)}
    several = len(kinds) > 1
    found = apply_gufunc(
        lambda *arrays: tuple(_flat(call(*arrays))) if several else _flat(call(*arrays))[0],
        signature,
        *values,
        output_dtypes=[dtype for _, dtype in kinds] if several else kinds[0][1],
        output_sizes=sizes,
    )
    return list(found) if several else [found]
