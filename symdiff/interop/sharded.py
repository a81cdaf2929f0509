"""Sums over data that lies in parts on several workers: the value and the derivatives, added in a fixed order."""

from __future__ import annotations

import hashlib
import math
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from symdiff.errors import ArgumentError, ClusterError, ShapeError, StorageError, UnknownNameError, nearest
from symdiff.functions.build import Request
from symdiff.functions.function import Function
from symdiff.functions.products import hvp
from symdiff.functions.record import read_source
from symdiff.functions.transforms import grad, hessian, one_scalar, value_and_grad
from symdiff.signature import parameters_of
from symdiff.trees import Branch, Structure, arrange, children_of, read_tree, shifted_structure, steps_of

Vector = npt.NDArray[np.float64]

ADDED_AT_ONCE = 8
"""So many results are added by one task; its result is one of the next that many."""

ATTEMPTS = 5
"""So often a sum is begun again after workers were lost with what they held."""

KEPT = 64
"""So many functions with their machine code a worker keeps."""

TRANSFORMS: dict[str, Callable[..., Function]] = {
    "value": lambda f, wrt: f,
    "gradient": grad,
    "value_and_grad": value_and_grad,
    "hessian": hessian,
    "hvp": hvp,
}


class Lost(Exception):
    """What a task needed is gone with its worker."""


class Cluster(Protocol):
    """Workers, as far as a sum needs them. What lies on them is known by references, which tasks take for values."""

    def dumps(self, value: Any) -> bytes:
        """The pickle of a value, of Python functions that it holds too."""

    def hold(self, values: Sequence[Any]) -> list[Any]:
        """Send values to workers, evenly: their references."""

    def fingerprint(self, value: Any) -> str:
        """A text that is the same for the same value only."""

    def is_there(self, reference: Any) -> bool:
        """Whether what it refers to is there, or can be computed again by the cluster."""

    def keep(self, value: Any) -> Any:
        """A small value that many tasks take: a reference, behind which it is not lost."""

    def each(self, function: Callable[..., Any], references: Sequence[Any], *others: Any) -> list[Any]:
        """A task for each reference; other arguments are the same for all."""

    def submit(self, function: Callable[..., Any], references: Sequence[Any]) -> Any:
        """One task, which takes the list of what some references refer to."""

    def result(self, reference: Any) -> Any:
        """Wait for a task.

        Raises
        ------
        Lost
            Where it cannot be computed because a value that was held is gone.
        ClusterError
            Where there are no workers any more, or the task broke them.
        """


@dataclass(frozen=True, eq=False)
class Shipped:
    """A function on its way: the bytes of its pickle, and their digest, which workers know it by."""

    data: bytes
    digest: str


def shipped(f: Function, dumps: Callable[[Any], bytes]) -> Shipped:
    """The function as it is sent, as a formula: a few hundred bytes, or kilobytes; no derivatives and no code.

    `dumps` may write Python functions too, which functions of unknown shapes are made of.
    """
    try:
        data = dumps(f)
    except StorageError:
        recipe = None if f._cases is None else f._cases.recipe
        if not isinstance(recipe, Request):
            raise
        # what it calls comes with its code: definitions are for texts
        data = dumps(replace(recipe, definitions={}) if callable(recipe.source) else recipe)
    return Shipped(data, hashlib.blake2b(data, digest_size=16).hexdigest())


_MADE: dict[Any, Function] = {}
"""On a worker: the functions that tasks brought and their derivatives, which keep their machine code."""


def function_here(given: Shipped, what: str = "value", wrt: Any = None, parts: int = 0) -> Function:
    """On a worker: a function that was sent, or a derivative of it; by default by all but its last `parts` parameters.

    It is made once, and keeps its machine code.
    """
    key = (given.digest, what, repr(wrt), parts)
    found = _MADE.get(key)
    if found is None:
        opened = pickle.loads(given.data)
        base: Function = opened.make() if isinstance(opened, Request) else opened
        if wrt is None and what != "value":
            wrt = _default(base, parts)
        made = TRANSFORMS[what](base, wrt)
        if len(_MADE) >= KEPT:
            _MADE.clear()
        found = _MADE.setdefault(key, made)  # threads may come here at once, and must compile one and the same
    return found


def _default(f: Function, parts: int) -> Any:
    """What derivatives are taken by: the parameters before the parts of a shard."""
    names = [p.name for p in parameters_of(f.arguments)]
    own = names[: len(names) - parts]
    if not own:
        raise ArgumentError(f"{f.__name__} takes {len(names)} arguments, of which a shard gives {parts}")
    return own[0] if len(own) == 1 else tuple(own)


