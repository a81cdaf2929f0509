"""Dense Jacobians from the entries that there can be, against those by sweeps, and when they are chosen."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.ir.verify import verify
from tests.differentiate.test_elimination import KINDS, WRT, close, several
from tests.differentiate.test_modes import GUARDED

BY_ENTRIES = ("direct", "compressed")
RANDOM = np.random.default_rng(0)
X, M = RANDOM.normal(size=6), RANDOM.normal(size=(4, 3))
BLOCKS = RANDOM.normal(size=(5, 3, 3)) + 4 * np.eye(3)

ARRAYS = [
    ("f(x[6]) = x[1:]*x[:-1]**2", "x", (X,)),
    ("f(x[6]) = x[::-1]*sin(x)", "x", (X,)),
    ("f(x[6]) = cumsum(x)*x", "x", (X,)),
    ("f(x[6]) = sum(x)", "x", (X,)),
    ("f(x[6]) = 3*x[2]", "x", (X,)),
    ("f(x[6]) = floor(x)", "x", (X,)),
    ("f(x[6]) = x", "x", (X,)),
    ("f(x[6], y) = x[1:]*y", ("x", "y"), (X, 0.7)),
    ("f(x[6], y[6]) = outer(x, y)[:2]", ("y", "x"), (X, X + 1)),
    ("f(x[6]) = where(x > 0, sqrt(x), x**2)", "x[1:5]", (X,)),
    ("f(m[4, 3]) = cumsum(m**2, axis=1)", "m", (M,)),
    ("f(m[4, 3]) = softmax(m, axis=1)", "m", (M,)),
    ("f(m[4, 3]) = m.T[1:] @ m", "m", (M,)),
    ("f(A[5, 3, 3], m[5, 3]) = solve(A, m[:, :, None])[:, :, 0]", ("A", "m"), (BLOCKS, np.ones((5, 3)))),
]


def parts(value):
    return value if isinstance(value, tuple) else (value,)


@pytest.mark.parametrize("mode", BY_ENTRIES)
@pytest.mark.parametrize(("text", "wrt", "point"), KINDS + ARRAYS)
def test_all_kinds_of_inputs_and_outputs(text, wrt, point, mode):
    f = sd.function(text) if text.startswith("f(") else sd.function(text, ["x", "y"])
    got, want = (parts(sd.jacobian(f, wrt, mode=m)(*point)) for m in (mode, "forward"))
    for a, b in zip(got, want, strict=True):
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("mode", BY_ENTRIES)
@pytest.mark.parametrize(("text", "wrt", "point"), ARRAYS)
def test_they_are_differentiated_again(text, wrt, point, mode):
    f = sd.function(text)
    wrt = f.arguments[0].name
    once, forward = (sd.jacobian(f, wrt, mode=m) for m in (mode, "forward"))
    close(*(sd.jacobian(j, wrt, mode="forward")(*point) for j in (once, forward)))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_modes_agree_on_random_functions(seed):
    f = sd.function(several(seed), WRT)
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, (3, 20))
    made = [sd.jacobian(f, WRT, mode=mode) for mode in (*BY_ENTRIES, "forward")]
    verify(f.graph)
    with np.errstate(all="ignore"):
        direct, compressed, forward = (m(*x) for m in made)
        close(direct, forward)
        close(compressed, forward)


@pytest.mark.parametrize("mode", BY_ENTRIES)
@pytest.mark.parametrize(("text", "point", "slope"), GUARDED)
def test_guards(text, point, slope, mode):
    made = sd.jacobian(f"t = {text}\n[t, x*t, y + sin(y), y**2]", ["x", "y"], mode=mode)
    assert made(point, 2.0)[0][0] == pytest.approx(slope, rel=1e-14)


def counted(f):
    return f.stats()["operations"]


def test_sparse_formulas_take_what_sweeps_take():
    n = 30
    x = sd.symbol("x", n)
    for f in (
        sd.function([x[k] * sd.sin(x[k + 1]) * x[k] ** 2 for k in range(n - 1)], [x]),
        sd.function(
            [x[0] * x[1], *(sd.exp(k * x[0]) * x[k] for k in range(1, n)), sum(x[k] ** 2 for k in range(n))], [x]
        ),
    ):
        least = min(counted(sd.jacobian(f, mode=mode)) for mode in ("forward", "reverse"))
        assert counted(sd.jacobian(f, mode="compressed")) <= 1.02 * least
        assert counted(sd.jacobian(f)) <= least


def test_the_table_of_a_sparse_formula():
    f = sd.function(
        "u = sin(x*y)\nv = exp(u)*u\nw = cos(z*t)*exp(z)*sin(t)*z\n[v, v*u, sin(v), w, w**2, exp(w)]", list("xyzt")
    )
    table = sd.jacobian(f).explain()
    assert re.search(r"compressed mode +about \d+\n", table)
    dense = sd.function("u = sin(x*y)\nv = exp(u)*u\n[v, v*u, sin(v)]", list("xy"))
    assert "compressed" not in sd.jacobian(dense).explain()


CHOSEN = [
    ("f(A[20, 3, 3], b[20, 3]) = solve(A, b[:, :, None])[:, :, 0]", "A", "compressed"),
    ("f(x[60]) = x[1:]*x[:-1]**2", "x", "direct"),
    ("f(x[30, 4]) = cumsum(x**2, axis=1)", "x", "direct"),
    ("f(x[20], W[20, 20], V[20, 20]) = V @ tanh(W @ x)", "x", "forward"),
]


@pytest.mark.parametrize(("text", "wrt", "mode"), CHOSEN)
def test_auto_takes_the_fewest_operations_of_whole_arrays(text, wrt, mode):
    made = sd.jacobian(text, wrt)
    count = counted(made)
    assert re.search(rf"jacobian: {mode} mode\n  way +operations\n  {mode} mode +{count:,}\n", made.explain())
    for other in ("forward", "reverse", *BY_ENTRIES):
        assert count <= counted(sd.jacobian(text, wrt, mode=other))
    if mode in BY_ENTRIES:
        assert all(f"{other} mode" in made.explain() for other in ("forward", "reverse", *BY_ENTRIES))
        assert count < 0.1 * counted(sd.jacobian(text, wrt, mode="forward"))


def test_large_graphs_are_compared_before_optimization():
    lines = [f"t{k + 1} = {k + 1}*sin(cumsum(t{k}, axis=1))" for k in range(40)]
    f = sd.function("\n".join(["t0 = x", *lines]), {"x": (30, 3)})
    made, x = sd.jacobian(f), np.linspace(-1, 1, 90).reshape(30, 3)
    assert re.search(
        r"jacobian: compressed mode\n  way +operations before optimization\n  compressed mode", made.explain()
    )
    close(made(x), sd.jacobian(f, mode="forward")(x))


def test_sizes_by_name():
    f = sd.function("f(x[n]) = x[1:]*x[:-1]**2")
    for n in (5, 40):
        x = np.linspace(-1, 1, n)
        for mode in BY_ENTRIES:
            close(sd.jacobian(f, "x", mode=mode)(x), sd.jacobian(f, "x", mode="forward")(x))


def test_modes_that_there_are():
    with pytest.raises(sd.ArgumentError, match='"direct", "compressed"'):
        sd.jacobian("[x, y]", ["x", "y"], mode="coloured")
