"""Dask: sums over more data than one machine holds, and functions of lazy arrays.

Nothing here is imported, and no cluster started, before somebody asks for it.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError, ClusterError, ShapeError, SymdiffError
from symdiff.functions.build import function
from symdiff.functions.function import Function
from symdiff.interop.sharded import Lost, Objective, Shards, Shipped, function_here, function_of_shard, shipped
from symdiff.signature import Argument
from symdiff.trees import arrange
from symdiff.types import fixed, show

TICK = 1.0
"""After so many seconds without a result somebody looks whether there are workers at all."""

SENT_WITH_TASKS = 4096
"""Parameters of up to so many bytes go with every task; larger ones to each worker once."""


def sum_over(fun: Any, shards: Any, wrt: Any = None, *, client: Any = None, patience: float = 60.0) -> Objective:
    """The sum of a function over shards of data on the workers of a cluster, with its derivatives.

    The data is sent to the workers once, the function as a formula of a few hundred bytes, which each worker compiles
    once; results are added in a tree fixed by the numbers of the shards: the same bits at every call. Where workers are
    lost, their tasks are done elsewhere, and data that was sent from here is sent again.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes, whose value is one number: first the parameters, then the parts
        of a shard.
    shards : a list, each entry the parts of one shard: an array, a tuple of arrays and numbers, a `Delayed`, or a
        future that has one of these on the workers already. Or Dask arrays in a tuple, whose chunks along the first
        axis are shards. Or the `shards` of another objective.
    wrt : what derivatives are taken by, as for `grad`. By default the parameters: one as it is, several as a tuple.
    client : a `distributed.Client`; by default the one that was made last.
    patience : so many seconds it waits while there is no worker at all, or no answer from the scheduler.

    Raises
    ------
    ArgumentError
        Where there is no client, or there are no shards.
    ClusterError
        Where workers are lost with what cannot be made again; from a call, too.
    DifferentiationError, ShapeError
        For a function whose value is not one number.

    Examples
    --------
    >>> import numpy as np
    >>> from distributed import Client
    >>> from scipy.optimize import minimize
    >>> from symdiff.interop.dask import sum_over
    >>> client = Client(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None)
    >>> x = np.linspace(0.0, 1.0, 12)
    >>> shards = [(part, 3*part - 1) for part in np.split(x, 3)]
    >>> line = sum_over("f(p[2], x[n], y[n]) = sum((y - p[0]*x - p[1])**2)", shards)
    >>> line
    <Objective: f summed over 3 shards>
    >>> found = minimize(line.value_and_grad, [0.0, 0.0], jac=True, hessp=line.hvp, method="trust-ncg")
    >>> found.x.round(6)
    array([ 3., -1.])
    >>> client.close()
    """
    f = function_of_shard(fun, wrt)
    if isinstance(shards, Shards):
        return Objective(shards.cluster, f, shards, wrt)
    cluster = DaskCluster(_client(client), patience)
    return Objective(cluster, f, cluster.shards(shards), wrt)


def _client(client: Any) -> Any:
    if client is None:
        from distributed import get_client

        try:
            client = get_client()
        except ValueError:
            raise ArgumentError(
                "there is no Dask client", hint="client = distributed.Client() starts workers on this machine"
            ) from None
    if getattr(client, "asynchronous", True):
        raise ArgumentError(f"{client!r} is no client that waits for results", hint="distributed.Client(address)")
    return client


def dumps(value: Any) -> bytes:
    """The pickle of a value, of Python functions that it holds too."""
    import cloudpickle  # which Dask needs, so it is there

    return bytes(cloudpickle.dumps(value))


def _same(value: Any) -> Any:
    return value


class DaskCluster:
    """The workers that a Dask client has."""

    def __init__(self, client: Any, patience: float) -> None:
        self.client, self.patience = client, patience
        self._name = f"symdiff-{uuid.uuid4().hex}"
        self._count = itertools.count()

    def _key(self) -> str:
        return f"{self._name}-{next(self._count)}"

    def dumps(self, value: Any) -> bytes:
        """The pickle of a value, of Python functions that it holds too."""
        return dumps(value)

    def fingerprint(self, value: Any) -> str:
        """A text that is the same for the same value only."""
        from dask.base import tokenize

        return str(tokenize(value))

    def shards(self, given: Any) -> Shards:
        """Shards of what a user gives."""
        if hasattr(given, "to_delayed"):
            given = (given,)
        if isinstance(given, tuple) and given and all(hasattr(g, "to_delayed") for g in given):
            given = _chunks(given)
        from dask import is_dask_collection
        from distributed import Future

        given = list(given)
        remote = [isinstance(g, Future) or is_dask_collection(g) for g in given]
        if any(remote) and not all(remote):
            raise ArgumentError(
                "some shards are data, others are on workers", hint="client.scatter(data) makes futures"
            )
        if any(remote):
            return Shards(self, [], [g if isinstance(g, Future) else self.client.compute(g) for g in given])
        return Shards(self, given)

    def hold(self, values: Sequence[Any]) -> list[Any]:
        """Send values to workers, evenly: their futures."""
        try:
            found = self.client.scatter({self._key(): v for v in values}, timeout=self.patience)
        except (OSError, TimeoutError) as error:
            raise ClusterError(f"no worker took the shards: {error}", hint="are there workers?") from error
        return list(found.values())

    def is_there(self, reference: Any) -> bool:
        """Whether a future has its value, or will have."""
        return reference.status in ("finished", "pending")

    def keep(self, value: Any) -> Any:
        """A small value as the result of a task, which is done again where it is lost."""
        return self.client.submit(_same, value, key=self._key())

    def each(self, function: Callable[..., Any], references: Sequence[Any], *others: Any) -> list[Any]:
        """A task for each reference; other arguments are the same for all."""
        from dask.sizeof import sizeof

        others = tuple([self.keep(o) if sizeof(o) > SENT_WITH_TASKS else o for o in others])
        name = self._key()
        keys = [f"{name}-{k}" for k in range(len(references))]
        return list(self.client.map(_Applied(function), references, key=keys, others=others))

    def submit(self, function: Callable[..., Any], references: Sequence[Any]) -> Any:
        """One task, which takes the list of what some futures give."""
        return self.client.submit(function, references, key=self._key())

    def result(self, reference: Any) -> Any:
        """Wait for a task; `Lost` and `ClusterError` as `sharded.Cluster` says."""
        from distributed import CancelledError

        alone = None
        while True:
            try:
                return reference.result(timeout=TICK)
            except CancelledError:
                if self.client.status != "running":
                    raise ClusterError("the connection to the scheduler is lost") from None
                raise Lost from None
            except Exception as error:
                if reference.status == "error":
                    if isinstance(error, SymdiffError):
                        raise
                    raise ClusterError(f"a task failed: {type(error).__name__}: {error}") from error
                if not isinstance(error, TimeoutError | OSError):
                    raise ClusterError(f"no result came: {type(error).__name__}: {error}") from error
            if self._has_workers():
                alone = None
                continue
            alone = time.monotonic() if alone is None else alone
            if time.monotonic() - alone > self.patience:
                raise ClusterError(
                    f"there was no worker for {self.patience:g} s",
                    hint="start workers and call again, or give sum_over more patience",
                )

    def _has_workers(self) -> bool:
        try:
            return bool(self.client.sync(self.client.scheduler.ncores, callback_timeout=self.patience))
        except Exception:  # whatever a broken connection raises
            return False


class _Applied:
    """A function with further arguments, which may be futures, given together."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function

    def __call__(self, value: Any, *, others: tuple[Any, ...]) -> Any:
        return self.function(value, *others)


