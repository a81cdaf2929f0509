"""Functions as bytes, for files, pickles and other processes: the formula and its signature; machine code on request.

Reading them runs nothing and believes nothing: every index, type, name and size is checked, and types and shapes are
derived again. The code in them is used only by who says so.
"""

from __future__ import annotations

import functools
import inspect
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from symdiff.content import integer, items, printable, refuse, shown, word, written_shape
from symdiff.errors import ArgumentError, StorageError
from symdiff.functions import recipes
from symdiff.functions.compiled import CompiledFunction
from symdiff.functions.container import closed, code_parts, open_container, whole, written_json
from symdiff.functions.function import Function
from symdiff.functions.kept_code import describe_code, restore_function
from symdiff.functions.layers import LAYERS, Layer
from symdiff.functions.mapped_layers import MappedLayer, innermost
from symdiff.functions.tree_storage import read_structure, read_trees, write_structure, write_trees
from symdiff.ir.stored import flatten, unflatten
from symdiff.ops import core
from symdiff.version import VERSION

RECIPE = "Recipe"
"""The kind of a function whose shapes each call fixes: the container holds how it is made."""

SPARSE = "SparseFunction"
"""The kind of a function that gives a sparse matrix: the container holds the one of its entries, and where they are."""

FORMULA = ("stable", "notes", "arguments", "outputs", "names", "structure", "graph", "trees")
"""What a container with code says of its formula."""

KEPT, LARGEST_KEPT = 16, 2**22
"""So many of the functions unpickled last are kept, where they are not larger than this."""

SAVED = "_saved"
"""Where a function keeps its own bytes once it was pickled."""


def to_bytes(
    function: Function | CompiledFunction, calls: list[Any] | None = None, code: bool | str | Sequence[str] = False
) -> bytes:
    """A function as bytes that any symdiff of this version or later reads on any machine.

    They hold what the function needs of its graph, its arguments, names and notes, and the options of a compiled one;
    a graph's other nodes and the places in the user's text are left out, machine code unless `code` is true or names
    processors. Python functions that it calls are not in them: `calls` gets these.

    Raises
    ------
    StorageError
        Where it calls a C function, or Python functions and `calls` is None; where its code cannot be kept.
    """
    machine_code = describe_code(function, _processors(code)) if code else None
    options: Mapping[str, Any] = {}
    source = function
    if isinstance(source, CompiledFunction):
        source, options = _origin(source)
    if isinstance(source, Function) and source._cases is not None:
        listed = recipes.Listed()
        recipe = recipes.write_recipe(source, to_bytes, listed)
        content = {
            "symdiff": VERSION,
            "kind": RECIPE,
            "options": dict(options),
            "recipe": recipe,
            "compiled": isinstance(function, CompiledFunction),
            "definitions": _definitions(listed, calls),
        }
        return closed(content, b"")
    table, pairs = source._name_table(), source._output_pairs()
    graph = source.graph
    description, data, place = flatten(graph, [*table.values(), *(node for _, node in pairs)])
    listed = recipes.Listed()
    for part in (description, *(entry["graph"] for entry in description.get("bodies", ()))):
        operations, payloads = part["operations"], part["payloads"]
        listed.add([LAYERS[tag] for tag in operations if tag in LAYERS])
        listed.add(layer for item in payloads if isinstance(layer := innermost(item), Layer))
        part["operations"] = [listed.labels[LAYERS[tag]] if tag in LAYERS else tag for tag in operations]
        part["payloads"] = [_of_user(item, listed.labels) for item in payloads]
    content = {
        "symdiff": VERSION,
        "kind": "CompiledFunction" if isinstance(function, CompiledFunction) else "Function",
        "options": dict(options),
        "name": source.__name__,
        "dtype": graph.dtype,
        "ordered": source._ordered,
        "stable": source._stable,
        "notes": list(source._notes),
        "arguments": [[a.name, written_shape(a.shape), a.members, a.anonymous] for a in source.arguments],
        "outputs": [[title, place[node]] for title, node in pairs],
        "names": [[title, place[node]] for title, node in table.items()],
        "structure": write_structure(source._structure),
        "graph": description,
        "definitions": _definitions(listed, calls),
    }
    trees = write_trees(source.arguments)
    if trees:
        content["trees"] = trees
    if machine_code is not None:
        content["code"], kept = machine_code
        text = written_json({part: content.pop(part) for part in FORMULA if part in content})
        content["formula"] = len(text)  # who has the code does not read it
        data += text + kept
    return closed(content, data)


