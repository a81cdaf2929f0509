"""The gradient of a formula string: print it, call it at a point, call it on arrays."""

import numpy as np

import symdiff as sd

f = sd.function("f(x, y) = sin(x*y) + exp(-x**2)")
g = sd.grad(f)

print(f)
print(sd.grad(f, "x"))
print("value    ", f(1.0, 2.0))
print("gradient ", g(1.0, 2.0))
print("Hessian\n", sd.hessian(f)(1.0, 2.0))

X = np.linspace(-1, 1, 5)
print("gradients at five points\n", g(X, 2.0))
