"""Plots: which edges are found, and what is drawn of them."""

import math
import subprocess
import sys

import numpy as np
import pytest

import symdiff as sd
from symdiff.errors import ArgumentError
from symdiff.pictures.edges import find_edges, simplest_between

EDGES = [
    ("abs(x)", -3, 3, [("kink", 0.0, 1, -1, 1, 0)]),
    ("max(x, 0.3)*x", -2, 2, [("kink", 0.3, 1, 0.3, 0.6, 0.45)]),
    ("relu(x)", -1, 1, [("kink", 0.0, 1, 0, 1, 0)]),
    ("clip(x, -1, 1)", -2, 2, [("kink", -1.0, 1, 0, 1, 0.5), ("kink", 1.0, 1, 1, 0, 0.5)]),
    ("x*abs(x)", -1, 1, [("kink", 0.0, 2, -2, 2, 0)]),
    ("floor(x) + x", -1.5, 0.5, [("jump", -1.0, 0, -3, -2, -2), ("jump", 0.0, 0, -1, 0, 0)]),
    ("where(x > 0.25, x**2, x)", -1, 1, [("jump", 0.25, 0, 0.25, 0.0625, 0.25)]),
    ("sqrt(x)", -1, 2, [("end", 0.0, 0, math.nan, None, 0)]),
    ("log(x)", -1, 3, [("end", 0.0, 0, math.nan, None, -math.inf)]),
    ("1/(x - 0.5)", -3, 3, [("pole", 0.5, 0, None, None, math.inf)]),
    ("1/x**2", -1, 1, [("pole", 0.0, 0, None, None, math.inf)]),
    ("tan(x)", -2, 2, [("pole", -math.pi / 2, 0, None, None, None), ("pole", math.pi / 2, 0, None, None, None)]),
    ("cbrt(x)", -1, 1, [("vertical tangent", 0.0, 1, None, None, math.inf)]),
    ("tanh(200*x)", -1, 1, []),
    ("1/(1e-6 + x**2)", -1, 1, []),
    ("sin(60*x)", -3, 3, []),
    ("exp(5*x)", -3, 3, []),
    ("exp(-1/x**2)", -1, 1, []),
    ("3.0 + 0*x", 0, 1, []),
]


@pytest.mark.parametrize(("text", "start", "stop", "wanted"), EDGES, ids=[e[0] for e in EDGES])
def test_edges(text, start, stop, wanted):
    f = sd.function(text, ["x"])
    with np.errstate(all="ignore"):
        found = find_edges([f, f.derivative("x"), f.derivative("x", 2)], start, stop)
    assert [(e.kind, e.order) for e in found] == [(kind, order) for kind, _, order, *_ in wanted]
    for edge, (_, x, _, *numbers) in zip(found, wanted, strict=True):
        assert edge.x == pytest.approx(x, abs=1e-11)
        for number, value in zip(numbers, (edge.left, edge.right, edge.value), strict=True):
            assert number is None or value == pytest.approx(number, abs=1e-6, nan_ok=True)


def test_the_simplest_number():
    assert simplest_between(-1e-13, 1e-13) == 0.0
    assert math.copysign(1, simplest_between(-1e-13, 1e-13)) == 1
    assert simplest_between(2.4999999, 2.5000001) == 2.5


def test_what_is_drawn():
    pytest.importorskip("matplotlib")
    figure = sd.plot("f(x, a) = abs(x) + a", 2, x=(-1, 1), a=0.5)
    (ax,) = figure.axes
    labels = [line.get_label() for line in ax.get_lines() if line.get_label()[0] != "_"]
    assert labels == ["f(x)", "f′(x)", "f″(x)"]
    first = ax.get_lines()[1]
    xs, ys = first.get_data()
    assert set(ys[np.isfinite(ys)].tolist()) == {-1.0, 1.0}
    assert np.isnan(ys[np.flatnonzero(xs == 0.0)]).any()
    assert ax.get_xlabel() == "x\na kink at x = 0: f′(0) = 0"
    assert ax.get_title(loc="left") == "f(x, a) = abs(x) + a"
    marks = {tuple(np.ravel(line.get_data())) for line in ax.get_lines() if line.get_marker() == "o"}
    assert {(0.0, 0.0)} < marks
    assert {round(y, 6) for _, y in marks} == {-1.0, 0.0, 1.0}


def test_a_plot_in_axes_of_the_user(tmp_path):
    pyplot = pytest.importorskip("matplotlib.figure")
    figure = pyplot.Figure()
    ax = figure.add_subplot()
    assert sd.function("f(x) = 1/x").plot(x=(-1, 2), ax=ax) is figure
    low, high = ax.get_ylim()
    assert -100 < low < high < 100
    figure.savefig(tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").stat().st_size > 1000


def test_mistakes():
    pytest.importorskip("matplotlib")
    for call, message in [
        (lambda: sd.plot("x**2"), "there is no range"),
        (lambda: sd.plot("x*y", x=(0, 1), y=(0, 1)), "there are ranges of x and y"),
        (lambda: sd.plot("x", x=(1, 0)), "is no range"),
        (lambda: sd.plot("x", 5, x=(0, 1)), "orders is 5"),
        (lambda: sd.plot("[x, x]", x=(0, 1)), "does not give one number"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            call()


def test_without_matplotlib_it_says_what_to_install():
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['matplotlib.figure'] = None\n"
        "import symdiff as sd\ntry:\n    sd.plot('x**2', x=(0, 1))\nexcept sd.ArgumentError as e:\n    print(e)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "[plot]" in done.stdout, done.stderr