def _definitions(listed: recipes.Listed, calls: list[Any] | None) -> list[dict[str, Any]]:
    """The functions of users that a container holds."""
    entries = listed.entries()
    if listed.calls:
        if calls is None:
            names = ", ".join(entry["name"] for entry in entries if "call" in entry)
            raise StorageError(
                f"it calls Python functions ({names}), which files do not hold",
                hint="pickle it: a pickle refers to functions of modules by their names",
            )
        calls += listed.calls
    return entries


def from_bytes(data: bytes, calls: Sequence[Any] = (), code: bool = False) -> Any:
    """The Function or CompiledFunction that `to_bytes` wrote; a compiled one is compiled again, for this machine.

    With `code`, the machine code in it is used instead where it fits.

    Raises
    ------
    StorageError
        For bytes that are damaged, cut off, of a newer format, or not of symdiff at all.
    """
    content, arrays = open_container(memoryview(data))
    kind = content.get("kind")
    definitions = recipes.restored(content.get("definitions", []), calls)
    if kind == SPARSE and "transform" in content:
        from symdiff.functions.sparse import read_open

        return read_open(content, from_bytes(bytes(arrays), calls))
    if kind == SPARSE:
        from symdiff.functions.sparse_function import read_sparse

        return read_sparse(content, arrays, lambda inner: from_bytes(inner, calls, code))
    if kind == RECIPE:
        function: Function = recipes.read_recipe(content.get("recipe"), from_bytes, definitions)
    else:
        if code and "code" in content:
            ready = restore_function(content, arrays, lambda: formula(content, arrays, definitions))
            if ready is not None:
                return ready
        function = formula(content, arrays, definitions)
    if kind == "Function" or (kind == RECIPE and content.get("compiled") is False):
        return function
    if kind not in ("CompiledFunction", RECIPE):
        raise refuse("it is neither a Function nor a CompiledFunction")
    options = content.get("options")
    known = inspect.signature(Function.compile).parameters
    if type(options) is not dict:
        raise refuse("its options are missing")
    for option, value in options.items():
        kinds = [] if option not in known or option == "self" else str(known[option].annotation).split(" | ")
        if ("None" if value is None else type(value).__name__) not in kinds:
            raise StorageError(f"there is no option {shown(option)} of this kind", hint="a newer symdiff may know it")
    try:
        return function.compile(**options)
    except ArgumentError as error:
        raise refuse(error.message) from None


def formula(content: dict[str, Any], arrays: memoryview, definitions: Mapping[str, Layer] | None = None) -> Function:
    """The function of the formula in a container, without its code.

    Raises
    ------
    StorageError
        For a container that has none.
    """
    known = recipes.restored(content.get("definitions", []), ()) if definitions is None else definitions
    if "code" not in content:
        return _function(content, arrays, known)
    return _function(whole(content, arrays), code_parts(content, arrays)[0], known)


_recent = functools.lru_cache(KEPT)(from_bytes)


