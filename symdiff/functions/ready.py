"""Functions whose calls lie ready in a file: they are answered before the formula, or anything else, is looked at.

Such a call is a builtin with its record, or a ufunc with the shapes of its arguments. What it does not answer goes to
the general call, which is made of the file when it is first needed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symdiff.budget import current
from symdiff.content import integer, items, printable, refuse
from symdiff.errors import StorageError, SymdiffError
from symdiff.functions.case import Shelved
from symdiff.functions.compiled import Call, CompiledCase, CompiledFunction
from symdiff.functions.function import Function
from symdiff.loading import load_module
from symdiff.native.calls import BUILTIN, UfuncForm, bind_builtin, bind_ufunc, numbered, python_functions
from symdiff.native.code import LOOP, SHARED, Code, MappedCode, NoExecution, TensorCode, failures
from symdiff.native.kept import (
    LARGEST_COUNT,
    addresses_of,
    fits,
    fitting,
    knows_this_python,
    read_constants,
    read_images,
    ready_code,
)


class ExactCall:
    """Answers calls with arrays of the right types and shapes; all others go to another call."""

    __slots__ = ("_call", "_dtype", "_general", "_shapes")

    def __init__(
        self, call: Callable[..., Any], shapes: Sequence[tuple[int, ...]], dtype: str, general: Callable[..., Any]
    ) -> None:
        self._call, self._shapes, self._general = call, shapes, general
        self._dtype = np.dtype(dtype)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value."""
        if not keywords and len(args) == len(self._shapes):
            for value, shape in zip(args, self._shapes, strict=True):
                if type(value) is not np.ndarray:
                    if shape or type(value) is not float:
                        break
                elif value.dtype is not self._dtype or value.shape != shape:
                    break
            else:
                return self._call(*args)
        return self._general(*args, **keywords)


class FailingExactCall(ExactCall):
    """The same by code that can fail: then the other call says why."""

    __slots__ = ()

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value."""
        failures.first = None
        result = super().__call__(*args, **keywords)
        return result if failures.first is None else self._general(*args, **keywords)


def within_limits(description: Mapping[str, Any]) -> bool:
    """Whether the limits allow a call."""
    takes = items(description["takes"], "takes", 2)
    operations, memory = (integer(n, 0, LARGEST_COUNT, "a count") for n in takes)
    return operations <= current().operations and memory <= current().bytes


def code_parts(content: Mapping[str, Any], arrays: memoryview) -> tuple[memoryview, memoryview, memoryview]:
    """Of a container with code: the arrays of its graph, the graph's description, and the code.

    Raises
    ------
    StorageError
        Where there are no such parts.
    """
    if type(content["code"]) is not dict:
        raise refuse("its code is not described")
    end = len(arrays) - integer(content["code"].get("bytes"), 0, len(arrays), "the length of its code")
    start = end - integer(content.get("graph"), 0, end, "the length of its graph")
    return arrays[:start], arrays[start:end], arrays[end:]


def ready_function(content: Mapping[str, Any], arrays: memoryview) -> Function | CompiledFunction | None:
    """The function of a container whose calls lie ready for this machine; None for any other.

    Raises
    ------
    StorageError
        For a description that is not one.
    """
    if "code" not in content:
        return None
    _, _, data = code_parts(content, arrays)
    found: Function | CompiledFunction | None = read_strictly(lambda: _ready(content, arrays, data))
    return found


def read_strictly(make: Callable[[], Any]) -> Any:
    """What `make` gives.

    Raises
    ------
    StorageError
        For any error in what it reads.
    """
    try:
        return make()
    except StorageError:
        raise
    except (SymdiffError, LookupError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise refuse(f"its code: {str(error).partition(chr(10))[0]}") from error


def _ready(content: Mapping[str, Any], arrays: memoryview, data: memoryview) -> Function | CompiledFunction | None:
    description, own = fitting(content["code"], data)
    call = content["code"].get("call")
    if call is None or not within_limits(content["code"]):
        return None
    if not fits(description) or not knows_this_python(description):
        return None
    try:
        loaded = _loaded(description, own)
    except NoExecution:
        return None
    if loaded is None:
        return None
    made = Function.__new__(Function)
    made.__name__, made._ordered, made._trees = printable(content.get("name"), "a function"), True, False
    made._case = Shelved(
        lambda: load_module("symdiff.functions.storage").formula(content, arrays),
        lambda: read_strictly(
            lambda: load_module("symdiff.functions.kept_code").compiled_case(made, content, data, loaded)
        ),
        lambda: load_module("symdiff.functions.recipes").read_signature(content)[3],
    )
    answer = _answering(call, content["dtype"], made.__name__, loaded, description.get("fails") is True)
    if answer is None:
        return None
    made._answer(answer(Call(made).__call__))
    if content["kind"] == "Function":
        return made
    return CompiledCase.of_origin(made, content["options"], answer)


def _case(made: Function, content: Mapping[str, Any], data: memoryview, code: Code) -> Any:
    return load_module("symdiff.functions.kept_code").compiled_case(made, content, data, code)


def _loaded(description: Mapping[str, Any], data: memoryview) -> Code | None:
    """The kernel's code in this process; None where something that it needs has to be looked for, or compiled."""
    image, rest = read_images(description, data)
    native = load_module("symdiff.native.arrays") if description.get("tensors") is True else None
    names = {} if native is None else native.PREPARATIONS
    shared = {name: partial(ready_code, name, prepare=prepare) for name, prepare in names.items()}
    addresses = addresses_of(description["imports"], shared)
    if addresses is None or ready_code(BUILTIN, numbered(python_functions())) is None:
        return None
    code: Code = MappedCode(image, addresses)
    return code if native is None else TensorCode(code, read_constants(description, rest))


def _answering(
    call: Mapping[str, Any], dtype: str, name: str, code: Code, fails: bool
) -> Callable[[Callable[..., Any]], Callable[..., Any]] | None:
    """What makes, of a general call, the one that answers plain calls itself; None where NumPy gives no C API."""
    if "record" in call:
        return partial(bind_builtin, call["record"], code[LOOP], SHARED[BUILTIN], name, call["doc"], owned=[code])
    types, inputs, outputs, signature = items(call["operands"], "the operands", 4)
    if len(types) != inputs + outputs:
        raise refuse("operands of other types")
    ufunc = bind_ufunc(UfuncForm(types, inputs, outputs, signature), code[LOOP], 0, name, "", [code])
    if ufunc is None:
        return None
    kind = FailingExactCall if fails else ExactCall
    shapes = [tuple(shape) for shape in items(call["shapes"], "the shapes", inputs)]
    return lambda general: kind(ufunc, shapes, dtype, general).__call__
