"""Derivatives that are found in other ways than ours, to compare with: complex steps and extrapolated differences."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.interpret import Value, Values
from symdiff.ir.body import Body
from symdiff.ops import Op, core
from symdiff.ops.base import Expand, Fold, Instruction, Intrinsic, Library, MatrixRoutine, Movement

if TYPE_CHECKING:
    import numpy.typing as npt

Array = np.ndarray[Any, np.dtype[np.float64]]
Function = Callable[[Array], Array]
"""Values of a function at many points: (points, variables) to (points, results)."""

COMPLEX_STEP = 1e-30
"""So small that the square of it is lost in any number: the step has no error of its own."""

STEPS, RATIO, FIRST, LEAST = 10, 2.0, 0.02, 0.05
"""Difference quotients, how much each step is smaller than the one before, the first one as a part of the variable, and
what stands for a variable that is smaller."""

SMALL = np.finfo(float).eps
KINK = 0.5
"""A second difference over the step that falls less than to this part, while the step falls to 1/16, is a kink's."""


JUMP = 8.0
"""One that grows by more than this, of 16 that it could, is that of a jump."""


class NotAnalytic(Exception):
    """An operation has no meaning for complex numbers that keeps derivatives."""


class ComplexValues(Values):
    """The domain of complex numbers: operations that are analytic, and choices by real parts.

    W. Squire and G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40 (1998).
    """

    def make(self, op: Op, args: Sequence[Value], payload: Any) -> Value:
        """The value of one operation.

        Raises
        ------
        NotAnalytic
            Where there is none.
        """
        routine = op.routine
        if isinstance(routine, Expand | Fold) or not any(map(np.iscomplexobj, args)):
            return super().make(op, args, payload)
        if op in CHOSEN:
            return CHOSEN[op](*args)
        if isinstance(routine, Instruction):
            function = getattr(np, routine.numpy)
            return function(*args) if op.result == "f" or "c" in op.kinds else function(*map(np.real, args))  # type: ignore[operator]
        if isinstance(routine, Intrinsic) and routine.name in STEPWISE:
            return getattr(np, routine.numpy)(np.real(args[0]))
        analytic = _analytic(routine.symbol) if isinstance(routine, Library) else None
        if analytic is not None:
            return analytic(*args)
        if isinstance(routine, Movement | MatrixRoutine) and op not in CONJUGATED:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error", np.exceptions.ComplexWarning)
                    return routine.evaluate(*args, payload)
            except (TypeError, ValueError, np.exceptions.ComplexWarning):
                raise NotAnalytic(op.name) from None
        raise NotAnalytic(op.name)


def _angle(a: Value, b: Value) -> Value:
    """atan2 by the quotient that is at most 1, from the angle that is the nearest multiple of a right one."""
    with np.errstate(all="ignore"):
        wide = np.abs(np.real(b)) >= np.abs(np.real(a))
        found = np.where(wide, np.arctan(a / b), -np.arctan(b / a))
    return np.arctan2(np.real(a), np.real(b)) + 1j * np.imag(found)


def _log_det(sign: Value, logarithm: Value) -> Value:
    return logarithm + 1j * np.imag(sign * np.sign(np.real(sign)))


CHOSEN: dict[Op, Callable[..., Any]] = {
    core.ABS: lambda a: np.where(np.real(a) < 0, -a, a),
    core.COPYSIGN: lambda a, b: np.where(np.signbit(np.real(a)) == np.signbit(np.real(b)), a, -a),
    core.FMA: lambda a, b, c: a * b + c,
    core.SQRT: np.sqrt,
    core.ATAN2: _angle,
    core.HYPOT: lambda a, b: np.sqrt(a * a + b * b),
    core.DET: np.linalg.det,
    core.LOGDET: lambda a: _log_det(*np.linalg.slogdet(a)),
}
"""Operations that complex numbers go through by a rule of their own."""


@functools.cache
def _analytic(symbol: str) -> Callable[..., Any] | None:
    """NumPy's function of complex numbers for a routine of real ones; None where it has none."""
    inverse = f"arc{symbol[1:]}" if symbol.startswith("a") else symbol
    found = getattr(np, symbol, None) or getattr(np, inverse, None)
    return found if isinstance(found, np.ufunc) and not {"D->D", "DD->D"}.isdisjoint(found.types) else None


STEPWISE = frozenset(("llvm.floor", "llvm.ceil", "llvm.trunc", "llvm.rint"))
"""What is constant but for jumps."""

CONJUGATED = frozenset((core.CHOLESKY, core.PACKED_SVD, core.PINV, core.ARGSORT))


