"""Gradients within a budget of memory: the same bits, and how many operations more."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.optimize.pipeline import optimize
from symdiff.optimize.planning.check import check_plan
from symdiff.optimize.planning.lowering import make_plan
from symdiff.types import product
from tests.optimize.run_plan import run_plan
from tests.optimize.test_plan_random import graphs


def chain(layers, n=64):
    lines = [f"x{k + 1} = tanh(a*x{k} + b)" for k in range(layers)]
    text = "\n".join([*lines, f"sum(x{layers})"])
    return sd.grad(sd.function(text, inputs=["x0", "a", "b"], shapes={"x0": n, "a": (), "b": ()}), "x0")


def network(layers, n=24):
    lines = [f"h{k + 1} = tanh(W @ h{k})" for k in range(layers)]
    text = "\n".join([*lines, f"sum(h{layers}**2)"])
    return sd.grad(sd.function(text, inputs=["h0", "W"], shapes={"h0": (n, n), "W": (n, n)}), "h0")


def crossed(layers, n=64):
    """Each value is needed by the next two, so that what is let go hangs together."""
    lines = [f"x{k + 2} = sin(x{k + 1})*x{k}" for k in range(layers)]
    text = "\n".join([*lines, f"sum(x{layers + 1})"])
    return sd.grad(sd.function(text, inputs=["x0", "x1"], shapes={"x0": n, "x1": n}), "x0")


def shared(layers, n=24):
    """Weights of which all layers have a part in the gradient: smaller budgets may lead to larger workspaces."""
    lines = [f"h{k + 1} = tanh(W @ h{k} + sin(h{k}) @ W)" for k in range(layers)]
    text = "\n".join([*lines, f"sum(h{layers}**2)"])
    return sd.grad(sd.function(text, inputs=["h0", "W"], shapes={"h0": (n, n), "W": (n, n)}), "W")


def arguments(function):
    random = np.random.default_rng(3)
    return [random.uniform(-1, 1, a.shape) if a.shape else 0.9 for a in function.arguments]


GRADIENTS = {"chain": (chain, 60), "network": (network, 40), "crossed": (crossed, 60)}


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("part", [2, 4])
def test_a_budget_changes_no_bit(name, part):
    make, layers = GRADIENTS[name]
    gradient = make(layers)
    budget = gradient.stats()["workspace_bytes"] // part
    compiled = gradient.compile(memory=budget, opt=0)
    program = compiled.kernel.program
    assert compiled.kernel.statistics.workspace <= budget
    check_plan(program.plan, [product(t.shape) for t in program.inputs], [product(t.shape) for t in program.types])
    values = arguments(gradient)
    np.testing.assert_array_equal(compiled(*values), gradient(*values))


def test_a_long_chain_in_a_tenth_of_its_memory_takes_at_most_twice_the_operations():
    gradient = chain(300, 16)
    before = gradient._program().plan
    within = gradient._known.program_within(gradient.arguments, "contract", "g", before.workspace // 10).plan
    assert within.workspace <= before.workspace // 10
    assert within.operations <= 2 * before.operations
    assert within.again == within.operations - before.operations > 0
    assert within.spared > 0


def test_weights_take_their_gradients_when_what_they_are_made_of_is_there():
    """Otherwise all adjoints of a network would be kept until its weights have their turn."""

    def layers(weights, x):
        for k in range(20):
            x = sd.tanh(weights[k] @ x)
        return sd.sum(x)

    gradient = sd.grad(sd.function(layers, {"weights": (20, 16, 16), "x": (16, 400)}), "weights")
    before = gradient._program().plan
    within = gradient._known.program_within(gradient.arguments, "contract", "g", before.workspace // 3).plan
    assert within.operations <= 1.3 * before.operations


@given(graphs(), st.sampled_from([0, 0.3, 0.6]))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_programs(made, part):
    """Whatever the budget, possible or not, the plan is one, and it computes the same bits."""
    graph, inputs, outputs = made
    program = optimize(graph, [(graph.types[n], (n,)) for n in inputs], outputs, fp="strict")
    if not hasattr(program, "plan"):
        return
    within = replace(
        program, plan=make_plan(program.graph, program.inputs, program.outputs, int(part * program.plan.workspace))
    )
    within.verify()
    numbers = np.random.default_rng(len(graph))
    values = [numbers.uniform(-2, 2, t.shape) for t in program.inputs]
    for want, got in zip(run_plan(program, values), run_plan(within, values), strict=True):
        np.testing.assert_array_equal(got, want)


def test_what_only_one_loop_uses_is_not_in_memory():
    gradient = sd.grad("f(w[1000000]) = sum(tanh(tanh(tanh(tanh(w)))))")
    assert gradient.stats()["workspace_bytes"] == 0
    assert gradient.explain() == "nest 1000000: 18 operations, reads 1, writes 1\nworkspace 0 bytes"


def test_a_budget_that_cannot_be_kept_is_refused_with_the_least_that_was_found():
    gradient = network(10)
    with pytest.raises(sd.SymdiffError, match="does not fit in memory=100 bytes") as refused:
        gradient.compile(memory=100)
    least = int(str(refused.value.hint).split("=")[1].split(" ")[0].replace(",", ""))
    assert gradient.compile(memory=least, opt=0).kernel.statistics.workspace <= least


@pytest.mark.parametrize(("make", "layers"), [(shared, 12), (crossed, 60)])
def test_what_fits_fits_into_a_larger_budget_and_the_least_is_the_least(make, layers):
    program = make(layers)._program()
    graph, inputs, outputs = program.graph, program.inputs, program.outputs
    budgets = [int(part * program.plan.workspace) for part in (0.05, 0.45, 0.65, 0.8)]
    found = [make_plan(graph, inputs, outputs, budget).workspace for budget in budgets]
    fits = [taken <= budget for taken, budget in zip(found, budgets, strict=True)]
    assert fits == sorted(fits)
    least = min(found)
    assert least < budgets[-1]
    assert {taken for taken, own in zip(found, fits, strict=True) if not own} == {least}
    assert make_plan(graph, inputs, outputs, least).workspace == least


def test_explain_tells_what_the_budget_costs():
    gradient = chain(100)
    whole = gradient._program().plan.workspace
    text = gradient.explain(memory=whole // 2).splitlines()
    assert text[-1].startswith("computed again: ")
    assert "computed again" not in gradient.explain()
    assert gradient.explain(memory=whole) == gradient.explain()


def test_a_budget_is_saved_and_holds_where_a_call_says_the_shapes():
    gradient = chain(40)
    budget = gradient.stats()["workspace_bytes"] // 2
    again = pickle.loads(pickle.dumps(gradient.compile(memory=budget, opt=0)))
    assert again.kernel.statistics.workspace <= budget
    lines = [f"x{k + 1} = tanh(x{k})*x{k}" for k in range(40)]
    opened = sd.function("\n".join([*lines, "sum(x40)"]), inputs=["x0"], shapes={"x0": "n"})
    gradient = sd.grad(opened)
    x = np.linspace(-1, 1, 200)
    np.testing.assert_array_equal(gradient.compile(memory=50_000, opt=0)(x), gradient(x))
    with pytest.raises(sd.SymdiffError, match="does not fit"):
        gradient.compile(memory=64)(x)