def _chunks(arrays: Sequence[Any]) -> list[Any]:
    """The parts of shards: chunks of Dask arrays along the first axis, as tuples that are made on workers."""
    from dask import delayed

    if any(not getattr(a, "ndim", 0) for a in arrays) or len({a.chunks[0] for a in arrays}) > 1:
        raise ShapeError(
            "the chunks of the arrays do not belong together: "
            + ", ".join(str(getattr(a, "chunks", a)) for a in arrays),
            hint="rechunk them: as many rows in each chunk of one as of the others",
        )
    for a in arrays:
        if any(len(c) > 1 for c in a.chunks[1:]):
            raise ShapeError(
                f"an array has chunks {a.chunks}", hint="x.rechunk({0: rows, 1: -1}): shards are whole rows"
            )
    blocks = [np.ravel(a.to_delayed()) for a in arrays]
    together = delayed(_parts, pure=False)
    return [together(*row) for row in zip(*blocks, strict=True)]


def _parts(*values: Any) -> tuple[Any, ...]:
    return values


def map_blocks(fun: Any, *arrays: Any) -> Any:
    """A function of Dask arrays, lazy and chunk by chunk: what it gives of the whole arrays.

    As in a call, the last axes of an array belong to the argument, as many as it has, and axes before them make a
    batch, which broadcasts. Those of the batch may be cut into chunks in any way, those of the argument are whole.
    Shapes and types are known before anything is computed; each worker compiles the function once.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.
    arrays : Dask arrays, NumPy arrays or numbers, one for each argument.

    Returns
    -------
    A Dask array; several in the structure that the function gives them in.

    Raises
    ------
    ShapeError
        For arguments whose number of axes nobody declared, and where chunks cut an axis of an argument.
    ArgumentError
        For another number of arrays, and functions of trees.

    Examples
    --------
    >>> import dask.array as da
    >>> import symdiff as sd
    >>> from symdiff.interop.dask import map_blocks
    >>> x = da.linspace(0.0, 1.0, 6, chunks=3)
    >>> slopes = map_blocks(sd.grad("f(x, y) = x**2*y"), x, 2.0)
    >>> slopes
    dask.array<transpose, shape=(6, 2), dtype=float64, chunksize=(3, 2), chunktype=numpy.ndarray>
    >>> slopes[-1].compute()
    array([4., 1.])
    """
    from dask.array import apply_gufunc

    f = fun if isinstance(fun, Function) else function(fun)
    if any(a.place is not None for a in f.arguments):
        raise ArgumentError(f"{f.__name__} takes trees", hint="map_blocks is for arrays and numbers")
    if len(arrays) != len(f.arguments):
        raise ArgumentError(f"{f.__name__} takes {len(f.arguments)} arguments, {len(arrays)} were given")
    own = [_own_shape(f, a, v) for a, v in zip(f.arguments, arrays, strict=True)]
    made = f.specialize(*[np.broadcast_to(0.0, shape) for shape in own])
    shapes, dtypes = [fixed(t.shape) for t in made.types], [np.dtype(t.dtype) for t in made.types]
    taken = [[f"i{k}_{j}" for j in range(len(shape))] for k, shape in enumerate(own)]
    given = [[f"o{k}_{j}" for j in range(len(shape))] for k, shape in enumerate(shapes)]
    one = len(given) == 1
    signature = ",".join(f"({','.join(d)})" for d in taken) + "->" + ",".join(f"({','.join(d)})" for d in given)
    sizes = {d: n for dims, shape in zip(given, shapes, strict=True) for d, n in zip(dims, shape, strict=True)}
    lazy = _matched(f, arrays, own)
    found = apply_gufunc(
        OfChunk(shipped(made, dumps), f.__name__),
        signature,
        *lazy,
        output_dtypes=dtypes[0] if one else dtypes,
        output_sizes=sizes,
    )
    return arrange(made._structure, [found] if one else found)