@dataclass(frozen=True, slots=True)
class Differences:
    """Slopes by variables: (results, variables), how far they may be off, and where there is a kink or a jump.

    `middle` are the results at the point, `below` and `above` are the slopes on the two sides.
    """

    middle: Array
    slopes: Array
    errors: Array
    kinks: npt.NDArray[np.bool_]
    jumps: npt.NDArray[np.bool_]
    below: Array
    above: Array


def complex_steps(body: Body, values: Sequence[Any], variables: Sequence[tuple[int, int]]) -> Array | None:
    """The derivatives of the results, one after the other, by elements of parameters; None where it cannot be done.

    Parameters
    ----------
    values : of the parameters.
    variables : parameters and elements, by number.
    """
    domain, columns = ComplexValues(), []
    for k, element in variables:
        given: list[Any] = [np.asarray(v) for v in values]
        moved = given[k].astype(complex)
        moved.ravel()[element] += 1j * COMPLEX_STEP
        given[k] = moved
        known = {p: v[()] for p, v in zip(body.parameters, given, strict=True)}
        try:
            with np.errstate(all="ignore"):
                found = body.fold(domain, known)
        except NotAnalytic:
            return None
        columns.append(np.concatenate([np.ravel(np.imag(found[r])) / COMPLEX_STEP for r in body.results]))
    return np.stack(columns, 1)


def differences(function: Function, point: Array) -> Differences:
    """The derivatives by extrapolation of central differences, each with the steps that suit it best.

    C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering Software 4 (1982).
    """
    count = len(point)
    sizes = FIRST * np.maximum(np.abs(point), LEAST)
    steps = [(point + size) - point for size in (sizes / RATIO**k for k in range(STEPS))]  # as they are in floats
    points = [point[None, :]]
    for step in steps:
        points += [point + np.diag(step), point - np.diag(step)]
    values = function(np.concatenate(points))
    middle, moved = values[0], values[1:].reshape(STEPS, 2, count, -1)
    with np.errstate(all="ignore"):
        spans = np.stack(steps)[:, :, None]
        central = (moved[:, 0] - moved[:, 1]) / (2 * spans)
        noise = SMALL * np.maximum(np.abs(moved[:, 0]), np.abs(moved[:, 1])) / spans
        best, error = _extrapolated(central, noise, 2)
        above, _ = _extrapolated((moved[:, 0] - middle) / spans, noise, 1)
        below, _ = _extrapolated((middle - moved[:, 1]) / spans, noise, 1)
        bends = np.abs(moved[:, 0] - 2 * middle + moved[:, 1]) / spans
        kinks = (bends[4] > KINK * bends[0]) & (bends[4] > 1e-4 * (np.abs(above) + np.abs(below)) + 100 * noise[4])
        jumps = kinks & (bends[4] > JUMP * bends[0])
    return Differences(middle, best.T, error.T, (kinks & ~jumps).T, jumps.T, below.T, above.T)


def _extrapolated(quotients: Array, noise: Array, order: int) -> tuple[Array, Array]:
    """The value for steps of 0, and its error, of quotients whose error is a series in step**order."""
    best, error = quotients[0].copy(), np.full(quotients.shape[1:], np.inf)
    row = [quotients[0]]
    for k in range(1, len(quotients)):
        new = [quotients[k]]
        factor = 1.0
        for j in range(k):
            factor *= RATIO**order
            new.append((factor * new[j] - row[j]) / (factor - 1))
            spread = np.maximum(np.abs(new[j + 1] - new[j]), np.abs(new[j + 1] - row[j])) + noise[k]
            better = spread < error
            best, error = np.where(better, new[j + 1], best), np.where(better, spread, error)
        row = new
    return best, error


def remainder_order(function: Function, point: Array, slopes: Array, seed: int) -> float | None:
    """As which power of the step the error of the linear model falls in a random direction; None: there is none.

    It is 2 where the slopes are right and the function is smooth, and 1 where they are wrong.
    """
    direction = np.random.default_rng(seed).normal(size=len(point)) * np.maximum(np.abs(point), LEAST)
    sizes = FIRST / 2.0 ** np.arange(8)
    values = function(np.concatenate([point[None, :], point + sizes[:, None] * direction]))
    with np.errstate(all="ignore"):
        rest = np.abs(values[1:] - values[0] - sizes[:, None] * (slopes @ direction)).max(1, initial=0.0)
        floor = 100 * SMALL * np.abs(values).max(initial=0.0)
    seen = np.flatnonzero(rest > floor)
    if len(seen) < 3 or not np.isfinite(rest[seen]).all():
        return None
    orders = np.diff(np.log2(rest[seen])) / np.diff(np.log2(sizes[seen]))
    return float(np.median(orders[-3:]))
