"""Jacobians by elimination against those by sweeps and the interpreter, and what they take."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.differentiate.elimination import Linearized, best_order, operations_in
from symdiff.interpret import evaluate
from symdiff.ir.verify import verify
from tests.differentiate.test_modes import GUARDED, formula

WRT = ["x", "y", "z"]
MODES = ("forward", "reverse", "cross-country")


def several(seed, size=12):
    """A random function with sharing and branches, of three inputs and three outputs."""
    *lines, _ = formula(seed, size).splitlines()
    return "\n".join([*lines, f"[{', '.join(f't{k}' for k in range(size - 3, size))}]"])


def close(one, two):
    np.testing.assert_array_equal(np.isfinite(one), np.isfinite(two))
    one, two = (np.where(np.isfinite(m), m, 0) for m in (one, two))
    np.testing.assert_allclose(one, two, rtol=1e-8, atol=1e-8 * np.max(np.abs(two)) + 1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**9))
def test_modes_agree_on_random_functions(seed):
    f = sd.function(several(seed), WRT)
    x = np.random.default_rng(seed).uniform(-1.5, 1.5, (3, 20))
    made = [sd.jacobian(f, WRT, mode=mode) for mode in MODES]
    verify(f.graph)
    with np.errstate(all="ignore"):
        forward, reverse, crossed = (m(*x) for m in made)
        close(crossed, forward)
        close(crossed, reverse)
        close(sd.jacobian(f, WRT)(*x), forward)
        second = [sd.jacobian(m, WRT, mode=mode)(*x) for m, mode in zip(made, MODES, strict=True)]
        close(second[2], second[0])
        close(sd.jacobian(sd.grad(sd.function(formula(seed), WRT)), WRT, mode="cross-country")(*x),
              sd.hessian(sd.function(formula(seed), WRT))(*x))  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**9))
def test_strict_is_the_interpreter_bit_for_bit(seed):
    made = sd.jacobian(sd.function(several(seed), WRT), WRT, mode="cross-country")
    names = made._name_table()
    for x in np.random.default_rng(seed).uniform(-2, 2, (5, 3)):
        (want,) = evaluate(made.graph, made.nodes, dict(zip((names[n] for n in WRT), x, strict=True)))
        np.testing.assert_array_equal(made.compile(fp="strict")(*x), want)


@pytest.mark.parametrize(("text", "point", "slope"), GUARDED)
def test_guards(text, point, slope):
    f = sd.function(f"t = {text}\n[t, x*t, y + sin(t)]", ["x", "y"])
    made, forward = (sd.jacobian(f, ["x", "y"], mode=mode) for mode in ("cross-country", "forward"))
    close(made(point, 2.0), forward(point, 2.0))
    assert made(point, 2.0)[0][0] == pytest.approx(slope, rel=1e-14)


# formula, wrt, point: packs, lists, named lines, elements, outputs that others need, inputs as outputs, zeros
KINDS = [
    ("f(x[3]) = [x[0]*x[1], sin(x[1]*x[2]), x[0]]", "x", ([0.3, 0.7, 2.0],)),
    ("f(x[2, 2]) = [[x[0, 0]*x[1, 1], x[0, 1]], [exp(x[1, 0]), 2.0]]", "x", (np.arange(4.0).reshape(2, 2),)),
    ("f([x, y], a) = [a*x*y, x + y, x, x]", ["x", "y"], ([0.3, 0.7], 2.0)),
    ("f([x, y], a) = [a*x*y, x + y, 3.0]", ("a", "x"), ([0.3, 0.7], 2.0)),
    ("q = x*y\nr = sin(q)\n[q, r, q*r, x]", ["x", "y"], (0.3, 0.7)),
    ("q = x*y\nr = sin(q)\n[q, r, q*r, x]", "q", (0.3, 0.7)),
    ("q = x*y\nr = sin(q)\n[q, r, q*r, x]", ["q", "x"], (0.3, 0.7)),
    ("q = [x*y, x + y]\n[q[0]*q[1], q[1]**2, sin(q[0])]", ["x", "y"], (0.3, 0.7)),
    ("f(x[4]) = [x[0]*x[1]*x[2]*x[3], x[0] + x[1]]", "x[1:]", ([0.3, 0.7, 2.0, 0.1],)),
    ("f(x, y) = [floor(x), sign(y)*x, stop_gradient(x)*y]", ["x", "y"], (0.3, 0.7)),
    ("f(x[3], W[2, 3]) = tanh(W @ x)", ("x", "W"), ([0.3, 0.7, 2.0], np.ones((2, 3)))),
]


@pytest.mark.parametrize(("text", "wrt", "point"), KINDS)
def test_all_kinds_of_inputs_and_outputs(text, wrt, point):
    f = sd.function(text) if text.startswith("f(") else sd.function(text, ["x", "y"])
    made, forward = (sd.jacobian(f, wrt, mode=mode) for mode in ("cross-country", "forward"))
    got, want = made(*point), forward(*point)
    for a, b in zip(*([v] if not isinstance(v, tuple) else v for v in (got, want)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


def test_what_the_first_branch_computes_does_not_matter_for_the_other():
    f = sd.function("t = where(x > 0, x*y, log(x)*y)\nu = where(y > 0, sqrt(x), x*t)\n[t*u, u*x, sin(t)]", ["x", "y"])
    for x, y in ((1.0, 2.0), (4.0, -3.0), (0.0, -1.0), (-2.0, -1.0)):
        with np.errstate(all="ignore"):
            close(*(sd.jacobian(f, ["x", "y"], mode=mode)(x, y) for mode in ("cross-country", "reverse")))


@pytest.mark.parametrize("scale", [1e-100, 1e-50, 1.0, 1e50, 1e100])
@pytest.mark.parametrize("text", ["q*e/(m*(w**2 - v**2))", "m*h/(q*e) + m*v/(w*h**2*q*e)*h", "q/sqrt(1 - v**2/w**2)"])
def test_small_and_large_divisors_are_those_of_forward_mode(text, scale):
    f = sd.function(f"u = {text}\n[u, sin(u), u*q + v**2]", list("qemhwv"))
    x = scale * np.array([1.3, 0.7, 2.1, 1.1, 1.9, 0.6])
    with np.errstate(all="ignore"):
        made, forward, reverse = (sd.jacobian(f, list("qemhwv"), mode=m)(*x) for m in ("cross-country", *MODES[:2]))
    both = np.isfinite(forward) & np.isfinite(reverse)
    np.testing.assert_allclose(
        made[both], forward[both], rtol=1e-9, atol=1e-12 * np.max(np.abs(forward[both]), initial=0)
    )


def bow_tie(n):
    """n inputs, all by way of one number, n outputs, with several operations on every way in and out."""
    names = [f"x{k}" for k in range(n)]
    inner = " + ".join(f"x{k}*exp(x{k})" for k in range(n))
    lines = [f"t = {inner}", *(f"y{k} = exp({k + 1}*t)" for k in range(n))]
    return sd.function("\n".join([*lines, f"[{', '.join(f'y{k}' for k in range(n))}]"]), names)


def counted(f):
    return f.stats()["operations"]


def test_a_bow_tie_takes_a_product_for_each_entry():
    f = bow_tie(20)
    crossed, forward, reverse = (counted(sd.jacobian(f, mode=m)) for m in ("cross-country", "forward", "reverse"))
    assert crossed <= 550
    assert crossed < 0.6 * min(forward, reverse)
    made = sd.jacobian(f)
    assert counted(made) == crossed
    assert re.search(
        rf"jacobian: cross-country mode\n  way.*operations\n  cross-country mode +{crossed}\n", made.explain()
    )
    assert "forward mode" in made.explain()


def test_auto_is_never_dearer_than_a_mode():
    for seed in range(12):
        f = sd.function(several(seed, 16), WRT)
        assert counted(sd.jacobian(f, WRT)) <= min(counted(sd.jacobian(f, WRT, mode=m)) for m in MODES[:2])


def test_the_order_found_is_not_dearer_than_forward_and_reverse():
    f = bow_tie(6)
    linearized = Linearized(f.graph, f.nodes, [f._name_table()[n] for n in f.names if n.startswith("x")])
    count, order = best_order(linearized)
    assert sorted(order) == linearized.vertices
    ahead = operations_in(linearized, linearized.vertices)
    assert count < min(ahead, operations_in(linearized, linearized.vertices[::-1]))
    assert best_order(linearized, most=3) is None


def test_a_large_jacobian_is_made_in_time_that_grows_with_its_size():
    n = 3000
    x = sd.symbol("x", n + 1)
    f = sd.function([x[k] * x[k + 1] + sd.sin(x[k]) for k in range(n)], [x])
    linearized = Linearized(f.graph, f.nodes, [f._name_table()["x"]])
    count, order = best_order(linearized)
    assert len(order) == len(linearized.vertices)
    assert count <= 2 * n


def test_unknown_modes_are_refused():
    with pytest.raises(sd.ArgumentError, match="cross"):
        sd.jacobian("[x, y]", ["x", "y"], mode="cross")


@pytest.mark.parametrize("mode", ["auto", *MODES])
def test_products_of_matrices_are_taken_in_the_cheapest_order_in_every_mode(mode):
    # A @ (B @ (C scaled)) for the first, (A @ B) @ (C scaled) for the second
    for a, b, c, x in ((50, 60, 40, 30), (5, 60, 40, 30)):
        f = sd.function(f"f(A[{a},{b}], B[{b},{c}], C[{c},{x}], x[{x}]) = A @ B @ tanh(C @ x)")
        left, right = 2 * a * b * c + 2 * a * c * x, 2 * b * c * x + 2 * a * b * x
        assert counted(sd.jacobian(f, "x", mode=mode)) <= min(left, right) + 5 * c * x


def test_auto_counts_both_modes_of_whole_arrays_after_optimization():
    f = sd.function("f(A[50,3], B[3,40], C[40,30], x[30]) = tanh(A @ tanh(B @ tanh(C @ x)))")
    made = sd.jacobian(f, "x")
    assert counted(made) == min(counted(sd.jacobian(f, "x", mode=mode)) for mode in MODES[:2])
    assert re.search(rf"reverse mode +{counted(made):,}\n", made.explain())
    assert "forward mode" in made.explain()
