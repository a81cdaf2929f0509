"""Functions on JAX's arrays: a primitive whose derivatives, batches and transposes are functions made here again.

XLA calls the compiled code without Python in between, on the processor and where the code needs none; elsewhere it
calls Python (`pure_callback`).
"""

from __future__ import annotations

import ctypes
import hashlib
import pickle
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from symdiff.codegen.layout import Operand
from symdiff.codegen.xla import xla_handler
from symdiff.errors import CallError, ShapeError, SymdiffError
from symdiff.functions.foreign import describe_foreign, is_number_like
from symdiff.functions.function import Function
from symdiff.interop.flat_functions import FlatFunction, for_call
from symdiff.trees import arrange
from symdiff.types import show
from symdiff.version import VERSION

_registered: dict[str, object] = {}
"""What XLA may call, by name, and what it needs. Compiled programs of JAX's call it at any time, so it stays."""


class JaxFunction:
    """A function of JAX's arrays: `symdiff.to_jax` makes it.

    Attributes
    ----------
    function : the function that it calls.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.__name__ = function.__name__
        self.__doc__ = f"{function}"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value: an array, or arrays in the structure of the function's results.

        Raises
        ------
        CallError
            For values that are no real numbers; for a function of float64 where JAX has no such numbers.
        """
        own = for_call(self.function, args, keywords)
        if own.dtype == np.float64 and not jax.config.jax_enable_x64:  # type: ignore[attr-defined, unused-ignore]
            raise CallError(
                f"{self.__name__} computes in float64, which JAX rounds to float32 where jax_enable_x64 is off",
                hint='type jax.config.update("jax_enable_x64", True) at the start of the program, or make the function '
                'with dtype="float32"',
            )
        values = own.binder.flat(args, keywords)
        arrays = [self._array(own, k, v) for k, v in enumerate(values)]
        _check_shapes(own, arrays)
        return arrange(own.function._structure, _applied.bind(*arrays, own=own))

    def _array(self, own: FlatFunction, k: int, value: Any) -> Any:
        """A value for an argument, of the function's own type."""
        if isinstance(value, jax.Array) and value.dtype == own.dtype:
            return value
        argument = own.arguments[k]
        try:
            if is_number_like(value):
                array = jnp.asarray(value)
                if not jnp.issubdtype(array.dtype, jnp.complexfloating):
                    return array.astype(own.dtype)
                value = array.dtype.type(0)
        except (TypeError, ValueError):
            pass
        what, hint = describe_foreign(value)
        raise CallError(f"{self.__name__}: {argument.written} got {what}; inputs are real numbers", hint=hint)

    def __repr__(self) -> str:
        return f"<JaxFunction {self.function!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return JaxFunction, (self.function,)


def _check_shapes(own: FlatFunction, arrays: Sequence[Any]) -> None:
    """Refuse arrays whose last axes are not those of the argument, with the errors of a call of the function."""
    for argument, array, shape in zip(own.arguments, arrays, own.shapes, strict=True):
        if array.ndim < len(shape) or array.shape[array.ndim - len(shape) :] != shape:
            raise ShapeError(
                f"{own.function.__name__}: {argument.written} has shape {show(shape)}, the value given has shape "
                f"{show(array.shape)}",
                hint="axes to the left of the declared ones are batch axes",
            )


def _lead(own: FlatFunction, arrays: Sequence[Any]) -> tuple[int, ...]:
    """The batch axes of all arrays together."""
    leads = [a.shape[: len(a.shape) - len(s)] for a, s in zip(arrays, own.shapes, strict=True)]
    return np.broadcast_shapes(*leads)


def _types(own: FlatFunction) -> list[Any]:
    return [np.dtype(bool) if c else own.dtype for c in own.conditions]


# The primitive. `own` is the function of known shapes.

_applied: Any = Primitive("symdiff")
_applied.multiple_results = True


def _shaped(*arrays: Any, own: FlatFunction) -> list[Any]:
    lead = _lead(own, arrays)
    return [jax.core.ShapedArray(lead + s, t) for s, t in zip(own.results, _types(own), strict=True)]


@lru_cache(maxsize=512)
def _compiled(own: FlatFunction) -> Any:
    return jax.jit(lambda *arrays: _applied.bind(*arrays, own=own))


def _run(*arrays: Any, own: FlatFunction) -> Any:
    return _compiled(own)(*arrays)


def _forward(primals: Sequence[Any], tangents: Sequence[Any], *, own: FlatFunction) -> Any:
    """The values, and the derivative along the tangents that are there."""
    values = _applied.bind(*primals, own=own)
    by = tuple([k for k, t in enumerate(tangents) if not isinstance(t, ad.Zero)])
    found = iter(())
    if by and not all(own.conditions):
        given = [ad.instantiate_zeros(tangents[k]) for k in by]
        found = iter(_applied.bind(*primals, *given, own=own.jvp(by)))
    zeros = [ad.Zero(jax.typeof(v).to_tangent_aval()) for v in values]
    moved = [z if c or not by else next(found) for z, c in zip(zeros, own.conditions, strict=True)]
    return values, moved


