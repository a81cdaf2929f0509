"""`symdiff bench`: how long a formula takes to its first value, a call, a point of a batch; beside NumPy and SymPy.

The first value is counted from the text on, that of the others from the derivative on, which they are given.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symdiff as sd
from symdiff.cli.command import Command, add_formula, asked_function, formula_of, give, point_in
from symdiff.display.tables import table_lines
from symdiff.errors import ArgumentError

SHORTEST, REPEATS = 0.02, 5
"""Seconds that one measurement takes at least, and how often it is taken: the shortest counts."""

AGREE = 1e-9
"""The relative difference from which on another's value is another formula's."""

DERIVED: dict[str, Callable[[sd.Function], sd.Function]] = {
    "value": lambda f: f,
    "grad": lambda f: f.grad(),
    "hessian": lambda f: f.hessian(),
}


def _add(parser: argparse.ArgumentParser) -> None:
    add_formula(parser, "at")
    parser.add_argument("--points", type=int, default=10_000, help="how many a batch has; default: 10000")
    parser.add_argument("--of", choices=sorted(DERIVED), default="value", help="default: value")


def _run(options: argparse.Namespace) -> int:
    options.formula, options.file = formula_of(options), None
    given = point_in(options.at)
    DERIVED[options.of](sd.function("exp(x)*x", ["x"]))(1.0)  # every first formula of a process waits for modules
    start = time.perf_counter()
    f = asked_function(options, given)
    args = [given[a.name] for a in f.arguments] if given else _some_point(f)
    value = DERIVED[options.of](_ordered(f))(*args)
    rows = {"symdiff": _times(DERIVED[options.of](_ordered(f)), args, options.points, time.perf_counter() - start)}
    import sympy  # noqa: F401  # not counted below

    for name, make in (("NumPy", _of_numpy), ("SymPy", _of_sympy)):
        start = time.perf_counter()
        other = _first_value(make, DERIVED[options.of](_ordered(f)), args, value)
        if other is not None:
            rows[name] = _times(other, args, options.points, time.perf_counter() - start)
    head = ("", "first value", "call", f"point of {options.points:,}")
    table = [head, *((name, *(_shown(row.get(key)) for key in KEYS)) for name, row in rows.items())]
    point = ", ".join(f"{a.name}={v!r}" for a, v in zip(f.arguments, args, strict=True))
    data = {"formula": options.formula, "of": options.of, "seconds": rows}
    give(options, data, "\n".join([f"{options.of} at {point}", *table_lines(table)]))
    return 0


KEYS = ("first", "call", "point")


def _ordered(f: sd.Function) -> sd.Function:
    return f if f._ordered else sd.function(f, [a.name for a in f.arguments])


def _some_point(f: sd.Function) -> list[Any]:
    """A point where nobody gave one: numbers between 0.5 and 1.

    Raises
    ------
    ArgumentError
        Where a shape is not known.
    """
    random, made = np.random.default_rng(0), []
    for argument in f.arguments:
        if argument.deferred or not all(isinstance(n, int) for n in argument.shape):
            raise ArgumentError(f"the shape of {argument.name} is not known", hint=f"--at {argument.name}=[1,2]")
        value = random.uniform(0.5, 1.0, tuple(argument.shape))  # type: ignore[arg-type]
        made.append(value if argument.shape else round(float(value), 3))
    return made


def _of_numpy(f: sd.Function) -> Callable[..., Any]:
    """The formula as a function of NumPy's, as a person would write it."""
    space: dict[str, Any] = {}
    exec(f.python(), space)
    made: Callable[..., Any] = space[f.__name__]
    return made


def _of_sympy(f: sd.Function) -> Callable[..., Any]:
    """What SymPy's `lambdify` makes of the formula."""
    import sympy

    made: Callable[..., Any] = sympy.lambdify([sympy.Symbol(a.name) for a in f.arguments], sympy.sympify(f.expr))
    return made


def _first_value(make: Callable[[sd.Function], Any], f: sd.Function, args: Sequence[Any], value: Any) -> Any:
    """What another library makes of a function; None where it cannot, or has another value."""
    try:
        made = make(f)
        found = made(*args)
        return made if np.allclose(np.asarray(found, float), np.asarray(value, float), AGREE, AGREE) else None
    except Exception:  # whatever another library cannot do is left out
        return None


def _times(call: Callable[..., Any], args: Sequence[Any], points: int, first: float) -> dict[str, float]:
    """Seconds to the first value, of a call, and of a point in a batch where it takes batches."""
    found = {"first": first, "call": _shortest(call, args)}
    batch = [np.repeat(np.asarray(a, float)[None], points, 0) for a in args]
    try:
        value = np.asarray(call(*batch))
    except Exception:  # functions of points alone
        return found
    if args and value.shape == (points, *np.shape(call(*args))):
        found["point"] = _shortest(call, batch) / points
    return found


def _shortest(call: Callable[..., Any], args: Sequence[Any]) -> float:
    """Seconds of a call: the shortest of several measurements."""
    count, seconds = 1, 0.0
    while seconds < SHORTEST:
        count = count * 2 if seconds == 0.0 else max(count * 2, int(1.2 * count * SHORTEST / seconds))
        start = time.perf_counter()
        for _ in range(count):
            call(*args)
        seconds = time.perf_counter() - start
    best = seconds / count
    for _ in range(REPEATS - 1):
        start = time.perf_counter()
        for _ in range(count):
            call(*args)
        best = min(best, (time.perf_counter() - start) / count)
    return best


def _shown(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


COMMAND = Command(_add, _run)
