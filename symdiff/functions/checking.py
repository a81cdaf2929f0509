"""Derivatives compared with what other ways give: a table that says where they differ, and what may explain it."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from symdiff.dataclass import dataclass
from symdiff.display.tables import table_lines
from symdiff.errors import ArgumentError, UnknownNameError, nearest
from symdiff.functions.build import function
from symdiff.functions.function import Function
from symdiff.functions.inputs import name_of
from symdiff.functions.references import Array, complex_steps, differences, remainder_order
from symdiff.functions.transforms import hessian, jacobian
from symdiff.ir.body import Body
from symdiff.signature import Argument
from symdiff.types import BOOL, fixed, product

MOST_VARIABLES = 200
"""Of more elements so many are chosen at random."""

MOST_ROWS = 20
MOST_NUMBERS = 1 << 21
"""How many numbers one batch of points has at most."""

STEEP = 1e8
"""What a difference quotient gives at least where the derivative is infinite."""

HEAD = ("derivative of", "by", "value", "reference", "difference", "method", "remark")


@dataclass(frozen=True, slots=True)
class Row:
    """One derivative: of a result by an element of an input.

    Attributes
    ----------
    output, input : what is differentiated, and by what.
    value, reference : ours, and what the other way gives.
    difference : between the two, relative to the larger one.
    method : "complex step" or "differences".
    ok : whether the two agree as far as the other way goes.
    remark : a kink, or a value that is not finite.
    """

    output: str
    input: str
    value: float
    reference: float
    difference: float
    method: str
    ok: bool
    remark: str = ""


class GradientCheck(Sequence[Row]):
    """What `check_grad` found, one row for each element that it is differentiated by; prints as a table.

    Attributes
    ----------
    ok : whether all derivatives agree.
    remainder : as which power of the step the error of the linear model falls along a random direction: 2 where the
        derivatives are right and the function is smooth; None where it is too small to tell.
    """

    def __init__(self, title: str, rows: Sequence[Row], remainder: float | None, total: int) -> None:
        self._title, self._rows, self.remainder, self._total = title, list(rows), remainder, total

    @property
    def ok(self) -> bool:
        """Whether all derivatives agree."""
        return all(row.ok for row in self._rows)

    def __getitem__(self, key: Any) -> Any:
        return self._rows[key]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def _summary(self) -> str:
        wrong = sum(not row.ok for row in self._rows)
        told = f"{wrong} of {len(self._rows)} differ" if wrong else f"all {len(self._rows)} agree"
        if len(self._rows) < self._total:
            told += f", chosen of {self._total}"
        if self.remainder is not None:
            told += f"; the remainder along a random direction falls as h**{self.remainder:.2f}"
        return f"{self._title}: {told}"

    def _cells(self) -> list[tuple[str, ...]]:
        shown = sorted(self._rows, key=lambda row: (row.ok, not row.remark, -row.difference))[:MOST_ROWS]
        return [
            (
                row.output,
                row.input,
                f"{row.value:.10g}",
                f"{row.reference:.10g}",
                f"{row.difference:.1e}",
                row.method,
                row.remark or ("" if row.ok else "differs"),
            )
            for row in shown
        ]

    def __str__(self) -> str:
        lines = table_lines([HEAD, *self._cells()])
        left = len(self._rows) - MOST_ROWS
        return "\n".join([self._summary(), *lines, *([f"and {left} more"] if left > 0 else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def row(cells: Sequence[str], kind: str) -> str:
            return "<tr>" + "".join(f"<{kind}>{html.escape(c)}</{kind}>" for c in cells) + "</tr>"

        body = "".join(row(cells, "td") for cells in self._cells())
        return f"<table><caption>{html.escape(self._summary())}</caption>{row(HEAD, 'th')}{body}</table>"


def check_grad(
    fun: Any, *point: Any, wrt: Any = None, order: int = 1, rtol: float = 1e-6, seed: int = 0, **keywords: Any
) -> GradientCheck:
    """Compare derivatives at a point with those that complex steps or extrapolated differences give.

    Complex steps are taken where every operation has a meaning for complex numbers; their error is that of rounding.
    Otherwise central differences are extrapolated, with steps that suit each. Where the slopes on the two sides differ
    that is said: there is a kink, and a derivative between the two is right. Of more than 200 elements to differentiate
    by, 200 are looked at.

    Parameters
    ----------
    fun : a function, or what `symdiff.function` takes.
    point : the arguments, as for a call; keywords are arguments, too.
    wrt : names to differentiate by; all by default.
    order : 1 for the gradient (the Jacobian); 2 for the Hessian, compared with what changes in the gradient.
    rtol : differences up to this part of the larger one are none, beside what the other way may be off.
    seed : of the elements that are chosen, and of the direction for the remainder.

    Raises
    ------
    ArgumentError
        For another order, and where nothing is there to differentiate by.
    UnknownNameError
        For a name in `wrt` that is no input.

    Examples
    --------
    >>> import symdiff as sd
    >>> checked = sd.check_grad("x**2*y", x=3.0, y=2.0)
    >>> checked.ok, [row.value for row in checked]
    (True, [12.0, 9.0])
    """
    if order not in (1, 2):
        raise ArgumentError(f"order is {order!r}", hint="1 or 2")
    f = fun if isinstance(fun, Function) else function(fun)
    f = f.specialize(*point, **keywords)
    trees = f._tree_binder()
    given = f._binder().order(point, keywords) if trees is None else trees.flat(point, keywords)
    if not f._ordered:
        f = f._with_arguments(f.arguments)
    values = []
    for argument, one in zip(f.arguments, given, strict=True):
        value = np.asarray(one, bool if _is_condition(f, argument) else float)
        values.append(value)
        if value.shape != fixed(argument.shape):
            raise ArgumentError(f"check_grad looks at one point; {argument.written} has shape {value.shape}")
    return _Comparison(f, values, wrt, order, rtol, seed).table()


def _is_condition(f: Function, argument: Argument) -> bool:
    table = f._name_table()
    return any(f.graph.types[table[n]].dtype == BOOL for n in argument.inputs)


class _Comparison:
    """One function at one point, with its results and what it is differentiated by as vectors."""

    def __init__(self, f: Function, values: Sequence[Any], wrt: Any, order: int, rtol: float, seed: int) -> None:
        self.values, self.rtol, self.seed, self.order = list(values), rtol, seed, order
        self.title = f"{'gradient' if order == 1 else 'Hessian'} of {f.__name__}"
        self.chosen = self._variables(f, wrt)
        groups = tuple(
            [list(a.members) if a.members is not None else a.name for a in (f.arguments[k] for k in self.groups)]
        )
        self.base = _flat(f) if order == 1 else _flat(jacobian(f, groups))
        if order == 2 and len(f.nodes) == 1 and not fixed(f.types[0].shape):
            self.derivative = _flat(hessian(f, groups))
        else:
            self.derivative = _flat(jacobian(self.base, groups))
        self.names = self._outputs(f)
        self.compiled = self.base.compile(fp="strict", math="scalar")

    def _variables(self, f: Function, wrt: Any) -> list[tuple[int, int]]:
        """Arguments and elements, by number; `groups` are the arguments, `total` how many elements there are."""
        names = None if wrt is None else [name_of(w) for w in (wrt if isinstance(wrt, list | tuple) else [wrt])]
        known = {n for a in f.arguments for n in (a.name, *a.inputs)}
        for name in names or ():
            if name not in known:
                raise UnknownNameError(f"{name} is no input", hint=nearest(name, sorted(known)))
        found, self.groups, self.labels = [], [], {}
        for k, argument in enumerate(f.arguments):
            if self.values[k].dtype == bool:
                continue
            shape = fixed(argument.shape)
            whole = names is None or argument.name in names
            places = list(np.ndindex(shape))
            for j, place in enumerate(places):
                member = argument.members[j] if argument.members is not None else None
                if not whole and member not in (names or ()):
                    continue
                index = f"[{', '.join(map(str, place))}]" if shape else ""
                self.labels[k, j] = member or argument.written.split("[")[0] + index
                found.append((k, j))
        if not found:
            raise ArgumentError("there is nothing to differentiate by")
        self.total = len(found)
        if len(found) > MOST_VARIABLES:
            picked = np.random.default_rng(self.seed).choice(len(found), MOST_VARIABLES, replace=False)
            found = [found[j] for j in sorted(picked)]
        self.groups = sorted({k for k, _ in found})
        return found

    def _outputs(self, f: Function) -> list[str]:
        """What each of the results is called."""
        whole = []
        for (name, _), type_ in zip(f._output_pairs(), f.types, strict=True):
            shape = fixed(type_.shape)
            whole += [name + (f"[{', '.join(map(str, place))}]" if shape else "") for place in np.ndindex(shape)]
        if self.order == 1:
            return whole
        found, start = [], 0
        for type_ in f.types:
            part = whole[start : start + product(fixed(type_.shape))]
            start += len(part)
            for k in self.groups:
                shape = fixed(f.arguments[k].shape)
                inner = [self.labels.get((k, j), f.arguments[k].name) for j in range(product(shape))]
                found += [f"d{o}/d{i}" for o in part for i in inner]
        return found

    def function(self, points: Array) -> Array:
        """The results at points, which are vectors of the variables."""
        size = max(1, sum(v.size for v in self.values) + len(self.names))
        rows = []
        for start in range(0, len(points), max(1, MOST_NUMBERS // size)):
            part = points[start : start + max(1, MOST_NUMBERS // size)]
            args = [np.repeat(v[None], len(part), 0) for v in self.values]
            for column, (k, j) in enumerate(self.chosen):
                args[k].reshape(len(part), -1)[:, j] = part[:, column]
            with np.errstate(all="ignore"):
                found = self.compiled(*args)
            rows.append(np.concatenate([np.asarray(r, float).reshape(len(part), -1) for r in found], 1))
        return np.concatenate(rows)

    def ours(self) -> Array:
        """Our derivatives: (results, variables)."""
        with np.errstate(all="ignore"):
            found = [np.asarray(r, float) for r in self.derivative(*self.values)]
        widths = [product(fixed(self.base.arguments[k].shape)) for k in self.groups]
        blocks = []
        for start in range(0, len(found), len(widths)):
            parts = found[start : start + len(widths)]
            blocks.append(np.concatenate([p.reshape(-1, w) for p, w in zip(parts, widths, strict=True)], 1))
        offsets = dict(zip(self.groups, np.cumsum([0, *widths[:-1]]).tolist(), strict=True))
        return np.concatenate(blocks)[:, [offsets[k] + j for k, j in self.chosen]]

    def _exact(self) -> Array | None:
        """The derivatives by complex steps; members of packs are parameters of their own."""
        table = self.base._name_table()
        parameters: list[int] = []
        values: list[Any] = []
        places: dict[tuple[int, int], tuple[int, int]] = {}
        for k, (argument, value) in enumerate(zip(self.base.arguments, self.values, strict=True)):
            parts = [value] if argument.members is None else list(value.ravel())
            for j in range(value.size):
                places[k, j] = (len(values), j) if argument.members is None else (len(values) + j, 0)
            parameters += [table[n] for n in argument.inputs]
            values += parts
        body = Body(self.base.graph, parameters, self.base.nodes)
        return complex_steps(body, values, [places[v] for v in self.chosen])

    def table(self) -> GradientCheck:
        """The rows: for each variable the result that differs most."""
        point = np.array([float(self.values[k].ravel()[j]) for k, j in self.chosen])
        ours, found = self.ours(), differences(self.function, point)
        exact = self._exact()
        reference = found.slopes if exact is None else exact
        reference[~np.isfinite(found.middle)] = math.nan  # where there is no value there is no slope
        allowed = 10 * found.errors if exact is None else np.zeros_like(ours)
        method = "differences" if exact is None else "complex step"
        remainder = remainder_order(self.function, point, ours, self.seed)
        scale = np.nanmax(np.abs(np.where(np.isfinite(ours), ours, 0.0)), initial=0.0)
        rows = []
        for column, variable in enumerate(self.chosen):
            candidates = [
                self._row(r, column, variable, ours, reference, allowed, found, scale, method) for r in range(len(ours))
            ]
            rows.append(max(candidates, key=lambda row: (not row.ok, bool(row.remark), row.difference)))
        return GradientCheck(self.title, rows, remainder, self.total)

    def _row(
        self,
        r: int,
        column: int,
        variable: tuple[int, int],
        ours: Array,
        reference: Array,
        allowed: Array,
        found: Any,
        scale: float,
        method: str,
    ) -> Row:
        value, other = float(ours[r, column]), float(reference[r, column])
        remark, larger = "", max(abs(value), abs(other))
        if found.jumps[r, column]:
            remark, method, ok = "jump", "differences", True
            other = math.nan
        elif found.kinks[r, column]:
            other, method = float(found.slopes[r, column]), "differences"
            sides = sorted((float(found.below[r, column]), float(found.above[r, column])))
            remark = f"kink: the slope is {sides[0]:.6g} on one side and {sides[1]:.6g} on the other"
            slack = self.rtol * max(map(abs, sides)) + 10 * float(found.errors[r, column])
            ok = math.isnan(value) or sides[0] - slack <= value <= sides[1] + slack
        elif not math.isfinite(value):
            remark, ok = "not finite", not math.isfinite(other) or abs(other) > STEEP
        elif math.isnan(other):
            remark, ok = "not finite", False
        else:
            ok = abs(value - other) <= self.rtol * larger + float(allowed[r, column]) + 1e-12 * scale
        known = math.isfinite(value) and math.isfinite(other)
        gap = abs(value - other) / larger if known and larger else float(not ok)
        return Row(self.names[r], self.labels[self.chosen[column]], value, other, gap, method, bool(ok), remark)


def _flat(f: Function) -> Function:
    """The function with all results in one tuple, and a value for each argument."""
    pairs = f._output_pairs()
    made = f._with_outputs(f.__name__, pairs, structure=tuple(range(len(pairs))))
    return made._varied({}, _trees=False)
