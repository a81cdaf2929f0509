"""Functions on PyTorch's tensors, with derivatives of every order that are ours."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from symdiff.errors import CallError
from symdiff.functions.foreign import describe_foreign, is_number_like
from symdiff.functions.function import Function
from symdiff.interop.flat_functions import FlatFunction, for_call
from symdiff.signature import Argument
from symdiff.trees import arrange

FLOATS = (torch.float64, torch.float32)


class TorchFunction:
    """A function of tensors: `symdiff.to_torch` makes it.

    Attributes
    ----------
    function : the function that it calls.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.__name__ = function.__name__
        self.__doc__ = f"{function}"

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value: a tensor, or tensors in the structure of the function's results.

        Raises
        ------
        CallError
            For tensors on other devices, of complex numbers, of half precision, and what is no tensor and no number.
        """
        own = for_call(self.function, args, keywords)
        values = own.binder.flat(args, keywords)
        tensors = [self._tensor(a, v) for a, v in zip(own.arguments, values, strict=True)]
        wanted = _result_dtype(own, [t for t, v in zip(tensors, values, strict=True) if isinstance(v, torch.Tensor)])
        return arrange(own.function._structure, _Applied.apply(own, wanted, *tensors))

    def _tensor(self, argument: Argument, value: Any) -> torch.Tensor:
        """A value for an argument as a tensor whose numbers NumPy can read.

        Raises
        ------
        CallError
            Where it has none.
        """
        if not isinstance(value, torch.Tensor):
            try:
                if is_number_like(value):
                    return torch.as_tensor(np.asarray(value, np.float64))
            except (TypeError, ValueError):
                pass
            raise self._refusal(argument, *describe_foreign(value))
        if value.device.type != "cpu":
            hint = (
                "compiled code reads the processor's memory: pass x.cpu(), and take the result back with .to(x.device)"
            )
            raise self._refusal(argument, f"a tensor on the device {value.device}", hint)
        if value.layout is not torch.strided:
            raise self._refusal(argument, f"a tensor of layout {value.layout}", "pass x.to_dense()")
        if value.dtype not in FLOATS:
            if value.dtype.is_complex:
                raise self._refusal(argument, "complex numbers", "write the real and the imaginary part apart")
            if value.dtype.is_floating_point:
                raise self._refusal(argument, f"a tensor of {value.dtype}", "pass x.float() or x.double()")
            return value.to(torch.float64)
        return value

    def _refusal(self, argument: Argument, what: str, hint: str) -> CallError:
        return CallError(f"{self.__name__}: {argument.written} got {what}", hint=hint)

    def __repr__(self) -> str:
        return f"<TorchFunction {self.function!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return TorchFunction, (self.function,)


def _result_dtype(own: FlatFunction, tensors: Sequence[torch.Tensor]) -> torch.dtype:
    """Single precision for tensors of that alone, and for functions of it; numbers of Python do not count."""
    floating = [t.dtype for t in tensors if t.dtype.is_floating_point]
    single = own.dtype == np.float32 or (floating and torch.float64 not in floating)
    return torch.float32 if single else torch.float64


class _Applied(torch.autograd.Function):  # type: ignore[misc]  # its class is known where torch is
    """One application of a function of known shapes. Its derivatives are applications again."""

    @staticmethod
    def forward(own: FlatFunction, wanted: torch.dtype, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        found = own([t.detach().resolve_neg().numpy() if t.ndim else t.item() for t in tensors])
        results = [torch.from_numpy(np.asarray(value)) for value in found]
        return tuple([r if c else r.to(wanted) for r, c in zip(results, own.conditions, strict=True)])

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:
        ctx.own, ctx.wanted, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)
        ctx.mark_non_differentiable(*[r for r, c in zip(output, ctx.own.conditions, strict=True) if c])

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        own, tensors = ctx.own, ctx.saved_tensors
        by = tuple([k for k, needed in enumerate(ctx.needs_input_grad[2:]) if needed])
        given = [c for c, condition in zip(cotangents, own.conditions, strict=True) if not condition]
        slopes: list[torch.Tensor | None] = [None] * len(tensors)
        if by and given:
            for k, slope in zip(by, _Applied.apply(own.vjp(by), ctx.wanted, *tensors, *given), strict=True):
                slopes[k] = slope.sum_to_size(tensors[k].shape)
        return None, None, *slopes

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> tuple[torch.Tensor | None, ...]:
        own, tensors = ctx.own, ctx.saved_tensors
        moving = [(k, t) for k, t in enumerate(tangents[2:]) if t is not None]
        product = own.jvp(tuple([k for k, _ in moving]))
        found = iter(_Applied.apply(product, ctx.wanted, *tensors, *[t for _, t in moving]))
        return tuple([None if condition else next(found) for condition in own.conditions])

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], own: FlatFunction, wanted: torch.dtype, *tensors: Any) -> Any:
        pairs = list(zip(tensors, in_dims[2:], own.shapes, strict=True))
        # the axes of a batch are counted from the right: what is mapped over comes before those of all
        axes = max(t.ndim - (d is not None) - len(shape) for t, d, shape in pairs)
        moved = []
        for tensor, dim, shape in pairs:
            if dim is not None:
                tensor = tensor.movedim(dim, 0)
                missing = axes - (tensor.ndim - 1 - len(shape))
                tensor = tensor.reshape(tensor.shape[:1] + (1,) * missing + tensor.shape[1:])
            moved.append(tensor)
        found = _Applied.apply(own, wanted, *moved)
        return found, (0,) * len(found)


# otherwise PyTorch finds it anew at every application, which takes as long as all else
vars(_Applied.forward)["__signature__"] = inspect.signature(_Applied.forward)
