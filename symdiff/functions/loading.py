"""Functions from files. Where their calls lie ready, they are answered before the formula or anything else is read.

Such a call is a builtin with its record, or a ufunc with the shapes of its arguments. What it does not answer goes to
the general call, which is made of the file when it is first needed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from symdiff.budget import current
from symdiff.content import integer, items, printable, refuse
from symdiff.errors import CompileError, StorageError, SymdiffError
from symdiff.functions.case import Shelved
from symdiff.functions.compiled import Call, CompiledCase, CompiledFunction
from symdiff.functions.container import code_parts, open_container, whole
from symdiff.functions.function import Function
from symdiff.loading import load_module
from symdiff.native.arrays import PREPARATIONS
from symdiff.native.calls import BUILTIN, UfuncForm, bind_builtin, bind_ufunc, numbered, python_functions
from symdiff.native.code import LOOP, SHARED, Code, MappedCode, TensorCode, failures
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

LARGEST_FILE, CHUNK, SMALLEST_CHUNK = 2**32, 2**24, 2**16


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
    except CompileError:  # a library is not there, or memory cannot be executed: who compiles says so
        return None
    if loaded is None:
        return None
    made = Function.__new__(Function)
    made.__name__, made._ordered, made._trees = printable(content.get("name"), "a function"), True, False
    made._case = Shelved(
        lambda: load_module("symdiff.functions.storage").formula(content, arrays),
        lambda: read_strictly(partial(_case, made, content, arrays, data, loaded)),
        lambda: load_module("symdiff.functions.recipes").read_signature(whole(content, arrays))[3],
    )
    answer = _answering(call, content["dtype"], made.__name__, loaded, description.get("fails") is True)
    if answer is None:
        return None
    made._answer(answer(Call(made).__call__))
    if content["kind"] == "Function":
        return made
    return CompiledCase.of_origin(made, content["options"], answer)


def _case(made: Function, content: Mapping[str, Any], arrays: memoryview, data: memoryview, code: Code) -> Any:
    return load_module("symdiff.functions.kept_code").compiled_case(made, whole(content, arrays), data, code)


def _loaded(description: Mapping[str, Any], data: memoryview) -> Code | None:
    """The kernel's code in this process; None where something that it needs has to be looked for, or compiled."""
    image, rest = read_images(description, data)
    tensors = description.get("tensors") is True
    shared = {name: partial(ready_code, name, prepare=prepare) for name, prepare in PREPARATIONS.items()}
    addresses = addresses_of(description["imports"], shared)
    if addresses is None or ready_code(BUILTIN, numbered(python_functions())) is None:
        return None
    code: Code = MappedCode(image, addresses)
    return TensorCode(code, read_constants(description, rest)) if tensors else code


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


def load(path: str | os.PathLike[str], *, code: bool = False) -> Any:
    """The Function, or CompiledFunction, that `save` wrote to a file. Only data is read; nothing in it is run.

    Parameters
    ----------
    code : use the machine code that `save(path, code=True)` put into the file, where it is for this machine; elsewhere
        it is compiled again. Whoever wrote the file could have put any code into it: say so only for files of your own.

    Raises
    ------
    StorageError
        For a file that is damaged, cut off, of a newer symdiff, or not of symdiff at all.
    OSError
        Where the file cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> import symdiff as sd
    >>> path = os.path.join(tempfile.mkdtemp(), "f.symdiff")
    >>> sd.grad("x**2*y", ["x", "y"]).save(path)
    >>> sd.load(path)(3.0, 2.0)
    array([12.,  9.])
    """
    chunks, size = [], 0
    with open(path, "rb", buffering=0) as stream:
        while chunk := stream.read(min(max(size, SMALLEST_CHUNK), CHUNK)):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST_FILE:
                raise StorageError(f"a file of more than {LARGEST_FILE:,} bytes")
    data = b"".join(chunks)
    try:
        found = ready_function(*open_container(memoryview(data))) if code else None
        return load_module("symdiff.functions.storage").from_bytes(data, code=code) if found is None else found
    except SymdiffError as error:
        error.add_note(f"in {os.fspath(path)}")
        raise