def _transposed(cotangents: Sequence[Any], *arrays: Any, own: FlatFunction) -> list[Any]:
    """Cotangents of the arguments in which the function is linear, summed over axes that these were broadcast along."""
    by = tuple([k for k, a in enumerate(arrays) if ad.is_undefined_primal(a)])
    product, count = own.transposed(by)
    given = [jnp.zeros(a.aval.shape, a.aval.dtype) if ad.is_undefined_primal(a) else a for a in arrays[:count]]
    given += [ad.instantiate_zeros(c) for c in cotangents]
    slopes: list[Any] = [None] * len(arrays)
    for k, slope in zip(by, _applied.bind(*given, own=product), strict=True):
        slopes[k] = _summed_to(slope, arrays[k].aval.shape)
    return slopes


def _summed_to(array: Any, shape: tuple[int, ...]) -> Any:
    extra = array.ndim - len(shape)
    axes = [*range(extra), *(extra + k for k, n in enumerate(shape) if n == 1 and array.shape[extra + k] != 1)]
    return jnp.sum(array, axis=tuple(axes)).reshape(shape) if axes else array


def _batched(arrays: Sequence[Any], axes: Sequence[Any], *, own: FlatFunction) -> Any:
    """The function is one of batches already: the new axis comes before those that there are."""
    mapped = [a is not None for a in axes]
    ranks = [a.ndim - m - len(s) for a, m, s in zip(arrays, mapped, own.shapes, strict=True)]
    moved = []
    for array, axis, is_mapped, rank in zip(arrays, axes, mapped, ranks, strict=True):
        if is_mapped:
            array = jnp.moveaxis(array, axis, 0)
            array = array.reshape(array.shape[:1] + (1,) * (max(ranks) - rank) + array.shape[1:])
        moved.append(array)
    found = _applied.bind(*moved, own=own)
    return found, [0] * len(found)


_applied.def_abstract_eval(_shaped)
_applied.def_impl(_run)
ad.primitive_jvps[_applied] = _forward
ad.primitive_transposes[_applied] = _transposed
batching.primitive_batchers[_applied] = _batched


# What XLA is told.


def _by_python(*arrays: Any, own: FlatFunction) -> Any:
    """Through a call of Python."""
    lead = _lead(own, arrays)
    types = _types(own)
    wanted = [jax.ShapeDtypeStruct(lead + s, t) for s, t in zip(own.results, types, strict=True)]

    def call(*values: Any) -> list[Any]:
        found = own([np.asarray(v) for v in values])
        return [np.asarray(f, t).reshape(w.shape) for f, t, w in zip(found, types, wanted, strict=True)]

    return jax.pure_callback(call, wanted, *arrays)


def _by_code(*arrays: Any, own: FlatFunction) -> Any:
    """By the compiled code itself, where it needs no Python."""
    target = handler_of(own)
    if target is None:
        return _by_python(*arrays, own=own)
    name, inputs, outputs = target
    lead = _lead(own, arrays)
    n = int(np.prod(lead, dtype=np.int64))
    ordered = [arrays[k] for k in own.order]
    shapes = [own.shapes[k] for k in own.order]
    flat = []
    for array, shape in zip(ordered, shapes, strict=True):
        own_lead = array.shape[: array.ndim - len(shape)]
        if int(np.prod(own_lead, dtype=np.int64)) != 1:
            array = jnp.broadcast_to(array, lead + shape)
        flat.append(array.reshape((-1, *shape)))
    if not n:
        return [jnp.zeros(lead + s, t) for s, t in zip(own.results, _types(own), strict=True)]
    given = [_packed(o, flat, shapes, n) for o in inputs]
    wanted = [jax.ShapeDtypeStruct((n, *o.shape), np.dtype(o.dtype)) for o in outputs]
    found = jax.ffi.ffi_call(name, wanted)(*given)
    results: list[Any] = [None] * len(own.results)
    for operand, result in zip(outputs, found, strict=True):
        for place, k in enumerate(operand.members):
            part = result if len(operand.members) == 1 else result[:, place]
            results[k] = part.reshape(lead + own.results[k])
    return results


def _packed(operand: Operand, flat: Sequence[Any], shapes: Sequence[tuple[int, ...]], n: int) -> Any:
    """An operand of the kernel: an argument, or numbers that share an array."""
    first = operand.members[0]
    if shapes[first] == operand.shape:
        return flat[first]
    return jnp.stack([jnp.broadcast_to(flat[k], (n,)) for k in operand.members], axis=-1)


@lru_cache(maxsize=512)
def handler_of(own: FlatFunction) -> tuple[str, tuple[Operand, ...], tuple[Operand, ...]] | None:
    """The name by which XLA calls the code of a function, with the operands; None where it cannot."""
    kernel = own.function._default().kernel
    if kernel.calls_python or any(0 in shape for shape in (*own.shapes, *own.results)):
        return None
    if not hasattr(jax, "ffi"):  # before JAX 0.5
        return None
    name = f"symdiff_{_digest(own.function)}"
    if name not in _registered:
        address, owned = xla_handler(kernel, own.function.__name__)
        place = ctypes.CFUNCTYPE(None)(address)
        jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(place), platform="cpu")
        _registered[name] = owned
    return name, kernel.layout.inputs, kernel.layout.outputs


def _digest(function: Function) -> str:
    """What tells a function from others, in other processes too: JAX may keep compiled programs in files."""
    try:
        return hashlib.sha256(VERSION.encode() + pickle.dumps(function)).hexdigest()[:32]
    except (SymdiffError, pickle.PicklingError):  # what no file can hold
        return uuid.uuid4().hex


mlir.register_lowering(_applied, mlir.lower_fun(_by_python, multiple_results=True))
mlir.register_lowering(_applied, mlir.lower_fun(_by_code, multiple_results=True), platform="cpu")
