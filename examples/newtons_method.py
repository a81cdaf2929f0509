"""Newton's method with a compiled gradient and Hessian: the minimum of Rosenbrock's function."""

import numpy as np

import symdiff as sd

f = sd.function("f([x, y], a, b) = (a - x)**2 + b*(y - x**2)**2")
step = sd.function((f, sd.grad(f, ["x", "y"]), sd.hessian(f, ["x", "y"])))  # one kernel for all three

point = np.array([-1.2, 1.0])
for iteration in range(20):
    value, gradient, hessian = step(point, 1.0, 100.0)
    print(f"{iteration:2d}  f = {value:.3e}  |grad| = {np.linalg.norm(gradient):.3e}  at {point}")
    if np.linalg.norm(gradient) < 1e-12:
        break
    point = point - np.linalg.solve(hessian, gradient)

assert np.allclose(point, [1.0, 1.0])
