"""What is said to those who ask a function for what it has not: the name to type, or how functions are combined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from symdiff.errors import CallError
from symdiff.frontend.calls import is_function
from symdiff.functions.binder import python_name
from symdiff.functions.methods import METHODS
from symdiff.guesses import FUNCTION, missing, typed_instead
from symdiff.signature import Argument, parameters_of

SHOWN_PARAMETERS = 6

FORMULA = frozenset(METHODS) | {"body", "expr", "graph", "names", "nodes", "outputs", "specialize", "stats", "steps"}
"""What a function has because it has a formula, and compiled code has not."""

CHIEF = "write {call} for its value, {f}.grad(), {f}.hessian(), {f}.jacobian(), {f}.compile(); dir({f}) lists all"
"""The hint for names that are like none."""

OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "matmul": "@",
}


def example_call(name: str, arguments: Sequence[Argument]) -> str:
    """A call as a person may write it: `f(x, y)`."""
    names = [python_name(p.name) if not p.arguments[0].anonymous else "v" for p in parameters_of(arguments)]
    listed = names if len(names) <= SHOWN_PARAMETERS else [*names[:3], "…"]
    return f"{name}({', '.join(listed)})"


def unknown_attribute(thing: Any, name: str) -> AttributeError:
    """The error for an attribute that a function, or a compiled one, has not."""
    if name.startswith("_"):
        return AttributeError(f"{type(thing).__name__!r} object has no attribute {name!r}")
    known = [n for n in dir(type(thing)) if not n.startswith("_")]
    has_formula = "compile" in known
    own = thing.__dict__.get("__name__", "f")
    call = example_call(own, thing.__dict__.get("arguments", ()))
    if not has_formula and name in FORMULA:
        hint = f"it has no formula: ask the function that it was made from for its {name}"
    elif is_function(name) and name not in FUNCTION.typed:
        hint = f"write sd.{name}({call}), with symbols for the inputs"
    else:
        hint = typed_instead(name, FUNCTION, known, f"{own}.") or CHIEF
    hint = hint.replace("{f}", own).replace("{call}", call)
    return missing("a Function" if has_formula else "a CompiledFunction", name, hint)


def _refusing(symbol: str) -> Callable[..., NoReturn]:
    def operator(self: Any, *others: Any) -> NoReturn:
        call = example_call(self.__name__, self.arguments)
        combined = f"{call} {symbol} {_operand(others[0])}" if others else f"{symbol}{call}"
        raise CallError(
            f"{symbol} combines values of functions, not functions",
            hint=f"write sd.function({combined}) with symbols for the inputs",
        )

    return operator


def _operand(other: Any) -> str:
    if isinstance(other, Naming):
        return example_call(other.__name__, other.arguments)  # type: ignore[attr-defined]
    return str(other) if isinstance(other, int | float) else "…"


class Naming:
    """The part of functions that answers for attributes and operators which they have not."""

    __slots__ = ()
    if not TYPE_CHECKING:  # type checkers refuse them by themselves

        def __getattr__(self, name):
            if hasattr(type(self), name):  # a property raised an AttributeError: once more
                return object.__getattribute__(self, name)
            raise unknown_attribute(self, name)

        def __array_ufunc__(self, ufunc, method, *inputs, **options):
            listed = ", ".join(map(_operand, inputs))
            raise CallError(
                f"np.{ufunc.__name__} takes values, not functions",
                hint=f"write np.{ufunc.__name__}({listed}), with symbols for the inputs",
            )


for _name, _symbol in OPERATORS.items():
    setattr(Naming, f"__{_name}__", _refusing(_symbol))
    setattr(Naming, f"__r{_name}__", _refusing(_symbol))
setattr(Naming, "__neg__", _refusing("-"))  # noqa: B010  # type checkers refuse it by themselves
