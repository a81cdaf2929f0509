"""CompiledFunction: native code behind Python's calling rules and NumPy's broadcasting.

What the builtin of a `CompiledCase` does not answer goes through the calls here.
"""

from __future__ import annotations

import inspect
import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import combinations
from types import BuiltinFunctionType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast

import numpy as np

from symdiff.budget import CHEAP, Limits, current, exceeded, under
from symdiff.errors import CallError, IndexRangeError, ShapeError, SymdiffError
from symdiff.frontend.annotations import Called
from symdiff.frontend.expr import Expr
from symdiff.functions.binder import AnswersItself, Binder, Parts, signature, written_signature
from symdiff.functions.direct import Direct, Sealed, enable, put
from symdiff.functions.exchange import Exchange
from symdiff.functions.foreign import answers_itself, has_protocol
from symdiff.functions.naming import Naming
from symdiff.functions.tree_arguments import TreeBinder
from symdiff.later import Postponed
from symdiff.signature import Argument, listed_parameters
from symdiff.sizes import example
from symdiff.trees import Structure, arrange, is_plain
from symdiff.types import FLOAT64, LARGEST_RANK, TensorType, broadcast_shapes, check_rank, fixed, show

if TYPE_CHECKING:
    from threading import Thread

    from symdiff.codegen import Kernel
    from symdiff.functions.function import Function
    from symdiff.ir.graph import Graph


def _is_symbolic(value: Any) -> bool:
    """Whether a value is an expression, or a list that holds one."""
    return type(value) is Expr or (isinstance(value, list | tuple) and Expr in map(type, value))


class Call:
    """Answers the first call, which compiles, and those with expressions, arrays and keywords.

    It holds the function's attributes, not the function, which is freed as soon as it is dropped.
    """

    __slots__ = ("_attributes", "_class", "_function")

    def __init__(self, function: Function) -> None:
        self._attributes = function.__dict__
        self._class = type(function)
        self._function = weakref.ref(function)

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value, or the formula with expressions for its arguments."""
        compiled: CompiledCase | None = self._attributes["_case"].compiled
        given = (*args, *keywords.values()) if keywords else args
        for value in given:
            kind = type(value)
            if kind is not np.ndarray and kind is not float and _is_symbolic(value):
                return self._whole()._inlined(args, keywords)
        if compiled is None:
            function = self._whole()
            compiled = function._default()
            if isinstance(function.__call__, BuiltinFunctionType):  # it needs less than the general call
                return function.__call__(*args, **keywords)
        return compiled.general(*args, **keywords)

    def _whole(self) -> Function:
        """The function, or where it is gone another with its attributes."""
        function = self._function()
        if function is None:
            function = self._class.__new__(self._class)
            function.__dict__ = self._attributes
        return function


__all__ = ["CompiledCase", "CompiledFunction", "GeneralCall"]

_OPTIONS = ("out", "where")


class CompiledFunction(Exchange, Naming, Sealed, Direct):
    """Native code for a function, called as the function is.

    It is a `CompiledCase`, or where each call fixes shapes an `OpenCompiled`, which has code for those of each.

    Attributes
    ----------
    arguments : those of the function.
    origin : the function that was compiled and the options, where somebody asked for it.
    """

    __slots__ = ("__call__", "__dict__", "__weakref__")
    __call__: Called
    arguments: Postponed[tuple[Argument, ...]] = Postponed(
        lambda self: self.origin[0].arguments, "Those of the function."
    )

    def __init__(self, name: str, arguments: Sequence[Argument]) -> None:
        self.__name__ = name
        self.arguments = tuple(arguments)
        self.origin: tuple[Function, Mapping[str, Any]] | None = None
        self._improving: Thread | None = None

    @property
    def kernel(self) -> Kernel:
        """The code; it lives as long as this object.

        Raises
        ------
        ShapeError
            Where the shapes of each call have code of their own.
        """
        return self._native().general.kernel

    @property
    def __signature__(self) -> inspect.Signature:
        return signature(self.arguments)

    def __repr__(self) -> str:
        return f"<CompiledFunction {self.__name__}({listed_parameters(self.arguments)})>"

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the code that is compiled in the background is in use, at most `timeout` seconds.

        Returns
        -------
        bool
            Whether nothing is being compiled any more.
        """
        if self._improving is not None:
            self._improving.join(timeout)
            if self._improving.is_alive():
                return False
            self._improving = None
        return True

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        put(twin, _SLOT, _SLOT.__get__(self))
        return twin


