"""A network of two layers, trained by gradient descent: NumPy's arrays, symdiff's gradients."""

import numpy as np

import symdiff as sd

N, D_in, H, D_out = 64, 1000, 100, 10
rng = np.random.default_rng(0)
x, y = rng.standard_normal((N, D_in)), rng.standard_normal((N, D_out))
w1, w2 = rng.standard_normal((D_in, H)), rng.standard_normal((H, D_out))

loss = sd.function("loss(x[n, d], y[n, k], w1[d, h], w2[h, k]) = sum((sigmoid(x @ w1) @ w2 - y)**2)")
step = sd.value_and_grad(loss, ("w1", "w2"))  # one kernel for the loss and both gradients

for t in range(2001):
    value, (grad_w1, grad_w2) = step(x, y, w1, w2)
    w1 -= 1e-4 * grad_w1
    w2 -= 1e-4 * grad_w2
    if t % 400 == 0:
        print(f"{t:5d}  loss = {value:.6g}")

assert value < 1e-2 * N * D_out
