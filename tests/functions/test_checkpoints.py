"""Checkpoints: the same bits in less memory, and nothing where there is nothing to save."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.ops import core
from symdiff.optimize.pipeline import optimize
from symdiff.optimize.planning.check import check_plan
from symdiff.optimize.planning.checkpoints import Checkpoints
from symdiff.optimize.planning.listing import arrays_of
from symdiff.optimize.planning.lowering import make_plan
from symdiff.types import product
from tests.optimize.run_plan import run_plan
from tests.optimize.test_plan_random import graphs

N, M = 24, 40


def network(count, every=0, step="tanh(W @ {h})"):
    lines = []
    for k in range(count):
        layer = step.format(h=f"h{k}")
        mark = every and (k + 1) % every == 0 and k + 1 < count
        lines.append(f"h{k + 1} = {f'checkpoint({layer})' if mark else layer}")
    text = "\n".join([*lines, f"sum(h{count}**2)"])
    return sd.function(text, inputs=["W", "h0"], shapes={"W": (N, N), "h0": (N, M)})


def values(function):
    numbers = np.random.default_rng(5)
    return [numbers.uniform(-1, 1, a.shape) / (3 if a.name == "W" else 1) for a in function.arguments]


def workspace(function):
    return function.stats()["workspace_bytes"]


STEPS = {
    "layers": "tanh(W @ {h})",
    "residual": "{h} + tanh(W @ {h})",
    "two products": "tanh(W.T @ sin(W @ {h}))",
    "sums": "tanh(W @ {h})*mean({h})",
    "kinks": "maximum(W @ {h}, 0.1*(W @ {h}))",
}


@pytest.mark.parametrize("wrt", ["W", "h0"])
@pytest.mark.parametrize("name", STEPS)
def test_gradients_have_the_same_bits_in_less_memory(name, wrt):
    whole, marked = (sd.grad(network(24, every, STEPS[name]), wrt) for every in (0, 6))
    given_ = values(whole)
    np.testing.assert_array_equal(marked.compile(opt=0)(*given_), whole.compile(opt=0)(*given_))
    assert workspace(marked) < 0.75 * workspace(whole)
    program = marked._program()
    check_plan(program.plan, [product(t.shape) for t in program.inputs], [product(t.shape) for t in program.types])
    assert program.plan.operations < 1.6 * whole._program().plan.operations


def test_64_layers_with_a_checkpoint_after_each_8():
    """What is kept are 7 checkpoints and the arrays of 8 layers, instead of those of 64."""
    whole, marked = (sd.grad(network(64, every), "h0") for every in (0, 8))
    assert workspace(whole) >= 64 * 8 * N * M
    assert workspace(marked) <= 17 * 8 * N * M
    assert marked._program().plan.operations < 1.5 * whole._program().plan.operations
    given_ = values(whole)
    np.testing.assert_array_equal(marked(*given_), whole(*given_))


def test_a_value_loses_its_checkpoints():
    f, plain = network(8, 2), network(8)
    assert f._program().plan == plain._program().plan
    assert f._program().checkpoints is None
    tangents = sd.jvp(f, "h0"), sd.jvp(plain, "h0")
    assert tangents[0]._program().plan == tangents[1]._program().plan


def test_scalars_pay_nothing():
    text = "y = {}(sin(x)*exp(x))\ntanh(y)*y"
    marked, plain = (sd.grad(text.format(word), "x") for word in ("checkpoint", ""))
    assert marked.stats()["operations"] == plain.stats()["operations"]
    assert marked(0.3) == plain(0.3)
    assert core.CHECKPOINT_ADJOINT not in marked.graph.ops


def test_arrays_in_one_loop_still_have_no_workspace():
    gradient = sd.grad("f(w[100000]) = sum(tanh(checkpoint(tanh(checkpoint(tanh(tanh(w)))))))")
    assert workspace(gradient) == 0
    assert gradient.explain() == sd.grad("f(w[100000]) = sum(tanh(tanh(tanh(tanh(w)))))").explain()


def test_what_two_regions_need_is_kept():
    """Otherwise the stream beside the layers would be computed from the start for each of them."""
    lines = ["x1 = sin(W @ h0)"]
    lines += [f"x{k + 1} = x{k} + checkpoint(tanh(W @ sin(W @ x{k})))" for k in range(1, 12)]
    text = "\n".join([*lines, "sum(x12**2)"])
    shapes = {"W": (N, N), "h0": (N, M)}
    marked, plain = (
        sd.grad(sd.function(t, inputs=["W", "h0"], shapes=shapes), "W") for t in (text, text.replace("checkpoint", ""))
    )
    assert workspace(marked) < workspace(plain)
    assert marked._program().plan.operations < 1.5 * plain._program().plan.operations
    np.testing.assert_array_equal(marked(*values(marked)), plain(*values(plain)))


def test_higher_derivatives():
    whole, marked = network(12), network(12, 3)
    hessians = [sd.hvp(f, "h0") for f in (whole, marked)]
    given_ = values(hessians[0])
    np.testing.assert_allclose(hessians[1](*given_), hessians[0](*given_), rtol=1e-13)
    assert workspace(hessians[1]) < workspace(hessians[0])
    again = []
    for f in (whole, marked):
        slope = sd.grad(f, "h0")
        norm = sd.function(lambda W, h, slope=slope: sd.sum(slope(W, h) ** 2), {"W": (N, N), "h": (N, M)})
        again.append(sd.grad(norm, "h"))
    given_ = given_[:2]
    np.testing.assert_allclose(again[1](*given_), again[0](*given_), rtol=1e-12)


@pytest.mark.parametrize(("name", "wrt", "part"), [("layers", "h0", 0.35), ("residual", "W", 0.5)])
def test_tangents_are_computed_again_too(name, wrt, part):
    """Between checkpoints neither values nor their tangents are kept for the product with a Hessian."""
    whole, marked = (sd.hvp(network(24, every, STEPS[name]), wrt) for every in (0, 6))
    program, plan = marked._program(), whole._program().plan
    assert workspace(marked) <= part * workspace(whole)
    assert program.plan.operations < 1.7 * plan.operations
    check_plan(program.plan, [product(t.shape) for t in program.inputs], [product(t.shape) for t in program.types])
    given_ = values(whole)
    np.testing.assert_allclose(marked.compile(opt=0)(*given_), whole.compile(opt=0)(*given_), rtol=1e-12)


def test_gradients_of_tangents():
    """Reverse over forward mode."""

    def made(every):
        slope = sd.jvp(network(18, every), "h0")
        shapes = {"W": (N, N), "h0": (N, M), "v": (N, M)}
        return sd.grad(sd.function(lambda W, h0, v: sd.sum(slope(W, h0, v)), shapes), "h0")

    whole, marked = made(0), made(6)
    assert workspace(marked) < 0.6 * workspace(whole)
    given_ = [*values(network(1)), np.ones((N, M))]
    np.testing.assert_allclose(marked(*given_), whole(*given_), rtol=1e-12)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_jacobians(mode):
    text = "sin({}(exp(x)*a) @ A)"
    shapes = {"x": (4,), "a": (4,), "A": (4, 5)}
    marked, plain = (
        sd.jacobian(sd.function(text.format(word), inputs=["x", "a", "A"], shapes=shapes), "x", mode=mode)
        for word in ("checkpoint", "")
    )
    given_ = [np.linspace(0.1, 0.5, 4), np.arange(4.0), np.arange(20.0).reshape(4, 5) / 7]
    np.testing.assert_allclose(marked(*given_), plain(*given_), rtol=1e-14)


def test_of_functions():
    """Between the arguments of a function and its results nothing is kept; its arguments are."""
    calls = []

    @sd.checkpoint
    def block(W, h, count):
        """Some layers."""
        calls.append(count)
        for _ in range(count):
            h = sd.tanh(W @ h)
        return {"h": h, "scale": [sd.mean(h), 2.0]}

    def loss(W, h, block=block):
        for _ in range(4):
            made = block(W, h, 6)
            h = made["h"] * made["scale"][0]
        return sd.sum(h**2)

    shapes = {"W": (N, N), "h": (N, M)}
    marked = sd.grad(sd.function(lambda W, h: loss(W, h), shapes), "h")
    plain = sd.grad(sd.function(lambda W, h: loss(W, h, block.__wrapped__), shapes), "h")
    assert (block.__name__, block.__doc__, set(calls)) == ("block", "Some layers.", {6})
    np.testing.assert_array_equal(marked(*values(marked)), plain(*values(plain)))
    assert workspace(marked) < 0.6 * workspace(plain)


def test_a_start_stops_it():
    """What is before it is not computed again."""
    text = "y = exp(W @ sin(W @ h0))\nz = checkpoint(tanh(W @ tanh(W @ y)){})\nsum(sin(W @ sin(W @ z))**2)"
    far, near = (
        sd.grad(sd.function(text.format(word), inputs=["W", "h0"], shapes={"W": (N, N), "h0": (N, M)}), "h0")
        for word in ("", ", y")
    )
    assert near._program().plan.again < far._program().plan.again


def test_texts_and_files():
    gradient = sd.grad(network(6, 2), "h0")
    given_ = values(gradient)
    for again in (
        pickle.loads(pickle.dumps(gradient)),
        copy.deepcopy(gradient),
        sd.function(str(network(6, 2)), inputs=["W", "h0"], shapes={"W": (N, N), "h0": (N, M)}),
    ):
        gradient_again = again if again.__name__.startswith("grad") else sd.grad(again, "h0")
        np.testing.assert_array_equal(gradient_again(*given_), gradient(*given_))
        assert workspace(gradient_again) == workspace(gradient)
    assert "checkpoint(tanh(W@h1))" in str(network(6, 2)).replace(" ", "")


def test_both_in_one_kernel():
    f = network(24, 6)
    both = sd.value_and_grad(f, "h0")
    given_ = values(both)
    value, slope = both(*given_)
    assert value == f(*given_)
    np.testing.assert_array_equal(slope, sd.grad(f, "h0")(*given_))
    assert workspace(both) < 0.5 * workspace(sd.value_and_grad(network(24), "h0"))


def test_with_a_budget_of_memory():
    gradient = sd.grad(network(30, 5), "W")
    whole = workspace(sd.grad(network(30), "W"))
    given_ = values(gradient)
    for part in (2, 3):
        compiled = gradient.compile(memory=whole // part, opt=0)
        assert compiled.kernel.statistics.workspace <= whole // part
        np.testing.assert_array_equal(compiled(*given_), gradient(*given_))


def test_batches():
    gradient = sd.vmap(sd.grad(network(4, 2), "h0"), in_axes=(None, 0))
    W, h = values(network(4))
    several = np.stack([h, 2 * h])
    np.testing.assert_allclose(gradient(W, several)[1], sd.grad(network(4), "h0")(W, 2 * h), rtol=1e-13)


def test_open_sizes():
    lines = [f"h{k + 1} = checkpoint(tanh(W @ tanh(W @ h{k})))" for k in range(4)]
    text = "\n".join([*lines, "sum(h4**2)"])
    shapes = {"W": ("n", "n"), "h0": ("n", "m")}
    marked, plain = (
        sd.grad(sd.function(t, inputs=["W", "h0"], shapes=shapes), "h0") for t in (text, text.replace("checkpoint", ""))
    )
    for n in (17, 30):
        W, h = np.linspace(-1, 1, n * n).reshape(n, n) / n, np.linspace(-1, 1, 5 * n).reshape(n, 5)
        np.testing.assert_array_equal(marked(W, h), plain(W, h))


def test_explain_has_a_table_of_arrays():
    gradient = sd.grad(network(24, 6), "h0")
    text = gradient.explain().splitlines()
    start = next(k for k, line in enumerate(text) if line.startswith("array  "))
    rows = text[start + 1 : -2]
    assert [row.split("  ")[1].strip() for row in rows[:-1]] == [f"{8 * N * M:,}"] * (len(rows) - 1)
    assert "twice" in rows[0]
    assert rows[-1].split()[1] == "more"
    plan = gradient._program().plan
    assert sum((a.times - 1) * a.operations for a in arrays_of(plan)) == plan.again
    assert text[-1].startswith("computed again: ")


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_programs(made, random):
    """Whatever is marked, the plan is one, and it computes the same bits."""
    graph, inputs, outputs = made
    program = optimize(graph, [(graph.types[n], (n,)) for n in inputs], outputs, fp="strict")
    if not hasattr(program, "plan"):
        return
    nodes = range(len(program.graph))
    picked = [tuple(sorted(random.sample(nodes, min(len(nodes), random.randint(0, 4))))) for _ in range(3)]
    plan = make_plan(program.graph, program.inputs, program.outputs, checkpoints=Checkpoints(*picked))
    within = replace(program, plan=plan)
    within.verify()
    numbers = np.random.default_rng(len(graph))
    given_ = [numbers.uniform(-2, 2, t.shape) for t in program.inputs]
    for want, got in zip(run_plan(program, given_), run_plan(within, given_), strict=True):
        np.testing.assert_array_equal(got, want)
