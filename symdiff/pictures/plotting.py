"""`plot`: a function of one number and its derivatives as curves, with marks at kinks, jumps, poles and ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from symdiff.errors import ArgumentError
from symdiff.functions.build import function
from symdiff.functions.function import Function
from symdiff.functions.series import derivative
from symdiff.pictures.edges import BESIDE, END, JUMP, KINK, POLE, TANGENT, Edge, find_edges
from symdiff.signature import listed_parameters

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0b62c4", "#d0601a", "#2c8a4b", "#8a4fbf", "#8c6d1f")
MOST_ORDERS = 4
MOST_TOLD = 6
"""So many edges are told below the curves."""
LONGEST_TITLE = 70
PRIMES = ("", "′", "″", "‴", "⁗")


def plot(fun: Any, orders: int = 1, *, points: int = 800, ax: Axes | None = None, **ranges: Any) -> Figure:
    """A function of one number and its derivatives, as curves of matplotlib.

    Where the function or a derivative is not smooth, the place is marked: limits from both sides are open circles, what
    a convention chooses between them (see docs/operations.md, "Edges and kinks") is a full one, poles and vertical
    tangents are dotted lines; what was found is told below.

    Parameters
    ----------
    fun : a Function, or anything that `function` takes, with one output that is a number.
    orders : up to which order derivatives are shown, at most 4.
    points : how many points curves have.
    ax : where to draw; default: a figure of its own.
    ranges : the range of one input, ``x=(-3, 3)``, and numbers for all others, ``a=2.0``.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, which a notebook shows.

    Raises
    ------
    ArgumentError
        Where matplotlib is not installed; where there is no range, or more than one; where the output is no number.

    Examples
    --------
    >>> import symdiff as sd
    >>> sd.plot("abs(x) + a", x=(-1, 1), a=0.5).savefig("kink.svg")  # doctest: +SKIP
    """
    f = fun if isinstance(fun, Function) else function(fun)
    name, (start, stop), others = _range(ranges)
    if not 0 <= orders <= MOST_ORDERS:
        raise ArgumentError(f"orders is {orders}", hint=f"from 0 to {MOST_ORDERS}")
    f = f.specialize(**others, **{name: start})
    if len(f.types) != 1 or f.types[0].shape or f.types[0].dtype == "bool":
        raise ArgumentError(f"{f.__name__} does not give one number", hint="choose one: sd.function(f, outputs=…)")
    curves = [_Curve(f if k == 0 else derivative(f, name, k), name, others) for k in range(orders + 1)]
    with np.errstate(all="ignore"):
        edges = find_edges(curves, start, stop, points)
        return _drawn(f, name, curves, edges, np.linspace(start, stop, points), ax)


def _range(ranges: Mapping[str, Any]) -> tuple[str, tuple[float, float], dict[str, Any]]:
    """The input that varies, from where to where, and the others."""
    found = {n: v for n, v in ranges.items() if isinstance(v, tuple) and len(v) == 2 and np.ndim(v) == 1}
    if len(found) != 1:
        what = "there is no range" if not found else f"there are ranges of {' and '.join(found)}"
        raise ArgumentError(f"plot: {what}", hint="give one input a range, the others numbers: x=(-3, 3), a=2.0")
    ((name, (low, high)),) = found.items()
    start, stop = float(low), float(high)
    if not start < stop or not np.isfinite([start, stop]).all():
        raise ArgumentError(f"plot: {name} from {start:g} to {stop:g} is no range", hint=f"{name}=(-3, 3)")
    return name, (start, stop), {n: v for n, v in ranges.items() if n != name}


class _Curve:
    """A function of one of its inputs."""

    def __init__(self, f: Function, name: str, others: Mapping[str, Any]) -> None:
        self.f, self.name, self.others = f, name, dict(others)

    def __call__(self, x: Any) -> Any:
        value = self.f(**{self.name: x}, **self.others)
        return np.broadcast_to(value, np.shape(x)) if np.ndim(x) else value


def _drawn(
    f: Function, name: str, curves: Sequence[_Curve], edges: Sequence[Edge], grid: Any, ax: Axes | None
) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ArgumentError("plots need matplotlib", hint='pip install "symdiff-compiler[plot]"') from None
    if ax is None:
        figure = Figure(figsize=(7.2, 4.4), layout="constrained")
        ax = figure.add_subplot()
    shown = []
    for order, curve in enumerate(curves):
        values = np.array(curve(grid), float)
        xs, ys = _broken(curve, grid, values, [e.x for e in edges if e.order <= order and e.kind != TANGENT])
        label = f"{f.__name__}{PRIMES[order]}({name})"
        ax.plot(xs, ys, color=COLORS[order], lw=1.8 if order == 0 else 1.4, label=label, zorder=3 - 0.1 * order)
        shown.append(values)
    _limit(ax, shown, any(e.kind in (POLE, TANGENT) for e in edges))
    for edge in edges:
        _mark(ax, edge, curves)
    ax.axhline(0, color="#888888", lw=0.6, zorder=0)
    ax.grid(True, color="#888888", alpha=0.18, lw=0.6)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.margins(x=0.01)
    text = str(f)
    long = len(text) > LONGEST_TITLE or "\n" in text
    title = f"{f.__name__}({listed_parameters(f.arguments)})" if long else text
    ax.set_title(title.replace("$", r"\$"), fontsize=11, loc="left")
    ax.legend(frameon=False, loc="best")
    told = [_told(edge, f.__name__, name) for edge in edges]
    if len(told) > MOST_TOLD:
        told = [*told[: MOST_TOLD - 1], f"and {len(told) - MOST_TOLD + 1} more"]
    ax.set_xlabel("\n".join([name, *told]), fontsize=9)
    found = ax.figure
    assert isinstance(found, Figure)
    return found


def _broken(curve: _Curve, grid: Any, values: Any, places: Sequence[float]) -> tuple[Any, Any]:
    """The points of a curve, in pieces that end where it jumps, each with its limit there."""
    near = BESIDE * (grid[-1] - grid[0])
    for x in places:
        sides = [float(curve(x - near)), np.nan, float(curve(x + near))]
        keep = grid != x
        grid, values = grid[keep], values[keep]
        at = np.searchsorted(grid, x)
        grid, values = np.insert(grid, at, [x, x, x]), np.insert(values, at, sides)
    return grid, values


def _limit(ax: Axes, shown: Sequence[Any], infinite: bool) -> None:
    """Show what curves do, and not only how high they get at a pole."""
    values = np.concatenate([v[np.isfinite(v)] for v in shown])
    if not infinite or not len(values):
        return
    low, high = np.percentile(values, [4, 96])
    room = 0.15 * max(high - low, 1e-12)
    ax.set_ylim(low - room, high + room)


def _mark(ax: Axes, edge: Edge, curves: Sequence[_Curve]) -> None:
    color = COLORS[edge.order]
    style: dict[str, Any] = {"ls": "", "marker": "o", "ms": 5.5, "mec": color, "mew": 1.3, "zorder": 5}
    if edge.kind in (POLE, TANGENT):
        ax.axvline(edge.x, color=color, lw=1.0, ls=":", zorder=1)
        return
    for limit in (edge.left, edge.right):
        if np.isfinite(limit) and limit != edge.value:
            ax.plot([edge.x], [limit], mfc=ax.get_facecolor(), **style)
    if np.isfinite(edge.value):
        ax.plot([edge.x], [edge.value], mfc=color, **style)
    if edge.kind == KINK:
        below = float(curves[edge.order - 1](edge.x))
        ax.plot([edge.x], [below], ls="", marker="D", ms=4.5, color=COLORS[edge.order - 1], zorder=5)


def _told(edge: Edge, f: str, name: str) -> str:
    """An edge in words: where it is, and what the value is there."""
    x, value = f"{edge.x:.6g}", f"{edge.value:.6g}"
    at = f": {f}{PRIMES[edge.order]}({x}) = {value}"
    if edge.kind == POLE and np.isfinite(edge.value):  # no number is where it is
        at = ""
    kind = {
        KINK: "a kink" if edge.order == 1 else f"a kink of {f}{PRIMES[edge.order - 1]}",
        JUMP: "a jump",
        POLE: "a pole",
        TANGENT: "a vertical tangent",
        END: "an end",
    }[edge.kind]
    return f"{kind} at {name} = {x}{at}".replace("-", "−")
