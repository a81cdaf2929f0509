"""The textbook's networks and losses: values and every gradient against NumPy and finite differences."""

import itertools

import numpy as np
import pytest

import symdiff as sd
from symdiff.interpret import evaluate

RNG = np.random.default_rng(7)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def draw(*shape):
    return RNG.standard_normal(shape) if shape else float(RNG.standard_normal())


def one_hot(count, classes):
    return np.eye(classes)[RNG.integers(0, classes, count)]


def log_softmax(s):
    return s - np.log(np.exp(s).sum(axis=1, keepdims=True))


def hinge(X, Y, W, b, r):
    s = X @ W + b
    right = np.sum(s * Y, axis=1, keepdims=True)
    return np.sum((1 - Y) * np.maximum(s - right + 1, 0)) / len(X) + r * np.sum(W**2)


def deep(x, W1, b1, W2, b2, W3, b3):
    return float(np.sum(W3 @ sigmoid(W2 @ sigmoid(W1 @ x + b1) + b2) + b3))


DEEP = [draw(3), draw(4, 3), draw(4), draw(4, 4), draw(4), draw(1, 4), draw(1)]
DENSE = [draw(3), draw(4, 3), draw(4)]
BATCH = [draw(6, 3), one_hot(6, 4), draw(3, 4), draw(4), 0.1]

NETWORKS = {
    # name: (formula, inputs, values, the same in NumPy)
    "squared norm": ("sum((W @ x)**2)", ["x", "W"], [draw(2), draw(2, 2)], lambda x, W: np.sum((W @ x) ** 2)),
    "three layers": (
        "h1 = sigmoid(W1 @ x + b1)\nh2 = sigmoid(W2 @ h1 + b2)\nout = sum(W3 @ h2 + b3)",
        ["x", "W1", "b1", "W2", "b2", "W3", "b3"], DEEP, deep,
    ),
    "ReLU": ("sum(relu(W @ x + b)**2)", ["x", "W", "b"], DENSE,
             lambda x, W, b: np.sum(np.maximum(W @ x + b, 0) ** 2)),
    "leaky ReLU": ("z = W @ x + b\nsum(max(0.1*z, z)**2)", ["x", "W", "b"], DENSE,
                   lambda x, W, b: np.sum(np.maximum(0.1 * (W @ x + b), W @ x + b) ** 2)),
    "maxout": ("sum(max(W @ x + b, V @ x + c)**3)", ["x", "W", "b", "V", "c"], [*DENSE, draw(4, 3), draw(4)],
               lambda x, W, b, V, c: np.sum(np.maximum(W @ x + b, V @ x + c) ** 3)),
    "ELU": ("z = W @ x + b\nsum(where(z > 0, z, a*(exp(z) - 1))*z)", ["x", "W", "b", "a"], [*DENSE, 0.7],
            lambda x, W, b, a: np.sum((z := W @ x + b) * np.where(z > 0, z, a * (np.exp(z) - 1)))),
    "hinge": (
        "s = X @ W + b\nright = sum(s*Y, axis=1, keepdims=True)\n"
        "sum((1 - Y)*max(s - right + 1, 0))/6 + r*sum(W**2)",
        ["X", "Y", "W", "b", "r"], BATCH, hinge,
    ),
    "softmax cross-entropy": (
        "s = X @ W + b\nmean(logsumexp(s, axis=1) - sum(s*Y, axis=1)) + r*sum(W**2)", ["X", "Y", "W", "b", "r"], BATCH,
        lambda X, Y, W, b, r: (np.mean(np.log(np.exp(s := X @ W + b).sum(1)) - np.sum(s * Y, axis=1))
                               + r * np.sum(W**2)),
    ),
    "two layers": ("sum((sigmoid(X @ V) @ W - Y)**2)", ["X", "Y", "V", "W"], [draw(6, 5), draw(6, 2), draw(5, 4),
                                                                              draw(4, 2)],
                   lambda X, Y, V, W: np.sum((sigmoid(X @ V) @ W - Y) ** 2)),
    "normalized": ("z = X - mean(X, axis=0)\nsum((z/sqrt(mean(z**2, axis=0) + 0.1) @ W)**4)", ["X", "W"],
                   [draw(6, 3), draw(3, 2)],
                   lambda X, W: np.sum(((z := X - X.mean(0)) / np.sqrt((z**2).mean(0) + 0.1) @ W) ** 4)),
    "attention": ("s = Q @ K.T/sqrt(3)\nsum((softmax(s, axis=-1) @ V)**2)", ["Q", "K", "V"],
                  [draw(4, 3), draw(5, 3), draw(5, 2)],
                  lambda Q, K, V: np.sum((np.exp(log_softmax(Q @ K.T / np.sqrt(3))) @ V) ** 2)),
    "convolution": ("sum(relu(w[0]*x[:-2] + w[1]*x[1:-1] + w[2]*x[2:])**2)", ["x", "w"], [draw(9), draw(3)],
                    lambda x, w: np.sum(np.maximum(w[0] * x[:-2] + w[1] * x[1:-1] + w[2] * x[2:], 0) ** 2)),
}  # fmt: skip


