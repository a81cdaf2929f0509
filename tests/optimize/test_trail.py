"""Where nodes of a formula go in the optimizer: what stands there has their value."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate, evaluate_all
from symdiff.optimize.pipeline import optimize
from symdiff.optimize.trail import Trail

FORMULAS = [
    "q = x + y\nf = q*x - exp(-q)",
    "q = 1/(1 + exp(-x))\nr = q*y + 3\nf = r**2*sin(r)",
    "q = min(x, y)\nr = logaddexp(q, x)\nf = clip(r, -1, y)*sign(q)",
    "q = sqrt(x**2 + y**2)\nf = [q, q*x/(2*q) - y*q]",
]


def followed(f, fp):
    known = f._known
    trail = Trail(known.graph.live(known.nodes))
    operands = [(a.type("float64"), known.leaves(a)) for a in f.arguments]
    return optimize(known.graph, operands, known.nodes, fp=fp, stable=known.stable, trail=trail), trail


@pytest.mark.parametrize("fp", ["strict", "contract", "fast"])
@pytest.mark.parametrize("text", FORMULAS)
def test_values_are_those_of_the_formula(text, fp):
    f = sd.function(text, ["x", "y"])
    for one in (f, sd.jacobian(f)):
        program, trail = followed(one, fp)
        known = one._known
        point = {known.names["x"]: 0.75, known.names["y"]: 1.5}
        wanted = evaluate_all(known.graph, known.nodes, point)
        graph = program.graph
        given = {n: (0.75, 1.5)[graph.payloads[n][0]] for n in range(len(graph)) if graph.ops[n].name == "input"}
        found = 0
        for node, places in trail.at.items():
            for at, value in zip(places, np.ravel(wanted[node]), strict=False):
                if at is not None:
                    np.testing.assert_allclose(evaluate(graph, [at], given)[0], value, rtol=1e-12)
                    found += 1
        assert found > 4


def test_elements_of_arrays_are_followed():
    f = sd.function("h = W @ x\nf(x[2], W[2, 2]) = h*exp(h)")
    program, trail = followed(f, "contract")
    node = f._known.names["h"]
    assert len(trail.at[node]) == 2
    assert all(program.graph.ops[at].name == "fma" for at in trail.at[node])


def test_it_changes_nothing():
    f = sd.hessian(sd.function("f(x, y) = exp(x*y)*sin(x)/y"))
    program, _ = followed(f, "contract")
    other = f._program()
    assert (program.graph.ops, program.graph.args, program.outputs) == (
        other.graph.ops, other.graph.args, other.outputs,
    )  # fmt: skip


def test_what_no_node_has_any_more_is_none():
    f = sd.function("q = x*y\nf = q + 1", ["x", "y"])
    _, trail = followed(f, "contract")
    assert trail.at[f._known.names["q"]] == (None,)
