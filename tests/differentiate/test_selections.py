"""Hessians through `a[g]`: selections stay symbols, so nothing of rows times elements is ever made."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.types import fixed

ROWS, PLACES = 60, 5
RNG = np.random.default_rng(8)
HEAD = "f(a[{shape}], b, x[60], g[60], y[60]) = "

FORMULAS = {
    # name: formula, shape of a, whether selections remain to the end
    "fit": ("sum((exp(a[g]) + b*x - y)**2)", (5,), True),
    "fit and penalty": ("sum((exp(a[g]) + b*x - y)**2) + b*sum(a**2)", (5,), True),
    "linear": ("sum((a[g] + b*x - y)**2)", (5,), True),
    "dot": ("dot(exp(a[g]), x)*b + dot(a[g], a[g])", (5,), True),
    "of a function of a": ("sum(exp(a)[g]*x*b)**2", (5,), False),
    "guard": ("sum(where(a[g] > 0, log(a[g]), a[g]**3)*x*b)", (5,), True),
    "kink": ("sum(abs(exp(a)[g] - y)**1.5*b)", (5,), True),
    "two selections": ("sum(tanh(a[g] - x*a[4 - g])**2*y) + b*prod(a)", (5,), False),
    "negative": ("sum(sin(a[g - 2])*y*b)", (5,), True),
    "slices": ("sum(a[g][1:]**3)*b + sum(a[g][::-2]**2)", (5,), False),
    "reshape": ("sum(reshape(sin(a[g]), (6, 10))*b)", (5,), False),
    "outer": ("sum(sin(outer(a[g], [1, 2, 3]))*b)", (5,), True),
    "rows": ("sum(exp(a[g]) @ [b, 2*b, 3]*x)", (5, 3), True),
    "columns": ("sum((b*[1, 2, 3] @ exp(a[:, g]))*x)", (3, 5), True),
    "once": ("sum(a[g[:1]]**2*b)", (5,), False),
    "order 3": ("sum(exp(a[g])*x)*b**3", (5,), True),
}


def dense(formula, rows):
    """The formula with a product by a matrix of zeros and ones for each selection."""
    for index, name in (("4 - g", "T"), ("g - 2", "U"), ("g[:1]", "V"), ("g", "S")):
        formula = formula.replace(f"exp(a)[{index}]", f"({name} @ exp(a))")
        formula = formula.replace(f"a[:, {index}]", f"(a @ transpose({name}))")
        formula = formula.replace(f"a[{index}]", f"({name} @ a)")
    return formula, {
        "S": np.eye(PLACES)[rows], "T": np.eye(PLACES)[4 - rows], "U": np.eye(PLACES)[rows - 2],
        "V": np.eye(PLACES)[rows[:1]],
    }  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("wrt", [["a", "b"], ["b", "a"], ["a"]])
def test_hessians_are_those_of_dense_selections(name, wrt):
    formula, shape, _ = FORMULAS[name]
    a, b = RNG.uniform(0.2, 1.2, shape), 0.7
    x, y = RNG.normal(size=(2, ROWS))
    rows = RNG.integers(0, PLACES, ROWS)
    f = sd.function(HEAD.format(shape=", ".join(map(str, shape))) + formula)
    text, matrices = dense(formula, rows)
    given = {"a": a, "b": b, "x": x, "g": rows.astype(float), "y": y, **matrices}
    used = [n for n in given if n in "abxgy" or n in text]
    h = sd.function(text, used, shapes={n: np.shape(given[n]) for n in used})
    results = [sd.hessian(f, wrt)(a, b, x, given["g"], y), sd.hessian(h, wrt)(*(given[n] for n in used))]
    flat = [np.concatenate([np.ravel(part) for part in leaves(r)]) for r in results]
    np.testing.assert_allclose(flat[0], flat[1], rtol=1e-11, atol=1e-11)


def leaves(result):
    return [leaf for part in result for leaf in leaves(part)] if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", [name for name, (*_, kept) in FORMULAS.items() if kept])
def test_no_array_of_rows_times_places_is_made(name):
    """Neither in the graph nor among the buffers, which take little more than the result."""
    formula, shape, _ = FORMULAS[name]
    large = tuple(500 if n == PLACES else n for n in shape)
    shapes = {"a": large, "b": (), "x": 600, "g": 600, "y": 600}
    h = sd.hessian(sd.function(formula, list(shapes), shapes=shapes), ["a", "b"])
    graph = h.graph
    sizes = [fixed(graph.types[node].shape) for node in graph.live(h.nodes)]
    wide = {s for s in sizes if 600 in s and 500 in s}
    assert not wide
    entries = np.prod(large) + 1
    one_block = 8 * entries**2 if len(shape) > 1 else 0  # whose rows and columns are not those of the indices
    assert h.compile().kernel.program.plan.workspace < 2.1 * one_block + 8 * 40 * 600


def test_third_derivatives_and_jacobians():
    f = sd.function("f(a[5], g[9]) = sum(exp(2*a[g]))")
    a, g = RNG.normal(size=5), RNG.integers(0, 5, 9).astype(float)
    counts = np.bincount(g.astype(int), minlength=5)
    third = sd.jacobian(sd.hessian(f, "a"), "a")(a, g)
    expected = np.zeros((5, 5, 5))
    expected[(np.arange(5),) * 3] = 8 * counts * np.exp(2 * a)
    np.testing.assert_allclose(third, expected, rtol=1e-13)
    for mode in ("forward", "reverse"):
        rows = sd.jacobian("h(a[5], g[9]) = exp(2*a[g])", "a", mode=mode)(a, g)
        chosen = np.eye(5)[g.astype(int)]
        np.testing.assert_allclose(rows, 2 * np.exp(2 * chosen @ a)[:, None] * chosen, rtol=1e-13)


def test_an_index_out_of_range_is_refused():
    h = sd.hessian("f(a[5], g[9]) = sum(a[g]**2)", "a")
    with pytest.raises(sd.SymdiffError, match="out of range"):
        h(np.ones(5), np.full(9, 5.0))
