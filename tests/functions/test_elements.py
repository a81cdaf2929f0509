"""Formulas in x[0], x[1], ... of an array are as quick as formulas in scalars, for every number of elements."""

import itertools

import numpy as np
import pytest

import symdiff as sd
from symdiff.differentiate.forward import ForwardSweeps, forward, units
from symdiff.optimize.program import Program

LINKS = {
    "products": "({a}*{b} - sin({a}))**2",
    "guards": "where({a} > {b}, {a}*{b}, exp({b})*{a})",
    "shared": "cos({a} + {b})/(2 + {a}**2)",
}
TRANSFORMS = {"value": lambda f: f, "gradient": sd.grad, "Hessian": sd.hessian}


def chain(link, names):
    return " + ".join(LINKS[link].format(a=a, b=b) for a, b in itertools.pairwise(names))


def by_elements(link, count):
    return sd.function(chain(link, [f"x[{k}]" for k in range(count)]), ["x"], shapes={"x": count})


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("count", [3, 20, 64, 65])
def test_elements_are_scalars(link, transform, count):
    """The same bits, and code of the same size, as with a scalar for each element."""
    names = [f"x{k}" for k in range(count)]
    whole, single = by_elements(link, count), sd.function(chain(link, names), [names])
    made = [TRANSFORMS[transform](f) for f in (whole, single)]
    values = np.linspace(-0.7, 0.9, count)
    assert np.array_equal(made[0](values), made[1](values))
    programs = [f.compile().kernel.program for f in made]
    assert all(isinstance(p, Program) for p in programs)
    assert len(programs[0].graph) == len(programs[1].graph)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(("transform", "count"), [("Hessian", 63), ("gradient", 200), ("value", 200)])
def test_graphs_grow_with_the_number_of_elements(link, transform, count):
    sizes = [len(TRANSFORMS[transform](by_elements(link, n)).graph) for n in (count, 2 * count)]
    assert sizes[1] < 2.1 * sizes[0]


@pytest.mark.parametrize("text", ["[x[0], x[1]*y]", "[x, x]", "x", "[[x[1], 2], x]"])
def test_the_array_itself_beside_its_elements(text):
    f = sd.function(text, ["x", "y"], shapes={"x": 2})
    expected = {"[x[0], x[1]*y]": [3.0, 20.0], "[x, x]": [[3.0, 4.0], [3.0, 4.0]], "x": [3.0, 4.0],
                "[[x[1], 2], x]": [[4.0, 2.0], [3.0, 4.0]]}[text]  # fmt: skip
    assert np.array_equal(f([3.0, 4.0], 5.0), expected)
    assert sd.jacobian(f, "x")([3.0, 4.0], 5.0).shape == (*np.shape(expected), 2)


def test_few_elements_of_a_long_array():
    """Code for what is read, not for what there is."""
    f = sd.function("x[3]*x[-1] + sin(x[50000])", ["x"], shapes={"x": 100_000})
    program = f.compile().kernel.program
    assert isinstance(program, Program)
    assert len(program.graph) < 10
    x = np.zeros(100_000)
    x[[3, -1, 50_000]] = 2.0, 3.0, 0.5
    assert f(x) == 6.0 + np.sin(0.5)
    gradient = sd.grad(f)(x)
    assert gradient[[3, -1, 50_000]].tolist() == [3.0, 2.0, np.cos(0.5)]
    assert np.count_nonzero(gradient) == 3


@pytest.mark.parametrize("text", ["x[1, 2]*y + x[0, 0]", "[x[1, 0], y, x[-1, -1]*x[1, 0]]", "x[0, 1]**2 + y*p[1]"])
@pytest.mark.parametrize("fp", ["strict", "contract"])
def test_elements_of_matrices_and_packs(text, fp):
    f = sd.function(text, ["x", "y", "p"], shapes={"x": (2, 3), "p": 2})
    x = np.arange(1.0, 7.0).reshape(2, 3)
    given = (x, 0.5, np.array([3.0, 4.0]))
    expected = {
        "x[1, 2]*y + x[0, 0]": 4.0, "[x[1, 0], y, x[-1, -1]*x[1, 0]]": [4.0, 0.5, 24.0], "x[0, 1]**2 + y*p[1]": 6.0,
    }[text]  # fmt: skip
    assert np.array_equal(f.compile(fp=fp)(*given), expected)


def test_sweeps_look_at_what_varies_only():
    """The tangents of a walk over everything, where they are not zero; new nodes only where something varies."""
    f = by_elements("products", 12)
    g = sd.grad(f)
    graph, (output,) = g.graph, g.nodes
    slopes = list(graph.args[output])
    target = next(n for n in graph.live([output]) if graph.ops[n].name == "input")
    sweeps = ForwardSweeps(graph, slopes)
    for k in range(12):
        before = len(graph)
        found = sweeps.by_element(target, (k,))
        assert len(graph) - before < 80
        near = {k - 1, k, k + 1} & set(range(12))
        assert {r for r, node in enumerate(found) if node is not None} == near
        assert sweeps.by_element(target, (k,), k) == found[k:]
        dense = forward(graph, slopes, {target: units(graph, (12,), [(k,)])})
        values = [f._with_outputs("t", [("t", made[r]) for r in sorted(near)], 0) for made in (found, dense)]
        point = np.linspace(0.1, 1.1, 12)
        np.testing.assert_allclose(values[0](point), values[1](point), rtol=1e-14)
