"""Machine code in a saved function: a call is answered by it, and the formula is read when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from symdiff.budget import current, kept_limits, under
from symdiff.content import integer, items, refuse, written_shape
from symdiff.errors import StorageError, SymdiffError
from symdiff.functions import recipes
from symdiff.functions.binder import Binder
from symdiff.functions.case import Shelved
from symdiff.functions.compiled import CompiledCase, CompiledFunction, Formula
from symdiff.functions.function import Function
from symdiff.functions.tree_storage import read_structure, read_trees
from symdiff.types import TensorType, tensor

LARGEST_COUNT = 2**62


def describe_code(
    function: Function | CompiledFunction, processors: Sequence[str] | None = None
) -> tuple[dict[str, Any], bytes]:
    """What is kept of a function's machine code: a description, and bytes.

    There is code for each of the processors, by their names ("native" is this one, which None stands for): first that
    which takes most of a processor, and in its description those of the others, whose bytes come after its own.

    Raises
    ------
    StorageError
        Where there is none that could be kept: for arrays of any size, on other systems.
    """
    from symdiff.codegen.stored import describe_kernel_code

    compiled = function._default() if isinstance(function, Function) and function._cases is None else function
    if not isinstance(compiled, CompiledCase):
        raise StorageError("code for arrays of any size is not kept", hint="save f.specialize(…), which has one size")
    names = list(dict.fromkeys(processors or ("native",)))
    made = [describe_kernel_code(compiled.kernel, name) for name in names]
    made.sort(key=lambda each: -len(each[0]["features"]))
    (description, data), *others = made
    program = compiled.kernel.program
    description["types"] = [[t.dtype, written_shape(t.shape)] for t in program.types]
    description["takes"] = [program.operations, program.memory]
    if others:
        description["own"] = len(data)
        description["others"] = [{**other, "own": len(kept)} for other, kept in others]
        data = b"".join([data, *(kept for _, kept in others)])
    description["bytes"] = len(data)
    return description, data


def _fitting(description: Mapping[str, Any], data: memoryview) -> tuple[Mapping[str, Any], memoryview]:
    """Of the descriptions of code in a file, with their bytes, the first that fits this machine; else the first."""
    from symdiff.codegen.stored import fits

    start = 0
    every = [description, *items(description.get("others", []), "the code for other processors")]
    for each in every if len(every) > 1 else ():
        end = start + integer(each.get("own"), 0, len(data) - start, "the length of a processor's code")
        if fits(each):
            return each, data[start:end]
        start = end
    return description, data


def restore_function(
    content: Mapping[str, Any], data: memoryview, read: Callable[[], Function]
) -> Function | CompiledFunction | None:
    """The function of a container that has code for this machine; None where it is for another one.

    Parameters
    ----------
    read : reads the formula.

    Raises
    ------
    StorageError
        For a description that is not one.
    """
    try:
        made: Function | CompiledFunction | None = _restored(content, data, read)
        return made
    except StorageError:
        raise
    except (SymdiffError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise refuse(f"its code: {str(error).partition(chr(10))[0]}") from error


def _restored(content: Mapping[str, Any], data: memoryview, read: Callable[[], Function]) -> Any:
    from symdiff.codegen.kernel import Options
    from symdiff.codegen.stored import restore_kernel

    description = content["code"]
    operations, memory = (integer(n, 0, LARGEST_COUNT, "a count") for n in items(description["takes"], "takes", 2))
    limits = current()
    if operations > limits.operations or memory > limits.bytes:
        return None  # who compiles it says what is too much
    name, dtype, ordered, arguments = recipes.read_signature(content)
    arguments = read_trees(content.get("trees", []), arguments)
    types = [_type(entry) for entry in items(description["types"], "the types of the results")]
    structure = read_structure(content["structure"], len(types), "the structure of the outputs")
    given = {k: v for k, v in content["options"].items() if k not in ("background", "memory")}
    options = Options(name=name, **given)

    def program() -> Any:
        return made._known.program_within(made.arguments, options.fp, name, content["options"].get("memory"))

    inputs = [a.type(dtype) for a in arguments]
    kernel = restore_kernel(*_fitting(description, data), inputs, types, options, program)
    if kernel is None:
        return None
    ordered = ordered or len(arguments) < 2
    compiled = CompiledCase(name, Binder(name, arguments, ordered, dtype, False), kernel, types, structure)
    kept = kept_limits()

    def opened() -> Any:
        with under(kept):
            return read()._known

    made = Function.__new__(Function)
    made.__name__, made.arguments, made._ordered, made._case = name, arguments, ordered, Shelved(opened, compiled)
    made._trees = any(a.place for a in arguments)
    made._make_callable()
    compiled.general.limits = kept
    compiled.trees = made._tree_binder()
    if kernel.may_fail:
        compiled.general.formula = lambda: Formula(
            made.graph, made.nodes, tuple([made._known.leaves(a) for a in made.arguments])
        )
    if content["kind"] == "Function":
        return made
    compiled.answer()
    compiled.origin = (made, content["options"])
    return compiled


def _type(entry: Any) -> TensorType:
    dtype, shape = items(entry, "a type", 2)
    return tensor(cast(str, dtype), tuple(integer(n, 0, LARGEST_COUNT, "a size") for n in items(shape, "a shape")))
