"""What other libraries call: functions in their own terms. A library is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from symdiff.errors import ArgumentError
from symdiff.interop.flat_functions import function_of


def _load(library: str, package: str) -> Any:
    """Our module for a library.

    Raises
    ------
    ArgumentError
        Where the library is not installed.
    """
    try:
        import_module(library)
    except ImportError as error:
        raise ArgumentError(f"{library} cannot be imported: {error}", hint=f"pip install {package}") from None
    return import_module(f"symdiff.interop.{library}")


def to_torch(fun: Any) -> Any:
    """The function on PyTorch's tensors: autograd, `torch.func` and double backward use the derivatives made here.

    It reads tensors of the processor where they are, and gives tensors of their type: in single precision for tensors
    of that alone, computed in the function's own. Batches broadcast as they do for arrays.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.

    Raises
    ------
    ArgumentError
        Where torch is not installed.

    Examples
    --------
    See docs/howto/pytorch.md.
    """
    return _load("torch", "torch").TorchFunction(function_of(fun))


def to_jax(fun: Any) -> Any:
    """The function on JAX's arrays, in all of its transformations: `jit`, `grad`, `jvp`, `vmap`, in any order.

    XLA calls the compiled code through its foreign function interface. A function of float64 needs `jax_enable_x64`.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.

    Raises
    ------
    ArgumentError
        Where jax is not installed.

    Examples
    --------
    See docs/howto/jax.md.
    """
    return _load("jax", "jax").JaxFunction(function_of(fun))


def to_numba(fun: Any) -> Any:
    """The function for code that Numba compiles: called in `njit` with numbers and arrays, without Python in between.

    What is given is a Python function of the same arguments, and of `out=`, an array for the result or a tuple of them.
    It keeps the code alive.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes.

    Raises
    ------
    ArgumentError
        Where Numba is not installed; for trees, and where nothing orders the arguments.
    ShapeError
        Where shapes are known at each call only: give `f.specialize(…)`.
    CallError
        For a function that calls Python functions.

    Examples
    --------
    See docs/howto/numba.md.
    """
    return _load("numba", "numba").numba_function(function_of(fun))
