"""Functions that code compiled by Numba calls: of numbers, arrays and batches, with results in arrays.

A Python function of the same arguments stands for the function. Numba, where it meets it, asks for an implementation
for types of arguments: a few lines of Python, written here, around a call of the kernel's loop by its address.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numba
import numba.types
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, overload

from symdiff.errors import ArgumentError, CallError
from symdiff.functions.binder import python_name
from symdiff.functions.cases import unknown
from symdiff.functions.function import Function
from symdiff.interop.flat_functions import FlatFunction, flat
from symdiff.trees import Structure, is_plain

types: Any = numba.types

INTEGER, POINTER = ir.IntType(64), ir.IntType(8).as_pointer()

FAILED = "an index is out of range, or there is no memory"


@lru_cache(maxsize=512)
def numba_function(f: Function) -> Any:
    """The Python function that stands for a function, in Python and in code that Numba compiles.

    Raises
    ------
    ArgumentError
        For trees and for results that are not numbers, arrays and tuples; where nothing orders the arguments.
    ShapeError
        Where shapes are known at each call only.
    CallError
        For a function that calls Python functions.
    """
    _check(f)
    bridge = Bridge(f)
    overload(bridge.stand_in, strict=False)(bridge.implementation)
    return bridge.stand_in


def _check(f: Function) -> None:
    name = f.__name__
    if f._cases is not None:
        raise unknown(name, f.arguments)
    if f._trees:
        raise ArgumentError(f"{name} takes a tree, which Numba does not know", hint="give each array a name of its own")
    if not is_plain(f._structure):
        raise ArgumentError(f"{name} gives dicts or lists, which Numba does not know", hint="give a tuple of outputs")
    if not f._ordered:
        names = ", ".join(f'"{a.name}"' for a in f.arguments)
        raise ArgumentError(f"{name}: nothing orders its arguments", hint=f"list them: sd.function(…, [{names}])")
    if f._default().kernel.calls_python:
        raise CallError(
            f"{name} calls Python functions, whose errors code of Numba cannot pass on",
            hint="give define a function of C, such as one of numba.cfunc",
        )


class Bridge:
    """What Numba is told of one function.

    Attributes
    ----------
    stand_in : the Python function that stands for it.
    """

    def __init__(self, function: Function) -> None:
        self.function, self.own = function, flat(function)
        self.kernel = self.own.function._default().kernel
        self.name = function.__name__
        names = [python_name(a.name) for a in function.arguments]
        self.names = names if "out" not in names else [f"{n}_" for n in names]
        self.type = numba.from_dtype(self.own.dtype)
        given = ", ".join(self.names)
        text = (
            f"def stand_in({given}, out=None):\n    return call({given}) if out is None else call({given}, out=out)\n"
        )
        self.stand_in = self._made(text, {"call": function})
        self.stand_in.__name__ = self.stand_in.__qualname__ = self.name
        self.stand_in.__doc__ = str(function)
        self.stand_in.function = function
        self.implementation = self._made(
            f"def implementation({given}, out=None):\n    return write([{given}], out)\n", {"write": self.write}
        )

    def _made(self, text: str, known: dict[str, Any]) -> Any:
        """The function that a text defines, which is written here and holds checked names only."""
        exec(compile(text, f"<{self.name} for Numba>", "exec"), known)
        return known[text.partition("(")[0].removeprefix("def ")]

    def write(self, given: Sequence[Any], out: Any) -> Any:
        """The implementation for arguments of these types."""
        ranks = [self._rank(k, t) for k, t in enumerate(given)]
        axes = max(ranks, default=0)
        if axes and self.kernel.packed:
            raise TypingError(f"{self.name} has too many arguments for batches: call it at one point after the other")
        lines = [f"def run({', '.join(self.names)}, out=None):"]
        lines += self._batch(given, ranks, axes) if axes else self._point(given)
        arrays, results = self._results(self._outs(out, axes), axes, lines)
        operands = [*(["n"] if axes else []), *(f"a{k}" for k in range(len(given))), *arrays]
        lines += [
            f"found = {'loop' if axes else 'point'}({', '.join(operands)})",
            f"if found[0] != 0: raise IndexError('{self.name}: {FAILED}')",
            f"return {_written(self.function._structure, results)}",
        ]
        known = {"np": np, "point": self.point, "loop": self.loop, "number": self.type}
        return self._made("\n    ".join(lines) + "\n", known)

    def _results(self, outs: Sequence[str | None], axes: int, lines: list[str]) -> tuple[list[str], list[str]]:
        """The arrays that the loop writes, and what each result is in the end; `lines` make the arrays."""
        arrays, results = list[str](), list[str]()
        for k, (shape, out) in enumerate(zip(self.own.results, outs, strict=True)):
            if not shape and not axes:
                results.append(f"found[{len(results) - len(arrays) + 1}]")
                continue
            whole, r = f"lead + {shape}" if axes else f"{shape}", f"r{k}"
            if out is None:
                dtype = "bool_" if self.own.conditions[k] else self.own.dtype
                lines.append(f"{r} = np.empty({whole}, np.{dtype})")
            else:
                told = f"{self.name}: out has another shape than the result"
                lines += [f"{r} = {out}", f"if {r}.shape != {whole}: raise ValueError({told!r})"]
            results.append(r)
            arrays.append(r if axes <= 1 else f"{r}.reshape({_of_points(shape)})")
        return arrays, results

    def _rank(self, k: int, kind: Any) -> int:
        """How many batch axes an argument of a type has."""
        argument, shape = self.function.arguments[k], self.own.shapes[k]
        if isinstance(kind, types.Array) and isinstance(kind.dtype, types.Float | types.Integer | types.Boolean):
            if kind.ndim >= len(shape):
                return int(kind.ndim) - len(shape)
        elif isinstance(kind, types.Float | types.Integer | types.Boolean) and not shape:
            return 0
        raise TypingError(f"{self.name}: {argument.written} got {kind}; it takes real numbers in arrays with its axes")

    def _outs(self, out: Any, axes: int) -> list[str | None]:
        """The arrays for the results, as code; None where they are made."""
        if isinstance(out, types.Omitted | types.NoneType) or out is None:
            return [None] * len(self.own.results)
        given = list(out) if isinstance(out, types.BaseTuple) else [out]
        if len(given) != len(self.own.results):
            raise TypingError(f"{self.name}: out takes {len(self.own.results)} arrays, {len(given)} were given")
        for k, (kind, shape) in enumerate(zip(given, self.own.results, strict=True)):
            wanted = types.boolean if self.own.conditions[k] else self.type
            rank = axes + len(shape)
            fits = isinstance(kind, types.Array) and kind.ndim == rank > 0 and kind.dtype == wanted
            if not fits or ((axes > 1 or self.kernel.packed) and kind.layout != "C"):
                raise TypingError(
                    f"{self.name}: out got {kind}; it takes arrays of {wanted} with {rank} axes in C order"
                )
        return [f"out[{k}]" for k in range(len(given))] if isinstance(out, types.BaseTuple) else ["out"]

    def _point(self, given: Sequence[Any]) -> list[str]:
        """The arguments of one point: numbers, and arrays with any strides."""
        lines = []
        for k, (name, shape, kind) in enumerate(zip(self.names, self.own.shapes, given, strict=True)):
            if not isinstance(kind, types.Array):
                lines.append(f"a{k} = number({name})")
                continue
            if not shape:  # an array without axes
                lines.append(f"a{k} = number({name}[()])")
                continue
            lines += [f"a{k} = {self._typed(name, kind)}", *self._shape_check(k, name, f"{name}.shape")]
            if self.kernel.packed:
                lines.append(f"a{k} = np.ascontiguousarray(a{k})")
        return lines

    def _batch(self, given: Sequence[Any], ranks: Sequence[int], axes: int) -> list[str]:
        """The arguments of a batch with one axis for points: as they lie where they have that, else in C order."""
        leads = [f"{n}.shape[:{r}]" for n, r in zip(self.names, ranks, strict=True) if r]
        lines = [f"lead = {leads[0]}" if len(leads) == 1 else f"lead = np.broadcast_shapes({', '.join(leads)})"]
        lines += ["n = 1", "for size in lead: n *= size"]
        for k, (name, shape, kind, rank) in enumerate(zip(self.names, self.own.shapes, given, ranks, strict=True)):
            if not isinstance(kind, types.Array):
                lines.append(f"a{k} = number({name})")
                continue
            if not rank:
                lines.append(f"a{k} = {self._typed(name, kind)}" if shape else f"a{k} = number({name}[()])")
                lines += self._shape_check(k, name, f"{name}.shape") if shape else []
                continue
            lines += self._shape_check(k, name, f"{name}.shape[{rank}:]")
            typed = self._typed(name, kind)
            flat_shape = _of_points(shape)
            if axes == 1 and len(leads) == 1:
                lines.append(f"a{k} = {typed}")
                continue
            spread = f"np.broadcast_to({typed}, lead + {shape})" if shape else f"np.broadcast_to({typed}, lead)"
            if kind.layout == "C" and rank == axes:
                lines += [
                    f"if {name}.shape[:{rank}] == lead:",
                    f"    a{k} = {typed}.reshape({flat_shape})",
                    "else:",
                    f"    a{k} = np.ascontiguousarray({spread}).reshape({flat_shape})",
                ]
            else:
                lines.append(f"a{k} = np.ascontiguousarray({spread}).reshape({flat_shape})")
        return lines

    def _typed(self, name: str, kind: Any) -> str:
        return name if kind.dtype == self.type else f"{name}.astype(np.{self.own.dtype})"

    def _shape_check(self, k: int, name: str, given: str) -> list[str]:
        shape = self.own.shapes[k]
        if not shape:
            return []
        told = f"{self.name}: {self.function.arguments[k].written} has another shape than the value given"
        return [f"if {given} != {shape}: raise ValueError({told!r})"]

    @property
    def point(self) -> Any:
        """An intrinsic: the operands' values and arrays to `(code, *numbers)`, at one point."""
        return _intrinsic(self, batch=False)

    @property
    def loop(self) -> Any:
        """An intrinsic: the number of points, operands and arrays for the results to `(code,)`."""
        return _intrinsic(self, batch=True)