_SLOT: Any = CompiledFunction.__dict__["__call__"]
"""Through this the slot is written in a subclass, too, that has a `__call__` of its own."""


class CompiledCase(CompiledFunction):
    """Native code for a function whose shapes are known.

    Calls with numbers by position alone are answered by a builtin in the slot `__call__`, where there can be one; it
    sends the others to a `GeneralCall`.

    Attributes
    ----------
    general : what answers all calls that the builtin does not.
    trees : what takes values apart, where a parameter takes a tree.
    """

    __slots__ = ()
    general: Postponed[GeneralCall] = Postponed(lambda self: _code_of(self.origin[0]))

    def __init__(
        self, name: str, binder: Binder, kernel: Kernel, types: Sequence[TensorType], structure: Structure
    ) -> None:
        super().__init__(name, binder.arguments)
        self.general = (FailingCall if kernel.may_fail else GeneralCall)(name, binder, kernel, types, structure)
        self.trees: TreeBinder | None = None
        put(self, _SLOT, self.general.__call__)

    @classmethod
    def of_origin(
        cls,
        function: Function,
        options: Mapping[str, Any],
        answering: Callable[[Callable[..., Any]], Callable[..., Any]],
    ) -> CompiledCase:
        """What was compiled of a function with options, where the function has code and `answering` makes its calls.

        The general call is the function's, and made when it is needed.
        """
        made = cls.__new__(cls)
        made.__name__, made.origin, made.trees, made._improving = function.__name__, (function, options), None, None
        put(made, _SLOT, answering(lambda *args, **keywords: _code_of(function)(*args, **keywords)))
        return made

    def answer(self) -> None:
        """Let a builtin answer plain calls: of what somebody compiled, not of what a function calls itself."""
        call = self.entry(self.general.__call__)
        put(self, _SLOT, call if self.trees is None else self.trees.calling(call))

    def entry(self, general: Callable[..., Any]) -> Callable[..., Any]:
        """A builtin that answers plain calls and sends the others to `general`; `general` where there can be none.

        It holds the kernel, not this object.
        """
        structure, kernel = self.general.structure, self.general.kernel
        if not self.general.binder.ordered or kernel.may_fail or self.general.costly or not is_plain(structure):
            return general
        from symdiff.codegen.builtin import make_builtin

        doc = builtin_doc(self.__name__, self.arguments)
        return make_builtin(kernel, structure, self.__name__, doc, general) or general

    def replace(self, kernel: Kernel) -> None:
        """Use other code for the same program from the next call on; calls under way keep what they have."""
        self.general.kernel = kernel
        self.answer()

    def improve(self, make: Callable[[], Kernel]) -> None:
        """Make better code in a thread, and use it when it is ready."""
        from symdiff.functions.background import improve

        self._improving = improve(self, make)


enable(CompiledCase)


def _code_of(function: Function) -> GeneralCall:
    return cast("Any", function._case).compiled.general  # type: ignore[no-any-return]


def builtin_doc(name: str, arguments: Sequence[Argument]) -> str:
    """The documentation of a function's builtin, which begins with its signature as CPython reads it."""
    return f"{name}{written_signature(arguments)}\n--\n\nThe value."


def _shared(a: Any, b: Any) -> bool:
    try:
        return np.shares_memory(a, b, max_work=10_000)  # type: ignore[arg-type]  # any number, says its documentation
    except np.exceptions.TooHardError:
        return True


class Formula(NamedTuple):
    """What was compiled: the nodes of the outputs in their graph, and the input nodes of each argument."""

    graph: Graph
    outputs: tuple[int, ...]
    leaves: tuple[tuple[int, ...], ...]


