"""Machine code in a saved function: a call is answered by it, and the formula is read when somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from symdiff.content import integer, items, written_shape
from symdiff.errors import StorageError
from symdiff.functions import recipes
from symdiff.functions.binder import Binder
from symdiff.functions.case import Shelved
from symdiff.functions.compiled import CompiledCase, CompiledFunction, Formula, builtin_doc
from symdiff.functions.container import code_parts, whole
from symdiff.functions.function import Function
from symdiff.functions.loading import read_strictly, ready_function, within_limits
from symdiff.functions.tree_storage import read_structure, read_trees
from symdiff.native.code import Code
from symdiff.native.kept import LARGEST_COUNT, fitting
from symdiff.trees import is_plain
from symdiff.types import TensorType, tensor


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
    made.sort(key=lambda each: -len(each[0]["features"].split()))
    (description, data), *others = made
    program = compiled.kernel.program
    description["types"] = [[t.dtype, written_shape(t.shape)] for t in program.types]
    description["takes"] = [program.operations, program.memory]
    if others:
        description["own"] = len(data)
        description["others"] = [{**other, "own": len(kept)} for other, kept in others]
        data = b"".join([data, *(kept for _, kept in others)])
    description["bytes"] = len(data)
    call = _ready_call(compiled)
    if call is not None:
        description["call"] = call
    return description, data


def _ready_call(compiled: CompiledCase) -> dict[str, Any] | None:
    """What answers plain calls, as data: a record for a builtin, or operands for a ufunc; None where there is none."""
    from symdiff.codegen.builtin import write_record
    from symdiff.native.calls import ufunc_form

    general = compiled.general
    kernel, structure, binder = general.kernel, general.structure, general.binder
    if compiled.trees is not None or not binder.ordered or general.costly or kernel.calls_python:
        return None
    if not kernel.may_fail and is_plain(structure):
        record = write_record(kernel, structure)
        if record is not None:
            return {"record": record, "doc": builtin_doc(compiled.__name__, compiled.arguments)}
    flat = structure == 0 or structure == tuple(range(len(kernel.types)))
    form = ufunc_form(kernel.layout)
    if not flat or form is None or not general.is_exact:
        return None
    return {"operands": list(form), "shapes": [list(shape) for shape in binder.shapes]}


def restore_function(
    content: Mapping[str, Any], arrays: memoryview, read: Callable[[], Function]
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
    found = ready_function(content, arrays)
    if found is not None:
        return found
    made: Function | CompiledFunction | None = read_strictly(
        lambda: _restored(whole(content, arrays), code_parts(content, arrays)[2], read)
    )
    return made


def _restored(
    content: Mapping[str, Any], data: memoryview, read: Callable[[], Function]
) -> Function | CompiledFunction | None:
    if not within_limits(content["code"]):
        return None  # who compiles it says what is too much
    name, _, ordered, arguments = recipes.read_signature(content)
    made = Function.__new__(Function)
    made.__name__, made._ordered = name, ordered or len(arguments) < 2
    made.arguments = read_trees(content.get("trees", []), arguments)
    made._trees = any(a.place for a in made.arguments)
    compiled = compiled_case(made, content, data)
    if compiled is None:
        return None
    made._case = Shelved(read, lambda: compiled)
    made._make_callable()
    if content["kind"] == "Function":
        return made
    compiled.answer()
    compiled.origin = (made, content["options"])
    return compiled


def compiled_case(
    function: Function, content: Mapping[str, Any], data: memoryview, code: Code | None = None
) -> CompiledCase | None:
    """What answers all calls of a function by the code in its container; None where that is for another machine.

    `code` is the kernel's, where it is in use already.
    """
    from symdiff.codegen.kernel import Options
    from symdiff.codegen.stored import restore_kernel

    description = content["code"]
    arguments, dtype = function.arguments, content["dtype"]
    types = [_type(entry) for entry in items(description["types"], "the types of the results")]
    structure = read_structure(content["structure"], len(types), "the structure of the outputs")
    given = {k: v for k, v in content["options"].items() if k not in ("background", "memory")}
    options = Options(name=function.__name__, **given)
    memory = content["options"].get("memory")

    def program() -> Any:
        return function._known.program_within(arguments, options.fp, options.name, memory)

    inputs = [a.type(dtype) for a in arguments]
    kernel = restore_kernel(*fitting(description, data), inputs, types, options, program, code)
    if kernel is None:
        return None
    binder = Binder(function.__name__, arguments, function._ordered, dtype, False)
    compiled = CompiledCase(function.__name__, binder, kernel, types, structure)
    compiled.trees = function._tree_binder()
    if kernel.may_fail:
        compiled.general.formula = lambda: Formula(
            function.graph, function.nodes, tuple([function._known.leaves(a) for a in arguments])
        )
    return compiled


def _type(entry: Any) -> TensorType:
    dtype, shape = items(entry, "a type", 2)
    return tensor(cast(str, dtype), tuple(integer(n, 0, LARGEST_COUNT, "a size") for n in items(shape, "a shape")))
