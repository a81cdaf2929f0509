"""Derivatives of functions of arrays: forward, reverse and differences agree, over many shapes."""

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate
from symdiff.ir.verify import verify

SQUARE = {"A": (3, 3), "B": (3, 3), "x": (3,), "y": (3,)}
WIDE = {"A": (2, 3), "x": (3,), "y": (2,)}

# Text and shapes; the derivatives by every input are checked.
TABLE = [
    ("sum(x**2)", {"x": (4,)}),
    ("sum(x**2)", {"x": (1,)}),
    ("sum(x**2)", {"x": (0,)}),
    ("exp(x)*2", {"x": (3,)}),
    ("exp(x)*2", {"x": (0,)}),
    ("exp(x)*2", {"x": (1,)}),
    ("x*y + sin(y)", {"x": (3,), "y": ()}),
    ("x*y", {"x": (2, 1), "y": (3,)}),
    ("x*y", {"x": (2, 1), "y": (1, 3)}),
    ("tanh(x + y)*y", {"x": (2, 3), "y": (3,)}),
    ("tanh(x + y)*y", {"x": (2, 0), "y": (1,)}),
    ("A @ x", WIDE),
    ("tanh(A @ x + y)", WIDE),
    ("tanh(A @ x + y)*y", WIDE),
    ("y @ A @ x", WIDE),
    ("x*(A @ x)", SQUARE),
    ("x @ A @ x", SQUARE),
    ("A @ B", SQUARE),
    ("A @ B @ A", SQUARE),
    ("sum((A @ B)**2)", {"A": (2, 3), "B": (3, 2)}),
    ("A @ B", {"A": (2, 2, 3), "B": (3, 2)}),
    ("A @ x", {"A": (2, 2, 3), "x": (3,)}),
    ("A @ B", {"A": (2, 1, 2, 2), "B": (3, 2, 1)}),
    ("A @ B", {"A": (2, 0), "B": (0, 3)}),
    ("A @ B", {"A": (0, 2), "B": (2, 3)}),
    ("sum(log(1 + exp(-y*(A @ x))))", WIDE),
    ("A.T @ y + x", WIDE),
    ("trace(A @ B)", SQUARE),
    ("A.T*B", SQUARE),
    ("sum(A, axis=0)*x", SQUARE),
    ("sum(A*B, axis=1)", SQUARE),
    ("exp(sum(A, axis=1, keepdims=True))*A", WIDE),
    ("A/sum(A, axis=1, keepdims=True)", {"A": (2, 3)}),
    ("softmax(x)", {"x": (4,)}),
    ("logsumexp(x)", {"x": (4,)}),
    ("norm(x)*x", {"x": (3,)}),
    ("norm(A @ x)", WIDE),
    ("prod(x)", {"x": (4,)}),
    ("prod(A, axis=0)", {"A": (3, 2)}),
    ("max(A, axis=0)*x", SQUARE),
    ("min(x)**2", {"x": (4,)}),
    ("cumsum(x**2)", {"x": (4,)}),
    ("x[1:]*x[:-1]", {"x": (4,)}),
    ("x[::-2]**2", {"x": (5,)}),
    ("x[1]*x", {"x": (3,)}),
    ("A[0]*A[:, 1]", SQUARE),
    ("sum((x[1:] - x[:-1]**2)**2 + (1 - x[:-1])**2)", {"x": (5,)}),
    ("concatenate([x**2, y, x])", {"x": (3,), "y": (2,)}),
    ("stack([x, x*y])", {"x": (3,), "y": (3,)}),
    ("[sum(x), x[0]*x[1]]", {"x": (3,)}),
    ("reshape(x**2, (2, 3))", {"x": (6,)}),
    ("reshape(A, 6)*reshape(A, 6)", {"A": (2, 3)}),
    ("reshape(sin(A), (2, 3, 1))*x", {"A": (2, 3), "x": (2,)}),
    ("diag(A)**2", SQUARE),
    ("diag(x) @ A", SQUARE),
    ("solve(A, x)", SQUARE),
    ("inv(A)", {"A": (3, 3)}),
    ("det(A)", {"A": (3, 3)}),
    ("det(A)", {"A": (4, 4)}),
    ("det(A)", {"A": (5, 5)}),
    ("pinv(A)", {"A": (3, 2)}),
    ("slogdet(A)", {"A": (3, 3)}),
    ("sort(x)*y", {"x": (4,), "y": (4,)}),
    ("median(A, axis=1)*x", {"A": (2, 3), "x": (2,)}),
    ("x[argmax(x)]**2 + argmin(x)*x", {"x": (4,)}),
    ("interp(x, [0, 0.5, 0.9], y)", {"x": (4,), "y": (3,)}),
    ("convolve(x, y, 'same')", {"x": (4,), "y": (3,)}),
    ("gradient(x**2*y, 0.5)", {"x": (4,), "y": (4,)}),
    ("toeplitz(x) @ pad(x, 1, 'wrap')[1:-1]", {"x": (4,)}),
    ("vecdot(A, B)", {"A": (3, 2), "B": (3, 2)}),
    ("cross(x, y)", {"x": (2,), "y": (2,)}),
    ("logdet(A)", {"A": (3, 3)}),
    ("x @ solve(A, y)", SQUARE),
    ("where(x > 0.5, x**2, y*x)", {"x": (4,), "y": (4,)}),
    ("where(x > 0.5, sum(x**2), y)", {"x": (4,), "y": ()}),
    ("max(x, y)", {"x": (3,), "y": (3,)}),
    ("maximum(A @ x, 0)", WIDE),
    ("clip(x, 0.4, 0.8)*x", {"x": (4,)}),
    ("outer(x, y)", {"x": (3,), "y": (2,)}),
    ("einsum('ij,kj,k->i', A, B, x)", SQUARE),
    ("sum(s*x) + s**2*t", {"s": (), "t": (), "x": (3,)}),
    ("s*x + t", {"s": (), "t": (), "x": (3,)}),
]


