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