class GeneralCall:
    """A call by all the rules: keywords, conversions, arrays, `out` and `where`.

    Attributes
    ----------
    binder : the rules for arguments.
    structure : how the results are handed back.
    limits : those that the function was made under.
    costly : whether one point takes so long that its operations are counted against the limits.
    """

    def __init__(
        self, name: str, binder: Binder, kernel: Kernel, types: Sequence[TensorType], structure: Structure
    ) -> None:
        from symdiff.codegen.recycling import SMALLEST, call_recycling, is_big

        self.__name__ = name
        self.kernel = kernel
        self.binder = binder
        self.formula: Formula | Callable[[], Formula] | None = None
        self._is_big, self._recycled = is_big, call_recycling
        self.structure = structure
        self._types = tuple(types)
        self._count = len(binder.arguments)
        self._one_number = len(types) == 1 and not types[0].shape and not types[0].is_condition and structure == 0
        self._shapes = tuple(binder.shapes)
        # NumPy hands over an empty axis that no input has as one of size 1, which nothing was written to
        self._hollow = any(0 in t.shape for t in types)
        plain = not kernel.packed and not any(binder.shapes) and not self._hollow
        self._plain = binder.ordered and plain and binder.dtype == FLOAT64
        # a point of arrays needs no conversion where the types and shapes are right, and never warns
        self._exact = binder.ordered and not kernel.packed and not self._hollow and any(binder.shapes)
        self._dtype = np.dtype(binder.dtype)
        self._bytes = max((math.prod(fixed(t.shape)) * np.dtype(t.dtype).itemsize for t in types), default=0)
        self._big = self._bytes >= SMALLEST
        self._scalar_outputs = not any(t.shape for t in types)
        binder.elementwise = plain and self._scalar_outputs
        self._rank = max((len(t.shape) for t in types), default=0)
        self.limits: Limits | None = None
        self.count(example(kernel.statistics.instructions))

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value at a point, or at every point of arrays that broadcast together."""
        if self.costly:
            self._check(1)
        if not keywords and self._plain and len(args) == self._count:
            for value in args:
                if type(value) is not float:
                    break
            else:
                result = self.kernel.ufunc(*args)
                return float(result) if self._one_number else self._results(result, True)
        if self._exact and len(args) == self._count:
            for value, shape in zip(args, self._shapes, strict=True):
                if type(value) is not np.ndarray:
                    if shape or type(value) is not float:
                        break
                elif value.dtype is not self._dtype or value.shape != shape:
                    break
            else:
                if not keywords:
                    result = self.kernel.ufunc(*args) if not self._big else self._recycled(self.kernel.ufunc, args)
                    return result if self.structure == 0 else self._results(result, False)
                out = keywords.get("out")
                if len(keywords) == 1 and type(out) is np.ndarray and self._takes(args, out):
                    return self.kernel.ufunc(*args, out=out)
        options = {k: keywords.pop(k) for k in _OPTIONS if k in keywords and k not in self.binder.keywords}
        given = self.binder.order(args, keywords)
        try:
            values, point = self.binder.convert(given)
        except AnswersItself:
            return self._by_protocol(given, options)
        if not point and self._rank > LARGEST_RANK // 2:
            check_rank(self._rank + max(np.ndim(v) - len(s) for v, s in zip(values, self._shapes, strict=True)))
        if not point:
            work = self._operations
            for value in values:
                if type(value) is np.ndarray:
                    work *= value.size
            if work > CHEAP:
                self._check_batch(values)
        try:
            if options:
                return self._results(self._into(values, options), False)
            call = self.kernel.ufunc if point else self._code(values)
            if self.kernel.packed or self._hollow:
                return self._results(self._unpacked(call(*self._packed(values))), point)
            if not point and self._is_big(values, self._bytes):
                return self._results(self._recycled(call, values), point)
            return self._results(call(*values), point)
        except SymdiffError:
            raise
        except ValueError as error:
            raise self._misfit(values, error) from None

    @property
    def is_exact(self) -> bool:
        """Whether points of arrays whose types and shapes are right go to the ufunc, which makes new results."""
        return self._exact and not self._big

    def _misfit(self, values: list[Any], error: ValueError) -> ValueError | ShapeError:
        """The error for what NumPy could not put together: mostly batches that do not broadcast."""
        leads = [np.shape(v)[: np.ndim(v) - len(s)] for v, s in zip(values, self._shapes, strict=True)]
        try:
            broadcast_shapes(self.__name__, leads)
        except ShapeError:
            named = zip(self.binder.arguments, leads, strict=True)
            shown = ", ".join(f"{a.name} {show(lead)}" for a, lead in named if lead)
            return ShapeError(
                f"{self.__name__}: the batches do not broadcast together: {shown}",
                hint="axes to the left of an argument's own must be equal or 1",
            )
        return error if self.kernel.calls_python else ShapeError(f"{self.__name__}: {error}")

    def _by_protocol(self, values: list[Any], options: dict[str, Any]) -> Any:
        """What objects with labels, units or plans of their own answer: the ufunc is theirs to call."""
        foreign = {k for k, v in enumerate(values) if answers_itself(type(v))}
        for k in foreign:
            if not has_protocol(type(values[k])):
                raise self.binder.refusal(k, values[k])
        one = min(foreign)
        given = [v if k in foreign else self.binder.convert_one(k, v) for k, v in enumerate(values)]
        lazy = len(self._types) > 1 and type(values[one]).__module__.startswith("dask")  # which has no such ufuncs
        if not self.binder.elementwise or lazy:
            if options:
                raise self.binder.refusal(one, values[one])
            kinds = [(fixed(t.shape), np.dtype(t.dtype)) for t in self._types]
            labelled = import_module("symdiff.interop.labelled")  # of a later room
            return labelled.answer(self, given, foreign, kinds, self.structure)
        try:
            result = self.kernel.batch_ufunc(*given, **options)
        except SymdiffError:
            raise
        except Exception as error:
            refusal = self.binder.refusal(one, values[one])
            raise CallError(f"{refusal.message}; of this function it says: {error}", hint=refusal.hint) from error
        return self._results(result, False)

    def count(self, operations: int) -> None:
        """Say how many operations a point takes."""
        self._operations = max(1, operations)
        self.costly = self._operations > CHEAP

    def _check_batch(self, values: list[Any]) -> None:
        """Refuse a batch that takes more operations than the limits allow."""
        batches = [np.shape(v)[: np.ndim(v) - len(s)] for v, s in zip(values, self._shapes, strict=True)]
        try:
            points = math.prod(np.broadcast_shapes(*batches))
        except ValueError:  # NumPy says what is wrong
            return
        self._check(points)

    def _check(self, points: int) -> None:
        with under(self.limits):
            count = points * self._operations
            if count > current().operations:
                what = f"{self.__name__} takes {count:,} operations"
                raise exceeded("operations", count, what if points == 1 else f"{what} at {points:,} points")

    def _takes(self, args: tuple[Any, ...], out: np.ndarray[Any, Any]) -> bool:
        """Whether the only result can be written straight into an array: it has its shape and lies apart."""
        if len(self._types) != 1 or out.shape != self._types[0].shape or "out" in self.binder.keywords:
            return False
        return not any(type(v) is np.ndarray and np.may_share_memory(v, out) for v in args)

    def _code(self, values: list[Any]) -> Any:
        """What computes these values: where the arrays are those of one point it is a point, and never warns."""
        if not any(self._shapes):
            return self.kernel.batch
        one = all(np.ndim(v) == len(s) for v, s in zip(values, self._shapes, strict=True))
        return self.kernel.ufunc if one else self.kernel.batch

    def _into(self, values: list[Any], options: dict[str, Any]) -> Any:
        """A call with NumPy's `out` and `where`."""
        if "where" in options and not self._scalar_outputs:
            raise CallError("where= works only where every output is a scalar", hint="select from the result instead")
        options = {k: v for k, v in options.items() if v is not None}
        out = options.get("out")
        given: tuple[Any, ...] = out if isinstance(out, tuple) else (out,)
        if out is not None:
            if len(given) != len(self._types):
                raise CallError(f"out= takes {len(self._types)} arrays, {len(given)} were given")
            if any(o is not None and not isinstance(o, np.ndarray) for o in given):
                raise CallError("out= takes arrays")
            for array, type_ in zip(given, self._types, strict=True):
                shape = fixed(type_.shape)
                if array is not None and shape and array.shape[-len(shape) :] != shape:
                    raise ShapeError(
                        f"{self.__name__}: out= has shape {show(array.shape)}, the result has shape {show(shape)}",
                        hint="axes to the left of the result's are batch axes",
                    )
            options["out"] = given if len(given) > 1 else given[0]
        if not self.kernel.packed and not self._hollow:
            if not self.kernel.layout.scalar:  # NumPy does not look for overlaps of whole arrays there
                if any(_shared(a, b) for a, b in combinations([o for o in given if o is not None], 2)):
                    raise CallError("two arrays of out= have memory in common", hint="give each output its own")
                values = [self._apart(v, given) for v in values]
            return self._code(values)(*values, **options)
        if "where" in options:
            raise CallError("where= is not possible with so many inputs and outputs")
        results = self._unpacked(self._code(values)(*self._packed(values)))
        for target, result in zip(given, results, strict=False):
            if target is not None:
                np.copyto(target, result)
        return tuple(r if t is None else t for r, t in zip(results, given, strict=True)) if out is not None else results

    @staticmethod
    def _apart(value: Any, outputs: tuple[Any, ...]) -> Any:
        """The value, copied where an output lies in its memory."""
        if isinstance(value, np.ndarray) and any(o is not None and np.may_share_memory(value, o) for o in outputs):
            return value.copy()
        return value

    def _packed(self, values: list[Any]) -> list[Any]:
        """The operands of a kernel with more scalars than a ufunc can take: they share an array's last axis."""
        operands = []
        for operand in self.kernel.layout.inputs:
            members = [values[k] for k in operand.members]
            if self.binder.shapes[operand.members[0]] == operand.shape:
                operands.append(members[0])
            elif all(isinstance(v, float) for v in members):
                operands.append(np.array(members))
            else:
                try:
                    stacked = np.stack(np.broadcast_arrays(*members), axis=-1)
                except (ValueError, RuntimeError) as error:
                    raise ShapeError(f"{self.__name__}: {error}") from None
                operands.append(stacked.astype(self.binder.dtype, copy=False))
        return operands

    def _unpacked(self, result: Any) -> tuple[Any, ...]:
        """The outputs of a packed kernel, one by one."""
        results: list[Any] = [None] * len(self._types)
        parts = result if isinstance(result, tuple) else (result,)
        for operand, part in zip(self.kernel.layout.outputs, parts, strict=True):
            shape = self._types[operand.members[0]].shape
            if shape == operand.shape:
                # what has no elements has one instead where no input has an empty axis
                hollow = 0 in shape
                own = part.shape[: part.ndim - len(shape)] + fixed(shape)
                results[operand.members[0]] = part[..., :0].reshape(own) if hollow else part
            elif shape:  # all elements along one axis
                own = fixed(shape)
                results[operand.members[0]] = part[..., : math.prod(own)].reshape(part.shape[:-1] + own)
            else:
                for k, member in enumerate(operand.members):
                    results[member] = part[..., k]
        return tuple(results)

    def _results(self, result: Any, point: bool) -> Any:
        if point:
            flat = result if isinstance(result, tuple) else (result,)
            numbers = [self._number(r, t) for r, t in zip(flat, self._types, strict=True)]
            return arrange(self.structure, numbers)
        if self.structure == 0:
            return result[0] if isinstance(result, tuple) else result
        arranged = arrange(self.structure, result if isinstance(result, tuple) else (result,))
        return Parts(arranged) if self.binder.by_all and type(arranged) is tuple else arranged

    @staticmethod
    def _number(value: Any, type_: TensorType) -> Any:
        if type_.shape:
            return value
        return bool(value) if type_.is_condition else float(value)


