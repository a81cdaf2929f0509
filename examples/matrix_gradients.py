"""Derivatives of formulas of matrices: shaped as what they are taken by, for points and for batches."""

import numpy as np

import symdiff as sd

W = np.array([[0.1, 0.5], [-0.3, 0.8]])
x = np.array([0.2, 0.4])

# Nothing declares shapes here: each call has those of its arguments.
f = sd.function("f(x, W) = sum((W @ x)**2)")
dx, dw = sd.grad(f)(x, W)
print(f"f = {f(x, W):.3f}")
print(f"df/dx = {dx}")
print(f"df/dW =\n{dw}")
q = W @ x
assert np.isclose(f(x, W), 0.116)
assert np.allclose(dw, 2 * np.outer(q, x))
assert np.allclose(dx, 2 * W.T @ q)

# Sizes with names: what stands to the left of the declared axes is a batch.
g = sd.function("g(x[n], W[m, n]) = sum((W @ x)**2)/m")
batch = np.array([x, 2 * x, 3 * x])
print(f"three points: {g(batch, W)}")
assert sd.grad(g, "x")(batch, W).shape == (3, 2)

# A Jacobian of an output of shape (2,) by an input of shape (2, 2).
jacobian = sd.jacobian("W @ x", "W")
print(f"d(W @ x)/dW has shape {jacobian(W=W, x=x).shape}")
assert np.allclose(jacobian(W=W, x=x), np.einsum("ik,l->ikl", np.eye(2), x))
