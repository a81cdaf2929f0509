"""Loops that were written out become whole arrays: the same values, from few nodes whatever the length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symdiff as sd
from symdiff.interpret import evaluate
from symdiff.optimize.rolling import rolled

N = 20
DATA = [float(d) for d in np.random.default_rng(3).normal(size=N)]


def elements(x, n=N):
    return [x[k] for k in range(n)]


def defects(x):
    """A cell of a collocation: two values of the same function at neighbours, several equations a step."""
    rows = []
    for k in range(N - 1):
        a, b = sd.sin(x[2 * k]) / (1 + x[2 * k + 1] ** 2), sd.sin(x[2 * k + 2]) / (1 + x[2 * k + 3] ** 2)
        rows += [x[2 * k + 2] - x[2 * k] - 0.1 * (a + b), x[2 * k + 3] - a * b]
    return sd.stack(rows)


def total(x):
    result = (x[0] - 2) ** 2
    for k in range(1, N):
        result = result + (x[k] - x[k - 1]) ** 2 * 3
    return result


# (the function of x, the size of x, nodes at most)
LOOPS = {
    "squares": (lambda x: sd.stack([e**2 for e in elements(x)]), N, 4),
    "neighbours": (lambda x: sd.stack([x[k + 1]*x[k] for k in range(N - 1)]), N, 6),
    "backwards": (lambda x: sd.stack([sd.exp(x[N - 1 - k]) + x[k] for k in range(N)]), N, 6),
    "cell": (defects, 2 * N, 60),
    "sum": (total, N, 30),
    "sum of a function of a sum": (lambda x: sd.exp(total(x)), N, 32),
    "matrix": (lambda x: sd.stack([x[k]*x[k + N]/(2 + sd.cos(x[2 * N])) for k in range(N)]), 2 * N + 1, 14),
    "data": (lambda x: sd.stack([sd.sin(x[0]*d)*x[1] - (d + 1)/3 for d in DATA]), 2, 14),
    "a sum over data": (lambda x: sum((sd.exp(x[0]*d)*d - x[1])**2 for d in DATA), 2, 14),
    "data and elements": (lambda x: sd.stack([x[k]*d + 2*x[k + 1] for k, d in enumerate(DATA)]), N + 1, 10),
    "scattered": (lambda x: sd.stack([sd.exp(sd.sin(sd.tanh(x[7*k % N])*x[k])) for k in range(N)]), N, 8),
    "two loops": (lambda x: sd.stack([sd.tanh(e) for e in elements(x)] + [sd.sin(e)*e for e in elements(x)]), N, 10),
    "conditions": (lambda x: sd.stack([sd.where(e > 0.5, e**3, -e) for e in elements(x)]), N, 10),
    "a number in half of a loop": (
        lambda x: sd.stack([x[N - 1 - k]*7.5 if k % 2 else x[k]*(2.0 + k) for k in range(N)]), N, 16),
    "constants": (lambda x: sd.stack([x[0], 1.0, *[e*2 for e in elements(x)], 3.0]), N, 30),
    "arrays": (lambda x: sd.sum(sd.stack([e**2 for e in elements(x)])*x) + sd.sum(x), N, 9),
    "shared": (lambda x: sd.stack([sd.exp(x[0]*x[1])*e for e in elements(x)]), N, 9),
    "nested": (lambda x: sd.stack([total(x)*e for e in elements(x)]), N, 34),
    "pairs of outputs": (lambda x: sd.stack([f for e in elements(x) for f in (e**2, sd.sin(e), x[0])]), N, 16),
}  # fmt: skip


def roll(f, fewest=8):
    return rolled(f.graph, f.nodes, [f._name_table()["x"]], fewest)


def check(f, size, mapping):
    at = {f._name_table()["x"]: np.random.default_rng(0).uniform(0.2, 1.5, size)}
    wanted = evaluate(f.graph, f.nodes, at)
    found = evaluate(f.graph, [mapping[n] for n in f.nodes], at)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-14)
    for node in f.nodes:
        assert f.graph.types[node] == f.graph.types[mapping[node]]


@pytest.mark.parametrize("name", LOOPS)
def test_loops_become_arrays(name):
    made, size, most = LOOPS[name]
    f = sd.function(made, {"x": size})
    mapping = roll(f)
    check(f, size, mapping)
    assert len(f.graph.live(mapping.values())) <= most < len(f.graph.live(f.nodes)) + 8


def test_a_tie_of_an_operand_with_itself_stays_outside():
    """The second derivative of `max(x[0], x[0])` is that of `x[0]`; of two that happen to be equal it is NaN."""
    f = sd.function(lambda x: sd.sum(sd.stack([sd.maximum(x[0], x[k]) ** 2 for k in range(N)])), {"x": N})
    mapping = roll(f)
    assert mapping
    check(f, N, mapping)
    at = np.random.default_rng(0).normal(size=N)
    moved = f._moved(mapping)
    np.testing.assert_allclose(sd.hessian(moved)(at), sd.hessian(f)(at))
    assert not np.isnan(sd.hessian(f)(at)).any()


def test_the_number_of_nodes_does_not_depend_on_the_length():
    counts = []
    for n in (20, 40):
        f = sd.function(lambda x, n=n: sd.stack([sd.sin(x[k]) * x[k + 1] - x[k + 2] for k in range(n)]), {"x": n + 2})
        counts.append(len(f.graph.live(roll(f).values())))
    assert counts[0] == counts[1]


def test_what_does_not_repeat_stays():
    def chain(x):
        y = x[0]
        for k in range(1, N):
            y = sd.sin(y) * x[k]
        return y

    assert roll(sd.function(chain, {"x": N})) == {}
    assert roll(sd.function("f(x[3]) = [x[0]*x[1], x[2]**2]")) == {}
    assert roll(sd.function("f(x[30]) = sum(sin(x)**2)")) == {}
    assert roll(sd.function(lambda x: sd.stack([x[7 * k % N] * x[3 * k % N] for k in range(N)]), {"x": N})) == {}


def test_names_that_a_derivative_is_by_stay():
    lines = [f"t{k} = x[{k}]**2" for k in range(N)]
    outputs = ", ".join(f"t{k}*2" for k in range(N))
    f = sd.function("\n".join([*lines, f"[{outputs}]"]), shapes={"x": N})
    names = f._name_table()
    check(f, N, roll(f))
    mapping = rolled(f.graph, f.nodes, [names["t3"]])
    assert not mapping or names["t3"] in f.graph.live(mapping.values())
    np.testing.assert_array_equal(sd.sparse_jacobian(f, "t3")(np.ones(N)).toarray()[:4].ravel(), [0, 0, 0, 2])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 7), st.integers(0, 7)), min_size=1, max_size=8),
       st.integers(2, 9), st.integers(1, 3), st.integers(2, 4), st.booleans())  # fmt: skip
def test_random_loops(steps, count, stride, fewest, added):
    size = (count - 1) * stride + 9

    def loop(x):
        rows, carried = [], x[0]
        for k in range(count):
            values = [x[stride * k], x[stride * k + 1], x[0]]
            for kind, i, j in steps:
                a, b = values[i % len(values)], values[j % len(values)]
                made = (a * b, a + b, sd.sin(a), a - 2 * b, carried * a, sd.where(a > b, a, 3.0), x[size - 1 - k])
                values.append(made[kind])
            carried = values[-1] + carried if added else carried
            rows += values[2:]
        return sd.stack([*rows, carried])

    f = sd.function(loop, {"x": size})
    mapping = roll(f, fewest)
    if mapping:
        check(f, size, mapping)


def test_exponents_are_no_data():
    """What a power is depends on its exponent."""
    assert roll(sd.function(lambda x: sd.stack([x[0] ** (k + 2.5) for k in range(N)]), {"x": 1})) == {}