class FailingCall(GeneralCall):
    """A call of code that may find an index out of range: the error says which, by the reference evaluator."""

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        """The value, as of any call."""
        try:
            return super().__call__(*args, **keywords)
        except IndexRangeError as error:
            raise self._located(error, args, {k: v for k, v in keywords.items() if k not in _OPTIONS}) from None

    def _located(self, error: IndexRangeError, args: tuple[Any, ...], keywords: dict[str, Any]) -> IndexRangeError:
        """The error with the array, its axis and the place in the text where the formula at the point tells them."""
        from symdiff.interpret import evaluate

        if self.formula is None or error.place is not None:
            return error
        graph, outputs, arguments = self.formula() if callable(self.formula) else self.formula
        values, _ = self.binder.convert(self.binder.order(args, keywords))
        leaves: dict[int, Any] = {}
        for nodes, value, shape in zip(arguments, values, self._shapes, strict=True):
            array = np.asarray(value)
            batch = array.ndim - len(shape)
            at = tuple(0 if n == 1 else p for n, p in zip(array.shape[:batch], error.point[-batch:], strict=False))
            array = array[at] if batch else array
            packed = len(nodes) != 1 or (not graph.types[nodes[0]].shape and array.ndim)
            leaves.update(zip(nodes, array, strict=True) if packed else ((nodes[0], array),))
        try:
            evaluate(graph, outputs, leaves)
        except IndexRangeError as found:
            return IndexRangeError(found.index, found.size, axis=found.axis, point=error.point, place=found.place)
        return error
