"""Dense Hessians that consist of diagonals, against those of the general way."""

import numpy as np
import pytest

import symdiff as sd

# (text, whether the Hessian is written as diagonals)
TABLE = [
    ("sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", True),
    ("sum(x[2:]*x[:-2]**2) + sum(x**3)", True),
    ("sum(x[10:20]**2*x[5:15]) + x[0]**3", True),
    ("x[3]**2*x[30] + sum(x[:5]**3)", True),
    ("sum((x[2:] - 2*x[1:-1] + x[:-2])**4)", True),
    ("sum(where(x[1:] > 0.8, sqrt(x[1:] - 0.8)*x[:-1], x[1:]**2))", True),
    ("sum(x[39:]**2*x[:-39])", True),
    ("sum(x[1:]*x[:-1]) + sum(exp(pad(x, 1)[2:]*x))", True),
    ("sum(x**3)", False),
    ("sum(x*x[::-1])", False),
    ("x[0]*sum(x[1:]**2)", False),
    ("sum(cumsum(x)[1:]**2)", False),
    ("sum(x[1:])**2", False),
]


@pytest.mark.parametrize(("text", "banded"), TABLE, ids=[row[0] for row in TABLE])
def test_hessians_of_diagonals(text, banded):
    size = 40
    f = sd.function(text, ["x"], shapes={"x": (size,)})
    found = sd.hessian(f)
    x = np.random.default_rng(0).uniform(0.3, 1.3, size)
    wanted = sd.jacobian(sd.grad(f))(x)
    np.testing.assert_allclose(found(x), wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(found(x), found(x).T)
    asked = [n for n in found.graph.live(found.nodes) if found.graph.ops[n].name == "iota"]
    assert not (banded and asked), "no element is asked whether it lies on a diagonal"


def test_a_band_is_written_once():
    found = sd.hessian("f(x[500]) = sum(100*(x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)")
    steps = found.explain().splitlines()
    assert steps[-1] == "workspace 0 bytes"
    assert [step.partition(":")[0] for step in steps[:-1]] == ["nest of scalars", "nest 498", "nest 498x498"]


def test_a_short_hessian_and_one_of_an_open_size():
    text = "f(x[n]) = sum(x[1:]**2*x[:-1])"
    for size in (2, 5, 33):
        x = np.linspace(0.5, 1.0, size)
        wanted = sd.jacobian(sd.grad(text))(x)
        np.testing.assert_allclose(sd.hessian(text)(x), wanted)
        np.testing.assert_allclose(sd.hessian(text.replace("[n]", f"[{size}]"))(x), wanted)