def _matched(f: Function, arrays: Sequence[Any], own: Sequence[tuple[int, ...]]) -> Sequence[Any]:
    """Dask arrays whose chunks of the axes of the batch are the same."""
    from dask.array import asarray
    from dask.array.core import unify_chunks

    lazy = [asarray(a) for a in arrays]
    pairs: list[Any] = []
    for k, (argument, array, shape) in enumerate(zip(f.arguments, lazy, own, strict=True)):
        batch = array.ndim - len(shape)
        if any(len(chunks) > 1 for chunks in array.chunks[batch:]):
            raise ShapeError(
                f"{f.__name__}: chunks cut an axis of {argument.written}: {array.chunks}",
                hint=f"rechunk({{{', '.join(f'{j}: -1' for j in range(batch, array.ndim))}}})",
            )
        pairs += [array, (*range(-batch, 0), *((k, j) for j in range(len(shape))))]
    try:
        return list(unify_chunks(*pairs)[1])
    except ValueError as error:
        raise ShapeError(f"{f.__name__}: the arrays do not broadcast: {error}") from error


def _own_shape(f: Function, argument: Argument, value: Any) -> tuple[int, ...]:
    """The shape of the part of a value that is one argument."""
    shape = tuple(np.shape(value))
    if argument.deferred:
        if shape and hasattr(value, "dask"):
            raise ShapeError(
                f"{f.__name__}: nobody said how many axes {argument.name} has",
                hint=f'declare it: shapes={{"{argument.name}": ()}} where it is a number',
            )
        return shape
    own = shape[max(0, len(shape) - len(argument.shape)) :]
    if len(own) < len(argument.shape) or any(
        type(size) is int and size != n for size, n in zip(argument.shape, own, strict=True)
    ):
        raise ShapeError(f"{f.__name__}: {argument.written} got an array of shape {show(shape)}")
    return own


def _flat(value: Any) -> list[Any]:
    """The arrays in what a function gave."""
    if isinstance(value, dict):
        value = tuple(value.values())
    return [leaf for part in value for leaf in _flat(part)] if isinstance(value, tuple | list) else [value]


class OfChunk:
    """What is done with a chunk: a function, called by the name under which `apply_gufunc` shows it."""

    def __init__(self, sent: Shipped, name: str) -> None:
        self.sent, self.__name__ = sent, name

    def __dask_tokenize__(self) -> Any:
        return type(self).__qualname__, self.sent.digest

    def __call__(self, *values: Any) -> Any:
        """What the function gives of the values, as arrays."""
        flat = _flat(function_here(self.sent)(*values))
        return np.asarray(flat[0]) if len(flat) == 1 else tuple(map(np.asarray, flat))
