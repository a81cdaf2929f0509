"""What the untaken branch computes never touches a derivative, through contractions, sums and reductions too."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate

B = np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 1.0]])
ROOT = np.array([4.0, -1.0, 0.0])
GOOD = np.array([4.0, 1.0, 9.0])

# Text, shapes, values, the gradient by x and the Hessian by x at a point where roots of negative numbers are not taken.
CASES = [
    ("sum(where(c > 0, B @ sqrt(x), 0))", {"c": -1.0, "B": B, "x": ROOT}),
    ("sum(where(c > 0, B @ sqrt(x), 0))", {"c": np.array([-1.0, -1.0]), "B": B, "x": ROOT}),
    ("where(c > 0, sum(sqrt(x)), 0)", {"c": -1.0, "x": ROOT}),
    ("sum(where(x > 0, norm(sqrt(x)), 0))", {"x": -np.ones(3)}),
    ("sum(where(c > 0, sqrt(x) @ B.T, 0))", {"c": -1.0, "B": B, "x": ROOT}),
    ("sum(where(c > 0, exp(B @ log(x)), 0))", {"c": np.array([-1.0, -1.0]), "B": B, "x": ROOT}),
    ("where(c > 0, prod(sqrt(x)), 0)", {"c": -1.0, "x": ROOT}),
    ("where(c > 0, max(sqrt(x)), 0)", {"c": -1.0, "x": ROOT}),
    ("where(c > 0, sum(cumsum(sqrt(x))), 0)", {"c": -1.0, "x": ROOT}),
    ("where(c > 0, sum(cumprod(sqrt(x))), 0)", {"c": -1.0, "x": ROOT}),
    ("where(c > 0, logsumexp(sqrt(x)), 0)", {"c": -1.0, "x": ROOT}),
    ("where(c > 0, norm(x), 0)", {"c": -1.0, "x": np.zeros(3)}),
    ("sum(where(c > 0, norm(B*x, axis=1), 0))", {"c": np.array([-1.0, -1.0]), "B": B, "x": np.zeros(3)}),
    ("where(c > 0, max(x), 0)", {"c": -1.0, "x": np.zeros(3)}),
    ("where(c > 0, min(x), 0)", {"c": -1.0, "x": np.zeros(3)}),
    ("sum(where(c > 0, abs(x), 0))", {"c": -1.0, "x": np.zeros(3)}),
    ("sum(where(c > 0, hypot(x, x), 0))", {"c": -1.0, "x": np.zeros(3)}),
    ("sum(where(c > 0, maximum(x, 2*x), 0))", {"c": -1.0, "x": np.zeros(3)}),
    ("where(c > 0, std(x), 0)", {"c": -1.0, "x": np.ones(3)}),
    ("where(c > 0, norm(x, 3), 0)", {"c": -1.0, "x": np.zeros(3)}),
    ("sum(where(c > 0, sort(x)[0]*x, 0))", {"c": -1.0, "x": np.zeros(3)}),
    ("where(c > 0, sum(solve(diag(x), sqrt(x))), 0)", {"c": -1.0, "x": np.array([0.0, -1.0, 2.0])}),
    ("where(c > 0, det(diag(sqrt(x))), 0)", {"c": -1.0, "x": np.array([0.0, -1.0, 2.0, -3.0])}),
    ("where(c > 0, sum(sqrt(x)[1:]*log(x)[:-1]), 0)", {"c": -1.0, "x": ROOT}),
    ("where(c > 0, sum(sqrt(reshape(x, (3, 1))) @ reshape(log(x), (1, 3))), 0)", {"c": -1.0, "x": ROOT}),
    ("sum(where(c > 0, sum(sqrt(reshape(x, (1, 3)))*B, axis=1), 0))", {"c": np.array([-1.0, -1.0]), "B": B, "x": ROOT}),
    ("where(c > 0, sum(concatenate([sqrt(x), log(x)])**2), 0)", {"c": -1.0, "x": ROOT}),
    ("where(c > 0, sum(stack([sqrt(x), log(x)])**2), 0)", {"c": -1.0, "x": ROOT}),
]


def derivatives(text, values, wrt="x"):
    f = sd.function(text, list(values), shapes={n: np.shape(v) for n, v in values.items()})
    at = {f._name_table()[n]: v for n, v in values.items()}
    slope = sd.grad(f, wrt)
    found = [slope, sd.jacobian(f, wrt, mode="forward"), sd.hessian(f, wrt)]
    found += [sd.jacobian(slope, wrt, mode=m) for m in ("forward", "reverse")]
    return [np.asarray(evaluate(f.graph, d.nodes, at)[0]) for d in found]


@pytest.mark.parametrize(("text", "values"), CASES, ids=[t for t, _ in CASES])
def test_untaken_branch_is_silent(text, values):
    for found in derivatives(text, values):
        np.testing.assert_array_equal(found, np.zeros(found.shape))


@pytest.mark.parametrize(("text", "values"), CASES, ids=[t for t, _ in CASES])
def test_taken_branch_is_whole(text, values):
    """Where the condition holds, the derivatives are those without it."""
    count = len(values["x"])
    taken = {n: np.abs(v) if n == "c" else v for n, v in values.items()} | {"x": np.linspace(1.0, 2.5, count)}
    plain = text.replace("where(c > 0, ", "(").replace("where(x > 0, ", f"({count}*").replace(", 0)", ")")
    for found, want in zip(derivatives(text, taken), derivatives(plain, taken), strict=True):
        np.testing.assert_allclose(found, want, rtol=1e-12, atol=1e-13)


def test_some_rows_are_taken():
    values = {"c": np.array([1.0, -1.0]), "A": np.array([[1.0, 2.0], [-1.0, -2.0]]), "w": np.array([0.5, 2.0])}
    text = "sum(where(c > 0, exp(sqrt(A) @ w), 0))"
    gradient, _, second, ahead, back = derivatives(text, values, "w")
    row = np.sqrt(values["A"][0])
    size = np.exp(row @ values["w"])
    np.testing.assert_allclose(gradient, size * row, rtol=1e-13)
    for found in (second, ahead, back):
        np.testing.assert_allclose(found, size * np.outer(row, row), rtol=1e-13)
    by_matrix = derivatives(text, values, "A")
    np.testing.assert_allclose(by_matrix[0], [size * values["w"] * 0.5 / row, [0, 0]], rtol=1e-13)
    for found in by_matrix[2:]:
        assert np.isfinite(found).all()
        assert found[0, :, 0].any()
        assert not found[1].any()
        assert not found[:, :, 1].any()


def test_elements_are_taken_one_by_one():
    x = np.array([4.0, -1.0, 9.0])
    gradient, ahead, second, *others = derivatives("sum(where(x > 0, sqrt(x)*sum(x), 0))", {"x": x})
    inner = 5.0 + np.where(x > 0, 0.5 * 12.0 / np.sqrt(np.abs(x)), 0)
    np.testing.assert_allclose(gradient, inner)
    np.testing.assert_allclose(ahead, inner)
    for found in (second, *others):
        assert np.isfinite(found).all()
        np.testing.assert_allclose(found, second)


def test_largest_element_is_the_only_one_that_counts():
    """The others' slopes may be infinite."""
    for text in ("max(sqrt(x))", "max(where(x > 1, sqrt(x), 0))"):
        for found in derivatives(text, {"x": np.array([0.0, 4.0, 0.0])})[:2]:
            np.testing.assert_array_equal(found, [0, 0.25, 0])