def part_of_sum(shard: Any, given: Shipped, what: str, wrt: Any, point: tuple[Any, ...]) -> Any:
    """What one shard contributes: computed where it lies."""
    values = shard if isinstance(shard, tuple) else tuple(shard) if isinstance(shard, list) else (shard,)
    f = function_here(given, what, wrt, len(values))
    args = (*point, *values)
    parameters = parameters_of(f.arguments)
    for parameter, value in zip(parameters, args, strict=False):
        (first, *_) = parameter.arguments
        if parameter.tree is None and not first.deferred and np.ndim(value) > len(first.shape):
            raise ShapeError(
                f"{f.__name__}: {first.written} of a shard has shape {np.shape(value)}, and the value would be no "
                "single number",
                hint=f"declare {first.name} with one more axis, and write the sum over it into the function",
            )
    found = f(*args)
    if what == "value" and np.ndim(found):
        raise ShapeError(f"{f.__name__} of a shard has shape {np.shape(found)}", hint="its value has to be one number")
    return found


def total_of(values: Sequence[Any]) -> Any:
    """The sum of results of one structure, from left to right."""
    first = values[0]
    if isinstance(first, dict):
        return {k: total_of([v[k] for v in values]) for k in first}
    if isinstance(first, tuple | list):
        parts = [total_of(column) for column in zip(*values, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
    total = first
    for value in values[1:]:
        total = total + value
    return total


class Shards:
    """Data on workers: sent there once, and again where workers are lost that held some of it.

    Attributes
    ----------
    count : how many there are.
    cluster : where they are.
    """

    def __init__(self, cluster: Cluster, values: Sequence[Any], remote: Sequence[Any] = ()) -> None:
        self.cluster = cluster
        self._values = list(values)
        self.count = len(values) + len(remote)
        if not self.count:
            raise ArgumentError("there are no shards")
        self._prints = [cluster.fingerprint(v) for v in values]
        self.references = [*(cluster.hold(values) if values else []), *remote]

    def __len__(self) -> int:
        return self.count

    def __repr__(self) -> str:
        return f"<Shards: {self.count} on workers>"

    def mend(self) -> None:
        """Send again what is lost.

        Raises
        ------
        ClusterError
            Where something is lost that was not sent from here, or that has changed since.
        """
        gone = [k for k, r in enumerate(self.references) if not self.cluster.is_there(r)]
        for k in gone:
            if k >= len(self._values):
                raise ClusterError(
                    f"shard {k} was lost with its worker, and nothing says how to make it again",
                    hint="give shards as data, or as results of tasks, which are computed again",
                )
            if self.cluster.fingerprint(self._values[k]) != self._prints[k]:
                raise ClusterError(
                    f"shard {k} was lost with its worker, and the array that it was made of has changed since",
                    hint="leave arrays as they are while a sum over them is used, or give copies",
                )
        if gone:
            for k, reference in zip(gone, self.cluster.hold([self._values[k] for k in gone]), strict=True):
                self.references[k] = reference


class Objective:
    """The sum of a function over shards of data, with its derivatives, computed where the data lies.

    Its methods take the parameters of the function, those before the parts of a shard, and have the signatures that
    SciPy's solvers call. The results of shards are added in a tree that their numbers alone decide, so every call gives
    the same bits, whatever workers there are and whatever happens to them.

    Attributes
    ----------
    function : the function of one shard.
    shards : the data on the workers; another objective on the same data takes it in place of data.
    """

    def __init__(self, cluster: Cluster, f: Function, shards: Shards, wrt: Any) -> None:
        self.function, self.shards, self.wrt = f, shards, wrt
        self._cluster = cluster
        if f._cases is None:
            one_scalar(f, "a sum over shards")
        self._sent = shipped(f, cluster.dumps)
        self._reference = cluster.keep(self._sent)

    def __repr__(self) -> str:
        return f"<Objective: {self.function.__name__} summed over {len(self.shards)} shards>"

    def __call__(self, *parameters: Any) -> float:
        """The value, as `value`."""
        return self.value(*parameters)

    def value(self, *parameters: Any) -> float:
        """The sum of the values."""
        return float(self._sum("value", parameters))

    def gradient(self, *parameters: Any) -> Any:
        """The gradient of the sum, in the structure of `symdiff.grad`."""
        return self._sum("gradient", parameters)

    grad = gradient

    def value_and_grad(self, *parameters: Any) -> tuple[float, Any]:
        """The pair of both, for ``minimize(objective.value_and_grad, x0, jac=True)``."""
        return self._sum("value_and_grad", parameters)  # type: ignore[no-any-return]

    def hessian(self, *parameters: Any) -> Any:
        """The Hessian of the sum, for ``minimize(…, hess=objective.hessian)``."""
        return self._sum("hessian", parameters)

    def hvp(self, *parameters: Any) -> Any:
        """The product of the Hessian and a direction, which follows `wrt`, for ``minimize(…, hessp=objective.hvp)``."""
        return self._sum("hvp", parameters)

    def flat(self, *parameters: Any) -> tuple[FlatObjective, Vector]:
        """The same sum as an objective of one vector, for solvers, and the vector that these parameters are.

        Parameters
        ----------
        parameters : all parameters, several or trees, as they are given to `value`.

        Raises
        ------
        ArgumentError
            Where derivatives are not by all parameters.
        """
        if self.wrt is not None:
            raise ArgumentError("an objective of one vector has derivatives by all parameters", hint="leave wrt out")
        made = FlatObjective(self, parameters)
        return made, made.vector(*parameters)

    def _sum(self, what: str, point: tuple[Any, ...]) -> Any:
        cluster = self._cluster
        for _ in range(ATTEMPTS):
            try:
                level = cluster.each(part_of_sum, self.shards.references, self._reference, what, self.wrt, point)
                while len(level) > 1:
                    groups = [level[k : k + ADDED_AT_ONCE] for k in range(0, len(level), ADDED_AT_ONCE)]
                    level = [group[0] if len(group) == 1 else cluster.submit(total_of, group) for group in groups]
                return cluster.result(level[0])
            except Lost:
                self.shards.mend()
                if not cluster.is_there(self._reference):
                    self._reference = cluster.keep(self._sent)
        raise ClusterError(
            f"workers were lost {ATTEMPTS} times during one sum", hint="the logs of the cluster say what ended them"
        )


class FlatObjective:
    """An objective of several parameters, or of trees, as one of a vector: their elements one after the other.

    Made by `Objective.flat`.
    """

    def __init__(self, objective: Objective, parameters: tuple[Any, ...]) -> None:
        self.objective = objective
        trees = [read_tree(p, f"parameter {k}") or (0, [p]) for k, p in enumerate(parameters)]
        structures: list[Structure] = []
        leaves: list[Any] = []
        for structure, parts in trees:
            structures.append(shifted_structure(structure, len(leaves)))
            leaves += parts
        self._one = len(parameters) == 1
        self._structure: Structure = structures[0] if self._one else tuple(structures)
        self._shapes = [np.shape(leaf) for leaf in leaves]
        self._sizes = [math.prod(shape) for shape in self._shapes]

    def vector(self, *parameters: Any) -> Vector:
        """The vector of parameters."""
        return self._joined(parameters[0] if self._one else parameters)

    def parameters(self, x: Any) -> Any:
        """The parameters of a vector: one as it is, several as a tuple."""
        parts = np.split(np.asarray(x, np.float64), np.cumsum(self._sizes)[:-1])
        return arrange(self._structure, [p.reshape(s) for p, s in zip(parts, self._shapes, strict=True)])

    def _joined(self, value: Any) -> Vector:
        return np.concatenate([np.ravel(leaf) for leaf in self._parts(value)]).astype(np.float64)

    def _point(self, x: Any) -> tuple[Any, ...]:
        return (self.parameters(x),) if self._one else self.parameters(x)

    def __call__(self, x: Any) -> float:
        """The value, as `value`."""
        return self.value(x)

    def value(self, x: Any) -> float:
        """The sum of the values."""
        return self.objective.value(*self._point(x))

    def gradient(self, x: Any) -> Vector:
        """The gradient, a vector."""
        return self._joined(self.objective.gradient(*self._point(x)))

    grad = gradient

    def value_and_grad(self, x: Any) -> tuple[float, Vector]:
        """The pair of both."""
        value, slope = self.objective.value_and_grad(*self._point(x))
        return value, self._joined(slope)

    def hvp(self, x: Any, direction: Any) -> Vector:
        """The product of the Hessian and a vector."""
        return self._joined(self.objective.hvp(*self._point(x), *self._point(direction)))

    def hessian(self, x: Any) -> Vector:
        """The Hessian, a matrix."""
        rows = []
        for row, height in zip(self._parts(self.objective.hessian(*self._point(x))), self._sizes, strict=True):
            blocks = zip(self._parts(row), self._sizes, strict=True)
            rows.append(np.concatenate([np.reshape(block, (height, width)) for block, width in blocks], axis=1))
        return np.concatenate(rows)

    def _parts(self, value: Any) -> list[Any]:
        return _leaves(self._structure, value)


def _leaves(structure: Structure, value: Any) -> list[Any]:
    """The parts of a value, in the order in which a structure has its leaves."""
    if isinstance(structure, int):
        return [value]
    found: list[Any] = []
    for step, child in zip(steps_of(structure), children_of(structure), strict=True):
        named = isinstance(structure, Branch) and structure.kind not in (dict, list)
        found += _leaves(child, getattr(value, step) if named else value[step])
    return found


def function_of_shard(fun: Any, wrt: Any) -> Function:
    """The function of one shard.

    Raises
    ------
    UnknownNameError
        For a `wrt` that is no argument.
    """
    f = fun if isinstance(fun, Function) else read_source(fun, wrt if isinstance(wrt, str) else None)
    known = [p.name for p in parameters_of(f.arguments)]
    for name in wrt if isinstance(wrt, list | tuple) else [] if wrt is None else [wrt]:
        if isinstance(name, str) and name.isidentifier() and name not in f.names and name not in known:
            raise UnknownNameError(f"{f.__name__} has no argument {name}", hint=nearest(name, known))
    return f
