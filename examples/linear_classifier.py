"""Linear scores with two losses, the multiclass SVM's (hinge) and softmax cross-entropy, trained on a batch."""

import numpy as np

import symdiff as sd

rng = np.random.default_rng(0)
labels = rng.integers(0, 3, 150)
X = rng.standard_normal((150, 2)) + 4 * np.array([[0, 1], [1, -1], [-1, -1]])[labels]
Y = np.eye(3)[labels]

SCORES = "s = X @ W + b\nright = sum(s*Y, axis=1, keepdims=True)\n"
LOSSES = {
    "hinge": "sum((1 - Y)*max(s - right + 1, 0))/n + r*sum(W**2)",
    "cross_entropy": "sum(logsumexp(s, axis=1, keepdims=True) - right)/n + r*sum(W**2)",
}
INPUTS = {"X": ("n", "d"), "Y": ("n", "c"), "W": ("d", "c"), "b": "c", "r": ()}
for title, text in LOSSES.items():
    loss = sd.function(SCORES + text, INPUTS, name=title)
    step = sd.value_and_grad(loss, ("W", "b"))
    W, b = np.zeros((2, 3)), np.zeros(3)
    for _ in range(200):
        value, (grad_W, grad_b) = step(X, Y, W, b, 1e-3)
        W -= 0.5 * grad_W
        b -= 0.5 * grad_b
    accuracy = np.mean(np.argmax(X @ W + b, axis=1) == labels)
    print(f"{title:14s} loss {value:.4f}, {accuracy:.0%} right")
    assert accuracy > 0.95