def point(f, seed=0):
    """A value for every input, away from kinks; square matrices are far from singular."""
    rng = np.random.default_rng(seed)
    names, values = f._name_table(), {}
    for argument in f.arguments:
        shape = argument.shape
        value = rng.uniform(0.2, 1.2, shape)
        if len(shape) == 2 and shape[0] == shape[1]:
            value = value + 2 * np.eye(shape[0])
        values[names[argument.name]] = value
    return values


def value(f, at):
    verify(f.graph)
    return [np.asarray(v) for v in evaluate(f.graph, f.nodes, at)]


def differences(f, node, at, h=2e-3):
    """The Jacobian by one input, from differences of order six."""
    x = np.asarray(at[node], float)
    (start,) = value(f, at)
    found = np.zeros((*start.shape, *x.shape))
    for index in np.ndindex(x.shape):
        for steps, weight in ((1, 45), (2, -9), (3, 1)):
            for sign in (1, -1):
                moved = x.copy()
                moved[index] += sign * steps * h
                (moved_value,) = value(f, {**at, node: moved})
                found[(..., *index)] += sign * weight * moved_value / (60 * h)
    return found


def near(got, want, tolerance=1e-7):
    assert got.shape == want.shape
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.max(np.abs(want), initial=1.0))


@pytest.mark.parametrize(("text", "shapes"), TABLE, ids=[f"{t} {list(s.values())}" for t, s in TABLE])
def test_jacobian(text, shapes):
    f = sd.function(text, [n for n in shapes if n in text], shapes={n: s for n, s in shapes.items() if n in text})
    at = point(f)
    for argument in f.arguments:
        node = f._name_table()[argument.name]
        want = differences(f, node, at)
        found = [value(sd.jacobian(f, argument.name, mode=m), at)[0] for m in ("forward", "reverse", "auto")]
        near(found[0], want)
        near(found[1], found[0], 1e-12)
        near(found[2], found[0], 1e-12)


