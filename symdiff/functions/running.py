"""What computes the calls of a function with open shapes: code made once for many sizes, where that is possible.

A size that only counts elements, in loops and as a number, is open: the function's graph, its plan and its code are
made with a `Size` in its place, for the sizes of one call, and serve all for which the same facts hold. Sizes below
`LEAST`, and those whose number something needed, are fixed. Which sizes are fixed for a call depends on the call alone,
never on calls before it, and so do the bits of its result.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.budget import current, exceeded, under
from symdiff.dataclass import dataclass
from symdiff.frontend.expr import Expr
from symdiff.functions.binder import Binder
from symdiff.functions.compiled import CompiledCase, CompiledFunction
from symdiff.functions.direct import put
from symdiff.functions.specialize import CaseTable, Key
from symdiff.sizes import Sizes
from symdiff.types import Shape, known_product

if TYPE_CHECKING:
    from symdiff.codegen.tensors.bound import OpenKernel
    from symdiff.functions.cases import Cases
    from symdiff.functions.function import Function

_SLOT: Any = CompiledFunction.__dict__["__call__"]

LEAST = 16
"""Sizes from this on can be open. Code for fewer elements is made in a third of the time, mostly of scalars alone."""

MOST_FACTS = 32
"""So many sets of facts about the same open sizes are kept, each with its code."""

BOUND_BYTES = 6_000
"""What the operands of one set of sizes take (measured)."""


@dataclass(slots=True)
class Made:
    """What became of some open sizes: a kernel, or that some have to be numbers; `why` where that is an error."""

    sizes: Sizes
    kernel: OpenKernel | None
    function: Function | None
    why: str = ""
    users: int = 0

    def holds(self, values: Mapping[str, int]) -> bool:
        """Whether other sizes come to the same."""
        return self.sizes.holds(values, None if self.kernel is not None else self.sizes.before)


class Running:
    """The code for the sizes of calls, with the same options for all."""

    def __init__(self, cases: Cases, options: Mapping[str, Any] | None = None) -> None:
        self.options = options
        self._made: dict[Any, list[Made]] = {}
        own, function = weakref.ref(self), weakref.ref(cases)

        def make(key: Key) -> Any:  # a method would hold what holds the table
            running, of = own(), function()
            assert running is not None
            assert of is not None
            return running._make(of, key)

        self.table: CaseTable[Any] = CaseTable(make, _weigh)

    @property
    def kernels(self) -> int:
        """How many kernels there are that serve many sizes."""
        return sum(made.kernel is not None for found in self._made.values() for made in found)

    def explain(self) -> list[str]:
        """Which sizes are open, and how many kernels serve how many of them."""
        lines = []
        for (_, fixed), found in self._made.items():
            known = "".join(f"{name} = {size}, " for name, size in fixed)
            open_ones = [made for made in found if made.kernel is not None]
            if open_ones:
                names, users = ", ".join(open_ones[0].sizes.values), sum(made.users for made in open_ones)
                many = f"{len(open_ones)} kernel{'s' * (len(open_ones) > 1)} for"
                lines.append(f"{known}{many} any {names} from {LEAST} on, so far for {users}")
            for names in dict.fromkeys(", ".join(m.sizes.fixed) for m in found if m.kernel is None):
                lines.append(f"{known}a kernel for each {names}: something needs the number")
        return lines

    def _make(self, cases: Cases, key: Key) -> Any:
        values = cases.pattern.sizes(key)
        fixed = {name: size for name, size in values.items() if size < LEAST}
        while len(fixed) < len(values):
            found = self._found(cases, key, values, fixed)
            if found.kernel is not None:
                return _bound(cases, key, found, values)
            fixed.update((name, values[name]) for name in found.sizes.fixed)
        made = cases.table[key]._flat_call()
        return made if self.options is None else made.compile(**self.options)

    def _found(self, cases: Cases, key: Key, values: Mapping[str, int], fixed: Mapping[str, int]) -> Made:
        known = self._made.setdefault((tuple(map(len, key)), tuple(sorted(fixed.items()))), [])
        for made in known:
            if made.holds(values):
                return made
        known.append(self._opened(cases, {n: size for n, size in values.items() if n not in fixed}, key, fixed))
        if len(known) > MOST_FACTS:
            known.pop(0)
        return known[-1]

    def _opened(self, cases: Cases, values: Mapping[str, int], key: Key, fixed: Mapping[str, int]) -> Made:
        sizes = Sizes(values, LEAST)
        options = dict(self.options or {})
        kernel = function = None
        why = ""
        try:
            if not options.pop("background", False) and options.get("memory") is None:
                function = cases._make(cases.pattern.opened(key, {**fixed, **{n: sizes[n] for n in values}}))
                program = function._program(options.get("fp", "contract"))
                if not sizes.fixed:
                    kernel = _compiled(program, options)
        except Exception as error:  # what is wrong is said where the sizes are numbers
            kernel, why = None, f"{type(error).__name__}: {error}"
        if kernel is None:
            function = None
            sizes.fix_all()
        return Made(sizes, kernel, function, why)


def _compiled(program: Any, options: Mapping[str, Any]) -> OpenKernel:
    from symdiff.codegen import Options
    from symdiff.codegen.tensors.bound import OpenKernel

    return OpenKernel(program, Options(**options))


def _weigh(made: Any) -> int:
    if isinstance(made, Bound):
        return BOUND_BYTES + made.made_of.kernel.bytes // max(1, made.made_of.users)  # type: ignore[union-attr]
    return 0 if not isinstance(made, CompiledCase) else made.kernel.bytes  # a function weighs in its own table


class Bound(CompiledCase):
    """A compiled function whose code serves other sizes, too."""

    __slots__ = ()

    made_of: Made


def _bound(cases: Cases, key: Key, made: Made, values: Mapping[str, int]) -> Bound:
    """The compiled function of code for many sizes, for those of a call."""
    function, kernel = made.function, made.kernel
    assert function is not None
    assert kernel is not None
    shapes: Mapping[str, Shape] = cases.pattern.shapes(key)
    arguments = [replace(a, shape=shapes.get(a.name, a.shape), deferred=False) for a in function.arguments]
    binder = Binder(function.__name__, arguments, function._ordered, function.graph.dtype)
    _, types = kernel.types_at(values)
    program, number = kernel.program, made.sizes.number
    operations, memory = number(program.operations, values), number(program.memory, values)
    with under(function.graph.limits):
        results = sum(known_product(t.shape) * np.dtype(t.dtype).itemsize for t in types)
        if results > current().bytes:
            raise exceeded("bytes", results, f"results of {results:,} bytes")
        if memory > current().bytes:
            raise exceeded("bytes", memory, f"{function.__name__} takes {memory:,} bytes of workspace")
    found = Bound(function.__name__, binder, kernel.bound(values), types, function._structure)
    found.general.limits = function.graph.limits
    found.general.count(operations)
    made.users += 1
    found.made_of = made
    general, own = found.general, weakref.ref(cases)

    def call(*args: Any, **keywords: Any) -> Any:
        if Expr in map(type, args) or (keywords and Expr in map(type, keywords.values())):
            of = own()
            assert of is not None
            return of.table[key]._inlined(args, keywords)
        return general(*args, **keywords)

    put(found, _SLOT, call)
    return found
