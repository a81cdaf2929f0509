"""The layers of textbooks: a forward pass, activations, a layer of one's own, and the gradients of all."""

import numpy as np

import symdiff as sd

rng = np.random.default_rng(0)

# The forward pass of a network of three layers, line by line.
network = sd.function("""
    h1 = sigmoid(W1 @ x + b1)
    h2 = sigmoid(W2 @ h1 + b2)
    out = W3 @ h2 + b3""", ["x", "W1", "b1", "W2", "b2", "W3", "b3"])  # fmt: skip
sizes = [(3,), (4, 3), (4,), (4, 4), (4,), (1, 4), (1,)]
values = [rng.standard_normal(size) for size in sizes]
print(f"out = {network(*values)}")
print(f"d out/d W1 has shape {sd.jacobian(network, 'W1')(*values).shape}")

# A layer of one's own: its value and, for the way back, the adjoint of its operand.
sd.define("centered(x) = x - mean(x)", backward="g - mean(g)")

LAYERS = {
    "ReLU": "relu(W @ x + b)",
    "leaky ReLU": "z = W @ x + b\nmax(0.01*z, z)",
    "maxout": "max(W @ x + b, V @ x + c)",
    "ELU": "z = W @ x + b\nwhere(z > 0, z, exp(z) - 1)",
    "centered": "centered(tanh(W @ x + b))",
}
names = ["x", "W", "b", "V", "c"]
point = [rng.standard_normal(size) for size in [(3,), (4, 3), (4,), (4, 3), (4,)]]
for title, text in LAYERS.items():
    lines = text.split("\n")
    f = sd.function("\n".join([*lines[:-1], f"sum(({lines[-1]})**2)"]), names)
    gradient = sd.grad(f, "W")(*point)
    print(f"{title:12s} {f(*point):10.6f}  |df/dW| = {np.linalg.norm(gradient):.6f}")
    direction, step = rng.standard_normal((4, 3)), 1e-6
    ahead, back = (f(point[0], point[1] + s * direction, *point[2:]) for s in (step, -step))
    assert np.isclose(np.sum(gradient * direction), (ahead - back) / (2 * step), rtol=1e-6)