def interpreted(f, values):
    given = {f.graph.input(a.name, a.shape): v for a, v in zip(f.arguments, values, strict=True)}
    return evaluate(f.graph, f.nodes, given)


def slopes(fun, values, k):
    """Central differences by input k."""
    result = np.empty(np.shape(values[k]))
    for index in np.ndindex(result.shape):
        ends = []
        for h in (1e-5, -1e-5):
            moved = np.array(values[k], float)
            moved[index] += h
            ends.append(fun(*values[:k], moved, *values[k + 1 :]))
        result[index] = (ends[0] - ends[1]) / 2e-5
    return result


@pytest.mark.parametrize("way", ["interpreted", "native", "deferred"])
@pytest.mark.parametrize(("text", "inputs", "values", "reference"), NETWORKS.values(), ids=NETWORKS)
def test_networks(text, inputs, values, reference, way):
    shapes = {n: np.shape(v) for n, v in zip(inputs, values, strict=True)} if way != "deferred" else None
    f = sd.function(text, inputs, shapes=shapes)
    g = sd.grad(f, tuple(inputs))
    if way == "interpreted":
        value, found = interpreted(f, values)[0], interpreted(g, values)
    else:
        value, found = f(*values), g(*values)
    assert value == pytest.approx(reference(*values), rel=1e-12)
    for k, (v, d) in enumerate(zip(values, found, strict=True)):
        assert np.shape(d) == np.shape(v)
        np.testing.assert_allclose(d, slopes(reference, values, k), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("text", "inputs", "values", "reference"), NETWORKS.values(), ids=NETWORKS)
def test_second_derivatives_of_networks(text, inputs, values, reference):
    shapes = {n: np.shape(v) for n, v in zip(inputs, values, strict=True)}
    f = sd.function(text, inputs, shapes=shapes)
    by = inputs[-1] if np.shape(values[-1]) else inputs[-2]
    k = inputs.index(by)
    g = sd.grad(f, by)
    found = sd.hessian(f, by)(*values)
    size = np.size(values[k])
    np.testing.assert_array_equal(found.reshape(size, size), found.reshape(size, size).T)

    def gradient(*point):
        return np.asarray(g(*point))

    direction = RNG.standard_normal(np.shape(values[k]))
    ends = [gradient(*values[:k], values[k] + h * direction, *values[k + 1 :]) for h in (1e-5, -1e-5)]
    along = np.tensordot(found, direction, np.ndim(values[k]))
    np.testing.assert_allclose(along, (ends[0] - ends[1]) / 2e-5, rtol=1e-4, atol=1e-4)


def test_the_textbook_example():
    W, x = np.array([[0.1, 0.5], [-0.3, 0.8]]), np.array([0.2, 0.4])
    f = sd.function("f(x, W) = sum((W @ x)**2)")
    assert f(x, W) == pytest.approx(0.116, rel=1e-14)
    dx, dw = sd.grad(f)(x, W)
    np.testing.assert_allclose(dw, [[0.088, 0.176], [0.104, 0.208]], rtol=1e-13)
    np.testing.assert_allclose(dx, [-0.112, 0.636], rtol=1e-13)


def test_training_lowers_the_loss():
    N, D, H, K = 16, 20, 8, 3
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((N, D)), rng.standard_normal((N, K))
    w1, w2 = rng.standard_normal((D, H)), rng.standard_normal((H, K))
    loss = sd.function("loss(x[n, d], y[n, k], w1[d, h], w2[h, k]) = sum((sigmoid(x @ w1) @ w2 - y)**2)")
    step = sd.value_and_grad(loss, ("w1", "w2"))
    losses = []
    for _ in range(300):
        value, (grad_w1, grad_w2) = step(x, y, w1, w2)
        losses.append(value)
        w1 -= 2e-3 * grad_w1
        w2 -= 2e-3 * grad_w2
    assert all(a > b for a, b in itertools.pairwise(losses))
    assert losses[-1] < 0.2 * losses[0]
