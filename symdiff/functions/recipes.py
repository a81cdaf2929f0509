"""Recipes of functions as data that JSON can hold, and back: texts, signatures and the names of transforms."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from symdiff.content import integer, items, printable, read_shape, refuse, word, written_shape
from symdiff.errors import StorageError, SymdiffError
from symdiff.frontend.calls import NO_DEFINITIONS, Definitions, Known
from symdiff.frontend.expr import Expr, is_sympy
from symdiff.frontend.sympy_leaves import arrays_in
from symdiff.frontend.syntax import Syntax
from symdiff.functions.build import Request, function
from symdiff.functions.cases import Recipe, Reordered, cases_of
from symdiff.functions.define import completed, read_definition
from symdiff.functions.function import Function
from symdiff.functions.layers import Layer, called_words, with_used
from symdiff.functions.mapping import Mapped, mapped
from symdiff.functions.record import Transformed, record, transform_named
from symdiff.functions.sources import texts_read
from symdiff.functions.specialize import named_sizes
from symdiff.signature import Argument
from symdiff.types import FLOATS, product

DEEPEST = 50
"""So many recipes may be made of each other."""


class Listed:
    """The functions of users that a file holds, each after those that it is made of, and what the file calls them."""

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self.labels: dict[Layer, str] = {}
        self.calls: list[Any] = []
        self.add(layers)

    def add(self, layers: Iterable[Layer]) -> None:
        """Hold some functions and all that they are made of."""
        for layer in with_used(layers):
            if layer not in self.labels:
                taken = sum(other.name == layer.name for other in self.labels)
                self.labels[layer] = f"{layer.name}:{taken + 1}" if taken else layer.name

    def said(self, uses: Known) -> dict[str, str]:
        """What the file calls the functions that some words mean."""
        return {w: self.labels[used] for w, used in uses.items() if isinstance(used, Layer)}

    def entries(self) -> list[dict[str, Any]]:
        """The functions as data; Python functions that they call are collected in `calls`.

        Raises
        ------
        StorageError
            Where one calls a C function, whose address means nothing elsewhere.
        """
        return [
            {
                "name": label,
                "text": x.text,
                "backward": {} if x.partials else x.backward,
                "partials": x.partials,
                "uses": self.said(x.uses),
                **self._called(x),
            }
            for x, label in self.labels.items()
        ]

    def _called(self, layer: Layer) -> dict[str, int]:
        if layer.routine is None:
            return {}
        if layer.routine.function is None:
            raise StorageError(
                f"{layer.name} is a C function at an address of this process",
                hint="define it in the other process, and make the function there from its text",
            )
        self.calls.append(layer.routine.function)
        return {"call": len(self.calls) - 1}


def write_recipe(made: Function, to_bytes: Callable[[Function], bytes], listed: Listed) -> dict[str, Any]:
    """The recipe of a function; `to_bytes` writes functions whose shapes are known, `listed` gets what users defined.

    Raises
    ------
    StorageError
        Where it was made of Python code, which is never saved.
    """
    return _recipe(cases_of(made).recipe, to_bytes, DEEPEST, listed)


def _recipe(recipe: Recipe, to_bytes: Callable[[Function], bytes], depth: int, listed: Listed) -> dict[str, Any]:
    if depth == 0:
        raise StorageError(f"more than {DEEPEST} transforms of transforms are not saved", hint="declare shapes")
    if isinstance(recipe, Transformed):
        return {
            "transform": recipe.transform,
            "args": [_value(a) for a in recipe.args],
            "keywords": {k: _value(v) for k, v in recipe.keywords.items()},
            "of": _recipe(cases_of(recipe.base).recipe, to_bytes, depth - 1, listed),
        }
    if isinstance(recipe, Mapped):
        return {
            "axes": list(recipe.axes),
            "out": recipe.out,
            "source": _source(recipe.base, to_bytes, depth - 1, listed, NO_DEFINITIONS),
        }
    if isinstance(recipe, Reordered):
        return {"order": list(recipe.order), "of": _recipe(cases_of(recipe.base).recipe, to_bytes, depth - 1, listed)}
    assert isinstance(recipe, Request)
    given, known = recipe.arguments, recipe.definitions
    words = sorted({w for text in _texts(recipe.source) for w in called_words(text)})
    uses = {w: known[w] for w in words if w in known}
    listed.add(used for used in uses.values() if isinstance(used, Layer))
    return {
        **({"uses": listed.said(uses)} if uses else {}),
        "source": _source(recipe.source, to_bytes, depth - 1, listed, known),
        "inputs": given and [[a.name, written_shape(a.shape), a.members, a.anonymous] for a in given],
        "outputs": _value(recipe.outputs),
        "shapes": {n: written_shape(shape) for n, shape in recipe.shapes.items()},
        "dtype": recipe.dtype,
        "name": recipe.name,
        "scalars": list(recipe.scalars),
    }


def _source(
    source: Any,
    to_bytes: Callable[[Function], bytes],
    depth: int,
    listed: Listed,
    known: Known,
) -> Any:
    if isinstance(source, Syntax):
        return source.source.text
    if isinstance(source, Function) and source._cases is not None:
        return {"recipe": _recipe(source._cases.recipe, to_bytes, depth, listed)}
    if isinstance(source, list):
        return {"list": [_source(s, to_bytes, depth, listed, known) for s in source]}
    if isinstance(source, tuple):
        return {"tuple": [_source(s, to_bytes, depth, listed, known) for s in source]}
    if isinstance(source, dict):
        return {"dict": [[k, _source(s, to_bytes, depth, listed, known)] for k, s in source.items()]}
    if is_sympy(source) and arrays_in(source):
        raise StorageError(
            "a SymPy formula of arrays whose sizes are not known is not saved",
            hint='declare shapes, shapes={"x": 3}, or save what f.specialize(…) gives',
        )
    if isinstance(source, Function | Expr | int | float | np.ndarray | np.number) or is_sympy(source):
        made = source if isinstance(source, Function) else function(source, namespace=Definitions(known))
        return {"function": base64.b64encode(to_bytes(made)).decode("ascii")}
    raise StorageError(
        "a Python function whose shapes are not known is not saved",
        hint='declare shapes, shapes={"x": 3}, or save what f.specialize(…) gives',
    )


def _texts(source: Any) -> Iterator[str]:
    """The texts in a source."""
    stack = [source]
    while stack:
        item = stack.pop()
        if isinstance(item, Syntax):
            yield item.source.text
        elif isinstance(item, list | tuple):
            stack += item
        elif isinstance(item, dict):
            stack += item.values()


def restored(entries: Any, calls: Sequence[Any] = ()) -> dict[str, Layer]:
    """The functions of users that a file holds, by what it calls them; no namespace gets them.

    `calls` are the Python functions that a pickle has beside it.

    Raises
    ------
    StorageError
        For what is no definition.
    """
    found: dict[str, Layer] = {}
    for entry in items(entries, "the definitions"):
        fields = [entry.get(k) for k in ("text", "backward", "partials")] if type(entry) is dict else []
        if len(fields) != 3 or type(fields[0]) is not str or any(type(f) is not dict for f in fields[1:]):
            raise refuse("a definition is missing")
        text, backward, partials = fields
        given = [x for derivatives in fields[1:] for x in derivatives.values()]  # type: ignore[union-attr]
        if not all(type(x) is str for x in given):  # no address comes from a file
            raise refuse("a derivative is no text")
        known = found if "uses" not in entry else _meant(entry["uses"], found)
        call = calls[integer(entry["call"], 0, len(calls) - 1, "a call")] if "call" in entry else None
        try:
            layer = completed(read_definition(text, backward or None, partials or None, known, call), known)
        except SymdiffError as error:
            raise StorageError(f"the function needs a definition: {text}\n{error.message}", hint=error.hint) from None
        found[printable(entry.get("name", layer.name), "a definition")] = layer
    return found


def _meant(uses: Any, definitions: Mapping[str, Layer]) -> dict[str, Layer]:
    """The functions that words mean."""
    if type(uses) is not dict or any(type(v) is not str or v not in definitions for v in uses.values()):
        raise refuse("a definition is missing")
    return {word(w, "a definition"): definitions[v] for w, v in uses.items()}


def _value(value: Any) -> Any:
    """A `wrt` or another argument: tuples are told apart from lists."""
    if isinstance(value, tuple):
        return {"tuple": [_value(v) for v in value]}
    if isinstance(value, list):
        return [_value(v) for v in value]
    return int(value) if isinstance(value, np.integer) else value


def read_recipe(content: Any, from_bytes: Callable[[bytes], Any], definitions: Mapping[str, Layer]) -> Function:
    """The function of a recipe that `write_recipe` wrote; `definitions` are those in its file.

    Raises
    ------
    StorageError
        For anything that it does not write.
    """
    try:
        made = _read(content, from_bytes, DEEPEST, definitions)
    except StorageError:
        raise
    except (SymdiffError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise refuse(str(error).partition("\n")[0]) from error
    if made._cases is None:
        raise refuse("its shapes are known")
    return made


def _read(content: Any, from_bytes: Callable[[bytes], Any], depth: int, definitions: Mapping[str, Layer]) -> Function:
    if type(content) is not dict or depth == 0:
        raise refuse("there is no recipe")
    if "axes" in content:
        base = _read_source(content["source"], from_bytes, depth - 1, definitions)
        axes = items(content["axes"], "the axes")
        if not isinstance(base, Function) or type(content["out"]) is not int:
            raise refuse("there is no function to map")
        if len(axes) != len(base.arguments) or any(a is not None and type(a) is not int for a in axes):
            raise refuse("its axes are not those of a function")
        return mapped(base, tuple(axes), content["out"])
    if "of" in content:
        base = _read(content["of"], from_bytes, depth - 1, definitions)
        if base._cases is None:
            raise refuse("its shapes are known")
        if "order" in content:
            named = {a.name: a for a in base.arguments}
            order = [named[n] for n in items(content["order"], "the order", len(named))]
            return base._with_arguments(order)
        transform = content.get("transform")
        if type(transform) is not str or transform_named(transform) is None:
            raise StorageError(f"there is no transform {str(transform)[:80]!r}", hint="a newer symdiff may know it")
        args = tuple(_unwritten(a, depth) for a in items(content.get("args"), "the arguments"))
        keywords = {word(k, "an argument"): _unwritten(v, depth) for k, v in content["keywords"].items()}
        return record(base, transform, args, keywords)
    dtype, given, title = content.get("dtype"), content.get("inputs"), content.get("name")
    if dtype not in FLOATS or not (title is None or type(title) is str):
        raise refuse("its type of numbers or its name is unknown")
    if title is not None:
        printable(title, "a function")
    arguments = None if given is None else tuple(argument(a) for a in items(given, "the inputs"))
    shapes = {word(n, "an input"): read_shape(shape) for n, shape in content["shapes"].items()}
    scalars = tuple(word(n, "an input") for n in items(content.get("scalars"), "the scalars"))
    source, outputs = (
        _read_source(content["source"], from_bytes, depth - 1, definitions),
        _unwritten(content["outputs"], depth),
    )
    known = definitions if "uses" not in content else _meant(content["uses"], definitions)
    source = texts_read(source, arguments, named_sizes(shapes.values()), known)
    return Request(source, arguments, outputs, shapes, dtype, title, scalars, known).make()


def argument(entry: Any) -> Argument:
    """An argument of a function as it is written.

    Raises
    ------
    StorageError
        For anything else.
    """
    title, shape, members, anonymous = items(entry, "an argument", 4)
    if type(anonymous) is not bool or (anonymous and members is None):
        raise refuse("an argument is neither named nor a pack")
    if members is None:
        return Argument(word(title, "an argument"), read_shape(shape))
    listed = tuple(word(m, "a member") for m in items(members, "the members of a pack"))
    size = read_shape(shape)
    if any(type(n) is not int for n in size) or product(size) != len(listed):
        raise refuse("a pack of another size than its members")
    title = printable(title, "a pack") if anonymous else word(title, "a pack")  # members' names joined may be long
    return Argument(title, size, listed, anonymous)


def read_signature(content: Mapping[str, Any]) -> tuple[str, str, bool, tuple[Argument, ...]]:
    """The name, the type of numbers, whether the order is known, and the arguments without their trees.

    Raises
    ------
    StorageError
        For a description that has none.
    """
    dtype, ordered = content.get("dtype"), content.get("ordered")
    if dtype not in FLOATS:
        raise refuse("its type of numbers is unknown")
    if type(ordered) is not bool:
        raise refuse("its order is missing")
    listed = items(content.get("arguments"), "the list of arguments")
    return printable(content.get("name"), "a function"), dtype, ordered, tuple(argument(entry) for entry in listed)


def _read_source(content: Any, from_bytes: Callable[[bytes], Any], depth: int, definitions: Mapping[str, Layer]) -> Any:
    if type(content) is str:
        return content
    if type(content) is not dict or len(content) != 1 or depth <= 0:
        raise refuse("there is no source")
    ((kind, value),) = content.items()
    if kind == "recipe":
        return _read(value, from_bytes, depth - 1, definitions)
    if kind == "function":
        try:
            return from_bytes(base64.b64decode(value, validate=True))
        except (binascii.Error, TypeError) as error:
            raise refuse(str(error)) from None
    if kind == "dict":
        pairs = [items(pair, "a pair", 2) for pair in items(value, "the sources")]
        return {word(k, "an output"): _read_source(v, from_bytes, depth - 1, definitions) for k, v in pairs}
    parts = [_read_source(v, from_bytes, depth - 1, definitions) for v in items(value, "the sources")]
    if kind not in ("list", "tuple"):
        raise refuse("there is no source")
    return parts if kind == "list" else tuple(parts)


def _unwritten(value: Any, depth: int) -> Any:
    if depth == 0:
        raise refuse("an argument is too deep")
    if type(value) is dict:
        return tuple(_unwritten(v, depth - 1) for v in items(value.get("tuple"), "a tuple"))
    if type(value) is list:
        return [_unwritten(v, depth - 1) for v in value]
    if value is None or type(value) in (str, int, float, bool):
        return value
    raise refuse("an argument is of an unknown kind")