SECOND = [(t, s) for t, s in TABLE if t not in ("A @ B @ A", "inv(A)")]


@pytest.mark.parametrize(("text", "shapes"), SECOND, ids=[f"{t} {list(s.values())}" for t, s in SECOND])
def test_hessian(text, shapes):
    shapes = {n: s for n, s in shapes.items() if n in text}
    text = f"sum(cos({text}))"
    f = sd.function(text, list(shapes), shapes=shapes)
    at = point(f)
    names = tuple(shapes)
    blocks = sd.hessian(f, names)
    second = value(blocks, at)
    for i, a in enumerate(names):
        slope = sd.grad(f, a)
        back = sd.jacobian(slope, names, mode="reverse")
        for j, b in enumerate(names):
            want = differences(slope, f._name_table()[b], at)
            got = second[i * len(names) + j]
            near(got, want)
            near(value(back, at)[j], got, 1e-10)
            other = second[j * len(names) + i]
            rank = len(shapes[a])
            axes = (*range(rank, got.ndim), *range(rank))
            np.testing.assert_array_equal(np.transpose(got, axes), other)


@pytest.mark.parametrize(("text", "shapes"), [
    ("sum(exp(x)*x)", {"x": (3,)}), ("sum(tanh(A @ x))", WIDE), ("x @ A @ x*sum(x)", SQUARE), ("prod(x)", {"x": (4,)}),
    ("norm(x)", {"x": (3,)}), ("logsumexp(A @ x)", WIDE), ("x @ inv(A) @ x", SQUARE),
])  # fmt: skip
def test_third_order(text, shapes):
    f = sd.function(text, [n for n in shapes if n in text], shapes={n: s for n, s in shapes.items() if n in text})
    at = point(f)
    second = sd.hessian(f, "x")
    ahead, back = (sd.jacobian(second, "x", mode=m) for m in ("forward", "reverse"))
    want = differences(second, f._name_table()["x"], at)
    near(value(ahead, at)[0], want)
    near(value(back, at)[0], value(ahead, at)[0], 1e-10)


COMPLEX = [
    ("exp(A @ x)*x[0]", lambda A, x: np.exp(A @ x) * x[0]),
    ("sum(log(1 + exp(-x*(A @ x))))", lambda A, x: np.sum(np.log(1 + np.exp(-x * (A @ x))))),
    ("solve(A, sin(x))", lambda A, x: np.linalg.solve(A, np.sin(x))),
    ("det(A)*x + inv(A) @ x", lambda A, x: np.linalg.det(A) * x + np.linalg.inv(A) @ x),
    ("cumsum(tanh(A @ x))/prod(x)", lambda A, x: np.cumsum(np.tanh(A @ x)) / np.prod(x)),
    ("einsum('ij,j,jk->ik', A, x, A)", lambda A, x: np.einsum("ij,j,jk->ik", A, x, A)),
    ("x[1:]**3*A[0, :-1]", lambda A, x: x[1:] ** 3 * A[0, :-1]),
]


@pytest.mark.parametrize(("text", "same"), COMPLEX, ids=[t for t, _ in COMPLEX])
def test_complex_step(text, same):
    """Derivatives to the last digits, from the same formula in NumPy with steps of 1e-30 i."""
    f = sd.function(text, ["A", "x"], shapes={"A": (3, 3), "x": 3})
    at = point(f)
    values = [np.asarray(at[f._name_table()[n]], complex) for n in ("A", "x")]
    for k, name in enumerate(("A", "x")):
        want = np.zeros((*np.shape(same(*values)), *values[k].shape))
        for index in np.ndindex(values[k].shape):
            moved = [v.copy() for v in values]
            moved[k][index] += 1e-30j
            want[(..., *index)] = np.imag(same(*moved)) * 1e30
        for mode in ("forward", "reverse"):
            near(value(sd.jacobian(f, name, mode=mode), at)[0], want, 1e-13)
