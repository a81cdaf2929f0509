"""SymPy expressions over the reals: re, im, conjugate, arg, I, finite sums and derivatives, as far as SymPy goes.

Inputs are real, whatever a symbol's assumptions say. Where one of the classes in `HEADS` occurs, leaves that SymPy
takes for complex become real dummies, and what is built of them is evaluated again: `im(x)` is SymPy's exact 0 then,
which no sign can turn into -0.0. Everything goes over an explicit stack, and over shared parts once.
"""

from __future__ import annotations

import functools
from typing import Any

from symdiff.errors import ArgumentError, LimitError, SymdiffError
from symdiff.frontend.sympy_leaves import is_leaf, parts

LONGEST = 100_000
"""So many terms may a Sum, or factors a Product, have that is written out."""


@functools.cache
def heads() -> tuple[type, ...]:
    """The classes that are evaluated here."""
    import sympy

    return (
        sympy.re,
        sympy.im,
        sympy.conjugate,
        sympy.arg,
        sympy.core.numbers.ImaginaryUnit,
        sympy.Derivative,
        sympy.Subs,
        sympy.Sum,
        sympy.Product,
    )


def over_reals(expression: Any) -> tuple[Any, dict[Any, Any]]:
    """The expression with what `heads` lists evaluated, and the leaves that its real dummies stand for.

    Raises
    ------
    ArgumentError
        For a Sum or Product whose ends are no numbers, and what SymPy cannot evaluate.
    LimitError
        For more than `LONGEST` terms.
    """
    if not any(isinstance(item, heads()) and not is_leaf(item) for item in parts(expression)):
        return expression, {}
    try:
        return _Reals().rebuilt(expression)
    except SymdiffError:
        raise
    except Exception as error:  # SymPy's own code runs here
        raise ArgumentError(
            f"SymPy cannot evaluate the expression: {type(error).__name__}: {error}", hint="call .doit() on its parts"
        ) from error


def _is_leaf(item: Any) -> bool:
    """Whether an object has no parts to look at: an input, or an element of a matrix."""
    import sympy

    return is_leaf(item) or isinstance(item, sympy.matrices.expressions.matexpr.MatrixElement)


class _Reals:
    """One rebuilding: what is made already by identity, the dummies by the leaves that they stand for."""

    def __init__(self) -> None:
        self.made: dict[int, Any] = {}
        self.alive: list[Any] = []
        self.dummies: dict[Any, Any] = {}
        self.complex: set[Any] = set()  # what holds an I

    def rebuilt(self, expression: Any) -> tuple[Any, dict[Any, Any]]:
        """The expression made again of real leaves, and the leaves."""
        import sympy

        made, unit = self.made, sympy.I
        becomes: dict[int, Any] = {}  # what an object is replaced by before its parts are looked at
        stack = [expression]
        while stack:
            item = stack[-1]
            key = id(item)
            if key in made:
                stack.pop()
                continue
            if key not in becomes:
                self.alive.append(item)
                becomes[key] = self._opened(item)
            other = becomes[key]
            if other is not item:
                if id(other) in made:
                    made[key] = made[id(other)]
                else:
                    stack.append(other)
                continue
            own = () if _is_leaf(item) else item.args
            missing = [part for part in own if id(part) not in made]
            if missing:
                stack.extend(reversed(missing))
                continue
            stack.pop()
            made[key] = found = self._closed(item, [made[id(part)] for part in own])
            self.alive.append(found)
            if found == unit or any(part in self.complex for part in found.args):
                self.complex.add(found)
        return made[id(expression)], {dummy: leaf for leaf, dummy in self.dummies.items()}

    def _opened(self, item: Any) -> Any:
        """What stands for an object before its parts are made real, often the object itself."""
        import sympy

        if isinstance(item, sympy.Sum | sympy.Product):
            return _written_out(item)
        if isinstance(item, sympy.Derivative) and not is_leaf(item):
            inner = item.expr
            if isinstance(inner, sympy.re | sympy.conjugate) and is_leaf(inner.args[0]):
                return inner.args[0].diff(*item.variable_count)
            if isinstance(inner, sympy.im) and is_leaf(inner.args[0]):
                return sympy.S.Zero
            if inner.atoms(sympy.core.function.AppliedUndef):  # which may depend on the variables
                return _evaluated(item)
        if isinstance(item, sympy.Subs):
            return _evaluated(item)
        return item

    def _closed(self, item: Any, real: list[Any]) -> Any:
        """An object made of its real parts."""
        import sympy

        if _is_leaf(item):
            if hasattr(item, "rows") or getattr(item, "is_extended_real", None):
                return item
            if item not in self.dummies:
                self.dummies[item] = sympy.Dummy(str(item), real=True)
            return self.dummies[item]
        if isinstance(item, sympy.arg | sympy.Abs) and real[0] in self.complex:
            above, beside = real[0].as_real_imag()
            if not (above.has(sympy.re, sympy.im) or beside.has(sympy.re, sympy.im)):
                polar = isinstance(item, sympy.arg)
                return sympy.atan2(beside, above) if polar else sympy.sqrt(above**2 + beside**2)
        if any(new is not old for new, old in zip(real, item.args, strict=True)):
            item = item.func(*real)
        if isinstance(item, sympy.Derivative) and (item.expr.is_Symbol or item.expr.is_number):
            return item.doit()
        if isinstance(item, sympy.re | sympy.im) and not _is_leaf(item.args[0]):
            above, beside = item.args[0].as_real_imag()
            part = above if isinstance(item, sympy.re) else beside
            return item if part.has(sympy.re, sympy.im) else part
        return item


def _evaluated(item: Any) -> Any:
    """What SymPy makes of a Derivative or Subs by `.doit()`."""
    found = item.doit()
    if type(found) is type(item) and found == item:
        kind = type(item).__name__
        raise ArgumentError(f"SymPy cannot evaluate {kind}({item.args[0]}, …)", hint="differentiate with sd.grad")
    return found


def _written_out(item: Any) -> Any:
    """A Sum or Product with numbers for its outer ends as the terms for its outer index."""
    import sympy

    kind = type(item).__name__
    *inner, (index, first, last) = (
        (limit[0], *limit[1:]) if len(limit) == 3 else (limit[0], None, None) for limit in item.limits
    )
    if not (getattr(first, "is_Integer", False) and getattr(last, "is_Integer", False)):
        raise ArgumentError(
            f"{kind} over {index} has an end that is no number",
            hint=f"give the ends numbers, such as .subs(n, 4), or write {kind.lower()[:4]}(…) of an array in a text",
        )
    count = int(last) - int(first) + 1
    if count > LONGEST:
        raise LimitError(f"{kind} of {count:,} terms; the limit is {LONGEST:,}", hint="write it as a text of arrays")
    if count < 0:  # SymPy's meaning (Karr's): the terms between the ends, the other way round
        raise ArgumentError(f"{kind} over {index} runs from {first} down to {last}", hint="call .doit() on it")
    body = item.func(item.function, *inner) if inner else item.function
    terms = [body.xreplace({index: sympy.Integer(k)}) for k in range(int(first), int(last) + 1)]
    return sympy.Add(*terms) if kind == "Sum" else sympy.Mul(*terms)