def _of_points(shape: tuple[int, ...]) -> str:
    """The shape of all points in a row, as code."""
    return f"(n, {', '.join(map(str, shape))})" if shape else "(n,)"


def _written(structure: Structure, results: Sequence[str]) -> str:
    if isinstance(structure, int):
        return results[structure]
    assert isinstance(structure, tuple)
    return "(" + "".join(_written(s, results) + ", " for s in structure) + ")"


def _intrinsic(bridge: Bridge, batch: bool) -> Any:
    """A call of the kernel's loop for points, or of that for batches.

    Its operands are (for a batch first the number of points) the arguments, then the results that are arrays: numbers,
    which are the same at every point, and arrays, in a batch with an axis for points before their own, or without.
    """
    kernel, own = bridge.kernel, bridge.own
    entry = kernel.batch_entry if batch else None
    address, data = (entry.loop, entry.data) if entry is not None else (kernel.loop, 0)

    def write(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        values, kinds = cgutils.unpack_tuple(builder, values[0]), list(signature.args[0].types)
        count = cgutils.alloca_once_value(builder, values.pop(0) if batch else INTEGER(1))
        kinds = kinds[1:] if batch else kinds
        code = Operands(context, builder, own, batch)
        code.take(values, kinds)
        result = code.call(kernel.layout, address, data, count)
        numbers = [code.number(k) for k in code.numbers]
        return context.make_tuple(builder, signature.return_type, [result, *numbers])

    def call(typingctx: Any, *operands: Any) -> Any:
        single = [c for s, c in zip(own.results, own.conditions, strict=True) if not s and not batch]
        numbers = [types.boolean if condition else bridge.type for condition in single]
        return types.Tuple([types.int32, *numbers])(types.StarArgTuple.from_types(operands)), write

    return intrinsic(call)


class Operands:
    """The operands of one call of a loop, in LLVM's terms."""

    def __init__(self, context: Any, builder: Any, own: FlatFunction, batch: bool) -> None:
        self.context, self.builder, self.own, self.batch = context, builder, own, batch
        self.number_type = ir.FloatType() if own.dtype == np.float32 else ir.DoubleType()
        self.places: list[Any] = []
        self.strides: list[Any] = []
        self.numbers: list[int] = []

    def take(self, values: Sequence[Any], kinds: Sequence[Any]) -> None:
        """Note where each argument and each result lies: address, step between points, strides."""
        given = iter(zip(values, kinds, strict=True))
        for shape in self.own.shapes:
            value, kind = next(given)
            if isinstance(kind, types.Array):
                self._array(value, kind, len(shape))
            else:
                self._place(cgutils.alloca_once_value(self.builder, value), [])
        for shape, condition in zip(self.own.results, self.own.conditions, strict=True):
            if shape or self.batch:
                self._array(*next(given), len(shape))
            else:
                self.numbers.append(len(self.places))
                kind = ir.IntType(8) if condition else self.number_type
                self._place(cgutils.alloca_once(self.builder, kind), [])

    def _array(self, value: Any, kind: Any, axes: int) -> None:
        array = self.context.make_array(kind)(self.context, self.builder, value)
        strides = cgutils.unpack_tuple(self.builder, array.strides, kind.ndim)
        step, own = (strides[0], strides[1:]) if kind.ndim > axes else (INTEGER(0), strides)
        self._place(array.data, own, step)

    def _place(self, place: Any, strides: Sequence[Any], step: Any = None) -> None:
        self.places.append(self.builder.bitcast(place, POINTER))
        self.strides.append((INTEGER(0) if step is None else step, list(strides)))

    def number(self, at: int) -> Any:
        """The number that the loop has written."""
        condition = self.own.conditions[at - len(self.own.shapes)]
        kind = ir.IntType(8) if condition else self.number_type
        found = self.builder.load(self.builder.bitcast(self.places[at], kind.as_pointer()))
        return self.builder.trunc(found, ir.IntType(1)) if condition else found

    def call(self, layout: Any, address: int, data: int, count: Any) -> Any:
        """The call; numbers that share an operand are put into one array before, and taken out after it."""
        builder, inputs = self.builder, len(self.own.shapes)
        places, steps, inner, after = [], [], [], []
        for at, operand in enumerate(layout.operands):
            first = at < len(layout.inputs)
            members = [m if first else m + inputs for m in operand.members]
            shape = (self.own.shapes if first else self.own.results)[operand.members[0]]
            if shape == operand.shape:
                place, (step, strides) = self.places[members[0]], self.strides[members[0]]
            else:
                item = ir.IntType(8) if operand.dtype == "bool" else self.number_type
                step = INTEGER(0)
                strides = [INTEGER(self.context.get_abi_sizeof(item))]
                if shape:  # all elements along one axis
                    place = self.places[members[0]]
                else:
                    pack = cgutils.alloca_once(builder, item, size=len(members))
                    place = builder.bitcast(pack, POINTER)
                    for k, member in enumerate(members):
                        there = builder.gep(pack, [INTEGER(k)])
                        here = builder.bitcast(self.places[member], item.as_pointer())
                        if first:
                            builder.store(builder.load(here), there)
                        else:
                            after.append((there, here))
            places.append(place)
            steps.append(step)
            inner += strides
        table = self._table(POINTER, places)
        strides_table = self._table(INTEGER, steps + inner)
        kind = ir.FunctionType(ir.IntType(32), [POINTER] * 4)
        function = self.context.add_dynamic_addr(builder, address, "symdiff")
        context_data = self.context.add_dynamic_addr(builder, data, "symdiff") if data else None
        called = builder.call(
            builder.bitcast(function, kind.as_pointer()),
            [
                builder.bitcast(table, POINTER),
                builder.bitcast(count, POINTER),
                builder.bitcast(strides_table, POINTER),
                POINTER(None) if context_data is None else builder.bitcast(context_data, POINTER),
            ],
        )
        for there, here in after:
            builder.store(builder.load(there), here)
        return called

    def _table(self, kind: Any, values: Sequence[Any]) -> Any:
        table = cgutils.alloca_once(self.builder, kind, size=max(1, len(values)))
        for k, value in enumerate(values):
            self.builder.store(value, self.builder.gep(table, [INTEGER(k)]))
        return table