def _function(content: dict[str, Any], arrays: memoryview, definitions: Mapping[str, Layer]) -> Function:
    title, dtype, ordered, arguments = recipes.read_signature(content)
    notes = [printable(note, "notes") for note in items(content.get("notes"), "the notes")]
    stable = content.get("stable", False)
    if type(stable) is not bool:
        raise refuse("its order is missing")
    graph, ids = unflatten(content.get("graph"), arrays, dtype, definitions)

    def pairs(key: str, read: Callable[[Any, str], str]) -> list[tuple[str, int]]:
        entries = [items(entry, key, 2) for entry in items(content.get(key), key)]
        found = [(read(n, key), ids[integer(k, 0, len(ids) - 1, key)]) for n, k in entries]
        if len(dict(found)) != len(found):
            raise refuse(f"{key}: a name is given twice")
        return found

    outputs, names = pairs("outputs", printable), dict(pairs("names", word))
    if not outputs:
        raise refuse("there are no outputs")
    taken = [a.name for a in arguments if a.members is not None and not a.anonymous]
    for argument in arguments:
        members = argument.inputs
        shape = argument.shape if argument.members is None else ()
        taken += members
        for member in members:
            node = names.get(member)
            if node is None or graph.payloads[node] != member or graph.ops[node] is not core.INPUT:
                raise refuse(f"the argument {member} is not an input")
            if graph.types[node].shape != shape:
                raise refuse(f"the argument {member} has another shape than the input")
    if len(set(taken)) != len(taken):
        raise refuse("an argument is given twice")
    structure = read_structure(content.get("structure"), len(outputs), "the structure of the outputs")
    arguments = read_trees(content.get("trees", []), arguments)
    return Function(
        graph,
        arguments,
        outputs,
        name=title,
        names=names,
        structure=structure,
        ordered=ordered,
        notes=notes,
        stable=stable,
    )


def _of_user(item: Any, labels: Mapping[Layer, str]) -> Any:
    """What a node carries, as data where that is a function of the user: what the file calls it, and its axes."""
    layer = innermost(item)
    if not isinstance(layer, Layer):
        return item
    axes = []
    while isinstance(item, MappedLayer):
        axes.append(list(item.varies))
        item = item.base
    return [labels[layer], axes[::-1]] if axes else labels[layer]


def _origin(compiled: CompiledFunction) -> tuple[Function, Mapping[str, Any]]:
    """The function that was compiled, and the options."""
    if compiled.origin is None:
        raise StorageError("this compiled function does not know its formula", hint="save the Function")
    return compiled.origin


def reduce_function(function: Function | CompiledFunction) -> tuple[Any, tuple[Any, ...]]:
    """What pickle keeps of a function: the same bytes as a file, made once, and the Python functions that it calls."""
    kept = function.__dict__
    if SAVED not in kept:
        calls: list[Any] = []
        kept[SAVED] = (to_bytes(function, calls), *calls)
    return loads, kept[SAVED]


def loads(data: bytes, *calls: Any) -> Any:
    """The function in a pickle; a worker that gets the same one with each of its tasks compiles it once.

    `calls` are the Python functions that it calls.

    Raises
    ------
    StorageError
        As `from_bytes`.
    """
    return _recent(data) if len(data) <= LARGEST_KEPT and not calls else from_bytes(data, calls)


def _processors(code: bool | str | Sequence[str]) -> Sequence[str] | None:
    """The processors that `code` names; None for this one."""
    if code is True:
        return None
    return [code] if isinstance(code, str) else list(code or ())


def save(
    function: Function | CompiledFunction, path: str | os.PathLike[str], code: bool | str | Sequence[str] = False
) -> None:
    """Write a function to a file, which is replaced as a whole: a reader sees the old one or the new one.

    Raises
    ------
    OSError
        Where the file cannot be written.
    StorageError
        As `to_bytes`.
    """
    write(to_bytes(function, code=code), path)


def write(data: bytes, path: str | os.PathLike[str]) -> None:
    """Write a file, which is replaced as a whole.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):  # a device or a pipe is written, not replaced
        with open(target, "wb") as stream:
            stream.write(data)
        return
    temporary = f"{target}.{os.getpid()}.{os.urandom(4).hex()}.tmp"
    try:
        with open(temporary, "xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if os.path.exists(target):
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise
