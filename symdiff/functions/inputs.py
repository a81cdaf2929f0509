"""Reading what a user says of the arguments: names, packs, shapes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from symdiff.errors import ArgumentError, ShapeError, nearest
from symdiff.frontend.expr import Expr
from symdiff.frontend.given import checked_name, listed_in
from symdiff.frontend.sympy_leaves import symbol_name, symbol_shape
from symdiff.functions.specialize import named_sizes
from symdiff.functions.tree_arguments import declared_shape, declared_tree, with_trees
from symdiff.signature import Argument, pack
from symdiff.types import Dim, Shape, show


def name_of(item: Any) -> str:
    """The name that a string, an input's Expr or a SymPy symbol stands for.

    Raises
    ------
    ArgumentError
        Where it is none of these.
    """
    if isinstance(item, str):
        return item
    if isinstance(item, Expr):
        op, payload = item.graph.ops[item.node].name, item.graph.payloads[item.node]
        if op in ("input", "named"):
            return str(payload)
        raise ArgumentError(f"{item} is an expression, not an input or a named line", hint="give it a name: sd.named")
    if hasattr(item, "free_symbols"):
        return symbol_name(item)
    hint = 'names are strings: ["x", "y"]'
    if isinstance(item, float | np.floating | np.ndarray):
        hint += "; numbers are given to a call of what comes out: sd.grad(f)(1.0, 2.0)"
    raise ArgumentError(f"{item!r} is not a name", hint=hint)


def shape_of(item: Any) -> Shape:
    """The shape that a name brings along: that of an Expr, of a MatrixSymbol, of an IndexedBase that has one."""
    if isinstance(item, Expr):
        return item.graph.types[item.node].shape
    if isinstance(item, str):
        return ()
    return symbol_shape(item)


def is_matrix(item: Any) -> bool:
    """Whether an input is a Matrix or Array of symbols, of SymPy's or NumPy's: an argument packed of them."""
    if isinstance(item, np.ndarray):
        return item.ndim > 0
    sympy = sys.modules.get("sympy")
    return sympy is not None and isinstance(item, sympy.MatrixBase | sympy.NDimArray)


def read_shapes(shapes: Mapping[Any, Any] | None) -> tuple[dict[str, Shape], dict[str, Any]]:
    """The `shapes` argument: those of arrays, and the structures and shapes of trees."""
    found: dict[str, Shape] = {}
    trees: dict[str, Any] = {}
    for item, shape in (shapes or {}).items():
        name = name_of(item)
        tree = declared_tree(shape, name)
        if tree is None:
            found[name] = _declared(item, declared_shape(shape))
        else:
            trees[name] = tree
    return found, trees


def _declared(item: Any, shape: Shape) -> Shape:
    """The shape that is declared for a name, which is that of a symbol that has one.

    Raises
    ------
    ShapeError
        Where it is another.
    """
    own = shape_of(item)
    if own and own != shape:
        raise ShapeError(
            f"{name_of(item)} has the shape {show(own)} and is declared with {show(shape)}",
            hint="leave the declaration out",
        )
    return shape


def read_inputs(
    inputs: Any, shapes: Mapping[str, Shape], trees: Mapping[str, Any] | None = None
) -> tuple[Argument, ...]:
    """The `inputs` argument: names in call order, a nested list for a packed vector, or a dict of shapes or members.

    The names may stand in one text.

    A Matrix of symbols is packed in its own shape. `trees` are the structures and the shapes of leaves of parameters.

    Raises
    ------
    ArgumentError
        For a set (it has no order), a name given twice, or anything that is not a name.
    """
    if isinstance(inputs, set | frozenset):
        raise ArgumentError("a set of inputs has no order", hint="give a list of names in call order")
    if isinstance(inputs, str) and not inputs.isidentifier():
        inputs = listed_in(inputs)
    if isinstance(inputs, str | Expr) or not isinstance(inputs, Iterable):
        inputs = [inputs]
    found: list[Argument] = []
    structures = dict(trees or {})
    if isinstance(inputs, Mapping):
        for key, value in inputs.items():
            name = checked_name(name_of(key))
            tree = declared_tree(value, name)
            if tree is not None:
                structures[name] = tree
                found.append(Argument(name))
            elif isinstance(value, list):
                found.append(pack(tuple(checked_name(name_of(m)) for m in value), name))
            else:
                found.append(Argument(name, _declared(key, declared_shape(value))))
    else:
        for item in inputs:
            if is_matrix(item):
                members = [checked_name(name_of(m)) for m in np.array(item.tolist(), object).ravel()]
                found.append(pack(tuple(members), shape=tuple(map(int, item.shape))))
            elif isinstance(item, list):
                found.append(pack(tuple(checked_name(name_of(m)) for m in item)))
            elif isinstance(item, tuple):
                raise ArgumentError(f"{item!r} among the inputs", hint="a packed vector is a list: [['b1', 'b2'], 'x']")
            else:
                name = checked_name(name_of(item))
                found.append(Argument(name, _declared(item, shapes[name]) if name in shapes else shape_of(item)))
    names = [n for a in found for n in a.inputs]
    names += [a.name for a in found if a.members is not None and not a.anonymous]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ArgumentError(f"the input {name} is given twice")
        seen.add(name)
    if not structures:
        return tuple(found)
    missing = [n for n in structures if n not in names]
    if missing:
        raise ArgumentError(f"shapes names {missing[0]}, which is not an input", hint=nearest(missing[0], names))
    listed = [*shapes.values(), *(shape for _, leaves in structures.values() for shape in leaves)]
    return with_trees(found, structures, named_sizes([*listed, *(a.shape for a in found)]))


def settle(
    arguments: tuple[Argument, ...] | None,
    shapes: Mapping[str, Shape],
    declared: Iterable[str],
    own: Mapping[str, Shape],
) -> tuple[tuple[Argument, ...] | None, dict[str, Shape]]:
    """The arguments and the shapes that are declared, with the shapes that the source has itself, `own`.

    `declared` are the names of arguments whose shape somebody gave, () among them.

    Raises
    ------
    ShapeError
        Where a name has one shape in the source and is declared with another.
    """
    found, given = dict(shapes), set(declared)
    if arguments is None:
        for name, shape in own.items():
            _check_declared(name, shape, found.setdefault(name, shape))
        return None, found
    found.update((a.name, ()) for a in arguments if a.name in given and not a.shape)
    listed = []
    for argument in arguments:
        if argument.members is not None:
            for member in argument.members:
                _check_declared(member, own.get(member, ()), ())
        elif argument.name in own:
            shape = own[argument.name]
            if argument.shape or argument.name in given:
                _check_declared(argument.name, shape, argument.shape)
            else:
                argument = replace(argument, shape=shape)
                if not shape:
                    found[argument.name] = ()
        listed.append(argument)
    return tuple(listed), found


def _check_declared(name: str, own: Shape, declared: Shape) -> None:
    """Refuse another shape than the source has for a name; a size that is a name there may be a number."""
    fits = len(own) == len(declared) and all(isinstance(n, Dim) or n == m for n, m in zip(own, declared, strict=True))
    if not fits:
        raise ShapeError(
            f"{name} has the shape {show(own)} in the formula and is declared with {show(declared)}",
            hint="leave the declaration out",
        )


def describe_arguments(arguments: Iterable[Argument]) -> str:
    """Arguments as a list that a user could type."""
    return "[" + ", ".join(_typed(a) for a in arguments) + "]"


def _typed(argument: Argument) -> str:
    if argument.members is not None:
        return "[" + ", ".join(f'"{m}"' for m in argument.members) + "]"
    return f'"{argument.name}"'
